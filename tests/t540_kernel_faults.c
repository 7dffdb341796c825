/* Whichever check fails on whichever rank, a kernel ends with the same status everywhere and leaves
 * no memory behind; so do the functions of a matrix and a deal.
 *
 * Method: the sweep of faults.h over small jobs. */
//TEST ranks=1,2,4
#include "kernel.h"
#include "faults.h"
#include "folder.h"
#include "ntk/store/file.h"

enum { N = 9, M = 3 };

static ntk_status on_grid(const ntk_comm *comm, problem *p) {
  ntk_grid grid = {0};
  ntk_kernel kernel = {0};

  NTK_TRY(ntk_grid_create(comm, 0, 0, &grid));
  const ntk_status status = compute_kernel(p, &grid, 2, &kernel);
  ntk_kernel_destroy(&kernel);
  ntk_grid_destroy(&grid);
  return status;
}

static ntk_status empirical(const ntk_comm *comm, void *context) { return on_grid(comm, context); }

/* All quantities, one after the other, upon the features that the first has kept; then the parts of
 * the tensors. */
static ntk_status compute_all(const ntk_grid *grid, problem *p, ntk_features *features,
                              ntk_parts **parts) {
  ntk_kernel_input input = {.grid = grid,
                            .block = 2,
                            .settings = &p->kernel_settings,
                            .features = features,
                            .network = &p->network,
                            .data = &p->data};

  for (input.which = 0; input.which < p->kernel_settings.quantity.count; ++input.which) {
    ntk_kernel kernel = {0};
    const ntk_status status = ntk_kernel_compute(&input, &kernel);

    ntk_kernel_destroy(&kernel);
    NTK_TRY(status);
  }
  input.which = 0;
  NTK_TRY(ntk_parts_open(&input, parts));
  NTK_TRY(ntk_parts_next(*parts));
  return ntk_parts_next(*parts);
}

static ntk_status quantities(const ntk_comm *comm, void *context) {
  ntk_grid grid = {0};
  ntk_features features = {0};
  ntk_parts *parts = NULL;

  NTK_TRY(ntk_grid_create(comm, 0, 0, &grid));
  const ntk_status status = compute_all(&grid, context, &features, &parts);

  ntk_parts_close(&parts);
  ntk_features_destroy(&features);
  ntk_grid_destroy(&grid);
  return status;
}

/* The kernel fills in the data; so they are part of the job. */
static ntk_status from_file(const ntk_comm *comm, void *context) {
  problem *p = context;
  const ntk_status status = on_grid(comm, p);

  ntk_data_destroy(&p->data);
  return status;
}

typedef struct pieces {
  ntk_matrix m;
  ntk_deal deal;
} pieces;

static ntk_status use(const ntk_grid *grid, pieces *p) {
  double x[N * N], y[N * N], own[NTK_SAMPLE_PAD * 2];
  int64_t first, count;
  ntk_matrix_facts facts;

  memset(x, 0, sizeof(x));
  memset(own, 0, sizeof(own));
  NTK_TRY(ntk_matrix_create(grid, N, N, 2, &p->m));
  NTK_TRY(ntk_matrix_apply(&p->m, false, 2, x, y));
  NTK_TRY(ntk_matrix_columns(&p->m, 0, N, &first, &count, y));
  NTK_TRY(ntk_matrix_place_columns(&p->m, 0, N, y));
  NTK_TRY(ntk_matrix_mirror_lower(&p->m));
  NTK_TRY(ntk_matrix_mirror_upper(&p->m));
  NTK_TRY(ntk_matrix_measure(&p->m, &facts));
  NTK_TRY(ntk_matrix_window(&p->m, 0, 0, N, N, y));
  NTK_TRY(ntk_deal_create(&p->m, 1, true, &p->deal));
  NTK_TRY(ntk_deal_scatter(&p->deal, 2, x, own));
  NTK_TRY(ntk_deal_gather_cols(&p->deal, NTK_DOUBLE, 1, x, y));
  return ntk_deal_collect(&p->deal, 2, own, y);
}

static ntk_status dist(const ntk_comm *comm, void *context) {
  pieces p = {0};
  ntk_grid grid = {0};

  (void)context;
  NTK_TRY(ntk_grid_create(comm, 0, 0, &grid));
  const ntk_status status = use(&grid, &p);
  ntk_deal_destroy(&p.deal);
  ntk_matrix_destroy(&p.m);
  ntk_grid_destroy(&grid);
  return status;
}

static void add(ntk_record *record, const char *name, const char *dimensions, const int64_t *sizes) {
  const ntk_field field = {
      .name = name, .dimensions = dimensions, .kind = NTK_KIND_REAL, .units = "1"};

  EXPECT_OK(ntk_record_add(record, &field, sizes, NULL));
}

static void write_zeros(const char *path) {
  ntk_record record = {0};

  add(&record, "K", "i j", (int64_t[]){N, N});
  add(&record, "Ks", "i t", (int64_t[]){N, M});
  add(&record, "Kd", "t", (int64_t[]){M});
  add(&record, "y", "i", (int64_t[]){N});
  add(&record, "f", "i", (int64_t[]){N});
  EXPECT_OK(ntk_file_write(path, 1, &record, NULL));
  ntk_record_destroy(&record);
}

/* The same zeros as .npy: header of 128 bytes, then numbers. */
static void write_zero_array(const char *path, int rows, int cols) {
  char header[128] = "\x93NUMPY\x01";
  FILE *file = fopen(path, "wb");

  EXPECT(file);
  header[8] = 118;
  (void)snprintf(header + 10, sizeof(header) - 10,
                 "{'descr': '<f8', 'fortran_order': True, 'shape': (%d, %d), }", rows, cols);
  for (size_t k = 0; k < sizeof(header); ++k) {
    if (k >= 10 && !header[k]) header[k] = k == 127 ? '\n' : ' ';
  }
  EXPECT(fwrite(header, 1, sizeof(header), file) == sizeof(header));
  for (int k = 0; k < rows * cols; ++k) EXPECT(fwrite(&(double){0}, 8, 1, file) == 1);
  EXPECT(fclose(file) == 0);
}

static void test_from(const ntk_comm *comm, const char *yaml) {
  problem p;

  create_problem("{layers: [dense: {features: outputs}]}", yaml, 1, 0, 1, 1, false, &p);
  EXPECT(sweep_faults_everywhere(comm, from_file, &p) > 10);
  destroy_problem(&p);
}

static void test_arrays(const ntk_comm *comm, const char *folder) {
  char yaml[16384];

  (void)snprintf(yaml, sizeof(yaml),
                 "{type: file, path: %s, gram: %s, test_train: Ks, test_gram: %s, targets: %s,"
                 " test_test: full}",
                 folder_path(folder, "k.h5"), folder_path(folder, "K.npy"),
                 folder_path(folder, "Kss.npy"), folder_path(folder, "y.npy"));
  test_from(comm, yaml);
  (void)snprintf(yaml, sizeof(yaml), "{type: file, path: %s, eigenvalues: f, target_power: %s}",
                 folder_path(folder, "k.h5"), folder_path(folder, "y.npy"));
  test_from(comm, yaml);
}

static void test_file(const ntk_comm *comm) {
  char folder[4096], yaml[8192];

  if (comm->rank == 0) {
    folder_make(folder);
    write_zeros(folder_path(folder, "k.h5"));
    write_zero_array(folder_path(folder, "K.npy"), N, N);
    write_zero_array(folder_path(folder, "Kss.npy"), M, M);
    write_zero_array(folder_path(folder, "y.npy"), N, 1);
  }
  ntk_comm_broadcast(comm, 0, folder, sizeof(folder));
  (void)snprintf(yaml, sizeof(yaml),
                 "{type: file, path: %s, gram: K, test_train: Ks, test_diagonal: Kd, targets: y,"
                 " initial_output: f}",
                 folder_path(folder, "k.h5"));
  test_from(comm, yaml);
  if (comm->size <= 2) test_arrays(comm, folder); /* only rank 0 reads */
  MPI_Barrier(comm->mpi);
  if (comm->rank == 0) folder_remove(folder);
}

/* Gradients in several pieces, pairs of positions, images. */
static void test_positions(const ntk_comm *comm) {
  static const char *const words[] = {"jacobian", "pixel_gram"};
  const ntk_shape image = {.rank = 3, .size = {2, 2, 1}};

  for (int k = 0; k < 2; ++k) {
    char kernel[64];
    problem p;

    (void)snprintf(kernel, sizeof(kernel), "{contraction: %s}", words[k]);
    create_shaped_problem("{layers: [{conv: {features: 300, kernel: 2}}, global_avg_pool,"
                          " {dense: {features: outputs}}]}",
                          kernel, 3, 2, &image, 0, 1, comm->rank == 0, &p);
    EXPECT(sweep_faults_everywhere(comm, empirical, &p) > 10);
    destroy_problem(&p);
  }
}

/* Statistics of the training set, with another network at theta_0 as well. */
static ntk_status centred(const ntk_comm *comm, void *context) {
  problem *p = context;
  ntk_grid grid = {0};
  ntk_kernel kernel = {0};

  NTK_TRY(ntk_grid_create(comm, 0, 0, &grid));
  const ntk_kernel_input input = {.grid = &grid,
                                  .block = 2,
                                  .settings = &p->kernel_settings,
                                  .network = &p->network,
                                  .initial = &p->network,
                                  .data = &p->data};
  const ntk_status status = ntk_kernel_compute(&input, &kernel);

  ntk_kernel_destroy(&kernel);
  ntk_grid_destroy(&grid);
  return status;
}

static void test_batch(const ntk_comm *comm) {
  problem p;

  create_problem("{layers: [{dense: {features: 3}}, {batch_norm: {mode: train}}, {dense: {features:"
                 " outputs}}]}",
                 "{outputs: mean}", 4, 2, 2, 1, comm->rank == 0, &p);
  EXPECT(sweep_faults_everywhere(comm, centred, &p) > 10);
  destroy_problem(&p);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD);
  problem p;

  EXPECT(sweep_faults_everywhere(&comm, dist, NULL) > 5);
  create_problem("{depth: 2, width: 5, activation: tanh}", "{outputs: full}", N, M, 3, 2,
                 comm.rank == 0, &p);
  EXPECT(sweep_faults_everywhere(&comm, empirical, &p) > 10);
  destroy_problem(&p);
  create_problem("{depth: 1, width: 3, activation: tanh, bias: {scale: 1, std: 1}}",
                 "{quantity: [ntk, nngp], test_test: full}", 4, 2, 2, 1, comm.rank == 0,
                 &p);
  if (comm.size != 2) { /* 1 and 4 ranks say enough */
    EXPECT(sweep_faults_everywhere(&comm, quantities, &p) > 10);
  }
  destroy_problem(&p);
  if (comm.size <= 2) test_positions(&comm);
  if (comm.size == 2) test_batch(&comm);
  test_file(&comm);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
