#include "heartbeat.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Reading and touching one open file: whoever replaces it meanwhile has another one. */
static ntk_file_owner look_at(int file, const char *content, bool touch) {
  char found[2048];
  const size_t length = strlen(content);
  const ssize_t got = pread(file, found, sizeof(found), 0);

  if (got < 0) return errno == ESTALE ? NTK_FILE_OTHERS : NTK_FILE_UNREADABLE;
  if ((size_t)got != length || memcmp(found, content, length) != 0) return NTK_FILE_OTHERS;
  if (touch) (void)futimens(file, NULL);
  return NTK_FILE_OURS;
}

ntk_file_owner ntk_heartbeat_look(const char *path, const char *content, bool touch) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);

  if (file < 0) {
    return errno == ENOENT || errno == ENOTDIR || errno == ESTALE ? NTK_FILE_OTHERS
                                                                  : NTK_FILE_UNREADABLE;
  }
  const ntk_file_owner owner = look_at(file, content, touch);

  (void)close(file);
  return owner;
}

/* By a clock that nobody sets. */
static struct timespec later(double seconds) {
  struct timespec time = {0};

  (void)clock_gettime(CLOCK_MONOTONIC, &time);
  const double nanoseconds = (double)time.tv_nsec + 1e9 * (seconds - floor(seconds));

  time.tv_sec += (time_t)floor(seconds) + (nanoseconds >= 1e9);
  time.tv_nsec = (long)(nanoseconds >= 1e9 ? nanoseconds - 1e9 : nanoseconds);
  return time;
}

/* Sleeps until the next beat; false at the end. */
static bool rest(ntk_heartbeat *heart) {
  const struct timespec next = later(heart->seconds);
  int waited = 0;

  (void)pthread_mutex_lock(&heart->mutex);
  while (!heart->ends && waited == 0) {
    waited = pthread_cond_timedwait(&heart->wake, &heart->mutex, &next);
  }
  const bool goes_on = !heart->ends;

  (void)pthread_mutex_unlock(&heart->mutex);
  return goes_on;
}

/* A beat that fails is followed by the next one. */
static void *beat(void *context) {
  ntk_heartbeat *heart = context;

  while (rest(heart)) (void)ntk_heartbeat_look(heart->path, heart->content, true);
  return NULL;
}

/* Signals are for the threads that know what to do with them. */
static int create_thread(ntk_heartbeat *heart, const pthread_attr_t *attributes) {
  sigset_t all, before;

  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &before);
  const int failed = pthread_create(&heart->thread, attributes, beat, heart);

  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  return failed;
}

static int create_small_thread(ntk_heartbeat *heart) {
  enum { STACK = 256 * 1024 };
  pthread_attr_t attributes;
  int failed = pthread_attr_init(&attributes);

  if (failed) return failed;
  (void)pthread_attr_setstacksize(&attributes, STACK);
  failed = create_thread(heart, &attributes);
  (void)pthread_attr_destroy(&attributes);
  return failed;
}

static int create_clock(pthread_cond_t *wake) {
  pthread_condattr_t attributes;
  int failed = pthread_condattr_init(&attributes);

  if (failed) return failed;
  failed = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  if (!failed) failed = pthread_cond_init(wake, &attributes);
  (void)pthread_condattr_destroy(&attributes);
  return failed;
}

static void destroy_clock(ntk_heartbeat *heart) {
  (void)pthread_cond_destroy(&heart->wake);
  (void)pthread_mutex_destroy(&heart->mutex);
}

bool ntk_heartbeat_start(ntk_heartbeat *heart, const char *path, const char *content,
                         double seconds) {
  *heart = (ntk_heartbeat){.path = path, .content = content, .seconds = seconds};
  int failed = pthread_mutex_init(&heart->mutex, NULL);

  if (!failed) {
    failed = create_clock(&heart->wake);
    if (failed) (void)pthread_mutex_destroy(&heart->mutex);
  }
  if (!failed) {
    failed = create_small_thread(heart);
    if (failed) destroy_clock(heart);
  }
  heart->running = !failed;
  if (failed) errno = failed;
  return heart->running;
}

void ntk_heartbeat_stop(ntk_heartbeat *heart) {
  if (!heart->running) return;
  (void)pthread_mutex_lock(&heart->mutex);
  heart->ends = true;
  (void)pthread_cond_signal(&heart->wake);
  (void)pthread_mutex_unlock(&heart->mutex);
  (void)pthread_join(heart->thread, NULL);
  destroy_clock(heart);
  heart->running = false;
}
