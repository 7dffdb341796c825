#include "activations.h"

NTK_MAP_SMOOTH(value, void, ntk_logistic(x))
NTK_MAP_SMOOTH(slope, void, ntk_logistic_slope(x))
NTK_MAP_SMOOTH(curvature, void, -(ntk_logistic_slope(x) * tanh(0.5 * x)))

const ntk_activation ntk_activation_sigmoid = {
    {.name = "sigmoid", .doc = "1 / (1 + exp(-x))"}, value, slope, curvature, true};
