/* Conjugate kernel and NNGP: the readout's features. */
#include "ntk/base/memory.h"
#include "ntk/model/layer.h"
#include "work.h"

bool ntk_work_recalls(const ntk_work *w) {
  return !ntk_work_is_ntk(w) && w->input->features && w->input->features->kept;
}

static ntk_status make_identity(ntk_work *w) {
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
static void weigh_readout(const ntk_work *w, const ntk_readout *r, ntk_factor *f) {
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
static void weigh_masks(ntk_work *w, const ntk_readout *r) {
  const ntk_node_layer *below = w->network->layer_count > 1 ? r->layer - 1 : NULL;
  ntk_pass *sets[] = {&w->train, &w->test};

  for (int k = 0; k < 2; ++k) {
    sets[k]->self = sets[k]->factor;
    if (!below) continue;
    sets[k]->factor.w_weight *= ntk_dropout_excess(below, false);
    sets[k]->self.w_weight *= ntk_dropout_excess(below, true);
  }
}

static ntk_status make_factors(ntk_work *w) {
  const ntk_features *kept = ntk_work_recalls(w) ? w->input->features : NULL;
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

ntk_status ntk_work_add_readout(ntk_work *w) {
  ntk_step s;

  if (!w->identity) NTK_AGREE(w->input->grid->comm, make_factors(w));
  return ntk_work_add_factor(w, NULL, &s);
}
