#include "activations.h"

NTK_MAP_EXACT(value, void, x < 0 ? -x : x)
NTK_MAP_EXACT(slope, void, x > 0 ? 1 : x < 0 ? -1 : x)
NTK_MAP_EXACT(curvature, void, x == x ? 0 : x)

const ntk_activation ntk_activation_abs = {
    {.name = "abs", .doc = "|x|"}, value, slope, curvature, false};
