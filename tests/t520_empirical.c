/* The empirical kernel is J J^T, for every way to combine outputs; test block, test diagonal, the
 * parts of single tensors and the outputs likewise.
 *
 * Method: J by central differences through the whole network, one parameter at a time. */
//TEST ranks=1,2,4,6
#include "kernel.h"

enum { N = 9, M = 4, FEATURES = 3 };

static const struct {
  const char *network, *kernel;
  int64_t outputs;
  const char *frozen; /* tensors whose names begin so are not trained */
} cases[] = {
    {"{depth: 2, width: 5, activation: tanh}", "{outputs: full}", 3, "-"},
    {"{depth: 2, width: 5, activation: tanh}", "{outputs: mean}", 3, "-"},
    {"{depth: 2, width: 6, activation: erf, parameterization: ntk}", "{outputs: trace}", 3, "-"},
    {"{depth: 1, width: 4, activation: gelu}", "{outputs: pseudo}", 2, "-"},
    {"{depth: 3, width: 4, activation: tanh, bias: none}", "{outputs: {single: {output: 1}}}", 2,
     "-"},
    {"{depth: 2, width: 5, activation: tanh, bias: {scale: 0.3, std: 1}, output: centered}",
     "{outputs: mean}", 1, "-"},
    {"{layers: [dense: {features: outputs}]}", "{outputs: full}", 2, "-"},
    {"{layers: [dense: {name: a, features: 4}, activation: tanh, dense: {name: b, features: 5},"
     " activation: gelu, dense: {name: c, features: outputs}]}",
     "{outputs: full}", 2, "a/"},
    {"{layers: [dense: {name: a, features: 4}, activation: tanh, dense: {name: b, features: 5},"
     " activation: gelu, dense: {name: c, features: outputs}]}",
     "{outputs: mean}", 2, "b/W"},
    {"{layers: [dense: {name: a, features: 4}, activation: tanh, dense: {name: b, features: 3}]}",
     "{outputs: trace}", 3, "b/b"},
};

/* f of all training, then test samples, [N + M][O]. */
static void outputs_of(const problem *p, double *f) {
  double inputs[(N + M) * FEATURES];
  ntk_tape tape = {0};

  for (int64_t k = 0; k < (N + M) * FEATURES; ++k) {
    inputs[k] = input_value(k / FEATURES, k % FEATURES);
  }
  EXPECT_OK(ntk_forward(&p->network, N + M, inputs, &tape));
  ntk_tape_output(&tape, f);
  ntk_tape_destroy(&tape);
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

static void check_matrices(const ntk_kernel *kernel, const truth *t) {
  const int64_t train = N * kernel->rows_per_sample;
  const ntk_matrix *m = &kernel->gram;

  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    for (int64_t li = 0; li < m->local_rows; ++li) {
      const double want = t->all[ntk_matrix_row(m, li) * t->rows + ntk_matrix_col(m, lj)];
      EXPECT_NEAR(m->data[li + lj * m->ld], want, 1e-7 * (1 + fabs(want)));
    }
  }
  m = &kernel->test_train;
  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    for (int64_t li = 0; li < m->local_rows; ++li) {
      const double want = t->all[(train + ntk_matrix_row(m, li)) * t->rows + ntk_matrix_col(m, lj)];
      EXPECT_NEAR(m->data[li + lj * m->ld], want, 1e-7 * (1 + fabs(want)));
    }
  }
  for (int64_t i = 0; i < M * kernel->rows_per_sample; ++i) {
    const double want = t->all[(train + i) * (t->rows + 1)];
    EXPECT_NEAR(kernel->test_diagonal[i], want, 1e-7 * (1 + fabs(want)));
  }
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
  EXPECT(strcmp(kernel.contraction, "pairs") == 0 && kernel.flops > 0);
  t.rows = (N + M) * kernel.rows_per_sample;
  EXPECT_OK(NTK_NEW(t.rows * t.rows, &t.all));
  EXPECT_OK(NTK_NEW(t.rows * t.rows, &t.part));
  for (int k = 0; k < p.network.tensor_count; ++k) {
    if (!p.network.tensor[k].trainable) continue;
    add_tensor(&p, &p.network.tensor[k], &t);
    check_part(&kernel, p.network.tensor[k].name, &t);
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
}

int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD);
  ntk_grid grid = {0};

  EXPECT_OK(ntk_grid_create(&comm, 0, 0, &grid));
  for (size_t c = 0; c < sizeof(cases) / sizeof(*cases); ++c) test_case(&grid, c);
  test_zero(&grid);
  test_duplicates(&grid);
  test_refusals(&grid);
  ntk_grid_destroy(&grid);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
