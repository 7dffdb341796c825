/* seal.h -- the last bytes of a file that is written at once; private to this floor.
 *
 *   text       the groups and their keys
 *   8 bytes    its length, little endian
 *   8 bytes    "NTKKEYS1"
 *   8 bytes    "NTKSEAL1"
 *   32 bytes   hex digits: the hash of everything before "NTKSEAL1"
 *
 * Files without keys have the last two only.  The keys are those that the groups themselves carry.  They stand here again because it takes HDF5
 * a hundred times as long to find them, and `status` looks at every point of a sweep. */
#ifndef NTK_SRC_STORE_SEAL_H
#define NTK_SRC_STORE_SEAL_H

#include <stdint.h>

#include "ntk/base/error.h"

/* Local.  Appends the seal, and before it the keys.
 *   keys  NULL: the file shall have none there
 * Fails with NTK_E_IO, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_seal_append(const char *path, const char *keys);

/* Local.  Fails with NTK_E_INPUT if there is a seal that does not match, NTK_E_IO, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_seal_check(int file, const char *path, int64_t size);

/* Local.  The keys of a file that was checked.
 *   keys  owned by the caller; NULL: the file has none there
 * Fails with NTK_E_IO, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_seal_keys(int file, const char *path, int64_t size, char **keys);

#endif
