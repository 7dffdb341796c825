/* checkpoint.h -- the big files: matrices that are written panel by panel, and survive a crash
 * between any two instructions.
 *
 * While it grows a file is called "<path>.partial"; its own name it gets when it is finished.  A
 * panel is a range of full columns, the same ones on every grid; of a symmetric matrix it has the
 * rows from the diagonal down.  It counts as written once its data are on disk on every rank and
 * its record, with the hash of the data, stands in the file's journal.  A file that was left
 * unfinished is continued on any number of ranks; what does not match its hash is forgotten, and
 * has to be computed again.
 *
 *   open                      finished: load, close.  Else:
 *   load                      what is there already
 *   for the panels that it has not: compute, write
 *   finish(mirrored), close
 *
 * The same file can hold the state of a long computation that goes on: two matrices written in
 * turn, of which the one with the larger ntk_checkpoint_sequence in all panels is the latest.
 *
 * HDF5 makes the file once, with all metadata, on rank 0; then every rank writes its own columns
 * with plain system calls at the places that HDF5 has reserved.  Metadata never change, and are
 * covered by a hash behind HDF5's end of the file (trailer.h).  One writer at a time: who opens a
 * file for writing holds the lock of its unit of work. */
#ifndef NTK_STORE_CHECKPOINT_H
#define NTK_STORE_CHECKPOINT_H

#include "ntk/base/record.h"
#include "ntk/dist/matrix.h"

typedef struct ntk_checkpoint ntk_checkpoint;

/* One matrix of a file: dataset `name` is [column_axis][row_axis], [cols][rows]. */
typedef struct ntk_checkpoint_matrix {
  const char *name;                      /* "ntk", "eigenvector", "layers/readout/W" */
  const char *column_axis, *row_axis;    /* two different names */
  const char *long_name, *units, *source; /* NULL: "" */
  int64_t rows, cols;
  bool symmetric; /* square; only the rows from the diagonal down are computed and read */
} ntk_checkpoint_matrix;

/* What a file holds; the same on all ranks but for the header, which only rank 0 looks at. */
typedef struct ntk_checkpoint_content {
  const char *key;          /* of the stage: a file of another key is not continued */
  const ntk_record *header; /* small variables and attributes, all known now; may be NULL */
  int64_t count;            /* of the matrices, > 0 */
  const ntk_checkpoint_matrix *matrices;
  int64_t notes;       /* numbers that go with each panel, often 0 */
  const char *machine; /* what the last bits depend on (ntk_blas_core()); NULL: "".  A file that was
                        * begun on another one is continued, and a line of the log says so */
} ntk_checkpoint_content;

/* Collective.  Looks for a file of this content (all but the header): a finished one, or one that
 * can be continued.  One that is of another content, or damaged, is left where it is, and a line
 * of the log says why it is of no use.  Nothing of the matrices is read yet.
 *   comm        borrowed; all matrices that are written or loaded live on grids of its ranks
 *   path        of the finished file; the same on all ranks
 *   content     borrowed until this returns
 *   checkpoint  owned by the caller (ntk_checkpoint_close); NULL if there is no such file
 * Fails with NTK_E_IO, NTK_E_CREATE (not visible on all nodes), NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_checkpoint_find(const ntk_comm *comm, const char *path,
                                           const ntk_checkpoint_content *content,
                                           ntk_checkpoint **checkpoint);

/* Collective.  Begins a new file, with disk space for all of it; an unfinished one is removed, a
 * finished one stays until this one is finished.  The folder exists.  Arguments as above.
 * Fails with NTK_E_CREATE, NTK_E_IO (no room), NTK_E_MEMORY; no unfinished file then. */
NTK_CHECKED ntk_status ntk_checkpoint_create(const ntk_comm *comm, const char *path,
                                             const ntk_checkpoint_content *content,
                                             ntk_checkpoint **checkpoint);

/* Collective.  Finds or else creates. */
NTK_CHECKED ntk_status ntk_checkpoint_open(const ntk_comm *comm, const char *path,
                                           const ntk_checkpoint_content *content,
                                           ntk_checkpoint **checkpoint);

/* Local.  Lets go of the file, finished or not, and sets the pointer to NULL; NULL is fine. */
void ntk_checkpoint_close(ntk_checkpoint **checkpoint);

/* Local.  Removes the file if it is unfinished, on disk; still to be closed. */
void ntk_checkpoint_abandon(const ntk_checkpoint *checkpoint);

/* Local.  Removes the file, finished and unfinished; nothing is fine.  Fails with NTK_E_IO. */
NTK_CHECKED ntk_status ntk_checkpoint_discard(const char *path);

/* Local.  Whether the file is finished: all panels there, and under its own name. */
bool ntk_checkpoint_complete(const ntk_checkpoint *checkpoint);

/* Local.  The panels of matrix k: how many (0 if it is empty); columns [first, first + count) of
 * one; whether it is written (so far as is known: a load may find out that it is damaged); which
 * write of the file that was, from 1 on, 0 if it is not written; its notes, [notes], borrowed
 * until the next write or load, NULL if it is not written.  The same on all ranks. */
int64_t ntk_checkpoint_panels(const ntk_checkpoint *checkpoint, int64_t k);
void ntk_checkpoint_range(const ntk_checkpoint *checkpoint, int64_t k, int64_t panel,
                          int64_t *first, int64_t *count);
bool ntk_checkpoint_has(const ntk_checkpoint *checkpoint, int64_t k, int64_t panel);
int64_t ntk_checkpoint_sequence(const ntk_checkpoint *checkpoint, int64_t k, int64_t panel);
const double *ntk_checkpoint_notes(const ntk_checkpoint *checkpoint, int64_t k, int64_t panel);

/* Local.  Columns of a panel of a rows x cols matrix, from its shape alone: about 16 panels, of
 * at most 64 MiB each, and multiples of 64 columns where that leaves 16; at least 1. */
int64_t ntk_checkpoint_width(int64_t rows, int64_t cols);

/* Collective.  Reads the panels of matrix k that are written, whatever grid wrote them, and checks
 * their hashes.  A panel that does not match is forgotten (ntk_checkpoint_has), its columns become
 * 0, and a line of the log names file and panel; a finished file is then an unfinished one.
 *   matrix  of its shape, on any grid and block; columns of panels that are not written are left
 *           as they are.  Symmetric: the strict upper part of the columns that are read becomes
 *           0; the caller mirrors (ntk_matrix_mirror_lower) when all panels are in.
 * Fails with NTK_E_IO, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_checkpoint_load(ntk_checkpoint *checkpoint, int64_t k,
                                           ntk_matrix *matrix);

/* Collective.  Writes panels [first, first + count) of matrix k.  When this returns NTK_OK they
 * are on disk with their records, all at once: data, sync on every rank, then the journal.  A
 * panel may be written again; until that has returned it counts as not written.
 *   matrix  of its shape; symmetric: only entries on and below the diagonal are looked at
 *   notes   rank 0: [count][notes], NULL: zeros; elsewhere not looked at
 * Fails with NTK_E_IO (a full disk), NTK_E_MEMORY; other panels stay as they were. */
NTK_CHECKED ntk_status ntk_checkpoint_write(ntk_checkpoint *checkpoint, int64_t k,
                                            const ntk_matrix *matrix, int64_t first,
                                            int64_t count, const double *notes);

/* Collective.  The same of a matrix that is mirrored already, if it is symmetric: what stands above
 * the diagonal goes to disk at the same time, in long pieces, and finish has less to do. */
NTK_CHECKED ntk_status ntk_checkpoint_write_mirrored(ntk_checkpoint *checkpoint, int64_t k,
                                                     const ntk_matrix *matrix, int64_t first,
                                                     int64_t count, const double *notes);

/* Collective.  Finishes a file of which all panels are written: the strict upper parts of
 * symmetric matrices, sync, last record, its own name.  A finished file is left as it is.
 *   matrices  [count] of the content, those of symmetric matrices mirrored; others may be NULL, and
 *             all of it where none is symmetric
 * Fails with NTK_E_IO, NTK_E_MEMORY; the file is then an unfinished one with all its panels. */
NTK_CHECKED ntk_status ntk_checkpoint_finish(ntk_checkpoint *checkpoint,
                                             const ntk_matrix *const *matrices);

/* Local.  How far the file at `path` is, without changing anything: panels written, and all of
 * them; 0 of 0 if there is none, or none that could be continued. */
void ntk_checkpoint_progress(const char *path, int64_t *written, int64_t *panels);

#endif
