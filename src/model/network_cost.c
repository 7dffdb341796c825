/* What a forward pass, a stream and the assembly of its factors cost, from sizes alone. */
#include <math.h>

#include "ntk/model/layer.h"

static bool sums_rows(const ntk_cost_walk *walk) {
  return walk->cotangents->outputs == NTK_OUT_MEAN || walk->cotangents->outputs == NTK_OUT_TRACE;
}

static void reserve(int64_t *room, int64_t count) {
  if (count > *room) *room = count;
}

/* The next full delta goes to the spare array, which then changes places. */
static void next_full(ntk_cost_walk *walk, int64_t width) {
  const int64_t full = walk->full_room;

  reserve(&walk->spare_room, walk->rows * width);
  walk->full_room = walk->spare_room;
  walk->spare_room = full;
  walk->form = NTK_DELTA_FULL;
}

void ntk_walk_expand(ntk_cost_walk *walk, int64_t width) {
  if (walk->form != NTK_DELTA_FULL) next_full(walk, width);
}

void ntk_walk_mask(ntk_cost_walk *walk, int64_t width) {
  if (walk->form == NTK_DELTA_SEPARABLE) reserve(&walk->product_room, width);
  if (walk->form == NTK_DELTA_SHARED) walk->form = NTK_DELTA_SEPARABLE;
}

void ntk_walk_multiply(ntk_cost_walk *walk, int64_t in, int64_t out) {
  if (walk->form == NTK_DELTA_SHARED) return; /* once for all samples */
  ntk_walk_expand(walk, out);
  next_full(walk, in);
  walk->cost.backward_flops += 2.0 * (double)walk->rows * (double)in * (double)out;
}

void ntk_walk_fold(ntk_cost_walk *walk, int64_t in, int64_t out) {
  const bool shared = walk->form == NTK_DELTA_SHARED, sums = sums_rows(walk);
  const bool folds = walk->form == NTK_DELTA_SEPARABLE && sums && walk->rows > 1;
  const double size = (double)ntk_dtype_size(walk->network->dtype);
  const double cotangents = sums ? 1 : (double)walk->rows;
  const double columns = (double)(folds || !sums ? out : walk->rows * out);

  if (folds) reserve(&walk->folded_room, out);
  if (!folds && !shared) ntk_walk_expand(walk, out);
  walk->cost.pair_flops += 2 * ((double)in / (cotangents * cotangents) + (shared ? 0 : columns));
  walk->cost.panel_bytes =
      fmax(walk->cost.panel_bytes, size * ((double)in + (shared ? 0 : cotangents * columns)));
}

ntk_network_cost ntk_network_cost_of(const ntk_network *network,
                                     const ntk_cotangents *cotangents) {
  const double size = (double)ntk_dtype_size(network->dtype);
  const int lowest = ntk_network_lowest(network);
  ntk_cost_walk walk = {.network = network,
                        .cotangents = cotangents,
                        .rows = ntk_cotangent_vectors(cotangents, network->outputs),
                        .form = NTK_DELTA_SHARED};

  walk.cost.tape_bytes = size * (double)ntk_shape_count(&network->input);
  for (int l = network->layer_count - 1; l >= 0; --l) {
    const ntk_node_layer *node = &network->layer[l];

    walk.counted = ntk_layer_trainable(network, node);
    walk.needed = l > lowest;
    if (node->layer->cost) node->layer->cost(node, &walk);
  }
  for (int t = 0; t < network->tensor_count; ++t) {
    walk.cost.weight_bytes += size * (double)network->tensor[t].count;
  }
  walk.cost.delta_bytes = size * (double)(walk.full_room + walk.spare_room + walk.product_room +
                                          walk.folded_room);
  return walk.cost;
}
