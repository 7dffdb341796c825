/* folder.h -- the folder of a sweep, before a job works in it. */
#ifndef NTK_RUN_FOLDER_H
#define NTK_RUN_FOLDER_H

#include "ntk/run/job.h"

/* Local.  False with `output.keep: []`: the job reads and writes nothing in it. */
bool ntk_folder_is_used(const ntk_job *job);

/* Local.  A folder belongs to one sweep: fails with NTK_E_CONFIG if it holds one over other axes. */
NTK_CHECKED ntk_status ntk_folder_check(const ntk_job *job);

/* Local.  Makes the folder and its config.yaml.  Fails likewise, and with NTK_E_CREATE,
 * NTK_E_FULL, NTK_E_IO. */
NTK_CHECKED ntk_status ntk_folder_prepare(const ntk_job *job);

/* Local.  Fails with NTK_E_CREATE if the folder's file system has not so many bytes left; what does
 * not tell has enough. */
NTK_CHECKED ntk_status ntk_folder_check_room(const ntk_job *job, double bytes);

/* Local.  Bytes on disk of the files of the point's kernels and spectra, finished or not. */
double ntk_folder_bytes_there(const ntk_job *job, const ntk_point *point);

#endif
