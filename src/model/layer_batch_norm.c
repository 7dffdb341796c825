/* batch_norm: gamma (x - mean) / sqrt(variance + eps) + beta per channel.  With constants (eval
 * mode, MATH B19) it is a map of each sample alone; with the mean and variance of all training
 * samples and positions (train mode, B20) outputs depend on all of them: batch.c. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "layers.h"
#include "ntk/base/memory.h"

static const ntk_row eval = {.name = "eval", .doc = "mean and variance are constants (running)"};
static const ntk_row train = {
    .name = "train",
    .doc = "they are those of the training set, for test samples too, and depend on parameters"};
static const ntk_row *const modes[] = {&train, &eval, NULL};

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

bool ntk_batch_norm_couples(const ntk_node_layer *node) {
  return node->layer->row.options == options && options_of(node)->mode == &train;
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
  if (o->mode == &eval) NTK_TRY(add(network, node, "mean", 0, false));
  if (o->mode == &eval) NTK_TRY(add(network, node, "variance", 1, false));
  if (!o->affine) return NTK_OK;
  NTK_TRY(add(network, node, "gamma", 1, o->trainable));
  return add(network, node, "beta", 0, o->trainable);
}

static void forget(void *given) { ((ntk_batch_norm_options *)given)->trainable = true; }

/* ---- per channel ----------------------------------------------------------------------------- */

/* Tensors, in their order: in train mode without the first two. */
enum { MEAN, VARIANCE, GAMMA, BETA };

static const ntk_tensor *tensor_of(const ntk_network *network, const ntk_node_layer *node,
                                   int tensor) {
  return &network->tensor[node->first_tensor + tensor - (ntk_batch_norm_couples(node) ? GAMMA : 0)];
}

static double entry(const ntk_network *network, const ntk_node_layer *node, int tensor, int64_t c) {
  const ntk_tensor *t = tensor_of(network, node, tensor);

  return t->multiplier * ntk_array_get(network->dtype, t->data, c);
}

/* In train mode: mean and variance of the channels, behind the normalised values. */
static double *statistics_of(const ntk_node_layer *node, const ntk_tape *tape, int l) {
  return ntk_array_at(tape->network->dtype, tape->aux[l],
                      ntk_pad(tape->count) * ntk_shape_count(&node->in));
}

/* Mean and variance of a channel. */
static void moments_of(const ntk_node_layer *node, const ntk_tape *tape, int l, int64_t c,
                       double *mean, double *variance) {
  if (ntk_batch_norm_couples(node)) {
    const double *moments = statistics_of(node, ntk_tape_training(tape), l);

    *mean = moments[c];
    *variance = moments[ntk_shape_channels(&node->in) + c];
  } else {
    *mean = entry(tape->network, node, MEAN, c);
    *variance = entry(tape->network, node, VARIANCE, c);
  }
}

/* xhat = x divide - shift, y = gamma xhat + beta. */
typedef struct channel {
  double divide, shift, gamma, beta;
} channel;

static ntk_status fill_channel(const ntk_node_layer *node, const ntk_tape *tape, int l, int64_t c,
                               channel *z) {
  const bool affine = options_of(node)->affine;
  double mean = 0, variance = 0;

  moments_of(node, tape, l, c, &mean, &variance);
  variance += options_of(node)->eps;
  NTK_CHECK(variance > 0, ntk_batch_norm_couples(node) ? NTK_E_NUMERIC : NTK_E_INPUT,
            "layer '%s': variance + eps of channel %" PRId64 " is %g, not positive", node->name, c,
            variance);
  z->divide = 1 / sqrt(variance);
  z->shift = mean * z->divide;
  z->gamma = affine ? entry(tape->network, node, GAMMA, c) : 1;
  z->beta = affine ? entry(tape->network, node, BETA, c) : 0;
  return NTK_OK;
}

static ntk_status fill_channels(const ntk_node_layer *node, const ntk_tape *tape, int l,
                                channel *channels) {
  for (int64_t c = 0; c < ntk_shape_channels(&node->in); ++c) {
    NTK_TRY(fill_channel(node, tape, l, c, &channels[c]));
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
  }                                                                                              \
  /* sums[0][c] += sum_s (x[s][c] - mean[c]), sums[1][c] that of the squares */                  \
  static void measure_##type(int64_t rows, int64_t width, const type *x, const double *mean,     \
                             double *sums) {                                                     \
    for (int64_t k = 0; k < rows; ++k) {                                                         \
      for (int64_t c = 0; c < width; ++c) {                                                      \
        const double d = (double)x[k * width + c] - mean[c];                                     \
                                                                                                 \
        sums[c] += d;                                                                            \
        sums[width + c] += d * d;                                                                \
      }                                                                                          \
    }                                                                                            \
  }                                                                                              \
  /* sums[0][c] += sum_s delta[s][c], sums[1][c] that of delta xhat */                           \
  static void meet_##type(int64_t rows, int64_t width, const type *delta, const type *normal,    \
                          double *sums) {                                                        \
    for (int64_t k = 0; k < rows; ++k) {                                                         \
      for (int64_t c = 0; c < width; ++c) {                                                      \
        const double d = (double)delta[k * width + c];                                           \
                                                                                                 \
        sums[c] += d;                                                                            \
        sums[width + c] += d * (double)normal[k * width + c];                                    \
      }                                                                                          \
    }                                                                                            \
  }                                                                                              \
  static void project_##type(int64_t rows, int64_t width, const double *sums,                    \
                             const type *normal, type *delta) {                                  \
    for (int64_t k = 0; k < rows; ++k) {                                                         \
      for (int64_t c = 0; c < width; ++c) {                                                      \
        delta[k * width + c] -= (type)(sums[c] + (double)normal[k * width + c] * sums[width + c]); \
      }                                                                                          \
    }                                                                                            \
  }

DEFINE_LOOPS(double)
DEFINE_LOOPS(float)
/* NOLINTEND(bugprone-macro-parentheses) */

/* ---- forward --------------------------------------------------------------------------------- */

/* Sums of x - mean and their squares over the samples of the tape. */
static void measure(const ntk_node_layer *node, const ntk_tape *tape, int l, const double *mean,
                    double *sums) {
  const int64_t rows = tape->count * ntk_shape_positions(&node->in);
  const int64_t width = ntk_shape_channels(&node->in);

  memset(sums, 0, (size_t)(2 * width) * sizeof(*sums));
  if (tape->network->dtype == NTK_DOUBLE) {
    measure_double(rows, width, tape->value[l], mean, sums);
  } else {
    measure_float(rows, width, tape->value[l], mean, sums);
  }
}

/* Mean and (biased) variance of the channels over samples and positions. */
static ntk_status take_statistics(const ntk_node_layer *node, ntk_tape *tape, int l) {
  const int64_t width = ntk_shape_channels(&node->in);
  const double rows = fmax(1, (double)(tape->count * ntk_shape_positions(&node->in)));
  double *moments = statistics_of(node, tape, l), *sums = NULL;

  NTK_TRY(NTK_NEW(2 * width, &sums));
  memset(moments, 0, (size_t)(2 * width) * sizeof(*moments));
  measure(node, tape, l, moments, sums);
  for (int64_t c = 0; c < width; ++c) moments[c] = sums[c] / rows;
  measure(node, tape, l, moments, sums);
  for (int64_t c = 0; c < width; ++c) moments[width + c] = sums[width + c] / rows;
  ntk_free(&sums);
  return NTK_OK;
}

/* The normalised values are kept where anything but a factor of them goes back. */
static ntk_status make_room(const ntk_node_layer *node, ntk_tape *tape, int l) {
  const int64_t count = ntk_pad(tape->count) * ntk_shape_count(&node->in);
  const bool couples = ntk_batch_norm_couples(node);
  const int64_t moments = 4 * ntk_shape_channels(&node->in); /* doubles among elements */

  if (!couples && !options_of(node)->affine) return NTK_OK;
  return ntk_array_new_unset(tape->network->dtype, count + (couples ? moments : 0), &tape->aux[l]);
}

static void apply(const ntk_node_layer *node, ntk_tape *tape, int l, const channel *channels) {
  const ntk_dtype dtype = tape->network->dtype;
  const int64_t count = ntk_pad(tape->count) * ntk_shape_count(&node->in);
  const int64_t width = ntk_shape_channels(&node->in);
  void *x = tape->value[l];

  if (dtype == NTK_DOUBLE) {
    normalize_double(count, width, channels, x);
  } else {
    normalize_float(count, width, channels, x);
  }
  if (tape->aux[l]) ntk_array_convert(dtype, x, dtype, tape->aux[l], count);
  if (!options_of(node)->affine) return;
  if (dtype == NTK_DOUBLE) {
    affine_double(count, width, channels, x);
  } else {
    affine_float(count, width, channels, x);
  }
}

static ntk_status forward(const ntk_node_layer *node, ntk_tape *tape, int l) {
  channel *channels = NULL;

  NTK_TRY(make_room(node, tape, l));
  if (ntk_batch_norm_couples(node) && !tape->training) NTK_TRY(take_statistics(node, tape, l));
  NTK_TRY(NTK_NEW(ntk_shape_channels(&node->in), &channels));
  const ntk_status status = fill_channels(node, tape, l, channels);

  if (status == NTK_OK) apply(node, tape, l, channels);
  ntk_free(&channels);
  if (status != NTK_OK) return status;
  tape->value[l + 1] = tape->value[l];
  tape->value[l] = NULL;
  return NTK_OK;
}

/* ---- backward -------------------------------------------------------------------------------- */

/* Delta times gamma / sigma: the same for all samples, so it keeps its form. */
static void scale(const ntk_stream *stream, int64_t width, const channel *channels) {
  const bool full = stream->form == NTK_DELTA_FULL;
  const int64_t rows = stream->rows * (full ? ntk_pad(stream->tape->count) : 1);
  const int64_t count = rows * stream->width;

  if (stream->tape->network->dtype == NTK_DOUBLE) {
    back_double(count, width, channels, full ? stream->full : stream->common);
  } else {
    back_float(count, width, channels, full ? stream->full : stream->common);
  }
}

/* Block `row` of a delta with that of the normalised values it belongs to. */
static void meet(const ntk_node_layer *node, const ntk_stream *stream, int l, int64_t row,
                 double *sums) {
  const ntk_dtype dtype = stream->tape->network->dtype;
  const int64_t count = ntk_shape_count(&node->in), width = ntk_shape_channels(&node->in);
  const void *delta = ntk_array_const_at(dtype, stream->full, row * count);
  const void *normal =
      ntk_array_const_at(dtype, stream->tape->aux[l], row / stream->rows * count);

  if (dtype == NTK_DOUBLE) {
    meet_double(count / width, width, delta, normal, sums);
  } else {
    meet_float(count / width, width, delta, normal, sums);
  }
}

/* What mean and variance get of each row of the batch: from the samples whose outputs these are,
 * and from the training samples. */
static void add_up(const ntk_node_layer *node, const ntk_stream *batch, int l, double *sums) {
  const int64_t own = batch->of->tape->count * batch->of->rows;
  const int64_t all = batch->tape->count * batch->rows, width = ntk_shape_channels(&node->in);

  for (int64_t r = 0; r < own; ++r) meet(node, batch->of, l, r, sums + r * 2 * width);
  for (int64_t r = 0; r < all; ++r) {
    meet(node, batch, l, r, sums + r % batch->rows * 2 * width);
  }
}

/* (B16) of all training samples, delta being multiplied by gamma / sigma already, and the sums by
 * that and 1 / N. */
static void project(const ntk_node_layer *node, const ntk_stream *batch, int l,
                    const double *sums) {
  const ntk_dtype dtype = batch->tape->network->dtype;
  const int64_t count = ntk_shape_count(&node->in), width = ntk_shape_channels(&node->in);

  for (int64_t r = 0; r < batch->tape->count * batch->rows; ++r) {
    const double *own = sums + r % batch->rows * 2 * width;
    const void *normal =
        ntk_array_const_at(dtype, batch->tape->aux[l], r / batch->rows * count);
    void *delta = ntk_array_at(dtype, batch->full, r * count);

    if (dtype == NTK_DOUBLE) {
      project_double(count / width, width, own, normal, delta);
    } else {
      project_float(count / width, width, own, normal, delta);
    }
  }
}

static ntk_status go_back(const ntk_node_layer *node, const ntk_stream *batch, int l,
                          const channel *channels) {
  const int64_t width = ntk_shape_channels(&node->in), entries = batch->rows * 2 * width;
  const double all = (double)(batch->tape->count * ntk_shape_positions(&node->in));
  double *sums = NULL;

  NTK_TRY(NTK_NEW(entries, &sums));
  add_up(node, batch, l, sums);
  for (int64_t k = 0; k < entries; ++k) {
    sums[k] *= channels[k % width].gamma * channels[k % width].divide / all;
  }
  scale(batch, width, channels);
  project(node, batch, l, sums);
  ntk_free(&sums);
  return NTK_OK;
}

static ntk_status backward(const ntk_node_layer *node, ntk_stream *stream, int l) {
  const int64_t width = ntk_shape_channels(&node->in);
  channel *channels = NULL;

  NTK_TRY(NTK_NEW(width, &channels));
  ntk_status status = fill_channels(node, stream->tape, l, channels);

  if (status == NTK_OK && stream->of && ntk_batch_norm_couples(node)) {
    status = go_back(node, stream, l, channels);
  } else if (status == NTK_OK) {
    scale(stream, width, channels);
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
  return ntk_stream_vector(stream, tensor_of(network, node, GAMMA + k), gradient, factor);
}

static void cost(const ntk_node_layer *node, ntk_cost_walk *walk) {
  const int64_t count = ntk_shape_count(&node->in), width = ntk_shape_channels(&node->in);

  const ntk_network *network = walk->network;

  if (options_of(node)->affine || ntk_batch_norm_couples(node)) {
    walk->cost.tape_bytes += (double)ntk_dtype_size(network->dtype) * (double)count;
  }
  if (!walk->counted) return;
  ntk_walk_expand(walk, count);
  ntk_walk_scratch(walk, walk->rows * width);
  for (int k = 1; k >= 0; --k) {
    const ntk_tensor *tensor = tensor_of(network, node, GAMMA + k);

    ntk_walk_fold_array(walk, (int)(tensor - network->tensor), 1, 0, width);
  }
}

const ntk_layer ntk_layer_batch_norm = {
    .row = {.name = "batch_norm",
            .also = "batch_norm1d batch_norm2d bn",
            .doc = "gamma (x - mean) / sqrt(variance + eps) + beta; tensors gamma, beta, in mode "
                   "eval mean, variance [channels]",
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
