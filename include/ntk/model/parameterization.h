/* parameterization.h -- the table of parameterisations (MATH A1 to A3): how weights and biases are
 * multiplier times entries. */
#ifndef NTK_MODEL_PARAMETERIZATION_H
#define NTK_MODEL_PARAMETERIZATION_H

#include "ntk/config/option.h"

/* Where a linear map stands among those of the network. */
typedef enum ntk_role {
  NTK_ROLE_ONLY, /* input and readout in one */
  NTK_ROLE_INPUT,
  NTK_ROLE_HIDDEN,
  NTK_ROLE_READOUT
} ntk_role;

typedef struct ntk_site {
  ntk_role role;
  int64_t fan_in, fan_out;
} ntk_site;

/* h = s_w a W + s_b b. */
typedef struct ntk_scaling {
  double s_w, w_variance; /* of W: multiplier, variance of its entries */
  double s_b, b_std;      /* of b: multiplier, standard deviation of its entries */
  double rate;            /* factor of the learning rate, n^-c; the kernel is multiplied by it */
} ntk_scaling;

typedef struct ntk_parameterization {
  ntk_row row;
  int maps; /* linear maps that a network must have; 0: any number */
  /* Local.  `variance` is the initialiser's; bias scale and std as in `bias: {scale, std}`. */
  ntk_scaling (*scaling)(const ntk_site *site, double variance, double bias_scale, double bias_std);
} ntk_parameterization;

extern const ntk_row *const ntk_parameterizations[]; /* rows of ntk_parameterization */

#endif
