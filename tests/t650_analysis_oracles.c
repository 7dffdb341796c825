/* The analyses give the numbers of the oracles, from the kernels in the oracles' files.
 *
 * Method: dynamics of a singular Gram matrix (40 digits), fixed-design risk (40 digits), the
 * article's own network (JAX) and its miniature, each on the ranks of the run. */
//TEST ranks=1,2,4
#include "json.h"
#include "view.h"

enum { ROOM = 4096 };

/* Numbers of a file at a path. */
typedef struct numbers {
  int64_t count;
  double value[ROOM];
} numbers;

static const double *get(const char *file, const char *path, numbers *n) {
  n->count = json_reals(json_find(file, path), ROOM, n->value);
  return n->value;
}

/* The lower triangle onto the upper: foreign kernels are symmetric up to rounding. */
static void symmetrize(int64_t n, double *k) {
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < i; ++j) k[j * n + i] = k[i * n + j];
  }
}

static void expect_scalar(const ntk_record *r, const char *name, const char *file,
                          const char *path, double tolerance) {
  const double wanted = json_real(json_find(file, path));

  expect_close(name, 1, reals(r, name, 1), &wanted, tolerance);
}

/* ---- dynamics_singular ---- */

static void test_flow(const stage *s, const char *file, const char *options, double constant) {
  static numbers train, test, distance, loss;
  const int64_t times = get(file, "expected/flow_loss", &loss) ? loss.count : 0;
  ntk_record r;

  EXPECT_OK(analyse(s, "dynamics", options, &r));
  get(file, "expected/flow_train", &train);
  get(file, "expected/flow_test", &test);
  get(file, "expected/flow_param_displacement_norm", &distance);
  const double *f = reals(&r, "prediction", times * 9);
  for (int64_t t = 0; t < times; ++t) {
    expect_close("flow_test", 3, f + t * 9, test.value + t * 3, 1e-11);
    expect_close("flow_train", 6, f + t * 9 + 3, train.value + t * 6, 1e-11);
    loss.value[t] /= constant;
  }
  expect_close("flow_loss", times, reals(&r, "train_loss", times), loss.value, 1e-11);
  expect_close("distance", times, reals(&r, "parameter_distance", times), distance.value, 1e-11);
  EXPECT_NEAR(ntk_record_find_attribute(&r, "loss_constant")->real, constant, 0);
  EXPECT_NEAR(ntk_record_find_attribute(&r, "learning_rate")->real, 0.35 * constant, 1e-15);
  EXPECT_NEAR(ntk_record_find_attribute(&r, "max_learning_rate")->real,
              constant * json_real(json_find(file, "expected/max_stable_lr/gd")),
              1e-11 * constant);
  ntk_record_destroy(&r);
}

static void test_steps(const stage *s, const char *file, const char *rule, const char *name,
                       const char *limit) {
  static numbers train, test;
  char options[256], path[96];
  ntk_record r;

  (void)snprintf(options, sizeof(options),
                 "{rule: %s, loss: half_sse, learning_rate: 0.35, times: [0.0, 1.0, 7.0, 200.0], "
                 "predictions: {test: all, train: all}}",
                 rule);
  EXPECT_OK(analyse(s, "dynamics", options, &r));
  (void)snprintf(path, sizeof(path), "expected/discrete/%s/train", name);
  get(file, path, &train);
  (void)snprintf(path, sizeof(path), "expected/discrete/%s/test", name);
  get(file, path, &test);
  const double *f = reals(&r, "prediction", 4 * 9);
  for (int64_t t = 0; t < 4; ++t) {
    expect_close(name, 3, f + t * 9, test.value + t * 3, 1e-11);
    expect_close(name, 6, f + t * 9 + 3, train.value + t * 6, 1e-11);
  }
  (void)snprintf(path, sizeof(path), "expected/max_stable_lr/%s", limit);
  const double largest = json_real(json_find(file, path));
  EXPECT_NEAR(ntk_record_find_attribute(&r, "max_learning_rate")->real, largest, 1e-11 * largest);
  ntk_record_destroy(&r);
}

static void test_dynamics(const ntk_comm *comm) {
  static numbers k, ks, y, f0, test_f0;
  char *file = json_load("tests/cases/oracles/dynamics_singular.json");
  const example e = {.n = 6,
                     .m = 3,
                     .outputs = 1,
                     .gram = get(file, "inputs/Theta", &k),
                     .test_train = get(file, "inputs/Theta_test_train", &ks),
                     .y = get(file, "inputs/y", &y),
                     .f0 = get(file, "inputs/f0_train", &f0),
                     .test_f0 = get(file, "inputs/f0_test", &test_f0)};
  stage s;

  open_stage(comm, &e, true, &s);
  test_flow(&s, file,
            "{loss: half_sse, learning_rate: 0.35, times: [0.0, 0.01, 1.0, 10.0, 1000.0], "
            "predictions: {test: all, train: all}}",
            1);
  test_flow(&s, file,
            "{loss: mse_mean, learning_rate: 2.1, times: [0.0, 0.01, 1.0, 10.0, 1000.0], "
            "predictions: {test: [0, 1, 2], train: 0..5}}",
            6);
  test_steps(&s, file, "gradient_descent", "gd", "gd");
  test_steps(&s, file, "heavy_ball", "heavy_ball_0.9", "heavy_ball_0.9");
  test_steps(&s, file, "nesterov", "nesterov_0.9", "nesterov_0.9");
  close_stage(&s);
  free(file);
}

/* ---- fixed_design_risk ---- */

static void test_risk(const ntk_comm *comm) {
  static numbers k, f_star;
  static const double zero[7];
  char *file = json_load("tests/cases/oracles/fixed_design_risk.json");
  const example e = {.n = 7,
                     .outputs = 1,
                     .gram = get(file, "inputs/K", &k),
                     .y = get(file, "inputs/f_star", &f_star),
                     .f0 = zero};
  ntk_record r;
  stage s;

  open_stage(comm, &e, true, &s);
  EXPECT_OK(analyse(&s, "fixed_design_risk",
                    "{ridge: [0.4], noise_variance: 0.2, times: [1.5]}", &r));
  expect_scalar(&r, "gf_bias2", file, "expected/gf_bias2", 1e-11);
  expect_scalar(&r, "gf_variance", file, "expected/gf_variance", 1e-11);
  expect_scalar(&r, "bias2", file, "expected/bias2", 1e-11);
  expect_scalar(&r, "variance", file, "expected/variance", 1e-11);
  expect_scalar(&r, "risk", file, "expected/risk", 1e-11);
  ntk_record_destroy(&r);

  EXPECT_OK(analyse(&s, "effective_dimension", "{ridge: [0.4]}", &r));
  expect_scalar(&r, "df1", file, "expected/df1", 1e-11);
  expect_scalar(&r, "df2", file, "expected/df2", 1e-11);
  ntk_record_destroy(&r);

  EXPECT_OK(analyse(&s, "article_bounds", "{noise_variance: 0.4}", &r));
  expect_scalar(&r, "rademacher", file, "expected/rademacher_B1", 1e-11);
  expect_scalar(&r, "bias", file, "expected/bias2", 1e-11);
  expect_scalar(&r, "effective_dimension", file,
                "expected/article_literal/effective_dimension", 1e-11);
  expect_scalar(&r, "rademacher_article", file,
                "expected/article_literal/rademacher_bound_article", 1e-11);
  expect_scalar(&r, "bias_article", file, "expected/article_literal/bias_term_article", 1e-11);
  expect_scalar(&r, "variance_article", file, "expected/article_literal/variance_term_article",
                1e-11);
  ntk_record_destroy(&r);
  close_stage(&s);
  free(file);
}

/* ---- the article ---- */

/* The file's bias_term carries the noise of its null modes, 2 n |lambda| / noise_variance = 2e-10,
 * which is clipped here. */
static void test_article_bounds(const stage *s, const char *draws) {
  static const char *const names[][2] = {
      {"effective_dimension", "article_literal/effective_dimension"},
      {"rademacher_article", "article_literal/rademacher_bound"},
      {"bias_article", "article_literal/bias_term"},
      {"variance_article", "article_literal/variance_term"},
      {"bound_article", "article_literal/generalization_bound"},
      {"effective_dimension", "corrected/df1"},
      {"bias", "corrected/bias_F2_with_y_in_place_of_f_star"},
      {"variance", "corrected/variance_F2"},
      {"rademacher", "corrected/rademacher_F3_per_unit_norm"}};
  const char *bounds = json_find(draws, "compute_generalization_bounds");
  ntk_record r;

  EXPECT_OK(analyse(s, "article_bounds", "{noise_variance: 0.1}", &r));
  for (size_t k = 0; k < sizeof(names) / sizeof(*names); ++k) {
    const bool literal = strstr(names[k][1], "literal") != NULL;

    expect_scalar(&r, names[k][0], bounds, names[k][1], literal ? 1e-9 : 1e-10);
  }
  EXPECT_NEAR(scalar(&r, "in_sample_risk"), scalar(&r, "bias") + scalar(&r, "variance"), 0);
  ntk_record_destroy(&r);
}

static void test_article_network(const ntk_comm *comm, const char *name) {
  static const char *const times[] = {"0", "0.01", "0.1", "1", "10"};
  static numbers k, y, f0, wanted;
  char *file = json_load("tests/cases/golden/article_network.json");
  const char *draws = json_find(json_find(file, "expected"), name);
  ntk_record r;
  stage s;

  (void)get(draws, "ntk", &k);
  symmetrize(20, k.value);
  const example e = {.n = 20,
                     .outputs = 1,
                     .gram = k.value,
                     .y = get(draws, "train_Y", &y),
                     .f0 = get(draws, "f0", &f0)};
  open_stage(comm, &e, true, &s);
  EXPECT_OK(analyse(&s, "dynamics",
                    "{loss: half_sse, learning_rate: 1.0, times: [0.0, 0.01, 0.1, 1.0, 10.0], "
                    "predictions: {train: all}}",
                    &r));
  const char *flow = json_find(draws, "analytic_dynamics_sum_loss");
  for (int64_t t = 0; t < 5; ++t) {
    expect_close("flow", 20, reals(&r, "prediction", 100) + 20 * t, get(flow, times[t], &wanted),
                 1e-10);
  }
  ntk_record_destroy(&r);
  EXPECT_OK(analyse(&s, "summary", "{}", &r));
  const double limit =
      json_real(json_find(draws, "gd_stability_limit_mean_loss_2n_over_lambda_max"));
  EXPECT_NEAR(20 * scalar(&r, "max_learning_rate"), limit, 1e-10 * limit);
  ntk_record_destroy(&r);
  test_article_bounds(&s, draws);
  close_stage(&s);
  free(file);
}

static void test_miniature(const ntk_comm *comm) {
  static numbers k, lambda;
  char *file = json_load("tests/cases/oracles/article_miniature.json");
  stage s;
  int64_t rank = 0;

  (void)get(file, "expected/ntk", &k);
  symmetrize(8, k.value);
  const example e = {.n = 8, .outputs = 1, .gram = k.value};
  open_stage(comm, &e, true, &s);
  expect_close("eigenvalue", 8, s.spectrum.eigenvalue,
               get(file, "expected/eigenvalues_descending", &lambda), 1e-12);
  while (rank < 8 && s.spectrum.eigenvalue[rank] > 1e-10 * s.spectrum.eigenvalue[0]) ++rank;
  EXPECT_NEAR((double)rank, json_real(json_find(file, "expected/numerical_rank_at_1e-10")), 0);
  close_stage(&s);
  free(file);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  const ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD);

  test_dynamics(&comm);
  test_risk(&comm);
  test_article_network(&comm, "float64_draws");
  test_article_network(&comm, "float32_draws");
  test_miniature(&comm);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
