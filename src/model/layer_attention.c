/* attention: multi-head self-attention (MATH B22).  The maps to queries, keys, values and to the
 * output are factors with the tokens as positions. */
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "heads.h"
#include "layers.h"
#include "network_rows.h"
#include "ntk/base/memory.h"
#include "ntk/model/rows.h"

/* ---- options and tensors --------------------------------------------------------------------- */

static const ntk_option options[] = {
    NTK_LAYER_NAME,
    NTK_HEADS_ROWS,
    {.key = "value_dim",
     .type = NTK_SIZE,
     .offset = offsetof(ntk_attention_options, value_dim),
     .low = 1,
     .high = INT_MAX,
     .doc = "channels of a head's values; default: head_dim"},
    {.key = "features",
     .type = NTK_SIZE,
     .offset = offsetof(ntk_head_options, affine.features),
     .low = 1,
     .high = INT_MAX,
     .doc = "channels of the output; default: those of the input"},
    NTK_AFFINE_WEIGHTS,
    {0},
};

enum { QUERY, KEY, VALUE, OUTPUT, PARTS };

static const char *const weight_names[PARTS] = {"Wq", "Wk", "Wv", "Wo"};
static const char *const bias_names[PARTS] = {"bq", "bk", "bv", "bo"};

static ntk_status settle_sizes(ntk_node_layer *node) {
  ntk_attention_options *o = node->options;
  const int64_t width = ntk_shape_channels(&node->in);

  if (o->head.dim.factor == NTK_AUTO_INT) {
    if (width % o->head.heads != 0) {
      return ntk_layer_refuse(node,
                              "%" PRId64 " heads do not divide the %" PRId64
                              " channels of its input; write head_dim",
                              o->head.heads, width);
    }
    o->head.dim.factor = width / o->head.heads;
  }
  if (o->value_dim.factor == NTK_AUTO_INT) o->value_dim = o->head.dim;
  if (o->head.affine.features.factor == NTK_AUTO_INT) o->head.affine.features.factor = width;
  if ((double)o->head.heads * (double)(o->head.dim.factor + o->value_dim.factor) > INT_MAX) {
    return ntk_layer_refuse(node, "%" PRId64 " heads of %" PRId64 " channels are too many",
                            o->head.heads, o->head.dim.factor);
  }
  return NTK_OK;
}

static ntk_status shape(ntk_node_layer *node) {
  const ntk_attention_options *o = node->options;
  char in[NTK_SHAPE_TEXT];

  if (node->in.rank < 2) {
    return ntk_layer_refuse(node,
                            "takes sequences (tokens, width), but its input is %s; put "
                            "'- token_embedding' before it, or data of that shape",
                            ntk_shape_text(&node->in, in));
  }
  NTK_TRY(settle_sizes(node));
  node->out = node->in;
  node->out.size[node->out.rank - 1] = o->head.affine.features.factor;
  node->fan_in = ntk_shape_channels(&node->in);
  node->fan_out = o->head.affine.features.factor;
  node->factors = o->head.tied ? PARTS - 1 : PARTS;
  return NTK_OK;
}

static ntk_status check_padding(const ntk_network *network, const ntk_node_layer *node) {
  const ntk_attention_options *o = node->options;
  const ntk_node_layer *first = &network->layer[0];
  char in[NTK_SHAPE_TEXT];

  if (o->head.padding == NTK_AUTO_INT) return NTK_OK;
  if (first->layer != &ntk_layer_token_embedding) {
    return ntk_layer_refuse(node,
                            "padding is a token, but the network does not begin with "
                            "token_embedding");
  }
  const ntk_token_embedding_options *tokens = first->options;

  if (o->head.padding >= tokens->vocabulary.factor) {
    return ntk_layer_refuse(node, "padding: %" PRId64 " is no token 0 .. %" PRId64, o->head.padding,
                            tokens->vocabulary.factor - 1);
  }
  if (ntk_shape_positions(&node->in) != first->positions) {
    return ntk_layer_refuse(
        node, "padding: its input is %s, which are not the %" PRId64 " tokens of the data",
        ntk_shape_text(&node->in, in), first->positions);
  }
  return NTK_OK;
}

static ntk_status check_settings(const ntk_network_settings *settings, const ntk_network *network,
                                 const ntk_node_layer *node) {
  const ntk_parameterization *form = (const ntk_parameterization *)settings->parameterization;
  const ntk_keys_row *keys = (const ntk_keys_row *)settings->rng.keys;

  if (form->maps > 0) {
    return ntk_layer_refuse(node, "parameterization: %s is for dense networks", form->row.name);
  }
  if (!keys->draws_bias && !settings->weights) {
    return ntk_layer_refuse(node, "rng.keys: %s draws one tensor a layer; write per_tensor",
                            keys->row.name);
  }
  return check_padding(network, node);
}

/* The maps to queries, keys and values come first, that to the output last. */
static ntk_role role_of(ntk_role role, int part) {
  if (role == NTK_ROLE_ONLY) return part == OUTPUT ? NTK_ROLE_READOUT : NTK_ROLE_INPUT;
  if (role == NTK_ROLE_INPUT) return part == OUTPUT ? NTK_ROLE_HIDDEN : NTK_ROLE_INPUT;
  if (role == NTK_ROLE_READOUT) return part == OUTPUT ? NTK_ROLE_READOUT : NTK_ROLE_HIDDEN;
  return role;
}

static bool has_bias(const ntk_attention_options *o, int part) {
  return o->head.affine.biased && (part == OUTPUT || o->head.biased);
}

static bool has_weight(const ntk_attention_options *o, int part) {
  return part != QUERY || !o->head.tied;
}

/* Sizes and laws of W and b of a part. */
static ntk_status describe(const ntk_network_settings *settings, const ntk_node_layer *node,
                           int part, ntk_tensor *w, ntk_tensor *b) {
  const ntk_attention_options *o = node->options;
  const int64_t heads = o->head.heads, in = node->fan_in, out = node->fan_out;
  const int64_t dim = part == VALUE || part == OUTPUT ? o->value_dim.factor : o->head.dim.factor;
  const int64_t columns = part == OUTPUT ? out : heads * dim;
  const ntk_site site = {role_of(node->role, part), part == OUTPUT ? heads * dim : in, columns};
  double rate = 0;

  if (part == OUTPUT) {
    *w = (ntk_tensor){.rank = 3, .size = {heads, dim, out}, .axes = "head value out"};
    *b = (ntk_tensor){.rank = 1, .size = {out}, .axes = "out"};
  } else {
    *w = (ntk_tensor){.rank = 3, .size = {in, heads, dim}, .axes = "in head key"};
    *b = (ntk_tensor){.rank = 2, .size = {heads, dim}, .axes = "head key"};
  }
  if (part == VALUE) {
    w->axes = "in head value";
    b->axes = "head value";
  }
  return ntk_affine_scale(settings, node, &site, columns, w, b, &rate);
}

static ntk_status tensors(const ntk_network_settings *settings, ntk_network *network,
                          ntk_node_layer *node) {
  const ntk_attention_options *o = node->options;
  ntk_tensor w[PARTS], b[PARTS];

  NTK_TRY(check_settings(settings, network, node));
  for (int k = 0; k < PARTS; ++k) NTK_TRY(describe(settings, node, k, &w[k], &b[k]));
  for (int k = QUERY; k < OUTPUT; ++k) {
    if (!has_weight(o, k)) continue;
    NTK_TRY(ntk_network_add_tensor(network, node, weight_names[k], &w[k]));
  }
  for (int k = QUERY; k < OUTPUT; ++k) {
    if (!has_weight(o, k) || !has_bias(o, k)) continue;
    NTK_TRY(ntk_network_add_tensor(network, node, bias_names[k], &b[k]));
  }
  NTK_TRY(ntk_network_add_tensor(network, node, weight_names[OUTPUT], &w[OUTPUT]));
  if (!has_bias(o, OUTPUT)) return NTK_OK;
  return ntk_network_add_tensor(network, node, bias_names[OUTPUT], &b[OUTPUT]);
}

static const ntk_tensor *find(const ntk_network *network, const ntk_node_layer *node,
                              const char *name) {
  for (int t = node->first_tensor; t < node->first_tensor + node->tensors; ++t) {
    const char *last = strrchr(network->tensor[t].name, '/');

    if (last && strcmp(last + 1, name) == 0) return &network->tensor[t];
  }
  return NULL;
}

/* ---- a pass ---------------------------------------------------------------------------------- */

/* The tensors and arrays of a layer; all arrays [sample][token][...]. */
typedef struct pass {
  const ntk_node_layer *node;
  const ntk_attention_options *o;
  ntk_dtype dtype;
  const ntk_tensor *w[PARTS], *b[PARTS]; /* tied: those of QUERY are those of KEY */
  int64_t samples, tokens, size[PARTS];  /* entries of a token: q, k, v, output */
  const void *x;
  void *part[OUTPUT]; /* q, k, v; tied: q is k */
  void *y;            /* [head][value_dim], what Wo multiplies */
  void *weight;       /* [sample][head][token][token] */
} pass;

/* Entries of a token in tape->aux. */
static int64_t kept_of(const ntk_node_layer *node) {
  const ntk_attention_options *o = node->options;
  const int64_t keys = o->head.dim.factor * (o->head.tied ? 1 : 2);

  return o->head.heads * (keys + 2 * o->value_dim.factor + ntk_shape_positions(&node->in));
}

static void *take(const pass *p, int64_t size, void **from) {
  void *array = *from;

  *from = ntk_array_at(p->dtype, *from, p->samples * p->tokens * size);
  return array;
}

static void divide(pass *p, void *kept) {
  p->part[KEY] = take(p, p->size[KEY], &kept);
  p->part[QUERY] = p->o->head.tied ? p->part[KEY] : take(p, p->size[QUERY], &kept);
  p->part[VALUE] = take(p, p->size[VALUE], &kept);
  p->y = take(p, p->size[VALUE], &kept);
  p->weight = kept;
}

static pass pass_of(const ntk_node_layer *node, const ntk_tape *tape, int l) {
  const ntk_attention_options *o = node->options;
  const int64_t heads = o->head.heads, dim = heads * o->head.dim.factor;
  pass p = {.node = node,
            .o = o,
            .dtype = tape->network->dtype,
            .samples = ntk_pad(tape->count),
            .tokens = ntk_shape_positions(&node->in),
            .size = {dim, dim, heads * o->value_dim.factor, node->fan_out},
            .x = tape->value[l]};

  for (int k = 0; k < PARTS; ++k) {
    const int own = has_weight(o, k) ? k : KEY;

    p.w[k] = find(tape->network, node, weight_names[own]);
    p.b[k] = find(tape->network, node, bias_names[own]);
    NTK_ASSERT(p.w[k]);
  }
  divide(&p, tape->aux[l]);
  return p;
}

static ntk_heads heads_of(const pass *p) {
  const ntk_head_options *o = &p->o->head;

  return (ntk_heads){.dtype = p->dtype,
                     .mechanism = o->mechanism,
                     .tokens = p->tokens,
                     .count = o->heads,
                     .dim = o->dim.factor,
                     .value_dim = p->o->value_dim.factor,
                     .scale = isnan(o->scale) ? 1 / sqrt((double)o->dim.factor) : o->scale,
                     .causal = o->causal};
}

/* Which keys of a sample are padding. */
static void hide(const pass *p, const ntk_tape *tape, int64_t sample, const ntk_heads *heads) {
  if (p->o->head.padding == NTK_AUTO_INT) return;
  ntk_array_convert(p->dtype, ntk_array_const_at(p->dtype, tape->value[0], sample * p->tokens),
                    NTK_DOUBLE, heads->line, p->tokens);
  for (int64_t u = 0; u < p->tokens; ++u) {
    heads->hidden[u] = heads->line[u] == (double)p->o->head.padding;
  }
}

static void *at(const pass *p, void *array, int64_t sample, int64_t size) {
  return ntk_array_at(p->dtype, array, sample * p->tokens * size);
}

/* ---- forward --------------------------------------------------------------------------------- */

/* out = s_w a W + s_b b at every token. */
static ntk_status apply_map(const pass *p, int part, const void *a, void *out) {
  const ntk_tensor *w = p->w[part], *b = p->b[part];
  const int64_t rows = p->samples * p->tokens;

  if (b) ntk_rows_fill(p->dtype, rows, p->size[part], b->multiplier, b->data, out);
  return ntk_rows_gemm(p->dtype, false, rows, p->size[part], w->count / p->size[part],
                       w->multiplier, a, w->data, b ? 1 : 0, out);
}

static ntk_status attend(const pass *p, const ntk_tape *tape) {
  ntk_heads heads = heads_of(p);
  const ntk_status status = ntk_heads_create(&heads);

  for (int64_t s = 0; status == NTK_OK && s < p->samples; ++s) {
    hide(p, tape, s, &heads);
    ntk_heads_apply(&heads, at(p, p->part[QUERY], s, p->size[QUERY]),
                    at(p, p->part[KEY], s, p->size[KEY]), at(p, p->part[VALUE], s, p->size[VALUE]),
                    at(p, p->weight, s, heads.count * p->tokens), at(p, p->y, s, p->size[VALUE]));
  }
  ntk_heads_destroy(&heads);
  return status;
}

static ntk_status forward(const ntk_node_layer *node, ntk_tape *tape, int l) {
  const int64_t tokens = ntk_pad(tape->count) * ntk_shape_positions(&node->in);
  const ntk_dtype dtype = tape->network->dtype;

  NTK_TRY(ntk_array_new_unset(dtype, tokens * kept_of(node), &tape->aux[l]));
  NTK_TRY(ntk_array_new_unset(dtype, tokens * node->fan_out, &tape->value[l + 1]));
  const pass p = pass_of(node, tape, l);

  for (int k = QUERY; k < OUTPUT; ++k) {
    if (has_weight(p.o, k)) NTK_TRY(apply_map(&p, k, p.x, p.part[k]));
  }
  NTK_TRY(attend(&p, tape));
  return apply_map(&p, OUTPUT, p.y, tape->value[l + 1]);
}

/* ---- backward -------------------------------------------------------------------------------- */

/* Deltas [sample][row][token][...] in the stream's scratch. */
typedef struct pull {
  const pass *p;
  int64_t rows;
  void *part[OUTPUT], *y; /* tied: that of QUERY is NULL, KEY has both */
} pull;

static int64_t scratch_of(const ntk_node_layer *node, int64_t rows) {
  const ntk_attention_options *o = node->options;
  const int64_t keys = o->head.dim.factor * (o->head.tied ? 1 : 2);

  return rows * ntk_shape_positions(&node->in) * o->head.heads * (keys + 2 * o->value_dim.factor);
}

static ntk_status pull_of(const pass *p, ntk_stream *stream, pull *q) {
  void *room = NULL;

  *q = (pull){.p = p, .rows = stream->rows};
  NTK_TRY(ntk_stream_scratch(stream, scratch_of(p->node, q->rows), &room));
  for (int k = VALUE; k >= QUERY; --k) {
    if (!has_weight(p->o, k)) continue;
    q->part[k] = room;
    room = ntk_array_at(p->dtype, room, p->samples * q->rows * p->tokens * p->size[k]);
  }
  q->y = room;
  return NTK_OK;
}

static void pull_sample(const pull *q, const ntk_heads *heads, int64_t s) {
  const pass *p = q->p;
  const bool tied = p->o->head.tied;

  for (int64_t row = s * q->rows; row < (s + 1) * q->rows; ++row) {
    void *dk = at(p, q->part[KEY], row, p->size[KEY]);
    void *dq = tied ? dk : at(p, q->part[QUERY], row, p->size[QUERY]);

    ntk_heads_pull(heads, at(p, p->part[QUERY], s, p->size[QUERY]),
                   at(p, p->part[KEY], s, p->size[KEY]), at(p, p->part[VALUE], s, p->size[VALUE]),
                   at(p, p->weight, s, heads->count * p->tokens), at(p, q->y, row, p->size[VALUE]),
                   dq, tied ? NULL : dk, at(p, q->part[VALUE], row, p->size[VALUE]));
  }
}

/* Deltas of q, k, v from the stream's. */
static ntk_status pull_back(const pull *q, ntk_stream *stream) {
  const pass *p = q->p;
  ntk_heads heads = heads_of(p);

  NTK_TRY(ntk_stream_expand(stream));
  NTK_TRY(ntk_rows_gemm(p->dtype, true, p->samples * q->rows * p->tokens, p->size[VALUE],
                        p->size[OUTPUT], p->w[OUTPUT]->multiplier, stream->full, p->w[OUTPUT]->data,
                        0, q->y));
  const ntk_status status = ntk_heads_create(&heads);

  for (int64_t s = 0; status == NTK_OK && s < p->samples; ++s) {
    hide(p, stream->tape, s, &heads);
    pull_sample(q, &heads, s);
  }
  ntk_heads_destroy(&heads);
  return status;
}

/* The scratch has what the factors, which came first, found. */
static ntk_status backward(const ntk_node_layer *node, ntk_stream *stream, int l) {
  const pass p = pass_of(node, stream->tape, l);
  const int64_t width = ntk_shape_count(&node->in);
  double beta = 0;
  void *next = NULL;
  pull q;

  NTK_TRY(pull_of(&p, stream, &q));
  if (!ntk_layer_trainable(stream->tape->network, node)) NTK_TRY(pull_back(&q, stream));
  NTK_TRY(ntk_stream_spare(stream, width, &next));
  for (int k = QUERY; k < OUTPUT; ++k) {
    if (!q.part[k]) continue;
    NTK_TRY(ntk_rows_gemm(p.dtype, true, p.samples * q.rows * p.tokens, node->fan_in, p.size[k],
                          p.w[k]->multiplier, q.part[k], p.w[k]->data, beta, next));
    beta = 1;
  }
  ntk_stream_swap(stream, width);
  return NTK_OK;
}

static ntk_status factor(const ntk_node_layer *node, ntk_stream *stream, int l, int k,
                         ntk_factor *factor) {
  const pass p = pass_of(node, stream->tape, l);
  const int part = k + PARTS - node->factors;
  pull q;

  *factor = (ntk_factor){.kind = NTK_FACTOR_LINEAR,
                         .weight = p.w[part],
                         .bias = p.b[part],
                         .positions = p.tokens,
                         .in = part == OUTPUT ? p.size[VALUE] : node->fan_in,
                         .a = part == OUTPUT ? p.y : p.x};
  factor->w_weight = ntk_stream_weight(stream, factor->weight);
  factor->b_weight = ntk_stream_weight(stream, factor->bias);
  if (part == OUTPUT) return ntk_stream_fold(stream, factor);
  NTK_TRY(pull_of(&p, stream, &q));
  if (part == VALUE) NTK_TRY(pull_back(&q, stream));
  return ntk_stream_fold_array(stream, q.part[part], p.size[part], factor);
}

/* ---- cost ------------------------------------------------------------------------------------ */

/* 2 flops a multiply-add of what a token costs: its maps, and its part of the scores. */
static double map_flops(const ntk_node_layer *node, int part) {
  const ntk_attention_options *o = node->options;
  const bool keys = part == QUERY || part == KEY;
  const int64_t dim = o->head.heads * (keys ? o->head.dim.factor : o->value_dim.factor);

  return 2.0 * (double)dim * (double)(part == OUTPUT ? node->fan_out : node->fan_in);
}

static double score_flops(const ntk_node_layer *node) {
  const ntk_attention_options *o = node->options;
  const double channels = (double)(o->head.dim.factor + o->value_dim.factor);

  return 2.0 * (double)ntk_shape_positions(&node->in) * (double)o->head.heads * channels;
}

static void count_factors(const ntk_node_layer *node, ntk_cost_walk *walk) {
  const ntk_attention_options *o = node->options;
  const int64_t tokens = ntk_shape_positions(&node->in);
  const int64_t dim = o->head.heads * o->head.dim.factor;
  const int64_t values = o->head.heads * o->value_dim.factor;

  for (int k = PARTS - 1; k >= 0; --k) {
    const ntk_tensor *w = find(walk->network, node, weight_names[k]);

    if (!w) continue;
    const int tensor = (int)(w - walk->network->tensor);

    if (k == OUTPUT) {
      ntk_walk_fold(walk, tensor, tokens, values, node->fan_out);
      ntk_walk_expand(walk, ntk_shape_count(&node->out));
      ntk_walk_scratch(walk, scratch_of(node, walk->rows));
    } else {
      ntk_walk_fold_array(walk, tensor, tokens, node->fan_in, k == VALUE ? values : dim);
    }
  }
}

static void cost(const ntk_node_layer *node, ntk_cost_walk *walk) {
  const double size = (double)ntk_dtype_size(walk->network->dtype);
  const double tokens = (double)ntk_shape_positions(&node->in);
  const double vectors = tokens * (double)walk->rows;
  double in = 0;

  for (int k = 0; k < OUTPUT; ++k) {
    if (has_weight(node->options, k)) in += map_flops(node, k);
  }
  walk->cost.forward_flops += tokens * (in + map_flops(node, OUTPUT) + score_flops(node));
  walk->cost.tape_bytes += size * tokens * (double)(kept_of(node) + node->fan_out);
  if (walk->counted) count_factors(node, walk);
  if (!walk->counted && !walk->needed) return;
  ntk_walk_expand(walk, ntk_shape_count(&node->out));
  ntk_walk_scratch(walk, scratch_of(node, walk->rows));
  walk->cost.backward_flops += vectors * (map_flops(node, OUTPUT) + 2 * score_flops(node));
  if (!walk->needed) return;
  ntk_walk_swap(walk, ntk_shape_count(&node->in));
  walk->cost.backward_flops += vectors * in;
}

const ntk_layer ntk_layer_attention = {
    .row = {.name = "attention",
            .also = "self_attention multihead_attention multi_head_attention mha",
            .doc = "multi-head self-attention; tensors Wq Wk [in][heads][head_dim], Wv "
                   "[in][heads][value_dim], bq bk [heads][head_dim], bv [heads][value_dim], Wo "
                   "[heads][value_dim][out], bo [out]",
            .options = options,
            .options_size = sizeof(ntk_attention_options)},
    .linear = true,
    .factors = PARTS,
    .rng_keys = 2 * PARTS,
    .shape = shape,
    .tensors = tensors,
    .forward = forward,
    .backward = backward,
    .factor = factor,
    .cost = cost,
    .forget = ntk_affine_forget,
};
