#include "ntk/run/speed.h"

#include <math.h>

#include "ntk/base/array.h"
#include "ntk/base/log.h"
#include "ntk/base/memory.h"

enum { EDGE = 256, TRIALS = 2 };

/* flop/s of one product of three square matrices. */
static double time_product(double *matrix) {
  const int64_t size = (int64_t)EDGE * EDGE;
  double best = INFINITY;

  for (int k = 0; k < TRIALS; ++k) {
    const double start = ntk_now();

    ntk_gemm(NTK_DOUBLE, false, false, EDGE, EDGE, EDGE, 1, matrix, EDGE, matrix + size, EDGE, 0,
             matrix + 2 * size, EDGE);
    best = fmin(best, ntk_now() - start);
  }
  return 2.0 * EDGE * EDGE * EDGE / fmax(best, 1e-6);
}

double ntk_speed_of_products(void) {
  double *matrix = NULL;

  if (ntk_array_new(NTK_DOUBLE, (int64_t)3 * EDGE * EDGE, &matrix) != NTK_OK) return 0;
  const double rate = time_product(matrix);

  ntk_free(&matrix);
  return rate;
}

/* Measured with n = 192 to 4096 on one and two ranks of a few machines, files on a local disk. */
ntk_speed ntk_speed_guess(double product, int64_t n) {
  const double half = 400; /* rows of a spectrum at half the speed of large ones */
  const double share = (double)n / ((double)n + half);

  return (ntk_speed){.kernel = {.flops_per_second = 0.9 * product},
                     .spectrum = {.flops_per_second = 0.5 * share * product},
                     .point_seconds = 0.01};
}

double ntk_speed_work(double flops, double bytes) {
  const double flops_per_byte = 15;

  return flops + flops_per_byte * bytes;
}

void ntk_rate_note(ntk_rate *rate, double flops, int ranks, double seconds) {
  if (!(flops >= rate->largest) || !(flops > 0) || !(seconds > 0)) return;
  rate->largest = flops;
  rate->flops_per_second = flops / (seconds * ranks);
}

double ntk_rate_seconds(const ntk_rate *rate, double flops, int ranks) {
  return rate->flops_per_second > 0 ? flops / (rate->flops_per_second * ranks) : 0;
}

double ntk_rate_known(const ntk_rate *rate, double flops, int ranks) {
  return rate->largest > 0 && 8 * rate->largest >= flops ? ntk_rate_seconds(rate, flops, ranks)
                                                         : NAN;
}
