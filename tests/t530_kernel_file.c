/* A kernel from a file: matrices, targets and outputs arrive as they were written, in double and
 * single; what does not fit together is refused with both shapes.
 *
 * Method: files written here with the store floor, one of them right, the others each wrong in one
 * place. */
//TEST ranks=1,2,4,6
#include "kernel.h"
#include "folder.h"
#include "ntk/store/file.h"

enum { N = 7, M = 3, O = 2 };

static char folder[4096]; /* the same on all ranks */

static double kernel_entry(int64_t i, int64_t j) { return cos(0.3 * (double)(i - j)) + (i == j); }
static double test_entry(int64_t i, int64_t t) { return sin((double)(i + 10 * t)); }

/* A variable [rows][cols] (cols 0: [rows]) with entry(i, j), or 100 i + j. */
static void add(ntk_record *record, const char *name, ntk_kind kind, int64_t rows, int64_t cols,
                double (*entry)(int64_t, int64_t)) {
  char dimensions[64];
  void *data = NULL;

  (void)snprintf(dimensions, sizeof(dimensions), cols ? "%s_row %s_col" : "%s_row", name, name);
  const ntk_field field = {.name = name, .dimensions = dimensions, .kind = kind, .units = "1"};

  EXPECT_OK(ntk_record_add(record, &field, (int64_t[]){rows, cols}, &data));
  for (int64_t k = 0; k < rows * (cols ? cols : 1); ++k) {
    const int64_t i = cols ? k / cols : k, j = cols ? k % cols : 0;
    const double value = entry ? entry(i, j) : (double)(100 * i + j);

    if (kind == NTK_KIND_REAL) ((double *)data)[k] = value;
    if (kind == NTK_KIND_SINGLE) ((float *)data)[k] = (float)value;
    if (kind == NTK_KIND_INT) ((int64_t *)data)[k] = (int64_t)value;
  }
}

static double not_symmetric(int64_t i, int64_t j) {
  return kernel_entry(i, j) + (i == 4 && j == 2 ? 1e-3 : 0);
}
static double rounded(int64_t i, int64_t j) {
  return kernel_entry(i, j) + (i == 4 && j == 2 ? 1e-14 : 0);
}
static double with_nan(int64_t i, int64_t j) { return i == 5 && j == 1 ? NAN : 1; }

static void write_kernels(void) {
  ntk_record record = {0};

  add(&record, "K", NTK_KIND_REAL, N, N, kernel_entry);
  add(&record, "K32", NTK_KIND_SINGLE, N, N, kernel_entry);
  add(&record, "Kfull", NTK_KIND_REAL, N * O, N * O, kernel_entry);
  add(&record, "Kround", NTK_KIND_REAL, N, N, rounded);
  add(&record, "Ks", NTK_KIND_REAL, N, M, test_entry);
  add(&record, "Ksfull", NTK_KIND_REAL, N * O, M * O, test_entry);
  add(&record, "Kstransposed", NTK_KIND_REAL, M, N, test_entry);
  add(&record, "Ksodd", NTK_KIND_REAL, N * O, 5, test_entry);
  add(&record, "Kd", NTK_KIND_REAL, M, 0, NULL);
  add(&record, "Kdfull", NTK_KIND_REAL, M * O, 0, NULL);
  add(&record, "y", NTK_KIND_REAL, N, O, NULL);
  add(&record, "y1", NTK_KIND_INT, N, 0, NULL);
  add(&record, "ys", NTK_KIND_SINGLE, M, O, NULL);
  add(&record, "f", NTK_KIND_REAL, N, O, test_entry);
  add(&record, "fs", NTK_KIND_REAL, M, O, kernel_entry);
  add(&record, "flat", NTK_KIND_REAL, N - 1, N, NULL);
  add(&record, "asymmetric", NTK_KIND_REAL, N, N, not_symmetric);
  add(&record, "nan", NTK_KIND_REAL, N, N, with_nan);
  add(&record, "ynan", NTK_KIND_REAL, N, O, with_nan);
  EXPECT_OK(ntk_file_write(folder_path(folder, "k.h5"), 1, &record, NULL));
  ntk_record_destroy(&record);
}

/* The kernel of `keys`, options beside `type: file`. */
static ntk_status compute(const ntk_grid *grid, const char *keys, ntk_data *data,
                          ntk_kernel *kernel) {
  ntk_kernel_settings settings = {0};
  ntk_arena arena = {0};
  ntk_tree tree = {0};
  char yaml[2048];
  const ntk_kernel_input input = {
      .grid = grid, .block = 2, .settings = &settings, .data = data};

  (void)snprintf(yaml, sizeof(yaml), "{type: file, path: %s, %s}", folder_path(folder, "k.h5"), keys);
  bind_section("kernel", yaml, &ntk_kernel_section, &arena, &tree, &settings);
  const ntk_status status = ntk_kernel_compute(&input, kernel);
  ntk_tree_destroy(&tree);
  ntk_arena_destroy(&arena);
  return status;
}

static void check_gram(const ntk_matrix *m, double tolerance) {
  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    for (int64_t li = 0; li < m->local_rows; ++li) {
      EXPECT_NEAR(m->data[li + lj * m->ld],
                  kernel_entry(ntk_matrix_row(m, li), ntk_matrix_col(m, lj)), tolerance);
    }
  }
}

static void check_test(const ntk_matrix *m) {
  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    for (int64_t li = 0; li < m->local_rows; ++li) {
      EXPECT(m->data[li + lj * m->ld] == test_entry(ntk_matrix_col(m, lj), ntk_matrix_row(m, li)));
    }
  }
}

static void test_all(const ntk_grid *grid, bool full) {
  ntk_data data = {0};
  ntk_kernel k = {0};

  EXPECT_OK(compute(grid,
                    full ? "gram: /Kfull, test_train: /Ksfull, test_diagonal: /Kdfull, targets: y, "
                           "initial_output: f, test_targets: ys, test_initial_output: fs"
                         : "gram: /K, test_train: Ks, test_diagonal: Kd, targets: /y, "
                           "initial_output: /f, test_targets: ys, test_initial_output: fs",
                    &data, &k));
  EXPECT(k.n == N && k.m == M && k.outputs == O && k.rows_per_sample == (full ? O : 1));
  EXPECT(k.gram.rows == N * k.rows_per_sample && k.test_train.rows == M * k.rows_per_sample);
  EXPECT(!k.single && k.reproducible && k.tensor_count == 0);
  check_gram(&k.gram, 0);
  check_test(&k.test_train);
  for (int64_t i = 0; i < M * k.rows_per_sample; ++i) EXPECT(k.test_diagonal[i] == 100 * (double)i);
  EXPECT(data.train.count == N && data.test.count == M && data.outputs == O && data.classes == 0);
  EXPECT(data.train.label[0] == -1 && data.test.label[M - 1] == -1 && data.train.index[N - 1] == 6);
  for (int64_t i = 0; i < N * O; ++i) {
    EXPECT(data.train.targets[i] == (double)(100 * (i / O) + i % O));
    EXPECT(k.f0[i] == test_entry(i / O, i % O) && k.initial[i] == k.f0[i]);
  }
  for (int64_t i = 0; i < M * O; ++i) {
    EXPECT(data.test.targets[i] == (double)(100 * (i / O) + i % O));
    EXPECT(k.test_f0[i] == kernel_entry(i / O, i % O) && k.test_initial[i] == k.test_f0[i]);
  }
  ntk_kernel_destroy(&k);
  ntk_data_destroy(&data);
}

/* Only a Gram; then one in single precision with integer targets; then one that is symmetric but
 * for rounding. */
static void test_little(const ntk_grid *grid) {
  ntk_data data = {0};
  ntk_kernel k = {0};

  EXPECT_OK(compute(grid, "gram: K", &data, &k));
  EXPECT(k.n == N && k.m == 0 && k.outputs == 1 && !data.train.targets && !k.test_diagonal);
  EXPECT(k.test_train.rows == 0 && k.f0[N - 1] == 0 && k.initial[0] == 0);
  ntk_kernel_destroy(&k);

  EXPECT_OK(compute(grid, "gram: K32, targets: y1", &data, &k));
  EXPECT(k.single && k.outputs == 1 && data.train.targets[3] == 300);
  check_gram(&k.gram, 1e-7);
  ntk_kernel_destroy(&k);

  EXPECT_OK(compute(grid, "gram: Kround", &data, &k));
  check_gram(&k.gram, 1e-13);
  ntk_kernel_destroy(&k);
  ntk_data_destroy(&data);
}

static const struct {
  const char *keys, *part;
} wrong[] = {
    {"gram: /flat", "6 x 7, not square"},
    {"gram: /none", "none"},
    {"gram: /group/none", "group"},
    {"gram: /y1", "must be a matrix"},
    {"gram: /asymmetric", "not symmetric: |K - K^T| up to 0.001"},
    {"gram: /nan", "nan"},
    {"gram: /K, targets: /flat", "fits neither the 6 samples nor the 6 x 7 sample outputs"},
    {"gram: /K, targets: /none", "none"},
    {"gram: /K, targets: /ynan", "not finite"},
    {"gram: /K, test_train: /Kstransposed", "3 x 7, but '/K' is 7 x 7; it must be [training"},
    {"gram: /K, test_train: /none", "none"},
    {"gram: /K, test_train: /y1", "must be a matrix"},
    {"gram: /Kfull, targets: /y, test_train: /Ksodd", "has 5 columns, not a multiple of 2"},
    {"gram: /K, test_train: /Ks, test_diagonal: /Kdfull", "6 x 1; it should be 3 x 1"},
    {"gram: /K, targets: /y, initial_output: /y1", "7 x 1; it should be 7 x 2"},
    {"gram: /K, targets: /y, test_targets: /ys", "3 x 2; it should be 0 x 2"},
    {"gram: /K, targets: /y, test_train: /Ks, test_initial_output: /y",
     "7 x 2; it should be 3 x 2"},
};

static void test_wrong(const ntk_grid *grid) {
  for (size_t w = 0; w < sizeof(wrong) / sizeof(*wrong); ++w) {
    ntk_data data = {0};
    ntk_kernel k = {0};

    if (compute(grid, wrong[w].keys, &data, &k) != NTK_E_INPUT) {
      FAIL("%s: [%s]", wrong[w].keys, ntk_last_error()->text);
    }
    if (!strstr(ntk_last_error()->text, wrong[w].part)) {
      FAIL("%s: no \"%s\" in \"%s\"", wrong[w].keys, wrong[w].part, ntk_last_error()->text);
    }
    ntk_data_destroy(&data);
  }
}

int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD);
  ntk_grid grid = {0};

  if (comm.rank == 0) {
    folder_make(folder);
    write_kernels();
  }
  ntk_comm_broadcast(&comm, 0, folder, sizeof(folder));
  EXPECT_OK(ntk_grid_create(&comm, 0, 0, &grid));
  test_all(&grid, false);
  test_all(&grid, true);
  test_little(&grid);
  test_wrong(&grid);
  ntk_grid_destroy(&grid);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Barrier(comm.mpi);
  if (comm.rank == 0) folder_remove(folder);
  MPI_Finalize();
  return 0;
}
