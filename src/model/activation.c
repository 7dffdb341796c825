/* The table of activations. */
#include "activations.h"

const ntk_row *const ntk_activations[] = {
    &ntk_activation_identity.row,
    &ntk_activation_relu.row,
    &ntk_activation_leaky.row,
    &ntk_activation_abs.row,
    &ntk_activation_tanh.row,
    &ntk_activation_sigmoid.row,
    &ntk_activation_erf.row,
    &ntk_activation_gelu.row,
    &ntk_activation_gelu_tanh.row,
    &ntk_activation_silu.row,
    &ntk_activation_softplus.row,
    &ntk_activation_sin.row,
    NULL,
};
