/* strptime */
#define _XOPEN_SOURCE 700

#include "ntk/run/stop.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ntk/base/log.h"
#include "ntk/base/memory.h"
#include "peers.h"

extern char **environ;

enum { NOTICE = 75 }; /* tag of the messages between groups */

/* ---- signals ----------------------------------------------------------------------------------- */

/* All that a signal leaves. */
static volatile sig_atomic_t caught;

static const struct {
  int number;
  int flags; /* after the first SIGINT the next one ends the process */
  const char *name;
} signals[] = {{SIGUSR1, SA_RESTART, "SIGUSR1"},
               {SIGTERM, SA_RESTART, "SIGTERM"},
               {SIGINT, SA_RESTART | (int)SA_RESETHAND, "SIGINT"}};

enum { SIGNALS = sizeof(signals) / sizeof(signals[0]) };

/* Of SIGTERM nobody knows why it comes: maybe another rank has died. */
static void catch_signal(int number) {
  caught = number;
  if (number == SIGTERM) ntk_peers_mistrust();
}

/* A second SIGINT ends the process, whoever has listened since the first. */
void ntk_stop_listen(void) {
  for (int k = 0; k < SIGNALS && !caught; ++k) {
    struct sigaction action = {.sa_handler = catch_signal, .sa_flags = signals[k].flags};

    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(signals[k].number, &action, NULL);
  }
}

static const char *signal_name(int number) {
  for (int k = 0; k < SIGNALS; ++k) {
    if (signals[k].number == number) return signals[k].name;
  }
  return "a signal";
}

/* ---- wall time --------------------------------------------------------------------------------- */

/* "2026-01-31T12:00:00" of squeue, in local time; NaN if it is none ("N/A"). */
static double epoch_of(const char *text) {
  struct tm t = {.tm_isdst = -1};

  if (!strptime(text, "%Y-%m-%dT%H:%M:%S", &t)) return NAN;
  return (double)mktime(&t);
}

static bool is_number(const char *text) {
  return text && text[0] && strspn(text, "0123456789") == strlen(text);
}

/* Starts squeue with its output in a pipe, and what it complains about nowhere. */
static bool start_squeue(char *job, int output, pid_t *process) {
  char *const words[] = {"squeue", "-h", "-j", job, "-o", "%e", NULL};
  posix_spawn_file_actions_t actions;

  if (posix_spawn_file_actions_init(&actions) != 0) return false;
  const bool ready =
      posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO) == 0 &&
      posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0) == 0;
  const bool started =
      ready && posix_spawnp(process, words[0], &actions, NULL, words, environ) == 0;

  (void)posix_spawn_file_actions_destroy(&actions);
  return started;
}

static double ask_squeue(char *job) {
  char answer[64] = "";
  int ends[2];
  pid_t process = 0;

  if (pipe(ends) != 0) return NAN;
  const bool started = start_squeue(job, ends[1], &process);

  (void)close(ends[1]);
  const ssize_t length = started ? read(ends[0], answer, sizeof(answer) - 1) : 0;

  (void)close(ends[0]);
  if (started) (void)waitpid(process, NULL, 0);
  return length > 0 ? epoch_of(answer) : NAN;
}

/* Seconds since 1970; NaN if it is not set. */
static double epoch_in(const char *name) {
  const char *text = getenv(name);

  return is_number(text) ? strtod(text, NULL) : NAN;
}

/* Of the Slurm job; NaN where it is not known. */
typedef struct slurm_limit {
  double left;  /* s until Slurm ends it; a shell may remember the end of a job that is over: NaN */
  double whole; /* s from its start to its end */
} slurm_limit;

/*   ask  squeue, if need be, which may take a while */
static slurm_limit find_slurm_limit(bool ask) {
  const double start = epoch_in("SLURM_JOB_START_TIME"), now = (double)time(NULL);
  char *job = getenv("SLURM_JOB_ID");
  double end = epoch_in("SLURM_JOB_END_TIME");

  if (isnan(end) && ask && is_number(job)) end = ask_squeue(job);
  return (slurm_limit){end > now ? end - now : NAN, end > start ? end - start : NAN};
}

/* Of a short Slurm job half is for work: else it would stop at once and be queued for ever. */
static double without_margin(double seconds, const ntk_run_settings *settings) {
  return isnan(seconds) ? INFINITY : seconds - fmin(settings->stop_margin, seconds / 2);
}

/* Whichever ends first. */
static void set_deadline(const ntk_comm *comm, const ntk_run_settings *settings, ntk_stop *stop) {
  const double given = isnan(settings->walltime) ? INFINITY : settings->walltime;
  slurm_limit slurm = {NAN, NAN};

  if (comm->rank == 0) slurm = find_slurm_limit(isinf(given));
  ntk_comm_broadcast(comm, 0, &slurm, sizeof(slurm));
  const double own = fmax(given - settings->stop_margin, 0);
  const bool is_own = given <= (isnan(slurm.left) ? INFINITY : slurm.left);

  stop->walltime = is_own ? own : without_margin(slurm.left, settings);
  stop->whole = fmin(own, without_margin(slurm.whole, settings));
  stop->deadline = stop->start + stop->walltime;
  if (isinf(stop->deadline)) return;
  ntk_log("%s ends in %.0f s; the job begins to stop %.0f s before that",
          is_own ? "the wall time (run.walltime)" : "the Slurm job", is_own ? given : slurm.left,
          (is_own ? given : slurm.left) - stop->walltime);
}

/* ---- begin and end ----------------------------------------------------------------------------- */

ntk_status ntk_stop_begin(const ntk_comm *comm, const ntk_run_settings *settings, ntk_stop *stop) {
  MPI_Comm duplicate = MPI_COMM_NULL;

  *stop = (ntk_stop){.start = ntk_now()};
  NTK_AGREE(comm, NTK_NEW(comm->size, &stop->notice));
  MPI_Comm_dup(comm->mpi, &duplicate);
  stop->world = ntk_comm_of(duplicate);
  set_deadline(comm, settings, stop);
  ntk_peers_watch(comm);
  if (caught == SIGTERM) ntk_peers_mistrust();
  ntk_stop_listen();
  return NTK_OK;
}

static void receive_notice(ntk_stop *stop) {
  char reason[NTK_STOP_REASON];

  MPI_Recv(reason, NTK_STOP_REASON, MPI_CHAR, MPI_ANY_SOURCE, NOTICE, stop->world.mpi,
           MPI_STATUS_IGNORE);
  ++stop->received;
  if (stop->stopping) return;
  stop->stopping = stop->known = true;
  memcpy(stop->reason, reason, sizeof(reason));
}

/* Every notice is received before the communicator goes.  The handlers stay: what comes when all is
 * done must not make a failure of it. */
void ntk_stop_end(ntk_stop *stop) {
  int tellers = stop->told;

  if (stop->world.size == 0) {
    ntk_free(&stop->notice);
    return;
  }
  caught = 0;
  MPI_Allreduce(MPI_IN_PLACE, &tellers, 1, MPI_INT, MPI_SUM, stop->world.mpi);
  while (stop->received < tellers - stop->told) receive_notice(stop);
  if (stop->told) MPI_Waitall(stop->world.size, stop->notice, MPI_STATUSES_IGNORE);
  ntk_peers_forget(); /* the others end, too */
  MPI_Comm_free(&stop->world.mpi);
  stop->world.size = 0;
  ntk_free(&stop->notice);
}

/* ---- asking ------------------------------------------------------------------------------------ */

void ntk_stop_ask(ntk_stop *stop, const char *reason) {
  if (stop->stopping) return;
  stop->stopping = true;
  (void)snprintf(stop->reason, sizeof(stop->reason), "%.*s", NTK_STOP_REASON - 1, reason);
}

/* Not more often than the eye can see: MPI lends the processor to others whenever it finds nothing. */
static void look_for_notice(ntk_stop *stop) {
  const double pause = 0.02, now = ntk_now();
  int waiting = 0;

  if (stop->world.size == 1 || now - stop->looked < pause) return;
  stop->looked = now;
  MPI_Iprobe(MPI_ANY_SOURCE, NOTICE, stop->world.mpi, &waiting, MPI_STATUS_IGNORE);
  if (waiting) receive_notice(stop);
}

/* What this rank alone can know. */
static ntk_status look(ntk_stop *stop) {
  char reason[NTK_STOP_REASON];

  look_for_notice(stop);
  if (caught) {
    (void)snprintf(reason, sizeof(reason), "stopped by %s", signal_name(caught));
    ntk_stop_ask(stop, reason);
  }
  if (ntk_now() >= stop->deadline) ntk_stop_ask(stop, "stopped before the wall time ends");
  NTK_CHECK(!stop->stopping, NTK_E_STOPPED, "%s", stop->reason);
  return NTK_OK;
}

/* One rank of a group that knows by itself tells all ranks of the others, which then know, too. */
static void tell(ntk_stop *stop, const ntk_comm *comm) {
  const bool alone = comm->size == stop->world.size;

  if (comm->rank != 0 || stop->told || stop->known || alone) return;
  stop->told = true;
  for (int r = 0; r < stop->world.size; ++r) {
    stop->notice[r] = MPI_REQUEST_NULL;
    if (r == stop->world.rank) continue;
    MPI_Isend(stop->reason, NTK_STOP_REASON, MPI_CHAR, r, NOTICE, stop->world.mpi,
              &stop->notice[r]);
  }
}

void ntk_stop_poll(ntk_stop *stop) {
  const ntk_comm self = {MPI_COMM_SELF, 0, 1};

  if (look(stop) == NTK_E_STOPPED) tell(stop, &self);
}

static ntk_status agree_to_stop(ntk_stop *stop, const ntk_comm *comm, ntk_status mine) {
  const ntk_status status = ntk_agree(comm, mine);

  if (status != NTK_E_STOPPED) return status;
  ntk_stop_ask(stop, ntk_last_error()->text);
  tell(stop, comm);
  return status;
}

ntk_status ntk_stop_check(ntk_stop *stop, const ntk_comm *comm) {
  return stop ? agree_to_stop(stop, comm, look(stop)) : NTK_OK;
}

static ntk_status look_ahead(ntk_stop *stop, double seconds, const char *what) {
  const double left = stop->deadline - ntk_now();

  NTK_TRY(look(stop));
  NTK_CHECK(!(seconds > stop->whole), NTK_E_TIME,
            "%s takes about %.0f s, and the whole job has %.0f s: give it more wall time or more "
            "ranks, then run with --retry-failed",
            what, seconds, stop->whole);
  NTK_CHECK(!(seconds > left), NTK_E_STOPPED,
            "%s takes about %.0f s, and %.0f s are left: it is not begun", what, seconds,
            fmax(left, 0));
  return NTK_OK;
}

ntk_status ntk_stop_check_before(ntk_stop *stop, const ntk_comm *comm, double seconds,
                                 const char *what) {
  return stop ? agree_to_stop(stop, comm, look_ahead(stop, seconds, what)) : NTK_OK;
}
