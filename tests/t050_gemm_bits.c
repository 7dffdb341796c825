/* An entry of a product of samples with samples, A A^T, keeps its bits whatever other samples share
 * the call, as long as the number of samples of every call, as M and as N, is a multiple of
 * NTK_SAMPLE_PAD.  The bits of Gram entries on different process grids rest on this (and on
 * t330_rows, the products of samples with weights).  Products of samples with themselves by SYRK
 * have the same bits as those by GEMM.
 *
 * Method: one call with all samples, then calls with selections of them in other places beside
 * other padding, compared bit by bit where ntk_blas_reproducible says so, else to rounding.  An
 * argument names the kernel set of OpenBLAS to test instead of the one in use. */
//TEST ranks=1
//TEST ranks=1 args="Haswell"
//TEST ranks=1 args="Prescott"
#include "ntk/base/array.h"

#include <float.h>
#include <unistd.h>

#include "test.h"

enum { MOST_K = 1024, SELECTIONS = 8 };

#define SAMPLES INT64_C(512)

/* Which samples: first, first + step, ... modulo SAMPLES. */
typedef struct selection {
  int64_t count, first, step;
} selection;

static const selection selections[SELECTIONS] = {
    {1, 0, 1},    {1, 333, 1},  {7, 5, 1},   {64, 1, 3},
    {65, 100, 1}, {129, 31, 5}, {200, 8, 7}, {500, 3, 1},
};

typedef struct problem {
  ntk_dtype dtype;
  int64_t k;   /* summed over */
  void *a, *b; /* [SAMPLES][k] */
  void *whole; /* result of all samples */
} problem;

static uint64_t mix(uint64_t x) {
  x = (x ^ x >> 31) * UINT64_C(0x9e3779b97f4a7c15);
  return (x ^ x >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
}

static void fill(ntk_dtype dtype, uint64_t seed, int64_t n, void *array) {
  for (int64_t k = 0; k < n; ++k) {
    const double value = (double)(mix(seed + mix((uint64_t)k)) >> 11) * 0x1p-52 - 1;

    ntk_array_convert(NTK_DOUBLE, &value, dtype, ntk_array_at(dtype, array, k), 1);
  }
}

/* The selected rows of `from`, and in the padding rows of noise. */
static void gather(const problem *p, const void *from, const selection *s, void *to) {
  const size_t row = (size_t)p->k * ntk_dtype_size(p->dtype);

  fill(p->dtype, (uint64_t)s->first, ntk_pad(s->count) * p->k, to);
  for (int64_t i = 0; i < s->count; ++i) {
    const int64_t sample = (s->first + i * s->step) % SAMPLES;

    memcpy(ntk_array_at(p->dtype, to, i * p->k), ntk_array_const_at(p->dtype, from, sample * p->k),
           row);
  }
}

static double real_at(ntk_dtype dtype, const void *array, int64_t k) {
  double value = 0;

  ntk_array_convert(dtype, ntk_array_const_at(dtype, array, k), NTK_DOUBLE, &value, 1);
  return value;
}

static void compare(const problem *p, const void *part, int64_t at, int64_t whole_at) {
  const double got = real_at(p->dtype, part, at), wanted = real_at(p->dtype, p->whole, whole_at);
  const double epsilon = p->dtype == NTK_DOUBLE ? DBL_EPSILON : (double)FLT_EPSILON;

  if (ntk_blas_reproducible(p->dtype)) {
    if (got != wanted) FAIL("%s: k = %d, %a and %a", ntk_blas_core(), (int)p->k, got, wanted);
  } else {
    EXPECT_NEAR(got, wanted, 4 * epsilon * sqrt((double)p->k) * 4);
  }
}

static void check_pair(const problem *p, const selection *s, const selection *t, void *part,
                       int64_t ld) {
  for (int64_t i = 0; i < s->count; ++i) {
    for (int64_t j = 0; j < t->count; ++j) {
      compare(p, part, i * ld + j,
              (s->first + i * s->step) % SAMPLES * SAMPLES + (t->first + j * t->step) % SAMPLES);
    }
  }
}

/* Samples as M and as N, in a result with a row stride of its own. */
static void check_gram(const problem *p, void *rows, void *columns, void *part) {
  ntk_gemm(p->dtype, false, true, SAMPLES, SAMPLES, p->k, 1, p->a, p->k, p->b, p->k, 0, p->whole,
           SAMPLES);
  for (int u = 0; u < SELECTIONS; ++u) {
    gather(p, p->a, &selections[u], rows);
    for (int v = 0; v < SELECTIONS; v += 1 + (u & 1)) {
      const selection *s = &selections[u], *t = &selections[v];
      const int64_t ld = ntk_pad(t->count) + (v & 1);

      gather(p, p->b, t, columns);
      ntk_gemm(p->dtype, false, true, ntk_pad(s->count), ntk_pad(t->count), p->k, 1, rows, p->k,
               columns, p->k, 0, part, ld);
      check_pair(p, s, t, part, ld);
    }
  }
}

/* Entries from the diagonal on; in double only. */
static void check_own(const problem *p, double *own) {
  ntk_inner_products(NTK_DOUBLE, SAMPLES, p->a, SAMPLES, p->a, p->k, p->whole, SAMPLES);
  for (int64_t n = NTK_SAMPLE_PAD; n <= SAMPLES; n += 3 * NTK_SAMPLE_PAD) {
    for (int64_t k = 0; k < n * n; ++k) own[k] = k % n < k / n ? 77 : -1;
    ntk_own_products(n, p->a, p->k, own);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < i; ++j) EXPECT(own[i * n + j] == 77);
      for (int64_t j = i; j < n; ++j) compare(p, own, i * n + j, i * SAMPLES + j);
    }
  }
}

static ntk_status check_k(ntk_dtype dtype, int64_t k) {
  problem p = {.dtype = dtype, .k = k};
  void *rows = NULL, *columns = NULL, *part = NULL;

  NTK_TRY(ntk_array_new(dtype, SAMPLES * k, &p.a));
  NTK_TRY(ntk_array_new(dtype, SAMPLES * k, &p.b));
  NTK_TRY(ntk_array_new(dtype, SAMPLES * SAMPLES, &p.whole));
  NTK_TRY(ntk_array_new(dtype, SAMPLES * k, &rows));
  NTK_TRY(ntk_array_new(dtype, SAMPLES * k, &columns));
  NTK_TRY(ntk_array_new(dtype, SAMPLES * (SAMPLES + 1), &part));
  fill(dtype, 1, SAMPLES * k, p.a);
  fill(dtype, 2, SAMPLES * k, p.b);
  check_gram(&p, rows, columns, part);
  if (dtype == NTK_DOUBLE) check_own(&p, part);
  ntk_free(&p.a);
  ntk_free(&p.b);
  ntk_free(&p.whole);
  ntk_free(&rows);
  ntk_free(&columns);
  ntk_free(&part);
  return NTK_OK;
}

/* Starts anew with the kernel set of that name; false if the processor or the BLAS cannot. */
static bool use_core(char **argv) {
  const char *set = getenv("OPENBLAS_CORETYPE");

#ifdef __x86_64__
  if (strcmp(argv[1], "Haswell") == 0 && !__builtin_cpu_supports("avx2")) return false;
#endif
  if (!strstr(ntk_blas_config(), "DYNAMIC_ARCH")) return false;
  if (set && strcmp(set, argv[1]) == 0) return true;
  if (setenv("OPENBLAS_CORETYPE", argv[1], 1) == 0) (void)execv(argv[0], argv);
  perror(argv[0]);
  exit(1);
}

int main(int argc, char **argv) {
  static const int64_t ks[] = {1, 3, 17, 64, 200, 401, 784, MOST_K};

  if (argc > 1) {
    if (!use_core(argv)) return 0;
  } else {
    ntk_blas_adopt_core(argv);
  }
  MPI_Init(&argc, &argv);
  if (argc > 1) EXPECT_TEXT(ntk_blas_core(), argv[1]);
  for (size_t k = 0; k < sizeof(ks) / sizeof(*ks); ++k) {
    EXPECT_OK(check_k(NTK_DOUBLE, ks[k]));
    EXPECT_OK(check_k(NTK_SINGLE, ks[k]));
  }
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
