#include "ntk/data/generate.h"

#include "ntk/base/memory.h"

enum { NOISE_BLOCK = 1024 };

ntk_rng_key ntk_data_draw_key(int64_t seed, ntk_data_draw purpose) {
  return ntk_rng_fold_in(ntk_rng_seed(seed, true), (uint32_t)purpose);
}

void ntk_fill_normal(ntk_rng_key key, int64_t count, double *x) {
  const ntk_draw draw = {.layout = NTK_RNG_PARTITIONABLE, .key = key, .total = count};

  ntk_rng_normal(&draw, NTK_DOUBLE, 0, count, x);
}

static const ntk_data_function *function_of(const ntk_generator *g) {
  return (const ntk_data_function *)g->function.row;
}

static ntk_status check_size(int64_t count, int64_t values) {
  NTK_CHECK(count <= INT64_MAX / values, NTK_E_CONFIG,
            "data: the number of generated values overflows");
  return NTK_OK;
}

ntk_status ntk_generator_describe(const ntk_data_settings *settings, const ntk_generator *g,
                                  ntk_raw *raw) {
  const ntk_data_function *f = function_of(g);

  NTK_CHECK(settings->train.count != NTK_AUTO_INT, NTK_E_CONFIG,
            "data.train.count: a generated source needs a number");
  raw->shape = g->shape;
  raw->vocabulary = g->vocabulary;
  raw->train_count = settings->train.count;
  raw->validation_count = settings->validated ? settings->validation.count : 0;
  raw->test_count = settings->test.count == NTK_AUTO_INT ? 0 : settings->test.count;
  raw->target_columns = f->outputs ? f->outputs(g->function.options) : 1;
  const int64_t features = ntk_shape_count(&raw->shape);
  const int64_t values = features > raw->target_columns ? features : raw->target_columns;

  NTK_TRY(check_size(raw->train_count, values));
  NTK_TRY(check_size(raw->validation_count, values));
  return check_size(raw->test_count, values);
}

static void add_noise(const ntk_generator *g, int64_t n, double *y) {
  const ntk_draw draw = {.layout = NTK_RNG_PARTITIONABLE, .key = g->noise_key, .total = n};
  double noise[NOISE_BLOCK];

  for (int64_t first = 0; g->noise_std > 0 && first < n; first += NOISE_BLOCK) {
    const int64_t count = n - first < NOISE_BLOCK ? n - first : NOISE_BLOCK;

    ntk_rng_normal(&draw, g->noise_dtype, first, count, noise);
    for (int64_t i = 0; i < count; ++i) y[first + i] += g->noise_std * noise[i];
  }
}

static ntk_status draw_set(const ntk_data_settings *settings, const ntk_generator *g,
                           ntk_data_draw purpose, int64_t n, int64_t columns, double **inputs,
                           double **target) {
  NTK_TRY(NTK_NEW(n * ntk_shape_count(&g->shape), inputs));
  NTK_TRY(NTK_NEW(n * columns, target));
  g->fill(g->options, ntk_data_draw_key(settings->seed, purpose), n, *inputs);
  return function_of(g)->value(g->function.options, g, n, *inputs, *target);
}

ntk_status ntk_generator_draw(const ntk_data_settings *settings, const ntk_generator *g,
                              ntk_raw *raw) {
  NTK_TRY(ntk_generator_describe(settings, g, raw));
  NTK_TRY(draw_set(settings, g, NTK_DRAW_TRAIN_INPUTS, raw->train_count, raw->target_columns,
                   &raw->train_inputs, &raw->train_target));
  NTK_TRY(draw_set(settings, g, NTK_DRAW_VALIDATION_INPUTS, raw->validation_count,
                   raw->target_columns, &raw->validation_inputs, &raw->validation_target));
  NTK_TRY(draw_set(settings, g, NTK_DRAW_TEST_INPUTS, raw->test_count, raw->target_columns,
                   &raw->test_inputs, &raw->test_target));
  add_noise(g, raw->train_count * raw->target_columns, raw->train_target);
  return NTK_OK;
}
