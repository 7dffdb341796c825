/* keep.h -- the big files of a point that `output.keep` names: kernels/<key>/gram.h5,
 * test_train.h5, per_layer.h5, spectrum.h5 and points/<id>/weights.h5. */
#ifndef NTK_RUN_KEEP_H
#define NTK_RUN_KEEP_H

#include "ntk/dist/comm.h"
#include "ntk/run/job.h"

/* Whose files: quantity `which` of a point. */
typedef struct ntk_kept {
  const ntk_comm *comm;
  const ntk_job *job;
  const ntk_point *point;
  int64_t which;
} ntk_kept;

/* Collective.  Each writes what `output.keep` names, or nothing.  Fail as ntk_panel_write. */
NTK_CHECKED ntk_status ntk_keep_kernel(const ntk_kept *kept, const ntk_kernel *kernel);
NTK_CHECKED ntk_status ntk_keep_spectrum(const ntk_kept *kept, const ntk_kernel *kernel,
                                         const ntk_spectrum *spectrum);

/* Collective.  One dataset a tensor, "layers/<layer>/<tensor>", one of them in memory at a time.
 *   input  that `kernel` was computed from */
NTK_CHECKED ntk_status ntk_keep_parts(const ntk_kept *kept, const ntk_kernel_input *input,
                                      const ntk_kernel *kernel);

/* Collective. */
NTK_CHECKED ntk_status ntk_keep_weights(const ntk_kept *kept, const ntk_network *network);

/* Local.  Makes the folder of a file. */
NTK_CHECKED ntk_status ntk_make_folder_of(const char *path);

#endif
