/* Deltas that wait while the stream is on the other path of a residual (MATH B15). */
#include <string.h>

#include "loops.h"
#include "ntk/base/memory.h"
#include "ntk/model/rows.h"
#include "streams.h"

static ntk_dtype dtype_of(const ntk_stream *stream) { return stream->tape->network->dtype; }

static int64_t samples_of(const ntk_stream *stream) { return ntk_pad(stream->tape->count); }

static ntk_status copy(ntk_dtype dtype, int64_t count, const void *from, void *address) {
  void *array = NULL;

  NTK_TRY(ntk_array_new_unset(dtype, count, &array));
  ntk_array_convert(dtype, from, dtype, array, count);
  memcpy(address, &array, sizeof(array));
  return NTK_OK;
}

static void destroy(ntk_saved_delta *saved) {
  ntk_free(&saved->common);
  ntk_free(&saved->product);
  ntk_free(&saved->full);
  *saved = (ntk_saved_delta){0};
}

static void note_room(ntk_stream *stream) {
  int64_t room = 0;

  for (int d = 0; d < stream->depth; ++d) {
    room += stream->saved[d].full_room + stream->saved[d].product_room;
  }
  stream->saved_room = room;
  if (room > stream->saved_most) stream->saved_most = room;
}

static ntk_status copy_delta(const ntk_stream *stream, ntk_saved_delta *saved) {
  const ntk_dtype dtype = dtype_of(stream);
  const int64_t rows = stream->rows, width = stream->width, samples = samples_of(stream);

  if (stream->form == NTK_DELTA_FULL) {
    saved->full_room = samples * rows * width;
    return copy(dtype, saved->full_room, stream->full, &saved->full);
  }
  NTK_TRY(copy(dtype, rows * width, stream->common, &saved->common));
  if (stream->form == NTK_DELTA_SHARED) return NTK_OK;
  saved->mask = stream->mask;
  if (stream->mask != stream->product) return NTK_OK;
  saved->product_room = samples * width;
  NTK_TRY(copy(dtype, saved->product_room, stream->product, &saved->product));
  saved->mask = saved->product;
  return NTK_OK;
}

ntk_status ntk_stream_save(ntk_stream *stream) {
  NTK_ASSERT(stream->depth < NTK_MOST_NESTED);
  ntk_saved_delta *saved = &stream->saved[stream->depth++];

  *saved = (ntk_saved_delta){.form = stream->form, .width = stream->width};
  NTK_TRY(copy_delta(stream, saved));
  note_room(stream);
  return NTK_OK;
}

void ntk_stream_exchange(ntk_stream *stream) {
  NTK_ASSERT(stream->depth > 0);
  ntk_saved_delta *saved = &stream->saved[stream->depth - 1];
  const ntk_saved_delta other = *saved;

  *saved = (ntk_saved_delta){.form = stream->form,
                             .width = stream->width,
                             .common = stream->common,
                             .product = stream->product,
                             .full = stream->full,
                             .mask = stream->mask,
                             .product_room = stream->product_room,
                             .full_room = stream->full_room};
  stream->form = other.form;
  stream->width = other.width;
  stream->common = other.common;
  stream->product = other.product;
  stream->full = other.full;
  stream->mask = other.mask;
  stream->product_room = other.product_room;
  stream->full_room = other.full_room;
  note_room(stream);
}

/* full += the saved delta. */
static void add_to_full(const ntk_stream *stream, const ntk_saved_delta *saved) {
  const ntk_dtype dtype = dtype_of(stream);
  const int64_t samples = samples_of(stream), entries = stream->rows * stream->width;

  if (saved->form == NTK_DELTA_FULL) {
    ntk_loop_add(dtype, samples * entries, 1, saved->full, stream->full);
    return;
  }
  for (int64_t s = 0; s < samples; ++s) {
    void *to = ntk_array_at(dtype, stream->full, s * entries);

    if (saved->form == NTK_DELTA_SHARED) {
      ntk_loop_add(dtype, entries, 1, saved->common, to);
    } else {
      ntk_rows_add_outer(dtype, stream->rows, stream->width,
                         ntk_array_const_at(dtype, saved->mask, s * stream->width), saved->common,
                         to);
    }
  }
}

ntk_status ntk_stream_add_saved(ntk_stream *stream) {
  NTK_ASSERT(stream->depth > 0);
  ntk_saved_delta *saved = &stream->saved[stream->depth - 1];

  NTK_ASSERT(saved->width == stream->width);
  if (stream->form == NTK_DELTA_SHARED && saved->form == NTK_DELTA_SHARED) {
    ntk_loop_add(dtype_of(stream), stream->rows * stream->width, 1, saved->common, stream->common);
  } else {
    NTK_TRY(ntk_stream_expand(stream));
    add_to_full(stream, saved);
  }
  destroy(saved);
  --stream->depth;
  note_room(stream);
  return NTK_OK;
}

void ntk_stream_scale(ntk_stream *stream, double factor) {
  const bool full = stream->form == NTK_DELTA_FULL;
  void *array = full ? stream->full : stream->common;
  const int64_t count = (full ? samples_of(stream) : 1) * stream->rows * stream->width;

  if (factor != 1) ntk_rows_times(dtype_of(stream), count, factor, array);
}

void ntk_paths_destroy(ntk_stream *stream) {
  for (int d = 0; d < stream->depth; ++d) destroy(&stream->saved[d]);
  stream->depth = 0;
}
