#include "ntk/run/inspect.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ntk/base/memory.h"
#include "ntk/store/file.h"

enum { NAME_WIDTH = 24, SHAPE_WIDTH = 36, LINE_WIDTH = 88, SHOWN_TEXTS = 4, SHOWN_WIDTH = 32 };
enum { PATH_SIZE = 4096 };
enum { LARGEST_READ = 1 << 18 }; /* entries; larger arrays are shown without their range */

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
  NTK_TRY(ntk_text_add(text, "%.6g .. %.6g", low, high));
  if (missing == 0) return NTK_OK;
  return ntk_text_add(text, ", %lld missing", (long long)missing);
}

static ntk_status add_texts(const ntk_variable *v, ntk_text *text) {
  char *const *entry = v->data;

  for (int64_t k = 0; k < v->count && k < SHOWN_TEXTS; ++k) {
    const char *shown = entry[k] ? entry[k] : "";
    const size_t line = strcspn(shown, "\n"), most = line < SHOWN_WIDTH ? line : SHOWN_WIDTH;

    NTK_TRY(
        ntk_text_add(text, "%s%.*s%s", k ? ", " : "", (int)most, shown, shown[most] ? "..." : ""));
  }
  return v->count > SHOWN_TEXTS ? ntk_text_add(text, ", ...") : NTK_OK;
}

static ntk_status add_values(const ntk_variable *v, ntk_text *text) {
  if (v->kind == NTK_KIND_TEXT) return add_texts(v, text);
  if (v->rank > 0) return add_range(v, text);
  return v->kind == NTK_KIND_INT ? ntk_text_add(text, "%lld", (long long)*(const int64_t *)v->data)
                                 : ntk_text_add(text, "%.10g", value_at(v, 0));
}

static ntk_status read_values(const char *path, const ntk_variable *v, ntk_text *text) {
  ntk_variable loaded;

  if (v->count > LARGEST_READ) return NTK_OK;
  NTK_TRY(ntk_file_read_variable(path, v->name, &loaded));
  const ntk_status status = add_values(&loaded, text);

  ntk_variable_destroy(&loaded);
  return status;
}

/* ---- lines --------------------------------------------------------------------------------- */

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

/* "(time: 60, output: 10)" */
static ntk_status add_shape(const ntk_variable *v, ntk_text *text) {
  for (int k = 0; k < v->rank; ++k) {
    NTK_TRY(ntk_text_add(text, "%s%s%s%lld", k ? ", " : "(", v->dimension[k],
                         v->dimension[k][0] ? ": " : "", (long long)v->size[k]));
  }
  return v->rank ? ntk_text_add(text, ")") : NTK_OK;
}

static ntk_status describe(const char *path, const ntk_variable *v, ntk_text *shape,
                           ntk_text *values, ntk_text *text) {
  const bool has_units = v->units[0] && strcmp(v->units, "1") != 0;

  NTK_TRY(add_shape(v, shape));
  NTK_TRY(read_values(path, v, values));
  NTK_TRY(ntk_text_add(text, "  %-*s %-*s %s%s%s", NAME_WIDTH, leaf_of(v->name), SHAPE_WIDTH,
                       ntk_text_string(shape), ntk_text_string(values), has_units ? " " : "",
                       has_units ? v->units : ""));
  if (v->long_name[0]) NTK_TRY(ntk_text_add(text, "   # %s", v->long_name));
  return ntk_text_add(text, "\n");
}

static ntk_status add_variable(const char *path, const ntk_variable *v, ntk_text *text) {
  ntk_text shape = {0}, values = {0};
  const ntk_status status = describe(path, v, &shape, &values, text);

  ntk_text_destroy(&shape);
  ntk_text_destroy(&values);
  return status;
}

static ntk_status add_attribute(const ntk_attribute *a, ntk_text *text) {
  const char *leaf = leaf_of(a->name);

  if (a->kind == NTK_KIND_REAL) return ntk_text_add(text, "  %s = %.10g\n", leaf, a->real);
  if (a->kind == NTK_KIND_INT) {
    return ntk_text_add(text, "  %s = %lld\n", leaf, (long long)a->integer);
  }
  const size_t line = strcspn(a->text, "\n"), shown = line < LINE_WIDTH ? line : LINE_WIDTH;

  return ntk_text_add(text, "  %s = %.*s%s\n", leaf, (int)shown, a->text,
                      a->text[shown] && strcmp(a->text + shown, "\n") != 0 ? " ..." : "");
}

/* Attributes of variables are left out: units and meaning stand in the variable's line. */
static ntk_status add_group(const char *path, const ntk_record *all, const char *group,
                            ntk_text *text) {
  NTK_TRY(ntk_text_add(text, "\n/%s\n", group));
  for (int64_t k = 0; k < all->attribute_count; ++k) {
    if (is_in(all->attributes[k].name, group)) NTK_TRY(add_attribute(&all->attributes[k], text));
  }
  for (int64_t k = 0; k < all->variable_count; ++k) {
    if (is_in(all->variables[k].name, group)) NTK_TRY(add_variable(path, &all->variables[k], text));
  }
  return NTK_OK;
}

/* ---- files --------------------------------------------------------------------------------- */

/* Name k among those of attributes and variables. */
static const char *name_at(const ntk_record *all, int64_t k) {
  return k < all->variable_count ? all->variables[k].name
                                 : all->attributes[k - all->variable_count].name;
}

static void folder_of(const char *name, char *folder) {
  const size_t length = (size_t)(leaf_of(name) - name);

  (void)snprintf(folder, NTK_NAME_SIZE, "%.*s", length ? (int)length - 1 : 0, name);
}

/* A group is shown when its first member comes by; the root is always shown, and first. */
static ntk_status add_groups(const char *path, const ntk_record *all, ntk_text *text) {
  const int64_t count = all->variable_count + all->attribute_count;
  char group[NTK_NAME_SIZE];

  NTK_TRY(add_group(path, all, "", text));
  for (int64_t k = 0; k < count; ++k) {
    bool seen = false;

    folder_of(name_at(all, k), group);
    for (int64_t b = 0; b < k && !seen; ++b) seen = is_in(name_at(all, b), group);
    if (seen || !group[0] || ntk_record_find(all, group)) continue;
    NTK_TRY(add_group(path, all, group, text));
  }
  return NTK_OK;
}

static ntk_status inspect_file(const char *path, int64_t size, ntk_text *text) {
  ntk_record all = {0};

  NTK_TRY(ntk_file_list(path, "", true, &all));
  ntk_status status = ntk_text_add(text, "%s, %lld bytes\n", path, (long long)size);
  if (status == NTK_OK) status = add_groups(path, &all, text);
  ntk_record_destroy(&all);
  return status;
}

/* ---- folders ------------------------------------------------------------------------------- */

static ntk_status add_file_line(const char *path, int64_t size, ntk_text *text) {
  ntk_record keys = {0};

  NTK_TRY(ntk_file_keys(path, &keys));
  ntk_status status = ntk_text_add(text, "%s, %lld bytes:", path, (long long)size);
  for (int64_t k = 0; k < keys.attribute_count && status == NTK_OK; ++k) {
    status = ntk_text_add(text, " /%s", keys.attributes[k].name);
  }
  if (status == NTK_OK) status = ntk_text_add(text, "\n");
  ntk_record_destroy(&keys);
  return status;
}

static ntk_status inspect_folder(const char *path, ntk_text *text);

static ntk_status visit(const char *folder, const char *name, ntk_text *text) {
  char path[PATH_SIZE];
  struct stat facts;
  const size_t length = strlen(name);
  const int used = snprintf(path, sizeof(path), "%s/%s", folder, name);

  if (used >= (int)sizeof(path) || lstat(path, &facts) != 0) return NTK_OK;
  if (S_ISDIR(facts.st_mode)) return inspect_folder(path, text);
  if (length < 3 || strcmp(name + length - 3, ".h5") != 0) return NTK_OK;
  return add_file_line(path, (int64_t)facts.st_size, text);
}

static ntk_status visit_all(const char *path, int count, struct dirent **entries, ntk_text *text) {
  for (int k = 0; k < count; ++k) {
    if (entries[k]->d_name[0] != '.') NTK_TRY(visit(path, entries[k]->d_name, text));
  }
  return NTK_OK;
}

static ntk_status inspect_folder(const char *path, ntk_text *text) {
  struct dirent **entries = NULL;
  const int count = scandir(path, &entries, NULL, alphasort);

  if (count < 0) return NTK_RAISE(NTK_E_IO, "%s: %s", path, strerror(errno));
  const ntk_status status = visit_all(path, count, entries, text);

  for (int k = 0; k < count; ++k) free(entries[k]);
  free(entries);
  return status;
}

ntk_status ntk_inspect_text(const char *path, ntk_text *text) {
  struct stat facts;

  NTK_CHECK(stat(path, &facts) == 0, NTK_E_MISSING, "%s: %s", path, strerror(errno));
  return S_ISDIR(facts.st_mode) ? inspect_folder(path, text)
                                : inspect_file(path, (int64_t)facts.st_size, text);
}

ntk_status ntk_inspect(const char *path) {
  ntk_text text = {0};
  const ntk_status status = ntk_inspect_text(path, &text);

  if (status == NTK_OK) (void)fputs(ntk_text_string(&text), stdout);
  ntk_text_destroy(&text);
  return status;
}
