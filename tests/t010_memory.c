/* Memory is zeroed, aligned and counted; what cannot be had is refused; an arena frees all its
 * pieces at once. */
//TEST ranks=1
#include "ntk/base/memory.h"

#include "test.h"

static void check_blocks(void) {
  const long balance = ntk_memory_balance();

  for (size_t count = 0; count < 300; count += 7) {
    double *block = NULL;

    EXPECT_OK(NTK_NEW(count, &block));
    EXPECT(block && (uintptr_t)block % 64 == 0);
    for (size_t k = 0; k < count; ++k) EXPECT(block[k] == 0);
    for (size_t k = 0; k < count; ++k) block[k] = 1; /* so that a reused block is not zero */
    EXPECT(ntk_memory_balance() == balance + 1);
    ntk_free(&block);
    EXPECT(!block && ntk_memory_balance() == balance);
    ntk_free(&block); /* nothing to free */
    EXPECT(ntk_memory_balance() == balance);
  }
}

static void check_refusals(void) {
  const long balance = ntk_memory_balance();
  char here = 0, *block = &here;

  EXPECT_REFUSED(ntk_new(SIZE_MAX / 2, 3, &block), NTK_E_MEMORY, "out of memory");
  EXPECT_REFUSED(ntk_new(SIZE_MAX, 1, &block), NTK_E_MEMORY, "out of memory");
  EXPECT_REFUSED(ntk_new(SIZE_MAX / 4, 1, &block), NTK_E_MEMORY, "out of memory");
  EXPECT(block == &here && ntk_memory_balance() == balance);
}

static void check_largest(void) {
  char *block = NULL;

  EXPECT_OK(ntk_new(1 << 20, 1, &block));
  ntk_free(&block);
  EXPECT(ntk_memory_largest() >= 1 << 20 && ntk_memory_largest() < 2 << 20);
}

/* Large blocks come back zeroed, and waiting for it they never raise the peak: many sizes one after
 * the other need no more than the largest alone (and what malloc itself adds). */
static void check_large_blocks(void) {
  enum { MIB = 1 << 20 };
  const double before = ntk_memory_peak();
  char *block = NULL;

  EXPECT(before >= 0);
  for (size_t mib = 4; mib <= 64; mib += 3) {
    EXPECT_OK(ntk_new(mib * MIB, 1, &block));
    for (size_t k = 0; k < mib * MIB; k += 4096) EXPECT(block[k] == 0);
    memset(block, 1, mib * MIB);
    ntk_free(&block);
  }
#ifndef NTK_SANITIZED /* sanitizers hold on to what is freed */
  if (before > 0) EXPECT(ntk_memory_peak() - before < 80.0 * MIB);
#endif
}

/* What goes back leaves no holes between blocks that stay: five out of six of these do not. */
static void check_holes(void) {
  enum { MIB = 1 << 20, MOST = 6, ROUNDS = 12 };
  char *block[MOST] = {0}, *between[ROUNDS] = {0};

  for (int round = 0; round < ROUNDS; ++round) {
    for (int k = 0; k < MOST; ++k) ntk_free(&block[k]);
    for (size_t k = 0; k < MOST; ++k) {
      const size_t bytes = (6 + (5 * (size_t)round + 7 * k) % 22) * MIB;

      EXPECT_OK(ntk_new(bytes, 1, &block[k]));
      if (k == 2) EXPECT_OK(ntk_new(150000, 1, &between[round]));
    }
  }
  for (int k = 0; k < MOST; ++k) ntk_free(&block[k]);
  for (int k = 0; k < ROUNDS; ++k) ntk_free(&between[k]);
#ifndef NTK_SANITIZED
  const double peak = ntk_memory_peak(); /* 0: unknown */

  if (peak > 0) EXPECT(peak < (double)ntk_memory_most() + 24.0 * MIB);
#endif
}

static ntk_status fill(void *context) {
  ntk_arena *arena = context;
  const char *copy = NULL;

  for (size_t bytes = 0; bytes < 40000; bytes += 613) {
    unsigned char *piece = NULL;

    NTK_TRY(ntk_arena_new(arena, bytes, &piece));
    EXPECT((uintptr_t)piece % 16 == 0);
    for (size_t k = 0; k < bytes; ++k) EXPECT(piece[k] == 0);
    memset(piece, 0xff, bytes);
    NTK_TRY(ntk_arena_copy(arena, "a text", &copy));
    EXPECT_TEXT(copy, "a text");
  }
  return NTK_OK;
}

static ntk_status arena_job(void *context) {
  ntk_arena arena = {0};
  const ntk_status status = fill(&arena);

  (void)context;
  ntk_arena_destroy(&arena);
  ntk_arena_destroy(&arena);
  return status;
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  check_blocks();
  check_refusals();
  check_largest();
  check_large_blocks();
  check_holes();
  EXPECT(sweep_faults(arena_job, NULL) >= 2);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
