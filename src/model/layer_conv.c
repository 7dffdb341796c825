/* conv: h_s = s_w P_s W + s_b b, P_s the patch of the image that window s sees (MATH B.4). */
#include <string.h>

#include "affine.h"
#include "layers.h"
#include "ntk/base/memory.h"
#include "ntk/model/rows.h"
#include "window.h"

/* Patches live only for a moment, in a piece of this size that stays in the cache. */
enum { PIECE_BYTES = 1 << 20 };

typedef struct conv_options {
  ntk_affine_options affine;
  ntk_window window;
} conv_options;

#define WINDOW offsetof(conv_options, window)

static const ntk_option options[] = {
    NTK_AFFINE_FEATURES("channels: an integer, width, outputs, or k*width"),
    NTK_WINDOW_SIZE("kernel", WINDOW, "cells that a window sees"),
    NTK_WINDOW_STRIDE(WINDOW, "1", "from one window to the next"),
    {.key = "dilation",
     .type = NTK_PAIR,
     .offset = WINDOW + offsetof(ntk_window, dilation),
     .fallback = "1",
     .low = 1,
     .high = NTK_WINDOW_MOST,
     .doc = "from one cell of a window to the next"},
    NTK_WINDOW_PADDING(WINDOW, "same"),
    NTK_LAYER_NAME,
    NTK_AFFINE_WEIGHTS,
    {0},
};

static ntk_status shape(ntk_node_layer *node) {
  const conv_options *o = node->options;
  const int64_t cells = o->window.size.item[0] * o->window.size.item[1];

  NTK_TRY(ntk_window_shape(node, &o->window, o->affine.features.factor, false));
  node->fan_in = cells * node->in.size[2];
  node->fan_out = cells * node->out.size[2];
  return NTK_OK;
}

static ntk_status prepare(ntk_network *network, ntk_node_layer *node) {
  const conv_options *o = node->options;
  ntk_patches *patches = NULL;

  NTK_TRY(ntk_arena_new(&network->arena, sizeof(*patches), &patches));
  node->state = patches;
  return ntk_window_patches(&network->arena, node, &o->window, patches);
}

static ntk_status tensors(const ntk_network_settings *settings, ntk_network *network,
                          ntk_node_layer *node) {
  const conv_options *o = node->options;
  const ntk_shape weight = {.rank = 4,
                            .size = {o->window.size.item[0], o->window.size.item[1],
                                     node->in.size[2], node->out.size[2]}};

  return ntk_affine_tensors(settings, network, node, &weight);
}

/* A patch is a cell, and the other way round: dense at every position. */
static bool is_pointwise(const ntk_patches *p) {
  if (p->window != 1 || p->positions != p->cells) return false;
  for (int64_t s = 0; s < p->positions; ++s) {
    if (p->index[s] != s) return false;
  }
  return true;
}

static int64_t piece_rows(ntk_dtype dtype, int64_t in) {
  const int64_t rows = PIECE_BYTES / (in * (int64_t)ntk_dtype_size(dtype));

  return rows < NTK_SAMPLE_PAD ? NTK_SAMPLE_PAD : rows / NTK_SAMPLE_PAD * NTK_SAMPLE_PAD;
}

static void clear(ntk_dtype dtype, void *array, int64_t first, int64_t end) {
  const size_t bytes = (size_t)(end - first) * ntk_dtype_size(dtype);

  if (bytes > 0) memset(ntk_array_at(dtype, array, first), 0, bytes);
}

/* ---- forward --------------------------------------------------------------------------------- */

/* Where a sum over a and W begins: at the bias; returns the factor of what is there. */
static double begin_sum(const ntk_network *network, const ntk_node_layer *node, int64_t rows,
                        void *out) {
  const ntk_tensor *bias = ntk_affine_bias_of(network, node);

  if (!bias) return 0;
  ntk_rows_fill(network->dtype, rows, node->out.size[2], bias->multiplier, bias->data, out);
  return 1;
}

/* Rows first, first + 1, ... of the output, by way of their patches in `piece`.  Rows are padded as
 * samples are: those of the last piece with rows of the padding samples. */
static ntk_status convolve_piece(const ntk_node_layer *node, const ntk_tape *tape, int l,
                                 int64_t first, int64_t rows, void *piece) {
  const ntk_network *network = tape->network;
  const ntk_tensor *weight = ntk_affine_weight(network, node);
  const int64_t in = node->fan_in, width = node->out.size[2], padded = ntk_pad(rows);
  void *out = ntk_array_at(network->dtype, tape->value[l + 1], first * width);
  const double beta = begin_sum(network, node, padded, out);

  ntk_patches_form(node->state, network->dtype, tape->value[l], first, rows, piece);
  clear(network->dtype, piece, rows * in, padded * in);
  return ntk_rows_gemm(network->dtype, false, padded, width, in, weight->multiplier, piece,
                       weight->data, beta, out);
}

static ntk_status convolve(const ntk_node_layer *node, const ntk_tape *tape, int l) {
  const ntk_dtype dtype = tape->network->dtype;
  const int64_t rows = tape->count * node->positions, most = piece_rows(dtype, node->fan_in);
  const int64_t width = node->out.size[2], all = ntk_pad(tape->count) * node->positions;
  void *piece = NULL;
  ntk_status status = ntk_array_new_unset(dtype, most * node->fan_in, &piece);

  clear(dtype, tape->value[l + 1], ntk_pad(rows) * width, all * width);
  for (int64_t r = 0; r < rows && status == NTK_OK; r += most) {
    status = convolve_piece(node, tape, l, r, rows - r < most ? rows - r : most, piece);
  }
  ntk_free(&piece);
  return status;
}

static ntk_status forward(const ntk_node_layer *node, ntk_tape *tape, int l) {
  const ntk_network *network = tape->network;
  const ntk_tensor *weight = ntk_affine_weight(network, node);
  const int64_t width = node->out.size[2], all = ntk_pad(tape->count) * node->positions;

  NTK_TRY(ntk_array_new_unset(network->dtype, all * width, &tape->value[l + 1]));
  if (!is_pointwise(node->state)) return convolve(node, tape, l);
  const double beta = begin_sum(network, node, all, tape->value[l + 1]);

  return ntk_rows_gemm(network->dtype, false, all, width, node->fan_in, weight->multiplier,
                       tape->value[l], weight->data, beta, tape->value[l + 1]);
}

/* ---- backward -------------------------------------------------------------------------------- */

/* Zeros for the blocks, one of each cotangent of each sample, that begin among these rows. */
static void clear_blocks(const ntk_node_layer *node, ntk_dtype dtype, int64_t first, int64_t rows,
                         void *next) {
  const int64_t s = node->positions, width = ntk_shape_count(&node->in);

  clear(dtype, next, (first + s - 1) / s * width, (first + rows + s - 1) / s * width);
}

/* A row of delta, of one cotangent of one sample, is to the input what a sample is. */
static ntk_status spread_piece(const ntk_node_layer *node, const ntk_stream *stream, int64_t first,
                               int64_t rows, void *piece, void *next) {
  const ntk_network *network = stream->tape->network;
  const ntk_tensor *weight = ntk_affine_weight(network, node);
  const int64_t width = node->out.size[2];

  NTK_TRY(ntk_rows_gemm(
      network->dtype, true, ntk_pad(rows), node->fan_in, width, weight->multiplier,
      ntk_array_const_at(network->dtype, stream->full, first * width), weight->data, 0, piece));
  clear_blocks(node, network->dtype, first, rows, next);
  ntk_patches_add(node->state, network->dtype, piece, first, rows, next);
  return NTK_OK;
}

static ntk_status spread(const ntk_node_layer *node, const ntk_stream *stream, void *next) {
  const ntk_dtype dtype = stream->tape->network->dtype;
  const int64_t blocks = stream->tape->count * stream->rows, rows = blocks * node->positions;
  const int64_t most = piece_rows(dtype, node->fan_in), width = ntk_shape_count(&node->in);
  void *piece = NULL;
  ntk_status status = ntk_array_new_unset(dtype, most * node->fan_in, &piece);

  clear(dtype, next, blocks * width, ntk_pad(stream->tape->count) * stream->rows * width);
  for (int64_t r = 0; r < rows && status == NTK_OK; r += most) {
    status = spread_piece(node, stream, r, rows - r < most ? rows - r : most, piece, next);
  }
  ntk_free(&piece);
  return status;
}

static ntk_status backward(const ntk_node_layer *node, ntk_stream *stream, int l) {
  const ntk_network *network = stream->tape->network;
  const int64_t width = ntk_shape_count(&node->in);
  const ntk_patches *patches = node->state;
  void *next = NULL;

  (void)l;
  if (is_pointwise(patches)) {
    return ntk_stream_multiply(stream, ntk_affine_weight(network, node), node->fan_in,
                               node->out.size[2]);
  }
  NTK_TRY(ntk_stream_expand(stream));
  NTK_TRY(ntk_stream_spare(stream, width, &next));
  NTK_TRY(spread(node, stream, next));
  ntk_stream_swap(stream, width);
  return NTK_OK;
}

static ntk_status factor(const ntk_node_layer *node, ntk_stream *stream, int l, int k,
                         ntk_factor *factor) {
  const ntk_network *network = stream->tape->network;

  NTK_ASSERT(k == 0);
  *factor = (ntk_factor){.weight = ntk_affine_weight(network, node),
                         .bias = ntk_affine_bias_of(network, node),
                         .positions = node->positions,
                         .in = node->fan_in,
                         .patches = is_pointwise(node->state) ? NULL : node->state,
                         .a = stream->tape->value[l]};
  factor->w_weight = ntk_stream_weight(stream, factor->weight);
  factor->b_weight = ntk_stream_weight(stream, factor->bias);
  return ntk_stream_fold(stream, factor);
}

/* ---- cost ------------------------------------------------------------------------------------ */

static void cost(const ntk_node_layer *node, ntk_cost_walk *walk) {
  const int64_t in = node->fan_in, out = node->out.size[2], width = ntk_shape_count(&node->out);
  const double flops = 2.0 * (double)in * (double)width;

  walk->cost.forward_flops += flops;
  walk->cost.tape_bytes += (double)ntk_dtype_size(walk->network->dtype) * (double)width;
  if (walk->counted && is_pointwise(node->state)) {
    ntk_walk_fold(walk, node->first_tensor, node->positions, in, out);
  } else if (walk->counted) {
    ntk_walk_fold_patches(walk, node->first_tensor, node->state, out);
  }
  if (!walk->needed) return;
  if (is_pointwise(node->state)) {
    ntk_walk_multiply(walk, node->positions, in, out);
    return;
  }
  ntk_walk_expand(walk, width);
  ntk_walk_swap(walk, ntk_shape_count(&node->in));
  walk->cost.backward_flops += flops * (double)walk->rows;
}

const ntk_layer ntk_layer_conv = {
    .row = {.name = "conv",
            .also = "conv1d conv2d convolution",
            .doc = "convolution of images (h, w, c): h = s_w P W + s_b b, P the patches; tensors W "
                   "[kh][kw][in][out], b [out]",
            .options = options,
            .options_size = sizeof(conv_options)},
    .linear = true,
    .factors = 1,
    .rng_keys = 2,
    .shape = shape,
    .prepare = prepare,
    .tensors = tensors,
    .forward = forward,
    .backward = backward,
    .factor = factor,
    .cost = cost,
    .forget = ntk_affine_forget,
};
