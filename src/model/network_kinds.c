/* The short forms of network.kind. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "network_plan.h"
#include "network_rows.h"

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
  ntk_dense_options hidden = {.affine = {.features = {s->width, NULL}, .biased = true}}, readout;

  ntk_layer_dense.forget(&hidden); /* it is as the network's settings say */
  readout = hidden;
  readout.affine.layer.name = "readout";
  readout.affine.features.factor = network->outputs;
  NTK_TRY(ntk_arena_new(&network->arena, (size_t)(2 * s->depth + 2) * sizeof(*list->item),
                        &list->item));
  if (network->input.rank > 1) NTK_TRY(add_item(network, list, &ntk_layer_flatten, &nameless));
  for (int64_t d = 0; d < s->depth; ++d) {
    NTK_TRY(add_item(network, list, &ntk_layer_dense, &hidden));
    NTK_TRY(add_item(network, list, &ntk_layer_activation, &activation));
  }
  return add_item(network, list, &ntk_layer_dense, &readout);
}

/* ---- lists written as YAML ------------------------------------------------------------------- */

/* Activations that are the identity: the ones given. */
static void adapt_option(const ntk_option *o, void *options, const ntk_choice *activation) {
  ntk_choice *own = (ntk_choice *)((char *)options + o->offset);

  if (o->type != NTK_CHOICE || o->rows != ntk_activations) return;
  if (strcmp(own->row->name, "identity") == 0) *own = *activation;
}

static void adapt(ntk_choices *list, const ntk_choice *activation, ntk_mark mark) {
  for (int64_t k = 0; k < list->count; ++k) {
    ntk_choice *item = &list->item[k];

    item->mark = mark;
    for (const ntk_option *o = item->row->options; o->key; ++o) {
      adapt_option(o, item->options, activation);
      if (ntk_list_in(o, item->options)) adapt(ntk_list_in(o, item->options), activation, mark);
    }
  }
}

ntk_status ntk_list_parse(ntk_network *network, const char *yaml, const ntk_choice *activation,
                          ntk_mark mark, ntk_choices *list) {
  ntk_tree tree = {0};
  ntk_problems problems = {0};
  ntk_network_settings settings = {0};
  ntk_status status = ntk_tree_parse("the layers of a short form", yaml, &tree, &problems);

  if (status == NTK_OK) {
    status = ntk_option_bind(&ntk_list_section, tree.root, "", "", &network->arena, &settings,
                             &problems);
  }
  if (status == NTK_OK) status = ntk_problems_status(&problems);
  if (status == NTK_OK) adapt(&settings.layers, activation, mark);
  *list = settings.layers;
  ntk_problems_destroy(&problems);
  ntk_tree_destroy(&tree);
  return status;
}

/* ---- the other kinds ------------------------------------------------------------------------- */

/* `first`, then `block` with its number in place of %d `depth` times, then `last`. */
static ntk_status write(const ntk_network_settings *s, const char *first, const char *block,
                        const char *last, ntk_text *yaml) {
  const char *number = strstr(block, "%d");

  NTK_TRY(ntk_text_add(yaml, "layers:\n%s", first));
  for (int64_t d = 0; d < s->depth; ++d) {
    NTK_TRY(
        ntk_text_add(yaml, "%.*s%lld%s", (int)(number - block), block, (long long)d, number + 2));
  }
  return ntk_text_add(yaml, "%s- dense: {name: readout, features: outputs}\n", last);
}

static ntk_status write_cnn(const ntk_network_settings *s, const ntk_network *network,
                            ntk_text *yaml) {
  (void)network;
  return write(s, "",
               "- conv: {name: conv%d, features: width, kernel: 3, padding: same}\n"
               "- activation: identity\n",
               "- flatten\n", yaml);
}

static ntk_status write_resnet(const ntk_network_settings *s, const ntk_network *network,
                               ntk_text *yaml) {
  if (network->input.rank == 3) {
    return write(s, "- conv: {name: stem, features: width, kernel: 3, padding: same}\n",
                 "- residual: {name: block%d, branch: [activation: identity,"
                 " conv: {features: width, kernel: 3, padding: same}, activation: identity,"
                 " conv: {features: width, kernel: 3, padding: same}]}\n",
                 "- activation: identity\n- global_avg_pool\n", yaml);
  }
  return write(s,
               network->input.rank > 1 ? "- flatten\n- dense: {name: stem, features: width}\n"
                                       : "- dense: {name: stem, features: width}\n",
               "- residual: {name: block%d, branch: [activation: identity,"
               " dense: {features: width}]}\n",
               "- activation: identity\n", yaml);
}

/* A head for every 64 channels. */
static ntk_status write_transformer(const ntk_network_settings *s, const ntk_network *network,
                                    ntk_text *yaml) {
  const int64_t heads = s->width % 64 == 0 ? s->width / 64 : 1;
  char block[160];

  (void)network;
  (void)snprintf(block, sizeof(block),
                 "- transformer_block: {name: block%%d, heads: %lld, mlp: 4*width,"
                 " activation: identity}\n",
                 (long long)heads);
  return write(s,
               s->vocabulary > 0 ? "- token_embedding: {name: embed, features: width}\n"
                                   "- position_embedding: {kind: learned}\n"
                                 : "- dense: {name: embed, features: width}\n"
                                   "- position_embedding: {kind: learned}\n",
               block, "- norm\n- global_avg_pool\n", yaml);
}

static ntk_status write_neural_ode(const ntk_network_settings *s, const ntk_network *network,
                                   ntk_text *yaml) {
  return ntk_text_add(yaml,
                      "layers:\n%s- dense: {name: stem, features: width}\n"
                      "- neural_ode: {name: flow, activation: identity, steps: %lld}\n"
                      "- dense: {name: readout, features: outputs}\n",
                      network->input.rank > 1 ? "- flatten\n" : "", (long long)s->depth);
}

const ntk_row ntk_network_listed = {.name = "layers", .doc = "what `layers` lists"};

/* A short form. */
typedef struct kind {
  ntk_row row;
  int rank;    /* that samples have at least; above 1 `takes` says what they are */
  bool tokens; /* takes those too */
  const char *takes;
  /* Its list as YAML; NULL: of mlp. */
  ntk_status (*write)(const ntk_network_settings *settings, const ntk_network *network,
                      ntk_text *yaml);
} kind;

static const kind mlp = {
    {.name = "mlp",
     .doc = "depth times (dense width, activation), then a dense readout; flatten first for "
            "images"},
    .rank = 1};
static const kind cnn = {
    {.name = "cnn",
     .doc = "depth times (conv width, 3 x 3, same; activation), flatten, dense readout"},
    .rank = 3,
    .takes = "images (h, w, c)",
    .write = write_cnn};
static const kind resnet = {
    {.name = "resnet",
     .doc = "conv or dense stem, depth times x + branch(x) (images: activation, conv, activation, "
            "conv; else activation, dense), activation, mean over positions, dense readout"},
    .rank = 1,
    .write = write_resnet};
static const kind transformer = {
    {.name = "transformer",
     .doc = "token_embedding (vectors: dense), learned positions, depth transformer_blocks (a head "
            "for every 64 of width, mlp 4*width), norm, mean over positions, dense readout"},
    .rank = 2,
    .tokens = true,
    .takes = "tokens, or sequences (tokens, width)",
    .write = write_transformer};
static const kind neural_ode = {
    {.name = "neural_ode",
     .doc = "dense width, neural_ode of horizon 1 in depth steps, dense readout; flatten first"},
    .rank = 1,
    .write = write_neural_ode};
const ntk_row *const ntk_network_kinds[] = {
    &mlp.row, &cnn.row, &resnet.row, &transformer.row, &neural_ode.row, &ntk_network_listed, NULL};

/* Said of the kind, because nobody wrote the layers that would not fit. */
static ntk_status check_samples(const kind *k, const ntk_network_settings *s,
                                const ntk_network *network) {
  char shape[NTK_SHAPE_TEXT];

  if (s->vocabulary > 0 && k->tokens) return NTK_OK;
  NTK_CHECK(s->vocabulary == 0, NTK_E_CONFIG,
            "kind: %s takes numbers, but the data are tokens 0 .. %" PRId64
            "; write kind: transformer, or layers that begin with token_embedding; integers that "
            "are amounts come from source: npy",
            k->row.name, s->vocabulary - 1);
  NTK_CHECK(network->input.rank >= k->rank, NTK_E_CONFIG,
            "kind: %s takes %s, but the samples have shape %s; write kind: mlp, resnet or "
            "neural_ode, or give the inputs that shape in their file",
            k->row.name, k->takes, ntk_shape_text(&network->input, shape));
  return NTK_OK;
}

ntk_status ntk_kind_list(const ntk_network_settings *settings, ntk_network *network,
                         ntk_choices *list) {
  const kind *chosen = settings->kind ? (const kind *)settings->kind : &mlp;
  ntk_text yaml = {0};

  *list = (ntk_choices){0};
  NTK_TRY(check_samples(chosen, settings, network));
  if (!chosen->write) return expand_mlp(settings, network, list);
  ntk_status status = chosen->write(settings, network, &yaml);

  if (status == NTK_OK) {
    status =
        ntk_list_parse(network, ntk_text_string(&yaml), &settings->activation, (ntk_mark){0}, list);
  }
  ntk_text_destroy(&yaml);
  return status;
}
