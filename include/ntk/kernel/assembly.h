/* assembly.h -- from factors to Gram: Theta += (w <a, a'> + b) <delta, delta'> over all tensors.
 *
 * The local part of a block-cyclic Gram is the Gram of the local row samples against the local
 * column samples, so a rank works in large GEMMs: per tensor one for A A^T, one for D D^T and one
 * fused multiply-add, over panels of rows and groups of columns.  Local rows are in increasing
 * global order, so below the diagonal they are a suffix: half of the work disappears. */
#ifndef NTK_KERNEL_ASSEMBLY_H
#define NTK_KERNEL_ASSEMBLY_H

#include "ntk/dist/deal.h"
#include "ntk/model/network.h"

/* Factors of one tensor for a list of samples, as a rank sees them. */
typedef struct ntk_side {
  int64_t samples;       /* entries of the list */
  const int64_t *slot;   /* [local rows or columns of the matrix] -> position in the list */
  const void *a;         /* [ntk_pad(samples)][ntk_factor_inputs]; NULL if there is none */
  const void *delta;     /* [ntk_pad(samples)][cotangents * positions * out]; NULL if shared */
} ntk_side;

typedef struct ntk_pair_sums {
  double weight_trace, weight_square, bias_trace, bias_square; /* of this rank's part */
} ntk_pair_sums;

/* Room for one tile of products, used for all tensors. */
typedef struct ntk_scratch {
  int64_t tile_rows, tile_cols; /* multiples of NTK_SAMPLE_PAD */
  void *block[2];               /* <a, a'> and <delta, delta'>, or their last cuts along k */
  double *sum[2], *column[2], *line[2];
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
  const ntk_factor *factor; /* sizes and weights; its arrays are not used (but a shared delta).
                               With one position and without a, <a, a'> is 1 */
  ntk_side rows, cols;
  bool lower;               /* only entries with global row >= global column */
  int64_t square;           /* of those, none whose row and column are in the same square of this
                               edge along the diagonal; 0: all of them */
  ntk_matrix *matrix;       /* its local part grows */
  int64_t first, last;      /* global columns [first, last) of it do; last 0: all.  An entry has the
                               same bits however the columns are cut */
  ntk_pair_sums *sums;      /* += trace and squared norm of the whole symmetric matrix, given its
                               lower half, column by column, so that they have the same bits, too;
                               NULL: not wanted */
  const int64_t *sum_of;    /* [columns] the entry of `sums` that a column belongs to; NULL: the
                               first */
  double flops;             /* += 2 for every multiply-add of a GEMM */
} ntk_assembly;

/* What a contraction of a factor costs. */
typedef struct ntk_contraction_cost {
  double sample_flops; /* of the GEMMs of one sample, in all cotangents, before it meets others */
  double entry_flops;  /* of the GEMMs of one entry of the kernel */
  double other;        /* of an entry besides, as flops of GEMMs that take as long */
  double formed;       /* elements of a sample that are formed at a time; 0: none */
  double kept;         /* of all parts together; INFINITY if none is formed */
  double panel;        /* elements of a sample that travel at a time */
} ntk_contraction_cost;

/* A way to contract the positions of two samples (MATH B12).  It makes parts of a factor, one after
 * the other, whose contributions add up to that of the factor; cuts and their order follow from the
 * sizes of the factor alone.  To add one: its file and a line in the table of contraction.c. */
typedef struct ntk_contraction {
  ntk_row row; /* word of kernel.contraction */
  bool (*applies)(const ntk_factor *factor);
  void (*cost)(const ntk_factor *factor, ntk_contraction_cost *cost);
  /* The parts of the weight; a bias is a further one, unless there is one position. */
  int64_t (*parts)(const ntk_factor *factor);
  /* Local.  One of them, from the arrays of a factor of `count` own samples; they are asked for in
   * order, and later ones may stand in the room already.
   *   room    [ntk_pad(count)][formed] of their cost
   *   formed  in: the weight's part of the factor, which may be the only one
   * Fails with NTK_E_MEMORY.  NULL: it always is. */
  ntk_status (*form)(ntk_dtype dtype, const ntk_factor *factor, int64_t count, int64_t part,
                     void *room, ntk_factor *formed);
  /* Local.  Adds a part.  Fails with NTK_E_MEMORY. */
  ntk_status (*add)(ntk_assembly *assembly);
} ntk_contraction;

extern const ntk_contraction ntk_contraction_pairs, ntk_contraction_jacobian,
    ntk_contraction_pixel_gram;

/* Words of kernel.contraction: rows of ntk_contraction; ends with NULL. */
extern const ntk_row *const ntk_contractions[];

/* Local.  What takes a factor (its arrays are not used) of n samples: `wanted` if it applies; else,
 * and for NULL, what has the fewest flops for their Gram. */
const ntk_contraction *ntk_contraction_of(const ntk_row *wanted, const ntk_factor *factor,
                                          int64_t n);

/* Local.  Its cost; for all parts, that of the bias included. */
ntk_contraction_cost ntk_contraction_cost_of(const ntk_contraction *contraction,
                                             const ntk_factor *factor);

/* Local.  Elements of a sample in all its parts; INFINITY if a part is not made, but the factor. */
double ntk_contraction_kept(const ntk_contraction *contraction, const ntk_factor *factor);

/* Local.  How many parts it makes, the bias included, and how many of them are the weight's. */
int64_t ntk_contraction_parts(const ntk_contraction *contraction, const ntk_factor *factor);
int64_t ntk_contraction_weight_parts(const ntk_contraction *contraction, const ntk_factor *factor);

/* Local.  Part number `part`, as form() of the contraction.
 *   flops  += those of its GEMMs */
NTK_CHECKED ntk_status ntk_contraction_form(const ntk_contraction *contraction, ntk_dtype dtype,
                                            const ntk_factor *factor, int64_t count, int64_t part,
                                            void *room, ntk_factor *formed, double *flops);

/* Local.  Elements of a sample in `a`: of patches those of the image; and cells of the image. */
int64_t ntk_factor_inputs(const ntk_factor *factor);
int64_t ntk_factor_cells(const ntk_factor *factor);

/* Local.  Adds one part of a tensor's contribution to the local part of the matrix.  Fails with
 * NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_assemble(const ntk_contraction *contraction, ntk_assembly *assembly);

/* Local.  Bytes that this takes besides the scratch. */
double ntk_assemble_bytes(const ntk_contraction *contraction, ntk_dtype dtype,
                          const ntk_factor *factor, int64_t rows, int64_t cols);

/* Local.  Adds a weight's contribution, collected apart in an array like the matrix's own, to the
 * columns of the job, with its sums; the array is zero there afterwards. */
void ntk_assemble_collected(ntk_assembly *assembly, double *collected);

/* Local.  Adds a part's contribution to K(x, x) of own samples: diagonal [count * cotangents].
 * Fails with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_assemble_diagonal(ntk_dtype dtype, const ntk_factor *factor,
                                             int64_t count, double *diagonal);

/* Local.  The same of a factor, all pairs of cotangents: blocks [count][cotangents][cotangents]. */
NTK_CHECKED ntk_status ntk_assemble_blocks(ntk_dtype dtype, const ntk_factor *factor, int64_t count,
                                           double *blocks);

#endif
