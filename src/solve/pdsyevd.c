/* ScaLAPACK's divide and conquer. */
#include <stdint.h>

#include "ntk/base/memory.h"
#include "ntk/dist/scalapack.h"
#include "solver.h"

static int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

/* Reals of workspace, the most that a process of the grid asks for, in 64 bits.
 *
 * Neither the documentation's formula nor the routine's own query will do: where n is not larger
 * than about the block, PDORMTR finds its part too small, prints a line and leaves the vectors of
 * the tridiagonal matrix, with info = 0.  The two last terms are PDORMTR's and PDSYTRD's. */
static int64_t reals(int64_t n, int64_t nb, int grid_rows, int grid_cols) {
  const int64_t np = ntk_dealt(n, nb, 0, grid_rows), nq = ntk_dealt(n, nb, 0, grid_cols);
  const int64_t stedc = 1 + 6 * n + 2 * np * nq, sytrd = 3 * n + max(nb * (np + 1), 3 * nb);
  const int64_t ormtr = max(nb * (nb - 1) / 2, (np + nq + 2 * nb) * nb) + nb * nb;

  return 2 * n + max(max(stedc, sytrd), max(ormtr, np * (nb + nq) + 6 * n));
}

static int64_t integers(int64_t n, int grid_cols) { return 7 * n + 8 * (int64_t)grid_cols + 2; }

/* The fewest ranks, squarest grids, whose workspace the routine's integers can count. */
static int fewest_ranks(int64_t n, int64_t nb) {
  int ranks = 1;

  for (; ranks < INT32_MAX; ++ranks) {
    int rows = 0, cols = 0;

    ntk_grid_squarest(ranks, &rows, &cols);
    if (reals(n, nb, rows, cols) <= INT32_MAX) break;
  }
  return ranks;
}

typedef struct scratch {
  double *real;
  int *integer;
} scratch;

static ntk_status allocate(const ntk_matrix *a, scratch *s) {
  const ntk_grid *grid = a->grid;
  const int64_t count = reals(a->rows, a->block, grid->rows, grid->cols);

  NTK_CHECK(count <= INT32_MAX, NTK_E_SIZE,
            "pdsyevd: n = %lld on %d ranks needs a workspace beyond ScaLAPACK's 32-bit integers; "
            "use at least %d ranks",
            (long long)a->rows, grid->comm->size, fewest_ranks(a->rows, a->block));
  NTK_TRY(NTK_NEW(count, &s->real));
  return NTK_NEW(integers(a->rows, grid->cols), &s->integer);
}

static ntk_status call(ntk_matrix *a, double *w, ntk_matrix *z, const scratch *s) {
  const ntk_grid *grid = a->grid;
  const int n = (int)a->rows, one = 1, liwork = (int)integers(a->rows, grid->cols);
  const int lwork = (int)reals(a->rows, a->block, grid->rows, grid->cols);
  int info = 0;

  pdsyevd_("V", "L", &n, a->data, &one, &one, a->descriptor, w, z->data, &one, &one,
           z->descriptor, s->real, &lwork, s->integer, &liwork, &info);
  NTK_CHECK(info == 0, NTK_E_NUMERIC, "pdsyevd failed, info = %d", info);
  return NTK_OK;
}

static ntk_status solve(ntk_matrix *a, ntk_spectrum *spectrum) {
  scratch s = {0};

  ntk_status status = ntk_agree(a->grid->comm, allocate(a, &s));
  if (status == NTK_OK) status = ntk_agree(a->grid->comm, call(a, spectrum->eigenvalue, &spectrum->vectors, &s));
  ntk_free(&s.real);
  ntk_free(&s.integer);
  return status;
}

static double workspace(int64_t n, int64_t block, int grid_rows, int grid_cols) {
  return 8.0 * (double)reals(n, block, grid_rows, grid_cols) +
         4.0 * (double)integers(n, grid_cols);
}

const ntk_solver ntk_pdsyevd = {
    .row = {.name = "pdsyevd", .doc = "ScaLAPACK's divide and conquer, on any process grid"},
    .solve = solve,
    .workspace = workspace,
};
