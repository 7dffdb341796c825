#include "batches.h"

#include <string.h>

#include "ntk/base/memory.h"

static int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }

static void destroy_kept(ntk_kept *k) {
  for (int64_t p = 0; k->part && p < k->parts; ++p) {
    ntk_free(&k->part[p].a);
    ntk_free(&k->part[p].delta);
  }
  ntk_free(&k->part);
}

void ntk_batches_destroy(ntk_batches *batches) {
  for (int k = 0; batches->kept && k < batches->count; ++k) destroy_kept(&batches->kept[k]);
  ntk_free(&batches->kept);
  ntk_free(&batches->output);
  *batches = (ntk_batches){0};
}

/* ---- one batch ------------------------------------------------------------------------------- */

/* What a batch is worked with. */
typedef struct run {
  const ntk_kernel_input *input;
  ntk_cotangents cotangents;
  ntk_batches *batches;
  int64_t first, count; /* samples */
  void *formed;         /* [ntk_pad(size)][formed bytes] */
} run;

static ntk_dtype dtype_of(const run *r) { return r->input->network->dtype; }

/* Room for `width` elements of every own sample; what stands behind them is zero. */
static ntk_status create_array(const run *r, int64_t width, void **array) {
  const int64_t own = r->batches->own, behind = (ntk_pad(own) - own) * width;

  if (width == 0) return NTK_OK;
  NTK_TRY(ntk_array_new_unset(dtype_of(r), ntk_pad(own) * width, array));
  memset(ntk_array_at(dtype_of(r), *array, own * width), 0,
         (size_t)behind * ntk_dtype_size(dtype_of(r)));
  return NTK_OK;
}

static void copy(const run *r, int64_t width, const void *from, void *array) {
  ntk_array_convert(dtype_of(r), from, dtype_of(r),
                    ntk_array_at(dtype_of(r), array, r->first * width), r->count * width);
}

static ntk_status keep_shared(const run *r, const ntk_factor *f, ntk_kept_part *part) {
  const int64_t count = f->cotangents * f->positions * f->out;

  if (part->delta) return NTK_OK;
  NTK_TRY(ntk_array_new_unset(dtype_of(r), count, &part->delta));
  ntk_array_convert(dtype_of(r), f->delta, dtype_of(r), part->delta, count);
  return NTK_OK;
}

/* What was formed of this batch. */
static ntk_status keep(const run *r, const ntk_factor *f, ntk_kept_part *part) {
  const int64_t a = ntk_factor_inputs(f), delta = f->cotangents * f->positions * f->out;

  if (!part->a) NTK_TRY(create_array(r, a, &part->a));
  if (f->shared) {
    NTK_TRY(keep_shared(r, f, part));
  } else {
    if (!part->delta) NTK_TRY(create_array(r, delta, &part->delta));
    copy(r, delta, f->delta, part->delta);
  }
  if (a > 0) copy(r, a, f->a, part->a);
  part->factor = *f;
  part->factor.a = part->a;
  part->factor.delta = part->delta;
  return NTK_OK;
}

static ntk_status keep_factor(const run *r, const ntk_factor *f, ntk_kept *kept) {
  const ntk_contraction *c =
      ntk_contraction_of(r->input->settings->contraction, f, r->input->data->train.count);

  if (f->w_weight == 0 && f->b_weight == 0) return NTK_OK;
  if (!kept->part) {
    const int64_t parts = ntk_contraction_parts(c, f);

    NTK_TRY(NTK_NEW(parts, &kept->part));
    kept->parts = parts;
    kept->weights = ntk_contraction_weight_parts(c, f);
  }
  for (int64_t p = 0; p < kept->parts; ++p) {
    ntk_factor formed;

    NTK_TRY(ntk_contraction_form(c, dtype_of(r), f, r->count, p, r->formed, &formed,
                                 &kept->part[p].flops));
    NTK_TRY(keep(r, &formed, &kept->part[p]));
  }
  return NTK_OK;
}

/* Arrays and indices go with the stream. */
static void keep_sizes(const ntk_factor *f, ntk_kept *kept) {
  kept->factor = *f;
  kept->factor.a = kept->factor.delta = NULL;
  if (!f->patches) return;
  kept->patches = *f->patches;
  kept->patches.index = NULL;
  kept->factor.patches = &kept->patches;
}

static ntk_status keep_factors(run *r, ntk_stream *stream) {
  ntk_batches *b = r->batches;
  bool more = true;

  for (b->next = 0;; ++b->next) {
    ntk_factor f;

    NTK_TRY(ntk_stream_next(stream, &f, &more));
    if (!more) return NTK_OK;
    ntk_kept *kept = &b->kept[b->next];

    if (b->count == b->next) ++b->count;
    NTK_TRY(keep_factor(r, &f, kept));
    keep_sizes(&f, kept);
  }
}

static ntk_status run_batch(run *r, const ntk_batch *all, const double *values) {
  const ntk_network *network = r->input->network;
  const ntk_batch batch = {.count = r->count, .index = all->index + r->first, .test = all->test};
  ntk_tape tape = {0};
  ntk_stream stream = {0};
  ntk_status status = ntk_forward_batch(
      network, &batch, values + r->first * ntk_shape_count(&network->input), NULL, &tape);

  if (status == NTK_OK) {
    ntk_tape_output(&tape, r->batches->output + r->first * network->outputs);
    status = ntk_stream_begin(&tape, &r->cotangents, &stream);
  }
  if (status == NTK_OK) status = keep_factors(r, &stream);
  ntk_stream_destroy(&stream);
  ntk_tape_destroy(&tape);
  return status;
}

/* ---- all ------------------------------------------------------------------------------------- */

/* Without samples, too, there are factors. */
static ntk_status run_batches(run *r, const ntk_batch *all, const double *values,
                              int64_t formed_bytes) {
  ntk_batches *b = r->batches;

  NTK_TRY(NTK_NEW(r->input->network->tensor_count, &b->kept));
  NTK_TRY(NTK_NEW(b->own * r->input->network->outputs, &b->output));
  NTK_TRY(ntk_new((size_t)ntk_pad(min(b->size, b->own)), (size_t)formed_bytes, &r->formed));
  do {
    r->count = min(b->size, b->own - r->first);
    NTK_TRY(run_batch(r, all, values));
    r->first += r->count;
  } while (r->first < b->own);
  return NTK_OK;
}

ntk_status ntk_batches_run(const ntk_kernel_input *input, const ntk_batch *all,
                           const double *values, int64_t formed_bytes, ntk_batches *batches) {
  run r = {.input = input,
           .cotangents = ntk_kernel_cotangents(input->settings),
           .batches = batches};

  batches->own = all->count;
  const ntk_status status = run_batches(&r, all, values, formed_bytes);

  ntk_free(&r.formed);
  return status;
}

/* ---- what was kept --------------------------------------------------------------------------- */

void ntk_batches_next(ntk_batches *batches, ntk_factor *factor, bool *more) {
  *more = batches->next < batches->count;
  if (*more) *factor = batches->kept[batches->next++].factor;
}

void ntk_batches_part(ntk_batches *batches, const ntk_factor *factor, int64_t part,
                      ntk_factor *formed, double *flops) {
  const ntk_kept *kept = &batches->kept[batches->next - 1];
  const bool whole = kept->parts == kept->weights && kept->factor.b_weight != 0;
  const bool bias = !whole && factor->w_weight == 0;
  ntk_kept_part *p = &kept->part[bias ? kept->weights : part];

  *formed = p->factor;
  if (whole || formed->w_weight != 0) formed->w_weight = factor->w_weight;
  if (whole || formed->b_weight != 0) formed->b_weight = factor->b_weight;
  *flops += p->flops;
  p->flops = 0;
}
