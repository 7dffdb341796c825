/* Whatever check fails anywhere in the life of a network (settings, creation, draw, export, bind,
 * print, forward, stream), the status is passed on and no memory stays behind.
 *
 * Method: the fault sweep of test.h over the whole life, for networks that use every path. */
//TEST ranks=1
#include "network.h"

typedef struct life {
  const char *yaml;
  ntk_outputs outputs;
  ntk_dtype dtype;
} life;

static ntk_status drain(const ntk_tape *tape, ntk_outputs outputs) {
  const ntk_cotangents mode = {outputs, 0};
  ntk_stream stream = {0};
  ntk_factor factor;
  bool more = true;
  ntk_status status = ntk_stream_begin(tape, &mode, &stream);

  while (status == NTK_OK && more) status = ntk_stream_next(&stream, &factor, &more);
  ntk_stream_destroy(&stream);
  return status;
}

static ntk_status use(const life *l, const ntk_network_settings *settings,
                      ntk_network *network) {
  const double x[6] = {1, -2, 3, 0.5, 0, 1};
  ntk_record weights = {0};
  ntk_tape tape;

  NTK_TRY(ntk_network_draw(settings, network));
  NTK_TRY(ntk_network_export(network, &weights));
  ntk_status status = ntk_network_bind(network, &weights);

  ntk_record_destroy(&weights);
  NTK_TRY(status);
  NTK_TRY(ntk_forward(network, 2, x, &tape));
  status = drain(&tape, l->outputs);
  ntk_tape_destroy(&tape);
  return status;
}

static ntk_status live(void *context) {
  const life *l = context;
  const ntk_shape input = {.rank = 1, .size = {3}};
  ntk_tree tree = {0};
  ntk_problems problems = {0};
  ntk_network_settings settings = {0};
  ntk_network network = {0};
  ntk_status status = ntk_tree_parse("test", l->yaml, &tree, &problems);

  if (status == NTK_OK) {
    status = ntk_option_bind(&ntk_network_section, tree.root, "network", "", &tree.arena, &settings,
                             &problems);
  }
  if (status == NTK_OK) status = ntk_problems_status(&problems);
  if (status == NTK_OK) status = ntk_network_create(&settings, &input, 2, l->dtype, &network);
  if (status == NTK_OK) status = use(l, &settings, &network);
  ntk_network_destroy(&network);
  ntk_problems_destroy(&problems);
  ntk_tree_destroy(&tree);
  return status;
}

int main(int argc, char **argv) {
  life lives[] = {
      {"{depth: 2, width: 5, activation: tanh}", NTK_OUT_MEAN, NTK_DOUBLE},
      {"{depth: 2, width: 20}", NTK_OUT_FULL, NTK_SINGLE},
      {"{layers: [{dense: {features: 4}}, {activation: tanh}, {activation: erf},"
       " {dense: {features: 4}}, {dense: {features: outputs}}]}", NTK_OUT_SINGLE, NTK_DOUBLE},
      {"{parameterization: mup, output: {scaled: 2}, layers: [{dense: {features: 4, weight_init:"
       " orthogonal}}, {activation: {leaky: {alpha: 0.1}}}, {dense: {features: 6, trainable: false,"
       " weight_init: {law: orthogonal}}}, {activation: softplus}, {dense: {features: outputs,"
       " bias: none, weight_init: he_truncated}}]}", NTK_OUT_TRACE, NTK_SINGLE},
      {"{width: 4, layers: [{dense: {features: width}}, {residual: {branch: [{norm: {}}, {activation:"
       " tanh}, {repeat: {times: 2, share: true, layers: [{dense: {features: width}}]}}]}}, {dropout:"
       " 0.5}, {activation: erf}, {residual: {skip: [{dense: {features: 3}}], branch: [{batch_norm:"
       " {mode: eval}}, {dense: {features: 3}}]}}, {dense: {features: outputs}}, {activation: tanh},"
       " {activation: erf}, {residual: {branch: [identity]}}]}", NTK_OUT_FULL, NTK_SINGLE},
      {"{layers: [{dense: {features: 3}}, {activation: tanh}, {dense: {features: 3, share: dense0}},"
       " {dense: {features: outputs}}]}", NTK_OUT_MEAN, NTK_DOUBLE},
      {"{kind: resnet, depth: 1, width: 4, activation: {leaky: 0.1}}", NTK_OUT_MEAN, NTK_DOUBLE},
      {"{layers: [{dense: {features: 4}}, {activation: tanh}, {dropout: {keep: 0.5, masks:"
       " expected_shared}}, {dense: {features: outputs}}]}", NTK_OUT_FULL, NTK_DOUBLE},
      {"{layers: [{dense: {features: 3}}, {residual: {branch: [{dense: {features: 3, share: dense0}},"
       " {batch_norm: {mode: train}}]}}, {dense: {features: outputs}}]}", NTK_OUT_MEAN, NTK_DOUBLE},
  };

  begin_test(&argc, &argv);
  for (size_t k = 0; k < sizeof(lives) / sizeof(lives[0]); ++k) {
    EXPECT(sweep_faults(live, &lives[k]) > 20);
  }
  MPI_Finalize();
  return 0;
}
