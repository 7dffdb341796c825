/* Equidistant points of a circle, counterclockwise from (radius, 0): on them the kernel of an
 * infinitely wide network is circulant. */
#include <math.h>

#include "ntk/data/generate.h"
#include "ntk/data/source.h"

static const double PI = 3.14159265358979323846;

typedef struct circle {
  double radius;
  ntk_choice function;
  double noise_std;
} circle;

static const ntk_option options_rows[] = {
    {.key = "radius",
     .type = NTK_REAL,
     .offset = offsetof(circle, radius),
     .fallback = "1",
     .low = 1e-150,
     .high = 1e150,
     .doc = "train.count points at angles 2 pi k / train.count; other sets likewise"},
    NTK_FUNCTION_ROW(circle, "sin"),
    NTK_NOISE_ROW(circle),
    {0},
};

static void fill(const void *options, ntk_rng_key key, int64_t n, double *x) {
  const circle *o = options;

  (void)key;
  for (int64_t k = 0; k < n; ++k) {
    const double angle = 2 * PI * (double)k / (double)n;

    x[2 * k] = o->radius * cos(angle);
    x[2 * k + 1] = o->radius * sin(angle);
  }
}

static ntk_generator generator_of(const ntk_data_settings *settings, const void *options) {
  const circle *o = options;

  return (ntk_generator){
      .shape = {.rank = 1, .size = {2}},
      .options = o,
      .fill = fill,
      .function = o->function,
      .noise_std = o->noise_std,
      .noise_key = ntk_data_draw_key(settings->seed, NTK_DRAW_TRAIN_NOISE),
      .noise_dtype = NTK_DOUBLE,
  };
}

const ntk_data_source ntk_source_circle = {
    .row = {.name = "circle",
            .doc = "equidistant points of a circle in the plane, in order",
            .options = options_rows,
            .options_size = sizeof(circle)},
    .generator = generator_of,
};
