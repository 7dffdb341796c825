/* npy.h -- large arrays in numpy's .npy files, read piece by piece: the kernel of a file that no rank
 * could hold.  Real numbers of 4 or 8 bytes and integers; either order; not compressed. */
#ifndef NTK_DATA_NPY_H
#define NTK_DATA_NPY_H

#include <stdbool.h>
#include <stdint.h>

#include "ntk/base/error.h"

typedef struct ntk_npy ntk_npy;

/* Local.  Opens a file and checks that it is as long as its header says.
 *   npy  owned by the caller, ntk_npy_close; NULL on failure
 * Fails with NTK_E_MISSING, NTK_E_IO, NTK_E_INPUT, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_npy_open(const char *path, ntk_npy **npy);
void ntk_npy_close(ntk_npy **npy);

/* Local.  What the header says. */
int ntk_npy_rank(const ntk_npy *npy);
int64_t ntk_npy_size(const ntk_npy *npy, int axis);
bool ntk_npy_single(const ntk_npy *npy); /* real numbers of 4 bytes */

/* Local.  The window [row, row + rows) x [col, col + cols) of a matrix, row-major (rank 1: one
 * column).  Reads whole runs of the file only: cheap where the window is complete in the direction
 * in which the file lies.  Fails with NTK_E_IO, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_npy_window(const ntk_npy *npy, int64_t row, int64_t rows, int64_t col,
                                      int64_t cols, double *values);

#endif
