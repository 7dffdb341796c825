#include "seal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ntk/base/hash.h"
#include "ntk/base/memory.h"
#include "ntk/store/bytes.h"

enum { MAGIC = 8, NUMBER = 8, KEYS_END = NUMBER + MAGIC, SEAL = MAGIC + NTK_KEY_SIZE - 1 };

static const char keys_magic[] = "NTKKEYS1", seal_magic[] = "NTKSEAL1";

static ntk_status hash_start(int file, const char *path, int64_t size, ntk_key key) {
  return ntk_bytes_hash(file, path, 1, &(ntk_bytes_extent){0, size}, key);
}

/* ---- writing --------------------------------------------------------------------------------- */

static ntk_status append(int file, const char *path, int64_t *size, int64_t count,
                         const char *bytes) {
  const int error = ntk_bytes_write(file, *size, count, bytes);

  NTK_CHECK(!error, ntk_status_of_write(error, NTK_E_IO), "%s: cannot write: %s", path,
            strerror(error));
  *size += count;
  return NTK_OK;
}

static ntk_status append_keys(int file, const char *path, int64_t *size, const char *keys) {
  const size_t count = strlen(keys);
  char end[KEYS_END];

  for (int k = 0; k < NUMBER; ++k) end[k] = (char)((uint64_t)count >> 8 * k & 0xff);
  memcpy(end + NUMBER, keys_magic, MAGIC);
  NTK_TRY(append(file, path, size, (int64_t)count, keys));
  return append(file, path, size, KEYS_END, end);
}

static ntk_status append_all(int file, const char *path, const char *keys) {
  struct stat facts;
  ntk_key key = "";
  char seal[SEAL + 1];

  NTK_CHECK(file >= 0 && fstat(file, &facts) == 0, NTK_E_IO, "%s: cannot open: %s", path,
            strerror(errno));
  int64_t size = (int64_t)facts.st_size;

  if (keys) NTK_TRY(append_keys(file, path, &size, keys));
  NTK_TRY(hash_start(file, path, size, key));
  (void)snprintf(seal, sizeof(seal), "%s%s", seal_magic, key);
  return append(file, path, &size, SEAL, seal);
}

ntk_status ntk_seal_append(const char *path, const char *keys) {
  const int file = open(path, O_RDWR | O_CLOEXEC);
  const ntk_status status = append_all(file, path, keys);

  if (file >= 0) (void)close(file);
  return status;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The seal, as text; false if the file has none. */
static bool read_seal(int file, int64_t size, char seal[SEAL + 1]) {
  seal[SEAL] = '\0';
  return size >= SEAL && ntk_bytes_read(file, size - SEAL, SEAL, seal) == 0 &&
         memcmp(seal, seal_magic, MAGIC) == 0;
}

ntk_status ntk_seal_check(int file, const char *path, int64_t size) {
  char seal[SEAL + 1];
  ntk_key key = "";

  if (!read_seal(file, size, seal)) return NTK_OK;
  NTK_TRY(hash_start(file, path, size - SEAL, key));
  NTK_CHECK(strcmp(seal + MAGIC, key) == 0, NTK_E_INPUT,
            "%s: damaged: its content does not match the hash at its end; restore or delete it",
            path);
  return NTK_OK;
}

/* Bytes of the keys before `end`; -1 if there are none. */
static int64_t stated_count(int file, int64_t end) {
  unsigned char tail[KEYS_END];
  uint64_t count = 0;

  if (end < KEYS_END || ntk_bytes_read(file, end - KEYS_END, KEYS_END, tail) != 0) return -1;
  if (memcmp(tail + NUMBER, keys_magic, MAGIC) != 0) return -1;
  for (int k = NUMBER - 1; k >= 0; --k) count = count << 8 | tail[k];
  return count <= (uint64_t)(end - KEYS_END) ? (int64_t)count : -1;
}

static ntk_status read_keys(int file, const char *path, int64_t offset, int64_t count,
                            char *keys) {
  const int error = ntk_bytes_read(file, offset, count, keys);

  NTK_CHECK(!error, NTK_E_IO, "%s: cannot read its keys: %s", path, strerror(error));
  return NTK_OK;
}

ntk_status ntk_seal_keys(int file, const char *path, int64_t size, char **keys) {
  char seal[SEAL + 1];
  const int64_t end = size - SEAL;
  const int64_t count = read_seal(file, size, seal) ? stated_count(file, end) : -1;

  *keys = NULL;
  if (count < 0) return NTK_OK;
  NTK_TRY(NTK_NEW(count + 1, keys));
  const ntk_status status = read_keys(file, path, end - KEYS_END - count, count, *keys);

  if (status != NTK_OK) ntk_free(keys);
  return status;
}
