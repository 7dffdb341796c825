#include "ntk/run/inputs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ntk/store/file.h"

enum { LINE = NTK_KEY_SIZE + 1 + NTK_PATH_SIZE }; /* "HASH  PATH" */

void ntk_inputs_destroy(ntk_inputs *inputs) {
  ntk_free(&inputs->record);
  ntk_arena_destroy(&inputs->arena);
  *inputs = (ntk_inputs){0};
}

static ntk_status grow(ntk_inputs *inputs) {
  const int64_t room = 2 * inputs->room + 8;
  ntk_hash_record *record = NULL;

  NTK_TRY(NTK_NEW(room, &record));
  if (inputs->count > 0) memcpy(record, inputs->record, (size_t)inputs->count * sizeof(*record));
  ntk_free(&inputs->record);
  inputs->record = record;
  inputs->room = room;
  return NTK_OK;
}

static ntk_status add_input(ntk_inputs *inputs, const char *path, const ntk_key key) {
  if (inputs->count == inputs->room) NTK_TRY(grow(inputs));
  ntk_hash_record *record = &inputs->record[inputs->count];

  NTK_TRY(ntk_arena_copy(&inputs->arena, path, &record->path));
  memcpy(record->key, key, NTK_KEY_SIZE);
  inputs->last = inputs->count++;
  return NTK_OK;
}

/* ---- writing ----------------------------------------------------------------------------------- */

/* Points in a row name the same files in the same order. */
static bool has(ntk_inputs *inputs, const char *path) {
  for (int64_t k = 0; k < inputs->count; ++k) {
    const int64_t at = (inputs->last + 1 + k) % inputs->count;

    if (strcmp(inputs->record[at].path, path) != 0) continue;
    inputs->last = at;
    return true;
  }
  return false;
}

static ntk_status take(void *context, const char *path) {
  ntk_key key = "";

  if (has(context, path)) return NTK_OK;
  NTK_TRY(ntk_hash_path(path, key));
  return add_input(context, path, key);
}

static ntk_status collect(const ntk_job *job, ntk_inputs *inputs) {
  for (int64_t k = 0; k < job->point_count; ++k) {
    NTK_TRY(ntk_option_paths(&ntk_settings_section, &job->point[k].settings, take, inputs));
  }
  return NTK_OK;
}

static void file_path(const char *directory, char path[NTK_PATH_SIZE]) {
  const int length = snprintf(path, NTK_PATH_SIZE, "%s/inputs.txt", directory);

  if (length >= NTK_PATH_SIZE) path[0] = '\0'; /* leads nowhere */
}

static ntk_status write_list(const ntk_job *job, const ntk_inputs *inputs) {
  char path[NTK_PATH_SIZE];
  ntk_text text = {0};
  ntk_status status = NTK_OK;

  for (int64_t k = 0; k < inputs->count && status == NTK_OK; ++k) {
    status = ntk_text_add(&text, "%s  %s\n", inputs->record[k].key, inputs->record[k].path);
  }
  file_path(job->directory, path);
  if (status == NTK_OK) status = ntk_file_write_text(path, ntk_text_string(&text));
  ntk_text_destroy(&text);
  return status;
}

ntk_status ntk_inputs_write(const ntk_job *job) {
  ntk_inputs inputs = {0};
  ntk_status status = collect(job, &inputs);

  if (status == NTK_OK && inputs.count > 0) status = write_list(job, &inputs);
  ntk_inputs_destroy(&inputs);
  return status;
}

/* ---- reading ----------------------------------------------------------------------------------- */

static ntk_status read_line(char *line, ntk_inputs *inputs) {
  const size_t digits = NTK_KEY_SIZE - 1;
  ntk_key key = "";

  line[strcspn(line, "\n")] = '\0';
  if (strspn(line, "0123456789abcdef") != digits || strncmp(line + digits, "  ", 2) != 0) {
    return NTK_OK;
  }
  memcpy(key, line, digits);
  return add_input(inputs, line + digits + 2, key);
}

ntk_status ntk_inputs_read(const char *directory, ntk_inputs *inputs) {
  char path[NTK_PATH_SIZE], line[LINE];
  ntk_status status = NTK_OK;

  file_path(directory, path);
  FILE *file = fopen(path, "r");

  if (!file) return NTK_OK;
  while (status == NTK_OK && fgets(line, sizeof(line), file)) status = read_line(line, inputs);
  (void)fclose(file);
  return status;
}

/* ---- looking ----------------------------------------------------------------------------------- */

static ntk_status look(void *context, const char *path) {
  (void)context;
  NTK_CHECK(access(path, F_OK) == 0, NTK_E_MISSING, "%s: %s", path, strerror(errno));
  return NTK_OK;
}

static ntk_status look_at_point(const ntk_settings *settings) {
  const ntk_kernel_type *type = (const ntk_kernel_type *)settings->kernel.type.row;

  if (type->needs_network) NTK_TRY(ntk_data_present(&settings->data));
  return ntk_option_paths(&ntk_settings_section, settings, look, NULL);
}

ntk_status ntk_inputs_present(const ntk_job *job) {
  for (int64_t k = 0; k < job->point_count; ++k) NTK_TRY(look_at_point(&job->point[k].settings));
  return NTK_OK;
}
