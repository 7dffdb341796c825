/* Binding: every type takes what it should, absent keys take their defaults, and every refusal (a
 * row of the table) names the key, the way out and the place, all of a config at once. */
//TEST ranks=1
#include "config_schema.h"

#include <unistd.h>

/* ---- values ------------------------------------------------------------------------------------
 */

static void read_fine(const char *yaml, config *c) {
  EXPECT_OK(read_config(yaml, c));
  if (c->problems.count) FAIL("%s\n%s", yaml, c->problems.text.data);
}

static void check_defaults(void) {
  config c = {0};

  read_fine("data: {source: gaussian}\n", &c);
  const settings *s = &c.settings;
  const gaussian_options *gaussian = s->data.source.options;

  EXPECT(s->format == 1 && isnan(s->cutoff) && !s->sweep);
  EXPECT_TEXT(s->name, "a title");
  EXPECT(s->data.source.row == &row_gaussian && gaussian->dimension == 16);
  EXPECT(gaussian->noise_std == 0.1);
  EXPECT(s->data.classes.count == -1 && !s->data.columns.item);
  EXPECT(s->data.train.count == NTK_AUTO_INT && !s->data.train.balanced);
  EXPECT(!s->network.kind && s->network.depth == 3 && s->network.activation == &row_relu);
  EXPECT(s->network.biased && s->network.bias.scale == 0.1 && s->network.bias.std == 1);
  EXPECT(s->network.output.row == &row_centered && !s->network.output.options);
  EXPECT(!s->network.layers.item && !s->network.weights);
  EXPECT(s->analyses.count == 1 && s->analyses.item[0].row == &row_summary);
  EXPECT_TEXT(s->analyses.item[0].label, "summary");
  EXPECT_TEXT(s->output.directory, "runs/x");
  destroy_config(&c);
}

static void check_layers(const ntk_choices *list) {
  EXPECT(list->count == 4 && list->item[0].row == &row_flatten && !list->item[0].options);
  const dense_options *dense = list->item[1].options;
  const activation_options *activation = list->item[2].options;
  const repeat_options *repeat = list->item[3].options;

  EXPECT(dense->features.factor == 4);
  EXPECT_TEXT(dense->features.name, "width");
  EXPECT_TEXT(dense->name, "stem");
  EXPECT(activation->function == &row_erf);
  EXPECT(repeat->times == 3 && repeat->layers.count == 3);
  dense = repeat->layers.item[0].options;
  EXPECT(dense->features.factor == 1 && strcmp(dense->features.name, "width") == 0);
  dense = repeat->layers.item[2].options;
  EXPECT(dense->features.factor == 10 && !dense->features.name && !dense->name);
}

static void check_analyses(const ntk_choices *list) {
  EXPECT(list->count == 4);
  EXPECT_TEXT(list->item[0].label, "first");
  EXPECT_TEXT(list->item[1].label, "dynamics");
  EXPECT_TEXT(list->item[2].label, "fine");
  EXPECT(list->item[2].mark.line == 34 && list->item[2].mark.column == 5);
  const dynamics_options *one = list->item[1].options, *two = list->item[2].options;
  const dimension_options *dimension = list->item[3].options;

  EXPECT(one->learning_rate.of && one->learning_rate.value == 0.5);
  EXPECT(one->times.kind == NTK_GRID_LINSPACE && one->times.first == 1 && one->times.last == 1e6);
  EXPECT(one->times.count == 3 && one->times.zero && !one->times.infinity);
  EXPECT(!two->learning_rate.of && two->learning_rate.value == 1e-3);
  EXPECT(two->times.kind == NTK_GRID_LIST && two->times.count == 3 && two->times.item[1] == 0.1);
  EXPECT(dimension->ridge.count == 3 && dimension->ridge.item[2] == 3);
}

static void check_full(void) {
  config c = {0};

  read_fine(full_config, &c);
  const settings *s = &c.settings;
  const idx_options *idx = s->data.source.options;
  const scaled_options *scaled = s->network.output.options;

  EXPECT(s->cutoff == 1e-12 && s->data.source.row == &row_idx);
  EXPECT_TEXT(s->name, "tabs\t, quotes \" and: colons # \xc3\xa4\xe2\x80\xa8");
  EXPECT_TEXT(idx->inputs, "/a/b c.gz");
  EXPECT_TEXT(idx->labels, "/base/l.gz");
  EXPECT(s->data.classes.count == 3 && s->data.classes.item[2] == 7);
  EXPECT(s->data.columns.count == 3 && strcmp(s->data.columns.item[1], "two words") == 0);
  EXPECT(s->data.train.count == 128 && s->data.train.balanced);
  EXPECT(s->network.kind == &row_erf && s->network.width == 128 && !s->network.biased);
  EXPECT(scaled->alpha == 0.30000000000000004);
  EXPECT(s->network.seed == INT64_MAX);
  check_layers(&s->network.layers);
  check_analyses(&s->analyses);
  destroy_config(&c);
}

/* Short forms, and forms that look odd but are meant. */
static void check_forms(void) {
  static const char *const fine[] = {
      "data: {source: gaussian}\nanalyses: summary\n",
      "data: {source: gaussian}\nanalyses: []\n",
      "data: {source: gaussian}\nnetwork: {output: {scaled: 0.5}}\n",
      "data: {source: gaussian}\nnetwork: {output: {as_is: {}}}\n",
      "data: {source: gaussian}\nnetwork: {}\n",
      "data: {source: gaussian}\nname: \"\"\n",
      "data: {source: gaussian}\nname: 12\n",
      "data: {source: gaussian, classes: 0..9}\n",
      "data: {source: gaussian}\nanalyses: [dynamics: {times: {geomspace: [auto, 1, 1]}}]\n",
      "data: {source: gaussian}\nnetwork: {kind: auto, layers: [dense: {features: 3}]}\n",
      "&d data: {source: gaussian}\nnetwork: {bias: {std: +2.}}\n"};

  for (size_t k = 0; k < sizeof(fine) / sizeof(fine[0]); ++k) {
    config c = {0};

    read_fine(fine[k], &c);
    destroy_config(&c);
  }
}

/* ---- refusals ----------------------------------------------------------------------------------
 */

typedef struct refusal {
  const char *yaml, *message; /* `data: {source: gaussian}` is put in front if there is no data */
  int line, column;
} refusal;

static const refusal refusals[] = {
    /* keys */
    {"network: {widht: 3}", "unknown key 'network.widht'; did you mean 'width'?", 1, 11},
    {"netwrok: {}", "unknown key 'netwrok'; did you mean 'network'?", 1, 1},
    {"width: 3", "unknown key 'width'; did you mean 'network.width'?", 1, 1},
    {"whatever: 3", "unknown key 'whatever'; the keys here are format, name, cutoff, data,", 1, 1},
    {"data: {source: gaussian, labels: x}", "key 'data.labels' belongs to source idx, not gaussian",
     1, 26},
    {"data: {source: gaussian, dimensoin: 1}",
     "unknown key 'data.dimensoin'; did you mean 'dimension'?", 1, 26},
    {"data: {source: idx}", "key 'data.inputs' is missing: images", 1, 7},
    {"data: {classes: all}", "key 'data.source' is missing: where samples come from", 1, 7},
    {"data: {source: gauss}", "data.source: unknown word 'gauss'; the words are gaussian, idx", 1,
     16},
    {"data: {source: gausian}", "data.source: unknown word 'gausian'; did you mean 'gaussian'?", 1,
     16},
    {"analyses: [dynamics: {lable: x}]",
     "unknown key 'analyses.dynamics.lable'; did you mean "
     "'label'?",
     1, 23},
    {"analyses: [summary: {x: 1}]", "unknown key 'analyses.summary.x'; the keys here are label", 1,
     22},
    {"network: {output: {as_is: {x: 1}}}",
     "unknown key 'network.output.as_is.x'; the keys here "
     "are none",
     1, 28},
    {"network: {layers: [repeat: {name: s, times: 1, layers: [dense: {featrues: 1}]}]}",
     "unknown key 'network.layers.s.layers.dense.featrues'; did you mean 'features'?", 1, 65},
    /* integers */
    {"network: {width: 2.5e2}", "network.width: '2.5e2' is not an integer; write 250", 1, 18},
    {"network: {width: 0256}", "network.width: '0256' starts with a zero", 1, 18},
    {"network: {width: 12abc}", "network.width: '12abc' is not an integer", 1, 18},
    {"network: {width: 99999999999999999999999}", "does not fit into 64 bits", 1, 18},
    {"network: {width: -9223372036854775808}", "does not fit into 64 bits", 1, 18},
    {"network: {width: nan}", "network.width: 'nan' is not finite", 1, 18},
    {"network: {width: 0}", "network.width: 0 is too small; the least is 1", 1, 18},
    {"network: {width: 1000001}", "1000001 is too large; the most is 1000000", 1, 18},
    {"network: {width: '3'}", "needs an integer; quotes make '3' a text, remove them", 1, 18},
    {"network: {width: auto}", "network.width: 'auto' is not an integer", 1, 18},
    {"network: {width: [3]}", "network.width: needs an integer, not a list", 1, 18},
    {"network: {width: {a: 3}}", "network.width: needs an integer, not a mapping", 1, 18},
    {"network:\n  width:\n", "network.width: has no value; write one, or remove the line", 2, 9},
    /* numbers */
    {"cutoff: 1e999", "cutoff: '1e999' does not fit into double precision", 1, 9},
    {"cutoff: .nan", "cutoff: '.nan' is not finite", 1, 9},
    {"cutoff: .inf", "cutoff: '.inf' is not finite", 1, 9},
    {"cutoff: 1.5", "cutoff: 1.5 is too large; the most is 1", 1, 9},
    {"cutoff: -1e-9", "cutoff: -1e-9 is too small; the least is 0", 1, 9},
    {"cutoff: 1e-3x", "cutoff: '1e-3x' is not a number", 1, 9},
    {"cutoff: \"0.1\"", "cutoff: needs a number; quotes", 1, 9},
    {"analyses: [dynamics: {learning_rate: {of_min: 1}}]", "needs a number or {of_max: number}", 1,
     38},
    {"analyses: [dynamics: {learning_rate: {of_max: x}}]",
     "analyses.dynamics.learning_rate.of_max: 'x' is not a number", 1, 47},
    /* truth values */
    {"data: {source: gaussian, train: {balanced: yes}}",
     "data.train.balanced: 'yes' is neither true nor false; write true", 1, 44},
    {"data: {source: gaussian, train: {balanced: Off}}", "write false", 1, 44},
    {"data: {source: gaussian, train: {balanced: maybe}}", "is neither true nor false", 1, 44},
    {"data: {source: gaussian, train: {balanced: 'true'}}", "quotes make 'true' a text", 1, 44},
    /* words and choices */
    {"network: {activation: rleu}", "network.activation: unknown word 'rleu'; did you mean 'relu'?",
     1, 23},
    {"network: {activation: sigmoid}", "the words are relu, erf, tanh", 1, 23},
    {"network: {kind: sigmoid}", "the words are relu, erf, tanh, auto", 1, 17},
    {"network: {activation: 'relu'}", "needs a word; quotes make 'relu' a text", 1, 23},
    {"network: {activation: {relu: {}}}", "needs a word, not a mapping", 1, 23},
    {"network: {output: scaled}", "key 'network.output.scaled.alpha' is missing: factor", 1, 19},
    {"network: {output: {scaled: {}}}", "key 'network.output.scaled.alpha' is missing", 1, 28},
    {"network: {output: {scaled: -1}}", "network.output.scaled.alpha: -1 is too small", 1, 28},
    {"network: {output: {sclaed: 1}}", "unknown word 'sclaed'; did you mean 'scaled'?", 1, 20},
    {"network: {output: {as_is: 1}}", "'as_is' takes no options", 1, 27},
    {"network: {output: [as_is]}", "needs a name, or {name: {options}}", 1, 19},
    {"network: {output: {}}", "needs a name, or {name: {options}}", 1, 19},
    {"network: {output: {as_is: {}, centered: {}}}",
     "needs one name: {options}; 'centered' is a second name beside 'as_is'", 1, 31},
    {"network:\n  output:\n    scaled:\n", "no options behind 'scaled:'", 3, 12},
    {"analyses:\n  - dynamics:\n    learning_rate: 1\n",
     "'learning_rate' is not below 'dynamics'; indent it further", 3, 5},
    {"analyses:\n  - dynamics: fast\n",
     "needs options behind 'dynamics:', as in {dynamics: "
     "{learning_rate: ...}}",
     2, 15},
    /* lists of choices */
    {"analyses: {summary: {}}", "analyses: needs a list: one '- name'", 1, 11},
    {"analyses:\n", "analyses: needs a list", 1, 10},
    {"analyses: [summary, dynamics, summary]",
     "'summary' is in the list already; remove it, or "
     "give one of them a label:",
     1, 31},
    {"analyses: [summary, dynamics: {label: summary}]", "'summary' is in the list already", 1, 21},
    {"analyses: [summary: {label: a/b}]", "a label is at most 63 of the characters", 1, 29},
    {"analyses: [summary: {label: ''}]", "a label is at most 63", 1, 29},
    {"analyses: [summary: {label: [x]}]", "a label is at most 63", 1, 29},
    /* sections */
    {"network: relu", "network: needs a mapping: lines of the form 'key: value' below it", 1, 10},
    {"network:\n", "network: needs a mapping", 1, 9},
    {"network: none", "network: needs a mapping", 1, 10},
    {"network: {bias: 1}", "network.bias: needs a mapping or none", 1, 17},
    {"data: {source: gaus, classes: [1]}", "unknown word 'gaus'", 1, 16}, /* then no check */
    {"data: {source: gaussian, classes: [1]}", "one class is no classification", 1, 35},
    /* lists */
    {"data: {source: gaussian, classes: 3}",
     "needs a list of integers, a..b or all, not '3'; a "
     "list of one is [3]",
     1, 35},
    {"data: {source: gaussian, classes: [1, 2.0]}",
     "data.classes: '2.0' is not an integer; write "
     "2",
     1, 39},
    {"data: {source: gaussian, classes: [1, -1]}", "data.classes: -1 is too small", 1, 39},
    {"data: {source: gaussian, classes: 9..0}", "the range 9..0 is empty", 1, 35},
    {"data: {source: gaussian, classes: -1..5}", "the range -1..5 leaves [0, 1000000000]", 1, 35},
    {"data: {source: gaussian, classes: 0..1000000}", "has more than 1000000 entries", 1, 35},
    {"data: {source: gaussian, classes: -9223372036854775807..9223372036854775807}",
     "has more than 1000000 entries", 1, 35},
    {"data: {source: gaussian, columns: price}",
     "data.columns: needs a list, not 'price'; a list "
     "of one is [price]",
     1, 35},
    {"data: {source: gaussian, columns: [[a]]}", "data.columns: needs a text, not a list", 1, 36},
    /* grids */
    {"analyses: [effective_dimension: {ridge: 1e-3}]", "not '1e-3'; a list of one is [1e-3]", 1,
     41},
    {"analyses: [effective_dimension: {ridge: []}]", "needs a list of numbers, {linspace", 1, 41},
    {"analyses: [effective_dimension: {ridge: [1, nan]}]", "ridge: 'nan' is not finite", 1, 45},
    {"analyses: [effective_dimension: {ridge: [1, -1]}]", "ridge: -1 is too small", 1, 45},
    {"analyses: [effective_dimension: {ridge: {}}]", "needs a list of numbers", 1, 41},
    {"analyses: [effective_dimension: {ridge: {linspace: [1, 2, 3], geomspace: [1, 2, 3]}}]",
     "needs a list of numbers", 1, 41},
    {"analyses: [effective_dimension: {ridge: {linspace: [1, 2]}}]",
     "ridge.linspace: needs three values: [first, last, number of points]", 1, 52},
    {"analyses: [effective_dimension: {ridge: {linspace: [1, 2, 0]}}]",
     "0 is too small; the least "
     "is 1",
     1, 59},
    {"analyses: [effective_dimension: {ridge: {linspace: [1, 2, 2.5]}}]", "'2.5' is not an integer",
     1, 59},
    {"analyses: [effective_dimension: {ridge: {geomspace: [0, 2, 3]}}]",
     "the ends of a geomspace are positive, 0 is not", 1, 54},
    {"analyses: [effective_dimension: {ridge: {geomspace: [auto, 2, 3]}}]",
     "'auto' is not a number", 1, 54},
    {"analyses: [effective_dimension: {ridge: {linspace: [1, 2, 3], zero: true}}]",
     "analyses.effective_dimension.ridge: unknown key 'zero'; write a list", 1, 63},
    {"analyses: [effective_dimension: {ridge: {geomspace: [1, 2, 3], lnspace: [1, 2, 3]}}]",
     "unknown key 'lnspace'; did you mean 'linspace'?", 1, 64},
    {"analyses: [dynamics: {times: {geomspace: [1, 2, 3], zero: 1}}]",
     "analyses.dynamics.times.zero: '1' is neither true nor false; write true", 1, 59},
    /* sizes */
    {"network: {layers: [dense: {features: width*4}]}", "'width*4' is not a size", 1, 38},
    {"network: {layers: [dense: {features: 0*width}]}", "'0*width' is not a size", 1, 38},
    {"network: {layers: [dense: {features: 4*}]}", "'4*' is not a size", 1, 38},
    {"network: {layers: [dense: {features: 1.5}]}", "'1.5' is not an integer", 1, 38},
    {"network: {layers: [dense: {features: 0}]}", "0 is too small", 1, 38},
    {"network: {layers: [dense: {features: [1]}]}",
     "needs an integer, a name or k*name, not a list", 1, 38},
    {"network: {layers: [dense]}", "key 'network.layers.dense.features' is missing", 1, 20},
    /* texts and paths */
    {"name: [a]", "name: needs a text, not a list", 1, 7},
    {"name:\n", "name: has no value", 1, 6},
    {"network: {weights: $NTK_TEST_ABSENT/x}",
     "the environment has no variable NTK_TEST_ABSENT; "
     "set it",
     1, 20},
    {"network: {weights: '${NTK'}", "'${' without a name and '}' behind it", 1, 20},
    {"network: {weights: ~you/x}", "'~name' is not expanded", 1, 20},
    {"network: {weights: ''}", "the path is empty", 1, 20},
    {"network: {weights: $NTK_TEST_BYTES}", "the path is too long, or not UTF-8", 1, 20},
    {"network: {weights: [x]}", "network.weights: needs a text, not a list", 1, 20},
};

static void expect_problem(const refusal *r, const ntk_problems *problems) {
  char place[64];

  (void)snprintf(place, sizeof(place), "c.yaml:%d:%d: error: ", r->line, r->column);
  if (problems->count != 1 || !strstr(problems->text.data, r->message) ||
      strncmp(problems->text.data, place, strlen(place)) != 0) {
    FAIL("%s: not just \"%s%s\" in \"%s\"", r->yaml, place, r->message,
         ntk_text_string(&problems->text));
  }
}

static void check_refusals(void) {
  char yaml[400];

  EXPECT(setenv("NTK_TEST_BYTES", "\xff", 1) == 0 && unsetenv("NTK_TEST_ABSENT") == 0);
  for (size_t k = 0; k < sizeof(refusals) / sizeof(refusals[0]); ++k) {
    const char *data =
        strncmp(refusals[k].yaml, "data:", 5) == 0 ? "" : "\ndata: {source: gaussian}\n";
    config c = {0};

    (void)snprintf(yaml, sizeof(yaml), "%s%s", refusals[k].yaml, data);
    EXPECT_OK(read_config(yaml, &c));
    expect_problem(&refusals[k], &c.problems);
    destroy_config(&c);
  }
}

/* One look at a whole list: several problems of one config, each once. */
static void check_all_at_once(void) {
  config c = {0};

  EXPECT_OK(
      read_config("data:\n"
                  "  source: idx\n"
                  "  dimension: 3\n"
                  "network:\n"
                  "  widht: 512\n"
                  "  depth: 2.5e2\n"
                  "  depth: 3\n"
                  "analyses: [sumary]\n",
                  &c));
  EXPECT(c.problems.count == 6);
  EXPECT_TEXT(c.problems.text.data,
              "c.yaml:2:3: error: key 'data.inputs' is missing: images\n"
              "    2 |   source: idx\n"
              "      |   ^\n"
              "c.yaml:3:3: error: key 'data.dimension' belongs to source gaussian, not idx\n"
              "    3 |   dimension: 3\n"
              "      |   ^\n"
              "c.yaml:5:3: error: unknown key 'network.widht'; did you mean 'width'?\n"
              "    5 |   widht: 512\n"
              "      |   ^\n"
              "c.yaml:6:10: error: network.depth: '2.5e2' is not an integer; write 250\n"
              "    6 |   depth: 2.5e2\n"
              "      |          ^\n"
              "c.yaml:7:3: error: key 'depth' is there already, in line 6; remove one of the two\n"
              "    7 |   depth: 3\n"
              "      |   ^\n"
              "c.yaml:8:12: error: analyses: unknown word 'sumary'; did you mean 'summary'?\n"
              "    8 | analyses: [sumary]\n"
              "      |            ^\n");
  destroy_config(&c);
}

/* ---- paths -------------------------------------------------------------------------------------
 */

typedef struct path_case {
  const char *written, *directory, *bound; /* bound NULL: below the working directory */
} path_case;

static const path_case paths[] = {
    {"x.h5", "/base", "/base/x.h5"},
    {"./x.h5", "/base/", "/base/x.h5"},
    {"../x.h5", "/base", "/base/../x.h5"},
    {"/abs/x", "/base", "/abs/x"},
    {"~/x", "/base", "/home/me/x"},
    {"$NTK_A/x", "/base", "/a b/x"},
    {"${NTK_A}x/$NTK_B", "/base", "/a bx/b"},
    {"$NTK_B/x", "/base", "/base/b/x"},
    {"a$/x", "/base", "/base/a$/x"},
    {"a~/x", "/base", "/base/a~/x"},
    {"x", "", NULL},
    {"x", "sub", NULL},
};

static void check_path(const path_case *p) {
  char yaml[200], here[4096], whole[4300];
  ntk_problems problems = {0};
  ntk_tree tree = {0};
  settings s = {0};

  (void)snprintf(yaml, sizeof(yaml), "{data: {source: gaussian}, network: {weights: '%s'}}",
                 p->written);
  EXPECT_OK(ntk_tree_parse("p", yaml, &tree, &problems));
  EXPECT_OK(
      ntk_option_bind(&root_section, tree.root, "", p->directory, &tree.arena, &s, &problems));
  EXPECT_OK(ntk_problems_status(&problems));
  EXPECT(getcwd(here, sizeof(here)));
  (void)snprintf(whole, sizeof(whole), "%s/%s%s%s", here, p->directory, *p->directory ? "/" : "",
                 p->written);
  EXPECT_TEXT(s.network.weights, p->bound ? p->bound : whole);
  ntk_tree_destroy(&tree);
}

static void check_paths(void) {
  EXPECT(setenv("HOME", "/home/me", 1) == 0 && setenv("NTK_A", "/a b", 1) == 0 &&
         setenv("NTK_B", "b", 1) == 0);
  for (size_t k = 0; k < sizeof(paths) / sizeof(paths[0]); ++k) check_path(&paths[k]);
}

/* ---- grids -------------------------------------------------------------------------------------
 */

static void expect_points(const ntk_grid_spec *spec, const double *wanted) {
  double points[8];

  ntk_grid_spec_points(spec, 2, 32, points);
  EXPECT(points[0] == wanted[0] && points[spec->count - 1] == wanted[spec->count - 1]);
  for (int64_t k = 0; k < spec->count; ++k) {
    EXPECT_NEAR(points[k], wanted[k], 4e-16 * fabs(wanted[k]));
  }
}

/* numpy 1.24: linspace(0, 1, 4), linspace(5, 1, 3), geomspace(1e-3, 1e6, 5), geomspace(3, 3, 2) */
static void check_points(void) {
  double list[] = {3, 1, 2};

  expect_points(&(ntk_grid_spec){.kind = NTK_GRID_LIST, .count = 3, .item = list}, list);
  expect_points(&(ntk_grid_spec){.kind = NTK_GRID_LINSPACE, .count = 4, .first = 0, .last = 1},
                (const double[]){0, 0.3333333333333333, 0.6666666666666666, 1});
  expect_points(&(ntk_grid_spec){.kind = NTK_GRID_LINSPACE, .count = 3, .first = 5, .last = 1},
                (const double[]){5, 3, 1});
  expect_points(
      &(ntk_grid_spec){.kind = NTK_GRID_GEOMSPACE, .count = 5, .first = 1e-3, .last = 1e6},
      (const double[]){0.001, 0.1778279410038923, 31.622776601683796, 5623.41325190349, 1e6});
  expect_points(&(ntk_grid_spec){.kind = NTK_GRID_GEOMSPACE, .count = 2, .first = 3, .last = 3},
                (const double[]){3, 3});
  expect_points(&(ntk_grid_spec){.kind = NTK_GRID_GEOMSPACE, .count = 1, .first = 7, .last = 9},
                (const double[]){7});
  expect_points(&(ntk_grid_spec){.kind = NTK_GRID_GEOMSPACE, .count = 5, .first = NAN, .last = NAN},
                (const double[]){2, 4, 8, 16, 32});
}

static ntk_status bind_full(void *context) {
  config c = {0};
  ntk_status status = read_config(context, &c);

  if (status == NTK_OK) status = ntk_problems_status(&c.problems);
  destroy_config(&c);
  return status;
}

int main(int argc, char **argv) {
  char copy[sizeof(full_config)];

  begin_test(&argc, &argv);
  check_defaults();
  check_full();
  check_forms();
  check_refusals();
  check_all_at_once();
  check_paths();
  check_points();
  memcpy(copy, full_config, sizeof(copy));
  EXPECT(sweep_faults(bind_full, copy) > 0);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
