/* workers.h -- the processes that are at work on a sweep, as its points tell. */
#ifndef NTK_RUN_WORKERS_H
#define NTK_RUN_WORKERS_H

#include "ntk/run/job.h"

/* Rank 0 of a group. */
typedef struct ntk_worker {
  char host[64], since[32]; /* since: when it began with its latest point */
  long process;
  int ranks; /* of its group, at that point */
} ntk_worker;

typedef struct ntk_workers {
  int64_t count, capacity;
  ntk_worker *worker;
  int ranks; /* of all */
} ntk_workers;

/* Local.  Those that run a point, or have ended one so lately that they may be about to begin the
 * next one.
 *   workers  overwritten; ntk_workers_destroy
 * Fails with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_workers_find(const ntk_point_facts *facts, int64_t count,
                                        ntk_workers *workers);
void ntk_workers_destroy(ntk_workers *workers);

/* Local.  The one that has or had the point; NULL if it is none of them. */
const ntk_worker *ntk_workers_of(const ntk_workers *workers, const ntk_point_facts *facts);

#endif
