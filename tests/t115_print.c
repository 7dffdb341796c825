/* Printing: settings printed, read and printed again give the same text, for every type; the
 * canonical text changes with what changes results (file contents among it) and with nothing else;
 * the reference of the table is itself a valid config, and so is that of every row. */
//TEST ranks=1
#include "config_schema.h"

#include <unistd.h>

static void print_config(const char *yaml, bool canonical, ntk_text *text) {
  config c = {0};

  EXPECT_OK(read_config(yaml, &c));
  if (c.problems.count) FAIL("%s\n%s", yaml, c.problems.text.data);
  if (canonical) {
    EXPECT_OK(ntk_option_canonical(&root_section, &c.settings, text));
  } else {
    EXPECT_OK(ntk_option_print(&root_section, &c.settings, 0, text));
  }
  destroy_config(&c);
}

static const char *const configs[] = {
    full_config,
    "data: {source: gaussian}\n",
    "data: {source: gaussian, classes: [], columns: []}\nanalyses: []\nnetwork: {layers: []}\n",
    "data: {source: gaussian, columns: [yes, '1', 0x1, Null, a, .5, '', 2001-01-01]}\n",
    "data: {source: gaussian, classes: [3, 4]}\nname: ''\n",
    "data: {source: idx, inputs: \"/x/\\u263a $\", labels: '-'}\n",
    "data: {source: gaussian, noise_std: 0.1}\ncutoff: 5e-324\n",
    "data: {source: gaussian}\nnetwork: {bias: {scale: -0.0, std: 1e22}, output: {scaled: 1e-6}}\n",
    "data: {source: gaussian}\nanalyses: [dynamics: {times: {geomspace: [auto, 1e6, 7]}}]\n",
    "data: {source: gaussian}\nanalyses: [dynamics: {label: '0', times: [3]}]\n",
    "data: {source: gaussian}\nanalyses: [summary: {label: 'true'}]\n",
};

/* Three in a row are a range, two are not. */
static void check_runs(void) {
  ntk_text text = {0};

  print_config("data: {source: gaussian, classes: [3, 4]}\n", false, &text);
  EXPECT(strstr(text.data, "  classes: [3, 4]\n"));
  ntk_text_destroy(&text);
  print_config("data: {source: gaussian, classes: [3, 4, 5]}\n", false, &text);
  EXPECT(strstr(text.data, "  classes: 3..5\n"));
  ntk_text_destroy(&text);
}

static void check_fixed_point(void) {
  for (size_t k = 0; k < sizeof(configs) / sizeof(configs[0]); ++k) {
    ntk_text once = {0}, twice = {0};

    print_config(configs[k], false, &once);
    print_config(once.data, false, &twice);
    EXPECT_TEXT(once.data, twice.data);
    ntk_text_destroy(&once);
    ntk_text_destroy(&twice);
  }
}

static void check_look(void) {
  ntk_text text = {0};

  print_config(
      "data: {source: gaussian, classes: 0..9, columns: ['1']}\n"
      "network: {bias: none, output: {scaled: 0.5}, layers: [dense: {features: 2*width}]}\n"
      "analyses: [summary, effective_dimension: {label: ed, ridge: [1e-6]}]\n",
      false, &text);
  EXPECT_TEXT(text.data,
              "format: 1\n"
              "name: \"a title\"\n"
              "cutoff: auto\n"
              "data:\n"
              "  source: gaussian\n"
              "  dimension: 16\n"
              "  noise_std: 0.1\n"
              "  classes: 0..9\n"
              "  columns: [\"1\"]\n"
              "  train:\n"
              "    count: auto\n"
              "    balanced: false\n"
              "network:\n"
              "  kind: auto\n"
              "  depth: 3\n"
              "  width: 512\n"
              "  activation: relu\n"
              "  bias: none\n"
              "  output:\n"
              "    scaled:\n"
              "      alpha: 0.5\n"
              "  layers:\n"
              "    - dense:\n"
              "        features: 2*width\n"
              "  seed: 0\n"
              "analyses:\n"
              "  - summary\n"
              "  - effective_dimension:\n"
              "      label: ed\n"
              "      ridge: [1.0e-06]\n"
              "output:\n"
              "  directory: runs/x\n");
  ntk_text_destroy(&text);
}

/* ---- canonical text ----------------------------------------------------------------------------
 */

typedef struct pair {
  const char *a, *b;
  bool same;
} pair;

static const pair pairs[] = {
    {"data: {source: gaussian}\n", "data: {dimension: 16, source: gaussian}\n", true},
    {"data: {source: gaussian}\n", "name: x\ndata: {source: gaussian}\noutput: {directory: y}\n",
     true},
    {"data: {source: gaussian, noise_std: 1e-1}\n", "data: {source: gaussian}\n", true},
    {"data: {source: gaussian, noise_std: 0.10000000000000002}\n", "data: {source: gaussian}\n",
     false},
    {"data: {source: gaussian}\nanalyses: [dynamics]\n",
     "data: {source: gaussian}\nanalyses: [dynamics: {label: x}]\n", true},
    {"data: {source: gaussian}\nanalyses: [dynamics]\n",
     "data: {source: gaussian}\nanalyses: [dynamics: {learning_rate: {of_max: 1.0}}]\n", false},
    {"data: {source: gaussian}\nnetwork: {layers: [dense: {features: 3, name: a}]}\n",
     "data: {source: gaussian}\nnetwork: {layers: [dense: {features: 3, name: b}]}\n", true},
    {"data: {source: gaussian, classes: [0, 1, 2]}\n", "data: {source: gaussian, classes: 0..2}\n",
     true},
    {"data: {source: gaussian}\nnetwork: {bias: none}\n", "data: {source: gaussian}\n", false},
    {"data: {source: gaussian}\nnetwork: {output: {scaled: 1}}\n",
     "data: {source: gaussian}\nnetwork: {output: {scaled: {alpha: 1.0}}}\n", true},
    {"data: {source: gaussian}\nnetwork: {weights: $NTK_DIR/a}\n",
     "data: {source: gaussian}\nnetwork: {weights: $NTK_DIR/same}\n", true},
    {"data: {source: gaussian}\nnetwork: {weights: $NTK_DIR/a}\n",
     "data: {source: gaussian}\nnetwork: {weights: $NTK_DIR/other}\n", false},
};

static void write_file(const char *directory, const char *name, const char *content) {
  char path[300];
  FILE *file = NULL;

  (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
  file = fopen(path, "w");
  EXPECT(file && fputs(content, file) >= 0 && fclose(file) == 0);
}

static void remove_file(const char *directory, const char *name) {
  char path[300];

  (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
  EXPECT(unlink(path) == 0);
}

static void check_canonical(void) {
  char directory[] = "/tmp/ntk_t115_XXXXXX";

  EXPECT(mkdtemp(directory) && setenv("NTK_DIR", directory, 1) == 0);
  write_file(directory, "a", "weights");
  write_file(directory, "same", "weights");
  write_file(directory, "other", "other weights");
  for (size_t k = 0; k < sizeof(pairs) / sizeof(pairs[0]); ++k) {
    ntk_text a = {0}, b = {0};

    print_config(pairs[k].a, true, &a);
    print_config(pairs[k].b, true, &b);
    if ((strcmp(a.data, b.data) == 0) != pairs[k].same) FAIL("%s%s", a.data, b.data);
    EXPECT(!strstr(a.data, "directory") && !strstr(a.data, "/tmp"));
    ntk_text_destroy(&a);
    ntk_text_destroy(&b);
  }
  remove_file(directory, "a");
  remove_file(directory, "same");
  remove_file(directory, "other");
  EXPECT(rmdir(directory) == 0);
}

static void check_missing_file(void) {
  config c = {0};
  ntk_text text = {0};

  EXPECT_OK(read_config("data: {source: gaussian}\nnetwork: {weights: /absent/x}\n", &c));
  EXPECT_OK(ntk_problems_status(&c.problems)); /* binding looks at no file */
  EXPECT_REFUSED(ntk_option_canonical(&root_section, &c.settings, &text), NTK_E_MISSING,
                 "/absent/x");
  ntk_text_destroy(&text);
  destroy_config(&c);
}

static void check_choice(void) {
  config c = {0};
  ntk_text text = {0};

  EXPECT_OK(
      read_config("data: {source: gaussian}\n"
                  "analyses: [summary, dynamics: {label: x, times: [1]}]\n",
                  &c));
  EXPECT_OK(ntk_problems_status(&c.problems));
  EXPECT_OK(ntk_choice_canonical(&c.settings.analyses.item[0], &text));
  EXPECT_OK(ntk_choice_canonical(&c.settings.analyses.item[1], &text));
  EXPECT_TEXT(text.data, "summary\ndynamics:\n  learning_rate: 1\n  times: [1]\n");
  ntk_text_destroy(&text);
  destroy_config(&c);
}

/* ---- reference ---------------------------------------------------------------------------------
 */

static void bind_reference(const ntk_section *section, size_t size) {
  ntk_text text = {0};
  ntk_tree tree = {0};
  ntk_problems problems = {0};
  void *bound = NULL;

  EXPECT_OK(ntk_option_reference(section, 0, &text));
  EXPECT_OK(ntk_tree_parse("reference", ntk_text_string(&text), &tree, &problems));
  EXPECT_OK(ntk_problems_status(&problems));
  EXPECT_OK(ntk_arena_new(&tree.arena, size, &bound));
  EXPECT_OK(ntk_option_bind(section, tree.root, "", "/base", &tree.arena, bound, &problems));
  EXPECT_OK(ntk_problems_status(&problems));
  ntk_problems_destroy(&problems);
  ntk_tree_destroy(&tree);
  ntk_text_destroy(&text);
}

static void check_rows(const ntk_row *const *rows) {
  for (; *rows; ++rows) {
    const ntk_section section = {(*rows)->options, NULL};

    if ((*rows)->options) bind_reference(&section, (*rows)->options_size);
  }
}

static void check_reference(void) {
  ntk_text text = {0};

  bind_reference(&root_section, sizeof(settings));
  check_rows(sources);
  check_rows(outputs);
  check_rows(layers);
  check_rows(analyses);
  EXPECT_OK(ntk_option_reference(&root_section, 0, &text));
  EXPECT(strstr(text.data, "  # units per hidden layer (integer, 1 to 1000000)\n  width: 512\n"));
  EXPECT(strstr(text.data,
                "  # short form (one word, or auto)\n"
                "  #   relu  max(x, 0)\n"
                "  #   erf   2/sqrt(pi) int_0^x exp(-t^2) dt\n"
                "  #   tanh  hyperbolic tangent\n"
                "  kind: auto\n"));
  EXPECT(strstr(text.data,
                "  # of the hidden layers (one word), as `kind` above\n"
                "  activation: relu\n"));
  EXPECT(strstr(text.data,
                "  source: gaussian\n"
                "  # of one sample (integer, 1 to 1000000)\n"
                "  dimension: 16\n"
                "  # of the targets (number, at least 0)\n"
                "  noise_std: 0.1\n"
                "  # source: idx\n"
                "  # # images (path; required)\n"
                "  # inputs: path/to/file\n"));
  EXPECT(strstr(text.data,
                "  output: centered\n"
                "  # output:\n"
                "  #   scaled:\n"
                "  #     # factor (number, 0 to 1000000; required)\n"
                "  #     alpha: 1\n"));
  EXPECT(strstr(text.data, "    # - repeat:\n"));
  EXPECT(strstr(text.data, "# version (integer, always 1)\nformat: 1\n"));
  EXPECT(strstr(text.data,
                "# when (grid, each at least 0; ends may be auto; also zero: true, "
                "infinity: true)\n"));
  ntk_text_destroy(&text);
}

static ntk_status print_all(void *context) {
  config c = {0};
  ntk_text text = {0};
  ntk_status status = read_config(context, &c);

  if (status == NTK_OK) status = ntk_option_print(&root_section, &c.settings, 0, &text);
  if (status == NTK_OK) status = ntk_option_reference(&root_section, 0, &text);
  ntk_text_destroy(&text);
  destroy_config(&c);
  return status;
}

int main(int argc, char **argv) {
  char copy[sizeof(full_config)];

  begin_test(&argc, &argv);
  check_fixed_point();
  check_runs();
  check_look();
  check_canonical();
  check_missing_file();
  check_choice();
  check_reference();
  memcpy(copy, full_config, sizeof(copy));
  EXPECT(sweep_faults(print_all, copy) > 0);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
