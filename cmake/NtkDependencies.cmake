# Finds every library and collects them in the target ntk_dependencies.
#
# Each one is taken from the first place that compiles and links a small program:
#   1. what was given:  -D<NAME>_LIBRARIES=... -D<NAME>_INCLUDE_DIRS=...  or  -D<NAME>_ROOT=<prefix>
#   2. what the compiler or its MPI wrapper finds by itself (Cray, modules, CPATH and LIBRARY_PATH)
#   3. pkg-config
#   4. a CMake package
#   5. the usual folders
# All that is missing is reported in one message.
include(CheckCSourceCompiles)
include(CheckSymbolExists)
find_package(PkgConfig QUIET)

set(missing "")
macro(ntk_missing name package variable)
  string(APPEND missing "  ${name}: install ${package}, or pass -D${variable}=<prefix>")
  if(${variable} OR DEFINED ENV{${variable}})
    string(APPEND missing " (${${variable}}$ENV{${variable}} has none that works)")
  endif()
  string(APPEND missing "\n")
endmacro()

# Links `source` against `libraries`; the answer goes to `result`.
function(ntk_try result source includes libraries)
  set(CMAKE_REQUIRED_INCLUDES ${includes})
  set(CMAKE_REQUIRED_LIBRARIES ${libraries})
  set(CMAKE_REQUIRED_QUIET TRUE)
  unset(NTK_TRIED CACHE)
  check_c_source_compiles("${source}" NTK_TRIED)
  set(${result} "${NTK_TRIED}" PARENT_SCOPE)
  unset(NTK_TRIED CACHE)
endfunction()

# Makes the target ntk::NAME.
#   SOURCE   program that must compile and link
#   HEADER   a header, LIBRARIES library names ("" for header-only), for places 1 and 5
#   SUFFIXES folders below include/, below lib/
#   MODULES  names for pkg-config, BESIDE libraries in the same folder that their .pc files forget
#   CONFIG, TARGETS  name of a CMake package and of its targets, the first that exists is taken
#   WITH     targets that it needs besides
#   DEBIAN   package to name if it is not found
#   OPTIONAL it may be missing
function(ntk_find name)
  cmake_parse_arguments(PARSE_ARGV 1 X "OPTIONAL" "SOURCE;HEADER;CONFIG;DEBIAN"
                        "TARGETS;LIBRARIES;SUFFIXES;MODULES;BESIDE;WITH")
  set(place "")
  macro(offer where includes libraries)
    if(NOT place)
      ntk_try(works "${X_SOURCE}" "${includes}" "${libraries};${X_WITH}")
      if(works)
        set(place "${where}")
        add_library(ntk_${name} INTERFACE)
        target_include_directories(ntk_${name} SYSTEM INTERFACE ${includes})
        target_link_libraries(ntk_${name} INTERFACE ${libraries} ${X_WITH})
        add_library(ntk::${name} ALIAS ntk_${name})
      endif()
    endif()
  endmacro()
  macro(offer_found where)
    if(NOT place)
      unset(header CACHE)
      find_path(header ${X_HEADER} PATH_SUFFIXES ${X_SUFFIXES} ${ARGN})
      set(found "")
      foreach(library ${X_LIBRARIES})
        unset(file CACHE)
        find_library(file NAMES ${library} PATH_SUFFIXES ${X_SUFFIXES} ${ARGN})
        if(file)
          list(APPEND found ${file})
        endif()
      endforeach()
      if(header)
        offer("${where}" "${header}" "${found}")
      endif()
      unset(header CACHE)
      unset(file CACHE)
    endif()
  endmacro()

  set(root ${${name}_ROOT})
  if(NOT root)
    set(root $ENV{${name}_ROOT})
  endif()
  if(${name}_LIBRARIES OR ${name}_INCLUDE_DIRS)
    offer("given" "${${name}_INCLUDE_DIRS}" "${${name}_LIBRARIES}")
  elseif(root)
    set(arch ${CMAKE_LIBRARY_ARCHITECTURE})
    offer_found("${root}" PATHS ${root}/include ${root}/include/${arch} ${root}/lib ${root}/lib64
                ${root}/lib/${arch} NO_DEFAULT_PATH)
  else()
    offer("compiler" "" "")
    if(PkgConfig_FOUND AND NOT place)
      foreach(module ${X_MODULES})
        string(MAKE_C_IDENTIFIER NTK_PC_${module} prefix)
        pkg_check_modules(${prefix} QUIET IMPORTED_TARGET GLOBAL ${module})
        if(${prefix}_FOUND)
          foreach(library ${X_BESIDE})
            unset(file CACHE)
            find_library(file NAMES ${library} PATHS ${${prefix}_LIBRARY_DIRS} NO_DEFAULT_PATH)
            if(file)
              list(PREPEND ${prefix}_LINK_LIBRARIES ${file})
            endif()
          endforeach()
          offer("pkg-config ${module}" "${${prefix}_INCLUDE_DIRS}" "${${prefix}_LINK_LIBRARIES}")
        endif()
      endforeach()
    endif()
    if(X_CONFIG AND NOT place)
      find_package(${X_CONFIG} CONFIG QUIET)
      foreach(target ${X_TARGETS})
        if(TARGET ${target})
          offer("CMake package ${X_CONFIG}" "" "${target}")
        endif()
      endforeach()
    endif()
    offer_found("${name} on the search path")
  endif()
  if(place)
    message(STATUS "${name}: ${place}")
  elseif(X_OPTIONAL AND NOT root AND NOT ${name}_LIBRARIES AND NOT ${name}_INCLUDE_DIRS)
    message(STATUS "${name}: none (${X_DEBIAN}, or -D${name}_ROOT=<prefix>)")
  else()
    ntk_missing(${name} ${X_DEBIAN} ${name}_ROOT)
    set(missing "${missing}" PARENT_SCOPE)
  endif()
endfunction()

find_package(MPI QUIET COMPONENTS C)
if(NOT MPI_C_FOUND)
  ntk_missing("MPI" "libopenmpi-dev and openmpi-bin" MPI_HOME)
else()
  message(STATUS "MPI: ${MPI_C_COMPILER} ${MPI_C_LIBRARIES}")
  ntk_find(BLAS
    SOURCE "#include <cblas.h>
      int main(void) { double a = 1; cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, 1, 1, 1,
                       1, &a, 1, &a, 1, 0, &a, 1); return 0; }"
    HEADER cblas.h LIBRARIES openblas cblas blas SUFFIXES openblas openblas-pthread
    MODULES openblas blis cblas mkl-dynamic-lp64-seq CONFIG OpenBLAS TARGETS OpenBLAS::OpenBLAS
    DEBIAN libopenblas-dev)
  set(hdf5_source "#include <hdf5.h>
      #include <hdf5_hl.h>
      int main(void) { return H5open() + H5DSset_scale(0, 0); }") # serial or parallel, either serves
  ntk_find(HDF5 SOURCE "${hdf5_source}" HEADER hdf5.h LIBRARIES hdf5_hl hdf5
    SUFFIXES hdf5/openmpi hdf5/mpich hdf5/serial MODULES hdf5-openmpi hdf5-mpich hdf5 hdf5-serial
    BESIDE hdf5_hl
    CONFIG hdf5 TARGETS hdf5::hdf5_hl-shared hdf5_hl-shared WITH MPI::MPI_C DEBIAN libhdf5-openmpi-dev)
endif()
ntk_find(YAML SOURCE "#include <yaml.h>
  int main(void) { yaml_parser_t p; return yaml_parser_initialize(&p); }"
  HEADER yaml.h LIBRARIES yaml MODULES yaml-0.1 CONFIG yaml TARGETS yaml DEBIAN libyaml-dev)
ntk_find(XXHASH SOURCE "#include <xxhash.h>
  int main(void) { return (int)XXH3_128bits(\"\", 0).low64; }"
  HEADER xxhash.h LIBRARIES xxhash MODULES libxxhash CONFIG xxHash TARGETS xxHash::xxhash
  DEBIAN libxxhash-dev)
ntk_find(ZLIB SOURCE "#include <zlib.h>
  int main(void) { return zlibVersion()[0]; }"
  HEADER zlib.h LIBRARIES z MODULES zlib DEBIAN zlib1g-dev)
ntk_find(RANDOM123 SOURCE "#include <Random123/threefry.h>
  int main(void) { threefry2x32_ctr_t c = {{0, 0}}; return (int)threefry2x32(c, c).v[0]; }"
  HEADER Random123/threefry.h DEBIAN librandom123-dev)
if(MPI_C_FOUND)
  find_package(ScaLAPACK QUIET)
  if(ScaLAPACK_FOUND)
    message(STATUS "SCALAPACK: ${ScaLAPACK_SOURCE}")
  else()
    string(APPEND missing "  ScaLAPACK: install libscalapack-openmpi-dev, or pass "
                          "-DSCALAPACK_LIBRARIES='<libraries>' (its LAPACK included)\n")
  endif()
endif()
option(NTK_ELPA "solvers elpa1 and elpa2, where ELPA is found" ON)
if(NTK_ELPA AND ScaLAPACK_FOUND)
  # Its headers are in include/elpa-<version>/elpa; packages are named by version and threading.
  file(GLOB folders ${ELPA_ROOT}/include/elpa* $ENV{ELPA_ROOT}/include/elpa*)
  list(TRANSFORM folders REPLACE ".*/" "")
  ntk_find(ELPA OPTIONAL SOURCE "#include <elpa/elpa.h>
    int main(void) { int error = elpa_init(20200417); double a = 1; elpa_t e = elpa_allocate(&error);
                     elpa_eigenvectors(e, &a, &a, &a, &error); elpa_deallocate(e, &error);
                     return elpa_strerr(error)[0]; }"
    HEADER elpa/elpa.h LIBRARIES elpa elpa_openmp SUFFIXES ${folders} elpa
    MODULES elpa elpa_openmp WITH ScaLAPACK::ScaLAPACK DEBIAN libelpa-dev)
endif()
if(missing)
  message(FATAL_ERROR "These libraries are missing or do not work with ${CMAKE_C_COMPILER}:\n"
    "${missing}Package names are Debian's and Ubuntu's; all of them: ${PROJECT_SOURCE_DIR}/tools/packages.txt")
endif()

find_package(Threads REQUIRED)
add_library(ntk_dependencies INTERFACE)
# BLAS comes before ScaLAPACK, which may bring a slower one of its own.
target_link_libraries(ntk_dependencies INTERFACE ntk::BLAS ntk::HDF5 ntk::YAML ntk::XXHASH ntk::ZLIB
                      ntk::RANDOM123 ScaLAPACK::ScaLAPACK MPI::MPI_C Threads::Threads m)
if(TARGET ntk::ELPA)
  target_link_libraries(ntk_dependencies INTERFACE ntk::ELPA)
  target_compile_definitions(ntk_dependencies INTERFACE NTK_HAVE_ELPA)
endif()
get_target_property(blas_includes ntk_BLAS INTERFACE_INCLUDE_DIRECTORIES)
get_target_property(blas_libraries ntk_BLAS INTERFACE_LINK_LIBRARIES)
ntk_try(openblas "char *openblas_get_corename(void);
  int main(void) { return openblas_get_corename()[0]; }" "${blas_includes}" "${blas_libraries}")
if(openblas)
  target_compile_definitions(ntk_dependencies INTERFACE NTK_HAVE_OPENBLAS)
endif()
