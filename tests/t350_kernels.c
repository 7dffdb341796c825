/* Factors of the backward pass give the kernels of the oracles: full, trace, mean, pseudo, single,
 * on the training set and between two sets, in double and single; and f is right.
 *
 * Method: (B1) summed over the factors by plain loops in double.  Kernels over outputs follow from
 * the oracle's full one: trace = sum_o, mean = trace / O, pseudo = (1/O) sum_{o,p}. */
//TEST ranks=1
#include "network.h"

static const char *const cases[] = {
    "oracles/mlp_tanh_std_2_3_1",  "oracles/mlp_relu_article_style", "oracles/mlp_erf_ntkparam",
    "oracles/mlp_gelu_O3",         "oracles/output_modes_O3",        "oracles/centred_output",
    "golden/nt_mlp_erf_std",       "golden/nt_mlp_relu_ntk",
    "golden/nt_mlp_gelu_ntk_nobias", "oracles/mlp_act_gelu_tanh",    "oracles/mlp_act_leaky",
    "oracles/mlp_act_sigmoid",     "oracles/mlp_act_silu",           "oracles/mlp_act_sin",
    "oracles/mlp_act_softplus",
};

static double tolerance_of(const oracle *o) {
  return json_real(json_find(o->file, o->net.network.dtype == NTK_DOUBLE
                                          ? "tolerance/rel_to_max_abs"
                                          : "tolerance/float32_features_rel_to_max_abs"));
}

static void compare(const oracle *o, const char *what, int64_t count, const double *got,
                    const double *expected) {
  double largest = 0, worst = 0;

  for (int64_t k = 0; k < count; ++k) {
    largest = fmax(largest, fabs(expected[k]));
    worst = fmax(worst, fabs(got[k] - expected[k]));
  }
  if (!(worst <= tolerance_of(o) * largest)) FAIL("%s: off by %g of %g", what, worst, largest);
}

/* Entry (i, j) of a kernel over outputs, from full[i][o][j][p]. */
static double reduce(const ntk_cotangents *c, const double *full, int64_t i, int64_t j, int64_t m,
                     int64_t outputs) {
  double trace = 0, sum = 0;
  const double *block = full + i * outputs * m * outputs + j * outputs;

  for (int64_t o = 0; o < outputs; ++o) {
    trace += block[o * m * outputs + o];
    for (int64_t p = 0; p < outputs; ++p) sum += block[o * m * outputs + p];
  }
  switch (c->outputs) {
    case NTK_OUT_TRACE: return trace;
    case NTK_OUT_MEAN: return trace / (double)outputs;
    case NTK_OUT_PSEUDO: return sum / (double)outputs;
    default: return block[c->single * m * outputs + c->single];
  }
}

static void check_block(const oracle *o, const char *path, int64_t m, const double *y) {
  const int64_t n = o->n, outputs = o->outputs, entries = n * outputs * m * outputs;
  double *full = calloc((size_t)entries, sizeof(*full));
  double *got = calloc((size_t)entries, sizeof(*got));
  double *small = calloc((size_t)(n * m), sizeof(*small));
  ntk_cotangents c = {NTK_OUT_FULL, 0};

  EXPECT(full && got && small);
  EXPECT(json_reals(json_find(o->file, path), entries, full) == entries);
  plain_kernel(&o->net.network, &c, n, o->x, m, y, got);
  compare(o, path, entries, got, full);
  for (int k = NTK_OUT_MEAN; k <= NTK_OUT_SINGLE; ++k) {
    c.outputs = (ntk_outputs)k;
    for (c.single = 0; c.single < (k == NTK_OUT_SINGLE ? outputs : 1); ++c.single) {
      for (int64_t ij = 0; ij < n * m; ++ij) {
        small[ij] = reduce(&c, full, ij / m, ij % m, m, outputs);
      }
      plain_kernel(&o->net.network, &c, n, o->x, m, y, got);
      compare(o, path, n * m, got, small);
    }
  }
  free(full);
  free(got);
  free(small);
}

static void check_output(const oracle *o, const char *path) {
  const int64_t count = o->n * o->outputs;
  double *got = calloc((size_t)count, sizeof(*got));
  ntk_tape tape;

  EXPECT(got);
  if (json_look(o->file, path)) {
    EXPECT(json_reals(json_find(o->file, path), ORACLE_ENTRIES, o->values) == count);
    EXPECT_OK(ntk_forward(&o->net.network, o->n, o->x, &tape));
    ntk_tape_output(&tape, got);
    compare(o, path, count, got, o->values);
    ntk_tape_destroy(&tape);
  }
  free(got);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); ++k) {
    for (int single = 0; single < 2; ++single) {
      char path[128];
      oracle o;

      (void)snprintf(path, sizeof(path), "tests/cases/%s.json", cases[k]);
      oracle_load(path, single ? NTK_SINGLE : NTK_DOUBLE, &o);
      check_output(&o, "expected/f");
      check_block(&o, "expected/ntk_full_niO_njP", o.n, o.x);
      if (o.m > 0) check_block(&o, "expected/ntk_cross_X_X2", o.m, o.x2);
      oracle_destroy(&o);
    }
  }
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
