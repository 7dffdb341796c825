/* One rank failing anywhere never hangs or misleads the others, and costs no memory.
 *
 * Method: a whole job of two points (data, network, kernel, spectrum, every analysis, every file
 * that can be kept) runs twice in a folder, the second time over what the first one left, and counts
 * the passages of each NTK_CHECK on each rank.  Then, rank by rank, site by site, the first and the
 * last passage is made to fail, many jobs in one process.
 * Every job must end with the same status and the same counts on all ranks and leave no memory
 * behind; a job without a fault must succeed afterwards.  A hang is caught by ctest's time limit.
 * On one rank the second run follows every failed first one and must complete it; on several it
 * follows where the fault is still to come. */
//TEST ranks=1,2,4 timeout=280
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ntk/base/memory.h"
#include "ntk/run/job.h"
#include "ntk/run/runner.h"
#include "test.h"

enum { POINTS = 2 };

static const char config[] =
    "name: faults\n"
    "data: {source: gaussian, dimension: 3, function: {sin: {frequency: 1.0}}, noise_std: 0.1,\n"
    "       train: {count: 9}, validation: {count: 3}, test: {count: 4}, center: feature,\n"
    "       scale: sample_rms}\n"
    "network: {kind: mlp, depth: 1, width: 5, activation: tanh, parameterization: ntk}\n"
    "analyses:\n"
    "  - summary\n"
    "  - dynamics: {times: {geomspace: [1e-2, 1e2, 3], zero: true, infinity: true},\n"
    "               predictions: {test: [0, 1]}}\n"
    "  - effective_dimension: {ridge: {geomspace: [1e-2, 1e2, 3]}}\n"
    "  - article_bounds: {noise_variance: 0.1}\n"
    "  - fixed_design_risk: {ridge: [0.1, 1], noise_variance: 0.1}\n"
    "spectrum: {block: 2}\n"
    "sweep: {network.seed: [0, 1]}\n"
    "output: {directory: out, keep: [results, gram, spectrum, test_train, weights, per_layer, predictions]}\n";

static void remove_tree(const char *path) {
  DIR *directory = opendir(path);

  if (!directory) return;
  for (struct dirent *entry; (entry = readdir(directory));) {
    char child[4096];
    struct stat facts;

    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    (void)snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
    if (lstat(child, &facts) == 0 && S_ISDIR(facts.st_mode)) {
      remove_tree(child);
    } else {
      (void)unlink(child);
    }
  }
  (void)closedir(directory);
  (void)rmdir(path);
}

typedef struct outcome {
  int status, computed, skipped, failed;
} outcome;

/* Of the run in an empty folder, and of the one after it. */
typedef struct outcomes {
  outcome fresh, again;
} outcomes;

/* All ranks are one group: what one of them does, the others take part in.  The points of several
 * ranks share their kernel. */
static ntk_status load(const ntk_comm *comm, ntk_job *job) {
  ntk_problems problems = {0};
  char group[64];
  const char *const sets[] = {group, "sweep={analyses.article_bounds.noise_variance: [0.1, 0.2]}"};

  (void)snprintf(group, sizeof(group), "run.group_ranks=%d", comm->size);
  ntk_status status = ntk_job_load("faults.yaml", comm->size > 1 ? 2 : 1, sets, job, &problems);

  if (status == NTK_OK) status = ntk_problems_status(&problems);
  if (status != NTK_OK) ntk_job_destroy(job);
  ntk_problems_destroy(&problems);
  return status;
}

static outcome run_once(const ntk_comm *comm) {
  ntk_job job = {0};
  const ntk_run_options options = {.retry_failed = true};
  ntk_run_counts counts = {0};
  ntk_status status = ntk_agree(comm, load(comm, &job));

  if (status == NTK_OK) status = ntk_run_job(comm, &job, &options, &counts);
  ntk_job_destroy(&job);
  MPI_Barrier(comm->mpi);
  return (outcome){(int)status, (int)counts.computed, (int)counts.skipped, (int)counts.failed};
}

/* A site with its count in the undisturbed job. */
typedef struct target {
  ntk_fault_site *site;
  long passages;
} target;

/* What shall fail; the site is known on one rank, the passage on all. */
typedef struct fault {
  const target *victim;
  int rank;
  long passage;
} fault;

static bool has_struck(const ntk_comm *comm, const fault *f) {
  int struck = f->victim && f->victim->site->passages > f->passage;

  ntk_comm_broadcast(comm, f->rank, &struck, sizeof(struck));
  return struck;
}

/* Without a fault, f is NULL. */
static outcomes run_job(const ntk_comm *comm, const fault *f) {
  outcomes result = {.fresh = run_once(comm)};
  const bool struck = f && has_struck(comm, f);

  if (!struck || comm->size == 1) result.again = run_once(comm);
  if (struck && comm->size == 1) {
    if (result.again.status != NTK_OK || result.again.computed + result.again.skipped != POINTS) {
      FAIL("not completed after a fault at %s:%d", f->victim->site->file, f->victim->site->line);
    }
  }
  if (comm->rank == 0) remove_tree("out");
  MPI_Barrier(comm->mpi);
  return result;
}

static void expect_same(const outcomes *mine, const ntk_comm *comm, const fault *f) {
  outcomes least = *mine, most = *mine;

  MPI_Allreduce(MPI_IN_PLACE, &least, 8, MPI_INT, MPI_MIN, comm->mpi);
  MPI_Allreduce(MPI_IN_PLACE, &most, 8, MPI_INT, MPI_MAX, comm->mpi);
  if (memcmp(&least, &most, sizeof(least)) != 0) {
    FAIL("outcomes differ between ranks, fault at %s:%d", f->victim ? f->victim->site->file : "?",
         f->victim ? f->victim->site->line : 0);
  }
}

static int list_targets(target *targets, int most) {
  int count = 0;

  for (ntk_fault_site *site = ntk_fault_sites(); site; site = site->next) {
    if (!site->passages) continue;
    EXPECT(count < most);
    targets[count++] = (target){site, site->passages};
  }
  return count;
}

static void fail_once(const ntk_comm *comm, const fault *f, long balance) {
  const target *victim = f->victim;

  ntk_fault_reset();
  if (victim) ntk_fault_arm(victim->site, f->passage);
  const outcomes result = run_job(comm, f);

  expect_same(&result, comm, f);
  if (ntk_memory_balance() != balance) {
    FAIL("%ld blocks left, fault at %s:%d", ntk_memory_balance() - balance,
         victim ? victim->site->file : "(another rank)", victim ? victim->site->line : 0);
  }
}

int main(int argc, char **argv) {
  enum { MOST = 4000 };
  static target targets[MOST];
  char folder[] = "/dev/shm/ntkrun-faults-XXXXXX", fallback[] = "/tmp/ntkrun-faults-XXXXXX";

  begin_test(&argc, &argv);
  const ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD);
  char *place = folder;

  if (comm.rank == 0) {
    if (!mkdtemp(folder)) EXPECT(place = mkdtemp(fallback));
    EXPECT(chdir(place) == 0);
    FILE *file = fopen("faults.yaml", "w");
    EXPECT(file && fputs(config, file) >= 0 && fclose(file) == 0);
  }
  char shared[64] = "";
  if (comm.rank == 0) (void)snprintf(shared, sizeof(shared), "%s", place);
  ntk_comm_broadcast(&comm, 0, shared, sizeof(shared));
  EXPECT(chdir(shared) == 0);

  (void)run_job(&comm, NULL); /* what libraries allocate once */
  const long balance = ntk_memory_balance();
  ntk_fault_reset();
  const outcomes whole = run_job(&comm, NULL);
  if (whole.fresh.status != NTK_OK || whole.fresh.failed) {
    FAIL("undisturbed: %s", ntk_last_error()->text);
  }
  EXPECT(whole.fresh.computed == POINTS && whole.again.skipped == POINTS);
  const int mine = list_targets(targets, MOST);
  int faults = 0;

  for (int rank = 0; rank < comm.size; ++rank) {
    int count = mine;

    ntk_comm_broadcast(&comm, rank, &count, sizeof(count));
    EXPECT(count > (rank ? 20 : 100));
    for (int k = 0; k < count; ++k) {
      const target *victim = rank == comm.rank ? &targets[k] : NULL;
      long last = victim ? victim->passages - 1 : 0;

      ntk_comm_broadcast(&comm, rank, &last, sizeof(last));
      fail_once(&comm, &(fault){victim, rank, 0}, balance);
      if (last > 0) fail_once(&comm, &(fault){victim, rank, last}, balance);
      faults += 1 + (last > 0);
    }
  }
  ntk_fault_reset();
  const outcomes last = run_job(&comm, NULL);
  EXPECT(last.fresh.status == NTK_OK && last.fresh.computed == POINTS && last.fresh.failed == 0);
  if (comm.rank == 0) {
    printf("%d faults\n", faults);
    EXPECT(chdir("/") == 0);
    remove_tree(shared);
  }
  MPI_Finalize();
  return 0;
}
