/* plan: what a config means before anything runs. */
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "ntk/run/command.h"
#include "ntk/run/cost.h"
#include "ntk/run/load.h"

static void print_amount(char *text, size_t size, double amount, const char *unit, double step) {
  static const char *const prefix[] = {"", "k", "M", "G", "T", "P", "E"};
  int k = 0;

  for (; amount >= step && k < 6; ++k) amount /= step;
  (void)snprintf(text, size, "%.3g %s%s", amount, prefix[k], unit);
}

static ntk_status print_axes(const ntk_sweep *sweep) {
  for (int64_t k = 0; k < sweep->axis_count; ++k) {
    const ntk_axis *axis = &sweep->axis[k];
    ntk_text values = {0};
    ntk_status status = NTK_OK;

    for (int64_t i = 0; i < axis->count && status == NTK_OK; ++i) {
      status = ntk_text_add(&values, i ? ", " : "");
      if (status == NTK_OK) status = ntk_axis_label(axis, i, &values);
    }
    if (status == NTK_OK) {
      (void)printf("axis %-28s %4lld values: %s\n", axis->path, (long long)axis->count,
             ntk_text_string(&values));
    }
    ntk_text_destroy(&values);
    NTK_TRY(status);
  }
  return NTK_OK;
}

static const char *state_name(ntk_point_state state) {
  static const char *const names[] = {"pending", "done", "failed"};

  return names[state];
}

static ntk_status point_name(const ntk_job *job, const ntk_point *point, ntk_text *name) {
  for (int64_t k = 0; k < job->sweep.axis_count; ++k) {
    NTK_TRY(ntk_text_add(name, "%s%s=", k ? " " : "", job->sweep.axis[k].name));
    NTK_TRY(ntk_axis_label(&job->sweep.axis[k], ntk_sweep_index(&job->sweep, point->number, k),
                           name));
  }
  return NTK_OK;
}

typedef struct totals {
  double flops, bytes, disk, longest;
  int64_t ranks, done, longest_point;
} totals;

static void add(totals *sum, const ntk_point *point, const ntk_point_cost *cost,
                ntk_point_state state) {
  const double flops = cost->kernel_flops + cost->spectrum_flops;

  sum->flops += flops;
  sum->disk += cost->disk_bytes;
  sum->bytes = fmax(sum->bytes, cost->bytes_per_rank);
  if (cost->ranks_needed > sum->ranks) sum->ranks = cost->ranks_needed;
  if (state == NTK_POINT_DONE) ++sum->done;
  if (flops > sum->longest) {
    sum->longest = flops;
    sum->longest_point = point->number + 1;
  }
}

static ntk_status print_point(const ntk_job *job, const ntk_point *point, int ranks,
                              ntk_data_cache *cache, totals *sum) {
  ntk_point_cost cost = {0};
  ntk_point_facts facts = {0};
  ntk_text name = {0};
  char flops[32], bytes[32];

  NTK_TRY(ntk_point_cost_of(point, ranks, cache, &cost));
  NTK_TRY(ntk_point_look(job, point, &facts));
  const ntk_status status = point_name(job, point, &name);

  print_amount(flops, sizeof(flops), cost.kernel_flops + cost.spectrum_flops, "flop", 1000);
  print_amount(bytes, sizeof(bytes), cost.bytes_per_rank, "B", 1024);
  (void)printf("%5lld  %s  %-8s n %-7lld P %-9lld %11s %11s/rank  %s\n", (long long)point->number + 1,
         point->id, state_name(facts.state), (long long)cost.n, (long long)cost.parameters, flops,
         bytes, ntk_text_string(&name));
  ntk_text_destroy(&name);
  add(sum, point, &cost, facts.state);
  return status;
}

static void print_totals(const ntk_job *job, const totals *sum, int ranks) {
  char flops[32], bytes[32], disk[32];

  print_amount(flops, sizeof(flops), sum->flops, "flop", 1000);
  print_amount(bytes, sizeof(bytes), sum->bytes, "B", 1024);
  print_amount(disk, sizeof(disk), sum->disk, "B", 1024);
  (void)printf("\n%lld points, %lld done; %s in all, most in point %lld\n", (long long)job->point_count,
         (long long)sum->done, flops, (long long)sum->longest_point);
  (void)printf("on %d ranks: up to %s per rank; at least %lld rank%s needed\n", ranks, bytes,
         (long long)sum->ranks, sum->ranks == 1 ? "" : "s");
  (void)printf("kept files: about %s in %s\n", disk, job->directory);
}

static ntk_status print_plan(const ntk_job *job, int ranks) {
  ntk_data_cache cache = {0};
  totals sum = {0};

  (void)printf("directory: %s\n", job->directory);
  ntk_status status = print_axes(&job->sweep);

  for (int64_t k = 0; k < job->point_count && status == NTK_OK; ++k) {
    status = print_point(job, &job->point[k], ranks, &cache, &sum);
  }
  ntk_data_cache_destroy(&cache);
  if (status == NTK_OK) print_totals(job, &sum, ranks);
  return status;
}

int ntk_command_plan(const ntk_arguments *arguments) {
  const long processors = sysconf(_SC_NPROCESSORS_ONLN);
  const int ranks = arguments->ranks ? (int)arguments->ranks : (int)processors;
  ntk_job job = {0};
  const int code = ntk_load_or_complain(arguments, true, &job);

  if (code != 0) return code;
  const ntk_status status = print_plan(&job, ranks);

  ntk_job_destroy(&job);
  return status == NTK_OK ? 0 : ntk_complain(status);
}
