/* ntk_rows_gemm is the product, and a row keeps its bits whatever other rows share the call, for
 * every width and depth; the loops over rows do what they say.
 *
 * Method: sizes around the cuts (multiples of 16 columns, 10^6 multiply-adds) and irregular ones; a
 * call with all rows against calls with a few of them at other places.  Bits are compared where
 * ntk_blas_reproducible says so, else values to rounding. */
//TEST ranks=1
#include "ntk/model/rows.h"

#include <float.h>

#include "network.h"

static const int64_t ROWS = 704;

typedef struct sizes {
  int64_t n, k;
} sizes;

static const sizes table[] = {
    {1, 1},    {1, 784},  {2, 3},    {3, 37},   {7, 300},  {8, 64},    {10, 1000}, {15, 1024},
    {16, 977}, {16, 976}, {17, 962}, {20, 947}, {31, 500}, {48, 341},  {50, 784},  {64, 244},
    {84, 37},  {100, 50}, {128, 128}, {297, 400}, {328, 167}, {408, 40}, {500, 784}, {512, 7},
};

typedef struct job {
  ntk_dtype dtype;
  bool transpose_b;
  sizes size;
  void *a, *b, *whole, *part, *few;
} job;

static void fill(ntk_dtype dtype, uint64_t seed, int64_t n, void *array) {
  for (int64_t k = 0; k < n; ++k) {
    const double value = test_value(seed, (uint64_t)k);

    ntk_array_convert(NTK_DOUBLE, &value, dtype, ntk_array_at(dtype, array, k), 1);
  }
}

static double b_at(const job *j, int64_t i, int64_t column) {
  const int64_t at = j->transpose_b ? column * j->size.k + i : i * j->size.n + column;

  return element(j->dtype, j->b, at);
}

static double epsilon(ntk_dtype dtype) { return dtype == NTK_DOUBLE ? DBL_EPSILON : FLT_EPSILON; }

/* Some entries against sums in double; whole holds 0.5 and 0.75 times the product. */
static void check_values(const job *j) {
  for (int64_t r = 0; r < ROWS; r += 67) {
    for (int64_t c = 0; c < j->size.n; c += j->size.n > 40 ? 9 : 1) {
      double sum = 0, size = 0;

      for (int64_t i = 0; i < j->size.k; ++i) {
        const double term = element(j->dtype, j->a, r * j->size.k + i) * b_at(j, i, c);

        sum += term;
        size += fabs(term);
      }
      EXPECT_NEAR(element(j->dtype, j->whole, r * j->size.n + c), 0.75 * sum + 0.5,
                  epsilon(j->dtype) * (size * sqrt((double)j->size.k) + 1));
    }
  }
}

static void product(const job *j, int64_t rows, const void *a, void *c) {
  const double half = 0.5;

  for (int64_t k = 0; k < rows * j->size.n; ++k) {
    ntk_array_convert(NTK_DOUBLE, &half, j->dtype, ntk_array_at(j->dtype, c, k), 1);
  }
  EXPECT_OK(
      ntk_rows_gemm(j->dtype, j->transpose_b, rows, j->size.n, j->size.k, 0.75, a, j->b, 1, c));
}

/* Rows first, first + step, ... modulo ROWS, alone in a call. */
static void check_selection(const job *j, int64_t rows, int64_t first, int64_t step) {
  const size_t size = ntk_dtype_size(j->dtype);
  const int64_t n = j->size.n, k = j->size.k;

  for (int64_t r = 0; r < rows; ++r) {
    memcpy((char *)j->few + (size_t)(r * k) * size,
           (const char *)j->a + (size_t)((first + r * step) % ROWS * k) * size, (size_t)k * size);
  }
  product(j, rows, j->few, j->part);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < n; ++c) {
      const double got = element(j->dtype, j->part, r * n + c);
      const double whole = element(j->dtype, j->whole, (first + r * step) % ROWS * n + c);

      if (!ntk_blas_reproducible(j->dtype)) {
        EXPECT_NEAR(got, whole, epsilon(j->dtype) * (double)k);
      } else if (got != whole) {
        FAIL("n %d k %d %s, %d rows: row %d column %d differs", (int)n, (int)k,
             j->transpose_b ? "NT" : "NN", (int)rows, (int)r, (int)c);
      }
    }
  }
}

static void check_sizes(ntk_dtype dtype, bool transpose_b, sizes size) {
  job j = {.dtype = dtype, .transpose_b = transpose_b, .size = size};

  EXPECT_OK(ntk_array_new(dtype, ROWS * size.k, &j.a));
  EXPECT_OK(ntk_array_new(dtype, ROWS * size.k, &j.few));
  EXPECT_OK(ntk_array_new(dtype, size.k * size.n, &j.b));
  EXPECT_OK(ntk_array_new(dtype, ROWS * size.n, &j.whole));
  EXPECT_OK(ntk_array_new(dtype, ROWS * size.n, &j.part));
  fill(dtype, 1, ROWS * size.k, j.a);
  fill(dtype, 2, size.k * size.n, j.b);
  product(&j, ROWS, j.a, j.whole);
  check_values(&j);
  check_selection(&j, 64, 3, 1);
  check_selection(&j, 128, 11, 5);
  check_selection(&j, 320, 1, 3);
  EXPECT_OK(ntk_rows_gemm(dtype, transpose_b, 0, size.n, size.k, 1, j.a, j.b, 0, j.part));
  ntk_free(&j.a);
  ntk_free(&j.few);
  ntk_free(&j.b);
  ntk_free(&j.whole);
  ntk_free(&j.part);
}

/* beta = 0 does not read what stood in C. */
static void check_overwrite(ntk_dtype dtype) {
  const double nan = NAN;
  const int64_t m = 64, n = 35, depth = 3;
  void *a = NULL, *b = NULL, *c = NULL;

  EXPECT_OK(ntk_array_new(dtype, m * depth, &a));
  EXPECT_OK(ntk_array_new(dtype, depth * n, &b));
  EXPECT_OK(ntk_array_new(dtype, m * n, &c));
  for (int64_t k = 0; k < m * n; ++k) {
    ntk_array_convert(NTK_DOUBLE, &nan, dtype, ntk_array_at(dtype, c, k), 1);
  }
  EXPECT_OK(ntk_rows_gemm(dtype, false, m, n, depth, 1, a, b, 0, c));
  for (int64_t k = 0; k < m * n; ++k) EXPECT(element(dtype, c, k) == 0);
  ntk_free(&a);
  ntk_free(&b);
  ntk_free(&c);
}

static void check_loops(ntk_dtype dtype) {
  const int64_t samples = 2, lines = 3, width = 4;
  double out[24], mask[8], common[12], norm[4]; /* floats fit */

  fill(dtype, 3, samples * width, mask);
  fill(dtype, 4, lines * width, common);
  ntk_rows_outer(dtype, samples, lines, width, mask, common, out);
  for (int64_t k = 0; k < 24; ++k) {
    const double m = element(dtype, mask, k / (lines * width) * width + k % width);

    EXPECT_NEAR(element(dtype, out, k), m * element(dtype, common, k % (lines * width)), 1e-7);
  }
  ntk_rows_fill(dtype, samples, lines * width, -2, common, out);
  ntk_rows_scale(dtype, samples, lines, width, mask, out);
  for (int64_t k = 0; k < 24; ++k) {
    const double m = element(dtype, mask, k / (lines * width) * width + k % width);

    EXPECT_NEAR(element(dtype, out, k), -2 * m * element(dtype, common, k % (lines * width)), 1e-6);
  }
  ntk_rows_norm(dtype, lines, width, common, norm);
  for (int64_t c = 0; c < width; ++c) {
    double sum = 0;

    for (int64_t r = 0; r < lines; ++r) sum += pow(element(dtype, common, r * width + c), 2);
    EXPECT_NEAR(element(dtype, norm, c), sqrt(sum), 1e-6);
  }
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  for (int single = 0; single < 2; ++single) {
    const ntk_dtype dtype = single ? NTK_SINGLE : NTK_DOUBLE;

    for (size_t k = 0; k < sizeof(table) / sizeof(table[0]); ++k) {
      check_sizes(dtype, false, table[k]);
      check_sizes(dtype, true, table[k]);
    }
    check_overwrite(dtype);
    check_loops(dtype);
  }
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
