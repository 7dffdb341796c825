/* sweep.h -- the product of the axes of `sweep:`.
 *
 * Points are numbered row-major, the last axis fastest.  A config without `sweep:` is one point. */
#ifndef NTK_CONFIG_SWEEP_H
#define NTK_CONFIG_SWEEP_H

#include "ntk/config/tree.h"

typedef struct ntk_axis {
  const char *path;  /* "network.width" */
  const char *name;  /* coordinate in sweep.h5: last component when unique, else path with '_' */
  int64_t count;
  ntk_node **value;  /* [count] */
  ntk_mark mark;
} ntk_axis;

typedef struct ntk_sweep {
  int64_t axis_count, point_count;
  ntk_axis *axis;
} ntk_sweep;

/* Local.  Reads `sweep:` of the tree: lists, `a..b`, {linspace}, {geomspace}.  The sweep lives in
 * the tree's arena.  Refused as problems: an empty axis, a repeated value, a path into run, output,
 * sweep, format or name, a path inside another axis, more than 10^6 points.  With a problem the
 * sweep is the one point of a config without `sweep:`.  Fails only with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_sweep_read(ntk_tree *tree, ntk_sweep *sweep, ntk_problems *problems);

/* Local.  Index along axis k of point `point`. */
int64_t ntk_sweep_index(const ntk_sweep *sweep, int64_t point, int64_t k);

/* Local.  The config of one point: the root without `sweep:`, the axes' values put in place.  That
 * a path leads nowhere shows when the point is bound, as a problem at the axis. */
NTK_CHECKED ntk_status ntk_sweep_point(const ntk_tree *tree, const ntk_sweep *sweep,
                                       int64_t point, ntk_arena *arena, ntk_node **root,
                                       ntk_problems *problems);

/* Local.  A value of an axis as text for tables and coordinates ("64", "he_normal"). */
NTK_CHECKED ntk_status ntk_axis_label(const ntk_axis *axis, int64_t k, ntk_text *text);

/* Local.  The value as a number; false if it is a word. */
bool ntk_axis_number(const ntk_axis *axis, int64_t k, double *number);

#endif
