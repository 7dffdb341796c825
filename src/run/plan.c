/* plan: what a config means before anything runs. */
#include "ntk/run/plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ntk/base/log.h"
#include "ntk/base/memory.h"
#include "ntk/run/command.h"
#include "ntk/run/folder.h"
#include "ntk/run/load.h"
#include "ntk/run/runner.h"
#include "ntk/run/units.h"
#include "ntk/run/workers.h"

/* ---- seconds -----------------------------------------------------------------------------------
 */

static double predict(const ntk_plan *plan, const ntk_point_cost *cost, int ranks) {
  ntk_unit alone = {.least_ranks = 1};

  ntk_tempo_parts(&plan->tempo, cost, alone.part);
  return ntk_unit_seconds(&alone, &ntk_pace_predicted, ranks > 0 ? ranks : 1);
}

/* ---- points ------------------------------------------------------------------------------------
 */

static ntk_status keep_error(char **kept) {
  const char *text = ntk_last_error()->text;

  NTK_TRY(NTK_NEW(strlen(text) + 1, kept));
  memcpy(*kept, text, strlen(text) + 1);
  return NTK_OK;
}

bool ntk_plan_knows(const ntk_plan_point *point) { return !isnan(point->flops); }

/* All that a config says about data that are not there. */
static int64_t written_count(const ntk_settings *s) {
  return s->data.source.row && s->data.train.count != NTK_AUTO_INT ? s->data.train.count : -1;
}

/* A point without known cost will fail, unless it is done already; what all points miss is said
 * once. */
static ntk_status keep_problem(ntk_plan *plan, const ntk_point *point, ntk_status status,
                               ntk_plan_point *p) {
  p->flops = p->seconds = NAN;
  p->cost = (ntk_point_cost){.ranks_needed = 1, .n = -1, .parameters = -1};
  if (status == NTK_E_MISSING) p->cost.n = written_count(&point->settings);
  if (p->state == NTK_POINT_DONE || (status == NTK_E_MISSING && plan->job->missing)) return NTK_OK;
  NTK_TRY(keep_error(&p->problem));
  plan->last_problem = status;
  ++plan->problems;
  return NTK_OK;
}

/* What is done needs no solver. */
static ntk_status cost_of(const ntk_plan *plan, const ntk_point *point, ntk_data_cache *cache,
                          ntk_plan_point *p) {
  const ntk_solver *solver = (const ntk_solver *)point->settings.spectrum.solver;

  if (p->state != NTK_POINT_DONE) NTK_TRY(ntk_solver_check_ranks(solver, plan->ranks));
  return ntk_point_cost_of(point, plan->ranks, cache, &p->cost);
}

static ntk_status add_point(ntk_plan *plan, int64_t k, ntk_data_cache *cache) {
  const ntk_point *point = &plan->job->point[k];
  ntk_plan_point *p = &plan->point[k];

  p->state = plan->facts[k].state;
  const ntk_status status = cost_of(plan, point, cache, p);

  if (status == NTK_E_MEMORY) return status;
  return status == NTK_OK ? NTK_OK : keep_problem(plan, point, status, p);
}

/* ---- what points share -------------------------------------------------------------------------
 */

/* Sums over points that are done, to scale the estimates by. */
typedef struct experience {
  double predicted, taken;
} experience;

/* What a point adds to those before it in its unit: kernel and spectrum that they have are theirs.
 *   before  "": there is none */
static void charge(ntk_plan *plan, int64_t k, const char *before, experience *sum) {
  const ntk_point_facts *facts = &plan->facts[k];
  ntk_plan_point *p = &plan->point[k];
  ntk_point_cost own = p->cost;

  if (before[0]) own.kernel_flops = own.kernel_bytes = 0;
  if (strcmp(before, ntk_point_key(&plan->job->point[k], "spectrum")) == 0) own.spectrum_flops = 0;
  p->flops = own.kernel_flops + own.spectrum_flops;
  p->seconds = predict(plan, &own, plan->ranks);
  if (facts->state == NTK_POINT_DONE && facts->seconds > 0 && facts->ranks > 0) {
    sum->predicted += predict(plan, &own, facts->ranks);
    sum->taken += facts->seconds;
  }
}

/* Those that are done, or those that are not: they were or will be computed together. */
static void charge_unit(ntk_plan *plan, const ntk_units *units, int64_t unit, bool done,
                        experience *sum) {
  const char *before = "";

  for (int64_t i = units->first[unit]; i < units->first[unit + 1]; ++i) {
    const int64_t k = units->point[i];
    const char *key = ntk_point_key(&plan->job->point[k], "spectrum");

    plan->point[k].unit = unit;
    if (!ntk_plan_knows(&plan->point[k])) continue;
    if ((plan->point[k].state == NTK_POINT_DONE) != done) continue;
    charge(plan, k, before, sum);
    before = key[0] ? key : plan->job->point[k].id; /* that is not known where files are missing */
  }
}

static ntk_status charge_all(ntk_plan *plan, experience *sum) {
  ntk_units units = {0};

  NTK_TRY(ntk_units_make(plan->job, &units));
  for (int64_t unit = 0; unit < units.count; ++unit) {
    charge_unit(plan, &units, unit, true, sum);
    charge_unit(plan, &units, unit, false, sum);
  }
  ntk_units_destroy(&units);
  return NTK_OK;
}

/* A kernel's files belong to all points that have its key. */
typedef struct kept {
  const char *key;
  const ntk_point *point;
  double bytes;
  bool left; /* the point is still to be computed */
} kept;

/* What is left comes first. */
static int by_key(const void *a, const void *b) {
  const kept *x = a, *y = b;
  const int order = strcmp(x->key, y->key);

  return order ? order : y->left - x->left;
}

/* Points that failed are not tried again. */
static bool is_left(const ntk_plan_point *p) {
  return p->state != NTK_POINT_DONE && p->state != NTK_POINT_FAILED;
}

static ntk_status add_kept(ntk_plan *plan) {
  const int64_t count = plan->job->point_count;
  kept *all = NULL;

  NTK_TRY(NTK_NEW(count, &all));
  for (int64_t k = 0; k < count; ++k) {
    const ntk_plan_point *p = &plan->point[k];

    const ntk_point *point = &plan->job->point[k];

    all[k] = (kept){ntk_point_key(point, "kernel"), point, p->cost.shared_bytes, is_left(p)};
  }
  qsort(all, (size_t)count, sizeof(*all), by_key);
  for (int64_t k = 0; k < count; ++k) {
    if (k > 0 && strcmp(all[k - 1].key, all[k].key) == 0) continue;
    plan->kept_bytes += all[k].bytes;
    if (!all[k].left || all[k].bytes == 0) continue;
    plan->bytes_left += fmax(all[k].bytes - ntk_folder_bytes_there(plan->job, all[k].point), 0);
  }
  ntk_free(&all);
  return NTK_OK;
}

static void add_up(ntk_plan *plan) {
  plan->longest = -1;
  plan->ranks_needed = 1;
  for (int64_t k = 0; k < plan->job->point_count; ++k) {
    const ntk_plan_point *p = &plan->point[k];

    if (!ntk_plan_knows(p)) continue;
    plan->flops += p->flops;
    plan->seconds += p->seconds;
    plan->results_bytes += p->cost.results_bytes;
    plan->kept_bytes += p->cost.own_bytes;
    plan->bytes_per_rank = fmax(plan->bytes_per_rank, p->cost.bytes_per_rank);
    if (p->cost.ranks_needed > plan->ranks_needed) plan->ranks_needed = p->cost.ranks_needed;
    if (plan->longest < 0 || p->seconds > plan->point[plan->longest].seconds) plan->longest = k;
    if (is_left(p)) plan->bytes_left += ntk_point_disk_bytes(&p->cost);
    if (p->state == NTK_POINT_DONE) continue;
    plan->flops_left += p->flops;
    plan->seconds_left += p->seconds;
  }
}

static ntk_status look_at_points(ntk_plan *plan) {
  const ntk_job *job = plan->job;

  NTK_TRY(NTK_NEW(job->point_count, &plan->facts));
  for (int64_t k = 0; k < job->point_count; ++k) {
    if (!job->point[k].id[0]) continue; /* what is done cannot be told */
    NTK_TRY(ntk_point_look(job, &job->point[k], &plan->facts[k]));
    ++plan->states[plan->facts[k].state];
  }
  return NTK_OK;
}

/* Ranks, if they are not given: as many as are at work, else as points had before. */
static ntk_status find_workers(ntk_plan *plan) {
  const int64_t count = plan->job->point_count;
  const bool given = plan->ranks > 0;
  ntk_workers workers = {0};

  NTK_TRY(ntk_workers_find(plan->facts, count, &workers));
  plan->workers = workers.count;
  if (!given) plan->ranks = workers.ranks > 0 ? workers.ranks : 1;
  for (int64_t k = 0; k < count && !given && workers.ranks == 0; ++k) {
    if (plan->facts[k].ranks > plan->ranks) plan->ranks = plan->facts[k].ranks;
  }
  ntk_workers_destroy(&workers);
  return NTK_OK;
}

static ntk_status check(const ntk_job *job) {
  if (job->missing) return NTK_RAISE(NTK_E_MISSING, "%s", job->missing);
  return ntk_folder_is_used(job) ? ntk_folder_check(job) : NTK_OK;
}

static ntk_status look_at_whole(ntk_plan *plan) {
  plan->refused = check(plan->job);
  if (plan->refused == NTK_OK || plan->refused == NTK_E_MEMORY) return plan->refused;
  return keep_error(&plan->refusal);
}

/* `run` adds what only stands on disk for a while. */
static ntk_status look_at_room(ntk_plan *plan) {
  const ntk_job *job = plan->job;

  if (plan->refusal || job->point_count == 0 || !ntk_folder_is_used(job)) return NTK_OK;
  plan->refused = ntk_folder_check_room(job, plan->bytes_left);
  return plan->refused == NTK_OK ? NTK_OK : keep_error(&plan->refusal);
}

static ntk_status look(ntk_plan *plan, ntk_data_cache *cache) {
  const ntk_job *job = plan->job;
  experience sum = {0};

  NTK_TRY(look_at_whole(plan));
  NTK_TRY(look_at_points(plan));
  NTK_TRY(find_workers(plan));
  NTK_TRY(ntk_tempo_find(true, &plan->tempo));
  NTK_TRY(NTK_NEW(job->point_count, &plan->point));
  for (int64_t k = 0; k < job->point_count; ++k) NTK_TRY(add_point(plan, k, cache));
  NTK_TRY(charge_all(plan, &sum));
  plan->measured = sum.predicted > 0 && sum.taken > 0;
  for (int64_t k = 0; k < job->point_count && plan->measured; ++k) {
    plan->point[k].seconds *= sum.taken / sum.predicted;
  }
  plan->skipped = job->sweep.point_count - job->point_count;
  add_up(plan);
  NTK_TRY(add_kept(plan));
  return look_at_room(plan);
}

ntk_status ntk_plan_make(const ntk_job *job, int ranks, ntk_plan *plan) {
  ntk_data_cache cache = {0};

  *plan = (ntk_plan){.job = job, .ranks = ranks};
  const ntk_status status = look(plan, &cache);

  ntk_data_cache_destroy(&cache);
  if (status != NTK_OK) ntk_plan_destroy(plan);
  return status;
}

void ntk_plan_destroy(ntk_plan *plan) {
  for (int64_t k = 0; plan->point && k < plan->job->point_count; ++k) {
    ntk_free(&plan->point[k].problem);
  }
  ntk_free(&plan->point);
  ntk_free(&plan->facts);
  ntk_free(&plan->refusal);
  *plan = (ntk_plan){0};
}

/* ---- the command -------------------------------------------------------------------------------
 */

/* What `run` would end with. */
static int exit_code(const ntk_plan *plan) {
  if (plan->refusal) return ntk_status_exit_code(plan->refused);
  return ntk_points_exit_code(plan->problems, plan->job->point_count, plan->last_problem);
}

/* Ranks that were not asked for refuse nothing: the job may get others. */
static ntk_status make(const ntk_job *job, int64_t asked, ntk_plan *plan) {
  const long processors = sysconf(_SC_NPROCESSORS_ONLN);
  const int ranks = asked ? (int)asked : (int)processors;

  NTK_TRY(ntk_plan_make(job, ranks, plan));
  if (plan->refusal || !asked) return NTK_OK;
  plan->refused = ntk_run_check_ranks(job, ranks);
  return plan->refused == NTK_OK ? NTK_OK : keep_error(&plan->refusal);
}

static int print(const ntk_job *job, const ntk_arguments *arguments) {
  ntk_plan plan = {0};
  ntk_text text = {0};
  ntk_status status = make(job, arguments->ranks, &plan);
  const int code = status == NTK_OK ? exit_code(&plan) : 0;

  if (status == NTK_OK) {
    status =
        arguments->json ? ntk_plan_json(&plan, &text) : ntk_plan_text(&plan, arguments->all, &text);
  }
  if (status == NTK_OK) (void)printf("%s", ntk_text_string(&text));
  ntk_text_destroy(&text);
  ntk_plan_destroy(&plan);
  return status == NTK_OK ? code : ntk_complain(status);
}

int ntk_command_plan(const ntk_arguments *arguments) {
  ntk_job job = {0};
  int code = ntk_look_or_complain(arguments, NULL, &job);

  if (code == 0) code = print(&job, arguments);
  ntk_job_destroy(&job);
  return code;
}
