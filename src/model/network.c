/* From settings to a network: layers written out, named, with shapes and tensors. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ntk/base/memory.h"
#include "layers.h"
#include "network_rows.h"

enum { MOST_ENTRIES_LOG2 = 40, MOST_NAME = 40 };

/* What a network is made from. */
typedef struct plan {
  const ntk_network_settings *settings;
  ntk_network *network;
  ntk_choices list; /* as written, or what the short form stands for */
} plan;

ntk_status ntk_layer_refuse(const ntk_node_layer *node, const char *format, ...) {
  char message[512], place[512] = "";
  va_list args;

  va_start(args, format);
  (void)vsnprintf(message, sizeof(message), format, args);
  va_end(args);
  if (node->mark.source) {
    (void)snprintf(place, sizeof(place), "%.400s:%d:%d: error: ", node->mark.source->name,
                   node->mark.line, node->mark.column);
  }
  return NTK_RAISE(NTK_E_CONFIG, "%slayer '%s' (%s): %s", place, node->name, node->layer->row.name,
                   message);
}

/* ---- the short form -------------------------------------------------------------------------- */

static ntk_status add_item(ntk_network *network, ntk_choices *list, const ntk_layer *layer,
                           const void *options) {
  ntk_choice *item = &list->item[list->count++];

  *item = (ntk_choice){.row = &layer->row, .label = layer->row.name};
  NTK_TRY(ntk_arena_new(&network->arena, layer->row.options_size, &item->options));
  memcpy(item->options, options, layer->row.options_size);
  return NTK_OK;
}

static ntk_status expand_mlp(const ntk_network_settings *s, ntk_network *network,
                             ntk_choices *list) {
  const ntk_layer_options nameless = {0};
  const ntk_dense_options hidden = {.features = {s->width, NULL}, .bias = true};
  const ntk_activation_options activation = {.kind = s->activation};
  const ntk_dense_options readout = {
      .layer = {"readout"}, .features = {network->outputs, NULL}, .bias = true};

  NTK_TRY(ntk_arena_new(&network->arena, (size_t)(2 * s->depth + 2) * sizeof(*list->item),
                        &list->item));
  if (network->input.rank > 1) NTK_TRY(add_item(network, list, &ntk_layer_flatten, &nameless));
  for (int64_t d = 0; d < s->depth; ++d) {
    NTK_TRY(add_item(network, list, &ntk_layer_dense, &hidden));
    NTK_TRY(add_item(network, list, &ntk_layer_activation, &activation));
  }
  return add_item(network, list, &ntk_layer_dense, &readout);
}

/* ---- one layer ------------------------------------------------------------------------------- */

/* A name is a component of paths in configs and files. */
static ntk_status check_name(const ntk_node_layer *node, const char *name) {
  const char *allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  const size_t length = strlen(name);

  if (length > 0 && length <= MOST_NAME && strspn(name, allowed) == length) return NTK_OK;
  return ntk_layer_refuse(node, "a name has 1 to %d letters, digits, '_' or '-'; '%.60s' has not",
                          (int)MOST_NAME, name);
}

static ntk_status name_layer(const plan *p, int l, const char *given) {
  ntk_node_layer *node = &p->network->layer[l];
  int number = 0;

  for (int k = 0; k < l; ++k) number += p->network->layer[k].layer == node->layer;
  (void)snprintf(node->name, sizeof(node->name), "%s%d", node->layer->row.name, number);
  if (given) {
    NTK_TRY(check_name(node, given));
    (void)snprintf(node->name, sizeof(node->name), "%s", given);
  }
  for (int k = 0; k < l; ++k) {
    if (strcmp(p->network->layer[k].name, node->name) != 0) continue;
    return ntk_layer_refuse(node, "layer %d has this name already; give one of them another", k);
  }
  return NTK_OK;
}

static ntk_status resolve_size(const plan *p, const ntk_node_layer *node, const ntk_option *o,
                               ntk_size *size) {
  int64_t unit = 1;

  if (size->name && strcmp(size->name, "width") == 0) {
    unit = p->settings->width;
  } else if (size->name && strcmp(size->name, "outputs") == 0) {
    unit = p->network->outputs;
  } else if (size->name) {
    return ntk_layer_refuse(node, "%s: no size '%.60s'; there are width and outputs", o->key,
                            size->name);
  }
  if ((double)size->factor * (double)unit > o->high) {
    return ntk_layer_refuse(node, "%s: %" PRId64 " times %" PRId64 " is more than %.17g", o->key,
                            size->factor, unit, o->high);
  }
  *size = (ntk_size){size->factor * unit, NULL};
  return NTK_OK;
}

/* The network's own copy of the options: the settings may go before it. */
static ntk_status keep_options(const plan *p, ntk_node_layer *node, const ntk_choice *item) {
  const ntk_row *row = item->row;
  void *options = NULL;

  NTK_TRY(ntk_arena_new(&p->network->arena, row->options_size, &options));
  memcpy(options, item->options, row->options_size);
  ((ntk_layer_options *)options)->name = node->name;
  for (const ntk_option *o = row->options; o->key; ++o) {
    NTK_ASSERT(o->type == NTK_SIZE || o->type == NTK_BOOL || o->type == NTK_WORD ||
               (o->type == NTK_STRING && o->offset == offsetof(ntk_layer_options, name)));
    if (o->type != NTK_SIZE) continue;
    NTK_TRY(resolve_size(p, node, o, (ntk_size *)((char *)options + o->offset)));
  }
  node->options = options;
  return NTK_OK;
}

static ntk_status add_layer(const plan *p, int l) {
  const ntk_choice *item = &p->list.item[l];
  ntk_node_layer *node = &p->network->layer[l];

  node->layer = (const ntk_layer *)item->row;
  node->mark = item->mark;
  node->in = l > 0 ? p->network->layer[l - 1].out : p->network->input;
  node->first_tensor = p->network->tensor_count;
  NTK_TRY(name_layer(p, l, ((const ntk_layer_options *)item->options)->name));
  if (item->label && strcmp(item->label, item->row->name) != 0) {
    return ntk_layer_refuse(node, "layers have no label; write 'name: %.60s'", item->label);
  }
  NTK_TRY(keep_options(p, node, item));
  NTK_TRY(node->layer->shape(node));
  return node->layer->tensors ? node->layer->tensors(p->settings, p->network, node) : NTK_OK;
}

/* ---- the network ----------------------------------------------------------------------------- */

static ntk_status check_output(const ntk_network *network) {
  const ntk_node_layer *last = &network->layer[network->layer_count - 1];
  char out[NTK_SHAPE_TEXT];

  if (last->out.rank != 1 || last->out.size[0] != network->outputs) {
    return ntk_layer_refuse(last,
                            "the last layer gives %s, but the targets have %" PRId64
                            " output%s; write 'features: outputs'",
                            ntk_shape_text(&last->out, out), network->outputs,
                            network->outputs == 1 ? "" : "s");
  }
  NTK_CHECK(network->parameters > 0, NTK_E_CONFIG, "the network has no trainable parameters");
  return NTK_OK;
}

static bool is_mlp(const ntk_network_settings *s) {
  return s->kind ? s->kind == &ntk_network_mlp : s->layers.count == 0;
}

static ntk_status build(plan *p) {
  ntk_network *network = p->network;

  p->list = p->settings->layers;
  if (is_mlp(p->settings)) {
    p->list = (ntk_choices){0};
    NTK_TRY(expand_mlp(p->settings, network, &p->list));
  }
  NTK_CHECK(p->list.count > 0, NTK_E_CONFIG, "the network has no layers");
  NTK_TRY(ntk_arena_new(&network->arena, (size_t)p->list.count * sizeof(*network->layer),
                        &network->layer));
  for (int l = 0; l < (int)p->list.count; ++l) {
    network->layer_count = l + 1;
    NTK_TRY(add_layer(p, l));
  }
  NTK_TRY(check_output(network));
  for (int l = 0; l < network->layer_count; ++l) network->layer[l].mark = (ntk_mark){0};
  return NTK_OK;
}

ntk_status ntk_network_create(const ntk_network_settings *settings, const ntk_shape *input,
                              int64_t outputs, ntk_dtype dtype, ntk_network *network) {
  plan p = {.settings = settings, .network = network};

  *network = (ntk_network){.dtype = dtype,
                           .input = *input,
                           .outputs = outputs,
                           .centered = settings->output.row == &ntk_network_centered};
  const ntk_status status = build(&p);

  if (status != NTK_OK) ntk_network_destroy(network);
  return status;
}

void ntk_network_destroy(ntk_network *network) {
  for (int t = 0; t < network->tensor_count; ++t) ntk_free(&network->tensor[t].data);
  ntk_arena_destroy(&network->arena);
  *network = (ntk_network){0};
}

/* ---- tensors --------------------------------------------------------------------------------- */

static ntk_status grow_tensors(ntk_network *network) {
  const int capacity = 2 * network->tensor_capacity + 8;
  ntk_tensor *grown = NULL;

  if (network->tensor_count < network->tensor_capacity) return NTK_OK;
  NTK_TRY(ntk_arena_new(&network->arena, (size_t)capacity * sizeof(*grown), &grown));
  if (network->tensor_count > 0) {
    memcpy(grown, network->tensor, (size_t)network->tensor_count * sizeof(*grown));
  }
  network->tensor = grown;
  network->tensor_capacity = capacity;
  return NTK_OK;
}

ntk_status ntk_network_add_tensor(ntk_network *network, ntk_node_layer *node, const char *name,
                                  int rank, const int64_t *size, double multiplier,
                                  const ntk_tensor_law *law) {
  ntk_tensor tensor = {
      .rank = rank, .count = 1, .multiplier = multiplier, .law = *law, .trainable = true};

  for (int k = 0; k < rank; ++k) {
    if (size[k] > (INT64_C(1) << MOST_ENTRIES_LOG2) / tensor.count) {
      return ntk_layer_refuse(node, "%s has more than 2^%d entries", name, (int)MOST_ENTRIES_LOG2);
    }
    tensor.size[k] = size[k];
    tensor.count *= size[k];
  }
  (void)snprintf(tensor.name, sizeof(tensor.name), "%.*s/%s", (int)MOST_NAME, node->name, name);
  NTK_TRY(grow_tensors(network));
  network->tensor[network->tensor_count++] = tensor;
  network->parameters += tensor.count;
  ++node->tensors;
  return NTK_OK;
}
