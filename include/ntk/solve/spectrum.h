/* spectrum.h -- Theta = V diag(lambda) V^T on the process grid, and the table of eigensolvers.
 *
 * Modes are in descending order of eigenvalue.  Solvers return ascending order: they are handed
 * -Theta, so that their order is ours and no eigenvector has to move. */
#ifndef NTK_SOLVE_SPECTRUM_H
#define NTK_SOLVE_SPECTRUM_H

#include "ntk/config/option.h"
#include "ntk/dist/matrix.h"

typedef struct ntk_spectrum_settings {
  const ntk_row *solver; /* a row of ntk_solvers; `none`: no spectrum */
  int64_t block;         /* auto: 64, less for small matrices */
  double cutoff;         /* relative to lambda_max; auto (NaN): n eps, at least 1e-6 if single */
} ntk_spectrum_settings;

extern const ntk_section ntk_spectrum_section;

typedef struct ntk_spectrum {
  int64_t n;
  double *eigenvalue;    /* [n] descending, on every rank; negative noise is clipped to 0 (I.2) */
  ntk_matrix vectors;    /* column k is mode k */
  double cutoff;         /* absolute: modes at or below are null (I.2) */
  double lambda_min_raw; /* before clipping */
  int64_t negative_count;
  double residual;       /* largest |Theta v - lambda v| of the sampled modes / lambda_max */
  double orthogonality;  /* largest |V_S^T V - I| entry, S the sampled modes */
  const char *solver;    /* that did the work: a matrix too small for one goes to another */
  const char *kernel;    /* of the solver, where there is a choice; "" else */
  int64_t block;
  double seconds;
} ntk_spectrum;

void ntk_spectrum_destroy(ntk_spectrum *spectrum);

/* An eigensolver.  To add one: src/solve/<name>.c and a line in the table of spectrum.c. */
typedef struct ntk_solver {
  ntk_row row;
  const char *missing; /* NULL, or how to get it: this build has no `solve` then */
  int max_ranks;       /* 0: any */
  /* Collective.  Eigenpairs of the symmetric matrix whose lower triangle is in `a`, ascending.
   *   a         lower triangle and diagonal destroyed, strict upper triangle left alone
   *   spectrum  eigenvalue [n], on every rank, and vectors, created by the caller like `a`, are
   *             overwritten; `solver` and `kernel` where they are not what the caller assumes
   * Fails with NTK_E_NUMERIC (info), NTK_E_MEMORY, NTK_E_SIZE. */
  ntk_status (*solve)(ntk_matrix *a, ntk_spectrum *spectrum);
  /* Bytes of workspace per rank beside a and z, for plan. */
  double (*workspace)(int64_t n, int64_t block, int grid_rows, int grid_cols);
} ntk_solver;

extern const ntk_row *const ntk_solvers[]; /* rows of ntk_solver; `none` has no solve */

/* Local.  Fails with NTK_E_CONFIG if the solver does not work on that many ranks. */
NTK_CHECKED ntk_status ntk_solver_check_ranks(const ntk_solver *solver, int ranks);

/* Local.  The block edge for a matrix of n rows on a grid. */
int64_t ntk_spectrum_block(const ntk_spectrum_settings *settings, int64_t n, int rows, int cols);

/* Collective.  The spectrum of a symmetric matrix.
 *   gram    survives the call, bit for bit; a foreign one that is symmetric only up to rounding
 *           (1e-12 of its largest entry, single 1e-6) takes its upper triangle first
 *   single  its factors were single precision: other noise floors (I.2)
 *   spectrum  overwritten; on failure left empty, safe to destroy
 * Fails with NTK_E_NUMERIC: NaN or asymmetry in the input, residual or orthogonality above 1e-10,
 * an eigenvalue too negative for rounding (MATH I.2); NTK_E_CONFIG: more ranks than the solver can
 * use; NTK_E_SIZE, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_spectrum_compute(const ntk_spectrum_settings *settings,
                                            ntk_matrix *gram, bool single,
                                            ntk_spectrum *spectrum);

/* Local.  A spectrum whose eigenvalues, descending, are known and whose vectors are not.
 *   spectrum  overwritten; on failure left empty
 * Fails with NTK_E_NUMERIC as ntk_spectrum_compute, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_spectrum_adopt(const ntk_spectrum_settings *settings, int64_t n,
                                          const double *eigenvalue, bool single,
                                          ntk_spectrum *spectrum);

/* Collective.  coefficient = V^T x and x = V coefficient, thin blocks [n][k] replicated. */
NTK_CHECKED ntk_status ntk_spectrum_project(const ntk_spectrum *spectrum, int64_t k,
                                            const double *x, double *coefficient);
NTK_CHECKED ntk_status ntk_spectrum_combine(const ntk_spectrum *spectrum, int64_t k,
                                            const double *coefficient, double *x);

#endif
