/* A failure anywhere in the runner, on any rank, ends groups of one rank as well as the job in order:
 * the same status and counts everywhere, no memory left, no hang.
 *
 * Method: a job of three points whose ranks form groups as the runner chooses, run twice in a folder;
 * each NTK_CHECK that a rank comes by in the files of the runner fails once, at its first passage.
 * Which group gets which point is left to chance, so a site may not be passed: then all must be
 * well. */
//TEST ranks=1,2 timeout=120
#include "folder.h"
#include "ntk/run/job.h"
#include "ntk/run/runner.h"
#include "ntk/store/file.h"

static const char config[] =
    "data: {source: gaussian, dimension: 3, train: {count: 9}, test: {count: 4}}\n"
    "network: {kind: mlp, depth: 1, width: 5}\n"
    "sweep: {network.seed: 0..2}\n"
    "output: {directory: out}\n";

enum { MOST = 400 };

typedef struct outcome {
  int status, computed, skipped, failed, before, elsewhere, left;
} outcome;

static ntk_comm comm;

static outcome run_once(void) {
  const ntk_run_options options = {.retry_failed = true};
  ntk_problems problems = {0};
  ntk_run_counts c = {0};
  ntk_job job = {0};
  ntk_status status = ntk_agree(&comm, ntk_job_load("faults.yaml", 0, NULL, &job, &problems));

  if (status == NTK_OK) status = ntk_run_job(&comm, &job, &options, &c);
  ntk_job_destroy(&job);
  ntk_problems_destroy(&problems);
  MPI_Barrier(MPI_COMM_WORLD);
  return (outcome){(int)status,   (int)c.computed,      (int)c.skipped, (int)c.failed,
                   (int)c.failed_before, (int)c.elsewhere, (int)c.left};
}

static void expect_same(const outcome *mine, const char *what) {
  outcome least = *mine, most = *mine;

  MPI_Allreduce(MPI_IN_PLACE, &least, 7, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
  MPI_Allreduce(MPI_IN_PLACE, &most, 7, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  if (memcmp(&least, &most, sizeof(least)) != 0) FAIL("outcomes differ between ranks: %s", what);
  if (mine->status == NTK_OK && mine->computed + mine->skipped + mine->failed != 3) {
    FAIL("a point is lost: %d computed, %d skipped, %d failed: %s", mine->computed, mine->skipped,
         mine->failed, what);
  }
}

static bool is_runner(const char *file) {
  static const char *const files[] = {"/runner.c", "/group.c", "/visit.c",   "/claim.c", "/news.c",
                                      "/units.c",  "/stop.c",  "/place.c",   "/folder.c",
                                      "/schedule.c", "/backlog.c", "/lock.c", "/event.c"};

  for (size_t k = 0; k < sizeof(files) / sizeof(files[0]); ++k) {
    if (strstr(file, files[k])) return true;
  }
  return false;
}

static int list_sites(ntk_fault_site **sites) {
  int count = 0;

  for (ntk_fault_site *site = ntk_fault_sites(); site; site = site->next) {
    if (!site->passages || !is_runner(site->file)) continue;
    EXPECT(count < MOST);
    sites[count++] = site;
  }
  return count;
}

static void fail_once(ntk_fault_site *victim, long balance) {
  char what[256] = "another rank";

  if (victim) (void)snprintf(what, sizeof(what), "%s:%d", victim->file, victim->line);
  ntk_fault_reset();
  if (victim) ntk_fault_arm(victim, 0);
  const outcome fresh = run_once(), again = run_once();

  expect_same(&fresh, what);
  expect_same(&again, what);
  const long left = ntk_memory_balance() - balance;

  if (left != 0) FAIL("%ld blocks left: %s", left, what);
  ntk_fault_reset();
  if (comm.rank == 0) folder_remove("out");
  MPI_Barrier(MPI_COMM_WORLD);
}

int main(int argc, char **argv) {
  static ntk_fault_site *sites[MOST];
  char folder[4096] = "";

  begin_test(&argc, &argv);
  comm = ntk_comm_of(MPI_COMM_WORLD);
  if (comm.rank == 0) folder_make(folder);
  ntk_comm_broadcast(&comm, 0, folder, sizeof(folder));
  EXPECT(chdir(folder) == 0);
  if (comm.rank == 0) EXPECT_OK(ntk_file_write_text("faults.yaml", config));
  MPI_Barrier(MPI_COMM_WORLD);
  (void)run_once(); /* what libraries allocate once */
  const long balance = ntk_memory_balance();

  fail_once(NULL, balance);
  const outcome whole = run_once();

  EXPECT(whole.status == NTK_OK && whole.computed == 3);
  const int mine = list_sites(sites);

  for (int rank = 0; rank < comm.size; ++rank) {
    int count = mine;

    ntk_comm_broadcast(&comm, rank, &count, sizeof(count));
    EXPECT(count > 3);
    for (int k = 0; k < count; ++k) fail_once(rank == comm.rank ? sites[k] : NULL, balance);
  }
  EXPECT(chdir("/") == 0);
  MPI_Barrier(MPI_COMM_WORLD);
  if (comm.rank == 0) folder_remove(folder);
  MPI_Finalize();
  return 0;
}
