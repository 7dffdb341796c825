/* Of several processes that take one lock at the same moment exactly one gets it: a fresh lock, one
 * whose process is gone, and one whose process has been suspended and wakes up just then, or
 * releases it just then.
 *
 * Method: processes that are told to start at one point of time, a hundred times each; a suspended
 * process is one that is stopped by a signal. */
//TEST ranks=1
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>

#include "folder.h"
#include "ntk/base/log.h"
#include "ntk/base/text.h"
#include "ntk/store/lock.h"

enum { TAKERS = 3, ROUNDS = 100 };

static char folder[4096];

/* What a process is told, and at which time (of ntk_now) it shall do it. */
typedef struct order {
  char what; /* take, check, release, end */
  int round;
  double time;
} order;

typedef struct racer {
  pid_t process;
  int orders, answers;
} racer;

/* ---- the processes that race ------------------------------------------------------------------- */

static const char *key_of(int round) {
  static char key[32];

  (void)snprintf(key, sizeof(key), "race%d", round);
  return key;
}

/* The last bit of it awake. */
static void wait_until(double time) {
  const double left = time - ntk_now();
  const struct timespec nap = {.tv_nsec = (long)(1e9 * (left - 100e-6))};

  if (left > 100e-6) (void)nanosleep(&nap, NULL);
  while (ntk_now() < time) (void)sched_yield();
}

/* y: it has the lock; n: another has it; e: error */
static char obey(const order *o, ntk_lock **lock) {
  const ntk_lock_rules quick = {1e-3, 300, 30, flock, link, ntk_lock_usual.clock};
  ntk_lock_holder holder;

  wait_until(o->time);
  if (o->what == 't') {
    const ntk_status status =
        ntk_lock_acquire_under(&quick, folder, key_of(o->round), 1, lock, &holder);

    return status != NTK_OK ? 'e' : *lock ? 'y' : 'n';
  }
  if (o->what == 'c') return *lock && ntk_lock_is_mine(*lock) ? 'y' : 'n';
  ntk_lock_release(lock);
  return 'y';
}

static void race(int orders, int answers) {
  ntk_lock *lock = NULL;
  order o;

  while (read(orders, &o, sizeof(o)) == (ssize_t)sizeof(o) && o.what != 'e') {
    const char answer = obey(&o, &lock);

    if (write(answers, &answer, 1) != 1) break;
  }
  _exit(0);
}

static racer start_racer(void) {
  int orders[2], answers[2];

  EXPECT(pipe(orders) == 0 && pipe(answers) == 0);
  const racer r = {fork(), orders[1], answers[0]};

  EXPECT(r.process >= 0);
  if (r.process == 0) race(orders[0], answers[1]);
  (void)close(orders[0]);
  (void)close(answers[1]);
  return r;
}

static void tell(const racer *r, char what, int round, double time) {
  order o;

  memset(&o, 0, sizeof(o));
  o.what = what;
  o.round = round;
  o.time = time;
  EXPECT(write(r->orders, &o, sizeof(o)) == (ssize_t)sizeof(o));
}

static char answer_of(const racer *r) {
  char answer = '?';

  EXPECT(read(r->answers, &answer, 1) == 1);
  if (answer == 'e') FAIL("a process could not take the lock");
  return answer;
}

static bool ask(const racer *r, char what, int round) {
  tell(r, what, round, 0);
  return answer_of(r) == 'y';
}

static void end_racer(const racer *r) {
  tell(r, 'e', 0, 0);
  EXPECT(waitpid(r->process, NULL, 0) == r->process);
  (void)close(r->orders);
  (void)close(r->answers);
}

/* ---- rounds ------------------------------------------------------------------------------------ */

static double soon(void) { return ntk_now() + 200e-6; }

static void start_race(const racer *taker, int round, double time) {
  for (int k = 0; k < TAKERS; ++k) tell(&taker[k], 't', round, time);
}

static int count_winners(const racer *taker) {
  int winners = 0;

  for (int k = 0; k < TAKERS; ++k) winners += answer_of(&taker[k]) == 'y';
  return winners;
}

/* Those who have the lock when all is over. */
static int count_owners(const racer *taker, int count, int round) {
  int owners = 0;

  for (int k = 0; k < count; ++k) owners += ask(&taker[k], 'c', round);
  return owners;
}

static void release_all(const racer *taker, int count, int round) {
  for (int k = 0; k < count; ++k) (void)ask(&taker[k], 'r', round);
}

static const char *lock_path(int round) {
  char name[64];

  (void)snprintf(name, sizeof(name), "locks/%s", key_of(round));
  return folder_path(folder, name);
}

static void fresh_lock(const racer *taker, int round) {
  start_race(taker, round, soon());
  const int winners = count_winners(taker), owners = count_owners(taker, TAKERS, round);

  if (winners != 1 || owners != 1) FAIL("fresh: %d winners, %d owners", winners, owners);
  release_all(taker, TAKERS, round);
  EXPECT(access(lock_path(round), F_OK) != 0);
}

/* A lock that a process has left, as text. */
static char *abandoned_lock(void) {
  const racer owner = start_racer();
  char *text = NULL;
  size_t length = 0;

  EXPECT(ask(&owner, 't', 0));
  end_racer(&owner);
  EXPECT_OK(ntk_text_read_file(lock_path(0), 4096, &text, &length));
  return text;
}

static void stale_lock(const racer *taker, int round, const char *text) {
  FILE *file = fopen(lock_path(round), "w");

  EXPECT(file && fputs(text, file) >= 0 && fclose(file) == 0);
  start_race(taker, round, soon());
  const int winners = count_winners(taker), owners = count_owners(taker, TAKERS, round);

  if (winners != 1 || owners != 1) FAIL("stale: %d winners, %d owners", winners, owners);
  release_all(taker, TAKERS, round);
}

static void suspend(const racer *owner, int round) {
  struct timespec past = {0};
  int state = 0;

  EXPECT(kill(owner->process, SIGSTOP) == 0);
  EXPECT(waitpid(owner->process, &state, WUNTRACED) == owner->process && WIFSTOPPED(state));
  EXPECT(clock_gettime(CLOCK_REALTIME, &past) == 0);
  past.tv_sec -= 1000;
  EXPECT(utimensat(AT_FDCWD, lock_path(round), (struct timespec[2]){past, past}, 0) == 0);
}

/* The last of the racers has the lock.  It wakes up a bit earlier or later than the race begins, and
 * its heartbeat and the takers meet; every other time it also releases the lock. */
static void waking_owner(const racer *racers, int round, int *taken) {
  const racer *owner = &racers[TAKERS];
  const bool releases = round % 2;

  EXPECT(ask(owner, 't', round));
  suspend(owner, round);
  const double begin = soon();

  start_race(racers, round, begin + 1e-3);
  if (releases) tell(owner, 'r', round, 0);
  wait_until(begin + (round % 10) * 250e-6);
  EXPECT(kill(owner->process, SIGCONT) == 0);
  const int winners = count_winners(racers);

  if (releases) (void)answer_of(owner);
  const int owners = count_owners(racers, TAKERS + 1, round);

  if (winners > 1 || owners != (releases ? winners : 1)) {
    FAIL("woken: %d winners, %d owners", winners, owners);
  }
  *taken += winners;
  release_all(racers, TAKERS + 1, round);
  EXPECT(access(lock_path(round), F_OK) != 0);
}

int main(int argc, char **argv) {
  racer racers[TAKERS + 1];
  int taken = 0;

  begin_test(&argc, &argv);
  folder_make(folder);
  for (int k = 0; k <= TAKERS; ++k) racers[k] = start_racer();
  for (int round = 0; round < ROUNDS; ++round) fresh_lock(racers, round);
  char *text = abandoned_lock();

  for (int round = 0; round < ROUNDS; ++round) stale_lock(racers, round, text);
  for (int round = 0; round < ROUNDS; ++round) waking_owner(racers, round, &taken);
  if (argc > 1) (void)printf("%d of %d taken over from a process that woke up\n", taken, ROUNDS);
  ntk_free(&text);
  for (int k = 0; k <= TAKERS; ++k) end_racer(&racers[k]);
  EXPECT(folder_count(folder_path(folder, "locks"), "") == 1); /* the guard */
  folder_remove(folder);
  MPI_Finalize();
  return 0;
}
