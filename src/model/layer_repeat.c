/* repeat: a list of layers several times. */
#include "layers.h"

static const ntk_option options[] = {
    NTK_LAYER_NAME,
    {.key = "times",
     .type = NTK_INT,
     .offset = offsetof(ntk_repeat_options, times),
     .low = 1,
     .high = 1000,
     .flags = NTK_REQUIRED,
     .doc = "how often the list is applied"},
    {.key = "share",
     .type = NTK_BOOL,
     .offset = offsetof(ntk_repeat_options, share),
     .fallback = "false",
     .doc = "true: all times with the tensors of NAME/0, one gradient for all"},
    {.key = "layers",
     .type = NTK_CHOICES,
     .flags = NTK_REPEAT | NTK_REQUIRED,
     .offset = offsetof(ntk_repeat_options, layers),
     .rows = ntk_layers,
     .doc = "the layers of one block"},
    {0},
};

const ntk_layer ntk_layer_repeat = {
    .row = {.name = "repeat",
            .doc = "a list of layers, `times` times; tensors NAME/0/..., NAME/1/...",
            .options = options,
            .options_size = sizeof(ntk_repeat_options)},
};
