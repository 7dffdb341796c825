/* activations.h -- how the array functions of the rows are made from formulas; private to this
 * floor. */
#ifndef NTK_MODEL_ACTIVATIONS_H
#define NTK_MODEL_ACTIVATIONS_H

#include <math.h>
#include <string.h>

#include "ntk/model/activation.h"

/* Options of erf and sin, named as in neural-tangents: a phi(b x) + c, a phi(b x + c). */
typedef struct ntk_affine_options {
  double a, b, c;
} ntk_affine_options;

#define NTK_AFFINE_OPTION(name, value, text)                                      \
  {                                                                               \
    .key = #name, .type = NTK_REAL, .offset = offsetof(ntk_affine_options, name), \
    .fallback = (value), .low = -1e6, .high = 1e6, .doc = (text)                  \
  }

/* Applies `expression` in x to an array, through a block of fixed length: so the loop vectorises
 * although the two arrays may be one. */
#define NTK_MAP_LOOP(type, type_of_x, expression)         \
  for (int64_t k = 0; k < n; k += NTK_SAMPLE_PAD) {       \
    type block[NTK_SAMPLE_PAD];                           \
                                                          \
    memcpy(block, (const type *)from + k, sizeof(block)); \
    for (int i = 0; i < NTK_SAMPLE_PAD; ++i) {            \
      const type_of_x x = block[i];                       \
      block[i] = (type)(expression);                      \
    }                                                     \
    memcpy((type *)to + k, block, sizeof(block));         \
  }

/* `o` in the expression are the row's options, of type options_type; void: there are none. */
#define NTK_MAP(name, options_type, type_for_singles, expression)                               \
  static void name(const void *given, ntk_dtype dtype, int64_t n, const void *from, void *to) { \
    const options_type *const o = given;                                                        \
                                                                                                \
    (void)o;                                                                                    \
    NTK_ASSERT(n % NTK_SAMPLE_PAD == 0);                                                        \
    if (dtype == NTK_DOUBLE) {                                                                  \
      NTK_MAP_LOOP(double, double, expression)                                                  \
    } else {                                                                                    \
      NTK_MAP_LOOP(float, type_for_singles, expression)                                         \
    }                                                                                           \
  }

/* Define the array function `name`.  EXACT: the expression has no rounding worth the name and is
 * taken in the array's type.  SMOOTH: singles are widened first, so that the result is rounded
 * once.  In all of them NaN gives NaN. */
#define NTK_MAP_EXACT(name, options_type, expression) NTK_MAP(name, options_type, float, expression)
#define NTK_MAP_SMOOTH(name, options_type, expression) \
  NTK_MAP(name, options_type, double, expression)

/* exp(-c x^2) for a power of two c; the rounding error of the square, which would be blown up
 * for large x, is put back. */
static inline double ntk_gauss(double c, double x) {
  const double square = x * x;

  return square > 3000 ? 0 : exp(-c * square) * (1 - c * fma(x, x, -square));
}

/* x kept within +-limit, where what is asked for does not change any more but terms of it might
 * overflow; NaN stays NaN. */
static inline double ntk_clip(double x, double limit) {
  return x > limit ? limit : x < -limit ? -limit : x;
}

/* The logistic function and its derivative; no overflow, small values to full precision. */
static inline double ntk_logistic(double x) {
  const double e = exp(-fabs(x));

  return (x < 0 ? e : 1) / (1 + e);
}

static inline double ntk_logistic_slope(double x) {
  const double e = exp(-fabs(x));

  return e / ((1 + e) * (1 + e));
}

#endif
