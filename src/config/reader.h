/* reader.h -- libyaml's events as nodes; private to this floor. */
#ifndef NTK_CONFIG_READER_H
#define NTK_CONFIG_READER_H

#include "ntk/config/tree.h"

/* Local.  Reads the one document of a text into nodes of the arena.
 *   source  lives as long as the nodes; the YAML begins `skip` bytes into its text, in line 1
 *   length  bytes of the whole text as it came; it is cut where a NUL was among them
 *   root    NULL if there is no document, or if the text could not be read to its end
 * Fails only with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_read_yaml(ntk_arena *arena, const ntk_source *source, size_t skip,
                                     size_t length, ntk_node **root, ntk_problems *problems);

/* Local.  A source of the arena with copies of both texts. */
NTK_CHECKED ntk_status ntk_source_new(ntk_arena *arena, const char *name, const char *text,
                                      ntk_source **source);

/* Local.  A scalar, or an empty mapping or sequence. */
NTK_CHECKED ntk_status ntk_node_new(ntk_arena *arena, ntk_node_kind kind, ntk_mark mark,
                                    const char *text, ntk_node **node);

/* Local.  Adds a pair to a mapping. */
NTK_CHECKED ntk_status ntk_node_add(ntk_arena *arena, ntk_node *mapping, const char *key,
                                    ntk_mark mark, ntk_node *value);

/* Local.  Removes pair k. */
void ntk_node_remove(ntk_node *mapping, int64_t k);

/* Local.  Position of a key in a mapping, -1 if it is not there. */
int64_t ntk_node_index(const ntk_node *mapping, const char *key);

/* Local.  Appends a node in flow style, on one line. */
NTK_CHECKED ntk_status ntk_node_print_flow(const ntk_node *node, ntk_text *text);

/* Local.  A plain scalar without text: `key:` and nothing behind it. */
bool ntk_node_empty(const ntk_node *node);

#endif
