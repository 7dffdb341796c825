/* solver.h -- the eigensolvers behind the table of spectrum.c, one file each. */
#ifndef NTK_SOLVE_SOLVER_H
#define NTK_SOLVE_SOLVER_H

#include "ntk/solve/spectrum.h"

extern const ntk_solver ntk_pdsyevd, ntk_elpa1, ntk_elpa2, ntk_lapack;

#endif
