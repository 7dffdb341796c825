/* stage_files.h -- what the files of a stage hold beside their matrices, and which of them are
 * there; private to stages.c. */
#ifndef NTK_RUN_STAGE_FILES_H
#define NTK_RUN_STAGE_FILES_H

#include "ntk/run/keep.h"

/* Local.  Whether there are files, finished or not, that a run could go on with. */
bool ntk_stage_has_kernel_files(const ntk_kept *kept);
bool ntk_stage_has_spectrum_file(const ntk_kept *kept);

/* Local.  kernel.h5: all of a kernel but the matrices, and the reverse.
 *   found  it is there, sound, and of this key; `state` is empty otherwise */
NTK_CHECKED ntk_status ntk_stage_write_state(const ntk_kept *kept, const ntk_kernel *kernel);
NTK_CHECKED ntk_status ntk_stage_read_state(const ntk_kept *kept, ntk_record *state, bool *found);

/* Local.  What stands in spectrum.h5 beside the vectors, into an empty record (to be destroyed in
 * any case). */
NTK_CHECKED ntk_status ntk_stage_describe_spectrum(const ntk_spectrum *spectrum,
                                                   ntk_record *record);

/* Collective.  The reverse, from the finished file; n is 0 if it is of no use.
 *   kernel  [96] where spectrum->kernel will stand */
NTK_CHECKED ntk_status ntk_stage_read_spectrum(const ntk_kept *kept, int64_t n, char *kernel,
                                               ntk_spectrum *spectrum);

/* Local.  Files that `output.keep` does not name: whether there are any, and their end.  The second
 * fails with NTK_E_IO. */
bool ntk_stage_has_unkept(const ntk_kept *kept);
NTK_CHECKED ntk_status ntk_stage_remove_unkept(const ntk_kept *kept);

#endif
