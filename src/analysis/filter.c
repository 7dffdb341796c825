#include "filter.h"

#include <float.h>
#include <math.h>

double ntk_filter_lambda(const ntk_spectrum *spectrum, int64_t k) {
  const double noise = (double)spectrum->n * DBL_EPSILON * spectrum->eigenvalue[0];

  return spectrum->eigenvalue[k] > noise ? spectrum->eigenvalue[k] : 0;
}

double ntk_filter_ridge(const ntk_spectrum *spectrum, int64_t k, double mu) {
  const double lambda = ntk_filter_lambda(spectrum, k);

  if (mu == 0) return lambda > spectrum->cutoff ? 1 : 0;
  return lambda / (lambda + mu);
}

double ntk_filter_ridge_rest(const ntk_spectrum *spectrum, int64_t k, double mu) {
  const double lambda = ntk_filter_lambda(spectrum, k);

  if (mu == 0) return lambda > spectrum->cutoff ? 0 : 1;
  return mu / (lambda + mu);
}

void ntk_filter_dimensions(const ntk_spectrum *spectrum, double mu, double *df1, double *df2) {
  *df1 = *df2 = 0;
  for (int64_t k = spectrum->n - 1; k >= 0; --k) { /* small terms first */
    const double share = ntk_filter_ridge(spectrum, k, mu);

    *df1 += share;
    *df2 += share * share;
  }
}

double ntk_filter_power(const ntk_view *view, const double *coefficient, int64_t k) {
  double power = 0;

  for (int64_t c = 0; c < view->columns; ++c) {
    const double value = coefficient[k * view->columns + c];

    power += value * value;
  }
  return power;
}

double ntk_filter_bias(const ntk_view *view, double mu) {
  double sum = 0;

  for (int64_t k = 0; k < view->rows; ++k) {
    const double rest = ntk_filter_ridge_rest(view->spectrum, k, mu);

    sum += rest * rest * ntk_filter_power(view, view->target_coefficient, k);
  }
  return sum;
}

void ntk_filter_flow(const ntk_view *view, double time, double *bias, double *df2) {
  *bias = *df2 = 0;
  for (int64_t k = view->rows - 1; k >= 0; --k) { /* small terms first */
    const double z = ntk_filter_lambda(view->spectrum, k) * time;

    *bias += exp(-2 * z) * ntk_filter_power(view, view->target_coefficient, k);
    *df2 += expm1(-z) * expm1(-z);
  }
}
