/* prepare.h -- from a raw source to samples: which ones, their targets, centre and scale.
 *
 * Local, all of it.  Only src/data and its tests include this header. */
#ifndef NTK_DATA_PREPARE_H
#define NTK_DATA_PREPARE_H

#include "ntk/data/data.h"

/* A kind of targets.  To add one: a row in src/data/targets.c. */
typedef struct ntk_target_rule {
  ntk_row row;
  bool wide;            /* a column per class, else one */
  int64_t only_classes; /* number of classes it needs, 0: any */
  /* Local.  target [n][columns] from label [n]; NULL: the source's real targets are taken. */
  void (*fill)(int64_t n, int64_t classes, const int64_t *label, double *target);
} ntk_target_rule;

extern const ntk_row *const ntk_target_rules[]; /* rows of ntk_target_rule; ends with NULL */

/* Local.  The rule of data.targets; auto: one_hot_centered where there are classes, else real. */
const ntk_target_rule *ntk_target_rule_of(const ntk_data_settings *settings, const ntk_raw *raw);

/* Local.  True if samples have classes under this rule. */
bool ntk_target_rule_classes(const ntk_target_rule *rule);

/* Samples by their position in the source. */
typedef struct ntk_selection {
  int64_t classes;         /* 0: regression */
  bool test_from_train;    /* test positions are positions in the training file */
  int64_t train_count, validation_count, test_count;
  int64_t *train, *validation, *test; /* [count], owned */
} ntk_selection;

/* Local.  Chooses the samples by data.classes, data.seed and the counts.
 *
 * A file of n samples has one order, jax.random.permutation(key, n) with the key
 * ntk_data_draw_key(seed, ..._ORDER).  Samples of other classes are passed over.  A set is a prefix
 * of that order; a balanced one takes the classes in turn, each in that order.  The validation set
 * is taken likewise from what the training set left, and without a test file the test set from
 * what both left; where one balanced set follows another the turn goes on.  Generated sources keep
 * their own order.
 *   selection  overwritten; owned by the caller (ntk_selection_destroy); empty on failure */
NTK_CHECKED ntk_status ntk_selection_make(const ntk_data_settings *settings, const ntk_raw *raw,
                                          ntk_selection *selection);

void ntk_selection_destroy(ntk_selection *selection);

/* Local.  Whether some set is to be balanced. */
bool ntk_data_balanced(const ntk_data_settings *settings);

/* Local.  Class of a label, -1 if it belongs to none of data.classes. */
int64_t ntk_class_of(const ntk_data_settings *settings, int64_t label);

extern const ntk_row *const ntk_center_rules[], *const ntk_scale_rules[]; /* end with NULL */

/* Local.  Centres, then scales the inputs of all sets in place, by statistics of the training
 * set.  Moments are running (Welford), so a constant has exactly no spread. */
NTK_CHECKED ntk_status ntk_inputs_scale(const ntk_data_settings *settings, ntk_data *data);

#endif
