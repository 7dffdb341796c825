/* plan.h -- what a job means before anything runs: cost of every point and of all. */
#ifndef NTK_RUN_PLAN_H
#define NTK_RUN_PLAN_H

#include "ntk/run/cost.h"
#include "ntk/run/tempo.h"

typedef struct ntk_plan_point {
  ntk_point_cost cost;   /* n and parameters -1 if unknown */
  int64_t unit;          /* of what is computed together (units.h) */
  double flops, seconds; /* without what points of its unit before it have computed; NaN if cost cannot
                            be told; seconds are an estimate */
  ntk_point_state state;
  char *problem;         /* why it would fail; owned, else NULL */
} ntk_plan_point;

typedef struct ntk_plan {
  const ntk_job *job;
  int ranks;
  ntk_tempo tempo;
  bool measured;            /* seconds are scaled by those of points that are done */
  ntk_plan_point *point;    /* [job->point_count] */
  ntk_point_facts *facts;   /* [job->point_count] */
  int64_t workers;          /* processes that are at work, each for its group of ranks */
  int64_t states[NTK_POINT_STATES], skipped, problems;
  ntk_status last_problem;
  double flops, seconds;           /* of all points */
  double flops_left, seconds_left; /* of those that are not done */
  double bytes_per_rank;           /* most that any point needs */
  double results_bytes, kept_bytes; /* on disk when all is done; shared files count once */
  double bytes_left;               /* of these, of what `run` would compute */
  int64_t ranks_needed, longest;   /* index of the longest point; -1: none */
  char *refusal;            /* why run would refuse the whole; owned, else NULL */
  ntk_status refused;       /* with what */
} ntk_plan;

/* Local.  Looks at every point: its cost on `ranks` ranks and what is done.  What is wrong with one
 * point is kept with it; what is wrong with the folder, too little room on its disk, or a file that
 * is missing, in `refusal`.  Writes nothing.
 *   ranks  0: as many as are at work now, else as points had before
 *   plan   overwritten; owned by the caller, ntk_plan_destroy
 * Fails with NTK_E_MEMORY, NTK_E_IO. */
NTK_CHECKED ntk_status ntk_plan_make(const ntk_job *job, int ranks, ntk_plan *plan);
void ntk_plan_destroy(ntk_plan *plan);

/* Local.  Whether the point's cost is known. */
bool ntk_plan_knows(const ntk_plan_point *point);

/* Local.  Appends "out: 6 points, 1 failed, 1 running, 4 pending" as a line. */
NTK_CHECKED ntk_status ntk_plan_states(const ntk_plan *plan, ntk_text *text);

/* Local.  Appends the plan as tables for people; of many points a summary, unless `all`. */
NTK_CHECKED ntk_status ntk_plan_text(const ntk_plan *plan, bool all, ntk_text *text);

/* Local.  Appends the plan with every point as JSON. */
NTK_CHECKED ntk_status ntk_plan_json(const ntk_plan *plan, ntk_text *text);

#endif
