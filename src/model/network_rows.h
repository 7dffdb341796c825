/* network_rows.h -- tables of words in `network:`; private to this floor. */
#ifndef NTK_MODEL_NETWORK_ROWS_H
#define NTK_MODEL_NETWORK_ROWS_H

#include "ntk/model/network.h"

extern const ntk_row *const ntk_network_kinds[]; /* mlp, cnn, ..., layers */
extern const ntk_row ntk_network_listed;

extern const ntk_row *const ntk_network_outputs[]; /* as_is, centered, scaled */
extern const ntk_row ntk_network_centered, ntk_network_scaled;

typedef struct ntk_layout_row {
  ntk_row row;
  ntk_rng_layout layout;
} ntk_layout_row;

typedef struct ntk_dtype_row {
  ntk_row row;
  ntk_dtype dtype;
} ntk_dtype_row;

/* A network that is being drawn: how far it has got. */
typedef struct ntk_drawing {
  const ntk_network *network;
  ntk_rng_layout layout;
  ntk_rng_key root, chain, own; /* of the seed; what is left of the chain; of this layer */
  int weight_layers, weight_layer; /* how many have tensors; which of them this one is */
} ntk_drawing;

typedef struct ntk_keys_row {
  ntk_row row;
  /* Local.  Key of tensor j of a layer; false: the tensor is zero. */
  bool (*find)(const ntk_drawing *drawing, const ntk_node_layer *node, int j, ntk_rng_key *key);
  bool draws_bias;
  bool flat; /* the chain of keys is that of a plain list: no containers */
} ntk_keys_row;

extern const ntk_row *const ntk_rng_layouts[]; /* rows of ntk_layout_row */
extern const ntk_row *const ntk_rng_dtypes[];  /* rows of ntk_dtype_row */
extern const ntk_row *const ntk_rng_keys[];    /* rows of ntk_keys_row */

#endif
