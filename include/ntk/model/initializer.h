/* initializer.h -- the tables of laws and of weight initialisers (MATH A7).
 *
 * An initialiser is a law and the variance that fan-in and fan-out give its entries.  To add a law
 * or a named initialiser: a row in src/model/initializer.c. */
#ifndef NTK_MODEL_INITIALIZER_H
#define NTK_MODEL_INITIALIZER_H

#include "ntk/base/random.h"
#include "ntk/config/option.h"

/* A law of mean 0 for the entries of a weight tensor. */
typedef struct ntk_law {
  ntk_row row;
  /* Local.  All draw->total entries, of the given variance, as [total / columns][columns], in
   * `dtype` arithmetic as JAX has it, then widened.  Fails with NTK_E_MEMORY. */
  ntk_status (*draw)(const ntk_draw *draw, ntk_dtype dtype, int64_t columns, double variance,
                     double *values);
} ntk_law;

extern const ntk_row *const ntk_laws[]; /* rows of ntk_law */

/* What a variance is divided by. */
typedef struct ntk_fan {
  ntk_row row;
  double (*size)(int64_t fan_in, int64_t fan_out);
} ntk_fan;

extern const ntk_row *const ntk_fans[]; /* rows of ntk_fan */

/* The variance of an entry is variance / fan.  Options of `{law, variance, fan}`. */
typedef struct ntk_variance_scaling {
  const ntk_row *law; /* of ntk_laws */
  double variance;
  const ntk_row *fan; /* of ntk_fans */
} ntk_variance_scaling;

typedef struct ntk_initializer {
  ntk_row row;
  ntk_variance_scaling rule; /* law NULL: the options of the choice */
} ntk_initializer;

/* Rows of ntk_initializer; `variance_scaling` is what a mapping without a name stands for. */
extern const ntk_row *const ntk_initializers[];

/* Local.  The law that a row of ntk_initializers with its options stands for, and the variance of
 * an entry in standard form. */
const ntk_law *ntk_initializer_law(const ntk_choice *initializer, int64_t fan_in, int64_t fan_out,
                                   double *variance);

#endif
