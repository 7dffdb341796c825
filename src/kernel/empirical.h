/* empirical.h -- what the empirical kernels and their costs share; private to this floor. */
#ifndef NTK_KERNEL_EMPIRICAL_H
#define NTK_KERNEL_EMPIRICAL_H

#include "ntk/kernel/kernel.h"

/* What the contractions of all tensors need, and cost. */
typedef struct ntk_empirical_cost {
  double panel_bytes;    /* of one sample in the panels */
  double formed_bytes;   /* of one own sample */
  double collected;      /* 1 if the parts of a weight are collected in a matrix, else 0 */
  double tile_bytes;     /* of products, besides the scratch */
  double sample_flops, entry_flops;
  double factors;        /* each adds to every entry */
  double kept_bytes;     /* of one own sample: all parts of all tensors */
  int64_t batch;         /* samples that go through the network together, while parts are kept of
                            all (batches.h); 0: all samples */
} ntk_empirical_cost;

/* Local.  For n training samples, and `rows` x `cols` entries on a rank. */
ntk_empirical_cost ntk_empirical_cost_of(const ntk_network *network,
                                         const ntk_kernel_settings *settings,
                                         const ntk_quantity *quantity, int64_t n, int64_t rows,
                                         int64_t cols);

#endif
