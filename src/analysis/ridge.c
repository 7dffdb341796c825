#include "ridge.h"

#include <math.h>

typedef struct unit {
  ntk_row row;
  double (*of)(const ntk_view *view);
} unit;

static double one(const ntk_view *view) {
  (void)view;
  return 1;
}

static const unit absolute = {
    .row = {.name = "absolute", .doc = "the ridge itself"}, .of = one};
static const unit trace_per_n = {
    .row = {.name = "trace_per_n", .doc = "the mean of the diagonal, trace / n"},
    .of = ntk_ridge_mean_diagonal};

const ntk_row *const ntk_ridge_units[] = {&absolute.row, &trace_per_n.row, NULL};

double ntk_ridge_mean_diagonal(const ntk_view *view) {
  double trace = 0;

  for (int64_t k = view->rows - 1; k >= 0; --k) trace += view->spectrum->eigenvalue[k];
  return trace / (double)view->rows;
}

ntk_status ntk_ridge_add(const ntk_field *fields, const ntk_view *view,
                         const ntk_ridge *settings, ntk_record *record, const double **ridge) {
  const double scale = ((const unit *)settings->unit)->of(view);
  const int64_t count = settings->grid.count;
  double *points = NULL;

  NTK_TRY(ntk_record_add(record, ntk_field_find(fields, "ridge"), &count, &points));
  ntk_grid_spec_points(&settings->grid, NAN, NAN, points);
  for (int64_t k = 0; k < count; ++k) points[k] *= scale;
  *ridge = points;
  return NTK_OK;
}
