/* layer.h -- the table of layers.  A layer says how shapes change, which tensors it has, how it
 * goes forward and backward, which factors it gives, and what that costs; the order of the
 * backward pass and the assembly are shared (network.h).
 *
 * To add one: src/model/layer_<name>.c with its row, and a line in the table of src/model/layer.c.
 * A layer that consists of others (residual, repeat) is expanded into them when the network is
 * created: the list of a network is flat.
 *
 * Arrays of samples are [ntk_pad(count)][position][channel]: vectors have one position, images
 * (h, w, c) h w positions, sequences (tokens, width) tokens.  stream->width is the whole of a
 * sample, positions times channels. */
#ifndef NTK_MODEL_LAYER_H
#define NTK_MODEL_LAYER_H

#include "ntk/model/network.h"

/* First members of the options of every layer; NTK_LAYER_NAME is their row. */
typedef struct ntk_layer_options {
  const char *name; /* NULL: the row's name and a running number */
} ntk_layer_options;

#define NTK_LAYER_NAME                                                                  \
  {                                                                                     \
    .key = "name", .type = NTK_STRING, .offset = offsetof(ntk_layer_options, name),     \
    .doc = "by which paths and weights files address the layer; default: kind, number"  \
  }

/* A delta that waits in such a walk. */
typedef struct ntk_walk_saved {
  ntk_delta_form form;
  bool multiplied;
  int64_t full_room, product_room;
} ntk_walk_saved;

/* A walk from the output to the input that adds up what layers cost; a stream without data. */
typedef struct ntk_cost_walk {
  const ntk_network *network;
  int layer;           /* that is asked */
  const ntk_cotangents *cotangents;
  int64_t rows, terms; /* of delta, as those of a stream */
  ntk_delta_form form; /* of delta at this place */
  bool multiplied;     /* SEPARABLE: the mask is a product of several */
  bool counted;        /* this layer has trainable tensors, so it gives factors */
  bool needed;         /* a layer below has: delta goes on */
  int64_t full_room, spare_room, product_room, folded_room, scratch_room; /* of a stream, elements
                                                                             of a sample */
  int depth;
  ntk_walk_saved saved[NTK_MOST_NESTED];
  int64_t saved_room, saved_most, uses_room;
  const ntk_patches *patches; /* of the factor that is being counted; NULL: none */
  bool diagonal;              /* as of ntk_stream_begin_part */
  bool coupled;               /* the stream has a batch */
  int64_t training;           /* samples of that */
  int64_t waiting, waiting_most; /* of a tape */
  ntk_factor_visit *visit; /* of the factors that are counted; NULL: none */
  void *context;
  ntk_network_cost cost;
} ntk_cost_walk;

typedef struct ntk_layer {
  ntk_row row;   /* every option that is an ntk_size is a plain number when these are called */
  bool linear;   /* applies linear maps: counts for input, hidden, readout of parameterizations */
  int factors;   /* that it gives, in the order of the forward pass; 0: none; shape() and tensors()
                    may set node->factors instead */
  int rng_keys;  /* keys that a layer's own is split into for its tensors (rng.keys: stax) */
  /* Local.  node->out from node->in and the options; node->positions where they are not those of
   * node->in.  Fails with NTK_E_CONFIG. */
  ntk_status (*shape)(ntk_node_layer *node);
  /* Local.  After shape(): node->state, in the network's arena, of what follows from options and
   * shapes once for all passes (tables of indices); NULL: nothing. */
  ntk_status (*prepare)(ntk_network *network, ntk_node_layer *node);
  /* Local.  Declares the tensors through ntk_network_add_tensor; NULL: none. */
  ntk_status (*tensors)(const ntk_network_settings *settings, ntk_network *network,
                        ntk_node_layer *node);
  /* Local.  tape->value[l + 1] from tape->value[l], and tape->aux[l].  The layer allocates what it
   * makes (padded samples), or takes over the array of its input and leaves NULL there. */
  ntk_status (*forward)(const ntk_node_layer *node, ntk_tape *tape, int l);
  /* Local.  Replaces the stream's delta (with respect to the output) by that of the input. */
  ntk_status (*backward)(const ntk_node_layer *node, ntk_stream *stream, int l);
  /* Local.  Factor k of the layer; asked for from the last to the first, before backward.  A layer
   * knows of its own use only: uses of a shared tensor are put together by the stream. */
  ntk_status (*factor)(const ntk_node_layer *node, ntk_stream *stream, int l, int k,
                       ntk_factor *factor);
  /* Adds what this layer costs, and moves walk->form on. */
  void (*cost)(const ntk_node_layer *node, ntk_cost_walk *walk);
  /* Local.  Short forms: the layers that stand in place of `item`, in the network's arena; the row
   * has none of the functions above. */
  ntk_status (*unfold)(const ntk_network_settings *settings, ntk_network *network,
                       const ntk_choice *item, ntk_choices *list);
  /* Clears the options that say how tensors are drawn or trained, not what they are; NULL: none.
   * Weights files are for all networks that differ only in these. */
  void (*forget)(void *options);
} ntk_layer;

extern const ntk_row *const ntk_layers[]; /* rows of ntk_layer; ends with NULL */

/* Local.  Whether a config can name the layer; false for what residuals expand into (fork, swap,
 * join). */
bool ntk_layer_is_listed(const ntk_layer *layer);

/* Local.  Product of all sizes but the last; 1 of vectors. */
int64_t ntk_shape_positions(const ntk_shape *shape);

/* Local.  The last size. */
int64_t ntk_shape_channels(const ntk_shape *shape);

/* Local.  Adds a tensor "<layer>/<name>" without data to the layer that is being declared.
 *   like  rank, size, multiplier, law and trainable count
 * Fails with NTK_E_MEMORY, NTK_E_CONFIG if it has more than 2^40 entries. */
NTK_CHECKED ntk_status ntk_network_add_tensor(ntk_network *network, ntk_node_layer *node,
                                              const char *name, const ntk_tensor *like);

/* Local.  The layer before `node` that a name in its options means: of its own list, else of the
 * list around that, and so on; a path within these.  Fails with NTK_E_CONFIG if there is none. */
NTK_CHECKED ntk_status ntk_network_find(const ntk_network *network, const ntk_node_layer *node,
                                        const char *name, const ntk_node_layer **found);

/* Local.  Whether any tensor of the layer is trainable. */
bool ntk_layer_trainable(const ntk_network *network, const ntk_node_layer *node);

/* Local.  The layers [0, ...) whose parameters reach the outputs through batch_norm's statistics: a
 * prefix at whose end no residual is open, and whose tensors no layer behind it uses; 0: none. */
int ntk_network_coupled(const ntk_network *network);

/* Local.  The tape of the training samples. */
const ntk_tape *ntk_tape_training(const ntk_tape *tape);

/* Local.  The lowest layer with trainable tensors; no delta is needed below it. */
int ntk_network_lowest(const ntk_network *network);

/* Local.  Rows of delta per sample before any are summed: 1 for pseudo and single, else O. */
int64_t ntk_cotangent_vectors(const ntk_cotangents *cotangents, int64_t outputs);

/* The map from the last hidden features to the outputs, h = multiplier a W + s_b b. */
typedef struct ntk_readout {
  const ntk_node_layer *layer;    /* the last one, whatever it is */
  const ntk_tensor *weight, *bias; /* W transposed if it is an embedding's; bias NULL if there is
                                      none */
  double multiplier;
  bool shared;                    /* layers below use W too */
} ntk_readout;

/* Local.  False if the network does not end with a dense layer on vectors. */
bool ntk_network_readout(const ntk_network *network, ntk_readout *readout);

/* Local.  Raises NTK_E_CONFIG about a layer: place in the file, name, and the message. */
ntk_status ntk_layer_refuse(const ntk_node_layer *node, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- What backward and factor work with ------------------------------------------------------ */

/* Local.  Delta in the form NTK_DELTA_FULL, from whatever it is.  Fails with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_stream_expand(ntk_stream *stream);

/* Local.  An array for the next full delta, [ntk_pad(count)][rows][width], content undefined;
 * ntk_stream_swap makes it the stream's delta. */
NTK_CHECKED ntk_status ntk_stream_spare(ntk_stream *stream, int64_t width, void **array);
void ntk_stream_swap(ntk_stream *stream, int64_t width);

/* Local.  Delta goes through y = phi(x): times `slope` [ntk_pad(count)][width], which stays
 * valid as long as the tape. */
NTK_CHECKED ntk_status ntk_stream_mask(ntk_stream *stream, const void *slope);

/* Local.  Delta goes through h_s = multiplier a_s W, W [in][out], at every position. */
NTK_CHECKED ntk_status ntk_stream_multiply(ntk_stream *stream, const ntk_tensor *weight,
                                           int64_t in, int64_t out);

/* Local.  Room of the layer's own.  Its content is undefined at first, and stays from a factor to the
 * next and to backward() of the same layer, as long as it asks for no more. */
NTK_CHECKED ntk_status ntk_stream_scratch(ntk_stream *stream, int64_t count_per_sample,
                                          void **array);

/* Counterparts of ntk_stream_expand, _spare with _swap, _mask, _multiply (`positions` times in to
 * out), _scratch that only count. */
void ntk_walk_expand(ntk_cost_walk *walk, int64_t width);
void ntk_walk_swap(ntk_cost_walk *walk, int64_t width);
void ntk_walk_mask(ntk_cost_walk *walk, int64_t width);
void ntk_walk_multiply(ntk_cost_walk *walk, int64_t positions, int64_t in, int64_t out);
void ntk_walk_scratch(ntk_cost_walk *walk, int64_t count_per_sample);

/* Counterparts of ntk_stream_fold and of ntk_stream_fold_array, _vector: a factor and its
 * contraction.  `tensor` is its number in the network; linear maps have the sizes of ntk_factor
 * before the cotangents are summed, rows in = 1, vectors in = 0 and positions = 1. */
void ntk_walk_fold(ntk_cost_walk *walk, int tensor, int64_t positions, int64_t in, int64_t out);
void ntk_walk_fold_array(ntk_cost_walk *walk, int tensor, int64_t positions, int64_t in,
                         int64_t out);
void ntk_walk_fold_patches(ntk_cost_walk *walk, int tensor, const ntk_patches *patches,
                           int64_t out);

/* Local.  Weight of a tensor in the kernel: multiplier^2, over O for the mean; 0 if it is NULL or
 * not trainable. */
double ntk_stream_weight(const ntk_stream *stream, const ntk_tensor *tensor);

/* Local.  The delta half of a factor, from the stream's delta at factor->positions positions:
 * shared, cotangents, out, delta.  Rows that are summed over (mean, trace) become one.  The tensors
 * of the factor must be set. */
NTK_CHECKED ntk_status ntk_stream_fold(ntk_stream *stream, ntk_factor *factor);

/* Local.  The same from an array of the layer's own, [sample][stream->rows][positions][out], which
 * must last until the next call: a part of the tape, the scratch. */
NTK_CHECKED ntk_status ntk_stream_fold_array(ntk_stream *stream, const void *delta, int64_t out,
                                             ntk_factor *factor);

/* Local.  The whole factor of a tensor with a plain gradient (over its multiplier),
 * [sample][stream->rows][tensor->count], which must last likewise. */
NTK_CHECKED ntk_status ntk_stream_vector(ntk_stream *stream, const ntk_tensor *tensor,
                                         const void *gradient, ntk_factor *factor);

/* ---- Two paths (residual): rows fork, swap, join that no config can name -------------------- */

/* Local.  Keeps a copy of the stream's delta.  Fails with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_stream_save(ntk_stream *stream);

/* Local.  Exchanges the stream's delta and the one kept last. */
void ntk_stream_exchange(ntk_stream *stream);

/* Local.  Adds the delta kept last, which is gone then. */
NTK_CHECKED ntk_status ntk_stream_add_saved(ntk_stream *stream);

/* ---- Expected masks -------------------------------------------------------------------------- */

/* Local.  Delta, shared by all samples, goes through y = m o x where the entries of m have this
 * mean and variance and are independent, the kernel being the expected one: E[m_u m_v] = mean^2 +
 * [u == v] variance, so every row becomes mean times it and one row for each of its entries. */
NTK_CHECKED ntk_status ntk_stream_spread(ntk_stream *stream, double mean, double variance);
void ntk_walk_spread(ntk_cost_walk *walk, int64_t width);

/* Local.  Whether `node` is a dropout layer with expected masks; and, if the kernel of the stream
 * is that of one mask for both samples, by which factor the square of what it gives is larger than
 * that of the mean. */
bool ntk_dropout_expected(const ntk_node_layer *node);
double ntk_dropout_excess(const ntk_node_layer *node, bool same_mask);

/* Local.  Delta times a number. */
void ntk_stream_scale(ntk_stream *stream, double factor);

void ntk_walk_save(ntk_cost_walk *walk, int64_t width);
void ntk_walk_exchange(ntk_cost_walk *walk);
void ntk_walk_add_saved(ntk_cost_walk *walk, int64_t width);

#endif
