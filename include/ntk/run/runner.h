/* runner.h -- all points of a job on the ranks of a communicator. */
#ifndef NTK_RUN_RUNNER_H
#define NTK_RUN_RUNNER_H

#include "ntk/dist/comm.h"
#include "ntk/run/job.h"
#include "ntk/run/schedule.h"

typedef struct ntk_run_options {
  ntk_shard shard;   /* count 0: all points */
  bool retry_failed; /* also points that failed in an earlier run */
  bool fail_fast;    /* the first failure stops the job, as run.on_error: stop does */
} ntk_run_options;

typedef struct ntk_run_counts {
  int64_t points;           /* of its shard */
  int64_t computed, failed; /* by this job */
  int64_t skipped;          /* done before, or meanwhile by another job */
  int64_t failed_before;    /* not tried again */
  int64_t elsewhere;        /* another job is at work on them */
  int64_t left;             /* because the job was stopped */
  bool fast;                /* it was stopped by a failure */
  ntk_status last_failure;  /* of a point */
  char holder[256];         /* who works elsewhere; one of them */
} ntk_run_counts;

/* Local.  Fails with NTK_E_CONFIG if the config asks for larger groups than there are ranks. */
NTK_CHECKED ntk_status ntk_run_check_ranks(const ntk_job *job, int ranks);

/* Collective.  Computes every point that is not done and that no other job works on, records each in
 * its log.jsonl; a failing point is reported and the others go on.
 *   options  NULL: none
 *   counts   the same on all ranks, also on failure
 * Fails (for the job, not for a point) with NTK_E_CONFIG if the folder holds another sweep or
 * run.group_ranks does not fit, NTK_E_CREATE (also: too little room on disk), NTK_E_IO, NTK_E_MEMORY,
 * and NTK_E_STOPPED if it was stopped before all was done. */
NTK_CHECKED ntk_status ntk_run_job(const ntk_comm *comm, const ntk_job *job,
                                   const ntk_run_options *options, ntk_run_counts *counts);

#endif
