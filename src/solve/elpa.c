/* ELPA's solvers: reduction to a tridiagonal matrix at once, or by way of a band. */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "ntk/base/log.h"
#include "ntk/base/memory.h"
#include "solver.h"

#ifdef NTK_HAVE_ELPA

#include <elpa/elpa.h>

enum { API_VERSION = 20200417 }; /* the oldest that has all calls made here */

/* ---- which kernel turns the eigenvectors of the band back ---- */

/* All that this ELPA knows by name; whether it was built with them is seen when they are set. */
static const struct {
  const char *name;
  int value;
} known[] = {
#define ROW(name, value, ...) {#name, value},
    ELPA_FOR_ALL_2STAGE_REAL_KERNELS(ROW, 0)
#undef ROW
};

enum { KNOWN = sizeof(known) / sizeof(known[0]) };

static bool always(void) { return true; }

#ifdef __x86_64__

static bool avx512(void) { return __builtin_cpu_supports("avx512f"); }

static bool avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

static bool avx(void) { return __builtin_cpu_supports("avx"); }

#endif

/* From the best to the last resort, as measured; ELPA's own default is one of the slowest, and it
 * does not ask whether the processor can run what it is told to. */
static const struct {
  const char *name;
  bool (*runs)(void);
} preferred[] = {
#ifdef __x86_64__
    {"ELPA_2STAGE_REAL_AVX512_BLOCK6", avx512},
    {"ELPA_2STAGE_REAL_AVX512_BLOCK4", avx512},
    {"ELPA_2STAGE_REAL_AVX512_BLOCK2", avx512},
    {"ELPA_2STAGE_REAL_AVX2_BLOCK6", avx2},
    {"ELPA_2STAGE_REAL_AVX2_BLOCK4", avx2},
    {"ELPA_2STAGE_REAL_AVX2_BLOCK2", avx2},
    {"ELPA_2STAGE_REAL_AVX_BLOCK4", avx},
    {"ELPA_2STAGE_REAL_AVX_BLOCK2", avx},
    {"ELPA_2STAGE_REAL_SSE_BLOCK4", always},
    {"ELPA_2STAGE_REAL_SSE_BLOCK2", always},
#endif
    {"ELPA_2STAGE_REAL_NEON_ARCH64_BLOCK4", always}, /* built for processors that have it */
    {"ELPA_2STAGE_REAL_NEON_ARCH64_BLOCK2", always},
    {"ELPA_2STAGE_REAL_VSX_BLOCK4", always},
    {"ELPA_2STAGE_REAL_VSX_BLOCK2", always},
    {"ELPA_2STAGE_REAL_SPARC64_BLOCK4", always},
    {"ELPA_2STAGE_REAL_GENERIC_SIMPLE_BLOCK6", always},
    {"ELPA_2STAGE_REAL_GENERIC_SIMPLE_BLOCK4", always},
    {"ELPA_2STAGE_REAL_GENERIC", always},
};

enum { PREFERRED = sizeof(preferred) / sizeof(preferred[0]) };

/* Whether this ELPA has it. */
static bool set_kernel(elpa_t handle, const char *name) {
  for (int k = 0; k < KNOWN; ++k) {
    int error = ELPA_OK;

    if (strcmp(known[k].name, name) != 0) continue;
    elpa_set(handle, "real_kernel", known[k].value, &error);
    return error == ELPA_OK;
  }
  return false;
}

/* As ELPA will use it, which its own environment variables may have the last word on; without
 * what all names begin with. */
static const char *kernel_set(elpa_t handle) {
  int value = 0, error = ELPA_OK;

  elpa_get(handle, "real_kernel", &value, &error);
  for (int k = 0; k < KNOWN; ++k) {
    if (known[k].value == value) return known[k].name + strlen("ELPA_2STAGE_REAL_");
  }
  return "unknown";
}

static const char *choose_kernel(elpa_t handle) {
#ifdef __x86_64__
  __builtin_cpu_init();
#endif
  for (int k = 0; k < PREFERRED; ++k) {
    if (preferred[k].runs() && set_kernel(handle, preferred[k].name)) break;
  }
  return kernel_set(handle);
}

/* ---- one problem ---- */

static ntk_status judge(const char *solver, const char *what, int error) {
  NTK_CHECK(error == ELPA_OK, NTK_E_NUMERIC, "%s: %s: %s (%d); try another spectrum.solver", solver,
            what, elpa_strerr(error), error);
  return NTK_OK;
}

typedef struct option {
  const char *key;
  int value;
} option;

/* The first error, and the key that it was about. */
static int set_all(elpa_t handle, const option *options, const char **key) {
  int error = ELPA_OK;

  for (; options->key && error == ELPA_OK; ++options) {
    *key = options->key;
    elpa_set(handle, options->key, options->value, &error);
  }
  return error;
}

/* The communicators are the grid's: what ELPA calls "rows" are the ranks of one process column. */
static int describe(const ntk_matrix *a, elpa_t handle, const char **step) {
  const ntk_grid *grid = a->grid;
  const option options[] = {{"na", (int)a->rows},
                            {"nev", (int)a->rows},
                            {"local_nrows", (int)a->ld},
                            {"local_ncols", (int)a->local_cols},
                            {"nblk", (int)a->block},
                            {"mpi_comm_parent", (int)MPI_Comm_c2f(grid->comm->mpi)},
                            {"mpi_comm_rows", (int)MPI_Comm_c2f(grid->col_comm.mpi)},
                            {"mpi_comm_cols", (int)MPI_Comm_c2f(grid->row_comm.mpi)},
                            {NULL, 0}};
  const int error = set_all(handle, options, step);

  if (error != ELPA_OK) return error;
  *step = "elpa_setup";
  return elpa_setup(handle);
}

typedef struct problem {
  const char *name; /* of the solver, for messages */
  int stages;
  elpa_t handle;
  double *upper; /* strict upper triangle of the local part, column by column */
  const char *kernel;
} problem;

/* A handle that was not set up cannot be given back: elpa_deallocate reads there whether it owns
 * communicators, which nobody has written yet, and may free the grid's. */
static int create_handle(const ntk_matrix *a, problem *p, const char **step) {
  int error = ELPA_OK;
  elpa_t handle = elpa_allocate(&error);

  *step = "elpa_allocate";
  if (error == ELPA_OK) error = describe(a, handle, step);
  if (error == ELPA_OK) p->handle = handle;
  return error;
}

static ntk_status create(const ntk_matrix *a, problem *p) {
  const option stages[] = {{"solver", p->stages == 1 ? ELPA_SOLVER_1STAGE : ELPA_SOLVER_2STAGE},
                           {NULL, 0}};
  const char *step = "elpa_init";
  int error = elpa_init(API_VERSION);

  NTK_TRY(judge(p->name, step, error));
  error = create_handle(a, p, &step);
  NTK_TRY(judge(p->name, step, error));
  error = set_all(p->handle, stages, &step);
  NTK_TRY(judge(p->name, step, error));
  p->kernel = p->stages == 2 ? choose_kernel(p->handle) : "";
  return NTK_OK;
}

static void destroy(problem *p) {
  int ignored = ELPA_OK;

  if (p->handle) elpa_deallocate(p->handle, &ignored);
  elpa_uninit(&ignored);
  ntk_free(&p->upper);
}

/* ELPA destroys the whole matrix: the strict upper triangle is kept aside meanwhile. */
static int64_t move_upper(const ntk_matrix *a, double *upper, bool back) {
  int64_t count = 0;

  for (int64_t lj = 0; lj < a->local_cols; ++lj) {
    const int64_t rows = ntk_matrix_rows_below(a, ntk_matrix_col(a, lj));
    double *column = a->data + lj * a->ld;

    if (upper && back) memcpy(column, upper + count, (size_t)rows * sizeof(double));
    if (upper && !back) memcpy(upper + count, column, (size_t)rows * sizeof(double));
    count += rows;
  }
  return count;
}

static ntk_status prepare(const ntk_matrix *a, problem *p) {
  NTK_TRY(ntk_new_unset((size_t)move_upper(a, NULL, false), sizeof(double), &p->upper));
  (void)move_upper(a, p->upper, false);
  return create(a, p);
}

static ntk_status call(const ntk_matrix *a, ntk_spectrum *s, const problem *p) {
  int error = ELPA_OK;

  elpa_eigenvectors(p->handle, a->data, s->eigenvalue, s->vectors.data, &error);
  return judge(p->name, "elpa_eigenvectors", error);
}

/* A coin for entry (i, j), the same for all time and on any grid. */
static bool coin(int64_t i, int64_t j) {
  uint64_t x = ((uint64_t)i << 32) + (uint64_t)j + UINT64_C(0x9e3779b97f4a7c15);

  x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
  return x >> 63;
}

static double largest_below(const ntk_matrix *a) {
  double largest = 0;

  for (int64_t lj = 0; lj < a->local_cols; ++lj) {
    for (int64_t li = ntk_matrix_rows_below(a, ntk_matrix_col(a, lj)); li < a->local_rows; ++li) {
      largest = fmax(largest, fabs(a->data[li + lj * a->ld]));
    }
  }
  return largest;
}

/* ELPA squares entries without regard to their size; where that underflows, its reflections are not
 * orthogonal, and there is no error.  So the largest entry is brought to between 1/2 and 1 by a
 * power of two, whose exponent is returned.
 *
 * What remains of a matrix like c 1 1^T + I shrinks by the precision with every panel and gets
 * there by itself (n = 500: residual 5e-3).  Half of the entries are moved by one unit in the last
 * place, what rounding does to a matrix that is computed: then it cannot. */
static int condition(ntk_matrix *a) {
  int exponent = 0;

  (void)frexp(ntk_comm_max(a->grid->comm, largest_below(a)), &exponent);
  for (int64_t lj = 0; lj < a->local_cols; ++lj) {
    const int64_t j = ntk_matrix_col(a, lj);

    for (int64_t li = ntk_matrix_rows_below(a, j); li < a->local_rows; ++li) {
      double *entry = a->data + li + lj * a->ld;

      *entry = ldexp(*entry, -exponent);
      if (coin(ntk_matrix_row(a, li), j)) *entry *= 1 + DBL_EPSILON;
    }
  }
  return exponent;
}

static ntk_status compute(ntk_matrix *a, ntk_spectrum *s, const problem *p) {
  const int exponent = condition(a);

  NTK_TRY(ntk_matrix_mirror_lower(a));
  NTK_AGREE(a->grid->comm, call(a, s, p));
  for (int64_t k = 0; k < s->n; ++k) s->eigenvalue[k] = ldexp(s->eigenvalue[k], exponent);
  return NTK_OK;
}

static ntk_status solve_here(int stages, ntk_matrix *a, ntk_spectrum *spectrum) {
  problem p = {.name = spectrum->solver, .stages = stages, .kernel = ""};

  ntk_status status = ntk_agree(a->grid->comm, prepare(a, &p));
  if (status == NTK_OK) status = compute(a, spectrum, &p);
  if (p.upper) (void)move_upper(a, p.upper, true);
  spectrum->kernel = p.kernel;
  destroy(&p);
  return status;
}

/* A process without rows or columns: there ELPA refuses to work, or reads what is not there. */
static bool leaves_some_empty(const ntk_matrix *a) {
  const int longer = a->grid->rows > a->grid->cols ? a->grid->rows : a->grid->cols;

  return a->rows <= (longer - 1) * a->block;
}

static ntk_status solve(int stages, ntk_matrix *a, ntk_spectrum *spectrum) {
  if (!leaves_some_empty(a)) return solve_here(stages, a, spectrum);
  ntk_log("%s needs a part of the matrix on every rank: %lld rows in blocks of %lld are left to %s",
          spectrum->solver, (long long)a->rows, (long long)a->block, ntk_pdsyevd.row.name);
  spectrum->solver = ntk_pdsyevd.row.name;
  return ntk_pdsyevd.solve(a, spectrum);
}

static ntk_status solve1(ntk_matrix *a, ntk_spectrum *spectrum) { return solve(1, a, spectrum); }
static ntk_status solve2(ntk_matrix *a, ntk_spectrum *spectrum) { return solve(2, a, spectrum); }

/* The triangle kept aside, and what ELPA allocates: one local matrix for divide and conquer, or one
 * and a half for the way by the band, and panels of up to 768 columns (measured, 1 to 4 ranks). */
static double bytes(double matrices, int64_t n, int64_t block, int grid_rows, int grid_cols) {
  const double local =
      (double)ntk_dealt(n, block, 0, grid_rows) * (double)ntk_dealt(n, block, 0, grid_cols);

  return 8 * ((0.5 + matrices) * local + (double)(block + 768) * (double)n);
}

static double workspace1(int64_t n, int64_t block, int grid_rows, int grid_cols) {
  return bytes(1, n, block, grid_rows, grid_cols);
}

static double workspace2(int64_t n, int64_t block, int grid_rows, int grid_cols) {
  return bytes(1.5, n, block, grid_rows, grid_cols);
}

#define MISSING NULL

#else

#define MISSING "configure with ELPA: install libelpa-dev, or pass -DELPA_ROOT=<prefix> to CMake"
#define solve1 NULL
#define solve2 NULL
#define workspace1 NULL
#define workspace2 NULL

#endif

const ntk_solver ntk_elpa1 = {
    .row = {.name = "elpa1", .doc = "ELPA, reduction to a tridiagonal matrix in one stage"},
    .missing = MISSING,
    .solve = solve1,
    .workspace = workspace1,
};

const ntk_solver ntk_elpa2 = {
    .row = {.name = "elpa2", .doc = "ELPA, reduction in two stages, by way of a band"},
    .missing = MISSING,
    .solve = solve2,
    .workspace = workspace2,
};
