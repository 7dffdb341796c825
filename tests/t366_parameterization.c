/* Parameterisations in whole networks: multipliers, variances and the rate factor are those that
 * the oracles write out; muP and mean field, of one seed, are one function with one kernel; the
 * kernels of one function in two parameterisations are in the ratio of the squared multipliers,
 * tensor by tensor; a scaled output has the scaled kernel.
 *
 * Method: tests/cases/oracles/param_{mup,mean_field,scaling}.json; MATH A3, A4. */
//TEST ranks=1
#include "network.h"

static const ntk_cotangents full = {NTK_OUT_FULL, 0};

static double largest(int64_t count, const double *x) {
  double most = 0;

  for (int64_t k = 0; k < count; ++k) most = fmax(most, fabs(x[k]));
  return most;
}

static void compare(int64_t count, const double *got, const double *wanted, double factor,
                    double relative) {
  const double tolerance = relative * factor * largest(count, wanted);

  for (int64_t k = 0; k < count; ++k) EXPECT_NEAR(got[k], factor * wanted[k], tolerance);
}

/* A case in one of its forms gives the kernel stored under `expected`. */
static void check_case(const char *path, const char *layers, const char *settings,
                       const char *expected, double rate) {
  const oracle_form form = {.layers = layers, .settings = settings, .dtype = NTK_DOUBLE};
  double got[64] = {0}, wanted[64] = {0};
  oracle o;

  oracle_load_as(path, &form, &o);
  const int64_t count = o.n * o.n;

  EXPECT(o.outputs == 1 && count <= 64 && o.net.network.rate_scale == rate);
  EXPECT(json_reals(json_find(o.file, expected), count, wanted) == count);
  plain_kernel(&o.net.network, &full, o.n, o.x, o.n, o.x, got);
  compare(count, got, wanted, 1, 1e-10);
  oracle_destroy(&o);
}

static void check_oracles(void) {
  static const char field[] = "tests/cases/oracles/param_mean_field.json";
  static const char mup[] = "tests/cases/oracles/param_mup.json";
  static const char scaling[] = "tests/cases/oracles/param_scaling.json";

  check_case(field, "inputs/layers", "parameterization: mup\n", "expected/ntk_full_niO_njP", 1);
  check_case(field, "inputs/layers_mean_field", "parameterization: mean_field\n",
             "expected/ntk_mean_field_times_rate_factor_n", 8);
  check_case(field, "inputs/layers_mean_field", "", "expected/ntk_mean_field", 1);
  check_case(mup, "inputs/layers", "parameterization: mup\n", "expected/ntk_full_niO_njP", 1);
  check_case(mup, "inputs/layers_standard", "parameterization: standard\n", "expected/ntk_standard",
             1);
  check_case(scaling, "inputs/layers_ntk", "", "expected/theta_ntk", 1);
}

/* The program's own multipliers are those that the case states. */
static void check_multipliers(const char *path, const char *layers, const char *yaml,
                              int64_t outputs) {
  char *file = json_load(path);
  test_network t;
  int tensor = 0;

  draw_network(yaml, 3, outputs, NTK_DOUBLE, &t);
  for (const char *at = json_first(json_find(file, layers)); at; at = json_next(at)) {
    if (!is_dense(at)) continue;
    for (int k = 0; k < 2; ++k) {
      const char *multiplier = json_look(at, k ? "sb" : "sw");

      if (!json_look(at, k ? "b" : "W")) continue;
      const double wanted = json_real(multiplier);

      EXPECT_NEAR(t.network.tensor[tensor].multiplier, wanted, 1e-15 * wanted);
      ++tensor;
    }
  }
  EXPECT(tensor == t.network.tensor_count);
  destroy_network(&t);
  free(file);
}

/* Outputs and kernel of a drawn network, of its draws. */
static void evaluate(const char *yaml, double *f, double *theta, double *rate) {
  double x[12];
  ntk_tape tape;
  test_network t;

  for (int k = 0; k < 12; ++k) x[k] = test_value(5, (uint64_t)k);
  draw_network(yaml, 3, 1, NTK_DOUBLE, &t);
  EXPECT_OK(ntk_forward(&t.network, 4, x, &tape));
  ntk_tape_output(&tape, f);
  ntk_tape_destroy(&tape);
  plain_kernel(&t.network, &full, 4, x, 4, x, theta);
  *rate = t.network.rate_scale;
  destroy_network(&t);
}

/* Theta_muP = n Theta_MFP, and the latter is stored with its factor n (MATH A3). */
static void check_mean_field(void) {
  static const char form[] =
      "{depth: 1, width: 30, activation: tanh, parameterization: %s,"
      " weight_init: %s, bias: {scale: 0.7, std: 0}}";
  static const char *const inits[] = {"he_normal", "glorot_uniform", "orthogonal", "he_truncated"};
  double f[2][4], theta[2][16] = {{0}}, rate[2];

  for (int k = 0; k < 4; ++k) {
    for (int mup = 0; mup < 2; ++mup) {
      char yaml[256];

      (void)snprintf(yaml, sizeof(yaml), form, mup ? "mup" : "mean_field", inits[k]);
      evaluate(yaml, f[mup], theta[mup], &rate[mup]);
    }
    EXPECT(rate[0] == 30 && rate[1] == 1);
    compare(4, f[0], f[1], 1, 1e-13);
    compare(16, theta[0], theta[1], 1, 1e-13);
  }
}

/* f and Theta of alpha f. */
static void check_scaled(void) {
  static const char form[] = "{depth: 2, width: 9, activation: gelu, output: %s}";
  double f[2][4], theta[2][16] = {{0}}, rate;
  char yaml[256];

  (void)snprintf(yaml, sizeof(yaml), form, "as_is");
  evaluate(yaml, f[0], theta[0], &rate);
  (void)snprintf(yaml, sizeof(yaml), form, "{scaled: 8}");
  evaluate(yaml, f[1], theta[1], &rate);
  compare(4, f[1], f[0], 8, 1e-15);
  compare(16, theta[1], theta[0], 64, 1e-15);
}

/* A width that differs from layer to layer: each layer's own fans count. */
static void check_fans(void) {
  test_network t;

  create_network(
      "{parameterization: mup, weight_init: he_normal, bias: {scale: 1, std: 1}, layers:"
      " [{dense: {features: 25}}, {activation: tanh}, {dense: {features: 9}},"
      " {activation: tanh}, {dense: {features: 4, trainable: false}}]}",
      &(ntk_shape){.rank = 1, .size = {7}}, 4, NTK_DOUBLE, &t);
  const ntk_tensor *w = t.network.tensor;

  EXPECT(w[0].multiplier == 5 && w[2].multiplier == 1 && w[4].multiplier == 1.0 / 3);
  EXPECT(w[1].multiplier == 5 && w[3].multiplier == 5 && w[5].multiplier == 1);
  EXPECT_NEAR(w[0].law.variance, 2.0 / 7 / 25, 1e-17);
  EXPECT(w[2].law.variance == 2.0 / 25 && w[4].law.variance == 2.0 / 9);
  EXPECT(w[1].law.std == 0.2 && w[3].law.std == 0.2 && w[5].law.std == 1);
  destroy_network(&t);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  check_oracles();
  check_multipliers("tests/cases/oracles/param_mup.json", "inputs/layers",
                    "{depth: 2, width: 8, parameterization: mup, bias: {scale: 1, std: 0.5}}", 1);
  check_multipliers("tests/cases/oracles/param_mean_field.json", "inputs/layers_mean_field",
                    "{parameterization: mean_field, bias: {scale: 1}, layers: [{dense: {features:"
                    " 8}}, {activation: gelu}, {dense: {features: 1, bias: none}}]}",
                    1);
  check_multipliers("tests/cases/oracles/param_mean_field.json", "inputs/layers",
                    "{parameterization: mup, bias: {scale: 1}, layers: [{dense: {features:"
                    " 8}}, {activation: gelu}, {dense: {features: 1, bias: none}}]}",
                    1);
  check_mean_field();
  check_scaled();
  check_fans();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
