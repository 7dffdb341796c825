#include "squares.h"

#include <string.h>

#include "ntk/base/memory.h"

/* More gains little speed and costs memory. */
enum { MOST_EDGE = 1024 };

static int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

/* ---- places ---------------------------------------------------------------------------------- */

/* The same number of squares for every rank, in every chunk. */
int64_t ntk_squares_edge(int64_t n, int grid_rows, int grid_cols, int64_t chunks) {
  if (grid_rows > 1 || grid_cols == 1 || n == 0) return 0;
  const int64_t shares = (int64_t)grid_cols * max(1, chunks);
  const int64_t rounds = (n + shares * MOST_EDGE - 1) / (shares * MOST_EDGE);

  return ntk_pad((n + shares * rounds - 1) / (shares * rounds));
}

static int64_t squares_of(int64_t n, int64_t edge) { return edge > 0 ? (n + edge - 1) / edge : 0; }

double ntk_squares_bytes(int64_t n, int grid_cols, int64_t edge) {
  const int64_t own = (squares_of(n, edge) + grid_cols - 1) / grid_cols;

  return 8.0 * (double)(own * edge * edge);
}

static int owner_of(const ntk_squares *s, int64_t square) {
  return (int)(square % s->matrix->grid->cols);
}

/* ---- own squares ----------------------------------------------------------------------------- */

static ntk_status create_square(int64_t first, int64_t size, bool collected, ntk_square *square) {
  static const ntk_grid alone = {.rows = 1, .cols = 1};

  square->first = first;
  square->matrix = (ntk_matrix){.grid = &alone,
                                .rows = size,
                                .cols = size,
                                .block = size,
                                .local_rows = size,
                                .local_cols = size,
                                .ld = size};
  NTK_TRY(NTK_NEW(size * size, &square->matrix.data));
  return collected ? NTK_NEW(size * size, &square->collected) : NTK_OK;
}

ntk_status ntk_squares_create(ntk_matrix *matrix, int64_t edge, bool collected,
                              ntk_squares *squares) {
  const int64_t all = squares_of(matrix->rows, edge);
  const int me = matrix->grid->col, ranks = matrix->grid->cols;

  *squares = (ntk_squares){.matrix = matrix, .edge = edge};
  if (all <= me) return NTK_OK;
  NTK_TRY(NTK_NEW((all - me + ranks - 1) / ranks, &squares->square));
  for (int64_t k = me; k < all; k += ranks) {
    NTK_TRY(create_square(k * edge, min(edge, matrix->rows - k * edge), collected,
                          &squares->square[squares->count++]));
  }
  return NTK_OK;
}

void ntk_squares_destroy(ntk_squares *squares) {
  for (int64_t k = 0; k < squares->count; ++k) {
    ntk_free(&squares->square[k].matrix.data);
    ntk_free(&squares->square[k].collected);
  }
  ntk_free(&squares->square);
  *squares = (ntk_squares){0};
}

/* ---- parts ----------------------------------------------------------------------------------- */

/* The samples from a square's first on. */
static ntk_side side_from(const ntk_assembly *job, int64_t first) {
  const ntk_factor *f = job->factor;
  const int64_t a = first * ntk_factor_inputs(f), delta = first * f->positions * f->out;
  ntk_side side = {.samples = job->rows.samples - first};

  if (job->rows.a) side.a = ntk_array_const_at(job->dtype, job->rows.a, a);
  if (job->rows.delta) side.delta = ntk_array_const_at(job->dtype, job->rows.delta, delta);
  return side;
}

/* The job's columns of a square, as a job of their own; false if there are none. */
static bool job_of(const ntk_square *square, const ntk_assembly *whole, ntk_matrix *matrix,
                   ntk_assembly *job) {
  *job = *whole;
  *matrix = square->matrix;
  job->matrix = matrix;
  job->square = 0;
  job->flops = 0;
  job->first = max(0, whole->first - square->first);
  job->last = min(matrix->cols, whole->last - square->first);
  if (whole->sum_of) job->sum_of = whole->sum_of + square->first;
  return job->first < job->last;
}

ntk_status ntk_squares_add(const ntk_squares *squares, const ntk_contraction *contraction,
                           bool collect, ntk_assembly *whole) {
  for (int64_t k = 0; k < squares->count; ++k) {
    const ntk_square *square = &squares->square[k];
    ntk_assembly job;
    ntk_matrix matrix;

    if (!job_of(square, whole, &matrix, &job)) continue;
    if (collect) matrix.data = square->collected;
    job.rows = job.cols = side_from(whole, square->first);
    NTK_TRY(ntk_assemble(contraction, &job));
    whole->flops += job.flops;
  }
  return NTK_OK;
}

void ntk_squares_add_collected(const ntk_squares *squares, const ntk_assembly *whole) {
  for (int64_t k = 0; k < squares->count; ++k) {
    const ntk_square *square = &squares->square[k];
    ntk_assembly job;
    ntk_matrix matrix;

    if (job_of(square, whole, &matrix, &job)) ntk_assemble_collected(&job, square->collected);
  }
}

/* ---- to the ranks that hold the columns ------------------------------------------------------ */

enum { TAG = 73 };

/* Columns of one square on their way. */
typedef struct parcel {
  int64_t first, size;       /* of the square */
  int64_t column, last;      /* those that travel */
  const ntk_square *square;  /* NULL: it is another rank's */
  double *message;           /* [edge * edge] */
} parcel;

/* The square's columns of process column q, from the diagonal down, packed; how many numbers. */
static int64_t pack(const ntk_matrix *m, const parcel *p, int q) {
  int64_t at = 0;

  for (int64_t j = p->column; j < p->last; ++j) {
    double *column = p->square->matrix.data + (j - p->first) * p->size;
    const int64_t row = j - p->first, count = p->size - row;

    if (j / m->block % m->grid->cols != q) continue;
    memcpy(p->message + at, column + row, (size_t)count * sizeof(double));
    memset(column + row, 0, (size_t)count * sizeof(double));
    at += count;
  }
  return at;
}

/* This rank's columns. */
static void unpack(ntk_matrix *m, const parcel *p) {
  const int64_t end = ntk_matrix_cols_below(m, p->last);
  const double *from = p->message;

  for (int64_t lj = ntk_matrix_cols_below(m, p->column); lj < end; ++lj) {
    const int64_t row = ntk_matrix_col(m, lj), stop = p->first + p->size;
    double *column = m->data + lj * m->ld;

    for (int64_t i = row; i < stop; ++i) column[i] += *from++;
  }
}

static void send(const ntk_matrix *m, const parcel *p, int q) {
  const int64_t count = pack(m, p, q);

  MPI_Send(p->message, (int)count, MPI_DOUBLE, q, TAG, m->grid->row_comm.mpi);
  ntk_comm_note_message(count * (int64_t)sizeof(double));
}

static void deliver(ntk_matrix *m, const parcel *p, int owner) {
  const int me = m->grid->col;

  if (owner != me) {
    MPI_Recv(p->message, (int)(p->size * p->size), MPI_DOUBLE, owner, TAG, m->grid->row_comm.mpi,
             MPI_STATUS_IGNORE);
  } else {
    for (int q = 0; q < m->grid->cols; ++q) {
      if (q != me) send(m, p, q);
    }
    (void)pack(m, p, me);
  }
  unpack(m, p);
}

static void deliver_all(const ntk_squares *s, int64_t first, int64_t last, double *message) {
  ntk_matrix *m = s->matrix;
  parcel p = {.message = message};

  for (int64_t k = first / s->edge; k * s->edge < last; ++k) {
    const int owner = owner_of(s, k);

    p.first = k * s->edge;
    p.size = min(s->edge, m->rows - p.first);
    p.column = max(first, p.first);
    p.last = min(last, p.first + p.size);
    p.square = owner == m->grid->col ? &s->square[k / m->grid->cols] : NULL;
    deliver(m, &p, owner);
  }
}

ntk_status ntk_squares_deliver(ntk_squares *squares, int64_t first, int64_t last) {
  const int64_t edge = squares->edge;
  double *message = NULL;

  if (edge == 0) return NTK_OK;
  const ntk_status status = ntk_agree(squares->matrix->grid->comm,
                                      ntk_array_new_unset(NTK_DOUBLE, edge * edge, &message));

  if (status == NTK_OK) deliver_all(squares, first, last, message);
  ntk_free(&message);
  return status;
}
