/* CSV and LIBSVM files are read exactly, whatever ends their lines, with a byte order mark or
 * compressed; what is missing, ragged or no number is refused with file, line and column.
 *
 * Method: tests/cases/tables, read by numpy and scikit-learn; the same files with other ends of
 * lines; then a table of damaged texts, each with a piece of the message it must give. */
//TEST ranks=1
#include "data.h"
#include "json.h"

enum { ROOM = 4096, MOST = 64 };

/* ---- files that others have read ------------------------------------------------------------ */

typedef struct expected {
  const char *inputs, *labels, *targets; /* of the case; one of the latter NULL */
} expected;

/* `classes: [...]` of a case maps its labels, so the class is compared by its label. */
static int64_t label_of(const ntk_data_settings *settings, int64_t class) {
  return settings->classes.count > 0 ? settings->classes.item[class] : class;
}

static void expect_samples(const expected *e, const ntk_data_settings *settings,
                           const ntk_data *data) {
  double x[MOST], y[MOST];
  const int64_t values = json_reals(e->inputs, MOST, x);
  const int64_t targets = json_reals(e->labels ? e->labels : e->targets, MOST, y);
  const int64_t n = data->train.count, features = data->features;

  EXPECT(n == json_count(e->inputs) && values == n * features && data->test.count == 0);
  EXPECT((e->labels != NULL) == (data->classes > 0) || data->outputs == 1);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t at = data->train.index[i];

    EXPECT(same_bits(data->train.inputs + i * features, x + at * features,
                     (size_t)features * sizeof(double)));
    for (int64_t o = 0; o < targets / n; ++o) {
      const double target = y[at * targets / n + o];

      if (data->classes > 0) {
        EXPECT((double)label_of(settings, data->train.label[i]) == target);
      } else {
        EXPECT(data->outputs == targets / n);
        EXPECT(same_bits(&data->train.targets[i * data->outputs + o], &target, sizeof(target)));
      }
    }
  }
}

static void expect_file(const char *format, const char *name, const char *options,
                        const expected *e) {
  char yaml[ROOM];
  ntk_data_cache cache = {0};
  ntk_data data;
  bound b;

  (void)snprintf(yaml, sizeof(yaml), "{source: %s, path: %s, %s}", format, name, options);
  bind_valid(yaml, &b);
  EXPECT_OK(ntk_data_load(&b.settings, &cache, &data));
  expect_samples(e, &b.settings, &data);
  ntk_data_destroy(&data);
  ntk_data_cache_destroy(&cache);
  unbind(&b);
}

/* With CR LF, and without an end of the last line. */
static size_t with_crlf(const char *text, size_t length, char *out) {
  size_t used = 0;

  for (size_t k = 0; k + 1 < length; ++k) {
    if (text[k] == '\n') out[used++] = '\r';
    out[used++] = text[k];
  }
  return used;
}

static void write_variants(const char *text, size_t length) {
  char other[ROOM] = "\xEF\xBB\xBF";

  write_file("plain", text, length);
  write_gzip("gzip", text, length);
  memcpy(other + 3, text, length);
  write_file("mark", other, length + 3);
  write_file("crlf", other, with_crlf(text, length, other));
}

static const char *unescape(const char *from, char *to) {
  char *out = to;

  for (; *from; ++from) *out++ = *from == '\\' ? *++from : *from;
  *out = '\0';
  return to;
}

static void read_case(const char *c) {
  char name[64], path[128], raw[512], options[512], *text = NULL;
  const expected e = {json_find(c, "inputs"), json_look(c, "labels"), json_look(c, "targets")};

  (void)json_text(json_find(c, "file"), sizeof(name), name);
  (void)unescape(json_text(json_find(c, "options"), sizeof(raw), raw), options);
  (void)snprintf(path, sizeof(path), "tests/cases/tables/%s", name);
  text = json_load(path); /* any text */
  write_variants(text, strlen(text));
  const char *format = strstr(name, ".libsvm") ? "libsvm" : "csv";

  expect_file(format, "plain", options, &e);
  expect_file(format, "gzip", options, &e);
  expect_file(format, "mark", options, &e);
  expect_file(format, "crlf", options, &e);
  free(text);
}

static void cases(void) {
  char *file = json_load("tests/cases/tables/expected.json");
  const char *all = json_find(file, "text");

  EXPECT(json_count(all) >= 14);
  for (const char *c = json_first(all); c; c = json_next(c)) read_case(c);
  free(file);
}

/* ---- several files -------------------------------------------------------------------------- */

static void write_text(const char *name, const char *text) { write_file(name, text, strlen(text)); }

static void test_files(void) {
  ntk_data data;

  write_text("x", "a,b,y\n1,2,0\n3,4,1\n");
  write_text("xt", "a,b,y\n5,6,1\n");
  load_valid("{source: csv, path: x, test_path: xt, seed: 1}", &data);
  EXPECT(data.train.count == 2 && data.test.count == 1 && data.classes == 2 && data.features == 2);
  EXPECT(data.test.inputs[0] == 5 && data.test.inputs[1] == 6 && data.test.label[0] == 1);
  ntk_data_destroy(&data);
  write_text("xt", "a,b,y\n5,6,1.0\n"); /* real in one of the files: real in both */
  load_valid("{source: csv, path: x, test_path: xt}", &data);
  EXPECT(data.classes == 0 && data.outputs == 1 && data.test.targets[0] == 1);
  ntk_data_destroy(&data);
  write_text("x", "1 1:1\n0 2:1\n");
  write_text("xt", "1 3:1\n");
  load_valid("{source: libsvm, path: x, test_path: xt}", &data);
  EXPECT(data.features == 3 && data.test.inputs[2] == 1 && data.test.label[0] == 1);
  ntk_data_destroy(&data);
}

/* Labels in files of their own, as scikit-learn's diabetes. */
static void label_files(void) {
  ntk_data data;

  write_text("x", "1 2\n3 4\n");
  write_text("y", "1.5e+00\n2\n");
  write_text("yt", "7\n");
  write_text("xt", "5 6\n");
  load_valid("{source: csv, path: x, labels: y, test_path: xt, test_labels: yt, delimiter: ' '}",
             &data);
  EXPECT(data.features == 2 && data.outputs == 1 && data.classes == 0);
  for (int i = 0; i < 2; ++i) {
    EXPECT(data.train.targets[i] == (data.train.index[i] ? 2 : 1.5));
    EXPECT(data.train.inputs[2 * i] == (data.train.index[i] ? 3 : 1));
  }
  EXPECT(data.test.targets[0] == 7 && data.test.inputs[1] == 6);
  ntk_data_destroy(&data);
  write_text("y", "a b c\n1 2 3\n4 5 6\n");
  load_valid("{source: csv, path: x, labels: y, target_columns: [c, a], delimiter: ' '}", &data);
  EXPECT(data.outputs == 2 && data.train.targets[0] == (data.train.index[0] ? 6 : 3));
  EXPECT(data.train.targets[1] == (data.train.index[0] ? 4 : 1));
  ntk_data_destroy(&data);
}

/* Larger than every buffer, and with a line longer than one. */
static void large_file(void) {
  enum { LINES = 9000, LENGTH = LINES * 24, COLUMNS = 40000 };
  char *text = malloc(LENGTH);
  size_t used = 0;
  ntk_data data;

  EXPECT(text);
  for (int i = 0; i < LINES; ++i) {
    used += (size_t)snprintf(text + used, LENGTH - used, "%d,%d.5\n", i, 2 * i);
  }
  write_file("x", text, used);
  load_valid("{source: csv, path: x, target_columns: [0], targets: real}", &data);
  EXPECT(data.train.count == LINES);
  for (int i = 0; i < LINES; ++i) {
    EXPECT(data.train.inputs[i] == 2 * data.train.targets[i] + 0.5);
    EXPECT((double)data.train.index[i] == data.train.targets[i]);
  }
  ntk_data_destroy(&data);
  used = 0;
  for (int c = 0; c < COLUMNS; ++c) text[used++] = (char)('0' + c % 10), text[used++] = ',';
  text[used++] = '7';
  write_file("x", text, used);
  load_valid("{source: csv, path: x, targets: real}", &data);
  EXPECT(data.features == COLUMNS && data.train.targets[0] == 7);
  for (int c = 0; c < COLUMNS; ++c) EXPECT(data.train.inputs[c] == c % 10);
  ntk_data_destroy(&data);
  free(text);
}

/* ---- refusals ------------------------------------------------------------------------------- */

static void expect_refused(const char *yaml, ntk_status status, const char *part) {
  const long balance = ntk_memory_balance();
  ntk_data data;

  EXPECT_REFUSED(load_once(yaml, &data), status, part);
  EXPECT(data.train.inputs == NULL && data.features == 0 && ntk_memory_balance() == balance);
}

static void refuse(const char *format, const char *text, const char *more, const char *part) {
  char yaml[512];

  write_text("x", text);
  (void)snprintf(yaml, sizeof(yaml), "{source: %s, path: x%s}", format, more);
  expect_refused(yaml, NTK_E_INPUT, "/x");
  expect_refused(yaml, NTK_E_INPUT, part);
}

static const struct {
  const char *text, *more, *part;
} bad_csv[] = {
    {"", "", "the file has no samples"},
    {"\n \n\t\r\n", "", "the file has no samples"},
    {"a,b,y\n", "", "the file has no samples"},
    {"a,b,y\n1,,0\n", "", "/x:2:3: column 1 ('b'): the value is missing; remove the sample"},
    {"1,2,0\n3,NA,1\n", "", "/x:2:3: column 1: the value is missing ('NA')"},
    {"a,b,y\n1,2,\n", "", "/x:2:5: column 2 ('y'): the value is missing"},
    {"a,b,y\n1,NaN,0\n", "", "the value is missing ('NaN')"},
    {"a,b,y\n1,\"\",0\n", "", "/x:2:3: column 1 ('b'): the value is missing"},
    {"a,b,y\n1,2,0\n1,?,0\n", "", "/x:3:3: column 1 ('b'): the value is missing ('?')"},
    {"a,b,y\n1,2,0\n3,4\n", "", "/x:3: 2 values, but line 1 has 3"},
    {"1,2,0\n3,4,5,6\n", "", "/x:2: 4 values, but line 1 has 3"},
    {"1,2,0\n3,4,5,\n", "", "/x:2: 4 values, but line 1 has 3"},
    {"569,30,malignant,benign\n1,2,3,4,5\n", "", "/x:2: 5 values, but line 1 has 4"},
    {"a,b,y\n1,inf,0\n", "", "/x:2:3: column 1 ('b'): 'inf' is no finite number"},
    {"a,b,y\n1,1e999,0\n", "", "'1e999' is no finite number"},
    {"a,b,y\n1,0x10,0\n", "", "'0x10' is no finite number"},
    {"a,b,y\n1,2;3,0\n", "", "'2;3' is no finite number"},
    {"a,b,y\n1,1 2,0\n", "", "'1 2' is no finite number"},
    {"a,b,y\n1,\x01z\x7F,0\n", "", "'?z?' is no finite number"},
    {"5.1,3.5,setosa\n4.9,3,virginica\n", "", "/x:2:7: column 2 ('setosa'): 'virginica' is no"},
    {"a,b,y\n1,2,0\n", ", header: false", "/x:1:1: column 0: 'a' is no finite number; if the line"},
    {"a,b,y\n1,\"2,0\n", "", "/x:2:3: the quote is not closed on this line"},
    {"a,b,y\n1,\"2\"3,0\n", "", "/x:2:6: characters behind a closing quote"},
    {"a,b,y\n1,2,0\n", ", target_columns: [z]", "no column is called 'z'"},
    {"1,2,0\n", ", target_columns: [z]", "there is no header to find a column 'z' in"},
    {"1,2,0\n", ", target_columns: [3]", "there is no column 3; there are 3"},
    {"1,2,0\n", ", target_columns: [-4]", "there is no column -4; there are 3"},
    {"1,2,0\n", ", target_columns: [1, 1]", "name column 1 twice"},
    {"1,2,0\n", ", target_columns: [1], ignore_columns: [-2]", "name column -2 twice"},
    {"a,a,y\n1,2,0\n", ", ignore_columns: [a]", "several columns are called 'a'; write the"},
    {"a,b\n1,2\n", ", target_columns: [a, b]", "no column is left for the inputs"},
    {"1;2;0\n3;4;1\n", "", "no column is left for the inputs; there are 1; is the delimiter"},
    {"1\n2\n", "", "no column is left for the inputs; there are 1; is the delimiter right?"},
    {"1\t\t3\n", ", delimiter: \"\\t\"", "/x:1:3: column 1: the value is missing"},
};

static const struct {
  const char *text, *more, *part;
} bad_libsvm[] = {
    {"", "", "the file has no samples"},
    {"# nothing\n", "", "the file has no samples"},
    {"1\n0\n", "", "no sample has a feature"},
    {"1 0:2\n", "", "/x:1:3: index 0; indices start at 1"},
    {"1 -3:2\n", "", "index -3; indices start at 1"},
    {"1 1:2\n0 2:1 2:3\n", "", "/x:2:7: index 2 behind index 2; the indices of a line ascend"},
    {"1 3:2 2:1\n", "", "index 2 behind index 3"},
    {"1 1:2 x\n", "", "/x:1:7: 'x' is not of the form index:value"},
    {"1 qid:3 1:2\n", "", "'qid:3' is not of the form"},
    {"1 1:\n", "", "'1:' is not of the form"},
    {"1 1: 2\n", "", "'1:' is not of the form"},
    {"1 1:nan\n", "", "'1:nan' is not of the form"},
    {"1 1:2:3\n", "", "'1:2:3' is not of the form"},
    {"1 99999999999999999999:1\n", "", "is not of the form"},
    {"1:2 2:3\n", "", "/x:1:1: '1:2' is no label"},
    {"1,2 1:1\n", "", "'1,2' is no label"},
    {"nan 1:1\n", "", "'nan' is no label"},
    {"1 1:1 4:1\n", ", features: 3", "/x:1:7: index 4 is beyond the 3 features"},
    {"1 2000000000:1\n", "", "index 2000000000 is beyond the 1000000000 features"},
    {"1 1000000000:1\n", "", "the largest index is 1000000000, so nearly all"},
};

static void refusals(void) {
  for (size_t k = 0; k < sizeof(bad_csv) / sizeof(bad_csv[0]); ++k) {
    refuse("csv", bad_csv[k].text, bad_csv[k].more, bad_csv[k].part);
  }
  for (size_t k = 0; k < sizeof(bad_libsvm) / sizeof(bad_libsvm[0]); ++k) {
    refuse("libsvm", bad_libsvm[k].text, bad_libsvm[k].more, bad_libsvm[k].part);
  }
  write_text("x", "1,2,7\n3,4,9\n"); /* prices, taken for classes */
  expect_refused("{source: csv, path: x}", NTK_E_INPUT, "label 0 is 7, outside 0 .. 2; name the");
  expect_refused("{source: csv, path: x}", NTK_E_INPUT, "or write targets: real");
  write_file("x", "1,2\0,3\n", 7);
  expect_refused("{source: csv, path: x}", NTK_E_INPUT, "/x:1: a NUL byte; this is no text");
  write_file("x", "\xFF\xFE" "1\0,\0002\0\n\0", 10);
  expect_refused("{source: libsvm, path: x}", NTK_E_INPUT, "/x:1: a NUL byte; this is no text");
}

/* A compressed file that would fill the memory with one line. */
static void endless_line(void) {
  enum { LENGTH = 17 << 20 };
  char *text = malloc(LENGTH);

  EXPECT(text);
  memset(text, '1', LENGTH);
  write_gzip("x", text, LENGTH);
  expect_refused("{source: csv, path: x}", NTK_E_INPUT, "/x:1: the line is longer than 16 MiB");
  free(text);
}

static void refused_pairs(void) {
  write_text("x", "a,b,y\n1,2,0\n3,4,1\n");
  write_text("t", "b,a,y\n1,2,0\n");
  expect_refused("{source: csv, path: x, test_path: t}", NTK_E_INPUT, "has column 0 ('a'), ");
  write_text("t", "a,y\n1,0\n");
  expect_refused("{source: csv, path: x, test_path: t}", NTK_E_INPUT, "/x has 3 columns, ");
  write_text("t", "1\n2\n3\n");
  expect_refused("{source: csv, path: x, labels: t}", NTK_E_INPUT, "/x has 2 samples, but ");
  write_text("t", "1\n2\n");
  write_text("u", "1,2\n2,3\n");
  expect_refused("{source: csv, path: x, labels: t, test_path: x, test_labels: u}", NTK_E_INPUT,
                 "/t has 1 columns of targets, ");
  expect_refused("{source: csv, path: nowhere}", NTK_E_MISSING, "/nowhere: No such file");
  expect_refused("{source: libsvm, path: x, test_path: nowhere}", NTK_E_MISSING, "/nowhere");
}

static void configs(void) {
  refused_config("{source: csv}", "key 'data.path' is missing");
  refused_config("{source: csv, path: x, delimiter: ab}", "delimiter is one character");
  refused_config("{source: csv, path: x, delimiter: a}", "delimiter is one character");
  refused_config("{source: csv, path: x, delimiter: '.'}", "delimiter is one character");
  refused_config("{source: csv, path: x, delimiter: ''}", "delimiter is one character");
  refused_config("{source: csv, path: x, target_columns: []}", "target_columns is empty");
  refused_config("{source: csv, path: x, test_labels: y}",
                 "test_labels is given without test_path");
  refused_config("{source: csv, path: x, labels: y, test_path: x}", "labels is given without test");
  refused_config("{source: csv, path: x, test_path: x, test_labels: y}",
                 "test_labels is given without labels");
  refused_config("{source: csv, path: x, header: yes}", "unknown word 'yes'");
  refused_config("{source: csv, path: x, skip_lines: -1}", "too small");
  refused_config("{source: libsvm, path: x, features: 0}", "too small");
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  folder_create();
  cases();
  test_files();
  label_files();
  large_file();
  refusals();
  endless_line();
  refused_pairs();
  configs();
  write_text("x", "a,\"b\",y\n1,2,0\n3,\"4\",1\n");
  write_text("y", "y\n1\n0\n");
  write_text("s", "1 1:1\n0 2:1 3:4\n");
  load_faults("{source: csv, path: x, test_path: x, ignore_columns: [a]}", 20);
  load_faults("{source: csv, path: x, labels: y, test_path: x, test_labels: y,"
              " target_columns: [y]}", 20);
  load_faults("{source: libsvm, path: s, test_path: s}", 20);
  folder_destroy();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
