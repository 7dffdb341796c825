/* A network that draws targets: a function of generated inputs, and a source with normal inputs.
 * The data floor does not know networks, so it lists these rows and they are defined here. */
#include <string.h>

#include "ntk/data/generate.h"
#include "ntk/run/build.h"

enum { BATCH = 1024 }; /* samples at once: they bound the memory of a forward pass */

typedef struct teacher {
  ntk_network_settings network;
  int64_t outputs;
} teacher;

#define NETWORK_ROW                                                                  \
  {                                                                                  \
    .key = "network", .type = NTK_SECTION, .offset = offsetof(teacher, network),     \
    .section = &ntk_network_section, .doc = "the teacher, with the keys of network:" \
  }

#define OUTPUTS_ROW                                                                           \
  {                                                                                           \
    .key = "outputs", .type = NTK_INT, .offset = offsetof(teacher, outputs), .fallback = "1", \
    .low = 1, .high = 1e6, .doc = "of the teacher: columns of targets"                        \
  }

static const ntk_option function_options[] = {NETWORK_ROW, OUTPUTS_ROW, {0}};

static ntk_status forward(const ntk_network *network, const ntk_shape *shape, int64_t n,
                          const double *x, double *y) {
  const int64_t features = ntk_shape_count(shape);
  int64_t index[BATCH];

  for (int64_t first = 0; first < n; first += BATCH) {
    const int64_t count = n - first < BATCH ? n - first : BATCH;
    const ntk_batch batch = {.count = count, .index = index};
    ntk_tape tape = {0};

    for (int64_t k = 0; k < count; ++k) index[k] = first + k;
    NTK_TRY(ntk_forward_batch(network, &batch, x + first * features, NULL, &tape));
    ntk_tape_output(&tape, y + first * network->outputs);
    ntk_tape_destroy(&tape);
  }
  return NTK_OK;
}

static const char *output_of(const teacher *o) { return o->network.output.row->name; }

static ntk_status check_output(const teacher *o) {
  NTK_CHECK(strcmp(output_of(o), "as_is") == 0, NTK_E_CONFIG,
            "data: a teacher's targets are f itself; leave out its network.output: %s",
            output_of(o));
  return NTK_OK;
}

/* Its samples come in batches, which are no training set. */
static ntk_status check_batches(const ntk_network *network) {
  NTK_CHECK(network->coupled == 0, NTK_E_CONFIG,
            "data: a teacher's targets are those of each input alone, so its batch_norm takes mode: "
            "eval");
  return NTK_OK;
}

static ntk_status value(const void *options, const ntk_generator *from, int64_t n, const double *x,
                        double *y) {
  static const ntk_row in_double = {.name = "double"};
  const teacher *o = options;
  const ntk_settings settings = {.network = o->network, .kernel = {.precision = &in_double}};
  const ntk_data data = {
      .shape = from->shape, .outputs = o->outputs, .vocabulary = from->vocabulary};
  ntk_network network = {0};

  NTK_TRY(check_output(o));
  NTK_TRY(ntk_network_build(&settings, &data, true, &network));
  ntk_status status = check_batches(&network);

  if (status == NTK_OK) status = forward(&network, &from->shape, n, x, y);
  ntk_network_destroy(&network);
  return status;
}

static int64_t outputs_of(const void *options) { return ((const teacher *)options)->outputs; }

const ntk_data_function ntk_function_teacher = {
    .row = {.name = "teacher",
            .doc = "the output of a network of its own config and seed",
            .options = function_options,
            .options_size = sizeof(teacher)},
    .outputs = outputs_of,
    .value = value,
};

/* ---- the source ----------------------------------------------------------------------------- */

typedef struct teacher_source {
  teacher teacher; /* first: NETWORK_ROW and OUTPUTS_ROW are its */
  int64_t dimension;
  double noise_std;
} teacher_source;

static const ntk_option source_options[] = {
    {.key = "dimension",
     .type = NTK_INT,
     .offset = offsetof(teacher_source, dimension),
     .fallback = "16",
     .low = 1,
     .high = 1e9,
     .doc = "coordinates of a sample"},
    NETWORK_ROW,
    OUTPUTS_ROW,
    NTK_NOISE_ROW(teacher_source),
    {0},
};

static void fill(const void *options, ntk_rng_key key, int64_t n, double *x) {
  ntk_fill_normal(key, n * ((const teacher_source *)options)->dimension, x);
}

static ntk_generator generator_of(const ntk_data_settings *settings, const void *options) {
  const teacher_source *o = options;

  return (ntk_generator){
      .shape = {.rank = 1, .size = {o->dimension}},
      .options = o,
      .fill = fill,
      .function = {.row = &ntk_function_teacher.row, .options = (void *)&o->teacher},
      .noise_std = o->noise_std,
      .noise_key = ntk_data_draw_key(settings->seed, NTK_DRAW_TRAIN_NOISE),
      .noise_dtype = NTK_DOUBLE,
  };
}

static void check(const void *options, const ntk_node *node, ntk_problems *problems) {
  const teacher *o = &((const teacher_source *)options)->teacher;
  const ntk_node *at = ntk_node_at(node, "network.output");

  if (strcmp(output_of(o), "as_is") == 0) return;
  ntk_problem(problems, at ? at->mark : node->mark,
              "a teacher's targets are f itself; leave out its network.output: %s", output_of(o));
}

const ntk_data_source ntk_source_teacher = {
    .row = {.name = "teacher",
            .doc = "independent N(0, 1) inputs, targets drawn by a network",
            .options = source_options,
            .options_size = sizeof(teacher_source)},
    .generator = generator_of,
    .check = check,
};
