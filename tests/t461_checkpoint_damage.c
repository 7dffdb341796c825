/* A damaged big file never gives a wrong number, nor a crash: the file is not used, or the panel is
 * forgotten, and a line of the log says so; of another content it is not used either.
 *
 * Method: a file with some panels, and a finished one, are cut at many lengths and have one bit
 * turned at many places, trailer, metadata, journal and data among them; what can still be loaded
 * is compared entry by entry, and the file completed and read by a serial reader. */
//TEST ranks=1
#include <fcntl.h>

#include "checkpoint.h"
#include "ntk/base/log.h"
#include "ntk/base/text.h"
#include "ntk/store/durable.h"
#include "ntk/store/file.h"
#include "ntk/store/handle.h"
#include "ntk/store/panel.h"

enum { N = 24, PANELS = 12, WRITTEN = 7, BLOCK = 8 };

static char folder[4096], path[4400], partial[4400], lines[4400];
static ntk_comm comm;
static ntk_grid grid;
static subject gram = {.comm = &comm, .path = path, .rows = N, .cols = N, .symmetric = true};

/* A file's content. */
typedef struct whole_file {
  char *bytes;
  size_t length;
} whole_file;

static void read_file(const char *name, whole_file *c) {
  EXPECT_OK(ntk_text_read_file(name, 1 << 24, &c->bytes, &c->length));
}

static void write_bytes(const char *name, const char *bytes, size_t count) {
  FILE *file = fopen(name, "wb");

  EXPECT(file && fwrite(bytes, 1, count, file) == count && fclose(file) == 0);
}

static size_t find_bytes(const whole_file *c, const void *wanted, size_t count) {
  size_t at = 0;

  while (at + count <= c->length && memcmp(c->bytes + at, wanted, count) != 0) ++at;
  EXPECT(at + count <= c->length);
  return at;
}

static void make_files(whole_file *some, whole_file *finished) {
  ntk_checkpoint *c = NULL;
  ntk_matrix m = {0};

  make_matrix(&gram, &grid, BLOCK, false, &m);
  EXPECT_OK(open_subject(&gram, ntk_checkpoint_open, &c));
  EXPECT_OK(write_panel(c, &m, 2, WRITTEN));
  read_file(partial, some);
  EXPECT_OK(complete_subject(&gram, c, &grid, BLOCK));
  read_file(path, finished);
  ntk_checkpoint_close(&c);
  ntk_matrix_destroy(&m);
  EXPECT_OK(ntk_checkpoint_discard(path));
}

static bool is_right(const char *name) {
  ntk_variable v = {0};

  if (ntk_file_read_variable(name, "ntk", &v) != NTK_OK) {
    EXPECT_STATUS(ntk_last_error()->status, NTK_E_INPUT);
    EXPECT(strstr(ntk_last_error()->text, name));
    return false;
  }
  bool right = v.count == N * N && v.size[0] == N;

  for (int64_t k = 0; right && k < v.count; ++k) {
    right = ((double *)v.data)[k] == entry_of(&gram, k % N, k / N);
  }
  ntk_variable_destroy(&v);
  return right;
}

/* Panels that could be loaded, all of them right; -1: the file was not used. */
static int64_t load(void) {
  ntk_checkpoint *c = NULL;
  int64_t panels = -1;

  EXPECT_OK(open_subject(&gram, ntk_checkpoint_find, &c));
  if (c) panels = expect_loaded(&gram, c, &grid, BLOCK);
  ntk_checkpoint_close(&c);
  return panels;
}

/* And the rest is written again. */
static void complete(int64_t panels) {
  ntk_checkpoint *c = NULL;

  EXPECT_OK(open_subject(&gram, ntk_checkpoint_open, &c));
  EXPECT(expect_loaded(&gram, c, &grid, BLOCK) == (panels < 0 ? 0 : panels));
  EXPECT_OK(complete_subject(&gram, c, &grid, BLOCK));
  ntk_checkpoint_close(&c);
  EXPECT(is_right(path) && access(partial, F_OK) != 0);
  EXPECT_OK(ntk_checkpoint_discard(path));
}

static void test_cut(const whole_file *some, const whole_file *finished) {
  for (size_t k = 0; k < some->length; k += k < 200 || k + 300 > some->length ? 13 : 411) {
    write_bytes(partial, some->bytes, k);
    EXPECT(load() < 0);
    if (k % 9 == 0) complete(-1);
    write_bytes(path, finished->bytes, k);
    EXPECT(load() < 0);
    if (is_right(path)) EXPECT(k + 400 > finished->length); /* only the trailer is cut off */
  }
  EXPECT_OK(ntk_checkpoint_discard(path));
}

/* Of all bits one in each `step`-th byte. */
static void test_turned_bits(whole_file *some, size_t step) {
  int unused = 0, forgotten = 0, whole = 0;

  for (size_t at = 0; at < some->length; at += step) {
    some->bytes[at] = (char)(some->bytes[at] ^ (1 << at % 8));
    write_bytes(partial, some->bytes, some->length);
    some->bytes[at] = (char)(some->bytes[at] ^ (1 << at % 8));
    const int64_t panels = load();

    EXPECT(panels < 0 || panels == WRITTEN - 1 || panels == WRITTEN);
    if (panels < 0) ++unused;
    if (panels == WRITTEN - 1) ++forgotten;
    if (panels == WRITTEN) ++whole; /* where nothing is written yet, or not read */
    if (at % 97 == 0) complete(panels);
  }
  EXPECT(unused > 100 && forgotten > 50 && whole > 50);
  EXPECT_OK(ntk_checkpoint_discard(path));
}

/* What reads finished files refuses one with a wrong number, in the upper part too. */
static bool is_read(void) {
  ntk_matrix m = {0};

  EXPECT_OK(ntk_matrix_create(&grid, N, N, BLOCK, &m));
  const ntk_status status = ntk_panel_read(path, "ntk", false, &m);

  if (status != NTK_OK) EXPECT_REFUSED(status, NTK_E_INPUT, path);
  for (int64_t k = 0; status == NTK_OK && k < N * N; ++k) {
    EXPECT(m.data[k] == entry_of(&gram, k % N, k / N));
  }
  ntk_matrix_destroy(&m);
  return status == NTK_OK;
}

/* Becomes an unfinished one if a panel is wrong, and is finished again. */
static void test_finished(whole_file *finished) {
  int refused = 0, unread = 0, repaired = 0;

  for (size_t at = 0; at < finished->length; at += 83) {
    int64_t size = 0;

    finished->bytes[at] = (char)(finished->bytes[at] ^ (1 << at % 8));
    write_bytes(path, finished->bytes, finished->length);
    if (ntk_durable_examine(path, &size) != NTK_OK) ++refused;
    else if (!is_read()) ++unread;
    finished->bytes[at] = (char)(finished->bytes[at] ^ (1 << at % 8));
    const int64_t panels = load();

    if (panels >= 0 && access(partial, F_OK) == 0) {
      EXPECT(access(path, F_OK) != 0 && panels == PANELS - 1);
      complete(panels);
      ++repaired;
    }
    EXPECT_OK(ntk_checkpoint_discard(path));
  }
  EXPECT(refused > 50 && repaired > 10 && unread > repaired + 10);
}

/* The last record stands, and the name is missing. */
static void test_without_name(const whole_file *finished) {
  ntk_checkpoint *c = NULL;

  write_bytes(partial, finished->bytes, finished->length);
  EXPECT_OK(open_subject(&gram, ntk_checkpoint_find, &c));
  EXPECT(c && ntk_checkpoint_complete(c) && access(partial, F_OK) != 0 && is_right(path));
  ntk_checkpoint_close(&c);
  EXPECT_OK(ntk_checkpoint_discard(path));
}

/* Two columns that have changed places. */
static void test_swapped(void) {
  subject s = {.comm = &comm, .path = path, .rows = 3, .cols = 64};
  ntk_checkpoint *c = NULL;
  whole_file file = {0};
  double column[3], other[3];

  EXPECT_OK(open_subject(&s, ntk_checkpoint_open, &c));
  EXPECT_OK(complete_subject(&s, c, &grid, BLOCK));
  ntk_checkpoint_close(&c);
  read_file(path, &file);
  for (int64_t i = 0; i < 3; ++i) column[i] = entry_of(&s, i, 1), other[i] = entry_of(&s, i, 2);
  const size_t at = find_bytes(&file, column, sizeof(column));

  memcpy(file.bytes + at, other, sizeof(other));
  memcpy(file.bytes + at + sizeof(other), column, sizeof(column));
  write_bytes(path, file.bytes, file.length);
  EXPECT_OK(open_subject(&s, ntk_checkpoint_find, &c));
  EXPECT(c && expect_loaded(&s, c, &grid, BLOCK) == ntk_checkpoint_panels(c, 0) - 1);
  ntk_checkpoint_close(&c);
  EXPECT_OK(ntk_checkpoint_discard(path));
  ntk_free(&file.bytes);
}

/* ---- the log ------------------------------------------------------------------------------- */

/* What `load` says. */
static const char *listen(const char *name, const whole_file *c) {
  static char text[4096];
  const int saved = dup(2), file = open(lines, O_RDWR | O_CREAT | O_TRUNC, 0600);

  write_bytes(name, c->bytes, c->length);
  EXPECT(saved >= 0 && file >= 0);
  ntk_log_enable(true);
  (void)fflush(stderr);
  EXPECT(dup2(file, 2) == 2);
  (void)load();
  (void)fflush(stderr);
  EXPECT(dup2(saved, 2) == 2);
  ntk_log_enable(false);
  const ssize_t got = pread(file, text, sizeof(text) - 1, 0);

  EXPECT(got >= 0);
  text[got] = '\0';
  EXPECT(close(saved) == 0 && close(file) == 0);
  EXPECT_OK(ntk_checkpoint_discard(path));
  return text;
}

static void expect_line(const char *text, const char *name, const char *part) {
  const char *end = strchr(text, '\n');

  if (!end || end[1] != '\0' || !strstr(text, name) || !strstr(text, part)) {
    FAIL("not one line with %s: %s", part, text);
  }
}

static void test_log(whole_file *some, const whole_file *finished) {
  const double corner = entry_of(&gram, N - 1, 5);
  const size_t at = find_bytes(some, &corner, sizeof(corner));
  const whole_file cut = {some->bytes, some->length - 1};

  EXPECT_TEXT(listen(partial, some), "");
  some->bytes[at] ^= 1;
  expect_line(listen(partial, some), partial, "panel 2 of 'ntk' (columns 4 to 5)");
  some->bytes[at] ^= 1;
  expect_line(listen(partial, &cut), partial, "not used: it is cut off");
  expect_line(listen(path, some), path, "not used: unfinished");
  some->bytes[600] ^= 1;
  expect_line(listen(partial, some), partial, "not used: damaged");
  some->bytes[600] ^= 1;
  EXPECT_TEXT(listen(path, finished), "");
}

/* ---- of another content -------------------------------------------------------------------- */

static bool is_found(ntk_checkpoint_content *content) {
  ntk_checkpoint *c = NULL;

  EXPECT_OK(ntk_checkpoint_find(&comm, path, content, &c));
  const bool found = c != NULL;

  ntk_checkpoint_close(&c);
  return found;
}

static void test_others(const whole_file *some) {
  ntk_checkpoint_matrix matrices[2] = {shape_of(&gram), shape_of(&gram)};
  ntk_checkpoint_content content = {
      .key = "key", .count = 1, .matrices = matrices, .notes = NOTES, .machine = "another"};

  write_bytes(partial, some->bytes, some->length);
  EXPECT(is_found(&content)); /* on another machine it is continued */
  content.key = "another";
  EXPECT(!is_found(&content));
  content.key = "key";
  content.notes = 0;
  EXPECT(!is_found(&content));
  content.notes = NOTES;
  content.count = 2;
  EXPECT(!is_found(&content));
  content.count = 1;
  matrices[0].symmetric = false;
  EXPECT(!is_found(&content));
  matrices[0].symmetric = true;
  matrices[0].rows = matrices[0].cols = N + 1;
  EXPECT(!is_found(&content));
  matrices[0].rows = matrices[0].cols = N;
  EXPECT(is_found(&content));
  EXPECT_OK(ntk_checkpoint_discard(path));
}

int main(int argc, char **argv) {
  whole_file some = {0}, finished = {0};

  begin_test(&argc, &argv);
  comm = ntk_comm_of(MPI_COMM_WORLD);
  folder_make(folder);
  (void)snprintf(path, sizeof(path), "%s", folder_path(folder, "gram.h5"));
  (void)snprintf(partial, sizeof(partial), "%s", folder_path(folder, "gram.h5.partial"));
  (void)snprintf(lines, sizeof(lines), "%s", folder_path(folder, "lines"));
  EXPECT_OK(ntk_grid_create(&comm, 0, 0, &grid));
  make_files(&some, &finished);
  const long open = ntk_handles_open();

  test_cut(&some, &finished);
  test_turned_bits(&some, 11);
  test_finished(&finished);
  test_without_name(&finished);
  test_swapped();
  test_log(&some, &finished);
  test_others(&some);
  EXPECT(ntk_handles_open() == open);
  ntk_free(&some.bytes);
  ntk_free(&finished.bytes);
  ntk_grid_destroy(&grid);
  EXPECT(ntk_memory_balance() == 0);
  folder_remove(folder);
  MPI_Finalize();
  return 0;
}
