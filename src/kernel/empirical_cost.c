/* What an empirical kernel costs, from sizes alone. */
#include <math.h>

#include "empirical.h"
#include "squares.h"

/* In the time in which a rank sends or receives a byte of a panel. */
static const double flops_per_byte = 16;

static const double most_repeated = 0.02;

static int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

/* Inputs of the last layer. */
static int64_t readout_inputs(const ntk_network *network) {
  return ntk_shape_count(&network->layer[network->layer_count - 1].in);
}

typedef struct sums {
  const ntk_row *wanted; /* contraction */
  ntk_dtype dtype;
  int64_t n, rows, cols;
  ntk_empirical_cost cost;
} sums;

static void add_factor(const ntk_factor *f, void *context) {
  sums *s = context;
  const double size = (double)ntk_dtype_size(s->dtype);

  if (f->w_weight == 0 && f->b_weight == 0) return;
  const ntk_contraction *c = ntk_contraction_of(s->wanted, f, s->n);
  const ntk_contraction_cost cost = ntk_contraction_cost_of(c, f);

  s->cost.sample_flops += cost.sample_flops;
  s->cost.entry_flops += cost.entry_flops;
  s->cost.factors += 1;
  s->cost.panel_bytes = fmax(s->cost.panel_bytes, size * cost.panel);
  s->cost.formed_bytes = fmax(s->cost.formed_bytes, size * cost.formed);
  s->cost.tile_bytes =
      fmax(s->cost.tile_bytes, ntk_assemble_bytes(c, s->dtype, f, s->rows, s->cols));
  s->cost.kept_bytes += size * ntk_contraction_kept(c, f);
  if (ntk_contraction_weight_parts(c, f) > 1) s->cost.collected = 1;
}

/* A batch's tape is as large as this, or that of NTK_SAMPLE_PAD samples. */
static const double batch_bytes_wanted = 128 << 20;

/* Where parts of all samples take much less than tape, deltas and what is formed, only they are kept
 * of all; further quantities would miss the tape. */
static int64_t batch_of(const ntk_network *network, const ntk_kernel_settings *settings,
                        const ntk_cotangents *cotangents, const ntk_empirical_cost *kernel) {
  const ntk_network_cost cost = ntk_network_cost_of(network, cotangents);
  const double sample = cost.tape_bytes + cost.delta_bytes + kernel->formed_bytes;
  const double pads = floor(batch_bytes_wanted / (NTK_SAMPLE_PAD * sample));

  if (network->coupled || network->two_kernels || settings->quantity.count > 1) return 0;
  return kernel->kept_bytes <= 0.5 * sample ? NTK_SAMPLE_PAD * (int64_t)fmax(1, pads) : 0;
}

/* The one product of the features. */
static ntk_empirical_cost cost_of_readout(const ntk_network *network,
                                          const ntk_cotangents *cotangents, sums *s) {
  const int64_t vectors = ntk_cotangent_rows(cotangents, network->outputs);
  const ntk_factor f = {.positions = 1,
                        .in = readout_inputs(network),
                        .out = vectors,
                        .cotangents = vectors,
                        .w_weight = 1,
                        .shared = true};

  add_factor(&f, s);
  return s->cost;
}

ntk_empirical_cost ntk_empirical_cost_of(const ntk_network *network,
                                         const ntk_kernel_settings *settings,
                                         const ntk_quantity *quantity, int64_t n, int64_t rows,
                                         int64_t cols) {
  const ntk_cotangents cotangents = ntk_kernel_cotangents(settings);
  sums s = {.dtype = network->dtype, .n = n, .rows = rows, .cols = cols};

  if (quantity != &ntk_quantity_ntk) return cost_of_readout(network, &cotangents, &s);
  s.wanted = settings->contraction;
  ntk_network_factors(network, &cotangents, n, add_factor, &s);
  s.cost.batch = batch_of(network, settings, &cotangents, &s.cost);
  return s.cost;
}

/* With the streams of entries of a sample with itself, where they have their own. */
static ntk_network_cost passes_of(const ntk_network *network, const ntk_cotangents *cotangents) {
  ntk_network_cost cost = ntk_network_cost_of(network, cotangents);
  const ntk_network_cost self = ntk_network_part_cost(network, cotangents, true);

  if (!network->two_kernels) return cost;
  cost.backward_flops += self.backward_flops;
  cost.delta_bytes += self.delta_bytes;
  return cost;
}

/* A grid, and the part of the largest rank. */
typedef struct place {
  int rows, cols;
  int64_t per_sample;
  int64_t local_rows, local_cols, test_rows, test_cols; /* test_cols 0: no test-test block */
} place;

/* What a sample takes in bytes: on the rank that has it, and in a panel. */
typedef struct bytes {
  double own, panel;
} bytes;

/* Samples with these rows, and those of them that one rank computes. */
static int64_t samples_of(int64_t rows, const place *p) {
  return (rows + p->per_sample - 1) / p->per_sample;
}

static int64_t own_of(int64_t rows, const place *p) {
  return (samples_of(rows, p) + p->cols - 1) / p->cols;
}

/* Row panel and own activations of one set; on one process column the panel is the own factors. */
static double share_bytes(const bytes *sample, int64_t rows, const place *p) {
  const double own = (double)ntk_pad(own_of(rows, p));
  const double all = p->cols > 1 ? (double)ntk_pad(samples_of(rows, p)) : 0;

  return own * sample->own + all * sample->panel;
}

static double column_bytes(const bytes *sample, int64_t cols, const place *p) {
  if (p->rows * p->cols == 1) return 0;
  return sample->panel * (double)ntk_pad(samples_of(cols, p));
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

/* Edge of squares along the diagonal of a matrix with all these rows. */
static int64_t edge_of(int64_t rows, const place *p) {
  return p->per_sample > 1 ? 0 : ntk_squares_edge(rows, p->rows, p->cols, 1);
}

/* Of both symmetric matrices; a Gram that collects parts has its squares twice. */
static double square_bytes(const ntk_empirical_cost *kernel, const place *p) {
  const int64_t train = p->local_rows, test = p->test_cols > 0 ? p->test_rows : 0;

  return (1 + kernel->collected) * ntk_squares_bytes(train, p->cols, edge_of(train, p)) +
         ntk_squares_bytes(test, p->cols, edge_of(test, p));
}

static double matrix_bytes(const place *p) {
  return 8.0 * ((double)p->local_rows * (double)p->local_cols +
                (double)p->test_rows * (double)(p->local_cols + p->test_cols));
}

static double all_bytes(const ntk_network *network, const ntk_network_cost *cost,
                        const ntk_empirical_cost *kernel, const place *p) {
  const double passes = cost->tape_bytes + cost->delta_bytes + kernel->formed_bytes;
  const double inputs = 8.0 * (double)ntk_shape_count(&network->input);
  const int64_t most = max(own_of(p->local_rows, p), own_of(p->test_rows, p));
  const bytes sample = {kernel->batch > 0 ? kernel->kept_bytes + inputs : passes,
                        kernel->panel_bytes};

  return passes * (double)ntk_pad(most < kernel->batch ? most : kernel->batch) +
         matrix_bytes(p) + cost->weight_bytes + kernel->tile_bytes +
         kernel->collected * 8.0 * (double)p->local_rows * (double)p->local_cols +
         square_bytes(kernel, p) +
         ntk_scratch_bytes(network->dtype, max(p->local_rows, p->test_rows),
                           max(max(p->local_cols, p->test_cols),
                               max(edge_of(p->local_rows, p), edge_of(p->test_rows, p)))) +
         share_bytes(&sample, p->local_rows, p) + share_bytes(&sample, p->test_rows, p) +
         column_bytes(&sample, p->local_cols, p) + column_bytes(&sample, p->test_cols, p);
}

/* What batch_norm needs in mode train: the tape of all training samples on every rank, and their
 * deltas for the own samples of both sets. */
static double batch_bytes(const ntk_network *network, const ntk_cotangents *cotangents,
                          bool backward, int64_t n, const place *p) {
  const int64_t train = own_of(p->local_rows, p), test = own_of(p->test_rows, p);
  const ntk_batch_cost a = ntk_batch_cost_of(network, cotangents, n, train);
  const ntk_batch_cost b = ntk_batch_cost_of(network, cotangents, n, test);

  return a.tape_bytes + (backward ? a.delta_bytes + b.delta_bytes : 0);
}

/* Of all entries: forming what is formed of every sample, and the products. */
static double assembly_flops(const ntk_empirical_cost *cost, double samples, double entries) {
  return samples * cost->sample_flops + entries * cost->entry_flops;
}

/* What passes through memory beside the products, on one rank: as measured, everything three times;
 * of tape and deltas the products themselves have a share. */
static double traffic_bytes(const ntk_network_cost *cost, const ntk_empirical_cost *kernel,
                            double samples, double entries) {
  return 3 * (cost->weight_bytes + 0.5 * samples * (cost->tape_bytes + cost->delta_bytes) +
              8 * entries * kernel->factors);
}

ntk_kernel_cost ntk_kernel_cost_of(const ntk_network *network, const ntk_kernel_settings *settings,
                                   const ntk_quantity *quantity, int64_t n, int64_t m,
                                   int64_t block, int grid_rows, int grid_cols) {
  const ntk_cotangents cotangents = ntk_kernel_cotangents(settings);
  ntk_network_cost cost = passes_of(network, &cotangents);
  const int64_t per_sample = ntk_cotangent_rows(&cotangents, network->outputs);
  const double rows = (double)(n * per_sample), test_rows = (double)(m * per_sample);
  const place p = place_of(settings, per_sample, n, m, block, grid_rows, grid_cols);
  double entries = 0.5 * rows * (rows + 1) + test_rows * rows;

  const ntk_empirical_cost kernel =
      ntk_empirical_cost_of(network, settings, quantity, n, max(p.local_rows, p.test_rows),
                            max(p.local_cols, p.test_cols));
  const double samples = (double)(n + m);

  if (quantity != &ntk_quantity_ntk) cost.backward_flops = cost.delta_bytes = 0;
  if (p.test_cols > 0) entries += 0.5 * test_rows * (test_rows + 1);
  const double assembly = assembly_flops(&kernel, samples, entries);
  const double ranks = (double)grid_rows * (double)grid_cols;
  const double exchange = ranks > 1 ? flops_per_byte * 4 * kernel.entry_flops : 0;
  const bool ntk = quantity == &ntk_quantity_ntk;
  const ntk_batch_cost batch = ntk_batch_cost_of(network, &cotangents, n, n + m);
  const double backward = samples * cost.backward_flops + (ntk ? batch.backward_flops : 0);

  return (ntk_kernel_cost){
      .assembly_flops = assembly,
      .flops = assembly + samples * cost.forward_flops + ranks * batch.forward_flops + backward,
      .traffic_bytes = traffic_bytes(&cost, &kernel, samples, entries),
      .repeat_flops = (kernel.batch > 0 ? 0 : backward + samples * kernel.sample_flops) +
                      samples * exchange,
      .matrix_bytes = matrix_bytes(&p),
      .bytes = all_bytes(network, &cost, &kernel, &p) +
               batch_bytes(network, &cotangents, ntk, n, &p)};
}

int64_t ntk_kernel_chunks(const ntk_kernel_cost *cost, double seconds, double interval) {
  enum { MANY = 16 };
  const double affordable =
      cost->repeat_flops > 0 ? floor(most_repeated * cost->flops / cost->repeat_flops) : MANY;

  if (interval <= 0) return MANY;
  if (!(seconds > interval)) return 1;
  return (int64_t)fmin(fmin(1 + affordable, ceil(seconds / interval)), 1e6);
}
