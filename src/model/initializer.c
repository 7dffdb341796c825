#include "ntk/model/initializer.h"

#include <math.h>
#include <stddef.h>

static double he(int64_t fan_in, int64_t fan_out) {
  (void)fan_out;
  return 2.0 / (double)fan_in;
}

static double glorot(int64_t fan_in, int64_t fan_out) {
  return 2.0 / (double)(fan_in + fan_out);
}

static double lecun(int64_t fan_in, int64_t fan_out) {
  (void)fan_out;
  return 1.0 / (double)fan_in;
}

static void scale(ntk_dtype dtype, double variance, int64_t n, double *values) {
  const double factor = sqrt(variance);
  const float single = sqrtf((float)variance);

  if (dtype == NTK_DOUBLE) {
    for (int64_t k = 0; k < n; ++k) values[k] *= factor;
  } else {
    for (int64_t k = 0; k < n; ++k) values[k] = (double)((float)values[k] * single);
  }
}

static void normal(const ntk_draw *draw, ntk_dtype dtype, double variance, int64_t first, int64_t n,
                   double *values) {
  ntk_rng_normal(draw, dtype, first, n, values);
  scale(dtype, variance, n, values);
}

static void uniform(const ntk_draw *draw, ntk_dtype dtype, double variance, int64_t first,
                    int64_t n, double *values) {
  ntk_rng_uniform(draw, dtype, -1, 1, first, n, values);
  scale(dtype, dtype == NTK_DOUBLE ? 3 * variance : (double)(3 * (float)variance), n, values);
}

#define ROW(fan, law, formula) \
  static const ntk_initializer fan##_##law = {{.name = #fan "_" #law, .doc = (formula)}, fan, law}

ROW(he, normal, "N(0, 2 / fan_in)");
ROW(he, uniform, "U(-r, r), r = sqrt(6 / fan_in)");
ROW(glorot, normal, "N(0, 2 / (fan_in + fan_out))");
ROW(glorot, uniform, "U(-r, r), r = sqrt(6 / (fan_in + fan_out))");
ROW(lecun, normal, "N(0, 1 / fan_in)");
ROW(lecun, uniform, "U(-r, r), r = sqrt(3 / fan_in)");

const ntk_row *const ntk_initializers[] = {
    &he_normal.row,
    &he_uniform.row,
    &glorot_normal.row,
    &glorot_uniform.row,
    &lecun_normal.row,
    &lecun_uniform.row,
    NULL,
};

static ntk_scaling standard_form(double variance, double bias_scale, double bias_std) {
  return (ntk_scaling){.s_w = 1,
                       .w_variance = variance,
                       .w_std = sqrt(variance),
                       .s_b = bias_scale,
                       .b_std = bias_std};
}

static ntk_scaling ntk_form(double variance, double bias_scale, double bias_std) {
  return (ntk_scaling){
      .s_w = sqrt(variance), .w_variance = 1, .w_std = 1, .s_b = bias_scale, .b_std = bias_std};
}

static const ntk_parameterization standard_row = {
    {.name = "standard", .doc = "h = a W + scale b, W of the initialiser's variance"},
    standard_form};
static const ntk_parameterization jacot_row = {
    {.name = "ntk", .doc = "h = sqrt(variance) a W + scale b, W of variance 1"}, ntk_form};

const ntk_row *const ntk_parameterizations[] = {&standard_row.row, &jacot_row.row, NULL};
