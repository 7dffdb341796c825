/* Tables as text: one sample a line, inputs and targets in columns.  Nothing is guessed where a
 * sample could be lost or misread: missing values, ragged lines and words are refused. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ntk/base/memory.h"
#include "ntk/config/scalar.h"
#include "ntk/data/source.h"

typedef struct csv {
  const char *path, *labels, *test_path, *test_labels;
  ntk_strings target_columns, ignore_columns;
  const ntk_row *header; /* NULL: auto */
  const char *delimiter;
  int64_t skip_lines;
} csv;

static const ntk_row with_header = {.name = "true", .doc = "the first line names the columns"};
static const ntk_row without_header = {.name = "false", .doc = "the first line is a sample"};
static const ntk_row *const headers[] = {&with_header, &without_header, NULL};

static const ntk_option options_rows[] = {
    {.key = "path",
     .type = NTK_PATH,
     .offset = offsetof(csv, path),
     .flags = NTK_REQUIRED,
     .doc = "file of the training samples, one a line; plain or gzip"},
    {.key = "labels",
     .type = NTK_PATH,
     .offset = offsetof(csv, labels),
     .doc = "file of their labels, line by line; none: they are columns of path"},
    {.key = "test_path",
     .type = NTK_PATH,
     .offset = offsetof(csv, test_path),
     .doc = "file of the test samples, columns as in path; none: test samples come after train"},
    {.key = "test_labels",
     .type = NTK_PATH,
     .offset = offsetof(csv, test_labels),
     .doc = "file of their labels, where those of the training samples have one"},
    {.key = "target_columns",
     .type = NTK_STRINGS,
     .offset = offsetof(csv, target_columns),
     .doc = "names, or positions from 0 (-1: the last); one column of integers: classes, else "
            "real; default: the last of path, or all of labels"},
    {.key = "ignore_columns",
     .type = NTK_STRINGS,
     .offset = offsetof(csv, ignore_columns),
     .doc = "columns of path that are neither inputs nor targets, likewise"},
    {.key = "header",
     .type = NTK_WORD,
     .offset = offsetof(csv, header),
     .fallback = "auto",
     .rows = headers,
     .flags = NTK_AUTO,
     .doc = "whether the files have one; auto: where the first line holds a word"},
    {.key = "delimiter",
     .type = NTK_STRING,
     .offset = offsetof(csv, delimiter),
     .fallback = "\",\"",
     .doc = "one character between the values; \" \": any run of blanks"},
    {.key = "skip_lines",
     .type = NTK_INT,
     .offset = offsetof(csv, skip_lines),
     .fallback = "0",
     .high = 1e6,
     .doc = "lines at the beginning of every file to pass over"},
    {0},
};

static bool good_delimiter(const char *d) {
  if (!d || strlen(d) != 1) return false;
  return *d == ' ' || *d == '\t' || (ispunct((unsigned char)*d) && !strchr("+-.\"'", *d));
}

static ntk_mark mark_of(const ntk_node *node, const char *key) {
  const ntk_node *at = ntk_node_find(node, key);

  return at ? at->mark : node->mark;
}

static void check(const void *options, const ntk_node *node, ntk_problems *problems) {
  const csv *o = options;

  if (!good_delimiter(o->delimiter)) {
    ntk_problem(problems, mark_of(node, "delimiter"),
                "delimiter is one character such as \",\" \";\" \"|\" \"\\t\" or \" \"");
  }
  if (o->target_columns.item && o->target_columns.count == 0) {
    ntk_problem(problems, mark_of(node, "target_columns"),
                "target_columns is empty; name a column, or leave the key out");
  }
  if (o->test_labels && !o->test_path) {
    ntk_problem(problems, mark_of(node, "test_labels"), "test_labels is given without test_path");
  }
  if (o->test_path && !o->labels != !o->test_labels) {
    ntk_problem(problems, mark_of(node, o->labels ? "labels" : "test_labels"),
                "%s is given without %s; write both or neither",
                o->labels ? "labels" : "test_labels", o->labels ? "test_labels" : "labels");
  }
}

/* ---- a file while it is read ---------------------------------------------------------------- */

typedef struct field {
  char *text; /* in the line, NUL-terminated */
  int64_t length;
  int64_t at; /* its first character, from 1 */
} field;

enum role { IGNORED, INPUT, TARGET };

typedef struct reader {
  const csv *options;
  bool only_labels; /* a file of labels */
  ntk_lines lines;
  field *field; /* [room], those of the line */
  int64_t fields, room;
  int64_t columns, first_line; /* of the table, and where it begins; columns 0: not yet seen */
  char *names;                 /* [columns] texts behind each other; NULL: no header */
  unsigned char *role;         /* [columns] of enum role */
  int64_t *place;              /* [columns] among the inputs, or the targets */
  ntk_gathered *to;
} reader;

static void reader_close(reader *r) {
  ntk_lines_close(&r->lines);
  ntk_free(&r->field);
  ntk_free(&r->names);
  ntk_free(&r->role);
  ntk_free(&r->place);
}

static const char *name_of(const reader *r, int64_t column) {
  const char *name = r->names;

  for (int64_t k = 0; k < column; ++k) name += strlen(name) + 1;
  return name;
}

/* "column 3 ('age')" */
static const char *column_text(const reader *r, int64_t column, char text[NTK_PLACE_SIZE]) {
  char excerpt[NTK_EXCERPT_TEXT];
  const char *name = r->names ? name_of(r, column) : NULL;

  (void)snprintf(text, NTK_PLACE_SIZE, "column %" PRId64 "%s%s%s", column, name ? " ('" : "",
                 name ? ntk_excerpt(name, (int64_t)strlen(name), excerpt) : "", name ? "')" : "");
  return text;
}

/* ---- a line into fields --------------------------------------------------------------------- */

/* In place: `""` becomes `"`.  Returns what follows the closing quote, NULL if there is none. */
static char *unquote(field *f, char *s) {
  char *out = f->text = s + 1;

  for (++s; *s; ++s) {
    if (*s == '"' && s[1] != '"') break;
    if (*s == '"') ++s;
    *out++ = *s;
  }
  f->length = out - f->text;
  return *s ? s + 1 : NULL;
}

static ntk_status add_field(reader *r, field **f) {
  NTK_TRY(ntk_data_grow(sizeof(**f), r->fields, 1, &r->room, &r->field));
  *f = &r->field[r->fields++];
  return NTK_OK;
}

static const char *blanks_of(char delimiter) { return delimiter == '\t' ? " " : " \t"; }

/* What stands behind a quoted field is its delimiter, or nothing. */
static ntk_status end_quoted(const reader *r, const field *f, char delimiter, char **end) {
  const ntk_lines *l = &r->lines;

  NTK_CHECK(*end, NTK_E_INPUT, "%s:%" PRId64 ":%" PRId64 ": the quote is not closed on this line",
            l->path, l->number, f->at);
  if (delimiter != ' ') *end += strspn(*end, blanks_of(delimiter));
  NTK_CHECK(!**end || **end == delimiter || (delimiter == ' ' && **end == '\t'), NTK_E_INPUT,
            "%s:%" PRId64 ":%" PRId64 ": characters behind a closing quote", l->path, l->number,
            (int64_t)(*end - l->text + 1));
  return NTK_OK;
}

/* One field from `s` on; *next: behind its delimiter, NULL after the last field. */
static ntk_status take_field(reader *r, char *s, char delimiter, char **next) {
  const char stop[] = {delimiter, delimiter == ' ' ? '\t' : delimiter, '\0'};
  field *f = NULL;
  char *end = s + strcspn(s, stop);

  NTK_TRY(add_field(r, &f));
  *f = (field){.text = s, .length = end - s, .at = s - r->lines.text + 1};
  while (f->length > 0 && strchr(blanks_of(delimiter), s[f->length - 1])) --f->length;
  if (*s == '"') {
    end = unquote(f, s);
    NTK_TRY(end_quoted(r, f, delimiter, &end));
  }
  *next = *end ? end + 1 : NULL;
  f->text[f->length] = '\0';
  return NTK_OK;
}

static ntk_status split(reader *r) {
  const char delimiter = r->options->delimiter[0];
  char *s = r->lines.text;

  r->fields = 0;
  while (s) {
    s += strspn(s, blanks_of(delimiter));
    if (delimiter == ' ' && !*s) return NTK_OK;
    NTK_TRY(take_field(r, s, delimiter, &s));
  }
  return NTK_OK;
}

/* ---- values --------------------------------------------------------------------------------- */

static bool is_missing(const field *f) {
  static const char *const words[] = {"",    "na",   "n/a", "#n/a", "nan", "null",
                                      "nil", "none", "?",   "-",    ".",   NULL};

  for (int k = 0; words[k]; ++k) {
    if (strcasecmp(f->text, words[k]) == 0) return true;
  }
  return false;
}

static ntk_status read_value(const reader *r, int64_t column, ntk_number *number) {
  const ntk_lines *l = &r->lines;
  const field *f = &r->field[column];
  char excerpt[NTK_EXCERPT_TEXT], name[NTK_PLACE_SIZE];
  const bool first = l->number == r->first_line && !r->names;

  NTK_CHECK(!is_missing(f), NTK_E_INPUT,
            "%s:%" PRId64 ":%" PRId64
            ": %s: the value is missing%s%s%s; remove the sample, or put "
            "a number there",
            l->path, l->number, f->at, column_text(r, column, name), f->length ? " ('" : "",
            f->text, f->length ? "')" : "");
  NTK_CHECK(ntk_number_parse(f->text, f->length, number), NTK_E_INPUT,
            "%s:%" PRId64 ":%" PRId64 ": %s: '%s' is no finite number%s", l->path, l->number, f->at,
            column_text(r, column, name), ntk_excerpt(f->text, f->length, excerpt),
            first ? "; if the line names the columns, write header: true" : "");
  return NTK_OK;
}

static ntk_status append_sample(reader *r) {
  ntk_gathered *to = r->to;
  const int64_t inputs = to->samples * to->features, targets = to->samples * to->columns;

  NTK_TRY(ntk_data_grow(sizeof(double), inputs, to->features, &to->input_room, &to->inputs));
  NTK_TRY(ntk_data_grow(sizeof(double), targets, to->columns, &to->target_room, &to->targets));
  for (int64_t c = 0; c < r->columns; ++c) {
    ntk_number number = {0};

    if (r->role[c] == IGNORED) continue;
    NTK_TRY(read_value(r, c, &number));
    if (r->role[c] == INPUT) to->inputs[inputs + r->place[c]] = number.value;
    if (r->role[c] == TARGET) to->targets[targets + r->place[c]] = number.value;
    if (r->role[c] == TARGET && !number.whole) to->real = true;
  }
  ++to->samples;
  return NTK_OK;
}

/* ---- columns -------------------------------------------------------------------------------- */

/* Column of that name; -1: none, -2: several. */
static int64_t named_column(const reader *r, const char *name) {
  int64_t found = -1;
  const char *other = r->names;

  for (int64_t c = 0; r->names && c < r->columns; ++c, other += strlen(other) + 1) {
    if (strcmp(other, name) == 0) found = found == -1 ? c : -2;
  }
  return found;
}

static ntk_status find_column(const reader *r, const char *name, int64_t *column) {
  *column = named_column(r, name);
  NTK_CHECK(*column != -2, NTK_E_INPUT,
            "%s: several columns are called '%.80s'; write the position", r->lines.path, name);
  if (*column >= 0) return NTK_OK;
  const bool position = ntk_scalar_int(name, column);

  NTK_CHECK(position || r->names, NTK_E_INPUT,
            "%s: there is no header to find a column '%.80s' in; write its position, from 0",
            r->lines.path, name);
  NTK_CHECK(position, NTK_E_INPUT, "%s: no column is called '%.80s'", r->lines.path, name);
  if (*column < 0) *column += r->columns;
  NTK_CHECK(*column >= 0 && *column < r->columns, NTK_E_INPUT,
            "%s: there is no column %.80s; there are %" PRId64, r->lines.path, name, r->columns);
  return NTK_OK;
}

static ntk_status mark_columns(const reader *r, const ntk_strings *list, enum role was,
                               enum role role) {
  for (int64_t k = 0; k < list->count; ++k) {
    int64_t column = 0;

    NTK_TRY(find_column(r, list->item[k], &column));
    NTK_CHECK(r->role[column] == was, NTK_E_INPUT,
              "%s: target_columns and ignore_columns name column %.80s twice", r->lines.path,
              list->item[k]);
    r->role[column] = (unsigned char)role;
    r->place[column] = k;
  }
  return NTK_OK;
}

/* Inputs, and targets that no list names, in the order of the columns; their number. */
static int64_t place_columns(const reader *r, enum role role) {
  int64_t count = 0;

  for (int64_t c = 0; c < r->columns; ++c) {
    if (r->role[c] == role) r->place[c] = count++;
  }
  return count;
}

static ntk_status check_roles(const reader *r) {
  NTK_CHECK(r->only_labels || r->to->features > 0, NTK_E_INPUT,
            "%s: no column is left for the inputs; there are %" PRId64 "; is the delimiter right?",
            r->lines.path, r->columns);
  return NTK_OK;
}

/* What each column is. */
static ntk_status choose_roles(reader *r) {
  const csv *o = r->options;
  const ntk_strings *targets = &o->target_columns;
  const bool here = r->only_labels || !o->labels, named = here && targets->count > 0;
  const enum role usual = !r->only_labels ? INPUT : named ? IGNORED : TARGET;

  NTK_TRY(NTK_NEW(r->columns, &r->role));
  NTK_TRY(NTK_NEW(r->columns, &r->place));
  memset(r->role, (int)usual, (size_t)r->columns);
  if (here && !named) r->role[r->columns - 1] = TARGET;
  if (named) NTK_TRY(mark_columns(r, targets, usual, TARGET));
  if (!r->only_labels) NTK_TRY(mark_columns(r, &o->ignore_columns, INPUT, IGNORED));
  r->to->features = place_columns(r, INPUT);
  r->to->columns = named ? targets->count : place_columns(r, TARGET);
  return check_roles(r);
}

static bool looks_like_header(const reader *r) {
  ntk_number number;

  if (r->options->header) return r->options->header == &with_header;
  for (int64_t c = 0; c < r->fields; ++c) {
    const field *f = &r->field[c];

    if (!is_missing(f) && !ntk_number_parse(f->text, f->length, &number)) return true;
  }
  return false;
}

static ntk_status keep_names(reader *r) {
  int64_t length = 0;

  for (int64_t c = 0; c < r->fields; ++c) length += r->field[c].length + 1;
  NTK_TRY(NTK_NEW(length, &r->names));
  for (int64_t c = 0, at = 0; c < r->fields; at += r->field[c++].length + 1) {
    memcpy(r->names + at, r->field[c].text, (size_t)r->field[c].length);
  }
  return NTK_OK;
}

/* ---- the file ------------------------------------------------------------------------------- */

static ntk_status begin_table(reader *r, bool *header) {
  r->columns = r->fields;
  r->first_line = r->lines.number;
  *header = looks_like_header(r);
  if (*header) NTK_TRY(keep_names(r));
  return choose_roles(r);
}

static ntk_status read_line(reader *r) {
  const ntk_lines *l = &r->lines;
  bool header = false;

  NTK_TRY(split(r));
  if (r->columns == 0) NTK_TRY(begin_table(r, &header));
  NTK_CHECK(r->fields == r->columns, NTK_E_INPUT,
            "%s:%" PRId64 ": %" PRId64 " value%s, but line %" PRId64 " has %" PRId64, l->path,
            l->number, r->fields, r->fields == 1 ? "" : "s", r->first_line, r->columns);
  return header ? NTK_OK : append_sample(r);
}

static bool is_empty(const reader *r) {
  return r->lines.text[strspn(r->lines.text, blanks_of(r->options->delimiter[0]))] == '\0';
}

static ntk_status read_table(reader *r, const char *path) {
  bool more = true;

  NTK_TRY(ntk_lines_open(path, &r->lines));
  for (;;) {
    NTK_TRY(ntk_lines_next(&r->lines, &more));
    if (!more) break;
    if (r->lines.number > r->options->skip_lines && !is_empty(r)) NTK_TRY(read_line(r));
  }
  NTK_CHECK(r->to->samples > 0, NTK_E_INPUT, "%s: the file has no samples", path);
  return NTK_OK;
}

/* Columns of one name stand in one place in both files. */
static ntk_status check_columns(const reader *train, const reader *test) {
  char one[NTK_PLACE_SIZE], other[NTK_PLACE_SIZE];

  NTK_CHECK(train->columns == test->columns, NTK_E_INPUT,
            "%s has %" PRId64 " columns, %s has %" PRId64, train->lines.path, train->columns,
            test->lines.path, test->columns);
  for (int64_t c = 0; train->names && test->names && c < train->columns; ++c) {
    NTK_CHECK(strcmp(name_of(train, c), name_of(test, c)) == 0, NTK_E_INPUT, "%s has %s, %s has %s",
              train->lines.path, column_text(train, c, one), test->lines.path,
              column_text(test, c, other));
  }
  return NTK_OK;
}

static ntk_status check_count(const char *inputs, int64_t samples, const char *path,
                              int64_t labels) {
  NTK_CHECK(samples == labels, NTK_E_INPUT,
            "%s has %" PRId64 " samples, but %s has %" PRId64 " labels", inputs, samples, path,
            labels);
  return NTK_OK;
}

/* Targets from a file of their own. */
static ntk_status read_labels(const csv *o, const char *path, const char *inputs,
                              ntk_gathered *to) {
  ntk_gathered labels = {0};
  reader r = {.options = o, .only_labels = true, .to = &labels};
  ntk_status status = read_table(&r, path);

  if (status == NTK_OK) status = check_count(inputs, to->samples, path, labels.samples);
  reader_close(&r);
  to->columns = labels.columns;
  to->real = labels.real;
  to->targets = labels.targets;
  labels.targets = NULL;
  ntk_gathered_destroy(&labels);
  return status;
}

static ntk_status check_targets(const csv *o, const ntk_gathered *train, const ntk_gathered *test) {
  NTK_CHECK(train->columns == test->columns, NTK_E_INPUT,
            "%s has %" PRId64 " columns of targets, %s has %" PRId64, o->labels, train->columns,
            o->test_labels, test->columns);
  return NTK_OK;
}

static ntk_status read_both(const csv *o, reader *train, reader *test) {
  NTK_TRY(read_table(train, o->path));
  if (o->labels) NTK_TRY(read_labels(o, o->labels, o->path, train->to));
  if (!o->test_path) return NTK_OK;
  NTK_TRY(read_table(test, o->test_path));
  NTK_TRY(check_columns(train, test));
  if (o->test_labels) NTK_TRY(read_labels(o, o->test_labels, o->test_path, test->to));
  return check_targets(o, train->to, test->to);
}

static ntk_status read_files(const void *options, ntk_raw *raw) {
  ntk_gathered train = {0}, test = {0};
  reader of_train = {.options = options, .to = &train}, of_test = {.options = options, .to = &test};
  ntk_status status = read_both(options, &of_train, &of_test);

  if (status == NTK_OK) status = ntk_raw_gather(&train, &test, raw);
  reader_close(&of_train);
  reader_close(&of_test);
  ntk_gathered_destroy(&train);
  ntk_gathered_destroy(&test);
  return status;
}

const ntk_data_source ntk_source_csv = {
    .row = {.name = "csv",
            .doc = "a table as text, one sample a line, plain or gzip",
            .options = options_rows,
            .options_size = sizeof(csv)},
    .read = read_files,
    .check = check,
};
