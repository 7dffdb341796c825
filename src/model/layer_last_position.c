/* last_position: of a sequence (tokens, width) the last token. */
#include <string.h>

#include "layers.h"
#include "loops.h"

static const ntk_option options[] = {NTK_LAYER_NAME, {0}};

static ntk_status shape(ntk_node_layer *node) {
  char in[NTK_SHAPE_TEXT];

  if (node->in.rank != 2) {
    return ntk_layer_refuse(node,
                            "takes sequences and would give the last of their positions, but its "
                            "input is %s; of an image, '- flatten' or '- global_avg_pool' gives a "
                            "vector",
                            ntk_shape_text(&node->in, in));
  }
  node->out = (ntk_shape){.rank = 1, .size = {node->in.size[1]}};
  node->positions = 1;
  return NTK_OK;
}

/* out[r] = the last `few` of in[r][many]. */
static void take(ntk_dtype dtype, int64_t rows, int64_t many, int64_t few, const void *in,
                 void *out) {
  for (int64_t r = 0; r < rows; ++r) {
    memcpy(ntk_array_at(dtype, out, r * few), ntk_array_const_at(dtype, in, (r + 1) * many - few),
           (size_t)few * ntk_dtype_size(dtype));
  }
}

static ntk_status forward(const ntk_node_layer *node, ntk_tape *tape, int l) {
  const ntk_dtype dtype = tape->network->dtype;
  const int64_t in = ntk_shape_count(&node->in), out = node->out.size[0];

  NTK_TRY(ntk_array_new_unset(dtype, ntk_pad(tape->count) * out, &tape->value[l + 1]));
  take(dtype, ntk_pad(tape->count), in, out, tape->value[l], tape->value[l + 1]);
  return NTK_OK;
}

static ntk_status backward(const ntk_node_layer *node, ntk_stream *stream, int l) {
  const ntk_dtype dtype = stream->tape->network->dtype;
  const int64_t in = ntk_shape_count(&node->in), out = node->out.size[0];
  const int64_t rows = ntk_pad(stream->tape->count) * stream->rows;
  void *next = NULL;

  (void)l;
  NTK_TRY(ntk_stream_expand(stream));
  NTK_TRY(ntk_stream_spare(stream, in, &next));
  if (rows > 0) memset(next, 0, (size_t)(rows * in) * ntk_dtype_size(dtype));
  ntk_loop_scatter(dtype, rows, out, stream->full, in, in - out, next);
  ntk_stream_swap(stream, in);
  return NTK_OK;
}

static void cost(const ntk_node_layer *node, ntk_cost_walk *walk) {
  const int64_t out = node->out.size[0];

  walk->cost.tape_bytes += (double)ntk_dtype_size(walk->network->dtype) * (double)out;
  if (!walk->needed) return;
  ntk_walk_expand(walk, out);
  ntk_walk_swap(walk, ntk_shape_count(&node->in));
}

const ntk_layer ntk_layer_last_position = {
    .row = {.name = "last_position",
            .doc = "the last position of a sequence",
            .options = options,
            .options_size = sizeof(ntk_layer_options)},
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .cost = cost,
};
