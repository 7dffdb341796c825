/* run: every point that is not done yet, one after the other on all ranks. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ntk/base/log.h"
#include "ntk/base/memory.h"
#include "ntk/run/command.h"
#include "ntk/run/cost.h"
#include "ntk/run/event.h"
#include "ntk/run/load.h"
#include "ntk/run/point.h"
#include "ntk/run/runner.h"
#include "ntk/store/file.h"

typedef struct runner {
  const ntk_job *job;
  const ntk_comm *comm;
  ntk_grid grid;
  ntk_place place;
  bool *done;              /* [point_count] when the job began */
  double *cost;            /* [point_count] predicted flops of those that were not; rank 0 */
  double planned_bytes;    /* largest prediction of a point that is computed; rank 0 */
  double idle_bytes;       /* of this process before the first point */
  double cost_left, cost_spent, seconds_spent;
  ntk_run_counts counts;
} runner;

/* ---- the sweep's folder ------------------------------------------------------------------------ */

static ntk_status list_axis(const ntk_axis *axis, ntk_text *list) {
  if (!axis->zipped) return ntk_text_add(list, "%s", axis->path);
  NTK_TRY(ntk_text_add(list, "%s (", axis->name));
  for (int64_t i = 0; i < axis->key_count; ++i) {
    NTK_TRY(ntk_text_add(list, "%s%s", i ? ", " : "", axis->key[i].path));
  }
  return ntk_text_add(list, ")");
}

static ntk_status list_axes(const ntk_sweep *sweep, ntk_text *list) {
  for (int64_t k = 0; k < sweep->axis_count; ++k) {
    if (k > 0) NTK_TRY(ntk_text_add(list, ", "));
    NTK_TRY(list_axis(&sweep->axis[k], list));
  }
  return sweep->axis_count ? NTK_OK : ntk_text_add(list, "none");
}

static ntk_status compare_axes(const char *path, const ntk_sweep *old, const ntk_sweep *new,
                               ntk_text lists[2]) {
  NTK_TRY(list_axes(old, &lists[0]));
  NTK_TRY(list_axes(new, &lists[1]));
  NTK_CHECK(strcmp(ntk_text_string(&lists[0]), ntk_text_string(&lists[1])) == 0, NTK_E_CONFIG,
            "%s: this folder holds a sweep over other axes (there: %s; now: %s); choose another "
            "output.directory",
            path, ntk_text_string(&lists[0]), ntk_text_string(&lists[1]));
  return NTK_OK;
}

static ntk_status read_axes(const char *path, ntk_tree *tree, ntk_sweep *sweep,
                            ntk_problems *problems) {
  NTK_TRY(ntk_tree_load(path, tree, problems));
  NTK_TRY(ntk_problems_status(problems));
  NTK_TRY(ntk_sweep_read(tree, sweep, problems));
  return ntk_problems_status(problems);
}

/* A folder belongs to one sweep: the same axes, maybe with more values. */
static ntk_status check_axes(const ntk_job *job, const char *path) {
  ntk_tree tree = {0};
  ntk_problems problems = {0};
  ntk_sweep sweep = {0};
  ntk_text lists[2] = {{0}, {0}};
  ntk_status status = read_axes(path, &tree, &sweep, &problems);

  if (status == NTK_OK) status = compare_axes(path, &sweep, &job->sweep, lists);
  for (int k = 0; k < 2; ++k) ntk_text_destroy(&lists[k]);
  ntk_problems_destroy(&problems);
  ntk_tree_destroy(&tree);
  return status;
}

static ntk_status find_config(const ntk_job *job, char path[NTK_PATH_SIZE]) {
  const int length = snprintf(path, NTK_PATH_SIZE, "%s/config.yaml", job->directory);

  NTK_CHECK(length < NTK_PATH_SIZE - 128, NTK_E_CONFIG, "output.directory: the path is too long");
  return NTK_OK;
}

ntk_status ntk_run_check_folder(const ntk_job *job) {
  char path[NTK_PATH_SIZE];

  NTK_TRY(find_config(job, path));
  return access(path, F_OK) == 0 ? check_axes(job, path) : NTK_OK;
}

static ntk_status prepare_folder(const ntk_job *job) {
  char path[NTK_PATH_SIZE];

  NTK_TRY(find_config(job, path));
  NTK_TRY(ntk_directory_make(job->directory));
  NTK_TRY(ntk_run_check_folder(job));
  return ntk_file_write_text(path, job->yaml);
}

/* ---- cost and progress ------------------------------------------------------------------------- */

/* What is there when the job begins, on every rank. */
static ntk_status look_at_points(const ntk_job *job, bool *done) {
  for (int64_t k = 0; k < job->point_count; ++k) {
    ntk_point_facts facts = {0};

    NTK_TRY(ntk_point_look(job, &job->point[k], &facts));
    done[k] = facts.state == NTK_POINT_DONE;
  }
  return NTK_OK;
}

static ntk_status find_done(runner *r) {
  const int64_t count = r->job->point_count;

  NTK_AGREE(r->comm, NTK_NEW(count, &r->done));
  NTK_AGREE(r->comm, r->comm->rank == 0 ? look_at_points(r->job, r->done) : NTK_OK);
  ntk_comm_broadcast(r->comm, 0, r->done, count * (int64_t)sizeof(*r->done));
  return NTK_OK;
}

/* A point whose cost cannot be told (a file is missing, say) counts as free and fails later. */
static ntk_status predict(runner *r) {
  ntk_data_cache *cache = &r->place.cache;

  NTK_TRY(NTK_NEW(r->job->point_count, &r->cost));
  for (int64_t k = 0; k < r->job->point_count; ++k) {
    ntk_point_cost cost = {0};

    if (r->done[k]) continue;
    if (ntk_point_cost_of(&r->job->point[k], r->comm->size, cache, &cost) == NTK_OK) {
      r->cost[k] = cost.kernel_flops + cost.spectrum_flops;
      r->planned_bytes = fmax(r->planned_bytes, cost.bytes_per_rank);
    }
    r->cost_left += r->cost[k];
  }
  return NTK_OK;
}

static void spend(runner *r, const ntk_point *point, double seconds) {
  const int64_t k = point - r->job->point;

  if (r->comm->rank != 0) return;
  r->cost_left -= r->cost[k];
  if (seconds <= 0) return;
  r->cost_spent += r->cost[k];
  r->seconds_spent += seconds;
}

static void time_left(const runner *r, char *text, size_t size) {
  const double left =
      r->cost_spent > 0 ? r->seconds_spent * r->cost_left / r->cost_spent : 0;

  text[0] = '\0';
  if (left > 90) {
    (void)snprintf(text, size, "; about %.0f min left", left / 60);
  } else if (left > 0.5) {
    (void)snprintf(text, size, "; about %.0f s left", left);
  }
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

/* ---- points ------------------------------------------------------------------------------------ */

static ntk_status record_event(const runner *r, const ntk_point *point, const char *name,
                               double seconds, const char *message) {
  char path[NTK_PATH_SIZE];
  ntk_event event = {.seconds = seconds,
                     .ranks = r->comm->size,
                     .grid_rows = r->grid.rows,
                     .grid_cols = r->grid.cols};

  (void)snprintf(event.name, sizeof(event.name), "%s", name);
  (void)snprintf(event.message, sizeof(event.message), "%.*s", (int)sizeof(event.message) - 1,
                 message);
  ntk_point_path(r->job, point, "log.jsonl", path);
  return ntk_event_append(path, &event);
}

/* The folder is there before the first event. */
static ntk_status record_start(const runner *r, const ntk_point *point) {
  char folder[NTK_PATH_SIZE];

  ntk_point_path(r->job, point, "", folder);
  NTK_TRY(ntk_directory_make(folder));
  return record_event(r, point, "started", 0, "");
}

static void report(const runner *r, const ntk_point *point, const char *what, const char *text) {
  char name[256], left[64];

  name_point(r->job, point, name, sizeof(name));
  time_left(r, left, sizeof(left));
  ntk_log("point %lld of %lld %s%s: %s%s", (long long)(point - r->job->point) + 1,
          (long long)r->job->point_count, name, what, text, left);
}

/* Rank 0's view of what is on disk, on every rank: another job, or another point with the same id,
 * may have done it meanwhile. */
static ntk_status is_done(const runner *r, const ntk_point *point, bool *done) {
  ntk_point_facts facts = {0};

  NTK_AGREE(r->comm, r->comm->rank == 0 ? ntk_point_look(r->job, point, &facts) : NTK_OK);
  *done = facts.state == NTK_POINT_DONE;
  ntk_comm_broadcast(r->comm, 0, done, sizeof(*done));
  return NTK_OK;
}

/* A failing point is reported and recorded; the others go on. */
static ntk_status fail_point(runner *r, const ntk_point *point, double seconds) {
  const ntk_error error = *ntk_last_error();

  ++r->counts.failed;
  r->counts.last_failure = error.status;
  report(r, point, "FAILED", error.text);
  if (r->comm->rank == 0 && record_event(r, point, "failed", seconds, error.text) != NTK_OK) {
    ntk_log("its failure cannot be recorded: %s", ntk_last_error()->text);
  }
  return NTK_OK;
}

static ntk_status finish_point(runner *r, const ntk_point *point, double seconds,
                               const char *summary) {
  ++r->counts.computed;
  report(r, point, "done", summary);
  return ntk_agree(r->comm, r->comm->rank == 0
                                ? record_event(r, point, "done", seconds, summary)
                                : NTK_OK);
}

static ntk_status start_point(const runner *r, const ntk_point *point) {
  return ntk_agree(r->comm, r->comm->rank == 0 ? record_start(r, point) : NTK_OK);
}

static ntk_status visit_point(runner *r, const ntk_point *point) {
  char summary[256] = "";
  const double start = ntk_now();
  bool done = r->done[point - r->job->point];
  ntk_status status = done ? NTK_OK : is_done(r, point, &done);

  if (status == NTK_OK && done) {
    ++r->counts.skipped;
    spend(r, point, 0);
    return NTK_OK;
  }
  if (status == NTK_OK) status = start_point(r, point);
  if (status == NTK_OK) {
    status = ntk_point_run(r->job, point, &r->place, summary, sizeof(summary));
  }
  const double seconds = ntk_now() - start;

  spend(r, point, seconds);
  return status == NTK_OK ? finish_point(r, point, seconds, summary)
                          : fail_point(r, point, seconds);
}

/* What the points needed beside the libraries, on the rank that needed most.  In small jobs that is
 * buffers of libraries and files, of which the plan knows nothing. */
static void report_memory(const runner *r) {
  const double mebibyte = 1048576, small = 64 * mebibyte;
  const double peak = ntk_comm_max(r->comm, ntk_memory_peak() - r->idle_bytes);
  char planned[48] = "";

  if (!r->counts.computed) return;
  if (peak > small) {
    (void)snprintf(planned, sizeof(planned), ", planned %.1f MiB", r->planned_bytes / mebibyte);
  }
  ntk_log("peak memory %.1f MiB on one rank%s", peak / mebibyte, planned);
}

static ntk_status visit_points(runner *r) {
  NTK_AGREE(r->comm, r->comm->rank == 0 ? prepare_folder(r->job) : NTK_OK);
  NTK_TRY(find_done(r));
  NTK_AGREE(r->comm, r->comm->rank == 0 ? predict(r) : NTK_OK);
  for (int64_t k = 0; k < r->job->point_count; ++k) {
    NTK_TRY(visit_point(r, &r->job->point[k]));
  }
  report_memory(r);
  return NTK_OK;
}

ntk_status ntk_run_job(const ntk_comm *comm, const ntk_job *job, ntk_run_counts *counts) {
  runner r = {.job = job, .comm = comm, .idle_bytes = ntk_memory_peak()};

  NTK_TRY(ntk_grid_create(comm, 0, 0, &r.grid));
  r.place.grid = &r.grid;
  const ntk_status status = visit_points(&r);

  *counts = r.counts;
  ntk_free(&r.cost);
  ntk_free(&r.done);
  ntk_data_cache_destroy(&r.place.cache);
  ntk_grid_destroy(&r.grid);
  return status;
}

/* ---- the command ------------------------------------------------------------------------------- */

static int conclude(const ntk_comm *comm, const ntk_job *job, ntk_status status,
                    const ntk_run_counts *counts) {
  if (status != NTK_OK) {
    return comm->rank == 0 ? ntk_complain(status) : ntk_status_exit_code(status);
  }
  ntk_log("%lld point%s: %lld computed, %lld were done before, %lld failed; results in %s",
          (long long)job->point_count, job->point_count == 1 ? "" : "s",
          (long long)counts->computed, (long long)counts->skipped,
          (long long)counts->failed, job->directory);
  if (!counts->failed) return 0;
  const bool all = counts->failed == job->point_count;

  return all ? ntk_status_exit_code(counts->last_failure) : 1;
}

/* The largest exit code of all ranks: one rank that cannot read the config stops all. */
static int agree_on_code(const ntk_comm *comm, int code) {
  return (int)ntk_comm_max(comm, (double)code);
}

static int run_shared(const ntk_comm *comm, const ntk_arguments *arguments, ntk_job *job) {
  ntk_run_counts counts = {0};
  ntk_status status = ntk_job_share(comm, job);

  ntk_log("%s: %lld point%s on %d rank%s", arguments->operand, (long long)job->point_count,
          job->point_count == 1 ? "" : "s", comm->size, comm->size == 1 ? "" : "s");
  if (status == NTK_OK) status = ntk_run_job(comm, job, &counts);
  return conclude(comm, job, status, &counts);
}

int ntk_command_run(const ntk_arguments *arguments) {
  const ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD);
  ntk_job job = {0};

  ntk_log_enable(comm.rank == 0);
  int code = agree_on_code(&comm, ntk_load_or_complain(arguments, comm.rank == 0, &job));

  if (code == 0) code = run_shared(&comm, arguments, &job);
  ntk_job_destroy(&job);
  return code;
}
