#include "activations.h"

static const ntk_option options[] = {
    NTK_AFFINE_OPTION(a, "1", "factor of the function"),
    NTK_AFFINE_OPTION(b, "1", "factor of the argument"),
    NTK_AFFINE_OPTION(c, "0", "added to the argument, radians"),
    {0},
};

NTK_MAP_SMOOTH(value, ntk_affine_options, o->a *sin(o->b *x + o->c))
NTK_MAP_SMOOTH(slope, ntk_affine_options, o->a * o->b * cos(o->b * x + o->c))
NTK_MAP_SMOOTH(curvature, ntk_affine_options, -(o->a * o->b * o->b * sin(o->b * x + o->c)))

const ntk_activation ntk_activation_sin = {{.name = "sin",
                                            .doc = "a sin(b x + c)",
                                            .options = options,
                                            .options_size = sizeof(ntk_affine_options)},
                                           value,
                                           slope,
                                           curvature,
                                           true};
