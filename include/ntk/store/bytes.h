/* bytes.h -- bytes of a file at an offset, by plain system calls: whole requests, errors as
 * errno. */
#ifndef NTK_STORE_BYTES_H
#define NTK_STORE_BYTES_H

#include <stdint.h>

#include "ntk/base/hash.h"

/* A part of a file. */
typedef struct ntk_bytes_extent {
  int64_t offset, bytes;
} ntk_bytes_extent;

/* Local.  Reads (writes) all `count` bytes at `offset`.  Returns 0, or errno; a file that ends
 * before is ENODATA. */
int ntk_bytes_read(int file, int64_t offset, int64_t count, void *bytes);
int ntk_bytes_write(int file, int64_t offset, int64_t count, const void *bytes);

/* Local.  The disk may begin with what was written there: fdatasync then has less to wait for.  A
 * hint, which does nothing where the system has no such call. */
void ntk_bytes_flush_ahead(int file, int64_t offset, int64_t count);

/* Local.  Hash of parts of a file, one after the other.
 *   path  for messages
 * Fails with NTK_E_IO, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_bytes_hash(int file, const char *path, int64_t count,
                                    const ntk_bytes_extent *parts, ntk_key key);

#endif
