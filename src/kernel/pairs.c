/* The contraction `pairs`: for one position the Hadamard product of two Grams (MATH B5), of all
 * samples at once; for several (positions.c) of all pairs of positions.
 *
 * Where `a` is long, as behind a flattened image, it is cut: <a, a'> <delta, delta'> is the sum
 * over pieces of a, each with the whole of delta, and only a piece travels at a time. */
#include <math.h>

#include "ntk/base/memory.h"
#include "positions.h"
#include "tiles.h"

typedef struct pairs {
  ntk_tiles tiles;
  ntk_product a, delta;
  double *shared;              /* [cotangents][cotangents] if delta is shared, else NULL */
  double *a_line, *delta_line; /* [tile rows] one column of the tile, row by row of the matrix */
} pairs;

static ntk_product product_in(const ntk_assembly *job, int which) {
  const ntk_scratch *s = job->scratch;

  return (ntk_product){.dtype = job->dtype,
                       .tile = s->tile_rows * s->tile_cols,
                       .block = s->block[which],
                       .sum = s->sum[which],
                       .column = s->column[which]};
}

/* The local rows [first, rows->last) of the tile's <a, a'> in column lj. */
static const double *a_values(ntk_tiles *tiles, const ntk_span *rows, const ntk_span *cols,
                              int64_t lj, int64_t first) {
  pairs *p = (pairs *)tiles;
  const ntk_axis *axis = &tiles->rows;
  const int64_t c = ntk_axis_sample(&tiles->cols, lj) - cols->a_first;

  if (!axis->side->a) return tiles->one;
  if (!axis->cotangent) {
    return ntk_product_column(&p->a, c, first - rows->a_first, rows->last - first);
  }
  const double *all = ntk_product_column(&p->a, c, 0, rows->a_count);
  for (int64_t l = first; l < rows->last; ++l) {
    p->a_line[l - first] = all[ntk_axis_sample(axis, l) - rows->a_first];
  }
  return p->a_line;
}

static const double *shared_values(const pairs *p, const ntk_span *rows, int64_t lj,
                                   int64_t first) {
  const ntk_axis *axis = &p->tiles.rows, *cols = &p->tiles.cols;
  const double *line =
      p->shared + (cols->cotangent ? cols->cotangent[lj] : 0) * cols->cotangents;

  for (int64_t l = first; l < rows->last; ++l) {
    p->delta_line[l - first] = line[axis->cotangent ? axis->cotangent[l] : 0];
  }
  return p->delta_line;
}

/* Likewise <delta, delta'>. */
static const double *delta_values(ntk_tiles *tiles, const ntk_span *rows, const ntk_span *cols,
                                  int64_t lj, int64_t first) {
  pairs *p = (pairs *)tiles;
  const ntk_axis *axis = &tiles->rows;
  const int64_t c = ntk_axis_row(&tiles->cols, lj) - cols->delta_first;

  if (p->shared) return shared_values(p, rows, lj, first);
  if (!axis->cotangent) {
    return ntk_product_column(&p->delta, c, first - rows->delta_first, rows->last - first);
  }
  const double *all = ntk_product_column(&p->delta, c, 0, rows->delta_count);
  for (int64_t l = first; l < rows->last; ++l) {
    p->delta_line[l - first] = all[ntk_axis_row(axis, l) - rows->delta_first];
  }
  return p->delta_line;
}

static void multiply(ntk_tiles *tiles, const ntk_span *rows, const ntk_span *cols) {
  pairs *p = (pairs *)tiles;
  ntk_assembly *job = tiles->job;
  const ntk_dtype dtype = job->dtype;
  const int64_t in = job->factor->in, out = job->factor->out;

  if (job->rows.a) {
    ntk_product_multiply(&p->a, cols->a_count,
                         ntk_array_const_at(dtype, job->cols.a, cols->a_first * in), rows->a_count,
                         ntk_array_const_at(dtype, job->rows.a, rows->a_first * in), in);
    job->flops += 2.0 * (double)(cols->a_count * rows->a_count * in);
  }
  if (!p->shared) {
    ntk_product_multiply(&p->delta, cols->delta_count,
                         ntk_array_const_at(dtype, job->cols.delta, cols->delta_first * out),
                         rows->delta_count,
                         ntk_array_const_at(dtype, job->rows.delta, rows->delta_first * out), out);
    job->flops += 2.0 * (double)(cols->delta_count * rows->delta_count * out);
  }
}

static void multiply_own(ntk_tiles *tiles, const ntk_span *x) {
  pairs *p = (pairs *)tiles;
  ntk_assembly *job = tiles->job;
  const double *a = job->rows.a, *delta = job->rows.delta;
  const int64_t in = job->factor->in, out = job->factor->out;
  const double pairs_of = (double)x->a_count * (double)(x->a_count + 1);

  if (a) {
    ntk_product_multiply_own(&p->a, x->a_count, a + x->a_first * in, in);
    job->flops += pairs_of * (double)in;
  }
  if (!p->shared) {
    ntk_product_multiply_own(&p->delta, x->delta_count, delta + x->delta_first * out, out);
    job->flops += pairs_of * (double)out;
  }
}

/* Whether the local rows and the local columns are the same samples. */
static bool is_symmetric(const ntk_assembly *job) {
  const ntk_side *rows = &job->rows, *cols = &job->cols;
  const ntk_grid *grid = job->matrix->grid;

  return job->lower && grid->rows * grid->cols == 1 && job->factor->cotangents == 1 &&
         rows->a == cols->a && rows->delta == cols->delta;
}

static ntk_status create_shared(pairs *p) {
  const ntk_assembly *job = p->tiles.job;
  const int64_t count = job->factor->cotangents;

  NTK_TRY(NTK_NEW(count * count, &p->shared));
  for (int64_t c = 0; c < count * count; ++c) {
    p->shared[c] = ntk_array_dot(job->dtype, job->factor->delta, c / count, c % count,
                                 job->factor->out);
  }
  return NTK_OK;
}

static ntk_status create_pairs(ntk_assembly *job, pairs *p) {
  NTK_TRY(ntk_tiles_create(job, &p->tiles));
  p->tiles.multiply = multiply;
  if (job->dtype == NTK_DOUBLE && is_symmetric(job)) p->tiles.multiply_own = multiply_own;
  p->tiles.a = a_values;
  p->tiles.delta = delta_values;
  p->a = product_in(job, 0);
  p->delta = product_in(job, 1);
  p->a_line = job->scratch->line[0]; /* of ones, where there is no a */
  p->delta_line = job->scratch->line[1];
  return job->factor->shared ? create_shared(p) : NTK_OK;
}

static ntk_status add(ntk_assembly *job) {
  pairs p = {0};
  ntk_status status = NTK_OK;

  if (!ntk_factor_is_single(job->factor)) return ntk_positions_add(job, false);
  status = create_pairs(job, &p);
  if (status == NTK_OK) ntk_tiles_add(&p.tiles);
  ntk_tiles_destroy(&p.tiles);
  ntk_free(&p.shared);
  return status;
}

static bool applies(const ntk_factor *f) { return !f->coupling; }

/* ---- pieces of a ----------------------------------------------------------------------------- */

/* Large enough that GEMM does not notice; what is not long is not worth a copy. */
enum { LONG = 8192, PIECE = 4096 };

static int64_t parts(const ntk_factor *f) {
  const bool cut = ntk_factor_is_single(f) && !f->patches && f->w_weight != 0 && f->in > LONG;

  return cut ? (f->in + PIECE - 1) / PIECE : 1;
}

static ntk_status form(ntk_dtype dtype, const ntk_factor *f, int64_t count, int64_t part,
                       void *room, ntk_factor *formed) {
  const int64_t first = part * PIECE, rest = f->in - first;

  if (parts(f) == 1) return NTK_OK;
  formed->in = rest < PIECE ? rest : PIECE;
  formed->a = room;
  for (int64_t s = 0; s < count; ++s) {
    ntk_array_convert(dtype, ntk_array_const_at(dtype, f->a, s * f->in + first), dtype,
                      ntk_array_at(dtype, room, s * formed->in), formed->in);
  }
  return NTK_OK;
}

/* <a, a'> serves all pairs of outputs; a shared delta costs nothing. */
static void cost(const ntk_factor *f, ntk_contraction_cost *cost) {
  const double in = f->w_weight != 0 ? (double)f->in : 0, out = f->shared ? 0 : (double)f->out;
  const double pieces = (double)parts(f), c = (double)f->cotangents;

  if (!ntk_factor_is_single(f)) {
    ntk_positions_cost(f, cost);
    return;
  }
  *cost = (ntk_contraction_cost){.entry_flops = 2 * (in / (c * c) + pieces * out),
                                 .formed = pieces > 1 ? PIECE : 0,
                                 .kept = pieces > 1 ? in + pieces * c * out : INFINITY,
                                 .panel = (pieces > 1 ? PIECE : in) + c * out};
}

const ntk_contraction ntk_contraction_pairs = {
    .row = {.name = "pairs",
            .doc = "<a, a'> <delta, delta'> of all pairs of positions; one position: two Grams"},
    .applies = applies,
    .cost = cost,
    .parts = parts,
    .form = form,
    .add = add};
