/* run: every point that is not done yet, by groups of the ranks. */
#include "ntk/run/runner.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crew.h"
#include "ntk/base/log.h"
#include "ntk/base/memory.h"
#include "ntk/run/command.h"
#include "ntk/run/folder.h"
#include "ntk/run/load.h"
#include "ntk/run/machine.h"
#include "ntk/run/stages.h"

static const ntk_run_settings *settings_of(const ntk_crew *crew) {
  return &crew->job->point[0].settings.run;
}

/* ---- groups ------------------------------------------------------------------------------------ */

/* A grid says how large groups are, too.  0: the job chooses. */
static int64_t wanted_ranks(const ntk_run_settings *run) {
  if (run->group_ranks != NTK_AUTO_INT) return run->group_ranks;
  return run->grid.count == 2 ? run->grid.item[0] * run->grid.item[1] : 0;
}

ntk_status ntk_run_check_ranks(const ntk_job *job, int ranks) {
  const int64_t wanted = wanted_ranks(&job->point[0].settings.run);

  NTK_CHECK(wanted <= ranks, NTK_E_CONFIG,
            "run.group_ranks or run.grid: groups of %lld ranks, but the job has %d; start it with "
            "more ranks, or write auto",
            (long long)wanted, ranks);
  return NTK_OK;
}

static ntk_status choose_groups(ntk_crew *crew) {
  const int64_t wanted = wanted_ranks(settings_of(crew));

  NTK_AGREE(crew->world, ntk_run_check_ranks(crew->job, crew->world->size));
  crew->groups = (ntk_groups){.ranks = crew->world->size, .group_ranks = (int)wanted};
  const int idle = wanted ? crew->world->size % (int)wanted : 0;

  if (idle) {
    ntk_log("%d of %d ranks have no group of %d and stay idle", idle, crew->world->size,
            (int)wanted);
  }
  return NTK_OK;
}

/* ---- what is to be done ------------------------------------------------------------------------ */

static bool is_mine(const ntk_crew *crew, ntk_point_state state, bool in_shard) {
  if (!in_shard || state == NTK_POINT_DONE) return false;
  return state != NTK_POINT_FAILED || crew->options.retry_failed;
}

static ntk_status survey_point(ntk_crew *crew, int64_t point, bool in_shard) {
  ntk_point_facts facts = {.state = NTK_POINT_PENDING};
  char path[NTK_PATH_SIZE];

  if (!crew->place.dry) NTK_TRY(ntk_point_look(crew->job, &crew->job->point[point], &facts));
  ntk_point_path(crew->job, &crew->job->point[point], "results.h5", path);
  crew->fresh[point] = access(path, F_OK) != 0;
  crew->pending[point] = is_mine(crew, facts.state, in_shard);
  if (!in_shard || crew->pending[point]) return NTK_OK;
  crew->counts.failed_before += facts.state == NTK_POINT_FAILED;
  crew->board.points_failed += facts.state == NTK_POINT_FAILED;
  return NTK_OK;
}

/* Open is what has pending points, or files of an earlier run that nobody keeps. */
static ntk_status survey_unit(ntk_crew *crew, int64_t unit, bool in_shard) {
  const int64_t first = crew->units.first[unit], end = crew->units.first[unit + 1];
  int64_t *waiting = &crew->board.waiting[unit];

  for (int64_t k = first; k < end; ++k) {
    NTK_TRY(survey_point(crew, crew->units.point[k], in_shard));
    *waiting += crew->pending[crew->units.point[k]];
  }
  crew->open[unit] = *waiting > 0;
  if (!in_shard) return NTK_OK;
  crew->board.points += end - first;
  crew->board.points_done += end - first - *waiting;
  if (*waiting == 0 && !crew->place.dry) {
    crew->open[unit] =
        ntk_stage_files_left(crew->job, &crew->job->point[crew->units.point[first]]);
  }
  return NTK_OK;
}

static ntk_status survey(ntk_crew *crew, const bool *in_shard) {
  for (int64_t k = 0; k < crew->units.count; ++k) {
    NTK_TRY(survey_unit(crew, k, !in_shard || in_shard[k]));
  }
  return NTK_OK;
}

static ntk_outlook outlook_of(ntk_crew *crew, const bool *wanted) {
  return (ntk_outlook){.job = crew->job,
                       .units = &crew->units,
                       .pending = crew->pending,
                       .wanted = wanted,
                       .groups = crew->groups,
                       .memory_per_rank = crew->memory_per_rank,
                       .cache = &crew->place.cache};
}

/* Parts are the same in all tasks of an array: made of all units, whatever is done, at no machine's
 * tempo. */
static ntk_status find_shard(ntk_crew *crew, bool *mine) {
  ntk_forecast all = {0};

  for (int64_t k = 0; k < crew->units.count; ++k) mine[k] = true;
  ntk_outlook outlook = outlook_of(crew, mine);

  outlook.anywhere = true;
  ntk_status status = ntk_forecast_make(&outlook, &all);

  if (status == NTK_OK) {
    status = ntk_shard_units(all.unit, crew->units.count, &crew->options.shard, mine);
  }
  ntk_forecast_destroy(&all);
  return status;
}

static ntk_status survey_shard(ntk_crew *crew) {
  bool *mine = NULL;

  if (crew->options.shard.count == 0) return survey(crew, NULL);
  NTK_TRY(NTK_NEW(crew->units.count, &mine));
  ntk_status status = find_shard(crew, mine);

  if (status == NTK_OK) status = survey(crew, mine);
  ntk_free(&mine);
  return status;
}

static ntk_status look_ahead(ntk_crew *crew) {
  const ntk_outlook outlook = outlook_of(crew, crew->open);

  NTK_TRY(ntk_forecast_make(&outlook, &crew->forecast));
  return crew->place.dry ? NTK_OK : ntk_folder_check_room(crew->job, crew->forecast.disk);
}

static ntk_status allocate(ntk_crew *crew) {
  NTK_TRY(ntk_units_make(crew->job, &crew->units));
  NTK_TRY(NTK_NEW(crew->job->point_count, &crew->pending));
  NTK_TRY(NTK_NEW(crew->job->point_count, &crew->fresh));
  NTK_TRY(NTK_NEW(crew->units.count, &crew->kept));
  NTK_TRY(NTK_NEW(crew->units.count, &crew->board.waiting));
  return NTK_NEW(crew->units.count, &crew->open);
}

static ntk_status allocate_forecast(ntk_crew *crew) {
  if (crew->world->rank == 0) return NTK_OK;
  NTK_TRY(NTK_NEW(crew->units.count, &crew->forecast.unit));
  return NTK_NEW(crew->units.count, &crew->forecast.memory);
}

static void share_list(const ntk_crew *crew, void *list, int64_t count, size_t size) {
  ntk_comm_broadcast(crew->world, 0, list, count * (int64_t)size);
}

static void share_open(ntk_crew *crew) {
  share_list(crew, crew->pending, crew->job->point_count, sizeof(bool));
  share_list(crew, crew->fresh, crew->job->point_count, sizeof(bool));
  share_list(crew, crew->open, crew->units.count, sizeof(bool));
}

static ntk_status find_work(ntk_crew *crew) {
  const bool first = crew->world->rank == 0;

  NTK_AGREE(crew->world, allocate(crew));
  NTK_AGREE(crew->world, first ? survey_shard(crew) : NTK_OK);
  share_open(crew);
  crew->memory_per_rank = ntk_machine_memory_per_rank(crew->world);
  NTK_AGREE(crew->world, first ? look_ahead(crew) : NTK_OK);
  NTK_AGREE(crew->world, allocate_forecast(crew));
  share_list(crew, crew->forecast.unit, crew->units.count, sizeof(ntk_unit));
  share_list(crew, crew->forecast.memory, crew->units.count, sizeof(double));
  crew->speed = crew->forecast.speed;
  ntk_comm_broadcast(crew->world, 0, &crew->speed, sizeof(crew->speed));
  return NTK_OK;
}

/* ---- rounds ------------------------------------------------------------------------------------ */

static ntk_status make_schedule(ntk_crew *crew) {
  const int64_t count = crew->units.count;
  ntk_schedule *s = &crew->schedule;

  ntk_schedule_destroy(s);
  NTK_AGREE(crew->world, ntk_schedule_make(crew->forecast.unit, count, crew->open, &crew->groups,
                                           &ntk_pace_predicted, s));
  share_list(crew, s->level, count, sizeof(*s->level));
  share_list(crew, s->owner, count, sizeof(*s->owner));
  share_list(crew, s->order, count, sizeof(*s->order));
  return NTK_OK;
}

/* Groups of a given size stay as they are. */
static ntk_status work_in_fixed_groups(ntk_crew *crew) {
  const int size = crew->groups.group_ranks, number = crew->world->rank / size;
  const bool idle = (number + 1) * size > crew->world->size;
  MPI_Comm part = MPI_COMM_NULL;

  NTK_TRY(ntk_group_hand_on(crew, crew->world, !idle && crew->world->rank % size == 0));
  MPI_Comm_split(crew->world->mpi, idle ? MPI_UNDEFINED : number, crew->world->rank, &part);
  if (idle) return NTK_OK;
  ntk_comm group = ntk_comm_of(part);
  const ntk_status status = ntk_group_work(crew, &group, 0);

  MPI_Comm_free(&group.mpi);
  return status;
}

/* What no group has to do any more, on every rank. */
static void gather_open(ntk_crew *crew) {
  const int points = (int)crew->job->point_count, units = (int)crew->units.count;

  MPI_Allreduce(MPI_IN_PLACE, crew->pending, points, MPI_C_BOOL, MPI_LAND, crew->world->mpi);
  MPI_Allreduce(MPI_IN_PLACE, crew->open, units, MPI_C_BOOL, MPI_LAND, crew->world->mpi);
}

/* Groups end in different ways; a real failure counts more than a stop. */
static ntk_status merge_ends(const ntk_crew *crew, ntk_status mine) {
  const ntk_error error = *ntk_last_error();

  NTK_AGREE(crew->world, mine == NTK_E_STOPPED ? NTK_OK : mine);
  if (mine == NTK_E_STOPPED) (void)NTK_RAISE(NTK_E_STOPPED, "%s", error.text);
  return ntk_agree(crew->world, mine);
}

static ntk_status run_round(ntk_crew *crew) {
  NTK_TRY(make_schedule(crew));
  const ntk_status status = crew->groups.group_ranks ? work_in_fixed_groups(crew)
                                                     : ntk_group_work(crew, crew->world, 0);
  const ntk_error error = *ntk_last_error();

  ntk_log_enable(crew->speaks && crew->world->rank == 0);
  ntk_news_gather(crew);
  gather_open(crew);
  if (status != NTK_OK) *ntk_last_error() = error;
  return merge_ends(crew, status);
}

static ntk_status review(ntk_crew *crew, ntk_rest *rest) {
  NTK_AGREE(crew->world, crew->world->rank == 0 ? ntk_claim_review(crew, rest) : NTK_OK);
  ntk_comm_broadcast(crew->world, 0, rest, sizeof(*rest));
  share_open(crew);
  return NTK_OK;
}

/* Waits for the dead, never for the living: a holder that shows no sign of life is watched until its
 * lock is stale. */
static ntk_status find_rest(ntk_crew *crew, ntk_rest *rest) {
  const struct timespec second = {1, 0};
  bool said = false;

  for (;;) {
    NTK_TRY(review(crew, rest));
    if (*rest != NTK_REST_SILENT) return NTK_OK;
    if (!said) ntk_log("waiting for a sign of life of %s", crew->counts.holder);
    said = true;
    NTK_TRY(ntk_stop_check(&crew->stop, crew->world));
    (void)nanosleep(&second, NULL);
  }
}

static ntk_status run_rounds(ntk_crew *crew) {
  ntk_rest rest = NTK_REST_OPEN;

  NTK_TRY(ntk_news_begin(crew));
  while (rest == NTK_REST_OPEN) {
    NTK_TRY(run_round(crew));
    NTK_TRY(find_rest(crew, &rest));
  }
  return NTK_OK;
}

/* ---- the job ----------------------------------------------------------------------------------- */

/* What the points needed, and the libraries since they were started, on the rank that needed most;
 * the plan only looks at points that are not small. */
static void report_memory(const ntk_crew *crew, double idle_bytes, int64_t computed) {
  const double mebibyte = 1048576;
  const double peak = ntk_comm_max(crew->world, ntk_memory_peak() - idle_bytes);
  const double planned = ntk_comm_max(crew->world, crew->planned);
  char text[48] = "";

  if (!computed) return;
  if (planned > 0) {
    (void)snprintf(text, sizeof(text), ", planned %.1f MiB", planned / mebibyte);
  }
  ntk_log("peak memory %.1f MiB on one rank%s", peak / mebibyte, text);
}

static bool fails_fast(const ntk_crew *crew) {
  return crew->options.fail_fast || settings_of(crew)->on_error == &ntk_on_error_stop;
}

/* Sums over the roots of all groups, on every rank. */
static void gather_counts(const ntk_crew *crew, ntk_run_counts *counts) {
  int64_t sums[] = {crew->counts.computed, crew->counts.failed, crew->board.points,
                    crew->counts.failed_before, crew->counts.elsewhere};
  int failure = (int)crew->counts.last_failure;

  *counts = crew->counts;
  counts->fast = fails_fast(crew);
  MPI_Allreduce(MPI_IN_PLACE, sums, 5, MPI_INT64_T, MPI_SUM, crew->world->mpi);
  MPI_Allreduce(MPI_IN_PLACE, &failure, 1, MPI_INT, MPI_MAX, crew->world->mpi);
  ntk_comm_broadcast(crew->world, 0, counts->holder, sizeof(counts->holder));
  counts->points = sums[2];
  counts->computed = sums[0];
  counts->failed = sums[1];
  counts->failed_before = sums[3];
  counts->elsewhere = sums[4];
  counts->last_failure = (ntk_status)failure;
  for (int64_t k = 0; crew->pending && k < crew->job->point_count; ++k) {
    counts->left += crew->pending[k];
  }
  counts->left -= counts->elsewhere;
  counts->skipped = sums[2] - counts->computed - counts->failed - counts->failed_before -
                    counts->elsewhere - counts->left;
  counts->fast = counts->fast && counts->failed > 0;
}

static ntk_status work(ntk_crew *crew, ntk_run_counts *counts) {
  const double idle_bytes = ntk_memory_peak();

  NTK_TRY(choose_groups(crew));
  if (crew->place.dry) {
    ntk_log("output.keep is empty: nothing is written");
  } else {
    NTK_AGREE(crew->world, crew->world->rank == 0 ? ntk_folder_prepare(crew->job) : NTK_OK);
  }
  NTK_TRY(ntk_stop_begin(crew->world, settings_of(crew), &crew->stop));
  ntk_status status = find_work(crew);

  if (status == NTK_OK) status = run_rounds(crew);
  const ntk_error error = *ntk_last_error();
  const ntk_status synced = ntk_agree(crew->world, ntk_backlog_sync(&crew->backlog));

  gather_counts(crew, counts);
  if (status != NTK_OK) return NTK_RAISE(status, "%s", error.text);
  NTK_TRY(synced);
  report_memory(crew, idle_bytes, counts->computed);
  return NTK_OK;
}

static void destroy(ntk_crew *crew) {
  ntk_stop_end(&crew->stop);
  ntk_backlog_destroy(&crew->backlog);
  ntk_news_end(crew);
  ntk_schedule_destroy(&crew->schedule);
  ntk_forecast_destroy(&crew->forecast);
  while (crew->kept_count > 0) ntk_lock_set_release(&crew->kept[--crew->kept_count]);
  ntk_free(&crew->kept);
  ntk_free(&crew->open);
  ntk_free(&crew->fresh);
  ntk_free(&crew->pending);
  ntk_units_destroy(&crew->units);
  ntk_place_destroy(&crew->place);
}

ntk_status ntk_run_job(const ntk_comm *comm, const ntk_job *job, const ntk_run_options *options,
                       ntk_run_counts *counts) {
  ntk_crew crew = {.job = job, .world = comm, .at_work = {.unit = -1}};

  *counts = (ntk_run_counts){0};
  if (options) crew.options = *options;
  crew.speaks = ntk_comm_max(comm, comm->rank == 0 && ntk_log_enabled()) > 0;
  crew.place.dry = !ntk_folder_is_used(job);
  crew.place.stop = &crew.stop;
  crew.place.speed = &crew.speed;
  crew.place.backlog = &crew.backlog;
  crew.place.tick = ntk_news_tick;
  crew.place.tick_context = &crew;
  const ntk_status status = work(&crew, counts);
  const ntk_error error = *ntk_last_error();

  destroy(&crew);
  return status == NTK_OK ? NTK_OK : NTK_RAISE(status, "%s", error.text);
}

/* ---- the command ------------------------------------------------------------------------------- */

static void say_rest(const ntk_job *job, const ntk_run_counts *counts) {
  if (counts->failed && ntk_folder_is_used(job)) {
    ntk_log("when the cause of what failed is mended, run --retry-failed tries it again");
  }
  if (counts->failed_before) {
    ntk_log("%lld failed before and %s not tried again; --retry-failed does",
            (long long)counts->failed_before, counts->failed_before == 1 ? "was" : "were");
  }
  if (counts->elsewhere) {
    ntk_log("%lld point%s left to another job: %s; this one has nothing more to do, ntkrun status %s "
            "tells when all is done",
            (long long)counts->elsewhere, counts->elsewhere == 1 ? " is" : "s are",
            counts->holder, job->directory);
  }
}

static int failure_code(const ntk_job *job, const ntk_run_counts *counts) {
  if (!counts->failed) return counts->failed_before ? 1 : 0;
  return ntk_points_exit_code(counts->failed, job->point_count, counts->last_failure);
}

/* What helps where points are left. */
static const char *way_on(const ntk_job *job, bool full) {
  if (full) return "make room, then run again";
  return ntk_folder_is_used(job) ? "run again to resume"
                                 : "run again; nothing was written to resume";
}

static void say_counts(const ntk_job *job, const ntk_run_counts *counts) {
  const bool kept = ntk_folder_is_used(job);

  ntk_log("%lld point%s: %lld computed, %lld were done before, %lld failed; %s%s",
          (long long)counts->points, counts->points == 1 ? "" : "s",
          (long long)counts->computed, (long long)counts->skipped,
          (long long)counts->failed, kept ? "results in " : "nothing was written",
          kept ? job->directory : "");
}

/* A disk that filled up stops a job as a signal does, but for what has to be done about it. */
static int conclude(const ntk_comm *comm, const ntk_job *job, ntk_status status,
                    const ntk_run_counts *counts) {
  const bool full = status == NTK_E_FULL && counts->left > 0;

  if (status != NTK_OK && status != NTK_E_STOPPED && !full) {
    return comm->rank == 0 ? ntk_complain(status) : ntk_status_exit_code(status);
  }
  if (counts->points < job->point_count) {
    ntk_log("%lld of %lld points are in other shards",
            (long long)(job->point_count - counts->points), (long long)job->point_count);
  }
  say_counts(job, counts);
  say_rest(job, counts);
  if (status == NTK_OK) return failure_code(job, counts);
  ntk_log("%s; %lld point%s left: %s", ntk_last_error()->text, (long long)counts->left,
          counts->left == 1 ? " is" : "s are", way_on(job, full));
  return counts->fast && !full ? failure_code(job, counts) : ntk_status_exit_code(status);
}

/* The largest exit code of all ranks: one rank that cannot read the config stops all. */
static int agree_on_code(const ntk_comm *comm, int code) {
  return (int)ntk_comm_max(comm, (double)code);
}

static int run_shared(const ntk_comm *comm, const ntk_arguments *arguments,
                      const ntk_run_options *options, ntk_job *job) {
  ntk_run_counts counts = {0};
  ntk_status status = ntk_job_share(comm, job);

  ntk_log("%s: %lld point%s on %d rank%s", arguments->operand, (long long)job->point_count,
          job->point_count == 1 ? "" : "s", comm->size, comm->size == 1 ? "" : "s");
  if (status == NTK_OK) status = ntk_run_job(comm, job, options, &counts);
  return conclude(comm, job, status, &counts);
}

static int read_options(const ntk_comm *comm, const ntk_arguments *arguments,
                        ntk_run_options *options) {
  *options = (ntk_run_options){.retry_failed = arguments->retry_failed,
                               .fail_fast = arguments->fail_fast};
  const ntk_status status =
      arguments->shard ? ntk_shard_read(arguments->shard, &options->shard) : NTK_OK;

  if (status == NTK_OK || comm->rank != 0) return ntk_status_exit_code(status);
  return ntk_complain(status);
}

int ntk_command_run(const ntk_arguments *arguments) {
  const ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD);
  ntk_run_options options = {0};
  ntk_job job = {0};

  ntk_log_enable(comm.rank == 0);
  int code = read_options(&comm, arguments, &options);

  if (code == 0) {
    code = agree_on_code(&comm, ntk_load_or_complain(arguments, comm.rank == 0, &job));
  }
  if (code == 0) code = run_shared(&comm, arguments, &options, &job);
  ntk_job_destroy(&job);
  return code;
}
