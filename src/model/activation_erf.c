#include "activations.h"

static const double two_over_sqrt_pi = 1.12837916709551257390;

static const ntk_option options[] = {
    NTK_AFFINE_OPTION(a, "1", "factor of the function"),
    NTK_AFFINE_OPTION(b, "1", "factor of the argument"),
    NTK_AFFINE_OPTION(c, "0", "added to the function"),
    {0},
};

static double derivative(double x) { return two_over_sqrt_pi * ntk_gauss(1, x); }

NTK_MAP_SMOOTH(value, ntk_affine_options, o->a *erf(o->b *x) + o->c)
NTK_MAP_SMOOTH(slope, ntk_affine_options, o->a * o->b * derivative(o->b * x))
NTK_MAP_SMOOTH(curvature, ntk_affine_options,
               -2 * (o->a * o->b * o->b * (o->b * x) * derivative(o->b * x)))

const ntk_activation ntk_activation_erf = {
    {.name = "erf",
     .doc = "a erf(b x) + c, erf(x) = 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x",
     .options = options,
     .options_size = sizeof(ntk_affine_options)},
    value,
    slope,
    curvature,
    true};
