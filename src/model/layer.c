/* The table of layers. */
#include "layers.h"

#define ROWS              \
  ROW(dense)              \
  ROW(activation)         \
  ROW(flatten)            \
  ROW(identity)           \
  ROW(residual)           \
  ROW(repeat)             \
  ROW(norm)               \
  ROW(batch_norm)         \
  ROW(dropout)            \
  ROW(conv)               \
  ROW(max_pool)           \
  ROW(avg_pool)           \
  ROW(sum_pool)           \
  ROW(global_avg_pool)    \
  ROW(global_sum_pool)    \
  ROW(last_position)      \
  ROW(token_embedding)    \
  ROW(position_embedding) \
  ROW(attention)          \
  ROW(transformer_block)  \
  ROW(neural_ode)

#define ROW(name) extern const ntk_layer ntk_layer_##name;
ROWS
#undef ROW
#define ROW(name) &ntk_layer_##name.row,

    const ntk_row *const ntk_layers[] = {ROWS NULL};

bool ntk_layer_is_listed(const ntk_layer *layer) {
  int k = 0;

  while (ntk_layers[k] && ntk_layers[k] != &layer->row) ++k;
  return ntk_layers[k] != NULL;
}
