/* self.h -- entries of a sample with itself, where their kernel is another one than that of two
 * samples (expected masks of dropout, drawn for each sample); private to this floor. */
#ifndef NTK_KERNEL_SELF_H
#define NTK_KERNEL_SELF_H

#include "pass.h"

/* What a weight and its bias contribute to the block of a sample with itself: as of two samples,
 * which is in the matrices already, and as it is; [samples][NTK_SELF_PARTS][rows][rows], where
 * `rows` is that of a sample. */
enum { NTK_SELF_PARTS = 4 };

/* Collective.  Of all samples of the set, on every rank; own: of the samples of this rank.  The
 * parts that pass->factor has, from pass->factor and pass->self.
 *   own, all  overwritten; to be freed, also on failure */
NTK_CHECKED ntk_status ntk_self_blocks(const ntk_pass *pass, ntk_dtype dtype, double **own,
                                       double **all);

/* Local.  Replaces them in the columns [first, last) of a square matrix of which the lower half is
 * there.
 *   sums    of the columns by sum_of, as of ntk_assembly; NULL: not wanted */
void ntk_self_replace(const double *all, int64_t rows, ntk_matrix *m, int64_t first, int64_t last,
                      ntk_pair_sums *sums, const int64_t *sum_of);

/* Local.  Replaces them in K(x, x) of own samples, [count][rows]. */
void ntk_self_replace_diagonal(const double *own, int64_t rows, int64_t count, double *diagonal);

#endif
