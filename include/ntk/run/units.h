/* units.h -- the points of a job, grouped by what is computed together: points that share a kernel,
 * directly or through others, are one unit. */
#ifndef NTK_RUN_UNITS_H
#define NTK_RUN_UNITS_H

#include "ntk/run/job.h"
#include "ntk/run/schedule.h"
#include "ntk/run/speed.h"

typedef struct ntk_units {
  int64_t count;
  int64_t *first; /* [count + 1] of each unit, in `point` */
  int64_t *point; /* [job->point_count] indices in job->point, unit after unit */
  int64_t *first_lock; /* [count + 1] of each unit, in `lock` */
  ntk_key *lock;       /* its kernels, in ascending order: names of the locks */
} ntk_units;

/* Local.  Units by the first of their points, their points in the order of the job.
 *   units  overwritten; ntk_units_destroy
 * Fails with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_units_make(const ntk_job *job, ntk_units *units);
void ntk_units_destroy(ntk_units *units);

/* Local.  The locks of a unit; borrowed. */
int64_t ntk_unit_lock_count(const ntk_units *units, int64_t unit);
const ntk_key *ntk_unit_locks(const ntk_units *units, int64_t unit);

/* What units will cost, and what they need. */
typedef struct ntk_forecast {
  ntk_unit *unit;  /* [count] */
  double *memory;  /* [count] bytes per rank in the largest group */
  double disk;     /* bytes that are still to be written */
  ntk_speed speed; /* of a unit as large as the largest */
} ntk_forecast;

/* What a forecast depends on. */
typedef struct ntk_outlook {
  const ntk_job *job;
  const ntk_units *units;
  const bool *pending;   /* [point_count] is to be computed */
  const bool *wanted;    /* [units->count] its cost is wanted */
  ntk_groups groups;
  double memory_per_rank; /* bytes that there are */
  bool anywhere;          /* at a tempo that is the same on all machines, not at that of this one */
  ntk_data_cache *cache;
} ntk_outlook;

/* Local.  A unit whose cost cannot be told (a file is missing, say) counts as free, and fails later.
 *   forecast  overwritten; ntk_forecast_destroy
 * Fails with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_forecast_make(const ntk_outlook *outlook, ntk_forecast *forecast);
void ntk_forecast_destroy(ntk_forecast *forecast);

#endif
