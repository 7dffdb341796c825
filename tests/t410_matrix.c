/* Every function of a block-cyclic matrix agrees with the same thing done on a whole copy, on any
 * grid and for any block, and a rank's failure is everybody's.
 *
 * Method: entry (i, j) is a known function of i and j, so each rank can say what it should get. */
//TEST ranks=1,2,4,6 args="64 48 8"
//TEST ranks=1,4,6   args="7 9 64"
//TEST ranks=1,2,4,6 args="1 1 1"
//TEST ranks=3,6     args="101 101 1"
//TEST ranks=2,4,6   args="300 513 33"
#include "ntk/dist/matrix.h"

#include <stdlib.h>
#include <string.h>

#include "ntk/base/memory.h"
#include "ntk/dist/scalapack.h"
#include "test.h"

static double entry(int64_t i, int64_t j) { return sin(1.0 + (double)(3 * i + 7 * j)) + 0.25; }

static void fill(ntk_matrix *m) {
  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    for (int64_t li = 0; li < m->local_rows; ++li) {
      m->data[li + lj * m->ld] = entry(ntk_matrix_row(m, li), ntk_matrix_col(m, lj));
    }
  }
}

static void test_shape(const ntk_matrix *m) {
  const ntk_grid *g = m->grid;
  const int rows = (int)m->rows, cols = (int)m->cols, block = (int)m->block;
  int where[4];

  EXPECT(m->local_rows == numroc_(&rows, &block, &g->row, &(int){0}, &g->rows));
  EXPECT(m->local_cols == numroc_(&cols, &block, &g->col, &(int){0}, &g->cols));
  Cblacs_gridinfo(g->context, &where[0], &where[1], &where[2], &where[3]);
  EXPECT(where[0] == g->rows && where[1] == g->cols && where[2] == g->row && where[3] == g->col);
  for (int64_t i = 0, below = 0; i <= m->rows; ++i) {
    EXPECT(ntk_matrix_rows_below(m, i) == below);
    if (below < m->local_rows && ntk_matrix_row(m, below) == i) ++below;
  }
  for (int64_t j = 0, below = 0; j <= m->cols; ++j) {
    EXPECT(ntk_matrix_cols_below(m, j) == below);
    if (below < m->local_cols && ntk_matrix_col(m, below) == j) ++below;
  }
}

/* Fills one triangle with entry(), the other with junk. */
static void fill_triangle(ntk_matrix *m, bool lower, double junk) {
  fill(m);
  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    for (int64_t li = 0; li < m->local_rows; ++li) {
      int64_t i = ntk_matrix_row(m, li), j = ntk_matrix_col(m, lj);
      if (lower ? i < j : i > j) m->data[li + lj * m->ld] = junk;
    }
  }
}

static void test_mirror(ntk_matrix *m, bool lower) {
  fill_triangle(m, lower, NAN);
  EXPECT_OK(lower ? ntk_matrix_mirror_lower(m) : ntk_matrix_mirror_upper(m));
  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    for (int64_t li = 0; li < m->local_rows; ++li) {
      int64_t i = ntk_matrix_row(m, li), j = ntk_matrix_col(m, lj);
      bool there = lower ? i >= j : i <= j;
      EXPECT(m->data[li + lj * m->ld] == (there ? entry(i, j) : entry(j, i)));
    }
  }
}

static void test_diagonal(const ntk_matrix *m) {
  int64_t n = m->rows < m->cols ? m->rows : m->cols;
  double *diagonal = NULL;

  EXPECT_OK(NTK_NEW(n, &diagonal));
  EXPECT_OK(ntk_matrix_diagonal(m, diagonal));
  for (int64_t i = 0; i < n; ++i) EXPECT(diagonal[i] == entry(i, i));
  ntk_free(&diagonal);
}

static void test_apply(const ntk_matrix *m, bool transposed, int64_t k) {
  int64_t in = transposed ? m->rows : m->cols, out = transposed ? m->cols : m->rows;
  double *x = NULL, *y = NULL;

  EXPECT_OK(NTK_NEW(in * k, &x));
  EXPECT_OK(NTK_NEW(out * k, &y));
  for (int64_t l = 0; l < in * k; ++l) x[l] = cos((double)l);
  for (int64_t l = 0; l < out * k; ++l) y[l] = NAN;
  EXPECT_OK(ntk_matrix_apply(m, transposed, k, x, y));
  for (int64_t a = 0; a < out; ++a) {
    for (int64_t c = 0; c < k; ++c) {
      double sum = 0;
      for (int64_t b = 0; b < in; ++b) {
        sum += (transposed ? entry(b, a) : entry(a, b)) * x[b * k + c];
      }
      EXPECT_NEAR(y[a * k + c], sum, 1e-12 * (double)(in + 1));
    }
  }
  ntk_free(&x);
  ntk_free(&y);
}

static void test_window(const ntk_matrix *m, int64_t i0, int64_t j0, int64_t rows, int64_t cols) {
  double *window = NULL;

  EXPECT_OK(NTK_NEW(rows * cols, &window));
  EXPECT_OK(ntk_matrix_window(m, i0, j0, rows, cols, window));
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < cols; ++j) EXPECT(window[i * cols + j] == entry(i0 + i, j0 + j));
  }
  ntk_free(&window);
}

static void test_pick(const ntk_matrix *m) {
  int64_t row[] = {m->rows - 1, 0, m->rows / 2, 0}, col[] = {m->cols / 3, m->cols - 1, 0};
  double picked[12];

  EXPECT_OK(ntk_matrix_pick(m, 4, row, 3, col, picked));
  for (int a = 0; a < 4; ++a) {
    for (int b = 0; b < 3; ++b) EXPECT(picked[3 * a + b] == entry(row[a], col[b]));
  }
}

/* Columns out, changed, and back in. */
static void test_columns(ntk_matrix *m, int64_t j0, int64_t cols) {
  int size = m->grid->comm->size;
  int64_t room = (cols + size - 1) / size + 1, first = -1, count = -1;
  double *panel = NULL, all = 0;

  EXPECT_OK(NTK_NEW(room * m->rows, &panel));
  EXPECT_OK(ntk_matrix_columns(m, j0, cols, &first, &count, panel));
  EXPECT(count >= 0 && count <= room && first >= j0 && first + count <= j0 + cols);
  for (int64_t j = 0; j < count; ++j) {
    for (int64_t i = 0; i < m->rows; ++i) {
      EXPECT(panel[j * m->rows + i] == entry(i, first + j));
      panel[j * m->rows + i] += 1;
    }
  }
  all = (double)count;
  ntk_comm_sum(m->grid->comm, &all, 1);
  EXPECT(all == (double)cols);

  EXPECT_OK(ntk_matrix_place_columns(m, j0, cols, panel));
  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    int64_t j = ntk_matrix_col(m, lj);
    for (int64_t li = 0; li < m->local_rows; ++li) {
      double was = entry(ntk_matrix_row(m, li), j);
      EXPECT(m->data[li + lj * m->ld] == (j >= j0 && j < j0 + cols ? was + 1 : was));
    }
  }
  fill(m);
  ntk_free(&panel);
}

static void test_measure(ntk_matrix *m) {
  int64_t n = m->rows;
  ntk_matrix_facts facts;
  double squares = 0, trace = 0, largest = 0, asymmetry = 0;
  int64_t row = 0, col = 0;

  for (int64_t i = 0; i < n; ++i) {
    trace += i < m->cols ? entry(i, i) : 0;
    for (int64_t j = 0; j < m->cols; ++j) {
      squares += entry(i, j) * entry(i, j);
      largest = fmax(largest, fabs(entry(i, j)));
      if (n != m->cols || fabs(entry(i, j) - entry(j, i)) <= asymmetry || j > i) continue;
      asymmetry = fabs(entry(i, j) - entry(j, i));
      row = i;
      col = j;
    }
  }
  EXPECT_OK(ntk_matrix_measure(m, &facts));
  EXPECT_NEAR(facts.sum_of_squares, squares, 1e-12 * squares);
  EXPECT_NEAR(facts.trace, trace, 1e-12 * (double)(n + m->cols));
  EXPECT(facts.largest == largest && facts.finite);
  EXPECT(facts.asymmetry == asymmetry && facts.worst_row == row && facts.worst_col == col);
}

/* One bad entry, on the one rank that owns it, is everybody's. */
static void test_not_finite(ntk_matrix *m, double bad) {
  int64_t li = ntk_matrix_rows_below(m, m->rows - 1), lj = ntk_matrix_cols_below(m, 0);
  bool owner = li < m->local_rows && lj < m->local_cols && ntk_matrix_col(m, lj) == 0;
  ntk_matrix_facts facts;

  if (owner) m->data[li + lj * m->ld] = bad;
  EXPECT_OK(ntk_matrix_measure(m, &facts));
  EXPECT(!facts.finite);
  if (owner) m->data[li + lj * m->ld] = entry(m->rows - 1, 0);
}

static void test_refusals(const ntk_grid *grid) {
  ntk_matrix m = {0};
  ntk_grid other = {0};
  char hint[64];

  EXPECT_STATUS(ntk_matrix_create(grid, 1 << 20, 1 << 20, 64, &m), NTK_E_SIZE);
  snprintf(hint, sizeof(hint), "use at least %d ranks", 513);
  EXPECT(strstr(ntk_last_error()->text, hint));
  ntk_matrix_destroy(&m);
  EXPECT_STATUS(ntk_matrix_create(grid, (int64_t)1 << 32, 1, 64, &m), NTK_E_SIZE);
  ntk_matrix_destroy(&m);
  EXPECT_STATUS(ntk_grid_create(grid->comm, grid->comm->size + 1, 1, &other), NTK_E_CONFIG);
  EXPECT_STATUS(ntk_grid_create(grid->comm, 0, grid->comm->size, &other), NTK_E_CONFIG);
  ntk_grid_destroy(&other);
}

static void test_grid(const ntk_grid *grid, int64_t rows, int64_t cols, int64_t block) {
  ntk_matrix m = {0}, square = {0};

  EXPECT_OK(ntk_matrix_create(grid, rows, cols, block, &m));
  test_shape(&m);
  fill(&m);
  test_diagonal(&m);
  for (int transposed = 0; transposed < 2; ++transposed) {
    test_apply(&m, transposed, 1);
    test_apply(&m, transposed, 3);
    test_apply(&m, transposed, 0);
  }
  test_window(&m, 0, 0, rows, cols);
  test_window(&m, rows / 2, cols / 3, rows - rows / 2, cols / 2);
  test_window(&m, rows, cols, 0, 0);
  test_pick(&m);
  test_columns(&m, 0, cols);
  test_columns(&m, cols / 3, cols / 2);
  test_columns(&m, cols, 0);
  test_measure(&m);
  test_not_finite(&m, NAN);
  test_not_finite(&m, -INFINITY);

  EXPECT_OK(ntk_matrix_create(grid, rows, rows, block, &square));
  test_mirror(&square, true);
  test_mirror(&square, false);
  fill(&square);
  test_measure(&square);
  ntk_matrix_destroy(&square);
  ntk_matrix_destroy(&m);
  ntk_matrix_destroy(&m);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD);
  EXPECT(argc == 4);

  int64_t rows = strtol(argv[1], NULL, 10), cols = strtol(argv[2], NULL, 10);
  int64_t block = strtol(argv[3], NULL, 10);
  for (int r = 1; r <= comm.size; ++r) {
    ntk_grid grid = {0};

    if (comm.size % r != 0) continue;
    EXPECT_OK(ntk_grid_create(&comm, r, comm.size / r, &grid));
    test_grid(&grid, rows, cols, block);
    if (r == 1) test_refusals(&grid);
    ntk_grid_destroy(&grid);
    ntk_grid_destroy(&grid);
  }
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
