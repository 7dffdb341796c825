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
  int maps, map;    /* layers with linear maps: how many, and how many there were so far */
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
  const ntk_activation_options activation = {.kind = s->activation};
  ntk_dense_options hidden = {.features = {s->width, NULL}, .biased = true}, readout;

  ntk_layer_dense.forget(&hidden); /* it is as the network's settings say */
  readout = hidden;
  readout.layer.name = "readout";
  readout.features.factor = network->outputs;
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

static bool is_number(const ntk_option *o) {
  return o->type == NTK_REAL || o->type == NTK_INT || o->type == NTK_BOOL || o->type == NTK_WORD;
}

/* Options of an activation or initialiser: numbers and words. */
static ntk_status keep_choice(ntk_network *network, ntk_choice *choice) {
  const ntk_row *row = choice->row;
  void *options = NULL;

  choice->label = row ? row->name : NULL;
  if (!row || !row->options) return NTK_OK;
  for (const ntk_option *o = row->options; o->key; ++o) NTK_ASSERT(is_number(o));
  NTK_TRY(ntk_arena_new(&network->arena, row->options_size, &options));
  memcpy(options, choice->options, row->options_size);
  choice->options = options;
  return NTK_OK;
}

static ntk_status keep_option(const plan *p, ntk_node_layer *node, const ntk_option *o,
                              void *field) {
  if (o->type == NTK_SIZE) return resolve_size(p, node, o, field);
  if (o->type == NTK_CHOICE) return keep_choice(p->network, field);
  NTK_ASSERT(is_number(o) || o->type == NTK_SECTION ||
             (o->type == NTK_STRING && o->offset == offsetof(ntk_layer_options, name)));
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
    NTK_TRY(keep_option(p, node, o, (char *)options + o->offset));
  }
  node->options = options;
  return NTK_OK;
}

static ntk_role role_of(int map, int maps) {
  if (maps == 1) return NTK_ROLE_ONLY;
  if (map == 0) return NTK_ROLE_INPUT;
  return map == maps - 1 ? NTK_ROLE_READOUT : NTK_ROLE_HIDDEN;
}

/* The short form's biases are checked with the settings; these are those of the list's layers. */
static ntk_status check_keys(const plan *p, const ntk_node_layer *node) {
  const ntk_network_settings *s = p->settings;
  const ntk_keys_row *keys = (const ntk_keys_row *)s->rng.keys;

  for (int t = node->first_tensor; t < p->network->tensor_count; ++t) {
    const ntk_tensor_law *law = &p->network->tensor[t].law;

    if (keys->draws_bias || law->law || law->std == 0 || s->weights) continue;
    return ntk_layer_refuse(node, "rng.keys: %s draws no biases; set this layer's bias.std to 0",
                            keys->row.name);
  }
  return NTK_OK;
}

static ntk_status add_tensors(plan *p, ntk_node_layer *node) {
  if (node->layer->factors > 0) node->role = role_of(p->map++, p->maps);
  if (!node->layer->tensors) return NTK_OK;
  NTK_TRY(node->layer->tensors(p->settings, p->network, node));
  return check_keys(p, node);
}

static ntk_status add_layer(plan *p, int l) {
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
  return add_tensors(p, node);
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
  NTK_CHECK(network->parameters > 0, NTK_E_CONFIG,
            "the network has no trainable parameters, so no kernel; drop 'trainable: false' from a "
            "layer with weights, or add one");
  return NTK_OK;
}

static bool is_mlp(const ntk_network_settings *s) {
  return s->kind ? s->kind == &ntk_network_mlp : s->layers.count == 0;
}

static ntk_status count_maps(plan *p) {
  const ntk_parameterization *form = (const ntk_parameterization *)p->settings->parameterization;

  for (int64_t l = 0; l < p->list.count; ++l) {
    p->maps += ((const ntk_layer *)p->list.item[l].row)->factors > 0;
  }
  NTK_CHECK(form->maps == 0 || form->maps == p->maps, NTK_E_CONFIG,
            "parameterization: %s is for networks of %d weight layers, this one has %d; its "
            "counterpart for any depth is mup",
            form->row.name, form->maps, p->maps);
  return NTK_OK;
}

static ntk_status list_layers(plan *p) {
  p->list = p->settings->layers;
  if (is_mlp(p->settings)) {
    p->list = (ntk_choices){0};
    NTK_TRY(expand_mlp(p->settings, p->network, &p->list));
  }
  NTK_CHECK(p->list.count > 0, NTK_E_CONFIG, "the network has no layers");
  return count_maps(p);
}

static ntk_status build(plan *p) {
  ntk_network *network = p->network;

  NTK_TRY(list_layers(p));
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

static bool is_centered(const ntk_choice *output) {
  const ntk_network_centering *centering = output->options;

  return output->row == &ntk_network_centered ||
         (output->row == &ntk_network_scaled && centering->centered);
}

static double scale_of(const ntk_choice *output) {
  const ntk_network_centering *centering = output->options;

  return output->row == &ntk_network_scaled ? centering->alpha : 1;
}

ntk_status ntk_network_create(const ntk_network_settings *settings, const ntk_shape *input,
                              int64_t outputs, ntk_dtype dtype, ntk_network *network) {
  plan p = {.settings = settings, .network = network};

  *network = (ntk_network){.dtype = dtype,
                           .input = *input,
                           .outputs = outputs,
                           .centered = is_centered(&settings->output),
                           .scale = scale_of(&settings->output),
                           .rate_scale = 1};
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
                                  const ntk_tensor *like) {
  ntk_tensor tensor = *like;

  tensor.count = 1;
  tensor.data = NULL;
  for (int k = 0; k < tensor.rank; ++k) {
    if (tensor.size[k] > (INT64_C(1) << MOST_ENTRIES_LOG2) / tensor.count) {
      return ntk_layer_refuse(node, "%s has more than 2^%d entries", name, (int)MOST_ENTRIES_LOG2);
    }
    tensor.count *= tensor.size[k];
  }
  (void)snprintf(tensor.name, sizeof(tensor.name), "%.*s/%s", (int)MOST_NAME, node->name, name);
  NTK_TRY(grow_tensors(network));
  network->tensor[network->tensor_count++] = tensor;
  if (tensor.trainable) network->parameters += tensor.count;
  ++node->tensors;
  return NTK_OK;
}
