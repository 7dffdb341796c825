/* Inputs on spheres and circles, and tokens: JAX's draws, exact geometry; tokens stay the integers
 * they are, from files too.
 *
 * Method: tests/cases/tables/expected.json, drawn by jax.random.randint and jax.random.normal (with
 * x64 on) and scaled by numpy; norms and angles; then refusals. */
//TEST ranks=1
#include "data.h"
#include "json.h"

enum { MOST = 64 };

static int64_t whole(const char *value) { return (int64_t)json_real(value); }

/* ---- tokens --------------------------------------------------------------------------------- */

static void expect_tokens(const char *c) {
  const int64_t n = whole(json_find(c, "n")), length = whole(json_find(c, "length"));
  const int64_t purpose = whole(json_find(c, "purpose"));
  char yaml[256];
  double wanted[MOST];
  ntk_data data;

  EXPECT(json_reals(json_find(c, "tokens"), MOST, wanted) == n * length);
  (void)snprintf(yaml, sizeof(yaml),
                 "{source: tokens, vocabulary: %lld, length: %lld, train: {count: %lld},"
                 " validation: {count: %lld}, test: {count: %lld}, seed: %lld}",
                 (long long)whole(json_find(c, "vocabulary")), (long long)length, (long long)n,
                 (long long)n, (long long)n, (long long)whole(json_find(c, "seed")));
  load_valid(yaml, &data);
  const ntk_samples *drawn[] = {&data.train, &data.test, &data.validation};
  const ntk_samples *set = drawn[purpose == 5 ? 2 : purpose - 2];

  EXPECT(data.vocabulary == whole(json_find(c, "vocabulary")) && data.features == length);
  EXPECT(data.shape.rank == 1 && data.outputs == 1 && data.classes == 0 && set->count == n);
  for (int64_t k = 0; k < n * length; ++k) EXPECT(set->inputs[k] == wanted[k]);
  for (int64_t i = 0; i < n; ++i) EXPECT(set->targets[i] == wanted[i * length]);
  ntk_data_destroy(&data);
}

static void drawn_tokens(const char *file) {
  const char *all = json_find(file, "tokens");

  EXPECT(json_count(all) >= 12);
  for (const char *c = json_first(all); c; c = json_next(c)) expect_tokens(c);
}

static void expect_file_tokens(const char *descr, size_t size, const void *bytes, const char *more,
                               int64_t vocabulary, const double *wanted) {
  char yaml[256];
  ntk_data data;

  write_npy("x", descr, "(2, 3)", bytes, 6 * size);
  (void)snprintf(yaml, sizeof(yaml), "{source: tokens, inputs: x, labels: y%s}", more);
  load_valid(yaml, &data);
  EXPECT(data.vocabulary == vocabulary && data.features == 3 && data.outputs == 2);
  for (int64_t i = 0; i < 2; ++i) {
    const int64_t at = data.train.index[i];

    EXPECT(memcmp(data.train.inputs + 3 * i, wanted + 3 * at, 3 * sizeof(double)) == 0);
    EXPECT(data.train.targets[2 * i + 1] == (double)at + 0.5);
  }
  ntk_data_destroy(&data);
}

/* Bytes are not pixels here. */
static void file_tokens(void) {
  const double y[4] = {0, 0.5, 1, 1.5}, wanted[6] = {255, 0, 1, 2, 200, 3};

  write_npy("y", "<f8", "(2, 2)", y, sizeof(y));
  expect_file_tokens("|u1", 1, (uint8_t[]){255, 0, 1, 2, 200, 3}, "", 256, wanted);
  expect_file_tokens("<i8", 8, (int64_t[]){255, 0, 1, 2, 200, 3}, "", 256, wanted);
  expect_file_tokens("<i4", 4, (int32_t[]){255, 0, 1, 2, 200, 3}, ", vocabulary: 1000", 1000,
                     wanted);
}

static void expect_refused(const char *yaml, ntk_status status, const char *part) {
  const long balance = ntk_memory_balance();
  ntk_data data;

  EXPECT_REFUSED(load_once(yaml, &data), status, part);
  EXPECT(data.features == 0 && ntk_memory_balance() == balance);
}

static void refused_tokens(void) {
  static const char files[] = "{source: tokens, inputs: x, labels: y}";

  write_npy("y", "<i8", "(2,)", (int64_t[]){0, 1}, 16);
  write_npy("x", "<i8", "(2, 2)", (int64_t[]){0, 1, -1, 2}, 32);
  expect_refused(files, NTK_E_INPUT, "/x: sample 1, token 0 is -1, outside 0 .. 2");
  write_npy("x", "<i8", "(2, 2)", (int64_t[]){0, 7, 1, 2}, 32);
  expect_refused("{source: tokens, inputs: x, labels: y, vocabulary: 7}", NTK_E_INPUT,
                 "/x: sample 0, token 1 is 7, outside 0 .. 6");
  expect_refused("{source: tokens, inputs: y, labels: y, test_inputs: x, test_labels: y}",
                 NTK_E_INPUT, "training samples are 1 (");
  write_npy("x", "<i8", "(2, 1)", (int64_t[]){0, 4000000000}, 16);
  expect_refused(files, NTK_E_INPUT, "token 0 is 4000000000, outside 0 .. 999999999");
  write_npy("x", "<f8", "(2, 2)", (double[]){0, 1, 1, 2}, 32);
  expect_refused(files, NTK_E_INPUT, "/x: tokens are integers, but these are floating point");
}

static void refused_configs(void) {
  refused_config("{source: tokens, train: {count: 2}}", "needs files (inputs, labels), or to be");
  refused_config("{source: tokens, length: 3, train: {count: 2}}", "needs files (inputs, labels)");
  refused_config("{source: tokens, labels: y}", "labels is given without inputs");
  refused_config("{source: tokens, test_labels: y}", "test_labels is given without inputs");
  refused_config("{source: tokens, inputs: x}", "inputs is given without labels");
  refused_config("{source: tokens, inputs: x, labels: y, test_inputs: x}", "without test_labels");
  refused_config("{source: tokens, inputs: x, labels: y, length: 4}", "length belongs to tokens");
  refused_config("{source: tokens, inputs: x, labels: y, noise_std: 1}", "noise_std belongs to");
  refused_config("{source: tokens, inputs: x, labels: y, function: sin}", "function belongs to");
  refused_config("{source: tokens, inputs: x, labels: y, center: feature}", "write center: none");
  refused_config("{source: tokens, inputs: x, labels: y, scale: sample_rms}", "write scale: none");
  refused_config("{source: tokens, length: 3, vocabulary: 2}", "write train: {count: NUMBER}");
  refused_config("{source: sphere, train: {count: 2}, radius: 0}", "too small");
  refused_config("{source: circle, train: {count: 2}, dimension: 3}",
                 "key 'data.dimension' belongs");
}

/* ---- spheres and circles -------------------------------------------------------------------- */

static void expect_sphere(const char *c) {
  const int64_t n = whole(json_find(c, "n")), d = whole(json_find(c, "dimension"));
  const double radius = json_real(json_find(c, "radius"));
  double train[MOST], validation[MOST];
  char yaml[256];
  ntk_data data;

  EXPECT(json_reals(json_find(c, "train"), MOST, train) == n * d);
  EXPECT(json_reals(json_find(c, "validation"), MOST, validation) == n * d);
  (void)snprintf(yaml, sizeof(yaml),
                 "{source: sphere, dimension: %d, radius: %g, train: {count: %d},"
                 " validation: {count: %d}, seed: %d}",
                 (int)d, radius, (int)n, (int)n, (int)whole(json_find(c, "seed")));
  load_valid(yaml, &data);
  for (int64_t k = 0; k < n * d; ++k) {
    EXPECT_NEAR(data.train.inputs[k], train[k], 1e-14 * radius);
    EXPECT_NEAR(data.validation.inputs[k], validation[k], 1e-14 * radius);
  }
  ntk_data_destroy(&data);
}

/* Uniform: every coordinate has mean 0 and variance radius^2 / dimension. */
static void sphere_moments(void) {
  enum { N = 20000, D = 4 };
  double mean[D] = {0}, square[D] = {0};
  ntk_data data;

  load_valid("{source: sphere, dimension: 4, radius: 2, train: {count: 20000}}", &data);
  for (int64_t i = 0; i < N; ++i) {
    double norm = 0;

    for (int f = 0; f < D; ++f) {
      const double x = data.train.inputs[i * D + f];

      norm += x * x;
      mean[f] += x / N;
      square[f] += x * x / N;
    }
    EXPECT_NEAR(sqrt(norm), 2, 1e-14);
  }
  for (int f = 0; f < D; ++f) {
    EXPECT_NEAR(mean[f], 0, 6 / sqrt(N));
    EXPECT_NEAR(square[f], 1, 6 * sqrt(2.0 / N));
  }
  ntk_data_destroy(&data);
}

static void circles(void) {
  const double half = sqrt(0.5);
  const double wanted[16] = {1,  0, half,  half,  0, 1,  -half, half,
                             -1, 0, -half, -half, 0, -1, half,  -half};
  ntk_data data;

  load_valid("{source: circle, radius: 3, train: {count: 8}, validation: {count: 4},"
             " test: {count: 2}, function: {linear: {slope: 2}}}", &data);
  EXPECT(data.features == 2 && data.train.count == 8 && data.test.count == 2);
  for (int k = 0; k < 16; ++k) EXPECT_NEAR(data.train.inputs[k], 3 * wanted[k], 2e-15);
  for (int k = 0; k < 8; ++k) {
    EXPECT_NEAR(data.validation.inputs[k], 3 * wanted[4 * (k / 2) + k % 2], 2e-15);
    EXPECT(data.train.targets[k] == 2 * data.train.inputs[2 * k]);
  }
  EXPECT_NEAR(data.test.inputs[2], -3, 2e-15);
  ntk_data_destroy(&data);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  folder_create();
  char *file = json_load("tests/cases/tables/expected.json");
  const char *spheres = json_find(file, "sphere");

  drawn_tokens(file);
  file_tokens();
  for (const char *c = json_first(spheres); c; c = json_next(c)) expect_sphere(c);
  free(file);
  sphere_moments();
  circles();
  refused_tokens();
  refused_configs();
  write_npy("x", "<i8", "(2, 2)", (int64_t[]){0, 1, 1, 2}, 32);
  write_npy("y", "<i8", "(2,)", (int64_t[]){0, 1}, 16);
  load_faults("{source: tokens, inputs: x, labels: y, test_inputs: x, test_labels: y}", 10);
  load_faults("{source: tokens, length: 2, vocabulary: 3, train: {count: 4}, test: {count: 1}}",
              10);
  load_faults("{source: circle, train: {count: 4}, test: {count: 1}, scale: scalar}", 10);
  folder_destroy();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
