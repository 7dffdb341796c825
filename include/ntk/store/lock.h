/* lock.h -- who works on what: one small file per unit of work, <directory>/locks/<key>, that
 * processes of this job, of other jobs and of other hosts see.
 *
 * A lock is the process' own file under a second name (link), so of several takers one wins.  A
 * thread touches it every minute; the lock is stale when its process is gone (seen on the same
 * host) or after five minutes without such a heartbeat, and then the next taker gets it.  Locks
 * are made, taken over and removed only under flock(2) on <directory>/locks/guard; a file system
 * without flock still has locks, but no takeover.  Ages are told by the clock of the file system, so
 * clocks of hosts may differ.
 *
 * A process that ends without release leaves its lock, and the next taker sees that it is gone.
 * Rank 0 of a group takes, holds and releases the lock of the group's unit; the same process writes
 * the events of its points (run/event.h): so `status` knows which point is at work. */
#ifndef NTK_STORE_LOCK_H
#define NTK_STORE_LOCK_H

#include <stdbool.h>

#include "ntk/base/error.h"

typedef struct ntk_lock ntk_lock;

typedef enum ntk_lock_state {
  NTK_LOCK_FREE, /* there is no lock */
  NTK_LOCK_HELD, /* its process is at work, as far as can be seen */
  NTK_LOCK_STALE /* its process is gone, or silent for too long */
} ntk_lock_state;

/* What a lock says of its owner.  Of a file that cannot be understood: no host, process 0. */
typedef struct ntk_lock_holder {
  ntk_lock_state state;
  char host[64];
  long process;
  char since[32]; /* UTC, 2026-01-31T12:00:00Z */
  char job[64];   /* of Slurm, "17" or "17_3"; "" if none */
  int ranks;      /* that work on it */
  double silence; /* seconds since the last heartbeat */
  char why[64];   /* it is stale: "its process is gone", "no sign of life for 6 min" */
} ntk_lock_holder;

enum { NTK_LOCK_TEXT = 256 };

/* Local.  "node7:4242 (4 ranks, Slurm job 17) since 2026-01-31T12:00:00Z"; returns `text`. */
const char *ntk_lock_describe(const ntk_lock_holder *holder, char text[NTK_LOCK_TEXT]);

/* Local.  Takes the lock if it is free or stale; a takeover is logged in one line.  Does not wait.
 *   directory  of the sweep; its folder locks/ is made
 *   key        a file name
 *   ranks      that will work on it, for people
 *   lock       NULL if somebody else has it; owned by the caller, ntk_lock_release
 *   holder     who has it; with a lock: whose it was (NTK_LOCK_STALE), or NTK_LOCK_FREE
 * Fails with NTK_E_CREATE (nothing can be written there), NTK_E_IO (the lock is stale, but cannot be
 * taken over safely: the message says what to do), NTK_E_MEMORY; *lock is then NULL. */
NTK_CHECKED ntk_status ntk_lock_acquire(const char *directory, const char *key, int ranks,
                                        ntk_lock **lock, ntk_lock_holder *holder);

/* Local.  Whether the lock is still this process' own: it may have been taken over while the process
 * was suspended or cut off from the file system, or deleted by hand.  Reads one small file. */
bool ntk_lock_is_mine(const ntk_lock *lock);

/* Local.  The same as a status: fails with NTK_E_LOST and says who has the lock now; the unit is then
 * to be given up. */
NTK_CHECKED ntk_status ntk_lock_check(const ntk_lock *lock);

/* Local.  Ends the heartbeat and removes the lock, if it is still this process' own.  NULL is fine;
 * *lock is NULL afterwards. */
void ntk_lock_release(ntk_lock **lock);

/* Local.  Who has the lock.  Writes nothing; ages are therefore by this host's clock. */
NTK_CHECKED ntk_status ntk_lock_look(const char *directory, const char *key,
                                     ntk_lock_holder *holder);

/* Local.  Somebody who has a lock there, as ntk_lock_look; NTK_LOCK_FREE: nobody. */
NTK_CHECKED ntk_status ntk_lock_find_held(const char *directory, ntk_lock_holder *holder);

/* How locks are kept.  The program takes ntk_lock_usual; tests take shorter times, file systems that
 * lack something and clocks that are wrong. */
typedef struct ntk_lock_rules {
  double beat;     /* seconds between heartbeats */
  double limit;    /* stale after so many seconds without one */
  double patience; /* seconds to wait for the guard, which nobody keeps for long */
  int (*flock)(int file, int operation);
  int (*link)(const char *file, const char *name);
  double (*clock)(void); /* of this host, in seconds */
} ntk_lock_rules;

extern const ntk_lock_rules ntk_lock_usual; /* 60 s, 300 s, 60 s, flock(2), link(2), real time */

/* Local.  ntk_lock_acquire under other rules. */
NTK_CHECKED ntk_status ntk_lock_acquire_under(const ntk_lock_rules *rules, const char *directory,
                                              const char *key, int ranks, ntk_lock **lock,
                                              ntk_lock_holder *holder);

/* Local.  Who has the lock, as one who takes it would find: where the clock of this host leaves a
 * doubt, that of the file system decides, for which a file is made there for a moment.  Fails as
 * ntk_lock_acquire. */
NTK_CHECKED ntk_status ntk_lock_look_closely(const ntk_lock_rules *rules, const char *directory,
                                             const char *key, ntk_lock_holder *holder);

#endif
