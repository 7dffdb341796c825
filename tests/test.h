/* test.h -- expectations for tests.  Never compiled out; silent unless one fails; a failure
 * on one rank stops all ranks. */
#ifndef NTK_TESTS_TEST_H
#define NTK_TESTS_TEST_H

#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ntk/base/array.h"
#include "ntk/base/error.h"
#include "ntk/base/memory.h"

/* Before all else in main: the BLAS kernels that the program itself would take, and MPI. */
static inline void begin_test(int *argc, char ***argv) {
  ntk_blas_adopt_core(*argv);
  MPI_Init(argc, argv);
}

#define FAIL(...)                                                         \
  do {                                                                    \
    int rank_ = 0;                                                        \
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);                                \
    (void)fprintf(stderr, "rank %d: %s:%d: ", rank_, __FILE__, __LINE__); \
    (void)fprintf(stderr, __VA_ARGS__);                                   \
    (void)fputc('\n', stderr);                                            \
    MPI_Abort(MPI_COMM_WORLD, 1);                                         \
    exit(1);                                                              \
  } while (0)

#define EXPECT(condition)                         \
  do {                                            \
    if (!(condition)) FAIL("not %s", #condition); \
  } while (0)

/* |a - b| <= tolerance; false for NaN */
#define EXPECT_NEAR(a, b, tolerance)                                            \
  do {                                                                          \
    const double a_ = (a), b_ = (b), t_ = (tolerance);                          \
    if (!(fabs(a_ - b_) <= t_)) FAIL("%s = %.17g, %s = %.17g", #a, a_, #b, b_); \
  } while (0)

#define EXPECT_TEXT(a, b)                                                      \
  do {                                                                         \
    const char *a_ = (a), *b_ = (b);                                           \
    if (strcmp(a_, b_) != 0) FAIL("%s = \"%s\", %s = \"%s\"", #a, a_, #b, b_); \
  } while (0)

#define EXPECT_STATUS(call, wanted)                                              \
  do {                                                                           \
    const ntk_status got_ = (call);                                              \
    if (got_ != (wanted))                                                        \
      FAIL("%s: %s [%s]", #call, ntk_status_text(got_), ntk_last_error()->text); \
  } while (0)

#define EXPECT_OK(call) EXPECT_STATUS(call, NTK_OK)

/* The call fails with that status, and its message contains `part`. */
#define EXPECT_REFUSED(call, wanted, part)                                       \
  do {                                                                           \
    EXPECT_STATUS(call, wanted);                                                 \
    if (!strstr(ntk_last_error()->text, (part)))                                 \
      FAIL("no \"%s\" in \"%s\"", (const char *)(part), ntk_last_error()->text); \
  } while (0)

/* The same bits, which for floating-point numbers says more than ==. */
static inline int same_bits(const void *a, const void *b, size_t size) {
  return memcmp(a, b, size) == 0;
}

/* Path of a file of the repository, whatever folder the test runs in. */
static inline const char *source_path(const char *relative) {
  static char path[4096];
  const char *root = getenv("NTK_SOURCE_DIR");

  (void)snprintf(path, sizeof(path), "%s/%s", root ? root : ".", relative);
  return path;
}

/* Runs a local job again and again, each time with one passage of one check made to fail: the
 * first and the last passage of every check that the job comes by.  Each such run must fail and
 * leave no memory behind; `job` itself destroys what it made.  Returns the number of those runs.
 *   files  only checks in source files whose path has this in it; "": all */
static inline int sweep_faults_in(const char *files, ntk_status (*job)(void *context),
                                  void *context) {
  const long balance = ntk_memory_balance();
  int runs = 0;

  ntk_fault_reset();
  EXPECT_OK(job(context));
  EXPECT(ntk_memory_balance() == balance);
  ntk_fault_reset();
  EXPECT_OK(job(context));
  for (ntk_fault_site *site = ntk_fault_sites(); site; site = site->next) {
    const long passages = site->passages;

    if (passages == 0 || !strstr(site->file, files)) continue;
    for (long p = 0; p<passages; p += passages> 1 ? passages - 1 : 1, ++runs) {
      ntk_fault_reset();
      ntk_fault_arm(site, p);
      if (job(context) == NTK_OK) FAIL("%s:%d: fault not seen", site->file, site->line);
      if (ntk_memory_balance() != balance) FAIL("%s:%d: memory left", site->file, site->line);
    }
    ntk_fault_reset();
    EXPECT_OK(job(context)); /* counts the passages of the next site again */
  }
  ntk_fault_reset();
  return runs;
}

static inline int sweep_faults(ntk_status (*job)(void *context), void *context) {
  return sweep_faults_in("", job, context);
}

#endif
