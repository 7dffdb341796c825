/* tiles.h -- the walk over the tiles of a rank's part, and what becomes of their products; shared
 * by the contractions, private to this floor. */
#ifndef NTK_KERNEL_TILES_H
#define NTK_KERNEL_TILES_H

#include "ntk/kernel/assembly.h"

/* Where the local rows or columns of the matrix find their factors.  With one row a sample the list
 * is that of the local rows, and every position is the local index itself. */
typedef struct ntk_axis {
  const ntk_side *side;
  int64_t count, cotangents;
  int64_t *cotangent; /* [count] of each local index; NULL if there is one */
} ntk_axis;

static inline int64_t ntk_axis_sample(const ntk_axis *x, int64_t l) {
  return x->cotangent ? x->side->slot[l] : l;
}

/* The row of delta. */
static inline int64_t ntk_axis_row(const ntk_axis *x, int64_t l) {
  return x->cotangent ? x->side->slot[l] * x->cotangents + x->cotangent[l] : l;
}

/* Local indices [first, last) with the samples and the rows of delta that cover them, rounded to
 * whole multiples of NTK_SAMPLE_PAD at both ends. */
typedef struct ntk_span {
  int64_t first, last, a_first, a_count, delta_first, delta_count;
} ntk_span;

/* Products <a, a'> or <delta, delta'> of one tile: of the rows `cols` and `rows` of two arrays. */
typedef struct ntk_product {
  ntk_dtype dtype;
  int64_t tile;   /* elements of one */
  void *block;    /* [blocks][tile] double: the product; single: its last cuts */
  double *sum;    /* [tile] single: all cuts before those */
  bool summed;    /* there are such cuts */
  int64_t blocks; /* cuts that are in `block` */
  int64_t ld;     /* rows */
  double *column; /* [tile rows] what ntk_product_column returns, if it has to be computed */
} ntk_product;

/* Elements of `block` for a tile. */
int64_t ntk_product_elements(ntk_dtype dtype, int64_t tile);

/* Local.  Of `cols` rows of c and `rows` rows of r, all `k` long; in single, in cuts of k at fixed
 * places that are added in double. */
void ntk_product_multiply(ntk_product *p, int64_t cols, const void *c, int64_t rows, const void *r,
                          int64_t k);

/* Local.  Of n rows of x with themselves, as tile of n columns and n rows; in double only.  What
 * stands above the diagonal is not set. */
void ntk_product_multiply_own(ntk_product *p, int64_t n, const double *x, int64_t k);

/* Local.  Entries [first, first + count) of column c, in double; valid until the next call. */
const double *ntk_product_column(ntk_product *p, int64_t c, int64_t first, int64_t count);

/* Sums over the rows of one column, from the diagonal down: NTK_LANES of each, so that no addition
 * waits for the one before.  A row adds to the lane of its local index, and rows come in ascending
 * order however the columns are cut into tiles: so the sums have the same bits. */
enum { NTK_LANES = 2 };

typedef struct ntk_column_sums {
  double ad2[NTK_LANES], d2[NTK_LANES]; /* squares of <a, a'> <delta, delta'> and <delta, delta'> */
  double ad, d;                         /* the entries on the diagonal */
} ntk_column_sums;

/* A walk.  A contraction has it as its first member. */
typedef struct ntk_tiles {
  ntk_assembly *job;
  ntk_axis rows, cols;
  int64_t most_rows, most_cols; /* of a tile; 0: those of the scratch, rounded as spans are */
  double *one;                  /* [tile rows] all 1 */
  /* Local.  What a tile needs before its columns are asked for. */
  void (*multiply)(struct ntk_tiles *tiles, const ntk_span *rows, const ntk_span *cols);
  /* Local.  The same of a tile on the diagonal, from the diagonal down, where rows and columns are
   * the same samples; NULL if they are not, or have no faster way. */
  void (*multiply_own)(struct ntk_tiles *tiles, const ntk_span *samples);
  /* Local.  <a, a'> and <delta, delta'> of column lj, local rows [first, rows->last). */
  const double *(*a)(struct ntk_tiles *tiles, const ntk_span *rows, const ntk_span *cols,
                     int64_t lj, int64_t first);
  const double *(*delta)(struct ntk_tiles *tiles, const ntk_span *rows, const ntk_span *cols,
                         int64_t lj, int64_t first);
  ntk_column_sums *sums; /* [local columns]; NULL: none wanted */
} ntk_tiles;

/* Local.  Axes and lines of a job.  Fails with NTK_E_MEMORY; destroy in any case. */
NTK_CHECKED ntk_status ntk_tiles_create(ntk_assembly *job, ntk_tiles *tiles);
void ntk_tiles_destroy(ntk_tiles *tiles);

/* Local.  Adds (w a + b) delta to the job's columns, from the diagonal on or all of them. */
void ntk_tiles_add(ntk_tiles *tiles);

#endif
