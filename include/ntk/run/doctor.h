/* doctor.h -- does this machine compute right, and how fast: libraries, checks of the arithmetic,
 * speeds, and what would slow a run down or endanger its files. */
#ifndef NTK_RUN_DOCTOR_H
#define NTK_RUN_DOCTOR_H

#include "ntk/base/array.h"
#include "ntk/base/text.h"
#include "ntk/run/calibration.h"
#include "ntk/solve/spectrum.h"

/* ---- arithmetic: doctor_numbers.c ---- */

/* ntk_gemm, or what a test puts in its place. */
typedef void ntk_product(ntk_dtype dtype, bool transpose_a, bool transpose_b, int64_t m, int64_t n,
                         int64_t k, double alpha, const void *a, int64_t lda, const void *b,
                         int64_t ldb, double beta, void *c, int64_t ldc);

typedef struct ntk_product_check {
  int64_t cases;
  double worst;   /* largest deviation from a simple loop in units of what rounding explains; above
                     1, or NaN: wrong */
  char where[64]; /* that case: "A^T B, 17 x 31 x 13" */
  int rank;       /* that has it */
} ntk_product_check;

/* Local.  Products of several shapes, transposed or not, with strides, beta 0 over NaN.
 * Fails with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_doctor_check_product(ntk_product *product, ntk_dtype dtype,
                                                ntk_product_check *check);

typedef struct ntk_spectrum_check {
  int64_t n;
  double residual, orthogonality, eigenvalues; /* errors, relative to lambda_max */
  double seconds;
  char problem[256]; /* what is wrong; "" if nothing is */
} ntk_spectrum_check;

/* Collective.  The eigenproblem of min(i, j), whose spectrum is 1 / (4 sin^2((2k - 1) pi / (4n +
 * 2))). Fails as a solver does, except with NTK_E_NUMERIC, which is a problem of the check. */
NTK_CHECKED ntk_status ntk_doctor_check_spectrum(const ntk_grid *grid, const ntk_solver *solver,
                                                 int64_t n, ntk_spectrum_check *check);

/* Collective.  flop/s of this rank in products of edge x edge matrices while all ranks do the same,
 * the best of a few. */
NTK_CHECKED ntk_status ntk_doctor_time_product(const ntk_comm *comm, ntk_dtype dtype, int64_t edge,
                                               double *rate);

/* ---- the machine: doctor_place.c ---- */

typedef struct ntk_doctor_host {
  char host[64], cpu[128], core[64]; /* core: of OpenBLAS's kernels */
  int ranks;                         /* of this job on this host */
  double cores;                      /* that they may use: affinity and container considered */
  double threads;                    /* of BLAS, in one rank */
  double memory;                     /* bytes that are free for them; NaN if unknown */
  double shared;                     /* bytes free in /dev/shm; NaN if there is none */
} ntk_doctor_host;

/* Collective. */
void ntk_doctor_look_at_host(const ntk_comm *comm, ntk_doctor_host *machine);

/* Local.  The files of the libraries that this process has loaded whose name begins with one of the
 * words (which end with NULL), one a line; nothing where the system does not tell. */
NTK_CHECKED ntk_status ntk_doctor_find_library(const char *const *words, ntk_text *paths);

/* How files behave in a folder. */
typedef struct ntk_folder_facts {
  char type[32]; /* "ext4", "nfs", ...; "unknown (0x1234)" */
  bool network;  /* other hosts see it, as far as its type tells */
  bool writable;
  double room;       /* bytes free; NaN if unknown */
  int hosts;         /* that ranks are on */
  int blind;         /* ranks that do not see what rank 0 has written */
  bool locks;        /* flock(2) works at all ... */
  int intruders;     /* ... and so many got a lock that another holds */
  int linked;        /* takers that believe to have won link(2); 1 is right */
  char problem[256]; /* why it is not writable */
} ntk_folder_facts;

/* Collective.  Tries them with a small file that is removed again. */
void ntk_doctor_look_at_folder(const ntk_comm *comm, const char *folder, ntk_folder_facts *facts);

/* Local.  byte/s of one process that writes and syncs so many bytes; fails with NTK_E_CREATE,
 * NTK_E_IO, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_doctor_time_writing(const char *folder, int64_t bytes, double *rate);

/* Local.  A new folder for trials, and its end with all that is in it.  Fails with NTK_E_CREATE. */
NTK_CHECKED ntk_status ntk_doctor_make_folder(const char *parent, char *path, size_t size);
void ntk_doctor_remove_folder(const char *path);

/* ---- the report: doctor.c ---- */

typedef struct ntk_doctor_facts {
  int ranks, hosts;
  const ntk_doctor_host *host;   /* [hosts] */
  ntk_product_check product[2];  /* [ntk_dtype], the worst of all ranks */
  double slowest[2], fastest[2]; /* [ntk_dtype] flop/s of a rank */
  ntk_spectrum_check spectrum;
  ntk_folder_facts folder;
} ntk_doctor_facts;

/* Local.  Appends a line for everything that should be changed; returns with *sound false if
 * results computed here would be wrong. */
NTK_CHECKED ntk_status ntk_doctor_judge(const ntk_doctor_facts *facts, ntk_text *warnings,
                                        bool *sound);

#endif
