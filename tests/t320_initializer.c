/* Every initialiser has the variance it states, every law the shape it states, in both types;
 * uniform laws are JAX's to the last bit, truncated ones and orthogonal ones JAX's to rounding,
 * normal ones the generator's times the standard deviation.  Parameterisations are those of the
 * table of MATH A3 and put the same variance into multiplier times entries.
 *
 * Method: tests/cases/golden/jax_random.json; per_tensor_network.json for the network's own draws;
 * sample moments; the formulas of MATH A1 to A3. */
//TEST ranks=1
#include "ntk/model/initializer.h"

#include <float.h>

#include "network.h"

enum { MOST = 1 << 16 };

/* Shapes that are not square, where the laws differ. */
static const int64_t FAN_IN = 512, FAN_OUT = 128;

/* A law with the variance of an entry. */
typedef struct weights {
  const ntk_law *law;
  double variance;
} weights;

/* What `weight_init` gives when it is written so. */
static weights read_law(const char *spelling, int64_t fan_in, int64_t fan_out) {
  char yaml[128];
  test_network t;
  weights w = {0};

  (void)snprintf(yaml, sizeof(yaml), "{weight_init: %s}", spelling);
  read_settings(yaml, &t);
  w.law = ntk_initializer_law(&t.settings.weight_init, fan_in, fan_out, &w.variance);
  destroy_network(&t);
  return w;
}

/* Mean 0, the variance asked for, and the largest entry that the law can have. */
static void check_moments(const char *spelling, ntk_dtype dtype, double *values) {
  const ntk_draw draw = {NTK_RNG_PARTITIONABLE, ntk_rng_seed(3, true), MOST};
  const weights w = read_law(spelling, FAN_IN, FAN_OUT);
  double mean = 0, square = 0, most = 0;

  EXPECT_OK(w.law->draw(&draw, dtype, FAN_OUT, w.variance, values));
  for (int k = 0; k < MOST; ++k) {
    mean += values[k] / MOST;
    square += values[k] * values[k] / MOST;
    most = fmax(most, fabs(values[k]));
    if (dtype == NTK_SINGLE) EXPECT((double)(float)values[k] == values[k]);
  }
  EXPECT_NEAR(mean, 0, 4 * sqrt(w.variance / MOST));
  EXPECT_NEAR(square, w.variance, 0.02 * w.variance);
  const double sigmas = most / sqrt(w.variance);

  if (strcmp(w.law->row.name, "uniform") == 0) {
    EXPECT(sigmas <= sqrt(3) * (1 + 1e-6) && sigmas > 0.999 * sqrt(3));
  } else if (strcmp(w.law->row.name, "truncated") == 0) {
    EXPECT(sigmas < 2 / 0.8796 && sigmas > 0.99 * 2 / 0.8797);
  } else {
    EXPECT(sigmas > 3.5);
  }
}

static void check_variances(void) {
  static const struct {
    const char *spelling;
    double variance;
    const char *law;
  } laws[] = {
      {"he_normal", 2.0 / 20, "normal"},
      {"he_uniform", 2.0 / 20, "uniform"},
      {"he_truncated", 2.0 / 20, "truncated"},
      {"glorot_normal", 2.0 / 50, "normal"},
      {"glorot_uniform", 2.0 / 50, "uniform"},
      {"glorot_truncated", 2.0 / 50, "truncated"},
      {"lecun_normal", 1.0 / 20, "normal"},
      {"lecun_uniform", 1.0 / 20, "uniform"},
      {"lecun_truncated", 1.0 / 20, "truncated"},
      {"orthogonal", 1.0 / 30, "orthogonal"},
      {"{law: uniform, variance: 3, fan: out}", 3.0 / 30, "uniform"},
      {"{law: orthogonal, variance: 2.0, fan: in}", 2.0 / 20, "orthogonal"},
      {"{variance_scaling: {law: truncated, variance: 0.5, fan: average}}", 0.5 / 25, "truncated"},
      {"{fan: larger}", 2.0 / 30, "normal"},
      {"{variance: 4}", 4.0 / 20, "normal"},
  };

  for (size_t k = 0; k < sizeof(laws) / sizeof(laws[0]); ++k) {
    const weights w = read_law(laws[k].spelling, 20, 30);

    EXPECT(w.variance == laws[k].variance);
    EXPECT_TEXT(w.law->row.name, laws[k].law);
  }
}

/* JAX's initialisers of that name; its normal ones are truncated. */
static void check_golden(ntk_rng_layout layout, const char *laws) {
  static const struct {
    const char *theirs, *ours;
    double relative;
  } names[] = {{"he_uniform", "he_uniform", 0},
               {"glorot_uniform", "glorot_uniform", 0},
               {"lecun_uniform", "lecun_uniform", 0},
               {"he_normal", "he_truncated", 1e-14},
               {"glorot_normal", "glorot_truncated", 1e-14},
               {"lecun_normal", "lecun_truncated", 1e-14},
               {"orthogonal", "orthogonal", 1e-13}};
  const ntk_draw draw = {layout, ntk_rng_seed(42, true), 15};
  double wanted[15], got[15];

  for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); ++k) {
    for (int tall = 0; tall < 2; ++tall) {
      const int64_t rows = tall ? 5 : 3, columns = 8 - rows;
      const weights w = read_law(names[k].ours, rows, columns);
      const char *shape = json_find(json_find(laws, names[k].theirs), tall ? "5x3" : "3x5");

      EXPECT(json_reals(json_find(shape, "dec"), 15, wanted) == 15);
      EXPECT_OK(w.law->draw(&draw, NTK_DOUBLE, columns, w.variance, got));
      for (int i = 0; i < 15; ++i) {
        EXPECT_NEAR(got[i], wanted[i], names[k].relative * fmax(fabs(wanted[i]), 0.1));
      }
    }
  }
}

/* jax.random.truncated_normal(key, -2, 2), an array of 1000 of which 12 are stored. */
static void check_truncated(ntk_rng_layout layout, int64_t seed, ntk_dtype dtype,
                            const char *expected) {
  const bool wide = dtype == NTK_DOUBLE;
  const ntk_draw draw = {layout, ntk_rng_seed(seed, true), 1000};
  double first[8], last[4], got[1000], piece[100];

  EXPECT(json_reals(json_find(expected, "1000/first8/dec"), 8, first) == 8);
  EXPECT(json_reals(json_find(expected, "1000/last4/dec"), 4, last) == 4);
  ntk_rng_truncated_normal(&draw, dtype, -2, 2, 0, 1000, got);
  for (int k = 0; k < 12; ++k) {
    const double wanted = k < 8 ? first[k] : last[k - 8], value = got[k < 8 ? k : 996 + k - 8];

    EXPECT_NEAR(value, wanted, (wide ? 1e-14 : 2 * (double)FLT_EPSILON) * fabs(wanted));
  }
  for (int k = 0; k < 1000; ++k) EXPECT(fabs(got[k]) < 2);
  ntk_rng_truncated_normal(&draw, dtype, -2, 2, 333, 100, piece);
  EXPECT(same_bits(piece, got + 333, sizeof(piece)));
}

static void check_all_truncated(ntk_rng_layout layout, const char *by_seed) {
  static const char *const seeds[] = {"0", "42", "1099511627783"};
  char path[80];

  for (int s = 0; s < 3; ++s) {
    for (int wide = 0; wide < 2; ++wide) {
      (void)snprintf(path, sizeof(path), "%s/truncated_normal_m2_p2_float%d", seeds[s],
                     wide ? 64 : 32);
      check_truncated(layout, strtoll(seeds[s], NULL, 10), wide ? NTK_DOUBLE : NTK_SINGLE,
                      json_find(by_seed, path));
    }
  }
}

/* Ends of the open interval: what u = erf(-2 / sqrt 2) would give is moved inside. */
static void check_interval(void) {
  const ntk_draw draw = {NTK_RNG_PARTITIONABLE, ntk_rng_seed(1, true), 20000};
  double values[1000];

  for (int64_t first = 0; first < draw.total; first += 1000) {
    ntk_rng_truncated_normal(&draw, NTK_SINGLE, 0.25, 0.2500001, first, 1000, values);
    for (int k = 0; k < 1000; ++k) EXPECT(values[k] > 0.25 && values[k] < (double)0.2500001F);
  }
}

/* Entry i of column k of Q [many][few]. */
static double q_at(const double *values, bool tall, int64_t few, int64_t many, int64_t i,
                   int64_t k) {
  return tall ? values[i * few + k] : values[k * many + i];
}

/* R = Q^T A is upper triangular with a positive diagonal, so Q is JAX's. */
static void check_triangle(const ntk_draw *draw, ntk_dtype dtype, bool tall, int64_t few,
                           const double *values) {
  static double drawn[MOST];
  const int64_t many = draw->total / few;
  const double tolerance = (dtype == NTK_DOUBLE ? 1e-13 : 1e-5) * (double)many;

  ntk_rng_normal(draw, dtype, 0, draw->total, drawn);
  for (int64_t k = 0; k < few; ++k) {
    for (int64_t l = 0; l <= k; ++l) {
      double r = 0;

      for (int64_t i = 0; i < many; ++i) {
        r += q_at(values, tall, few, many, i, k) * drawn[i * few + l];
      }
      EXPECT(l == k ? r > 0 : fabs(r) < tolerance);
    }
  }
}

/* Orthonormal rows or columns, whichever are fewer, times sqrt(v max). */
static void check_orthogonal(int64_t rows, int64_t columns, ntk_dtype dtype, double *values) {
  const ntk_draw draw = {NTK_RNG_PARTITIONABLE, ntk_rng_seed(8, true), rows * columns};
  const bool tall = rows >= columns;
  const int64_t few = tall ? columns : rows, many = tall ? rows : columns;
  const double tolerance = dtype == NTK_DOUBLE ? 1e-13 : 1e-5, variance = 0.03;

  EXPECT_OK(read_law("orthogonal", 1, 1).law->draw(&draw, dtype, columns, variance, values));
  for (int64_t a = 0; a < few; ++a) {
    for (int64_t b = 0; b <= a; ++b) {
      double dot = 0;

      for (int64_t i = 0; i < many; ++i) {
        dot += q_at(values, tall, few, many, i, a) * q_at(values, tall, few, many, i, b);
      }
      EXPECT_NEAR(dot / (variance * (double)many), a == b, tolerance);
    }
  }
  check_triangle(&draw, dtype, tall, few, values);
}

/* Tensor k of the network is drawn from fold_in(key, k): W before b, layer by layer. */
static void check_per_tensor(void) {
  static const char *const parts[] = {"W_standard_normal", "b_standard_normal"};
  char *file = json_load("tests/cases/golden/per_tensor_network.json");
  const char *layer = json_first(json_find(file, "expected/layers"));
  const weights normal = read_law("he_normal", 1, 1);
  uint32_t tensor = 0;

  for (; layer; layer = json_next(layer)) {
    for (int part = 0; part < 2; ++part, ++tensor) {
      double wanted[16], got[16];
      const int64_t n = json_reals(json_find(layer, parts[part]), 16, wanted);
      const ntk_rng_key key = ntk_rng_fold_in(ntk_rng_seed(7, true), tensor);
      const ntk_draw draw = {NTK_RNG_PARTITIONABLE, key, n};

      EXPECT_OK(normal.law->draw(&draw, NTK_DOUBLE, 1, 1, got));
      for (int64_t k = 0; k < n; ++k) EXPECT_NEAR(got[k], wanted[k], 1e-14 * fabs(wanted[k]));
    }
  }
  EXPECT(tensor == 6);
  free(file);
}

/* The article draws in single precision: the product with sqrt(2 / n) is rounded to single. */
static void check_single(void) {
  const ntk_draw draw = {NTK_RNG_PARTITIONABLE, ntk_rng_seed(42, true), 100};
  double unit[100], scaled[100];

  ntk_rng_normal(&draw, NTK_SINGLE, 0, 100, unit);
  EXPECT_OK(read_law("he_normal", 10, 10).law->draw(&draw, NTK_SINGLE, 10, 2.0 / 10, scaled));
  for (int k = 0; k < 100; ++k) EXPECT(scaled[k] == (double)((float)unit[k] * sqrtf(0.2f)));
}

/* ---- parameterisations ----------------------------------------------------------------------- */

/* MATH A3 for layers 3 -> 16 -> 16 -> 1 (mean_field: 3 -> 16 -> 1), sw2 = 2, bias scale beta and
 * std tau: s_w, variance of W, s_b, std of b, rate. */
static void check_form(const char *name, ntk_role role, const double wanted[5]) {
  const ntk_row *row = ntk_row_find(ntk_parameterizations, name);
  const bool input = role == NTK_ROLE_INPUT, readout = role == NTK_ROLE_READOUT;
  const ntk_site site = {role, input || role == NTK_ROLE_ONLY ? 3 : 16, readout ? 1 : 16};
  const ntk_scaling s =
      ((const ntk_parameterization *)row)->scaling(&site, 2.0 / (double)site.fan_in, 0.5, 0.25);
  const double got[] = {s.s_w, s.w_variance, s.s_b, s.b_std, s.rate};

  for (int k = 0; k < 5; ++k) EXPECT_NEAR(got[k], wanted[k], 1e-15 * wanted[k]);
}

static void check_parameterizations(void) {
  const double n = 16, d = 3, sw2 = 2, beta = 0.5, tau = 0.25;

  for (int role = NTK_ROLE_ONLY; role <= NTK_ROLE_READOUT; ++role) {
    const double p = role == NTK_ROLE_INPUT || role == NTK_ROLE_ONLY ? d : n;

    check_form("standard", (ntk_role)role, (double[]){1, sw2 / p, beta, tau, 1});
    check_form("ntk", (ntk_role)role, (double[]){sqrt(sw2 / p), 1, beta, tau, 1});
  }
  check_form("mup", NTK_ROLE_INPUT,
             (double[]){sqrt(n), sw2 / (n * d), beta * sqrt(n), tau / sqrt(n), 1});
  check_form("mup", NTK_ROLE_HIDDEN, (double[]){1, sw2 / n, beta * sqrt(n), tau / sqrt(n), 1});
  check_form("mup", NTK_ROLE_READOUT, (double[]){1 / sqrt(n), sw2 / n, beta, tau, 1});
  check_form("mup", NTK_ROLE_ONLY, (double[]){1, sw2 / d, beta, tau, 1});
  check_form("mean_field", NTK_ROLE_INPUT, (double[]){1, sw2 / d, beta, tau, n});
  check_form("mean_field", NTK_ROLE_READOUT, (double[]){1 / n, sw2, beta / sqrt(n), tau, n});
}

int main(int argc, char **argv) {
  static double values[MOST];
  static const char *const others[] = {"{law: uniform, variance: 3, fan: out}",
                                       "{law: orthogonal, variance: 2.0, fan: in}"};

  begin_test(&argc, &argv);
  for (int dtype = NTK_DOUBLE; dtype <= NTK_SINGLE; ++dtype) {
    for (int k = 0; ntk_initializers[k]; ++k) {
      EXPECT(ntk_initializers[k]->doc && ntk_initializers[k]->doc[0]);
      if (!ntk_initializers[k]->options) {
        check_moments(ntk_initializers[k]->name, (ntk_dtype)dtype, values);
      }
    }
    for (int k = 0; k < 2; ++k) check_moments(others[k], (ntk_dtype)dtype, values);
    check_orthogonal(70, 33, (ntk_dtype)dtype, values);
    check_orthogonal(1, 50, (ntk_dtype)dtype, values);
    check_orthogonal(100, 100, (ntk_dtype)dtype, values);
    check_orthogonal(65, 130, (ntk_dtype)dtype, values);
  }
  check_variances();
  char *file = json_load("tests/cases/golden/jax_random.json");
  const char *expected = json_find(file, "expected");

  check_golden(NTK_RNG_PARTITIONABLE, json_find(expected, "partitionable/initializers_float64"));
  check_golden(NTK_RNG_ORIGINAL, json_find(expected, "original/initializers_float64"));
  check_all_truncated(NTK_RNG_PARTITIONABLE, json_find(expected, "partitionable/by_seed"));
  check_all_truncated(NTK_RNG_ORIGINAL, json_find(expected, "original/by_seed"));
  free(file);
  check_interval();
  check_per_tensor();
  check_single();
  check_parameterizations();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
