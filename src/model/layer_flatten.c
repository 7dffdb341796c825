/* flatten: (h, w, c) to one axis, row-major; the array stays as it is. */
#include "layers.h"

static const ntk_option options[] = {NTK_LAYER_NAME, {0}};

static ntk_status shape(ntk_node_layer *node) {
  node->out = (ntk_shape){.rank = 1, .size = {ntk_shape_count(&node->in)}};
  return NTK_OK;
}

const ntk_layer ntk_layer_flatten = {
    .row = {.name = "flatten",
            .doc = "to one axis, row-major (h, w, c)",
            .options = options,
            .options_size = sizeof(ntk_layer_options)},
    .shape = shape,
    .forward = ntk_relay_forward,
    .backward = ntk_relay_backward,
};
