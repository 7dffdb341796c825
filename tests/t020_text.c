/* A text grows as it is appended to; distances between words are those of their definition; files
 * are read whole or refused. */
//TEST ranks=1
#include "ntk/base/text.h"

#include <unistd.h>

#include "test.h"

static ntk_status grow(void *context) {
  ntk_text text = {0};
  ntk_status status = NTK_OK;

  (void)context;
  EXPECT_TEXT(ntk_text_string(&text), "");
  for (int k = 0; k < 1000 && status == NTK_OK; ++k) {
    status = ntk_text_add(&text, "%d,", k);
    if (status == NTK_OK) EXPECT(strlen(text.data) == text.length);
  }
  if (status == NTK_OK) {
    EXPECT(text.length == 10 * 2 + 90 * 3 + 900 * 4);
    EXPECT(strncmp(text.data, "0,1,2,", 6) == 0 && strcmp(text.data + 3890 - 4, "999,") == 0);
    status = ntk_text_add(&text, "%s", "");
  }
  ntk_text_destroy(&text);
  ntk_text_destroy(&text);
  EXPECT(!text.data && text.length == 0);
  return status;
}

/* A failure to append leaves the text as it was. */
static void check_failure(void) {
  ntk_text text = {0};
  char large[200];

  memset(large, 'x', sizeof(large));
  large[sizeof(large) - 1] = '\0';
  EXPECT_OK(ntk_text_add(&text, "begin"));
  ntk_fault_reset();
  for (ntk_fault_site *site = ntk_fault_sites(); site; site = site->next) {
    if (!strstr(site->file, "memory.c")) continue;
    ntk_fault_arm(site, 0);
    EXPECT_STATUS(ntk_text_add(&text, "%s", large), NTK_E_MEMORY);
    EXPECT_TEXT(ntk_text_string(&text), "begin");
  }
  ntk_fault_reset();
  ntk_text_destroy(&text);
}

static void check_distances(void) {
  static const struct {
    const char *a, *b;
    int distance;
  } rows[] = {
      {"", "", 0},           {"", "abc", 3},           {"width", "width", 0},
      {"widht", "width", 1}, {"kitten", "sitting", 3}, {"relu", "gelu", 1},
      {"a", "b", 1},         {"ab", "ba", 1},          {"abcd", "badc", 2},
      {"ca", "abc", 3},      {"rleu", "relu", 1},      {"depth", "dept", 1},
  };

  for (size_t k = 0; k < sizeof(rows) / sizeof(*rows); ++k) {
    const int there = ntk_text_distance(rows[k].a, rows[k].b);
    const int back = ntk_text_distance(rows[k].b, rows[k].a);

    if (there != rows[k].distance || back != there) {
      FAIL("%s, %s: %d and %d, not %d", rows[k].a, rows[k].b, there, back, rows[k].distance);
    }
  }
}

/* Words of 70 characters are too long to be compared, and not alike. */
static void check_long_words(void) {
  char a[71] = "", b[71] = "";

  memset(a, 'a', 70);
  memset(b, 'a', 70);
  b[69] = 'b';
  EXPECT(ntk_text_distance(a, b) > 10);
  a[64] = b[64] = '\0';
  EXPECT(ntk_text_distance(a, b) == 0);
}

typedef struct reading {
  const char *path;
  size_t size;
} reading;

static ntk_status read_job(void *context) {
  const reading *file = context;
  char *bytes = NULL;
  size_t length = 0;

  NTK_TRY(ntk_text_read_file(file->path, file->size, &bytes, &length));
  EXPECT(length == file->size && bytes[length] == '\0');
  for (size_t k = 0; k < length; ++k) EXPECT(bytes[k] == (char)(k % 251));
  ntk_free(&bytes);
  return NTK_OK;
}

static void check_file(const char *path, size_t size) {
  reading job = {path, size};
  FILE *file = fopen(path, "wb");
  char *bytes = NULL;
  size_t length = 0;

  EXPECT(file);
  for (size_t k = 0; k < size; ++k) EXPECT(fputc((int)(k % 251), file) != EOF);
  EXPECT(fclose(file) == 0);
  EXPECT(sweep_faults(read_job, &job) > 0);
  if (size > 0) {
    EXPECT_REFUSED(ntk_text_read_file(path, size - 1, &bytes, &length), NTK_E_INPUT, path);
  }
  EXPECT(!bytes);
}

static void check_files(void) {
  static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 300000};
  char path[] = "/tmp/t020_text.XXXXXX", *bytes = NULL;
  const int handle = mkstemp(path);
  size_t length = 0;

  EXPECT(handle >= 0 && close(handle) == 0);
  for (size_t k = 0; k < sizeof(sizes) / sizeof(*sizes); ++k) check_file(path, sizes[k]);
  EXPECT(unlink(path) == 0);
  EXPECT_REFUSED(ntk_text_read_file(path, 10, &bytes, &length), NTK_E_MISSING, path);
  EXPECT_REFUSED(ntk_text_read_file("/", 10, &bytes, &length), NTK_E_IO, "/");
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  EXPECT(sweep_faults(grow, NULL) >= 2);
  check_failure();
  check_distances();
  check_long_words();
  check_files();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
