/* A plan as tables for people. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ntk/base/memory.h"
#include "ntk/run/folder.h"
#include "ntk/run/machine.h"
#include "ntk/run/plan.h"
#include "ntk/run/show.h"

enum {
  MOST_ROWS = 60,   /* points that are listed one by one */
  MOST_VALUES = 24, /* of an axis, that are */
  LONGEST = 5,      /* points named in a summary */
  MOST_RUNS = 8     /* of points with one problem */
};

/* ---- axes --------------------------------------------------------------------------------------
 */

/* The values of an axis, or of one of its keys; of many the first and the last. */
static ntk_status add_values(const ntk_axis *axis, const ntk_axis_key *key, ntk_text *text) {
  const int64_t ends = MOST_VALUES / 3;

  for (int64_t k = 0; k < axis->count; ++k) {
    if (axis->count > MOST_VALUES && k == ends) {
      NTK_TRY(ntk_text_add(text, ", ..."));
      k = axis->count - ends;
    }
    NTK_TRY(ntk_text_add(text, k ? ", " : ""));
    NTK_TRY(key ? ntk_axis_key_label(key, k, text) : ntk_axis_label(axis, k, text));
  }
  return ntk_text_add(text, "\n");
}

static ntk_status add_axis(const ntk_axis *axis, ntk_text *text) {
  NTK_TRY(ntk_text_add(text, "  %-32s %6" PRId64 "  ", axis->zipped ? axis->name : axis->path,
                       axis->count));
  NTK_TRY(add_values(axis, NULL, text));
  for (int64_t i = 0; axis->zipped && i < axis->key_count; ++i) {
    NTK_TRY(ntk_text_add(text, "    %-30s %6s  ", axis->key[i].path, ""));
    NTK_TRY(add_values(axis, &axis->key[i], text));
  }
  return NTK_OK;
}

static ntk_status add_axes(const ntk_sweep *sweep, ntk_text *text) {
  if (sweep->axis_count == 0) return NTK_OK;
  NTK_TRY(ntk_text_add(text, "\n  %-32s %6s\n", "axis", "values"));
  for (int64_t k = 0; k < sweep->axis_count; ++k) NTK_TRY(add_axis(&sweep->axis[k], text));
  return NTK_OK;
}

/* ---- every point -------------------------------------------------------------------------------
 */

static void count_text(char text[NTK_SHOW_TEXT], int64_t count) {
  (void)snprintf(text, NTK_SHOW_TEXT, count >= 0 ? "%" PRId64 : "?", count);
}

static ntk_status add_row(const ntk_plan *plan, int64_t k, const int *width, ntk_text *text) {
  const ntk_point *point = &plan->job->point[k];
  const ntk_plan_point *p = &plan->point[k];
  char samples[NTK_SHOW_TEXT], parameters[NTK_SHOW_TEXT], flops[NTK_SHOW_TEXT], bytes[NTK_SHOW_TEXT], seconds[NTK_SHOW_TEXT];

  count_text(samples, p->cost.n);
  count_text(parameters, p->cost.parameters);
  ntk_show_flops(flops, p->flops);
  ntk_show_seconds(seconds, p->seconds);
  ntk_show_bytes(bytes, ntk_plan_knows(p) ? p->cost.bytes_per_rank : NAN);
  NTK_TRY(ntk_text_add(text, "  %5" PRId64 "  %-32s  %-7s %8s %11s %12s %9s %10s", k + 1,
                       point->id[0] ? point->id : "?",
                       point->id[0] ? ntk_point_state_name(p->state) : "?", samples, parameters,
                       flops, seconds, bytes));
  return ntk_show_cells(&plan->job->sweep, point->number, width, text);
}

static ntk_status add_rows(const ntk_plan *plan, const int *width, ntk_text *text) {
  NTK_TRY(ntk_text_add(text, "\n  %5s  %-32s  %-7s %8s %11s %12s %9s %10s", "point", "id", "state",
                       "samples", "parameters", "work", "time", "per rank"));
  NTK_TRY(ntk_show_heads(&plan->job->sweep, width, text));
  for (int64_t k = 0; k < plan->job->point_count; ++k) NTK_TRY(add_row(plan, k, width, text));
  return NTK_OK;
}

static ntk_status add_points(const ntk_plan *plan, ntk_text *text) {
  int *width = NULL;

  NTK_TRY(ntk_show_widths(&plan->job->sweep, &width));
  const ntk_status status = add_rows(plan, width, text);

  ntk_free(&width);
  return status;
}

/* ---- many points -------------------------------------------------------------------------------
 */

typedef struct share {
  int64_t points, done;
  double flops, seconds;
} share;

static void add_share(const ntk_plan *plan, int64_t axis, share *shares) {
  for (int64_t k = 0; k < plan->job->point_count; ++k) {
    const ntk_plan_point *p = &plan->point[k];
    share *s = &shares[ntk_sweep_index(&plan->job->sweep, plan->job->point[k].number, axis)];

    ++s->points;
    s->done += p->state == NTK_POINT_DONE;
    s->flops += ntk_plan_knows(p) ? p->flops : 0;
    s->seconds += ntk_plan_knows(p) ? p->seconds : 0;
  }
}

static ntk_status add_share_row(const ntk_axis *axis, int64_t k, const share *s, ntk_text *text) {
  char flops[NTK_SHOW_TEXT], seconds[NTK_SHOW_TEXT];
  ntk_text label = {0};
  ntk_status status = ntk_axis_label(axis, k, &label);

  ntk_show_flops(flops, s->flops);
  ntk_show_seconds(seconds, s->seconds);
  if (status == NTK_OK) {
    status = ntk_text_add(text, "    %-30s %6" PRId64 " %6" PRId64 " %12s %9s\n",
                          ntk_text_string(&label), s->points, s->done, flops, seconds);
  }
  ntk_text_destroy(&label);
  return status;
}

static ntk_status add_shares(const ntk_plan *plan, int64_t a, share *shares, ntk_text *text) {
  const ntk_axis *axis = &plan->job->sweep.axis[a];

  add_share(plan, a, shares);
  NTK_TRY(ntk_text_add(text, "\n  %-32s %6s %6s %12s %9s\n", axis->name, "points", "done", "work",
                       "time"));
  for (int64_t k = 0; k < axis->count; ++k) NTK_TRY(add_share_row(axis, k, &shares[k], text));
  return NTK_OK;
}

static ntk_status add_by_axis(const ntk_plan *plan, int64_t a, ntk_text *text) {
  share *shares = NULL;

  if (plan->job->sweep.axis[a].count > MOST_VALUES) return NTK_OK;
  NTK_TRY(NTK_NEW(plan->job->sweep.axis[a].count, &shares));
  const ntk_status status = add_shares(plan, a, shares, text);

  ntk_free(&shares);
  return status;
}

/* The longest point behind `before` in the order of descending time; -1: none. */
static int64_t next_longest(const ntk_plan *plan, int64_t before) {
  int64_t best = -1;

  for (int64_t k = 0; k < plan->job->point_count; ++k) {
    const double seconds = plan->point[k].seconds;

    if (!ntk_plan_knows(&plan->point[k])) continue;
    if (before >= 0 && (seconds > plan->point[before].seconds ||
                        (seconds == plan->point[before].seconds && k <= before))) {
      continue;
    }
    if (best < 0 || seconds > plan->point[best].seconds) best = k;
  }
  return best;
}

static ntk_status add_longest(const ntk_plan *plan, ntk_text *text) {
  int64_t k = next_longest(plan, -1);

  if (k < 0) return NTK_OK;
  NTK_TRY(ntk_text_add(text, "\n  the longest points\n"));
  for (int n = 0; n < LONGEST && k >= 0; ++n, k = next_longest(plan, k)) {
    char seconds[NTK_SHOW_TEXT];

    ntk_show_seconds(seconds, plan->point[k].seconds);
    NTK_TRY(ntk_text_add(text, "    %9s  point %" PRId64 ":", seconds, k + 1));
    NTK_TRY(ntk_show_place(&plan->job->sweep, plan->job->point[k].number, text));
    NTK_TRY(ntk_text_add(text, "\n"));
  }
  return NTK_OK;
}

static ntk_status add_summary(const ntk_plan *plan, ntk_text *text) {
  for (int64_t a = 0; a < plan->job->sweep.axis_count; ++a) NTK_TRY(add_by_axis(plan, a, text));
  NTK_TRY(add_longest(plan, text));
  return ntk_text_add(text, "\n  --all lists every point, --json too\n");
}

/* ---- all in all --------------------------------------------------------------------------------
 */

ntk_status ntk_plan_states(const ntk_plan *plan, ntk_text *text) {
  const int64_t count = plan->job->point_count;

  NTK_TRY(ntk_text_add(text, "%s: %" PRId64 " point%s", plan->job->directory, count,
                       count == 1 ? "" : "s"));
  for (int s = NTK_POINT_STATES - 1; s >= 0; --s) {
    if (!plan->states[s]) continue;
    NTK_TRY(ntk_text_add(text, ", %" PRId64 " %s", plan->states[s],
                         ntk_point_state_name((ntk_point_state)s)));
  }
  if (plan->skipped) NTK_TRY(ntk_text_add(text, "; %" PRId64 " skipped", plan->skipped));
  return ntk_text_add(text, "\n");
}

static ntk_status add_work(const ntk_plan *plan, ntk_text *text) {
  char flops[NTK_SHOW_TEXT], seconds[NTK_SHOW_TEXT], left[NTK_SHOW_TEXT], rate[NTK_SHOW_TEXT];

  ntk_show_flops(flops, plan->flops);
  ntk_show_seconds(seconds, plan->seconds);
  ntk_show_seconds(left, plan->seconds_left);
  ntk_show_scaled(rate, plan->tempo.product, "flop/s", 1000);
  NTK_TRY(ntk_text_add(text, "\n  work     %s, about %s on %d rank%s", flops, seconds, plan->ranks,
                       plan->ranks == 1 ? "" : "s"));
  if (plan->states[NTK_POINT_DONE]) NTK_TRY(ntk_text_add(text, "; %s of it left", left));
  if (plan->measured) return ntk_text_add(text, " (as the points that are done)\n");
  if (!plan->tempo.calibrated) {
    return ntk_text_add(text, " (at %s a rank in products of matrices, as here)\n", rate);
  }
  return ntk_text_add(text, " (at %s a rank in products of matrices, as calibrated on %s, %.10s)\n",
                      rate, plan->tempo.calibration.host, plan->tempo.calibration.time);
}

static ntk_status add_longest_one(const ntk_plan *plan, ntk_text *text) {
  char flops[NTK_SHOW_TEXT], seconds[NTK_SHOW_TEXT];

  if (plan->longest < 0) return NTK_OK;
  ntk_show_flops(flops, plan->point[plan->longest].flops);
  ntk_show_seconds(seconds, plan->point[plan->longest].seconds);
  NTK_TRY(ntk_text_add(text, "  longest  point %" PRId64 ",", plan->longest + 1));
  NTK_TRY(ntk_show_place(&plan->job->sweep, plan->job->point[plan->longest].number, text));
  return ntk_text_add(text, " %s, about %s\n", flops, seconds);
}

/* The job may run elsewhere; so this is said, and refuses nothing. */
static ntk_status add_lack(const ntk_plan *plan, ntk_text *text) {
  const double least = ntk_machine_memory() / plan->ranks;
  char bytes[NTK_SHOW_TEXT];

  if (plan->bytes_per_rank <= least) return NTK_OK;
  ntk_show_bytes(bytes, least);
  return ntk_text_add(text, "           too much for this machine: it has %s for each of %d rank%s\n",
                      bytes, plan->ranks, plan->ranks == 1 ? "" : "s");
}

static ntk_status add_room(const ntk_plan *plan, ntk_text *text) {
  char bytes[NTK_SHOW_TEXT], results[NTK_SHOW_TEXT], kept[NTK_SHOW_TEXT];

  ntk_show_bytes(bytes, plan->bytes_per_rank);
  ntk_show_bytes(results, plan->results_bytes);
  ntk_show_bytes(kept, plan->kept_bytes);
  NTK_TRY(ntk_text_add(text, "  memory   up to %s per rank; at least %" PRId64 " rank%s needed\n",
                       bytes, plan->ranks_needed, plan->ranks_needed == 1 ? "" : "s"));
  NTK_TRY(add_lack(plan, text));
  if (!ntk_folder_is_used(plan->job)) {
    return ntk_text_add(text, "  disk     none: output.keep is empty, so nothing is written\n");
  }
  NTK_TRY(ntk_text_add(text, "  disk     results about %s", results));
  if (plan->kept_bytes > 0) NTK_TRY(ntk_text_add(text, ", kept files %s", kept));
  return ntk_text_add(text, "; as much as the results again for sweep.h5\n");
}

static bool same_problem(const ntk_plan *plan, int64_t a, int64_t b) {
  const char *one = plan->point[a].problem, *other = plan->point[b].problem;

  return one && other && strcmp(one, other) == 0;
}

/* "3-5" or "7": the points from `first` on, without a gap, that have its problem. */
static ntk_status add_run(const ntk_plan *plan, int64_t first, int64_t *behind, ntk_text *text) {
  int64_t end = first + 1;

  while (end < plan->job->point_count && same_problem(plan, first, end)) ++end;
  *behind = end;
  if (end == first + 1) return ntk_text_add(text, "%" PRId64, end);
  return ntk_text_add(text, "%" PRId64 "-%" PRId64, first + 1, end);
}

/* "  points 1-4, 7 will fail: why": all that have the problem of the first; of many runs the first
 * ones. */
static ntk_status add_problem(const ntk_plan *plan, int64_t first, int64_t *points,
                              ntk_text *text) {
  ntk_text list = {0};
  ntk_status status = NTK_OK;
  int runs = 0;

  *points = 0;
  for (int64_t k = first, end = 0; k < plan->job->point_count && status == NTK_OK; ++k) {
    if (!same_problem(plan, first, k)) continue;
    ++*points;
    if (k < end || ++runs > MOST_RUNS + 1) continue;
    if (runs > 1) status = ntk_text_add(&list, runs > MOST_RUNS ? ", ..." : ", ");
    if (status == NTK_OK && runs <= MOST_RUNS) status = add_run(plan, k, &end, &list);
  }
  if (status == NTK_OK) {
    status = ntk_text_add(text, "  point%s %s will fail: %s\n", *points == 1 ? "" : "s",
                          ntk_text_string(&list), plan->point[first].problem);
  }
  ntk_text_destroy(&list);
  return status;
}

static bool is_first(const ntk_plan *plan, int64_t k) {
  for (int64_t b = 0; b < k; ++b) {
    if (same_problem(plan, b, k)) return false;
  }
  return plan->point[k].problem != NULL;
}

static ntk_status add_problems(const ntk_plan *plan, ntk_text *text) {
  int64_t left = plan->problems, points = 0;
  int listed = 0;

  for (int64_t k = 0; k < plan->job->point_count && left > 0 && listed < LONGEST; ++k) {
    if (!is_first(plan, k)) continue;
    NTK_TRY(ntk_text_add(text, listed++ ? "" : "\n"));
    NTK_TRY(add_problem(plan, k, &points, text));
    left -= points;
  }
  return left ? ntk_text_add(text, "  and %" PRId64 " more\n", left) : NTK_OK;
}

/* Of the points that can be planned. */
static ntk_status add_totals(const ntk_plan *plan, ntk_text *text) {
  if (plan->longest < 0) return NTK_OK;
  NTK_TRY(add_work(plan, text));
  NTK_TRY(add_longest_one(plan, text));
  return add_room(plan, text);
}

/* What depends on files that are not there. */
static ntk_status add_unknown(const ntk_plan *plan, ntk_text *text) {
  int64_t costs = 0, ids = 0;

  for (int64_t k = 0; k < plan->job->point_count; ++k) {
    costs += !ntk_plan_knows(&plan->point[k]);
    ids += !plan->job->point[k].id[0];
  }
  if (costs == 0) return NTK_OK;
  NTK_TRY(ntk_text_add(text,
                       "\n  a file is missing, so that of %" PRId64 " point%s work, time and memory "
                       "cannot be told",
                       costs, costs == 1 ? "" : "s"));
  if (ids > 0) {
    NTK_TRY(ntk_text_add(text, "; of %" PRId64 " not the id either, nor whether %s done", ids,
                         ids == 1 ? "it is" : "they are"));
  }
  return ntk_text_add(text, "\n");
}

ntk_status ntk_plan_text(const ntk_plan *plan, bool all, ntk_text *text) {
  NTK_TRY(ntk_plan_states(plan, text));
  NTK_TRY(add_axes(&plan->job->sweep, text));
  NTK_TRY(all || plan->job->point_count <= MOST_ROWS ? add_points(plan, text)
                                                     : add_summary(plan, text));
  NTK_TRY(add_totals(plan, text));
  NTK_TRY(add_problems(plan, text));
  if (plan->job->missing) NTK_TRY(add_unknown(plan, text));
  return plan->refusal ? ntk_text_add(text, "\n  run will refuse: %s\n", plan->refusal) : NTK_OK;
}
