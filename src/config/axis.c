/* The values of an axis: how they are written, compared and shown. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "axes.h"
#include "reader.h"

/* ---- reading -----------------------------------------------------------------------------------
 */

static void take_list(ntk_binder *b, const ntk_place *place, const ntk_node *list,
                      ntk_values *values) {
  *values = (ntk_values){list->count, list->child};
  for (int64_t k = 0; k < list->count; ++k) {
    if (ntk_node_empty(list->child[k]))
      ntk_fault_at(b, place, list->child[k]->mark, "an empty value");
  }
}

static ntk_status add_scalar(ntk_arena *arena, ntk_mark mark, const char *text, ntk_node **node) {
  const char *copy = NULL;

  NTK_TRY(ntk_arena_copy(arena, text, &copy));
  return ntk_node_new(arena, NTK_NODE_SCALAR, mark, copy, node);
}

static ntk_status take_range(ntk_binder *b, ntk_mark mark, int64_t first, int64_t count,
                             ntk_values *values) {
  char text[NTK_REAL_TEXT];

  NTK_TRY(ntk_arena_new(b->arena, (size_t)count * sizeof(*values->item), &values->item));
  for (values->count = 0; values->count < count; ++values->count) {
    (void)snprintf(text, sizeof(text), "%" PRId64, first + values->count);
    NTK_TRY(add_scalar(b->arena, mark, text, &values->item[values->count]));
  }
  return NTK_OK;
}

ntk_status ntk_values_count(ntk_binder *b, ntk_mark mark, int64_t count, ntk_values *values) {
  return take_range(b, mark, 0, count, values);
}

/* 64, 128, ... 1024 shall be integers, so that they may be widths, and coordinates to select by. */
static double without_rounding(const ntk_grid_spec *grid, double x) {
  const bool integers = grid->first == rint(grid->first) && grid->last == rint(grid->last);

  return integers && fabs(x - rint(x)) <= 1e-12 * fabs(x) ? rint(x) : x;
}

static ntk_status take_points(ntk_binder *b, ntk_mark mark, const ntk_grid_spec *grid,
                              ntk_values *values) {
  double *points = NULL;
  char text[NTK_REAL_TEXT];

  NTK_TRY(ntk_arena_new(b->arena, (size_t)grid->count * sizeof(*points), &points));
  NTK_TRY(ntk_arena_new(b->arena, (size_t)grid->count * sizeof(*values->item), &values->item));
  ntk_grid_spec_points(grid, 0, 0, points);
  for (values->count = 0; values->count < grid->count; ++values->count) {
    ntk_real_text(without_rounding(grid, points[values->count]), text);
    NTK_TRY(add_scalar(b->arena, mark, text, &values->item[values->count]));
  }
  return NTK_OK;
}

/* {linspace: [a, b, k]} and {geomspace: [a, b, k]}, read as an option of that type. */
static ntk_status take_grid(ntk_binder *b, const ntk_place *place, const ntk_node *node,
                            ntk_values *values) {
  static const ntk_option option = {.type = NTK_GRID, .low = -1.7e308, .high = 1.7e308};
  const int64_t before = b->faults;
  ntk_grid_spec grid = {0};

  NTK_TRY(ntk_bind_value(b, place, &option, node, &grid));
  return b->faults != before ? NTK_OK : take_points(b, node->mark, &grid, values);
}

static ntk_status take_scalar(ntk_binder *b, const ntk_place *place, const ntk_node *node,
                              ntk_values *values) {
  int64_t first = 0, last = 0;

  if (node->quoted || !ntk_scalar_range(node->text, &first, &last)) {
    ntk_fault_at(b, place, node->mark,
                 "needs a list, a..b, {linspace: [a, b, k]} or {geomspace: [a, b, k]}; a single "
                 "value belongs outside of `sweep`");
  } else if (last < first) {
    ntk_fault_at(b, place, node->mark, "the range %.80s is empty; write the smaller end first",
                 node->text);
  } else if ((double)last - (double)first >= NTK_MOST_POINTS) {
    ntk_fault_at(b, place, node->mark, "more than %d values", NTK_MOST_POINTS);
  } else {
    return take_range(b, node->mark, first, last - first + 1, values);
  }
  return NTK_OK;
}

/* `network: {width: [1, 2]}`: keys of a config, not of a grid. */
static bool is_nested(const ntk_node *mapping) {
  static const char *const keys[] = {"linspace", "geomspace", "zero", "infinity"};
  ntk_nearest nearest = {.word = mapping->count ? mapping->key[0] : "linspace"};

  for (int k = 0; k < 4; ++k) ntk_nearest_offer(&nearest, keys[k]);
  return !nearest.best;
}

static ntk_status take_mapping(ntk_binder *b, const ntk_place *place, const ntk_node *node,
                               ntk_values *values) {
  if (!is_nested(node)) return take_grid(b, place, node, values);
  ntk_fault_at(b, place, node->key_mark[0],
               "an axis is written as one path, '%.80s.%.80s: [...]'; values that are mappings, as "
               "a list",
               place->key, node->key[0]);
  return NTK_OK;
}

ntk_status ntk_values_read(ntk_binder *b, const ntk_place *place, const ntk_node *node,
                           ntk_values *values) {
  const int64_t before = b->faults;
  ntk_values read = {0};

  *values = read;
  if (node->kind == NTK_NODE_SEQUENCE) {
    take_list(b, place, node, &read);
  } else if (node->kind == NTK_NODE_MAPPING) {
    NTK_TRY(take_mapping(b, place, node, &read));
  } else {
    NTK_TRY(take_scalar(b, place, node, &read));
  }
  if (read.count == 0 && b->faults == before) {
    ntk_fault_at(b, place, node->mark, "no values; write some, or remove the line");
  }
  if (b->faults == before) *values = read;
  return NTK_OK;
}

/* ---- comparing ---------------------------------------------------------------------------------
 */

ntk_status ntk_spell(const ntk_node *node, ntk_text *text) {
  char number[NTK_REAL_TEXT];
  double value = 0;

  if (node->kind != NTK_NODE_SCALAR) return ntk_node_print_flow(node, text);
  if (!node->quoted && ntk_scalar_real(node->text, &value)) {
    return ntk_text_add(text, "%s", ntk_real_text(value + 0.0, number));
  }
  return ntk_scalar_print(node->text, node->quoted, text);
}

ntk_status ntk_axis_key_spell(const ntk_axis_key *key, int64_t k, ntk_text *text) {
  return ntk_spell(key->value[k], text);
}

typedef struct spelled {
  ntk_text text;
  int64_t k;
} spelled;

static int by_text(const void *a, const void *b) {
  const spelled *left = a, *right = b;
  const int order = strcmp(ntk_text_string(&left->text), ntk_text_string(&right->text));

  return order ? order : (left->k > right->k) - (left->k < right->k);
}

static ntk_status spell_all(const ntk_axis *axis, spelled *all) {
  for (int64_t k = 0; k < axis->count; ++k) {
    all[k].k = k;
    for (int64_t i = 0; i < axis->key_count; ++i) {
      if (i > 0) NTK_TRY(ntk_text_add(&all[k].text, "; "));
      NTK_TRY(ntk_axis_key_spell(&axis->key[i], k, &all[k].text));
    }
  }
  return NTK_OK;
}

static void report_twins(ntk_binder *b, const ntk_place *place, const ntk_axis *axis,
                         const spelled *all) {
  for (int64_t k = 1; k < axis->count; ++k) {
    const char *text = ntk_text_string(&all[k].text);

    if (strcmp(ntk_text_string(&all[k - 1].text), text) != 0) continue;
    ntk_fault_at(b, place, axis->key[0].value[all[k].k]->mark,
                 "the value %.80s is there twice; remove one", text);
  }
}

ntk_status ntk_axis_refuse_repetition(ntk_binder *b, const ntk_place *place, const ntk_axis *axis) {
  spelled *all = NULL;

  NTK_TRY(NTK_NEW(axis->count, &all));
  const ntk_status status = spell_all(axis, all);

  if (status == NTK_OK && axis->count > 1) {
    qsort(all, (size_t)axis->count, sizeof(*all), by_text);
    report_twins(b, place, axis, all);
  }
  for (int64_t k = 0; k < axis->count; ++k) ntk_text_destroy(&all[k].text);
  ntk_free(&all);
  return status;
}

ntk_status ntk_values_refuse_repetition(ntk_binder *b, const ntk_place *place,
                                        const ntk_values *values) {
  ntk_axis_key key = {.value = values->item};
  const ntk_axis axis = {.count = values->count, .key_count = 1, .key = &key};

  return ntk_axis_refuse_repetition(b, place, &axis);
}

/* ---- showing -----------------------------------------------------------------------------------
 */

/* The last components of a path, as many as `parts`. */
static const char *tail(const char *path, int parts) {
  const char *s = path + strlen(path);

  while (s > path && s[-1] == '/') --s; /* of a folder */
  for (; parts > 0 && s > path; --parts) {
    while (s > path && s[-1] != '/') --s;
    if (parts > 1 && s > path) --s;
  }
  return s;
}

static int by_name(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool are_distinct(const ntk_axis_key *key, int64_t count, int parts, const char **tails) {
  for (int64_t k = 0; k < count; ++k) tails[k] = tail(key->value[k]->text, parts);
  qsort(tails, (size_t)count, sizeof(*tails), by_name);
  for (int64_t k = 1; k < count; ++k) {
    if (strcmp(tails[k - 1], tails[k]) == 0) return false;
  }
  return true;
}

static int count_parts(const char *path) {
  int parts = 1;

  for (; *path; ++path) parts += *path == '/';
  return parts;
}

/* Most parts of any value; 0 if they are no paths: nothing but texts, one with a '/'. */
static int most_parts(const ntk_axis_key *key, int64_t count) {
  int most = 0;

  for (int64_t k = 0; k < count; ++k) {
    if (key->value[k]->kind != NTK_NODE_SCALAR) return 0;
    const int parts = count_parts(key->value[k]->text);

    if (parts > most) most = parts;
  }
  return most > 1 ? most : 0;
}

ntk_status ntk_axis_key_shorten(int64_t count, ntk_axis_key *key) {
  const int most = most_parts(key, count);
  const char **tails = NULL;

  if (most == 0) return NTK_OK;
  NTK_TRY(NTK_NEW(count, &tails));
  for (int parts = 1; parts < most && key->parts == 0; ++parts) {
    if (are_distinct(key, count, parts, tails)) key->parts = parts;
  }
  ntk_free(&tails);
  return NTK_OK;
}

static ntk_status add_label(const ntk_node *node, int parts, ntk_text *text) {
  if (node->kind != NTK_NODE_SCALAR) return ntk_node_print_flow(node, text);
  return ntk_text_add(text, "%s", parts ? tail(node->text, parts) : node->text);
}

ntk_status ntk_axis_key_label(const ntk_axis_key *key, int64_t k, ntk_text *text) {
  return add_label(key->value[k], key->parts, text);
}

ntk_status ntk_axis_label(const ntk_axis *axis, int64_t k, ntk_text *text) {
  return axis->zipped ? add_label(axis->value[k], 0, text)
                      : ntk_axis_key_label(&axis->key[0], k, text);
}

static bool as_number(const ntk_node *node, double *number) {
  return node->kind == NTK_NODE_SCALAR && !node->quoted && ntk_scalar_real(node->text, number);
}

bool ntk_axis_number(const ntk_axis *axis, int64_t k, double *number) {
  return as_number(axis->value[k], number);
}

bool ntk_axis_key_number(const ntk_axis_key *key, int64_t k, double *number) {
  return as_number(key->value[k], number);
}
