/* slab.h -- a file whose large variables are written piece by piece along their first dimension, so
 * that nobody holds a whole one.
 *
 * Serial driver, one process; complete or not at all, as every file of ours (durable.h). */
#ifndef NTK_STORE_SLAB_H
#define NTK_STORE_SLAB_H

#include "ntk/base/record.h"

typedef struct ntk_slab ntk_slab;

/* Local.  Begins a file that will be at `path`.
 *   slab  owned by the caller: ntk_slab_finish, or ntk_slab_abandon; NULL on failure
 * Fails with NTK_E_CREATE, NTK_E_IO, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_slab_create(const char *path, ntk_slab **slab);

/* Local.  Adds a group; of its variables those without data get room (ntk_record_add_shape).
 * Fails as ntk_file_write. */
NTK_CHECKED ntk_status ntk_slab_add(ntk_slab *slab, const ntk_record *record);

/* Local.  Entries [first, first + count) along the first dimension of the variable "group/name".
 * Fails with NTK_E_IO. */
NTK_CHECKED ntk_status ntk_slab_write(ntk_slab *slab, const char *name, int64_t first,
                                      int64_t count, const double *values);

/* Local.  Seals the file and gives it its name; the slab is gone, also on failure.
 * Fails with NTK_E_IO, NTK_E_MEMORY; then there is no file but one that was there before. */
NTK_CHECKED ntk_status ntk_slab_finish(ntk_slab **slab);

/* Local.  Removes what was written; NULL and repetition are fine. */
void ntk_slab_abandon(ntk_slab **slab);

#endif
