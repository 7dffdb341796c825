#include "ntk/base/array.h"

#include <cblas.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "ntk/base/memory.h"

size_t ntk_dtype_size(ntk_dtype dtype) {
  return dtype == NTK_DOUBLE ? sizeof(double) : sizeof(float);
}

ntk_status ntk_array_new(ntk_dtype dtype, int64_t count, void *address) {
  NTK_ASSERT(count >= 0);
  return ntk_new((size_t)count, ntk_dtype_size(dtype), address);
}

ntk_status ntk_array_new_unset(ntk_dtype dtype, int64_t count, void *address) {
  NTK_ASSERT(count >= 0);
  return ntk_new_unset((size_t)count, ntk_dtype_size(dtype), address);
}

void *ntk_array_at(ntk_dtype dtype, void *array, int64_t k) {
  return (char *)array + k * (int64_t)ntk_dtype_size(dtype);
}

const void *ntk_array_const_at(ntk_dtype dtype, const void *array, int64_t k) {
  return (const char *)array + k * (int64_t)ntk_dtype_size(dtype);
}

double ntk_array_dot(ntk_dtype dtype, const void *array, int64_t i, int64_t j, int64_t length) {
  double sum = 0;

  for (int64_t k = 0; k < length; ++k) {
    sum += ntk_array_get(dtype, array, i * length + k) *
           ntk_array_get(dtype, array, j * length + k);
  }
  return sum;
}

static void widen(const float *restrict source, double *restrict target, int64_t count) {
  for (int64_t k = 0; k < count; ++k) target[k] = (double)source[k];
}

static void narrow(const double *restrict source, float *restrict target, int64_t count) {
  for (int64_t k = 0; k < count; ++k) target[k] = (float)source[k];
}

void ntk_array_convert(ntk_dtype from, const void *source, ntk_dtype to, void *target,
                       int64_t count) {
  if (from == NTK_SINGLE && to == NTK_DOUBLE) {
    widen(source, target, count);
  } else if (from == NTK_DOUBLE && to == NTK_SINGLE) {
    narrow(source, target, count);
  } else if (count > 0) {
    memcpy(target, source, (size_t)count * ntk_dtype_size(from));
  }
}

static int blas_int(int64_t value) {
  NTK_ASSERT(value >= 0 && value <= INT_MAX);
  return (int)value;
}

void ntk_gemm(ntk_dtype dtype, bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k,
              double alpha, const void *a, int64_t lda, const void *b, int64_t ldb, double beta,
              void *c, int64_t ldc) {
  const CBLAS_TRANSPOSE ta = transpose_a ? CblasTrans : CblasNoTrans;
  const CBLAS_TRANSPOSE tb = transpose_b ? CblasTrans : CblasNoTrans;
  const int rows = blas_int(m), columns = blas_int(n), inner = blas_int(k);
  const int la = blas_int(lda), lb = blas_int(ldb), lc = blas_int(ldc);

  if (m == 0 || n == 0) return;
  if (dtype == NTK_DOUBLE) {
    cblas_dgemm(CblasRowMajor, ta, tb, rows, columns, inner, alpha, a, la, b, lb, beta, c, lc);
  } else {
    cblas_sgemm(CblasRowMajor, ta, tb, rows, columns, inner, (float)alpha, a, la, b, lb,
                (float)beta, c, lc);
  }
}

/* Where k is cut.  OpenBLAS cuts it itself, into blocks of 128 elements and more, SYRK at other
 * places than GEMM; but at the same ones if k is a multiple of NTK_SAMPLE_PAD, and nowhere if it is
 * shorter than a block. */
static int64_t first_cut(int64_t k) {
  if (k % NTK_SAMPLE_PAD == 0 || k < INT64_C(2) * NTK_SAMPLE_PAD) return k;
  return k / NTK_SAMPLE_PAD * NTK_SAMPLE_PAD - NTK_SAMPLE_PAD;
}

void ntk_inner_products(ntk_dtype dtype, int64_t m, const void *a, int64_t n, const void *b,
                        int64_t k, void *c, int64_t ldc) {
  const int64_t cut = dtype == NTK_DOUBLE ? first_cut(k) : k;

  ntk_gemm(dtype, false, true, m, n, cut, 1, a, k, b, k, 0, c, ldc);
  if (cut == k) return;
  ntk_gemm(dtype, false, true, m, n, k - cut, 1, ntk_array_const_at(dtype, a, cut), k,
           ntk_array_const_at(dtype, b, cut), k, 1, c, ldc);
}

static void add_own_products(int64_t n, const double *a, int64_t lda, int64_t k, double beta,
                             double *c) {
  const int size = blas_int(n);

  cblas_dsyrk(CblasRowMajor, CblasUpper, CblasNoTrans, size, blas_int(k), 1, a, blas_int(lda), beta,
              c, size);
}

void ntk_own_products(int64_t n, const double *a, int64_t k, double *c) {
  const int64_t cut = first_cut(k);

  if (n == 0) return;
  add_own_products(n, a, k, cut, 0, c);
  if (cut < k) add_own_products(n, a + cut, k, k - cut, 1, c);
}

#ifdef NTK_HAVE_OPENBLAS

char *openblas_get_config(void);
char *openblas_get_corename(void);

const char *ntk_blas_config(void) {
  return openblas_get_config();
}

const char *ntk_blas_core(void) {
  return openblas_get_corename();
}

#else

const char *ntk_blas_config(void) {
  return "unknown";
}

const char *ntk_blas_core(void) {
  return "unknown";
}

#endif

/* Kernel sets of OpenBLAS: vector width in bits, and in which types their bits do not depend on
 * the samples beside. */
typedef struct kernel_set {
  const char *name;
  int width;
  bool repeats_double, repeats_single;
} kernel_set;

static const kernel_set kernel_sets[] = {
    {"Cooperlake", 512, true, true},
    {"SkylakeX", 512, true, true},
    {"Sapphirerapids", 512, false, false},
    {"Haswell", 256, true, false},
    {"Zen", 256, true, false},
    {"Excavator", 256, false, false},
    {"Steamroller", 256, false, false},
    {"Piledriver", 256, false, false},
    {"Bulldozer", 256, false, false},
    {"Sandybridge", 256, false, false},
    {"Prescott", 128, true, true},
    {NULL, 128, false, false},
};

static const kernel_set *kernel_set_of(const char *name) {
  const kernel_set *set = kernel_sets;

  while (set->name && strcasecmp(set->name, name) != 0) ++set;
  return set;
}

bool ntk_blas_reproducible(ntk_dtype dtype) {
  const kernel_set *set = kernel_set_of(ntk_blas_core());

  return dtype == NTK_DOUBLE ? set->repeats_double : set->repeats_single;
}

#if defined(NTK_HAVE_OPENBLAS) && defined(__x86_64__)

/* The widest kernel set that this processor and its operating system can run; NULL: any will do. */
static const char *best_set(void) {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    return __builtin_cpu_supports("avx512bf16") ? "Cooperlake" : "SkylakeX";
  }
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? "Haswell" : NULL;
}

/* By its own path, not by the link, which would name the process "exe". */
static void start_anew(char **argv) {
  char path[4096];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);

  if (length <= 0) return;
  path[length] = '\0';
  (void)execv(path, argv);
}

/* The variable is read when the library is loaded, so the program has to start anew.  It is set
 * then, and that start does not come here again. */
void ntk_blas_adopt_core(char **argv) {
  const char *best = best_set();

  if (!best || getenv("OPENBLAS_CORETYPE") || !strstr(ntk_blas_config(), "DYNAMIC_ARCH")) return;
  if (kernel_set_of(ntk_blas_core())->width >= kernel_set_of(best)->width) return;
  if (setenv("OPENBLAS_CORETYPE", best, 1) != 0) return;
  start_anew(argv);
  (void)unsetenv("OPENBLAS_CORETYPE"); /* could not start anew: go on with what is loaded */
}

#else

void ntk_blas_adopt_core(char **argv) {
  (void)argv;
}

#endif
