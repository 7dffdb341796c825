/* What plan says of a kernel is what happens: flops of the assembly to within the staircase at the
 * diagonal, memory of a rank to within a tenth.
 *
 * Method: counted flops, and the growth of the process' peak over what it had before. */
//TEST ranks=1,2,4
#include "kernel.h"

enum { N = 2048, M = 512, FEATURES = 64 };

static const struct {
  const char *network, *kernel;
  int64_t outputs;
} cases[] = {
    {"{depth: 1, width: 8, activation: relu}", "{outputs: mean}", 1}, /* touches the libraries */
    {"{depth: 2, width: 512, activation: relu}", "{outputs: mean}", 1},
    {"{depth: 2, width: 512, activation: relu}", "{outputs: mean, precision: single}", 3},
    {"{depth: 1, width: 700, activation: relu}", "{outputs: {single: {output: 2}}}", 3},
    {"{depth: 2, width: 600, activation: relu}", "{outputs: trace}", 2},
};

static void check_memory(const ntk_comm *comm, double grown, double planned) {
  const double most = ntk_comm_max(comm, grown), spare = 16 << 20; /* libraries' own buffers */

  if (most > 1.1 * planned + spare || most < 0.9 * planned - spare) {
    FAIL("%.1f MiB, planned %.1f MiB", most / (1 << 20), planned / (1 << 20));
  }
}

static void test_case(const ntk_grid *grid, size_t c) {
  problem p;
  ntk_kernel kernel = {0};

  create_problem(cases[c].network, cases[c].kernel, N, M, FEATURES, cases[c].outputs,
                 grid->comm->rank == 0, &p);
  const double before = ntk_memory_peak();
  const ntk_kernel_cost cost =
      ntk_kernel_cost_of(&p.network, &p.kernel_settings, N, M, 64, grid->rows, grid->cols);
  EXPECT_OK(compute_kernel(&p, grid, 64, &kernel));
  const double grown = ntk_memory_peak() - before;

  EXPECT(kernel.flops >= cost.assembly_flops && kernel.flops <= 1.15 * cost.assembly_flops);
  EXPECT(cost.flops > cost.assembly_flops && cost.bytes > cost.matrix_bytes);
  if (grid->comm->rank == 0) {
    EXPECT(cost.matrix_bytes == 8.0 * (double)(kernel.gram.ld * kernel.gram.local_cols +
                                               kernel.test_train.ld * kernel.test_train.local_cols));
  }
  /* the peak only grows, so only the first large case tells */
  if (c == 1 && before > 0) check_memory(grid->comm, grown, cost.bytes - cost.weight_bytes);
  ntk_kernel_destroy(&kernel);
  destroy_problem(&p);
}

int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD);
  ntk_grid grid = {0};

  EXPECT_OK(ntk_grid_create(&comm, 0, 0, &grid));
  for (size_t c = 0; c < sizeof(cases) / sizeof(*cases); ++c) test_case(&grid, c);
  ntk_grid_destroy(&grid);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
