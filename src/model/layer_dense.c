/* dense: h = s_w a W + s_b b (MATH B4, B5). */
#include <limits.h>
#include <math.h>

#include "ntk/model/layer.h"
#include "ntk/model/rows.h"
#include "layers.h"

static const ntk_option bias_options[] = {
    {.key = "scale",
     .type = NTK_REAL,
     .offset = offsetof(ntk_dense_options, bias.scale) - offsetof(ntk_dense_options, bias),
     .low = 0,
     .high = 1e150,
     .doc = "multiplier s_b; default: network.bias.scale"},
    {.key = "std",
     .type = NTK_REAL,
     .offset = offsetof(ntk_dense_options, bias.std) - offsetof(ntk_dense_options, bias),
     .low = 0,
     .high = 1e150,
     .doc = "standard deviation of b at initialisation; default: network.bias.std"},
    {0},
};
static const ntk_section bias_section = {.options = bias_options};

static const ntk_option options[] = {
    {.key = "features",
     .type = NTK_SIZE,
     .offset = offsetof(ntk_dense_options, features),
     .low = 1,
     .high = INT_MAX,
     .flags = NTK_REQUIRED,
     .doc = "units: an integer, width, outputs, or k*width"},
    NTK_LAYER_NAME,
    {.key = "weight_init",
     .type = NTK_CHOICE,
     .offset = offsetof(ntk_dense_options, weight_init),
     .rows = ntk_initializers,
     .word = "variance_scaling",
     .doc = "law of this layer's weights; default: network.weight_init"},
    {.key = "bias",
     .type = NTK_SECTION,
     .flags = NTK_NONE,
     .offset = offsetof(ntk_dense_options, bias),
     .present = offsetof(ntk_dense_options, biased),
     .section = &bias_section,
     .doc = "this layer's bias; default: as network.bias says"},
    {.key = "trainable",
     .type = NTK_BOOL,
     .offset = offsetof(ntk_dense_options, trainable),
     .fallback = "true",
     .doc = "false: W and b are constants, the kernel has no part for them"},
    {0},
};

static ntk_status shape(ntk_node_layer *node) {
  const ntk_dense_options *o = node->options;
  char in[NTK_SHAPE_TEXT];

  if (node->in.rank != 1) {
    return ntk_layer_refuse(node,
                            "takes vectors and would give %lld, but its input is %s; put "
                            "'- flatten' before it",
                            (long long)o->features.factor, ntk_shape_text(&node->in, in));
  }
  node->out = (ntk_shape){.rank = 1, .size = {o->features.factor}};
  node->fan_in = node->in.size[0];
  node->fan_out = node->out.size[0];
  return NTK_OK;
}

static double given_or(double given, double otherwise) { return isnan(given) ? otherwise : given; }

/* What the layer says of its bias counts before what the network says. */
static ntk_status settle_bias(const ntk_network_settings *settings, const ntk_node_layer *node,
                              double *scale, double *std) {
  ntk_dense_options *o = node->options;
  const bool silent = isnan(o->bias.scale) && isnan(o->bias.std);

  *scale = given_or(o->bias.scale, settings->bias.scale);
  *std = given_or(o->bias.std, settings->bias.std);
  if (!o->biased || settings->biased) return NTK_OK;
  o->biased = !silent;
  if (silent || (!isnan(o->bias.scale) && !isnan(o->bias.std))) return NTK_OK;
  return ntk_layer_refuse(node, "network.bias is none, so this layer's bias needs scale and std");
}

static ntk_status tensors(const ntk_network_settings *settings, ntk_network *network,
                          ntk_node_layer *node) {
  const ntk_parameterization *form = (const ntk_parameterization *)settings->parameterization;
  const ntk_dense_options *o = node->options;
  const ntk_choice *init = o->weight_init.row ? &o->weight_init : &settings->weight_init;
  const ntk_site site = {node->role, node->fan_in, node->fan_out};
  double variance = 0, scale = 0, std = 0;

  NTK_TRY(settle_bias(settings, node, &scale, &std));
  const ntk_law *law = ntk_initializer_law(init, node->fan_in, node->fan_out, &variance);
  const ntk_scaling s = form->scaling(&site, variance, scale, std);
  const ntk_tensor w = {.rank = 2,
                        .size = {node->fan_in, node->fan_out},
                        .multiplier = s.s_w,
                        .law = {law, s.w_variance, sqrt(s.w_variance)},
                        .trainable = o->trainable};
  const ntk_tensor b = {.rank = 1,
                        .size = {node->fan_out},
                        .multiplier = s.s_b,
                        .law = {NULL, s.b_std * s.b_std, s.b_std},
                        .trainable = o->trainable};

  network->rate_scale = s.rate;
  NTK_TRY(ntk_network_add_tensor(network, node, "W", &w));
  return o->biased ? ntk_network_add_tensor(network, node, "b", &b) : NTK_OK;
}

static void forget(void *given) {
  ntk_dense_options *o = given;

  o->weight_init = (ntk_choice){0};
  o->bias.scale = NAN;
  o->bias.std = NAN;
  o->trainable = true;
}

static const ntk_tensor *weight_of(const ntk_network *network, const ntk_node_layer *node) {
  NTK_ASSERT(network->tensor && node->tensors > 0);
  return &network->tensor[node->first_tensor];
}

static const ntk_tensor *bias_of(const ntk_network *network, const ntk_node_layer *node) {
  return node->tensors > 1 ? &network->tensor[node->first_tensor + 1] : NULL;
}

static ntk_status forward(const ntk_node_layer *node, ntk_tape *tape, int l) {
  const ntk_network *network = tape->network;
  const ntk_tensor *weight = weight_of(network, node), *bias = bias_of(network, node);
  const int64_t samples = ntk_pad(tape->count);

  NTK_TRY(ntk_array_new_unset(network->dtype, samples * node->fan_out, &tape->value[l + 1]));
  if (bias) {
    ntk_rows_fill(network->dtype, samples, node->fan_out, bias->multiplier, bias->data,
                  tape->value[l + 1]);
  }
  return ntk_rows_gemm(network->dtype, false, samples, node->fan_out, node->fan_in,
                       weight->multiplier, tape->value[l], weight->data, bias ? 1 : 0,
                       tape->value[l + 1]);
}

static ntk_status backward(const ntk_node_layer *node, ntk_stream *stream, int l) {
  (void)l;
  return ntk_stream_multiply(stream, weight_of(stream->tape->network, node), node->fan_in);
}

static ntk_status factor(const ntk_node_layer *node, ntk_stream *stream, int l, int k,
                         ntk_factor *factor) {
  const ntk_network *network = stream->tape->network;

  NTK_ASSERT(k == 0);
  *factor = (ntk_factor){.weight = weight_of(network, node),
                         .bias = bias_of(network, node),
                         .positions = 1,
                         .in = node->fan_in,
                         .a = stream->tape->value[l]};
  factor->w_weight = ntk_stream_weight(stream, factor->weight);
  factor->b_weight = ntk_stream_weight(stream, factor->bias);
  return ntk_stream_fold(stream, factor);
}

static void cost(const ntk_node_layer *node, ntk_cost_walk *walk) {
  const double size = (double)ntk_dtype_size(walk->network->dtype);

  walk->cost.forward_flops += 2.0 * (double)node->fan_in * (double)node->fan_out;
  walk->cost.tape_bytes += size * (double)node->fan_out;
  if (walk->counted) ntk_walk_fold(walk, node->fan_in, node->fan_out);
  if (walk->needed) ntk_walk_multiply(walk, node->fan_in, node->fan_out);
}

const ntk_layer ntk_layer_dense = {
    .row = {.name = "dense",
            .doc = "h = s_w a W + s_b b; tensors W [in][out], b [out]",
            .options = options,
            .options_size = sizeof(ntk_dense_options)},
    .factors = 1,
    .rng_keys = 2,
    .shape = shape,
    .tensors = tensors,
    .forward = forward,
    .backward = backward,
    .factor = factor,
    .cost = cost,
    .forget = forget,
};
