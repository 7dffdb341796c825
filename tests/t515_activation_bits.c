/* The empirical kernel of every activation has the same bits on any number of ranks and for any
 * block; so has that of other initialisers, parameterisations, frozen layers and scaled outputs.
 *
 * Method: every rank computes the whole kernel alone and compares its part with that. */
//TEST ranks=2,4
#include "kernel.h"

enum { N = 77, M = 9 };

static const char frozen[] =
    "{output: {scaled: 3}, layers: [{dense: {features: 30}}, {activation: gelu}, {dense: {features:"
    " 20, trainable: false}}, {activation: softplus}, {dense: {features: outputs, bias: none}}]}";

static const char *const networks[] = {
    "{depth: 2, width: 19, parameterization: mup, weight_init: orthogonal, activation: tanh}",
    "{depth: 1, width: 19, parameterization: mean_field, weight_init: he_truncated}",
    frozen,
};

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

static void check_network(const ntk_grid *grid, const ntk_grid *self, const char *network) {
  static const int64_t blocks[] = {8, 25};
  problem whole, p;
  ntk_kernel alone = {0};

  create_problem(network, "{outputs: mean}", N, M, 5, 2, true, &whole);
  create_problem(network, "{outputs: mean}", N, M, 5, 2, grid->comm->rank == 0, &p);
  EXPECT_OK(compute_kernel(&whole, self, 64, &alone));
  for (int b = 0; b < 2 && alone.reproducible; ++b) {
    ntk_kernel kernel = {0};

    EXPECT_OK(compute_kernel(&p, grid, blocks[b], &kernel));
    compare_matrix(network, &kernel.gram, &alone.gram);
    compare_matrix(network, &kernel.test_train, &alone.test_train);
    EXPECT(same_bits(kernel.f0, alone.f0, N * 2 * sizeof(double)));
    EXPECT(kernel.rate_scale == alone.rate_scale);
    ntk_kernel_destroy(&kernel);
  }
  ntk_kernel_destroy(&alone);
  destroy_problem(&whole);
  destroy_problem(&p);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  const ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD), one = ntk_comm_of(MPI_COMM_SELF);
  ntk_grid grid = {0}, self = {0};
  int rows, cols;

  ntk_grid_squarest(comm.size, &rows, &cols);
  EXPECT_OK(ntk_grid_create(&comm, rows, cols, &grid));
  EXPECT_OK(ntk_grid_create(&one, 1, 1, &self));
  for (int k = 0; ntk_activations[k]; ++k) {
    char network[64];

    (void)snprintf(network, sizeof(network), "{depth: 2, width: 19, activation: %s}",
                   ntk_activations[k]->name);
    check_network(&grid, &self, network);
  }
  for (size_t k = 0; k < sizeof(networks) / sizeof(networks[0]); ++k) {
    check_network(&grid, &self, networks[k]);
  }
  ntk_grid_destroy(&grid);
  ntk_grid_destroy(&self);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
