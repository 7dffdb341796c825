/* What the spectrum refuses, and what it makes of noise: NaN, asymmetry, indefinite matrices,
 * solvers that fail or return nonsense, sizes beyond ScaLAPACK's integers, solvers that the build
 * lacks; signs and cutoff by MATH I.2; every check made to fail on every rank.
 *
 * Method: small matrices with known eigenvalues; solvers written here that lie; matrices that
 * claim a size without having it. */
//TEST ranks=1,2,4
#include "ntk/solve/spectrum.h"

#include <float.h>

#include "faults.h"
#include "test.h"

enum { N = 20, BLOCK = 4 };

static const ntk_solver *solver_named(const char *name) {
  for (const ntk_row *const *row = ntk_solvers; *row; ++row) {
    if (strcmp((*row)->name, name) == 0) return (const ntk_solver *)*row;
  }
  FAIL("no solver %s", name);
}

static ntk_spectrum_settings defaults(const ntk_solver *solver) {
  return (ntk_spectrum_settings){.solver = &solver->row, .block = NTK_AUTO_INT, .cutoff = NAN};
}

static void set(ntk_matrix *m, int64_t i, int64_t j, double value) {
  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    for (int64_t li = 0; li < m->local_rows; ++li) {
      if (ntk_matrix_row(m, li) == i && ntk_matrix_col(m, lj) == j) {
        m->data[li + lj * m->ld] = value;
      }
    }
  }
}

/* shift + (lambda - shift) / N in every entry of a matrix: eigenvalues lambda, and shift else. */
static void fill(ntk_matrix *m, double lambda, double shift) {
  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    for (int64_t li = 0; li < m->local_rows; ++li) {
      m->data[li + lj * m->ld] = (lambda - shift) / (double)m->rows +
                                 (ntk_matrix_row(m, li) == ntk_matrix_col(m, lj) ? shift : 0);
    }
  }
}

static ntk_status compute(const ntk_solver *solver, ntk_matrix *m, bool single, double cutoff,
                          ntk_spectrum *s) {
  ntk_spectrum_settings settings = defaults(solver);

  settings.cutoff = cutoff;
  return ntk_spectrum_compute(&settings, m, single, s);
}

static void expect_refused(const ntk_solver *solver, ntk_matrix *m, bool single,
                           ntk_status status, const char *part) {
  ntk_spectrum s;

  EXPECT_REFUSED(compute(solver, m, single, NAN, &s), status, part);
  EXPECT(!s.eigenvalue && !s.vectors.data && !s.n);
}

static void test_bad_matrices(const ntk_grid *grid, const ntk_solver *solver) {
  const double bad[] = {NAN, INFINITY, -INFINITY};
  ntk_matrix m = {0};
  ntk_spectrum s = {0};

  EXPECT_OK(ntk_matrix_create(grid, N, N, BLOCK, &m));
  for (int k = 0; k < 3; ++k) {
    fill(&m, 5, 1);
    set(&m, 2, 17, bad[k]); /* in the upper triangle only, which no solver reads */
    expect_refused(solver, &m, false, NTK_E_NUMERIC, "NaN or infinity");
  }
  fill(&m, 5, 1);
  set(&m, 2, 17, 0.2 + 1e-9);
  expect_refused(solver, &m, false, NTK_E_NUMERIC, "not symmetric");
  EXPECT_OK(compute(solver, &m, true, NAN, &s)); /* rounding, for single precision */
  EXPECT(s.eigenvalue[0] != 5);
  ntk_spectrum_destroy(&s);
  ntk_matrix_facts facts;
  EXPECT_OK(ntk_matrix_measure(&m, &facts));
  EXPECT(facts.asymmetry == 0);
  ntk_matrix_destroy(&m);
}

/* lambda_max = 5, all others `shift` * 5. */
static void test_signs(const ntk_grid *grid, const ntk_solver *solver) {
  const double noise = N * DBL_EPSILON;
  ntk_matrix m = {0};
  ntk_spectrum s = {0};

  EXPECT_OK(ntk_matrix_create(grid, N, N, BLOCK, &m));
  fill(&m, 5, -5 * 150 * noise);
  expect_refused(solver, &m, false, NTK_E_NUMERIC, "not positive semidefinite");
  EXPECT_OK(compute(solver, &m, true, NAN, &s));
  EXPECT(s.negative_count == N - 1 && s.eigenvalue[1] == 0 && s.eigenvalue[N - 1] == 0);
  EXPECT_NEAR(s.lambda_min_raw, -5 * 150 * noise, 5 * 10 * noise);
  EXPECT_NEAR(s.cutoff, 5e-6, 1e-18);
  ntk_spectrum_destroy(&s);

  fill(&m, 5, -5 * 50 * noise);
  EXPECT_OK(compute(solver, &m, false, NAN, &s));
  EXPECT(s.negative_count == N - 1 && s.eigenvalue[N - 1] == 0 && s.lambda_min_raw < 0);
  EXPECT_NEAR(s.cutoff, 5 * noise, 1e-25);
  ntk_spectrum_destroy(&s);

  fill(&m, 5, -1.2e-6 * 5);
  expect_refused(solver, &m, true, NTK_E_NUMERIC, "not positive semidefinite");
  fill(&m, -5, -7);
  expect_refused(solver, &m, true, NTK_E_NUMERIC,
                 "reach from -7 to -5, and rounding in single precision explains none below 0;");
  ntk_matrix_destroy(&m);
}

static void test_cutoff(const ntk_grid *grid, const ntk_solver *solver) {
  ntk_matrix m = {0};
  ntk_spectrum s = {0};

  EXPECT_OK(ntk_matrix_create(grid, N, N, BLOCK, &m));
  fill(&m, 5, 1);
  EXPECT_OK(compute(solver, &m, false, 1e-3, &s));
  EXPECT_NEAR(s.cutoff, 5e-3, 1e-15);
  ntk_spectrum_destroy(&s);
  EXPECT_OK(compute(solver, &m, false, 0, &s)); /* never below rounding */
  EXPECT_NEAR(s.cutoff, 5 * N * DBL_EPSILON, 1e-25);
  ntk_spectrum_destroy(&s);
  EXPECT_OK(compute(solver, &m, true, 1e-9, &s));
  EXPECT_NEAR(s.cutoff, 5e-6, 1e-18);
  ntk_spectrum_destroy(&s);
  ntk_matrix_destroy(&m);
}

/* ---- solvers that lie: eigenvectors of unit vectors, wrong, or wrongly scaled ---- */

static ntk_status unit_vectors(ntk_matrix *a, ntk_spectrum *s, double w0, double scale) {
  for (int64_t k = 0; k < a->rows; ++k) {
    s->eigenvalue[k] = k == 0 ? w0 : -1;
    set(&s->vectors, k, k, scale);
  }
  for (int64_t k = 0; k < a->local_rows * a->local_cols; ++k) {
    if (ntk_matrix_row(a, k % a->ld) >= ntk_matrix_col(a, k / a->ld)) a->data[k] = 77;
  }
  return NTK_OK;
}

static ntk_status skewed(ntk_matrix *a, ntk_spectrum *s) {
  return unit_vectors(a, s, -5, 1);
}
static ntk_status stretched(ntk_matrix *a, ntk_spectrum *s) {
  return unit_vectors(a, s, -1, 1 + 1e-9);
}
static ntk_status not_a_number(ntk_matrix *a, ntk_spectrum *s) {
  return unit_vectors(a, s, NAN, 1);
}
static ntk_status failing(ntk_matrix *a, ntk_spectrum *s) {
  EXPECT_OK(unit_vectors(a, s, -1, 1));
  return NTK_RAISE(NTK_E_NUMERIC, "no luck");
}

static void test_liar(const ntk_grid *grid, double lambda, const char *part,
                      ntk_status (*solve)(ntk_matrix *, ntk_spectrum *)) {
  const ntk_solver liar = {.row = {.name = "liar"}, .solve = solve};
  ntk_matrix m = {0}, before = {0};

  EXPECT_OK(ntk_matrix_create(grid, N, N, BLOCK, &m));
  EXPECT_OK(ntk_matrix_create(grid, N, N, BLOCK, &before));
  fill(&m, lambda, 1);
  fill(&before, lambda, 1);
  expect_refused(&liar, &m, false, NTK_E_NUMERIC, part);
  EXPECT(memcmp(m.data, before.data, (size_t)(m.ld * m.local_cols) * sizeof(double)) == 0);
  ntk_matrix_destroy(&m);
  ntk_matrix_destroy(&before);
}

/* ---- sizes ---- */

/* A matrix that has no data, for what must fail before any is touched. */
static ntk_matrix phantom(const ntk_grid *grid, int64_t n, int64_t block) {
  return (ntk_matrix){.grid = grid,
                      .rows = n,
                      .cols = n,
                      .block = block,
                      .local_rows = ntk_dealt(n, block, grid->row, grid->rows),
                      .local_cols = ntk_dealt(n, block, grid->col, grid->cols),
                      .ld = n};
}

static void test_sizes(const ntk_grid *grid) {
  const ntk_solver *pdsyevd = solver_named("pdsyevd"), *lapack = solver_named("lapack");
  const int64_t n = 46000 * (int64_t)grid->comm->size;
  ntk_matrix large = phantom(grid, n, 64);
  ntk_spectrum s = {0};
  char advice[64];
  int ranks = 1, rows, cols;

  /* what it advises is the first count whose workspace the integers can hold */
  for (;; ++ranks) {
    ntk_grid_squarest(ranks, &rows, &cols);
    if (pdsyevd->workspace(n, 64, rows, cols) / 8 - 4.0 * (double)n <= INT32_MAX) break;
  }
  (void)snprintf(advice, sizeof(advice), "use at least %d ranks", ranks);
  EXPECT_REFUSED(pdsyevd->solve(&large, &s), NTK_E_SIZE, advice);
  if (grid->comm->size == 1) {
    s.vectors = large = phantom(grid, 32767, 64);
    EXPECT_REFUSED(lapack->solve(&large, &s), NTK_E_SIZE, "choose spectrum.solver");
  } else {
    ntk_matrix m = {0};

    EXPECT_OK(ntk_matrix_create(grid, N, N, BLOCK, &m));
    expect_refused(lapack, &m, false, NTK_E_CONFIG, "choose pdsyevd");
    ntk_matrix_destroy(&m);
  }
}

static bool is_elpa(const ntk_solver *solver) { return strncmp(solver->row.name, "elpa", 4) == 0; }

/* The largest allocation of a solver is what its workspace function says, integers aside.  ELPA
 * allocates most by itself. */
static void test_workspace(const ntk_grid *grid, const ntk_solver *solver, int64_t n) {
  const int64_t block = 32;
  const double said = solver->workspace(n, block, grid->rows, grid->cols);
  ntk_matrix m = {0};
  ntk_spectrum s = {0};

  EXPECT_OK(ntk_matrix_create(grid, n, n, block, &m));
  fill(&m, 5, 1);
  EXPECT_OK(compute(solver, &m, false, NAN, &s));
  EXPECT((double)ntk_memory_largest() <= said);
  EXPECT(is_elpa(solver) || (double)ntk_memory_largest() >= 0.9 * said);
  ntk_spectrum_destroy(&s);
  ntk_matrix_destroy(&m);
}

static void test_block(void) {
  ntk_spectrum_settings settings = defaults(solver_named("pdsyevd"));

  EXPECT(ntk_spectrum_block(&settings, 4096, 1, 2) == 64);
  EXPECT(ntk_spectrum_block(&settings, 1024, 2, 2) == 64);
  for (int64_t n = 1; n < 300; ++n) {
    int64_t block = ntk_spectrum_block(&settings, n, 2, 3);

    EXPECT(block >= 1 && block <= 64);
  }
  settings.block = 100;
  EXPECT(ntk_spectrum_block(&settings, 7, 2, 3) == 100);
}

/* A solver of the table can be used, or is refused where the config names it. */
static void test_missing(void) {
  for (const ntk_row *const *row = ntk_solvers; *row; ++row) {
    const ntk_solver *solver = (const ntk_solver *)*row;
    ntk_spectrum_settings settings = {0};
    ntk_problems problems = {0};
    ntk_tree tree = {0};
    char yaml[64];

    EXPECT(!solver->missing == (solver->solve || strcmp((*row)->name, "none") == 0));
    EXPECT(!solver->solve == !solver->workspace);
    (void)snprintf(yaml, sizeof(yaml), "block: 64\nsolver: %s\n", (*row)->name);
    EXPECT_OK(ntk_tree_parse("x.yaml", yaml, &tree, &problems));
    EXPECT_OK(ntk_option_bind(&ntk_spectrum_section, tree.root, "spectrum", "/", &tree.arena,
                              &settings, &problems));
    EXPECT(settings.solver == *row && problems.count == (solver->missing ? 1 : 0));
    if (solver->missing) {
      EXPECT(strstr(ntk_text_string(&problems.text), "x.yaml:2:9: error: this build lacks"));
      EXPECT(strstr(ntk_text_string(&problems.text), solver->missing));
    }
    ntk_problems_destroy(&problems);
    ntk_tree_destroy(&tree);
  }
}

static ntk_status job(const ntk_comm *comm, void *context) {
  ntk_grid grid;
  ntk_matrix m = {0};
  ntk_spectrum s = {0};

  NTK_TRY(ntk_grid_create(comm, 0, 0, &grid));
  ntk_status status = ntk_matrix_create(&grid, N, N, BLOCK, &m);
  if (status == NTK_OK) {
    fill(&m, 5, 1);
    status = compute(*(const ntk_solver **)context, &m, false, NAN, &s);
  }
  ntk_spectrum_destroy(&s);
  ntk_matrix_destroy(&m);
  ntk_grid_destroy(&grid);
  return status;
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  const ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD);
  ntk_grid grid;
  int64_t size = 300; /* growing: the record of the largest allocation is not reset */

  EXPECT_OK(ntk_grid_create(&comm, 0, 0, &grid));
  for (const ntk_row *const *row = ntk_solvers; *row; ++row) {
    const ntk_solver *solver = (const ntk_solver *)*row;

    if (!solver->solve || (solver->max_ranks > 0 && comm.size > solver->max_ranks)) continue;
    /* so large that ELPA's reflections would underflow */
    test_workspace(&grid, solver, is_elpa(solver) ? 600 : (size += 100));
    test_bad_matrices(&grid, solver);
    test_signs(&grid, solver);
    test_cutoff(&grid, solver);
    EXPECT(sweep_faults_everywhere(&comm, job, &solver) > 15);
  }
  test_liar(&grid, 5, "residual", skewed);
  test_liar(&grid, 1, "orthogonal", stretched);
  test_liar(&grid, 1, "residual", not_a_number);
  test_liar(&grid, 1, "no luck", failing);
  test_sizes(&grid);
  test_block();
  test_missing();
  ntk_grid_destroy(&grid);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
