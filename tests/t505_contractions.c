/* The kernel is the sum over all pairs of positions, whatever contracts them: convolutions,
 * residual networks, transformers, embeddings and neural ODEs, all ways to combine outputs, double
 * and single; Gram, test blocks, diagonal, and trace and norm of every tensor's part.
 *
 * Method: few samples against plain loops over samples, positions and entries; on one rank, more
 * samples by one contraction against another, with 1 to 64 positions. */
//TEST ranks=1,2
#include "architectures.h"
#include "kernel.h"
#include "network.h"

static const char *const words[] = {"auto", "pairs", "jacobian", "pixel_gram"};

enum { WORDS = sizeof(words) / sizeof(words[0]) };

static const char *const modes[] = {"full", "mean", "trace", "pseudo", "{single: {output: 1}}"};

enum { MODES = sizeof(modes) / sizeof(modes[0]), MOST = 512 };

static void create(const architecture *a, const char *outputs, const char *precision,
                   const char *contraction, int64_t n, int64_t m, problem *p) {
  char kernel[256];

  (void)snprintf(kernel, sizeof(kernel),
                 "{outputs: %s, precision: %s, contraction: %s, test_test: full}", outputs,
                 precision, contraction);
  create_shaped_problem(a->network, kernel, n, m, &a->shape, a->vocabulary, a->outputs, true, p);
}

/* The largest difference over the largest entry. */
static double difference(const ntk_matrix *m, const double *want, double largest) {
  double worst = 0;

  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    for (int64_t li = 0; li < m->local_rows; ++li) {
      const int64_t i = ntk_matrix_row(m, li), j = ntk_matrix_col(m, lj);

      worst = fmax(worst, fabs(m->data[li + lj * m->ld] - want[i * m->cols + j]));
    }
  }
  return worst / largest;
}

static double largest_of(const double *x, int64_t count) {
  double largest = 0;

  for (int64_t k = 0; k < count; ++k) largest = fmax(largest, fabs(x[k]));
  return largest;
}

static void expect_traces(const ntk_kernel *k, const double *gram, double tolerance) {
  double trace = 0, parts = 0;

  for (int64_t i = 0; i < k->gram.rows; ++i) trace += gram[i * (k->gram.rows + 1)];
  for (int t = 0; t < k->tensor_count; ++t) parts += k->tensor_trace[t];
  EXPECT_NEAR(parts, trace, tolerance * trace);
}

enum { N = 4, M = 2 };

/* Kernels by plain loops. */
typedef struct truth {
  double gram[MOST], block[MOST], square[MOST];
} truth;

static void make_truth(const architecture *a, const char *outputs, truth *t) {
  problem p;

  create(a, outputs, "double", "auto", N, M, &p);
  const ntk_cotangents c = ntk_kernel_cotangents(&p.kernel_settings);
  const double *x = p.data.train.inputs, *y = p.data.test.inputs;

  EXPECT(N * N * a->outputs * a->outputs <= MOST);
  plain_kernel(&p.network, &c, N, x, N, x, t->gram);
  plain_kernel(&p.network, &c, M, y, N, x, t->block);
  plain_kernel(&p.network, &c, M, y, M, y, t->square);
  destroy_problem(&p);
}

static void check_plain(const ntk_grid *grid, const architecture *a, const char *outputs,
                        const char *precision, const char *contraction, const truth *t) {
  const double tolerance = strcmp(precision, "single") == 0 ? 2e-5 : 1e-12;
  problem p;
  ntk_kernel k = {0};

  create(a, outputs, precision, contraction, N, M, &p);
  EXPECT_OK(compute_kernel(&p, grid, 2, &k));
  const int64_t rows = k.gram.rows, test_rows = k.test_train.rows;
  const double largest = largest_of(t->gram, rows * rows);
  const double worst = fmax(difference(&k.gram, t->gram, largest),
                            fmax(difference(&k.test_train, t->block, largest),
                                 difference(&k.test_test, t->square, largest)));

  if (!(worst <= tolerance)) {
    FAIL("%s, outputs %s, %s, %s: %g of the largest entry", a->network, outputs, precision,
         contraction, worst);
  }
  for (int64_t i = 0; i < test_rows; ++i) {
    EXPECT_NEAR(k.test_diagonal[i], t->square[i * (test_rows + 1)], tolerance * largest);
  }
  expect_traces(&k, t->gram, 10 * tolerance);
  ntk_kernel_destroy(&k);
  destroy_problem(&p);
}

/* K(x, x) where no test block gives it. */
static void check_diagonal(const ntk_grid *grid, const architecture *a, const char *contraction) {
  problem p;
  ntk_kernel k = {0};

  create(a, "full", "double", contraction, 4, 6, &p);
  EXPECT_OK(compute_kernel(&p, grid, 3, &k));
  double *whole = k.test_diagonal;

  k.test_diagonal = NULL;
  ntk_kernel_destroy(&k);
  destroy_problem(&p);
  create(a, "full", "double", contraction, 4, 6, &p);
  p.kernel_settings.test_test = &(const ntk_row){.name = "diagonal"};
  EXPECT_OK(compute_kernel(&p, grid, 3, &k));
  EXPECT(k.test_test.rows == 0);
  for (int64_t i = 0; i < k.test_train.rows; ++i) {
    EXPECT_NEAR(k.test_diagonal[i], whole[i], 1e-12 * largest_of(whole, k.test_train.rows));
  }
  ntk_free(&whole);
  ntk_kernel_destroy(&k);
  destroy_problem(&p);
}

/* Full by every contraction, mean by every one that can be asked for, the others by one; what
 * travels between ranks is the same for all. */
static void check_architecture(const ntk_grid *grid, const architecture *a) {
  const int modes_here = grid->comm->size == 1 ? MODES : 1;
  truth t = {0};

  for (int m = 0; m < modes_here; ++m) {
    make_truth(a, modes[m], &t);
    for (int c = m > 0; c < WORDS; ++c) {
      if (m < 2 || c == m - 1) check_plain(grid, a, modes[m], "double", words[c], &t);
      if (m == 1 && c < 3) check_plain(grid, a, modes[m], "single", words[c], &t);
    }
  }
  check_diagonal(grid, a, "pairs");
  check_diagonal(grid, a, "jacobian");
}

/* n O of 200 and more; every tensor's part. */
static void check_agreement(const ntk_grid *grid, const architecture *a, const char *outputs,
                            int64_t n) {
  const int last = a->shape.rank == 3 ? WORDS : WORDS - 1; /* pixels of images alone */
  problem p[WORDS];
  ntk_kernel k[WORDS] = {{0}};

  for (int c = 1; c < last; ++c) {
    const ntk_kernel *first = &k[1];

    create(a, outputs, "double", words[c], n, 0, &p[c]);
    EXPECT_OK(compute_kernel(&p[c], grid, 32, &k[c]));
    const int64_t count = first->gram.ld * first->gram.local_cols;
    const double largest = ntk_comm_max(grid->comm, largest_of(first->gram.data, count));
    double worst = 0;

    EXPECT(first->gram.rows >= 200 && k[c].tensor_count == first->tensor_count);
    for (int64_t e = 0; e < count; ++e) {
      worst = fmax(worst, fabs(k[c].gram.data[e] - first->gram.data[e]));
    }
    EXPECT(worst <= 1e-12 * largest);
    for (int t = 0; t < first->tensor_count; ++t) {
      const double scale = first->tensor_trace[0] + first->tensor_norm[t];

      EXPECT_NEAR(k[c].tensor_trace[t], first->tensor_trace[t], 1e-12 * scale);
      EXPECT_NEAR(k[c].tensor_norm[t], first->tensor_norm[t], 1e-12 * scale);
    }
  }
  for (int c = 1; c < last; ++c) {
    ntk_kernel_destroy(&k[c]);
    destroy_problem(&p[c]);
  }
}

/* What is asked for is taken where it applies. */
static void check_words(const ntk_grid *grid) {
  static const char *const wanted[WORDS] = {"mixed", "pairs", "jacobian", "mixed"};

  for (int c = 0; c < WORDS; ++c) {
    problem p;
    ntk_kernel k = {0};

    create(&cnn, "mean", "double", words[c], 8, 0, &p);
    EXPECT_OK(compute_kernel(&p, grid, 8, &k));
    if (c > 0) EXPECT(strcmp(k.contraction, wanted[c]) == 0);
    if (c == 3) EXPECT(strcmp(k.tensor_contraction[0], "pairs") == 0); /* readout */
    if (c == 3) EXPECT(strcmp(k.tensor_contraction[3], "pixel_gram") == 0);
    ntk_kernel_destroy(&k);
    destroy_problem(&p);
  }
}

/* A tape so large that samples go through the network in three batches: they have the bits of one
 * batch, and take the memory that the plan says, which is less than that of all tapes. */
static void check_batches(const ntk_grid *grid) {
  enum { ALL = 130, FEW = 60 };
  static const architecture a = {
      "{layers: [{conv: {features: 64, kernel: 3}}, {activation: relu}, global_avg_pool,"
      " {dense: {features: outputs}}]}",
      {.rank = 3, .size = {28, 28, 1}}, 0, 1};
  problem p, q;
  ntk_kernel all = {0}, few = {0};

  create(&a, "mean", "double", "auto", ALL, 0, &p);
  create(&a, "mean", "double", "jacobian", FEW, 0, &q);
  const ntk_cotangents c = ntk_kernel_cotangents(&p.kernel_settings);
  const ntk_network_cost passes = ntk_network_cost_of(&p.network, &c);
  const double tapes = ALL * (passes.tape_bytes + passes.delta_bytes);
  const ntk_kernel_cost cost =
      ntk_kernel_cost_of(&p.network, &p.kernel_settings, &ntk_quantity_ntk, ALL, 0, 64, 1, 1);

  EXPECT_OK(compute_kernel(&p, grid, 64, &all));
  EXPECT((double)ntk_memory_most() < 1.05 * cost.bytes + (4 << 20) && cost.bytes < 0.7 * tapes);
  EXPECT_OK(compute_kernel(&q, grid, 64, &few));
  for (int64_t j = 0; j < FEW; ++j) {
    EXPECT(same_bits(all.gram.data + j * all.gram.ld, few.gram.data + j * few.gram.ld,
                     FEW * sizeof(double)));
  }
  EXPECT(same_bits(all.initial, few.initial, FEW * sizeof(double)));
  ntk_kernel_destroy(&all);
  ntk_kernel_destroy(&few);
  destroy_problem(&p);
  destroy_problem(&q);
}

int main(int argc, char **argv) {
  static const architecture *const all[] = {&cnn, &resnet,      &transformer, &tied,
                                            &ode, &long_inputs, &wide};

  begin_test(&argc, &argv);
  const ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD);
  ntk_grid grid = {0};

  EXPECT_OK(ntk_grid_create(&comm, 0, 0, &grid));
  if (comm.size == 1) check_batches(&grid); /* first, as the peak of memory only grows */
  for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); ++k) check_architecture(&grid, all[k]);
  check_words(&grid);
  if (comm.size == 1) {
    check_agreement(&grid, &pyramid, "full", 40);
    check_agreement(&grid, &transformer, "full", 100);
  }
  ntk_grid_destroy(&grid);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
