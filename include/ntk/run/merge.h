/* merge.h -- all points of a sweep in one labelled file, sweep.h5. */
#ifndef NTK_RUN_MERGE_H
#define NTK_RUN_MERGE_H

#include "ntk/run/job.h"

/* Local.  Writes <directory>/sweep.h5 from the results.h5 of the points: one coordinate per axis,
 * point_id, status, message, seconds, and in one group per results group every scalar and curve
 * stacked over the axes.  A coordinate that differs between points becomes a variable over
 * (axes, <name>_index).  NaN where a point has no value.  Holds one variable in memory at a time.
 * Fails with NTK_E_CREATE, NTK_E_IO, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_merge(const ntk_job *job);

#endif
