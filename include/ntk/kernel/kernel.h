/* kernel.h -- a kernel on the training set and between test and training set, distributed, with
 * what the analyses need beside it; and the table of kernel types. */
#ifndef NTK_KERNEL_KERNEL_H
#define NTK_KERNEL_KERNEL_H

#include "ntk/config/option.h"
#include "ntk/data/data.h"
#include "ntk/dist/deal.h"
#include "ntk/dist/matrix.h"
#include "ntk/model/network.h"

typedef struct ntk_kernel_settings {
  ntk_choice type;        /* variant: a row of ntk_kernels */
  const ntk_row *quantity; /* ntk */
  ntk_choice outputs;     /* full | mean | trace | pseudo | single{output} */
  const ntk_row *precision; /* double | single, of the factors */
  const ntk_row *test_test; /* none | diagonal */
} ntk_kernel_settings;

extern const ntk_section ntk_kernel_section;

/* Everything a kernel stage gives.  rows = n (n O for full outputs), test_rows likewise. */
typedef struct ntk_kernel {
  int64_t n, m, outputs;        /* samples, test samples, outputs O of the targets */
  int64_t rows_per_sample;      /* O for full outputs, else 1 */
  ntk_matrix gram;              /* rows x rows, symmetric, complete */
  ntk_matrix test_train;        /* test_rows x rows; rows 0 if there is no test set */
  double *f0, *test_f0;         /* [n][O], [m][O], on every rank; zero if centered */
  double *initial, *test_initial; /* the network's own output, also if centered */
  double *test_diagonal;        /* [test_rows] or NULL */
  int tensor_count;             /* contributions of the tensors to the Gram */
  char (*tensor_name)[NTK_NAME_SIZE];
  double *tensor_trace, *tensor_norm;
  const char *contraction;      /* how pairs were contracted */
  bool single;                  /* factors in single precision */
  bool reproducible;            /* bits do not depend on the grid */
  double flops;                 /* counted in the assembly, all ranks */
  double seconds;               /* from the first forward GEMM to the complete Gram */
} ntk_kernel;

void ntk_kernel_destroy(ntk_kernel *kernel);

/* What a kernel is computed from.  Data is complete on rank 0; elsewhere counts, shape, targets and
 * labels only (inputs NULL). */
typedef struct ntk_kernel_input {
  const ntk_grid *grid;
  int64_t block;
  const ntk_kernel_settings *settings;
  const ntk_network *network; /* with tensors drawn or bound; NULL if the type needs none */
  const ntk_network *initial; /* theta_0 of a centered network; NULL: the network itself */
  ntk_data *data;             /* kernel from file fills in targets and counts */
} ntk_kernel_input;

/* How large a kernel is. */
typedef struct ntk_kernel_size {
  int64_t n, m, outputs;    /* training and test samples, outputs */
  int64_t rows, test_rows;  /* of the Gram, of the test block */
} ntk_kernel_size;

/* A kernel type.  To add one: src/kernel/<name>.c and a line in the table of kernel.c. */
typedef struct ntk_kernel_type {
  ntk_row row;
  bool needs_network; /* and data of its own; false: kernel from file */
  /* Collective.  Fills the (zeroed) kernel; on failure it is safe to destroy. */
  ntk_status (*compute)(const ntk_kernel_input *input, ntk_kernel *kernel);
  /* Local.  What `plan` wants to know of a kernel that needs no network; NULL for the others. */
  ntk_status (*size)(const ntk_kernel_settings *settings, ntk_kernel_size *size);
} ntk_kernel_type;

extern const ntk_row *const ntk_kernels[]; /* rows of ntk_kernel_type; ends with NULL */
extern const ntk_kernel_type ntk_kernel_empirical, ntk_kernel_file;

/* Local.  The cotangents that the settings ask for. */
ntk_cotangents ntk_kernel_cotangents(const ntk_kernel_settings *settings);

/* Collective.  Dispatches on settings->type and checks the result: finite (else NTK_E_NUMERIC that
 * names the entry), symmetric.
 *   kernel  overwritten; on failure empty, safe to destroy */
NTK_CHECKED ntk_status ntk_kernel_compute(const ntk_kernel_input *input, ntk_kernel *kernel);

/* What `plan` says of a kernel stage; a test compares it with counted calls. */
typedef struct ntk_kernel_cost {
  double assembly_flops; /* of all ranks, without the diagonal's staircase; cf. ntk_kernel.flops */
  double flops;          /* with forward and backward passes */
  double matrix_bytes;   /* Gram and test block of the largest rank */
  double bytes;          /* of the largest rank at the peak: those, weights, own activations,
                            panels, scratch */
} ntk_kernel_cost;

/* Local.  Cost of an empirical kernel on a rows x cols grid; needs no tensor data. */
ntk_kernel_cost ntk_kernel_cost_of(const ntk_network *network, const ntk_kernel_settings *settings,
                                   int64_t n, int64_t m, int64_t block, int grid_rows,
                                   int grid_cols);

#endif
