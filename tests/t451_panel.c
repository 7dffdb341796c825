/* A big file holds the matrix to the bit, whatever grid, block and shape wrote it, and whatever
 * grid reads it; a failure leaves no file.
 *
 * Method: entry (i, j) = 1 + i + 1000 j, for a table of shapes and blocks; the file is compared by
 * a serial reader, entry by entry, and read back into matrices of other blocks; every refusal.  The
 * checks are made to fail by t464. */
//TEST ranks=1,2,3,4
#include "ntk/store/panel.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>

#include "folder.h"
#include "ntk/dist/grid.h"
#include "ntk/store/file.h"
#include "ntk/store/handle.h"

static char folder[4096];
static ntk_comm comm;
static ntk_grid grid;

static double entry(int64_t i, int64_t j) { return 1 + (double)i + 1000 * (double)j; }

static void fill(ntk_matrix *m) {
  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    for (int64_t li = 0; li < m->local_rows; ++li) {
      m->data[li + lj * m->ld] = entry(ntk_matrix_row(m, li), ntk_matrix_col(m, lj));
    }
  }
}

static void expect_filled(const ntk_matrix *m, bool transposed) {
  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    for (int64_t li = 0; li < m->local_rows; ++li) {
      const int64_t i = ntk_matrix_row(m, li), j = ntk_matrix_col(m, lj);

      EXPECT(m->data[li + lj * m->ld] == (transposed ? entry(j, i) : entry(i, j)));
    }
  }
}

static ntk_status make_header(int64_t cols, ntk_record *header) {
  static const ntk_field sample = {"sample", "sample", "1", "training sample", "", NTK_KIND_INT};
  int64_t *index = NULL;

  NTK_TRY(ntk_record_add(header, &sample, &cols, &index));
  for (int64_t k = 0; k < cols; ++k) index[k] = k;
  return ntk_record_set_text(header, "key", "k");
}

static bool is_big(const ntk_matrix *m) { return m->rows * m->cols > 1000000; }

static ntk_status write_matrices(const char *path, const ntk_record *header, const ntk_matrix *m) {
  const ntk_panel_matrix matrices[] = {
      {"ntk", "sample", "sample2", "neural tangent kernel", "1", "B.1", m},
      {"copy", "sample", "sample2", "the same again", "1", NULL, m},
  };

  return ntk_panel_write(&comm, path, header, is_big(m) ? 1 : 2, matrices);
}

/* What a serial reader finds. */
static void expect_file(const char *path, int64_t rows, int64_t cols, const char *name) {
  ntk_variable v = {0};

  EXPECT_OK(ntk_file_read_variable(path, name, &v));
  EXPECT(v.rank == 2 && v.kind == NTK_KIND_REAL && v.size[0] == cols && v.size[1] == rows);
  EXPECT_TEXT(v.dimension[0], "sample");
  EXPECT_TEXT(v.dimension[1], "sample2");
  for (int64_t k = 0; k < v.count; ++k) {
    EXPECT(((double *)v.data)[k] == entry(k % rows, k / rows));
  }
  ntk_variable_destroy(&v);
}

static void expect_read(const char *path, int64_t rows, int64_t cols, int64_t block) {
  ntk_matrix m = {0};

  EXPECT_OK(ntk_matrix_create(&grid, rows, cols, block, &m));
  EXPECT_OK(ntk_panel_read(path, "ntk", false, &m));
  expect_filled(&m, false);
  ntk_matrix_destroy(&m);
  EXPECT_OK(ntk_matrix_create(&grid, cols, rows, block, &m));
  EXPECT_OK(ntk_panel_read(path, "ntk", true, &m));
  expect_filled(&m, true);
  ntk_matrix_destroy(&m);
}

static void expect_refusals(const char *path, ntk_matrix *m, const ntk_record *header) {
  ntk_matrix odd = {0};

  EXPECT_OK(ntk_matrix_create(&grid, m->rows + 1, m->cols + 2, 8, &odd));
  EXPECT_REFUSED(ntk_panel_read(path, "ntk", false, &odd), NTK_E_INPUT, "is needed");
  ntk_matrix_destroy(&odd);
  EXPECT_REFUSED(ntk_panel_read(path, "sample", false, m), NTK_E_INPUT, "1 dimensions");
  EXPECT_REFUSED(ntk_panel_read(path, "absent", false, m), NTK_E_INPUT, "absent");
  EXPECT_REFUSED(ntk_panel_read(folder_path(folder, "no.h5"), "ntk", false, m), NTK_E_MISSING,
                 "no.h5");
  EXPECT_REFUSED(write_matrices(folder_path(folder, "no/x.h5"), header, m), NTK_E_CREATE,
                 "no/x.h5");
}

/* NaN is found, and named by its place. */
static void expect_nan_refused(const char *path, ntk_matrix *m, const ntk_record *header) {
  const int64_t i = m->rows / 2, j = m->cols - 1;
  char place[64];

  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    for (int64_t li = 0; li < m->local_rows; ++li) {
      if (ntk_matrix_row(m, li) == i && ntk_matrix_col(m, lj) == j) m->data[li + lj * m->ld] = NAN;
    }
  }
  EXPECT_OK(write_matrices(path, header, m));
  (void)snprintf(place, sizeof(place), "'ntk'[%lld, %lld]", (long long)j, (long long)i);
  EXPECT_REFUSED(ntk_panel_read(path, "ntk", false, m), NTK_E_INPUT, place);
  fill(m);
}

/* A disk that is full, as a limit on the size of files shows it.  The old file stays. */
static void expect_full_disk(const char *path, const ntk_matrix *m, const ntk_record *header) {
  struct rlimit old, small;

  EXPECT(getrlimit(RLIMIT_FSIZE, &old) == 0);
  small = old;
  small.rlim_cur = 65536;
  (void)signal(SIGXFSZ, SIG_IGN);
  EXPECT(setrlimit(RLIMIT_FSIZE, &small) == 0);
  EXPECT_STATUS(write_matrices(path, header, m), NTK_E_IO);
  EXPECT(setrlimit(RLIMIT_FSIZE, &old) == 0);
  MPI_Barrier(comm.mpi);
  EXPECT(folder_count(folder, ".tmp") == 0 && folder_count(folder, ".partial") == 0);
}

static void test(int64_t rows, int64_t cols, int64_t block) {
  const char *const path = "gram.h5";
  char full[4400];
  ntk_matrix m = {0};
  ntk_record header = {0};

  (void)snprintf(full, sizeof(full), "%s", folder_path(folder, path));
  EXPECT_OK(ntk_matrix_create(&grid, rows, cols, block, &m));
  EXPECT_OK(make_header(cols, &header));
  fill(&m);
  EXPECT_OK(write_matrices(full, &header, &m));
  EXPECT(folder_count(folder, ".partial") == 0);
  if (comm.rank == 0) expect_file(full, rows, cols, "ntk");
  if (comm.rank == 0 && !is_big(&m)) expect_file(full, rows, cols, "copy");
  for (int64_t b = is_big(&m) ? 64 : 1; b <= 64; b *= 8) expect_read(full, rows, cols, b);
  expect_refusals(full, &m, &header);
  if (rows * cols > 10000) expect_full_disk(full, &m, &header);
  if (!is_big(&m)) {
    expect_read(full, rows, cols, block);
    if (rows > 0) expect_nan_refused(full, &m, &header);
  }
  ntk_record_destroy(&header);
  ntk_matrix_destroy(&m);
}

int main(int argc, char **argv) {
  static const struct {
    int64_t rows, cols, block;
    int ranks; /* 0: any number */
  } cases[] = {
      {1, 1, 8, 0},   {7, 7, 1, 0}, {7, 7, 64, 0},       {129, 129, 8, 0},    {129, 50, 64, 0},
      {3, 129, 1, 0}, {0, 5, 8, 0}, {2100, 2050, 64, 1}, {2100, 4100, 64, 2}, /* several panels */
  };

  begin_test(&argc, &argv);
  comm = ntk_comm_of(MPI_COMM_WORLD);
  if (comm.rank == 0) folder_make(folder);
  MPI_Bcast(folder, sizeof(folder), MPI_BYTE, 0, comm.mpi);
  EXPECT_OK(ntk_grid_create(&comm, 0, 0, &grid));
  for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); ++k) {
    if (cases[k].ranks > 0 && comm.size != cases[k].ranks) continue;
    test(cases[k].rows, cases[k].cols, cases[k].block);
    MPI_Barrier(comm.mpi);
  }
  ntk_grid_destroy(&grid);
  EXPECT(ntk_memory_balance() == 0);
  if (comm.rank == 0) folder_remove(folder);
  MPI_Finalize();
  return 0;
}
