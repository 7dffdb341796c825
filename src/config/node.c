#include <stdio.h>
#include <string.h>

#include "ntk/config/scalar.h"
#include "reader.h"

/* ---- making ------------------------------------------------------------------------------------
 */

ntk_status ntk_node_new(ntk_arena *arena, ntk_node_kind kind, ntk_mark mark, const char *text,
                        ntk_node **node) {
  NTK_TRY(ntk_arena_new(arena, sizeof(**node), node));
  (*node)->kind = kind;
  (*node)->mark = mark;
  (*node)->text = text;
  return NTK_OK;
}

static ntk_status make_room(ntk_arena *arena, int64_t count, ntk_node *like) {
  NTK_TRY(ntk_arena_new(arena, (size_t)count * sizeof(*like->child), &like->child));
  if (like->kind != NTK_NODE_MAPPING) return NTK_OK;
  NTK_TRY(ntk_arena_new(arena, (size_t)count * sizeof(*like->key), &like->key));
  return ntk_arena_new(arena, (size_t)count * sizeof(*like->key_mark), &like->key_mark);
}

ntk_status ntk_node_add(ntk_arena *arena, ntk_node *mapping, const char *key, ntk_mark mark,
                        ntk_node *value) {
  const size_t n = (size_t)mapping->count;
  ntk_node grown = *mapping;

  NTK_TRY(make_room(arena, mapping->count + 1, &grown));
  if (n > 0) {
    memcpy(grown.child, mapping->child, n * sizeof(*grown.child));
    memcpy(grown.key, mapping->key, n * sizeof(*grown.key));
    memcpy(grown.key_mark, mapping->key_mark, n * sizeof(*grown.key_mark));
  }
  grown.child[n] = value;
  grown.key[n] = key;
  grown.key_mark[n] = mark;
  grown.count = mapping->count + 1;
  *mapping = grown;
  return NTK_OK;
}

void ntk_node_remove(ntk_node *mapping, int64_t k) {
  for (--mapping->count; k < mapping->count; ++k) {
    mapping->child[k] = mapping->child[k + 1];
    mapping->key[k] = mapping->key[k + 1];
    mapping->key_mark[k] = mapping->key_mark[k + 1];
  }
}

ntk_status ntk_node_copy(ntk_arena *arena, const ntk_node *node, ntk_node **copy) {
  ntk_node *made = NULL;

  NTK_TRY(ntk_arena_new(arena, sizeof(*made), &made));
  *made = *node;
  *copy = made;
  if (node->count == 0) return NTK_OK;
  NTK_TRY(make_room(arena, node->count, made));
  if (node->kind == NTK_NODE_MAPPING) {
    memcpy(made->key, node->key, (size_t)node->count * sizeof(*made->key));
    memcpy(made->key_mark, node->key_mark, (size_t)node->count * sizeof(*made->key_mark));
  }
  for (int64_t k = 0; k < node->count; ++k) {
    NTK_TRY(ntk_node_copy(arena, node->child[k], &made->child[k]));
  }
  return NTK_OK;
}

/* ---- finding -----------------------------------------------------------------------------------
 */

bool ntk_node_empty(const ntk_node *node) {
  return node->kind == NTK_NODE_SCALAR && !node->quoted && !*node->text;
}

int64_t ntk_node_index(const ntk_node *mapping, const char *key) {
  for (int64_t k = 0; k < mapping->count && mapping->kind == NTK_NODE_MAPPING; ++k) {
    if (strcmp(mapping->key[k], key) == 0) return k;
  }
  return -1;
}

ntk_node *ntk_node_find(const ntk_node *node, const char *key) {
  const int64_t k = ntk_node_index(node, key);

  return k < 0 ? NULL : node->child[k];
}

const char *ntk_node_item_name(const ntk_node *item) {
  static const char *const keys[] = {"label", "name"};

  if (item->kind == NTK_NODE_SCALAR) return item->text;
  if (item->kind != NTK_NODE_MAPPING || item->count != 1) return NULL;
  for (int k = 0; k < 2; ++k) {
    const ntk_node *name = ntk_node_find(item->child[0], keys[k]);

    if (name && name->kind == NTK_NODE_SCALAR && *name->text) return name->text;
  }
  return item->key[0];
}

static const char *kind_of(const ntk_node *item) {
  if (item->kind == NTK_NODE_SCALAR) return item->text;
  return item->kind == NTK_NODE_MAPPING && item->count == 1 ? item->key[0] : NULL;
}

/* "dense1" for the second item of a kind, if nothing names it.  The number counts all of the kind,
 * as names of layers do. */
static bool default_name(const ntk_node *sequence, int64_t k, char name[NTK_WORD_TEXT]) {
  const char *kind = kind_of(sequence->child[k]);
  int before = 0;

  if (!kind || ntk_node_item_name(sequence->child[k]) != kind) return false;
  for (int64_t i = 0; i < k; ++i) {
    const char *other = kind_of(sequence->child[i]);

    before += other && strcmp(other, kind) == 0;
  }
  (void)snprintf(name, NTK_WORD_TEXT, "%s%d", kind, before);
  return true;
}

/* The item of that name, else of that default name; -1 unless there is exactly one; *count tells
 * how many there are. */
static int64_t find_item(const ntk_node *sequence, const char *name, int *count) {
  char other[NTK_WORD_TEXT];
  int64_t found = -1;

  *count = 0;
  for (int64_t k = 0; k < sequence->count; ++k) {
    const char *own = ntk_node_item_name(sequence->child[k]);

    if (!own || strcmp(own, name) != 0) continue;
    ++*count;
    found = k;
  }
  for (int64_t k = 0; k < sequence->count && found < 0; ++k) {
    if (!default_name(sequence, k, other) || strcmp(other, name) != 0) continue;
    ++*count;
    found = k;
  }
  return *count == 1 ? found : -1;
}

/* Components are cut off a path one by one; none is longer than any key that exists. */
enum { COMPONENT = 256 };

static bool next_component(const char **path, char component[COMPONENT]) {
  const size_t length = strcspn(*path, ".");

  if (length == 0) return false;
  (void)snprintf(component, COMPONENT, "%.*s", (int)(length < COMPONENT ? length : COMPONENT - 1),
                 *path);
  *path += length + ((*path)[length] == '.');
  return true;
}

ntk_node *ntk_node_at(const ntk_node *root, const char *path) {
  char component[COMPONENT];
  const ntk_node *node = root;
  ntk_node *found = NULL;

  while (node && next_component(&path, component)) {
    int count = 0;

    found = ntk_node_find(node, component);
    if (node->kind == NTK_NODE_SEQUENCE && find_item(node, component, &count) >= 0) {
      found = node->child[find_item(node, component, &count)];
      if (found->kind == NTK_NODE_MAPPING) found = found->child[0];
    }
    node = found;
  }
  return *path ? NULL : found;
}

/* The one spelling of an item's name: a lone item of its kind goes by the kind and by its number. */
static const char *spelling(const ntk_node *sequence, int64_t k, char number[NTK_WORD_TEXT]) {
  const char *own = ntk_node_item_name(sequence->child[k]);
  int count = 0;

  (void)find_item(sequence, own, &count);
  return count > 1 && default_name(sequence, k, number) ? number : own;
}

/* The item that a component names, entered as ntk_node_at does; NULL if there is none. */
static const ntk_node *spell_item(const ntk_node *node, const char **component,
                                  char number[NTK_WORD_TEXT]) {
  int count = 0;

  if (!node || node->kind != NTK_NODE_SEQUENCE) return node ? ntk_node_find(node, *component) : NULL;
  const int64_t k = find_item(node, *component, &count);

  if (k < 0) return NULL;
  *component = spelling(node, k, number);
  return node->child[k]->kind == NTK_NODE_MAPPING ? node->child[k]->child[0] : NULL;
}

ntk_status ntk_node_spell_path(ntk_arena *arena, const ntk_node *root, const char *path,
                               const char **spelled) {
  char component[COMPONENT], number[NTK_WORD_TEXT];
  const ntk_node *node = root;
  const char *rest = path;
  ntk_text text = {0};
  ntk_status status = NTK_OK;

  while (status == NTK_OK && strlen(path) < COMPONENT && next_component(&rest, component)) {
    const char *word = component;

    node = spell_item(node, &word, number);
    status = ntk_text_add(&text, "%s%s", text.length ? "." : "", word);
  }
  if (status == NTK_OK) {
    status = ntk_arena_copy(arena, *rest ? path : ntk_text_string(&text), spelled);
  }
  ntk_text_destroy(&text);
  return status;
}

/* ---- putting -----------------------------------------------------------------------------------
 */

typedef struct putter {
  ntk_arena *arena;
  const char *path; /* all of it, for messages */
  ntk_mark mark;
  ntk_problems *problems;
} putter;

static ntk_status list_items(const ntk_node *sequence, ntk_text *text) {
  for (int64_t k = 0; k < sequence->count && text->length < 300; ++k) {
    const char *name = ntk_node_item_name(sequence->child[k]);

    if (name) NTK_TRY(ntk_text_add(text, "%s'%s'", text->length ? ", " : "", name));
  }
  return NTK_OK;
}

static ntk_status refuse_item(const putter *p, const ntk_node *sequence, const char *name,
                              int count) {
  ntk_nearest nearest = {.word = name};
  ntk_text names = {0};
  const ntk_status status = list_items(sequence, &names);

  for (int64_t k = 0; k < sequence->count; ++k) {
    const char *own = ntk_node_item_name(sequence->child[k]);

    if (own) ntk_nearest_offer(&nearest, own);
  }
  if (count > 1) {
    ntk_problem(p->problems, p->mark,
                "'%.80s': several items of the list are called '%.80s'; give each a label or name, or "
                "take '%.80s0', '%.80s1', ...",
                p->path, name, name, name);
  } else if (nearest.best) {
    ntk_problem(p->problems, p->mark,
                "'%.80s': the list has no item '%.80s'; did you mean '%.80s'?", p->path, name,
                nearest.best);
  } else {
    ntk_problem(p->problems, p->mark, "'%.80s': the list has no item '%.80s', only %s", p->path,
                name, names.length ? names.data : "nothing at all");
  }
  ntk_text_destroy(&names);
  return status;
}

/* The place that holds the options of an item; NULL after a problem.  A word becomes
 * {word: {}}. */
static ntk_status item_slot(const putter *p, ntk_node *sequence, const char *name,
                            ntk_node ***slot) {
  int count = 0;
  const int64_t k = find_item(sequence, name, &count);

  *slot = NULL;
  if (k < 0) return refuse_item(p, sequence, name, count);
  ntk_node *item = sequence->child[k], *options = NULL, *made = NULL;

  if (item->kind == NTK_NODE_SCALAR) {
    NTK_TRY(ntk_node_new(p->arena, NTK_NODE_MAPPING, item->mark, NULL, &made));
    NTK_TRY(ntk_node_new(p->arena, NTK_NODE_MAPPING, item->mark, NULL, &options));
    NTK_TRY(ntk_node_add(p->arena, made, item->text, item->mark, options));
    sequence->child[k] = item = made;
  }
  *slot = &item->child[0];
  return NTK_OK;
}

/* The place of a key; made if it is not there, with NULL in it. */
static ntk_status key_slot(const putter *p, ntk_node *mapping, const char *key, ntk_node ***slot) {
  int64_t k = ntk_node_index(mapping, key);
  const char *copy = NULL;

  if (k < 0) {
    k = mapping->count;
    NTK_TRY(ntk_arena_copy(p->arena, key, &copy));
    NTK_TRY(ntk_node_add(p->arena, mapping, copy, p->mark, NULL));
  }
  *slot = &mapping->child[k];
  return NTK_OK;
}

/* A mapping in the slot, also where a word or a number stands. */
static ntk_status make_mapping(const putter *p, ntk_node **slot) {
  ntk_node *was = *slot;

  NTK_TRY(ntk_node_new(p->arena, NTK_NODE_MAPPING, p->mark, NULL, slot));
  if (was && !ntk_node_empty(was)) (*slot)->was = was;
  return NTK_OK;
}

/* Down one component. */
static ntk_status enter(const putter *p, const char *component, ntk_node ***slot) {
  if (!**slot || (**slot)->kind == NTK_NODE_SCALAR) NTK_TRY(make_mapping(p, *slot));
  ntk_node *node = **slot;

  if (node->kind == NTK_NODE_SEQUENCE) return item_slot(p, node, component, slot);
  return key_slot(p, node, component, slot);
}

ntk_status ntk_node_put(ntk_arena *arena, ntk_node *root, const char *path, ntk_mark mark,
                        ntk_node *value, ntk_problems *problems) {
  const putter p = {arena, path, mark, problems};
  char component[COMPONENT];
  ntk_node *top = root, **slot = &top;

  while (slot && next_component(&path, component)) NTK_TRY(enter(&p, component, &slot));
  if (slot) *slot = value;
  return NTK_OK;
}

/* ---- printing ----------------------------------------------------------------------------------
 */

/* Scalars, and short lists of them, fit on the line of their key. */
static bool fits_line(const ntk_node *node) {
  size_t length = 0;

  if (node->kind == NTK_NODE_SCALAR || node->count == 0) return true;
  if (node->kind == NTK_NODE_MAPPING) return false;
  for (int64_t k = 0; k < node->count; ++k) {
    if (node->child[k]->kind != NTK_NODE_SCALAR) return false;
    length += strlen(node->child[k]->text) + 2;
  }
  return length < 80;
}

ntk_status ntk_node_print_flow(const ntk_node *node, ntk_text *text) {
  const bool mapping = node->kind == NTK_NODE_MAPPING;

  if (node->kind == NTK_NODE_SCALAR) return ntk_scalar_print(node->text, node->quoted, text);
  NTK_TRY(ntk_text_add(text, mapping ? "{" : "["));
  for (int64_t k = 0; k < node->count; ++k) {
    if (k > 0) NTK_TRY(ntk_text_add(text, ", "));
    if (mapping) {
      NTK_TRY(ntk_scalar_print(node->key[k], false, text));
      NTK_TRY(ntk_text_add(text, ": "));
    }
    NTK_TRY(ntk_node_print_flow(node->child[k], text));
  }
  return ntk_text_add(text, mapping ? "}" : "]");
}

static ntk_status print_block(const ntk_node *node, int indent, bool hanging, ntk_text *text);

/* Behind "key:" or "-". */
static ntk_status print_value(const ntk_node *node, int indent, bool item, ntk_text *text) {
  if (fits_line(node)) {
    NTK_TRY(ntk_text_add(text, " "));
    NTK_TRY(ntk_node_print_flow(node, text));
    return ntk_text_add(text, "\n");
  }
  NTK_TRY(ntk_text_add(text, item ? " " : "\n"));
  return print_block(node, indent + 2, item, text);
}

/* Complete lines; a hanging block begins in the middle of one. */
static ntk_status print_block(const ntk_node *node, int indent, bool hanging, ntk_text *text) {
  for (int64_t k = 0; k < node->count; ++k) {
    if (k > 0 || !hanging) NTK_TRY(ntk_text_add(text, "%*s", indent, ""));
    if (node->kind == NTK_NODE_SEQUENCE) {
      NTK_TRY(ntk_text_add(text, "-"));
      NTK_TRY(print_value(node->child[k], indent, true, text));
    } else {
      NTK_TRY(ntk_scalar_print(node->key[k], false, text));
      NTK_TRY(ntk_text_add(text, ":"));
      NTK_TRY(print_value(node->child[k], indent, false, text));
    }
  }
  return NTK_OK;
}

ntk_status ntk_node_print(const ntk_node *node, int indent, ntk_text *text) {
  if (!fits_line(node)) return print_block(node, indent, false, text);
  NTK_TRY(ntk_text_add(text, "%*s", indent, ""));
  NTK_TRY(ntk_node_print_flow(node, text));
  return ntk_text_add(text, "\n");
}
