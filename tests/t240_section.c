/* What does not fit together in data: is said before anything is read, at the right place; what
 * was left out has its default.
 *
 * Method: a table of sections with the message and the column that each must give. */
//TEST ranks=1
#include "data.h"
#include "ntk/data/prepare.h"

static const struct {
  const char *yaml, *part;
  const char *at; /* the text that the mark points to; NULL: anywhere */
} wrong[] = {
    {"{source: mnist}", "mnist", "mnist"},
    {"{train: {count: 3}}", "data has no source", NULL},
    {"{source: idx, labels: y}", "inputs", NULL},
    {"{source: npy, inputs: x}", "labels", NULL},
    {"{source: hdf5, inputs: x, labels: y}", "path", NULL},
    {"{source: grid, inputs: x, train: {count: 3}}", "inputs", "inputs"},
    {"{source: grid}", "generates its samples", NULL},
    {"{source: gaussian, train: {balanced: false}}", "generates its samples", NULL},
    {"{source: grid, train: {count: 3}, targets: one_hot}", "needs classes", "one_hot"},
    {"{source: grid, train: {count: 3}, targets: sign}", "needs classes", "sign"},
    {"{source: grid, train: {count: 3}, classes: [1, 2]}", "has no classes", "[1, 2]"},
    {"{source: grid, train: {count: 3, balanced: true}}", "no classes to balance", "true"},
    {"{source: grid, train: {count: 3}, test: {balanced: true}}", "no classes to balance", "true"},
    {"{source: grid, train: {count: 3}, interval: [1, 1]}", "a < b", "[1, 1]"},
    {"{source: grid, train: {count: 3}, interval: [0, 1, 2]}", "a < b", "[0, 1, 2]"},
    {"{source: grid, train: {count: 3}, interval: {linspace: [0, 1, 2]}}", "a < b", NULL},
    {"{source: grid, train: {count: 3}, noise_std: -1}", "noise_std", "-1"},
    {"{source: grid, train: {count: 3}, noise_rng: {dtype: float16}}", "float16", "float16"},
    {"{source: grid, train: {count: 3}, function: {sin: {period: 1}}}", "period", "period"},
    {"{source: gaussian, train: {count: 3}, dimension: 0}", "dimension", "0}"},
    {"{source: fashion_mnist, classes: []}", "classes is empty", "[]"},
    {"{source: fashion_mnist, classes: [3, 5, 3]}", "label 3 twice", "[3, 5, 3]"},
    {"{source: fashion_mnist, classes: [3, 5, 1], targets: sign}", "2 classes; 3 chosen", "sign"},
    {"{source: fashion_mnist, classes: [3], targets: real}", "targets is real", "[3]"},
    {"{source: fashion_mnist, train: {balanced: true}, targets: real}", "needs classes", "true"},
    {"{source: fashion_mnist, train: {count: 0}}", "count", "0}"},
    {"{source: fashion_mnist, test: {count: -1}}", "count", "-1"},
    {"{source: fashion_mnist, targets: hot}", "hot", "hot"},
    {"{source: fashion_mnist, center: sample_norm}", "sample_norm", "sample_norm"},
    {"{source: npy, inputs: x, labels: y, test_inputs: xt}", "without test_labels", "xt"},
    {"{source: idx, inputs: x, labels: y, test_labels: yt}", "without test_inputs", "yt"},
    {"{source: hdf5, path: p, inputs: x, labels: y, test_labels: yt}", "without test_inputs", "yt"},
};

/* The message begins with file:line:column. */
static void check_wrong(const char *yaml, const char *part, const char *at) {
  char place[64];
  bound b;

  bind(yaml, &b);
  if (b.problems.count == 0) FAIL("%s: accepted", yaml);
  const char *text = ntk_text_string(&b.problems.text);

  if (!strstr(text, part)) FAIL("%s: no \"%s\" in \"%s\"", yaml, part, text);
  if (at) {
    EXPECT(strstr(yaml, at));
    (void)snprintf(place, sizeof(place), "data.yaml:1:%d:", (int)(strstr(yaml, at) - yaml) + 1);
    if (!strstr(text, place)) FAIL("%s: no \"%s\" in \"%s\"", yaml, place, text);
  }
  unbind(&b);
}

/* The sections of INTERFACE 1.1 and 1.2. */
static const char *const right[] = {
    "{source: fashion_mnist, path: /usr/share/datasets/fashion-mnist, classes: all,"
    " train: {count: 1024, balanced: true}, test: {count: 1024}, seed: 0,"
    " targets: one_hot_centered, center: feature, scale: sample_rms}",
    "{source: idx, inputs: a.gz, labels: b.gz, test_inputs: c.gz, test_labels: d.gz}",
    "{source: npy, inputs: a, labels: b, test_inputs: c, test_labels: d, classes: [-1, 1]}",
    "{source: hdf5, path: d.h5, inputs: /X, labels: /y, test_inputs: /Xt, test_labels: /yt}",
    "{source: gaussian, dimension: 16, function: {sin: {frequency: 1.0}}, noise_std: 0.1,"
    " train: {count: 5}}",
    "{source: grid, interval: [-1, 1], train: {count: 20}, function: {sin: {frequency: 1.0}},"
    " noise_std: 0.1, noise_rng: {key: 42, dtype: float32}}",
    "{source: fashion_mnist, targets: auto, classes: 0..4}",
};

static void defaults(void) {
  bound b;

  bind_valid("{source: fashion_mnist}", &b);
  EXPECT(b.settings.classes.count == -1 && b.settings.seed == 0 && !b.settings.targets);
  EXPECT(b.settings.train.count == NTK_AUTO_INT && b.settings.test.count == NTK_AUTO_INT);
  EXPECT(!b.settings.train.balanced && !b.settings.test.balanced);
  EXPECT_TEXT(b.settings.center->name, "none");
  EXPECT_TEXT(b.settings.scale->name, "none");
  unbind(&b);
}

/* A config without data: is for kernels from files; loading it says what is missing. */
static void no_data(void) {
  ntk_data data;

  EXPECT_REFUSED(load_once("{}", &data), NTK_E_CONFIG, "data.source is missing");
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  (void)snprintf(folder, sizeof(folder), ".");
  for (size_t k = 0; k < sizeof(wrong) / sizeof(wrong[0]); ++k) {
    check_wrong(wrong[k].yaml, wrong[k].part, wrong[k].at);
  }
  for (size_t k = 0; k < sizeof(right) / sizeof(right[0]); ++k) {
    bound b;

    bind_valid(right[k], &b);
    unbind(&b);
  }
  defaults();
  no_data();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
