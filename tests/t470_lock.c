/* A lock is held by one process, says by whom, and goes to the next taker as soon as its process
 * is surely gone: its number is free or another's, its host has started anew, or it has been silent
 * for five minutes.  What belongs to others is never touched or removed, the loser of a lock learns
 * it, and nothing is left behind: no memory, descriptor, thread or file.
 *
 * Method: locks of processes that live, end without release or are killed; files edited by hand and
 * set back in time; file systems that lack flock or link, simulated; a failure at every check. */
//TEST ranks=1
#include "ntk/store/lock_set.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>

#include "folder.h"
#include "ntk/base/text.h"
#include "ntk/store/file.h"

static char folder[4096];

static const char *lock_path(const char *key) {
  char name[128];

  (void)snprintf(name, sizeof(name), "locks/%s", key);
  return folder_path(folder, name);
}

static void set_back(const char *key, double seconds) {
  struct timespec now = {0};

  EXPECT(clock_gettime(CLOCK_REALTIME, &now) == 0);
  now.tv_sec -= (time_t)seconds;
  EXPECT(utimensat(AT_FDCWD, lock_path(key), (struct timespec[2]){now, now}, 0) == 0);
}

static void write_lock(const char *key, const char *text) {
  FILE *file = fopen(lock_path(key), "w");

  EXPECT(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static char *read_lock(const char *key) {
  char *text = NULL;
  size_t length = 0;

  EXPECT_OK(ntk_text_read_file(lock_path(key), 4096, &text, &length));
  return text;
}

/* The lock with another value in one of its lines. */
static void edit_lock(const char *key, const char *name, const char *value) {
  char *text = read_lock(key), edited[4096], pattern[64];

  (void)snprintf(pattern, sizeof(pattern), "\n%s: ", name);
  char *at = strncmp(text, pattern + 1, strlen(pattern) - 1) == 0 ? text - 1 : strstr(text, pattern);

  EXPECT(at || strstr(text, pattern));
  (void)snprintf(edited, sizeof(edited), "%.*s%s%s%s", (int)(at + 1 - text), text, pattern + 1, value,
                 strchr(at + 1, '\n'));
  write_lock(key, edited);
  ntk_free(&text);
}

static ntk_lock_state state_of(const char *key) {
  ntk_lock_holder holder;

  EXPECT_OK(ntk_lock_look(folder, key, &holder));
  return holder.state;
}

/* A process that takes the lock and waits; it is told to go on by a signal. */
static pid_t fork_holder(const char *key) {
  int ready[2];

  EXPECT(pipe(ready) == 0);
  const pid_t child = fork();

  EXPECT(child >= 0);
  if (child == 0) {
    ntk_lock *lock = NULL;
    ntk_lock_holder holder;
    const bool taken = ntk_lock_acquire(folder, key, 3, &lock, &holder) == NTK_OK && lock;
    const ssize_t written = write(ready[1], taken ? "y" : "n", 1);

    if (written == 1) (void)pause(); /* until it is killed */
    _exit(1);
  }
  char answer = 'n';

  EXPECT(read(ready[0], &answer, 1) == 1 && answer == 'y');
  (void)close(ready[0]);
  (void)close(ready[1]);
  return child;
}

static void end(pid_t child) {
  EXPECT(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
}

/* Takes what is free or stale, or not, and gives it back. */
static void expect_taken(const char *key, ntk_lock_state before) {
  ntk_lock *lock = NULL;
  ntk_lock_holder holder;

  EXPECT_OK(ntk_lock_acquire(folder, key, 1, &lock, &holder));
  if (!lock || holder.state != before) FAIL("%s: %d %s", key, (int)holder.state, holder.why);
  EXPECT(ntk_lock_is_mine(lock));
  ntk_lock_release(&lock);
  EXPECT(!lock && state_of(key) == NTK_LOCK_FREE);
}

static void expect_held(const char *key) {
  ntk_lock *lock = NULL;
  ntk_lock_holder holder;

  EXPECT_OK(ntk_lock_acquire(folder, key, 1, &lock, &holder));
  EXPECT(!lock && holder.state == NTK_LOCK_HELD);
}

/* ---- one process ------------------------------------------------------------------------------- */

static void one_process(void) {
  ntk_lock *lock = NULL, *second = NULL;
  ntk_lock_holder holder;
  char text[NTK_LOCK_TEXT], wanted[64];

  EXPECT(setenv("SLURM_JOB_ID", "17", 1) == 0);
  EXPECT(state_of("one") == NTK_LOCK_FREE);
  EXPECT_OK(ntk_lock_acquire(folder, "one", 4, &lock, &holder));
  EXPECT(lock && holder.state == NTK_LOCK_FREE && ntk_lock_is_mine(lock));
  EXPECT_OK(ntk_lock_check(lock));
  EXPECT_OK(ntk_lock_acquire(folder, "one", 4, &second, &holder));
  EXPECT(!second && holder.state == NTK_LOCK_HELD && holder.process == (long)getpid());
  EXPECT(holder.ranks == 4 && fabs(holder.silence) < 10 && !holder.why[0]);
  EXPECT_TEXT(holder.job, "17");
  (void)ntk_lock_describe(&holder, text);
  (void)snprintf(wanted, sizeof(wanted), ":%ld (4 ranks, Slurm job 17) since 2", (long)getpid());
  EXPECT(strstr(text, wanted));
  EXPECT(folder_count(folder_path(folder, "locks"), "") == 2); /* and the guard */
  ntk_lock_release(&lock);
  ntk_lock_release(&lock);
  EXPECT(state_of("one") == NTK_LOCK_FREE);
  EXPECT(setenv("SLURM_ARRAY_JOB_ID", "21", 1) == 0 && setenv("SLURM_ARRAY_TASK_ID", "3", 1) == 0);
  EXPECT_OK(ntk_lock_acquire(folder, "one", 1, &lock, &holder));
  EXPECT_OK(ntk_lock_look(folder, "one", &holder));
  EXPECT_TEXT(holder.job, "21_3");
  ntk_lock_release(&lock);
}

/* ---- other processes --------------------------------------------------------------------------- */

static void living_process(void) {
  const pid_t child = fork_holder("living");
  ntk_lock *lock = NULL;
  ntk_lock_holder holder;

  EXPECT_OK(ntk_lock_acquire(folder, "living", 1, &lock, &holder));
  EXPECT(!lock && holder.process == (long)child && holder.ranks == 3);
  end(child); /* kill -9: nothing is released */
  EXPECT_OK(ntk_lock_look(folder, "living", &holder));
  EXPECT(holder.state == NTK_LOCK_STALE && holder.process == (long)child);
  EXPECT_TEXT(holder.why, "its process is gone");
  expect_taken("living", NTK_LOCK_STALE);
}

/* A process whose end nobody has asked for yet is gone, too. */
static void zombie(void) {
  const pid_t child = fork_holder("zombie");
  siginfo_t facts;

  EXPECT(kill(child, SIGKILL) == 0 && waitid(P_PID, (id_t)child, &facts, WEXITED | WNOWAIT) == 0);
  expect_taken("zombie", NTK_LOCK_STALE);
  EXPECT(waitpid(child, NULL, 0) == child);
}

typedef struct edit {
  const char *name, *value;
  double back; /* seconds since the last heartbeat */
  ntk_lock_state state;
} edit;

/* All of this living process, but for one line. */
static const edit edits[] = {
    {"ranks", "7", 0, NTK_LOCK_HELD},
    {"ranks", "7", 290, NTK_LOCK_HELD},
    {"ranks", "7", 310, NTK_LOCK_STALE},
    {"ranks", "7", -310, NTK_LOCK_STALE},
    {"host", "another", 0, NTK_LOCK_HELD}, /* its process is seen all the same */
    {"process", "999999999", 0, NTK_LOCK_STALE},
    {"start", "1", 0, NTK_LOCK_STALE}, /* another process has its number */
    {"boot", "00000000-another", 0, NTK_LOCK_STALE},
    {"processes", "pid:[1]", 0, NTK_LOCK_HELD},
    {"processes", "pid:[1]", 310, NTK_LOCK_STALE},
    {"nonce", "short", 0, NTK_LOCK_HELD}, /* damaged */
    {"nonce", "short", 310, NTK_LOCK_STALE},
};

static void edited_lock(void) {
  ntk_lock *lock = NULL;
  ntk_lock_holder holder;

  EXPECT_OK(ntk_lock_acquire(folder, "edited", 1, &lock, &holder));
  char *text = read_lock("edited");

  for (size_t k = 0; k < sizeof(edits) / sizeof(edits[0]); ++k) {
    const edit *e = &edits[k];

    write_lock("edited", text);
    edit_lock("edited", e->name, e->value);
    set_back("edited", e->back);
    if (state_of("edited") != e->state) FAIL("%s: %s, %g s", e->name, e->value, e->back);
    EXPECT(!ntk_lock_is_mine(lock));
    if (e->state == NTK_LOCK_HELD) expect_held("edited");
    if (e->state == NTK_LOCK_STALE) expect_taken("edited", NTK_LOCK_STALE);
  }
  ntk_free(&text);
  ntk_lock_release(&lock);
  if (state_of("edited") != NTK_LOCK_FREE) EXPECT(unlink(lock_path("edited")) == 0);
}

/* Another host, whose processes and boot nobody here knows: only its heartbeat counts. */
static void other_host(void) {
  const pid_t child = fork_holder("other");

  edit_lock("other", "host", "node7");
  edit_lock("other", "boot", "00000000-another");
  edit_lock("other", "process", "999999999");
  end(child);
  expect_held("other");
  set_back("other", 290);
  expect_held("other");
  set_back("other", 400);
  ntk_lock_holder holder;

  EXPECT_OK(ntk_lock_look(folder, "other", &holder));
  EXPECT_TEXT(holder.host, "node7");
  EXPECT_TEXT(holder.why, "no sign of life for 7 min");
  expect_taken("other", NTK_LOCK_STALE);
}

/* ---- clocks of hosts --------------------------------------------------------------------------- */

static double ahead(void) { return ntk_lock_usual.clock() + 1000; }
static double behind(void) { return ntk_lock_usual.clock() - 250; }

/*   back  seconds since the last heartbeat of a process that nobody sees */
static void expect_by(double (*clock)(void), double back, ntk_lock_state state) {
  ntk_lock_rules rules = ntk_lock_usual;
  ntk_lock_holder holder;
  ntk_lock *lock = NULL;

  rules.clock = clock;
  write_lock("clock", "");
  set_back("clock", back);
  EXPECT_OK(ntk_lock_look_closely(&rules, folder, "clock", &holder));
  if (holder.state != state) FAIL("%g s: %d, %g s", back, (int)holder.state, holder.silence);
  EXPECT_NEAR(holder.silence, back, 5);
  EXPECT_OK(ntk_lock_acquire_under(&rules, folder, "clock", 1, &lock, &holder));
  EXPECT(holder.state == state && (lock != NULL) == (state == NTK_LOCK_STALE));
  ntk_lock_release(&lock);
  (void)unlink(lock_path("clock"));
}

/* What is held is not taken for stale by a host whose clock is wrong, nor the other way round. */
static void wrong_clock(void) {
  expect_by(ahead, 10, NTK_LOCK_HELD);
  expect_by(ahead, 310, NTK_LOCK_STALE);
  expect_by(behind, 10, NTK_LOCK_HELD);
  expect_by(behind, 410, NTK_LOCK_STALE);
}

static void damaged(void) {
  static const char *const contents[] = {"", "nonsense", "host: a\nprocess: x\n", "host: a",
                                         "\xff\xfe\n\n\n: :\n"};
  char text[NTK_LOCK_TEXT];
  ntk_lock_holder holder;

  for (size_t k = 0; k < sizeof(contents) / sizeof(contents[0]); ++k) {
    write_lock("damaged", contents[k]);
    expect_held("damaged");
    EXPECT_OK(ntk_lock_look(folder, "damaged", &holder));
    EXPECT(strstr(ntk_lock_describe(&holder, text), "damaged"));
    set_back("damaged", 310);
    expect_taken("damaged", NTK_LOCK_STALE);
  }
}

/* ---- the loser --------------------------------------------------------------------------------- */

static void loser_learns(void) {
  ntk_lock *lock = NULL;
  ntk_lock_holder holder;
  char wanted[64];

  EXPECT_OK(ntk_lock_acquire(folder, "lost", 1, &lock, &holder));
  set_back("lost", 1000);
  EXPECT(ntk_lock_is_mine(lock)); /* late, but nobody has come */
  const pid_t child = fork_holder("lost");

  EXPECT(!ntk_lock_is_mine(lock));
  (void)snprintf(wanted, sizeof(wanted), ":%ld (3 ranks", (long)child);
  EXPECT_REFUSED(ntk_lock_check(lock), NTK_E_LOST, wanted);
  ntk_lock_release(&lock);
  EXPECT_OK(ntk_lock_look(folder, "lost", &holder));
  EXPECT(holder.state == NTK_LOCK_HELD && holder.process == (long)child);
  end(child);
  expect_taken("lost", NTK_LOCK_STALE);
  EXPECT_OK(ntk_lock_acquire(folder, "lost", 1, &lock, &holder));
  EXPECT(unlink(lock_path("lost")) == 0 && !ntk_lock_is_mine(lock));
  EXPECT_REFUSED(ntk_lock_check(lock), NTK_E_LOST, "with nobody");
  ntk_lock_release(&lock);
}

/* ---- the heartbeat ----------------------------------------------------------------------------- */

static int count_entries(const char *path) {
  DIR *directory = opendir(path);
  int count = 0;

  while (directory && readdir(directory)) ++count;
  if (directory) (void)closedir(directory);
  return count;
}

static void nap(void) {
  const struct timespec time = {.tv_nsec = 2000000};

  (void)nanosleep(&time, NULL);
}

static double silence_of(const char *key) {
  ntk_lock_holder holder;

  EXPECT_OK(ntk_lock_look(folder, key, &holder));
  return holder.silence;
}

/* Threads of this process that take SIGUSR1, SIGTERM or SIGINT. */
static int count_listeners(void) {
  const unsigned long long wanted =
      1ULL << (SIGUSR1 - 1) | 1ULL << (SIGTERM - 1) | 1ULL << (SIGINT - 1);
  DIR *directory = opendir("/proc/self/task");
  int count = 0;

  for (struct dirent *e = directory ? readdir(directory) : NULL; e; e = readdir(directory)) {
    char path[512], line[256];

    (void)snprintf(path, sizeof(path), "/proc/self/task/%.60s/status", e->d_name);
    FILE *file = e->d_name[0] == '.' ? NULL : fopen(path, "r");

    while (file && fgets(line, sizeof(line), file)) {
      if (strncmp(line, "SigBlk:", 7) != 0) continue;
      count += (strtoull(line + 7, NULL, 16) & wanted) != wanted;
    }
    if (file) (void)fclose(file);
  }
  if (directory) (void)closedir(directory);
  return count;
}

static void heartbeat(void) {
  const ntk_lock_rules quick = {5e-3, 300, 1, flock, link, ntk_lock_usual.clock};
  const int threads = count_entries("/proc/self/task"), listeners = count_listeners();
  ntk_lock *lock = NULL;
  ntk_lock_holder holder;

  EXPECT_OK(ntk_lock_acquire_under(&quick, folder, "beat", 1, &lock, &holder));
  EXPECT(threads == 0 || count_entries("/proc/self/task") == threads + 1);
  EXPECT(count_listeners() == listeners);
  set_back("beat", 1000);
  for (int k = 0; k < 2000 && silence_of("beat") > 100; ++k) nap();
  EXPECT(silence_of("beat") < 100);
  edit_lock("beat", "nonce", "00000000000000000000000000000000"); /* somebody else's now */
  set_back("beat", 1000);
  for (int k = 0; k < 10; ++k) nap();
  EXPECT(silence_of("beat") > 900);
  ntk_lock_release(&lock);
  EXPECT(count_entries("/proc/self/task") == threads);
  expect_taken("beat", NTK_LOCK_STALE);
}

/* ---- poor file systems ------------------------------------------------------------------------- */

static int no_flock(int file, int operation) {
  (void)file;
  (void)operation;
  errno = ENOLCK;
  return -1;
}

static int other_no_flock(int file, int operation) {
  (void)no_flock(file, operation);
  errno = EOPNOTSUPP;
  return -1;
}

static int broken_flock(int file, int operation) {
  (void)no_flock(file, operation);
  errno = EIO;
  return -1;
}

static int no_link(const char *file, const char *name) {
  (void)file;
  (void)name;
  errno = EPERM;
  return -1;
}

/* The answer of a server got lost. */
static int secret_link(const char *file, const char *name) {
  const int linked = link(file, name);

  if (linked == 0) errno = EIO;
  return -1;
}

static void no_takeover(const ntk_lock_rules *rules) {
  ntk_lock *lock = NULL;
  ntk_lock_holder holder;

  EXPECT_OK(ntk_lock_acquire_under(rules, folder, "poor", 1, &lock, &holder));
  EXPECT(lock && ntk_lock_is_mine(lock));
  expect_held("poor");
  ntk_lock_release(&lock);
  write_lock("poor", "");
  set_back("poor", 400);
  EXPECT_REFUSED(ntk_lock_acquire_under(rules, folder, "poor", 1, &lock, &holder), NTK_E_IO,
                 "delete the file, and run again");
  EXPECT(!lock && state_of("poor") == NTK_LOCK_STALE);
  expect_taken("poor", NTK_LOCK_STALE);
}

static void poor_file_systems(void) {
  ntk_lock_rules rules = ntk_lock_usual;
  ntk_lock *lock = NULL;
  ntk_lock_holder holder;

  rules.flock = no_flock;
  no_takeover(&rules);
  rules.flock = other_no_flock;
  no_takeover(&rules);
  rules.flock = broken_flock;
  EXPECT_REFUSED(ntk_lock_acquire_under(&rules, folder, "poor", 1, &lock, &holder), NTK_E_IO,
                 "cannot be locked");
  rules = ntk_lock_usual;
  for (int k = 0; k < 2; ++k) {
    rules.link = k == 0 ? no_link : secret_link;
    EXPECT_OK(ntk_lock_acquire_under(&rules, folder, "poor", 1, &lock, &holder));
    EXPECT(lock && ntk_lock_is_mine(lock) && holder.state == NTK_LOCK_FREE);
    expect_held("poor");
    ntk_lock_release(&lock);
    write_lock("poor", "");
    set_back("poor", 400);
    EXPECT_OK(ntk_lock_acquire_under(&rules, folder, "poor", 1, &lock, &holder));
    EXPECT(lock && ntk_lock_is_mine(lock) && holder.state == NTK_LOCK_STALE);
    ntk_lock_release(&lock);
  }
  EXPECT(folder_count(folder_path(folder, "locks"), "") == 1);
}

/* A suspended process keeps the guard: no waiting without end. */
static void busy_guard(void) {
  ntk_lock_rules rules = ntk_lock_usual;
  ntk_lock *lock = NULL;
  ntk_lock_holder holder;
  const int file = open(lock_path("guard"), O_RDWR | O_CLOEXEC);

  EXPECT(file >= 0 && flock(file, LOCK_EX) == 0);
  rules.patience = 0.02;
  EXPECT_REFUSED(ntk_lock_acquire_under(&rules, folder, "busy", 1, &lock, &holder), NTK_E_IO,
                 "is one suspended?");
  EXPECT(!lock && close(file) == 0);
  expect_taken("busy", NTK_LOCK_FREE);
}

/* As an ordinary user, whom modes of folders concern. */
static void test_read_only(const char *sub, mode_t mode, const char *part) {
  const pid_t child = fork();

  EXPECT(child >= 0);
  if (child == 0) {
    ntk_lock *lock = NULL;
    ntk_lock_holder holder;
    const bool user = geteuid() != 0 || setuid(65534) == 0;
    const ntk_status status = ntk_lock_acquire(sub, "any", 1, &lock, &holder);
    const bool looked = ntk_lock_look(sub, "any", &holder) == NTK_OK;

    _exit(!user ? 2 : status != NTK_E_CREATE || lock || !looked ||
                          !strstr(ntk_last_error()->text, part));
  }
  int code = 0;

  EXPECT(waitpid(child, &code, 0) == child);
  if (code != 0) FAIL("%s (mode %o): code %d", sub, (unsigned)mode, code);
}

static void read_only(void) {
  char sub[4096];
  ntk_lock *lock = NULL;
  ntk_lock_holder holder;

  (void)snprintf(sub, sizeof(sub), "%s", folder_path(folder, "fixed"));
  EXPECT(mkdir(sub, 0755) == 0 && chmod(folder, 0755) == 0 && chmod(sub, 0555) == 0);
  test_read_only(sub, 0555, "output.directory");
  EXPECT(chmod(sub, 0755) == 0 && mkdir(folder_path(sub, "locks"), 0755) == 0);
  EXPECT(chmod(folder_path(sub, "locks"), 0555) == 0);
  test_read_only(sub, 0555, "output.directory");
  EXPECT(chmod(folder_path(sub, "locks"), 0755) == 0 && rmdir(folder_path(sub, "locks")) == 0);
  EXPECT_OK(ntk_file_write_text(folder_path(sub, "locks"), "no folder"));
  EXPECT_REFUSED(ntk_lock_acquire(sub, "any", 1, &lock, &holder), NTK_E_CREATE, "Not a directory");
  EXPECT_REFUSED(ntk_lock_acquire(folder_path(sub, "none"), "any", 1, &lock, &holder),
                 NTK_E_CREATE, "No such file");
  char *endless = calloc(1, 5000);

  EXPECT(endless);
  memset(endless, 'x', 4999);
  EXPECT_REFUSED(ntk_lock_acquire(endless, "any", 1, &lock, &holder), NTK_E_CREATE, "too long");
  EXPECT_REFUSED(ntk_lock_look(endless, "any", &holder), NTK_E_CREATE, "too long");
  free(endless);
}

/* ---- failures ---------------------------------------------------------------------------------- */

static ntk_status take_stale(void *context) {
  static const ntk_key keys[] = {"fault", "further"};
  ntk_lock_set *set = NULL;
  ntk_lock_holder holder;

  (void)context;
  write_lock("fault", "");
  set_back("fault", 400);
  ntk_status status = ntk_lock_set_acquire(folder, 2, keys, 1, &set, &holder);

  if (status == NTK_OK) status = ntk_lock_set_check(set);
  if (status == NTK_OK) status = ntk_lock_set_look(folder, 2, keys, &holder);
  ntk_lock_set_release(&set);
  EXPECT(folder_count(folder_path(folder, "locks"), "tmp") == 0);
  return status;
}

/* Of two sets that have a lock in common one is taken, and the other leaves no lock behind. */
static void together(void) {
  static const ntk_key first[] = {"a", "b"}, second[] = {"b", "c"};
  ntk_lock_set *set = NULL, *other = NULL;
  ntk_lock_holder holder;

  EXPECT_OK(ntk_lock_set_acquire(folder, 2, second, 1, &set, &holder));
  EXPECT(set && state_of("b") == NTK_LOCK_HELD && state_of("c") == NTK_LOCK_HELD);
  EXPECT_OK(ntk_lock_set_acquire(folder, 2, first, 1, &other, &holder));
  EXPECT(!other && holder.state == NTK_LOCK_HELD && state_of("a") == NTK_LOCK_FREE);
  EXPECT_OK(ntk_lock_set_look(folder, 2, first, &holder));
  EXPECT(holder.state == NTK_LOCK_HELD && holder.process == (long)getpid());
  EXPECT_OK(ntk_lock_set_check(set));
  EXPECT(unlink(lock_path("c")) == 0);
  EXPECT_STATUS(ntk_lock_set_check(set), NTK_E_LOST);
  ntk_lock_set_release(&set);
  ntk_lock_set_release(&other);
  EXPECT_OK(ntk_lock_set_look(folder, 2, second, &holder));
  EXPECT(!set && holder.state == NTK_LOCK_FREE);
}

static void faults(void) {
  EXPECT(sweep_faults(take_stale, NULL) >= 12);
  EXPECT_OK(take_stale(NULL));
  EXPECT(state_of("fault") == NTK_LOCK_FREE);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  folder_make(folder);
  const long balance = ntk_memory_balance();
  const int files = count_entries("/proc/self/fd");

  one_process();
  living_process();
  zombie();
  edited_lock();
  other_host();
  wrong_clock();
  damaged();
  loser_learns();
  heartbeat();
  poor_file_systems();
  busy_guard();
  read_only();
  together();
  faults();
  EXPECT(ntk_memory_balance() == balance && count_entries("/proc/self/fd") == files);
  EXPECT(folder_count(folder_path(folder, "locks"), "") == 1);
  folder_remove(folder);
  MPI_Finalize();
  return 0;
}
