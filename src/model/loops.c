#include "loops.h"

#include <string.h>

/* NOLINTBEGIN(bugprone-macro-parentheses): a type in parentheses is no type */
#define DEFINE_LOOPS(type)                                                                        \
  static void add_##type(int64_t n, type factor, const type *restrict x, type *restrict y) {      \
    for (int64_t k = 0; k < n; ++k) y[k] += factor * x[k];                                        \
  }                                                                                               \
  static void times_##type(int64_t n, type factor, const type *restrict x, type *restrict z) {    \
    for (int64_t k = 0; k < n; ++k) z[k] = factor * x[k];                                         \
  }                                                                                               \
  static void step_##type(int64_t n, const type *restrict y, type factor, const type *restrict x, \
                          type *restrict z) {                                                     \
    for (int64_t k = 0; k < n; ++k) z[k] = y[k] + factor * x[k];                                  \
  }

DEFINE_LOOPS(double)
DEFINE_LOOPS(float)
/* NOLINTEND(bugprone-macro-parentheses) */

void ntk_loop_add(ntk_dtype dtype, int64_t n, double factor, const void *x, void *y) {
  if (dtype == NTK_DOUBLE) {
    add_double(n, factor, x, y);
  } else {
    add_float(n, (float)factor, x, y);
  }
}

void ntk_loop_scaled(ntk_dtype dtype, int64_t n, const void *y, double factor, const void *x,
                     void *z) {
  if (dtype == NTK_DOUBLE && y) {
    step_double(n, y, factor, x, z);
  } else if (dtype == NTK_DOUBLE) {
    times_double(n, factor, x, z);
  } else if (y) {
    step_float(n, y, (float)factor, x, z);
  } else {
    times_float(n, (float)factor, x, z);
  }
}

void ntk_loop_scatter(ntk_dtype dtype, int64_t blocks, int64_t n, const void *from, int64_t stride,
                      int64_t first, void *to) {
  const size_t bytes = (size_t)n * ntk_dtype_size(dtype);

  for (int64_t b = 0; b < blocks; ++b) {
    memcpy(ntk_array_at(dtype, to, b * stride + first), ntk_array_const_at(dtype, from, b * n),
           bytes);
  }
}
