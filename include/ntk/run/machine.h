/* machine.h -- the memory that a job may use here. */
#ifndef NTK_RUN_MACHINE_H
#define NTK_RUN_MACHINE_H

#include "ntk/dist/comm.h"

/* Local.  Bytes that the processes of this node may use together: all there is, or the limit of the
 * control group (of a Slurm job, of a container); INFINITY where nothing tells. */
double ntk_machine_memory(void);

/* Collective.  Bytes for each rank, of the node that has least for its ranks. */
double ntk_machine_memory_per_rank(const ntk_comm *comm);

#endif
