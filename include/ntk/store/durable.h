/* durable.h -- files that are there completely or not at all, and the check of files found on disk
 * before HDF5 may look at them.
 *
 * HDF5 can abort, or read past its buffers, on a damaged file.  So a file of this program ends
 * with a seal, which has a hash of everything before it, and keys of groups; or, if it was written
 * panel by panel, with a trailer (trailer.h) that has the hash of its metadata.  HDF5, h5py, netCDF
 * and xarray do not see bytes behind the end that the superblock states; a program that changes the
 * file in place cuts them off, and the file is then like one from elsewhere. */
#ifndef NTK_STORE_DURABLE_H
#define NTK_STORE_DURABLE_H

#include <stdint.h>

#include "ntk/base/error.h"

enum { NTK_DURABLE_PATH = 4096 };

/* How the name of a file ends that is written panel by panel and not finished. */
#define NTK_DURABLE_PARTIAL ".partial"

/* Local.  "<path>.tmp.<host>.<process>", in the same directory so that it can be renamed; room for it
 * is NTK_DURABLE_PATH.  Fails with NTK_E_CREATE if it does not fit. */
NTK_CHECKED ntk_status ntk_durable_name(const char *path, char *temporary);

/* Local.  Removes "<path>.tmp.*", which processes that died have left.  Only for a file that has one
 * writer at a time, and that is the caller. */
void ntk_durable_tidy(const char *path);

/* Local.  The same for a file that many may write at once: removes only what processes of this host
 * have left that are gone, and what is an hour old. */
void ntk_durable_tidy_shared(const char *path);

/* Local.  Makes the file if it is not there, and asks the file system for room up to `bytes`, so
 * that a full disk is found before hours of work; what cannot reserve is passed over.
 * Fails with NTK_E_CREATE, NTK_E_IO (no room). */
NTK_CHECKED ntk_status ntk_durable_reserve(const char *path, int64_t bytes);

/* Local.  The file's content reaches the disk.  Fails with NTK_E_IO. */
NTK_CHECKED ntk_status ntk_durable_sync(const char *path);

/* Local.  The same without a status, for any thread: 0, or errno.  The file's name reaches the disk,
 * too: its folder is synced, and with levels 2 the folder above, and so on. */
int ntk_durable_force(const char *path, int levels);

/* Local.  Puts a synced file in its place, and the name reaches the disk.  Fails with NTK_E_IO. */
NTK_CHECKED ntk_status ntk_durable_rename(const char *temporary, const char *path);

/* Local.  Whether HDF5 may open the file: signature, end of file against the superblock, and the
 * seal or trailer where there is one.  A file that is not finished is refused.
 *   size  bytes of the file
 * Fails with NTK_E_MISSING, NTK_E_IO, NTK_E_INPUT, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_durable_examine(const char *path, int64_t *size);

/* Local.  The same, and the keys beside the seal, as ntk_file_write has put them there.
 *   keys  owned by the caller; NULL: the file has none there */
NTK_CHECKED ntk_status ntk_durable_keys(const char *path, char **keys);

#endif
