#include "ntk/config/tree.h"

#include <string.h>

#include "reader.h"

static ntk_status read_root(ntk_tree *tree, const ntk_source *source, size_t length,
                            ntk_problems *problems) {
  const int64_t before = problems->count;
  ntk_node *root = NULL;

  tree->broken = true;
  if (length > NTK_CONFIG_BYTES) {
    ntk_problem(problems, tree->root->mark, "larger than 1 MiB, so it is no config");
    return NTK_OK;
  }
  NTK_TRY(ntk_read_yaml(&tree->arena, source, 0, length, &root, problems));
  if (root && root->kind == NTK_NODE_MAPPING) {
    tree->root = root;
    tree->broken = false;
  } else if (root && !ntk_node_empty(root)) {
    ntk_problem(problems, root->mark, "a config is a mapping: lines of the form 'key: value'");
  } else if (problems->count == before) {
    ntk_problem(problems, tree->root->mark,
                "there is nothing in it; `ntkrun reference` prints a config with every key");
  }
  return NTK_OK;
}

static ntk_status read_bytes(const char *name, const char *bytes, size_t length, ntk_tree *tree,
                             ntk_problems *problems) {
  const ntk_mark nowhere = {0};
  const bool marked = length >= 3 && strncmp(bytes, "\xef\xbb\xbf", 3) == 0;
  const size_t skip = marked ? 3 : 0; /* the mark that says: this is UTF-8 */
  ntk_source *source = NULL;

  NTK_TRY(ntk_node_new(&tree->arena, NTK_NODE_MAPPING, nowhere, NULL, &tree->root));
  NTK_TRY(ntk_source_new(&tree->arena, name, bytes + skip, &source));
  tree->root->mark = (ntk_mark){source, 0, 0};
  return read_root(tree, source, length - skip, problems);
}

ntk_status ntk_tree_load(const char *path, ntk_tree *tree, ntk_problems *problems) {
  char *bytes = NULL;
  size_t length = 0;
  ntk_status status = ntk_text_read_file(path, NTK_CONFIG_BYTES, &bytes, &length);

  if (status == NTK_E_INPUT) return read_bytes(path, "", NTK_CONFIG_BYTES + 1, tree, problems);
  if (status == NTK_OK) status = read_bytes(path, bytes, length, tree, problems);
  ntk_free(&bytes);
  return status;
}

ntk_status ntk_tree_parse(const char *name, const char *text, ntk_tree *tree,
                          ntk_problems *problems) {
  const size_t length = strlen(text);

  return read_bytes(name, length > NTK_CONFIG_BYTES ? "" : text, length, tree, problems);
}

void ntk_tree_destroy(ntk_tree *tree) {
  ntk_arena_destroy(&tree->arena);
  *tree = (ntk_tree){0};
}
