/* transformer_block: short for residual(norm, attention), residual(norm, dense, activation, dense),
 * each of which could be written instead. */
#include <limits.h>
#include <stdio.h>

#include "network_plan.h"

static const ntk_row pre = {.name = "pre", .doc = "x + f(norm(x))"};
static const ntk_row *const norms[] = {&pre, NULL};

static const ntk_option options[] = {
    NTK_LAYER_NAME,
    NTK_HEADS_ROWS,
    {.key = "features",
     .type = NTK_SIZE,
     .offset = offsetof(ntk_head_options, affine.features),
     .fallback = "width",
     .low = 1,
     .high = INT_MAX,
     .doc = "channels of input and output"},
    {.key = "mlp",
     .type = NTK_SIZE,
     .offset = offsetof(ntk_transformer_block_options, mlp),
     .fallback = "4*width",
     .low = 1,
     .high = INT_MAX,
     .doc = "units between the two dense layers"},
    {.key = "norm",
     .type = NTK_WORD,
     .offset = offsetof(ntk_transformer_block_options, norm),
     .fallback = "pre",
     .rows = norms,
     .doc = "where the layer norm stands"},
    {.key = "eps",
     .type = NTK_REAL,
     .offset = offsetof(ntk_transformer_block_options, eps),
     .fallback = "1e-5",
     .low = 0,
     .high = 1e10,
     .doc = "of the norms"},
    {.key = "activation",
     .type = NTK_CHOICE,
     .offset = offsetof(ntk_transformer_block_options, activation),
     .fallback = "gelu",
     .rows = ntk_activations,
     .doc = "between the two dense layers"},
    NTK_AFFINE_WEIGHTS,
    {0},
};

/* What a layer says of its own weights, the block's layers say of theirs. */
static void pass_on(const ntk_affine_options *from, ntk_affine_options *to) {
  const ntk_affine_options own = *to;

  *to = *from;
  to->layer = own.layer;
  to->features = own.features;
}

/* The branch of residual k, which from now on is a part of the block. */
static ntk_choices *branch_of(const ntk_choices *list, int64_t k) {
  ntk_residual_options *residual = list->item[k].options;

  residual->block = true;
  return &residual->branch;
}

static void fill_attention(const ntk_transformer_block_options *o, ntk_attention_options *a) {
  const ntk_layer_options own = a->head.affine.layer;

  a->head = o->head;
  a->head.affine.layer = own;
}

static void fill_dense(const ntk_transformer_block_options *o, const ntk_size *features,
                       ntk_dense_options *d) {
  d->affine.features = *features;
  pass_on(&o->head.affine, &d->affine);
}

static ntk_status name_part(ntk_network *network, const char *name, const char *part,
                            ntk_choice *item) {
  char text[NTK_NAME_SIZE];

  if (!name) return NTK_OK;
  (void)snprintf(text, sizeof(text), "%.80s_%s", name, part);
  return ntk_arena_copy(&network->arena, text, &((ntk_layer_options *)item->options)->name);
}

static ntk_status unfold(const ntk_network_settings *settings, ntk_network *network,
                         const ntk_choice *item, ntk_choices *list) {
  const ntk_transformer_block_options *o = item->options;
  char yaml[512];

  (void)settings;
  (void)snprintf(yaml, sizeof(yaml),
                 "layers: [{residual: {branch: [{norm: {eps: %.17g}}, attention]}},"
                 " {residual: {branch: [{norm: {eps: %.17g}}, {dense: {features: 1}},"
                 " {activation: identity}, {dense: {features: 1}}]}}]",
                 o->eps, o->eps);
  NTK_TRY(ntk_list_parse(network, yaml, &o->activation, item->mark, list));
  const ntk_choices *branch[2] = {branch_of(list, 0), branch_of(list, 1)};

  fill_attention(o, branch[0]->item[1].options);
  fill_dense(o, &o->mlp, branch[1]->item[1].options);
  fill_dense(o, &o->head.affine.features, branch[1]->item[3].options);
  NTK_TRY(name_part(network, o->head.affine.layer.name, "attention", &list->item[0]));
  return name_part(network, o->head.affine.layer.name, "mlp", &list->item[1]);
}

const ntk_layer ntk_layer_transformer_block = {
    .row = {.name = "transformer_block",
            .also = "transformer_layer transformer_encoder_layer encoder_layer",
            .doc = "x + attention(norm(x)), then x + dense(phi(dense(norm(x)))): stands for two "
                   "residual layers, NAME_attention and NAME_mlp",
            .options = options,
            .options_size = sizeof(ntk_transformer_block_options)},
    .unfold = unfold,
};
