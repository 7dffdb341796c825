/* array.h -- arrays in double or single, and the BLAS calls on them.
 *
 * Everything that touches samples goes through here, because the bits of a Gram entry must not
 * depend on which other samples share a call (docs: reproducibility).  The rule, measured: the
 * number of samples of every call, as M and as N, is a multiple of NTK_SAMPLE_PAD.  Arrays that
 * hold samples have room for ntk_pad(count) of them; what stands in the padding is finite and
 * unused.  That is enough for samples against samples; samples times weights need more care and go
 * through ntk_rows_gemm (model/rows.h). */
#ifndef NTK_BASE_ARRAY_H
#define NTK_BASE_ARRAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ntk/base/error.h"

typedef enum ntk_dtype { NTK_DOUBLE, NTK_SINGLE } ntk_dtype;

enum { NTK_SAMPLE_PAD = 64 };

static inline int64_t ntk_pad(int64_t samples) {
  return (samples + NTK_SAMPLE_PAD - 1) / NTK_SAMPLE_PAD * NTK_SAMPLE_PAD;
}

size_t ntk_dtype_size(ntk_dtype dtype);

/* Local.  A zeroed array of `count` elements; free with ntk_free. */
NTK_CHECKED ntk_status ntk_array_new(ntk_dtype dtype, int64_t count, void *address);

/* Local.  The same, but the content is not set (ntk_new_unset). */
NTK_CHECKED ntk_status ntk_array_new_unset(ntk_dtype dtype, int64_t count, void *address);

/* Local.  Pointer to element k of an array. */
void *ntk_array_at(ntk_dtype dtype, void *array, int64_t k);
const void *ntk_array_const_at(ntk_dtype dtype, const void *array, int64_t k);

/* Local.  Element k itself. */
static inline double ntk_array_get(ntk_dtype dtype, const void *array, int64_t k) {
  return dtype == NTK_DOUBLE ? ((const double *)array)[k] : (double)((const float *)array)[k];
}

/* Local.  Rows i and j of `length` elements, summed in double in order. */
double ntk_array_dot(ntk_dtype dtype, const void *array, int64_t i, int64_t j, int64_t length);

/* Local.  Element-wise conversion of `count` elements; same type: a copy. */
void ntk_array_convert(ntk_dtype from, const void *source, ntk_dtype to, void *target,
                       int64_t count);

/* Local.  C = alpha op(A) op(B) + beta C, all row-major, op(A) m x k, op(B) k x n; lda, ldb, ldc
 * are row strides.  The caller pads the sample count among m, n. Sizes are checked against the
 * 32-bit integers of BLAS (NTK_ASSERT). */
void ntk_gemm(ntk_dtype dtype, bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k,
              double alpha, const void *a, int64_t lda, const void *b, int64_t ldb, double beta,
              void *c, int64_t ldc);

/* Local.  Inner products of samples, rows of `k` elements each: c [m][ldc] with m rows of a and n
 * of b, both padded.  In double, k is cut at a fixed place, behind a multiple of NTK_SAMPLE_PAD. */
void ntk_inner_products(ntk_dtype dtype, int64_t m, const void *a, int64_t n, const void *b,
                        int64_t k, void *c, int64_t ldc);

/* Local.  Those of n samples, padded, with themselves, in double: entries [i][j] with j >= i of
 * c [n][n]; the others stay, and all have to be finite before.  By SYRK, which is about as fast as
 * a large GEMM for half of the flops; the bits are those of ntk_inner_products where
 * ntk_blas_reproducible: for k a multiple of NTK_SAMPLE_PAD and for small k both sum in the same
 * order (t050_gemm_bits). */
void ntk_own_products(int64_t n, const double *a, int64_t k, double *c);

/* The BLAS in use, for provenance. */
const char *ntk_blas_config(void); /* library and version, as it names itself */
const char *ntk_blas_core(void);   /* kernel set, e.g. "SkylakeX"; "unknown" if not OpenBLAS */

/* Local.  True if the bits of an entry are known not to depend on which other samples share the
 * call, sample counts being padded.  Measured for single and double on OpenBLAS's SkylakeX,
 * Cooperlake and Prescott kernels, for double on Haswell and Zen (t050_gemm_bits, t330_rows). */
bool ntk_blas_reproducible(ntk_dtype dtype);

/* Local.  Call first in main, before MPI_Init.  An OpenBLAS older than the processor falls back
 * to kernels of another age (Prescott on Sapphire Rapids: a fourth of the speed).  Where the core
 * type it chose lacks the processor's vector width and the user did not set OPENBLAS_CORETYPE,
 * sets it to the best kernel set the processor can run and starts the program anew. */
void ntk_blas_adopt_core(char **argv);

#endif
