/* Targets, centring and scaling are what their formulas say, with statistics of the training set
 * applied to both; what has no spread is divided by 1.
 *
 * Method: every rule of the tables against the plain formula in long double, on inputs with a
 * constant feature and an all-zero sample; the target rules against their definition. */
//TEST ranks=1
#include "data.h"
#include "ntk/data/prepare.h"

enum { N = 40, M = 10, D = 5 };

static double inputs[N + M][D];
static int64_t labels[N + M];

/* Feature 2 is 0.1 everywhere, sample 7 is zero but for it, and feature 3 is large. */
static void write_files(void) {
  for (int i = 0; i < N + M; ++i) {
    for (int f = 0; f < D; ++f) inputs[i][f] = sin(1 + 3 * i + 7 * f) * (f == 3 ? 100 : 1) + f;
    if (i == 7) memset(inputs[i], 0, sizeof(inputs[i]));
    inputs[i][2] = 0.1;
    labels[i] = i % 3;
  }
  write_npy("x", "<f8", "(40, 5)", inputs, sizeof(inputs[0]) * N);
  write_npy("xt", "<f8", "(10, 5)", inputs[N], sizeof(inputs[0]) * M);
  write_npy("y", "<i8", "(40,)", labels, 8 * N);
  write_npy("yt", "<i8", "(10,)", labels + N, 8 * M);
}

typedef long double quad;

static bool is(const ntk_row *row, const char *name) { return strcmp(row->name, name) == 0; }

/* Mean and standard deviation over the training rows of one feature, or of all if f < 0. */
static void statistics(quad x[N + M][D], int f, quad *mean, quad *std) {
  quad sum = 0, squares = 0, count = 0;

  for (int i = 0; i < N; ++i) {
    for (int g = 0; g < D; ++g) {
      if (f < 0 || f == g) sum += x[i][g], count += 1;
    }
  }
  *mean = sum / count;
  for (int i = 0; i < N; ++i) {
    for (int g = 0; g < D; ++g) {
      if (f < 0 || f == g) squares += (x[i][g] - *mean) * (x[i][g] - *mean);
    }
  }
  *std = sqrtl(squares / count);
}

static void apply_center(const ntk_row *rule, quad x[N + M][D]) {
  quad mean[D] = {0}, std = 0;

  for (int f = 0; f < D; ++f) {
    if (!is(rule, "none")) statistics(x, is(rule, "scalar") ? -1 : f, &mean[f], &std);
  }
  for (int i = 0; i < N + M; ++i) {
    for (int f = 0; f < D; ++f) x[i][f] -= mean[f];
    if (is(rule, "feature")) x[i][2] = 0; /* the constant, exactly */
  }
}

static void apply_scale(const ntk_row *rule, quad x[N + M][D]) {
  quad mean = 0, std[D];

  for (int f = 0; f < D; ++f) statistics(x, is(rule, "scalar") ? -1 : f, &mean, &std[f]);
  for (int i = 0; i < N + M; ++i) {
    quad squares = 0;

    for (int f = 0; f < D; ++f) squares += x[i][f] * x[i][f];
    for (int f = 0; f < D; ++f) {
      quad divisor = 1;

      if (is(rule, "scalar") || (is(rule, "feature") && f != 2)) divisor = std[f];
      if (is(rule, "sample_norm")) divisor = sqrtl(squares);
      if (is(rule, "sample_rms")) divisor = sqrtl(squares / D);
      if (divisor > 0) x[i][f] /= divisor;
    }
  }
}

static void expect_set(const ntk_samples *set, int first, quad x[N + M][D]) {
  for (int64_t i = 0; i < set->count; ++i) {
    for (int f = 0; f < D; ++f) {
      const double wanted = (double)x[first + set->index[i]][f];

      EXPECT_NEAR(set->inputs[i * D + f], wanted, 1e-13 * (fabs(wanted) + 100));
    }
  }
}

static void check_rules(const ntk_row *center, const ntk_row *scale) {
  quad x[N + M][D];
  char yaml[512];
  ntk_data data;

  for (int i = 0; i < N + M; ++i) {
    for (int f = 0; f < D; ++f) x[i][f] = (quad)inputs[i][f];
  }
  apply_center(center, x);
  apply_scale(scale, x);
  (void)snprintf(yaml, sizeof(yaml),
                 "{source: npy, inputs: x, labels: y, test_inputs: xt, test_labels: yt, "
                 "center: %s, scale: %s}", center->name, scale->name);
  load_valid(yaml, &data);
  EXPECT(data.train.count == N && data.test.count == M);
  expect_set(&data.train, 0, x);
  expect_set(&data.test, N, x);
  ntk_data_destroy(&data);
}

/* A sample that is zero, or becomes zero, stays zero; a constant feature becomes exactly zero. */
static void no_spread(void) {
  const double zeros[8] = {0}, same[8] = {0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1};
  const double *const sets[] = {zeros, same};

  write_npy("y1", "<f8", "(4,)", zeros, 32);
  for (int k = 0; k < 2; ++k) {
    write_npy("x1", "<f8", "(4, 2)", sets[k], 64);
    for (const ntk_row *const *scale = ntk_scale_rules; *scale; ++scale) {
      for (const ntk_row *const *center = ntk_center_rules + 1; *center; ++center) {
        char yaml[256];
        ntk_data data;

        (void)snprintf(yaml, sizeof(yaml),
                       "{source: npy, inputs: x1, labels: y1, center: %s, scale: %s}",
                       (*center)->name, (*scale)->name);
        load_valid(yaml, &data);
        for (int i = 0; i < 8; ++i) EXPECT(data.train.inputs[i] == 0);
        ntk_data_destroy(&data);
      }
    }
  }
}

/* Norms whose squares leave the range of doubles; statistics that do are refused. */
static void extreme_sizes(void) {
  const double tiny[2] = {3e-200, 4e-200}, huge[2] = {3e200, 4e200}, broken[2] = {1e308, -1e308};
  const double *const sets[] = {tiny, huge};
  ntk_data data;

  write_npy("y1", "<f8", "(1,)", tiny, 8);
  for (int k = 0; k < 2; ++k) {
    write_npy("x1", "<f8", "(1, 2)", sets[k], 16);
    load_valid("{source: npy, inputs: x1, labels: y1, scale: sample_norm}", &data);
    EXPECT_NEAR(data.train.inputs[0], 0.6, 1e-15);
    EXPECT_NEAR(data.train.inputs[1], 0.8, 1e-15);
    ntk_data_destroy(&data);
  }
  write_npy("y1", "<f8", "(2,)", tiny, 16);
  write_npy("x1", "<f8", "(2,)", broken, 16);
  EXPECT_REFUSED(load_once("{source: npy, inputs: x1, labels: y1, scale: feature}", &data),
                 NTK_E_INPUT, "overflow");
}

/* Value of target `column` of class `c`. */
static double target_of(const ntk_row *rule, int64_t c, int64_t column, int64_t classes) {
  if (is(rule, "sign")) return c == 0 ? -1 : 1;
  if (is(rule, "index")) return (double)c;
  if (is(rule, "one_hot")) return c == column;
  return (c == column) - 1 / (double)classes;
}

static void check_targets(const ntk_row *rule, const char *chosen, int64_t classes) {
  const bool wide = !is(rule, "sign") && !is(rule, "index");
  char yaml[256];
  ntk_data data;

  (void)snprintf(yaml, sizeof(yaml),
                 "{source: npy, inputs: x, labels: y, classes: %s, targets: %s}", chosen,
                 rule->name);
  load_valid(yaml, &data);
  EXPECT(data.classes == classes && data.outputs == (wide ? classes : 1));
  for (int64_t k = 0; k < data.train.count * data.outputs; ++k) {
    const int64_t i = k / data.outputs, column = k % data.outputs;

    EXPECT(data.train.targets[k] == target_of(rule, data.train.label[i], column, classes));
  }
  ntk_data_destroy(&data);
}

/* Integer labels as numbers: no classes then. */
static void real_targets(void) {
  ntk_data data;

  load_valid("{source: npy, inputs: x, labels: y, targets: real}", &data);
  EXPECT(data.classes == 0 && data.outputs == 1 && data.train.count == N);
  for (int64_t i = 0; i < N; ++i) {
    EXPECT(data.train.targets[i] == (double)labels[data.train.index[i]]);
    EXPECT(data.train.label[i] == -1);
  }
  ntk_data_destroy(&data);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  folder_create();
  write_files();
  for (const ntk_row *const *center = ntk_center_rules; *center; ++center) {
    for (const ntk_row *const *scale = ntk_scale_rules; *scale; ++scale) {
      check_rules(*center, *scale);
    }
  }
  no_spread();
  extreme_sizes();
  for (const ntk_row *const *rule = ntk_target_rules; *rule; ++rule) {
    if (is(*rule, "real")) continue;
    check_targets(*rule, "[2, 0]", 2);
    if (!is(*rule, "sign")) check_targets(*rule, "all", 3);
    if (!is(*rule, "sign")) check_targets(*rule, "[1]", 1);
  }
  real_targets();
  folder_destroy();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
