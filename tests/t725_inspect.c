/* inspect shows what a file holds, with names, shapes, ranges and units, and refuses what is none.
 *
 * Method: write a file, look for what must be in the text; every check made to fail. */
//TEST ranks=1
#include "ntk/run/inspect.h"

#include "folder.h"
#include "ntk/store/file.h"

static char folder[4096];

static void write_results(void) {
  static const ntk_field time = {"time", "time", "s", "time of training", "D.1", NTK_KIND_REAL};
  static const ntk_field missing = {"missing", "time", "1", "", "", NTK_KIND_REAL};
  static const ntk_field none = {"none", "nothing", "1", "", "", NTK_KIND_SINGLE};
  static const ntk_field layer = {"layer", "layer", "1", "layer", "", NTK_KIND_TEXT};
  static const ntk_field n = {"n", "", "1", "training samples", "", NTK_KIND_INT};
  static const ntk_field big = {"big", "sample", "1", "too large to be read", "", NTK_KIND_FLAG};
  static const ntk_field weight = {"dense0/W", "in out", "1", "", "", NTK_KIND_SINGLE};
  const int64_t three = 3, zero = 0, five = 5, many = 1 << 20, shape[] = {2, 2};
  ntk_record records[3] = {{.name = ""}, {.name = "curves"}, {.name = "layers"}};
  double *at = NULL, *value = NULL;

  EXPECT_OK(ntk_record_add_int(&records[0], &n, 1024));
  EXPECT_OK(ntk_record_set_text(&records[0], "config", "format: 1\nname: x\n"));
  EXPECT_OK(ntk_record_add(&records[1], &time, &three, &at));
  EXPECT_OK(ntk_record_add(&records[1], &missing, &three, &value));
  EXPECT_OK(ntk_record_add(&records[1], &none, &zero, NULL));
  EXPECT_OK(ntk_record_add(&records[1], &layer, &five, NULL));
  EXPECT_OK(ntk_variable_set_text(&records[1].variables[3], 0, "dense0\nsecond line"));
  EXPECT_OK(ntk_record_add(&records[1], &big, &many, NULL));
  EXPECT_OK(ntk_record_set_real(&records[1], "rate", 0.25));
  EXPECT_OK(ntk_record_set_text(&records[1], "key", "abc"));
  for (int k = 0; k < 3; ++k) at[k] = k - 0.5, value[k] = NAN;
  at[2] = NAN;
  EXPECT_OK(ntk_record_add(&records[2], &weight, shape, NULL));
  EXPECT_OK(ntk_record_set_real(&records[2], "dense0/W/s_w", 0.5));
  EXPECT_OK(ntk_file_write(folder_path(folder, "points/a/results.h5"), 3, records, NULL));
  for (int k = 0; k < 3; ++k) ntk_record_destroy(&records[k]);
}

/* The line that starts with two blanks and `name` holds `part`. */
static void expect_line(const char *text, const char *name, const char *part) {
  char start[128], line[1024] = "";

  (void)snprintf(start, sizeof(start), "\n  %s ", name);
  const char *found = strstr(text, start);

  if (found) (void)snprintf(line, sizeof(line), "%.*s", (int)strcspn(found + 1, "\n"), found + 1);
  if (!found || !strstr(line, part)) FAIL("no line '%s' with '%s' in:\n%s", name, part, text);
}

static void test_file(void) {
  ntk_text text = {0};

  EXPECT_OK(ntk_inspect_text(folder_path(folder, "points/a/results.h5"), &text));
  const char *shown = ntk_text_string(&text);

  expect_line(shown, "n", "1024");
  expect_line(shown, "n", "# training samples");
  expect_line(shown, "config", "= format: 1 ...");
  expect_line(shown, "rate", "= 0.25");
  expect_line(shown, "time", "(time: 3)");
  expect_line(shown, "time", "-0.5 .. 0.5, 1 missing s");
  expect_line(shown, "missing", "all missing");
  expect_line(shown, "none", "empty");
  expect_line(shown, "layer", "dense0..., , , , ...");
  expect_line(shown, "big", "(sample: 1048576)");
  expect_line(shown, "W", "(in: 2, out: 2)");
  EXPECT(strstr(shown, "\n/curves\n") && strstr(shown, "\n/layers/dense0\n"));
  EXPECT(!strstr(shown, "second line") && !strstr(shown, "/layers/dense0/W"));
  ntk_text_destroy(&text);
}

static void test_folder(void) {
  ntk_text text = {0};

  EXPECT_OK(ntk_inspect_text(folder, &text));
  EXPECT(strstr(ntk_text_string(&text), "points/a/results.h5"));
  EXPECT(strstr(ntk_text_string(&text), " /curves /layers"));
  EXPECT(!strstr(ntk_text_string(&text), "note.txt"));
  ntk_text_destroy(&text);
}

static void test_refusals(void) {
  ntk_text text = {0};

  EXPECT_REFUSED(ntk_inspect_text(folder_path(folder, "absent.h5"), &text), NTK_E_MISSING,
                 "absent.h5");
  EXPECT_REFUSED(ntk_inspect_text(folder_path(folder, "points/note.txt"), &text), NTK_E_INPUT,
                 "not an HDF5 file");
  EXPECT_REFUSED(ntk_inspect("/proc/self/mem/x"), NTK_E_MISSING, "/proc/self/mem/x");
  ntk_text_destroy(&text);
}

static ntk_status look(void *context) {
  ntk_text text = {0};
  ntk_status status = ntk_inspect_text(folder_path(folder, "points/a/results.h5"), &text);

  (void)context;
  if (status == NTK_OK) status = ntk_inspect_text(folder, &text);
  ntk_text_destroy(&text);
  return status;
}

int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  folder_make(folder);
  EXPECT_OK(ntk_directory_make(folder_path(folder, "points/a")));
  EXPECT_OK(ntk_file_write_text(folder_path(folder, "points/note.txt"), "a note\n"));
  write_results();
  test_file();
  test_folder();
  test_refusals();
  EXPECT(sweep_faults(look, NULL) > 20);
  EXPECT(ntk_memory_balance() == 0);
  folder_remove(folder);
  MPI_Finalize();
  return 0;
}
