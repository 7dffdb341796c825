/* identity: x as it is; what a residual's skip is unless it projects. */
#include "layers.h"

static const ntk_option options[] = {NTK_LAYER_NAME, {0}};

static ntk_status shape(ntk_node_layer *node) {
  node->out = node->in;
  return NTK_OK;
}

ntk_status ntk_relay_forward(const ntk_node_layer *node, ntk_tape *tape, int l) {
  (void)node;
  tape->value[l + 1] = tape->value[l];
  tape->value[l] = NULL;
  return NTK_OK;
}

ntk_status ntk_relay_backward(const ntk_node_layer *node, ntk_stream *stream, int l) {
  (void)node;
  (void)stream;
  (void)l;
  return NTK_OK;
}

const ntk_layer ntk_layer_identity = {
    .row = {.name = "identity",
            .also = "none",
            .doc = "x as it is",
            .options = options,
            .options_size = sizeof(ntk_layer_options)},
    .shape = shape,
    .forward = ntk_relay_forward,
    .backward = ntk_relay_backward,
};
