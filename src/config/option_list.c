/* Lists and ranges. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bind.h"
#include "reader.h"

/* An entry of a list, as the row of the list would describe it. */
static ntk_status bind_entry(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                             ntk_option_type type, const ntk_node *node, void *field) {
  ntk_option entry = *o;

  entry.type = type;
  entry.flags = 0;
  return ntk_bind_value(b, place, &entry, node, field);
}

static void needs_list(ntk_binder *b, const ntk_place *place, const ntk_node *node,
                       const char *forms) {
  if (node->kind == NTK_NODE_SCALAR && !ntk_node_empty(node) && strlen(node->text) < 60) {
    ntk_fault_at(b, place, node->mark, "needs %s, not '%s'; a list of one is [%s]", forms,
                 node->text, node->text);
  } else {
    ntk_fault_at(b, place, node->mark, "needs %s", forms);
  }
}

/* `a..b` with a <= b; reports what is wrong with it.  False if the node is not of that form. */
static bool read_range(ntk_binder *b, const ntk_place *place, const ntk_node *node, int64_t *first,
                       int64_t *count) {
  int64_t last = 0;

  *count = 0;
  if (node->kind != NTK_NODE_SCALAR || node->quoted) return false;
  if (!ntk_scalar_range(node->text, first, &last)) return false;
  if (last < *first) {
    ntk_fault_at(b, place, node->mark, "the range %.80s is empty; write the smaller end first",
                 node->text);
  } else if ((double)last - (double)*first >= NTK_MOST_ENTRIES) {
    ntk_fault_at(b, place, node->mark, "the range %.80s has more than %d entries", node->text,
                 NTK_MOST_ENTRIES);
  } else {
    *count = last - *first + 1;
  }
  return true;
}

static bool range_fits(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                       const ntk_node *node, int64_t first, int64_t count) {
  char low[NTK_REAL_TEXT], high[NTK_REAL_TEXT];

  if ((double)first >= o->low && (double)(first + count - 1) <= o->high) return true;
  ntk_fault_at(b, place, node->mark, "the range %.80s leaves [%s, %s]", node->text,
               ntk_real_text(o->low, low), ntk_real_text(o->high, high));
  return false;
}

/* ---- integers, texts ---------------------------------------------------------------------------
 */

static ntk_status bind_int_list(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                                const ntk_node *node, ntk_ints *field) {
  const int64_t before = b->faults;
  ntk_ints list = {.count = node->count};

  NTK_TRY(ntk_arena_new(b->arena, (size_t)list.count * sizeof(*list.item), &list.item));
  for (int64_t k = 0; k < list.count; ++k) {
    NTK_TRY(bind_entry(b, place, o, NTK_INT, node->child[k], &list.item[k]));
  }
  if (b->faults == before) *field = list;
  return NTK_OK;
}

static ntk_status bind_ints(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                            const ntk_node *node, ntk_ints *field) {
  int64_t first = 0;
  ntk_ints list = {0};

  if (o->flags & NTK_ALL && ntk_is_word(node, "all")) {
    *field = (ntk_ints){-1, NULL};
    return NTK_OK;
  }
  if (o->flags & NTK_AUTO && ntk_is_word(node, "auto")) {
    *field = (ntk_ints){0, NULL};
    return NTK_OK;
  }
  if (node->kind == NTK_NODE_SEQUENCE) return bind_int_list(b, place, o, node, field);
  if (!read_range(b, place, node, &first, &list.count)) {
    needs_list(
        b, place, node,
        o->flags & NTK_ALL ? "a list of integers, a..b or all" : "a list of integers or a..b");
    return NTK_OK;
  }
  if (list.count == 0 || !range_fits(b, place, o, node, first, list.count)) return NTK_OK;
  NTK_TRY(ntk_arena_new(b->arena, (size_t)list.count * sizeof(*list.item), &list.item));
  for (int64_t k = 0; k < list.count; ++k) list.item[k] = first + k;
  *field = list;
  return NTK_OK;
}

static ntk_status bind_strings(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                               const ntk_node *node, ntk_strings *field) {
  const int64_t before = b->faults;
  ntk_strings list = {.count = node->count};

  if (node->kind != NTK_NODE_SEQUENCE) {
    needs_list(b, place, node, "a list");
    return NTK_OK;
  }
  NTK_TRY(ntk_arena_new(b->arena, (size_t)list.count * sizeof(*list.item), &list.item));
  for (int64_t k = 0; k < list.count; ++k) {
    NTK_TRY(bind_entry(b, place, o, NTK_STRING, node->child[k], &list.item[k]));
  }
  if (b->faults == before) *field = list;
  return NTK_OK;
}

/* ---- axes of images ----------------------------------------------------------------------------
 */

static bool is_two(const ntk_node *node) {
  return node->kind == NTK_NODE_SEQUENCE && node->count == 2;
}

static ntk_status bind_two(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                           const ntk_node *node, int64_t two[2]) {
  NTK_TRY(bind_entry(b, place, o, NTK_INT, node->child[0], &two[0]));
  return bind_entry(b, place, o, NTK_INT, node->child[1], &two[1]);
}

static ntk_status bind_pair(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                            const ntk_node *node, ntk_pair *field) {
  const int64_t before = b->faults;
  ntk_pair pair = {0};

  if (node->kind == NTK_NODE_SCALAR) {
    NTK_TRY(bind_entry(b, place, o, NTK_INT, node, &pair.item[0]));
    pair.item[1] = pair.item[0];
  } else if (is_two(node)) {
    NTK_TRY(bind_two(b, place, o, node, pair.item));
  } else {
    ntk_fault_at(b, place, node->mark, "needs an integer or [height, width]");
  }
  if (b->faults == before) *field = pair;
  return NTK_OK;
}

static ntk_status bind_padding(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                               const ntk_node *node, ntk_padding *field) {
  static const char forms[] = "a word or [[top, bottom], [left, right]]";
  const int64_t before = b->faults;
  ntk_padding padding = {0};
  int64_t number = 0;

  if (node->kind == NTK_NODE_SCALAR && !node->quoted && ntk_scalar_int(node->text, &number)) {
    ntk_fault_at(b, place, node->mark, "needs %s, such as [[%s, %s], [%s, %s]]", forms, node->text,
                 node->text, node->text, node->text);
  } else if (node->kind == NTK_NODE_SCALAR) {
    padding.row = ntk_bind_row(b, place, o, node);
  } else if (is_two(node) && is_two(node->child[0]) && is_two(node->child[1])) {
    NTK_TRY(bind_two(b, place, o, node->child[0], padding.amount[0]));
    NTK_TRY(bind_two(b, place, o, node->child[1], padding.amount[1]));
  } else {
    ntk_fault_at(b, place, node->mark, "needs %s", forms);
  }
  if (b->faults == before) *field = padding;
  return NTK_OK;
}

/* ---- grids -------------------------------------------------------------------------------------
 */

static const char *grid_forms(const ntk_option *o) {
  return o->flags & NTK_ENDS
             ? "a list of numbers, {linspace: [a, b, k]} or {geomspace: [a, b, k]}, "
               "the latter two also with zero: true and infinity: true"
             : "a list of numbers, {linspace: [a, b, k]} or {geomspace: [a, b, k]}";
}

static ntk_status bind_grid_list(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                                 const ntk_node *node, ntk_grid_spec *grid) {
  int64_t first = 0;
  const bool range = read_range(b, place, node, &first, &grid->count);

  grid->kind = NTK_GRID_LIST;
  if (!range && (node->kind != NTK_NODE_SEQUENCE || node->count == 0)) {
    needs_list(b, place, node, grid_forms(o));
    return NTK_OK;
  }
  if (!range) grid->count = node->count;
  if (range && grid->count > 0 && !range_fits(b, place, o, node, first, grid->count)) return NTK_OK;
  NTK_TRY(ntk_arena_new(b->arena, (size_t)grid->count * sizeof(*grid->item), &grid->item));
  for (int64_t k = 0; k < grid->count; ++k) {
    if (range) {
      grid->item[k] = (double)(first + k);
    } else {
      NTK_TRY(bind_entry(b, place, o, NTK_REAL, node->child[k], &grid->item[k]));
    }
  }
  return NTK_OK;
}

static ntk_status bind_end(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                           bool positive, const ntk_node *node, double *end) {
  const int64_t before = b->faults;

  *end = NAN;
  if (o->flags & NTK_ENDS && ntk_is_word(node, "auto")) return NTK_OK;
  NTK_TRY(bind_entry(b, place, o, NTK_REAL, node, end));
  if (b->faults == before && positive && *end <= 0) {
    ntk_fault_at(b, place, node->mark, "the ends of a geomspace are positive, %.80s is not",
                 node->text);
  }
  return NTK_OK;
}

/* [a, b, k] */
static ntk_status bind_grid_range(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                                  const ntk_node *node, ntk_grid_spec *grid) {
  const bool positive = grid->kind == NTK_GRID_GEOMSPACE;
  const ntk_option count = {.type = NTK_INT, .low = 1, .high = NTK_MOST_ENTRIES};

  if (node->kind != NTK_NODE_SEQUENCE || node->count != 3) {
    ntk_fault_at(b, place, node->mark,
                 "needs three values: [first, last, number of points], as in [1, 100, 3]");
    return NTK_OK;
  }
  NTK_TRY(bind_end(b, place, o, positive, node->child[0], &grid->first));
  NTK_TRY(bind_end(b, place, o, positive, node->child[1], &grid->last));
  return ntk_bind_value(b, place, &count, node->child[2], &grid->count);
}

static ntk_status bind_grid_key(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                                const ntk_node *node, int64_t k, ntk_grid_spec *grid) {
  static const char *const keys[] = {"linspace", "geomspace", "zero", "infinity"};
  const char *key = node->key[k];
  const ntk_place inner = {place, key};
  ntk_nearest nearest = {.word = key};
  int which = 0;

  while (which < 4 && strcmp(key, keys[which]) != 0) ++which;
  if (which < 2) {
    grid->kind = which == 0 ? NTK_GRID_LINSPACE : NTK_GRID_GEOMSPACE;
    return bind_grid_range(b, &inner, o, node->child[k], grid);
  }
  if (which < 4 && o->flags & NTK_ENDS) {
    bool *flag = which == 2 ? &grid->zero : &grid->infinity;

    return bind_entry(b, &inner, o, NTK_BOOL, node->child[k], flag);
  }
  for (int i = 0; i < (o->flags & NTK_ENDS ? 4 : 2); ++i) ntk_nearest_offer(&nearest, keys[i]);
  if (nearest.best) {
    ntk_fault_at(b, place, node->key_mark[k], "unknown key '%.80s'; did you mean '%s'?", key,
                 nearest.best);
  } else {
    ntk_fault_at(b, place, node->key_mark[k], "unknown key '%.80s'; write %s", key, grid_forms(o));
  }
  return NTK_OK;
}

static ntk_status bind_grid(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                            const ntk_node *node, ntk_grid_spec *field) {
  const int64_t before = b->faults;
  ntk_grid_spec grid = {0};

  if (node->kind != NTK_NODE_MAPPING) {
    NTK_TRY(bind_grid_list(b, place, o, node, &grid));
  } else if (!ntk_node_find(node, "linspace") == !ntk_node_find(node, "geomspace")) {
    ntk_fault_at(b, place, node->mark, "needs %s", grid_forms(o));
  } else {
    for (int64_t k = 0; k < node->count; ++k) {
      NTK_TRY(bind_grid_key(b, place, o, node, k, &grid));
    }
  }
  if (b->faults == before) *field = grid;
  return NTK_OK;
}

/* As numpy computes them, so that a grid in a config and one in a notebook agree. */
void ntk_grid_spec_points(const ntk_grid_spec *spec, double auto_first, double auto_last,
                          double *points) {
  const double first = isnan(spec->first) ? auto_first : spec->first;
  const double last = isnan(spec->last) ? auto_last : spec->last;
  const bool geometric = spec->kind == NTK_GRID_GEOMSPACE;
  const double a = geometric ? log10(first) : first, b = geometric ? log10(last) : last;
  const double step = spec->count > 1 ? (b - a) / (double)(spec->count - 1) : 0;

  if (spec->kind == NTK_GRID_LIST) {
    if (spec->count > 0) memcpy(points, spec->item, (size_t)spec->count * sizeof(*points));
    return;
  }
  for (int64_t k = 0; k < spec->count; ++k) {
    const double x = (double)k * step + a;

    points[k] = geometric ? pow(10, x) : x;
  }
  points[0] = first;
  if (spec->count > 1) points[spec->count - 1] = last;
}

ntk_status ntk_bind_list(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                         const ntk_node *node, void *field) {
  switch (o->type) {
    case NTK_INTS:
      return bind_ints(b, place, o, node, field);
    case NTK_STRINGS:
      return bind_strings(b, place, o, node, field);
    case NTK_PAIR:
      return bind_pair(b, place, o, node, field);
    case NTK_PADDING:
      return bind_padding(b, place, o, node, field);
    default:
      return bind_grid(b, place, o, node, field);
  }
}
