/* A plan says what there is to do: axes, points with their cost, what is done, the longest point,
 * and the room that everything takes; of many points a summary; a point that cannot work is named.
 *
 * Method: plans of real configs before and after they ran, as text and as JSON, against the files
 * that appear and the sums over points. */
//TEST ranks=1
#include "ntk/run/plan.h"

#include <sys/stat.h>

#include "folder.h"
#include "json.h"
#include "ntk/run/event.h"
#include "ntk/run/inputs.h"
#include "ntk/run/runner.h"
#include "ntk/store/file.h"
#include "ntk/store/lock.h"

static char folder[4096];

static const char config[] =
    "data: {source: gaussian, dimension: 3, train: {count: 40}, test: {count: 10}}\n"
    "network: {kind: mlp, depth: 1, width: 4}\n"
    "analyses: [summary, effective_dimension: {label: fine}]\n"
    "sweep:\n"
    "  zip: {shape: {label: [wide, \"de\\\"ep\"], network.width: [64, 8], network.depth: [1, 2]}}\n"
    "  data.train.count: [20, 40]\n"
    "  analyses.fine.ridge: [[0.1], [1, 10]]\n"
    "  skip: [{shape: wide, count: 20}]\n"
    "output: {directory: out, keep: [gram, test_train]}\n";

static void load(const char *text, int count, const char *const *sets, ntk_job *job) {
  const char *path = folder_path(folder, "config.yaml");
  ntk_problems problems = {0};

  EXPECT_OK(ntk_file_write_text(path, text));
  EXPECT_OK(ntk_job_load(path, count, sets, job, &problems));
  if (problems.count) FAIL("%s", problems.text.data);
  ntk_problems_destroy(&problems);
  EXPECT_OK(ntk_arena_copy(&job->arena, folder_path(folder, "out"), &job->directory));
}

static char *json_of(const ntk_plan *plan) {
  ntk_text text = {0};
  char *copy = NULL;

  EXPECT_OK(ntk_plan_json(plan, &text));
  copy = malloc(text.length + 1);
  EXPECT(copy);
  memcpy(copy, text.data, text.length + 1);
  ntk_text_destroy(&text);
  return copy;
}

static double number(const char *json, const char *path) {
  return json_real(json_find(json, path));
}

static void expect_string(const char *json, const char *path, const char *wanted) {
  char text[128];

  EXPECT_TEXT(json_text(json_find(json, path), sizeof(text), text), wanted);
}

/* Sums of the points in the JSON are the totals; kept files of one kernel count once. */
static void expect_sums(const char *json, int64_t points) {
  static const char *const sums[] = {"flops", "seconds", "results_bytes"};

  EXPECT(json_count(json_find(json, "points")) == points);
  for (int s = 0; s < 3; ++s) {
    double sum = 0;

    for (int64_t k = 0; k < points; ++k) {
      char path[64];

      (void)snprintf(path, sizeof(path), "points/%d/%s", (int)k, sums[s]);
      sum += number(json, path);
    }
    EXPECT_NEAR(sum, number(json, sums[s]), 1e-12 * sum);
  }
}

static void expect_text(const ntk_plan *plan, bool all, const char *const *parts) {
  ntk_text text = {0};

  EXPECT_OK(ntk_plan_text(plan, all, &text));
  for (; *parts; ++parts) {
    if (!strstr(text.data, *parts)) FAIL("no \"%s\" in\n%s", *parts, text.data);
  }
  ntk_text_destroy(&text);
}

static void test_before(const ntk_job *job) {
  static const char *const shown[] = {"/out: 6 points, 6 pending; 2 skipped\n",
                                      "\n  shape                                 2  wide, de\"ep\n",
                                      "\n    network.width                          64, 8\n",
                                      "  longest  point 1, shape=wide count=40 ridge=[0.1] ",
                                      "  pending       40 ",
                                      "flop/s a rank in products of matrices",
                                      "at least 1 rank needed\n",
                                      NULL};
  ntk_plan plan = {0};

  EXPECT_OK(ntk_plan_make(job, 2, &plan));
  char *json = json_of(&plan);

  EXPECT(plan.longest == 0 && plan.states[NTK_POINT_PENDING] == 6 && !plan.measured);
  expect_text(&plan, false, shown);
  expect_sums(json, 6);
  expect_string(json, "axes/0/name", "shape");
  expect_string(json, "axes/0/values/1", "de\\\"ep");
  EXPECT(number(json, "axes/0/keys/network.depth/1") == 2);
  expect_string(json, "points/2/axes/ridge", "[0.1]");
  EXPECT(number(json, "points/2/axes/count") == 20 && number(json, "points/5/n") == 40);
  expect_string(json, "points/3/state", "pending");
  expect_string(json, "points/3/id", job->point[3].id);
  EXPECT(number(json, "flops_left") == number(json, "flops") && number(json, "ranks") == 2);
  EXPECT(number(json, "kept_bytes") == plan.kept_bytes);
  free(json);
  ntk_plan_destroy(&plan);
}

static double file_size(const char *path) {
  struct stat facts;

  EXPECT(stat(path, &facts) == 0);
  return (double)facts.st_size;
}

/* What a run leaves is what was said, within a factor of 2 where it is an estimate. */
static void test_after(const ntk_job *job) {
  static const char *const parts[] = {"6 points, 6 done; 2 skipped",
                                      "of it left (as the points that are", "  done          40 ",
                                      NULL};
  const ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD);
  ntk_run_counts counts = {0};
  ntk_plan plan = {0};
  double bytes = 0, seconds = 0;

  EXPECT_OK(ntk_run_job(&comm, job, NULL, &counts));
  EXPECT(counts.computed == 6);
  EXPECT_OK(ntk_plan_make(job, 1, &plan));
  for (int64_t k = 0; k < 6; ++k) {
    char path[NTK_PATH_SIZE];
    ntk_point_facts facts = {0};

    ntk_point_path(job, &job->point[k], "results.h5", path);
    bytes += file_size(path);
    EXPECT_OK(ntk_point_look(job, &job->point[k], &facts));
    seconds += facts.seconds;
  }
  EXPECT(plan.measured && plan.states[NTK_POINT_DONE] == 6 && plan.seconds_left == 0);
  EXPECT(plan.bytes_left == 0);
  EXPECT_NEAR(plan.seconds, seconds, 1e-9 + 1e-9 * seconds);
  EXPECT(bytes < 2 * plan.results_bytes && plan.results_bytes < 2 * bytes);
  expect_text(&plan, false, parts);
  ntk_plan_destroy(&plan);
}

/* Of many points a table per axis and the longest ones; --all lists them.  The folder has other axes
 * by now: run's own words say so. */
static void test_many(void) {
  static const char *const set[] = {"sweep={network.seed: 0..29, network.width: [4, 8, 2]}"};
  static const char *const parts[] = {
      "90 points, 90 pending\n",
      "0, 1, 2, 3, 4, 5, 6, 7, ..., 22, 23, 24, 25, 26, 27, 28, 29\n",
      "    8                                  30      0 ",
      "  the longest points\n",
      "  point 2: seed=0 width=8\n",
      "--all lists every point",
      "\n  run will refuse: ",
      "other axes (there: shape (network.width, network.depth), data.train.count, ",
      "analyses.fine.ridge; now: network.seed, network.width); choose another output.directory\n",
      NULL};
  static const char *const all[] = {"\n      2  ", "\n     90  ", "  seed  width\n", NULL};
  ntk_job job = {0};
  ntk_plan plan = {0};

  load(config, 1, set, &job);
  EXPECT_OK(ntk_plan_make(&job, 1, &plan));
  expect_text(&plan, false, parts);
  expect_text(&plan, true, all);
  char *json = json_of(&plan);

  EXPECT(plan.refusal && json_look(json, "problem"));
  free(json);
  ntk_plan_destroy(&plan);
  ntk_job_destroy(&job);
}

/* A disk without room for what is to be kept: run would end with 73, as the plan says before the
 * folder is there. */
static void test_room(void) {
  static const char *const set[] = {"data.train.count=3000000", "output.keep=[results, gram]",
                                    "sweep={network.seed: [0]}"};
  static const char *const parts[] = {"\n  run will refuse: ", "the disk has ", " GiB are missing; ",
                                      "\n           too much for this machine: it has ", NULL};
  ntk_job job = {0};
  ntk_plan plan = {0};

  load(config, 3, set, &job);
  EXPECT_OK(ntk_arena_copy(&job.arena, folder_path(folder, "none/here"), &job.directory));
  EXPECT_OK(ntk_plan_make(&job, 1, &plan));
  EXPECT(plan.refused == NTK_E_CREATE && plan.bytes_left > 8 * 3e6 * 3e6);
  expect_text(&plan, false, parts);
  ntk_plan_destroy(&plan);
  for (int64_t k = 0; k < job.point_count; ++k) job.point[k].settings.output.keep.count = 0;
  EXPECT_OK(ntk_plan_make(&job, 1, &plan));
  EXPECT(!plan.refusal);
  ntk_plan_destroy(&plan);
  ntk_job_destroy(&job);
}

/* Of all HDF5 files below a folder. */
static double sum_sizes(const char *path) {
  struct stat facts;
  double bytes = 0;
  DIR *entries = opendir(path);

  if (!entries) return strstr(path, ".h5") && stat(path, &facts) == 0 ? (double)facts.st_size : 0;
  for (struct dirent *e = readdir(entries); e; e = readdir(entries)) {
    char below[4400];

    EXPECT(snprintf(below, sizeof(below), "%s/%s", path, e->d_name) < (int)sizeof(below));
    if (e->d_name[0] != '.') bytes += sum_sizes(below);
  }
  (void)closedir(entries);
  return bytes;
}

/* All files that a point can keep are as large as the plan says, or a little smaller: where names
 * and configs are all that they hold, where numbers are, where big arrays begin at whole MiB. */
static void test_sizes(void) {
  static const char *const sets[][2] = {
      {"data.train.count=8", "data.test.count=1"},
      {"kernel.quantity=[ntk, conjugate]", "output.keep=[results, predictions, weights]"},
      {"data.train.count=120", "network.depth=2"}};
  static const char text[] =
      "data: {source: gaussian, dimension: 3, train: {count: 40}, test: {count: 10}}\n"
      "network: {kind: mlp, depth: 1, width: 4}\n"
      "analyses: [summary, dynamics: {loss: mse_mean, learning_rate: 1, times: [1, 2, 3]}]\n"
      "output: {directory: out, "
      "keep: [results, gram, spectrum, test_train, weights, predictions, per_layer]}\n";
  const ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD);

  for (size_t k = 0; k < sizeof(sets) / sizeof(sets[0]); ++k) {
    ntk_run_counts counts = {0};
    ntk_job job = {0};
    ntk_plan plan = {0};

    load(text, 2, sets[k], &job);
    EXPECT_OK(ntk_arena_copy(&job.arena, folder_path(folder, "sizes"), &job.directory));
    EXPECT_OK(ntk_plan_make(&job, 1, &plan));
    EXPECT_OK(ntk_run_job(&comm, &job, NULL, &counts));
    const double written = sum_sizes(job.directory), said = plan.results_bytes + plan.kept_bytes;

    if (!(written <= said && said < 2 * written)) FAIL("%d: %g, %g", (int)k, said, written);
    ntk_plan_destroy(&plan);
    folder_remove(job.directory);
    ntk_job_destroy(&job);
  }
}

/* Points that will fail for one reason share a line; where nothing is known there are no totals. */
static void test_shared_problems(void) {
  static const struct {
    const char *set[2], *wanted;
    int ranks;
  } cases[] = {
      {{"spectrum={solver: lapack}", "sweep={network.width: [4, 5, 6]}"},
       "\n  points 1-3 will fail: spectrum.solver: lapack works on 1 rank, this is a run of 2; "
       "choose pdsyevd\n", 2},
      {{"kernel={outputs: {single: {output: 3}}}", "sweep={network.width: [4, 5]}"},
       "\n  points 1-2 will fail: kernel.outputs: no output 3; the network has outputs 0..0\n", 1},
  };

  for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); ++k) {
    const char *const parts[] = {cases[k].wanted, "  pending        ?           ? ", NULL};
    ntk_job job = {0};
    ntk_plan plan = {0};
    ntk_text text = {0};

    load(config, 2, cases[k].set, &job);
    EXPECT_OK(ntk_plan_make(&job, cases[k].ranks, &plan));
    EXPECT_OK(ntk_plan_text(&plan, false, &text));
    expect_text(&plan, false, parts);
    EXPECT(!strstr(text.data, "\n  work  ") && !strstr(text.data, "needed"));
    char *json = json_of(&plan);

    EXPECT(strncmp(json_find(json, "flops_left"), "null", 4) == 0);
    free(json);
    ntk_text_destroy(&text);
    ntk_plan_destroy(&plan);
    ntk_job_destroy(&job);
  }
}

/* A problem with gaps: runs of points, and one line for each reason. */
static void test_gaps(void) {
  static const char *const set[] = {
      "sweep={network.width: [4, 5], spectrum.solver: [lapack, pdsyevd], network.seed: 1..2}"};
  static const char *const parts[] = {"\n  points 1-2, 5-6 will fail: spectrum", "\n  work  ",
                                      NULL};
  ntk_job job = {0};
  ntk_plan plan = {0};

  load(config, 1, set, &job);
  EXPECT_OK(ntk_plan_make(&job, 2, &plan));
  expect_text(&plan, false, parts);
  ntk_plan_destroy(&plan);
  ntk_job_destroy(&job);
}

/* A point that asks for more samples than there are is named; the others are planned. */
static void test_problem(void) {
  static const char *const set[] = {"data={source: npy, inputs: few.npy, labels: few.npy}",
                                    "sweep={data.train.count: [2, 3]}"};
  static const char *const parts[] = {"  point 2 will fail: ", "  work     ", "point 1, count=2",
                                      NULL};
  FILE *file = fopen(folder_path(folder, "few.npy"), "wb");
  char header[119] = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 1), }";
  const double values[2] = {1, 2};
  ntk_job job = {0};
  ntk_plan plan = {0};

  memset(header + strlen(header), ' ', 117 - strlen(header));
  header[117] = '\n';
  EXPECT(file && fwrite("\x93NUMPY\x01\x00\x76\x00", 1, 10, file) == 10);
  EXPECT(fwrite(header, 1, 118, file) == 118 && fwrite(values, 8, 2, file) == 2);
  EXPECT(fclose(file) == 0);
  load(config, 2, set, &job);
  EXPECT_OK(ntk_plan_make(&job, 1, &plan));
  char *json = json_of(&plan);

  EXPECT(plan.problems == 1 && plan.point[1].problem && !plan.point[0].problem);
  expect_text(&plan, false, parts);
  EXPECT(strncmp(json_find(json, "points/1/flops"), "null", 4) == 0);
  EXPECT(json_look(json, "points/1/problem") && !json_look(json, "points/0/problem"));
  free(json);
  ntk_plan_destroy(&plan);
  ntk_job_destroy(&job);
}

/* ---- files that are not there ------------------------------------------------------------------ */

static const char *const few[] = {"data={source: npy, inputs: few.npy, labels: few.npy}",
                                  "sweep={data.train.count: [1, 2]}"};

static ntk_status look(const char *directory, ntk_job *job) {
  ntk_problems problems = {0};
  ntk_status status = ntk_job_look(folder_path(folder, "config.yaml"), 2, few, directory, job,
                                   &problems);

  if (status == NTK_OK) status = ntk_problems_status(&problems);
  ntk_problems_destroy(&problems);
  return status;
}

/* What looks like a missing file is kept with the job; here it counts as a failure. */
static ntk_status look_again(void *context) {
  const ntk_job *there = context;
  ntk_job job = {0};
  ntk_status status = look(there->directory, &job);

  for (int64_t k = 0; status == NTK_OK && k < job.point_count; ++k) {
    if (job.missing || !job.point[k].id[0]) status = NTK_E_MISSING;
  }
  ntk_job_destroy(&job);
  return status;
}

static ntk_status write_inputs(void *context) { return ntk_inputs_write(context); }

/* inputs.txt says what a file contained: ids are known without it, cost is not. */
static void remember_files(const ntk_job *job) {
  static const char *const parts[] = {
      ": 2 points, 2 pending\n",
      "\n  a file is missing, so that of 2 points work, time and memory cannot be told\n",
      "\n  run will refuse: ", "few.npy: No such file or directory\n", NULL};
  ntk_job again = {0};
  ntk_plan plan = {0};

  EXPECT_OK(look(job->directory, &again));
  EXPECT(again.point_count == 2 && strstr(again.missing, "few.npy: No such file"));
  for (int k = 0; k < 2; ++k) EXPECT_TEXT(again.point[k].id, job->point[k].id);
  EXPECT_OK(ntk_plan_make(&again, 1, &plan));
  EXPECT(plan.refused == NTK_E_MISSING && plan.problems == 0 && plan.point[1].cost.n == 2);
  expect_text(&plan, false, parts);
  ntk_plan_destroy(&plan);
  ntk_job_destroy(&again);
}

static void forget_files(const ntk_job *job) {
  static const char *const parts[] = {
      ": 2 points\n", "  ?                                 ?              1           ? ",
      "cannot be told; of 2 not the id either, nor whether they are done\n", NULL};
  ntk_job again = {0};
  ntk_plan plan = {0};

  EXPECT_OK(look(job->directory, &again));
  EXPECT(again.missing && !again.point[0].id[0] && !again.point[1].id[0]);
  EXPECT_OK(ntk_plan_make(&again, 1, &plan));
  expect_text(&plan, false, parts);
  char *json = json_of(&plan);

  EXPECT(strncmp(json_find(json, "points/0/id"), "null", 4) == 0 && number(json, "points/1/n") == 2);
  free(json);
  ntk_plan_destroy(&plan);
  ntk_job_destroy(&again);
}

static void test_missing_files(void) {
  ntk_job job = {0}, other = {0};
  char inputs[NTK_PATH_SIZE];

  load(config, 2, few, &job);
  (void)snprintf(inputs, sizeof(inputs), "%s/inputs.txt", job.directory);
  EXPECT(sweep_faults(write_inputs, &job) > 0);
  EXPECT_OK(look(job.directory, &other));
  EXPECT(!other.missing);
  ntk_job_destroy(&other);
  EXPECT(sweep_faults(look_again, &job) > 0);
  EXPECT(unlink(folder_path(folder, "few.npy")) == 0);
  remember_files(&job);
  EXPECT(unlink(inputs) == 0);
  forget_files(&job);
  EXPECT_STATUS(ntk_job_load(folder_path(folder, "config.yaml"), 2, few, &other, &(ntk_problems){0}),
                NTK_E_MISSING);
  ntk_job_destroy(&job);
}

/* A point that a process is at, and one that has failed. */
static void test_states(void) {
  static const char *const names[] = {"started", "failed"};
  static const char *const set[] = {"data.seed=1"};
  static const char *const parts[] = {"6 points, 1 failed, 1 running, 4 pending", NULL};
  ntk_job job = {0};
  ntk_plan plan = {0};
  ntk_lock *lock = NULL;
  ntk_lock_holder holder;

  load(config, 1, set, &job);
  for (int k = 0; k < 2; ++k) {
    char path[NTK_PATH_SIZE];
    ntk_event event = {.seconds = 0};

    (void)snprintf(event.name, sizeof(event.name), "%s", names[k]);
    ntk_point_path(&job, &job.point[k], "", path);
    EXPECT_OK(ntk_directory_make(path));
    ntk_point_path(&job, &job.point[k], "log.jsonl", path);
    EXPECT_OK(ntk_event_append(path, &event));
  }
  EXPECT_OK(ntk_lock_acquire(job.directory, ntk_point_lock(&job.point[0], 0), 1, &lock, &holder));
  EXPECT_OK(ntk_plan_make(&job, 1, &plan));
  expect_text(&plan, false, parts);
  ntk_plan_destroy(&plan);
  ntk_lock_release(&lock);
  ntk_job_destroy(&job);
}

/* A point whose cost cannot be told is a problem of the plan; here it counts as a failure. */
static ntk_status plan_again(void *context) {
  ntk_plan plan = {0};
  ntk_text text = {0};
  ntk_status status = ntk_plan_make(context, 1, &plan);

  if (status == NTK_OK && (plan.problems || plan.refusal || plan.states[NTK_POINT_DAMAGED])) {
    status = NTK_E_INPUT;
  }
  if (status == NTK_OK) status = ntk_plan_text(&plan, false, &text);
  if (status == NTK_OK) status = ntk_plan_json(&plan, &text);
  ntk_text_destroy(&text);
  ntk_plan_destroy(&plan);
  return status;
}

static ntk_status load_again(void *context) {
  ntk_job job = {0};
  ntk_problems problems = {0};
  ntk_status status = ntk_job_load(context, 0, NULL, &job, &problems);

  if (status == NTK_OK) status = ntk_problems_status(&problems);
  ntk_problems_destroy(&problems);
  ntk_job_destroy(&job);
  return status;
}

int main(int argc, char **argv) {
  char path[4400];
  const char *const two[] = {"data.train.count=40", "analyses.fine.ridge=[0.1]"};
  ntk_job job = {0}, small = {0};

  begin_test(&argc, &argv);
  folder_make(folder);
  load(config, 0, NULL, &job);
  test_before(&job);
  test_after(&job);
  test_many();
  test_room();
  test_sizes();
  test_problem();
  test_missing_files();
  test_shared_problems();
  test_gaps();
  test_states();
  load(config, 2, two, &small);
  EXPECT_OK(ntk_arena_copy(&small.arena, folder_path(folder, "small"), &small.directory));
  EXPECT_OK(ntk_directory_make(small.directory));
  EXPECT_OK(ntk_file_write_text(folder_path(folder, "small/config.yaml"), small.yaml));
  EXPECT(sweep_faults(plan_again, &small) > 10);
  ntk_job_destroy(&small);
  (void)snprintf(path, sizeof(path), "%s", folder_path(folder, "config.yaml"));
  EXPECT(sweep_faults(load_again, path) > 3);
  ntk_job_destroy(&job);
  EXPECT(ntk_memory_balance() == 0);
  folder_remove(folder);
  MPI_Finalize();
  return 0;
}
