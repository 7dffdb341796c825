/* Several uses of one tensor become one factor: positions one after the other (MATH B.1). */
#include "loops.h"
#include "ntk/base/memory.h"
#include "streams.h"

static const ntk_tensor *tensor_of(const ntk_factor *factor) {
  return factor->weight ? factor->weight : factor->bias;
}

/* Elements of a sample in a and in delta, of all uses together. */
static void sizes_of(const ntk_factor *factor, int64_t *a, int64_t *delta) {
  const bool vector = factor->kind == NTK_FACTOR_VECTOR;
  const ntk_tensor *tensor = tensor_of(factor);
  const ntk_patches *patches = factor->patches;
  const int64_t positions = vector ? 1 : tensor->positions;

  *a = vector ? 0 : positions * factor->in;
  if (patches) *a = tensor->uses * patches->cells * patches->channels;
  *delta = factor->cotangents * positions * factor->out;
}

static ntk_status make_room(ntk_stream *stream, const ntk_factor *factor, ntk_uses *uses) {
  const ntk_dtype dtype = stream->tape->network->dtype;
  const int64_t samples = ntk_pad(stream->tape->count);
  int64_t a = 0, delta = 0;

  sizes_of(factor, &a, &delta);
  if (a > 0) NTK_TRY(ntk_array_new_unset(dtype, samples * a, &uses->a));
  if (factor->patches) {
    uses->patches = *factor->patches; /* what is repeated with the same tensors has one shape */
    uses->patches.cells *= tensor_of(factor)->uses;
    uses->patches.positions = tensor_of(factor)->positions;
    NTK_TRY(NTK_NEW(uses->patches.positions * uses->patches.window, &uses->index));
    uses->patches.index = uses->index;
  }
  NTK_TRY(ntk_array_new(dtype, samples * delta, &uses->delta));
  stream->uses_room += samples * (a + delta);
  return NTK_OK;
}

/* Input and indices of use number `use`. */
static void append_patches(const ntk_stream *stream, const ntk_factor *f, int64_t use,
                           ntk_uses *uses) {
  const ntk_patches *p = f->patches;
  const int64_t entries = p->cells * p->channels, count = p->positions * p->window;

  NTK_ASSERT(uses->patches.cells % p->cells == 0 && uses->patches.window == p->window);
  ntk_loop_scatter(stream->tape->network->dtype, ntk_pad(stream->tape->count), entries, f->a,
                   uses->patches.cells * p->channels, use * entries, uses->a);
  for (int64_t k = 0; k < count; ++k) {
    const int64_t cell = p->index[k] + use * p->cells;

    uses->index[use * count + k] = p->index[k] < 0 ? -1 : (int32_t)cell;
  }
}

/* Uses come from the last to the first, and stand in the order of the forward pass. */
static void append(const ntk_stream *stream, const ntk_factor *f, ntk_uses *uses) {
  const ntk_dtype dtype = stream->tape->network->dtype;
  const int64_t samples = ntk_pad(stream->tape->count), s = f->positions;
  const int64_t all = tensor_of(f)->positions, first = all - uses->filled - s;
  const int64_t blocks = f->shared ? f->cotangents : samples * f->cotangents;

  NTK_ASSERT(first >= 0);
  if (f->patches) {
    append_patches(stream, f, first / s, uses);
  } else {
    ntk_loop_scatter(dtype, samples, s * f->in, f->a, all * f->in, first * f->in, uses->a);
  }
  for (int64_t k = 0; k < (f->shared ? samples : 1); ++k) {
    ntk_loop_scatter(dtype, blocks, s * f->out, f->delta, all * f->out, first * f->out,
                     ntk_array_at(dtype, uses->delta, k * blocks * all * f->out));
  }
  uses->filled += s;
}

static void accumulate(const ntk_stream *stream, const ntk_factor *f, ntk_uses *uses) {
  const int64_t samples = ntk_pad(stream->tape->count);

  ntk_loop_add(stream->tape->network->dtype, samples * f->cotangents * f->out, 1, f->delta,
               uses->delta);
}

ntk_status ntk_uses_add(ntk_stream *stream, ntk_factor *factor, bool *ready) {
  const ntk_tensor *tensor = tensor_of(factor);
  ntk_uses *uses = &stream->uses[tensor - stream->tape->network->tensor];

  *ready = tensor->uses == 1;
  if (*ready || (factor->w_weight == 0 && factor->b_weight == 0)) return NTK_OK;
  if (uses->count++ == 0) NTK_TRY(make_room(stream, factor, uses));
  if (factor->kind == NTK_FACTOR_VECTOR) {
    accumulate(stream, factor, uses);
  } else {
    append(stream, factor, uses);
    factor->positions = tensor->positions;
  }
  if (factor->patches) factor->patches = &uses->patches;
  factor->a = uses->a;
  factor->delta = uses->delta;
  factor->shared = false;
  *ready = uses->count == tensor->uses;
  return NTK_OK;
}

void ntk_uses_destroy(ntk_stream *stream) {
  for (int t = 0; stream->uses && t < stream->tensors; ++t) {
    ntk_free(&stream->uses[t].a);
    ntk_free(&stream->uses[t].delta);
    ntk_free(&stream->uses[t].index);
  }
  ntk_free(&stream->uses);
}
