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
    {"network.depth=1..2", NULL,
     "'1..2' is not an integer (to sweep: `network.depth: 1..2` below sweep:, or --set "
     "sweep.network.depth=1..2)", 21, false, 12},
    {"sweep.network.depth=1..2", "  depth: 2\n", NULL, 0, false, 24},
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
    {"sweep.network.depth=3", NULL, "sweep.network.depth: needs a list", 27, false, 12},
    {"sweep.output.directory=[a]", NULL, "'output.directory' cannot be swept", 7, false, 12},
    {"sweep.skip=[{width: 1}]", "  width: 2\n", NULL, 0, false, 12},
    {"sweep.skip=[{width: 3}]", NULL, "the axis has no value 3; its values are 1, 2", 27, false,
     12},
    {"sweep.zip={x: {network.depth: [4, 5], cutoff: [0, 1]}}", "  depth: 5\n", NULL, 0, false, 24},
    {"sweep.zip.x={network.depth: [4, 5], cutoff: [0, 1]}", "cutoff: 1\n", NULL, 0, false, 24},
    {"sweep.zip.x.network.depth=[4, 5]", "  depth: 5\n", NULL, 0, false, 24},
    {"sweep.zip.x.network.width=[4, 5]", NULL, "'network.width' is an axis already", 7, false, 1},
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

/* A lone layer goes by its kind and by the name that results give it: one place, one axis. */
static void check_lone_layer(void) {
  static const char text[] =
      "data: {source: gaussian}\n"
      "network: {layers: [flatten, dense: {features: 3}]}\n"
      "sweep: {network.layers.dense.features: [4, 5], network.seed: [0, 1],\n"
      "        skip: [{network.layers.dense0.features: 4, seed: 1}]}\n";
  config c = {0};
  bool removed = false;

  EXPECT_OK(ntk_tree_parse("c.yaml", text, &c.tree, &c.problems));
  EXPECT_OK(ntk_tree_override(&c.tree, "network.layers.dense0.features=4", &removed, &c.problems));
  EXPECT(removed && c.problems.count == 0);
  EXPECT_OK(ntk_sweep_read(&c.tree, &c.sweep, &c.problems));
  if (c.problems.count) FAIL("%s", c.problems.text.data);
  EXPECT(c.sweep.point_count == 2 && ntk_sweep_skips(&c.sweep, 1));
  EXPECT_TEXT(ntk_node_at(c.tree.root, "network.layers.dense.features")->text, "4");
  destroy_config(&c);
}

/* A folder takes more values of the same axes: one that is set keeps its place among them. */
static void check_place_of_axis(void) {
  static const char *const paths[] = {"network.seed", "network.width", "network.bias"};
  config c = {0};
  bool removed = false;

  EXPECT_OK(run("sweep.network.seed=0..4", &c, &removed));
  EXPECT(!removed && c.problems.count == 0 && c.sweep.point_count == 20);
  EXPECT(c.sweep.axis_count == 3);
  for (int k = 0; k < 3; ++k) EXPECT_TEXT(c.sweep.axis[k].path, paths[k]);
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

/* ---- zip and skip ------------------------------------------------------------------------------
 */

static const char zipped[] =
    "data: {source: gaussian}\n"
    "sweep:\n"
    "  network.seed: 0..2\n"
    "  zip: {shape: {label: [wide, deep], network.width: [256, 16], network.depth: [1, 8]}}\n"
    "  skip: [{seed: 2, shape: deep}, {network.width: 256, seed: 1}]\n";

typedef struct zip_case {
  const char *set[3];
  int64_t points, left_out;
  int width, depth; /* of the last point */
  bool removed;
} zip_case;

static const zip_case zip_cases[] = {
    {{NULL}, 6, 2, 16, 8, false},
    {{"network.activation=erf"}, 6, 2, 16, 8, false},
    {{"network.depth=5"}, 6, 2, 16, 5, true},    /* a key leaves, the axis stays */
    {{"network.width=5"}, 6, 1, 5, 8, true},     /* no width is 256 any more */
    {{"network.width=256"}, 6, 3, 256, 8, true}, /* every width is */
    {{"network.seed=2"}, 2, 1, 16, 8, true},     /* {shape: deep} remains */
    {{"network.seed=0"}, 2, 0, 16, 8, true},
    {{"sweep.skip=[]", "network.seed=0"}, 2, 0, 16, 8, true},
    {{"sweep.skip=[{seed: 2}]", "network.seed=2"}, 2, 0, 16, 8, true}, /* asked for: not left out */
    {{"network.width=5", "sweep.skip=[]", "network.depth=3"}, 3, 0, 5, 3, true}, /* no key is left
                                                                                  */
    {{"sweep.zip.shape.network.depth=[4, 5]"}, 6, 2, 16, 5, false},
};

static void check_zip_case(const zip_case *z) {
  config c = {0};
  ntk_node *root = NULL;
  bool removed = false;
  int64_t left_out = 0;

  EXPECT_OK(ntk_tree_parse("c.yaml", zipped, &c.tree, &c.problems));
  for (int k = 0; k < 3 && z->set[k]; ++k) {
    EXPECT_OK(ntk_tree_override(&c.tree, z->set[k], &removed, &c.problems));
  }
  EXPECT_OK(ntk_sweep_read(&c.tree, &c.sweep, &c.problems));
  if (c.problems.count) FAIL("%s: %s", z->set[0], c.problems.text.data);
  for (int64_t p = 0; p < c.sweep.point_count; ++p) left_out += ntk_sweep_skips(&c.sweep, p);
  if (c.sweep.point_count != z->points || left_out != z->left_out) {
    FAIL("%s: %lld points, %lld left out", z->set[0] ? z->set[0] : "none",
         (long long)c.sweep.point_count, (long long)left_out);
  }
  EXPECT_OK(
      ntk_sweep_point(&c.tree, &c.sweep, c.sweep.point_count - 1, &c.arena, &root, &c.problems));
  EXPECT_OK(bind_config(&c, root));
  EXPECT_OK(ntk_problems_status(&c.problems));
  EXPECT(c.settings.network.width == z->width && c.settings.network.depth == z->depth);
  EXPECT(removed == z->removed);
  destroy_config(&c);
}

static ntk_status override_zip(void *context) {
  config c = {0};
  bool removed = false;
  ntk_status status = ntk_tree_parse("c.yaml", zipped, &c.tree, &c.problems);

  if (status == NTK_OK) status = ntk_tree_override(&c.tree, context, &removed, &c.problems);
  if (status == NTK_OK) status = ntk_sweep_read(&c.tree, &c.sweep, &c.problems);
  if (status == NTK_OK) status = ntk_problems_status(&c.problems);
  destroy_config(&c);
  return status;
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
  char zip_key[] = "network.width=256", zip_new[] = "sweep.zip.x.cutoff=[0, 1]";

  begin_test(&argc, &argv);
  for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); ++k) check_case(&cases[k]);
  check_look();
  check_place_of_axis();
  check_sequence();
  check_lone_layer();
  EXPECT(sweep_faults(override, assignment) > 0);
  EXPECT(sweep_faults(override, axis) > 0);
  for (size_t k = 0; k < sizeof(zip_cases) / sizeof(zip_cases[0]); ++k) {
    check_zip_case(&zip_cases[k]);
  }
  EXPECT(sweep_faults(override_zip, zip_key) > 0);
  EXPECT(sweep_faults(override_zip, zip_new) > 0);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
