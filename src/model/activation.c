#include "ntk/model/activation.h"

#include <math.h>
#include <string.h>

static const double sqrt_half = 0.70710678118654752440;
static const double sqrt_half_rest = -4.8336466567264567e-17; /* 1 / sqrt(2) less sqrt_half */
static const double inv_sqrt_2pi = 0.39894228040143267794;
static const double inv_sqrt_pi = 0.56418958354775628695;
static const double two_over_sqrt_pi = 1.12837916709551257390;

/* Applies `expression` in x to an array, through a block of fixed length: so the loop vectorises
 * although the two arrays may be one. */
#define LOOP(type, type_of_x, expression)                 \
  for (int64_t k = 0; k < n; k += NTK_SAMPLE_PAD) {       \
    type block[NTK_SAMPLE_PAD];                           \
                                                          \
    memcpy(block, (const type *)from + k, sizeof(block)); \
    for (int i = 0; i < NTK_SAMPLE_PAD; ++i) {            \
      const type_of_x x = block[i];                       \
      block[i] = (type)(expression);                      \
    }                                                     \
    memcpy((type *)to + k, block, sizeof(block));         \
  }

#define MAP(name, type_for_singles, expression)                              \
  static void name(ntk_dtype dtype, int64_t n, const void *from, void *to) { \
    NTK_ASSERT(n % NTK_SAMPLE_PAD == 0);                                     \
    if (dtype == NTK_DOUBLE) {                                               \
      LOOP(double, double, expression)                                       \
    } else {                                                                 \
      LOOP(float, type_for_singles, expression)                              \
    }                                                                        \
  }

/* Define the array function `name`.  EXACT: the expression has no rounding worth the name and is
 * taken in the array's type.  SMOOTH: singles are widened first, so that the result is rounded
 * once.  In all of them NaN gives NaN. */
#define EXACT(name, expression) MAP(name, float, expression)
#define SMOOTH(name, expression) MAP(name, double, expression)

/* exp(-c x^2) for a power of two c; the rounding error of the square, which would be blown up
 * for large x, is put back. */
static double gauss(double c, double x) {
  const double square = x * x;

  return square > 3000 ? 0 : exp(-c * square) * (1 - c * fma(x, x, -square));
}

/* erfc(-x / sqrt(2)) / 2; far on the left the rounding error of the argument is put back, which
 * takes bell = exp(-x^2 / 2). */
static double normal_cdf(double x, double bell) {
  const double z = x * sqrt_half, cdf = 0.5 * erfc(-z);

  if (!(x < -1)) return cdf;
  return cdf + inv_sqrt_pi * bell * (fma(x, sqrt_half, -z) + x * sqrt_half_rest);
}

static double gelu(double x) {
  return x * normal_cdf(x, x < -1 ? gauss(0.5, x) : 0);
}

static double gelu_derivative(double x) {
  const double bell = gauss(0.5, x);

  return normal_cdf(x, bell) + x * (inv_sqrt_2pi * bell);
}

/* tanh' = 1 / cosh^2 without cancellation. */
static double sech_squared(double x) {
  const double e = exp(-2 * fabs(x));

  return 4 * e / ((1 + e) * (1 + e));
}

static double erf_derivative(double x) {
  return two_over_sqrt_pi * gauss(1, x);
}

EXACT(identity_value, x)
EXACT(identity_slope, x == x ? 1 : x)
EXACT(identity_curvature, x == x ? 0 : x)
EXACT(relu_value, x < 0 ? 0 : x)
EXACT(relu_slope, x > 0 ? 1 : x <= 0 ? 0 : x)
EXACT(relu_curvature, x == x ? 0 : x)
SMOOTH(tanh_value, tanh(x))
SMOOTH(tanh_slope, sech_squared(x))
SMOOTH(tanh_curvature, -2 * (tanh(x) * sech_squared(x)))
SMOOTH(erf_value, erf(x))
SMOOTH(erf_slope, erf_derivative(x))
SMOOTH(erf_curvature, -2 * (x * erf_derivative(x)))
SMOOTH(gelu_value, gelu(x))
SMOOTH(gelu_slope, gelu_derivative(x))
SMOOTH(gelu_curvature, fma(-x, x, 2) * (inv_sqrt_2pi * gauss(0.5, x)))

#define ROW(word, formula, is_smooth)        \
  static const ntk_activation word##_row = { \
      {.name = #word, .doc = (formula)}, word##_value, word##_slope, word##_curvature, is_smooth}

ROW(identity, "x", true);
ROW(relu, "max(x, 0)", false);
ROW(tanh, "tanh(x)", true);
ROW(erf, "erf(x) = 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x", true);
ROW(gelu, "x Phi(x), Phi the standard normal distribution function", true);

const ntk_row *const ntk_activations[] = {
    &identity_row.row, &relu_row.row, &tanh_row.row, &erf_row.row, &gelu_row.row, NULL,
};
