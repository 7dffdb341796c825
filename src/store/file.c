#include "ntk/store/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ntk/base/memory.h"
#include "ntk/base/text.h"
#include "ntk/store/durable.h"
#include "ntk/store/group.h"
#include "ntk/store/handle.h"
#include "seal.h"

void ntk_variable_destroy(ntk_variable *variable) {
  char **text = variable->data;

  for (int64_t k = 0; text && variable->kind == NTK_KIND_TEXT && k < variable->count; ++k) {
    ntk_free(&text[k]);
  }
  ntk_free(&variable->data);
}

/* A record makes room for what it describes: so the variable enters it as a scalar. */
ntk_status ntk_record_add_shape(ntk_record *record, const ntk_variable *shape,
                                ntk_variable **added) {
  const ntk_field field = {shape->name,   "",         shape->units, shape->long_name,
                           shape->source, shape->kind};

  NTK_TRY(ntk_record_add(record, &field, NULL, NULL));
  ntk_variable *last = &record->variables[record->variable_count - 1];

  ntk_free(&last->data);
  *last = *shape;
  last->data = NULL;
  if (added) *added = last;
  return NTK_OK;
}

/* ---- reading ------------------------------------------------------------------------------- */

static ntk_status open_group(ntk_handles *held, const char *path, const char *group,
                             ntk_group_query *query, hid_t *id) {
  hid_t file = H5I_INVALID_HID;

  query->path = path;
  NTK_TRY(ntk_group_open_file(path, &file, &query->file_size));
  (void)ntk_handles_add(held, file);
  NTK_HOLD(held, *id, H5Gopen2(file, group[0] ? group : "/", H5P_DEFAULT), NTK_E_INPUT,
           "%s: no group '%s': %s", path, group, NTK_REASON);
  return NTK_OK;
}

static ntk_status read_group(const char *path, const char *group, bool recursive,
                             ntk_group_part part, ntk_record *record) {
  ntk_group_query query = {.recursive = recursive, .part = part};
  ntk_handles held = {0};
  hid_t id = H5I_INVALID_HID;

  *record = (ntk_record){0};
  ntk_status status = open_group(&held, path, group, &query, &id);
  if (status == NTK_OK) status = ntk_group_read(id, &query, record);
  ntk_handles_close(&held);
  if (status != NTK_OK) ntk_record_destroy(record);
  (void)snprintf(record->name, sizeof(record->name), "%s", group);
  return status;
}

ntk_status ntk_file_read(const char *path, const char *group, bool recursive, ntk_record *record) {
  return read_group(path, group, recursive, NTK_GROUP_DATA, record);
}

ntk_status ntk_file_list(const char *path, const char *group, bool recursive, ntk_record *record) {
  return read_group(path, group, recursive, NTK_GROUP_SHAPES, record);
}

/* ---- keys ------------------------------------------------------------------------------------ */

/* Lines "<key> TAB <group>", beside the seal. */
static ntk_status print_keys(const ntk_record *keys, ntk_text *lines) {
  for (int64_t k = 0; k < keys->attribute_count; ++k) {
    NTK_TRY(ntk_text_add(lines, "%s\t%s\n", keys->attributes[k].text, keys->attributes[k].name));
  }
  return NTK_OK;
}

/*   lines  overwritten */
static ntk_status parse_keys(const char *path, char *lines, ntk_record *keys) {
  for (char *line = lines, *end; *line; line = end + 1) {
    char *group = strchr(line, '\t');

    end = strchr(line, '\n');
    NTK_CHECK(group && end && group < end && end - group <= NTK_NAME_SIZE, NTK_E_INPUT,
              "%s: the keys at its end are malformed; delete it", path);
    *group++ = *end = '\0';
    NTK_TRY(ntk_group_note_key(keys, group, line));
  }
  return NTK_OK;
}

static ntk_status find_keys(const char *path, char *lines, ntk_record *keys) {
  if (!lines) return read_group(path, "", false, NTK_GROUP_KEYS, keys);
  const ntk_status status = parse_keys(path, lines, keys);

  if (status != NTK_OK) ntk_record_destroy(keys);
  return status;
}

ntk_status ntk_file_keys(const char *path, ntk_record *keys) {
  char *lines = NULL;

  *keys = (ntk_record){0};
  if (access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR)) return NTK_OK;
  NTK_TRY(ntk_durable_keys(path, &lines));
  const ntk_status status = find_keys(path, lines, keys);

  ntk_free(&lines);
  return status;
}

/* ---- one variable ---------------------------------------------------------------------------- */

static ntk_status open_variable(ntk_handles *held, const char *path, const char *name,
                                ntk_group_query *query, hid_t *dataset, ntk_variable *variable) {
  hid_t root = H5I_INVALID_HID;

  NTK_TRY(open_group(held, path, "", query, &root));
  NTK_HOLD(held, *dataset, H5Dopen2(root, name, H5P_DEFAULT), NTK_E_INPUT,
           "%s: no variable '%s': %s", path, name, NTK_REASON);
  return ntk_group_describe(*dataset, query, name, variable);
}

static ntk_status load_variable(ntk_handles *held, const char *path, const char *name,
                                ntk_variable *variable) {
  ntk_group_query query = {.part = NTK_GROUP_DATA};
  hid_t dataset = H5I_INVALID_HID;

  NTK_TRY(open_variable(held, path, name, &query, &dataset, variable));
  return ntk_group_load(dataset, &query, variable);
}

static ntk_status check_variable(ntk_handles *held, const char *path, const char *name) {
  ntk_group_query query = {.part = NTK_GROUP_SHAPES};
  ntk_variable variable = {0};
  hid_t dataset = H5I_INVALID_HID;

  NTK_TRY(open_variable(held, path, name, &query, &dataset, &variable));
  return ntk_group_check_storage(dataset, &query, &variable);
}

ntk_status ntk_file_check_variable(const char *path, const char *name) {
  ntk_handles held = {0};
  const ntk_status status = check_variable(&held, path, name);

  ntk_handles_close(&held);
  return status;
}

ntk_status ntk_file_read_variable(const char *path, const char *name, ntk_variable *variable) {
  ntk_handles held = {0};

  *variable = (ntk_variable){0};
  const ntk_status status = load_variable(&held, path, name, variable);

  ntk_handles_close(&held);
  if (status != NTK_OK) {
    ntk_variable_destroy(variable);
    *variable = (ntk_variable){0};
  }
  return status;
}

/* ---- writing ------------------------------------------------------------------------------- */

/* What a new file consists of. */
typedef struct content {
  int64_t count;
  const ntk_record *records;
  const ntk_group_filling *filling; /* NULL: all variables have data */
  int64_t kept_count;
  ntk_record *kept; /* groups of the file that is replaced */
  ntk_backlog *backlog; /* with which it reaches the disk; NULL: at once */
} content;

static ntk_status write_groups(hid_t file, const char *path, const content *c) {
  for (int64_t k = 0; k < c->kept_count; ++k) {
    NTK_TRY(ntk_group_write(file, path, &c->kept[k], NULL));
  }
  for (int64_t k = 0; k < c->count; ++k) {
    NTK_TRY(ntk_group_write(file, path, &c->records[k], c->filling));
  }
  return NTK_OK;
}

static bool has_keys(const content *c) {
  bool found = false;

  for (int64_t k = 0; k < c->count && !found; ++k) {
    found = ntk_record_find_attribute(&c->records[k], "key") != NULL;
  }
  return found;
}

/* As a reader of the file finds them. */
static ntk_status list_keys(hid_t file, const char *path, ntk_text *lines) {
  const ntk_group_query query = {.path = path, .part = NTK_GROUP_KEYS};
  ntk_record keys = {0};
  ntk_status status = ntk_group_read(file, &query, &keys);

  if (status == NTK_OK) status = print_keys(&keys, lines);
  ntk_record_destroy(&keys);
  return status;
}

static ntk_status write_content(const char *path, const content *c, ntk_text *lines) {
  hid_t file = H5I_INVALID_HID;

  NTK_TRY(ntk_group_create_file(path, false, &file));
  ntk_status written = write_groups(file, path, c);

  if (written == NTK_OK && has_keys(c)) written = list_keys(file, path, lines);
  const ntk_status closed = ntk_group_close_file(path, file);

  NTK_TRY(closed != NTK_OK ? closed : written); /* a full disk explains the rest */
  return NTK_OK;
}

static ntk_status write_temporary(const char *temporary, const content *c) {
  ntk_text lines = {0};
  ntk_status status = write_content(temporary, c, &lines);

  if (status == NTK_OK) status = ntk_seal_append(temporary, lines.data);
  ntk_text_destroy(&lines);
  NTK_TRY(status);
  return c->backlog ? NTK_OK : ntk_durable_sync(temporary);
}

static ntk_status give_name(const char *temporary, const char *path, ntk_backlog *backlog) {
  if (!backlog) return ntk_durable_rename(temporary, path);
  NTK_CHECK(rename(temporary, path) == 0, ntk_status_of_write(errno, NTK_E_IO),
            "%s: cannot rename from %s: %s", path, temporary, strerror(errno));
  return ntk_backlog_add(backlog, path);
}

static ntk_status replace_file(const char *path, const content *c) {
  char temporary[NTK_DURABLE_PATH];

  NTK_TRY(ntk_durable_name(path, temporary));
  ntk_status status = write_temporary(temporary, c);
  if (status == NTK_OK) status = give_name(temporary, path, c->backlog);
  if (status != NTK_OK) (void)unlink(temporary);
  return status;
}

static bool is_replaced(const content *c, const char *group) {
  for (int64_t k = 0; k < c->count; ++k) {
    if (strcmp(c->records[k].name, group) == 0) return true;
  }
  return false;
}

/* Reads the groups to keep; `c->kept` has room for all. */
static ntk_status read_kept(const char *path, const char *const *keep, content *c) {
  ntk_record present = {0};
  ntk_status status = ntk_file_keys(path, &present);

  for (; status == NTK_OK && *keep; ++keep) {
    if (is_replaced(c, *keep) || !ntk_record_find_attribute(&present, *keep)) continue;
    status = ntk_file_read(path, *keep, true, &c->kept[c->kept_count++]);
  }
  ntk_record_destroy(&present);
  return status;
}

static ntk_status keep_and_replace(const char *path, const char *const *keep, content *c) {
  int64_t names = 0;

  while (keep[names]) ++names;
  NTK_TRY(NTK_NEW(names, &c->kept));
  NTK_TRY(read_kept(path, keep, c));
  return replace_file(path, c);
}

static void check_data(const content *c) {
  for (int64_t k = 0; k < c->count; ++k) {
    for (int64_t v = 0; v < c->records[k].variable_count; ++v) {
      NTK_ASSERT(c->records[k].variables[v].data);
    }
  }
}

ntk_status ntk_file_write(const char *path, int64_t count, const ntk_record *records,
                          const char *const *keep) {
  content c = {.count = count, .records = records};

  check_data(&c);
  if (!keep) return replace_file(path, &c);
  const ntk_status status = keep_and_replace(path, keep, &c);

  for (int64_t k = 0; k < c.kept_count; ++k) ntk_record_destroy(&c.kept[k]);
  ntk_free(&c.kept);
  return status;
}

ntk_status ntk_file_write_later(const char *path, int64_t count, const ntk_record *records,
                                ntk_backlog *backlog) {
  const content c = {.count = count, .records = records, .backlog = backlog};

  check_data(&c);
  return replace_file(path, &c);
}

ntk_status ntk_file_write_filled(const char *path, int64_t count, const ntk_record *records,
                                 ntk_variable_fill *fill, void *context) {
  const ntk_group_filling filling = {fill, context};
  const content c = {.count = count, .records = records, .filling = &filling};

  return replace_file(path, &c);
}

/* ---- text files and directories ------------------------------------------------------------ */

static ntk_status write_text(const char *temporary, const char *text) {
  FILE *file = fopen(temporary, "w");

  if (!file) {
    return NTK_RAISE(ntk_status_of_write(errno, NTK_E_CREATE), "%s: cannot create: %s", temporary,
                     strerror(errno));
  }
  const bool written = fputs(text, file) >= 0;
  const bool closed = fclose(file) == 0;

  NTK_CHECK(written && closed, ntk_status_of_write(errno, NTK_E_IO), "%s: cannot write: %s",
            temporary, strerror(errno));
  return ntk_durable_sync(temporary);
}

ntk_status ntk_file_write_text(const char *path, const char *text) {
  char temporary[NTK_DURABLE_PATH];

  ntk_durable_tidy_shared(path);
  NTK_TRY(ntk_durable_name(path, temporary));
  ntk_status status = write_text(temporary, text);
  if (status == NTK_OK) status = ntk_durable_rename(temporary, path);
  if (status != NTK_OK) (void)unlink(temporary);
  return status;
}

static ntk_status make_one(const char *path) {
  struct stat facts;

  if (stat(path, &facts) != 0) {
    const bool made = mkdir(path, 0777) == 0 || errno == EEXIST;

    NTK_CHECK(made, ntk_status_of_write(errno, NTK_E_CREATE), "%s: cannot create directory: %s",
              path, strerror(errno));
  }
  NTK_CHECK(stat(path, &facts) == 0 && S_ISDIR(facts.st_mode), NTK_E_CREATE,
            "%s: is not a directory", path);
  return NTK_OK;
}

ntk_status ntk_directory_make(const char *path) {
  char above[NTK_DURABLE_PATH];

  NTK_CHECK(path[0] && strlen(path) < sizeof(above), NTK_E_CREATE, "cannot create directory '%s'",
            path);
  (void)snprintf(above, sizeof(above), "%s", path);
  for (char *slash = strchr(above + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    NTK_TRY(make_one(above));
    *slash = '/';
  }
  return make_one(path);
}
