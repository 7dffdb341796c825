/* merge.h -- all points of a sweep in one labelled file, sweep.h5. */
#ifndef NTK_RUN_MERGE_H
#define NTK_RUN_MERGE_H

#include "ntk/run/job.h"

/* Local.  Writes <directory>/sweep.h5 from the results.h5 of the points: one coordinate per axis,
 * the keys of a zipped axis as variables over it; point_id, status, message, seconds; and in one
 * group per results group every scalar and curve stacked over the axes.  A coordinate that differs
 * between points becomes a variable over (axes, <name>_index).  NaN where a point has no value.
 *   flat  <directory>/sweep_flat.h5 instead, over the one dimension `point` (without those that
 *         are skipped): axes and their keys are coordinates over it
 * Holds one variable in memory at a time, or a few small ones.  Jobs may write points meanwhile:
 * the file shows each as it was at one moment, and a reader of it never sees half a file.  What a
 * merge that was killed has left in the folder is removed.
 * Fails with NTK_E_CREATE, NTK_E_IO, NTK_E_MEMORY, NTK_E_SIZE (too many axes), NTK_E_INPUT (points
 * keep changing). */
NTK_CHECKED ntk_status ntk_merge(const ntk_job *job, bool flat);

/* Local.  The same with another link(2): some file systems have none. */
typedef int ntk_merge_link(const char *file, const char *name);
NTK_CHECKED ntk_status ntk_merge_with(const ntk_job *job, bool flat, ntk_merge_link *link);

#endif
