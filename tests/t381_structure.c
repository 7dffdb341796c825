/* Residuals in one another, repeats with and without their own weights, shared layers, norms,
 * masks: for 120 random networks of them the Jacobian from factors is that of the forward pass, and
 * all modes of the kernel follow from it.  A wrong backward pass is seen.
 *
 * Method: central differences by every parameter, to 1e-6 of the largest entry; the modes by plain
 * sums, to 1e-12; the same with a tape of which a layer's memory was changed. */
//TEST ranks=1
#include "network.h"
#include "ntk/model/layer.h"

enum { NETWORKS = 120, YAML = 4096, SAMPLES = 3, OUTPUTS = 2, ROWS = SAMPLES * OUTPUTS };

typedef struct writer {
  uint64_t seed, drawn;
  char *yaml;
  size_t used;
  bool positions; /* images: norms over positions */
} writer;

static int pick(writer *w, int count) {
  return (int)(test_bits(w->seed, ++w->drawn) % (uint64_t)count);
}

static void put(writer *w, const char *text) {
  const int length = snprintf(w->yaml + w->used, YAML - w->used, "%s", text);

  EXPECT(length >= 0 && (size_t)length < YAML - w->used);
  w->used += (size_t)length;
}

/* ---- a random network; all layers keep the width --------------------------------------------- */

static void put_list(writer *w, int depth, int most);

static void put_residual(writer *w, int depth) {
  static const char *const scales[] = {"", "scale: 0.5, ", "scale: -1.5, "};

  put(w, "{residual: {");
  put(w, scales[pick(w, 3)]);
  if (pick(w, 2)) {
    put(w, "skip: ");
    put_list(w, depth + 1, 2);
    put(w, ", ");
  }
  put(w, "branch: ");
  put_list(w, depth + 1, 3);
  put(w, "}}");
}

static void put_repeat(writer *w, int depth) {
  put(w, pick(w, 2) ? "{repeat: {times: 2, share: true, layers: " : "{repeat: {times: 2, layers: ");
  put_list(w, depth + 1, 2);
  put(w, "}}");
}

static void put_norm(writer *w) {
  static const char *const over[] = {"channels", "positions_channels", "positions"};
  static const char *const more[] = {"", ", mean_only: true", ", affine: false",
                                     ", mean_only: true, affine: true", ", trainable: false"};

  put(w, "{norm: {eps: 0.1, over: ");
  put(w, over[pick(w, w->positions ? 3 : 2)]);
  put(w, more[pick(w, 5)]);
  put(w, "}}");
}

static void put_layer(writer *w, int depth) {
  static const char *const plain[] = {
      "{dense: {features: width}}",
      "{dense: {features: width, bias: none}}",
      "{dense: {features: width, trainable: false}}",
      "{dense: {features: width, share: base}}",
      "{activation: tanh}",
      "{activation: gelu}",
      "{activation: {sin: {b: 0.7}}}",
      "{dropout: 0.7}",
      "{dropout: {keep: 0.6, inverted: false, masks: shared, seed: 3}}",
      "{batch_norm: {mode: eval}}",
      "{batch_norm: {mode: eval, affine: false}}",
      "identity",
  };
  const int kind = pick(w, 8);

  if (kind < 2 && depth < 3) {
    put_residual(w, depth);
  } else if (kind == 2 && depth < 3) {
    put_repeat(w, depth);
  } else if (kind == 3) {
    put_norm(w);
  } else {
    put(w, plain[pick(w, (int)(sizeof(plain) / sizeof(plain[0])))]);
  }
}

static void put_list(writer *w, int depth, int most) {
  const int count = 1 + pick(w, most);

  put(w, "[");
  for (int k = 0; k < count; ++k) {
    if (k) put(w, ", ");
    put_layer(w, depth);
  }
  put(w, "]");
}

static void random_network(int number, test_network *t) {
  const ntk_shape vector = {.rank = 1, .size = {4}}, image = {.rank = 3, .size = {2, 1, 2}};
  char yaml[YAML];
  writer w = {.seed = (uint64_t)number, .yaml = yaml, .positions = number % 2 == 1};

  put(&w,
      number % 3 == 0
          ? "{parameterization: standard, weight_init: lecun_normal, bias: {scale: 1, std: 0.2}, "
          : "{");
  put(&w,
      "seed: 5, width: 4, layers: [{dense: {name: stem, features: width}},"
      " {dense: {name: base, features: width}}, {repeat: {name: body, times: 1, layers: ");
  put_list(&w, 0, 4);
  put(&w, w.positions ? "}}, flatten, " : "}}, ");
  put(&w, number % 4 < 2 ? "{dense: {features: outputs}}]}"
                         : "{dense: {features: outputs}}, {activation: erf}]}");
  create_network(yaml, w.positions ? &image : &vector, OUTPUTS, NTK_DOUBLE, t);
  EXPECT_OK(ntk_network_draw(&t->settings, &t->network));
}

/* Constants that are drawn as 0 and 1 get values of their own. */
static void stir(const ntk_network *network) {
  for (int t = 0; t < network->tensor_count; ++t) {
    const ntk_tensor *tensor = &network->tensor[t];
    double *data = tensor->data;

    for (int64_t k = 0; k < tensor->count && !tensor->law.law && tensor->law.std == 0; ++k) {
      data[k] += 0.3 * test_value(77, (uint64_t)(t * 100 + k));
    }
  }
}

/* ---- the modes ------------------------------------------------------------------------------- */

static double full_entry(const ntk_network *network, const double *j, int row, int column) {
  const int64_t columns = column_count(network);
  double sum = 0;

  for (int64_t k = 0; k < columns; ++k) sum += j[row * columns + k] * j[column * columns + k];
  return sum * network->rate_scale;
}

/* Entry of a mode from the full kernel. */
static double mode_entry(const double *full, ntk_outputs mode, int i, int k) {
  double trace = 0, all = 0;

  for (int o = 0; o < OUTPUTS; ++o) {
    for (int p = 0; p < OUTPUTS; ++p) {
      const double entry = full[(i * OUTPUTS + o) * ROWS + k * OUTPUTS + p];

      all += entry;
      trace += o == p ? entry : 0;
    }
  }
  if (mode == NTK_OUT_SINGLE) return full[(i * OUTPUTS + 1) * ROWS + k * OUTPUTS + 1];
  if (mode == NTK_OUT_PSEUDO) return all / OUTPUTS;
  return mode == NTK_OUT_MEAN ? trace / OUTPUTS : trace;
}

static void check_modes(int number, const ntk_network *network, const double *x, const double *j) {
  static const ntk_outputs modes[] = {NTK_OUT_MEAN, NTK_OUT_TRACE, NTK_OUT_PSEUDO, NTK_OUT_SINGLE};
  const ntk_cotangents all = {NTK_OUT_FULL, 0};
  double full[ROWS * ROWS], got[ROWS * ROWS] = {0}, most = 0;

  for (int e = 0; e < ROWS * ROWS; ++e) {
    full[e] = full_entry(network, j, e / ROWS, e % ROWS);
    most = fmax(most, fabs(full[e]));
  }
  plain_kernel(network, &all, SAMPLES, x, SAMPLES, x, got);
  for (int e = 0; e < ROWS * ROWS; ++e) {
    if (!(fabs(got[e] - full[e]) <= 1e-12 * most)) FAIL("network %d: full", number);
  }
  for (int m = 0; m < 4; ++m) {
    const ntk_cotangents mode = {modes[m], 1};

    plain_kernel(network, &mode, SAMPLES, x, SAMPLES, x, got);
    for (int e = 0; e < SAMPLES * SAMPLES; ++e) {
      const double wanted = mode_entry(full, modes[m], e / SAMPLES, e % SAMPLES);

      if (!(fabs(got[e] - wanted) <= 1e-12 * most)) FAIL("network %d: mode %d", number, m);
    }
  }
}

static void fill_inputs(int number, double *x) {
  for (int k = 0; k < SAMPLES * 4; ++k) x[k] = test_value(1000 + (uint64_t)number, (uint64_t)k);
}

/* Returns how often a layer of each kind of interest was there. */
static void check_network(int number, int *shared, int *nested) {
  double x[SAMPLES * 4];
  test_network t;
  ntk_tape tape;

  fill_inputs(number, x);
  random_network(number, &t);
  stir(&t.network);
  const double error = jacobian_error(&t.network, SAMPLES, x, 1e-5);

  if (!(error <= 1e-6)) FAIL("network %d: off by %g", number, error);
  EXPECT_OK(ntk_forward(&t.network, SAMPLES, x, &tape));
  double *j = jacobian(&t.network, &tape);

  ntk_tape_destroy(&tape);
  check_modes(number, &t.network, x, j);
  for (int k = 0; k < t.network.tensor_count; ++k) *shared += t.network.tensor[k].uses > 1;
  for (int l = 0; l < t.network.layer_count; ++l) {
    *nested += strstr(t.network.layer[l].name, "branch/residual0/branch") != NULL;
  }
  free(j);
  destroy_network(&t);
}

/* ---- tied readouts --------------------------------------------------------------------------- */

/* At every token and after them, with and without bias, twice, and with a frozen table. */
static void check_tied(void) {
  static const struct {
    const char *layers;
    int64_t outputs;
  } tied[] = {
      {"{dense: {features: 4, share: e, transposed: true}}, {activation: tanh}, flatten", 12},
      {"{norm: {eps: 0.1}}, {dense: {features: 4, share: e, transposed: true, bias: none}}, "
       "flatten",
       12},
      {"last_position, {dense: {features: 4, share: e, transposed: true}}", 4},
      {"{dense: {features: 4, share: e, transposed: true}}, {activation: tanh}, {dense: {features: "
       "2}},"
       " {residual: {branch: [{activation: gelu}, {dense: {features: 2}}]}},"
       " {dense: {features: 4, share: e, transposed: true, trainable: false}}, flatten",
       12},
  };
  const ntk_shape tokens = {.rank = 1, .size = {3}};
  const double x[6] = {0, 3, 1, 1, 1, 2};

  for (size_t k = 0; k < 2 * sizeof(tied) / sizeof(tied[0]); ++k) {
    char yaml[640];
    test_network t;

    (void)snprintf(yaml, sizeof(yaml),
                   "layers: [{token_embedding: {name: e, vocabulary: 4, features: 2%s}},"
                   " {activation: {sin: {b: 0.8}}}, {dense: {features: 2}}, %s]",
                   k % 2 ? ", trainable: false" : "", tied[k / 2].layers);
    create_network(yaml, &tokens, tied[k / 2].outputs, NTK_DOUBLE, &t);
    EXPECT_OK(ntk_network_draw(&t.settings, &t.network));
    const double error = jacobian_error(&t.network, 2, x, 1e-5);

    if (!(error <= 1e-6)) FAIL("tied %d: off by %g", (int)k, error);
    destroy_network(&t);
  }
}

/* ---- company --------------------------------------------------------------------------------- */

/* The derivatives of sample 0 have the same bits alone and among others. */
static void check_company(int number) {
  enum { COMPANY = 70 };
  double x[COMPANY * 4];
  test_network t;
  ntk_tape alone, among;

  for (int k = 0; k < COMPANY * 4; ++k) x[k] = test_value(2000, (uint64_t)k);
  random_network(number, &t);
  stir(&t.network);
  EXPECT_OK(ntk_forward(&t.network, 1, x, &alone));
  EXPECT_OK(ntk_forward(&t.network, COMPANY, x, &among));
  double *one = jacobian(&t.network, &alone), *many = jacobian(&t.network, &among);
  const int64_t count = OUTPUTS * column_count(&t.network);

  for (int64_t k = 0; k < count; ++k) {
    const double scale = ntk_blas_reproducible(NTK_DOUBLE) ? 0 : 1e-11;

    EXPECT(fabs(one[k] - many[k]) <= scale * (1 + fabs(one[k])));
  }
  free(one);
  free(many);
  ntk_tape_destroy(&alone);
  ntk_tape_destroy(&among);
  destroy_network(&t);
}

/* ---- a wrong derivative is seen -------------------------------------------------------------- */

/* How much the Jacobian changes, over its largest entry, if what the layer of this name keeps is
 * changed by a thousandth. */
static double change(const char *yaml, const char *name) {
  const ntk_shape image = {.rank = 3, .size = {2, 1, 2}};
  double x[SAMPLES * 4], worst = 0, most = 0;
  test_network t;
  ntk_tape tape;
  int l = 0;

  fill_inputs(9, x);
  create_network(yaml, &image, OUTPUTS, NTK_DOUBLE, &t);
  EXPECT_OK(ntk_network_draw(&t.settings, &t.network));
  stir(&t.network);
  EXPECT(jacobian_error(&t.network, SAMPLES, x, 1e-5) <= 1e-6);
  EXPECT_OK(ntk_forward(&t.network, SAMPLES, x, &tape));
  double *right = jacobian(&t.network, &tape);

  while (l < t.network.layer_count && strcmp(t.network.layer[l].name, name) != 0) ++l;
  EXPECT(l < t.network.layer_count && tape.aux[l]);
  for (int k = 0; k < SAMPLES * 4; ++k) ((double *)tape.aux[l])[k] *= 1.001;
  double *wrong = jacobian(&t.network, &tape);

  for (int64_t k = 0; k < ROWS * column_count(&t.network); ++k) {
    worst = fmax(worst, fabs(right[k] - wrong[k]));
    most = fmax(most, fabs(right[k]));
  }
  free(right);
  free(wrong);
  ntk_tape_destroy(&tape);
  destroy_network(&t);
  return worst / most;
}

static void check_changes(void) {
  EXPECT(change("layers: [{dense: {features: 2}}, {norm: {name: n}}, {activation: tanh}, flatten,"
                " {dense: {features: 2}}]",
                "n") > 1e-5);
  EXPECT(
      change("layers: [{dense: {features: 2}}, {norm: {name: n, over: positions, affine: false}},"
             " {activation: tanh}, flatten, {dense: {features: 2}}]",
             "n") > 1e-5);
  EXPECT(change("layers: [{dense: {features: 2}}, {batch_norm: {name: n, mode: eval}},"
                " {activation: tanh}, flatten, {dense: {features: 2}}]",
                "n") > 1e-5);
  EXPECT(change("layers: [{dense: {features: 2}}, {dropout: {keep: 0.9, name: n}},"
                " {activation: tanh}, flatten, {dense: {features: 2}}]",
                "n") > 1e-5);
  EXPECT(change("layers: [{dense: {features: 2}}, {residual: {name: r, branch: [{activation: {kind:"
                " tanh, name: n}}, {dense: {features: 2}}]}}, flatten, {dense: {features: 2}}]",
                "r/branch/n") > 1e-5);
}

int main(int argc, char **argv) {
  int shared = 0, nested = 0;

  begin_test(&argc, &argv);
  for (int number = 0; number < NETWORKS; ++number) check_network(number, &shared, &nested);
  EXPECT(shared > 40 && nested > 10);
  for (int number = 0; number < NETWORKS; number += 6) check_company(number + number / 6 % 2);
  check_tied();
  check_changes();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
