#include "ntk/store/backlog.h"

#include <string.h>

#include "ntk/base/log.h"
#include "ntk/base/memory.h"
#include "ntk/store/durable.h"

ntk_status ntk_backlog_add(ntk_backlog *backlog, const char *path) {
  const size_t size = strlen(path) + 1;
  char *copy = NULL;

  if (backlog->count == NTK_BACKLOG_FILES) NTK_TRY(ntk_backlog_sync(backlog)); /* failed before */
  NTK_TRY(NTK_NEW(size, &copy));
  memcpy(copy, path, size);
  if (backlog->count == 0) backlog->since = ntk_now();
  backlog->path[backlog->count++] = copy;
  if (backlog->count == NTK_BACKLOG_FILES) return ntk_backlog_sync(backlog);
  return ntk_backlog_tick(backlog);
}

ntk_status ntk_backlog_tick(ntk_backlog *backlog) {
  const bool old = backlog->count > 0 && ntk_now() - backlog->since >= NTK_BACKLOG_SECONDS;

  return old ? ntk_backlog_sync(backlog) : NTK_OK;
}

/* The file, its name in its folder, and the folder's name, which is as new. */
static ntk_status sync_one(const char *path) {
  NTK_TRY(ntk_durable_sync(path));
  return ntk_durable_sync_name(path, 2);
}

ntk_status ntk_backlog_sync(ntk_backlog *backlog) {
  while (backlog->count > 0) {
    char **last = &backlog->path[backlog->count - 1];

    NTK_TRY(sync_one(*last));
    ntk_free(last);
    --backlog->count;
  }
  return NTK_OK;
}

void ntk_backlog_destroy(ntk_backlog *backlog) {
  while (backlog->count > 0) ntk_free(&backlog->path[--backlog->count]);
}
