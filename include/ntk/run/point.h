/* point.h -- one point of a sweep: data, network, kernel, spectrum, analyses, results. */
#ifndef NTK_RUN_POINT_H
#define NTK_RUN_POINT_H

#include "ntk/run/place.h"

/* Collective.  Computes the groups of the point that results.h5 lacks or holds under another key,
 * and writes results.h5 and the files that `output.keep` names.
 *   summary  [size] one line about what was done
 * Fails with whatever a stage fails with, NTK_E_STOPPED if it was asked to stop; results.h5 is then
 * as it was. */
NTK_CHECKED ntk_status ntk_point_run(const ntk_job *job, const ntk_point *point, ntk_place *place,
                                     char *summary, int size);

#endif
