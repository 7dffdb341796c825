/* The network's own copy of the list of layers: with names, sizes as numbers, short forms written
 * out.  It prints as what a config may say. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "network_plan.h"
#include "network_rows.h"

enum { MOST_NAME = 40 };

/* A list that is being copied. */
typedef struct copying {
  const ntk_plan *plan;
  const char *path; /* of the container, "" or "stage/"; in errors */
  int depth;
} copying;

static ntk_status keep_list(const copying *c, const ntk_choices *from, ntk_choices *to);

/* A layer that is not yet one, for errors about it. */
static ntk_node_layer speaker_of(const copying *c, const ntk_choice *item, const char *name) {
  ntk_node_layer node = {.layer = (const ntk_layer *)item->row, .mark = item->mark};

  (void)snprintf(node.name, sizeof(node.name), "%.54s%.40s", c->path, name);
  return node;
}

ntk_choices *ntk_list_in(const ntk_option *option, void *options) {
  return option->type == NTK_CHOICES ? (ntk_choices *)((char *)options + option->offset) : NULL;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* A name is a component of paths in configs and files. */
static ntk_status check_name(const ntk_node_layer *node, const char *name) {
  const char *allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  const size_t length = strlen(name);

  if (length > 0 && length <= MOST_NAME && strspn(name, allowed) == length) return NTK_OK;
  return ntk_layer_refuse(node, "a name has 1 to %d letters, digits, '_' or '-'; '%.60s' has not",
                          (int)MOST_NAME, name);
}

static const char **name_in(const ntk_choice *item) {
  return &((ntk_layer_options *)item->options)->name;
}

/* The name of item k: its own, or kind and number. */
static ntk_status name_item(const copying *c, const ntk_choices *list, int64_t k) {
  const ntk_choice *item = &list->item[k];
  const char *given = *name_in(item);
  char name[NTK_NAME_SIZE];
  int number = 0;

  for (int64_t i = 0; i < k; ++i) number += list->item[i].row == item->row;
  (void)snprintf(name, sizeof(name), "%s%d", item->row->name, number);
  const ntk_node_layer node = speaker_of(c, item, given ? given : name);

  if (given) NTK_TRY(check_name(&node, given));
  NTK_TRY(ntk_arena_copy(&c->plan->network->arena, given ? given : name, name_in(item)));
  for (int64_t i = 0; i < k; ++i) {
    if (strcmp(*name_in(&list->item[i]), *name_in(item)) != 0) continue;
    return ntk_layer_refuse(&node,
                            "layer %" PRId64 " has this name already; give one of them another", i);
  }
  return NTK_OK;
}

/* ---- options --------------------------------------------------------------------------------- */

static ntk_status resolve_size(const ntk_plan *p, const ntk_node_layer *node, const ntk_option *o,
                               ntk_size *size) {
  const struct {
    const char *name;
    int64_t value;
  } sizes[] = {{"width", p->settings->width},
               {"outputs", p->network->outputs},
               {"vocabulary", p->settings->vocabulary}};
  int64_t unit = 1;

  if (size->factor == NTK_AUTO_INT) return NTK_OK;
  for (size_t k = 0; size->name && k < sizeof(sizes) / sizeof(sizes[0]); ++k) {
    if (strcmp(size->name, sizes[k].name) != 0) continue;
    unit = sizes[k].value;
    size->name = NULL;
  }
  if (size->name) {
    return ntk_layer_refuse(node, "%s: no size '%.60s'; there are width, outputs, vocabulary",
                            o->key, size->name);
  }
  if (unit == 0) {
    return ntk_layer_refuse(node,
                            "%s: the data have no vocabulary, they are no tokens; those come from "
                            "source: tokens",
                            o->key);
  }
  if ((double)size->factor * (double)unit > o->high) {
    return ntk_layer_refuse(node, "%s: %" PRId64 " times %" PRId64 " is more than %.17g", o->key,
                            size->factor, unit, o->high);
  }
  *size = (ntk_size){size->factor * unit, NULL};
  return NTK_OK;
}

static bool is_number(const ntk_option *o) {
  return o->type == NTK_REAL || o->type == NTK_INT || o->type == NTK_BOOL || o->type == NTK_WORD ||
         o->type == NTK_PAIR || o->type == NTK_PADDING;
}

/* Options of an activation or initialiser: numbers and words. */
static ntk_status keep_choice(ntk_network *network, ntk_choice *choice) {
  const ntk_row *row = choice->row;
  void *options = NULL;

  choice->label = row ? row->name : NULL;
  choice->mark = (ntk_mark){0};
  if (!row || !row->options) return NTK_OK;
  for (const ntk_option *o = row->options; o->key; ++o) NTK_ASSERT(is_number(o));
  NTK_TRY(ntk_arena_new(&network->arena, row->options_size, &options));
  memcpy(options, choice->options, row->options_size);
  choice->options = options;
  return NTK_OK;
}

static ntk_status keep_string(ntk_network *network, const char **text) {
  return *text ? ntk_arena_copy(&network->arena, *text, text) : NTK_OK;
}

/* The lists of a container are named within it; that of a repeat as in its first copy. */
static ntk_status keep_inner(const copying *c, const ntk_node_layer *node, const ntk_option *o,
                             ntk_choices *list) {
  char path[NTK_NAME_SIZE + 16];
  const copying inner = {c->plan, path, c->depth + 1};
  const ntk_choices from = *list;

  (void)snprintf(path, sizeof(path), "%s/%.8s/", node->name,
                 node->layer == &ntk_layer_repeat ? "0" : o->key);

  if (inner.depth > NTK_MOST_NESTED) {
    return ntk_layer_refuse(node, "containers are nested at most %d deep", NTK_MOST_NESTED);
  }
  if (from.count == 0) return ntk_layer_refuse(node, "%s: no layers in the list", o->key);
  return keep_list(&inner, &from, list);
}

static ntk_status keep_option(const copying *c, const ntk_node_layer *node, const ntk_option *o,
                              void *field) {
  ntk_network *network = c->plan->network;

  if (o->type == NTK_SIZE) return resolve_size(c->plan, node, o, field);
  if (o->type == NTK_CHOICE) return keep_choice(network, field);
  if (o->type == NTK_CHOICES) return keep_inner(c, node, o, field);
  if (o->type == NTK_STRING) return keep_string(network, field);
  NTK_ASSERT(is_number(o) || o->type == NTK_SECTION);
  return NTK_OK;
}

/* The network's own copy of the options: the settings may go before it. */
static ntk_status keep_options(const copying *c, ntk_choice *item) {
  const ntk_row *row = item->row;
  const ntk_node_layer node = speaker_of(c, item, *name_in(item));

  if (item->label && strcmp(item->label, row->name) != 0) {
    return ntk_layer_refuse(&node, "layers have no label; write 'name: %.60s'", item->label);
  }
  item->label = row->name;
  for (const ntk_option *o = row->options; o->key; ++o) {
    NTK_TRY(keep_option(c, &node, o, (char *)item->options + o->offset));
  }
  return NTK_OK;
}

/* ---- lists ----------------------------------------------------------------------------------- */

static ntk_status copy_item(const copying *c, const ntk_choice *from, ntk_choice *to) {
  *to = *from;
  NTK_TRY(ntk_arena_new(&c->plan->network->arena, from->row->options_size, &to->options));
  memcpy(to->options, from->options, from->row->options_size);
  return NTK_OK;
}

/* What an item stands for: itself, or the list of a short form. */
static ntk_status unfold(const copying *c, const ntk_choice *item, ntk_choices *list) {
  const ntk_layer *layer = (const ntk_layer *)item->row;

  if (layer->unfold) return layer->unfold(c->plan->settings, c->plan->network, item, list);
  *list = (ntk_choices){1, (ntk_choice *)item};
  return NTK_OK;
}

static ntk_status append(const copying *c, const ntk_choices *from, ntk_choices *to) {
  ntk_choice *grown = NULL;

  NTK_TRY(ntk_arena_new(&c->plan->network->arena,
                        (size_t)(to->count + from->count) * sizeof(*grown), &grown));
  if (to->count > 0) memcpy(grown, to->item, (size_t)to->count * sizeof(*grown));
  to->item = grown;
  for (int64_t k = 0; k < from->count; ++k) {
    NTK_TRY(copy_item(c, &from->item[k], &to->item[to->count++]));
  }
  return NTK_OK;
}

static ntk_status keep_list(const copying *c, const ntk_choices *from, ntk_choices *to) {
  *to = (ntk_choices){0};
  for (int64_t k = 0; k < from->count; ++k) {
    ntk_choices list = {0};

    NTK_TRY(unfold(c, &from->item[k], &list));
    NTK_TRY(append(c, &list, to));
  }
  for (int64_t k = 0; k < to->count; ++k) NTK_TRY(name_item(c, to, k));
  for (int64_t k = 0; k < to->count; ++k) NTK_TRY(keep_options(c, &to->item[k]));
  return NTK_OK;
}

ntk_status ntk_plan_list(ntk_plan *plan) {
  const copying c = {plan, "", 0};
  const ntk_network_settings *s = plan->settings;
  ntk_choices list = s->layers;
  const bool listed = s->kind ? s->kind == &ntk_network_listed : s->layers.count > 0;

  if (!listed) NTK_TRY(ntk_kind_list(s, plan->network, &list));
  NTK_CHECK(list.count > 0, NTK_E_CONFIG, "the network has no layers");
  return keep_list(&c, &list, &plan->network->list);
}
