/* The table of layers. */
#include "layers.h"

const ntk_row *const ntk_layers[] = {
    &ntk_layer_dense.row,
    &ntk_layer_activation.row,
    &ntk_layer_flatten.row,
    &ntk_layer_identity.row,
    &ntk_layer_residual.row,
    &ntk_layer_repeat.row,
    &ntk_layer_norm.row,
    &ntk_layer_batch_norm.row,
    &ntk_layer_dropout.row,
    &ntk_layer_conv.row,
    &ntk_layer_max_pool.row,
    &ntk_layer_avg_pool.row,
    &ntk_layer_sum_pool.row,
    &ntk_layer_global_avg_pool.row,
    &ntk_layer_global_sum_pool.row,
    &ntk_layer_last_position.row,
    &ntk_layer_token_embedding.row,
    &ntk_layer_position_embedding.row,
    &ntk_layer_attention.row,
    &ntk_layer_transformer_block.row,
    &ntk_layer_neural_ode.row,
    NULL,
};

bool ntk_layer_is_listed(const ntk_layer *layer) {
  int k = 0;

  while (ntk_layers[k] && ntk_layers[k] != &layer->row) ++k;
  return ntk_layers[k] != NULL;
}
