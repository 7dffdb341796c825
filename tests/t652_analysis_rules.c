/* Rules of training in whole steps, predictions that are handed out, and kernels of which only the
 * eigenvalues are known.
 *
 * Method: the modal recursions of D7 and D8 in long double, step by step, against the analysis of a
 * kernel of one sample; kept predictions against those that are handed out; every analysis of a
 * kernel with its matrices against the same from eigenvalues and powers. */
//TEST ranks=1,2,4
#include "faults.h"
#include "view.h"

enum { N = 9, M = 4, O = 2 };

/* ---- one mode, step by step ------------------------------------------------------------------ */

typedef struct course {
  long double left, weight;
} course;

/* lambda 1, c 1: w = -a of D8; rate = z. */
static course iterate(const char *rule, double z, double b, int64_t steps) {
  long double w = 0, before = 0;

  for (int64_t k = 0; k < steps; ++k) {
    const long double step = strcmp(rule, "gradient_descent") == 0 ? 0 : b * (w - before);
    const long double at = strcmp(rule, "nesterov") == 0 ? w + step : w;
    const long double next = w + step + z * (1 - at);

    before = w;
    w = next;
  }
  return (course){1 - w, w};
}

static void test_mode(const stage *s, const char *rule, double z, double b) {
  static const int64_t steps[] = {0, 1, 2, 3, 10, 1000, 23457};
  char options[256], momentum[40] = "";
  ntk_record r;

  if (strcmp(rule, "gradient_descent") != 0) {
    (void)snprintf(momentum, sizeof(momentum), "momentum: %.17g,", b);
  }
  (void)snprintf(options, sizeof(options),
                 "{rule: %s, %s loss: half_sse, learning_rate: %.17g, times: [0.0, 1.0, 2.0, 3.0, "
                 "10.0, 1000.0, 23457.0]}",
                 rule, momentum, z);
  EXPECT_OK(analyse(s, "dynamics", options, &r));
  for (size_t k = 0; k < sizeof(steps) / sizeof(*steps); ++k) {
    const course want = iterate(rule, z, b, steps[k]);
    const double left = sqrt(2 * reals(&r, "train_loss", 7)[k]);

    EXPECT_NEAR(left, fabs((double)want.left), 1e-11 * (1 + fabs((double)want.left)));
    EXPECT_NEAR(reals(&r, "parameter_distance", 7)[k], fabs((double)want.weight),
                1e-10 * fabs((double)want.weight));
  }
  ntk_record_destroy(&r);
}

static void test_modes(const ntk_comm *comm) {
  static const double one = 1, zero = 0, rates[] = {1e-9, 1e-3, 0.3, 1.0, 1.3},
                      b[] = {0, 0.5, 0.99};
  const example e = {.n = 1, .outputs = 1, .gram = &one, .y = &one, .f0 = &zero};
  stage s;

  open_stage(comm, &e, true, &s);
  for (size_t k = 0; k < sizeof(rates) / sizeof(*rates); ++k) {
    test_mode(&s, "gradient_descent", rates[k], 0);
    for (size_t m = 0; m < sizeof(b) / sizeof(*b); ++m) {
      test_mode(&s, "heavy_ball", rates[k], b[m]);
      if (rates[k] <= 1) test_mode(&s, "nesterov", rates[k], b[m]); /* else it diverges */
    }
  }
  close_stage(&s);
}

/* ---- a kernel of several samples ------------------------------------------------------------- */

typedef struct numbers {
  double gram[N * N], test_train[M * N], y[N * O], test_y[M * O], f0[N * O], test_f0[M * O];
} numbers;

static double noise(int64_t k) {
  const double large = 43758.5453 * sin(12.9898 * (double)(k + 1));

  return 2 * (large - floor(large)) - 1;
}

static void make(numbers *m) {
  *m = (numbers){0};
  for (int64_t i = 0; i < N + M; ++i) {
    for (int64_t j = 0; j < N; ++j) {
      double sum = i == j ? 0.1 : 0;

      for (int64_t k = 0; k < 20; ++k) sum += noise(20 * i + k) * noise(20 * j + k) / 20;
      if (i < N)
        m->gram[i * N + j] = sum;
      else
        m->test_train[(i - N) * N + j] = sum;
    }
  }
  for (int64_t k = 0; k < N * O; ++k) m->y[k] = noise(1000 + k);
  for (int64_t k = 0; k < M * O; ++k) {
    m->test_y[k] = noise(2000 + k);
    m->test_f0[k] = noise(3000 + k);
  }
}

static example example_of(const numbers *m) {
  return (example){.n = N,
                   .m = M,
                   .outputs = O,
                   .gram = m->gram,
                   .test_train = m->test_train,
                   .f0 = m->f0,
                   .test_f0 = m->test_f0,
                   .y = m->y,
                   .test_y = m->test_y};
}

/* Just below its limit a rule ends where gradient flow ends, just above nowhere. */
static void test_limits(const stage *s) {
  static const char *const rules[] = {"gradient_descent", "heavy_ball", "nesterov"};
  char options[200];
  ntk_record r, flow;

  EXPECT_OK(analyse(s, "dynamics",
                    "{loss: mse_mean, times: {geomspace: [1, 2, 2], infinity: true}}", &flow));
  for (int k = 0; k < 3; ++k) {
    (void)snprintf(
        options, sizeof(options),
        "{rule: %s, loss: mse_mean, learning_rate: {of_max: 0.999}, times: {linspace: [0, "
        "90000, 3], infinity: true}}",
        rules[k]);
    EXPECT_OK(analyse(s, "dynamics", options, &r));
    EXPECT_NEAR(scalar(&r, "test_loss_infinity"), scalar(&flow, "test_loss_infinity"), 1e-10);
    EXPECT_NEAR(reals(&r, "test_loss", 3)[2], scalar(&flow, "test_loss_infinity"), 1e-6);
    const double rate = ntk_record_find_attribute(&r, "learning_rate")->real;
    EXPECT_NEAR(rate, 0.999 * ntk_record_find_attribute(&r, "max_learning_rate")->real,
                1e-12 * rate);
    ntk_record_destroy(&r);
    (void)snprintf(
        options, sizeof(options),
        "{rule: %s, loss: mse_mean, learning_rate: {of_max: 1.001}, times: {linspace: [0, "
        "90000, 3], infinity: true}}",
        rules[k]);
    EXPECT_OK(analyse(s, "dynamics", options, &r));
    EXPECT(isinf(scalar(&r, "train_loss_infinity")));
    EXPECT(!(reals(&r, "train_loss", 3)[2] < 1e6));
    ntk_record_destroy(&r);
  }
  ntk_record_destroy(&flow);
}

/* Times become whole steps, each once. */
static void test_rounding(const stage *s) {
  ntk_record r;

  EXPECT_OK(analyse(s, "dynamics",
                    "{rule: gradient_descent, times: [0.2, 0.4, 1.4, 1.6, 2.2, 7.0]}", &r));
  const double *time = reals(&r, "time", 4);
  EXPECT(time[0] == 0 && time[1] == 1 && time[2] == 2 && time[3] == 7);
  ntk_record_destroy(&r);
}

/* ---- what does not go together --------------------------------------------------------------- */

static void expect_problem(const char *yaml, bool gram, const char *part) {
  const ntk_analysis *analysis = (const ntk_analysis *)ntk_row_find(ntk_analyses, "dynamics");
  ntk_problems problems = {0};
  ntk_tree tree = {0};
  void *options = NULL;

  EXPECT_OK(bind_options(&analysis->row, yaml, &tree, &options));
  analysis->check(options, gram, tree.root->mark, &problems);
  if (part ? !strstr(ntk_text_string(&problems.text), part) : problems.count > 0) {
    FAIL("%s: \"%s\"", yaml, ntk_text_string(&problems.text));
  }
  ntk_problems_destroy(&problems);
  ntk_tree_destroy(&tree);
}

static void test_checks(void) {
  expect_problem("{momentum: 0.5}", true, "rule 'gradient_flow' has no momentum");
  expect_problem("{rule: gradient_descent, momentum: 0.5}", true, "'gradient_descent' has no");
  expect_problem("{rule: nesterov, momentum: 0.5}", true, NULL);
  expect_problem("{predictions: {train: [0]}}", false, "alone give no predictions");
  expect_problem("{predictions: {test: all}}", false, "alone give no predictions");
  expect_problem("{}", false, NULL);
}

/* ---- predictions that are handed out --------------------------------------------------------- */

typedef struct basket {
  int64_t times, steps;
  double train[60 * N * O], test[60 * M * O];
  bool begun;
} basket;

static ntk_status begin(void *context, int64_t times, const double *time, bool infinity) {
  basket *b = context;

  EXPECT(!b->begun && time[0] == 0);
  b->begun = true;
  b->times = times;
  b->steps = times + infinity;
  return NTK_OK;
}

static ntk_status put(void *context, ntk_set set, int64_t first, int64_t count, const double *f) {
  const bool test = set == NTK_TEST;
  basket *b = context;

  EXPECT(test || set == NTK_TRAIN);
  const int64_t width = (test ? M : N) * O;

  EXPECT(b->begun && first >= 0 && count > 0 && first + count <= b->steps);
  memcpy((test ? b->test : b->train) + first * width, f, (size_t)(count * width) * sizeof(double));
  return NTK_OK;
}

static void test_predictions(stage *s) {
  static basket b;
  const ntk_predictions sink = {&b, begin, put};
  ntk_record r;

  s->view.predictions = &sink;
  EXPECT_OK(analyse(s, "dynamics",
                    "{times: {geomspace: [0.1, 1e4, 40], zero: true, infinity: true}, predictions: "
                    "{test: all, train: all}}",
                    &r));
  s->view.predictions = NULL;
  const double *shown = reals(&r, "prediction", 41 * (N + M) * O);

  EXPECT(b.times == 41 && b.steps == 42);
  for (int64_t t = 0; t < 42; ++t) {
    const double *line = t < 41 ? shown + t * (N + M) * O : reals(&r, "prediction_infinity", -1);

    EXPECT(memcmp(line, b.test + t * M * O, M * O * sizeof(double)) == 0);
    EXPECT(memcmp(line + M * O, b.train + t * N * O, N * O * sizeof(double)) == 0);
  }
  ntk_record_destroy(&r);
}

/* ---- eigenvalues only ------------------------------------------------------------------------ */

static const char *const only[][2] = {
    {"summary", "{}"},
    {"effective_dimension", "{ridge_unit: trace_per_n}"},
    {"article_bounds", "{}"},
    {"fixed_design_risk", "{times: [0.0, 1.5, 100.0]}"},
    {"dynamics", "{times: {geomspace: [0.1, 1e3, 5], zero: true, infinity: true}}"},
    {"dynamics", "{rule: heavy_ball, learning_rate: {of_max: 0.3}, times: [0.0, 5.0, 90.0]}"}};

static void compare(const ntk_record *a, const ntk_record *b) {
  for (int64_t k = 0; k < b->variable_count; ++k) {
    const ntk_variable *v = &b->variables[k], *whole = ntk_record_find(a, v->name);

    EXPECT(whole && whole->count == v->count && whole->kind == v->kind);
    if (v->kind == NTK_KIND_REAL) expect_close(v->name, v->count, v->data, whole->data, 1e-12);
  }
}

static void test_eigenvalues(const stage *s) {
  const ntk_spectrum_settings settings = {.cutoff = NAN};
  ntk_spectrum spectrum = {0};
  double coefficient[N * O], residual[N * O];
  stage bare = *s;

  EXPECT_OK(ntk_spectrum_adopt(&settings, N, s->spectrum.eigenvalue, false, &spectrum));
  for (int64_t k = 0; k < N * O; ++k) {
    coefficient[k] = fabs(s->target[k]);
    residual[k] = -coefficient[k];
  }
  bare.view.spectrum = &spectrum;
  bare.view.gram = NULL;
  bare.view.y = bare.view.test_y = NULL;
  bare.view.m = 0;
  bare.view.target_coefficient = coefficient;
  bare.view.residual_coefficient = residual;
  for (size_t k = 0; k < sizeof(only) / sizeof(*only); ++k) {
    ntk_record whole, modes;

    EXPECT_OK(analyse(s, only[k][0], only[k][1], &whole));
    EXPECT_OK(analyse(&bare, only[k][0], only[k][1], &modes));
    EXPECT(modes.variable_count > 2);
    compare(&whole, &modes);
    ntk_record_destroy(&whole);
    ntk_record_destroy(&modes);
  }
  ntk_spectrum_destroy(&spectrum);
  EXPECT_REFUSED(ntk_spectrum_adopt(&settings, 2, (double[]){1, -1}, false, &spectrum),
                 NTK_E_NUMERIC, "not positive semidefinite");
}

/* Gradient flow stopped at time 0 has the targets as bias, at infinity the noise as variance. */
static void test_flow_risk(const stage *s) {
  ntk_record r;
  double squares = 0;

  for (int64_t k = 0; k < N * O; ++k) squares += s->view.y[k] * s->view.y[k];
  EXPECT_OK(analyse(s, "fixed_design_risk", "{noise_variance: 0.3, times: [0.0, 1e9]}", &r));
  EXPECT_NEAR(reals(&r, "gf_bias2", 2)[0], squares / (N * O), 1e-12);
  EXPECT(reals(&r, "gf_variance", 2)[0] == 0);
  EXPECT_NEAR(reals(&r, "gf_bias2", 2)[1], 0, 1e-12);
  EXPECT_NEAR(reals(&r, "gf_variance", 2)[1], 0.3, 1e-12);
  EXPECT_NEAR(reals(&r, "gf_risk", 2)[1], 0.3, 1e-12);
  ntk_record_destroy(&r);
}

static ntk_status run_faulty(const ntk_comm *comm, void *context) {
  static basket b;
  stage *s = context;
  const ntk_predictions sink = {&b, begin, put};
  ntk_record r = {0};

  (void)comm;
  b.begun = false;
  s->view.predictions = &sink;
  const ntk_status status =
      analyse(s, "dynamics", "{rule: nesterov, times: {linspace: [0, 9, 4], infinity: true}}", &r);
  s->view.predictions = NULL;
  ntk_record_destroy(&r);
  return status;
}

int main(int argc, char **argv) {
  static numbers m;
  stage s;

  begin_test(&argc, &argv);
  const ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD);

  make(&m);
  const example e = example_of(&m);

  test_modes(&comm);
  test_checks();
  open_stage(&comm, &e, true, &s);
  test_limits(&s);
  test_rounding(&s);
  test_predictions(&s);
  test_eigenvalues(&s);
  test_flow_risk(&s);
  EXPECT(sweep_faults_everywhere(&comm, run_faulty, &s) > 10);
  close_stage(&s);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
