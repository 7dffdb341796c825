#include "ntk/dist/matrix.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "ntk/base/array.h"
#include "ntk/base/memory.h"
#include "ntk/dist/scalapack.h"

/* Doubles that a rank sends in one exchange, about: small enough for the cache. */
enum { EXCHANGE_DOUBLES = 1 << 18 };

static int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

int64_t ntk_dealt(int64_t n, int64_t block, int me, int procs) {
  int64_t rounds = n / block / procs, spare = n / block % procs;

  if (me < spare) return (rounds + 1) * block;
  if (me == spare) return rounds * block + n % block;
  return rounds * block;
}

int64_t ntk_dealt_global(int64_t l, int64_t block, int me, int procs) {
  return (l / block * procs + me) * block + l % block;
}

int64_t ntk_matrix_row(const ntk_matrix *m, int64_t li) {
  return ntk_dealt_global(li, m->block, m->grid->row, m->grid->rows);
}

int64_t ntk_matrix_col(const ntk_matrix *m, int64_t lj) {
  return ntk_dealt_global(lj, m->block, m->grid->col, m->grid->cols);
}

int64_t ntk_matrix_rows_below(const ntk_matrix *m, int64_t i) {
  return ntk_dealt(i, m->block, m->grid->row, m->grid->rows);
}

int64_t ntk_matrix_cols_below(const ntk_matrix *m, int64_t j) {
  return ntk_dealt(j, m->block, m->grid->col, m->grid->cols);
}

/* The fewest ranks, on the squarest grid, whose parts fit; process (0, 0) has the largest. */
static int ranks_needed(int64_t rows, int64_t cols, int64_t block, int from) {
  int p = 1, q = 1, least = (int)fmin((double)rows * (double)cols / INT32_MAX, INT32_MAX - 1.0);

  for (int size = from > least ? from : least; size < INT32_MAX; ++size) {
    ntk_grid_squarest(size, &p, &q);
    int64_t r = ntk_dealt(rows, block, 0, p), c = ntk_dealt(cols, block, 0, q);
    if (c <= INT32_MAX / max(1, r)) return size;
    if (r <= block && c <= block) break; /* one tile is too large already */
  }
  return 0;
}

static ntk_status check_size(const ntk_matrix *m) {
  NTK_CHECK(m->rows <= INT32_MAX && m->cols <= INT32_MAX && m->block <= INT32_MAX / m->block,
            NTK_E_SIZE, "a %lld x %lld matrix in blocks of %lld does not fit ScaLAPACK's integers",
            (long long)m->rows, (long long)m->cols, (long long)m->block);
  NTK_CHECK(m->local_cols <= INT32_MAX / m->ld, NTK_E_SIZE,
            "a %lld x %lld part does not fit ScaLAPACK's 32-bit indices; use at least %d ranks",
            (long long)m->local_rows, (long long)m->local_cols,
            ranks_needed(m->rows, m->cols, m->block, m->grid->comm->size));
  return NTK_OK;
}

static ntk_status describe(ntk_matrix *m) {
  const int rows = (int)m->rows, cols = (int)m->cols, block = (int)m->block, ld = (int)m->ld;
  int info = 0;

  descinit_(m->descriptor, &rows, &cols, &block, &block, &(int){0}, &(int){0}, &m->grid->context,
            &ld, &info);
  NTK_ASSERT(info == 0);
  return NTK_NEW((size_t)(m->ld * m->local_cols), &m->data);
}

static ntk_status create(ntk_matrix *m) {
  NTK_TRY(check_size(m));
  return describe(m);
}

ntk_status ntk_matrix_create(const ntk_grid *grid, int64_t rows, int64_t cols, int64_t block,
                             ntk_matrix *m) {
  NTK_ASSERT(rows >= 0 && cols >= 0);
  NTK_ASSERT(block > 0);

  *m = (ntk_matrix){.grid = grid, .rows = rows, .cols = cols, .block = block};
  m->local_rows = ntk_dealt(rows, block, grid->row, grid->rows);
  m->local_cols = ntk_dealt(cols, block, grid->col, grid->cols);
  m->ld = max(1, m->local_rows);

  ntk_status status = ntk_agree(grid->comm, create(m));
  if (status != NTK_OK) ntk_matrix_destroy(m);
  return status;
}

void ntk_matrix_destroy(ntk_matrix *m) {
  ntk_free(&m->data);
  *m = (ntk_matrix){0};
}

/* ---------------------------------------------------------------------------------------------
 * Exchange: what every rank has for every other one, in pieces of bounded size. */

typedef struct exchange {
  const ntk_comm *comm;
  int *send_count, *recv_count, *send_at, *recv_at; /* [ranks], doubles */
  int64_t *cursor;                                  /* [ranks] next double in `send` or `recv` */
  double *send, *recv;
} exchange;

static ntk_status allocate_counts(exchange *x, const ntk_comm *comm) {
  x->comm = comm;
  NTK_TRY(NTK_NEW(comm->size, &x->send_count));
  NTK_TRY(NTK_NEW(comm->size, &x->recv_count));
  NTK_TRY(NTK_NEW(comm->size, &x->send_at));
  NTK_TRY(NTK_NEW(comm->size, &x->recv_at));
  return NTK_NEW(comm->size, &x->cursor);
}

static void destroy_exchange(exchange *x) {
  ntk_free(&x->send_count);
  ntk_free(&x->recv_count);
  ntk_free(&x->send_at);
  ntk_free(&x->recv_at);
  ntk_free(&x->cursor);
  ntk_free(&x->send);
  ntk_free(&x->recv);
}

static void clear_counts(exchange *x) {
  memset(x->send_count, 0, (size_t)x->comm->size * sizeof(int));
  memset(x->recv_count, 0, (size_t)x->comm->size * sizeof(int));
}

static int64_t total(const int *count, int size) {
  int64_t sum = 0;

  for (int r = 0; r < size; ++r) sum += count[r];
  return sum;
}

static ntk_status allocate_buffers(exchange *x, int64_t send, int64_t recv) {
  NTK_CHECK(send <= INT32_MAX && recv <= INT32_MAX, NTK_E_SIZE,
            "an exchange of %lld doubles does not fit MPI's integers; use a smaller block",
            (long long)max(send, recv));
  NTK_TRY(NTK_NEW(send, &x->send));
  return NTK_NEW(recv, &x->recv);
}

static void start_at(int size, const int *count, int *at, int64_t *cursor) {
  int64_t next = 0;

  for (int r = 0; r < size; ++r) {
    at[r] = (int)next;
    cursor[r] = next;
    next += count[r];
  }
}

static void start_packing(exchange *x) {
  start_at(x->comm->size, x->send_count, x->send_at, x->cursor);
}

/* Sends what was packed; the cursors then stand at what was received. */
static void swap_packed(exchange *x) {
  start_at(x->comm->size, x->recv_count, x->recv_at, x->cursor);
  MPI_Alltoallv(x->send, x->send_count, x->send_at, MPI_DOUBLE, x->recv, x->recv_count, x->recv_at,
                MPI_DOUBLE, x->comm->mpi);
  for (int r = 0; r < x->comm->size; ++r) {
    if (r != x->comm->rank) {
      ntk_comm_note_message(x->send_count[r] * (int64_t)sizeof(double));
    }
  }
}

/* ---------------------------------------------------------------------------------------------
 * Tiles of one triangle against their mirror images in the other. */

typedef struct tile {
  int64_t i, j; /* which tile */
  int64_t li, lj, ni, nj;
  int peer;     /* rank that owns the mirror image */
} tile;

/* Local tiles (I, K) below the diagonal, or (K, I) above it, with first <= K < last and I > K, by
 * increasing K, then I: both partners of an exchange meet their common tiles in one order. */
typedef struct walk {
  const ntk_matrix *m;
  int64_t last;
  bool lower;
  int64_t k, i;
} walk;

/* The first index of process `me` that is not below k. */
static int64_t next_dealt(int64_t k, int me, int procs) {
  return k + ((me - k) % procs + procs) % procs;
}

static walk start_walk(const ntk_matrix *m, int64_t first, int64_t last, bool lower) {
  const ntk_grid *g = m->grid;
  walk w = {.m = m, .last = last, .lower = lower};

  w.k = lower ? next_dealt(first, g->col, g->cols) : next_dealt(first, g->row, g->rows);
  w.i = lower ? next_dealt(w.k + 1, g->row, g->rows) : next_dealt(w.k + 1, g->col, g->cols);
  return w;
}

static tile tile_at(const ntk_matrix *m, int64_t i, int64_t j) {
  const ntk_grid *g = m->grid;
  tile t = {.i = i, .j = j, .li = i / g->rows * m->block, .lj = j / g->cols * m->block};

  t.ni = min(m->block, m->rows - i * m->block);
  t.nj = min(m->block, m->cols - j * m->block);
  t.peer = (int)(j % g->rows) * g->cols + (int)(i % g->cols);
  return t;
}

static bool next_tile(walk *w, tile *t) {
  const ntk_matrix *m = w->m;
  const ntk_grid *g = m->grid;
  int64_t tiles = (m->rows + m->block - 1) / m->block;

  while (w->k < w->last && w->i >= tiles) {
    w->k += w->lower ? g->cols : g->rows;
    w->i = w->lower ? next_dealt(w->k + 1, g->row, g->rows) : next_dealt(w->k + 1, g->col, g->cols);
  }
  if (w->k >= w->last) return false;
  *t = w->lower ? tile_at(m, w->i, w->k) : tile_at(m, w->k, w->i);
  w->i += w->lower ? g->rows : g->cols;
  return true;
}

static void count_tiles(exchange *x, const ntk_matrix *m, int64_t first, int64_t last,
                        bool from_lower) {
  walk out = start_walk(m, first, last, from_lower), in = start_walk(m, first, last, !from_lower);
  tile t;

  clear_counts(x);
  while (next_tile(&out, &t)) x->send_count[t.peer] += (int)(t.ni * t.nj);
  while (next_tile(&in, &t)) x->recv_count[t.peer] += (int)(t.ni * t.nj);
  x->send_count[x->comm->rank] = x->recv_count[x->comm->rank] = 0; /* no need to travel */
}

/* Where the mirror image of a tile is: received, or at home. */
typedef struct image {
  const double *from;
  int64_t ld;
} image;

static image image_of(exchange *x, const ntk_matrix *m, const tile *t) {
  if (t->peer == x->comm->rank) {
    const tile other = tile_at(m, t->j, t->i);
    return (image){m->data + other.li + other.lj * m->ld, m->ld};
  }
  x->cursor[t->peer] += t->ni * t->nj;
  return (image){x->recv + x->cursor[t->peer] - t->ni * t->nj, t->nj};
}

static void pack_tiles(exchange *x, const ntk_matrix *m, walk w) {
  tile t;

  start_packing(x);
  while (next_tile(&w, &t)) {
    for (int64_t j = 0; j < t.nj && t.peer != x->comm->rank; ++j) {
      memcpy(x->send + x->cursor[t.peer], m->data + t.li + (t.lj + j) * m->ld,
             (size_t)t.ni * sizeof(double));
      x->cursor[t.peer] += t.ni;
    }
  }
}

/* Images are column-major as their owner has them: nj x ni here. */
static void unpack_tiles(exchange *x, ntk_matrix *m, walk w) {
  tile t;

  while (next_tile(&w, &t)) {
    const image other = image_of(x, m, &t);

    for (int64_t j = 0; j < t.nj; ++j) {
      double *to = m->data + t.li + (t.lj + j) * m->ld;
      for (int64_t i = 0; i < t.ni; ++i) to[i] = other.from[j + i * other.ld];
    }
  }
}

/* The largest |M - M^T| so far and its entry below the diagonal, the first of several. */
typedef struct worst_gap {
  double size, place; /* row-major number, exact: matrices have fewer than 2^53 entries */
} worst_gap;

static void note_gap(const ntk_matrix *m, double size, int64_t li, int64_t lj, worst_gap *worst) {
  const int64_t i = ntk_matrix_row(m, li), j = ntk_matrix_col(m, lj);
  const double place = (double)max(i, j) * (double)m->cols + (double)(i < j ? i : j);

  if (size == worst->size && place > worst->place) return;
  *worst = (worst_gap){size, place};
}

static void compare_tiles(exchange *x, const ntk_matrix *m, walk w, worst_gap *worst) {
  tile t;

  while (next_tile(&w, &t)) {
    const image other = image_of(x, m, &t);

    for (int64_t j = 0; j < t.nj; ++j) {
      const double *to = m->data + t.li + (t.lj + j) * m->ld;
      for (int64_t i = 0; i < t.ni; ++i) {
        const double gap = fabs(to[i] - other.from[j + i * other.ld]);
        if (gap > 0 && gap >= worst->size) note_gap(m, gap, t.li + i, t.lj + j, worst);
      }
    }
  }
}

/* Tiles on the diagonal are their own mirror images; `from_lower`, or the reverse. */
static void mirror_diagonal_tiles(ntk_matrix *m, bool from_lower) {
  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    int64_t j = ntk_matrix_col(m, lj), first = j / m->block * m->block;
    int64_t top = ntk_matrix_rows_below(m, first);

    if (first / m->block % m->grid->rows != m->grid->row) continue;
    double *d = m->data + top + (lj - (j - first)) * m->ld;
    for (int64_t k = 0; k < j - first; ++k) { /* entries (k, j) above and (j, k) below */
      double *upper = d + k + (j - first) * m->ld, *lower = d + (j - first) + k * m->ld;
      if (from_lower) *upper = *lower;
      else *lower = *upper;
    }
  }
}

static void compare_diagonal_tiles(const ntk_matrix *m, worst_gap *worst) {
  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    int64_t j = ntk_matrix_col(m, lj), first = j / m->block * m->block;
    int64_t top = ntk_matrix_rows_below(m, first);

    if (first / m->block % m->grid->rows != m->grid->row) continue;
    const double *d = m->data + top + (lj - (j - first)) * m->ld;
    for (int64_t k = 0; k < j - first; ++k) {
      const double gap = fabs(d[k + (j - first) * m->ld] - d[(j - first) + k * m->ld]);
      if (gap > 0 && gap >= worst->size) note_gap(m, gap, top + k, lj, worst);
    }
  }
}

/* Columns of tiles in one exchange. */
static int64_t panel_tiles(const ntk_matrix *m) {
  int64_t tall = m->block * ntk_dealt(m->rows, m->block, 0, m->grid->rows);

  return m->grid->cols * max(1, EXCHANGE_DOUBLES / max(1, tall));
}

static ntk_status prepare_mirror(exchange *x, const ntk_matrix *m, bool from_lower) {
  int64_t tiles = (m->rows + m->block - 1) / m->block, step = panel_tiles(m), send = 0, recv = 0;

  NTK_TRY(allocate_counts(x, m->grid->comm));
  for (int64_t k = 0; k < tiles; k += step) {
    count_tiles(x, m, k, min(k + step, tiles), from_lower);
    send = max(send, total(x->send_count, x->comm->size));
    recv = max(recv, total(x->recv_count, x->comm->size));
  }
  return allocate_buffers(x, send, recv);
}

/* Sends one triangle to where the other one lives.
 *   target  filled with it; NULL: only compared
 *   worst   largest difference found here, if compared */
static ntk_status reflect(const ntk_matrix *m, bool from_lower, ntk_matrix *target, exchange *x,
                          worst_gap *worst) {
  int64_t tiles = (m->rows + m->block - 1) / m->block, step = panel_tiles(m);

  NTK_ASSERT(m->rows == m->cols);
  NTK_AGREE(m->grid->comm, prepare_mirror(x, m, from_lower));
  for (int64_t k = 0; k < tiles; k += step) {
    int64_t last = min(k + step, tiles);

    count_tiles(x, m, k, last, from_lower);
    pack_tiles(x, m, start_walk(m, k, last, from_lower));
    swap_packed(x);
    if (target) unpack_tiles(x, target, start_walk(m, k, last, !from_lower));
    else compare_tiles(x, m, start_walk(m, k, last, !from_lower), worst);
  }
  return NTK_OK;
}

static ntk_status mirror(ntk_matrix *m, bool from_lower) {
  exchange x = {0};
  ntk_status status = reflect(m, from_lower, m, &x, NULL);

  destroy_exchange(&x);
  if (status == NTK_OK) mirror_diagonal_tiles(m, from_lower);
  return status;
}

ntk_status ntk_matrix_mirror_lower(ntk_matrix *m) { return mirror(m, true); }
ntk_status ntk_matrix_mirror_upper(ntk_matrix *m) { return mirror(m, false); }

/* ---------------------------------------------------------------------------------------------
 * Small things that every rank gets. */

ntk_status ntk_matrix_diagonal(const ntk_matrix *m, double *diagonal) {
  int64_t n = min(m->rows, m->cols);

  memset(diagonal, 0, (size_t)n * sizeof(double));
  for (int64_t li = 0; li < m->local_rows; ++li) {
    int64_t i = ntk_matrix_row(m, li);
    if (i >= n || i / m->block % m->grid->cols != m->grid->col) continue;
    diagonal[i] = m->data[li + ntk_matrix_cols_below(m, i) * m->ld];
  }
  ntk_comm_sum(m->grid->comm, diagonal, n);
  return NTK_OK;
}

typedef struct thin {
  double *in, *out; /* the rows of x that meet local entries, and what they give */
} thin;

static ntk_status multiply(const ntk_matrix *m, bool transposed, int64_t k, const double *x,
                           thin *t) {
  int64_t in = transposed ? m->local_rows : m->local_cols;
  int64_t out = transposed ? m->local_cols : m->local_rows;

  NTK_TRY(NTK_NEW(in * k, &t->in));
  NTK_TRY(NTK_NEW(out * k, &t->out));
  for (int64_t l = 0; l < in; ++l) {
    int64_t g = transposed ? ntk_matrix_row(m, l) : ntk_matrix_col(m, l);
    memcpy(t->in + l * k, x + g * k, (size_t)k * sizeof(double));
  }
  if (in == 0 || out == 0 || k == 0) return NTK_OK;
  /* read row by row, the local part is its own transpose */
  ntk_gemm(NTK_DOUBLE, !transposed, false, out, k, in, 1, m->data, m->ld, t->in, k, 0, t->out, k);
  return NTK_OK;
}

static ntk_status apply(const ntk_matrix *m, bool transposed, int64_t k, const double *x,
                        double *y, thin *t) {
  int64_t out = transposed ? m->local_cols : m->local_rows;
  int64_t length = (transposed ? m->cols : m->rows) * k;

  NTK_AGREE(m->grid->comm, multiply(m, transposed, k, x, t));
  memset(y, 0, (size_t)length * sizeof(double));
  for (int64_t l = 0; l < out; ++l) {
    int64_t g = transposed ? ntk_matrix_col(m, l) : ntk_matrix_row(m, l);
    memcpy(y + g * k, t->out + l * k, (size_t)k * sizeof(double));
  }
  ntk_comm_sum(m->grid->comm, y, length);
  return NTK_OK;
}

ntk_status ntk_matrix_apply(const ntk_matrix *m, bool transposed, int64_t k, const double *x,
                            double *y) {
  thin t = {0};
  ntk_status status = apply(m, transposed, k, x, y, &t);

  ntk_free(&t.in);
  ntk_free(&t.out);
  return status;
}

ntk_status ntk_matrix_window(const ntk_matrix *m, int64_t i0, int64_t j0, int64_t rows,
                             int64_t cols, double *window) {
  NTK_ASSERT(i0 >= 0 && j0 >= 0 && i0 + rows <= m->rows && j0 + cols <= m->cols);
  memset(window, 0, (size_t)(rows * cols) * sizeof(double));
  for (int64_t lj = ntk_matrix_cols_below(m, j0); lj < ntk_matrix_cols_below(m, j0 + cols); ++lj) {
    int64_t j = ntk_matrix_col(m, lj) - j0;
    for (int64_t li = ntk_matrix_rows_below(m, i0); li < ntk_matrix_rows_below(m, i0 + rows);
         ++li) {
      window[(ntk_matrix_row(m, li) - i0) * cols + j] = m->data[li + lj * m->ld];
    }
  }
  ntk_comm_sum(m->grid->comm, window, rows * cols);
  return NTK_OK;
}

static bool mine(int64_t index, int64_t block, int me, int procs) {
  return index / block % procs == me;
}

ntk_status ntk_matrix_pick(const ntk_matrix *m, int64_t rows, const int64_t *row, int64_t cols,
                           const int64_t *col, double *picked) {
  memset(picked, 0, (size_t)(rows * cols) * sizeof(double));
  for (int64_t b = 0; b < cols; ++b) {
    NTK_ASSERT(col[b] >= 0 && col[b] < m->cols);
    if (!mine(col[b], m->block, m->grid->col, m->grid->cols)) continue;
    const double *column = m->data + ntk_matrix_cols_below(m, col[b]) * m->ld;
    for (int64_t a = 0; a < rows; ++a) {
      NTK_ASSERT(row[a] >= 0 && row[a] < m->rows);
      if (!mine(row[a], m->block, m->grid->row, m->grid->rows)) continue;
      picked[a * cols + b] = column[ntk_matrix_rows_below(m, row[a])];
    }
  }
  ntk_comm_sum(m->grid->comm, picked, rows * cols);
  return NTK_OK;
}

/* ---------------------------------------------------------------------------------------------
 * Measures. */

typedef struct local_facts {
  double sum_of_squares, largest;
  bool finite;
} local_facts;

static local_facts measure_local(const ntk_matrix *m) {
  local_facts facts = {.finite = true};

  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    const double *column = m->data + lj * m->ld;
    double squares = 0, largest = 0;

    for (int64_t li = 0; li < m->local_rows; ++li) {
      double size = fabs(column[li]);
      squares += size * size;
      largest = size > largest ? size : largest;
      facts.finite &= size <= DBL_MAX; /* false for NaN, too */
    }
    facts.sum_of_squares += squares;
    facts.largest = fmax(facts.largest, largest);
  }
  return facts;
}

static double local_trace(const ntk_matrix *m) {
  double trace = 0;

  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    int64_t j = ntk_matrix_col(m, lj);
    if (j < m->rows && mine(j, m->block, m->grid->row, m->grid->rows)) {
      trace += m->data[ntk_matrix_rows_below(m, j) + lj * m->ld];
    }
  }
  return trace;
}

static void share_gap(const ntk_matrix *m, const worst_gap *worst, ntk_matrix_facts *facts) {
  const ntk_comm *comm = m->grid->comm;

  facts->asymmetry = ntk_comm_max(comm, worst->size);
  if (facts->asymmetry == 0) return;
  const double none = (double)m->rows * (double)m->cols;
  const double place =
      -ntk_comm_max(comm, worst->size == facts->asymmetry ? -worst->place : -none);

  facts->worst_row = (int64_t)place / m->cols;
  facts->worst_col = (int64_t)place % m->cols;
}

ntk_status ntk_matrix_measure(const ntk_matrix *m, ntk_matrix_facts *facts) {
  const ntk_comm *comm = m->grid->comm;
  worst_gap worst = {0};

  *facts = (ntk_matrix_facts){0};
  if (m->rows == m->cols) {
    exchange x = {0};
    ntk_status status = reflect(m, true, NULL, &x, &worst);

    destroy_exchange(&x);
    NTK_TRY(status);
    compare_diagonal_tiles(m, &worst);
  }

  local_facts mine_only = measure_local(m);
  double sums[2] = {mine_only.sum_of_squares, local_trace(m)};
  ntk_comm_sum(comm, sums, 2);
  facts->sum_of_squares = sums[0];
  facts->trace = sums[1];
  facts->largest = ntk_comm_max(comm, mine_only.largest);
  share_gap(m, &worst, facts);
  facts->finite = ntk_comm_max(comm, mine_only.finite ? 0 : 1) == 0;
  return NTK_OK;
}

/* ---------------------------------------------------------------------------------------------
 * Full columns, in runs. */

/* Columns [first, last) that rank r handles, and the part of them that goes in one piece. */
typedef struct run {
  int64_t first, last;
} run;

void ntk_matrix_run(const ntk_matrix *m, int64_t j0, int64_t cols, int rank, int64_t *first,
                    int64_t *count) {
  const int64_t size = m->grid->comm->size;

  *first = j0 + cols * rank / size;
  *count = j0 + cols * (rank + 1) / size - *first;
}

static run run_of(const ntk_matrix *m, int64_t j0, int64_t cols, int rank) {
  int64_t first = 0, count = 0;

  ntk_matrix_run(m, j0, cols, rank, &first, &count);
  return (run){first, first + count};
}

static run piece_of(run whole, int64_t start, int64_t step) {
  int64_t first = min(whole.first + start, whole.last);

  return (run){first, min(first + step, whole.last)};
}

/* How many columns of a run belong to process column c. */
static int64_t owned(const ntk_matrix *m, run r, int c) {
  return ntk_dealt(r.last, m->block, c, m->grid->cols) -
         ntk_dealt(r.first, m->block, c, m->grid->cols);
}

typedef struct column_move {
  const ntk_matrix *m;
  int64_t j0, cols, step; /* columns of a piece */
  run mine;
  bool placing;           /* full columns into the parts */
  const double *source;   /* full columns, if placing */
  double *target;         /* full columns, if not */
} column_move;

static column_move start_move(const ntk_matrix *m, int64_t j0, int64_t cols) {
  column_move move = {.m = m, .j0 = j0, .cols = cols};

  NTK_ASSERT(j0 >= 0 && cols >= 0 && j0 + cols <= m->cols);
  move.step = max(1, EXCHANGE_DOUBLES / max(1, m->rows));
  move.mine = run_of(m, j0, cols, m->grid->comm->rank);
  return move;
}

static int64_t longest_run(const column_move *v) {
  int size = v->m->grid->comm->size;

  return (v->cols + size - 1) / size;
}

/* Doubles between the block-cyclic parts (`parts`) and the runs (`runs`), per rank. */
static void count_piece(const column_move *v, int64_t start, int *parts, int *runs) {
  const ntk_grid *g = v->m->grid;
  run here = piece_of(v->mine, start, v->step);

  for (int r = 0; r < g->comm->size; ++r) {
    run there = piece_of(run_of(v->m, v->j0, v->cols, r), start, v->step);
    parts[r] = (int)(owned(v->m, there, g->col) * v->m->local_rows);
    runs[r] = (int)(owned(v->m, here, r % g->cols) *
                    ntk_dealt(v->m->rows, v->m->block, r / g->cols, g->rows));
  }
}

/* Between local columns and `packed`, ordered by the rank that handles them. */
static void copy_parts(const column_move *v, int64_t start, int64_t *cursor, double *packed,
                       bool pack) {
  const ntk_matrix *m = v->m;
  int size = m->grid->comm->size;

  for (int r = 0; r < size; ++r) {
    run there = piece_of(run_of(v->m, v->j0, v->cols, r), start, v->step);
    int64_t first = ntk_matrix_cols_below(m, there.first);
    int64_t last = ntk_matrix_cols_below(m, there.last);

    for (int64_t lj = first; lj < last; ++lj) {
      double *local = m->data + lj * m->ld, *other = packed + cursor[r];
      memcpy(pack ? other : local, pack ? local : other, (size_t)m->local_rows * sizeof(double));
      cursor[r] += m->local_rows;
    }
  }
}

/* The rows that process row p has of a full column, out of it and into it. */
static void take_rows(const ntk_matrix *m, int p, const double *column, double *packed) {
  int64_t count = ntk_dealt(m->rows, m->block, p, m->grid->rows);

  for (int64_t l = 0; l < count; l += m->block) {
    memcpy(packed + l, column + ntk_dealt_global(l, m->block, p, m->grid->rows),
           (size_t)min(m->block, count - l) * sizeof(double));
  }
}

static void put_rows(const ntk_matrix *m, int p, double *column, const double *packed) {
  int64_t count = ntk_dealt(m->rows, m->block, p, m->grid->rows);

  for (int64_t l = 0; l < count; l += m->block) {
    memcpy(column + ntk_dealt_global(l, m->block, p, m->grid->rows), packed + l,
           (size_t)min(m->block, count - l) * sizeof(double));
  }
}

/* Between this rank's full columns and `packed`, ordered by the rank that owns the entries. */
static void copy_runs(const column_move *v, int64_t start, int64_t *cursor, double *packed) {
  const ntk_matrix *m = v->m;
  const ntk_grid *g = m->grid;
  run here = piece_of(v->mine, start, v->step);

  for (int64_t j = here.first; j < here.last; ++j) {
    int64_t offset = (j - v->mine.first) * m->rows;

    for (int p = 0; p < g->rows; ++p) {
      int64_t *at = &cursor[p * g->cols + (int)(j / m->block % g->cols)];
      if (v->placing) take_rows(m, p, v->source + offset, packed + *at);
      else put_rows(m, p, v->target + offset, packed + *at);
      *at += ntk_dealt(m->rows, m->block, p, g->rows);
    }
  }
}

static void count_move(const column_move *v, int64_t start, exchange *x) {
  if (v->placing) count_piece(v, start, x->recv_count, x->send_count);
  else count_piece(v, start, x->send_count, x->recv_count);
}

static ntk_status prepare_move(const column_move *v, exchange *x) {
  int64_t send = 0, recv = 0;

  NTK_TRY(allocate_counts(x, v->m->grid->comm));
  for (int64_t start = 0; start < longest_run(v); start += v->step) {
    count_move(v, start, x);
    send = max(send, total(x->send_count, x->comm->size));
    recv = max(recv, total(x->recv_count, x->comm->size));
  }
  return allocate_buffers(x, send, recv);
}

static ntk_status move_columns(const column_move *v, exchange *x) {
  NTK_AGREE(v->m->grid->comm, prepare_move(v, x));
  for (int64_t start = 0; start < longest_run(v); start += v->step) {
    count_move(v, start, x);
    start_packing(x);
    if (v->placing) copy_runs(v, start, x->cursor, x->send);
    else copy_parts(v, start, x->cursor, x->send, true);
    swap_packed(x);
    if (v->placing) copy_parts(v, start, x->cursor, x->recv, false);
    else copy_runs(v, start, x->cursor, x->recv);
  }
  return NTK_OK;
}

ntk_status ntk_matrix_columns(const ntk_matrix *m, int64_t j0, int64_t cols, int64_t *first,
                              int64_t *count, double *panel) {
  column_move move = start_move(m, j0, cols);
  exchange x = {0};

  move.target = panel;
  ntk_status status = move_columns(&move, &x);

  destroy_exchange(&x);
  *first = move.mine.first;
  *count = move.mine.last - move.mine.first;
  return status;
}

ntk_status ntk_matrix_place_columns(ntk_matrix *m, int64_t j0, int64_t cols, const double *panel) {
  column_move move = start_move(m, j0, cols);
  exchange x = {0};

  move.placing = true;
  move.source = panel;
  ntk_status status = move_columns(&move, &x);

  destroy_exchange(&x);
  return status;
}
