/* activation: phi(h), entry by entry; the pre-activation's array becomes phi's, phi' is kept. */
#include "layers.h"

enum { PIECE = 32 * NTK_SAMPLE_PAD };

static const ntk_option options[] = {
    {.key = "kind",
     .type = NTK_CHOICE,
     .offset = offsetof(ntk_activation_options, kind),
     .rows = ntk_activations,
     .flags = NTK_REQUIRED,
     .doc = "the function"},
    NTK_LAYER_NAME,
    {0},
};

static ntk_status shape(ntk_node_layer *node) {
  node->out = node->in;
  return NTK_OK;
}

/* Slope and value of a piece that stays in the cache, then the next. */
static void apply(const ntk_choice *kind, ntk_dtype dtype, int64_t count, void *h, void *slope) {
  const ntk_activation *phi = (const ntk_activation *)kind->row;

  for (int64_t k = 0; k < count; k += PIECE) {
    const int64_t n = count - k < PIECE ? count - k : PIECE;
    void *piece = ntk_array_at(dtype, h, k);

    phi->slope(kind->options, dtype, n, piece, ntk_array_at(dtype, slope, k));
    phi->value(kind->options, dtype, n, piece, piece);
  }
}

static ntk_status forward(const ntk_node_layer *node, ntk_tape *tape, int l) {
  const ntk_activation_options *o = node->options;
  const ntk_dtype dtype = tape->network->dtype;
  const int64_t count = ntk_pad(tape->count) * ntk_shape_count(&node->out);

  NTK_TRY(ntk_array_new_unset(dtype, count, &tape->aux[l]));
  apply(&o->kind, dtype, count, tape->value[l], tape->aux[l]);
  tape->value[l + 1] = tape->value[l];
  tape->value[l] = NULL;
  return NTK_OK;
}

static ntk_status backward(const ntk_node_layer *node, ntk_stream *stream, int l) {
  (void)node;
  return ntk_stream_mask(stream, stream->tape->aux[l]);
}

static void cost(const ntk_node_layer *node, ntk_cost_walk *walk) {
  const int64_t width = ntk_shape_count(&node->out);

  walk->cost.tape_bytes += (double)ntk_dtype_size(walk->network->dtype) * (double)width;
  if (walk->needed) ntk_walk_mask(walk, width);
}

const ntk_layer ntk_layer_activation = {
    .row = {.name = "activation",
            .doc = "phi(h), entry by entry",
            .options = options,
            .options_size = sizeof(ntk_activation_options),
            .shorthand = "kind"},
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .cost = cost,
};
