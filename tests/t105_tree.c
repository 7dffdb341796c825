/* YAML as a tree: what is read, where it was written, and what is refused.  Each refusal is a row
 * with the fragment that the message must have and the place it must name; the look of the whole
 * list is compared with a stored one. */
//TEST ranks=1
#include "ntk/config/tree.h"

#include <unistd.h>

#include "test.h"

/* ---- reading -----------------------------------------------------------------------------------
 */

static const char document[] =
    "# comment\n"
    "a: 1\n"
    "list: [x, 'y', \"z\\u00e4\"]\n"
    "map:\n"
    "  inner: {deep: value}\n"
    "  base: &b\n"
    "    one: 1\n"
    "    two: [2]\n"
    "copy: *b\n"
    "items:\n"
    "  - summary\n"
    "  - dynamics: {rule: flow}\n"
    "  - dynamics: {label: second, rule: descent}\n"
    "  - dense: {name: readout}\n"
    "  - twice\n"
    "  - twice\n";

static void parse(const char *text, ntk_tree *tree, ntk_problems *problems) {
  *tree = (ntk_tree){0};
  *problems = (ntk_problems){0};
  EXPECT_OK(ntk_tree_parse("t.yaml", text, tree, problems));
  EXPECT(tree->root && tree->root->kind == NTK_NODE_MAPPING);
}

static void expect_mark(ntk_mark mark, int line, int column) {
  if (mark.line != line || mark.column != column) {
    FAIL("%d:%d instead of %d:%d", mark.line, mark.column, line, column);
  }
}

static void check_reading(void) {
  ntk_tree tree;
  ntk_problems problems;

  parse(document, &tree, &problems);
  EXPECT(problems.count == 0 && !tree.broken);
  EXPECT_TEXT(ntk_node_find(tree.root, "a")->text, "1");
  expect_mark(ntk_node_find(tree.root, "a")->mark, 2, 4);
  expect_mark(tree.root->key_mark[2], 4, 1);
  const ntk_node *list = ntk_node_find(tree.root, "list");

  EXPECT(list->kind == NTK_NODE_SEQUENCE && list->count == 3);
  EXPECT(!list->child[0]->quoted && list->child[1]->quoted && list->child[2]->quoted);
  EXPECT_TEXT(list->child[2]->text, "z\xc3\xa4");
  expect_mark(list->child[1]->mark, 3, 11);
  EXPECT_TEXT(ntk_node_at(tree.root, "map.inner.deep")->text, "value");
  EXPECT_TEXT(ntk_node_at(tree.root, "copy.one")->text, "1");
  EXPECT(ntk_node_at(tree.root, "copy") != ntk_node_at(tree.root, "map.base"));
  EXPECT_TEXT(ntk_node_at(tree.root, "items.dynamics.rule")->text, "flow");
  EXPECT_TEXT(ntk_node_at(tree.root, "items.second.rule")->text, "descent");
  EXPECT_TEXT(ntk_node_at(tree.root, "items.readout.name")->text, "readout");
  EXPECT_TEXT(ntk_node_at(tree.root, "items.summary")->text, "summary");
  EXPECT(!ntk_node_at(tree.root, "items.dense") && !ntk_node_at(tree.root, "items.twice") &&
         !ntk_node_at(tree.root, "items.dynamics.loss"));
  EXPECT(!ntk_node_at(tree.root, "a.b") && !ntk_node_at(tree.root, "") &&
         !ntk_node_at(tree.root, "map..inner") && !ntk_node_find(list, "a"));
  ntk_tree_destroy(&tree);
  ntk_tree_destroy(&tree); /* idempotent */
}

/* Lines that end with \r\n, a mark that says UTF-8, no line end at the end. */
static void check_line_ends(void) {
  ntk_tree tree;
  ntk_problems problems;

  parse(
      "\xef\xbb\xbf"
      "a: 1\r\nb:\r\n  c: 2\r\n  c: 3",
      &tree, &problems);
  EXPECT_TEXT(ntk_node_at(tree.root, "b.c")->text, "2");
  EXPECT_TEXT(problems.text.data,
              "t.yaml:4:3: error: key 'c' is there already, in line 3; remove one of the two\n"
              "    4 |   c: 3\n"
              "      |   ^\n");
  ntk_problems_destroy(&problems);
  ntk_tree_destroy(&tree);
}

/* ---- refusals ----------------------------------------------------------------------------------
 */

typedef struct refusal {
  const char *yaml, *message;
  int line, column; /* line 0: no place */
  bool broken;
} refusal;

#define TEN(x) x x x x x x x x x x

static const refusal refusals[] = {
    {"a: 1\nb: 2\na: 3\n", "key 'a' is there already, in line 1", 3, 1, false},
    {"a: {b: 1, c: 2, b: 3}\n", "key 'b' is there already", 1, 17, false},
    {"a: 1\n'a': 3\n", "key 'a' is there already", 2, 1, false},
    {"a: 1\n---\nb: 2\n", "a second document", 2, 1, false},
    {"a: &x {b: 1}\nc:\n  <<: *x\n", "merge keys (<<) are not supported; repeat the keys", 3, 3,
     false},
    {"a: !!int 3\n", "tags (tag:yaml.org,2002:int) are not used", 1, 4, false},
    {"a: !mine [1]\n", "tags (!mine)", 1, 4, false},
    {"a: ! x\n", "tags (!)", 1, 4, false},
    {"[a, b]: 1\n", "a key is a word", 1, 1, false},
    {"{a: b}: 1\n", "a key is a word", 1, 1, false},
    {"?\n: 1\n", "a key is missing before ':'", 1, 2, false},
    {"a: {: 1}\n", "a key or value is missing here", 1, 5, true},
    {"a: \"x\\0y\"\n", "NUL character", 1, 4, false},
    {"", "there is nothing in it; `ntkrun reference`", 0, 0, true},
    {"# only\n# comments\n", "there is nothing in it", 0, 0, true},
    {"---\n", "there is nothing in it", 0, 0, true},
    {"[1, 2]\n", "a config is a mapping", 1, 1, true},
    {"word\n", "a config is a mapping", 1, 1, true},
    {"a: b: c\n", "put the value in quotes", 1, 5, true},
    {"a:\n  b: 1\n c: 2\n",
     "the indentation does not fit the lines above, or a bracket or quote is not closed (while "
     "parsing a block mapping that begins in line 1)",
     3, 2, true},
    {"a:\n\tb: 1\n", "a tab does not indent in YAML; use spaces", 2, 1, true},
    {"a: [1, 2\nb: 3\n", "a list is not closed", 2, 2, true},
    {"a: {b: 1\n", "a mapping is not closed", 1, 4, true},
    {"a: 'text\nb: 1\n", "this quote is never closed", 1, 4, true},
    {"a: @x\n", "cannot start with this character; put it in quotes", 1, 4, true},
    {"a: %x\n", "cannot start with this character", 1, 4, true},
    {"a: 1\nword\nb: 2\n", "expected ': ' behind this key", 2, 1, true},
    {"a: *x\n", "alias '*x' names no anchor; write '&x'", 1, 4, true},
    {"a: &x [1, *x]\n", "stands inside the value it repeats", 1, 11, true},
    {"a: &x {b: {c: *x}}\n", "stands inside", 1, 15, true},
    {"a: 1\nb: \x01\n", "control character", 2, 4, true},
    {"a: 1\nb: \xff\xfe\n", "not UTF-8", 2, 4, true},
    {"\xff\xfe"
     "a",
     "not UTF-8", 1, 1, true},
    {"a: \xc0\xaf\n", "not UTF-8", 1, 4, true},
    {"a: \xed\xa0\x80\n", "not UTF-8", 1, 4, true},
    {"a: " TEN("[[[[") "\n", "nested more than 32 levels", 1, 35, true},
    {"a: " TEN(TEN("[{a: ")), "nested more than 32 levels", 1, 80, true},
    {"a: &a " TEN("[") TEN("[") TEN("]") TEN("]") "\nb: " TEN("[") "[[*a]]" TEN("]") "\n",
     "nests more than 32 levels", 2, 16, true},
    {"a: &a [x, x, x, x, x, x, x, x, x, x]\n"
     "b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
     "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\n"
     "d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\n"
     "e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]\n",
     "aliases repeat more than 20000 values", 5, 8, true},
};

static void expect_problem(const refusal *r, const ntk_problems *problems) {
  char place[64];

  if (r->line) {
    (void)snprintf(place, sizeof(place), "t.yaml:%d:%d: error: ", r->line, r->column);
  } else {
    (void)snprintf(place, sizeof(place), "t.yaml: error: ");
  }
  if (problems->count < 1 || !strstr(problems->text.data, r->message) ||
      !strstr(problems->text.data, place)) {
    FAIL("%.60s: no \"%s%s\" in \"%s\"", r->yaml, place, r->message,
         ntk_text_string(&problems->text));
  }
}

static void check_refusals(void) {
  for (size_t k = 0; k < sizeof(refusals) / sizeof(refusals[0]); ++k) {
    ntk_tree tree;
    ntk_problems problems;

    parse(refusals[k].yaml, &tree, &problems);
    expect_problem(&refusals[k], &problems);
    if (tree.broken != refusals[k].broken) FAIL("%.60s: broken or not", refusals[k].yaml);
    EXPECT(!tree.broken || tree.root->count == 0);
    EXPECT_REFUSED(ntk_problems_status(&problems), NTK_E_CONFIG, refusals[k].message);
    ntk_problems_destroy(&problems);
    ntk_tree_destroy(&tree);
  }
}

/* What is just allowed. */
static void check_limits(void) {
  static const char *const fine[] = {
      "a: " TEN("[") TEN("[") TEN("[") "[x]" TEN("]") TEN("]") TEN("]") "\n",
      "a: &a " TEN("[") TEN("[") "x" TEN("]") TEN("]") "\nb: " TEN("[") "[*a]" TEN("]") "\n",
      "a: &a 1\nb: &a 2\nc: *a\n",
      "%YAML 1.1\n---\na: 1\n...\n",
      "? a\n: 1\n",
      "a: |\n  text\nb: >\n  folded\n  text\n"};

  for (size_t k = 0; k < sizeof(fine) / sizeof(fine[0]); ++k) {
    ntk_tree tree;
    ntk_problems problems;

    parse(fine[k], &tree, &problems);
    if (problems.count) FAIL("%s", problems.text.data);
    ntk_tree_destroy(&tree);
  }
}

/* ---- the list of problems ----------------------------------------------------------------------
 */

/* Sorted by line and column, each source by itself, those of one place as they came. */
static void check_order(void) {
  const ntk_source file = {"f", "1\n2\n3\n"}, other = {"g", "1\n2\n3\n"};
  const char *at = NULL;
  ntk_problems problems = {0};

  ntk_problem(&problems, (ntk_mark){&file, 3, 1}, "p5");
  ntk_problem(&problems, (ntk_mark){&other, 1, 1}, "p6");
  ntk_problem(&problems, (ntk_mark){&file, 2, 1}, "p2");
  ntk_problem(&problems, (ntk_mark){&file, 2, 2}, "p4");
  ntk_problem(&problems, (ntk_mark){&file, 2, 1}, "p3");
  ntk_problem(&problems, (ntk_mark){&file, 1, 9}, "p1");
  at = problems.text.data;
  for (char name[] = "error: p1"; name[8] <= '6'; ++name[8]) {
    const char *next = strstr(problems.text.data, name);

    EXPECT(next && next >= at);
    at = next;
  }
  ntk_problems_destroy(&problems);
}

static void check_look(void) {
  static const char yaml[] = "network:\n  widht: 512\n\tx: \xc3\xa4 '\x1b[31m'\n";
  const ntk_source source = {"file.yaml", yaml};
  const ntk_mark first = {&source, 2, 3}, second = {&source, 3, 6}, whole = {&source, 0, 0};
  const ntk_mark none = {0};
  ntk_problems problems = {0};

  ntk_problem(&problems, first, "unknown key '%s'; did you mean '%s'?", "network.widht", "width");
  ntk_problem(&problems, second, "escape \x1b[31m");
  ntk_problem(&problems, first, "unknown key '%s'; did you mean '%s'?", "network.widht", "width");
  ntk_problem(&problems, whole, "too long");
  ntk_problem(&problems, none, "a default");
  EXPECT(problems.count == 4);
  EXPECT_TEXT(problems.text.data,
              "file.yaml:2:3: error: unknown key 'network.widht'; did you mean 'width'?\n"
              "    2 |   widht: 512\n"
              "      |   ^\n"
              "file.yaml:3:6: error: escape ?[31m\n"
              "    3 | \tx: \xc3\xa4 '?[31m'\n"
              "      | \t    ^\n"
              "file.yaml: error: too long\n"
              "error: a default\n");
  ntk_problems_destroy(&problems);
  EXPECT_OK(ntk_problems_status(&problems));
}

static void check_long_line(void) {
  char yaml[1000];
  const ntk_source source = {"f", yaml};
  const ntk_mark mark = {&source, 1, 501};
  ntk_problems problems = {0};

  memset(yaml, 'x', sizeof(yaml));
  yaml[500] = '!';
  yaml[sizeof(yaml) - 1] = '\0';
  ntk_problem(&problems, mark, "here");
  const char *line = strstr(problems.text.data, " | "), *caret = strrchr(problems.text.data, '^');

  EXPECT(problems.text.length < 400);
  const char *below = strstr(line + 1, " | ");

  EXPECT(strchr(line, '!') - line == caret - below); /* the caret stands below the place */
  ntk_problems_destroy(&problems);
}

static void check_many_problems(void) {
  const ntk_source source = {"f", "a: 1\n"};
  const ntk_mark mark = {&source, 1, 1};
  ntk_problems problems = {0};

  for (int k = 0; k < 1000; ++k) ntk_problem(&problems, mark, "problem %d", k);
  EXPECT(problems.count == 1000);
  EXPECT(strstr(problems.text.data, "problem 99\n") &&
         !strstr(problems.text.data, "problem 100\n"));
  EXPECT(strstr(problems.text.data, "there are more; these are the first 100\n"));
  ntk_problems_destroy(&problems);
}

/* ---- files -------------------------------------------------------------------------------------
 */

static void write_file(const char *path, size_t length, const char *bytes) {
  FILE *file = fopen(path, "wb");

  EXPECT(file && fwrite(bytes, 1, length, file) == length && fclose(file) == 0);
}

static void check_file(const char *path, size_t length, const char *bytes, const char *message) {
  ntk_tree tree = {0};
  ntk_problems problems = {0};

  write_file(path, length, bytes);
  EXPECT_OK(ntk_tree_load(path, &tree, &problems));
  if (!message && problems.count) FAIL("%s", problems.text.data);
  if (message && !strstr(ntk_text_string(&problems.text), message)) {
    FAIL("no \"%s\" in \"%s\"", message, ntk_text_string(&problems.text));
  }
  EXPECT(tree.broken == (message != NULL));
  ntk_problems_destroy(&problems);
  ntk_tree_destroy(&tree);
}

static void check_files(void) {
  enum { BIG = (1 << 20) + 1 };
  char path[] = "/tmp/ntk_t105_XXXXXX", *big = NULL;
  ntk_tree tree = {0};
  ntk_problems problems = {0};
  const int handle = mkstemp(path);

  EXPECT(handle >= 0 && close(handle) == 0);
  EXPECT_OK(NTK_NEW(BIG, &big));
  memset(big, '\n', BIG);
  memcpy(big, "a: 1\n", sizeof("a: 1"));
  check_file(path, 5, "a: 1\n", NULL);
  check_file(path, BIG - 1, big, NULL);
  check_file(path, BIG, big, "larger than 1 MiB");
  check_file(path, 10, "a: 1\nb:\0 2", ":2:3: error: a NUL byte");
  check_file(path, 0, "", "there is nothing in it");
  memset(big, '[', BIG); /* seconds, if the depth were looked at too late */
  check_file(path, BIG - 1, big, "nested more than 32");
  ntk_free(&big);
  EXPECT(unlink(path) == 0);
  EXPECT_STATUS(ntk_tree_load(path, &tree, &problems), NTK_E_MISSING);
  ntk_tree_destroy(&tree);
}

/* ---- changing and printing ---------------------------------------------------------------------
 */

static ntk_node *scalar(ntk_arena *arena, const char *text) {
  ntk_node *node = NULL;

  EXPECT_OK(ntk_arena_new(arena, sizeof(*node), &node));
  node->kind = NTK_NODE_SCALAR;
  node->text = text;
  return node;
}

typedef struct put_case {
  const char *path, *message; /* NULL: it is put */
} put_case;

static const put_case puts_[] = {
    {"a", NULL},
    {"new", NULL},
    {"map.inner.deep", NULL},
    {"map.more.and.more", NULL},
    {"list", NULL},
    {"a.word.gives.way", NULL},
    {"items.dynamics.rule", NULL},
    {"items.second.rate", NULL},
    {"items.summary.option", NULL},
    {"items.readout.features", NULL},
    {"items.absent.x", "the list has no item 'absent', only 'summary', 'dynamics', 'second', "},
    {"items.twice.x", "several items of the list are called 'twice'"},
    {"items.twice0.x", NULL},
    {"items.twice1.x", NULL},
    {"items.twice2.x", "the list has no item 'twice2'"},
    {"items.summary0.option", NULL}, /* 'summary' is its name, too */
    {"list.q.x", "the list has no item 'q', only 'x', 'y'"},
};

static void check_put(void) {
  const ntk_source source = {"s", "x"};
  const ntk_mark mark = {&source, 1, 1};

  for (size_t k = 0; k < sizeof(puts_) / sizeof(puts_[0]); ++k) {
    ntk_tree tree;
    ntk_problems problems;
    ntk_node *copy = NULL;

    parse(document, &tree, &problems);
    EXPECT_OK(ntk_node_copy(&tree.arena, tree.root, &copy));
    ntk_node *value = scalar(&tree.arena, "v");

    EXPECT_OK(ntk_node_put(&tree.arena, copy, puts_[k].path, mark, value, &problems));
    if (puts_[k].message) {
      EXPECT_REFUSED(ntk_problems_status(&problems), NTK_E_CONFIG, puts_[k].message);
    } else if (ntk_node_at(copy, puts_[k].path) != value || problems.count) {
      FAIL("%s was not put", puts_[k].path);
    }
    EXPECT(ntk_node_at(tree.root, puts_[k].path) != value); /* the original of the copy */
    ntk_problems_destroy(&problems);
    ntk_tree_destroy(&tree);
  }
}

static void print_tree(const char *yaml, ntk_text *text) {
  ntk_tree tree;
  ntk_problems problems;

  parse(yaml, &tree, &problems);
  if (problems.count) FAIL("%s%s", yaml, problems.text.data);
  EXPECT_OK(ntk_node_print(tree.root, 0, text));
  ntk_tree_destroy(&tree);
}

static void check_print(void) {
  ntk_text once = {0}, twice = {0};

  print_tree(document, &once);
  print_tree(once.data, &twice);
  EXPECT_TEXT(once.data, twice.data);
  EXPECT(strstr(once.data, "list: [x, \"y\", \"z\xc3\xa4\"]\n"));
  EXPECT(strstr(once.data, "items:\n  - summary\n  - dynamics:\n      rule: flow\n"));
  ntk_text_destroy(&once);
  ntk_text_destroy(&twice);
  print_tree("{a: [[1, 2], {b: [], c: {}}, [{d: [[e]]}]], 'b c': x}", &once);
  print_tree(once.data, &twice);
  EXPECT_TEXT(once.data, twice.data);
  EXPECT_TEXT(once.data,
              "a:\n  - [1, 2]\n  - b: []\n    c: {}\n  - - d:\n        - [e]\n\"b c\": x\n");
  ntk_text_destroy(&once);
  ntk_text_destroy(&twice);
}

static ntk_status read_document(void *context) {
  ntk_tree tree = {0};
  ntk_problems problems = {0};
  ntk_text text = {0};
  ntk_status status = ntk_tree_parse("t", context, &tree, &problems);

  if (status == NTK_OK) status = ntk_node_print(tree.root, 0, &text);
  if (status == NTK_OK) status = ntk_problems_status(&problems);
  ntk_text_destroy(&text);
  ntk_problems_destroy(&problems);
  ntk_tree_destroy(&tree);
  return status;
}

int main(int argc, char **argv) {
  char copy[sizeof(document)];

  begin_test(&argc, &argv);
  check_reading();
  check_line_ends();
  check_refusals();
  check_limits();
  check_order();
  check_look();
  check_long_line();
  check_many_problems();
  check_files();
  check_put();
  check_print();
  memcpy(copy, document, sizeof(document));
  EXPECT(sweep_faults(read_document, copy) > 0);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
