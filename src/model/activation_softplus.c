#include "activations.h"

NTK_MAP_SMOOTH(value, void, (x < 0 ? 0 : x) + log1p(exp(-fabs(x))))
NTK_MAP_SMOOTH(slope, void, ntk_logistic(x))
NTK_MAP_SMOOTH(curvature, void, ntk_logistic_slope(x))

const ntk_activation ntk_activation_softplus = {
    {.name = "softplus", .doc = "log(1 + exp(x))"}, value, slope, curvature, true};
