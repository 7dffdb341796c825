/* What is on disk tells what has become of a point: done, failed and why, running and where, since
 * when and how far, stopped, interrupted, damaged, pending.  Running is what the holder of the
 * unit's locks has written of last; without the locks nothing runs.  Looking writes nothing.  And
 * which points belong together, under which locks.
 *
 * Method: results, events and locks made by hand, of this process and of one that has ended, in
 * every order that a run can leave. */
//TEST ranks=1
#include <signal.h>
#include <sys/wait.h>

#include "ntk/run/units.h"
#include "sweep_folder.h"

static const char config[] =
    "data: {source: gaussian, dimension: 3, train: {count: 8}}\n"
    "network: {kind: mlp, depth: 1, width: 4}\n"
    "analyses: [effective_dimension: {label: fine}]\n"
    "sweep: {network.seed: 0..2, analyses.fine.ridge: [[0.1], [1, 10]]}\n"
    "output: {directory: out}\n";

static char folder[4096];

static ntk_point_facts look(const ntk_job *job, int64_t point) {
  ntk_point_facts facts;

  EXPECT_OK(ntk_point_look(job, &job->point[point], &facts));
  return facts;
}

static void expect_state(const ntk_job *job, int64_t point, ntk_point_state state,
                         const char *part) {
  const ntk_point_facts facts = look(job, point);

  if (facts.state != state || !strstr(facts.message, part) || (!part[0] && facts.message[0])) {
    FAIL("point %d: %s: %s", (int)point, ntk_point_state_name(facts.state), facts.message);
  }
}

static void remove_point(const ntk_job *job, int64_t point) {
  char path[NTK_PATH_SIZE];

  ntk_point_path(job, &job->point[point], "", path);
  folder_remove(path);
}

/* ---- units ------------------------------------------------------------------------------------- */

static void test_locks(const ntk_job *job) {
  ntk_job list = {0};
  char text[2048];

  for (int64_t p = 0; p < 6; ++p) {
    for (int64_t q = 0; q < p; ++q) {
      const char *a = ntk_point_lock(&job->point[p], 0), *b = ntk_point_lock(&job->point[q], 0);

      EXPECT((strcmp(a, b) == 0) == (p / 2 == q / 2)); /* seeds */
    }
  }
  EXPECT(strlen(ntk_point_lock(&job->point[0], 0)) == NTK_KEY_SIZE - 1);
  (void)snprintf(text, sizeof(text), "%skernel: {quantity: [ntk, nngp]}\n", config);
  sweep_load(folder, text, &list);
  EXPECT_TEXT(ntk_point_lock(&list.point[0], 0), ntk_point_lock(&job->point[0], 0));
  EXPECT(strcmp(ntk_point_lock(&list.point[0], 1), ntk_point_lock(&job->point[0], 0)) != 0);
  ntk_job_destroy(&list);
}

/* The point belongs to the unit, and its kernels' locks are among those of the unit. */
static void expect_member(const ntk_job *job, const ntk_units *units, int64_t unit,
                          int64_t place) {
  const ntk_point *point = &job->point[units->point[units->first[unit] + place]];
  const ntk_key *locks = ntk_unit_locks(units, unit);

  for (int64_t which = 0; which < point->settings.kernel.quantity.count; ++which) {
    int64_t found = 0;

    for (int64_t k = 0; k < ntk_unit_lock_count(units, unit); ++k) {
      found += strcmp(locks[k], ntk_point_lock(point, which)) == 0;
      EXPECT(k == 0 || strcmp(locks[k - 1], locks[k]) < 0);
    }
    EXPECT(found == 1);
  }
}

/* Points that share a kernel are one unit, also where each has others as well: nobody computes it
 * twice, and one group at a time is at its files. */
static void test_units(void) {
  static const char more[] =
      "sweep: {kernel.quantity: [ntk, nngp, conjugate, [conjugate, ntk]], network.seed: 0..1}\n"
      "output: {directory: out}\n";
  static const int64_t points[2][3] = {{0, 4, 6}, {1, 5, 7}};
  const char *axes = strstr(config, "sweep:");
  ntk_units units = {0};
  ntk_job job = {0};
  char text[2048];

  (void)snprintf(text, sizeof(text), "%.*s%s", (int)(axes - config), config, more);
  sweep_load(folder, text, &job);
  EXPECT_OK(ntk_units_make(&job, &units));
  EXPECT(job.point_count == 8 && units.count == 4 && units.first[4] == 8);
  for (int64_t unit = 0; unit < 4; ++unit) { /* two with three points, then nngp alone */
    const int64_t count = units.first[unit + 1] - units.first[unit];

    EXPECT(count == (unit < 2 ? 3 : 1));
    EXPECT(ntk_unit_lock_count(&units, unit) == (unit < 2 ? 2 : 1));
    for (int64_t k = 0; k < count; ++k) {
      EXPECT(units.point[units.first[unit] + k] == (unit < 2 ? points[unit][k] : unit));
      expect_member(&job, &units, unit, k);
    }
  }
  ntk_units_destroy(&units);
  ntk_job_destroy(&job);
}

/* ---- what a log leaves ------------------------------------------------------------------------- */

static void test_results(const ntk_job *job) {
  char path[NTK_PATH_SIZE];

  expect_state(job, 0, NTK_POINT_PENDING, "");
  EXPECT(isnan(look(job, 0).seconds));
  sweep_write_results(job, 0, false);
  expect_state(job, 0, NTK_POINT_PENDING, "");
  sweep_write_results(job, 0, true);
  expect_state(job, 0, NTK_POINT_DONE, "");
  EXPECT(isnan(look(job, 0).seconds) && look(job, 0).ranks == 0);
  sweep_write_event(job, 0, "started", "");
  sweep_write_event(job, 0, "done", "some text");
  expect_state(job, 0, NTK_POINT_DONE, "");
  EXPECT(look(job, 0).seconds == 2.5 && look(job, 0).ranks == 4);
  ntk_point_path(job, &job->point[0], "results.h5", path);
  EXPECT(truncate(path, 1000) == 0);
  expect_state(job, 0, NTK_POINT_DAMAGED, "truncated");
  remove_point(job, 0);
  expect_state(job, 0, NTK_POINT_PENDING, "");
}

static void test_endings(const ntk_job *job) {
  sweep_write_event(job, 0, "started", "");
  sweep_write_event(job, 0, "failed", "no convergence");
  expect_state(job, 0, NTK_POINT_FAILED, "no convergence");
  EXPECT(look(job, 0).seconds == 2.5 && look(job, 0).host[0] && look(job, 0).since[0]);
  sweep_write_event(job, 0, "stopped", "SIGUSR1");
  expect_state(job, 0, NTK_POINT_PENDING, "SIGUSR1");
  sweep_write_event(job, 0, "failed", "no convergence");
  sweep_write_results(job, 0, true); /* by another run, say */
  expect_state(job, 0, NTK_POINT_DONE, "");
  EXPECT(isnan(look(job, 0).seconds)); /* that of the failure is not meant */
  remove_point(job, 0);
}

/* ---- who is at work ---------------------------------------------------------------------------- */

static void test_running(const ntk_job *job) {
  char path[NTK_PATH_SIZE], wanted[64];

  sweep_write_event(job, 0, "started", "");
  expect_state(job, 0, NTK_POINT_PENDING, "interrupted; begun 2"); /* nobody has the lock */
  ntk_lock *lock = sweep_lock(job, 0);
  const ntk_point_facts facts = look(job, 0);

  (void)snprintf(wanted, sizeof(wanted), ":%ld (4 ranks", (long)getpid());
  expect_state(job, 0, NTK_POINT_RUNNING, wanted);
  EXPECT(facts.seconds >= 0 && facts.seconds < 60 && facts.ranks == 4 && !facts.stage[0]);
  EXPECT(facts.process == (long)getpid() && strstr(facts.message, facts.since));
  expect_state(job, 1, NTK_POINT_PENDING, ""); /* of the same unit */
  expect_state(job, 2, NTK_POINT_PENDING, "");
  sweep_write_event(job, 0, "stage", "kernel");
  EXPECT_TEXT(look(job, 0).stage, "kernel");
  sweep_write_results(job, 0, false);
  expect_state(job, 0, NTK_POINT_RUNNING, wanted);
  ntk_point_path(job, &job->point[0], "results.h5", path);
  EXPECT(truncate(path, 1000) == 0);
  expect_state(job, 0, NTK_POINT_RUNNING, wanted); /* it is computed again */
  sweep_write_event(job, 0, "failed", "no convergence");
  expect_state(job, 0, NTK_POINT_DAMAGED, "truncated");
  EXPECT(unlink(path) == 0);
  expect_state(job, 0, NTK_POINT_FAILED, "no convergence");
  sweep_write_event(job, 0, "started", ""); /* once more */
  expect_state(job, 0, NTK_POINT_RUNNING, wanted);
  ntk_lock_release(&lock);
  expect_state(job, 0, NTK_POINT_PENDING, "interrupted");
  remove_point(job, 0);
}

/* Of a killed process the lock stays; and another process that has the unit is not at this point. */
static void test_killed(const ntk_job *job) {
  const pid_t child = fork();

  EXPECT(child >= 0);
  if (child == 0) {
    (void)sweep_lock(job, 4);
    sweep_write_event(job, 4, "started", "");
    (void)kill(getpid(), SIGKILL);
  }
  EXPECT(waitpid(child, NULL, 0) == child);
  expect_state(job, 4, NTK_POINT_PENDING, "interrupted; begun 2");
  ntk_lock *lock = sweep_lock(job, 4);

  expect_state(job, 4, NTK_POINT_PENDING, "interrupted");
  sweep_write_event(job, 4, "started", "");
  expect_state(job, 4, NTK_POINT_RUNNING, "(4 ranks");
  ntk_lock_release(&lock);
  remove_point(job, 4);
}

/* ---- failures ---------------------------------------------------------------------------------- */

static ntk_status look_again(void *context) {
  const ntk_job *job = context;
  ntk_point_facts facts;

  NTK_TRY(ntk_point_look(job, &job->point[1], &facts));
  return facts.state == NTK_POINT_DAMAGED ? NTK_E_INPUT : NTK_OK;
}

static void test_faults(ntk_job *job) {
  char path[NTK_PATH_SIZE];
  ntk_point_facts facts;

  sweep_write_results(job, 1, false);
  sweep_write_event(job, 1, "started", "");
  EXPECT(sweep_faults_in("src/run/", look_again, job) >= 1);
  EXPECT(sweep_faults_in("src/store/", look_again, job) >= 5);
  remove_point(job, 1);
  sweep_point_folder(job, 1);
  ntk_point_path(job, &job->point[1], "log.jsonl", path);
  if (symlink(path, path) == 0) {
    EXPECT_REFUSED(ntk_point_look(job, &job->point[1], &facts), NTK_E_IO, "log.jsonl");
  }
  remove_point(job, 1);
}

int main(int argc, char **argv) {
  ntk_job job = {0};

  begin_test(&argc, &argv);
  folder_make(folder);
  sweep_load(folder, config, &job);
  expect_state(&job, 5, NTK_POINT_PENDING, "");
  EXPECT(access(job.directory, F_OK) != 0);
  EXPECT_OK(ntk_directory_make(job.directory));
  test_locks(&job);
  test_units();
  test_results(&job);
  test_endings(&job);
  EXPECT(access(folder_path(job.directory, "locks"), F_OK) != 0);
  test_running(&job);
  test_killed(&job);
  test_faults(&job);
  ntk_job_destroy(&job);
  EXPECT(ntk_memory_balance() == 0);
  folder_remove(folder);
  MPI_Finalize();
  return 0;
}
