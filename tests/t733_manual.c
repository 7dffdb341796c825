/* The manual page and the completion scripts tell of every command, option, key, word and exit code
 * that the tables have; the page is roff without raw characters that roff would take for its own.
 *
 * Method: the tables are walked, and what they hold is looked for. */
//TEST ranks=1
#include "ntk/run/manual.h"

#include "ntk/config/walk.h"
#include "ntk/run/command.h"
#include "ntk/run/job.h"
#include "test.h"

/* "a-b" as the page has it. */
static void escape(const char *s, char *escaped, size_t size) {
  size_t used = 0;

  for (; *s && used + 3 < size; ++s) {
    if (*s == '-') escaped[used++] = '\\';
    escaped[used++] = *s;
  }
  escaped[used] = '\0';
}

static void expect_tag(const char *page, const char *tag) {
  char name[NTK_WALK_PATH + 8], line[NTK_WALK_PATH + 32];

  escape(tag, name, sizeof(name));
  (void)snprintf(line, sizeof(line), "\n.B \"%s\"\n", name);
  if (!strstr(page, line)) FAIL("no '%s' in the page", tag);
}

static bool is_main_section(const ntk_section *section) {
  for (const ntk_option *o = ntk_settings_section.options; o->key; ++o) {
    if (o->type == NTK_SECTION && o->section == section) return true;
  }
  return false;
}

/* The keys of a section that occurs again inside of another are told of once. */
static bool is_inside_again(const ntk_walk_key *key) {
  for (const ntk_walk_key *up = key->up; up; up = up->up) {
    if (up->up && up->option->type == NTK_SECTION && is_main_section(up->option->section)) {
      return true;
    }
  }
  return false;
}

static ntk_status look_for_key(void *context, const ntk_walk_key *key) {
  const bool section = key->option->type == NTK_SECTION && !(key->option->flags & NTK_NONE);

  if (section || is_inside_again(key)) return NTK_OK;
  expect_tag(context, key->path);
  for (const ntk_row *const *row = key->option->rows; row && *row; ++row) {
    expect_tag(context, (*row)->name);
  }
  return NTK_OK;
}

static void expect_lines(const char *page) {
  for (const char *line = page; *line; line += strcspn(line, "\n") + 1) {
    const size_t length = strcspn(line, "\n");

    if (length == 0 || length > 80 + 20 || line[length - 1] == ' ') FAIL("%.*s", (int)length, line);
  }
}

static void test_page(void) {
  static const char *const heads[] = {"NAME",          "SYNOPSIS", "DESCRIPTION", "COMMANDS",
                                      "CONFIGURATION", "FILES",    "EXIT STATUS", "ENVIRONMENT",
                                      "EXAMPLES",      NULL};
  ntk_text page = {0};
  char head[64];

  EXPECT_OK(ntk_manual_page(&page));
  EXPECT(strncmp(page.data, ".TH NTKRUN 1 ", 13) == 0);
  for (int k = 0; heads[k]; ++k) {
    (void)snprintf(head, sizeof(head), "\n.SH %s\n", heads[k]);
    EXPECT(strstr(page.data, head));
  }
  for (const ntk_command *c = ntk_commands; c->name; ++c) {
    (void)snprintf(head, sizeof(head), "\n.SS %s%s%s\n", c->name, c->operand ? " " : "",
                   c->operand ? c->operand : "");
    EXPECT(strstr(page.data, head));
    for (const ntk_flag *const *f = c->flags; *f; ++f) {
      (void)snprintf(head, sizeof(head), "%s%s%s", (*f)->name, (*f)->value ? " " : "",
                     (*f)->value ? (*f)->value : "");
      expect_tag(page.data, head);
    }
  }
  EXPECT_OK(ntk_option_walk(&ntk_settings_section, look_for_key, page.data));
  for (const char *const *code =
           (const char *const[]){"0", "1", "64", "65", "66", "70", "73", "74", NULL};
       *code; ++code) {
    expect_tag(page.data, *code);
  }
  expect_lines(page.data);
  ntk_text_destroy(&page);
}

static ntk_status look_for_completion(void *context, const ntk_walk_key *key) {
  const ntk_option *o = key->option;
  char line[2 * NTK_WALK_PATH];

  if (o->type == NTK_TREE || (o->type == NTK_SECTION && !(o->flags & NTK_NONE))) return NTK_OK;
  (void)snprintf(line, sizeof(line), "\n%s=\n", key->path);
  const char *found = strstr(context, line);

  if (!found || strstr(found + 1, line)) FAIL("not once: %s", key->path);
  if (!o->rows || o->type == NTK_CHOICES) return NTK_OK;
  (void)snprintf(line, sizeof(line), "\n%s=%s\n", key->path, o->rows[0]->name);
  if (!strstr(context, line)) FAIL("no word of %s", key->path);
  return NTK_OK;
}

static void test_completion(const char *shell) {
  ntk_text script = {0};

  EXPECT_OK(ntk_manual_completion(shell, &script));
  EXPECT_OK(ntk_option_walk(&ntk_settings_section, look_for_completion, script.data));
  for (const ntk_command *c = ntk_commands; c->name; ++c) {
    EXPECT(strstr(script.data, c->name));
    for (const ntk_flag *const *f = c->flags; *f; ++f) EXPECT(strstr(script.data, (*f)->name));
  }
  ntk_text_destroy(&script);
}

static void test_reference(void) {
  ntk_text text = {0};

  EXPECT_OK(ntk_manual_reference(&text));
  for (int k = 0; ntk_option_legend[k][0]; ++k) {
    EXPECT(strstr(text.data, ntk_option_legend[k][1]));
  }
  EXPECT(strstr(text.data, "\n  width: ") && strstr(text.data, "\nkernel:\n"));
  ntk_text_destroy(&text);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  test_page();
  test_completion("bash");
  test_completion("zsh");
  test_reference();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
