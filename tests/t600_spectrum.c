/* Every solver of the table, on every grid of these ranks, for blocks larger and smaller than the
 * matrix, finds spectra that are known; the matrix survives bit for bit.
 *
 * Method: K = H diag(d) H with H = I - 2 u u^T / |u|^2 has closed entries, so each rank fills its
 * part, and the spectrum d; the spectra have gaps, clusters, null spaces, one mode, none.  The
 * vectors are gathered and checked in full, each rank its share of rows: K V = V diag(lambda),
 * V^T V = I. */
//TEST ranks=1,2,3,4 args="1 2 3 7 20"
//TEST ranks=6       args="20"
//TEST ranks=1       args="50 64 65 129"
//TEST ranks=2       args="64 129"
//TEST ranks=4       args="65"
#include "ntk/solve/spectrum.h"

#include <float.h>

#include "test.h"

/* The k-th largest eigenvalue of a family. */
static double geometric(int64_t n, int64_t k) {
  return n > 1 ? pow(10, 2 - 9.0 * (double)k / (double)(n - 1)) : 100;
}
static double flat(int64_t n, int64_t k) { return n > 0 && k >= 0 ? 3 : 0; }
static double clusters(int64_t n, int64_t k) { return 3 * k < n ? 5 : 3 * k < 2 * n ? 1e-3 : 0; }
static double one_mode(int64_t n, int64_t k) { return k == 0 ? (double)n : 0; }
static double nothing(int64_t n, int64_t k) { return n > 0 && k >= 0 ? 0 : 1; }
static double tiny(int64_t n, int64_t k) { return 1e-200 * geometric(n, k); }
static double huge(int64_t n, int64_t k) { return 1e140 * geometric(n, k); }

typedef struct family {
  const char *name;
  double (*lambda)(int64_t n, int64_t k);
} family;

static const family families[] = {{"geometric", geometric}, {"flat", flat}, {"one mode", one_mode},
                                  {"clusters", clusters},   {"zero", nothing}, {"tiny", tiny},
                                  {"huge", huge}};

/* d_i: the family's spectrum, not in order along the diagonal. */
static double d(const family *f, int64_t n, int64_t i) {
  return f->lambda(n, i % 2 ? n - 1 - i / 2 : i / 2);
}

static double u(int64_t i) { return 1.5 + cos(3.0 * (double)i); }

typedef struct reflected {
  const family *family;
  int64_t n;
  double norm2, mean; /* |u|^2 and u^T D u */
} reflected;

static reflected reflect(const family *f, int64_t n) {
  reflected r = {.family = f, .n = n};

  for (int64_t i = 0; i < n; ++i) {
    r.norm2 += u(i) * u(i);
    r.mean += u(i) * u(i) * d(f, n, i);
  }
  return r;
}

static double entry(const reflected *r, int64_t i, int64_t j) {
  const double di = d(r->family, r->n, i), dj = d(r->family, r->n, j), uu = u(i) * u(j);

  return (i == j ? di : 0) + uu * (4 * r->mean / r->norm2 - 2 * (di + dj)) / r->norm2;
}

static void fill(const reflected *r, ntk_matrix *m) {
  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    for (int64_t li = 0; li < m->local_rows; ++li) {
      m->data[li + lj * m->ld] = entry(r, ntk_matrix_row(m, li), ntk_matrix_col(m, lj));
    }
  }
}

static void test_vectors(const reflected *r, const ntk_spectrum *s) {
  const ntk_comm *comm = s->vectors.grid->comm;
  const int64_t n = r->n;
  double *v = NULL, *k = NULL, scale = fmax(s->eigenvalue[0], DBL_MIN);

  EXPECT_OK(NTK_NEW(n * n, &v));
  EXPECT_OK(NTK_NEW(n * n, &k));
  EXPECT_OK(ntk_matrix_window(&s->vectors, 0, 0, n, n, v));
  for (int64_t i = 0; i < n * n; ++i) k[i] = entry(r, i / n, i % n);
  for (int64_t a = comm->rank; a < n; a += comm->size) {
    for (int64_t b = 0; b < n; ++b) {
      double overlap = 0, image = 0;

      for (int64_t i = 0; i < n; ++i) {
        overlap += v[i * n + a] * v[i * n + b];
        image += k[a * n + i] * v[i * n + b];
      }
      EXPECT_NEAR(overlap, a == b ? 1 : 0, 1e-13 * (double)(10 + n));
      EXPECT_NEAR(image / scale, s->eigenvalue[b] * v[a * n + b] / scale,
                  1e-14 * (double)(10 + n));
    }
  }
  ntk_free(&v);
  ntk_free(&k);
}

static void test_products(const ntk_spectrum *s) {
  double *x = NULL, *c = NULL, *back = NULL;

  EXPECT_OK(NTK_NEW(s->n * 3, &x));
  EXPECT_OK(NTK_NEW(s->n * 3, &c));
  EXPECT_OK(NTK_NEW(s->n * 3, &back));
  for (int64_t i = 0; i < s->n * 3; ++i) x[i] = sin(1.0 + (double)i);
  EXPECT_OK(ntk_spectrum_project(s, 3, x, c));
  EXPECT_OK(ntk_spectrum_combine(s, 3, c, back));
  for (int64_t i = 0; i < s->n * 3; ++i) EXPECT_NEAR(back[i], x[i], 1e-13 * (double)(10 + s->n));
  ntk_free(&x);
  ntk_free(&c);
  ntk_free(&back);
}

/* ELPA leaves to pdsyevd what it cannot do; what it does, it tells the kernel of. */
static void test_names(const ntk_grid *grid, const ntk_solver *solver, const ntk_spectrum *s) {
  const int longer = grid->rows > grid->cols ? grid->rows : grid->cols;
  const bool elpa = strncmp(solver->row.name, "elpa", 4) == 0;
  const bool small = elpa && s->n <= (longer - 1) * s->block;

  EXPECT_TEXT(s->solver, small ? "pdsyevd" : solver->row.name);
  EXPECT((s->kernel[0] != '\0') == (strcmp(s->solver, "elpa2") == 0));
  EXPECT(strcmp(s->kernel, "unknown") != 0);
}

static void test_case(const ntk_grid *grid, const ntk_solver *solver, const family *f, int64_t n,
                      int64_t block) {
  const reflected r = reflect(f, n);
  const ntk_spectrum_settings settings = {
      .solver = &solver->row, .block = block, .cutoff = NAN};
  ntk_matrix gram = {0}, before = {0};
  ntk_spectrum s = {0};

  EXPECT_OK(ntk_matrix_create(grid, n, n, block, &gram));
  EXPECT_OK(ntk_matrix_create(grid, n, n, block, &before));
  fill(&r, &gram);
  fill(&r, &before);
  EXPECT_OK(ntk_spectrum_compute(&settings, &gram, false, &s));

  EXPECT(memcmp(gram.data, before.data, (size_t)(gram.ld * gram.local_cols) * 8) == 0);
  EXPECT(s.n == n && s.block == block && s.vectors.rows == n && s.vectors.cols == n);
  EXPECT(s.residual <= 1e-13 && s.orthogonality <= 1e-12);
  EXPECT_NEAR(s.cutoff, (double)n * DBL_EPSILON * s.eigenvalue[0], 0);
  for (int64_t k = 0; k < n; ++k) {
    EXPECT_NEAR(s.eigenvalue[k], f->lambda(n, k), 1e-14 * (double)(10 + n) * f->lambda(n, 0));
    EXPECT(s.eigenvalue[k] >= 0 && !signbit(s.eigenvalue[k]));
    EXPECT(k == 0 || s.eigenvalue[k] <= s.eigenvalue[k - 1]);
  }
  EXPECT(s.lambda_min_raw <= 0 || s.negative_count == 0);
  test_names(grid, solver, &s);
  test_vectors(&r, &s);
  test_products(&s);
  ntk_spectrum_destroy(&s);
  ntk_spectrum_destroy(&s);
  ntk_matrix_destroy(&gram);
  ntk_matrix_destroy(&before);
}

static void test_solver(const ntk_grid *grid, const ntk_solver *solver, int64_t n) {
  static const int64_t blocks[] = {8, 64, 1, 32, 100};
  const size_t count = n >= 50 ? 2 : grid->comm->size > 2 ? 3 : 5;

  for (size_t b = 0; b < count; ++b) {
    for (size_t f = 0; f < sizeof(families) / sizeof(*families); ++f) {
      test_case(grid, solver, &families[f], n, blocks[b]);
    }
  }
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  const ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD);

  for (int rows = 1; rows <= comm.size; ++rows) {
    ntk_grid grid;

    if (comm.size % rows != 0) continue;
    EXPECT_OK(ntk_grid_create(&comm, rows, comm.size / rows, &grid));
    for (const ntk_row *const *row = ntk_solvers; *row; ++row) {
      const ntk_solver *solver = (const ntk_solver *)*row;

      if (!solver->solve || (solver->max_ranks > 0 && comm.size > solver->max_ranks)) continue;
      for (int a = 1; a < argc; ++a) test_solver(&grid, solver, strtoll(argv[a], NULL, 10));
    }
    ntk_grid_destroy(&grid);
  }
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
