#include "ntk/base/memory.h"
#include "ntk/data/source.h"

enum { NOISE_BLOCK = 1024 };

ntk_rng_key ntk_data_draw_key(int64_t seed, ntk_data_draw purpose) {
  return ntk_rng_fold_in(ntk_rng_seed(seed, true), (uint32_t)purpose);
}

void ntk_data_add_noise(ntk_rng_key key, ntk_dtype dtype, double noise_std, int64_t n, double *y) {
  const ntk_draw draw = {.layout = NTK_RNG_PARTITIONABLE, .key = key, .total = n};
  double noise[NOISE_BLOCK];

  for (int64_t first = 0; noise_std > 0 && first < n; first += NOISE_BLOCK) {
    const int64_t count = n - first < NOISE_BLOCK ? n - first : NOISE_BLOCK;

    ntk_rng_normal(&draw, dtype, first, count, noise);
    for (int64_t i = 0; i < count; ++i) y[first + i] += noise_std * noise[i];
  }
}

ntk_status ntk_raw_describe(const ntk_data_settings *settings, int64_t dimension, ntk_raw *raw) {
  NTK_CHECK(settings->train.count != NTK_AUTO_INT, NTK_E_CONFIG,
            "data.train.count: a generated source needs a number");
  raw->shape = (ntk_shape){.rank = 1, .size = {dimension}};
  raw->train_count = settings->train.count;
  raw->test_count = settings->test.count == NTK_AUTO_INT ? 0 : settings->test.count;
  raw->target_columns = 1;
  NTK_CHECK(raw->train_count <= INT64_MAX / dimension && raw->test_count <= INT64_MAX / dimension,
            NTK_E_CONFIG, "data: the number of generated values overflows");
  return NTK_OK;
}

ntk_status ntk_raw_allocate(ntk_raw *raw) {
  const int64_t features = ntk_shape_count(&raw->shape);

  NTK_TRY(NTK_NEW(raw->train_count * features, &raw->train_inputs));
  NTK_TRY(NTK_NEW(raw->train_count * raw->target_columns, &raw->train_target));
  NTK_TRY(NTK_NEW(raw->test_count * features, &raw->test_inputs));
  return NTK_NEW(raw->test_count * raw->target_columns, &raw->test_target);
}
