/* A plan for programs. */
#include <inttypes.h>
#include <math.h>

#include "ntk/config/scalar.h"
#include "ntk/run/plan.h"

static ntk_status add_string(const char *string, ntk_text *text) {
  NTK_TRY(ntk_text_add(text, "\""));
  for (const char *s = string; *s; ++s) {
    const unsigned char c = (unsigned char)*s;

    if (c < 0x20) {
      NTK_TRY(ntk_text_add(text, "\\u%04x", c));
    } else {
      NTK_TRY(ntk_text_add(text, c == '"' || c == '\\' ? "\\%c" : "%c", *s));
    }
  }
  return ntk_text_add(text, "\"");
}

static ntk_status add_number(double value, ntk_text *text) {
  char number[NTK_REAL_TEXT];

  if (!isfinite(value)) return ntk_text_add(text, "null");
  return ntk_text_add(text, "%s", ntk_real_text(value, number));
}

/* Value k of an axis, or of one of its keys. */
static ntk_status add_value(const ntk_axis *axis, const ntk_axis_key *key, int64_t k,
                            ntk_text *text) {
  ntk_text label = {0};
  double number = 0;

  if (key ? ntk_axis_key_number(key, k, &number) : ntk_axis_number(axis, k, &number)) {
    return add_number(number, text);
  }
  ntk_status status = key ? ntk_axis_key_label(key, k, &label) : ntk_axis_label(axis, k, &label);

  if (status == NTK_OK) status = add_string(ntk_text_string(&label), text);
  ntk_text_destroy(&label);
  return status;
}

static ntk_status add_values(const ntk_axis *axis, const ntk_axis_key *key, ntk_text *text) {
  NTK_TRY(ntk_text_add(text, "["));
  for (int64_t k = 0; k < axis->count; ++k) {
    NTK_TRY(ntk_text_add(text, k ? ", " : ""));
    NTK_TRY(add_value(axis, key, k, text));
  }
  return ntk_text_add(text, "]");
}

static ntk_status add_axis(const ntk_axis *axis, ntk_text *text) {
  NTK_TRY(ntk_text_add(text, "    {\"name\": "));
  NTK_TRY(add_string(axis->name, text));
  NTK_TRY(ntk_text_add(text, ", \"values\": "));
  NTK_TRY(add_values(axis, NULL, text));
  NTK_TRY(ntk_text_add(text, ", \"keys\": {"));
  for (int64_t i = 0; i < axis->key_count; ++i) {
    NTK_TRY(ntk_text_add(text, i ? ", " : ""));
    NTK_TRY(add_string(axis->key[i].path, text));
    NTK_TRY(ntk_text_add(text, ": "));
    NTK_TRY(add_values(axis, &axis->key[i], text));
  }
  return ntk_text_add(text, "}}");
}

static ntk_status add_field(const char *name, double value, ntk_text *text) {
  NTK_TRY(ntk_text_add(text, ", \"%s\": ", name));
  return add_number(value, text);
}

static ntk_status add_amounts(const ntk_plan_point *p, ntk_text *text) {
  const double unknown = p->problem ? NAN : 0;

  NTK_TRY(add_field("n", (double)p->cost.n + unknown, text));
  NTK_TRY(add_field("test_n", (double)p->cost.m + unknown, text));
  NTK_TRY(add_field("parameters", (double)p->cost.parameters + unknown, text));
  NTK_TRY(add_field("flops", p->flops, text));
  NTK_TRY(add_field("seconds", p->seconds, text));
  NTK_TRY(add_field("bytes_per_rank", p->cost.bytes_per_rank + unknown, text));
  NTK_TRY(add_field("results_bytes", p->cost.results_bytes + unknown, text));
  return add_field("kept_bytes", p->cost.disk_bytes + unknown, text);
}

static ntk_status add_place(const ntk_sweep *sweep, int64_t number, ntk_text *text) {
  NTK_TRY(ntk_text_add(text, ", \"axes\": {"));
  for (int64_t k = 0; k < sweep->axis_count; ++k) {
    NTK_TRY(ntk_text_add(text, k ? ", " : ""));
    NTK_TRY(add_string(sweep->axis[k].name, text));
    NTK_TRY(ntk_text_add(text, ": "));
    NTK_TRY(add_value(&sweep->axis[k], NULL, ntk_sweep_index(sweep, number, k), text));
  }
  return ntk_text_add(text, "}");
}

static ntk_status add_point(const ntk_plan *plan, int64_t k, ntk_text *text) {
  const ntk_point *point = &plan->job->point[k];
  const ntk_plan_point *p = &plan->point[k];

  NTK_TRY(ntk_text_add(text, "    {\"point\": %" PRId64 ", \"id\": \"%s\", \"state\": \"%s\"",
                       k + 1, point->id, ntk_point_state_name(p->state)));
  NTK_TRY(add_place(&plan->job->sweep, point->number, text));
  NTK_TRY(add_amounts(p, text));
  if (p->problem) {
    NTK_TRY(ntk_text_add(text, ", \"problem\": "));
    NTK_TRY(add_string(p->problem, text));
  }
  return ntk_text_add(text, "}");
}

static ntk_status add_amounts_of_all(const ntk_plan *plan, ntk_text *text) {
  const double unknown = plan->longest < 0 ? NAN : 0;

  NTK_TRY(add_field("flops", plan->flops + unknown, text));
  NTK_TRY(add_field("flops_left", plan->flops_left + unknown, text));
  NTK_TRY(add_field("seconds", plan->seconds + unknown, text));
  NTK_TRY(add_field("seconds_left", plan->seconds_left + unknown, text));
  NTK_TRY(add_field("bytes_per_rank", plan->bytes_per_rank + unknown, text));
  NTK_TRY(add_field("results_bytes", plan->results_bytes + unknown, text));
  NTK_TRY(add_field("kept_bytes", plan->kept_bytes + unknown, text));
  NTK_TRY(add_field("ranks_needed", (double)plan->ranks_needed + unknown, text));
  return add_field("longest", (double)plan->longest + 1 + unknown, text);
}

static ntk_status add_totals(const ntk_plan *plan, ntk_text *text) {
  NTK_TRY(ntk_text_add(text, "  \"points_in_all\": %" PRId64 ", \"skipped\": %" PRId64,
                       plan->job->point_count, plan->skipped));
  for (int s = 0; s < NTK_POINT_STATES; ++s) {
    const char *name = ntk_point_state_name((ntk_point_state)s);

    NTK_TRY(add_field(name, (double)plan->states[s], text));
  }
  NTK_TRY(add_amounts_of_all(plan, text));
  if (plan->refusal) {
    NTK_TRY(ntk_text_add(text, ", \"problem\": "));
    NTK_TRY(add_string(plan->refusal, text));
  }
  return ntk_text_add(text, "\n}\n");
}

ntk_status ntk_plan_json(const ntk_plan *plan, ntk_text *text) {
  const ntk_sweep *sweep = &plan->job->sweep;

  NTK_TRY(ntk_text_add(text, "{\n  \"directory\": "));
  NTK_TRY(add_string(plan->job->directory, text));
  NTK_TRY(ntk_text_add(text, ",\n  \"ranks\": %d,\n  \"axes\": [\n", plan->ranks));
  for (int64_t k = 0; k < sweep->axis_count; ++k) {
    NTK_TRY(add_axis(&sweep->axis[k], text));
    NTK_TRY(ntk_text_add(text, k + 1 < sweep->axis_count ? ",\n" : "\n"));
  }
  NTK_TRY(ntk_text_add(text, "  ],\n  \"points\": [\n"));
  for (int64_t k = 0; k < plan->job->point_count; ++k) {
    NTK_TRY(add_point(plan, k, text));
    NTK_TRY(ntk_text_add(text, k + 1 < plan->job->point_count ? ",\n" : "\n"));
  }
  NTK_TRY(ntk_text_add(text, "  ],\n"));
  return add_totals(plan, text);
}
