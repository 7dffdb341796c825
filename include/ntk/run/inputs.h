/* inputs.h -- <directory>/inputs.txt: the content hash of every file that the points of a sweep depend
 * on, so that their keys are still known where those files are not: `merge`, `status` and `plan` of a
 * folder need none of them. */
#ifndef NTK_RUN_INPUTS_H
#define NTK_RUN_INPUTS_H

#include "ntk/run/job.h"

/* Zero-initialise; destroy. */
typedef struct ntk_inputs {
  ntk_arena arena;
  int64_t count, room, last; /* last: the one that was found last */
  ntk_hash_record *record;   /* [count] paths once */
} ntk_inputs;

void ntk_inputs_destroy(ntk_inputs *inputs);

/* Local.  Writes the file; none if the points depend on none.  Fails as ntk_hash_path,
 * ntk_file_write_text. */
NTK_CHECKED ntk_status ntk_inputs_write(const ntk_job *job);

/* Local.  Reads it; lines that it would not write are passed over, a missing file is an empty one.
 * Fails with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_inputs_read(const char *directory, ntk_inputs *inputs);

/* Local.  Fails with NTK_E_MISSING if a file that the points depend on is not there. */
NTK_CHECKED ntk_status ntk_inputs_present(const ntk_job *job);

#endif
