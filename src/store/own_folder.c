#include "ntk/store/own_folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lock_owner.h"
#include "ntk/store/durable.h"

enum { ENTRY = NTK_DURABLE_PATH + 256 + 1 };

static const char owner_name[] = "owner";

/* ---- going ------------------------------------------------------------------------------------- */

void ntk_own_folder_remove(const char *path) {
  DIR *entries = path[0] ? opendir(path) : NULL;

  for (struct dirent *e = entries ? readdir(entries) : NULL; e; e = readdir(entries)) {
    char file[ENTRY];

    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
    (void)snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
    (void)unlink(file);
  }
  if (!entries) return;
  (void)closedir(entries);
  (void)rmdir(path);
}

/* ---- what others have left --------------------------------------------------------------------- */

static bool read_owner(const char *folder, ntk_owner *owner) {
  char path[ENTRY + sizeof(owner_name)], text[NTK_OWNER_TEXT];

  (void)snprintf(path, sizeof(path), "%s/%s", folder, owner_name);
  FILE *file = fopen(path, "r");

  if (!file) return false;
  text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
  (void)fclose(file);
  return ntk_owner_read(text, owner);
}

static bool is_old(const char *folder) {
  const double day = 86400;
  struct stat facts;

  return stat(folder, &facts) == 0 && difftime(time(NULL), facts.st_mtime) > day;
}

static bool is_abandoned(const char *folder) {
  ntk_owner owner;

  return (read_owner(folder, &owner) && ntk_owner_gone(&owner)) || is_old(folder);
}

static void tidy(const char *directory, const char *name) {
  const size_t length = strlen(name);
  DIR *entries = opendir(directory);

  for (struct dirent *e = entries ? readdir(entries) : NULL; e; e = readdir(entries)) {
    char folder[ENTRY];

    if (e->d_name[0] != '.' || strncmp(e->d_name + 1, name, length) != 0) continue;
    if (e->d_name[1 + length] != '.') continue;
    (void)snprintf(folder, sizeof(folder), "%s/%s", directory, e->d_name);
    if (is_abandoned(folder)) ntk_own_folder_remove(folder);
  }
  if (entries) (void)closedir(entries);
}

/* ---- making ------------------------------------------------------------------------------------ */

static ntk_status write_owner(const char *folder, const ntk_owner *owner) {
  char path[NTK_DURABLE_PATH + sizeof(owner_name)], text[NTK_OWNER_TEXT];

  (void)snprintf(path, sizeof(path), "%s/%s", folder, owner_name);
  FILE *file = fopen(path, "w");
  const bool written = file && fputs(ntk_owner_print(owner, text), file) >= 0;
  const bool closed = file && fclose(file) == 0;

  NTK_CHECK(written && closed, ntk_status_of_write(errno, NTK_E_IO), "%s: cannot write: %s", path,
            strerror(errno));
  return NTK_OK;
}

static ntk_status make(const char *directory, const char *name, char *path) {
  ntk_owner owner;

  ntk_owner_self(1, &owner);
  const int length = snprintf(path, NTK_DURABLE_PATH, "%s/.%s.%s", directory, name, owner.nonce);

  NTK_CHECK(length > 0 && length < NTK_DURABLE_PATH, NTK_E_CREATE, "path too long: %s", directory);
  NTK_CHECK(mkdir(path, 0777) == 0, ntk_status_of_write(errno, NTK_E_CREATE),
            "%s: cannot create directory: %s", path, strerror(errno));
  return write_owner(path, &owner);
}

ntk_status ntk_own_folder_make(const char *directory, const char *name, char *path) {
  tidy(directory, name);
  const ntk_status status = make(directory, name, path);

  if (status == NTK_OK) return NTK_OK;
  ntk_own_folder_remove(path);
  path[0] = '\0';
  return status;
}
