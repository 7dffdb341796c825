#include <math.h>
#include <string.h>

#include "loops.h"
#include "ntk/base/memory.h"
#include "ntk/model/layer.h"
#include "ntk/model/rows.h"
#include "streams.h"

static ntk_dtype dtype_of(const ntk_stream *stream) { return stream->tape->network->dtype; }

static int64_t samples_of(const ntk_stream *stream) { return ntk_pad(stream->tape->count); }

int64_t ntk_summed_rows(const ntk_cotangents *cotangents, int64_t rows, int64_t terms) {
  const bool all = cotangents->outputs == NTK_OUT_MEAN || cotangents->outputs == NTK_OUT_TRACE;

  return all ? rows : terms;
}

static int64_t summed_of(const ntk_stream *stream) {
  return ntk_summed_rows(&stream->cotangents, stream->rows, stream->terms);
}

ntk_status ntk_stream_reserve(ntk_dtype dtype, int64_t count, int64_t *room, void *address) {
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
  if (node->borrowed >= 0 && network->tensor[node->borrowed].trainable) return true;
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

/* A batch is for what is below it: parameters of the lowest layer itself move no statistics. */
static ntk_status enter(ntk_stream *stream, int l) {
  const ntk_network *network = stream->tape->network;
  const bool counts = l >= 0 && ntk_layer_trainable(network, &network->layer[l]);

  stream->layer = l;
  stream->factors = counts ? network->layer[l].factors : 0;
  return l == network->coupled - 1 && l > stream->last ? ntk_batch_begin(stream) : NTK_OK;
}

ntk_status ntk_stream_begin_part(const ntk_tape *tape, const ntk_cotangents *cotangents,
                                 bool diagonal, ntk_stream *stream) {
  const ntk_network *network = tape->network;

  NTK_CHECK(cotangents->outputs != NTK_OUT_SINGLE ||
                (cotangents->single >= 0 && cotangents->single < network->outputs),
            NTK_E_CONFIG, "no output %lld; the network has outputs 0..%lld",
            (long long)cotangents->single, (long long)network->outputs - 1);
  *stream = (ntk_stream){.tape = tape,
                         .cotangents = *cotangents,
                         .tensors = network->tensor_count,
                         .last = ntk_network_lowest(network),
                         .rows = ntk_cotangent_vectors(cotangents, network->outputs),
                         .width = network->outputs,
                         .terms = 1,
                         .same_mask = diagonal,
                         .form = NTK_DELTA_SHARED};
  NTK_TRY(new_common(stream, network->outputs, &stream->common));
  NTK_TRY(NTK_NEW(stream->tensors, &stream->uses));
  fill_cotangents(stream, network->outputs);
  return enter(stream, network->layer_count - 1);
}

ntk_status ntk_stream_begin(const ntk_tape *tape, const ntk_cotangents *cotangents,
                            ntk_stream *stream) {
  NTK_CHECK(!tape->network->two_kernels, NTK_E_CONFIG,
            "masks: expected_independent: its diagonal, where a sample meets its own mask, is not "
            "taken here; masks: expected_shared or mean have one kernel");
  return ntk_stream_begin_part(tape, cotangents, false, stream);
}

static ntk_status factor_of(const ntk_node_layer *node, ntk_stream *stream, int l, int k,
                            ntk_factor *factor, bool *ready) {
  NTK_TRY(node->layer->factor(node, stream, l, k, factor));
  if (l > 0) factor->w_weight *= ntk_dropout_excess(node - 1, stream->same_mask);
  return ntk_uses_add(stream, factor, ready);
}

static ntk_status next_factor(const ntk_node_layer *node, ntk_stream *stream, ntk_factor *factor,
                              bool *ready) {
  const int l = stream->layer, k = --stream->factors;
  ntk_factor batch;
  bool both = false;

  NTK_TRY(factor_of(node, stream, l, k, factor, ready));
  if (!stream->batch) return NTK_OK;
  NTK_TRY(factor_of(node, stream->batch, l, k, &batch, &both));
  NTK_ASSERT(both == *ready);
  return *ready ? ntk_batch_join(stream, &batch, factor) : NTK_OK;
}

/* The batch first: batch_norm looks at what comes from above in both. */
static ntk_status go_back(const ntk_node_layer *node, ntk_stream *stream) {
  if (stream->layer == stream->last) return NTK_OK;
  if (stream->batch) NTK_TRY(node->layer->backward(node, stream->batch, stream->layer));
  return node->layer->backward(node, stream, stream->layer);
}

ntk_status ntk_stream_next(ntk_stream *stream, ntk_factor *factor, bool *more) {
  while (stream->layer >= stream->last) {
    const ntk_node_layer *node = &stream->tape->network->layer[stream->layer];

    *more = false;
    while (stream->factors > 0 && !*more) NTK_TRY(next_factor(node, stream, factor, more));
    if (*more) return NTK_OK;
    NTK_TRY(go_back(node, stream));
    NTK_TRY(enter(stream, stream->layer - 1));
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
  ntk_free(&stream->scratch);
  ntk_paths_destroy(stream);
  ntk_uses_destroy(stream);
  ntk_batch_destroy(stream);
  *stream = (ntk_stream){0};
}

/* ---- what layers work with ------------------------------------------------------------------- */

ntk_status ntk_stream_spare(ntk_stream *stream, int64_t width, void **array) {
  const int64_t count = samples_of(stream) * stream->rows * width;

  NTK_TRY(ntk_stream_reserve(dtype_of(stream), count, &stream->spare_room, &stream->spare));
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
    NTK_TRY(ntk_stream_reserve(dtype, count, &stream->product_room, &stream->product));
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

static ntk_status multiply_common(ntk_stream *stream, const ntk_tensor *weight, int64_t in,
                                  int64_t out) {
  const int64_t positions = stream->width / out;
  void *common = NULL;

  NTK_TRY(new_common(stream, positions * in, &common));
  ntk_gemm(dtype_of(stream), false, true, stream->rows * positions, in, out, weight->multiplier,
           stream->common, out, weight->data, out, 0, common, in);
  ntk_free(&stream->common);
  stream->common = common;
  stream->width = positions * in;
  return NTK_OK;
}

ntk_status ntk_stream_multiply(ntk_stream *stream, const ntk_tensor *weight, int64_t in,
                               int64_t out) {
  const int64_t positions = stream->width / out;
  void *next = NULL;

  if (stream->form == NTK_DELTA_SHARED) return multiply_common(stream, weight, in, out);
  NTK_TRY(ntk_stream_expand(stream));
  NTK_TRY(ntk_stream_spare(stream, positions * in, &next));
  NTK_TRY(ntk_rows_gemm(dtype_of(stream), true, samples_of(stream) * stream->rows * positions, in,
                        out, weight->multiplier, stream->full, weight->data, 0, next));
  ntk_stream_swap(stream, positions * in);
  return NTK_OK;
}

ntk_status ntk_stream_scratch(ntk_stream *stream, int64_t count_per_sample, void **array) {
  const int64_t count = samples_of(stream) * count_per_sample;

  NTK_TRY(ntk_stream_reserve(dtype_of(stream), count, &stream->scratch_room, &stream->scratch));
  *array = stream->scratch;
  return NTK_OK;
}

ntk_status ntk_stream_spread(ntk_stream *stream, double mean, double variance) {
  const ntk_dtype dtype = dtype_of(stream);
  const int64_t width = stream->width, rows = stream->rows;
  const size_t size = ntk_dtype_size(dtype);
  void *common = NULL;

  NTK_ASSERT(stream->form == NTK_DELTA_SHARED);
  NTK_TRY(ntk_array_new(dtype, rows * (width + 1) * width, &common));
  for (int64_t r = 0; r < rows; ++r) {
    const void *from = ntk_array_const_at(dtype, stream->common, r * width);
    void *to = ntk_array_at(dtype, common, r * (width + 1) * width);

    ntk_rows_fill(dtype, 1, width, mean, from, to);
    for (int64_t u = 0; u < width; ++u) {
      memcpy(ntk_array_at(dtype, to, (u + 1) * width + u), ntk_array_const_at(dtype, from, u),
             size);
    }
    ntk_rows_times(dtype, width * width, sqrt(variance), ntk_array_at(dtype, to, width));
  }
  ntk_free(&stream->common);
  stream->common = common;
  stream->rows = rows * (width + 1);
  stream->terms = width + 1;
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

  NTK_TRY(ntk_stream_reserve(dtype, samples * width, &stream->folded_room, &stream->folded));
  NTK_TRY(ntk_array_new(dtype, width, &norm));
  ntk_rows_norm(dtype, stream->rows, width, stream->common, norm);
  ntk_rows_outer(dtype, samples, 1, width, stream->mask, norm, stream->folded);
  ntk_free(&norm);
  factor->cotangents = 1;
  factor->out = width;
  factor->delta = stream->folded;
  return NTK_OK;
}

/* With positions, (row, out) is one axis only after [row][position][out] has become
 * [position][row][out]. */
static ntk_status interleave(ntk_stream *stream, const void *delta, int64_t out,
                             ntk_factor *factor) {
  const ntk_dtype dtype = dtype_of(stream);
  const int64_t s = factor->positions, blocks = samples_of(stream) * stream->rows;
  const int64_t summed = summed_of(stream);

  NTK_TRY(ntk_stream_reserve(dtype, blocks * s * out, &stream->folded_room, &stream->folded));
  for (int64_t k = 0; k < blocks; ++k) {
    const int64_t first = k / summed * summed * s * out + k % summed * out;

    ntk_loop_scatter(dtype, s, out, ntk_array_const_at(dtype, delta, k * s * out), summed * out, 0,
                     ntk_array_at(dtype, stream->folded, first));
  }
  factor->delta = stream->folded;
  return NTK_OK;
}

ntk_status ntk_stream_fold_array(ntk_stream *stream, const void *delta, int64_t out,
                                 ntk_factor *factor) {
  const int64_t summed = summed_of(stream);

  factor->shared = false;
  factor->cotangents = stream->rows / summed;
  factor->out = summed * out;
  factor->delta = delta;
  if (summed == 1 || factor->positions == 1) return NTK_OK;
  return interleave(stream, delta, out, factor);
}

/* Cross terms between several uses of a tensor need delta itself. */
static bool folds(const ntk_stream *stream, const ntk_factor *factor) {
  const ntk_tensor *tensor = factor->weight ? factor->weight : factor->bias;

  return stream->form == NTK_DELTA_SEPARABLE && stream->rows > 1 &&
         summed_of(stream) == stream->rows && factor->positions == 1 && tensor->uses == 1;
}

ntk_status ntk_stream_fold(ntk_stream *stream, ntk_factor *factor) {
  const int64_t summed = summed_of(stream);

  if (stream->form == NTK_DELTA_SHARED && factor->positions == 1) {
    factor->shared = true;
    factor->cotangents = stream->rows / summed;
    factor->out = summed * stream->width;
    factor->delta = stream->common;
    return NTK_OK;
  }
  factor->shared = false;
  if (folds(stream, factor)) return fold_separable(stream, factor);
  NTK_TRY(ntk_stream_expand(stream));
  return ntk_stream_fold_array(stream, stream->full, stream->width / factor->positions, factor);
}

ntk_status ntk_stream_vector(ntk_stream *stream, const ntk_tensor *tensor, const void *gradient,
                             ntk_factor *factor) {
  *factor = (ntk_factor){.kind = NTK_FACTOR_VECTOR,
                         .bias = tensor,
                         .b_weight = ntk_stream_weight(stream, tensor),
                         .positions = 1};
  return ntk_stream_fold_array(stream, gradient, tensor->count, factor);
}
