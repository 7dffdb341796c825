/* tree.h -- YAML text as a tree of nodes that remember where they were written, and the list of
 * problems found in it.
 *
 * One file format: YAML 1.1 scalars, sequences and mappings; anchors and aliases; no merge keys,
 * no tags, one document, at most 1 MiB, nesting at most 32. */
#ifndef NTK_CONFIG_TREE_H
#define NTK_CONFIG_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "ntk/base/hash.h"
#include "ntk/base/memory.h"
#include "ntk/base/text.h"

enum {
  NTK_CONFIG_BYTES = 1 << 20,
  NTK_CONFIG_DEPTH = 32,
  NTK_ALIAS_NODES = 20000, /* that aliases may add to a tree */
  NTK_PROBLEMS_LISTED = 100
};

/* A text that nodes come from; lives in the tree's arena.  An override is the source named
 * "command line" with the text "--set a.b=v". */
typedef struct ntk_source {
  const char *name;
  const char *text;
} ntk_source;

typedef struct ntk_mark {
  const ntk_source *source; /* NULL: a value that was never written, such as a default */
  int line, column;         /* from 1, in characters; line 0: the text as a whole */
} ntk_mark;

typedef enum ntk_node_kind { NTK_NODE_SCALAR, NTK_NODE_SEQUENCE, NTK_NODE_MAPPING } ntk_node_kind;

typedef struct ntk_node {
  ntk_node_kind kind;
  ntk_mark mark;
  bool quoted;                /* scalar: written with quotes, so never a number or a word */
  const char *text;           /* scalar */
  int64_t count;              /* children of a sequence, pairs of a mapping */
  struct ntk_node **child;    /* [count] */
  const char **key;           /* [count], mapping only */
  ntk_mark *key_mark;         /* [count], mapping only */
  struct ntk_node *was;       /* mapping: the scalar that it took the place of in ntk_node_put */
} ntk_node;

/* Everything said about a config; one entry a problem, each with its line and a caret:
 *
 *   file.yaml:12:3: error: unknown key 'network.widht'; did you mean 'width'?
 *      12 |   widht: 512
 *         |   ^
 *
 * The same thing said twice of the same place (by two points of a sweep) is one problem.  They are
 * in the order of their sources' first problems, then of lines and columns, those of a text as a whole
 * last.  Those behind the first NTK_PROBLEMS_LISTED are counted, not listed.  Zero-initialise; destroy. */
typedef struct ntk_listed {
  ntk_mark mark;
  size_t length; /* of the entry in the text */
} ntk_listed;

typedef struct ntk_problems {
  ntk_text text;
  int64_t count;
  ntk_key seen[NTK_PROBLEMS_LISTED];
  ntk_listed listed[NTK_PROBLEMS_LISTED]; /* as they stand in the text */
} ntk_problems;

/* A tree and what its nodes live in.  Zero-initialise; destroy. */
typedef struct ntk_tree {
  ntk_arena arena;
  ntk_node *root; /* a mapping */
  bool broken;    /* the text could not be read to its end, so root is empty: nothing that is
                     missing from it is worth mentioning */
} ntk_tree;

/* Local.  Adds a problem; the message names the way out.  Never fails: without memory the
 * message is lost but still counted. */
void ntk_problem(ntk_problems *problems, ntk_mark mark, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void ntk_problems_destroy(ntk_problems *problems);

/* Local.  NTK_OK if there is none, else NTK_E_CONFIG with the whole list as the error's text
 * (cut where it does not fit; print problems->text for all of it). */
NTK_CHECKED ntk_status ntk_problems_status(const ntk_problems *problems);

/* Local.  Reads a file (ntk_tree_parse: a text named `name`) into an empty tree.
 * What is wrong with the YAML goes to `problems` (and the status is then NTK_OK, root may be an
 * empty mapping).  Fails with NTK_E_MISSING, NTK_E_IO, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_tree_load(const char *path, ntk_tree *tree, ntk_problems *problems);
NTK_CHECKED ntk_status ntk_tree_parse(const char *name, const char *text, ntk_tree *tree,
                                      ntk_problems *problems);

/* Local.  Frees the tree with all nodes and sources. */
void ntk_tree_destroy(ntk_tree *tree);

/* Local.  Value of a key of a mapping; NULL if absent or if `node` is no mapping. */
ntk_node *ntk_node_find(const ntk_node *node, const char *key);

/* Local.  The name by which paths address an item of a list of choices: its option `label`, else its
 * option `name`, else the choice itself ("dynamics" for {dynamics: {...}}).  NULL if it is none.  Such
 * an item is also addressed by the choice and its number among all of that choice, from 0 ("dense1"),
 * which is what layers are called in results; by that alone where several items go by the choice. */
const char *ntk_node_item_name(const ntk_node *item);

/* Local.  Value at a dotted path ("network.rng.dtype"); items of a list by their name, the item
 * then standing for its options ("analyses.dynamics.loss").  NULL if absent, or if several items have
 * the name. */
ntk_node *ntk_node_at(const ntk_node *root, const char *path);

/* Local.  The path with items of lists by the one name that tells them apart, so that two paths to
 * one place are the same text: "network.layers.dense0.bias" becomes "network.layers.dense.bias" if
 * there is one such layer.  What leads nowhere stays as it is.
 *   spelled  in `arena` */
NTK_CHECKED ntk_status ntk_node_spell_path(ntk_arena *arena, const ntk_node *root, const char *path,
                                           const char **spelled);

/* Local.  Puts `value` at a dotted path, making mappings on the way; an existing value is
 * replaced.  A word on the way (`outputs: mean` for kernel.outputs.single.output) gives way to a
 * mapping, which remembers it: not every scalar may; a word that is an item of a list becomes
 * {word: {...}}.  What is not written is made with the given mark.  A problem if a list has no item of
 * that name, or several.
 * Nodes come from `arena`; `root` is changed in place. */
NTK_CHECKED ntk_status ntk_node_put(ntk_arena *arena, ntk_node *root, const char *path,
                                    ntk_mark mark, ntk_node *value, ntk_problems *problems);

/* Local.  A copy that shares scalars' text but no node. */
NTK_CHECKED ntk_status ntk_node_copy(ntk_arena *arena, const ntk_node *node, ntk_node **copy);

/* Local.  Applies one `--set path=value` (value is YAML; "path=value" is passed).  If the path is an
 * axis of `sweep:`, that axis is removed and *removed_axis says so; a key of a zip leaves its axis.
 * `skip` then holds as if the axis had that one value.  "sweep.a.b=[1, 2]" sets the axis a.b,
 * "sweep.zip.x.a.b=[1, 2]" a key of the zipped axis x.  Refused as problems: no '=', no value, an
 * empty component, a path inside an axis. */
NTK_CHECKED ntk_status ntk_tree_override(ntk_tree *tree, const char *assignment,
                                         bool *removed_axis, ntk_problems *problems);

/* Local.  Writes a node as YAML (block style, flow style for short sequences of scalars). */
NTK_CHECKED ntk_status ntk_node_print(const ntk_node *node, int indent, ntk_text *text);

#endif
