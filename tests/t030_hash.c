/* Keys are XXH3-128 in hexadecimal, high half first, of bytes and of files alike; the key of a
 * directory is that of the names and contents of its files, in whatever order they are listed.
 *
 * Method: values published with xxHash; files around the size of the buffer against the same bytes
 * in memory; every kind of change to a directory gives another key. */
//TEST ranks=1
#include "ntk/base/hash.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

static char folder[] = "/tmp/t030_hash.XXXXXX";

static const char *in_folder(const char *name) {
  static char path[256];

  (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
  return path;
}

static void check_known(void) {
  ntk_key key = "";

  ntk_hash_bytes("", 0, key);
  EXPECT_TEXT(key, "99aa06d3014798d86001c324468d497f");
  ntk_hash_bytes("abc", 3, key);
  EXPECT_TEXT(key, "06b05ab6733a618578af5f94892f3950");
}

static void write_file(const char *name, const char *bytes, size_t size) {
  FILE *file = fopen(in_folder(name), "wb");

  EXPECT(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

/* All of one size would be one file to a memory that looks at size and time only. */
static void check_files(void) {
  static const size_t sizes[] = {0, 1, 1000, (1 << 16) - 1, 1 << 16, (1 << 16) + 1, 1 << 20};
  static char bytes[1 << 20];
  ntk_key of_bytes = "", of_file = "";

  for (size_t k = 0; k < 2 * sizeof(sizes) / sizeof(*sizes); ++k) {
    for (size_t i = 0; i < sizeof(bytes); ++i) bytes[i] = (char)((i + k) * i % 253);
    write_file("a", bytes, sizes[k / 2]);
    ntk_hash_bytes(bytes, sizes[k / 2], of_bytes);
    EXPECT_OK(ntk_hash_path(in_folder("a"), of_file));
    EXPECT_TEXT(of_file, of_bytes);
  }
}

static void write_at(const char *name, const char *three_bytes, time_t seconds) {
  const struct timespec times[2] = {{seconds, 0}, {seconds, 0}};

  write_file(name, three_bytes, 3);
  EXPECT(utimensat(AT_FDCWD, in_folder(name), times, 0) == 0);
}

/* A file that settled long ago may be remembered: the same size and time are the same content.  A
 * change of time is seen, and of a file of this moment also a change without one. */
static void check_memory(void) {
  const time_t now = time(NULL), past = now - 1000000;
  ntk_key first = "", second = "";

  write_at("a", "old", past);
  EXPECT_OK(ntk_hash_path(in_folder("a"), first));
  EXPECT_OK(ntk_hash_path(in_folder("a"), second));
  EXPECT_TEXT(second, first);
  write_at("a", "new", past + 7);
  EXPECT_OK(ntk_hash_path(in_folder("a"), second));
  EXPECT(strcmp(first, second) != 0);
  write_at("a", "old", now);
  EXPECT_OK(ntk_hash_path(in_folder("a"), second));
  EXPECT_TEXT(second, first);
  write_at("a", "new", now);
  EXPECT_OK(ntk_hash_path(in_folder("a"), second));
  EXPECT(strcmp(first, second) != 0);
}

static void check_folder(void) {
  ntk_key keys[5];

  write_file("a", "one", 3);
  write_file("b", "two", 3);
  EXPECT_OK(ntk_hash_path(folder, keys[0]));
  write_file("b", "one", 3);
  EXPECT_OK(ntk_hash_path(folder, keys[1])); /* equal files do not cancel */
  EXPECT(unlink(in_folder("b")) == 0);
  EXPECT_OK(ntk_hash_path(folder, keys[2]));
  write_file("c", "one", 3);
  EXPECT_OK(ntk_hash_path(folder, keys[3]));
  EXPECT(unlink(in_folder("a")) == 0);
  write_file("b", "two", 3);
  write_file("a", "one", 3);
  EXPECT(unlink(in_folder("c")) == 0);
  EXPECT_OK(ntk_hash_path(folder, keys[4])); /* as at first, made in another order */
  EXPECT_TEXT(keys[4], keys[0]);
  for (int k = 0; k < 4; ++k) {
    for (int l = 0; l < k; ++l) EXPECT(strcmp(keys[k], keys[l]) != 0);
  }
}

static ntk_status hash_job(void *key) {
  return ntk_hash_path(folder, key);
}

static void check_refusals(void) {
  ntk_key key = "";

  EXPECT(sweep_faults(hash_job, key) >= 3);
  EXPECT_REFUSED(ntk_hash_path(in_folder("none"), key), NTK_E_MISSING, "/none: No such file");
  EXPECT_REFUSED(ntk_hash_path("/dev/zero", key), NTK_E_IO, "/dev/zero is not a regular file");
  EXPECT_REFUSED(ntk_hash_path("/proc/self/mem", key), NTK_E_IO, "/proc/self/mem: cannot read");
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  EXPECT(mkdtemp(folder));
  check_known();
  check_files();
  check_memory();
  check_folder();
  check_refusals();
  EXPECT(unlink(in_folder("a")) == 0 && unlink(in_folder("b")) == 0 && rmdir(folder) == 0);
  MPI_Finalize();
  return 0;
}
