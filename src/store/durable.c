/* fallocate(2) is Linux's own; posix_fallocate would write every block where the file system cannot
 * reserve. */
#ifdef __linux__
#define _GNU_SOURCE
#endif

#include "ntk/store/durable.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ntk/store/journal.h"
#include "seal.h"

/* ---- temporary files ------------------------------------------------------------------------- */

enum { HOST = 65 };

static void name_host(char host[HOST]) {
  memset(host, 0, HOST);
  (void)gethostname(host, HOST - 1);
}

ntk_status ntk_durable_name(const char *path, char *temporary) {
  char host[HOST];

  name_host(host);
  const int length = snprintf(temporary, NTK_DURABLE_PATH, "%s.tmp.%s.%ld", path, host,
                              (long)getpid());

  NTK_CHECK(length > 0 && length < NTK_DURABLE_PATH, NTK_E_CREATE, "path too long: %s", path);
  return NTK_OK;
}

/* Whether its process, of this host, is gone.
 *   owner  "<host>.<process>" */
static bool is_gone(const char *owner) {
  char host[HOST], *end = NULL;

  name_host(host);
  const size_t length = strlen(host);

  if (strncmp(owner, host, length) != 0 || owner[length] != '.') return false;
  const long process = strtol(owner + length + 1, &end, 10);

  return *end == '\0' && process > 0 && kill((pid_t)process, 0) != 0 && errno == ESRCH;
}

/* It takes moments to write one. */
static bool is_old(const char *path) {
  const double hour = 3600;
  struct stat facts;

  return lstat(path, &facts) == 0 && difftime(time(NULL), facts.st_mtime) > hour;
}

/* Removes entries of a folder that begin with `name` and ".tmp.".
 *   shared  not those of others that may be at work */
static void remove_temporaries(const char *folder, const char *name, bool shared) {
  const size_t length = strlen(name);
  DIR *entries = opendir(folder);

  for (struct dirent *e = entries ? readdir(entries) : NULL; e; e = readdir(entries)) {
    char path[NTK_DURABLE_PATH + 256];

    if (strncmp(e->d_name, name, length) != 0) continue;
    if (strncmp(e->d_name + length, ".tmp.", 5) != 0) continue;
    (void)snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
    if (!shared || is_gone(e->d_name + length + 5) || is_old(path)) (void)unlink(path);
  }
  if (entries) (void)closedir(entries);
}

static void tidy(const char *path, bool shared) {
  char folder[NTK_DURABLE_PATH];
  const char *slash = strrchr(path, '/');

  (void)snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) : 1,
                 slash ? path : ".");
  remove_temporaries(folder, slash ? slash + 1 : path, shared);
}

void ntk_durable_tidy(const char *path) { tidy(path, false); }

void ntk_durable_tidy_shared(const char *path) { tidy(path, true); }

/* ---- room ------------------------------------------------------------------------------------ */

static bool has_room(int file, int64_t bytes) {
#ifdef __linux__
  return fallocate(file, 0, 0, (off_t)bytes) == 0 || errno == EOPNOTSUPP || errno == ENOSYS ||
         errno == EINVAL || errno == ENODEV;
#else
  return true;
#endif
}

static ntk_status check_room(int file, const char *path, int64_t bytes) {
  NTK_CHECK(file >= 0, ntk_status_of_write(errno, NTK_E_CREATE), "%s: cannot create: %s", path,
            strerror(errno));
  NTK_CHECK(has_room(file, bytes), ntk_status_of_write(errno, NTK_E_IO),
            "%s: no room for %.3f GiB: %s", path, (double)bytes / 1073741824.0, strerror(errno));
  return NTK_OK;
}

ntk_status ntk_durable_reserve(const char *path, int64_t bytes) {
  const int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  const ntk_status status = check_room(file, path, bytes > 0 ? bytes : 1);

  if (file >= 0) (void)close(file);
  return status;
}

/* ---- to the disk ----------------------------------------------------------------------------- */

/* 0, or errno. */
static int force(const char *path, int flags) {
  const int file = open(path, flags | O_CLOEXEC);
  const int error = file < 0 || fsync(file) != 0 ? errno : 0;

  if (file >= 0) (void)close(file);
  return error;
}

/* Some file systems know no fsync of a directory; there is nothing more to be done there. */
static int force_folder(const char *folder) {
  const int error = force(folder, O_RDONLY);

  return error == EINVAL || error == ENOTSUP || error == EROFS || error == EBADF ? 0 : error;
}

static int force_name(const char *path, int levels) {
  char copy[NTK_DURABLE_PATH];
  char *folder = copy;
  int error = 0;

  (void)snprintf(copy, sizeof(copy), "%s", path);
  for (int k = 0; k < levels && !error; ++k) {
    folder = dirname(folder);
    error = force_folder(folder);
  }
  return error;
}

int ntk_durable_force(const char *path, int levels) {
  const int error = force(path, O_RDWR);

  return error ? error : force_name(path, levels);
}

ntk_status ntk_durable_sync(const char *path) {
  const int error = force(path, O_RDWR);

  NTK_CHECK(!error, ntk_status_of_write(error, NTK_E_IO), "%s: cannot bring to disk: %s", path,
            strerror(error));
  return NTK_OK;
}

static ntk_status sync_name(const char *path) {
  const int error = force_name(path, 1);

  NTK_CHECK(!error, ntk_status_of_write(error, NTK_E_IO),
            "%s: cannot bring its directory to disk: %s", path, strerror(error));
  return NTK_OK;
}

ntk_status ntk_durable_rename(const char *temporary, const char *path) {
  NTK_CHECK(rename(temporary, path) == 0, ntk_status_of_write(errno, NTK_E_IO),
            "%s: cannot rename from %s: %s", path, temporary, strerror(errno));
  return sync_name(path);
}

/* ---- examination --------------------------------------------------------------------------- */

enum { FIRST_USER_BLOCK = 512, LAST_USER_BLOCK = 1 << 20, SUPERBLOCK = 96 };

static uint64_t little_endian(const unsigned char *bytes, int count) {
  uint64_t value = 0;

  for (int k = count - 1; k >= 0; --k) value = value << 8 | bytes[k];
  return value;
}

/* The signature stands at 0, or behind a user block of 512, 1024, ... bytes. */
static int64_t find_superblock(int file, int64_t size, unsigned char *block) {
  static const unsigned char signature[] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};

  for (int64_t at = 0; at <= LAST_USER_BLOCK && at + SUPERBLOCK <= size;
       at = at ? 2 * at : FIRST_USER_BLOCK) {
    if (ntk_bytes_read(file, at, SUPERBLOCK, block) == 0 && memcmp(block, signature, 8) == 0) {
      return at;
    }
  }
  return -1;
}

/* Where the file ends, as the superblock states it; 0 if it is none that HDF5 1.8 to 1.14 write.
 * Superblocks 0 and 1: sizes at 13, addresses from 24 or 28 on; 2 and 3: size at 9, addresses from
 * 12 on.  Base, another, and then the end. */
static uint64_t stated_end(const unsigned char *block) {
  const int version = block[8];
  const int width = version < 2 ? block[13] : block[9];
  const int first = version == 0 ? 24 : version == 1 ? 28 : 12;

  if (version > 3 || (width != 4 && width != 8)) return 0;
  return little_endian(block + (ptrdiff_t)first + 2 * (ptrdiff_t)width, width);
}

static ntk_status examine_superblock(int file, const char *path, int64_t size) {
  unsigned char block[SUPERBLOCK];
  const int64_t at = find_superblock(file, size, block);

  NTK_CHECK(at >= 0, NTK_E_INPUT, "%s: not an HDF5 file (%lld bytes, no HDF5 signature)", path,
            (long long)size);
  const uint64_t end = stated_end(block);

  NTK_CHECK(end > 0, NTK_E_INPUT, "%s: HDF5 superblock at byte %lld is damaged", path,
            (long long)at);
  NTK_CHECK(end <= (uint64_t)size, NTK_E_INPUT,
            "%s: truncated: it has %lld bytes, its superblock states %llu", path, (long long)size,
            (unsigned long long)end);
  return NTK_OK;
}

/* ---- files that are written panel by panel --------------------------------------------------- */

static ntk_status check_finished(bool finished, const char *path) {
  NTK_CHECK(finished, NTK_E_INPUT,
            "%s: unfinished: the run that writes it was stopped, or is at work; run it again: when "
            "it is complete its name no longer ends in '" NTK_DURABLE_PARTIAL "'",
            path);
  return NTK_OK;
}

static bool has_partial_name(const char *path) {
  const size_t length = strlen(path), end = strlen(NTK_DURABLE_PARTIAL);

  return length >= end && strcmp(path + length - end, NTK_DURABLE_PARTIAL) == 0;
}

static ntk_status examine_trailer(int file, const char *path, int64_t size,
                                  ntk_trailer *trailer) {
  ntk_trailer_state state = NTK_TRAILER_NONE;
  int64_t written = 0, panels = 0;
  bool finished = true;

  NTK_TRY(ntk_trailer_read(file, path, size, trailer, &state));
  NTK_CHECK(state != NTK_TRAILER_BROKEN, NTK_E_INPUT,
            "%s: damaged: its metadata do not match the hash at its end; restore or delete it",
            path);
  if (state == NTK_TRAILER_NONE) return NTK_OK;
  NTK_TRY(ntk_journal_look(file, path, trailer, &written, &panels, &finished));
  return check_finished(finished, path);
}

static ntk_status examine_panels(int file, const char *path, int64_t size) {
  ntk_trailer trailer = {0};
  const ntk_status status = examine_trailer(file, path, size, &trailer);

  ntk_trailer_destroy(&trailer);
  return status;
}

static ntk_status examine(int file, const char *path, int64_t *size) {
  struct stat facts;

  NTK_CHECK(fstat(file, &facts) == 0, NTK_E_IO, "%s: %s", path, strerror(errno));
  NTK_CHECK(S_ISREG(facts.st_mode), NTK_E_INPUT, "%s: not a file", path);
  *size = (int64_t)facts.st_size;
  NTK_TRY(examine_superblock(file, path, *size));
  NTK_TRY(check_finished(!has_partial_name(path), path));
  NTK_TRY(examine_panels(file, path, *size));
  return ntk_seal_check(file, path, *size);
}

static ntk_status open_to_read(const char *path, int *file) {
  *file = open(path, O_RDONLY | O_CLOEXEC);
  if (*file >= 0) return NTK_OK;
  return NTK_RAISE(errno == ENOENT || errno == ENOTDIR ? NTK_E_MISSING : NTK_E_IO, "%s: %s", path,
                   strerror(errno));
}

ntk_status ntk_durable_examine(const char *path, int64_t *size) {
  int file = -1;

  NTK_TRY(open_to_read(path, &file));
  const ntk_status status = examine(file, path, size);

  (void)close(file);
  return status;
}

ntk_status ntk_durable_keys(const char *path, char **keys) {
  int64_t size = 0;
  int file = -1;

  *keys = NULL;
  NTK_TRY(open_to_read(path, &file));
  ntk_status status = examine(file, path, &size);

  if (status == NTK_OK) status = ntk_seal_keys(file, path, size, keys);
  (void)close(file);
  return status;
}
