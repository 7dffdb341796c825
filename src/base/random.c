#include "ntk/base/random.h"

#include <Random123/threefry.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Everything is computed in blocks of a fixed length, the last one past the end of what was asked
 * for: the loops vectorise, and no value depends on where a draw begins or ends. */
enum { BLOCK = 128, ROUNDS = 20 };

/* ---- keys and words ---- */

static ntk_rng_key encrypt(ntk_rng_key key, uint32_t first, uint32_t second) {
  const threefry2x32_key_t k = {{key.word[0], key.word[1]}};
  const threefry2x32_ctr_t counter = {{first, second}};
  const threefry2x32_ctr_t out = threefry2x32_R(ROUNDS, counter, k);

  return (ntk_rng_key){{out.v[0], out.v[1]}};
}

ntk_rng_key ntk_rng_seed(int64_t seed, bool wide) {
  const uint64_t bits = (uint64_t)seed;

  return (ntk_rng_key){{wide ? (uint32_t)(bits >> 32) : 0, (uint32_t)bits}};
}

ntk_rng_key ntk_rng_fold_in(ntk_rng_key key, uint32_t data) {
  return encrypt(key, 0, data);
}

/* Word j of `words` in the original layout: the counters 0 ... words - 1 are cut into halves, and
 * the cipher takes one counter from each; with an odd number the second half ends with a 0. */
static uint32_t original_word(ntk_rng_key key, int64_t words, int64_t j) {
  const int64_t half = (words + 1) / 2;
  const bool lower = j < half;
  const int64_t first = lower ? j : j - half, second = first + half;
  const ntk_rng_key pair = encrypt(key, (uint32_t)first, second == words ? 0 : (uint32_t)second);

  return pair.word[lower ? 0 : 1];
}

ntk_rng_key ntk_rng_split(ntk_rng_layout layout, ntk_rng_key key, int64_t count, int64_t index) {
  if (layout == NTK_RNG_PARTITIONABLE) {
    return encrypt(key, (uint32_t)((uint64_t)index >> 32), (uint32_t)index);
  }
  return (ntk_rng_key){
      {original_word(key, 2 * count, 2 * index), original_word(key, 2 * count, 2 * index + 1)}};
}

/* The two words of each of the elements [first, first + BLOCK). */
static void words_of_block(ntk_rng_key key, int64_t first, uint32_t *high, uint32_t *low) {
  for (int k = 0; k < BLOCK; ++k) {
    const uint64_t counter = (uint64_t)first + (uint64_t)k;
    const ntk_rng_key pair = encrypt(key, (uint32_t)(counter >> 32), (uint32_t)counter);

    high[k] = pair.word[0];
    low[k] = pair.word[1];
  }
}

/* JAX splits the key where the counters of the original layout overflow 32 bits. */
static int64_t original_words(const ntk_draw *draw, int64_t each) {
  NTK_ASSERT(draw->total < UINT32_MAX / each);
  return draw->total * each;
}

static void block32(const ntk_draw *draw, int64_t first, uint32_t bits[BLOCK]) {
  uint32_t high[BLOCK], low[BLOCK];

  if (draw->layout == NTK_RNG_PARTITIONABLE) {
    words_of_block(draw->key, first, high, low);
    for (int k = 0; k < BLOCK; ++k) bits[k] = high[k] ^ low[k];
  } else {
    const int64_t words = original_words(draw, 1);

    for (int k = 0; k < BLOCK; ++k) bits[k] = original_word(draw->key, words, first + k);
  }
}

static uint64_t join(uint32_t high, uint32_t low) {
  return (uint64_t)high << 32 | low;
}

static void block64(const ntk_draw *draw, int64_t first, uint64_t bits[BLOCK]) {
  uint32_t high[BLOCK], low[BLOCK];

  if (draw->layout == NTK_RNG_PARTITIONABLE) {
    words_of_block(draw->key, first, high, low);
  } else {
    const int64_t words = original_words(draw, 2);

    for (int k = 0; k < BLOCK; ++k) {
      high[k] = original_word(draw->key, words, first + k);
      low[k] = original_word(draw->key, words, first + k + draw->total);
    }
  }
  for (int k = 0; k < BLOCK; ++k) bits[k] = join(high[k], low[k]);
}

static size_t part(int64_t n, int64_t done) {
  return (size_t)(n - done < BLOCK ? n - done : BLOCK);
}

void ntk_rng_bits32(const ntk_draw *draw, int64_t first, int64_t n, uint32_t *bits) {
  uint32_t block[BLOCK];

  for (int64_t done = 0; done < n; done += BLOCK) {
    block32(draw, first + done, block);
    memcpy(bits + done, block, part(n, done) * sizeof(*block));
  }
}

void ntk_rng_bits64(const ntk_draw *draw, int64_t first, int64_t n, uint64_t *bits) {
  uint64_t block[BLOCK];

  for (int64_t done = 0; done < n; done += BLOCK) {
    block64(draw, first + done, block);
    memcpy(bits + done, block, part(n, done) * sizeof(*block));
  }
}

/* ---- uniform numbers ---- */

/* The mantissa of a number in [1, 2), less 1. */
static double unit64(uint64_t bits) {
  const uint64_t word = bits >> 12 | UINT64_C(0x3ff0000000000000);
  double value = 0;

  memcpy(&value, &word, sizeof(value));
  return value - 1.0;
}

static float unit32(uint32_t bits) {
  const uint32_t word = bits >> 9 | UINT32_C(0x3f800000);
  float value = 0;

  memcpy(&value, &word, sizeof(value));
  return value - 1.0f;
}

/* Uniform on [low, high).  XLA fuses multiplication and addition; where the product with the width
 * is exact (a power of two, as on [0, 1) and [-1, 1)) that is the same as two steps. */
static void uniform64(const ntk_draw *draw, int64_t first, double low, double high,
                      double u[BLOCK]) {
  const double width = high - low;
  uint64_t bits[BLOCK];
  int exponent = 0;

  block64(draw, first, bits);
  if (frexp(width, &exponent) == 0.5) {
    for (int k = 0; k < BLOCK; ++k) u[k] = unit64(bits[k]) * width + low;
  } else {
    for (int k = 0; k < BLOCK; ++k) u[k] = fmax(low, fma(unit64(bits[k]), width, low));
  }
}

static void uniform32(const ntk_draw *draw, int64_t first, float low, float high, float u[BLOCK]) {
  const float width = high - low;
  uint32_t bits[BLOCK];
  int exponent = 0;

  block32(draw, first, bits);
  if (frexpf(width, &exponent) == 0.5f) {
    for (int k = 0; k < BLOCK; ++k) u[k] = unit32(bits[k]) * width + low;
  } else {
    for (int k = 0; k < BLOCK; ++k) u[k] = fmaxf(low, fmaf(unit32(bits[k]), width, low));
  }
}

static void widen(const float source[BLOCK], double target[BLOCK]) {
  for (int k = 0; k < BLOCK; ++k) target[k] = (double)source[k];
}

void ntk_rng_uniform(const ntk_draw *draw, ntk_dtype dtype, double low, double high, int64_t first,
                     int64_t n, double *values) {
  double block[BLOCK];
  float single[BLOCK];

  for (int64_t done = 0; done < n; done += BLOCK) {
    if (dtype == NTK_DOUBLE) {
      uniform64(draw, first + done, low, high, block);
    } else {
      uniform32(draw, first + done, (float)low, (float)high, single);
      widen(single, block);
    }
    memcpy(values + done, block, part(n, done) * sizeof(*block));
  }
}

/* ---- normal numbers ----
 *
 * sqrt(2) erfinv(u), erfinv(u) = u p(w) with w = -log(1 - u^2) (M. Giles, Approximating the erfinv
 * function, 2010).  The first polynomial serves all but 0.1 % of the doubles and 0.3 % of the
 * singles, so it runs over whole blocks. */

static const double centre64[] = {
    -3.6444120640178196996e-21, -1.685059138182016589e-19,  1.2858480715256400167e-18,
    1.115787767802518096e-17,   -1.333171662854620906e-16,  2.0972767875968561637e-17,
    6.6376381343583238325e-15,  -4.0545662729752068639e-14, -8.1519341976054721522e-14,
    2.6335093153082322977e-12,  -1.2975133253453532498e-11, -5.4154120542946279317e-11,
    1.051212273321532285e-09,   -4.1126339803469836976e-09, -2.9070369957882005086e-08,
    4.2347877827932403518e-07,  -1.3654692000834678645e-06, -1.3882523362786468719e-05,
    0.0001867342080340571352,   -0.00074070253416626697512, -0.0060336708714301490533,
    0.24015818242558961693,     1.6536545626831027356,
};

static const double tail64[] = {
    2.2137376921775787049e-09, 9.0756561938885390979e-08, -2.7517406297064545428e-07,
    1.8239629214389227755e-08, 1.5027403968909827627e-06, -4.013867526981545969e-06,
    2.9234449089955446044e-06, 1.2475304481671778723e-05, -4.7318229009055733981e-05,
    6.8284851459573175448e-05, 2.4031110387097893999e-05, -0.0003550375203628474796,
    0.00095328937973738049703, -0.0016882755560235047313, 0.0024914420961078508066,
    -0.0037512085075692412107, 0.005370914553590063617,   1.0052589676941592334,
    3.0838856104922207635,
};

static const double end64[] = {
    -2.7109920616438573243e-11, -2.5556418169965252055e-10, 1.5076572693500548083e-09,
    -3.7894654401267369937e-09, 7.6157012080783393804e-09,  -1.4960026627149240478e-08,
    2.9147953450901080826e-08,  -6.7711997758452339498e-08, 2.2900482228026654717e-07,
    -9.9298272942317002539e-07, 4.5260625972231537039e-06,  -1.9681778105531670567e-05,
    7.5995277030017761139e-05,  -0.00021503011930044477347, -0.00013871931833623122026,
    1.0103004648645343977,      4.8499064014085844221,
};

static const float centre32[] = {
    2.81022636e-08f, 3.43273939e-07f, -3.5233877e-06f, -4.39150654e-06f, 0.00021858087f,
    -0.00125372503f, -0.00417768164f, 0.246640727f,    1.50140941f,
};

static const float tail32[] = {
    -0.000200214257f, 0.000100950558f, 0.00134934322f, -0.00367342844f, 0.00573950773f,
    -0.0076224613f,   0.00943887047f,  1.00167406f,    2.83297682f,
};

#define LENGTH(array) ((int)(sizeof(array) / sizeof((array)[0])))

static double polynomial64(const double *c, int length, double w) {
  double p = c[0];

  for (int i = 1; i < length; ++i) p = p * w + c[i];
  return p;
}

static double outer64(double w) {
  return w < 16.0 ? polynomial64(tail64, LENGTH(tail64), sqrt(w) - 3.25)
                  : polynomial64(end64, LENGTH(end64), sqrt(w) - 5.0);
}

static float outer32(float w) {
  float p = tail32[0];

  for (int i = 1; i < LENGTH(tail32); ++i) p = p * (sqrtf(w) - 3.0f) + tail32[i];
  return p;
}

/* sqrt(2) erfinv(z) in place.  The square is rounded before it is taken from 1, as in XLA: beside
 * |u| = 1 that shows. */
static void inverse64(double z[BLOCK]) {
  double w[BLOCK], x[BLOCK], p[BLOCK];

  for (int k = 0; k < BLOCK; ++k) w[k] = -log(1.0 - z[k] * z[k]);
  for (int k = 0; k < BLOCK; ++k) x[k] = w[k] - 3.125, p[k] = centre64[0];
  for (int i = 1; i < LENGTH(centre64); ++i) {
    for (int k = 0; k < BLOCK; ++k) p[k] = p[k] * x[k] + centre64[i];
  }
  for (int k = 0; k < BLOCK; ++k) {
    if (!(w[k] < 6.25)) p[k] = outer64(w[k]);
  }
  for (int k = 0; k < BLOCK; ++k) z[k] = 1.4142135623730951 * (p[k] * z[k]);
}

static void inverse32(float z[BLOCK]) {
  float w[BLOCK], x[BLOCK], p[BLOCK];

  for (int k = 0; k < BLOCK; ++k) w[k] = -logf(1.0f - z[k] * z[k]);
  for (int k = 0; k < BLOCK; ++k) x[k] = w[k] - 2.5f, p[k] = centre32[0];
  for (int i = 1; i < LENGTH(centre32); ++i) {
    for (int k = 0; k < BLOCK; ++k) p[k] = p[k] * x[k] + centre32[i];
  }
  for (int k = 0; k < BLOCK; ++k) {
    if (!(w[k] < 5.0f)) p[k] = outer32(w[k]);
  }
  for (int k = 0; k < BLOCK; ++k) z[k] = 1.41421356f * (p[k] * z[k]);
}

/* In what interval u is drawn, and what the normals are kept in. */
typedef struct range {
  double low, high, least, most;
} range;

static range all_normals(ntk_dtype dtype) {
  return (range){dtype == NTK_DOUBLE ? nextafter(-1.0, 0.0) : (double)nextafterf(-1.0f, 0.0f), 1.0,
                 -INFINITY, INFINITY};
}

/* In the type's arithmetic, and an open interval. */
static range between(ntk_dtype dtype, double low, double high) {
  const float single[] = {(float)low, (float)high};

  if (dtype == NTK_DOUBLE) {
    return (range){erf(low / 1.4142135623730951), erf(high / 1.4142135623730951),
                   nextafter(low, INFINITY), nextafter(high, -INFINITY)};
  }
  return (range){(double)erff(single[0] / 1.41421356f), (double)erff(single[1] / 1.41421356f),
                 (double)nextafterf(single[0], INFINITY), (double)nextafterf(single[1], -INFINITY)};
}

static void draw_block(const ntk_draw *draw, ntk_dtype dtype, const range *r, int64_t first,
                       double block[BLOCK]) {
  float single[BLOCK];

  if (dtype == NTK_DOUBLE) {
    uniform64(draw, first, r->low, r->high, block);
    inverse64(block);
  } else {
    uniform32(draw, first, (float)r->low, (float)r->high, single);
    inverse32(single);
    widen(single, block);
  }
}

void ntk_rng_normal(const ntk_draw *draw, ntk_dtype dtype, int64_t first, int64_t n,
                    double *values) {
  const range r = all_normals(dtype);
  double block[BLOCK];

  for (int64_t done = 0; done < n; done += BLOCK) {
    draw_block(draw, dtype, &r, first + done, block);
    memcpy(values + done, block, part(n, done) * sizeof(*block));
  }
}

void ntk_rng_truncated_normal(const ntk_draw *draw, ntk_dtype dtype, double low, double high,
                              int64_t first, int64_t n, double *values) {
  const range r = between(dtype, low, high);
  double block[BLOCK];

  for (int64_t done = 0; done < n; done += BLOCK) {
    draw_block(draw, dtype, &r, first + done, block);
    for (int k = 0; k < BLOCK; ++k) block[k] = fmin(fmax(block[k], r.least), r.most);
    memcpy(values + done, block, part(n, done) * sizeof(*block));
  }
}
