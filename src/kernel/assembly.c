#include "ntk/kernel/assembly.h"

#include <math.h>
#include <string.h>

#include "ntk/base/memory.h"

/* A tile of products: at most TILE_COLS x TILE_ROWS (of double; single has more arrays and smaller
 * tiles), multiples of NTK_SAMPLE_PAD.  On the diagonal the staircase goes down to LEAF columns,
 * one block of the usual size. */
enum { TILE_COLS = 512, TILE_ROWS = 4096, SINGLE_TILE_ROWS = 1024, LEAF = 64 };

/* Products in single precision are cut at multiples of K_STEP and added in double; K_BLOCKS cuts
 * are computed before they are added to the sums. */
enum { K_STEP = 512, K_BLOCKS = 2 };

static int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

/* ---------------------------------------------------------------------------------------------
 * Where the local rows or columns of the matrix find their factors.  With one row a sample the
 * list is that of the local rows, and every position is the local index itself. */

typedef struct axis {
  const ntk_side *side;
  int64_t count, cotangents;
  int64_t *cotangent; /* [count] of each local index; NULL if there is one */
} axis;

static int64_t a_row(const axis *x, int64_t l) { return x->cotangent ? x->side->slot[l] : l; }

static int64_t delta_row(const axis *x, int64_t l) {
  return x->cotangent ? x->side->slot[l] * x->cotangents + x->cotangent[l] : l;
}

static ntk_status create_axis(const ntk_side *side, const ntk_matrix *m, bool rows,
                              int64_t cotangents, axis *x) {
  *x = (axis){.side = side, .cotangents = cotangents};
  x->count = rows ? m->local_rows : m->local_cols;
  if (cotangents == 1) return NTK_OK;
  NTK_TRY(NTK_NEW(x->count, &x->cotangent));
  for (int64_t l = 0; l < x->count; ++l) {
    x->cotangent[l] = (rows ? ntk_matrix_row(m, l) : ntk_matrix_col(m, l)) % cotangents;
  }
  return NTK_OK;
}

/* Local indices [first, last) with the rows of a and delta that cover them, rounded to whole
 * multiples of NTK_SAMPLE_PAD at both ends. */
typedef struct span {
  int64_t first, last, a_first, a_count, delta_first, delta_count;
} span;

static int64_t floor_pad(int64_t k) { return k / NTK_SAMPLE_PAD * NTK_SAMPLE_PAD; }

/* The longest span from `first` on, up to `last`, with at most `limit` rows of delta. */
static span next_span(const axis *x, int64_t first, int64_t last, int64_t limit) {
  span s = {.first = first, .last = first + 1};

  s.a_first = floor_pad(a_row(x, first));
  s.delta_first = floor_pad(delta_row(x, first));
  if (!x->cotangent) s.last = min(last, s.delta_first + limit);
  while (s.last < last && delta_row(x, s.last) < s.delta_first + limit) ++s.last;
  s.a_count = ntk_pad(a_row(x, s.last - 1) + 1 - s.a_first);
  s.delta_count = ntk_pad(delta_row(x, s.last - 1) + 1 - s.delta_first);
  return s;
}

/* ---------------------------------------------------------------------------------------------
 * Scratch. */

static int64_t block_count(ntk_dtype dtype, int64_t tile) {
  return dtype == NTK_SINGLE ? tile * K_BLOCKS : tile;
}

static int64_t tile_rows(ntk_dtype dtype, int64_t rows) {
  return min(dtype == NTK_SINGLE ? SINGLE_TILE_ROWS : TILE_ROWS, ntk_pad(rows));
}

static int64_t tile_cols(int64_t cols) { return min(TILE_COLS, ntk_pad(cols)); }

static ntk_status create_scratch(ntk_dtype dtype, ntk_scratch *s) {
  const int64_t tile = s->tile_rows * s->tile_cols;

  for (int k = 0; k < 2; ++k) {
    NTK_TRY(ntk_array_new_unset(dtype, block_count(dtype, tile), &s->block[k]));
    if (dtype == NTK_SINGLE) NTK_TRY(NTK_NEW(tile, &s->sum[k]));
    NTK_TRY(NTK_NEW(s->tile_rows, &s->column[k]));
    NTK_TRY(NTK_NEW(s->tile_rows, &s->line[k]));
    NTK_TRY(NTK_NEW(s->tile_rows, &s->square[k]));
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
    ntk_free(&scratch->square[k]);
  }
  *scratch = (ntk_scratch){0};
}

double ntk_scratch_bytes(ntk_dtype dtype, int64_t rows, int64_t cols) {
  const int64_t tile = tile_rows(dtype, rows) * tile_cols(cols);
  const double block = (double)block_count(dtype, tile) * (double)ntk_dtype_size(dtype);

  return 2 * (block + (dtype == NTK_SINGLE ? 8.0 * (double)tile : 0));
}

/* ---------------------------------------------------------------------------------------------
 * Products of one tile: <a, a'> or <delta, delta'>. */

typedef struct product {
  ntk_dtype dtype;
  int64_t tile;   /* elements of one */
  void *block;    /* [blocks][tile] double: the product; single: its last cuts */
  double *sum;    /* [tile] single: all cuts before those */
  bool summed;    /* there are such cuts */
  int64_t blocks; /* cuts that are in `block` */
  int64_t ld;
  double *column; /* [tile rows] what column() returns, if it has to be computed */
} product;

static product product_in(const ntk_assembly *job, int which) {
  const ntk_scratch *s = job->scratch;

  return (product){.dtype = job->dtype,
                   .tile = s->tile_rows * s->tile_cols,
                   .block = s->block[which],
                   .sum = s->sum[which],
                   .column = s->column[which]};
}

static const float *cut(const product *p, int64_t b) { return (const float *)p->block + b * p->tile; }

/* Always in the order of the cuts. */
static void add_cuts(const product *p, int64_t first, int64_t count, double *restrict sum) {
  for (int64_t b = 0; b < p->blocks; ++b) {
    const float *restrict block = cut(p, b) + first;
    for (int64_t k = 0; k < count; ++k) sum[k] += (double)block[k];
  }
}

static void flush_cuts(product *p, int64_t count) {
  for (int64_t c = 0; c < count; ++c) {
    double *sum = p->sum + c * p->ld;
    for (int64_t k = 0; k < p->ld && !p->summed; ++k) sum[k] = 0;
    add_cuts(p, c * p->ld, p->ld, sum);
  }
  p->summed = true;
  p->blocks = 0;
}

/* The product of `cols` rows of c and `rows` rows of r, all `k` long. */
static void multiply(product *p, int64_t cols, const void *c, int64_t rows, const void *r,
                     int64_t k) {
  int64_t step = p->dtype == NTK_SINGLE ? K_STEP : k;

  p->ld = rows;
  p->blocks = 0;
  p->summed = false;
  for (int64_t k0 = 0; k0 < k; k0 += step) {
    if (p->blocks == K_BLOCKS) flush_cuts(p, cols);
    ntk_gemm(p->dtype, false, true, cols, rows, min(step, k - k0), 1,
             ntk_array_const_at(p->dtype, c, k0), k, ntk_array_const_at(p->dtype, r, k0), k, 0,
             ntk_array_at(p->dtype, p->block, p->blocks * p->tile), rows);
    ++p->blocks;
  }
}

/* Entries [first, first + count) of column c, in double. */
static const double *column(product *p, int64_t c, int64_t first, int64_t count) {
  int64_t at = c * p->ld + first;

  if (p->dtype == NTK_DOUBLE) return (const double *)p->block + at;
  for (int64_t k = 0; k < count; ++k) p->column[k] = p->summed ? p->sum[at + k] : 0;
  add_cuts(p, at, count, p->column);
  return p->column;
}

/* ---------------------------------------------------------------------------------------------
 * The contraction `pairs`, for one position: the Hadamard product of two Grams (MATH B5). */

typedef struct pairs {
  ntk_assembly *job;
  axis rows, cols;
  product a, delta;
  double *shared;              /* [cotangents][cotangents] if delta is shared, else NULL */
  double *a_line, *delta_line; /* [tile rows] one column of the tile, row by row of the matrix */
  double *ad2, *d2;            /* [tile rows] sums of squares over the tile's columns */
  ntk_pair_sums *sums;         /* that those columns belong to; NULL: none wanted */
} pairs;

/* theta += (w a + b) d */
static void fuse(int64_t n, double w, double b, const double *restrict a, const double *restrict d,
                 double *restrict theta) {
  for (int64_t k = 0; k < n; ++k) theta[k] += (w * a[k] + b) * d[k];
}

/* The same, and sums of (a d)^2 and d^2 row by row: no chain of additions to wait for. */
static void fuse_and_square(int64_t n, double w, double b, const double *restrict a,
                            const double *restrict d, double *restrict theta,
                            double *restrict ad2, double *restrict d2) {
  for (int64_t k = 0; k < n; ++k) {
    const double ad = a[k] * d[k];
    theta[k] += (w * a[k] + b) * d[k];
    ad2[k] += ad * ad;
    d2[k] += d[k] * d[k];
  }
}

/* The diagonal counts once, all else twice. */
static void add_diagonal(const pairs *p, double a, double d) {
  const ntk_factor *f = p->job->factor;
  ntk_pair_sums *sums = p->sums;

  sums->weight_trace += f->w_weight * a * d;
  sums->bias_trace += f->b_weight * d;
  sums->weight_square -= f->w_weight * f->w_weight * (a * d) * (a * d);
  sums->bias_square -= f->b_weight * f->b_weight * d * d;
}

static void clear_squares(const pairs *p, int64_t n) {
  memset(p->ad2, 0, (size_t)n * sizeof(double));
  memset(p->d2, 0, (size_t)n * sizeof(double));
}

static void add_squares(const pairs *p, int64_t n) {
  const ntk_factor *f = p->job->factor;
  double weight = 0, bias = 0;

  for (int64_t k = 0; k < n; ++k) {
    weight += p->ad2[k];
    bias += p->d2[k];
  }
  p->sums->weight_square += 2 * f->w_weight * f->w_weight * weight;
  p->sums->bias_square += 2 * f->b_weight * f->b_weight * bias;
}

static ntk_pair_sums *sums_of(const pairs *p, int64_t lj) {
  return p->job->sums + (p->job->sum_of ? p->job->sum_of[lj] : 0);
}

/* Columns from lj on, of the n rows of a tile, belong to other sums than those before. */
static void change_sums(pairs *p, int64_t n, int64_t lj) {
  if (!p->job->sums || sums_of(p, lj) == p->sums) return;
  add_squares(p, n);
  clear_squares(p, n);
  p->sums = sums_of(p, lj);
}

/* The local rows [first, last) of the tile's <a, a'> in column lj. */
static const double *a_values(pairs *p, const span *rows, const span *cols, int64_t lj,
                              int64_t first, int64_t last) {
  int64_t c = a_row(&p->cols, lj) - cols->a_first;

  if (!p->rows.side->a) { /* only the bias contributes */
    memset(p->a_line, 0, (size_t)(last - first) * sizeof(double));
    return p->a_line;
  }
  if (!p->rows.cotangent) return column(&p->a, c, first - rows->a_first, last - first);
  const double *all = column(&p->a, c, 0, rows->a_count);
  for (int64_t l = first; l < last; ++l) {
    p->a_line[l - first] = all[a_row(&p->rows, l) - rows->a_first];
  }
  return p->a_line;
}

/* Likewise <delta, delta'>. */
static const double *delta_values(pairs *p, const span *rows, const span *cols, int64_t lj,
                                  int64_t first, int64_t last) {
  int64_t c = delta_row(&p->cols, lj) - cols->delta_first;
  const double *all;

  if (p->shared) {
    const double *line = p->shared + (p->cols.cotangent ? p->cols.cotangent[lj] : 0) *
                                         p->cols.cotangents;
    for (int64_t l = first; l < last; ++l) {
      p->delta_line[l - first] = line[p->rows.cotangent ? p->rows.cotangent[l] : 0];
    }
    return p->delta_line;
  }
  if (!p->rows.cotangent) return column(&p->delta, c, first - rows->delta_first, last - first);
  all = column(&p->delta, c, 0, rows->delta_count);
  for (int64_t l = first; l < last; ++l) {
    p->delta_line[l - first] = all[delta_row(&p->rows, l) - rows->delta_first];
  }
  return p->delta_line;
}

static void multiply_tile(pairs *p, const span *rows, const span *cols) {
  ntk_assembly *job = p->job;
  const ntk_factor *f = job->factor;
  int64_t in = f->in, out = f->out;

  if (job->rows.a) {
    multiply(&p->a, cols->a_count, ntk_array_const_at(job->dtype, job->cols.a, cols->a_first * in),
             rows->a_count, ntk_array_const_at(job->dtype, job->rows.a, rows->a_first * in), in);
    job->flops += 2.0 * (double)(cols->a_count * rows->a_count * in);
  }
  if (!p->shared) {
    multiply(&p->delta, cols->delta_count,
             ntk_array_const_at(job->dtype, job->cols.delta, cols->delta_first * out),
             rows->delta_count,
             ntk_array_const_at(job->dtype, job->rows.delta, rows->delta_first * out), out);
    job->flops += 2.0 * (double)(cols->delta_count * rows->delta_count * out);
  }
}

/* Local rows of the matrix that column lj needs start here. */
static int64_t first_row(const pairs *p, int64_t lj) {
  const ntk_matrix *m = p->job->matrix;

  if (!p->job->lower) return 0;
  return lj < m->local_cols ? ntk_matrix_rows_below(m, ntk_matrix_col(m, lj)) : m->local_rows;
}

/* Column lj of a tile, from local row `first` on. */
static void add_column(pairs *p, const span *rows, const span *cols, int64_t lj, int64_t first) {
  const ntk_factor *f = p->job->factor;
  ntk_matrix *m = p->job->matrix;
  const int64_t n = rows->last - first, at = first - rows->first;
  const double *a = a_values(p, rows, cols, lj, first, rows->last);
  const double *d = delta_values(p, rows, cols, lj, first, rows->last);
  double *theta = m->data + first + lj * m->ld;

  if (!p->sums) {
    fuse(n, f->w_weight, f->b_weight, a, d, theta);
    return;
  }
  fuse_and_square(n, f->w_weight, f->b_weight, a, d, theta, p->ad2 + at, p->d2 + at);
  if (ntk_matrix_row(m, first) == ntk_matrix_col(m, lj)) add_diagonal(p, a[0], d[0]);
}

static void add_tile(pairs *p, const span *rows, const span *cols) {
  const int64_t n = rows->last - rows->first;

  multiply_tile(p, rows, cols);
  clear_squares(p, n);
  if (p->job->sums) p->sums = sums_of(p, cols->first);
  for (int64_t lj = cols->first; lj < cols->last; ++lj) {
    const int64_t first = max(rows->first, first_row(p, lj));

    change_sums(p, n, lj);
    if (first < rows->last) add_column(p, rows, cols, lj, first);
  }
  if (p->job->sums) add_squares(p, n);
}

static void add_rectangle(pairs *p, int64_t row, int64_t last_row, int64_t col, int64_t last_col) {
  while (col < last_col && row < last_row) {
    span cols = next_span(&p->cols, col, last_col, p->job->scratch->tile_cols);

    for (int64_t r = row; r < last_row;) {
      span rows = next_span(&p->rows, r, last_row, p->job->scratch->tile_rows);
      add_tile(p, &rows, &cols);
      r = rows.last;
    }
    col = cols.last;
  }
}

/* Columns [col, last_col) from the diagonal down to where the next columns' rows start: two smaller
 * triangles with a rectangle below the first.  They meet at a multiple of NTK_SAMPLE_PAD, so that
 * no column is in the products of both. */
static void add_triangle(pairs *p, int64_t col, int64_t last_col) {
  const int64_t end = first_row(p, last_col);

  if (last_col - col <= LEAF) {
    add_rectangle(p, first_row(p, col), end, col, last_col);
    return;
  }
  const int64_t half = min(ntk_pad(col + (last_col - col) / 2), floor_pad(last_col - 1));

  add_triangle(p, col, half);
  add_rectangle(p, first_row(p, half), end, col, half);
  add_triangle(p, half, last_col);
}

/* The local columns of the job, from the diagonal on or all of them. */
static void add_columns(pairs *p) {
  const ntk_assembly *job = p->job;
  const int64_t rows = p->rows.count;
  const int64_t col = ntk_matrix_cols_below(job->matrix, job->first);
  const int64_t last_col =
      job->last > 0 ? ntk_matrix_cols_below(job->matrix, job->last) : p->cols.count;

  if (!job->lower) {
    add_rectangle(p, 0, rows, col, last_col);
    return;
  }
  add_triangle(p, col, last_col);
  add_rectangle(p, first_row(p, last_col), rows, col, last_col);
}

static double element(ntk_dtype dtype, const void *array, int64_t k) {
  return dtype == NTK_DOUBLE ? ((const double *)array)[k] : (double)((const float *)array)[k];
}

static double dot(ntk_dtype dtype, const void *array, int64_t i, int64_t j, int64_t length) {
  double sum = 0;

  for (int64_t k = 0; k < length; ++k) {
    sum += element(dtype, array, i * length + k) * element(dtype, array, j * length + k);
  }
  return sum;
}

static ntk_status create_shared(pairs *p) {
  const ntk_factor *f = p->job->factor;
  int64_t count = f->cotangents;

  NTK_TRY(NTK_NEW(count * count, &p->shared));
  for (int64_t c = 0; c < count * count; ++c) {
    p->shared[c] = dot(p->job->dtype, f->delta, c / count, c % count, f->out);
  }
  return NTK_OK;
}

static ntk_status create_pairs(pairs *p) {
  const ntk_assembly *job = p->job;
  int64_t cotangents = job->factor->cotangents;

  NTK_TRY(create_axis(&job->rows, job->matrix, true, cotangents, &p->rows));
  NTK_TRY(create_axis(&job->cols, job->matrix, false, cotangents, &p->cols));
  p->a = product_in(job, 0);
  p->delta = product_in(job, 1);
  p->a_line = job->scratch->line[0];
  p->delta_line = job->scratch->line[1];
  p->ad2 = job->scratch->square[0];
  p->d2 = job->scratch->square[1];
  return job->factor->shared ? create_shared(p) : NTK_OK;
}

static void destroy_pairs(pairs *p) {
  ntk_free(&p->rows.cotangent);
  ntk_free(&p->cols.cotangent);
  ntk_free(&p->shared);
}

static ntk_status add_pairs(ntk_assembly *job) {
  pairs p = {.job = job};
  ntk_status status = create_pairs(&p);

  if (status == NTK_OK) add_columns(&p);
  destroy_pairs(&p);
  return status;
}

/* A shared delta costs nothing. */
static double pairs_flops(const ntk_factor *f) {
  double in = f->w_weight != 0 ? (double)f->in : 0, out = f->shared ? 0 : (double)f->out;

  if (f->positions != 1) return INFINITY;
  /* <a, a'> serves all pairs of outputs */
  return 2 * (in / (double)(f->cotangents * f->cotangents) + out);
}

static const ntk_contraction contractions[] = {{"pairs", pairs_flops, add_pairs}};

const ntk_contraction *ntk_contraction_of(const ntk_factor *factor) {
  const ntk_contraction *best = NULL;

  for (size_t k = 0; k < sizeof(contractions) / sizeof(*contractions); ++k) {
    const ntk_contraction *c = &contractions[k];
    if (isfinite(c->flops(factor)) && (!best || c->flops(factor) < best->flops(factor))) best = c;
  }
  return best;
}

const ntk_contraction *ntk_contraction_find(const char *name) {
  for (size_t k = 0; k < sizeof(contractions) / sizeof(*contractions); ++k) {
    if (strcmp(contractions[k].name, name) == 0) return &contractions[k];
  }
  return NULL;
}

ntk_status ntk_assemble(ntk_assembly *assembly) {
  const ntk_contraction *contraction = ntk_contraction_of(assembly->factor);

  NTK_ASSERT(contraction);
  return contraction->add(assembly);
}

void ntk_assemble_diagonal(ntk_dtype dtype, const ntk_factor *f, int64_t count, double *diagonal) {
  for (int64_t s = 0; s < count; ++s) {
    double a = f->w_weight != 0 ? dot(dtype, f->a, s, s, f->in) : 0;

    for (int64_t c = 0; c < f->cotangents; ++c) {
      int64_t row = s * f->cotangents + c, delta = f->shared ? c : row;
      diagonal[row] += (f->w_weight * a + f->b_weight) * dot(dtype, f->delta, delta, delta, f->out);
    }
  }
}
