/* Generated sources: the article's grid and noise are JAX's; Gaussian inputs are N(0, 1), and a
 * larger set begins with the smaller one.
 *
 * Method: tests/cases/golden/article_network.json (drawn by JAX in both dtypes) to its tolerance;
 * the documented draws repeated here; moments of many samples within six standard errors. */
//TEST ranks=1
#include "data.h"
#include "json.h"
#include "ntk/base/random.h"

enum { POINTS = 20 };

static void article(const char *file, const char *dtype, const char *part, double tolerance) {
  const char *expected = json_find(json_find(file, "expected"), part);
  double x[POINTS], y[POINTS];
  char yaml[512];
  ntk_data data;

  EXPECT(json_reals(json_find(expected, "train_X"), POINTS, x) == POINTS);
  EXPECT(json_reals(json_find(expected, "train_Y"), POINTS, y) == POINTS);
  (void)snprintf(yaml, sizeof(yaml),
                 "{source: grid, interval: [-1, 1], train: {count: 20}, noise_std: 0.1, "
                 "function: {sin: {frequency: 1.0}}, noise_rng: {key: 42, dtype: %s}}", dtype);
  load_valid(yaml, &data);
  EXPECT(data.train.count == POINTS && data.test.count == 0 && data.outputs == 1);
  EXPECT(data.shape.rank == 1 && data.features == 1 && data.classes == 0);
  for (int i = 0; i < POINTS; ++i) {
    EXPECT_NEAR(data.train.inputs[i], x[i], tolerance);
    EXPECT_NEAR(data.train.targets[i], y[i], tolerance);
    EXPECT(data.train.index[i] == i && data.train.label[i] == -1);
  }
  ntk_data_destroy(&data);
}

/* Both ends are points; a single point is the left end; test targets have no noise. */
static void grid_points(void) {
  ntk_data data;

  load_valid("{source: grid, interval: [0, 3], train: {count: 1}, test: {count: 4}, "
             "function: {linear: {slope: 2}}, noise_std: 1, seed: 3}", &data);
  EXPECT(data.train.count == 1 && data.train.inputs[0] == 0 && data.train.targets[0] != 0);
  for (int i = 0; i < 4; ++i) {
    EXPECT(data.test.inputs[i] == i && data.test.targets[i] == 2 * i);
  }
  ntk_data_destroy(&data);
  for (int n = 2; n < 200; ++n) { /* also where n - 1 rounded steps do not end at b */
    char yaml[128];

    (void)snprintf(yaml, sizeof(yaml), "{source: grid, interval: [0.1, 0.9], train: {count: %d}}",
                   n);
    load_valid(yaml, &data);
    EXPECT(data.train.inputs[0] == 0.1 && data.train.inputs[n - 1] == 0.9);
    ntk_data_destroy(&data);
  }
}

/* Without a key of its own the noise is drawn from fold_in(PRNGKey(seed), 4). */
static void seeded_noise(const char *source) {
  const ntk_draw draw = {NTK_RNG_PARTITIONABLE, ntk_rng_fold_in(ntk_rng_seed(7, true), 4), 1500};
  static double noise[1500];
  char yaml[256];
  ntk_data data;

  ntk_rng_normal(&draw, NTK_DOUBLE, 0, 1500, noise);
  (void)snprintf(yaml, sizeof(yaml),
                 "{source: %s, train: {count: 1500}, function: linear, noise_std: 0.5, seed: 7}",
                 source);
  load_valid(yaml, &data);
  for (int64_t i = 0; i < 1500; ++i) {
    EXPECT(data.train.targets[i] == data.train.inputs[i * data.features] + 0.5 * noise[i]);
  }
  ntk_data_destroy(&data);
}

/* Draws 2 (training) and 3 (test), row-major [sample][coordinate]; f of the first coordinate. */
static void gaussian_draws(void) {
  const ntk_rng_key key = ntk_rng_seed(1, true);
  const ntk_draw train = {NTK_RNG_PARTITIONABLE, ntk_rng_fold_in(key, 2), 30};
  const ntk_draw test = {NTK_RNG_PARTITIONABLE, ntk_rng_fold_in(key, 3), 12};
  double x[30], xt[12];
  ntk_data data;

  ntk_rng_normal(&train, NTK_DOUBLE, 0, 30, x);
  ntk_rng_normal(&test, NTK_DOUBLE, 0, 12, xt);
  load_valid("{source: gaussian, dimension: 3, train: {count: 10}, test: {count: 4}, seed: 1, "
             "function: {sin: {frequency: 2}}}", &data);
  EXPECT(memcmp(data.train.inputs, x, sizeof(x)) == 0);
  EXPECT(memcmp(data.test.inputs, xt, sizeof(xt)) == 0);
  for (int i = 0; i < 4; ++i) {
    EXPECT_NEAR(data.test.targets[i], sin(2 * 3.14159265358979323846 * 2 * xt[3 * i]), 1e-15);
  }
  ntk_data_destroy(&data);
}

static void gaussian_prefix(void) {
  ntk_data small, large;

  load_valid("{source: gaussian, dimension: 4, train: {count: 5}, noise_std: 1}", &small);
  load_valid("{source: gaussian, dimension: 4, train: {count: 9}, noise_std: 1}", &large);
  EXPECT(memcmp(small.train.inputs, large.train.inputs, 20 * sizeof(double)) == 0);
  EXPECT(memcmp(small.train.targets, large.train.targets, 5 * sizeof(double)) == 0);
  ntk_data_destroy(&small);
  ntk_data_destroy(&large);
}

static void gaussian_moments(void) {
  const int64_t n = 40000;
  double mean = 0, square = 0;
  ntk_data data;

  load_valid("{source: gaussian, dimension: 1, train: {count: 40000}}", &data);
  for (int64_t i = 0; i < n; ++i) {
    mean += data.train.inputs[i] / (double)n;
    square += data.train.inputs[i] * data.train.inputs[i] / (double)n;
  }
  EXPECT_NEAR(mean, 0, 6 / sqrt((double)n));
  EXPECT_NEAR(square, 1, 6 * sqrt(2 / (double)n));
  ntk_data_destroy(&data);
}

/* A probe draws nothing: these samples would take 800 MB. */
static void probe_is_free(void) {
  ntk_data_cache cache = {0};
  ntk_data data;
  bound b;

  bind_valid("{source: gaussian, dimension: 1000, train: {count: 100000}}", &b);
  EXPECT_OK(ntk_data_probe(&b.settings, &cache, &data));
  EXPECT(data.features == 1000 && data.train.count == 100000 && data.outputs == 1);
  EXPECT(ntk_memory_largest() < 100000 * 1000);
  ntk_data_destroy(&data);
  unbind(&b);
}

static void overflow(void) {
  ntk_data data;

  EXPECT_REFUSED(load_once("{source: gaussian, dimension: 1000000000, "
                           "train: {count: 1000000000000}}", &data), NTK_E_CONFIG, "overflows");
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  char *file = json_load("tests/cases/golden/article_network.json");

  article(file, "float32", "float32_draws", 2e-6);
  article(file, "float64", "float64_draws", 1e-10);
  free(file);
  grid_points();
  seeded_noise("grid");
  seeded_noise("gaussian");
  gaussian_draws();
  gaussian_prefix();
  gaussian_moments();
  probe_is_free();
  overflow();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
