/* A kernel from outside: the Gram matrix and what else there is, or its eigenvalues only, from one
 * HDF5 file or from .npy files. */
#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ntk/base/memory.h"
#include "ntk/data/npy.h"
#include "ntk/kernel/kernel.h"
#include "ntk/store/file.h"
#include "ntk/store/panel.h"

/* ---- settings -------------------------------------------------------------------------------- */

/* What a kernel consists of: matrices, which no rank holds, then small arrays. */
enum {
  GRAM,
  TEST_TRAIN,
  TEST_GRAM,
  TARGETS,
  INITIAL,
  TEST_TARGETS,
  TEST_INITIAL,
  TEST_DIAGONAL,
  EIGENVALUES,
  TARGET_POWER,
  PARTS
};

enum { FIRST_ARRAY = TARGETS };

typedef struct file_options {
  const char *path;
  const char *part[PARTS]; /* name of a dataset, or path of a .npy file; NULL: absent */
} file_options;

/* Row of a part; a dataset of kernel.path, or a .npy file. */
#define PART(name, part_number, text)                                             \
  {                                                                               \
    .key = (name), .type = NTK_PATH, .flags = NTK_DATASET, .doc = (text),         \
    .offset = offsetof(file_options, part) + (part_number) * sizeof(const char *) \
  }

static const ntk_option options[] = {
    {.key = "path",
     .type = NTK_PATH,
     .offset = offsetof(file_options, path),
     .doc = "HDF5 file of the datasets that are named below; not needed where all are .npy files"},
    PART("gram", GRAM, "n x n, or nO x nO with row sample * O + output; symmetric"),
    PART("test_train", TEST_TRAIN, "[training sample][test sample]"),
    PART("test_gram", TEST_GRAM, "[test sample][test sample], for `test_test: full`"),
    PART("test_diagonal", TEST_DIAGONAL, "K(x, x) of the test samples"),
    PART("targets", TARGETS, "[n] or [n][O]"),
    PART("initial_output", INITIAL, "f0, [n] or [n][O]; default 0"),
    PART("test_targets", TEST_TARGETS, "[m] or [m][O]"),
    PART("test_initial_output", TEST_INITIAL, "[m] or [m][O]; default 0"),
    PART("eigenvalues", EIGENVALUES, "[n], of the Gram and instead of it, in any order"),
    PART("target_power", TARGET_POWER, "squares of V^T y beside the eigenvalues, [n] or [n][O]"),
    {0},
};

static const struct {
  const char *key;
  bool test; /* one row a test sample */
} parts[PARTS] = {
    [GRAM] = {"gram", false},
    [TEST_TRAIN] = {"test_train", false},
    [TEST_GRAM] = {"test_gram", true},
    [TARGETS] = {"targets", false},
    [INITIAL] = {"initial_output", false},
    [TEST_TARGETS] = {"test_targets", true},
    [TEST_INITIAL] = {"test_initial_output", true},
    [TEST_DIAGONAL] = {"test_diagonal", true},
    [EIGENVALUES] = {"eigenvalues", false},
    [TARGET_POWER] = {"target_power", false},
};

static ntk_mark mark_of(const ntk_node *node, const char *key) {
  const ntk_node *given = ntk_node_find(node, key);

  return given ? given->mark : node->mark;
}

/* Names of datasets need a file, and a file needs names. */
static void check_path(const file_options *o, const ntk_node *node, ntk_problems *problems) {
  bool used = false;

  for (int k = 0; k < PARTS; ++k) {
    if (!o->part[k] || ntk_dataset_is_path(o->part[k])) continue;
    used = true;
    if (o->path) continue;
    ntk_problem(problems, mark_of(node, parts[k].key),
                "kernel.%s: '%s' is the name of a dataset; name its HDF5 file in kernel.path, or a "
                ".npy file here",
                parts[k].key, o->part[k]);
  }
  if (o->path && !used) {
    ntk_problem(problems, mark_of(node, "path"),
                "kernel.path: no dataset of this file is named; remove the key");
  }
}

/* A Gram or its eigenvalues, and what goes with each. */
static void check_content(const file_options *o, const ntk_node *node, ntk_problems *problems) {
  const bool alone = o->part[EIGENVALUES] != NULL;

  if (!o->part[GRAM] && !alone) {
    ntk_problem(problems, node->mark,
                "kernel: a kernel from a file needs its 'gram', or 'eigenvalues' instead");
    return;
  }
  if (!alone && o->part[TARGET_POWER]) {
    ntk_problem(problems, mark_of(node, "target_power"),
                "kernel.target_power goes with kernel.eigenvalues; a Gram has kernel.targets");
  }
  for (int k = 0; k < PARTS && alone; ++k) {
    if (k == EIGENVALUES || k == TARGET_POWER || !o->part[k]) continue;
    ntk_problem(problems, mark_of(node, parts[k].key),
                "kernel.%s does not go with kernel.eigenvalues, which stand for a kernel without "
                "matrices; remove one of them",
                parts[k].key);
  }
}

static void check_test_gram(const ntk_kernel_settings *s, const ntk_node *node,
                            ntk_problems *problems) {
  const file_options *o = s->type.options;
  const bool wanted = ntk_kernel_wants_test_test(s);

  if (wanted && !o->part[TEST_GRAM]) {
    ntk_problem(problems, mark_of(node, "test_test"),
                "kernel.test_test: name the dataset of the whole block in kernel.test_gram");
  }
  if (o->part[TEST_GRAM] && (!wanted || !o->part[TEST_TRAIN])) {
    ntk_problem(problems, mark_of(node, "test_gram"),
                "kernel.test_gram needs kernel.test_train and `test_test: full` beside it");
  }
}

static void check_settings(const void *bound, const ntk_node *node, ntk_problems *problems) {
  const ntk_kernel_settings *s = bound;

  check_path(s->type.options, node, problems);
  check_content(s->type.options, node, problems);
  check_test_gram(s, node, problems);
}

static bool spectrum_only(const ntk_kernel_settings *settings) {
  return ((const file_options *)settings->type.options)->part[EIGENVALUES] != NULL;
}

/* ---- places for messages --------------------------------------------------------------------- */

enum { PLACE_SIZE = 512 };

/* "k.h5: '/K' (kernel.gram)" or "K.npy (kernel.gram)" */
static const char *place_of(const file_options *o, int k, char text[PLACE_SIZE]) {
  const bool file = ntk_dataset_is_path(o->part[k]);

  (void)snprintf(text, PLACE_SIZE, "%s%s%s%s (kernel.%s)", file ? o->part[k] : o->path,
                 file ? "" : ": '", file ? "" : o->part[k], file ? "" : "'", parts[k].key);
  return text;
}

#define PLACE(o, k) place_of((o), (k), (char[PLACE_SIZE]){0})

/* ---- the small arrays, read by rank 0 -------------------------------------------------------- */

/* What the shapes say; the same on every rank once it was broadcast. */
typedef struct facts {
  int64_t rows;      /* of the Gram; 0: eigenvalues only */
  int64_t test_rows; /* 0: no test block */
  int64_t n, m, outputs, rows_per_sample;
  int64_t array_rows[PARTS], array_cols[PARTS]; /* 0 x 0 if absent */
  bool single; /* the Gram, or its eigenvalues, in single precision */
} facts;

typedef struct source {
  const file_options *options;
  facts facts;
  double *values[PARTS]; /* of arrays, on every rank, in the end */
} source;

static void widen(const ntk_variable *v, double *values) {
  NTK_ASSERT(values);
  for (int64_t k = 0; k < v->count; ++k) {
    switch (v->kind) {
      case NTK_KIND_REAL:
        values[k] = ((const double *)v->data)[k];
        break;
      case NTK_KIND_SINGLE:
        values[k] = (double)((const float *)v->data)[k];
        break;
      case NTK_KIND_INT:
        values[k] = (double)((const int64_t *)v->data)[k];
        break;
      default:
        values[k] = (double)((const int8_t *)v->data)[k];
        break;
    }
  }
}

static ntk_status check_values(const source *s, int k, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    NTK_CHECK(isfinite(s->values[k][i]), NTK_E_INPUT, "%s: entry %lld is not finite",
              PLACE(s->options, k), (long long)i);
  }
  return NTK_OK;
}

static ntk_status take_shape(source *s, int k, int rank, int64_t rows, int64_t cols) {
  NTK_CHECK((rank == 1 || rank == 2) && rows > 0 && cols > 0, NTK_E_INPUT,
            "%s must be a [samples] or [samples][outputs] array", PLACE(s->options, k));
  s->facts.array_rows[k] = rows;
  s->facts.array_cols[k] = cols;
  return NTK_NEW(rows * cols, &s->values[k]);
}

static ntk_status take_variable(source *s, int k, const ntk_variable *v) {
  const int rank = v->kind == NTK_KIND_TEXT ? 0 : v->rank;

  NTK_TRY(take_shape(s, k, rank, v->size[0], v->rank == 2 ? v->size[1] : 1));
  widen(v, s->values[k]);
  if (k == EIGENVALUES) s->facts.single = v->kind == NTK_KIND_SINGLE;
  return NTK_OK;
}

static ntk_status read_variable(source *s, int k) {
  ntk_variable v = {0};

  NTK_TRY(ntk_file_read_variable(s->options->path, s->options->part[k], &v));
  const ntk_status status = take_variable(s, k, &v);

  ntk_variable_destroy(&v);
  return status;
}

static ntk_status take_npy(source *s, int k, const ntk_npy *npy) {
  const int64_t rows = ntk_npy_size(npy, 0), cols = ntk_npy_size(npy, 1);

  NTK_TRY(take_shape(s, k, ntk_npy_rank(npy), rows, cols));
  if (k == EIGENVALUES) s->facts.single = ntk_npy_single(npy);
  return ntk_npy_window(npy, 0, rows, 0, cols, s->values[k]);
}

static ntk_status read_npy(source *s, int k) {
  ntk_npy *npy = NULL;

  NTK_TRY(ntk_npy_open(s->options->part[k], &npy));
  const ntk_status status = take_npy(s, k, npy);

  ntk_npy_close(&npy);
  return status;
}

static ntk_status read_array(source *s, int k) {
  const char *name = s->options->part[k];

  if (!name) return NTK_OK;
  NTK_TRY(ntk_dataset_is_path(name) ? read_npy(s, k) : read_variable(s, k));
  return check_values(s, k, s->facts.array_rows[k] * s->facts.array_cols[k]);
}

/* ---- shapes of the matrices ------------------------------------------------------------------ */

typedef struct matrix_shape {
  int rank; /* 0: no numbers */
  int64_t size[2];
  bool single;
} matrix_shape;

/* The group of a dataset's name "/a/b/K" is "a/b". */
static ntk_status group_of(const char *name, char *group, const char **leaf) {
  const char *start = name + strspn(name, "/"), *slash = strrchr(start, '/');
  const size_t length = slash ? (size_t)(slash - start) : 0;

  NTK_CHECK(length < NTK_NAME_SIZE, NTK_E_INPUT, "'%s': the group's name is too long", name);
  memcpy(group, start, length);
  group[length] = '\0';
  *leaf = slash ? slash + 1 : start;
  return NTK_OK;
}

static ntk_status take_listed(const file_options *o, int k, const ntk_variable *v,
                              matrix_shape *shape) {
  NTK_CHECK(v, NTK_E_INPUT,
            "%s: there is no dataset '%s' (kernel.%s); ntkrun inspect lists what there is", o->path,
            o->part[k], parts[k].key);
  *shape = (matrix_shape){.rank = v->kind == NTK_KIND_TEXT ? 0 : v->rank,
                          .size = {v->size[0], v->size[1]},
                          .single = v->kind == NTK_KIND_SINGLE};
  return NTK_OK;
}

static ntk_status list_dataset(const file_options *o, int k, matrix_shape *shape) {
  char group[NTK_NAME_SIZE];
  const char *leaf = NULL;
  ntk_record record = {0};

  NTK_TRY(group_of(o->part[k], group, &leaf));
  NTK_TRY(ntk_file_list(o->path, group, false, &record));
  const ntk_status status = take_listed(o, k, ntk_record_find(&record, leaf), shape);

  ntk_record_destroy(&record);
  NTK_TRY(status);
  return ntk_file_check_variable(o->path, o->part[k]);
}

static ntk_status list_npy(const file_options *o, int k, matrix_shape *shape) {
  ntk_npy *npy = NULL;

  NTK_TRY(ntk_npy_open(o->part[k], &npy));
  *shape = (matrix_shape){.rank = ntk_npy_rank(npy),
                          .size = {ntk_npy_size(npy, 0), ntk_npy_size(npy, 1)},
                          .single = ntk_npy_single(npy)};
  ntk_npy_close(&npy);
  return NTK_OK;
}

static ntk_status read_shape(const file_options *o, int k, matrix_shape *shape) {
  const bool file = ntk_dataset_is_path(o->part[k]);

  NTK_TRY(file ? list_npy(o, k, shape) : list_dataset(o, k, shape));
  NTK_CHECK(shape->rank == 2 && shape->size[0] > 0 && shape->size[1] > 0, NTK_E_INPUT,
            "%s must be a matrix of numbers", PLACE(o, k));
  return NTK_OK;
}

static ntk_status read_square(const file_options *o, int k, matrix_shape *shape) {
  NTK_TRY(read_shape(o, k, shape));
  NTK_CHECK(shape->size[0] == shape->size[1], NTK_E_INPUT, "%s is %lld x %lld, not square",
            PLACE(o, k), (long long)shape->size[0], (long long)shape->size[1]);
  return NTK_OK;
}

static ntk_status read_gram_shape(source *s) {
  matrix_shape shape = {0};

  NTK_TRY(read_square(s->options, GRAM, &shape));
  s->facts.rows = shape.size[0];
  s->facts.single = shape.single;
  return NTK_OK;
}

static ntk_status read_test_shapes(source *s) {
  const file_options *o = s->options;
  matrix_shape shape = {0};

  if (!o->part[TEST_TRAIN]) return NTK_OK;
  NTK_TRY(read_shape(o, TEST_TRAIN, &shape));
  NTK_CHECK(shape.size[0] == s->facts.rows, NTK_E_INPUT,
            "%s is %lld x %lld, but '%s' is %lld x %lld; it must be [training sample][test sample]",
            PLACE(o, TEST_TRAIN), (long long)shape.size[0], (long long)shape.size[1], o->part[GRAM],
            (long long)s->facts.rows, (long long)s->facts.rows);
  s->facts.test_rows = shape.size[1];
  if (!o->part[TEST_GRAM]) return NTK_OK;
  NTK_TRY(read_square(o, TEST_GRAM, &shape));
  NTK_CHECK(shape.size[0] == s->facts.test_rows, NTK_E_INPUT,
            "%s is %lld x %lld, but kernel.test_train has %lld test samples", PLACE(o, TEST_GRAM),
            (long long)shape.size[0], (long long)shape.size[1], (long long)s->facts.test_rows);
  return NTK_OK;
}

/* Samples, outputs and whether the kernel has a row for each output. */
static ntk_status infer_counts(source *s) {
  facts *f = &s->facts;
  const int from = f->array_rows[TARGETS] > 0 ? TARGETS : INITIAL;
  const bool told = f->array_rows[from] > 0;

  f->n = told ? f->array_rows[from] : f->rows;
  f->outputs = told ? f->array_cols[from] : 1;
  f->rows_per_sample = f->rows == f->n ? 1 : f->outputs;
  NTK_CHECK(f->rows == f->n * f->rows_per_sample, NTK_E_INPUT,
            "%s is %lld x %lld, which fits neither the %lld samples nor the %lld x %lld sample "
            "outputs of %s",
            PLACE(s->options, GRAM), (long long)f->rows, (long long)f->rows, (long long)f->n,
            (long long)f->n, (long long)f->outputs, told ? PLACE(s->options, from) : "it");
  f->m = f->test_rows / f->rows_per_sample;
  NTK_CHECK(f->test_rows == f->m * f->rows_per_sample, NTK_E_INPUT,
            "%s has %lld columns, not a multiple of %lld outputs", PLACE(s->options, TEST_TRAIN),
            (long long)f->test_rows, (long long)f->outputs);
  return NTK_OK;
}

static ntk_status check_size(const source *s, int k, int64_t rows, int64_t cols) {
  const facts *f = &s->facts;

  NTK_CHECK(f->array_rows[k] == 0 || (f->array_rows[k] == rows && f->array_cols[k] == cols),
            NTK_E_INPUT, "%s is %lld x %lld; it should be %lld x %lld",
            s->options->part[k] ? PLACE(s->options, k) : "it", (long long)f->array_rows[k],
            (long long)f->array_cols[k], (long long)rows, (long long)cols);
  return NTK_OK;
}

static ntk_status check_array(const source *s, int k) {
  const facts *f = &s->facts;
  const int64_t rows = parts[k].test ? f->m : f->n;

  if (k == TEST_DIAGONAL) return check_size(s, k, rows * f->rows_per_sample, 1);
  return check_size(s, k, rows, f->outputs);
}

/* ---- eigenvalues only ------------------------------------------------------------------------ */

/* An eigenvalue with its place in the file. */
typedef struct mode {
  double value;
  int64_t place;
} mode;

static int descending(const void *a, const void *b) {
  const mode *x = a, *y = b;

  if (x->value != y->value) return x->value < y->value ? 1 : -1;
  return x->place < y->place ? -1 : x->place > y->place;
}

static void order_modes(source *s, mode *modes, double *power) {
  const int64_t n = s->facts.n, outputs = s->facts.outputs;

  for (int64_t k = 0; k < n; ++k) modes[k] = (mode){s->values[EIGENVALUES][k], k};
  qsort(modes, (size_t)n, sizeof(*modes), descending);
  for (int64_t k = 0; k < n; ++k) {
    s->values[EIGENVALUES][k] = modes[k].value;
    if (power) {
      memcpy(power + k * outputs, s->values[TARGET_POWER] + modes[k].place * outputs,
             (size_t)outputs * sizeof(double));
    }
  }
  if (power) memcpy(s->values[TARGET_POWER], power, (size_t)(n * outputs) * sizeof(double));
}

static ntk_status sort_modes(source *s) {
  mode *modes = NULL;
  double *power = NULL;
  ntk_status status = NTK_NEW(s->facts.n, &modes);

  if (status == NTK_OK && s->values[TARGET_POWER]) {
    status = NTK_NEW(s->facts.n * s->facts.outputs, &power);
  }
  if (status == NTK_OK) order_modes(s, modes, power);
  ntk_free(&modes);
  ntk_free(&power);
  return status;
}

/* Noise below 0 is what a symmetric solver may leave (MATH I.2). */
static ntk_status check_modes(const source *s) {
  const facts *f = &s->facts;
  const double *value = s->values[EIGENVALUES], *power = s->values[TARGET_POWER];
  const double noise = f->single ? 1e-6 : 100 * (double)f->n * DBL_EPSILON;

  NTK_CHECK(value[f->n - 1] >= -noise * fabs(value[0]), NTK_E_INPUT,
            "%s: an eigenvalue of %g beside a largest of %g is no rounding; a Gram has none below "
            "0: check their sign and how they were made",
            PLACE(s->options, EIGENVALUES), value[f->n - 1], value[0]);
  for (int64_t k = 0; power && k < f->n * f->outputs; ++k) {
    NTK_CHECK(power[k] >= 0, NTK_E_INPUT, "%s: %g is no square", PLACE(s->options, TARGET_POWER),
              power[k]);
  }
  return NTK_OK;
}

static ntk_status read_modes(source *s) {
  facts *f = &s->facts;

  NTK_TRY(read_array(s, EIGENVALUES));
  NTK_TRY(read_array(s, TARGET_POWER));
  f->n = f->array_rows[EIGENVALUES];
  f->outputs = f->array_rows[TARGET_POWER] > 0 ? f->array_cols[TARGET_POWER] : 1;
  f->rows_per_sample = 1;
  NTK_TRY(check_size(s, EIGENVALUES, f->n, 1));
  NTK_TRY(check_size(s, TARGET_POWER, f->n, f->outputs));
  NTK_TRY(sort_modes(s));
  return check_modes(s);
}

static ntk_status read_small(source *s) {
  if (s->options->part[EIGENVALUES]) return read_modes(s);
  NTK_TRY(read_gram_shape(s));
  NTK_TRY(read_test_shapes(s));
  for (int k = FIRST_ARRAY; k < PARTS; ++k) NTK_TRY(read_array(s, k));
  NTK_TRY(infer_counts(s));
  for (int k = FIRST_ARRAY; k < PARTS; ++k) NTK_TRY(check_array(s, k));
  return NTK_OK;
}

/* ---- to all ranks ---------------------------------------------------------------------------- */

static int64_t array_count(const source *s, int k) {
  return s->facts.array_rows[k] * s->facts.array_cols[k];
}

static ntk_status allocate_arrays(source *s) {
  for (int k = FIRST_ARRAY; k < PARTS; ++k) {
    if (array_count(s, k) > 0 && !s->values[k]) {
      NTK_TRY(NTK_NEW(array_count(s, k), &s->values[k]));
    }
  }
  return NTK_OK;
}

static ntk_status share(const ntk_comm *comm, source *s) {
  NTK_AGREE(comm, comm->rank == 0 ? read_small(s) : NTK_OK);
  ntk_comm_broadcast(comm, 0, &s->facts, (int64_t)sizeof(s->facts));
  NTK_AGREE(comm, allocate_arrays(s));
  for (int k = FIRST_ARRAY; k < PARTS; ++k) {
    ntk_comm_broadcast(comm, 0, s->values[k], array_count(s, k) * (int64_t)sizeof(double));
  }
  return NTK_OK;
}

static void *take(source *s, int k) {
  double *values = s->values[k];

  s->values[k] = NULL;
  return values;
}

static ntk_status fill_samples(source *s, int targets, int64_t count, ntk_samples *samples) {
  NTK_TRY(NTK_NEW(count, &samples->label));
  NTK_TRY(NTK_NEW(count, &samples->index));
  for (int64_t i = 0; i < count; ++i) {
    samples->label[i] = -1;
    samples->index[i] = i;
  }
  samples->count = count;
  samples->targets = take(s, targets);
  return NTK_OK;
}

static ntk_status fill_data(source *s, ntk_data *data) {
  ntk_data_destroy(data);
  data->outputs = s->facts.outputs;
  NTK_TRY(fill_samples(s, TARGETS, s->facts.n, &data->train));
  return fill_samples(s, TEST_TARGETS, s->facts.m, &data->test);
}

/* The stored output, twice, or 0. */
static ntk_status fill_output(source *s, int k, int64_t count, double **f0, double **initial) {
  NTK_TRY(NTK_NEW(count, f0));
  NTK_TRY(NTK_NEW(count, initial));
  if (!s->values[k]) return NTK_OK;
  memcpy(*f0, s->values[k], (size_t)count * sizeof(double));
  memcpy(*initial, s->values[k], (size_t)count * sizeof(double));
  return NTK_OK;
}

static ntk_status fill_small(source *s, ntk_data *data, ntk_kernel *k) {
  const facts *f = &s->facts;

  k->n = f->n;
  k->m = f->m;
  k->outputs = f->outputs;
  k->rows_per_sample = f->rows_per_sample;
  k->single = f->single;
  k->contraction = "file";
  k->reproducible = true;
  k->test_diagonal = take(s, TEST_DIAGONAL);
  k->eigenvalue = take(s, EIGENVALUES);
  k->target_power = take(s, TARGET_POWER);
  NTK_TRY(fill_output(s, INITIAL, f->n * f->outputs, &k->f0, &k->initial));
  NTK_TRY(fill_output(s, TEST_INITIAL, f->m * f->outputs, &k->test_f0, &k->test_initial));
  return fill_data(s, data);
}

/* ---- the matrices ---------------------------------------------------------------------------- */

/* A .npy file as columns of a matrix. */
typedef struct npy_columns {
  const file_options *options;
  int part;
  bool transposed; /* column j is the file's column j, else its row j */
  ntk_npy *npy;    /* on rank 0 */
} npy_columns;

static ntk_status check_finite(const npy_columns *c, int64_t first, int64_t count, int64_t rows,
                               const double *columns) {
  int64_t bad = 0;

  while (bad < count * rows && isfinite(columns[bad])) ++bad;
  const long long i = bad % rows, j = first + bad / rows;

  NTK_CHECK(bad == count * rows, NTK_E_INPUT, "%s: entry [%lld, %lld] is not a finite number",
            PLACE(c->options, c->part), c->transposed ? i : j, c->transposed ? j : i);
  return NTK_OK;
}

static ntk_status read_turned(const npy_columns *c, int64_t first, int64_t count, int64_t rows,
                              double *columns) {
  double *window = NULL;

  NTK_TRY(NTK_NEW(rows * count, &window));
  const ntk_status status = ntk_npy_window(c->npy, 0, rows, first, count, window);

  for (int64_t j = 0; j < count && status == NTK_OK; ++j) {
    for (int64_t i = 0; i < rows; ++i) columns[j * rows + i] = window[i * count + j];
  }
  ntk_free(&window);
  return status;
}

static ntk_status read_columns(void *context, int64_t first, int64_t count, int64_t rows,
                               double *columns) {
  const npy_columns *c = context;

  NTK_TRY(c->transposed ? read_turned(c, first, count, rows, columns)
                        : ntk_npy_window(c->npy, first, count, 0, rows, columns));
  return check_finite(c, first, count, rows, columns);
}

static ntk_status read_npy_matrix(const source *s, int k, bool transposed, ntk_matrix *m) {
  const ntk_comm *comm = m->grid->comm;
  npy_columns c = {.options = s->options, .part = k, .transposed = transposed};
  ntk_status status =
      ntk_agree(comm, comm->rank == 0 ? ntk_npy_open(s->options->part[k], &c.npy) : NTK_OK);

  if (status == NTK_OK) status = ntk_panel_fill(m, read_columns, &c);
  ntk_npy_close(&c.npy);
  return status;
}

static ntk_status read_matrix(const source *s, int k, bool transposed, ntk_matrix *m) {
  const file_options *o = s->options;

  if (ntk_dataset_is_path(o->part[k])) return read_npy_matrix(s, k, transposed, m);
  return ntk_panel_read(o->path, o->part[k], transposed, m);
}

static ntk_status check_symmetric(const source *s, int k, const ntk_matrix_facts *measured) {
  const double rounding = s->facts.single ? 1e-6 : 1e-12;

  NTK_CHECK(measured->finite, NTK_E_INPUT, "%s has NaN or infinite entries", PLACE(s->options, k));
  NTK_CHECK(measured->asymmetry <= rounding * measured->largest, NTK_E_INPUT,
            "%s is not symmetric: |K - K^T| up to %g at [%lld, %lld], largest entry %g",
            PLACE(s->options, k), measured->asymmetry, (long long)measured->worst_row,
            (long long)measured->worst_col, measured->largest);
  return NTK_OK;
}

/* Rounding of the file's maker is removed: the lower triangle counts. */
static ntk_status read_symmetric(const source *s, int k, const ntk_kernel_input *input,
                                 int64_t rows, ntk_matrix *m) {
  ntk_matrix_facts measured;

  NTK_TRY(ntk_matrix_create(input->grid, rows, rows, input->block, m));
  NTK_TRY(read_matrix(s, k, true, m));
  NTK_TRY(ntk_matrix_measure(m, &measured));
  NTK_AGREE(input->grid->comm, check_symmetric(s, k, &measured));
  return measured.asymmetry > 0 ? ntk_matrix_mirror_lower(m) : NTK_OK;
}

static ntk_status read_diagonal(const ntk_comm *comm, ntk_kernel *k) {
  NTK_AGREE(comm, NTK_NEW(k->test_test.rows, &k->test_diagonal));
  return ntk_matrix_diagonal(&k->test_test, k->test_diagonal);
}

static ntk_status fill(source *s, const ntk_kernel_input *input, ntk_kernel *k) {
  const ntk_comm *comm = input->grid->comm;
  const facts *f = &s->facts;

  NTK_TRY(share(comm, s));
  NTK_AGREE(comm, fill_small(s, input->data, k));
  if (k->eigenvalue) return NTK_OK;
  NTK_TRY(read_symmetric(s, GRAM, input, f->rows, &k->gram));
  NTK_TRY(ntk_matrix_create(input->grid, f->test_rows, f->rows, input->block, &k->test_train));
  if (f->test_rows == 0) return NTK_OK;
  NTK_TRY(read_matrix(s, TEST_TRAIN, false, &k->test_train));
  if (!s->options->part[TEST_GRAM]) return NTK_OK;
  NTK_TRY(read_symmetric(s, TEST_GRAM, input, f->test_rows, &k->test_test));
  return k->test_diagonal ? NTK_OK : read_diagonal(comm, k);
}

static void destroy_source(source *s) {
  for (int k = 0; k < PARTS; ++k) ntk_free(&s->values[k]);
}

static ntk_status compute(const ntk_kernel_input *input, ntk_kernel *kernel) {
  source s = {.options = input->settings->type.options};
  const ntk_status status = fill(&s, input, kernel);

  destroy_source(&s);
  return status;
}

static ntk_status tell_size(const ntk_kernel_settings *settings, ntk_kernel_size *size) {
  source s = {.options = settings->type.options};
  const ntk_status status = read_small(&s);
  const facts *f = &s.facts;

  *size = (ntk_kernel_size){f->n, f->m, f->outputs, f->rows, f->test_rows};
  destroy_source(&s);
  return status;
}

const ntk_kernel_type ntk_kernel_file = {
    .row = {.name = "file",
            .doc = "from an HDF5 file or .npy files; data and network are not used",
            .options = options,
            .options_size = sizeof(file_options)},
    .compute = compute,
    .size = tell_size,
    .spectrum_only = spectrum_only,
    .check = check_settings};
