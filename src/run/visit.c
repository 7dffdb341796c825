/* A unit in its group: one point after the other, each with its events and its line. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "crew.h"
#include "ntk/base/log.h"
#include "ntk/base/memory.h"
#include "ntk/run/cost.h"
#include "ntk/run/event.h"
#include "ntk/run/point.h"
#include "ntk/run/point_summary.h"
#include "ntk/run/stages.h"
#include "ntk/store/file.h"

static const ntk_comm *group_of(const ntk_crew *crew) { return crew->place.grid->comm; }

static bool is_root(const ntk_crew *crew) { return group_of(crew)->rank == 0; }

/* ---- events and lines -------------------------------------------------------------------------- */

static ntk_status record_event(const ntk_crew *crew, int64_t point, const char *name,
                               double seconds, const char *message) {
  char path[NTK_PATH_SIZE];
  ntk_event event = {.seconds = seconds,
                     .ranks = group_of(crew)->size,
                     .grid_rows = crew->place.grid->rows,
                     .grid_cols = crew->place.grid->cols,
                     .resumed = crew->place.resumed};

  if (!is_root(crew) || crew->place.dry) return NTK_OK;
  (void)snprintf(event.name, sizeof(event.name), "%s", name);
  (void)snprintf(event.message, sizeof(event.message), "%.*s", (int)sizeof(event.message) - 1,
                 message);
  ntk_point_path(crew->job, &crew->job->point[point], "log.jsonl", path);
  return ntk_event_append(path, &event);
}

/* The folder is there before the first event. */
static ntk_status record_start(const ntk_crew *crew, int64_t point) {
  char folder[NTK_PATH_SIZE];

  if (!is_root(crew) || crew->place.dry) return NTK_OK;
  ntk_point_path(crew->job, &crew->job->point[point], "", folder);
  NTK_TRY(ntk_directory_make(folder));
  return record_event(crew, point, "started", 0, "");
}

/* What cannot be recorded is at least said. */
static void record_or_say(const ntk_crew *crew, int64_t point, const char *name, double seconds,
                          const char *message) {
  if (record_event(crew, point, name, seconds, message) == NTK_OK) return;
  ntk_log("that it %s cannot be recorded: %s", name, ntk_last_error()->text);
}

/* "width=64 weight_init=he_normal seed=0" */
static void name_point(const ntk_job *job, const ntk_point *point, char *name, size_t size) {
  size_t used = 0;

  name[0] = '\0';
  for (int64_t k = 0; k < job->sweep.axis_count; ++k) {
    const ntk_axis *axis = &job->sweep.axis[k];
    ntk_text label = {0};

    if (ntk_axis_label(axis, ntk_sweep_index(&job->sweep, point->number, k), &label) == NTK_OK &&
        used < size) {
      used += (size_t)snprintf(name + used, size - used, "%s=%s ", axis->name,
                               ntk_text_string(&label));
    }
    ntk_text_destroy(&label);
  }
}

static void report(ntk_crew *crew, int64_t point, const char *what, const char *text) {
  char name[256], progress[128];

  if (!is_root(crew)) return;
  name_point(crew->job, &crew->job->point[point], name, sizeof(name));
  ntk_news_text(crew, progress, sizeof(progress));
  ntk_log("point %lld of %lld %s%s: %s%s", (long long)point + 1,
          (long long)crew->job->point_count, name, what, text, progress);
}

/* ---- a point ----------------------------------------------------------------------------------- */

static ntk_status check_memory(const ntk_crew *crew, int64_t unit) {
  const double need = crew->forecast.memory[unit], gibibyte = 1073741824.0;
  const bool hopeless = crew->forecast.unit[unit].least_ranks > crew->groups.ranks &&
                        need > crew->memory_per_rank;

  NTK_CHECK(!hopeless, NTK_E_MEMORY,
            "needs about %.3g GiB on each rank, and there are %.3g GiB for each; take more nodes, "
            "or fewer ranks on a node",
            need / gibibyte, crew->memory_per_rank / gibibyte);
  return NTK_OK;
}

/* A failing point is reported and recorded; the others go on.  A full disk is no fault of the point:
 * it ends the job, and the point is still to be done. */
static void fail_point(ntk_crew *crew, int64_t point, double seconds) {
  const ntk_error error = *ntk_last_error();
  const bool fast = crew->options.fail_fast ||
                    crew->job->point[0].settings.run.on_error == &ntk_on_error_stop;

  ++crew->at_work.failed;
  if (is_root(crew)) {
    ++crew->counts.failed;
    crew->counts.last_failure = error.status;
  }
  report(crew, point, "FAILED", ntk_failures_say(&crew->failures, point, error.text));
  record_or_say(crew, point, "failed", seconds, error.text);
  if (fast) ntk_stop_ask(&crew->stop, "stopped because a point failed");
}

static ntk_status finish_point(ntk_crew *crew, int64_t point, double seconds,
                               const char *summary) {
  ++crew->at_work.computed;
  if (is_root(crew)) ++crew->counts.computed;
  report(crew, point, "done", summary);
  return ntk_agree(group_of(crew), record_event(crew, point, "done", seconds, summary));
}

static void log_about(const ntk_crew *crew, int64_t point) {
  char subject[64];

  (void)snprintf(subject, sizeof(subject), "point %lld of %lld", (long long)point + 1,
                 (long long)crew->job->point_count);
  ntk_log_about(subject);
}

/* The point is neither done nor failed: it is still to be done, if not by this job. */
static bool is_left(ntk_status status) {
  return status == NTK_E_STOPPED || status == NTK_E_FULL || status == NTK_E_LOST;
}

static ntk_status compute_point(ntk_crew *crew, int64_t unit, int64_t point) {
  char summary[NTK_SUMMARY_TEXT] = "";
  const double start = ntk_now();

  crew->place.resumed = false;
  ntk_status status = ntk_agree(group_of(crew), record_start(crew, point));

  if (status == NTK_OK) status = ntk_agree(group_of(crew), check_memory(crew, unit));
  if (status == NTK_OK) {
    log_about(crew, point);
    status = ntk_point_run(crew->job, &crew->job->point[point], &crew->place, summary,
                           sizeof(summary));
    ntk_log_about(NULL);
  }
  const double seconds = ntk_now() - start;

  if (is_left(status)) {
    const ntk_error error = *ntk_last_error();

    if (status != NTK_E_LOST) record_or_say(crew, point, "stopped", seconds, error.text);
    return NTK_RAISE(status, "%s", error.text);
  }
  crew->pending[point] = false;
  ++crew->at_work.points;
  if (status == NTK_OK) return finish_point(crew, point, seconds, summary);
  fail_point(crew, point, seconds);
  return NTK_OK;
}

/* Somebody else may have done it before this group got the lock. */
static ntk_status visit_point(ntk_crew *crew, int64_t unit, int64_t point) {
  bool done = false;

  NTK_AGREE(group_of(crew), is_root(crew) ? ntk_claim_is_done(crew, point, &done) : NTK_OK);
  ntk_comm_broadcast(group_of(crew), 0, &done, sizeof(done));
  if (!done) {
    crew->place.stage = "data";
    const ntk_status status = compute_point(crew, unit, point);

    crew->place.stage = NULL;
    return status;
  }
  crew->pending[point] = false;
  ++crew->at_work.points;
  return NTK_OK;
}

/* ---- a unit ------------------------------------------------------------------------------------ */

/* The pending points, so that each knows which ones come after it. */
static int64_t list_pending(const ntk_crew *crew, int64_t unit, int64_t *list) {
  int64_t count = 0;

  for (int64_t k = crew->units.first[unit]; k < crew->units.first[unit + 1]; ++k) {
    const int64_t point = crew->units.point[k];

    if (crew->pending[point]) list[count++] = point;
  }
  return count;
}

static ntk_status visit_points(ntk_crew *crew, int64_t unit, int64_t count, const int64_t *list) {
  for (int64_t k = 0; k < count; ++k) {
    crew->place.later = list + k + 1;
    crew->place.later_count = count - k - 1;
    NTK_TRY(ntk_place_boundary(&crew->place));
    NTK_TRY(visit_point(crew, unit, list[k]));
  }
  return NTK_OK;
}

static ntk_status visit_all(ntk_crew *crew, int64_t unit) {
  const int64_t most = crew->units.first[unit + 1] - crew->units.first[unit];
  const int64_t *all = &crew->units.point[crew->units.first[unit]];
  int64_t *list = NULL;

  NTK_AGREE(group_of(crew), NTK_NEW(most, &list));
  const ntk_status status = visit_points(crew, unit, list_pending(crew, unit, list), list);
  const ntk_error error = *ntk_last_error();

  crew->place.later = NULL;
  crew->place.later_count = 0;
  ntk_free(&list);
  const ntk_status ended = ntk_unit_end(crew->job, most, all, &crew->place);

  if (status == NTK_OK) return ended;
  return NTK_RAISE(status, "%s", error.text);
}

static void tell(ntk_crew *crew, ntk_unit_state state) {
  const ntk_news news = {.unit = crew->at_work.unit,
                         .state = state,
                         .points = crew->at_work.points,
                         .failed = crew->at_work.failed};

  if (is_root(crew)) ntk_news_tell(crew, &news);
}

static void begin_unit(ntk_crew *crew, int64_t unit) {
  crew->at_work.unit = unit;
  crew->at_work.since = ntk_now();
  memset(crew->place.part_seconds, 0, sizeof(crew->place.part_seconds));
  memset(crew->place.part_computed, 0, sizeof(crew->place.part_computed));
  tell(crew, (ntk_unit_state){.state = NTK_UNIT_RUNS, .ranks = group_of(crew)->size});
}

/* What failed took less time than it should.  Of kernels that were there reading is part of the
 * points' time, and says nothing of computing. */
ntk_unit_state ntk_visit_outcome(const ntk_crew *crew) {
  const ntk_place *place = &crew->place;
  const bool all = crew->at_work.computed && !crew->at_work.failed;
  ntk_unit_state state = {.state = NTK_UNIT_ENDED,
                          .seconds = all ? ntk_now() - crew->at_work.since : NAN,
                          .ranks = group_of(crew)->size};

  state.part[NTK_PART_POINTS] = state.seconds;
  for (int k = NTK_PART_KERNEL; k < NTK_PARTS; ++k) {
    state.part[NTK_PART_POINTS] -= place->part_seconds[k];
    state.part[k] = place->part_computed[k] ? place->part_seconds[k] : NAN;
  }
  return state;
}

static void end_unit(ntk_crew *crew, ntk_status status) {
  const ntk_unit_state waits = {.state = NTK_UNIT_WAITS};

  tell(crew, status == NTK_OK ? ntk_visit_outcome(crew) : waits);
  memset(&crew->at_work, 0, sizeof(crew->at_work));
  crew->at_work.unit = -1;
}

/* What the plan says of a rank in a group of this size, of units that need more than a little. */
static void note_planned(ntk_crew *crew, int64_t unit) {
  const double little = 33554432;
  const ntk_point *point = &crew->job->point[crew->units.point[crew->units.first[unit]]];
  ntk_point_cost cost = {0};

  if (!is_root(crew) || crew->forecast.memory[unit] < little) return;
  if (ntk_point_cost_of(point, group_of(crew)->size, &crew->place.cache, &cost) != NTK_OK) return;
  crew->planned = fmax(crew->planned, cost.bytes_per_rank);
}

ntk_status ntk_visit_unit(ntk_crew *crew, int64_t unit) {
  note_planned(crew, unit);
  begin_unit(crew, unit);
  const ntk_status status = visit_all(crew, unit);

  if (status == NTK_OK) crew->open[unit] = false;
  end_unit(crew, status);
  if (status != NTK_E_LOST) return status;
  ntk_log("a unit is given up, the job goes on: %s", ntk_last_error()->text);
  return NTK_OK;
}
