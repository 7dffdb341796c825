#include "layers.h"

bool ntk_network_readout(const ntk_network *network, ntk_readout *readout) {
  const ntk_node_layer *last = &network->layer[network->layer_count - 1];
  const ntk_tensor *own = last->tensors > 0 ? &network->tensor[last->first_tensor] : NULL;

  *readout = (ntk_readout){.layer = last};
  if (last->layer != &ntk_layer_dense || last->in.rank != 1) return false;
  if (last->borrowed >= 0) {
    readout->weight = &network->tensor[last->borrowed];
    readout->bias = own;
    readout->multiplier = readout->weight->transposed;
  } else {
    NTK_ASSERT(own);
    readout->weight = own;
    readout->bias = last->tensors > 1 ? own + 1 : NULL;
    readout->multiplier = own->multiplier;
  }
  readout->shared = readout->weight->uses > 1;
  return true;
}
