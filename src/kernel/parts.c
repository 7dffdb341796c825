/* The parts of single tensors: a kernel without test set whose Gram holds them one by one. */
#include <string.h>

#include "ntk/base/memory.h"
#include "work.h"

struct ntk_parts {
  ntk_kernel_input input;
  ntk_data data; /* borrows the training set */
  ntk_kernel kernel;
  ntk_work work;
  bool bias; /* the next part is that of the factor's bias */
};

static ntk_status open_parts(ntk_parts *p) {
  NTK_TRY(ntk_work_prepare(&p->work));
  NTK_TRY(ntk_work_forward(&p->work));
  (void)ntk_chunks_next(&p->work.chunks); /* the only one */
  return ntk_agree(p->input.grid->comm, ntk_work_begin(&p->work));
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
  p->work = (ntk_work){.input = &p->input, .kernel = &p->kernel};
  const ntk_status status = open_parts(p);

  if (status != NTK_OK) ntk_parts_close(parts);
  return status;
}

const ntk_matrix *ntk_parts_matrix(const ntk_parts *parts) { return &parts->kernel.gram; }

/* The factor that the next part belongs to, without what belongs to other parts. */
static ntk_status choose_part(ntk_parts *p, ntk_factor *part) {
  ntk_work *w = &p->work;
  bool more = true;

  if (!p->bias) NTK_TRY(ntk_work_next_tensor(w, &more));
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
  ntk_step chosen;

  NTK_TRY(choose_part(parts, &part));
  memset(m->data, 0, (size_t)(m->ld * m->local_cols) * sizeof(double));
  whole = *factor;
  *factor = part;
  const ntk_status status = ntk_work_add_factor(&parts->work, NULL, &chosen);

  *factor = whole;
  NTK_TRY(status);
  NTK_TRY(ntk_work_deliver(&parts->work));
  return ntk_matrix_mirror_lower(m);
}

void ntk_parts_close(ntk_parts **parts) {
  if (!*parts) return;
  ntk_work_destroy(&(*parts)->work);
  ntk_kernel_destroy(&(*parts)->kernel);
  ntk_free(parts);
}
