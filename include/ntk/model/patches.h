/* patches.h -- what the windows of a convolution or of pooling see of their input. */
#ifndef NTK_MODEL_PATCHES_H
#define NTK_MODEL_PATCHES_H

#include "ntk/base/array.h"

/* Of an input x [sample][cells][channels], window s sees the cells index[s][0 .. window), -1 being
 * a cell of zeros: its patch is their values one after the other (MATH B10: u, v, c). */
typedef struct ntk_patches {
  int64_t cells, channels;
  int64_t positions;    /* windows; S */
  int64_t window;       /* cells that one sees; K = kh kw */
  const int32_t *index; /* [positions][window] */
} ntk_patches;

/* Local.  Patches [rows][window * channels] of the rows first, first + 1, ... of x, where
 * row = sample * positions + position: those of sample i are rows i S to (i + 1) S. */
void ntk_patches_form(const ntk_patches *patches, ntk_dtype dtype, const void *x, int64_t first,
                      int64_t rows, void *formed);

/* Local.  The reverse (MATH B11): adds the rows to the cells they came from, in their order. */
void ntk_patches_add(const ntk_patches *patches, ntk_dtype dtype, const void *formed,
                     int64_t first, int64_t rows, void *x);

#endif
