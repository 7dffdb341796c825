/* The NTK: all factors of the backward pass, tensor by tensor; and trace and norm of every tensor's
 * part of the Gram, summed panel by panel, so that a kernel that is resumed has the same bits. */
#include <math.h>
#include <string.h>

#include "ntk/base/memory.h"
#include "work.h"

bool ntk_work_is_ntk(const ntk_work *w) { return w->kernel->quantity == &ntk_quantity_ntk; }

/* ---- sums over the part of each tensor ------------------------------------------------------- */

int64_t ntk_kernel_notes(const ntk_kernel_settings *settings, const ntk_quantity *quantity,
                         const ntk_network *network) {
  return settings->per_layer && quantity == &ntk_quantity_ntk ? 2 * network->tensor_count : 0;
}

static ntk_checkpoint *gram_file(const ntk_work *w) {
  return w->input->keeping ? w->input->keeping->gram : NULL;
}

/* The panel of every column of the Gram: those of its file, whether there is one or not, so
 * that sums over them are added up in the same order. */
static ntk_status find_panels(ntk_work *w) {
  const ntk_matrix *m = &w->kernel->gram;
  const int64_t width = ntk_checkpoint_width(m->rows, m->cols);

  w->panels = (m->cols + width - 1) / width;
  NTK_TRY(NTK_NEW(m->cols, &w->panel_of));
  for (int64_t j = 0; j < m->cols; ++j) w->panel_of[j] = j / width;
  return NTK_OK;
}

ntk_status ntk_work_allocate_notes(ntk_work *w) {
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

/* One panel at a time: MPI may add in another order where there are more numbers. */
void ntk_work_sum_panels(const ntk_work *w, int64_t first, int64_t count) {
  for (int64_t p = first; p < first + count; ++p) {
    ntk_comm_sum(w->input->grid->comm, w->note + p * w->notes, w->notes);
  }
}

/* Parts of the panels; those that were written stand in the file. */
static const double *panel_note(const ntk_work *w, int64_t panel) {
  const ntk_checkpoint *file = gram_file(w);

  return file ? ntk_checkpoint_notes(file, 0, panel) : w->note + panel * w->notes;
}

void ntk_work_sum_notes(ntk_work *w) {
  ntk_kernel *k = w->kernel;

  if (!w->note) return;
  if (!gram_file(w)) ntk_work_sum_panels(w, 0, w->panels);
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

/* ---- the NTK: all factors of the backward pass ----------------------------------------------- */

ntk_status ntk_work_begin(ntk_work *w) {
  w->tensors = 0;
  NTK_TRY(ntk_pass_begin(&w->train, &w->cotangents));
  return w->with_test ? ntk_pass_begin(&w->test, &w->cotangents) : NTK_OK;
}

static ntk_status next(ntk_work *w, bool *more) {
  bool test_more = false;

  NTK_TRY(ntk_pass_next(&w->train, more));
  if (!w->with_test) return NTK_OK;
  NTK_TRY(ntk_pass_next(&w->test, &test_more));
  NTK_ASSERT(*more == test_more);
  return NTK_OK;
}

/* The next factor that has a part in the kernel. */
ntk_status ntk_work_next_tensor(ntk_work *w, bool *more) {
  do {
    NTK_AGREE(w->input->grid->comm, next(w, more));
  } while (*more && w->train.factor.w_weight == 0 && w->train.factor.b_weight == 0);
  return NTK_OK;
}

/* Of all matrices, whatever this run has left to do of them. */
static double flops_of(const ntk_work *w, const ntk_contraction *contraction) {
  const ntk_contraction_cost cost = ntk_contraction_cost_of(contraction, &w->train.factor);
  const ntk_kernel *k = w->kernel;
  const double rows = (double)k->gram.rows, test_rows = (double)k->test_train.rows;
  const double square = (double)k->test_test.rows;
  const double entries =
      0.5 * rows * (rows + 1) + test_rows * rows + 0.5 * square * (square + 1);

  return (double)(k->n + k->m) * cost.sample_flops + entries * cost.entry_flops;
}

/* The next of the tensors; sums of its weight part, or of its bias part. */
static void note_tensor(ntk_work *w, const ntk_tensor *tensor, bool bias, const ntk_step *s) {
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

static ntk_status add_tensor(ntk_work *w) {
  const ntk_factor *f = &w->train.factor;
  ntk_step s;

  for (int64_t p = 0; w->sums && p < w->panels; ++p) w->sums[p] = (ntk_pair_sums){0};
  NTK_TRY(ntk_work_add_factor(w, w->sums, &s));
  s.flops = flops_of(w, s.contraction);
  note_tensor(w, f->weight, false, &s);
  if (f->weight && f->weight->trainable) s.flops = 0;
  note_tensor(w, f->bias, true, &s);
  return NTK_OK;
}

ntk_status ntk_work_add_tensors(ntk_work *w) {
  bool more = true;

  NTK_AGREE(w->input->grid->comm, ntk_work_begin(w));
  for (;;) {
    NTK_TRY(ntk_work_next_tensor(w, &more));
    if (!more) return NTK_OK;
    NTK_TRY(add_tensor(w));
  }
}
