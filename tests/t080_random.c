/* The generator gives JAX's numbers: keys, splits, fold_in, bits and uniforms exactly, normals to
 * the stated tolerance, in both layouts and dtypes; and a draw does not depend on how it is cut
 * into windows.
 *
 * Method: tests/cases/golden/jax_random.json, written by JAX; the tails of the normals, which no
 * short list of numbers meets, against erfc of the uniform number they come from. */
//TEST ranks=1
#include "ntk/base/random.h"

#include <float.h>
#include <inttypes.h>

#include "json.h"

enum { MOST = 1000 };

static const char *const layouts[] = {
    [NTK_RNG_PARTITIONABLE] = "partitionable", [NTK_RNG_ORIGINAL] = "original"};

static void check_key(const char *value, ntk_rng_key key) {
  uint64_t word[2];

  EXPECT(json_words(value, 2, word) == 2);
  EXPECT(key.word[0] == word[0] && key.word[1] == word[1]);
}

static void check_keys(const char *seed, ntk_rng_layout layout, ntk_rng_key key) {
  check_key(json_find(seed, "key"), key);
  check_key(json_find(seed, "fold_in_3"), ntk_rng_fold_in(key, 3));
  for (int64_t count = 2; count <= 5; count += 3) {
    const char *child = json_first(json_find(seed, count == 2 ? "split_2" : "split_5"));

    for (int64_t k = 0; k < count; ++k, child = json_next(child)) {
      check_key(child, ntk_rng_split(layout, key, count, k));
    }
  }
}

/* Elements of a shape named "3x5". */
static int64_t total_of(const char *name) {
  int64_t total = 1;

  for (const char *at = name; *at; at += *at == 'x') {
    char *end = NULL;

    total *= strtol(at, &end, 10);
    at = end;
  }
  return total;
}

typedef void check_fn(const ntk_draw *draw, const char *value, int64_t first);

/* Calls `check` for every stored part of every shape: all values, or the first 8 and last 4. */
static void walk_shapes(const char *shapes, ntk_draw draw, check_fn *check) {
  int64_t seen = 0;

  for (const char *child = json_first(shapes); child; child = json_next(child), ++seen) {
    char name[32];
    const char *value = json_find(shapes, json_text(child, sizeof(name), name));
    const char *first8 = json_look(value, "first8");

    draw.total = total_of(name);
    if (first8) {
      check(&draw, first8, 0);
      check(&draw, json_find(value, "last4"), draw.total - 4);
    } else {
      check(&draw, value, 0);
    }
  }
  EXPECT(seen == 7);
}

static void check_bits32(const ntk_draw *draw, const char *value, int64_t first) {
  uint64_t wanted[MOST];
  uint32_t got[MOST];
  const int64_t n = json_words(value, MOST, wanted);

  ntk_rng_bits32(draw, first, n, got);
  for (int64_t k = 0; k < n; ++k) EXPECT(got[k] == wanted[k]);
}

static void check_bits64(const ntk_draw *draw, const char *value, int64_t first) {
  uint64_t wanted[MOST], got[MOST];
  const int64_t n = json_words(value, MOST, wanted);

  ntk_rng_bits64(draw, first, n, got);
  for (int64_t k = 0; k < n; ++k) EXPECT(got[k] == wanted[k]);
}

static void check_uniform(const ntk_draw *draw, ntk_dtype dtype, const char *value, int64_t first) {
  double wanted[MOST], got[MOST];
  const int64_t n = json_reals(json_find(value, "dec"), MOST, wanted);

  ntk_rng_uniform(draw, dtype, 0, 1, first, n, got);
  for (int64_t k = 0; k < n; ++k) EXPECT(got[k] == wanted[k]);
}

static void check_normal(const ntk_draw *draw, ntk_dtype dtype, const char *value, int64_t first) {
  const double tolerance = dtype == NTK_DOUBLE ? 1e-14 : 2 * FLT_EPSILON;
  double wanted[MOST], got[MOST];
  const int64_t n = json_reals(json_find(value, "dec"), MOST, wanted);

  ntk_rng_normal(draw, dtype, first, n, got);
  for (int64_t k = 0; k < n; ++k) EXPECT_NEAR(got[k], wanted[k], tolerance * fabs(wanted[k]));
}

/* The truncated normal of JAX is sqrt(2) erfinv of a uniform number on [erf(-sqrt 2), erf(sqrt 2)],
 * made with one fused multiply-add, whose bits show where the sum is near 0. */
static void check_fused(const ntk_draw *draw, ntk_dtype dtype, const char *value, int64_t first) {
  const int is_double = dtype == NTK_DOUBLE;
  const double high = is_double ? erf(sqrt(2)) : (double)erff(sqrtf(2));
  double wanted[MOST], got[MOST];
  const int64_t n = json_reals(json_find(value, "dec"), MOST, wanted);

  ntk_rng_uniform(draw, dtype, -high, high, first, n, got);
  for (int64_t k = 0; k < n; ++k) {
    const double u = erf(wanted[k] / sqrt(2));

    EXPECT_NEAR(got[k], u, (is_double ? 1e-14 : 4 * FLT_EPSILON) * fabs(u));
  }
}

#define OF_TYPE(name, check, dtype)                                          \
  static void name(const ntk_draw *draw, const char *value, int64_t first) { \
    check(draw, dtype, value, first);                                        \
  }
OF_TYPE(uniform_single, check_uniform, NTK_SINGLE)
OF_TYPE(uniform_double, check_uniform, NTK_DOUBLE)
OF_TYPE(normal_single, check_normal, NTK_SINGLE)
OF_TYPE(normal_double, check_normal, NTK_DOUBLE)
OF_TYPE(fused_single, check_fused, NTK_SINGLE)
OF_TYPE(fused_double, check_fused, NTK_DOUBLE)

static void check_seed(const char *seed, ntk_rng_layout layout, int64_t number) {
  const ntk_draw draw = {.layout = layout, .key = ntk_rng_seed(number, true)};

  check_keys(seed, layout, draw.key);
  walk_shapes(json_find(seed, "bits32"), draw, check_bits32);
  walk_shapes(json_find(seed, "bits64"), draw, check_bits64);
  walk_shapes(json_find(seed, "uniform_float32"), draw, uniform_single);
  walk_shapes(json_find(seed, "uniform_float64"), draw, uniform_double);
  walk_shapes(json_find(seed, "normal_float32"), draw, normal_single);
  walk_shapes(json_find(seed, "normal_float64"), draw, normal_double);
  walk_shapes(json_find(seed, "truncated_normal_m2_p2_float32"), draw, fused_single);
  walk_shapes(json_find(seed, "truncated_normal_m2_p2_float64"), draw, fused_double);
}

static void check_golden(void) {
  char *file = json_load("tests/cases/golden/jax_random.json");

  for (int layout = 0; layout < 2; ++layout) {
    const char *seeds =
        json_find(json_find(json_find(file, "expected"), layouts[layout]), "by_seed");
    int64_t seen = 0;

    for (const char *child = json_first(seeds); child; child = json_next(child), ++seen) {
      char name[32];
      const char *seed = json_find(seeds, json_text(child, sizeof(name), name));

      check_seed(seed, (ntk_rng_layout)layout, strtoll(name, NULL, 10));
    }
    EXPECT(seen == 3);
  }
  free(file);
}

/* Seeds as JAX cuts them: two's complement, the high word only with x64. */
static void check_seeds(void) {
  const ntk_rng_key negative = ntk_rng_seed(-1, true), narrow = ntk_rng_seed(1099511627783, false);

  EXPECT(negative.word[0] == UINT32_MAX && negative.word[1] == UINT32_MAX);
  EXPECT(narrow.word[0] == 0 && narrow.word[1] == 7);
}

/* Numbers [first, first + n) of a long array are the same in one draw and in many. */
static void check_windows(void) {
  enum { TOTAL = 1003 };
  static const int64_t steps[] = {1, 2, 127, 128, 129, 500};
  double whole[TOTAL], part[TOTAL];

  for (int mode = 0; mode < 8; ++mode) {
    const ntk_draw draw = {(ntk_rng_layout)(mode & 1), ntk_rng_seed(5, true), TOTAL};
    const ntk_dtype dtype = mode & 2 ? NTK_SINGLE : NTK_DOUBLE;

    for (size_t s = 0; s < sizeof(steps) / sizeof(*steps); ++s) {
      for (int64_t at = 0; at < TOTAL; at += steps[s]) {
        const int64_t n = at + steps[s] < TOTAL ? steps[s] : TOTAL - at;

        if (mode & 4) {
          ntk_rng_uniform(&draw, dtype, -0.3, 1.1, at, n, part + at);
        } else {
          ntk_rng_normal(&draw, dtype, at, n, part + at);
        }
      }
      if (s == 0) memcpy(whole, part, sizeof(whole));
      EXPECT(same_bits(whole, part, sizeof(whole)));
    }
  }
}

/* On a range whose width is no power of two the sum is rounded once. */
static void check_rounding(void) {
  const ntk_draw draw = {NTK_RNG_PARTITIONABLE, ntk_rng_seed(9, true), 1000};
  const double low = -0.3, high = 1.1;
  double unit[1000], got[1000];

  ntk_rng_uniform(&draw, NTK_DOUBLE, 0, 1, 0, 1000, unit);
  ntk_rng_uniform(&draw, NTK_DOUBLE, low, high, 0, 1000, got);
  for (int k = 0; k < 1000; ++k) EXPECT(got[k] == fma(unit[k], high - low, low));
  ntk_rng_uniform(&draw, NTK_SINGLE, 0, 1, 0, 1000, unit);
  ntk_rng_uniform(&draw, NTK_SINGLE, low, high, 0, 1000, got);
  for (int k = 0; k < 1000; ++k) {
    const double width = (double)((float)high - (float)low);

    EXPECT(got[k] == (double)(float)(unit[k] * width + (double)(float)low));
  }
}

/* Elements beyond 2^32 use the high half of the counter. */
static void check_far(void) {
  const int64_t far = (INT64_C(1) << 32) + 3;
  const ntk_draw draw = {NTK_RNG_PARTITIONABLE, ntk_rng_seed(5, true), INT64_C(1) << 40};
  const ntk_rng_key pair = ntk_rng_split(NTK_RNG_PARTITIONABLE, draw.key, far + 1, far);
  uint32_t word = 0, near = 0;

  ntk_rng_bits32(&draw, far, 1, &word);
  ntk_rng_bits32(&draw, 3, 1, &near);
  EXPECT(word == (pair.word[0] ^ pair.word[1]) && word != near);
}

/* 1 - |u| = erfc(|z| / sqrt 2): a relative error e of z is one of about e z^2 there.  1 - u^2 has
 * been rounded, which is XLA's own error and bounds the accuracy. */
static void check_tail(int64_t first, int64_t n, double *z, double *u, double *most) {
  const ntk_draw draw = {NTK_RNG_PARTITIONABLE, ntk_rng_seed(0, true), INT64_C(1) << 40};

  ntk_rng_normal(&draw, NTK_DOUBLE, first, n, z);
  ntk_rng_uniform(&draw, NTK_DOUBLE, nextafter(-1, 0), 1, first, n, u);
  for (int64_t k = 0; k < n; ++k) {
    const double rest = 1 - fabs(u[k]), got = erfc(fabs(z[k]) / sqrt(2));
    const double rounded = DBL_EPSILON / rest; /* of 1 - u^2 */

    EXPECT((z[k] > 0) == (u[k] > 0));
    if (fabs(u[k]) < 0.5) {
      EXPECT_NEAR(erf(z[k] / sqrt(2)), u[k], 1e-15 * fabs(u[k]));
    } else {
      EXPECT_NEAR(got, rest, (4e-15 * (1 + z[k] * z[k]) + rounded) * rest);
    }
    if (fabs(z[k]) > *most) *most = fabs(z[k]);
  }
}

/* In singles the rounding of u^2 is too large for that: the number is compared with the one that
 * belongs to the root of the rounded square, which differs from |u| by less than a unit. */
static void check_single_tail(int64_t first, int64_t n, double *z, double *u, double *most) {
  const ntk_draw draw = {NTK_RNG_PARTITIONABLE, ntk_rng_seed(0, true), INT64_C(1) << 40};

  ntk_rng_normal(&draw, NTK_SINGLE, first, n, z);
  ntk_rng_uniform(&draw, NTK_SINGLE, nextafterf(-1, 0), 1, first, n, u);
  for (int64_t k = 0; k < n; ++k) {
    const double square = (double)(float)(u[k] * u[k]), root = sqrt(square);
    const double got = erfc(fabs(z[k] / u[k]) * root / sqrt(2)), rest = (1 - square) / (1 + root);

    if (root > 0.9) EXPECT_NEAR(got, rest, 3e-7 * (1 + z[k] * z[k]) * rest);
    if (fabs(z[k]) > *most) *most = fabs(z[k]);
  }
}

static void check_tails(void) {
  enum { CHUNK = 4096 };
  static const int64_t rare[] = {24820701, 506576103, 1829894972, /* |z| from 5.9 to 6.5: */
                                 1929459187, 2486077245};         /* found by a search */
  double z[CHUNK], u[CHUNK], most = 0, most_single = 0;

  for (int64_t k = 0; k < 64; ++k) check_tail(k * CHUNK, CHUNK, z, u, &most);
  for (int64_t k = 0; k < 64; ++k) check_single_tail(k * CHUNK, CHUNK, z, u, &most_single);
  for (size_t k = 0; k < sizeof(rare) / sizeof(*rare); ++k) check_tail(rare[k], 1, z, u, &most);
  EXPECT(most > 6 && most_single > 4.3);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  check_golden();
  check_seeds();
  check_windows();
  check_rounding();
  check_far();
  check_tails();
  MPI_Finalize();
  return 0;
}
