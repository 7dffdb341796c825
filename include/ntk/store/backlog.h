/* backlog.h -- small files that get their names at once and are brought to disk together: an fsync for
 * every point of a large sweep of small ones would be most of its time. */
#ifndef NTK_STORE_BACKLOG_H
#define NTK_STORE_BACKLOG_H

#include <stdint.h>

#include "ntk/base/error.h"

enum { NTK_BACKLOG_FILES = 64, NTK_BACKLOG_SECONDS = 30 };

typedef struct ntk_backlog {
  int64_t count;
  char *path[NTK_BACKLOG_FILES]; /* renamed, but maybe not on disk yet; owned */
  double since;                /* when the first of them joined; clock of ntk_now */
} ntk_backlog;

/* Local.  The file joins; a backlog that is full is brought to disk.  Fails as ntk_backlog_sync. */
NTK_CHECKED ntk_status ntk_backlog_add(ntk_backlog *backlog, const char *path);

/* Local.  Brings the backlog to disk if its first file is NTK_BACKLOG_SECONDS old. */
NTK_CHECKED ntk_status ntk_backlog_tick(ntk_backlog *backlog);

/* Local.  All files of the backlog, their names and their folders' names are on disk; the backlog is
 * empty.  Fails with NTK_E_IO, NTK_E_MEMORY; what is left stays in the backlog. */
NTK_CHECKED ntk_status ntk_backlog_sync(ntk_backlog *backlog);

/* Local.  Forgets the files. */
void ntk_backlog_destroy(ntk_backlog *backlog);

#endif
