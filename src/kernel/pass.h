/* pass.h -- one set of samples of an empirical kernel: its share on this rank, the forward pass and
 * the panels in which factors travel. */
#ifndef NTK_KERNEL_PASS_H
#define NTK_KERNEL_PASS_H

#include "batches.h"

/* Zero-initialise, deal; destroy. */
typedef struct ntk_pass {
  const ntk_samples *samples;
  ntk_deal deal;
  double *inputs; /* [ntk_pad(own)][features] until the forward pass is done */
  double *centre; /* [own][O] output at theta_0, where that is another network; else NULL */
  ntk_batches batches; /* with a size: instead of tape and stream */
  ntk_tape tape;
  ntk_stream stream;
  ntk_factor factor;
  ntk_factor part;             /* of it, that travels */
  ntk_stream self_stream;      /* of entries of a sample with itself, if network->two_kernels */
  ntk_factor self;             /* as `factor`, of that */
  bool test;                   /* of test samples */
  int64_t *number;             /* [own] in the source */
  int64_t formed_width;        /* bytes of a sample */
  char *formed;                /* [ntk_pad(own)][formed_width] what `part` borrows */
  int64_t panel_width;         /* bytes of a sample */
  char *row_panel, *col_panel; /* [ntk_pad(rows or cols)][panel_width]; a, then delta */
} ntk_pass;

void ntk_pass_destroy(ntk_pass *pass);

/* Collective.  Own samples from rank 0. */
NTK_CHECKED ntk_status ntk_pass_scatter(const ntk_kernel_input *input, ntk_pass *pass);

/* Collective.  All training samples through one of the networks, on every rank: what batch_norm
 * takes its statistics from.  Without it (network->coupled 0) the tape stays empty. */
NTK_CHECKED ntk_status ntk_pass_training(const ntk_kernel_input *input, const ntk_network *network,
                                         ntk_tape *training);

/* Collective.  The output of the scattered samples at theta_0, where that is another network.
 *   training  of ntk_pass_training at theta_0 */
NTK_CHECKED ntk_status ntk_pass_centre(const ntk_kernel_input *input, const ntk_tape *training,
                                       ntk_pass *pass);

/* Collective.  Takes them through the network; leaves the tape, which borrows `training`, or what
 * was kept of batches. */
NTK_CHECKED ntk_status ntk_pass_forward(const ntk_kernel_input *input, const ntk_tape *training,
                                        ntk_pass *pass);

/* Collective.  The network's output of `count` samples to every rank, and f0: the same, or where
 * the output is centered the same less that at theta_0, which is 0 unless theta_0 is another
 * network. */
NTK_CHECKED ntk_status ntk_pass_output(const ntk_kernel_input *input, const ntk_pass *pass,
                                       int64_t count, double **initial, double **f0);

/* Local.  Begins the stream of factors of the tape, from the start; the next of them, in `factor`
 * and, if there are two kernels, `self`. */
NTK_CHECKED ntk_status ntk_pass_begin(ntk_pass *pass, const ntk_cotangents *cotangents);
NTK_CHECKED ntk_status ntk_pass_next(ntk_pass *pass, bool *more);

/* Local.  Room for a and delta of the largest part, and for what is formed of a sample; in batches
 * that is made for a batch alone. */
NTK_CHECKED ntk_status ntk_pass_create_panels(ntk_pass *pass, double sample_bytes,
                                              double formed_bytes);

/* Local.  Makes part number `part` of the factor.
 *   flops  += those of its GEMMs */
NTK_CHECKED ntk_status ntk_pass_form(ntk_pass *pass, ntk_dtype dtype,
                                     const ntk_contraction *contraction, int64_t part,
                                     double *flops);

/* Collective.  Panels of the part for the rows of the deal's matrix and, if the deal has them,
 * the columns. */
NTK_CHECKED ntk_status ntk_pass_gather(ntk_pass *pass, ntk_dtype dtype, ntk_side *rows,
                                       ntk_side *cols);

#endif
