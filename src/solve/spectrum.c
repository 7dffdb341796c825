#include "ntk/solve/spectrum.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "ntk/base/log.h"
#include "ntk/base/memory.h"
#include "solver.h"

enum { SAMPLED = 16 }; /* modes in a sampled group; there are three groups */

static const double worst_residual = 1e-10, worst_orthogonality = 1e-10;

static const ntk_solver none = {
    .row = {.name = "none", .doc = "no spectrum: analyses that need one are refused"}};

const ntk_row *const ntk_solvers[] = {&none.row, &ntk_pdsyevd.row, &ntk_elpa1.row, &ntk_elpa2.row,
                                     &ntk_lapack.row, NULL};

static const ntk_option options[] = {
    {"solver", NTK_WORD, offsetof(ntk_spectrum_settings, solver), "pdsyevd", 0, 0,
     "eigensolver", .rows = ntk_solvers},
    {"block", NTK_INT, offsetof(ntk_spectrum_settings, block), "auto", 1, 4096,
     "edge of a tile of the block-cyclic matrices; auto: 64, less for small matrices",
     .flags = NTK_AUTO},
    {"cutoff", NTK_REAL, offsetof(ntk_spectrum_settings, cutoff), "auto", 0, 1,
     "modes at or below cutoff * lambda_max are null; auto and at least: n eps (factors in single "
     "precision: 1e-6)",
     .flags = NTK_AUTO},
    {0},
};

static void check(const void *bound, const ntk_node *node, ntk_problems *problems) {
  const ntk_spectrum_settings *settings = bound;
  const ntk_solver *solver = (const ntk_solver *)settings->solver;
  const ntk_node *written = ntk_node_find(node, "solver");

  if (!solver || !solver->missing) return;
  ntk_problem(problems, written ? written->mark : node->mark,
              "this build lacks the solver '%s'; choose another, or %s", solver->row.name,
              solver->missing);
}

const ntk_section ntk_spectrum_section = {.options = options, .check = check};

static int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

/* pdsyevd takes the same time for 16 to 64, measured for n from 128 to 1024; so small matrices are
 * cut until every process of the longer side of the grid has four tiles to work on. */
int64_t ntk_spectrum_block(const ntk_spectrum_settings *settings, int64_t n, int rows, int cols) {
  if (settings->block != NTK_AUTO_INT) return settings->block;
  return max(16, min(64, n / (4 * max(rows, cols))));
}

/* ---- what a matrix must be before it is decomposed ---- */

ntk_status ntk_solver_check_ranks(const ntk_solver *solver, int ranks) {
  NTK_CHECK(solver->max_ranks == 0 || ranks <= solver->max_ranks, NTK_E_CONFIG,
            "spectrum.solver: %s works on %d rank, this is a run of %d; choose pdsyevd",
            solver->row.name, solver->max_ranks, ranks);
  return NTK_OK;
}

static ntk_status judge_input(const ntk_solver *solver, const ntk_matrix *gram, bool single,
                              const ntk_matrix_facts *facts) {
  const double rounding = (single ? 1e-6 : 1e-12) * facts->largest;

  NTK_TRY(ntk_solver_check_ranks(solver, gram->grid->comm->size));
  NTK_CHECK(facts->finite, NTK_E_NUMERIC,
            "the Gram matrix contains NaN or infinity: weights or data are not finite, or too "
            "large for the precision of the factors");
  NTK_CHECK(facts->asymmetry <= rounding, NTK_E_NUMERIC,
            "the Gram matrix is not symmetric: |K[i][j] - K[j][i]| reaches %.3g, its largest "
            "entry is %.3g",
            facts->asymmetry, facts->largest);
  return NTK_OK;
}

/* ---- the decomposition itself, of -Theta ---- */

static void negate_lower(ntk_matrix *m) {
  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    int64_t li = ntk_matrix_rows_below(m, ntk_matrix_col(m, lj));
    double *column = m->data + lj * m->ld;

    for (; li < m->local_rows; ++li) column[li] = -column[li];
  }
}

static void set_diagonal(ntk_matrix *m, const double *diagonal) {
  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    int64_t j = ntk_matrix_col(m, lj), li = ntk_matrix_rows_below(m, j);

    if (li < m->local_rows && ntk_matrix_row(m, li) == j) m->data[li + lj * m->ld] = diagonal[j];
  }
}

/* The lower triangle and the diagonal are negated for the solver and given back afterwards, from
 * the saved diagonal and the strict upper triangle, which nobody touched. */
static ntk_status decompose(const ntk_solver *solver, ntk_matrix *gram, const double *diagonal,
                            ntk_spectrum *spectrum) {
  negate_lower(gram);
  ntk_status solved = solver->solve(gram, spectrum);
  set_diagonal(gram, diagonal);
  NTK_TRY(ntk_matrix_mirror_upper(gram));
  NTK_TRY(solved);

  for (int64_t k = 0; k < spectrum->n; ++k) spectrum->eigenvalue[k] = 0 - spectrum->eigenvalue[k];
  ntk_comm_broadcast(gram->grid->comm, 0, spectrum->eigenvalue,
                     spectrum->n * (int64_t)sizeof(double));
  return NTK_OK;
}

/* ---- the sample of modes that shows whether the solver worked ---- */

typedef struct sample {
  double *modes, *product, *overlap; /* [n][SAMPLED] each, a thin block */
} sample;

static ntk_status allocate_sample(int64_t n, sample *s) {
  NTK_TRY(NTK_NEW(n * SAMPLED, &s->modes));
  NTK_TRY(NTK_NEW(n * SAMPLED, &s->product));
  return NTK_NEW(n * SAMPLED, &s->overlap);
}

static double largest_magnitude(const ntk_spectrum *s) {
  return fmax(fabs(s->eigenvalue[0]), fabs(s->eigenvalue[s->n - 1]));
}

/* A value that is not finite is the worst there is; fmax would lose a NaN. */
static double worse(double a, double b) { return isfinite(b) ? fmax(a, b) : INFINITY; }

/* Modes first .. first + k, given as thin blocks: V_S, Theta V_S and V^T V_S. */
static void judge_modes(const sample *s, int64_t first, int64_t k, ntk_spectrum *spectrum) {
  const double scale = largest_magnitude(spectrum);

  for (int64_t a = 0; a < k; ++a) {
    double squares = 0, defect = 0;

    for (int64_t i = 0; i < spectrum->n; ++i) {
      double r = s->product[i * k + a] - spectrum->eigenvalue[first + a] * s->modes[i * k + a];

      squares += r * r;
      defect = worse(defect, fabs(s->overlap[i * k + a] - (i == first + a ? 1 : 0)));
    }
    double residual = scale > 0 ? sqrt(squares) / scale : sqrt(squares);
    spectrum->residual = worse(spectrum->residual, residual);
    spectrum->orthogonality = worse(spectrum->orthogonality, defect);
  }
}

static ntk_status measure_modes(const ntk_matrix *gram, int64_t first, int64_t k, const sample *s,
                                ntk_spectrum *spectrum) {
  NTK_TRY(ntk_matrix_window(&spectrum->vectors, 0, first, spectrum->n, k, s->modes));
  NTK_TRY(ntk_matrix_apply(gram, false, k, s->modes, s->product));
  NTK_TRY(ntk_matrix_apply(&spectrum->vectors, true, k, s->modes, s->overlap));
  judge_modes(s, first, k, spectrum);
  return NTK_OK;
}

/* The ends and the middle of the spectrum; all modes of a small matrix. */
static ntk_status measure_sample(const ntk_matrix *gram, const sample *s, ntk_spectrum *spectrum) {
  const int64_t n = spectrum->n, k = min(n, SAMPLED);
  const int64_t first[3] = {0, (n - k) / 2, n - k};

  for (int group = 0; group < 3; ++group) {
    NTK_TRY(measure_modes(gram, first[group], k, s, spectrum));
    if (n <= SAMPLED) break;
  }
  return NTK_OK;
}

static ntk_status judge_sample(const ntk_spectrum *s) {
  NTK_CHECK(s->residual <= worst_residual, NTK_E_NUMERIC,
            "%s: residual |K v - lambda v| / lambda_max = %.3g (at most %.0e); the result is "
            "unusable: try another spectrum.solver or spectrum.block",
            s->solver, s->residual, worst_residual);
  NTK_CHECK(s->orthogonality <= worst_orthogonality, NTK_E_NUMERIC,
            "%s: eigenvectors are orthogonal only to %.3g (at most %.0e); the result is unusable: "
            "try another spectrum.solver or spectrum.block",
            s->solver, s->orthogonality, worst_orthogonality);
  return NTK_OK;
}

static ntk_status verify(const ntk_matrix *gram, ntk_spectrum *spectrum) {
  const ntk_comm *comm = gram->grid->comm;
  sample s = {0};

  ntk_status status = ntk_agree(comm, allocate_sample(spectrum->n, &s));
  if (status == NTK_OK) status = measure_sample(gram, &s, spectrum);
  ntk_free(&s.modes);
  ntk_free(&s.product);
  ntk_free(&s.overlap);
  NTK_TRY(status);
  NTK_AGREE(comm, judge_sample(spectrum));
  return NTK_OK;
}

/* ---- signs and cutoff, MATH I.2 ---- */

static ntk_status settle(const ntk_spectrum_settings *settings, bool single, ntk_spectrum *s) {
  const double n = (double)s->n, noise = n * DBL_EPSILON, lambda_max = fmax(s->eigenvalue[0], 0);
  const double bound = 0 - (single ? 1e-6 : 100 * noise) * lambda_max;
  const double floor = single ? 1e-6 : noise, wanted = settings->cutoff;

  s->lambda_min_raw = s->eigenvalue[s->n - 1];
  NTK_CHECK(s->lambda_min_raw >= bound, NTK_E_NUMERIC,
            "the kernel matrix is not positive semidefinite: its eigenvalues reach from %.3g to "
            "%.3g, and rounding in %s precision explains none below %.3g; check its sign and how it was "
            "made%s",
            s->lambda_min_raw, s->eigenvalue[0], single ? "single" : "double", bound,
            single ? "" : " (a file with a kernel of single precision should say so: float32)");
  for (int64_t k = 0; k < s->n; ++k) {
    if (s->eigenvalue[k] < 0) {
      s->eigenvalue[k] = 0;
      ++s->negative_count;
    }
  }
  s->cutoff = lambda_max * (isnan(wanted) ? floor : fmax(floor, wanted));
  return NTK_OK;
}

/* ---- the whole ---- */

static ntk_status solve(const ntk_solver *solver, ntk_matrix *gram, ntk_spectrum *spectrum) {
  double *diagonal = NULL;

  ntk_status status = ntk_agree(gram->grid->comm, NTK_NEW(spectrum->n, &diagonal));
  if (status == NTK_OK) status = ntk_matrix_diagonal(gram, diagonal);
  if (status == NTK_OK) status = decompose(solver, gram, diagonal, spectrum);
  ntk_free(&diagonal);
  return status;
}

static ntk_status compute(const ntk_spectrum_settings *settings, ntk_matrix *gram, bool single,
                          ntk_spectrum *spectrum) {
  const ntk_solver *solver = (const ntk_solver *)settings->solver;
  const ntk_comm *comm = gram->grid->comm;
  ntk_matrix_facts facts;

  NTK_TRY(ntk_matrix_measure(gram, &facts));
  NTK_AGREE(comm, judge_input(solver, gram, single, &facts));
  if (facts.asymmetry > 0) NTK_TRY(ntk_matrix_mirror_upper(gram));

  NTK_AGREE(comm, NTK_NEW(spectrum->n, &spectrum->eigenvalue));
  NTK_TRY(ntk_matrix_create(gram->grid, gram->rows, gram->rows, gram->block, &spectrum->vectors));
  NTK_TRY(solve(solver, gram, spectrum));
  if (*spectrum->kernel) ntk_log("%s: kernel %s", spectrum->solver, spectrum->kernel);
  NTK_TRY(verify(gram, spectrum));
  NTK_AGREE(comm, settle(settings, single, spectrum));
  return NTK_OK;
}

ntk_status ntk_spectrum_compute(const ntk_spectrum_settings *settings, ntk_matrix *gram,
                                bool single, ntk_spectrum *spectrum) {
  const double start = ntk_now();

  NTK_ASSERT(settings->solver && ((const ntk_solver *)settings->solver)->solve);
  NTK_ASSERT(gram->rows == gram->cols && gram->rows > 0);
  *spectrum = (ntk_spectrum){
      .n = gram->rows, .block = gram->block, .solver = settings->solver->name, .kernel = ""};
  ntk_status status = compute(settings, gram, single, spectrum);
  spectrum->seconds = ntk_now() - start;
  if (status != NTK_OK) ntk_spectrum_destroy(spectrum);
  return status;
}

void ntk_spectrum_destroy(ntk_spectrum *spectrum) {
  ntk_free(&spectrum->eigenvalue);
  ntk_matrix_destroy(&spectrum->vectors);
  *spectrum = (ntk_spectrum){0};
}

ntk_status ntk_spectrum_project(const ntk_spectrum *spectrum, int64_t k, const double *x,
                                double *coefficient) {
  return ntk_matrix_apply(&spectrum->vectors, true, k, x, coefficient);
}

ntk_status ntk_spectrum_combine(const ntk_spectrum *spectrum, int64_t k,
                                const double *coefficient, double *x) {
  return ntk_matrix_apply(&spectrum->vectors, false, k, coefficient, x);
}

static ntk_status adopt(const ntk_spectrum_settings *settings, const double *eigenvalue,
                        bool single, ntk_spectrum *spectrum) {
  NTK_TRY(NTK_NEW(spectrum->n, &spectrum->eigenvalue));
  memcpy(spectrum->eigenvalue, eigenvalue, (size_t)spectrum->n * sizeof(double));
  return settle(settings, single, spectrum);
}

ntk_status ntk_spectrum_adopt(const ntk_spectrum_settings *settings, int64_t n,
                              const double *eigenvalue, bool single, ntk_spectrum *spectrum) {
  *spectrum = (ntk_spectrum){.n = n, .solver = "file", .kernel = ""};
  const ntk_status status = adopt(settings, eigenvalue, single, spectrum);

  if (status != NTK_OK) ntk_spectrum_destroy(spectrum);
  return status;
}
