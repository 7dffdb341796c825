/* Kernels of networks of every layer of the table (a layer that no network here has fails the test)
 * have the same bits on any number of ranks and for any block, by every contraction.
 *
 * Method: every rank computes the whole kernel alone and compares its part with that. */
//TEST ranks=2,3,4,6
#include "architectures.h"
#include "kernel.h"
#include "layer_rows.h"

static void compare_matrix(const char *what, const ntk_matrix *m, const ntk_matrix *alone) {
  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    for (int64_t li = 0; li < m->local_rows; ++li) {
      const int64_t i = ntk_matrix_row(m, li), j = ntk_matrix_col(m, lj);
      const double *a = m->data + li + lj * m->ld, *b = alone->data + i + j * alone->ld;

      if (!same_bits(a, b, sizeof(*a))) {
        FAIL("%s: entry (%lld, %lld) is %.17g, alone %.17g", what, (long long)i, (long long)j, *a,
             *b);
      }
    }
  }
}

/* Of every row of the table of layers, how many networks have it. */
static int turns[LAYER_ROWS];

static void check(const ntk_grid *grid, const ntk_grid *self, const architecture *a,
                  const char *outputs, const char *precision, const char *contraction) {
  enum { N = 70, M = 5 };
  static const int64_t blocks[] = {8, 25};
  char kernel[256];
  problem whole, p;
  ntk_kernel alone = {0};

  (void)snprintf(kernel, sizeof(kernel),
                 "{outputs: %s, precision: %s, contraction: %s, test_test: full}", outputs,
                 precision, contraction);
  create_shaped_problem(a->network, kernel, N, M, &a->shape, a->vocabulary, a->outputs, true,
                        &whole);
  create_shaped_problem(a->network, kernel, N, M, &a->shape, a->vocabulary, a->outputs,
                        grid->comm->rank == 0, &p);
  EXPECT_OK(compute_kernel(&whole, self, 64, &alone));
  if (alone.reproducible) count_rows(&whole.network_settings.layers, turns);
  for (int b = 0; b < 2 && alone.reproducible; ++b) {
    ntk_kernel k = {0};

    EXPECT_OK(compute_kernel(&p, grid, blocks[b], &k));
    compare_matrix(a->network, &k.gram, &alone.gram);
    compare_matrix(a->network, &k.test_train, &alone.test_train);
    compare_matrix(a->network, &k.test_test, &alone.test_test);
    EXPECT(same_bits(k.f0, alone.f0, (size_t)(N * a->outputs) * sizeof(double)));
    ntk_kernel_destroy(&k);
  }
  ntk_kernel_destroy(&alone);
  destroy_problem(&whole);
  destroy_problem(&p);
}

int main(int argc, char **argv) {
  int rows, cols;

  begin_test(&argc, &argv);
  const ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD), one = ntk_comm_of(MPI_COMM_SELF);
  ntk_grid grid = {0}, self = {0};

  ntk_grid_squarest(comm.size, &rows, &cols);
  EXPECT_OK(ntk_grid_create(&comm, rows, cols, &grid));
  EXPECT_OK(ntk_grid_create(&one, 1, 1, &self));
  check(&grid, &self, &cnn, "full", "double", "auto");
  check(&grid, &self, &cnn, "mean", "double", "pairs");
  check(&grid, &self, &cnn, "mean", "double", "pixel_gram");
  check(&grid, &self, &pooled, "full", "double", "auto");
  check(&grid, &self, &resnet, "mean", "double", "jacobian");
  check(&grid, &self, &resnet, "pseudo", "single", "pairs");
  check(&grid, &self, &transformer, "full", "double", "pairs");
  check(&grid, &self, &transformer, "mean", "single", "jacobian");
  check(&grid, &self, &tied, "mean", "double", "auto");
  check(&grid, &self, &normed, "full", "double", "auto");
  check(&grid, &self, &normed, "mean", "single", "auto");
  check(&grid, &self, &ode, "trace", "double", "pairs");
  check(&grid, &self, &ode, "full", "double", "jacobian");
  check(&grid, &self, &wide, "mean", "double", "jacobian");
  check(&grid, &self, &long_inputs, "mean", "double", "auto");
  for (int k = 0; ntk_layers[k]; ++k) {
    if (turns[k] == 0) FAIL("no network has the layer %s", ntk_layers[k]->name);
  }
  ntk_grid_destroy(&grid);
  ntk_grid_destroy(&self);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
