/* A sweep gives the same numbers whatever groups its ranks form: kernels to the last bit, spectra to
 * rounding; units are made of the points that share their kernels; a shard is a part of the whole;
 * without output nothing is written; files of data are read once, by whatever groups; a long silence
 * ends with what is at work; why points fail is said once.
 *
 * Method: six points of three sizes and two solver cutoffs, in one folder by groups as the runner
 * chooses them, in another by all ranks together; inotify tells how often a file was opened. */
//TEST ranks=1,2,3,4,6
#include <fcntl.h>
#include <math.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../src/run/crew.h"
#include "faults.h"
#include "folder.h"
#include "ntk/base/log.h"
#include "ntk/run/folder.h"
#include "ntk/run/job.h"
#include "ntk/run/runner.h"
#include "ntk/run/sources.h"
#include "ntk/run/units.h"
#include "ntk/store/file.h"

static const char config[] =
    "data: {source: gaussian, dimension: 3, train: {count: 12}, test: {count: 4}}\n"
    "network: {kind: mlp, depth: 1, width: 6}\n"
    "analyses: [summary, {effective_dimension: {ridge: [0.1, 1]}}]\n"
    "sweep: {data.train.count: [12, 20, 30], spectrum.cutoff: [0, 1e-3]}\n";

enum { POINTS = 6, UNITS = 3 };

static ntk_comm comm;
static char folder[4096];

static void load_text(const char *text, const char *out, const char *more, ntk_job *job) {
  const char *path = folder_path(folder, "config.yaml");
  char directory[4600];
  ntk_problems problems = {0};

  if (comm.rank == 0) EXPECT_OK(ntk_file_write_text(path, text));
  MPI_Barrier(MPI_COMM_WORLD);
  (void)snprintf(directory, sizeof(directory), "output.directory=%s/%s", folder, out);
  const char *const sets[] = {directory, more};

  EXPECT_OK(ntk_job_load(path, more ? 2 : 1, sets, job, &problems));
  if (problems.count) FAIL("%s", ntk_text_string(&problems.text));
  ntk_problems_destroy(&problems);
  MPI_Barrier(MPI_COMM_WORLD);
}

static void load(const char *out, const char *more, ntk_job *job) {
  load_text(config, out, more, job);
}

static void check_units(void) {
  ntk_job job = {0};
  ntk_units units = {0};

  load("units", NULL, &job);
  EXPECT_OK(ntk_units_make(&job, &units));
  EXPECT(job.point_count == POINTS && units.count == UNITS && units.first[UNITS] == POINTS);
  for (int64_t k = 0; k < POINTS; ++k) EXPECT(units.point[k] == k);
  for (int64_t k = 0; k <= UNITS; ++k) EXPECT(units.first[k] == 2 * k);
  ntk_units_destroy(&units);
  ntk_job_destroy(&job);
}

static void run(const char *out, const char *more, const ntk_run_options *options,
                ntk_run_counts *counts) {
  ntk_job job = {0};

  load(out, more, &job);
  EXPECT_OK(ntk_run_job(&comm, &job, options, counts));
  EXPECT(counts->failed == 0 && counts->left == 0 && counts->elsewhere == 0);
  ntk_job_destroy(&job);
  MPI_Barrier(MPI_COMM_WORLD);
}

static void read_point(const ntk_job *job, int64_t k, const char *name, ntk_variable *v) {
  char path[NTK_PATH_SIZE];

  ntk_point_path(job, &job->point[k], "results.h5", path);
  EXPECT_OK(ntk_file_read_variable(path, name, v));
}

static void compare(const ntk_job *a, const ntk_job *b, const char *name, double tolerance) {
  for (int64_t k = 0; k < POINTS; ++k) {
    ntk_variable x = {0}, y = {0};

    read_point(a, k, name, &x);
    read_point(b, k, name, &y);
    const double *u = x.data, *v = y.data;
    double scale = 0;

    EXPECT(x.count == y.count && x.count > 0);
    for (int64_t i = 0; i < x.count; ++i) scale = fmax(scale, fabs(u[i]));
    for (int64_t i = 0; i < x.count; ++i) {
      if (!(fabs(u[i] - v[i]) <= tolerance * scale)) FAIL("%s: %.17g, %.17g", name, u[i], v[i]);
    }
    ntk_variable_destroy(&x);
    ntk_variable_destroy(&y);
  }
}

static void check_numbers(void) {
  ntk_run_counts counts = {0};
  ntk_job chosen = {0}, together = {0};
  char fixed[64];

  (void)snprintf(fixed, sizeof(fixed), "run.group_ranks=%d", comm.size);
  run("chosen", NULL, NULL, &counts);
  EXPECT(counts.computed == POINTS && counts.skipped == 0);
  run("together", fixed, NULL, &counts);
  EXPECT(counts.computed == POINTS);
  run("chosen", NULL, NULL, &counts);
  EXPECT(counts.computed == 0 && counts.skipped == POINTS);
  load("chosen", NULL, &chosen);
  load("together", fixed, &together);
  if (comm.rank == 0) {
    compare(&chosen, &together, "kernel/diagonal", 0);
    compare(&chosen, &together, "kernel/preview", 0);
    compare(&chosen, &together, "kernel/initial_output", 0);
    compare(&chosen, &together, "spectrum/eigenvalue", 1e-12);
    compare(&chosen, &together, "effective_dimension/df1", 1e-8);
  }
  ntk_job_destroy(&chosen);
  ntk_job_destroy(&together);
}

static void check_shards(void) {
  ntk_run_counts counts = {0};
  int64_t computed = 0;

  for (int64_t k = 1; k <= 2; ++k) {
    const ntk_run_options options = {.shard = {k, 2}};

    run("shards", NULL, &options, &counts);
    EXPECT(counts.computed > 0 && counts.computed < POINTS);
    computed += counts.computed;
  }
  EXPECT(computed == POINTS);
  run("shards", NULL, NULL, &counts);
  EXPECT(counts.computed == 0 && counts.skipped == POINTS);
}

static void check_dry(void) {
  ntk_run_counts counts = {0};

  run("dry", "output.keep=[]", NULL, &counts);
  EXPECT(counts.computed == POINTS && access(folder_path(folder, "dry"), F_OK) != 0);
}

/* ---- files are read once per job --------------------------------------------------------------- */

static const char files[] =
    "data: {source: npy, inputs: x.npy, labels: x.npy, train: {count: 12}, test: {count: 4}}\n"
    "network: {kind: mlp, depth: 1, width: 6}\n"
    "sweep: {data.inputs: [x.npy, z.npy], network.seed: 0..3}\n";

enum { SAMPLES = 20 };

/* Old enough to be hashed once and for all. */
static void write_npy(const char *name, double first) {
  const char *path = folder_path(folder, name);
  const struct timespec then[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
  char header[119] = "{'descr': '<f8', 'fortran_order': False, 'shape': (20,), }";
  FILE *file = fopen(path, "wb");

  memset(header + strlen(header), ' ', 117 - strlen(header));
  header[117] = '\n';
  EXPECT(file && fwrite("\x93NUMPY\x01\x00\x76\x00", 1, 10, file) == 10);
  EXPECT(fwrite(header, 1, 118, file) == 118);
  for (int k = 0; k < SAMPLES; ++k) {
    const double value = first + sin(k);

    EXPECT(fwrite(&value, sizeof(value), 1, file) == 1);
  }
  EXPECT(fclose(file) == 0 && utimensat(AT_FDCWD, path, then, 0) == 0);
}

/* How often a file was opened, by whomever. */
static int count_opened(int notices) {
  _Alignas(struct inotify_event) char buffer[4096];
  ssize_t length = 0;
  int opened = 0;

  while ((length = read(notices, buffer, sizeof(buffer))) > 0) {
    for (const char *next = buffer; next < buffer + length;) {
      struct inotify_event event;

      memcpy(&event, next, sizeof(event));
      opened += (event.mask & IN_OPEN) != 0;
      next += sizeof(event) + event.len;
    }
  }
  return opened;
}

static void check_reads(const char *out, const char *groups) {
  ntk_run_counts counts = {0};
  ntk_job job = {0};
  int notices = -1;

  load_text(files, out, groups, &job);
  if (comm.rank == 0) {
    notices = inotify_init1(IN_NONBLOCK);
    EXPECT(notices >= 0);
    EXPECT(inotify_add_watch(notices, folder_path(folder, "z.npy"), IN_OPEN | IN_CLOSE) >= 0);
  }
  MPI_Barrier(MPI_COMM_WORLD);
  EXPECT_OK(ntk_run_job(&comm, &job, NULL, &counts));
  EXPECT(counts.computed == 8 && counts.failed == 0);
  MPI_Barrier(MPI_COMM_WORLD);
  if (comm.rank == 0) {
    const int opened = count_opened(notices);

    if (opened != 1) FAIL("z.npy was opened %d times", opened);
    EXPECT(close(notices) == 0);
  }
  ntk_job_destroy(&job);
}

/* Rank 0 hands on what it has read. */
static ntk_status share(const ntk_comm *ranks, void *context) {
  ntk_job *job = context;
  ntk_data_cache cache = {0};
  ntk_data data = {0};
  const bool pending[8] = {true, true, true, true, true, true, true, true};
  ntk_status status = NTK_OK;

  for (int k = 0; k < 8 && status == NTK_OK && ranks->rank == 0; k += 4) {
    status = ntk_data_load(&job->point[k].settings.data, &cache, &data);
    ntk_data_destroy(&data);
  }
  status = ntk_agree(ranks, status);
  if (status == NTK_OK) status = ntk_sources_share(ranks, job, pending, &cache);
  for (int k = 0; k < cache.count && status == NTK_OK; ++k) {
    double sum = 0;

    EXPECT(cache.count == 2 && cache.held[k].raw.train_count == SAMPLES);
    for (int i = 0; i < SAMPLES; ++i) sum += cache.held[k].raw.train_inputs[i];
    for (int i = 0; i < SAMPLES; ++i) sum -= sin(i);
    EXPECT(fabs(sum - (k == 0 ? 0.5 * SAMPLES : 0)) < 1e-12);
  }
  ntk_data_cache_destroy(&cache);
  return status;
}

static void check_sharing(void) {
  ntk_job job = {0};

  load_text(files, "sharing", NULL, &job);
  EXPECT(sweep_faults_everywhere(&comm, share, &job) > 0);
  ntk_job_destroy(&job);
}

static void check_files(void) {
  if (comm.rank == 0) {
    write_npy("x.npy", 0);
    write_npy("z.npy", 0.5);
  }
  check_reads("reads", NULL);
  check_reads("reads_alone", "run.group_ranks=1");
}

/* A disk that cannot hold what the plan says: refused before anything is computed. */
static void check_room(void) {
  ntk_job job = {0};

  load("chosen", NULL, &job);
  EXPECT_OK(ntk_folder_check_room(&job, 1000));
  EXPECT_REFUSED(ntk_folder_check_room(&job, 1e30), NTK_E_CREATE, "GiB are missing");
  ntk_job_destroy(&job);
}

/* After half a minute of silence: the point at work, its stage, what is done and what failed. */
static void check_sign_of_life(void) {
  const char *path = folder_path(folder, "stderr");
  char text[400] = "";
  ntk_job job = {.point_count = 9};
  ntk_crew crew = {.job = &job, .world = &comm, .at_work = {.unit = -1, .failed = 1, .points = 2}};

  crew.place.stage = "spectrum";
  crew.board = (ntk_news_board){.points = 9, .points_done = 4, .points_failed = 1, .left = 100,
                                .patience = 60};
  crew.board.spoken = crew.board.asked = ntk_now();
  const int file = open(path, O_RDWR | O_CREAT, 0666), screen = dup(2);

  EXPECT(file >= 0 && screen >= 0 && dup2(file, 2) == 2);
  ntk_log_enable(true);
  ntk_log_about("point 7 of 9");
  ntk_news_tick(&crew);
  crew.board.spoken -= 31;
  ntk_news_tick(&crew);
  ntk_news_tick(&crew);
  ntk_log_about(NULL);
  ntk_log_enable(false);
  EXPECT(dup2(screen, 2) == 2 && close(screen) == 0);
  EXPECT(pread(file, text, sizeof(text) - 1, 0) > 0 && close(file) == 0);
  if (!strstr(text, " s] point 7 of 9: at work on the spectrum; 4 of 9 done, 2 failed, about "
                    "1.7 min left\n") ||
      strchr(text, '\n')[1]) {
    FAIL("%s", text);
  }
}

/* In full for the first, whose number stands for it until too many others have failed otherwise. */
static void check_failures(void) {
  ntk_failures said = {0};
  char other[32];

  EXPECT_TEXT(ntk_failures_say(&said, 3, "no such file"), "no such file");
  EXPECT_TEXT(ntk_failures_say(&said, 1, "no such files"), "no such files");
  EXPECT_TEXT(ntk_failures_say(&said, 5, "no such file"), "as point 4");
  EXPECT_TEXT(ntk_failures_say(&said, 0, "no such files"), "as point 2");
  EXPECT_TEXT(ntk_failures_say(&said, 3, "no such file"), "no such file"); /* itself, once more */
  for (int k = 2; k <= NTK_FAILURES; ++k) {
    (void)snprintf(other, sizeof(other), "reason %d", k);
    EXPECT_TEXT(ntk_failures_say(&said, 10 + k, other), other);
  }
  EXPECT_TEXT(ntk_failures_say(&said, 7, "no such file"), "no such file");
  EXPECT_TEXT(ntk_failures_say(&said, 8, "no such file"), "as point 8");
  EXPECT_TEXT(ntk_failures_say(&said, 9, "reason 2"), "as point 13");
}

/* A grid of one rank each; and one that the job has not enough ranks for. */
static void check_settings(void) {
  ntk_run_counts counts = {0};
  ntk_job job = {0};

  run("grid", "run.grid=[1, 1]", NULL, &counts);
  EXPECT(counts.computed == POINTS);
  load("more", "run.group_ranks=7", &job);
  EXPECT_REFUSED(ntk_run_job(&comm, &job, NULL, &counts), NTK_E_CONFIG, "groups of 7 ranks");
  ntk_job_destroy(&job);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  comm = ntk_comm_of(MPI_COMM_WORLD);
  if (comm.rank == 0) folder_make(folder);
  ntk_comm_broadcast(&comm, 0, folder, sizeof(folder));
  check_units();
  check_numbers();
  check_files();
  if (comm.size == 3) check_sharing();
  if (comm.size < 3) {
    check_shards();
    check_dry();
    check_settings();
    check_room();
    if (comm.size == 1) check_sign_of_life();
    check_failures();
  }
  MPI_Barrier(MPI_COMM_WORLD);
  if (comm.rank == 0) folder_remove(folder);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
