/* loops.h -- element-wise loops over arrays of either precision; private to this floor. */
#ifndef NTK_MODEL_LOOPS_H
#define NTK_MODEL_LOOPS_H

#include "ntk/base/array.h"

/* y[k] += factor x[k], k < n. */
void ntk_loop_add(ntk_dtype dtype, int64_t n, double factor, const void *x, void *y);

/* z[k] = factor x[k], or y[k] + factor x[k]; y may be NULL. */
void ntk_loop_scaled(ntk_dtype dtype, int64_t n, const void *y, double factor, const void *x,
                     void *z);

/* to[b][first .. first + n) = from[b][0 .. n) for `blocks` blocks of `stride` and of n entries. */
void ntk_loop_scatter(ntk_dtype dtype, int64_t blocks, int64_t n, const void *from, int64_t stride,
                      int64_t first, void *to);

#endif
