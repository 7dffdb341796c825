/* crew.h -- one rank's share in a job: what the files of the runner have in common; private to it.
 *
 *   runner.c    the job as a whole: what is to be done, rounds, the end
 *   group.c     a group of ranks: units of its level, then two halves
 *   visit.c     one unit in a group: its points, their events and lines
 *   claim.c     which unit a group takes next
 *   news.c  what rank 0 knows of all groups, and what it says */
#ifndef NTK_RUN_CREW_H
#define NTK_RUN_CREW_H

#include "ntk/run/failures.h"
#include "ntk/run/place.h"
#include "ntk/run/runner.h"
#include "ntk/run/units.h"

enum { NTK_NEWS = 32 };

/* What the root of a group tells the job's rank 0. */
typedef struct ntk_news {
  int64_t unit;
  ntk_unit_state state; /* it has begun, or ended */
  int64_t points;       /* of the unit that are done with, */
  int64_t failed;       /* and of these failed */
} ntk_news;

/* Rank 0's view of all groups; elsewhere only the news on their way to it. */
typedef struct ntk_news_board {
  ntk_unit_state *state; /* [units] rank 0 */
  double *since;         /* [units] rank 0; when it got into that state, clock of ntk_now */
  int64_t points;        /* of this job, 0 on other ranks */
  int64_t points_done;   /* done with, */
  int64_t points_failed; /* and of these failed */
  int64_t *waiting;      /* [units] points that are not done with; rank 0 */
  double left, asked;    /* the latest estimate of the time left (NaN: none), when it was made, */
  double patience;       /* and seconds until the next one is */
  double spoken, heard;  /* when the latest line was printed, and news were looked for */
  int64_t sent, received;
  ntk_news news[NTK_NEWS];
  MPI_Request request[NTK_NEWS];
} ntk_news_board;

typedef struct ntk_crew {
  const ntk_job *job;
  const ntk_comm *world;
  ntk_run_options options;
  bool speaks;           /* rank 0 prints lines: so may the roots of groups */
  ntk_run_counts counts; /* of the groups that this rank was root of */
  ntk_units units;
  bool *pending; /* [point_count] not done as far as this rank knows, and part of this job */
  bool *fresh;   /* [point_count] there was no results.h5 */
  bool *open;    /* [units] has pending points, or files to tidy up */
  ntk_groups groups;
  ntk_forecast forecast; /* unit and memory on every rank */
  ntk_schedule schedule;
  double memory_per_rank; /* bytes that there are, */
  double planned;         /* and that units of this rank's groups shall need at most */
  ntk_news_board board;
  struct {
    int64_t unit;     /* -1: none */
    double since;     /* clock of ntk_now */
    int64_t points;   /* of it that are done with, */
    int64_t failed;   /* of these failed, */
    int64_t computed; /* and computed */
  } at_work;
  ntk_failures failures; /* that this rank's groups have told of */
  ntk_lock_set *last; /* of the unit before */
  int64_t kept_count;
  ntk_lock_set **kept; /* [units] of units with a failure: nobody tries them again while this job runs */
  ntk_place place;
  ntk_stop stop;
  ntk_speed speed;
  ntk_backlog backlog;
} ntk_crew;

/* ---- claim.c ------------------------------------------------------------------------------- */

/* A group's search through the units of its levels. */
typedef struct ntk_search {
  int level, deepest;
  int64_t cursor[2]; /* through the units that the schedule gives this group, and through all */
} ntk_search;

/* Local, on the root of a group.  The next unit that nobody has, with its locks; -1 if there is none. */
NTK_CHECKED ntk_status ntk_claim_next(ntk_crew *crew, int ranks, ntk_search *search, int64_t *unit);

/* Local.  Whether a point is done: results.h5 of others is looked at. */
NTK_CHECKED ntk_status ntk_claim_is_done(const ntk_crew *crew, int64_t point, bool *done);

/* What is to become of the units that are still open. */
typedef enum ntk_rest {
  NTK_REST_NONE,
  NTK_REST_OPEN,
  NTK_REST_SILENT,
  NTK_REST_ELSEWHERE
} ntk_rest;

/* Local, on rank 0.  Looks at what is still open: closes what others have done meanwhile.
 *   rest  open: some can be claimed now; silent: the only holders may be dead, wait; elsewhere: others
 *         are at work on all of them */
NTK_CHECKED ntk_status ntk_claim_review(ntk_crew *crew, ntk_rest *rest);

/* ---- visit.c, group.c ---------------------------------------------------------------------- */

/* Collective over the group of crew->place.  Computes the pending points of a unit.  Where a lock of
 * it is another process's now, the unit stays open.  Fails for the job, not for a point, and with
 * NTK_E_STOPPED. */
NTK_CHECKED ntk_status ntk_visit_unit(ntk_crew *crew, int64_t unit);

/* Local.  The unit at work, as if it had ended now. */
ntk_unit_state ntk_visit_outcome(const ntk_crew *crew);

/* Collective over `comm`, whose rank 0 hands its sources on to the roots of the groups to come.
 *   root  this rank will be one */
NTK_CHECKED ntk_status ntk_group_hand_on(ntk_crew *crew, const ntk_comm *comm, bool root);

/* Collective over `comm`.  All units that its ranks can claim, from `level` on downwards. */
NTK_CHECKED ntk_status ntk_group_work(ntk_crew *crew, const ntk_comm *comm, int level);

/* ---- news.c ---------------------------------------------------------------------------- */

/* Collective. */
NTK_CHECKED ntk_status ntk_news_begin(ntk_crew *crew);

/* Collective.  Waits until every rank is here; rank 0 hears the last news. */
void ntk_news_gather(ntk_crew *crew);
void ntk_news_end(ntk_crew *crew);

/* Local, on the root of a group. */
void ntk_news_tell(ntk_crew *crew, const ntk_news *news);

/* Local.  Rank 0 listens, and says something if it has been silent for long. */
void ntk_news_tick(void *crew);

/* Local.  "; 17 of 200 done, 1 failed, about 3 min left" on rank 0, else "". */
void ntk_news_text(ntk_crew *crew, char *text, size_t size);

#endif
