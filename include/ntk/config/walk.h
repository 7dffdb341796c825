/* walk.h -- every key that the tables allow, one after the other: for the manual page, completion
 * and tests that no key may escape. */
#ifndef NTK_CONFIG_WALK_H
#define NTK_CONFIG_WALK_H

#include "ntk/config/option.h"

enum { NTK_WALK_PATH = 320 };

/* A key and where it stands. */
typedef struct ntk_walk_key {
  const struct ntk_walk_key *up; /* the key it stands below, or beside if that is a variant; NULL:
                                    the root */
  const ntk_row *row;            /* of `up`, whose option it is; NULL: of a section or the root */
  const ntk_option *option;
  const ntk_option *table;  /* that the option is a row of; ends with {0} */
  char path[NTK_WALK_PATH]; /* as --set takes it: "analyses.dynamics.loss" */
} ntk_walk_key;

typedef ntk_status ntk_walk_visit(void *context, const ntk_walk_key *key);

/* Local.  Visits all keys, those above before those below.  A registry or section inside itself
 * (layers in a block of layers) is not entered again.  Ends at the first status that is not NTK_OK
 * and returns it. */
NTK_CHECKED ntk_status ntk_option_walk(const ntk_section *section, ntk_walk_visit *visit,
                                       void *context);

/* Local.  Appends type and range: "integer, 1 to 4096, or auto". */
NTK_CHECKED ntk_status ntk_option_describe(const ntk_option *option, ntk_text *text);

/* What the words for types mean ("grid", "path"), for those that say it once: name and meaning;
 * ends with NULL. */
extern const char *const ntk_option_legend[][2];

#endif
