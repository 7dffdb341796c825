#include "ntk/store/backlog.h"

#include <errno.h>
#include <string.h>

#include "ntk/base/log.h"
#include "ntk/base/memory.h"
#include "ntk/store/durable.h"
#include "ticker.h"

typedef struct ntk_backlog_queue {
  pthread_mutex_t mutex; /* of all that follows but the ticker */
  int64_t count, synced; /* files; those that are on disk by now, the oldest */
  char *path[NTK_BACKLOG_FILES];
  double since; /* when the oldest joined that is not on disk; clock of ntk_now */
  int error;    /* of path[synced]; it stays, for fsync tells a failure only once */
  double patience;
  ntk_ticker ticker;
} queue;

static void lock(queue *q) { (void)pthread_mutex_lock(&q->mutex); }

static void unlock(queue *q) { (void)pthread_mutex_unlock(&q->mutex); }

/* ---- under the mutex, in any thread ------------------------------------------------------------ */

/* The file, its name in its folder, and the folder's name, which is as new. */
static void bring_to_disk(queue *q) {
  while (q->synced < q->count && !q->error) {
    q->error = ntk_durable_force(q->path[q->synced], 2);
    q->synced += !q->error;
  }
}

static void tick(void *context) {
  queue *q = context;

  lock(q);
  if (q->synced < q->count && ntk_now() - q->since >= q->patience) bring_to_disk(q);
  unlock(q);
}

/* ---- under the mutex, in the thread that owns the backlog -------------------------------------- */

static void drop_synced(queue *q) {
  for (int64_t k = 0; k < q->synced; ++k) ntk_free(&q->path[k]);
  q->count -= q->synced;
  memmove(q->path, q->path + q->synced, (size_t)q->count * sizeof(*q->path));
  q->synced = 0;
}

static ntk_status check(const queue *q) {
  NTK_CHECK(!q->error, ntk_status_of_write(q->error, NTK_E_IO), "%s: cannot bring to disk: %s",
            q->path[q->synced], strerror(q->error));
  return NTK_OK;
}

static ntk_status sync_all(queue *q) {
  bring_to_disk(q);
  NTK_TRY(check(q));
  drop_synced(q);
  return NTK_OK;
}

static ntk_status append(queue *q, const char *path) {
  const size_t size = strlen(path) + 1;
  char *copy = NULL;

  NTK_TRY(check(q));
  NTK_TRY(NTK_NEW(size, &copy));
  memcpy(copy, path, size);
  drop_synced(q);
  if (q->count == 0) q->since = ntk_now();
  q->path[q->count++] = copy;
  return q->count == NTK_BACKLOG_FILES ? sync_all(q) : NTK_OK;
}

/* ---- the backlog ------------------------------------------------------------------------------- */

static ntk_status start(queue *q, double seconds) {
  const double beats = 4; /* between two of which a file may become too old */

  (void)pthread_mutex_init(&q->mutex, NULL);
  q->patience = seconds * (1 - 1 / beats);
  NTK_CHECK(ntk_ticker_start(&q->ticker, tick, q, seconds / beats), NTK_E_MEMORY,
            "no thread to bring results to disk: %s", strerror(errno));
  return NTK_OK;
}

static ntk_status open_queue(ntk_backlog *backlog) {
  if (backlog->queue) return NTK_OK;
  NTK_TRY(NTK_NEW(1, &backlog->queue));
  const ntk_status status =
      start(backlog->queue, backlog->seconds > 0 ? backlog->seconds : NTK_BACKLOG_SECONDS);

  if (status != NTK_OK) ntk_backlog_destroy(backlog);
  return status;
}

ntk_status ntk_backlog_add(ntk_backlog *backlog, const char *path) {
  NTK_TRY(open_queue(backlog));
  lock(backlog->queue);
  const ntk_status status = append(backlog->queue, path);

  unlock(backlog->queue);
  return status;
}

int64_t ntk_backlog_count(const ntk_backlog *backlog) {
  queue *q = backlog->queue;

  if (!q) return 0;
  lock(q);
  const int64_t count = q->count - q->synced;

  unlock(q);
  return count;
}

ntk_status ntk_backlog_check(const ntk_backlog *backlog) {
  if (!backlog->queue) return NTK_OK;
  lock(backlog->queue);
  const ntk_status status = check(backlog->queue);

  unlock(backlog->queue);
  return status;
}

ntk_status ntk_backlog_sync(ntk_backlog *backlog) {
  if (!backlog->queue) return NTK_OK;
  lock(backlog->queue);
  const ntk_status status = sync_all(backlog->queue);

  unlock(backlog->queue);
  return status;
}

void ntk_backlog_destroy(ntk_backlog *backlog) {
  queue *q = backlog->queue;

  if (!q) return;
  ntk_ticker_stop(&q->ticker);
  for (int64_t k = 0; k < q->count; ++k) ntk_free(&q->path[k]);
  (void)pthread_mutex_destroy(&q->mutex);
  ntk_free(&backlog->queue);
}
