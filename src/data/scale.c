#include <inttypes.h>
#include <math.h>

#include "ntk/base/memory.h"
#include "ntk/data/prepare.h"

static const double SQUARES_MIN = 1e-280;

/* Of the training inputs; features as the network sees them. */
typedef struct moments {
  int64_t features;
  double *mean, *deviation; /* [features]: mean, and sum of squared deviations from it */
  double all_mean, all_std; /* over samples and features */
} moments;

static void add_rows(int64_t n, int64_t features, const double *x, moments *m) {
  for (int64_t i = 0; i < n; ++i) {
    const double *row = x + i * features, weight = 1 / (double)(i + 1);

    for (int64_t f = 0; f < features; ++f) {
      const double step = row[f] - m->mean[f];

      m->mean[f] += step * weight;
      m->deviation[f] += step * (row[f] - m->mean[f]);
    }
  }
}

/* Chan's formula for groups of one size: the features. */
static void join_features(int64_t n, moments *m) {
  double inside = 0, between = 0;

  m->all_mean = 0;
  for (int64_t f = 0; f < m->features; ++f) {
    const double step = m->mean[f] - m->all_mean;

    m->all_mean += step / (double)(f + 1);
    between += step * (m->mean[f] - m->all_mean);
    inside += m->deviation[f];
  }
  m->all_std = sqrt((inside / (double)n + between) / (double)m->features);
}

static void moments_destroy(moments *m) {
  ntk_free(&m->mean);
  ntk_free(&m->deviation);
}

static ntk_status moments_create(const ntk_data *data, moments *m) {
  m->features = data->features;
  NTK_TRY(NTK_NEW(m->features, &m->mean));
  NTK_TRY(NTK_NEW(m->features, &m->deviation));
  add_rows(data->train.count, m->features, data->train.inputs, m);
  join_features(data->train.count, m);
  return NTK_OK;
}

/* Rules.  A rule of the training set fills a value per feature; one of the sample has `size`. */
typedef struct rule {
  ntk_row row;
  void (*fill)(const moments *m, int64_t n, double *value);
  double (*size)(int64_t features, const double *x);
} rule;

static void fill_mean(const moments *m, int64_t n, double *value) {
  (void)n;
  for (int64_t f = 0; f < m->features; ++f) value[f] = m->mean[f];
}

static void fill_all_mean(const moments *m, int64_t n, double *value) {
  (void)n;
  for (int64_t f = 0; f < m->features; ++f) value[f] = m->all_mean;
}

static void fill_std(const moments *m, int64_t n, double *value) {
  for (int64_t f = 0; f < m->features; ++f) value[f] = sqrt(m->deviation[f] / (double)n);
}

static void fill_all_std(const moments *m, int64_t n, double *value) {
  (void)n;
  for (int64_t f = 0; f < m->features; ++f) value[f] = m->all_std;
}

/* The plain formula, unless its squares leave the range of doubles. */
static double norm(int64_t features, const double *x) {
  double sum = 0, largest = 0;

  for (int64_t f = 0; f < features; ++f) sum += x[f] * x[f];
  if (isfinite(sum) && sum > SQUARES_MIN) return sqrt(sum);
  for (int64_t f = 0; f < features; ++f) largest = fmax(largest, fabs(x[f]));
  if (largest == 0) return 0;
  sum = 0;
  for (int64_t f = 0; f < features; ++f) sum += (x[f] / largest) * (x[f] / largest);
  return largest * sqrt(sum);
}

static double rms(int64_t features, const double *x) {
  return norm(features, x) / sqrt((double)features);
}

static const rule none = {.row = {.name = "none", .doc = "as they are"}};
static const rule center_scalar = {
    .row = {.name = "scalar", .doc = "minus the mean of all training inputs"},
    .fill = fill_all_mean};
static const rule center_feature = {
    .row = {.name = "feature", .doc = "minus the mean of each feature"}, .fill = fill_mean};
static const rule scale_scalar = {
    .row = {.name = "scalar", .doc = "by the standard deviation of all training inputs"},
    .fill = fill_all_std};
static const rule scale_feature = {
    .row = {.name = "feature", .doc = "by the standard deviation of each feature"},
    .fill = fill_std};
static const rule scale_sample_norm = {
    .row = {.name = "sample_norm", .doc = "each sample by its Euclidean norm"}, .size = norm};
static const rule scale_sample_rms = {
    .row = {.name = "sample_rms", .doc = "each sample by its root mean square"}, .size = rms};

const ntk_row *const ntk_center_rules[] = {&none.row, &center_scalar.row, &center_feature.row,
                                           NULL};
const ntk_row *const ntk_scale_rules[] = {
    &none.row, &scale_scalar.row, &scale_feature.row, &scale_sample_norm.row, &scale_sample_rms.row,
    NULL};

static void subtract(ntk_samples *set, int64_t features, const double *value) {
  for (int64_t i = 0; i < set->count; ++i) {
    for (int64_t f = 0; f < features; ++f) set->inputs[i * features + f] -= value[f];
  }
}

static double or_one(double divisor) {
  return divisor > 0 ? divisor : 1;
}

static void divide(ntk_samples *set, int64_t features, const double *value) {
  for (int64_t i = 0; i < set->count; ++i) {
    for (int64_t f = 0; f < features; ++f) set->inputs[i * features + f] /= or_one(value[f]);
  }
}

static void divide_samples(ntk_samples *set, int64_t features, const rule *by) {
  for (int64_t i = 0; i < set->count; ++i) {
    double *row = set->inputs + i * features, divisor = or_one(by->size(features, row));

    for (int64_t f = 0; f < features; ++f) row[f] /= divisor;
  }
}

static ntk_status check_finite(const char *what, int64_t n, const double *value) {
  int64_t k = 0;

  while (k < n && isfinite(value[k])) ++k;
  NTK_CHECK(k == n, NTK_E_INPUT,
            "data.center, data.scale: %s %" PRId64
            " overflow; bring the "
            "inputs to a reasonable size first",
            what, k);
  return NTK_OK;
}

typedef void change(ntk_samples *set, int64_t features, const double *value);

static ntk_status by_training_set(const rule *by, ntk_data *data, moments *m, double **value,
                                  change *apply) {
  NTK_TRY(moments_create(data, m));
  NTK_TRY(NTK_NEW(data->features, value));
  by->fill(m, data->train.count, *value);
  NTK_TRY(check_finite("statistics of feature", data->features, *value));
  apply(&data->train, data->features, *value);
  apply(&data->validation, data->features, *value);
  apply(&data->test, data->features, *value);
  return NTK_OK;
}

static ntk_status apply_rule(const rule *by, ntk_data *data, change *apply) {
  moments m = {0};
  double *value = NULL;
  ntk_status status = NTK_OK;

  if (by->fill) status = by_training_set(by, data, &m, &value, apply);
  if (by->size) divide_samples(&data->train, data->features, by);
  if (by->size) divide_samples(&data->validation, data->features, by);
  if (by->size) divide_samples(&data->test, data->features, by);
  moments_destroy(&m);
  ntk_free(&value);
  return status;
}

ntk_status ntk_inputs_scale(const ntk_data_settings *settings, ntk_data *data) {
  NTK_TRY(apply_rule((const rule *)settings->center, data, subtract));
  NTK_TRY(apply_rule((const rule *)settings->scale, data, divide));
  NTK_TRY(check_finite("training value", data->train.count * data->features, data->train.inputs));
  NTK_TRY(check_finite("validation value", data->validation.count * data->features,
                       data->validation.inputs));
  return check_finite("test value", data->test.count * data->features, data->test.inputs);
}
