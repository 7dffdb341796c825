/* position_embedding: x_t + s_w W_t, W trained; or x_t + sines and cosines of t. */
#include <math.h>

#include "layers.h"
#include "loops.h"
#include "ntk/base/memory.h"

static const ntk_row learned = {.name = "learned",
                                .doc = "x_t + s_w W_t; tensor W [tokens][features]"};
static const ntk_row sinusoidal = {
    .name = "sinusoidal",
    .doc = "channel 2 i of token t gets sin(t / base^(2 i / width)), channel 2 i + 1 the cosine"};
static const ntk_row *const kinds[] = {&learned, &sinusoidal, NULL};

static const ntk_option options[] = {
    {.key = "kind",
     .type = NTK_WORD,
     .offset = offsetof(ntk_position_embedding_options, kind),
     .fallback = "learned",
     .rows = kinds,
     .doc = "what is added"},
    NTK_LAYER_NAME,
    {.key = "base",
     .type = NTK_REAL,
     .offset = offsetof(ntk_position_embedding_options, base),
     .fallback = "10000",
     .low = 1,
     .high = 1e15,
     .doc = "sinusoidal: 2 pi times it is the longest wave"},
    NTK_AFFINE_INIT,
    NTK_AFFINE_TRAINABLE,
    {0},
};

static bool is_learned(const ntk_node_layer *node) {
  return ((const ntk_position_embedding_options *)node->options)->kind == &learned;
}

static ntk_status shape(ntk_node_layer *node) {
  char in[NTK_SHAPE_TEXT];

  if (node->in.rank < 2) {
    return ntk_layer_refuse(node,
                            "takes sequences (tokens, width), but its input is %s; put "
                            "'- token_embedding' before it",
                            ntk_shape_text(&node->in, in));
  }
  if (!is_learned(node) && ntk_shape_channels(&node->in) % 2 != 0) {
    return ntk_layer_refuse(node, "sinusoidal needs an even width, but its input is %s",
                            ntk_shape_text(&node->in, in));
  }
  node->out = node->in;
  node->positions = 1;
  node->factors = is_learned(node) ? 1 : 0;
  return NTK_OK;
}

/* Like an embedding of the positions: of a one-hot vector, fan-in 1, at the input. */
static ntk_status tensors(const ntk_network_settings *settings, ntk_network *network,
                          ntk_node_layer *node) {
  const int64_t channels = ntk_shape_channels(&node->in);
  const ntk_site site = {NTK_ROLE_INPUT, 1, channels};
  ntk_tensor w = {.rank = 2, .size = {ntk_shape_positions(&node->in), channels}}, unused = {0};
  double rate = 0;

  if (!is_learned(node)) return NTK_OK;
  NTK_TRY(ntk_affine_scale(settings, node, &site, channels, &w, &unused, &rate));
  return ntk_network_add_tensor(network, node, "W", &w);
}

static ntk_status sine_table(const ntk_node_layer *node, ntk_dtype dtype, void **table) {
  const ntk_position_embedding_options *o = node->options;
  const int64_t count = ntk_shape_count(&node->in), width = ntk_shape_channels(&node->in);

  NTK_TRY(ntk_array_new_unset(dtype, count, table));
  for (int64_t k = 0; k < count; ++k) {
    const int64_t token = k / width, j = k % width;
    const double angle = (double)token * pow(o->base, -(double)(j - j % 2) / (double)width);
    const double value = j % 2 == 0 ? sin(angle) : cos(angle);

    ntk_array_convert(NTK_DOUBLE, &value, dtype, ntk_array_at(dtype, *table, k), 1);
  }
  return NTK_OK;
}

static void add_table(const ntk_node_layer *node, ntk_tape *tape, int l, double factor,
                      const void *table) {
  const ntk_dtype dtype = tape->network->dtype;
  const int64_t block = ntk_shape_count(&node->in);

  for (int64_t s = 0; s < ntk_pad(tape->count); ++s) {
    ntk_loop_add(dtype, block, factor, table, ntk_array_at(dtype, tape->value[l], s * block));
  }
  tape->value[l + 1] = tape->value[l];
  tape->value[l] = NULL;
}

static ntk_status forward(const ntk_node_layer *node, ntk_tape *tape, int l) {
  void *table = NULL;

  if (is_learned(node)) {
    const ntk_tensor *w = ntk_affine_weight(tape->network, node);

    add_table(node, tape, l, w->multiplier, w->data);
    return NTK_OK;
  }
  NTK_TRY(sine_table(node, tape->network->dtype, &table));
  add_table(node, tape, l, 1, table);
  ntk_free(&table);
  return NTK_OK;
}

static ntk_status backward(const ntk_node_layer *node, ntk_stream *stream, int l) {
  (void)node;
  (void)stream;
  (void)l;
  return NTK_OK;
}

static ntk_status factor(const ntk_node_layer *node, ntk_stream *stream, int l, int k,
                         ntk_factor *factor) {
  (void)l;
  NTK_ASSERT(k == 0);
  NTK_TRY(ntk_stream_expand(stream));
  return ntk_stream_vector(stream, ntk_affine_weight(stream->tape->network, node), stream->full,
                           factor);
}

static void cost(const ntk_node_layer *node, ntk_cost_walk *walk) {
  const int64_t count = ntk_shape_count(&node->in);

  if (!walk->counted) return;
  ntk_walk_expand(walk, count);
  ntk_walk_fold_array(walk, node->first_tensor, 1, 0, count);
}

const ntk_layer ntk_layer_position_embedding = {
    .row = {.name = "position_embedding",
            .also = "positional_embedding positional_encoding",
            .doc = "adds to every token what tells its position",
            .options = options,
            .options_size = sizeof(ntk_position_embedding_options),
            .shorthand = "kind"},
    .factors = 1,
    .rng_keys = 1,
    .shape = shape,
    .tensors = tensors,
    .forward = forward,
    .backward = backward,
    .factor = factor,
    .cost = cost,
    .forget = ntk_affine_forget,
};
