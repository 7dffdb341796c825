#include "chunks.h"

#include <math.h>

#include "ntk/base/memory.h"

ntk_matrix *ntk_cut_matrix(ntk_kernel *k, int matrix) {
  return matrix == NTK_CUT_GRAM         ? &k->gram
         : matrix == NTK_CUT_TEST_TRAIN ? &k->test_train
                                        : &k->test_test;
}

ntk_checkpoint *ntk_cut_file(const ntk_kernel_keeping *keeping, int matrix, int64_t *k) {
  *k = matrix == NTK_CUT_TEST_TEST;
  if (!keeping) return NULL;
  return matrix == NTK_CUT_GRAM ? keeping->gram : keeping->test;
}

/* ---- work ------------------------------------------------------------------------------------ */

/* Entries of a cut: of a symmetric matrix those from the diagonal down. */
static double entries(const ntk_kernel *k, const ntk_cut *cut) {
  const ntk_matrix *m = ntk_cut_matrix((ntk_kernel *)k, cut->matrix);
  const double rows = (double)m->rows, first = (double)cut->first, count = (double)cut->count;

  if (cut->matrix == NTK_CUT_TEST_TRAIN) return rows * count;
  return count * (rows - first) - 0.5 * count * (count - 1);
}

static double all_entries(const ntk_kernel *k) {
  double sum = 0;

  for (int matrix = 0; matrix < NTK_CUT_MATRICES; ++matrix) {
    const ntk_matrix *m = ntk_cut_matrix((ntk_kernel *)k, matrix);
    const ntk_cut whole = {.matrix = matrix, .count = m->cols};

    if (m->rows > 0) sum += entries(k, &whole);
  }
  return sum;
}

/* ---- what is missing ------------------------------------------------------------------------- */

static int64_t most_cuts(const ntk_kernel_keeping *keeping, const ntk_kernel *kernel) {
  int64_t most = 0;

  for (int matrix = 0; matrix < NTK_CUT_MATRICES; ++matrix) {
    int64_t k = 0;
    const ntk_checkpoint *file = ntk_cut_file(keeping, matrix, &k);

    if (ntk_cut_matrix((ntk_kernel *)kernel, matrix)->rows == 0) continue;
    most += file ? ntk_checkpoint_panels(file, k) : 1;
  }
  return most;
}

static void list_panels(const ntk_checkpoint *file, int matrix, int64_t k, ntk_chunks *chunks) {
  for (int64_t p = 0; p < ntk_checkpoint_panels(file, k); ++p) {
    ntk_cut cut = {.matrix = matrix, .panel = p};

    if (ntk_checkpoint_has(file, k, p)) continue;
    ntk_checkpoint_range(file, k, p, &cut.first, &cut.count);
    chunks->cut[chunks->count++] = cut;
  }
}

static void list_cuts(const ntk_kernel_keeping *keeping, const ntk_kernel *kernel,
                      ntk_chunks *chunks) {
  for (int matrix = 0; matrix < NTK_CUT_MATRICES; ++matrix) {
    const ntk_matrix *m = ntk_cut_matrix((ntk_kernel *)kernel, matrix);
    int64_t k = 0;
    const ntk_checkpoint *file = ntk_cut_file(keeping, matrix, &k);

    if (m->rows == 0) continue;
    if (file)
      list_panels(file, matrix, k, chunks);
    else
      chunks->cut[chunks->count++] = (ntk_cut){matrix, -1, 0, m->cols, 0};
  }
}

/* A cut belongs to the chunk in which its middle lies. */
static void share_out(const ntk_kernel *kernel, int64_t wanted, ntk_chunks *chunks) {
  double missing = 0, before = 0;

  for (int64_t c = 0; c < chunks->count; ++c) missing += entries(kernel, &chunks->cut[c]);
  if (!(missing > 0)) return;
  const double count = fmax(1, ceil((double)wanted * missing / all_entries(kernel)));

  for (int64_t c = 0; c < chunks->count; ++c) {
    const double work = entries(kernel, &chunks->cut[c]);

    chunks->cut[c].chunk = (int64_t)(count * (before + 0.5 * work) / missing);
    before += work;
  }
}

ntk_status ntk_chunks_plan(const ntk_kernel_keeping *keeping, const ntk_kernel *kernel,
                           ntk_chunks *chunks) {
  NTK_TRY(NTK_NEW(most_cuts(keeping, kernel), &chunks->cut));
  list_cuts(keeping, kernel, chunks);
  if (keeping) share_out(kernel, keeping->chunks, chunks);
  return NTK_OK;
}

void ntk_chunks_destroy(ntk_chunks *chunks) {
  ntk_free(&chunks->cut);
  *chunks = (ntk_chunks){0};
}

/* ---- one after the other --------------------------------------------------------------------- */

bool ntk_chunks_next(ntk_chunks *chunks) {
  chunks->begin = chunks->end;
  while (chunks->end < chunks->count &&
         chunks->cut[chunks->end].chunk == chunks->cut[chunks->begin].chunk) {
    ++chunks->end;
  }
  return chunks->end > chunks->begin;
}

static bool is_among(const ntk_chunks *chunks, int matrix, int64_t begin, int64_t end) {
  for (int64_t c = begin; c < end; ++c) {
    if (chunks->cut[c].matrix == matrix) return true;
  }
  return false;
}

bool ntk_chunk_has(const ntk_chunks *chunks, int matrix) {
  return is_among(chunks, matrix, chunks->begin, chunks->end);
}

bool ntk_chunks_will_have(const ntk_chunks *chunks, int matrix) {
  return is_among(chunks, matrix, chunks->end, chunks->count);
}

bool ntk_chunk_run(const ntk_chunks *chunks, int matrix, int64_t most, int64_t *at, ntk_cut *run,
                   int64_t *cuts) {
  while (*at < chunks->end && chunks->cut[*at].matrix != matrix) ++*at;
  if (*at == chunks->end) return false;
  *run = chunks->cut[(*at)++];
  *cuts = 1;
  for (; *at < chunks->end && *cuts < most; ++*at, ++*cuts) {
    const ntk_cut *next = &chunks->cut[*at];

    if (next->matrix != matrix || next->first != run->first + run->count) break;
    run->count += next->count;
  }
  return true;
}
