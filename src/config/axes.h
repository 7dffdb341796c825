/* axes.h -- what the files that read `sweep:` share; private to this floor. */
#ifndef NTK_CONFIG_AXES_H
#define NTK_CONFIG_AXES_H

#include "bind.h"
#include "ntk/config/sweep.h"

enum { NTK_MOST_POINTS = 1000000 };

/* Values in a row, as they are written behind an axis. */
typedef struct ntk_values {
  int64_t count;
  ntk_node **item;
} ntk_values;

/* Local.  Reads a list, a..b, {linspace} or {geomspace}; a problem leaves the values empty.
 * Fails only with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_values_read(ntk_binder *b, const ntk_place *place, const ntk_node *node,
                                       ntk_values *values);

/* Local.  0, 1, ..., count - 1. */
NTK_CHECKED ntk_status ntk_values_count(ntk_binder *b, ntk_mark mark, int64_t count,
                                        ntk_values *values);

/* Local.  Reports values of an axis that are there twice: of several keys, all at once. */
NTK_CHECKED ntk_status ntk_axis_refuse_repetition(ntk_binder *b, const ntk_place *place,
                                                  const ntk_axis *axis);

/* Local.  The same of a zip's labels. */
NTK_CHECKED ntk_status ntk_values_refuse_repetition(ntk_binder *b, const ntk_place *place,
                                                    const ntk_values *values);

/* Local.  Finds out how many parts of its paths tell a key's values apart. */
NTK_CHECKED ntk_status ntk_axis_key_shorten(int64_t count, ntk_axis_key *key);

/* Local.  The same text for the same value: 1, 1.0 and 1e0 are one number, "1" is a text. */
NTK_CHECKED ntk_status ntk_spell(const ntk_node *node, ntk_text *text);

/* Local.  Reads `skip` of a sweep whose axes are complete.  Fails only with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_skips_read(ntk_binder *b, const ntk_node *node, ntk_sweep *sweep);

#endif
