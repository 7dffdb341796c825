/* affine.h -- options and tensors that layers of the form h = s_w a W + s_b b share; private to
 * this floor. */
#ifndef NTK_MODEL_AFFINE_H
#define NTK_MODEL_AFFINE_H

#include <limits.h>

#include "ntk/model/layer.h"

/* First members of the options of such a layer; NTK_AFFINE_OPTIONS are their rows. */
typedef struct ntk_affine_options {
  ntk_layer_options layer;
  ntk_size features;
  ntk_choice weight_init; /* row NULL: the network's */
  bool biased, trainable;
  struct {
    double scale, std; /* NaN: the network's */
  } bias;
} ntk_affine_options;

extern const ntk_section ntk_affine_bias;

#define NTK_AFFINE_FEATURES(text)                                                         \
  {                                                                                       \
    .key = "features", .type = NTK_SIZE, .offset = offsetof(ntk_affine_options, features), \
    .low = 1, .high = INT_MAX, .flags = NTK_REQUIRED, .doc = (text)                       \
  }

#define NTK_AFFINE_INIT                                                       \
  {                                                                           \
    .key = "weight_init", .type = NTK_CHOICE,                                 \
    .offset = offsetof(ntk_affine_options, weight_init),                      \
    .rows = ntk_initializers, .word = "variance_scaling",                     \
    .doc = "law of this layer's weights; default: network.weight_init"        \
  }

#define NTK_AFFINE_BIAS                                                       \
  {                                                                           \
    .key = "bias", .type = NTK_SECTION, .flags = NTK_NONE,                    \
    .offset = offsetof(ntk_affine_options, bias),                             \
    .present = offsetof(ntk_affine_options, biased),                          \
    .section = &ntk_affine_bias,                                              \
    .doc = "this layer's bias; default: as network.bias says"                 \
  }

#define NTK_AFFINE_TRAINABLE                                                  \
  {                                                                           \
    .key = "trainable", .type = NTK_BOOL,                                     \
    .offset = offsetof(ntk_affine_options, trainable), .fallback = "true",    \
    .doc = "false: its tensors are constants, the kernel has no part for them" \
  }

#define NTK_AFFINE_WEIGHTS NTK_AFFINE_INIT, NTK_AFFINE_BIAS, NTK_AFFINE_TRAINABLE

/* Local.  Multiplier, law and trainable of W and b of one map at a site, W having that many columns;
 * ranks and sizes are the caller's.  Afterwards the option `biased` is whether there is a b.
 *   rate  factor of the learning rate
 * Fails as ntk_affine_tensors. */
NTK_CHECKED ntk_status ntk_affine_scale(const ntk_network_settings *settings,
                                        const ntk_node_layer *node, const ntk_site *site,
                                        int64_t columns, ntk_tensor *w, ntk_tensor *b,
                                        double *rate);

/* Local.  Tensors W, of the given shape, and b [fan_out], by the fans and the role of the node.
 * Fails with NTK_E_CONFIG where the bias is neither the network's nor described. */
NTK_CHECKED ntk_status ntk_affine_tensors(const ntk_network_settings *settings,
                                          ntk_network *network, ntk_node_layer *node,
                                          const ntk_shape *weight);

/* Options that say how tensors are drawn or trained, as if nothing were written (ntk_layer). */
void ntk_affine_forget(void *options);

/* The two tensors; the bias is NULL if there is none. */
const ntk_tensor *ntk_affine_weight(const ntk_network *network, const ntk_node_layer *node);
const ntk_tensor *ntk_affine_bias_of(const ntk_network *network, const ntk_node_layer *node);

#endif
