# Writes ntk_version.h at every build (only if it changed): NTK_VERSION, NTK_GIT_COMMIT.
# Without git, or outside a checkout, the commit is "unknown".  Also a script: cmake -P.
if(CMAKE_SCRIPT_MODE_FILE)
  set(commit unknown)
  find_program(git git)
  if(git AND EXISTS ${source}/.git)
    execute_process(COMMAND ${git} -C ${source} describe --always --dirty --abbrev=12 --exclude=*
                    OUTPUT_VARIABLE described OUTPUT_STRIP_TRAILING_WHITESPACE
                    ERROR_QUIET RESULT_VARIABLE failed)
    if(NOT failed)
      set(commit ${described})
    endif()
  endif()
  file(WRITE ${header}.new
    "/* Generated at build time. */\n#define NTK_VERSION \"${version}\"\n"
    "#define NTK_GIT_COMMIT \"${commit}\"\n")
  execute_process(COMMAND ${CMAKE_COMMAND} -E copy_if_different ${header}.new ${header})
  return()
endif()

set(version_dir ${PROJECT_BINARY_DIR}/generated)
file(MAKE_DIRECTORY ${version_dir})
add_custom_target(ntk_version_header
  COMMAND ${CMAKE_COMMAND} -Dsource=${PROJECT_SOURCE_DIR} -Dversion=${PROJECT_VERSION}
          -Dheader=${version_dir}/ntk_version.h -P ${CMAKE_CURRENT_LIST_FILE}
  BYPRODUCTS ${version_dir}/ntk_version.h
  VERBATIM)
add_library(ntk_version INTERFACE)
add_dependencies(ntk_version ntk_version_header)
target_include_directories(ntk_version INTERFACE ${version_dir})
