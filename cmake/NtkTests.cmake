# A build of the fuzz targets has no other tests.
option(NTK_FUZZ "build the fuzz targets, instead of the tests; needs clang" OFF)
if(NTK_FUZZ)
  include(NtkFuzz)
  return()
endif()

# Tests.  Every tests/tNNN_<name>.c is an executable; each of its lines
#   //TEST ranks=1,2,4 args="64 8" timeout=120
# becomes one test per rank count, labelled with its floor.  A file without such a line is an error.
# Tests that may take longest begin first (COST).
set(with_mpi ${PROJECT_SOURCE_DIR}/tools/mpi) # environment for Open MPI as root and on few cores
set(python ${PROJECT_SOURCE_DIR}/tools/python)

set(environment NTK_SOURCE_DIR=${PROJECT_SOURCE_DIR} NTK_PROGRAM=$<TARGET_FILE:ntkrun>
    NTK_MPIRUN=${MPIEXEC_EXECUTABLE}
    XDG_CACHE_HOME=${PROJECT_BINARY_DIR}/no_cache # speeds that doctor has stored here do not count
    OMPI_MCA_odls_base_sigkill_timeout=0 # else mpirun waits for seconds where a rank has failed
    OMPI_MCA_btl=self,vader # a thousand starts on one machine: only what they need
    OMPI_MCA_coll=self,basic,libnbc,tuned,inter
    PMIX_MCA_gds=hash
    OMPI_MCA_ess_singleton_isolated=1)   # else a program without mpirun starts a daemon
# Temporary files lie in memory where there is room: on a disk, tests mostly wait for it.
if(NOT "$ENV{TMPDIR}" STREQUAL "")
  list(APPEND environment TMPDIR=$ENV{TMPDIR})
elseif(IS_DIRECTORY /dev/shm)
  execute_process(COMMAND df -Pk /dev/shm OUTPUT_VARIABLE room)
  string(REGEX REPLACE ".*[ \t][0-9]+[ \t]+([0-9]+)[ \t]+[0-9]+%.*" "\\1" room "${room}")
  if(room GREATER 2000000) # KiB
    list(APPEND environment TMPDIR=/dev/shm)
  endif()
endif()
set(slower 1)
if(NTK_SANITIZE)
  list(APPEND environment
    ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1
    UBSAN_OPTIONS=print_stacktrace=1
    LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/lsan.supp:print_suppressions=0:fast_unwind_on_malloc=0)
  set(slower 10)
endif()

function(ntk_floor name result)
  string(SUBSTRING ${name} 1 3 number)
  set(floor "")
  foreach(row 0:base 100:config 200:data 300:model 400:dist 450:store 500:kernel 600:solve
              650:analysis 700:run 900:program)
    string(REPLACE ":" ";" row ${row})
    list(GET row 0 first)
    list(GET row 1 label)
    if(number GREATER_EQUAL first)
      set(floor ${label})
    endif()
  endforeach()
  set(${result} ${floor} PARENT_SCOPE)
endfunction()

function(ntk_add_case case ranks timeout label)
  add_test(NAME ${case}
    COMMAND ${with_mpi} ${MPIEXEC_EXECUTABLE} ${MPIEXEC_NUMPROC_FLAG} ${ranks} ${MPIEXEC_PREFLAGS}
            ${ARGN} ${MPIEXEC_POSTFLAGS}
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  math(EXPR seconds "${timeout} * ${slower}")
  set_tests_properties(${case} PROPERTIES PROCESSORS ${ranks} TIMEOUT ${seconds} COST ${timeout}
    LABELS ${label} ENVIRONMENT "${environment}")
endfunction()

function(ntk_add_line name number line)
  if(NOT line MATCHES "ranks=([0-9]+(,[0-9]+)*)( |$)")
    message(FATAL_ERROR "tests/${name}.c: no ranks=1,2,... in '${line}'")
  endif()
  string(REPLACE "," ";" ranks "${CMAKE_MATCH_1}")
  set(args "")
  if(line MATCHES "args=\"([^\"]*)\"")
    separate_arguments(args UNIX_COMMAND "${CMAKE_MATCH_1}")
  endif()
  set(timeout 120)
  if(line MATCHES "timeout=([0-9]+)")
    set(timeout ${CMAKE_MATCH_1})
  endif()
  ntk_floor(${name} label)
  foreach(n ${ranks})
    ntk_add_case(${name}.${number}.np${n} ${n} ${timeout} ${label} $<TARGET_FILE:${name}> ${args})
  endforeach()
endfunction()

file(GLOB files CONFIGURE_DEPENDS tests/t[0-9]*.c)
foreach(file ${files})
  get_filename_component(name ${file} NAME_WE)
  add_executable(${name} ${file})
  target_link_libraries(${name} PRIVATE ntk_core)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(STRINGS ${file} lines REGEX "^//TEST ")
  if(NOT lines)
    message(FATAL_ERROR "${file} has no //TEST line")
  endif()
  set(number 0)
  foreach(line ${lines})
    math(EXPR number "${number} + 1")
    ntk_add_line(${name} ${number} "${line}")
  endforeach()
endforeach()

# The README's examples of a layer, an activation, a data set and an analysis, with their rows in the tables:
# these come before those of the library when a test and the program are linked.
set(example ${PROJECT_BINARY_DIR}/readme)
set(write_examples ${python} ${PROJECT_SOURCE_DIR}/tests/readme_sources.py ${PROJECT_SOURCE_DIR} ${example})
execute_process(COMMAND ${write_examples} --list OUTPUT_VARIABLE sources COMMAND_ERROR_IS_FATAL ANY)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS README.md)
add_custom_command(OUTPUT ${sources} COMMAND ${write_examples} DEPENDS README.md src/model/layer.c
  src/model/activation.c src/data/source.c src/analysis/analysis.c tests/readme_sources.py)
add_library(readme_examples OBJECT ${sources})
target_include_directories(readme_examples PRIVATE src/model)
target_link_libraries(readme_examples PRIVATE ntk_core)
foreach(target readme_layer:tests/t362_random_layers.c readme_program:src/run/main.c)
  string(REPLACE ":" ";" target ${target})
  list(GET target 0 name)
  list(GET target 1 file)
  add_executable(${name} ${file} $<TARGET_OBJECTS:readme_examples>)
  target_link_libraries(${name} PRIVATE ntk_core)
endforeach()
ntk_add_case(readme_layer 1 120 model $<TARGET_FILE:readme_layer> 60 gain)
list(APPEND environment NTK_README_PROGRAM=$<TARGET_FILE:readme_program>)

# Tests in Python, of the tree and of the program as a whole.
add_test(NAME layers COMMAND ${python} ${PROJECT_SOURCE_DIR}/tools/check_layers.py ${PROJECT_SOURCE_DIR})
set_tests_properties(layers PROPERTIES LABELS tree)

function(ntk_add_script case label timeout)
  add_test(NAME ${case} COMMAND ${with_mpi} ${python} ${ARGN} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  math(EXPR seconds "${timeout} * ${slower}")
  set_tests_properties(${case} PROPERTIES PROCESSORS 2 TIMEOUT ${seconds} COST ${timeout}
    LABELS ${label} ENVIRONMENT "${environment}")
endfunction()

# A script with unit tests is a test; others are called by tests in C.
file(GLOB scripts CONFIGURE_DEPENDS tests/check_*.py)
foreach(file ${scripts})
  get_filename_component(name ${file} NAME_WE)
  file(STRINGS ${file} main REGEX "unittest\\.main")
  if(main)
    ntk_add_script(${name} program 240 ${file})
  endif()
endforeach()
set_tests_properties(check_runs check_slurm PROPERTIES PROCESSORS 1) # they mostly wait
ntk_add_script(campaign_kill program 300 ${PROJECT_SOURCE_DIR}/tests/campaign_kill --rounds 20 --quick --jobs 3)

# All cases of tests/cases go through the program together; a test of each name reads its line.
file(GLOB cases CONFIGURE_DEPENDS tests/cases/oracles/*.json tests/cases/golden/*.json)
set(report ${PROJECT_BINARY_DIR}/oracle.txt)
ntk_add_script(oracle oracle 300 ${PROJECT_SOURCE_DIR}/tests/oracle --program $<TARGET_FILE:ntkrun>
               --report ${report} ${cases})
set_tests_properties(oracle PROPERTIES FIXTURES_SETUP oracle COST 1000) # the longest: begins first
foreach(file ${cases})
  get_filename_component(name ${file} NAME_WE)
  add_test(NAME oracle.${name} COMMAND grep "^${name}: " ${report})
  set_tests_properties(oracle.${name} PROPERTIES LABELS oracle FIXTURES_REQUIRED oracle
    PASS_REGULAR_EXPRESSION "^${name}: (ok|not yet) ")
endforeach()

# Fuzzing, where clang brings libFuzzer: a build of its own, then 10 seconds each (tools/fuzz).
find_program(NTK_CLANG NAMES clang clang-20 clang-19 clang-18 clang-17 clang-16 clang-15 clang-14
             DOC "clang with libFuzzer, for the tests fuzz.*")
if(NTK_CLANG AND NOT DEFINED NTK_CLANG_FUZZES)
  set(file ${PROJECT_BINARY_DIR}/try_fuzzer.c)
  file(WRITE ${file} "int LLVMFuzzerTestOneInput(const unsigned char *data, unsigned long size);
int LLVMFuzzerTestOneInput(const unsigned char *data, unsigned long size) {
  return size && data ? 0 : 0;
}\n")
  execute_process(COMMAND ${NTK_CLANG} -fsanitize=fuzzer,address ${file} -o ${file}.out
                  RESULT_VARIABLE failed OUTPUT_QUIET ERROR_QUIET)
  if(failed)
    message(STATUS "fuzzing: ${NTK_CLANG} has no libFuzzer")
    set(NTK_CLANG_FUZZES OFF CACHE INTERNAL "")
  else()
    message(STATUS "fuzzing: ${NTK_CLANG}")
    set(NTK_CLANG_FUZZES ON CACHE INTERNAL "")
  endif()
endif()
if(NTK_CLANG AND NTK_CLANG_FUZZES AND NOT NTK_SANITIZE)
  function(ntk_add_fuzz case timeout)
    add_test(NAME fuzz.${case} COMMAND ${PROJECT_SOURCE_DIR}/tools/fuzz ${ARGN})
    set_tests_properties(fuzz.${case} PROPERTIES TIMEOUT ${timeout} LABELS fuzz
      ENVIRONMENT "${environment};NTK_BUILD=${PROJECT_BINARY_DIR};NTK_CLANG=${NTK_CLANG}")
  endfunction()
  ntk_add_fuzz(build 600 build)
  set_tests_properties(fuzz.build PROPERTIES PROCESSORS 2 FIXTURES_SETUP fuzz)
  file(GLOB files CONFIGURE_DEPENDS tests/fuzz/fuzz_*.c)
  foreach(file ${files})
    get_filename_component(name ${file} NAME_WE)
    string(REGEX REPLACE "^fuzz_" "" name ${name})
    ntk_add_fuzz(${name} 60 test ${name})
    set_tests_properties(fuzz.${name} PROPERTIES FIXTURES_REQUIRED fuzz)
  endforeach()
endif()
