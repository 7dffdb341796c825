/* speed.h -- how fast stages are on this machine: guessed from products at first, then measured by
 * the stages that were finished. */
#ifndef NTK_RUN_SPEED_H
#define NTK_RUN_SPEED_H

#include <stdint.h>

/* Of one kind of stage. */
typedef struct ntk_rate {
  double flops_per_second; /* of one rank */
  double largest;          /* flops of the largest stage that was measured; 0: all is a guess */
} ntk_rate;

typedef struct ntk_speed {
  ntk_rate kernel, spectrum;
  double point_seconds; /* that a point takes beside them: data, files, agreement */
} ntk_speed;

/* Local.  Shares of a large product's rate that kernels reach, and spectra of n rows.
 *   product  flop/s of one rank in large products */
ntk_speed ntk_speed_guess(double product, int64_t n);

/* Local.  flop/s of one rank in large products, measured in a few milliseconds; 0 without memory. */
double ntk_speed_of_products(void);

/* Local.  A kernel's flops, and its bytes that pass through memory beside them as flops that take as
 * long: what the rate of kernels is about. */
double ntk_speed_work(double flops, double bytes);

/* Local.  Takes in a finished stage: the rate is that of the largest stage so far. */
void ntk_rate_note(ntk_rate *rate, double flops, int ranks, double seconds);

/* Local.  Seconds that a stage of so many flops takes, as far as can be told. */
double ntk_rate_seconds(const ntk_rate *rate, double flops, int ranks);

/* Local.  The same if it is known: a stage of at least an eighth of the flops (half the n of an
 * eigenproblem) was measured.  Else NaN. */
double ntk_rate_known(const ntk_rate *rate, double flops, int ranks);

#endif
