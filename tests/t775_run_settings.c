/* The `run:` section: times as seconds and as clocks, grids, what does not fit together; and that
 * nothing of it is in a key.  Where a run writes. */
//TEST ranks=1
#include "folder.h"
#include "ntk/config/scalar.h"
#include "ntk/run/folder.h"
#include "ntk/run/job.h"
#include "ntk/store/file.h"

static char folder[4096];

static void load(const char *set, ntk_job *job, ntk_problems *problems) {
  const char *const sets[] = {set};

  EXPECT_OK(ntk_job_load(folder_path(folder, "run.yaml"), set ? 1 : 0, sets, job, problems));
}

static ntk_run_settings accept(const char *set) {
  ntk_problems problems = {0};
  ntk_job job = {0}, plain = {0};

  load(set, &job, &problems);
  if (problems.count) FAIL("%s: %s", set, ntk_text_string(&problems.text));
  load(NULL, &plain, &problems);
  EXPECT_TEXT(job.point[0].id, plain.point[0].id);
  for (int64_t k = 0; k < job.point[0].group_count; ++k) {
    EXPECT_TEXT(job.point[0].group[k].key, plain.point[0].group[k].key);
  }
  const ntk_run_settings run = job.point[0].settings.run;

  ntk_job_destroy(&job);
  ntk_job_destroy(&plain);
  return run;
}

static void refuse(const char *set, const char *part) {
  ntk_problems problems = {0};
  ntk_job job = {0};

  load(set, &job, &problems);
  if (problems.count != 1 || !strstr(ntk_text_string(&problems.text), part)) {
    FAIL("%s: %lld problems: %s", set, (long long)problems.count, ntk_text_string(&problems.text));
  }
  ntk_problems_destroy(&problems);
  ntk_job_destroy(&job);
}

static void check_values(void) {
  ntk_run_settings run = accept("run.on_error=continue");

  EXPECT(isnan(run.walltime) && run.stop_margin == 120 && run.checkpoint_after == 30);
  EXPECT(run.group_ranks == NTK_AUTO_INT && run.grid.count == 0);
  EXPECT(run.on_error == &ntk_on_error_continue);
  EXPECT(accept("run.walltime=02:00:00").walltime == 7200);
  EXPECT(accept("run.walltime=123:04:05").walltime == 443045);
  EXPECT(accept("run.walltime=240.5").walltime == 240.5);
  EXPECT(isnan(accept("run.walltime=auto").walltime));
  EXPECT(accept("run.stop_margin=00:01:30").stop_margin == 90);
  EXPECT(accept("run.checkpoint_after=0").checkpoint_after == 0);
  EXPECT(accept("run.on_error=stop").on_error == &ntk_on_error_stop);
  EXPECT(accept("run.group_ranks=4").group_ranks == 4);
  EXPECT(accept("run.grid=[2, 3]").grid.count == 2);
  EXPECT(accept("run.grid=auto").grid.count == 0);
}

static void check_refusals(void) {
  refuse("run.walltime=2:60:00", "'2:60:00' is not a number");
  refuse("run.walltime=1:0:0", "is not a number");
  refuse("run.walltime=2h", "'2h' is not a number of seconds, nor HH:MM:SS as in 01:30:00");
  refuse("run.walltime=00:00:00", "too small");
  refuse("run.walltime=60", "nothing is left before run.stop_margin (120 s)");
  refuse("run.grid=[2]", "needs [rows, cols]");
  refuse("run.grid=[0, 2]", "too small");
  refuse("run={grid: [2, 2], group_ranks: 3}", "2 x 2 are not the 3 ranks");
  refuse("run.on_error=ignore", "unknown word 'ignore'");
}

static void check_clock(void) {
  static const char *const wrong[] = {"", "1", ":00:00", "1:00", "1:00:0", "1:00:000", "1:00:60",
                                      "-1:00:00", "1:00:00 ", "1.5:00:00"};
  double seconds = 0;

  EXPECT(ntk_scalar_clock("0:00:09", &seconds) && seconds == 9);
  for (size_t k = 0; k < sizeof(wrong) / sizeof(wrong[0]); ++k) {
    EXPECT(!ntk_scalar_clock(wrong[k], &seconds));
  }
}

/* Where a run writes may come from the environment; it is left relative to the working directory. */
static void check_folder(void) {
  ntk_problems problems = {0};
  ntk_job job = {0};
  char set[4600];

  EXPECT(setenv("NTK_TEST_PART", "b/c", 1) == 0);
  load("output.directory=a/$NTK_TEST_PART", &job, &problems);
  EXPECT(problems.count == 0);
  EXPECT_TEXT(job.directory, "a/b/c");
  ntk_job_destroy(&job);
  EXPECT(unsetenv("NTK_TEST_PART") == 0);
  refuse("output.directory=a/$NTK_TEST_PART", "the environment has no variable NTK_TEST_PART");
  refuse("output.directory=\"\"", "output.directory: the path is empty");
  (void)snprintf(set, sizeof(set), "output.directory=%s", folder_path(folder, "run.yaml/x"));
  load(set, &job, &problems);
  EXPECT_REFUSED(ntk_folder_prepare(&job), NTK_E_CREATE, "output.directory: ");
  ntk_job_destroy(&job);
}

/* What is printed reads back to the same. */
static void check_print(void) {
  ntk_problems problems = {0};
  ntk_job job = {0};

  load("run={walltime: 01:00:00, grid: [1, 2]}", &job, &problems);
  EXPECT(problems.count == 0);
  EXPECT(strstr(job.yaml, "  walltime: 3600\n") && strstr(job.yaml, "  grid: [1, 2]\n"));
  EXPECT(strstr(job.yaml, "  group_ranks: auto\n"));
  ntk_job_destroy(&job);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  folder_make(folder);
  EXPECT_OK(ntk_file_write_text(folder_path(folder, "run.yaml"),
                                "data: {source: gaussian, dimension: 2, train: {count: 4}}\n"
                                "network: {kind: mlp, depth: 1, width: 3}\n"));
  check_clock();
  check_values();
  check_refusals();
  check_folder();
  check_print();
  folder_remove(folder);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
