/* comm.h -- the ranks of one run, and how they agree on failure.
 *
 * The rule that keeps ranks from hanging: a Collective function returns the SAME status on
 * every rank.  Hence inside a Collective function
 *   - a Collective call is wrapped in NTK_TRY:   all ranks leave together or none does;
 *   - a Local call is wrapped in NTK_AGREE:      all ranks learn of one rank's failure
 *     BEFORE the next communication. */
#ifndef NTK_DIST_COMM_H
#define NTK_DIST_COMM_H

#include <mpi.h>
#include <stdint.h>

#include "ntk/base/error.h"

typedef struct ntk_comm {
  MPI_Comm mpi;
  int rank, size;
} ntk_comm;

/* Collective.  A comm over an MPI communicator (borrowed). */
ntk_comm ntk_comm_of(MPI_Comm mpi);

/* Collective.  Returns NTK_OK if every rank passes NTK_OK; otherwise the status of the lowest
 * failing rank, whose error record then replaces that of every other rank.
 * Costs one MPI_Allreduce of one int when all is well. */
NTK_CHECKED ntk_status ntk_agree(const ntk_comm *comm, ntk_status mine);

#define NTK_AGREE(comm, call) NTK_TRY(ntk_agree((comm), (call)))

/* Collective.  Bytes of `root` to everybody, in pieces that MPI's int counts can hold. */
void ntk_comm_broadcast(const ntk_comm *comm, int root, void *bytes, int64_t count);

/* Collective.  Element-wise sum over all ranks, in place, in pieces. */
void ntk_comm_sum(const ntk_comm *comm, double *values, int64_t count);

/* Collective.  The largest value of all ranks. */
double ntk_comm_max(const ntk_comm *comm, double value);

/* Local.  Notes a message of so many bytes; called wherever dist sends one. */
void ntk_comm_note_message(int64_t bytes);

/* Local.  Bytes of the largest single message that this rank sent through dist. */
int64_t ntk_comm_largest_message(void);

#endif
