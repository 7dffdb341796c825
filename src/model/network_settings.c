/* The section `network:`. */
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "ntk/model/layer.h"
#include "network_rows.h"

static const ntk_row as_is = {.name = "as_is", .doc = "f"};

static const ntk_option centered_options[] = {
    {.key = "initial",
     .type = NTK_PATH,
     .offset = offsetof(ntk_network_centering, initial),
     .doc = "weights file of the initialisation; default: the network's own weights, so f = 0"},
    {0},
};

const ntk_row ntk_network_centered = {.name = "centered",
                                      .doc = "f - f0: zero at initialisation, same kernel",
                                      .options = centered_options,
                                      .options_size = sizeof(ntk_network_centering)};

static const ntk_option scaled_options[] = {
    {.key = "alpha",
     .type = NTK_REAL,
     .offset = offsetof(ntk_network_centering, alpha),
     .low = 1e-10,
     .high = 1e10,
     .flags = NTK_REQUIRED,
     .doc = "factor of the output; its square is that of the kernel"},
    {.key = "centered",
     .type = NTK_BOOL,
     .offset = offsetof(ntk_network_centering, centered),
     .fallback = "true",
     .doc = "alpha (f - f0), which trains lazily for large alpha; false: alpha f"},
    {.key = "initial",
     .type = NTK_PATH,
     .offset = offsetof(ntk_network_centering, initial),
     .doc = "as that of centered"},
    {0},
};

const ntk_row ntk_network_scaled = {
    .name = "scaled",
    .doc = "alpha (f - f0), or alpha f: kernel times alpha^2",
    .options = scaled_options,
    .options_size = sizeof(ntk_network_centering),
    .shorthand = "alpha"};
const ntk_row *const ntk_network_outputs[] = {&as_is, &ntk_network_centered, &ntk_network_scaled,
                                              NULL};

static const ntk_option bias_options[] = {
    {.key = "scale",
     .type = NTK_REAL,
     .offset = offsetof(ntk_network_settings, bias.scale) - offsetof(ntk_network_settings, bias),
     .fallback = "0.1",
     .low = 0,
     .high = 1e150,
     .doc = "multiplier s_b; its square is the weight of the bias in the kernel"},
    {.key = "std",
     .type = NTK_REAL,
     .offset = offsetof(ntk_network_settings, bias.std) - offsetof(ntk_network_settings, bias),
     .fallback = "1.0",
     .low = 0,
     .high = 1e150,
     .doc = "standard deviation of b at initialisation; 0: b starts at zero"},
    {0},
};
static const ntk_section bias_section = {.options = bias_options};

static const ntk_option rng_options[] = {
    {.key = "layout",
     .type = NTK_WORD,
     .offset = offsetof(ntk_network_settings, rng.layout) - offsetof(ntk_network_settings, rng),
     .fallback = "partitionable",
     .rows = ntk_rng_layouts,
     .doc = "jax_threefry_partitionable: true or false"},
    {.key = "dtype",
     .type = NTK_WORD,
     .offset = offsetof(ntk_network_settings, rng.dtype) - offsetof(ntk_network_settings, rng),
     .fallback = "float64",
     .rows = ntk_rng_dtypes,
     .doc = "what is drawn; the weights are then converted to kernel.precision"},
    {.key = "keys",
     .type = NTK_WORD,
     .offset = offsetof(ntk_network_settings, rng.keys) - offsetof(ntk_network_settings, rng),
     .fallback = "per_tensor",
     .rows = ntk_rng_keys,
     .doc = "how keys follow from the seed"},
    {0},
};
static const ntk_section rng_section = {.options = rng_options};

/* The mlp that a config gets if it says nothing. */
#define DEFAULT_DEPTH 3
#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)
static const char default_activation[] = "relu";

#define FIELD(name) .key = #name, .offset = offsetof(ntk_network_settings, name)

static const ntk_option options[] = {
    {FIELD(kind), .type = NTK_WORD, .fallback = "auto", .flags = NTK_AUTO,
     .rows = ntk_network_kinds,
     .doc = "auto: layers if there are any here or in the weights file, else mlp"},
    {FIELD(depth), .type = NTK_INT, .fallback = TEXT(DEFAULT_DEPTH), .low = 0, .high = 400,
     .doc = "hidden layers of an mlp, convolutions of a cnn, blocks of a resnet or transformer, "
            "steps of a neural_ode"},
    {FIELD(width), .type = NTK_INT, .fallback = "512", .low = 1, .high = INT_MAX,
     .doc = "units of a hidden layer; `width` in sizes of layers"},
    {FIELD(activation), .type = NTK_CHOICE, .fallback = default_activation,
     .rows = ntk_activations,
     .doc = "of the hidden layers of a short form"},
    {FIELD(layers), .type = NTK_CHOICES, .flags = NTK_REPEAT, .rows = ntk_layers,
     .doc = "the layers from input to output"},
    {FIELD(parameterization), .type = NTK_WORD, .fallback = "ntk", .rows = ntk_parameterizations,
     .doc = "how weights are multiplier times entries"},
    {FIELD(weight_init), .type = NTK_CHOICE, .fallback = "he_normal", .rows = ntk_initializers,
     .word = "variance_scaling",
     .doc = "law of the weights, in its standard form; also {law: L, variance: V, fan: F}"},
    {FIELD(bias), .type = NTK_SECTION, .flags = NTK_NONE, .section = &bias_section,
     .present = offsetof(ntk_network_settings, biased), .doc = "h = s_w a W + scale b"},
    {FIELD(output), .type = NTK_CHOICE, .fallback = "as_is", .rows = ntk_network_outputs,
     .doc = "what the targets are compared with"},
    {FIELD(seed), .type = NTK_INT, .fallback = "0", .low = 0, .high = 9223372036854775807.0,
     .doc = "of the weights"},
    {FIELD(rng), .type = NTK_SECTION, .section = &rng_section, .doc = "JAX's generator"},
    {FIELD(weights), .type = NTK_PATH, .doc = "file of weights; without it they are drawn"},
    {0},
};

static ntk_mark mark_of(const ntk_node *node, const char *key) {
  const ntk_node *found = ntk_node_find(node, key);

  return found ? found->mark : node->mark;
}

/* Keys that only an mlp reads, in a network that is none.  Their defaults are let pass, because a
 * resolved config has them. */
static void check_unused(const ntk_network_settings *s, const ntk_node *node,
                         ntk_problems *problems) {
  const char *why = s->layers.count > 0 ? "with a list of layers nothing reads it"
                                        : "the layers come from the weights file; write its kind";

  if (s->depth != DEFAULT_DEPTH) {
    ntk_problem(problems, mark_of(node, "depth"),
                "network.depth belongs to the short forms of network.kind; %s", why);
  }
  if (strcmp(s->activation.row->name, default_activation) != 0) {
    ntk_problem(problems, mark_of(node, "activation"),
                "network.activation belongs to the short forms of network.kind; %s", why);
  }
}

/* Alone it is a missing file, with an exit code of its own; beside other problems one more. */
static void check_present(const ntk_network_settings *s, const ntk_node *node,
                          ntk_problems *problems) {
  if (problems->count == 0 || !s->weights || access(s->weights, F_OK) == 0) return;
  ntk_problem(problems, mark_of(node, "weights"), "network.weights: there is no file %s",
              s->weights);
}

static void check(const void *settings, const ntk_node *node, ntk_problems *problems) {
  const ntk_network_settings *s = settings;
  const bool short_form = s->kind && s->kind != &ntk_network_listed;
  const ntk_keys_row *keys = (const ntk_keys_row *)s->rng.keys;
  const ntk_network_centering *centering = s->output.options;

  if (s->layers.item && s->layers.count == 0) {
    ntk_problem(problems, mark_of(node, "layers"), "network.layers is empty");
  }
  if (s->layers.count > 0 && short_form) {
    ntk_problem(problems, mark_of(node, "layers"),
                "network.layers beside kind: %s; remove one of them", s->kind->name);
  }
  if (!short_form && (s->layers.count > 0 || s->weights)) check_unused(s, node, problems);
  if (s->kind == &ntk_network_listed && !s->layers.item && !s->weights) {
    ntk_problem(problems, mark_of(node, "kind"), "network.kind: layers needs network.layers");
  }
  if (s->output.row == &ntk_network_scaled && centering->initial && !centering->centered) {
    ntk_problem(problems, mark_of(node, "output"),
                "network.output.scaled: 'initial' is for centered outputs; drop it, or "
                "'centered: false'");
  }
  if (!keys->draws_bias && s->biased && s->bias.std != 0 && !s->weights) {
    ntk_problem(problems, mark_of(node, "rng"),
                "rng.keys: %s draws no biases; set network.bias.std to 0, or bias: none",
                keys->row.name);
  }
  check_present(s, node, problems);
}

const ntk_section ntk_network_section = {.options = options, .check = check};
