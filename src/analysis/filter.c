#include "filter.h"

double ntk_filter_ridge(double lambda, double mu, double cutoff) {
  if (mu == 0) return lambda > cutoff ? 1 : 0;
  return lambda / (lambda + mu);
}

double ntk_filter_ridge_rest(double lambda, double mu, double cutoff) {
  if (mu == 0) return lambda > cutoff ? 0 : 1;
  return mu / (lambda + mu);
}

void ntk_filter_dimensions(const ntk_spectrum *spectrum, double mu, double *df1, double *df2) {
  *df1 = *df2 = 0;
  for (int64_t k = spectrum->n - 1; k >= 0; --k) { /* small terms first */
    double share = ntk_filter_ridge(spectrum->eigenvalue[k], mu, spectrum->cutoff);

    *df1 += share;
    *df2 += share * share;
  }
}

double ntk_filter_power(const ntk_view *view, const double *coefficient, int64_t k) {
  double power = 0;

  for (int64_t c = 0; c < view->columns; ++c) {
    double value = coefficient[k * view->columns + c];

    power += value * value;
  }
  return power;
}

double ntk_filter_bias(const ntk_view *view, double mu, double scale) {
  const ntk_spectrum *s = view->spectrum;
  double sum = 0;

  for (int64_t k = 0; k < view->rows; ++k) {
    double rest = ntk_filter_ridge_rest(scale * s->eigenvalue[k], mu, scale * s->cutoff);

    sum += rest * rest * ntk_filter_power(view, view->target_coefficient, k);
  }
  return sum;
}
