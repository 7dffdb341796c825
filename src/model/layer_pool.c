/* sum_pool, avg_pool, global_sum_pool, global_avg_pool: sums over windows, divided by what they
 * have in them (MATH B14).  The windows of the global ones are the whole image or sequence. */
#include <string.h>

#include "layers.h"
#include "loops.h"
#include "window.h"

typedef struct pool_options {
  ntk_layer_options layer;
  ntk_window window;
  bool count_padding;
} pool_options;

/* What prepare() makes. */
typedef struct pool_state {
  ntk_patches patches;
  double *weight; /* [positions] of a window's sum */
} pool_state;

#define WINDOW offsetof(pool_options, window)
#define POOL_OPTIONS                                                                          \
  NTK_WINDOW_SIZE("window", WINDOW, "cells that a window sees"),                              \
      NTK_WINDOW_STRIDE(WINDOW, NULL, "from one window to the next; default: as the window"), \
      NTK_WINDOW_PADDING(WINDOW, "valid"), NTK_LAYER_NAME

static const ntk_option sum_options[] = {POOL_OPTIONS, {0}};
static const ntk_option average_options[] = {
    POOL_OPTIONS,
    {.key = "count_padding",
     .type = NTK_BOOL,
     .offset = offsetof(pool_options, count_padding),
     .fallback = "false",
     .doc = "divide by the cells of the window, also where some are padding"},
    {0},
};
static const ntk_option global_options[] = {NTK_LAYER_NAME, {0}};

/* ---- windows --------------------------------------------------------------------------------- */

static ntk_status shape(ntk_node_layer *node) {
  const pool_options *o = node->options;

  return ntk_window_shape(node, &o->window, node->in.rank == 3 ? node->in.size[2] : 0, true);
}

static ntk_status global_shape(ntk_node_layer *node) {
  char in[NTK_SHAPE_TEXT];

  if (node->in.rank < 2) {
    return ntk_layer_refuse(node,
                            "takes images or sequences and would give their channels, but its "
                            "input is %s; put it before '- flatten'",
                            ntk_shape_text(&node->in, in));
  }
  node->out = (ntk_shape){.rank = 1, .size = {ntk_shape_channels(&node->in)}};
  node->positions = 1;
  return NTK_OK;
}

static ntk_status new_pool(ntk_network *network, ntk_node_layer *node, int64_t positions,
                           pool_state **made) {
  NTK_TRY(ntk_arena_new(&network->arena, sizeof(**made), made));
  NTK_TRY(ntk_arena_new(&network->arena, (size_t)positions * sizeof(double), &(*made)->weight));
  for (int64_t s = 0; s < positions; ++s) (*made)->weight[s] = 1;
  node->state = *made;
  return NTK_OK;
}

static ntk_status prepare_sum(ntk_network *network, ntk_node_layer *node) {
  const pool_options *o = node->options;
  pool_state *made = NULL;

  NTK_TRY(new_pool(network, node, node->positions, &made));
  return ntk_window_patches(&network->arena, node, &o->window, &made->patches);
}

static double inside(const ntk_patches *p, int64_t s) {
  int64_t count = 0;

  for (int64_t k = 0; k < p->window; ++k) count += p->index[s * p->window + k] >= 0;
  return (double)count;
}

static ntk_status prepare_average(ntk_network *network, ntk_node_layer *node) {
  const pool_options *o = node->options;

  NTK_TRY(prepare_sum(network, node));
  const pool_state *made = node->state;
  const ntk_patches *p = &made->patches;

  for (int64_t s = 0; s < p->positions; ++s) {
    made->weight[s] = 1 / (o->count_padding ? (double)p->window : inside(p, s));
  }
  return NTK_OK;
}

static ntk_status prepare_global_sum(ntk_network *network, ntk_node_layer *node) {
  const int64_t cells = ntk_shape_positions(&node->in);
  pool_state *made = NULL;
  int32_t *index = NULL;

  if (cells > INT32_MAX) return ntk_layer_refuse(node, "its input has more than 2^31 positions");
  NTK_TRY(new_pool(network, node, 1, &made));
  NTK_TRY(ntk_arena_new(&network->arena, (size_t)cells * sizeof(*index), &index));
  for (int64_t k = 0; k < cells; ++k) index[k] = (int32_t)k;
  made->patches = (ntk_patches){cells, ntk_shape_channels(&node->in), 1, cells, index};
  return NTK_OK;
}

static ntk_status prepare_global_average(ntk_network *network, ntk_node_layer *node) {
  NTK_TRY(prepare_global_sum(network, node));
  const pool_state *made = node->state;

  made->weight[0] = 1 / (double)made->patches.cells;
  return NTK_OK;
}

/* ---- forward and backward -------------------------------------------------------------------- */

/* Of one sample: y zeroed. */
static void gather(const pool_state *pool, ntk_dtype dtype, const void *x, void *y) {
  const ntk_patches *p = &pool->patches;
  const int64_t c = p->channels;

  for (int64_t s = 0; s < p->positions; ++s) {
    const int32_t *index = p->index + s * p->window;
    void *to = ntk_array_at(dtype, y, s * c);

    for (int64_t k = 0; k < p->window; ++k) {
      if (index[k] < 0) continue;
      ntk_loop_add(dtype, c, pool->weight[s], ntk_array_const_at(dtype, x, index[k] * c), to);
    }
  }
}

/* Of one row of delta: dx zeroed. */
static void scatter(const pool_state *pool, ntk_dtype dtype, const void *dy, void *dx) {
  const ntk_patches *p = &pool->patches;
  const int64_t c = p->channels;

  for (int64_t s = 0; s < p->positions; ++s) {
    const int32_t *index = p->index + s * p->window;
    const void *from = ntk_array_const_at(dtype, dy, s * c);

    for (int64_t k = 0; k < p->window; ++k) {
      if (index[k] < 0) continue;
      ntk_loop_add(dtype, c, pool->weight[s], from, ntk_array_at(dtype, dx, index[k] * c));
    }
  }
}

static ntk_status forward(const ntk_node_layer *node, ntk_tape *tape, int l) {
  const ntk_dtype dtype = tape->network->dtype;
  const int64_t in = ntk_shape_count(&node->in), out = ntk_shape_count(&node->out);

  NTK_TRY(ntk_array_new(dtype, ntk_pad(tape->count) * out, &tape->value[l + 1]));
  for (int64_t i = 0; i < tape->count; ++i) {
    gather(node->state, dtype, ntk_array_const_at(dtype, tape->value[l], i * in),
           ntk_array_at(dtype, tape->value[l + 1], i * out));
  }
  return NTK_OK;
}

static ntk_status backward(const ntk_node_layer *node, ntk_stream *stream, int l) {
  const ntk_dtype dtype = stream->tape->network->dtype;
  const int64_t in = ntk_shape_count(&node->in), out = ntk_shape_count(&node->out);
  const int64_t all = ntk_pad(stream->tape->count) * stream->rows;
  void *next = NULL;

  (void)l;
  NTK_TRY(ntk_stream_expand(stream));
  NTK_TRY(ntk_stream_spare(stream, in, &next));
  if (all > 0) memset(next, 0, (size_t)(all * in) * ntk_dtype_size(dtype));
  for (int64_t r = 0; r < stream->tape->count * stream->rows; ++r) {
    scatter(node->state, dtype, ntk_array_const_at(dtype, stream->full, r * out),
            ntk_array_at(dtype, next, r * in));
  }
  ntk_stream_swap(stream, in);
  return NTK_OK;
}

static void cost(const ntk_node_layer *node, ntk_cost_walk *walk) {
  const int64_t out = ntk_shape_count(&node->out);

  walk->cost.tape_bytes += (double)ntk_dtype_size(walk->network->dtype) * (double)out;
  if (!walk->needed) return;
  ntk_walk_expand(walk, out);
  ntk_walk_swap(walk, ntk_shape_count(&node->in));
}

/* ---- rows ------------------------------------------------------------------------------------ */

#define PASSES .forward = forward, .backward = backward, .cost = cost

const ntk_layer ntk_layer_sum_pool = {
    .row = {.name = "sum_pool",
            .doc = "sums over windows of an image",
            .options = sum_options,
            .options_size = sizeof(pool_options)},
    .shape = shape,
    .prepare = prepare_sum,
    PASSES,
};

const ntk_layer ntk_layer_avg_pool = {
    .row = {.name = "avg_pool",
            .also = "average_pool mean_pool avg_pool2d",
            .doc = "means over windows of an image",
            .options = average_options,
            .options_size = sizeof(pool_options)},
    .shape = shape,
    .prepare = prepare_average,
    PASSES,
};

const ntk_layer ntk_layer_global_sum_pool = {
    .row = {.name = "global_sum_pool",
            .doc = "sum over all positions of an image or sequence",
            .options = global_options,
            .options_size = sizeof(ntk_layer_options)},
    .shape = global_shape,
    .prepare = prepare_global_sum,
    PASSES,
};

const ntk_layer ntk_layer_global_avg_pool = {
    .row = {.name = "global_avg_pool",
            .also = "global_average_pool adaptive_avg_pool gap",
            .doc = "mean over all positions of an image or sequence",
            .options = global_options,
            .options_size = sizeof(ntk_layer_options)},
    .shape = global_shape,
    .prepare = prepare_global_average,
    PASSES,
};
