/* rows.h -- the rows behind the table of analysis.c, one file each. */
#ifndef NTK_ANALYSIS_ROWS_H
#define NTK_ANALYSIS_ROWS_H

#include "ntk/analysis/analysis.h"

extern const ntk_analysis ntk_summary, ntk_dynamics, ntk_effective_dimension, ntk_article_bounds,
    ntk_fixed_design_risk;

#endif
