/* Every key of the config refuses what it cannot take: found by walking the tables, so a new key is
 * tested without a line here.  In a file and on the command line, each wrong text gives exactly one
 * problem, which names the key by its path, with the line and column of the text (file) or the
 * column of the assignment (--set).
 *
 * Method: for each key a config is written that has what the key stands in and what must stand
 * beside it, and then, one after the other: a misspelled key, the key twice, no key where it is
 * required, values of other types, below and above its range, words that are none. */
//TEST ranks=1
#include <stdarg.h>

#include "ntk/config/scalar.h"
#include "ntk/config/walk.h"
#include "ntk/run/job.h"
#include "test.h"

enum { TEXT = 16384, DEPTH = 24, LEAST_KEYS = 80, MOST_ROWS = 2000, ENOUGH = 2 };

typedef struct counts {
  int keys, refusals, repeats, missing;
  int rows;
  const ntk_option *row[MOST_ROWS]; /* visited, and how often */
  int times[MOST_ROWS];
} counts;

/* A config that is being written, and where its subject stands. */
typedef struct draft {
  char text[TEXT];
  size_t used;
  int line;                 /* of what comes next */
  int key_line, key_column; /* of the subject */
  int value_column, container_line;
} draft;

/* What is wrong, and what the message must hold besides the path. */
typedef struct refusal {
  const ntk_walk_key *key;
  const char *value; /* NULL: the key is left out */
  const char *part;
} refusal;

/* ---- writing configs ----------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void put(draft *d, const char *format, ...) {
  va_list args;

  va_start(args, format);
  const int length = vsnprintf(d->text + d->used, TEXT - d->used, format, args);
  va_end(args);
  EXPECT(length >= 0 && d->used + (size_t)length < TEXT);
  for (int k = 0; k < length; ++k) d->line += d->text[d->used + (size_t)k] == '\n';
  d->used += (size_t)length;
}

static bool has_required(const ntk_option *options) {
  for (; options && options->key; ++options) {
    if (options->flags & NTK_REQUIRED) return true;
  }
  return false;
}

/* A row that needs no options; the first one if all do. */
static const ntk_row *simple_row(const ntk_row *const *rows) {
  for (const ntk_row *const *row = rows; *row; ++row) {
    if (!has_required((*row)->options)) return *row;
  }
  return *rows;
}

static double legal_number(const ntk_option *o) {
  if (o->low <= 1 && o->high >= 1) return 1;
  return o->low > 1 ? o->low : o->high;
}

static void put_example(draft *d, const ntk_option *o) {
  char number[NTK_REAL_TEXT];

  (void)ntk_real_text(legal_number(o), number);
  switch (o->type) {
    case NTK_INT:
    case NTK_REAL:
    case NTK_SIZE:
    case NTK_PAIR:
    case NTK_REAL_OF:
      put(d, "%s", number);
      return;
    case NTK_INTS:
    case NTK_GRID:
      put(d, "[%s]", number);
      return;
    case NTK_BOOL:
      put(d, "true");
      return;
    case NTK_STRING:
    case NTK_PATH:
      put(d, "some.text");
      return;
    case NTK_STRINGS:
      put(d, "[some]");
      return;
    case NTK_WORD:
    case NTK_PADDING:
    case NTK_CHOICE:
    case NTK_CHOICES:
    case NTK_VARIANT:
      put(d, "%s", simple_row(o->rows)->name);
      return;
    default:
      put(d, "{}");
  }
}

/* What must stand beside a key. */
static void put_required(draft *d, int indent, const ntk_option *table, const ntk_option *except) {
  for (const ntk_option *o = table; o->key; ++o) {
    if (!(o->flags & NTK_REQUIRED) || o == except) continue;
    put(d, "%*s%s: ", indent, "", o->key);
    put_example(d, o);
    put(d, "\n");
  }
}

/* The line a key opens for what is written below it; the new indent. */
static int put_container(draft *d, int indent, const ntk_walk_key *key, const ntk_row *row) {
  const char *name = key->option->key;

  d->container_line = d->line;
  switch (key->option->type) {
    case NTK_SECTION:
      put(d, "%*s%s:\n", indent, "", name);
      return indent + 2;
    case NTK_VARIANT:
      put(d, "%*s%s: %s\n", indent, "", name, row->name);
      return indent;
    case NTK_CHOICE:
      put(d, "%*s%s:\n%*s%s:\n", indent, "", name, indent + 2, "", row->name);
      return indent + 4;
    default:
      put(d, "%*s%s:\n%*s- %s:\n", indent, "", name, indent + 2, "", row->name);
      return indent + 6;
  }
}

/* A container that has nothing in it is an empty mapping. */
static void close_container(draft *d) {
  if (d->used > 1 && d->text[d->used - 2] == ':') {
    --d->used, --d->line;
    put(d, " {}\n");
  }
}

/* Root to key. */
static int chain_of(const ntk_walk_key *key, const ntk_walk_key *chain[DEPTH]) {
  int count = 0, k = 0;

  for (const ntk_walk_key *up = key; up; up = up->up) ++count;
  EXPECT(count <= DEPTH);
  for (const ntk_walk_key *up = key; up; up = up->up) chain[count - ++k] = up;
  return count;
}

/* A config in which the key has a value (NULL: in which it is missing), under the given name. */
static void write_config(draft *d, const ntk_walk_key *key, const char *name, const char *value) {
  const ntk_walk_key *chain[DEPTH];
  const int count = chain_of(key, chain);
  int indent = 0;

  *d = (draft){.line = 1};
  for (int k = 0; k < count; ++k) {
    put_required(d, indent, chain[k]->table, chain[k]->option);
    if (k < count - 1) indent = put_container(d, indent, chain[k], chain[k + 1]->row);
  }
  d->key_line = d->line;
  d->key_column = indent + 1;
  d->value_column = indent + (int)strlen(name) + 2;
  if (value) put(d, "%*s%s: %s\n", indent, "", name, value);
  close_container(d);
  if (strcmp(chain[0]->option->key, "data") != 0) {
    put(d, "data: {source: gaussian, train: {count: 4}, test: {count: 2}}\n");
  }
  if (d->used == 0) put(d, "name: not empty\n");
}

/* ---- reading them -------------------------------------------------------------------------- */

/* Reads and binds the text, with an assignment if there is one. */
static void read_config(const char *text, const char *assignment, ntk_problems *problems) {
  ntk_tree tree = {0};
  ntk_sweep sweep = {0};
  ntk_settings settings = {0};
  ntk_node *root = NULL;
  bool removed = false;

  EXPECT_OK(ntk_tree_parse("c.yaml", text, &tree, problems));
  if (assignment) EXPECT_OK(ntk_tree_override(&tree, assignment, &removed, problems));
  EXPECT_OK(ntk_sweep_read(&tree, &sweep, problems));
  EXPECT_OK(ntk_sweep_point(&tree, &sweep, 0, &tree.arena, &root, problems));
  EXPECT_OK(
      ntk_option_bind(&ntk_settings_section, root, "", "/base", &tree.arena, &settings, problems));
  ntk_tree_destroy(&tree);
}

/* Exactly one problem, at that place, with those parts in its first line. */
static void expect_problem(const ntk_problems *problems, const char *yaml, const char *source,
                           int line, int first_column, const char *path, const char *part) {
  char place[64], message[1024] = "";
  const char *text = ntk_text_string(&problems->text);
  int column = 0;

  (void)snprintf(place, sizeof(place), "%s:%d:", source, line);
  (void)snprintf(message, sizeof(message), "%.*s", (int)strcspn(text, "\n"), text);
  if (problems->count != 1)
    FAIL("%lld problems in\n%s\n%s", (long long)problems->count, yaml, text);
  if (strncmp(message, place, strlen(place)) != 0 ||
      sscanf(message + strlen(place), "%d: error: ", &column) != 1 || column < first_column) {
    FAIL("not at %s%d in\n%s\n%s", place, first_column, yaml, text);
  }
  if (!strstr(message, path) || !strstr(message, part)) {
    FAIL("no '%s' or '%s' in\n%s\n%s", path, part, yaml, text);
  }
}

static void expect_refused_in_file(const refusal *r) {
  draft d;
  ntk_problems problems = {0};

  write_config(&d, r->key, r->key->option->key, r->value);
  read_config(d.text, NULL, &problems);
  expect_problem(&problems, d.text, "c.yaml", d.key_line, d.value_column, r->key->path, r->part);
  ntk_problems_destroy(&problems);
}

static void expect_refused_as_override(const refusal *r) {
  char assignment[NTK_WALK_PATH + 256];
  draft d;
  ntk_problems problems = {0};

  write_config(&d, r->key, r->key->option->key, NULL);
  (void)snprintf(assignment, sizeof(assignment), "%s=%s", r->key->path, r->value);
  read_config(d.text, assignment, &problems);
  expect_problem(&problems, d.text, "command line", 1, (int)sizeof("--set "), r->key->path,
                 r->part);
  ntk_problems_destroy(&problems);
}

static void refuse(counts *n, const ntk_walk_key *key, const char *value, const char *part) {
  const refusal r = {key, value, part};

  expect_refused_in_file(&r);
  if (*value) expect_refused_as_override(&r); /* an override without value is another matter */
  ++n->refusals;
}

/* ---- values -------------------------------------------------------------------------------- */

static void refuse_forms(counts *n, const ntk_walk_key *key, bool scalar) {
  if (scalar) refuse(n, key, "[wrong]", "not a list");
  if (scalar) refuse(n, key, "", "has no value");
}

static bool is_whole(const ntk_option *o) {
  return o->type == NTK_INT || o->type == NTK_INTS || o->type == NTK_SIZE || o->type == NTK_PAIR;
}

/* The next number outside of the range, in what stands around a number of this type. */
static void refuse_number(counts *n, const ntk_walk_key *key, double value, const char *form,
                          const char *part) {
  char number[NTK_REAL_TEXT], text[NTK_REAL_TEXT + 64];

  (void)snprintf(number, sizeof(number), is_whole(key->option) ? "%.0f" : "%.17g", value);
  (void)snprintf(text, sizeof(text), form, number);
  refuse(n, key, text, part);
}

static void refuse_range(counts *n, const ntk_walk_key *key, const char *form) {
  const ntk_option *o = key->option;
  const double far = is_whole(o) ? 9e15 : 1e307; /* beyond that a step is not exact */
  const bool low = o->low > -far, high = o->high < far;
  const double step = fmax(1, 1e-3 * fabs(o->low)), stride = fmax(1, 1e-3 * fabs(o->high));

  if (low) refuse_number(n, key, o->low - step, form, "too small");
  if (high) refuse_number(n, key, o->high + stride, form, "too large");
}

static void refuse_word(counts *n, const ntk_walk_key *key) {
  const ntk_option *o = key->option;
  char wrong[NTK_WORD_TEXT], part[2 * NTK_WORD_TEXT];

  for (const ntk_row *const *row = o->rows; *row; ++row) {
    (void)snprintf(wrong, sizeof(wrong), "%.50s7", (*row)->name);
    if (ntk_row_find(o->rows, wrong)) continue;
    (void)snprintf(part, sizeof(part), "did you mean '%s'?", (*row)->name);
    if (strlen((*row)->name) > 2) refuse(n, key, wrong, part);
  }
  refuse(n, key, "zqzqzqzqzqzq", "the words are ");
  if (!(o->flags & NTK_AUTO) && o->type != NTK_CHOICES)
    refuse(n, key, "auto", "unknown word 'auto'");
}

static void refuse_integer(counts *n, const ntk_walk_key *key) {
  refuse_forms(n, key, true);
  refuse(n, key, "1.5", "is not an integer");
  refuse(n, key, "\"1\"", "quotes make '1' a text");
  refuse(n, key, "99999999999999999999", "does not fit into 64 bits");
  if (!(key->option->flags & NTK_AUTO)) refuse(n, key, "auto", "is not an integer");
  refuse_range(n, key, "%s");
}

static void refuse_real(counts *n, const ntk_walk_key *key) {
  refuse_forms(n, key, true);
  refuse(n, key, "1.5.5", "is not a number");
  refuse(n, key, "nan", "is not finite");
  refuse(n, key, "'0.5'", "quotes make '0.5' a text");
  if (!(key->option->flags & NTK_AUTO)) refuse(n, key, "auto", "is not a number");
  refuse_range(n, key, "%s");
}

static void refuse_real_of(counts *n, const ntk_walk_key *key) {
  char form[NTK_WORD_TEXT];

  refuse_forms(n, key, true);
  refuse(n, key, "wrong", "is not a number");
  refuse(n, key, "{wrong: 1}", key->option->word);
  (void)snprintf(form, sizeof(form), "{%s: %%s}", key->option->word);
  refuse_range(n, key, "%s");
  refuse_range(n, key, form);
}

static void refuse_integers(counts *n, const ntk_walk_key *key) {
  refuse(n, key, "wrong", "needs a list of integers");
  refuse(n, key, "{wrong: 1}", "needs a list of integers");
  refuse(n, key, "[1.5]", "is not an integer");
  refuse(n, key, "9..0", "is empty");
  refuse(n, key, "0..99999999", "entries");
  if (!(key->option->flags & NTK_ALL)) refuse(n, key, "all", "needs a list of integers");
  refuse_range(n, key, "[%s]");
}

static void refuse_pair(counts *n, const ntk_walk_key *key) {
  refuse(n, key, "", "has no value");
  refuse(n, key, "wrong", "is not an integer");
  refuse(n, key, "[1]", "needs an integer or [height, width]");
  refuse(n, key, "[1, 2, 3]", "needs an integer or [height, width]");
  refuse(n, key, "{wrong: 1}", "needs an integer or [height, width]");
  refuse(n, key, "[1, 1.5]", "is not an integer");
  refuse_range(n, key, "%s");
  refuse_range(n, key, "[1, %s]");
}

static void refuse_padding(counts *n, const ntk_walk_key *key) {
  refuse_word(n, key);
  refuse(n, key, "1", "such as [[1, 1], [1, 1]]");
  refuse(n, key, "[1, 1]", "needs a word or [[top, bottom], [left, right]]");
  refuse(n, key, "[[1, 1]]", "needs a word or [[top, bottom], [left, right]]");
  refuse(n, key, "[[1, 1], [1]]", "needs a word or [[top, bottom], [left, right]]");
  refuse(n, key, "[[1, 1], [1, x]]", "is not an integer");
  refuse(n, key, "{wrong: 1}", "needs a word or [[top, bottom], [left, right]]");
  refuse(n, key, "[[0, -1], [0, 0]]", "too small");
}

static void refuse_grid(counts *n, const ntk_walk_key *key) {
  refuse(n, key, "0.5", "needs a list of numbers");
  refuse(n, key, "[wrong]", "is not a number");
  refuse(n, key, "[]", "needs a list of numbers");
  refuse(n, key, "{linspace: [1, 2]}", "needs three values");
  refuse(n, key, "{linspace: [1, 2, 0]}", "too small");
  refuse(n, key, "{linspce: [1, 2, 3]}", "needs a list of numbers");
  refuse(n, key, "{geomspace: [0, 1, 3]}", "");
  refuse(n, key, "{geomspace: [1, 2, 3], infinty: true}", "unknown key 'infinty'");
  refuse_range(n, key, "[%s]");
}

static void refuse_list(counts *n, const ntk_walk_key *key) {
  const char *row = simple_row(key->option->rows)->name;
  char text[4 * NTK_WORD_TEXT];

  refuse(n, key, "{}", "needs a list");
  refuse(n, key, "[[wrong]]", "needs a name");
  refuse(n, key, "[zqzqzqzqzqzq]", "the words are ");
  (void)snprintf(text, sizeof(text), "[%s: {zqzqzqzqzqzq: 1}]", row);
  refuse(n, key, text, "unknown key");
  (void)snprintf(text, sizeof(text), "[%s, %s]", row, row);
  if (!(key->option->flags & NTK_REPEAT)) refuse(n, key, text, "is in the list already");
}

static void refuse_choice(counts *n, const ntk_walk_key *key) {
  refuse_word(n, key);
  refuse(n, key, "[wrong]", "needs a name");
  refuse(n, key, "'wrong'", "quotes make 'wrong' a text");
  if (!key->option->word) refuse(n, key, "{zqzqzqzqzqzq: {}}", "the words are ");
}

static void refuse_bool(counts *n, const ntk_walk_key *key) {
  refuse_forms(n, key, true);
  refuse(n, key, "yes", "write true");
  refuse(n, key, "maybe", "neither true nor false");
  refuse(n, key, "auto", "neither true nor false");
  refuse(n, key, "'true'", "quotes make 'true' a text");
}

static void refuse_size(counts *n, const ntk_walk_key *key) {
  refuse_forms(n, key, true);
  refuse(n, key, "width*4", "is not a size");
  refuse(n, key, "1.5", "is not an integer");
  refuse_range(n, key, "%s");
}

static void refuse_section(counts *n, const ntk_walk_key *key) {
  refuse(n, key, "3", "needs a mapping");
  refuse(n, key, "[wrong]", "needs a mapping");
  if (!(key->option->flags & NTK_NONE)) refuse(n, key, "none", "needs a mapping");
}

static void refuse_values(counts *n, const ntk_walk_key *key) {
  switch (key->option->type) {
    case NTK_INT:
      refuse_integer(n, key);
      return;
    case NTK_REAL:
      refuse_real(n, key);
      return;
    case NTK_REAL_OF:
      refuse_real_of(n, key);
      return;
    case NTK_BOOL:
      refuse_bool(n, key);
      return;
    case NTK_STRING:
    case NTK_PATH:
      refuse_forms(n, key, true);
      refuse(n, key, "{wrong: 1}", "not a mapping");
      return;
    case NTK_WORD:
    case NTK_VARIANT:
      refuse_forms(n, key, true);
      refuse_word(n, key);
      return;
    case NTK_CHOICE:
      refuse_choice(n, key);
      return;
    case NTK_CHOICES:
      refuse_list(n, key);
      return;
    case NTK_INTS:
      refuse_integers(n, key);
      return;
    case NTK_STRINGS:
      refuse(n, key, "wrong", "needs a list");
      refuse(n, key, "[[wrong]]", "not a list");
      return;
    case NTK_GRID:
      refuse_grid(n, key);
      return;
    case NTK_SIZE:
      refuse_size(n, key);
      return;
    case NTK_PAIR:
      refuse_pair(n, key);
      return;
    case NTK_PADDING:
      refuse_padding(n, key);
      return;
    case NTK_SECTION:
      refuse_section(n, key);
      return;
    case NTK_TREE:
      return; /* t120 */
  }
}

/* ---- keys ---------------------------------------------------------------------------------- */

static void refuse_misspelling(counts *n, const ntk_walk_key *key) {
  char name[NTK_WORD_TEXT], path[NTK_WALK_PATH + 32], part[NTK_WORD_TEXT + 32];
  draft d;
  ntk_problems problems = {0};

  (void)snprintf(name, sizeof(name), "%sq", key->option->key);
  (void)snprintf(path, sizeof(path), "unknown key '%sq'", key->path);
  if (key->option->key[1]) {
    (void)snprintf(part, sizeof(part), "did you mean '%s'?", key->option->key);
  } else { /* a letter resembles everything */
    (void)snprintf(part, sizeof(part), "the keys here are ");
  }
  write_config(&d, key, name, "1");
  read_config(d.text, NULL, &problems);
  expect_problem(&problems, d.text, "c.yaml", d.key_line, d.key_column, path, part);
  ntk_problems_destroy(&problems);
  ++n->refusals;
}

static void refuse_repetition(counts *n, const ntk_walk_key *key) {
  draft d;
  ntk_problems problems = {0};
  char twice[2 * TEXT];

  write_config(&d, key, key->option->key, "&a 1"); /* once more below it */
  size_t end = 0;
  for (int line = 1; line <= d.key_line; ++line) end += strcspn(d.text + end, "\n") + 1;
  (void)snprintf(twice, sizeof(twice), "%.*s%*s%s: 1\n%s", (int)end, d.text, d.key_column - 1, "",
                 key->option->key, d.text + end);
  read_config(twice, NULL, &problems);
  const char *text = ntk_text_string(&problems.text);
  char place[NTK_WORD_TEXT * 2];

  (void)snprintf(place, sizeof(place), "c.yaml:%d:%d: error: key '%s' is there already",
                 d.key_line + 1, d.key_column, key->option->key);
  if (!strstr(text, place)) FAIL("no '%s' in\n%s\n%s", place, twice, text);
  ntk_problems_destroy(&problems);
  ++n->repeats;
}

static void refuse_absence(counts *n, const ntk_walk_key *key) {
  char path[NTK_WALK_PATH + 32];
  draft d;
  ntk_problems problems = {0};

  if (!(key->option->flags & NTK_REQUIRED)) return;
  (void)snprintf(path, sizeof(path), "key '%s' is missing", key->path);
  write_config(&d, key, key->option->key, NULL);
  read_config(d.text, NULL, &problems);
  if (!strstr(ntk_text_string(&problems.text), path)) FAIL("no '%s' in\n%s", path, d.text);
  ntk_problems_destroy(&problems);
  ++n->missing;
}

/* Rows that stand in many places (the network of a teacher, of every source) are tested in two. */
static bool is_known(counts *n, const ntk_option *row) {
  int k = 0;

  while (k < n->rows && n->row[k] != row) ++k;
  EXPECT(k < MOST_ROWS);
  n->row[k] = row;
  n->rows += k == n->rows;
  return n->times[k]++ >= ENOUGH;
}

static ntk_status visit(void *context, const ntk_walk_key *key) {
  counts *n = context;

  if (is_known(n, key->option)) return NTK_OK;
  refuse_misspelling(n, key);
  refuse_repetition(n, key);
  refuse_absence(n, key);
  refuse_values(n, key);
  ++n->keys;
  return NTK_OK;
}

int main(int argc, char **argv) {
  static counts n;

  begin_test(&argc, &argv);
  EXPECT_OK(ntk_option_walk(&ntk_settings_section, visit, &n));
  EXPECT(n.keys > LEAST_KEYS && n.repeats == n.keys && n.missing > 5);
  EXPECT(n.refusals > 6 * n.keys);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
