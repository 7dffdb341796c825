/* From settings to a network, and its tensors. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "network_plan.h"
#include "network_rows.h"
#include "ntk/base/memory.h"

enum { MOST_ENTRIES_LOG2 = 40 };

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

int64_t ntk_shape_channels(const ntk_shape *shape) {
  return shape->rank > 0 ? shape->size[shape->rank - 1] : 1;
}

int64_t ntk_shape_positions(const ntk_shape *shape) {
  int64_t positions = 1;

  for (int k = 0; k + 1 < shape->rank; ++k) positions *= shape->size[k];
  return positions;
}

/* ---- the network ----------------------------------------------------------------------------- */

static ntk_status check_output(const ntk_network *network) {
  const ntk_node_layer *last = &network->layer[network->layer_count - 1];
  char out[NTK_SHAPE_TEXT];

  if (last->out.rank != 1 || last->out.size[0] != network->outputs) {
    return ntk_layer_refuse(last,
                            "the last layer gives %s, but the targets have %" PRId64
                            " output%s; write 'features: outputs'%s",
                            ntk_shape_text(&last->out, out), network->outputs,
                            network->outputs == 1 ? "" : "s",
                            last->out.rank > 1 ? ", and '- flatten' before that" : "");
  }
  NTK_CHECK(network->parameters > 0, NTK_E_CONFIG,
            "the network has no trainable parameters, so no kernel; drop 'trainable: false' from a "
            "layer with weights, or add one");
  return NTK_OK;
}

/* The texts that marks point to may go. */
static void forget_marks(ntk_choices *list) {
  for (int64_t k = 0; k < list->count; ++k) {
    ntk_choice *item = &list->item[k];

    item->mark = (ntk_mark){0};
    for (const ntk_option *o = item->row->options; o->key; ++o) {
      if (ntk_list_in(o, item->options)) forget_marks(ntk_list_in(o, item->options));
    }
  }
}

static ntk_status build(ntk_plan *p) {
  ntk_network *network = p->network;

  NTK_TRY(ntk_plan_list(p));
  NTK_TRY(ntk_plan_layers(p));
  NTK_TRY(check_output(network));
  for (int l = 0; l < network->layer_count; ++l) network->layer[l].mark = (ntk_mark){0};
  forget_marks(&network->list);
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
  ntk_plan p = {.settings = settings, .network = network};

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
  ntk_masks_destroy(network);
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
  tensor.uses = 0;
  tensor.positions = 0;
  tensor.data = NULL;
  for (int k = 0; k < tensor.rank; ++k) {
    if (tensor.size[k] > (INT64_C(1) << MOST_ENTRIES_LOG2) / tensor.count) {
      return ntk_layer_refuse(node, "%s has more than 2^%d entries", name, (int)MOST_ENTRIES_LOG2);
    }
    tensor.count *= tensor.size[k];
  }
  (void)snprintf(tensor.name, sizeof(tensor.name), "%.80s/%s", node->name, name);
  NTK_TRY(grow_tensors(network));
  network->tensor[network->tensor_count++] = tensor;
  if (tensor.trainable) network->parameters += tensor.count;
  ++node->tensors;
  return NTK_OK;
}

/* ---- names in options ------------------------------------------------------------------------ */

static const ntk_node_layer *find_path(const ntk_network *network, int before, const char *list,
                                       int length, const char *name) {
  for (int l = 0; l < before; ++l) {
    const char *path = network->layer[l].name;

    if (strncmp(path, list, (size_t)length) != 0 || strcmp(path + length, name) != 0) continue;
    return &network->layer[l];
  }
  return NULL;
}

/* One of that name in a container. */
static const ntk_node_layer *find_inside(const ntk_network *network, int before,
                                         const char *name) {
  for (int l = 0; l < before; ++l) {
    const char *last = strrchr(network->layer[l].name, '/');

    if (last && strcmp(last + 1, name) == 0) return &network->layer[l];
  }
  return NULL;
}

ntk_status ntk_network_find(const ntk_network *network, const ntk_node_layer *node,
                            const char *name, const ntk_node_layer **found) {
  const int before = (int)(node - network->layer);
  int length = (int)strlen(node->name);

  do {
    do --length;
    while (length >= 0 && node->name[length] != '/');
    *found = find_path(network, before, node->name, length + 1, name);
  } while (!*found && length > 0);
  if (*found) return NTK_OK;
  const ntk_node_layer *inner = find_inside(network, before, name);

  return ntk_layer_refuse(node,
                          "share: no layer '%.60s' before it, in its list or those around it%s%s%s",
                          name, inner ? "; write '" : "", inner ? inner->name : "",
                          inner ? "'" : "");
}
