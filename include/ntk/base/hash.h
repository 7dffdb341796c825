/* hash.h -- XXH3-128 as 32 hex digits: stage keys, point ids, file contents. */
#ifndef NTK_BASE_HASH_H
#define NTK_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "ntk/base/error.h"

enum { NTK_KEY_SIZE = 33 };
typedef char ntk_key[NTK_KEY_SIZE]; /* 32 lower-case hex digits and NUL; "" if none */

/* Local.  Hash of `length` bytes. */
void ntk_hash_bytes(const void *bytes, size_t length, ntk_key key);

/* Local.  XXH3-64 of `length` bytes with a seed: columns of big files, records of journals. */
uint64_t ntk_hash_seeded(const void *bytes, size_t length, uint64_t seed);

/* Local.  Hash of a file's content, or of the names and contents of the files in a directory (not
 * of its subdirectories).  A file that has not changed (size, time) since it was hashed by this
 * process is not read again.  Fails with NTK_E_MISSING; NTK_E_IO, also for devices and pipes. */
NTK_CHECKED ntk_status ntk_hash_path(const char *path, ntk_key key);

/* What a path hashed to when it was there. */
typedef struct ntk_hash_record {
  const char *path;
  ntk_key key;
} ntk_hash_record;

/* Local.  From now on a path that is missing hashes to what the records say.
 *   records  [count] borrowed, until the next call; count 0: none */
void ntk_hash_rely_on(int64_t count, const ntk_hash_record *records);

#endif
