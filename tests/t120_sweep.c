/* Sweeps: the product of the axes in row-major order, several keys as one axis, points left out,
 * values of every form in every kind of place, and every refusal with its place; what is wrong
 * with a path is said once, at the axis, however many points there are. */
//TEST ranks=1
#include "config_schema.h"

#define DATA "data: {source: gaussian}\n"

static void read_sweep(const char *yaml, ntk_tree *tree, ntk_sweep *sweep, ntk_problems *problems) {
  *tree = (ntk_tree){0};
  *problems = (ntk_problems){0};
  EXPECT_OK(ntk_tree_parse("c.yaml", yaml, tree, problems));
  EXPECT_OK(ntk_problems_status(problems));
  EXPECT_OK(ntk_sweep_read(tree, sweep, problems));
}

/* ---- order and names ---------------------------------------------------------------------------
 */

static void check_order(void) {
  static const char yaml[] = DATA
      "sweep:\n"
      "  network.width: [64, 128, 256]\n"
      "  network.activation: [relu, erf]\n"
      "  network.seed: 0..2\n";
  static const int64_t widths[] = {64, 128, 256};
  ntk_tree tree;
  ntk_sweep sweep;
  ntk_problems problems;
  int64_t point = 0;

  read_sweep(yaml, &tree, &sweep, &problems);
  EXPECT_OK(ntk_problems_status(&problems));
  EXPECT(sweep.axis_count == 3 && sweep.point_count == 18);
  EXPECT_TEXT(sweep.axis[0].path, "network.width");
  EXPECT_TEXT(sweep.axis[0].name, "width");
  EXPECT(sweep.axis[1].mark.line == 4 && sweep.axis[1].mark.column == 3);
  for (int64_t i = 0; i < 3; ++i) {
    for (int64_t j = 0; j < 2; ++j) {
      for (int64_t k = 0; k < 3; ++k, ++point) {
        config c = {0};
        ntk_node *root = NULL;

        EXPECT(ntk_sweep_index(&sweep, point, 0) == i && ntk_sweep_index(&sweep, point, 1) == j &&
               ntk_sweep_index(&sweep, point, 2) == k);
        EXPECT_OK(ntk_sweep_point(&tree, &sweep, point, &c.arena, &root, &problems));
        EXPECT(!ntk_node_find(root, "sweep") && ntk_node_find(tree.root, "sweep"));
        EXPECT_OK(bind_config(&c, root));
        EXPECT_OK(ntk_problems_status(&c.problems));
        EXPECT(c.settings.network.width == widths[i] && c.settings.network.seed == k);
        EXPECT(c.settings.network.activation == (j ? &row_erf : &row_relu));
        destroy_config(&c);
      }
    }
  }
  ntk_tree_destroy(&tree);
}

static void check_none(void) {
  ntk_tree tree;
  ntk_sweep sweep;
  ntk_problems problems;
  ntk_node *root = NULL;

  read_sweep(DATA, &tree, &sweep, &problems);
  EXPECT(sweep.axis_count == 0 && sweep.point_count == 1);
  EXPECT_OK(ntk_sweep_point(&tree, &sweep, 0, &tree.arena, &root, &problems));
  EXPECT(root != tree.root && ntk_node_at(root, "data.source"));
  ntk_tree_destroy(&tree);
  read_sweep(DATA "sweep: {}\n", &tree, &sweep, &problems);
  EXPECT(sweep.axis_count == 0 && sweep.point_count == 1 && problems.count == 0);
  ntk_tree_destroy(&tree);
}

static void check_names(void) {
  ntk_tree tree;
  ntk_sweep sweep;
  ntk_problems problems;

  read_sweep(DATA "sweep: {network.seed: 0..1, data.seed: 0..1, network.width: [1], cutoff: [0]}\n",
             &tree, &sweep, &problems);
  EXPECT_TEXT(sweep.axis[0].name, "network_seed");
  EXPECT_TEXT(sweep.axis[1].name, "data_seed");
  EXPECT_TEXT(sweep.axis[2].name, "width");
  EXPECT_TEXT(sweep.axis[3].name, "cutoff");
  ntk_tree_destroy(&tree);
}

/* ---- forms of values ---------------------------------------------------------------------------
 */

typedef struct form_case {
  const char *value;
  int64_t count, k;
  const char *label; /* of value k */
  double number;     /* NaN: a word */
} form_case;

static const form_case forms[] = {
    {"[64, 128]", 2, 1, "128", 128},
    {"[1e-8, 0.10]", 2, 1, "0.10", 0.1},
    {"[he_normal, 'x y']", 2, 1, "x y", NAN},
    {"['1', 1]", 2, 0, "1", NAN},
    {"[{scaled: {alpha: 1e-3}}, as_is]", 2, 0, "{scaled: {alpha: 1e-3}}", NAN},
    {"[[0, 1], [2, 3]]", 2, 1, "[2, 3]", NAN},
    {"0..9", 10, 9, "9", 9},
    {"-2..-1", 2, 0, "-2", -2},
    {"{linspace: [64, 256, 4]}", 4, 1, "128", 128},
    {"{geomspace: [1e-8, 1, 3]}", 3, 1, "0.0001", 1e-4},
    {"{geomspace: [1e-8, 1, 1]}", 1, 0, "1.0e-08", 1e-8},
    {"{geomspace: [64, 1024, 5]}", 5, 3, "512", 512},
    {"{geomspace: [1, 1000, 4]}", 4, 2, "100", 100},
    {"{geomspace: [1000, 1, 4]}", 4, 1, "100", 100},
    {"{geomspace: [1e-3, 1, 4]}", 4, 1, "0.01", 0.01},
    {"{linspace: [2, -2, 5]}", 5, 4, "-2", -2},
    {"{linspace: [0, 1, 4]}", 4, 1, "0.3333333333333333", 1.0 / 3},
    {"[a/w0.h5, a/w90.h5]", 2, 1, "w90.h5", NAN},
    {"[a/w.h5, b/w.h5]", 2, 1, "b/w.h5", NAN},
    {"[/x/a/w.h5, /y/a/w.h5, /y/b/w.h5]", 3, 1, "y/a/w.h5", NAN},
    {"[w.h5, a/w.h5]", 2, 1, "a/w.h5", NAN},
    {"[/w.h5, w.h5]", 2, 0, "/w.h5", NAN},
    {"[runs/a/, runs/b/]", 2, 1, "b/", NAN},
    {"[a/b, [1]]", 2, 0, "a/b", NAN},
};

static void check_forms(void) {
  for (size_t n = 0; n < sizeof(forms) / sizeof(forms[0]); ++n) {
    const form_case *f = &forms[n];
    char yaml[200];
    ntk_tree tree;
    ntk_sweep sweep;
    ntk_problems problems;
    ntk_text label = {0};
    double number = NAN;

    (void)snprintf(yaml, sizeof(yaml), "sweep:\n  a.b: %s\n", f->value);
    read_sweep(yaml, &tree, &sweep, &problems);
    EXPECT_OK(ntk_problems_status(&problems));
    EXPECT(sweep.axis_count == 1 && sweep.axis[0].count == f->count);
    EXPECT_OK(ntk_axis_label(&sweep.axis[0], f->k, &label));
    EXPECT_TEXT(label.data, f->label);
    EXPECT(ntk_axis_number(&sweep.axis[0], f->k, &number) == !isnan(f->number));
    EXPECT(isnan(f->number) || number == f->number);
    ntk_text_destroy(&label);
    ntk_tree_destroy(&tree);
  }
}

/* ---- places ------------------------------------------------------------------------------------
 */

/* Every kind of place that an axis may put its value in: the last point is bound and printed. */
typedef struct place_case {
  const char *yaml, *printed;
} place_case;

static const place_case places[] = {
    {DATA "sweep: {cutoff: [1]}\n", "cutoff: 1\n"},
    {DATA "sweep: {network.bias.std: [2]}\n", "    std: 2\n"},
    {DATA "network: {bias: none}\nsweep: {network.bias.std: [2]}\n", "    std: 2\n"},
    {DATA "sweep: {network.bias: [{std: 3}, none]}\n", "  bias: none\n"},
    {DATA "sweep: {network.output: [as_is, {scaled: 7}]}\n", "    scaled:\n      alpha: 7\n"},
    {DATA "sweep: {network.output.scaled.alpha: [7]}\n", "    scaled:\n      alpha: 7\n"},
    {DATA "sweep: {data.source: [gaussian], data.dimension: [9]}\n", "  dimension: 9\n"},
    {"data: {inputs: x}\nsweep: {data.source: [idx]}\n", "  source: idx\n"},
    {DATA "sweep: {data.classes: [[0, 1], [5, 7]]}\n", "  classes: [5, 7]\n"},
    {DATA "analyses: [dynamics]\nsweep: {analyses.dynamics.learning_rate: [2, 3]}\n",
     "      learning_rate: 3\n"},
    {DATA "analyses: [dynamics: {label: x}]\nsweep: {analyses.x.learning_rate: [{of_max: 0.5}]}\n",
     "      learning_rate: {of_max: 0.5}\n"},
    {DATA "network: {layers: [flatten, dense: {features: 3, name: last}]}\n"
          "sweep: {network.layers.last.features: [4, 2*width]}\n",
     "        features: 2*width\n"},
    {DATA "network: {layers: [repeat: {name: r, times: 1, layers: [dense: {features: 3}]}]}\n"
          "sweep: {network.layers.r.layers.dense.features: [4]}\n",
     "              features: 4\n"},
    {DATA
     "network: {layers: [activation: relu]}\nsweep: {network.layers.activation: [relu, erf]}\n",
     "        function: erf\n"},
    {DATA
     "network: {layers: [activation: relu]}\nsweep: {network.layers.activation0: [relu, erf]}\n",
     "        function: erf\n"},
    {DATA "sweep: {zip: {x: {network.width: [3, 4], network.bias.std: [5, 6]}}}\n",
     "  width: 4\n  activation: relu\n  bias:\n    scale: 0.1\n    std: 6\n"},
    {DATA "network: {layers: [repeat: {name: stage, times: 1, layers: [flatten]}]}\n"
          "sweep: {zip: {x: {network.width: [3], network.layers.stage.times: [8]}}}\n",
     "        times: 8\n"},
    {DATA "sweep: {network.weights: [epoch0.h5, epoch90.h5]}\n", "  weights: /base/epoch90.h5\n"},
    {DATA "analyses: [effective_dimension: {label: fine}]\n"
          "sweep: {analyses.fine.ridge: [[1], {geomspace: [1, 100, 3]}]}\n",
     "      ridge: {geomspace: [1, 100, 3]}\n"},
    {DATA "sweep: {data.columns: [[a], [b, c]]}\n", "  columns: [b, c]\n"},
    {NULL, NULL},
};

static void check_places(void) {
  for (const place_case *p = places; p->printed; ++p) {
    config c = {0};
    ntk_text text = {0};

    EXPECT_OK(read_config(p->yaml, &c));
    if (c.problems.count) FAIL("%s%s", p->yaml, c.problems.text.data);
    EXPECT_OK(ntk_option_print(&root_section, &c.settings, 0, &text));
    if (!strstr(text.data, p->printed)) FAIL("%sno \"%s\" in\n%s", p->yaml, p->printed, text.data);
    ntk_text_destroy(&text);
    destroy_config(&c);
  }
}

/* ---- refusals ----------------------------------------------------------------------------------
 */

typedef struct refusal {
  const char *sweep, *message; /* in line 2, behind DATA */
  int column;
} refusal;

static const refusal refusals[] = {
    {"sweep: [1]", "sweep: needs a mapping of at most 100 paths", 8},
    {"sweep: relu", "sweep: needs a mapping", 8},
    {"sweep:", "sweep: needs a mapping", 7},
    {"sweep: {network.width: []}", "sweep.network.width: no values; write some, or remove", 24},
    {"sweep: {network.width: 64}",
     "sweep.network.width: needs a list, a..b, {linspace: [a, b, k]} "
     "or {geomspace: [a, b, k]}; a single value belongs outside of `sweep`",
     24},
    {"sweep: {network.width: }", "needs a list", 24},
    {"sweep: {network.width: '0..2'}", "needs a list", 24},
    {"sweep: {network.width: 5..1}",
     "sweep.network.width: the range 5..1 is empty; write the smaller end first", 24},

    {"sweep: {network.width: 0..1000000}", "more than 1000000 values", 24},
    {"sweep: {network.width: [1, ]}", NULL, 0},
    {"sweep: {network.width: [1, 2, 1]}", "sweep.network.width: the value 1 is there twice", 31},
    {"sweep: {cutoff: [1, 1.0]}", "the value 1 is there twice", 21},
    {"sweep: {cutoff: [0, -0.0]}", "the value 0 is there twice", 21},
    {"sweep: {network.activation: [relu, erf, relu]}", "the value relu is there twice", 41},
    {"sweep: {network.bias: [{std: 1}, {std: 1}]}", "the value {std: 1} is there twice", 34},
    {"sweep: {cutoff: {linspace: [1, 1, 2]}}", "the value 1 is there twice", 17},
    {"sweep: {cutoff: {linspace: [1, 2]}}", "sweep.cutoff.linspace: needs three values", 28},
    {"sweep: {cutoff: {geomspace: [0, 1, 2]}}", "ends of a geomspace are positive", 30},
    {"sweep: {cutoff: {linspace: [auto, 1, 2]}}", "'auto' is not a number", 29},
    {"sweep: {cutoff: {linspace: [0, 1, 2], zero: true}}", "unknown key 'zero'", 39},
    {"sweep: {cutoff: {a: 1}}", "sweep.cutoff: an axis is written as one path, 'cutoff.a: [", 18},
    {"sweep: {output.directory: [a, b]}",
     "'output.directory' cannot be swept: 'output' is the same "
     "for all points",
     9},
    {"sweep: {run.grid: [a, b]}", "'run.grid' cannot be swept", 9},
    {"sweep: {output: [a, b]}", "'output' cannot be swept", 9},
    {"sweep: {sweep: [a, b]}", "'sweep' cannot be swept", 9},
    {"sweep: {format: [1]}", "'format' cannot be swept", 9},
    {"sweep: {name: [a, b]}", "'name' cannot be swept", 9},
    {"sweep: {relative_to: [a, b]}", "'relative_to' cannot be swept", 9},
    {"sweep: {run.group_ranks: [1, 2]}", "'run.group_ranks' cannot be swept: 'run' is the same", 9},
    {"sweep: {network..width: [1]}", "'network..width' is no path", 9},
    {"sweep: {.network: [1]}", "'.network' is no path", 9},
    {"sweep: {network.: [1]}", "'network.' is no path", 9},
    {"sweep: {network.bias: [none], network.bias.std: [1, 2]}",
     "'network.bias.std' lies inside 'network.bias', which is an axis too", 31},
    {"sweep: {network.seed: 0..999, network.width: 1..1001}",
     "a sweep of 1001000 points; at most "
     "1000000 are possible",
     8},
    {"sweep: {a: 1..10000, b: 1..10000, c: 1..10000, d: 1..10000, e: 1..10000, f: 1..10000}",
     "a sweep of 1.0e+24 points", 8},
    /* found when points are bound */
    {"sweep: {network.widht: [1, 2, 3]}", "unknown key 'network.widht'; did you mean 'width'?", 9},
    {"sweep: {network.width: [1, 0, 2]}", "network.width: 0 is too small; the least is 1", 28},
    {"sweep: {network.activation: [relu, rleu]}", "unknown word 'rleu'; did you mean 'relu'?", 36},
    {"sweep: {data.classes: [0, all]}",
     "data.classes: needs a list of integers, a..b or all, not '0'; a list of one is [0]", 24},
    {"sweep: {network.width: [4, wide]}", "network.width: 'wide' is not an integer", 28},
    {"sweep: {network.width: {geomspace: [1, 10, 3]}}",
     "network.width: '3.1622776601683795' is not", 24},
    {"sweep: {network.width.x: [1, 2]}", "network.width: needs an integer, not a mapping", 9},
    {"sweep: {network: {width: [1, 2]}}",
     "sweep.network: an axis is written as one path, 'network.width: [...]'", 19},
    {"sweep: {network.width: {geomspcae: [1, 2, 3]}}", "sweep.network.width: needs a list of", 24},
    {"sweep: {name.x: [1, 2]}", "'name.x' cannot be swept", 9},
    {"sweep: {network.width: [1, 2]}\nnetwork: 3",
     "network: needs a mapping: lines of the form 'key: value' below it, also where a sweep", 10},
    {"sweep: {network.bias.std: [1, 2]}\nnetwork: {bias: 7}",
     "network.bias: needs a mapping or none: lines of the form 'key: value' below it, also", 17},
    {"sweep: {network.bias.std: [1, 2]}\nnetwork: {bias: none}", NULL, 0},
    {"sweep: {network.output.scaled.alpha: [1, 2]}\nnetwork: {output: as_is}", NULL, 0},
    {"sweep: {network.output.scaled.alpha: [1, 2]}\nnetwork: {output: sclaed}",
     "network.output: unknown word 'sclaed'; did you mean 'scaled'?", 19},
    {"sweep: {network.layers.activation.label: [a, b]}\nnetwork: {layers: [activation: relu]}",
     NULL, 0}, /* the short form stays, without which the function is missing */
    {"sweep: {analyses.dynamics.learning_rate: [1, 2]}\nanalyses: [dynamics: 3]",
     "analyses.dynamics: 'dynamics' needs its options by their names, not '3'", 22},
    {"sweep: {analyses.dynamics.learning_rate: [1, 2]}", "analyses: needs a list", 9},
    {"analyses: [summary]\nsweep: {analyses.dynamics.learning_rate: [1, 2]}",
     "'analyses.dynamics.learning_rate': the list has no item 'dynamics', only 'summary'", 9},
    {"analyses: [dynamics: {label: fine}]\nsweep: {analyses.fien.learning_rate: [1, 2]}",
     "'analyses.fien.learning_rate': the list has no item 'fien'; did you mean 'fine'?", 9},
    {"network: {layers: [dense: {name: stem, features: 3}]}\n"
     "sweep: {network.layers.stme.features: [1, 2]}",
     "'network.layers.stme.features': the list has no item 'stme'; did you mean 'stem'?", 9},
    {"network: {layers: [flatten, dense: {features: 3}]}\nsweep: {network.layers.dense.features: [1],"
     " network.layers.dense0.features: [2]}",
     "'network.layers.dense.features' is an axis already, in line 3; remove one", 45},
    {"network: {layers: [flatten, dense: {features: 3}]}\nsweep: {network.layers.dense0.features: [1],"
     " skip: [{network.layers.dense.features: 2}]}",
     "the axis has no value 2; its values are 1", 85},
    {"network: {layers: [flatten, flatten]}\nsweep: {network.layers.flatten.x: [1, 2]}",
     "several items of the list are called 'flatten'; give each a label or name", 9},
    {"sweep: {network.layers.dense0.features: [1, 2]}",
     "kind: mlp has no layers to address, so write the list that 'ntkrun check --expand' prints", 9},
    {"sweep: {data.labels: [a, b]}", "key 'data.labels' belongs to source idx, not gaussian", 9},
    /* zip */
    {"sweep: {zip: [a, b, c]}", "sweep.zip: needs keys and their values, as in shape: {label", 14},
    {"sweep: {zip: {x: [1, 2]}}", "sweep.zip.x: needs keys and their values", 18},
    {"sweep: {zip: {x: {}}}", "sweep.zip.x: needs keys and their values", 18},
    {"sweep: {zip: {x: {label: [a]}}}", "sweep.zip.x: only labels; add keys and their values", 18},
    {"sweep: {zip: {2x: {network.width: [1]}}}", "'2x' cannot be the name of an axis", 15},
    {"sweep: {zip: {a-b: {network.width: [1]}}}", "'a-b' cannot be the name of an axis", 15},
    {"sweep: {zip: {status: {network.width: [1]}}}", "'status' cannot be the name", 15},
    {"sweep: {zip: {x: {network.width: [1, 2], network.depth: 1..3}}}",
     "sweep.zip.x: 'network.depth' has 3 values, 'network.width' has 2; keys of one axis have "
     "lists "
     "of one length",
     57},
    {"sweep: {zip: {x: {network.width: [1, 2], network.depth: [3]}}}",
     "sweep.zip.x: 'network.depth' has 1 value, 'network.width' has 2", 57},
    {"sweep: {zip: {x: {network.width: [], network.depth: [1]}}}",
     "sweep.zip.x.network.width: no values", 34},
    {"sweep: {zip: {x: {network.width: 3}}}", "sweep.zip.x.network.width: needs a list", 34},
    {"sweep: {zip: {x: {label: [a], network.width: [1, 2]}}}",
     "sweep.zip.x.label: 1 label, but the keys have 2 values each", 26},
    {"sweep: {zip: {x: {label: a, network.width: [1]}}}", "sweep.zip.x.label: needs a list", 26},
    {"sweep: {zip: {x: {label: [[a]], network.width: [1]}}}", "a label is a word or a number", 27},
    {"sweep: {zip: {x: {label: [a, a], network.width: [1, 2]}}}",
     "sweep.zip.x.label: the value a is there twice", 30},
    {"sweep: {zip: {x: {network.width: [1, 2, 1], network.depth: [3, 4, 3]}}}",
     "sweep.zip.x: the value 1; 3 is there twice", 41},
    {"sweep: {network.width: [1], zip: {x: {network.width: [1], network.depth: [1]}}}",
     "'network.width' is an axis already, in line 2; remove one", 39},
    {"sweep: {zip: {x: {network.width: [1]}, y: {network.width: [1]}}}",
     "'network.width' is an axis already", 44},
    {"sweep: {zip: {x: {network.bias: [none], network.bias.std: [1]}}}",
     "'network.bias.std' lies inside 'network.bias', which is an axis too", 41},
    {"sweep: {zip: {network_seed: {network.seed: [1], data.seed: [2]}}}",
     "'network_seed' is what 'network.seed' will be called; choose another name", 15},
    {"sweep: {zip: {x: {output.directory: [a, b]}}}", "'output.directory' cannot be swept", 19},
    {"sweep: {zip: {x: {network.widht: [1, 2]}}}", "unknown key 'network.widht'; did you mean", 19},
    {"sweep: {zip: {x: {network.width: [1, 0]}}}", "network.width: 0 is too small", 38},
    /* skip */
    {"sweep: {skip: []}", NULL, 0},
    {"sweep: {network.width: [1, 2], skip: {width: 1}}", "sweep.skip: needs a list of points", 38},
    {"sweep: {network.width: [1, 2], skip: [1]}", "sweep.skip: needs axes and their values", 39},
    {"sweep: {network.width: [1, 2], skip: [{}]}", "sweep.skip: needs axes and their values", 39},
    {"sweep: {network.width: [1, 2], skip: [{widht: 1}]}",
     "sweep.skip: 'widht' is no axis; did you mean 'width'?", 40},
    {"sweep: {network.width: [1, 2], skip: [{network.widht: 1}]}",
     "sweep.skip: 'network.widht' is no axis; did you mean 'network.width'?", 40},
    {"sweep: {network.width: [1, 2], network.seed: 0..1, skip: [{colour: 1}]}",
     "sweep.skip: 'colour' is no axis; the axes are network.width, network.seed", 60},
    {"sweep: {skip: [{width: 1}]}", "sweep.skip: 'width' is no axis; the axes are none", 17},
    {"sweep: {network.width: [1, 2], skip: [{width: 3}]}",
     "sweep.skip.width: the axis has no value 3; its values are 1, 2", 47},
    {"sweep: {network.width: [1, 2], skip: [{width: [1, 3]}]}",
     "sweep.skip.width: the axis has no value 3; its values are 1, 2", 51},
    {"sweep: {network.width: [1, 2], skip: [{width: 2..3}]}", "the axis has no value 3", 47},
    {"sweep: {network.activation: [relu, erf], skip: [{activation: rleu}]}",
     "sweep.skip.activation: the axis has no value rleu; did you mean 'relu'?", 62},
    {"sweep: {zip: {x: {label: [a, b], network.width: [1, 2]}}, skip: [{x: 1}]}",
     "the axis has no value 1; its values are a, b", 70},
    {"sweep: {zip: {x: {label: [a, b], network.width: [1, 2]}}, skip: [{x: a, network.width: 2}]}",
     "sweep.skip: no point has all of this; correct it, or remove it", 66},
    {"sweep: {network.width: [1, 2], skip: [{width: 1}, {width: 2}]}",
     "sweep.skip: every point is skipped; leave some", 38},
    {"sweep:\n  network.width: [1, &a ]", "an empty value", 22},
};

static void check_refusals(void) {
  for (size_t k = 0; k < sizeof(refusals) / sizeof(refusals[0]); ++k) {
    const refusal *r = &refusals[k];
    char yaml[400], place[64];
    config c = {0};

    (void)snprintf(yaml, sizeof(yaml), DATA "%s\n", r->sweep);
    (void)snprintf(place, sizeof(place), "c.yaml:%d:%d: error: ", strchr(r->sweep, '\n') ? 3 : 2,
                   r->column);
    EXPECT_OK(read_config(yaml, &c));
    const char *got = ntk_text_string(&c.problems.text);

    if (!r->message) {
      if (c.problems.count) FAIL("%s: %s", r->sweep, got);
    } else if (c.problems.count != 1 || !strstr(got, r->message) ||
               strncmp(got, place, strlen(place)) != 0) {
      FAIL("%s: not just \"%s%s\" in \"%s\"", r->sweep, place, r->message, got);
    }
    destroy_config(&c);
  }
}

/* ---- several keys as one axis, points left out -------------------------------------------------
 */

static const char zipped[] = DATA
    "sweep:\n"
    "  network.seed: 0..2\n"
    "  zip:\n"
    "    shape: {label: [wide, deep], network.width: [256, 16], network.depth: [1, 8]}\n"
    "    seed: {network.weights: [x/a.h5, x/b.h5], data.train.count: [3, 4]}\n"
    "  cutoff: [0, 1]\n"
    "  skip:\n"
    "    - {network.seed: 2, shape: deep}\n"
    "    - {shape: wide, cutoff: 1.0, network_seed: [0, 1]}\n"
    "    - {network.weights: b.h5, network.depth: 8, cutoff: 0}\n";

static bool is_left_out(int64_t seed, int64_t shape, int64_t weights, int64_t cutoff) {
  return (seed == 2 && shape == 1) || (shape == 0 && cutoff == 1 && seed < 2) ||
         (weights == 1 && shape == 1 && cutoff == 0);
}

static void expect_label(const ntk_axis *axis, int64_t key, int64_t k, const char *wanted) {
  ntk_text label = {0};

  EXPECT_OK(key < 0 ? ntk_axis_label(axis, k, &label)
                    : ntk_axis_key_label(&axis->key[key], k, &label));
  EXPECT_TEXT(label.data, wanted);
  ntk_text_destroy(&label);
}

static void check_zip(void) {
  ntk_tree tree;
  ntk_sweep sweep;
  ntk_problems problems;

  read_sweep(zipped, &tree, &sweep, &problems);
  EXPECT_OK(ntk_problems_status(&problems));
  EXPECT(sweep.axis_count == 4 && sweep.point_count == 24 && sweep.skip_count == 3);
  EXPECT_TEXT(sweep.axis[0].name, "network_seed"); /* a zip has the name of its last component */
  EXPECT_TEXT(sweep.axis[1].name, "shape");
  EXPECT_TEXT(sweep.axis[1].path, "zip.shape");
  EXPECT(sweep.axis[1].zipped && sweep.axis[1].key_count == 2 && !sweep.axis[0].zipped);
  EXPECT_TEXT(sweep.axis[1].key[1].path, "network.depth");
  EXPECT_TEXT(sweep.axis[1].key[1].name, "depth");
  expect_label(&sweep.axis[1], -1, 1, "deep");
  expect_label(&sweep.axis[1], 0, 1, "16");
  expect_label(&sweep.axis[2], -1, 1, "1"); /* no labels: positions */
  expect_label(&sweep.axis[2], 0, 1, "b.h5");
  for (int64_t p = 0; p < sweep.point_count; ++p) {
    config c = {0};
    ntk_node *root = NULL;
    const int64_t seed = p / 8, shape = p / 4 % 2, weights = p / 2 % 2, cutoff = p % 2;

    EXPECT(ntk_sweep_skips(&sweep, p) == is_left_out(seed, shape, weights, cutoff));
    EXPECT_OK(ntk_sweep_point(&tree, &sweep, p, &c.arena, &root, &problems));
    EXPECT_OK(bind_config(&c, root));
    EXPECT_OK(ntk_problems_status(&c.problems));
    EXPECT(c.settings.network.width == (shape ? 16 : 256));
    EXPECT(c.settings.network.depth == (shape ? 8 : 1) && c.settings.network.seed == seed);
    EXPECT_TEXT(c.settings.network.weights, weights ? "/base/x/b.h5" : "/base/x/a.h5");
    EXPECT(c.settings.data.train.count == 3 + weights);
    destroy_config(&c);
  }
  ntk_tree_destroy(&tree);
}

/* With a faulty sweep the rest of the config is looked at all the same. */
static void check_all_at_once(void) {
  config c = {0};

  EXPECT_OK(
      read_config(DATA "network: {widht: 3}\nsweep: {network.depth: [], output.x: 1..2}\n", &c));
  EXPECT(c.problems.count == 3 && c.sweep.point_count == 1);
  EXPECT(strstr(c.problems.text.data, "unknown key 'network.widht'"));
  destroy_config(&c);
  EXPECT_OK(read_config(DATA "sweep:\n"
                             "  network.depth: 3..1\n"
                             "  zip: {x: {a: [1], b: [1, 2]}, y: {label: [a]}, seconds: {c: [1]}}\n"
                             "  name: [a, b]\n",
                        &c));
  if (c.problems.count != 5) FAIL("%s", c.problems.text.data);
  destroy_config(&c);
  EXPECT_OK(read_config(DATA
                        "network: {layers: [dense: {name: stem, features: 3}]}\n"
                        "sweep:\n"
                        "  network.widht: [1, 2]\n"
                        "  zip: {x: {label: [a], network.seed: 0..1, network.depth: [1, 2, 3]}}\n"
                        "  network.activation: [relu, rleu]\n"
                        "  network.layers.stme.features: [4]\n"
                        "  skip: [{colour: 1}]\n",
                        &c)); /* the path, both lists, the word, the name of the layer */
  if (c.problems.count != 5) FAIL("%s", c.problems.text.data);
  EXPECT(c.sweep.axis_count == 3 && c.sweep.skip_count == 0);
  destroy_config(&c);
}

/* ---- many points -------------------------------------------------------------------------------
 */

static void check_many_points(void) {
  static const char yaml[] = DATA
      "network: {bias: {std: 0.5}}\n"
      "analyses: [summary, dynamics, effective_dimension: {ridge: [1, 2]}]\n"
      "sweep: {network.width: 1..100, network.seed: 0..99}\n";
  ntk_tree tree;
  ntk_sweep sweep;
  ntk_problems problems;
  int64_t sum = 0;

  read_sweep(yaml, &tree, &sweep, &problems);
  EXPECT(sweep.point_count == 10000);
  for (int64_t point = 0; point < sweep.point_count; ++point) {
    ntk_arena arena = {0};
    ntk_node *root = NULL;
    settings s = {0};

    EXPECT_OK(ntk_sweep_point(&tree, &sweep, point, &arena, &root, &problems));
    EXPECT_OK(ntk_option_bind(&root_section, root, "", "/", &arena, &s, &problems));
    sum += s.network.width * s.network.seed;
    ntk_arena_destroy(&arena);
  }
  EXPECT_OK(ntk_problems_status(&problems));
  EXPECT(sum == INT64_C(5050) * 4950);
  ntk_tree_destroy(&tree);
}

static ntk_status expand(void *context) {
  config c = {0};
  ntk_text text = {0};
  ntk_status status = read_config(context, &c);

  if (status == NTK_OK) status = ntk_problems_status(&c.problems);
  if (status == NTK_OK) status = ntk_axis_label(&c.sweep.axis[0], 0, &text);
  ntk_text_destroy(&text);
  destroy_config(&c);
  return status;
}

int main(int argc, char **argv) {
  char yaml[] = DATA
      "sweep: {network.bias: [{std: 3}, none], network.seed: 0..1, "
      "data.noise_std: {geomspace: [1, 10, 2]}}\n";

  char yaml_zipped[sizeof(zipped)];

  begin_test(&argc, &argv);
  check_order();
  check_none();
  check_names();
  check_forms();
  check_places();
  check_refusals();
  check_zip();
  check_all_at_once();
  check_many_points();
  EXPECT(sweep_faults(expand, yaml) > 0);
  (void)snprintf(yaml_zipped, sizeof(yaml_zipped), "%s", zipped);
  EXPECT(sweep_faults(expand, yaml_zipped) > 0);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
