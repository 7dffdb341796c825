/* Tables out of groups, rows out of panels. */
#include "ntk/run/export.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ntk/base/memory.h"
#include "ntk/config/scalar.h"
#include "ntk/run/command.h"
#include "ntk/run/csv.h"
#include "ntk/store/durable.h"
#include "ntk/store/file.h"
#include "ntk/store/slice.h"

enum { PANEL = 1 << 16 }; /* entries of a column that are in memory at a time */
enum { TABLE_NAME = 200, LISTED_TABLES = 12 };

/* ---- tables -------------------------------------------------------------------------------- */

/* Variables of one group with the same dimensions. */
typedef struct table {
  char name[TABLE_NAME + 16];
  const ntk_variable *first; /* of the columns; its dimensions are those of all */
  int64_t columns;
  bool chosen;
} table;

typedef struct tables {
  int64_t count;
  table *item; /* [variables of the file] */
  int64_t *of; /* [variables of the file]: the table a variable is a column of; -1: none */
} tables;

static const char *leaf_of(const char *name) {
  const char *slash = strrchr(name, '/');

  return slash ? slash + 1 : name;
}

static bool same_group(const ntk_variable *a, const ntk_variable *b) {
  const size_t length = (size_t)(leaf_of(a->name) - a->name);

  return length == (size_t)(leaf_of(b->name) - b->name) && strncmp(a->name, b->name, length) == 0;
}

static bool is_coordinate(const ntk_variable *v) {
  return v->rank == 1 && strcmp(v->dimension[0], leaf_of(v->name)) == 0;
}

static bool has_dimension(const ntk_variable *v, const char *name, int64_t size) {
  for (int k = 0; k < v->rank; ++k) {
    if (strcmp(v->dimension[k], name) == 0 && v->size[k] == size) return true;
  }
  return false;
}

/* Dimensions without a name say nothing about belonging together. */
static bool same_dimensions(const ntk_variable *a, const ntk_variable *b) {
  if (a->rank != b->rank) return false;
  for (int k = 0; k < a->rank; ++k) {
    if (!a->dimension[k][0] || strcmp(a->dimension[k], b->dimension[k]) != 0 ||
        a->size[k] != b->size[k]) {
      return false;
    }
  }
  return true;
}

/* Whether a coordinate stands in the rows of another variable of its group. */
static bool is_used(const ntk_record *list, const ntk_variable *coordinate) {
  for (int64_t k = 0; k < list->variable_count; ++k) {
    const ntk_variable *v = &list->variables[k];

    if (v != coordinate && same_group(v, coordinate) &&
        has_dimension(v, coordinate->dimension[0], coordinate->size[0])) {
      return true;
    }
  }
  return false;
}

/* Whatever stands in an HDF5 name, it becomes part of one file name. */
static void add_safely(const char *part, size_t length, char name[TABLE_NAME]) {
  size_t used = strlen(name);

  if (used && used + 1 < TABLE_NAME) name[used++] = '.';
  for (size_t k = 0; k < length && used + 1 < TABLE_NAME; ++k) {
    const char c = part[k];
    const bool safe = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_' || c == '-';

    name[used++] = (char)(safe ? c : '_');
  }
  name[used] = '\0';
}

static const table *find_table(const tables *all, const char *name) {
  for (int64_t k = 0; k < all->count; ++k) {
    if (strcmp(all->item[k].name, name) == 0) return &all->item[k];
  }
  return NULL;
}

static void name_table(const tables *all, const char *path, const ntk_variable *v, table *t) {
  const char *file = leaf_of(path), *leaf = leaf_of(v->name);
  const size_t stem = strlen(file) - (strstr(file, ".h5") ? strlen(strstr(file, ".h5")) : 0);
  char name[TABLE_NAME] = "", trial[sizeof(t->name)];

  if (leaf == v->name) add_safely(file, stem, name);
  for (const char *s = v->name; s < leaf; s += strcspn(s, "/") + 1) {
    add_safely(s, strcspn(s, "/"), name);
  }
  for (int k = 0; k < v->rank; ++k) {
    const char *dimension = v->dimension[k];

    if (!dimension[0]) { /* then the table has this column alone */
      add_safely(leaf, strlen(leaf), name);
      break;
    }
    add_safely(dimension, strlen(dimension), name);
  }
  (void)snprintf(trial, sizeof(trial), "%s", name);
  for (int k = 2; find_table(all, trial); ++k) {
    (void)snprintf(trial, sizeof(trial), "%s_%d", name, k);
  }
  (void)snprintf(t->name, sizeof(t->name), "%s", trial);
}

static int64_t table_of(const tables *all, const ntk_variable *v) {
  for (int64_t k = 0; k < all->count; ++k) {
    const ntk_variable *first = all->item[k].first;

    if (same_group(first, v) && same_dimensions(first, v)) return k;
  }
  return all->count;
}

static void sort_variables(const ntk_slice_file *file, tables *all) {
  const ntk_record *list = &file->list;

  for (int64_t k = 0; k < list->variable_count; ++k) {
    const ntk_variable *v = &list->variables[k];

    all->of[k] = -1;
    if (is_coordinate(v) && is_used(list, v)) continue;
    const int64_t at = table_of(all, v);
    table *t = &all->item[at];

    if (at == all->count) {
      t->first = v;
      name_table(all, file->path, v, t);
      ++all->count;
    }
    all->of[k] = at;
    ++t->columns;
  }
}

/* ---- choice -------------------------------------------------------------------------------- */

static bool is_chosen(const table *t, const char *group, size_t length) {
  const char *name = t->first->name;
  const size_t own = (size_t)(leaf_of(name) - name); /* with the slash */

  if (strlen(t->name) == length && strncmp(t->name, group, length) == 0) return true;
  if (length == 0) return own == 0;
  return own > length && strncmp(name, group, length) == 0 && name[length] == '/';
}

static int64_t choose(tables *all, const char *group) {
  int64_t chosen = 0;

  while (group && *group == '/') ++group;
  size_t length = group ? strlen(group) : 0;
  while (length > 0 && group[length - 1] == '/') --length;
  for (int64_t k = 0; k < all->count; ++k) {
    all->item[k].chosen = !group || is_chosen(&all->item[k], group, length);
    chosen += all->item[k].chosen;
  }
  return chosen;
}

/* "kernel, dynamics.time, ..." */
static ntk_status list_tables(const tables *all, bool chosen_only, ntk_text *text) {
  int64_t listed = 0;

  for (int64_t k = 0; k < all->count; ++k) {
    if (chosen_only && !all->item[k].chosen) continue;
    if (++listed > LISTED_TABLES) return ntk_text_add(text, ", ...");
    NTK_TRY(ntk_text_add(text, "%s%s", listed > 1 ? ", " : "", all->item[k].name));
  }
  return NTK_OK;
}

static ntk_status check_choice(const char *path, const tables *all, int64_t chosen,
                               const char *group, bool to_stdout, const char *names) {
  NTK_CHECK(all->count > 0, NTK_E_INPUT, "%s: holds no variables", path);
  NTK_CHECK(chosen > 0, NTK_E_USAGE, "%s: no group or table '%.80s'; the tables are %s", path,
            group ? group : "", names);
  NTK_CHECK(chosen == 1 || !to_stdout, NTK_E_USAGE,
            "%s: stdout takes one table; choose it with --group among %s", path, names);
  return NTK_OK;
}

static ntk_status choose_tables(const char *path, const char *group, bool to_stdout, tables *all) {
  const int64_t chosen = choose(all, group);
  ntk_text names = {0};
  ntk_status status = list_tables(all, chosen > 0, &names);

  if (status == NTK_OK) {
    status = check_choice(path, all, chosen, group, to_stdout, ntk_text_string(&names));
  }
  ntk_text_destroy(&names);
  return status;
}

/* ---- columns ------------------------------------------------------------------------------- */

/* A column of the table that is being written. */
typedef struct column {
  const ntk_variable *shape; /* NULL: positions along a dimension that has no coordinate */
  int dimension;             /* along which it runs; -1: along all */
  ntk_variable loaded;       /* coordinates and text are held whole */
  void *panel;               /* numbers: [PANEL], from the start of the panel */
} column;

/* The table that is being written. */
typedef struct writer {
  const ntk_slice_file *file;
  const table *table;
  int64_t count;
  column *column;
  const char *path; /* of the stream, for messages */
  FILE *stream;
  int64_t start[NTK_MAX_RANK], extent[NTK_MAX_RANK]; /* of the panel */
} writer;

static const ntk_variable *find_coordinate(const ntk_record *list, const ntk_variable *of,
                                           int dimension) {
  for (int64_t k = 0; k < list->variable_count; ++k) {
    const ntk_variable *v = &list->variables[k];

    if (same_group(v, of) && is_coordinate(v) && of->dimension[dimension][0] &&
        strcmp(v->dimension[0], of->dimension[dimension]) == 0 &&
        v->size[0] == of->size[dimension]) {
      return v;
    }
  }
  return NULL;
}

static ntk_status open_column(const writer *w, const ntk_variable *shape, int dimension,
                              column *c) {
  *c = (column){.shape = shape, .dimension = dimension};
  if (!shape) return NTK_OK;
  if (dimension >= 0 || shape->kind == NTK_KIND_TEXT) {
    return ntk_slice_load(w->file, shape->name, &c->loaded);
  }
  const int64_t room = shape->count < PANEL ? shape->count : PANEL;

  return ntk_new_unset((size_t)room, ntk_kind_size(shape->kind), &c->panel);
}

static ntk_status open_columns(writer *w, const tables *all) {
  const ntk_record *list = &w->file->list;
  const ntk_variable *first = w->table->first;
  const int64_t number = w->table - all->item;
  /* of a coordinate that no other variable uses, the values are the table's only column */
  const int leading = is_coordinate(first) ? 0 : first->rank;

  NTK_TRY(NTK_NEW(leading + w->table->columns, &w->column));
  for (int k = 0; k < leading; ++k) {
    NTK_TRY(open_column(w, find_coordinate(list, first, k), k, &w->column[w->count++]));
  }
  for (int64_t k = 0; k < list->variable_count; ++k) {
    if (all->of[k] != number) continue;
    NTK_TRY(open_column(w, &list->variables[k], -1, &w->column[w->count++]));
  }
  return NTK_OK;
}

static void close_columns(writer *w) {
  for (int64_t k = 0; k < w->count; ++k) {
    ntk_variable_destroy(&w->column[k].loaded);
    ntk_free(&w->column[k].panel);
  }
  ntk_free(&w->column);
}

/* ---- the header ---------------------------------------------------------------------------- */

static void column_name(const writer *w, int64_t k, char name[NTK_NAME_SIZE + 24]) {
  const column *c = &w->column[k];
  const ntk_variable *first = w->table->first;
  const char *plain = c->shape            ? leaf_of(c->shape->name)
                      : c->dimension >= 0 ? first->dimension[c->dimension]
                                          : "";

  if (*plain) {
    (void)snprintf(name, NTK_NAME_SIZE + 24, "%s", plain);
  } else {
    (void)snprintf(name, NTK_NAME_SIZE + 24, "index%d", c->dimension);
  }
}

/* Names are told apart where a file has, say, a dimension twice. */
static void write_header(const writer *w) {
  char name[NTK_NAME_SIZE + 24], other[NTK_NAME_SIZE + 24], unique[NTK_NAME_SIZE + 48];

  for (int64_t k = 0; k < w->count; ++k) {
    int same = 1;

    column_name(w, k, name);
    for (int64_t b = 0; b < k; ++b) {
      column_name(w, b, other);
      same += strcmp(name, other) == 0;
    }
    (void)snprintf(unique, sizeof(unique), "%s_%d", name, same);
    if (k) (void)fputc(',', w->stream);
    ntk_csv_text(w->stream, same > 1 ? unique : name);
  }
  (void)fputc('\n', w->stream);
}

/* ---- rows ---------------------------------------------------------------------------------- */

static void write_cell(const writer *w, const column *c, const int64_t *at, int64_t in_panel,
                       int64_t in_all) {
  const int64_t position = c->dimension >= 0 ? at[c->dimension] : in_all;

  if (!c->shape) {
    (void)fprintf(w->stream, "%lld", (long long)position);
  } else if (c->panel) {
    ntk_csv_entry(w->stream, c->shape->kind, c->panel, in_panel);
  } else {
    ntk_csv_entry(w->stream, c->shape->kind, c->loaded.data, position);
  }
}

/* Position of the panel's entry `k` along every dimension and among all entries. */
static int64_t locate(const writer *w, int64_t k, int64_t at[NTK_MAX_RANK]) {
  const ntk_variable *first = w->table->first;
  int64_t in_all = 0;

  for (int d = first->rank - 1; d >= 0; --d) {
    at[d] = w->start[d] + k % w->extent[d];
    k /= w->extent[d];
  }
  for (int d = 0; d < first->rank; ++d) in_all = in_all * first->size[d] + at[d];
  return in_all;
}

static ntk_status write_panel(const writer *w) {
  int64_t at[NTK_MAX_RANK] = {0}, entries = 1;

  for (int d = 0; d < w->table->first->rank; ++d) entries *= w->extent[d];
  for (int64_t k = 0; k < w->count; ++k) {
    const column *c = &w->column[k];

    if (c->panel) NTK_TRY(ntk_slice_read(w->file, c->shape, w->start, w->extent, c->panel));
  }
  for (int64_t e = 0; e < entries; ++e) {
    const int64_t in_all = locate(w, e, at);

    for (int64_t k = 0; k < w->count; ++k) {
      if (k) (void)fputc(',', w->stream);
      write_cell(w, &w->column[k], at, e, in_all);
    }
    (void)fputc('\n', w->stream);
  }
  NTK_CHECK(!ferror(w->stream), ntk_status_of_write(errno, NTK_E_IO), "%s: cannot write: %s",
            w->path, strerror(errno));
  return NTK_OK;
}

/* The dimension along which panels are cut: what is behind it fits. */
static int find_cut(const ntk_variable *v, int64_t *step) {
  int64_t behind = 1;
  int cut = v->rank - 1;

  while (cut > 0 && behind * v->size[cut] <= PANEL) behind *= v->size[cut--];
  *step = PANEL / behind;
  return cut;
}

/* From panel to panel, in the order of the rows; false behind the last one. */
static bool next_panel(writer *w, int cut, int64_t step) {
  const ntk_variable *v = w->table->first;
  int d = cut;

  for (; d >= 0; --d) {
    w->start[d] += d == cut ? step : 1;
    if (w->start[d] < v->size[d]) break;
    w->start[d] = 0;
  }
  if (d < 0) return false;
  const int64_t left = v->size[cut] - w->start[cut];

  w->extent[cut] = left < step ? left : step;
  return true;
}

static ntk_status write_rows(writer *w) {
  const ntk_variable *v = w->table->first;
  int64_t step = 0;
  const int cut = find_cut(v, &step);

  if (v->count == 0) return NTK_OK;
  for (int d = 0; d < v->rank; ++d) {
    w->start[d] = 0;
    w->extent[d] = d < cut ? 1 : v->size[d];
  }
  if (cut >= 0 && step < v->size[cut]) w->extent[cut] = step;
  do {
    NTK_TRY(write_panel(w));
  } while (cut >= 0 && next_panel(w, cut, step));
  return NTK_OK;
}

/* ---- files --------------------------------------------------------------------------------- */

static ntk_status write_table(const ntk_slice_file *file, const tables *all, const table *t,
                              const char *path, FILE *stream) {
  writer w = {.file = file, .table = t, .path = path, .stream = stream};
  ntk_status status = open_columns(&w, all);

  if (status == NTK_OK) {
    write_header(&w);
    status = write_rows(&w);
  }
  close_columns(&w);
  return status;
}

static ntk_status write_file(const ntk_slice_file *file, const tables *all, const table *t,
                             const char *path) {
  FILE *stream = fopen(path, "w");

  if (!stream) {
    return NTK_RAISE(ntk_status_of_write(errno, NTK_E_CREATE), "%s: cannot create: %s", path,
                     strerror(errno));
  }
  const ntk_status status = write_table(file, all, t, path, stream);
  const bool written = !ferror(stream);
  const bool closed = fclose(stream) == 0;

  NTK_TRY(status);
  NTK_CHECK(written && closed, ntk_status_of_write(errno, NTK_E_IO), "%s: cannot write: %s", path,
            strerror(errno));
  return ntk_durable_sync(path);
}

static ntk_status replace_file(const ntk_slice_file *file, const tables *all, const table *t,
                               const char *folder, ntk_text *names) {
  char path[NTK_DURABLE_PATH], temporary[NTK_DURABLE_PATH];
  const int length = snprintf(path, sizeof(path), "%s/%s.csv", folder, t->name);

  NTK_CHECK(length < (int)sizeof(path), NTK_E_CREATE, "path too long: %s", path);
  NTK_TRY(ntk_durable_name(path, temporary));
  ntk_status status = write_file(file, all, t, temporary);
  if (status == NTK_OK) status = ntk_durable_rename(temporary, path);
  if (status != NTK_OK) (void)unlink(temporary);
  NTK_TRY(status);
  return ntk_text_add(names, "%s\n", path);
}

/* "runs/x/sweep.h5" gives "runs/x/sweep_csv". */
static ntk_status default_folder(const char *path, char folder[NTK_DURABLE_PATH]) {
  const size_t length = strlen(path);
  const bool ends = length > 3 && strcmp(path + length - 3, ".h5") == 0;
  const int stem = (int)(ends ? length - 3 : length);
  const int used = snprintf(folder, NTK_DURABLE_PATH, "%.*s_csv", stem, path);

  NTK_CHECK(used < NTK_DURABLE_PATH, NTK_E_CREATE, "path too long: %s", path);
  return NTK_OK;
}

static ntk_status write_tables(const ntk_slice_file *file, const tables *all, const char *output,
                               ntk_text *names) {
  char folder[NTK_DURABLE_PATH] = "";
  const bool to_stdout = output && strcmp(output, "-") == 0;

  if (!output) {
    NTK_TRY(default_folder(file->path, folder));
    output = folder;
  }
  if (!to_stdout) NTK_TRY(ntk_directory_make(output));
  for (int64_t k = 0; k < all->count; ++k) {
    const table *t = &all->item[k];

    if (!t->chosen) continue;
    NTK_TRY(to_stdout ? write_table(file, all, t, "the output", stdout)
                      : replace_file(file, all, t, output, names));
  }
  return NTK_OK;
}

static ntk_status export_file(const ntk_slice_file *file, const char *group, const char *output,
                              tables *all, ntk_text *names) {
  const bool to_stdout = output && strcmp(output, "-") == 0;

  NTK_TRY(NTK_NEW(file->list.variable_count, &all->item));
  NTK_TRY(NTK_NEW(file->list.variable_count, &all->of));
  sort_variables(file, all);
  NTK_TRY(choose_tables(file->path, group, to_stdout, all));
  return write_tables(file, all, output, names);
}

ntk_status ntk_export_csv(const char *path, const char *group, const char *output,
                          ntk_text *names) {
  ntk_slice_file file = {0};
  tables all = {0};

  NTK_TRY(ntk_slice_open(path, &file));
  const ntk_status status = export_file(&file, group, output, &all, names);

  ntk_free(&all.item);
  ntk_free(&all.of);
  ntk_slice_close(&file);
  return status;
}

int ntk_command_export(const ntk_arguments *arguments) {
  ntk_text names = {0};
  const ntk_status status =
      ntk_export_csv(arguments->operand, arguments->group, arguments->output, &names);

  (void)fputs(ntk_text_string(&names), stdout); /* also those before a failure */
  ntk_text_destroy(&names);
  return status == NTK_OK ? 0 : ntk_complain(status);
}
