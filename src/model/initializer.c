#include "ntk/model/initializer.h"

#include <math.h>
#include <stddef.h>

#include "laws.h"

/* ---- laws ------------------------------------------------------------------------------------ */

void ntk_law_scale(ntk_dtype dtype, double factor, int64_t n, double *values) {
  const float single = (float)factor;

  if (dtype == NTK_DOUBLE) {
    for (int64_t k = 0; k < n; ++k) values[k] *= factor;
  } else {
    for (int64_t k = 0; k < n; ++k) values[k] = (double)((float)values[k] * single);
  }
}

/* In the type's arithmetic. */
static double root(ntk_dtype dtype, double variance) {
  return dtype == NTK_DOUBLE ? sqrt(variance) : (double)sqrtf((float)variance);
}

static ntk_status draw_normal(const ntk_draw *draw, ntk_dtype dtype, int64_t columns,
                              double variance, double *values) {
  (void)columns;
  ntk_rng_normal(draw, dtype, 0, draw->total, values);
  ntk_law_scale(dtype, root(dtype, variance), draw->total, values);
  return NTK_OK;
}

static ntk_status draw_uniform(const ntk_draw *draw, ntk_dtype dtype, int64_t columns,
                               double variance, double *values) {
  const double triple = dtype == NTK_DOUBLE ? 3 * variance : (double)(3 * (float)variance);

  (void)columns;
  ntk_rng_uniform(draw, dtype, -1, 1, 0, draw->total, values);
  ntk_law_scale(dtype, root(dtype, triple), draw->total, values);
  return NTK_OK;
}

/* Cut at two standard deviations of the normal that it is cut from, whose own is put so that the
 * variance is as asked for. */
static ntk_status draw_truncated(const ntk_draw *draw, ntk_dtype dtype, int64_t columns,
                                 double variance, double *values) {
  const double std = 0.87962566103423978; /* of a standard normal cut at +-2 */
  const double factor =
      dtype == NTK_DOUBLE ? sqrt(variance) / std : (double)(sqrtf((float)variance) / (float)std);

  (void)columns;
  ntk_rng_truncated_normal(draw, dtype, -2, 2, 0, draw->total, values);
  ntk_law_scale(dtype, factor, draw->total, values);
  return NTK_OK;
}

static const ntk_law normal = {{.name = "normal", .doc = "N(0, v)"}, draw_normal};
static const ntk_law uniform = {{.name = "uniform", .doc = "U(-r, r), r = sqrt(3 v)"},
                                draw_uniform};
static const ntk_law truncated = {
    {.name = "truncated", .doc = "N(0, s^2) cut at +-2 s, s such that the variance is v"},
    draw_truncated};

const ntk_row *const ntk_laws[] = {&normal.row, &uniform.row, &truncated.row,
                                   &ntk_law_orthogonal.row, NULL};

/* ---- fans ------------------------------------------------------------------------------------ */

static double size_in(int64_t fan_in, int64_t fan_out) {
  (void)fan_out;
  return (double)fan_in;
}

static double size_out(int64_t fan_in, int64_t fan_out) {
  (void)fan_in;
  return (double)fan_out;
}

static double size_average(int64_t fan_in, int64_t fan_out) {
  return (double)(fan_in + fan_out) / 2;
}

static double size_larger(int64_t fan_in, int64_t fan_out) {
  return (double)(fan_in > fan_out ? fan_in : fan_out);
}

static const ntk_fan in = {{.name = "in", .doc = "inputs of a unit"}, size_in};
static const ntk_fan out = {{.name = "out", .doc = "units fed by an input"}, size_out};
static const ntk_fan average = {{.name = "average", .doc = "(in + out) / 2"}, size_average};
static const ntk_fan larger = {{.name = "larger", .doc = "the larger of in and out"}, size_larger};

const ntk_row *const ntk_fans[] = {&in.row, &out.row, &average.row, &larger.row, NULL};

/* ---- initialisers ---------------------------------------------------------------------------- */

static const ntk_option scaling_options[] = {
    {.key = "law",
     .type = NTK_WORD,
     .offset = offsetof(ntk_variance_scaling, law),
     .fallback = "normal",
     .rows = ntk_laws,
     .doc = "of the entries, which have mean 0 and variance v = variance / fan"},
    {.key = "variance",
     .type = NTK_REAL,
     .offset = offsetof(ntk_variance_scaling, variance),
     .fallback = "2.0",
     .low = 1e-100,
     .high = 1e100,
     .doc = "fan times the variance of an entry"},
    {.key = "fan",
     .type = NTK_WORD,
     .offset = offsetof(ntk_variance_scaling, fan),
     .fallback = "in",
     .rows = ntk_fans,
     .doc = "what it is divided by"},
    {0},
};

static const ntk_initializer variance_scaling = {
    {.name = "variance_scaling",
     .doc = "{law, variance, fan}, which may stand without this name",
     .options = scaling_options,
     .options_size = sizeof(ntk_variance_scaling)},
    {0}};

#define ROW(name_of_row, others, formula, law_of, variance_of, fan_of) \
  static const ntk_initializer name_of_row = {                         \
      {.name = #name_of_row, .doc = (formula), .also = (others)},      \
      {&(law_of).row, variance_of, &(fan_of).row}}

ROW(he_normal, "kaiming_normal", "N(0, 2 / fan_in)", normal, 2, in);
ROW(he_uniform, "kaiming_uniform", "U(-r, r), r = sqrt(6 / fan_in)", uniform, 2, in);
ROW(he_truncated, NULL, "truncated, variance 2 / fan_in; JAX's he_normal", truncated, 2, in);
ROW(glorot_normal, "xavier_normal", "N(0, 2 / (fan_in + fan_out))", normal, 1, average);
ROW(glorot_uniform, "xavier_uniform", "U(-r, r), r = sqrt(6 / (fan_in + fan_out))", uniform, 1,
    average);
ROW(glorot_truncated, NULL, "truncated, variance 2 / (fan_in + fan_out); JAX's glorot_normal",
    truncated, 1, average);
ROW(lecun_normal, NULL, "N(0, 1 / fan_in)", normal, 1, in);
ROW(lecun_uniform, NULL, "U(-r, r), r = sqrt(3 / fan_in)", uniform, 1, in);
ROW(lecun_truncated, NULL, "truncated, variance 1 / fan_in; JAX's lecun_normal", truncated, 1, in);
ROW(orthogonal, NULL, "orthonormal rows or columns, whichever are fewer", ntk_law_orthogonal, 1,
    larger);

const ntk_row *const ntk_initializers[] = {
    &variance_scaling.row, &he_normal.row,       &he_uniform.row,       &he_truncated.row,
    &glorot_normal.row,    &glorot_uniform.row,  &glorot_truncated.row, &lecun_normal.row,
    &lecun_uniform.row,    &lecun_truncated.row, &orthogonal.row,       NULL,
};

const ntk_law *ntk_initializer_law(const ntk_choice *initializer, int64_t fan_in, int64_t fan_out,
                                   double *variance) {
  const ntk_initializer *row = (const ntk_initializer *)initializer->row;
  const ntk_variance_scaling *rule = row->rule.law ? &row->rule : initializer->options;

  *variance = rule->variance / ((const ntk_fan *)rule->fan)->size(fan_in, fan_out);
  return (const ntk_law *)rule->law;
}
