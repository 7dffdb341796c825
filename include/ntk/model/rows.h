/* rows.h -- GEMM and element-wise loops over rows of samples whose bits do not depend on which
 * other samples share the call.
 *
 * The padding of samples to multiples of 64 (array.h) is not enough where one side of the product
 * is not samples.  Measured with OpenBLAS 0.3.21, AVX-512 kernels: (a) a remainder of the columns
 * modulo 16 goes to kernels whose rounding depends on the place of the row; (b) a product with
 * m n k <= 10^6 goes to kernels for small matrices, so the same rows in a larger call get other
 * bits.  Hence columns in multiples of 16, and small products in calls of exactly 64 rows. */
#ifndef NTK_MODEL_ROWS_H
#define NTK_MODEL_ROWS_H

#include "ntk/base/array.h"

/* Local.  C = alpha A op(B) + beta C, beta 0 or 1; C [rows][n], A [rows][k], B [k][n] ([n][k] if
 * transposed), row-major and dense; rows a multiple of NTK_SAMPLE_PAD.  Fails with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_rows_gemm(ntk_dtype dtype, bool transpose_b, int64_t rows, int64_t n,
                                     int64_t k, double alpha, const void *a, const void *b,
                                     double beta, void *c);

/* Local.  out[r][j] = factor * line[j], r < rows. */
void ntk_rows_fill(ntk_dtype dtype, int64_t rows, int64_t width, double factor, const void *line,
                   void *out);

/* Local.  out[s][r][j] = mask[s][j] * common[r][j]. */
void ntk_rows_outer(ntk_dtype dtype, int64_t samples, int64_t rows, int64_t width,
                    const void *mask, const void *common, void *out);

/* Local.  out[r][j] += mask[j] * common[r][j]. */
void ntk_rows_add_outer(ntk_dtype dtype, int64_t rows, int64_t width, const void *mask,
                        const void *common, void *out);

/* Local.  array[k] *= factor. */
void ntk_rows_times(ntk_dtype dtype, int64_t count, double factor, void *array);

/* Local.  delta[s][r][j] *= mask[s][j]. */
void ntk_rows_scale(ntk_dtype dtype, int64_t samples, int64_t rows, int64_t width,
                    const void *mask, void *delta);

/* Local.  norm[j] = sqrt(sum_r common[r][j]^2). */
void ntk_rows_norm(ntk_dtype dtype, int64_t rows, int64_t width, const void *common, void *norm);

#endif
