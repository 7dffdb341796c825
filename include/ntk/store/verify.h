/* verify.h -- whether a matrix in a finished big file is still what was written. */
#ifndef NTK_STORE_VERIFY_H
#define NTK_STORE_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "ntk/base/error.h"
#include "ntk/store/handle.h"

/* Local.  Reads the matrix once and compares it with the hashes in the file's journal; a file that
 * never had any, or that other versions have cut into other panels, passes.
 *   file, dataset  open
 *   rows, cols     the dataset is [cols][rows]
 *   lost           the file had hashes, but they are gone: its end, which says where they are, is
 *                  missing or damaged, or another program has rewritten the file
 * Fails with NTK_E_INPUT (file and columns), NTK_E_IO, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_verify_dataset(const char *path, hid_t file, hid_t dataset, int64_t rows,
                                          int64_t cols, bool *lost);

#endif
