/* Numbers and words of a config: what is a number is a table; what is printed reads back to the
 * same bits (random bit patterns); every text survives printing and reading as YAML. */
//TEST ranks=1
#include "ntk/config/scalar.h"

#include "ntk/config/tree.h"
#include "test.h"

typedef struct number_case {
  const char *text;
  bool integer, real;
  double value;
} number_case;

static const number_case numbers[] = {
    {"0", true, true, 0},
    {"256", true, true, 256},
    {"-3", true, true, -3},
    {"+3", true, true, 3},
    {"9223372036854775807", true, true, 9223372036854775807.0},
    {"-9223372036854775807", true, true, -9223372036854775807.0},
    {"9223372036854775808", false, true, 9223372036854775808.0},
    {"-9223372036854775808", false, true, -9223372036854775808.0}, /* stands for auto */
    {"99999999999999999999999", false, true, 99999999999999999999999.0},
    {"1e-8", false, true, 1e-8},
    {"1.0e-08", false, true, 1e-8},
    {"2.5e2", false, true, 250},
    {"1E+3", false, true, 1000},
    {".5", false, true, 0.5},
    {"5.", false, true, 5},
    {"0.10", false, true, 0.1},
    {"5e-324", false, true, 5e-324},
    {"1.7976931348623157e308", false, true, 1.7976931348623157e308},
    {"1e999", false, false, 0},
    {"1e-999", false, false, 0},
    {"0256", false, false, 0},
    {"-00", false, false, 0},
    {"00.5", false, false, 0},
    {"", false, false, 0},
    {"-", false, false, 0},
    {".", false, false, 0},
    {"e5", false, false, 0},
    {"1e", false, false, 0},
    {"1e+", false, false, 0},
    {"12abc", false, false, 0},
    {"1 ", false, false, 0},
    {" 1", false, false, 0},
    {"1_000", false, false, 0},
    {"0x10", false, false, 0},
    {"0o17", false, false, 0},
    {"1:30", false, false, 0},
    {"1,5", false, false, 0},
    {"256k", false, false, 0},
    {"--1", false, false, 0},
    {"nan", false, false, 0},
    {".nan", false, false, 0},
    {"inf", false, false, 0},
    {"-.inf", false, false, 0},
    {"Infinity", false, false, 0},
};

static void check_numbers(void) {
  for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]); ++k) {
    const number_case *c = &numbers[k];
    int64_t integer = 0;
    double real = 0;

    if (ntk_scalar_int(c->text, &integer) != c->integer) FAIL("'%s' as an integer", c->text);
    if (ntk_scalar_real(c->text, &real) != c->real) FAIL("'%s' as a number", c->text);
    if (c->integer && (double)integer != c->value) FAIL("'%s': wrong integer", c->text);
    if (c->real && real != c->value) FAIL("'%s': wrong number", c->text);
  }
}

static const char *const advice[][3] = {
    /* text, for an integer, for a number */
    {"2.5e2", "is not an integer; write 250", NULL},
    {"2.5", "is not an integer", NULL},
    {"1e300", "is not an integer", NULL},
    {"9223372036854775808", "does not fit into 64 bits", NULL},
    {"1e999", "is not an integer", "does not fit into double precision"},
    {"0256", "write 256", "write 256"},
    {"-007", "write -7", "write -7"},
    {"1_000", "write 1000", "write 1000"},
    {"NaN", "is not finite", "is not finite"},
    {"-.inf", "is not finite", "is not finite"},
    {"12abc", "is not an integer", "is not a number"},
    {"0x10", "is not an integer", "is not a number"},
};

static void check_advice(void) {
  char text[NTK_ADVICE_TEXT];

  for (size_t k = 0; k < sizeof(advice) / sizeof(advice[0]); ++k) {
    for (int integer = 0; integer < 2; ++integer) {
      const char *wanted = advice[k][integer ? 1 : 2];

      if (!wanted || strstr(ntk_scalar_advice(advice[k][0], integer, text), wanted)) continue;
      FAIL("'%s': no \"%s\" in \"%s\"", advice[k][0], wanted, text);
    }
  }
}

static uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static void check_printed_reals(void) {
  char text[NTK_REAL_TEXT];
  uint64_t state = 1;
  int finite = 0;

  EXPECT_TEXT(ntk_real_text(0.1, text), "0.1");
  EXPECT_TEXT(ntk_real_text(0.1 + 0.2, text), "0.30000000000000004");
  EXPECT_TEXT(ntk_real_text(1e-6, text), "1.0e-06");
  EXPECT_TEXT(ntk_real_text(-2.5e-10, text), "-2.5e-10");
  EXPECT_TEXT(ntk_real_text(64, text), "64");
  EXPECT_TEXT(ntk_real_text(-0.0, text), "-0");
  for (int k = 0; k < 20000; ++k) {
    const uint64_t bits = next_random(&state);
    double value = 0, back = 0;

    memcpy(&value, &bits, sizeof(value));
    if (!isfinite(value)) continue;
    ++finite;
    if (!ntk_scalar_real(ntk_real_text(value, text), &back)) FAIL("'%s' is not read", text);
    if (value != back) FAIL("'%s' reads back differently", text);
  }
  EXPECT(finite > 19000);
}

static void check_ranges(void) {
  int64_t a = 0, b = 0;

  EXPECT(ntk_scalar_range("0..9", &a, &b) && a == 0 && b == 9);
  EXPECT(ntk_scalar_range("-3..-1", &a, &b) && a == -3 && b == -1);
  EXPECT(ntk_scalar_range("5..1", &a, &b)); /* empty, but a range */
  EXPECT(!ntk_scalar_range("0...9", &a, &b));
  EXPECT(!ntk_scalar_range("0..", &a, &b));
  EXPECT(!ntk_scalar_range("..9", &a, &b));
  EXPECT(!ntk_scalar_range("0.5..9", &a, &b));
  EXPECT(!ntk_scalar_range("0..9..10", &a, &b));
  EXPECT(!ntk_scalar_range("09", &a, &b));
}

static const char *const texts[] = {"relu",
                                    "a b",
                                    "",
                                    "- x",
                                    "-",
                                    "--- a",
                                    "...",
                                    "a: b",
                                    "a #b",
                                    "#a",
                                    "[a]",
                                    "{a}",
                                    "a, b",
                                    "'a'",
                                    "\"a\"",
                                    "a\\b",
                                    "a\nb",
                                    "\t",
                                    "\x01\x7f",
                                    "\xc3\xa4",
                                    "\xc2\x85",
                                    "\xe2\x80\xa8",
                                    "\xef\xbb\xbf",
                                    "\xf0\x9f\x98\x80",
                                    "*a",
                                    "&a",
                                    "!a",
                                    "|",
                                    ">",
                                    "%a",
                                    "@a",
                                    "`a",
                                    "? a",
                                    "~",
                                    "<<",
                                    "null",
                                    "0..9",
                                    "4*width",
                                    "1e-8",
                                    "-1",
                                    "act(yW+b)",
                                    "$HOME/x",
                                    "~/x",
                                    "=",
                                    "a:b",
                                    ":a",
                                    "a:",
                                    "/:",
                                    "-.5"};

static void check_text(const char *string, bool quoted) {
  ntk_text yaml = {0};
  ntk_tree tree = {0};
  ntk_problems problems = {0};

  EXPECT_OK(ntk_text_add(&yaml, "flow: ["));
  EXPECT_OK(ntk_scalar_print(string, quoted, &yaml));
  EXPECT_OK(ntk_text_add(&yaml, ", x]\nblock: "));
  EXPECT_OK(ntk_scalar_print(string, quoted, &yaml));
  EXPECT_OK(ntk_text_add(&yaml, "\n"));
  EXPECT_OK(ntk_tree_parse("t", yaml.data, &tree, &problems));
  if (problems.count) FAIL("%s%s", yaml.data, problems.text.data);
  EXPECT_TEXT(ntk_node_find(tree.root, "block")->text, string);
  EXPECT_TEXT(ntk_node_find(tree.root, "flow")->child[0]->text, string);
  EXPECT(!quoted || ntk_node_find(tree.root, "block")->quoted);
  ntk_tree_destroy(&tree);
  ntk_text_destroy(&yaml);
}

static void check_nearest(void) {
  ntk_nearest widht = {.word = "widht"}, x = {.word = "x"}, far = {.word = "completely"};
  ntk_nearest shouted = {.word = "DEPTH"};
  static const char *const words[] = {"depth", "width", "wide", "y"};

  for (size_t k = 0; k < 4; ++k) {
    ntk_nearest_offer(&widht, words[k]);
    ntk_nearest_offer(&x, words[k]);
    ntk_nearest_offer(&far, words[k]);
    ntk_nearest_offer(&shouted, words[k]);
  }
  EXPECT_TEXT(widht.best, "width");
  EXPECT_TEXT(shouted.best, "depth");
  EXPECT(!x.best && !far.best);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  check_numbers();
  check_advice();
  check_printed_reals();
  check_ranges();
  for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); ++k) {
    check_text(texts[k], false);
    check_text(texts[k], true);
  }
  check_nearest();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
