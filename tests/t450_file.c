/* A record comes back from a file as it went in: every kind, rank and size, values to the bit,
 * texts, order, attributes; kept groups survive; a failure leaves the old file and no other.
 *
 * Method: write, read, compare field by field; each refusal provoked; every check made to fail. */
//TEST ranks=1
#include "ntk/store/file.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sys/wait.h>
#include <time.h>

#include "folder.h"
#include "ntk/store/bytes.h"
#include "ntk/store/driver.h"
#include "ntk/store/durable.h"
#include "ntk/store/group.h"
#include "ntk/store/handle.h"

static char folder[4096];

/* ---- records to write ---------------------------------------------------------------------- */

static ntk_status add_text(ntk_record *record, const ntk_field *field, const char *const *texts,
                           int64_t count) {
  NTK_TRY(ntk_record_add(record, field, &count, NULL));
  for (int64_t k = 0; k < count; ++k) {
    if (!texts[k]) continue;
    NTK_TRY(ntk_variable_set_text(&record->variables[record->variable_count - 1], k, texts[k]));
  }
  return NTK_OK;
}

static ntk_status fill_curves(ntk_record *record) {
  static const ntk_field time = {"time", "time", "s", "time of training", "D.1", NTK_KIND_REAL};
  static const ntk_field loss = {"loss", "time", "1", "training loss", "D.2", NTK_KIND_REAL};
  static const ntk_field prediction = {"prediction", "time shown output", "1", "f(x)",
                                       "",           NTK_KIND_SINGLE};
  static const ntk_field done = {"done", "shown", "1", "whether it was reached", "", NTK_KIND_FLAG};
  const int64_t sizes[] = {4, 3, 2};
  double *at = NULL, *value = NULL;
  float *predicted = NULL;
  int8_t *flag = NULL;

  NTK_TRY(ntk_record_add(record, &loss, sizes, &value));
  NTK_TRY(ntk_record_add(record, &prediction, sizes, &predicted));
  NTK_TRY(ntk_record_add(record, &time, sizes, &at)); /* after the curves, on purpose */
  NTK_TRY(ntk_record_add(record, &done, sizes + 1, &flag));
  for (int k = 0; k < 4; ++k) at[k] = 0.1 * k, value[k] = exp(-k);
  value[2] = NAN, value[3] = INFINITY;
  for (int k = 0; k < 24; ++k) predicted[k] = (float)k / 3;
  flag[1] = 1;
  NTK_TRY(ntk_record_set_text(record, "key", "0123456789abcdef0123456789abcdef"));
  NTK_TRY(ntk_record_set_text(record, "unit_of_time", ""));
  NTK_TRY(ntk_record_set_real(record, "learning_rate", 0.1));
  return ntk_record_set_int(record, "block", -64);
}

static ntk_status fill_words(ntk_record *record) {
  static const char *const words[] = {"dense0", "", "größer", NULL};
  static const ntk_field layer = {"layer", "layer", "1", "layer", "", NTK_KIND_TEXT};
  static const ntk_field s_w = {"s_w", "layer", "1", "multiplier", "A2", NTK_KIND_REAL};
  static const ntk_field nothing = {"nothing", "none layer", "1", "", "", NTK_KIND_REAL};
  static const ntk_field title = {"title", "", "1", "a scalar text", "", NTK_KIND_TEXT};
  static const ntk_field tensor = {"inner/deep/W", "in out", "1", "", "", NTK_KIND_SINGLE};
  const int64_t layers = 4, sizes[] = {0, 4}, shape[] = {2, 3};
  const char *const name = "a title";

  NTK_TRY(add_text(record, &layer, words, layers));
  NTK_TRY(ntk_record_add(record, &s_w, &layers, NULL));
  NTK_TRY(ntk_record_add(record, &nothing, sizes, NULL));
  NTK_TRY(add_text(record, &title, &name, 1));
  NTK_TRY(ntk_record_add(record, &tensor, shape, NULL));
  NTK_TRY(ntk_record_set_real(record, "inner/deep/W/s_w", 0.5));
  return ntk_record_set_text(record, "inner/note", "of a nested group");
}

static ntk_status fill_root(ntk_record *record) {
  static const ntk_field n = {"n", "", "1", "training samples", "", NTK_KIND_INT};
  static const ntk_field trace = {"trace", "", "1", "trace of the Gram", "C.1", NTK_KIND_REAL};

  NTK_TRY(ntk_record_add_int(record, &n, ((int64_t)1 << 60) + 1));
  NTK_TRY(ntk_record_add_real(record, &trace, 0.1 + 0.2));
  NTK_TRY(ntk_record_set_text(record, "key", "key of the root"));
  return ntk_record_set_text(record, "config", "a: 1\nb: 2\n");
}

static ntk_status name_record(ntk_record *record, const char *name,
                              ntk_status (*fill)(ntk_record *record)) {
  (void)snprintf(record->name, sizeof(record->name), "%s", name);
  return fill(record);
}

static ntk_status make_records(ntk_record *records) {
  NTK_TRY(name_record(&records[0], "", fill_root));
  NTK_TRY(name_record(&records[1], "curves", fill_curves));
  return name_record(&records[2], "some/words", fill_words);
}

static void destroy_records(ntk_record *records) {
  for (int k = 0; k < 3; ++k) ntk_record_destroy(&records[k]);
}

/* ---- comparison ---------------------------------------------------------------------------- */

static void expect_same_text(char *const *a, char *const *b, int64_t count) {
  for (int64_t k = 0; k < count; ++k) EXPECT_TEXT(a[k] ? a[k] : "", b[k] ? b[k] : "");
}

static void expect_same_variable(const ntk_variable *a, const ntk_variable *b, bool data) {
  EXPECT_TEXT(a->name, b->name);
  EXPECT(a->kind == b->kind && a->rank == b->rank && a->count == b->count);
  for (int k = 0; k < a->rank; ++k) {
    EXPECT(a->size[k] == b->size[k]);
    EXPECT_TEXT(a->dimension[k], b->dimension[k]);
  }
  EXPECT_TEXT(a->long_name, b->long_name);
  EXPECT_TEXT(a->units, b->units);
  EXPECT_TEXT(a->source, b->source);
  if (!data) {
    EXPECT(!b->data);
  } else if (a->kind == NTK_KIND_TEXT) {
    expect_same_text(a->data, b->data, a->count);
  } else {
    EXPECT(a->count == 0 ||
           memcmp(a->data, b->data, (size_t)a->count * ntk_kind_size(a->kind)) == 0);
  }
}

static void expect_same(const ntk_record *a, const ntk_record *b, bool data) {
  EXPECT_TEXT(a->name, b->name);
  EXPECT(a->variable_count == b->variable_count);
  for (int64_t k = 0; k < a->variable_count; ++k) {
    const ntk_variable *other = ntk_record_find(b, a->variables[k].name);

    EXPECT(other);
    expect_same_variable(&a->variables[k], other, data);
  }
  for (int64_t k = 0; k < a->attribute_count; ++k) {
    const ntk_attribute *x = &a->attributes[k], *y = ntk_record_find_attribute(b, x->name);

    if (!y) FAIL("no attribute %s", x->name);
    EXPECT(x->kind == y->kind && x->real == y->real && x->integer == y->integer);
    if (x->text) EXPECT_TEXT(x->text, y->text);
  }
}

static void expect_file(const char *path, const ntk_record *records, int count) {
  for (int k = 0; k < count; ++k) {
    const bool recursive = records[k].name[0]; /* the root's record is the root alone */
    ntk_record back = {0};

    EXPECT_OK(ntk_file_read(path, records[k].name, recursive, &back));
    expect_same(&records[k], &back, true);
    ntk_record_destroy(&back);
    EXPECT_OK(ntk_file_list(path, records[k].name, recursive, &back));
    expect_same(&records[k], &back, false);
    ntk_record_destroy(&back);
  }
}

/* ---- tests --------------------------------------------------------------------------------- */

static void test_round_trip(void) {
  const char *path = folder_path(folder, "round.h5");
  ntk_record records[3] = {{.name = ""}}, all = {0};
  ntk_variable one;

  EXPECT_OK(make_records(records));
  EXPECT_OK(ntk_file_write(path, 3, records, NULL));
  expect_file(path, records, 3);
  EXPECT_OK(ntk_file_write(path, 3, records, NULL)); /* over itself */
  expect_file(path, records, 3);
  EXPECT(folder_count(folder, ".tmp.") == 0);

  EXPECT_OK(ntk_file_read(path, "", true, &all));
  EXPECT(ntk_record_find(&all, "some/words/inner/deep/W") && ntk_record_find(&all, "n"));
  EXPECT_TEXT(ntk_record_find_attribute(&all, "Conventions")->text, "CF-1.10");
  EXPECT_TEXT(ntk_record_find_attribute(&all, "some/words/inner/note")->text, "of a nested group");
  ntk_record_destroy(&all);

  EXPECT_OK(ntk_file_read_variable(path, "curves/time", &one));
  EXPECT(one.count == 4 && ((double *)one.data)[3] == 0.1 * 3);
  EXPECT_TEXT(one.dimension[0], "time");
  ntk_variable_destroy(&one);
  EXPECT_REFUSED(ntk_file_read_variable(path, "curves/tima", &one), NTK_E_INPUT, "curves/tima");
  EXPECT_REFUSED(ntk_file_read_variable(path, "curves", &one), NTK_E_INPUT, "curves");
  EXPECT_REFUSED(ntk_file_read(path, "curve", false, &all), NTK_E_INPUT, "curve");
  destroy_records(records);
}

/* Variables are listed in the order of writing, coordinates first. */
static void test_order(void) {
  const char *path = folder_path(folder, "round.h5");
  ntk_record back = {0};

  EXPECT_OK(ntk_file_list(path, "curves", false, &back));
  EXPECT_TEXT(back.variables[0].name, "time");
  EXPECT_TEXT(back.variables[1].name, "loss");
  EXPECT_TEXT(back.variables[2].name, "prediction");
  ntk_record_destroy(&back);
}

static void expect_keys(const char *path) {
  ntk_record keys = {0};

  EXPECT_OK(ntk_file_keys(path, &keys));
  EXPECT(keys.attribute_count == 6);
  EXPECT_TEXT(ntk_record_find_attribute(&keys, "")->text, "key of the root");
  EXPECT_TEXT(ntk_record_find_attribute(&keys, "curves")->text, "0123456789abcdef0123456789abcdef");
  EXPECT_TEXT(ntk_record_find_attribute(&keys, "some")->text, "");
  EXPECT_TEXT(ntk_record_find_attribute(&keys, "some/words/inner")->text, "");
  ntk_record_destroy(&keys);
}

enum { SEAL = 40, KEYS_END = 16 };

/* Keys that nobody can have written, under a seal that matches. */
static void forge_keys(const char *path) {
  const int file = open(path, O_RDWR);
  const int64_t at = lseek(file, -(SEAL + KEYS_END + 1), SEEK_END);
  const ntk_bytes_extent before = {0, at + 1 + KEYS_END};
  ntk_key key;

  EXPECT(file >= 0 && ntk_bytes_write(file, at, 1, "x") == 0); /* the end of the last line */
  EXPECT_OK(ntk_bytes_hash(file, path, 1, &before, key));
  EXPECT(ntk_bytes_write(file, before.bytes + 8, NTK_KEY_SIZE - 1, key) == 0);
  EXPECT(close(file) == 0);
}

/* Cuts the end of a file off, of which other programs know nothing: seal, and keys. */
static void cut_end(const char *path) {
  unsigned char end[SEAL + KEYS_END];
  FILE *file = fopen(path, "r+");

  EXPECT(file && fseek(file, -(long)sizeof(end), SEEK_END) == 0);
  const long at = ftell(file);

  EXPECT(fread(end, sizeof(end), 1, file) == 1 && memcmp(end + 8, "NTKKEYS1NTKSEAL1", 16) == 0);
  EXPECT(end[1] + end[2] == 0 && end[0] > 100);
  EXPECT(fclose(file) == 0 && truncate(path, at - end[0]) == 0);
}

/* From the end of the file, and from the groups where another program has dropped that. */
static void test_keys(void) {
  const char *path = folder_path(folder, "round.h5");
  ntk_record keys = {0};

  expect_keys(path);
  forge_keys(path);
  EXPECT_REFUSED(ntk_file_keys(path, &keys), NTK_E_INPUT, "the keys at its end are malformed");
  EXPECT(keys.attribute_count == 0);
  cut_end(path);
  expect_keys(path);
  EXPECT_OK(ntk_file_keys(folder_path(folder, "absent.h5"), &keys));
  EXPECT(keys.attribute_count == 0);
  ntk_record_destroy(&keys);
}

static void test_keep(void) {
  static const char *const keep[] = {"curves", "absent", "some", NULL};
  static const char *const first[] = {"curves", NULL};
  const char *path = folder_path(folder, "keep.h5");
  ntk_record records[3] = {{.name = ""}}, other = {.name = "other"}, back = {0};

  EXPECT_OK(make_records(records));
  EXPECT_OK(ntk_record_set_int(&other, "answer", 42));
  EXPECT_OK(ntk_file_write(path, 3, records, NULL));
  EXPECT_OK(ntk_file_write(path, 1, &other, keep));
  expect_file(path, records + 1, 2);
  EXPECT_OK(ntk_file_read(path, "other", false, &back));
  EXPECT(ntk_record_find_attribute(&back, "answer")->integer == 42);
  ntk_record_destroy(&back);
  EXPECT_OK(ntk_file_read(path, "", false, &back));
  EXPECT(back.variable_count == 0 && !ntk_record_find_attribute(&back, "config"));
  ntk_record_destroy(&back);

  EXPECT_OK(ntk_record_set_int(&records[1], "block", 1)); /* written and kept: written wins */
  EXPECT_OK(ntk_file_write(path, 1, &records[1], first));
  expect_file(path, records + 1, 1);
  EXPECT_REFUSED(ntk_file_read(path, "some", true, &back), NTK_E_INPUT, "some");
  EXPECT_OK(ntk_file_write(folder_path(folder, "fresh.h5"), 1, &other, keep)); /* nothing there */
  ntk_record_destroy(&other);
  destroy_records(records);
}

static void test_refusals(void) {
  static const ntk_field a = {"a", "x", "1", "", "", NTK_KIND_REAL};
  static const ntk_field b = {"b", "x", "1", "", "", NTK_KIND_REAL};
  static const ntk_field x = {"x", "", "1", "", "", NTK_KIND_REAL};
  static const ntk_field twice = {"c", "s s", "1", "", "", NTK_KIND_REAL};
  const char *path = folder_path(folder, "round.h5");
  const int64_t two[] = {2, 2}, three = 3;
  ntk_record bad[3] = {{.name = ""}}, lost = {0}, back = {0};

  EXPECT_OK(ntk_record_add(&bad[0], &a, two, NULL));
  EXPECT_OK(ntk_record_add(&bad[0], &b, &three, NULL));
  EXPECT_OK(ntk_record_add(&bad[1], &x, two, NULL));
  EXPECT_OK(ntk_record_add(&bad[1], &a, two, NULL));
  EXPECT_OK(ntk_record_add(&bad[2], &twice, two, NULL));
  EXPECT_REFUSED(ntk_file_write(path, 1, &bad[0], NULL), NTK_E_BUG, "2 and 3");
  EXPECT_REFUSED(ntk_file_write(path, 1, &bad[1], NULL), NTK_E_BUG, "'x'");
  EXPECT_REFUSED(ntk_file_write(path, 1, &bad[2], NULL), NTK_E_BUG, "twice");
  EXPECT_OK(ntk_record_set_int(&lost, "absent/s_w", 1));
  EXPECT_REFUSED(ntk_file_write(path, 1, &lost, NULL), NTK_E_BUG, "absent/s_w");
  EXPECT(folder_count(folder, ".tmp.") == 0);
  EXPECT_OK(ntk_file_read(path, "curves", false, &back)); /* the old file is still there */
  ntk_record_destroy(&back);
  ntk_record_destroy(&lost);
  destroy_records(bad);

  EXPECT_REFUSED(ntk_file_write(folder_path(folder, "no/such/x.h5"), 0, NULL, NULL), NTK_E_CREATE,
                 "no/such/x.h5");
  EXPECT_REFUSED(ntk_file_write("/proc/x.h5", 0, NULL, NULL), NTK_E_CREATE, "/proc/x.h5");
  EXPECT_REFUSED(ntk_file_read(folder_path(folder, "absent.h5"), "", false, &back), NTK_E_MISSING,
                 "absent.h5");
  EXPECT_REFUSED(ntk_file_read(folder, "", false, &back), NTK_E_INPUT, "not a file");
}

static void test_text_and_directories(void) {
  char line[64] = "";
  const char *path = folder_path(folder, "a/b/c/note.txt");

  EXPECT_OK(ntk_directory_make(folder_path(folder, "a/b/c")));
  EXPECT_OK(ntk_directory_make(folder_path(folder, "a/b/c/")));
  EXPECT_OK(ntk_file_write_text(path, "one\n"));
  EXPECT_OK(ntk_file_write_text(path, "two\n"));
  FILE *file = fopen(path, "r");
  EXPECT(file && fgets(line, sizeof(line), file));
  (void)fclose(file);
  EXPECT_TEXT(line, "two\n");
  EXPECT_REFUSED(ntk_directory_make(path), NTK_E_CREATE, "not a directory");
  EXPECT_REFUSED(ntk_directory_make(folder_path(path, "below")), NTK_E_CREATE, "not a directory");
  EXPECT_REFUSED(ntk_directory_make("/proc/ntk"), NTK_E_CREATE, "/proc/ntk");
  EXPECT_REFUSED(ntk_directory_make(""), NTK_E_CREATE, "''");
  EXPECT_REFUSED(ntk_file_write_text("/proc/ntk/x", ""), NTK_E_CREATE, "/proc/ntk/x");
  EXPECT_REFUSED(ntk_file_write_text(folder, "text"), NTK_E_IO, "rename");
}

static const char *leave(const char *host, long process, time_t age) {
  char name[300];

  (void)snprintf(name, sizeof(name), "shared.yaml.tmp.%s.%ld", host, process);
  const char *path = folder_path(folder, name);
  const struct timespec times[2] = {{time(NULL) - age, 0}, {time(NULL) - age, 0}};
  const int file = open(path, O_WRONLY | O_CREAT, 0666);

  EXPECT(file >= 0 && futimens(file, times) == 0 && close(file) == 0);
  return path;
}

/* Of what lies beside a file that many write, only that goes which nobody is at work on. */
static void test_leftovers(void) {
  char host[65] = "";
  const pid_t child = fork();

  if (child == 0) _exit(0);
  EXPECT(child > 0 && waitpid(child, NULL, 0) == child && gethostname(host, sizeof(host) - 1) == 0);
  const char *dead = leave(host, (long)child, 0), *alive = leave(host, (long)getppid(), 0);
  const char *other = leave("elsewhere", (long)child, 0), *old = leave("elsewhere", 7, 4000);

  EXPECT_OK(ntk_file_write_text(folder_path(folder, "shared.yaml"), "text"));
  EXPECT(access(dead, F_OK) != 0 && access(old, F_OK) != 0);
  EXPECT(unlink(alive) == 0 && unlink(other) == 0);
}

/* A disk without room: an error, the old file stays, and HDF5 does not crash at the end. */
static void test_full_disk(void) {
  const char *path = folder_path(folder, "round.h5");
  const long open = ntk_handles_open();
  char temporary[5000];
  ntk_record records[3] = {{.name = ""}};

  if (access("/dev/full", W_OK) != 0) return;
  EXPECT_OK(make_records(records));
  for (int count = 0; count < 4; ++count) {
    EXPECT_OK(ntk_durable_name(path, temporary));
    EXPECT(symlink("/dev/full", temporary) == 0);
    EXPECT_REFUSED(ntk_file_write(path, count, records, NULL), NTK_E_FULL, "No space left");
    EXPECT(access(temporary, F_OK) != 0);
    EXPECT(symlink("/dev/full", temporary) == 0);
    EXPECT_STATUS(ntk_file_write_text(path, "text"), NTK_E_FULL);
  }
  expect_file(path, records, 3);
  EXPECT(ntk_handles_open() == open);
  destroy_records(records);
}

/* The driver keeps the reason of the first failure, and HDF5 sees none. */
static void test_driver(void) {
  const char *path = folder_path(folder, "full.h5");
  hid_t file = H5I_INVALID_HID;

  if (access("/dev/full", W_OK) != 0) return;
  EXPECT(symlink("/dev/full", path) == 0);
  EXPECT_OK(ntk_group_create_file(path, false, &file));
  EXPECT(H5Fflush(file, H5F_SCOPE_GLOBAL) >= 0 && ntk_driver_error(file) == ENOSPC);
  EXPECT_REFUSED(ntk_group_close_file(path, file), NTK_E_FULL, "No space left");
  EXPECT(unlink(path) == 0);
}

/* One variable in memory at a time. */
static ntk_status count_up(void *context, const ntk_record *record, ntk_variable *variable) {
  double *data = NULL;

  EXPECT_TEXT(record->name, "big");
  NTK_TRY(NTK_NEW(variable->count, &data));
  for (int64_t k = 0; k < variable->count; ++k) data[k] = (double)k;
  variable->data = data;
  ++*(int *)context;
  return NTK_OK;
}

static void test_filled(void) {
  static const ntk_field a = {"a", "x", "1", "", "", NTK_KIND_REAL};
  static const ntk_field b = {"b", "x y", "1", "", "", NTK_KIND_REAL};
  const char *path = folder_path(folder, "filled.h5");
  const int64_t sizes[] = {5, 3};
  ntk_record big = {.name = "big"};
  ntk_variable back;
  int calls = 0;

  EXPECT_OK(ntk_record_add(&big, &a, sizes, NULL));
  EXPECT_OK(ntk_record_add(&big, &b, sizes, NULL));
  ntk_free(&big.variables[0].data);
  ntk_free(&big.variables[1].data);
  EXPECT_OK(ntk_file_write_filled(path, 1, &big, count_up, &calls));
  EXPECT(calls == 2 && !big.variables[0].data && !big.variables[1].data);
  EXPECT_OK(ntk_file_read_variable(path, "big/b", &back));
  EXPECT(back.count == 15 && ((double *)back.data)[14] == 14);
  ntk_variable_destroy(&back);
  ntk_record_destroy(&big);
}

/* Writes with a kept group, reads everything back; for the sweep over all checks. */
static ntk_status use_file(ntk_record *records, ntk_record *back) {
  static const char *const keep[] = {"curves", NULL};
  const char *path = folder_path(folder, "faults.h5");
  ntk_variable one = {0};

  NTK_TRY(make_records(records));
  NTK_TRY(ntk_file_write(path, 3, records, NULL));
  NTK_TRY(ntk_file_write(path, 1, records, keep));
  NTK_TRY(ntk_file_read(path, "", true, &back[0]));
  NTK_TRY(ntk_file_list(path, "", true, &back[1]));
  NTK_TRY(ntk_file_keys(path, &back[2]));
  NTK_TRY(ntk_file_read_variable(path, "curves/prediction", &one));
  ntk_variable_destroy(&one);
  NTK_TRY(ntk_directory_make(folder_path(folder, "x/y")));
  return ntk_file_write_text(folder_path(folder, "faults.txt"), "text");
}

static ntk_status use_file_and_destroy(void *context) {
  ntk_record records[3] = {{.name = ""}}, back[3] = {{.name = ""}};
  const ntk_status status = use_file(records, back);

  (void)context;
  (void)rmdir(folder_path(folder, "x/y"));
  (void)rmdir(folder_path(folder, "x"));
  destroy_records(records);
  destroy_records(back);
  EXPECT(folder_count(folder, ".tmp.") == 0);
  return status;
}

static void test_faults(void) {
  EXPECT_OK(use_file_and_destroy(NULL));
  const long open = ntk_handles_open();

  EXPECT(sweep_faults(use_file_and_destroy, NULL) > 60);
  EXPECT(ntk_handles_open() == open);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  folder_make(folder);
  test_round_trip();
  test_order();
  test_keys();
  test_keep();
  test_refusals();
  test_text_and_directories();
  test_leftovers();
  test_full_disk();
  test_driver();
  test_filled();
  test_faults();
  EXPECT(ntk_memory_balance() == 0);
  folder_remove(folder);
  MPI_Finalize();
  return 0;
}
