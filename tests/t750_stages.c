/* Stages of a point: what a run has finished the next one takes over, whether it stays in memory or
 * in files; what is reused gives the same results to the last bit; files go when nobody needs them,
 * and not before.
 *
 * Method: small points with and without checkpoints, made to fail behind one stage or another;
 * where kernel and spectrum came from is asked of the place.  Results of disturbed points are
 * compared with those of undisturbed ones, variable by variable. */
//TEST ranks=1,2
#include "folder.h"
#include "ntk/base/memory.h"
#include "ntk/run/place.h"
#include "ntk/run/point.h"
#include "ntk/store/file.h"

static char folder[4096];
static ntk_comm comm;
static ntk_grid grid;

/* ---- jobs ----------------------------------------------------------------------------------- */

static const char network[] =
    "data: {source: gaussian, dimension: 3, function: {sin: {frequency: 1.0}}, noise_std: 0.1,\n"
    "       train: {count: 40}, test: {count: 7}VALIDATION}\n"
    "network: {kind: mlp, depth: 1, width: 9, activation: tanh, parameterization: ntk}\n"
    "spectrum: {block: 8}\n";

static const char usual[] = "analyses: [summary, effective_dimension: {ridge: [0.1, 1]}]\n";

/* Of `out`, with `rest` behind what all have. */
static void load(const char *out, const char *rest, bool validation, ntk_job *job) {
  const char *path = folder_path(folder, "config.yaml");
  const char *mark = strstr(network, "VALIDATION");
  ntk_problems problems = {0};
  char text[4096];

  (void)snprintf(text, sizeof(text), "%.*s%s%s%soutput: {directory: OUT%s}\n",
                 (int)(mark - network), network, validation ? ", validation: {count: 5}" : "",
                 mark + strlen("VALIDATION"), rest,
                 strstr(rest, "#keep") ? strstr(rest, "#keep") + 5 : "");
  if (comm.rank == 0) EXPECT_OK(ntk_file_write_text(path, text));
  MPI_Barrier(MPI_COMM_WORLD);
  EXPECT_OK(ntk_job_load(path, 0, NULL, job, &problems));
  if (problems.count) FAIL("%s", problems.text.data);
  ntk_problems_destroy(&problems);
  EXPECT_OK(ntk_arena_copy(&job->arena, folder_path(folder, out), &job->directory));
  MPI_Barrier(MPI_COMM_WORLD);
}

static ntk_status run_point(const ntk_job *job, int64_t k, ntk_place *place) {
  char summary[256];

  place->grid = &grid;
  const ntk_status status = ntk_point_run(job, &job->point[k], place, summary, sizeof(summary));

  MPI_Barrier(MPI_COMM_WORLD);
  return status;
}

static void expect_origins(const ntk_place *place, ntk_stage_origin kernel,
                           ntk_stage_origin spectrum) {
  const ntk_stage_cache *found = &place->stages;

  if (found->kernel_origin != kernel || found->spectrum_origin != spectrum) {
    FAIL("kernel %d, not %d; spectrum %d, not %d", found->kernel_origin, kernel,
         found->spectrum_origin, spectrum);
  }
}

/* Files of the kernel of a point whose names have `part` in them. */
static int count_files(const ntk_job *job, int64_t k, const char *stage, const char *part) {
  char path[NTK_PATH_SIZE];

  (void)snprintf(path, sizeof(path), "%s/kernels/%s", job->directory,
                 ntk_point_key(&job->point[k], stage));
  return access(path, F_OK) == 0 ? folder_count(path, part) : 0;
}

static void end_unit(const ntk_job *job, int64_t count, ntk_place *place) {
  static const int64_t index[] = {0, 1, 2, 3};

  EXPECT_OK(ntk_unit_end(job, count, index, place));
  MPI_Barrier(MPI_COMM_WORLD);
}

/* A check that the job has come by in a source file whose path has `part` in it; rank 0's, because
 * others write nothing. */
static ntk_fault_site *find_site(const char *part) {
  for (ntk_fault_site *site = ntk_fault_sites(); site && comm.rank == 0; site = site->next) {
    if (strstr(site->file, part) && site->passages > 0) return site;
  }
  EXPECT(comm.rank != 0);
  return NULL;
}

/* ---- results -------------------------------------------------------------------------------- */

static void expect_same_variable(const ntk_variable *a, const ntk_record *others) {
  const ntk_variable *b = ntk_record_find(others, a->name);

  EXPECT(b && b->count == a->count && b->kind == a->kind);
  if (a->kind == NTK_KIND_TEXT) return;
  if (!same_bits(a->data, b->data, (size_t)a->count * ntk_kind_size(a->kind))) {
    FAIL("%s differs", a->name);
  }
}

static void expect_same_results(const ntk_job *a, const ntk_job *b, int64_t k) {
  char path[NTK_PATH_SIZE];
  ntk_record left = {0}, right = {0};

  if (comm.rank != 0) return;
  ntk_point_path(a, &a->point[k], "results.h5", path);
  EXPECT_OK(ntk_file_read(path, "", true, &left));
  ntk_point_path(b, &b->point[k], "results.h5", path);
  EXPECT_OK(ntk_file_read(path, "", true, &right));
  EXPECT(left.variable_count == right.variable_count && left.variable_count > 10);
  for (int64_t v = 0; v < left.variable_count; ++v) {
    expect_same_variable(&left.variables[v], &right);
  }
  ntk_record_destroy(&left);
  ntk_record_destroy(&right);
}

/* ---- resuming ------------------------------------------------------------------------------- */

/* The point fails at the first passage of a check in a source file, or at the last, and is run
 * again. */
static void test_resume_behind(const char *part, bool last, const char *name, bool validation,
                               ntk_stage_origin kernel, ntk_stage_origin spectrum) {
  ntk_job whole = {0}, job = {0};
  ntk_place place = {0}, again = {0};
  char rest[512], out[64];

  (void)snprintf(rest, sizeof(rest), "%srun: {checkpoint_after: 0}\n", usual);
  (void)snprintf(out, sizeof(out), "whole-%s-%d", name, validation);
  load(out, rest, validation, &whole);
  ntk_fault_reset();
  EXPECT_OK(run_point(&whole, 0, &place));
  ntk_fault_site *site = find_site(part);
  const long passage = last && site ? site->passages - 1 : 0;
  char again_out[80];

  (void)snprintf(again_out, sizeof(again_out), "%s-again", out);
  const char *other = folder_path(folder, again_out);

  EXPECT_OK(ntk_job_load(folder_path(folder, "config.yaml"), 0, NULL, &job, &(ntk_problems){0}));
  EXPECT_OK(ntk_arena_copy(&job.arena, other, &job.directory));
  ntk_fault_reset();
  if (site) ntk_fault_arm(site, passage);
  EXPECT(run_point(&job, 0, &again) != NTK_OK);
  ntk_fault_reset();
  ntk_place_destroy(&again);
  again = (ntk_place){0};
  EXPECT_OK(run_point(&job, 0, &again));
  expect_origins(&again, kernel, spectrum);
  expect_same_results(&whole, &job, 0);
  end_unit(&job, 1, &again);
  EXPECT(count_files(&job, 0, "kernel", "") == 0 && count_files(&job, 0, "spectrum", "") == 0);
  ntk_place_destroy(&place);
  ntk_place_destroy(&again);
  ntk_job_destroy(&whole);
  ntk_job_destroy(&job);
}

static void test_resume(void) {
  static const struct {
    const char *part, *name;
    bool last;
    ntk_stage_origin kernel, spectrum;
  } stages[] = {{"src/kernel/kernel.c", "kernel", false, NTK_STAGE_RESUMED, NTK_STAGE_COMPUTED},
                {"src/solve/spectrum.c", "spectrum", false, NTK_STAGE_LOADED, NTK_STAGE_COMPUTED},
                {"src/store/group_write.c", "results", true, NTK_STAGE_LOADED, NTK_STAGE_LOADED}};

  for (size_t k = 0; k < sizeof(stages) / sizeof(stages[0]); ++k) {
    for (int validation = 0; validation < 2; ++validation) {
      test_resume_behind(stages[k].part, stages[k].last, stages[k].name, validation,
                         stages[k].kernel, stages[k].spectrum);
    }
  }
}

/* The last rank is told to stop when it has come by so many boundaries. */
typedef struct stopper {
  ntk_stop stop;
  int passed, most;
} stopper;

static void tick(void *context) {
  stopper *s = context;

  if (s->passed++ == s->most && comm.rank == comm.size - 1) ntk_stop_ask(&s->stop, "the test");
}

/* A run of the point that begins with nothing in memory. */
static ntk_status run_until(const ntk_job *job, int most) {
  stopper s = {.most = most};
  ntk_place place = {.stop = &s.stop, .tick = tick, .tick_context = &s};

  EXPECT_OK(ntk_stop_begin(&comm, &job->point[0].settings.run, &s.stop));
  const ntk_status status = run_point(job, 0, &place);

  EXPECT((int)ntk_comm_max(&comm, status) == (int)status);
  ntk_place_destroy(&place);
  ntk_stop_end(&s.stop);
  return status;
}

/* Stopped at one boundary after the other: panels, spectrum, analyses. */
static void test_stops(void) {
  ntk_job whole = {0}, job = {0};
  ntk_place place = {0};
  int runs = 0, most = 2;
  char rest[512];

  (void)snprintf(rest, sizeof(rest), "%srun: {checkpoint_after: 0}\n", usual);
  load("stops-whole", rest, false, &whole);
  EXPECT_OK(run_point(&whole, 0, &place));
  load("stops", rest, false, &job);
  for (; run_until(&job, most) == NTK_E_STOPPED; ++runs) {
    char path[NTK_PATH_SIZE];

    ntk_point_path(&job, &job.point[0], "results.h5", path);
    EXPECT(access(path, F_OK) != 0 && runs < 60);
    most += runs >= 12;
  }
  EXPECT(runs > 12);
  EXPECT_STATUS(run_until(&job, 1000), NTK_OK);
  expect_same_results(&whole, &job, 0);
  ntk_place_destroy(&place);
  ntk_job_destroy(&whole);
  ntk_job_destroy(&job);
}

/* A kernel from a file is read again, its spectrum is not computed again. */
/* Two points with the kernel of k.h5. */
static void load_file(const char *out, ntk_job *job) {
  const char *path = folder_path(folder, "file.yaml");
  ntk_problems problems = {0};

  if (comm.rank == 0) {
    EXPECT_OK(ntk_file_write_text(path,
                                  "kernel: {type: file, path: k.h5, gram: K}\n"
                                  "analyses: [effective_dimension: {label: fine, ridge: [1]}]\n"
                                  "sweep: {analyses.fine.ridge: [[1], [2]]}\n"
                                  "run: {checkpoint_after: 0}\n"));
  }
  MPI_Barrier(MPI_COMM_WORLD);
  EXPECT_OK(ntk_job_load(path, 0, NULL, job, &problems));
  if (problems.count) FAIL("%s", problems.text.data);
  EXPECT_OK(ntk_arena_copy(&job->arena, folder_path(folder, out), &job->directory));
}

static void test_file(void) {
  ntk_job job = {0};
  ntk_place place = {0};
  const ntk_field field = {"K", "a b", "1", "", "", NTK_KIND_REAL};
  const int64_t sizes[] = {3, 3};
  double *k = NULL;
  ntk_record record = {0};

  EXPECT_OK(ntk_record_add(&record, &field, sizes, &k));
  for (int i = 0; i < 9; i += 4) k[i] = 1 + i;
  if (comm.rank == 0) EXPECT_OK(ntk_file_write(folder_path(folder, "k.h5"), 1, &record, NULL));
  load_file("file", &job);
  EXPECT_OK(run_point(&job, 0, &place));
  EXPECT(count_files(&job, 0, "kernel", "") == 0 && count_files(&job, 0, "spectrum", "") == 1);
  ntk_place_destroy(&place);
  EXPECT_OK(run_point(&job, 1, &place));
  expect_origins(&place, NTK_STAGE_COMPUTED, NTK_STAGE_LOADED);
  end_unit(&job, 2, &place);
  EXPECT(count_files(&job, 0, "spectrum", "") == 0);
  ntk_place_destroy(&place);
  ntk_record_destroy(&record);
  ntk_job_destroy(&job);
}

/* ---- files ---------------------------------------------------------------------------------- */

/* Short stages leave nothing; kept files are used by the next run, whose analyses are others. */
static void test_kept(void) {
  static const char keep[] = "#keep, keep: [gram, test_train, spectrum, per_layer]\n";
  ntk_job job = {0}, more = {0};
  ntk_place place = {0};
  char rest[512];

  load("short", usual, false, &job);
  EXPECT_OK(run_point(&job, 0, &place));
  expect_origins(&place, NTK_STAGE_COMPUTED, NTK_STAGE_COMPUTED);
  EXPECT(count_files(&job, 0, "kernel", "") == 0);
  end_unit(&job, 1, &place);
  ntk_job_destroy(&job);

  (void)snprintf(rest, sizeof(rest), "%s%s", usual, keep);
  load("kept", rest, false, &job);
  EXPECT_OK(run_point(&job, 0, &place));
  end_unit(&job, 1, &place);
  EXPECT(count_files(&job, 0, "kernel", "") == 4 && count_files(&job, 0, "kernel", "partial") == 0);
  EXPECT(count_files(&job, 0, "spectrum", "spectrum.h5") == 1);
  (void)snprintf(rest, sizeof(rest),
                 "analyses: [summary, fixed_design_risk: {ridge: [1], "
                 "noise_variance: 0.1}]\n%s",
                 keep);
  load("kept", rest, false, &more);
  EXPECT_OK(run_point(&more, 0, &place));
  expect_origins(&place, NTK_STAGE_LOADED, NTK_STAGE_LOADED);
  end_unit(&more, 1, &place);
  EXPECT(count_files(&job, 0, "kernel", "") == 4);
  ntk_place_destroy(&place);
  ntk_job_destroy(&job);
  ntk_job_destroy(&more);
}

/* A kernel of which only the Gram was kept: what is missing is computed, what is there is loaded.
 */
static void test_half_kept(void) {
  ntk_job job = {0}, more = {0}, whole = {0};
  ntk_place place = {0};
  char rest[512];
  static const char other[] = "analyses: [summary, effective_dimension: {ridge: [3]}]\n";

  (void)snprintf(rest, sizeof(rest), "%s#keep, keep: [gram]\n", usual);
  load("half", rest, false, &job);
  EXPECT_OK(run_point(&job, 0, &place));
  end_unit(&job, 1, &place);
  EXPECT(count_files(&job, 0, "kernel", "") == 2); /* gram.h5, kernel.h5 */
  EXPECT(count_files(&job, 0, "spectrum", "") == 0);
  (void)snprintf(rest, sizeof(rest), "%s#keep, keep: [gram]\n", other);
  load("half", rest, false, &more);
  EXPECT_OK(run_point(&more, 0, &place));
  expect_origins(&place, NTK_STAGE_RESUMED, NTK_STAGE_COMPUTED);
  end_unit(&more, 1, &place);
  load("half-whole", rest, false, &whole);
  EXPECT_OK(run_point(&whole, 0, &place));
  end_unit(&whole, 1, &place);
  expect_same_results(&whole, &more, 0);
  ntk_place_destroy(&place);
  ntk_job_destroy(&job);
  ntk_job_destroy(&more);
  ntk_job_destroy(&whole);
}

/* Damaged files are computed again, as far as they are damaged. */
static void flip(const ntk_job *job, const char *stage, const char *name, long from_end) {
  char path[NTK_PATH_SIZE];

  MPI_Barrier(MPI_COMM_WORLD);
  if (comm.rank == 0) {
    (void)snprintf(path, sizeof(path), "%s/kernels/%s/%s", job->directory,
                   ntk_point_key(&job->point[0], stage), name);
    FILE *file = fopen(path, "r+b");

    EXPECT(file && fseek(file, -from_end, SEEK_END) == 0);
    const int byte = fgetc(file);

    EXPECT(fseek(file, -from_end, SEEK_END) == 0 && fputc(byte ^ 1, file) != EOF);
    EXPECT(fclose(file) == 0);
  }
  MPI_Barrier(MPI_COMM_WORLD);
}

/* Runs the point again without its results, which are the same then. */
static void repeat_point(const ntk_job *job, ntk_place *place) {
  char path[NTK_PATH_SIZE];
  const char *saved = folder_path(folder, "saved.h5");
  ntk_record now = {0}, before = {0};

  ntk_point_path(job, &job->point[0], "results.h5", path);
  if (comm.rank == 0) EXPECT(rename(path, saved) == 0);
  MPI_Barrier(MPI_COMM_WORLD);
  EXPECT_OK(run_point(job, 0, place));
  if (comm.rank != 0) return;
  EXPECT_OK(ntk_file_read(path, "", true, &now));
  EXPECT_OK(ntk_file_read(saved, "", true, &before));
  for (int64_t v = 0; v < now.variable_count; ++v) {
    expect_same_variable(&now.variables[v], &before);
  }
  ntk_record_destroy(&now);
  ntk_record_destroy(&before);
}

static void test_damaged(void) {
  static const char *const files[][2] = {{"kernel", "gram.h5"},
                                         {"kernel", "test_train.h5"},
                                         {"kernel", "kernel.h5"},
                                         {"spectrum", "spectrum.h5"}};
  ntk_job job = {0};
  ntk_place place = {0};
  char rest[512];

  (void)snprintf(rest, sizeof(rest), "%srun: {checkpoint_after: 0}\n", usual);
  load("damaged", rest, false, &job);
  EXPECT_OK(run_point(&job, 0, &place));
  for (long at = 200; at <= 5000; at += 3000) {
    for (size_t f = 0; f < sizeof(files) / sizeof(files[0]); ++f) {
      ntk_place_destroy(&place);
      flip(&job, files[f][0], files[f][1], at);
      repeat_point(&job, &place);
    }
  }
  ntk_place_destroy(&place);
  ntk_job_destroy(&job);
}

/* ---- units ---------------------------------------------------------------------------------- */

/* Points with one kernel: it is computed once; its spectrum as often as there are spectra.  Files
 * stay until all points have their results, and these are on disk. */
static void test_unit(void) {
  static const char config[] =
      "analyses: [summary, effective_dimension: {label: fine, ridge: [0.1]}]\n"
      "run: {checkpoint_after: 0}\n"
      "sweep: {spectrum.block: [8, 4], analyses.fine.ridge: [[0.1], [1]]}\n";
  ntk_job job = {0};
  ntk_place place = {0};
  ntk_backlog backlog = {0};

  load("unit", config, false, &job);
  EXPECT(job.point_count == 4);
  place.backlog = &backlog;
  for (int64_t k = 0; k < 4; ++k) {
    if (k == 3) {
      end_unit(&job, 4, &place); /* one is missing */
      EXPECT(count_files(&job, 0, "kernel", "") == 3);
      EXPECT(comm.rank != 0 || ntk_backlog_count(&backlog) == 3);
      EXPECT(ntk_stage_files_left(&job, &job.point[3]));
    }
    EXPECT_OK(run_point(&job, k, &place));
    expect_origins(&place,
                   k == 0   ? NTK_STAGE_COMPUTED
                   : k == 3 ? NTK_STAGE_LOADED
                            : NTK_STAGE_REUSED,
                   k % 2 == 0 ? NTK_STAGE_COMPUTED
                   : k == 3   ? NTK_STAGE_LOADED
                              : NTK_STAGE_REUSED);
  }
  end_unit(&job, 4, &place);
  EXPECT(ntk_backlog_count(&backlog) == 0 && !ntk_stage_files_left(&job, &job.point[3]));
  for (int64_t k = 0; k < 4; ++k) {
    EXPECT(count_files(&job, k, "kernel", "") == 0 && count_files(&job, k, "spectrum", "") == 0);
  }
  ntk_place_destroy(&place);
  ntk_backlog_destroy(&backlog);
  ntk_job_destroy(&job);
}

/* Several quantities take turns: those that come back stay in files, and nothing stays at the end.
 */
static void test_quantities(void) {
  static const char config[] =
      "kernel: {quantity: [ntk, conjugate]}\n"
      "analyses: [summary, effective_dimension: {label: fine, ridge: [0.1]}]\n"
      "sweep: {analyses.fine.ridge: [[0.1], [1]]}\n";
  static const int64_t later[] = {1};
  ntk_job job = {0};
  ntk_place place = {.later_count = 1, .later = later};

  load("quantities", config, false, &job);
  EXPECT_OK(run_point(&job, 0, &place));
  EXPECT(count_files(&job, 0, "kernel", "") == 3 &&
         count_files(&job, 0, "conjugate/kernel", "") == 3);
  place.later_count = 0;
  EXPECT_OK(run_point(&job, 1, &place));
  EXPECT(place.stages.kernel_origin == NTK_STAGE_LOADED);
  end_unit(&job, 2, &place);
  EXPECT(count_files(&job, 0, "kernel", "") == 0 &&
         count_files(&job, 0, "conjugate/kernel", "") == 0);
  ntk_place_destroy(&place);
  ntk_job_destroy(&job);
}

static long passages_in(const char *part) {
  long passages = 0;

  for (ntk_fault_site *site = ntk_fault_sites(); site; site = site->next) {
    if (strstr(site->file, part)) passages += site->passages;
  }
  return passages;
}

/* A kernel that is not finite is found once; other points fail like the first, until the unit ends. */
static void test_not_finite(void) {
  static const char config[] =
      "analyses: [summary, effective_dimension: {label: fine, ridge: [0.1]}]\n"
      "sweep: {network.weight_init: [{law: normal, variance: 1.0e100}], network.depth: [5],\n"
      "        network.activation: [relu], analyses.fine.ridge: [[0.1], [1]]}\n";
  ntk_job job = {0};
  ntk_place place = {0};

  load("infinite", config, false, &job);
  EXPECT(job.point_count == 2);
  EXPECT_REFUSED(run_point(&job, 0, &place), NTK_E_NUMERIC, "is not finite");
  const long passages = passages_in("src/kernel/");

  EXPECT_REFUSED(run_point(&job, 1, &place), NTK_E_NUMERIC, "is not finite");
  EXPECT(passages_in("src/kernel/") == passages);
  end_unit(&job, 2, &place);
  EXPECT_REFUSED(run_point(&job, 1, &place), NTK_E_NUMERIC, "is not finite");
  EXPECT(passages_in("src/kernel/") > passages);
  ntk_place_destroy(&place);
  ntk_job_destroy(&job);
}

/* The same of a spectrum: of a kernel that is none. */
static void test_indefinite(void) {
  const ntk_field field = {"K", "a b", "1", "", "", NTK_KIND_REAL};
  const int64_t sizes[] = {3, 3};
  double *k = NULL;
  ntk_record record = {0};
  ntk_job job = {0};
  ntk_place place = {0};

  EXPECT_OK(ntk_record_add(&record, &field, sizes, &k));
  for (int i = 0; i < 9; i += 4) k[i] = i - 4;
  if (comm.rank == 0) EXPECT_OK(ntk_file_write(folder_path(folder, "k.h5"), 1, &record, NULL));
  ntk_record_destroy(&record);
  load_file("indefinite", &job);
  EXPECT_REFUSED(run_point(&job, 0, &place), NTK_E_NUMERIC, "not positive semidefinite");
  const long passages = passages_in("src/solve/");

  EXPECT_REFUSED(run_point(&job, 1, &place), NTK_E_NUMERIC, "not positive semidefinite");
  EXPECT(passages_in("src/solve/") == passages);
  end_unit(&job, 2, &place);
  EXPECT_REFUSED(run_point(&job, 1, &place), NTK_E_NUMERIC, "not positive semidefinite");
  EXPECT(passages_in("src/solve/") > passages);
  ntk_place_destroy(&place);
  ntk_job_destroy(&job);
}

/* Nothing is written where nothing shall be. */
static void test_dry(void) {
  ntk_job job = {0};
  ntk_place place = {.dry = true};

  load("dry", "analyses: [summary]\nrun: {checkpoint_after: 0}\n", false, &job);
  EXPECT_OK(run_point(&job, 0, &place));
  end_unit(&job, 1, &place);
  EXPECT(access(job.directory, F_OK) != 0);
  ntk_place_destroy(&place);
  ntk_job_destroy(&job);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  comm = ntk_comm_of(MPI_COMM_WORLD);
  if (comm.rank == 0) folder_make(folder);
  ntk_comm_broadcast(&comm, 0, folder, sizeof(folder));
  EXPECT_OK(ntk_grid_create(&comm, 0, 0, &grid));
  test_resume();
  test_stops();
  test_file();
  test_kept();
  test_half_kept();
  test_damaged();
  test_unit();
  test_quantities();
  test_not_finite();
  test_indefinite();
  test_dry();
  ntk_grid_destroy(&grid);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Barrier(MPI_COMM_WORLD);
  if (comm.rank == 0) folder_remove(folder);
  MPI_Finalize();
  return 0;
}
