/* rule.h -- how training follows the gradient, and the constant of the loss: the two tables that
 * the analyses of training share. */
#ifndef NTK_ANALYSIS_RULE_H
#define NTK_ANALYSIS_RULE_H

#include "ntk/config/option.h"

/* Of one mode. */
typedef struct ntk_pace {
  double rate;     /* learning rate divided by the loss constant, > 0 */
  double momentum; /* 0 of rules without */
  double lambda;   /* > 0 */
} ntk_pace;

/* A rule of training.  Mode by mode it leaves l of the initial residual c and moves the
 * coefficient of the kernel to -w c, with l = 1 - lambda w (D1 to D3, D7, D8).  To add one: a row
 * in rule.c. */
typedef struct ntk_rule {
  ntk_row row;
  bool discrete, has_momentum; /* times are whole numbers of steps */
  /* Local.  left = l and weight = w at `count` times, 1 being a step of gradient descent.
   *   time  increasing; the last one may be infinite: where the rule does not converge, left and
   *         weight are infinite, or NaN on the border */
  void (*factors)(const ntk_pace *pace, int64_t count, const double *time, double *left,
                  double *weight);
  /* Local.  It converges for rate * lambda below this (D9); a flow always, gradient descent's
   * limit is its unit. */
  double (*limit)(double momentum);
  const char *unit_of_time;
} ntk_rule;

extern const ntk_row *const ntk_rules[];

/* A loss (1 / (2 c)) |f - y|^2, by its constant c (MATH 0.1). */
typedef struct ntk_loss {
  ntk_row row;
  double (*constant)(int64_t samples, int64_t outputs);
} ntk_loss;

extern const ntk_row *const ntk_losses[];

#endif
