/* schedule.h -- which unit of a sweep is computed by how many ranks, in which order, by which part of
 * an array of jobs, and how long the rest takes.  Arithmetic only: no MPI, no files.
 *
 * A unit is what is computed together: the points that share their kernels.  All ranks begin as one
 * group; a group does units of its level, then splits in two halves that go on one level further
 * down (P, P/2, P/4, ..., 1 ranks).  So a unit's level decides how many ranks it gets. */
#ifndef NTK_RUN_SCHEDULE_H
#define NTK_RUN_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "ntk/base/error.h"

enum { NTK_MOST_LEVELS = 32 };

/* What a unit's time goes to: its points (data, files, analyses: however many ranks), its kernels,
 * its spectra. */
enum { NTK_PART_POINTS, NTK_PART_KERNEL, NTK_PART_SPECTRUM, NTK_PARTS };

/* Predicted seconds of a unit's parts on one rank. */
typedef struct ntk_unit {
  double part[NTK_PARTS];
  int least_ranks; /* of a group in whose memory it fits */
} ntk_unit;

/* Factors of the parts: 1 as predicted; ntk_pace_fit learns them. */
typedef struct ntk_pace {
  double factor[NTK_PARTS];
} ntk_pace;

extern const ntk_pace ntk_pace_predicted;

/* Local. */
double ntk_unit_seconds(const ntk_unit *unit, const ntk_pace *pace, int ranks);

/* The groups of a job. */
typedef struct ntk_groups {
  int ranks;       /* of the job */
  int group_ranks; /* 0: the chain of halves; else ranks / group_ranks groups that never split */
} ntk_groups;

/* Local.  Levels of the chain, and the ranks of the smallest group of a level.  Of a group of `ranks`
 * that splits the first half gets ntk_groups_half(ranks), the second the rest. */
int ntk_groups_levels(const ntk_groups *groups);
int ntk_groups_least(const ntk_groups *groups, int level);
int ntk_groups_half(int ranks);

/* Local.  Ranks of the smallest group that the unit can be in. */
int ntk_groups_fewest(const ntk_groups *groups, const ntk_unit *unit);

typedef struct ntk_schedule {
  double seconds; /* predicted, until the last unit is done */
  int *level;     /* [count] of every unit; -1: it is left out */
  int *owner;     /* [count] first rank of the group that gets it by the prediction */
  int64_t *order; /* [count] units: a few short ones that tell the speed, then the longest first */
} ntk_schedule;

/* Local.  Levels such that all is done early: of a range of times that no unit may take longer than,
 * each with the smallest groups that keep to it, the best one in simulation.  A unit that fits into
 * no group gets the largest.  Of many units a few that take no time go first, on as many ranks as the longest get.
 *   wanted    [count] which units; NULL: all
 *   schedule  overwritten; ntk_schedule_destroy
 * Fails with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_schedule_make(const ntk_unit *units, int64_t count, const bool *wanted,
                                         const ntk_groups *groups, const ntk_pace *pace,
                                         ntk_schedule *schedule);
void ntk_schedule_destroy(ntk_schedule *schedule);

/* Local.  No schedule can be faster: all ranks busy all the time, or the longest unit on its best
 * number of ranks. */
double ntk_schedule_bound(const ntk_unit *units, int64_t count, const ntk_groups *groups,
                          const ntk_pace *pace);

/* What has become of a unit. */
typedef struct ntk_unit_state {
  enum { NTK_UNIT_WAITS, NTK_UNIT_RUNS, NTK_UNIT_ENDED } state;
  double seconds;         /* it took (ended; NaN: not computed, or not all), or runs by now */
  double part[NTK_PARTS]; /* ended: seconds of its parts; NaN: unknown, or not computed as a whole */
  int ranks;              /* that it has or had */
  double age;             /* seconds since it ended */
} ntk_unit_state;

/* Local.  Factors by which the parts of finished units differ from the prediction: a least-squares
 * fit of errors relative to the unit's time, in which what is long ago and what lies far off lose
 * their weight, drawn weakly to one common factor.  The predicted pace, and false, if no part is known. */
bool ntk_pace_fit(const ntk_unit *units, int64_t count, const ntk_unit_state *state,
                  ntk_pace *pace);

/* Local.  Seconds until all is done, by simulation of what is left at the fitted pace.
 * Fails with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_schedule_left(const ntk_unit *units, int64_t count,
                                         const ntk_unit_state *state, const ntk_schedule *schedule,
                                         const ntk_groups *groups, double *seconds);

/* Part `index` of `count`, both from 1. */
typedef struct ntk_shard {
  int64_t index, count;
} ntk_shard;

/* Local.  Reads "2/5".  Fails with NTK_E_USAGE. */
NTK_CHECKED ntk_status ntk_shard_read(const char *text, ntk_shard *shard);

/* Local.  Which units belong to the shard: each to one of them, of about the same sum of seconds,
 * whatever is done already.
 *   mine  [count], overwritten
 * Fails with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_shard_units(const ntk_unit *units, int64_t count,
                                       const ntk_shard *shard, bool *mine);

#endif
