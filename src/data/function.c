#include <math.h>

#include "ntk/data/generate.h"

static const double PI = 3.14159265358979323846;

typedef struct sine {
  double frequency;
} sine;

static const ntk_option sine_options[] = {
    {.key = "frequency",
     .type = NTK_REAL,
     .offset = offsetof(sine, frequency),
     .fallback = "1",
     .low = -1e150,
     .high = 1e150,
     .doc = "periods per unit of x_0"},
    {0},
};

static ntk_status fill_sine(const void *options, const ntk_generator *from, int64_t n,
                            const double *x, double *y) {
  const sine *o = options;
  const int64_t features = ntk_shape_count(&from->shape);

  for (int64_t i = 0; i < n; ++i) y[i] = sin(2 * PI * o->frequency * x[i * features]);
  return NTK_OK;
}

static const ntk_data_function row_sine = {
    .row = {.name = "sin",
            .doc = "sin(2 pi frequency x_0)",
            .options = sine_options,
            .options_size = sizeof(sine)},
    .value = fill_sine,
};

typedef struct line {
  double slope;
} line;

static const ntk_option line_options[] = {
    {.key = "slope",
     .type = NTK_REAL,
     .offset = offsetof(line, slope),
     .fallback = "1",
     .low = -1e150,
     .high = 1e150,
     .doc = "factor of x_0"},
    {0},
};

static ntk_status fill_line(const void *options, const ntk_generator *from, int64_t n,
                            const double *x, double *y) {
  const line *o = options;
  const int64_t features = ntk_shape_count(&from->shape);

  for (int64_t i = 0; i < n; ++i) y[i] = o->slope * x[i * features];
  return NTK_OK;
}

static const ntk_data_function row_line = {
    .row = {.name = "linear",
            .doc = "slope * x_0",
            .options = line_options,
            .options_size = sizeof(line)},
    .value = fill_line,
};

const ntk_row *const ntk_data_functions[] = {&row_sine.row, &row_line.row,
                                             &ntk_function_teacher.row, NULL};
