/* dropout: x times a mask of zeros and ones (over keep) that stays the same, so the kernel is a
 * function of it (MATH B21).  A mask is a function of seed, layer, sample and unit, or it comes
 * from the weights file. */
#include <inttypes.h>
#include <math.h>

#include "layers.h"
#include "ntk/base/memory.h"
#include "ntk/base/random.h"
#include "ntk/model/rows.h"

static const ntk_row per_sample = {.name = "per_sample", .doc = "each sample has its own"};
static const ntk_row shared = {.name = "shared", .doc = "one for all samples"};
static const ntk_row mean = {.name = "mean",
                             .doc = "keep instead of every entry: the network of the mean"};
static const ntk_row expected_shared = {
    .name = "expected_shared", .doc = "the expected kernel over masks that all samples share"};
static const ntk_row expected_independent = {
    .name = "expected_independent",
    .doc = "the expected kernel over masks of their own; a sample has one mask on the diagonal"};
static const ntk_row *const kinds[] = {&per_sample,           &shared, &mean, &expected_shared,
                                       &expected_independent, NULL};

static const ntk_option options[] = {
    {.key = "keep",
     .type = NTK_REAL,
     .offset = offsetof(ntk_dropout_options, keep),
     .low = 1e-6,
     .high = 1,
     .flags = NTK_REQUIRED,
     .doc = "probability that a unit stays"},
    NTK_LAYER_NAME,
    {.key = "inverted",
     .type = NTK_BOOL,
     .offset = offsetof(ntk_dropout_options, inverted),
     .fallback = "true",
     .doc = "what stays is divided by keep, so the mean is x"},
    {.key = "masks",
     .type = NTK_WORD,
     .offset = offsetof(ntk_dropout_options, masks),
     .fallback = "per_sample",
     .rows = kinds,
     .doc = "which masks; those of a weights file (mask, test_mask) come before it; the expected "
            "kernels need the readout right behind"},
    {.key = "seed",
     .type = NTK_INT,
     .offset = offsetof(ntk_dropout_options, seed),
     .fallback = "0",
     .low = 0,
     .high = 9223372036854775807.0,
     .doc = "of the masks"},
    {0},
};

static ntk_status shape(ntk_node_layer *node) {
  node->out = node->in;
  return NTK_OK;
}

/* ---- expected kernels (MATH H.6) ------------------------------------------------------------- */

bool ntk_dropout_expected(const ntk_node_layer *node) {
  const ntk_dropout_options *o = node->options;

  return node->layer == &ntk_layer_dropout &&
         (o->masks == &expected_shared || o->masks == &expected_independent);
}

/* The Jacobian is linear in the mask only if nothing but a linear map with W of its own follows. */
static ntk_status check_place(const ntk_network *network, const ntk_node_layer *node) {
  const ntk_node_layer *last = &network->layer[network->layer_count - 1];

  if (node + 1 == last && node->in.rank == 1 && last->layer == &ntk_layer_dense &&
      last->borrowed < 0 && network->tensor[last->first_tensor].uses == 1) {
    return NTK_OK;
  }
  return ntk_layer_refuse(node,
                          "masks: %s is for dropout right before the readout, a dense layer on "
                          "vectors with weights of its own; elsewhere take the mean over seeds",
                          ((const ntk_dropout_options *)node->options)->masks->name);
}

ntk_status ntk_dropout_check(ntk_network *network) {
  for (int l = 0; l < network->layer_count; ++l) {
    const ntk_node_layer *node = &network->layer[l];

    if (!ntk_dropout_expected(node)) continue;
    NTK_TRY(check_place(network, node));
    network->two_kernels =
        ((const ntk_dropout_options *)node->options)->masks == &expected_independent;
  }
  return NTK_OK;
}

/* Whether the two samples of an entry have one mask. */
static bool is_one_mask(const ntk_node_layer *node, bool same_mask) {
  const ntk_dropout_options *o = node->options;

  return ntk_dropout_expected(node) && (o->masks == &expected_shared || same_mask);
}

static double mean_of(const ntk_dropout_options *o) { return o->inverted ? 1 : o->keep; }

static double variance_of(const ntk_dropout_options *o) {
  return o->inverted ? (1 - o->keep) / o->keep : o->keep * (1 - o->keep);
}

double ntk_dropout_excess(const ntk_node_layer *node, bool same_mask) {
  if (!is_one_mask(node, same_mask)) return 1;
  const double m = mean_of(node->options);

  return 1 + variance_of(node->options) / (m * m);
}

/* ---- masks of a layer ------------------------------------------------------------------------ */

/* Its number among the layers of dropout: others may come and go. */
static uint32_t number_of(const ntk_network *network, const ntk_node_layer *node) {
  uint32_t number = 0;

  for (const ntk_node_layer *other = network->layer; other < node; ++other) {
    number += other->layer == node->layer;
  }
  return number;
}

static int64_t index_of(const ntk_tape *tape, int64_t k) {
  return tape->index ? tape->index[k] : k;
}

static void fill(ntk_dtype dtype, int64_t width, double value, void *mask) {
  for (int64_t u = 0; u < width; ++u) {
    ntk_array_convert(NTK_DOUBLE, &value, dtype, ntk_array_at(dtype, mask, u), 1);
  }
}

/* Replaces the uniforms by what their units are multiplied with. */
static void draw(const ntk_dropout_options *o, ntk_rng_key key, int64_t width, double *values) {
  const ntk_draw uniform = {NTK_RNG_PARTITIONABLE, key, width};
  const double stays = o->inverted ? 1 / o->keep : 1;

  ntk_rng_uniform(&uniform, NTK_DOUBLE, 0, 1, 0, width, values);
  for (int64_t u = 0; u < width; ++u) values[u] = values[u] < o->keep ? stays : 0;
}

static void draw_masks(const ntk_node_layer *node, const ntk_tape *tape, int64_t width,
                       double *values, void *mask) {
  const ntk_dropout_options *o = node->options;
  const ntk_dtype dtype = tape->network->dtype;
  const ntk_rng_key own =
      ntk_rng_fold_in(ntk_rng_seed(o->seed, true), number_of(tape->network, node));
  const ntk_rng_key set = ntk_rng_fold_in(own, tape->test ? 1 : 0);

  if (o->masks == &shared) draw(o, own, width, values);
  for (int64_t k = 0; k < tape->count; ++k) {
    if (o->masks == &per_sample) {
      draw(o, ntk_rng_fold_in(set, (uint32_t)index_of(tape, k)), width, values);
    }
    ntk_array_convert(NTK_DOUBLE, values, dtype, ntk_array_at(dtype, mask, k * width), width);
  }
}

static ntk_status copy_masks(const ntk_node_layer *node, const ntk_tape *tape, int64_t width,
                             void *mask) {
  const ntk_dtype dtype = tape->network->dtype;
  const ntk_masks *from = &node->masks[tape->test];
  const char *name = tape->test ? "test_mask" : "mask";

  for (int64_t k = 0; k < tape->count; ++k) {
    const int64_t i = index_of(tape, k);

    NTK_CHECK(i < from->count, NTK_E_INPUT,
              "weights: 'layers/%s/%s' has masks for %" PRId64
              " samples, but there is a sample "
              "number %" PRId64 "; samples count from 0",
              node->name, name, from->count, i);
    ntk_array_convert(dtype, ntk_array_const_at(dtype, from->data, i * width), dtype,
                      ntk_array_at(dtype, mask, k * width), width);
  }
  return NTK_OK;
}

static bool has_file(const ntk_node_layer *node) {
  return node->masks[0].data || node->masks[1].data;
}

bool ntk_dropout_by_sample(const ntk_network *network) {
  bool found = false;

  for (int l = 0; l < network->layer_count; ++l) {
    const ntk_node_layer *node = &network->layer[l];
    const ntk_dropout_options *o = node->options;

    if (node->layer == &ntk_layer_dropout) found |= has_file(node) || o->masks == &per_sample;
  }
  return found;
}

static ntk_status make_masks(const ntk_node_layer *node, const ntk_tape *tape, int64_t width,
                             void *mask) {
  const ntk_dropout_options *o = node->options;
  const ntk_dtype dtype = tape->network->dtype;
  const int64_t samples = ntk_pad(tape->count);
  double *values = NULL;

  fill(dtype, (samples - tape->count) * width, 1, ntk_array_at(dtype, mask, tape->count * width));
  if (has_file(node)) return copy_masks(node, tape, width, mask);
  if (o->masks == &mean || ntk_dropout_expected(node)) {
    fill(dtype, tape->count * width, mean_of(o), mask);
    return NTK_OK;
  }
  NTK_TRY(NTK_NEW(width, &values));
  draw_masks(node, tape, width, values, mask);
  ntk_free(&values);
  return NTK_OK;
}

/* ---- the layer ------------------------------------------------------------------------------- */

static ntk_status forward(const ntk_node_layer *node, ntk_tape *tape, int l) {
  const ntk_dtype dtype = tape->network->dtype;
  const int64_t width = ntk_shape_count(&node->in), samples = ntk_pad(tape->count);

  NTK_TRY(ntk_array_new_unset(dtype, samples * width, &tape->aux[l]));
  NTK_TRY(make_masks(node, tape, width, tape->aux[l]));
  ntk_rows_scale(dtype, samples, 1, width, tape->aux[l], tape->value[l]);
  tape->value[l + 1] = tape->value[l];
  tape->value[l] = NULL;
  return NTK_OK;
}

static ntk_status backward(const ntk_node_layer *node, ntk_stream *stream, int l) {
  const ntk_dropout_options *o = node->options;

  if (!is_one_mask(node, stream->same_mask)) {
    return ntk_stream_mask(stream, stream->tape->aux[l]);
  }
  return ntk_stream_spread(stream, mean_of(o), variance_of(o));
}

static void cost(const ntk_node_layer *node, ntk_cost_walk *walk) {
  const int64_t width = ntk_shape_count(&node->in);

  walk->cost.tape_bytes += (double)ntk_dtype_size(walk->network->dtype) * (double)width;
  if (!walk->needed) return;
  if (is_one_mask(node, walk->diagonal)) {
    ntk_walk_spread(walk, width);
  } else {
    ntk_walk_mask(walk, width);
  }
}

/* Masks of a weights file are for any keep and seed. */
static void forget(void *given) {
  ntk_dropout_options *o = given;

  *o = (ntk_dropout_options){.layer = o->layer, .keep = 1, .masks = &per_sample};
}

const ntk_layer ntk_layer_dropout = {
    .row = {.name = "dropout",
            .doc = "x times a fixed mask; mask [sample][...], test_mask in weights files",
            .options = options,
            .options_size = sizeof(ntk_dropout_options),
            .shorthand = "keep"},
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .forget = forget,
};
