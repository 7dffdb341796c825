/* sweep.h5 holds every point's value at its place, by coordinate, and NaN where there is none.
 *
 * Method: results files made by hand for the points of a real config, with values that name point
 * and entry: curves over coordinates that agree, that differ, that are the beginning of longer
 * ones; missing points, groups and files; groups under another key, nested groups, damaged files.
 * Then what merge wrote is read back in C, and by check_xarray.py in xarray with the line of the
 * documentation; likewise for zipped axes, skipped points and the flat form.  That one variable is
 * held at a time is counted; that jobs may write meanwhile is tried with a process that does. */
//TEST ranks=1
#include "ntk/run/merge.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "folder.h"
#include "ntk/run/event.h"
#include "ntk/run/stack.h"
#include "ntk/store/durable.h"
#include "ntk/store/file.h"
#include "ntk/store/lock.h"
#include "ntk/store/own_folder.h"

enum { POINTS = 12, ABSENT = 4, FAILED = 7, STALE = 9, RUNNING = 2, GONE = 5 };

static const char config[] =
    "name: a sweep\n"
    "data: {source: gaussian, dimension: 3, train: {count: 8}, test: {count: 2}}\n"
    "network: {kind: mlp, depth: 1}\n"
    "kernel: {outputs: mean}\n"
    "analyses:\n"
    "  - summary\n"
    "  - dynamics\n"
    "  - effective_dimension: {ridge: [0.1, 1]}\n"
    "sweep:\n"
    "  network.width: [256, 512]\n"
    "  network.weight_init: [he_normal, glorot_normal]\n"
    "  network.seed: 0..2\n"
    "output: {directory: out}\n";

static char folder[4096];

/* ---- results of a point -------------------------------------------------------------------- */

static const ntk_field time_field = {"time", "time", "1", "training time", "D.1", NTK_KIND_REAL};
static const ntk_field test_loss = {"test_loss", "time", "1", "test loss", "D.2", NTK_KIND_REAL};
static const ntk_field steps = {"steps", "time", "1", "a whole number", "", NTK_KIND_INT};
static const ntk_field infinite = {"test_loss_infinity",    "", "1",
                                   "test loss at infinity", "", NTK_KIND_REAL};
static const ntk_field ridge = {"ridge", "ridge", "1", "ridge", "", NTK_KIND_REAL};
static const ntk_field df1 = {"df1", "ridge", "1", "effective dimension", "F1", NTK_KIND_REAL};
static const ntk_field half = {"half", "ridge", "1", "in single precision", "", NTK_KIND_SINGLE};
static const ntk_field mode = {"mode", "mode", "1", "mode", "", NTK_KIND_INT};
static const ntk_field eigenvalue = {"eigenvalue", "mode", "1", "eigenvalue", "", NTK_KIND_REAL};
static const ntk_field square = {"square", "mode free", "1", "two dimensions", "", NTK_KIND_REAL};
static const ntk_field layer = {"layer", "layer", "1", "layer", "", NTK_KIND_TEXT};
static const ntk_field row = {"row", "layer", "1", "an integer of every point", "", NTK_KIND_INT};
static const ntk_field width = {"width", "", "1", "has the name of an axis", "", NTK_KIND_INT};

static ntk_status add_dynamics(int64_t p, ntk_record *record) {
  const int64_t count = 4;
  double *at = NULL, *loss = NULL;
  int64_t *whole = NULL;

  NTK_TRY(ntk_record_add(record, &time_field, &count, &at));
  NTK_TRY(ntk_record_add(record, &test_loss, &count, &loss));
  NTK_TRY(ntk_record_add(record, &steps, &count, &whole));
  for (int64_t k = 0; k < count; ++k) {
    at[k] = (double)(k + p);
    loss[k] = (double)(100 * p + k);
    whole[k] = 10 * p + k;
  }
  NTK_TRY(ntk_record_add_real(record, &infinite, (double)-p));
  NTK_TRY(ntk_record_set_text(record, "rule", "gradient_flow"));
  return ntk_record_set_real(record, "learning_rate", 0.5 * (double)p);
}

static ntk_status add_ridges(int64_t p, ntk_record *record) {
  const int64_t count = 2;
  double *at = NULL, *value = NULL;
  float *single = NULL;

  NTK_TRY(ntk_record_add(record, &ridge, &count, &at));
  NTK_TRY(ntk_record_add(record, &df1, &count, &value));
  NTK_TRY(ntk_record_add(record, &half, &count, &single));
  for (int64_t k = 0; k < count; ++k) {
    at[k] = 0.1 + (double)k;
    value[k] = (double)(10 * p + k);
    single[k] = (float)p / 2;
  }
  return NTK_OK;
}

/* Odd points have two modes, even ones three. */
static ntk_status add_spectrum(int64_t p, ntk_record *record) {
  const int64_t sizes[] = {3 - p % 2, 2};
  double *lambda = NULL, *two = NULL;
  int64_t *number = NULL;

  NTK_TRY(ntk_record_add(record, &mode, sizes, &number));
  NTK_TRY(ntk_record_add(record, &eigenvalue, sizes, &lambda));
  NTK_TRY(ntk_record_add(record, &square, sizes, &two));
  for (int64_t k = 0; k < sizes[0]; ++k) number[k] = k, lambda[k] = (double)(p - k);
  for (int64_t k = 0; k < 2 * sizes[0]; ++k) two[k] = (double)(100 * p + k);
  return ntk_record_set_text(record, "solver", p % 2 ? "lapack" : "pdsyevd");
}

static ntk_status add_layers(int64_t p, ntk_record *record) {
  const int64_t count = 2;
  int64_t *number = NULL;

  NTK_TRY(ntk_record_add(record, &layer, &count, NULL));
  NTK_TRY(ntk_variable_set_text(ntk_record_find(record, "layer"), 0, "dense0"));
  NTK_TRY(ntk_variable_set_text(ntk_record_find(record, "layer"), 1, "readout"));
  NTK_TRY(ntk_record_add(record, &row, &count, &number));
  for (int64_t k = 0; k < count; ++k) number[k] = 2 * p + k;
  return NTK_OK;
}

static ntk_status add_root(int64_t p, ntk_record *record) {
  NTK_TRY(ntk_record_add_int(record, &width, 1000 + p));
  NTK_TRY(ntk_record_set_text(record, "config", "of the point"));
  NTK_TRY(ntk_record_set_text(record, "hosts", "one"));
  return ntk_record_set_int(record, "ranks", 4);
}

/* What a point may hold, and which points do. */
static const struct {
  const char *group;
  ntk_status (*add)(int64_t p, ntk_record *record);
} made[] = {
    {"", add_root},
    {"network", add_layers},
    {"spectrum", add_spectrum},
    {"dynamics", add_dynamics},
    {"effective_dimension", add_ridges},
};

enum { MADE = sizeof(made) / sizeof(made[0]) };

static ntk_status fill_point(const ntk_point *point, ntk_record *records) {
  for (int k = 0; k < MADE; ++k) {
    const char *key = ntk_point_key(point, made[k].group);

    (void)snprintf(records[k].name, NTK_NAME_SIZE, "%s", made[k].group);
    if (point->number == STALE && strcmp(made[k].group, "dynamics") == 0) key = "another key";
    NTK_TRY(ntk_record_set_text(&records[k], "key", key));
    NTK_TRY(made[k].add(point->number, &records[k]));
  }
  (void)snprintf(records[MADE].name, NTK_NAME_SIZE, "of_a_config_before");
  return ntk_record_set_text(&records[MADE], "key", "key");
}

static void write_point(const ntk_job *job, const ntk_point *point) {
  char path[NTK_PATH_SIZE];
  ntk_record records[MADE + 1] = {{.name = ""}};

  ntk_point_path(job, point, "", path);
  EXPECT_OK(ntk_directory_make(path));
  EXPECT_OK(fill_point(point, records));
  ntk_point_path(job, point, "results.h5", path);
  if (point->number != ABSENT && point->number != FAILED) {
    EXPECT_OK(ntk_file_write(path, MADE + 1, records, NULL));
  }
  for (int k = 0; k <= MADE; ++k) ntk_record_destroy(&records[k]);
}

static void write_event(const ntk_job *job, int64_t point, const char *name, const char *message) {
  char path[NTK_PATH_SIZE];
  ntk_event event = {.ranks = 1};

  (void)snprintf(event.name, sizeof(event.name), "%s", name);
  (void)snprintf(event.message, sizeof(event.message), "%s", message);
  ntk_point_path(job, &job->point[point], "log.jsonl", path);
  EXPECT_OK(ntk_event_append(path, &event));
}

static ntk_lock *take_unit(const ntk_job *job, int64_t point) {
  ntk_lock *lock = NULL;
  ntk_lock_holder holder;

  EXPECT_OK(ntk_lock_acquire(job->directory, ntk_point_lock(&job->point[point], 0), 1, &lock, &holder));
  EXPECT(lock);
  return lock;
}

/* A start by a process that has ended. */
static void write_interruption(const ntk_job *job) {
  const pid_t child = fork();

  if (child == 0) {
    write_event(job, GONE, "started", "");
    _exit(0);
  }
  EXPECT(child > 0 && waitpid(child, NULL, 0) == child);
}

/* ---- the merged file ----------------------------------------------------------------------- */

static ntk_variable *variable(const ntk_record *record, const char *name, ntk_kind kind, int rank) {
  ntk_variable *v = ntk_record_find(record, name);

  if (!v) FAIL("no '%s' in group '%s'", name, record->name);
  if (v->kind != kind || v->rank != rank) FAIL("'%s': kind %d, rank %d", name, v->kind, v->rank);
  return v;
}

static bool has_point(int64_t p) { return p != ABSENT && p != FAILED; }

/* Entry k of point p, `width` entries a point. */
static double at(const ntk_variable *v, int64_t p, int64_t k) {
  const int64_t each = v->count / POINTS;

  return v->kind == NTK_KIND_SINGLE ? (double)((float *)v->data)[p * each + k]
                                    : ((double *)v->data)[p * each + k];
}

static void expect_value(double value, bool present, double wanted) {
  EXPECT(present ? value == wanted : isnan(value));
}

static void expect_root(const char *path) {
  ntk_record root = {0};

  EXPECT_OK(ntk_file_read(path, "", false, &root));
  const int64_t *widths = variable(&root, "width", NTK_KIND_INT, 1)->data;
  char **init = variable(&root, "weight_init", NTK_KIND_TEXT, 1)->data;
  char **status = variable(&root, "status", NTK_KIND_TEXT, 3)->data;
  char **message = variable(&root, "message", NTK_KIND_TEXT, 3)->data;
  char **id = variable(&root, "point_id", NTK_KIND_TEXT, 3)->data;
  const ntk_variable *clash = variable(&root, "width_value", NTK_KIND_REAL, 3);

  EXPECT(widths[0] == 256 && widths[1] == 512 && variable(&root, "seed", NTK_KIND_INT, 1));
  EXPECT_TEXT(init[1], "glorot_normal");
  EXPECT_TEXT(ntk_record_find(&root, "width")->long_name, "network.width");
  for (int64_t p = 0; p < POINTS; ++p) {
    EXPECT_TEXT(status[p], p == FAILED    ? "failed"
                           : p == RUNNING ? "running"
                                          : "pending"); /* analyses are missing */
    const char *wanted = p == FAILED    ? "no convergence"
                         : p == RUNNING ? "(1 rank) since 2"
                         : p == GONE    ? "interrupted; begun 2"
                                        : "";

    EXPECT(strstr(message[p], wanted) && !wanted[0] == !message[p][0]);
    EXPECT(strlen(id[p]) == 32);
    expect_value(at(clash, p, 0), has_point(p), 1000 + (double)p);
  }
  EXPECT_TEXT(ntk_record_find_attribute(&root, "title")->text, "a sweep");
  EXPECT(strstr(ntk_record_find_attribute(&root, "config")->text, "network.width"));
  EXPECT(ntk_record_find_attribute(&root, "ranks")->integer == 4);
  EXPECT(!ntk_record_find_attribute(&root, "key"));
  ntk_record_destroy(&root);
}

static void expect_dynamics(const char *path) {
  ntk_record group = {0};

  EXPECT_OK(ntk_file_read(path, "dynamics", false, &group));
  const ntk_variable *time = variable(&group, "time", NTK_KIND_REAL, 4);
  const ntk_variable *loss = variable(&group, "test_loss", NTK_KIND_REAL, 4);
  const ntk_variable *whole = variable(&group, "steps", NTK_KIND_REAL, 4);
  const ntk_variable *rate = variable(&group, "learning_rate", NTK_KIND_REAL, 3);

  EXPECT_TEXT(loss->dimension[0], "width");
  EXPECT_TEXT(loss->dimension[3], "time_index");
  EXPECT_TEXT(loss->long_name, "test loss");
  EXPECT_TEXT(ntk_record_find_attribute(&group, "rule")->text, "gradient_flow");
  EXPECT(!ntk_record_find_attribute(&group, "learning_rate"));
  for (int64_t p = 0; p < POINTS; ++p) {
    const bool present = has_point(p) && p != STALE;

    for (int64_t k = 0; k < 4; ++k) {
      expect_value(at(time, p, k), present, (double)(k + p));
      expect_value(at(loss, p, k), present, (double)(100 * p + k));
      expect_value(at(whole, p, k), present, (double)(10 * p + k));
    }
    expect_value(at(variable(&group, "test_loss_infinity", NTK_KIND_REAL, 3), p, 0), present,
                 (double)-p);
    expect_value(at(rate, p, 0), present, 0.5 * (double)p);
  }
  ntk_record_destroy(&group);
}

/* A coordinate shared by all stays itself; values in single precision stay single. */
static void expect_ridges(const char *path) {
  ntk_record group = {0};

  EXPECT_OK(ntk_file_read(path, "effective_dimension", false, &group));
  const double *ridges = variable(&group, "ridge", NTK_KIND_REAL, 1)->data;
  const ntk_variable *values = variable(&group, "df1", NTK_KIND_REAL, 4);

  EXPECT(ridges[0] == 0.1 && ridges[1] == 1.1);
  EXPECT_TEXT(values->dimension[3], "ridge");
  for (int64_t p = 0; p < POINTS; ++p) {
    expect_value(at(values, p, 1), has_point(p), (double)(10 * p + 1));
    expect_value(at(variable(&group, "half", NTK_KIND_SINGLE, 4), p, 0), has_point(p),
                 (double)p / 2);
  }
  ntk_record_destroy(&group);
}

/* 0, 1 is the beginning of 0, 1, 2: one coordinate, and shorter arrays end in NaN. */
static void expect_spectrum(const char *path) {
  ntk_record group = {0};

  EXPECT_OK(ntk_file_read(path, "spectrum", false, &group));
  const ntk_variable *modes = variable(&group, "mode", NTK_KIND_INT, 1);
  const ntk_variable *lambda = variable(&group, "eigenvalue", NTK_KIND_REAL, 4);
  const ntk_variable *two = variable(&group, "square", NTK_KIND_REAL, 5);
  char **solver = variable(&group, "solver", NTK_KIND_TEXT, 3)->data;

  EXPECT(modes->count == 3 && ((int64_t *)modes->data)[2] == 2 && two->count == 6 * POINTS);
  for (int64_t p = 0; p < POINTS; ++p) {
    for (int64_t k = 0; k < 3; ++k) {
      const bool present = has_point(p) && k < 3 - p % 2;

      expect_value(at(lambda, p, k), present, (double)(p - k));
      expect_value(at(two, p, 2 * k + 1), present, (double)(100 * p + 2 * k + 1));
    }
    EXPECT_TEXT(solver[p], !has_point(p) ? "" : p % 2 ? "lapack" : "pdsyevd");
  }
  ntk_record_destroy(&group);
}

static void expect_layers(const char *path) {
  ntk_record group = {0};

  EXPECT_OK(ntk_file_read(path, "network", false, &group));
  EXPECT_TEXT(((char **)variable(&group, "layer", NTK_KIND_TEXT, 1)->data)[1], "readout");
  for (int64_t p = 0; p < POINTS; ++p) {
    expect_value(at(variable(&group, "row", NTK_KIND_REAL, 4), p, 1), has_point(p),
                 (double)(2 * p + 1));
  }
  ntk_record_destroy(&group);
  EXPECT_STATUS(ntk_file_read(path, "of_a_config_before", false, &group), NTK_E_INPUT);
}

static void look_with_xarray(void) {
  char command[16384];
  const char *root = getenv("NTK_SOURCE_DIR") ? getenv("NTK_SOURCE_DIR") : ".";

  (void)snprintf(command, sizeof(command),
                 "'%s/tools/python' '%s/tests/check_xarray.py' merged '%s'", root, root, folder);
  EXPECT(system(command) == 0);
}

/* ---- tests --------------------------------------------------------------------------------- */

static void load_text(const char *text, const char *const *sets, int count, ntk_job *job) {
  const char *path = folder_path(folder, "config.yaml");
  ntk_problems problems = {0};

  EXPECT_OK(ntk_file_write_text(path, text));
  EXPECT_OK(ntk_job_load(path, count, sets, job, &problems));
  if (problems.count) FAIL("%s", ntk_text_string(&problems.text));
  ntk_problems_destroy(&problems);
  job->directory = folder;
}

static void load(const char *const *sets, int count, ntk_job *job) {
  load_text(config, sets, count, job);
}

static void test_sweep(const ntk_job *job) {
  char path[NTK_PATH_SIZE];

  EXPECT(job->point_count == POINTS);
  EXPECT_OK(ntk_merge(job, false)); /* nothing there yet: all pending */
  EXPECT(folder_count(job->directory, "locks") == 0);
  for (int64_t p = 0; p < POINTS; ++p) write_point(job, &job->point[p]);
  write_event(job, FAILED, "failed", "no convergence");
  write_event(job, RUNNING, "started", "");
  write_interruption(job);
  ntk_lock *lock = take_unit(job, RUNNING);

  EXPECT_OK(ntk_merge(job, false));
  ntk_lock_release(&lock);
  (void)snprintf(path, sizeof(path), "%s", folder_path(folder, "sweep.h5"));
  expect_root(path);
  expect_dynamics(path);
  expect_ridges(path);
  expect_spectrum(path);
  expect_layers(path);
  EXPECT(rename(path, folder_path(folder, "product.h5")) == 0);
}

/* ---- zipped axes, skipped points, further quantities, the flat form ---------------------------
 */

static const char zipped[] =
    "name: zipped\n"
    "data: {source: gaussian, dimension: 3, train: {count: 8}, test: {count: 2}}\n"
    "network: {kind: mlp, depth: 1}\n"
    "kernel: {quantity: [ntk, conjugate]}\n"
    "analyses: [dynamics]\n"
    "sweep:\n"
    "  network.seed: 0..2\n"
    "  zip:\n"
    "    shape: {label: [wide, deep], network.width: [256, 16], network.activation: [relu, erf]}\n"
    "  data.scale: [none, feature]\n"
    "  skip:\n"
    "    - {seed: 1, shape: deep}\n"
    "    - {scale: feature, seed: [0, 2], network.width: 256}\n"
    "output: {directory: out}\n";

/* The zipped sweep has 12 places and 8 points; each writes its place. */
static void write_zipped(const ntk_job *job) {
  for (int64_t k = 0; k < job->point_count; ++k) {
    const ntk_point *point = &job->point[k];
    char path[NTK_PATH_SIZE];
    ntk_record records[3] = {
        {.name = "network"}, {.name = "dynamics"}, {.name = "conjugate/spectrum"}};

    ntk_point_path(job, point, "", path);
    EXPECT_OK(ntk_directory_make(path));
    for (int g = 0; g < 3; ++g) {
      EXPECT_OK(ntk_record_set_text(&records[g], "key", ntk_point_key(point, records[g].name)));
    }
    EXPECT_OK(add_layers(point->number, &records[0]));
    EXPECT_OK(add_dynamics(point->number, &records[1]));
    EXPECT_OK(add_spectrum(point->number, &records[2]));
    ntk_point_path(job, point, "results.h5", path);
    EXPECT_OK(ntk_file_write(path, 3, records, NULL));
    for (int g = 0; g < 3; ++g) ntk_record_destroy(&records[g]);
  }
}

static bool is_left_out(int64_t p) {
  const int64_t seed = p / 4, shape = p / 2 % 2, scale = p % 2;

  return (seed == 1 && shape == 1) || (scale == 1 && seed != 1 && shape == 0);
}

static void expect_zipped(const ntk_job *job, const char *path) {
  ntk_record root = {0}, spectrum = {0};
  int64_t points = 0;

  EXPECT_OK(ntk_file_read(path, "", false, &root));
  EXPECT_OK(ntk_file_read(path, "conjugate/spectrum", false, &spectrum));
  char **status = variable(&root, "status", NTK_KIND_TEXT, 3)->data;
  char **id = variable(&root, "point_id", NTK_KIND_TEXT, 3)->data;
  char **activation = variable(&root, "activation", NTK_KIND_TEXT, 1)->data;
  const int64_t *widths = variable(&root, "width", NTK_KIND_INT, 1)->data;
  const ntk_variable *lambda = variable(&spectrum, "eigenvalue", NTK_KIND_REAL, 4);

  EXPECT_TEXT(((char **)variable(&root, "shape", NTK_KIND_TEXT, 1)->data)[1], "deep");
  EXPECT_TEXT(ntk_record_find(&root, "width")->dimension[0], "shape");
  EXPECT_TEXT(ntk_record_find(&root, "width")->long_name, "network.width");
  EXPECT(widths[0] == 256 && widths[1] == 16);
  EXPECT_TEXT(activation[1], "erf");
  EXPECT_TEXT(ntk_record_find_attribute(&root, "coordinates")->text, "width activation");
  for (int64_t p = 0; p < POINTS; ++p) {
    EXPECT_TEXT(status[p], is_left_out(p) ? "skipped" : "pending");
    EXPECT_TEXT(id[p], is_left_out(p) ? "" : job->point[points].id);
    expect_value(at(lambda, p, 1), !is_left_out(p), (double)(p - 1));
    if (!is_left_out(p)) EXPECT(job->point[points++].number == p);
  }
  EXPECT(points == job->point_count);
  ntk_record_destroy(&root);
  ntk_record_destroy(&spectrum);
}

static void expect_flat(const ntk_job *job, const char *path) {
  ntk_record group = {0};

  EXPECT_OK(ntk_file_read(path, "dynamics", false, &group));
  const ntk_variable *loss = variable(&group, "test_loss", NTK_KIND_REAL, 2);
  const int64_t *seed = variable(&group, "seed", NTK_KIND_INT, 1)->data;
  const int64_t *widths = variable(&group, "width", NTK_KIND_INT, 1)->data;
  char **shape = variable(&group, "shape", NTK_KIND_TEXT, 1)->data;

  EXPECT_TEXT(loss->dimension[0], "point");
  EXPECT_TEXT(loss->dimension[1], "time_index");
  EXPECT_TEXT(ntk_record_find_attribute(&group, "coordinates")->text,
              "seed shape width activation scale time");
  EXPECT(loss->size[0] == job->point_count);
  for (int64_t k = 0; k < job->point_count; ++k) {
    const int64_t p = job->point[k].number;

    EXPECT(((double *)loss->data)[4 * k + 3] == (double)(100 * p + 3));
    EXPECT(seed[k] == p / 4 && widths[k] == (p / 2 % 2 ? 16 : 256));
    EXPECT_TEXT(shape[k], p / 2 % 2 ? "deep" : "wide");
  }
  ntk_record_destroy(&group);
}

static void test_zipped(void) {
  ntk_job job = {0};

  load_text(zipped, NULL, 0, &job);
  EXPECT(job.point_count == 8 && job.sweep.point_count == POINTS);
  write_zipped(&job);
  EXPECT_OK(ntk_merge(&job, false));
  EXPECT_OK(ntk_merge(&job, true));
  expect_zipped(&job, folder_path(folder, "sweep.h5"));
  expect_flat(&job, folder_path(folder, "sweep_flat.h5"));
  EXPECT(rename(folder_path(folder, "sweep.h5"), folder_path(folder, "zipped.h5")) == 0);
  look_with_xarray();
  ntk_job_destroy(&job);
}

/* ---- memory ------------------------------------------------------------------------------------
 */

enum { VARIABLES = 7, MIB = 1 << 20 };

/* Points with arrays of that many entries. */
static void write_large(const ntk_job *job, int64_t size) {
  for (int64_t p = 0; p < job->point_count; ++p) {
    char path[NTK_PATH_SIZE];
    ntk_record record = {.name = "dynamics"};

    ntk_point_path(job, &job->point[p], "", path);
    EXPECT_OK(ntk_directory_make(path));
    EXPECT_OK(ntk_record_set_text(&record, "key", ntk_point_key(&job->point[p], "dynamics")));
    for (int k = 0; k < VARIABLES; ++k) {
      const char name[] = {'v', (char)('0' + k), '\0'};
      const ntk_field field = {name, "wide", "1", "large", "", NTK_KIND_REAL};
      double *data = NULL;

      EXPECT_OK(ntk_record_add(&record, &field, &size, &data));
      data[size - 1] = (double)(10 * p + k);
    }
    ntk_point_path(job, &job->point[p], "results.h5", path);
    EXPECT_OK(ntk_file_write(path, 1, &record, NULL));
    ntk_record_destroy(&record);
  }
}

/*   most  MiB that may be held at one time, since the start of the process */
static void expect_memory(const char *seeds, int64_t points, int64_t size, size_t most) {
  const char *const sets[] = {"network.weight_init=he_normal", "network.seed=0", "network.width=3",
                              seeds};
  ntk_job job = {0};
  ntk_variable last;

  load_text(config, sets, 4, &job);
  EXPECT(job.point_count == points);
  write_large(&job, size);
  EXPECT(ntk_memory_most() < most * MIB);
  EXPECT_OK(ntk_merge(&job, false));
  EXPECT(ntk_memory_most() < most * MIB);
  EXPECT_OK(ntk_file_read_variable(folder_path(folder, "sweep.h5"), "dynamics/v6", &last));
  EXPECT(last.count == points * size);
  EXPECT(((double *)last.data)[last.count - 1] == (double)(10 * (points - 1) + 6));
  ntk_variable_destroy(&last);
  ntk_job_destroy(&job);
}

/* First of all tests, because what was most is counted from the start. */
static void test_memory(void) {
  expect_memory("sweep.data.seed=0..3", 4, 1 << 16, 6);    /* 7 variables of 2 MiB */
  expect_memory("sweep.data.seed=0..15", 16, 1 << 14, 11); /* 7 of 2 MiB again, a few at a time */
}

/* ---- while jobs run ------------------------------------------------------------------------- */

enum { VERSIONS = 20, LENGTH = 3000 };

/* One version of a point: all its entries are the version. */
static void write_version(const ntk_job *job, int64_t p, int version) {
  char path[NTK_PATH_SIZE];
  ntk_record record = {.name = "dynamics"};
  const int64_t count = LENGTH + version % 2;
  double *at_time = NULL, *loss = NULL;

  EXPECT_OK(ntk_record_set_text(&record, "key", ntk_point_key(&job->point[p], "dynamics")));
  EXPECT_OK(ntk_record_add(&record, &time_field, &count, &at_time));
  EXPECT_OK(ntk_record_add(&record, &test_loss, &count, &loss));
  for (int64_t k = 0; k < count; ++k) at_time[k] = loss[k] = version;
  EXPECT_OK(ntk_record_set_int(&record, "version", version));
  ntk_point_path(job, &job->point[p], "", path);
  EXPECT_OK(ntk_directory_make(path));
  ntk_point_path(job, &job->point[p], "results.h5", path);
  EXPECT_OK(ntk_file_write(path, 1, &record, NULL));
  ntk_record_destroy(&record);
}

static void pause_briefly(void) {
  const struct timespec pause = {.tv_nsec = 25000000};

  (void)nanosleep(&pause, NULL);
}

/* A job that writes points again and again, and takes one away. */
static _Noreturn void keep_writing(const ntk_job *job) {
  for (int version = 1; version <= VERSIONS; ++version) {
    char path[NTK_PATH_SIZE];

    pause_briefly();
    write_version(job, version % job->point_count, version);
    ntk_point_path(job, &job->point[0], "results.h5", path);
    if (version % 10 == 4) (void)unlink(path);
  }
  _exit(0);
}

/* Every point of the merged file is of one version, from its attribute to its last entry. */
static void expect_consistent(const ntk_job *job, const char *path) {
  ntk_record group = {0};

  EXPECT_OK(ntk_file_read(path, "dynamics", false, &group));
  const ntk_variable *time = ntk_record_find(&group, "time");
  const ntk_variable *loss = ntk_record_find(&group, "test_loss");
  const ntk_variable *version = ntk_record_find(&group, "version");
  const int64_t length = loss->count / job->point_count;

  for (int64_t p = 0; p < job->point_count && version && version->rank; ++p) {
    const double number = version->kind == NTK_KIND_INT ? (double)((int64_t *)version->data)[p]
                                                        : ((double *)version->data)[p];

    for (int64_t k = 0; k < LENGTH; ++k) {
      const double value = ((double *)loss->data)[p * length + k];

      EXPECT(same_bits(&value, &number, sizeof(value)) || (isnan(value) && isnan(number)));
      EXPECT(time->rank == 1 || ((double *)time->data)[p * length + k] == number || isnan(number));
    }
  }
  ntk_record_destroy(&group);
}

/* Folders in which merges keep the files that they read. */
static int count_own_folders(void) {
  DIR *entries = opendir(folder);
  int count = 0;

  EXPECT(entries);
  for (struct dirent *e = readdir(entries); e; e = readdir(entries)) {
    count += strncmp(e->d_name, ".merge.", 7) == 0;
  }
  (void)closedir(entries);
  return count;
}

static void test_while_written(void) {
  static const char *const sets[] = {"network.weight_init=he_normal", "network.width=5"};
  ntk_job job = {0};
  int ended = 0, merged = 0;

  load_text(config, sets, 2, &job);
  EXPECT(job.point_count == 3);
  for (int64_t p = 0; p < 3; ++p) write_version(&job, p, (int)p);
  const pid_t child = fork();

  if (child == 0) keep_writing(&job);
  EXPECT(child > 0);
  for (; waitpid(child, &ended, WNOHANG) == 0; ++merged) {
    EXPECT_OK(ntk_merge(&job, false));
    expect_consistent(&job, folder_path(folder, "sweep.h5"));
    pause_briefly();
  }
  EXPECT(WIFEXITED(ended) && WEXITSTATUS(ended) == 0 && merged > 2);
  EXPECT(folder_count(folder, ".tmp.") == 0 && count_own_folders() == 0);
  ntk_job_destroy(&job);
}

/* As a merge that is killed leaves it: the child ends at once, or stays. */
static pid_t begin_merge(bool stay) {
  const pid_t child = fork();
  char path[NTK_DURABLE_PATH];

  if (child > 0) return child;
  if (ntk_own_folder_make(folder, "merge", path) != NTK_OK) _exit(1);
  if (ntk_file_write_text(folder_path(path, "sweep.h5.tmp.7"), "half of it") != NTK_OK) _exit(1);
  if (stay) (void)pause();
  _exit(0);
}

/* What a killed merge has left goes, what one at work has there stays; and what cannot be told is kept
 * for a day. */
static void test_left_behind(void) {
  static const char *const sets[] = {"network.weight_init=he_normal", "network.width=5"};
  const char *nobodys = folder_path(folder, ".merge.0");
  const struct timespec old[2] = {{time(NULL) - 90000, 0}, {time(NULL) - 90000, 0}};
  ntk_job job = {0};
  int ended = 0;

  load_text(config, sets, 2, &job);
  const pid_t living = begin_merge(true);

  while (count_own_folders() < 1) pause_briefly();
  EXPECT(waitpid(begin_merge(false), &ended, 0) > 0 && WIFEXITED(ended) && !WEXITSTATUS(ended));
  EXPECT(count_own_folders() == 2);
  EXPECT(mkdir(nobodys, 0777) == 0);
  EXPECT_OK(ntk_merge(&job, false));
  EXPECT(count_own_folders() == 2);
  EXPECT(kill(living, SIGKILL) == 0 && waitpid(living, NULL, 0) == living);
  EXPECT(utimensat(AT_FDCWD, nobodys, old, 0) == 0);
  EXPECT_OK(ntk_merge(&job, false));
  EXPECT(count_own_folders() == 0);
  ntk_job_destroy(&job);
}

/* Replaces a point without a pause. */
static _Noreturn void write_all_the_time(const ntk_job *job) {
  for (int version = 1;; ++version) write_version(job, version % job->point_count, version);
}

static int no_link(const char *file, const char *name) {
  (void)file, (void)name;
  errno = EPERM;
  return -1;
}

/* Without hard links merge tries again, and gives up if points keep changing. */
static void test_without_links(void) {
  static const char *const sets[] = {"network.weight_init=he_normal", "network.width=5"};
  ntk_job job = {0};
  int merged = 0, refused = 0;

  load_text(config, sets, 2, &job);
  for (int64_t p = 0; p < 3; ++p) write_version(&job, p, (int)p);
  EXPECT_OK(ntk_merge_with(&job, false, no_link));
  expect_consistent(&job, folder_path(folder, "sweep.h5"));
  const pid_t child = fork();

  if (child == 0) write_all_the_time(&job);
  for (; merged + refused < 4; pause_briefly()) {
    if (ntk_merge_with(&job, false, no_link) == NTK_OK) {
      ++merged;
      expect_consistent(&job, folder_path(folder, "sweep.h5"));
    } else {
      ++refused;
      EXPECT(strstr(ntk_last_error()->text, "change"));
    }
  }
  EXPECT(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
  ntk_job_destroy(&job);
}

/* A config without sweep is a sweep of one point, without axes. */
static void test_one_point(void) {
  static const char *const sets[] = {"network.width=8", "network.weight_init=he_normal",
                                     "network.seed=0"};
  ntk_job job = {0};
  ntk_record root = {0};
  ntk_variable loss;

  load(sets, 3, &job);
  EXPECT(job.point_count == 1);
  write_point(&job, &job.point[0]);
  EXPECT_OK(ntk_merge(&job, false));
  EXPECT_OK(ntk_file_read(folder_path(folder, "sweep.h5"), "", false, &root));
  EXPECT(variable(&root, "status", NTK_KIND_TEXT, 0) && variable(&root, "width", NTK_KIND_INT, 0));
  ntk_record_destroy(&root);
  EXPECT_OK(ntk_file_read_variable(folder_path(folder, "sweep.h5"), "dynamics/test_loss", &loss));
  EXPECT(loss.rank == 1 && ((double *)loss.data)[3] == 3);
  EXPECT_TEXT(loss.dimension[0], "time");
  ntk_variable_destroy(&loss);
  ntk_job_destroy(&job);
}

/* A file that cannot be read is a damaged point, not a failure of merge; here it counts as one. */
static ntk_status merge_again(void *job) {
  ntk_variable status;
  bool damaged = false;

  NTK_TRY(ntk_merge(job, true));
  NTK_TRY(ntk_file_read_variable(folder_path(folder, "sweep_flat.h5"), "status", &status));
  for (int64_t k = 0; k < status.count; ++k) {
    damaged = damaged || strcmp(((char **)status.data)[k], "damaged") == 0;
  }
  ntk_variable_destroy(&status);
  return damaged ? NTK_E_INPUT : NTK_OK;
}

/* Every check of this floor and of files fails once, on the two points of another sweep. */
static void test_faults(void) {
  static const char *const sets[] = {"network.seed=0", "data.scale=none", "kernel.quantity=ntk"};
  ntk_job job = {0};

  load_text(zipped, sets, 3, &job);
  EXPECT(job.point_count == 2);
  write_zipped(&job);
  EXPECT(sweep_faults_in("src/run/", merge_again, &job) > 2);
  EXPECT(sweep_faults_in("src/store/file.c", merge_again, &job) > 2);
  EXPECT(sweep_faults_in("src/store/own_folder.c", merge_again, &job) > 2);
  EXPECT(sweep_faults_in("src/base/memory.c", merge_again, &job) > 1);
  EXPECT(folder_count(folder, ".tmp.") == 0 && count_own_folders() == 0);
  ntk_job_destroy(&job);
}

/* The point is missing like one that is not there, and the file says why. */
static void test_damage(ntk_job *job) {
  char path[NTK_PATH_SIZE];
  ntk_record root = {0};

  ntk_point_path(job, &job->point[3], "results.h5", path);
  FILE *file = fopen(path, "r+b");
  EXPECT(file && fseek(file, 1000, SEEK_SET) == 0 && fputc('#', file) == '#' && fclose(file) == 0);
  EXPECT_OK(ntk_merge(job, false));
  EXPECT_OK(ntk_file_read(folder_path(folder, "sweep.h5"), "", false, &root));
  EXPECT_TEXT(((char **)ntk_record_find(&root, "status")->data)[3], "damaged");
  EXPECT(strstr(((char **)ntk_record_find(&root, "message")->data)[3], "results.h5"));
  EXPECT(isnan(at(ntk_record_find(&root, "width_value"), 3, 0)));
  ntk_record_destroy(&root);
  write_point(job, &job->point[3]);
}

static void test_refusals(ntk_job *job) {
  job->directory = "/proc/nowhere";
  EXPECT_REFUSED(ntk_merge(job, false), NTK_E_CREATE, "/proc/nowhere");
  job->directory = folder;
}

/* ---- a stack alone ------------------------------------------------------------------------- */

static void write_one(const char *path, const ntk_field *field, int64_t size) {
  ntk_record record = {.name = "g"};

  EXPECT_OK(ntk_record_add(&record, field, &size, NULL));
  EXPECT_OK(ntk_file_write(path, 1, &record, NULL));
  ntk_record_destroy(&record);
}

/* Which of two files a point has. */
static void numbered_path(const void *context, int64_t point, char *path) {
  (void)snprintf(path, 4096, "%.4000s/number%d.h5", (const char *)context, (int)point);
}

/* Integers stay integers as long as there is one for every entry. */
static void test_integers(int64_t second_size, ntk_kind kind) {
  static const ntk_field x = {"x", "d", "1", "", "", NTK_KIND_INT};
  static const char *const hide[] = {NULL};
  char path[4096];
  ntk_axis axis = {.name = "a", .count = 2};
  const ntk_sweep sweep = {.axis_count = 1, .point_count = 2, .axis = &axis};
  ntk_stack stack = {.name = "g", .sweep = &sweep};
  ntk_record record = {0};

  for (int64_t p = 0; p < 2; ++p) {
    numbered_path(folder, p, path);
    write_one(path, &x, p ? second_size : 3);
    EXPECT_OK(ntk_stack_take(&stack, p, path, hide));
  }
  EXPECT_OK(ntk_stack_describe(&stack, &record));
  EXPECT(record.variable_count == 1 && record.variables[0].kind == kind);
  EXPECT_OK(ntk_stack_fill(&stack, numbered_path, folder, &record.variables[0]));
  if (kind == NTK_KIND_REAL) EXPECT(isnan(((double *)record.variables[0].data)[3]));
  ntk_record_destroy(&record);
  ntk_stack_destroy(&stack);
}

static void same_path(const void *context, int64_t point, char *path) {
  (void)point;
  (void)snprintf(path, 4096, "%s", (const char *)context);
}

/* What has other dimensions, or is text, in some points stands beside the others. */
static void test_variants(void) {
  static const ntk_field fields[] = {{"x", "d", "1", "", "", NTK_KIND_REAL},
                                     {"x", "other", "1", "", "", NTK_KIND_REAL},
                                     {"x", "", "1", "", "", NTK_KIND_REAL},
                                     {"x", "d", "1", "", "", NTK_KIND_TEXT},
                                     {"x", "d", "1", "", "", NTK_KIND_REAL}};
  static const char *const names[] = {"x", "x_by_other", "x_scalar", "x_by_d_text"};
  static const int there[] = {12, 3, 2}, absent[] = {3, 0, 0}; /* entries */
  static const char *const hide[] = {NULL};
  char path[4096];
  ntk_axis axis = {.name = "a", .count = 5};
  const ntk_sweep sweep = {.axis_count = 1, .point_count = 5, .axis = &axis};
  ntk_stack stack = {.name = "g", .sweep = &sweep};
  ntk_record record = {0};

  for (int64_t p = 0; p < 5; ++p) {
    numbered_path(folder, p, path);
    write_one(path, &fields[p], 3);
    EXPECT_OK(ntk_stack_take(&stack, p, path, hide));
  }
  EXPECT_OK(ntk_stack_describe(&stack, &record));
  EXPECT(record.variable_count == 4);
  for (int k = 0; k < 4; ++k) {
    ntk_variable *v = ntk_record_find(&record, names[k]);

    if (!v) FAIL("no %s", names[k]);
    EXPECT_OK(ntk_stack_fill(&stack, numbered_path, folder, v));
    if (k < 3) EXPECT(isnan(((double *)v->data)[absent[k]]) && ((double *)v->data)[there[k]] == 0);
  }
  ntk_record_destroy(&record);
  ntk_stack_destroy(&stack);
}

static void test_stack(void) {
  static const ntk_field x = {"x", "d", "1", "", "", NTK_KIND_REAL};
  static const char *const hide[] = {NULL};
  const char *path = folder_path(folder, "one.h5");
  ntk_axis axes[NTK_MAX_RANK] = {{.name = "a", .count = 2}};
  ntk_sweep sweep = {.axis_count = 1, .point_count = 2, .axis = axes};
  ntk_stack stack = {.name = "g", .sweep = &sweep};
  ntk_record record = {0};

  write_one(path, &x, 3);
  EXPECT_OK(ntk_stack_take(&stack, 0, path, hide));
  EXPECT_OK(ntk_stack_describe(&stack, &record));
  write_one(path, &x, 4); /* a job has written the file anew */
  EXPECT_REFUSED(ntk_stack_fill(&stack, same_path, path, &record.variables[0]), NTK_E_INPUT,
                 "changed while");
  ntk_record_destroy(&record);
  ntk_stack_destroy(&stack);
  stack = (ntk_stack){.name = "g", .sweep = &sweep};
  EXPECT_OK(ntk_stack_take(&stack, 0, path, hide));
  for (int k = 0; k < NTK_MAX_RANK; ++k) axes[k] = (ntk_axis){.name = "a", .count = 1};
  sweep.axis_count = NTK_MAX_RANK;
  EXPECT_REFUSED(ntk_stack_describe(&stack, &record), NTK_E_SIZE, "axes");
  ntk_record_destroy(&record);
  ntk_stack_destroy(&stack);
}

int main(int argc, char **argv) {
  ntk_job job = {0};

  begin_test(&argc, &argv);
  folder_make(folder);
  test_memory();
  load(NULL, 0, &job);
  test_sweep(&job);
  test_one_point();
  test_damage(&job);
  test_refusals(&job);
  test_zipped();
  test_while_written();
  test_without_links();
  test_left_behind();
  test_integers(3, NTK_KIND_INT);
  test_integers(4, NTK_KIND_REAL);
  test_variants();
  test_stack();
  test_faults();
  ntk_job_destroy(&job);
  EXPECT(ntk_memory_balance() == 0);
  folder_remove(folder);
  MPI_Finalize();
  return 0;
}
