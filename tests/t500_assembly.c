/* The assembly adds (w <a, a'> + b) <delta, delta'> to every local entry, whatever the grid, the
 * block, the number of outputs and the precision, and its sums are trace and norm of that; cut into
 * ranges of columns, it gives the same bits.
 *
 * Method: factors are known functions of the sample, so every rank can compute any entry itself. */
//TEST ranks=1,2,4,6
#include "ntk/kernel/assembly.h"

#include "ntk/base/memory.h"
#include "test.h"

typedef struct sizes {
  int64_t n, m, cotangents, in, out;
  bool shared;
  double w, b;
} sizes;

static const sizes table[] = {
    {1, 1, 1, 1, 1, false, 1, 1},          {7, 3, 1, 3, 2, false, 0.5, 0.25},
    {64, 65, 1, 17, 64, false, 1, 0},      {200, 31, 1, 5, 3, false, 2, 1},
    {129, 10, 1, 300, 1100, false, 1, 1},  {50, 20, 1, 9, 4, true, 1, 1},
    {33, 20, 3, 9, 4, true, 1, 0.5},       {20, 41, 10, 7, 5, false, 1, 1},
    {70, 9, 2, 100, 12, false, 0.3, 0},    {90, 7, 3, 4, 5, false, 0, 0.7},
    {700, 130, 1, 2, 3, false, 1, 1},      {260, 5, 5, 2, 3, false, 1, 1},
};

/* The factors of all samples. */
typedef struct truth {
  const sizes *sizes;
  double *a;     /* [samples][in] */
  double *delta; /* [samples][cotangents][out] */
} truth;

static double wave(int64_t sample, int64_t k) { return sin(0.7 * (double)sample + (double)k); }

static void create_truth(const sizes *z, truth *t) {
  int64_t samples = z->n > z->m ? z->n : z->m, width = z->cotangents * z->out;

  t->sizes = z;
  EXPECT_OK(NTK_NEW(samples * z->in, &t->a));
  EXPECT_OK(NTK_NEW(samples * width, &t->delta));
  for (int64_t s = 0; s < samples; ++s) {
    for (int64_t k = 0; k < z->in; ++k) t->a[s * z->in + k] = wave(s, k) + 0.1;
    for (int64_t k = 0; k < width; ++k) {
      t->delta[s * width + k] = cos((double)k) * wave(z->shared ? 3 : s + 5, 2 * k);
    }
  }
}

static void destroy_truth(truth *t) {
  ntk_free(&t->a);
  ntk_free(&t->delta);
}

typedef struct arrays {
  void *a, *delta;
} arrays;

static void create_side(const truth *t, ntk_dtype dtype, int64_t count, const int64_t *sample,
                        const int64_t *slot, arrays *x, ntk_side *side) {
  const sizes *z = t->sizes;
  int64_t width = z->cotangents * z->out;

  EXPECT_OK(ntk_array_new(dtype, ntk_pad(count) * z->in, &x->a));
  EXPECT_OK(ntk_array_new(dtype, ntk_pad(count) * width, &x->delta));
  for (int64_t s = 0; s < count; ++s) {
    ntk_array_convert(NTK_DOUBLE, t->a + sample[s] * z->in, dtype,
                      ntk_array_at(dtype, x->a, s * z->in), z->in);
    ntk_array_convert(NTK_DOUBLE, t->delta + sample[s] * width, dtype,
                      ntk_array_at(dtype, x->delta, s * width), width);
  }
  *side = (ntk_side){.samples = count, .slot = slot, .a = z->w != 0 ? x->a : NULL};
  side->delta = z->shared ? NULL : x->delta;
}

static void destroy_arrays(arrays *x) {
  ntk_free(&x->a);
  ntk_free(&x->delta);
}

static void entry(const truth *t, int64_t i, int64_t j, double *weight, double *bias) {
  const sizes *z = t->sizes;
  const double *ai = t->a + i / z->cotangents * z->in, *aj = t->a + j / z->cotangents * z->in;
  double a = 0, d = 0;

  for (int64_t k = 0; k < z->in; ++k) a += ai[k] * aj[k];
  for (int64_t k = 0; k < z->out; ++k) d += t->delta[i * z->out + k] * t->delta[j * z->out + k];
  *weight = z->w * a * d;
  *bias = z->b * d;
}

static double tolerance(const sizes *z, ntk_dtype dtype) {
  return (dtype == NTK_DOUBLE ? 1e-15 : 1e-6) * (2.0 * (double)(z->in * z->out) + 10);
}

static void check_entries(const truth *t, ntk_dtype dtype, bool lower, const ntk_matrix *m) {
  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    for (int64_t li = 0; li < m->local_rows; ++li) {
      int64_t i = ntk_matrix_row(m, li), j = ntk_matrix_col(m, lj);
      double weight, bias;

      if (lower && i < j) continue;
      entry(t, i, j, &weight, &bias);
      EXPECT_NEAR(m->data[li + lj * m->ld], 1 + weight + bias, tolerance(t->sizes, dtype));
    }
  }
}

/* Of columns [first, last): what is on the diagonal once, what is below it twice. */
static void check_sums(const truth *t, const ntk_comm *comm, ntk_dtype dtype,
                       const ntk_pair_sums *sums, int64_t first, int64_t last) {
  double got[4] = {sums->weight_trace, sums->weight_square, sums->bias_trace, sums->bias_square};
  const sizes *z = t->sizes;
  double want[4] = {0}, weight, bias, relative = dtype == NTK_DOUBLE ? 1e-12 : 1e-5;

  ntk_comm_sum(comm, got, 4);
  for (int64_t j = first; j < last; ++j) {
    for (int64_t i = j; i < z->n * z->cotangents; ++i) {
      entry(t, i, j, &weight, &bias);
      want[0] += i == j ? weight : 0;
      want[1] += (i == j ? 1 : 2) * weight * weight;
      want[2] += i == j ? bias : 0;
      want[3] += (i == j ? 1 : 2) * bias * bias;
    }
  }
  for (int k = 0; k < 4; ++k) EXPECT_NEAR(got[k], want[k], relative * fabs(want[k]) + 1e-300);
}

/* The block on top of ones: the assembly adds. */
static void create(const ntk_grid *grid, int64_t rows, int64_t cols, int64_t block,
                   ntk_matrix *m) {
  EXPECT_OK(ntk_matrix_create(grid, rows, cols, block, m));
  for (int64_t k = 0; k < m->ld * m->local_cols; ++k) m->data[k] = 1;
}

/* The job again, from ones, in ranges of columns with ends of all kinds; every range has sums of its
 * own, and so have the two halves of the second one. */
static void test_cuts(const truth *t, ntk_assembly job) {
  enum { CUTS = 4, SUMS = CUTS + 1 };
  const ntk_matrix *whole = job.matrix;
  const int64_t n = whole->cols;
  const int64_t ends[CUTS + 1] = {0, n / 7, n / 2 + 1 < n ? n / 2 + 1 : n, n - n / 9, n};
  const size_t size = (size_t)(whole->ld * whole->local_cols) * sizeof(double);
  const int64_t middle = (ends[1] + ends[2] + 1) / 2;
  ntk_pair_sums sums[SUMS] = {{0}};
  int64_t *sum_of = NULL;
  ntk_matrix m = {0};

  create(whole->grid, n, n, whole->block, &m);
  EXPECT_OK(NTK_NEW(n, &sum_of));
  for (int64_t j = 0; j < n; ++j) {
    while (j >= ends[sum_of[j] + 1]) ++sum_of[j];
    if (sum_of[j] == 1 && j >= middle) sum_of[j] = CUTS;
  }
  job.matrix = &m;
  job.sums = sums;
  job.sum_of = sum_of;
  for (int c = CUTS - 1; c >= 0; --c) {
    job.first = ends[c];
    job.last = ends[c + 1];
    if (job.first < job.last) EXPECT_OK(ntk_assemble(&ntk_contraction_pairs, &job));
  }
  if (ntk_blas_reproducible(job.dtype)) EXPECT(same_bits(m.data, whole->data, size));
  else check_entries(t, job.dtype, true, &m);
  for (int k = 0; k < CUTS; ++k) {
    check_sums(t, m.grid->comm, job.dtype, &sums[k], ends[k], k == 1 ? middle : ends[k + 1]);
  }
  check_sums(t, m.grid->comm, job.dtype, &sums[CUTS], middle, ends[2]);
  ntk_free(&sum_of);
  ntk_matrix_destroy(&m);
}

static void test_case(const ntk_grid *grid, const truth *t, int64_t block, ntk_dtype dtype) {
  const sizes *z = t->sizes;
  ntk_factor factor = {.positions = 1, .in = z->in, .out = z->out, .w_weight = z->w};
  ntk_matrix gram = {0}, test = {0};
  ntk_deal deal = {0}, test_deal = {0};
  arrays rows = {0}, cols = {0}, test_rows = {0}, shared = {0};
  ntk_side unused;
  ntk_scratch scratch = {0};
  ntk_pair_sums sums = {0};
  ntk_assembly job = {.dtype = dtype, .factor = &factor, .lower = true, .matrix = &gram};
  ntk_assembly other = {.dtype = dtype, .factor = &factor, .matrix = &test};

  factor.cotangents = z->cotangents;
  factor.shared = z->shared;
  factor.b_weight = z->b;
  create(grid, z->n * z->cotangents, z->n * z->cotangents, block, &gram);
  create(grid, z->m * z->cotangents, z->n * z->cotangents, block, &test);
  EXPECT_OK(ntk_deal_create(&gram, z->cotangents, true, &deal));
  EXPECT_OK(ntk_deal_create(&test, z->cotangents, false, &test_deal));
  create_side(t, dtype, deal.row_count, deal.row_sample, deal.row_slot, &rows, &job.rows);
  create_side(t, dtype, deal.col_count, deal.col_sample, deal.col_slot, &cols, &job.cols);
  create_side(t, dtype, test_deal.row_count, test_deal.row_sample, test_deal.row_slot, &test_rows,
              &other.rows);
  create_side(t, dtype, 1, &(int64_t){0}, NULL, &shared, &unused);
  factor.delta = shared.delta;
  job.sums = &sums;
  other.cols = job.cols;

  EXPECT_OK(ntk_scratch_create(
      dtype, (deal.row_count > test_deal.row_count ? deal.row_count : test_deal.row_count) *
                 z->cotangents, deal.col_count * z->cotangents, &scratch));
  job.scratch = other.scratch = &scratch;
  EXPECT_OK(ntk_assemble(&ntk_contraction_pairs, &job));
  EXPECT_OK(ntk_assemble(&ntk_contraction_pairs, &other));
  check_entries(t, dtype, true, &gram);
  check_entries(t, dtype, false, &test);
  check_sums(t, grid->comm, dtype, &sums, 0, gram.cols);
  if (block >= 64) test_cuts(t, job);
  destroy_arrays(&rows);
  destroy_arrays(&cols);
  destroy_arrays(&test_rows);
  destroy_arrays(&shared);
  ntk_scratch_destroy(&scratch);
  ntk_deal_destroy(&deal);
  ntk_deal_destroy(&test_deal);
  ntk_matrix_destroy(&gram);
  ntk_matrix_destroy(&test);
}

static void test_diagonal(const truth *t, ntk_dtype dtype) {
  const sizes *z = t->sizes;
  ntk_factor factor = {.positions = 1, .in = z->in, .out = z->out, .w_weight = z->w};
  int64_t *sample = NULL;
  double *diagonal = NULL, weight, bias;
  arrays x = {0};
  ntk_side side;

  factor.cotangents = z->cotangents;
  factor.shared = z->shared;
  factor.b_weight = z->b;
  EXPECT_OK(NTK_NEW(z->n, &sample));
  EXPECT_OK(NTK_NEW(z->n * z->cotangents, &diagonal));
  for (int64_t s = 0; s < z->n; ++s) sample[s] = s;
  create_side(t, dtype, z->n, sample, NULL, &x, &side);
  factor.a = x.a;
  factor.delta = x.delta;
  EXPECT_OK(ntk_assemble_diagonal(dtype, &factor, z->n, diagonal));
  for (int64_t i = 0; i < z->n * z->cotangents; ++i) {
    entry(t, i, i, &weight, &bias);
    EXPECT_NEAR(diagonal[i], weight + bias, tolerance(z, dtype));
  }
  destroy_arrays(&x);
  ntk_free(&sample);
  ntk_free(&diagonal);
}

static double entry_flops(const ntk_contraction *c, const ntk_factor *f) {
  return ntk_contraction_cost_of(c, f).entry_flops;
}

/* With one position it is `pairs`, at these flops; with several the rule of MATH B12, or what is
 * asked for. */
static void test_choice(void) {
  const ntk_contraction *pairs = &ntk_contraction_pairs, *jacobian = &ntk_contraction_jacobian;
  ntk_factor f = {.positions = 1, .in = 7, .out = 5, .cotangents = 1, .w_weight = 1};

  EXPECT(ntk_contraction_of(NULL, &f, 100) == pairs && entry_flops(pairs, &f) == 2 * (7 + 5));
  f.cotangents = 2;
  EXPECT_NEAR(entry_flops(pairs, &f), 2 * (7.0 / 4 + 5), 1e-14);
  EXPECT(ntk_contraction_parts(pairs, &f) == 1);
  f.in = 8193; /* travels in pieces of 4096 */
  EXPECT(ntk_contraction_parts(pairs, &f) == 3);
  EXPECT(ntk_contraction_cost_of(pairs, &f).panel == 4096 + 2 * 5);
  f.w_weight = 0;
  f.b_weight = 1;
  EXPECT(entry_flops(pairs, &f) == 2 * 5);
  f.shared = true;
  EXPECT(entry_flops(pairs, &f) == 0);

  f = (ntk_factor){.positions = 1024, .in = 576, .out = 64, .cotangents = 1, .w_weight = 1};
  EXPECT(ntk_contraction_of(NULL, &f, 2048) == jacobian);
  EXPECT(entry_flops(jacobian, &f) == 2.0 * 576 * 64);
  EXPECT(ntk_contraction_cost_of(jacobian, &f).sample_flops == 2.0 * 1024 * 576 * 64);
  EXPECT(ntk_contraction_of(ntk_contractions[0], &f, 2048) == pairs);
  f = (ntk_factor){.positions = 16, .in = 4608, .out = 512, .cotangents = 1, .w_weight = 1};
  EXPECT(ntk_contraction_of(NULL, &f, 2048) == pairs);
  EXPECT(entry_flops(pairs, &f) == 2.0 * 256 * (4608 + 512));
  EXPECT(ntk_contraction_of(&ntk_contraction_pixel_gram.row, &f, 2048) == pairs); /* no image */
}

int main(int argc, char **argv) {
  static const int64_t blocks[] = {1, 8, 64, 100};

  begin_test(&argc, &argv);
  ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD);

  test_choice();
  for (int r = 1; r <= comm.size; ++r) {
    ntk_grid grid = {0};

    if (comm.size % r != 0) continue;
    EXPECT_OK(ntk_grid_create(&comm, r, comm.size / r, &grid));
    for (size_t c = 0; c < sizeof(table) / sizeof(*table); ++c) {
      truth t = {0};

      create_truth(&table[c], &t);
      for (int d = 0; d < 2; ++d) {
        test_diagonal(&t, d ? NTK_SINGLE : NTK_DOUBLE);
        test_case(&grid, &t, blocks[c % 4], d ? NTK_SINGLE : NTK_DOUBLE);
        test_case(&grid, &t, blocks[(c + 1) % 4], d ? NTK_SINGLE : NTK_DOUBLE);
      }
      destroy_truth(&t);
    }
    ntk_grid_destroy(&grid);
  }
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
