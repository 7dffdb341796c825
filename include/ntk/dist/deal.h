/* deal.h -- which samples a rank computes, and how their factors travel.
 *
 * The rows of a block-cyclic matrix that a process row holds belong to a list of samples; its ranks
 * compute equal, contiguous shares of that list, so a gather along the process row is the row
 * panel, in order and in place.  The column panel of a process column is what its ranks find in
 * their row panels, sent along the process column.  Every sample is computed once in the job (but
 * where the rows of one sample straddle two process rows: full kernels in blocks that O does not
 * divide; both compute it). */
#ifndef NTK_DIST_DEAL_H
#define NTK_DIST_DEAL_H

#include "ntk/base/array.h"
#include "ntk/dist/matrix.h"

typedef struct ntk_deal {
  const ntk_matrix *matrix; /* borrowed: gives rows, cols, block, grid */
  int64_t rows_per_sample;  /* O for the full kernel, else 1 */
  int64_t row_count;        /* samples with local rows, increasing */
  int64_t *row_sample;      /* [row_count] global sample */
  int64_t *row_slot;        /* [local_rows] position in row_sample of each local row */
  int64_t col_count;        /* samples with local columns, increasing; 0 if no column panel */
  int64_t *col_sample, *col_slot;
  int64_t own_first, own_count; /* my share of row_sample */
  int *piece_count, *piece_at;  /* [grid cols] scratch of a gather */
} ntk_deal;

/* Collective.  `columns`: also deal the columns (matrix is square over the same samples). */
NTK_CHECKED ntk_status ntk_deal_create(const ntk_matrix *matrix, int64_t rows_per_sample,
                                       bool columns, ntk_deal *deal);
void ntk_deal_destroy(ntk_deal *deal);

/* Collective.  Rows of `all` ([samples][width] double, on rank 0 only) to the ranks that compute
 * them: own [ntk_pad(own_count)][width]. */
NTK_CHECKED ntk_status ntk_deal_scatter(const ntk_deal *deal, int64_t width, const double *all,
                                        double *own);

/* Collective.  The reverse for small things: own [own_count][width] to all [samples][width] on
 * every rank. */
NTK_CHECKED ntk_status ntk_deal_collect(const ntk_deal *deal, int64_t width, const double *own,
                                        double *all);

/* Collective.  Row panel [ntk_pad(row_count)][width] from everybody's own [own_count][width]. */
void ntk_deal_gather_rows(const ntk_deal *deal, ntk_dtype dtype, int64_t width, const void *own,
                          void *row_panel);

/* Collective.  Column panel [ntk_pad(col_count)][width] from the row panels. */
NTK_CHECKED ntk_status ntk_deal_gather_cols(const ntk_deal *deal, ntk_dtype dtype, int64_t width,
                                            const void *row_panel, void *col_panel);

#endif
