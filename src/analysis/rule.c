#include "rule.h"

#include <math.h>

/* weight = rate psi(rate lambda, t) of D2, where 1 - exp would cancel. */
static void gradient_flow(double rate, double lambda, int64_t count, const double *time,
                          double *left, double *weight) {
  for (int64_t k = 0; k < count; ++k) {
    left[k] = exp(-rate * lambda * time[k]);
    weight[k] = -expm1(-rate * lambda * time[k]) / lambda;
  }
}

static const ntk_rule flow = {
    .row = {.name = "gradient_flow", .doc = "df/dt = -(learning_rate / c) K (f - y)"},
    .factors = gradient_flow,
    .unit_of_time = "one step of gradient descent with this learning rate"};

const ntk_row *const ntk_rules[] = {&flow.row, NULL};

static double one(int64_t samples, int64_t outputs) {
  (void)samples, (void)outputs;
  return 1;
}

static double per_sample(int64_t samples, int64_t outputs) {
  (void)outputs;
  return (double)samples;
}

static double per_value(int64_t samples, int64_t outputs) {
  return (double)samples * (double)outputs;
}

static const ntk_loss half_sse = {
    .row = {.name = "half_sse", .doc = "half the sum of squares, c = 1"}, .constant = one};
static const ntk_loss mse_mean = {
    .row = {.name = "mse_mean", .doc = "half the mean over samples of the squares, c = n"},
    .constant = per_sample};
static const ntk_loss mse_mean_outputs = {
    .row = {.name = "mse_mean_outputs",
            .doc = "half the mean over samples and outputs of the squares, c = n O"},
    .constant = per_value};

const ntk_row *const ntk_losses[] = {&half_sse.row, &mse_mean.row, &mse_mean_outputs.row, NULL};
