/* The validation set comes behind the training set in the file's permutation, and before a test set
 * of the same file; the three are disjoint; the training set does not depend on it; where sets are
 * balanced the turn goes on; what does not fit is refused; and without one no key changes.
 *
 * Method: a file of 60 samples in 4 uneven classes, whose only feature is the position; the sets
 * of many splits against one long training set, which is jax.random.permutation (t210). */
//TEST ranks=1
#include "data.h"

enum { SAMPLES = 60, CLASSES = 4 };

static int64_t labels[SAMPLES];
static const int64_t per_class[CLASSES] = {20, 18, 13, 9};

static void write_files(void) {
  double inputs[SAMPLES];
  int64_t left[CLASSES];

  memcpy(left, per_class, sizeof(left));
  for (int i = 0, c = 0; i < SAMPLES; ++i, c = (c + 1) % CLASSES) {
    while (left[c] == 0) c = (c + 1) % CLASSES;
    --left[c];
    labels[i] = c;
    inputs[i] = i;
  }
  write_npy("x", "<f8", "(60,)", inputs, sizeof(inputs));
  write_npy("y", "<i8", "(60,)", labels, sizeof(labels));
  write_npy("xt", "<f8", "(50,)", inputs, 50 * 8);
  write_npy("yt", "<i8", "(50,)", labels, 50 * 8);
}

static const char *yaml_of(const char *more) {
  static char yaml[512];

  (void)snprintf(yaml, sizeof(yaml), "{source: npy, inputs: x, labels: y, %s}", more);
  return yaml;
}

static void load(const char *more, ntk_data *data) { load_valid(yaml_of(more), data); }

static void expect_consistent(const ntk_samples *set, int64_t *used) {
  for (int64_t i = 0; i < set->count; ++i) {
    const int64_t at = set->index[i];

    EXPECT(at >= 0 && at < SAMPLES && set->inputs[i] == (double)at);
    EXPECT(set->label[i] == labels[at]);
    EXPECT(set->targets[i * CLASSES + labels[at]] == 0.75);
    EXPECT(used[at]++ == 0);
  }
}

static void expect_balanced(const ntk_samples *set) {
  int64_t count[CLASSES] = {0}, low = SAMPLES, high = 0;

  for (int64_t i = 0; i < set->count; ++i) ++count[set->label[i]];
  for (int c = 0; c < CLASSES; ++c) {
    low = count[c] < low ? count[c] : low;
    high = count[c] > high ? count[c] : high;
  }
  EXPECT(high - low <= 1);
}

static const char *word(int set, int bits) { return bits >> set & 1 ? "true" : "false"; }

/* The sets, one behind the other. */
static void split(int64_t n, int64_t v, int64_t m, int bits) {
  const ntk_samples *sets[3];
  int64_t used[SAMPLES] = {0};
  const int64_t counts[3] = {n, v, m};
  char more[256];
  ntk_data data;

  (void)snprintf(more, sizeof(more),
                 "train: {count: %d, balanced: %s}, validation: {count: %d, balanced: %s},"
                 " test: {count: %d, balanced: %s}",
                 (int)n, word(0, bits), (int)v, word(1, bits), (int)m, word(2, bits));
  load(more, &data);
  sets[0] = &data.train, sets[1] = &data.validation, sets[2] = &data.test;
  for (int s = 0; s < 3; ++s) {
    EXPECT(sets[s]->count == counts[s]);
    expect_consistent(sets[s], used);
    if (bits >> s & 1) expect_balanced(sets[s]);
  }
  ntk_data_destroy(&data);
}

static void splits(void) {
  for (int64_t n = 1; n <= 13; n += 2) {
    for (int64_t v = 1; v <= 12; v += 3) {
      for (int bits = 0; bits < 8; ++bits) split(n, v, 7, bits);
    }
  }
  split(1, 1, 58, 0);
  split(1, 59, 0, 0);
}

/* All three balanced alike: together they are one longer training set. */
static void goes_on(const char *balanced, int64_t most) {
  const size_t item = sizeof(int64_t);
  char more[256];
  ntk_data one, three;

  (void)snprintf(more, sizeof(more), "train: {count: %d, balanced: %s}", (int)most, balanced);
  load(more, &one);
  (void)snprintf(more, sizeof(more),
                 "train: {count: 10, balanced: %s}, validation: {count: 7, balanced: %s},"
                 " test: {count: %d, balanced: %s}",
                 balanced, balanced, (int)most - 17, balanced);
  load(more, &three);
  EXPECT(memcmp(one.train.index, three.train.index, 10 * item) == 0);
  EXPECT(memcmp(one.train.index + 10, three.validation.index, 7 * item) == 0);
  EXPECT(memcmp(one.train.index + 17, three.test.index, (size_t)(most - 17) * item) == 0);
  ntk_data_destroy(&one);
  ntk_data_destroy(&three);
}

/* With a test file the validation set still comes from the training file; its test set stays. */
static void with_test_file(void) {
  ntk_data with, without;

  load("test_inputs: xt, test_labels: yt, train: {count: 20}, validation: {count: 40}", &with);
  load("test_inputs: xt, test_labels: yt, train: {count: 60}", &without);
  EXPECT(with.test.count == 50 && with.validation.count == 40);
  EXPECT(memcmp(with.test.index, without.test.index, 50 * sizeof(int64_t)) == 0);
  EXPECT(memcmp(with.validation.index, without.train.index + 20, 40 * sizeof(int64_t)) == 0);
  ntk_data_destroy(&with);
  ntk_data_destroy(&without);
}

/* `auto` for the training set leaves room for the others. */
static void auto_counts(void) {
  static const struct {
    const char *more;
    int64_t train;
  } cases[] = {
      {"validation: {count: 10}", 50},
      {"validation: {count: 10}, test: {count: 20}", 30},
      {"validation: {count: 10}, test: {count: auto}", 50},
      {"test_inputs: xt, test_labels: yt, validation: {count: 10}, test: {count: 20}", 50},
      {"train: {balanced: true}, validation: {count: 10, balanced: true}", 29},
      {"train: {balanced: true}, validation: {count: 10, balanced: true}, "
       "test: {count: 9, balanced: true}", 20},
      {"train: {balanced: true}, validation: {count: 10}, test: {count: 20}", 30},
  };

  for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); ++k) {
    ntk_data data;

    load(cases[k].more, &data);
    EXPECT(data.train.count == cases[k].train);
    ntk_data_destroy(&data);
  }
}

/* Centred and scaled by the training set's statistics, like the test set. */
static void scaled(void) {
  ntk_data plain, data;
  double mean = 0;

  load("train: {count: 8}, validation: {count: 3}", &plain);
  load("train: {count: 8}, validation: {count: 3}, center: feature, scale: sample_norm", &data);
  for (int64_t i = 0; i < 8; ++i) mean += plain.train.inputs[i] / 8;
  for (int64_t i = 0; i < 3; ++i) {
    const double centered = plain.validation.inputs[i] - mean;

    EXPECT(data.validation.inputs[i] == (centered > 0 ? 1 : centered < 0 ? -1 : 0));
  }
  ntk_data_destroy(&plain);
  ntk_data_destroy(&data);
}

/* Generated sets have draws of their own, and no noise but the training set's. */
static void generated(void) {
  ntk_data data, other;

  load_valid("{source: gaussian, dimension: 2, train: {count: 5}, validation: {count: 4},"
             " test: {count: 3}, function: linear, noise_std: 1}", &data);
  load_valid("{source: gaussian, dimension: 2, train: {count: 5}, test: {count: 3},"
             " function: linear, noise_std: 1}", &other);
  EXPECT(data.validation.count == 4 && other.validation.count == 0);
  EXPECT(memcmp(data.train.inputs, other.train.inputs, 10 * sizeof(double)) == 0);
  EXPECT(memcmp(data.train.targets, other.train.targets, 5 * sizeof(double)) == 0);
  EXPECT(memcmp(data.test.inputs, other.test.inputs, 6 * sizeof(double)) == 0);
  for (int64_t i = 0; i < 4; ++i) {
    EXPECT(data.validation.index[i] == i);
    EXPECT(data.validation.targets[i] == data.validation.inputs[2 * i]);
    EXPECT(data.validation.inputs[2 * i] != data.train.inputs[2 * i]);
  }
  ntk_data_destroy(&data);
  ntk_data_destroy(&other);
}

static void probe(void) {
  ntk_data_cache cache = {0};
  ntk_data probed;
  bound b;

  bind_valid(yaml_of("train: {count: 11}, validation: {count: 6}"), &b);
  EXPECT_OK(ntk_data_probe(&b.settings, &cache, &probed));
  EXPECT(probed.validation.count == 6 && !probed.validation.inputs && !probed.validation.index);
  ntk_data_destroy(&probed);
  ntk_data_cache_destroy(&cache);
  unbind(&b);
}

static const char *canonical(const char *more, ntk_text *text) {
  bound b;

  bind_valid(yaml_of(more), &b);
  EXPECT_OK(ntk_option_canonical(&ntk_data_section, &b.settings, text));
  unbind(&b);
  return ntk_text_string(text);
}

/* Keys are hashes of the canonical text. */
static void keys(void) {
  ntk_text plain = {0}, none = {0}, some = {0}, more = {0};

  EXPECT(!strstr(canonical("seed: 1", &plain), "validation"));
  EXPECT_TEXT(canonical("seed: 1, validation: none", &none), plain.data);
  EXPECT(strstr(canonical("seed: 1, validation: {count: 3}", &some), "validation:\n  count: 3\n"));
  EXPECT(strcmp(canonical("seed: 1, validation: {count: 4}", &more), some.data) != 0);
  ntk_text_destroy(&plain);
  ntk_text_destroy(&none);
  ntk_text_destroy(&some);
  ntk_text_destroy(&more);
}

static void refused(const char *more, ntk_status status, const char *part) {
  ntk_data data;

  EXPECT_REFUSED(load_once(yaml_of(more), &data), status, part);
}

static void refusals(void) {
  refused("train: {count: 50}, validation: {count: 11}", NTK_E_INPUT,
          "data.validation.count: 11 samples are wanted, but there are only 10");
  refused("train: {count: 40}, validation: {count: 10}, test: {count: 11}", NTK_E_INPUT,
          "data.test.count: 11 samples are wanted, but there are only 10 left in the training file");
  refused("validation: {count: 40}, test: {count: 20}", NTK_E_INPUT,
          "leave none to train on after 60 for validation and test");
  refused("train: {count: 36, balanced: true}, validation: {count: 4, balanced: true}", NTK_E_INPUT,
          "there are only 3 balanced ones");
  refused_config(yaml_of("validation: {balanced: true}"), "key 'data.validation.count' is missing");
  refused_config(yaml_of("validation: {count: 0}"), "too small");
  refused_config(yaml_of("validation: 3"), "data.validation");
  refused_config(yaml_of("targets: real, validation: {count: 3, balanced: true}"),
                 "balanced needs classes, but targets is real");
  refused_config("{source: gaussian, train: {count: 3}, validation: {count: 3, balanced: true}}",
                 "source gaussian has no classes to balance");
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  folder_create();
  write_files();
  splits();
  goes_on("true", 39);
  goes_on("false", 60);
  with_test_file();
  auto_counts();
  scaled();
  generated();
  probe();
  keys();
  refusals();
  load_faults(yaml_of("train: {count: 9, balanced: true}, validation: {count: 5, balanced: true},"
                 " test: {count: 2}, center: feature, scale: sample_rms"), 10);
  load_faults("{source: grid, train: {count: 5}, validation: {count: 4}, scale: scalar}", 10);
  folder_destroy();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
