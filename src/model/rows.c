#include "ntk/model/rows.h"

#include <math.h>
#include <string.h>

#include "ntk/base/memory.h"

enum {
  COLUMN_PAD = 16,
  SMALL = 1048576 /* products with fewer multiply-adds may go to kernels for small matrices */
};

typedef struct product {
  ntk_dtype dtype;
  bool transpose_b;
  int64_t k;
  double alpha;
} product;

/* n is a multiple of COLUMN_PAD. */
static void multiply(const product *p, int64_t rows, int64_t n, const void *a, const void *b,
                     int64_t ldb, double beta, void *c, int64_t ldc) {
  const bool small = (double)n * (double)p->k * NTK_SAMPLE_PAD <= SMALL;
  const int64_t step = small ? NTK_SAMPLE_PAD : rows;

  for (int64_t r = 0; r < rows; r += step) {
    ntk_gemm(p->dtype, false, p->transpose_b, step, n, p->k, p->alpha,
             ntk_array_const_at(p->dtype, a, r * p->k), p->k, b, ldb, beta,
             ntk_array_at(p->dtype, c, r * ldc), ldc);
  }
}

/* Columns [first, first + count) of op(B), filled up with zeros to COLUMN_PAD. */
static void copy_columns(const product *p, int64_t n, int64_t first, int64_t count, const void *b,
                         void *strip) {
  const size_t size = ntk_dtype_size(p->dtype);

  if (p->transpose_b) {
    memcpy(strip, ntk_array_const_at(p->dtype, b, first * p->k), (size_t)(count * p->k) * size);
    return;
  }
  for (int64_t i = 0; i < p->k; ++i) {
    memcpy(ntk_array_at(p->dtype, strip, i * COLUMN_PAD),
           ntk_array_const_at(p->dtype, b, i * n + first), (size_t)count * size);
  }
}

/* NOLINTBEGIN(bugprone-macro-parentheses): a type in parentheses is no type */
#define DEFINE_LOOPS(type, root)                                                               \
  static void add_columns_##type(int64_t rows, int64_t n, int64_t first, double beta,          \
                                 const type *restrict strip, type *restrict c) {               \
    for (int64_t r = 0; r < rows; ++r) {                                                       \
      for (int64_t j = first; j < n; ++j) {                                                    \
        const type value = strip[r * COLUMN_PAD + j - first];                                  \
        c[r * n + j] = beta != 0 ? c[r * n + j] + value : value;                               \
      }                                                                                        \
    }                                                                                          \
  }                                                                                            \
  static void fill_##type(int64_t rows, int64_t width, type factor, const type *restrict line, \
                          type *restrict out) {                                                \
    for (int64_t r = 0; r < rows; ++r) {                                                       \
      for (int64_t j = 0; j < width; ++j) out[r * width + j] = factor * line[j];               \
    }                                                                                          \
  }                                                                                            \
  static void outer_##type(int64_t rows, int64_t width, const type *restrict mask,             \
                           const type *restrict common, type *restrict out) {                  \
    for (int64_t r = 0; r < rows; ++r) {                                                       \
      for (int64_t j = 0; j < width; ++j) {                                                    \
        out[r * width + j] = mask[j] * common[r * width + j];                                  \
      }                                                                                        \
    }                                                                                          \
  }                                                                                            \
  static void add_outer_##type(int64_t rows, int64_t width, const type *restrict mask,         \
                               const type *restrict common, type *restrict out) {              \
    for (int64_t r = 0; r < rows; ++r) {                                                       \
      for (int64_t j = 0; j < width; ++j) {                                                    \
        out[r * width + j] += mask[j] * common[r * width + j];                                 \
      }                                                                                        \
    }                                                                                          \
  }                                                                                            \
  static void times_##type(int64_t n, type factor, type *x) {                                  \
    for (int64_t k = 0; k < n; ++k) x[k] *= factor;                                            \
  }                                                                                            \
  static void scale_##type(int64_t rows, int64_t width, const type *restrict mask,             \
                           type *restrict delta) {                                             \
    for (int64_t r = 0; r < rows; ++r) {                                                       \
      for (int64_t j = 0; j < width; ++j) delta[r * width + j] *= mask[j];                     \
    }                                                                                          \
  }                                                                                            \
  static void norm_##type(int64_t rows, int64_t width, const type *common, type *norm) {       \
    for (int64_t j = 0; j < width; ++j) {                                                      \
      type sum = 0;                                                                            \
      for (int64_t r = 0; r < rows; ++r) {                                                     \
        sum += common[r * width + j] * common[r * width + j];                                  \
      }                                                                                        \
      norm[j] = root(sum);                                                                     \
    }                                                                                          \
  }

DEFINE_LOOPS(double, sqrt)
DEFINE_LOOPS(float, sqrtf)
/* NOLINTEND(bugprone-macro-parentheses) */

/* The last n modulo COLUMN_PAD columns, by way of a strip of COLUMN_PAD. */
static ntk_status multiply_rest(const product *p, int64_t rows, int64_t n, int64_t first,
                                const void *a, const void *b, double beta, void *c) {
  void *strip = NULL, *result = NULL;
  ntk_status status = ntk_array_new(p->dtype, COLUMN_PAD * p->k, &strip);

  if (status == NTK_OK) status = ntk_array_new(p->dtype, rows * COLUMN_PAD, &result);
  if (status == NTK_OK) {
    copy_columns(p, n, first, n - first, b, strip);
    multiply(p, rows, COLUMN_PAD, a, strip, p->transpose_b ? p->k : COLUMN_PAD, 0, result,
             COLUMN_PAD);
    if (p->dtype == NTK_DOUBLE) {
      add_columns_double(rows, n, first, beta, result, c);
    } else {
      add_columns_float(rows, n, first, beta, result, c);
    }
  }
  ntk_free(&strip);
  ntk_free(&result);
  return status;
}

ntk_status ntk_rows_gemm(ntk_dtype dtype, bool transpose_b, int64_t rows, int64_t n, int64_t k,
                         double alpha, const void *a, const void *b, double beta, void *c) {
  const product p = {dtype, transpose_b, k, alpha};
  const int64_t whole = n / COLUMN_PAD * COLUMN_PAD;

  NTK_ASSERT(rows % NTK_SAMPLE_PAD == 0);
  if (rows == 0) return NTK_OK;
  if (whole > 0) multiply(&p, rows, whole, a, b, transpose_b ? k : n, beta, c, n);
  return whole < n ? multiply_rest(&p, rows, n, whole, a, b, beta, c) : NTK_OK;
}

void ntk_rows_fill(ntk_dtype dtype, int64_t rows, int64_t width, double factor, const void *line,
                   void *out) {
  if (dtype == NTK_DOUBLE) {
    fill_double(rows, width, factor, line, out);
  } else {
    fill_float(rows, width, (float)factor, line, out);
  }
}

void ntk_rows_outer(ntk_dtype dtype, int64_t samples, int64_t rows, int64_t width,
                    const void *mask, const void *common, void *out) {
  for (int64_t s = 0; s < samples; ++s) {
    const void *line = ntk_array_const_at(dtype, mask, s * width);
    void *to = ntk_array_at(dtype, out, s * rows * width);

    if (dtype == NTK_DOUBLE) {
      outer_double(rows, width, line, common, to);
    } else {
      outer_float(rows, width, line, common, to);
    }
  }
}

void ntk_rows_add_outer(ntk_dtype dtype, int64_t rows, int64_t width, const void *mask,
                        const void *common, void *out) {
  if (dtype == NTK_DOUBLE) {
    add_outer_double(rows, width, mask, common, out);
  } else {
    add_outer_float(rows, width, mask, common, out);
  }
}

void ntk_rows_times(ntk_dtype dtype, int64_t count, double factor, void *array) {
  if (dtype == NTK_DOUBLE) {
    times_double(count, factor, array);
  } else {
    times_float(count, (float)factor, array);
  }
}

void ntk_rows_scale(ntk_dtype dtype, int64_t samples, int64_t rows, int64_t width,
                    const void *mask, void *delta) {
  for (int64_t s = 0; s < samples; ++s) {
    const void *line = ntk_array_const_at(dtype, mask, s * width);
    void *to = ntk_array_at(dtype, delta, s * rows * width);

    if (dtype == NTK_DOUBLE) {
      scale_double(rows, width, line, to);
    } else {
      scale_float(rows, width, line, to);
    }
  }
}

void ntk_rows_norm(ntk_dtype dtype, int64_t rows, int64_t width, const void *common, void *norm) {
  if (dtype == NTK_DOUBLE) {
    norm_double(rows, width, common, norm);
  } else {
    norm_float(rows, width, common, norm);
  }
}
