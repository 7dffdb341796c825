#define _DEFAULT_SOURCE /* madvise */

#include "ntk/base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGNMENT = 64, HUGE_PAGE = 2 << 20, CHUNK = 16384 };

static long balance;
static size_t largest;

/* Large blocks on huge pages, where there are any: fewer page faults and TLB misses. */
static void *allocate(size_t bytes) {
  if (bytes < 2 * (size_t)HUGE_PAGE) return aligned_alloc(ALIGNMENT, bytes);
  const size_t whole = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
  void *block = aligned_alloc(HUGE_PAGE, whole);

#ifdef MADV_HUGEPAGE
  if (block) (void)madvise(block, whole, MADV_HUGEPAGE);
#endif
  return block;
}

ntk_status ntk_new(size_t count, size_t size, void *address) {
  NTK_CHECK(size == 0 || count <= (SIZE_MAX - ALIGNMENT) / size, NTK_E_MEMORY,
            "out of memory: %zu x %zu bytes", count, size);
  const size_t bytes = (count * size / ALIGNMENT + 1) * ALIGNMENT;
  void *block = allocate(bytes);

  if (!block) return NTK_RAISE(NTK_E_MEMORY, "out of memory: cannot allocate %zu bytes", bytes);
  memset(block, 0, bytes);
  memcpy(address, &block, sizeof(block));
  ++balance;
  if (bytes > largest) largest = bytes;
  return NTK_OK;
}

void ntk_free(void *address) {
  void *block = NULL;

  memcpy(&block, address, sizeof(block));
  if (block) --balance;
  free(block);
  memset(address, 0, sizeof(block));
}

long ntk_memory_balance(void) { return balance; }

size_t ntk_memory_largest(void) { return largest; }

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
