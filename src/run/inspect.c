#include "ntk/run/inspect.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ntk/base/memory.h"
#include "ntk/config/scalar.h"
#include "ntk/run/command.h"
#include "ntk/store/file.h"
#include "ntk/store/slice.h"

enum { WIDTH = 100, VALUE_COLUMN = 34, DOC_COLUMN = 59, SHOWN_TEXTS = 8 };
enum { PATH_SIZE = 4096 };
enum { LARGEST_READ = 1 << 18 }; /* entries; larger arrays are shown without their range */

/* What is wrong is shown in its place; the first of it is what the call fails with. */
typedef struct view {
  ntk_text *text;
  bool verify;
  ntk_error wrong; /* status NTK_OK: nothing */
} view;

/* ---- lines --------------------------------------------------------------------------------- */

/* Characters of a text, a control character counting as one. */
static size_t width_of(const char *s) {
  size_t width = 0;

  for (; *s; ++width) {
    const size_t length = ntk_utf8_length(s);

    s += length ? length : 1;
  }
  return width;
}

/* At most `most` characters of `s`, without its further lines; files from elsewhere may hold
 * anything, so what a terminal would obey is replaced.  "..." where something is missing. */
static ntk_status add_clean(const char *s, size_t most, ntk_text *text) {
  size_t shown = 0;

  for (; *s && *s != '\n' && shown < most; ++shown) {
    const size_t length = ntk_utf8_length(s);
    const unsigned char c = (unsigned char)*s;
    const bool harmful = length == 0 || c < 0x20 || c == 0x7f || (c == 0xc2 && s[1] < '\xa0');

    NTK_TRY(ntk_text_add(text, "%.*s", harmful ? 1 : (int)length, harmful ? "?" : s));
    s += length ? length : 1;
  }
  while (*s == '\n') ++s;
  return *s ? ntk_text_add(text, " ...") : NTK_OK;
}

static size_t column_of(const ntk_text *text) {
  const char *all = ntk_text_string(text), *line = strrchr(all, '\n');

  return width_of(line ? line + 1 : all);
}

static ntk_status pad_to(size_t column, ntk_text *text) {
  const size_t now = column_of(text);

  return ntk_text_add(text, "%*s", now < column ? (int)(column - now) : 0, "");
}

/* Words in lines of at most WIDTH characters, which start at `indent`. */
static ntk_status add_words(const char *words, size_t indent, ntk_text *text) {
  for (bool first = true; *words; first = false) {
    const int length = (int)strcspn(words, " ");
    char word[NTK_NAME_SIZE + NTK_ADVICE_TEXT];

    (void)snprintf(word, sizeof(word), "%.*s", length, words);
    const bool wraps = !first && column_of(text) + 1 + width_of(word) > WIDTH;

    if (wraps) NTK_TRY(ntk_text_add(text, "\n"));
    if (wraps) NTK_TRY(pad_to(indent, text));
    NTK_TRY(ntk_text_add(text, "%s%s", first || wraps ? "" : " ", word));
    words += length;
    words += strspn(words, " ");
  }
  return NTK_OK;
}

/* Behind what stands in the line, if that leaves the column free. */
static ntk_status add_cell(const char *words, size_t column, ntk_text *text) {
  if (!*words) return NTK_OK;
  if (column_of(text) + 2 > column) NTK_TRY(ntk_text_add(text, "\n"));
  NTK_TRY(pad_to(column, text));
  return add_words(words, column, text);
}

/* "  name (dimensions)", values, meaning: three columns. */
static ntk_status add_row(const char *left, const char *values, const char *doc, ntk_text *text) {
  NTK_TRY(ntk_text_add(text, "  "));
  NTK_TRY(add_words(left, 6, text));
  NTK_TRY(add_cell(values, VALUE_COLUMN, text));
  NTK_TRY(add_cell(doc, DOC_COLUMN, text));
  return ntk_text_add(text, "\n");
}

/* ---- values -------------------------------------------------------------------------------- */

static double value_at(const ntk_variable *v, int64_t k) {
  switch (v->kind) {
    case NTK_KIND_REAL:
      return ((const double *)v->data)[k];
    case NTK_KIND_SINGLE:
      return (double)((const float *)v->data)[k];
    case NTK_KIND_INT:
      return (double)((const int64_t *)v->data)[k];
    case NTK_KIND_FLAG:
      return (double)((const int8_t *)v->data)[k];
    case NTK_KIND_TEXT:
      break;
  }
  return NAN;
}

static ntk_status add_range(const ntk_variable *v, ntk_text *text) {
  double low = INFINITY, high = -INFINITY;
  int64_t missing = 0;

  for (int64_t k = 0; k < v->count; ++k) {
    const double value = value_at(v, k);

    if (isnan(value)) ++missing;
    low = fmin(low, value);
    high = fmax(high, value);
  }
  if (missing == v->count) return ntk_text_add(text, "%s", v->count ? "all missing" : "empty");
  NTK_TRY(ntk_text_add(text, low < high ? "%.6g .. %.6g" : "%.6g", low, high));
  if (missing == 0) return NTK_OK;
  return ntk_text_add(text, ", %lld missing", (long long)missing);
}

/* As many as fit, at least one. */
static ntk_status add_texts(const ntk_variable *v, ntk_text *text) {
  char *const *entry = v->data;
  size_t used = 0;
  int64_t k = 0;

  for (; k < v->count && k < SHOWN_TEXTS; ++k) {
    const char *shown = entry[k] ? entry[k] : "";

    used += width_of(shown) + 2;
    if (k > 0 && used > WIDTH - VALUE_COLUMN - 10) break;
    NTK_TRY(ntk_text_add(text, k ? ", " : ""));
    NTK_TRY(add_clean(shown, WIDTH - VALUE_COLUMN - 10, text));
  }
  return k < v->count ? ntk_text_add(text, ", ...") : NTK_OK;
}

static ntk_status add_values(const ntk_variable *v, ntk_text *text) {
  if (v->kind == NTK_KIND_TEXT) return add_texts(v, text);
  if (v->rank > 0) return add_range(v, text);
  return v->kind == NTK_KIND_INT ? ntk_text_add(text, "%lld", (long long)*(const int64_t *)v->data)
                                 : ntk_text_add(text, "%.10g", value_at(v, 0));
}

static ntk_status add_size(const ntk_variable *v, ntk_text *text) {
  static const char *const names[] = {"double", "single", "integer", "flag", "text"};
  const double mebibytes = (double)v->count * (double)ntk_kind_size(v->kind) / 1048576;

  return ntk_text_add(text, "%s, %.3g MiB", names[v->kind], mebibytes);
}

static ntk_status read_values(const ntk_slice_file *file, const ntk_variable *v, ntk_text *text) {
  ntk_variable loaded;

  if (v->count > LARGEST_READ) return add_size(v, text);
  NTK_TRY(ntk_slice_load(file, v->name, &loaded));
  const ntk_status status = add_values(&loaded, text);

  ntk_variable_destroy(&loaded);
  return status;
}

/* ---- variables and attributes -------------------------------------------------------------- */

static const char *leaf_of(const char *name) {
  const char *slash = strrchr(name, '/');

  return slash ? slash + 1 : name;
}

/* Whether a name is "group/leaf". */
static bool is_in(const char *name, const char *group) {
  const size_t length = (size_t)(leaf_of(name) - name);

  if (length == 0) return !group[0];
  return length - 1 == strlen(group) && strncmp(name, group, length - 1) == 0;
}

/* "loss (width, time)"; of dimensions without name the sizes. */
static ntk_status add_left(const ntk_variable *v, ntk_text *text) {
  NTK_TRY(add_clean(leaf_of(v->name), NTK_NAME_SIZE, text));
  for (int k = 0; k < v->rank; ++k) {
    NTK_TRY(ntk_text_add(text, k ? ", " : " ("));
    if (v->dimension[k][0]) {
      NTK_TRY(add_clean(v->dimension[k], NTK_NAME_SIZE, text));
    } else {
      NTK_TRY(ntk_text_add(text, "%lld", (long long)v->size[k]));
    }
  }
  return v->rank ? ntk_text_add(text, ")") : NTK_OK;
}

static void note_wrong(view *w) {
  if (w->wrong.status == NTK_OK) w->wrong = *ntk_last_error();
}

static ntk_status compose_row(view *w, const ntk_slice_file *file, const ntk_variable *v,
                              ntk_text *left, ntk_text *values, ntk_text *doc) {
  NTK_TRY(add_left(v, left));
  if (w->verify && ntk_slice_verify(file, v) != NTK_OK) {
    note_wrong(w);
    NTK_TRY(ntk_text_add(values, "damaged"));
  } else if (read_values(file, v, values) != NTK_OK) {
    note_wrong(w);
    NTK_TRY(ntk_text_add(values, "cannot be read"));
  } else if (v->units[0] && strcmp(v->units, "1") != 0 && v->count > 0) {
    NTK_TRY(ntk_text_add(values, " "));
    NTK_TRY(add_clean(v->units, sizeof(v->units), values));
  }
  NTK_TRY(add_clean(v->long_name, sizeof(v->long_name), doc));
  return add_row(ntk_text_string(left), ntk_text_string(values), ntk_text_string(doc), w->text);
}

static ntk_status add_variable(view *w, const ntk_slice_file *file, const ntk_variable *v) {
  ntk_text left = {0}, values = {0}, doc = {0};
  const ntk_status status = compose_row(w, file, v, &left, &values, &doc);

  ntk_text_destroy(&left);
  ntk_text_destroy(&values);
  ntk_text_destroy(&doc);
  return status;
}

static ntk_status add_attribute(const ntk_attribute *a, ntk_text *text) {
  NTK_TRY(ntk_text_add(text, "  "));
  NTK_TRY(add_clean(leaf_of(a->name), NTK_NAME_SIZE, text));
  NTK_TRY(ntk_text_add(text, " = "));
  if (a->kind == NTK_KIND_REAL) return ntk_text_add(text, "%.10g\n", a->real);
  if (a->kind == NTK_KIND_INT) return ntk_text_add(text, "%lld\n", (long long)a->integer);
  const size_t used = column_of(text) + 4;

  NTK_TRY(add_clean(a->text, used < WIDTH ? WIDTH - used : 8, text));
  return ntk_text_add(text, "\n");
}

/* ---- groups -------------------------------------------------------------------------------- */

/* Whether a variable of the group before the k-th, or a dimension of this before the d-th, has that
 * dimension in that size. */
static bool is_listed(const ntk_record *all, const char *group, int64_t k, int d) {
  const ntk_variable *v = &all->variables[k];

  for (int64_t i = 0; i <= k; ++i) {
    const ntk_variable *other = &all->variables[i];

    if (!is_in(other->name, group)) continue;
    for (int e = 0; e < (i < k ? other->rank : d); ++e) {
      if (strcmp(other->dimension[e], v->dimension[d]) == 0 && other->size[e] == v->size[d]) {
        return true;
      }
    }
  }
  return false;
}

static ntk_status list_dimensions(const ntk_record *all, const char *group, ntk_text *list) {
  for (int64_t k = 0; k < all->variable_count; ++k) {
    const ntk_variable *v = &all->variables[k];

    if (!is_in(v->name, group)) continue;
    for (int d = 0; d < v->rank; ++d) {
      if (!v->dimension[d][0] || is_listed(all, group, k, d)) continue;
      NTK_TRY(ntk_text_add(list, list->length ? ", " : "dimensions: "));
      NTK_TRY(add_clean(v->dimension[d], NTK_NAME_SIZE, list));
      NTK_TRY(ntk_text_add(list, " %lld", (long long)v->size[d]));
    }
  }
  return NTK_OK;
}

static ntk_status add_dimensions(const ntk_record *all, const char *group, ntk_text *text) {
  ntk_text list = {0};
  ntk_status status = list_dimensions(all, group, &list);

  if (status == NTK_OK && list.length) status = add_row(list.data, "", "", text);
  ntk_text_destroy(&list);
  return status;
}

/* Attributes of variables are left out: units and meaning stand in the variable's line. */
static ntk_status add_group(view *w, const ntk_slice_file *file, const char *group) {
  const ntk_record *all = &file->list;

  NTK_TRY(ntk_text_add(w->text, "\n/"));
  NTK_TRY(add_clean(group, NTK_NAME_SIZE, w->text));
  NTK_TRY(ntk_text_add(w->text, "\n"));
  for (int64_t k = 0; k < all->attribute_count; ++k) {
    if (is_in(all->attributes[k].name, group)) {
      NTK_TRY(add_attribute(&all->attributes[k], w->text));
    }
  }
  NTK_TRY(add_dimensions(all, group, w->text));
  for (int64_t k = 0; k < all->variable_count; ++k) {
    if (is_in(all->variables[k].name, group)) {
      NTK_TRY(add_variable(w, file, &all->variables[k]));
    }
  }
  return NTK_OK;
}

/* Name k among those of variables and attributes. */
static const char *name_at(const ntk_record *all, int64_t k) {
  return k < all->variable_count ? all->variables[k].name
                                 : all->attributes[k - all->variable_count].name;
}

static void folder_of(const char *name, char *folder) {
  const size_t length = (size_t)(leaf_of(name) - name);

  (void)snprintf(folder, NTK_NAME_SIZE, "%.*s", length ? (int)length - 1 : 0, name);
}

/* A group is shown when its first member comes by; the root is always shown, and first. */
static ntk_status add_groups(view *w, const ntk_slice_file *file) {
  const ntk_record *all = &file->list;
  const int64_t count = all->variable_count + all->attribute_count;
  char group[NTK_NAME_SIZE];

  NTK_TRY(add_group(w, file, ""));
  for (int64_t k = 0; k < count; ++k) {
    bool seen = false;

    folder_of(name_at(all, k), group);
    for (int64_t b = 0; b < k && !seen; ++b) seen = is_in(name_at(all, b), group);
    if (seen || !group[0] || ntk_record_find(all, group)) continue;
    NTK_TRY(add_group(w, file, group));
  }
  return NTK_OK;
}

static ntk_status inspect_file(view *w, const char *path) {
  ntk_slice_file file = {0};

  NTK_TRY(ntk_slice_open(path, &file));
  ntk_status status = ntk_text_add(w->text, "%s, %lld bytes\n", path, (long long)file.size);
  if (status == NTK_OK) status = add_groups(w, &file);
  ntk_slice_close(&file);
  return status;
}

/* ---- folders ------------------------------------------------------------------------------- */

static ntk_status list_groups(const char *path, ntk_text *groups) {
  ntk_record keys = {0};

  NTK_TRY(ntk_file_keys(path, &keys));
  ntk_status status = NTK_OK;
  for (int64_t k = 0; k < keys.attribute_count && status == NTK_OK; ++k) {
    status = ntk_text_add(groups, groups->length ? " /" : "/");
    if (status == NTK_OK) status = add_clean(keys.attributes[k].name, NTK_NAME_SIZE, groups);
  }
  if (status == NTK_OK && !groups->length) status = ntk_text_add(groups, "/");
  ntk_record_destroy(&keys);
  return status;
}

static ntk_status verify_file(const char *path) {
  ntk_slice_file file = {0};
  ntk_status status = ntk_slice_open(path, &file);

  for (int64_t k = 0; k < file.list.variable_count && status == NTK_OK; ++k) {
    status = ntk_slice_verify(&file, &file.list.variables[k]);
  }
  ntk_slice_close(&file);
  return status;
}

static ntk_status add_file_lines(view *w, const char *path, int64_t size) {
  ntk_text groups = {0};
  const char *row = "";
  ntk_status status = ntk_text_add(w->text, "%s, %lld bytes\n", path, (long long)size);

  if (status == NTK_OK && list_groups(path, &groups) != NTK_OK) {
    row = "cannot be read";
  } else if (status == NTK_OK && w->verify && verify_file(path) != NTK_OK) {
    row = "damaged";
  }
  if (row[0]) note_wrong(w);
  if (status == NTK_OK) status = add_row(row[0] ? row : ntk_text_string(&groups), "", "", w->text);
  ntk_text_destroy(&groups);
  return status;
}

static ntk_status inspect_folder(view *w, const char *path);

static ntk_status visit(view *w, const char *folder, const char *name) {
  char path[PATH_SIZE];
  struct stat facts;
  const size_t length = strlen(name), end = strlen(folder);
  const char *slash = end > 0 && folder[end - 1] == '/' ? "" : "/";
  const int used = snprintf(path, sizeof(path), "%s%s%s", folder, slash, name);

  if (used >= (int)sizeof(path) || lstat(path, &facts) != 0) return NTK_OK;
  if (S_ISDIR(facts.st_mode)) return inspect_folder(w, path);
  if (length < 3 || strcmp(name + length - 3, ".h5") != 0) return NTK_OK;
  return add_file_lines(w, path, (int64_t)facts.st_size);
}

static ntk_status visit_all(view *w, const char *path, int count, struct dirent **entries) {
  for (int k = 0; k < count; ++k) {
    if (entries[k]->d_name[0] != '.') NTK_TRY(visit(w, path, entries[k]->d_name));
  }
  return NTK_OK;
}

static ntk_status inspect_folder(view *w, const char *path) {
  struct dirent **entries = NULL;
  const int count = scandir(path, &entries, NULL, alphasort);

  if (count < 0) return NTK_RAISE(NTK_E_IO, "%s: %s", path, strerror(errno));
  const ntk_status status = visit_all(w, path, count, entries);

  for (int k = 0; k < count; ++k) free(entries[k]);
  free(entries);
  return status;
}

static ntk_status inspect_top(view *w, const char *path) {
  const size_t before = w->text->length;

  NTK_TRY(inspect_folder(w, path));
  if (w->text->length > before) return NTK_OK;
  return ntk_text_add(w->text, "%s: no HDF5 files\n", path);
}

ntk_status ntk_inspect_text(const char *path, bool verify, ntk_text *text) {
  struct stat facts;
  view w = {.text = text, .verify = verify};

  NTK_CHECK(stat(path, &facts) == 0, NTK_E_MISSING, "%s: %s", path, strerror(errno));
  NTK_TRY(S_ISDIR(facts.st_mode) ? inspect_top(&w, path) : inspect_file(&w, path));
  return w.wrong.status == NTK_OK ? NTK_OK : NTK_RAISE(w.wrong.status, "%s", w.wrong.text);
}

ntk_status ntk_inspect(const char *path, bool verify) {
  ntk_text text = {0};
  const ntk_status status = ntk_inspect_text(path, verify, &text);

  (void)fputs(ntk_text_string(&text), stdout);
  (void)fflush(stdout); /* before the error */
  ntk_text_destroy(&text);
  return status;
}

int ntk_command_inspect(const ntk_arguments *arguments) {
  const ntk_status status = ntk_inspect(arguments->operand, arguments->verify);

  return status == NTK_OK ? 0 : ntk_complain(status);
}
