/* checkpoint.h -- a big file with known entries: a matrix, and three notes a panel. */
#ifndef NTK_TESTS_CHECKPOINT_H
#define NTK_TESTS_CHECKPOINT_H

#include "folder.h"
#include "ntk/dist/grid.h"
#include "ntk/store/checkpoint.h"

enum { NOTES = 3 };

/* A file of one matrix. */
typedef struct subject {
  const ntk_comm *comm;
  const char *path;
  int64_t rows, cols;
  bool symmetric;
} subject;

static inline double entry_of(const subject *s, int64_t i, int64_t j) {
  const int64_t low = i > j ? i : j, high = i > j ? j : i;

  return s->symmetric ? 1 + (double)low + 1e-3 * (double)high : 1 + (double)i + 1e-3 * (double)j;
}

/* A matrix on the grid; nothing above the diagonal may be looked at before it is mirrored. */
static inline void make_matrix(const subject *s, const ntk_grid *grid, int64_t block, bool mirrored,
                               ntk_matrix *m) {
  EXPECT_OK(ntk_matrix_create(grid, s->rows, s->cols, block, m));
  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    for (int64_t li = 0; li < m->local_rows; ++li) {
      const int64_t i = ntk_matrix_row(m, li), j = ntk_matrix_col(m, lj);
      const bool hidden = s->symmetric && !mirrored && i < j;

      m->data[li + lj * m->ld] = hidden ? NAN : entry_of(s, i, j);
    }
  }
}

static inline ntk_checkpoint_matrix shape_of(const subject *s) {
  return (ntk_checkpoint_matrix){.name = "ntk",
                                 .column_axis = "sample2",
                                 .row_axis = "sample",
                                 .long_name = "neural tangent kernel",
                                 .units = "1",
                                 .source = "B.1",
                                 .rows = s->rows,
                                 .cols = s->cols,
                                 .symmetric = s->symmetric};
}

typedef ntk_status opener(const ntk_comm *, const char *, const ntk_checkpoint_content *,
                          ntk_checkpoint **);

static inline ntk_status open_subject(const subject *s, opener *how, ntk_checkpoint **c) {
  const ntk_checkpoint_matrix matrix = shape_of(s);
  const ntk_checkpoint_content content = {.key = "key",
                                          .count = 1,
                                          .matrices = &matrix,
                                          .notes = NOTES,
                                          .machine = "test"};

  return how(s->comm, s->path, &content, c);
}

typedef ntk_status writer(ntk_checkpoint *, int64_t, const ntk_matrix *, int64_t, int64_t,
                          const double *);

static inline ntk_status write_panel_by(writer *how, ntk_checkpoint *c, const ntk_matrix *m,
                                        int64_t first, int64_t count) {
  double notes[64 * NOTES] = {0};

  for (int64_t k = 0; k < count * NOTES; ++k) notes[k] = (double)(first * NOTES + k);
  return how(c, 0, m, first, count, notes);
}

static inline ntk_status write_panel(ntk_checkpoint *c, const ntk_matrix *m, int64_t first,
                                     int64_t count) {
  return write_panel_by(ntk_checkpoint_write, c, m, first, count);
}

/* Whether the panel of column j is there. */
static inline bool has_column(const ntk_checkpoint *c, int64_t j) {
  int64_t first = 0, count = 1;

  if (ntk_checkpoint_panels(c, 0) == 0) return false;
  ntk_checkpoint_range(c, 0, 0, &first, &count);
  return ntk_checkpoint_has(c, 0, j / count);
}

/* Loads into a matrix of `unset` entries: those of panels that are there are right, the others
 * unset, or 0 where the panel was forgotten just now.  Returns the number of panels. */
static inline int64_t expect_loaded(const subject *s, ntk_checkpoint *c, const ntk_grid *grid,
                                    int64_t block) {
  const double unset = -5;
  ntk_matrix m = {0};
  int64_t panels = 0;

  EXPECT_OK(ntk_matrix_create(grid, s->rows, s->cols, block, &m));
  for (int64_t k = 0; k < m.ld * m.local_cols; ++k) m.data[k] = unset;
  EXPECT_OK(ntk_checkpoint_load(c, 0, &m));
  for (int64_t lj = 0; lj < m.local_cols; ++lj) {
    for (int64_t li = 0; li < m.local_rows; ++li) {
      const int64_t i = ntk_matrix_row(&m, li), j = ntk_matrix_col(&m, lj);
      const double value = m.data[li + lj * m.ld];

      if (!has_column(c, j)) EXPECT(value == unset || value == 0);
      else EXPECT(value == (s->symmetric && i < j ? 0 : entry_of(s, i, j)));
    }
  }
  for (int64_t p = 0; p < ntk_checkpoint_panels(c, 0); ++p) {
    const double *notes = ntk_checkpoint_notes(c, 0, p);

    EXPECT(!notes == !ntk_checkpoint_has(c, 0, p));
    for (int64_t k = 0; notes && k < NOTES; ++k) EXPECT(notes[k] == (double)(p * NOTES + k));
    if (notes) ++panels;
  }
  ntk_matrix_destroy(&m);
  return panels;
}

/* Panels from `first` on that are all missing. */
static inline int64_t count_missing(const ntk_checkpoint *c, int64_t first) {
  int64_t count = 0;

  while (first + count < ntk_checkpoint_panels(c, 0) && !ntk_checkpoint_has(c, 0, first + count)) {
    ++count;
  }
  return count;
}

/* Writes what is missing, and finishes. */
static inline ntk_status complete_subject(const subject *s, ntk_checkpoint *c, const ntk_grid *grid,
                                          int64_t block) {
  ntk_matrix m = {0};
  ntk_status status = NTK_OK;

  make_matrix(s, grid, block, true, &m);
  for (int64_t p = 0; status == NTK_OK && p < ntk_checkpoint_panels(c, 0); ++p) {
    status = write_panel(c, &m, p, count_missing(c, p));
  }
  if (status == NTK_OK) status = ntk_checkpoint_finish(c, (const ntk_matrix *[]){&m});
  ntk_matrix_destroy(&m);
  return status;
}

#endif
