/* Expected kernels of dropout with masks of their own for each sample: entries of a sample with
 * itself have one mask, all others two; in Gram, test blocks, test diagonal and the parts of the
 * tensors, beside batch_norm in mode train; conjugate kernel and NNGP likewise.  The conjugate kernel
 * of readouts whose weights are used elsewhere too is that of the last hidden features as the
 * readout scales them, and they have no NNGP.
 *
 * Method: both kernels of all samples by plain loops over factors; features from the tape. */
//TEST ranks=1,3
#include "architectures.h"
#include "kernel.h"
#include "network.h"

enum { N = 5, M = 3, MOST = N * N * 4 };

static const architecture independent = {
    "{layers: [{dense: {features: 2}}, {batch_norm: {mode: train}}, {activation: tanh}, flatten,"
    " {dense: {features: 4}}, {activation: gelu}, {dropout: {keep: 0.6, masks: expected_independent}},"
    " {dense: {features: outputs, bias: {scale: 1, std: 0.5}}}]}",
    {.rank = 3, .size = {2, 1, 2}}, 0, 2};

static void create(const architecture *a, const char *kernel, problem *p) {
  create_shaped_problem(a->network, kernel, N, M, &a->shape, a->vocabulary, a->outputs, true, p);
}

/* ---- by plain loops -------------------------------------------------------------------------- */

/* The samples [first, first + count) of both sets, batch_norm being trained on `training`. */
static void begin(const problem *p, const ntk_tape *training, bool test, bool self,
                  const ntk_cotangents *c, ntk_tape *tape, ntk_stream *stream) {
  const ntk_batch batch = {.count = test ? M : N, .test = test, .training = training};

  EXPECT_OK(ntk_forward_batch(&p->network, &batch,
                              test ? p->data.test.inputs : p->data.train.inputs, NULL, tape));
  EXPECT_OK(ntk_stream_begin_part(tape, c, self, stream));
}

static void next(const problem *p, ntk_stream *stream, int64_t count, ntk_factor *f, bool *more,
                 void **room) {
  EXPECT_OK(ntk_stream_next(stream, f, more));
  *room = *more ? write_coupling(p->network.dtype, count, f) : NULL;
}

/* One of the two kernels between two sets, [rows of a][rows of b]. */
static void plain(const problem *p, bool self, bool test_a, bool test_b, double *kernel) {
  const ntk_cotangents c = ntk_kernel_cotangents(&p->kernel_settings);
  const int64_t rows = ntk_cotangent_rows(&c, p->network.outputs), n = test_a ? M : N;
  const int64_t m = test_b ? M : N;
  ntk_tape training, a, b;
  ntk_stream sa = {0}, sb = {0};
  ntk_factor fa, fb;
  bool more = true;
  void *ra = NULL, *rb = NULL;

  for (int64_t k = 0; k < n * rows * m * rows; ++k) kernel[k] = 0;
  EXPECT_OK(ntk_forward(&p->network, N, p->data.train.inputs, &training));
  begin(p, &training, test_a, self, &c, &a, &sa);
  begin(p, &training, test_b, self, &c, &b, &sb);
  for (;;) {
    next(p, &sa, n, &fa, &more, &ra);
    next(p, &sb, m, &fb, &more, &rb);
    if (!more) break;
    add_factor(p->network.dtype, &fa, n, &fb, m, kernel);
    free(ra);
    free(rb);
  }
  ntk_stream_destroy(&sa);
  ntk_stream_destroy(&sb);
  ntk_tape_destroy(&a);
  ntk_tape_destroy(&b);
  ntk_tape_destroy(&training);
}

/* Of one set with itself: blocks of a sample with itself are those of the other kernel. */
static void expected(const problem *p, bool test, int64_t rows, double *kernel) {
  const int64_t count = (test ? M : N) * rows;
  double self[MOST] = {0};

  EXPECT(count * count <= MOST);
  plain(p, false, test, test, kernel);
  plain(p, true, test, test, self);
  for (int64_t k = 0; k < count * count; ++k) {
    if (k / count / rows == k % count / rows) kernel[k] = self[k];
  }
}

/* ---- comparison ------------------------------------------------------------------------------ */

static void compare(const ntk_matrix *m, const double *want, double tolerance) {
  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    for (int64_t li = 0; li < m->local_rows; ++li) {
      const int64_t i = ntk_matrix_row(m, li), j = ntk_matrix_col(m, lj);

      EXPECT_NEAR(m->data[li + lj * m->ld], want[i * m->cols + j], tolerance);
    }
  }
}

static ntk_kernel_input input_of(problem *p, const ntk_grid *grid) {
  return (ntk_kernel_input){.grid = grid,
                            .block = 2,
                            .settings = &p->kernel_settings,
                            .network = &p->network,
                            .data = &p->data};
}

/* They add up to the kernel, and their norms and traces are what the kernel says. */
static void check_parts(problem *p, const ntk_grid *grid, const ntk_kernel *k,
                        const double *gram, double tolerance) {
  const ntk_kernel_input input = input_of(p, grid);
  const int64_t entries = k->gram.ld * k->gram.local_cols;
  double *sum = calloc((size_t)(entries + 1), sizeof(*sum));
  ntk_parts *parts = NULL;
  ntk_matrix whole = k->gram;

  EXPECT(sum);
  EXPECT_OK(ntk_parts_open(&input, &parts));
  for (int t = 0; t < k->tensor_count; ++t) {
    const ntk_matrix *m = ntk_parts_matrix(parts);
    double square = 0, trace = 0;

    EXPECT_OK(ntk_parts_next(parts));
    for (int64_t e = 0; e < entries; ++e) {
      const int64_t i = ntk_matrix_row(m, e % m->ld), j = ntk_matrix_col(m, e / m->ld);

      sum[e] += m->data[e];
      square += m->data[e] * m->data[e];
      if (i == j) trace += m->data[e];
    }
    ntk_comm_sum(grid->comm, &square, 1);
    ntk_comm_sum(grid->comm, &trace, 1);
    EXPECT_NEAR(k->tensor_norm[t], sqrt(square), tolerance);
    EXPECT_NEAR(k->tensor_trace[t], trace, tolerance);
  }
  whole.data = sum;
  compare(&whole, gram, tolerance);
  ntk_parts_close(&parts);
  free(sum);
}

static void check_mode(const ntk_grid *grid, const char *outputs) {
  const double tolerance = 1e-11;
  double gram[MOST] = {0}, block[MOST] = {0}, square[MOST] = {0};
  char yaml[80];
  problem p;
  ntk_kernel k = {0};

  (void)snprintf(yaml, sizeof(yaml), "{outputs: %s, test_test: full}", outputs);
  create(&independent, yaml, &p);
  EXPECT_OK(compute_kernel(&p, grid, 2, &k));
  expected(&p, false, k.rows_per_sample, gram);
  expected(&p, true, k.rows_per_sample, square);
  plain(&p, false, true, false, block);
  compare(&k.gram, gram, tolerance);
  compare(&k.test_train, block, tolerance);
  compare(&k.test_test, square, tolerance);
  check_parts(&p, grid, &k, gram, tolerance);
  ntk_kernel_destroy(&k);
  p.kernel_settings.test_test = &(const ntk_row){.name = "diagonal"};
  EXPECT_OK(compute_kernel(&p, grid, 2, &k));
  for (int64_t i = 0; i < k.test_train.rows; ++i) {
    EXPECT_NEAR(k.test_diagonal[i], square[i * (k.test_train.rows + 1)], tolerance);
  }
  ntk_kernel_destroy(&k);
  destroy_problem(&p);
}

/* ---- conjugate kernel and NNGP --------------------------------------------------------------- */

/* scale <a, a'> of the last features of the training set, more by `self` for one sample. */
static void check_features(const ntk_grid *grid, const architecture *a, const char *quantity,
                           double scale, double self, double constant) {
  char yaml[80];
  problem p;
  ntk_kernel k = {0};
  ntk_tape tape;

  (void)snprintf(yaml, sizeof(yaml), "{quantity: %s}", quantity);
  create(a, yaml, &p);
  EXPECT_OK(compute_kernel(&p, grid, 2, &k));
  EXPECT_OK(ntk_forward(&p.network, N, p.data.train.inputs, &tape));
  const ntk_node_layer *last = &p.network.layer[p.network.layer_count - 1];
  const double *x = tape.value[p.network.layer_count - 1];
  double gram[N * N] = {0};

  for (int64_t i = 0; i < N * N; ++i) {
    const double factor = scale * (i / N == i % N ? self : 1);

    for (int64_t u = 0; u < last->fan_in; ++u) {
      gram[i] += factor * x[i / N * last->fan_in + u] * x[i % N * last->fan_in + u];
    }
    gram[i] += constant;
  }
  compare(&k.gram, gram, 1e-12);
  EXPECT_NEAR(k.test_diagonal[0] > 0, 1, 0);
  ntk_tape_destroy(&tape);
  ntk_kernel_destroy(&k);
  destroy_problem(&p);
}

static void check_refused(const ntk_grid *grid, const architecture *a) {
  problem p;
  ntk_kernel k = {0};

  create(a, "{quantity: nngp}", &p);
  EXPECT_REFUSED(compute_kernel(&p, grid, 2, &k), NTK_E_CONFIG, "are used below too; take conjugate");
  destroy_problem(&p);
}

static void check_quantities(const ntk_grid *grid) {
  static const architecture shared = {
      "{layers: [{dense: {features: 3}}, {activation: tanh}, {dense: {features: outputs, share:"
      " dense0}}]}", {.rank = 1, .size = {3}}, 0, 3};
  static const architecture all = {
      "{layers: [{dense: {features: 4}}, {activation: gelu}, {dropout: {keep: 0.6, masks:"
      " expected_shared}}, {dense: {features: outputs}}]}", {.rank = 1, .size = {3}}, 0, 2};
  const double excess = 1 / 0.6;
  problem p;

  create(&tied, "{}", &p);
  const double transposed = p.network.tensor[0].transposed;

  EXPECT(transposed != p.network.tensor[0].multiplier);
  destroy_problem(&p);
  check_features(grid, &tied, "conjugate", transposed * transposed, 1, 0);
  check_features(grid, &shared, "conjugate", 2.0 / 3, 1, 0);
  check_refused(grid, &tied);
  check_refused(grid, &shared);
  check_features(grid, &all, "conjugate", 0.5 * excess, 1, 0);
  check_features(grid, &independent, "conjugate", 0.5, excess, 0);
  check_features(grid, &independent, "nngp", 0.5, excess, 0.25);
}

int main(int argc, char **argv) {
  int rows, cols;

  begin_test(&argc, &argv);
  const ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD);
  ntk_grid grid = {0};

  ntk_grid_squarest(comm.size, &rows, &cols);
  EXPECT_OK(ntk_grid_create(&comm, rows, cols, &grid));
  check_mode(&grid, "full");
  check_mode(&grid, "mean");
  check_mode(&grid, "trace");
  check_quantities(&grid);
  ntk_grid_destroy(&grid);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
