/* load.h -- a command's config as a job, its problems on stderr. */
#ifndef NTK_RUN_LOAD_H
#define NTK_RUN_LOAD_H

#include "ntk/run/command.h"
#include "ntk/run/job.h"

/* Local.  0, or the exit code after everything that is wrong has been printed.
 *   speak  false: another rank prints it, and its keys are to be shared (ntk_job_share) */
int ntk_load_or_complain(const ntk_arguments *arguments, bool speak, ntk_job *job);

/* Local.  The same for commands that compute nothing: ntk_job_look.
 *   directory  the folder of a sweep, where every point's id must be known; NULL: as the config says,
 *              and ids may be unknown */
int ntk_look_or_complain(const ntk_arguments *arguments, const char *directory, ntk_job *job);

/* Local.  The same of the job whose results are in a folder, also one that was moved.
 *   folder  borrowed by the job */
int ntk_look_at_folder_or_complain(const char *folder, ntk_job *job);

/* Local.  0 if no point failed, or will; 1 if some; if all, the code of the last failure. */
int ntk_points_exit_code(int64_t failed, int64_t points, ntk_status last);

#endif
