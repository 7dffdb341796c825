/* ridge.h -- grids of ridges: their options, and the coordinate they become. */
#ifndef NTK_ANALYSIS_RIDGE_H
#define NTK_ANALYSIS_RIDGE_H

#include "ntk/analysis/analysis.h"

/* First member of the options of an analysis over ridges. */
typedef struct ntk_ridge {
  ntk_grid_spec grid;
  const ntk_row *unit; /* of ntk_ridge_units */
} ntk_ridge;

extern const ntk_row *const ntk_ridge_units[];

/* Rows of an options table whose struct starts with an ntk_ridge. */
#define NTK_RIDGE_OPTIONS                                                                       \
  {.key = "ridge",                                                                              \
   .type = NTK_GRID,                                                                            \
   .offset = offsetof(ntk_ridge, grid),                                                         \
   .fallback = "{geomspace: [1e-8, 1e2, 41]}",                                                  \
   .low = 0,                                                                                    \
   .high = 1e300,                                                                               \
   .doc = "ridges added to the diagonal of the Gram matrix, in ridge_unit"},                    \
  {                                                                                             \
    .key = "ridge_unit", .type = NTK_WORD, .offset = offsetof(ntk_ridge, unit),                 \
    .fallback = "absolute", .doc = "what 1 means on the ridge grid", .rows = ntk_ridge_units    \
  }

/* Field of the coordinate. */
#define NTK_RIDGE_FIELD                                                                        \
  {                                                                                            \
    "ridge", "ridge", "1", "ridge added to the diagonal of the Gram matrix", "E2", NTK_KIND_REAL \
  }

/* Local.  Adds the coordinate `ridge`, absolute, of settings->grid.count points.
 *   unit   what the absolute value is divided by to be relative: trace / n
 *   ridge  borrowed from the record
 * Fails with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_ridge_add(const ntk_field *fields, const ntk_view *view,
                                     const ntk_ridge *settings, ntk_record *record,
                                     const double **ridge);

/* Local.  trace / n, the mean of the diagonal; n is the number of rows of the kernel. */
double ntk_ridge_mean_diagonal(const ntk_view *view);

#endif
