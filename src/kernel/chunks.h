/* chunks.h -- which columns of a kernel's matrices are computed in one pass over the factors;
 * private to this floor. */
#ifndef NTK_KERNEL_CHUNKS_H
#define NTK_KERNEL_CHUNKS_H

#include "ntk/kernel/kernel.h"

/* In the order in which they are computed. */
enum { NTK_CUT_GRAM, NTK_CUT_TEST_TRAIN, NTK_CUT_TEST_TEST, NTK_CUT_MATRICES };

/* Columns [first, first + count) of a matrix: a panel of its file, or all of them. */
typedef struct ntk_cut {
  int matrix;
  int64_t panel; /* -1: there is no file */
  int64_t first, count;
  int64_t chunk; /* that it belongs to; increasing */
} ntk_cut;

/* Zero-initialise; destroy. */
typedef struct ntk_chunks {
  int64_t count;
  ntk_cut *cut;
  int64_t begin, end; /* the chunk at work: cut[begin] ... cut[end - 1] */
} ntk_chunks;

/* Local.  All that is missing, cut into about keeping->chunks chunks of the same work (of the whole
 * kernel: fewer if much is there).  Without files one chunk of whole matrices.
 *   kernel  its matrices are created
 * Fails with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_chunks_plan(const ntk_kernel_keeping *keeping, const ntk_kernel *kernel,
                                       ntk_chunks *chunks);
void ntk_chunks_destroy(ntk_chunks *chunks);

/* Local.  Goes on to the next chunk; false if there is none. */
bool ntk_chunks_next(ntk_chunks *chunks);

/* Local.  Whether the chunk has columns of the matrix, and whether a later one has. */
bool ntk_chunk_has(const ntk_chunks *chunks, int matrix);
bool ntk_chunks_will_have(const ntk_chunks *chunks, int matrix);

/* Local.  The next run of adjacent cuts of a matrix in the chunk, at most `most` of them; false if
 * there is none.
 *   at   cut where to look, chunks->begin at first; moves on
 *   run  first cut of the run, with the columns of all of it
 *   cuts how many */
bool ntk_chunk_run(const ntk_chunks *chunks, int matrix, int64_t most, int64_t *at, ntk_cut *run,
                   int64_t *cuts);

/* Local.  The file of a matrix, NULL if there is none, and which of its matrices that is. */
ntk_checkpoint *ntk_cut_file(const ntk_kernel_keeping *keeping, int matrix, int64_t *k);

/* Local.  One of the kernel's matrices. */
ntk_matrix *ntk_cut_matrix(ntk_kernel *kernel, int matrix);

#endif
