/* A kernel goes into a record and comes back from it, on every rank; a record of something else is
 * refused; whichever check fails on whichever rank, kept kernels and restored ones end with the
 * same status everywhere and leave no memory behind.
 *
 * Method: kernels of several kinds, compared array by array; records with a piece missing; the
 * sweep of faults.h. */
//TEST ranks=1,2,4
#include "faults.h"
#include "folder.h"
#include "kept.h"

static char folder[4096];

static void expect_same(const double *a, const double *b, int64_t count) {
  EXPECT(!a == !b);
  if (a) EXPECT(same_bits(a, b, (size_t)count * sizeof(double)));
}

/* `a` has its own seconds on every rank, `b` those of rank 0. */
static void compare(const ntk_comm *comm, const ntk_kernel *a, const ntk_kernel *b) {
  EXPECT(a->quantity == b->quantity && a->n == b->n && a->m == b->m && a->outputs == b->outputs);
  EXPECT(a->rows_per_sample == b->rows_per_sample && a->contraction == b->contraction);
  EXPECT(a->single == b->single && a->reproducible == b->reproducible);
  EXPECT(a->rate_scale == b->rate_scale && a->flops == b->flops);
  EXPECT(comm->rank != 0 || a->seconds == b->seconds);
  EXPECT(a->gram.local_rows == b->gram.local_rows && a->gram.local_cols == b->gram.local_cols);
  EXPECT(a->test_train.local_rows == b->test_train.local_rows);
  EXPECT(a->test_test.local_cols == b->test_test.local_cols);
  expect_same(a->f0, b->f0, a->n * a->outputs);
  expect_same(a->initial, b->initial, a->n * a->outputs);
  expect_same(a->test_f0, b->test_f0, a->m * a->outputs);
  expect_same(a->test_initial, b->test_initial, a->m * a->outputs);
  expect_same(a->test_diagonal, b->test_diagonal, a->m * a->rows_per_sample);
  EXPECT(a->tensor_count == b->tensor_count);
  for (int t = 0; t < a->tensor_count; ++t) EXPECT_TEXT(a->tensor_name[t], b->tensor_name[t]);
  expect_same(a->tensor_trace, b->tensor_trace, a->tensor_count);
  expect_same(a->tensor_norm, b->tensor_norm, a->tensor_count);
}

static ntk_status restore(const ntk_grid *grid, const ntk_kernel *k, const ntk_quantity *quantity,
                          const char *without, ntk_kernel *back) {
  ntk_record record = {0};

  if (grid->comm->rank == 0) {
    EXPECT_OK(ntk_kernel_save(k, &record));
    for (int64_t v = 0; v < record.variable_count; ++v) {
      if (strcmp(record.variables[v].name, without) == 0) record.variables[v].name[0] = '-';
    }
    for (int64_t a = 0; a < record.attribute_count; ++a) {
      if (strcmp(record.attributes[a].name, without) == 0) record.attributes[a].name[0] = '-';
    }
  }
  const ntk_status status =
      ntk_kernel_restore(grid, 4, quantity, k->test_test.rows > 0, &record, back);

  ntk_record_destroy(&record);
  return status;
}

static void test_refusals(const ntk_grid *grid, const ntk_kernel *k) {
  static const char *const pieces[] = {"n", "contraction", "rate_scale", "f0", "tensor"};
  ntk_kernel back;

  for (size_t p = 0; p < sizeof(pieces) / sizeof(*pieces); ++p) {
    EXPECT_REFUSED(restore(grid, k, k->quantity, pieces[p], &back), NTK_E_INPUT, pieces[p]);
  }
  EXPECT_REFUSED(restore(grid, k, &ntk_quantity_nngp, "", &back), NTK_E_INPUT, "nngp");
}

static void test_case(const ntk_comm *comm, const ntk_grid *grid, const char *kernel, int64_t m) {
  problem p;
  ntk_kernel k = {0}, back = {0};

  create_problem("{depth: 1, width: 5, activation: tanh}", kernel, 11, m, 3, 2, comm->rank == 0,
                 &p);
  EXPECT_OK(compute_kernel(&p, grid, 4, &k));
  EXPECT_OK(restore(grid, &k, k.quantity, "", &back));
  compare(comm, &k, &back);
  ntk_kernel_destroy(&back);
  if (k.tensor_count > 0) test_refusals(grid, &k);
  ntk_kernel_destroy(&k);
  destroy_problem(&p);
}

/* ---- faults --------------------------------------------------------------------------------- */

static ntk_status compute_and_restore(problem *p, const ntk_grid *grid, kept_kernel *kept,
                                      ntk_record *record, ntk_kernel *back) {
  const bool root = grid->comm->rank == 0;

  NTK_TRY(compute_kept(p, grid, 2, kept));
  NTK_AGREE(grid->comm, root ? ntk_kernel_save(&kept->kernel, record) : NTK_OK);
  return ntk_kernel_restore(grid, 2, kept->kernel.quantity, true, record, back);
}

/* From nothing, stopped once and taken up again. */
static ntk_status stop_and_go(problem *p, const ntk_grid *grid, ntk_record *record,
                              ntk_kernel *back) {
  kept_kernel first = {.folder = folder, .chunks = 2, .stop_after = 2};
  kept_kernel second = {.folder = folder, .chunks = 2, .stop_after = 1000};
  ntk_status status = compute_kept(p, grid, 2, &first);

  EXPECT(status != NTK_OK);
  if (status == NTK_E_STOPPED) status = compute_and_restore(p, grid, &second, record, back);
  EXPECT(status != NTK_OK || second.found > 0);
  ntk_kernel_destroy(&second.kernel);
  return status;
}

static ntk_status job(const ntk_comm *comm, void *context) {
  ntk_grid grid = {0};
  ntk_record record = {0};
  ntk_kernel back = {0};

  if (comm->rank == 0) {
    folder_remove(folder);
    EXPECT(mkdir(folder, 0777) == 0);
  }
  MPI_Barrier(comm->mpi);
  NTK_TRY(ntk_grid_create(comm, 0, 0, &grid));
  const ntk_status status = stop_and_go(context, &grid, &record, &back);

  ntk_kernel_destroy(&back);
  ntk_record_destroy(&record);
  ntk_grid_destroy(&grid);
  MPI_Barrier(comm->mpi);
  return status;
}

static void test_faults(const ntk_comm *comm) {
  problem p;

  create_problem("{depth: 1, width: 3, activation: tanh}", "{test_test: full}",
                 3 - (comm->size > 1), 1, 2, 1, comm->rank == 0, &p);
  EXPECT(sweep_faults_everywhere(comm, job, &p) > 10);
  destroy_problem(&p);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  const ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD);
  ntk_grid grid = {0};

  if (comm.rank == 0) folder_make(folder);
  ntk_comm_broadcast(&comm, 0, folder, sizeof(folder));
  EXPECT_OK(ntk_grid_create(&comm, 0, 0, &grid));
  test_case(&comm, &grid, "{outputs: mean}", 4);
  test_case(&comm, &grid, "{outputs: full, test_test: full}", 4);
  test_case(&comm, &grid, "{outputs: trace, per_layer: false}", 0);
  test_case(&comm, &grid, "{quantity: conjugate}", 3);
  ntk_grid_destroy(&grid);
  if (comm.size <= 2) test_faults(&comm);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Barrier(comm.mpi);
  if (comm.rank == 0) folder_remove(folder);
  MPI_Finalize();
  return 0;
}
