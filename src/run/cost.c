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
static double kept_bytes(const ntk_point *point, const ntk_point_cost *cost) {
  const double n = (double)cost->rows;
  double bytes = 0;

  if (ntk_point_keeps(point, "gram")) bytes += 8 * n * n;
  if (ntk_point_keeps(point, "spectrum")) bytes += 8 * n * n;
  if (ntk_point_keeps(point, "test_train")) {
    bytes += 8 * n * (double)cost->m * (n / fmax(1, (double)cost->n));
  }
  if (ntk_point_keeps(point, "weights")) bytes += 8 * (double)cost->parameters;
  return bytes;
}

/* Four matrices (Gram, vectors, two of workspace), the test block, and the weights, which stay. */
static void add_spectrum(const ntk_settings *s, const ntk_kernel_cost *kernel, double weight_bytes,
                         int rows, int cols, ntk_point_cost *cost) {
  const ntk_solver *solver = (const ntk_solver *)s->spectrum.solver;
  const double n = (double)cost->rows;
  const int64_t block = ntk_spectrum_block(&s->spectrum, cost->rows, rows, cols);

  if (!solver->solve) return;
  const double bytes = kernel->matrix_bytes + weight_bytes +
                       8 * local_entries(cost->rows, cost->rows, block, rows, cols) +
                       workspace(solver, cost->rows, block, rows, cols);

  /* tridiagonalisation 4/3 n^3, divide and conquer and back-transformation 4 n^3 */
  cost->spectrum_flops = 16.0 / 3.0 * n * n * n;
  cost->bytes_per_rank = fmax(cost->bytes_per_rank, bytes);
}

static void add_up(const ntk_point *point, const ntk_network *network, int ranks,
                   ntk_point_cost *cost) {
  const ntk_settings *s = &point->settings;
  const ntk_cotangents cotangents = ntk_kernel_cotangents(&s->kernel);
  const ntk_network_cost network_cost = ntk_network_cost_of(network, &cotangents);
  int rows = 1, cols = 1;

  ntk_grid_squarest(ranks, &rows, &cols);
  cost->rows = cost->n * ntk_cotangent_rows(&cotangents, network->outputs);
  cost->parameters = network->parameters;
  const int64_t block = ntk_spectrum_block(&s->spectrum, cost->rows, rows, cols);
  const ntk_kernel_cost kernel =
      ntk_kernel_cost_of(network, &s->kernel, cost->n, cost->m, block, rows, cols);

  cost->kernel_flops = kernel.flops;
  cost->bytes_per_rank = kernel.bytes;
  add_spectrum(s, &kernel, network_cost.weight_bytes, rows, cols, cost);
  cost->ranks_needed = ranks_needed(s, cost->rows);
  cost->disk_bytes = kept_bytes(point, cost);
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

ntk_status ntk_point_cost_of(const ntk_point *point, int ranks, ntk_data_cache *cache,
                             ntk_point_cost *cost) {
  const ntk_settings *s = &point->settings;
  ntk_data data = {0};

  *cost = (ntk_point_cost){.ranks_needed = 1};
  if (!((const ntk_kernel_type *)s->kernel.type.row)->needs_network) return NTK_OK;
  NTK_TRY(ntk_data_probe(&s->data, cache, &data));
  const ntk_status status = from_network(point, ranks, &data, cost);

  cost->bytes_per_rank += data_bytes(cache, &data);
  ntk_data_destroy(&data);
  return status;
}
