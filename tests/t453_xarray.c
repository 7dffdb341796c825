/* Files open in xarray, h5netcdf and h5py with their names, coordinates, units and values.
 *
 * Method: write a results file and a big file whose values check_xarray.py knows; it looks. */
//TEST ranks=1,2
#include "folder.h"
#include "ntk/dist/grid.h"
#include "ntk/store/file.h"
#include "ntk/store/panel.h"

static char folder[4096];

static void add_curves(ntk_record *record) {
  static const ntk_field time = {"time", "time", "s", "time of training", "D.1", NTK_KIND_REAL};
  static const ntk_field output = {"output", "output", "1", "output", "", NTK_KIND_INT};
  static const ntk_field loss = {"loss", "time", "1", "training loss", "D.2", NTK_KIND_REAL};
  static const ntk_field prediction = {"prediction", "time shown output", "1", "f(x)",
                                       "",           NTK_KIND_SINGLE};
  static const ntk_field done = {"done", "shown", "1", "whether it was reached", "", NTK_KIND_FLAG};
  static const double losses[] = {1, 0.5, NAN, INFINITY};
  const int64_t sizes[] = {4, 3, 2};
  double *at = NULL, *value = NULL;
  float *predicted = NULL;
  int64_t *number = NULL;
  int8_t *flag = NULL;

  EXPECT_OK(ntk_record_add(record, &loss, sizes, &value));
  EXPECT_OK(ntk_record_add(record, &prediction, sizes, &predicted));
  EXPECT_OK(ntk_record_add(record, &time, sizes, &at));
  EXPECT_OK(ntk_record_add(record, &output, sizes + 2, &number));
  EXPECT_OK(ntk_record_add(record, &done, sizes + 1, &flag));
  for (int k = 0; k < 4; ++k) at[k] = 0.1 * k, value[k] = losses[k];
  for (int k = 0; k < 24; ++k) predicted[k] = (float)k;
  number[1] = 1;
  flag[1] = 1;
  EXPECT_OK(ntk_record_set_text(record, "unit_of_time", ""));
  EXPECT_OK(ntk_record_set_real(record, "learning_rate", 0.25));
  EXPECT_OK(ntk_record_set_int(record, "block", -64));
}

static void add_words(ntk_record *record) {
  static const char *const words[] = {"dense0", "", "größer"}; /* the fourth stays unset */
  static const ntk_field layer = {"layer", "layer", "1", "layer", "", NTK_KIND_TEXT};
  static const ntk_field s_w = {"s_w", "layer", "1", "multiplier", "A2", NTK_KIND_REAL};
  static const ntk_field nothing = {"nothing", "none layer", "1", "empty", "", NTK_KIND_REAL};
  static const ntk_field title = {"title", "", "1", "a scalar text", "", NTK_KIND_TEXT};
  const int64_t sizes[] = {0, 4};
  double *multiplier = NULL;

  EXPECT_OK(ntk_record_add(record, &layer, sizes + 1, NULL));
  for (int k = 0; k < 3; ++k) {
    EXPECT_OK(ntk_variable_set_text(ntk_record_find(record, "layer"), k, words[k]));
  }
  EXPECT_OK(ntk_record_add(record, &s_w, sizes + 1, &multiplier));
  for (int k = 0; k < 4; ++k) multiplier[k] = k + 1;
  EXPECT_OK(ntk_record_add(record, &nothing, sizes, NULL));
  EXPECT_OK(ntk_record_add(record, &title, NULL, NULL));
  EXPECT_OK(ntk_variable_set_text(ntk_record_find(record, "title"), 0, "a title"));
}

static void add_root(ntk_record *record) {
  static const ntk_field n = {"n", "", "1", "training samples", "", NTK_KIND_INT};
  static const ntk_field trace = {"trace", "", "1", "trace of the Gram", "C.1", NTK_KIND_REAL};

  EXPECT_OK(ntk_record_add_int(record, &n, ((int64_t)1 << 60) + 1));
  EXPECT_OK(ntk_record_add_real(record, &trace, 0.1 + 0.2));
  EXPECT_OK(ntk_record_set_text(record, "config", "a: 1\n"));
}

static void add_weights(ntk_record *record) {
  static const ntk_field weight = {"dense0/W", "in out", "1", "weights", "", NTK_KIND_SINGLE};
  const int64_t sizes[] = {2, 3};

  EXPECT_OK(ntk_record_add(record, &weight, sizes, NULL));
  EXPECT_OK(ntk_record_set_real(record, "dense0/W/s_w", 0.5));
}

static void write_results(void) {
  ntk_record records[4] = {{.name = ""}, {.name = "curves"}, {.name = "words"}, {.name = "layers"}};

  add_root(&records[0]);
  add_curves(&records[1]);
  add_words(&records[2]);
  add_weights(&records[3]);
  EXPECT_OK(ntk_file_write(folder_path(folder, "results.h5"), 4, records, NULL));
  for (int k = 0; k < 4; ++k) ntk_record_destroy(&records[k]);
}

static void write_gram(const ntk_comm *comm, const ntk_grid *grid) {
  static const ntk_field sample = {"sample", "sample", "1", "training sample", "", NTK_KIND_INT};
  const int64_t n = 7;
  ntk_record header = {0};
  ntk_matrix m = {0};
  int64_t *index = NULL;

  EXPECT_OK(ntk_record_add(&header, &sample, &n, &index));
  for (int64_t k = 0; k < n; ++k) index[k] = k;
  EXPECT_OK(ntk_record_set_text(&header, "key", "k"));
  EXPECT_OK(ntk_matrix_create(grid, n, n, 2, &m));
  for (int64_t lj = 0; lj < m.local_cols; ++lj) {
    for (int64_t li = 0; li < m.local_rows; ++li) {
      m.data[li + lj * m.ld] =
          (double)(ntk_matrix_col(&m, lj) * n + ntk_matrix_row(&m, li)); /* [column][row] */
    }
  }
  const ntk_panel_matrix gram = {"ntk", "sample2", "sample", "neural tangent kernel",
                                 "1",   "B.1",     &m};
  EXPECT_OK(ntk_panel_write(comm, folder_path(folder, "gram.h5"), &header, 1, &gram));
  ntk_matrix_destroy(&m);
  ntk_record_destroy(&header);
}

static void check(void) {
  char command[16384];
  const char *root = getenv("NTK_SOURCE_DIR") ? getenv("NTK_SOURCE_DIR") : ".";

  (void)snprintf(command, sizeof(command), "'%s/tools/python' '%s/tests/check_xarray.py' made '%s'",
                 root, root, folder);
  EXPECT(system(command) == 0);
}

int main(int argc, char **argv) {
  ntk_comm comm;
  ntk_grid grid;

  begin_test(&argc, &argv);
  comm = ntk_comm_of(MPI_COMM_WORLD);
  if (comm.rank == 0) folder_make(folder);
  MPI_Bcast(folder, sizeof(folder), MPI_BYTE, 0, comm.mpi);
  EXPECT_OK(ntk_grid_create(&comm, 0, 0, &grid));
  write_gram(&comm, &grid);
  if (comm.rank == 0) {
    write_results();
    check();
    folder_remove(folder);
  }
  ntk_grid_destroy(&grid);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
