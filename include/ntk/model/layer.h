/* layer.h -- the table of layers.  A layer says how shapes change, which tensors it has, how it
 * goes forward and backward, which factors it gives, and what that costs; the order of the
 * backward pass and the assembly are shared (network.h).
 *
 * To add one: src/model/layer_<name>.c with its row, and a line in the table of src/model/layer.c.
 * A layer that consists of others (residual, repeat) is expanded into them when the network is
 * created: the list of a network is flat. */
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

/* A walk from the output to the input that adds up what layers cost; a stream without data. */
typedef struct ntk_cost_walk {
  const ntk_network *network;
  const ntk_cotangents *cotangents;
  int64_t rows;        /* cotangents per sample */
  ntk_delta_form form; /* of delta at this place */
  bool counted;        /* this layer has trainable tensors, so it gives factors */
  bool needed;         /* a layer below has: delta goes on */
  int64_t full_room, spare_room, product_room, folded_room; /* of a stream, elements of a sample */
  ntk_network_cost cost;
} ntk_cost_walk;

typedef struct ntk_layer {
  ntk_row row;   /* every option that is an ntk_size is a plain number when these are called */
  int factors;   /* linear maps that it applies, in the order of the forward pass; 0: none */
  int rng_keys;  /* keys that a layer's own is split into for its tensors (rng.keys: stax) */
  /* Local.  node->out from node->in and the options.  Fails with NTK_E_CONFIG. */
  ntk_status (*shape)(ntk_node_layer *node);
  /* Local.  Declares the tensors through ntk_network_add_tensor; NULL: none. */
  ntk_status (*tensors)(const ntk_network_settings *settings, ntk_network *network,
                        ntk_node_layer *node);
  /* Local.  tape->value[l + 1] from tape->value[l], and tape->aux[l].  The layer allocates what it
   * makes (padded samples), or takes over the array of its input and leaves NULL there. */
  ntk_status (*forward)(const ntk_node_layer *node, ntk_tape *tape, int l);
  /* Local.  Replaces the stream's delta (with respect to the output) by that of the input. */
  ntk_status (*backward)(const ntk_node_layer *node, ntk_stream *stream, int l);
  /* Local.  Factor k of the layer; asked for from the last to the first, before backward. */
  ntk_status (*factor)(const ntk_node_layer *node, ntk_stream *stream, int l, int k,
                       ntk_factor *factor);
  /* Adds what this layer costs, and moves walk->form on. */
  void (*cost)(const ntk_node_layer *node, ntk_cost_walk *walk);
  /* Clears the options that say how tensors are drawn or trained, not what they are; NULL: none.
   * Weights files are for all networks that differ only in these. */
  void (*forget)(void *options);
} ntk_layer;

extern const ntk_row *const ntk_layers[]; /* rows of ntk_layer; ends with NULL */

/* Local.  Adds a tensor "<layer>/<name>" without data to the layer that is being declared.
 *   like  rank, size, multiplier, law and trainable count
 * Fails with NTK_E_MEMORY, NTK_E_CONFIG if it has more than 2^40 entries. */
NTK_CHECKED ntk_status ntk_network_add_tensor(ntk_network *network, ntk_node_layer *node,
                                              const char *name, const ntk_tensor *like);

/* Local.  Whether any tensor of the layer is trainable. */
bool ntk_layer_trainable(const ntk_network *network, const ntk_node_layer *node);

/* Local.  The lowest layer with trainable tensors; no delta is needed below it. */
int ntk_network_lowest(const ntk_network *network);

/* Local.  Rows of delta per sample before any are summed: 1 for pseudo and single, else O. */
int64_t ntk_cotangent_vectors(const ntk_cotangents *cotangents, int64_t outputs);

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

/* Local.  Delta goes through h = multiplier a W, W [in][width]. */
NTK_CHECKED ntk_status ntk_stream_multiply(ntk_stream *stream, const ntk_tensor *weight,
                                           int64_t in);

/* Counterparts of ntk_stream_expand, _mask, _multiply, _fold that only count; fold counts a factor
 * with one position and its contraction. */
void ntk_walk_expand(ntk_cost_walk *walk, int64_t width);
void ntk_walk_mask(ntk_cost_walk *walk, int64_t width);
void ntk_walk_multiply(ntk_cost_walk *walk, int64_t in, int64_t out);
void ntk_walk_fold(ntk_cost_walk *walk, int64_t in, int64_t out);

/* Local.  Weight of a tensor in the kernel: multiplier^2, over O for the mean; 0 if it is NULL or
 * not trainable. */
double ntk_stream_weight(const ntk_stream *stream, const ntk_tensor *tensor);

/* Local.  The delta half of a factor with one position: shared, cotangents, out, delta.  Rows that
 * are summed over (mean, trace) become one. */
NTK_CHECKED ntk_status ntk_stream_fold(ntk_stream *stream, ntk_factor *factor);

#endif
