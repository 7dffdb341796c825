/* A kernel from outside: the Gram matrix, and what else there is, from one HDF5 file. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "ntk/base/memory.h"
#include "ntk/kernel/kernel.h"
#include "ntk/store/file.h"
#include "ntk/store/panel.h"

typedef struct file_options {
  const char *path, *gram, *test_train, *test_diagonal, *targets, *initial_output;
  const char *test_targets, *test_initial_output;
} file_options;

static const ntk_option options[] = {
    {.key = "path",
     .type = NTK_PATH,
     .offset = offsetof(file_options, path),
     .flags = NTK_REQUIRED,
     .doc = "HDF5 file"},
    {.key = "gram",
     .type = NTK_STRING,
     .offset = offsetof(file_options, gram),
     .flags = NTK_REQUIRED,
     .doc = "dataset: n x n, or nO x nO with row sample * O + output; symmetric"},
    {.key = "test_train",
     .type = NTK_STRING,
     .offset = offsetof(file_options, test_train),
     .doc = "dataset: [training sample][test sample]"},
    {.key = "test_diagonal",
     .type = NTK_STRING,
     .offset = offsetof(file_options, test_diagonal),
     .doc = "dataset: K(x, x) of the test samples"},
    {.key = "targets",
     .type = NTK_STRING,
     .offset = offsetof(file_options, targets),
     .doc = "dataset: [n] or [n][O]"},
    {.key = "initial_output",
     .type = NTK_STRING,
     .offset = offsetof(file_options, initial_output),
     .doc = "dataset: f0, [n] or [n][O]; default 0"},
    {.key = "test_targets",
     .type = NTK_STRING,
     .offset = offsetof(file_options, test_targets),
     .doc = "dataset: [m] or [m][O]"},
    {.key = "test_initial_output",
     .type = NTK_STRING,
     .offset = offsetof(file_options, test_initial_output),
     .doc = "dataset: [m] or [m][O]; default 0"},
    {0},
};

/* ---- the small arrays, read by rank 0 --------------------------------------------------------- */

enum { TARGETS, INITIAL, TEST_TARGETS, TEST_INITIAL, TEST_DIAGONAL, ARRAYS };

static const struct {
  const char *key;
  size_t offset; /* of the dataset's name */
  bool test;     /* one row a test sample */
} arrays[ARRAYS] = {
    [TARGETS] = {"targets", offsetof(file_options, targets), false},
    [INITIAL] = {"initial_output", offsetof(file_options, initial_output), false},
    [TEST_TARGETS] = {"test_targets", offsetof(file_options, test_targets), true},
    [TEST_INITIAL] = {"test_initial_output", offsetof(file_options, test_initial_output), true},
    [TEST_DIAGONAL] = {"test_diagonal", offsetof(file_options, test_diagonal), true},
};

/* What the shapes say; the same on every rank once it was broadcast. */
typedef struct facts {
  int64_t rows;                 /* of the Gram */
  int64_t test_rows;            /* 0: no test block */
  int64_t n, m, outputs, rows_per_sample;
  int64_t array_rows[ARRAYS], array_cols[ARRAYS]; /* 0 x 0 if absent */
  bool single;                  /* the Gram is stored in single precision */
} facts;

typedef struct source {
  const file_options *options;
  facts facts;
  double *values[ARRAYS]; /* on every rank, in the end */
} source;

static const char *array_name(const file_options *o, int k) {
  const char *name;

  memcpy(&name, (const char *)o + arrays[k].offset, sizeof(name));
  return name;
}

static void widen(const ntk_variable *v, double *values) {
  for (int64_t k = 0; k < v->count; ++k) {
    switch (v->kind) {
      case NTK_KIND_REAL: values[k] = ((const double *)v->data)[k]; break;
      case NTK_KIND_SINGLE: values[k] = (double)((const float *)v->data)[k]; break;
      case NTK_KIND_INT: values[k] = (double)((const int64_t *)v->data)[k]; break;
      default: values[k] = (double)((const int8_t *)v->data)[k]; break;
    }
  }
}

static ntk_status check_values(const source *s, int k, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    NTK_CHECK(isfinite(s->values[k][i]), NTK_E_INPUT,
              "%s: entry %lld of '%s' (kernel.%s) is not finite", s->options->path, (long long)i,
              array_name(s->options, k), arrays[k].key);
  }
  return NTK_OK;
}

static ntk_status take_array(source *s, int k, const ntk_variable *v) {
  NTK_CHECK((v->rank == 1 || v->rank == 2) && v->kind != NTK_KIND_TEXT && v->count > 0,
            NTK_E_INPUT, "%s: '%s' (kernel.%s) must be a [samples] or [samples][outputs] array",
            s->options->path, array_name(s->options, k), arrays[k].key);
  s->facts.array_rows[k] = v->size[0];
  s->facts.array_cols[k] = v->rank == 2 ? v->size[1] : 1;
  NTK_TRY(NTK_NEW(v->count, &s->values[k]));
  widen(v, s->values[k]);
  return check_values(s, k, v->count);
}

static ntk_status read_array(source *s, int k) {
  ntk_variable v = {0};

  if (!array_name(s->options, k)) return NTK_OK;
  NTK_TRY(ntk_file_read_variable(s->options->path, array_name(s->options, k), &v));
  const ntk_status status = take_array(s, k, &v);

  ntk_variable_destroy(&v);
  return status;
}

/* ---- shapes ----------------------------------------------------------------------------------- */

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

static ntk_status check_matrix(const file_options *o, const char *key, const char *name,
                               const ntk_variable *v) {
  NTK_CHECK(v, NTK_E_INPUT, "%s: there is no dataset '%s' (kernel.%s)", o->path, name, key);
  NTK_CHECK(v->rank == 2 && v->kind != NTK_KIND_TEXT && v->count > 0, NTK_E_INPUT,
            "%s: '%s' (kernel.%s) must be a matrix of numbers", o->path, name, key);
  return NTK_OK;
}

static ntk_status read_shape(const file_options *o, const char *key, const char *name,
                             int64_t size[2], ntk_kind *kind) {
  char group[NTK_NAME_SIZE];
  const char *leaf = NULL;
  ntk_record record = {0};

  NTK_TRY(group_of(name, group, &leaf));
  NTK_TRY(ntk_file_list(o->path, group, false, &record));
  const ntk_variable *v = ntk_record_find(&record, leaf);
  const ntk_status status = check_matrix(o, key, name, v);

  if (status == NTK_OK) {
    size[0] = v->size[0];
    size[1] = v->size[1];
    *kind = v->kind;
  }
  ntk_record_destroy(&record);
  return status;
}

static ntk_status read_gram_shape(source *s) {
  const file_options *o = s->options;
  int64_t size[2];
  ntk_kind kind;

  NTK_TRY(read_shape(o, "gram", o->gram, size, &kind));
  NTK_CHECK(size[0] == size[1], NTK_E_INPUT, "%s: '%s' (kernel.gram) is %lld x %lld, not square",
            o->path, o->gram, (long long)size[0], (long long)size[1]);
  s->facts.rows = size[0];
  s->facts.single = kind == NTK_KIND_SINGLE;
  return NTK_OK;
}

static ntk_status read_test_shape(source *s) {
  const file_options *o = s->options;
  int64_t size[2];
  ntk_kind kind;

  if (!o->test_train) return NTK_OK;
  NTK_TRY(read_shape(o, "test_train", o->test_train, size, &kind));
  NTK_CHECK(size[0] == s->facts.rows, NTK_E_INPUT,
            "%s: '%s' (kernel.test_train) is %lld x %lld, but '%s' is %lld x %lld; it must be "
            "[training sample][test sample]",
            o->path, o->test_train, (long long)size[0], (long long)size[1], o->gram,
            (long long)s->facts.rows, (long long)s->facts.rows);
  s->facts.test_rows = size[1];
  return NTK_OK;
}

/* Samples, outputs and whether the kernel has a row for each output. */
static ntk_status infer_counts(source *s) {
  facts *f = &s->facts;
  const int from = f->array_rows[TARGETS] > 0 ? TARGETS : INITIAL;

  f->n = f->array_rows[from] > 0 ? f->array_rows[from] : f->rows;
  f->outputs = f->array_rows[from] > 0 ? f->array_cols[from] : 1;
  f->rows_per_sample = f->rows == f->n ? 1 : f->outputs;
  NTK_CHECK(f->rows == f->n * f->rows_per_sample, NTK_E_INPUT,
            "%s: '%s' (kernel.gram) is %lld x %lld, which fits neither the %lld samples nor the "
            "%lld x %lld sample outputs of '%s' (kernel.%s)",
            s->options->path, s->options->gram, (long long)f->rows, (long long)f->rows,
            (long long)f->n, (long long)f->n, (long long)f->outputs,
            array_name(s->options, from), arrays[from].key);
  f->m = f->test_rows / f->rows_per_sample;
  NTK_CHECK(f->test_rows == f->m * f->rows_per_sample, NTK_E_INPUT,
            "%s: '%s' (kernel.test_train) has %lld columns, not a multiple of %lld outputs",
            s->options->path, s->options->test_train, (long long)f->test_rows,
            (long long)f->outputs);
  return NTK_OK;
}

static ntk_status check_array(const source *s, int k) {
  const facts *f = &s->facts;
  int64_t rows = arrays[k].test ? f->m : f->n, cols = f->outputs;

  if (k == TEST_DIAGONAL) {
    rows *= f->rows_per_sample;
    cols = 1;
  }
  NTK_CHECK(f->array_rows[k] == 0 || (f->array_rows[k] == rows && f->array_cols[k] == cols),
            NTK_E_INPUT, "%s: '%s' (kernel.%s) is %lld x %lld; it should be %lld x %lld",
            s->options->path, array_name(s->options, k), arrays[k].key,
            (long long)f->array_rows[k], (long long)f->array_cols[k], (long long)rows,
            (long long)cols);
  return NTK_OK;
}

static ntk_status read_small(source *s) {
  NTK_TRY(read_gram_shape(s));
  NTK_TRY(read_test_shape(s));
  for (int k = 0; k < ARRAYS; ++k) NTK_TRY(read_array(s, k));
  NTK_TRY(infer_counts(s));
  for (int k = 0; k < ARRAYS; ++k) NTK_TRY(check_array(s, k));
  return NTK_OK;
}

/* ---- to all ranks ----------------------------------------------------------------------------- */

static int64_t array_count(const source *s, int k) {
  return s->facts.array_rows[k] * s->facts.array_cols[k];
}

static ntk_status allocate_arrays(source *s) {
  for (int k = 0; k < ARRAYS; ++k) {
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
  for (int k = 0; k < ARRAYS; ++k) {
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
  NTK_TRY(fill_output(s, INITIAL, f->n * f->outputs, &k->f0, &k->initial));
  NTK_TRY(fill_output(s, TEST_INITIAL, f->m * f->outputs, &k->test_f0, &k->test_initial));
  return fill_data(s, data);
}

/* ---- the matrices ----------------------------------------------------------------------------- */

static ntk_status check_symmetric(const source *s, const ntk_matrix_facts *measured) {
  const double rounding = s->facts.single ? 1e-6 : 1e-12;

  NTK_CHECK(measured->finite, NTK_E_INPUT, "%s: '%s' (kernel.gram) has NaN or infinite entries",
            s->options->path, s->options->gram);
  NTK_CHECK(measured->asymmetry <= rounding * measured->largest, NTK_E_INPUT,
            "%s: '%s' (kernel.gram) is not symmetric: |K - K^T| up to %g, largest entry %g",
            s->options->path, s->options->gram, measured->asymmetry, measured->largest);
  return NTK_OK;
}

/* Rounding of the file's maker is removed: the lower triangle counts. */
static ntk_status read_gram(const source *s, const ntk_kernel_input *input, ntk_matrix *gram) {
  const int64_t rows = s->facts.rows;
  ntk_matrix_facts measured;

  NTK_TRY(ntk_matrix_create(input->grid, rows, rows, input->block, gram));
  NTK_TRY(ntk_panel_read(s->options->path, s->options->gram, true, gram));
  NTK_TRY(ntk_matrix_measure(gram, &measured));
  NTK_AGREE(input->grid->comm, check_symmetric(s, &measured));
  return measured.asymmetry > 0 ? ntk_matrix_mirror_lower(gram) : NTK_OK;
}

static ntk_status fill(source *s, const ntk_kernel_input *input, ntk_kernel *k) {
  const ntk_comm *comm = input->grid->comm;

  NTK_TRY(share(comm, s));
  NTK_AGREE(comm, fill_small(s, input->data, k));
  NTK_TRY(read_gram(s, input, &k->gram));
  NTK_TRY(ntk_matrix_create(input->grid, s->facts.test_rows, s->facts.rows, input->block,
                            &k->test_train));
  if (s->facts.test_rows == 0) return NTK_OK;
  return ntk_panel_read(s->options->path, s->options->test_train, false, &k->test_train);
}

static void destroy_source(source *s) {
  for (int k = 0; k < ARRAYS; ++k) ntk_free(&s->values[k]);
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
            .doc = "from an HDF5 file; data and network are not used",
            .options = options,
            .options_size = sizeof(file_options)},
    .compute = compute,
    .size = tell_size};
