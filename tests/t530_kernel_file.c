/* A kernel from a file: matrices, targets and outputs arrive as they were written, in double and
 * single, from HDF5 and from .npy in either order; so do eigenvalues without matrices, sorted; what
 * does not fit together is refused with both shapes.
 *
 * Method: files written here with the store floor and byte by byte, some of them right, the others
 * each wrong in one place. */
//TEST ranks=1,2,4,6
#include <hdf5.h>

#include "folder.h"
#include "kernel.h"
#include "ntk/store/file.h"

enum { N = 7, M = 3, O = 2 };

typedef double entry_fn(int64_t i, int64_t j);

static char folder[4096]; /* the same on all ranks */

static double kernel_entry(int64_t i, int64_t j) { return cos(0.3 * (double)(i - j)) + (i == j); }
static double test_entry(int64_t i, int64_t t) { return sin((double)(i + 10 * t)); }

/* A variable [rows][cols] (cols 0: [rows]) with entry(i, j), or 100 i + j. */
static void add(ntk_record *record, const char *name, ntk_kind kind, int64_t rows, int64_t cols,
                entry_fn *entry) {
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

/* Eigenvalues in ascending order, the least noise below 0; powers; what neither may be. */
static double ascending(int64_t i, int64_t j) {
  (void)j;
  return (double)(i * i) - 1e-15;
}
static double power(int64_t i, int64_t j) { return (double)(10 * i + j); }
static double below(int64_t i, int64_t j) {
  (void)j;
  return i == 2 ? -1e-3 : 1;
}

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
  add(&record, "Kss", NTK_KIND_REAL, M, M, kernel_entry);
  add(&record, "lambda", NTK_KIND_REAL, N, 0, ascending);
  add(&record, "v2", NTK_KIND_REAL, N, O, power);
  EXPECT_OK(ntk_file_write(folder_path(folder, "k.h5"), 1, &record, NULL));
  ntk_record_destroy(&record);
}

/* A Gram of 8 TiB in a file of 2 KiB. */
static void write_hollow(void) {
  const hsize_t size[2] = {1 << 20, 1 << 20};
  const hid_t file =
      H5Fcreate(folder_path(folder, "hollow.h5"), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const hid_t space = H5Screate_simple(2, size, NULL);
  const hid_t gram =
      H5Dcreate2(file, "K", H5T_IEEE_F64LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);

  EXPECT(gram >= 0 && H5Dclose(gram) >= 0 && H5Sclose(space) >= 0 && H5Fclose(file) >= 0);
}

/* An array in numpy's format; cols 0: rank 1. */
static void write_npy(const char *name, const char *descr, bool fortran, int64_t rows, int64_t cols,
                      entry_fn *entry) {
  char header[128] = "", shape[48];
  FILE *file = fopen(folder_path(folder, name), "wb");
  const int64_t outer = fortran ? cols : rows, inner = fortran ? rows : cols;

  EXPECT(file);
  if (cols > 0)
    (void)snprintf(shape, sizeof(shape), "(%d, %d)", (int)rows, (int)cols);
  else
    (void)snprintf(shape, sizeof(shape), "(%d,)", (int)rows);
  (void)snprintf(header, sizeof(header) - 1,
                 "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }\n", descr,
                 fortran ? "True" : "False", shape);
  EXPECT(fwrite("\x93NUMPY\x01\x00\x76\x00", 1, 10, file) == 10);
  for (size_t k = strlen(header); k < 118; ++k) header[k] = k == 117 ? '\n' : ' ';
  EXPECT(fwrite(header, 1, 118, file) == 118);
  for (int64_t a = 0; a < (cols > 0 ? outer : rows); ++a) {
    for (int64_t b = 0; b < (cols > 0 ? inner : 1); ++b) {
      const int64_t i = fortran ? b : a, j = fortran ? a : b;
      const double value = entry ? entry(i, j) : (double)(100 * i + j);
      const float half = (float)value;

      EXPECT(descr[2] == '8' ? fwrite(&value, 8, 1, file) == 1 : fwrite(&half, 4, 1, file) == 1);
    }
  }
  EXPECT(fclose(file) == 0);
}

static void write_arrays(void) {
  write_npy("K.npy", "<f8", false, N, N, kernel_entry);
  write_npy("Kfortran.npy", "<f8", true, N, N, kernel_entry);
  write_npy("K32.npy", "<f4", true, N, N, kernel_entry);
  write_npy("Ks.npy", "<f8", false, N, M, test_entry);
  write_npy("Ksfortran.npy", "<f8", true, N, M, test_entry);
  write_npy("Kss.npy", "<f8", false, M, M, kernel_entry);
  write_npy("Kflat.npy", "<f8", false, N - 1, N, kernel_entry);
  write_npy("Knan.npy", "<f8", false, N, N, with_nan);
  write_npy("Kcomplex.npy", "<c8", false, N, N, kernel_entry);
  write_npy("Kd.npy", "<f8", false, M, 0, NULL);
  write_npy("y.npy", "<f8", true, N, O, NULL);
  write_npy("ys.npy", "<f4", false, M, O, NULL);
  write_npy("f.npy", "<f8", false, N, O, test_entry);
  write_npy("fs.npy", "<f8", false, M, O, kernel_entry);
  write_npy("lambda.npy", "<f8", false, N, 0, ascending);
  write_npy("lambda32.npy", "<f4", false, N, 0, ascending);
  write_npy("v2.npy", "<f8", false, N, O, power);
  write_npy("below.npy", "<f8", false, N, 0, below);
  write_npy("Kshort.npy", "<f8", false, N, N, kernel_entry);
  EXPECT(truncate(folder_path(folder, "Kshort.npy"), 200) == 0);
}

/* Options in which every "@/" stands for the folder. */
static void expand(const char *keys, size_t size, char *yaml) {
  size_t used = (size_t)snprintf(yaml, size, "{type: file, ");

  for (; *keys; ++keys) {
    const bool folder_here = keys[0] == '@';

    used += (size_t)snprintf(yaml + used, size - used, "%.*s", folder_here ? 4000 : 1,
                             folder_here ? folder : keys);
    EXPECT(used + 2 < size);
  }
  (void)snprintf(yaml + used, size - used, "}");
}

/* The kernel of `keys`, options beside `type: file`. */
static ntk_status compute_from(const ntk_grid *grid, const char *keys, ntk_data *data,
                               ntk_kernel *kernel) {
  ntk_kernel_settings settings = {0};
  ntk_arena arena = {0};
  ntk_tree tree = {0};
  char yaml[16384];
  const ntk_kernel_input input = {.grid = grid, .block = 2, .settings = &settings, .data = data};

  expand(keys, sizeof(yaml), yaml);
  bind_section("kernel", yaml, &ntk_kernel_section, &arena, &tree, &settings);
  const ntk_status status = ntk_kernel_compute(&input, kernel);
  ntk_tree_destroy(&tree);
  ntk_arena_destroy(&arena);
  return status;
}

/* From datasets of k.h5. */
static ntk_status compute(const ntk_grid *grid, const char *keys, ntk_data *data,
                          ntk_kernel *kernel) {
  char all[2048];

  (void)snprintf(all, sizeof(all), "path: @/k.h5, %s", keys);
  return compute_from(grid, all, data, kernel);
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

static void test_all(const ntk_grid *grid, const char *keys, bool full) {
  ntk_data data = {0};
  ntk_kernel k = {0};

  EXPECT_OK(compute_from(grid, keys, &data, &k));
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

/* The test-test block with its diagonal. */
static void test_test_test(const ntk_grid *grid, const char *keys) {
  ntk_data data = {0};
  ntk_kernel k = {0};

  EXPECT_OK(compute_from(grid, keys, &data, &k));
  EXPECT(k.test_test.rows == M && k.test_test.cols == M);
  check_gram(&k.test_test, 0);
  for (int64_t i = 0; i < M; ++i) EXPECT(k.test_diagonal[i] == kernel_entry(i, i));
  ntk_kernel_destroy(&k);
  ntk_data_destroy(&data);
}

/* Eigenvalues i^2 - 1e-15 with powers 10 i + o, in the other order; the least is noise below 0 that
 * stays until the spectrum is settled. */
static void test_modes(const ntk_grid *grid, const char *keys, bool single) {
  ntk_data data = {0};
  ntk_kernel k = {0};

  EXPECT_OK(compute_from(grid, keys, &data, &k));
  EXPECT(k.n == N && k.m == 0 && k.outputs == O && k.single == single && !data.train.targets);
  EXPECT(!k.gram.grid && k.gram.rows == 0 && !k.test_diagonal && data.train.count == N);
  for (int64_t m = 0; m < N; ++m) {
    const int64_t i = N - 1 - m;

    EXPECT_NEAR(k.eigenvalue[m], (double)(i * i), 1e-14);
    for (int64_t o = 0; o < O; ++o) EXPECT(k.target_power[m * O + o] == (double)(10 * i + o));
  }
  EXPECT(k.eigenvalue[N - 1] < 0);
  ntk_kernel_destroy(&k);
  EXPECT_OK(compute_from(grid, "eigenvalues: @/lambda.npy", &data, &k));
  EXPECT(k.n == N && k.outputs == 1 && !k.target_power);
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

  EXPECT_OK(compute_from(grid, "gram: @/K32.npy", &data, &k));
  EXPECT(k.single && k.outputs == 1 && !data.train.targets);
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
    {"gram: /asymmetric", "not symmetric: |K - K^T| up to 0.001 at [4, 2]"},
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

static const struct {
  const char *keys, *part;
} wrong_files[] = {
    {"gram: @/Kflat.npy", "Kflat.npy (kernel.gram) is 6 x 7, not square"},
    {"gram: @/Knan.npy", "Knan.npy (kernel.gram): entry [5, 1] is not a finite number"},
    {"gram: @/y.npy", "is 7 x 2, not square"},
    {"gram: @/Kd.npy", "must be a matrix"},
    {"gram: @/Kshort.npy", "the header announces 392 bytes, 72 follow it"},
    {"gram: @/Kcomplex.npy", "dtype '<c8' is not supported"},
    {"gram: @/K.npy, test_train: @/Kss.npy", "3 x 3, but '"},
    {"path: @/k.h5, gram: K, test_train: @/Ks.npy, test_gram: @/K.npy, test_test: full",
     "K.npy (kernel.test_gram) is 7 x 7, but kernel.test_train has 3 test samples"},
    {"path: @/k.h5, gram: K, test_train: Ks, test_gram: Ks, test_test: full", "not square"},
    {"path: @/k.h5, gram: @/K.npy, targets: none", "none"},
    {"path: @/k.h5, eigenvalues: K", "7 x 7; it should be 7 x 1"},
    {"path: @/k.h5, eigenvalues: y1, target_power: ys", "3 x 2; it should be 7 x 2"},
    {"eigenvalues: @/below.npy", "an eigenvalue of -0.001 beside a largest of 1 is no rounding"},
    {"eigenvalues: @/lambda.npy, target_power: @/below.npy", "-0.001 is no square"},
    {"path: @/hollow.h5, gram: K", "'K' is declared but was never written"},
    {"path: @/k.h5, eigenvalues: ynan", "'ynan' (kernel.eigenvalues): entry 11 is not finite"},
};

static void expect_wrong(const ntk_grid *grid, const char *keys, const char *part) {
  ntk_data data = {0};
  ntk_kernel k = {0};

  if (compute_from(grid, keys, &data, &k) != NTK_E_INPUT) {
    FAIL("%s: [%s]", keys, ntk_last_error()->text);
  }
  if (!strstr(ntk_last_error()->text, part)) {
    FAIL("%s: no \"%s\" in \"%s\"", keys, part, ntk_last_error()->text);
  }
  ntk_data_destroy(&data);
}

/* What the config alone shows to be wrong. */
static const struct {
  const char *keys, *part;
} refused[] = {
    {"path: @/k.h5", "needs its 'gram', or 'eigenvalues' instead"},
    {"gram: K", "'K' is the name of a dataset; name its HDF5 file in kernel.path"},
    {"path: @/k.h5, gram: @/K.npy", "no dataset of this file is named"},
    {"gram: @/K.npy, target_power: @/v2.npy", "goes with kernel.eigenvalues"},
    {"gram: @/K.npy, eigenvalues: @/lambda.npy", "kernel.gram does not go with kernel.eigenvalues"},
    {"eigenvalues: @/lambda.npy, targets: @/y.npy", "kernel.targets does not go with"},
    {"gram: @/K.npy, test_test: full", "name the dataset of the whole block in kernel.test_gram"},
    {"gram: @/K.npy, test_train: @/Ks.npy, test_gram: @/Kss.npy", "`test_test: full` beside it"},
    {"gram: @/K.npy, test_gram: @/Kss.npy, test_test: full",
     "kernel.test_gram needs kernel.test_tr"},
    {"gram: @/K.npy, quantity: [ntk, conjugate]", "a kernel from a file is one quantity, not 2"},
    {"gram: @/K.npy, quantity: []", "the list is empty"},
    {"gram: @/K.npy, quantity: [nngp: {label: q}]", "'nngp' takes no label"},
};

static void test_refused(void) {
  for (size_t k = 0; k < sizeof(refused) / sizeof(*refused); ++k) {
    ntk_kernel_settings settings = {0};
    ntk_arena arena = {0};
    ntk_tree tree = {0};
    ntk_problems problems = {0};
    char yaml[16384];

    expand(refused[k].keys, sizeof(yaml), yaml);
    EXPECT_OK(ntk_tree_parse("kernel", yaml, &tree, &problems));
    EXPECT_OK(ntk_option_bind(&ntk_kernel_section, tree.root, "kernel", "/", &arena, &settings,
                              &problems));
    if (!problems.count || !strstr(ntk_text_string(&problems.text), refused[k].part)) {
      FAIL("%s: no \"%s\" in \"%s\"", refused[k].keys, refused[k].part,
           ntk_text_string(&problems.text));
    }
    ntk_problems_destroy(&problems);
    ntk_tree_destroy(&tree);
    ntk_arena_destroy(&arena);
  }
}

static void test_wrong(const ntk_grid *grid) {
  for (size_t w = 0; w < sizeof(wrong_files) / sizeof(*wrong_files); ++w) {
    expect_wrong(grid, wrong_files[w].keys, wrong_files[w].part);
  }
  for (size_t w = 0; w < sizeof(wrong) / sizeof(*wrong); ++w) {
    char all[2048];

    (void)snprintf(all, sizeof(all), "path: @/k.h5, %s", wrong[w].keys);
    expect_wrong(grid, all, wrong[w].part);
  }
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD);
  ntk_grid grid = {0};

  if (comm.rank == 0) {
    folder_make(folder);
    write_kernels();
    write_arrays();
    write_hollow();
  }
  ntk_comm_broadcast(&comm, 0, folder, sizeof(folder));
  EXPECT_OK(ntk_grid_create(&comm, 0, 0, &grid));
  test_all(&grid,
           "path: @/k.h5, gram: /Kfull, test_train: /Ksfull, test_diagonal: /Kdfull, targets: "
           "y, initial_output: f, test_targets: ys, test_initial_output: fs",
           true);
  test_all(&grid,
           "path: @/k.h5, gram: /K, test_train: Ks, test_diagonal: Kd, targets: /y, "
           "initial_output: /f, test_targets: ys, test_initial_output: fs",
           false);
  test_all(&grid,
           "gram: @/K.npy, test_train: @/Ks.npy, test_diagonal: @/Kd.npy, targets: @/y.npy, "
           "initial_output: @/f.npy, test_targets: @/ys.npy, test_initial_output: @/fs.npy",
           false);
  test_all(&grid,
           "path: @/k.h5, gram: @/Kfortran.npy, test_train: @/Ksfortran.npy, test_diagonal: "
           "Kd, targets: y, initial_output: f, test_targets: ys, test_initial_output: fs",
           false);
  test_test_test(&grid,
                 "gram: @/K.npy, test_train: @/Ks.npy, test_gram: @/Kss.npy, test_test: full");
  test_test_test(&grid, "path: @/k.h5, gram: K, test_train: Ks, test_gram: Kss, test_test: full");
  test_modes(&grid, "eigenvalues: @/lambda.npy, target_power: @/v2.npy", false);
  test_modes(&grid, "path: @/k.h5, eigenvalues: lambda, target_power: v2", false);
  test_modes(&grid, "eigenvalues: @/lambda32.npy, target_power: @/v2.npy", true);
  test_little(&grid);
  test_wrong(&grid);
  test_refused();
  ntk_grid_destroy(&grid);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Barrier(comm.mpi);
  if (comm.rank == 0) folder_remove(folder);
  MPI_Finalize();
  return 0;
}
