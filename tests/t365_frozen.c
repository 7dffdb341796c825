/* Frozen layers have no part in the kernel, and change none of the others': for every set of frozen
 * layers the kernel is the sum of the parts of the rest, the stream gives factors for the rest
 * only, and the flops are those of the rest.
 *
 * Method: the contributions per tensor of tests/cases/oracles/param_mup.json. */
//TEST ranks=1
#include "network.h"

enum { LAYERS = 3, N = 4 };

/* Adds the stored part of a tensor, "2.W" for the second of the dense layers. */
static void add_part(const oracle *o, int layer, const char *tensor, double *kernel) {
  char path[64];
  double part[N * N];

  (void)snprintf(path, sizeof(path), "expected/ntk_per_tensor/%d.%s", 2 * layer, tensor);
  EXPECT(json_reals(json_find(o->file, path), N * N, part) == N * N);
  for (int k = 0; k < N * N; ++k) kernel[k] += part[k];
}

static int count_factors(const oracle *o) {
  const ntk_cotangents full = {NTK_OUT_FULL, 0};
  ntk_tape tape;
  ntk_stream stream = {0};
  ntk_factor factor;
  bool more = true;
  int count = 0;

  EXPECT_OK(ntk_forward(&o->net.network, o->n, o->x, &tape));
  EXPECT_OK(ntk_stream_begin(&tape, &full, &stream));
  for (;; ++count) {
    EXPECT_OK(ntk_stream_next(&stream, &factor, &more));
    if (!more) break;
    EXPECT(factor.weight->trainable && factor.w_weight > 0 && factor.b_weight > 0);
  }
  ntk_stream_destroy(&stream);
  ntk_tape_destroy(&tape);
  return count;
}

static void compare(ntk_dtype dtype, const double *got, const double *wanted) {
  double largest = 0;

  for (int k = 0; k < N * N; ++k) largest = fmax(largest, fabs(wanted[k]));
  for (int k = 0; k < N * N; ++k) {
    EXPECT_NEAR(got[k], wanted[k], (dtype == NTK_DOUBLE ? 1e-12 : 1e-5) * largest);
  }
}

static void check_set(unsigned frozen, ntk_dtype dtype) {
  const oracle_form form = {
      .layers = "inputs/layers", .settings = "", .frozen = frozen, .dtype = dtype};
  double wanted[N * N] = {0}, got[N * N] = {0};
  int64_t parameters = 0;
  int trained = 0;
  oracle o;

  oracle_load_as("tests/cases/oracles/param_mup.json", &form, &o);
  for (int layer = 0; layer < LAYERS; ++layer) {
    if (frozen >> layer & 1U) continue;
    add_part(&o, layer, "W", wanted);
    add_part(&o, layer, "b", wanted);
    parameters += o.net.network.tensor[2 * layer].count + o.net.network.tensor[2 * layer + 1].count;
    ++trained;
  }
  EXPECT(o.n == N && o.outputs == 1 && o.net.network.parameters == parameters);
  EXPECT(count_factors(&o) == trained);
  for (int mode = NTK_OUT_FULL; mode <= NTK_OUT_SINGLE; ++mode) {
    const ntk_cotangents c = {(ntk_outputs)mode, 0};

    plain_kernel(&o.net.network, &c, N, o.x, N, o.x, got);
    compare(dtype, got, wanted);
  }
  oracle_destroy(&o);
}

/* Nothing is computed for what is frozen: above the lowest trained layer only the way back. */
static void check_cost(void) {
  static const char form[] =
      "layers: [{dense: {features: 7, trainable: %s}}, {activation: tanh},"
      " {dense: {features: 5, trainable: %s}}, {activation: tanh}, {dense: {features: outputs}}]";
  const ntk_cotangents mean = {NTK_OUT_MEAN, 0};
  double backward[4], pair[4];

  for (int k = 0; k < 4; ++k) {
    char yaml[256];
    test_network t;

    (void)snprintf(yaml, sizeof(yaml), form, k & 1 ? "true" : "false", k & 2 ? "true" : "false");
    draw_network(yaml, 3, 1, NTK_DOUBLE, &t);
    const ntk_network_cost cost = ntk_network_cost_of(&t.network, &mean);

    backward[k] = cost.backward_flops;
    pair[k] = cost.pair_flops;
    destroy_network(&t);
  }
  EXPECT(backward[0] == 0 && backward[2] == 0 && backward[1] == 2 * 5 * 7);
  EXPECT(backward[3] == backward[1]);
  EXPECT(pair[0] == 2 * 5 && pair[2] == pair[0] + 2 * (7 + 5));
  EXPECT(pair[1] == pair[0] + 2 * (3 + 7) && pair[3] == pair[1] + pair[2] - pair[0]);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  for (unsigned frozen = 0; frozen < (1U << LAYERS) - 1; ++frozen) {
    check_set(frozen, NTK_DOUBLE);
    check_set(frozen, NTK_SINGLE);
  }
  check_cost();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
