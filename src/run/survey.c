#include "ntk/run/survey.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "ntk/base/memory.h"
#include "ntk/run/json.h"
#include "ntk/run/show.h"
#include "ntk/store/lock.h"

enum {
  MOST_GROUPS = 10, /* reasons, and points at work, that are listed */
  MOST_RUNS = 6     /* ranges of points with one reason */
};

static bool is_to_do(ntk_point_state state) {
  return state == NTK_POINT_PENDING || state == NTK_POINT_DAMAGED || state == NTK_POINT_RUNNING;
}

int ntk_survey_exit_code(const ntk_plan *plan) {
  if (plan->states[NTK_POINT_DONE] == plan->job->point_count) return 0;
  for (int s = 0; s < NTK_POINT_STATES; ++s) {
    if (is_to_do((ntk_point_state)s) && plan->states[s]) {
      return ntk_status_exit_code(NTK_E_STOPPED);
    }
  }
  return 1;
}

/* ---- points that have something in common ------------------------------------------------------ */

/* Those of a state that have a message: of pending ones those that were begun. */
typedef struct section {
  ntk_point_state state;
  const char *title;
} section;

static bool belongs(const ntk_plan *plan, const section *s, int64_t k) {
  return plan->facts[k].state == s->state && plan->facts[k].message[0];
}

static bool agree(const ntk_plan *plan, int64_t a, int64_t b) {
  return strcmp(plan->facts[a].message, plan->facts[b].message) == 0;
}

/* Points with one message. */
typedef struct group {
  int64_t first, count;
} group;

/*   groups  [most]; points of others are only counted, in `others` */
static int64_t find_groups(const ntk_plan *plan, const section *s, int64_t most, group *groups,
                           int64_t *others) {
  int64_t count = 0;

  *others = 0;
  for (int64_t k = 0; k < plan->job->point_count; ++k) {
    int64_t g = 0;

    if (!belongs(plan, s, k)) continue;
    while (g < count && !agree(plan, groups[g].first, k)) ++g;
    if (g < count) {
      ++groups[g].count;
    } else if (count < most) {
      groups[count++] = (group){k, 1};
    } else {
      ++*others;
    }
  }
  return count;
}

static bool is_member(const ntk_plan *plan, const section *s, const group *g, int64_t k) {
  return belongs(plan, s, k) && agree(plan, g->first, k);
}

/* "3-5, 7, ..." */
static ntk_status add_members(const ntk_plan *plan, const section *s, const group *g,
                              ntk_text *text) {
  const int64_t count = plan->job->point_count;
  int runs = 0;

  for (int64_t k = g->first; k < count; ++k) {
    int64_t end = k;

    while (end < count && is_member(plan, s, g, end)) ++end;
    if (end == k) continue;
    if (++runs > MOST_RUNS) return ntk_text_add(text, ", ...");
    NTK_TRY(ntk_text_add(text, runs > 1 ? ", %" PRId64 : "%" PRId64, k + 1));
    if (end > k + 1) NTK_TRY(ntk_text_add(text, "-%" PRId64, end));
    k = end;
  }
  return NTK_OK;
}

/* Further lines of a message are indented. */
static ntk_status add_message(const char *message, ntk_text *text) {
  for (const char *end = strchr(message, '\n'); end; end = strchr(message, '\n')) {
    NTK_TRY(ntk_text_add(text, "%.*s\n      ", (int)(end - message), message));
    message = end + 1;
  }
  return ntk_text_add(text, "%s", message);
}

static ntk_status add_how_far(const ntk_point_facts *facts, ntk_text *text) {
  char seconds[NTK_SHOW_TEXT];

  if (facts->state != NTK_POINT_RUNNING) return NTK_OK;
  ntk_show_seconds(seconds, facts->seconds);
  NTK_TRY(ntk_text_add(text, ", for %s", seconds));
  return facts->stage[0] ? ntk_text_add(text, "; %s is done", facts->stage) : NTK_OK;
}

/* "    point 7: width=64 seed=0: why" or "    41 points (3-5, 7, ...): why" */
static ntk_status add_group(const ntk_plan *plan, const section *s, const group *g,
                            ntk_text *text) {
  const ntk_job *job = plan->job;

  if (g->count == 1) {
    NTK_TRY(ntk_text_add(text, "    point %" PRId64 "%s", g->first + 1,
                         job->sweep.axis_count ? ":" : ""));
    NTK_TRY(ntk_show_place(&job->sweep, job->point[g->first].number, text));
  } else {
    NTK_TRY(ntk_text_add(text, "    %" PRId64 " points (", g->count));
    NTK_TRY(add_members(plan, s, g, text));
    NTK_TRY(ntk_text_add(text, ")"));
  }
  NTK_TRY(ntk_text_add(text, ": "));
  NTK_TRY(add_message(plan->facts[g->first].message, text));
  NTK_TRY(add_how_far(&plan->facts[g->first], text));
  return ntk_text_add(text, "\n");
}

static ntk_status list_groups(const ntk_plan *plan, const section *s, int64_t most, group *groups,
                              ntk_text *text) {
  int64_t others = 0;
  const int64_t count = find_groups(plan, s, most, groups, &others);

  if (count) NTK_TRY(ntk_text_add(text, "\n  %s\n", s->title));
  for (int64_t g = 0; g < count; ++g) NTK_TRY(add_group(plan, s, &groups[g], text));
  return others ? ntk_text_add(text, "    and %" PRId64 " more; --all lists them\n", others)
                : NTK_OK;
}

static ntk_status add_section(const ntk_plan *plan, const section *s, bool all, ntk_text *text) {
  const int64_t most = all ? plan->job->point_count : MOST_GROUPS;
  group *groups = NULL;

  if (!plan->states[s->state]) return NTK_OK;
  NTK_TRY(NTK_NEW(most, &groups));
  const ntk_status status = list_groups(plan, s, most, groups, text);

  ntk_free(&groups);
  return status;
}

/* ---- every point ------------------------------------------------------------------------------- */

static ntk_status add_row(const ntk_plan *plan, int64_t k, const int *width, ntk_text *text) {
  const ntk_point *point = &plan->job->point[k];
  const ntk_point_facts *facts = &plan->facts[k];
  char seconds[NTK_SHOW_TEXT] = "";

  if (!isnan(facts->seconds)) ntk_show_seconds(seconds, facts->seconds);
  NTK_TRY(ntk_text_add(text, "  %5" PRId64 "  %s  %-7s %9s", k + 1, point->id,
                       ntk_point_state_name(facts->state), seconds));
  return ntk_show_cells(&plan->job->sweep, point->number, width, text);
}

static ntk_status add_rows(const ntk_plan *plan, const int *width, ntk_text *text) {
  NTK_TRY(ntk_text_add(text, "\n  %5s  %-32s  %-7s %9s", "point", "id", "state", "time"));
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

/* ---- all in all -------------------------------------------------------------------------------- */

/* A lock without a point: its holder is about to begin, tidies up, or cannot be told. */
static ntk_status add_holder(const ntk_plan *plan, ntk_text *text) {
  ntk_lock_holder holder;
  char who[NTK_LOCK_TEXT];

  if (plan->workers) return NTK_OK;
  NTK_TRY(ntk_lock_find_held(plan->job->directory, &holder));
  if (holder.state == NTK_LOCK_FREE) return ntk_text_add(text, "; nobody is at work");
  return ntk_text_add(text, "; no point is at work, but a lock is with %s",
                      ntk_lock_describe(&holder, who));
}

static ntk_status add_left(const ntk_plan *plan, double left, ntk_text *text) {
  char seconds[NTK_SHOW_TEXT];

  if (ntk_survey_exit_code(plan) != ntk_status_exit_code(NTK_E_STOPPED)) return NTK_OK;
  ntk_show_seconds(seconds, left);
  NTK_TRY(ntk_text_add(text, "  about %s left on %d rank%s", seconds, plan->ranks,
                       plan->ranks == 1 ? "" : "s"));
  NTK_TRY(add_holder(plan, text));
  return ntk_text_add(text, "\n");
}

ntk_status ntk_survey_text(const ntk_plan *plan, double left, bool all, ntk_text *text) {
  static const section sections[] = {
      {NTK_POINT_RUNNING, "running"},
      {NTK_POINT_FAILED, "failed; run --retry-failed tries them again"},
      {NTK_POINT_DAMAGED, "damaged; the next run computes them again"},
      {NTK_POINT_PENDING, "stopped or interrupted; the next run goes on with them"}};

  NTK_TRY(ntk_plan_states(plan, text));
  NTK_TRY(add_left(plan, left, text));
  if (all) NTK_TRY(add_points(plan, text));
  for (size_t k = 0; k < sizeof(sections) / sizeof(sections[0]); ++k) {
    NTK_TRY(add_section(plan, &sections[k], all, text));
  }
  return NTK_OK;
}

/* ---- for programs ------------------------------------------------------------------------------ */

/* null where there is nothing to tell. */
static ntk_status add_word(const char *name, const char *word, ntk_text *text) {
  NTK_TRY(ntk_text_add(text, ", \"%s\": ", name));
  return word[0] ? ntk_json_add_string(word, text) : ntk_text_add(text, "null");
}

static ntk_status add_count(const char *name, double count, ntk_text *text) {
  return ntk_json_add_field(name, count > 0 ? count : NAN, text);
}

static ntk_status add_facts(const ntk_point_facts *facts, ntk_text *text) {
  NTK_TRY(ntk_json_add_field("seconds", facts->seconds, text));
  NTK_TRY(add_count("ranks", facts->ranks, text));
  NTK_TRY(add_word("host", facts->host, text));
  NTK_TRY(add_count("process", (double)facts->process, text));
  NTK_TRY(add_word("since", facts->since, text));
  NTK_TRY(add_word("slurm_job", facts->job, text));
  NTK_TRY(add_word("stage", facts->stage, text));
  return add_word("message", facts->message, text);
}

static ntk_status add_point(const ntk_plan *plan, int64_t k, ntk_text *text) {
  const ntk_point *point = &plan->job->point[k];

  NTK_TRY(ntk_text_add(text, "    {\"point\": %" PRId64 ", \"id\": \"%s\", \"state\": \"%s\"",
                       k + 1, point->id, ntk_point_state_name(plan->facts[k].state)));
  NTK_TRY(ntk_json_add_axes(&plan->job->sweep, point->number, text));
  NTK_TRY(add_facts(&plan->facts[k], text));
  return ntk_text_add(text, k + 1 < plan->job->point_count ? "},\n" : "}\n");
}

ntk_status ntk_survey_json(const ntk_plan *plan, double left, ntk_text *text) {
  NTK_TRY(ntk_text_add(text, "{\n  \"directory\": "));
  NTK_TRY(ntk_json_add_string(plan->job->directory, text));
  NTK_TRY(ntk_text_add(text, ",\n  \"points_in_all\": %" PRId64 ", \"skipped\": %" PRId64,
                       plan->job->point_count, plan->skipped));
  for (int s = 0; s < NTK_POINT_STATES; ++s) {
    const char *name = ntk_point_state_name((ntk_point_state)s);

    NTK_TRY(ntk_json_add_field(name, (double)plan->states[s], text));
  }
  NTK_TRY(ntk_json_add_field("ranks", plan->ranks, text));
  NTK_TRY(ntk_json_add_field("seconds_left", left, text));
  NTK_TRY(ntk_text_add(text, ",\n  \"points\": [\n"));
  for (int64_t k = 0; k < plan->job->point_count; ++k) NTK_TRY(add_point(plan, k, text));
  return ntk_text_add(text, "  ]\n}\n");
}
