/* The command line: every command of the table is found, takes its options in both spellings and
 * refuses every other word with one line that names the way out; help tells of every option.
 *
 * Method: the table is walked, so a new command or option is tested too; refusals as a table. */
//TEST ranks=1
#include "ntk/run/command.h"

#include "folder.h"
#include "ntk/store/file.h"

enum { WORDS = 8 };

/* Parses words behind a command; the words end with NULL. */
static ntk_status parse(const char *name, const char *const *words, ntk_arguments *arguments,
                        bool *help) {
  static char word[WORDS][128];
  const ntk_command *command = NULL;
  char *copy[WORDS + 1] = {NULL};

  *arguments = (ntk_arguments){0};
  EXPECT_OK(ntk_command_find(name, &command));
  for (int k = 0; words[k]; ++k) {
    EXPECT(k < WORDS);
    (void)snprintf(word[k], sizeof(word[k]), "%s", words[k]);
    copy[k] = word[k];
  }
  return ntk_command_parse(command, copy, arguments, help);
}

/* ---- what is legal ------------------------------------------------------------------------- */

static const char *legal_value(const ntk_flag *flag) {
  return flag->type == NTK_FLAG_COUNT ? "3" : (flag->words ? flag->words[0] : "x=1");
}

static void expect_set(const ntk_flag *flag, const ntk_arguments *arguments) {
  const void *field = (const char *)arguments + flag->offset;

  switch (flag->type) {
    case NTK_FLAG_SWITCH:
      EXPECT(*(const bool *)field);
      return;
    case NTK_FLAG_COUNT:
      EXPECT(*(const int64_t *)field == 3);
      return;
    case NTK_FLAG_TEXT:
      EXPECT_TEXT(*(const char *const *)field, legal_value(flag));
      return;
    case NTK_FLAG_SET:
      EXPECT(arguments->set_count == 1);
      EXPECT_TEXT(arguments->set[0], "x=1");
  }
}

/* `--name value` before the operand, `--name=value` behind it. */
static void test_flag(const ntk_command *command, const ntk_flag *flag) {
  const char *operand = command->operand ? "operand" : NULL;
  char joined[128];
  ntk_arguments arguments;
  bool help = false;

  (void)snprintf(joined, sizeof(joined), "%s%s%s", flag->name, flag->value ? "=" : "",
                 flag->value ? legal_value(flag) : "");
  EXPECT_OK(parse(command->name, (const char *const[]){joined, operand, NULL}, &arguments, &help));
  expect_set(flag, &arguments);
  EXPECT(!help && !arguments.operand == !operand);
  if (operand) EXPECT_TEXT(arguments.operand, operand);
  if (!flag->value) return;
  EXPECT_OK(parse(command->name,
                  (const char *const[]){flag->name, legal_value(flag), operand, NULL}, &arguments,
                  &help));
  expect_set(flag, &arguments);
  EXPECT_REFUSED(parse(command->name, (const char *const[]){flag->name, NULL}, &arguments, &help),
                 NTK_E_USAGE, "needs a value");
}

static void test_help(const ntk_command *command) {
  ntk_text text = {0};
  ntk_arguments arguments;
  bool help = false;

  EXPECT_OK(
      parse(command->name, (const char *const[]){"--nonsense", "-h", NULL}, &arguments, &help));
  EXPECT(help);
  EXPECT_OK(ntk_command_help(command, &text));
  for (const char *line = ntk_text_string(&text); *line; line += strcspn(line, "\n") + 1) {
    EXPECT(strcspn(line, "\n") <= 110);
  }
  for (const ntk_flag *const *f = command->flags; *f; ++f) {
    EXPECT(strstr(ntk_text_string(&text), (*f)->name) && strstr(ntk_text_string(&text), (*f)->doc));
  }
  ntk_text_destroy(&text);
  EXPECT_OK(ntk_command_help(NULL, &text));
  EXPECT(strstr(ntk_text_string(&text), command->name) &&
         strstr(ntk_text_string(&text), command->doc));
  ntk_text_destroy(&text);
}

static void test_table(void) {
  for (const ntk_command *c = ntk_commands; c->name; ++c) {
    const ntk_command *found = NULL;

    EXPECT_OK(ntk_command_find(c->name, &found));
    EXPECT(found == c && c->run && c->doc && c->detail);
    for (const ntk_flag *const *f = c->flags; *f; ++f) test_flag(c, *f);
    test_help(c);
  }
}

static void test_forms(void) {
  ntk_arguments arguments;
  bool help = false;

  EXPECT_OK(parse("check", (const char *const[]){"--set", "a=1", "x", "--set=b=2=3", NULL},
                  &arguments, &help));
  EXPECT(arguments.set_count == 2);
  EXPECT_TEXT(arguments.set[1], "b=2=3");
  EXPECT_OK(parse("check", (const char *const[]){"--", "--set", NULL}, &arguments, &help));
  EXPECT_TEXT(arguments.operand, "--set");
}

/* ---- what is not --------------------------------------------------------------------------- */

typedef struct wrong {
  const char *command, *word[WORDS], *part;
} wrong;

static const wrong wrongs[] = {
    {"check", {NULL}, "'check' needs a CONFIG: ntkrun check CONFIG"},
    {"check", {""}, "not an empty word"},
    {"check", {"a", "b"}, "'b' is one word too many: 'check' takes one CONFIG"},
    {"check", {"a", "--expnad"}, "'check' has no option '--expnad'; did you mean '--expand'?"},
    {"check", {"a", "--zqzqzqzqzq"}, "it takes --set, --expand"},
    {"check", {"a", "-x"}, "'check' has no option '-x'"},
    {"merge", {"--zqzqzqzqzq=3"}, "'merge' has no option '--zqzqzqzqzq'"},
    {"check", {"a", "--expand=yes"}, "--expand takes no value"},
    {"check", {"a", "--set"}, "--set needs a value: --set a.b=v"},
    {"plan", {"a", "--ranks", "two"}, "--ranks needs a whole number from 1, not 'two'"},
    {"plan", {"a", "--ranks", "0"}, "--ranks needs a whole number from 1"},
    {"plan", {"a", "--ranks=-1"}, "--ranks needs a whole number from 1"},
    {"plan", {"a", "--ranks", "99999999999999"}, "--ranks needs a whole number from 1"},
    {"export", {"a", "--output="}, "--output needs a value"},
    {"reference", {"a"}, "'reference' takes no operand, but 'a' was given"},
    {"reference", {"--completion", "fish"}, "--completion is one of bash|zsh, not 'fish'"},
};

static void test_wrongs(void) {
  const ntk_command *command = NULL;
  ntk_arguments arguments;
  bool help = false;

  for (size_t k = 0; k < sizeof(wrongs) / sizeof(wrongs[0]); ++k) {
    const wrong *w = &wrongs[k];

    EXPECT_REFUSED(parse(w->command, w->word, &arguments, &help), NTK_E_USAGE, w->part);
    EXPECT(!strchr(ntk_last_error()->text, '\n'));
  }
  EXPECT_REFUSED(ntk_command_find("chekc", &command), NTK_E_USAGE, "did you mean 'check'?");
  EXPECT_REFUSED(ntk_command_find("--verison", &command), NTK_E_USAGE, "did you mean '--version'?");
  EXPECT_REFUSED(ntk_command_find("frobnicate", &command), NTK_E_USAGE, "'ntkrun --help'");
}

static void test_most_sets(void) {
  const ntk_command *command = NULL;
  char *words[NTK_MOST_SETS + 3] = {NULL}, set[] = "--set=a=1";
  ntk_arguments arguments = {0};
  bool help = false;

  EXPECT_OK(ntk_command_find("check", &command));
  for (int k = 0; k <= NTK_MOST_SETS; ++k) words[k] = set;
  EXPECT_REFUSED(ntk_command_parse(command, words, &arguments, &help), NTK_E_USAGE,
                 "more than 256 times --set");
}

static void test_operands(void) {
  char folder[4096];

  folder_make(folder);
  const char *file = folder_path(folder, "file");

  EXPECT_OK(ntk_file_write_text(file, "x"));
  for (const char *const *kind = (const char *const[]){"CONFIG", "FILE", NULL}; *kind; ++kind) {
    EXPECT_OK(ntk_command_check_operand(*kind, file));
    EXPECT_REFUSED(ntk_command_check_operand(*kind, folder), NTK_E_MISSING, "is a folder; a ");
  }
  EXPECT_OK(ntk_command_check_operand("PATH", file));
  EXPECT_OK(ntk_command_check_operand("PATH", folder));
  EXPECT_OK(ntk_command_check_operand("DIR", folder));
  EXPECT_REFUSED(ntk_command_check_operand("DIR", file), NTK_E_MISSING,
                 "is a file; the folder of a sweep is needed");
  EXPECT_REFUSED(ntk_command_check_operand("PATH", folder_path(folder, "none")), NTK_E_MISSING,
                 "none: No such file");
  folder_remove(folder);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  test_table();
  test_forms();
  test_wrongs();
  test_most_sets();
  test_operands();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
