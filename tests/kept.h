/* kept.h -- tests of kernels in files: a problem of kernel.h computed with gram.h5 and test.h5 in a
 * folder, stopped at a boundary if wanted. */
#ifndef NTK_TESTS_KEPT_H
#define NTK_TESTS_KEPT_H

#include "kernel.h"

typedef struct kept_kernel {
  const char *folder;
  int64_t chunks, stop_after; /* boundaries that are passed */
  int64_t asked, found;       /* boundaries; panels that were there */
  ntk_kernel kernel;
} kept_kernel;

static inline ntk_status stop_some_time(void *context) {
  kept_kernel *kept = context;

  if (kept->asked++ < kept->stop_after) return NTK_OK;
  return NTK_RAISE(NTK_E_STOPPED, "stopped by the test");
}

static inline ntk_status open_kept(const problem *p, const ntk_grid *grid, const char *folder,
                                   ntk_checkpoint **gram, ntk_checkpoint **test) {
  const ntk_cotangents cotangents = ntk_kernel_cotangents(&p->kernel_settings);
  const int64_t per_sample = ntk_cotangent_rows(&cotangents, p->data.outputs);
  const int64_t rows = p->data.train.count * per_sample, tests = p->data.test.count * per_sample;
  const bool square = ntk_kernel_wants_test_test(&p->kernel_settings);
  const ntk_checkpoint_matrix grams = {.name = "ntk",
                                       .column_axis = "sample2",
                                       .row_axis = "sample",
                                       .rows = rows,
                                       .cols = rows,
                                       .symmetric = true};
  const ntk_checkpoint_matrix blocks[] = {{.name = "ntk",
                                           .column_axis = "sample",
                                           .row_axis = "test_sample",
                                           .rows = tests,
                                           .cols = rows},
                                          {.name = "test_test",
                                           .column_axis = "test_sample2",
                                           .row_axis = "test_sample",
                                           .rows = tests,
                                           .cols = tests,
                                           .symmetric = true}};
  ntk_checkpoint_content content = {.key = "0123", .count = 1, .matrices = &grams};
  char path[4400];

  content.notes = ntk_kernel_notes(&p->kernel_settings, ntk_kernel_quantity(&p->kernel_settings, 0),
                                   &p->network);
  (void)snprintf(path, sizeof(path), "%s/gram.h5", folder);
  NTK_TRY(ntk_checkpoint_open(grid->comm, path, &content, gram));
  if (tests == 0) return NTK_OK;
  content = (ntk_checkpoint_content){.key = "0123", .count = 1 + square, .matrices = blocks};
  (void)snprintf(path, sizeof(path), "%s/test.h5", folder);
  return ntk_checkpoint_open(grid->comm, path, &content, test);
}

static inline ntk_status finish_kept(const ntk_kernel *k, ntk_checkpoint *gram,
                                     ntk_checkpoint *test) {
  const ntk_matrix *const grams[] = {&k->gram}, *const tests[] = {&k->test_train, &k->test_test};

  NTK_TRY(ntk_checkpoint_finish(gram, grams));
  return test ? ntk_checkpoint_finish(test, tests) : NTK_OK;
}

/* Opens, computes what is missing, finishes. */
static inline ntk_status compute_kept(problem *p, const ntk_grid *grid, int64_t block,
                                      kept_kernel *kept) {
  ntk_kernel_keeping keeping = {
      .chunks = kept->chunks, .boundary = stop_some_time, .context = kept};
  const ntk_kernel_input input = {.grid = grid,
                                  .block = block,
                                  .settings = &p->kernel_settings,
                                  .network = &p->network,
                                  .data = &p->data,
                                  .keeping = &keeping};
  ntk_status status = open_kept(p, grid, kept->folder, &keeping.gram, &keeping.test);

  for (int64_t k = 0; status == NTK_OK && k < ntk_checkpoint_panels(keeping.gram, 0); ++k) {
    kept->found += ntk_checkpoint_has(keeping.gram, 0, k);
  }
  if (status == NTK_OK) status = ntk_kernel_compute(&input, &kept->kernel);
  if (status == NTK_OK) status = finish_kept(&kept->kernel, keeping.gram, keeping.test);
  ntk_checkpoint_close(&keeping.gram);
  ntk_checkpoint_close(&keeping.test);
  return status;
}

#endif
