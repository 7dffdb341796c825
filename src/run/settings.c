/* The root of the config: which section is which floor's table. */
#include <stddef.h>
#include <string.h>

#include "ntk/analysis/analysis.h"
#include "ntk/run/job.h"

static const ntk_row keep_results = {
    .name = "results", .doc = "results.h5 of every point (always kept, unless the list is empty)"};
static const ntk_row keep_gram = {
    .name = "gram", .doc = "kernels/<key>/gram.h5, the Gram matrix"};
static const ntk_row keep_spectrum = {
    .name = "spectrum", .doc = "kernels/<key>/spectrum.h5, eigenvalues and eigenvectors"};
static const ntk_row keep_test_train = {
    .name = "test_train", .doc = "kernels/<key>/test_train.h5, the blocks of the test set"};
static const ntk_row keep_predictions = {
    .name = "predictions",
    .doc = "points/<id>/predictions.h5, of all samples at all times of `dynamics`"};
static const ntk_row keep_weights = {
    .name = "weights", .doc = "points/<id>/weights.h5, the network"};
static const ntk_row keep_per_layer = {
    .name = "per_layer", .doc = "kernels/<key>/per_layer.h5, the part of every tensor in the ntk"};

static const ntk_row *const keeps[] = {&keep_results,    &keep_gram,        &keep_spectrum,
                                       &keep_test_train, &keep_predictions, &keep_weights,
                                       &keep_per_layer,  NULL};

const ntk_row ntk_on_error_continue = {
    .name = "continue", .doc = "a point that fails is recorded, the others go on"};
const ntk_row ntk_on_error_stop = {
    .name = "stop", .doc = "the first failure stops the job, as --fail-fast does"};

static const ntk_row *const on_errors[] = {&ntk_on_error_continue, &ntk_on_error_stop, NULL};

static const ntk_option run_options[] = {
    {.key = "group_ranks",
     .type = NTK_INT,
     .offset = offsetof(ntk_run_settings, group_ranks),
     .fallback = "auto",
     .low = 1,
     .high = 1e6,
     .flags = NTK_AUTO,
     .doc = "ranks that compute one point together; auto: from predicted cost and memory"},
    {.key = "grid",
     .type = NTK_INTS,
     .offset = offsetof(ntk_run_settings, grid),
     .fallback = "auto",
     .low = 1,
     .high = 1e6,
     .flags = NTK_AUTO,
     .doc = "process grid of every group, [rows, cols]; auto: the squarest"},
    {.key = "walltime",
     .type = NTK_REAL,
     .offset = offsetof(ntk_run_settings, walltime),
     .fallback = "auto",
     .low = 1,
     .high = 1e9,
     .flags = NTK_AUTO | NTK_CLOCK,
     .doc = "when the job stops by itself, counted from its start; auto: Slurm's end time, no limit "
            "elsewhere"},
    {.key = "stop_margin",
     .type = NTK_REAL,
     .offset = offsetof(ntk_run_settings, stop_margin),
     .fallback = "120",
     .low = 0,
     .high = 1e6,
     .flags = NTK_CLOCK,
     .doc = "how long before that it begins to stop; of a Slurm job at most half of its time"},
    {.key = "on_error",
     .type = NTK_WORD,
     .offset = offsetof(ntk_run_settings, on_error),
     .fallback = "continue",
     .rows = on_errors,
     .doc = "when a point fails"},
    {.key = "checkpoint_after",
     .type = NTK_REAL,
     .offset = offsetof(ntk_run_settings, checkpoint_after),
     .fallback = "30",
     .low = 0,
     .high = 1e9,
     .flags = NTK_CLOCK,
     .doc = "stages predicted to be shorter write big files only if they are kept; 0: all do"},
    {0},
};

/* walltime is 0 where what was written could not be read. */
static void check_time(const ntk_run_settings *run, const ntk_node *node, ntk_problems *problems) {
  const ntk_node *given = ntk_node_find(node, "walltime");

  if (!given || !(run->walltime > 0) || run->walltime > run->stop_margin) return;
  ntk_problem(problems, given->mark,
              "run.walltime: of %g s nothing is left before run.stop_margin (%g s); give more time or "
              "a smaller margin",
              run->walltime, run->stop_margin);
}

static void check_run(const void *bound, const ntk_node *node, ntk_problems *problems) {
  const ntk_run_settings *run = bound;
  const ntk_node *grid = ntk_node_find(node, "grid");

  check_time(run, node, problems);
  if (run->grid.item && run->grid.count != 2) {
    ntk_problem(problems, grid ? grid->mark : node->mark,
                "run.grid: needs [rows, cols], or auto");
  } else if (run->grid.item && run->group_ranks != NTK_AUTO_INT &&
             run->grid.item[0] * run->grid.item[1] != run->group_ranks) {
    ntk_problem(problems, grid ? grid->mark : node->mark,
                "run.grid: %lld x %lld are not the %lld ranks of run.group_ranks; change one of "
                "them, or write auto",
                (long long)run->grid.item[0], (long long)run->grid.item[1],
                (long long)run->group_ranks);
  }
}

static const ntk_section run_section = {run_options, check_run};

typedef struct output_settings {
  const char *directory;
  ntk_choices keep;
} output_settings;

static const ntk_option output_options[] = {
    {.key = "directory",
     .type = NTK_STRING,
     .offset = offsetof(output_settings, directory),
     .fallback = "runs/ntkrun",
     .flags = NTK_FOLDER,
     .doc = "where everything is written; relative to the working directory; $NAME and ~ are "
            "expanded"},
    {.key = "keep",
     .type = NTK_CHOICES,
     .offset = offsetof(output_settings, keep),
     .fallback = "[results]",
     .rows = keeps,
     .doc = "which files stay; []: nothing at all is written, for timing"},
    {0},
};

static const ntk_section output_section = {output_options, NULL};

static const ntk_option options[] = {
    {.key = "format",
     .type = NTK_INT,
     .offset = offsetof(ntk_settings, format),
     .fallback = "1",
     .low = 1,
     .high = 1,
     .flags = NTK_UNHASHED,
     .doc = "version of this file format"},
    {.key = "name",
     .type = NTK_STRING,
     .offset = offsetof(ntk_settings, name),
     .fallback = "ntkrun",
     .flags = NTK_UNHASHED,
     .doc = "title in figures and reports; changes no id"},
    {.key = "relative_to",
     .type = NTK_STRING,
     .offset = offsetof(ntk_settings, relative_to),
     .flags = NTK_UNHASHED,
     .doc = "folder that relative paths start from; default: the folder of this file"},
    {.key = "data",
     .type = NTK_SECTION,
     .offset = offsetof(ntk_settings, data),
     .section = &ntk_data_section,
     .doc = "training and test samples"},
    {.key = "network",
     .type = NTK_SECTION,
     .offset = offsetof(ntk_settings, network),
     .section = &ntk_network_section,
     .doc = "layers, parameterization, initial weights"},
    {.key = "kernel",
     .type = NTK_SECTION,
     .offset = offsetof(ntk_settings, kernel),
     .section = &ntk_kernel_section,
     .doc = "which kernel, of which outputs, in which precision"},
    {.key = "spectrum",
     .type = NTK_SECTION,
     .offset = offsetof(ntk_settings, spectrum),
     .section = &ntk_spectrum_section,
     .doc = "the eigensolver"},
    {.key = "analyses",
     .type = NTK_CHOICES,
     .offset = offsetof(ntk_settings, analyses),
     .fallback = "[summary]",
     .rows = ntk_analyses,
     .doc = "what is computed from kernel and spectrum; `label:` names the output group"},
    {.key = "sweep",
     .type = NTK_TREE,
     .offset = offsetof(ntk_settings, sweep),
     .flags = NTK_UNHASHED,
     .doc = "axes of a product: any key by its path, with a list or range of values; `zip`: several "
            "keys as one axis; `skip`: points to leave out"},
    {.key = "run",
     .type = NTK_SECTION,
     .offset = offsetof(ntk_settings, run),
     .section = &run_section,
     .flags = NTK_UNHASHED,
     .doc = "groups of ranks, wall time, failures, checkpoints; changes no result"},
    {.key = "output",
     .type = NTK_SECTION,
     .offset = offsetof(ntk_settings, output),
     .section = &output_section,
     .flags = NTK_UNHASHED,
     .doc = "where results go and what is kept"},
    {0},
};

static bool wants_spectrum(const ntk_choices *analyses, const char **who) {
  for (int64_t k = 0; k < analyses->count; ++k) {
    const ntk_analysis *analysis = (const ntk_analysis *)analyses->item[k].row;

    *who = analysis->row.name;
    if (analysis->needs & NTK_NEEDS_SPECTRUM) return true;
  }
  return false;
}

static ntk_mark mark_of(const ntk_node *node, const char *path) {
  const ntk_node *at = ntk_node_at(node, path);

  return at ? at->mark : node->mark;
}

static void check_solver(const ntk_settings *settings, const ntk_node *node,
                         ntk_problems *problems) {
  const ntk_node *solver = ntk_node_at(node, "spectrum.solver");
  const char *who = NULL;

  if (solver && settings->spectrum.solver && strcmp(settings->spectrum.solver->name, "none") == 0 &&
      wants_spectrum(&settings->analyses, &who)) {
    ntk_problem(problems, solver->mark,
                "solver 'none' leaves no spectrum, but the analysis '%s' needs one; choose a solver "
                "or drop the analysis", who);
  }
}

/* Groups of results.h5 that are no analyses. */
static void check_labels(const ntk_settings *settings, ntk_problems *problems) {
  static const char *const taken[] = {"data", "network", "kernel", "spectrum", NULL};

  for (int64_t k = 0; k < settings->analyses.count; ++k) {
    const ntk_choice *item = &settings->analyses.item[k];
    bool free = !ntk_row_find(ntk_quantities, item->label);

    for (int i = 0; taken[i]; ++i) free = free && strcmp(taken[i], item->label) != 0;
    if (free) continue;
    ntk_problem(problems, item->mark,
                "analyses: the label '%s' is the name of another group of results.h5; choose another",
                item->label);
  }
}

/* What needs a Gram where there are only eigenvalues. */
static void check_spectrum_only(const ntk_settings *settings, const ntk_node *node,
                                ntk_problems *problems) {
  static const char *const kept[] = {"gram", "spectrum", "test_train", "predictions", NULL};

  for (int64_t k = 0; k < settings->analyses.count; ++k) {
    const ntk_choice *item = &settings->analyses.item[k];

    if (!(((const ntk_analysis *)item->row)->needs & NTK_NEEDS_GRAM)) continue;
    ntk_problem(problems, item->mark,
                "the analysis '%s' needs the Gram, but the kernel comes as eigenvalues only; name it "
                "in kernel.gram, or drop the analysis",
                item->row->name);
  }
  for (int64_t k = 0; k < settings->output.keep.count; ++k) {
    const ntk_choice *item = &settings->output.keep.item[k];

    for (int i = 0; kept[i]; ++i) {
      if (strcmp(kept[i], item->row->name) != 0) continue;
      ntk_problem(problems, item->mark,
                  "output.keep: there is no %s of a kernel that comes as eigenvalues only", kept[i]);
    }
  }
  if (settings->spectrum.solver && strcmp(settings->spectrum.solver->name, "none") == 0) {
    ntk_problem(problems, mark_of(node, "spectrum.solver"),
                "solver 'none' leaves nothing of a kernel that comes as eigenvalues only");
  }
}

static void check_analyses(const ntk_settings *settings, bool gram, ntk_problems *problems) {
  bool predicts = false;

  for (int64_t k = 0; k < settings->analyses.count; ++k) {
    const ntk_choice *item = &settings->analyses.item[k];
    const ntk_analysis *analysis = (const ntk_analysis *)item->row;

    predicts = predicts || analysis->steps;
    if (analysis->check) analysis->check(item->options, gram, item->mark, problems);
  }
  for (int64_t k = 0; k < settings->output.keep.count && !predicts; ++k) {
    const ntk_choice *item = &settings->output.keep.item[k];

    if (item->row != &keep_predictions) continue;
    ntk_problem(problems, item->mark,
                "output.keep: predictions come from an analysis that makes some; add 'dynamics' to "
                "analyses");
  }
}

/* What is there of the network. */
static void check_network(const ntk_settings *settings, ntk_problems *problems) {
  const ntk_choices *quantities = &settings->kernel.quantity;

  for (int64_t k = 0; k < quantities->count; ++k) {
    if (quantities->item[k].row != &ntk_quantity_nngp.row || !settings->network.weights) continue;
    ntk_problem(problems, quantities->item[k].mark,
                "kernel.quantity: nngp is a covariance over draws of the readout, and nothing is known "
                "of the law behind weights from a file; use conjugate");
  }
  for (int64_t k = 0; k < settings->output.keep.count; ++k) {
    const ntk_choice *item = &settings->output.keep.item[k];
    bool any = false;

    for (int64_t i = 0; i < quantities->count; ++i) {
      any = any || quantities->item[i].row == &ntk_quantity_ntk.row;
    }
    if (item->row != &keep_per_layer || any) continue;
    ntk_problem(problems, item->mark,
                "output.keep: per_layer are parts of the ntk, which kernel.quantity does not name");
  }
}

/* What only a network has. */
static void check_file(const ntk_settings *settings, ntk_problems *problems) {
  for (int64_t k = 0; k < settings->output.keep.count; ++k) {
    const ntk_choice *item = &settings->output.keep.item[k];

    if (item->row != &keep_per_layer && item->row != &keep_weights) continue;
    ntk_problem(problems, item->mark, "output.keep: a kernel from a file has no %s",
                item->row == &keep_weights ? "weights" : "parts of tensors");
  }
}

/* What is true between sections. */
static void check(const void *bound, const ntk_node *node, ntk_problems *problems) {
  const ntk_settings *settings = bound;
  const ntk_kernel_type *type = (const ntk_kernel_type *)settings->kernel.type.row;
  const bool gram = !type->spectrum_only || !type->spectrum_only(&settings->kernel);

  check_solver(settings, node, problems);
  check_labels(settings, problems);
  check_analyses(settings, gram, problems);
  if (!gram) check_spectrum_only(settings, node, problems);
  if (type->needs_network) check_network(settings, problems);
  else check_file(settings, problems);
}

const ntk_section ntk_settings_section = {options, check};
