/* heartbeat.h -- a thread that touches a file from time to time, as long as its content is ours. */
#ifndef NTK_SRC_STORE_HEARTBEAT_H
#define NTK_SRC_STORE_HEARTBEAT_H

#include "ticker.h"

/* Zero-initialise, start, stop; at a fixed address in between. */
typedef struct ntk_heartbeat {
  const char *path, *content; /* borrowed */
  ntk_ticker ticker;
} ntk_heartbeat;

/* Local.  A touch every `seconds`.  False if there can be no thread (errno says why). */
bool ntk_heartbeat_start(ntk_heartbeat *heart, const char *path, const char *content,
                         double seconds);

/* Local.  Idempotent. */
void ntk_heartbeat_stop(ntk_heartbeat *heart);

typedef enum ntk_file_owner { NTK_FILE_OURS, NTK_FILE_OTHERS, NTK_FILE_UNREADABLE } ntk_file_owner;

/* Local.  Whether the file has exactly this content; if so, touches it where that is wanted.
 * OTHERS: it has not, or there is no file; UNREADABLE: not at this moment. */
ntk_file_owner ntk_heartbeat_look(const char *path, const char *content, bool touch);

#endif
