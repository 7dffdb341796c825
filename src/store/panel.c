#include "ntk/store/panel.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ntk/base/memory.h"
#include "ntk/store/durable.h"
#include "ntk/store/group.h"
#include "ntk/store/handle.h"

/* Memory of one panel on one rank, and the most that one call writes. */
enum { PANEL_DOUBLES = 4 << 20, CALL_DOUBLES = 128 << 20 };

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

/* ---- the skeleton: everything but the entries of the matrices ------------------------------ */

static void copy_name(char *target, size_t size, const char *text) {
  (void)snprintf(target, size, "%s", text ? text : "");
}

static void describe_matrix(const ntk_panel_matrix *panel, ntk_variable *variable) {
  variable->kind = NTK_KIND_REAL;
  variable->rank = 2;
  copy_name(variable->name, sizeof(variable->name), panel->name);
  copy_name(variable->dimension[0], NTK_NAME_SIZE, panel->column_axis);
  copy_name(variable->dimension[1], NTK_NAME_SIZE, panel->row_axis);
  copy_name(variable->long_name, sizeof(variable->long_name), panel->long_name);
  copy_name(variable->units, sizeof(variable->units), panel->units);
  copy_name(variable->source, sizeof(variable->source), panel->source);
  variable->size[0] = panel->matrix->cols;
  variable->size[1] = panel->matrix->rows;
  variable->count = variable->size[0] * variable->size[1];
}

static ntk_status write_file(const char *path, const ntk_record *all) {
  hid_t file = H5I_INVALID_HID;

  NTK_TRY(ntk_group_create_file(path, true, &file));
  const ntk_status written = ntk_group_write(file, path, all, NULL);
  const ntk_status closed = ntk_group_close_file(path, file);

  return closed != NTK_OK ? closed : written;
}

/* Room for all is asked for before HDF5 begins, and held afterwards: HDF5 starts with an empty
 * file. */
static ntk_status write_reserved(const char *path, const ntk_record *all) {
  int64_t size = 0;

  for (int64_t k = 0; k < all->variable_count; ++k) {
    size += all->variables[k].count * (int64_t)ntk_kind_size(all->variables[k].kind);
  }
  NTK_TRY(ntk_durable_reserve(path, size));
  NTK_TRY(write_file(path, all));
  NTK_TRY(ntk_durable_examine(path, &size));
  NTK_TRY(ntk_durable_reserve(path, size));
  return ntk_durable_sync(path);
}

/* Local, on rank 0.  The file with all its metadata; the header's variables are borrowed. */
static ntk_status write_skeleton(const char *path, const ntk_record *header, int64_t count,
                                 const ntk_panel_matrix *matrices) {
  ntk_record all = *header;

  all.variables = NULL;
  NTK_TRY(NTK_NEW(header->variable_count + count, &all.variables));
  for (int64_t k = 0; k < header->variable_count; ++k) all.variables[k] = header->variables[k];
  for (int64_t k = 0; k < count; ++k) {
    describe_matrix(&matrices[k], &all.variables[header->variable_count + k]);
  }
  all.variable_count += count;
  const ntk_status status = write_reserved(path, &all);

  ntk_free(&all.variables);
  return status;
}

/* ---- writing: all ranks -------------------------------------------------------------------- */

/* A file open on all ranks, and one of its matrices. */
typedef struct target {
  const char *path;
  const ntk_panel_matrix *panel;
  hid_t file, dataset, space;
} target;

/* Columns [first, first + count) as one contiguous run of the file. */
static ntk_status write_run(const target *t, int64_t first, int64_t count, const double *data) {
  const hsize_t start[2] = {(hsize_t)first, 0};
  const hsize_t extent[2] = {(hsize_t)count, (hsize_t)t->panel->matrix->rows};
  ntk_handles held = {0};

  const hid_t memory = ntk_handles_add(&held, H5Screate_simple(2, extent, NULL));
  const bool written =
      memory >= 0 &&
      H5Sselect_hyperslab(t->space, H5S_SELECT_SET, start, NULL, extent, NULL) >= 0 &&
      H5Dwrite(t->dataset, H5T_NATIVE_DOUBLE, memory, t->space, H5P_DEFAULT, data) >= 0;

  ntk_handles_close(&held);
  NTK_CHECK(written, NTK_E_IO, "%s: cannot write columns %lld to %lld of '%s': %s", t->path,
            (long long)first, (long long)(first + count - 1), t->panel->name, NTK_REASON);
  return NTK_OK;
}

/* One call of 2 GiB or more fails in MPI-IO. */
static ntk_status write_runs(const target *t, int64_t first, int64_t count, const double *data) {
  const int64_t rows = t->panel->matrix->rows;
  const int64_t most = CALL_DOUBLES / rows > 0 ? CALL_DOUBLES / rows : 1;

  for (int64_t done = 0; done < count; done += most) {
    NTK_TRY(write_run(t, first + done, least(most, count - done), data + done * rows));
  }
  return NTK_OK;
}

static ntk_status write_panels(const target *t, double *buffer) {
  const ntk_matrix *m = t->panel->matrix;
  const int64_t step = panel_columns(m);

  for (int64_t j = 0; j < m->cols && m->rows > 0; j += step) {
    int64_t first = 0, count = 0;

    NTK_TRY(ntk_matrix_columns(m, j, least(step, m->cols - j), &first, &count, buffer));
    NTK_AGREE(m->grid->comm, write_runs(t, first, count, buffer));
  }
  return NTK_OK;
}

static ntk_status write_with_buffer(const target *t) {
  const ntk_matrix *m = t->panel->matrix;
  double *buffer = NULL;
  ntk_status status = ntk_agree(m->grid->comm, NTK_NEW(panel_room(m), &buffer));

  if (status == NTK_OK) status = write_panels(t, buffer);
  ntk_free(&buffer);
  return status;
}

static ntk_status open_target(ntk_handles *held, target *t) {
  NTK_HOLD(held, t->dataset, H5Dopen2(t->file, t->panel->name, H5P_DEFAULT), NTK_E_IO,
           "%s: cannot open '%s': %s", t->path, t->panel->name, NTK_REASON);
  NTK_HOLD(held, t->space, H5Dget_space(t->dataset), NTK_E_IO, "%s: '%s': %s", t->path,
           t->panel->name, NTK_REASON);
  return NTK_OK;
}

/* Collective.  HDF5's calls on metadata are collective too, so every rank makes them before any
 * rank looks at what came of them. */
static ntk_status write_matrix(const ntk_comm *comm, const char *path, hid_t file,
                               const ntk_panel_matrix *panel) {
  target t = {.path = path, .panel = panel, .file = file};
  ntk_handles held = {0};
  ntk_status status = ntk_agree(comm, open_target(&held, &t));

  if (status == NTK_OK) status = write_with_buffer(&t);
  ntk_handles_close(&held);
  return status;
}

static ntk_status flush(hid_t file, const char *path) {
  const bool flushed = H5Fflush(file, H5F_SCOPE_GLOBAL) >= 0;

  NTK_CHECK(flushed, NTK_E_IO, "%s: cannot bring to disk: %s", path, NTK_REASON);
  return NTK_OK;
}

static ntk_status close_shared(hid_t file, const char *path) {
  const bool closed = H5Fclose(file) >= 0;

  NTK_CHECK(closed, NTK_E_IO, "%s: cannot close: %s", path, NTK_REASON);
  return NTK_OK;
}

static ntk_status prepare_access(ntk_handles *held, const ntk_comm *comm, const char *path,
                                 hid_t *properties) {
  const bool visible = access(path, R_OK | W_OK) == 0;

  NTK_CHECK(visible, NTK_E_CREATE,
            "%s: rank 0 has made this file, rank %d cannot open it: %s; is it on a file system "
            "that all nodes share?",
            path, comm->rank, strerror(errno));
  return ntk_handles_access(held, true, properties);
}

/* Collective: it duplicates the communicator.  Metadata are written by one rank for all. */
static bool set_driver(hid_t properties, const ntk_comm *comm) {
  const bool set = H5Pset_fapl_mpio(properties, comm->mpi, MPI_INFO_NULL) >= 0;

  return H5Pset_coll_metadata_write(properties, 1) >= 0 && set;
}

static ntk_status check_driver(bool set, const char *path) {
  NTK_CHECK(set, NTK_E_IO, "%s: no HDF5 driver for MPI: %s", path, NTK_REASON);
  return NTK_OK;
}

static ntk_status check_open(hid_t file, const char *path) {
  NTK_CHECK(file >= 0, NTK_E_IO, "%s: cannot open with MPI: %s", path, NTK_REASON);
  return NTK_OK;
}

/* The matrices of a file, and who makes them if they are not there yet. */
typedef struct content {
  int64_t count;
  const ntk_panel_matrix *matrices;
  ntk_panel_prepare *prepare; /* NULL: they are there */
  void *context;
} content;

/* Collective.  Fills the skeleton and brings it to disk on every rank. */
static ntk_status write_matrices(const ntk_comm *comm, const char *path, hid_t properties,
                                 const content *c) {
  const hid_t file = H5Fopen(path, H5F_ACC_RDWR, properties);
  ntk_status status = ntk_agree(comm, check_open(file, path));

  for (int64_t k = 0; status == NTK_OK && k < c->count; ++k) {
    if (c->prepare) status = c->prepare(c->context, k);
    if (status == NTK_OK) status = write_matrix(comm, path, file, &c->matrices[k]);
  }
  if (status == NTK_OK) status = ntk_agree(comm, flush(file, path));
  const ntk_status closed = ntk_agree(comm, file >= 0 ? close_shared(file, path) : NTK_OK);

  return status == NTK_OK ? closed : status;
}

static ntk_status fill_skeleton(const ntk_comm *comm, const char *path, const content *c) {
  ntk_handles held = {0};
  hid_t properties = H5I_INVALID_HID;
  ntk_status status = ntk_agree(comm, prepare_access(&held, comm, path, &properties));

  if (status == NTK_OK) {
    status = ntk_agree(comm, check_driver(set_driver(properties, comm), path));
  }
  if (status == NTK_OK) status = write_matrices(comm, path, properties, c);
  ntk_handles_close(&held);
  return status;
}

/* On rank 0, when all data are in.  The size is the last thing that could have gone wrong. */
static ntk_status publish(const char *temporary, const char *path) {
  int64_t size = 0;

  NTK_TRY(ntk_durable_examine(temporary, &size));
  NTK_TRY(ntk_durable_sync(temporary));
  return ntk_durable_rename(temporary, path);
}

/* The file gets its name last: without a journal only the name says that it is complete. */
static ntk_status write_all(const ntk_comm *comm, const char *path, const ntk_record *header,
                            const content *c) {
  char temporary[NTK_DURABLE_PATH] = "";
  const bool root = comm->rank == 0;

  NTK_AGREE(comm, root ? ntk_durable_name(path, temporary) : NTK_OK);
  ntk_comm_broadcast(comm, 0, temporary, sizeof(temporary));
  ntk_status status =
      ntk_agree(comm, root ? write_skeleton(temporary, header, c->count, c->matrices) : NTK_OK);

  if (status == NTK_OK) status = fill_skeleton(comm, temporary, c);
  if (status == NTK_OK) status = ntk_agree(comm, root ? publish(temporary, path) : NTK_OK);
  if (status != NTK_OK && root) (void)unlink(temporary);
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
