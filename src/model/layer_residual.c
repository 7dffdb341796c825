/* residual: skip(x) + scale * branch(x) (MATH B15), as rows of the flat list:
 *
 *   fork, branch..., join              identity skip: fork keeps x, join adds it
 *   fork, branch..., swap, skip..., join    swap keeps the branch's result and goes on with x */
#include "layers.h"
#include "loops.h"
#include "ntk/base/memory.h"

static const ntk_option options[] = {
    NTK_LAYER_NAME,
    {.key = "skip",
     .type = NTK_CHOICES,
     .flags = NTK_REPEAT,
     .offset = offsetof(ntk_residual_options, skip),
     .fallback = "identity",
     .rows = ntk_layers,
     .doc = "identity, or layers that bring x to the shape of the branch (projection)"},
    {.key = "scale",
     .type = NTK_REAL,
     .offset = offsetof(ntk_residual_options, scale),
     .fallback = "1.0",
     .low = -1e10,
     .high = 1e10,
     .doc = "factor of the branch"},
    {.key = "branch",
     .type = NTK_CHOICES,
     .flags = NTK_REPEAT | NTK_REQUIRED,
     .offset = offsetof(ntk_residual_options, branch),
     .rows = ntk_layers,
     .doc = "the layers of the other path"},
    {0},
};

const ntk_layer ntk_layer_residual = {
    .row = {.name = "residual",
            .also = "skip shortcut residual_block",
            .doc = "skip(x) + scale * branch(x); tensors NAME/branch/..., NAME/skip/...",
            .options = options,
            .options_size = sizeof(ntk_residual_options)},
};

bool ntk_residual_projects(const ntk_residual_options *o) {
  for (int64_t k = 0; k < o->skip.count; ++k) {
    if (o->skip.item[k].row != &ntk_layer_identity.row) return true;
  }
  return false;
}

static double scale_of(const ntk_node_layer *node) {
  return ((const ntk_residual_options *)node->options)->scale;
}

static double bytes_of(const ntk_cost_walk *walk, const ntk_shape *shape) {
  return (double)ntk_dtype_size(walk->network->dtype) * (double)ntk_shape_count(shape);
}

static ntk_status same_shape(ntk_node_layer *node) {
  node->out = node->in;
  return NTK_OK;
}

static void wait_for(ntk_tape *tape, int64_t count) {
  tape->waiting += count;
  if (tape->waiting > tape->waiting_most) tape->waiting_most = tape->waiting;
}

/* ---- fork ------------------------------------------------------------------------------------ */

/* The layers of the branch may change x in place. */
static ntk_status fork_forward(const ntk_node_layer *node, ntk_tape *tape, int l) {
  const ntk_dtype dtype = tape->network->dtype;
  const int64_t width = ntk_shape_count(&node->in), count = ntk_pad(tape->count) * width;

  NTK_TRY(ntk_array_new_unset(dtype, count, &tape->aux[l]));
  ntk_array_convert(dtype, tape->value[l], dtype, tape->aux[l], count);
  if (!ntk_residual_projects(node->options)) wait_for(tape, width);
  tape->value[l + 1] = tape->value[l];
  tape->value[l] = NULL;
  return NTK_OK;
}

static ntk_status fork_backward(const ntk_node_layer *node, ntk_stream *stream, int l) {
  (void)node;
  (void)l;
  return ntk_stream_add_saved(stream);
}

static void fork_cost(const ntk_node_layer *node, ntk_cost_walk *walk) {
  if (!ntk_residual_projects(node->options)) {
    walk->waiting -= ntk_shape_count(&node->in);
  } else {
    walk->cost.tape_bytes += bytes_of(walk, &node->in); /* becomes the input of the skip */
  }
  if (walk->needed) ntk_walk_add_saved(walk, ntk_shape_count(&node->in));
}

const ntk_layer ntk_layer_fork = {
    .row = {.name = "fork", .options_size = sizeof(ntk_residual_options)},
    .shape = same_shape,
    .forward = fork_forward,
    .backward = fork_backward,
    .cost = fork_cost,
};

/* ---- swap ------------------------------------------------------------------------------------ */

static ntk_status swap_forward(const ntk_node_layer *node, ntk_tape *tape, int l) {
  tape->aux[l] = tape->value[l];
  tape->value[l] = NULL;
  tape->value[l + 1] = tape->aux[node->partner];
  tape->aux[node->partner] = NULL;
  wait_for(tape, ntk_shape_count(&node->in));
  return NTK_OK;
}

static ntk_status swap_backward(const ntk_node_layer *node, ntk_stream *stream, int l) {
  (void)l;
  ntk_stream_exchange(stream);
  ntk_stream_scale(stream, scale_of(node));
  return NTK_OK;
}

static void swap_cost(const ntk_node_layer *node, ntk_cost_walk *walk) {
  walk->waiting -= ntk_shape_count(&node->in);
  if (walk->needed) ntk_walk_exchange(walk);
}

const ntk_layer ntk_layer_swap = {
    .row = {.name = "swap", .options_size = sizeof(ntk_residual_options)},
    .forward = swap_forward,
    .backward = swap_backward,
    .cost = swap_cost,
};

/* ---- join ------------------------------------------------------------------------------------ */

static ntk_status join_forward(const ntk_node_layer *node, ntk_tape *tape, int l) {
  const bool projects = ntk_residual_projects(node->options);
  const int64_t width = ntk_shape_count(&node->in);
  void **skip = projects ? &tape->value[l] : &tape->aux[node->partner];
  void **branch = projects ? &tape->aux[node->partner] : &tape->value[l];

  ntk_loop_add(tape->network->dtype, ntk_pad(tape->count) * width, scale_of(node), *branch, *skip);
  ntk_free(branch);
  tape->value[l + 1] = *skip;
  *skip = NULL;
  tape->waiting -= width;
  return NTK_OK;
}

static ntk_status join_backward(const ntk_node_layer *node, ntk_stream *stream, int l) {
  (void)l;
  NTK_TRY(ntk_stream_save(stream));
  if (!ntk_residual_projects(node->options)) ntk_stream_scale(stream, scale_of(node));
  return NTK_OK;
}

static void join_cost(const ntk_node_layer *node, ntk_cost_walk *walk) {
  const int64_t width = ntk_shape_count(&node->in);

  walk->waiting += width;
  if (walk->waiting > walk->waiting_most) walk->waiting_most = walk->waiting;
  if (ntk_residual_projects(node->options)) {
    walk->cost.tape_bytes -= bytes_of(walk, &node->in); /* of the branch's result, which goes */
  }
  if (walk->needed) ntk_walk_save(walk, width);
}

const ntk_layer ntk_layer_join = {
    .row = {.name = "join", .options_size = sizeof(ntk_residual_options)},
    .shape = same_shape,
    .forward = join_forward,
    .backward = join_backward,
    .cost = join_cost,
};
