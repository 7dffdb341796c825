#include "ntk/store/lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "heartbeat.h"
#include "lock_owner.h"
#include "ntk/base/log.h"
#include "ntk/base/memory.h"
#include "ntk/store/durable.h"

struct ntk_lock {
  ntk_lock_rules rules;
  char folder[NTK_DURABLE_PATH]; /* <directory>/locks */
  char path[NTK_DURABLE_PATH];
  char own[NTK_DURABLE_PATH]; /* the file that becomes the lock */
  char content[NTK_OWNER_TEXT];
  ntk_heartbeat heart;
};

/* ---- time -------------------------------------------------------------------------------------- */

static double seconds_of(struct timespec time) {
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static double host_time(void) {
  struct timespec now = {0};

  (void)clock_gettime(CLOCK_REALTIME, &now);
  return seconds_of(now);
}

const ntk_lock_rules ntk_lock_usual = {
    .beat = 60, .limit = 300, .patience = 60, .flock = flock, .link = link, .clock = host_time};

/* ---- reading ----------------------------------------------------------------------------------- */

static void describe_silence(ntk_lock_holder *holder) {
  const double silence = fabs(holder->silence);

  (void)snprintf(holder->why, sizeof(holder->why), "no sign of life for %.0f %s",
                 silence < 120 ? silence : silence / 60, silence < 120 ? "s" : "min");
}

/* A heartbeat from the future is as good as none: somebody has set the clock back. */
static void judge(const ntk_owner *owner, double limit, ntk_lock_holder *holder) {
  const char *gone = owner->process ? ntk_owner_gone(owner) : NULL;

  holder->state = NTK_LOCK_HELD;
  if (gone) {
    holder->state = NTK_LOCK_STALE;
    (void)snprintf(holder->why, sizeof(holder->why), "%s", gone);
  } else if (fabs(holder->silence) > limit) {
    holder->state = NTK_LOCK_STALE;
    describe_silence(holder);
  }
}

/* The file's time and text; false if there is none.  One that may not be read has a time at least. */
static bool read_file(const char *path, struct stat *facts, char text[NTK_OWNER_TEXT]) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);

  text[0] = '\0';
  if (file < 0) return stat(path, facts) == 0;
  const ssize_t got = pread(file, text, NTK_OWNER_TEXT - 1, 0);
  const bool found = fstat(file, facts) == 0;

  text[got > 0 ? got : 0] = '\0';
  (void)close(file);
  return found;
}

/*   now  by the clock of the file system */
static void look(const char *path, double now, double limit, ntk_lock_holder *holder) {
  char text[NTK_OWNER_TEXT];
  struct stat facts;
  ntk_owner owner = {0};

  *holder = (ntk_lock_holder){.state = NTK_LOCK_FREE};
  if (!read_file(path, &facts, text)) return;
  (void)ntk_owner_read(text, &owner);
  memcpy(holder->host, owner.host, sizeof(holder->host));
  memcpy(holder->since, owner.since, sizeof(holder->since));
  memcpy(holder->job, owner.job, sizeof(holder->job));
  holder->process = owner.process;
  holder->ranks = owner.ranks;
  holder->silence = now - seconds_of(facts.st_mtim);
  judge(&owner, limit, holder);
}

const char *ntk_lock_describe(const ntk_lock_holder *holder, char text[NTK_LOCK_TEXT]) {
  if (!holder->process) {
    (void)snprintf(text, NTK_LOCK_TEXT, "an unknown process (the lock is damaged)");
  } else {
    (void)snprintf(text, NTK_LOCK_TEXT, "%s:%ld (%d rank%s%s%s) since %s", holder->host,
                   holder->process, holder->ranks, holder->ranks == 1 ? "" : "s",
                   holder->job[0] ? ", Slurm job " : "", holder->job, holder->since);
  }
  return text;
}

/* ---- paths ------------------------------------------------------------------------------------- */

static ntk_status name_file(const char *folder, const char *name, const char *suffix, char *path) {
  const int length = snprintf(path, NTK_DURABLE_PATH, "%s/%s%s", folder, name, suffix);

  NTK_CHECK(length > 0 && length < NTK_DURABLE_PATH, NTK_E_CREATE, "path too long: %s", folder);
  return NTK_OK;
}

static ntk_status look_by(const ntk_lock_rules *rules, const char *directory, const char *key,
                          ntk_lock_holder *holder) {
  char folder[NTK_DURABLE_PATH], path[NTK_DURABLE_PATH];

  NTK_TRY(name_file(directory, "locks", "", folder));
  NTK_TRY(name_file(folder, key, "", path));
  look(path, rules->clock(), rules->limit, holder);
  return NTK_OK;
}

ntk_status ntk_lock_look(const char *directory, const char *key, ntk_lock_holder *holder) {
  return look_by(&ntk_lock_usual, directory, key, holder);
}

ntk_status ntk_lock_find_held(const char *directory, ntk_lock_holder *holder) {
  char folder[NTK_DURABLE_PATH];

  *holder = (ntk_lock_holder){.state = NTK_LOCK_FREE};
  NTK_TRY(name_file(directory, "locks", "", folder));
  DIR *entries = opendir(folder);

  for (struct dirent *e = entries ? readdir(entries) : NULL; e; e = readdir(entries)) {
    char path[NTK_DURABLE_PATH + sizeof(e->d_name)];

    if (strlen(e->d_name) != NTK_KEY_SIZE - 1) continue; /* the guard, or on its way to be a lock */
    (void)snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
    look(path, host_time(), ntk_lock_usual.limit, holder);
    if (holder->state == NTK_LOCK_HELD) break;
    *holder = (ntk_lock_holder){.state = NTK_LOCK_FREE};
  }
  if (entries) (void)closedir(entries);
  return NTK_OK;
}

/* ---- the guard: one at a time changes locks ---------------------------------------------------- */

typedef enum guard_state { GUARDED, UNGUARDED, GUARD_BUSY, GUARD_FAILED } guard_state;

static void doze(double seconds) {
  const struct timespec time = {.tv_nsec = (long)(1e9 * seconds)};

  (void)nanosleep(&time, NULL);
}

/* A lock that is waited for can be waited for for ever, if its holder is suspended. */
static guard_state take_guard(const ntk_lock_rules *rules, int file) {
  const double end = ntk_now() + rules->patience;
  double pause = 0.0005;

  while (rules->flock(file, LOCK_EX | LOCK_NB) != 0) {
    if (errno == ENOLCK || errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL) {
      return UNGUARDED;
    }
    if (errno != EWOULDBLOCK && errno != EINTR) return GUARD_FAILED;
    if (ntk_now() > end) return GUARD_BUSY;
    doze(pause);
    pause = fmin(2 * pause, 0.02);
  }
  return GUARDED;
}

/*   file  open afterwards; -1 if it could not be opened.  Closing it gives the guard back. */
static guard_state open_guard(const ntk_lock *lock, int *file) {
  char path[NTK_DURABLE_PATH];
  const int length = snprintf(path, sizeof(path), "%s/guard", lock->folder);

  *file = -1;
  if (length < 0 || length >= (int)sizeof(path)) return GUARD_FAILED;
  *file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (*file < 0 && errno == EACCES) *file = open(path, O_RDONLY | O_CLOEXEC); /* of another user */
  return *file < 0 ? GUARD_FAILED : take_guard(&lock->rules, *file);
}

/* ---- taking ------------------------------------------------------------------------------------ */

static ntk_status check_folder(const char *folder) {
  struct stat facts;
  const bool there = mkdir(folder, 0777) == 0 || errno == EEXIST;
  const int error = there ? ENOTDIR : errno;

  NTK_CHECK(there && stat(folder, &facts) == 0 && S_ISDIR(facts.st_mode),
            ntk_status_of_write(error, NTK_E_CREATE),
            "%s: cannot create the folder of locks: %s; a run needs a folder that it can write to "
            "(output.directory)",
            folder, strerror(error));
  return NTK_OK;
}

static ntk_status prepare(ntk_lock *lock, const char *directory, const char *key, int ranks) {
  ntk_owner owner;
  char suffix[NTK_KEY_SIZE + 8];

  NTK_TRY(name_file(directory, "locks", "", lock->folder));
  NTK_TRY(name_file(lock->folder, key, "", lock->path));
  ntk_owner_self(ranks, &owner);
  (void)ntk_owner_print(&owner, lock->content);
  (void)snprintf(suffix, sizeof(suffix), ".tmp.%s", owner.nonce);
  NTK_TRY(name_file(lock->folder, key, suffix, lock->own));
  return check_folder(lock->folder);
}

typedef enum write_state { WRITTEN, NOT_CREATED, NOT_WRITTEN } write_state;

static bool write_content(int file, const char *content) {
  const size_t length = strlen(content);

  return write(file, content, length) == (ssize_t)length && futimens(file, NULL) == 0;
}

/* Makes a file that nobody else has made.
 *   now  its time: what the clock of the file system says */
static write_state write_new(const char *path, const char *content, double *now) {
  struct stat facts;
  const int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

  if (file < 0) return NOT_CREATED;
  const bool written = write_content(file, content) && fstat(file, &facts) == 0;
  const int error = errno;

  (void)close(file);
  if (!written) (void)unlink(path);
  errno = error;
  *now = written ? seconds_of(facts.st_mtim) : 0;
  return written ? WRITTEN : NOT_WRITTEN;
}

static ntk_status write_own(const ntk_lock *lock, double *now) {
  const write_state state = write_new(lock->own, lock->content, now);

  NTK_CHECK(state != NOT_CREATED, ntk_status_of_write(errno, NTK_E_CREATE),
            "%s: cannot create: %s; a run needs a folder that it can write to (output.directory)",
            lock->own, strerror(errno));
  NTK_CHECK(state != NOT_WRITTEN, ntk_status_of_write(errno, NTK_E_IO), "%s: cannot write: %s",
            lock->own, strerror(errno));
  return NTK_OK;
}

/* Some network file systems do it and say that it failed: so the links are counted. */
static bool has_linked(const ntk_lock *lock) {
  struct stat facts;

  if (lock->rules.link(lock->own, lock->path) == 0) return true;
  const int error = errno;
  const bool linked = stat(lock->own, &facts) == 0 && facts.st_nlink == 2;

  errno = error;
  return linked;
}

static bool cannot_link(int error) {
  return error == EPERM || error == EOPNOTSUPP || error == ENOSYS || error == EMLINK;
}

/* NTK_LOCK_FREE: the lock is ours now. */
static ntk_status take_free(const ntk_lock *lock, double now, ntk_lock_holder *holder) {
  enum { ATTEMPTS = 10 }; /* it may come and go between two steps */
  int error = EEXIST;

  for (int k = 0; k < ATTEMPTS && error == EEXIST; ++k) {
    double later = 0;

    *holder = (ntk_lock_holder){.state = NTK_LOCK_FREE};
    if (has_linked(lock)) return NTK_OK;
    error = errno;
    if (cannot_link(error)) {
      if (write_new(lock->path, lock->content, &later) == WRITTEN) return NTK_OK;
      error = errno;
    }
    look(lock->path, now, lock->rules.limit, holder);
    if (holder->state != NTK_LOCK_FREE) return NTK_OK;
  }
  return NTK_RAISE(ntk_status_of_write(error, NTK_E_IO), "%s: cannot be taken: %s", lock->path,
                   strerror(error));
}

static ntk_status take_over(const ntk_lock *lock, guard_state guard,
                            const ntk_lock_holder *holder) {
  char text[NTK_LOCK_TEXT];

  (void)ntk_lock_describe(holder, text);
  NTK_CHECK(guard == GUARDED, NTK_E_IO,
            "%s: left by %s: %s; this file system has no flock, so it cannot be taken over safely: "
            "make sure that nobody works there, delete the file, and run again",
            lock->path, text, holder->why);
  NTK_CHECK(rename(lock->own, lock->path) == 0, ntk_status_of_write(errno, NTK_E_IO),
            "%s: cannot be taken over: %s", lock->path, strerror(errno));
  ntk_log("took over the lock of %s, silent for %.0f s: %s", text, fmax(holder->silence, 0),
          holder->why);
  return NTK_OK;
}

static ntk_status take(const ntk_lock *lock, guard_state guard, double now,
                       ntk_lock_holder *holder) {
  NTK_CHECK(guard != GUARD_BUSY, NTK_E_IO,
            "%s/guard: another process has kept it for %.0f s; is one suspended?", lock->folder,
            lock->rules.patience);
  NTK_CHECK(guard != GUARD_FAILED, NTK_E_IO, "%s/guard: cannot be locked: %s", lock->folder,
            strerror(errno));
  NTK_TRY(take_free(lock, now, holder));
  return holder->state == NTK_LOCK_STALE ? take_over(lock, guard, holder) : NTK_OK;
}

static ntk_status start_heart(ntk_lock *lock) {
  NTK_CHECK(ntk_heartbeat_start(&lock->heart, lock->path, lock->content, lock->rules.beat),
            NTK_E_MEMORY, "%s: no thread for its heartbeat: %s", lock->path, strerror(errno));
  return NTK_OK;
}

static ntk_status compete(ntk_lock *lock, ntk_lock_holder *holder) {
  double now = 0;
  int file = -1;

  NTK_TRY(write_own(lock, &now));
  const guard_state guard = open_guard(lock, &file);
  ntk_status status = take(lock, guard, now, holder);

  if (file >= 0) (void)close(file);
  if (status == NTK_OK && holder->state != NTK_LOCK_HELD) status = start_heart(lock);
  return status;
}

/* What is surely held needs no file of ours; what may be stale is judged by the right clock. */
static bool is_surely_held(const ntk_lock *lock, ntk_lock_holder *holder) {
  look(lock->path, lock->rules.clock(), lock->rules.limit / 2, holder);
  return holder->state == NTK_LOCK_HELD;
}

static ntk_status acquire(ntk_lock *lock, const char *directory, const char *key, int ranks,
                          ntk_lock_holder *holder) {
  NTK_TRY(prepare(lock, directory, key, ranks));
  if (is_surely_held(lock, holder)) return NTK_OK;
  const ntk_status status = compete(lock, holder);
  const int error = errno;

  (void)unlink(lock->own);
  errno = error;
  return status;
}

ntk_status ntk_lock_acquire_under(const ntk_lock_rules *rules, const char *directory,
                                  const char *key, int ranks, ntk_lock **lock,
                                  ntk_lock_holder *holder) {
  *lock = NULL;
  *holder = (ntk_lock_holder){.state = NTK_LOCK_FREE};
  NTK_TRY(NTK_NEW(1, lock));
  (*lock)->rules = *rules;
  const ntk_status status = acquire(*lock, directory, key, ranks, holder);

  if (status != NTK_OK) {
    ntk_lock_release(lock);
  } else if (holder->state == NTK_LOCK_HELD) {
    ntk_free(lock);
  }
  return status;
}

ntk_status ntk_lock_acquire(const char *directory, const char *key, int ranks, ntk_lock **lock,
                            ntk_lock_holder *holder) {
  return ntk_lock_acquire_under(&ntk_lock_usual, directory, key, ranks, lock, holder);
}

static bool is_doubtful(const ntk_lock_rules *rules, const ntk_lock_holder *holder) {
  return holder->state != NTK_LOCK_FREE && fabs(holder->silence) > 1.5 * rules->beat;
}

static ntk_status look_by_file_system(ntk_lock *lock, const char *directory, const char *key,
                                      ntk_lock_holder *holder) {
  double now = 0;

  NTK_TRY(prepare(lock, directory, key, 0));
  const ntk_status status = write_own(lock, &now);

  (void)unlink(lock->own);
  NTK_TRY(status);
  look(lock->path, now, lock->rules.limit, holder);
  return NTK_OK;
}

ntk_status ntk_lock_look_closely(const ntk_lock_rules *rules, const char *directory,
                                 const char *key, ntk_lock_holder *holder) {
  ntk_lock taker = {.rules = *rules};

  NTK_TRY(look_by(rules, directory, key, holder));
  if (!is_doubtful(rules, holder)) return NTK_OK;
  return look_by_file_system(&taker, directory, key, holder);
}

/* ---- having ------------------------------------------------------------------------------------ */

bool ntk_lock_is_mine(const ntk_lock *lock) {
  return ntk_heartbeat_look(lock->path, lock->content, false) != NTK_FILE_OTHERS;
}

ntk_status ntk_lock_check(const ntk_lock *lock) {
  ntk_lock_holder holder = {0};
  char text[NTK_LOCK_TEXT] = "nobody";
  const bool mine = ntk_lock_is_mine(lock);

  if (!mine) look(lock->path, host_time(), lock->rules.limit, &holder);
  if (holder.state != NTK_LOCK_FREE) (void)ntk_lock_describe(&holder, text);
  NTK_CHECK(mine, NTK_E_LOST,
            "%s: this process no longer has the lock (it was taken over, or deleted); now it is "
            "with %s",
            lock->path, text);
  return NTK_OK;
}

static bool is_surely_mine(const ntk_lock *lock) {
  return ntk_heartbeat_look(lock->path, lock->content, false) == NTK_FILE_OURS;
}

/* Without the guard, too: a lock that is ours and fresh is taken over by nobody. */
void ntk_lock_release(ntk_lock **lock) {
  int file = -1;

  if (!*lock) return;
  ntk_heartbeat_stop(&(*lock)->heart);
  if ((*lock)->content[0] && is_surely_mine(*lock)) {
    (void)open_guard(*lock, &file);
    if (is_surely_mine(*lock)) (void)unlink((*lock)->path);
    if (file >= 0) (void)close(file);
  }
  ntk_free(lock);
}
