/* layers.h -- what files of layers share beside layer.h; private to this floor. */
#ifndef NTK_MODEL_LAYERS_H
#define NTK_MODEL_LAYERS_H

#include "affine.h"

typedef struct ntk_dense_options {
  ntk_affine_options affine;
  const char *share; /* name of another layer; NULL: its own tensors */
  bool transposed;
} ntk_dense_options;

typedef struct ntk_residual_options {
  ntk_layer_options layer;
  ntk_choices skip, branch;
  double scale;
  bool block; /* no option: a part of a transformer_block */
} ntk_residual_options;

typedef struct ntk_repeat_options {
  ntk_layer_options layer;
  int64_t times;
  bool share;
  ntk_choices layers;
} ntk_repeat_options;

/* Local.  network->two_kernels; fails with NTK_E_CONFIG if expected masks cannot be had. */
NTK_CHECKED ntk_status ntk_dropout_check(ntk_network *network);

/* Whether the layer is batch_norm in mode train. */
bool ntk_batch_norm_couples(const ntk_node_layer *node);

/* Whether a mask depends on which sample it is for. */
bool ntk_dropout_by_sample(const ntk_network *network);

/* Whether the skip is more than the identity. */
bool ntk_residual_projects(const ntk_residual_options *options);

/* Containers; and what residual is expanded into, which no config can name. */
extern const ntk_layer ntk_layer_residual, ntk_layer_repeat;
extern const ntk_layer ntk_layer_fork, ntk_layer_swap, ntk_layer_join;

typedef struct ntk_norm_options {
  ntk_layer_options layer;
  const ntk_row *over, *affine; /* affine NULL: auto */
  double eps;
  bool mean_only, trainable;
} ntk_norm_options;

typedef struct ntk_batch_norm_options {
  ntk_layer_options layer;
  const ntk_row *mode;
  double eps;
  bool affine, trainable;
} ntk_batch_norm_options;

typedef struct ntk_dropout_options {
  ntk_layer_options layer;
  double keep;
  bool inverted;
  const ntk_row *masks;
  int64_t seed;
} ntk_dropout_options;

typedef struct ntk_activation_options {
  ntk_layer_options layer;
  ntk_choice kind; /* a row of ntk_activations */
} ntk_activation_options;

typedef struct ntk_neural_ode_options {
  ntk_affine_options affine;
  const ntk_row *field, *integrator;
  ntk_choice activation; /* a row of ntk_activations */
  double horizon;
  int64_t steps;
} ntk_neural_ode_options;

typedef struct ntk_token_embedding_options {
  ntk_affine_options affine;
  ntk_size vocabulary;
} ntk_token_embedding_options;

typedef struct ntk_position_embedding_options {
  ntk_affine_options affine;
  const ntk_row *kind;
  double base;
} ntk_position_embedding_options;

/* What attention and transformer_block have in common, first members of their options;
 * NTK_HEADS_ROWS are its rows. */
typedef struct ntk_head_options {
  ntk_affine_options affine; /* features absent: as many as the input has */
  int64_t heads;
  ntk_size dim; /* absent: channels of the input over the heads */
  bool causal;
  const ntk_row *mechanism;
  double scale; /* NaN: 1 / sqrt(dim) */
  bool tied, biased;
  int64_t padding; /* NTK_AUTO_INT: none */
} ntk_head_options;

extern const ntk_row *const ntk_attention_mechanisms[];

#define NTK_HEADS_FIELD(name) .offset = offsetof(ntk_head_options, name)

#define NTK_HEADS_ROWS                                                                            \
  {.key = "heads", .type = NTK_INT, NTK_HEADS_FIELD(heads), .fallback = "1", .low = 1,            \
   .high = 65536, .doc = "heads"},                                                                \
  {.key = "head_dim", .type = NTK_SIZE, NTK_HEADS_FIELD(dim), .low = 1, .high = INT_MAX,          \
   .doc = "channels of a head's queries and keys; default: those of the input over the heads"},   \
  {.key = "causal", .type = NTK_BOOL, NTK_HEADS_FIELD(causal), .fallback = "false",               \
   .doc = "a token sees itself and those before it"},                                             \
  {.key = "mechanism", .type = NTK_WORD, NTK_HEADS_FIELD(mechanism), .fallback = "softmax",       \
   .rows = ntk_attention_mechanisms, .doc = "how scores become weights"},                         \
  {.key = "scale", .type = NTK_REAL, NTK_HEADS_FIELD(scale), .fallback = "auto", .low = -1e150,   \
   .high = 1e150, .flags = NTK_AUTO, .doc = "of the scores; auto: 1 / sqrt(head_dim)"},           \
  {.key = "tied_qk", .type = NTK_BOOL, NTK_HEADS_FIELD(tied), .fallback = "false",                \
   .doc = "queries are the keys: no Wq, bq"},                                                     \
  {.key = "qkv_bias", .type = NTK_BOOL, NTK_HEADS_FIELD(biased), .fallback = "true",              \
   .doc = "false: of the biases bo only"},                                                        \
  {.key = "padding", .type = NTK_INT, NTK_HEADS_FIELD(padding), .low = 0, .high = INT_MAX,        \
   .doc = "token that nobody sees; the network begins with token_embedding"}

typedef struct ntk_attention_options {
  ntk_head_options head;
  ntk_size value_dim; /* absent: head.dim */
} ntk_attention_options;

typedef struct ntk_transformer_block_options {
  ntk_head_options head; /* its affine: of all layers of the block */
  ntk_size mlp;
  const ntk_row *norm;
  double eps;
  ntk_choice activation; /* a row of ntk_activations */
} ntk_transformer_block_options;

/* Rows that others refer to by name; all are in the table of layer.c. */
extern const ntk_layer ntk_layer_dense, ntk_layer_activation, ntk_layer_flatten,
    ntk_layer_identity, ntk_layer_dropout, ntk_layer_token_embedding;

/* Local.  Of layers that leave the array as it is: it changes hands, and delta stays. */
NTK_CHECKED ntk_status ntk_relay_forward(const ntk_node_layer *node, ntk_tape *tape, int l);
NTK_CHECKED ntk_status ntk_relay_backward(const ntk_node_layer *node, ntk_stream *stream, int l);

#endif
