#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "ntk/base/memory.h"
#include "ntk/data/source.h"

void ntk_table_place(ntk_table *table, const char *path, const char *name) {
  (void)snprintf(table->place, sizeof(table->place), "%s%s%s", path, name ? ":" : "",
                 name ? name : "");
}

ntk_status ntk_table_bytes(const ntk_table *table, int64_t *bytes) {
  int64_t product = table->element.size;

  for (int k = 0; k < table->rank; ++k) {
    NTK_CHECK(table->size[k] > 0, NTK_E_INPUT,
              "%s: size %d of the array is %" PRId64 "; an array without elements is no data",
              table->place, k, table->size[k]);
    NTK_CHECK(product <= INT64_MAX / table->size[k], NTK_E_INPUT,
              "%s: the product of the array's sizes overflows", table->place);
    product *= table->size[k];
  }
  *bytes = product;
  return NTK_OK;
}

ntk_status ntk_table_read(const char *path, ntk_gzip *gzip, ntk_table *table) {
  int64_t bytes = 0;

  NTK_TRY(ntk_table_bytes(table, &bytes));
  NTK_CHECK(bytes <= ntk_gzip_limit(gzip), NTK_E_INPUT,
            "%s: truncated: the header announces %" PRId64
            " bytes, the file cannot hold more "
            "than %" PRId64,
            path, bytes, ntk_gzip_limit(gzip));
  NTK_TRY(NTK_NEW(bytes, &table->bytes));
  NTK_TRY(ntk_gzip_read(gzip, table->bytes, (size_t)bytes));
  return ntk_gzip_end(gzip);
}

void ntk_table_destroy(ntk_table *table) {
  ntk_free(&table->bytes);
}

/* Shape of one sample; a plain list of numbers has samples of one feature. */
static ntk_shape shape_of(const ntk_table *table) {
  ntk_shape shape = {.rank = 1, .size = {1}};

  for (int k = 1; k < table->rank; ++k) shape.size[k - 1] = table->size[k];
  if (table->rank > 1) shape.rank = table->rank - 1;
  return shape;
}

static bool same_shape(const ntk_shape *a, const ntk_shape *b) {
  bool same = a->rank == b->rank;

  for (int k = 0; same && k < a->rank; ++k) same = a->size[k] == b->size[k];
  return same;
}

static int64_t first_not_finite(int64_t n, const double *values) {
  int64_t i = 0;

  while (i < n && isfinite(values[i])) ++i;
  return i;
}

static ntk_status check_finite(const ntk_table *table, int64_t columns, const double *values) {
  const int64_t n = table->size[0] * columns, i = first_not_finite(n, values);

  NTK_CHECK(i == n, NTK_E_INPUT, "%s: sample %" PRId64 ", value %" PRId64 " is %s", table->place,
            i / columns, i % columns, i < n && isnan(values[i]) ? "NaN" : "infinite");
  return NTK_OK;
}

/* The numbers as doubles; the table gives up its bytes where they already have the size. */
static ntk_status take_reals(ntk_table *table, int64_t columns, double **values) {
  const int64_t n = table->size[0] * columns;

  if (table->element.size == 8) {
    *values = (double *)(void *)table->bytes;
    table->bytes = NULL;
    ntk_element_reals(table->element, (const unsigned char *)*values, n, *values);
  } else {
    NTK_TRY(NTK_NEW(n, values));
    ntk_element_reals(table->element, table->bytes, n, *values);
  }
  return check_finite(table, columns, *values);
}

/* Where one of the two sets goes. */
typedef struct side {
  int64_t *count, **label;
  unsigned char **bytes;
  double **inputs, **target;
  bool tokens;
} side;

static ntk_status take_inputs(ntk_table *table, const ntk_shape *shape, const side *to) {
  NTK_CHECK(!to->tokens || table->element.kind != 'f', NTK_E_INPUT,
            "%s: tokens are integers, but these are floating point", table->place);
  if (table->element.kind == 'u' && table->element.size == 1 && !to->tokens) {
    *to->bytes = table->bytes;
    table->bytes = NULL;
    return NTK_OK;
  }
  return take_reals(table, ntk_shape_count(shape), to->inputs);
}

static ntk_status take_classes(const ntk_table *table, int64_t **label) {
  const int64_t n = table->size[0];
  const ntk_element e = table->element;
  int64_t i = 0;

  NTK_TRY(NTK_NEW(n, label));
  ntk_element_integers(e, table->bytes, n, *label);
  while (i < n && !(e.kind == 'u' && (*label)[i] < 0)) ++i;
  NTK_CHECK(i == n, NTK_E_INPUT, "%s: label %" PRId64 " does not fit into 63 bits", table->place,
            i);
  return NTK_OK;
}

static ntk_status take_labels(ntk_table *table, int64_t *columns, int64_t **label,
                              double **target) {
  *columns = table->rank > 1 ? table->size[1] : 1;
  NTK_CHECK(table->rank <= 2, NTK_E_INPUT, "%s: labels have %d dimensions; at most 2 make sense",
            table->place, table->rank);
  if (table->element.kind == 'f') return take_reals(table, *columns, target);
  NTK_CHECK(*columns == 1, NTK_E_INPUT,
            "%s: labels of integers are classes, one a sample, but "
            "there are %" PRId64 " columns; write real targets as floating point",
            table->place, *columns);
  *columns = 0;
  return take_classes(table, label);
}

static ntk_status take_set(ntk_table *inputs, ntk_table *labels, const side *to, ntk_shape *shape,
                           int64_t *columns) {
  NTK_CHECK(inputs->size[0] == labels->size[0], NTK_E_INPUT,
            "%s has %" PRId64 " samples, but %s has %" PRId64 " labels", inputs->place,
            inputs->size[0], labels->place, labels->size[0]);
  *shape = shape_of(inputs);
  NTK_TRY(take_inputs(inputs, shape, to));
  NTK_TRY(take_labels(labels, columns, to->label, to->target));
  *to->count = inputs->size[0];
  return NTK_OK;
}

static ntk_status read_pair(const ntk_raw_files *files, int first, const side *to, ntk_shape *shape,
                            int64_t *columns) {
  ntk_table inputs = {0}, labels = {0};
  ntk_status status = files->read(files->path[first], files->name[first], &inputs);

  if (status == NTK_OK) {
    status = files->read(files->path[first + 1], files->name[first + 1], &labels);
  }
  if (status == NTK_OK) status = take_set(&inputs, &labels, to, shape, columns);
  ntk_table_destroy(&inputs);
  ntk_table_destroy(&labels);
  return status;
}

static ntk_status check_alike(const ntk_raw_files *files, const ntk_raw *raw,
                              const ntk_shape *shape, int64_t columns) {
  char train[NTK_SHAPE_TEXT], test[NTK_SHAPE_TEXT];

  NTK_CHECK(same_shape(&raw->shape, shape), NTK_E_INPUT,
            "training samples are %s (%s%s%s), test samples are %s (%s%s%s)",
            ntk_shape_text(&raw->shape, train), files->path[0], files->name[0] ? ":" : "",
            files->name[0] ? files->name[0] : "", ntk_shape_text(shape, test), files->path[2],
            files->name[2] ? ":" : "", files->name[2] ? files->name[2] : "");
  NTK_CHECK(!raw->train_bytes == !raw->test_bytes, NTK_E_INPUT,
            "%s and %s: one has bytes (divided by 255), the other has numbers (taken as they are)",
            files->path[0], files->path[2]);
  NTK_CHECK(raw->target_columns == columns, NTK_E_INPUT,
            "%s has %" PRId64 " columns of real targets, %s has %" PRId64 " (0: classes)",
            files->path[1], raw->target_columns, files->path[3], columns);
  return NTK_OK;
}

ntk_status ntk_raw_read(const ntk_raw_files *files, ntk_raw *raw) {
  const side train = {&raw->train_count, &raw->train_label, &raw->train_bytes, &raw->train_inputs,
                      &raw->train_target, files->tokens};
  const side test = {&raw->test_count, &raw->test_label, &raw->test_bytes, &raw->test_inputs,
                     &raw->test_target, files->tokens};
  ntk_shape shape = {0};
  int64_t columns = 0;

  NTK_TRY(read_pair(files, 0, &train, &raw->shape, &raw->target_columns));
  if (!files->path[2]) return NTK_OK;
  NTK_TRY(read_pair(files, 2, &test, &shape, &columns));
  return check_alike(files, raw, &shape, columns);
}
