/* The data of a merged group: every point's part at its place. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ntk/base/memory.h"
#include "ntk/store/file.h"
#include "stack_parts.h"

enum { PATH_SIZE = 4096, POINT_BYTES = 1 << 20, BATCH_BYTES = 8 << 20 };

static int64_t points_of(const ntk_stack *stack) { return stack->sweep->point_count; }

/* `count` entries next to each other, of a kind that fits: numbers into doubles, or the same kind.
 * Texts change their owner. */
static void copy_cells(ntk_variable *from, int64_t at, int64_t count, ntk_variable *to,
                       int64_t start) {
  const size_t size = ntk_kind_size(from->kind);
  char *source = (char *)from->data + (size_t)at * size;
  double *real = (double *)to->data + start;

  if (from->kind == to->kind) {
    memcpy((char *)to->data + (size_t)start * size, source, (size_t)count * size);
    if (from->kind == NTK_KIND_TEXT) memset(source, 0, (size_t)count * size);
    return;
  }
  for (int64_t k = 0; k < count; ++k) {
    real[k] = from->kind == NTK_KIND_INT      ? (double)((int64_t *)from->data)[at + k]
              : from->kind == NTK_KIND_SINGLE ? (double)((float *)from->data)[at + k]
                                              : (double)((int8_t *)from->data)[at + k];
  }
}

/* Where row r of a point's array begins in an array of larger sizes. */
static int64_t row_start(const ntk_variable *from, const int64_t *sizes, int64_t row) {
  int64_t start = 0, step = 1;

  for (int k = from->rank - 1; k >= 0; --k) {
    if (k < from->rank - 1) {
      start += row % from->size[k] * step;
      row /= from->size[k];
    }
    step *= sizes[k];
  }
  return start;
}

/* Puts a point's array into its place.  Its dimensions are the last ones of `to`. */
static void place(ntk_variable *from, int64_t point, ntk_variable *to) {
  const int64_t *sizes = to->size + (to->rank - from->rank);
  const int64_t row = from->rank ? from->size[from->rank - 1] : 1;
  int64_t room = 1;

  for (int k = 0; k < from->rank; ++k) room *= sizes[k];
  for (int64_t r = 0; row > 0 && r < from->count / row; ++r) {
    copy_cells(from, r * row, row, to, point * room + row_start(from, sizes, r));
  }
}

static bool fits(const ntk_variable *from, const ntk_variable *to, int64_t axes) {
  const bool text = from->kind == NTK_KIND_TEXT;

  if (from->rank + axes != to->rank) return false;
  for (int k = 0; k < from->rank; ++k) {
    if (from->size[k] > to->size[axes + k]) return false;
  }
  return from->kind == to->kind || (!text && to->kind == NTK_KIND_REAL);
}

static ntk_status place_checked(const ntk_stack *stack, const char *path, ntk_variable *from,
                                int64_t point, ntk_variable *to) {
  NTK_CHECK(fits(from, to, stack->sweep->axis_count), NTK_E_INPUT,
            "%s: '%s' changed while the points were merged; merge again", path, from->name);
  place(from, point, to);
  return NTK_OK;
}

static ntk_status place_point(const ntk_stack *stack, const char *path, const char *name,
                              int64_t point, ntk_variable *to) {
  ntk_variable from;

  NTK_TRY(ntk_file_read_variable(path, name, &from));
  const ntk_status status = place_checked(stack, path, &from, point, to);

  ntk_variable_destroy(&from);
  return status;
}

static void fill_missing(ntk_variable *v) {
  for (int64_t k = 0; k < v->count && v->kind == NTK_KIND_REAL; ++k) ((double *)v->data)[k] = NAN;
  for (int64_t k = 0; k < v->count && v->kind == NTK_KIND_SINGLE; ++k) ((float *)v->data)[k] = NAN;
}

/* ---- one variable --------------------------------------------------------------------------- */

static ntk_status make_room(ntk_variable *v) {
  NTK_TRY(ntk_new((size_t)v->count, ntk_kind_size(v->kind), &v->data));
  fill_missing(v);
  return NTK_OK;
}

static ntk_status fill_column(const ntk_stack *stack, const ntk_stack_column *column,
                              ntk_stack_path *path_of, const void *context, ntk_variable *to) {
  char path[PATH_SIZE], name[NTK_FULL_SIZE];

  ntk_stack_full_name(stack, column->shape.name, name);
  for (int64_t p = 0; p < points_of(stack); ++p) {
    if (!column->present[p]) continue;
    path_of(context, p, path);
    NTK_TRY(place_point(stack, path, name, p, to));
  }
  return NTK_OK;
}

/* ---- several small ones at a time -------------------------------------------------------------
 *
 * Opening a file takes longer than reading a curve from it.  So where a point's group is small, it
 * is read as a whole, and as many of the variables that follow are filled as fit into little
 * memory. */

static double group_bytes(const ntk_stack *stack) {
  double bytes = 0;

  for (int64_t k = 0; k < stack->column_count; ++k) {
    const ntk_variable *v = &stack->column[k].shape;
    double count = 1;

    for (int d = 0; d < v->rank; ++d) count *= (double)v->size[d];
    bytes += count * (double)ntk_kind_size(v->kind);
  }
  return bytes;
}

/* Columns from `first` that are filled together: the end. */
static int64_t batch_end(const ntk_stack *stack, int64_t first) {
  int64_t end = first + 1;
  double bytes = 0;

  if (group_bytes(stack) > POINT_BYTES) return end;
  for (int64_t k = first; k < stack->column_count; ++k) {
    ntk_variable shape;

    ntk_stack_column_shape(stack, &stack->column[k], &shape);
    bytes += (double)shape.count * (double)ntk_kind_size(shape.kind);
    if (bytes > BATCH_BYTES) return end;
    end = k + 1;
  }
  return end;
}

static ntk_status make_ready(ntk_stack *stack, int64_t first, int64_t end) {
  ntk_stack_drop_ready(stack);
  NTK_TRY(NTK_NEW(end - first, &stack->ready));
  for (int64_t k = first; k < end; ++k) {
    ntk_variable *v = &stack->ready[stack->ready_count++];

    ntk_stack_column_shape(stack, &stack->column[k], v);
    if (!ntk_stack_is_shared(&stack->column[k])) NTK_TRY(make_room(v));
  }
  return NTK_OK;
}

static ntk_variable *find_in(const ntk_record *group, const ntk_variable *shape) {
  ntk_variable *v = ntk_record_find(group, shape->name);
  const bool text = v && v->kind == NTK_KIND_TEXT;

  return v && v->rank == shape->rank && text == (shape->kind == NTK_KIND_TEXT) ? v : NULL;
}

static ntk_status place_group(const ntk_stack *stack, int64_t first, const char *path,
                              const ntk_record *group, int64_t point) {
  for (int64_t k = 0; k < stack->ready_count; ++k) {
    const ntk_stack_column *column = &stack->column[first + k];

    if (!column->present[point] || ntk_stack_is_shared(column)) continue;
    ntk_variable *from = find_in(group, &column->shape);

    NTK_CHECK(from, NTK_E_INPUT, "%s: '%s' changed while the points were merged; merge again", path,
              column->shape.name);
    NTK_TRY(place_checked(stack, path, from, point, &stack->ready[k]));
  }
  return NTK_OK;
}

static bool has_any(const ntk_stack *stack, int64_t first, int64_t point) {
  for (int64_t k = 0; k < stack->ready_count; ++k) {
    if (stack->column[first + k].present[point]) return true;
  }
  return false;
}

static ntk_status fill_batch(ntk_stack *stack, int64_t first, int64_t end, ntk_stack_path *path_of,
                             const void *context) {
  char path[PATH_SIZE];

  NTK_TRY(make_ready(stack, first, end));
  for (int64_t p = 0; p < points_of(stack); ++p) {
    ntk_record group = {0};

    if (!has_any(stack, first, p)) continue;
    path_of(context, p, path);
    NTK_TRY(ntk_file_read(path, stack->name, false, &group));
    const ntk_status status = place_group(stack, first, path, &group, p);

    ntk_record_destroy(&group);
    NTK_TRY(status);
  }
  return NTK_OK;
}

void ntk_stack_drop_ready(ntk_stack *stack) {
  for (int64_t k = 0; k < stack->ready_count; ++k) ntk_variable_destroy(&stack->ready[k]);
  ntk_free(&stack->ready);
  stack->ready_count = 0;
}

/* Hands over what has been filled before. */
static bool take_ready(ntk_stack *stack, ntk_variable *variable) {
  for (int64_t k = 0; k < stack->ready_count; ++k) {
    ntk_variable *v = &stack->ready[k];

    if (!v->data || strcmp(v->name, variable->name) != 0) continue;
    variable->data = v->data;
    v->data = NULL;
    return true;
  }
  return false;
}

/* ---- attributes -------------------------------------------------------------------------------
 */

static ntk_status fill_note(const ntk_stack *stack, const ntk_stack_note *note, ntk_variable *to) {
  for (int64_t p = 0; p < points_of(stack); ++p) {
    const ntk_stack_value *value = &note->value[p];

    if (!value->present) continue;
    if (to->kind == NTK_KIND_TEXT) {
      NTK_TRY(ntk_variable_set_text(to, p, ntk_stack_note_text(note, p)));
    } else if (to->kind == NTK_KIND_INT) {
      ((int64_t *)to->data)[p] = value->integer;
    } else {
      ((double *)to->data)[p] = value->real;
    }
  }
  return NTK_OK;
}

/* ---- by name ----------------------------------------------------------------------------------
 */

/* -1: none. */
static int64_t merged_column(const ntk_stack *stack, const char *name) {
  char merged[NTK_NAME_SIZE];

  for (int64_t k = 0; k < stack->column_count; ++k) {
    ntk_stack_column_name(stack, &stack->column[k], merged);
    if (strcmp(merged, name) == 0) return k;
  }
  return -1;
}

static const ntk_stack_note *merged_note(const ntk_stack *stack, const char *name) {
  char merged[NTK_NAME_SIZE];

  for (int64_t k = 0; k < stack->note_count; ++k) {
    ntk_stack_note_name(stack, &stack->note[k], merged);
    if (strcmp(merged, name) == 0) return &stack->note[k];
  }
  return NULL;
}

ntk_status ntk_stack_fill(ntk_stack *stack, ntk_stack_path *path, const void *context,
                          ntk_variable *variable) {
  const int64_t first = merged_column(stack, variable->name);
  const ntk_stack_note *note = first < 0 ? merged_note(stack, variable->name) : NULL;
  const int64_t end = first < 0 ? 0 : batch_end(stack, first);

  NTK_ASSERT(first >= 0 || note);
  if (take_ready(stack, variable)) return NTK_OK;
  if (end - first > 1 && first >= 0) {
    NTK_TRY(fill_batch(stack, first, end, path, context));
    NTK_ASSERT(take_ready(stack, variable));
    return NTK_OK;
  }
  NTK_TRY(make_room(variable));
  return note ? fill_note(stack, note, variable)
              : fill_column(stack, &stack->column[first], path, context, variable);
}
