/* activation.h -- the table of activation functions.
 *
 * To add one: src/model/activation_<name>.c with its formulas and its row, and a line in the table
 * of src/model/activation.c.  The config, `ntkrun reference`, the error for unknown names and
 * tests/t310_activation.c read that table. */
#ifndef NTK_MODEL_ACTIVATION_H
#define NTK_MODEL_ACTIVATION_H

#include "ntk/base/array.h"
#include "ntk/config/option.h"

/* Local.  y[k] = f(x[k]) for k < n, in the given type.  x and y may be the same array.  n is a
 * multiple of NTK_SAMPLE_PAD, so that a vectorised loop has no scalar tail that rounds
 * differently.  NaN gives NaN.
 *   options  struct of the row's options; NULL if it has none */
typedef void ntk_map_fn(const void *options, ntk_dtype dtype, int64_t n, const void *x, void *y);

typedef struct ntk_activation {
  ntk_row row;           /* doc: the formula; options are plain numbers */
  ntk_map_fn *value;
  ntk_map_fn *slope;     /* first derivative; at a kink 0 (MATH 0) */
  ntk_map_fn *curvature; /* second derivative; at a kink 0 */
  bool smooth;           /* the slope is continuous */
} ntk_activation;

extern const ntk_row *const ntk_activations[]; /* rows of ntk_activation; ends with NULL */

#endif
