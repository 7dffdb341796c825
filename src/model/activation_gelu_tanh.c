/* x (1 + tanh u) / 2 = x logistic(v), v = 2 u = 2 sqrt(2/pi) (x + 0.044715 x^3). */
#include "activations.h"

static const double two_root = 1.59576912160573071176; /* 2 sqrt(2 / pi) */
static const double cubic = 0.044715;

/* Beyond +-64 the logistic function of v is 0 or 1 to the last bit. */
static double clip(double x) { return ntk_clip(x, 64); }

static double v(double x) { return two_root * (x + cubic * x * x * x); }

static double v_slope(double x) { return two_root * (1 + 3 * cubic * x * x); }

static double derivative(double x) {
  return ntk_logistic(v(x)) + x * v_slope(x) * ntk_logistic_slope(v(x));
}

static double second_derivative(double x) {
  const double s = v_slope(x), c = 6 * two_root * cubic * x;

  return ntk_logistic_slope(v(x)) * (2 * s + x * (c - s * s * tanh(0.5 * v(x))));
}

NTK_MAP_SMOOTH(value, void, x *ntk_logistic(v(clip(x))))
NTK_MAP_SMOOTH(slope, void, derivative(clip(x)))
NTK_MAP_SMOOTH(curvature, void, second_derivative(clip(x)))

const ntk_activation ntk_activation_gelu_tanh = {
    {.name = "gelu_tanh", .doc = "x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2"},
    value,
    slope,
    curvature,
    true};
