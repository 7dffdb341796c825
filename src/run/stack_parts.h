/* stack_parts.h -- what describing and filling a stack share; private to this floor. */
#ifndef NTK_RUN_STACK_PARTS_H
#define NTK_RUN_STACK_PARTS_H

#include "ntk/run/stack.h"

enum { NTK_FULL_SIZE = 2 * NTK_NAME_SIZE };

/* "group/name" in a point's file, [NTK_FULL_SIZE]. */
void ntk_stack_full_name(const ntk_stack *stack, const char *name, char *full);

/* Name in the merged file, [NTK_NAME_SIZE]. */
void ntk_stack_column_name(const ntk_stack *stack, const ntk_stack_column *column, char *merged);
void ntk_stack_note_name(const ntk_stack *stack, const ntk_stack_note *note, char *name);

/* Kind, dimensions and sizes in the merged file, without data.  The ranks have been checked. */
void ntk_stack_column_shape(const ntk_stack *stack, const ntk_stack_column *column,
                            ntk_variable *shape);

/* A coordinate that all points share: it stands in the record as it is. */
bool ntk_stack_is_shared(const ntk_stack_column *column);

/* Text of an attribute of a point; "" if it has none. */
const char *ntk_stack_note_text(const ntk_stack_note *note, int64_t point);

/* Frees what was filled before it was asked for. */
void ntk_stack_drop_ready(ntk_stack *stack);

#endif
