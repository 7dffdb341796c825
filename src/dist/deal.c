#include "ntk/dist/deal.h"

#include <string.h>

#include "ntk/base/memory.h"

/* Bytes of one message, about: small enough for the cache. */
enum { MESSAGE_BYTES = 1 << 21, SCATTER_TAG = 71 };

static int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

/* The samples of `n` matrix rows that process `me` of `procs` holds, and where each local row finds
 * its sample in that list.  `slot` may be NULL. */
static int64_t list_samples(const ntk_deal *deal, int64_t n, int me, int procs, int64_t *sample,
                            int64_t *slot) {
  int64_t block = deal->matrix->block, local = ntk_dealt(n, block, me, procs), count = 0;

  for (int64_t l = 0; l < local; ++l) {
    int64_t s = ntk_dealt_global(l, block, me, procs) / deal->rows_per_sample;
    if (count == 0 || sample[count - 1] != s) sample[count++] = s;
    if (slot) slot[l] = count - 1;
  }
  return count;
}

/* The share [first, last) of `count` samples that member `me` of a process row computes. */
static int64_t share_first(int64_t count, int me, int procs) { return count * me / procs; }

/* The process row that answers for a sample: that of its first kernel row. */
static int home(const ntk_deal *deal, int64_t sample) {
  const ntk_matrix *m = deal->matrix;

  return (int)(sample * deal->rows_per_sample / m->block % m->grid->rows);
}

static int64_t sample_total(const ntk_deal *deal) {
  return deal->matrix->rows / deal->rows_per_sample;
}

static ntk_status create(const ntk_matrix *m, bool columns, ntk_deal *deal) {
  const ntk_grid *g = m->grid;

  NTK_TRY(NTK_NEW(g->cols, &deal->piece_count));
  NTK_TRY(NTK_NEW(g->cols, &deal->piece_at));
  NTK_TRY(NTK_NEW(m->local_rows, &deal->row_sample));
  NTK_TRY(NTK_NEW(m->local_rows, &deal->row_slot));
  deal->row_count =
      list_samples(deal, m->rows, g->row, g->rows, deal->row_sample, deal->row_slot);
  deal->own_first = share_first(deal->row_count, g->col, g->cols);
  deal->own_count = share_first(deal->row_count, g->col + 1, g->cols) - deal->own_first;
  if (!columns) return NTK_OK;

  NTK_TRY(NTK_NEW(m->local_cols, &deal->col_sample));
  NTK_TRY(NTK_NEW(m->local_cols, &deal->col_slot));
  deal->col_count =
      list_samples(deal, m->cols, g->col, g->cols, deal->col_sample, deal->col_slot);
  return NTK_OK;
}

ntk_status ntk_deal_create(const ntk_matrix *matrix, int64_t rows_per_sample, bool columns,
                           ntk_deal *deal) {
  NTK_ASSERT(rows_per_sample > 0 && matrix->rows % rows_per_sample == 0);
  NTK_ASSERT(!columns || matrix->rows == matrix->cols);

  *deal = (ntk_deal){.matrix = matrix, .rows_per_sample = rows_per_sample};
  ntk_status status = ntk_agree(matrix->grid->comm, create(matrix, columns, deal));
  if (status != NTK_OK) ntk_deal_destroy(deal);
  return status;
}

void ntk_deal_destroy(ntk_deal *deal) {
  ntk_free(&deal->piece_count);
  ntk_free(&deal->piece_at);
  ntk_free(&deal->row_sample);
  ntk_free(&deal->row_slot);
  ntk_free(&deal->col_sample);
  ntk_free(&deal->col_slot);
  *deal = (ntk_deal){0};
}

/* Samples of so many bytes that travel in one message. */
static int64_t samples_a_message(int64_t bytes) { return max(1, MESSAGE_BYTES / max(1, bytes)); }

/* ---------------------------------------------------------------------------------------------
 * Scatter: rank 0 packs what each rank computes. */

typedef struct scatter {
  int64_t *sample; /* [all samples] those of one process row */
  double *packed;  /* one message */
} scatter;

static ntk_status allocate_scatter(const ntk_deal *deal, int64_t width, scatter *x) {
  int64_t total = sample_total(deal), step = samples_a_message(width * (int64_t)sizeof(double));

  if (deal->matrix->grid->comm->rank != 0) return NTK_OK;
  NTK_TRY(NTK_NEW(total, &x->sample));
  return NTK_NEW(min(step, total) * width, &x->packed);
}

static void pack_samples(const int64_t *sample, int64_t count, int64_t width, const double *all,
                         double *packed) {
  for (int64_t s = 0; s < count; ++s) {
    memcpy(packed + s * width, all + sample[s] * width, (size_t)width * sizeof(double));
  }
}

static void send_share(const ntk_deal *deal, int rank, const int64_t *sample, int64_t count,
                       int64_t width, const double *all, double *packed) {
  int64_t step = samples_a_message(width * (int64_t)sizeof(double));

  for (int64_t s = 0; s < count; s += step) {
    int64_t piece = min(step, count - s);

    pack_samples(sample + s, piece, width, all, packed);
    MPI_Send(packed, (int)(piece * width), MPI_DOUBLE, rank, SCATTER_TAG,
             deal->matrix->grid->comm->mpi);
    ntk_comm_note_message(piece * width * (int64_t)sizeof(double));
  }
}

static void send_shares(const ntk_deal *deal, int64_t width, const double *all, double *own,
                        scatter *x) {
  const ntk_matrix *m = deal->matrix;
  const ntk_grid *g = m->grid;

  for (int p = 0; p < g->rows; ++p) {
    int64_t count = list_samples(deal, m->rows, p, g->rows, x->sample, NULL);

    for (int q = 0; q < g->cols; ++q) {
      int64_t first = share_first(count, q, g->cols), last = share_first(count, q + 1, g->cols);
      if (p == 0 && q == 0) pack_samples(x->sample, last, width, all, own);
      else send_share(deal, p * g->cols + q, x->sample + first, last - first, width, all,
                      x->packed);
    }
  }
}

static void receive_share(const ntk_deal *deal, int64_t width, double *own) {
  int64_t step = samples_a_message(width * (int64_t)sizeof(double));

  for (int64_t s = 0; s < deal->own_count; s += step) {
    int64_t piece = min(step, deal->own_count - s);
    MPI_Recv(own + s * width, (int)(piece * width), MPI_DOUBLE, 0, SCATTER_TAG,
             deal->matrix->grid->comm->mpi, MPI_STATUS_IGNORE);
  }
}

ntk_status ntk_deal_scatter(const ntk_deal *deal, int64_t width, const double *all, double *own) {
  const ntk_comm *comm = deal->matrix->grid->comm;
  scatter x = {0};
  ntk_status status = ntk_agree(comm, allocate_scatter(deal, width, &x));

  NTK_ASSERT(width <= INT32_MAX);
  if (status == NTK_OK) {
    if (comm->rank == 0) send_shares(deal, width, all, own, &x);
    else receive_share(deal, width, own);
  }
  ntk_free(&x.sample);
  ntk_free(&x.packed);
  return status;
}

/* Only a sample's home contributes; adding 0 makes -0 the same on any number of ranks. */
ntk_status ntk_deal_collect(const ntk_deal *deal, int64_t width, const double *own, double *all) {
  const ntk_grid *g = deal->matrix->grid;

  memset(all, 0, (size_t)(sample_total(deal) * width) * sizeof(double));
  for (int64_t s = 0; s < deal->own_count; ++s) {
    int64_t sample = deal->row_sample[deal->own_first + s];

    if (home(deal, sample) != g->row) continue;
    for (int64_t k = 0; k < width; ++k) all[sample * width + k] = own[s * width + k] + 0.0;
  }
  ntk_comm_sum(g->comm, all, sample_total(deal) * width);
  return NTK_OK;
}

/* ---------------------------------------------------------------------------------------------
 * Panels. */

/* Everybody's next `step` samples at a time, straight into their places. */
void ntk_deal_gather_rows(const ntk_deal *deal, ntk_dtype dtype, int64_t width, const void *own,
                          void *row_panel) {
  const ntk_comm *row = &deal->matrix->grid->row_comm;
  int64_t bytes = width * (int64_t)ntk_dtype_size(dtype), step = samples_a_message(bytes);
  int64_t longest = (deal->row_count + row->size - 1) / row->size;
  MPI_Datatype sample;

  NTK_ASSERT(bytes <= INT32_MAX);
  if (deal->own_count > 0) {
    memcpy((char *)row_panel + deal->own_first * bytes, own, (size_t)(deal->own_count * bytes));
  }
  if (row->size == 1) return;

  MPI_Type_contiguous((int)bytes, MPI_BYTE, &sample);
  MPI_Type_commit(&sample);
  for (int64_t done = 0; done < longest; done += step) {
    for (int q = 0; q < row->size; ++q) {
      int64_t first = share_first(deal->row_count, q, row->size);
      int64_t last = share_first(deal->row_count, q + 1, row->size);
      deal->piece_at[q] = (int)min(first + done, last);
      deal->piece_count[q] = (int)min(step, last - deal->piece_at[q]);
    }
    MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, row_panel, deal->piece_count,
                   deal->piece_at, sample, row->mpi);
    ntk_comm_note_message(deal->piece_count[row->rank] * bytes);
  }
  MPI_Type_free(&sample);
}

/* The samples of my column list whose home is process row p, in pieces that fit a message. */
typedef struct column_piece {
  int64_t next;        /* in col_sample */
  int64_t count, *slot; /* found; [samples a message] positions in col_sample */
} column_piece;

static void next_piece(const ntk_deal *deal, int p, int64_t limit, column_piece *piece) {
  piece->count = 0;
  while (piece->next < deal->col_count && piece->count < limit) {
    if (home(deal, deal->col_sample[piece->next]) == p) piece->slot[piece->count++] = piece->next;
    ++piece->next;
  }
}

/* Position in the row list of a sample that is there. */
static int64_t find_row(const ntk_deal *deal, int64_t sample) {
  int64_t low = 0, high = deal->row_count - 1;

  while (low < high) {
    int64_t middle = (low + high) / 2;
    if (deal->row_sample[middle] < sample) low = middle + 1;
    else high = middle;
  }
  NTK_ASSERT(deal->row_sample[low] == sample);
  return low;
}

typedef struct column_gather {
  column_piece piece;
  char *packed;
} column_gather;

static void send_piece(const ntk_deal *deal, int64_t bytes, const char *row_panel,
                       column_gather *x) {
  for (int64_t k = 0; k < x->piece.count; ++k) {
    int64_t from = find_row(deal, deal->col_sample[x->piece.slot[k]]);
    memcpy(x->packed + k * bytes, row_panel + from * bytes, (size_t)bytes);
  }
}

static void gather_home(const ntk_deal *deal, int p, int64_t bytes, const char *row_panel,
                        char *col_panel, column_gather *x) {
  const ntk_comm *col = &deal->matrix->grid->col_comm;

  x->piece.next = 0;
  while (x->piece.next < deal->col_count) {
    next_piece(deal, p, samples_a_message(bytes), &x->piece);
    if (col->rank == p) send_piece(deal, bytes, row_panel, x);
    ntk_comm_broadcast(col, p, x->packed, x->piece.count * bytes);
    for (int64_t k = 0; k < x->piece.count; ++k) {
      memcpy(col_panel + x->piece.slot[k] * bytes, x->packed + k * bytes, (size_t)bytes);
    }
  }
}

static ntk_status allocate_gather(const ntk_deal *deal, int64_t bytes, column_gather *x) {
  int64_t room = min(samples_a_message(bytes), deal->col_count);

  NTK_TRY(NTK_NEW(room, &x->piece.slot));
  return NTK_NEW(room * bytes, &x->packed);
}

/* One process row has everything here already. */
static void copy_columns(const ntk_deal *deal, int64_t bytes, const char *row_panel,
                         char *col_panel) {
  for (int64_t k = 0; k < deal->col_count; ++k) {
    memcpy(col_panel + k * bytes, row_panel + find_row(deal, deal->col_sample[k]) * bytes,
           (size_t)bytes);
  }
}

ntk_status ntk_deal_gather_cols(const ntk_deal *deal, ntk_dtype dtype, int64_t width,
                                const void *row_panel, void *col_panel) {
  int64_t bytes = width * (int64_t)ntk_dtype_size(dtype);
  const ntk_grid *g = deal->matrix->grid;
  column_gather x = {0};

  if (g->rows == 1) {
    copy_columns(deal, bytes, row_panel, col_panel);
    return NTK_OK;
  }
  ntk_status status = ntk_agree(g->comm, allocate_gather(deal, bytes, &x));
  for (int p = 0; p < g->rows && status == NTK_OK; ++p) {
    gather_home(deal, p, bytes, row_panel, col_panel, &x);
  }
  ntk_free(&x.piece.slot);
  ntk_free(&x.packed);
  return status;
}
