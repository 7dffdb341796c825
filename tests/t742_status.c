/* A survey of a sweep tells how many points are done, running, failed, damaged and pending, by whom,
 * since when and why, with one line for all points of one reason; as text, with every point, and as
 * JSON.  Its exit code is that of a run which finds the folder so.  The time left is that of the
 * pending points, at the pace of those that are done.
 *
 * Method: folders made by hand; every sum against the points; many points of few reasons. */
//TEST ranks=1
#include <time.h>

#include "json.h"
#include "ntk/run/survey.h"
#include "ntk/run/workers.h"
#include "sweep_folder.h"

static const char config[] =
    "data: {source: gaussian, dimension: 3, train: {count: 8}}\n"
    "network: {kind: mlp, depth: 1, width: 4}\n"
    "analyses: [summary]\n"
    "sweep: {network.seed: 0..5, network.width: [4, 8], skip: [{seed: 5, width: 8}]}\n"
    "output: {directory: out}\n";

static const char single[] =
    "data: {source: gaussian, dimension: 3, train: {count: 8}}\n"
    "network: {kind: mlp, depth: 1, width: 4}\n"
    "analyses: [summary]\n"
    "output: {directory: out}\n";

static char folder[4096];

static ntk_text text_of(const ntk_job *job, bool all, bool json) {
  ntk_plan plan = {0};
  ntk_text text = {0};
  double left = 0;

  EXPECT_OK(ntk_plan_make(job, 0, &plan));
  EXPECT_OK(ntk_survey_left(&plan, &left));
  EXPECT_OK(json ? ntk_survey_json(&plan, left, &text) : ntk_survey_text(&plan, left, all, &text));
  ntk_plan_destroy(&plan);
  return text;
}

static void expect_text(const ntk_job *job, bool all, const char *const *parts) {
  ntk_text text = text_of(job, all, false);

  for (; *parts; ++parts) {
    if (!strstr(text.data, *parts)) FAIL("no \"%s\" in\n%s", *parts, text.data);
  }
  ntk_text_destroy(&text);
}

static void expect_no_text(const ntk_job *job, bool all, const char *part) {
  ntk_text text = text_of(job, all, false);

  if (strstr(text.data, part)) FAIL("\"%s\" in\n%s", part, text.data);
  ntk_text_destroy(&text);
}

static int exit_code(const ntk_job *job) {
  ntk_plan plan = {0};

  EXPECT_OK(ntk_plan_make(job, 0, &plan));
  const int code = ntk_survey_exit_code(&plan);

  ntk_plan_destroy(&plan);
  return code;
}

static void finish(const ntk_job *job, int64_t point) {
  sweep_write_results(job, point, true);
  sweep_write_event(job, point, "started", "");
  sweep_write_event(job, point, "done", "");
}

static void set_length(const ntk_job *job, int64_t point, off_t length) {
  char path[NTK_PATH_SIZE];

  ntk_point_path(job, &job->point[point], "results.h5", path);
  EXPECT(truncate(path, length) == 0);
}

/* ---- text -------------------------------------------------------------------------------------- */

/* A lock that cannot be read is somebody's, as run takes it. */
static void test_damaged_lock(const ntk_job *job) {
  static const char *const parts[] = {
      " left on 1 rank; no point is at work, but a lock is with an unknown process (the lock is "
      "damaged)\n", NULL};
  char path[NTK_PATH_SIZE];

  (void)snprintf(path, sizeof(path), "%s/locks/%032d", job->directory, 7);
  EXPECT_OK(ntk_directory_make(folder_path(job->directory, "locks")));
  EXPECT_OK(ntk_file_write_text(path, "no lock"));
  expect_text(job, false, parts);
  EXPECT(unlink(path) == 0);
}

static void test_fresh(const ntk_job *job) {
  static const char *const parts[] = {"/out: 11 points, 11 pending; 1 skipped\n",
                                      " left on 1 rank; nobody is at work\n", NULL};

  expect_text(job, false, parts);
  expect_no_text(job, false, "running");
  expect_no_text(job, false, "\n\n");
  EXPECT(exit_code(job) == 75);
}

/*  1 2 done, 3 running, 4 5 7 and 6 failed, 8 damaged, 9 stopped, 10 interrupted */
static ntk_lock *arrange(const ntk_job *job) {
  static const int same[] = {3, 4, 6};

  finish(job, 0);
  finish(job, 1);
  sweep_write_event(job, 2, "started", "");
  sweep_write_event(job, 2, "stage", "kernel");
  for (int k = 0; k < 3; ++k) sweep_write_event(job, same[k], "failed", "no convergence");
  sweep_write_event(job, 5, "failed", "out of \"memory\"\nand more");
  finish(job, 7);
  set_length(job, 7, 1000);
  sweep_write_event(job, 8, "stopped", "SIGUSR1");
  sweep_write_event(job, 9, "started", "");
  return sweep_lock(job, 2);
}

static void test_states(const ntk_job *job) {
  static const char *const parts[] = {
      "/out: 11 points, 1 damaged, 4 failed, 2 done, 1 running, 3 pending; 1 skipped\n",
      " left on 4 ranks\n",
      "\n  running\n    point 3: seed=1 width=4: ",
      " (4 ranks) since 2",
      "; kernel is done\n",
      "\n  failed; run --retry-failed tries them again\n"
      "    3 points (4-5, 7): no convergence\n"
      "    point 6: seed=2 width=8: out of \"memory\"\n      and more\n",
      "\n  damaged; the next run computes them again\n    point 8: seed=3 width=8: ",
      "\n  stopped or interrupted; the next run goes on with them\n"
      "    point 9: seed=4 width=4: SIGUSR1\n"
      "    point 10: seed=4 width=8: interrupted; begun 2",
      NULL};
  static const char *const rows[] = {"\n  point  id ", "  failed      2.5 s  1     8\n",
                                     "  pending            5     4\n", NULL};

  expect_text(job, false, parts);
  expect_no_text(job, false, "  point  id");
  expect_text(job, true, parts);
  expect_text(job, true, rows);
  EXPECT(exit_code(job) == 75);
}

static void test_exit_codes(const ntk_job *job) {
  for (int64_t k = 0; k < job->point_count; ++k) {
    if (k < 3 || k > 6) finish(job, k);
  }
  EXPECT(exit_code(job) == 1); /* only failed ones are left */
  expect_no_text(job, false, "left on");
  for (int64_t k = 3; k < 7; ++k) finish(job, k);
  EXPECT(exit_code(job) == 0);
  set_length(job, 0, 1000);
  EXPECT(exit_code(job) == 75); /* run would compute it */
  finish(job, 0);
}

/* A config without a sweep is one point without a name. */
static void test_single(void) {
  static const char *const parts[] = {"/out: 1 point, 1 failed\n", "    point 1: no luck\n", NULL};
  ntk_job job = {0};

  sweep_load(folder, single, &job);
  sweep_write_event(&job, 0, "failed", "no luck");
  expect_text(&job, true, parts);
  EXPECT(exit_code(&job) == 1);
  ntk_job_destroy(&job);
}

/* ---- JSON -------------------------------------------------------------------------------------- */

static double number(const char *json, const char *path) {
  return json_real(json_find(json, path));
}

static void expect_string(const char *json, const char *path, const char *wanted) {
  char found[512];

  EXPECT_TEXT(json_text(json_find(json, path), sizeof(found), found), wanted);
}

static void test_json(const ntk_job *job) {
  static const char *const nulls[] = {"seconds",   "ranks", "host",   "process",
                                      "slurm_job", "stage", "message"};
  ntk_text text = text_of(job, false, true);
  const char *json = text.data;

  EXPECT(json_count(json_find(json, "points")) == 11);
  EXPECT(number(json, "points_in_all") == 11 && number(json, "skipped") == 1);
  EXPECT(number(json, "done") == 2 && number(json, "failed") == 4 && number(json, "running") == 1);
  EXPECT(number(json, "damaged") == 1 && number(json, "pending") == 3);
  EXPECT(number(json, "ranks") == 4 && number(json, "seconds_left") > 0);
  expect_string(json, "points/2/state", "running");
  expect_string(json, "points/2/stage", "kernel");
  expect_string(json, "points/2/id", job->point[2].id);
  EXPECT(number(json, "points/2/process") == (double)getpid() && number(json, "points/2/ranks") == 4);
  EXPECT(number(json, "points/2/axes/seed") == 1 && number(json, "points/2/point") == 3);
  expect_string(json, "points/3/message", "no convergence");
  EXPECT(number(json, "points/3/seconds") == 2.5);
  for (size_t k = 0; k < sizeof(nulls) / sizeof(nulls[0]); ++k) {
    char path[64];

    (void)snprintf(path, sizeof(path), "points/10/%s", nulls[k]);
    EXPECT(strncmp(json_find(json, path), "null", 4) == 0);
  }
  ntk_text_destroy(&text);
}

/* ---- many points ------------------------------------------------------------------------------- */

/* A plan whose points are only facts: a thousand failures of a dozen kinds. */
static void test_many(void) {
  enum { POINTS = 1000, REASONS = 12 };
  ntk_point *points = NULL;
  ntk_point_facts *facts = NULL;
  ntk_text text = {0};

  EXPECT_OK(NTK_NEW(POINTS, &points));
  EXPECT_OK(NTK_NEW(POINTS, &facts));
  for (int k = 0; k < POINTS; ++k) {
    facts[k].state = NTK_POINT_FAILED;
    (void)snprintf(facts[k].message, sizeof(facts[k].message), "reason %d", k % REASONS);
  }
  const ntk_job job = {.directory = "many", .point_count = POINTS, .point = points};
  ntk_plan plan = {.job = &job, .ranks = 1, .facts = facts};

  plan.states[NTK_POINT_FAILED] = POINTS;
  EXPECT_OK(ntk_survey_text(&plan, NAN, false, &text));
  EXPECT(strstr(text.data, "    84 points (1, 13, 25, 37, 49, 61, ...): reason 0\n"));
  EXPECT(strstr(text.data, "    and 166 more; --all lists them\n"));
  EXPECT(!strstr(text.data, "reason 10") && text.length < 2000);
  ntk_text_destroy(&text);
  EXPECT_OK(ntk_survey_text(&plan, NAN, true, &text));
  EXPECT(strstr(text.data, "reason 11") && !strstr(text.data, "more; --all"));
  ntk_text_destroy(&text);
  ntk_free(&facts);
  ntk_free(&points);
}

/* ---- time left --------------------------------------------------------------------------------- */

static void begin_before(const ntk_job *job, int64_t point, double seconds) {
  const time_t then = time(NULL) - (time_t)seconds;
  char path[NTK_PATH_SIZE], host[64] = "", stamp[32];
  struct tm utc;

  EXPECT(gethostname(host, sizeof(host) - 1) == 0 && gmtime_r(&then, &utc));
  (void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &utc);
  sweep_point_folder(job, point);
  ntk_point_path(job, &job->point[point], "log.jsonl", path);
  FILE *file = fopen(path, "w");

  EXPECT(file && fprintf(file,
                         "{\"time\": \"%s\", \"event\": \"started\", \"host\": \"%s\", "
                         "\"process\": %ld, \"ranks\": 4, \"seconds\": 0}\n",
                         stamp, host, (long)getpid()) > 0);
  EXPECT(fclose(file) == 0);
}

/* Five of eleven equal points took ten seconds each, say the times of their events, whatever else
 * they tell; the sixth began ten seconds ago. */
static void test_left(const ntk_job *job) {
  ntk_plan plan = {0};
  double left = 0, none = 0;

  for (int64_t k = 0; k < 5; ++k) {
    begin_before(job, k, 60 - 10 * (double)k);
    sweep_write_results(job, k, true);
    sweep_write_event(job, k, "done", "");
  }
  begin_before(job, 5, 10);
  ntk_lock *lock = sweep_lock(job, 5);

  EXPECT_OK(ntk_plan_make(job, 0, &plan));
  EXPECT(plan.ranks == 4);
  EXPECT_OK(ntk_survey_left(&plan, &left));
  if (!(left > 15 && left < 70)) FAIL("%g s left", left); /* 20 if ranks work apart, 50 if not */
  ntk_plan_destroy(&plan);
  ntk_lock_release(&lock);
  for (int64_t k = 5; k < 11; ++k) finish(job, k);
  EXPECT_OK(ntk_plan_make(job, 0, &plan));
  EXPECT_OK(ntk_survey_left(&plan, &none));
  EXPECT(none == 0);
  ntk_plan_destroy(&plan);
}

/* ---- who is at work ---------------------------------------------------------------------------- */

static ntk_point_facts facts_of(ntk_point_state state, long process, int ranks, double ago) {
  const time_t then = time(NULL) - (time_t)ago;
  ntk_point_facts facts = {.state = state, .process = process, .ranks = ranks, .seconds = 2,
                           .host = "node7"};
  struct tm utc;

  EXPECT(gmtime_r(&then, &utc));
  (void)strftime(facts.since, sizeof(facts.since), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return facts;
}

/* Process 1 ran on 4 ranks and runs on 2 now, 2 is between two points, 3 has ended long ago. */
static void test_workers(void) {
  ntk_point_facts facts[20] = {
      facts_of(NTK_POINT_DONE, 1, 4, 6),    facts_of(NTK_POINT_RUNNING, 1, 2, 1),
      facts_of(NTK_POINT_DONE, 1, 4, 100),  facts_of(NTK_POINT_FAILED, 2, 8, 5),
      facts_of(NTK_POINT_DONE, 3, 16, 100), facts_of(NTK_POINT_PENDING, 4, 32, 1)};
  ntk_workers workers = {0};

  EXPECT_OK(ntk_workers_find(facts, 6, &workers));
  EXPECT(workers.count == 2 && workers.ranks == 10);
  EXPECT(ntk_workers_of(&workers, &facts[2]) && !ntk_workers_of(&workers, &facts[4]));
  ntk_workers_destroy(&workers);
  for (int k = 0; k < 20; ++k) facts[k] = facts_of(NTK_POINT_RUNNING, 10 + k, 1, 1);
  EXPECT_OK(ntk_workers_find(facts, 20, &workers));
  EXPECT(workers.count == 20 && workers.ranks == 20);
  ntk_workers_destroy(&workers);
}

/* ---- failures ---------------------------------------------------------------------------------- */

static ntk_status survey_again(void *context) {
  ntk_plan plan = {0};
  ntk_text text = {0};
  double left = 0;
  ntk_status status = ntk_plan_make(context, 0, &plan);

  if (status == NTK_OK && (plan.problems || plan.refusal || plan.states[NTK_POINT_DAMAGED] > 1)) {
    status = NTK_E_INPUT;
  }
  if (status == NTK_OK) status = ntk_survey_left(&plan, &left);
  if (status == NTK_OK) status = ntk_survey_text(&plan, left, true, &text);
  if (status == NTK_OK) status = ntk_survey_json(&plan, left, &text);
  ntk_text_destroy(&text);
  ntk_plan_destroy(&plan);
  return status;
}

int main(int argc, char **argv) {
  ntk_job job = {0};

  begin_test(&argc, &argv);
  folder_make(folder);
  test_single();
  folder_remove(folder_path(folder, "out"));
  sweep_load(folder, config, &job);
  test_fresh(&job);
  EXPECT(access(job.directory, F_OK) != 0); /* nothing is written */
  test_left(&job);
  folder_remove(job.directory);
  EXPECT_OK(ntk_directory_make(job.directory));
  test_damaged_lock(&job);
  ntk_lock *lock = arrange(&job);

  test_states(&job);
  test_json(&job);
  EXPECT(sweep_faults_in("src/run/workers", survey_again, &job) >= 0);
  EXPECT(sweep_faults_in("src/base/memory.c", survey_again, &job) >= 2);
  ntk_lock_release(&lock);
  test_exit_codes(&job);
  test_many();
  test_workers();
  ntk_job_destroy(&job);
  EXPECT(ntk_memory_balance() == 0);
  folder_remove(folder);
  MPI_Finalize();
  return 0;
}
