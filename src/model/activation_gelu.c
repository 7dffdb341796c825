#include "activations.h"

static const double sqrt_half = 0.70710678118654752440;
static const double sqrt_half_rest = -4.8336466567264567e-17; /* 1 / sqrt(2) less sqrt_half */
static const double inv_sqrt_2pi = 0.39894228040143267794;
static const double inv_sqrt_pi = 0.56418958354775628695;

/* erfc(-x / sqrt(2)) / 2; far on the left the rounding error of the argument is put back, which
 * takes bell = exp(-x^2 / 2). */
static double normal_cdf(double x, double bell) {
  const double z = x * sqrt_half, cdf = 0.5 * erfc(-z);

  if (!(x < -1)) return cdf;
  return cdf + inv_sqrt_pi * bell * (fma(x, sqrt_half, -z) + x * sqrt_half_rest);
}

static double gelu(double x) { return x * normal_cdf(x, x < -1 ? ntk_gauss(0.5, x) : 0); }

static double derivative(double x) {
  const double bell = ntk_gauss(0.5, x);

  return normal_cdf(x, bell) + x * (inv_sqrt_2pi * bell);
}

NTK_MAP_SMOOTH(value, void, gelu(x))
NTK_MAP_SMOOTH(slope, void, derivative(x))
static double second_derivative(double x) {
  return fma(-x, x, 2) * (inv_sqrt_2pi * ntk_gauss(0.5, x));
}

NTK_MAP_SMOOTH(curvature, void, second_derivative(ntk_clip(x, 100)))

const ntk_activation ntk_activation_gelu = {
    {.name = "gelu", .doc = "x Phi(x), Phi the standard normal distribution function"},
    value,
    slope,
    curvature,
    true};
