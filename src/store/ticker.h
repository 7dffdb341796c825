/* ticker.h -- a thread that does something from time to time; private to this floor. */
#ifndef NTK_SRC_STORE_TICKER_H
#define NTK_SRC_STORE_TICKER_H

#include <pthread.h>
#include <stdbool.h>

/* Zero-initialise, start, stop; at a fixed address in between. */
typedef struct ntk_ticker {
  void (*tick)(void *context);
  void *context;
  double seconds; /* between ticks */
  bool running;
  bool ends; /* under the mutex */
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t wake;
} ntk_ticker;

/* Local.  False if there can be no thread (errno says why).  The thread takes no signals; `tick` must
 * call no MPI, print nothing, and use nothing of base/ that is not its own: errors and memory are
 * counted without locks. */
bool ntk_ticker_start(ntk_ticker *ticker, void (*tick)(void *context), void *context,
                      double seconds);

/* Local.  The thread has ended; idempotent. */
void ntk_ticker_stop(ntk_ticker *ticker);

#endif
