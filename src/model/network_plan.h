/* network_plan.h -- from the list of layers as it is written to the flat one; private to this
 * floor. */
#ifndef NTK_MODEL_NETWORK_PLAN_H
#define NTK_MODEL_NETWORK_PLAN_H

#include "layers.h"

/* What a network is made from. */
typedef struct ntk_plan {
  const ntk_network_settings *settings;
  ntk_network *network;
  int capacity; /* of network->layer */
  int maps,
      map; /* layers with linear maps of their own: how many, and how many there were so far */
} ntk_plan;

/* Local.  network->list: what the short form stands for, or the network's own copy of the
 * settings' layers: every layer with its name, sizes as numbers, short forms written out. */
NTK_CHECKED ntk_status ntk_plan_list(ntk_plan *plan);

/* Local.  network->layer: the list with its containers expanded, shapes, tensors. */
NTK_CHECKED ntk_status ntk_plan_layers(ntk_plan *plan);

/* Local.  The layers that the short form of network.kind stands for, as they could be written. */
NTK_CHECKED ntk_status ntk_kind_list(const ntk_network_settings *settings, ntk_network *network,
                                     ntk_choices *list);

/* `layers:` alone. */
extern const ntk_section ntk_list_section;

/* Local.  A list from its YAML, "layers: [...]"; activations without a kind of their own
 * (`identity`) get the one given; marks are all the same.  In the network's arena. */
NTK_CHECKED ntk_status ntk_list_parse(ntk_network *network, const char *yaml,
                                      const ntk_choice *activation, ntk_mark mark,
                                      ntk_choices *list);

/* Masks of dropout in weights files: layers/<layer>/mask, test_mask.  Whether a variable is one of
 * them; from a file, as ntk_network_bind; into one, if the network has them; freed. */
bool ntk_masks_are(const ntk_network *network, const char *variable);
NTK_CHECKED ntk_status ntk_masks_bind(ntk_network *network, const ntk_record *weights);
NTK_CHECKED ntk_status ntk_masks_export(const ntk_network *network, ntk_record *weights);
void ntk_masks_destroy(ntk_network *network);

/* The list in an option of a container; NULL if the option is none. */
ntk_choices *ntk_list_in(const ntk_option *option, void *options);

#endif
