/* A big file that is written panel by panel, in any order, each panel on another grid, block and
 * number of ranks than the one before, holds the matrix to the bit; and says what it holds.
 *
 * Method: for shapes of all kinds, before every panel the file is closed, opened on the next of a
 * few grids and loaded; nothing above the diagonal is there before the end (NaN).  The finished
 * file is read by a serial reader, entry by entry. */
//TEST ranks=1,2,3,4,6
#include <fcntl.h>

#include "checkpoint.h"
#include "ntk/store/durable.h"
#include "ntk/store/file.h"
#include "ntk/store/panel.h"

/* Grids of all ranks, of all but one, and of one. */
enum { GRIDS = 4 };

static char folder[4096], path[4400], partial[4400];
static ntk_comm comm, fewer, alone;
static ntk_grid grids[GRIDS];

static bool is_mine(int g) { return g < 2 || (g == 2 ? comm.rank < fewer.size : comm.rank == 0); }

static void make_grids(void) {
  MPI_Comm part = MPI_COMM_NULL, self = MPI_COMM_NULL;
  const int in = comm.size == 1 || comm.rank < comm.size - 1;

  MPI_Comm_split(comm.mpi, in ? 0 : 1, 0, &part);
  MPI_Comm_split(comm.mpi, comm.rank, 0, &self);
  fewer = ntk_comm_of(part);
  alone = ntk_comm_of(self);
  if (!in) fewer.size = comm.size - 1; /* not to be used there */
  EXPECT_OK(ntk_grid_create(&comm, 0, 0, &grids[0]));
  EXPECT_OK(ntk_grid_create(&comm, comm.size, 1, &grids[1]));
  if (is_mine(2)) EXPECT_OK(ntk_grid_create(&fewer, 1, fewer.size, &grids[2]));
  EXPECT_OK(ntk_grid_create(&alone, 0, 0, &grids[3]));
}

static void destroy_grids(void) {
  for (int g = 0; g < GRIDS; ++g) {
    if (is_mine(g) || g == 3) ntk_grid_destroy(&grids[g]);
  }
  MPI_Comm_free(&fewer.mpi);
  MPI_Comm_free(&alone.mpi);
}

/* One panel more: what was there before is there again. */
static void add_panel(subject *s, int64_t step, int64_t panel) {
  const int g = (int)(step % GRIDS);
  const int64_t block = (int64_t[]){1, 8, 64}[step % 3];
  ntk_checkpoint *c = NULL;
  ntk_matrix m = {0};

  s->comm = g < 2 ? &comm : g == 2 ? &fewer : &alone;
  if (is_mine(g)) {
    EXPECT_OK(open_subject(s, ntk_checkpoint_open, &c));
    EXPECT(!ntk_checkpoint_complete(c));
    EXPECT(expect_loaded(s, c, &grids[g], block) == step);
    EXPECT(!ntk_checkpoint_has(c, 0, panel) && ntk_checkpoint_sequence(c, 0, panel) == 0);
    make_matrix(s, &grids[g], block, false, &m);
    EXPECT_OK(write_panel(c, &m, panel, 1));
    EXPECT(ntk_checkpoint_has(c, 0, panel));
    EXPECT(ntk_checkpoint_sequence(c, 0, panel) == step + 1);
    ntk_matrix_destroy(&m);
    ntk_checkpoint_close(&c);
    ntk_checkpoint_close(&c);
  }
  MPI_Barrier(comm.mpi);
}

static int64_t count_panels(const subject *s) {
  const int64_t width = ntk_checkpoint_width(s->rows, s->cols);

  return s->rows > 0 ? (s->cols + width - 1) / width : 0;
}

/* Where the number of panels and the step have no common divisor: all panels, in another order. */
static void write_all(subject *s) {
  const int64_t panels = count_panels(s), stride = panels % 7 ? 7 : 5;
  int64_t written = 0, all = 0;

  for (int64_t k = 0; k < panels; ++k) add_panel(s, k, k * stride % panels);
  ntk_checkpoint_progress(s->path, &written, &all);
  EXPECT(written == panels && all == panels);
}

static void expect_file(const subject *s) {
  ntk_variable v = {0};

  EXPECT_OK(ntk_file_read_variable(s->path, "ntk", &v));
  EXPECT(v.rank == 2 && v.size[0] == s->cols && v.size[1] == s->rows);
  for (int64_t k = 0; k < v.count; ++k) {
    EXPECT(((double *)v.data)[k] == entry_of(s, k % s->rows, k / s->rows));
  }
  ntk_variable_destroy(&v);
}

static void expect_finished(subject *s) {
  ntk_checkpoint *c = NULL;

  s->comm = &comm;
  EXPECT_OK(open_subject(s, ntk_checkpoint_find, &c));
  EXPECT(c && ntk_checkpoint_complete(c));
  EXPECT(expect_loaded(s, c, &grids[1], 8) == count_panels(s));
  EXPECT_OK(ntk_checkpoint_finish(c, NULL)); /* is already */
  ntk_checkpoint_close(&c);
  if (comm.rank == 0) expect_file(s);
}

static void expect_unfinished(const subject *s) {
  ntk_variable v = {0};
  int64_t size = 0;

  EXPECT_REFUSED(ntk_file_read_variable(partial, "ntk", &v), NTK_E_INPUT, "unfinished");
  EXPECT_STATUS(ntk_file_read_variable(s->path, "ntk", &v), NTK_E_MISSING);
  EXPECT(rename(partial, s->path) == 0); /* by hand */
  EXPECT_REFUSED(ntk_durable_examine(s->path, &size), NTK_E_INPUT, "unfinished");
  EXPECT(rename(s->path, partial) == 0);
}

static void test(int64_t rows, int64_t cols, bool symmetric) {
  subject s = {.path = path, .rows = rows, .cols = cols, .symmetric = symmetric, .comm = &comm};
  ntk_checkpoint *c = NULL;

  write_all(&s);
  s.comm = &comm;
  EXPECT_OK(open_subject(&s, ntk_checkpoint_open, &c));
  if (comm.rank == 0) expect_unfinished(&s);
  MPI_Barrier(comm.mpi);
  EXPECT_OK(complete_subject(&s, c, &grids[0], 8));
  EXPECT(ntk_checkpoint_complete(c));
  ntk_checkpoint_close(&c);
  expect_finished(&s);
  MPI_Barrier(comm.mpi);
  if (comm.rank == 0) EXPECT_OK(ntk_checkpoint_discard(path));
  MPI_Barrier(comm.mpi);
  if (comm.rank == 0) EXPECT(folder_count(folder, "") == 0);
  EXPECT_OK(open_subject(&s, ntk_checkpoint_find, &c));
  EXPECT(!c);
}

/* A panel may be written again; a new file takes the place of an unfinished one. */
static void test_again(void) {
  subject s = {.path = path, .rows = 9, .cols = 9, .comm = &comm};
  ntk_checkpoint *c = NULL;
  ntk_matrix m = {0};

  make_matrix(&s, &grids[0], 2, true, &m);
  EXPECT_OK(open_subject(&s, ntk_checkpoint_open, &c));
  EXPECT_OK(write_panel(c, &m, 0, 0)); /* nothing */
  EXPECT_OK(write_panel(c, &m, 0, 9));
  EXPECT_OK(write_panel(c, &m, 3, 2));
  EXPECT(ntk_checkpoint_sequence(c, 0, 3) == 2 && ntk_checkpoint_sequence(c, 0, 5) == 1);
  ntk_checkpoint_close(&c);
  EXPECT_OK(open_subject(&s, ntk_checkpoint_open, &c));
  EXPECT(expect_loaded(&s, c, &grids[1], 1) == 9 && ntk_checkpoint_sequence(c, 0, 3) == 2);
  EXPECT_OK(ntk_checkpoint_write(c, 0, &m, 4, 1, NULL));
  EXPECT(ntk_checkpoint_notes(c, 0, 4)[NOTES - 1] == 0);
  ntk_checkpoint_close(&c);
  EXPECT_OK(open_subject(&s, ntk_checkpoint_create, &c));
  EXPECT(expect_loaded(&s, c, &grids[1], 1) == 0);
  MPI_Barrier(comm.mpi);
  if (comm.rank == 0) ntk_checkpoint_abandon(c);
  ntk_checkpoint_close(&c);
  MPI_Barrier(comm.mpi);
  if (comm.rank == 0) EXPECT(folder_count(folder, "") == 0);
  ntk_matrix_destroy(&m);
}

/* Panels by the shape alone: at least four from 100 columns on, at most 64 MiB, multiples of 64
 * where there are enough. */
static void test_width(void) {
  for (int64_t n = 1; n < 200000; n += 1 + n / 3) {
    const int64_t width = ntk_checkpoint_width(n, n), panels = (n + width - 1) / width;

    EXPECT(width >= 1 && width <= n && (width < 64 || width % 64 == 0));
    EXPECT(width == 1 || width * n * 8 <= 64 << 20);
    EXPECT(n < 100 || panels >= 4);
  }
  EXPECT(ntk_checkpoint_width(0, 5) >= 1 && ntk_checkpoint_width((int64_t)1 << 40, 5) == 1);
}

int main(int argc, char **argv) {
  static const struct {
    int64_t rows, cols;
    bool symmetric;
  } cases[] = {{1, 1, true},    {7, 7, true},     {64, 64, true},   {129, 129, true},
               {300, 300, true}, {129, 50, false}, {50, 129, false}, {0, 5, false}, {5, 0, false}};

  begin_test(&argc, &argv);
  comm = ntk_comm_of(MPI_COMM_WORLD);
  if (comm.rank == 0) folder_make(folder);
  MPI_Bcast(folder, sizeof(folder), MPI_BYTE, 0, comm.mpi);
  (void)snprintf(path, sizeof(path), "%s", folder_path(folder, "gram.h5"));
  (void)snprintf(partial, sizeof(partial), "%s", folder_path(folder, "gram.h5.partial"));
  make_grids();
  test_width();
  for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); ++k) {
    if (comm.size > 3 && k == 4) continue; /* few cores */
    test(cases[k].rows, cases[k].cols, cases[k].symmetric);
  }
  test_again();
  destroy_grids();
  EXPECT(ntk_memory_balance() == 0);
  if (comm.rank == 0) folder_remove(folder);
  MPI_Finalize();
  return 0;
}
