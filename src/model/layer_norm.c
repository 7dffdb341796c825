/* norm: (x - mean) / sqrt(var + eps) over a group of a sample's entries, then gamma and beta per
 * channel (MATH B16 to B18). */
#include <math.h>

#include "layers.h"
#include "ntk/base/memory.h"

/* A group of entries: (position s, channel c) is in group s by_position + c by_channel. */
typedef struct grouping {
  ntk_row row;
  int by_position, by_channel;
} grouping;

static const grouping channels = {
    {.name = "channels", .doc = "the channels of a position (layer norm)"}, 1, 0};
static const grouping positions = {
    {.name = "positions", .doc = "the positions of a channel (instance norm)"}, 0, 1};
static const grouping both = {
    {.name = "positions_channels", .doc = "all entries of a sample"}, 0, 0};
static const ntk_row *const groupings[] = {&channels.row, &positions.row, &both.row, NULL};

static const ntk_row affine = {.name = "true", .doc = "y = gamma x + beta follows"};
static const ntk_row plain = {.name = "false", .doc = "no gamma and beta"};
static const ntk_row *const affinities[] = {&affine, &plain, NULL};

static const ntk_option options[] = {
    {.key = "over",
     .type = NTK_WORD,
     .offset = offsetof(ntk_norm_options, over),
     .fallback = "channels",
     .rows = groupings,
     .doc = "what has mean 0 and variance 1 afterwards, in each sample"},
    NTK_LAYER_NAME,
    {.key = "eps",
     .type = NTK_REAL,
     .offset = offsetof(ntk_norm_options, eps),
     .fallback = "1e-5",
     .low = 0,
     .high = 1e10,
     .doc = "added to the (biased) variance, under the root"},
    {.key = "affine",
     .type = NTK_WORD,
     .flags = NTK_AUTO,
     .offset = offsetof(ntk_norm_options, affine),
     .fallback = "auto",
     .rows = affinities,
     .doc = "gamma and beta per channel, from 1 and 0; auto: true unless mean_only"},
    {.key = "mean_only",
     .type = NTK_BOOL,
     .offset = offsetof(ntk_norm_options, mean_only),
     .fallback = "false",
     .doc = "true: subtract the mean, divide by nothing"},
    {.key = "trainable",
     .type = NTK_BOOL,
     .offset = offsetof(ntk_norm_options, trainable),
     .fallback = "true",
     .doc = "false: gamma and beta are constants"},
    {0},
};

static bool is_affine(const ntk_node_layer *node) { return node->tensors > 0; }

static ntk_status shape(ntk_node_layer *node) {
  ntk_norm_options *o = node->options;

  node->out = node->in;
  if (!o->affine) o->affine = o->mean_only ? &plain : &affine;
  node->factors = o->affine == &affine ? 2 : 0;
  node->positions = 1;
  if (o->over != &positions.row || ntk_shape_positions(&node->in) > 1) return NTK_OK;
  return ntk_layer_refuse(node,
                          "over: positions needs more than one, but its input is a vector of "
                          "%lld; write 'over: channels'",
                          (long long)ntk_shape_count(&node->in));
}

static ntk_status tensors(const ntk_network_settings *settings, ntk_network *network,
                          ntk_node_layer *node) {
  const ntk_norm_options *o = node->options;
  const ntk_tensor gamma = {.rank = 1,
                            .size = {ntk_shape_channels(&node->in)},
                            .axes = "channel",
                            .multiplier = 1,
                            .law = {.mean = 1},
                            .trainable = o->trainable};
  ntk_tensor beta = gamma;

  (void)settings;
  if (o->affine != &affine) return NTK_OK;
  beta.law.mean = 0;
  NTK_TRY(ntk_network_add_tensor(network, node, "gamma", &gamma));
  return ntk_network_add_tensor(network, node, "beta", &beta);
}

static void forget(void *given) { ((ntk_norm_options *)given)->trainable = true; }

/* ---- loops over one sample ------------------------------------------------------------------- */

/* Of a pass: sizes, and what the tape keeps. */
typedef struct groups {
  ntk_dtype dtype;
  int64_t samples, positions, channels, count, by_position, by_channel;
  double size, eps; /* entries of a group */
  bool divides;
  const ntk_tensor *gamma, *beta; /* NULL: none */
  void *normal;                   /* [sample][position][channel] xhat; NULL: not kept */
  void *inverse;                  /* [sample][group] 1 / sigma; NULL: 1 */
  double *sum;                    /* [2][group] */
} groups;

/* NOLINTBEGIN(bugprone-macro-parentheses): a type in parentheses is no type */
#define DEFINE_LOOPS(type)                                                                       \
  static void center_##type(const groups *z, type *x) {                                          \
    for (int64_t s = 0; s < z->positions; ++s) {                                                 \
      for (int64_t c = 0; c < z->channels; ++c) {                                                \
        z->sum[s * z->by_position + c * z->by_channel] += (double)x[s * z->channels + c];        \
      }                                                                                          \
    }                                                                                            \
    for (int64_t s = 0; s < z->positions; ++s) {                                                 \
      for (int64_t c = 0; c < z->channels; ++c) {                                                \
        x[s * z->channels + c] -=                                                                \
            (type)(z->sum[s * z->by_position + c * z->by_channel] / z->size);                    \
      }                                                                                          \
    }                                                                                            \
  }                                                                                              \
  /* x is centred */                                                                             \
  static void divide_##type(const groups *z, type *x, type *inverse) {                           \
    for (int64_t s = 0; s < z->positions; ++s) {                                                 \
      for (int64_t c = 0; c < z->channels; ++c) {                                                \
        const double value = (double)x[s * z->channels + c];                                     \
        z->sum[s * z->by_position + c * z->by_channel] += value * value;                         \
      }                                                                                          \
    }                                                                                            \
    for (int64_t g = 0; g < z->count; ++g) {                                                     \
      inverse[g] = (type)(1 / sqrt(z->sum[g] / z->size + z->eps));                               \
    }                                                                                            \
    for (int64_t s = 0; s < z->positions; ++s) {                                                 \
      for (int64_t c = 0; c < z->channels; ++c) {                                                \
        x[s * z->channels + c] *= inverse[s * z->by_position + c * z->by_channel];               \
      }                                                                                          \
    }                                                                                            \
  }                                                                                              \
  static void affine_##type(const groups *z, const type *gamma, const type *beta, type *x) {     \
    const type a = (type)z->gamma->multiplier, b = (type)z->beta->multiplier;                    \
    for (int64_t s = 0; s < z->positions; ++s) {                                                 \
      for (int64_t c = 0; c < z->channels; ++c) {                                                \
        x[s * z->channels + c] = a * gamma[c] * x[s * z->channels + c] + b * beta[c];            \
      }                                                                                          \
    }                                                                                            \
  }                                                                                              \
  /* delta becomes gamma delta, then what the mean takes from it */                              \
  static void weigh_##type(const groups *z, const type *gamma, type *delta) {                    \
    const type a = (type)z->gamma->multiplier;                                                   \
    for (int64_t s = 0; s < z->positions; ++s) {                                                 \
      for (int64_t c = 0; c < z->channels; ++c) delta[s * z->channels + c] *= a * gamma[c];      \
    }                                                                                            \
  }                                                                                              \
  static void back_##type(const groups *z, const type *normal, const type *inverse, type *d) {   \
    double *along = z->sum + z->count;                                                           \
    for (int64_t s = 0; s < z->positions; ++s) {                                                 \
      for (int64_t c = 0; c < z->channels; ++c) {                                                \
        const int64_t e = s * z->channels + c, g = s * z->by_position + c * z->by_channel;       \
        z->sum[g] += (double)d[e];                                                               \
        along[g] += (double)d[e] * (double)normal[e];                                            \
      }                                                                                          \
    }                                                                                            \
    for (int64_t s = 0; s < z->positions; ++s) {                                                 \
      for (int64_t c = 0; c < z->channels; ++c) {                                                \
        const int64_t e = s * z->channels + c, g = s * z->by_position + c * z->by_channel;       \
        const double value =                                                                     \
            (double)d[e] - z->sum[g] / z->size - (double)normal[e] * (along[g] / z->size);       \
        d[e] = inverse[g] * (type)value;                                                         \
      }                                                                                          \
    }                                                                                            \
  }                                                                                              \
  /* out[c] = sum_s delta[s][c] (normal[s][c]) */                                                \
  static void gather_##type(const groups *z, const type *delta, const type *normal, type *out) { \
    for (int64_t c = 0; c < z->channels; ++c) out[c] = 0;                                        \
    for (int64_t s = 0; s < z->positions; ++s) {                                                 \
      for (int64_t c = 0; c < z->channels; ++c) {                                                \
        const int64_t e = s * z->channels + c;                                                   \
        out[c] += normal ? delta[e] * normal[e] : delta[e];                                      \
      }                                                                                          \
    }                                                                                            \
  }

DEFINE_LOOPS(double)
DEFINE_LOOPS(float)
/* NOLINTEND(bugprone-macro-parentheses) */

static groups groups_of(const ntk_node_layer *node, const ntk_tape *tape) {
  const ntk_norm_options *o = node->options;
  const grouping *over = (const grouping *)o->over;
  groups z = {.dtype = tape->network->dtype,
              .samples = ntk_pad(tape->count),
              .positions = ntk_shape_positions(&node->in),
              .channels = ntk_shape_channels(&node->in),
              .by_position = over->by_position,
              .by_channel = over->by_channel,
              .eps = o->eps,
              .divides = !o->mean_only};

  z.count = over == &channels ? z.positions : over == &positions ? z.channels : 1;
  z.size = (double)(z.positions * z.channels) / (double)z.count;
  if (!is_affine(node)) return z;
  z.gamma = &tape->network->tensor[node->first_tensor];
  z.beta = z.gamma + 1;
  return z;
}

/* Entries of a sample that the tape keeps: xhat where gamma or the variance needs it, 1 / sigma. */
static int64_t kept(const ntk_node_layer *node, const groups *z) {
  const bool divides = !((const ntk_norm_options *)node->options)->mean_only;

  return (divides || is_affine(node) ? z->positions * z->channels : 0) + (divides ? z->count : 0);
}

static void find_kept(const ntk_tape *tape, int l, groups *z) {
  const bool divides = z->divides;

  if (divides || z->gamma) z->normal = tape->aux[l];
  if (!divides) return;
  z->inverse = ntk_array_at(z->dtype, tape->aux[l], z->samples * z->positions * z->channels);
}

static void clear_sums(const groups *z) {
  for (int64_t g = 0; g < 2 * z->count; ++g) z->sum[g] = 0;
}

/* ---- forward --------------------------------------------------------------------------------- */

static void normalize(const groups *z, int64_t sample, void *x) {
  void *inverse = z->inverse ? ntk_array_at(z->dtype, z->inverse, sample * z->count) : NULL;

  clear_sums(z);
  if (z->dtype == NTK_DOUBLE) {
    center_double(z, x);
  } else {
    center_float(z, x);
  }
  if (!inverse) return;
  clear_sums(z);
  if (z->dtype == NTK_DOUBLE) {
    divide_double(z, x, inverse);
  } else {
    divide_float(z, x, inverse);
  }
}

static void apply_affine(const groups *z, void *x) {
  if (z->dtype == NTK_DOUBLE) {
    affine_double(z, z->gamma->data, z->beta->data, x);
  } else {
    affine_float(z, z->gamma->data, z->beta->data, x);
  }
}

static void apply(const groups *z, void *x) {
  const int64_t entries = z->positions * z->channels;

  for (int64_t k = 0; k < z->samples; ++k) {
    void *sample = ntk_array_at(z->dtype, x, k * entries);

    normalize(z, k, sample);
    if (z->normal) {
      ntk_array_convert(z->dtype, sample, z->dtype, ntk_array_at(z->dtype, z->normal, k * entries),
                        entries);
    }
    if (z->gamma) apply_affine(z, sample);
  }
}

static ntk_status forward(const ntk_node_layer *node, ntk_tape *tape, int l) {
  groups z = groups_of(node, tape);
  const int64_t count = z.samples * kept(node, &z);

  if (count > 0) NTK_TRY(ntk_array_new_unset(z.dtype, count, &tape->aux[l]));
  NTK_TRY(NTK_NEW(2 * z.count, &z.sum));
  find_kept(tape, l, &z);
  apply(&z, tape->value[l]);
  ntk_free(&z.sum);
  tape->value[l + 1] = tape->value[l];
  tape->value[l] = NULL;
  return NTK_OK;
}

/* ---- backward -------------------------------------------------------------------------------- */

static void go_back(const groups *z, int64_t sample, void *delta) {
  const int64_t entries = z->positions * z->channels;

  clear_sums(z);
  if (z->gamma && z->dtype == NTK_DOUBLE) weigh_double(z, z->gamma->data, delta);
  if (z->gamma && z->dtype == NTK_SINGLE) weigh_float(z, z->gamma->data, delta);
  if (!z->divides && z->dtype == NTK_DOUBLE) {
    center_double(z, delta);
  } else if (!z->divides) {
    center_float(z, delta);
  } else if (z->dtype == NTK_DOUBLE) {
    back_double(z, (double *)z->normal + sample * entries, (double *)z->inverse + sample * z->count,
                delta);
  } else {
    back_float(z, (float *)z->normal + sample * entries, (float *)z->inverse + sample * z->count,
               delta);
  }
}

static ntk_status backward(const ntk_node_layer *node, ntk_stream *stream, int l) {
  groups z = groups_of(node, stream->tape);
  const int64_t entries = z.positions * z.channels;

  NTK_TRY(ntk_stream_expand(stream));
  NTK_TRY(NTK_NEW(2 * z.count, &z.sum));
  find_kept(stream->tape, l, &z);
  for (int64_t k = 0; k < z.samples * stream->rows; ++k) {
    go_back(&z, k / stream->rows, ntk_array_at(z.dtype, stream->full, k * entries));
  }
  ntk_free(&z.sum);
  return NTK_OK;
}

/* 0: gamma, 1: beta. */
static ntk_status factor(const ntk_node_layer *node, ntk_stream *stream, int l, int k,
                         ntk_factor *factor) {
  groups z = groups_of(node, stream->tape);
  const int64_t entries = z.positions * z.channels;
  void *gradient = NULL;

  NTK_TRY(ntk_stream_expand(stream));
  NTK_TRY(ntk_stream_scratch(stream, stream->rows * z.channels, &gradient));
  find_kept(stream->tape, l, &z);
  for (int64_t r = 0; r < z.samples * stream->rows; ++r) {
    const void *delta = ntk_array_const_at(z.dtype, stream->full, r * entries);
    const int64_t first = r / stream->rows * entries;
    void *out = ntk_array_at(z.dtype, gradient, r * z.channels);

    if (z.dtype == NTK_DOUBLE) {
      gather_double(&z, delta, k == 0 ? (double *)z.normal + first : NULL, out);
    } else {
      gather_float(&z, delta, k == 0 ? (float *)z.normal + first : NULL, out);
    }
  }
  return ntk_stream_vector(stream, k == 0 ? z.gamma : z.beta, gradient, factor);
}

static void cost(const ntk_node_layer *node, ntk_cost_walk *walk) {
  const ntk_tape tape = {.network = walk->network};
  const groups z = groups_of(node, &tape);
  const int64_t count = ntk_shape_count(&node->in);

  walk->cost.tape_bytes += (double)ntk_dtype_size(walk->network->dtype) * (double)kept(node, &z);
  if (walk->counted || walk->needed) ntk_walk_expand(walk, count);
  if (!walk->counted) return;
  ntk_walk_scratch(walk, walk->rows * z.channels);
  for (int k = 1; k >= 0; --k) ntk_walk_fold_array(walk, node->first_tensor + k, 1, 0, z.channels);
}

const ntk_layer ntk_layer_norm = {
    .row = {.name = "norm",
            .also = "layer_norm instance_norm",
            .doc = "(x - mean) / sqrt(var + eps), gamma, beta, over channels (layer norm) or "
                   "positions (instance norm); tensors gamma, beta [channels]",
            .options = options,
            .options_size = sizeof(ntk_norm_options)},
    .factors = 2,
    .rng_keys = 2,
    .shape = shape,
    .tensors = tensors,
    .forward = forward,
    .backward = backward,
    .factor = factor,
    .cost = cost,
    .forget = forget,
};
