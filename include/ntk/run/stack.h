/* stack.h -- one results group over all points of a sweep.
 *
 * First every point's group is shown to the stack, which keeps names, shapes, coordinates and
 * attributes; then the stack gives the group of sweep.h5, and fills one variable of it at a time.
 *
 *   - A variable (d...) of the points becomes (axes, d...), in the largest of its sizes.
 *   - A coordinate that is the same for all points, or the beginning of the longest, stays (d).
 *     One that differs becomes a variable d(axes, d_index), and curves over d use d_index.
 *   - Missing values are NaN and "": integers with missing values become doubles.
 *   - An attribute that differs between points becomes a variable (axes).
 *   - What has the name of an axis, or of a key of one, is called <name>_value.
 *   - A variable that has other dimensions in some points, or is text there, is one of its own:
 *     <name>_by_<dimensions>, <name>_scalar, with _text behind it. */
#ifndef NTK_RUN_STACK_H
#define NTK_RUN_STACK_H

#include "ntk/base/record.h"
#include "ntk/base/text.h"
#include "ntk/config/sweep.h"

/* A variable of the group. */
typedef struct ntk_stack_column {
  ntk_variable shape; /* largest sizes; of a coordinate also the longest values */
  bool *present;      /* [points] */
  bool coordinate, differs;
  bool padded; /* sizes differ between points */
} ntk_stack_column;

/* An attribute of the group. */
typedef struct ntk_stack_value {
  double real;
  int64_t integer;
  char *text; /* owned; NULL: as that of the first point that has it */
  bool present;
} ntk_stack_value;

typedef struct ntk_stack_note {
  char name[NTK_NAME_SIZE];
  ntk_kind kind;
  bool differs;
  int64_t first;          /* point */
  ntk_stack_value *value; /* [points] */
} ntk_stack_note;

/* Zero-initialise, set name and sweep; destroy. */
typedef struct ntk_stack {
  char name[NTK_NAME_SIZE]; /* of the group, "" is the root */
  const ntk_sweep *sweep;   /* the axes of the arrays; borrowed */
  const ntk_sweep *named;   /* whose names are taken too; NULL: none */
  int64_t column_count, column_capacity, note_count, note_capacity;
  ntk_stack_column *column;
  ntk_stack_note *note;
  int64_t ready_count; /* variables filled together with the last one that was asked for */
  ntk_variable *ready;
} ntk_stack;

/* Local.  Takes in a point's group.
 *   path  of the point's file
 *   hide  names of attributes to leave out, ends with NULL
 * Fails with NTK_E_INPUT if the file cannot be read, or if an attribute has words where others have
 * numbers. */
NTK_CHECKED ntk_status ntk_stack_take(ntk_stack *stack, int64_t point, const char *path,
                                      const char *const *hide);

/* Local.  Adds the variables and attributes of the merged group to a record that has the axes as
 * coordinates already; variables over the axes have no data.
 * Fails with NTK_E_SIZE if a variable has too many dimensions, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_stack_describe(const ntk_stack *stack, ntk_record *record);

/* Local.  Appends " name" for every coordinate that differs between points. */
NTK_CHECKED ntk_status ntk_stack_coordinates(const ntk_stack *stack, ntk_text *names);

/* Where a point's file is: writes its path, [4096]. */
typedef void ntk_stack_path(const void *context, int64_t point, char *path);

/* Local.  Makes the data of a variable that ntk_stack_describe has added without.  Small ones that
 * follow it are made along with it, in at most 8 MiB.
 * Fails with NTK_E_INPUT if a file has changed since it was taken in, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_stack_fill(ntk_stack *stack, ntk_stack_path *path,
                                      const void *context, ntk_variable *variable);

void ntk_stack_destroy(ntk_stack *stack);

#endif
