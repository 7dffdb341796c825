/* The flat list of layers: containers expanded, shapes inferred, tensors declared. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "network_plan.h"
#include "network_rows.h"

enum {
  MOST_LAYERS = 100000,
  MOST_PATH = 72, /* "layers/", the path, a tensor's name and "/s_w" are a name of a record */
  PATH_TEXT = 160
};

/* Where layers are added. */
typedef struct place {
  const char *path; /* of their list: "", "stage/0/block/branch/" */
  int shared;       /* the copy k > 0 of a shared list: its first layer in copy 0; else -1 */
  int first;        /* ... and in this one */
} place;

static ntk_status add_list(ntk_plan *p, const place *at, const ntk_choices *list);

static bool is(const ntk_choice *item, const ntk_layer *layer) { return item->row == &layer->row; }

static bool shares(const ntk_choice *item) {
  const ntk_dense_options *o = item->options;

  return is(item, &ntk_layer_dense) && o->share && !o->transposed;
}

/* ---- how many -------------------------------------------------------------------------------- */

/* Layers and, among them, linear maps with tensors of their own. */
typedef struct census {
  int64_t layers, maps;
} census;

static census count_list(const ntk_choices *list);

static census count_residual(const ntk_residual_options *o) {
  const census branch = count_list(&o->branch), skip = count_list(&o->skip);
  const bool projects = ntk_residual_projects(o);

  return (census){branch.layers + 2 + (projects ? skip.layers + 1 : 0),
                  branch.maps + (projects ? skip.maps : 0)};
}

static census count_repeat(const ntk_repeat_options *o) {
  const census once = count_list(&o->layers);

  return (census){once.layers * o->times, once.maps * (o->share ? 1 : o->times)};
}

static census count_item(const ntk_choice *item) {
  const ntk_layer *layer = (const ntk_layer *)item->row;

  if (is(item, &ntk_layer_residual)) return count_residual(item->options);
  if (is(item, &ntk_layer_repeat)) return count_repeat(item->options);
  return (census){1, layer->linear && !shares(item)};
}

/* Nested repeats multiply; beyond the bound only that matters. */
static census count_list(const ntk_choices *list) {
  census sum = {0};

  for (int64_t k = 0; k < list->count && sum.layers <= MOST_LAYERS; ++k) {
    const census one = count_item(&list->item[k]);

    sum.layers += one.layers;
    sum.maps += one.maps;
  }
  return sum;
}

static ntk_status count(ntk_plan *p) {
  const ntk_parameterization *form = (const ntk_parameterization *)p->settings->parameterization;
  const census all = count_list(&p->network->list);

  NTK_CHECK(all.layers <= MOST_LAYERS, NTK_E_CONFIG, "the network has more than %d layers",
            (int)MOST_LAYERS);
  p->capacity = (int)all.layers;
  p->maps = (int)all.maps;
  NTK_CHECK(form->maps == 0 || form->maps == p->maps, NTK_E_CONFIG,
            "parameterization: %s is for networks of %d weight layers, this one has %d; its "
            "counterpart for any depth is mup",
            form->row.name, form->maps, p->maps);
  return NTK_OK;
}

/* ---- one layer ------------------------------------------------------------------------------- */

static ntk_role role_of(int map, int maps) {
  if (maps == 1) return NTK_ROLE_ONLY;
  if (map == 0) return NTK_ROLE_INPUT;
  return map == maps - 1 ? NTK_ROLE_READOUT : NTK_ROLE_HIDDEN;
}

/* The short form's biases are checked with the settings; these are those of the list's layers. */
static ntk_status check_keys(const ntk_plan *p, const ntk_node_layer *node, int first) {
  const ntk_network_settings *s = p->settings;
  const ntk_keys_row *keys = (const ntk_keys_row *)s->rng.keys;

  for (int t = first; t < p->network->tensor_count; ++t) {
    const ntk_tensor_law *law = &p->network->tensor[t].law;

    if (keys->draws_bias || law->law || law->std == 0 || s->weights) continue;
    return ntk_layer_refuse(node, "rng.keys: %s draws no biases; set this layer's bias.std to 0",
                            keys->row.name);
  }
  return NTK_OK;
}

static void note_use(ntk_network *network, const ntk_node_layer *node) {
  for (int t = node->first_tensor; t < node->first_tensor + node->tensors; ++t) {
    ++network->tensor[t].uses;
    network->tensor[t].positions += node->positions;
  }
  if (node->borrowed < 0) return;
  ++network->tensor[node->borrowed].uses;
  network->tensor[node->borrowed].positions += node->positions;
}

/* The tensors of the same layer in the first copy of a shared list. */
static void share_tensors(const ntk_node_layer *first, ntk_node_layer *node) {
  node->source = first->source;
  node->first_tensor = first->first_tensor;
  node->tensors = first->tensors;
  node->borrowed = first->borrowed;
  node->factors = first->factors;
  node->role = first->role;
}

static ntk_status add_tensors(ntk_plan *p, const place *at, ntk_node_layer *node,
                              const ntk_choice *item) {
  ntk_network *network = p->network;
  const int l = (int)(node - network->layer), first = network->tensor_count;

  if (at->shared >= 0) {
    share_tensors(&network->layer[at->shared + l - at->first], node);
  } else {
    if (node->layer->linear && !shares(item)) node->role = role_of(p->map++, p->maps);
    if (node->layer->tensors) NTK_TRY(node->layer->tensors(p->settings, network, node));
  }
  note_use(network, node);
  return check_keys(p, node, first);
}

/* Nothing but an embedding reads tokens: any other layer would take their names for amounts. */
static ntk_status check_first(const ntk_network_settings *s, const ntk_node_layer *node) {
  if (s->vocabulary == 0 || node->layer == &ntk_layer_token_embedding) return NTK_OK;
  return ntk_layer_refuse(node,
                          "takes numbers, but the data are tokens 0 .. %" PRId64
                          "; put '- token_embedding: {features: width}' before it; integers that "
                          "are amounts come from source: npy",
                          s->vocabulary - 1);
}

/* A layer behind those that are there, its shape still to come. */
static ntk_status add_node(ntk_plan *p, const place *at, const ntk_layer *layer,
                           const ntk_choice *item, const char *name, ntk_node_layer **added) {
  ntk_network *network = p->network;

  NTK_ASSERT(network->layer_count < p->capacity);
  const int l = network->layer_count++;
  ntk_node_layer *node = &network->layer[l];

  *node = (ntk_node_layer){.layer = layer,
                           .options = item->options,
                           .mark = item->mark,
                           .in = l > 0 ? network->layer[l - 1].out : network->input,
                           .factors = layer->factors,
                           .first_tensor = network->tensor_count,
                           .source = l,
                           .borrowed = -1,
                           .partner = -1};
  node->positions = ntk_shape_positions(&node->in);
  const int length = snprintf(node->name, sizeof(node->name), "%s%s", at->path, name);

  *added = node;
  if (l == 0) NTK_TRY(check_first(p->settings, node));
  if (length <= MOST_PATH) return NTK_OK;
  return ntk_layer_refuse(node, "its path has more than %d characters; take shorter names",
                          (int)MOST_PATH);
}

static ntk_status add_plain(ntk_plan *p, const place *at, const ntk_choice *item) {
  const char *name = ((const ntk_layer_options *)item->options)->name;
  ntk_node_layer *node = NULL;

  NTK_TRY(add_node(p, at, (const ntk_layer *)item->row, item, name, &node));
  NTK_TRY(node->layer->shape(node));
  if (node->layer->prepare) NTK_TRY(node->layer->prepare(p->network, node));
  return add_tensors(p, at, node, item);
}

/* ---- containers ------------------------------------------------------------------------------ */

static bool same_shape(const ntk_shape *a, const ntk_shape *b) {
  return a->rank == b->rank && memcmp(a->size, b->size, (size_t)a->rank * sizeof(a->size[0])) == 0;
}

/* The list `part` of the container `item`: "stage/0/", "block/branch/". */
static place inside(const place *at, const ntk_choice *item, const char *part,
                    char path[PATH_TEXT]) {
  const char *name = ((const ntk_layer_options *)item->options)->name;
  place inner = *at;

  (void)snprintf(path, PATH_TEXT, "%.90s%.40s/%.24s/", at->path, name, part);
  inner.path = path;
  return inner;
}

static ntk_status add_row(ntk_plan *p, const place *at, const ntk_layer *layer,
                          const ntk_choice *item, int partner, ntk_node_layer **node) {
  char path[PATH_TEXT];
  const place inner = inside(at, item, layer->row.name, path);

  path[strlen(path) - 1] = '\0';
  const place whole = {.path = inner.path};

  NTK_TRY(add_node(p, &whole, layer, item, "", node));
  (*node)->partner = partner;
  return NTK_OK;
}

/* The skip goes on with what the fork got. */
static ntk_status add_skip(ntk_plan *p, const place *at, const ntk_choice *item, int fork,
                           int *partner) {
  const ntk_residual_options *o = item->options;
  char path[PATH_TEXT];
  const place inner = inside(at, item, "skip", path);
  ntk_node_layer *swap = NULL;

  NTK_TRY(add_row(p, at, &ntk_layer_swap, item, fork, &swap));
  swap->out = p->network->layer[fork].in;
  *partner = (int)(swap - p->network->layer);
  return add_list(p, &inner, &o->skip);
}

static ntk_status refuse_sum(const place *at, const ntk_choice *item, const ntk_shape *branch,
                             const ntk_shape *skip) {
  ntk_node_layer whole = {.layer = &ntk_layer_residual, .mark = item->mark};
  char a[NTK_SHAPE_TEXT], b[NTK_SHAPE_TEXT];

  (void)snprintf(whole.name, sizeof(whole.name), "%.50s%.40s", at->path,
                 ((const ntk_layer_options *)item->options)->name);
  if (((const ntk_residual_options *)item->options)->block) {
    return ntk_layer_refuse(&whole,
                            "its transformer_block gives %s, but its input is %s; put '- dense: "
                            "{features: %lld}' before the block, or write 'features: %lld' in it",
                            ntk_shape_text(branch, a), ntk_shape_text(skip, b),
                            (long long)ntk_shape_channels(branch),
                            (long long)ntk_shape_channels(skip));
  }
  return ntk_layer_refuse(&whole,
                          "its branch gives %s, its skip %s; make them the same by a projection, "
                          "such as skip: [{dense: {features: ...}}], or a conv of kernel 1 with "
                          "the stride of the branch",
                          ntk_shape_text(branch, a), ntk_shape_text(skip, b));
}

static ntk_status add_residual(ntk_plan *p, const place *at, const ntk_choice *item) {
  const ntk_residual_options *o = item->options;
  const ntk_network *network = p->network;
  char path[PATH_TEXT];
  const place inner = inside(at, item, "branch", path);
  ntk_node_layer *fork = NULL, *join = NULL;

  NTK_TRY(add_row(p, at, &ntk_layer_fork, item, -1, &fork));
  NTK_TRY(fork->layer->shape(fork));
  NTK_TRY(add_list(p, &inner, &o->branch));
  const ntk_shape result = network->layer[network->layer_count - 1].out;
  int partner = (int)(fork - network->layer);

  if (ntk_residual_projects(o)) NTK_TRY(add_skip(p, at, item, partner, &partner));
  NTK_TRY(add_row(p, at, &ntk_layer_join, item, partner, &join));
  if (!ntk_residual_projects(o)) join->in = fork->in;
  if (!same_shape(&join->in, &result)) return refuse_sum(at, item, &result, &join->in);
  return join->layer->shape(join);
}

static ntk_status check_shared(const ntk_plan *p, int first) {
  const ntk_node_layer *node = &p->network->layer[first], *last;
  char in[NTK_SHAPE_TEXT], out[NTK_SHAPE_TEXT];

  last = &p->network->layer[p->network->layer_count - 1];
  if (same_shape(&node->in, &last->out)) return NTK_OK;
  return ntk_layer_refuse(last,
                          "ends a list that repeat applies again with the same tensors, so it must "
                          "give the shape that the list takes, %s, not %s",
                          ntk_shape_text(&node->in, in), ntk_shape_text(&last->out, out));
}

static ntk_status add_repeat(ntk_plan *p, const place *at, const ntk_choice *item) {
  const ntk_repeat_options *o = item->options;
  const int first = p->network->layer_count;
  char path[PATH_TEXT], number[24];

  for (int64_t k = 0; k < o->times; ++k) {
    (void)snprintf(number, sizeof(number), "%lld", (long long)k);
    place inner = inside(at, item, number, path);

    if (o->share && k > 0 && at->shared < 0) {
      inner.shared = first;
      inner.first = p->network->layer_count;
    }
    NTK_TRY(add_list(p, &inner, &o->layers));
    if (o->share && o->times > 1 && k == 0) NTK_TRY(check_shared(p, first));
  }
  return NTK_OK;
}

/* neural-tangents splits keys for the two paths of a residual, and for what is in them. */
static ntk_status check_flat(const ntk_plan *p, const place *at, const ntk_choice *item) {
  const ntk_keys_row *keys = (const ntk_keys_row *)p->settings->rng.keys;
  ntk_node_layer whole = {.layer = (const ntk_layer *)item->row, .mark = item->mark};

  if (whole.layer->shape || !keys->flat || p->settings->weights) return NTK_OK;
  (void)snprintf(whole.name, sizeof(whole.name), "%.50s%.40s", at->path,
                 ((const ntk_layer_options *)item->options)->name);
  return ntk_layer_refuse(&whole,
                          "rng.keys: %s is for plain lists of layers; take per_tensor, or weights "
                          "from a file",
                          keys->row.name);
}

static ntk_status add_list(ntk_plan *p, const place *at, const ntk_choices *list) {
  for (int64_t k = 0; k < list->count; ++k) {
    const ntk_choice *item = &list->item[k];

    NTK_TRY(check_flat(p, at, item));
    if (is(item, &ntk_layer_residual)) {
      NTK_TRY(add_residual(p, at, item));
    } else if (is(item, &ntk_layer_repeat)) {
      NTK_TRY(add_repeat(p, at, item));
    } else {
      NTK_TRY(add_plain(p, at, item));
    }
  }
  return NTK_OK;
}

ntk_status ntk_plan_layers(ntk_plan *p) {
  ntk_network *network = p->network;
  const place top = {.path = "", .shared = -1};

  NTK_TRY(count(p));
  NTK_TRY(ntk_arena_new(&network->arena, (size_t)p->capacity * sizeof(*network->layer),
                        &network->layer));
  NTK_TRY(add_list(p, &top, &network->list));
  network->coupled = ntk_network_coupled(network);
  return ntk_dropout_check(network);
}
