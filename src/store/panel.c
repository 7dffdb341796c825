#include "ntk/store/panel.h"

#include <math.h>

#include "ntk/base/log.h"
#include "ntk/base/memory.h"
#include "ntk/store/checkpoint.h"
#include "ntk/store/group.h"
#include "ntk/store/handle.h"
#include "ntk/store/verify.h"

/* Memory of one panel on one rank. */
enum { PANEL_DOUBLES = 4 << 20 };

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Columns of a panel: PANEL_DOUBLES on each rank, at least one column. */
static int64_t panel_columns(const ntk_matrix *m) {
  const int64_t rows = m->rows > 0 ? m->rows : 1;
  const int64_t mine = PANEL_DOUBLES / rows > 0 ? PANEL_DOUBLES / rows : 1;

  return least(mine * m->grid->comm->size, m->cols > 0 ? m->cols : 1);
}

/* ntk_matrix_columns asks for room for one column more than a rank's share. */
static int64_t panel_room(const ntk_matrix *m) {
  return (panel_columns(m) / m->grid->comm->size + 2) * m->rows;
}

/* ---- writing ------------------------------------------------------------------------------- */

/* The matrices of a file, and who makes them if they are not there yet. */
typedef struct content {
  int64_t count;
  const ntk_panel_matrix *matrices;
  ntk_panel_prepare *prepare; /* NULL: they are there */
  void *context;
} content;

static ntk_checkpoint_matrix describe(const ntk_panel_matrix *m) {
  return (ntk_checkpoint_matrix){.name = m->name,
                                 .column_axis = m->column_axis,
                                 .row_axis = m->row_axis,
                                 .long_name = m->long_name,
                                 .units = m->units,
                                 .source = m->source,
                                 .rows = m->matrix->rows,
                                 .cols = m->matrix->cols};
}

/* Collective.  Everything between the making of the file and its end. */
static ntk_status write_matrices(ntk_checkpoint *file, const content *c) {
  for (int64_t k = 0; k < c->count; ++k) {
    if (c->prepare) NTK_TRY(c->prepare(c->context, k));
    NTK_TRY(ntk_checkpoint_write(file, k, c->matrices[k].matrix, 0,
                                 ntk_checkpoint_panels(file, k), NULL));
  }
  return ntk_checkpoint_finish(file, NULL);
}

static ntk_status write_file(const ntk_comm *comm, const char *path,
                             const ntk_checkpoint_content *shapes, const content *c) {
  ntk_checkpoint *file = NULL;

  NTK_TRY(ntk_checkpoint_create(comm, path, shapes, &file));
  const ntk_status status = write_matrices(file, c);

  if (status != NTK_OK && comm->rank == 0) ntk_checkpoint_abandon(file);
  ntk_checkpoint_close(&file);
  return status;
}

static ntk_status write_all(const ntk_comm *comm, const char *path, const ntk_record *header,
                            const content *c) {
  ntk_checkpoint_matrix *matrices = NULL;
  ntk_status status = ntk_agree(comm, NTK_NEW(c->count, &matrices));

  for (int64_t k = 0; status == NTK_OK && k < c->count; ++k) {
    matrices[k] = describe(&c->matrices[k]);
  }
  const ntk_checkpoint_content shapes = {
      .key = "", .header = header, .count = c->count, .matrices = matrices};

  if (status == NTK_OK) status = write_file(comm, path, &shapes, c);
  ntk_free(&matrices);
  return status;
}

ntk_status ntk_panel_write(const ntk_comm *comm, const char *path, const ntk_record *header,
                           int64_t count, const ntk_panel_matrix *matrices) {
  const content c = {.count = count, .matrices = matrices};

  return write_all(comm, path, header, &c);
}

ntk_status ntk_panel_write_prepared(const ntk_comm *comm, const char *path,
                                    const ntk_record *header, int64_t count,
                                    const ntk_panel_matrix *matrices, ntk_panel_prepare *prepare,
                                    void *context) {
  const content c = {count, matrices, prepare, context};

  return write_all(comm, path, header, &c);
}

/* ---- reading: rank 0 reads, the others are sent their columns ------------------------------ */

/* A source of columns on rank 0. */
typedef struct giver {
  ntk_panel_source *source;
  void *context;
} giver;

/* Local on rank 0, which reads rank r's run of a panel into `run`. */
static ntk_status read_run(const giver *g, const ntk_matrix *m, int64_t j, int64_t columns, int r,
                           double *run) {
  int64_t first = 0, count = 0;

  ntk_matrix_run(m, j, columns, r, &first, &count);
  return count > 0 ? g->source(g->context, first, count, m->rows, run) : NTK_OK;
}

/* Collective.  Every rank gets its run of the panel; rank 0 reads its own last, because that is
 * what stays in its buffer.  A panel fits an int by its size. */
static ntk_status hand_out(const giver *g, const ntk_matrix *m, int64_t j, int64_t columns,
                           double *buffer) {
  const ntk_comm *comm = m->grid->comm;

  for (int r = comm->size - 1; r >= 0; --r) {
    int64_t first = 0, count = 0;

    ntk_matrix_run(m, j, columns, r, &first, &count);
    NTK_AGREE(comm, comm->rank == 0 ? read_run(g, m, j, columns, r, buffer) : NTK_OK);
    if (r == 0) break;
    if (comm->rank == 0) {
      MPI_Send(buffer, (int)(count * m->rows), MPI_DOUBLE, r, 0, comm->mpi);
      ntk_comm_note_message(count * m->rows * (int64_t)sizeof(double));
    } else if (comm->rank == r) {
      MPI_Recv(buffer, (int)(count * m->rows), MPI_DOUBLE, 0, 0, comm->mpi, MPI_STATUS_IGNORE);
    }
  }
  return NTK_OK;
}

static ntk_status fill_panels(const giver *g, ntk_matrix *m, double *buffer) {
  const int64_t step = panel_columns(m);

  for (int64_t j = 0; j < m->cols && m->rows > 0; j += step) {
    const int64_t columns = least(step, m->cols - j);

    NTK_TRY(hand_out(g, m, j, columns, buffer));
    NTK_TRY(ntk_matrix_place_columns(m, j, columns, buffer));
  }
  return NTK_OK;
}

int64_t ntk_panel_width(const ntk_matrix *matrix) {
  return panel_columns(matrix) / matrix->grid->comm->size + 1;
}

ntk_status ntk_panel_fill(ntk_matrix *matrix, ntk_panel_source *source, void *context) {
  const giver g = {source, context};
  double *buffer = NULL;
  ntk_status status = ntk_agree(matrix->grid->comm, NTK_NEW(panel_room(matrix), &buffer));

  if (status == NTK_OK) status = fill_panels(&g, matrix, buffer);
  ntk_free(&buffer);
  return status;
}

/* A dataset open on rank 0. */
typedef struct source {
  const char *path, *name;
  bool transposed;
  ntk_handles held;
  hid_t dataset, space;
  double *row_major; /* a panel as it stands in a transposed dataset */
} source;

static ntk_status check_shape(const source *s, const ntk_variable *v, const ntk_matrix *m) {
  const int64_t first = s->transposed ? m->rows : m->cols;
  const int64_t second = s->transposed ? m->cols : m->rows;

  NTK_CHECK(v->rank == 2 && v->size[0] == first && v->size[1] == second, NTK_E_INPUT,
            "%s: '%s' is %lld x %lld (%d dimensions), but %lld x %lld is needed", s->path, s->name,
            (long long)(v->rank > 0 ? v->size[0] : 1), (long long)(v->rank > 1 ? v->size[1] : 1),
            v->rank, (long long)first, (long long)second);
  NTK_CHECK(v->kind != NTK_KIND_TEXT, NTK_E_INPUT, "%s: '%s' is text, not numbers", s->path,
            s->name);
  return NTK_OK;
}

/* Files of this program carry hashes of their columns; another program that rewrites one drops them. */
static ntk_status verify(const source *s, hid_t file, const ntk_matrix *m) {
  bool lost = false;

  NTK_TRY(ntk_verify_dataset(s->path, file, s->dataset, s->transposed ? m->cols : m->rows,
                             s->transposed ? m->rows : m->cols, &lost));
  if (lost) {
    ntk_log("%s: the hashes of its columns are gone, as when another program has rewritten the file; "
            "'%s' is taken unchecked",
            s->path, s->name);
  }
  return NTK_OK;
}

static ntk_status open_source(source *s, const ntk_matrix *m) {
  ntk_group_query query = {.path = s->path};
  ntk_variable shape;
  hid_t file = H5I_INVALID_HID;

  NTK_TRY(ntk_group_open_file(s->path, &file, &query.file_size));
  (void)ntk_handles_add(&s->held, file);
  NTK_HOLD(&s->held, s->dataset, H5Dopen2(file, s->name, H5P_DEFAULT), NTK_E_INPUT,
           "%s: no dataset '%s': %s", s->path, s->name, NTK_REASON);
  NTK_TRY(ntk_group_describe(s->dataset, &query, s->name, &shape));
  NTK_TRY(check_shape(s, &shape, m));
  NTK_TRY(ntk_group_check_storage(s->dataset, &query, &shape));
  NTK_TRY(verify(s, file, m));
  NTK_HOLD(&s->held, s->space, H5Dget_space(s->dataset), NTK_E_INPUT, "%s: '%s': %s", s->path,
           s->name, NTK_REASON);
  return s->transposed ? NTK_NEW(panel_room(m), &s->row_major) : NTK_OK;
}

static ntk_status read_slab(const source *s, const hsize_t *start, const hsize_t *extent,
                            double *values) {
  ntk_handles held = {0};
  const hid_t memory = ntk_handles_add(&held, H5Screate_simple(2, extent, NULL));
  const bool was_read =
      memory >= 0 &&
      H5Sselect_hyperslab(s->space, H5S_SELECT_SET, start, NULL, extent, NULL) >= 0 &&
      H5Dread(s->dataset, H5T_NATIVE_DOUBLE, memory, s->space, H5P_DEFAULT, values) >= 0;

  ntk_handles_close(&held);
  NTK_CHECK(was_read, NTK_E_INPUT, "%s: cannot read '%s' at [%lld, %lld]: %s", s->path, s->name,
            (long long)start[0], (long long)start[1], NTK_REASON);
  return NTK_OK;
}

static ntk_status check_finite(const source *s, int64_t first, int64_t count, int64_t rows,
                               const double *columns) {
  int64_t bad = 0;

  while (bad < count * rows && isfinite(columns[bad])) ++bad;
  const long long i = rows ? bad % rows : 0, j = first + (rows ? bad / rows : 0);

  NTK_CHECK(bad == count * rows, NTK_E_INPUT, "%s: '%s'[%lld, %lld] is not a finite number",
            s->path, s->name, s->transposed ? i : j, s->transposed ? j : i);
  return NTK_OK;
}

/* Columns [first, first + count) of the matrix, one after the other. */
static ntk_status read_columns(void *context, int64_t first, int64_t count, int64_t rows,
                               double *columns) {
  const source *s = context;
  const hsize_t at = (hsize_t)first, n = (hsize_t)count, m = (hsize_t)rows;
  const hsize_t start[2] = {s->transposed ? 0 : at, s->transposed ? at : 0};
  const hsize_t extent[2] = {s->transposed ? m : n, s->transposed ? n : m};

  NTK_TRY(read_slab(s, start, extent, s->transposed ? s->row_major : columns));
  for (int64_t j = 0; s->row_major && j < count; ++j) {
    for (int64_t i = 0; i < rows; ++i) columns[j * rows + i] = s->row_major[i * count + j];
  }
  return check_finite(s, first, count, rows, columns);
}

static ntk_status read_matrix(source *s, ntk_matrix *m) {
  const ntk_comm *comm = m->grid->comm;

  NTK_AGREE(comm, comm->rank == 0 ? open_source(s, m) : NTK_OK);
  return ntk_panel_fill(m, read_columns, s);
}

ntk_status ntk_panel_read(const char *path, const char *name, bool transposed, ntk_matrix *matrix) {
  source s = {.path = path, .name = name, .transposed = transposed};
  const ntk_status status = read_matrix(&s, matrix);

  ntk_handles_close(&s.held);
  ntk_free(&s.row_major);
  return status;
}
