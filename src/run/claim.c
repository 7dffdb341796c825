/* Which unit a group of ranks takes next: the locks of store/lock.h decide between groups and between
 * jobs. */
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "crew.h"
#include "ntk/run/stages.h"

/* ---- what is done ------------------------------------------------------------------------------ */

static bool has_results(const ntk_crew *crew, int64_t point) {
  char path[NTK_PATH_SIZE];

  ntk_point_path(crew->job, &crew->job->point[point], "results.h5", path);
  return access(path, F_OK) == 0;
}

ntk_status ntk_claim_is_done(const ntk_crew *crew, int64_t point, bool *done) {
  ntk_point_facts facts = {0};

  *done = false;
  if (crew->place.dry || (crew->fresh[point] && !has_results(crew, point))) return NTK_OK;
  NTK_TRY(ntk_point_look(crew->job, &crew->job->point[point], &facts));
  *done = facts.state == NTK_POINT_DONE;
  return NTK_OK;
}

/* Points are done in order: somebody else, who had the unit's lock, is past its last point. */
static bool is_overtaken(const ntk_crew *crew, int64_t unit) {
  for (int64_t k = crew->units.first[unit + 1] - 1; k >= crew->units.first[unit]; --k) {
    const int64_t point = crew->units.point[k];

    if (crew->pending[point]) return crew->fresh[point] && has_results(crew, point);
  }
  return false;
}

/* ---- claims ------------------------------------------------------------------------------------ */

static ntk_status claim(ntk_crew *crew, int ranks, int64_t unit, bool *claimed) {
  ntk_lock_holder holder = {0};

  *claimed = false;
  if (is_overtaken(crew, unit)) return NTK_OK;
  NTK_TRY(ntk_lock_set_acquire(crew->job->directory, ntk_unit_lock_count(&crew->units, unit),
                               ntk_unit_locks(&crew->units, unit), ranks, &crew->place.locks,
                               &holder));
  *claimed = crew->place.locks != NULL;
  return NTK_OK;
}

/* pass 0: units that the schedule gives this group; pass 1: those of others, whose pace it does not
 * know.  Without files there are no locks, and the schedule alone decides. */
static ntk_status search_pass(ntk_crew *crew, int ranks, ntk_search *search, int pass,
                              int64_t *unit) {
  for (int64_t *k = &search->cursor[pass]; *k < crew->units.count;) {
    const int64_t candidate = crew->schedule.order[(*k)++];
    const int level = crew->schedule.level[candidate];
    const bool own = crew->schedule.owner[candidate] == crew->world->rank;
    bool claimed = crew->place.dry && own;

    if (!crew->open[candidate] || level < search->level || level > search->deepest) continue;
    if (own != (pass == 0)) continue;
    if (!crew->place.dry) NTK_TRY(claim(crew, ranks, candidate, &claimed));
    if (!claimed) continue;
    *unit = candidate;
    return NTK_OK;
  }
  return NTK_OK;
}

ntk_status ntk_claim_next(ntk_crew *crew, int ranks, ntk_search *search, int64_t *unit) {
  *unit = -1;
  for (int pass = 0; pass < 2 && *unit < 0; ++pass) {
    NTK_TRY(search_pass(crew, ranks, search, pass, unit));
  }
  return NTK_OK;
}

/* ---- what is left ------------------------------------------------------------------------------ */

static ntk_status review_point(ntk_crew *crew, int64_t point, bool *pending) {
  ntk_point_facts facts = {0};

  NTK_TRY(ntk_point_look(crew->job, &crew->job->point[point], &facts));
  crew->fresh[point] = false;
  crew->counts.failed_before += facts.state == NTK_POINT_FAILED;
  *pending = facts.state != NTK_POINT_DONE && facts.state != NTK_POINT_FAILED;
  return NTK_OK;
}

/* What another job has done with it; a failure there is not tried again here. */
static ntk_status review_points(ntk_crew *crew, int64_t unit, int64_t *pending) {
  *pending = 0;
  for (int64_t k = crew->units.first[unit]; k < crew->units.first[unit + 1]; ++k) {
    bool *mine = &crew->pending[crew->units.point[k]];

    if (*mine) NTK_TRY(review_point(crew, crew->units.point[k], mine));
    *pending += *mine;
  }
  return NTK_OK;
}

/* A process shows a sign of life every minute. */
static bool is_silent(const ntk_lock_holder *holder) { return holder->silence > 90; }

static ntk_status review_unit(ntk_crew *crew, int64_t unit, int64_t found[3]) {
  ntk_lock_holder holder = {0};
  int64_t pending = 0;

  NTK_TRY(review_points(crew, unit, &pending));
  NTK_TRY(ntk_lock_set_look(crew->job->directory, ntk_unit_lock_count(&crew->units, unit),
                            ntk_unit_locks(&crew->units, unit), &holder));
  crew->open[unit] = pending > 0;
  if (pending == 0) return NTK_OK;
  if (holder.state != NTK_LOCK_HELD) {
    ++found[0];
    return NTK_OK;
  }
  ++found[is_silent(&holder) ? 1 : 2];
  crew->counts.elsewhere += pending;
  (void)ntk_lock_describe(&holder, crew->counts.holder);
  return NTK_OK;
}

ntk_status ntk_claim_review(ntk_crew *crew, ntk_rest *rest) {
  int64_t found[3] = {0}; /* free, silent, held */

  crew->counts.elsewhere = 0;
  for (int64_t k = 0; k < crew->units.count && !crew->place.dry; ++k) {
    if (crew->open[k]) NTK_TRY(review_unit(crew, k, found));
  }
  *rest = found[0]   ? NTK_REST_OPEN
          : found[1] ? NTK_REST_SILENT
          : found[2] ? NTK_REST_ELSEWHERE
                     : NTK_REST_NONE;
  return NTK_OK;
}
