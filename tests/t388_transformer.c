/* transformer_block is the two residual layers that its line says: it prints as them, option for
 * option, and has their tensors; derivatives and kernels of token transformers are those of the
 * forward pass; what does not fit is refused; failures leave nothing.
 *
 * Copies of a block and of a neural ODE that share their weights, and the short forms of
 * network.kind that are made of them, are such networks too.
 *
 * Method: the printed list of the short form against that of the long one, tests/layers.h. */
//TEST ranks=1
#include "layers.h"

static const char short_form[] =
    "{width: 6, layers: [{transformer_block: {name: first, heads: 2, head_dim: 5, mlp: 2*width,"
    " causal: true, mechanism: relu, scale: 0.3, tied_qk: true, qkv_bias: false, padding: 1,"
    " eps: 0.01, activation: {leaky: {alpha: 0.1}}, weight_init: lecun_normal,"
    " bias: {scale: 0.2, std: 0.5}, trainable: %s}}, transformer_block, transformer_block, flatten,"
    " {dense: {features: outputs}}]}";

static const char long_form[] =
    "{width: 6, layers: [{residual: {name: first_attention, branch: [{norm: {eps: 0.01}},"
    " {attention: {heads: 2, head_dim: 5, features: 6, causal: true, mechanism: relu, scale: 0.3,"
    " tied_qk: true, qkv_bias: false, padding: 1, weight_init: lecun_normal,"
    " bias: {scale: 0.2, std: 0.5}, trainable: %s}}]}},"
    " {residual: {name: first_mlp, branch: [{norm: {eps: 0.01}}, {dense: {features: 12,"
    " weight_init: lecun_normal, bias: {scale: 0.2, std: 0.5}, trainable: %s}},"
    " {activation: {leaky: {alpha: 0.1}}}, {dense: {features: 6, weight_init: lecun_normal,"
    " bias: {scale: 0.2, std: 0.5}, trainable: %s}}]}},"
    " {residual: {branch: [norm, {attention: {features: 6}}]}},"
    " {residual: {branch: [norm, {dense: {features: 4*width}}, {activation: gelu},"
    " {dense: {features: width}}]}},"
    " {residual: {branch: [norm, {attention: {features: 6}}]}},"
    " {residual: {branch: [norm, {dense: {features: 4*width}}, {activation: gelu},"
    " {dense: {features: width}}]}},"
    " flatten, {dense: {features: outputs}}]}";

/* A list behind a token embedding, as it is printed. */
static void print_form(const char *yaml, ntk_text *text) {
  static const char head[] = "layers: [";
  const char *at = strstr(yaml, head) + strlen(head);
  char whole[2048];
  const trial p = {whole, {.rank = 1, .size = {3}}, 2, 4, 1};
  test_network t;

  (void)snprintf(whole, sizeof(whole), "%.*s{token_embedding: {features: width}}, %s",
                 (int)(at - yaml), yaml, at);
  trial_open(&p, NTK_DOUBLE, &t);
  EXPECT_OK(ntk_network_print(&t.network, 0, text));
  destroy_network(&t);
}

static void check_expansion(void) {
  static const char *const words[] = {"true", "false"};
  char yaml[2048];

  for (int k = 0; k < 2; ++k) {
    ntk_text brief = {0}, written = {0};

    (void)snprintf(yaml, sizeof(yaml), short_form, words[k]);
    print_form(yaml, &brief);
    (void)snprintf(yaml, sizeof(yaml), long_form, words[k], words[k], words[k]);
    print_form(yaml, &written);
    EXPECT_TEXT(ntk_text_string(&brief), ntk_text_string(&written));
    ntk_text_destroy(&brief);
    ntk_text_destroy(&written);
  }
}

static const trial trials[] = {
    {"{width: 4, layers: [{token_embedding: {features: width}}, position_embedding,"
     " {transformer_block: {heads: 2, mlp: width, causal: true}}, norm, last_position,"
     " {dense: {features: outputs}}]}",
     {.rank = 1, .size = {3}},
     2,
     4,
     1},
    {"{width: 4, layers: [{token_embedding: {features: width}}, {position_embedding: sinusoidal},"
     " {transformer_block: {heads: 1, head_dim: 3, mlp: 2*width, padding: 0, activation: tanh}},"
     " {transformer_block: {heads: 2, mlp: width, trainable: false}}, global_avg_pool,"
     " {dense: {features: vocabulary}}]}",
     {.rank = 1, .size = {4}},
     3,
     3,
     2},
    {"{width: 2, layers: [{dense: {features: width}}, {transformer_block: {mlp: 3, bias: none}},"
     " flatten, {dense: {features: outputs}}]}",
     {.rank = 2, .size = {3, 2}},
     1,
     0,
     3},
    {"{width: 4, layers: [{token_embedding: {features: width}}, {repeat: {times: 2, share: true,"
     " layers: [{transformer_block: {heads: 2, mlp: width, padding: 0, tied_qk: true}}]}},"
     " {repeat: {times: 3, share: true, layers: [{neural_ode: {steps: 2}}]}}, flatten,"
     " {dense: {features: outputs}}]}",
     {.rank = 1, .size = {3}},
     2,
     4,
     4},
    {"{kind: transformer, depth: 1, width: 4, activation: gelu}",
     {.rank = 1, .size = {3}},
     2,
     4,
     5},
    {"{kind: neural_ode, depth: 3, width: 4, activation: tanh}", {.rank = 1, .size = {3}}, 2, 0, 6},
};

static void check_refusals(void) {
  const trial wide = {"{width: 4, layers: [transformer_block, flatten, {dense: {features: 2}}]}",
                      {.rank = 2, .size = {3, 5}},
                      2,
                      0,
                      1};
  const trial vectors = {"{width: 4, layers: [transformer_block, {dense: {features: 2}}]}",
                         {.rank = 1, .size = {4}},
                         2,
                         0,
                         1};

  expect_refused(&wide, "3 x 5");
  expect_refused(&vectors, "takes sequences (tokens, width), but its input is 4");
  expect_unreadable("{layers: [{transformer_block: {norm: post}}]}", "norm");
}

int main(int argc, char **argv) {
  const int count = (int)(sizeof(trials) / sizeof(trials[0]));

  begin_test(&argc, &argv);
  check_expansion();
  for (int k = 0; k < count; ++k) {
    trial life = trials[k];

    expect_differences(&trials[k], 1e-7);
    expect_modes(&trials[k]);
    expect_sizes(&trials[k]);
    expect_bits(&trials[k]);
    if (k == 1) EXPECT(sweep_faults(trial_life, &life) > 30);
  }
  check_refusals();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
