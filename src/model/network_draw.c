/* Weights from the seed, as JAX and neural-tangents draw them. */
#include "ntk/base/memory.h"
#include "ntk/model/layer.h"
#include "network_rows.h"

/* ---- keys ------------------------------------------------------------------------------------ */

static bool key_per_tensor(const ntk_drawing *d, const ntk_node_layer *node, int j,
                           ntk_rng_key *key) {
  *key = ntk_rng_fold_in(d->root, (uint32_t)(node->first_tensor + j));
  return true;
}

static bool key_article(const ntk_drawing *d, const ntk_node_layer *node, int j,
                        ntk_rng_key *key) {
  (void)node;
  if (j > 0) return false;
  *key = ntk_rng_split(d->layout, d->root, d->weight_layers + 1, d->weight_layer);
  return true;
}

static bool key_stax(const ntk_drawing *d, const ntk_node_layer *node, int j, ntk_rng_key *key) {
  *key = ntk_rng_split(d->layout, d->own, node->layer->rng_keys, j);
  return true;
}

static const ntk_keys_row per_tensor = {
    {.name = "per_tensor", .doc = "tensor k from fold_in(key, k); k counts W before b"},
    key_per_tensor,
    true,
    false};
static const ntk_keys_row article = {
    {.name = "article", .doc = "W of layer l from split(key, weight layers + 1)[l]; b is zero"},
    key_article,
    false,
    false};
static const ntk_keys_row stax = {
    {.name = "stax",
     .doc = "key, layer key = split(key) for each layer; W, b from split(layer key)"},
    key_stax,
    true,
    true};
const ntk_row *const ntk_rng_keys[] = {&per_tensor.row, &article.row, &stax.row, NULL};

static const ntk_layout_row partitionable = {
    {.name = "partitionable", .doc = "JAX since 0.5: any block of an array can be drawn alone"},
    NTK_RNG_PARTITIONABLE};
static const ntk_layout_row original = {
    {.name = "original", .doc = "JAX before 0.5, neural-tangents"}, NTK_RNG_ORIGINAL};
const ntk_row *const ntk_rng_layouts[] = {&partitionable.row, &original.row, NULL};

static const ntk_dtype_row float64 = {{.name = "float64", .doc = "JAX with x64 on"}, NTK_DOUBLE};
static const ntk_dtype_row float32 = {
    {.name = "float32", .doc = "JAX with x64 off; the seed's high word is dropped"}, NTK_SINGLE};
const ntk_row *const ntk_rng_dtypes[] = {&float64.row, &float32.row, NULL};

/* ---- values ---------------------------------------------------------------------------------- */

static void draw_normal(const ntk_draw *draw, ntk_dtype dtype, double std, int64_t n,
                        double *values) {
  ntk_rng_normal(draw, dtype, 0, n, values);
  for (int64_t k = 0; k < n; ++k) {
    values[k] = dtype == NTK_DOUBLE ? values[k] * std : (double)((float)values[k] * (float)std);
  }
}

static ntk_status draw_values(const ntk_tensor *tensor, const ntk_draw *draw, ntk_dtype dtype,
                              double *values) {
  const ntk_tensor_law *law = &tensor->law;
  const int64_t columns = law->columns ? law->columns : tensor->size[tensor->rank - 1];

  if (law->law) return law->law->draw(draw, dtype, columns, law->variance, values);
  if (law->std != 0) draw_normal(draw, dtype, law->std, tensor->count, values);
  return NTK_OK;
}

static ntk_status draw_tensor(const ntk_network *network, ntk_tensor *tensor, const ntk_draw *draw,
                              ntk_dtype dtype) {
  double *values = NULL;

  if (network->dtype == NTK_DOUBLE) return draw_values(tensor, draw, dtype, tensor->data);
  NTK_TRY(NTK_NEW(tensor->count, &values));
  const ntk_status status = draw_values(tensor, draw, dtype, values);

  ntk_array_convert(NTK_DOUBLE, values, network->dtype, tensor->data, tensor->count);
  ntk_free(&values);
  return status;
}

/* Constants are there already. */
static bool is_drawn(const ntk_tensor *tensor) { return tensor->law.law || tensor->law.std != 0; }

static void fill(ntk_dtype dtype, const ntk_tensor *tensor) {
  for (int64_t k = 0; tensor->law.mean != 0 && k < tensor->count; ++k) {
    ntk_array_convert(NTK_DOUBLE, &tensor->law.mean, dtype, ntk_array_at(dtype, tensor->data, k),
                      1);
  }
}

static ntk_status draw_layer(const ntk_network_settings *settings, const ntk_drawing *d,
                             const ntk_node_layer *node) {
  const ntk_keys_row *keys = (const ntk_keys_row *)settings->rng.keys;
  const ntk_dtype_row *type = (const ntk_dtype_row *)settings->rng.dtype;

  if (node->source != (int)(node - d->network->layer)) return NTK_OK; /* another layer's */
  for (int j = 0; j < node->tensors; ++j) {
    ntk_tensor *tensor = &d->network->tensor[node->first_tensor + j];
    ntk_draw draw = {.layout = d->layout, .total = tensor->count};

    ntk_free(&tensor->data);
    NTK_TRY(ntk_array_new(d->network->dtype, tensor->count, &tensor->data));
    fill(d->network->dtype, tensor);
    if (!is_drawn(tensor) || !keys->find(d, node, j, &draw.key)) continue;
    NTK_TRY(draw_tensor(d->network, tensor, &draw, type->dtype));
  }
  return NTK_OK;
}

/* Whether the layer has a weight tensor of its own, one that a law draws. */
static bool has_weights(const ntk_network *network, int l) {
  const ntk_node_layer *node = &network->layer[l];
  bool drawn = false;

  for (int t = node->first_tensor; t < node->first_tensor + node->tensors; ++t) {
    drawn = drawn || network->tensor[t].law.law;
  }
  return drawn && node->source == l;
}

static int layers_with_weights(const ntk_network *network) {
  int count = 0;

  for (int l = 0; l < network->layer_count; ++l) count += has_weights(network, l);
  return count;
}

ntk_status ntk_network_draw(const ntk_network_settings *settings, ntk_network *network) {
  const ntk_layout_row *layout = (const ntk_layout_row *)settings->rng.layout;
  const ntk_dtype_row *type = (const ntk_dtype_row *)settings->rng.dtype;
  ntk_drawing d = {.network = network,
                   .layout = layout->layout,
                   .root = ntk_rng_seed(settings->seed, type->dtype == NTK_DOUBLE),
                   .weight_layers = layers_with_weights(network)};

  d.chain = d.root;
  for (int l = 0; l < network->layer_count; ++l) {
    const ntk_node_layer *node = &network->layer[l];

    d.own = ntk_rng_split(d.layout, d.chain, 2, 1);
    d.chain = ntk_rng_split(d.layout, d.chain, 2, 0);
    NTK_TRY(draw_layer(settings, &d, node));
    d.weight_layer += has_weights(network, l);
  }
  return NTK_OK;
}
