/* The root of the config: which section is which floor's table. */
#include <stddef.h>
#include <string.h>

#include "ntk/analysis/analysis.h"
#include "ntk/run/job.h"

static const ntk_row keep_results = {
    .name = "results", .doc = "results.h5 of every point (always kept)"};
static const ntk_row keep_gram = {
    .name = "gram", .doc = "kernels/<key>/gram.h5, the Gram matrix"};
static const ntk_row keep_spectrum = {
    .name = "spectrum", .doc = "kernels/<key>/spectrum.h5, eigenvalues and eigenvectors"};
static const ntk_row keep_test_train = {
    .name = "test_train", .doc = "kernels/<key>/test_train.h5, the test-train block"};
static const ntk_row keep_weights = {
    .name = "weights", .doc = "points/<id>/weights.h5, the network"};

static const ntk_row *const keeps[] = {&keep_results,    &keep_gram,    &keep_spectrum,
                                       &keep_test_train, &keep_weights, NULL};

typedef struct output_settings {
  const char *directory;
  ntk_choices keep;
} output_settings;

static const ntk_option output_options[] = {
    {.key = "directory",
     .type = NTK_STRING,
     .offset = offsetof(output_settings, directory),
     .fallback = "runs/ntkrun",
     .doc = "where everything is written; relative to the working directory"},
    {.key = "keep",
     .type = NTK_CHOICES,
     .offset = offsetof(output_settings, keep),
     .fallback = "[results]",
     .rows = keeps,
     .doc = "which files stay"},
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
     .doc = "axes of a product: any key by its path, with a list or range of values"},
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

/* What is true between sections. */
static void check(const void *bound, const ntk_node *node, ntk_problems *problems) {
  const ntk_settings *settings = bound;
  const ntk_node *solver = ntk_node_at(node, "spectrum.solver");
  const char *who = NULL;

  if (solver && settings->spectrum.solver && strcmp(settings->spectrum.solver->name, "none") == 0 &&
      wants_spectrum(&settings->analyses, &who)) {
    ntk_problem(problems, solver->mark,
                "solver 'none' leaves no spectrum, but the analysis '%s' needs one; choose a solver "
                "or drop the analysis", who);
  }
}

const ntk_section ntk_settings_section = {options, check};
