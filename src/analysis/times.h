/* times.h -- the times at which a course of training is evaluated. */
#ifndef NTK_ANALYSIS_TIMES_H
#define NTK_ANALYSIS_TIMES_H

#include "ntk/analysis/analysis.h"

/* Local.  Times of the curve: 0 if the grid says so, and its points; infinity comes separately. */
int64_t ntk_times_count(const ntk_grid_spec *grid);

/* Local.  Fills the times; ends that are auto are 0.01 / (rate lambda_max) and
 * 10 / (rate lambda_min+), lambda_min+ the smallest eigenvalue above the cutoff (I.6).
 *   rate  learning rate divided by the loss constant
 *   time  [ntk_times_count(grid)] */
void ntk_times_fill(const ntk_grid_spec *grid, const ntk_spectrum *spectrum, double rate,
                    double *time);

/* Local.  Rounds increasing times to whole steps, each once; returns how many are left (I.6). */
int64_t ntk_times_round(int64_t count, double *time);

#endif
