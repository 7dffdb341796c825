/* A weights file: as the whole network, and for a network that the config describes. */
#include "ntk/run/build.h"
#include "recipe.h"

static const char layers[] =
    "layers:\n- dense: {name: first, features: 4}\n- activation: relu\n"
    "- dense: {name: readout, features: outputs}\n";

static const expected wanted[] = {
    {"/", "format", "ntkrun-weights", 0, 0},
    {"/", "layers", layers, 0, 0},
    {"/", "input_shape", "3", 0, 0},
    {"/layers", "origin", "fuzz", 0, 0},
    {"/layers/first", "W", NULL, 3, 4},
    {"/layers/first", "b", NULL, 4, 0},
    {"/layers/readout", "W", NULL, 4, 1},
    {"/layers/readout", "b", NULL, 1, 0},
    {NULL, NULL, NULL, 0, 0},
};

static const char *const names[] = {"layers", "first", "readout", "W",   "b", "format",
                                    "schema", "s_w",   "s_b",     "key", "x", "_Netcdf4Dimid"};

static const char *const networks[] = {
    "{weights: fuzz.h5}",
    "{weights: fuzz.h5, kind: mlp, depth: 1, width: 4}",
    "{weights: fuzz.h5, layers: [dense: {name: first, features: 4}, activation: relu]}",
};

static void build(const char *yaml) {
  const ntk_data samples = {.shape = {.rank = 1, .size = {3}}, .outputs = 1};
  ntk_settings settings = {0};
  ntk_network network = {0};
  ntk_tree tree = {0}, kernel = {0};

  fuzz_bind(&ntk_network_section, "network", yaml, &tree, &settings.network);
  fuzz_bind(&ntk_kernel_section, "kernel", "{}", &kernel, &settings.kernel);
  const ntk_status status = ntk_network_build(&settings, &samples, true, &network);

  fuzz_judge(status);
  ntk_network_destroy(&network);
  ntk_tree_destroy(&tree);
  ntk_tree_destroy(&kernel);
  expect_nothing_left();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const int count = sizeof(names) / sizeof(names[0]);

  if (!prepare_file(data, size, wanted, names, count, "fuzz.h5")) return 0;
  for (int k = 0; k < 3; ++k) build(networks[k]);
  return 0;
}
