/* Weights drawn from a seed are those of JAX's per-tensor keys, of the article's program and of
 * neural-tangents; rounding to single is the last step; a seed's high word counts only with x64;
 * a layer's own settings change no other tensor.
 *
 * Method: stored numbers of those programs (tests/cases/golden). */
//TEST ranks=1
#include "network.h"

static void check_values(const ntk_tensor *tensor, const char *expected, double relative) {
  double *values = malloc((size_t)tensor->count * sizeof(*values));
  const double *data = tensor->data;

  EXPECT(values && json_reals(expected, tensor->count, values) == tensor->count);
  for (int64_t k = 0; k < tensor->count; ++k) {
    EXPECT_NEAR(data[k], values[k], relative * fabs(values[k]));
  }
  free(values);
}

static void check_per_tensor(void) {
  char *file = json_load("tests/cases/golden/per_tensor_network.json");
  test_network t;

  draw_network("{depth: 2, width: 4, seed: 7}", 3, 2, NTK_DOUBLE, &t);
  EXPECT(t.network.tensor_count == 6);
  for (int k = 0; k < 6; ++k) {
    char path[64];

    (void)snprintf(path, sizeof(path), "expected/layers/%d/%c_standard_normal", k / 2, "Wb"[k % 2]);
    check_values(&t.network.tensor[k], json_find(file, path), 1e-14);
  }
  destroy_network(&t);
  free(file);
}

static void check_article_tensor(const ntk_tensor *tensor, const char *expected, double relative) {
  const double *data = tensor->data;
  double first[4], last[4], sum = 0, squares = 0;

  EXPECT(json_reals(json_find(expected, "first4_of_flat"), 4, first) == 4);
  EXPECT(json_reals(json_find(expected, "last4_of_flat"), 4, last) == 4);
  for (int64_t k = 0; k < 4; ++k) {
    EXPECT_NEAR(data[k], first[k], relative * fabs(first[k]));
    EXPECT_NEAR(data[tensor->count - 4 + k], last[k], relative * fabs(last[k]));
  }
  for (int64_t k = 0; k < tensor->count; ++k) {
    sum += data[k];
    squares += data[k] * data[k];
  }
  const double wanted = json_real(json_find(expected, "sum_of_squares"));

  EXPECT_NEAR(sum, json_real(json_find(expected, "sum")),
              relative * sqrt(wanted * (double)tensor->count));
  EXPECT_NEAR(squares, wanted, 2 * relative * wanted);
}

static void check_article(const char *dtype, const char *draws, double relative) {
  char *file = json_load("tests/cases/golden/article_network.json"), yaml[256], path[64];
  test_network t;

  (void)snprintf(yaml, sizeof(yaml),
                 "{kind: mlp, depth: 2, width: 256, parameterization: standard, seed: 42, "
                 "bias: {scale: 1, std: 0}, rng: {dtype: %s, keys: article}}",
                 dtype);
  draw_network(yaml, 1, 1, NTK_DOUBLE, &t);
  for (int l = 0; l < 3; ++l) {
    const ntk_tensor *weight = t.network.tensor + (ptrdiff_t)2 * l, *bias = weight + 1;

    (void)snprintf(path, sizeof(path), "expected/%s/weights/%d", draws, l);
    check_article_tensor(weight, json_find(file, path), relative);
    for (int64_t k = 0; k < bias->count; ++k) EXPECT(((double *)bias->data)[k] == 0);
    EXPECT(bias->multiplier == 1);
  }
  destroy_network(&t);
  free(file);
}

/* Standard parameterisation: the file's weights carry their scale; the draws' has another. */
static void check_scaled(const ntk_tensor *tensor, const char *expected) {
  double *values = malloc((size_t)tensor->count * sizeof(*values));
  const double *data = tensor->data;

  EXPECT(values && json_reals(expected, tensor->count, values) == tensor->count);
  for (int64_t k = 0; k < tensor->count; ++k) {
    EXPECT_NEAR(data[k] / data[0], values[k] / values[0], 1e-13 * fabs(values[k] / values[0]));
  }
  free(values);
}

static void check_stax(const char *path, const char *yaml, int64_t features, int64_t outputs,
                       bool standard) {
  char *file = json_load(path);
  test_network t;
  int tensor = 0;

  draw_network(yaml, features, outputs, NTK_DOUBLE, &t);
  const char *layer = json_first(json_find(file, "inputs/layers"));

  for (; layer; layer = json_next(layer)) {
    if (!is_dense(layer)) continue;
    for (int k = 0; k < 2; ++k) {
      const char *values = json_look(layer, k ? "b" : "W");

      if (!values) continue;
      if (standard) {
        check_scaled(&t.network.tensor[tensor++], values);
      } else {
        check_values(&t.network.tensor[tensor++], values, 1e-13);
      }
    }
  }
  EXPECT(tensor == t.network.tensor_count);
  destroy_network(&t);
  free(file);
}

/* The same draw, rounded once. */
static void check_single(const char *yaml) {
  test_network wide, narrow;

  draw_network(yaml, 3, 2, NTK_DOUBLE, &wide);
  draw_network(yaml, 3, 2, NTK_SINGLE, &narrow);
  for (int t = 0; t < wide.network.tensor_count; ++t) {
    for (int64_t k = 0; k < wide.network.tensor[t].count; ++k) {
      const double exact = ((double *)wide.network.tensor[t].data)[k];

      EXPECT(((float *)narrow.network.tensor[t].data)[k] == (float)exact);
    }
  }
  destroy_network(&wide);
  destroy_network(&narrow);
}

static double first_weight(const char *yaml) {
  test_network t;

  draw_network(yaml, 1, 1, NTK_DOUBLE, &t);
  const double value = *(double *)t.network.tensor[0].data;

  destroy_network(&t);
  return value;
}

/* A frozen layer, and one with a law of its own, are drawn from the keys that they would have
 * anyway; a tensor without entries to draw takes its place in the count. */
static void check_overrides(const char *keys) {
  static const char layers[] =
      "layers: [{dense: {features: 4, trainable: %s}}, {activation: tanh},"
      " {dense: {features: 5, weight_init: %s, bias: %s}}, {dense: {features: outputs}}]}";
  char yaml[512];
  test_network plain, other;

  (void)snprintf(yaml, sizeof(yaml), "{rng: {keys: %s}, bias: {std: 0}, ", keys);
  const size_t used = strlen(yaml);

  (void)snprintf(yaml + used, sizeof(yaml) - used, layers, "true", "he_normal", "{}");
  draw_network(yaml, 3, 2, NTK_DOUBLE, &plain);
  (void)snprintf(yaml + used, sizeof(yaml) - used, layers, "false", "orthogonal", "{scale: 2}");
  draw_network(yaml, 3, 2, NTK_DOUBLE, &other);
  for (int t = 0; t < 6; ++t) {
    const ntk_tensor *a = &plain.network.tensor[t], *b = &other.network.tensor[t];

    EXPECT(same_bits(a->data, b->data, (size_t)a->count * sizeof(double)) == (t != 2));
  }
  destroy_network(&plain);
  destroy_network(&other);
}

static void check_seeds(void) {
  const double a = first_weight("{depth: 0, seed: 5}");

  EXPECT(a == first_weight("{depth: 0, seed: 5}"));
  EXPECT(a != first_weight("{depth: 0, seed: 6}"));
  EXPECT(a != first_weight("{depth: 0, seed: 4294967301}")); /* 2^32 + 5 */
  EXPECT(a != first_weight("{depth: 0, seed: 5, rng: {layout: original}}") ||
         a != first_weight("{depth: 0, seed: 5, rng: {keys: stax}}"));
  EXPECT(first_weight("{depth: 0, seed: 5, rng: {dtype: float32}}") ==
         first_weight("{depth: 0, seed: 4294967301, rng: {dtype: float32}}"));
}

/* Entries times multiplier have the initialiser's variance in every parameterisation. */
static void check_scale(const char *init, const char *form, double variance) {
  char yaml[128];
  test_network t;
  double squares = 0;

  (void)snprintf(yaml, sizeof(yaml), "{depth: 0, weight_init: %s, parameterization: %s}", init,
                 form);
  draw_network(yaml, 300, 200, NTK_DOUBLE, &t);
  const ntk_tensor *w = &t.network.tensor[0];

  for (int64_t k = 0; k < w->count; ++k) squares += pow(((double *)w->data)[k] * w->multiplier, 2);
  EXPECT_NEAR(squares / (double)w->count, variance, 0.03 * variance);
  destroy_network(&t);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  check_per_tensor();
  check_article("float32", "float32_draws", 2e-6);
  check_article("float64", "float64_draws", 1e-13);
  check_stax("tests/cases/golden/nt_mlp_relu_ntk.json",
             "{depth: 2, width: 16, seed: 0, rng: {layout: original, keys: stax}}", 3, 2, false);
  check_stax("tests/cases/golden/nt_mlp_gelu_ntk_nobias.json",
             "{depth: 2, width: 16, seed: 2, bias: none, rng: {layout: original, keys: stax}}", 4,
             3, false);
  check_stax("tests/cases/golden/nt_mlp_erf_std.json",
             "{depth: 2, width: 16, seed: 1, parameterization: standard, "
             "rng: {layout: original, keys: stax}}", 3, 1, true);
  check_single("{depth: 2, width: 5, weight_init: glorot_uniform}");
  check_single("{depth: 2, width: 5, rng: {dtype: float32}}");
  check_seeds();
  check_scale("he_normal", "standard", 2.0 / 300);
  check_scale("he_uniform", "ntk", 2.0 / 300);
  check_scale("glorot_normal", "ntk", 2.0 / 500);
  check_scale("lecun_uniform", "standard", 1.0 / 300);
  check_scale("glorot_truncated", "ntk", 2.0 / 500);
  check_scale("orthogonal", "ntk", 1.0 / 300);
  check_scale("{law: orthogonal, variance: 3, fan: out}", "standard", 3.0 / 200);
  check_scale("{law: truncated, variance: 3, fan: average}", "mup", 3.0 / 250);
  check_overrides("per_tensor");
  check_overrides("article");
  check_overrides("stax");
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
