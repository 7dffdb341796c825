/* What a kernel is beside its matrices, in a record and back. */
#include <stdio.h>
#include <string.h>

#include "ntk/base/memory.h"
#include "ntk/kernel/assembly.h"
#include "ntk/kernel/kernel.h"

/* ---- numbers --------------------------------------------------------------------------------- */

typedef struct numbers {
  int64_t n, m, outputs, rows_per_sample, tensors;
  int64_t single, reproducible, has_diagonal, has_traces;
  double rate_scale, flops, seconds;
  char quantity[32], contraction[32];
} numbers;

static numbers numbers_of(const ntk_kernel *k) {
  numbers x = {.n = k->n,
               .m = k->m,
               .outputs = k->outputs,
               .rows_per_sample = k->rows_per_sample,
               .tensors = k->tensor_count,
               .single = k->single,
               .reproducible = k->reproducible,
               .has_diagonal = k->test_diagonal != NULL,
               .has_traces = k->tensor_trace != NULL,
               .rate_scale = k->rate_scale,
               .flops = k->flops,
               .seconds = k->seconds};

  (void)snprintf(x.quantity, sizeof(x.quantity), "%s", k->quantity->row.name);
  (void)snprintf(x.contraction, sizeof(x.contraction), "%s", k->contraction);
  return x;
}

enum { INTEGERS = 9, REALS = 3, TEXTS = 2 };

static const char *const integer_names[INTEGERS] = {
    "n",         "m",      "outputs",      "rows_per_sample",
    "tensors",   "single", "reproducible", "has_test_diagonal",
    "has_traces"};
static const char *const real_names[REALS] = {"rate_scale", "flops", "seconds"};
static const char *const text_names[TEXTS] = {"quantity", "contraction"};

static int64_t *integer(numbers *x, int k) {
  int64_t *const all[INTEGERS] = {&x->n,         &x->m,      &x->outputs,      &x->rows_per_sample,
                                  &x->tensors,   &x->single, &x->reproducible, &x->has_diagonal,
                                  &x->has_traces};

  return all[k];
}

static double *real(numbers *x, int k) {
  double *const all[REALS] = {&x->rate_scale, &x->flops, &x->seconds};

  return all[k];
}

static char *text(numbers *x, int k) { return k == 0 ? x->quantity : x->contraction; }

static ntk_status put_numbers(numbers *x, ntk_record *record) {
  for (int k = 0; k < INTEGERS; ++k) {
    NTK_TRY(ntk_record_set_int(record, integer_names[k], *integer(x, k)));
  }
  for (int k = 0; k < REALS; ++k) NTK_TRY(ntk_record_set_real(record, real_names[k], *real(x, k)));
  for (int k = 0; k < TEXTS; ++k) NTK_TRY(ntk_record_set_text(record, text_names[k], text(x, k)));
  return NTK_OK;
}

static ntk_status find_attribute(const ntk_record *record, const char *name, ntk_kind kind,
                                 const ntk_attribute **found) {
  *found = ntk_record_find_attribute(record, name);
  NTK_CHECK(*found && (*found)->kind == kind, NTK_E_INPUT, "no attribute '%s' of a kernel", name);
  return NTK_OK;
}

static ntk_status get_numbers(const ntk_record *record, numbers *x) {
  const ntk_attribute *found = NULL;

  for (int k = 0; k < INTEGERS; ++k) {
    NTK_TRY(find_attribute(record, integer_names[k], NTK_KIND_INT, &found));
    *integer(x, k) = found->integer;
  }
  for (int k = 0; k < REALS; ++k) {
    NTK_TRY(find_attribute(record, real_names[k], NTK_KIND_REAL, &found));
    *real(x, k) = found->real;
  }
  for (int k = 0; k < TEXTS; ++k) {
    NTK_TRY(find_attribute(record, text_names[k], NTK_KIND_TEXT, &found));
    (void)snprintf(text(x, k), sizeof(x->quantity), "%s", found->text);
  }
  NTK_CHECK(x->n > 0 && x->m >= 0 && x->outputs > 0 && x->rows_per_sample > 0 && x->tensors >= 0,
            NTK_E_INPUT, "sizes of a kernel make no sense");
  return NTK_OK;
}

/* ---- arrays ---------------------------------------------------------------------------------- */

enum { ARRAYS = 8 };

/* An array of a kernel; in the record only if it has entries. */
typedef struct array {
  ntk_field field;
  int64_t sizes[2];
  bool present;
  double **values;
} array;

static void list_arrays(const numbers *x, ntk_kernel *k, array arrays[ARRAYS]) {
  const int64_t m = x->m, o = x->outputs, rows = m * x->rows_per_sample;
  const bool full = x->rows_per_sample > 1;
  const array all[ARRAYS] = {
      {{"f0", "sample output", "1", "output that training starts from", "B4", NTK_KIND_REAL},
       {x->n, o},
       true,
       &k->f0},
      {{"initial_output", "sample output", "1", "output of the network at initialisation", "B4",
        NTK_KIND_REAL},
       {x->n, o},
       true,
       &k->initial},
      {{"test_f0", "test_sample output", "1", "output that training starts from", "B4",
        NTK_KIND_REAL},
       {m, o},
       true,
       &k->test_f0},
      {{"test_initial_output", "test_sample output", "1", "output of the network at initialisation",
        "B4", NTK_KIND_REAL},
       {m, o},
       true,
       &k->test_initial},
      {{"test_diagonal", full ? "test_row" : "test_sample", "1", "K(x, x), test samples",
        full ? "B6" : "B5", NTK_KIND_REAL},
       {rows, 1},
       x->has_diagonal != 0,
       &k->test_diagonal},
      {{"tensor_trace", "tensor", "1", "trace of the tensor's part of the Gram", "B1",
        NTK_KIND_REAL},
       {x->tensors, 1},
       x->has_traces != 0,
       &k->tensor_trace},
      {{"tensor_norm", "tensor", "1", "Frobenius norm of the tensor's part of the Gram", "B1",
        NTK_KIND_REAL},
       {x->tensors, 1},
       x->has_traces != 0,
       &k->tensor_norm},
      {{"tensor_flops", "tensor", "1", "flops of the contraction; of a weight with its bias", "B12",
        NTK_KIND_REAL},
       {x->tensors, 1},
       true,
       &k->tensor_flops}};

  memcpy(arrays, all, sizeof(all));
}

static int64_t count_of(const array *a) { return a->present ? a->sizes[0] * a->sizes[1] : 0; }

static ntk_status put_names(const ntk_kernel *k, ntk_record *record) {
  static const ntk_field field = {"tensor", "tensor", "1", "trainable tensor", "", NTK_KIND_TEXT};
  static const ntk_field contraction = {
      "tensor_contraction", "tensor", "1", "how its positions were contracted", "B12",
      NTK_KIND_TEXT};
  const int64_t count = k->tensor_count;

  if (count == 0) return NTK_OK;
  NTK_TRY(ntk_record_add(record, &field, &count, NULL));
  NTK_TRY(ntk_record_add(record, &contraction, &count, NULL));
  for (int64_t t = 0; t < count; ++t) {
    ntk_variable *how = ntk_record_find(record, contraction.name);

    NTK_TRY(ntk_variable_set_text(ntk_record_find(record, "tensor"), t, k->tensor_name[t]));
    NTK_TRY(ntk_variable_set_text(how, t, k->tensor_contraction[t]));
  }
  return NTK_OK;
}

ntk_status ntk_kernel_save(const ntk_kernel *kernel, ntk_record *record) {
  numbers x = numbers_of(kernel);
  ntk_kernel borrowed = *kernel;
  array arrays[ARRAYS];

  NTK_TRY(put_numbers(&x, record));
  NTK_TRY(put_names(kernel, record));
  list_arrays(&x, &borrowed, arrays);
  for (int a = 0; a < ARRAYS; ++a) {
    double *values = NULL;

    if (count_of(&arrays[a]) == 0) continue;
    NTK_TRY(ntk_record_add(record, &arrays[a].field, arrays[a].sizes, &values));
    memcpy(values, *arrays[a].values, (size_t)count_of(&arrays[a]) * sizeof(double));
  }
  return NTK_OK;
}

/* ---- back ------------------------------------------------------------------------------------ */

static bool is_there(const ntk_record *record, const char *name, ntk_kind kind, int64_t count) {
  const ntk_variable *v = ntk_record_find(record, name);

  return v && v->data && v->kind == kind && v->count == count;
}

static ntk_status get_names(const ntk_record *record, ntk_kernel *k) {
  if (k->tensor_count == 0) return NTK_OK;
  NTK_CHECK(is_there(record, "tensor", NTK_KIND_TEXT, k->tensor_count), NTK_E_INPUT,
            "no names 'tensor' of a kernel of %d tensors", k->tensor_count);
  char *const *names = ntk_record_find(record, "tensor")->data;

  for (int t = 0; t < k->tensor_count; ++t) {
    (void)snprintf(k->tensor_name[t], NTK_NAME_SIZE, "%s", names[t] ? names[t] : "");
  }
  return NTK_OK;
}

/* Number of a word in the table of contractions; -1 if it is none. */
static int number_of(const char *name) {
  int k = 0;

  while (ntk_contractions[k] && strcmp(ntk_contractions[k]->name, name) != 0) ++k;
  return ntk_contractions[k] ? k : -1;
}


static void get_contractions(const ntk_record *record, int64_t count, int *number) {
  const bool there = is_there(record, "tensor_contraction", NTK_KIND_TEXT, count);
  char *const *names = there ? ntk_record_find(record, "tensor_contraction")->data : NULL;

  for (int64_t t = 0; t < count; ++t) number[t] = names && names[t] ? number_of(names[t]) : -1;
}

static ntk_status set_contractions(const int *number, ntk_kernel *k) {
  for (int t = 0; t < k->tensor_count; ++t) {
    NTK_CHECK(number[t] >= 0, NTK_E_INPUT, "no contraction of tensor '%s' of a kernel",
              k->tensor_name[t]);
    k->tensor_contraction[t] = ntk_contractions[number[t]]->name;
  }
  return NTK_OK;
}

static ntk_status fill_contractions(const ntk_comm *comm, const ntk_record *record, ntk_kernel *k) {
  int *number = NULL;
  ntk_status status = ntk_agree(comm, NTK_NEW(k->tensor_count, &number));

  if (status == NTK_OK) {
    if (comm->rank == 0) get_contractions(record, k->tensor_count, number);
    ntk_comm_broadcast(comm, 0, number, k->tensor_count * (int64_t)sizeof(*number));
    status = ntk_agree(comm, set_contractions(number, k));
  }
  ntk_free(&number);
  return status;
}

static ntk_status get_array(const ntk_record *record, const array *a) {
  const char *name = a->field.name;
  const int64_t count = count_of(a);

  if (count == 0) return NTK_OK;
  NTK_CHECK(is_there(record, name, NTK_KIND_REAL, count), NTK_E_INPUT,
            "no '%s' of a kernel of this size", name);
  memcpy(*a->values, ntk_record_find(record, name)->data, (size_t)count * sizeof(double));
  return NTK_OK;
}

/* On rank 0. */
static ntk_status get_arrays(const ntk_record *record, const array *arrays, ntk_kernel *k) {
  NTK_TRY(get_names(record, k));
  for (int a = 0; a < ARRAYS; ++a) NTK_TRY(get_array(record, &arrays[a]));
  return NTK_OK;
}

/* NULL if there is no such word. */
static const char *contraction_of(const char *name) {
  const int number = number_of(name);

  if (strcmp(name, "mixed") == 0) return "mixed";
  return number >= 0 ? ntk_contractions[number]->name : NULL;
}

static ntk_status adopt(const numbers *x, const ntk_quantity *quantity, ntk_kernel *k) {
  const char *contraction = contraction_of(x->contraction);

  NTK_CHECK(strcmp(x->quantity, quantity->row.name) == 0 && contraction, NTK_E_INPUT,
            "a kernel of quantity '%s', contraction '%s'; not the '%s' that is wanted", x->quantity,
            x->contraction, quantity->row.name);
  *k = (ntk_kernel){.quantity = quantity,
                    .n = x->n,
                    .m = x->m,
                    .outputs = x->outputs,
                    .rows_per_sample = x->rows_per_sample,
                    .tensor_count = (int)x->tensors,
                    .contraction = contraction,
                    .single = x->single != 0,
                    .reproducible = x->reproducible != 0,
                    .rate_scale = x->rate_scale,
                    .flops = x->flops,
                    .seconds = x->seconds};
  NTK_TRY(NTK_NEW(k->tensor_count, &k->tensor_contraction));
  return NTK_NEW(k->tensor_count, &k->tensor_name);
}

/* Also what is empty, as after a computation. */
static ntk_status allocate(const array *arrays) {
  for (int a = 0; a < ARRAYS; ++a) {
    if (arrays[a].present) NTK_TRY(NTK_NEW(count_of(&arrays[a]), arrays[a].values));
  }
  return NTK_OK;
}

static ntk_status fill(const ntk_comm *comm, const ntk_record *record, const numbers *x,
                       ntk_kernel *k) {
  array arrays[ARRAYS];

  list_arrays(x, k, arrays);
  NTK_AGREE(comm, allocate(arrays));
  NTK_AGREE(comm, comm->rank == 0 ? get_arrays(record, arrays, k) : NTK_OK);
  ntk_comm_broadcast(comm, 0, k->tensor_name, k->tensor_count * (int64_t)NTK_NAME_SIZE);
  NTK_TRY(fill_contractions(comm, record, k));
  for (int a = 0; a < ARRAYS; ++a) {
    if (count_of(&arrays[a]) == 0) continue;
    ntk_comm_broadcast(comm, 0, *arrays[a].values, count_of(&arrays[a]) * (int64_t)sizeof(double));
  }
  return NTK_OK;
}

static ntk_status create_matrices(const ntk_grid *grid, int64_t block, bool test_test,
                                  ntk_kernel *k) {
  const int64_t rows = k->n * k->rows_per_sample, test_rows = k->m * k->rows_per_sample;

  NTK_TRY(ntk_matrix_create(grid, rows, rows, block, &k->gram));
  NTK_TRY(ntk_matrix_create(grid, test_rows, rows, block, &k->test_train));
  if (!test_test || test_rows == 0) return NTK_OK;
  return ntk_matrix_create(grid, test_rows, test_rows, block, &k->test_test);
}

static ntk_status restore(const ntk_grid *grid, int64_t block, const ntk_quantity *quantity,
                          bool test_test, const ntk_record *record, ntk_kernel *k) {
  const ntk_comm *comm = grid->comm;
  numbers x = {0};

  NTK_AGREE(comm, comm->rank == 0 ? get_numbers(record, &x) : NTK_OK);
  ntk_comm_broadcast(comm, 0, &x, sizeof(x));
  NTK_AGREE(comm, adopt(&x, quantity, k));
  NTK_TRY(fill(comm, record, &x, k));
  return create_matrices(grid, block, test_test, k);
}

ntk_status ntk_kernel_restore(const ntk_grid *grid, int64_t block, const ntk_quantity *quantity,
                              bool test_test, const ntk_record *record, ntk_kernel *kernel) {
  *kernel = (ntk_kernel){0};
  const ntk_status status = restore(grid, block, quantity, test_test, record, kernel);

  if (status != NTK_OK) ntk_kernel_destroy(kernel);
  return status;
}
