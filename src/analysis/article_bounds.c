/* The numbers that "Training Dynamics of Neural Networks with the NTK" prints as generalisation
 * bounds, in the article's form and in the correct one (MATH F1 to F3 and J).
 *
 * Ridge and noise variance are one number there: mu = noise_variance; b = V^T y, norm bound B = 1.
 * n and O are the rows and columns of the kernel (filter.h); squares are summed over O, then
 * divided by it.  With lambda the eigenvalues of the Gram matrix
 *   bias_article counts n twice and lacks 1/n:  sum b^2 / (1 + n lambda / mu)^2
 *   variance_article has df1 where df2 belongs
 *   rademacher_article = sqrt(tr K / n), off by sqrt(n). */
#include <math.h>

#include "filter.h"
#include "ridge.h"

typedef struct bounds_settings {
  double noise_variance;
} bounds_settings;

static const ntk_option options[] = {
    {.key = "noise_variance",
     .type = NTK_REAL,
     .offset = offsetof(bounds_settings, noise_variance),
     .fallback = "0.1",
     .low = 0,
     .high = 1e300,
     .doc = "variance of the noise on the targets, and the ridge"},
    {0},
};

static const ntk_field fields[] = {
    {"effective_dimension", "", "1", "effective dimension df1 at ridge noise_variance", "F1",
     NTK_KIND_REAL},
    {"rademacher_article", "", "1", "Rademacher bound as the article has it, sqrt(tr K / n)", "J8",
     NTK_KIND_REAL},
    {"rademacher", "", "1", "Rademacher complexity bound (B / n) sqrt(tr K), B = 1", "F3",
     NTK_KIND_REAL},
    {"bias_article", "", "1",
     "bias as the article has it, sum b^2 / (1 + n lambda / noise_variance)^2", "J6",
     NTK_KIND_REAL},
    {"bias", "", "1", "squared bias (1/n) sum b^2 / (1 + lambda / noise_variance)^2", "F2",
     NTK_KIND_REAL},
    {"variance_article", "", "1", "variance as the article has it, noise_variance df1 / n", "J7",
     NTK_KIND_REAL},
    {"variance", "", "1", "variance noise_variance df2 / n", "F2", NTK_KIND_REAL},
    {"bound_article", "", "1", "the article's bound, bias_article + variance_article", "J9",
     NTK_KIND_REAL},
    {"in_sample_risk", "", "1", "in-sample risk, bias + variance", "F2", NTK_KIND_REAL},
    {0},
};

static ntk_status fill(const ntk_view *view, const bounds_settings *settings,
                       ntk_record *record) {
  const double mu = settings->noise_variance, n = (double)view->rows, o = (double)view->columns;
  const double trace = n * ntk_ridge_mean_diagonal(view);
  double df1 = 0, df2 = 0;

  ntk_filter_dimensions(view->spectrum, mu, &df1, &df2);
  const double bias_article = ntk_filter_bias(view, mu / n) / o; /* 1 + n lambda / mu */
  const double bias = ntk_filter_bias(view, mu) / (n * o);
  const double variance_article = mu * df1 / n, variance = mu * df2 / n;
  const double value[] = {df1,
                          sqrt(trace / n),
                          sqrt(trace) / n,
                          bias_article,
                          bias,
                          variance_article,
                          variance,
                          bias_article + variance_article,
                          bias + variance}; /* in the order of `fields` */

  for (int64_t k = 0; fields[k].name; ++k) {
    NTK_TRY(ntk_record_add_real(record, &fields[k], value[k]));
  }
  return NTK_OK;
}

static ntk_status compute(const ntk_view *view, const void *settings, ntk_record *record) {
  NTK_ASSERT(view->target_coefficient);
  NTK_AGREE(view->comm, fill(view, settings, record));
  return NTK_OK;
}

const ntk_analysis ntk_analysis_article_bounds = {
    .row = {.name = "article_bounds",
            .doc = "the article's generalisation numbers, as printed there and as they should be",
            .options = options,
            .options_size = sizeof(bounds_settings)},
    .needs = NTK_NEEDS_SPECTRUM | NTK_NEEDS_TARGETS,
    .fields = fields,
    .compute = compute,
};
