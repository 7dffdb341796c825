/* export writes the variables that share their dimensions as columns of one table, coordinates
 * first, a row for each entry; large arrays never stand in memory as a whole; what it cannot do it
 * refuses.
 *
 * Method: a file with every kind of group; tables compared as text; a matrix of many panels read
 * back entry by entry; every check made to fail.  Bits of numbers: t730, and check_program.py on
 * results of a run. */
//TEST ranks=1
#include "ntk/run/export.h"

#include <sys/wait.h>

#include "folder.h"
#include "ntk/store/durable.h"
#include "ntk/store/file.h"

enum { ROWS = 300, COLUMNS = 401, WIDE = 65600 }; /* more than one panel of 65536 */

static char folder[4096];

static void set_texts(ntk_record *record, const char *name, const char *const *texts) {
  for (int64_t k = 0; texts[k]; ++k) {
    EXPECT_OK(ntk_variable_set_text(ntk_record_find(record, name), k, texts[k]));
  }
}

static void add_reals(ntk_record *record, const ntk_field *field, const int64_t *sizes,
                      int64_t count, double first) {
  double *data = NULL;

  EXPECT_OK(ntk_record_add(record, field, sizes, &data));
  for (int64_t k = 0; k < count; ++k) data[k] = first + 0.5 * (double)k;
}

/* Two axes, a coordinate of its own, one without values, a text over the axes. */
static void make_curves(ntk_record *record) {
  static const ntk_field init = {"init", "init", "1", "", "", NTK_KIND_TEXT};
  static const ntk_field seed = {"seed", "seed", "1", "", "", NTK_KIND_INT};
  static const ntk_field loss = {"loss", "init seed time", "1", "", "", NTK_KIND_REAL};
  static const ntk_field status = {"status", "init seed", "1", "", "", NTK_KIND_TEXT};
  static const ntk_field flag = {"flag", "init seed", "1", "", "", NTK_KIND_FLAG};
  static const ntk_field rate = {"rate", "", "1", "", "", NTK_KIND_SINGLE};
  static const ntk_field alone = {"alone", "alone", "1", "", "", NTK_KIND_REAL};
  static const ntk_field none = {"none", "nothing", "1", "", "", NTK_KIND_REAL};
  const int64_t two = 2, zero = 0, sizes[] = {2, 2, 2};
  int64_t *seeds = NULL;
  float *value = NULL;

  EXPECT_OK(ntk_record_add(record, &init, &two, NULL));
  set_texts(record, "init", (const char *const[]){"he, normal", "say \"x\"", NULL});
  EXPECT_OK(ntk_record_add(record, &seed, &two, &seeds));
  seeds[1] = 7;
  add_reals(record, &loss, sizes, 8, -0.0);
  EXPECT_OK(ntk_record_add(record, &status, sizes, NULL));
  set_texts(record, "status", (const char *const[]){"done", "two\nlines", "", "failed", NULL});
  EXPECT_OK(ntk_record_add(record, &flag, sizes, NULL));
  EXPECT_OK(ntk_record_add(record, &rate, NULL, &value));
  *value = 0.1f;
  EXPECT_OK(ntk_record_add_real(record, &(ntk_field){"gap", "", "1", "", "", NTK_KIND_REAL}, NAN));
  add_reals(record, &alone, &two, 2, 1);
  add_reals(record, &none, &zero, 0, 0);
}

static void write_file(void) {
  static const ntk_field ntk = {"ntk", "sample2 sample", "1", "", "", NTK_KIND_REAL};
  static const ntk_field wide = {"wide", "one two three", "1", "", "", NTK_KIND_REAL};
  static const ntk_field n = {"n", "", "1", "", "", NTK_KIND_INT};
  static const ntk_field w = {"W", "in", "1", "", "", NTK_KIND_SINGLE};
  const int64_t shape[] = {ROWS, COLUMNS}, flat[] = {2, 1, WIDE}, three = 3;
  ntk_record records[4] = {
      {.name = ""}, {.name = "curves"}, {.name = "layers/a b"}, {.name = "curves/init"}};

  EXPECT_OK(ntk_record_add_int(&records[0], &n, -5));
  add_reals(&records[0], &ntk, shape, ROWS * COLUMNS, 0);
  add_reals(&records[0], &wide, flat, 2 * WIDE, 0);
  make_curves(&records[1]);
  EXPECT_OK(ntk_record_add(&records[2], &w, &three, NULL));
  records[3].name[6] = '2'; /* curves2init: no part of curves */
  EXPECT_OK(ntk_record_add_int(&records[3], &n, 1));
  EXPECT_OK(ntk_file_write(folder_path(folder, "big.h5"), 4, records, NULL));
  for (int k = 0; k < 4; ++k) ntk_record_destroy(&records[k]);
}

static void expect_file(const char *name, const char *wanted) {
  char *bytes = NULL;
  size_t length = 0;

  EXPECT_OK(ntk_text_read_file(folder_path(folder, name), 1 << 20, &bytes, &length));
  EXPECT_TEXT(bytes, wanted);
  ntk_free(&bytes);
}

static void test_tables(void) {
  ntk_text names = {0};

  EXPECT_OK(ntk_export_csv(folder_path(folder, "big.h5"), NULL, NULL, &names));
  EXPECT(folder_count(folder_path(folder, "big_csv"), "") == 10);
  EXPECT(folder_count(folder_path(folder, "big_csv"), ".csv") == 10);
  EXPECT(strstr(ntk_text_string(&names), "big_csv/curves.init.seed.time.csv\n"));
  ntk_text_destroy(&names);
  expect_file("big_csv/big.csv", "n\n-5\n");
  expect_file("big_csv/curves.csv", "rate,gap\n0.1,NaN\n");
  expect_file("big_csv/curves.alone.csv", "alone\n1.0\n1.5\n");
  expect_file("big_csv/curves.nothing.csv", "nothing,none\n");
  expect_file("big_csv/curves.init.seed.csv",
              "init,seed,status,flag\n\"he, normal\",0,done,0\n\"he, normal\",7,\"two\nlines\",0\n"
              "\"say \"\"x\"\"\",0,\"\",0\n\"say \"\"x\"\"\",7,failed,0\n");
  expect_file("big_csv/curves.init.seed.time.csv",
              "init,seed,time,loss\n\"he, normal\",0,0,0.0\n\"he, normal\",0,1,0.5\n"
              "\"he, normal\",7,0,1.0\n\"he, normal\",7,1,1.5\n\"say \"\"x\"\"\",0,0,2.0\n"
              "\"say \"\"x\"\"\",0,1,2.5\n\"say \"\"x\"\"\",7,0,3.0\n\"say \"\"x\"\"\",7,1,3.5\n");
  expect_file("big_csv/layers.a_b.in.csv", "in,W\n0,0.0\n1,0.0\n2,0.0\n");
}

/* Entry k of the table is k / 2, at the place that k has in the shape. */
static void expect_entries(const char *name, const char *head, int rank, const int *shape) {
  FILE *file = fopen(folder_path(folder, name), "r");
  char line[128] = "";
  int count = 1;

  EXPECT(file && fgets(line, sizeof(line), file));
  EXPECT_TEXT(line, head);
  for (int d = 0; d < rank; ++d) count *= shape[d];
  for (int k = 0; k < count; ++k) {
    int behind = count;

    EXPECT(fgets(line, sizeof(line), file));
    char *at = line;

    for (int d = 0; d < rank; ++d, ++at) {
      behind /= shape[d];
      EXPECT(strtol(at, &at, 10) == k / behind % shape[d] && *at == ',');
    }
    EXPECT(strtod(at, &at) == 0.5 * k && *at == '\n');
  }
  EXPECT(!fgets(line, sizeof(line), file));
  (void)fclose(file);
}

/* Panels of some rows, and panels of a part of a row. */
static void test_panels(void) {
  expect_entries("big_csv/big.sample2.sample.csv", "sample2,sample,ntk\n", 2,
                 (const int[]){ROWS, COLUMNS});
  expect_entries("big_csv/big.one.two.three.csv", "one,two,three,wide\n", 3,
                 (const int[]){2, 1, WIDE});
}

/* The file was made by another process: nothing of the matrix's size has been allocated here. */
static void test_memory(void) {
  EXPECT(ntk_memory_largest() < sizeof(double) * ROWS * COLUMNS);
  EXPECT(ntk_memory_largest() >= sizeof(double) * 65536); /* a panel */
}

static void expect_chosen(const char *group, int count) {
  ntk_text names = {0};
  int lines = 0;

  EXPECT_OK(
      ntk_export_csv(folder_path(folder, "big.h5"), group, folder_path(folder, "some"), &names));
  for (const char *s = ntk_text_string(&names); *s; ++s) lines += *s == '\n';
  if (lines != count) FAIL("%d tables for '%s', not %d", lines, group, count);
  EXPECT(folder_count(folder_path(folder, "some"), "") == count);
  ntk_text_destroy(&names);
  folder_remove(folder_path(folder, "some"));
}

static void test_choice(void) {
  expect_chosen("curves", 5);
  expect_chosen("/curves/", 5);
  expect_chosen("layers", 1);
  expect_chosen("layers/a b", 1);
  expect_chosen("/", 3);
  expect_chosen("big", 1);
  expect_chosen("curves.init.seed", 1);
}

static void refuse(const char *path, const char *group, const char *output, ntk_status status,
                   const char *part) {
  ntk_text names = {0};

  EXPECT_REFUSED(ntk_export_csv(path, group, output, &names), status, part);
  EXPECT(names.length == 0);
}

static void test_refusals(void) {
  const char *big = folder_path(folder, "big.h5"), *note = folder_path(folder, "note");
  const ntk_record empty = {.name = "a"};

  EXPECT_OK(ntk_file_write_text(note, "a note\n"));
  EXPECT_OK(ntk_file_write(folder_path(folder, "empty.h5"), 1, &empty, NULL));
  refuse(big, "curve", NULL, NTK_E_USAGE, "no group or table 'curve'; the tables are big, ");
  refuse(big, "curves", "-", NTK_E_USAGE,
         "stdout takes one table; choose it with --group among cur");
  refuse(folder_path(folder, "empty.h5"), NULL, NULL, NTK_E_INPUT, "holds no variables");
  refuse(note, NULL, NULL, NTK_E_INPUT, "not an HDF5 file");
  refuse(folder_path(folder, "absent.h5"), NULL, NULL, NTK_E_MISSING, "absent.h5");
  refuse(big, NULL, note, NTK_E_CREATE, "note");
}

/* What stands where a file should be made, or where it should go. */
static void test_obstacles(void) {
  char taken[NTK_DURABLE_PATH];

  EXPECT_OK(ntk_durable_name(folder_path(folder, "blocked/curves.alone.csv"), taken));
  EXPECT_OK(ntk_directory_make(taken));
  refuse(folder_path(folder, "big.h5"), "curves.alone", folder_path(folder, "blocked"),
         NTK_E_CREATE, "cannot create");
  EXPECT_OK(ntk_directory_make(folder_path(folder, "taken/curves.alone.csv")));
  refuse(folder_path(folder, "big.h5"), "curves.alone", folder_path(folder, "taken"), NTK_E_IO,
         "cannot rename");
  EXPECT(folder_count(folder_path(folder, "taken"), "") == 1);
}

/* A table longer than a buffer, and one of which all is written when it is closed. */
static void test_full_disk(void) {
  static const char *const tables[] = {"big.sample2.sample", "curves.alone"};
  const char *full = folder_path(folder, "full");
  char name[64], temporary[NTK_DURABLE_PATH];

  if (access("/dev/full", W_OK) != 0) return;
  EXPECT_OK(ntk_directory_make(full));
  for (int k = 0; k < 2; ++k) {
    (void)snprintf(name, sizeof(name), "full/%s.csv", tables[k]);
    EXPECT_OK(ntk_durable_name(folder_path(folder, name), temporary));
    EXPECT(symlink("/dev/full", temporary) == 0);
    refuse(folder_path(folder, "big.h5"), tables[k], full, NTK_E_FULL,
           "cannot write: No space left on device");
    EXPECT(folder_count(full, "") == 0);
  }
}

static ntk_status job(void *context) {
  ntk_text names = {0};
  const ntk_status status = ntk_export_csv(folder_path(folder, "big.h5"), "curves",
                                           folder_path(folder, "faults"), &names);

  (void)context;
  ntk_text_destroy(&names);
  EXPECT(status == NTK_OK || folder_count(folder_path(folder, "faults"), ".tmp.") == 0);
  return status;
}

static void write_elsewhere(void) {
  int status = 0;
  const pid_t child = fork();

  if (child == 0) {
    write_file();
    _exit(0);
  }
  EXPECT(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

int main(int argc, char **argv) {
  ntk_blas_adopt_core(argv); /* begins the process anew */
  folder_make(folder);
  write_elsewhere(); /* before MPI, which does not like to be forked */
  begin_test(&argc, &argv);
  test_tables();
  test_panels();
  test_memory();
  test_choice();
  test_refusals();
  test_obstacles();
  test_full_disk();
  EXPECT_OK(ntk_directory_make(folder_path(folder, "faults")));
  EXPECT(sweep_faults(job, NULL) > 20);
  EXPECT(ntk_memory_balance() == 0);
  folder_remove(folder);
  MPI_Finalize();
  return 0;
}
