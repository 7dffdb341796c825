/* folder.h -- a fresh folder for the files of a test, removed at its end. */
#ifndef NTK_TESTS_FOLDER_H
#define NTK_TESTS_FOLDER_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

/* Makes a folder below $TMPDIR, or /tmp; `folder` is [4096]. */
static inline void folder_make(char *folder) {
  const char *parent = getenv("TMPDIR");

  (void)snprintf(folder, 4096, "%s/ntk-test-XXXXXX", parent && parent[0] ? parent : "/tmp");
  EXPECT(mkdtemp(folder));
}

/* "<folder>/<name>" in one of a few buffers that take turns. */
static inline const char *folder_path(const char *folder, const char *name) {
  static char path[8][4400];
  static int turn;
  char joined[4400]; /* the folder may be in one of the buffers */

  turn = (turn + 1) % 8;
  (void)snprintf(joined, sizeof(joined), "%s/%s", folder, name);
  memcpy(path[turn], joined, sizeof(joined));
  return path[turn];
}

/* Number of entries whose name contains `part`. */
static inline int folder_count(const char *folder, const char *part) {
  DIR *directory = opendir(folder);
  int count = 0;

  EXPECT(directory);
  for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
    if (entry->d_name[0] != '.' && strstr(entry->d_name, part)) ++count;
  }
  (void)closedir(directory);
  return count;
}

static inline void folder_remove(const char *folder) {
  char path[8192];
  struct stat facts;
  DIR *directory = opendir(folder);

  if (!directory) return;
  for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    EXPECT(snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) < (int)sizeof(path));
    if (lstat(path, &facts) == 0 && S_ISDIR(facts.st_mode))
      folder_remove(path);
    else
      (void)unlink(path);
  }
  (void)closedir(directory);
  (void)rmdir(folder);
}

#endif
