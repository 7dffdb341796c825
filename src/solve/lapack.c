/* LAPACK's divide and conquer, on one rank: the counterpart against which others are checked. */
#include <stdint.h>
#include <string.h>

#include "ntk/base/memory.h"
#include "ntk/dist/scalapack.h"
#include "solver.h"

/* Reals and integers that dsyevd asks for, in 64 bits. */
static int64_t reals(int64_t n) { return 1 + 6 * n + 2 * n * n; }
static int64_t integers(int64_t n) { return 3 + 5 * n; }

typedef struct scratch {
  double *real;
  int *integer;
} scratch;

static ntk_status allocate(int64_t n, scratch *s) {
  NTK_CHECK(reals(n) <= INT32_MAX, NTK_E_SIZE,
            "lapack: n = %lld exceeds the 32-bit integers of its workspace (n <= 32766); choose "
            "spectrum.solver pdsyevd",
            (long long)n);
  NTK_TRY(NTK_NEW(reals(n), &s->real));
  return NTK_NEW(integers(n), &s->integer);
}

/* dsyevd overwrites the matrix with the vectors, so it is given a copy in `z`. */
static ntk_status call(const ntk_matrix *a, double *w, ntk_matrix *z, const scratch *s) {
  const int n = (int)a->rows, ld = (int)z->ld;
  const int lwork = (int)reals(n), liwork = (int)integers(n);
  int info = 0;

  memcpy(z->data, a->data, (size_t)(a->ld * a->local_cols) * sizeof(double));
  dsyevd_("V", "L", &n, z->data, &ld, w, s->real, &lwork, s->integer, &liwork, &info);
  NTK_CHECK(info == 0, NTK_E_NUMERIC, "lapack: dsyevd failed, info = %d", info);
  return NTK_OK;
}

static ntk_status solve(ntk_matrix *a, ntk_spectrum *spectrum) {
  ntk_matrix *z = &spectrum->vectors;
  scratch s = {0};

  NTK_ASSERT(a->local_rows == a->rows && a->local_cols == a->rows && a->ld == z->ld);
  ntk_status status = ntk_agree(a->grid->comm, allocate(a->rows, &s));
  if (status == NTK_OK) status = ntk_agree(a->grid->comm, call(a, spectrum->eigenvalue, z, &s));
  ntk_free(&s.real);
  ntk_free(&s.integer);
  return status;
}

static double workspace(int64_t n, int64_t block, int grid_rows, int grid_cols) {
  (void)block, (void)grid_rows, (void)grid_cols;
  return 8.0 * (double)reals(n) + 4.0 * (double)integers(n);
}

const ntk_solver ntk_lapack = {
    .row = {.name = "lapack", .doc = "LAPACK's dsyevd, divide and conquer, on one rank"},
    .max_ranks = 1,
    .solve = solve,
    .workspace = workspace,
};
