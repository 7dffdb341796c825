/* The batch of a stream: how its rows depend on the training samples through the mean and variance
 * that batch_norm takes from these (MATH B20).
 *
 * The gradient of a row has two parts.  One is that of its own sample, statistics being constants:
 * the stream's.  The other goes through the statistics to all training samples k; it is a backward
 * pass of the tape of these, with a row for each row of each sample of the stream.  It starts from
 * zeros above the highest batch_norm, and every batch_norm adds what its statistics get from the
 * stream.  Layers see an ordinary stream of more rows. */
#include "layers.h"
#include "loops.h"
#include "ntk/base/memory.h"
#include "streams.h"

/* ---- where it begins ------------------------------------------------------------------------- */

/* Tensors are in the order of the layers that declared them. */
static int last_use(const ntk_network *network, int count) {
  int tensors = 0, end = count;

  for (int l = 0; l < network->layer_count; ++l) {
    const ntk_node_layer *node = &network->layer[l];
    const bool own = node->tensors > 0 && node->first_tensor < tensors;
    const bool borrowed = node->borrowed >= 0 && node->borrowed < tensors;

    if (l >= count && (own || borrowed)) end = l + 1;
    if (l < count && node->source == l) tensors = node->first_tensor + node->tensors;
  }
  return end;
}

/* Where the residuals that are open behind the first `count` layers have ended. */
static int outermost(const ntk_network *network, int count) {
  int depth = 0, l = 0;

  for (; l < network->layer_count && (l < count || depth > 0); ++l) {
    if (network->layer[l].layer == &ntk_layer_fork) ++depth;
    if (network->layer[l].layer == &ntk_layer_join) --depth;
  }
  return l;
}

int ntk_network_coupled(const ntk_network *network) {
  int count = network->layer_count, before = -1;

  while (count > 0 && !ntk_batch_norm_couples(&network->layer[count - 1])) --count;
  while (count != before) {
    before = count;
    count = outermost(network, last_use(network, count));
  }
  return count;
}

/* ---- begin, destroy -------------------------------------------------------------------------- */

ntk_status ntk_batch_begin(ntk_stream *stream) {
  const ntk_tape *training = ntk_tape_training(stream->tape);
  const int64_t rows = stream->tape->count * stream->rows, width = stream->width;

  NTK_TRY(ntk_stream_expand(stream));
  NTK_TRY(NTK_NEW(1, &stream->batch));
  ntk_stream *batch = stream->batch;

  *batch = (ntk_stream){.tape = training,
                        .of = stream,
                        .tensors = stream->tensors,
                        .rows = rows,
                        .width = width,
                        .terms = 1,
                        .form = NTK_DELTA_FULL,
                        .full_room = ntk_pad(training->count) * rows * width};
  NTK_TRY(NTK_NEW(batch->tensors, &batch->uses));
  return ntk_array_new(training->network->dtype, batch->full_room, &batch->full);
}

void ntk_batch_destroy(ntk_stream *stream) {
  if (!stream->batch) return;
  ntk_stream_destroy(stream->batch);
  ntk_free(&stream->batch);
}

/* ---- factors --------------------------------------------------------------------------------- */

/* A vector's gradient is simply summed. */
static ntk_status add_vector(ntk_stream *stream, const void *delta, ntk_factor *factor) {
  const ntk_dtype dtype = stream->tape->network->dtype;
  const int64_t entries = factor->cotangents * factor->out, own = stream->tape->count;
  const int64_t samples = stream->batch->tape->count;

  NTK_TRY(ntk_stream_reserve(dtype, ntk_pad(own) * entries, &stream->folded_room, &stream->folded));
  ntk_array_convert(dtype, factor->delta, dtype, stream->folded, ntk_pad(own) * entries);
  for (int64_t k = 0; k < samples; ++k) {
    ntk_loop_add(dtype, own * entries, 1, ntk_array_const_at(dtype, delta, k * own * entries),
                 stream->folded);
  }
  factor->delta = stream->folded;
  return NTK_OK;
}

ntk_status ntk_batch_join(ntk_stream *stream, const ntk_factor *batch, ntk_factor *factor) {
  if (factor->kind == NTK_FACTOR_VECTOR) return add_vector(stream, batch->delta, factor);
  NTK_ASSERT(!factor->shared && factor->positions == batch->positions);
  stream->coupling = (ntk_coupling){.samples = stream->batch->tape->count,
                                    .sums = factor->out / batch->out,
                                    .out = batch->out,
                                    .patches = batch->patches,
                                    .a = batch->a,
                                    .delta = batch->delta};
  factor->coupling = &stream->coupling;
  return NTK_OK;
}
