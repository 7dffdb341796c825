/* The empirical kernels.  The NTK: one forward pass, then the stream of factors of the backward
 * pass, tensor by tensor into the Gram, the test blocks and the test diagonal.  Conjugate kernel
 * and NNGP: the readout's factor alone, whose delta is the same for all samples.
 *
 * A kernel that is kept is computed in chunks of columns, and the stream runs again for each. */
#include "empirical.h"

#include <string.h>

#include "ntk/base/crash.h"
#include "ntk/base/log.h"
#include "ntk/base/memory.h"
#include "ntk/model/layer.h"
#include "work.h"

void ntk_work_destroy(ntk_work *w) {
  ntk_pass_destroy(&w->train);
  ntk_pass_destroy(&w->test);
  ntk_tape_destroy(&w->training);
  ntk_scratch_destroy(&w->scratch);
  ntk_chunks_destroy(&w->chunks);
  for (int k = 0; k < NTK_CUT_MATRICES; ++k) ntk_squares_destroy(&w->squares[k]);
  ntk_free(&w->identity);
  ntk_free(&w->collected);
  ntk_free(&w->own_diagonal);
  ntk_free(&w->sums);
  ntk_free(&w->panel_of);
  ntk_free(&w->note);
}

static int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

/* ---- matrices, deals, room ------------------------------------------------------------------- */

/* Not for the rows of several outputs, which are not samples; nor where entries of a sample with
 * itself are replaced in the matrix. */
static ntk_status create_squares(ntk_work *w, bool collected) {
  const ntk_kernel_keeping *keeping = w->input->keeping;
  const ntk_grid *g = w->input->grid;
  const int64_t chunks = keeping ? keeping->chunks : 1;
  static const int symmetric[] = {NTK_CUT_GRAM, NTK_CUT_TEST_TEST};

  if (w->kernel->rows_per_sample > 1 || w->network->two_kernels) return NTK_OK;
  for (size_t k = 0; k < sizeof(symmetric) / sizeof(*symmetric); ++k) {
    ntk_matrix *m = ntk_cut_matrix(w->kernel, symmetric[k]);
    const int64_t edge = ntk_squares_edge(m->rows, g->rows, g->cols, chunks);

    if (m->rows == 0) continue;
    NTK_TRY(ntk_squares_create(m, edge, collected && symmetric[k] == NTK_CUT_GRAM,
                               &w->squares[symmetric[k]]));
  }
  return NTK_OK;
}

static ntk_status allocate(ntk_work *w) {
  const int64_t per_sample = w->kernel->rows_per_sample;
  const int64_t rows = max(w->train.deal.row_count, w->test.deal.row_count);
  int64_t cols = max(w->train.deal.col_count, w->test.deal.col_count);
  const ntk_matrix *gram = &w->kernel->gram;
  const ntk_empirical_cost cost = ntk_empirical_cost_of(
      w->network, w->input->settings, w->kernel->quantity, w->kernel->n, gram->local_rows,
      gram->local_cols);

  NTK_TRY(ntk_work_allocate_notes(w));
  if (cost.collected > 0) NTK_TRY(NTK_NEW(gram->ld * gram->local_cols, &w->collected));
  NTK_TRY(create_squares(w, cost.collected > 0));
  for (int k = 0; k < NTK_CUT_MATRICES; ++k) cols = max(cols, w->squares[k].edge);
  NTK_TRY(NTK_NEW(w->test.deal.own_count * per_sample, &w->own_diagonal));
  w->train.batches.size = w->test.batches.size = cost.batch;
  NTK_TRY(ntk_pass_create_panels(&w->train, cost.panel_bytes, cost.formed_bytes));
  NTK_TRY(ntk_pass_create_panels(&w->test, cost.panel_bytes, cost.formed_bytes));
  return ntk_scratch_create(w->network->dtype, rows * per_sample, cols * per_sample, &w->scratch);
}

/* The test samples have columns only where there is a test-test block. */
static ntk_status deal_samples(ntk_work *w) {
  const ntk_kernel_input *in = w->input;
  ntk_kernel *k = w->kernel;
  const int64_t rows = k->n * k->rows_per_sample, test_rows = k->m * k->rows_per_sample;
  const bool test_test = k->m > 0 && ntk_kernel_wants_test_test(in->settings);

  NTK_TRY(ntk_matrix_create(in->grid, rows, rows, in->block, &k->gram));
  NTK_TRY(ntk_matrix_create(in->grid, test_rows, rows, in->block, &k->test_train));
  if (test_test) {
    NTK_TRY(ntk_matrix_create(in->grid, test_rows, test_rows, in->block, &k->test_test));
  }
  NTK_TRY(ntk_deal_create(&k->gram, k->rows_per_sample, true, &w->train.deal));
  return ntk_deal_create(test_test ? &k->test_test : &k->test_train, k->rows_per_sample, test_test,
                         &w->test.deal);
}

/* What is there of an earlier run. */
static ntk_status load_panels(ntk_work *w) {
  for (int matrix = 0; matrix < NTK_CUT_MATRICES; ++matrix) {
    int64_t k = 0;
    ntk_checkpoint *file = ntk_cut_file(w->input->keeping, matrix, &k);
    ntk_matrix *m = ntk_cut_matrix(w->kernel, matrix);

    if (file && m->rows > 0) NTK_TRY(ntk_checkpoint_load(file, k, m));
  }
  return NTK_OK;
}

ntk_status ntk_work_prepare(ntk_work *w) {
  const ntk_kernel_input *in = w->input;
  ntk_kernel *k = w->kernel;

  w->network = in->network;
  w->cotangents = ntk_kernel_cotangents(in->settings);
  k->n = in->data->train.count;
  k->m = in->data->test.count;
  k->outputs = w->network->outputs;
  k->rows_per_sample = ntk_cotangent_rows(&w->cotangents, k->outputs);
  w->train.samples = &in->data->train;
  w->test.samples = &in->data->test;
  w->test.test = true;
  NTK_TRY(deal_samples(w));
  NTK_AGREE(in->grid->comm, allocate(w));
  NTK_TRY(load_panels(w));
  return ntk_agree(in->grid->comm, ntk_chunks_plan(in->keeping, k, &w->chunks));
}

/* ---- the forward pass, or what is left of an earlier one ------------------------------------- */

/* Outputs at theta_0, where that is another network; its tapes are gone before those that stay. */
static ntk_status centre(ntk_work *w) {
  const ntk_kernel_input *in = w->input;
  ntk_tape training = {0};

  if (!in->initial) return NTK_OK;
  ntk_status status = ntk_pass_training(in, in->initial, &training);

  if (status == NTK_OK) status = ntk_pass_centre(in, &training, &w->train);
  if (status == NTK_OK) status = ntk_pass_centre(in, &training, &w->test);
  ntk_tape_destroy(&training);
  return status;
}

ntk_status ntk_work_forward(ntk_work *w) {
  const ntk_kernel_input *in = w->input;

  NTK_TRY(ntk_pass_scatter(in, &w->train));
  NTK_TRY(ntk_pass_scatter(in, &w->test));
  w->start = ntk_now();
  NTK_TRY(centre(w));
  NTK_TRY(ntk_pass_training(in, in->network, &w->training));
  NTK_TRY(ntk_pass_forward(in, &w->training, &w->train));
  return ntk_pass_forward(in, &w->training, &w->test);
}

static ntk_status forward(ntk_work *w) {
  const ntk_kernel_input *in = w->input;
  ntk_kernel *k = w->kernel;

  NTK_TRY(ntk_work_forward(w));
  NTK_TRY(ntk_pass_output(in, &w->train, k->n, &k->initial, &k->f0));
  return ntk_pass_output(in, &w->test, k->m, &k->test_initial, &k->test_f0);
}

static ntk_status copy(int64_t count, const double *from, double **to) {
  NTK_TRY(NTK_NEW(count, to));
  memcpy(*to, from, (size_t)count * sizeof(double));
  return NTK_OK;
}

static ntk_status recall(ntk_work *w) {
  const ntk_features *kept = w->input->features;
  ntk_kernel *k = w->kernel;

  NTK_TRY(copy(k->n * k->outputs, kept->initial[0], &k->initial));
  NTK_TRY(copy(k->m * k->outputs, kept->initial[1], &k->test_initial));
  NTK_TRY(copy(k->n * k->outputs, kept->f0[0], &k->f0));
  return copy(k->m * k->outputs, kept->f0[1], &k->test_f0);
}

/* The tape's input of the readout changes hands, when nobody needs the tape any more. */
static ntk_status remember(ntk_work *w) {
  ntk_features *features = w->input->features;
  const ntk_kernel *k = w->kernel;
  const int last = w->network->layer_count - 1;

  NTK_TRY(copy(k->n * k->outputs, k->initial, &features->initial[0]));
  NTK_TRY(copy(k->m * k->outputs, k->test_initial, &features->initial[1]));
  NTK_TRY(copy(k->n * k->outputs, k->f0, &features->f0[0]));
  NTK_TRY(copy(k->m * k->outputs, k->test_f0, &features->f0[1]));
  features->own[0] = w->train.tape.value[last];
  features->own[1] = w->test.tape.value[last];
  w->train.tape.value[last] = w->test.tape.value[last] = NULL;
  features->kept = true;
  return NTK_OK;
}

static ntk_status keep_features(ntk_work *w) {
  const ntk_features *features = w->input->features;
  ntk_readout readout;

  if (!features || features->kept || w->train.batches.size > 0) return NTK_OK;
  if (!ntk_network_readout(w->network, &readout)) return NTK_OK;
  return ntk_agree(w->input->grid->comm, remember(w));
}

/* ---- chunks ---------------------------------------------------------------------------------- */

static ntk_status ask(const ntk_work *w) {
  const ntk_kernel_keeping *keeping = w->input->keeping;

  return keeping && keeping->boundary ? keeping->boundary(keeping->context) : NTK_OK;
}

static bool is_last_chunk(const ntk_work *w) { return w->chunks.end == w->chunks.count; }

static ntk_status write_run(ntk_work *w, const ntk_cut *run, int64_t cuts) {
  int64_t k = 0;
  ntk_checkpoint *file = ntk_cut_file(w->input->keeping, run->matrix, &k);
  const ntk_matrix *m = ntk_cut_matrix(w->kernel, run->matrix);
  double *note = NULL;

  if (run->matrix == NTK_CUT_GRAM && w->note) {
    note = w->note + run->panel * w->notes;
    ntk_work_sum_panels(w, run->panel, cuts);
  }
  ntk_crash_point(run->matrix == NTK_CUT_GRAM ? "kernel.chunk" : "test.write");
  NTK_TRY(is_last_chunk(w)
              ? ntk_checkpoint_write_mirrored(file, k, m, run->panel, cuts, note)
              : ntk_checkpoint_write(file, k, m, run->panel, cuts, note));
  return ask(w);
}

/* What the chunk has made, some panels at a time: a stop should not have to wait for long. */
static ntk_status write_chunk(ntk_work *w) {
  enum { TOGETHER = 8 }; /* of at most 64 MiB each */

  for (int matrix = 0; matrix < NTK_CUT_MATRICES; ++matrix) {
    int64_t at = w->chunks.begin, cuts = 0;
    ntk_cut run;

    while (ntk_chunk_run(&w->chunks, matrix, TOGETHER, &at, &run, &cuts)) {
      if (run.panel >= 0) NTK_TRY(write_run(w, &run, cuts));
    }
  }
  return NTK_OK;
}

/* Factors of test samples where there are columns for them; if in no chunk, then in the last, for
 * the diagonal. */
static bool needs_test(const ntk_work *w) {
  const ntk_chunks *c = &w->chunks;
  const bool now = ntk_chunk_has(c, NTK_CUT_TEST_TRAIN) || ntk_chunk_has(c, NTK_CUT_TEST_TEST);

  return w->kernel->m > 0 && (now || (!w->has_diagonal && is_last_chunk(w)));
}

static ntk_status add_chunk(ntk_work *w) {
  NTK_TRY(ask(w));
  w->with_test = needs_test(w);
  NTK_TRY(ntk_work_is_ntk(w) ? ntk_work_add_tensors(w) : ntk_work_add_readout(w));
  NTK_TRY(ntk_work_deliver(w));
  w->has_diagonal = w->has_diagonal || w->with_test;
  if (is_last_chunk(w)) NTK_TRY(ntk_kernel_mirror(w->kernel)); /* below it, all is there */
  return write_chunk(w);
}

/* At least one, even if it has no columns: names of tensors and the test diagonal come from a
 * pass. */
static ntk_status add_chunks(ntk_work *w) {
  (void)ntk_chunks_next(&w->chunks);
  do {
    NTK_TRY(add_chunk(w));
  } while (ntk_chunks_next(&w->chunks));
  return NTK_OK;
}

/* ---- the whole stage ------------------------------------------------------------------------- */

static ntk_status add_diagonal(ntk_work *w) {
  ntk_kernel *k = w->kernel;
  const ntk_comm *comm = w->input->grid->comm;

  if (k->m == 0 || strcmp(w->input->settings->test_test->name, "none") == 0) return NTK_OK;
  NTK_AGREE(comm, NTK_NEW(k->m * k->rows_per_sample, &k->test_diagonal));
  if (k->test_test.rows > 0) return ntk_matrix_diagonal(&k->test_test, k->test_diagonal);
  return ntk_deal_collect(&w->test.deal, k->rows_per_sample, w->own_diagonal, k->test_diagonal);
}

static bool is_mixed(const ntk_kernel *k) {
  for (int t = 1; t < k->tensor_count; ++t) {
    if (k->tensor_contraction[t] != k->tensor_contraction[0]) return true;
  }
  return false;
}

static void sum_over_ranks(ntk_work *w) {
  ntk_kernel *k = w->kernel;

  k->tensor_count = w->tensors;
  k->contraction = k->tensor_count > 0 ? k->tensor_contraction[0] : ntk_contraction_pairs.row.name;
  if (is_mixed(k)) k->contraction = "mixed";
  ntk_comm_sum(w->input->grid->comm, &k->flops, 1);
  k->contraction_seconds = ntk_comm_max(w->input->grid->comm, k->contraction_seconds);
  ntk_work_sum_notes(w);
}

static bool has_choice(const ntk_network *network) {
  for (int t = 0; t < network->tensor_count; ++t) {
    if (network->tensor[t].trainable && network->tensor[t].positions > 1) return true;
  }
  return false;
}

/* Which contractions were chosen or asked for, where there was a choice. */
static void log_contractions(const ntk_network *network, const ntk_kernel *k) {
  if (!has_choice(network)) return;
  for (int c = 0; ntk_contractions[c]; ++c) {
    double flops = 0;
    int tensors = 0;

    for (int t = 0; t < k->tensor_count; ++t) {
      if (k->tensor_contraction[t] != ntk_contractions[c]->name) continue;
      flops += k->tensor_flops[t];
      ++tensors;
    }
    if (tensors == 0) continue;
    ntk_log("contraction %s: %d tensor%s, %.3g Gflop", ntk_contractions[c]->name, tensors,
            tensors == 1 ? "" : "s", flops * 1e-9);
  }
}

static ntk_status fill(ntk_work *w) {
  NTK_TRY(ntk_work_prepare(w));
  w->start = ntk_now();
  NTK_TRY(ntk_work_recalls(w) ? ntk_agree(w->input->grid->comm, recall(w)) : forward(w));
  NTK_TRY(add_chunks(w));
  NTK_TRY(keep_features(w));
  NTK_TRY(add_diagonal(w));
  sum_over_ranks(w);
  if (w->input->grid->comm->rank == 0) log_contractions(w->input->network, w->kernel);
  return NTK_OK;
}

static ntk_status compute(const ntk_kernel_input *input, ntk_kernel *kernel) {
  ntk_work w = {.input = input, .kernel = kernel};
  ntk_status status = fill(&w);

  ntk_work_destroy(&w); /* leaves the counters */
  NTK_TRY(status);
  kernel->single = input->network->dtype == NTK_SINGLE;
  kernel->reproducible = ntk_blas_reproducible(input->network->dtype);
  if (kernel->quantity == &ntk_quantity_ntk) kernel->rate_scale = input->network->rate_scale;
  kernel->seconds = ntk_now() - w.start;
  return NTK_OK;
}

const ntk_kernel_type ntk_kernel_empirical = {
    .row = {.name = "empirical", .doc = "of the network at its weights"},
    .needs_network = true,
    .compute = compute};
