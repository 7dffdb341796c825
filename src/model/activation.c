/* The table of activations. */
#include "activations.h"

#define ROWS     \
  ROW(identity)  \
  ROW(relu)      \
  ROW(leaky)     \
  ROW(abs)       \
  ROW(tanh)      \
  ROW(sigmoid)   \
  ROW(erf)       \
  ROW(gelu)      \
  ROW(gelu_tanh) \
  ROW(silu)      \
  ROW(softplus)  \
  ROW(sin)

#define ROW(name) extern const ntk_activation ntk_activation_##name;
ROWS
#undef ROW
#define ROW(name) &ntk_activation_##name.row,

    const ntk_row *const ntk_activations[] = {ROWS NULL};
