/* initializer.h -- the table of weight initialisers (MATH A7) and of parameterisations (A1, A2). */
#ifndef NTK_MODEL_INITIALIZER_H
#define NTK_MODEL_INITIALIZER_H

#include "ntk/base/random.h"
#include "ntk/config/option.h"

/* A law of mean 0 and the variance that fan-in and fan-out give it. */
typedef struct ntk_initializer {
  ntk_row row;
  double (*variance)(int64_t fan_in, int64_t fan_out); /* of an entry in standard form */
  /* Local.  Entries [first, first + n) of a tensor of draw->total entries of the given variance,
   * in `dtype` arithmetic as JAX has it (a uniform law is sqrt(3 variance) times U(-1, 1)), then
   * widened. */
  void (*draw)(const ntk_draw *draw, ntk_dtype dtype, double variance, int64_t first, int64_t n,
               double *values);
} ntk_initializer;

/* How a tensor is written as multiplier times entries: h = s_w a W + s_b b. */
typedef struct ntk_scaling {
  double s_w, w_variance, w_std; /* of W: multiplier; variance of its entries, and its root */
  double s_b, b_std;             /* of b: multiplier; standard deviation of its entries */
} ntk_scaling;

typedef struct ntk_parameterization {
  ntk_row row;
  /* Local.  `variance` is the initialiser's; bias scale and std as in `bias: {scale, std}`. */
  ntk_scaling (*scaling)(double variance, double bias_scale, double bias_std);
} ntk_parameterization;

extern const ntk_row *const ntk_initializers[];      /* rows of ntk_initializer */
extern const ntk_row *const ntk_parameterizations[]; /* rows of ntk_parameterization */

#endif
