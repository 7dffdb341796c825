#include "ntk/run/cost.h"

#include <math.h>
#include <string.h>

#include "ntk/dist/grid.h"
#include "ntk/run/build.h"
#include "room.h"

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

double ntk_spectrum_flops(int64_t n) {
  return 16.0 / 3.0 * (double)n * (double)n * (double)n;
}

/* Eigenvectors and workspace beside what stays from the kernel stage: matrices and weights. */
static void add_spectrum(const ntk_settings *s, const shape *g, double staying,
                         ntk_point_cost *cost) {
  const ntk_solver *solver = (const ntk_solver *)s->spectrum.solver;

  cost->ranks_needed = ranks_needed(s, cost->rows);
  if (!solver->solve) return;
  const double bytes = staying +
                       8 * local_entries(cost->rows, cost->rows, g->block, g->rows, g->cols) +
                       workspace(solver, cost->rows, g->block, g->rows, g->cols);

  cost->spectrum_flops = ntk_spectrum_flops(cost->rows) * (double)s->kernel.quantity.count;
  cost->bytes_per_rank = fmax(cost->bytes_per_rank, bytes);
}

/* The parts of the tensors are computed one by one while the matrices of the kernel stay. */
static void add_parts(const ntk_point *point, const ntk_network *network, const shape *g,
                      ntk_point_cost *cost) {
  const ntk_kernel_settings *settings = &point->settings.kernel;
  const ntk_kernel_cost parts = ntk_kernel_cost_of(network, settings, &ntk_quantity_ntk, cost->n, 0,
                                                   g->block, g->rows, g->cols);

  if (!ntk_point_keeps(point, "per_layer")) return;
  cost->kernel_flops += parts.flops;
  cost->kernel_bytes += parts.traffic_bytes;
  cost->bytes_per_rank = fmax(cost->bytes_per_rank, cost->matrix_bytes + parts.bytes);
}

/* One quantity at a time is in memory. */
static void add_kernel(const ntk_point *point, const ntk_network *network, int64_t which,
                       const shape *g, ntk_point_cost *cost) {
  const ntk_kernel_settings *settings = &point->settings.kernel;
  const ntk_quantity *quantity = ntk_kernel_quantity(settings, which);
  const ntk_kernel_cost kernel = ntk_kernel_cost_of(network, settings, quantity, cost->n, cost->m,
                                                    g->block, g->rows, g->cols);

  cost->kernel_flops += kernel.flops;
  cost->kernel_bytes += kernel.traffic_bytes;
  if (point->settings.run.checkpoint_after <= 0) {
    cost->kernel_flops += kernel.repeat_flops * (double)(ntk_kernel_chunks(&kernel, 0, 0) - 1);
  }
  cost->matrix_bytes = kernel.matrix_bytes;
  cost->bytes_per_rank = fmax(cost->bytes_per_rank, kernel.bytes);
  if (quantity == &ntk_quantity_ntk) add_parts(point, network, g, cost);
}

static int64_t trainable(const ntk_network *network) {
  int64_t count = 0;

  for (int t = 0; t < network->tensor_count; ++t) count += network->tensor[t].trainable;
  return count;
}

static void add_room(const ntk_point *point, const ntk_network *network, int64_t per_sample,
                     ntk_point_cost *cost) {
  const ntk_room_shape files = {.n = cost->n,
                                .m = cost->m,
                                .rows = cost->rows,
                                .test_rows = cost->m * per_sample,
                                .outputs = network->outputs,
                                .parameters = network->parameters,
                                .tensors = network->tensor_count,
                                .trainable = trainable(network),
                                .network = true};

  ntk_room_of(point, &files, cost);
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

  add_room(point, network, per_sample, cost);
  for (int64_t which = 0; which < s->kernel.quantity.count; ++which) {
    add_kernel(point, network, which, &g, cost);
  }
  add_spectrum(s, &g, cost->matrix_bytes + network_cost.weight_bytes, cost);
}

/* What rank 0 holds of the data all along: the source as it was read, and the samples. */
static double data_bytes(const ntk_probed *probed) {
  const ntk_data *d = &probed->data;
  const double samples = (double)(d->train.count + d->validation.count + d->test.count);

  return 8 * samples * (double)(d->features + d->outputs) + (double)probed->source_bytes;
}

static ntk_status check_output(const ntk_kernel_settings *settings, int64_t outputs) {
  const ntk_cotangents cotangents = ntk_kernel_cotangents(settings);

  NTK_CHECK(cotangents.outputs != NTK_OUT_SINGLE || cotangents.single < outputs, NTK_E_CONFIG,
            "kernel.outputs: no output %lld; the network has outputs 0..%lld",
            (long long)cotangents.single, (long long)outputs - 1);
  return NTK_OK;
}

static ntk_status check_quantities(const ntk_kernel_settings *settings,
                                   const ntk_network *network) {
  for (int64_t k = 0; k < settings->quantity.count; ++k) {
    NTK_TRY(ntk_kernel_check_quantity(ntk_kernel_quantity(settings, k), network));
  }
  return NTK_OK;
}

static ntk_status from_network(const ntk_point *point, int ranks, const ntk_data *data,
                               ntk_point_cost *cost) {
  const ntk_settings *s = &point->settings;
  ntk_network network = {0};

  cost->n = data->train.count;
  cost->m = data->test.count + data->validation.count; /* rows of the test block */
  NTK_TRY(ntk_kernel_check_outputs(&s->kernel, data->outputs));
  NTK_TRY(check_output(&s->kernel, data->outputs));
  NTK_TRY(ntk_network_build(s, data, false, &network));
  const ntk_status status = check_quantities(&s->kernel, &network);

  if (status == NTK_OK) add_up(point, &network, ranks, cost);
  ntk_network_destroy(&network);
  return status;
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
  const ntk_room_shape files = {.n = size.n,
                                .m = size.m,
                                .rows = size.rows,
                                .test_rows = size.test_rows,
                                .outputs = size.outputs};

  ntk_room_of(point, &files, cost);
  if (size.rows == 0) return NTK_OK; /* eigenvalues only */
  const shape g = shape_of(s, ranks, size.rows);

  cost->bytes_per_rank = 8 * (local_entries(size.rows, size.rows, g.block, g.rows, g.cols) +
                              local_entries(size.test_rows, size.rows, g.block, g.rows, g.cols));
  if (ntk_kernel_wants_test_test(&s->kernel)) {
    cost->bytes_per_rank +=
        8 * local_entries(size.test_rows, size.test_rows, g.block, g.rows, g.cols);
  }
  add_spectrum(s, &g, cost->bytes_per_rank, cost);
  return NTK_OK;
}

/* What libraries keep for themselves, from peaks that were measured, as an upper bound: MPI, HDF5,
 * files and holes between small blocks; and what BLAS and LAPACK pack, which grows with the matrix
 * until their buffers are full. */
static double library_bytes(double rows) {
  const double buffers = 24 << 20, most_packed = 48 << 20, row = 48 << 10;

  return buffers + fmin(most_packed, row * rows);
}

static ntk_status cost_of(const ntk_point *point, int ranks, ntk_data_cache *cache,
                          ntk_point_cost *cost) {
  const ntk_settings *s = &point->settings;
  const ntk_probed *probed = NULL;

  if (!((const ntk_kernel_type *)s->kernel.type.row)->needs_network) {
    return from_size(point, ranks, cost);
  }
  NTK_TRY(ntk_data_probe_by_key(&s->data, ntk_point_key(point, "data"), cache, &probed));
  NTK_TRY(from_network(point, ranks, &probed->data, cost));
  cost->bytes_per_rank += data_bytes(probed);
  return NTK_OK;
}

ntk_status ntk_point_cost_of(const ntk_point *point, int ranks, ntk_data_cache *cache,
                             ntk_point_cost *cost) {
  *cost = (ntk_point_cost){.ranks_needed = 1};
  NTK_TRY(cost_of(point, ranks, cache, cost));
  cost->bytes_per_rank += library_bytes((double)cost->rows);
  return NTK_OK;
}

double ntk_point_disk_bytes(const ntk_point_cost *cost) {
  const double folder = 16384; /* with log.jsonl, and what is lost to blocks */

  return folder + cost->results_bytes + cost->own_bytes;
}
