#include "activations.h"

NTK_MAP_EXACT(value, void, x)
NTK_MAP_EXACT(slope, void, x == x ? 1 : x)
NTK_MAP_EXACT(curvature, void, x == x ? 0 : x)

const ntk_activation ntk_activation_identity = {
    {.name = "identity", .doc = "x", .also = "linear none"}, value, slope, curvature, true};
