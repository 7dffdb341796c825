/* skeleton.h -- a big file without the entries of its matrices: making it, and looking whether one
 * that is there can be continued.  All of it Local, on rank 0. */
#ifndef NTK_STORE_SKELETON_H
#define NTK_STORE_SKELETON_H

#include "ntk/store/checkpoint.h"
#include "ntk/store/durable.h"
#include "ntk/store/journal.h"

/* "<path>.partial", and the name under which that is made; [NTK_DURABLE_PATH] each. */
NTK_CHECKED ntk_status ntk_skeleton_names(const char *path, char *partial, char *temporary);

/* What a file is of: key, names and shapes, notes. */
NTK_CHECKED ntk_status ntk_skeleton_identity(const ntk_checkpoint_content *content,
                                             ntk_key identity);

/* Makes "<path>.partial": HDF5's part, disk space for all of it, trailer; on disk when this
 * returns.  One that was there is removed.
 *   panels   of all matrices
 *   trailer  empty; filled
 * Fails with NTK_E_CREATE, NTK_E_IO, NTK_E_MEMORY; then there is no such file. */
NTK_CHECKED ntk_status ntk_skeleton_create(const char *path, const ntk_checkpoint_content *content,
                                           int64_t panels, ntk_trailer *trailer);

/* Whether the file `name` (`path`, or its partial name) can be used for this content: if so, the
 * trailer is filled, and the journal of so many panels and notes.  Why not, unless there is none,
 * says a line of the log.
 *   trailer, journal  empty; filled if found, else empty
 * Fails with NTK_E_IO, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_skeleton_find(const char *name, const ntk_checkpoint_content *content,
                                         int64_t panels, ntk_trailer *trailer,
                                         ntk_journal *journal, bool *found);

#endif
