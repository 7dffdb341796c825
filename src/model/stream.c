#include <math.h>
#include <string.h>

#include "ntk/base/memory.h"
#include "ntk/model/layer.h"
#include "ntk/model/rows.h"

static ntk_dtype dtype_of(const ntk_stream *stream) { return stream->tape->network->dtype; }

static int64_t samples_of(const ntk_stream *stream) { return ntk_pad(stream->tape->count); }

/* Whether the rows of a sample are summed over. */
static bool sums_rows(const ntk_stream *stream) {
  return stream->cotangents.outputs == NTK_OUT_MEAN || stream->cotangents.outputs == NTK_OUT_TRACE;
}

/* An array of at least `count` elements; the content is lost when it grows. */
static ntk_status reserve(ntk_dtype dtype, int64_t count, int64_t *room, void *address) {
  void *array = NULL;

  if (count <= *room) return NTK_OK;
  ntk_free(address);
  *room = 0;
  NTK_TRY(ntk_array_new_unset(dtype, count, &array));
  memcpy(address, &array, sizeof(array));
  *room = count;
  return NTK_OK;
}

static ntk_status new_common(const ntk_stream *stream, int64_t width, void **common) {
  return ntk_array_new(dtype_of(stream), stream->rows * width, common);
}

static void set(ntk_dtype dtype, void *array, int64_t k, double value) {
  ntk_array_convert(NTK_DOUBLE, &value, dtype, ntk_array_at(dtype, array, k), 1);
}

int64_t ntk_cotangent_rows(const ntk_cotangents *cotangents, int64_t outputs) {
  return cotangents->outputs == NTK_OUT_FULL ? outputs : 1;
}

/* The combinations of outputs that are differentiated, as rows.  With the network's scale they are
 * those of the last layer. */
static void fill_cotangents(ntk_stream *stream, int64_t outputs) {
  const ntk_dtype dtype = dtype_of(stream);
  const double scale = stream->tape->network->scale, equal = scale / sqrt((double)outputs);

  if (stream->cotangents.outputs == NTK_OUT_SINGLE) {
    set(dtype, stream->common, stream->cotangents.single, scale);
  } else if (stream->cotangents.outputs == NTK_OUT_PSEUDO) {
    for (int64_t o = 0; o < outputs; ++o) set(dtype, stream->common, o, equal);
  } else {
    for (int64_t o = 0; o < outputs; ++o) set(dtype, stream->common, o * outputs + o, scale);
  }
}

bool ntk_layer_trainable(const ntk_network *network, const ntk_node_layer *node) {
  for (int t = node->first_tensor; t < node->first_tensor + node->tensors; ++t) {
    if (network->tensor[t].trainable) return true;
  }
  return false;
}

int ntk_network_lowest(const ntk_network *network) {
  int l = 0;

  while (l < network->layer_count && !ntk_layer_trainable(network, &network->layer[l])) ++l;
  return l;
}

static bool one_row(const ntk_cotangents *cotangents) {
  return cotangents->outputs == NTK_OUT_SINGLE || cotangents->outputs == NTK_OUT_PSEUDO;
}

int64_t ntk_cotangent_vectors(const ntk_cotangents *cotangents, int64_t outputs) {
  return one_row(cotangents) ? 1 : outputs;
}

static void enter(ntk_stream *stream, int l) {
  const ntk_network *network = stream->tape->network;
  const bool counts = l >= 0 && ntk_layer_trainable(network, &network->layer[l]);

  stream->layer = l;
  stream->factors = counts ? network->layer[l].layer->factors : 0;
}

ntk_status ntk_stream_begin(const ntk_tape *tape, const ntk_cotangents *cotangents,
                            ntk_stream *stream) {
  const ntk_network *network = tape->network;

  NTK_CHECK(cotangents->outputs != NTK_OUT_SINGLE ||
                (cotangents->single >= 0 && cotangents->single < network->outputs),
            NTK_E_CONFIG, "no output %lld; the network has outputs 0..%lld",
            (long long)cotangents->single, (long long)network->outputs - 1);
  *stream = (ntk_stream){.tape = tape,
                         .cotangents = *cotangents,
                         .last = ntk_network_lowest(network),
                         .rows = ntk_cotangent_vectors(cotangents, network->outputs),
                         .width = network->outputs,
                         .form = NTK_DELTA_SHARED};
  NTK_TRY(new_common(stream, network->outputs, &stream->common));
  fill_cotangents(stream, network->outputs);
  enter(stream, network->layer_count - 1);
  return NTK_OK;
}

ntk_status ntk_stream_next(ntk_stream *stream, ntk_factor *factor, bool *more) {
  while (stream->layer >= stream->last) {
    const ntk_node_layer *node = &stream->tape->network->layer[stream->layer];

    *more = stream->factors > 0;
    if (*more) return node->layer->factor(node, stream, stream->layer, --stream->factors, factor);
    if (stream->layer > stream->last) {
      NTK_TRY(node->layer->backward(node, stream, stream->layer));
    }
    enter(stream, stream->layer - 1);
  }
  *more = false;
  return NTK_OK;
}

void ntk_stream_destroy(ntk_stream *stream) {
  ntk_free(&stream->common);
  ntk_free(&stream->full);
  ntk_free(&stream->spare);
  ntk_free(&stream->product);
  ntk_free(&stream->folded);
  *stream = (ntk_stream){0};
}

/* ---- what layers work with ------------------------------------------------------------------- */

ntk_status ntk_stream_spare(ntk_stream *stream, int64_t width, void **array) {
  const int64_t count = samples_of(stream) * stream->rows * width;

  NTK_TRY(reserve(dtype_of(stream), count, &stream->spare_room, &stream->spare));
  *array = stream->spare;
  return NTK_OK;
}

void ntk_stream_swap(ntk_stream *stream, int64_t width) {
  void *full = stream->full;
  const int64_t room = stream->full_room;

  stream->full = stream->spare;
  stream->full_room = stream->spare_room;
  stream->spare = full;
  stream->spare_room = room;
  stream->width = width;
  stream->form = NTK_DELTA_FULL;
}

ntk_status ntk_stream_expand(ntk_stream *stream) {
  const ntk_dtype dtype = dtype_of(stream);
  const int64_t samples = samples_of(stream), rows = stream->rows, width = stream->width;
  void *full = NULL;

  if (stream->form == NTK_DELTA_FULL) return NTK_OK;
  NTK_TRY(ntk_stream_spare(stream, width, &full));
  if (stream->form == NTK_DELTA_SHARED) {
    ntk_rows_fill(dtype, samples, rows * width, 1, stream->common, full);
  } else {
    ntk_rows_outer(dtype, samples, rows, width, stream->mask, stream->common, full);
  }
  ntk_stream_swap(stream, width);
  return NTK_OK;
}

/* A second activation without a linear map between. */
static ntk_status multiply_masks(ntk_stream *stream, const void *slope) {
  const ntk_dtype dtype = dtype_of(stream);
  const int64_t samples = samples_of(stream), count = samples * stream->width;

  if (stream->mask != stream->product || !stream->product) {
    NTK_TRY(reserve(dtype, count, &stream->product_room, &stream->product));
    ntk_array_convert(dtype, stream->mask, dtype, stream->product, count);
    stream->mask = stream->product;
  }
  ntk_rows_scale(dtype, samples, 1, stream->width, slope, stream->product);
  return NTK_OK;
}

ntk_status ntk_stream_mask(ntk_stream *stream, const void *slope) {
  if (stream->form == NTK_DELTA_SEPARABLE) return multiply_masks(stream, slope);
  if (stream->form == NTK_DELTA_SHARED) {
    stream->mask = slope;
    stream->form = NTK_DELTA_SEPARABLE;
  } else {
    ntk_rows_scale(dtype_of(stream), samples_of(stream), stream->rows, stream->width, slope,
                   stream->full);
  }
  return NTK_OK;
}

static ntk_status multiply_common(ntk_stream *stream, const ntk_tensor *weight, int64_t in) {
  const int64_t out = stream->width;
  void *common = NULL;

  NTK_TRY(new_common(stream, in, &common));
  ntk_gemm(dtype_of(stream), false, true, stream->rows, in, out, weight->multiplier,
           stream->common, out, weight->data, out, 0, common, in);
  ntk_free(&stream->common);
  stream->common = common;
  stream->width = in;
  return NTK_OK;
}

ntk_status ntk_stream_multiply(ntk_stream *stream, const ntk_tensor *weight, int64_t in) {
  void *next = NULL;

  if (stream->form == NTK_DELTA_SHARED) return multiply_common(stream, weight, in);
  NTK_TRY(ntk_stream_expand(stream));
  NTK_TRY(ntk_stream_spare(stream, in, &next));
  NTK_TRY(ntk_rows_gemm(dtype_of(stream), true, samples_of(stream) * stream->rows, in,
                        stream->width, weight->multiplier, stream->full, weight->data, 0, next));
  ntk_stream_swap(stream, in);
  return NTK_OK;
}

double ntk_stream_weight(const ntk_stream *stream, const ntk_tensor *tensor) {
  const ntk_network *network = stream->tape->network;
  const bool mean = stream->cotangents.outputs == NTK_OUT_MEAN;

  if (!tensor || !tensor->trainable) return 0;
  return network->rate_scale * tensor->multiplier * tensor->multiplier /
         (mean ? (double)network->outputs : 1);
}

/* delta = mask times c, and only sum_r <delta_r, delta'_r> is asked for: as if there were one row
 * of the length of c's columns. */
static ntk_status fold_separable(ntk_stream *stream, ntk_factor *factor) {
  const ntk_dtype dtype = dtype_of(stream);
  const int64_t samples = samples_of(stream), width = stream->width;
  void *norm = NULL;

  NTK_TRY(reserve(dtype, samples * width, &stream->folded_room, &stream->folded));
  NTK_TRY(ntk_array_new(dtype, width, &norm));
  ntk_rows_norm(dtype, stream->rows, width, stream->common, norm);
  ntk_rows_outer(dtype, samples, 1, width, stream->mask, norm, stream->folded);
  ntk_free(&norm);
  factor->cotangents = 1;
  factor->out = width;
  factor->delta = stream->folded;
  return NTK_OK;
}

ntk_status ntk_stream_fold(ntk_stream *stream, ntk_factor *factor) {
  const bool sums = sums_rows(stream);

  factor->shared = stream->form == NTK_DELTA_SHARED;
  if (stream->form == NTK_DELTA_SEPARABLE && sums && stream->rows > 1) {
    return fold_separable(stream, factor);
  }
  if (!factor->shared) NTK_TRY(ntk_stream_expand(stream));
  factor->cotangents = sums ? 1 : stream->rows;
  factor->out = sums ? stream->rows * stream->width : stream->width;
  factor->delta = factor->shared ? stream->common : stream->full;
  return NTK_OK;
}
