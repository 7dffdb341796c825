/* A data set in an HDF5 file. */
#include "recipe.h"

static const expected wanted[] = {
    {"/", "X", NULL, 3, 4},  {"/", "y", NULL, 3, 0},    {"/g", "Xt", NULL, 2, 4},
    {"/g", "yt", NULL, 2, 0}, {NULL, NULL, NULL, 0, 0},
};

static const char *const names[] = {"X", "y", "g", "Xt", "yt", "x"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const int count = sizeof(names) / sizeof(names[0]);

  if (!prepare_file(data, size, wanted, names, count, "fuzz.h5")) return 0;
  fuzz_load("{source: hdf5, path: fuzz.h5, inputs: /X, labels: /y}");
  fuzz_load("{source: hdf5, path: fuzz.h5, inputs: X, labels: y, test_inputs: /g/Xt, "
            "test_labels: /g/yt}");
  expect_nothing_left();
  return 0;
}
