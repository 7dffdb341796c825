#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint_parts.h"
#include "ntk/base/crash.h"
#include "ntk/base/log.h"
#include "ntk/base/memory.h"

/* Memory of a rank for the columns on their way, so far as one panel leaves the choice. */
enum { RANK_DOUBLES = 4 << 20 };

/* Which rows of a column count; BOTH: all, with a hash for each of the two parts. */
typedef enum part { WHOLE, LOWER, UPPER, BOTH } part;

/* Panels [first, first + count) of one matrix on their way between memory and file. */
typedef struct passage {
  ntk_checkpoint *c;
  const ntk_checkpoint_shape *shape;
  int64_t offset; /* of the matrix in the file */
  part part;
  int64_t first, count;  /* panels */
  int64_t group;         /* panels at once */
  double *columns;       /* this rank's run of a group */
  uint64_t *hashes;      /* [count], of the columns of this rank; then of all */
  uint64_t *uppers;      /* [count], BOTH: likewise of what is above the diagonal */
} passage;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static ntk_status begin(passage *p) {
  const ntk_checkpoint_shape *s = p->shape;
  const int64_t ranks = p->c->comm.size, panel = s->width * s->rows;
  const int64_t fit = panel > 0 ? RANK_DOUBLES * ranks / panel : 1;

  p->group = fit > 1 ? least(fit, p->count > 0 ? p->count : 1) : 1;
  const int64_t columns = least(p->group * s->width, s->cols);

  NTK_TRY(NTK_NEW(p->count, &p->hashes));
  if (p->part == BOTH) NTK_TRY(NTK_NEW(p->count, &p->uppers));
  return ntk_new_unset((size_t)((columns / ranks + 2) * s->rows), sizeof(double), &p->columns);
}

static void end(passage *p) {
  ntk_free(&p->uppers);
  ntk_free(&p->hashes);
  ntk_free(&p->columns);
}

/* The rows of column j that count. */
static void find_rows(const passage *p, part which, int64_t j, int64_t *first, int64_t *count) {
  *first = which == LOWER ? j : 0;
  *count = which == UPPER ? j : p->shape->rows - *first;
}

/* Columns [first, first + count) of this rank, into the hashes of their panels: XOR over columns,
 * so that it does not matter who has which. */
static void hash_part(const passage *p, part which, int64_t first, int64_t count,
                      uint64_t *hashes) {
  for (int64_t j = first; j < first + count; ++j) {
    const double *column = p->columns + (j - first) * p->shape->rows;
    int64_t row = 0, rows = 0;

    find_rows(p, which, j, &row, &rows);
    hashes[j / p->shape->width - p->first] ^=
        ntk_hash_seeded(column + row, (size_t)rows * sizeof(double), (uint64_t)j);
  }
}

static void hash_columns(const passage *p, int64_t first, int64_t count) {
  hash_part(p, p->part == BOTH ? LOWER : p->part, first, count, p->hashes);
  if (p->part == BOTH) hash_part(p, UPPER, first, count, p->uppers);
}

/* Collective.  Hashes of this rank's columns become those of all columns. */
static void join(const passage *p, uint64_t *hashes) {
  for (int64_t at = 0; at < p->count; at += INT32_MAX) {
    MPI_Allreduce(MPI_IN_PLACE, hashes + at, (int)least(p->count - at, INT32_MAX), MPI_UINT64_T,
                  MPI_BXOR, p->c->comm.mpi);
  }
}

static void join_hashes(const passage *p) {
  join(p, p->hashes);
  if (p->part == BOTH) join(p, p->uppers);
}

/* The columns of panels [at, at + count), counted from the first of the matrix. */
static void find_columns(const passage *p, int64_t at, int64_t count, int64_t *first,
                         int64_t *columns) {
  *first = at * p->shape->width;
  *columns = least(p->shape->cols - *first, count * p->shape->width);
}

/* ---- writing --------------------------------------------------------------------------------- */

static ntk_status check_written(const passage *p, int error, int64_t j) {
  NTK_CHECK(!error, ntk_status_of_write(error, NTK_E_IO),
            "%s: cannot write '%s' at column %lld: %s", ntk_checkpoint_name(p->c),
            p->shape->name, (long long)j, strerror(error));
  return NTK_OK;
}

/* Whole columns stand one behind the other; parts of columns go one by one. */
static ntk_status write_columns(const passage *p, int64_t first, int64_t count) {
  const int64_t rows = p->shape->rows, size = sizeof(double);
  const bool whole = p->part == WHOLE || p->part == BOTH;
  int error = 0;
  int64_t j = first;

  hash_columns(p, first, count);
  if (whole) {
    error = ntk_bytes_write(p->c->file, p->offset + first * rows * size, count * rows * size,
                          p->columns);
  }
  for (; !whole && !error && j < first + count; ++j) {
    int64_t row = 0, length = 0;

    find_rows(p, p->part, j, &row, &length);
    error = ntk_bytes_write(p->c->file, p->offset + (j * rows + row) * size, length * size,
                          p->columns + (j - first) * rows + row);
  }
  if (!error) {
    ntk_bytes_flush_ahead(p->c->file, p->offset + first * rows * size, count * rows * size);
  }
  return check_written(p, error, j);
}

static ntk_status write_groups(const passage *p, const ntk_matrix *m) {
  for (int64_t at = p->first; at < p->first + p->count; at += p->group) {
    int64_t j = 0, columns = 0, first = 0, count = 0;

    find_columns(p, at, least(p->group, p->first + p->count - at), &j, &columns);
    NTK_TRY(ntk_matrix_columns(m, j, columns, &first, &count, p->columns));
    NTK_AGREE(&p->c->comm, write_columns(p, first, count));
    ntk_crash_point(p->part == UPPER ? "checkpoint.upper" : "checkpoint.data");
  }
  return NTK_OK;
}

static ntk_status sync_file(const ntk_checkpoint *c) {
  const int error = fdatasync(c->file) == 0 ? 0 : errno;

  NTK_CHECK(!error, ntk_status_of_write(error, NTK_E_IO), "%s: cannot bring to disk: %s",
            ntk_checkpoint_name(c), strerror(error));
  return NTK_OK;
}

static void expect_matrix(const ntk_checkpoint *c, int64_t k, const ntk_matrix *m) {
  NTK_ASSERT(k >= 0 && k < c->count);
  NTK_ASSERT(m->rows == c->shapes[k].rows && m->cols == c->shapes[k].cols);
  NTK_ASSERT(m->grid->comm->size == c->comm.size && m->grid->comm->rank == c->comm.rank);
}

static passage passage_of(ntk_checkpoint *c, int64_t k, part which, int64_t first, int64_t count) {
  NTK_ASSERT(first >= 0 && first + count <= c->shapes[k].panels);
  return (passage){.c = c,
                   .shape = &c->shapes[k],
                   .offset = c->trailer.parts[NTK_TRAILER_MATRICES + k].offset,
                   .part = which,
                   .first = first,
                   .count = count};
}

/* Collective.  Data on disk, and their hashes. */
static ntk_status write_panels(passage *p, const ntk_matrix *m) {
  NTK_AGREE(&p->c->comm, begin(p));
  NTK_TRY(write_groups(p, m));
  join_hashes(p);
  NTK_AGREE(&p->c->comm, sync_file(p->c));
  return NTK_OK;
}

/* Records [first, first + count) of all matrices; on rank 0. */
static ntk_status write_records(const ntk_checkpoint *c, int64_t first, int64_t count,
                                const char *step) {
  if (c->comm.rank != 0) return NTK_OK;
  NTK_TRY(ntk_journal_write(c->file, c->partial, &c->trailer, &c->journal, first, count));
  ntk_crash_point(step);
  return sync_file(c);
}

/* Collective. */
static ntk_status record_panels(const passage *p, const double *notes) {
  ntk_checkpoint *c = p->c;
  ntk_journal *j = &c->journal;
  const int64_t first = p->shape->first + p->first;
  const int64_t bytes = p->count * j->notes * (int64_t)sizeof(double);
  const uint64_t sequence = j->latest + 1;
  double *note = j->note + first * j->notes;

  if (bytes > 0) memset(note, 0, (size_t)bytes);
  if (bytes > 0 && notes && c->comm.rank == 0) memcpy(note, notes, (size_t)bytes);
  ntk_comm_broadcast(&c->comm, 0, note, bytes);
  for (int64_t k = 0; k < p->count; ++k) ntk_journal_set(j, first + k, p->hashes[k], sequence);
  return ntk_agree(&c->comm, write_records(c, first, p->count, "checkpoint.journal"));
}

static void forget_panels(const passage *p) {
  for (int64_t k = 0; k < p->count; ++k) {
    ntk_journal_forget(&p->c->journal, p->shape->first + p->first + k);
    p->c->has_upper[p->shape->first + p->first + k] = false;
  }
}

/* For finish: the journal has no place for them yet. */
static void remember_uppers(const passage *p, const uint64_t *hashes) {
  for (int64_t k = 0; k < p->count; ++k) {
    p->c->upper[p->shape->first + p->first + k] = hashes[k];
    p->c->has_upper[p->shape->first + p->first + k] = true;
  }
}

static ntk_status put(passage p, const ntk_matrix *matrix, const double *notes) {
  if (p.count == 0) return NTK_OK;
  NTK_ASSERT(!p.c->complete);
  forget_panels(&p);
  ntk_status status = write_panels(&p, matrix);
  if (status == NTK_OK) status = record_panels(&p, notes);
  if (status != NTK_OK) forget_panels(&p);
  if (status == NTK_OK && p.part == BOTH) remember_uppers(&p, p.uppers);
  end(&p);
  return status;
}

ntk_status ntk_checkpoint_write(ntk_checkpoint *c, int64_t k, const ntk_matrix *matrix,
                                int64_t first, int64_t count, const double *notes) {
  expect_matrix(c, k, matrix);
  const part which = c->shapes[k].symmetric ? LOWER : WHOLE;

  return put(passage_of(c, k, which, first, count), matrix, notes);
}

ntk_status ntk_checkpoint_write_mirrored(ntk_checkpoint *c, int64_t k, const ntk_matrix *matrix,
                                         int64_t first, int64_t count, const double *notes) {
  expect_matrix(c, k, matrix);
  const part which = c->shapes[k].symmetric ? BOTH : WHOLE;

  return put(passage_of(c, k, which, first, count), matrix, notes);
}

/* ---- reading --------------------------------------------------------------------------------- */

static ntk_status check_was_read(const passage *p, int error) {
  NTK_CHECK(!error, NTK_E_IO, "%s: cannot read '%s': %s", ntk_checkpoint_name(p->c),
            p->shape->name, strerror(error));
  return NTK_OK;
}

/* What is not read, above the diagonal, is 0. */
static ntk_status read_columns(const passage *p, int64_t first, int64_t count) {
  const int64_t rows = p->shape->rows, size = sizeof(double);
  int error = 0;

  if (p->part == WHOLE) {
    error = ntk_bytes_read(p->c->file, p->offset + first * rows * size, count * rows * size,
                         p->columns);
  }
  for (int64_t j = first; p->part != WHOLE && !error && j < first + count; ++j) {
    double *column = p->columns + (j - first) * rows;
    int64_t row = 0, length = 0;

    find_rows(p, p->part, j, &row, &length);
    memset(column, 0, (size_t)row * sizeof(double));
    error = ntk_bytes_read(p->c->file, p->offset + (j * rows + row) * size, length * size,
                         column + row);
  }
  NTK_TRY(check_was_read(p, error));
  hash_columns(p, first, count);
  return NTK_OK;
}

/* Forgets the panel if its data are not those of its record; true then. */
static bool is_wrong(const passage *p, int64_t panel) {
  ntk_checkpoint *c = p->c;
  const int64_t at = p->shape->first + panel;
  int64_t first = 0, count = 0;

  if (c->journal.records[at].data == p->hashes[panel - p->first]) return false;
  find_columns(p, panel, 1, &first, &count);
  ntk_journal_forget(&c->journal, at);
  ntk_log("%s: panel %lld of '%s' (columns %lld to %lld) does not match its hash; it is computed "
          "again",
          ntk_checkpoint_name(c), (long long)panel, p->shape->name, (long long)first,
          (long long)(first + count - 1));
  return true;
}

/* Zeros in the columns of forgotten panels.
 *   first, count  columns of this rank */
static bool drop_wrong(const passage *p, int64_t first, int64_t count) {
  const int64_t rows = p->shape->rows;
  bool wrong = false;

  for (int64_t panel = p->first; panel < p->first + p->count; ++panel) {
    int64_t from = 0, columns = 0;

    if (!is_wrong(p, panel)) continue;
    wrong = true;
    find_columns(p, panel, 1, &from, &columns);
    const int64_t last = least(from + columns, first + count);

    if (from < first) from = first;
    if (from >= last) continue;
    memset(p->columns + (from - first) * rows, 0, (size_t)((last - from) * rows) * sizeof(double));
  }
  return wrong;
}

/* Collective.  The panels from p->first on, so many as go at once. */
static ntk_status load_group(passage *p, ntk_matrix *m, bool *wrong) {
  int64_t j = 0, columns = 0, first = 0, count = 0;

  memset(p->hashes, 0, (size_t)p->count * sizeof(*p->hashes));
  find_columns(p, p->first, p->count, &j, &columns);
  ntk_matrix_run(m, j, columns, p->c->comm.rank, &first, &count);
  NTK_AGREE(&p->c->comm, read_columns(p, first, count));
  join_hashes(p);
  if (drop_wrong(p, first, count)) *wrong = true;
  return ntk_matrix_place_columns(m, j, columns, p->columns);
}

/* Collective.  Groups of neighbours that are written. */
static ntk_status load_panels(passage *p, int64_t k, ntk_matrix *m, bool *wrong) {
  const int64_t panels = p->shape->panels;

  NTK_AGREE(&p->c->comm, begin(p));
  for (int64_t at = 0; at < panels; at += p->count) {
    p->first = at;
    p->count = 1;
    if (!ntk_checkpoint_has(p->c, k, at)) continue;
    while (p->count < p->group && at + p->count < panels &&
           ntk_checkpoint_has(p->c, k, at + p->count)) {
      ++p->count;
    }
    NTK_TRY(load_group(p, m, wrong));
  }
  return NTK_OK;
}

/* A finished file that turned out to be damaged becomes an unfinished one. */
static ntk_status take_name_back(ntk_checkpoint *c) {
  return c->comm.rank == 0 ? ntk_durable_rename(c->path, c->partial) : NTK_OK;
}

static ntk_status unfinish(ntk_checkpoint *c) {
  NTK_AGREE(&c->comm, take_name_back(c));
  c->complete = false;
  NTK_TRY(ntk_checkpoint_reopen(c));
  ntk_journal_forget(&c->journal, c->panels);
  return ntk_agree(&c->comm, write_records(c, c->panels, 1, "checkpoint.unfinish"));
}

ntk_status ntk_checkpoint_load(ntk_checkpoint *c, int64_t k, ntk_matrix *matrix) {
  expect_matrix(c, k, matrix);
  passage p = passage_of(c, k, c->shapes[k].symmetric ? LOWER : WHOLE, 0, c->shapes[k].panels);
  bool wrong = false;
  ntk_status status = load_panels(&p, k, matrix, &wrong);

  end(&p);
  if (status == NTK_OK && wrong && c->complete) status = unfinish(c);
  return status;
}

/* ---- finishing ------------------------------------------------------------------------------- */

/* Collective.  The part above the diagonal, of all panels; where all are there, it is not looked at. */
static ntk_status write_upper(ntk_checkpoint *c, int64_t k, const ntk_matrix *m) {
  const bool *there = c->has_upper + c->shapes[k].first;
  int64_t panels = 0;

  while (panels < c->shapes[k].panels && there[panels]) ++panels;
  if (panels == c->shapes[k].panels) return NTK_OK;
  expect_matrix(c, k, m);
  passage p = passage_of(c, k, UPPER, 0, c->shapes[k].panels);
  const ntk_status status = write_panels(&p, m);

  if (status == NTK_OK) remember_uppers(&p, p.hashes);
  end(&p);
  return status;
}

/* Of what stands above the diagonals of all symmetric matrices. */
static uint64_t hash_uppers(const ntk_checkpoint *c) {
  uint64_t hash = 0;

  for (int64_t k = 0; k < c->count; ++k) {
    const ntk_checkpoint_shape *s = &c->shapes[k];

    for (int64_t panel = 0; s->symmetric && panel < s->panels; ++panel) {
      hash = ntk_hash_seeded(&c->upper[s->first + panel], sizeof(*c->upper), hash);
    }
  }
  return hash;
}

static ntk_status publish(const ntk_checkpoint *c) {
  if (c->comm.rank != 0) return NTK_OK;
  NTK_TRY(ntk_durable_rename(c->partial, c->path));
  ntk_crash_point("checkpoint.rename");
  return NTK_OK;
}

static ntk_status finish(ntk_checkpoint *c, const ntk_matrix *const *matrices) {
  for (int64_t k = 0; k < c->count; ++k) {
    if (c->shapes[k].symmetric) NTK_TRY(write_upper(c, k, matrices[k]));
  }
  ntk_journal_set(&c->journal, c->panels, hash_uppers(c), c->journal.latest + 1);
  NTK_AGREE(&c->comm, write_records(c, c->panels, 1, "checkpoint.last"));
  NTK_AGREE(&c->comm, publish(c));
  c->complete = true;
  return NTK_OK;
}

ntk_status ntk_checkpoint_finish(ntk_checkpoint *c, const ntk_matrix *const *matrices) {
  if (c->complete) return NTK_OK;
  for (int64_t p = 0; p < c->panels; ++p) NTK_ASSERT(ntk_journal_has(&c->journal, p));
  const ntk_status status = finish(c, matrices);

  if (status != NTK_OK) ntk_journal_forget(&c->journal, c->panels);
  return status;
}
