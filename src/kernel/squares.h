/* squares.h -- squares along the diagonal of a symmetric matrix, which one rank each computes for
 * all; private to this floor.
 *
 * What a rank's columns of a block-cyclic matrix need near the diagonal is a staircase with steps
 * of a block, and GEMM is slow there.  But where there is one process row, every rank has the
 * factors of all samples and may compute any entry.  So squares along the diagonal are dealt to the
 * ranks: in them rows and columns are the same samples, next to each other, and nothing is small.
 * When all factors are added, their columns go to the ranks that hold them.
 *
 * Places of the squares follow from n, the grid and the number of chunks, not from what is left to
 * do: sums over the part of a tensor are added in the same order when a kernel is resumed. */
#ifndef NTK_KERNEL_SQUARES_H
#define NTK_KERNEL_SQUARES_H

#include "ntk/kernel/assembly.h"

/* Of this rank. */
typedef struct ntk_square {
  int64_t first;     /* row and column of the whole matrix that it begins with */
  ntk_matrix matrix; /* on a grid of its own; its lower half */
  double *collected; /* as its data: parts of a weight at work; NULL: not needed */
} ntk_square;

/* Zero-initialise; destroy. */
typedef struct ntk_squares {
  ntk_matrix *matrix; /* borrowed: the whole */
  int64_t edge;       /* a multiple of NTK_SAMPLE_PAD; 0: there are no squares */
  int64_t count;
  ntk_square *square; /* [count] */
} ntk_squares;

/* Local.  Edge for a matrix of n rows that is computed in so many chunks; 0 if the grid has several
 * process rows, or one rank. */
int64_t ntk_squares_edge(int64_t n, int grid_rows, int grid_cols, int64_t chunks);

/* Local.  Bytes of the squares of one rank at most. */
double ntk_squares_bytes(int64_t n, int grid_cols, int64_t edge);

/* Local.  Zero squares of a matrix.
 *   collected  with room for parts that are collected
 * Fails with NTK_E_MEMORY; then safe to destroy. */
NTK_CHECKED ntk_status ntk_squares_create(ntk_matrix *matrix, int64_t edge, bool collected,
                                          ntk_squares *squares);
void ntk_squares_destroy(ntk_squares *squares);

/* Local.  Adds a part to own squares, in the columns of a job of the whole matrix, whose row panel
 * has all rows; its flops and its sums grow.
 *   collect  into what is collected, without sums
 * Fails with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_squares_add(const ntk_squares *squares,
                                       const ntk_contraction *contraction, bool collect,
                                       ntk_assembly *job);

/* Local.  Adds what was collected to own squares, as ntk_assemble_collected. */
void ntk_squares_add_collected(const ntk_squares *squares, const ntk_assembly *job);

/* Collective.  Adds columns [first, last) of the squares to the matrix; there they are zero
 * afterwards.  Fails with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_squares_deliver(ntk_squares *squares, int64_t first, int64_t last);

#endif
