/* What a forward pass, a stream and the assembly of its factors cost, from sizes alone. */
#include <math.h>
#include <string.h>

#include "streams.h"

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

void ntk_walk_swap(ntk_cost_walk *walk, int64_t width) { next_full(walk, width); }

void ntk_walk_expand(ntk_cost_walk *walk, int64_t width) {
  if (walk->form != NTK_DELTA_FULL) next_full(walk, width);
}

void ntk_walk_mask(ntk_cost_walk *walk, int64_t width) {
  walk->multiplied = walk->form == NTK_DELTA_SEPARABLE;
  if (walk->form == NTK_DELTA_SEPARABLE) reserve(&walk->product_room, width);
  if (walk->form == NTK_DELTA_SHARED) walk->form = NTK_DELTA_SEPARABLE;
}

void ntk_walk_multiply(ntk_cost_walk *walk, int64_t positions, int64_t in, int64_t out) {
  if (walk->form == NTK_DELTA_SHARED) return; /* once for all samples */
  ntk_walk_expand(walk, positions * out);
  next_full(walk, positions * in);
  walk->cost.backward_flops +=
      2.0 * (double)walk->rows * (double)positions * (double)in * (double)out;
}

void ntk_walk_spread(ntk_cost_walk *walk, int64_t width) {
  walk->rows *= width + 1;
  walk->terms = width + 1;
}

void ntk_walk_scratch(ntk_cost_walk *walk, int64_t count_per_sample) {
  reserve(&walk->scratch_room, count_per_sample);
}

/* ---- factors --------------------------------------------------------------------------------- */

/* Sizes of a factor, of one sample. */
typedef struct part {
  bool shared;
  double positions, in, cotangents, columns;
  double stored; /* elements of a, of all positions */
} part;

/* <a, a'> serves all pairs of cotangents; by positions, or by the Jacobian (MATH B12). */
static double flops_of(const ntk_cost_walk *walk, const part *f) {
  const double pairs = f->in / (f->cotangents * f->cotangents) + (f->shared ? 0 : f->columns);
  const double jacobian = fmax(f->in, 1) * f->columns, s = f->positions;

  if (walk->coupled) return 2 * jacobian;
  return 2 * (s > 1 ? fmin(s * s * pairs, jacobian) : pairs);
}

static const char *leaf_of(const ntk_tensor *tensor) {
  const char *slash = strrchr(tensor->name, '/');

  return slash ? slash + 1 : tensor->name;
}

/* The bias of W is b, of Wq bq. */
static const ntk_tensor *bias_of(const ntk_cost_walk *walk, const ntk_tensor *weight) {
  const ntk_network *network = walk->network;
  const ntk_node_layer *node = &network->layer[network->layer[walk->layer].source];
  const char *leaf = leaf_of(weight);

  for (int t = node->first_tensor; leaf[0] == 'W' && t < node->first_tensor + node->tensors; ++t) {
    const char *other = leaf_of(&network->tensor[t]);

    if (other[0] == 'b' && strcmp(other + 1, leaf + 1) == 0) return &network->tensor[t];
  }
  return NULL;
}

/* Embeddings have one column of a, but a row of W for every token. */
static ntk_factor_kind kind_of(const ntk_tensor *tensor, const part *f) {
  if (f->in == 0) return NTK_FACTOR_VECTOR;
  return f->in == 1 && tensor->rank == 2 && tensor->size[0] > 1 ? NTK_FACTOR_ROWS
                                                                : NTK_FACTOR_LINEAR;
}

static void show_factor(const ntk_cost_walk *walk, const ntk_tensor *tensor, const part *f) {
  const ntk_factor_kind kind = kind_of(tensor, f);
  const ntk_tensor *bias = kind == NTK_FACTOR_VECTOR   ? tensor
                           : kind == NTK_FACTOR_LINEAR ? bias_of(walk, tensor)
                                                       : NULL;

  const ntk_coupling coupling = {.samples = walk->training, .sums = 1, .out = (int64_t)f->columns};
  const ntk_factor factor = {.kind = kind,
                             .weight = kind == NTK_FACTOR_VECTOR ? NULL : tensor,
                             .bias = bias,
                             .w_weight = kind != NTK_FACTOR_VECTOR && tensor->trainable ? 1 : 0,
                             .b_weight = bias && bias->trainable ? 1 : 0,
                             .positions = (int64_t)f->positions,
                             .in = (int64_t)f->in,
                             .patches = walk->patches,
                             .cotangents = (int64_t)f->cotangents,
                             .out = (int64_t)f->columns,
                             .shared = f->shared,
                             .coupling = walk->coupled && f->in > 0 ? &coupling : NULL};

  walk->visit(&factor, walk->context);
}

static void count_part(ntk_cost_walk *walk, const ntk_tensor *tensor, const part *f) {
  const double size = (double)ntk_dtype_size(walk->network->dtype);
  const double delta = f->shared ? 0 : f->cotangents * f->columns;

  if (walk->visit) show_factor(walk, tensor, f);
  walk->cost.pair_flops += flops_of(walk, f);
  walk->cost.panel_bytes = fmax(walk->cost.panel_bytes, size * (f->stored + f->positions * delta));
}

/* The lowest use of a tensor gives the factor of all; what they wait in was counted with each. */
static void count_uses(ntk_cost_walk *walk, const ntk_tensor *tensor, int64_t positions, part *f) {
  const ntk_node_layer *node = &walk->network->layer[walk->layer];
  const int number = (int)(tensor - walk->network->tensor);
  const bool vector = f->in == 0;
  const bool first = node->source == walk->layer && number >= node->first_tensor &&
                     number < node->first_tensor + node->tensors;

  if (!tensor->trainable) return;
  if (!vector || first) {
    walk->uses_room += (int64_t)f->stored + positions * (int64_t)(f->cotangents * f->columns);
  }
  if (!first) return;
  f->positions = vector ? 1 : (double)tensor->positions;
  f->stored *= f->positions / (double)positions;
  count_part(walk, tensor, f);
}

static void add_part(ntk_cost_walk *walk, int tensor, int64_t positions, part *f) {
  const ntk_tensor *t = &walk->network->tensor[tensor];
  const ntk_patches *patches = walk->patches;

  f->stored = patches ? (double)(patches->cells * patches->channels) : f->positions * f->in;
  if (t->uses == 1) {
    count_part(walk, t, f);
  } else {
    f->shared = false;
    count_uses(walk, t, positions, f);
  }
}

void ntk_walk_fold_array(ntk_cost_walk *walk, int tensor, int64_t positions, int64_t in,
                         int64_t out) {
  const int64_t summed = ntk_summed_rows(walk->cotangents, walk->rows, walk->terms);
  const int64_t cotangents = walk->rows / summed;
  part f = {false, (double)positions, (double)in, (double)cotangents, (double)(summed * out), 0};

  if ((summed > 1 && positions > 1) || (walk->coupled && in == 0)) {
    reserve(&walk->folded_room, walk->rows * positions * out);
  }
  add_part(walk, tensor, positions, &f);
}

void ntk_walk_fold(ntk_cost_walk *walk, int tensor, int64_t positions, int64_t in, int64_t out) {
  const int64_t summed = ntk_summed_rows(walk->cotangents, walk->rows, walk->terms);
  const bool shared = walk->form == NTK_DELTA_SHARED;
  const bool folds = walk->form == NTK_DELTA_SEPARABLE && summed == walk->rows && walk->rows > 1 &&
                     walk->network->tensor[tensor].uses == 1;

  if (positions > 1 || !(shared || folds)) {
    ntk_walk_expand(walk, positions * out);
    ntk_walk_fold_array(walk, tensor, positions, in, out);
    return;
  }
  const int64_t cotangents = walk->rows / summed;
  part f = {shared, 1, (double)in, (double)cotangents, (double)(folds ? out : summed * out), 0};

  if (folds) reserve(&walk->folded_room, out);
  add_part(walk, tensor, 1, &f);
}

void ntk_walk_fold_patches(ntk_cost_walk *walk, int tensor, const ntk_patches *patches,
                           int64_t out) {
  walk->patches = patches;
  ntk_walk_fold(walk, tensor, patches->positions, patches->window * patches->channels, out);
  walk->patches = NULL;
}

/* ---- two paths ------------------------------------------------------------------------------- */

static void note_saved(ntk_cost_walk *walk) {
  walk->saved_room = 0;
  for (int d = 0; d < walk->depth; ++d) {
    walk->saved_room += walk->saved[d].full_room + walk->saved[d].product_room;
  }
  reserve(&walk->saved_most, walk->saved_room);
}

void ntk_walk_save(ntk_cost_walk *walk, int64_t width) {
  const bool full = walk->form == NTK_DELTA_FULL;
  const bool product = walk->form == NTK_DELTA_SEPARABLE && walk->multiplied;

  NTK_ASSERT(walk->depth < NTK_MOST_NESTED);
  walk->saved[walk->depth++] = (ntk_walk_saved){.form = walk->form,
                                                .multiplied = walk->multiplied,
                                                .full_room = full ? walk->rows * width : 0,
                                                .product_room = product ? width : 0};
  note_saved(walk);
}

void ntk_walk_exchange(ntk_cost_walk *walk) {
  ntk_walk_saved *saved = &walk->saved[walk->depth - 1];
  const ntk_walk_saved other = *saved;

  *saved = (ntk_walk_saved){walk->form, walk->multiplied, walk->full_room, walk->product_room};
  walk->form = other.form;
  walk->multiplied = other.multiplied;
  walk->full_room = other.full_room;
  walk->product_room = other.product_room;
  note_saved(walk);
}

void ntk_walk_add_saved(ntk_cost_walk *walk, int64_t width) {
  const ntk_walk_saved *saved = &walk->saved[--walk->depth];

  if (walk->form != NTK_DELTA_SHARED || saved->form != NTK_DELTA_SHARED) {
    ntk_walk_expand(walk, width);
  }
  note_saved(walk);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static ntk_cost_walk begin(const ntk_network *network, const ntk_cotangents *cotangents) {
  return (ntk_cost_walk){.network = network,
                         .cotangents = cotangents,
                         .rows = ntk_cotangent_vectors(cotangents, network->outputs),
                         .terms = 1,
                         .form = NTK_DELTA_SHARED};
}

/* Through the layers [last, first], from above. */
static void go(ntk_cost_walk *walk, int first, int last) {
  const ntk_network *network = walk->network;
  const int lowest = ntk_network_lowest(network);

  for (int l = first; l >= last; --l) {
    const ntk_node_layer *node = &network->layer[l];

    walk->layer = l;
    walk->counted = ntk_layer_trainable(network, node);
    walk->needed = l > lowest;
    if (node->layer->cost) node->layer->cost(node, walk);
  }
}

/* Bytes of a sample in a stream. */
static double delta_bytes(const ntk_cost_walk *walk) {
  return (double)ntk_dtype_size(walk->network->dtype) *
         (double)(walk->full_room + walk->spare_room + walk->product_room + walk->folded_room +
                  walk->scratch_room + walk->saved_most + walk->uses_room);
}

/* Whether the statistics move with parameters. */
static bool is_coupled(const ntk_network *network) {
  return network->coupled - 1 > ntk_network_lowest(network);
}

/* At the output of the highest of the coupled layers. */
static void enter_coupled(ntk_cost_walk *walk) {
  const ntk_network *network = walk->network;

  ntk_walk_expand(walk, ntk_shape_count(&network->layer[network->coupled - 1].out));
  walk->coupled = true;
}

static void go_through(ntk_cost_walk *walk) {
  const ntk_network *network = walk->network;
  const int coupled = is_coupled(network) ? network->coupled : 0;
  const double size = (double)ntk_dtype_size(network->dtype);

  walk->cost.tape_bytes = size * (double)ntk_shape_count(&network->input);
  go(walk, network->layer_count - 1, coupled);
  if (coupled > 0) enter_coupled(walk);
  go(walk, coupled - 1, 0);
  for (int t = 0; t < network->tensor_count; ++t) {
    walk->cost.weight_bytes += size * (double)network->tensor[t].count;
  }
  walk->cost.tape_bytes += size * (double)walk->waiting_most;
  walk->cost.delta_bytes = delta_bytes(walk);
}

ntk_network_cost ntk_network_part_cost(const ntk_network *network, const ntk_cotangents *cotangents,
                                       bool diagonal) {
  ntk_cost_walk walk = begin(network, cotangents);

  walk.diagonal = diagonal;
  go_through(&walk);
  return walk.cost;
}

ntk_network_cost ntk_network_cost_of(const ntk_network *network, const ntk_cotangents *cotangents) {
  return ntk_network_part_cost(network, cotangents, false);
}

void ntk_network_factors(const ntk_network *network, const ntk_cotangents *cotangents,
                         int64_t training, ntk_factor_visit *visit, void *context) {
  ntk_cost_walk walk = begin(network, cotangents);

  walk.training = training;
  walk.visit = visit;
  walk.context = context;
  go_through(&walk);
}

/* ---- the batch ------------------------------------------------------------------------------- */

/* As a stream of the training samples' tape, with the rows of all samples. */
static ntk_cost_walk walk_batch(const ntk_network *network, const ntk_cotangents *cotangents,
                                int64_t samples) {
  static const ntk_cotangents full = {.outputs = NTK_OUT_FULL};
  const int64_t width = ntk_shape_count(&network->layer[network->coupled - 1].out);
  ntk_cost_walk above = begin(network, cotangents), walk = begin(network, &full);

  go(&above, network->layer_count - 1, network->coupled);
  walk.rows = samples * above.rows;
  walk.form = NTK_DELTA_FULL;
  walk.full_room = walk.rows * width;
  go(&walk, network->coupled - 1, 0);
  return walk;
}

ntk_batch_cost ntk_batch_cost_of(const ntk_network *network, const ntk_cotangents *cotangents,
                                 int64_t training, int64_t samples) {
  ntk_batch_cost cost = {0};

  if (network->coupled == 0) return cost;
  const ntk_network_cost one = ntk_network_cost_of(network, cotangents);

  cost.tape_bytes = (double)ntk_pad(training) * one.tape_bytes;
  cost.forward_flops = (double)training * one.forward_flops;
  if (!is_coupled(network)) return cost;
  const ntk_cost_walk walk = walk_batch(network, cotangents, samples);

  cost.delta_bytes = (double)ntk_pad(training) * delta_bytes(&walk);
  cost.backward_flops = (double)training * walk.cost.backward_flops;
  return cost;
}
