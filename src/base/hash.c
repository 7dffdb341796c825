#include "ntk/base/hash.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <xxhash.h>

enum { PATH_SIZE = 4096, REMEMBERED = 1024, BUFFER_SIZE = 1 << 16, SETTLED = 3 /* s */ };

/* What was hashed before; a sweep asks for the same few files at every point. */
typedef struct memo {
  char path[PATH_SIZE];
  struct timespec changed;
  off_t size;
  ntk_key key;
} memo;

static memo memory[REMEMBERED];
static int next_memo;

/* What paths that are missing are taken for. */
static const ntk_hash_record *record;
static int64_t record_count;

static void print(XXH128_hash_t hash, ntk_key key) {
  (void)snprintf(key, NTK_KEY_SIZE, "%016" PRIx64 "%016" PRIx64, (uint64_t)hash.high64,
                 (uint64_t)hash.low64);
}

void ntk_hash_bytes(const void *bytes, size_t length, ntk_key key) {
  print(XXH3_128bits(bytes, length), key);
}

uint64_t ntk_hash_seeded(const void *bytes, size_t length, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes, length, seed);
}

static ntk_status digest(FILE *file, const char *path, XXH3_state_t *state) {
  char buffer[BUFFER_SIZE];
  size_t got = 0;

  (void)XXH3_128bits_reset(state);
  do {
    got = fread(buffer, 1, sizeof(buffer), file);
    (void)XXH3_128bits_update(state, buffer, got);
  } while (got == sizeof(buffer));
  NTK_CHECK(!ferror(file), NTK_E_IO, "%s: cannot read: %s", path, strerror(errno));
  return NTK_OK;
}

static ntk_status hash_stream(FILE *file, const char *path, ntk_key key) {
  XXH3_state_t *state = XXH3_createState();

  if (!state) return NTK_RAISE(NTK_E_MEMORY, "out of memory while hashing %s", path);
  const ntk_status status = digest(file, path, state);
  print(XXH3_128bits_digest(state), key);
  (void)XXH3_freeState(state);
  return status;
}

static bool same_time(struct timespec a, struct timespec b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool recall(const char *path, const struct stat *facts, ntk_key key) {
  for (int k = 0; k < REMEMBERED; ++k) {
    if (strcmp(memory[k].path, path) == 0 && memory[k].size == facts->st_size &&
        same_time(memory[k].changed, facts->st_mtim)) {
      memcpy(key, memory[k].key, NTK_KEY_SIZE);
      return true;
    }
  }
  return false;
}

/* A file changed a moment ago may change again without a new time. */
static void remember(const char *path, const struct stat *facts, const ntk_key key) {
  if (strlen(path) >= PATH_SIZE || time(NULL) - facts->st_mtim.tv_sec < SETTLED) return;
  memo *place = &memory[next_memo++ % REMEMBERED];

  (void)snprintf(place->path, PATH_SIZE, "%s", path);
  place->size = facts->st_size;
  place->changed = facts->st_mtim;
  memcpy(place->key, key, NTK_KEY_SIZE);
}

static ntk_status hash_file(const char *path, const struct stat *facts, ntk_key key) {
  if (recall(path, facts, key)) return NTK_OK;
  FILE *file = fopen(path, "rb");

  if (!file) return NTK_RAISE(NTK_E_MISSING, "%s: %s", path, strerror(errno));
  const ntk_status status = hash_stream(file, path, key);
  (void)fclose(file);
  if (status == NTK_OK) remember(path, facts, key);
  return status;
}

/* The keys of a directory's files are XORed, so that the order of readdir does not matter. */
static ntk_status add_entry(const char *directory, const char *name, unsigned char sum[16]) {
  char path[PATH_SIZE], line[PATH_SIZE + NTK_KEY_SIZE];
  struct stat facts;
  ntk_key key = "";

  const int length = snprintf(path, sizeof(path), "%s/%s", directory, name);
  NTK_CHECK(length < PATH_SIZE && stat(path, &facts) == 0, NTK_E_IO, "%s/%s: cannot look at it",
            directory, name);
  if (!S_ISREG(facts.st_mode)) return NTK_OK;
  NTK_TRY(hash_file(path, &facts, key));
  (void)snprintf(line, sizeof(line), "%s/%s", key, name);

  const XXH128_hash_t hash = XXH3_128bits(line, strlen(line));
  XXH128_canonical_t bytes;
  XXH128_canonicalFromHash(&bytes, hash);
  for (int k = 0; k < 16; ++k) sum[k] ^= bytes.digest[k];
  return NTK_OK;
}

static ntk_status hash_directory(const char *path, ntk_key key) {
  unsigned char sum[16] = {0};
  ntk_status status = NTK_OK;
  DIR *directory = opendir(path);

  if (!directory) return NTK_RAISE(NTK_E_MISSING, "%s: %s", path, strerror(errno));
  for (struct dirent *entry; status == NTK_OK && (entry = readdir(directory));) {
    status = add_entry(path, entry->d_name, sum);
  }
  (void)closedir(directory);
  ntk_hash_bytes(sum, sizeof(sum), key);
  return status;
}

void ntk_hash_rely_on(int64_t count, const ntk_hash_record *records) {
  record_count = count;
  record = records;
}

static bool find_record(const char *path, ntk_key key) {
  int64_t k = 0;

  while (k < record_count && strcmp(record[k].path, path) != 0) ++k;
  if (k < record_count) memcpy(key, record[k].key, NTK_KEY_SIZE);
  return k < record_count;
}

ntk_status ntk_hash_path(const char *path, ntk_key key) {
  struct stat facts;
  const bool there = stat(path, &facts) == 0;

  if (!there && errno == ENOENT && find_record(path, key)) return NTK_OK;
  NTK_CHECK(there, NTK_E_MISSING, "%s: %s", path, strerror(errno));
  if (S_ISDIR(facts.st_mode)) return hash_directory(path, key);
  NTK_CHECK(S_ISREG(facts.st_mode), NTK_E_IO, "%s is not a regular file", path); /* may never end */
  return hash_file(path, &facts, key);
}
