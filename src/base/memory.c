#define _DEFAULT_SOURCE /* madvise, MAP_ANONYMOUS */

#include "ntk/base/memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGNMENT = 64, GRAIN = 64 << 10, HUGE_PAGE = 2 << 20, CHUNK = 16384, POOL = 64 };

/* What precedes every block; as long as the alignment, so that the block keeps it. */
typedef struct header {
  size_t bytes; /* of the whole allocation */
} header;

static long balance;
static size_t largest, live, most_live;

/* ---- large blocks are kept ----------------------------------------------------------------------
 *
 * The pages of a block that goes back to the system are cleared again when they come back, which can
 * take longer than the arithmetic on them.  So large blocks wait in a pool for the next request of
 * about their size; but never so many that the process needs more memory than it would without. */

static header *pool[POOL];
static size_t pooled;

static size_t size_class(size_t bytes) {
  const size_t unit = bytes < 2 * (size_t)HUGE_PAGE ? ALIGNMENT : GRAIN;

  return (bytes + ALIGNMENT + unit - 1) / unit * unit;
}

static bool is_large(size_t bytes) { return bytes >= 2 * (size_t)HUGE_PAGE; }

/* The place of the smallest block that fits and is not much too large; POOL: none. */
static int best_fit(size_t bytes) {
  int best = POOL;

  for (int k = 0; k < POOL; ++k) {
    if (!pool[k] || pool[k]->bytes < bytes || pool[k]->bytes > bytes + bytes / 2) continue;
    if (best == POOL || pool[k]->bytes < pool[best]->bytes) best = k;
  }
  return best;
}

static header *take(int place) {
  header *block = pool[place];

  pool[place] = NULL;
  pooled -= block->bytes;
  return block;
}

/* Of the blocks that wait, the smallest of at least so many bytes; if all are smaller, the largest. */
static int best_victim(size_t bytes) {
  int best = POOL;

  for (int k = 0; k < POOL; ++k) {
    if (!pool[k]) continue;
    const bool fits = pool[k]->bytes >= bytes;

    if (best == POOL || (fits && pool[best]->bytes < bytes) ||
        (fits ? pool[k]->bytes < pool[best]->bytes
              : pool[best]->bytes < bytes && pool[k]->bytes > pool[best]->bytes)) {
      best = k;
    }
  }
  return best;
}

/* Pages of their own: of freed blocks of many sizes malloc keeps holes that the next does not fit.
 * Aligned for huge pages, where there are any: fewer page faults and TLB misses. */
static void *map_pages(size_t bytes) {
#ifdef NTK_SANITIZED /* which watches the bounds of what malloc gives */
  void *pages = NULL;

  return posix_memalign(&pages, HUGE_PAGE, bytes) == 0 ? pages : NULL;
#else
  char *pages = mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                     -1, 0);

  if (pages == MAP_FAILED) return NULL;
  const size_t before = (HUGE_PAGE - (uintptr_t)pages % HUGE_PAGE) % HUGE_PAGE;

  if (before > 0) (void)munmap(pages, before);
  pages += before;
  (void)munmap(pages + bytes, HUGE_PAGE - before);
#ifdef MADV_HUGEPAGE
  (void)madvise(pages, bytes, MADV_HUGEPAGE);
#endif
  return pages;
#endif
}

static void release(header *block) {
#ifndef NTK_SANITIZED
  if (is_large(block->bytes)) {
    (void)munmap(block, block->bytes);
    return;
  }
#endif
  free(block);
}

/* Makes room for a new block: the process shall not become larger than it ever had to be. */
static void shrink_pool(size_t bytes) {
  const size_t most = live + bytes > most_live ? live + bytes : most_live;

  while (pooled && live + pooled + bytes > most) {
    release(take(best_victim(live + pooled + bytes - most)));
  }
}

static bool keep(header *block) {
  if (!is_large(block->bytes)) return false;
  for (int k = 0; k < POOL; ++k) {
    if (pool[k]) continue;
    pool[k] = block;
    pooled += block->bytes;
    return true;
  }
  return false;
}

/* ---- allocation --------------------------------------------------------------------------------- */

static header *allocate(size_t bytes) {
  if (!is_large(bytes)) return aligned_alloc(ALIGNMENT, bytes);
  const int place = best_fit(bytes);

  if (place < POOL) return take(place);
  shrink_pool(bytes);
  header *block = map_pages(bytes);

  if (block) block->bytes = bytes;
  return block;
}

ntk_status ntk_new_unset(size_t count, size_t size, void *address) {
  NTK_CHECK(size == 0 || count <= (SIZE_MAX / 2) / size, NTK_E_MEMORY,
            "out of memory: %zu x %zu bytes", count, size);
  const size_t bytes = size_class(count * size);
  header *block = allocate(bytes);

  if (!block) return NTK_RAISE(NTK_E_MEMORY, "out of memory: cannot allocate %zu bytes", bytes);
  if (!is_large(bytes)) block->bytes = bytes;
  void *start = (char *)block + ALIGNMENT;

#ifdef NTK_SANITIZED
  memset(start, 0xff, bytes - ALIGNMENT); /* NaN */
#endif
  memcpy(address, &start, sizeof(start));
  ++balance;
  live += block->bytes;
  if (live > most_live) most_live = live;
  if (bytes > largest) largest = bytes;
  return NTK_OK;
}

ntk_status ntk_new(size_t count, size_t size, void *address) {
  char *start = NULL;

  NTK_TRY(ntk_new_unset(count, size, &start));
  NTK_ASSERT(start);
  memset(start, 0, count * size);
  memcpy(address, &start, sizeof(start));
  return NTK_OK;
}

void ntk_free(void *address) {
  char *start = NULL;

  memcpy(&start, address, sizeof(start));
  memset(address, 0, sizeof(start));
  if (!start) return;
  header *block = (header *)(void *)(start - ALIGNMENT);

  --balance;
  live -= block->bytes;
  if (!keep(block)) release(block);
}

long ntk_memory_balance(void) { return balance; }

size_t ntk_memory_largest(void) { return largest; }

size_t ntk_memory_most(void) { return most_live; }

double ntk_memory_peak(void) {
  static const char mark[] = "VmHWM:";
  char line[128];
  double kib = 0;
  FILE *status = fopen("/proc/self/status", "r");

  if (!status) return 0;
  while (fgets(line, sizeof(line), status)) {
    if (strncmp(line, mark, strlen(mark)) == 0) kib = strtod(line + strlen(mark), NULL);
  }
  (void)fclose(status);
  return 1024 * kib;
}

struct ntk_arena_chunk {
  struct ntk_arena_chunk *next;
  size_t used, size;
  _Alignas(16) char bytes[];
};

static ntk_status grow(ntk_arena *arena, size_t bytes) {
  const size_t size = bytes > CHUNK ? bytes : CHUNK;
  struct ntk_arena_chunk *chunk = NULL;

  NTK_TRY(ntk_new(1, sizeof(*chunk) + size, &chunk));
  NTK_ASSERT(chunk);
  chunk->next = arena->chunks;
  chunk->size = size;
  arena->chunks = chunk;
  return NTK_OK;
}

ntk_status ntk_arena_new(ntk_arena *arena, size_t bytes, void *address) {
  const size_t rounded = (bytes / 16 + 1) * 16;

  if (!arena->chunks || arena->chunks->size - arena->chunks->used < rounded) {
    NTK_TRY(grow(arena, rounded));
  }
  void *piece = arena->chunks->bytes + arena->chunks->used;

  arena->chunks->used += rounded;
  memcpy(address, &piece, sizeof(piece));
  return NTK_OK;
}

ntk_status ntk_arena_copy(ntk_arena *arena, const char *text, const char **copy) {
  char *piece = NULL;
  const size_t length = strlen(text);

  NTK_TRY(ntk_arena_new(arena, length + 1, &piece));
  memcpy(piece, text, length + 1);
  *copy = piece;
  return NTK_OK;
}

void ntk_arena_destroy(ntk_arena *arena) {
  while (arena->chunks) {
    struct ntk_arena_chunk *next = arena->chunks->next;

    ntk_free(&arena->chunks);
    arena->chunks = next;
  }
}
