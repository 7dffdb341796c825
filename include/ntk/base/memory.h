/* memory.h -- checked and counted allocation.
 *
 * The count is the leak test: leak checkers drown in what MPI libraries leave behind. */
#ifndef NTK_BASE_MEMORY_H
#define NTK_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "ntk/base/error.h"

/* Allocates `count` zeroed elements, aligned for SIMD, and stores the address in `*address`.
 * count 0 is valid and yields an address that may be freed. */
#define NTK_NEW(count, address) ntk_new((size_t)(count), sizeof(**(address)), (address))

/* Local.  `address` is the address of a pointer, as in ntk_free.
 * Fails with NTK_E_MEMORY; *address is then unchanged. */
NTK_CHECKED ntk_status ntk_new(size_t count, size_t size, void *address);

/* Local.  The same, but the content is not set: for large arrays of which every element is written
 * before it is read.  Sanitized builds fill it with NaN. */
NTK_CHECKED ntk_status ntk_new_unset(size_t count, size_t size, void *address);

/* Local.  Frees what `*address` points to, NULL included, and sets it to NULL. */
void ntk_free(void *address);

/* Local.  Blocks allocated and not yet freed on this rank. */
long ntk_memory_balance(void);

/* Local.  Bytes of the largest single allocation since the start of this process. */
size_t ntk_memory_largest(void);

/* Local.  Bytes that were allocated at most at one time since the start of this process. */
size_t ntk_memory_most(void);

/* Local.  Largest resident size that this process ever had, in bytes, libraries included; 0 where
 * the system does not tell. */
double ntk_memory_peak(void);

/* An arena: many small pieces with one lifetime.  Zero-initialise, allocate, destroy. */
typedef struct ntk_arena {
  struct ntk_arena_chunk *chunks;
} ntk_arena;

/* Local.  `bytes` zeroed bytes, aligned to 16, owned by the arena.  Fails with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_arena_new(ntk_arena *arena, size_t bytes, void *address);

/* Local.  A copy of `text` owned by the arena.  Fails with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_arena_copy(ntk_arena *arena, const char *text, const char **copy);

/* Local.  Frees everything that came from the arena. */
void ntk_arena_destroy(ntk_arena *arena);

#endif
