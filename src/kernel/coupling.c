/* Products over the positions of all training samples, one after the other, in pieces that stay in
 * the cache; cut by the sizes of the factor alone, so that they are the same on every grid. */
#include "coupling.h"

#include <string.h>

enum { PIECE_ELEMENTS = 1 << 16 };

static int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

static int64_t piece_of(const ntk_factor *f, int64_t cols) {
  const int64_t all = f->coupling->samples * f->positions;

  return min(all, max(1, PIECE_ELEMENTS / (cols + (f->coupling->patches ? f->in : 0))));
}

int64_t ntk_coupling_room(const ntk_factor *f, int64_t cols) {
  return f->coupling ? piece_of(f, cols) * (cols + (f->coupling->patches ? f->in : 0)) : 0;
}

/* Delta of a cotangent of a sample at position `at` of all: [sums][out], `stride` apart. */
static const void *delta_of(ntk_dtype dtype, const ntk_factor *f, int64_t own, int64_t row,
                            int64_t at, int64_t *stride) {
  const ntk_coupling *c = f->coupling;
  const int64_t k = at / f->positions, s = at % f->positions;
  const int64_t block = (k * own * f->cotangents + row) * c->sums;

  *stride = f->positions * c->out;
  return ntk_array_const_at(dtype, c->delta, (block * f->positions + s) * c->out);
}

/* Columns [x->col, x->col + x->cols) of it. */
static void take_columns(ntk_dtype dtype, const ntk_factor *f, const void *delta, int64_t stride,
                         const ntk_cut_out *x, void *to) {
  const int64_t out = f->coupling->out, end = x->col + x->cols;

  for (int64_t j = x->col, count; j < end; j += count) {
    count = min(out - j % out, end - j);
    memcpy(ntk_array_at(dtype, to, j - x->col),
           ntk_array_const_at(dtype, delta, j / out * stride + j % out),
           (size_t)count * ntk_dtype_size(dtype));
  }
}

static void take_piece(ntk_dtype dtype, const ntk_factor *f, int64_t own, int64_t row, int64_t at,
                       int64_t count, const ntk_cut_out *x, void *to) {
  int64_t stride = 0;

  for (int64_t k = 0; k < count; ++k) {
    const void *delta = delta_of(dtype, f, own, row, at + k, &stride);

    take_columns(dtype, f, delta, stride, x, ntk_array_at(dtype, to, k * x->cols));
  }
}

/* a at the positions [at, at + count) of all. */
static const void *inputs_of(ntk_dtype dtype, const ntk_factor *f, int64_t at, int64_t count,
                             void *room) {
  const ntk_coupling *c = f->coupling;

  if (!c->patches) return ntk_array_const_at(dtype, c->a, at * f->in);
  ntk_patches_form(c->patches, dtype, c->a, at, count, room);
  return room;
}

static void add_linear(ntk_dtype dtype, const ntk_factor *f, int64_t own, int64_t sample,
                       const ntk_cut_out *x, void *room, void *g) {
  const int64_t all = f->coupling->samples * f->positions, piece = piece_of(f, x->cols);

  for (int64_t at = 0; at < all; at += piece) {
    const int64_t count = min(piece, all - at);
    const void *a = inputs_of(dtype, f, at, count, ntk_array_at(dtype, room, piece * x->cols));

    for (int64_t c = 0; c < f->cotangents; ++c) {
      take_piece(dtype, f, own, sample * f->cotangents + c, at, count, x, room);
      ntk_gemm(dtype, true, false, x->rows, x->cols, count, 1, ntk_array_const_at(dtype, a, x->row),
               f->in, room, x->cols, 1, ntk_array_at(dtype, g, c * x->rows * x->cols), x->cols);
    }
  }
}

static void add(ntk_dtype dtype, int64_t n, const void *from, void *to) {
  for (int64_t k = 0; k < n; ++k) {
    if (dtype == NTK_DOUBLE) {
      ((double *)to)[k] += ((const double *)from)[k];
    } else {
      ((float *)to)[k] += ((const float *)from)[k];
    }
  }
}

static int64_t row_at(ntk_dtype dtype, const void *a, int64_t k) {
  return dtype == NTK_DOUBLE ? (int64_t)((const double *)a)[k] : (int64_t)((const float *)a)[k];
}

static void add_rows(ntk_dtype dtype, const ntk_factor *f, int64_t own, int64_t sample,
                     const ntk_cut_out *x, void *room, void *g) {
  const int64_t all = f->coupling->samples * f->positions;

  for (int64_t k = 0; k < f->cotangents * all; ++k) {
    const int64_t c = k / all, at = k % all;
    const int64_t row = row_at(dtype, f->coupling->a, at) - x->row;

    if (row < 0 || row >= x->rows) continue;
    take_piece(dtype, f, own, sample * f->cotangents + c, at, 1, x, room);
    add(dtype, x->cols, room, ntk_array_at(dtype, g, (c * x->rows + row) * x->cols));
  }
}

void ntk_coupling_add(ntk_dtype dtype, const ntk_factor *factor, int64_t own, int64_t sample,
                      const ntk_cut_out *x, void *room, void *g) {
  if (factor->kind == NTK_FACTOR_ROWS) {
    add_rows(dtype, factor, own, sample, x, room, g);
  } else {
    add_linear(dtype, factor, own, sample, x, room, g);
  }
}

void ntk_coupling_add_bias(ntk_dtype dtype, const ntk_factor *factor, int64_t own, void *sums) {
  const ntk_coupling *c = factor->coupling;
  int64_t stride = 0;

  for (int64_t at = 0; at < c->samples * factor->positions; ++at) {
    for (int64_t row = 0; row < own * factor->cotangents; ++row) {
      const void *delta = delta_of(dtype, factor, own, row, at, &stride);

      for (int64_t t = 0; t < c->sums; ++t) {
        add(dtype, c->out, ntk_array_const_at(dtype, delta, t * stride),
            ntk_array_at(dtype, sums, row * factor->out + t * c->out));
      }
    }
  }
}
