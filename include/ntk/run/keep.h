/* keep.h -- the big files of a point: kernels/<key>/gram.h5, test_train.h5, spectrum.h5 and
 * per_layer.h5, points/<id>/weights.h5; what they hold, and which of them `output.keep` names. */
#ifndef NTK_RUN_KEEP_H
#define NTK_RUN_KEEP_H

#include "ntk/dist/comm.h"
#include "ntk/run/job.h"
#include "ntk/store/checkpoint.h"

/* Whose files: quantity `which` of a point. */
typedef struct ntk_kept {
  const ntk_comm *comm;
  const ntk_job *job;
  const ntk_point *point;
  int64_t which;
} ntk_kept;

typedef enum ntk_kept_file {
  NTK_KEPT_GRAM,
  NTK_KEPT_TEST, /* test block and test-test block; with a validation set, whose rows stand behind
                    those of the test set: held_out.h5, which nobody keeps, instead of
                    test_train.h5 */
  NTK_KEPT_SPECTRUM
} ntk_kept_file;

/* What the files of a kernel hold. */
typedef struct ntk_kept_shape {
  const ntk_quantity *quantity;
  int64_t rows, test_rows; /* of the Gram, of the test block with validation */
  bool full;               /* several rows a sample */
  bool test_test;
  bool validation; /* there is a validation set */
  int64_t notes;   /* that go with the panels of the Gram */
} ntk_kept_shape;

typedef enum ntk_kept_way { NTK_KEPT_FIND, NTK_KEPT_OPEN, NTK_KEPT_CREATE } ntk_kept_way;

/* Collective.  Finds the file (NULL if it is not there), opens it (finds or creates), or creates
 * it, in its folder, which is made.
 *   small  rank 0: variables and attributes of its header beside those that all have; may be NULL
 * Fails as the functions of checkpoint.h. */
NTK_CHECKED ntk_status ntk_kept_open(const ntk_kept *kept, ntk_kept_file file,
                                     const ntk_kept_shape *shape, ntk_kept_way way,
                                     const ntk_record *small, ntk_checkpoint **checkpoint);

/* Local.  "<directory>/kernels/<key>/<name>", and whether `output.keep` names the file. */
void ntk_kept_path(const ntk_kept *kept, ntk_kept_file file, bool validation,
                   char path[NTK_PATH_SIZE]);
bool ntk_keeps(const ntk_kept *kept, ntk_kept_file file, bool validation);

/* Collective.  What `output.keep` names of the Gram and the test block of a kernel, unless there is
 * such a file already.
 *   notes  as in ntk_kept_shape */
NTK_CHECKED ntk_status ntk_keep_kernel(const ntk_kept *kept, const ntk_kernel *kernel,
                                       int64_t notes);

/* Collective.  One dataset a tensor, "layers/<layer>/<tensor>", one of them in memory at a time,
 * unless such a file is there.
 *   input  that `kernel` was computed from */
NTK_CHECKED ntk_status ntk_keep_parts(const ntk_kept *kept, const ntk_kernel_input *input,
                                      const ntk_kernel *kernel);

/* Collective. */
NTK_CHECKED ntk_status ntk_keep_weights(const ntk_kept *kept, const ntk_network *network);

/* Local.  Makes the folder of a file. */
NTK_CHECKED ntk_status ntk_make_folder_of(const char *path);

#endif
