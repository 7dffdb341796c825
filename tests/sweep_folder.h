/* sweep_folder.h -- a sweep's folder as runs leave it, made by hand: results, events, locks. */
#ifndef NTK_TESTS_SWEEP_FOLDER_H
#define NTK_TESTS_SWEEP_FOLDER_H

#include "folder.h"
#include "ntk/run/event.h"
#include "ntk/run/job.h"
#include "ntk/store/file.h"
#include "ntk/store/lock.h"

/* The job of a config, with its results in <folder>/out; `folder` is [4096]. */
static inline void sweep_load(const char *folder, const char *config, ntk_job *job) {
  const char *path = folder_path(folder, "config.yaml");
  ntk_problems problems = {0};

  EXPECT_OK(ntk_file_write_text(path, config));
  EXPECT_OK(ntk_job_load(path, 0, NULL, job, &problems));
  if (problems.count) FAIL("%s", problems.text.data);
  ntk_problems_destroy(&problems);
  EXPECT_OK(ntk_arena_copy(&job->arena, folder_path(folder, "out"), &job->directory));
}

static inline void sweep_point_folder(const ntk_job *job, int64_t point) {
  char path[NTK_PATH_SIZE];

  ntk_point_path(job, &job->point[point], "", path);
  EXPECT_OK(ntk_directory_make(path));
}

/* results.h5 with every group under its key, or under another. */
static inline void sweep_write_results(const ntk_job *job, int64_t point, bool up_to_date) {
  const ntk_point *p = &job->point[point];
  char path[NTK_PATH_SIZE];
  ntk_record *records = NULL;

  EXPECT_OK(NTK_NEW(p->group_count + 1, &records));
  for (int64_t g = 0; g < p->group_count; ++g) {
    (void)snprintf(records[g + 1].name, NTK_NAME_SIZE, "%s", p->group[g].group);
    EXPECT_OK(ntk_record_set_text(&records[g + 1], "key", up_to_date ? p->group[g].key : "other"));
  }
  sweep_point_folder(job, point);
  ntk_point_path(job, p, "results.h5", path);
  EXPECT_OK(ntk_file_write(path, p->group_count + 1, records, NULL));
  for (int64_t g = 0; g <= p->group_count; ++g) ntk_record_destroy(&records[g]);
  ntk_free(&records);
}

static inline void sweep_write_event(const ntk_job *job, int64_t point, const char *name,
                                     const char *message) {
  char path[NTK_PATH_SIZE];
  ntk_event event = {.seconds = 2.5, .ranks = 4, .grid_rows = 2, .grid_cols = 2};

  if (strcmp(name, "stage") == 0) {
    (void)snprintf(event.stage, sizeof(event.stage), "%s", message);
  } else {
    (void)snprintf(event.message, sizeof(event.message), "%s", message);
  }
  (void)snprintf(event.name, sizeof(event.name), "%s", name);
  sweep_point_folder(job, point);
  ntk_point_path(job, &job->point[point], "log.jsonl", path);
  EXPECT_OK(ntk_event_append(path, &event));
}

static inline ntk_lock *sweep_lock(const ntk_job *job, int64_t point) {
  ntk_lock *lock = NULL;
  ntk_lock_holder holder;

  EXPECT_OK(ntk_lock_acquire(job->directory, ntk_point_lock(&job->point[point], 0), 4, &lock, &holder));
  EXPECT(lock);
  return lock;
}

#endif
