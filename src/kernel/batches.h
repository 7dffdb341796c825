/* batches.h -- own samples of an empirical NTK, taken forward and backward some at a time: what
 * their factors become is kept for all of them, the tape is that of one batch; private to this
 * floor.  For networks of which parts are much smaller than activations (convolutions). */
#ifndef NTK_KERNEL_BATCHES_H
#define NTK_KERNEL_BATCHES_H

#include "ntk/kernel/assembly.h"
#include "ntk/kernel/kernel.h"

/* A part of a factor, of all own samples. */
typedef struct ntk_kept_part {
  ntk_factor factor; /* borrows the arrays */
  void *a, *delta;   /* [ntk_pad(own)][...]; NULL if it has none */
  double flops;      /* that formed it, and were not told yet */
} ntk_kept_part;

typedef struct ntk_kept {
  ntk_factor factor;      /* without arrays */
  ntk_patches patches;    /* its own, where it has some, without indices */
  int64_t parts, weights; /* the first are those of the weight */
  ntk_kept_part *part;    /* [parts] */
} ntk_kept;

/* Zero-initialise, with size; destroy. */
typedef struct ntk_batches {
  int64_t size;   /* samples of a batch; 0: nothing is kept */
  int64_t own;    /* samples */
  int count;      /* factors, in the order of the stream */
  int next;       /* that is asked for */
  ntk_kept *kept; /* [network->tensor_count] */
  double *output; /* [own][outputs] */
} ntk_batches;

void ntk_batches_destroy(ntk_batches *batches);

/* Local.  All own samples through the network and back.
 *   all           own samples; whatever numbers them
 *   values        [own][features], borrowed during the call
 *   formed_bytes  of a sample, of the contractions that the settings choose
 * Fails as forward pass and stream do. */
NTK_CHECKED ntk_status ntk_batches_run(const ntk_kernel_input *input, const ntk_batch *all,
                                       const double *values, int64_t formed_bytes,
                                       ntk_batches *batches);

/* Local.  The next factor, as ntk_stream_next; and a part of it, as ntk_contraction_form: `factor`
 * may have lost its weight or its bias meanwhile. */
void ntk_batches_next(ntk_batches *batches, ntk_factor *factor, bool *more);
void ntk_batches_part(ntk_batches *batches, const ntk_factor *factor, int64_t part,
                      ntk_factor *formed, double *flops);

#endif
