/* Samples reach the ranks that compute them, and their factors the rows and columns that need them.
 *
 * Method: entry k of sample s is known, so every panel can be checked on every grid, in both types,
 * for kernels with one and with several rows a sample; 70000 entries take several messages. */
//TEST ranks=1,2,3,4,6 args="50 1 8 70000"
//TEST ranks=2,4       args="7 1 64 9"
//TEST ranks=1,4       args="1 1 1 9"
//TEST ranks=2,6       args="129 3 8 9"
//TEST ranks=4         args="20 10 1 9"
//TEST ranks=3         args="130 1 1 9"
#include "ntk/dist/deal.h"

#include <stdlib.h>
#include <string.h>

#include "ntk/base/memory.h"
#include "test.h"

static double value(int64_t sample, int64_t k) { return (double)(sample * 1000 + k) - 3; }

static void test_lists(const ntk_deal *d) {
  const ntk_matrix *m = d->matrix;

  for (int64_t l = 0; l < m->local_rows; ++l) {
    EXPECT(d->row_sample[d->row_slot[l]] == ntk_matrix_row(m, l) / d->rows_per_sample);
  }
  for (int64_t s = 1; s < d->row_count; ++s) EXPECT(d->row_sample[s - 1] < d->row_sample[s]);
  EXPECT(d->own_first >= 0 && d->own_count >= 0 && d->own_first + d->own_count <= d->row_count);
  EXPECT(d->own_count <= d->row_count / m->grid->cols + 1);
  for (int64_t l = 0; l < m->local_cols && d->col_sample; ++l) {
    EXPECT(d->col_sample[d->col_slot[l]] == ntk_matrix_col(m, l) / d->rows_per_sample);
  }
}

/* Samples go out from rank 0 and come back, to everybody. */
static void test_there_and_back(const ntk_deal *d, int64_t samples, int64_t width) {
  double *all = NULL, *own = NULL;

  EXPECT_OK(NTK_NEW(samples * width, &all));
  EXPECT_OK(NTK_NEW(ntk_pad(d->own_count) * width, &own));
  for (int64_t k = 0; k < samples * width; ++k) all[k] = value(k / width, k % width);
  EXPECT_OK(ntk_deal_scatter(d, width, d->matrix->grid->comm->rank == 0 ? all : NULL, own));
  for (int64_t s = 0; s < d->own_count; ++s) {
    for (int64_t k = 0; k < width; ++k) {
      EXPECT(own[s * width + k] == value(d->row_sample[d->own_first + s], k));
    }
  }
  for (int64_t k = 0; k < samples * width; ++k) all[k] = NAN;
  EXPECT_OK(ntk_deal_collect(d, width, own, all));
  for (int64_t k = 0; k < samples * width; ++k) EXPECT(all[k] == value(k / width, k % width));
  ntk_free(&all);
  ntk_free(&own);
}

static double element(ntk_dtype dtype, const void *array, int64_t k) {
  return dtype == NTK_DOUBLE ? ((const double *)array)[k] : (double)((const float *)array)[k];
}

static void test_panel(ntk_dtype dtype, int64_t count, const int64_t *sample, int64_t width,
                       const void *panel) {
  for (int64_t s = 0; s < count; ++s) {
    for (int64_t k = 0; k < width; ++k) {
      EXPECT(element(dtype, panel, s * width + k) == value(sample[s], k));
    }
  }
}

static void test_panels(const ntk_deal *d, ntk_dtype dtype, int64_t width) {
  void *own = NULL, *rows = NULL, *cols = NULL;

  EXPECT_OK(ntk_array_new(dtype, ntk_pad(d->own_count) * width, &own));
  EXPECT_OK(ntk_array_new(dtype, ntk_pad(d->row_count) * width, &rows));
  EXPECT_OK(ntk_array_new(dtype, ntk_pad(d->col_count) * width, &cols));
  for (int64_t s = 0; s < d->own_count; ++s) {
    for (int64_t k = 0; k < width; ++k) {
      double v = value(d->row_sample[d->own_first + s], k);
      ntk_array_convert(NTK_DOUBLE, &v, dtype, ntk_array_at(dtype, own, s * width + k), 1);
    }
  }
  ntk_deal_gather_rows(d, dtype, width, own, rows);
  test_panel(dtype, d->row_count, d->row_sample, width, rows);
  if (d->col_sample) {
    EXPECT_OK(ntk_deal_gather_cols(d, dtype, width, rows, cols));
    test_panel(dtype, d->col_count, d->col_sample, width, cols);
  }
  ntk_free(&own);
  ntk_free(&rows);
  ntk_free(&cols);
}

static void test_grid(const ntk_grid *grid, int64_t samples, int64_t outputs, int64_t block,
                      int64_t width) {
  for (int columns = 0; columns < 2; ++columns) {
    ntk_matrix m = {0};
    ntk_deal d = {0};

    EXPECT_OK(ntk_matrix_create(grid, samples * outputs, columns ? samples * outputs : 5, block,
                                &m));
    EXPECT_OK(ntk_deal_create(&m, outputs, columns, &d));
    test_lists(&d);
    test_there_and_back(&d, samples, 1);
    test_there_and_back(&d, samples, 17);
    test_panels(&d, NTK_DOUBLE, 3);
    test_panels(&d, NTK_SINGLE, 5);
    test_panels(&d, NTK_DOUBLE, width);
    ntk_deal_destroy(&d);
    ntk_deal_destroy(&d);
    ntk_matrix_destroy(&m);
  }
}

/* No samples at all is a valid deal. */
static void test_empty(const ntk_grid *grid) {
  ntk_matrix m = {0};
  ntk_deal d = {0};

  EXPECT_OK(ntk_matrix_create(grid, 0, 9, 4, &m));
  EXPECT_OK(ntk_deal_create(&m, 1, false, &d));
  EXPECT(d.row_count == 0 && d.own_count == 0);
  test_there_and_back(&d, 0, 3);
  test_panels(&d, NTK_DOUBLE, 3);
  ntk_deal_destroy(&d);
  ntk_matrix_destroy(&m);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD);
  EXPECT(argc == 5);

  int64_t samples = strtol(argv[1], NULL, 10), outputs = strtol(argv[2], NULL, 10);
  for (int r = 1; r <= comm.size; ++r) {
    ntk_grid grid = {0};

    if (comm.size % r != 0) continue;
    EXPECT_OK(ntk_grid_create(&comm, r, comm.size / r, &grid));
    test_grid(&grid, samples, outputs, strtol(argv[3], NULL, 10), strtol(argv[4], NULL, 10));
    test_empty(&grid);
    ntk_grid_destroy(&grid);
  }
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
