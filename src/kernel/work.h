/* work.h -- an empirical kernel while it is computed; private to this floor.
 *
 *   empirical.c  the whole stage: matrices, forward pass, chunks of columns
 *   factor.c     one factor into all matrices
 *   tensors.c    the NTK: all factors of the backward pass, and sums over the part of each tensor
 *   conjugate.c  conjugate kernel and NNGP: the factor of the readout alone
 *   parts.c      the part of one tensor after the other */
#ifndef NTK_KERNEL_WORK_H
#define NTK_KERNEL_WORK_H

#include "chunks.h"
#include "ntk/kernel/kernel.h"
#include "pass.h"
#include "squares.h"

typedef struct ntk_work {
  const ntk_kernel_input *input;
  ntk_kernel *kernel;
  const ntk_network *network;
  ntk_cotangents cotangents;
  ntk_pass train, test;
  ntk_tape training;     /* of all training samples, if batch_norm needs it; else empty */
  ntk_scratch scratch;
  ntk_chunks chunks;
  ntk_squares squares[NTK_CUT_MATRICES]; /* of the symmetric ones */
  bool with_test;        /* the chunk needs the factors of the test samples */
  bool has_diagonal;     /* an earlier one had them */
  void *identity;        /* [rows per sample]^2, of the readout's delta */
  double *collected;     /* as the data of the Gram: parts of a weight at work; NULL: not needed */
  double *own_diagonal;  /* [own test samples * rows per sample] */
  int64_t panels, notes; /* of the Gram; with kernel->tensor_trace: */
  ntk_pair_sums *sums;   /* [panels] of the factor at work */
  int64_t *panel_of;     /* [columns]; NULL: no sums are wanted */
  double *note;          /* [panels][notes] of this rank: a trace and a square for each tensor */
  int tensors;           /* of those, seen so far */
  double start;          /* of the first GEMM */
} ntk_work;

/* Where a part of a factor goes. */
typedef struct ntk_step {
  const ntk_contraction *contraction;
  int64_t part;
  bool collect;        /* one of several parts of a weight, of which the sums are wanted together */
  ntk_pair_sums *sums; /* of the Gram; NULL: not wanted */
  double flops;
} ntk_step;

/* ---- empirical.c ---- */

/* Collective.  Matrices, deals and room for what `input` asks for; all else is zero. */
NTK_CHECKED ntk_status ntk_work_prepare(ntk_work *w);

/* Collective.  Samples to their ranks, and forward. */
NTK_CHECKED ntk_status ntk_work_forward(ntk_work *w);

/* Leaves the counters. */
void ntk_work_destroy(ntk_work *w);

/* ---- factor.c ---- */

/* Collective.  Adds the factor at work, by the contraction of its tensor.
 *   sums  [panels] of its part of the Gram; NULL: not wanted
 *   s     out: the contraction, and the flops of this rank */
NTK_CHECKED ntk_status ntk_work_add_factor(ntk_work *w, ntk_pair_sums *sums, ntk_step *s);

/* Collective.  All factors were added: what squares hold of the chunk's columns goes into the
 * matrices. */
NTK_CHECKED ntk_status ntk_work_deliver(ntk_work *w);

/* ---- tensors.c ---- */

bool ntk_work_is_ntk(const ntk_work *w);

/* Local.  Room for names, flops and, if they are wanted, sums of the tensors' parts. */
NTK_CHECKED ntk_status ntk_work_allocate_notes(ntk_work *w);

/* Local.  The backward pass begins. */
NTK_CHECKED ntk_status ntk_work_begin(ntk_work *w);

/* Collective.  The next factor that has a part in the kernel. */
NTK_CHECKED ntk_status ntk_work_next_tensor(ntk_work *w, bool *more);

/* Collective.  All of them, into what the chunk wants. */
NTK_CHECKED ntk_status ntk_work_add_tensors(ntk_work *w);

/* Collective.  Sums of panels become those of all ranks. */
void ntk_work_sum_panels(const ntk_work *w, int64_t first, int64_t count);

/* Collective.  Trace and norm of every tensor's part, from the sums of all panels. */
void ntk_work_sum_notes(ntk_work *w);

/* ---- conjugate.c ---- */

/* Whether the features are those of an earlier quantity. */
bool ntk_work_recalls(const ntk_work *w);

/* Collective.  The readout's factor into what the chunk wants. */
NTK_CHECKED ntk_status ntk_work_add_readout(ntk_work *w);

#endif
