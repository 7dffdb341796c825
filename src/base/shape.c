#include "ntk/base/shape.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

int64_t ntk_shape_count(const ntk_shape *shape) {
  int64_t count = 1;

  for (int k = 0; k < shape->rank; ++k) count *= shape->size[k];
  return count;
}

const char *ntk_shape_text(const ntk_shape *shape, char text[NTK_SHAPE_TEXT]) {
  size_t used = 0;

  text[0] = '\0';
  for (int k = 0; k < shape->rank; ++k) {
    used += (size_t)snprintf(text + used, NTK_SHAPE_TEXT - used, "%s%" PRId64, k ? " x " : "",
                             shape->size[k]);
  }
  if (shape->rank == 0) (void)snprintf(text, NTK_SHAPE_TEXT, "scalar");
  return text;
}
