/* A plan for programs. */
#include <inttypes.h>
#include <math.h>

#include "ntk/run/json.h"
#include "ntk/run/plan.h"

static ntk_status add_axis(const ntk_axis *axis, ntk_text *text) {
  NTK_TRY(ntk_text_add(text, "    {\"name\": "));
  NTK_TRY(ntk_json_add_string(axis->name, text));
  NTK_TRY(ntk_text_add(text, ", \"values\": "));
  NTK_TRY(ntk_json_add_values(axis, NULL, text));
  NTK_TRY(ntk_text_add(text, ", \"keys\": {"));
  for (int64_t i = 0; i < axis->key_count; ++i) {
    NTK_TRY(ntk_text_add(text, i ? ", " : ""));
    NTK_TRY(ntk_json_add_string(axis->key[i].path, text));
    NTK_TRY(ntk_text_add(text, ": "));
    NTK_TRY(ntk_json_add_values(axis, &axis->key[i], text));
  }
  return ntk_text_add(text, "}}");
}

static ntk_status add_amounts(const ntk_plan_point *p, ntk_text *text) {
  const double unknown = ntk_plan_knows(p) ? 0 : NAN;

  NTK_TRY(ntk_json_add_field("unit", (double)p->unit + 1, text));
  NTK_TRY(ntk_json_add_field("n", p->cost.n < 0 ? NAN : (double)p->cost.n, text));
  NTK_TRY(ntk_json_add_field("test_n", (double)p->cost.m + unknown, text));
  NTK_TRY(ntk_json_add_field("parameters", (double)p->cost.parameters + unknown, text));
  NTK_TRY(ntk_json_add_field("flops", p->flops, text));
  NTK_TRY(ntk_json_add_field("seconds", p->seconds, text));
  NTK_TRY(ntk_json_add_field("bytes_per_rank", p->cost.bytes_per_rank + unknown, text));
  NTK_TRY(ntk_json_add_field("results_bytes", p->cost.results_bytes + unknown, text));
  return ntk_json_add_field("kept_bytes", p->cost.own_bytes + p->cost.shared_bytes + unknown, text);
}

static ntk_status add_point(const ntk_plan *plan, int64_t k, ntk_text *text) {
  const ntk_point *point = &plan->job->point[k];
  const ntk_plan_point *p = &plan->point[k];

  NTK_TRY(ntk_text_add(text, "    {\"point\": %" PRId64, k + 1));
  NTK_TRY(point->id[0] ? ntk_text_add(text, ", \"id\": \"%s\", \"state\": \"%s\"", point->id,
                                      ntk_point_state_name(p->state))
                       : ntk_text_add(text, ", \"id\": null, \"state\": null"));
  NTK_TRY(ntk_json_add_axes(&plan->job->sweep, point->number, text));
  NTK_TRY(add_amounts(p, text));
  if (plan->facts[k].message[0]) {
    NTK_TRY(ntk_text_add(text, ", \"message\": "));
    NTK_TRY(ntk_json_add_string(plan->facts[k].message, text));
  }
  if (p->problem) {
    NTK_TRY(ntk_text_add(text, ", \"problem\": "));
    NTK_TRY(ntk_json_add_string(p->problem, text));
  }
  return ntk_text_add(text, "}");
}

static ntk_status add_amounts_of_all(const ntk_plan *plan, ntk_text *text) {
  const double unknown = plan->longest < 0 ? NAN : 0;

  NTK_TRY(ntk_json_add_field("flops", plan->flops + unknown, text));
  NTK_TRY(ntk_json_add_field("flops_left", plan->flops_left + unknown, text));
  NTK_TRY(ntk_json_add_field("seconds", plan->seconds + unknown, text));
  NTK_TRY(ntk_json_add_field("seconds_left", plan->seconds_left + unknown, text));
  NTK_TRY(ntk_json_add_field("bytes_per_rank", plan->bytes_per_rank + unknown, text));
  NTK_TRY(ntk_json_add_field("results_bytes", plan->results_bytes + unknown, text));
  NTK_TRY(ntk_json_add_field("kept_bytes", plan->kept_bytes + unknown, text));
  NTK_TRY(ntk_json_add_field("ranks_needed", (double)plan->ranks_needed + unknown, text));
  return ntk_json_add_field("longest", (double)plan->longest + 1 + unknown, text);
}

static ntk_status add_totals(const ntk_plan *plan, ntk_text *text) {
  NTK_TRY(ntk_text_add(text, "  \"points_in_all\": %" PRId64 ", \"skipped\": %" PRId64,
                       plan->job->point_count, plan->skipped));
  for (int s = 0; s < NTK_POINT_STATES; ++s) {
    const char *name = ntk_point_state_name((ntk_point_state)s);

    NTK_TRY(ntk_json_add_field(name, (double)plan->states[s], text));
  }
  NTK_TRY(add_amounts_of_all(plan, text));
  if (plan->tempo.calibrated) {
    NTK_TRY(ntk_text_add(text, ", \"calibrated_on\": "));
    NTK_TRY(ntk_json_add_string(plan->tempo.calibration.host, text));
  }
  if (plan->refusal) {
    NTK_TRY(ntk_text_add(text, ", \"problem\": "));
    NTK_TRY(ntk_json_add_string(plan->refusal, text));
  }
  return ntk_text_add(text, "\n}\n");
}

ntk_status ntk_plan_json(const ntk_plan *plan, ntk_text *text) {
  const ntk_sweep *sweep = &plan->job->sweep;

  NTK_TRY(ntk_text_add(text, "{\n  \"directory\": "));
  NTK_TRY(ntk_json_add_string(plan->job->directory, text));
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
