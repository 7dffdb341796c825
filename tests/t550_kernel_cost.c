/* What plan says of a kernel is what happens: flops of the assembly to within the staircase at the
 * diagonal, memory of a rank to within 5 % and what libraries and huge pages add; and in how many
 * chunks it is computed when it is kept.
 *
 * Method: counted flops, and the growth of the process' peak over what it had before. */
//TEST ranks=1,2,4
#include "architectures.h"
#include "kernel.h"

enum { FEATURES = 64 };

/* The first, whose memory is looked at, is the largest. */
static const struct {
  const char *network, *kernel;
  int64_t outputs, n, m;
} cases[] = {
    {"{depth: 2, width: 512, activation: relu}", "{outputs: mean}", 1, 3072, 512},
    {"{depth: 2, width: 512, activation: relu}", "{outputs: mean, precision: single}", 3, 1536, 256},
    {"{depth: 1, width: 700, activation: relu}", "{outputs: {single: {output: 2}}}", 3, 1536, 256},
    {"{depth: 2, width: 600, activation: relu}", "{outputs: trace, test_test: full}", 2, 1536, 256},
    {"{depth: 1, width: 600, activation: relu}", "{quantity: conjugate, test_test: full}", 2, 1536,
     256},
};

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED true
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#endif
#ifndef SANITIZED
#define SANITIZED false /* true: memory is not the program's own */
#endif

static void check_memory(const ntk_comm *comm, double grown, double planned) {
  const double most = ntk_comm_max(comm, grown);
  const double spare = 40 << 20; /* huge pages rounded up, buffers of BLAS and MPI */

  if (most > 1.05 * planned + spare || most < 0.95 * planned) {
    FAIL("%.1f MiB, planned %.1f MiB", most / (1 << 20), planned / (1 << 20));
  }
}

static double weight_bytes(const problem *p) {
  const ntk_cotangents cotangents = ntk_kernel_cotangents(&p->kernel_settings);

  return ntk_network_cost_of(&p->network, &cotangents).weight_bytes;
}

/* Touches what the libraries need once. */
static void warm_up(const ntk_grid *grid) {
  problem p;
  ntk_kernel kernel = {0};

  create_problem("{depth: 1, width: 100}", "{outputs: mean}", 200, 20, 3, 1,
                 grid->comm->rank == 0, &p);
  EXPECT_OK(compute_kernel(&p, grid, 64, &kernel));
  ntk_kernel_destroy(&kernel);
  destroy_problem(&p);
}

static void test_case(const ntk_grid *grid, size_t c) {
  const int64_t n = cases[c].n, m = cases[c].m;
  problem p;
  ntk_kernel kernel = {0};

  create_problem(cases[c].network, cases[c].kernel, n, m, FEATURES, cases[c].outputs,
                 grid->comm->rank == 0, &p);
  const double before = ntk_memory_peak();
  const ntk_kernel_cost cost =
      ntk_kernel_cost_of(&p.network, &p.kernel_settings, ntk_kernel_quantity(&p.kernel_settings, 0),
                         n, m, 64, grid->rows, grid->cols);
  EXPECT_OK(compute_kernel(&p, grid, 64, &kernel));
  const double grown = ntk_memory_peak() - before;

  EXPECT(kernel.flops >= cost.assembly_flops && kernel.flops <= 1.15 * cost.assembly_flops);
  EXPECT(cost.flops > cost.assembly_flops && cost.bytes > cost.matrix_bytes);
  EXPECT(cost.repeat_flops >= 0 && cost.repeat_flops < 0.5 * cost.flops);
  if (grid->comm->rank == 0) {
    const ntk_matrix *test = &kernel.test_test;
    const int64_t square = test->grid ? test->ld * test->local_cols : 0;

    EXPECT(cost.matrix_bytes == 8.0 * (double)(kernel.gram.ld * kernel.gram.local_cols + square +
                                               kernel.test_train.ld * kernel.test_train.local_cols));
  }
  /* the peak only grows, so only the first case tells; weights were there before */
  if (c == 0 && before > 0 && !SANITIZED) check_memory(grid->comm, grown, cost.bytes - weight_bytes(&p));
  ntk_kernel_destroy(&kernel);
  destroy_problem(&p);
}

/* batch_norm in mode train: deltas of all training samples for every sample, which is more than any
 * case before took.
 *   base  peak before those */
static void test_batch(const ntk_grid *grid, double base) {
  enum { SAMPLES = 448, TESTS = 64 };
  problem p;
  ntk_kernel kernel = {0};

  create_problem("{layers: [dense: {features: 64}, batch_norm: {mode: train}, activation: relu, dense:"
                 " {features: 64}, batch_norm: {mode: train}, dense: {features: outputs}]}",
                 "{outputs: mean}", SAMPLES, TESTS, 8, 1, grid->comm->rank == 0, &p);
  const ntk_kernel_cost cost =
      ntk_kernel_cost_of(&p.network, &p.kernel_settings, &ntk_quantity_ntk, SAMPLES, TESTS, 64,
                         grid->rows, grid->cols);

  EXPECT_OK(compute_kernel(&p, grid, 64, &kernel));
  if (base > 0 && !SANITIZED) check_memory(grid->comm, ntk_memory_peak() - base, cost.bytes);
  EXPECT(kernel.flops >= cost.assembly_flops && kernel.flops <= 1.25 * cost.assembly_flops);
  EXPECT(cost.flops - cost.assembly_flops > 2.0 * (SAMPLES + TESTS) * SAMPLES * 64 * 64);
  ntk_kernel_destroy(&kernel);
  destroy_problem(&p);
}

/* Tensors with several positions: what is formed of every sample counts too. */
static void test_positions(const ntk_grid *grid, const architecture *a, const char *contraction) {
  enum { SAMPLES = 768, TESTS = 128 };
  char yaml[128];
  problem p;
  ntk_kernel kernel = {0};

  (void)snprintf(yaml, sizeof(yaml), "{contraction: %s}", contraction);
  create_shaped_problem(a->network, yaml, SAMPLES, TESTS, &a->shape, a->vocabulary, a->outputs,
                        grid->comm->rank == 0, &p);
  const ntk_kernel_cost cost =
      ntk_kernel_cost_of(&p.network, &p.kernel_settings, ntk_kernel_quantity(&p.kernel_settings, 0),
                         SAMPLES, TESTS, 64, grid->rows, grid->cols);

  EXPECT_OK(compute_kernel(&p, grid, 64, &kernel));
  if (kernel.flops < cost.assembly_flops || kernel.flops > 1.25 * cost.assembly_flops) {
    FAIL("%s: %g flops, planned %g", contraction, kernel.flops, cost.assembly_flops);
  }
  double tensors = 0;

  for (int t = 0; t < kernel.tensor_count; ++t) tensors += kernel.tensor_flops[t];
  EXPECT_NEAR(tensors, cost.assembly_flops, 1e-12 * cost.assembly_flops);
  ntk_kernel_destroy(&kernel);
  destroy_problem(&p);
}

/* As many as the interval asks for, as long as what is repeated costs at most 2 %. */
static void test_chunks(void) {
  ntk_kernel_cost cost = {.flops = 1e12, .repeat_flops = 1e9};

  EXPECT(ntk_kernel_chunks(&cost, 20, 30) == 1 && ntk_kernel_chunks(&cost, 20, 0) == 16);
  EXPECT(ntk_kernel_chunks(&cost, 95, 30) == 4);
  EXPECT(ntk_kernel_chunks(&cost, 1e6, 30) == 21); /* 20 of 1000 are 2 % */
  cost.repeat_flops = 1e11;
  EXPECT(ntk_kernel_chunks(&cost, 1e6, 30) == 1);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD);
  ntk_grid grid = {0};

  EXPECT_OK(ntk_grid_create(&comm, 0, 0, &grid));
  test_chunks();
  warm_up(&grid);
  const double base = ntk_memory_peak();

  for (size_t c = 0; c < sizeof(cases) / sizeof(*cases); ++c) test_case(&grid, c);
  test_batch(&grid, base);
  test_positions(&grid, &ode, "pairs");
  test_positions(&grid, &ode, "jacobian");
  test_positions(&grid, &transformer, "auto");
  ntk_grid_destroy(&grid);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
