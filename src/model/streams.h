/* streams.h -- the parts of a stream that stand in files of their own; private to this floor. */
#ifndef NTK_MODEL_STREAMS_H
#define NTK_MODEL_STREAMS_H

#include "ntk/model/layer.h"

/* The rows of delta that become one cotangent of a factor. */
int64_t ntk_summed_rows(const ntk_cotangents *cotangents, int64_t rows, int64_t terms);

/* Local.  An array of at least `count` elements; the content is lost when it grows. */
NTK_CHECKED ntk_status ntk_stream_reserve(ntk_dtype dtype, int64_t count, int64_t *room,
                                          void *address);

/* Factors of a tensor that several layers use, until the last of them is there. */
typedef struct ntk_uses {
  int count;           /* that were added */
  int64_t filled;      /* positions */
  void *a, *delta;     /* as of a factor, with the positions of all uses */
  ntk_patches patches; /* of a factor with patches: their inputs one after the other */
  int32_t *index;
} ntk_uses;

/* Local.  *ready is whether the factor is one to give away: that of a tensor with one use as it is,
 * of others the whole one with the last use.  Fails with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_uses_add(ntk_stream *stream, ntk_factor *factor, bool *ready);

void ntk_uses_destroy(ntk_stream *stream);

/* Local.  stream->batch, with a delta of zeros at the output of the layer that the stream is at;
 * the stream's own delta is expanded.  Fails with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_batch_begin(ntk_stream *stream);

/* Local.  A factor of the stream together with that of its batch. */
NTK_CHECKED ntk_status ntk_batch_join(ntk_stream *stream, const ntk_factor *batch,
                                      ntk_factor *factor);

void ntk_batch_destroy(ntk_stream *stream);
void ntk_paths_destroy(ntk_stream *stream);

#endif
