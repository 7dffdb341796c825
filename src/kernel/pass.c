#include "pass.h"

#include <string.h>

#include "ntk/base/memory.h"

/* ---- forward --------------------------------------------------------------------------------- */

/* Of own samples; validation samples, which stand behind those of a test set, count on from
 * there. */
static ntk_status number_samples(const ntk_data *data, ntk_pass *p) {
  const int64_t behind = p->test ? data->validation.count : 0;
  const int64_t known = p->samples->index ? p->samples->count - behind : 0;

  NTK_TRY(NTK_NEW(p->deal.own_count, &p->number));
  for (int64_t s = 0; s < p->deal.own_count; ++s) {
    const int64_t place = p->deal.row_sample[p->deal.own_first + s];

    p->number[s] = place < known ? p->samples->index[place] : place;
  }
  return NTK_OK;
}

static ntk_status allocate_inputs(const ntk_data *data, ntk_pass *p) {
  NTK_TRY(number_samples(data, p));
  return NTK_NEW(ntk_pad(p->deal.own_count) * data->features, &p->inputs);
}

ntk_status ntk_pass_scatter(const ntk_kernel_input *input, ntk_pass *p) {
  const int64_t features = input->data->features;

  NTK_AGREE(input->grid->comm, allocate_inputs(input->data, p));
  return ntk_deal_scatter(&p->deal, features, p->samples->inputs, p->inputs);
}

/* The inputs of all training samples, on every rank. */
static ntk_status forward_training(const ntk_comm *comm, const ntk_data *data,
                                   const ntk_network *network, double **inputs, ntk_tape *tape) {
  const ntk_batch batch = {.count = data->train.count, .index = data->train.index};
  const int64_t bytes = batch.count * data->features * (int64_t)sizeof(double);

  if (comm->rank == 0) memcpy(*inputs, data->train.inputs, (size_t)bytes);
  ntk_comm_broadcast(comm, 0, *inputs, bytes);
  return ntk_agree(comm, ntk_forward_batch(network, &batch, NULL, inputs, tape));
}

ntk_status ntk_pass_training(const ntk_kernel_input *input, const ntk_network *network,
                             ntk_tape *training) {
  const ntk_comm *comm = input->grid->comm;
  const ntk_data *data = input->data;
  double *inputs = NULL;

  if (network->coupled == 0) return NTK_OK;
  ntk_status status =
      ntk_agree(comm, NTK_NEW(ntk_pad(data->train.count) * data->features, &inputs));

  if (status == NTK_OK) status = forward_training(comm, data, network, &inputs, training);
  ntk_free(&inputs);
  return status;
}

static ntk_batch batch_of(const ntk_pass *p, const ntk_tape *training) {
  return (ntk_batch){.count = p->deal.own_count,
                     .index = p->number,
                     .test = p->test,
                     .training = training->network ? training : NULL};
}

/* Samples `first` and on, as many as go together. */
static ntk_status forward_some(const ntk_network *initial, const ntk_tape *training, int64_t first,
                               ntk_pass *p) {
  const int64_t features = ntk_shape_count(&initial->input), left = p->deal.own_count - first;
  ntk_batch batch = batch_of(p, training);
  ntk_tape tape = {0};

  batch.index += first;
  batch.count = p->batches.size > 0 && p->batches.size < left ? p->batches.size : left;
  NTK_TRY(ntk_forward_batch(initial, &batch, p->inputs + first * features, NULL, &tape));
  ntk_tape_output(&tape, p->centre + first * initial->outputs);
  ntk_tape_destroy(&tape);
  return NTK_OK;
}

/* Before the pass whose tape is kept. */
static ntk_status forward_initial(const ntk_network *initial, const ntk_tape *training,
                                  ntk_pass *p) {
  const int64_t own = p->deal.own_count, step = p->batches.size > 0 ? p->batches.size : own;

  NTK_TRY(NTK_NEW(own * initial->outputs, &p->centre));
  for (int64_t first = 0; first < own; first += step) {
    NTK_TRY(forward_some(initial, training, first, p));
  }
  return NTK_OK;
}

ntk_status ntk_pass_centre(const ntk_kernel_input *input, const ntk_tape *training,
                           ntk_pass *pass) {
  return ntk_agree(input->grid->comm, forward_initial(input->initial, training, pass));
}

static ntk_status run_batches(const ntk_kernel_input *input, const ntk_batch *all, ntk_pass *p) {
  const ntk_status status =
      ntk_batches_run(input, all, p->inputs, p->formed_width, &p->batches);

  ntk_free(&p->inputs);
  return status;
}

ntk_status ntk_pass_forward(const ntk_kernel_input *input, const ntk_tape *training,
                            ntk_pass *pass) {
  const ntk_batch batch = batch_of(pass, training);

  if (pass->batches.size > 0) {
    return ntk_agree(input->grid->comm, run_batches(input, &batch, pass));
  }
  return ntk_agree(input->grid->comm, ntk_forward_batch(input->network, &batch, NULL,
                                                        &pass->inputs, &pass->tape));
}

/* ---- output ---------------------------------------------------------------------------------- */

static ntk_status read_output(const ntk_pass *p, int64_t count, int64_t outputs, double **own,
                              double **all, double **f0) {
  NTK_TRY(NTK_NEW(p->deal.own_count * outputs, own));
  NTK_TRY(NTK_NEW(count * outputs, all));
  NTK_TRY(NTK_NEW(count * outputs, f0));
  if (p->batches.size == 0) {
    ntk_tape_output(&p->tape, *own);
  } else if (p->deal.own_count > 0) {
    memcpy(*own, p->batches.output, (size_t)(p->deal.own_count * outputs) * sizeof(double));
  }
  return NTK_OK;
}

ntk_status ntk_pass_output(const ntk_kernel_input *input, const ntk_pass *pass, int64_t count,
                           double **initial, double **f0) {
  int64_t outputs = input->network->outputs;
  double *own = NULL;
  ntk_status status =
      ntk_agree(input->grid->comm, read_output(pass, count, outputs, &own, initial, f0));

  if (status == NTK_OK) status = ntk_deal_collect(&pass->deal, outputs, own, *initial);
  if (status == NTK_OK && pass->centre) {
    for (int64_t k = 0; k < pass->deal.own_count * outputs; ++k) own[k] -= pass->centre[k];
    status = ntk_deal_collect(&pass->deal, outputs, own, *f0);
  } else if (status == NTK_OK && !input->network->centered) {
    memcpy(*f0, *initial, (size_t)(count * outputs) * sizeof(double));
  }
  ntk_free(&own);
  return status;
}

void ntk_pass_destroy(ntk_pass *pass) {
  ntk_stream_destroy(&pass->stream);
  ntk_stream_destroy(&pass->self_stream);
  ntk_tape_destroy(&pass->tape);
  ntk_batches_destroy(&pass->batches);
  ntk_free(&pass->inputs);
  ntk_free(&pass->centre);
  ntk_free(&pass->row_panel);
  ntk_free(&pass->col_panel);
  ntk_free(&pass->formed);
  ntk_free(&pass->number);
  ntk_deal_destroy(&pass->deal);
}

/* ---- factors --------------------------------------------------------------------------------- */

ntk_status ntk_pass_begin(ntk_pass *pass, const ntk_cotangents *cotangents) {
  ntk_stream_destroy(&pass->stream);
  ntk_stream_destroy(&pass->self_stream);
  pass->batches.next = 0;
  if (pass->batches.size > 0) return NTK_OK;
  NTK_TRY(ntk_stream_begin_part(&pass->tape, cotangents, false, &pass->stream));
  if (!pass->tape.network->two_kernels) return NTK_OK;
  return ntk_stream_begin_part(&pass->tape, cotangents, true, &pass->self_stream);
}

ntk_status ntk_pass_next(ntk_pass *pass, bool *more) {
  bool self = false;

  if (pass->batches.size > 0) {
    ntk_batches_next(&pass->batches, &pass->factor, more);
    return NTK_OK;
  }
  NTK_TRY(ntk_stream_next(&pass->stream, &pass->factor, more));
  if (!pass->tape.network->two_kernels) return NTK_OK;
  NTK_TRY(ntk_stream_next(&pass->self_stream, &pass->self, &self));
  NTK_ASSERT(self == *more);
  return NTK_OK;
}

/* ---- panels ---------------------------------------------------------------------------------- */

/* Alone in its process row, a rank has its row panel already; alone in the grid, its column panel
 * too. */
ntk_status ntk_pass_create_panels(ntk_pass *pass, double sample_bytes, double formed_bytes) {
  const ntk_grid *g = pass->deal.matrix->grid;

  pass->formed_width = (int64_t)formed_bytes;
  if (pass->batches.size == 0) {
    NTK_TRY(NTK_NEW(ntk_pad(pass->deal.own_count) * pass->formed_width, &pass->formed));
  }
  pass->panel_width = (int64_t)sample_bytes;
  if (g->cols > 1) {
    NTK_TRY(NTK_NEW(ntk_pad(pass->deal.row_count) * pass->panel_width, &pass->row_panel));
  }
  if (pass->deal.col_sample && g->comm->size > 1) {
    NTK_TRY(NTK_NEW(ntk_pad(pass->deal.col_count) * pass->panel_width, &pass->col_panel));
  }
  return NTK_OK;
}

ntk_status ntk_pass_form(ntk_pass *pass, ntk_dtype dtype, const ntk_contraction *contraction,
                         int64_t part, double *flops) {
  const ntk_contraction_cost cost = ntk_contraction_cost_of(contraction, &pass->factor);

  if (pass->batches.size > 0) {
    ntk_batches_part(&pass->batches, &pass->factor, part, &pass->part, flops);
    return NTK_OK;
  }
  NTK_ASSERT((int64_t)cost.formed * (int64_t)ntk_dtype_size(dtype) <= pass->formed_width);
  return ntk_contraction_form(contraction, dtype, &pass->factor, pass->deal.own_count, part,
                              pass->formed, &pass->part, flops);
}

/* Own factors of `width` elements a sample into the panels, behind `used` bytes a sample.
 *   cols  left alone if the set has no columns */
static ntk_status gather(ntk_pass *p, ntk_dtype dtype, int64_t used, int64_t width, const void *own,
                         const void **rows, const void **cols) {
  const ntk_deal *deal = &p->deal;
  const ntk_grid *g = deal->matrix->grid;

  NTK_ASSERT(used + width * (int64_t)ntk_dtype_size(dtype) <= p->panel_width);
  *rows = own;
  if (g->cols > 1) {
    char *panel = p->row_panel + ntk_pad(deal->row_count) * used;
    ntk_deal_gather_rows(deal, dtype, width, own, panel);
    *rows = panel;
  }
  if (!deal->col_sample) return NTK_OK;
  *cols = *rows;
  if (g->comm->size == 1) return NTK_OK;
  char *panel = p->col_panel + ntk_pad(deal->col_count) * used;
  *cols = panel;
  return ntk_deal_gather_cols(deal, dtype, width, *rows, panel);
}

ntk_status ntk_pass_gather(ntk_pass *pass, ntk_dtype dtype, ntk_side *rows, ntk_side *cols) {
  const ntk_factor *f = &pass->part;
  const int64_t a_width = ntk_factor_inputs(f);
  const int64_t used = a_width * (int64_t)ntk_dtype_size(dtype);

  *rows = (ntk_side){.samples = pass->deal.row_count, .slot = pass->deal.row_slot};
  *cols = (ntk_side){.samples = pass->deal.col_count, .slot = pass->deal.col_slot};
  if (a_width > 0) NTK_TRY(gather(pass, dtype, 0, a_width, f->a, &rows->a, &cols->a));
  if (f->shared) return NTK_OK;
  return gather(pass, dtype, used, f->cotangents * f->positions * f->out, f->delta, &rows->delta,
                &cols->delta);
}
