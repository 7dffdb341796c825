#include "ntk/data/prepare.h"

static void fill_index(int64_t n, int64_t classes, const int64_t *label, double *target) {
  (void)classes;
  for (int64_t i = 0; i < n; ++i) target[i] = (double)label[i];
}

static void fill_sign(int64_t n, int64_t classes, const int64_t *label, double *target) {
  (void)classes;
  for (int64_t i = 0; i < n; ++i) target[i] = label[i] == 0 ? -1 : 1;
}

static void fill_one_hot(int64_t n, int64_t classes, const int64_t *label, double *target) {
  for (int64_t i = 0; i < n; ++i) target[i * classes + label[i]] = 1;
}

static void fill_one_hot_centered(int64_t n, int64_t classes, const int64_t *label,
                                  double *target) {
  fill_one_hot(n, classes, label, target);
  for (int64_t k = 0; k < n * classes; ++k) target[k] -= 1 / (double)classes;
}

static const ntk_target_rule real = {
    .row = {.name = "real", .doc = "the source's numbers; of integer labels their value"}};

static const ntk_target_rule class_index = {
    .row = {.name = "index", .doc = "class 0, 1, 2, ... as a number"}, .fill = fill_index};

static const ntk_target_rule sign = {
    .row = {.name = "sign", .doc = "two classes as -1, +1"}, .only_classes = 2, .fill = fill_sign};

static const ntk_target_rule one_hot = {
    .row = {.name = "one_hot", .doc = "a column per class"}, .wide = true, .fill = fill_one_hot};

static const ntk_target_rule one_hot_centered = {
    .row = {.name = "one_hot_centered", .doc = "one_hot - 1/classes"},
    .wide = true,
    .fill = fill_one_hot_centered};

const ntk_row *const ntk_target_rules[] = {&real.row,    &class_index.row,      &sign.row,
                                           &one_hot.row, &one_hot_centered.row, NULL};

const ntk_target_rule *ntk_target_rule_of(const ntk_data_settings *settings, const ntk_raw *raw) {
  if (settings->targets) return (const ntk_target_rule *)settings->targets;
  return raw->train_label ? &one_hot_centered : &real;
}

bool ntk_target_rule_classes(const ntk_target_rule *rule) {
  return rule->fill != NULL;
}
