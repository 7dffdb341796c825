#include "ntk/run/stack.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ntk/base/memory.h"
#include "ntk/store/file.h"

enum { PATH_SIZE = 4096 };

static int64_t points_of(const ntk_stack *stack) { return stack->sweep->point_count; }

/* Makes room for one more element of `size` bytes. */
static ntk_status reserve(size_t size, int64_t count, int64_t *capacity, void *address) {
  const int64_t wanted = 2 * count + 8;
  void *old = NULL, *grown = NULL;

  if (count < *capacity) return NTK_OK;
  NTK_TRY(ntk_new((size_t)wanted, size, &grown));
  memcpy(&old, address, sizeof(old));
  if (count > 0) memcpy(grown, old, (size_t)count * size);
  ntk_free(&old);
  memcpy(address, &grown, sizeof(grown));
  *capacity = wanted;
  return NTK_OK;
}

/* ---- taking in: variables --------------------------------------------------------------------- */

static bool is_coordinate(const ntk_variable *v) {
  return v->rank == 1 && strcmp(v->dimension[0], v->name) == 0;
}

static ntk_stack_column *find_column(const ntk_stack *stack, const char *name) {
  for (int64_t k = 0; k < stack->column_count; ++k) {
    if (strcmp(stack->column[k].shape.name, name) == 0) return &stack->column[k];
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

static bool same_dimensions(const ntk_variable *a, const ntk_variable *b) {
  for (int k = 0; k < a->rank && a->rank == b->rank; ++k) {
    if (strcmp(a->dimension[k], b->dimension[k]) != 0) return false;
  }
  return a->rank == b->rank;
}

/* Numbers of two kinds are both doubles; the sizes are the largest. */
static ntk_status widen(const char *path, const ntk_variable *v, ntk_variable *shape) {
  const bool text = v->kind == NTK_KIND_TEXT, was_text = shape->kind == NTK_KIND_TEXT;

  NTK_CHECK(text == was_text && same_dimensions(v, shape), NTK_E_INPUT,
            "%s: '%s' has another type or other dimensions than in the points before it", path,
            v->name);
  if (v->kind != shape->kind) shape->kind = NTK_KIND_REAL;
  for (int k = 0; k < v->rank; ++k) {
    if (v->size[k] > shape->size[k]) shape->size[k] = v->size[k];
  }
  return NTK_OK;
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

static void full_name(const ntk_stack *stack, const char *name, char *full) {
  (void)snprintf(full, 2 * NTK_NAME_SIZE, "%s%s%s", stack->name, stack->name[0] ? "/" : "", name);
}

static ntk_status take_coordinate(const ntk_stack *stack, const char *path,
                                  ntk_stack_column *column) {
  char name[2 * NTK_NAME_SIZE];
  ntk_variable v;

  full_name(stack, column->shape.name, name);
  NTK_TRY(ntk_file_read_variable(path, name, &v));
  keep_longest(column, &v);
  ntk_variable_destroy(&v);
  return NTK_OK;
}

static ntk_status take_variable(ntk_stack *stack, int64_t point, const char *path,
                                const ntk_variable *v) {
  ntk_stack_column *column = find_column(stack, v->name);

  if (!column) NTK_TRY(new_column(stack, v, &column));
  if (column->coordinate && !column->differs) NTK_TRY(take_coordinate(stack, path, column));
  NTK_TRY(widen(path, v, &column->shape));
  column->present[point] = true;
  return NTK_OK;
}

/* ---- taking in: attributes -------------------------------------------------------------------- */

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

static const char *note_text(const ntk_stack_note *note, int64_t point) {
  const ntk_stack_value *value = &note->value[point];

  if (!value->present) return "";
  return value->text ? value->text : note->value[note->first].text;
}

static ntk_status keep_text(ntk_stack_note *note, int64_t point, const char *text) {
  char *copy = NULL;

  if (point != note->first && strcmp(note_text(note, note->first), text) == 0) return NTK_OK;
  NTK_TRY(NTK_NEW(strlen(text) + 1, &copy));
  memcpy(copy, text, strlen(text) + 1);
  note->value[point].text = copy;
  note->differs = note->differs || point != note->first;
  return NTK_OK;
}

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
  note->differs = note->differs || memcmp(&value->real, &first->real, sizeof(double)) != 0;
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

ntk_status ntk_stack_take(ntk_stack *stack, int64_t point, const char *path,
                          const char *const *hide) {
  ntk_record listed = {0};

  NTK_TRY(ntk_file_list(path, stack->name, false, &listed));
  const ntk_status status = take_all(stack, point, path, hide, &listed);

  ntk_record_destroy(&listed);
  return status;
}

/* ---- what it becomes -------------------------------------------------------------------------- */

static bool is_axis(const ntk_stack *stack, const char *name) {
  for (int64_t k = 0; k < stack->sweep->axis_count; ++k) {
    if (strcmp(stack->sweep->axis[k].name, name) == 0) return true;
  }
  return false;
}

/* Names are long enough for every suffix: those of axes and dimensions are words. */
static void merged_name(const ntk_stack *stack, const char *name, char *merged) {
  (void)snprintf(merged, NTK_NAME_SIZE, "%.80s%s", name, is_axis(stack, name) ? "_value" : "");
}

static void merged_dimension(const ntk_stack *stack, const char *name, char *merged) {
  const ntk_stack_column *column = find_column(stack, name);

  merged_name(stack, name, merged);
  if (column && column->coordinate && column->differs) {
    (void)snprintf(merged, NTK_NAME_SIZE, "%.80s_index", name);
  }
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

static bool is_padded(const ntk_stack *stack, const ntk_stack_column *column) {
  return column->padded || !is_everywhere(stack, column->present);
}
