#include "ticker.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <time.h>

/* By a clock that nobody sets. */
static struct timespec later(double seconds) {
  struct timespec time = {0};

  (void)clock_gettime(CLOCK_MONOTONIC, &time);
  const double nanoseconds = (double)time.tv_nsec + 1e9 * (seconds - floor(seconds));

  time.tv_sec += (time_t)floor(seconds) + (nanoseconds >= 1e9);
  time.tv_nsec = (long)(nanoseconds >= 1e9 ? nanoseconds - 1e9 : nanoseconds);
  return time;
}

/* Sleeps until the next tick; false at the end. */
static bool rest(ntk_ticker *ticker) {
  const struct timespec next = later(ticker->seconds);
  int waited = 0;

  (void)pthread_mutex_lock(&ticker->mutex);
  while (!ticker->ends && waited == 0) {
    waited = pthread_cond_timedwait(&ticker->wake, &ticker->mutex, &next);
  }
  const bool goes_on = !ticker->ends;

  (void)pthread_mutex_unlock(&ticker->mutex);
  return goes_on;
}

static void *work(void *context) {
  ntk_ticker *ticker = context;

  while (rest(ticker)) ticker->tick(ticker->context);
  return NULL;
}

/* Signals are for the threads that know what to do with them. */
static int create_thread(ntk_ticker *ticker, const pthread_attr_t *attributes) {
  sigset_t all, before;

  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &before);
  const int failed = pthread_create(&ticker->thread, attributes, work, ticker);

  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  return failed;
}

static int create_small_thread(ntk_ticker *ticker) {
  enum { STACK = 256 * 1024 };
  pthread_attr_t attributes;
  int failed = pthread_attr_init(&attributes);

  if (failed) return failed;
  (void)pthread_attr_setstacksize(&attributes, STACK);
  failed = create_thread(ticker, &attributes);
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

static void destroy_clock(ntk_ticker *ticker) {
  (void)pthread_cond_destroy(&ticker->wake);
  (void)pthread_mutex_destroy(&ticker->mutex);
}

bool ntk_ticker_start(ntk_ticker *ticker, void (*tick)(void *context), void *context,
                      double seconds) {
  *ticker = (ntk_ticker){.tick = tick, .context = context, .seconds = seconds};
  int failed = pthread_mutex_init(&ticker->mutex, NULL);

  if (!failed) {
    failed = create_clock(&ticker->wake);
    if (failed) (void)pthread_mutex_destroy(&ticker->mutex);
  }
  if (!failed) {
    failed = create_small_thread(ticker);
    if (failed) destroy_clock(ticker);
  }
  ticker->running = !failed;
  if (failed) errno = failed;
  return ticker->running;
}

void ntk_ticker_stop(ntk_ticker *ticker) {
  if (!ticker->running) return;
  (void)pthread_mutex_lock(&ticker->mutex);
  ticker->ends = true;
  (void)pthread_cond_signal(&ticker->wake);
  (void)pthread_mutex_unlock(&ticker->mutex);
  (void)pthread_join(ticker->thread, NULL);
  destroy_clock(ticker);
  ticker->running = false;
}
