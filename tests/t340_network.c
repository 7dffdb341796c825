/* From settings to a network: what the short form stands for, names, shapes, sizes by name,
 * multipliers; the printed layer list reads back to the same network; every refusal, from the
 * section's check or from the network, names its place, its layer and both shapes.
 *
 * Method: tables of texts. */
//TEST ranks=1
#include "network.h"
#include "ntk/model/layer.h"

static const ntk_shape flat = {.rank = 1, .size = {6}};
static const ntk_shape image = {.rank = 3, .size = {4, 3, 2}};

/* ---- what a network looks like --------------------------------------------------------------- */

typedef struct example {
  const char *yaml;
  const ntk_shape *input;
  int64_t outputs;
  const char *layers, *tensors; /* name:out ..., name:count ... */
  int64_t parameters;
} example;

static const example examples[] = {
    {"{depth: 0}", &flat, 3, "readout:3", "readout/W:18 readout/b:3", 21},
    {"{depth: 2, width: 5, activation: tanh}", &flat, 1,
     "dense0:5 activation0:5 dense1:5 activation1:5 readout:1",
     "dense0/W:30 dense0/b:5 dense1/W:25 dense1/b:5 readout/W:5 readout/b:1", 71},
    {"{depth: 1, width: 2, bias: none}", &image, 1,
     "flatten0:24 dense0:2 activation0:2 readout:1", "dense0/W:48 readout/W:2", 50},
    {"{width: 4, layers: [flatten, {dense: {features: 3*width, name: stem}}, {activation: erf},"
     " {dense: {features: 2, bias: none}}, {activation: {kind: gelu, name: act}},"
     " {dense: {features: outputs}}]}",
     &image, 2, "flatten0:24 stem:12 activation0:12 dense1:2 act:2 dense2:2",
     "stem/W:288 stem/b:12 dense1/W:24 dense2/W:4 dense2/b:2", 330},
    {"{layers: [{dense: {features: 2*outputs}}, {dense: {features: width}}], width: 3}", &flat, 3,
     "dense0:6 dense1:3", "dense0/W:36 dense0/b:6 dense1/W:18 dense1/b:3", 63},
    {"{activation: {leaky: {alpha: 0.25}}, depth: 1, width: 2, output: {scaled: 3}}", &flat, 1,
     "dense0:2 activation0:2 readout:1", "dense0/W:12 dense0/b:2 readout/W:2 readout/b:1", 17},
    {"{weight_init: {law: uniform, variance: 1.5}, layers: ["
     "{dense: {features: 5, weight_init: orthogonal, bias: {scale: 0.5}}},"
     " {activation: {sin: {b: 2}}},"
     " {dense: {name: fixed, features: 4, trainable: false, bias: none}}, {activation: {leaky: 0.1}},"
     " {dense: {features: 4, weight_init: {law: truncated, fan: average}}},"
     " {activation: {kind: {leaky: {alpha: 0.2}}, name: last}}, {dense: {features: outputs}}]}",
     &flat, 2, "dense0:5 activation0:5 fixed:4 activation1:4 dense2:4 last:4 dense3:2",
     "dense0/W:30 dense0/b:5 fixed/W:20 dense2/W:16 dense2/b:4 dense3/W:8 dense3/b:2", 65},
    {"{width: 4, bias: none, layers: [{dense: {features: width}}, {residual: {branch:"
     " [{activation: tanh}, {dense: {features: width}}]}}, {residual: {name: p, scale: 0.5, skip:"
     " [{dense: {features: 2}}], branch: [{dense: {features: 3}}, {norm: {name: n}},"
     " {dense: {features: 2}}]}}, {dense: {features: 1}}]}",
     &flat, 1,
     "dense0:4 residual0/fork:4 residual0/branch/activation0:4 residual0/branch/dense0:4 "
     "residual0/join:4 p/fork:4 p/branch/dense0:3 p/branch/n:3 p/branch/dense1:2 p/swap:4 "
     "p/skip/dense0:2 p/join:2 dense1:1",
     "dense0/W:24 residual0/branch/dense0/W:16 p/branch/dense0/W:12 p/branch/n/gamma:3 "
     "p/branch/n/beta:3 p/branch/dense1/W:6 p/skip/dense0/W:8 dense1/W:2", 74},
    {"{width: 3, bias: none, layers: [{dense: {features: width}}, {repeat: {name: s, times: 2,"
     " layers: [{dense: {name: d, features: width}}]}}, {repeat: {times: 2, share: true, layers: ["
     "{dense: {features: width}}, {norm: {affine: false}}]}}, identity, {residual: {branch: ["
     "{dense: {features: 3, share: s/1/d}}]}}, {dense: {features: 1}}, {dropout: 0.5}]}",
     &flat, 1,
     "dense0:3 s/0/d:3 s/1/d:3 repeat1/0/dense0:3 repeat1/0/norm0:3 repeat1/1/dense0:3 "
     "repeat1/1/norm0:3 identity0:3 residual0/fork:3 residual0/branch/dense0:3 residual0/join:3 "
     "dense1:1 dropout0:1",
     "dense0/W:18 s/0/d/W:9 s/1/d/W:9 repeat1/0/dense0/W:9 dense1/W:3", 48},
    {"{bias: none, layers: [{norm: {over: positions, mean_only: true}}, {norm: {over:"
     " positions_channels, trainable: false}}, {dense: {features: 5}}, {batch_norm: {mode: eval}},"
     " flatten, {dense: {features: 1}}]}",
     &image, 1, "norm0:24 norm1:24 dense0:60 batch_norm0:60 flatten0:60 dense1:1",
     "norm1/gamma:2 norm1/beta:2 dense0/W:10 batch_norm0/mean:5 batch_norm0/variance:5 "
     "batch_norm0/gamma:5 batch_norm0/beta:5 dense1/W:60", 80},
    {"{kind: resnet, depth: 1, width: 2, bias: none, activation: {leaky: 0.2}}", &flat, 1,
     "stem:2 block0/fork:2 block0/branch/activation0:2 block0/branch/dense0:2 block0/join:2 "
     "activation0:2 readout:1",
     "stem/W:12 block0/branch/dense0/W:4 readout/W:2", 18},
    {"{kind: cnn, depth: 1, width: 2, bias: none}", &image, 1,
     "conv0:24 activation0:24 flatten0:24 readout:1", "conv0/W:36 readout/W:24", 60},
    {"{kind: neural_ode, depth: 2, width: 3, bias: none}", &image, 1,
     "flatten0:24 stem:3 flow:3 readout:1", "stem/W:72 flow/W:9 readout/W:3", 84},
};

static void check_texts(const ntk_network *network, const example *e) {
  char text[1024] = "";
  size_t used = 0;

  for (int l = 0; l < network->layer_count; ++l) {
    used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s:%d", l ? " " : "",
                             network->layer[l].name, (int)ntk_shape_count(&network->layer[l].out));
  }
  EXPECT_TEXT(text, e->layers);
  used = 0;
  for (int t = 0; t < network->tensor_count; ++t) {
    used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s:%d", t ? " " : "",
                             network->tensor[t].name, (int)network->tensor[t].count);
  }
  EXPECT_TEXT(text, e->tensors);
  EXPECT(network->parameters == e->parameters);
}

/* The printed list describes the same network, and prints again to the same text. */
static void check_print(const ntk_network *network, const example *e) {
  ntk_text text = {0}, again = {0};
  test_network t;

  EXPECT_OK(ntk_network_print(network, 0, &text));
  create_network(ntk_text_string(&text), e->input, e->outputs, NTK_DOUBLE, &t);
  check_texts(&t.network, e);
  EXPECT_OK(ntk_network_print(&t.network, 0, &again));
  EXPECT_TEXT(ntk_text_string(&text), ntk_text_string(&again));
  destroy_network(&t);
  ntk_text_destroy(&text);
  ntk_text_destroy(&again);
}

/* The resolved settings, defaults and all, are valid and print to the same text. */
static void check_resolved(const ntk_network_settings *settings) {
  ntk_text text = {0}, again = {0};
  test_network t;

  EXPECT_OK(ntk_option_print(&ntk_network_section, settings, 0, &text));
  read_settings(ntk_text_string(&text), &t);
  EXPECT_OK(ntk_option_print(&ntk_network_section, &t.settings, 0, &again));
  EXPECT_TEXT(ntk_text_string(&text), ntk_text_string(&again));
  destroy_network(&t);
  ntk_text_destroy(&text);
  ntk_text_destroy(&again);
}

static void check_example(const example *e) {
  test_network t;

  create_network(e->yaml, e->input, e->outputs, NTK_DOUBLE, &t);
  check_resolved(&t.settings);
  ntk_tree_destroy(&t.tree); /* nothing of the settings is referred to any more */
  check_texts(&t.network, e);
  check_print(&t.network, e);
  destroy_network(&t);
}

static void check_multipliers(void) {
  test_network t;

  create_network("{depth: 1, width: 8, weight_init: he_normal, bias: {scale: 0.3, std: 2}}", &flat,
                 1, NTK_DOUBLE, &t);
  EXPECT_NEAR(t.network.tensor[0].multiplier, sqrt(2.0 / 6), 1e-15);
  EXPECT(t.network.tensor[0].law.variance == 1);
  EXPECT(t.network.tensor[1].multiplier == 0.3 && t.network.tensor[1].law.std == 2);
  EXPECT(!t.network.tensor[1].law.law && !t.network.centered);
  EXPECT(t.network.scale == 1 && t.network.rate_scale == 1);
  destroy_network(&t);
  create_network("{depth: 1, parameterization: standard, weight_init: lecun_uniform, "
                 "output: centered}", &flat, 1, NTK_DOUBLE, &t);
  EXPECT(t.network.tensor[0].multiplier == 1 && t.network.centered);
  EXPECT_NEAR(t.network.tensor[0].law.variance, 1.0 / 6, 1e-15);
  destroy_network(&t);
}

/* A layer's own initialiser, bias and trainability count before the network's. */
static void check_overrides(void) {
  test_network t;

  create_network("{parameterization: standard, weight_init: lecun_uniform, bias: {scale: 0.3,"
                 " std: 2}, layers: [{dense: {features: 4, weight_init: {law: truncated,"
                 " variance: 3, fan: out}, bias: {std: 0.5}}},"
                 " {dense: {features: 4, trainable: false}},"
                 " {dense: {features: 1, bias: {scale: 7}}}]}",
                 &flat, 1, NTK_DOUBLE, &t);
  const ntk_tensor *tensor = t.network.tensor;

  EXPECT_TEXT(tensor[0].law.law->row.name, "truncated");
  EXPECT(tensor[0].law.variance == 3.0 / 4);
  EXPECT(tensor[1].multiplier == 0.3 && tensor[1].law.std == 0.5);
  EXPECT_TEXT(tensor[2].law.law->row.name, "uniform");
  EXPECT(tensor[2].law.variance == 1.0 / 4);
  EXPECT(tensor[3].multiplier == 0.3 && tensor[3].law.std == 2);
  EXPECT(tensor[5].multiplier == 7 && tensor[5].law.std == 2);
  for (int k = 0; k < 6; ++k) EXPECT(tensor[k].trainable == (k / 2 != 1));
  EXPECT(t.network.parameters == 4 * 6 + 4 + 4 + 1);
  destroy_network(&t);
  create_network("{bias: none, layers: [{dense: {features: 4, bias: {scale: 1, std: 0}}},"
                 " {dense: {features: 4}}, {dense: {features: 1, bias: none}}]}",
                 &flat, 1, NTK_DOUBLE, &t);
  EXPECT(t.network.tensor_count == 4 && t.network.tensor[1].rank == 1);
  EXPECT(t.network.tensor[1].multiplier == 1 && t.network.tensor[1].law.std == 0);
  destroy_network(&t);
}

/* Of the output: what is subtracted, and by what it is multiplied. */
static void check_output_modes(void) {
  static const struct {
    const char *output;
    bool centered;
    double scale;
  } modes[] = {{"as_is", false, 1},
               {"centered", true, 1},
               {"{scaled: 4}", true, 4},
               {"{scaled: {alpha: 0.5, centered: false}}", false, 0.5}};

  for (size_t k = 0; k < sizeof(modes) / sizeof(modes[0]); ++k) {
    char yaml[80];
    test_network t;

    (void)snprintf(yaml, sizeof(yaml), "{depth: 1, width: 2, output: %s}", modes[k].output);
    create_network(yaml, &flat, 1, NTK_DOUBLE, &t);
    EXPECT(t.network.centered == modes[k].centered && t.network.scale == modes[k].scale);
    destroy_network(&t);
  }
}

/* ---- refusals -------------------------------------------------------------------------------- */

typedef struct refusal {
  const char *yaml, *part;
} refusal;

/* While settings are bound; the message says where. */
static const refusal in_section[] = {
    {"{widht: 5}", "did you mean 'width'"},
    {"{depth: -1}", "depth"},
    {"{width: 0}", "width"},
    {"{activation: rleu}", "relu"},
    {"{kind: cnnn}", "did you mean 'cnn'"},
    {"{layers: [relu]}", "unknown word 'relu'; write 'activation: relu'"},
    {"{layers: [{leaky: {alpha: 0.1}}]}", "unknown word 'leaky'; write 'activation: leaky'"},
    {"{layers: [layer_norm]}", "unknown word 'layer_norm'; here it is 'norm': (x - mean) / sqrt"},
    {"{layers: [{LayerNorm: {}}]}", "here it is 'norm'"},
    {"{layers: [Conv_2D]}", "here it is 'conv'"},
    {"{layers: [{residual: [flatten]}]}", "as in {residual: {branch: ...}}"},
    {"{layers: [{residual: {branch: [flatten], skip: none}}]}", "here it is 'identity'"},
    {"{layers: {dense: {features: 3}}}", "one '- name' or '- name: {options}' per line\n"},
    {"{layers: [layer]}", "unknown word 'layer'; the words are dense, activation,"},
    {"{activation: leaky_relu}", "here it is 'leaky'"},
    {"{weight_init: xavier_uniform}", "here it is 'glorot_uniform': U(-r, r)"},
    {"{seed: -1}", "seed"},
    {"{rng: {dtype: float16}}", "float64"},
    {"{bias: {std: -1}}", "std"},
    {"{layers: []}", "is empty"},
    {"{kind: layers}", "needs network.layers"},
    {"{kind: mlp, layers: [flatten]}", "beside kind: mlp"},
    {"{kind: resnet, layers: [flatten]}", "beside kind: resnet"},
    {"{depth: 2, layers: [flatten]}", "network.depth belongs to the short forms"},
    {"{depth: 2, weights: w.h5}", "the layers come from the weights file"},
    {"{activation: tanh, layers: [flatten]}", "network.activation belongs to the short forms"},
    {"{layers: [{dense: {}}]}", "features"},
    {"{layers: [dense]}", "features"},
    {"{layers: [{dense: {features: 0}}]}", "features"},
    {"{layers: [{dense: {features: 3, trainable: 2}}]}", "neither true nor false"},
    {"{layers: [{dense: {features: 3, bias: false}}]}", "needs a mapping or none"},
    {"{layers: [{dense: {features: 3, bias: {scale: -1}}}]}", "too small"},
    {"{layers: [{dense: {features: 3, weight_init: he}}]}", "he_normal"},
    {"{weight_init: {law: normal, variance: 0}}", "network.weight_init.variance"},
    {"{weight_init: {lwa: normal, variance: 2}}", "did you mean 'law'"},
    {"{weight_init: {law: nrmal}}", "normal"},
    {"{weight_init: {law: normal, fan: sideways}}", "in, out"},
    {"{weight_init: {he_normal: {variance: 2}}}", "the keys here are none"},
    {"{activation: {leaky: {alpha: 11}}}", "too large"},
    {"{activation: {leaky: {slope: 0.1}}}", "unknown key 'network.activation.leaky.slope'"},
    {"{activation: {relu: {alpha: 0.1}}}", "unknown key"},
    {"{layers: [{activation: {leky: {alpha: 0.1}}}]}", "unknown key"},
    {"{layers: [{activation: {leaky: {alpha: x}}}]}", "alpha"},
    {"{parameterization: mupp}", "did you mean 'mup'"},
    {"{output: scaled}", "alpha"},
    {"{output: {scaled: 0}}", "too small"},
    {"{output: {scaled: {alpha: 2, centered: false, initial: w.h5}}}", "drop it"},
    {"{output: {scaled: {alpha: 2, beta: 1}}}", "unknown key"},
    {"{layers: [activation]}", "kind"},
    {"{layers: [{activation: rleu}]}", "relu"},
    {"{layers: [{flaten: {}}]}", "flatten"},
    {"{layers: [lstm]}", "the words are dense"},
    {"{layers: [{residual: {skip: identity}}]}", "branch"},
    {"{layers: [{residual: {branch: [{dense: {}}]}}]}", "features"},
    {"{layers: [{residual: {branch: [flatten], scale: 1e11}}]}", "too large"},
    {"{layers: [{repeat: {times: 0, layers: [flatten]}}]}", "too small"},
    {"{layers: [{repeat: {layers: [flatten]}}]}", "times"},
    {"{layers: [fork]}", "unknown word 'fork'"},
    {"{layers: [{norm: {over: rows}}]}", "channels"},
    {"{layers: [{norm: {eps: -1}}]}", "too small"},
    {"{layers: [{norm: {affine: maybe}}]}", "true"},
    {"{layers: [{dropout: {keep: 0}}]}", "too small"},
    {"{layers: [dropout]}", "keep"},
    {"{layers: [{dropout: {keep: 0.5, masks: sample}}]}", "per_sample"},
    {"{layers: [batch_norm]}", "mode"},
    {"{rng: {keys: article}}", "set network.bias.std to 0"},
};

static void check_section_refusal(const refusal *r) {
  ntk_network_settings settings = {0};
  ntk_tree tree = {0};
  ntk_problems problems = {0};

  EXPECT_OK(ntk_tree_parse("test", r->yaml, &tree, &problems));
  EXPECT_OK(ntk_option_bind(&ntk_network_section, tree.root, "network", "", &tree.arena, &settings,
                            &problems));
  if (problems.count == 0) FAIL("%s: accepted", r->yaml);
  if (!strstr(ntk_text_string(&problems.text), r->part) ||
      !strstr(ntk_text_string(&problems.text), "test:1:")) {
    FAIL("%s: no \"%s\" in \"%s\"", r->yaml, r->part, ntk_text_string(&problems.text));
  }
  ntk_problems_destroy(&problems);
  ntk_tree_destroy(&tree);
}

/* For three outputs of a 4 x 3 x 2 image. */
static const refusal in_network[] = {
    {"layers: [{dense: {features: 5}}]",
     "test:1:10: error: layer 'dense0' (dense): the last layer gives 4 x 3 x 5, but the targets "
     "have 3 outputs; write 'features: outputs', and '- flatten' before that"},
    {"layers: [flatten, {dense: {features: 5, name: end}}]",
     "layer 'end' (dense): the last layer gives 5, but the targets have 3 outputs"},
    {"layers: [flatten]", "gives 24, but the targets have 3"},
    {"layers: [{activation: relu}]", "gives 4 x 3 x 2, but"},
    {"layers: [flatten, {dense: {features: breadth}}]",
     "no size 'breadth'; there are width, outputs, vocabulary"},
    {"layers: [flatten, {dense: {features: 2*vocabulary}}]", "the data have no vocabulary"},
    {"layers: [flatten, {dense: {features: 999999999*width}}]", "is more than"},
    {"layers: [flatten, {dense: {features: 2000000000}}, {dense: {features: 2000000000}}]",
     "layer 'dense1' (dense): W has more than 2^40 entries"},
    {"layers: [flatten, {dense: {features: 3, name: a/b}}]", "a name has 1 to 40"},
    {"layers: [flatten, {dense: {features: 3, name: a.b}}]", "a name has 1 to 40"},
    {"layers: [flatten, {dense: {features: 3, name: ''}}]", "a name has 1 to 40"},
    {"layers: [flatten, {dense: {features: 3, name: x}}, {activation: {kind: relu, name: x}}]",
     "layer 1 has this name already"},
    {"layers: [flatten, {activation: {kind: relu, name: dense0}}, {dense: {features: 3}}]",
     "layer 1 has this name already"},
    {"layers: [flatten, {dense: {features: 3, label: x}}]", "write 'name: x'"},
    {"layers: [flatten, {dense: {features: 3, trainable: false}}]",
     "no trainable parameters, so no kernel; drop 'trainable: false'"},
    {"{bias: none, layers: [flatten, {dense: {features: 3, bias: {std: 1}}}]}",
     "layer 'dense0' (dense): network.bias is none, so this layer's bias needs scale and std"},
    {"{rng: {keys: article}, bias: {std: 0},"
     " layers: [flatten, {dense: {features: 3, bias: {std: 1}}}]}",
     "layer 'dense0' (dense): rng.keys: article draws no biases; set this layer's bias.std to 0"},
    {"{kind: mlp, depth: 2, parameterization: mean_field}",
     "mean_field is for networks of 2 weight layers, this one has 3; its counterpart for any depth "
     "is mup"},
    {"layers: [flatten, {residual: {name: r, branch: [{dense: {features: 5}}]}}]",
     "test:1:19: error: layer 'r' (residual): its branch gives 5, its skip 24; make them the same"},
    {"layers: [{residual: {branch: [flatten], skip: [{norm: {over: channels}}]}}]",
     "layer 'residual0' (residual): its branch gives 24, its skip 4 x 3 x 2"},
    {"{rng: {keys: stax}, layers: [flatten, {residual: {name: r, branch: [{dense: {features: 3}}]}}]}",
     "layer 'r' (residual): rng.keys: stax is for plain lists of layers"},
    {"layers: [flatten, {residual: {branch: []}}]", "branch: no layers in the list"},
    {"layers: [flatten, {repeat: {times: 2, layers: []}}]", "layers: no layers in the list"},
    {"layers: [flatten, {repeat: {times: 2, share: true, layers: [{dense: {features: 3}}]}}]",
     "layer 'repeat0/0/dense0' (dense): ends a list that repeat applies again with the same tensors, "
     "so it must give the shape that the list takes, 24, not 3"},
    {"layers: [flatten, {residual: {branch: [{dense: {features: 24, name: a.b}}]}}]",
     "layer 'residual0/branch/a.b' (dense): a name has"},
    {"layers: [flatten, {residual: {branch: [{dense: {features: 24, name: x}},"
     " {activation: {kind: relu, name: x}}]}}]", "layer 0 has this name already"},
    {"layers: [{repeat: {times: 900, layers: [{repeat: {times: 900, layers: [flatten]}}]}}]",
     "more than 100000 layers"},
    {"layers: [{repeat: {name: a123456789b123456789c123456789d12345, times: 1, layers: [{repeat: {name:"
     " a123456789b123456789c123456789d12345, times: 1, layers: [flatten]}}]}}]",
     "its path has more than 72 characters"},
    {"layers: [flatten, {norm: {over: positions}}]", "but its input is a vector of 24"},
    {"layers: [flatten, {dense: {features: 3, share: x}}]",
     "layer 'dense0' (dense): share: no layer 'x' before it"},
    {"layers: [flatten, {residual: {name: r, branch: [{dense: {features: 24, name: x}}]}},"
     " {dense: {features: 24, share: x}}]", "or those around it; write 'r/branch/x'"},
    {"layers: [{transformer_block: {heads: 2, features: 6}}]",
     "layer 'residual0' (residual): its transformer_block gives 4 x 3 x 6, but its input is 4 x 3 x 2; "
     "put '- dense: {features: 6}' before the block, or write 'features: 2' in it"},
    {"layers: [{token_embedding: {features: 3}}]", "those come from source: tokens"},
    {"layers: [flatten, {dense: {features: 3, share: flatten0}}]",
     "shares with dense layers, but 'flatten0' is flatten"},
    {"layers: [flatten, {dense: {features: 24}}, {dense: {features: 3, share: dense0}}]",
     "needs a W of 24 x 3, but that of 'dense0' is 24 x 24; write 'features: 24' here, or drop "
     "'share'"},
    {"layers: [flatten, {dense: {features: 3}}, {dense: {features: 3, share: dense0}}]",
     "needs a W of 3 x 3, but that of 'dense0' is 24 x 3; put '- dense: {features: 24}' before it, "
     "or drop 'share'"},
    {"layers: [flatten, {dense: {features: 24}}, {dense: {features: 24, share: dense0,"
     " trainable: false}}]", "its tensors are those of 'dense0'"},
    {"layers: [flatten, {dense: {features: 24}}, {dense: {features: 24, share: dense0,"
     " bias: none}}]", "its tensors are those of 'dense0'"},
    {"layers: [flatten, {dense: {features: 24}}, {dense: {features: 24, share: dense0,"
     " weight_init: he_normal}}]", "its tensors are those of 'dense0'"},
    {"layers: [flatten, {dense: {features: 3, transposed: true}}]", "needs 'share: NAME'"},
    {"layers: [flatten, {dense: {features: 24}}, {dense: {features: 24, share: dense0,"
     " transposed: true}}]", "'transposed' is for the W of a token_embedding"},
    {"{kind: neural_ode, depth: 0}", "too small"},
};

static void check_network_refusal(const refusal *r) {
  test_network t;

  read_settings(r->yaml, &t);
  EXPECT_REFUSED(ntk_network_create(&t.settings, &image, 3, NTK_DOUBLE, &t.network), NTK_E_CONFIG,
                 r->part);
  EXPECT(!t.network.layer && !t.network.tensor);
  destroy_network(&t);
}

static void check_other_refusals(void) {
  const ntk_shape vector = {.rank = 1, .size = {3}};
  test_network t;

  read_settings("layers: [{activation: tanh}]", &t);
  EXPECT_REFUSED(ntk_network_create(&t.settings, &vector, 3, NTK_DOUBLE, &t.network), NTK_E_CONFIG,
                 "no trainable parameters");
  destroy_network(&t);
  read_settings("{kind: layers, weights: nowhere.h5}", &t);
  EXPECT_REFUSED(ntk_network_create(&t.settings, &vector, 3, NTK_DOUBLE, &t.network), NTK_E_CONFIG,
                 "no layers");
  destroy_network(&t);
}

/* Every row of the table has what the others rely on. */
static void check_table(void) {
  for (int k = 0; ntk_layers[k]; ++k) {
    const ntk_layer *layer = (const ntk_layer *)ntk_layers[k];
    bool named = false;

    for (const ntk_option *o = layer->row.options; o->key; ++o) {
      named = named || (strcmp(o->key, "name") == 0 && o->offset == 0);
    }
    EXPECT(named);
    if (!layer->shape) { /* stands for others */
      EXPECT(!layer->forward && !layer->backward && !layer->factor && !layer->tensors);
      continue;
    }
    EXPECT(layer->forward && (layer->backward || layer->factor));
    EXPECT((layer->factors > 0) == (layer->factor != NULL));
    EXPECT((layer->tensors != NULL) == (layer->rng_keys > 0));
  }
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  for (size_t k = 0; k < sizeof(examples) / sizeof(examples[0]); ++k) check_example(&examples[k]);
  check_multipliers();
  check_overrides();
  check_output_modes();
  for (size_t k = 0; k < sizeof(in_section) / sizeof(in_section[0]); ++k) {
    check_section_refusal(&in_section[k]);
  }
  for (size_t k = 0; k < sizeof(in_network) / sizeof(in_network[0]); ++k) {
    check_network_refusal(&in_network[k]);
  }
  check_other_refusals();
  check_table();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
