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
};

static const ntk_cotangents modes[] = {
    {NTK_OUT_FULL, 0}, {NTK_OUT_MEAN, 0}, {NTK_OUT_TRACE, 0}, {NTK_OUT_PSEUDO, 0},
    {NTK_OUT_SINGLE, 0},
};

static double tape_elements(const ntk_tape *tape) {
  const ntk_network *network = tape->network;
  double sum = 0;

  for (int l = 0; l <= network->layer_count; ++l) {
    const ntk_shape *shape = l ? &network->layer[l - 1].out : &network->input;

    if (tape->value[l]) sum += (double)ntk_shape_count(shape);
    if (l < network->layer_count && tape->aux[l]) {
      sum += (double)ntk_shape_count(&network->layer[l].out);
    }
  }
  return sum;
}

static double largest(double a, double b) { return a > b ? a : b; }

/* Products on the way forward, or back to the lowest trainable layer, without those that all
 * samples share. */
static double products(const ntk_network *network, bool back) {
  double sum = 0;
  bool shared = back;

  for (int l = network->layer_count - 1; l >= 0; --l) {
    const ntk_node_layer *node = &network->layer[l];

    if (node->tensors == 0) shared = false; /* an activation */
    if (back && l <= ntk_network_lowest(network)) break;
    if (!shared) sum += 2 * (double)node->fan_in * (double)node->fan_out;
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

    pair += 2 * (in / (c * c) + (f.shared ? 0 : out));
    panel = largest(panel, in + (f.shared ? 0 : c * out));
  }
  for (int t = 0; t < network->tensor_count; ++t) weights += (double)network->tensor[t].count;
  EXPECT(cost.forward_flops == products(network, false) && cost.backward_flops == backward);
  EXPECT_NEAR(cost.pair_flops, pair, 1e-12 * pair);
  EXPECT(cost.weight_bytes == size * weights && cost.panel_bytes == size * panel);
  EXPECT(cost.tape_bytes == size * tape_elements(&tape));
  EXPECT(cost.delta_bytes == size * (double)(stream.full_room + stream.spare_room +
                                             stream.product_room + stream.folded_room) /
                                 (double)ntk_pad(3));
  ntk_stream_destroy(&stream);
  ntk_tape_destroy(&tape);
}

int main(int argc, char **argv) {
  double x[12];

  begin_test(&argc, &argv);
  for (int k = 0; k < 12; ++k) x[k] = test_value(1, (uint64_t)k);
  for (size_t k = 0; k < sizeof(networks) / sizeof(networks[0]); ++k) {
    for (int64_t outputs = 1; outputs <= 3; outputs += 2) {
      for (int single = 0; single < 2; ++single) {
        test_network t;

        draw_network(networks[k], 4, outputs, single ? NTK_SINGLE : NTK_DOUBLE, &t);
        for (size_t m = 0; m < sizeof(modes) / sizeof(modes[0]); ++m) {
          check_cost(&t.network, &modes[m], x);
        }
        destroy_network(&t);
      }
    }
  }
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
