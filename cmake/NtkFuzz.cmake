# Fuzzing, a build of its own with clang (NtkTests.cmake configures it for the tests, tools/fuzz by
# hand).  Every tests/fuzz/fuzz_<name>.c is an executable; target `fuzz` makes all of them.
#
#   cmake -S . -B build/fuzz -DNTK_FUZZ=ON -DCMAKE_C_COMPILER=clang \
#         -DNTK_SANITIZE=fuzzer-no-link,address,undefined
#   cmake --build build/fuzz --target fuzz
add_custom_target(fuzz)
file(GLOB files CONFIGURE_DEPENDS tests/fuzz/fuzz_*.c)
foreach(file ${files})
  get_filename_component(name ${file} NAME_WE)
  add_executable(${name} EXCLUDE_FROM_ALL ${file})
  target_link_libraries(${name} PRIVATE ntk_core -fsanitize=fuzzer)
  add_dependencies(fuzz ${name})
endforeach()
