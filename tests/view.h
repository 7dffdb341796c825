/* view.h -- a kernel made of arrays, as the analyses see it, and a way to run one with options
 * written as in a config. */
#ifndef NTK_TESTS_VIEW_H
#define NTK_TESTS_VIEW_H

#include <stdint.h>

#include "ntk/analysis/analysis.h"
#include "test.h"

/* Arrays are borrowed; NULL where there is none.  `gram` is [rows][rows], `test_train` is
 * [test rows][rows], rows being n, or n O if `full`. */
typedef struct example {
  int64_t n, m, outputs, classes;
  bool full;
  const double *gram, *test_train, *f0, *test_f0, *y, *test_y;
  const int64_t *label, *test_label;
} example;

/* What lives as long as the view. */
typedef struct stage {
  ntk_grid grid;
  ntk_matrix gram, test_train;
  ntk_spectrum spectrum;
  double *target, *residual, *difference; /* coefficients of y and f0 - y, and f0 - y */
  ntk_view view;
} stage;

static inline void fill_matrix(ntk_matrix *m, const double *values) {
  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    for (int64_t li = 0; li < m->local_rows; ++li) {
      m->data[li + lj * m->ld] = values[ntk_matrix_row(m, li) * m->cols + ntk_matrix_col(m, lj)];
    }
  }
}

static inline void close_stage(stage *s) {
  ntk_free(&s->target);
  ntk_free(&s->residual);
  ntk_free(&s->difference);
  ntk_spectrum_destroy(&s->spectrum);
  ntk_matrix_destroy(&s->test_train);
  ntk_matrix_destroy(&s->gram);
  ntk_grid_destroy(&s->grid);
}

static inline void open_spectrum(stage *s) {
  const ntk_spectrum_settings settings = {
      .solver = ntk_row_find(ntk_solvers, "pdsyevd"), .block = s->gram.block, .cutoff = NAN};
  ntk_view *v = &s->view;

  EXPECT_OK(ntk_spectrum_compute(&settings, &s->gram, false, &s->spectrum));
  v->spectrum = &s->spectrum;
  if (!v->y) return;
  EXPECT_OK(NTK_NEW(v->rows * v->columns, &s->target));
  EXPECT_OK(NTK_NEW(v->rows * v->columns, &s->residual));
  EXPECT_OK(NTK_NEW(v->rows * v->columns, &s->difference));
  for (int64_t k = 0; k < v->rows * v->columns; ++k) s->difference[k] = v->f0[k] - v->y[k];
  EXPECT_OK(ntk_spectrum_project(&s->spectrum, v->columns, v->y, s->target));
  EXPECT_OK(ntk_spectrum_project(&s->spectrum, v->columns, s->difference, s->residual));
  v->target_coefficient = s->target;
  v->residual_coefficient = s->residual;
}

/* `comm` must outlive the stage. */
static inline void open_stage(const ntk_comm *comm, const example *e, bool spectrum, stage *s) {
  const int64_t scale = e->full ? e->outputs : 1, block = 4;

  *s = (stage){0};
  EXPECT_OK(ntk_grid_create(comm, 0, 0, &s->grid));
  EXPECT_OK(ntk_matrix_create(&s->grid, e->n * scale, e->n * scale, block, &s->gram));
  EXPECT_OK(ntk_matrix_create(&s->grid, e->m * scale, e->n * scale, block, &s->test_train));
  fill_matrix(&s->gram, e->gram);
  if (e->m > 0) fill_matrix(&s->test_train, e->test_train);
  s->view = (ntk_view){.comm = comm,
                       .n = e->n,
                       .m = e->m,
                       .outputs = e->outputs,
                       .rows = e->n * scale,
                       .columns = e->full ? 1 : e->outputs,
                       .classes = e->classes,
                       .parameters = 123,
                       .rate_scale = 1,
                       .gram = &s->gram,
                       .test_train = &s->test_train,
                       .f0 = e->f0,
                       .test_f0 = e->test_f0,
                       .y = e->y,
                       .test_y = e->test_y,
                       .label = e->label,
                       .test_label = e->test_label};
  if (spectrum) open_spectrum(s);
}

static inline ntk_status bind_options(const ntk_row *row, const char *yaml, ntk_tree *tree,
                                      void **options) {
  const ntk_section section = {.options = row->options};
  ntk_problems problems = {0};

  NTK_TRY(ntk_arena_new(&tree->arena, row->options_size + 1, options));
  ntk_status status = ntk_tree_parse(row->name, yaml, tree, &problems);
  if (status == NTK_OK && row->options) {
    status = ntk_option_bind(&section, tree->root, "", ".", &tree->arena, *options, &problems);
  }
  if (status == NTK_OK) status = ntk_problems_status(&problems);
  ntk_problems_destroy(&problems);
  return status;
}

/* Collective.  Runs an analysis with options as in a config, "{}" for the defaults. */
static inline ntk_status analyse(const stage *s, const char *name, const char *yaml,
                                 ntk_record *record) {
  const ntk_analysis *analysis = (const ntk_analysis *)ntk_row_find(ntk_analyses, name);
  ntk_tree tree = {0};
  void *options = NULL;

  EXPECT(analysis);
  *record = (ntk_record){0};
  ntk_status status =
      ntk_agree(s->view.comm, bind_options(&analysis->row, yaml, &tree, &options));
  if (status == NTK_OK) status = analysis->compute(&s->view, options, record);
  ntk_tree_destroy(&tree);
  if (status != NTK_OK) ntk_record_destroy(record);
  return status;
}

/* A variable's reals, which must be there and as many as said (-1: any number). */
static inline const double *reals(const ntk_record *record, const char *name, int64_t count) {
  const ntk_variable *v = ntk_record_find(record, name);

  if (!v) FAIL("no variable %s", name);
  if (v->kind != NTK_KIND_REAL || (count >= 0 && v->count != count)) {
    FAIL("%s: kind %d, %lld values", name, (int)v->kind, (long long)v->count);
  }
  return v->data;
}

static inline double scalar(const ntk_record *record, const char *name) {
  return *reals(record, name, 1);
}

/* max |got - wanted| <= tolerance * max |wanted| (at least 1e-13) */
static inline void expect_close(const char *what, int64_t count, const double *got,
                                const double *wanted, double tolerance) {
  double largest = 0;

  for (int64_t k = 0; k < count; ++k) largest = fmax(largest, fabs(wanted[k]));
  for (int64_t k = 0; k < count; ++k) {
    if (!(fabs(got[k] - wanted[k]) <= fmax(tolerance * largest, 1e-13))) {
      FAIL("%s[%lld] = %.17g, not %.17g", what, (long long)k, got[k], wanted[k]);
    }
  }
}

#endif
