/* token_embedding: rows of W by the tokens, s_w W[token]; the factor has the tokens themselves. */
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "layers.h"
#include "ntk/model/rows.h"

enum { MOST_SINGLE = 1 << 24 }; /* beyond it a float is not every integer */

static const ntk_option options[] = {
    NTK_LAYER_NAME,
    {.key = "vocabulary",
     .type = NTK_SIZE,
     .offset = offsetof(ntk_token_embedding_options, vocabulary),
     .fallback = "vocabulary",
     .low = 1,
     .high = INT_MAX,
     .doc = "rows of W, for tokens 0, 1, ...; `vocabulary` is the data's"},
    NTK_AFFINE_FEATURES("entries of a row: an integer, width, or k*width"),
    NTK_AFFINE_INIT,
    NTK_AFFINE_TRAINABLE,
    {0},
};

static ntk_status shape(ntk_node_layer *node) {
  const ntk_token_embedding_options *o = node->options;
  char in[NTK_SHAPE_TEXT];

  if (node->in.rank == 0 || node->in.rank == NTK_SHAPE_RANK) {
    return ntk_layer_refuse(node, "takes tokens, one axis or up to %d, but its input is %s",
                            NTK_SHAPE_RANK - 1, ntk_shape_text(&node->in, in));
  }
  node->out = node->in;
  node->out.size[node->out.rank++] = o->affine.features.factor;
  node->positions = ntk_shape_count(&node->in);
  node->fan_in = 1; /* of the one-hot vector that W would be multiplied with */
  node->fan_out = o->affine.features.factor;
  return NTK_OK;
}

static ntk_status check_vocabulary(const ntk_network_settings *settings, const ntk_network *network,
                                   const ntk_node_layer *node) {
  const ntk_token_embedding_options *o = node->options;

  if (node != network->layer) {
    return ntk_layer_refuse(node, "takes the tokens of the data, so it is the first layer or none");
  }
  if (settings->vocabulary > o->vocabulary.factor) {
    return ntk_layer_refuse(node,
                            "has %" PRId64 " rows, but the data have tokens 0 .. %" PRId64
                            "; write 'vocabulary: vocabulary'",
                            o->vocabulary.factor, settings->vocabulary - 1);
  }
  if (network->dtype == NTK_SINGLE && o->vocabulary.factor > MOST_SINGLE) {
    return ntk_layer_refuse(node,
                            "%" PRId64
                            " tokens need kernel.precision: double; single "
                            "precision tells %d apart",
                            o->vocabulary.factor, (int)MOST_SINGLE);
  }
  return NTK_OK;
}

static ntk_status tensors(const ntk_network_settings *settings, ntk_network *network,
                          ntk_node_layer *node) {
  const ntk_token_embedding_options *o = node->options;
  const ntk_shape table = {.rank = 2, .size = {o->vocabulary.factor, node->fan_out}};

  NTK_TRY(check_vocabulary(settings, network, node));
  return ntk_affine_tensors(settings, network, node, &table);
}

static double token_at(const ntk_tape *tape, int64_t k) {
  return ntk_array_get(tape->network->dtype, tape->value[0], k);
}

static ntk_status check_tokens(const ntk_tape *tape, int64_t length, int64_t vocabulary) {
  for (int64_t k = 0; k < tape->count * length; ++k) {
    const double token = token_at(tape, k);

    NTK_CHECK(token >= 0 && token < (double)vocabulary && token == (double)(int64_t)token,
              NTK_E_INPUT,
              "sample %" PRId64 " of this rank, position %" PRId64
              ": %.17g is no token 0 .. %" PRId64 "; token_embedding is for data.source: tokens",
              k / length, k % length, token, vocabulary - 1);
  }
  return NTK_OK;
}

static ntk_status forward(const ntk_node_layer *node, ntk_tape *tape, int l) {
  const ntk_dtype dtype = tape->network->dtype;
  const ntk_tensor *table = ntk_affine_weight(tape->network, node);
  const int64_t features = node->fan_out, tokens = ntk_pad(tape->count) * node->positions;

  NTK_ASSERT(l == 0);
  NTK_TRY(check_tokens(tape, node->positions, table->size[0]));
  NTK_TRY(ntk_array_new_unset(dtype, tokens * features, &tape->value[1]));
  for (int64_t k = 0; k < tokens; ++k) {
    const int64_t row = (int64_t)token_at(tape, k);

    ntk_rows_fill(dtype, 1, features, table->multiplier,
                  ntk_array_const_at(dtype, table->data, row * features),
                  ntk_array_at(dtype, tape->value[1], k * features));
  }
  return NTK_OK;
}

static ntk_status factor(const ntk_node_layer *node, ntk_stream *stream, int l, int k,
                         ntk_factor *factor) {
  NTK_ASSERT(k == 0);
  *factor = (ntk_factor){.kind = NTK_FACTOR_ROWS,
                         .weight = ntk_affine_weight(stream->tape->network, node),
                         .positions = node->positions,
                         .in = 1,
                         .a = stream->tape->value[l]};
  factor->w_weight = ntk_stream_weight(stream, factor->weight);
  return ntk_stream_fold(stream, factor);
}

static void cost(const ntk_node_layer *node, ntk_cost_walk *walk) {
  walk->cost.tape_bytes +=
      (double)ntk_dtype_size(walk->network->dtype) * (double)ntk_shape_count(&node->out);
  if (walk->counted) ntk_walk_fold(walk, node->first_tensor, node->positions, 1, node->fan_out);
}

/* Nothing with weights can stand below it. */
const ntk_layer ntk_layer_token_embedding = {
    .row = {.name = "token_embedding",
            .also = "embedding embed",
            .doc = "s_w W[token], token by token; first layer; tensor W [vocabulary][features]",
            .options = options,
            .options_size = sizeof(ntk_token_embedding_options)},
    .linear = true,
    .factors = 1,
    .rng_keys = 1,
    .shape = shape,
    .tensors = tensors,
    .forward = forward,
    .factor = factor,
    .cost = cost,
    .forget = ntk_affine_forget,
};
