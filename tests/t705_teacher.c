/* A teacher's targets are the outputs of its network on the generated inputs: of the same inputs as
 * without a teacher, whatever the number of samples, for every source that takes a function.
 *
 * Method: a teacher without hidden layer, whose weights are jax.random draws taken here again, is a
 * sum over the inputs; a deep one is compared with the model's own forward pass; then refusals and
 * the fault sweep. */
//TEST ranks=1
#include "data.h"
#include "ntk/base/random.h"
#include "ntk/model/network.h"

enum { DIMENSION = 3, OUTPUTS = 2, SAMPLES = 2500 }; /* more than one batch */

/* W [in][out] of the first tensor: N(0, 1) from fold_in(PRNGKey(seed), 0), times 1/sqrt(in). */
static void draw_weights(int64_t seed, double *w) {
  const ntk_draw draw = {.layout = NTK_RNG_PARTITIONABLE,
                         .key = ntk_rng_fold_in(ntk_rng_seed(seed, true), 0),
                         .total = DIMENSION * OUTPUTS};

  ntk_rng_normal(&draw, NTK_DOUBLE, 0, DIMENSION * OUTPUTS, w);
}

static void expect_linear(const ntk_data *data, const ntk_samples *set, const double *w) {
  for (int64_t i = 0; i < set->count; ++i) {
    for (int o = 0; o < OUTPUTS; ++o) {
      double f = 0;

      for (int d = 0; d < DIMENSION; ++d) {
        f += set->inputs[i * DIMENSION + d] * w[d * OUTPUTS + o] / sqrt(DIMENSION);
      }
      EXPECT_NEAR(set->targets[i * data->outputs + o], f, 1e-13);
    }
  }
}

static const char linear[] =
    "network: {depth: 0, weight_init: lecun_normal, bias: none, seed: 5}, outputs: 2";

static void linear_teacher(const char *format) {
  double w[DIMENSION * OUTPUTS];
  char yaml[512];
  ntk_data data;

  draw_weights(5, w);
  (void)snprintf(yaml, sizeof(yaml), format, linear);
  load_valid(yaml, &data);
  EXPECT(data.outputs == OUTPUTS && data.classes == 0 && data.features == DIMENSION);
  EXPECT(data.train.count == SAMPLES && data.test.count == 4 && data.validation.count == 3);
  expect_linear(&data, &data.train, w);
  expect_linear(&data, &data.validation, w);
  expect_linear(&data, &data.test, w);
  ntk_data_destroy(&data);
}

/* The source `teacher` is `gaussian` with that function, noise included. */
static void same_as_gaussian(void) {
  ntk_data one, other;

  load_valid("{source: teacher, dimension: 4, network: {width: 8, seed: 2}, train: {count: 6},"
             " test: {count: 2}, noise_std: 0.5, seed: 3}", &one);
  load_valid("{source: gaussian, dimension: 4, train: {count: 6}, test: {count: 2}, seed: 3,"
             " noise_std: 0.5, function: {teacher: {network: {width: 8, seed: 2}}}}", &other);
  EXPECT(memcmp(one.train.inputs, other.train.inputs, 24 * sizeof(double)) == 0);
  EXPECT(memcmp(one.train.targets, other.train.targets, 6 * sizeof(double)) == 0);
  EXPECT(memcmp(one.test.targets, other.test.targets, 2 * sizeof(double)) == 0);
  ntk_data_destroy(&one);
  ntk_data_destroy(&other);
}

/* Noise on every output, normal(key, (n, outputs)) with the key of purpose 4. */
static void noise(void) {
  const ntk_draw draw = {NTK_RNG_PARTITIONABLE, ntk_rng_fold_in(ntk_rng_seed(3, true), 4), 12};
  double wanted[12];
  ntk_data plain, noisy;

  ntk_rng_normal(&draw, NTK_DOUBLE, 0, 12, wanted);
  load_valid("{source: teacher, dimension: 2, network: {width: 4}, outputs: 2, train: {count: 6},"
             " seed: 3}", &plain);
  load_valid("{source: teacher, dimension: 2, network: {width: 4}, outputs: 2, train: {count: 6},"
             " seed: 3, noise_std: 0.5}", &noisy);
  for (int k = 0; k < 12; ++k) {
    EXPECT(noisy.train.targets[k] == plain.train.targets[k] + 0.5 * wanted[k]);
  }
  ntk_data_destroy(&plain);
  ntk_data_destroy(&noisy);
}

/* The network of the teacher, forward once on all inputs. */
static void forward(const char *yaml, const ntk_data *data, double *f) {
  const ntk_shape shape = {.rank = 1, .size = {data->features}};
  ntk_tree tree = {0};
  ntk_problems problems = {0};
  ntk_network_settings settings = {0};
  ntk_network network;
  ntk_tape tape;

  EXPECT_OK(ntk_tree_parse("network.yaml", yaml, &tree, &problems));
  EXPECT_OK(ntk_option_bind(&ntk_network_section, tree.root, "network", "", &tree.arena, &settings,
                            &problems));
  EXPECT(problems.count == 0);
  settings.vocabulary = data->vocabulary;
  EXPECT_OK(ntk_network_create(&settings, &shape, 1, NTK_DOUBLE, &network));
  EXPECT_OK(ntk_network_draw(&settings, &network));
  EXPECT_OK(ntk_forward(&network, data->train.count, data->train.inputs, &tape));
  ntk_tape_output(&tape, f);
  ntk_tape_destroy(&tape);
  ntk_network_destroy(&network);
  ntk_problems_destroy(&problems);
  ntk_tree_destroy(&tree);
}

static void deep_teacher(void) {
  static double f[SAMPLES];
  ntk_data data;

  load_valid("{source: sphere, dimension: 5, train: {count: 2500}, function: {teacher: {network: "
             "{depth: 2, width: 16, activation: erf, seed: 9}}}}", &data);
  forward("{depth: 2, width: 16, activation: erf, seed: 9}", &data, f);
  EXPECT(memcmp(f, data.train.targets, sizeof(f)) == 0);
  ntk_data_destroy(&data);
}

/* A teacher of tokens knows how many there are. */
static void teacher_of_tokens(void) {
  static double f[32];
  ntk_data data;

  load_valid("{source: tokens, vocabulary: 7, length: 4, train: {count: 32}, function: {teacher: "
             "{network: {kind: transformer, depth: 1, width: 8, seed: 9}}}}", &data);
  forward("{kind: transformer, depth: 1, width: 8, seed: 9}", &data, f);
  EXPECT(memcmp(f, data.train.targets, sizeof(f)) == 0);
  ntk_data_destroy(&data);
}

/* Its settings are a part of the data's key, to the seed. */
static void keys(void) {
  static const char *const seeds[] = {"0", "0", "1"};
  ntk_text text[3] = {{0}, {0}, {0}};

  for (int k = 0; k < 3; ++k) {
    char yaml[128];
    bound b;

    (void)snprintf(yaml, sizeof(yaml), "{source: teacher, train: {count: 2}, network: {seed: %s}}",
                   seeds[k]);
    bind_valid(yaml, &b);
    EXPECT_OK(ntk_option_canonical(&ntk_data_section, &b.settings, &text[k]));
    unbind(&b);
  }
  EXPECT_TEXT(text[0].data, text[1].data);
  EXPECT(strcmp(text[0].data, text[2].data) != 0);
  for (int k = 0; k < 3; ++k) ntk_text_destroy(&text[k]);
}

static void refusals(void) {
  ntk_data data;

  EXPECT_REFUSED(load_once("{source: grid, train: {count: 2}, function: {teacher: {network: "
                           "{output: centered}}}}", &data), NTK_E_CONFIG,
                 "leave out its network.output: centered");
  refused_config("{source: teacher, train: {count: 2}, network: {output: centered}}",
                 "leave out its network.output: centered");
  EXPECT_REFUSED(load_once("{source: teacher, dimension: 100000000, outputs: 1000000,"
                           " train: {count: 1000000000000}}", &data), NTK_E_CONFIG, "overflows");
  EXPECT_REFUSED(load_once("{source: teacher, train: {count: 2}, network: {layers: [{dense: {features:"
                           " 2}}, {batch_norm: {mode: train}}, {dense: {features: outputs}}]}}",
                           &data), NTK_E_CONFIG, "its batch_norm takes mode: eval");
  EXPECT_REFUSED(load_once("{source: tokens, vocabulary: 7, length: 4, train: {count: 2}, function:"
                           " {teacher: {network: {depth: 1}}}}", &data), NTK_E_CONFIG,
                 "kind: mlp takes numbers, but the data are tokens 0 .. 6");
  EXPECT_REFUSED(load_once("{source: teacher, train: {count: 2}, network: {weights: nowhere}}",
                           &data), NTK_E_MISSING, "nowhere");
  refused_config("{source: teacher, train: {count: 2}, network: {widht: 3}}",
                 "unknown key 'data.network.widht'; did you mean 'width'");
  refused_config("{source: circle, train: {count: 2}, function: {teacher: {network: {depth: -1}}}}",
                 "data.function.teacher.network.depth: -1 is too small");
  refused_config("{source: teacher, train: {count: 2}, outputs: 0}", "too small");
  refused_config("{source: teacher}", "write train: {count: NUMBER}");
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  folder_create();
  linear_teacher("{source: teacher, dimension: 3, train: {count: 2500}, validation: {count: 3},"
                 " test: {count: 4}, %s}");
  linear_teacher("{source: sphere, dimension: 3, train: {count: 2500}, validation: {count: 3},"
                 " test: {count: 4}, function: {teacher: {%s}}}");
  same_as_gaussian();
  noise();
  deep_teacher();
  teacher_of_tokens();
  keys();
  refusals();
  load_faults("{source: teacher, dimension: 2, network: {width: 3}, train: {count: 4},"
              " test: {count: 1}}", 20);
  folder_destroy();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
