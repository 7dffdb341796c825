/* dense: h = s_w a W + s_b b, at every position (MATH B4, B5). */
#include <math.h>
#include <stdio.h>

#include "dense.h"
#include "ntk/model/rows.h"

static const ntk_option options[] = {
    NTK_AFFINE_FEATURES("units: an integer, width, outputs, vocabulary, or k*width"),
    NTK_LAYER_NAME,
    NTK_AFFINE_WEIGHTS,
    {.key = "share",
     .type = NTK_STRING,
     .offset = offsetof(ntk_dense_options, share),
     .doc = "name of a dense layer before it, of which it uses W and b: one gradient for all uses"},
    {.key = "transposed",
     .type = NTK_BOOL,
     .offset = offsetof(ntk_dense_options, transposed),
     .fallback = "false",
     .doc = "true: the W of the token_embedding `share`, transposed, and a b of its own (tied "
            "readout)"},
    {0},
};

static bool is_transposed(const ntk_node_layer *node) {
  return ((const ntk_dense_options *)node->options)->transposed;
}

static ntk_status shape(ntk_node_layer *node) {
  const ntk_dense_options *o = node->options;

  if (node->in.rank == 0) return ntk_layer_refuse(node, "has no input");
  node->out = node->in;
  node->out.size[node->out.rank - 1] = o->affine.features.factor;
  node->fan_in = ntk_shape_channels(&node->in);
  node->fan_out = o->affine.features.factor;
  if (o->transposed) node->positions *= node->fan_out;
  return NTK_OK;
}

/* ---- shared tensors -------------------------------------------------------------------------- */

static ntk_status check_sizes(const ntk_node_layer *node, const ntk_node_layer *source) {
  const long long in = source->fan_in, out = source->fan_out;
  char before[64] = "", here[64] = "";

  if (node->fan_in == in && node->fan_out == out) return NTK_OK;
  if (node->fan_in != in) {
    (void)snprintf(before, sizeof(before), "put '- dense: {features: %lld}' before it, ", in);
  }
  if (node->fan_out != out) {
    (void)snprintf(here, sizeof(here), "write 'features: %lld' here, ", out);
  }
  return ntk_layer_refuse(node,
                          "needs a W of %lld x %lld, but that of '%s' is %lld x %lld; %s%sor drop "
                          "'share'",
                          (long long)node->fan_in, (long long)node->fan_out, source->name, in, out,
                          before, here);
}

static ntk_status check_options(const ntk_node_layer *node, const ntk_node_layer *source) {
  ntk_affine_options *o = node->options;
  const bool told = !isnan(o->bias.scale) || !isnan(o->bias.std);
  const bool biased = source->tensors > 1;

  if (o->weight_init.row || !o->trainable || (o->biased && told) || (!o->biased && biased)) {
    return ntk_layer_refuse(node,
                            "its tensors are those of '%s'; drop weight_init, bias, trainable here",
                            source->name);
  }
  NTK_TRY(check_sizes(node, source));
  o->biased = biased;
  return NTK_OK;
}

static ntk_status share(ntk_network *network, ntk_node_layer *node) {
  const ntk_dense_options *o = node->options;
  const ntk_node_layer *source = NULL;

  NTK_TRY(ntk_network_find(network, node, o->share, &source));
  if (source->layer != &ntk_layer_dense || is_transposed(source)) {
    return ntk_layer_refuse(node,
                            "shares with dense layers, but '%s' is %s; of a token_embedding say "
                            "'transposed: true'",
                            source->name, source->layer->row.name);
  }
  NTK_TRY(check_options(node, source));
  node->source = source->source;
  node->first_tensor = source->first_tensor;
  node->tensors = source->tensors;
  return NTK_OK;
}

static ntk_status tensors(const ntk_network_settings *settings, ntk_network *network,
                          ntk_node_layer *node) {
  const ntk_dense_options *o = node->options;
  const ntk_shape weight = {.rank = 2, .size = {node->fan_in, node->fan_out}};

  if (o->transposed) return ntk_tied_tensors(settings, network, node);
  if (o->share) return share(network, node);
  return ntk_affine_tensors(settings, network, node, &weight);
}

/* ---- one use --------------------------------------------------------------------------------- */

static ntk_status forward(const ntk_node_layer *node, ntk_tape *tape, int l) {
  const ntk_network *network = tape->network;
  const int64_t rows = ntk_pad(tape->count) * ntk_shape_positions(&node->in);

  if (is_transposed(node)) return ntk_tied_forward(node, tape, l);
  const ntk_tensor *weight = ntk_affine_weight(network, node);
  const ntk_tensor *bias = ntk_affine_bias_of(network, node);

  NTK_TRY(ntk_array_new_unset(network->dtype, rows * node->fan_out, &tape->value[l + 1]));
  if (bias) {
    ntk_rows_fill(network->dtype, rows, node->fan_out, bias->multiplier, bias->data,
                  tape->value[l + 1]);
  }
  return ntk_rows_gemm(network->dtype, false, rows, node->fan_out, node->fan_in, weight->multiplier,
                       tape->value[l], weight->data, bias ? 1 : 0, tape->value[l + 1]);
}

static ntk_status backward(const ntk_node_layer *node, ntk_stream *stream, int l) {
  (void)l;
  if (is_transposed(node)) return ntk_tied_backward(node, stream);
  return ntk_stream_multiply(stream, ntk_affine_weight(stream->tape->network, node), node->fan_in,
                             node->fan_out);
}

static ntk_status factor(const ntk_node_layer *node, ntk_stream *stream, int l, int k,
                         ntk_factor *factor) {
  const ntk_network *network = stream->tape->network;

  if (is_transposed(node)) return ntk_tied_factor(node, stream, l, k, factor);
  NTK_ASSERT(k == 0);
  *factor = (ntk_factor){.weight = ntk_affine_weight(network, node),
                         .bias = ntk_affine_bias_of(network, node),
                         .positions = node->positions,
                         .in = node->fan_in,
                         .a = stream->tape->value[l]};
  factor->w_weight = ntk_stream_weight(stream, factor->weight);
  factor->b_weight = ntk_stream_weight(stream, factor->bias);
  return ntk_stream_fold(stream, factor);
}

static void cost(const ntk_node_layer *node, ntk_cost_walk *walk) {
  const double size = (double)ntk_dtype_size(walk->network->dtype);
  const int64_t positions = ntk_shape_positions(&node->in);

  walk->cost.forward_flops +=
      2.0 * (double)positions * (double)node->fan_in * (double)node->fan_out;
  walk->cost.tape_bytes += size * (double)ntk_shape_count(&node->out);
  if (is_transposed(node)) {
    ntk_tied_cost(node, walk);
    return;
  }
  if (walk->counted) {
    ntk_walk_fold(walk, node->first_tensor, positions, node->fan_in, node->fan_out);
  }
  if (walk->needed) ntk_walk_multiply(walk, positions, node->fan_in, node->fan_out);
}

const ntk_layer ntk_layer_dense = {
    .row = {.name = "dense",
            .also = "linear fully_connected fc",
            .doc = "h = s_w a W + s_b b, at every position; tensors W [in][out], b [out]",
            .options = options,
            .options_size = sizeof(ntk_dense_options)},
    .linear = true,
    .factors = 1,
    .rng_keys = 2,
    .shape = shape,
    .tensors = tensors,
    .forward = forward,
    .backward = backward,
    .factor = factor,
    .cost = cost,
    .forget = ntk_affine_forget,
};
