/* matrix.h -- a dense matrix dealt block-cyclically over a process grid.
 *
 * The matrix is cut into block x block tiles; tile (I, J) lives on grid process
 * (I mod grid->rows, J mod grid->cols).  Each rank keeps its tiles in one column-major array,
 * the layout of ScaLAPACK, so `data` and `ld` can be handed to p?syevd as they are.
 *
 * Indices i, j are global and start at 0; indices li, lj are local to a rank. */
#ifndef NTK_DIST_MATRIX_H
#define NTK_DIST_MATRIX_H

#include <stdbool.h>
#include <stdint.h>

#include "ntk/dist/grid.h"

typedef struct ntk_matrix {
  const ntk_grid *grid;           /* borrowed; must outlive the matrix */
  int64_t rows, cols;             /* global shape */
  int64_t block;                  /* edge of a tile */
  int64_t local_rows, local_cols; /* shape of this rank's part; either may be 0 */
  int64_t ld;                     /* leading dimension, max(1, local_rows) */
  double *data;                   /* owned; entry (li, lj) is data[li + lj * ld] */
  int descriptor[9];              /* of ScaLAPACK */
} ntk_matrix;

/* Collective.  Makes `m` a zero matrix of the given shape.
 *   grid   borrowed, see above
 *   block  same on all ranks, > 0
 *   m      overwritten; on failure left empty, safe to destroy
 * Fails with NTK_E_SIZE ("use at least R ranks") if a rank's part exceeds ScaLAPACK's 32-bit
 * indices, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_matrix_create(const ntk_grid *grid, int64_t rows, int64_t cols,
                                         int64_t block, ntk_matrix *m);

/* Local.  Frees `m`, which may be empty or destroyed already. */
void ntk_matrix_destroy(ntk_matrix *m);

/* Local.  How many of n indices, dealt in blocks to `procs` processes, fall to process `me`; and
 * the global index of local index l. */
int64_t ntk_dealt(int64_t n, int64_t block, int me, int procs);
int64_t ntk_dealt_global(int64_t l, int64_t block, int me, int procs);

/* Local.  Global index of a local row or column. */
int64_t ntk_matrix_row(const ntk_matrix *m, int64_t li);
int64_t ntk_matrix_col(const ntk_matrix *m, int64_t lj);

/* Local.  Number of local rows (columns) with a global index below i. */
int64_t ntk_matrix_rows_below(const ntk_matrix *m, int64_t i);
int64_t ntk_matrix_cols_below(const ntk_matrix *m, int64_t j);

/* Collective.  Square matrix: copies the strict lower triangle onto the strict upper one. */
NTK_CHECKED ntk_status ntk_matrix_mirror_lower(ntk_matrix *m);
/* Collective.  The reverse: what a solver with UPLO = 'L' destroyed. */
NTK_CHECKED ntk_status ntk_matrix_mirror_upper(ntk_matrix *m);

/* Collective.  The diagonal, [min(rows, cols)], on every rank. */
NTK_CHECKED ntk_status ntk_matrix_diagonal(const ntk_matrix *m, double *diagonal);

/* Collective.  y = M x (or M^T x), thin blocks replicated on every rank, row-major.
 *   x  [cols][k] (transposed: [rows][k]), borrowed
 *   y  [rows][k] (transposed: [cols][k]), overwritten
 * Fails with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_matrix_apply(const ntk_matrix *m, bool transposed, int64_t k,
                                        const double *x, double *y);

/* Collective.  Sum of squares of all entries, sum of the diagonal, largest |entry|, largest
 * |M - M^T| entry (square only, else 0) with its place below the diagonal, and whether all entries are finite (NaN-safe). */
typedef struct ntk_matrix_facts {
  double sum_of_squares, trace, largest, asymmetry;
  int64_t worst_row, worst_col; /* of asymmetry, the first of several; 0, 0 if there is none */
  bool finite;
} ntk_matrix_facts;

NTK_CHECKED ntk_status ntk_matrix_measure(const ntk_matrix *m, ntk_matrix_facts *facts);

/* Collective.  Copies the whole rows x cols window that starts at (i0, j0) to every rank, row-major
 * [rows][cols].  For windows that are small. */
NTK_CHECKED ntk_status ntk_matrix_window(const ntk_matrix *m, int64_t i0, int64_t j0,
                                         int64_t rows, int64_t cols, double *window);

/* Collective.  Entries (row[a], col[b]) to every rank, [rows][cols]; for small selections. */
NTK_CHECKED ntk_status ntk_matrix_pick(const ntk_matrix *m, int64_t rows, const int64_t *row,
                                       int64_t cols, const int64_t *col, double *picked);

/* Collective.  Full columns [j0, j0 + cols) dealt to the ranks as contiguous runs: this rank gets
 * `*count` columns from global column *first on, each `rows` long, in `panel` (allocated by the
 * caller for ceil(cols / ranks) + 1 columns).  What the big files are written from. */
NTK_CHECKED ntk_status ntk_matrix_columns(const ntk_matrix *m, int64_t j0, int64_t cols,
                                          int64_t *first, int64_t *count, double *panel);

/* Local.  The run that ntk_matrix_columns gives to a rank. */
void ntk_matrix_run(const ntk_matrix *m, int64_t j0, int64_t cols, int rank, int64_t *first,
                    int64_t *count);

/* Collective.  The reverse: places full columns into the block-cyclic parts. */
NTK_CHECKED ntk_status ntk_matrix_place_columns(ntk_matrix *m, int64_t j0, int64_t cols,
                                                const double *panel);

#endif
