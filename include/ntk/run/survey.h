/* survey.h -- how far a sweep is: what `ntkrun status` tells of a plan. */
#ifndef NTK_RUN_SURVEY_H
#define NTK_RUN_SURVEY_H

#include "ntk/run/plan.h"

/* Local.  Appends a summary for people: who runs what since when, what failed and why, what was
 * interrupted, the time left.
 *   left  seconds until nothing is to do; NaN: unknown
 *   all   every point, too */
NTK_CHECKED ntk_status ntk_survey_text(const ntk_plan *plan, double left, bool all, ntk_text *text);

/* Local.  Appends the same with every point as JSON. */
NTK_CHECKED ntk_status ntk_survey_json(const ntk_plan *plan, double left, ntk_text *text);

/* Local.  Seconds until all points are done or have failed, with the plan's ranks at work.
 * Fails with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_survey_left(const ntk_plan *plan, double *left);

/* Local.  As that of `run`: 0 all done; 75 there is something to do, or somebody is at it; 1 only
 * failed points are left. */
int ntk_survey_exit_code(const ntk_plan *plan);

#endif
