/* random.h -- JAX's random numbers: threefry2x32 with 20 rounds, in both of JAX's layouts.
 *
 * A key and an index give a value; no state.  With the partitionable layout any rank can draw any
 * block of an array.  Facts and traps: docs of PRNG in JAX, Salmon et al. 2011; keys, bits and
 * uniforms are exact, normals agree with XLA to 2 ulp (float32) and 1e-14 relative (float64). */
#ifndef NTK_BASE_RANDOM_H
#define NTK_BASE_RANDOM_H

#include <stdint.h>

#include "ntk/base/array.h"

typedef struct ntk_rng_key {
  uint32_t word[2];
} ntk_rng_key;

/* layout of jax_threefry_partitionable: True (JAX >= 0.5) or False */
typedef enum ntk_rng_layout { NTK_RNG_PARTITIONABLE, NTK_RNG_ORIGINAL } ntk_rng_layout;

/* Local.  jax.random.PRNGKey(seed).  `wide`: x64 is on; else the seed's high word is dropped. */
ntk_rng_key ntk_rng_seed(int64_t seed, bool wide);

/* Local.  jax.random.fold_in(key, data). */
ntk_rng_key ntk_rng_fold_in(ntk_rng_key key, uint32_t data);

/* Local.  jax.random.split(key, count)[index]. */
ntk_rng_key ntk_rng_split(ntk_rng_layout layout, ntk_rng_key key, int64_t count, int64_t index);

/* What is drawn, besides raw bits: values [first, first + n) of an array of `total` elements. */
typedef struct ntk_draw {
  ntk_rng_layout layout;
  ntk_rng_key key;
  int64_t total; /* elements of the whole array; the original layout depends on it */
} ntk_draw;

/* Local.  Raw words of the array's elements [first, first + n). */
void ntk_rng_bits32(const ntk_draw *draw, int64_t first, int64_t n, uint32_t *bits);
void ntk_rng_bits64(const ntk_draw *draw, int64_t first, int64_t n, uint64_t *bits);

/* Local.  Values drawn in `dtype` arithmetic (as JAX does) and widened exactly to double. */
void ntk_rng_uniform(const ntk_draw *draw, ntk_dtype dtype, double low, double high,
                     int64_t first, int64_t n, double *values);
void ntk_rng_normal(const ntk_draw *draw, ntk_dtype dtype, int64_t first, int64_t n,
                    double *values);

/* Local.  Standard normals on the condition that they lie in (low, high):
 * jax.random.truncated_normal. */
void ntk_rng_truncated_normal(const ntk_draw *draw, ntk_dtype dtype, double low, double high,
                              int64_t first, int64_t n, double *values);

#endif
