/* Inputs with independent N(0, 1) coordinates; sample i does not depend on how many there are. */
#include "ntk/data/source.h"

typedef struct gaussian {
  int64_t dimension;
  ntk_choice function;
  double noise_std;
} gaussian;

static const ntk_option options_rows[] = {
    {.key = "dimension",
     .type = NTK_INT,
     .offset = offsetof(gaussian, dimension),
     .fallback = "16",
     .low = 1,
     .high = 1e9,
     .doc = "coordinates of a sample"},
    {.key = "function",
     .type = NTK_CHOICE,
     .offset = offsetof(gaussian, function),
     .fallback = "sin",
     .rows = ntk_data_functions,
     .doc = "targets as a function of x_0"},
    {.key = "noise_std",
     .type = NTK_REAL,
     .offset = offsetof(gaussian, noise_std),
     .fallback = "0",
     .high = 1e150,
     .doc = "of normal noise on the training targets; test targets have none"},
    {0},
};

static ntk_status describe(const ntk_data_settings *settings, const void *options, ntk_raw *raw) {
  const gaussian *o = options;

  return ntk_raw_describe(settings, o->dimension, raw);
}

static void fill_inputs(int64_t seed, ntk_data_draw purpose, int64_t n, double *x) {
  const ntk_draw draw = {
      .layout = NTK_RNG_PARTITIONABLE, .key = ntk_data_draw_key(seed, purpose), .total = n};

  ntk_rng_normal(&draw, NTK_DOUBLE, 0, n, x);
}

static ntk_status draw(const ntk_data_settings *settings, const void *options, ntk_raw *raw) {
  const gaussian *o = options;
  const ntk_data_function *f = (const ntk_data_function *)o->function.row;
  const int64_t d = o->dimension, n = settings->train.count;

  NTK_TRY(describe(settings, options, raw));
  NTK_TRY(ntk_raw_allocate(raw));
  fill_inputs(settings->seed, NTK_DRAW_TRAIN_INPUTS, n * d, raw->train_inputs);
  fill_inputs(settings->seed, NTK_DRAW_TEST_INPUTS, raw->test_count * d, raw->test_inputs);
  f->value(o->function.options, n, d, raw->train_inputs, raw->train_target);
  f->value(o->function.options, raw->test_count, d, raw->test_inputs, raw->test_target);
  ntk_data_add_noise(ntk_data_draw_key(settings->seed, NTK_DRAW_TRAIN_NOISE), NTK_DOUBLE,
                     o->noise_std, n, raw->train_target);
  return NTK_OK;
}

const ntk_data_source ntk_source_gaussian = {
    .row = {.name = "gaussian",
            .doc = "independent N(0, 1) inputs",
            .options = options_rows,
            .options_size = sizeof(gaussian)},
    .read = draw,
    .describe = describe,
};
