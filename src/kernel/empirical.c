/* The empirical kernels.  The NTK: one forward pass, then the stream of factors of the backward
 * pass, tensor by tensor into the Gram, the test blocks and the test diagonal.  Conjugate kernel
 * and NNGP: the readout's factor alone, whose delta is the same for all samples.
 *
 * A kernel that is kept is computed in chunks of columns, and the stream runs again for each. */
#include <math.h>
#include <string.h>

#include "chunks.h"
#include "empirical.h"
#include "ntk/base/crash.h"
#include "ntk/base/log.h"
#include "ntk/base/memory.h"
#include "ntk/model/layer.h"
#include "pass.h"
#include "self.h"

typedef struct work {
  const ntk_kernel_input *input;
  ntk_kernel *kernel;
  const ntk_network *network;
  ntk_cotangents cotangents;
  ntk_pass train, test;
  ntk_tape training;     /* of all training samples, if batch_norm needs it; else empty */
  ntk_scratch scratch;
  ntk_chunks chunks;
  bool with_test;        /* the chunk needs the factors of the test samples */
  bool has_diagonal;     /* an earlier one had them */
  void *identity;        /* [rows per sample]^2, of the readout's delta */
  double *collected;     /* as the data of the Gram: parts of a weight at work; NULL: not needed */
  double *own_diagonal;  /* [own test samples * rows per sample] */
  int64_t panels, notes; /* of the Gram; with kernel->tensor_trace: */
  ntk_pair_sums *sums;   /* [panels] of the factor at work */
  int64_t *panel_of;     /* [local columns]; NULL: no sums are wanted */
  double *note;          /* [panels][notes] of this rank: a trace and a square for each tensor */
  int tensors;           /* of those, seen so far */
  double start;          /* of the first GEMM */
} work;

static void destroy_work(work *w) {
  ntk_pass_destroy(&w->train);
  ntk_pass_destroy(&w->test);
  ntk_tape_destroy(&w->training);
  ntk_scratch_destroy(&w->scratch);
  ntk_chunks_destroy(&w->chunks);
  ntk_free(&w->identity);
  ntk_free(&w->collected);
  ntk_free(&w->own_diagonal);
  ntk_free(&w->sums);
  ntk_free(&w->panel_of);
  ntk_free(&w->note);
}

static int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

static bool is_ntk(const work *w) { return w->kernel->quantity == &ntk_quantity_ntk; }

/* ---- matrices, deals, room ------------------------------------------------------------------- */

int64_t ntk_kernel_notes(const ntk_kernel_settings *settings, const ntk_quantity *quantity,
                         const ntk_network *network) {
  return settings->per_layer && quantity == &ntk_quantity_ntk ? 2 * network->tensor_count : 0;
}

static ntk_checkpoint *gram_file(const work *w) {
  return w->input->keeping ? w->input->keeping->gram : NULL;
}

/* The panel of every local column of the Gram: those of its file, whether there is one or not, so that
 * sums over them are added up in the same order. */
static ntk_status find_panels(work *w) {
  const ntk_matrix *m = &w->kernel->gram;
  const int64_t width = ntk_checkpoint_width(m->rows, m->cols);

  w->panels = (m->cols + width - 1) / width;
  NTK_TRY(NTK_NEW(m->local_cols, &w->panel_of));
  for (int64_t lj = 0; lj < m->local_cols; ++lj) w->panel_of[lj] = ntk_matrix_col(m, lj) / width;
  return NTK_OK;
}

static ntk_status allocate_notes(work *w) {
  const int most = w->network->tensor_count;

  NTK_TRY(NTK_NEW(most, &w->kernel->tensor_name));
  NTK_TRY(NTK_NEW(most, &w->kernel->tensor_contraction));
  NTK_TRY(NTK_NEW(most, &w->kernel->tensor_flops));
  w->notes = ntk_kernel_notes(w->input->settings, w->kernel->quantity, w->network);
  if (!w->input->settings->per_layer) return NTK_OK;
  NTK_TRY(NTK_NEW(most, &w->kernel->tensor_trace));
  NTK_TRY(NTK_NEW(most, &w->kernel->tensor_norm));
  if (w->notes == 0) return NTK_OK;
  NTK_TRY(find_panels(w));
  NTK_TRY(NTK_NEW(w->panels, &w->sums));
  return NTK_NEW(w->panels * w->notes, &w->note);
}

static ntk_status allocate(work *w) {
  const int64_t per_sample = w->kernel->rows_per_sample;
  const int64_t rows = max(w->train.deal.row_count, w->test.deal.row_count);
  const int64_t cols = max(w->train.deal.col_count, w->test.deal.col_count);
  const ntk_matrix *gram = &w->kernel->gram;
  const ntk_empirical_cost cost = ntk_empirical_cost_of(
      w->network, w->input->settings, w->kernel->quantity, w->kernel->n, gram->local_rows,
      gram->local_cols);

  NTK_TRY(allocate_notes(w));
  if (cost.collected > 0) NTK_TRY(NTK_NEW(gram->ld * gram->local_cols, &w->collected));
  NTK_TRY(NTK_NEW(w->test.deal.own_count * per_sample, &w->own_diagonal));
  w->train.batches.size = w->test.batches.size = cost.batch;
  NTK_TRY(ntk_pass_create_panels(&w->train, cost.panel_bytes, cost.formed_bytes));
  NTK_TRY(ntk_pass_create_panels(&w->test, cost.panel_bytes, cost.formed_bytes));
  return ntk_scratch_create(w->network->dtype, rows * per_sample, cols * per_sample, &w->scratch);
}

/* The test samples have columns only where there is a test-test block. */
static ntk_status deal_samples(work *w) {
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
static ntk_status load_panels(work *w) {
  for (int matrix = 0; matrix < NTK_CUT_MATRICES; ++matrix) {
    int64_t k = 0;
    ntk_checkpoint *file = ntk_cut_file(w->input->keeping, matrix, &k);
    ntk_matrix *m = ntk_cut_matrix(w->kernel, matrix);

    if (file && m->rows > 0) NTK_TRY(ntk_checkpoint_load(file, k, m));
  }
  return NTK_OK;
}

static ntk_status prepare(work *w) {
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
static ntk_status centre(work *w) {
  const ntk_kernel_input *in = w->input;
  ntk_tape training = {0};

  if (!in->initial) return NTK_OK;
  ntk_status status = ntk_pass_training(in, in->initial, &training);

  if (status == NTK_OK) status = ntk_pass_centre(in, &training, &w->train);
  if (status == NTK_OK) status = ntk_pass_centre(in, &training, &w->test);
  ntk_tape_destroy(&training);
  return status;
}

static ntk_status run_passes(work *w) {
  const ntk_kernel_input *in = w->input;

  NTK_TRY(ntk_pass_scatter(in, &w->train));
  NTK_TRY(ntk_pass_scatter(in, &w->test));
  w->start = ntk_now();
  NTK_TRY(centre(w));
  NTK_TRY(ntk_pass_training(in, in->network, &w->training));
  NTK_TRY(ntk_pass_forward(in, &w->training, &w->train));
  return ntk_pass_forward(in, &w->training, &w->test);
}

static ntk_status forward(work *w) {
  const ntk_kernel_input *in = w->input;
  ntk_kernel *k = w->kernel;

  NTK_TRY(run_passes(w));
  NTK_TRY(ntk_pass_output(in, &w->train, k->n, &k->initial, &k->f0));
  return ntk_pass_output(in, &w->test, k->m, &k->test_initial, &k->test_f0);
}

static ntk_status copy(int64_t count, const double *from, double **to) {
  NTK_TRY(NTK_NEW(count, to));
  memcpy(*to, from, (size_t)count * sizeof(double));
  return NTK_OK;
}

static ntk_status recall(work *w) {
  const ntk_features *kept = w->input->features;
  ntk_kernel *k = w->kernel;

  NTK_TRY(copy(k->n * k->outputs, kept->initial[0], &k->initial));
  NTK_TRY(copy(k->m * k->outputs, kept->initial[1], &k->test_initial));
  NTK_TRY(copy(k->n * k->outputs, kept->f0[0], &k->f0));
  return copy(k->m * k->outputs, kept->f0[1], &k->test_f0);
}

static bool recalls(const work *w) {
  return !is_ntk(w) && w->input->features && w->input->features->kept;
}

/* The tape's input of the readout changes hands, when nobody needs the tape any more. */
static ntk_status remember(work *w) {
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

static ntk_status keep_features(work *w) {
  const ntk_features *features = w->input->features;
  ntk_readout readout;

  if (!features || features->kept || w->train.batches.size > 0) return NTK_OK;
  if (!ntk_network_readout(w->network, &readout)) return NTK_OK;
  return ntk_agree(w->input->grid->comm, remember(w));
}

/* ---- one factor into all matrices ------------------------------------------------------------ */

/* Where a part of a factor goes. */
typedef struct step {
  const ntk_contraction *contraction;
  int64_t part;
  bool collect;        /* one of several parts of a weight, of which the sums are wanted together */
  ntk_pair_sums *sums; /* of the Gram; NULL: not wanted */
  double flops;
} step;

/* The columns of one matrix that are in the chunk. */
static ntk_status assemble(const work *w, const step *s, int matrix, ntk_assembly *a) {
  const double start = ntk_now();
  int64_t at = w->chunks.begin, cuts = 0;
  ntk_cut run;

  while (ntk_chunk_run(&w->chunks, matrix, INT64_MAX, &at, &run, &cuts)) {
    a->first = run.first;
    a->last = run.first + run.count;
    NTK_TRY(ntk_assemble(s->contraction, a));
  }
  w->kernel->contraction_seconds += ntk_now() - start;
  return NTK_OK;
}

/* What was collected of a weight to the Gram. */
static void add_collected(const work *w, ntk_pair_sums *sums) {
  ntk_assembly a = {.lower = true,
                    .matrix = &w->kernel->gram,
                    .sums = sums,
                    .sum_of = w->panel_of};
  const double start = ntk_now();
  int64_t at = w->chunks.begin, cuts = 0;
  ntk_cut run;

  while (ntk_chunk_run(&w->chunks, NTK_CUT_GRAM, INT64_MAX, &at, &run, &cuts)) {
    a.first = run.first;
    a.last = run.first + run.count;
    ntk_assemble_collected(&a, w->collected);
  }
  w->kernel->contraction_seconds += ntk_now() - start;
}

static ntk_status form_parts(const work *w, step *s, ntk_pass *train, ntk_pass *test) {
  const ntk_dtype dtype = w->network->dtype;

  NTK_TRY(ntk_pass_form(train, dtype, s->contraction, s->part, &s->flops));
  if (!w->with_test) return NTK_OK;
  NTK_TRY(ntk_pass_form(test, dtype, s->contraction, s->part, &s->flops));
  if (w->has_diagonal) return NTK_OK;
  return ntk_assemble_diagonal(dtype, &test->part, test->deal.own_count,
                               w->own_diagonal);
}

static ntk_status add_test(work *w, const step *s, const ntk_side *train, ntk_assembly *block,
                           ntk_assembly *square) {
  const ntk_comm *comm = w->input->grid->comm;
  const bool blocks = ntk_chunk_has(&w->chunks, NTK_CUT_TEST_TRAIN);
  const bool squares = ntk_chunk_has(&w->chunks, NTK_CUT_TEST_TEST);
  ntk_side columns;

  if (!blocks && !squares) return NTK_OK;
  NTK_TRY(ntk_pass_gather(&w->test, w->network->dtype, &block->rows, &columns));
  block->cols = *train;
  square->rows = block->rows;
  square->cols = columns;
  if (blocks) NTK_AGREE(comm, assemble(w, s, NTK_CUT_TEST_TRAIN, block));
  return squares ? ntk_agree(comm, assemble(w, s, NTK_CUT_TEST_TEST, square)) : NTK_OK;
}

static ntk_status add_part(work *w, step *s) {
  const ntk_comm *comm = w->input->grid->comm;
  const ntk_factor *f = &w->train.part;
  const bool grams = ntk_chunk_has(&w->chunks, NTK_CUT_GRAM);
  ntk_kernel *k = w->kernel;
  ntk_assembly block = {.dtype = w->network->dtype, .scratch = &w->scratch, .factor = f};
  ntk_assembly gram = block, square = block;
  ntk_matrix collected = k->gram;

  NTK_AGREE(comm, form_parts(w, s, &w->train, &w->test));
  collected.data = w->collected;
  block.matrix = &k->test_train;
  gram.matrix = s->collect ? &collected : &k->gram;
  gram.sums = s->collect ? NULL : s->sums;
  gram.sum_of = w->panel_of;
  square.matrix = &k->test_test;
  gram.lower = square.lower = true;
  if (grams || ntk_chunk_has(&w->chunks, NTK_CUT_TEST_TRAIN)) {
    NTK_TRY(ntk_pass_gather(&w->train, w->network->dtype, &gram.rows, &gram.cols));
  }
  if (grams) NTK_AGREE(comm, assemble(w, s, NTK_CUT_GRAM, &gram));
  if (w->with_test) NTK_TRY(add_test(w, s, &gram.cols, &block, &square));
  s->flops += gram.flops + block.flops + square.flops;
  return NTK_OK;
}

/* Of the entries of a sample with itself, what the factor has added becomes what it should be. */
static void replace_train(work *w, const double *all, ntk_pair_sums *sums) {
  int64_t at = w->chunks.begin, cuts = 0;
  ntk_cut run;

  while (ntk_chunk_run(&w->chunks, NTK_CUT_GRAM, INT64_MAX, &at, &run, &cuts)) {
    ntk_self_replace(all, w->kernel->rows_per_sample, &w->kernel->gram, run.first,
                     run.first + run.count, sums, w->panel_of);
  }
}

static void replace_test(work *w, const double *own, const double *all) {
  const int64_t rows = w->kernel->rows_per_sample;
  int64_t at = w->chunks.begin, cuts = 0;
  ntk_cut run;

  if (!w->has_diagonal) {
    ntk_self_replace_diagonal(own, rows, w->test.deal.own_count, w->own_diagonal);
  }
  while (ntk_chunk_run(&w->chunks, NTK_CUT_TEST_TEST, INT64_MAX, &at, &run, &cuts)) {
    ntk_self_replace(all, rows, &w->kernel->test_test, run.first, run.first + run.count, NULL,
                     NULL);
  }
}

static ntk_status replace_self(work *w, ntk_pair_sums *sums) {
  const ntk_dtype dtype = w->network->dtype;
  double *own = NULL, *all = NULL;

  if (!w->network->two_kernels) return NTK_OK;
  ntk_status status = ntk_self_blocks(&w->train, dtype, &own, &all);

  if (status == NTK_OK) replace_train(w, all, sums);
  ntk_free(&own);
  ntk_free(&all);
  if (status != NTK_OK || !w->with_test) return status;
  status = ntk_self_blocks(&w->test, dtype, &own, &all);
  if (status == NTK_OK) replace_test(w, own, all);
  ntk_free(&own);
  ntk_free(&all);
  return status;
}

/* By the contraction of its tensor: the choice depends on sizes and on n alone. */
static ntk_status add_factor(work *w, ntk_pair_sums *sums, step *s) {
  const ntk_factor *f = &w->train.factor;
  const ntk_row *wanted = is_ntk(w) ? w->input->settings->contraction : NULL;

  *s = (step){.contraction = ntk_contraction_of(wanted, f, w->kernel->n), .sums = sums};
  const int64_t parts = ntk_contraction_parts(s->contraction, f);
  const int64_t weights = ntk_contraction_weight_parts(s->contraction, f);

  for (s->part = 0; s->part < parts; ++s->part) {
    s->collect = weights > 1 && s->part < weights;
    NTK_TRY(add_part(w, s));
    if (s->collect && s->part == weights - 1) add_collected(w, sums);
  }
  w->kernel->flops += s->flops;
  return replace_self(w, sums);
}

/* ---- the NTK: all factors of the backward pass ----------------------------------------------- */

static ntk_status begin(work *w) {
  w->tensors = 0;
  NTK_TRY(ntk_pass_begin(&w->train, &w->cotangents));
  return w->with_test ? ntk_pass_begin(&w->test, &w->cotangents) : NTK_OK;
}

static ntk_status next(work *w, bool *more) {
  bool test_more = false;

  NTK_TRY(ntk_pass_next(&w->train, more));
  if (!w->with_test) return NTK_OK;
  NTK_TRY(ntk_pass_next(&w->test, &test_more));
  NTK_ASSERT(*more == test_more);
  return NTK_OK;
}

/* The next factor that has a part in the kernel. */
static ntk_status next_part(work *w, bool *more) {
  do {
    NTK_AGREE(w->input->grid->comm, next(w, more));
  } while (*more && w->train.factor.w_weight == 0 && w->train.factor.b_weight == 0);
  return NTK_OK;
}

/* Of all matrices, whatever this run has left to do of them. */
static double flops_of(const work *w, const ntk_contraction *contraction) {
  const ntk_contraction_cost cost = ntk_contraction_cost_of(contraction, &w->train.factor);
  const ntk_kernel *k = w->kernel;
  const double rows = (double)k->gram.rows, test_rows = (double)k->test_train.rows;
  const double square = (double)k->test_test.rows;
  const double entries =
      0.5 * rows * (rows + 1) + test_rows * rows + 0.5 * square * (square + 1);

  return (double)(k->n + k->m) * cost.sample_flops + entries * cost.entry_flops;
}

/* The next of the tensors; sums of its weight part, or of its bias part. */
static void note_tensor(work *w, const ntk_tensor *tensor, bool bias, const step *s) {
  if (!tensor || !tensor->trainable) return;
  NTK_ASSERT(w->tensors < w->network->tensor_count);
  memcpy(w->kernel->tensor_name[w->tensors], tensor->name, sizeof(tensor->name));
  w->kernel->tensor_contraction[w->tensors] = s->contraction->row.name;
  w->kernel->tensor_flops[w->tensors] = s->flops;
  for (int64_t p = 0; w->sums && p < w->panels; ++p) {
    double *note = w->note + p * w->notes + 2 * (int64_t)w->tensors;

    note[0] += bias ? w->sums[p].bias_trace : w->sums[p].weight_trace;
    note[1] += bias ? w->sums[p].bias_square : w->sums[p].weight_square;
  }
  ++w->tensors;
}

static ntk_status add_tensor(work *w) {
  const ntk_factor *f = &w->train.factor;
  step s;

  for (int64_t p = 0; w->sums && p < w->panels; ++p) w->sums[p] = (ntk_pair_sums){0};
  NTK_TRY(add_factor(w, w->sums, &s));
  s.flops = flops_of(w, s.contraction);
  note_tensor(w, f->weight, false, &s);
  if (f->weight && f->weight->trainable) s.flops = 0;
  note_tensor(w, f->bias, true, &s);
  return NTK_OK;
}

static ntk_status add_tensors(work *w) {
  bool more = true;

  NTK_AGREE(w->input->grid->comm, begin(w));
  for (;;) {
    NTK_TRY(next_part(w, &more));
    if (!more) return NTK_OK;
    NTK_TRY(add_tensor(w));
  }
}

/* ---- conjugate kernel and NNGP: the readout's features --------------------------------------- */

static ntk_status make_identity(work *w) {
  const int64_t n = w->kernel->rows_per_sample;
  const double one = 1;

  NTK_TRY(ntk_array_new(w->network->dtype, n * n, &w->identity));
  for (int64_t k = 0; k < n; ++k) {
    ntk_array_convert(NTK_DOUBLE, &one, w->network->dtype,
                      ntk_array_at(w->network->dtype, w->identity, k * (n + 1)), 1);
  }
  return NTK_OK;
}

/* Both are K (x) I_O (C19), so the trace over outputs is O K and every other way to combine them
 * gives K. */
static void weigh_readout(const work *w, const ntk_readout *r, ntk_factor *f) {
  const bool trace = w->cotangents.outputs == NTK_OUT_TRACE;
  const double alpha = w->network->scale; /* of the output */
  const double scale = alpha * alpha * (trace ? (double)w->network->outputs : 1);

  f->w_weight = scale * r->multiplier * r->multiplier;
  if (w->kernel->quantity != &ntk_quantity_nngp) return;
  f->w_weight *= r->weight->law.variance;
  if (!r->bias) return;
  f->b_weight = scale * r->bias->multiplier * r->bias->multiplier * r->bias->law.variance;
}

/* Expected masks right before the readout: of the features of two samples, and of one's own. */
static void weigh_masks(work *w, const ntk_readout *r) {
  const ntk_node_layer *below = w->network->layer_count > 1 ? r->layer - 1 : NULL;
  ntk_pass *sets[] = {&w->train, &w->test};

  for (int k = 0; k < 2; ++k) {
    sets[k]->self = sets[k]->factor;
    if (!below) continue;
    sets[k]->factor.w_weight *= ntk_dropout_excess(below, false);
    sets[k]->self.w_weight *= ntk_dropout_excess(below, true);
  }
}

static ntk_status make_factors(work *w) {
  const ntk_features *kept = recalls(w) ? w->input->features : NULL;
  ntk_readout readout;

  NTK_TRY(ntk_kernel_check_quantity(w->kernel->quantity, w->network));
  NTK_TRY(ntk_kernel_check_outputs(w->input->settings, w->network->outputs));
  NTK_TRY(make_identity(w));
  (void)ntk_network_readout(w->network, &readout);
  const int last = w->network->layer_count - 1;
  const int64_t rows = w->kernel->rows_per_sample;
  ntk_factor f = {.positions = 1,
                  .in = readout.layer->fan_in,
                  .cotangents = rows,
                  .out = rows,
                  .delta = w->identity,
                  .shared = true};

  weigh_readout(w, &readout, &f);
  w->train.factor = w->test.factor = f;
  w->train.factor.a = kept ? kept->own[0] : w->train.tape.value[last];
  w->test.factor.a = kept ? kept->own[1] : w->test.tape.value[last];
  weigh_masks(w, &readout);
  return NTK_OK;
}

static ntk_status add_readout(work *w) {
  step s;

  if (!w->identity) NTK_AGREE(w->input->grid->comm, make_factors(w));
  return add_factor(w, NULL, &s);
}

/* ---- chunks ---------------------------------------------------------------------------------- */

static ntk_status ask(const work *w) {
  const ntk_kernel_keeping *keeping = w->input->keeping;

  return keeping && keeping->boundary ? keeping->boundary(keeping->context) : NTK_OK;
}

/* One panel at a time: MPI may add in another order where there are more numbers. */
static void sum_panels(const work *w, int64_t first, int64_t count) {
  for (int64_t p = first; p < first + count; ++p) {
    ntk_comm_sum(w->input->grid->comm, w->note + p * w->notes, w->notes);
  }
}

static ntk_status write_run(work *w, const ntk_cut *run, int64_t cuts) {
  int64_t k = 0;
  ntk_checkpoint *file = ntk_cut_file(w->input->keeping, run->matrix, &k);
  const ntk_matrix *m = ntk_cut_matrix(w->kernel, run->matrix);
  double *note = NULL;

  if (run->matrix == NTK_CUT_GRAM && w->note) {
    note = w->note + run->panel * w->notes;
    sum_panels(w, run->panel, cuts);
  }
  ntk_crash_point(run->matrix == NTK_CUT_GRAM ? "kernel.chunk" : "test.write");
  NTK_TRY(ntk_checkpoint_write(file, k, m, run->panel, cuts, note));
  return ask(w);
}

/* What the chunk has made, some panels at a time: a stop should not have to wait for long. */
static ntk_status write_chunk(work *w) {
  enum { TOGETHER = 4 };

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
static bool needs_test(const work *w) {
  const ntk_chunks *c = &w->chunks;
  const bool now = ntk_chunk_has(c, NTK_CUT_TEST_TRAIN) || ntk_chunk_has(c, NTK_CUT_TEST_TEST);

  return w->kernel->m > 0 && (now || (!w->has_diagonal && c->end == c->count));
}

static ntk_status add_chunk(work *w) {
  NTK_TRY(ask(w));
  w->with_test = needs_test(w);
  NTK_TRY(is_ntk(w) ? add_tensors(w) : add_readout(w));
  w->has_diagonal = w->has_diagonal || w->with_test;
  return write_chunk(w);
}

/* At least one, even if it has no columns: names of tensors and the test diagonal come from a
 * pass. */
static ntk_status add_chunks(work *w) {
  (void)ntk_chunks_next(&w->chunks);
  do {
    NTK_TRY(add_chunk(w));
  } while (ntk_chunks_next(&w->chunks));
  return NTK_OK;
}

/* ---- the whole stage ------------------------------------------------------------------------- */

static ntk_status add_diagonal(work *w) {
  ntk_kernel *k = w->kernel;
  const ntk_comm *comm = w->input->grid->comm;

  if (k->m == 0 || strcmp(w->input->settings->test_test->name, "none") == 0) return NTK_OK;
  NTK_AGREE(comm, NTK_NEW(k->m * k->rows_per_sample, &k->test_diagonal));
  if (k->test_test.rows > 0) return ntk_matrix_diagonal(&k->test_test, k->test_diagonal);
  return ntk_deal_collect(&w->test.deal, k->rows_per_sample, w->own_diagonal, k->test_diagonal);
}

/* Parts of the panels; those that were written stand in the file. */
static const double *panel_note(const work *w, int64_t panel) {
  const ntk_checkpoint *file = gram_file(w);

  return file ? ntk_checkpoint_notes(file, 0, panel) : w->note + panel * w->notes;
}

static void sum_notes(work *w) {
  ntk_kernel *k = w->kernel;

  if (!w->note) return;
  if (!gram_file(w)) sum_panels(w, 0, w->panels);
  for (int64_t p = 0; p < w->panels; ++p) {
    const double *note = panel_note(w, p);

    NTK_ASSERT(note);
    for (int64_t t = 0; t < k->tensor_count; ++t) {
      k->tensor_trace[t] += note[2 * t];
      k->tensor_norm[t] += note[2 * t + 1]; /* still its square */
    }
  }
  for (int t = 0; t < k->tensor_count; ++t) k->tensor_norm[t] = sqrt(fmax(0, k->tensor_norm[t]));
}

static bool is_mixed(const ntk_kernel *k) {
  for (int t = 1; t < k->tensor_count; ++t) {
    if (k->tensor_contraction[t] != k->tensor_contraction[0]) return true;
  }
  return false;
}

static void sum_over_ranks(work *w) {
  ntk_kernel *k = w->kernel;

  k->tensor_count = w->tensors;
  k->contraction = k->tensor_count > 0 ? k->tensor_contraction[0] : ntk_contraction_pairs.row.name;
  if (is_mixed(k)) k->contraction = "mixed";
  ntk_comm_sum(w->input->grid->comm, &k->flops, 1);
  k->contraction_seconds = ntk_comm_max(w->input->grid->comm, k->contraction_seconds);
  sum_notes(w);
}

/* Which contractions were chosen, where there was a choice. */
static void log_contractions(const ntk_kernel *k) {
  for (int c = 0; ntk_contractions[c]; ++c) {
    double flops = 0;
    int tensors = 0;

    for (int t = 0; t < k->tensor_count; ++t) {
      if (k->tensor_contraction[t] != ntk_contractions[c]->name) continue;
      flops += k->tensor_flops[t];
      ++tensors;
    }
    if (tensors == 0 || strcmp(k->contraction, "pairs") == 0) continue;
    ntk_log("contraction %s: %d tensor%s, %.3g Gflop", ntk_contractions[c]->name, tensors,
            tensors == 1 ? "" : "s", flops * 1e-9);
  }
}

static ntk_status fill(work *w) {
  NTK_TRY(prepare(w));
  w->start = ntk_now();
  NTK_TRY(recalls(w) ? ntk_agree(w->input->grid->comm, recall(w)) : forward(w));
  NTK_TRY(add_chunks(w));
  NTK_TRY(keep_features(w));
  NTK_TRY(add_diagonal(w));
  sum_over_ranks(w);
  if (w->input->grid->comm->rank == 0) log_contractions(w->kernel);
  return NTK_OK;
}

static ntk_status compute(const ntk_kernel_input *input, ntk_kernel *kernel) {
  work w = {.input = input, .kernel = kernel};
  ntk_status status = fill(&w);

  destroy_work(&w); /* leaves the counters */
  NTK_TRY(status);
  NTK_TRY(ntk_matrix_mirror_lower(&kernel->gram));
  if (kernel->test_test.rows > 0) NTK_TRY(ntk_matrix_mirror_lower(&kernel->test_test));
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

/* ---- the parts of single tensors ------------------------------------------------------------- */

/* A kernel without test set whose Gram holds one part after the other. */
struct ntk_parts {
  ntk_kernel_input input;
  ntk_data data; /* borrows the training set */
  ntk_kernel kernel;
  work work;
  bool bias; /* the next part is that of the factor's bias */
};

static ntk_status open_parts(ntk_parts *p) {
  NTK_TRY(prepare(&p->work));
  NTK_TRY(run_passes(&p->work));
  (void)ntk_chunks_next(&p->work.chunks); /* the only one */
  return ntk_agree(p->input.grid->comm, begin(&p->work));
}

ntk_status ntk_parts_open(const ntk_kernel_input *input, ntk_parts **parts) {
  NTK_AGREE(input->grid->comm, NTK_NEW(1, parts));
  ntk_parts *p = *parts;

  p->input = *input;
  p->input.keeping = NULL;
  p->data = *input->data;
  p->data.test = (ntk_samples){0};
  p->input.data = &p->data;
  p->kernel.quantity = &ntk_quantity_ntk;
  p->work = (work){.input = &p->input, .kernel = &p->kernel};
  const ntk_status status = open_parts(p);

  if (status != NTK_OK) ntk_parts_close(parts);
  return status;
}

const ntk_matrix *ntk_parts_matrix(const ntk_parts *parts) { return &parts->kernel.gram; }

/* The factor that the next part belongs to, without what belongs to other parts. */
static ntk_status choose_part(ntk_parts *p, ntk_factor *part) {
  work *w = &p->work;
  bool more = true;

  if (!p->bias) NTK_TRY(next_part(w, &more));
  NTK_ASSERT(more); /* there are as many as tensor names */
  const bool bias = p->bias || w->train.factor.w_weight == 0;

  *part = w->train.factor;
  *(bias ? &part->w_weight : &part->b_weight) = 0;
  p->bias = !bias && w->train.factor.b_weight != 0;
  return NTK_OK;
}

ntk_status ntk_parts_next(ntk_parts *parts) {
  ntk_factor *factor = &parts->work.train.factor;
  ntk_matrix *m = &parts->kernel.gram;
  ntk_factor part, whole;
  step chosen;

  NTK_TRY(choose_part(parts, &part));
  memset(m->data, 0, (size_t)(m->ld * m->local_cols) * sizeof(double));
  whole = *factor;
  *factor = part;
  const ntk_status status = add_factor(&parts->work, NULL, &chosen);

  *factor = whole;
  return status == NTK_OK ? ntk_matrix_mirror_lower(m) : status;
}

void ntk_parts_close(ntk_parts **parts) {
  if (!*parts) return;
  destroy_work(&(*parts)->work);
  ntk_kernel_destroy(&(*parts)->kernel);
  ntk_free(parts);
}
