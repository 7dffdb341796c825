/* kernel.h -- a kernel on the training set and between test and training set, distributed, with
 * what the analyses need beside it; and the table of kernel types. */
#ifndef NTK_KERNEL_KERNEL_H
#define NTK_KERNEL_KERNEL_H

#include "ntk/config/option.h"
#include "ntk/data/data.h"
#include "ntk/dist/deal.h"
#include "ntk/dist/matrix.h"
#include "ntk/model/network.h"
#include "ntk/store/checkpoint.h"

typedef struct ntk_kernel_settings {
  ntk_choice type;        /* variant: a row of ntk_kernels */
  ntk_choices quantity;   /* rows of ntk_quantities, at least one, none twice */
  ntk_choice outputs;     /* full | mean | trace | pseudo | single{output} */
  const ntk_row *precision; /* double | single, of the factors */
  const ntk_row *test_test; /* none | diagonal | full */
  const ntk_row *contraction; /* of ntk_contractions (assembly.h); NULL (auto): by flops */
  bool per_layer;         /* trace and norm of the parts of single tensors */
} ntk_kernel_settings;

extern const ntk_section ntk_kernel_section;

/* What a kernel is of a network. */
typedef struct ntk_quantity {
  ntk_row row;
  const char *long_name; /* of its matrices */
  const char *source;    /* number of its formula, all outputs and full outputs alike */
} ntk_quantity;

extern const ntk_quantity ntk_quantity_ntk, ntk_quantity_conjugate, ntk_quantity_nngp;
extern const ntk_row *const ntk_quantities[]; /* rows of ntk_quantity; ends with NULL */

/* Everything a kernel stage gives.  rows = n (n O for full outputs), test_rows likewise.
 * Where only eigenvalues came from a file there are no matrices: grid NULL, rows 0. */
typedef struct ntk_kernel {
  const ntk_quantity *quantity;
  int64_t n, m, outputs;        /* samples, test samples, outputs O of the targets */
  int64_t validation;           /* samples behind the m of test_f0, test_initial, test_diagonal and,
                                   in memory, of test_train (validation.h) */
  int64_t rows_per_sample;      /* O for full outputs, else 1 */
  ntk_matrix gram;              /* rows x rows, symmetric, complete */
  ntk_matrix test_train;        /* test_rows x rows; rows 0 if there is no test set */
  ntk_matrix test_test;         /* test_rows x test_rows, complete; rows 0 unless asked for */
  double *eigenvalue;           /* [n] descending, as they came; NULL unless they came alone */
  double *target_power;         /* [n][O] squares of V^T y; NULL likewise, or without targets */
  double *f0, *test_f0;         /* [n][O], [m][O], on every rank; zero if centered */
  double *initial, *test_initial; /* the network's own output, also if centered */
  double *test_diagonal;        /* [test_rows] or NULL */
  int tensor_count;             /* contributions of the tensors to the Gram */
  char (*tensor_name)[NTK_NAME_SIZE];
  double *tensor_trace, *tensor_norm; /* NULL if not wanted (per_layer: false) */
  const char *contraction;      /* how positions were contracted; "mixed": by tensor_contraction */
  const char **tensor_contraction; /* [tensor_count] of a weight with its bias */
  double *tensor_flops;         /* [tensor_count] by the contraction's cost; of a bias with its
                                   weight 0 */
  bool single;                  /* factors in single precision */
  bool reproducible;            /* bits do not depend on the grid */
  double rate_scale;            /* factor of the learning rate that is in it (MATH A3) */
  double flops;                 /* counted in the assembly, all ranks, in the run that ended it */
  double seconds;               /* from the first forward GEMM to the complete Gram; likewise */
  double contraction_seconds;   /* of them on the slowest rank, from factors or Jacobians to
                                   matrices; likewise */
} ntk_kernel;

void ntk_kernel_destroy(ntk_kernel *kernel);

/* Collective.  What stands below the diagonals of Gram and test-test block, above them, too.
 * Fails with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_kernel_mirror(ntk_kernel *kernel);

/* What the quantities of one network share: the result of the forward pass, as far as the readout
 * needs it.  Zero-initialise; destroy. */
typedef struct ntk_features {
  bool kept;
  void *own[2];                 /* training, test: [ntk_pad(own samples)][inputs of the readout] */
  double *initial[2], *f0[2];   /* as in ntk_kernel */
} ntk_features;

void ntk_features_destroy(ntk_features *features);

/* How a kernel survives a stop: panels that its files have are loaded, the others are computed and
 * written.  What is in the files at the end is complete; the caller finishes them. */
typedef struct ntk_kernel_keeping {
  ntk_checkpoint *gram;     /* its matrix; notes: ntk_kernel_notes; NULL: not kept */
  ntk_checkpoint *test;     /* the test block and, if there is one, the test-test block; or NULL */
  int64_t chunks;           /* passes over the factors, for a kernel of which nothing is there */
  /* Collective.  Asked before every pass and after every write; NTK_E_STOPPED ends the stage.
   * NULL: nothing stops it. */
  ntk_status (*boundary)(void *context);
  void *context;
} ntk_kernel_keeping;

/* What a kernel is computed from.  Data is complete on rank 0; elsewhere counts, shape, targets and
 * labels only (inputs NULL). */
typedef struct ntk_kernel_input {
  const ntk_grid *grid;
  int64_t block;
  const ntk_kernel_settings *settings;
  int64_t which;              /* of settings->quantity */
  ntk_features *features;     /* used if kept, else kept for the next quantity; NULL: neither */
  const ntk_network *network; /* with tensors drawn or bound; NULL if the type needs none */
  const ntk_network *initial; /* theta_0 of a centered network; NULL: the network itself */
  ntk_data *data;             /* kernel from file fills in targets and counts */
  const ntk_kernel_keeping *keeping; /* NULL: not kept; not looked at by a kernel from a file */
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
  /* Local.  Whether the settings give eigenvalues without matrices; NULL: never. */
  bool (*spectrum_only)(const ntk_kernel_settings *settings);
  ntk_section_check *check; /* of all kernel settings; may be NULL */
} ntk_kernel_type;

extern const ntk_row *const ntk_kernels[]; /* rows of ntk_kernel_type; ends with NULL */
extern const ntk_kernel_type ntk_kernel_empirical, ntk_kernel_file;

/* Local.  The cotangents that the settings ask for. */
ntk_cotangents ntk_kernel_cotangents(const ntk_kernel_settings *settings);

/* Local.  Fails with NTK_E_CONFIG if they ask for an output that a network with `outputs` has not. */
NTK_CHECKED ntk_status ntk_kernel_check_outputs(const ntk_kernel_settings *settings,
                                                int64_t outputs);

/* Local.  Fails with NTK_E_CONFIG if the network has no such kernel. */
NTK_CHECKED ntk_status ntk_kernel_check_quantity(const ntk_quantity *quantity,
                                                 const ntk_network *network);

/* Local.  One of the quantities. */
const ntk_quantity *ntk_kernel_quantity(const ntk_kernel_settings *settings, int64_t which);

/* Local.  Whether the whole test-test block is wanted. */
bool ntk_kernel_wants_test_test(const ntk_kernel_settings *settings);

/* Local.  Numbers that go with every panel of the Gram in its file: parts of the traces and squared
 * norms of the tensors. */
int64_t ntk_kernel_notes(const ntk_kernel_settings *settings, const ntk_quantity *quantity,
                         const ntk_network *network);

/* Collective.  Dispatches on settings->type and checks the result: finite (else NTK_E_NUMERIC that
 * names the entry), symmetric.
 *   kernel  overwritten; on failure empty, safe to destroy
 * Fails with NTK_E_STOPPED if input->keeping says so: what was written stays. */
NTK_CHECKED ntk_status ntk_kernel_compute(const ntk_kernel_input *input, ntk_kernel *kernel);

/* Local, on rank 0.  Everything of a kernel but its matrices, into an empty record (which is safe
 * to destroy in any case), and the reverse.
 * The reverse is Collective: matrices are created, zero; `record` is rank 0's.  Fails with
 * NTK_E_INPUT if the record is of something else, NTK_E_MEMORY; the kernel is then empty. */
NTK_CHECKED ntk_status ntk_kernel_save(const ntk_kernel *kernel, ntk_record *record);
NTK_CHECKED ntk_status ntk_kernel_restore(const ntk_grid *grid, int64_t block,
                                          const ntk_quantity *quantity, bool test_test,
                                          const ntk_record *record, ntk_kernel *kernel);

/* The part of each tensor of the empirical NTK, one matrix at a time. */
typedef struct ntk_parts ntk_parts;

/* Collective.  Begins with the forward pass.
 *   parts  owned by the caller, ntk_parts_close; NULL on failure */
NTK_CHECKED ntk_status ntk_parts_open(const ntk_kernel_input *input, ntk_parts **parts);

/* Local.  Where the parts appear, rows x rows. */
const ntk_matrix *ntk_parts_matrix(const ntk_parts *parts);

/* Collective.  Puts the next part there, symmetric and complete; they come in the order of
 * ntk_kernel.tensor_name, as many as there.  Fails as the kernel does. */
NTK_CHECKED ntk_status ntk_parts_next(ntk_parts *parts);
void ntk_parts_close(ntk_parts **parts);

/* What `plan` says of a kernel stage; a test compares it with counted calls. */
typedef struct ntk_kernel_cost {
  double assembly_flops; /* of all ranks, without the diagonal's staircase; cf. ntk_kernel.flops */
  double flops;          /* with forward and backward passes */
  double traffic_bytes;  /* that pass through memory beside, on one rank; an estimate */
  double repeat_flops;   /* what every further chunk of columns costs: the backward passes again,
                            and on several ranks the exchange of factors, as flops that take as
                            long */
  double matrix_bytes;   /* Gram and test blocks of the largest rank */
  double bytes;          /* of the largest rank at the peak: those, weights, own activations,
                            panels, scratch */
} ntk_kernel_cost;

/* Local.  Cost of one quantity of an empirical kernel on a rows x cols grid; needs no tensor
 * data. */
ntk_kernel_cost ntk_kernel_cost_of(const ntk_network *network, const ntk_kernel_settings *settings,
                                   const ntk_quantity *quantity, int64_t n, int64_t m,
                                   int64_t block, int grid_rows, int grid_cols);

/* Local.  The chunks of a kernel that takes so many seconds: one every `interval` of them, as long
 * as the repeated passes cost at most 2 %; interval 0: 16. */
int64_t ntk_kernel_chunks(const ntk_kernel_cost *cost, double seconds, double interval);

#endif
