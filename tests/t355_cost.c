/* What plan says about a network is what a pass does: flops, bytes of tape, stream, weights and
 * panels, flops of a pair.
 *
 * Method: the sizes of the arrays and factors of a real pass against ntk_network_cost_of. */
//TEST ranks=1
#include "network.h"
#include "ntk/model/layer.h"

static const char last_frozen[] =
    "{layers: [{dense: {features: 7}}, {activation: tanh},"
    " {dense: {features: outputs, trainable: false}}]}";

static const char *const networks[] = {
    "{depth: 0}",
    "{depth: 1, width: 5}",
    "{depth: 3, width: 9, bias: none}",
    "{width: 6, layers: [{activation: tanh}, {dense: {features: 7}}, {activation: tanh},"
    " {activation: erf}, {dense: {features: 2*width}}, {dense: {features: width}},"
    " {activation: gelu}, {dense: {features: outputs}}, {activation: tanh}]}",
    "{layers: [{dense: {features: 7, trainable: false}}, {activation: tanh},"
    " {dense: {features: 5}}, {activation: tanh}, {dense: {features: 6, trainable: false}}, {activation: erf},"
    " {dense: {features: outputs}}]}",
    last_frozen,
    /* residuals: identity and projection, nested, with shared, masked and full delta at the join */
    "{width: 5, layers: [{dense: {features: width}}, {residual: {branch: [{activation: tanh},"
    " {dense: {features: width}}]}}, {dense: {features: outputs}}, {activation: erf}]}",
    "{width: 6, layers: [{residual: {skip: [{dense: {features: 3}}], branch: [{dense: {features: 7}},"
    " {residual: {branch: [{activation: tanh}, {dense: {features: 7}}]}}, {dense: {features: 3}}]}},"
    " {activation: tanh}, {activation: erf}, {residual: {scale: 2, branch: [{activation: gelu}, {dense: {features: 3}}]}},"
    " {activation: tanh}, {dense: {features: 4, trainable: false}}, {activation: tanh},"
    " {residual: {branch: [identity], skip: [{activation: erf}]}}, {dense: {features: outputs}}, {activation: erf}]}",
    /* several uses of a tensor */
    "{layers: [{dense: {features: 4}}, {activation: tanh}, {repeat: {times: 3, share: true, layers: ["
    "{dense: {features: 4}}, {norm: {}}, {activation: gelu}]}}, {dense: {features: 4, share: dense0}},"
    " {activation: tanh}, {dense: {features: outputs}}, {activation: tanh}]}",
    "{layers: [{dense: {features: 4}}, {norm: {affine: false}}, {dropout: 0.5}, {norm: {mean_only: true}},"
    " {batch_norm: {mode: eval}}, {dense: {features: 3}}, {norm: {trainable: false}}, {batch_norm:"
    " {mode: eval, affine: false}}, {norm: {mean_only: true, affine: true}}, {dense: {features: outputs}},"
    " {activation: tanh}]}",
};

/* Of images. */
static const char *const image_networks[] = {
    "{layers: [{dense: {features: 3}}, {activation: tanh}, {norm: {over: positions}}, {dense: {features: 4}},"
    " {norm: {over: positions_channels}}, {residual: {branch: [{dense: {features: 4}}, {norm: {mean_only:"
    " true}}]}}, {dropout: 0.5}, flatten, {dense: {features: outputs}}, {activation: tanh}]}",
    "{layers: [{repeat: {times: 2, share: true, layers: [{dense: {features: 2}}, {activation: tanh},"
    " {norm: {}}]}}, {dense: {features: 2}}, flatten, {dense: {features: outputs}}]}",
};

static const ntk_cotangents modes[] = {
    {NTK_OUT_FULL, 0}, {NTK_OUT_MEAN, 0}, {NTK_OUT_TRACE, 0}, {NTK_OUT_PSEUDO, 0},
    {NTK_OUT_SINGLE, 0},
};

static bool is(const ntk_node_layer *node, const char *name) {
  return strcmp(node->layer->row.name, name) == 0;
}

/* What a layer keeps besides its output. */
static double aux_elements(const ntk_node_layer *node, const void *aux) {
  const double count = (double)ntk_shape_count(&node->out);
  const double positions = (double)ntk_shape_positions(&node->out);
  ntk_text text = {0};

  if (!aux) return 0;
  if (!is(node, "norm")) return count;
  EXPECT_OK(ntk_option_print(&(ntk_section){.options = node->layer->row.options}, node->options, 0,
                             &text));
  const char *yaml = ntk_text_string(&text);
  const double groups = strstr(yaml, "mean_only: true")      ? 0
                        : strstr(yaml, "over: channels")     ? positions
                        : strstr(yaml, "positions_channels") ? 1
                                                             : count / positions;

  ntk_text_destroy(&text);
  return count + groups;
}

static double tape_elements(const ntk_tape *tape) {
  const ntk_network *network = tape->network;
  double sum = 0;

  for (int l = 0; l <= network->layer_count; ++l) {
    const ntk_shape *shape = l ? &network->layer[l - 1].out : &network->input;

    if (tape->value[l]) sum += (double)ntk_shape_count(shape);
    if (l < network->layer_count) sum += aux_elements(&network->layer[l], tape->aux[l]);
  }
  return sum + (double)tape->waiting_most;
}

static double largest(double a, double b) { return a > b ? a : b; }

/* Products on the way forward, or back to the lowest trainable layer, without those that all
 * samples share. */
static double products(const ntk_network *network, bool back) {
  double sum = 0;
  bool shared = back;

  for (int l = network->layer_count - 1; l >= 0; --l) {
    const ntk_node_layer *node = &network->layer[l];

    if (is(node, "activation") || is(node, "norm")) shared = false;
    if (ntk_shape_positions(&node->in) > 1 && node->tensors > 0) shared = false; /* its factors */
    if (back && l <= ntk_network_lowest(network)) break;
    if (shared || !is(node, "dense")) continue;
    sum += 2 * (double)(ntk_shape_positions(&node->in) * node->fan_in * node->fan_out);
  }
  return sum;
}

static void check_cost(const ntk_network *network, const ntk_cotangents *mode, const double *x) {
  const double size = (double)ntk_dtype_size(network->dtype);
  const ntk_network_cost cost = ntk_network_cost_of(network, mode);
  const double backward = (double)ntk_cotangent_vectors(mode, network->outputs) *
                          products(network, true);
  double pair = 0, panel = 0, weights = 0;
  ntk_tape tape;
  ntk_stream stream = {0};
  ntk_factor f;
  bool more = true;

  EXPECT_OK(ntk_forward(network, 3, x, &tape));
  EXPECT_OK(ntk_stream_begin(&tape, mode, &stream));
  for (;;) {
    EXPECT_OK(ntk_stream_next(&stream, &f, &more));
    if (!more) break;
    const double in = (double)f.in, out = (double)f.out, c = (double)f.cotangents;
    const double s = (double)f.positions, once = in / (c * c) + (f.shared ? 0 : out);

    pair += 2 * (s > 1 ? -largest(-s * s * once, -largest(in, 1) * out) : once);
    panel = largest(panel, s * (in + (f.shared ? 0 : c * out)));
  }
  for (int t = 0; t < network->tensor_count; ++t) weights += (double)network->tensor[t].count;
  EXPECT(cost.forward_flops == products(network, false));
  EXPECT(cost.backward_flops == backward);
  EXPECT_NEAR(cost.pair_flops, pair, 1e-12 * pair);
  EXPECT(cost.weight_bytes == size * weights && cost.panel_bytes == size * panel);
  EXPECT(cost.tape_bytes == size * tape_elements(&tape));
  EXPECT(cost.delta_bytes == size * (double)(stream.full_room + stream.spare_room +
                                             stream.product_room + stream.folded_room +
                                             stream.scratch_room + stream.saved_most +
                                             stream.uses_room) /
                                 (double)ntk_pad(3));
  ntk_stream_destroy(&stream);
  ntk_tape_destroy(&tape);
}

static void check_network(const char *yaml, const ntk_shape *input, const double *x) {
  for (int variant = 0; variant < 4; ++variant) {
    test_network t;

    create_network(yaml, input, variant % 2 ? 3 : 1, variant / 2 ? NTK_SINGLE : NTK_DOUBLE, &t);
    EXPECT_OK(ntk_network_draw(&t.settings, &t.network));
    for (size_t m = 0; m < sizeof(modes) / sizeof(modes[0]); ++m) {
      check_cost(&t.network, &modes[m], x);
    }
    destroy_network(&t);
  }
}

int main(int argc, char **argv) {
  const ntk_shape vector = {.rank = 1, .size = {4}}, image = {.rank = 3, .size = {2, 2, 2}};
  double x[24];

  begin_test(&argc, &argv);
  for (int k = 0; k < 24; ++k) x[k] = test_value(1, (uint64_t)k);
  for (size_t k = 0; k < sizeof(networks) / sizeof(networks[0]); ++k) {
    check_network(networks[k], &vector, x);
  }
  for (size_t k = 0; k < sizeof(image_networks) / sizeof(image_networks[0]); ++k) {
    check_network(image_networks[k], &image, x);
  }
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
