/* dense.h -- dense layers that use the W of a token_embedding, transposed: h = s a W^T + s_b b;
 * private to this floor. */
#ifndef NTK_MODEL_DENSE_H
#define NTK_MODEL_DENSE_H

#include "layers.h"

NTK_CHECKED ntk_status ntk_tied_tensors(const ntk_network_settings *settings, ntk_network *network,
                                        ntk_node_layer *node);
NTK_CHECKED ntk_status ntk_tied_forward(const ntk_node_layer *node, ntk_tape *tape, int l);
NTK_CHECKED ntk_status ntk_tied_backward(const ntk_node_layer *node, ntk_stream *stream);
NTK_CHECKED ntk_status ntk_tied_factor(const ntk_node_layer *node, ntk_stream *stream, int l, int k,
                                       ntk_factor *factor);
void ntk_tied_cost(const ntk_node_layer *node, ntk_cost_walk *walk);

#endif
