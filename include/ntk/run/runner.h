/* runner.h -- all points of a job on the ranks of a communicator. */
#ifndef NTK_RUN_RUNNER_H
#define NTK_RUN_RUNNER_H

#include "ntk/dist/comm.h"
#include "ntk/run/job.h"

typedef struct ntk_run_counts {
  int64_t computed, skipped, failed;
  ntk_status last_failure;
} ntk_run_counts;

/* Local.  Fails, with NTK_E_CONFIG if it holds a sweep over other axes, where the job's folder would
 * be refused. */
NTK_CHECKED ntk_status ntk_run_check_folder(const ntk_job *job);

/* Collective.  Computes every point that is not done, records each in its log.jsonl; a failing
 * point is reported and the others go on.  Fails (for the job, not for a point) with NTK_E_CONFIG
 * if the folder holds another sweep, NTK_E_CREATE, NTK_E_IO, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_run_job(const ntk_comm *comm, const ntk_job *job,
                                   ntk_run_counts *counts);

#endif
