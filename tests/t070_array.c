/* Arrays of both types, their conversion, and products of every form against sums written out;
 * the kernel set of the BLAS is adopted unless the user chose one.
 *
 * Method: products over all transpositions, strides, and sizes around what ntk_gemm treats
 * differently; the test starts itself with and without OPENBLAS_CORETYPE to see what it adopts. */
//TEST ranks=1,2
#include "ntk/base/array.h"

#include <float.h>

#include "test.h"

static void check_arrays(void) {
  void *array = NULL;

  EXPECT(ntk_dtype_size(NTK_DOUBLE) == 8 && ntk_dtype_size(NTK_SINGLE) == 4);
  EXPECT(ntk_pad(0) == 0 && ntk_pad(1) == 64 && ntk_pad(64) == 64 && ntk_pad(65) == 128);
  EXPECT_OK(ntk_array_new(NTK_SINGLE, 5, &array));
  for (int k = 0; k < 5; ++k) EXPECT(((float *)array)[k] == 0);
  EXPECT(ntk_array_at(NTK_SINGLE, array, 3) == (void *)((float *)array + 3));
  EXPECT(ntk_array_const_at(NTK_DOUBLE, array, 2) == (const void *)((double *)array + 2));
  ntk_free(&array);
  EXPECT_REFUSED(ntk_array_new(NTK_DOUBLE, INT64_MAX / 16, &array), NTK_E_MEMORY, "out of memory");
}

static void check_conversion(void) {
  double wide[70], back[70];
  float single[70], copy[70];

  for (int k = 0; k < 70; ++k) wide[k] = 1.0 / (k + 1) * (k % 2 ? -1 : 1e30);
  wide[0] = INFINITY;
  ntk_array_convert(NTK_DOUBLE, wide, NTK_SINGLE, single, 70);
  ntk_array_convert(NTK_SINGLE, single, NTK_DOUBLE, back, 70);
  ntk_array_convert(NTK_SINGLE, single, NTK_SINGLE, copy, 70);
  EXPECT(back[0] == INFINITY);
  for (int k = 0; k < 70; ++k) EXPECT(single[k] == (float)wide[k] && back[k] == (double)single[k]);
  EXPECT(same_bits(single, copy, sizeof(copy)));
  ntk_array_convert(NTK_DOUBLE, wide, NTK_DOUBLE, back, 70);
  EXPECT(same_bits(wide, back, sizeof(back)));
}

enum { MOST = 200 * 240 };

typedef struct product {
  ntk_dtype dtype;
  bool transpose_a, transpose_b;
  int64_t m, n, k;
  double alpha, beta;
} product;

static double entry(int64_t k) {
  return (double)((k * 7919 + 13) % 1009) / 1009 - 0.4;
}

/* Small numbers of few digits, so that single precision holds them as well as double does. */
static void fill(ntk_dtype dtype, int64_t salt, void *array) {
  double values[240];

  for (int64_t row = 0; row < MOST / 240; ++row) {
    for (int64_t k = 0; k < 240; ++k) {
      values[k] = (double)(float)entry(salt + row * 240 + k);
    }
    ntk_array_convert(NTK_DOUBLE, values, dtype, ntk_array_at(dtype, array, row * 240), 240);
  }
}

static double get(ntk_dtype dtype, const void *array, int64_t k) {
  double value = 0;

  ntk_array_convert(dtype, ntk_array_const_at(dtype, array, k), NTK_DOUBLE, &value, 1);
  return value;
}

static void compare(const product *p, const void *c, const void *before, int64_t ldc,
                    const double *a, int64_t lda, const double *b, int64_t ldb) {
  const double epsilon = p->dtype == NTK_DOUBLE ? DBL_EPSILON : (double)FLT_EPSILON;

  for (int64_t i = 0; i < p->m; ++i) {
    for (int64_t j = 0; j < ldc; ++j) {
      double sum = 0;

      for (int64_t l = 0; l < p->k && j < p->n; ++l) {
        sum += a[p->transpose_a ? l * lda + i : i * lda + l] *
               b[p->transpose_b ? j * ldb + l : l * ldb + j];
      }
      const double old = get(p->dtype, before, i * ldc + j);
      const double wanted = j < p->n ? p->alpha * sum + p->beta * old : old;

      EXPECT_NEAR(get(p->dtype, c, i * ldc + j), wanted, 4 * epsilon * (double)(p->k + 2));
    }
  }
}

static ntk_status check_product(const product *p) {
  const int64_t lda = (p->transpose_a ? p->m : p->k) + 3, ldb = (p->transpose_b ? p->k : p->n) + 1;
  const int64_t ldc = p->n + 2;
  void *array[4] = {0};
  double *wide[2] = {0};

  for (int k = 0; k < 4; ++k) NTK_TRY(ntk_array_new(p->dtype, MOST, &array[k]));
  for (int k = 0; k < 2; ++k) NTK_TRY(NTK_NEW(MOST, &wide[k]));
  for (int k = 0; k < 4; ++k) fill(p->dtype, k < 3 ? k * 1000 : 2000, array[k]);
  for (int k = 0; k < 2; ++k) ntk_array_convert(p->dtype, array[k], NTK_DOUBLE, wide[k], MOST);
  ntk_gemm(p->dtype, p->transpose_a, p->transpose_b, p->m, p->n, p->k, p->alpha, array[0], lda,
           array[1], ldb, p->beta, array[2], ldc);
  compare(p, array[2], array[3], ldc, wide[0], lda, wide[1], ldb);
  for (int k = 0; k < 4; ++k) ntk_free(&array[k]);
  for (int k = 0; k < 2; ++k) ntk_free(&wide[k]);
  return NTK_OK;
}

static void check_products(void) {
  static const int64_t sizes[] = {0, 1, 3, 64, 100, 128};

  for (int form = 0; form < 8; ++form) {
    for (int m = 0; m < 6; ++m) {
      for (int n = 0; n < 6; ++n) {
        for (int k = 0; k < 4; ++k) {
          const product p = {form & 4 ? NTK_SINGLE : NTK_DOUBLE,
                             (form & 1) != 0,
                             (form & 2) != 0,
                             sizes[m],
                             sizes[n],
                             sizes[k],
                             k == 1 ? -0.5 : 1,
                             m == 3 ? 0.25 : 0};

          EXPECT_OK(check_product(&p));
        }
      }
    }
  }
}

/* With beta = 0 what was there before does not matter, not even NaN. */
static void check_overwriting(void) {
  const double a[4] = {1, 2, 3, 4};
  double c[4] = {NAN, NAN, NAN, NAN};

  ntk_gemm(NTK_DOUBLE, false, false, 2, 2, 2, 1, a, 2, a, 2, 0, c, 2);
  EXPECT(c[0] == 7 && c[1] == 10 && c[2] == 15 && c[3] == 22);
}

/* What this program prints about its kernel set when it is started with that environment. */
static void ask_core(const char *environment, const char *self, char answer[64]) {
  char command[4096];

  (void)snprintf(command, sizeof(command), "env %s '%s' --core 'an argument'", environment, self);
  FILE *pipe = popen(command, "r"); /* NOLINT(cert-env33-c): the environment is the point */

  EXPECT(pipe && fgets(answer, 64, pipe));
  EXPECT(pclose(pipe) == 0);
  answer[strcspn(answer, "\n")] = '\0';
}

static void check_adoption(const char *self) {
#if defined(NTK_HAVE_OPENBLAS) && defined(__x86_64__)
  char answer[64] = "";

  if (!strstr(ntk_blas_config(), "DYNAMIC_ARCH")) return;
  ask_core("OPENBLAS_CORETYPE=Prescott", self, answer);
  EXPECT_TEXT(answer, "Prescott 3 an argument");
  ask_core("-u OPENBLAS_CORETYPE", self, answer);
  EXPECT(strstr(answer, " 3 an argument"));
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    EXPECT(!strstr(answer, "Prescott"));
  }
#endif
  EXPECT(ntk_blas_config()[0] && ntk_blas_core()[0] && self);
}

int main(int argc, char **argv) {
  ntk_blas_adopt_core(argv);
  if (argc > 1 && strcmp(argv[1], "--core") == 0) {
    printf("%s %d %s\n", ntk_blas_core(), argc, argv[2]);
    return 0;
  }
  if (argc == 1) check_adoption(argv[0]);
  MPI_Init(&argc, &argv);
  check_arrays();
  check_conversion();
  check_products();
  check_overwriting();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
