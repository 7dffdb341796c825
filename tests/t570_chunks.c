/* A kernel that is kept is the same to the last bit as one that is not: however many chunks it is
 * computed in, wherever it is stopped, and on whatever grid and block it goes on; and so are its
 * tensors' traces and norms up to rounding, on one grid to the last bit.
 *
 * Method: one rank computes the whole kernel alone.  On the first 1, 2, 3, 4 and 6 ranks, a kept one
 * is stopped at every boundary in turn (the same status on all ranks), goes on upon the next grid
 * with the next block until it is finished, and is compared entry by entry; its files are then read
 * into yet another grid. */
//TEST ranks=6
#include "alone.h"
#include "folder.h"
#include "kept.h"

static const struct {
  const char *network, *kernel;
  int64_t n, m, features, outputs;
} cases[] = {
    {"{depth: 2, width: 17, activation: tanh}", "{outputs: mean, test_test: full}", 150, 70, 3, 3},
    {"{depth: 1, width: 20, activation: relu, bias: {scale: 1, std: 1}}", "{outputs: full}", 40, 9,
     5, 3},
    {"{depth: 2, width: 33, activation: erf}", "{outputs: pseudo, per_layer: false}", 70, 20, 17,
     4},
    {"{depth: 1, width: 3}", "{outputs: {single: {output: 1}}, test_test: none}", 33, 1, 1, 2},
    {"{depth: 2, width: 33, activation: tanh}", "{quantity: conjugate, test_test: full}", 90, 30, 7,
     3},
    {"{depth: 1, width: 65}", "{quantity: nngp, outputs: trace}", 80, 5, 5, 3},
    {"{depth: 2, width: 300, activation: tanh}", "{outputs: trace, precision: single}", 130, 7, 64,
     2},
    {"{layers: [{dense: {features: 5}}, {batch_norm: {mode: train}}, {activation: relu}, {dropout:"
     " {keep: 0.5, masks: expected_independent}}, {dense: {features: outputs}}]}",
     "{outputs: mean, test_test: full}", 25, 3, 2, 1},
};

static char folder[4096];

/* ---- comparison ----------------------------------------------------------------------------- */

static void compare(const ntk_kernel *k, const ntk_kernel *alone) {
  const bool exact = k->reproducible;

  EXPECT(exact || k->single);
  compare_matrix("Gram", exact, &k->gram, &alone->gram);
  compare_matrix("test block", exact, &k->test_train, &alone->test_train);
  compare_matrix("test-test block", exact, &k->test_test, &alone->test_test);
  EXPECT(k->tensor_count == alone->tensor_count && !k->tensor_trace == !alone->tensor_trace);
  for (int t = 0; t < k->tensor_count; ++t) {
    EXPECT_TEXT(k->tensor_name[t], alone->tensor_name[t]);
    if (!k->tensor_trace) continue;
    EXPECT_NEAR(k->tensor_trace[t], alone->tensor_trace[t], 1e-6 * alone->tensor_trace[t]);
    EXPECT_NEAR(k->tensor_norm[t], alone->tensor_norm[t], 1e-6 * alone->tensor_norm[t]);
  }
  if (!exact) return;
  for (int t = 0; t < k->tensor_count && k->tensor_trace; ++t) {
    EXPECT_NEAR(k->tensor_norm[t], alone->tensor_norm[t], 1e-12 * alone->tensor_norm[t]);
  }
  compare_arrays(k->f0, alone->f0, k->n * k->outputs);
  compare_arrays(k->test_f0, alone->test_f0, k->m * k->outputs);
  compare_arrays(k->initial, alone->initial, k->n * k->outputs);
  compare_arrays(k->test_diagonal, alone->test_diagonal, k->m * k->rows_per_sample);
}

/* ---- a kernel in pieces --------------------------------------------------------------------- */

/* One run of many: on the grid and with the block whose turn it is. */
static ntk_status run_once(const ntk_comm *comm, problem *p, int turn, int64_t chunks,
                           int64_t stop_after, const ntk_kernel *alone, int64_t *asked) {
  static const int64_t blocks[] = {8, 64, 3, 100};
  int rows = 1 + turn % comm->size;
  ntk_grid grid = {0};
  kept_kernel kept = {.folder = folder, .chunks = chunks, .stop_after = stop_after};

  while (comm->size % rows) --rows;
  EXPECT_OK(ntk_grid_create(comm, rows, comm->size / rows, &grid));
  const ntk_status status = compute_kept(p, &grid, blocks[turn % 4], &kept);

  *asked = kept.asked;
  if (status == NTK_OK) compare(&kept.kernel, alone);
  ntk_kernel_destroy(&kept.kernel);
  ntk_grid_destroy(&grid);
  return status;
}

/* All statuses are the same on all ranks. */
static void expect_agreement(const ntk_comm *comm, ntk_status status) {
  EXPECT((int)ntk_comm_max(comm, (double)status) == (int)status);
  EXPECT((int)-ntk_comm_max(comm, -(double)status) == (int)status);
}

static void clear(const ntk_comm *comm) {
  MPI_Barrier(comm->mpi);
  if (comm->rank == 0) {
    EXPECT_OK(ntk_checkpoint_discard(folder_path(folder, "gram.h5")));
    EXPECT_OK(ntk_checkpoint_discard(folder_path(folder, "test.h5")));
  }
  MPI_Barrier(comm->mpi);
}

/* Stopped at boundary `first`, then at every `step`-th after that. */
static void test_stops(const ntk_comm *comm, problem *p, const ntk_kernel *alone, int64_t chunks,
                       int64_t first, int64_t step) {
  int64_t asked = 0;
  int turn = 0;
  ntk_status status = run_once(comm, p, turn, chunks, first, alone, &asked);

  for (; status == NTK_E_STOPPED; ++turn) {
    expect_agreement(comm, status);
    EXPECT(turn < 200);
    status = run_once(comm, p, turn + 1, chunks, step, alone, &asked);
  }
  EXPECT_STATUS(status, NTK_OK);
  EXPECT(first > asked || turn > 0);
  status = run_once(comm, p, turn + 1, chunks, 1000, alone, &asked); /* all is there */
  EXPECT_STATUS(status, NTK_OK);
  EXPECT(asked <= 1);
  clear(comm);
}

static void test_part(const ntk_comm *comm, problem *p, const ntk_kernel *alone, size_t c) {
  test_stops(comm, p, alone, 1, 1000, 1000);
  test_stops(comm, p, alone, 16, 1000, 1000);
  test_stops(comm, p, alone, 4, 3 + (int64_t)c % 3, 4);
  for (int64_t first = 0; c == 0 && first < 12; first += 1 + comm->size / 3) {
    test_stops(comm, p, alone, 5, first, 1000);
  }
}

static void test_case(const all_ranks *all, size_t c) {
  problem p;
  ntk_kernel alone;

  create_problem(cases[c].network, cases[c].kernel, cases[c].n, cases[c].m, cases[c].features,
                 cases[c].outputs, all->comm.rank == 0, &p);
  compute_alone(all, &p, &alone);
  for (int s = 0; s < all->count; ++s) {
    if (all->parts[s].comm.size > 0) test_part(&all->parts[s].comm, &p, &alone, c);
  }
  ntk_kernel_destroy(&alone);
  destroy_problem(&p);
}

/* Kept in pieces of all sizes, on the grid on which `plain` was computed in one go. */
static void test_sums(const ntk_comm *comm, problem *p, const ntk_grid *grid, int64_t stop_after,
                      const ntk_kernel *plain) {
  ntk_status status = NTK_E_STOPPED;

  for (int64_t chunks = 1; status == NTK_E_STOPPED; chunks += 2) {
    kept_kernel kept = {.folder = folder, .chunks = chunks, .stop_after = stop_after};

    status = compute_kept(p, grid, 8, &kept);
    if (status == NTK_OK) {
      compare_arrays(kept.kernel.tensor_trace, plain->tensor_trace, plain->tensor_count);
      compare_arrays(kept.kernel.tensor_norm, plain->tensor_norm, plain->tensor_count);
    }
    ntk_kernel_destroy(&kept.kernel);
  }
  EXPECT_STATUS(status, NTK_OK);
  clear(comm);
}

static void test_sums_of(const first_ranks *ranks, size_t c) {
  ntk_kernel plain = {0};
  problem p;

  create_problem(cases[c].network, cases[c].kernel, cases[c].n, cases[c].m, cases[c].features,
                 cases[c].outputs, ranks->comm.rank == 0, &p);
  EXPECT_OK(compute_kernel(&p, &ranks->grid, 8, &plain));
  EXPECT(plain.tensor_trace && plain.tensor_norm[0] > 0);
  for (int64_t stop_after = 2; stop_after < 5; ++stop_after) {
    test_sums(&ranks->comm, &p, &ranks->grid, stop_after, &plain);
  }
  ntk_kernel_destroy(&plain);
  destroy_problem(&p);
}

int main(int argc, char **argv) {
  static const int sizes[] = {1, 2, 3, 4, 6, 0};
  all_ranks all;

  begin_test(&argc, &argv);
  create_ranks(sizes, &all);
  if (all.comm.rank == 0) folder_make(folder);
  ntk_comm_broadcast(&all.comm, 0, folder, sizeof(folder));
  for (size_t c = 0; c < sizeof(cases) / sizeof(*cases); ++c) test_case(&all, c);
  for (int s = 0; s < all.count; ++s) {
    for (size_t c = 0; c < 2 && all.parts[s].comm.size > 0; ++c) test_sums_of(&all.parts[s], c);
  }
  MPI_Barrier(all.comm.mpi);
  if (all.comm.rank == 0) folder_remove(folder);
  destroy_ranks(&all);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
