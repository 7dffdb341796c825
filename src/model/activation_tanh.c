#include "activations.h"

/* tanh' = 1 / cosh^2 without cancellation. */
static double sech_squared(double x) {
  const double e = exp(-2 * fabs(x));

  return 4 * e / ((1 + e) * (1 + e));
}

NTK_MAP_SMOOTH(value, void, tanh(x))
NTK_MAP_SMOOTH(slope, void, sech_squared(x))
NTK_MAP_SMOOTH(curvature, void, -2 * (tanh(x) * sech_squared(x)))

const ntk_activation ntk_activation_tanh = {
    {.name = "tanh", .doc = "tanh(x)"}, value, slope, curvature, true};
