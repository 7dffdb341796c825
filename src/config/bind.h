/* bind.h -- what the files that bind nodes to settings share; private to this floor. */
#ifndef NTK_CONFIG_BIND_H
#define NTK_CONFIG_BIND_H

#include "ntk/config/option.h"
#include "ntk/config/scalar.h"

/* A dotted path as a chain of its components; spelled out only when there is a problem. */
typedef struct ntk_place {
  const struct ntk_place *up;
  const char *key;
} ntk_place;

typedef struct ntk_binder {
  const char *directory;
  ntk_arena *arena;
  ntk_problems *problems;
  int64_t faults; /* problems found so far, also those that were known already */
  const ntk_node *root; /* of the config, where paths are read (sweeps); else NULL */
} ntk_binder;

enum { NTK_PLACE_TEXT = 320, NTK_HINT_TEXT = 400, NTK_MOST_ENTRIES = 1000000 };

/* Returns `text`; "" for the root. */
const char *ntk_place_text(const ntk_place *place, char text[NTK_PLACE_TEXT]);

/* "network.width: MESSAGE" */
void ntk_fault_at(ntk_binder *b, const ntk_place *place, ntk_mark mark, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The same, without the path in front. */
void ntk_fault_bare(ntk_binder *b, ntk_mark mark, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Fills the field of a row from a node; a problem leaves the field alone.
 * Each fails only with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_bind_value(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                                      const ntk_node *node, void *field);
NTK_CHECKED ntk_status ntk_bind_list(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                                     const ntk_node *node, void *field);
NTK_CHECKED ntk_status ntk_bind_path(ntk_binder *b, const ntk_place *place, const ntk_node *node,
                                     const char **field);

/* A row of the registry from a plain scalar; NULL after a problem. */
const ntk_row *ntk_bind_row(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                            const ntk_node *node);

/* The problem of a scalar that names no row: with the word that was meant, if that can be told. */
void ntk_unknown_word(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                      const ntk_node *node);

/* Whether a node is a plain scalar with that text. */
bool ntk_is_word(const ntk_node *node, const char *word);

/* Whether a node is a scalar that may be a number or a word; else a problem that says what was
 * wanted ("an integer"). */
bool ntk_wants_plain(ntk_binder *b, const ntk_place *place, const ntk_node *node, const char *what);

/* A copy of a scalar's text in the binder's arena. */
NTK_CHECKED ntk_status ntk_keep_text(ntk_binder *b, const char *text, const char **copy);

/* The default of a row as a node, in the binder's arena; `plain` is room for a scalar one. */
NTK_CHECKED ntk_status ntk_fallback_node(ntk_binder *b, const ntk_option *o, ntk_node *plain,
                                         const ntk_node **node);

#endif
