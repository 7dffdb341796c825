/* Which samples a set holds: one permutation of the file; smaller sets are prefixes of larger
 * ones, balanced or not; balanced classes differ by at most one; train and test never share a
 * sample; too much is refused, and the message says how much there is.
 *
 * Method: a file of 60 samples, unevenly in 4 classes, whose only feature is its position; every
 * count from 1 to the most there is. */
//TEST ranks=1
#include "data.h"
#include "ntk/base/random.h"

enum { SAMPLES = 60, CLASSES = 4 };

static int64_t labels[SAMPLES]; /* 10, 3, 7, 20: class 3 has fewest samples */
static const int64_t label_of[CLASSES] = {10, 3, 7, 20};
static const int64_t per_class[CLASSES] = {20, 18, 13, 9};

static const char classes[] = "classes: [10, 3, 7, 20]";

static void write_files(void) {
  double inputs[SAMPLES];
  int64_t left[CLASSES];

  memcpy(left, per_class, sizeof(left));
  for (int i = 0, c = 0; i < SAMPLES; ++i, c = (c + 1) % CLASSES) {
    while (left[c] == 0) c = (c + 1) % CLASSES;
    --left[c];
    labels[i] = label_of[c];
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

static void refused(const char *more, ntk_status status, const char *part) {
  ntk_data data;

  EXPECT_REFUSED(load_once(yaml_of(more), &data), status, part);
}

/* Inputs, labels and index of a set belong together; no sample occurs twice. */
static void expect_consistent(const ntk_samples *set, int64_t *used) {
  for (int64_t i = 0; i < set->count; ++i) {
    const int64_t at = set->index[i];

    EXPECT(at >= 0 && at < SAMPLES && set->inputs[i] == (double)at);
    EXPECT(label_of[set->label[i]] == labels[at]);
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

/* `auto` takes all there are: the whole file, or as many balanced ones as the rarest class has. */
static void prefixes(bool balanced, int64_t most) {
  const char *word = balanced ? "true" : "false";
  char more[256];
  ntk_data all;

  (void)snprintf(more, sizeof(more), "%s, train: {balanced: %s}", classes, word);
  load(more, &all);
  EXPECT(all.train.count == most && all.test.count == 0 && all.classes == CLASSES);
  for (int64_t n = 1; n <= most; ++n) {
    int64_t used[SAMPLES] = {0};
    ntk_data data;

    (void)snprintf(more, sizeof(more), "%s, train: {count: %d, balanced: %s}", classes, (int)n,
                   word);
    load(more, &data);
    EXPECT(data.train.count == n);
    EXPECT(memcmp(data.train.index, all.train.index, (size_t)n * sizeof(int64_t)) == 0);
    expect_consistent(&data.train, used);
    if (balanced) expect_balanced(&data.train);
    ntk_data_destroy(&data);
  }
  (void)snprintf(more, sizeof(more), "%s, train: {count: %d, balanced: %s}", classes,
                 (int)most + 1, word);
  refused(more, NTK_E_INPUT, balanced ? "there are only 39 balanced ones" : "there are only 60");
  ntk_data_destroy(&all);
}

/* jax.random.permutation(fold_in(PRNGKey(5), 0), 60), printed by jax 0.10.2 with x64 on. */
static const int64_t jax_train[SAMPLES] = {
    52, 20, 12, 5,  43, 15, 7,  0,  19, 59, 50, 24, 31, 26, 40, 38, 3,  11, 29, 13,
    9,  46, 30, 21, 8,  35, 10, 23, 41, 48, 39, 45, 49, 6,  34, 28, 47, 54, 1,  53,
    44, 16, 56, 18, 27, 51, 22, 57, 25, 32, 37, 58, 36, 14, 4,  2,  55, 42, 33, 17};

/* jax.random.permutation(fold_in(PRNGKey(0), 1), 50). */
static const int64_t jax_test[50] = {43, 22, 49, 0,  45, 3,  9,  5,  37, 30, 34, 18, 14,
                                     46, 1,  48, 42, 8,  21, 17, 4,  32, 27, 33, 13, 39,
                                     41, 6,  2,  35, 19, 40, 31, 26, 36, 38, 25, 47, 15,
                                     28, 44, 11, 10, 16, 12, 23, 29, 24, 7,  20};

static void documented_order(void) {
  ntk_data data, other;

  load("classes: [10, 3, 7, 20], seed: 5", &data);
  load("classes: [10, 3, 7, 20], seed: 6", &other);
  for (int64_t i = 0; i < SAMPLES; ++i) EXPECT(data.train.index[i] == jax_train[i]);
  EXPECT(memcmp(data.train.index, other.train.index, sizeof(int64_t) * SAMPLES) != 0);
  ntk_data_destroy(&data);
  ntk_data_destroy(&other);
}

/* Chosen classes keep the order of the whole file and are numbered as the list says. */
static void chosen_classes(void) {
  ntk_data all, two;
  int64_t k = 0;

  load(classes, &all);
  load("classes: [20, 3]", &two);
  EXPECT(two.classes == 2 && two.outputs == 2 && two.train.count == 27);
  for (int64_t i = 0; i < all.train.count; ++i) {
    const int64_t label = labels[all.train.index[i]];

    if (label != 20 && label != 3) continue;
    EXPECT(two.train.index[k] == all.train.index[i]);
    EXPECT(two.train.label[k++] == (label == 3));
  }
  EXPECT(k == two.train.count);
  ntk_data_destroy(&all);
  ntk_data_destroy(&two);
}

/* Without a test file: both sets come from the one permutation and are disjoint. */
static void split_sets(int64_t train, bool train_balanced, int64_t test, bool test_balanced) {
  int64_t used[SAMPLES] = {0};
  char more[256];
  ntk_data data;

  (void)snprintf(more, sizeof(more),
                 "%s, train: {count: %d, balanced: %s}, test: {count: %d, balanced: %s}", classes,
                 (int)train, train_balanced ? "true" : "false", (int)test,
                 test_balanced ? "true" : "false");
  load(more, &data);
  EXPECT(data.train.count == train && data.test.count == test);
  expect_consistent(&data.train, used);
  expect_consistent(&data.test, used);
  if (train_balanced) expect_balanced(&data.train);
  if (test_balanced) expect_balanced(&data.test);
  ntk_data_destroy(&data);
}

/* Plain: the test set goes on where the training set ends.  Balanced: so does the turn. */
static void split_goes_on(const char *word) {
  char more[256];
  ntk_data both, one;

  (void)snprintf(more, sizeof(more),
                 "%s, train: {count: 10, balanced: %s}, test: {count: 13, balanced: %s}", classes,
                 word, word);
  load(more, &both);
  (void)snprintf(more, sizeof(more), "%s, train: {count: 23, balanced: %s}", classes, word);
  load(more, &one);
  EXPECT(memcmp(one.train.index, both.train.index, 10 * sizeof(int64_t)) == 0);
  EXPECT(memcmp(one.train.index + 10, both.test.index, 13 * sizeof(int64_t)) == 0);
  ntk_data_destroy(&both);
  ntk_data_destroy(&one);
}

static void splits(void) {
  for (int64_t n = 1; n <= 15; ++n) {
    for (int64_t m = 0; m <= 15; m += 5) {
      for (int b = 0; b < 4; ++b) split_sets(n, b & 1, m, b & 2);
    }
  }
  split_sets(39, true, 21, false);
  split_sets(1, false, 59, false);
  split_goes_on("true");
  split_goes_on("false");
}

/* `auto` for the training set leaves room for the test set. */
static void auto_counts(void) {
  static const struct {
    const char *more;
    int64_t train, test;
  } cases[] = {
      {"test: {count: 10}", 50, 10},
      {"test: {count: auto}", 60, 0},
      {"train: {balanced: true}, test: {count: 10, balanced: true}", 29, 10},
      {"train: {balanced: true}, test: {count: 10}", 39, 10},
      {"train: {balanced: true}, test: {count: 30}", 30, 30},
      {"test_inputs: xt, test_labels: yt", 60, 50},
      {"test_inputs: xt, test_labels: yt, train: {count: 3}, test: {count: 4}", 3, 4},
      {"test_inputs: xt, test_labels: yt, train: {count: 3}, test: {count: 0}", 3, 0},
  };

  for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); ++k) {
    char more[256];
    ntk_data data;

    (void)snprintf(more, sizeof(more), "%s, %s", classes, cases[k].more);
    load(more, &data);
    EXPECT(data.train.count == cases[k].train && data.test.count == cases[k].test);
    ntk_data_destroy(&data);
  }
}

/* Place of a position in the test file's order. */
static int64_t test_place(int64_t position) {
  int64_t place = 0;

  while (jax_test[place] != position) ++place;
  return place;
}

/* A test file has an order of its own, by fold_in(..., 1); a prefix unless balanced. */
static void test_file(void) {
  ntk_data data;

  for (int balanced = 0; balanced < 2; ++balanced) {
    const int64_t step = balanced ? 4 : 1; /* to the next sample of the class */
    char more[256];
    int64_t used[SAMPLES] = {0};

    (void)snprintf(more, sizeof(more),
                   "%s, test_inputs: xt, test_labels: yt, test: {count: 20, balanced: %s}", classes,
                   balanced ? "true" : "false");
    load(more, &data);
    expect_consistent(&data.test, used);
    if (balanced) expect_balanced(&data.test);
    for (int64_t i = step; i < 20; ++i) {
      EXPECT(test_place(data.test.index[i - step]) < test_place(data.test.index[i]));
      EXPECT(balanced || data.test.index[i] == jax_test[i]);
    }
    ntk_data_destroy(&data);
  }
}

/* A probe says the same as the data themselves, without their arrays. */
static void probe(void) {
  ntk_data_cache cache = {0};
  ntk_data data, probed;
  bound b;

  bind_valid(yaml_of("classes: [20, 3], train: {count: 11, balanced: true}, test: {count: 5}"), &b);
  EXPECT_OK(ntk_data_load(&b.settings, &cache, &data));
  EXPECT_OK(ntk_data_probe(&b.settings, &cache, &probed));
  EXPECT(probed.classes == data.classes && probed.outputs == data.outputs);
  EXPECT(probed.features == data.features && probed.train.count == 11 && probed.test.count == 5);
  EXPECT(probed.shape.rank == 1 && !probed.train.inputs && !probed.train.targets);
  ntk_data_destroy(&data);
  ntk_data_destroy(&probed);
  ntk_data_cache_destroy(&cache);
  unbind(&b);
}

static void refusals(void) {
  const int64_t gap[3] = {0, 2, 2}, negative[3] = {0, -1, 1}, large[3] = {0, 1000000000000, 1};

  refused("classes: [10, 3, 7, 20], train: {count: 50}, test: {count: 11}", NTK_E_INPUT,
          "data.test.count: 11 samples are wanted, but there are only 10");
  refused("classes: [10, 3, 7, 20], test: {count: 60}", NTK_E_INPUT, "leave none to train on");
  refused("classes: [10, 3, 7, 20], train: {count: 36, balanced: true}, "
          "test: {count: 4, balanced: true}", NTK_E_INPUT, "there are only 3 balanced ones");
  refused("classes: [10, 3, 7, 20], train: {count: 59}, test: {count: 4, balanced: true}",
          NTK_E_INPUT, "4 samples are wanted");
  refused("classes: [10, 99]", NTK_E_INPUT, "no sample with label 99");
  refused("train: {count: 2}", NTK_E_INPUT, "no sample with label 0");
  refused("classes: all, targets: sign", NTK_E_CONFIG, "sign needs 2 classes");
  write_npy("xs", "<f8", "(3,)", (double[]){1, 2, 3}, 24);
  write_npy("y", "<i8", "(3,)", gap, 24);
  write_npy("x", "<f8", "(3,)", (double[]){1, 2, 3}, 24);
  refused("train: {count: 1}", NTK_E_INPUT, "no sample with label 1");
  write_npy("y", "<i8", "(3,)", negative, 24);
  refused("train: {count: 1}", NTK_E_INPUT, "label 1 is -1, outside 0 .. 1; name the labels");
  write_npy("y", "<i8", "(3,)", large, 24);
  refused("train: {count: 1}", NTK_E_INPUT, "label 1 is 1000000000000, outside");
  write_npy("y", "<f8", "(3,)", (double[]){1, 2, 3}, 24);
  refused("targets: one_hot", NTK_E_CONFIG, "one_hot needs classes, but the labels are real");
  refused("classes: [1, 2]", NTK_E_CONFIG, "data.classes chooses among classes");
  refused("train: {balanced: true}", NTK_E_CONFIG, "balanced: true needs classes");
}

/* A label of the test file that the training file does not have. */
static void refused_test_label(void) {
  const int64_t two[3] = {0, 1, 0}, three[3] = {0, 1, 2};

  write_npy("y", "<i8", "(3,)", two, 24);
  write_npy("xt", "<f8", "(3,)", (double[]){1, 2, 3}, 24);
  write_npy("yt", "<i8", "(3,)", three, 24);
  refused("test_inputs: xt, test_labels: yt", NTK_E_INPUT, "the test file's label 2 is 2, outside");
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  folder_create();
  write_files();
  prefixes(false, 60);
  prefixes(true, 39);
  documented_order();
  chosen_classes();
  splits();
  auto_counts();
  test_file();
  probe();
  refusals();
  refused_test_label();
  folder_destroy();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
