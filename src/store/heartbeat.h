/* heartbeat.h -- a thread that touches a file from time to time, as long as its content is ours. */
#ifndef NTK_SRC_STORE_HEARTBEAT_H
#define NTK_SRC_STORE_HEARTBEAT_H

#include <pthread.h>
#include <stdbool.h>

/* Zero-initialise, start, stop; at a fixed address in between. */
typedef struct ntk_heartbeat {
  const char *path, *content; /* borrowed */
  double seconds;             /* between touches */
  bool running;
  bool ends; /* under the mutex */
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t wake;
} ntk_heartbeat;

/* Local.  False if there can be no thread (errno says why).  The thread takes no signals, calls no
 * MPI, prints nothing. */
bool ntk_heartbeat_start(ntk_heartbeat *heart, const char *path, const char *content,
                         double seconds);

/* Local.  The thread has ended; idempotent. */
void ntk_heartbeat_stop(ntk_heartbeat *heart);

typedef enum ntk_file_owner { NTK_FILE_OURS, NTK_FILE_OTHERS, NTK_FILE_UNREADABLE } ntk_file_owner;

/* Local.  Whether the file has exactly this content; if so, touches it where that is wanted.
 * OTHERS: it has not, or there is no file; UNREADABLE: not at this moment. */
ntk_file_owner ntk_heartbeat_look(const char *path, const char *content, bool touch);

#endif
