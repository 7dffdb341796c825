/* The contraction `jacobian`: the gradient G = sum_s a_s^T delta_s of every sample, then a Gram of
 * gradients (MATH B1, B12).  Gradients are formed by the rank that has the sample, and travel in
 * tiles of at most FEATURES entries.  As many tiles as take no more room than a and delta are
 * formed together, by products over pieces of the positions: patches of a piece stay in the
 * cache. */
#include <string.h>

#include "coupling.h"
#include "ntk/base/memory.h"
#include "ntk/kernel/assembly.h"

enum { FEATURES = 4096, MOST_COLUMNS = 256, PIECE_BYTES = 1 << 19 };

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

/* Whole rows of tiles, if there is room for one. */
static int64_t batch_of(const ntk_factor *f) {
  const int64_t own = ntk_factor_inputs(f) + f->cotangents * f->positions * f->out;
  const int64_t factor = own * (f->coupling ? f->coupling->samples + 1 : 1);
  const int64_t fit = min(parts(f), factor / tile_entries(f)), across = tiling_of(f).across;

  return fit < across ? 1 : fit / across * across;
}

/* Tile number `part` of G: its rows and columns. */
typedef ntk_cut_out tile;

static tile tile_of(const ntk_factor *f, int64_t part) {
  const tiling t = tiling_of(f);
  tile x = {.row = part / t.across * t.row_step, .col = part % t.across * t.col_step};

  x.rows = min(t.row_step, t.rows - x.row);
  x.cols = min(t.col_step, t.cols - x.col);
  return x;
}

/* The tiles [part, last) of one batch, as one. */
static tile hull_of(const ntk_factor *f, int64_t part, int64_t last) {
  const tile end = tile_of(f, last - 1);
  tile x = tile_of(f, part);

  x.rows = end.row + end.rows - x.row;
  x.cols = end.col + end.cols - x.col;
  return x;
}

/* ---- linear maps ----------------------------------------------------------------------------- */

/* What is worked with: the batch's part of G of one sample, and patches of some positions. */
typedef struct room {
  tile hull;
  int64_t piece; /* positions */
  void *g;       /* [cotangents][hull.rows][hull.cols] */
  void *patches; /* [piece][hull.rows]; NULL: a is taken in place */
  void *coupling; /* of ntk_coupling_add */
} room;

static ntk_status create_room(ntk_dtype dtype, const ntk_factor *f, const tile *hull, room *r) {
  const int64_t row = hull->rows * (int64_t)ntk_dtype_size(dtype);

  *r = (room){.hull = *hull, .piece = f->positions};
  NTK_TRY(ntk_array_new_unset(dtype, f->cotangents * hull->rows * hull->cols, &r->g));
  NTK_TRY(ntk_array_new_unset(dtype, ntk_coupling_room(f, hull->cols), &r->coupling));
  if (!f->patches) return NTK_OK;
  r->piece = min(f->positions, max(1, PIECE_BYTES / row));
  return ntk_array_new_unset(dtype, r->piece * hull->rows, &r->patches);
}

static void destroy_room(room *r) {
  ntk_free(&r->g);
  ntk_free(&r->patches);
  ntk_free(&r->coupling);
}

/* Entries [x->row, x->row + x->rows) of the patch of one image that window s sees. */
static void form_patch(const ntk_patches *p, ntk_dtype dtype, const void *image, int64_t s,
                       const tile *x, char *to) {
  const int64_t c = p->channels, end = x->row + x->rows;
  const size_t size = ntk_dtype_size(dtype);

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

/* a at positions [s, s + count), as far as the hull needs it. */
static const void *inputs_of(ntk_dtype dtype, const ntk_factor *f, int64_t sample, int64_t s,
                             int64_t count, const room *r, int64_t *stride) {
  const void *a = ntk_array_const_at(dtype, f->a, sample * ntk_factor_inputs(f));

  if (!f->patches) {
    *stride = f->in;
    return ntk_array_const_at(dtype, a, s * f->in + r->hull.row);
  }
  for (int64_t k = 0; k < count; ++k) {
    form_patch(f->patches, dtype, a, s + k, &r->hull,
               ntk_array_at(dtype, r->patches, k * r->hull.rows));
  }
  *stride = r->hull.rows;
  return r->patches;
}

/* Products of this one sample, of the same shape on every grid. */
static void form_linear(ntk_dtype dtype, const ntk_factor *f, int64_t sample, const room *r) {
  const tile *x = &r->hull;

  for (int64_t s = 0, stride = 0; s < f->positions; s += r->piece) {
    const int64_t count = min(r->piece, f->positions - s);
    const void *a = inputs_of(dtype, f, sample, s, count, r, &stride);

    for (int64_t c = 0; c < f->cotangents; ++c) {
      const int64_t row = (f->shared ? 0 : sample * f->cotangents) + c;
      const int64_t from = (row * f->positions + s) * f->out + x->col;

      ntk_gemm(dtype, true, false, x->rows, x->cols, count, 1, a, stride,
               ntk_array_const_at(dtype, f->delta, from), f->out, s > 0 ? 1 : 0,
               ntk_array_at(dtype, r->g, c * x->rows * x->cols), x->cols);
    }
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

static void form_rows(ntk_dtype dtype, const ntk_factor *f, int64_t sample, const room *r) {
  const tile *x = &r->hull;
  const int64_t entries = x->rows * x->cols, s_count = f->positions;

  memset(r->g, 0, (size_t)(f->cotangents * entries) * ntk_dtype_size(dtype));
  for (int64_t k = 0; k < f->cotangents * s_count; ++k) {
    const int64_t c = k / s_count, at = sample * s_count + k % s_count;
    const int64_t row = row_at(dtype, f->a, at) - x->row;
    const int64_t from = (sample * f->cotangents * s_count + k) * f->out + x->col;

    if (row < 0 || row >= x->rows) continue;
    add(dtype, x->cols, ntk_array_const_at(dtype, f->delta, from),
        ntk_array_at(dtype, r->g, c * entries + row * x->cols));
  }
}

/* ---- the contraction ------------------------------------------------------------------------- */

/* Where a tile is in the array: tiles of a batch one after the other, [sample][cotangent][entry]. */
static void *place_of(ntk_dtype dtype, const ntk_factor *f, int64_t count, int64_t part,
                      void *formed) {
  return ntk_array_at(dtype, formed, part % batch_of(f) * ntk_pad(count) * tile_entries(f));
}

/* A tile of the sample's G, of all cotangents. */
static void copy_tile(ntk_dtype dtype, const ntk_factor *f, const tile *x, const room *r,
                      void *to) {
  const tile *h = &r->hull;

  for (int64_t k = 0; k < f->cotangents * x->rows; ++k) {
    const int64_t c = k / x->rows, row = x->row - h->row + k % x->rows;

    ntk_array_convert(dtype,
                      ntk_array_const_at(dtype, r->g,
                                         (c * h->rows + row) * h->cols + x->col - h->col),
                      dtype, ntk_array_at(dtype, to, k * x->cols), x->cols);
  }
}

static void form_sample(ntk_dtype dtype, const ntk_factor *f, int64_t count, int64_t sample,
                        const room *r) {
  if (f->kind == NTK_FACTOR_ROWS) {
    form_rows(dtype, f, sample, r);
  } else {
    form_linear(dtype, f, sample, r);
  }
  if (f->coupling) ntk_coupling_add(dtype, f, count, sample, &r->hull, r->coupling, r->g);
}

static ntk_status form_batch(ntk_dtype dtype, const ntk_factor *f, int64_t count, int64_t part,
                             void *formed) {
  const int64_t last = min(parts(f), part + batch_of(f));
  const tile hull = hull_of(f, part, last);
  room r;
  const ntk_status status = create_room(dtype, f, &hull, &r);

  for (int64_t i = 0; i < count && status == NTK_OK; ++i) {
    form_sample(dtype, f, count, i, &r);
    for (int64_t k = part; k < last; ++k) {
      const tile x = tile_of(f, k);

      copy_tile(dtype, f, &x, &r,
                ntk_array_at(dtype, place_of(dtype, f, count, k, formed),
                             i * f->cotangents * x.rows * x.cols));
    }
  }
  destroy_room(&r);
  return status;
}

static ntk_status form(ntk_dtype dtype, const ntk_factor *f, int64_t count, int64_t part,
                       void *array, ntk_factor *formed) {
  const tile x = tile_of(f, part);

  if (part % batch_of(f) == 0) NTK_TRY(form_batch(dtype, f, count, part, array));
  *formed = (ntk_factor){.weight = f->weight,
                         .w_weight = f->w_weight,
                         .positions = 1,
                         .cotangents = f->cotangents,
                         .out = x.rows * x.cols,
                         .delta = place_of(dtype, f, count, part, array)};
  return NTK_OK;
}

static bool applies(const ntk_factor *f) { return f->kind != NTK_FACTOR_VECTOR; }

static void cost(const ntk_factor *f, ntk_contraction_cost *cost) {
  const tiling t = tiling_of(f);
  const double entries = (double)t.rows * (double)t.cols;
  const double maps = f->kind == NTK_FACTOR_LINEAR ? (double)(f->cotangents * f->positions) : 0;
  const double features = (double)tile_entries(f);
  const double samples = f->coupling ? (double)f->coupling->samples + 1 : 1;

  *cost = (ntk_contraction_cost){.sample_flops = 2 * samples * maps * entries,
                                 .entry_flops = 2 * entries,
                                 .formed = (double)batch_of(f) * features,
                                 .kept = (double)f->cotangents * entries,
                                 .panel = features};
}

const ntk_contraction ntk_contraction_jacobian = {
    .row = {.name = "jacobian", .doc = "the gradient of every sample, then one Gram of gradients"},
    .applies = applies,
    .cost = cost,
    .parts = parts,
    .form = form};
