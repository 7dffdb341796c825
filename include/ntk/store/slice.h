/* slice.h -- an open HDF5 file of which variables are read in parts: for what is too large to be
 * held whole.  The file is examined once, when it is opened. */
#ifndef NTK_STORE_SLICE_H
#define NTK_STORE_SLICE_H

#include "ntk/base/record.h"

/* Zero-initialise; open; close. */
typedef struct ntk_slice_file {
  const char *path; /* borrowed */
  int64_t id, size; /* HDF5's identifier; bytes */
  ntk_record list;  /* everything in it, without data, as ntk_file_list tells it */
} ntk_slice_file;

/* Local.  Fails with NTK_E_MISSING, NTK_E_INPUT, NTK_E_MEMORY; closed then. */
NTK_CHECKED ntk_status ntk_slice_open(const char *path, ntk_slice_file *file);

/* Local.  Idempotent. */
void ntk_slice_close(ntk_slice_file *file);

/* Local.  A whole variable of the list, text or numbers, with data (ntk_variable_destroy).
 * Fails with NTK_E_INPUT, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_slice_load(const ntk_slice_file *file, const char *name,
                                      ntk_variable *variable);

/* Local.  Entries [start, start + extent) of a variable of numbers, in its kind.
 *   variable       of the list
 *   start, extent  [rank]; the part lies inside, and no extent is 0
 *   data           [product of the extents], row-major
 * Fails with NTK_E_INPUT. */
NTK_CHECKED ntk_status ntk_slice_read(const ntk_slice_file *file, const ntk_variable *variable,
                                      const int64_t *start, const int64_t *extent, void *data);

/* Local.  Compares a variable of the list with the hashes of its columns, as store/verify.h does;
 * what has none passes.  Fails with NTK_E_INPUT (file and columns), NTK_E_IO, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_slice_verify(const ntk_slice_file *file, const ntk_variable *variable);

#endif
