/* The contraction `jacobian`: the gradient G = sum_s a_s^T delta_s of every sample, then a Gram of
 * gradients (MATH B1, B12).  Gradients are formed by the rank that has the sample, and travel in
 * tiles of at most FEATURES entries.  As many tiles as take no more room than a and delta are
 * formed while these are in the cache. */
#include <string.h>

#include "ntk/base/memory.h"
#include "ntk/kernel/assembly.h"

enum { FEATURES = 4096, MOST_COLUMNS = 256 };

static int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

/* G has `rows` x `cols` entries and is cut into tiles of row_step x col_step. */
typedef struct tiling {
  int64_t rows, cols, row_step, col_step, across;
} tiling;

static int64_t gradient_rows(const ntk_factor *f) {
  return f->kind == NTK_FACTOR_ROWS ? f->weight->size[0] : f->in;
}

static tiling tiling_of(const ntk_factor *f) {
  tiling t = {.rows = gradient_rows(f), .cols = f->out};

  t.col_step = min(t.cols, MOST_COLUMNS);
  t.row_step = min(t.rows, FEATURES / t.col_step);
  t.across = (t.cols + t.col_step - 1) / t.col_step;
  return t;
}

static int64_t parts(const ntk_factor *f) {
  const tiling t = tiling_of(f);

  return t.across * ((t.rows + t.row_step - 1) / t.row_step);
}

/* Entries of a tile, of all cotangents, and how many tiles are formed together. */
static int64_t tile_entries(const ntk_factor *f) {
  const tiling t = tiling_of(f);

  return f->cotangents * t.row_step * t.col_step;
}

static int64_t batch_of(const ntk_factor *f) {
  const int64_t factor = ntk_factor_inputs(f) + f->cotangents * f->positions * f->out;

  return min(parts(f), max(1, factor / tile_entries(f)));
}

/* Tile number `part` of G: its rows and columns. */
typedef struct tile {
  int64_t row, rows, col, cols;
} tile;

static tile tile_of(const ntk_factor *f, int64_t part) {
  const tiling t = tiling_of(f);
  tile x = {.row = part / t.across * t.row_step, .col = part % t.across * t.col_step};

  x.rows = min(t.row_step, t.rows - x.row);
  x.cols = min(t.col_step, t.cols - x.col);
  return x;
}

/* ---- linear maps ----------------------------------------------------------------------------- */

/* Entries [x->row, x->row + x->rows) of the patches of one image, position by position. */
static void form_patches(const ntk_patches *p, ntk_dtype dtype, const void *image, const tile *x,
                         void *formed) {
  const int64_t c = p->channels, end = x->row + x->rows;
  const size_t size = ntk_dtype_size(dtype);
  char *to = formed;

  for (int64_t s = 0; s < p->positions; ++s) {
    for (int64_t at = x->row, count; at < end; at += count, to += (size_t)count * size) {
      const int64_t cell = p->index[s * p->window + at / c];

      count = min(c - at % c, end - at);
      if (cell < 0) {
        memset(to, 0, (size_t)count * size);
      } else {
        memcpy(to, ntk_array_const_at(dtype, image, cell * c + at % c), (size_t)count * size);
      }
    }
  }
}

/* The columns of a that the tile needs: in place, or formed in `strip`. */
static const void *inputs_of(ntk_dtype dtype, const ntk_factor *f, int64_t sample, const tile *x,
                             void *strip, int64_t *stride) {
  const void *a = ntk_array_const_at(dtype, f->a, sample * ntk_factor_inputs(f));

  if (!f->patches) {
    *stride = f->in;
    return ntk_array_const_at(dtype, a, x->row);
  }
  form_patches(f->patches, dtype, a, x, strip);
  *stride = x->rows;
  return strip;
}

/* A product of this one sample, of the same shape on every grid. */
static void form_linear(ntk_dtype dtype, const ntk_factor *f, int64_t sample, const tile *x,
                        void *strip, void *to) {
  int64_t stride = 0;
  const void *a = inputs_of(dtype, f, sample, x, strip, &stride);

  for (int64_t c = 0; c < f->cotangents; ++c) {
    const int64_t row = (f->shared ? 0 : sample * f->cotangents) + c;

    ntk_gemm(dtype, true, false, x->rows, x->cols, f->positions, 1, a, stride,
             ntk_array_const_at(dtype, f->delta, row * f->positions * f->out + x->col), f->out, 0,
             ntk_array_at(dtype, to, c * x->rows * x->cols), x->cols);
  }
}

/* ---- rows ------------------------------------------------------------------------------------ */

static int64_t row_at(ntk_dtype dtype, const void *a, int64_t k) {
  return dtype == NTK_DOUBLE ? (int64_t)((const double *)a)[k] : (int64_t)((const float *)a)[k];
}

static void add(ntk_dtype dtype, int64_t n, const void *from, void *to) {
  if (dtype == NTK_DOUBLE) {
    const double *restrict x = from;
    double *restrict y = to;

    for (int64_t k = 0; k < n; ++k) y[k] += x[k];
  } else {
    const float *restrict x = from;
    float *restrict y = to;

    for (int64_t k = 0; k < n; ++k) y[k] += x[k];
  }
}

static void form_rows(ntk_dtype dtype, const ntk_factor *f, int64_t sample, const tile *x,
                      void *to) {
  const int64_t entries = x->rows * x->cols, s_count = f->positions;

  memset(to, 0, (size_t)(f->cotangents * entries) * ntk_dtype_size(dtype));
  for (int64_t k = 0; k < f->cotangents * s_count; ++k) {
    const int64_t c = k / s_count, at = sample * s_count + k % s_count;
    const int64_t row = row_at(dtype, f->a, at) - x->row;
    const int64_t from = (sample * f->cotangents * s_count + k) * f->out + x->col;

    if (row < 0 || row >= x->rows) continue;
    add(dtype, x->cols, ntk_array_const_at(dtype, f->delta, from),
        ntk_array_at(dtype, to, c * entries + row * x->cols));
  }
}

/* ---- the contraction ------------------------------------------------------------------------- */

/* Where a tile is in the room: tiles of a batch one after the other, [sample][cotangent][entry]. */
static void *place_of(ntk_dtype dtype, const ntk_factor *f, int64_t count, int64_t part,
                      void *room) {
  return ntk_array_at(dtype, room, part % batch_of(f) * ntk_pad(count) * tile_entries(f));
}

static ntk_status form_batch(ntk_dtype dtype, const ntk_factor *f, int64_t count, int64_t part,
                             void *room) {
  const int64_t last = min(parts(f), part + batch_of(f));
  void *strip = NULL;

  if (f->patches) {
    NTK_TRY(ntk_array_new_unset(dtype, f->positions * tiling_of(f).row_step, &strip));
  }
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t k = part; k < last; ++k) {
      const tile x = tile_of(f, k);
      void *to = ntk_array_at(dtype, place_of(dtype, f, count, k, room),
                              i * f->cotangents * x.rows * x.cols);

      if (f->kind == NTK_FACTOR_ROWS) {
        form_rows(dtype, f, i, &x, to);
      } else {
        form_linear(dtype, f, i, &x, strip, to);
      }
    }
  }
  ntk_free(&strip);
  return NTK_OK;
}

static ntk_status form(ntk_dtype dtype, const ntk_factor *f, int64_t count, int64_t part,
                       void *room, ntk_factor *formed) {
  const tile x = tile_of(f, part);

  if (part % batch_of(f) == 0) NTK_TRY(form_batch(dtype, f, count, part, room));
  *formed = (ntk_factor){.weight = f->weight,
                         .w_weight = f->w_weight,
                         .positions = 1,
                         .cotangents = f->cotangents,
                         .out = x.rows * x.cols,
                         .delta = place_of(dtype, f, count, part, room)};
  return NTK_OK;
}

static bool applies(const ntk_factor *f) { return f->kind != NTK_FACTOR_VECTOR; }

static void cost(const ntk_factor *f, ntk_contraction_cost *cost) {
  const tiling t = tiling_of(f);
  const double entries = (double)t.rows * (double)t.cols;
  const double maps = f->kind == NTK_FACTOR_LINEAR ? (double)(f->cotangents * f->positions) : 0;
  const double features = (double)tile_entries(f);

  *cost = (ntk_contraction_cost){.sample_flops = 2 * maps * entries,
                                 .entry_flops = 2 * entries,
                                 .formed = (double)batch_of(f) * features,
                                 .panel = features};
}

const ntk_contraction ntk_contraction_jacobian = {
    .row = {.name = "jacobian", .doc = "the gradient of every sample, then one Gram of gradients"},
    .applies = applies,
    .cost = cost,
    .parts = parts,
    .form = form};
