/* Inputs with independent N(0, 1) coordinates, and those on a sphere: sample i does not depend on
 * how many there are. */
#include <math.h>

#include "ntk/data/generate.h"
#include "ntk/data/source.h"

typedef struct gaussian {
  int64_t dimension;
  ntk_choice function;
  double noise_std;
  double radius; /* of the sphere */
} gaussian;

#define DIMENSION_ROW(text)                                                       \
  {                                                                               \
    .key = "dimension", .type = NTK_INT, .offset = offsetof(gaussian, dimension), \
    .fallback = "16", .low = 1, .high = 1e9, .doc = (text)                        \
  }

static const ntk_option gaussian_options[] = {
    DIMENSION_ROW("coordinates of a sample"),
    NTK_FUNCTION_ROW(gaussian, "sin"),
    NTK_NOISE_ROW(gaussian),
    {0},
};

static const ntk_option sphere_options[] = {
    DIMENSION_ROW("coordinates of a sample; the sphere itself has one dimension less"),
    {.key = "radius",
     .type = NTK_REAL,
     .offset = offsetof(gaussian, radius),
     .fallback = "1",
     .low = 1e-150,
     .high = 1e150,
     .doc = "norm of every sample"},
    NTK_FUNCTION_ROW(gaussian, "sin"),
    NTK_NOISE_ROW(gaussian),
    {0},
};

static void fill_gaussian(const void *options, ntk_rng_key key, int64_t n, double *x) {
  ntk_fill_normal(key, n * ((const gaussian *)options)->dimension, x);
}

static void fill_sphere(const void *options, ntk_rng_key key, int64_t n, double *x) {
  const gaussian *o = options;

  fill_gaussian(options, key, n, x);
  for (int64_t i = 0; i < n; ++i) {
    double *row = x + i * o->dimension, squares = 0;

    for (int64_t d = 0; d < o->dimension; ++d) squares += row[d] * row[d];
    for (int64_t d = 0; d < o->dimension; ++d) row[d] *= o->radius / sqrt(squares);
  }
}

/* The sphere's options are those of `gaussian` and the radius, which is 0 for the latter. */
static ntk_generator generator_of(const ntk_data_settings *settings, const void *options) {
  const gaussian *o = options;

  return (ntk_generator){
      .shape = {.rank = 1, .size = {o->dimension}},
      .options = o,
      .fill = o->radius > 0 ? fill_sphere : fill_gaussian,
      .function = o->function,
      .noise_std = o->noise_std,
      .noise_key = ntk_data_draw_key(settings->seed, NTK_DRAW_TRAIN_NOISE),
      .noise_dtype = NTK_DOUBLE,
  };
}

const ntk_data_source ntk_source_gaussian = {
    .row = {.name = "gaussian",
            .doc = "independent N(0, 1) inputs",
            .options = gaussian_options,
            .options_size = sizeof(gaussian)},
    .generator = generator_of,
};

const ntk_data_source ntk_source_sphere = {
    .row = {.name = "sphere",
            .doc = "inputs uniform on a sphere",
            .options = sphere_options,
            .options_size = sizeof(gaussian)},
    .generator = generator_of,
};
