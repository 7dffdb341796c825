/* batch_norm: gamma (x - mean) / sqrt(variance + eps) + beta per channel, with constants (eval
 * mode, MATH B19): a map of each sample alone. */
#include <inttypes.h>
#include <math.h>

#include "layers.h"
#include "ntk/base/memory.h"

static const ntk_row eval = {.name = "eval", .doc = "mean and variance are constants (running)"};
static const ntk_row *const modes[] = {&eval, NULL};

static const ntk_option options[] = {
    {.key = "mode",
     .type = NTK_WORD,
     .offset = offsetof(ntk_batch_norm_options, mode),
     .rows = modes,
     .flags = NTK_REQUIRED,
     .doc = "where mean and variance come from"},
    NTK_LAYER_NAME,
    {.key = "eps",
     .type = NTK_REAL,
     .offset = offsetof(ntk_batch_norm_options, eps),
     .fallback = "1e-5",
     .low = 0,
     .high = 1e10,
     .doc = "added to the variance, under the root"},
    {.key = "affine",
     .type = NTK_BOOL,
     .offset = offsetof(ntk_batch_norm_options, affine),
     .fallback = "true",
     .doc = "false: no gamma and beta"},
    {.key = "trainable",
     .type = NTK_BOOL,
     .offset = offsetof(ntk_batch_norm_options, trainable),
     .fallback = "true",
     .doc = "false: gamma and beta are constants"},
    {0},
};

static const ntk_batch_norm_options *options_of(const ntk_node_layer *node) {
  return node->options;
}

static ntk_status shape(ntk_node_layer *node) {
  node->out = node->in;
  node->positions = 1;
  node->factors = options_of(node)->affine ? 2 : 0;
  return NTK_OK;
}

static ntk_status add(ntk_network *network, ntk_node_layer *node, const char *name, double value,
                      bool trainable) {
  const ntk_tensor tensor = {.rank = 1,
                             .size = {ntk_shape_channels(&node->in)},
                             .axes = "channel",
                             .multiplier = 1,
                             .law = {.mean = value},
                             .trainable = trainable};

  return ntk_network_add_tensor(network, node, name, &tensor);
}

static ntk_status tensors(const ntk_network_settings *settings, ntk_network *network,
                          ntk_node_layer *node) {
  const ntk_batch_norm_options *o = node->options;

  (void)settings;
  NTK_TRY(add(network, node, "mean", 0, false));
  NTK_TRY(add(network, node, "variance", 1, false));
  if (!o->affine) return NTK_OK;
  NTK_TRY(add(network, node, "gamma", 1, o->trainable));
  return add(network, node, "beta", 0, o->trainable);
}

static void forget(void *given) { ((ntk_batch_norm_options *)given)->trainable = true; }

/* ---- per channel ----------------------------------------------------------------------------- */

enum { MEAN, VARIANCE, GAMMA, BETA };

static double entry(const ntk_network *network, const ntk_node_layer *node, int tensor, int64_t c) {
  const ntk_tensor *t = &network->tensor[node->first_tensor + tensor];
  const double value = network->dtype == NTK_DOUBLE ? ((const double *)t->data)[c]
                                                    : (double)((const float *)t->data)[c];

  return t->multiplier * value;
}

/* xhat = x divide - shift, y = gamma xhat + beta. */
typedef struct channel {
  double divide, shift, gamma, beta;
} channel;

static ntk_status fill_channels(const ntk_network *network, const ntk_node_layer *node,
                                channel *channels) {
  for (int64_t c = 0; c < ntk_shape_channels(&node->in); ++c) {
    const double variance = entry(network, node, VARIANCE, c) + options_of(node)->eps;
    const bool affine = options_of(node)->affine;

    NTK_CHECK(variance > 0, NTK_E_INPUT,
              "layer '%s': variance + eps of channel %" PRId64 " is %g, not positive", node->name,
              c, variance);
    channels[c].divide = 1 / sqrt(variance);
    channels[c].shift = entry(network, node, MEAN, c) * channels[c].divide;
    channels[c].gamma = affine ? entry(network, node, GAMMA, c) : 1;
    channels[c].beta = affine ? entry(network, node, BETA, c) : 0;
  }
  return NTK_OK;
}

/* NOLINTBEGIN(bugprone-macro-parentheses): a type in parentheses is no type */
#define DEFINE_LOOPS(type)                                                                       \
  static void normalize_##type(int64_t count, int64_t width, const channel *z, type *x) {        \
    for (int64_t k = 0; k < count; ++k) {                                                        \
      x[k] = x[k] * (type)z[k % width].divide - (type)z[k % width].shift;                        \
    }                                                                                            \
  }                                                                                              \
  static void affine_##type(int64_t count, int64_t width, const channel *z, type *x) {           \
    for (int64_t k = 0; k < count; ++k) {                                                        \
      x[k] = (type)z[k % width].gamma * x[k] + (type)z[k % width].beta;                          \
    }                                                                                            \
  }                                                                                              \
  static void back_##type(int64_t count, int64_t width, const channel *z, type *delta) {         \
    for (int64_t k = 0; k < count; ++k) {                                                        \
      delta[k] *= (type)(z[k % width].gamma * z[k % width].divide);                              \
    }                                                                                            \
  }                                                                                              \
  /* out[c] = sum_s delta[s][c] (normal[s][c]) */                                                \
  static void gather_##type(int64_t count, int64_t width, const type *delta, const type *normal, \
                            type *out) {                                                         \
    for (int64_t c = 0; c < width; ++c) out[c] = 0;                                              \
    for (int64_t k = 0; k < count; ++k) {                                                        \
      out[k % width] += normal ? delta[k] * normal[k] : delta[k];                                \
    }                                                                                            \
  }

DEFINE_LOOPS(double)
DEFINE_LOOPS(float)
/* NOLINTEND(bugprone-macro-parentheses) */

/* ---- the layer ------------------------------------------------------------------------------- */

static ntk_status apply(const ntk_node_layer *node, ntk_tape *tape, int l,
                        const channel *channels) {
  const ntk_dtype dtype = tape->network->dtype;
  const int64_t count = ntk_pad(tape->count) * ntk_shape_count(&node->in);
  const int64_t width = ntk_shape_channels(&node->in);
  void *x = tape->value[l];

  if (dtype == NTK_DOUBLE) {
    normalize_double(count, width, channels, x);
  } else {
    normalize_float(count, width, channels, x);
  }
  if (!options_of(node)->affine) return NTK_OK;
  NTK_TRY(ntk_array_new_unset(dtype, count, &tape->aux[l]));
  ntk_array_convert(dtype, x, dtype, tape->aux[l], count);
  if (dtype == NTK_DOUBLE) {
    affine_double(count, width, channels, x);
  } else {
    affine_float(count, width, channels, x);
  }
  return NTK_OK;
}

static ntk_status forward(const ntk_node_layer *node, ntk_tape *tape, int l) {
  channel *channels = NULL;

  NTK_TRY(NTK_NEW(ntk_shape_channels(&node->in), &channels));
  ntk_status status = fill_channels(tape->network, node, channels);

  if (status == NTK_OK) status = apply(node, tape, l, channels);
  ntk_free(&channels);
  if (status != NTK_OK) return status;
  tape->value[l + 1] = tape->value[l];
  tape->value[l] = NULL;
  return NTK_OK;
}

/* The same for all samples, so delta keeps its form. */
static ntk_status backward(const ntk_node_layer *node, ntk_stream *stream, int l) {
  const ntk_network *network = stream->tape->network;
  const bool full = stream->form == NTK_DELTA_FULL;
  const int64_t rows = stream->rows * (full ? ntk_pad(stream->tape->count) : 1);
  const int64_t count = rows * stream->width, width = ntk_shape_channels(&node->in);
  channel *channels = NULL;

  (void)l;
  NTK_TRY(NTK_NEW(width, &channels));
  const ntk_status status = fill_channels(network, node, channels);

  if (status == NTK_OK && network->dtype == NTK_DOUBLE) {
    back_double(count, width, channels, full ? stream->full : stream->common);
  } else if (status == NTK_OK) {
    back_float(count, width, channels, full ? stream->full : stream->common);
  }
  ntk_free(&channels);
  return status;
}

/* 0: gamma, 1: beta. */
static ntk_status factor(const ntk_node_layer *node, ntk_stream *stream, int l, int k,
                         ntk_factor *factor) {
  const ntk_network *network = stream->tape->network;
  const ntk_dtype dtype = network->dtype;
  const int64_t count = ntk_shape_count(&node->in), width = ntk_shape_channels(&node->in);
  void *gradient = NULL;

  NTK_TRY(ntk_stream_expand(stream));
  NTK_TRY(ntk_stream_scratch(stream, stream->rows * width, &gradient));
  for (int64_t r = 0; r < ntk_pad(stream->tape->count) * stream->rows; ++r) {
    const void *delta = ntk_array_const_at(dtype, stream->full, r * count);
    const void *normal = ntk_array_const_at(dtype, stream->tape->aux[l], r / stream->rows * count);
    void *out = ntk_array_at(dtype, gradient, r * width);

    if (dtype == NTK_DOUBLE) {
      gather_double(count, width, delta, k == 0 ? normal : NULL, out);
    } else {
      gather_float(count, width, delta, k == 0 ? normal : NULL, out);
    }
  }
  return ntk_stream_vector(stream, &network->tensor[node->first_tensor + GAMMA + k], gradient,
                           factor);
}

static void cost(const ntk_node_layer *node, ntk_cost_walk *walk) {
  const int64_t count = ntk_shape_count(&node->in), width = ntk_shape_channels(&node->in);

  if (options_of(node)->affine) {
    walk->cost.tape_bytes += (double)ntk_dtype_size(walk->network->dtype) * (double)count;
  }
  if (!walk->counted) return;
  ntk_walk_expand(walk, count);
  ntk_walk_scratch(walk, walk->rows * width);
  for (int k = 1; k >= 0; --k) {
    ntk_walk_fold_array(walk, node->first_tensor + GAMMA + k, 1, 0, width);
  }
}

const ntk_layer ntk_layer_batch_norm = {
    .row = {.name = "batch_norm",
            .doc = "gamma (x - mean) / sqrt(variance + eps) + beta; tensors gamma, beta, mean, "
                   "variance [channels]",
            .options = options,
            .options_size = sizeof(ntk_batch_norm_options)},
    .factors = 2,
    .rng_keys = 4,
    .shape = shape,
    .tensors = tensors,
    .forward = forward,
    .backward = backward,
    .factor = factor,
    .cost = cost,
    .forget = forget,
};
