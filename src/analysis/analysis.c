#include "ntk/analysis/analysis.h"

#include <string.h>

#define ROWS               \
  ROW(summary)             \
  ROW(dynamics)            \
  ROW(effective_dimension) \
  ROW(article_bounds)      \
  ROW(fixed_design_risk)

#define ROW(name) extern const ntk_analysis ntk_analysis_##name;
ROWS
#undef ROW
#define ROW(name) &ntk_analysis_##name.row,

    const ntk_row *const ntk_analyses[] = {ROWS NULL};

const ntk_field *ntk_field_find(const ntk_field *fields, const char *name) {
  const ntk_field *field = fields;

  while (field->name && strcmp(field->name, name) != 0) ++field;
  NTK_ASSERT(field->name);
  return field;
}
