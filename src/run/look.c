/* What is on disk for a point: files, the end of its log, and the lock of its unit.  Writes nothing. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ntk/run/event.h"
#include "ntk/run/job.h"
#include "ntk/store/file.h"
#include "ntk/store/lock.h"

/* ---- files ------------------------------------------------------------------------------------- */

static bool exists(const char *path) { return access(path, R_OK) == 0; }

/* Whether the group of results.h5 has the variable. */
static bool has_variable(const ntk_job *job, const ntk_point *point, const char *group,
                         const char *name) {
  char path[NTK_PATH_SIZE];
  ntk_record listed = {0};

  ntk_point_path(job, point, "results.h5", path);
  const bool found = ntk_file_list(path, group, false, &listed) == NTK_OK &&
                     ntk_record_find(&listed, name) != NULL;

  ntk_record_destroy(&listed);
  return found;
}

/* A file that `keep` names, and the variable of /kernel without which there is none: no test set, no
 * parts of tensors, no Gram where only eigenvalues came. */
typedef struct kept_file {
  const char *word, *file, *sign;
} kept_file;

static bool is_kept(const ntk_job *job, const ntk_point *point, int64_t which,
                    const kept_file *kept) {
  char path[NTK_PATH_SIZE], group[NTK_NAME_SIZE];

  if (!ntk_point_keeps(point, kept->word)) return true;
  ntk_kernel_path(job, point, which, kept->file, path);
  if (exists(path)) return true;
  ntk_point_group(point, which, "kernel", group);
  return !has_variable(job, point, group, kept->sign);
}

static bool kernel_files_exist(const ntk_job *job, const ntk_point *point, int64_t which) {
  static const kept_file files[] = {{"gram", "gram.h5", "preview"},
                                    {"spectrum", "spectrum.h5", "preview"},
                                    {"test_train", "test_train.h5", "test_initial_output"},
                                    {"per_layer", "per_layer.h5", "tensor"}};

  for (size_t k = 0; k < sizeof(files) / sizeof(files[0]); ++k) {
    if (!is_kept(job, point, which, &files[k])) return false;
  }
  return true;
}

/* Whether the big files that `keep` names are there. */
static bool kept_files_exist(const ntk_job *job, const ntk_point *point) {
  static const char *const files[][2] = {{"weights", "weights.h5"},
                                         {"predictions", "predictions.h5"}};
  char path[NTK_PATH_SIZE];

  for (int64_t which = 0; which < point->settings.kernel.quantity.count; ++which) {
    if (!kernel_files_exist(job, point, which)) return false;
  }
  for (size_t k = 0; k < sizeof(files) / sizeof(files[0]); ++k) {
    ntk_point_path(job, point, files[k][1], path);
    if (ntk_point_keeps(point, files[k][0]) && !exists(path)) return false;
  }
  return true;
}

static bool groups_match(const ntk_point *point, const ntk_record *keys) {
  for (int64_t k = 0; k < point->group_count; ++k) {
    const ntk_attribute *found = ntk_record_find_attribute(keys, point->group[k].group);

    if (!found || strcmp(found->text, point->group[k].key) != 0) return false;
  }
  return true;
}

/* Whether results.h5 and kept files are there. */
static ntk_status look_at_files(const ntk_job *job, const ntk_point *point, bool *complete) {
  char path[NTK_PATH_SIZE];
  ntk_record keys = {0};

  ntk_point_path(job, point, "results.h5", path);
  NTK_TRY(ntk_file_keys(path, &keys));
  *complete = groups_match(point, &keys) && kept_files_exist(job, point);
  ntk_record_destroy(&keys);
  return NTK_OK;
}

/* ---- the log and the lock ---------------------------------------------------------------------- */

static void tell(ntk_point_facts *facts, const char *text) {
  (void)snprintf(facts->message, sizeof(facts->message), "%.*s", (int)sizeof(facts->message) - 1,
                 text);
}

/* Where, when and how far. */
static void take_place(const ntk_history *history, ntk_point_facts *facts) {
  const ntk_event *last = &history->last, *start = &history->start;

  memcpy(facts->host, last->host, sizeof(facts->host));
  memcpy(facts->stage, last->stage, sizeof(facts->stage));
  memcpy(facts->since, start->time[0] ? start->time : last->time, sizeof(facts->since));
  facts->process = last->process;
  facts->ranks = last->ranks;
}

static bool was_begun(const ntk_event *last) {
  return strcmp(last->name, "started") == 0 || strcmp(last->name, "stage") == 0;
}

/* A unit has many points: the one that its holder has written of last is at work. */
static bool is_held_by(const ntk_lock_holder *holder, const ntk_event *last) {
  return holder->state == NTK_LOCK_HELD && holder->process == last->process &&
         strcmp(holder->host, last->host) == 0;
}

/* The lock is that of the unit; the point may have begun later. */
static void set_running(const ntk_history *history, ntk_lock_holder holder,
                        ntk_point_facts *facts) {
  char text[NTK_LOCK_TEXT];

  facts->state = NTK_POINT_RUNNING;
  facts->seconds = ntk_event_age(history->start.time);
  memcpy(facts->job, holder.job, sizeof(facts->job));
  memcpy(holder.since, facts->since, sizeof(holder.since));
  tell(facts, ntk_lock_describe(&holder, text));
}

static ntk_status judge_begun(const ntk_job *job, const ntk_point *point,
                              const ntk_history *history, ntk_point_facts *facts) {
  ntk_lock_holder holder;

  NTK_TRY(ntk_lock_look(job->directory, ntk_point_lock(point, 0), &holder));
  if (is_held_by(&holder, &history->last)) {
    set_running(history, holder, facts);
    return NTK_OK;
  }
  (void)snprintf(facts->message, sizeof(facts->message), "interrupted; begun %s by %s:%ld",
                 facts->since, facts->host, facts->process);
  return NTK_OK;
}

/* Of a point that is not complete. */
static ntk_status judge(const ntk_job *job, const ntk_point *point, const ntk_history *history,
                        ntk_point_facts *facts) {
  const ntk_event *last = &history->last;

  take_place(history, facts);
  if (was_begun(last)) return judge_begun(job, point, history, facts);
  if (strcmp(last->name, "failed") == 0 || strcmp(last->name, "stopped") == 0) {
    facts->seconds = last->seconds;
    tell(facts, last->message);
  }
  if (strcmp(last->name, "failed") == 0) facts->state = NTK_POINT_FAILED;
  return NTK_OK;
}

static void judge_complete(const ntk_history *history, ntk_point_facts *facts) {
  facts->state = NTK_POINT_DONE;
  if (strcmp(history->last.name, "done") != 0) return;
  take_place(history, facts);
  facts->seconds = history->last.seconds;
  facts->kernel_seconds = history->kernel_seconds;
  facts->spectrum_seconds = history->spectrum_seconds;
}

ntk_status ntk_point_look(const ntk_job *job, const ntk_point *point, ntk_point_facts *facts) {
  char path[NTK_PATH_SIZE];
  ntk_history history = {0};
  bool complete = false;

  *facts = (ntk_point_facts){.state = NTK_POINT_PENDING, .seconds = NAN};
  const ntk_status status = look_at_files(job, point, &complete);
  const ntk_error error = *ntk_last_error();

  if (status != NTK_E_INPUT) NTK_TRY(status);
  ntk_point_path(job, point, "log.jsonl", path);
  NTK_TRY(ntk_event_read(path, &history));
  if (complete) {
    judge_complete(&history, facts);
    return NTK_OK;
  }
  NTK_TRY(judge(job, point, &history, facts));
  if (status == NTK_OK || facts->state == NTK_POINT_RUNNING) return NTK_OK;
  facts->state = NTK_POINT_DAMAGED;
  tell(facts, error.text);
  return NTK_OK;
}

const char *ntk_point_state_name(ntk_point_state state) {
  static const char *const names[] = {
      [NTK_POINT_PENDING] = "pending", [NTK_POINT_RUNNING] = "running", [NTK_POINT_DONE] = "done",
      [NTK_POINT_FAILED] = "failed",   [NTK_POINT_DAMAGED] = "damaged"};

  return names[state];
}
