/* Sweeps that run: zipped axes, skipped points, sets that are parts of one another, data and
 * weights from files, points that share an id, ranks that get their keys from rank 0.
 *
 * Method: real jobs in a folder, on 1 and 2 ranks, read back through results.h5 and sweep.h5.  Data
 * are a .npy file whose row i holds i, with class i % 3, so that every sample says who it is. */
//TEST ranks=1,2
#include <math.h>

#include "folder.h"
#include "ntk/run/job.h"
#include "ntk/run/merge.h"
#include "ntk/run/runner.h"
#include "ntk/store/file.h"

enum { SAMPLES = 24, CLASSES = 3 };

static char folder[4096];
static ntk_comm comm;

/* ---- files and jobs ------------------------------------------------------------------------- */

/* Version 1.0 of the format: the header ends at byte 128. */
static void write_npy(const char *name, const char *descr, const char *shape, const void *data,
                      size_t bytes) {
  FILE *file = fopen(folder_path(folder, name), "wb");
  char header[119] = "";

  (void)snprintf(header, sizeof(header), "{'descr': '%s', 'fortran_order': False, 'shape': %s, }",
                 descr, shape);
  memset(header + strlen(header), ' ', 117 - strlen(header));
  header[117] = '\n';
  EXPECT(file && fwrite("\x93NUMPY\x01\x00\x76\x00", 1, 10, file) == 10);
  EXPECT(fwrite(header, 1, 118, file) == 118 && fwrite(data, 1, bytes, file) == bytes);
  EXPECT(fclose(file) == 0);
}

static void write_data(void) {
  double x[SAMPLES][2];
  int64_t label[SAMPLES];

  for (int i = 0; i < SAMPLES; ++i) {
    x[i][0] = i;
    x[i][1] = 1.0 / (1 + i);
    label[i] = i % CLASSES;
  }
  write_npy("x.npy", "<f8", "(24, 2)", x, sizeof(x));
  write_npy("same.npy", "<f8", "(24, 2)", x, sizeof(x));
  x[0][1] = 7;
  write_npy("other.npy", "<f8", "(24, 2)", x, sizeof(x));
  write_npy("y.npy", "<i8", "(24,)", label, sizeof(label));
}

static const char common[] =
    "data: {source: npy, inputs: x.npy, labels: y.npy, targets: one_hot, train: {count: 6},\n"
    "       test: {count: 4}, scale: feature}\n"
    "network: {kind: mlp, depth: 1, width: 4, parameterization: ntk}\n"
    "analyses: [summary, effective_dimension: {label: fine, ridge: [0.1]}]\n"
    "output: {directory: OUT}\n";

/* `common` with a sweep, and the folder of that name for results; keys are read on rank 0 alone. */
static void load(const char *sweep, const char *out, int count, const char *const *sets,
                 ntk_job *job) {
  const char *path = folder_path(folder, "config.yaml");
  ntk_problems problems = {0};
  char text[4096];

  (void)snprintf(text, sizeof(text), "%s%s", common, sweep);
  if (comm.rank == 0) EXPECT_OK(ntk_file_write_text(path, text));
  MPI_Barrier(MPI_COMM_WORLD);
  EXPECT_OK(
      (comm.rank == 0 ? ntk_job_load : ntk_job_load_later)(path, count, sets, job, &problems));
  if (problems.count) FAIL("%s", problems.text.data);
  ntk_problems_destroy(&problems);
  EXPECT_OK(ntk_job_share(&comm, job));
  EXPECT_OK(ntk_arena_copy(&job->arena, folder_path(folder, out), &job->directory));
  MPI_Barrier(MPI_COMM_WORLD);
}

static ntk_run_counts run(const ntk_job *job) {
  ntk_run_counts counts = {0};

  EXPECT_OK(ntk_run_job(&comm, job, NULL, &counts));
  return counts;
}

static void expect_counts(const ntk_job *job, int64_t computed, int64_t skipped) {
  const ntk_run_counts counts = run(job);

  EXPECT(counts.computed == computed && counts.skipped == skipped && counts.failed == 0);
}

/* A variable of a point's results, or of the merged file. */
static ntk_variable read_point(const ntk_job *job, int64_t k, const char *name) {
  char path[NTK_PATH_SIZE];
  ntk_variable v;

  ntk_point_path(job, &job->point[k], "results.h5", path);
  EXPECT_OK(ntk_file_read_variable(path, name, &v));
  return v;
}

static ntk_variable read_merged(const ntk_job *job, const char *name) {
  char path[NTK_PATH_SIZE];
  ntk_variable v;

  (void)snprintf(path, sizeof(path), "%s/sweep.h5", job->directory);
  EXPECT_OK(ntk_file_read_variable(path, name, &v));
  return v;
}

/* ---- sets that are parts of one another ------------------------------------------------------ */

/* The smaller set is the beginning of the larger one: the same samples with the same targets. */
static void expect_beginning(const ntk_job *job, int64_t small, int64_t large) {
  ntk_variable index[2], target[2];
  const int64_t point[2] = {small, large};

  for (int k = 0; k < 2; ++k) {
    index[k] = read_point(job, point[k], "data/index");
    target[k] = read_point(job, point[k], "data/target");
  }
  EXPECT(index[0].count < index[1].count && target[0].size[1] == CLASSES);
  for (int64_t i = 0; i < index[0].count; ++i) {
    EXPECT(((int64_t *)index[0].data)[i] == ((int64_t *)index[1].data)[i]);
    for (int c = 0; c < CLASSES; ++c) {
      const double wanted = ((int64_t *)index[0].data)[i] % CLASSES == c;

      for (int k = 0; k < 2; ++k) {
        EXPECT(((double *)target[k].data)[i * CLASSES + c] == wanted);
      }
    }
  }
  for (int k = 0; k < 2; ++k) {
    ntk_variable_destroy(&index[k]);
    ntk_variable_destroy(&target[k]);
  }
}

static void expect_distinct(const ntk_job *job, int64_t k) {
  ntk_variable index = read_point(job, k, "data/index");
  const int64_t *i = index.data;

  for (int64_t a = 0; a < index.count; ++a) {
    for (int64_t b = 0; b < a; ++b) EXPECT(i[a] != i[b] && i[a] < SAMPLES);
  }
  ntk_variable_destroy(&index);
}

static void test_subsets(void) {
  static const char sweep[] =
      "sweep: {data.train.balanced: [false, true], data.train.count: [3, 6, 12], data.seed: "
      "0..1}\n";
  ntk_job job = {0};

  load(sweep, "subsets", 0, NULL, &job);
  expect_counts(&job, 12, 0);
  for (int64_t k = 0; k < 12 && comm.rank == 0; ++k) {
    const int64_t count = k / 2 % 3;

    expect_distinct(&job, k);
    if (count < 2) expect_beginning(&job, k, k + 2);
    if (count < 1) expect_beginning(&job, k, k + 4);
  }
  ntk_job_destroy(&job);
}

/* ---- weights from files -----------------------------------------------------------------------
 */

static void keep_weights(const ntk_job *job, int64_t k, const char *name) {
  char path[NTK_PATH_SIZE];

  ntk_point_path(job, &job->point[k], "weights.h5", path);
  EXPECT(rename(path, folder_path(folder, name)) == 0);
}

static void test_weights(void) {
  static const char *const sets[] = {"output.keep=[weights]"};
  ntk_job seeds = {0}, files = {0};

  load("sweep: {network.seed: 3..4}\n", "seeds", 1, sets, &seeds);
  expect_counts(&seeds, 2, 0);
  if (comm.rank == 0) {
    EXPECT_OK(ntk_directory_make(folder_path(folder, "w")));
    keep_weights(&seeds, 0, "w/epoch0.h5");
    keep_weights(&seeds, 1, "w/epoch90.h5");
  }
  load("sweep: {network.weights: [w/epoch0.h5, w/epoch90.h5], network.seed: [0, 1]}\n", "weights",
       0, NULL, &files);
  expect_counts(&files, 4, 0);
  if (comm.rank == 0) {
    EXPECT_OK(ntk_merge(&files, false));
    ntk_variable names = read_merged(&files, "weights"), trace = read_merged(&files, "trace");

    EXPECT_TEXT(((char **)names.data)[0], "epoch0.h5");
    EXPECT_TEXT(((char **)names.data)[1], "epoch90.h5");
    for (int k = 0; k < 2; ++k) {
      ntk_variable wanted = read_point(&seeds, k, "trace");

      EXPECT(((double *)trace.data)[2 * k] == *(double *)wanted.data);
      ntk_variable_destroy(&wanted);
    }
    EXPECT(((double *)trace.data)[0] != ((double *)trace.data)[2]);
    ntk_variable_destroy(&names);
    ntk_variable_destroy(&trace);
  }
  ntk_job_destroy(&seeds);
  ntk_job_destroy(&files);
}

/* ---- data from files --------------------------------------------------------------------------
 */

/* Files count by content: points with the same bytes are one point, computed once, and both places
 * of sweep.h5 show it. */
static void test_files(void) {
  ntk_job job = {0};

  load("sweep: {data.inputs: [x.npy, same.npy, other.npy]}\n", "files", 0, NULL, &job);
  EXPECT_TEXT(job.point[0].id, job.point[1].id);
  EXPECT(strcmp(job.point[0].id, job.point[2].id) != 0);
  expect_counts(&job, 2, 1);
  expect_counts(&job, 0, 3);
  if (comm.rank == 0) {
    EXPECT_OK(ntk_merge(&job, false));
    ntk_variable names = read_merged(&job, "inputs"), trace = read_merged(&job, "trace");

    EXPECT_TEXT(((char **)names.data)[1], "same.npy");
    EXPECT(((double *)trace.data)[0] == ((double *)trace.data)[1]);
    EXPECT(((double *)trace.data)[0] != ((double *)trace.data)[2]);
    ntk_variable_destroy(&names);
    ntk_variable_destroy(&trace);
  }
  ntk_job_destroy(&job);
}

/* ---- zip and skip -----------------------------------------------------------------------------
 */

static const char zipped[] =
    "sweep:\n"
    "  data.train.count: [3, 6]\n"
    "  zip: {shape: {label: [wide, deep], network.width: [8, 2], network.depth: [1, 2]},\n"
    "        ridge: {analyses.fine.ridge: [[0.1], [1, 10]], spectrum.block: [4, 8]}}\n"
    "  skip: [{count: 6, shape: deep}]\n";

static void expect_facts(const ntk_job *job, ntk_point_state state) {
  for (int64_t k = 0; k < job->point_count; ++k) {
    ntk_point_facts facts = {0};

    EXPECT_OK(ntk_point_look(job, &job->point[k], &facts));
    EXPECT(facts.state == state);
    if (state != NTK_POINT_DONE) continue;
    EXPECT(facts.seconds > 0 && facts.ranks >= 1 && facts.ranks <= comm.size);
  }
}

static void test_zip(void) {
  ntk_job job = {0};

  load(zipped, "zip", 0, NULL, &job);
  EXPECT(job.point_count == 6 && job.sweep.point_count == 8);
  EXPECT(job.point[3].number == 3 && job.point[4].number == 4);
  EXPECT(strcmp(job.point[0].id, job.point[1].id) != 0); /* an axis behind the kernel */
  EXPECT_TEXT(ntk_point_key(&job.point[0], "kernel"), ntk_point_key(&job.point[1], "kernel"));
  if (comm.rank == 0) expect_facts(&job, NTK_POINT_PENDING);
  expect_counts(&job, 6, 0);
  if (comm.rank == 0) {
    expect_facts(&job, NTK_POINT_DONE);
    ntk_variable wide = read_point(&job, 0, "network/parameters");
    ntk_variable deep = read_point(&job, 2, "network/parameters");

    EXPECT(deep.count > wide.count); /* a hidden layer more */
    ntk_variable_destroy(&wide);
    ntk_variable_destroy(&deep);
  }
  ntk_job_destroy(&job);
}

/* The frozen config, read again from elsewhere: the same points, all done. */
static void test_frozen(void) {
  ntk_problems problems = {0};
  ntk_job job = {0};

  EXPECT_OK(ntk_job_load(folder_path(folder, "zip/config.yaml"), 0, NULL, &job, &problems));
  if (problems.count) FAIL("%s", problems.text.data);
  EXPECT_OK(ntk_arena_copy(&job.arena, folder_path(folder, "zip"), &job.directory));
  EXPECT(job.point_count == 6);
  expect_counts(&job, 0, 6);
  ntk_job_destroy(&job);
}

/* A row with its name or without: the frozen config keeps what was written, so that paths into it
 * lead there still, and the points are the same ones. */
static void test_frozen_names(void) {
  static const char *const sweeps[] = {
      "sweep: {network.weight_init.variance_scaling.variance: [1, 2]}\n",
      "sweep: {network.weight_init.variance: [1, 2]}\n",
      ("sweep: {zip: {init: {network.weight_init.variance_scaling.law: [normal, uniform],\n"
       "                     network.weight_init.variance_scaling.fan: [in, out]}}}\n")};

  for (size_t k = 0; comm.rank == 0 && k < sizeof(sweeps) / sizeof(sweeps[0]); ++k) {
    const char *path = folder_path(folder, "names.yaml");
    ntk_problems problems = {0};
    ntk_job job = {0}, again = {0};
    char text[4096];

    (void)snprintf(text, sizeof(text), "%s%s", common, sweeps[k]);
    EXPECT_OK(ntk_file_write_text(path, text));
    EXPECT_OK(ntk_job_load(path, 0, NULL, &job, &problems));
    EXPECT(job.point_count == 2);
    EXPECT_OK(ntk_file_write_text(path, job.yaml));
    EXPECT_OK(ntk_job_load(path, 0, NULL, &again, &problems));
    if (problems.count) FAIL("%s", problems.text.data);
    for (int p = 0; p < 2; ++p) EXPECT_TEXT(again.point[p].id, job.point[p].id);
    EXPECT_TEXT(again.point[1].yaml, job.point[1].yaml);
    ntk_job_destroy(&job);
    ntk_job_destroy(&again);
  }
}

/* Points may be added by skipping less; other axes are refused, a key more of a zip among them. */
static void test_other_axes(void) {
  static const char *const less[] = {"sweep.skip=[]"};
  static const char *const more[] = {"sweep.zip.shape.network.seed=[1, 2]"};
  ntk_job job = {0};
  ntk_run_counts counts;

  load(zipped, "zip", 1, less, &job);
  expect_counts(&job, 2, 6);
  ntk_job_destroy(&job);
  load(zipped, "zip", 1, more, &job);
  EXPECT_REFUSED(
      ntk_run_job(&comm, &job, NULL, &counts), NTK_E_CONFIG,
      "shape (network.width, network.depth), ridge (analyses.fine.ridge, spectrum.block)");
  ntk_job_destroy(&job);
}

/* ---- keys --------------------------------------------------------------------------------------
 */

/* Every rank has rank 0's keys; ranks with different configs are told so. */
static void test_share(void) {
  ntk_job job = {0};
  ntk_problems problems = {0};
  const char *set[2] = {"network.seed=0", "sweep={network.seed: 0..1}"};
  ntk_key id;

  load(zipped, "share", 0, NULL, &job);
  memcpy(id, job.point[5].id, NTK_KEY_SIZE);
  ntk_comm_broadcast(&comm, 0, id, NTK_KEY_SIZE);
  EXPECT_TEXT(job.point[5].id, id);
  EXPECT(strlen(ntk_point_key(&job.point[5], "fine")) == 32);
  ntk_job_destroy(&job);
  if (comm.size == 1) return;
  EXPECT_OK(ntk_job_load_later(folder_path(folder, "config.yaml"), 1, &set[comm.rank == 0], &job,
                               &problems));
  EXPECT(problems.count == 0);
  EXPECT_REFUSED(ntk_job_share(&comm, &job), NTK_E_CONFIG, "not the same on all ranks");
  ntk_job_destroy(&job);
}

/* All that is wrong with values is said at once, wherever in the sweep it stands. */
static void test_problems(void) {
  static const char sweep[] =
      "sweep:\n"
      "  network.seed: 0..99\n"
      "  network.width: [4, 8, 0, 16, wide]\n"
      "  zip: {x: {network.activation: [relu, rleu], network.depth: [1, -1]}}\n"
      "  skip: [{seed: 0..98, width: 0}]\n";
  ntk_problems problems = {0};
  ntk_job job = {0};
  char text[4096];

  if (comm.rank != 0) return;
  (void)snprintf(text, sizeof(text), "%s%s", common, sweep);
  EXPECT_OK(ntk_file_write_text(folder_path(folder, "config.yaml"), text));
  EXPECT_OK(ntk_job_load(folder_path(folder, "config.yaml"), 0, NULL, &job, &problems));
  if (problems.count != 4) FAIL("%s", problems.text.data);
  EXPECT(strstr(problems.text.data, "config.yaml:8:25: error: network.width: 0 is too small"));
  EXPECT(strstr(problems.text.data, "unknown word 'rleu'; did you mean 'relu'?"));
  ntk_problems_destroy(&problems);
  ntk_job_destroy(&job);
}

/* sweep.h5 has coordinates and groups side by side. */
static void test_names_of_groups(void) {
  static const char taken[] = "sweep: {zip: {fine: {network.width: [4, 8]}}}\n";
  static const char whole[] =
      "sweep: {network: [{depth: 1, width: 4}, {depth: 2, width: 4}],\n"
      "        zip: {case: {spectrum: [{block: 1}, {block: 2}]}}}\n";
  const char *path = folder_path(folder, "config.yaml");
  ntk_problems problems = {0};
  ntk_job job = {0};
  char text[4096];

  load(whole, "whole", 0, NULL, &job);
  EXPECT_TEXT(job.sweep.axis[0].name, "network_section");
  EXPECT_TEXT(job.sweep.axis[1].key[0].name, "spectrum_section");
  ntk_job_destroy(&job);
  if (comm.rank != 0) return;
  (void)snprintf(text, sizeof(text), "%s%s", common, taken);
  EXPECT_OK(ntk_file_write_text(path, text));
  EXPECT_OK(ntk_job_load(path, 0, NULL, &job, &problems));
  EXPECT(problems.count == 1 && strstr(problems.text.data, "'fine' is the name of a group"));
  ntk_problems_destroy(&problems);
  ntk_job_destroy(&job);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  comm = ntk_comm_of(MPI_COMM_WORLD);
  if (comm.rank == 0) {
    folder_make(folder);
    write_data();
  }
  ntk_comm_broadcast(&comm, 0, folder, sizeof(folder));
  test_subsets();
  test_weights();
  test_files();
  test_zip();
  test_frozen();
  test_frozen_names();
  test_other_axes();
  test_share();
  test_problems();
  test_names_of_groups();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Barrier(MPI_COMM_WORLD);
  if (comm.rank == 0) folder_remove(folder);
  MPI_Finalize();
  return 0;
}
