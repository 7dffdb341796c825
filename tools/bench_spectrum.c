/* What the checks around pdsyevd cost: time of ntk_spectrum_compute over that of the bare routine
 * on the same matrix, alternating, ratio of the medians.
 *
 *   mpirun -n 2 bench_spectrum [n [block [rounds]]]      prints  spectrum pdsyevd ratio 1.05
 *
 * The grid is 1 x ranks; the matrix is the NTK of a ReLU network with one hidden layer, in the
 * limit of infinite width, on points of a sphere. */
#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ntk/base/array.h"
#include "ntk/base/log.h"
#include "ntk/base/memory.h"
#include "ntk/base/random.h"
#include "ntk/dist/scalapack.h"
#include "ntk/solve/spectrum.h"

enum { DIMENSION = 16, MOST_ROUNDS = 101 };

typedef struct bench {
  const ntk_solver *solver;
  ntk_matrix gram, copy, vectors; /* the last two for the bare routine */
  double *values, *work;
  int *integers;
  int64_t work_count, integer_count;
} bench;

/* ---- the matrix ---- */

static ntk_status draw_points(int64_t n, double *x) {
  const ntk_draw draw = {.layout = NTK_RNG_PARTITIONABLE,
                         .key = ntk_rng_seed(0, true),
                         .total = n * DIMENSION};

  ntk_rng_normal(&draw, NTK_DOUBLE, 0, n * DIMENSION, x);
  for (int64_t i = 0; i < n; ++i) {
    double norm = 0;

    for (int64_t k = 0; k < DIMENSION; ++k) norm += x[i * DIMENSION + k] * x[i * DIMENSION + k];
    for (int64_t k = 0; k < DIMENSION; ++k) x[i * DIMENSION + k] /= sqrt(norm);
  }
  return NTK_OK;
}

static double kernel(const double *x, const double *y) {
  const double pi = 3.14159265358979323846;
  double u = 0;

  for (int64_t k = 0; k < DIMENSION; ++k) u += x[k] * y[k];
  u = fmax(-1, fmin(1, u));
  return (2 * u * (pi - acos(u)) + sqrt(1 - u * u)) / pi;
}

static ntk_status fill(ntk_matrix *m) {
  double *x = NULL;

  NTK_TRY(NTK_NEW(m->rows * DIMENSION, &x));
  ntk_status status = draw_points(m->rows, x);
  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    const double *y = x + ntk_matrix_col(m, lj) * DIMENSION;

    for (int64_t li = 0; li < m->local_rows; ++li) {
      m->data[li + lj * m->ld] = kernel(x + ntk_matrix_row(m, li) * DIMENSION, y);
    }
  }
  ntk_free(&x);
  return status;
}

/* ---- the two calls ---- */

static ntk_status time_whole(bench *b, double *seconds) {
  const ntk_spectrum_settings settings = {
      .solver = &b->solver->row, .block = b->gram.block, .cutoff = NAN};
  ntk_spectrum spectrum = {0};

  MPI_Barrier(b->gram.grid->comm->mpi);
  const double start = ntk_now();
  NTK_TRY(ntk_spectrum_compute(&settings, &b->gram, false, &spectrum));
  *seconds = ntk_now() - start;
  ntk_spectrum_destroy(&spectrum);
  return NTK_OK;
}

static ntk_status call_bare(bench *b) {
  const int n = (int)b->copy.rows, lwork = (int)b->work_count, liwork = (int)b->integer_count;
  const int one = 1;
  int info = 0;

  pdsyevd_("V", "L", &n, b->copy.data, &one, &one, b->copy.descriptor, b->values,
           b->vectors.data, &one, &one, b->vectors.descriptor, b->work, &lwork,
           b->integers, &liwork, &info);
  NTK_CHECK(info == 0, NTK_E_NUMERIC, "pdsyevd failed, info = %d", info);
  return NTK_OK;
}

static ntk_status time_bare(bench *b, double *seconds) {
  const ntk_comm *comm = b->gram.grid->comm;

  memcpy(b->copy.data, b->gram.data,
         (size_t)(b->gram.ld * b->gram.local_cols) * sizeof(double));
  MPI_Barrier(comm->mpi);
  const double start = ntk_now();
  NTK_AGREE(comm, call_bare(b));
  *seconds = ntk_now() - start;
  return NTK_OK;
}

/* ---- the comparison ---- */

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;

  return (x > y) - (x < y);
}

static double median(double *values, int count) {
  qsort(values, (size_t)count, sizeof(*values), ascending);
  return values[count / 2];
}

static ntk_status allocate(bench *b) {
  const ntk_grid *grid = b->gram.grid;
  const int64_t n = b->gram.rows;

  b->integer_count = 7 * n + 8 * (int64_t)grid->cols + 2;
  b->work_count = (int64_t)(b->solver->workspace(n, b->gram.block, grid->rows, grid->cols) / 8);
  NTK_TRY(NTK_NEW(n, &b->values));
  NTK_TRY(NTK_NEW(b->work_count, &b->work));
  NTK_TRY(NTK_NEW(b->integer_count, &b->integers));
  return fill(&b->gram);
}

static ntk_status compare(bench *b, int rounds) {
  const ntk_comm *comm = b->gram.grid->comm;
  double whole[MOST_ROUNDS] = {0}, bare[MOST_ROUNDS] = {0};

  for (int k = 0; k < rounds; ++k) {
    NTK_TRY(time_bare(b, &bare[k]));
    NTK_TRY(time_whole(b, &whole[k]));
    ntk_log("round %d: %.4f s bare, %.4f s whole", k + 1, bare[k], whole[k]);
  }
  const double ratio = median(whole, rounds) / median(bare, rounds);
  if (comm->rank == 0) printf("spectrum pdsyevd ratio %.3f\n", ratio);
  return NTK_OK;
}

static ntk_status run(const ntk_grid *grid, int64_t n, int64_t block, int rounds, bench *b) {
  b->solver = (const ntk_solver *)ntk_row_find(ntk_solvers, "pdsyevd");
  NTK_TRY(ntk_matrix_create(grid, n, n, block, &b->gram));
  NTK_TRY(ntk_matrix_create(grid, n, n, block, &b->copy));
  NTK_TRY(ntk_matrix_create(grid, n, n, block, &b->vectors));
  NTK_AGREE(grid->comm, allocate(b));
  return compare(b, rounds);
}

static void destroy(bench *b) {
  ntk_matrix_destroy(&b->gram);
  ntk_matrix_destroy(&b->copy);
  ntk_matrix_destroy(&b->vectors);
  ntk_free(&b->values);
  ntk_free(&b->work);
  ntk_free(&b->integers);
}

/* A positive integer argument, or its default. */
static int64_t argument(int argc, char **argv, int k, int64_t fallback) {
  const long long value = k < argc ? strtoll(argv[k], NULL, 10) : 0;

  return value > 0 ? value : fallback;
}

int main(int argc, char **argv) {
  bench b = {0};
  ntk_grid grid = {0};

  ntk_blas_adopt_core(argv);
  MPI_Init(&argc, &argv);
  const ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD);
  const int64_t rounds = argument(argc, argv, 3, 3);

  ntk_log_enable(comm.rank == 0);
  ntk_status status = ntk_grid_create(&comm, 1, comm.size, &grid);
  if (status == NTK_OK) {
    status = run(&grid, argument(argc, argv, 1, 4096), argument(argc, argv, 2, 64),
                 (int)(rounds < MOST_ROUNDS ? rounds : MOST_ROUNDS), &b);
    destroy(&b);
    ntk_grid_destroy(&grid);
  }
  if (status != NTK_OK && comm.rank == 0) (void)fprintf(stderr, "%s\n", ntk_last_error()->text);
  MPI_Finalize();
  return ntk_status_exit_code(status);
}
