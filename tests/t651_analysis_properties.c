/* Properties that analyses keep whatever the kernel (MATH N), their edge cases and refusals, and
 * what their rows promise.
 *
 * Method: kernels K = X X^T + X_* blocks of a known small factor, so that ranks are chosen; results
 * against direct formulas (a linear solve, sums over pairs), against each other (K (x) I_O as full
 * outputs must give what K with O columns gives), and every check made to fail on every rank. */
//TEST ranks=1,2,4
#include "faults.h"
#include "json.h"
#include "view.h"

#define N INT64_C(11)
#define M INT64_C(5)
#define O INT64_C(3)
#define RANK INT64_C(20)

/* In [-1, 1), without structure: what is behind the point of a large multiple of a sine. */
static double noise(int64_t k) {
  const double large = 43758.5453 * sin(12.9898 * (double)(k + 1));

  return 2 * (large - floor(large)) - 1;
}

/* A kernel with `rank` features, targets and predictions; everything by position. */
typedef struct kernel {
  double gram[N * N], test_train[M * N], full[N * O * N * O], full_test[M * O * N * O];
  double f0[N * O], test_f0[M * O], y[N * O], test_y[M * O], zero[N * O];
  int64_t label[N], test_label[M];
} kernel;

static double feature(int64_t sample, int64_t k, int64_t rank) {
  return k < rank ? noise(sample * RANK + k) / (double)(1 + k) : 0;
}

static double product(int64_t i, int64_t j, int64_t rank) {
  double sum = 0;

  for (int64_t k = 0; k < RANK; ++k) sum += feature(i, k, rank) * feature(j, k, rank);
  return sum;
}

/* Samples behind N are test samples; sample N - 1 repeats sample 0 if the rank is below N. */
static void make_kernel(int64_t rank, kernel *k) {
  *k = (kernel){0};
  for (int64_t j = 0; j < N; ++j) {
    const int64_t source = rank < N && j == N - 1 ? 0 : j;

    for (int64_t i = 0; i < N; ++i) {
      k->gram[i * N + j] = product(rank < N && i == N - 1 ? 0 : i, source, rank);
    }
    for (int64_t i = 0; i < M; ++i) k->test_train[i * N + j] = product(N + i, source, rank);
  }
  for (int64_t e = 0; e < N * O; ++e) {
    k->label[e / O] = (e / O) % O;
    k->y[e] = (e % O == (e / O) % O) - 1.0 / O;
    k->f0[e] = 0.3 * noise(1000 + e);
  }
  for (int64_t e = 0; e < M * O; ++e) {
    k->test_label[e / O] = (e / O) % O;
    k->test_y[e] = (e % O == (e / O) % O) - 1.0 / O;
    k->test_f0[e] = 0.3 * noise(2000 + e);
  }
}

/* The Kronecker products with I_O: row and column i O + o. */
static void make_full(kernel *k) {
  for (int64_t i = 0; i < N + M; ++i) {
    for (int64_t j = 0; j < N; ++j) {
      for (int64_t o = 0; o < O; ++o) {
        const int64_t column = j * O + o;

        if (i < N) k->full[(i * O + o) * N * O + column] = k->gram[i * N + j];
        else k->full_test[((i - N) * O + o) * N * O + column] = k->test_train[(i - N) * N + j];
      }
    }
  }
}

static example classification(const kernel *k) {
  return (example){.n = N,
                   .m = M,
                   .outputs = O,
                   .classes = O,
                   .gram = k->gram,
                   .test_train = k->test_train,
                   .f0 = k->f0,
                   .test_f0 = k->test_f0,
                   .y = k->y,
                   .test_y = k->test_y,
                   .label = k->label,
                   .test_label = k->test_label};
}

/* ---- full outputs ---- */

static void expect_same(const ntk_record *a, const ntk_record *b, const char *name) {
  const ntk_variable *v = ntk_record_find(a, name);

  EXPECT(v && v->count > 0);
  expect_close(name, v->count, reals(b, name, v->count), v->data, 1e-11);
}

static void test_full(const stage *columns, const stage *full) {
  static const char *const curves[] = {
      "time", "train_loss", "test_loss", "train_accuracy", "test_accuracy", "parameter_distance",
      "train_loss_infinity", "test_loss_infinity", "test_accuracy_infinity", "prediction",
      "prediction_infinity"};
  static const char *const loss[] = {"half_sse", "mse_mean", "mse_mean_outputs"};
  char options[256];
  ntk_record a, b;

  for (int k = 0; k < 3; ++k) {
    (void)snprintf(options, sizeof(options),
                   "{loss: %s, learning_rate: {of_max: 0.7}, predictions: {test: [3, 1], train: "
                   "all}}",
                   loss[k]);
    EXPECT_OK(analyse(columns, "dynamics", options, &a));
    EXPECT_OK(analyse(full, "dynamics", options, &b));
    for (size_t c = 0; c < sizeof(curves) / sizeof(*curves); ++c) expect_same(&a, &b, curves[c]);
    ntk_record_destroy(&a);
    ntk_record_destroy(&b);
  }
  EXPECT_OK(analyse(columns, "fixed_design_risk", "{ridge_unit: trace_per_n}", &a));
  EXPECT_OK(analyse(full, "fixed_design_risk", "{ridge_unit: trace_per_n}", &b));
  expect_same(&a, &b, "ridge");
  expect_same(&a, &b, "bias2");
  expect_same(&a, &b, "variance");
  ntk_record_destroy(&a);
  ntk_record_destroy(&b);
  EXPECT_OK(analyse(columns, "summary", "{}", &a));
  EXPECT_OK(analyse(full, "summary", "{}", &b));
  EXPECT_NEAR(scalar(&b, "trace"), O * scalar(&a, "trace"), 1e-12);
  EXPECT_NEAR(scalar(&b, "alignment") * sqrt(O), scalar(&a, "alignment"), 1e-12);
  ntk_record_destroy(&a);
  ntk_record_destroy(&b);
}

/* ---- dynamics ---- */

/* x = A^-1 b by elimination without pivoting, for a positive definite A. */
static void solve(int64_t n, double *a, double *b) {
  for (int64_t k = 0; k < n; ++k) {
    for (int64_t i = k + 1; i < n; ++i) {
      const double f = a[i * n + k] / a[k * n + k];

      for (int64_t j = k; j < n; ++j) a[i * n + j] -= f * a[k * n + j];
      b[i] -= f * b[k];
    }
  }
  for (int64_t k = n - 1; k >= 0; --k) {
    for (int64_t j = k + 1; j < n; ++j) b[k] -= a[k * n + j] * b[j];
    b[k] /= a[k * n + k];
  }
}

/* Regular kernel: at infinity the training set is interpolated, the test set is f0 - K_* K^-1 r. */
static void test_infinity(const kernel *k, const stage *s) {
  double a[N * N], r[N];
  ntk_record record;

  EXPECT_OK(analyse(s, "dynamics",
                    "{times: {geomspace: [1e-3, 1e3, 7], zero: true, infinity: true}, "
                    "predictions: {test: all, train: all}}",
                    &record));
  const double *f = reals(&record, "prediction_infinity", (M + N) * O);
  expect_close("interpolation", N * O, f + M * O, k->y, 1e-9);
  EXPECT_NEAR(scalar(&record, "train_loss_infinity"), 0, 0);
  EXPECT_NEAR(scalar(&record, "train_accuracy_infinity"), 1, 0);
  for (int64_t o = 0; o < O; ++o) {
    memcpy(a, k->gram, sizeof(a));
    for (int64_t i = 0; i < N; ++i) r[i] = k->f0[i * O + o] - k->y[i * O + o];
    solve(N, a, r);
    for (int64_t i = 0; i < M; ++i) {
      double wanted = k->test_f0[i * O + o];

      for (int64_t j = 0; j < N; ++j) wanted -= k->test_train[i * N + j] * r[j];
      EXPECT_NEAR(f[i * O + o], wanted, 1e-8 * fmax(1, fabs(wanted)));
    }
  }
  ntk_record_destroy(&record);
}

/* t = 0 is the initial network, losses and accuracies are those of the predictions, the training
 * loss falls, the parameters move away. */
static void test_course(const kernel *k, const stage *s) {
  ntk_record r;

  EXPECT_OK(analyse(s, "dynamics", "{predictions: {test: all, train: all}}", &r));
  const int64_t times = ntk_record_find(&r, "time")->count;
  const double *f = reals(&r, "prediction", times * (M + N) * O);
  const double *loss = reals(&r, "train_loss", times), *test = reals(&r, "test_loss", times);
  const double *distance = reals(&r, "parameter_distance", times);
  const double *accuracy = reals(&r, "test_accuracy", times);

  EXPECT(times == 61);
  for (int64_t e = 0; e < M * O; ++e) EXPECT(f[e] == k->test_f0[e]);
  for (int64_t e = 0; e < N * O; ++e) EXPECT(f[M * O + e] == k->f0[e]);
  EXPECT(distance[0] == 0 && reals(&r, "time", times)[0] == 0);
  for (int64_t t = 0; t < times; ++t) {
    const double *ft = f + t * (M + N) * O;
    double squares = 0, test_squares = 0;
    int hits = 0;

    for (int64_t e = 0; e < N * O; ++e) squares += pow(ft[M * O + e] - k->y[e], 2);
    for (int64_t e = 0; e < M * O; ++e) test_squares += pow(ft[e] - k->test_y[e], 2);
    for (int64_t i = 0; i < M; ++i) {
      const double *fi = ft + i * O;

      hits += fi[i % O] >= fi[(i + 1) % O] && fi[i % O] >= fi[(i + 2) % O];
    }
    EXPECT_NEAR(loss[t], squares / (2 * N), 1e-12);
    EXPECT_NEAR(test[t], test_squares / (2 * M), 1e-12 * fmax(1, test_squares));
    EXPECT_NEAR(accuracy[t], hits / (double)M, 1e-15);
    EXPECT(t == 0 || (loss[t] <= loss[t - 1] && distance[t] >= distance[t - 1]));
  }
  EXPECT(scalar(&r, "parameter_distance_infinity") >= distance[times - 1]);
  EXPECT(scalar(&r, "train_loss_infinity") <= loss[times - 1]);
  ntk_record_destroy(&r);
}

/* Samples 0 and N - 1 are the same input with different targets: their difference never moves,
 * however long; the null space keeps its residual. */
static void test_duplicates(const kernel *k, const stage *s) {
  ntk_record r;
  double difference[O], stuck = 0;

  EXPECT_OK(analyse(s, "dynamics",
                    "{loss: half_sse, times: {geomspace: [1e-3, 1e12, 31], zero: true, infinity: "
                    "true}, predictions: {train: [0, 10]}}",
                    &r));
  const double *f = reals(&r, "prediction", 32 * O * 2);
  for (int64_t o = 0; o < O; ++o) difference[o] = f[o] - f[O + o];
  for (int64_t t = 0; t < 32; ++t) {
    for (int64_t o = 0; o < O; ++o) {
      EXPECT_NEAR(f[t * 2 * O + o] - f[t * 2 * O + O + o], difference[o], 1e-11);
    }
  }
  for (int64_t mode = 0; mode < N; ++mode) {
    for (int64_t o = 0; o < O; ++o) {
      if (s->spectrum.eigenvalue[mode] > s->spectrum.cutoff) continue;
      stuck += pow(s->view.residual_coefficient[mode * O + o], 2) / 2;
    }
  }
  EXPECT(stuck > 0.01);
  EXPECT_NEAR(scalar(&r, "train_loss_infinity"), stuck, 1e-14);
  EXPECT_NEAR(reals(&r, "train_loss", 32)[31], stuck, 1e-14);
  ntk_record_destroy(&r);
  (void)k;
}

/* Times in batches are the same as times alone. */
static void test_batches(const stage *s) {
  ntk_record many, one;

  EXPECT_OK(analyse(s, "dynamics",
                    "{times: {linspace: [0, 50, 101]}, predictions: {test: [0, 4]}}", &many));
  EXPECT_OK(analyse(s, "dynamics", "{times: [36.5], predictions: {test: [0, 4]}}", &one));
  EXPECT_NEAR(reals(&many, "time", 101)[73], 36.5, 1e-13);
  expect_close("prediction", 2 * O, reals(&many, "prediction", 101 * O * 2) + 73 * O * 2,
               reals(&one, "prediction", 2 * O), 1e-13);
  EXPECT_NEAR(reals(&many, "test_loss", 101)[73], scalar(&one, "test_loss"), 1e-13);
  EXPECT(!ntk_record_find(&one, "train_loss_infinity"));
  EXPECT(!ntk_record_find(&one, "prediction_infinity"));
  ntk_record_destroy(&many);
  ntk_record_destroy(&one);
}

static void test_refused_samples(const stage *s) {
  ntk_record r;

  EXPECT_REFUSED(analyse(s, "dynamics", "{predictions: {test: [0, 5]}}", &r), NTK_E_CONFIG,
                 "there is no sample 5, there are 5");
  EXPECT_REFUSED(analyse(s, "dynamics", "{predictions: {train: [11]}}", &r), NTK_E_CONFIG,
                 "predictions.train");
  EXPECT_STATUS(analyse(s, "dynamics", "{predictions: {train: [-1]}}", &r), NTK_E_CONFIG);
  EXPECT_STATUS(analyse(s, "dynamics", "{learning_rate: 0}", &r), NTK_E_CONFIG);
  EXPECT_STATUS(analyse(s, "dynamics", "{rule: gradient_fow}", &r), NTK_E_CONFIG);
  EXPECT_STATUS(analyse(s, "effective_dimension", "{ridge: [-1.0]}", &r), NTK_E_CONFIG);
  EXPECT_STATUS(analyse(s, "article_bounds", "{noise_variance: -0.1}", &r), NTK_E_CONFIG);
}

/* ---- ridges ---- */

static void test_ridges(const stage *s) {
  ntk_record e, f;
  double trace = 0;

  for (int64_t i = 0; i < N; ++i) trace += s->spectrum.eigenvalue[i];
  EXPECT_OK(analyse(s, "effective_dimension",
                    "{ridge: {geomspace: [1e-14, 1e14, 57]}, ridge_unit: trace_per_n}", &e));
  EXPECT_OK(analyse(s, "fixed_design_risk",
                    "{ridge: {geomspace: [1e-14, 1e14, 57]}, ridge_unit: trace_per_n}", &f));
  const double *ridge = reals(&e, "ridge", 57), *relative = reals(&e, "ridge_relative", 57);
  const double *df1 = reals(&e, "df1", 57), *df2 = reals(&e, "df2", 57);
  const double *bias2 = reals(&f, "bias2", 57), *variance = reals(&f, "variance", 57);

  EXPECT_NEAR(df1[56], 0, 1e-12);
  for (int k = 0; k < 57; ++k) {
    EXPECT_NEAR(ridge[k], pow(10, -14 + k / 2.0) * trace / N, 1e-12 * ridge[k]);
    EXPECT_NEAR(relative[k], pow(10, -14 + k / 2.0), 1e-12 * relative[k]);
    EXPECT(df2[k] <= df1[k] && df1[k] <= N && df2[k] >= 0);
    EXPECT_NEAR(variance[k], 0.1 * df2[k] / N, 1e-15);
    EXPECT_NEAR(reals(&f, "risk", 57)[k], bias2[k] + variance[k], 0);
    if (k == 0) continue;
    EXPECT(df1[k] < df1[k - 1] && df2[k] <= df2[k - 1]);
    EXPECT(bias2[k] >= bias2[k - 1] && variance[k] <= variance[k - 1]);
  }
  ntk_record_destroy(&e);
  ntk_record_destroy(&f);
}

/* Ridge 0 is the pseudo-inverse. */
static void test_ridgeless(const stage *s) {
  int64_t rank = 0;
  double null_power = 0;
  ntk_record r;

  while (rank < N && s->spectrum.eigenvalue[rank] > s->spectrum.cutoff) ++rank;
  for (int64_t k = rank * O; k < N * O; ++k) null_power += pow(s->view.target_coefficient[k], 2);
  EXPECT_OK(analyse(s, "effective_dimension", "{ridge: [0.0]}", &r));
  EXPECT(scalar(&r, "df1") == (double)rank && scalar(&r, "df2") == (double)rank);
  ntk_record_destroy(&r);
  EXPECT_OK(analyse(s, "fixed_design_risk", "{ridge: [0.0], noise_variance: 2}", &r));
  EXPECT_NEAR(scalar(&r, "bias2"), null_power / (N * O), 1e-15);
  EXPECT_NEAR(scalar(&r, "variance"), 2 * (double)rank / N, 1e-15);
  ntk_record_destroy(&r);
  EXPECT_OK(analyse(s, "article_bounds", "{noise_variance: 0}", &r));
  EXPECT_NEAR(scalar(&r, "bias"), null_power / (N * O), 1e-15);
  EXPECT_NEAR(scalar(&r, "bias_article"), null_power / O, 1e-14);
  EXPECT(scalar(&r, "variance") == 0);
  ntk_record_destroy(&r);
}

/* ---- summary ---- */

static void test_summary(const kernel *k, const stage *s, bool spectrum) {
  double trace = 0, squares = 0, overlap = 0, power = 0, entropy = 0;
  const double *lambda = s->spectrum.eigenvalue;
  ntk_record r;

  for (int64_t i = 0; i < N * N; ++i) {
    trace += i % (N + 1) == 0 ? k->gram[i] : 0;
    squares += k->gram[i] * k->gram[i];
    for (int64_t o = 0; o < O; ++o) {
      overlap += k->y[i / N * O + o] * k->gram[i] * k->y[i % N * O + o];
    }
  }
  for (int64_t e = 0; e < N * O; ++e) power += k->y[e] * k->y[e];
  EXPECT_OK(analyse(s, "summary", "{}", &r));
  EXPECT(*(int64_t *)ntk_record_find(&r, "n")->data == N);
  EXPECT(*(int64_t *)ntk_record_find(&r, "outputs")->data == O);
  EXPECT(*(int64_t *)ntk_record_find(&r, "parameters")->data == 123);
  EXPECT_NEAR(scalar(&r, "trace"), trace, 1e-13);
  EXPECT_NEAR(scalar(&r, "frobenius_norm"), sqrt(squares), 1e-13);
  EXPECT_NEAR(scalar(&r, "alignment"), overlap / sqrt(squares) / power, 1e-13);
  EXPECT((ntk_record_find(&r, "lambda_max") != NULL) == spectrum);
  EXPECT((ntk_record_find(&r, "max_learning_rate") != NULL) == spectrum);
  if (spectrum) {
    for (int64_t m = 0; m < N; ++m) {
      if (lambda[m] > 0) entropy -= lambda[m] / trace * log(lambda[m] / trace);
    }
    EXPECT_NEAR(scalar(&r, "effective_rank"), exp(entropy), 1e-12);
    EXPECT_NEAR(scalar(&r, "participation_ratio"), trace * trace / squares, 1e-12);
    EXPECT_NEAR(scalar(&r, "max_learning_rate"), 2 / lambda[0], 1e-15);
    EXPECT(*(int8_t *)ntk_record_find(&r, "condition_number_limited")->data ==
           (lambda[N - 1] <= s->spectrum.cutoff));
  }
  ntk_record_destroy(&r);
}

/* ---- edge cases ---- */

static void expect_finite(const ntk_record *r) {
  for (int64_t k = 0; k < r->variable_count; ++k) {
    const ntk_variable *v = &r->variables[k];

    for (int64_t e = 0; v->kind == NTK_KIND_REAL && e < v->count; ++e) {
      if (!isfinite(((double *)v->data)[e])) FAIL("%s[%lld] is not finite", v->name, (long long)e);
    }
  }
}

/* Theta = 0: nothing moves, no dimension, all of the target is bias. */
static void test_zero(const ntk_comm *comm) {
  static const double zero[N * N];
  kernel k;
  stage s;
  ntk_record r;

  make_kernel(RANK, &k);
  memset(k.gram, 0, sizeof(k.gram));
  memset(k.test_train, 0, sizeof(k.test_train));
  const example e = classification(&k);
  open_stage(comm, &e, true, &s);
  EXPECT(s.spectrum.eigenvalue[0] == 0 && s.spectrum.cutoff == 0);
  for (int of_max = 0; of_max < 2; ++of_max) {
    EXPECT_OK(analyse(&s, "dynamics",
                      of_max ? "{learning_rate: {of_max: 0.5}, predictions: {train: all}}"
                             : "{predictions: {train: all}}",
                      &r));
    expect_finite(&r);
    expect_close("f", N * O, reals(&r, "prediction_infinity", N * O), k.f0, 0);
    EXPECT_NEAR(scalar(&r, "train_loss_infinity"), reals(&r, "train_loss", -1)[0], 0);
    EXPECT(scalar(&r, "parameter_distance_infinity") == 0);
    ntk_record_destroy(&r);
  }
  EXPECT_OK(analyse(&s, "effective_dimension", "{ridge: [0.0, 1.0]}", &r));
  expect_close("df1", 2, reals(&r, "df1", 2), zero, 0);
  ntk_record_destroy(&r);
  EXPECT_OK(analyse(&s, "article_bounds", "{}", &r));
  expect_finite(&r);
  ntk_record_destroy(&r);
  EXPECT_OK(analyse(&s, "summary", "{}", &r));
  EXPECT(scalar(&r, "effective_rank") == 0 && scalar(&r, "participation_ratio") == 0);
  EXPECT(isinf(scalar(&r, "max_learning_rate")) && isnan(scalar(&r, "condition_number")));
  ntk_record_destroy(&r);
  close_stage(&s);
}

/* n = 1, one output, no test set: everything in closed form.  K = 4, f0 = 3, y = 1. */
static void test_single(const ntk_comm *comm) {
  static const double gram = 4, f0 = 3, y = 1;
  const example e = {.n = 1, .outputs = 1, .classes = 2, .gram = &gram, .f0 = &f0, .y = &y};
  stage s;
  ntk_record r;

  open_stage(comm, &e, true, &s);
  EXPECT_OK(analyse(&s, "dynamics",
                    "{learning_rate: 0.5, times: {linspace: [0, 1, 3], infinity: true}}", &r));
  EXPECT(!ntk_record_find(&r, "test_loss") && !ntk_record_find(&r, "prediction"));
  for (int t = 0; t < 3; ++t) {
    const double left = exp(-0.5 * 4 * t / 2);

    EXPECT_NEAR(reals(&r, "train_loss", 3)[t], 0.5 * 4 * left * left, 1e-15);
    EXPECT_NEAR(reals(&r, "parameter_distance", 3)[t], 2 * (1 - left) / 2, 1e-15);
    EXPECT_NEAR(reals(&r, "train_accuracy", 3)[t], 1, 0);
  }
  EXPECT_NEAR(scalar(&r, "parameter_distance_infinity"), 1, 1e-15);
  ntk_record_destroy(&r);
  EXPECT_OK(analyse(&s, "summary", "{}", &r));
  EXPECT_NEAR(scalar(&r, "alignment"), 1, 1e-15);
  EXPECT_NEAR(scalar(&r, "condition_number"), 1, 0);
  EXPECT_NEAR(scalar(&r, "effective_rank"), 1, 0);
  ntk_record_destroy(&r);
  EXPECT_OK(analyse(&s, "fixed_design_risk", "{ridge: [4.0], noise_variance: 1}", &r));
  EXPECT_NEAR(scalar(&r, "bias2"), 0.25, 1e-15);
  EXPECT_NEAR(scalar(&r, "variance"), 0.25, 1e-15);
  ntk_record_destroy(&r);
  close_stage(&s);
}

/* Samples without a class do not count; signs decide for one output. */
static void test_accuracy(const ntk_comm *comm) {
  static const double gram[16] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
  static const double y[4] = {1, -1, 1, -1}, f0[4] = {1, 1, -1, -2};
  static const double two[8] = {1, 0, 0, 1, 1, 0, 1, 0}, f0_two[8] = {1, 0, 1, 0, 1, 0, 0, 1};
  const int64_t label[4] = {0, 1, -1, 0};
  example e = {.n = 4, .outputs = 1, .classes = 2, .gram = gram, .f0 = f0, .y = y};
  stage s;
  ntk_record r;

  open_stage(comm, &e, true, &s);
  EXPECT_OK(analyse(&s, "dynamics", "{times: [0.0]}", &r));
  EXPECT_NEAR(scalar(&r, "train_accuracy"), 0.5, 0);
  ntk_record_destroy(&r);
  close_stage(&s);

  e = (example){.n = 4, .outputs = 2, .classes = 2, .gram = gram, .f0 = f0_two, .y = two,
                .label = label};
  open_stage(comm, &e, true, &s);
  EXPECT_OK(analyse(&s, "dynamics", "{times: [0.0]}", &r));
  EXPECT_NEAR(scalar(&r, "train_accuracy"), 1.0 / 3, 1e-15);
  ntk_record_destroy(&r);
  close_stage(&s);

  e.classes = 0;
  open_stage(comm, &e, true, &s);
  EXPECT_OK(analyse(&s, "dynamics", "{times: [0.0]}", &r));
  EXPECT(!ntk_record_find(&r, "train_accuracy"));
  ntk_record_destroy(&r);
  close_stage(&s);
}

/* Nothing to learn: f0 = y, constant.  The loss is rounding, the parameters stay. */
static void test_constant(const ntk_comm *comm) {
  kernel k;
  stage s;
  ntk_record r;

  make_kernel(RANK, &k);
  for (int64_t e = 0; e < N * O; ++e) k.y[e] = k.f0[e] = 2.5;
  const example e = classification(&k);
  open_stage(comm, &e, true, &s);
  EXPECT_OK(analyse(&s, "dynamics", "{predictions: {test: all}}", &r));
  expect_close("f", M * O, reals(&r, "prediction_infinity", M * O), k.test_f0, 1e-12);
  EXPECT_NEAR(scalar(&r, "parameter_distance_infinity"), 0, 1e-12);
  ntk_record_destroy(&r);
  close_stage(&s);
}

/* ---- rows ---- */

/* Dimensions of a field, separated by spaces, against those of a variable. */
static void expect_declared(const ntk_analysis *a, const ntk_variable *v) {
  const ntk_field *field = ntk_field_find(a->fields, v->name);
  char joined[NTK_MAX_RANK * NTK_NAME_SIZE] = "";
  int used = 0;

  for (int d = 0; d < v->rank; ++d) {
    used += snprintf(joined + used, sizeof(joined) - (size_t)used, "%s%s", d ? " " : "",
                     v->dimension[d]);
  }
  EXPECT_TEXT(joined, field->dimensions);
  EXPECT(v->kind == field->kind && v->long_name[0] && v->units[0]);
}

static void test_rows(const stage *s) {
  for (const ntk_row *const *row = ntk_analyses; *row; ++row) {
    const ntk_analysis *a = (const ntk_analysis *)*row;
    ntk_record r;

    EXPECT(a->row.name && a->row.doc && a->fields && a->compute);
    EXPECT(ntk_row_find(ntk_analyses, a->row.name) == *row);
    for (const ntk_field *f = a->fields; f->name; ++f) {
      EXPECT(f->dimensions && f->units && f->long_name && f->source);
      EXPECT(ntk_field_find(a->fields, f->name) == f);
      EXPECT(!a->to_root || !*f->dimensions);
    }
    EXPECT_OK(analyse(s, a->row.name, "{}", &r));
    EXPECT(r.variable_count > 0);
    for (int64_t k = 0; k < r.variable_count; ++k) expect_declared(a, &r.variables[k]);
    ntk_record_destroy(&r);
  }
}

/* ---- the whole, with every check failing once ---- */

static ntk_status run_analysis(const stage *s, const char *name, const char *yaml) {
  ntk_record r;
  ntk_status status = analyse(s, name, yaml, &r);

  ntk_record_destroy(&r);
  return status;
}

static ntk_status run_all(const ntk_comm *comm, void *context) {
  const stage *s = context;

  (void)comm;
  NTK_TRY(run_analysis(s, "dynamics", "{predictions: {test: all, train: [0]}}"));
  for (const ntk_row *const *row = ntk_analyses; *row; ++row) {
    NTK_TRY(run_analysis(s, (*row)->name, "{}"));
  }
  return NTK_OK;
}

static void test_kernel(const ntk_comm *comm, const kernel *k, bool regular) {
  const example e = classification(k);
  stage s;

  open_stage(comm, &e, true, &s);
  if (regular) test_infinity(k, &s);
  if (!regular) test_duplicates(k, &s);
  test_course(k, &s);
  test_batches(&s);
  test_refused_samples(&s);
  test_ridges(&s);
  test_ridgeless(&s);
  test_summary(k, &s, true);
  test_rows(&s);
  if (regular) EXPECT(sweep_faults_everywhere(comm, run_all, &s) > 20);
  s.view.spectrum = NULL;
  test_summary(k, &s, false);
  close_stage(&s);
}

static void test_outputs(const ntk_comm *comm, kernel *k) {
  example e = classification(k);
  stage columns, full;

  make_full(k);
  open_stage(comm, &e, true, &columns);
  e.full = true;
  e.gram = k->full;
  e.test_train = k->full_test;
  open_stage(comm, &e, true, &full);
  test_full(&columns, &full);
  close_stage(&columns);
  close_stage(&full);
}

int main(int argc, char **argv) {
  static kernel k;

  begin_test(&argc, &argv);
  const ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD);

  for (int64_t rank = 6; rank <= RANK; rank += RANK - 6) {
    make_kernel(rank, &k);
    test_kernel(&comm, &k, rank >= N);
    test_outputs(&comm, &k);
  }
  test_zero(&comm);
  test_single(&comm);
  test_accuracy(&comm);
  test_constant(&comm);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
