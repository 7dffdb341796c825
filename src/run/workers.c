#include "ntk/run/workers.h"

#include <math.h>
#include <string.h>

#include "ntk/base/memory.h"
#include "ntk/run/event.h"

/* Small points are over before anybody sees them running. */
static bool is_at_work(const ntk_point_facts *facts) {
  const double lately = 10;

  if (facts->state == NTK_POINT_RUNNING) return true;
  if (facts->state != NTK_POINT_DONE && facts->state != NTK_POINT_FAILED) return false;
  return facts->process && ntk_event_age(facts->since) - facts->seconds < lately;
}

static ntk_worker *find(const ntk_workers *workers, const ntk_point_facts *facts) {
  for (int64_t k = 0; k < workers->count; ++k) {
    ntk_worker *w = &workers->worker[k];

    if (w->process == facts->process && strcmp(w->host, facts->host) == 0) return w;
  }
  return NULL;
}

const ntk_worker *ntk_workers_of(const ntk_workers *workers, const ntk_point_facts *facts) {
  return find(workers, facts);
}

static ntk_status grow(ntk_workers *workers) {
  const int64_t capacity = workers->capacity ? 2 * workers->capacity : 16;
  ntk_worker *larger = NULL;

  NTK_TRY(NTK_NEW(capacity, &larger));
  for (int64_t k = 0; k < workers->count; ++k) larger[k] = workers->worker[k];
  ntk_free(&workers->worker);
  workers->worker = larger;
  workers->capacity = capacity;
  return NTK_OK;
}

/* Groups split: the latest point tells how large its group is now. */
static ntk_status add(ntk_workers *workers, const ntk_point_facts *facts) {
  ntk_worker *w = find(workers, facts);

  if (!w) {
    if (workers->count == workers->capacity) NTK_TRY(grow(workers));
    w = &workers->worker[workers->count++];
    *w = (ntk_worker){.process = facts->process};
    memcpy(w->host, facts->host, sizeof(w->host));
  }
  if (strcmp(facts->since, w->since) < 0) return NTK_OK;
  memcpy(w->since, facts->since, sizeof(w->since));
  w->ranks = facts->ranks;
  return NTK_OK;
}

ntk_status ntk_workers_find(const ntk_point_facts *facts, int64_t count, ntk_workers *workers) {
  ntk_status status = NTK_OK;

  *workers = (ntk_workers){0};
  for (int64_t k = 0; k < count && status == NTK_OK; ++k) {
    if (is_at_work(&facts[k])) status = add(workers, &facts[k]);
  }
  for (int64_t k = 0; k < workers->count; ++k) workers->ranks += workers->worker[k].ranks;
  if (status != NTK_OK) ntk_workers_destroy(workers);
  return status;
}

void ntk_workers_destroy(ntk_workers *workers) {
  ntk_free(&workers->worker);
  *workers = (ntk_workers){0};
}
