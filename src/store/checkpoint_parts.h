/* checkpoint_parts.h -- an open big file, shared by the files that make up checkpoint.h. */
#ifndef NTK_STORE_CHECKPOINT_PARTS_H
#define NTK_STORE_CHECKPOINT_PARTS_H

#include "ntk/store/checkpoint.h"
#include "ntk/store/durable.h"
#include "ntk/store/journal.h"

/* A matrix of the file. */
typedef struct ntk_checkpoint_shape {
  char name[NTK_NAME_SIZE];
  int64_t rows, cols;
  bool symmetric;
  int64_t width, panels; /* columns of a panel; number of panels */
  int64_t first;         /* its first panel among those of all matrices */
} ntk_checkpoint_shape;

struct ntk_checkpoint {
  ntk_comm comm;
  char path[NTK_DURABLE_PATH], partial[NTK_DURABLE_PATH];
  int file; /* open on every rank, -1: not */
  bool complete;
  int64_t count, panels;
  ntk_checkpoint_shape *shapes;
  ntk_trailer trailer; /* extents on all ranks, the rest on rank 0 */
  ntk_journal journal; /* the same on all ranks; rank 0's stands on disk too */
  uint64_t *upper;     /* [panels] hashes of what stands above the diagonal, */
  bool *has_upper;     /* [panels] where this process has written that */
};

/* Collective.  Opens the file that `complete` tells of, on all ranks, and closes what was open.
 * Fails with NTK_E_CREATE. */
NTK_CHECKED ntk_status ntk_checkpoint_reopen(ntk_checkpoint *c);

/* Local.  The name under which the file is open, for messages. */
const char *ntk_checkpoint_name(const ntk_checkpoint *c);

#endif
