#include "skeleton.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ntk/base/crash.h"
#include "ntk/base/log.h"
#include "ntk/base/memory.h"
#include "ntk/base/text.h"
#include "ntk/store/group.h"
#include "ntk/store/handle.h"

enum { WORDS = sizeof(ntk_journal_record) / sizeof(uint64_t) };

ntk_status ntk_skeleton_names(const char *path, char *partial, char *temporary) {
  const int length = snprintf(partial, NTK_DURABLE_PATH, "%s" NTK_DURABLE_PARTIAL, path);

  (void)snprintf(temporary, NTK_DURABLE_PATH, "%s%s.tmp", path, NTK_DURABLE_PARTIAL);
  NTK_CHECK(length > 0 && length + 4 < NTK_DURABLE_PATH, NTK_E_CREATE, "path too long: %s", path);
  return NTK_OK;
}

static ntk_status print_identity(const ntk_checkpoint_content *c, ntk_text *text) {
  NTK_TRY(ntk_text_add(text, "panels 1\n%s\n%lld\n", c->key, (long long)c->notes));
  for (int64_t k = 0; k < c->count; ++k) {
    const ntk_checkpoint_matrix *m = &c->matrices[k];

    NTK_TRY(ntk_text_add(text, "%s %s %s %lld %lld %d\n", m->name, m->column_axis, m->row_axis,
                         (long long)m->rows, (long long)m->cols, m->symmetric));
  }
  return NTK_OK;
}

ntk_status ntk_skeleton_identity(const ntk_checkpoint_content *content, ntk_key identity) {
  ntk_text text = {0};
  const ntk_status status = print_identity(content, &text);

  ntk_hash_bytes(ntk_text_string(&text), text.length, identity);
  ntk_text_destroy(&text);
  return status;
}

/* ---- what HDF5 writes ------------------------------------------------------------------------ */

static void copy_name(char *target, size_t size, const char *text) {
  (void)snprintf(target, size, "%s", text ? text : "");
}

/* A table of numbers that is not written by HDF5, or of zeros that are. */
static void describe_table(const char *name, ntk_kind kind, const char *first, int64_t rows,
                           const char *second, int64_t cols, ntk_variable *v) {
  *v = (ntk_variable){.kind = kind, .rank = 2, .size = {rows, cols}, .count = rows * cols};
  copy_name(v->name, sizeof(v->name), name);
  copy_name(v->dimension[0], NTK_NAME_SIZE, first);
  copy_name(v->dimension[1], NTK_NAME_SIZE, second);
}

static void describe_matrix(const ntk_checkpoint_matrix *m, ntk_variable *v) {
  describe_table(m->name, NTK_KIND_REAL, m->column_axis, m->cols, m->row_axis, m->rows, v);
  copy_name(v->long_name, sizeof(v->long_name), m->long_name);
  copy_name(v->units, sizeof(v->units), m->units);
  copy_name(v->source, sizeof(v->source), m->source);
}

/* The header with the matrices behind its variables, which are borrowed; the journal, zeroed. */
typedef struct parts {
  ntk_record root, journal;
  ntk_variable *variables; /* of the root */
  ntk_variable table[2];   /* records, notes */
  int64_t *zeros;
} parts;

static ntk_status add_matrices(const ntk_checkpoint_content *c, parts *p) {
  static const ntk_record none = {0};
  const ntk_record *header = c->header ? c->header : &none;

  p->root = *header;
  NTK_TRY(NTK_NEW(header->variable_count + c->count, &p->variables));
  for (int64_t k = 0; k < header->variable_count; ++k) p->variables[k] = header->variables[k];
  for (int64_t k = 0; k < c->count; ++k) {
    describe_matrix(&c->matrices[k], &p->variables[header->variable_count + k]);
  }
  p->root.variables = p->variables;
  p->root.variable_count = header->variable_count + c->count;
  return NTK_OK;
}

static ntk_status add_journal(int64_t panels, int64_t notes, parts *p) {
  const int64_t records = (panels + 1) * WORDS, numbers = panels * notes;

  NTK_TRY(NTK_NEW(records > numbers ? records : numbers, &p->zeros));
  describe_table("journal", NTK_KIND_INT, "record", panels + 1, "word", WORDS, &p->table[0]);
  copy_name(p->table[0].long_name, sizeof(p->table[0].long_name),
            "hash of data, hash of notes, number of the write, check; the last record: finished");
  describe_table("note", NTK_KIND_REAL, "panel", panels, "number", notes, &p->table[1]);
  copy_name(p->table[1].long_name, sizeof(p->table[1].long_name), "numbers that go with a panel");
  p->table[0].data = p->table[1].data = p->zeros;
  copy_name(p->journal.name, sizeof(p->journal.name), "_ckpt");
  p->journal.variables = p->table;
  p->journal.variable_count = numbers > 0 ? 2 : 1;
  return NTK_OK;
}

/* Where HDF5 has put a dataset; nothing if it is empty. */
static ntk_status find_place(hid_t file, const char *path, const char *name, int64_t bytes,
                             ntk_trailer_part *part) {
  ntk_handles held = {0};
  const hid_t dataset = ntk_handles_add(&held, H5Dopen2(file, name, H5P_DEFAULT));
  const haddr_t offset = dataset >= 0 ? H5Dget_offset(dataset) : HADDR_UNDEF;

  ntk_handles_close(&held);
  if (bytes == 0) return NTK_OK;
  NTK_CHECK(offset != HADDR_UNDEF, NTK_E_IO, "%s: HDF5 does not tell where '%s' is: %s", path,
            name, NTK_REASON);
  part->offset = (int64_t)offset;
  part->bytes = bytes;
  return NTK_OK;
}

static int64_t count_panels(const ntk_checkpoint_matrix *m) {
  const int64_t width = ntk_checkpoint_width(m->rows, m->cols);

  return m->rows > 0 ? (m->cols + width - 1) / width : 0;
}

static ntk_status find_places(hid_t file, const char *path, const ntk_checkpoint_content *c,
                              int64_t panels, ntk_trailer_part *places) {
  const int64_t notes = panels * c->notes * (int64_t)sizeof(double);
  const int64_t records = (panels + 1) * (int64_t)sizeof(ntk_journal_record);

  NTK_TRY(find_place(file, path, "_ckpt/journal", records, &places[NTK_TRAILER_JOURNAL]));
  if (notes > 0) NTK_TRY(find_place(file, path, "_ckpt/note", notes, &places[NTK_TRAILER_NOTES]));
  for (int64_t k = 0; k < c->count; ++k) {
    const ntk_checkpoint_matrix *m = &c->matrices[k];
    ntk_trailer_part *part = &places[NTK_TRAILER_MATRICES + k];

    part->panels = count_panels(m);
    part->symmetric = m->symmetric;
    NTK_TRY(find_place(file, path, m->name, m->rows * m->cols * (int64_t)sizeof(double), part));
  }
  return NTK_OK;
}

static ntk_status write_parts(const char *path, const ntk_checkpoint_content *c, int64_t panels,
                              const parts *p, ntk_trailer_part *places) {
  hid_t file = H5I_INVALID_HID;

  NTK_TRY(ntk_group_create_file(path, true, &file));
  ntk_status written = ntk_group_write(file, path, &p->root, NULL);
  if (written == NTK_OK) written = ntk_group_write(file, path, &p->journal, NULL);
  if (written == NTK_OK) written = find_places(file, path, c, panels, places);
  const ntk_status closed = ntk_group_close_file(path, file);

  return closed != NTK_OK ? closed : written; /* a full disk explains the rest */
}

static ntk_status write_hdf5(const char *path, const ntk_checkpoint_content *c, int64_t panels,
                             ntk_trailer_part *places) {
  parts p = {0};
  ntk_status status = add_matrices(c, &p);

  if (status == NTK_OK) status = add_journal(panels, c->notes, &p);
  if (status == NTK_OK) status = write_parts(path, c, panels, &p, places);
  ntk_free(&p.variables);
  ntk_free(&p.zeros);
  return status;
}

/* ---- the file -------------------------------------------------------------------------------- */

static int64_t matrix_bytes(const ntk_checkpoint_content *c) {
  int64_t bytes = 0;

  for (int64_t k = 0; k < c->count; ++k) {
    bytes += c->matrices[k].rows * c->matrices[k].cols * (int64_t)sizeof(double);
  }
  return bytes;
}

static ntk_status append_trailer(int file, const char *path, ntk_trailer *trailer) {
  NTK_CHECK(file >= 0, NTK_E_IO, "%s: cannot open: %s", path, strerror(errno));
  return ntk_trailer_append(file, path, trailer);
}

static ntk_status add_trailer(const char *path, ntk_trailer *trailer) {
  const int file = open(path, O_RDWR | O_CLOEXEC);
  const ntk_status status = append_trailer(file, path, trailer);

  if (file >= 0) (void)close(file);
  return status;
}

/* Room for all is asked for before HDF5 begins, and held afterwards: HDF5 starts with an empty
 * file. */
static ntk_status write_skeleton(const char *temporary, const ntk_checkpoint_content *c,
                                 int64_t panels, ntk_trailer *trailer) {
  trailer->count = NTK_TRAILER_MATRICES + c->count;
  (void)snprintf(trailer->machine, sizeof(trailer->machine), "%s", c->machine ? c->machine : "");
  NTK_TRY(NTK_NEW(trailer->count, &trailer->parts));
  NTK_TRY(ntk_skeleton_identity(c, trailer->identity));
  NTK_TRY(ntk_durable_reserve(temporary, matrix_bytes(c)));
  ntk_crash_point("checkpoint.create");
  NTK_TRY(write_hdf5(temporary, c, panels, trailer->parts));
  NTK_TRY(ntk_durable_examine(temporary, &trailer->end));
  NTK_TRY(ntk_durable_reserve(temporary, trailer->end));
  NTK_TRY(add_trailer(temporary, trailer));
  return ntk_durable_sync(temporary);
}

static ntk_status remove_file(const char *path) {
  const bool gone = unlink(path) == 0 || errno == ENOENT || errno == ENOTDIR;

  NTK_CHECK(gone, NTK_E_CREATE, "%s: cannot remove: %s", path, strerror(errno));
  return NTK_OK;
}

static ntk_status replace_partial(const char *partial, const char *temporary,
                                  const ntk_checkpoint_content *c, int64_t panels,
                                  ntk_trailer *trailer) {
  NTK_TRY(remove_file(partial)); /* its room may be needed */
  NTK_TRY(write_skeleton(temporary, c, panels, trailer));
  ntk_crash_point("checkpoint.skeleton");
  return ntk_durable_rename(temporary, partial);
}

ntk_status ntk_skeleton_create(const char *path, const ntk_checkpoint_content *content,
                               int64_t panels, ntk_trailer *trailer) {
  char partial[NTK_DURABLE_PATH], temporary[NTK_DURABLE_PATH];

  NTK_TRY(ntk_skeleton_names(path, partial, temporary));
  const ntk_status status = replace_partial(partial, temporary, content, panels, trailer);

  if (status != NTK_OK) {
    (void)unlink(temporary);
    (void)unlink(partial);
  }
  return status;
}

/* ---- looking --------------------------------------------------------------------------------- */

static ntk_status check_size(int file, const char *path, struct stat *facts) {
  NTK_CHECK(fstat(file, facts) == 0, NTK_E_IO, "%s: %s", path, strerror(errno));
  return NTK_OK;
}

/* Why the file is of no use, NULL if it is of use so far. */
static const char *find_flaw(const ntk_trailer *t, ntk_trailer_state state, const ntk_key identity,
                             const ntk_checkpoint_content *c, int64_t panels) {
  if (state == NTK_TRAILER_NONE) return "it is cut off, or not a file that can be continued";
  if (state == NTK_TRAILER_BROKEN) return "damaged: its metadata do not match their hash";
  if (strcmp(t->identity, identity) != 0) return "it is of another configuration";
  const int64_t records = t->parts[NTK_TRAILER_JOURNAL].bytes;

  if (t->count != NTK_TRAILER_MATRICES + c->count) return "it has other matrices";
  return records == (panels + 1) * (int64_t)sizeof(ntk_journal_record) ? NULL
                                                                       : "its panels are others";
}

static ntk_status find_in(int file, const char *path, const ntk_checkpoint_content *c,
                          int64_t panels, ntk_trailer *t, ntk_journal *j, bool *found) {
  ntk_trailer_state state = NTK_TRAILER_NONE;
  ntk_key identity = "";
  struct stat facts = {0};
  int64_t damaged = 0;

  NTK_TRY(check_size(file, path, &facts));
  NTK_TRY(ntk_skeleton_identity(c, identity));
  NTK_TRY(ntk_trailer_read(file, path, (int64_t)facts.st_size, t, &state));
  const char *flaw = find_flaw(t, state, identity, c, panels);

  if (flaw) ntk_log("%s: not used: %s", path, flaw);
  if (flaw) return NTK_OK;
  NTK_TRY(ntk_journal_create(panels, c->notes, identity, j));
  NTK_TRY(ntk_journal_read(file, path, t, j, &damaged));
  if (damaged) {
    ntk_log("%s: damaged records of its journal: %lld; their panels are computed again", path,
            (long long)damaged);
  }
  *found = true;
  return NTK_OK;
}

ntk_status ntk_skeleton_find(const char *name, const ntk_checkpoint_content *content,
                             int64_t panels, ntk_trailer *trailer, ntk_journal *journal,
                             bool *found) {
  const int file = open(name, O_RDONLY | O_CLOEXEC);

  *found = false;
  if (file < 0 && (errno == ENOENT || errno == ENOTDIR)) return NTK_OK;
  if (file < 0) return NTK_RAISE(NTK_E_IO, "%s: cannot open: %s", name, strerror(errno));
  const ntk_status status = find_in(file, name, content, panels, trailer, journal, found);

  (void)close(file);
  if (status != NTK_OK || !*found) {
    ntk_trailer_destroy(trailer);
    ntk_journal_destroy(journal);
  }
  return status;
}
