/* The tied readout.  In h = s a W^T the entry v of the output belongs to row v of W, so this use of
 * W is one of rows, like the embedding's: at the position (s, v) row v has the gradient
 * delta_s,v a_s. */
#include <math.h>

#include "dense.h"
#include "ntk/model/rows.h"

static const ntk_tensor *table_of(const ntk_network *network, const ntk_node_layer *node) {
  NTK_ASSERT(network->tensor && node->borrowed >= 0);
  return &network->tensor[node->borrowed];
}

static const ntk_tensor *bias_of(const ntk_network *network, const ntk_node_layer *node) {
  return node->tensors > 0 ? &network->tensor[node->first_tensor] : NULL;
}

/* ---- tensors --------------------------------------------------------------------------------- */

static ntk_status check_source(const ntk_network *network, const ntk_node_layer *node,
                               const ntk_node_layer *source) {
  const ntk_dense_options *o = node->options;

  if (source->layer != &ntk_layer_token_embedding) {
    return ntk_layer_refuse(node, "'transposed' is for the W of a token_embedding; '%s' is %s",
                            source->name, source->layer->row.name);
  }
  const int64_t *size = network->tensor[source->first_tensor].size;

  if (size[0] != node->fan_out || size[1] != node->fan_in) {
    return ntk_layer_refuse(node,
                            "maps %lld to %lld, but W^T of '%s' maps %lld to %lld; make features "
                            "and vocabulary the same at both, or drop 'share' and 'transposed'",
                            (long long)node->fan_in, (long long)node->fan_out, source->name,
                            (long long)size[1], (long long)size[0]);
  }
  if (o->affine.weight_init.row) {
    return ntk_layer_refuse(node, "its W is that of '%s'; drop weight_init here", source->name);
  }
  return NTK_OK;
}

ntk_status ntk_tied_tensors(const ntk_network_settings *settings, ntk_network *network,
                            ntk_node_layer *node) {
  const ntk_dense_options *o = node->options;
  const ntk_site site = {node->role, node->fan_in, node->fan_out};
  const ntk_node_layer *source = NULL;
  ntk_tensor w = {0}, b = {.rank = 1, .size = {node->fan_out}};

  if (!o->share) return ntk_layer_refuse(node, "'transposed' needs 'share: NAME'");
  NTK_TRY(ntk_network_find(network, node, o->share, &source));
  NTK_TRY(check_source(network, node, source));
  NTK_TRY(ntk_affine_scale(settings, node, &site, node->fan_out, &w, &b, &network->rate_scale));
  ntk_tensor *table = &network->tensor[source->first_tensor];

  /* W keeps the variance of the embedding, so the readout's is in its multiplier. */
  if (table->uses == 1)
    table->transposed = w.multiplier * sqrt(w.law.variance / table->law.variance);
  node->borrowed = source->first_tensor;
  node->factors = o->affine.biased ? 2 : 1;
  return o->affine.biased ? ntk_network_add_tensor(network, node, "b", &b) : NTK_OK;
}

/* ---- forward and backward -------------------------------------------------------------------- */

ntk_status ntk_tied_forward(const ntk_node_layer *node, ntk_tape *tape, int l) {
  const ntk_network *network = tape->network;
  const ntk_tensor *table = table_of(network, node), *bias = bias_of(network, node);
  const int64_t rows = ntk_pad(tape->count) * ntk_shape_positions(&node->in);

  NTK_TRY(ntk_array_new_unset(network->dtype, rows * node->fan_out, &tape->value[l + 1]));
  if (bias) {
    ntk_rows_fill(network->dtype, rows, node->fan_out, bias->multiplier, bias->data,
                  tape->value[l + 1]);
  }
  return ntk_rows_gemm(network->dtype, true, rows, node->fan_out, node->fan_in, table->transposed,
                       tape->value[l], table->data, bias ? 1 : 0, tape->value[l + 1]);
}

ntk_status ntk_tied_backward(const ntk_node_layer *node, ntk_stream *stream) {
  const ntk_network *network = stream->tape->network;
  const ntk_tensor *table = table_of(network, node);
  const int64_t width = ntk_shape_count(&node->in);
  const int64_t rows = ntk_pad(stream->tape->count) * stream->rows * ntk_shape_positions(&node->in);
  void *next = NULL;

  NTK_TRY(ntk_stream_expand(stream));
  NTK_TRY(ntk_stream_spare(stream, width, &next));
  NTK_TRY(ntk_rows_gemm(network->dtype, false, rows, node->fan_in, node->fan_out, table->transposed,
                        stream->full, table->data, 0, next));
  ntk_stream_swap(stream, width);
  return NTK_OK;
}

/* ---- factors --------------------------------------------------------------------------------- */

/* NOLINTBEGIN(bugprone-macro-parentheses): a type in parentheses is no type */
#define DEFINE_LOOPS(type)                                                                       \
  /* row[s][v] = v */                                                                            \
  static void number_##type(int64_t count, int64_t vocabulary, type *row) {                      \
    for (int64_t k = 0; k < count; ++k) row[k] = (type)(k % vocabulary);                         \
  }                                                                                              \
  /* out[s][v][j] = factor delta[s][v] a[s][j] */                                                \
  static void spread_##type(int64_t positions, int64_t vocabulary, int64_t width, double factor, \
                            const type *delta, const type *a, type *out) {                       \
    for (int64_t k = 0; k < positions * vocabulary; ++k) {                                       \
      const type *line = a + k / vocabulary * width;                                             \
      const type value = (type)factor * delta[k];                                                \
      for (int64_t j = 0; j < width; ++j) out[k * width + j] = value * line[j];                  \
    }                                                                                            \
  }                                                                                              \
  /* out[v] = sum_s delta[s][v] */                                                               \
  static void sum_##type(int64_t positions, int64_t vocabulary, const type *delta, type *out) {  \
    for (int64_t v = 0; v < vocabulary; ++v) out[v] = 0;                                         \
    for (int64_t k = 0; k < positions * vocabulary; ++k) out[k % vocabulary] += delta[k];        \
  }

DEFINE_LOOPS(double)
DEFINE_LOOPS(float)
/* NOLINTEND(bugprone-macro-parentheses) */

/* Sizes of the layer in a pass. */
typedef struct sizes {
  ntk_dtype dtype;
  int64_t samples, rows, positions, vocabulary, width;
} sizes;

static sizes sizes_of(const ntk_node_layer *node, const ntk_stream *stream) {
  return (sizes){stream->tape->network->dtype,
                 ntk_pad(stream->tape->count),
                 stream->rows,
                 ntk_shape_positions(&node->in),
                 node->fan_out,
                 node->fan_in};
}

static void fill_rows(const sizes *z, void *row) {
  const int64_t count = z->samples * z->positions * z->vocabulary;

  if (z->dtype == NTK_DOUBLE) {
    number_double(count, z->vocabulary, row);
  } else {
    number_float(count, z->vocabulary, row);
  }
}

static void fill_delta(const sizes *z, double factor, const void *delta, const void *a, void *out) {
  const int64_t from = z->positions * z->vocabulary;

  for (int64_t k = 0; k < z->samples * z->rows; ++k) {
    const void *d = ntk_array_const_at(z->dtype, delta, k * from);
    const void *line = ntk_array_const_at(z->dtype, a, k / z->rows * z->positions * z->width);
    void *to = ntk_array_at(z->dtype, out, k * from * z->width);

    if (z->dtype == NTK_DOUBLE) {
      spread_double(z->positions, z->vocabulary, z->width, factor, d, line, to);
    } else {
      spread_float(z->positions, z->vocabulary, z->width, factor, d, line, to);
    }
  }
}

static ntk_status factor_of_rows(const ntk_node_layer *node, ntk_stream *stream, const void *a,
                                 ntk_factor *factor) {
  const sizes z = sizes_of(node, stream);
  const ntk_tensor *table = table_of(stream->tape->network, node);
  void *row = NULL;

  NTK_TRY(ntk_stream_scratch(stream, node->positions * (1 + z.rows * z.width), &row));
  void *delta = ntk_array_at(z.dtype, row, z.samples * node->positions);

  fill_rows(&z, row);
  fill_delta(&z, table->transposed / table->multiplier, stream->full, a, delta);
  *factor = (ntk_factor){.kind = NTK_FACTOR_ROWS,
                         .weight = table,
                         .w_weight = ntk_stream_weight(stream, table),
                         .positions = node->positions,
                         .in = 1,
                         .a = row};
  return ntk_stream_fold_array(stream, delta, z.width, factor);
}

static ntk_status factor_of_bias(const ntk_node_layer *node, ntk_stream *stream,
                                 ntk_factor *factor) {
  const sizes z = sizes_of(node, stream);
  void *sums = NULL;

  NTK_TRY(ntk_stream_scratch(stream, z.rows * z.vocabulary, &sums));
  for (int64_t k = 0; k < z.samples * z.rows; ++k) {
    const void *delta = ntk_array_const_at(z.dtype, stream->full, k * z.positions * z.vocabulary);
    void *to = ntk_array_at(z.dtype, sums, k * z.vocabulary);

    if (z.dtype == NTK_DOUBLE) {
      sum_double(z.positions, z.vocabulary, delta, to);
    } else {
      sum_float(z.positions, z.vocabulary, delta, to);
    }
  }
  return ntk_stream_vector(stream, bias_of(stream->tape->network, node), sums, factor);
}

ntk_status ntk_tied_factor(const ntk_node_layer *node, ntk_stream *stream, int l, int k,
                           ntk_factor *factor) {
  NTK_TRY(ntk_stream_expand(stream));
  if (k == 0) return factor_of_rows(node, stream, stream->tape->value[l], factor);
  NTK_ASSERT(k == 1);
  return factor_of_bias(node, stream, factor);
}

void ntk_tied_cost(const ntk_node_layer *node, ntk_cost_walk *walk) {
  const int64_t positions = ntk_shape_positions(&node->in);

  ntk_walk_expand(walk, positions * node->fan_out);
  if (walk->counted && node->tensors > 0) {
    ntk_walk_scratch(walk, walk->rows * node->fan_out);
    ntk_walk_fold_array(walk, node->first_tensor, 1, 0, node->fan_out);
  }
  if (walk->counted) {
    ntk_walk_scratch(walk, node->positions * (1 + walk->rows * node->fan_in));
    ntk_walk_fold_array(walk, node->borrowed, node->positions, 1, node->fan_in);
  }
  if (walk->needed) ntk_walk_multiply(walk, positions, node->fan_in, node->fan_out);
}
