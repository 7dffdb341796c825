/* panel.h -- the big files at once: block-cyclic matrices that are there written to a file, and
 * matrices read from files of any origin, panel by panel.  Datasets are [column][row], so full
 * columns are contiguous.  What is written while it is computed: checkpoint.h. */
#ifndef NTK_STORE_PANEL_H
#define NTK_STORE_PANEL_H

#include "ntk/base/record.h"
#include "ntk/dist/matrix.h"

/* One matrix of a big file and the names of its axes. */
typedef struct ntk_panel_matrix {
  const char *name;                   /* "ntk", "eigenvector" */
  const char *column_axis, *row_axis; /* dataset[column_axis][row_axis] */
  const char *long_name, *units, *source;
  const ntk_matrix *matrix;
} ntk_panel_matrix;

/* Collective.  Writes a complete file: small variables and attributes from `header` (rank 0's;
 * scales of the axes are added), then the matrices.  On disk when this returns.
 * Fails with NTK_E_CREATE, NTK_E_IO, NTK_E_MEMORY; no file under `path` then unless it was there
 * before, and no unfinished one. */
NTK_CHECKED ntk_status ntk_panel_write(const ntk_comm *comm, const char *path,
                                       const ntk_record *header, int64_t count,
                                       const ntk_panel_matrix *matrices);

/* Makes the content of matrix k, which may be the same one for all k.  Collective. */
typedef ntk_status ntk_panel_prepare(void *context, int64_t k);

/* Collective.  The same, with the matrices made one by one just before they are written. */
NTK_CHECKED ntk_status ntk_panel_write_prepared(const ntk_comm *comm, const char *path,
                                                const ntk_record *header, int64_t count,
                                                const ntk_panel_matrix *matrices,
                                                ntk_panel_prepare *prepare, void *context);

/* Reads columns [first, first + count) of a matrix, one after the other, each `rows` long, at most
 * ntk_panel_width of them.  Local, on rank 0. */
typedef ntk_status ntk_panel_source(void *context, int64_t first, int64_t count, int64_t rows,
                                    double *columns);

/* Local.  The most columns that a source is asked for at once. */
int64_t ntk_panel_width(const ntk_matrix *matrix);

/* Collective.  Fills the matrix (created already) with what rank 0's source gives. */
NTK_CHECKED ntk_status ntk_panel_fill(ntk_matrix *matrix, ntk_panel_source *source, void *context);

/* Collective.  Reads dataset `name` of a file into the matrix (created already, shape checked on
 * rank 0, panels read by rank 0 and handed out).  `transposed`: the dataset is [row][column].
 * A file that this program wrote is compared with its hashes before.
 * Fails with NTK_E_MISSING, NTK_E_INPUT (both shapes printed; NaN with its place; damaged). */
NTK_CHECKED ntk_status ntk_panel_read(const char *path, const char *name, bool transposed,
                                      ntk_matrix *matrix);

#endif
