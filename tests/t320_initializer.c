/* Every row of the initialiser table has the variance it states; uniform laws are JAX's to the last
 * bit, normal ones are the generator's times the standard deviation; parameterisations put the
 * same variance into the multiplier or into the entries.
 *
 * Method: tests/cases/golden/jax_random.json for the uniform laws; per_tensor_network.json for the
 * network's own draws; sample moments; MATH A1, A2, A4. */
//TEST ranks=1
#include "ntk/model/initializer.h"

#include <float.h>

#include "json.h"

enum { MOST = 1 << 16 };

static const ntk_initializer *row(int k) {
  return (const ntk_initializer *)ntk_initializers[k];
}

static const ntk_initializer *find(const char *name) {
  for (int k = 0; ntk_initializers[k]; ++k) {
    if (strcmp(row(k)->row.name, name) == 0) return row(k);
  }
  return NULL;
}

/* Mean 0, the variance asked for, and the variance that the formula states. */
static void check_moments(const ntk_initializer *a, ntk_dtype dtype, double *values) {
  const ntk_draw draw = {NTK_RNG_PARTITIONABLE, ntk_rng_seed(3, true), MOST};
  const double variance = a->variance(20, 30);
  double mean = 0, square = 0, most = 0;

  EXPECT(a->row.doc && a->row.doc[0] && variance > 0);
  a->draw(&draw, dtype, variance, 0, MOST, values);
  for (int k = 0; k < MOST; ++k) {
    mean += values[k] / MOST;
    square += values[k] * values[k] / MOST;
    most = fmax(most, fabs(values[k]));
    if (dtype == NTK_SINGLE) EXPECT((double)(float)values[k] == values[k]);
  }
  EXPECT_NEAR(mean, 0, 4 * sqrt(variance / MOST));
  EXPECT_NEAR(square, variance, 0.02 * variance);
  if (strstr(a->row.name, "uniform")) {
    EXPECT(most <= sqrt(3 * variance) && most > 0.999 * sqrt(3 * variance));
  } else {
    EXPECT(most > 3.5 * sqrt(variance));
  }
}

static void check_variances(void) {
  static const struct {
    const char *fan;
    double variance;
  } laws[] = {{"he", 2.0 / 20}, {"glorot", 2.0 / 50}, {"lecun", 1.0 / 20}};
  char name[32];

  for (int k = 0; k < 3; ++k) {
    for (int uniform = 0; uniform < 2; ++uniform) {
      (void)snprintf(name, sizeof(name), "%s_%s", laws[k].fan, uniform ? "uniform" : "normal");
      EXPECT(find(name) && find(name)->variance(20, 30) == laws[k].variance);
    }
  }
}

/* The normal laws of JAX are truncated; ours are not, so only the uniform ones are compared. */
static void check_golden(ntk_rng_layout layout, const char *laws) {
  static const char *const names[] = {"he_uniform", "glorot_uniform", "lecun_uniform"};
  const ntk_draw draw = {layout, ntk_rng_seed(42, true), 15};
  double wanted[15], got[15];

  for (int k = 0; k < 3; ++k) {
    for (int tall = 0; tall < 2; ++tall) {
      const ntk_initializer *law = find(names[k]);
      const char *shape = json_find(json_find(laws, names[k]), tall ? "5x3" : "3x5");

      EXPECT(json_reals(json_find(shape, "dec"), 15, wanted) == 15);
      law->draw(&draw, NTK_DOUBLE, tall ? law->variance(5, 3) : law->variance(3, 5), 0, 15, got);
      for (int i = 0; i < 15; ++i) EXPECT(got[i] == wanted[i]);
    }
  }
}

/* Tensor k of the network is drawn from fold_in(key, k): W before b, layer by layer. */
static void check_per_tensor(void) {
  static const char *const parts[] = {"W_standard_normal", "b_standard_normal"};
  char *file = json_load("tests/cases/golden/per_tensor_network.json");
  const char *layer = json_first(json_find(file, "expected/layers"));
  uint32_t tensor = 0;

  for (; layer; layer = json_next(layer)) {
    for (int part = 0; part < 2; ++part, ++tensor) {
      double wanted[16], got[16];
      const int64_t n = json_reals(json_find(layer, parts[part]), 16, wanted);
      const ntk_rng_key key = ntk_rng_fold_in(ntk_rng_seed(7, true), tensor);
      const ntk_draw draw = {NTK_RNG_PARTITIONABLE, key, n};

      find("he_normal")->draw(&draw, NTK_DOUBLE, 1, 0, n, got);
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
  find("he_normal")->draw(&draw, NTK_SINGLE, 2.0 / 10, 0, 100, scaled);
  for (int k = 0; k < 100; ++k) EXPECT(scaled[k] == (double)((float)unit[k] * sqrtf(0.2f)));
}

static void check_parameterizations(void) {
  const ntk_parameterization *standard = (const ntk_parameterization *)ntk_parameterizations[0];
  const ntk_parameterization *ntk = (const ntk_parameterization *)ntk_parameterizations[1];
  const ntk_scaling a = standard->scaling(0.02, 0.5, 0.25), b = ntk->scaling(0.02, 0.5, 0.25);

  EXPECT(!ntk_parameterizations[2]);
  EXPECT_TEXT(standard->row.name, "standard");
  EXPECT_TEXT(ntk->row.name, "ntk");
  EXPECT(a.s_w == 1 && a.w_variance == 0.02 && a.w_std == sqrt(0.02));
  EXPECT(b.s_w == sqrt(0.02) && b.w_variance == 1 && b.w_std == 1);
  EXPECT(a.s_b == 0.5 && a.b_std == 0.25 && b.s_b == 0.5 && b.b_std == 0.25);
}

int main(int argc, char **argv) {
  static double values[MOST];

  MPI_Init(&argc, &argv);
  for (int k = 0; ntk_initializers[k]; ++k) {
    check_moments(row(k), NTK_DOUBLE, values);
    check_moments(row(k), NTK_SINGLE, values);
  }
  check_variances();
  char *file = json_load("tests/cases/golden/jax_random.json");
  const char *expected = json_find(file, "expected");

  check_golden(NTK_RNG_PARTITIONABLE, json_find(expected, "partitionable/initializers_float64"));
  check_golden(NTK_RNG_ORIGINAL, json_find(expected, "original/initializers_float64"));
  free(file);
  check_per_tensor();
  check_single();
  check_parameterizations();
  MPI_Finalize();
  return 0;
}
