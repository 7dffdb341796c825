/* Sums over all pairs of positions (MATH B1): tiles of <a_s, a_t'> and <delta_s, delta_t'> by GEMM,
 * multiplied element by element and summed over s and t.  Also the contraction `pixel_gram`.
 *
 * In a tile the samples of the columns stand one after the other, [sample][t]; those of the rows
 * beside each other, [s][sample], so that all sums run along samples.  A sum goes over blocks of t,
 * in these over blocks of s, in these over t, then s: an order that follows from S alone. */
#include "positions.h"

#include <math.h>
#include <string.h>

#include "ntk/base/memory.h"
#include "tiles.h"

/* A tile has about COLS x ROWS pairs of positions. */
enum { COLS = 512, ROWS = 2048, ROW_STEP = 32, MOST_CELLS = 256 };

/* A product of two numbers from memory that is added to a third, and an addition, in flops of a
 * GEMM that take as long. */
static const double product_flops = 32, sum_flops = 24;

static int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

enum { A, DELTA, PIXEL, PRODUCTS };

/* What a tile needs, in elements. */
typedef struct sizes {
  int64_t s_step, t_step;     /* positions of a block, of rows and of columns */
  int64_t cells;              /* of pixels; else 0 */
  int64_t rows, cols;         /* local rows and columns of a tile */
  int64_t tile[PRODUCTS];
  int64_t pack[2][PRODUCTS];  /* of columns, of rows */
} sizes;

typedef struct positions {
  ntk_tiles tiles;
  sizes size;
  ntk_product product[PRODUCTS];
  void *pack[2][PRODUCTS];
  double *sum;          /* [cols][rows] of the tile */
  double *line; /* [rows] */
} positions;

static sizes sizes_of(const ntk_factor *f, bool pixels, int64_t rows, int64_t cols) {
  const int64_t s = max(1, f->positions), cells = pixels ? ntk_factor_cells(f) : 0;
  sizes z = {.s_step = min(s, ROW_STEP), .t_step = min(s, COLS), .cells = cells};

  z.cols = min(max(1, COLS / max(z.t_step, cells)), max(1, cols));
  z.rows = NTK_SAMPLE_PAD * max(1, ROWS / (NTK_SAMPLE_PAD * max(z.s_step, cells)));
  z.rows = min(z.rows, ntk_pad(max(1, rows)));
  const int64_t across = ntk_pad(z.cols * z.t_step), down = z.s_step * z.rows;

  z.tile[A] = z.tile[DELTA] = across * down;
  z.tile[PIXEL] = ntk_pad(z.cols * cells) * cells * z.rows;
  z.pack[0][DELTA] = across * f->out;
  z.pack[1][DELTA] = down * f->out;
  if (pixels) {
    z.pack[0][PIXEL] = ntk_pad(z.cols * cells) * f->patches->channels;
    z.pack[1][PIXEL] = cells * z.rows * f->patches->channels;
  } else {
    z.pack[0][A] = across * f->in;
    z.pack[1][A] = down * f->in;
  }
  return z;
}

/* Where <a, a'> are sums over cells, or are 0 and 1, they are in double. */
static ntk_dtype dtype_of(ntk_dtype dtype, const ntk_factor *f, bool pixels, int product) {
  const bool summed = product == A && (pixels || f->kind == NTK_FACTOR_ROWS);

  return summed ? NTK_DOUBLE : dtype;
}

double ntk_positions_bytes(ntk_dtype dtype, const ntk_factor *f, bool pixels, int64_t rows,
                           int64_t cols) {
  const sizes z = sizes_of(f, pixels, rows, cols);
  double bytes = 8.0 * (double)(z.cols * z.rows);

  for (int k = 0; k < PRODUCTS; ++k) {
    const ntk_dtype own = dtype_of(dtype, f, pixels, k);

    bytes += (double)ntk_dtype_size(own) * (double)ntk_product_elements(own, z.tile[k]);
    if (own == NTK_SINGLE) bytes += 8.0 * (double)z.tile[k];
    bytes += (double)ntk_dtype_size(dtype) * (double)(z.pack[0][k] + z.pack[1][k]);
  }
  return bytes;
}

void ntk_positions_cost(const ntk_factor *f, ntk_contraction_cost *cost) {
  const double s = (double)f->positions, c = (double)f->cotangents;
  const double in = f->kind == NTK_FACTOR_ROWS ? 0 : (double)f->in / (c * c);

  *cost = (ntk_contraction_cost){
      .entry_flops = 2 * s * s * (in + (double)f->out),
      .other = s * s * product_flops,
      .kept = INFINITY,
      .panel = (double)ntk_factor_inputs(f) + c * s * (double)f->out};
}

/* ---- packing --------------------------------------------------------------------------------- */

static int64_t width_of(const positions *p, int which) {
  const ntk_factor *f = p->tiles.job->factor;

  return which == DELTA ? f->out : which == A ? f->in : f->patches->channels;
}

/* Rows [first, first + count): of patches those that they are formed into. */
static void copy_rows(const positions *p, int which, const ntk_side *side, int64_t first,
                      int64_t count, void *to) {
  const ntk_factor *f = p->tiles.job->factor;
  const ntk_dtype dtype = p->tiles.job->dtype;
  const void *from = which == DELTA ? side->delta : side->a;
  const int64_t width = width_of(p, which);

  if (which == A && f->patches) {
    ntk_patches_form(f->patches, dtype, from, first, count, to);
  } else {
    memcpy(to, ntk_array_const_at(dtype, from, first * width),
           (size_t)(count * width) * ntk_dtype_size(dtype));
  }
}

/* [first, last) of an axis: its samples, or its rows of delta. */
static void range_of(const ntk_axis *x, const ntk_span *span, int which, int64_t *first,
                     int64_t *count) {
  const bool delta = which == DELTA;

  *first = delta ? span->first : ntk_axis_sample(x, span->first);
  *count = (delta ? span->last : ntk_axis_sample(x, span->last - 1) + 1) - *first;
}

static int64_t list_row(const ntk_axis *x, int which, int64_t k) {
  return which == DELTA ? ntk_axis_row(x, k) : k;
}

/* Positions [t, t + step) of `all` of every column's sample, one after the other. */
static void pack_columns(const positions *p, const ntk_span *span, int which, int64_t all,
                         int64_t t, int64_t step) {
  const ntk_axis *x = &p->tiles.cols;
  const int64_t width = width_of(p, which);
  int64_t first, count;

  range_of(x, span, which, &first, &count);
  for (int64_t k = 0; k < count; ++k) {
    copy_rows(p, which, x->side, list_row(x, which, first + k) * all + t, step,
              ntk_array_at(p->tiles.job->dtype, p->pack[0][which], k * step * width));
  }
}

/* Positions [s, s + step) of `all` of the rows' samples, [position][sample]. */
static void pack_rows(const positions *p, const ntk_span *span, int which, int64_t all, int64_t s,
                      int64_t step) {
  const ntk_axis *x = &p->tiles.rows;
  const int64_t width = width_of(p, which);
  int64_t first, count;

  range_of(x, span, which, &first, &count);
  for (int64_t k = 0; k < count; ++k) {
    for (int64_t d = 0; d < step; ++d) {
      copy_rows(p, which, x->side, list_row(x, which, first + k) * all + s + d, 1,
                ntk_array_at(p->tiles.job->dtype, p->pack[1][which],
                             (d * ntk_pad(count) + k) * width));
    }
  }
}

/* ---- products -------------------------------------------------------------------------------- */

/* A block of positions of a tile: t of the columns, s of the rows. */
typedef struct block {
  const ntk_span *rows, *cols;
  int64_t t, t_count, s, s_count;
} block;

static int64_t padded_rows(const positions *p, const ntk_span *rows, int which) {
  int64_t first, count;

  range_of(&p->tiles.rows, rows, which, &first, &count);
  return ntk_pad(count);
}

/* Of the packed arrays, with t_count positions of a column and s_count of a row. */
static void multiply(positions *p, const block *b, int which, int64_t t_count, int64_t s_count) {
  const int64_t width = width_of(p, which), down = s_count * padded_rows(p, b->rows, which);
  int64_t first, count;

  range_of(&p->tiles.cols, b->cols, which, &first, &count);
  const int64_t across = ntk_pad(count * t_count);

  ntk_product_multiply(&p->product[which], across, p->pack[0][which], down, p->pack[1][which],
                       width);
  p->tiles.job->flops += 2.0 * (double)across * (double)down * (double)width;
}

/* Makes <a, a'> a product that is filled in by hand: [column t][s][sample]. */
static double *start_block(positions *p, const block *b, int64_t *rows) {
  ntk_product *a = &p->product[A];
  int64_t first, count;

  range_of(&p->tiles.cols, b->cols, A, &first, &count);
  *rows = padded_rows(p, b->rows, A);
  a->ld = b->s_count * *rows;
  a->blocks = 1;
  a->summed = false;
  memset(a->block, 0, (size_t)(count * b->t_count * a->ld) * sizeof(double));
  return a->block;
}

/* 1 where the numbers of rows agree. */
static void compare(positions *p, const block *b) {
  const ntk_assembly *job = p->tiles.job;
  const int64_t all = job->factor->positions;
  int64_t rows, row, row_count, col, col_count;
  double *to = start_block(p, b, &rows);

  range_of(&p->tiles.cols, b->cols, A, &col, &col_count);
  range_of(&p->tiles.rows, b->rows, A, &row, &row_count);
  for (int64_t c = 0; c < col_count * b->t_count; ++c, to += p->product[A].ld) {
    const int64_t t = b->t + c % b->t_count;
    const double own = ntk_array_get(job->dtype, job->cols.a, (col + c / b->t_count) * all + t);

    for (int64_t k = 0; k < row_count; ++k) {
      for (int64_t s = 0; s < b->s_count; ++s) {
        const double other = ntk_array_get(job->dtype, job->rows.a, (row + k) * all + b->s + s);

        to[s * rows + k] = own == other ? 1 : 0;
      }
    }
  }
}

static void add(int64_t n, const double *restrict x, double *restrict y) {
  for (int64_t k = 0; k < n; ++k) y[k] += x[k];
}

/* Column c of <a, a'> from the products of cells: over the cells that two windows see. */
static void add_cells(positions *p, const block *b, int64_t sample, int64_t t, int64_t rows,
                      double *to) {
  const ntk_patches *patches = p->tiles.job->factor->patches;

  for (int64_t k = 0; k < patches->window; ++k) {
    const int64_t cell = patches->index[t * patches->window + k];

    for (int64_t s = 0; cell >= 0 && s < b->s_count; ++s) {
      const int64_t other = patches->index[(b->s + s) * patches->window + k];

      if (other < 0) continue;
      add(rows,
          ntk_product_column(&p->product[PIXEL], sample * patches->cells + cell, other * rows,
                             rows),
          to + s * rows);
    }
  }
}

static void sum_cells(positions *p, const block *b) {
  int64_t rows, first, count;
  double *to = start_block(p, b, &rows);

  range_of(&p->tiles.cols, b->cols, A, &first, &count);
  for (int64_t c = 0; c < count * b->t_count; ++c) {
    add_cells(p, b, c / b->t_count, b->t + c % b->t_count, rows, to + c * p->product[A].ld);
  }
}

static void multiply_block(positions *p, const block *b) {
  const ntk_factor *f = p->tiles.job->factor;

  if (p->size.cells > 0) {
    sum_cells(p, b);
  } else if (f->kind == NTK_FACTOR_ROWS) {
    compare(p, b);
  } else {
    pack_rows(p, b->rows, A, f->positions, b->s, b->s_count);
    multiply(p, b, A, b->t_count, b->s_count);
  }
  pack_rows(p, b->rows, DELTA, f->positions, b->s, b->s_count);
  multiply(p, b, DELTA, b->t_count, b->s_count);
}

/* ---- sums ------------------------------------------------------------------------------------ */

static void add_product(int64_t n, const double *restrict a, const double *restrict d,
                        double *restrict sum) {
  for (int64_t k = 0; k < n; ++k) sum[k] += a[k] * d[k];
}

/* <a, a'> at one pair of positions, row by row of the matrix. */
static const double *a_line(positions *p, const ntk_span *rows, int64_t column, int64_t at) {
  const ntk_axis *x = &p->tiles.rows;
  int64_t first, count;

  range_of(x, rows, A, &first, &count);
  const double *line = ntk_product_column(&p->product[A], column, at, count);

  if (!x->cotangent) return line;
  for (int64_t l = rows->first; l < rows->last; ++l) {
    p->line[l - rows->first] = line[ntk_axis_sample(x, l) - first];
  }
  return p->line;
}

static void add_block(positions *p, const block *b) {
  const ntk_axis *cols = &p->tiles.cols;
  const int64_t n = b->rows->last - b->rows->first;
  const int64_t a_rows = padded_rows(p, b->rows, A), d_rows = padded_rows(p, b->rows, DELTA);
  const int64_t first = ntk_axis_sample(cols, b->cols->first);

  for (int64_t lj = b->cols->first; lj < b->cols->last; ++lj) {
    const int64_t a = (ntk_axis_sample(cols, lj) - first) * b->t_count;
    const int64_t d = (lj - b->cols->first) * b->t_count;

    for (int64_t k = 0; k < b->t_count * b->s_count; ++k) {
      const int64_t t = k / b->s_count, s = k % b->s_count;

      add_product(n, a_line(p, b->rows, a + t, s * a_rows),
                  ntk_product_column(&p->product[DELTA], d + t, s * d_rows, n),
                  p->sum + (lj - b->cols->first) * p->size.rows);
    }
  }
}

static void fill_tile(ntk_tiles *tiles, const ntk_span *rows, const ntk_span *cols) {
  positions *p = (positions *)tiles;
  const ntk_factor *f = tiles->job->factor;
  const int64_t all = f->positions, cells = p->size.cells;
  block b = {.rows = rows, .cols = cols};

  memset(p->sum, 0, (size_t)(p->size.cols * p->size.rows) * sizeof(double));
  if (cells > 0) {
    pack_columns(p, cols, PIXEL, cells, 0, cells);
    pack_rows(p, rows, PIXEL, cells, 0, cells);
    multiply(p, &b, PIXEL, cells, cells);
  }
  for (b.t = 0; b.t < all; b.t += b.t_count) {
    b.t_count = min(p->size.t_step, all - b.t);
    if (cells == 0 && f->kind == NTK_FACTOR_LINEAR) pack_columns(p, cols, A, all, b.t, b.t_count);
    pack_columns(p, cols, DELTA, all, b.t, b.t_count);
    for (b.s = 0; b.s < all; b.s += b.s_count) {
      b.s_count = min(p->size.s_step, all - b.s);
      multiply_block(p, &b);
      add_block(p, &b);
    }
  }
}

/* ---- as a walk over tiles: the sums are <delta, delta'>, and <a, a'> is 1 -------------------- */

static const double *one(ntk_tiles *tiles, const ntk_span *rows, const ntk_span *cols, int64_t lj,
                         int64_t first) {
  (void)rows, (void)cols, (void)lj, (void)first;
  return tiles->one;
}

static const double *sum_of(ntk_tiles *tiles, const ntk_span *rows, const ntk_span *cols,
                            int64_t lj, int64_t first) {
  const positions *p = (const positions *)tiles;

  return p->sum + (lj - cols->first) * p->size.rows + first - rows->first;
}

static ntk_status allocate(ntk_assembly *job, bool pixels, positions *p) {
  const sizes *z = &p->size;

  for (int k = 0; k < PRODUCTS; ++k) {
    ntk_product *x = &p->product[k];

    x->dtype = dtype_of(job->dtype, job->factor, pixels, k);
    x->tile = z->tile[k];
    x->column = job->scratch->column[k == DELTA];
    NTK_TRY(ntk_array_new_unset(x->dtype, ntk_product_elements(x->dtype, x->tile), &x->block));
    if (x->dtype == NTK_SINGLE) NTK_TRY(NTK_NEW(x->tile, &x->sum));
    for (int side = 0; side < 2; ++side) {
      NTK_TRY(ntk_array_new(job->dtype, z->pack[side][k], &p->pack[side][k]));
    }
  }
  return NTK_NEW(z->cols * z->rows, &p->sum);
}

static ntk_status create(ntk_assembly *job, bool pixels, positions *p) {
  NTK_TRY(ntk_tiles_create(job, &p->tiles));
  p->size = sizes_of(job->factor, pixels, p->tiles.rows.count, p->tiles.cols.count);
  p->tiles.most_rows = p->size.rows = min(p->size.rows, job->scratch->tile_rows);
  p->tiles.most_cols = p->size.cols;
  p->tiles.multiply = fill_tile;
  p->tiles.a = one;
  p->tiles.delta = sum_of;
  p->line = job->scratch->line[1];
  return allocate(job, pixels, p);
}

static void destroy(positions *p) {
  for (int k = 0; k < PRODUCTS; ++k) {
    ntk_free(&p->product[k].block);
    ntk_free(&p->product[k].sum);
    ntk_free(&p->pack[0][k]);
    ntk_free(&p->pack[1][k]);
  }
  ntk_free(&p->sum);
  ntk_tiles_destroy(&p->tiles);
}

ntk_status ntk_positions_add(ntk_assembly *job, bool pixels) {
  positions p = {0};
  const ntk_status status = create(job, pixels, &p);

  if (status == NTK_OK) ntk_tiles_add(&p.tiles);
  destroy(&p);
  return status;
}

/* ---- pixel_gram ------------------------------------------------------------------------------ */

static ntk_status add_pixels(ntk_assembly *job) { return ntk_positions_add(job, true); }

static bool applies(const ntk_factor *f) {
  return f->kind == NTK_FACTOR_LINEAR && f->patches && f->positions > 1 && !f->coupling &&
         ntk_factor_cells(f) <= MOST_CELLS;
}

static void cost(const ntk_factor *f, ntk_contraction_cost *cost) {
  const double s = (double)f->positions, c = (double)f->cotangents;
  const double cells = (double)ntk_factor_cells(f), channels = (double)f->patches->channels;

  ntk_positions_cost(f, cost);
  cost->entry_flops = 2 * (cells * cells * channels / (c * c) + s * s * (double)f->out);
  cost->other += s * s * (double)f->patches->window * sum_flops / (c * c);
}

const ntk_contraction ntk_contraction_pixel_gram = {
    .row = {.name = "pixel_gram",
            .doc = "pairs, with <a, a'> of convolutions from the products of pixels; where the "
                   "image has at most 256"},
    .applies = applies,
    .cost = cost,
    .add = add_pixels};
