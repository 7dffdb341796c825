/* share.h -- what every rank needs of the data that rank 0 has prepared. */
#ifndef NTK_RUN_SHARE_H
#define NTK_RUN_SHARE_H

#include "ntk/data/data.h"
#include "ntk/dist/comm.h"

/* Collective.  Shape, counts, targets, labels and indices of rank 0's data to every rank; inputs
 * stay on rank 0 (the kernel hands each rank the samples it computes).
 *   data  complete on rank 0, empty elsewhere; on failure unchanged on rank 0, empty elsewhere
 * Fails with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_data_share(const ntk_comm *comm, ntk_data *data);

/* Local.  Moves the inputs of the validation set, if there are any, behind those of the test set, so
 * that the kernel can take both as one: test.inputs is then [test.count + validation.count]. */
NTK_CHECKED ntk_status ntk_data_join_validation(ntk_data *data);

#endif
