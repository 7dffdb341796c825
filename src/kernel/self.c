#include "self.h"

#include "ntk/base/memory.h"

enum { WEIGHT, WEIGHT_SELF, BIAS, BIAS_SELF };

/* One part of one kernel of a factor, into its places [own][NTK_SELF_PARTS][rows][rows]. */
static ntk_status fill_part(const ntk_pass *p, ntk_dtype dtype, int part, double *own) {
  const bool self = part == WEIGHT_SELF || part == BIAS_SELF;
  const bool bias = part == BIAS || part == BIAS_SELF;
  const int64_t count = p->deal.own_count, square = p->factor.cotangents * p->factor.cotangents;
  ntk_factor f = self ? p->self : p->factor;
  double *blocks = NULL;

  if ((bias ? p->factor.b_weight : p->factor.w_weight) == 0) return NTK_OK;
  *(bias ? &f.w_weight : &f.b_weight) = 0;
  NTK_TRY(NTK_NEW(count * square, &blocks));
  const ntk_status status = ntk_assemble_blocks(dtype, &f, count, blocks);

  for (int64_t k = 0; k < count * square && status == NTK_OK; ++k) {
    own[(k / square * NTK_SELF_PARTS + part) * square + k % square] = blocks[k];
  }
  ntk_free(&blocks);
  return status;
}

static ntk_status fill(const ntk_pass *p, ntk_dtype dtype, double **own, double **all) {
  const int64_t width = NTK_SELF_PARTS * p->factor.cotangents * p->factor.cotangents;

  NTK_TRY(NTK_NEW(p->deal.own_count * width, own));
  NTK_TRY(NTK_NEW(p->deal.matrix->rows / p->deal.rows_per_sample * width, all));
  for (int part = 0; part < NTK_SELF_PARTS; ++part) NTK_TRY(fill_part(p, dtype, part, *own));
  return NTK_OK;
}

ntk_status ntk_self_blocks(const ntk_pass *pass, ntk_dtype dtype, double **own, double **all) {
  const int64_t rows = pass->factor.cotangents;

  NTK_AGREE(pass->deal.matrix->grid->comm, fill(pass, dtype, own, all));
  return ntk_deal_collect(&pass->deal, NTK_SELF_PARTS * rows * rows, *own, *all);
}

/* An entry of the whole matrix at `weight` places. */
static void change(double was, double is, double weight, bool diagonal, double *trace,
                   double *square) {
  if (diagonal) *trace += is - was;
  *square += weight * (is * is - was * was);
}

static void replace(const double *block, int64_t square, bool diagonal, double *entry,
                    ntk_pair_sums *sums) {
  const double weight = diagonal ? 1 : 2;

  *entry += block[WEIGHT_SELF * square] - block[WEIGHT * square];
  *entry += block[BIAS_SELF * square] - block[BIAS * square];
  if (!sums) return;
  change(block[WEIGHT * square], block[WEIGHT_SELF * square], weight, diagonal, &sums->weight_trace,
         &sums->weight_square);
  change(block[BIAS * square], block[BIAS_SELF * square], weight, diagonal, &sums->bias_trace,
         &sums->bias_square);
}

void ntk_self_replace(const double *all, int64_t rows, ntk_matrix *m, int64_t first, int64_t last,
                      ntk_pair_sums *sums, const int64_t *sum_of) {
  const int64_t square = rows * rows, end = ntk_matrix_cols_below(m, last);

  for (int64_t lj = ntk_matrix_cols_below(m, first); lj < end; ++lj) {
    const int64_t j = ntk_matrix_col(m, lj), sample = j / rows;
    const int64_t below = ntk_matrix_rows_below(m, (sample + 1) * rows);
    const double *blocks = all + sample * NTK_SELF_PARTS * square;

    for (int64_t li = ntk_matrix_rows_below(m, j); li < below; ++li) {
      const int64_t i = ntk_matrix_row(m, li);

      replace(blocks + i % rows * rows + j % rows, square, i == j, &m->data[li + lj * m->ld],
              sums ? &sums[sum_of ? sum_of[j] : 0] : NULL);
    }
  }
}

void ntk_self_replace_diagonal(const double *own, int64_t rows, int64_t count, double *diagonal) {
  const int64_t square = rows * rows;

  for (int64_t k = 0; k < count * rows; ++k) {
    const double *blocks = own + k / rows * NTK_SELF_PARTS * square;

    replace(blocks + k % rows * (rows + 1), square, true, &diagonal[k], NULL);
  }
}
