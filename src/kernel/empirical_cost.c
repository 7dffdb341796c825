/* What an empirical kernel costs, from sizes alone. */
#include <math.h>

#include "empirical.h"
#include "ntk/kernel/assembly.h"

/* In the time in which a rank sends or receives a byte of a panel. */
static const double flops_per_byte = 16;

static const double most_repeated = 0.02;

static int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

/* Inputs of the last layer. */
static double readout_inputs(const ntk_network *network) {
  return (double)ntk_shape_count(&network->layer[network->layer_count - 1].in);
}

double ntk_empirical_panel_bytes(const ntk_network *network, const ntk_quantity *quantity,
                                 const ntk_cotangents *cotangents) {
  const double size = (double)ntk_dtype_size(network->dtype);

  if (quantity != &ntk_quantity_ntk) return size * readout_inputs(network);
  return ntk_network_cost_of(network, cotangents).panel_bytes;
}

/* Without a backward pass, and with the one contraction of the features. */
static void limit_to_readout(const ntk_network *network, const ntk_cotangents *cotangents,
                             ntk_network_cost *cost) {
  const double vectors = (double)ntk_cotangent_rows(cotangents, network->outputs);

  cost->backward_flops = cost->delta_bytes = 0;
  cost->pair_flops = 2 * readout_inputs(network) / (vectors * vectors);
}

/* A grid, and the part of the largest rank. */
typedef struct place {
  int rows, cols;
  int64_t per_sample;
  int64_t local_rows, local_cols, test_rows, test_cols; /* test_cols 0: no test-test block */
} place;

/* Row panel and own activations of one set; on one process column the panel is the own factors. */
static double share_bytes(const ntk_network_cost *cost, int64_t rows, const place *p) {
  const int64_t samples = (rows + p->per_sample - 1) / p->per_sample;
  const double own = (double)ntk_pad((samples + p->cols - 1) / p->cols);
  const double all = p->cols > 1 ? (double)ntk_pad(samples) : 0;

  if (samples == 0) return 0;
  return own * (cost->tape_bytes + cost->delta_bytes) + all * cost->panel_bytes;
}

static double column_bytes(const ntk_network_cost *cost, int64_t cols, const place *p) {
  if (p->rows * p->cols == 1) return 0;
  return cost->panel_bytes * (double)ntk_pad((cols + p->per_sample - 1) / p->per_sample);
}

static place place_of(const ntk_kernel_settings *settings, int64_t per_sample, int64_t n, int64_t m,
                      int64_t block, int rows, int cols) {
  place p = {.rows = rows, .cols = cols, .per_sample = per_sample};

  p.local_rows = ntk_dealt(n * per_sample, block, 0, rows);
  p.local_cols = ntk_dealt(n * per_sample, block, 0, cols);
  p.test_rows = ntk_dealt(m * per_sample, block, 0, rows);
  if (ntk_kernel_wants_test_test(settings)) {
    p.test_cols = ntk_dealt(m * per_sample, block, 0, cols);
  }
  return p;
}

static double matrix_bytes(const place *p) {
  return 8.0 * ((double)p->local_rows * (double)p->local_cols +
                (double)p->test_rows * (double)(p->local_cols + p->test_cols));
}

static double all_bytes(const ntk_network *network, const ntk_network_cost *cost, const place *p) {
  return matrix_bytes(p) + cost->weight_bytes +
         ntk_scratch_bytes(network->dtype, max(p->local_rows, p->test_rows),
                           max(p->local_cols, p->test_cols)) +
         share_bytes(cost, p->local_rows, p) + share_bytes(cost, p->test_rows, p) +
         column_bytes(cost, p->local_cols, p) + column_bytes(cost, p->test_cols, p);
}

ntk_kernel_cost ntk_kernel_cost_of(const ntk_network *network, const ntk_kernel_settings *settings,
                                   const ntk_quantity *quantity, int64_t n, int64_t m,
                                   int64_t block, int grid_rows, int grid_cols) {
  const ntk_cotangents cotangents = ntk_kernel_cotangents(settings);
  ntk_network_cost cost = ntk_network_cost_of(network, &cotangents);
  const int64_t per_sample = ntk_cotangent_rows(&cotangents, network->outputs);
  const double rows = (double)(n * per_sample), test_rows = (double)(m * per_sample);
  const place p = place_of(settings, per_sample, n, m, block, grid_rows, grid_cols);
  double entries = 0.5 * rows * (rows + 1) + test_rows * rows;

  cost.panel_bytes = ntk_empirical_panel_bytes(network, quantity, &cotangents);
  if (quantity != &ntk_quantity_ntk) limit_to_readout(network, &cotangents, &cost);
  if (p.test_cols > 0) entries += 0.5 * test_rows * (test_rows + 1);
  const double assembly = cost.pair_flops * entries;
  const double exchange = grid_rows * grid_cols > 1 ? flops_per_byte * 4 * cost.pair_flops : 0;

  return (ntk_kernel_cost){
      .assembly_flops = assembly,
      .flops = assembly + (double)(n + m) * (cost.forward_flops + cost.backward_flops),
      .repeat_flops = (double)(n + m) * (cost.backward_flops + exchange),
      .matrix_bytes = matrix_bytes(&p),
      .bytes = all_bytes(network, &cost, &p)};
}

int64_t ntk_kernel_chunks(const ntk_kernel_cost *cost, double seconds, double interval) {
  enum { MANY = 16 };
  const double affordable =
      cost->repeat_flops > 0 ? floor(most_repeated * cost->flops / cost->repeat_flops) : MANY;

  if (interval <= 0) return MANY;
  if (!(seconds > interval)) return 1;
  return (int64_t)fmin(fmin(1 + affordable, ceil(seconds / interval)), 1e6);
}
