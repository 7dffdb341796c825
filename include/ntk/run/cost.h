/* cost.h -- what a point will cost, from the rows' own functions; for plan, the order of work and
 * the time left. */
#ifndef NTK_RUN_COST_H
#define NTK_RUN_COST_H

#include "ntk/run/job.h"

typedef struct ntk_point_cost {
  int64_t n, m, rows, parameters;
  double kernel_flops, spectrum_flops;
  double kernel_bytes;   /* that pass through memory beside its products, on one rank */
  double bytes_per_rank; /* peak, on the rank that needs most */
  double matrix_bytes;   /* of those: Gram and test blocks, which stay for the spectrum */
  double results_bytes;  /* of results.h5; as all that follow not much too high, and not too low */
  double own_bytes;      /* of files that are kept: weights, predictions; */
  double shared_bytes;   /* those of its kernel, which other points may have, too */
  double stage_bytes;    /* of the files that stages longer than run.checkpoint_after write beside
                            those that are kept: Gram, test block, spectrum */
  int64_t ranks_needed;  /* for the 32-bit integers of ScaLAPACK */
} ntk_point_cost;

/* Local.  Of an eigenproblem with all vectors: tridiagonalisation 4/3 n^3, divide and conquer and
 * back-transformation 4 n^3. */
double ntk_spectrum_flops(int64_t n);

/* Local.  Cost of a point on a grid of `ranks` ranks.  Reads what it must of the data (counts and
 * shapes); `cache` keeps it for the next point.  Fails as ntk_data_probe, ntk_network_create. */
NTK_CHECKED ntk_status ntk_point_cost_of(const ntk_point *point, int ranks, ntk_data_cache *cache,
                                         ntk_point_cost *cost);

/* Local.  What a point leaves on disk, without the files of its kernel. */
double ntk_point_disk_bytes(const ntk_point_cost *cost);

#endif
