/* --set a.b=v */
#include <stdio.h>
#include <string.h>

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

/* Takes the axis away that the assignment replaces; reports one that would undo it. */
static void look_at_axes(const ntk_tree *tree, const assignment *a, bool *removed_axis,
                         ntk_problems *problems) {
  ntk_node *axes = ntk_node_find(tree->root, "sweep");

  if (!axes || axes->kind != NTK_NODE_MAPPING) return;
  for (int64_t k = axes->count - 1; k >= 0; --k) {
    if (strcmp(axes->key[k], a->path) == 0) {
      ntk_node_remove(axes, k);
      *removed_axis = true;
    } else if (is_inside(a->path, axes->key[k])) {
      ntk_problem(
          problems, a->mark,
          "the sweep sets '%.80s' at every point, so '%.80s' would have no effect; override "
          "the former",
          axes->key[k], a->path);
    }
  }
}

/* "sweep.a.b=[1, 2]": below `sweep`, the rest of the path is one key. */
static ntk_status put_axis(ntk_tree *tree, const assignment *a, const char *path) {
  ntk_node *axes = ntk_node_find(tree->root, "sweep");

  if (!axes) {
    NTK_TRY(ntk_node_new(&tree->arena, NTK_NODE_MAPPING, a->mark, NULL, &axes));
    NTK_TRY(ntk_node_add(&tree->arena, tree->root, "sweep", a->mark, axes));
  }
  if (axes->kind != NTK_NODE_MAPPING) return NTK_OK; /* ntk_sweep_read says what is wrong */
  const int64_t k = ntk_node_index(axes, path);

  if (k >= 0) ntk_node_remove(axes, k);
  return ntk_node_add(&tree->arena, axes, path, a->mark, a->value);
}

ntk_status ntk_tree_override(ntk_tree *tree, const char *text, bool *removed_axis,
                             ntk_problems *problems) {
  assignment a = {.path = ""};

  *removed_axis = false;
  NTK_TRY(read_assignment(&tree->arena, text, &a, problems));
  if (!a.value) return NTK_OK;
  if (is_inside(a.path, "sweep")) return put_axis(tree, &a, a.path + strlen("sweep."));
  look_at_axes(tree, &a, removed_axis, problems);
  return ntk_node_put(&tree->arena, tree->root, a.path, a.mark, a.value, problems);
}
