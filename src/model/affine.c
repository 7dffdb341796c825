/* What dense and convolutional layers have in common. */
#include "affine.h"

#include <math.h>
#include <string.h>

#include "laws.h"

static const ntk_option bias_options[] = {
    {.key = "scale",
     .type = NTK_REAL,
     .offset = offsetof(ntk_affine_options, bias.scale) - offsetof(ntk_affine_options, bias),
     .low = 0,
     .high = 1e150,
     .doc = "multiplier s_b; default: network.bias.scale"},
    {.key = "std",
     .type = NTK_REAL,
     .offset = offsetof(ntk_affine_options, bias.std) - offsetof(ntk_affine_options, bias),
     .low = 0,
     .high = 1e150,
     .doc = "standard deviation of b at initialisation; default: network.bias.std"},
    {0},
};
const ntk_section ntk_affine_bias = {.options = bias_options};

static double given_or(double given, double otherwise) { return isnan(given) ? otherwise : given; }

/* What the layer says of its bias counts before what the network says. */
static ntk_status settle_bias(const ntk_network_settings *settings, const ntk_node_layer *node,
                              double *scale, double *std) {
  ntk_affine_options *o = node->options;
  const bool silent = isnan(o->bias.scale) && isnan(o->bias.std);

  *scale = given_or(o->bias.scale, settings->bias.scale);
  *std = given_or(o->bias.std, settings->bias.std);
  if (!o->biased || settings->biased) return NTK_OK;
  o->biased = !silent;
  if (silent || (!isnan(o->bias.scale) && !isnan(o->bias.std))) return NTK_OK;
  return ntk_layer_refuse(node, "network.bias is none, so this layer's bias needs scale and std");
}

/* Orthonormal are the rows or columns of W, of which a convolution has fewer than its fan-out. */
static const ntk_law *find_law(const ntk_choice *init, const ntk_site *site, int64_t columns,
                               double *variance) {
  const ntk_law *law = ntk_initializer_law(init, site->fan_in, site->fan_out, variance);

  if (law != &ntk_law_orthogonal) return law;
  return ntk_initializer_law(init, site->fan_in, columns, variance);
}

ntk_status ntk_affine_scale(const ntk_network_settings *settings, const ntk_node_layer *node,
                            const ntk_site *site, int64_t columns, ntk_tensor *w, ntk_tensor *b,
                            double *rate) {
  const ntk_parameterization *form = (const ntk_parameterization *)settings->parameterization;
  const ntk_affine_options *o = node->options;
  const ntk_choice *init = o->weight_init.row ? &o->weight_init : &settings->weight_init;
  double variance = 0, scale = 0, std = 0;

  NTK_TRY(settle_bias(settings, node, &scale, &std));
  const ntk_law *law = find_law(init, site, columns, &variance);
  const ntk_scaling s = form->scaling(site, variance, scale, std);

  w->multiplier = s.s_w;
  w->law = (ntk_tensor_law){
      .law = law, .variance = s.w_variance, .std = sqrt(s.w_variance), .columns = columns};
  w->trainable = o->trainable;
  b->multiplier = s.s_b;
  b->law = (ntk_tensor_law){.variance = s.b_std * s.b_std, .std = s.b_std};
  b->trainable = o->trainable;
  *rate = s.rate;
  return NTK_OK;
}

ntk_status ntk_affine_tensors(const ntk_network_settings *settings, ntk_network *network,
                              ntk_node_layer *node, const ntk_shape *weight) {
  const ntk_affine_options *o = node->options;
  const ntk_site site = {node->role, node->fan_in, node->fan_out};
  const int64_t columns = weight->size[weight->rank - 1];
  ntk_tensor w = {.rank = weight->rank}, b = {.rank = 1, .size = {columns}};

  memcpy(w.size, weight->size, sizeof(w.size));
  NTK_TRY(ntk_affine_scale(settings, node, &site, columns, &w, &b, &network->rate_scale));
  NTK_TRY(ntk_network_add_tensor(network, node, "W", &w));
  return o->biased ? ntk_network_add_tensor(network, node, "b", &b) : NTK_OK;
}

void ntk_affine_forget(void *given) {
  ntk_affine_options *o = given;

  o->weight_init = (ntk_choice){0};
  o->bias.scale = NAN;
  o->bias.std = NAN;
  o->trainable = true;
}

const ntk_tensor *ntk_affine_weight(const ntk_network *network, const ntk_node_layer *node) {
  NTK_ASSERT(network->tensor && node->tensors > 0);
  return &network->tensor[node->first_tensor];
}

const ntk_tensor *ntk_affine_bias_of(const ntk_network *network, const ntk_node_layer *node) {
  return node->tensors > 1 ? &network->tensor[node->first_tensor + 1] : NULL;
}
