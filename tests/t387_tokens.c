/* Embeddings and attention: derivatives of random networks over all options (heads, dimensions,
 * causal and padding masks, mechanisms, scales, tied queries, biases, learned and sinusoidal
 * positions) are those of the forward pass, kernels in all modes those of the Jacobian, bits of a
 * sample independent of the others.  What masks hide has no influence, bk none under softmax; what
 * is no token is refused; flops and sizes as plan says; failures leave nothing.
 *
 * Method: central differences, tests/layers.h, and inputs that differ where a mask hides it. */
//TEST ranks=1
#include "layers.h"
#include "ntk/model/layer.h"

enum { TRIALS = 36, YAML = 1024, TOKENS = 5 };

static int pick(uint64_t seed, uint64_t k, int count) {
  return (int)(test_bits(seed, k) % (uint64_t)count);
}

/* ---- random networks ------------------------------------------------------------------------- */

static const char *yes(int value) { return value ? "true" : "false"; }

static void put_attention(uint64_t seed, int number, bool tokens, char text[256]) {
  static const char *const mechanisms[] = {"softmax", "identity", "relu"};
  static const char *const biases[] = {"", ", bias: none", ", qkv_bias: false",
                                       ", bias: {scale: 0.4, std: 1}"};

  (void)snprintf(
      text, 256,
      "{attention: {heads: %d, head_dim: %d, causal: %s, mechanism: %s, scale: %s,"
      " tied_qk: %s%s%s%s%s%s}}",
      1 + pick(seed, 10, 3), 1 + pick(seed, 11, 4), yes(pick(seed, 12, 2)), mechanisms[number % 3],
      pick(seed, 13, 2) ? "auto" : "0.6", yes(pick(seed, 14, 3) == 0), biases[pick(seed, 15, 4)],
      pick(seed, 16, 2) ? ", value_dim: 2" : "", pick(seed, 17, 2) ? ", features: 3" : "",
      tokens && pick(seed, 18, 2) ? ", padding: 1" : "",
      number % 5 == 4 ? ", trainable: false" : "");
}

static void random_trial(int number, char yaml[YAML], trial *p) {
  static const char *const forms[] = {"ntk", "standard", "mup"};
  const uint64_t seed = 500 + (uint64_t)number;
  const bool tokens = number % 2;
  char first[256], attention[256];

  put_attention(seed, number, tokens, attention);
  (void)snprintf(first, sizeof(first),
                 "{token_embedding: {features: %d%s}},"
                 " {position_embedding: {kind: %s}}, ",
                 2 * (1 + pick(seed, 3, 2)), number % 7 ? "" : ", trainable: false",
                 pick(seed, 4, 2) ? "learned" : "sinusoidal");
  (void)snprintf(yaml, YAML,
                 "{seed: %d, parameterization: %s, weight_init: {law: normal, variance: 1},"
                 " layers: [%s%s, {activation: tanh}, flatten, {dense: {features: outputs}}]}",
                 number, forms[number % 3],
                 tokens             ? first
                 : pick(seed, 5, 2) ? "position_embedding, "
                                    : "",
                 attention);
  *p = (trial){.yaml = yaml, .outputs = 1 + pick(seed, 8, 2), .seed = seed};
  p->vocabulary = tokens ? 2 + pick(seed, 6, 4) : 0;
  p->input = tokens       ? (ntk_shape){.rank = 1, .size = {1 + pick(seed, 7, TOKENS)}}
             : number % 4 ? (ntk_shape){.rank = 2, .size = {1 + pick(seed, 7, TOKENS), 2}}
                          : (ntk_shape){.rank = 3, .size = {2, 2, 2}};
}

static void check_random(void) {
  char yaml[YAML];
  trial p;

  for (int number = 0; number < TRIALS; ++number) {
    random_trial(number, yaml, &p);
    expect_differences(&p, number % 3 == 2 ? 1e-7 : 1e-8);
    expect_modes(&p);
    expect_sizes(&p);
    if (number % 6 == 0 || number % 6 == 5) expect_bits(&p);
  }
}

/* ---- masks ----------------------------------------------------------------------------------- */

/* f of two samples: the outputs are those of all tokens. */
static void outputs_of(const trial *p, const double *x, double *f) {
  test_network t;
  ntk_tape tape;

  trial_open(p, NTK_DOUBLE, &t);
  EXPECT_OK(ntk_forward(&t.network, 2, x, &tape));
  ntk_tape_output(&tape, f);
  ntk_tape_destroy(&tape);
  destroy_network(&t);
}

/* Token t of the output is that of the sequence up to t. */
static void check_causal(void) {
  const trial p = {
      "{layers: [{token_embedding: {features: 4}}, {attention: {heads: 2, causal: true}},"
      " flatten]}",
      {.rank = 1, .size = {TOKENS}},
      4 * TOKENS,
      6,
      1};
  double x[2 * TOKENS] = {0, 1, 2, 3, 4, 0, 1, 2, 5, 3}, f[2][4 * TOKENS];

  outputs_of(&p, x, f[0]);
  EXPECT(same_bits(f[0], f[1], 12 * sizeof(double)));
  for (int k = 12; k < 4 * TOKENS; ++k) EXPECT(f[0][k] != f[1][k]);
}

/* Where padding stands, and how much, makes no difference to the tokens; nobody sees any: 0. */
static void check_padding(void) {
  const char *form =
      "{bias: none, layers: [{token_embedding: {features: 4}}, {attention: {heads: 2,"
      " padding: 5, mechanism: %s}}, flatten]}";
  static const char *const mechanisms[] = {"softmax", "identity", "relu"};
  double x[] = {0, 5, 2, 5, 3, 5, 5, 3, 0, 2}, hidden[2 * TOKENS], f[2][4 * TOKENS];
  const int place[2][3] = {{0, 2, 4}, {3, 4, 2}}; /* of tokens 0, 2, 3 */
  char yaml[256];

  for (int k = 0; k < 2 * TOKENS; ++k) hidden[k] = 5;
  for (int m = 0; m < 3; ++m) {
    const trial p = {yaml, {.rank = 1, .size = {TOKENS}}, 4 * TOKENS, 6, 1};

    (void)snprintf(yaml, sizeof(yaml), form, mechanisms[m]);
    outputs_of(&p, x, f[0]);
    for (int k = 0; k < 12; ++k) {
      const double one = f[0][4 * place[0][k / 4] + k % 4], two = f[1][4 * place[1][k / 4] + k % 4];

      EXPECT_NEAR(one, two, 1e-14 * (1 + fabs(two)));
      EXPECT(one != 0);
    }
    outputs_of(&p, hidden, f[0]);
    for (int k = 0; k < 4 * TOKENS; ++k) EXPECT(f[0][k] == 0);
  }
}

/* Scores that differ by a constant have one softmax: bk has no gradient. */
static void check_key_bias(void) {
  const trial p = {
      "{bias: {scale: 1, std: 1}, layers: [{attention: {heads: 2, head_dim: 3}}, flatten,"
      " {dense: {features: outputs}}]}",
      {.rank = 2, .size = {4, 3}},
      2,
      0,
      1};
  double *x = trial_inputs(&p, 3), most = 0, bk = 0;
  test_network t;
  ntk_tape tape;

  trial_open(&p, NTK_DOUBLE, &t);
  EXPECT_OK(ntk_forward(&t.network, 3, x, &tape));
  double *j = jacobian(&t.network, &tape);
  const int64_t columns = column_count(&t.network);
  const int64_t first = first_column(&t.network, &t.network.tensor[4]);

  EXPECT(strcmp(t.network.tensor[4].name, "attention0/bk") == 0);
  for (int64_t k = 0; k < 6 * columns; ++k) {
    const bool own = k % columns >= first && k % columns < first + 6;

    most = fmax(most, fabs(j[k]));
    if (own) bk = fmax(bk, fabs(j[k]));
  }
  EXPECT(bk < 1e-15 * most && most > 0.1);
  ntk_tape_destroy(&tape);
  destroy_network(&t);
  free(x);
  free(j);
}

/* ---- tensors, cost --------------------------------------------------------------------------- */

static void check_tensor(const ntk_network *network, int number, const char *name,
                         const char *shape, double multiplier) {
  const ntk_tensor *tensor = &network->tensor[number];
  ntk_shape size = {.rank = tensor->rank};
  char text[NTK_SHAPE_TEXT];

  memcpy(size.size, tensor->size, sizeof(size.size));
  EXPECT_TEXT(tensor->name, name);
  EXPECT_TEXT(ntk_shape_text(&size, text), shape);
  EXPECT_NEAR(tensor->multiplier, multiplier, 1e-15);
}

/* Names, sizes and multipliers: fan-in 1 of embeddings, the width of Wq, heads times value_dim of
 * Wo. */
static void check_tensors(void) {
  const trial p = {
      "{width: 6, parameterization: ntk, weight_init: {law: normal, variance: 3},"
      " layers: [{token_embedding: {features: width}}, position_embedding,"
      " {attention: {heads: 2, head_dim: 5, value_dim: 4}}, last_position,"
      " {dense: {features: vocabulary}}]}",
      {.rank = 1, .size = {7}},
      9,
      9,
      1};
  const double in = sqrt(3.0 / 6), out = sqrt(3.0 / 8);
  test_network t;

  trial_open(&p, NTK_DOUBLE, &t);
  check_tensor(&t.network, 0, "token_embedding0/W", "9 x 6", sqrt(3));
  check_tensor(&t.network, 1, "position_embedding0/W", "7 x 6", sqrt(3));
  check_tensor(&t.network, 2, "attention0/Wq", "6 x 2 x 5", in);
  check_tensor(&t.network, 3, "attention0/Wk", "6 x 2 x 5", in);
  check_tensor(&t.network, 4, "attention0/Wv", "6 x 2 x 4", in);
  check_tensor(&t.network, 5, "attention0/bq", "2 x 5", 0.1);
  check_tensor(&t.network, 7, "attention0/bv", "2 x 4", 0.1);
  check_tensor(&t.network, 8, "attention0/Wo", "2 x 4 x 6", out);
  check_tensor(&t.network, 9, "attention0/bo", "6", 0.1);
  destroy_network(&t);
}

static void check_cost(void) {
  const trial p = {
      "{layers: [{dense: {features: 3}}, {attention: {heads: 2, head_dim: 4,"
      " value_dim: 5, features: 6}}, {activation: tanh}, flatten,"
      " {dense: {features: outputs}}]}",
      {.rank = 2, .size = {7, 3}},
      2,
      0,
      1};
  const ntk_cotangents full = {.outputs = NTK_OUT_FULL};
  const double maps = 2.0 * 7 * 3 * 2 * (4 + 4 + 5), back = 2.0 * 7 * 10 * 6;
  const double scores = 2.0 * 49 * 2 * (4 + 5), ends[2] = {2.0 * 7 * 9, 2.0 * 42 * 2};
  const double kept = 7 * (2 * (4 + 4 + 5 + 5) + 2 * 7 + 6);
  test_network t;

  trial_open(&p, NTK_DOUBLE, &t);
  const ntk_network_cost cost = ntk_network_cost_of(&t.network, &full);

  EXPECT(cost.forward_flops == maps + back + scores + ends[0] + ends[1]);
  EXPECT(cost.backward_flops == 2 * (maps + back + 2 * scores));
  EXPECT(cost.tape_bytes == 8 * (21 + 21 + kept + 42 + 2));
  destroy_network(&t);
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void refuse(const char *yaml, ntk_shape input, int64_t vocabulary, const char *part) {
  const trial p = {yaml, input, 2, vocabulary, 1};

  expect_refused(&p, part);
}

static void check_token_refusals(void) {
  const ntk_shape tokens = {.rank = 1, .size = {4}}, vectors = {.rank = 2, .size = {4, 3}};

  refuse("{layers: [{token_embedding: {features: 3}}]}", tokens, 0, "vocabulary");
  refuse("{layers: [{token_embedding: {vocabulary: 5, features: 3}}]}", tokens, 6,
         "has 5 rows, but the data have tokens 0 .. 5");
  refuse("{layers: [{activation: tanh}, {token_embedding: {vocabulary: 5, features: 3}}]}", tokens,
         0, "it is the first layer or none");
  refuse("{layers: [{token_embedding: {vocabulary: 5, features: 3}}]}",
         (ntk_shape){.rank = 4, .size = {1, 1, 1, 1}}, 5, "its input is 1 x 1 x 1 x 1");
  refuse("{layers: [position_embedding]}", tokens, 0, "but its input is 4");
  refuse("{layers: [{token_embedding: {features: 3}}, flatten, {dense: {features: outputs, share:"
         " token_embedding0, transposed: true}}]}", tokens, 6,
         "maps 12 to 2, but W^T of 'token_embedding0' maps 3 to 6; make features and vocabulary the "
         "same");
  refuse("{layers: [{position_embedding: {kind: sinusoidal}}]}", vectors, 0,
         "needs an even width, but its input is 4 x 3");
}

/* Tokens are names: what would compute with them as with amounts is refused, whatever it is. */
static void check_amounts(void) {
  static const char *const kinds[] = {"mlp", "resnet", "neural_ode", "cnn"};
  const ntk_shape tokens = {.rank = 1, .size = {4}}, vectors = {.rank = 2, .size = {4, 3}};
  char yaml[64], part[128];

  for (int k = 0; k < 4; ++k) {
    (void)snprintf(yaml, sizeof(yaml), "{kind: %s}", kinds[k]);
    (void)snprintf(part, sizeof(part),
                   "kind: %s takes numbers, but the data are tokens 0 .. 5; write kind: transformer",
                   kinds[k]);
    refuse(yaml, tokens, 6, part);
  }
  refuse("{}", tokens, 6, "kind: mlp takes numbers");
  refuse("{layers: [flatten, {token_embedding: {features: 3}}]}", tokens, 6,
         "layer 'flatten0' (flatten): takes numbers, but the data are tokens 0 .. 5; put "
         "'- token_embedding");
  refuse("{layers: [{dense: {features: 2}}]}", tokens, 6, "layer 'dense0' (dense): takes numbers");
  refuse("{layers: [{residual: {branch: [{dense: {features: 4}}]}}]}", tokens, 6, "takes numbers");
  refuse("{layers: [{repeat: {times: 2, layers: [{dense: {features: 4}}]}}]}", tokens, 6,
         "takes numbers");
  refuse("{layers: [{dense: {features: 2}}]}", vectors, 6, "takes numbers");
}

static void check_kinds(void) {
  const ntk_shape vector = {.rank = 1, .size = {4}}, sequence = {.rank = 2, .size = {4, 3}};

  refuse("{kind: transformer}", vector, 0,
         "kind: transformer takes tokens, or sequences (tokens, width), but the samples have shape "
         "4; write kind: mlp");
  refuse("{kind: cnn}", vector, 0, "kind: cnn takes images (h, w, c), but the samples have shape 4;");
  refuse("{kind: cnn}", sequence, 0, "but the samples have shape 4 x 3;");
}

static void check_attention_refusals(void) {
  const ntk_shape tokens = {.rank = 1, .size = {4}}, vectors = {.rank = 2, .size = {4, 3}};

  refuse("{layers: [attention]}", tokens, 0, "takes sequences (tokens, width), but its input is 4");
  refuse("{layers: [{attention: {heads: 2}}]}", vectors, 0, "2 heads do not divide the 3 channels");
  refuse("{layers: [{attention: {heads: 65536, head_dim: 2000000000}}]}", vectors, 0,
         "are too many");
  refuse("{parameterization: mean_field, layers: [attention, {dense: {features: 2}}]}", vectors, 0,
         "mean_field");
  refuse("{bias: {scale: 1, std: 0}, rng: {keys: article}, layers: [attention]}", vectors, 0,
         "rng.keys: article");
  refuse("{bias: none, layers: [{attention: {bias: {scale: 1}}}]}", vectors, 0,
         "needs scale and std");
  refuse("{layers: [{attention: {padding: 0}}]}", vectors, 0,
         "does not begin with token_embedding");
  refuse("{layers: [{token_embedding: {features: 3}}, {attention: {padding: 6}}]}", tokens, 6,
         "padding: 6 is no token 0 .. 5");
  expect_unreadable("{layers: [{attention: {padding: -1}}]}", "padding");
  expect_unreadable("{layers: [{attention: {mechanism: linear}}]}", "softmax, identity, relu");
}

/* Data that are no tokens, in a network for tokens. */
static void check_data(void) {
  const trial p = {"{layers: [{token_embedding: {features: 3}}, flatten, {dense: {features: 2}}]}",
                   {.rank = 1, .size = {2}},
                   2,
                   4,
                   1};
  const double wrong[] = {-1, 4, 0.5, NAN, 1e300};
  test_network t;
  ntk_tape tape;

  trial_open(&p, NTK_DOUBLE, &t);
  for (int k = 0; k < 5; ++k) {
    const double x[4] = {3, 0, 1, wrong[k]};

    EXPECT_REFUSED(ntk_forward(&t.network, 2, x, &tape), NTK_E_INPUT,
                   "sample 1 of this rank, position 1: ");
  }
  destroy_network(&t);
}

static void check_single(void) {
  const trial p = {"{layers: [{token_embedding: {features: 1}}, flatten]}",
                   {.rank = 1, .size = {2}},
                   2,
                   16777217,
                   1};
  test_network t;

  read_settings(p.yaml, &t);
  t.settings.vocabulary = p.vocabulary;
  EXPECT_REFUSED(ntk_network_create(&t.settings, &p.input, 2, NTK_SINGLE, &t.network), NTK_E_CONFIG,
                 "need kernel.precision: double");
  destroy_network(&t);
}

int main(int argc, char **argv) {
  trial lives[] = {
      {"{layers: [{token_embedding: {features: 4}}, position_embedding, {attention: {heads: 2,"
       " padding: 0}}, flatten, {dense: {features: outputs}}]}",
       {.rank = 1, .size = {3}},
       2,
       4,
       1},
      {"{layers: [{dense: {features: 4}}, {position_embedding: sinusoidal}, {attention: {heads: 2,"
       " tied_qk: true, trainable: false}}, flatten, {dense: {features: outputs}}]}",
       {.rank = 2, .size = {3, 2}},
       2,
       0,
       1},
  };

  begin_test(&argc, &argv);
  check_random();
  check_causal();
  check_padding();
  check_key_bias();
  check_tensors();
  check_cost();
  check_token_refusals();
  check_amounts();
  check_kinds();
  check_attention_refusals();
  check_data();
  check_single();
  for (int k = 0; k < 2; ++k) EXPECT(sweep_faults(trial_life, &lives[k]) > 30);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
