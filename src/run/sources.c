#include "ntk/run/sources.h"

#include <string.h>

#include "ntk/base/memory.h"

/* A source without its arrays, and which of them there are. */
typedef struct manifest {
  ntk_raw raw;
  bool there[NTK_RAW_ARRAYS];
} manifest;

static void *pointer_at(const void *address) {
  void *pointer = NULL;

  memcpy(&pointer, address, sizeof(pointer));
  return pointer;
}

static manifest describe(ntk_raw *raw) {
  ntk_raw_array array[NTK_RAW_ARRAYS];
  manifest m = {.raw = *raw};

  ntk_raw_list(raw, array);
  for (int k = 0; k < NTK_RAW_ARRAYS; ++k) m.there[k] = pointer_at(array[k].address) != NULL;
  ntk_raw_list(&m.raw, array);
  for (int k = 0; k < NTK_RAW_ARRAYS; ++k) memset(array[k].address, 0, sizeof(void *));
  return m;
}

static ntk_status allocate(const manifest *m, ntk_raw *raw) {
  ntk_raw_array array[NTK_RAW_ARRAYS];

  *raw = m->raw;
  ntk_raw_list(raw, array);
  for (int k = 0; k < NTK_RAW_ARRAYS; ++k) {
    if (m->there[k]) NTK_TRY(ntk_new_unset((size_t)array[k].bytes, 1, array[k].address));
  }
  return NTK_OK;
}

/* Ranks that have the source already get another copy of it. */
static ntk_status share(const ntk_comm *comm, const ntk_key key, ntk_data_cache *cache) {
  ntk_raw *raw = ntk_data_cache_find(cache, key);
  ntk_raw_array array[NTK_RAW_ARRAYS];
  manifest m = {0};

  if (comm->rank == 0) {
    NTK_ASSERT(raw);
    m = describe(raw);
  }
  ntk_comm_broadcast(comm, 0, &m, sizeof(m));
  if (comm->rank != 0) {
    if (raw) ntk_data_cache_drop(cache);
    raw = ntk_data_cache_add(cache, key);
  }
  const ntk_status status = ntk_agree(comm, comm->rank == 0 ? NTK_OK : allocate(&m, raw));

  if (status != NTK_OK) {
    if (comm->rank != 0) ntk_data_cache_drop(cache);
    return status;
  }
  ntk_raw_list(raw, array);
  for (int k = 0; k < NTK_RAW_ARRAYS; ++k) {
    if (m.there[k]) ntk_comm_broadcast(comm, 0, pointer_at(array[k].address), array[k].bytes);
  }
  return NTK_OK;
}

static bool is_needed(const ntk_job *job, const bool *pending, const char *key) {
  for (int64_t k = 0; k < job->point_count; ++k) {
    if (pending[k] && strcmp(job->point[k].settings.data.source_key, key) == 0) return true;
  }
  return false;
}

/*   key  [NTK_MOST_SOURCES] of those that rank 0 can hand on, the oldest first */
static int64_t list_keys(const ntk_job *job, const bool *pending, const ntk_data_cache *cache,
                         ntk_key *key) {
  int64_t count = 0;

  for (int64_t k = cache->count - 1; k >= 0; --k) {
    if (!is_needed(job, pending, cache->held[k].key)) continue;
    memcpy(key[count++], cache->held[k].key, NTK_KEY_SIZE);
  }
  return count;
}

ntk_status ntk_sources_share(const ntk_comm *comm, const ntk_job *job, const bool *pending,
                             ntk_data_cache *cache) {
  ntk_key key[NTK_MOST_SOURCES] = {""};
  int64_t count = 0;

  if (comm->size == 1) return NTK_OK;
  if (comm->rank == 0) count = list_keys(job, pending, cache, key);
  ntk_comm_broadcast(comm, 0, &count, sizeof(count));
  ntk_comm_broadcast(comm, 0, key, sizeof(key));
  for (int64_t k = 0; k < count; ++k) {
    const bool lacks = !ntk_data_cache_find(cache, key[k]);

    if (ntk_comm_max(comm, lacks) > 0) NTK_TRY(share(comm, key[k], cache));
  }
  ntk_data_cache_trim(cache);
  return NTK_OK;
}
