#include "ntk/model/parameterization.h"

#include <math.h>
#include <stddef.h>

/* n of MATH A3: of the input layer its fan-out, of the others their fan-in. */
static double width_at(const ntk_site *site) {
  return (double)(site->role == NTK_ROLE_INPUT ? site->fan_out : site->fan_in);
}

static ntk_scaling standard_form(const ntk_site *site, double variance, double bias_scale,
                                 double bias_std) {
  (void)site;
  return (ntk_scaling){
      .s_w = 1, .w_variance = variance, .s_b = bias_scale, .b_std = bias_std, .rate = 1};
}

static ntk_scaling ntk_form(const ntk_site *site, double variance, double bias_scale,
                            double bias_std) {
  (void)site;
  return (ntk_scaling){
      .s_w = sqrt(variance), .w_variance = 1, .s_b = bias_scale, .b_std = bias_std, .rate = 1};
}

static ntk_scaling mean_field_form(const ntk_site *site, double variance, double bias_scale,
                                   double bias_std) {
  const double n = width_at(site);
  ntk_scaling s = standard_form(site, variance, bias_scale, bias_std);

  s.rate = n;
  if (site->role != NTK_ROLE_READOUT) return s;
  s.s_w = 1 / n;
  s.w_variance = variance * n;
  s.s_b = bias_scale / sqrt(n);
  return s;
}

/* The only map of a network has no width to scale with: as in standard form. */
static ntk_scaling mup_form(const ntk_site *site, double variance, double bias_scale,
                            double bias_std) {
  const double n = width_at(site);
  ntk_scaling s = standard_form(site, variance, bias_scale, bias_std);

  if (site->role == NTK_ROLE_READOUT) s.s_w = 1 / sqrt(n);
  if (site->role == NTK_ROLE_INPUT) {
    s.s_w = sqrt(n);
    s.w_variance = variance / n;
  }
  if (site->role == NTK_ROLE_INPUT || site->role == NTK_ROLE_HIDDEN) {
    s.s_b = bias_scale * sqrt(n);
    s.b_std = bias_std / sqrt(n);
  }
  return s;
}

static const ntk_parameterization standard_row = {
    {.name = "standard", .doc = "h = a W + scale b, W of the initialiser's variance v"},
    0,
    standard_form};
static const ntk_parameterization jacot_row = {
    {.name = "ntk", .doc = "h = sqrt(v) a W + scale b, W of variance 1"}, 0, ntk_form};
static const ntk_parameterization mean_field_row = {
    {.name = "mean_field",
     .doc = "one hidden layer of n units: readout a W / n, W of variance n v; the rate, and so the "
            "kernel, has a factor n"},
    2,
    mean_field_form};
static const ntk_parameterization mup_row = {
    {.name = "mup",
     .doc = "maximal update: input sqrt(n) a W, W of variance v / n; hidden a W; readout "
            "a W / sqrt(n)"},
    0,
    mup_form};

const ntk_row *const ntk_parameterizations[] = {&standard_row.row, &jacot_row.row,
                                                &mean_field_row.row, &mup_row.row, NULL};
