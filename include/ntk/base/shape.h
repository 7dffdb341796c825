/* shape.h -- shape of one sample: {784}, or {28, 28, 1} (h, w, c), row-major. */
#ifndef NTK_BASE_SHAPE_H
#define NTK_BASE_SHAPE_H

#include <stdint.h>

enum { NTK_SHAPE_RANK = 4, NTK_SHAPE_TEXT = 96 };

typedef struct ntk_shape {
  int rank;
  int64_t size[NTK_SHAPE_RANK];
} ntk_shape;

/* Local.  Product of the sizes. */
int64_t ntk_shape_count(const ntk_shape *shape);

/* Local.  "28 x 28 x 1", "scalar" for rank 0; returns `text`. */
const char *ntk_shape_text(const ntk_shape *shape, char text[NTK_SHAPE_TEXT]);

#endif
