/* Sources of files that were read and may be asked for again. */
#include <string.h>

#include "ntk/base/memory.h"
#include "ntk/data/data.h"

/* ---- raw sources ------------------------------------------------------------------------------- */

void ntk_raw_list(ntk_raw *raw, ntk_raw_array array[NTK_RAW_ARRAYS]) {
  const int64_t real = (int64_t)sizeof(double), features = ntk_shape_count(&raw->shape);
  const int64_t train = raw->train_count, test = raw->test_count;
  const int64_t validation = raw->validation_count, columns = raw->target_columns;
  const ntk_raw_array all[NTK_RAW_ARRAYS] = {
      {&raw->train_bytes, train * features},
      {&raw->test_bytes, test * features},
      {&raw->train_inputs, train * features * real},
      {&raw->test_inputs, test * features * real},
      {&raw->validation_inputs, validation * features * real},
      {&raw->train_label, train * (int64_t)sizeof(int64_t)},
      {&raw->test_label, test * (int64_t)sizeof(int64_t)},
      {&raw->train_target, train * columns * real},
      {&raw->test_target, test * columns * real},
      {&raw->validation_target, validation * columns * real},
  };

  memcpy(array, all, sizeof(all));
}

int64_t ntk_raw_bytes(const ntk_raw *raw) {
  ntk_raw copy = *raw;
  ntk_raw_array array[NTK_RAW_ARRAYS];
  int64_t bytes = 0;

  ntk_raw_list(&copy, array);
  for (int k = 0; k < NTK_RAW_ARRAYS; ++k) {
    const void *there = NULL;

    memcpy(&there, array[k].address, sizeof(there));
    bytes += there ? array[k].bytes : 0;
  }
  return bytes;
}

/* Also of one that was not read to its end, whose counts may be anything. */
void ntk_raw_destroy(ntk_raw *raw) {
  ntk_free(&raw->train_bytes);
  ntk_free(&raw->test_bytes);
  ntk_free(&raw->train_inputs);
  ntk_free(&raw->test_inputs);
  ntk_free(&raw->validation_inputs);
  ntk_free(&raw->train_label);
  ntk_free(&raw->test_label);
  ntk_free(&raw->train_target);
  ntk_free(&raw->test_target);
  ntk_free(&raw->validation_target);
  *raw = (ntk_raw){0};
}

/* ---- the cache --------------------------------------------------------------------------------- */

static void remove_held(ntk_data_cache *cache, int64_t k) {
  ntk_raw_destroy(&cache->held[k].raw);
  memmove(&cache->held[k], &cache->held[k + 1],
          (size_t)(--cache->count - k) * sizeof(*cache->held));
}

void ntk_data_cache_destroy(ntk_data_cache *cache) {
  while (cache->count > 0) ntk_data_cache_drop(cache);
}

void ntk_data_cache_drop(ntk_data_cache *cache) { remove_held(cache, 0); }

/* Puts a source in front of all others, of which there are less than there is room for. */
static ntk_raw *put_first(ntk_data_cache *cache, const ntk_held_source *source) {
  memmove(&cache->held[1], &cache->held[0], (size_t)cache->count++ * sizeof(*cache->held));
  cache->held[0] = *source;
  return &cache->held[0].raw;
}

ntk_raw *ntk_data_cache_find(ntk_data_cache *cache, const char *key) {
  int64_t k = 0;

  while (k < cache->count && strcmp(cache->held[k].key, key) != 0) ++k;
  if (k == cache->count) return NULL;
  const ntk_held_source found = cache->held[k];

  cache->held[k].raw = (ntk_raw){0};
  remove_held(cache, k);
  return put_first(cache, &found);
}

ntk_raw *ntk_data_cache_add(ntk_data_cache *cache, const char *key) {
  ntk_held_source source = {.key = ""};

  if (cache->count == NTK_MOST_SOURCES) remove_held(cache, cache->count - 1);
  memcpy(source.key, key, NTK_KEY_SIZE);
  return put_first(cache, &source);
}

void ntk_data_cache_trim(ntk_data_cache *cache) {
  int64_t bytes = 0;

  for (int64_t k = 0; k < cache->count; ++k) bytes += ntk_raw_bytes(&cache->held[k].raw);
  while (cache->count > 1 && bytes > NTK_SOURCES_BYTES) {
    bytes -= ntk_raw_bytes(&cache->held[cache->count - 1].raw);
    remove_held(cache, cache->count - 1);
  }
}
