#include "ntk/analysis/analysis.h"

#include <string.h>

#include "rows.h"

const ntk_row *const ntk_analyses[] = {
    &ntk_summary.row,        &ntk_dynamics.row,          &ntk_effective_dimension.row,
    &ntk_article_bounds.row, &ntk_fixed_design_risk.row, NULL};

const ntk_field *ntk_analysis_field(const ntk_analysis *analysis, const char *name) {
  const ntk_field *field = analysis->fields;

  while (field->name && strcmp(field->name, name) != 0) ++field;
  NTK_ASSERT(field->name);
  return field;
}
