/* The table of contractions, the choice among them, and what they have in common: of a weight with
 * several positions the bias is a vector of its own (MATH B2). */
#include <math.h>

#include "coupling.h"
#include "ntk/base/memory.h"
#include "ntk/kernel/assembly.h"
#include "positions.h"

const ntk_row *const ntk_contractions[] = {&ntk_contraction_pairs.row,
                                           &ntk_contraction_jacobian.row,
                                           &ntk_contraction_pixel_gram.row, NULL};

/* ---- choice ---------------------------------------------------------------------------------- */

static double time_of(const ntk_contraction *contraction, const ntk_factor *factor, int64_t n) {
  const ntk_contraction_cost cost = ntk_contraction_cost_of(contraction, factor);
  const double rows = (double)(n * factor->cotangents);

  return (double)n * cost.sample_flops + 0.5 * rows * (rows + 1) * (cost.entry_flops + cost.other);
}

const ntk_contraction *ntk_contraction_of(const ntk_row *wanted, const ntk_factor *factor,
                                          int64_t n) {
  const ntk_contraction *best =
      factor->coupling ? &ntk_contraction_jacobian : &ntk_contraction_pairs;

  for (int k = 0; ntk_contractions[k]; ++k) {
    const ntk_contraction *c = (const ntk_contraction *)ntk_contractions[k];

    if (!c->applies(factor)) continue;
    if (ntk_contractions[k] == wanted) return c;
    if (!ntk_factor_is_single(factor) && time_of(c, factor, n) < time_of(best, factor, n)) best = c;
  }
  return best;
}

/* ---- parts ----------------------------------------------------------------------------------- */

static bool forms_parts(const ntk_contraction *c, const ntk_factor *f) {
  ntk_contraction_cost cost;

  c->cost(f, &cost);
  return cost.formed > 0;
}

/* Whether the bias comes with the weight. */
static bool is_whole(const ntk_contraction *c, const ntk_factor *f) {
  return ntk_factor_is_single(f) && !forms_parts(c, f);
}

int64_t ntk_contraction_weight_parts(const ntk_contraction *c, const ntk_factor *f) {
  if (f->w_weight == 0) return 0;
  return c->parts ? c->parts(f) : 1;
}

int64_t ntk_contraction_parts(const ntk_contraction *c, const ntk_factor *f) {
  if (is_whole(c, f)) return 1;
  return ntk_contraction_weight_parts(c, f) + (f->b_weight != 0 ? 1 : 0);
}

ntk_contraction_cost ntk_contraction_cost_of(const ntk_contraction *c, const ntk_factor *f) {
  const double bias = (double)(f->cotangents * f->out);
  ntk_contraction_cost cost = {0};

  if (is_whole(c, f) || f->w_weight != 0) c->cost(f, &cost);
  if (is_whole(c, f) || f->b_weight == 0) return cost;
  cost.entry_flops += f->shared ? 0 : 2 * (double)f->out;
  cost.formed = fmax(cost.formed, bias);
  cost.panel = fmax(cost.panel, bias);
  return cost;
}

double ntk_contraction_kept(const ntk_contraction *c, const ntk_factor *f) {
  const double bias = f->shared ? 0 : (double)(f->cotangents * f->out);
  ntk_contraction_cost cost = {0};

  if (is_whole(c, f)) return (double)ntk_factor_inputs(f) + bias;
  if (f->w_weight != 0) c->cost(f, &cost);
  return cost.kept + (f->b_weight != 0 ? bias : 0);
}

/* NOLINTBEGIN(bugprone-macro-parentheses): a type in parentheses is no type */
#define DEFINE_SUM(type)                                                               \
  static void sum_##type(int64_t positions, int64_t q, const type *restrict delta,     \
                         type *restrict sum) {                                         \
    for (int64_t j = 0; j < q; ++j) sum[j] = delta[j];                                 \
    for (int64_t s = 1; s < positions; ++s) {                                          \
      for (int64_t j = 0; j < q; ++j) sum[j] += delta[s * q + j];                      \
    }                                                                                  \
  }

DEFINE_SUM(double)
DEFINE_SUM(float)
/* NOLINTEND(bugprone-macro-parentheses) */

/* The sum of delta over positions. */
static void sum_positions(ntk_dtype dtype, const ntk_factor *f, int64_t rows, void *sums) {
  const int64_t q = f->out;

  for (int64_t k = 0; k < rows; ++k) {
    const void *delta = ntk_array_const_at(dtype, f->delta, k * f->positions * q);

    if (dtype == NTK_DOUBLE) {
      sum_double(f->positions, q, delta, (double *)sums + k * q);
    } else {
      sum_float(f->positions, q, delta, (float *)sums + k * q);
    }
  }
}

static void form_bias(ntk_dtype dtype, const ntk_factor *f, int64_t count, void *room,
                      ntk_factor *formed) {
  *formed = (ntk_factor){.kind = NTK_FACTOR_VECTOR,
                         .bias = f->bias,
                         .b_weight = f->b_weight,
                         .positions = 1,
                         .cotangents = f->cotangents,
                         .out = f->out,
                         .delta = f->delta,
                         .shared = f->shared};
  if (f->positions == 1 && !f->coupling) return;
  sum_positions(dtype, f, count * f->cotangents, room);
  if (f->coupling) ntk_coupling_add_bias(dtype, f, count, room);
  formed->delta = room;
}

ntk_status ntk_contraction_form(const ntk_contraction *c, ntk_dtype dtype, const ntk_factor *f,
                                int64_t count, int64_t part, void *room, ntk_factor *formed,
                                double *flops) {
  *formed = *f;
  if (is_whole(c, f)) return NTK_OK;
  if (part == ntk_contraction_weight_parts(c, f)) {
    form_bias(dtype, f, count, room, formed);
    return NTK_OK;
  }
  formed->bias = NULL;
  formed->b_weight = 0;
  if (!c->form) return NTK_OK;
  if (part == 0) *flops += (double)count * ntk_contraction_cost_of(c, f).sample_flops;
  return c->form(dtype, f, count, part, room, formed);
}

/* Several uses have several images, also where `patches` are still those of one. */
int64_t ntk_factor_cells(const ntk_factor *f) {
  return f->patches->cells * (f->positions / f->patches->positions);
}

int64_t ntk_factor_inputs(const ntk_factor *f) {
  if (f->w_weight == 0) return 0;
  return f->patches ? ntk_factor_cells(f) * f->patches->channels : f->positions * f->in;
}

/* ---- parts into matrices --------------------------------------------------------------------- */

/* Where one position is left, whatever made it so, two Grams give the kernel. */
static const ntk_contraction *adder_of(const ntk_contraction *c, const ntk_factor *part) {
  return ntk_factor_is_single(part) ? &ntk_contraction_pairs : c;
}

ntk_status ntk_assemble(const ntk_contraction *contraction, ntk_assembly *assembly) {
  return adder_of(contraction, assembly->factor)->add(assembly);
}

double ntk_assemble_bytes(const ntk_contraction *c, ntk_dtype dtype, const ntk_factor *f,
                          int64_t rows, int64_t cols) {
  if (ntk_factor_is_single(f) || forms_parts(c, f) || f->w_weight == 0) return 0;
  return ntk_positions_bytes(dtype, f, c == &ntk_contraction_pixel_gram, rows, cols);
}

/* ---- K(x, x) --------------------------------------------------------------------------------- */

static void add_one_position(ntk_dtype dtype, const ntk_factor *f, int64_t count,
                             double *diagonal) {
  for (int64_t s = 0; s < count; ++s) {
    const double a = f->a && f->w_weight != 0 ? ntk_array_dot(dtype, f->a, s, s, f->in) : 1;

    for (int64_t c = 0; c < f->cotangents; ++c) {
      const int64_t row = s * f->cotangents + c, delta = f->shared ? c : row;

      diagonal[row] += (f->w_weight * a + f->b_weight) *
                       ntk_array_dot(dtype, f->delta, delta, delta, f->out);
    }
  }
}

/* Positions of the same row. */
static void add_rows(ntk_dtype dtype, const ntk_factor *f, int64_t count, double *diagonal) {
  const int64_t all = f->positions;

  for (int64_t row = 0; row < count * f->cotangents; ++row) {
    const int64_t a = row / f->cotangents * all;
    double sum = 0;

    for (int64_t k = 0; k < all * all; ++k) {
      const int64_t s = k / all, t = k % all;

      if (ntk_array_get(dtype, f->a, a + s) != ntk_array_get(dtype, f->a, a + t)) continue;
      sum += ntk_array_dot(dtype, f->delta, row * all + s, row * all + t, f->out);
    }
    diagonal[row] += f->w_weight * sum;
  }
}

/* The squares of the gradient, a tile of it at a time. */
static ntk_status add_gradient(ntk_dtype dtype, const ntk_factor *f, int64_t count,
                               double *diagonal) {
  const ntk_contraction *jacobian = &ntk_contraction_jacobian;
  const int64_t parts = jacobian->parts(f);
  const ntk_contraction_cost cost = ntk_contraction_cost_of(jacobian, f);
  ntk_status status = NTK_OK;
  ntk_factor part;
  void *room = NULL;

  NTK_TRY(ntk_array_new_unset(dtype, ntk_pad(count) * (int64_t)cost.formed, &room));
  for (int64_t k = 0; k < parts && status == NTK_OK; ++k) {
    status = jacobian->form(dtype, f, count, k, room, &part);
    if (status == NTK_OK) add_one_position(dtype, &part, count, diagonal);
  }
  ntk_free(&room);
  return status;
}

ntk_status ntk_assemble_diagonal(ntk_dtype dtype, const ntk_factor *f, int64_t count,
                                 double *diagonal) {
  if (f->kind == NTK_FACTOR_ROWS) {
    add_rows(dtype, f, count, diagonal);
    return NTK_OK;
  }
  if (!ntk_factor_is_single(f)) return add_gradient(dtype, f, count, diagonal);
  add_one_position(dtype, f, count, diagonal);
  return NTK_OK;
}

/* ---- the block of a sample with itself ------------------------------------------------------- */

static void add_block(ntk_dtype dtype, const ntk_factor *f, int64_t sample, double *block) {
  const int64_t n = f->cotangents, first = f->shared ? 0 : sample * n;
  const double a = f->a && f->w_weight != 0 ? ntk_array_dot(dtype, f->a, sample, sample, f->in) : 1;

  for (int64_t k = 0; k < n * n; ++k) {
    block[k] += (f->w_weight * a + f->b_weight) *
                ntk_array_dot(dtype, f->delta, first + k / n, first + k % n, f->out);
  }
}

static ntk_status add_parts(ntk_dtype dtype, const ntk_contraction *c, const ntk_factor *f,
                            int64_t count, void *room, double *blocks) {
  double flops = 0;
  ntk_factor part;

  for (int64_t k = 0; k < ntk_contraction_parts(c, f); ++k) {
    NTK_TRY(ntk_contraction_form(c, dtype, f, count, k, room, &part, &flops));
    for (int64_t i = 0; i < count; ++i) {
      add_block(dtype, &part, i, blocks + i * f->cotangents * f->cotangents);
    }
  }
  return NTK_OK;
}

ntk_status ntk_assemble_blocks(ntk_dtype dtype, const ntk_factor *f, int64_t count,
                               double *blocks) {
  const ntk_contraction *c =
      ntk_factor_is_single(f) ? &ntk_contraction_pairs : &ntk_contraction_jacobian;
  const ntk_contraction_cost cost = ntk_contraction_cost_of(c, f);
  void *room = NULL;

  NTK_TRY(ntk_array_new_unset(dtype, ntk_pad(count) * (int64_t)cost.formed, &room));
  const ntk_status status = add_parts(dtype, c, f, count, room, blocks);

  ntk_free(&room);
  return status;
}
