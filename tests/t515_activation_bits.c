/* The empirical kernel of every activation has the same bits on any number of ranks and for any
 * block; so has that of other initialisers, parameterisations, frozen layers and scaled outputs.
 *
 * Method: one rank computes the whole kernel alone; the first 2 and 4 ranks compare their parts
 * with that. */
//TEST ranks=4
#include "alone.h"

enum { N = 77, M = 9 };

static const char frozen[] =
    "{output: {scaled: 3}, layers: [{dense: {features: 30}}, {activation: gelu}, {dense: {features:"
    " 20, trainable: false}}, {activation: softplus}, {dense: {features: outputs, bias: none}}]}";

static const char *const networks[] = {
    "{depth: 2, width: 19, parameterization: mup, weight_init: orthogonal, activation: tanh}",
    "{depth: 1, width: 19, parameterization: mean_field, weight_init: he_truncated}",
    frozen,
};

static const int sizes[] = {2, 4, 0};

static void compare(const first_ranks *ranks, const char *network, problem *p, int64_t block,
                    const ntk_kernel *alone) {
  ntk_kernel kernel = {0};

  EXPECT_OK(compute_kernel(p, &ranks->grid, block, &kernel));
  compare_matrix(network, true, &kernel.gram, &alone->gram);
  compare_matrix(network, true, &kernel.test_train, &alone->test_train);
  compare_arrays(kernel.f0, alone->f0, kernel.n * kernel.outputs);
  EXPECT(kernel.rate_scale == alone->rate_scale);
  ntk_kernel_destroy(&kernel);
}

static void check_network(const all_ranks *all, const char *network) {
  static const int64_t blocks[] = {8, 25};
  problem p;
  ntk_kernel alone;

  create_problem(network, "{outputs: mean}", N, M, 5, 2, all->comm.rank == 0, &p);
  compute_alone(all, &p, &alone);
  for (int s = 0; s < all->count && alone.reproducible; ++s) {
    if (all->parts[s].comm.size == 0) continue;
    for (int b = 0; b < 2; ++b) compare(&all->parts[s], network, &p, blocks[b], &alone);
  }
  ntk_kernel_destroy(&alone);
  destroy_problem(&p);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  all_ranks all;

  create_ranks(sizes, &all);
  for (int k = 0; ntk_activations[k]; ++k) {
    char network[64];

    (void)snprintf(network, sizeof(network), "{depth: 2, width: 19, activation: %s}",
                   ntk_activations[k]->name);
    check_network(&all, network);
  }
  for (size_t k = 0; k < sizeof(networks) / sizeof(networks[0]); ++k) {
    check_network(&all, networks[k]);
  }
  destroy_ranks(&all);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
