/* The table of layers. */
#include "layers.h"

const ntk_row *const ntk_layers[] = {
    &ntk_layer_dense.row,
    &ntk_layer_activation.row,
    &ntk_layer_flatten.row,
    NULL,
};
