#include "ntk/model/patches.h"

#include <string.h>

/* How many of the next cells follow each other in the input, or are all zeros. */
static int64_t run_of(const int32_t *index, int64_t left) {
  int64_t run = 1;

  if (index[0] < 0) {
    while (run < left && index[run] < 0) ++run;
  } else {
    while (run < left && index[run] == index[0] + run) ++run;
  }
  return run;
}

static void form(const ntk_patches *p, size_t cell, const int32_t *index, const char *x, char *to) {
  for (int64_t k = 0, run; k < p->window; k += run) {
    const size_t at = (size_t)k * cell;

    run = run_of(index + k, p->window - k);
    if (index[k] < 0) {
      memset(to + at, 0, (size_t)run * cell);
    } else {
      memcpy(to + at, x + (size_t)index[k] * cell, (size_t)run * cell);
    }
  }
}

void ntk_patches_form(const ntk_patches *p, ntk_dtype dtype, const void *x, int64_t first,
                      int64_t rows, void *formed) {
  const size_t cell = (size_t)p->channels * ntk_dtype_size(dtype);

  for (int64_t r = 0; r < rows; ++r) {
    const int64_t sample = (first + r) / p->positions, s = (first + r) % p->positions;

    form(p, cell, p->index + s * p->window,
         ntk_array_const_at(dtype, x, sample * p->cells * p->channels),
         ntk_array_at(dtype, formed, r * p->window * p->channels));
  }
}

/* NOLINTBEGIN(bugprone-macro-parentheses): a type in parentheses is no type */
#define DEFINE_ADD(type)                                                                          \
  static void add_##type(const ntk_patches *p, const int32_t *index, const type *from, type *x) { \
    const int64_t c = p->channels;                                                                \
                                                                                                  \
    for (int64_t k = 0, run; k < p->window; k += run) {                                           \
      run = run_of(index + k, p->window - k);                                                     \
      if (index[k] < 0) continue;                                                                 \
      const type *restrict source = from + k * c;                                                 \
      type *restrict target = x + index[k] * c;                                                   \
                                                                                                  \
      for (int64_t j = 0; j < run * c; ++j) target[j] += source[j];                               \
    }                                                                                             \
  }

DEFINE_ADD(double)
DEFINE_ADD(float)
/* NOLINTEND(bugprone-macro-parentheses) */

void ntk_patches_add(const ntk_patches *p, ntk_dtype dtype, const void *formed, int64_t first,
                     int64_t rows, void *x) {
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t sample = (first + r) / p->positions, s = (first + r) % p->positions;
    const int32_t *index = p->index + s * p->window;
    const void *from = ntk_array_const_at(dtype, formed, r * p->window * p->channels);
    void *to = ntk_array_at(dtype, x, sample * p->cells * p->channels);

    if (dtype == NTK_DOUBLE) {
      add_double(p, index, from, to);
    } else {
      add_float(p, index, from, to);
    }
  }
}
