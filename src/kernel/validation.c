#include "ntk/kernel/validation.h"

/* Local rows are in increasing global order, so the first rows of a matrix are the first ones of
 * every rank: fewer rows, or again as many as there is memory for. */
static void set_rows(ntk_matrix *m, int64_t rows) {
  m->rows = rows;
  m->local_rows = ntk_dealt(rows, m->block, m->grid->row, m->grid->rows);
  m->descriptor[2] = (int)rows;
}

static void set_cols(ntk_matrix *m, int64_t cols) {
  m->cols = cols;
  m->local_cols = ntk_dealt(cols, m->block, m->grid->col, m->grid->cols);
  m->descriptor[3] = (int)cols;
}

void ntk_kernel_part_validation(ntk_kernel *k, int64_t count) {
  const int64_t rows = (k->m - count) * k->rows_per_sample;

  if (count == 0) return;
  NTK_ASSERT(count <= k->m && k->validation == 0);
  k->m -= count;
  k->validation = count;
  set_rows(&k->test_train, rows);
  if (k->test_test.rows == 0) return;
  set_rows(&k->test_test, rows);
  set_cols(&k->test_test, rows);
}

ntk_matrix ntk_kernel_held_out(const ntk_kernel *k) {
  ntk_matrix whole = k->test_train;

  if (k->validation > 0) set_rows(&whole, (k->m + k->validation) * k->rows_per_sample);
  return whole;
}
