/* sources.h -- data that one rank has read and others need: a job reads each file once, on rank 0,
 * and roots of groups get it from the root of the group that they leave. */
#ifndef NTK_RUN_SOURCES_H
#define NTK_RUN_SOURCES_H

#include "ntk/dist/comm.h"
#include "ntk/run/job.h"

/* Collective.  Rank 0 hands the sources that it holds, and that pending points need, to ranks that
 * lack them.
 *   pending  [job->point_count] of rank 0
 *   cache    of each rank
 * Fails with NTK_E_MEMORY; what some ranks have got by then they keep. */
NTK_CHECKED ntk_status ntk_sources_share(const ntk_comm *comm, const ntk_job *job,
                                         const bool *pending, ntk_data_cache *cache);

#endif
