/* Effective dimension of ridge regression over a grid of ridges, F1. */
#include "filter.h"
#include "ridge.h"

static const ntk_option options[] = {NTK_RIDGE_OPTIONS, {0}};

static const ntk_field fields[] = {
    NTK_RIDGE_FIELD,
    {"ridge_relative", "ridge", "1", "ridge divided by trace / n", "I.3", NTK_KIND_REAL},
    {"df1", "ridge", "1", "effective dimension tr K (K + ridge)^-1", "F1", NTK_KIND_REAL},
    {"df2", "ridge", "1", "effective dimension tr (K (K + ridge)^-1)^2", "F1", NTK_KIND_REAL},
    {0},
};

static ntk_status fill(const ntk_view *view, const ntk_ridge *settings, ntk_record *record) {
  const int64_t count = settings->grid.count;
  const double unit = ntk_ridge_mean_diagonal(view);
  const double *ridge = NULL;
  double *relative = NULL, *df1 = NULL, *df2 = NULL;

  NTK_TRY(ntk_ridge_add(fields, view, settings, record, &ridge));
  NTK_TRY(ntk_record_add(record, ntk_field_find(fields, "ridge_relative"), &count, &relative));
  NTK_TRY(ntk_record_add(record, ntk_field_find(fields, "df1"), &count, &df1));
  NTK_TRY(ntk_record_add(record, ntk_field_find(fields, "df2"), &count, &df2));
  for (int64_t k = 0; k < count; ++k) {
    relative[k] = ridge[k] / unit;
    ntk_filter_dimensions(view->spectrum, ridge[k], &df1[k], &df2[k]);
  }
  return NTK_OK;
}

static ntk_status compute(const ntk_view *view, const void *settings, ntk_record *record) {
  NTK_AGREE(view->comm, fill(view, settings, record));
  return NTK_OK;
}

const ntk_analysis ntk_analysis_effective_dimension = {
    .row = {.name = "effective_dimension",
            .doc = "how many modes ridge regression uses, over a grid of ridges",
            .options = options,
            .options_size = sizeof(ntk_ridge)},
    .needs = NTK_NEEDS_SPECTRUM,
    .fields = fields,
    .compute = compute,
};
