/* coupling.h -- what a sample's gradient gets from all training samples through the statistics of
 * batch_norm (MATH B20); private to this floor. */
#ifndef NTK_KERNEL_COUPLING_H
#define NTK_KERNEL_COUPLING_H

#include "ntk/model/network.h"

/* Entries [row, row + rows) x [col, col + cols) of a gradient. */
typedef struct ntk_cut_out {
  int64_t row, rows, col, cols;
} ntk_cut_out;

/* Local.  Elements of the room that ntk_coupling_add needs. */
int64_t ntk_coupling_room(const ntk_factor *factor, int64_t cols);

/* Local.  Adds them to those entries of W's gradient, g [cotangents][rows][cols], of sample number
 * `sample` of `own`. */
void ntk_coupling_add(ntk_dtype dtype, const ntk_factor *factor, int64_t own, int64_t sample,
                      const ntk_cut_out *x, void *room, void *g);

/* Local.  Adds them to the gradients of b of all samples, sums [own][cotangents][out]. */
void ntk_coupling_add_bias(ntk_dtype dtype, const ntk_factor *factor, int64_t own, void *sums);

#endif
