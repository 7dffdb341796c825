/* stop.h -- when a job stops: signals, wall time, the first failure with --fail-fast; and how all
 * groups of its ranks learn of it.
 *
 * A signal only sets a flag.  Groups ask at their boundaries (between panels, stages and points),
 * where everything that was finished is durable or can be made so. */
#ifndef NTK_RUN_STOP_H
#define NTK_RUN_STOP_H

#include "ntk/dist/comm.h"
#include "ntk/run/job.h"

enum { NTK_STOP_REASON = 256 };

typedef struct ntk_stop {
  ntk_comm world;     /* a duplicate of the job's communicator: for notices between groups */
  double start;       /* of the job; clock of ntk_now */
  double deadline;    /* when it begins to stop; INFINITY: never */
  double walltime;    /* s from start to the deadline; INFINITY: there is none */
  double whole;       /* s that a job of this wall time has at best: this one may have begun late */
  bool stopping;      /* this rank knows that the job stops, */
  bool known;         /* from another group */
  bool told;          /* it has told all other ranks */
  int received;       /* notices of others */
  double looked;      /* when it last looked for one */
  char reason[NTK_STOP_REASON];
  MPI_Request *notice; /* [world.size], of what it has told */
} ntk_stop;

/* Local.  From now on SIGUSR1, SIGTERM and SIGINT are only noted, until a job asks; a second SIGINT
 * ends the process at once.  For the very beginning of a program: MPI_Init takes its time. */
void ntk_stop_listen(void);

/* Collective.  Listens on every rank, if that has not begun before; deadline from run.walltime or
 * from Slurm.  Ends with ntk_stop_end, after which signals are noted for the next one.  Fails with
 * NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_stop_begin(const ntk_comm *comm, const ntk_run_settings *settings,
                                      ntk_stop *stop);

/* Collective.  Nothing happens if it has not begun. */
void ntk_stop_end(ntk_stop *stop);

/* Collective over a group.  NTK_E_STOPPED, with the reason as message, if one of its ranks has been
 * signalled, the deadline has passed, or another group has said so; then all groups learn of it. */
NTK_CHECKED ntk_status ntk_stop_check(ntk_stop *stop, const ntk_comm *comm);

/* Collective over a group.  The same before a step that cannot be interrupted: also NTK_E_STOPPED if
 * it is known to last beyond the deadline, NTK_E_TIME if it would in any job of so much wall time:
 * a point that fails, or it would be tried for ever.
 *   seconds  that it will take by a measured speed; NaN: not known, which is no reason to stop
 *   what     "the eigensolver", for the message */
NTK_CHECKED ntk_status ntk_stop_check_before(ntk_stop *stop, const ntk_comm *comm, double seconds,
                                             const char *what);

/* Local.  For a rank without work: what it knows by itself, the others learn. */
void ntk_stop_poll(ntk_stop *stop);

/* Local.  The job shall stop at the next boundary of every group. */
void ntk_stop_ask(ntk_stop *stop, const char *reason);

#endif
