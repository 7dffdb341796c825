#include "ntk/run/cost.h"

#include <math.h>
#include <string.h>

#include "ntk/dist/grid.h"
#include "ntk/run/build.h"

/* Entries that a rank's part of a matrix, or a workspace, may have: ScaLAPACK's INTEGER. */
static const double most_entries = 2147483647.0;

static double local_entries(int64_t rows, int64_t cols, int64_t block, int grid_rows,
                            int grid_cols) {
  return (double)ntk_dealt(rows, block, 0, grid_rows) *
         (double)ntk_dealt(cols, block, 0, grid_cols);
}

static double workspace(const ntk_solver *solver, int64_t n, int64_t block, int rows, int cols) {
  return solver->workspace ? solver->workspace(n, block, rows, cols) : 0;
}

static bool fits(const ntk_settings *s, int64_t n, int rows, int cols) {
  const ntk_solver *solver = (const ntk_solver *)s->spectrum.solver;
  const int64_t block = ntk_spectrum_block(&s->spectrum, n, rows, cols);

  return local_entries(n, n, block, rows, cols) <= most_entries &&
         workspace(solver, n, block, rows, cols) / 8 <= most_entries;
}

static int64_t ranks_needed(const ntk_settings *s, int64_t n) {
  enum { MOST_RANKS = 1 << 20 };

  for (int ranks = 1; ranks < MOST_RANKS; ranks += ranks < 64 ? 1 : ranks / 16) {
    int rows = 1, cols = 1;

    ntk_grid_squarest(ranks, &rows, &cols);
    if (fits(s, n, rows, cols)) return ranks;
  }
  return MOST_RANKS;
}

/* Files that output.keep names; results.h5 itself is small. */
static double kept_bytes(const ntk_point *point, const ntk_point_cost *cost, int64_t test_rows) {
  const double rows = (double)cost->rows;
  double bytes = 0;

  if (ntk_point_keeps(point, "gram")) bytes += 8 * rows * rows;
  if (ntk_point_keeps(point, "spectrum")) bytes += 8 * rows * rows;
  if (ntk_point_keeps(point, "test_train")) bytes += 8 * rows * (double)test_rows;
  if (ntk_point_keeps(point, "weights")) bytes += 8 * (double)cost->parameters;
  return bytes;
}

/* The process grid that a run on that many ranks has. */
typedef struct shape {
  int rows, cols;
  int64_t block;
} shape;

static shape shape_of(const ntk_settings *s, int ranks, int64_t rows) {
  shape g = {0};

  ntk_grid_squarest(ranks, &g.rows, &g.cols);
  g.block = ntk_spectrum_block(&s->spectrum, rows, g.rows, g.cols);
  return g;
}

/* Eigenvectors and workspace beside what stays from the kernel stage: matrices and weights. */
static void add_spectrum(const ntk_settings *s, const shape *g, double staying,
                         ntk_point_cost *cost) {
  const ntk_solver *solver = (const ntk_solver *)s->spectrum.solver;
  const double n = (double)cost->rows;

  cost->ranks_needed = ranks_needed(s, cost->rows);
  if (!solver->solve) return;
  const double bytes = staying +
                       8 * local_entries(cost->rows, cost->rows, g->block, g->rows, g->cols) +
                       workspace(solver, cost->rows, g->block, g->rows, g->cols);

  /* tridiagonalisation 4/3 n^3, divide and conquer and back-transformation 4 n^3 */
  cost->spectrum_flops = 16.0 / 3.0 * n * n * n;
  cost->bytes_per_rank = fmax(cost->bytes_per_rank, bytes);
}

static void add_up(const ntk_point *point, const ntk_network *network, int ranks,
                   ntk_point_cost *cost) {
  const ntk_settings *s = &point->settings;
  const ntk_cotangents cotangents = ntk_kernel_cotangents(&s->kernel);
  const ntk_network_cost network_cost = ntk_network_cost_of(network, &cotangents);
  const int64_t per_sample = ntk_cotangent_rows(&cotangents, network->outputs);

  cost->rows = cost->n * per_sample;
  cost->parameters = network->parameters;
  const shape g = shape_of(s, ranks, cost->rows);
  const ntk_kernel_cost kernel =
      ntk_kernel_cost_of(network, &s->kernel, cost->n, cost->m, g.block, g.rows, g.cols);

  cost->kernel_flops = kernel.flops;
  cost->bytes_per_rank = kernel.bytes;
  add_spectrum(s, &g, kernel.matrix_bytes + network_cost.weight_bytes, cost);
  cost->disk_bytes = kept_bytes(point, cost, cost->m * per_sample);
}

/* What rank 0 holds of the data all along: the source as it was read, and the samples. */
static double data_bytes(const ntk_data_cache *cache, const ntk_data *data) {
  const ntk_raw *raw = &cache->raw;
  const double samples = (double)(data->train.count + data->test.count);
  double bytes = 8 * samples * (double)(data->features + data->outputs);

  bytes += (double)raw->train_count * (double)data->features * (raw->train_bytes ? 1 : 8);
  bytes += (double)raw->test_count * (double)data->features * (raw->test_bytes ? 1 : 8);
  return bytes;
}

static ntk_status from_network(const ntk_point *point, int ranks, const ntk_data *data,
                               ntk_point_cost *cost) {
  const ntk_settings *s = &point->settings;
  ntk_network network = {0};

  cost->n = data->train.count;
  cost->m = data->test.count;
  NTK_TRY(ntk_network_build(s, &data->shape, data->outputs, false, &network));
  add_up(point, &network, ranks, cost);
  ntk_network_destroy(&network);
  return NTK_OK;
}

/* A kernel that is only read costs its spectrum. */
static ntk_status from_size(const ntk_point *point, int ranks, ntk_point_cost *cost) {
  const ntk_settings *s = &point->settings;
  const ntk_kernel_type *type = (const ntk_kernel_type *)s->kernel.type.row;
  ntk_kernel_size size = {0};

  NTK_TRY(type->size(&s->kernel, &size));
  cost->n = size.n;
  cost->m = size.m;
  cost->rows = size.rows;
  const shape g = shape_of(s, ranks, size.rows);

  cost->bytes_per_rank = 8 * (local_entries(size.rows, size.rows, g.block, g.rows, g.cols) +
                              local_entries(size.test_rows, size.rows, g.block, g.rows, g.cols));
  add_spectrum(s, &g, cost->bytes_per_rank, cost);
  cost->disk_bytes = kept_bytes(point, cost, size.test_rows);
  return NTK_OK;
}

ntk_status ntk_point_cost_of(const ntk_point *point, int ranks, ntk_data_cache *cache,
                             ntk_point_cost *cost) {
  const ntk_settings *s = &point->settings;
  ntk_data data = {0};

  *cost = (ntk_point_cost){.ranks_needed = 1};
  if (!((const ntk_kernel_type *)s->kernel.type.row)->needs_network) {
    return from_size(point, ranks, cost);
  }
  NTK_TRY(ntk_data_probe(&s->data, cache, &data));
  const ntk_status status = from_network(point, ranks, &data, cost);

  cost->bytes_per_rank += data_bytes(cache, &data);
  ntk_data_destroy(&data);
  return status;
}
