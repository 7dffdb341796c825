/* How near the Gram of an MLP comes to the peak of the machine: flops of the formula below over
 * time, over the rate of large GEMMs on all ranks at once, measured before and after each run.
 *
 *   mpirun -n 2 bench_gram [n [width [rounds]]]      prints  gram double ratio 0.85
 *                                                            gram single ratio 0.65
 *
 * Network 784-width-width-width-1, relu; the grid is 1 x ranks.  Time runs from the first
 * GEMM of the forward pass to the complete symmetric matrix.
 *
 *   flops  n^2 sum (p + O q) + 2 n sum p q + 2 n O sum_{l >= 2} p q   (lower half of the Gram only)
 *   peak   median of 5 products A^T B of 2048 x 2048 matrices; mean of before and after
 *   ratio  median of the rounds */
#include "bench.h"

enum { FEATURES = 784, HIDDEN = 3 };

static double flops_of(int64_t n, int64_t width) {
  const double hidden = (double)width * (double)width, first = FEATURES * (double)width;
  const double in = FEATURES + HIDDEN * (double)width, out = HIDDEN * (double)width + 1;
  const double forward = first + (HIDDEN - 1) * hidden + (double)width;
  const double backward = (HIDDEN - 1) * hidden + (double)width;

  return (double)n * ((double)n * (in + out) + 2 * (forward + backward));
}

static ntk_status compare(const char *name, int64_t n, int64_t width, int rounds,
                          bench_kernel *b) {
  double ratio[BENCH_MOST_ROUNDS] = {0};

  for (int k = 0; k < rounds; ++k) {
    bench_round r = {0};

    NTK_TRY(bench_kernel_round(b, &r));
    ratio[k] = flops_of(n, width) / r.seconds / r.peak;
    ntk_log("%s round %d: ratio %.3f", name, k + 1, ratio[k]);
  }
  if (b->grid->comm->rank == 0) printf("gram %s ratio %.3f\n", name, bench_median(ratio, rounds));
  return NTK_OK;
}

static ntk_status run(const ntk_grid *grid, const char *name, ntk_dtype dtype, int64_t n,
                      int64_t width, int rounds) {
  const ntk_shape shape = {.rank = 1, .size = {FEATURES}};
  bench_kernel b = {.grid = grid, .dtype = dtype};
  char network[200];

  (void)snprintf(network, sizeof(network),
                 "{depth: %d, width: %lld, activation: relu, parameterization: ntk}", HIDDEN,
                 (long long)width);
  ntk_status status = ntk_agree(grid->comm, bench_kernel_create(network, &shape, n, &b));

  if (status == NTK_OK) status = compare(name, n, width, rounds, &b);
  bench_kernel_destroy(&b);
  return status;
}

static ntk_status body(const ntk_grid *grid, int argc, char **argv) {
  const int64_t n = bench_argument(argc, argv, 1, 8192);
  const int64_t width = bench_argument(argc, argv, 2, 1024);
  const int rounds = bench_rounds(argc, argv, 3);

  NTK_TRY(run(grid, "double", NTK_DOUBLE, n, width, rounds));
  return run(grid, "single", NTK_SINGLE, n, width, rounds);
}

int main(int argc, char **argv) { return bench_main(argc, argv, body); }
