/* sweep.h -- `sweep:` as a grid of points: the product of its axes, without what `skip` names.
 *
 *   sweep:
 *     data.train.count: [128, 256, 512]          an axis: a key by its path, and its values
 *     zip:                                       several keys as one axis; lists of one length
 *       shape: {label: [wide, deep], network.width: [256, 16], network.depth: [1, 8]}
 *     skip: [{data.train.count: 512, shape: deep}]
 *
 * Points are numbered row-major, the last axis fastest, skipped ones included.  A config without
 * `sweep:` is one point. */
#ifndef NTK_CONFIG_SWEEP_H
#define NTK_CONFIG_SWEEP_H

#include "ntk/config/tree.h"

/* A key that an axis sets. */
typedef struct ntk_axis_key {
  const char *path; /* "network.width" */
  const char *name; /* in sweep.h5: last component when unique, else path with '_' */
  ntk_mark mark;
  ntk_node **value; /* [count of the axis] */
  int parts;        /* of paths of files, from the end, that tell the values apart; 0: the text */
} ntk_axis_key;

typedef struct ntk_axis {
  const char *path; /* of its only key; "zip.shape" for a zipped one */
  const char *name; /* coordinate in sweep.h5; "shape" */
  ntk_mark mark;
  int64_t count;
  ntk_node **value; /* [count] of the coordinate: of its only key; labels, or 0, 1, ... of a zip */
  bool zipped;
  int64_t key_count; /* 1 unless zipped */
  ntk_axis_key *key;
} ntk_axis;

/* An entry of `skip`: a point is left out if every axis has one of the values covered. */
typedef struct ntk_skip {
  bool **covers; /* [axis_count][count of the axis]; NULL: any value */
} ntk_skip;

typedef struct ntk_sweep {
  int64_t axis_count, point_count; /* of the whole grid */
  ntk_axis *axis;
  int64_t skip_count;
  ntk_skip *skip;
} ntk_sweep;

/* Local.  Reads `sweep:` of the tree: lists, `a..b`, {linspace}, {geomspace}; values of a geomspace
 * between integers that are integers but for rounding are integers.  The sweep lives in the tree's
 * arena.  Refused as problems: an empty axis, a repeated value, a path into run, output, sweep,
 * format or name, a path that is an axis twice or lies inside another, lists of different lengths
 * in a zip, a skip of what does not exist, more than 10^6 points, none that is not skipped.  With a
 * problem the sweep has the axes that are in order, to find more problems by; nothing else.
 * Fails only with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_sweep_read(ntk_tree *tree, ntk_sweep *sweep, ntk_problems *problems);

/* Local.  Index along axis k of point `point`. */
int64_t ntk_sweep_index(const ntk_sweep *sweep, int64_t point, int64_t k);

/* Local.  Whether `skip` names the point. */
bool ntk_sweep_skips(const ntk_sweep *sweep, int64_t point);

/* Local.  The config of one point: the root without `sweep:`, the axes' values put in place.  That
 * a path leads nowhere shows when the point is bound, as a problem at the axis. */
NTK_CHECKED ntk_status ntk_sweep_point(const ntk_tree *tree, const ntk_sweep *sweep,
                                       int64_t point, ntk_arena *arena, ntk_node **root,
                                       ntk_problems *problems);

/* Local.  A value of an axis, or of one of its keys, as text for tables and coordinates ("64",
 * "he_normal"); of files the name, with as many folders as tell them all apart. */
NTK_CHECKED ntk_status ntk_axis_label(const ntk_axis *axis, int64_t k, ntk_text *text);
NTK_CHECKED ntk_status ntk_axis_key_label(const ntk_axis_key *key, int64_t k, ntk_text *text);

/* Local.  The value as a number; false if it is a word. */
bool ntk_axis_number(const ntk_axis *axis, int64_t k, double *number);
bool ntk_axis_key_number(const ntk_axis_key *key, int64_t k, double *number);

/* Local.  The value as text that is the same for every spelling: 1, 1.0 and 1e0 are one number. */
NTK_CHECKED ntk_status ntk_axis_key_spell(const ntk_axis_key *key, int64_t k, ntk_text *text);

#endif
