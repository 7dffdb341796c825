#include "ntk/config/sweep.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bind.h"
#include "reader.h"

enum { NTK_MOST_POINTS = 1000000 };

/* ---- the values of an axis ---------------------------------------------------------------------
 */

static ntk_status take_list(const ntk_node *list, ntk_axis *axis, ntk_problems *problems) {
  axis->count = list->count;
  axis->value = list->child;
  for (int64_t k = 0; k < list->count; ++k) {
    if (!ntk_node_empty(list->child[k])) continue;
    ntk_problem(problems, list->child[k]->mark, "sweep.%.80s: an empty value", axis->path);
  }
  return NTK_OK;
}

static ntk_status add_scalar(ntk_arena *arena, ntk_mark mark, const char *text, ntk_node **node) {
  const char *copy = NULL;

  NTK_TRY(ntk_arena_copy(arena, text, &copy));
  return ntk_node_new(arena, NTK_NODE_SCALAR, mark, copy, node);
}

static ntk_status take_range(ntk_arena *arena, const ntk_node *node, int64_t first, int64_t count,
                             ntk_axis *axis) {
  char text[NTK_REAL_TEXT];

  NTK_TRY(ntk_arena_new(arena, (size_t)count * sizeof(*axis->value), &axis->value));
  for (axis->count = 0; axis->count < count; ++axis->count) {
    (void)snprintf(text, sizeof(text), "%" PRId64, first + axis->count);
    NTK_TRY(add_scalar(arena, node->mark, text, &axis->value[axis->count]));
  }
  return NTK_OK;
}

static ntk_status take_points(ntk_arena *arena, const ntk_node *node, const ntk_grid_spec *grid,
                              ntk_axis *axis) {
  double *points = NULL;
  char text[NTK_REAL_TEXT];

  NTK_TRY(ntk_arena_new(arena, (size_t)grid->count * sizeof(*points), &points));
  NTK_TRY(ntk_arena_new(arena, (size_t)grid->count * sizeof(*axis->value), &axis->value));
  ntk_grid_spec_points(grid, 0, 0, points);
  for (axis->count = 0; axis->count < grid->count; ++axis->count) {
    ntk_real_text(points[axis->count], text);
    NTK_TRY(add_scalar(arena, node->mark, text, &axis->value[axis->count]));
  }
  return NTK_OK;
}

/* {linspace: [a, b, k]} and {geomspace: [a, b, k]}, read as an option of that type. */
static ntk_status take_grid(ntk_arena *arena, const ntk_node *node, ntk_axis *axis,
                            ntk_problems *problems) {
  static const ntk_option option = {.type = NTK_GRID, .low = -1.7e308, .high = 1.7e308};
  const ntk_place sweep = {NULL, "sweep"}, place = {&sweep, axis->path};
  ntk_binder b = {"", arena, problems, 0};
  ntk_grid_spec grid = {0};

  NTK_TRY(ntk_bind_value(&b, &place, &option, node, &grid));
  return b.faults ? NTK_OK : take_points(arena, node, &grid, axis);
}

static ntk_status take_values(ntk_arena *arena, const ntk_node *node, ntk_axis *axis,
                              ntk_problems *problems) {
  const int64_t before = problems->count;
  int64_t first = 0, last = 0;

  if (node->kind == NTK_NODE_SEQUENCE) {
    NTK_TRY(take_list(node, axis, problems));
  } else if (node->kind == NTK_NODE_MAPPING) {
    NTK_TRY(take_grid(arena, node, axis, problems));
  } else if (!node->quoted && ntk_scalar_range(node->text, &first, &last)) {
    if ((double)last - (double)first >= NTK_MOST_POINTS) {
      ntk_problem(problems, node->mark, "sweep.%.80s: more than %d values", axis->path,
                  NTK_MOST_POINTS);
    } else if (last >= first) {
      NTK_TRY(take_range(arena, node, first, last - first + 1, axis));
    }
  } else {
    ntk_problem(problems, node->mark,
                "sweep.%.80s: needs a list, a..b, {linspace: [a, b, k]} or {geomspace: [a, b, k]}; "
                "a single value belongs outside of `sweep`",
                axis->path);
  }
  if (axis->count == 0 && problems->count == before) {
    ntk_problem(problems, node->mark, "sweep.%.80s: no values; write some, or remove the line",
                axis->path);
  }
  return NTK_OK;
}

/* ---- repeated values ---------------------------------------------------------------------------
 */

typedef struct spelled {
  ntk_text text;
  int64_t k;
} spelled;

/* The same text for the same value: 1, 1.0 and 1e0 are one number, "1" is a text. */
static ntk_status spell(const ntk_node *node, ntk_text *text) {
  char number[NTK_REAL_TEXT];
  double value = 0;

  if (node->kind != NTK_NODE_SCALAR) return ntk_node_print_flow(node, text);
  if (!node->quoted && ntk_scalar_real(node->text, &value)) {
    return ntk_text_add(text, "%s", ntk_real_text(value + 0.0, number));
  }
  return ntk_scalar_print(node->text, node->quoted, text);
}

static int by_text(const void *a, const void *b) {
  const spelled *left = a, *right = b;
  const int order = strcmp(ntk_text_string(&left->text), ntk_text_string(&right->text));

  return order ? order : (left->k > right->k) - (left->k < right->k);
}

static ntk_status spell_all(const ntk_axis *axis, spelled *all) {
  for (int64_t k = 0; k < axis->count; ++k) {
    all[k].k = k;
    NTK_TRY(spell(axis->value[k], &all[k].text));
  }
  return NTK_OK;
}

static ntk_status refuse_repetition(const ntk_axis *axis, ntk_problems *problems) {
  spelled *all = NULL;

  NTK_TRY(NTK_NEW(axis->count, &all));
  const ntk_status status = spell_all(axis, all);

  if (status == NTK_OK && axis->count > 1) {
    qsort(all, (size_t)axis->count, sizeof(*all), by_text);
    for (int64_t k = 1; k < axis->count; ++k) {
      if (strcmp(ntk_text_string(&all[k - 1].text), ntk_text_string(&all[k].text)) != 0) continue;
      ntk_problem(problems, axis->value[all[k].k]->mark,
                  "sweep.%.80s: the value %.80s is there twice; remove one", axis->path,
                  ntk_text_string(&all[k].text));
    }
  }
  for (int64_t k = 0; k < axis->count; ++k) ntk_text_destroy(&all[k].text);
  ntk_free(&all);
  return status;
}

/* ---- axes --------------------------------------------------------------------------------------
 */

static bool is_inside(const char *path, const char *outer) {
  const size_t length = strlen(outer);

  return strncmp(path, outer, length) == 0 && (path[length] == '.' || path[length] == '\0');
}

static bool good_path(const ntk_axis *axis, ntk_problems *problems) {
  static const char *const fixed[] = {"run", "output", "sweep", "format", "name", NULL};
  const char *path = axis->path;

  for (int k = 0; fixed[k]; ++k) {
    if (!is_inside(path, fixed[k])) continue;
    ntk_problem(problems, axis->mark, "'%.80s' cannot be swept: '%s' is the same for all points",
                path, fixed[k]);
    return false;
  }
  if (*path == '.' || path[strlen(path) - 1] == '.' || strstr(path, "..")) {
    ntk_problem(problems, axis->mark,
                "'%.80s' is no path; an axis is named as in `network.width: [64, 128]`", path);
    return false;
  }
  return true;
}

static void refuse_nesting(const ntk_sweep *sweep, ntk_problems *problems) {
  for (int64_t k = 0; k < sweep->axis_count; ++k) {
    for (int64_t i = 0; i < sweep->axis_count; ++i) {
      if (i == k || !is_inside(sweep->axis[k].path, sweep->axis[i].path)) continue;
      ntk_problem(
          problems, sweep->axis[k].mark,
          "'%.80s' lies inside '%.80s', which is an axis too; put the combinations into the "
          "values of the latter",
          sweep->axis[k].path, sweep->axis[i].path);
    }
  }
}

static const char *last_component(const char *path) {
  const char *dot = strrchr(path, '.');

  return dot ? dot + 1 : path;
}

static ntk_status name_axis(ntk_arena *arena, const ntk_sweep *sweep, ntk_axis *axis) {
  const char *name = last_component(axis->path);
  char *copy = NULL;
  int count = 0;

  for (int64_t k = 0; k < sweep->axis_count; ++k) {
    count += strcmp(last_component(sweep->axis[k].path), name) == 0;
  }
  axis->name = name;
  if (count < 2) return NTK_OK;
  NTK_TRY(ntk_arena_new(arena, strlen(axis->path) + 1, &copy));
  memcpy(copy, axis->path, strlen(axis->path) + 1);
  for (char *s = copy; *s; ++s) *s = *s == '.' ? '_' : *s;
  axis->name = copy;
  return NTK_OK;
}

static ntk_status read_axis(ntk_arena *arena, const ntk_node *axes, int64_t k, ntk_axis *axis,
                            ntk_problems *problems) {
  axis->path = axes->key[k];
  axis->mark = axes->key_mark[k];
  if (!good_path(axis, problems)) return NTK_OK;
  NTK_TRY(take_values(arena, axes->child[k], axis, problems));
  return axis->count > 0 ? refuse_repetition(axis, problems) : NTK_OK;
}

static void count_points(const ntk_node *axes, ntk_sweep *sweep, ntk_problems *problems) {
  char text[NTK_REAL_TEXT];
  double count = 1;

  for (int64_t k = 0; k < sweep->axis_count; ++k) count *= (double)sweep->axis[k].count;
  if (count > NTK_MOST_POINTS) {
    ntk_problem(problems, axes->mark, "a sweep of %s points; at most %d are possible",
                ntk_real_text(count, text), NTK_MOST_POINTS);
    return;
  }
  sweep->point_count = (int64_t)count;
}

enum { MOST_AXES = 100 };

ntk_status ntk_sweep_read(ntk_tree *tree, ntk_sweep *sweep, ntk_problems *problems) {
  const ntk_node *axes = ntk_node_find(tree->root, "sweep");
  const int64_t before = problems->count;

  *sweep = (ntk_sweep){.point_count = 1};
  if (!axes) return NTK_OK;
  if (axes->kind != NTK_NODE_MAPPING || axes->count > MOST_AXES) {
    ntk_problem(problems, axes->mark,
                "sweep: needs a mapping of at most %d paths to their values, as in "
                "`network.width: [64, 128]`",
                MOST_AXES);
    return NTK_OK;
  }
  const size_t bytes = (size_t)axes->count * sizeof(*sweep->axis);

  NTK_TRY(ntk_arena_new(&tree->arena, bytes, &sweep->axis));
  for (int64_t k = 0; k < axes->count; ++k, ++sweep->axis_count) {
    NTK_TRY(read_axis(&tree->arena, axes, k, &sweep->axis[k], problems));
  }
  refuse_nesting(sweep, problems);
  for (int64_t k = 0; k < sweep->axis_count; ++k) {
    NTK_TRY(name_axis(&tree->arena, sweep, &sweep->axis[k]));
  }
  if (problems->count == before) count_points(axes, sweep, problems);
  if (problems->count != before) *sweep = (ntk_sweep){.point_count = 1};
  return NTK_OK;
}

int64_t ntk_sweep_index(const ntk_sweep *sweep, int64_t point, int64_t k) {
  for (int64_t i = sweep->axis_count - 1; i > k; --i) point /= sweep->axis[i].count;
  return point % sweep->axis[k].count;
}

/* ---- points ------------------------------------------------------------------------------------
 */

static ntk_status copy_without_sweep(ntk_arena *arena, const ntk_node *root, ntk_node **copy) {
  ntk_node *child = NULL;

  NTK_TRY(ntk_node_new(arena, NTK_NODE_MAPPING, root->mark, NULL, copy));
  for (int64_t k = 0; k < root->count; ++k) {
    if (strcmp(root->key[k], "sweep") == 0) continue;
    NTK_TRY(ntk_node_copy(arena, root->child[k], &child));
    NTK_TRY(ntk_node_add(arena, *copy, root->key[k], root->key_mark[k], child));
  }
  return NTK_OK;
}

ntk_status ntk_sweep_point(const ntk_tree *tree, const ntk_sweep *sweep, int64_t point,
                           ntk_arena *arena, ntk_node **root, ntk_problems *problems) {
  NTK_TRY(copy_without_sweep(arena, tree->root, root));
  for (int64_t k = 0; k < sweep->axis_count; ++k) {
    const ntk_axis *axis = &sweep->axis[k];
    ntk_node *value = NULL;

    NTK_TRY(ntk_node_copy(arena, axis->value[ntk_sweep_index(sweep, point, k)], &value));
    NTK_TRY(ntk_node_put(arena, *root, axis->path, axis->mark, value, problems));
  }
  return NTK_OK;
}

ntk_status ntk_axis_label(const ntk_axis *axis, int64_t k, ntk_text *text) {
  const ntk_node *node = axis->value[k];

  if (node->kind == NTK_NODE_SCALAR) return ntk_text_add(text, "%s", node->text);
  return ntk_node_print_flow(node, text);
}

bool ntk_axis_number(const ntk_axis *axis, int64_t k, double *number) {
  const ntk_node *node = axis->value[k];

  return node->kind == NTK_NODE_SCALAR && !node->quoted && ntk_scalar_real(node->text, number);
}
