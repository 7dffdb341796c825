/* sweep.h5 holds every point's value at its place, by coordinate, and NaN where there is none.
 *
 * Method: results files made by hand for the points of a real config, with values that name point
 * and entry: curves over coordinates that agree, that differ, that are the beginning of longer
 * ones; missing points, groups and files; groups under another key.  Then what merge wrote is read
 * back in C, and by check_xarray.py in xarray with the line of the documentation. */
//TEST ranks=1
#include "ntk/run/merge.h"

#include <math.h>

#include "folder.h"
#include "ntk/run/event.h"
#include "ntk/run/stack.h"
#include "ntk/store/file.h"

enum { POINTS = 12, ABSENT = 4, FAILED = 7, STALE = 9 };

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

static void write_failure(const ntk_job *job) {
  char path[NTK_PATH_SIZE];
  const ntk_event event = {.name = "failed", .message = "no convergence"};

  ntk_point_path(job, &job->point[FAILED], "log.jsonl", path);
  EXPECT_OK(ntk_event_append(path, &event));
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
    EXPECT_TEXT(status[p], p == FAILED ? "failed" : "pending"); /* analyses are missing */
    EXPECT_TEXT(message[p], p == FAILED ? "no convergence" : "");
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

static void look_with_xarray(const char *path) {
  char command[16384];
  const char *root = getenv("NTK_SOURCE_DIR") ? getenv("NTK_SOURCE_DIR") : ".";

  (void)snprintf(command, sizeof(command),
                 "'%s/tools/python' '%s/tests/check_xarray.py' sweep '%s'", root, root, path);
  EXPECT(system(command) == 0);
}

/* ---- tests --------------------------------------------------------------------------------- */

static void load(const char *const *sets, int count, ntk_job *job) {
  const char *path = folder_path(folder, "config.yaml");
  ntk_problems problems = {0};

  EXPECT_OK(ntk_file_write_text(path, config));
  EXPECT_OK(ntk_job_load(path, count, sets, job, &problems));
  if (problems.count) FAIL("%s", ntk_text_string(&problems.text));
  ntk_problems_destroy(&problems);
  job->directory = folder;
}

static void test_sweep(const ntk_job *job) {
  char path[NTK_PATH_SIZE];

  EXPECT(job->point_count == POINTS);
  EXPECT_OK(ntk_merge(job)); /* nothing there yet: all pending */
  for (int64_t p = 0; p < POINTS; ++p) write_point(job, &job->point[p]);
  write_failure(job);
  EXPECT_OK(ntk_merge(job));
  (void)snprintf(path, sizeof(path), "%s", folder_path(folder, "sweep.h5"));
  expect_root(path);
  expect_dynamics(path);
  expect_ridges(path);
  expect_spectrum(path);
  expect_layers(path);
  look_with_xarray(path);
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
  EXPECT_OK(ntk_merge(&job));
  EXPECT_OK(ntk_file_read(folder_path(folder, "sweep.h5"), "", false, &root));
  EXPECT(variable(&root, "status", NTK_KIND_TEXT, 0) && variable(&root, "width", NTK_KIND_INT, 0));
  ntk_record_destroy(&root);
  EXPECT_OK(ntk_file_read_variable(folder_path(folder, "sweep.h5"), "dynamics/test_loss", &loss));
  EXPECT(loss.rank == 1 && ((double *)loss.data)[3] == 3);
  EXPECT_TEXT(loss.dimension[0], "time");
  ntk_variable_destroy(&loss);
  ntk_job_destroy(&job);
}

static ntk_status merge_again(void *job) { return ntk_merge(job); }

/* Every check fails once, on the two points of another sweep. */
static void test_faults(void) {
  static const char *const sets[] = {"network.weight_init=he_normal", "network.seed=0"};
  ntk_job job = {0};

  load(sets, 2, &job);
  EXPECT(job.point_count == 2);
  for (int64_t p = 0; p < 2; ++p) write_point(&job, &job.point[p]);
  EXPECT(sweep_faults(merge_again, &job) > 50);
  EXPECT(folder_count(folder, ".tmp.") == 0);
  ntk_job_destroy(&job);
}

static void test_refusals(ntk_job *job) {
  char path[NTK_PATH_SIZE];
  FILE *file = NULL;

  ntk_point_path(job, &job->point[3], "results.h5", path);
  file = fopen(path, "r+b");
  EXPECT(file && fseek(file, 1000, SEEK_SET) == 0 && fputc('#', file) == '#' && fclose(file) == 0);
  EXPECT_REFUSED(ntk_merge(job), NTK_E_INPUT, path);
  write_point(job, &job->point[3]);
  job->directory = "/proc/nowhere";
  EXPECT_REFUSED(ntk_merge(job), NTK_E_CREATE, "/proc/nowhere/sweep.h5");
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

static void test_stack(void) {
  static const ntk_field x = {"x", "d", "1", "", "", NTK_KIND_REAL};
  static const ntk_field text = {"x", "d", "1", "", "", NTK_KIND_TEXT};
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
  write_one(path, &text, 3);
  EXPECT_REFUSED(ntk_stack_take(&stack, 1, path, hide), NTK_E_INPUT, "another type");
  for (int k = 0; k < NTK_MAX_RANK; ++k) axes[k] = (ntk_axis){.name = "a", .count = 1};
  sweep.axis_count = NTK_MAX_RANK;
  EXPECT_REFUSED(ntk_stack_describe(&stack, &record), NTK_E_SIZE, "axes");
  ntk_record_destroy(&record);
  ntk_stack_destroy(&stack);
}

int main(int argc, char **argv) {
  ntk_job job = {0};

  MPI_Init(&argc, &argv);
  folder_make(folder);
  load(NULL, 0, &job);
  test_sweep(&job);
  test_one_point();
  test_refusals(&job);
  test_integers(3, NTK_KIND_INT);
  test_integers(4, NTK_KIND_REAL);
  test_stack();
  test_faults();
  ntk_job_destroy(&job);
  EXPECT(ntk_memory_balance() == 0);
  folder_remove(folder);
  MPI_Finalize();
  return 0;
}
