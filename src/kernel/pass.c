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

static ntk_batch batch_of(const ntk_pass *p) {
  return (ntk_batch){.count = p->deal.own_count,
                     .index = p->number,
                     .test = p->test};
}

/* The output at theta_0, before the pass whose tape is kept. */
static ntk_status forward_initial(const ntk_network *initial, ntk_pass *p) {
  ntk_tape tape = {0};

  NTK_TRY(NTK_NEW(p->deal.own_count * initial->outputs, &p->centre));
  const ntk_batch batch = batch_of(p);

  NTK_TRY(ntk_forward_batch(initial, &batch, p->inputs, NULL, &tape));
  ntk_tape_output(&tape, p->centre);
  ntk_tape_destroy(&tape);
  return NTK_OK;
}

ntk_status ntk_pass_forward(const ntk_kernel_input *input, ntk_pass *pass) {
  const ntk_comm *comm = input->grid->comm;

  NTK_AGREE(comm, input->initial ? forward_initial(input->initial, pass) : NTK_OK);
  const ntk_batch batch = batch_of(pass);

  return ntk_agree(comm, ntk_forward_batch(input->network, &batch, NULL, &pass->inputs,
                                           &pass->tape));
}

/* ---- output ---------------------------------------------------------------------------------- */

static ntk_status read_output(const ntk_pass *p, int64_t count, int64_t outputs, double **own,
                              double **all, double **f0) {
  NTK_TRY(NTK_NEW(p->deal.own_count * outputs, own));
  NTK_TRY(NTK_NEW(count * outputs, all));
  NTK_TRY(NTK_NEW(count * outputs, f0));
  ntk_tape_output(&p->tape, *own);
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
  ntk_tape_destroy(&pass->tape);
  ntk_free(&pass->inputs);
  ntk_free(&pass->centre);
  ntk_free(&pass->row_panel);
  ntk_free(&pass->col_panel);
  ntk_free(&pass->formed);
  ntk_free(&pass->number);
  ntk_deal_destroy(&pass->deal);
}

/* ---- panels ---------------------------------------------------------------------------------- */

/* Alone in its process row, a rank has its row panel already; alone in the grid, its column panel
 * too. */
ntk_status ntk_pass_create_panels(ntk_pass *pass, double sample_bytes, double formed_bytes) {
  const ntk_grid *g = pass->deal.matrix->grid;

  pass->formed_width = (int64_t)formed_bytes;
  NTK_TRY(NTK_NEW(ntk_pad(pass->deal.own_count) * pass->formed_width, &pass->formed));
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
