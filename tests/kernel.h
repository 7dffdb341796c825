/* kernel.h -- tests of the kernel floor: a network and a kernel written as YAML, samples that are
 * known functions of their index, and the kernel of those on any grid. */
#ifndef NTK_TESTS_KERNEL_H
#define NTK_TESTS_KERNEL_H

#include <string.h>

#include "ntk/base/memory.h"
#include "ntk/kernel/kernel.h"
#include "test.h"

/* Settings, data and network of one kernel.  On rank 0 of `comm` only, the data have inputs. */
typedef struct problem {
  ntk_arena arena;
  ntk_tree network_tree, kernel_tree;
  ntk_network_settings network_settings;
  ntk_kernel_settings kernel_settings;
  ntk_data data;
  ntk_network network;
} problem;

static inline void bind_section(const char *name, const char *yaml, const ntk_section *section,
                                ntk_arena *arena, ntk_tree *tree, void *settings) {
  ntk_problems problems = {0};

  EXPECT_OK(ntk_tree_parse(name, yaml, tree, &problems));
  EXPECT_OK(ntk_option_bind(section, tree->root, name, "/", arena, settings, &problems));
  if (problems.count > 0) FAIL("%s", ntk_text_string(&problems.text));
  ntk_problems_destroy(&problems);
}

static inline double input_value(int64_t sample, int64_t k) {
  return sin(0.9 * (double)sample + 1.7 * (double)k + 0.01 * (double)(sample * k));
}

/* Samples `first` and on. */
static inline void create_samples(int64_t first, int64_t count, int64_t features, bool complete,
                                  ntk_samples *samples) {
  samples->count = count;
  if (!complete) return;
  EXPECT_OK(NTK_NEW(count * features, &samples->inputs));
  for (int64_t k = 0; k < count * features; ++k) {
    samples->inputs[k] = input_value(first + k / features, k % features);
  }
}

/* Instead of numbers, tokens 0 .. vocabulary - 1. */
static inline void make_tokens(int64_t count, int64_t vocabulary, double *inputs) {
  for (int64_t k = 0; inputs && k < count; ++k) {
    inputs[k] = (double)((int64_t)(1e4 * (inputs[k] + 1)) % vocabulary);
  }
}

/* Samples of any shape.
 *   vocabulary  of tokens; 0: numbers */
static inline void create_shaped_problem(const char *network, const char *kernel, int64_t n,
                                         int64_t m, const ntk_shape *shape, int64_t vocabulary,
                                         int64_t outputs, bool complete, problem *p) {
  const int64_t features = ntk_shape_count(shape);

  *p = (problem){0};
  bind_section("network", network, &ntk_network_section, &p->arena, &p->network_tree,
               &p->network_settings);
  bind_section("kernel", kernel, &ntk_kernel_section, &p->arena, &p->kernel_tree,
               &p->kernel_settings);
  p->data.shape = *shape;
  p->data.features = features;
  p->data.outputs = outputs;
  create_samples(0, n, features, complete, &p->data.train);
  create_samples(n, m, features, complete, &p->data.test);
  if (vocabulary > 0) make_tokens(n * features, vocabulary, p->data.train.inputs);
  if (vocabulary > 0) make_tokens(m * features, vocabulary, p->data.test.inputs);
  p->network_settings.vocabulary = vocabulary;

  const bool single = strcmp(p->kernel_settings.precision->name, "single") == 0;
  EXPECT_OK(ntk_network_create(&p->network_settings, &p->data.shape, outputs,
                               single ? NTK_SINGLE : NTK_DOUBLE, &p->network));
  EXPECT_OK(ntk_network_draw(&p->network_settings, &p->network));
}

static inline void create_problem(const char *network, const char *kernel, int64_t n, int64_t m,
                                  int64_t features, int64_t outputs, bool complete, problem *p) {
  const ntk_shape shape = {.rank = 1, .size = {features}};

  create_shaped_problem(network, kernel, n, m, &shape, 0, outputs, complete, p);
}

static inline void destroy_problem(problem *p) {
  ntk_network_destroy(&p->network);
  ntk_data_destroy(&p->data);
  ntk_tree_destroy(&p->network_tree);
  ntk_tree_destroy(&p->kernel_tree);
  ntk_arena_destroy(&p->arena);
}

static inline ntk_status compute_kernel(problem *p, const ntk_grid *grid, int64_t block,
                                        ntk_kernel *kernel) {
  const ntk_kernel_input input = {.grid = grid,
                                  .block = block,
                                  .settings = &p->kernel_settings,
                                  .network = &p->network,
                                  .data = &p->data};

  return ntk_kernel_compute(&input, kernel);
}

#endif
