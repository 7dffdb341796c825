/* bench.h -- what the benchmarks of the kernel have in common: the peak of the machine, a kernel
 * from two lines of YAML on samples that are known functions of their index, rounds. */
#ifndef NTK_TOOLS_BENCH_H
#define NTK_TOOLS_BENCH_H

#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#include "ntk/base/array.h"
#include "ntk/base/log.h"
#include "ntk/base/memory.h"
#include "ntk/kernel/kernel.h"

enum { BENCH_EDGE = 2048, BENCH_PRODUCTS = 5, BENCH_MOST_ROUNDS = 101 };

static inline int bench_ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;

  return (x > y) - (x < y);
}

/* Sorts the values. */
static inline double bench_median(double *values, int count) {
  qsort(values, (size_t)count, sizeof(*values), bench_ascending);
  return values[count / 2];
}

/* A positive integer argument, or its default. */
static inline int64_t bench_argument(int argc, char **argv, int k, int64_t fallback) {
  const long long value = k < argc ? strtoll(argv[k], NULL, 10) : 0;

  return value > 0 ? value : fallback;
}

static inline int bench_rounds(int argc, char **argv, int k) {
  const int64_t rounds = bench_argument(argc, argv, k, 3);

  return (int)(rounds < BENCH_MOST_ROUNDS ? rounds : BENCH_MOST_ROUNDS);
}

/* ---- the peak ---- */

typedef struct bench_products {
  void *a, *b, *c; /* [EDGE][EDGE] */
} bench_products;

static inline ntk_status bench_products_create(ntk_dtype dtype, bench_products *p) {
  const int64_t count = (int64_t)BENCH_EDGE * BENCH_EDGE;

  NTK_TRY(ntk_array_new(dtype, count, &p->a));
  NTK_TRY(ntk_array_new(dtype, count, &p->b));
  NTK_TRY(ntk_array_new(dtype, count, &p->c));
  for (int64_t k = 0; k < count; ++k) {
    const double value = sin((double)k);

    ntk_array_convert(NTK_DOUBLE, &value, dtype, ntk_array_at(dtype, p->a, k), 1);
    ntk_array_convert(NTK_DOUBLE, &value, dtype, ntk_array_at(dtype, p->b, k), 1);
  }
  return NTK_OK;
}

static inline double bench_products_time(const ntk_comm *comm, ntk_dtype dtype,
                                         const bench_products *p) {
  const int64_t edge = BENCH_EDGE;
  double rate[BENCH_PRODUCTS];

  for (int k = 0; k < BENCH_PRODUCTS; ++k) {
    MPI_Barrier(comm->mpi);
    const double start = ntk_now();

    ntk_gemm(dtype, false, true, edge, edge, edge, 1, p->a, edge, p->b, edge, 0, p->c, edge);
    rate[k] = 2.0 * (double)(edge * edge * edge) * comm->size /
              ntk_comm_max(comm, ntk_now() - start);
  }
  return bench_median(rate, BENCH_PRODUCTS);
}

/* Collective.  Flops per second of all ranks together in large GEMMs, now: the median of some. */
NTK_CHECKED static inline ntk_status bench_peak(const ntk_comm *comm, ntk_dtype dtype,
                                                double *rate) {
  bench_products p = {0};
  const ntk_status status = ntk_agree(comm, bench_products_create(dtype, &p));

  if (status == NTK_OK) *rate = bench_products_time(comm, dtype, &p);
  ntk_free(&p.a);
  ntk_free(&p.b);
  ntk_free(&p.c);
  return status;
}

/* ---- a kernel ---- */

typedef struct bench_kernel {
  const ntk_grid *grid;
  ntk_dtype dtype;
  ntk_tree network_tree, kernel_tree; /* where the settings live */
  ntk_network_settings network_settings;
  ntk_kernel_settings kernel_settings;
  ntk_data data;
  ntk_network network;
} bench_kernel;

static inline ntk_status bench_bind(const char *name, const char *yaml, const ntk_section *section,
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

static inline ntk_status bench_fill_data(const ntk_shape *shape, int64_t n, bool complete,
                                         ntk_data *data) {
  const int64_t features = ntk_shape_count(shape);

  data->shape = *shape;
  data->features = features;
  data->outputs = 1;
  data->train.count = n;
  if (!complete) return NTK_OK;
  NTK_TRY(NTK_NEW(n * features, &data->train.inputs));
  for (int64_t k = 0; k < n * features; ++k) data->train.inputs[k] = sin((double)k);
  return NTK_OK;
}

/* Local.  A network with one output, drawn, and n samples, which rank 0 has.
 *   b  with grid and dtype; destroy it in any case */
NTK_CHECKED static inline ntk_status bench_kernel_create(const char *network,
                                                         const ntk_shape *shape, int64_t n,
                                                         bench_kernel *b) {
  const char *kernel = b->dtype == NTK_SINGLE ? "{precision: single}" : "{precision: double}";

  NTK_TRY(bench_bind("network", network, &ntk_network_section, &b->network_tree,
                     &b->network_settings));
  NTK_TRY(bench_bind("kernel", kernel, &ntk_kernel_section, &b->kernel_tree, &b->kernel_settings));
  NTK_TRY(bench_fill_data(shape, n, b->grid->comm->rank == 0, &b->data));
  NTK_TRY(ntk_network_create(&b->network_settings, shape, 1, b->dtype, &b->network));
  return ntk_network_draw(&b->network_settings, &b->network);
}

static inline void bench_kernel_destroy(bench_kernel *b) {
  ntk_network_destroy(&b->network);
  ntk_data_destroy(&b->data);
  ntk_tree_destroy(&b->network_tree);
  ntk_tree_destroy(&b->kernel_tree);
}

/* What one round tells, the same on all ranks: seconds, and flops per second. */
typedef struct bench_round {
  double seconds, contraction_seconds, flops, peak;
} bench_round;

static inline ntk_status bench_kernel_time(bench_kernel *b, bench_round *r) {
  const ntk_kernel_input input = {.grid = b->grid,
                                  .block = 64,
                                  .settings = &b->kernel_settings,
                                  .network = &b->network,
                                  .data = &b->data};
  ntk_kernel kernel = {0};

  MPI_Barrier(b->grid->comm->mpi);
  NTK_TRY(ntk_kernel_compute(&input, &kernel));
  r->seconds = ntk_comm_max(b->grid->comm, kernel.seconds);
  r->contraction_seconds = ntk_comm_max(b->grid->comm, kernel.contraction_seconds);
  r->flops = kernel.flops;
  ntk_kernel_destroy(&kernel);
  return NTK_OK;
}

/* Collective.  The kernel once, between two measurements of the peak, of which it is the mean. */
NTK_CHECKED static inline ntk_status bench_kernel_round(bench_kernel *b, bench_round *r) {
  double before = 0, after = 0;

  NTK_TRY(bench_peak(b->grid->comm, b->dtype, &before));
  NTK_TRY(bench_kernel_time(b, r));
  NTK_TRY(bench_peak(b->grid->comm, b->dtype, &after));
  r->peak = 0.5 * (before + after);
  ntk_log("kernel %.3f s, of them contraction %.3f s; %.4g flops counted in the assembly; peak "
          "%.1f and %.1f GF/s",
          r->seconds, r->contraction_seconds, r->flops, 1e-9 * before, 1e-9 * after);
  return NTK_OK;
}

/* ---- main ---- */

/* What a benchmark does on its grid, 1 x ranks. */
typedef ntk_status bench_body(const ntk_grid *grid, int argc, char **argv);

static inline int bench_main(int argc, char **argv, bench_body *body) {
  ntk_grid grid = {0};

  ntk_blas_adopt_core(argv);
  MPI_Init(&argc, &argv);
  const ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD);

  ntk_log_enable(comm.rank == 0);
  ntk_status status = ntk_grid_create(&comm, 1, comm.size, &grid);
  if (status == NTK_OK) status = body(&grid, argc, argv);
  ntk_grid_destroy(&grid);
  if (status != NTK_OK && comm.rank == 0) (void)fprintf(stderr, "%s\n", ntk_last_error()->text);
  MPI_Finalize();
  return ntk_status_exit_code(status);
}

#endif
