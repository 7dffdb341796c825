/* How near the Gram of a convolutional network comes to the peak of the machine, and the
 * contraction alone: flops of the formulas below over time, over the rate of large GEMMs on all
 * ranks at once, measured before and after each run.
 *
 *   mpirun -n 2 bench_conv [n [channels [rounds]]]      prints  conv whole ratio 0.60
 *                                                               conv contraction ratio 0.85
 *
 * Images edge x edge x 3 with edge = 32, S = 32 * 32 positions; three convolutions 3 x 3, padding
 * same, of c channels, relu behind each; flatten; dense 1; double.  The grid is 1 x ranks.  Time of
 * the whole runs from the first GEMM of the forward pass to the complete symmetric matrix; that of
 * the contraction is what the slowest rank spends in products of the samples' Jacobians and their
 * sums (not in the exchange of Jacobians).
 *
 *   forward      2 n (S (p1 + p2 + p3) c + S c)    p1 = 9 * 3, p2 = p3 = 9 c: a patch
 *   backward     2 n S (p2 + p3) c                 down to the first convolution's output
 *   forming      2 n S (p1 + p2 + p3) c            Jacobians sum_s a_s^T delta_s
 *   contraction  n^2 ((p1 + p2 + p3) c + 3 c + S c)  of them, of the biases, and <a, a'> of the
 *                                                  readout; lower half of the Gram only
 *   peak   median of 5 products A^T B of 2048 x 2048 matrices; mean of before and after
 *   ratio  median of the rounds */
#include "bench.h"

enum { EDGE = 32, POSITIONS = EDGE * EDGE, COLORS = 3, CELLS = 9 };

/* Weights of all convolutions. */
static double weights_of(int64_t channels) {
  const double c = (double)channels;

  return CELLS * (COLORS + 2 * c) * c;
}

static double contraction_flops(int64_t n, int64_t channels) {
  const double c = (double)channels;

  return (double)n * (double)n * (weights_of(channels) + (3 + POSITIONS) * c);
}

static double flops_of(int64_t n, int64_t channels) {
  const double c = (double)channels, weights = weights_of(channels);
  const double forward = POSITIONS * (weights + c), backward = POSITIONS * 2 * CELLS * c * c;
  const double forming = POSITIONS * weights;

  return 2 * (double)n * (forward + backward + forming) + contraction_flops(n, channels);
}

static ntk_status compare(int64_t n, int64_t channels, int rounds, bench_kernel *b) {
  double whole[BENCH_MOST_ROUNDS] = {0}, contraction[BENCH_MOST_ROUNDS] = {0};

  for (int k = 0; k < rounds; ++k) {
    bench_round r = {0};

    NTK_TRY(bench_kernel_round(b, &r));
    whole[k] = flops_of(n, channels) / r.seconds / r.peak;
    contraction[k] = contraction_flops(n, channels) / r.contraction_seconds / r.peak;
    ntk_log("round %d: whole %.3f, contraction %.3f", k + 1, whole[k], contraction[k]);
  }
  if (b->grid->comm->rank != 0) return NTK_OK;
  printf("conv whole ratio %.3f\n", bench_median(whole, rounds));
  printf("conv contraction ratio %.3f\n", bench_median(contraction, rounds));
  return NTK_OK;
}

static ntk_status body(const ntk_grid *grid, int argc, char **argv) {
  const int64_t n = bench_argument(argc, argv, 1, 2048);
  const int64_t channels = bench_argument(argc, argv, 2, 64);
  const ntk_shape shape = {.rank = 3, .size = {EDGE, EDGE, COLORS}};
  bench_kernel b = {.grid = grid, .dtype = NTK_DOUBLE};
  char network[200];

  (void)snprintf(network, sizeof(network),
                 "{width: %lld, layers: [{repeat: {times: 3, layers: [{conv: {features: width, "
                 "kernel: 3}}, {activation: relu}]}}, flatten, {dense: {features: outputs}}]}",
                 (long long)channels);
  ntk_status status = ntk_agree(grid->comm, bench_kernel_create(network, &shape, n, &b));

  if (status == NTK_OK) status = compare(n, channels, bench_rounds(argc, argv, 3), &b);
  bench_kernel_destroy(&b);
  return status;
}

int main(int argc, char **argv) { return bench_main(argc, argv, body); }
