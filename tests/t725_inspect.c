/* inspect shows what a file holds, with names, dimensions, ranges, units and meaning, in narrow
 * lines, and refuses what is none; what is damaged hides nothing else.
 *
 * Method: write a file, look for what must be in the text; every check made to fail. */
//TEST ranks=1
#include "ntk/run/inspect.h"

#include "folder.h"
#include "ntk/store/file.h"

static char folder[4096];

static void write_results(void) {
  static const ntk_field time = {"time", "time", "s", "time of training", "D.1", NTK_KIND_REAL};
  static const ntk_field missing = {"missing",
                                    "time",
                                    "1",
                                    "a meaning of so many words that they do not stand in one "
                                    "line, not even in two, but in three of the column",
                                    "",
                                    NTK_KIND_REAL};
  static const ntk_field none = {"none", "nothing", "1", "", "", NTK_KIND_SINGLE};
  static const ntk_field layer = {"layer", "layer", "1", "layer", "", NTK_KIND_TEXT};
  static const ntk_field n = {"n", "", "1", "training samples", "", NTK_KIND_INT};
  static const ntk_field big = {"big", "sample", "1", "too large to be read", "", NTK_KIND_FLAG};
  static const ntk_field weight = {"dense0/W", "in out", "1", "", "", NTK_KIND_SINGLE};
  const int64_t three = 3, zero = 0, five = 5, many = 1 << 20, shape[] = {2, 2};
  ntk_record records[3] = {{.name = ""}, {.name = "curves"}, {.name = "layers"}};
  double *at = NULL, *value = NULL;
  char long_text[300] = "";

  memset(long_text, 'x', sizeof(long_text) - 1);
  EXPECT_OK(ntk_record_add_int(&records[0], &n, 1024));
  EXPECT_OK(ntk_record_set_text(&records[0], "config", "format: 1\nname: x\n"));
  EXPECT_OK(ntk_record_add(&records[1], &time, &three, &at));
  EXPECT_OK(ntk_record_add(&records[1], &missing, &three, &value));
  EXPECT_OK(ntk_record_add(&records[1], &none, &zero, NULL));
  EXPECT_OK(ntk_record_add(&records[1], &layer, &five, NULL));
  EXPECT_OK(ntk_variable_set_text(&records[1].variables[3], 0, "dense0\nsecond line"));
  EXPECT_OK(ntk_variable_set_text(&records[1].variables[3], 1,
                                  "a\x1b"
                                  "b"));
  EXPECT_OK(ntk_record_add(&records[1], &big, &many, NULL));
  EXPECT_OK(ntk_record_set_real(&records[1], "rate", 0.25));
  EXPECT_OK(ntk_record_set_text(&records[1], "key", "abc"));
  EXPECT_OK(ntk_record_set_text(&records[1], "long", long_text));
  for (int k = 0; k < 3; ++k) at[k] = k - 0.5, value[k] = NAN;
  at[2] = NAN;
  EXPECT_OK(ntk_record_add(&records[2], &weight, shape, NULL));
  EXPECT_OK(ntk_record_set_real(&records[2], "dense0/W/s_w", 0.5));
  EXPECT_OK(ntk_file_write(folder_path(folder, "points/a/results.h5"), 3, records, NULL));
  for (int k = 0; k < 3; ++k) ntk_record_destroy(&records[k]);
}

/* Text up to the next variable or group, blanks squeezed. */
static void find_entry(const char *text, const char *name, char *entry, size_t size) {
  char start[128];
  size_t used = 0;

  (void)snprintf(start, sizeof(start), "\n  %s", name);
  const char *found = strstr(text, start);

  if (!found) FAIL("no '%s' in:\n%s", name, text);
  for (found += 3; *found && used + 1 < size; ++found) {
    if (*found == '\n' && strncmp(found, "\n      ", 7) != 0) break;
    if (*found == '\n' || (*found == ' ' && used && entry[used - 1] == ' ')) continue;
    entry[used++] = *found;
  }
  entry[used] = '\0';
}

/* The entry that starts with two blanks and `name` holds `part`. */
static void expect_entry(const char *text, const char *name, const char *part) {
  char entry[1024] = "";

  find_entry(text, name, entry, sizeof(entry));
  if (!strstr(entry, part)) FAIL("no '%s' in '%s'", part, entry);
}

static void expect_narrow(const char *text) {
  for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
    if (strcspn(line, "\n") > 100 && *line != '/') FAIL("too long: %s", line);
  }
}

static void test_file(void) {
  ntk_text text = {0};

  EXPECT_OK(ntk_inspect_text(folder_path(folder, "points/a/results.h5"), true, &text));
  const char *shown = ntk_text_string(&text);

  expect_entry(shown, "n ", "1024 training samples");
  expect_entry(shown, "config", "= format: 1 ...");
  expect_entry(shown, "long", " ...");
  expect_entry(shown, "rate", "= 0.25");
  expect_entry(shown, "dimensions", "dimensions: time 3, layer 5, nothing 0, sample 1048576");
  expect_entry(shown, "time", "(time) -0.5 .. 0.5, 1 missing s time of training");
  expect_entry(shown, "missing", "(time) all missing a meaning of so many words");
  expect_entry(shown, "none", "empty");
  expect_entry(shown, "layer", "dense0 ..., a?b, , , ");
  expect_entry(shown, "big", "(sample) flag, 1 MiB too large to be read");
  expect_entry(shown, "W", "(in, out) 0");
  EXPECT(strstr(shown, "\n/curves\n") && strstr(shown, "\n/layers/dense0\n"));
  EXPECT(!strstr(shown, "second line") && !strstr(shown, "/layers/dense0/W"));
  expect_narrow(shown);
  ntk_text_destroy(&text);
}

static void test_folder(void) {
  ntk_text text = {0};

  EXPECT_OK(ntk_inspect_text(folder_path(folder, ""), false, &text));
  EXPECT(!strstr(text.data, "//"));
  ntk_text_destroy(&text);
  EXPECT_OK(ntk_inspect_text(folder, true, &text));
  EXPECT(strstr(ntk_text_string(&text), "points/a/results.h5"));
  EXPECT(strstr(ntk_text_string(&text), " /curves /layers"));
  EXPECT(!strstr(ntk_text_string(&text), "note.txt"));
  ntk_text_destroy(&text);
  EXPECT_OK(ntk_inspect_text(folder_path(folder, "empty"), false, &text));
  EXPECT(strstr(ntk_text_string(&text), "no HDF5 files"));
  ntk_text_destroy(&text);
}

static void test_refusals(void) {
  ntk_text text = {0};

  EXPECT_REFUSED(ntk_inspect_text(folder_path(folder, "absent.h5"), false, &text), NTK_E_MISSING,
                 "absent.h5");
  EXPECT_REFUSED(ntk_inspect_text(folder_path(folder, "points/note.txt"), false, &text),
                 NTK_E_INPUT, "not an HDF5 file");
  EXPECT_REFUSED(ntk_inspect("/proc/self/mem/x", false), NTK_E_MISSING, "/proc/self/mem/x");
  ntk_text_destroy(&text);
}

/* One damaged file does not hide the others. */
static void test_damaged_folder(void) {
  ntk_text text = {0};

  EXPECT_OK(ntk_directory_make(folder_path(folder, "damaged")));
  EXPECT_OK(ntk_file_write_text(folder_path(folder, "damaged/a.h5"), "\x89HDF\r\n\x1a\n"));
  EXPECT(symlink("../points/a", folder_path(folder, "damaged/b")) == 0);
  EXPECT(link(folder_path(folder, "points/a/results.h5"), folder_path(folder, "damaged/c.h5")) ==
         0);
  EXPECT_REFUSED(ntk_inspect_text(folder_path(folder, "damaged"), false, &text), NTK_E_INPUT,
                 "damaged/a.h5");
  EXPECT(strstr(ntk_text_string(&text), "cannot be read\n"));
  EXPECT(strstr(ntk_text_string(&text), " /curves /layers"));
  ntk_text_destroy(&text);
  folder_remove(folder_path(folder, "damaged"));
}

static ntk_status look(void *context) {
  ntk_text text = {0};
  ntk_status status = ntk_inspect_text(folder_path(folder, "points/a/results.h5"), true, &text);

  (void)context;
  if (status == NTK_OK) status = ntk_inspect_text(folder, true, &text);
  ntk_text_destroy(&text);
  return status;
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  folder_make(folder);
  EXPECT_OK(ntk_directory_make(folder_path(folder, "points/a")));
  EXPECT_OK(ntk_directory_make(folder_path(folder, "empty")));
  EXPECT_OK(ntk_file_write_text(folder_path(folder, "points/note.txt"), "a note\n"));
  write_results();
  test_file();
  test_folder();
  test_damaged_folder();
  test_refusals();
  EXPECT(sweep_faults(look, NULL) > 20);
  EXPECT(ntk_memory_balance() == 0);
  folder_remove(folder);
  MPI_Finalize();
  return 0;
}
