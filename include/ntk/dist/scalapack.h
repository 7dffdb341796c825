/* scalapack.h -- prototypes of the BLACS, PBLAS, ScaLAPACK and LAPACK routines that dist and solve
 * call.  No package ships a C header for them.  All arguments are addresses, indices start at 1,
 * matrices are column-major; a descriptor is the array ntk_matrix.descriptor. */
#ifndef NTK_DIST_SCALAPACK_H
#define NTK_DIST_SCALAPACK_H

#include <mpi.h>

/* BLACS, C interface: process grids. */
int Csys2blacs_handle(MPI_Comm comm);
void Cfree_blacs_system_handle(int handle);
void Cblacs_gridinit(int *context, const char *order, int rows, int cols);
void Cblacs_gridinfo(int context, int *rows, int *cols, int *row, int *col);
void Cblacs_gridexit(int context);
void Cblacs_set(int context, int what, const int *value);

/* TOOLS */
int numroc_(const int *n, const int *block, const int *me, const int *source, const int *procs);
void descinit_(int *descriptor, const int *rows, const int *cols, const int *row_block,
               const int *col_block, const int *row_source, const int *col_source,
               const int *context, const int *ld, int *info);

/* PBLAS */
void pdgemm_(const char *transpose_a, const char *transpose_b, const int *m, const int *n,
             const int *k, const double *alpha, const double *a, const int *ia, const int *ja,
             const int *desca, const double *b, const int *ib, const int *jb, const int *descb,
             const double *beta, double *c, const int *ic, const int *jc, const int *descc);
void pdgeadd_(const char *transpose, const int *m, const int *n, const double *alpha,
              const double *a, const int *ia, const int *ja, const int *desca, const double *beta,
              double *c, const int *ic, const int *jc, const int *descc);
void pdtran_(const int *m, const int *n, const double *alpha, const double *a, const int *ia,
             const int *ja, const int *desca, const double *beta, double *c, const int *ic,
             const int *jc, const int *descc);

/* ScaLAPACK */
void pdsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *ia,
              const int *ja, const int *desca, double *w, double *z, const int *iz, const int *jz,
              const int *descz, double *work, const int *lwork, int *iwork, const int *liwork,
              int *info);
double pdlange_(const char *norm, const int *m, const int *n, const double *a, const int *ia,
                const int *ja, const int *desca, double *work);
void pdgemr2d_(const int *m, const int *n, const double *a, const int *ia, const int *ja,
               const int *desca, double *b, const int *ib, const int *jb, const int *descb,
               const int *context);

/* LAPACK */
void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
             double *work, const int *lwork, int *iwork, const int *liwork, int *info);

#endif
