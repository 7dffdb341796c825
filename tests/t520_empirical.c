/* The empirical kernel is J J^T, for every way to combine outputs; test blocks, test diagonal, the
 * parts of single tensors and the outputs likewise.  Conjugate kernel and NNGP are what C19 says.
 *
 * Method: J by central differences through the whole network, one parameter at a time; the
 * readout's features by sums over the layers' own numbers. */
//TEST ranks=1,2,4,6
#include "kernel.h"

enum { N = 9, M = 4, FEATURES = 3 };

static const struct {
  const char *network, *kernel;
  int64_t outputs;
  const char *frozen; /* tensors whose names begin so are not trained */
} cases[] = {
    {"{depth: 2, width: 5, activation: tanh}", "{outputs: full, test_test: full}", 3, "-"},
    {"{depth: 2, width: 5, activation: tanh}", "{outputs: mean, test_test: full}", 3, "-"},
    {"{depth: 2, width: 6, activation: erf, parameterization: ntk}",
     "{outputs: trace, test_test: full}", 3, "-"},
    {"{depth: 1, width: 4, activation: gelu}", "{outputs: pseudo, test_test: full}", 2, "-"},
    {"{depth: 3, width: 4, activation: tanh, bias: none}",
     "{outputs: {single: {output: 1}}, test_test: full}", 2, "-"},
    {"{depth: 2, width: 5, activation: tanh, bias: {scale: 0.3, std: 1}, output: centered}",
     "{outputs: mean, test_test: full}", 1, "-"},
    {"{layers: [dense: {features: outputs}]}", "{outputs: full, test_test: full}", 2, "-"},
    {"{layers: [dense: {name: a, features: 4}, activation: tanh, dense: {name: b, features: 5},"
     " activation: gelu, dense: {name: c, features: outputs}]}",
     "{outputs: full, test_test: full}", 2, "a/"},
    {"{layers: [dense: {name: a, features: 4}, activation: tanh, dense: {name: b, features: 5},"
     " activation: gelu, dense: {name: c, features: outputs}]}",
     "{outputs: mean, test_test: full}", 2, "b/W"},
    {"{layers: [dense: {name: a, features: 4}, activation: tanh, dense: {name: b, features: 3}]}",
     "{outputs: trace, test_test: full}", 3, "b/b"},
    {"{layers: [dense: {features: 4}, batch_norm: {mode: train}, activation: tanh, dense: {features: 3},"
     " batch_norm: {mode: train, eps: 0.1}, activation: gelu, dense: {features: outputs}]}",
     "{outputs: full, test_test: full}", 2, "-"},
    {"{layers: [dense: {features: 4}, batch_norm: {mode: train}, activation: tanh, dense: {features:"
     " outputs}]}", "{outputs: mean, test_test: full}", 3, "-"},
};

/* f of all training, then test samples, [N + M][O]; batch_norm is trained on the former. */
static void outputs_of(const problem *p, double *f) {
  double inputs[(N + M) * FEATURES];
  ntk_tape training = {0}, test = {0};
  const ntk_batch batch = {.count = M, .training = &training};

  for (int64_t k = 0; k < (N + M) * FEATURES; ++k) {
    inputs[k] = input_value(k / FEATURES, k % FEATURES);
  }
  EXPECT_OK(ntk_forward(&p->network, N, inputs, &training));
  EXPECT_OK(ntk_forward_batch(&p->network, &batch, inputs + N * FEATURES, NULL, &test));
  ntk_tape_output(&training, f);
  ntk_tape_output(&test, f + N * p->network.outputs);
  ntk_tape_destroy(&test);
  ntk_tape_destroy(&training);
}

/* df/dtheta_k, and its combinations: [N + M][rows][features], rows * features <= O. */
static void column_of_jacobian(const problem *p, double *parameter, double *up, double *down,
                               int64_t count) {
  const double h = 1e-5, was = *parameter;

  *parameter = was + h;
  outputs_of(p, up);
  *parameter = was - h;
  outputs_of(p, down);
  *parameter = was;
  for (int64_t k = 0; k < count; ++k) up[k] = (up[k] - down[k]) / (2 * h);
}

/* What one parameter adds to K between sample-output a and b, given its column of J. */
static double term(const ntk_cotangents *c, int64_t outputs, const double *j, int64_t a,
                   int64_t b) {
  double sum_a = 0, sum_b = 0, product = 0;

  if (c->outputs == NTK_OUT_FULL) return j[a] * j[b];
  for (int64_t o = 0; o < outputs; ++o) {
    sum_a += j[a * outputs + o];
    sum_b += j[b * outputs + o];
    product += j[a * outputs + o] * j[b * outputs + o];
  }
  switch (c->outputs) {
    case NTK_OUT_MEAN: return product / (double)outputs;
    case NTK_OUT_TRACE: return product;
    case NTK_OUT_PSEUDO: return sum_a * sum_b / (double)outputs;
    default: return j[a * outputs + c->single] * j[b * outputs + c->single];
  }
}

/* The kernel of all samples, [rows][rows], and the part of one tensor. */
typedef struct truth {
  int64_t rows; /* (N + M) * rows per sample */
  double *all, *part;
} truth;

static void add_tensor(problem *p, ntk_tensor *tensor, truth *t) {
  const ntk_cotangents c = ntk_kernel_cotangents(&p->kernel_settings);
  const int64_t outputs = p->network.outputs, count = (N + M) * outputs;
  double *up = NULL, *down = NULL;

  memset(t->part, 0, (size_t)(t->rows * t->rows) * sizeof(double));
  EXPECT_OK(NTK_NEW(count, &up));
  EXPECT_OK(NTK_NEW(count, &down));
  for (int64_t k = 0; k < tensor->count; ++k) {
    column_of_jacobian(p, (double *)tensor->data + k, up, down, count);
    for (int64_t a = 0; a < t->rows; ++a) {
      for (int64_t b = 0; b < t->rows; ++b) t->part[a * t->rows + b] += term(&c, outputs, up, a, b);
    }
  }
  for (int64_t k = 0; k < t->rows * t->rows; ++k) t->all[k] += t->part[k];
  ntk_free(&up);
  ntk_free(&down);
}

static int find_tensor(const ntk_kernel *kernel, const char *name) {
  for (int k = 0; k < kernel->tensor_count; ++k) {
    if (strcmp(kernel->tensor_name[k], name) == 0) return k;
  }
  FAIL("no contribution of %s", name);
  return -1;
}

static void check_part(const ntk_kernel *kernel, const char *name, const truth *t) {
  const int k = find_tensor(kernel, name);
  const int64_t train = N * kernel->rows_per_sample;
  double trace = 0, square = 0;

  for (int64_t a = 0; a < train; ++a) {
    trace += t->part[a * t->rows + a];
    for (int64_t b = 0; b < train; ++b) square += pow(t->part[a * t->rows + b], 2);
  }
  EXPECT_NEAR(kernel->tensor_trace[k], trace, 1e-7 * (1 + fabs(trace)));
  EXPECT_NEAR(kernel->tensor_norm[k], sqrt(square), 1e-7 * (1 + sqrt(square)));
}

/* The block of the truth that begins at (row, col). */
static void check_block(const ntk_matrix *m, const double *all, int64_t rows, int64_t row,
                        int64_t col) {
  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    for (int64_t li = 0; li < m->local_rows; ++li) {
      const double want = all[(row + ntk_matrix_row(m, li)) * rows + col + ntk_matrix_col(m, lj)];
      EXPECT_NEAR(m->data[li + lj * m->ld], want, 1e-7 * (1 + fabs(want)));
    }
  }
}

static void check_matrices(const ntk_kernel *kernel, const truth *t) {
  const int64_t train = N * kernel->rows_per_sample;

  check_block(&kernel->gram, t->all, t->rows, 0, 0);
  check_block(&kernel->test_train, t->all, t->rows, train, 0);
  EXPECT(kernel->test_test.rows == M * kernel->rows_per_sample);
  check_block(&kernel->test_test, t->all, t->rows, train, train);
  for (int64_t i = 0; i < M * kernel->rows_per_sample; ++i) {
    const double want = t->all[(train + i) * (t->rows + 1)];
    EXPECT_NEAR(kernel->test_diagonal[i], want, 1e-7 * (1 + fabs(want)));
  }
}

static ntk_kernel_input input_of(problem *p, const ntk_grid *grid) {
  return (ntk_kernel_input){.grid = grid,
                            .block = 2,
                            .settings = &p->kernel_settings,
                            .network = &p->network,
                            .data = &p->data};
}

/* The matrix of one tensor's part, which comes in the order of the kernel's list. */
static void check_part_matrix(problem *p, const ntk_grid *grid, const ntk_kernel *kernel,
                              const char *name, const truth *t) {
  const ntk_kernel_input input = input_of(p, grid);
  ntk_parts *parts = NULL;

  EXPECT_OK(ntk_parts_open(&input, &parts));
  EXPECT(ntk_parts_matrix(parts)->rows == N * kernel->rows_per_sample);
  for (int k = 0; k <= find_tensor(kernel, name); ++k) EXPECT_OK(ntk_parts_next(parts));
  check_block(ntk_parts_matrix(parts), t->part, t->rows, 0, 0);
  ntk_parts_close(&parts);
  EXPECT(!parts);
}

static void check_outputs(const problem *p, const ntk_kernel *kernel) {
  const int64_t outputs = p->network.outputs;
  double f[(N + M) * 3];

  outputs_of(p, f);
  for (int64_t k = 0; k < N * outputs; ++k) {
    EXPECT(kernel->initial[k] == f[k] + 0.0);
    EXPECT(kernel->f0[k] == (p->network.centered ? 0 : f[k] + 0.0));
  }
  for (int64_t k = 0; k < M * outputs; ++k) {
    EXPECT(kernel->test_initial[k] == f[N * outputs + k] + 0.0);
    EXPECT(kernel->test_f0[k] == (p->network.centered ? 0 : f[N * outputs + k] + 0.0));
  }
}

static void test_case(const ntk_grid *grid, size_t c) {
  problem p;
  ntk_kernel kernel = {0};
  truth t = {0};
  int trainable = 0;

  create_problem(cases[c].network, cases[c].kernel, N, M, FEATURES, cases[c].outputs,
                 grid->comm->rank == 0, &p);
  for (int k = 0; k < p.network.tensor_count; ++k) {
    ntk_tensor *tensor = &p.network.tensor[k];
    tensor->trainable = strncmp(tensor->name, cases[c].frozen, strlen(cases[c].frozen)) != 0;
  }
  EXPECT_OK(compute_kernel(&p, grid, 2, &kernel));
  EXPECT(strcmp(kernel.contraction, p.network.coupled ? "mixed" : "pairs") == 0 && kernel.flops > 0);
  t.rows = (N + M) * kernel.rows_per_sample;
  EXPECT_OK(NTK_NEW(t.rows * t.rows, &t.all));
  EXPECT_OK(NTK_NEW(t.rows * t.rows, &t.part));
  for (int k = 0; k < p.network.tensor_count; ++k) {
    if (!p.network.tensor[k].trainable) continue;
    add_tensor(&p, &p.network.tensor[k], &t);
    check_part(&kernel, p.network.tensor[k].name, &t);
    check_part_matrix(&p, grid, &kernel, p.network.tensor[k].name, &t);
    ++trainable;
  }
  EXPECT(kernel.tensor_count == trainable);
  check_matrices(&kernel, &t);
  check_outputs(&p, &kernel);
  ntk_free(&t.all);
  ntk_free(&t.part);
  ntk_kernel_destroy(&kernel);
  destroy_problem(&p);
}

/* ---- conjugate kernel and NNGP ---- */

enum { WIDTH = 4, OUTPUTS = 3 };

/* tanh(s_w x W + s_b b) of all samples by plain sums, [N + M][WIDTH]. */
static void features_of(const problem *p, double *features) {
  const ntk_tensor *w = &p->network.tensor[0], *b = &p->network.tensor[1];

  for (int64_t i = 0; i < N + M; ++i) {
    for (int64_t u = 0; u < WIDTH; ++u) {
      double h = b->multiplier * ((const double *)b->data)[u];

      for (int64_t k = 0; k < FEATURES; ++k) {
        h += w->multiplier * input_value(i, k) * ((const double *)w->data)[k * WIDTH + u];
      }
      features[i * WIDTH + u] = tanh(h);
    }
  }
}

/* K (x) I_O, or K itself, or O K. */
static void make_truth(const problem *p, const char *quantity, int64_t per_sample, double scale,
                       double *all) {
  const ntk_tensor *w = &p->network.tensor[2], *b = &p->network.tensor[3];
  const bool nngp = strcmp(quantity, "nngp") == 0;
  const bool standard = strcmp(p->network_settings.parameterization->name, "standard") == 0;
  const double variance = standard ? 2.0 / WIDTH : 1;
  const int64_t rows = (N + M) * per_sample;
  double features[(N + M) * WIDTH];

  features_of(p, features);
  for (int64_t r = 0; r < rows * rows; ++r) {
    const int64_t i = r / rows, j = r % rows;
    double sum = 0;

    for (int64_t u = 0; u < WIDTH; ++u) {
      sum += features[i / per_sample * WIDTH + u] * features[j / per_sample * WIDTH + u];
    }
    sum *= w->multiplier * w->multiplier;
    if (nngp) sum = sum * variance + b->multiplier * b->multiplier * 0.49;
    all[r] = i % per_sample == j % per_sample ? scale * sum : 0;
  }
}

/* Alone, and after the ntk and in its stead from the features that were kept. */
static void check_quantity(problem *p, const ntk_grid *grid, int64_t which, ntk_features *features,
                           const double *all) {
  ntk_kernel_input input = input_of(p, grid);
  ntk_kernel kernel = {0};

  input.which = which;
  input.features = features;
  EXPECT_OK(ntk_kernel_compute(&input, &kernel));
  const int64_t rows = (N + M) * kernel.rows_per_sample, train = N * kernel.rows_per_sample;

  EXPECT_TEXT(kernel.quantity->row.name, p->kernel_settings.quantity.item[which].row->name);
  if (all) {
    check_block(&kernel.gram, all, rows, 0, 0);
    check_block(&kernel.test_train, all, rows, train, 0);
    check_block(&kernel.test_test, all, rows, train, train);
    for (int64_t i = 0; i < M * kernel.rows_per_sample; ++i) {
      EXPECT_NEAR(kernel.test_diagonal[i], all[(train + i) * (rows + 1)], 1e-12);
    }
    EXPECT(kernel.tensor_count == 0 && kernel.flops > 0);
  }
  check_outputs(p, &kernel);
  ntk_kernel_destroy(&kernel);
}

static void test_quantities(const ntk_grid *grid) {
  static const struct {
    const char *outputs;
    int64_t per_sample;
    double scale;
  } modes[] = {{"full", OUTPUTS, 1},
               {"mean", 1, 1},
               {"trace", 1, OUTPUTS},
               {"pseudo", 1, 1},
               {"{single: {output: 2}}", 1, 1}};
  double *all = NULL;

  EXPECT_OK(NTK_NEW((N + M) * OUTPUTS * (N + M) * OUTPUTS, &all));
  for (size_t k = 0; k < sizeof(modes) / sizeof(*modes); ++k) {
    ntk_features features = {0};
    char yaml[160];
    problem p;

    (void)snprintf(yaml, sizeof(yaml),
                   "{outputs: %s, quantity: [ntk, conjugate, nngp], test_test: full, "
                   "per_layer: %s}",
                   modes[k].outputs, k % 2 ? "false" : "true");
    create_problem(k % 2 ? "{depth: 1, width: 4, activation: tanh, bias: {scale: 0.3, std: 0.7}, "
                           "parameterization: standard}"
                         : "{depth: 1, width: 4, activation: tanh, bias: {scale: 0.3, std: 0.7}, "
                           "parameterization: ntk}",
                   yaml, N, M, FEATURES, OUTPUTS, grid->comm->rank == 0, &p);
    check_quantity(&p, grid, 0, &features, NULL);
    EXPECT(features.kept);
    for (int64_t which = 1; which < 3; ++which) {
      make_truth(&p, p.kernel_settings.quantity.item[which].row->name, modes[k].per_sample,
                 modes[k].scale, all);
      check_quantity(&p, grid, which, NULL, all);
      check_quantity(&p, grid, which, &features, all);
    }
    ntk_features_destroy(&features);
    check_quantity(&p, grid, 2, &features, all); /* keeps them itself */
    EXPECT(features.kept);
    ntk_features_destroy(&features);
    destroy_problem(&p);
  }
  ntk_free(&all);
}

static void set_weights(problem *p, const char *name, double value) {
  for (int t = 0; t < p->network.tensor_count; ++t) {
    ntk_tensor *tensor = &p->network.tensor[t];
    if (!strstr(tensor->name, name)) continue;
    for (int64_t k = 0; k < tensor->count; ++k) ((double *)tensor->data)[k] = value;
  }
}

/* Weights 0 and no biases: the kernel is 0, and that is no error. */
static void test_zero(const ntk_grid *grid) {
  problem p;
  ntk_kernel kernel = {0};

  create_problem("{depth: 2, width: 5, activation: relu, bias: none}", "{outputs: mean}", N, M,
                 FEATURES, 1, grid->comm->rank == 0, &p);
  set_weights(&p, "W", 0);
  EXPECT_OK(compute_kernel(&p, grid, 4, &kernel));
  for (int64_t k = 0; k < kernel.gram.ld * kernel.gram.local_cols; ++k) {
    EXPECT(kernel.gram.data[k] == 0);
  }
  EXPECT(kernel.tensor_norm[0] == 0 && kernel.test_diagonal[0] == 0 && kernel.f0[0] == 0);
  ntk_kernel_destroy(&kernel);
  destroy_problem(&p);
}

/* Samples 2 and 7 are the same, sample 4 is an all-zero image: rows 2 and 7 agree to the bit. */
static void test_duplicates(const ntk_grid *grid) {
  double row[2][N];
  problem p;
  ntk_kernel kernel = {0};

  create_problem("{depth: 2, width: 5, activation: relu}", "{outputs: mean}", N, M, FEATURES, 1,
                 grid->comm->rank == 0, &p);
  for (int k = 0; k < FEATURES && p.data.train.inputs; ++k) {
    p.data.train.inputs[7 * FEATURES + k] = p.data.train.inputs[2 * FEATURES + k];
    p.data.train.inputs[4 * FEATURES + k] = 0;
  }
  EXPECT_OK(compute_kernel(&p, grid, 4, &kernel));
  EXPECT_OK(ntk_matrix_window(&kernel.gram, 2, 0, 1, N, row[0]));
  EXPECT_OK(ntk_matrix_window(&kernel.gram, 7, 0, 1, N, row[1]));
  EXPECT(memcmp(row[0], row[1], sizeof(row[0])) == 0 && isfinite(row[0][4]));
  EXPECT(kernel.f0[2] == kernel.f0[7]);
  ntk_kernel_destroy(&kernel);
  destroy_problem(&p);
}

/* A finite network whose kernel is not: refused on all ranks, with the place; likewise an output
 * that is not there, and an output that is not finite. */
static void test_refusals(const ntk_grid *grid) {
  problem p;
  ntk_kernel kernel = {0};

  create_problem("{depth: 1, width: 5, activation: tanh}", "{outputs: mean}", N, M, FEATURES, 1,
                 grid->comm->rank == 0, &p);
  set_weights(&p, "readout/W", 1e200);
  EXPECT_STATUS(compute_kernel(&p, grid, 4, &kernel), NTK_E_NUMERIC);
  EXPECT(strstr(ntk_last_error()->text, "kernel: entry (0, 0) is not finite"));
  set_weights(&p, "readout/W", NAN);
  EXPECT_STATUS(compute_kernel(&p, grid, 4, &kernel), NTK_E_NUMERIC);
  destroy_problem(&p);

  create_problem("{depth: 1, width: 5}", "{outputs: {single: {output: 3}}}", N, M, FEATURES, 3,
                 grid->comm->rank == 0, &p);
  EXPECT_STATUS(compute_kernel(&p, grid, 4, &kernel), NTK_E_CONFIG);
  EXPECT(strstr(ntk_last_error()->text, "0..2"));
  destroy_problem(&p);

  create_problem("{depth: 1, width: 5}", "{outputs: {single: {output: 3}}, quantity: conjugate}", N,
                 M, FEATURES, 3, grid->comm->rank == 0, &p);
  EXPECT_REFUSED(compute_kernel(&p, grid, 4, &kernel), NTK_E_CONFIG, "0..2");
  destroy_problem(&p);

  create_problem("{layers: [dense: {features: outputs}, activation: tanh]}", "{quantity: nngp}", N,
                 M, FEATURES, 3, grid->comm->rank == 0, &p);
  EXPECT_REFUSED(compute_kernel(&p, grid, 4, &kernel), NTK_E_CONFIG,
                 "nngp needs a dense layer at the end of the network; 'activation0' is none");
  destroy_problem(&p);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD);
  ntk_grid grid = {0};

  EXPECT_OK(ntk_grid_create(&comm, 0, 0, &grid));
  for (size_t c = 0; c < sizeof(cases) / sizeof(*cases); ++c) test_case(&grid, c);
  test_quantities(&grid);
  test_zero(&grid);
  test_duplicates(&grid);
  test_refusals(&grid);
  ntk_grid_destroy(&grid);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
