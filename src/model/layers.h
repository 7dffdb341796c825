/* layers.h -- the rows of the table of layers; private to this floor. */
#ifndef NTK_MODEL_LAYERS_H
#define NTK_MODEL_LAYERS_H

#include "ntk/model/layer.h"

typedef struct ntk_dense_options {
  ntk_layer_options layer;
  ntk_size features;
  ntk_choice weight_init; /* row NULL: the network's */
  bool biased, trainable;
  struct {
    double scale, std; /* NaN: the network's */
  } bias;
} ntk_dense_options;

typedef struct ntk_activation_options {
  ntk_layer_options layer;
  ntk_choice kind; /* a row of ntk_activations */
} ntk_activation_options;

extern const ntk_layer ntk_layer_dense, ntk_layer_activation, ntk_layer_flatten;

#endif
