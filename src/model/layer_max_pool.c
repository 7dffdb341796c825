/* max_pool: the largest entry of each window; of equal ones the first in row-major order, and never
 * padding (MATH B14). */
#include <string.h>

#include "layers.h"
#include "ntk/base/memory.h"
#include "window.h"

typedef struct max_pool_options {
  ntk_layer_options layer;
  ntk_window window;
} max_pool_options;

#define WINDOW offsetof(max_pool_options, window)

static const ntk_option options[] = {
    NTK_WINDOW_SIZE("window", WINDOW, "cells that a window sees"),
    NTK_WINDOW_STRIDE(WINDOW, NULL, "from one window to the next; default: as the window"),
    NTK_WINDOW_PADDING(WINDOW, "valid"),
    NTK_LAYER_NAME,
    {0},
};

static ntk_status shape(ntk_node_layer *node) {
  const max_pool_options *o = node->options;

  return ntk_window_shape(node, &o->window, node->in.rank == 3 ? node->in.size[2] : 0, true);
}

static ntk_status prepare(ntk_network *network, ntk_node_layer *node) {
  const max_pool_options *o = node->options;
  ntk_patches *patches = NULL;

  NTK_TRY(ntk_arena_new(&network->arena, sizeof(*patches), &patches));
  node->state = patches;
  return ntk_window_patches(&network->arena, node, &o->window, patches);
}

/* Per window and channel of one sample: its largest entry, and which entry of the input that is.
 * NaN is larger than all. */
/* NOLINTBEGIN(bugprone-macro-parentheses): a type in parentheses is no type */
#define DEFINE_LOOPS(type)                                                                \
  static void find_##type(const ntk_patches *p, const type *x, type *y, int32_t *entry) { \
    const int64_t c = p->channels;                                                        \
                                                                                          \
    for (int64_t s = 0; s < p->positions; ++s) {                                          \
      const int32_t *index = p->index + s * p->window;                                    \
                                                                                          \
      while (*index < 0) ++index; /* every window sees a cell */                          \
      for (int64_t j = 0; j < c; ++j) entry[s * c + j] = (int32_t)(*index * c + j);       \
      for (; index < p->index + (s + 1) * p->window; ++index) {                           \
        for (int64_t j = 0; j < c && *index >= 0; ++j) {                                  \
          const type candidate = x[*index * c + j];                                       \
                                                                                          \
          if (candidate > x[entry[s * c + j]] || candidate != candidate) {                \
            entry[s * c + j] = (int32_t)(*index * c + j);                                 \
          }                                                                               \
        }                                                                                 \
      }                                                                                   \
      for (int64_t j = 0; j < c; ++j) y[s * c + j] = x[entry[s * c + j]];                 \
    }                                                                                     \
  }                                                                                       \
  static void scatter_##type(int64_t n, const int32_t *entry, const type *dy, type *dx) { \
    for (int64_t k = 0; k < n; ++k) dx[entry[k]] += dy[k];                                \
  }

DEFINE_LOOPS(double)
DEFINE_LOOPS(float)
/* NOLINTEND(bugprone-macro-parentheses) */

static void find(const ntk_patches *p, ntk_dtype dtype, const void *x, void *y, int32_t *entry) {
  if (dtype == NTK_DOUBLE) {
    find_double(p, x, y, entry);
  } else {
    find_float(p, x, y, entry);
  }
}

static ntk_status forward(const ntk_node_layer *node, ntk_tape *tape, int l) {
  const ntk_dtype dtype = tape->network->dtype;
  const int64_t in = ntk_shape_count(&node->in), out = ntk_shape_count(&node->out);
  int32_t *entry = NULL;

  NTK_TRY(ntk_array_new(dtype, ntk_pad(tape->count) * out, &tape->value[l + 1]));
  NTK_TRY(ntk_new_unset((size_t)(tape->count * out), sizeof(*entry), &entry));
  tape->aux[l] = entry;
  for (int64_t i = 0; i < tape->count; ++i) {
    find(node->state, dtype, ntk_array_const_at(dtype, tape->value[l], i * in),
         ntk_array_at(dtype, tape->value[l + 1], i * out), entry + i * out);
  }
  return NTK_OK;
}

static ntk_status backward(const ntk_node_layer *node, ntk_stream *stream, int l) {
  const ntk_dtype dtype = stream->tape->network->dtype;
  const int64_t in = ntk_shape_count(&node->in), out = ntk_shape_count(&node->out);
  const int64_t all = ntk_pad(stream->tape->count) * stream->rows;
  const int32_t *entry = stream->tape->aux[l];
  void *next = NULL;

  NTK_TRY(ntk_stream_expand(stream));
  NTK_TRY(ntk_stream_spare(stream, in, &next));
  if (all > 0) memset(next, 0, (size_t)(all * in) * ntk_dtype_size(dtype));
  for (int64_t r = 0; r < stream->tape->count * stream->rows; ++r) {
    const int32_t *of_sample = entry + r / stream->rows * out;
    const void *from = ntk_array_const_at(dtype, stream->full, r * out);

    if (dtype == NTK_DOUBLE) {
      scatter_double(out, of_sample, from, ntk_array_at(dtype, next, r * in));
    } else {
      scatter_float(out, of_sample, from, ntk_array_at(dtype, next, r * in));
    }
  }
  ntk_stream_swap(stream, in);
  return NTK_OK;
}

static void cost(const ntk_node_layer *node, ntk_cost_walk *walk) {
  const int64_t out = ntk_shape_count(&node->out);
  const size_t size = ntk_dtype_size(walk->network->dtype) + sizeof(int32_t);

  walk->cost.tape_bytes += (double)size * (double)out;
  if (!walk->needed) return;
  ntk_walk_expand(walk, out);
  ntk_walk_swap(walk, ntk_shape_count(&node->in));
}

const ntk_layer ntk_layer_max_pool = {
    .row = {.name = "max_pool",
            .also = "max_pool2d",
            .doc = "maxima over windows of an image; of equal entries the first counts",
            .options = options,
            .options_size = sizeof(max_pool_options)},
    .shape = shape,
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
    .cost = cost,
};
