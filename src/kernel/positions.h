/* positions.h -- all pairs of positions of two samples; private to this floor. */
#ifndef NTK_KERNEL_POSITIONS_H
#define NTK_KERNEL_POSITIONS_H

#include "ntk/kernel/assembly.h"

/* Whether a factor meets another at one pair of positions only, and as vectors: then two Grams are
 * all there is to do. */
static inline bool ntk_factor_is_single(const ntk_factor *factor) {
  return factor->positions == 1 && factor->kind != NTK_FACTOR_ROWS && !factor->coupling;
}

/* Local.  Adds the contribution of a weight.
 *   pixels  <a, a'> of patches from the products of the cells (MATH B13)
 * Fails with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_positions_add(ntk_assembly *job, bool pixels);

/* Local.  Bytes that this takes for that many local rows and columns. */
double ntk_positions_bytes(ntk_dtype dtype, const ntk_factor *factor, bool pixels, int64_t rows,
                           int64_t cols);

/* Local.  What it costs, without pixels. */
void ntk_positions_cost(const ntk_factor *factor, ntk_contraction_cost *cost);

#endif
