/* The time left of a sweep, told from its folder: what finished units have taken corrects the
 * forecast, and the rest is simulated as a run would do it. */
#include <math.h>

#include "ntk/base/memory.h"
#include "ntk/run/event.h"
#include "ntk/run/survey.h"
#include "ntk/run/units.h"
#include "ntk/run/workers.h"

typedef struct outlook {
  const ntk_plan *plan;
  ntk_groups groups;
  ntk_units units;
  ntk_forecast forecast;
  bool *pending;         /* [point_count] */
  bool *all, *open;      /* [units.count]; open: something is to do */
  ntk_unit_state *state; /* [units.count] */
} outlook;

static bool is_over(ntk_point_state state) {
  return state == NTK_POINT_DONE || state == NTK_POINT_FAILED;
}

/* What its points say of a unit.  The time of one of which a point failed says little. */
static ntk_unit_state judge(const outlook *o, int64_t unit) {
  ntk_unit_state s = {.state = NTK_UNIT_ENDED};

  for (int64_t k = o->units.first[unit]; k < o->units.first[unit + 1]; ++k) {
    const ntk_point_facts *facts = &o->plan->facts[o->units.point[k]];

    if (facts->state == NTK_POINT_RUNNING) s.state = NTK_UNIT_RUNS;
    if (!is_over(facts->state) && s.state == NTK_UNIT_ENDED) s.state = NTK_UNIT_WAITS;
    s.seconds += facts->state == NTK_POINT_FAILED ? NAN : isnan(facts->seconds) ? 0 : facts->seconds;
    s.part[NTK_PART_KERNEL] += facts->kernel_seconds;
    s.part[NTK_PART_SPECTRUM] += facts->spectrum_seconds;
    if (facts->ranks > s.ranks) s.ranks = facts->ranks;
  }
  if (s.state == NTK_UNIT_ENDED && !(s.seconds > 0 && s.ranks > 0)) s.seconds = NAN;
  s.part[NTK_PART_POINTS] = s.seconds - s.part[NTK_PART_KERNEL] - s.part[NTK_PART_SPECTRUM];
  if (s.state == NTK_UNIT_RUNS && !(s.seconds >= 0)) s.seconds = 0;
  return s;
}

static ntk_status prepare(outlook *o) {
  const ntk_job *job = o->plan->job;

  NTK_TRY(ntk_units_make(job, &o->units));
  NTK_TRY(NTK_NEW(job->point_count, &o->pending));
  NTK_TRY(NTK_NEW(o->units.count, &o->all));
  NTK_TRY(NTK_NEW(o->units.count, &o->open));
  NTK_TRY(NTK_NEW(o->units.count, &o->state));
  for (int64_t k = 0; k < job->point_count; ++k) {
    o->pending[k] = !is_over(o->plan->facts[k].state);
  }
  for (int64_t k = 0; k < o->units.count; ++k) {
    o->state[k] = judge(o, k);
    o->open[k] = o->state[k].state != NTK_UNIT_ENDED;
    o->all[k] = true;
  }
  return NTK_OK;
}

/* Memory is taken to be enough: status may run on another machine than the job. */
static ntk_status predict(outlook *o) {
  ntk_data_cache cache = {0};
  const ntk_outlook wanted = {.job = o->plan->job,
                              .units = &o->units,
                              .pending = o->pending,
                              .wanted = o->all,
                              .groups = o->groups,
                              .memory_per_rank = INFINITY,
                              .cache = &cache};
  const ntk_status status = ntk_forecast_make(&wanted, &o->forecast);

  ntk_data_cache_destroy(&cache);
  return status;
}

/* ---- how fast the processes at work really are --------------------------------------------------- */

/* What they have done since they began: seconds times ranks. */
typedef struct effort {
  double predicted; /* of units that ended */
  double other;     /* spent on those that run or failed */
  double oldest;    /* seconds since the first of their points began */
} effort;

static void add_effort(const outlook *o, const ntk_pace *pace, const ntk_workers *workers,
                       int64_t unit, effort *e) {
  const ntk_unit_state *state = &o->state[unit];
  const ntk_point_facts *facts = &o->plan->facts[o->units.point[o->units.first[unit]]];

  if (state->state == NTK_UNIT_WAITS || state->ranks < 1) return;
  if (!ntk_workers_of(workers, facts)) return;
  const double age = ntk_event_age(facts->since);

  if (isnan(age)) return;
  e->oldest = fmax(e->oldest, age);
  if (state->state == NTK_UNIT_RUNS) {
    e->other += state->ranks * age;
  } else if (isnan(state->seconds)) {
    e->other += state->ranks * (isnan(facts->seconds) ? 0 : facts->seconds);
  } else {
    e->predicted +=
        state->ranks * ntk_unit_seconds(&o->forecast.unit[unit], pace, state->ranks);
  }
}

/* Files, waiting and other users of the machine take time that no unit shows, or only some do. */
static double slowdown(const outlook *o, const ntk_pace *pace, const ntk_workers *workers) {
  const double enough = 5; /* seconds: times of events are whole seconds */
  effort e = {0};

  for (int64_t k = 0; k < o->units.count; ++k) add_effort(o, pace, workers, k, &e);
  if (e.oldest < enough || !(e.predicted > 0)) return 1;
  return fmin(fmax((e.oldest * workers->ranks - e.other) / e.predicted, 0.05), 100);
}

static ntk_status correct(const outlook *o, const ntk_pace *pace, double *left) {
  ntk_workers workers = {0};

  NTK_TRY(ntk_workers_find(o->plan->facts, o->plan->job->point_count, &workers));
  *left *= slowdown(o, pace, &workers);
  ntk_workers_destroy(&workers);
  return NTK_OK;
}

/* ---- all together ------------------------------------------------------------------------------ */

static ntk_status simulate(const outlook *o, const ntk_pace *pace, double *left) {
  const ntk_unit *units = o->forecast.unit;
  const int64_t count = o->units.count;
  ntk_schedule schedule = {0};

  NTK_TRY(ntk_schedule_make(units, count, o->open, &o->groups, pace, &schedule));
  const ntk_status status =
      ntk_schedule_left(units, count, o->state, &schedule, &o->groups, left);

  ntk_schedule_destroy(&schedule);
  return status;
}

static ntk_status find_left(outlook *o, double *left) {
  ntk_pace pace = ntk_pace_predicted;

  NTK_TRY(prepare(o));
  NTK_TRY(predict(o));
  (void)ntk_pace_fit(o->forecast.unit, o->units.count, o->state, &pace);
  NTK_TRY(simulate(o, &pace, left));
  return correct(o, &pace, left);
}

static int group_ranks(const ntk_plan *plan) {
  const int64_t wanted = plan->job->point[0].settings.run.group_ranks;

  return wanted > 0 && plan->ranks % wanted == 0 ? (int)wanted : 0;
}

ntk_status ntk_survey_left(const ntk_plan *plan, double *left) {
  outlook o = {.plan = plan, .groups = {plan->ranks, group_ranks(plan)}};
  const ntk_status status = find_left(&o, left);

  ntk_forecast_destroy(&o.forecast);
  ntk_free(&o.state);
  ntk_free(&o.open);
  ntk_free(&o.all);
  ntk_free(&o.pending);
  ntk_units_destroy(&o.units);
  return status;
}
