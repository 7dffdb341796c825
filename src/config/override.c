/* --set a.b=v */
#include <stdio.h>
#include <string.h>

#include "axes.h"
#include "reader.h"

static const char prefix[] = "--set ";

typedef struct assignment {
  ntk_mark mark; /* of the path */
  const char *path;
  ntk_node *value;
} assignment;

static bool good_path(const char *path) {
  if (!*path || *path == '.' || path[strlen(path) - 1] == '.') return false;
  return !strstr(path, "..") && !strpbrk(path, " \t\"'[]{}:");
}

/* Path and value of "a.b=v"; value NULL after a problem. */
static ntk_status read_assignment(ntk_arena *arena, const char *text, assignment *a,
                                  ntk_problems *problems) {
  const int64_t before = problems->count;
  ntk_source *source = NULL;
  char *whole = NULL;

  NTK_TRY(ntk_arena_new(arena, sizeof(prefix) + strlen(text), &whole));
  (void)snprintf(whole, sizeof(prefix) + strlen(text), "%s%s", prefix, text);
  NTK_TRY(ntk_source_new(arena, "command line", whole, &source));
  a->mark = (ntk_mark){source, 1, (int)sizeof(prefix)};
  const size_t length = strcspn(text, "=");
  char *path = NULL;

  NTK_TRY(ntk_arena_new(arena, length + 1, &path));
  memcpy(path, text, length);
  a->path = path;
  if (!text[length] || !good_path(path)) {
    ntk_problem(problems, a->mark,
                "an override has the form --set path=value, as in "
                "--set network.width=512");
    return NTK_OK;
  }
  NTK_TRY(
      ntk_read_yaml(arena, source, sizeof(prefix) + length, strlen(whole), &a->value, problems));
  if ((!a->value || ntk_node_empty(a->value)) && problems->count == before) {
    a->value = NULL;
    ntk_problem(problems, a->mark, "no value behind '='; write one, \"\" for an empty text");
  }
  return NTK_OK;
}

static bool is_inside(const char *path, const char *outer) {
  const size_t length = strlen(outer);

  return strncmp(path, outer, length) == 0 && path[length] == '.';
}

/* ---- axes that the assignment replaces ---------------------------------------------------------
 */

/* Paths are compared in one spelling of the names in them. */
static ntk_status spell(ntk_tree *tree, const char *path, const char **spelled) {
  return ntk_node_spell_path(&tree->arena, tree->root, path, spelled);
}

static bool same_value(const ntk_node *a, const ntk_node *b, ntk_status *status) {
  ntk_text text[2] = {{0}, {0}};

  *status = ntk_spell(a, &text[0]);
  if (*status == NTK_OK) *status = ntk_spell(b, &text[1]);
  const bool same = strcmp(ntk_text_string(&text[0]), ntk_text_string(&text[1])) == 0;

  for (int k = 0; k < 2; ++k) ntk_text_destroy(&text[k]);
  return *status == NTK_OK && same;
}

static bool speaks_of(const char *written, const char *path) {
  const char *dot = strrchr(path, '.');

  return strcmp(written, path) == 0 || (dot && strcmp(written, dot + 1) == 0);
}

/* What is left of a rule of `skip` when its axis has one value: the rest, if it is the rule's own;
 * else, or if nothing is left, the rule goes.  False then. */
static ntk_status adjust_rule(ntk_tree *tree, ntk_node *rule, const assignment *a,
                              bool *stays) {
  ntk_status status = NTK_OK;

  *stays = true;
  for (int64_t k = rule->count - 1; k >= 0 && rule->kind == NTK_NODE_MAPPING; --k) {
    const char *written = NULL;

    NTK_TRY(spell(tree, rule->key[k], &written));
    if (!speaks_of(written, a->path)) continue;
    *stays = same_value(rule->child[k], a->value, &status) && rule->count > 1;
    NTK_TRY(status);
    if (!*stays) return NTK_OK;
    ntk_node_remove(rule, k);
  }
  return NTK_OK;
}

static ntk_status adjust_skip(ntk_tree *tree, ntk_node *axes, const assignment *a) {
  ntk_node *skip = ntk_node_find(axes, "skip");
  int64_t left = 0;

  if (!skip || skip->kind != NTK_NODE_SEQUENCE) return NTK_OK;
  for (int64_t k = 0; k < skip->count; ++k) {
    bool stays = true;

    NTK_TRY(adjust_rule(tree, skip->child[k], a, &stays));
    if (stays) skip->child[left++] = skip->child[k];
  }
  skip->count = left;
  return NTK_OK;
}

/* Takes the axis away that the assignment replaces; reports one that would undo it. */
static ntk_status look_at_keys(ntk_tree *tree, ntk_node *keys, const assignment *a,
                               bool *removed_axis, ntk_problems *problems) {
  for (int64_t k = keys->count - 1; k >= 0; --k) {
    const char *key = NULL;

    NTK_TRY(spell(tree, keys->key[k], &key));
    if (strcmp(key, a->path) == 0) {
      ntk_node_remove(keys, k);
      *removed_axis = true;
    } else if (is_inside(a->path, key)) {
      ntk_problem(
          problems, a->mark,
          "the sweep sets '%.80s' at every point, so '%.80s' would have no effect; override "
          "the former",
          key, a->path);
    }
  }
  return NTK_OK;
}

/* A key leaves its zip; the last one takes the axis with it. */
static ntk_status look_at_zips(ntk_tree *tree, ntk_node *axes, const assignment *a,
                               bool *removed_axis, ntk_problems *problems) {
  ntk_node *zips = ntk_node_find(axes, "zip");

  if (!zips || zips->kind != NTK_NODE_MAPPING) return NTK_OK;
  for (int64_t k = zips->count - 1; k >= 0; --k) {
    ntk_node *zip = zips->child[k];

    if (zip->kind != NTK_NODE_MAPPING) continue;
    NTK_TRY(look_at_keys(tree, zip, a, removed_axis, problems));
    if (zip->count == (ntk_node_find(zip, "label") != NULL)) ntk_node_remove(zips, k);
  }
  return NTK_OK;
}

static ntk_status look_at_axes(ntk_tree *tree, const assignment *a, bool *removed_axis,
                               ntk_problems *problems) {
  ntk_node *axes = ntk_node_find(tree->root, "sweep");

  if (!axes || axes->kind != NTK_NODE_MAPPING) return NTK_OK;
  NTK_TRY(look_at_keys(tree, axes, a, removed_axis, problems));
  NTK_TRY(look_at_zips(tree, axes, a, removed_axis, problems));
  return *removed_axis ? adjust_skip(tree, axes, a) : NTK_OK;
}

/* ---- axes that are assigned --------------------------------------------------------------------
 */

/* The mapping behind a key, made if there is none; NULL if something else stands there: then
 * ntk_sweep_read says what is wrong. */
static ntk_status enter(ntk_tree *tree, const assignment *a, const char *key, ntk_node *mapping,
                        ntk_node **inner) {
  const char *copy = NULL;

  *inner = ntk_node_find(mapping, key);
  if (!*inner) {
    NTK_TRY(ntk_arena_copy(&tree->arena, key, &copy));
    NTK_TRY(ntk_node_new(&tree->arena, NTK_NODE_MAPPING, a->mark, NULL, inner));
    NTK_TRY(ntk_node_add(&tree->arena, mapping, copy, a->mark, *inner));
  }
  if ((*inner)->kind != NTK_NODE_MAPPING) *inner = NULL;
  return NTK_OK;
}

static ntk_status put_key(ntk_tree *tree, const assignment *a, const char *key,
                          ntk_node *mapping) {
  const int64_t k = ntk_node_index(mapping, key);

  if (k < 0) return ntk_node_add(&tree->arena, mapping, key, a->mark, a->value);
  mapping->child[k] = a->value; /* an axis with more values is the same axis, at its place */
  mapping->key_mark[k] = a->mark;
  return NTK_OK;
}

/* "NAME" is an axis of its own below `zip`, "NAME.a.b" one of its keys. */
static ntk_status put_zip(ntk_tree *tree, const assignment *a, const char *path, ntk_node *zips) {
  const char *dot = strchr(path, '.');
  ntk_node *zip = NULL;
  char name[NTK_WORD_TEXT];

  if (!dot) return put_key(tree, a, path, zips);
  (void)snprintf(name, sizeof(name), "%.*s", (int)(dot - path), path);
  NTK_TRY(enter(tree, a, name, zips, &zip));
  return zip ? put_key(tree, a, dot + 1, zip) : NTK_OK;
}

/* "sweep.a.b=[1, 2]": below `sweep`, the rest of the path is one key. */
static ntk_status put_axis(ntk_tree *tree, const assignment *a, const char *path) {
  ntk_node *axes = NULL, *zips = NULL;

  NTK_TRY(enter(tree, a, "sweep", tree->root, &axes));
  if (!axes) return NTK_OK;
  if (!is_inside(path, "zip")) return put_key(tree, a, path, axes);
  NTK_TRY(enter(tree, a, "zip", axes, &zips));
  return zips ? put_zip(tree, a, path + strlen("zip."), zips) : NTK_OK;
}

ntk_status ntk_tree_override(ntk_tree *tree, const char *text, bool *removed_axis,
                             ntk_problems *problems) {
  assignment a = {.path = ""};

  *removed_axis = false;
  NTK_TRY(read_assignment(&tree->arena, text, &a, problems));
  if (!a.value) return NTK_OK;
  if (is_inside(a.path, "sweep")) return put_axis(tree, &a, a.path + strlen("sweep."));
  NTK_TRY(spell(tree, a.path, &a.path));
  NTK_TRY(look_at_axes(tree, &a, removed_axis, problems));
  return ntk_node_put(&tree->arena, tree->root, a.path, a.mark, a.value, problems);
}
