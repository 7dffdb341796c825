#include "tiles.h"

#include <string.h>

#include "ntk/base/memory.h"

/* A tile of products: at most TILE_COLS x TILE_ROWS (of double; single has more arrays and smaller
 * tiles), multiples of NTK_SAMPLE_PAD.  Along the diagonal, tiles of at most OWN_TILE samples with
 * themselves; where there is no such product, staircases of STAIRCASE columns with steps of LEAF,
 * one block of the usual size: what is computed in vain, and what GEMM packs again and again, cost
 * least together (measured, n = 2048). */
enum {
  TILE_COLS = 512,
  TILE_ROWS = 4096,
  SINGLE_TILE_ROWS = 1024,
  OWN_TILE = 1024,
  STAIRCASE = 256,
  LEAF = 64
};

/* Products in single precision are cut at multiples of K_STEP and added in double; K_BLOCKS cuts
 * are computed before they are added to the sums. */
enum { K_STEP = 512, K_BLOCKS = 2 };

static int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

/* ---- scratch --------------------------------------------------------------------------------- */

int64_t ntk_product_elements(ntk_dtype dtype, int64_t tile) {
  return dtype == NTK_SINGLE ? tile * K_BLOCKS : tile;
}

static int64_t tile_rows(ntk_dtype dtype, int64_t rows) {
  return min(dtype == NTK_SINGLE ? SINGLE_TILE_ROWS : TILE_ROWS, ntk_pad(rows));
}

static int64_t tile_cols(int64_t cols) { return min(TILE_COLS, ntk_pad(cols)); }

static ntk_status create_scratch(ntk_dtype dtype, ntk_scratch *s) {
  const int64_t tile = s->tile_rows * s->tile_cols;

  for (int k = 0; k < 2; ++k) {
    NTK_TRY(ntk_array_new(dtype, ntk_product_elements(dtype, tile), &s->block[k]));
    if (dtype == NTK_SINGLE) NTK_TRY(NTK_NEW(tile, &s->sum[k]));
    NTK_TRY(NTK_NEW(s->tile_rows, &s->column[k]));
    NTK_TRY(NTK_NEW(s->tile_rows, &s->line[k]));
  }
  return NTK_OK;
}

ntk_status ntk_scratch_create(ntk_dtype dtype, int64_t rows, int64_t cols, ntk_scratch *scratch) {
  *scratch = (ntk_scratch){0};
  scratch->tile_rows = tile_rows(dtype, rows);
  scratch->tile_cols = tile_cols(cols);
  return create_scratch(dtype, scratch);
}

void ntk_scratch_destroy(ntk_scratch *scratch) {
  for (int k = 0; k < 2; ++k) {
    ntk_free(&scratch->block[k]);
    ntk_free(&scratch->sum[k]);
    ntk_free(&scratch->column[k]);
    ntk_free(&scratch->line[k]);
  }
  *scratch = (ntk_scratch){0};
}

double ntk_scratch_bytes(ntk_dtype dtype, int64_t rows, int64_t cols) {
  const int64_t tile = tile_rows(dtype, rows) * tile_cols(cols);
  const double block = (double)ntk_product_elements(dtype, tile) * (double)ntk_dtype_size(dtype);

  return 2 * (block + (dtype == NTK_SINGLE ? 8.0 * (double)tile : 0));
}

/* ---- products -------------------------------------------------------------------------------- */

static const float *cut(const ntk_product *p, int64_t b) {
  return (const float *)p->block + b * p->tile;
}

/* Always in the order of the cuts. */
static void add_cuts(const ntk_product *p, int64_t first, int64_t count, double *restrict sum) {
  for (int64_t b = 0; b < p->blocks; ++b) {
    const float *restrict block = cut(p, b) + first;
    for (int64_t k = 0; k < count; ++k) sum[k] += (double)block[k];
  }
}

static void flush_cuts(ntk_product *p, int64_t count) {
  for (int64_t c = 0; c < count; ++c) {
    double *sum = p->sum + c * p->ld;
    for (int64_t k = 0; k < p->ld && !p->summed; ++k) sum[k] = 0;
    add_cuts(p, c * p->ld, p->ld, sum);
  }
  p->summed = true;
  p->blocks = 0;
}

void ntk_product_multiply(ntk_product *p, int64_t cols, const void *c, int64_t rows, const void *r,
                          int64_t k) {
  p->ld = rows;
  p->blocks = 0;
  p->summed = false;
  if (p->dtype == NTK_DOUBLE) {
    ntk_inner_products(p->dtype, cols, c, rows, r, k, p->block, rows);
    return;
  }
  for (int64_t k0 = 0; k0 < k; k0 += K_STEP) {
    if (p->blocks == K_BLOCKS) flush_cuts(p, cols);
    ntk_gemm(p->dtype, false, true, cols, rows, min(K_STEP, k - k0), 1,
             ntk_array_const_at(p->dtype, c, k0), k, ntk_array_const_at(p->dtype, r, k0), k, 0,
             ntk_array_at(p->dtype, p->block, p->blocks * p->tile), rows);
    ++p->blocks;
  }
}

void ntk_product_multiply_own(ntk_product *p, int64_t n, const double *x, int64_t k) {
  p->ld = n;
  ntk_own_products(n, x, k, p->block);
}

const double *ntk_product_column(ntk_product *p, int64_t c, int64_t first, int64_t count) {
  const int64_t at = c * p->ld + first;

  if (p->dtype == NTK_DOUBLE) return (const double *)p->block + at;
  for (int64_t k = 0; k < count; ++k) p->column[k] = p->summed ? p->sum[at + k] : 0;
  add_cuts(p, at, count, p->column);
  return p->column;
}

/* ---- axes and spans -------------------------------------------------------------------------- */

static ntk_status create_axis(const ntk_side *side, const ntk_matrix *m, bool rows,
                              int64_t cotangents, ntk_axis *x) {
  *x = (ntk_axis){.side = side, .cotangents = cotangents};
  x->count = rows ? m->local_rows : m->local_cols;
  if (cotangents == 1) return NTK_OK;
  NTK_TRY(NTK_NEW(x->count, &x->cotangent));
  for (int64_t l = 0; l < x->count; ++l) {
    x->cotangent[l] = (rows ? ntk_matrix_row(m, l) : ntk_matrix_col(m, l)) % cotangents;
  }
  return NTK_OK;
}

ntk_status ntk_tiles_create(ntk_assembly *job, ntk_tiles *t) {
  const int64_t cotangents = job->factor->cotangents;

  t->job = job;
  t->one = job->scratch->line[0];
  for (int64_t k = 0; k < job->scratch->tile_rows; ++k) t->one[k] = 1;
  if (job->sums) NTK_TRY(NTK_NEW(job->matrix->local_cols, &t->sums));
  NTK_TRY(create_axis(&job->rows, job->matrix, true, cotangents, &t->rows));
  return create_axis(&job->cols, job->matrix, false, cotangents, &t->cols);
}

void ntk_tiles_destroy(ntk_tiles *t) {
  ntk_free(&t->sums);
  ntk_free(&t->rows.cotangent);
  ntk_free(&t->cols.cotangent);
}

static int64_t floor_pad(int64_t k) { return k / NTK_SAMPLE_PAD * NTK_SAMPLE_PAD; }

/* The longest span from `first` on, up to `last`, with at most `limit` rows of delta. */
static ntk_span rounded_span(const ntk_axis *x, int64_t first, int64_t last, int64_t limit) {
  ntk_span s = {.first = first, .last = first + 1};

  s.a_first = floor_pad(ntk_axis_sample(x, first));
  s.delta_first = floor_pad(ntk_axis_row(x, first));
  if (!x->cotangent) s.last = min(last, s.delta_first + limit);
  while (s.last < last && ntk_axis_row(x, s.last) < s.delta_first + limit) ++s.last;
  s.a_count = ntk_pad(ntk_axis_sample(x, s.last - 1) + 1 - s.a_first);
  s.delta_count = ntk_pad(ntk_axis_row(x, s.last - 1) + 1 - s.delta_first);
  return s;
}

static ntk_span next_span(const ntk_axis *x, int64_t first, int64_t last, int64_t most,
                          int64_t tile) {
  if (most == 0) return rounded_span(x, first, last, tile);
  return (ntk_span){.first = first, .last = min(last, first + most)};
}

/* ---- sums ------------------------------------------------------------------------------------ */

static ntk_pair_sums *sums_of(const ntk_assembly *job, int64_t lj) {
  return job->sums + (job->sum_of ? job->sum_of[ntk_matrix_col(job->matrix, lj)] : 0);
}

static double over_lanes(const double *lane) {
  double sum = 0;

  for (int k = 0; k < NTK_LANES; ++k) sum += lane[k];
  return sum;
}

/* The diagonal counts once, all else twice. */
static void add_column_sums(const ntk_factor *f, const ntk_column_sums *c, ntk_pair_sums *sums) {
  const double w2 = f->w_weight * f->w_weight, b2 = f->b_weight * f->b_weight;

  sums->weight_trace += f->w_weight * c->ad;
  sums->bias_trace += f->b_weight * c->d;
  sums->weight_square += w2 * (2 * over_lanes(c->ad2) - c->ad * c->ad);
  sums->bias_square += b2 * (2 * over_lanes(c->d2) - c->d * c->d);
}

static void add_sums(const ntk_tiles *t, int64_t col, int64_t last_col) {
  for (int64_t lj = col; t->sums && lj < last_col; ++lj) {
    add_column_sums(t->job->factor, &t->sums[lj], sums_of(t->job, lj));
  }
}

/* ---- one tile -------------------------------------------------------------------------------- */

/* theta += (w a + b) d */
static void fuse(int64_t n, double w, double b, const double *restrict a, const double *restrict d,
                 double *restrict theta) {
  for (int64_t k = 0; k < n; ++k) theta[k] += (w * a[k] + b) * d[k];
}

/* The same, and squares of a d and d into the lanes: rows [k, end), the first of which is row `at + k`
 * of this rank. */
static void fuse_and_square(int64_t k, int64_t end, int64_t at, double w, double b,
                            const double *restrict a, const double *restrict d,
                            double *restrict theta, ntk_column_sums *restrict sums) {
  for (; k < end; ++k) {
    const double ad = a[k] * d[k];
    const int lane = (int)((at + k) % NTK_LANES);

    theta[k] += (w * a[k] + b) * d[k];
    sums->ad2[lane] += ad * ad;
    sums->d2[lane] += d[k] * d[k];
  }
}

/* Whole turns of the lanes, from row k on; the row behind them. */
static int64_t fuse_and_square_turns(int64_t k, int64_t end, double w, double b,
                                     const double *restrict a, const double *restrict d,
                                     double *restrict theta, ntk_column_sums *restrict sums) {
  ntk_column_sums s = *sums;

  for (; k + NTK_LANES <= end; k += NTK_LANES) {
    for (int lane = 0; lane < NTK_LANES; ++lane) {
      const double ad = a[k + lane] * d[k + lane];

      theta[k + lane] += (w * a[k + lane] + b) * d[k + lane];
      s.ad2[lane] += ad * ad;
      s.d2[lane] += d[k + lane] * d[k + lane];
    }
  }
  *sums = s;
  return k;
}

/* Local rows of the matrix that column lj needs start here. */
static int64_t first_row(const ntk_assembly *job, int64_t lj) {
  const ntk_matrix *m = job->matrix;

  if (!job->lower) return 0;
  if (lj == m->local_cols) return m->local_rows;
  const int64_t j = ntk_matrix_col(m, lj);

  if (job->square == 0) return ntk_matrix_rows_below(m, j);
  return ntk_matrix_rows_below(m, min(m->rows, (j / job->square + 1) * job->square));
}

/* Column lj of a tile, from local row `first` on. */
static void add_column(ntk_tiles *t, const ntk_span *rows, const ntk_span *cols, int64_t lj,
                       int64_t first) {
  const ntk_factor *f = t->job->factor;
  ntk_matrix *m = t->job->matrix;
  const int64_t n = rows->last - first;
  const double *a = t->a(t, rows, cols, lj, first);
  const double *d = t->delta(t, rows, cols, lj, first);
  double *theta = m->data + first + lj * m->ld;

  if (!t->sums) {
    fuse(n, f->w_weight, f->b_weight, a, d, theta);
    return;
  }
  ntk_column_sums *sums = &t->sums[lj];
  const int64_t head = min(n, (NTK_LANES - first % NTK_LANES) % NTK_LANES);

  fuse_and_square(0, head, first, f->w_weight, f->b_weight, a, d, theta, sums);
  const int64_t rest =
      fuse_and_square_turns(head, n, f->w_weight, f->b_weight, a, d, theta, sums);

  fuse_and_square(rest, n, first, f->w_weight, f->b_weight, a, d, theta, sums);
  if (ntk_matrix_row(m, first) != ntk_matrix_col(m, lj)) return;
  sums->ad = a[0] * d[0];
  sums->d = d[0];
}

static void add_columns(ntk_tiles *t, const ntk_span *rows, const ntk_span *cols) {
  for (int64_t lj = cols->first; lj < cols->last; ++lj) {
    const int64_t first = max(rows->first, first_row(t->job, lj));

    if (first < rows->last) add_column(t, rows, cols, lj, first);
  }
}

static void add_tile(ntk_tiles *t, const ntk_span *rows, const ntk_span *cols) {
  t->multiply(t, rows, cols);
  add_columns(t, rows, cols);
}

/* Columns [col, last) against the same samples, if there is a product for that and room in a
 * tile. */
static bool add_own_tile(ntk_tiles *t, int64_t col, int64_t last) {
  const ntk_scratch *s = t->job->scratch;
  const int64_t most = min(OWN_TILE, s->tile_rows);

  if (!t->multiply_own || ntk_pad(last) - floor_pad(col) > most) return false;
  const ntk_span own = rounded_span(&t->cols, col, last, last);

  if (own.a_count * own.a_count > s->tile_rows * s->tile_cols) return false;
  t->multiply_own(t, &own);
  add_columns(t, &own, &own);
  return true;
}

/* ---- the walk -------------------------------------------------------------------------------- */

static void add_rectangle(ntk_tiles *t, int64_t row, int64_t last_row, int64_t col,
                          int64_t last_col) {
  const ntk_scratch *scratch = t->job->scratch;

  while (col < last_col && row < last_row) {
    const ntk_span cols = next_span(&t->cols, col, last_col, t->most_cols, scratch->tile_cols);

    for (int64_t r = row; r < last_row;) {
      const ntk_span rows = next_span(&t->rows, r, last_row, t->most_rows, scratch->tile_rows);

      add_tile(t, &rows, &cols);
      r = rows.last;
    }
    col = cols.last;
  }
}

/* Columns [col, last_col) from the diagonal down to where the next columns' rows start, in blocks of
 * rows: each with the columns that begin above its end, about LEAF more than the one before. */
static void add_staircase(ntk_tiles *t, int64_t col, int64_t last_col) {
  const ntk_matrix *m = t->job->matrix;
  const int64_t row = first_row(t->job, col), end = first_row(t->job, last_col);
  const int64_t step = ntk_pad(max(1, LEAF * (end - row) / max(1, last_col - col)));

  for (int64_t r = row, stop; r < end; r = stop) {
    stop = min(end, floor_pad(r) + step);
    add_rectangle(t, r, stop, col,
                  min(last_col, ntk_matrix_cols_below(m, ntk_matrix_row(m, stop - 1) + 1)));
  }
}

/* Where a triangle is cut: about in the middle, at the edge of a square or at a multiple of
 * NTK_SAMPLE_PAD, so that no column is in the products of both. */
static int64_t middle(const ntk_assembly *job, int64_t col, int64_t last) {
  const ntk_matrix *m = job->matrix;

  if (job->square == 0) return min(ntk_pad(col + (last - col) / 2), floor_pad(last - 1));
  const int64_t from = ntk_matrix_col(m, col) / job->square;
  const int64_t to = ntk_matrix_col(m, last - 1) / job->square;

  return ntk_matrix_cols_below(m, (from + to + 1) / 2 * job->square);
}

/* Columns [col, last) from their first rows down to where the next column's rows start: if they are
 * many, two smaller triangles with a rectangle below the first. */
static void add_triangle(ntk_tiles *t, int64_t col, int64_t last) {
  const ntk_assembly *job = t->job;
  const int64_t row = first_row(job, col), end = first_row(job, last);

  if (col >= last || add_own_tile(t, col, last)) return;
  if (job->square > 0 && row == first_row(job, last - 1)) {
    add_rectangle(t, row, end, col, last);
    return;
  }
  if (job->square == 0 && last - col <= STAIRCASE) {
    add_staircase(t, col, last);
    return;
  }
  const int64_t half = middle(job, col, last);

  add_triangle(t, col, half);
  add_rectangle(t, first_row(job, half), end, col, half);
  add_triangle(t, half, last);
}

/* Local columns [*col, *last) of the job. */
static void columns_of(const ntk_assembly *job, int64_t *col, int64_t *last) {
  const ntk_matrix *m = job->matrix;

  *col = ntk_matrix_cols_below(m, job->first);
  *last = job->last > 0 ? ntk_matrix_cols_below(m, job->last) : m->local_cols;
}

void ntk_tiles_add(ntk_tiles *t) {
  const ntk_assembly *job = t->job;
  const int64_t rows = t->rows.count;
  int64_t col, last;

  columns_of(job, &col, &last);
  if (job->lower) {
    add_triangle(t, col, last);
    add_rectangle(t, first_row(job, last), rows, col, last);
  } else {
    add_rectangle(t, 0, rows, col, last);
  }
  add_sums(t, col, last);
}

/* ---- parts that were collected --------------------------------------------------------------- */

static void add_collected(const ntk_assembly *job, int64_t lj, double *restrict from) {
  ntk_matrix *m = job->matrix;
  const int64_t first = first_row(job, lj);
  double *restrict theta = m->data + lj * m->ld;
  double square = 0;

  for (int64_t li = first; li < m->local_rows; ++li) {
    theta[li] += from[li];
    square += from[li] * from[li];
  }
  if (job->sums) {
    ntk_pair_sums *sums = sums_of(job, lj);
    const bool diagonal =
        first < m->local_rows && ntk_matrix_row(m, first) == ntk_matrix_col(m, lj);
    const double own = diagonal ? from[first] : 0;

    sums->weight_trace += own;
    sums->weight_square += 2 * square - own * own;
  }
  memset(from + first, 0, (size_t)(m->local_rows - first) * sizeof(*from));
}

void ntk_assemble_collected(ntk_assembly *job, double *collected) {
  int64_t lj, last;

  for (columns_of(job, &lj, &last); lj < last; ++lj) {
    add_collected(job, lj, collected + lj * job->matrix->ld);
  }
}
