/* --set: the value arrives where the path says, an axis of that name goes away, and what is wrong
 * is shown in the text of the command line. */
//TEST ranks=1
#include "config_schema.h"

static const char config_text[] =
    "data: {source: gaussian}\n"
    "network: {output: centered, width: 8}\n"
    "analyses: [summary, dynamics]\n"
    "sweep: {network.seed: 0..2, network.width: [1, 2], network.bias: [none, {std: 1}]}\n";

typedef struct override_case {
  const char *assignment, *printed; /* in the last point; NULL: a problem */
  const char *message;              /* of the problem */
  int column;                       /* of the problem in "--set ..." */
  bool removed;
  int64_t points;
} override_case;

static const override_case cases[] = {
    {"network.depth=7", "  depth: 7\n", NULL, 0, false, 12},
    {"network.width=512", "  width: 512\n", NULL, 0, true, 6},
    {"network.seed=9", "  seed: 9\n", NULL, 0, true, 4},
    {"network.output=scaled: 3", "      alpha: 3\n", NULL, 0, false, 12},
    {"network.output={scaled: {alpha: 4}}", "      alpha: 4\n", NULL, 0, false, 12},
    {"network.output.scaled.alpha=5", "      alpha: 5\n", NULL, 0, false, 12},
    {"network.bias=none", "  bias: none\n", NULL, 0, true, 6},
    {"name=a: b", NULL, "name: needs a text, not a mapping", 12, false, 12},
    {"name='a: b = c'", "name: \"a: b = c\"\n", NULL, 0, false, 12},
    {"name=\"\"", "name: \"\"\n", NULL, 0, false, 12},
    {"analyses=[summary]", "analyses:\n  - summary\noutput", NULL, 0, false, 12},
    {"analyses.dynamics.learning_rate=2", "      learning_rate: 2\n", NULL, 0, false, 12},
    {"data.classes=0..4", "  classes: 0..4\n", NULL, 0, false, 12},
    {"sweep.network.depth=[4, 5]", "  depth: 5\n", NULL, 0, false, 24},
    {"sweep.network.width=[4]", "  width: 4\n", NULL, 0, false, 6},
    {"sweep={}", "  width: 8\n", NULL, 0, false, 1},
    {"output.directory=there", "  directory: there\n", NULL, 0, false, 12},
    {"network.widht=3", NULL, "unknown key 'network.widht'; did you mean 'width'?", 7, false, 12},
    {"network.depth=2.5e2", NULL, "'2.5e2' is not an integer; write 250", 21, false, 12},
    {"network.depth", NULL, "an override has the form --set path=value, as in --set", 7, false, 12},
    {"", NULL, "an override has the form --set path=value", 7, false, 12},
    {"=3", NULL, "an override has the form", 7, false, 12},
    {"network..depth=3", NULL, "an override has the form", 7, false, 12},
    {".depth=3", NULL, "an override has the form", 7, false, 12},
    {"network.=3", NULL, "an override has the form", 7, false, 12},
    {"network depth=3", NULL, "an override has the form", 7, false, 12},
    {"network.depth=", NULL, "no value behind '='; write one, \"\" for an empty text", 7, false,
     12},
    {"network.depth= # x", NULL, "no value behind '='", 7, false, 12},
    {"network.depth=[1", NULL, "a list is not closed", 21, false, 12},
    {"network.depth=\xff", NULL, "this is not UTF-8", 21, false, 12},
    {"network.depth=!!int 3", NULL, "tags (tag:yaml.org,2002:int)", 21, false, 12},
    {"network.bias.std=3", NULL,
     "the sweep sets 'network.bias' at every point, so "
     "'network.bias.std' would have no effect; override the former",
     7, false, 12},
    {"analyses.absent.x=3", NULL, "the list has no item 'absent'", 7, false, 12},
    {"sweep.network.depth=3", NULL, "sweep.network.depth: needs a list", 27, false, 1},
    {"sweep.output.directory=[a]", NULL, "'output.directory' cannot be swept", 7, false, 1},
};

/* Reads the config with one override and binds all points. */
static ntk_status run(const char *assignment, config *c, bool *removed) {
  ntk_node *root = NULL;

  NTK_TRY(ntk_tree_parse("c.yaml", config_text, &c->tree, &c->problems));
  NTK_TRY(ntk_tree_override(&c->tree, assignment, removed, &c->problems));
  NTK_TRY(ntk_sweep_read(&c->tree, &c->sweep, &c->problems));
  for (int64_t k = 0; k < c->sweep.point_count; ++k) {
    NTK_TRY(ntk_sweep_point(&c->tree, &c->sweep, k, &c->arena, &root, &c->problems));
    NTK_TRY(bind_config(c, root));
  }
  return NTK_OK;
}

static void check_case(const override_case *o) {
  config c = {0};
  ntk_text text = {0};
  char place[64];
  bool removed = true;

  EXPECT_OK(run(o->assignment, &c, &removed));
  const char *got = ntk_text_string(&c.problems.text);

  (void)snprintf(place, sizeof(place), "command line:1:%d: error: ", o->column);
  if (o->printed) {
    if (c.problems.count) FAIL("%s: %s", o->assignment, got);
    EXPECT_OK(ntk_option_print(&root_section, &c.settings, 0, &text));
    if (!strstr(text.data, o->printed))
      FAIL("%s: no \"%s\" in\n%s", o->assignment, o->printed, text.data);
  } else if (c.problems.count != 1 || !strstr(got, o->message) ||
             strncmp(got, place, strlen(place)) != 0) {
    FAIL("%s: not just \"%s%s\" in \"%s\"", o->assignment, place, o->message, got);
  }
  if (removed != o->removed) FAIL("%s: axis removed or not", o->assignment);
  if (c.sweep.point_count != o->points) FAIL("%s: points", o->assignment);
  ntk_text_destroy(&text);
  destroy_config(&c);
}

static void check_look(void) {
  config c = {0};
  bool removed = false;

  EXPECT_OK(run("network.depth=2.5e2", &c, &removed));
  EXPECT_TEXT(c.problems.text.data,
              "command line:1:21: error: network.depth: '2.5e2' is not an integer; write 250\n"
              "    1 | --set network.depth=2.5e2\n"
              "      |                     ^\n");
  destroy_config(&c);
}

/* Later overrides win; one may go below another. */
static void check_sequence(void) {
  static const char *const sets[] = {"network.output=as_is", "network.bias={scale: 2, std: 3}",
                                     "network.bias.std=4", "network.depth=5", "network.depth=6"};
  config c = {0};
  bool removed = false;

  EXPECT_OK(ntk_tree_parse("c.yaml", "data: {source: gaussian}\n", &c.tree, &c.problems));
  for (size_t k = 0; k < sizeof(sets) / sizeof(sets[0]); ++k) {
    EXPECT_OK(ntk_tree_override(&c.tree, sets[k], &removed, &c.problems));
    EXPECT(!removed);
  }
  EXPECT_OK(bind_config(&c, c.tree.root));
  EXPECT_OK(ntk_problems_status(&c.problems));
  EXPECT(c.settings.network.output.row == &row_as_is && c.settings.network.bias.scale == 2);
  EXPECT(c.settings.network.bias.std == 4 && c.settings.network.depth == 6);
  destroy_config(&c);
}

static ntk_status override(void *context) {
  config c = {0};
  bool removed = false;
  ntk_status status = run(context, &c, &removed);

  if (status == NTK_OK) status = ntk_problems_status(&c.problems);
  destroy_config(&c);
  return status;
}

int main(int argc, char **argv) {
  char assignment[] = "network.output={scaled: {alpha: 4}}", axis[] = "sweep.network.depth=[4, 5]";

  MPI_Init(&argc, &argv);
  for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); ++k) check_case(&cases[k]);
  check_look();
  check_sequence();
  EXPECT(sweep_faults(override, assignment) > 0);
  EXPECT(sweep_faults(override, axis) > 0);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
