/* point.h -- one point of a sweep: data, network, kernel, spectrum, analyses, results. */
#ifndef NTK_RUN_POINT_H
#define NTK_RUN_POINT_H

#include "ntk/data/data.h"
#include "ntk/dist/grid.h"
#include "ntk/run/job.h"

/* Where points are computed, and what outlives a point. */
typedef struct ntk_place {
  const ntk_grid *grid;
  ntk_data_cache cache; /* rank 0: sources that were read */
} ntk_place;

/* Collective.  Computes the groups of the point that results.h5 lacks or holds under another key,
 * and writes results.h5 and the files that `output.keep` names.
 *   summary  [size] one line about what was done
 * Fails with whatever a stage fails with; results.h5 is then as it was. */
NTK_CHECKED ntk_status ntk_point_run(const ntk_job *job, const ntk_point *point, ntk_place *place,
                                     char *summary, int size);

#endif
