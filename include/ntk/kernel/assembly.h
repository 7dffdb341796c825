/* assembly.h -- from factors to Gram: Theta += (w <a, a'> + b) <delta, delta'> over all tensors.
 *
 * The local part of a block-cyclic Gram is the Gram of the local row samples against the local
 * column samples, so a rank works in large GEMMs: per tensor one for A A^T, one for D D^T and one
 * fused multiply-add, over panels of rows and groups of columns.  Local rows are in increasing global
 * order, so below the diagonal they are a suffix: half of the work disappears. */
#ifndef NTK_KERNEL_ASSEMBLY_H
#define NTK_KERNEL_ASSEMBLY_H

#include "ntk/dist/deal.h"
#include "ntk/model/network.h"

/* Factors of one tensor for a list of samples, as a rank sees them. */
typedef struct ntk_side {
  int64_t samples;       /* entries of the list */
  const int64_t *slot;   /* [local rows or columns of the matrix] -> position in the list */
  const void *a;         /* [ntk_pad(samples)][positions * in]; NULL if the weight has no part */
  const void *delta;     /* [ntk_pad(samples)][cotangents * positions * out]; NULL if shared */
} ntk_side;

typedef struct ntk_pair_sums {
  double weight_trace, weight_square, bias_trace, bias_square; /* of this rank's part */
} ntk_pair_sums;

/* Room for one tile of products, used for all tensors. */
typedef struct ntk_scratch {
  int64_t tile_rows, tile_cols; /* multiples of NTK_SAMPLE_PAD */
  void *block[2];               /* <a, a'> and <delta, delta'>, or their last cuts along k */
  double *sum[2], *column[2], *line[2], *square[2];
} ntk_scratch;

/* Local.  For matrices of at most that many local rows and columns (delta rows of the lists, if a
 * sample has several).  Fails with NTK_E_MEMORY; then safe to destroy. */
NTK_CHECKED ntk_status ntk_scratch_create(ntk_dtype dtype, int64_t rows, int64_t cols,
                                          ntk_scratch *scratch);
void ntk_scratch_destroy(ntk_scratch *scratch);

/* Local.  Bytes of it. */
double ntk_scratch_bytes(ntk_dtype dtype, int64_t rows, int64_t cols);

/* What there is to add, and where. */
typedef struct ntk_assembly {
  ntk_dtype dtype;
  ntk_scratch *scratch;     /* borrowed */
  const ntk_factor *factor; /* sizes and weights; its arrays are not used (but a shared delta) */
  ntk_side rows, cols;
  bool lower;               /* only entries with global row >= global column */
  ntk_matrix *matrix;       /* its local part grows */
  int64_t first, last;      /* global columns [first, last) of it do; last 0: all.  An entry has the
                               same bits however the columns are cut */
  ntk_pair_sums *sums;      /* += trace and squared norm of the whole symmetric matrix, given its
                               lower half; NULL: not wanted */
  const int64_t *sum_of;    /* [local columns] the entry of `sums` that a column belongs to; NULL:
                               the first */
  double flops;             /* += 2 for every multiply-add of a GEMM */
} ntk_assembly;

/* A way to contract the positions of two samples.  To add one: a row in assembly.c. */
typedef struct ntk_contraction {
  const char *name;
  /* Flops of one entry of the kernel; infinite where it does not apply. */
  double (*flops)(const ntk_factor *factor);
  /* Local.  Adds one tensor's contribution.  Fails with NTK_E_MEMORY. */
  ntk_status (*add)(ntk_assembly *assembly);
} ntk_contraction;

/* Local.  The contraction with the fewest flops for a factor (its arrays are not used). */
const ntk_contraction *ntk_contraction_of(const ntk_factor *factor);

/* Local.  NULL if there is none of that name. */
const ntk_contraction *ntk_contraction_find(const char *name);

/* Local.  Adds one tensor's contribution to the local part, by the cheapest contraction.
 * Fails with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_assemble(ntk_assembly *assembly);

/* Local.  Adds the contribution to K(x, x) of own samples: diagonal [count * cotangents]. */
void ntk_assemble_diagonal(ntk_dtype dtype, const ntk_factor *factor, int64_t count,
                           double *diagonal);

#endif
