/* The empirical NTK: one forward pass, then the stream of factors of the backward pass, tensor by
 * tensor into the Gram, the test-train block and the test diagonal. */
#include <math.h>
#include <string.h>

#include "ntk/base/log.h"
#include "ntk/base/memory.h"
#include "ntk/kernel/assembly.h"
#include "ntk/kernel/kernel.h"

/* ---- one set of samples: its share on this rank ----------------------------------------------- */

typedef struct share {
  const ntk_samples *samples;
  ntk_deal deal;
  double *inputs; /* [ntk_pad(own)][features] until the forward pass is done */
  double *centre; /* [own][O] output at theta_0, where that is another network; else NULL */
  ntk_tape tape;
  ntk_stream stream;
  ntk_factor factor;
  int64_t panel_width;         /* bytes of a sample */
  char *row_panel, *col_panel; /* [ntk_pad(rows or cols)][panel_width]; a, then delta */
} share;

static ntk_status allocate_inputs(share *s, int64_t features) {
  return NTK_NEW(ntk_pad(s->deal.own_count) * features, &s->inputs);
}

static ntk_status scatter(const ntk_kernel_input *input, share *s) {
  const int64_t features = input->data->features;

  NTK_AGREE(input->grid->comm, allocate_inputs(s, features));
  return ntk_deal_scatter(&s->deal, features, s->samples->inputs, s->inputs);
}

/* The output at theta_0, before the pass whose tape is kept. */
static ntk_status forward_initial(const ntk_network *initial, share *s) {
  ntk_tape tape = {0};

  NTK_TRY(NTK_NEW(s->deal.own_count * initial->outputs, &s->centre));
  NTK_TRY(ntk_forward(initial, s->deal.own_count, s->inputs, &tape));
  ntk_tape_output(&tape, s->centre);
  ntk_tape_destroy(&tape);
  return NTK_OK;
}

static ntk_status forward(const ntk_kernel_input *input, share *s) {
  const ntk_comm *comm = input->grid->comm;

  NTK_AGREE(comm, input->initial ? forward_initial(input->initial, s) : NTK_OK);
  NTK_AGREE(comm, ntk_forward(input->network, s->deal.own_count, s->inputs, &s->tape));
  ntk_free(&s->inputs);
  return NTK_OK;
}

static ntk_status read_output(const share *s, int64_t count, int64_t outputs, double **own,
                              double **all, double **f0) {
  NTK_TRY(NTK_NEW(s->deal.own_count * outputs, own));
  NTK_TRY(NTK_NEW(count * outputs, all));
  NTK_TRY(NTK_NEW(count * outputs, f0));
  ntk_tape_output(&s->tape, *own);
  return NTK_OK;
}

/* The network's output to every rank, and f0: the same, or where the output is centered the same
 * less that at theta_0, which is 0 unless theta_0 is another network. */
static ntk_status collect_output(const ntk_kernel_input *input, const share *s, int64_t count,
                                 double **initial, double **f0) {
  int64_t outputs = input->network->outputs;
  double *own = NULL;
  ntk_status status = ntk_agree(input->grid->comm,
                                read_output(s, count, outputs, &own, initial, f0));

  if (status == NTK_OK) status = ntk_deal_collect(&s->deal, outputs, own, *initial);
  if (status == NTK_OK && s->centre) {
    for (int64_t k = 0; k < s->deal.own_count * outputs; ++k) own[k] -= s->centre[k];
    status = ntk_deal_collect(&s->deal, outputs, own, *f0);
  } else if (status == NTK_OK && !input->network->centered) {
    memcpy(*f0, *initial, (size_t)(count * outputs) * sizeof(double));
  }
  ntk_free(&own);
  return status;
}

static void destroy_share(share *s) {
  ntk_stream_destroy(&s->stream);
  ntk_tape_destroy(&s->tape);
  ntk_free(&s->inputs);
  ntk_free(&s->centre);
  ntk_free(&s->row_panel);
  ntk_free(&s->col_panel);
  ntk_deal_destroy(&s->deal);
}

/* ---- panels ----------------------------------------------------------------------------------- */

/* Room for a and delta of the largest tensor.  Alone in its process row, a rank has its row panel
 * already; alone in the grid, its column panel too. */
static ntk_status create_panels(share *s, double sample_bytes) {
  const ntk_grid *g = s->deal.matrix->grid;

  s->panel_width = (int64_t)sample_bytes;
  if (g->cols > 1) NTK_TRY(NTK_NEW(ntk_pad(s->deal.row_count) * s->panel_width, &s->row_panel));
  if (s->deal.col_sample && g->comm->size > 1) {
    NTK_TRY(NTK_NEW(ntk_pad(s->deal.col_count) * s->panel_width, &s->col_panel));
  }
  return NTK_OK;
}

/* Own factors of `width` elements a sample into the panels, behind `used` bytes a sample.
 *   cols  left alone if the set has no columns */
static ntk_status gather(share *s, ntk_dtype dtype, int64_t used, int64_t width, const void *own,
                         const void **rows, const void **cols) {
  const ntk_deal *deal = &s->deal;
  const ntk_grid *g = deal->matrix->grid;

  NTK_ASSERT(used + width * (int64_t)ntk_dtype_size(dtype) <= s->panel_width);
  *rows = own;
  if (g->cols > 1) {
    char *panel = s->row_panel + ntk_pad(deal->row_count) * used;
    ntk_deal_gather_rows(deal, dtype, width, own, panel);
    *rows = panel;
  }
  if (!deal->col_sample) return NTK_OK;
  *cols = *rows;
  if (g->comm->size == 1) return NTK_OK;
  char *panel = s->col_panel + ntk_pad(deal->col_count) * used;
  *cols = panel;
  return ntk_deal_gather_cols(deal, dtype, width, *rows, panel);
}

/* Panels of one tensor for the rows of the set's matrix and, if it has them, the columns. */
static ntk_status gather_sides(share *s, ntk_dtype dtype, ntk_side *rows, ntk_side *cols) {
  const ntk_factor *f = &s->factor;
  const int64_t a_width = f->w_weight != 0 ? f->positions * f->in : 0;
  const int64_t used = a_width * (int64_t)ntk_dtype_size(dtype);

  *rows = (ntk_side){.samples = s->deal.row_count, .slot = s->deal.row_slot};
  *cols = (ntk_side){.samples = s->deal.col_count, .slot = s->deal.col_slot};
  if (a_width > 0) NTK_TRY(gather(s, dtype, 0, a_width, f->a, &rows->a, &cols->a));
  if (f->shared) return NTK_OK;
  return gather(s, dtype, used, f->cotangents * f->positions * f->out, f->delta, &rows->delta,
                &cols->delta);
}

/* ---- the whole stage -------------------------------------------------------------------------- */

typedef struct work {
  const ntk_kernel_input *input;
  ntk_kernel *kernel;
  const ntk_network *network;
  ntk_cotangents cotangents;
  share train, test;
  ntk_scratch scratch;
  double *own_diagonal;  /* [own test samples * rows per sample] */
  double *tensor_square; /* [tensors], with kernel->tensor_trace */
  int tensors;           /* of those, seen so far */
  double start;          /* of the forward pass */
} work;

static void destroy_work(work *w) {
  destroy_share(&w->train);
  destroy_share(&w->test);
  ntk_scratch_destroy(&w->scratch);
  ntk_free(&w->own_diagonal);
  ntk_free(&w->tensor_square);
}

static ntk_status allocate(work *w) {
  const ntk_network_cost cost = ntk_network_cost_of(w->network, &w->cotangents);
  const int64_t per_sample = w->kernel->rows_per_sample;
  const int64_t train = w->train.deal.row_count, test = w->test.deal.row_count;
  const int most = w->network->tensor_count;

  NTK_TRY(NTK_NEW(most, &w->kernel->tensor_name));
  NTK_TRY(NTK_NEW(most, &w->kernel->tensor_trace));
  NTK_TRY(NTK_NEW(most, &w->kernel->tensor_norm));
  NTK_TRY(NTK_NEW(most, &w->tensor_square));
  NTK_TRY(NTK_NEW(w->test.deal.own_count * per_sample, &w->own_diagonal));
  NTK_TRY(create_panels(&w->train, cost.panel_bytes));
  NTK_TRY(create_panels(&w->test, cost.panel_bytes));
  return ntk_scratch_create(w->network->dtype, (train > test ? train : test) * per_sample,
                            w->train.deal.col_count * per_sample, &w->scratch);
}

/* Matrices, deals, room and inputs. */
static ntk_status prepare(work *w) {
  const ntk_kernel_input *in = w->input;
  ntk_kernel *k = w->kernel;

  w->cotangents = ntk_kernel_cotangents(in->settings);
  k->n = in->data->train.count;
  k->m = in->data->test.count;
  k->outputs = w->network->outputs;
  k->rows_per_sample = ntk_cotangent_rows(&w->cotangents, k->outputs);
  const int64_t rows = k->n * k->rows_per_sample, test_rows = k->m * k->rows_per_sample;

  NTK_TRY(ntk_matrix_create(in->grid, rows, rows, in->block, &k->gram));
  NTK_TRY(ntk_matrix_create(in->grid, test_rows, rows, in->block, &k->test_train));
  NTK_TRY(ntk_deal_create(&k->gram, k->rows_per_sample, true, &w->train.deal));
  NTK_TRY(ntk_deal_create(&k->test_train, k->rows_per_sample, false, &w->test.deal));
  NTK_AGREE(in->grid->comm, allocate(w));
  w->train.samples = &in->data->train;
  w->test.samples = &in->data->test;
  NTK_TRY(scatter(in, &w->train));
  return scatter(in, &w->test);
}

static ntk_status forward_all(work *w) {
  const ntk_kernel_input *in = w->input;
  ntk_kernel *k = w->kernel;

  NTK_TRY(forward(in, &w->train));
  NTK_TRY(forward(in, &w->test));
  NTK_TRY(collect_output(in, &w->train, k->n, &k->initial, &k->f0));
  return collect_output(in, &w->test, k->m, &k->test_initial, &k->test_f0);
}

static ntk_status begin(work *w) {
  NTK_TRY(ntk_stream_begin(&w->train.tape, &w->cotangents, &w->train.stream));
  return ntk_stream_begin(&w->test.tape, &w->cotangents, &w->test.stream);
}

static ntk_status next(work *w, bool *more) {
  bool test_more = false;

  NTK_TRY(ntk_stream_next(&w->train.stream, &w->train.factor, more));
  NTK_TRY(ntk_stream_next(&w->test.stream, &w->test.factor, &test_more));
  NTK_ASSERT(*more == test_more);
  return NTK_OK;
}

static void note_tensor(work *w, const ntk_tensor *tensor, double trace, double square) {
  ntk_kernel *k = w->kernel;

  if (!tensor || !tensor->trainable) return;
  NTK_ASSERT(w->tensors < w->network->tensor_count);
  memcpy(k->tensor_name[w->tensors], tensor->name, sizeof(tensor->name));
  k->tensor_trace[w->tensors] = trace;
  w->tensor_square[w->tensors] = square;
  ++w->tensors;
}

static ntk_status add_tensor(work *w) {
  const ntk_factor *f = &w->train.factor;
  const ntk_comm *comm = w->input->grid->comm;
  ntk_pair_sums sums = {0};
  ntk_assembly test = {.dtype = w->network->dtype, .scratch = &w->scratch, .factor = f};
  ntk_assembly gram = test;
  ntk_side no_columns;

  test.matrix = &w->kernel->test_train;
  gram.matrix = &w->kernel->gram;
  gram.lower = true;
  gram.sums = &sums;
  NTK_TRY(gather_sides(&w->train, w->network->dtype, &gram.rows, &gram.cols));
  NTK_AGREE(comm, ntk_assemble(&gram));
  if (w->kernel->m > 0) {
    test.cols = gram.cols;
    NTK_TRY(gather_sides(&w->test, w->network->dtype, &test.rows, &no_columns));
    NTK_AGREE(comm, ntk_assemble(&test));
    ntk_assemble_diagonal(w->network->dtype, &w->test.factor, w->test.deal.own_count,
                          w->own_diagonal);
  }
  w->kernel->flops += gram.flops + test.flops;
  w->kernel->contraction = ntk_contraction_of(f)->name;
  note_tensor(w, f->weight, sums.weight_trace, sums.weight_square);
  note_tensor(w, f->bias, sums.bias_trace, sums.bias_square);
  return NTK_OK;
}

static ntk_status add_tensors(work *w) {
  const ntk_comm *comm = w->input->grid->comm;
  bool more = true;

  NTK_AGREE(comm, begin(w));
  for (;;) {
    NTK_AGREE(comm, next(w, &more));
    if (!more) return NTK_OK;
    if (w->train.factor.w_weight != 0 || w->train.factor.b_weight != 0) NTK_TRY(add_tensor(w));
  }
}

static ntk_status add_diagonal(work *w) {
  ntk_kernel *k = w->kernel;
  const ntk_comm *comm = w->input->grid->comm;

  if (k->m == 0 || strcmp(w->input->settings->test_test->name, "diagonal") != 0) return NTK_OK;
  NTK_AGREE(comm, NTK_NEW(k->m * k->rows_per_sample, &k->test_diagonal));
  return ntk_deal_collect(&w->test.deal, k->rows_per_sample, w->own_diagonal, k->test_diagonal);
}

static void sum_over_ranks(work *w) {
  ntk_kernel *k = w->kernel;
  const ntk_comm *comm = w->input->grid->comm;

  k->tensor_count = w->tensors;
  ntk_comm_sum(comm, k->tensor_trace, k->tensor_count);
  ntk_comm_sum(comm, w->tensor_square, k->tensor_count);
  for (int t = 0; t < k->tensor_count; ++t) k->tensor_norm[t] = sqrt(fmax(0, w->tensor_square[t]));
  ntk_comm_sum(comm, &k->flops, 1);
}

static ntk_status fill(work *w) {
  NTK_TRY(prepare(w));
  w->start = ntk_now();
  NTK_TRY(forward_all(w));
  NTK_TRY(add_tensors(w));
  NTK_TRY(add_diagonal(w));
  sum_over_ranks(w);
  return NTK_OK;
}

static ntk_status compute(const ntk_kernel_input *input, ntk_kernel *kernel) {
  work w = {.input = input, .kernel = kernel, .network = input->network};
  ntk_status status = fill(&w);

  destroy_work(&w); /* leaves the counters */
  NTK_TRY(status);
  NTK_TRY(ntk_matrix_mirror_lower(&kernel->gram));
  kernel->single = input->network->dtype == NTK_SINGLE;
  kernel->reproducible = ntk_blas_reproducible(input->network->dtype);
  kernel->seconds = ntk_now() - w.start;
  return NTK_OK;
}

const ntk_kernel_type ntk_kernel_empirical = {
    .row = {.name = "empirical", .doc = "of the network at its weights"},
    .needs_network = true,
    .compute = compute};

/* ---- cost ------------------------------------------------------------------------------------- */

static double bytes_of(int64_t rows, int64_t cols) { return 8.0 * (double)rows * (double)cols; }

/* Row panel and own activations of one set; on one process column the panel is the own factors. */
static double share_bytes(const ntk_network_cost *cost, int64_t samples, int grid_cols) {
  double own = (double)ntk_pad((samples + grid_cols - 1) / grid_cols);
  double all = grid_cols > 1 ? (double)ntk_pad(samples) : 0;

  if (samples == 0) return 0;
  return own * (cost->tape_bytes + cost->delta_bytes) + all * cost->panel_bytes;
}

ntk_kernel_cost ntk_kernel_cost_of(const ntk_network *network, const ntk_kernel_settings *settings,
                                   int64_t n, int64_t m, int64_t block, int grid_rows,
                                   int grid_cols) {
  const ntk_cotangents cotangents = ntk_kernel_cotangents(settings);
  const ntk_network_cost cost = ntk_network_cost_of(network, &cotangents);
  const int64_t per_sample = ntk_cotangent_rows(&cotangents, network->outputs);
  const double rows = (double)(n * per_sample), test_rows = (double)(m * per_sample);
  const int64_t local_rows = ntk_dealt(n * per_sample, block, 0, grid_rows);
  const int64_t local_cols = ntk_dealt(n * per_sample, block, 0, grid_cols);
  const int64_t test_local = ntk_dealt(m * per_sample, block, 0, grid_rows);
  ntk_kernel_cost k = {0};

  k.assembly_flops = cost.pair_flops * (0.5 * rows * (rows + 1) + test_rows * rows);
  k.flops = k.assembly_flops + (double)(n + m) * (cost.forward_flops + cost.backward_flops);
  k.matrix_bytes = bytes_of(local_rows, local_cols) + bytes_of(test_local, local_cols);
  k.bytes = k.matrix_bytes + cost.weight_bytes;
  k.bytes += ntk_scratch_bytes(network->dtype, local_rows > test_local ? local_rows : test_local,
                               local_cols);
  k.bytes += share_bytes(&cost, (local_rows + per_sample - 1) / per_sample, grid_cols);
  k.bytes += share_bytes(&cost, (test_local + per_sample - 1) / per_sample, grid_cols);
  if (grid_rows * grid_cols > 1) {
    k.bytes += cost.panel_bytes * (double)ntk_pad((local_cols + per_sample - 1) / per_sample);
  }
  return k;
}
