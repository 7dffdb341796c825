/* load.h -- a command's config as a job, its problems on stderr. */
#ifndef NTK_RUN_LOAD_H
#define NTK_RUN_LOAD_H

#include "ntk/run/command.h"
#include "ntk/run/job.h"

/* Local.  0, or the exit code after everything that is wrong has been printed.
 *   speak  false: another rank prints it, and its keys are to be shared (ntk_job_share) */
int ntk_load_or_complain(const ntk_arguments *arguments, bool speak, ntk_job *job);

#endif
