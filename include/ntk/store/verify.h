/* verify.h -- whether a matrix in a finished big file is still what was written. */
#ifndef NTK_STORE_VERIFY_H
#define NTK_STORE_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "ntk/base/error.h"

/* Local.  Reads the matrix once and compares it with the hashes in the file's journal; a file that
 * has none, or that other versions have cut into other panels, passes.
 *   offset      of its data in the file
 *   rows, cols  the dataset is [cols][rows]
 *   hashed      the file must have hashes
 * Fails with NTK_E_INPUT (file and columns), NTK_E_IO, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_verify_matrix(const char *path, int64_t offset, int64_t rows,
                                         int64_t cols, bool hashed);

#endif
