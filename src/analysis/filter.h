/* filter.h -- what a method keeps of each mode (MATH E3), and the sums over modes made of it.
 *
 * n and O below are the rows and columns of the view: full outputs are one kernel over n O points
 * with one target column, so every formula for n samples and O outputs holds with these two. */
#ifndef NTK_ANALYSIS_FILTER_H
#define NTK_ANALYSIS_FILTER_H

#include "ntk/analysis/analysis.h"

/* Local.  Eigenvalue k; 0 if it is within rounding of 0, n eps lambda_max, so that small ridges and
 * long times do not bring out noise.  (The cutoff may be larger; it is for inverses only.) */
double ntk_filter_lambda(const ntk_spectrum *spectrum, int64_t k);

/* Local.  The share of mode k that ridge regression keeps, lambda / (lambda + mu).  mu = 0 is the
 * pseudo-inverse: 1 above the cutoff, else 0. */
double ntk_filter_ridge(const ntk_spectrum *spectrum, int64_t k, double mu);

/* Local.  The share it loses, mu / (lambda + mu), without cancellation. */
double ntk_filter_ridge_rest(const ntk_spectrum *spectrum, int64_t k, double mu);

/* Local.  df1 = sum F and df2 = sum F^2 of ridge mu, F1. */
void ntk_filter_dimensions(const ntk_spectrum *spectrum, double mu, double *df1, double *df2);

/* Local.  The same of gradient flow (c = 1) up to a time: sum exp(-2 lambda t) b^2 over modes and
 * columns, and sum (1 - exp(-lambda t))^2 over modes, F2. */
void ntk_filter_flow(const ntk_view *view, double time, double *bias, double *df2);

/* Local.  sum over modes and columns of (mu / (lambda + mu))^2 b^2 with b = V^T y. */
double ntk_filter_bias(const ntk_view *view, double mu);

/* Local.  Squares of row k of a block of coefficients, summed over its columns. */
double ntk_filter_power(const ntk_view *view, const double *coefficient, int64_t k);

#endif
