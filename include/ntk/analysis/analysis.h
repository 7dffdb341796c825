/* analysis.h -- what is computed from a kernel, as one table of plug-ins.
 *
 * To add an analysis: src/analysis/<name>.c with its options, its fields and its row, and
 * ROW(<name>) in the table of src/analysis/analysis.c.  What analyses share is there too:
 * filter.h (modes), ridge.h and times.h (grids), rule.h (training rules and loss constants).
 * A row says what it needs, so eigenvectors are computed only if somebody wants them; and what it
 * writes, so results, documentation and checks follow. */
#ifndef NTK_ANALYSIS_ANALYSIS_H
#define NTK_ANALYSIS_ANALYSIS_H

#include "ntk/base/record.h"
#include "ntk/config/option.h"
#include "ntk/dist/matrix.h"
#include "ntk/solve/spectrum.h"

enum ntk_need { /* bits */
  NTK_NEEDS_GRAM = 1,
  NTK_NEEDS_SPECTRUM = 2,
  NTK_NEEDS_TARGETS = 4,
  NTK_USES_SPECTRUM = 8 /* writes more where there is one; `none` is no error */
};

/* The samples of a data set that are told apart. */
typedef enum ntk_set { NTK_TRAIN, NTK_VALIDATION, NTK_TEST, NTK_SETS } ntk_set;

/* Where an analysis of training hands the predictions of all samples, some times at once. */
typedef struct ntk_predictions {
  void *context;
  /* Collective.  Called once, first.
   *   time  [times] of the curve; `infinity`: a further step behind them */
  ntk_status (*begin)(void *context, int64_t times, const double *time, bool infinity);
  /* Collective.  Steps [first, first + count) of all samples of a set that has any.
   *   f  [count][samples][O], the same on every rank */
  ntk_status (*put)(void *context, ntk_set set, int64_t first, int64_t count, const double *f);
} ntk_predictions;

/* All that an analysis may read.  For full outputs the kernel has n O rows and one target column;
 * else n rows and O columns.  In both cases arrays over samples and outputs are [n][O] in memory. */
typedef struct ntk_view {
  const ntk_comm *comm;
  int64_t n, m, outputs;        /* training and test samples, outputs O */
  int64_t rows, columns;        /* of the kernel and of its right-hand sides: n, O or n O, 1 */
  int64_t classes;              /* 0: no accuracy */
  int64_t parameters;           /* trainable; 0 if unknown */
  double rate_scale;            /* factor of the learning rate that the kernel contains (A3) */
  const ntk_matrix *gram;       /* NULL if only eigenvalues are known; then the spectrum has no
                                   vectors, and of coefficients only the squares mean anything */
  const ntk_matrix *test_train; /* test rows x rows; rows 0 if there is no test set */
  int64_t validation;           /* samples; 0: there is no validation set */
  const ntk_matrix *held_out;   /* test_train and behind it the rows of the validation set */
  const ntk_spectrum *spectrum; /* NULL if nobody needs it */
  const ntk_predictions *predictions; /* NULL if nobody keeps them */
  const double *f0, *test_f0;   /* [n][O], [m][O] */
  const double *y, *test_y;     /* [n][O], [m][O]; y NULL if the kernel came without targets, or
                                   with their power only, test_y NULL likewise */
  const int64_t *label, *test_label; /* class or -1; may be NULL */
  const double *validation_f0, *validation_y; /* [validation][O], as test_f0, test_y */
  const int64_t *validation_label;
  const double *target_coefficient;  /* V^T y, [rows][columns] */
  const double *residual_coefficient; /* V^T (f0 - y) */
} ntk_view;

typedef struct ntk_analysis {
  ntk_row row;
  unsigned needs;          /* of enum ntk_need */
  const ntk_field *fields; /* what it may write; ends with {0} */
  bool to_root;            /* its scalars belong to the root group (summary) */
  /* Local.  Steps at which it hands out predictions where the view wants them, at most; NULL: it
   * makes none. */
  int64_t (*steps)(const void *options);
  /* Local.  Reports options that do not go with each other, or that need a Gram where there is
   * none; NULL: all do. */
  void (*check)(const void *options, bool gram, ntk_mark mark, ntk_problems *problems);
  /* Collective.  Adds its fields to the (empty) record; the same on every rank. */
  ntk_status (*compute)(const ntk_view *view, const void *options, ntk_record *record);
} ntk_analysis;

extern const ntk_row *const ntk_analyses[]; /* rows of ntk_analysis; ends with NULL */

/* Local.  The field of that name, for ntk_record_add; a name that is not there is a bug. */
const ntk_field *ntk_field_find(const ntk_field *fields, const char *name);

#endif
