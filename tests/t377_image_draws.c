/* The weights of convolutional networks are those that neural-tangents draws from the same seed
 * (keys: stax), where layers without parameters take their keys too.
 *
 * Method: the parameters stored in tests/cases/golden, to 1e-13; in standard parameterisation up to
 * the scale of the tensor, which the initialiser has. */
//TEST ranks=1
#include "cases.h"

static const char *const files[] = {
    "nt_cnn_circular_stride_gap_ntk",
    "nt_cnn_same_flatten_ntk",
    "nt_cnn_same_stride_sumpool_ntk",
    "nt_cnn_valid_stride_avgpool_std",
};

static void check_tensor(const char *file, const ntk_tensor *tensor, const ntk_record *weights,
                         bool standard) {
  char name[NTK_NAME_SIZE + 16];

  (void)snprintf(name, sizeof(name), "layers/%s", tensor->name);
  const ntk_variable *stored = ntk_record_find(weights, name);

  EXPECT(stored && stored->count == tensor->count);
  const double *data = tensor->data, *values = stored->data;
  const double scale = standard ? data[0] / values[0] : 1;

  for (int64_t k = 0; k < tensor->count; ++k) {
    const double wanted = scale * values[k];

    if (fabs(data[k] - wanted) <= 1e-13 * fabs(wanted)) continue;
    FAIL("%s: %s[%d] is %.17g, not %.17g", file, tensor->name, (int)k, data[k], wanted);
  }
}

static void check_draws(const char *file) {
  char path[96];
  case_writer w = {.yaml = malloc(CASE_YAML), .values = malloc(CASE_ENTRIES * sizeof(double))};
  test_network t;

  EXPECT(w.yaml && w.values);
  (void)snprintf(path, sizeof(path), "tests/cases/golden/%s.json", file);
  char *json = json_load(path);
  const bool standard = case_is(json, "inputs/parameterization", "standard");
  const ntk_shape image = {.rank = 3, .size = {6, 6, 2}};

  case_put(&w, "{seed: %d, rng: {layout: original, keys: stax}, parameterization: %s, layers: ",
           (int)json_real(json_find(json, "inputs/key/seed")), standard ? "standard" : "ntk");
  case_list(&w, json_find(json, "inputs/layers"), "");
  case_put(&w, "}");
  create_network(w.yaml, &image, case_width(json_find(json, "expected/f")), NTK_DOUBLE, &t);
  EXPECT_OK(ntk_network_draw(&t.settings, &t.network));
  EXPECT(t.network.tensor_count == (int)w.weights.variable_count);
  for (int k = 0; k < t.network.tensor_count; ++k) {
    check_tensor(file, &t.network.tensor[k], &w.weights, standard);
  }
  destroy_network(&t);
  ntk_record_destroy(&w.weights);
  free(json);
  free(w.yaml);
  free(w.values);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  for (size_t k = 0; k < sizeof(files) / sizeof(files[0]); ++k) check_draws(files[k]);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
