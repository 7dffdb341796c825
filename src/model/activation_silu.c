#include "activations.h"

static double derivative(double x) { return ntk_logistic(x) + x * ntk_logistic_slope(x); }

static double second_derivative(double x) {
  return ntk_logistic_slope(x) * (2 - x * tanh(0.5 * x));
}

NTK_MAP_SMOOTH(value, void, x *ntk_logistic(x))
NTK_MAP_SMOOTH(slope, void, derivative(x))
NTK_MAP_SMOOTH(curvature, void, second_derivative(x))

const ntk_activation ntk_activation_silu = {
    {.name = "silu", .doc = "x / (1 + exp(-x)); also called swish", .also = "swish"},
    value,
    slope,
    curvature,
    true};
