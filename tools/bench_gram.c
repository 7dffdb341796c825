/* How near the Gram of an MLP comes to the peak of the machine: flops of the formula below over
 * time, over the rate of large GEMMs on all ranks at once, measured before and after each run.
 *
 *   mpirun -n 2 bench_gram [n [width [rounds]]]      prints  gram double ratio 0.85
 *                                                            gram single ratio 0.65
 *
 * Network 784-width-width-width-1, relu; the grid is 1 x ranks.  Time runs from the first
 * GEMM of the forward pass to the complete symmetric matrix.
 *
 *   flops  n^2 sum (p + O q) + 2 n sum p q + 2 n O sum_{l >= 2} p q   (lower half of the Gram only)
 *   peak   median of 5 products A^T B of 2048 x 2048 matrices; mean of before and after
 *   ratio  median of the rounds */
#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#include "ntk/base/array.h"
#include "ntk/base/log.h"
#include "ntk/base/memory.h"
#include "ntk/kernel/kernel.h"

enum { FEATURES = 784, HIDDEN = 3, EDGE = 2048, PRODUCTS = 5, MOST_ROUNDS = 101 };

typedef struct bench {
  const ntk_grid *grid;
  ntk_tree network_tree, kernel_tree; /* where the settings live */
  ntk_network_settings network_settings;
  ntk_kernel_settings kernel_settings;
  ntk_data data;
  ntk_network network;
  void *a, *b, *c; /* [EDGE][EDGE] */
} bench;

static double median(double *values, int count) {
  for (int i = 1; i < count; ++i) { /* few enough */
    for (int j = i; j > 0 && values[j] < values[j - 1]; --j) {
      const double v = values[j];
      values[j] = values[j - 1];
      values[j - 1] = v;
    }
  }
  return values[count / 2];
}

/* ---- the peak ---- */

static ntk_status allocate_products(ntk_dtype dtype, bench *b) {
  NTK_TRY(ntk_array_new(dtype, EDGE * EDGE, &b->a));
  NTK_TRY(ntk_array_new(dtype, EDGE * EDGE, &b->b));
  NTK_TRY(ntk_array_new(dtype, EDGE * EDGE, &b->c));
  for (int64_t k = 0; k < EDGE * EDGE; ++k) {
    const double value = sin((double)k);
    ntk_array_convert(NTK_DOUBLE, &value, dtype, ntk_array_at(dtype, b->a, k), 1);
    ntk_array_convert(NTK_DOUBLE, &value, dtype, ntk_array_at(dtype, b->b, k), 1);
  }
  return NTK_OK;
}

static void free_products(bench *b) {
  ntk_free(&b->a);
  ntk_free(&b->b);
  ntk_free(&b->c);
}

/* Flops per second of all ranks together. */
static double time_products(const ntk_comm *comm, ntk_dtype dtype, bench *b) {
  const double flops = 2.0 * EDGE * EDGE * EDGE * comm->size;
  double rate[PRODUCTS];

  for (int k = 0; k < PRODUCTS; ++k) {
    MPI_Barrier(comm->mpi);
    const double start = ntk_now();
    ntk_gemm(dtype, false, true, EDGE, EDGE, EDGE, 1, b->a, EDGE, b->b, EDGE, 0, b->c, EDGE);
    rate[k] = flops / ntk_comm_max(comm, ntk_now() - start);
  }
  return median(rate, PRODUCTS);
}

static ntk_status measure_peak(ntk_dtype dtype, bench *b, double *rate) {
  const ntk_status status = ntk_agree(b->grid->comm, allocate_products(dtype, b));

  if (status == NTK_OK) *rate = time_products(b->grid->comm, dtype, b);
  free_products(b);
  return status;
}

/* ---- the kernel ---- */

static double flops_of(int64_t n, int64_t width) {
  const double hidden = (double)width * (double)width, first = FEATURES * (double)width;
  const double in = FEATURES + HIDDEN * (double)width, out = HIDDEN * (double)width + 1;
  const double forward = first + (HIDDEN - 1) * hidden + (double)width;
  const double backward = (HIDDEN - 1) * hidden + (double)width;

  return (double)n * ((double)n * (in + out) + 2 * (forward + backward));
}

static ntk_status time_kernel(bench *b, int64_t n, int64_t width, double *rate) {
  const ntk_kernel_input input = {.grid = b->grid,
                                  .block = 64,
                                  .settings = &b->kernel_settings,
                                  .network = &b->network,
                                  .data = &b->data};
  ntk_kernel kernel = {0};

  MPI_Barrier(b->grid->comm->mpi);
  NTK_TRY(ntk_kernel_compute(&input, &kernel));
  *rate = flops_of(n, width) / ntk_comm_max(b->grid->comm, kernel.seconds);
  ntk_log("kernel: %.3f s, %.4g flops counted, %.4g by the formula", kernel.seconds, kernel.flops,
          flops_of(n, width));
  ntk_kernel_destroy(&kernel);
  return NTK_OK;
}

static ntk_status compare(const char *name, ntk_dtype dtype, int64_t n, int64_t width, int rounds,
                          bench *b) {
  double ratio[MOST_ROUNDS], before, after, rate;

  for (int k = 0; k < rounds; ++k) {
    NTK_TRY(measure_peak(dtype, b, &before));
    NTK_TRY(time_kernel(b, n, width, &rate));
    NTK_TRY(measure_peak(dtype, b, &after));
    ratio[k] = rate / (0.5 * (before + after));
    ntk_log("%s round %d: %.1f GF/s, peak %.1f and %.1f, ratio %.3f", name, k + 1, 1e-9 * rate,
            1e-9 * before, 1e-9 * after, ratio[k]);
  }
  if (b->grid->comm->rank == 0) printf("gram %s ratio %.3f\n", name, median(ratio, rounds));
  return NTK_OK;
}

/* ---- the case ---- */

static ntk_status bind(const char *name, const char *yaml, const ntk_section *section,
                       ntk_tree *tree, void *settings) {
  ntk_problems problems = {0};
  ntk_status status = ntk_tree_parse(name, yaml, tree, &problems);

  if (status == NTK_OK) {
    status = ntk_option_bind(section, tree->root, name, "/", &tree->arena, settings, &problems);
  }
  if (status == NTK_OK) status = ntk_problems_status(&problems);
  ntk_problems_destroy(&problems);
  return status;
}

static ntk_status fill_data(int64_t n, bool complete, ntk_data *data) {
  data->shape = (ntk_shape){.rank = 1, .size = {FEATURES}};
  data->features = FEATURES;
  data->outputs = 1;
  data->train.count = n;
  if (!complete) return NTK_OK;
  NTK_TRY(NTK_NEW(n * FEATURES, &data->train.inputs));
  for (int64_t k = 0; k < n * FEATURES; ++k) data->train.inputs[k] = sin((double)k);
  return NTK_OK;
}

static ntk_status prepare(ntk_dtype dtype, int64_t n, int64_t width, bench *b) {
  char network[200], kernel[100];

  (void)snprintf(network, sizeof(network),
                 "{depth: %d, width: %lld, activation: relu, parameterization: ntk}", HIDDEN,
                 (long long)width);
  (void)snprintf(kernel, sizeof(kernel), "{precision: %s}",
                 dtype == NTK_SINGLE ? "single" : "double");
  NTK_TRY(bind("network", network, &ntk_network_section, &b->network_tree, &b->network_settings));
  NTK_TRY(bind("kernel", kernel, &ntk_kernel_section, &b->kernel_tree, &b->kernel_settings));
  NTK_TRY(fill_data(n, b->grid->comm->rank == 0, &b->data));
  NTK_TRY(ntk_network_create(&b->network_settings, &b->data.shape, 1, dtype, &b->network));
  return ntk_network_draw(&b->network_settings, &b->network);
}

static void destroy(bench *b) {
  ntk_network_destroy(&b->network);
  ntk_data_destroy(&b->data);
  ntk_tree_destroy(&b->network_tree);
  ntk_tree_destroy(&b->kernel_tree);
}

static ntk_status run(const ntk_grid *grid, const char *name, ntk_dtype dtype, int64_t n,
                      int64_t width, int rounds) {
  bench b = {.grid = grid};
  ntk_status status = ntk_agree(grid->comm, prepare(dtype, n, width, &b));

  if (status == NTK_OK) status = compare(name, dtype, n, width, rounds, &b);
  destroy(&b);
  return status;
}

/* A positive integer argument, or its default. */
static int64_t argument(int argc, char **argv, int k, int64_t fallback) {
  const long long value = k < argc ? strtoll(argv[k], NULL, 10) : 0;

  return value > 0 ? value : fallback;
}

int main(int argc, char **argv) {
  ntk_grid grid = {0};

  ntk_blas_adopt_core(argv);
  MPI_Init(&argc, &argv);
  const ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD);
  const int64_t n = argument(argc, argv, 1, 8192), width = argument(argc, argv, 2, 1024);
  const int64_t wanted = argument(argc, argv, 3, 3);
  const int rounds = (int)(wanted < MOST_ROUNDS ? wanted : MOST_ROUNDS);

  ntk_log_enable(comm.rank == 0);
  ntk_status status = ntk_grid_create(&comm, 1, comm.size, &grid);
  if (status == NTK_OK) status = run(&grid, "double", NTK_DOUBLE, n, width, rounds);
  if (status == NTK_OK) status = run(&grid, "single", NTK_SINGLE, n, width, rounds);
  ntk_grid_destroy(&grid);
  if (status != NTK_OK && comm.rank == 0) fprintf(stderr, "%s\n", ntk_last_error()->text);
  MPI_Finalize();
  return ntk_status_exit_code(status);
}
