/* One factor into all matrices: what each part forms, the panels that travel, and the entries of a
 * sample with itself where the expectation over masks has two kernels. */
#include "ntk/base/log.h"
#include "ntk/base/memory.h"
#include "self.h"
#include "work.h"

/* The columns of one matrix that are in the chunk. */
static ntk_status assemble(const ntk_work *w, const ntk_step *s, int matrix, ntk_assembly *a) {
  const double start = ntk_now();
  const ntk_squares *squares = &w->squares[matrix];
  const bool collect = s->collect && matrix == NTK_CUT_GRAM;
  int64_t at = w->chunks.begin, cuts = 0;
  ntk_cut run;

  a->square = squares->edge;
  while (ntk_chunk_run(&w->chunks, matrix, INT64_MAX, &at, &run, &cuts)) {
    a->first = run.first;
    a->last = run.first + run.count;
    NTK_TRY(ntk_assemble(s->contraction, a));
    NTK_TRY(ntk_squares_add(squares, s->contraction, collect, a));
  }
  w->kernel->contraction_seconds += ntk_now() - start;
  return NTK_OK;
}

/* What was collected of a weight to the Gram. */
static void add_collected(const ntk_work *w, ntk_pair_sums *sums) {
  const ntk_squares *squares = &w->squares[NTK_CUT_GRAM];
  ntk_assembly a = {.lower = true,
                    .square = squares->edge,
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
    ntk_squares_add_collected(squares, &a);
  }
  w->kernel->contraction_seconds += ntk_now() - start;
}

static ntk_status form_parts(const ntk_work *w, ntk_step *s, ntk_pass *train, ntk_pass *test) {
  const ntk_dtype dtype = w->network->dtype;

  NTK_TRY(ntk_pass_form(train, dtype, s->contraction, s->part, &s->flops));
  if (!w->with_test) return NTK_OK;
  NTK_TRY(ntk_pass_form(test, dtype, s->contraction, s->part, &s->flops));
  if (w->has_diagonal) return NTK_OK;
  return ntk_assemble_diagonal(dtype, &test->part, test->deal.own_count,
                               w->own_diagonal);
}

static ntk_status add_test(ntk_work *w, const ntk_step *s, const ntk_side *train, ntk_assembly *block,
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

static ntk_status add_part(ntk_work *w, ntk_step *s) {
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

static ntk_status deliver(ntk_work *w, int matrix) {
  int64_t at = w->chunks.begin, cuts = 0;
  ntk_cut run;

  while (ntk_chunk_run(&w->chunks, matrix, INT64_MAX, &at, &run, &cuts)) {
    NTK_TRY(ntk_squares_deliver(&w->squares[matrix], run.first, run.first + run.count));
  }
  return NTK_OK;
}

ntk_status ntk_work_deliver(ntk_work *w) {
  NTK_TRY(deliver(w, NTK_CUT_GRAM));
  return deliver(w, NTK_CUT_TEST_TEST);
}

/* Of the entries of a sample with itself, what the factor has added becomes what it should be. */
static void replace_train(ntk_work *w, const double *all, ntk_pair_sums *sums) {
  int64_t at = w->chunks.begin, cuts = 0;
  ntk_cut run;

  while (ntk_chunk_run(&w->chunks, NTK_CUT_GRAM, INT64_MAX, &at, &run, &cuts)) {
    ntk_self_replace(all, w->kernel->rows_per_sample, &w->kernel->gram, run.first,
                     run.first + run.count, sums, w->panel_of);
  }
}

static void replace_test(ntk_work *w, const double *own, const double *all) {
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

static ntk_status replace_self(ntk_work *w, ntk_pair_sums *sums) {
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
ntk_status ntk_work_add_factor(ntk_work *w, ntk_pair_sums *sums, ntk_step *s) {
  const ntk_factor *f = &w->train.factor;
  const ntk_row *wanted = ntk_work_is_ntk(w) ? w->input->settings->contraction : NULL;

  *s = (ntk_step){.contraction = ntk_contraction_of(wanted, f, w->kernel->n), .sums = sums};
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
