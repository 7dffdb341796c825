#include "rule.h"

#include <math.h>

static double descent_limit(double momentum) {
  (void)momentum;
  return 2;
}

/* weight = rate psi(rate lambda, t) of D2, where 1 - exp would cancel. */
static void gradient_flow(const ntk_pace *p, int64_t count, const double *time, double *left,
                          double *weight) {
  for (int64_t k = 0; k < count; ++k) {
    const double z = p->rate * p->lambda * time[k];

    left[k] = exp(-z);
    weight[k] = -expm1(-z) / p->lambda;
  }
}

static const ntk_rule flow = {
    .row = {.name = "gradient_flow", .doc = "df/dt = -(learning_rate / c) K (f - y)"},
    .factors = gradient_flow,
    .limit = descent_limit,
    .unit_of_time = "one step of gradient descent with this learning rate"};

/* ---- whole steps ---- */

static const char step[] = "one step";

/* Where the mode goes in the end, by its rate * lambda and the rule's limit. */
static void settle(double z, double limit, double lambda, double *left, double *weight) {
  *left = z < limit ? 0 : (z > limit ? INFINITY : NAN);
  *weight = z < limit ? 1 / lambda : *left;
}

/* (1 - z)^k and 1 less that, without cancellation (D7). */
static void gradient_descent(const ntk_pace *p, int64_t count, const double *time, double *left,
                             double *weight) {
  const double z = p->rate * p->lambda;

  for (int64_t k = 0; k < count; ++k) {
    const double odd = fmod(time[k], 2);

    if (isinf(time[k])) {
      settle(z, 2, p->lambda, &left[k], &weight[k]);
    } else if (z < 1) {
      left[k] = exp(time[k] * log1p(-z));
      weight[k] = -expm1(time[k] * log1p(-z)) / p->lambda;
    } else {
      left[k] = (odd != 0 ? -1 : 1) * pow(z - 1, time[k]);
      weight[k] = (1 - left[k]) / p->lambda;
    }
  }
}

static const ntk_rule descent = {
    .row = {.name = "gradient_descent", .doc = "f' = f - (learning_rate / c) K (f - y)"},
    .discrete = true,
    .factors = gradient_descent,
    .limit = descent_limit,
    .unit_of_time = step};

/* One step of a momentum rule is linear in l, e = lambda times the latest change of w, and
 * u = lambda w:  e' = z l + c e,  l' = l - e',  u' = u + e'.  No division by lambda, and no
 * difference of near numbers (D8); many steps are a power of the matrix. */
typedef struct stride {
  double ll, le, el, ee, ul, ue; /* l' = ll l + le e, e' = el l + ee e, u' = u + ul l + ue e */
} stride;

static stride one_step(double z, double c) {
  return (stride){.ll = 1 - z, .le = -c, .el = z, .ee = c, .ul = z, .ue = c};
}

/* First a, then b. */
static stride chain(const stride *a, const stride *b) {
  return (stride){.ll = b->ll * a->ll + b->le * a->el,
                  .le = b->ll * a->le + b->le * a->ee,
                  .el = b->el * a->ll + b->ee * a->el,
                  .ee = b->el * a->le + b->ee * a->ee,
                  .ul = a->ul + b->ul * a->ll + b->ue * a->el,
                  .ue = a->ue + b->ul * a->le + b->ue * a->ee};
}

/* So many steps at once. */
static stride many(int64_t steps, stride power) {
  stride all = {.ll = 1, .ee = 1};

  for (; steps > 0; steps /= 2) {
    if (steps % 2 != 0) all = chain(&all, &power);
    power = chain(&power, &power);
  }
  return all;
}

/* From step 0, where l = 1 and e = u = 0; after 2^62 steps all that will happen has happened. */
static void momentum(const ntk_pace *p, double c, double limit, int64_t count, const double *time,
                     double *left, double *weight) {
  const double z = p->rate * p->lambda;

  for (int64_t k = 0; k < count; ++k) {
    const bool ended = time[k] >= 0x1p62;
    const stride all = many(ended ? 0 : (int64_t)time[k], one_step(z, c));

    left[k] = all.ll;
    weight[k] = all.ul / p->lambda;
    if (ended) settle(z, limit, p->lambda, &left[k], &weight[k]);
  }
}

static double ball_limit(double b) { return 2 * (1 + b); }

static void heavy_ball(const ntk_pace *p, int64_t count, const double *time, double *left,
                       double *weight) {
  momentum(p, p->momentum, ball_limit(p->momentum), count, time, left, weight);
}

static const ntk_rule ball = {
    .row = {.name = "heavy_ball", .doc = "gradient descent that adds momentum times its last step"},
    .discrete = true,
    .has_momentum = true,
    .factors = heavy_ball,
    .limit = ball_limit,
    .unit_of_time = step};

static double nesterov_limit(double b) { return 2 * (1 + b) / (1 + 2 * b); }

/* The gradient is that ahead of the point: e' = z l + (1 - z) b e. */
static void nesterov_steps(const ntk_pace *p, int64_t count, const double *time, double *left,
                           double *weight) {
  const double z = p->rate * p->lambda;

  momentum(p, (1 - z) * p->momentum, nesterov_limit(p->momentum), count, time, left, weight);
}

static const ntk_rule nesterov = {
    .row = {.name = "nesterov", .doc = "heavy_ball with the gradient where momentum leads"},
    .discrete = true,
    .has_momentum = true,
    .factors = nesterov_steps,
    .limit = nesterov_limit,
    .unit_of_time = step};

const ntk_row *const ntk_rules[] = {&flow.row, &descent.row, &ball.row, &nesterov.row, NULL};

/* ---- losses ---- */

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
