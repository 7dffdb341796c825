/* config_schema.h -- a config with a row of every type, for the tests of the config floor. */
#ifndef NTK_TESTS_CONFIG_SCHEMA_H
#define NTK_TESTS_CONFIG_SCHEMA_H

#include "ntk/config/option.h"
#include "ntk/config/sweep.h"
#include "test.h"

typedef struct idx_options {
  const char *inputs, *labels;
} idx_options;

typedef struct gaussian_options {
  int64_t dimension;
  double noise_std;
} gaussian_options;

static const ntk_option idx_rows[] = {
    {.key = "inputs", .type = NTK_PATH, .offset = offsetof(idx_options, inputs),
     .flags = NTK_REQUIRED, .doc = "images"},
    {.key = "labels", .type = NTK_PATH, .offset = offsetof(idx_options, labels), .doc = "classes"},
    {0}};

static const ntk_option gaussian_rows[] = {
    {.key = "dimension", .type = NTK_INT, .offset = offsetof(gaussian_options, dimension),
     .fallback = "16", .low = 1, .high = 1e6, .doc = "of one sample"},
    {.key = "noise_std", .type = NTK_REAL, .offset = offsetof(gaussian_options, noise_std),
     .fallback = "0.1", .low = 0, .high = 1e300, .doc = "of the targets"},
    {0}};

static const ntk_row row_gaussian = {
    .name = "gaussian", .doc = "normal inputs", .options = gaussian_rows, .options_size = sizeof(gaussian_options)};
static const ntk_row row_idx = {
    .name = "idx", .doc = "images in IDX files", .options = idx_rows, .options_size = sizeof(idx_options)};
static const ntk_row *const sources[] = {&row_gaussian, &row_idx, NULL};

typedef struct set_settings {
  int64_t count;
  bool balanced;
} set_settings;

typedef struct data_settings {
  ntk_choice source;
  ntk_ints classes;
  ntk_strings columns;
  set_settings train;
} data_settings;

static const ntk_option set_rows[] = {
    {.key = "count", .type = NTK_INT, .offset = offsetof(set_settings, count), .fallback = "auto",
     .low = 1, .high = 1e9, .flags = NTK_AUTO, .doc = "samples"},
    {.key = "balanced", .type = NTK_BOOL, .offset = offsetof(set_settings, balanced),
     .fallback = "false", .doc = "same number of each class"},
    {0}};
static const ntk_section set_section = {set_rows, NULL};

static const ntk_option data_rows[] = {
    {.key = "source", .type = NTK_VARIANT, .offset = offsetof(data_settings, source),
     .rows = sources, .flags = NTK_REQUIRED, .doc = "where samples come from"},
    {.key = "classes", .type = NTK_INTS, .offset = offsetof(data_settings, classes),
     .fallback = "all", .low = 0, .high = 1e9, .flags = NTK_ALL, .doc = "which classes"},
    {.key = "columns", .type = NTK_STRINGS, .offset = offsetof(data_settings, columns),
     .doc = "names of the targets"},
    {.key = "train", .type = NTK_SECTION, .offset = offsetof(data_settings, train),
     .section = &set_section, .doc = "training set"},
    {0}};

static void check_data(const void *settings, const ntk_node *node, ntk_problems *problems) {
  const data_settings *data = settings;
  const ntk_node *classes = ntk_node_find(node, "classes");

  if (classes && data->classes.count == 1) {
    ntk_problem(problems, classes->mark, "one class is no classification; write two or more");
  }
}
static const ntk_section data_section = {data_rows, check_data};

static const ntk_row row_relu = {.name = "relu", .doc = "max(x, 0)"};
static const ntk_row row_erf = {.name = "erf", .doc = "2/sqrt(pi) int_0^x exp(-t^2) dt"};
static const ntk_row row_tanh = {.name = "tanh", .doc = "hyperbolic tangent"};
static const ntk_row *const activations[] = {&row_relu, &row_erf, &row_tanh, NULL};

typedef struct scaled_options {
  double alpha;
} scaled_options;
static const ntk_option scaled_rows[] = {
    {.key = "alpha", .type = NTK_REAL, .offset = offsetof(scaled_options, alpha), .low = 0,
     .high = 1e6, .flags = NTK_REQUIRED, .doc = "factor"},
    {0}};
static const ntk_row row_as_is = {.name = "as_is", .doc = "f"};
static const ntk_row row_centered = {.name = "centered", .doc = "f - f0"};
static const ntk_row row_scaled = {
    .name = "scaled", .doc = "alpha f", .options = scaled_rows, .options_size = sizeof(scaled_options),
    .shorthand = "alpha"};
static const ntk_row *const outputs[] = {&row_as_is, &row_centered, &row_scaled, NULL};

typedef struct dense_options {
  ntk_size features;
  const char *name;
} dense_options;
typedef struct activation_options {
  const ntk_row *function;
} activation_options;
typedef struct repeat_options {
  const char *name;
  int64_t times;
  ntk_choices layers;
} repeat_options;

extern const ntk_row *const layers[];
static const ntk_option dense_rows[] = {
    {.key = "features", .type = NTK_SIZE, .offset = offsetof(dense_options, features), .low = 1,
     .high = 1e9, .flags = NTK_REQUIRED, .doc = "outputs of the layer"},
    {.key = "name", .type = NTK_STRING, .offset = offsetof(dense_options, name),
     .flags = NTK_UNHASHED, .doc = "by which paths address it"},
    {0}};
static const ntk_option activation_rows[] = {
    {.key = "function", .type = NTK_WORD, .offset = offsetof(activation_options, function),
     .rows = activations, .flags = NTK_REQUIRED, .doc = "which"},
    {0}};
static const ntk_option repeat_rows[] = {
    {.key = "name", .type = NTK_STRING, .offset = offsetof(repeat_options, name),
     .flags = NTK_UNHASHED, .doc = "by which paths address it"},
    {.key = "times", .type = NTK_INT, .offset = offsetof(repeat_options, times), .low = 1,
     .high = 1000, .flags = NTK_REQUIRED, .doc = "how often"},
    {.key = "layers", .type = NTK_CHOICES, .offset = offsetof(repeat_options, layers),
     .rows = layers, .flags = NTK_REQUIRED | NTK_REPEAT, .doc = "what is repeated"},
    {0}};
static const ntk_row row_flatten = {.name = "flatten", .doc = "row-major"};
static const ntk_row row_dense = {
    .name = "dense", .doc = "affine map", .options = dense_rows, .options_size = sizeof(dense_options)};
static const ntk_row row_activation = {
    .name = "activation", .doc = "entry by entry", .options = activation_rows, .options_size = sizeof(activation_options),
    .shorthand = "function"};
static const ntk_row row_repeat = {
    .name = "repeat", .doc = "a block, several times", .options = repeat_rows, .options_size = sizeof(repeat_options)};
const ntk_row *const layers[] = {&row_flatten, &row_dense, &row_activation, &row_repeat, NULL};

typedef struct bias_settings {
  double scale, std;
} bias_settings;
typedef struct network_settings {
  const ntk_row *kind;
  int64_t depth, width;
  const ntk_row *activation;
  bool biased;
  bias_settings bias;
  ntk_choice output;
  ntk_choices layers;
  const char *weights;
  int64_t seed;
} network_settings;

static const ntk_option bias_rows[] = {
    {.key = "scale", .type = NTK_REAL, .offset = offsetof(bias_settings, scale), .fallback = "0.1",
     .low = -1e300, .high = 1e300, .doc = "factor of the bias"},
    {.key = "std", .type = NTK_REAL, .offset = offsetof(bias_settings, std), .fallback = "1.0",
     .low = 0, .high = 1e300, .doc = "of its entries"},
    {0}};
static const ntk_section bias_section = {bias_rows, NULL};

static const ntk_option network_rows[] = {
    {.key = "kind", .type = NTK_WORD, .offset = offsetof(network_settings, kind),
     .fallback = "auto", .rows = activations, .flags = NTK_AUTO, .doc = "short form"},
    {.key = "depth", .type = NTK_INT, .offset = offsetof(network_settings, depth), .fallback = "3",
     .low = 1, .high = 1000, .doc = "hidden layers"},
    {.key = "width", .type = NTK_INT, .offset = offsetof(network_settings, width),
     .fallback = "512", .low = 1, .high = 1e6, .doc = "units per hidden layer"},
    {.key = "activation", .type = NTK_WORD, .offset = offsetof(network_settings, activation),
     .fallback = "relu", .rows = activations, .doc = "of the hidden layers"},
    {.key = "bias", .type = NTK_SECTION, .offset = offsetof(network_settings, bias),
     .section = &bias_section, .flags = NTK_NONE, .present = offsetof(network_settings, biased),
     .doc = "bias vectors"},
    {.key = "output", .type = NTK_CHOICE, .offset = offsetof(network_settings, output),
     .fallback = "centered", .rows = outputs, .doc = "what the network's function is"},
    {.key = "layers", .type = NTK_CHOICES, .offset = offsetof(network_settings, layers),
     .rows = layers, .flags = NTK_REPEAT, .doc = "instead of the short form"},
    {.key = "weights", .type = NTK_PATH, .offset = offsetof(network_settings, weights),
     .doc = "weights file"},
    {.key = "seed", .type = NTK_INT, .offset = offsetof(network_settings, seed), .fallback = "0",
     .low = 0, .high = 9.3e18, .doc = "of the weights"},
    {0}};
static const ntk_section network_section = {network_rows, NULL};

typedef struct dynamics_options {
  ntk_real_of learning_rate;
  ntk_grid_spec times;
} dynamics_options;
typedef struct dimension_options {
  ntk_grid_spec ridge;
} dimension_options;
static const ntk_option dynamics_rows[] = {
    {.key = "learning_rate", .type = NTK_REAL_OF, .offset = offsetof(dynamics_options, learning_rate),
     .fallback = "1.0", .low = 0, .high = 1e300, .word = "of_max", .doc = "rate"},
    {.key = "times", .type = NTK_GRID, .offset = offsetof(dynamics_options, times),
     .fallback = "{geomspace: [auto, auto, 60], zero: true, infinity: true}", .low = 0,
     .high = 1e300, .flags = NTK_ENDS, .doc = "when"},
    {0}};
static const ntk_option dimension_rows[] = {
    {.key = "ridge", .type = NTK_GRID, .offset = offsetof(dimension_options, ridge),
     .fallback = "{geomspace: [1e-8, 1e2, 41]}", .low = 0, .high = 1e300, .doc = "ridges"},
    {0}};
static const ntk_row row_summary = {.name = "summary", .doc = "scalars of the kernel"};
static const ntk_row row_dynamics = {
    .name = "dynamics", .doc = "training curves", .options = dynamics_rows, .options_size = sizeof(dynamics_options)};
static const ntk_row row_dimension = {
    .name = "effective_dimension", .doc = "tr K (K + r)^-1", .options = dimension_rows, .options_size = sizeof(dimension_options)};
static const ntk_row *const analyses[] = {&row_summary, &row_dynamics, &row_dimension, NULL};

typedef struct output_settings {
  const char *directory;
} output_settings;
static const ntk_option output_rows[] = {
    {.key = "directory", .type = NTK_STRING, .offset = offsetof(output_settings, directory),
     .fallback = "runs/x", .doc = "where"},
    {0}};
static const ntk_section output_section = {output_rows, NULL};

typedef struct settings {
  int64_t format;
  const char *name;
  double cutoff;
  data_settings data;
  network_settings network;
  ntk_choices analyses;
  const ntk_node *sweep;
  output_settings output;
} settings;

static const ntk_option root_rows[] = {
    {.key = "format", .type = NTK_INT, .offset = offsetof(settings, format), .fallback = "1",
     .low = 1, .high = 1, .flags = NTK_UNHASHED, .doc = "version"},
    {.key = "name", .type = NTK_STRING, .offset = offsetof(settings, name), .fallback = "a title",
     .flags = NTK_UNHASHED, .doc = "title"},
    {.key = "cutoff", .type = NTK_REAL, .offset = offsetof(settings, cutoff), .fallback = "auto",
     .low = 0, .high = 1, .flags = NTK_AUTO, .doc = "relative to the largest"},
    {.key = "data", .type = NTK_SECTION, .offset = offsetof(settings, data),
     .section = &data_section, .doc = "samples"},
    {.key = "network", .type = NTK_SECTION, .offset = offsetof(settings, network),
     .section = &network_section, .doc = "the network"},
    {.key = "analyses", .type = NTK_CHOICES, .offset = offsetof(settings, analyses),
     .fallback = "[summary]", .rows = analyses, .doc = "what is computed"},
    {.key = "sweep", .type = NTK_TREE, .offset = offsetof(settings, sweep), .flags = NTK_UNHASHED,
     .doc = "axes"},
    {.key = "output", .type = NTK_SECTION, .offset = offsetof(settings, output),
     .section = &output_section, .flags = NTK_UNHASHED, .doc = "where results go"},
    {0}};
static const ntk_section root_section = {root_rows, NULL};

/* A config that was read and bound; destroy in any case. */
typedef struct config {
  ntk_tree tree;
  ntk_sweep sweep;
  ntk_arena arena;
  settings settings;
  ntk_problems problems;
} config;

static inline ntk_status bind_config(config *c, const ntk_node *root) {
  memset(&c->settings, 0, sizeof(c->settings));
  return ntk_option_bind(&root_section, root, "", "/base", &c->arena, &c->settings, &c->problems);
}

/* Reads, expands and binds all points; the last one's settings stay. */
static inline ntk_status read_config(const char *yaml, config *c) {
  ntk_node *root = NULL;

  NTK_TRY(ntk_tree_parse("c.yaml", yaml, &c->tree, &c->problems));
  if (c->tree.broken) return NTK_OK;
  NTK_TRY(ntk_sweep_read(&c->tree, &c->sweep, &c->problems));
  for (int64_t k = 0; k < c->sweep.point_count; ++k) {
    NTK_TRY(ntk_sweep_point(&c->tree, &c->sweep, k, &c->arena, &root, &c->problems));
    NTK_TRY(bind_config(c, root));
  }
  return NTK_OK;
}

static inline void destroy_config(config *c) {
  ntk_tree_destroy(&c->tree);
  ntk_arena_destroy(&c->arena);
  ntk_problems_destroy(&c->problems);
  memset(c, 0, sizeof(*c));
}

/* A config with a value of every type that differs from the default. */
static const char full_config[] =
    "format: 1\n"
    "name: \"tabs\\t, quotes \\\" and: colons # \\u00e4\\u2028\"\n"
    "cutoff: 1e-12\n"
    "data:\n"
    "  source: idx\n"
    "  inputs: /a/b c.gz\n"
    "  labels: l.gz\n"
    "  classes: [1, 2, 7]\n"
    "  columns: [price, \"two words\", \"1\"]\n"
    "  train: {count: 128, balanced: true}\n"
    "network:\n"
    "  kind: erf\n"
    "  depth: 1\n"
    "  width: 7\n"
    "  activation: tanh\n"
    "  bias: none\n"
    "  output: {scaled: {alpha: 0.30000000000000004}}\n"
    "  layers:\n"
    "    - flatten\n"
    "    - dense: {features: 4*width, name: stem}\n"
    "    - activation: erf\n"
    "    - repeat:\n"
    "        name: stage\n"
    "        times: 2\n"
    "        layers:\n"
    "          - dense: {features: width}\n"
    "          - activation: {function: tanh}\n"
    "          - dense: {features: 10}\n"
    "  weights: w.h5\n"
    "  seed: 9223372036854775807\n"
    "analyses:\n"
    "  - summary: {label: first}\n"
    "  - dynamics: {learning_rate: {of_max: 0.5}, times: {linspace: [1, 1e6, 3], zero: true}}\n"
    "  - dynamics: {label: fine, learning_rate: 1e-3, times: [0, 0.1, 1e300]}\n"
    "  - effective_dimension: {ridge: 1..3}\n"
    "sweep:\n"
    "  network.width: [64, 128]\n"
    "  network.layers.stage.times: 3..3\n"
    "  zip: {x: {label: [a, b], data.train.count: [64, 128], data.train.balanced: [false, true]}}\n"
    "  skip: [{x: b, width: 128, network.layers.stage.times: 3..3}]\n"
    "output: {directory: elsewhere}\n";

#endif
