/* A valid config, mutated thousands of times with a fixed seed: whatever comes out is either
 * refused with problems, or it is bound, and then what is printed reads back to the same text.
 * Nothing crashes (sanitizers), nothing is left in memory. */
//TEST ranks=1 args="3000"
#include "config_schema.h"

enum { SIZE = 1 << 14 };

static uint64_t state = 88172645463325252u;

static size_t draw(size_t n) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return n ? (size_t)(state % n) : 0;
}

static const char *const fragments[] = {"[",
                                        "]",
                                        "{",
                                        "}",
                                        ": ",
                                        "- ",
                                        "\n",
                                        "  ",
                                        "\t",
                                        "'",
                                        "\"",
                                        "&a ",
                                        "*a",
                                        "<<: *a",
                                        "!!int ",
                                        "#",
                                        "|",
                                        ">",
                                        "---\n",
                                        "..",
                                        "0..9",
                                        "1e999",
                                        "nan",
                                        "auto",
                                        "none",
                                        "all",
                                        "-",
                                        "$HOME",
                                        "~",
                                        "\xff",
                                        "\xc3\xa4",
                                        "\x01",
                                        "\\",
                                        "%",
                                        "label: x",
                                        "name",
                                        "{linspace: [1, 2, 3]}",
                                        "sweep: ",
                                        "relu",
                                        "9223372036854775808",
                                        "4*width",
                                        ",",
                                        "\r\n",
                                        "? ",
                                        "\xe2\x80\xa8",
                                        "{scaled: 1}",
                                        "null",
                                        "''"};

/* Replaces `cut` bytes at `at` by the piece. */
static void splice(char *text, size_t at, size_t cut, const char *piece, size_t length) {
  const size_t total = strlen(text);

  if (at + cut > total || total - cut + length + 1 > SIZE) return;
  memmove(text + at + length, text + at + cut, total - at - cut + 1);
  memcpy(text + at, piece, length);
}

static void mutate(char *text) {
  const size_t total = strlen(text), at = draw(total + 1);
  char piece[64];

  switch (draw(4)) {
    case 0: { /* a byte */
      piece[0] = (char)(1 + draw(255));
      splice(text, at, draw(2), piece, 1);
      break;
    }
    case 1: { /* a fragment */
      const char *fragment = fragments[draw(sizeof(fragments) / sizeof(fragments[0]))];

      splice(text, at, draw(5), fragment, strlen(fragment));
      break;
    }
    case 2: /* a piece is taken away */
      splice(text, at, draw(30), "", 0);
      break;
    default: { /* a piece is repeated elsewhere */
      const size_t length = draw(total - at < 63 ? total - at + 1 : 63);

      memcpy(piece, text + at, length);
      splice(text, draw(total + 1), 0, piece, length);
    }
  }
}

static void print_config(const config *c, ntk_text *text) {
  EXPECT_OK(ntk_option_print(&root_section, &c->settings, 0, text));
}

/* Returns whether the text was refused. */
static bool try_text(const char *yaml) {
  config c = {0}, again = {0};
  ntk_text once = {0}, twice = {0};

  EXPECT_OK(read_config(yaml, &c));
  const bool refused = c.problems.count > 0;

  if (!refused) {
    print_config(&c, &once);
    EXPECT_OK(read_config(once.data, &again));
    if (again.problems.count) FAIL("%s\n%s\n%s", yaml, once.data, again.problems.text.data);
    print_config(&again, &twice);
    EXPECT_TEXT(once.data, twice.data);
  }
  ntk_text_destroy(&once);
  ntk_text_destroy(&twice);
  destroy_config(&c);
  destroy_config(&again);
  return refused;
}

static void try_override(const char *text) {
  static const char *const paths[] = {"network.bias", "analyses", "data.classes", "sweep.cutoff",
                                      "sweep.zip.x", "sweep.skip", "data.train.count", ""};
  char assignment[200];
  config c = {0};
  bool removed = false;
  ntk_node *root = NULL;

  (void)snprintf(assignment, sizeof(assignment), "%s=%.60s", paths[draw(8)],
                 text + draw(strlen(text) + 1));
  EXPECT_OK(ntk_tree_parse("c", full_config, &c.tree, &c.problems));
  EXPECT_OK(ntk_tree_override(&c.tree, assignment, &removed, &c.problems));
  EXPECT_OK(ntk_sweep_read(&c.tree, &c.sweep, &c.problems));
  EXPECT_OK(ntk_sweep_point(&c.tree, &c.sweep, 0, &c.arena, &root, &c.problems));
  EXPECT_OK(bind_config(&c, root));
  destroy_config(&c);
}

int main(int argc, char **argv) {
  static char text[SIZE];
  int refused = 0;

  begin_test(&argc, &argv);
  const int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 100;

  EXPECT(!try_text(full_config));
  for (int round = 0; round < rounds; ++round) {
    memcpy(text, full_config, sizeof(full_config));
    for (size_t n = 1 + draw(4); n > 0; --n) mutate(text);
    refused += try_text(text);
    try_override(text);
    EXPECT(ntk_memory_balance() == 0);
  }
  EXPECT(refused > rounds / 4 && refused < rounds); /* some survive */
  MPI_Finalize();
  return 0;
}
