#include "activations.h"

typedef struct leaky_options {
  double alpha;
} leaky_options;

static const ntk_option options[] = {
    {.key = "alpha",
     .type = NTK_REAL,
     .offset = offsetof(leaky_options, alpha),
     .fallback = "0.01",
     .low = -10,
     .high = 10,
     .doc = "slope left of 0"},
    {0},
};

NTK_MAP_EXACT(value, leaky_options, x < 0 ? o->alpha * x : x)
NTK_MAP_EXACT(slope, leaky_options, x > 0 ? 1 : x < 0 ? o->alpha : x)
NTK_MAP_EXACT(curvature, leaky_options, x == x ? 0 : x)

const ntk_activation ntk_activation_leaky = {{.name = "leaky", .also = "leaky_relu lrelu",
                                              .doc = "max(x, 0) + alpha min(x, 0)",
                                              .options = options,
                                              .options_size = sizeof(leaky_options),
                                              .shorthand = "alpha"},
                                             value,
                                             slope,
                                             curvature,
                                             false};
