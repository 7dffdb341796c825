/* Bias, variance and risk of ridge regression at the training inputs, F2: targets f* plus noise
 * of the given variance, averaged over the noise; and of gradient flow, stopped at some times.
 *
 * n and O are the rows and columns of the kernel (filter.h): each column has the same smoother, so
 * the mean over columns of the variance is that of one column. */
#include <math.h>

#include "filter.h"
#include "ridge.h"

typedef struct risk_settings {
  ntk_ridge ridge; /* first: NTK_RIDGE_OPTIONS */
  double noise_variance;
  const ntk_row *f_star;
  ntk_grid_spec times; /* count 0: none */
} risk_settings;

static const ntk_row targets = {.name = "targets", .doc = "the training targets"};
static const ntk_row *const truths[] = {&targets, NULL};

static const ntk_option options[] = {
    NTK_RIDGE_OPTIONS,
    {.key = "noise_variance",
     .type = NTK_REAL,
     .offset = offsetof(risk_settings, noise_variance),
     .fallback = "0.1",
     .low = 0,
     .high = 1e300,
     .doc = "variance of the noise on the targets"},
    {.key = "f_star",
     .type = NTK_WORD,
     .offset = offsetof(risk_settings, f_star),
     .fallback = "targets",
     .doc = "the noiseless function at the training inputs",
     .rows = truths},
    {.key = "times",
     .type = NTK_GRID,
     .offset = offsetof(risk_settings, times),
     .low = 0,
     .high = 1e300,
     .doc = "learning rate / c times time at which gradient flow stops, as if by a ridge of "
            "1 / time; default: none"},
    {0},
};

static const ntk_field fields[] = {
    NTK_RIDGE_FIELD,
    {"bias2", "ridge", "1", "squared bias (1/n) sum (ridge / (lambda + ridge))^2 b^2", "F2",
     NTK_KIND_REAL},
    {"variance", "ridge", "1", "variance (noise_variance / n) df2(ridge)", "F2", NTK_KIND_REAL},
    {"risk", "ridge", "1", "in-sample risk of ridge regression, bias2 + variance", "F2",
     NTK_KIND_REAL},
    {"time", "time", "1", "learning rate / c times time at which gradient flow stops", "D1",
     NTK_KIND_REAL},
    {"gf_bias2", "time", "1", "squared bias of gradient flow (1/n) sum exp(-2 lambda time) b^2",
     "F2", NTK_KIND_REAL},
    {"gf_variance", "time", "1",
     "variance of gradient flow (noise_variance / n) sum (1 - exp(-lambda time))^2", "F2",
     NTK_KIND_REAL},
    {"gf_risk", "time", "1", "in-sample risk of gradient flow, gf_bias2 + gf_variance", "F2",
     NTK_KIND_REAL},
    {0},
};

static ntk_status fill_flow(const ntk_view *view, const risk_settings *settings,
                            ntk_record *record) {
  const int64_t count = settings->times.count;
  const double n = (double)view->rows, values = n * (double)view->columns;
  double *time = NULL, *bias2 = NULL, *variance = NULL, *risk = NULL;

  if (count == 0) return NTK_OK;
  NTK_TRY(ntk_record_add(record, ntk_field_find(fields, "time"), &count, &time));
  NTK_TRY(ntk_record_add(record, ntk_field_find(fields, "gf_bias2"), &count, &bias2));
  NTK_TRY(ntk_record_add(record, ntk_field_find(fields, "gf_variance"), &count, &variance));
  NTK_TRY(ntk_record_add(record, ntk_field_find(fields, "gf_risk"), &count, &risk));
  ntk_grid_spec_points(&settings->times, NAN, NAN, time);
  for (int64_t k = 0; k < count; ++k) {
    ntk_filter_flow(view, time[k], &bias2[k], &variance[k]);
    bias2[k] /= values;
    variance[k] *= settings->noise_variance / n;
    risk[k] = bias2[k] + variance[k];
  }
  return NTK_OK;
}

static ntk_status fill(const ntk_view *view, const risk_settings *settings, ntk_record *record) {
  const int64_t count = settings->ridge.grid.count;
  const double n = (double)view->rows, values = n * (double)view->columns;
  const double *ridge = NULL;
  double *bias2 = NULL, *variance = NULL, *risk = NULL;

  NTK_TRY(ntk_ridge_add(fields, view, &settings->ridge, record, &ridge));
  NTK_TRY(ntk_record_add(record, ntk_field_find(fields, "bias2"), &count, &bias2));
  NTK_TRY(ntk_record_add(record, ntk_field_find(fields, "variance"), &count, &variance));
  NTK_TRY(ntk_record_add(record, ntk_field_find(fields, "risk"), &count, &risk));
  for (int64_t k = 0; k < count; ++k) {
    double df1 = 0, df2 = 0;

    ntk_filter_dimensions(view->spectrum, ridge[k], &df1, &df2);
    bias2[k] = ntk_filter_bias(view, ridge[k]) / values;
    variance[k] = settings->noise_variance * df2 / n;
    risk[k] = bias2[k] + variance[k];
  }
  return fill_flow(view, settings, record);
}

static ntk_status compute(const ntk_view *view, const void *settings, ntk_record *record) {
  NTK_ASSERT(view->target_coefficient);
  NTK_AGREE(view->comm, fill(view, settings, record));
  return NTK_OK;
}

const ntk_analysis ntk_analysis_fixed_design_risk = {
    .row = {.name = "fixed_design_risk",
            .doc = "bias, variance and risk of ridge regression at the training inputs",
            .options = options,
            .options_size = sizeof(risk_settings)},
    .needs = NTK_NEEDS_SPECTRUM | NTK_NEEDS_TARGETS,
    .fields = fields,
    .compute = compute,
};
