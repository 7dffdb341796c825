#include "ntk/run/stack.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "ntk/base/memory.h"
#include "ntk/store/file.h"
#include "stack_parts.h"

enum { SMALL_FILE = 2 << 20 };

static int64_t points_of(const ntk_stack *stack) { return stack->sweep->point_count; }

/* Makes room for one more element of `size` bytes. */
static ntk_status reserve(size_t size, int64_t count, int64_t *capacity, void *address) {
  const int64_t wanted = 2 * count + 8;
  void *old = NULL, *grown = NULL;

  if (count < *capacity) return NTK_OK;
  NTK_TRY(ntk_new((size_t)wanted, size, &grown));
  memcpy(&old, address, sizeof(old));
  if (old) memcpy(grown, old, (size_t)count * size);
  ntk_free(&old);
  memcpy(address, &grown, sizeof(grown));
  *capacity = wanted;
  return NTK_OK;
}

/* ---- taking in: variables ------------------------------------------------------------------ */

static bool is_coordinate(const ntk_variable *v) {
  return v->rank == 1 && strcmp(v->dimension[0], v->name) == 0;
}

static bool same_dimensions(const ntk_variable *a, const ntk_variable *b) {
  for (int k = 0; k < a->rank && a->rank == b->rank; ++k) {
    if (strcmp(a->dimension[k], b->dimension[k]) != 0) return false;
  }
  return a->rank == b->rank;
}

static bool is_text(const ntk_variable *v) { return v->kind == NTK_KIND_TEXT; }

/* A variable is known by its name, its dimensions and whether it is text. */
static ntk_stack_column *find_column(const ntk_stack *stack, const ntk_variable *v) {
  for (int64_t k = 0; stack->column && k < stack->column_count; ++k) {
    const ntk_variable *shape = &stack->column[k].shape;

    if (strcmp(shape->name, v->name) != 0 || is_text(shape) != is_text(v)) continue;
    if (same_dimensions(shape, v)) return &stack->column[k];
  }
  return NULL;
}

static const ntk_stack_column *find_coordinate(const ntk_stack *stack, const char *name) {
  for (int64_t k = 0; k < stack->column_count; ++k) {
    const ntk_stack_column *column = &stack->column[k];

    if (column->coordinate && strcmp(column->shape.name, name) == 0) return column;
  }
  return NULL;
}

static ntk_status new_column(ntk_stack *stack, const ntk_variable *v, ntk_stack_column **column) {
  bool *present = NULL;

  NTK_TRY(reserve(sizeof(*stack->column), stack->column_count, &stack->column_capacity,
                  &stack->column));
  NTK_TRY(NTK_NEW(points_of(stack), &present));
  *column = &stack->column[stack->column_count++];
  **column = (ntk_stack_column){.shape = *v, .present = present, .coordinate = is_coordinate(v)};
  (*column)->shape.data = NULL;
  return NTK_OK;
}

/* Numbers of two kinds are both doubles; the sizes are the largest. */
static void widen(const ntk_variable *v, ntk_stack_column *column) {
  ntk_variable *shape = &column->shape;

  if (v->kind != shape->kind) shape->kind = NTK_KIND_REAL;
  for (int k = 0; k < v->rank; ++k) {
    if (v->size[k] != shape->size[k]) column->padded = true;
    if (v->size[k] > shape->size[k]) shape->size[k] = v->size[k];
  }
}

static bool same_text(char *const *a, char *const *b, int64_t count) {
  for (int64_t k = 0; k < count; ++k) {
    if (strcmp(a[k] ? a[k] : "", b[k] ? b[k] : "") != 0) return false;
  }
  return true;
}

/* Whether the shorter coordinate is the beginning of the longer one. */
static bool same_start(const ntk_variable *a, const ntk_variable *b) {
  const int64_t count = a->count < b->count ? a->count : b->count;

  if (a->kind != b->kind) return false;
  if (a->kind == NTK_KIND_TEXT) return same_text(a->data, b->data, count);
  return memcmp(a->data, b->data, (size_t)count * ntk_kind_size(a->kind)) == 0;
}

/* Of coordinates that agree the longest is kept.  `v` loses its data if it is that one. */
static void keep_longest(ntk_stack_column *column, ntk_variable *v) {
  ntk_variable *shape = &column->shape;

  if (shape->data && !same_start(shape, v)) column->differs = true;
  if (column->differs || (shape->data && shape->count >= v->count)) return;
  ntk_variable_destroy(shape);
  shape->kind = v->kind;
  shape->count = v->count;
  shape->data = v->data;
  v->data = NULL;
}

void ntk_stack_full_name(const ntk_stack *stack, const char *name, char *full) {
  (void)snprintf(full, NTK_FULL_SIZE, "%s%s%s", stack->name, stack->name[0] ? "/" : "", name);
}

/*   given  the variable with its data, or without */
static ntk_status take_coordinate(const ntk_stack *stack, const char *path, ntk_variable *given,
                                  ntk_stack_column *column) {
  char name[NTK_FULL_SIZE];
  ntk_variable v;

  if (given->data) {
    keep_longest(column, given);
    return NTK_OK;
  }
  ntk_stack_full_name(stack, column->shape.name, name);
  NTK_TRY(ntk_file_read_variable(path, name, &v));
  keep_longest(column, &v);
  ntk_variable_destroy(&v);
  return NTK_OK;
}

static ntk_status take_variable(ntk_stack *stack, int64_t point, const char *path,
                                ntk_variable *v) {
  ntk_stack_column *column = find_column(stack, v);

  if (!column) NTK_TRY(new_column(stack, v, &column));
  if (column->coordinate && !column->differs) NTK_TRY(take_coordinate(stack, path, v, column));
  widen(v, column);
  column->present[point] = true;
  return NTK_OK;
}

/* ---- taking in: attributes ----------------------------------------------------------------- */

static bool is_hidden(const char *const *hide, const char *name) {
  for (; *hide; ++hide) {
    if (strcmp(*hide, name) == 0) return true;
  }
  return false;
}

static ntk_stack_note *find_note(const ntk_stack *stack, const char *name) {
  for (int64_t k = 0; k < stack->note_count; ++k) {
    if (strcmp(stack->note[k].name, name) == 0) return &stack->note[k];
  }
  return NULL;
}

static ntk_status new_note(ntk_stack *stack, int64_t point, const ntk_attribute *a,
                           ntk_stack_note **note) {
  ntk_stack_value *value = NULL;

  NTK_TRY(reserve(sizeof(*stack->note), stack->note_count, &stack->note_capacity, &stack->note));
  NTK_TRY(NTK_NEW(points_of(stack), &value));
  *note = &stack->note[stack->note_count++];
  **note = (ntk_stack_note){.kind = a->kind, .first = point, .value = value};
  memcpy((*note)->name, a->name, sizeof((*note)->name));
  return NTK_OK;
}

const char *ntk_stack_note_text(const ntk_stack_note *note, int64_t point) {
  const ntk_stack_value *value = &note->value[point];

  if (!value->present) return "";
  return value->text ? value->text : note->value[note->first].text;
}

static ntk_status keep_text(ntk_stack_note *note, int64_t point, const char *text) {
  char *copy = NULL;

  if (point != note->first && strcmp(ntk_stack_note_text(note, note->first), text) == 0)
    return NTK_OK;
  NTK_TRY(NTK_NEW(strlen(text) + 1, &copy));
  memcpy(copy, text, strlen(text) + 1);
  note->value[point].text = copy;
  note->differs = note->differs || point != note->first;
  return NTK_OK;
}

static bool same_number(double a, double b) { return a == b || (isnan(a) && isnan(b)); }

static double number_of(const ntk_attribute *a) {
  return a->kind == NTK_KIND_INT ? (double)a->integer : a->real;
}

static ntk_status take_note(ntk_stack *stack, int64_t point, const char *path,
                            const ntk_attribute *a) {
  ntk_stack_note *note = find_note(stack, a->name);

  if (!note) NTK_TRY(new_note(stack, point, a, &note));
  NTK_CHECK((a->kind == NTK_KIND_TEXT) == (note->kind == NTK_KIND_TEXT), NTK_E_INPUT,
            "%s: attribute '%s' of group '%s' has another type than in the points before it", path,
            a->name, stack->name);
  ntk_stack_value *value = &note->value[point], *first = &note->value[note->first];

  if (a->kind == NTK_KIND_TEXT) NTK_TRY(keep_text(note, point, a->text ? a->text : ""));
  value->present = true;
  if (a->kind == NTK_KIND_TEXT) return NTK_OK;
  if (a->kind != note->kind) note->kind = NTK_KIND_REAL;
  value->integer = a->integer;
  value->real = number_of(a);
  note->differs = note->differs || !same_number(value->real, first->real);
  return NTK_OK;
}

static ntk_status take_all(ntk_stack *stack, int64_t point, const char *path,
                           const char *const *hide, const ntk_record *listed) {
  for (int64_t k = 0; k < listed->variable_count; ++k) {
    NTK_TRY(take_variable(stack, point, path, &listed->variables[k]));
  }
  for (int64_t k = 0; k < listed->attribute_count; ++k) {
    const ntk_attribute *a = &listed->attributes[k];

    if (!is_hidden(hide, a->name)) NTK_TRY(take_note(stack, point, path, a));
  }
  return NTK_OK;
}

/* A file that is read as quickly as it is opened: coordinates come along. */
static bool is_small(const char *path) {
  struct stat facts;

  return stat(path, &facts) == 0 && facts.st_size <= SMALL_FILE;
}

ntk_status ntk_stack_take(ntk_stack *stack, int64_t point, const char *path,
                          const char *const *hide) {
  ntk_record listed = {0};

  NTK_TRY((is_small(path) ? ntk_file_read : ntk_file_list)(path, stack->name, false, &listed));
  const ntk_status status = take_all(stack, point, path, hide, &listed);

  ntk_record_destroy(&listed);
  return status;
}

/* ---- what it becomes ----------------------------------------------------------------------- */

static bool has_axis(const ntk_sweep *sweep, const char *name) {
  for (int64_t k = 0; sweep && k < sweep->axis_count; ++k) {
    const ntk_axis *axis = &sweep->axis[k];

    if (strcmp(axis->name, name) == 0) return true;
    for (int64_t i = 0; i < axis->key_count; ++i) {
      if (strcmp(axis->key[i].name, name) == 0) return true;
    }
  }
  return false;
}

static bool is_axis(const ntk_stack *stack, const char *name) {
  return has_axis(stack->sweep, name) || has_axis(stack->named, name);
}

/* Names are long enough for every suffix: those of axes and dimensions are words. */
static void plain_name(const ntk_stack *stack, const char *name, char *merged) {
  (void)snprintf(merged, NTK_NAME_SIZE, "%.80s%s", name, is_axis(stack, name) ? "_value" : "");
}

/* The first of several variables of one name has it alone. */
static bool is_first(const ntk_stack *stack, const ntk_stack_column *column) {
  for (const ntk_stack_column *other = stack->column; other < column; ++other) {
    if (strcmp(other->shape.name, column->shape.name) == 0) return false;
  }
  return true;
}

static void append(char *name, const char *piece) {
  const size_t used = strlen(name);

  (void)snprintf(name + used, NTK_NAME_SIZE - used, "%s", piece);
}

void ntk_stack_column_name(const ntk_stack *stack, const ntk_stack_column *column, char *merged) {
  const ntk_variable *shape = &column->shape;

  plain_name(stack, shape->name, merged);
  if (is_first(stack, column)) return;
  append(merged, shape->rank ? "_by" : "_scalar");
  for (int k = 0; k < shape->rank; ++k) {
    append(merged, "_");
    append(merged, shape->dimension[k]);
  }
  if (is_text(shape)) append(merged, "_text");
}

static void merged_dimension(const ntk_stack *stack, const char *name, char *merged) {
  const ntk_stack_column *column = find_coordinate(stack, name);

  plain_name(stack, name, merged);
  if (column && column->differs) (void)snprintf(merged, NTK_NAME_SIZE, "%.80s_index", name);
}

/* Largest size of a dimension in any variable. */
static int64_t dimension_size(const ntk_stack *stack, const char *name) {
  int64_t size = 0;

  for (int64_t k = 0; k < stack->column_count; ++k) {
    const ntk_variable *v = &stack->column[k].shape;

    for (int d = 0; d < v->rank; ++d) {
      if (strcmp(v->dimension[d], name) == 0 && v->size[d] > size) size = v->size[d];
    }
  }
  return size;
}

/* Every point has it: whether in full length shows when the data are read. */
static bool is_everywhere(const ntk_stack *stack, const bool *present) {
  for (int64_t p = 0; p < points_of(stack); ++p) {
    if (!present[p]) return false;
  }
  return true;
}

static bool has_gaps(const ntk_stack *stack, const ntk_stack_column *column) {
  const ntk_variable *v = &column->shape;

  for (int k = 0; k < v->rank; ++k) {
    if (v->size[k] < dimension_size(stack, v->dimension[k])) return true;
  }
  return column->padded || !is_everywhere(stack, column->present);
}

/* A coordinate that all points share stands in the record as it is. */
bool ntk_stack_is_shared(const ntk_stack_column *column) {
  return column->coordinate && !column->differs;
}

static ntk_status copy_texts(char *const *from, ntk_variable *to) {
  for (int64_t k = 0; k < to->count; ++k) {
    NTK_TRY(ntk_variable_set_text(to, k, from[k] ? from[k] : ""));
  }
  return NTK_OK;
}

static ntk_status describe_shared(const ntk_stack *stack, const ntk_stack_column *column,
                                  ntk_record *record) {
  const ntk_variable *from = &column->shape;
  ntk_variable shape = *from, *to = NULL;

  ntk_stack_column_name(stack, column, shape.name);
  memcpy(shape.dimension[0], shape.name, NTK_NAME_SIZE);
  shape.size[0] = from->count;
  NTK_TRY(ntk_record_add_shape(record, &shape, &to));
  NTK_TRY(ntk_new((size_t)to->count, ntk_kind_size(to->kind), &to->data));
  if (to->kind == NTK_KIND_TEXT) return copy_texts(from->data, to);
  if (to->count > 0) memcpy(to->data, from->data, (size_t)to->count * ntk_kind_size(to->kind));
  return NTK_OK;
}

static void add_axes(const ntk_stack *stack, ntk_variable *v) {
  v->rank = 0;
  v->count = 1;
  for (int64_t k = 0; k < stack->sweep->axis_count; ++k) {
    const ntk_axis *axis = &stack->sweep->axis[k];

    (void)snprintf(v->dimension[v->rank], NTK_NAME_SIZE, "%s", axis->name);
    v->size[v->rank++] = axis->count;
    v->count *= axis->count;
  }
}

static ntk_status check_rank(const ntk_stack *stack, const char *name, int rank) {
  NTK_CHECK(
      stack->sweep->axis_count + rank <= NTK_MAX_RANK, NTK_E_SIZE,
      "'%s' has %d dimensions; with %lld axes of the sweep that is more than %d; the flat form "
      "(--flat) takes any number",
      name, rank, (long long)stack->sweep->axis_count, NTK_MAX_RANK);
  return NTK_OK;
}

void ntk_stack_column_shape(const ntk_stack *stack, const ntk_stack_column *column,
                            ntk_variable *shape) {
  const ntk_variable *from = &column->shape;
  const bool number = from->kind == NTK_KIND_INT || from->kind == NTK_KIND_FLAG;

  *shape = *from;
  shape->data = NULL;
  ntk_stack_column_name(stack, column, shape->name);
  if (number && has_gaps(stack, column)) shape->kind = NTK_KIND_REAL;
  add_axes(stack, shape);
  for (int k = 0; k < from->rank; ++k) {
    merged_dimension(stack, from->dimension[k], shape->dimension[shape->rank]);
    shape->size[shape->rank] = dimension_size(stack, from->dimension[k]);
    shape->count *= shape->size[shape->rank++];
  }
}

static ntk_status describe_stacked(const ntk_stack *stack, const ntk_stack_column *column,
                                   ntk_record *record) {
  ntk_variable shape;

  NTK_TRY(check_rank(stack, column->shape.name, column->shape.rank));
  ntk_stack_column_shape(stack, column, &shape);
  return ntk_record_add_shape(record, &shape, NULL);
}

static bool has_column(const ntk_stack *stack, const char *name) {
  for (int64_t k = 0; k < stack->column_count; ++k) {
    if (strcmp(stack->column[k].shape.name, name) == 0) return true;
  }
  return false;
}

void ntk_stack_note_name(const ntk_stack *stack, const ntk_stack_note *note, char *name) {
  (void)snprintf(name, NTK_NAME_SIZE, "%.80s%s", note->name,
                 has_column(stack, note->name) ? "_attribute"
                 : is_axis(stack, note->name)  ? "_value"
                                               : "");
}

static bool note_has_gaps(const ntk_stack *stack, const ntk_stack_note *note) {
  for (int64_t p = 0; p < points_of(stack); ++p) {
    if (!note->value[p].present) return true;
  }
  return false;
}

static ntk_status describe_varying_note(const ntk_stack *stack, const ntk_stack_note *note,
                                        ntk_record *record) {
  const bool gaps = note->kind == NTK_KIND_INT && note_has_gaps(stack, note);
  ntk_variable shape = {.kind = gaps ? NTK_KIND_REAL : note->kind};

  NTK_TRY(check_rank(stack, note->name, 0));
  ntk_stack_note_name(stack, note, shape.name);
  (void)snprintf(shape.units, sizeof(shape.units), "%s",
                 strcmp(note->name, "seconds") == 0 ? "s" : "1");
  (void)snprintf(shape.long_name, sizeof(shape.long_name), "attribute %s of the points",
                 note->name);
  add_axes(stack, &shape);
  return ntk_record_add_shape(record, &shape, NULL);
}

static ntk_status describe_note(const ntk_stack *stack, const ntk_stack_note *note,
                                ntk_record *record) {
  const ntk_stack_value *value = &note->value[note->first];

  if (note->differs) return describe_varying_note(stack, note, record);
  if (note->kind == NTK_KIND_TEXT) return ntk_record_set_text(record, note->name, value->text);
  return note->kind == NTK_KIND_INT ? ntk_record_set_int(record, note->name, value->integer)
                                    : ntk_record_set_real(record, note->name, value->real);
}

ntk_status ntk_stack_describe(const ntk_stack *stack, ntk_record *record) {
  for (int64_t k = 0; k < stack->column_count; ++k) {
    const ntk_stack_column *column = &stack->column[k];

    NTK_TRY(ntk_stack_is_shared(column) ? describe_shared(stack, column, record)
                                        : describe_stacked(stack, column, record));
  }
  for (int64_t k = 0; k < stack->note_count; ++k) {
    NTK_TRY(describe_note(stack, &stack->note[k], record));
  }
  return NTK_OK;
}

ntk_status ntk_stack_coordinates(const ntk_stack *stack, ntk_text *names) {
  char merged[NTK_NAME_SIZE];

  for (int64_t k = 0; k < stack->column_count; ++k) {
    const ntk_stack_column *column = &stack->column[k];

    if (!column->coordinate || !column->differs) continue;
    ntk_stack_column_name(stack, column, merged);
    NTK_TRY(ntk_text_add(names, " %s", merged));
  }
  return NTK_OK;
}

void ntk_stack_destroy(ntk_stack *stack) {
  for (int64_t k = 0; k < stack->column_count; ++k) {
    ntk_variable_destroy(&stack->column[k].shape);
    ntk_free(&stack->column[k].present);
  }
  for (int64_t k = 0; k < stack->note_count; ++k) {
    for (int64_t p = 0; p < points_of(stack); ++p) ntk_free(&stack->note[k].value[p].text);
    ntk_free(&stack->note[k].value);
  }
  ntk_stack_drop_ready(stack);
  ntk_free(&stack->column);
  ntk_free(&stack->note);
  *stack = (ntk_stack){0};
}
