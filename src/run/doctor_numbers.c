/* doctor: arithmetic against loops and formulas, and how fast it is. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ntk/base/log.h"
#include "ntk/base/memory.h"
#include "ntk/run/doctor.h"

/* ---- products ------------------------------------------------------------------------------ */

/* Sizes around those where libraries change their kernels: vector lengths, tiles, remainders. */
static const int64_t shapes[][3] = {{1, 1, 1},     {1, 7, 3},     {5, 3, 2},      {8, 8, 8},
                                    {17, 31, 13},  {33, 65, 129}, {64, 64, 300},  {67, 129, 257},
                                    {128, 192, 1}, {255, 61, 97}, {96, 100, 511}, {2, 300, 40}};

enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]), MARGIN = 3 };

/* One product C = alpha op(A) op(B) + beta C, all in double beside what the library gets. */
typedef struct product_case {
  ntk_dtype dtype;
  bool ta, tb;
  int64_t m, n, k, lda, ldb, ldc;
  double alpha, beta;
  double *a, *b, *c; /* as the loop sees them */
  void *lib_a, *lib_b, *lib_c;
} product_case;

static void size_case(product_case *p) {
  p->lda = (p->ta ? p->m : p->k) + MARGIN;
  p->ldb = (p->tb ? p->k : p->n) + MARGIN;
  p->ldc = p->n + MARGIN;
}

static int64_t count_a(const product_case *p) { return (p->ta ? p->k : p->m) * p->lda; }
static int64_t count_b(const product_case *p) { return (p->tb ? p->n : p->k) * p->ldb; }
static int64_t count_c(const product_case *p) { return p->m * p->ldc; }

/* Numbers in [-1, 1] that the type holds exactly. */
static void fill(ntk_dtype dtype, double *x, int64_t count, double seed) {
  for (int64_t i = 0; i < count; ++i) {
    x[i] = sin(seed * (double)(i + 1));
    if (dtype == NTK_SINGLE) x[i] = (double)(float)x[i];
  }
}

static ntk_status allocate_case(product_case *p) {
  NTK_TRY(NTK_NEW(count_a(p), &p->a));
  NTK_TRY(NTK_NEW(count_b(p), &p->b));
  NTK_TRY(NTK_NEW(count_c(p), &p->c));
  NTK_TRY(ntk_array_new(p->dtype, count_a(p), &p->lib_a));
  NTK_TRY(ntk_array_new(p->dtype, count_b(p), &p->lib_b));
  return ntk_array_new(p->dtype, count_c(p), &p->lib_c);
}

static void free_case(product_case *p) {
  ntk_free(&p->a);
  ntk_free(&p->b);
  ntk_free(&p->c);
  ntk_free(&p->lib_a);
  ntk_free(&p->lib_b);
  ntk_free(&p->lib_c);
}

static double entry(const product_case *p, int64_t i, int64_t j) {
  double sum = 0;

  for (int64_t l = 0; l < p->k; ++l) {
    sum += p->a[p->ta ? l * p->lda + i : i * p->lda + l] *
           p->b[p->tb ? j * p->ldb + l : l * p->ldb + j];
  }
  return p->alpha * sum + (p->beta != 0 ? p->beta * p->c[i * p->ldc + j] : 0);
}

static double library_entry(const product_case *p, int64_t at) {
  return ntk_array_get(p->dtype, p->lib_c, at);
}

/* In units of what rounding explains; NaN counts as infinitely wrong, and so does a write beside C.
 */
static double deviation(const product_case *p) {
  const double unit = p->dtype == NTK_DOUBLE ? DBL_EPSILON : FLT_EPSILON;
  double worst = 0;

  for (int64_t i = 0; i < p->m; ++i) {
    for (int64_t j = 0; j < p->ldc; ++j) {
      const double got = library_entry(p, i * p->ldc + j);
      const double wanted = j < p->n ? entry(p, i, j) : p->c[i * p->ldc + j];
      const double error = fabs(got - wanted) / (4 * unit * (double)(p->k + 4));

      if (j >= p->n && p->beta == 0) continue;
      if (!(error <= worst)) worst = isnan(error) ? INFINITY : error;
    }
  }
  return worst;
}

static void compute_case(ntk_product *product, product_case *p) {
  fill(p->dtype, p->a, count_a(p), 1.3);
  fill(p->dtype, p->b, count_b(p), 2.1);
  fill(p->dtype, p->c, count_c(p), 3.7);
  for (int64_t i = 0; i < count_c(p) && p->beta == 0; ++i) p->c[i] = NAN;
  ntk_array_convert(NTK_DOUBLE, p->a, p->dtype, p->lib_a, count_a(p));
  ntk_array_convert(NTK_DOUBLE, p->b, p->dtype, p->lib_b, count_b(p));
  ntk_array_convert(NTK_DOUBLE, p->c, p->dtype, p->lib_c, count_c(p));
  product(p->dtype, p->ta, p->tb, p->m, p->n, p->k, p->alpha, p->lib_a, p->lda, p->lib_b, p->ldb,
          p->beta, p->lib_c, p->ldc);
}

static void keep_worst(const product_case *p, double worst, ntk_product_check *check) {
  ++check->cases;
  if (worst <= check->worst) return;
  check->worst = worst;
  (void)snprintf(check->where, sizeof(check->where), "A%s B%s, %d x %d x %d", p->ta ? "^T" : "",
                 p->tb ? "^T" : "", (int)p->m, (int)p->n, (int)p->k);
}

static ntk_status check_case(ntk_product *product, product_case *p, ntk_product_check *check) {
  size_case(p);
  const ntk_status status = allocate_case(p);

  if (status == NTK_OK) {
    compute_case(product, p);
    keep_worst(p, deviation(p), check);
  }
  free_case(p);
  return status;
}

ntk_status ntk_doctor_check_product(ntk_product *product, ntk_dtype dtype,
                                    ntk_product_check *check) {
  *check = (ntk_product_check){0};
  for (int s = 0; s < SHAPES; ++s) {
    for (int variant = 0; variant < 4; ++variant) {
      product_case p = {.dtype = dtype,
                        .ta = variant & 1,
                        .tb = variant & 2,
                        .m = shapes[s][0],
                        .n = shapes[s][1],
                        .k = shapes[s][2],
                        .alpha = s % 2 ? 1 : -0.5,
                        .beta = s % 3 ? 0 : 0.75};

      NTK_TRY(check_case(product, &p, check));
    }
  }
  return NTK_OK;
}

/* ---- the eigenproblem ---------------------------------------------------------------------- */

static double known_eigenvalue(int64_t n, int64_t k) {
  const double pi = 3.14159265358979323846;
  const double s = sin((2 * (double)k + 1) * pi / (4 * (double)n + 2));

  return 1 / (4 * s * s);
}

static void fill_matrix(ntk_matrix *m) {
  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    const int64_t j = ntk_matrix_col(m, lj);

    for (int64_t li = 0; li < m->local_rows; ++li) {
      const int64_t i = ntk_matrix_row(m, li);

      m->data[li + lj * m->ld] = 1 + (double)(i < j ? i : j);
    }
  }
}

static void examine(const ntk_spectrum *spectrum, ntk_spectrum_check *check) {
  const double top = known_eigenvalue(check->n, 0), allowed = 1e-11;

  check->residual = spectrum->residual;
  check->orthogonality = spectrum->orthogonality;
  check->seconds = spectrum->seconds;
  for (int64_t k = 0; k < check->n; ++k) {
    const double error = fabs(spectrum->eigenvalue[k] - known_eigenvalue(check->n, k)) / top;

    if (!(error <= check->eigenvalues)) check->eigenvalues = isnan(error) ? INFINITY : error;
  }
  if (check->eigenvalues <= allowed) return;
  (void)snprintf(check->problem, sizeof(check->problem),
                 "eigenvalues are off by %.1e of the largest", check->eigenvalues);
}

static ntk_status solve(const ntk_solver *solver, ntk_matrix *m, ntk_spectrum_check *check) {
  const ntk_spectrum_settings settings = {.solver = &solver->row, .block = m->block, .cutoff = NAN};
  ntk_spectrum spectrum = {0};
  const ntk_status status = ntk_spectrum_compute(&settings, m, false, &spectrum);

  if (status == NTK_OK) examine(&spectrum, check);
  ntk_spectrum_destroy(&spectrum);
  if (status != NTK_E_NUMERIC) return status;
  (void)snprintf(check->problem, sizeof(check->problem), "%.*s", (int)sizeof(check->problem) - 1,
                 ntk_last_error()->text);
  return NTK_OK;
}

ntk_status ntk_doctor_check_spectrum(const ntk_grid *grid, const ntk_solver *solver, int64_t n,
                                     ntk_spectrum_check *check) {
  const ntk_spectrum_settings settings = {.solver = &solver->row, .block = NTK_AUTO_INT};
  const int64_t block = ntk_spectrum_block(&settings, n, grid->rows, grid->cols);
  ntk_matrix m = {0};

  *check = (ntk_spectrum_check){.n = n};
  ntk_status status = ntk_matrix_create(grid, n, n, block, &m);

  if (status == NTK_OK) {
    fill_matrix(&m);
    status = solve(solver, &m, check);
  }
  ntk_matrix_destroy(&m);
  return status;
}

/* ---- speed --------------------------------------------------------------------------------- */

enum { TRIALS = 3 };

static void time_products(const ntk_comm *comm, ntk_dtype dtype, int64_t edge, void *matrix,
                          double *rate) {
  const int64_t size = edge * edge;
  double best = INFINITY;

  for (int k = 0; k < TRIALS; ++k) {
    MPI_Barrier(comm->mpi);
    const double start = ntk_now();

    ntk_gemm(dtype, false, true, edge, edge, edge, 1, matrix, edge,
             ntk_array_at(dtype, matrix, size), edge, 0, ntk_array_at(dtype, matrix, 2 * size),
             edge);
    best = fmin(best, ntk_now() - start);
    if (ntk_comm_max(comm, best) > 1) break; /* slow enough to be told apart */
  }
  *rate = 2.0 * (double)edge * (double)edge * (double)edge / fmax(best, 1e-6);
}

ntk_status ntk_doctor_time_product(const ntk_comm *comm, ntk_dtype dtype, int64_t edge,
                                   double *rate) {
  void *matrix = NULL;
  const ntk_status status = ntk_agree(comm, ntk_array_new(dtype, 3 * edge * edge, &matrix));

  if (status == NTK_OK) time_products(comm, dtype, edge, matrix, rate);
  ntk_free(&matrix);
  return status;
}
