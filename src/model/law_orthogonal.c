/* orthogonal: Q of the QR decomposition of a normal matrix, its columns turned so that the diagonal
 * of R is positive; then Q is uniform (Mezzadri 2007), unique, and jax.random.orthogonal's. */
#include <math.h>

#include "ntk/base/memory.h"
#include "laws.h"

/* LAPACK, double: factor and form Q; of columns (QR) and of rows (LQ).  No package ships a C header
 * for them. */
void dgeqrf_(const int *m, const int *n, double *a, const int *lda, double *tau, double *work,
             const int *lwork, int *info);
void dorgqr_(const int *m, const int *n, const int *k, double *a, const int *lda, const double *tau,
             double *work, const int *lwork, int *info);
void dgelqf_(const int *m, const int *n, double *a, const int *lda, double *tau, double *work,
             const int *lwork, int *info);
void dorglq_(const int *m, const int *n, const int *k, double *a, const int *lda, const double *tau,
             double *work, const int *lwork, int *info);

enum { PANEL = 64 }; /* columns that LAPACK's workspace has room for */

/* tau[few], the signs of the diagonal of R [few], workspace [PANEL * few] */
static double *tau_of(double *room) { return room; }
static double *sign_of(double *room, int few) { return room + few; }
static double *work_of(double *room, int few) { return room + 2 * (ptrdiff_t)few; }

static void take_signs(const double *a, int few, int ld, double *sign) {
  for (int k = 0; k < few; ++k) sign[k] = a[k + (ptrdiff_t)k * ld] < 0 ? -1 : 1;
}

/* values [many][few] in rows is for LAPACK, which has columns, the transposed matrix: A = Q R is
 * A^T = L Q^T, and Q^T takes the place of A^T. */
static void orthogonalize_columns(int many, int few, double *values, double *room) {
  const int lwork = PANEL * few;
  int info = 0;

  dgelqf_(&few, &many, values, &few, tau_of(room), work_of(room, few), &lwork, &info);
  NTK_ASSERT(info == 0);
  take_signs(values, few, few, sign_of(room, few));
  dorglq_(&few, &many, &few, values, &few, tau_of(room), work_of(room, few), &lwork, &info);
  NTK_ASSERT(info == 0);
  for (int64_t i = 0; i < many; ++i) {
    for (int64_t k = 0; k < few; ++k) values[i * few + k] *= sign_of(room, few)[k];
  }
}

/* values [few][many] in rows is for LAPACK the matrix [many][few] that Q is wanted of, and Q takes
 * its place: in rows that is Q^T. */
static void orthogonalize_rows(int many, int few, double *values, double *room) {
  const int lwork = PANEL * few;
  int info = 0;

  dgeqrf_(&many, &few, values, &many, tau_of(room), work_of(room, few), &lwork, &info);
  NTK_ASSERT(info == 0);
  take_signs(values, few, many, sign_of(room, few));
  dorgqr_(&many, &few, &few, values, &many, tau_of(room), work_of(room, few), &lwork, &info);
  NTK_ASSERT(info == 0);
  for (int64_t k = 0; k < few; ++k) {
    for (int64_t i = 0; i < many; ++i) values[k * many + i] *= sign_of(room, few)[k];
  }
}

/* JAX draws the normal matrix with the larger side first, whatever the tensor's shape. */
static ntk_status draw_rows(const ntk_draw *draw, ntk_dtype dtype, int many, int few,
                            double *values) {
  double *drawn = NULL;

  NTK_TRY(NTK_NEW(draw->total, &drawn));
  ntk_rng_normal(draw, dtype, 0, draw->total, drawn);
  for (int64_t i = 0; i < many; ++i) {
    for (int64_t k = 0; k < few; ++k) values[k * many + i] = drawn[i * few + k];
  }
  ntk_free(&drawn);
  return NTK_OK;
}

static ntk_status draw_q(const ntk_draw *draw, ntk_dtype dtype, bool tall, int many, int few,
                         double *room, double *values) {
  if (tall) {
    ntk_rng_normal(draw, dtype, 0, draw->total, values);
    orthogonalize_columns(many, few, values, room);
    return NTK_OK;
  }
  NTK_TRY(draw_rows(draw, dtype, many, few, values));
  orthogonalize_rows(many, few, values, room);
  return NTK_OK;
}

/* Vectors of length 1 have entries of variance 1 / many. */
static ntk_status draw_orthogonal(const ntk_draw *draw, ntk_dtype dtype, int64_t columns,
                                  double variance, double *values) {
  const int64_t rows = draw->total / columns;
  const bool tall = rows >= columns;
  const int64_t many = tall ? rows : columns, few = tall ? columns : rows;
  double *room = NULL;

  NTK_ASSERT(many <= INT32_MAX && few < INT32_MAX / PANEL);
  NTK_TRY(NTK_NEW((PANEL + 2) * few, &room));
  const ntk_status status = draw_q(draw, dtype, tall, (int)many, (int)few, room, values);

  ntk_free(&room);
  NTK_TRY(status);
  ntk_law_scale(dtype, sqrt(variance * (double)many), draw->total, values);
  return NTK_OK;
}

const ntk_law ntk_law_orthogonal = {
    {.name = "orthogonal",
     .doc = "sqrt(v max(in, out)) times a uniformly distributed matrix with orthonormal rows or "
            "columns"},
    draw_orthogonal};
