/* A kernel from an HDF5 file: everything that is read before the ranks share the matrices, and what
 * `inspect` reads. */
#include "ntk/kernel/kernel.h"
#include "ntk/store/file.h"
#include "recipe.h"

static const expected wanted[] = {
    {"/", "K", NULL, 3, 3},      {"/", "Ks", NULL, 3, 2},      {"/", "Kt", NULL, 2, 2},
    {"/", "y", NULL, 3, 0},      {"/g", "f0", NULL, 3, 1},     {"/", "yt", NULL, 2, 0},
    {"/", "ft", NULL, 2, 1},     {"/", "Kd", NULL, 2, 0},      {"/", "lambda", NULL, 3, 0},
    {"/g", "power", NULL, 3, 1}, {"/", "key", "0123", 0, 0},   {NULL, NULL, NULL, 0, 0},
};

static const char *const names[] = {"K",  "Ks",     "Kt",    "y",   "g",     "f0",     "yt",
                                    "Kd", "lambda", "power", "key", "units", "sample", "x"};

static const char *const kernels[] = {
    "{type: file, path: fuzz.h5, gram: /K, test_train: /Ks, test_gram: /Kt, test_test: full, "
    "targets: /y, initial_output: /g/f0, test_targets: /yt, test_initial_output: /ft, "
    "test_diagonal: /Kd}",
    "{type: file, path: fuzz.h5, gram: K}",
    "{type: file, path: fuzz.h5, eigenvalues: /lambda, target_power: /g/power}",
};

static void tell_size(const char *yaml) {
  ntk_tree tree = {0};
  ntk_kernel_settings settings = {0};
  ntk_kernel_size size = {0};

  fuzz_bind(&ntk_kernel_section, "kernel", yaml, &tree, &settings);
  const ntk_kernel_type *type = (const ntk_kernel_type *)settings.type.row;
  const ntk_status status = type->size(&settings, &size);

  fuzz_judge(status);
  if (status == NTK_OK) FUZZ_REQUIRE(size.n > 0 && size.n < 1000);
  ntk_tree_destroy(&tree);
  expect_nothing_left();
}

static void inspect(const char *path) {
  ntk_record record = {0};
  ntk_variable variable = {0};

  (void)!ntk_file_keys(path, &record);
  ntk_record_destroy(&record);
  (void)!ntk_file_list(path, "", true, &record);
  ntk_record_destroy(&record);
  (void)!ntk_file_read(path, "g", true, &record);
  ntk_record_destroy(&record);
  (void)!ntk_file_read_variable(path, "/x", &variable);
  ntk_variable_destroy(&variable);
  expect_nothing_left();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const int count = sizeof(names) / sizeof(names[0]);

  if (!prepare_file(data, size, wanted, names, count, "fuzz.h5")) return 0;
  for (int k = 0; k < 3; ++k) tell_size(kernels[k]);
  inspect(fuzz_path("fuzz.h5"));
  return 0;
}
