#include "ntk/config/sweep.h"

#include <stdio.h>
#include <string.h>

#include "axes.h"
#include "reader.h"

enum { MOST_AXES = 100 };

static const ntk_place sweep_place = {NULL, "sweep"};

/* ---- keys --------------------------------------------------------------------------------------
 */

static bool is_inside(const char *path, const char *outer) {
  const size_t length = strlen(outer);

  return strncmp(path, outer, length) == 0 && (path[length] == '.' || path[length] == '\0');
}

static bool good_path(ntk_binder *b, const char *path, ntk_mark mark) {
  static const char *const fixed[] = {"run",    "output", "sweep",
                                      "format", "name",   "relative_to", NULL};

  for (int k = 0; fixed[k]; ++k) {
    if (!is_inside(path, fixed[k])) continue;
    ntk_fault_bare(b, mark, "'%.80s' cannot be swept: '%s' is the same for all points", path,
                   fixed[k]);
    return false;
  }
  if (*path == '\0' || *path == '.' || path[strlen(path) - 1] == '.' || strstr(path, "..")) {
    ntk_fault_bare(b, mark, "'%.80s' is no path; an axis is named as in `network.width: [64, 128]`",
                   path);
    return false;
  }
  return true;
}

static ntk_status read_key(ntk_binder *b, const ntk_place *up, const ntk_node *mapping, int64_t k,
                           ntk_axis_key *key, ntk_values *values) {
  const ntk_place place = {up, mapping->key[k]};

  *values = (ntk_values){0};
  *key = (ntk_axis_key){.path = mapping->key[k], .mark = mapping->key_mark[k]};
  if (!good_path(b, key->path, key->mark)) return NTK_OK;
  NTK_TRY(ntk_node_spell_path(b->arena, b->root, mapping->key[k], &key->path));
  NTK_TRY(ntk_values_read(b, &place, mapping->child[k], values));
  key->value = values->item;
  return values->count ? ntk_axis_key_shorten(values->count, key) : NTK_OK;
}

/* ---- axes --------------------------------------------------------------------------------------
 */

/* An axis of the product. */
static ntk_status read_axis(ntk_binder *b, const ntk_node *axes, int64_t k, ntk_axis *axis) {
  const ntk_place place = {&sweep_place, axes->key[k]};
  ntk_values values = {0};

  *axis = (ntk_axis){0};
  NTK_TRY(ntk_arena_new(b->arena, sizeof(*axis->key), &axis->key));
  NTK_TRY(read_key(b, &sweep_place, axes, k, axis->key, &values));
  axis->path = axis->key->path;
  axis->mark = axes->key_mark[k];
  axis->key_count = 1;
  axis->count = values.count;
  axis->value = values.item;
  return axis->count > 0 ? ntk_axis_refuse_repetition(b, &place, axis) : NTK_OK;
}

static bool good_name(const char *name) {
  static const char *const taken[] = {"point", "point_id", "status", "message", "seconds", NULL};

  for (int k = 0; taken[k]; ++k) {
    if (strcmp(name, taken[k]) == 0) return false;
  }
  const size_t length =
      strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");

  return length > 0 && length < NTK_WORD_TEXT && !name[length] && !strchr("0123456789", *name);
}

/* The values of the coordinate of a zip: its labels, or positions. */
static ntk_status read_labels(ntk_binder *b, const ntk_place *up, const ntk_node *zip,
                              ntk_axis *axis) {
  const ntk_place place = {up, "label"};
  const int64_t before = b->faults;
  const ntk_node *node = ntk_node_find(zip, "label");
  ntk_values labels = {0};

  if (!node) {
    NTK_TRY(ntk_values_count(b, zip->mark, axis->count, &labels));
  } else {
    NTK_TRY(ntk_values_read(b, &place, node, &labels));
    for (int64_t k = 0; k < labels.count; ++k) {
      if (labels.item[k]->kind == NTK_NODE_SCALAR) continue;
      ntk_fault_at(b, &place, labels.item[k]->mark, "a label is a word or a number");
    }
    if (b->faults == before) NTK_TRY(ntk_values_refuse_repetition(b, &place, &labels));
  }
  axis->value = labels.item;
  if (b->faults == before && labels.count != axis->count) {
    ntk_fault_at(b, &place, node ? node->mark : zip->mark,
                 "%lld label%s, but the keys have %lld values each", (long long)labels.count,
                 labels.count == 1 ? "" : "s", (long long)axis->count);
  }
  return NTK_OK;
}

static ntk_status add_zip_key(ntk_binder *b, const ntk_place *place, const ntk_node *zip, int64_t k,
                              ntk_axis *axis) {
  const ntk_axis_key *first = &axis->key[0];
  const int64_t before = b->faults;
  ntk_values values = {0};

  NTK_TRY(read_key(b, place, zip, k, &axis->key[axis->key_count], &values));
  if (b->faults != before) return NTK_OK;
  if (axis->key_count++ == 0) axis->count = values.count;
  if (values.count != axis->count) {
    ntk_fault_at(b, place, zip->child[k]->mark,
                 "'%.80s' has %lld value%s, '%.80s' has %lld; keys of one axis have lists of one "
                 "length",
                 zip->key[k], (long long)values.count, values.count == 1 ? "" : "s", first->path,
                 (long long)axis->count);
  }
  return NTK_OK;
}

static ntk_status read_zip_keys(ntk_binder *b, const ntk_place *place, const ntk_node *zip,
                                ntk_axis *axis) {
  const int64_t before = b->faults;

  NTK_TRY(ntk_arena_new(b->arena, (size_t)zip->count * sizeof(*axis->key), &axis->key));
  for (int64_t k = 0; k < zip->count; ++k) {
    if (strcmp(zip->key[k], "label") != 0) NTK_TRY(add_zip_key(b, place, zip, k, axis));
  }
  if (axis->key_count == 0) {
    if (b->faults == before) {
      ntk_fault_at(b, place, zip->mark, "only labels; add keys and their values");
    }
    return NTK_OK;
  }
  NTK_TRY(read_labels(b, place, zip, axis));
  return b->faults == before ? ntk_axis_refuse_repetition(b, place, axis) : NTK_OK;
}

static const char zip_form[] =
    "needs keys and their values, as in shape: {label: [wide, deep], network.width: [256, 16], "
    "network.depth: [1, 8]}";

static ntk_status read_zip(ntk_binder *b, const ntk_place *up, const ntk_node *zips, int64_t k,
                           ntk_axis *axis) {
  const ntk_place place = {up, zips->key[k]};
  const ntk_node *zip = zips->child[k];
  ntk_text path = {0};

  *axis = (ntk_axis){.zipped = true, .name = zips->key[k], .mark = zips->key_mark[k]};
  ntk_status status = ntk_text_add(&path, "zip.%s", axis->name);
  if (status == NTK_OK) status = ntk_arena_copy(b->arena, ntk_text_string(&path), &axis->path);
  ntk_text_destroy(&path);
  NTK_TRY(status);
  if (!good_name(axis->name)) {
    ntk_fault_at(b, up, axis->mark,
                 "'%.80s' cannot be the name of an axis; take letters, digits and _, and none of "
                 "point, point_id, status, message, seconds",
                 axis->name);
  }
  if (zip->kind == NTK_NODE_MAPPING && zip->count > 0) return read_zip_keys(b, &place, zip, axis);
  ntk_fault_at(b, &place, zip->mark, zip_form);
  return NTK_OK;
}

static ntk_status read_zips(ntk_binder *b, const ntk_node *zips, ntk_sweep *sweep) {
  const ntk_place place = {&sweep_place, "zip"};

  if (zips->kind != NTK_NODE_MAPPING || zips->count > MOST_AXES) {
    ntk_fault_at(b, &place, zips->mark, zip_form);
    return NTK_OK;
  }
  for (int64_t k = 0; k < zips->count; ++k) {
    const int64_t before = b->faults;

    NTK_TRY(read_zip(b, &place, zips, k, &sweep->axis[sweep->axis_count]));
    sweep->axis_count += b->faults == before;
  }
  return NTK_OK;
}

/* ---- between axes ------------------------------------------------------------------------------
 */

/* Key number *n counted over all axes; NULL behind the last one. */
static ntk_axis_key *key_at(const ntk_sweep *sweep, int64_t n) {
  for (int64_t k = 0; k < sweep->axis_count; ++k) {
    if (n < sweep->axis[k].key_count) return &sweep->axis[k].key[n];
    n -= sweep->axis[k].key_count;
  }
  return NULL;
}

static void refuse_pair(ntk_binder *b, const ntk_axis_key *inner, const ntk_axis_key *outer) {
  if (strcmp(inner->path, outer->path) == 0) {
    ntk_fault_bare(b, inner->mark, "'%.80s' is an axis already, in line %d; remove one",
                   inner->path, outer->mark.line);
  } else {
    ntk_fault_bare(b, inner->mark,
                   "'%.80s' lies inside '%.80s', which is an axis too; put the combinations into "
                   "the values of the latter",
                   inner->path, outer->path);
  }
}

/* Of two equal paths the later one is reported. */
static void refuse_nesting(ntk_binder *b, const ntk_sweep *sweep) {
  const ntk_axis_key *inner = NULL, *outer = NULL;

  for (int64_t k = 0; (inner = key_at(sweep, k)); ++k) {
    for (int64_t i = 0; (outer = key_at(sweep, i)); ++i) {
      if (i == k || !is_inside(inner->path, outer->path)) continue;
      if (i < k || strcmp(inner->path, outer->path) != 0) refuse_pair(b, inner, outer);
    }
  }
}

static const char *last_component(const char *path) {
  const char *dot = strrchr(path, '.');

  return dot ? dot + 1 : path;
}

/* How many axes and keys the name would fit. */
static int count_name(const ntk_sweep *sweep, const char *name) {
  const ntk_axis_key *key = NULL;
  int count = 0;

  for (int64_t k = 0; k < sweep->axis_count; ++k) {
    count += sweep->axis[k].zipped && strcmp(sweep->axis[k].name, name) == 0;
  }
  for (int64_t k = 0; (key = key_at(sweep, k)); ++k) {
    count += strcmp(last_component(key->path), name) == 0;
  }
  return count;
}

static ntk_status name_key(ntk_arena *arena, const ntk_sweep *sweep, ntk_axis_key *key) {
  char *copy = NULL;

  key->name = last_component(key->path);
  if (count_name(sweep, key->name) < 2) return NTK_OK;
  NTK_TRY(ntk_arena_new(arena, strlen(key->path) + 1, &copy));
  memcpy(copy, key->path, strlen(key->path) + 1);
  for (char *s = copy; *s; ++s) *s = *s == '.' ? '_' : *s;
  key->name = copy;
  return NTK_OK;
}

static ntk_status name_axes(ntk_binder *b, ntk_sweep *sweep) {
  ntk_axis_key *key = NULL;

  for (int64_t k = 0; (key = key_at(sweep, k)); ++k) NTK_TRY(name_key(b->arena, sweep, key));
  for (int64_t k = 0; k < sweep->axis_count; ++k) {
    ntk_axis *axis = &sweep->axis[k];

    if (!axis->zipped && axis->key_count > 0) axis->name = axis->key[0].name;
    for (int64_t i = 0; axis->zipped && (key = key_at(sweep, i)); ++i) {
      if (strcmp(key->name, axis->name) != 0) continue;
      ntk_fault_bare(b, axis->mark, "'%.80s' is what '%.80s' will be called; choose another name",
                     axis->name, key->path);
    }
  }
  return NTK_OK;
}

static void count_points(ntk_binder *b, ntk_mark mark, ntk_sweep *sweep) {
  char text[NTK_REAL_TEXT];
  double count = 1;

  for (int64_t k = 0; k < sweep->axis_count; ++k) count *= (double)sweep->axis[k].count;
  if (count > NTK_MOST_POINTS) {
    ntk_fault_bare(b, mark, "a sweep of %s points; at most %d are possible",
                   ntk_real_text(count, text), NTK_MOST_POINTS);
    return;
  }
  sweep->point_count = (int64_t)count;
}

/* ---- all of it ---------------------------------------------------------------------------------
 */

/* Only axes without a fault of their own are taken in. */
static ntk_status read_axes(ntk_binder *b, const ntk_node *axes, ntk_sweep *sweep) {
  const ntk_node *zips = ntk_node_find(axes, "zip");
  const int64_t most = axes->count + (zips ? zips->count : 0);

  NTK_TRY(ntk_arena_new(b->arena, (size_t)most * sizeof(*sweep->axis), &sweep->axis));
  for (int64_t k = 0; k < axes->count; ++k) {
    const int64_t before = b->faults;

    if (strcmp(axes->key[k], "skip") == 0) continue;
    if (strcmp(axes->key[k], "zip") == 0) {
      NTK_TRY(read_zips(b, axes->child[k], sweep));
    } else {
      NTK_TRY(read_axis(b, axes, k, &sweep->axis[sweep->axis_count]));
      sweep->axis_count += b->faults == before;
    }
  }
  return NTK_OK;
}

static ntk_status read_sweep(ntk_binder *b, const ntk_node *axes, ntk_sweep *sweep) {
  const ntk_node *skip = ntk_node_find(axes, "skip");

  NTK_TRY(read_axes(b, axes, sweep));
  const int64_t before = b->faults;

  refuse_nesting(b, sweep);
  NTK_TRY(name_axes(b, sweep));
  count_points(b, axes->mark, sweep);
  if (b->faults != before) *sweep = (ntk_sweep){.point_count = 1};
  return b->faults || !skip ? NTK_OK : ntk_skips_read(b, skip, sweep);
}

ntk_status ntk_sweep_read(ntk_tree *tree, ntk_sweep *sweep, ntk_problems *problems) {
  const ntk_node *axes = ntk_node_find(tree->root, "sweep");
  ntk_binder b = {"", &tree->arena, problems, 0, tree->root};

  *sweep = (ntk_sweep){.point_count = 1};
  if (!axes) return NTK_OK;
  if (axes->kind == NTK_NODE_MAPPING && axes->count <= MOST_AXES) {
    NTK_TRY(read_sweep(&b, axes, sweep));
  } else {
    ntk_fault_at(&b, &sweep_place, axes->mark,
                 "needs a mapping of at most %d paths to their values, as in "
                 "`network.width: [64, 128]`",
                 MOST_AXES);
  }
  if (b.faults) sweep->skip_count = 0;
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

static ntk_status put_values(const ntk_axis *axis, int64_t k, ntk_arena *arena, ntk_node *root,
                             ntk_problems *problems) {
  for (int64_t i = 0; i < axis->key_count; ++i) {
    const ntk_axis_key *key = &axis->key[i];
    ntk_node *value = NULL;

    NTK_TRY(ntk_node_copy(arena, key->value[k], &value));
    NTK_TRY(ntk_node_put(arena, root, key->path, key->mark, value, problems));
  }
  return NTK_OK;
}

ntk_status ntk_sweep_point(const ntk_tree *tree, const ntk_sweep *sweep, int64_t point,
                           ntk_arena *arena, ntk_node **root, ntk_problems *problems) {
  NTK_TRY(copy_without_sweep(arena, tree->root, root));
  for (int64_t k = 0; k < sweep->axis_count; ++k) {
    NTK_TRY(put_values(&sweep->axis[k], ntk_sweep_index(sweep, point, k), arena, *root, problems));
  }
  return NTK_OK;
}
