/* neural_ode is the discretised flow and its exact gradient: the closed form of y' = theta tanh(y)
 * to fourth (rk4) and first (euler) order (MATH B25), derivatives of random fields, shapes and
 * options those of the forward pass, kernels in all modes those of the Jacobian, bits of a sample
 * independent of the others; flops and sizes as plan says; refusals; failures leave nothing.
 *
 * Method: closed forms from tests/cases/oracles, central differences, tests/layers.h. */
//TEST ranks=1
#include "cases.h"
#include "layers.h"
#include "ntk/model/layer.h"

enum { TRIALS = 32, YAML = 768 };

static int pick(uint64_t seed, uint64_t k, int count) {
  return (int)(test_bits(seed, k) % (uint64_t)count);
}

/* ---- y' = theta tanh(y) ---------------------------------------------------------------------- */

typedef struct flow {
  int64_t n;
  double theta, horizon, x[8], y[8], kernel[64];
} flow;

static void read_flow(const char *path, flow *f) {
  char *file = json_load(path);

  f->n = json_reals(json_find(file, "inputs/x"), 8, f->x);
  f->theta = json_real(json_find(file, "inputs/theta"));
  f->horizon = json_real(json_find(file, "inputs/T"));
  EXPECT(json_reals(json_find(file, "expected/y_T"), 8, f->y) == f->n);
  EXPECT(json_reals(json_find(file, "expected/ntk"), 64, f->kernel) == f->n * f->n);
  free(file);
}

static double deviation(int64_t n, const double *got, const double *wanted) {
  double square = 0, all = 0;

  for (int64_t k = 0; k < n; ++k) {
    square += (got[k] - wanted[k]) * (got[k] - wanted[k]);
    all += wanted[k] * wanted[k];
  }
  return sqrt(square / all);
}

/* Relative deviation (Frobenius) of the kernel; *output that of y(T). */
static double flow_error(const flow *f, const char *integrator, int steps, double *output) {
  static const ntk_cotangents full = {.outputs = NTK_OUT_FULL};
  const ntk_shape input = {.rank = 1, .size = {1}};
  double y[8] = {0}, kernel[64] = {0};
  char yaml[256];
  test_network t;
  ntk_tape tape;

  (void)snprintf(yaml, sizeof(yaml),
                 "{parameterization: standard, layers: [{neural_ode: {field: act(y)W,"
                 " horizon: %.17g, steps: %d, integrator: %s}}]}",
                 f->horizon, steps, integrator);
  create_network(yaml, &input, 1, NTK_DOUBLE, &t);
  EXPECT(t.network.tensor_count == 1); /* no bias in act(y)W unless it is asked for */
  EXPECT_OK(ntk_network_draw(&t.settings, &t.network));
  *(double *)t.network.tensor[0].data = f->theta;
  EXPECT_OK(ntk_forward(&t.network, f->n, f->x, &tape));
  ntk_tape_output(&tape, y);
  ntk_tape_destroy(&tape);
  plain_kernel(&t.network, &full, f->n, f->x, f->n, f->x, kernel);
  destroy_network(&t);
  *output = deviation(f->n, y, f->y);
  return deviation(f->n * f->n, kernel, f->kernel);
}

static void check_order(void) {
  static const double published[] = {1.5e-4, 1.1e-5, 7.0e-7, 4.5e-8}; /* MATH B25 */
  double output = 0;
  flow f = {0};

  read_flow("tests/cases/oracles/neural_ode_scalar.json", &f);
  for (int k = 0; k < 4; ++k) {
    EXPECT_NEAR(flow_error(&f, "rk4", 4 << k, &output), published[k], 0.06 * published[k]);
  }
  EXPECT(output < 1e-7);
  const double coarse = flow_error(&f, "euler", 200, &output);
  const double fine = flow_error(&f, "euler", 400, &output);

  EXPECT_NEAR(coarse / fine, 2, 0.02);
  EXPECT(fine < 1e-2);
  read_flow("tests/cases/oracles/neural_ode_scalar_theta0.json", &f);
  EXPECT(flow_error(&f, "euler", 3, &output) < 1e-13 && output < 1e-15);
}

/* ---- random fields --------------------------------------------------------------------------- */

static void random_trial(int number, char yaml[YAML], trial *p) {
  static const char *const acts[] = {"tanh", "gelu", "{sin: {a: 1.2, b: 0.7, c: 0.3}}", "softplus"};
  static const char *const biases[] = {"", ", bias: none", ", bias: {scale: 0.5, std: 1}"};
  const uint64_t seed = 70 + (uint64_t)number;
  const int positions = pick(seed, 1, 3) + 1;

  (void)snprintf(yaml, YAML,
                 "{seed: %d, parameterization: %s, bias: %s, layers: ["
                 "{dense: {features: %d}}, {activation: tanh}, {neural_ode: {field: %s,"
                 " activation: %s, horizon: %.3f, steps: %d, integrator: %s%s%s}}, flatten,"
                 " {dense: {features: outputs}}]}",
                 number, number % 2 ? "ntk" : "mup", number % 5 ? "{scale: 0.3, std: 1}" : "none",
                 1 + pick(seed, 2, 5), number % 3 ? "act(yW+b)" : "act(y)W", acts[pick(seed, 3, 4)],
                 1.5 * test_value(seed, 4), 1 + pick(seed, 5, 4),
                 pick(seed, 6, 2) ? "rk4" : "euler", biases[pick(seed, 7, 3)],
                 number % 4 ? "" : ", trainable: false");
  *p = (trial){.yaml = yaml, .outputs = 1 + pick(seed, 8, 3), .seed = seed};
  p->input = positions == 1 ? (ntk_shape){.rank = 1, .size = {3}}
                            : (ntk_shape){.rank = 2, .size = {positions, 3}};
}

static void check_random(void) {
  char yaml[YAML];
  trial p;

  for (int number = 0; number < TRIALS; ++number) {
    random_trial(number, yaml, &p);
    expect_differences(&p, 1e-8);
    expect_modes(&p);
    if (number % 4 < 2) expect_sizes(&p);
    if (number % 8 == 0) expect_bits(&p);
  }
}

/* ---- cost, refusals, faults ------------------------------------------------------------------ */

/* An evaluation at S positions costs 2 S w^2 flops forward, as much backward for every row, and the
 * tape has what W multiplies and a slope. */
static void check_cost(void) {
  const trial p = {"{layers: [{neural_ode: {steps: 3}}, flatten, {dense: {features: outputs}}]}",
                   {.rank = 2, .size = {5, 4}},
                   2,
                   0,
                   1};
  const ntk_cotangents full = {.outputs = NTK_OUT_FULL};
  test_network t;

  trial_open(&p, NTK_DOUBLE, &t);
  const ntk_network_cost cost = ntk_network_cost_of(&t.network, &full);

  EXPECT(cost.forward_flops == 12 * 2 * 5 * 16 + 2 * 20 * 2);
  EXPECT(cost.backward_flops ==
         2 * 12 * 2 * 5 * 16); /* the readout's is the same for all samples */
  EXPECT(cost.tape_bytes == 8 * (20 + 20 + 2 * 12 * 20 + 2));
  destroy_network(&t);
}

static void check_refusals(void) {
  const trial half = {"{bias: none, layers: [{neural_ode: {bias: {scale: 1}}}]}",
                      {.rank = 1, .size = {2}},
                      2,
                      0,
                      1};

  expect_refused(&half, "network.bias is none, so this layer's bias needs scale and std");
  expect_unreadable("{layers: [{neural_ode: {steps: 0}}]}", "steps");
  expect_unreadable("{layers: [{neural_ode: {integrator: heun}}]}", "the words are rk4, euler");
  expect_unreadable("{layers: [{neural_ode: {field: act(W)}}]}", "did you mean 'act(y)W'");
}

int main(int argc, char **argv) {
  trial life = {
      "{layers: [{dense: {features: 4}}, {neural_ode: {steps: 2}}, flatten,"
      " {dense: {features: outputs}}]}",
      {.rank = 2, .size = {2, 3}},
      2,
      0,
      1};

  begin_test(&argc, &argv);
  check_order();
  check_random();
  check_cost();
  check_refusals();
  EXPECT(sweep_faults(trial_life, &life) > 30);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
