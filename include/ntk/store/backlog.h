/* backlog.h -- small files that get their names at once and are brought to disk together: an fsync for
 * every point of a large sweep of small ones would be most of its time.
 *
 * A thread of the backlog sees to it that no file waits for longer than NTK_BACKLOG_SECONDS, however
 * long the step is that its process is at. */
#ifndef NTK_STORE_BACKLOG_H
#define NTK_STORE_BACKLOG_H

#include <stdint.h>

#include "ntk/base/error.h"

enum { NTK_BACKLOG_FILES = 64, NTK_BACKLOG_SECONDS = 30 };

/* Zero-initialise, destroy. */
typedef struct ntk_backlog {
  double seconds;                /* 0: NTK_BACKLOG_SECONDS */
  struct ntk_backlog_queue *queue; /* owned; NULL before the first file */
} ntk_backlog;

/* Local.  The file joins; a backlog that is full is brought to disk.  Fails as ntk_backlog_sync, and
 * with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_backlog_add(ntk_backlog *backlog, const char *path);

/* Local.  Files that wait. */
int64_t ntk_backlog_count(const ntk_backlog *backlog);

/* Local.  Fails with NTK_E_IO if the thread could not bring a file to disk. */
NTK_CHECKED ntk_status ntk_backlog_check(const ntk_backlog *backlog);

/* Local.  All files of the backlog, their names and their folders' names are on disk; the backlog is
 * empty.  Fails with NTK_E_IO; what is left stays in the backlog, and fails again. */
NTK_CHECKED ntk_status ntk_backlog_sync(ntk_backlog *backlog);

/* Local.  Forgets the files. */
void ntk_backlog_destroy(ntk_backlog *backlog);

#endif
