/* peers.h -- the other ranks of this host, once the launcher has told all to end.  It does so by SIGTERM
 * when one of them has died; but a run takes that as an order to stop at its next boundary, and would
 * wait for the dead one on the way there, until the launcher loses patience (Slurm: 30 s). */
#ifndef NTK_SRC_RUN_PEERS_H
#define NTK_SRC_RUN_PEERS_H

#include "ntk/dist/comm.h"

/* Collective.  From now on ntk_peers_mistrust knows the others; ntk_peers_forget ends that. */
void ntk_peers_watch(const ntk_comm *comm);

/* Local. */
void ntk_peers_forget(void);

/* Local, and all that a signal handler may do.  From now on the process looks every second, and ends
 * when one of the others is gone. */
void ntk_peers_mistrust(void);

#endif
