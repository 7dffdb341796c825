/* The empirical kernels have the same bits on any number of ranks, any grid and for any block:
 * Gram, test blocks, test diagonal and outputs; in single precision too, where the BLAS allows it.
 *
 * Method: every rank computes the whole kernel alone and compares its part of the distributed one
 * with that.  Every number of samples meets every block, in one network or another. */
//TEST ranks=1,2,3,4,6
#include "kernel.h"

static const struct {
  const char *network, *kernel;
  int64_t features, outputs, most; /* samples */
} cases[] = {
    {"{depth: 2, width: 17, activation: tanh}", "{outputs: mean, test_test: full}", 3, 3, 1000},
    {"{depth: 3, width: 64, activation: relu, parameterization: ntk}", "{outputs: trace}", 784, 10,
     129},
    {"{depth: 1, width: 100, activation: gelu}", "{outputs: full}", 5, 3, 129},
    {"{depth: 2, width: 33, activation: erf, bias: none}", "{outputs: pseudo}", 17, 10, 1000},
    {"{depth: 2, width: 3, activation: relu}", "{outputs: {single: {output: 1}}}", 1, 2, 1000},
    {"{depth: 1, width: 1, activation: tanh}", "{outputs: mean, test_test: none}", 1, 1, 1000},
    {"{depth: 2, width: 33, activation: tanh}", "{quantity: conjugate, test_test: full}", 7, 3,
     1000},
    {"{depth: 1, width: 65, activation: relu, bias: {scale: 0.1, std: 1}}",
     "{quantity: nngp, outputs: full, test_test: full}", 5, 3, 129},
    {"{depth: 2, width: 300, activation: tanh}", "{quantity: conjugate, precision: single}", 64, 1,
     200},
    {"{depth: 2, width: 300, activation: tanh}", "{outputs: mean, precision: single}", 64, 1, 1000},
    {"{depth: 1, width: 20, activation: relu}", "{outputs: full, precision: single}", 7, 10, 64},
    {"{layers: [dense: {features: outputs}]}", "{outputs: full}", 12, 2, 1000},
};

static bool same(const void *a, const void *b, int64_t count) {
  return memcmp(a, b, (size_t)count * sizeof(double)) == 0;
}

static void compare_matrix(const char *name, bool exact, const ntk_matrix *m,
                           const ntk_matrix *alone) {
  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    for (int64_t li = 0; li < m->local_rows; ++li) {
      int64_t i = ntk_matrix_row(m, li), j = ntk_matrix_col(m, lj);
      const double *a = m->data + li + lj * m->ld, *b = alone->data + i + j * alone->ld;

      if (exact ? !same(a, b, 1) : !(fabs(*a - *b) <= 1e-3)) {
        FAIL("%s of %lld rows, block %lld, %d x %d ranks, entry (%lld, %lld): %.17g, alone %.17g",
             name, (long long)m->rows, (long long)m->block, m->grid->rows, m->grid->cols,
             (long long)i, (long long)j, *a, *b);
      }
    }
  }
}

static void compare(const ntk_kernel *k, const ntk_kernel *alone) {
  const bool exact = k->reproducible;

  EXPECT(exact || k->single);
  compare_matrix("Gram", exact, &k->gram, &alone->gram);
  compare_matrix("test block", exact, &k->test_train, &alone->test_train);
  EXPECT(k->test_test.rows == alone->test_test.rows);
  if (k->test_test.rows > 0) {
    compare_matrix("test-test block", exact, &k->test_test, &alone->test_test);
  }
  EXPECT(!k->test_diagonal == !alone->test_diagonal);
  if (!exact) return;
  EXPECT(same(k->f0, alone->f0, k->n * k->outputs));
  EXPECT(same(k->test_f0, alone->test_f0, k->m * k->outputs));
  EXPECT(same(k->initial, alone->initial, k->n * k->outputs));
  if (k->test_diagonal) {
    EXPECT(same(k->test_diagonal, alone->test_diagonal, k->m * k->rows_per_sample));
  }
}

/* Two blocks on the squarest grid, one on every other grid; which, says `turn`. */
static void test_grid(const ntk_comm *comm, int rows, size_t turn, problem *p,
                      const ntk_kernel *alone) {
  static const int64_t blocks[] = {1, 8, 32, 64, 100};
  ntk_grid grid = {0};
  int squarest, cols;

  ntk_grid_squarest(comm->size, &squarest, &cols);
  EXPECT_OK(ntk_grid_create(comm, rows, comm->size / rows, &grid));
  for (size_t b = 0; b < (rows == squarest ? 2 : 1); ++b) {
    ntk_kernel kernel = {0};

    EXPECT_OK(compute_kernel(p, &grid, blocks[(turn + 2 * b) % 5], &kernel));
    compare(&kernel, alone);
    ntk_kernel_destroy(&kernel);
  }
  ntk_grid_destroy(&grid);
}

static void test_case(const ntk_comm *comm, const ntk_grid *self, size_t c, size_t turn, int64_t n,
                      int64_t m) {
  problem whole, p;
  ntk_kernel alone = {0};

  create_problem(cases[c].network, cases[c].kernel, n, m, cases[c].features, cases[c].outputs, true,
                 &whole);
  create_problem(cases[c].network, cases[c].kernel, n, m, cases[c].features, cases[c].outputs,
                 comm->rank == 0, &p);
  EXPECT_OK(compute_kernel(&whole, self, 64, &alone));
  for (int rows = 1; rows <= comm->size; ++rows) {
    if (comm->size % rows == 0) test_grid(comm, rows, turn, &p, &alone);
  }
  ntk_kernel_destroy(&alone);
  destroy_problem(&whole);
  destroy_problem(&p);
}

int main(int argc, char **argv) {
  static const int64_t samples[][2] = {{1, 1}, {7, 0}, {20, 3}, {50, 65}, {64, 2}, {129, 70}};

  begin_test(&argc, &argv);
  ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD), one = ntk_comm_of(MPI_COMM_SELF);
  ntk_grid self = {0};

  EXPECT_OK(ntk_grid_create(&one, 1, 1, &self));
  for (size_t c = 0; c < sizeof(cases) / sizeof(*cases); ++c) {
    for (size_t k = c % 2; k < sizeof(samples) / sizeof(*samples); k += 2) {
      test_case(&comm, &self, c, c + k, samples[k][0], samples[k][1]);
    }
    if (cases[c].most >= 1000) test_case(&comm, &self, c, c, 1000, 33);
  }
  ntk_grid_destroy(&self);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
