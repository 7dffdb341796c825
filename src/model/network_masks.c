/* Masks of dropout in weights files. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "network_plan.h"
#include "ntk/base/memory.h"

static void name_of(const ntk_node_layer *node, int test, char name[NTK_NAME_SIZE]) {
  (void)snprintf(name, NTK_NAME_SIZE, "layers/%.72s/%s", node->name, test ? "test_mask" : "mask");
}

bool ntk_masks_are(const ntk_network *network, const char *variable) {
  char name[NTK_NAME_SIZE];

  for (int l = 0; l < network->layer_count; ++l) {
    for (int test = 0; test < 2 && network->layer[l].layer == &ntk_layer_dropout; ++test) {
      name_of(&network->layer[l], test, name);
      if (strcmp(name, variable) == 0) return true;
    }
  }
  return false;
}

static ntk_status check(const ntk_node_layer *node, const ntk_variable *v) {
  const ntk_shape *shape = &node->in;
  char wanted[NTK_SHAPE_TEXT];

  NTK_CHECK(v->rank == shape->rank + 1 && v->size[0] > 0 &&
                memcmp(v->size + 1, shape->size, (size_t)shape->rank * sizeof(v->size[0])) == 0,
            NTK_E_INPUT, "weights: '%s' does not have the shape samples x %s", v->name,
            ntk_shape_text(shape, wanted));
  NTK_CHECK(v->kind == NTK_KIND_REAL || v->kind == NTK_KIND_SINGLE, NTK_E_INPUT,
            "weights: '%s' is neither float32 nor float64", v->name);
  for (int64_t k = 0; k < v->count; ++k) {
    const double value = v->kind == NTK_KIND_REAL ? ((const double *)v->data)[k]
                                                  : (double)((const float *)v->data)[k];

    NTK_CHECK(isfinite(value), NTK_E_INPUT, "weights: entry %" PRId64 " of '%s' is %g", k, v->name,
              value);
  }
  return NTK_OK;
}

static ntk_status bind(ntk_dtype dtype, const ntk_record *weights, ntk_node_layer *node, int test) {
  char name[NTK_NAME_SIZE];
  ntk_masks *masks = &node->masks[test];

  name_of(node, test, name);
  const ntk_variable *v = ntk_record_find(weights, name);

  ntk_free(&masks->data);
  masks->count = 0;
  if (!v) return NTK_OK;
  NTK_CHECK(!ntk_dropout_expected(node), NTK_E_INPUT,
            "weights: '%s' is a mask, but layer '%s' has expected masks", name, node->name);
  NTK_TRY(check(node, v));
  NTK_TRY(ntk_array_new_unset(dtype, v->count, &masks->data));
  ntk_array_convert(v->kind == NTK_KIND_REAL ? NTK_DOUBLE : NTK_SINGLE, v->data, dtype, masks->data,
                    v->count);
  masks->count = v->size[0];
  return NTK_OK;
}

ntk_status ntk_masks_bind(ntk_network *network, const ntk_record *weights) {
  for (int l = 0; l < network->layer_count; ++l) {
    ntk_node_layer *node = &network->layer[l];

    for (int test = 0; test < 2 && node->layer == &ntk_layer_dropout; ++test) {
      NTK_TRY(bind(network->dtype, weights, node, test));
    }
  }
  return NTK_OK;
}

static ntk_status export(const ntk_network *network, const ntk_node_layer *node, int test,
                         ntk_record *weights) {
  static const char *const axes[] = {"", " unit", " token unit", " row column channel"};
  const ntk_masks *masks = &node->masks[test];
  char name[NTK_NAME_SIZE], dimensions[40];
  const ntk_field field = {.name = name,
                           .dimensions = dimensions,
                           .units = "1",
                           .long_name = "by what units are multiplied",
                           .source = "B21",
                           .kind = network->dtype == NTK_DOUBLE ? NTK_KIND_REAL : NTK_KIND_SINGLE};
  int64_t sizes[NTK_SHAPE_RANK + 1] = {masks->count};
  void *data = NULL;

  if (!masks->data) return NTK_OK;
  name_of(node, test, name);
  NTK_ASSERT(node->in.rank < 4);
  (void)snprintf(dimensions, sizeof(dimensions), "%ssample%s", test ? "test_" : "",
                 axes[node->in.rank]);
  memcpy(sizes + 1, node->in.size, (size_t)node->in.rank * sizeof(*sizes));
  NTK_TRY(ntk_record_add(weights, &field, sizes, &data));
  memcpy(data, masks->data,
         (size_t)(masks->count * ntk_shape_count(&node->in)) * ntk_dtype_size(network->dtype));
  return NTK_OK;
}

ntk_status ntk_masks_export(const ntk_network *network, ntk_record *weights) {
  for (int l = 0; l < network->layer_count; ++l) {
    for (int test = 0; test < 2; ++test) {
      NTK_TRY(export(network, &network->layer[l], test, weights));
    }
  }
  return NTK_OK;
}

void ntk_masks_destroy(ntk_network *network) {
  for (int l = 0; l < network->layer_count; ++l) {
    ntk_free(&network->layer[l].masks[0].data);
    ntk_free(&network->layer[l].masks[1].data);
  }
}
