/* Kernels of networks of every layer of the table (a layer that no network here has fails the test)
 * have the same bits on any number of ranks and for any block, by every contraction.
 *
 * Method: one rank computes the whole kernel alone; the first 2, 3, 4 and 6 ranks compare their
 * parts with that. */
//TEST ranks=6
#include "alone.h"
#include "architectures.h"
#include "layer_rows.h"

static const int sizes[] = {2, 3, 4, 6, 0};

/* Of every row of the table of layers, how many networks have it. */
static int turns[LAYER_ROWS];

static void compare(const first_ranks *ranks, const char *network, problem *p, int64_t block,
                    const ntk_kernel *alone) {
  ntk_kernel k = {0};

  EXPECT_OK(compute_kernel(p, &ranks->grid, block, &k));
  compare_matrix(network, true, &k.gram, &alone->gram);
  compare_matrix(network, true, &k.test_train, &alone->test_train);
  compare_matrix(network, true, &k.test_test, &alone->test_test);
  compare_arrays(k.f0, alone->f0, k.n * k.outputs);
  ntk_kernel_destroy(&k);
}

static void check(const all_ranks *all, const architecture *a, const char *outputs,
                  const char *precision, const char *contraction) {
  enum { N = 70, M = 5 };
  static const int64_t blocks[] = {8, 25};
  char kernel[256];
  problem p;
  ntk_kernel alone;

  (void)snprintf(kernel, sizeof(kernel),
                 "{outputs: %s, precision: %s, contraction: %s, test_test: full}", outputs,
                 precision, contraction);
  create_shaped_problem(a->network, kernel, N, M, &a->shape, a->vocabulary, a->outputs,
                        all->comm.rank == 0, &p);
  compute_alone(all, &p, &alone);
  if (alone.reproducible) count_rows(&p.network_settings.layers, turns);
  for (int s = 0; s < all->count && alone.reproducible; ++s) {
    if (all->parts[s].comm.size == 0) continue;
    for (int b = 0; b < 2; ++b) compare(&all->parts[s], a->network, &p, blocks[b], &alone);
  }
  ntk_kernel_destroy(&alone);
  destroy_problem(&p);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  all_ranks all;

  create_ranks(sizes, &all);
  check(&all, &cnn, "full", "double", "auto");
  check(&all, &cnn, "mean", "double", "pairs");
  check(&all, &cnn, "mean", "double", "pixel_gram");
  check(&all, &pooled, "full", "double", "auto");
  check(&all, &resnet, "mean", "double", "jacobian");
  check(&all, &resnet, "pseudo", "single", "pairs");
  check(&all, &transformer, "full", "double", "pairs");
  check(&all, &transformer, "mean", "single", "jacobian");
  check(&all, &tied, "mean", "double", "auto");
  check(&all, &normed, "full", "double", "auto");
  check(&all, &normed, "mean", "single", "auto");
  check(&all, &ode, "trace", "double", "pairs");
  check(&all, &ode, "full", "double", "jacobian");
  check(&all, &wide, "mean", "double", "jacobian");
  check(&all, &long_inputs, "mean", "double", "auto");
  for (int k = 0; ntk_layers[k]; ++k) {
    if (turns[k] == 0) FAIL("no network has the layer %s", ntk_layers[k]->name);
  }
  destroy_ranks(&all);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
