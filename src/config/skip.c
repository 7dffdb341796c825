/* `skip:` -- points of the product that are left out. */
#include <string.h>

#include "axes.h"
#include "reader.h"

/* What a key of an entry speaks of: an axis by its name or path, or a key of a zip. */
typedef struct subject {
  int64_t axis;
  const ntk_axis_key *key; /* NULL: the coordinate */
} subject;

static bool is_called(const char *path, const char *name, const char *written) {
  return strcmp(path, written) == 0 || strcmp(name, written) == 0;
}

static bool find_subject(const ntk_sweep *sweep, const char *written, subject *found) {
  for (int64_t k = 0; k < sweep->axis_count; ++k) {
    const ntk_axis *axis = &sweep->axis[k];

    *found = (subject){k, axis->zipped ? NULL : &axis->key[0]};
    if (is_called(axis->path, axis->name, written)) return true;
    for (int64_t i = 0; axis->zipped && i < axis->key_count; ++i) {
      *found = (subject){k, &axis->key[i]};
      if (is_called(axis->key[i].path, axis->key[i].name, written)) return true;
    }
  }
  return false;
}

static void refuse_subject(ntk_binder *b, const ntk_place *place, const ntk_sweep *sweep,
                           const char *written, ntk_mark mark) {
  ntk_nearest nearest = {.word = written};
  ntk_text names = {0};
  ntk_status status = NTK_OK;

  for (int64_t k = 0; k < sweep->axis_count; ++k) {
    const ntk_axis *axis = &sweep->axis[k];
    const char *name = axis->zipped ? axis->name : axis->path;

    ntk_nearest_offer(&nearest, axis->name);
    for (int64_t i = 0; i < axis->key_count; ++i) ntk_nearest_offer(&nearest, axis->key[i].path);
    if (status == NTK_OK) status = ntk_text_add(&names, "%s%s", k ? ", " : "", name);
  }
  if (nearest.best) {
    ntk_fault_at(b, place, mark, "'%.80s' is no axis; did you mean '%s'?", written, nearest.best);
  } else {
    ntk_fault_at(b, place, mark, "'%.80s' is no axis; the axes are %.300s", written,
                 names.length ? names.data : "none");
  }
  ntk_text_destroy(&names);
}

static ntk_status value_label(const ntk_sweep *sweep, subject s, int64_t k, ntk_text *text) {
  return s.key ? ntk_axis_key_label(s.key, k, text) : ntk_axis_label(&sweep->axis[s.axis], k, text);
}

static const ntk_node *value_node(const ntk_sweep *sweep, subject s, int64_t k) {
  return s.key ? s.key->value[k] : sweep->axis[s.axis].value[k];
}

static ntk_status same_value(const ntk_sweep *sweep, subject s, int64_t k, const ntk_node *node,
                             bool *same) {
  ntk_text text[2] = {{0}, {0}}, label = {0};
  ntk_status status = ntk_spell(node, &text[0]);

  if (status == NTK_OK) status = ntk_spell(value_node(sweep, s, k), &text[1]);
  if (status == NTK_OK) status = value_label(sweep, s, k, &label);
  *same = status == NTK_OK &&
          (strcmp(ntk_text_string(&text[0]), ntk_text_string(&text[1])) == 0 ||
           (node->kind == NTK_NODE_SCALAR && strcmp(node->text, ntk_text_string(&label)) == 0));
  for (int i = 0; i < 2; ++i) ntk_text_destroy(&text[i]);
  ntk_text_destroy(&label);
  return status;
}

/* Adds the places of one value to those named so far. */
static ntk_status name_value(const ntk_sweep *sweep, subject s, const ntk_node *node, bool *named,
                             bool *found) {
  *found = false;
  for (int64_t k = 0; k < sweep->axis[s.axis].count; ++k) {
    bool same = false;

    NTK_TRY(same_value(sweep, s, k, node, &same));
    named[k] = named[k] || same;
    *found = *found || same;
  }
  return NTK_OK;
}

static ntk_status list_values(const ntk_sweep *sweep, subject s, ntk_text *names) {
  const int64_t count = sweep->axis[s.axis].count;

  for (int64_t k = 0; k < count && names->length < 200; ++k) {
    NTK_TRY(ntk_text_add(names, "%s", k ? ", " : ""));
    NTK_TRY(value_label(sweep, s, k, names));
    if (names->length >= 200 && k + 1 < count) NTK_TRY(ntk_text_add(names, ", ..."));
  }
  return NTK_OK;
}

static ntk_status nearest_value(const ntk_sweep *sweep, subject s, const char *word,
                                ntk_text *best) {
  int distance = 0;

  for (int64_t k = 0; k < sweep->axis[s.axis].count; ++k) {
    ntk_nearest nearest = {.word = word};
    ntk_text label = {0};
    ntk_status status = value_label(sweep, s, k, &label);

    if (status == NTK_OK) ntk_nearest_offer(&nearest, ntk_text_string(&label));
    if (nearest.best && (!best->length || nearest.distance < distance)) {
      distance = nearest.distance;
      ntk_text_destroy(best);
      status = ntk_text_add(best, "%s", nearest.best);
    }
    ntk_text_destroy(&label);
    NTK_TRY(status);
  }
  return NTK_OK;
}

static ntk_status refuse_value(ntk_binder *b, const ntk_place *place, const ntk_sweep *sweep,
                               subject s, const ntk_node *node) {
  ntk_text value = {0}, names = {0}, best = {0};
  ntk_status status = ntk_spell(node, &value);

  if (status == NTK_OK) status = list_values(sweep, s, &names);
  if (status == NTK_OK && node->kind == NTK_NODE_SCALAR) {
    double number = 0;

    if (!ntk_scalar_real(node->text, &number)) {
      status = nearest_value(sweep, s, node->text, &best);
    }
  }
  if (status == NTK_OK && best.length) {
    ntk_fault_at(b, place, node->mark, "the axis has no value %.80s; did you mean '%.80s'?",
                 ntk_text_string(&value), ntk_text_string(&best));
  } else if (status == NTK_OK) {
    ntk_fault_at(b, place, node->mark, "the axis has no value %.80s; its values are %.300s",
                 ntk_text_string(&value), ntk_text_string(&names));
  }
  ntk_text_destroy(&value);
  ntk_text_destroy(&names);
  ntk_text_destroy(&best);
  return status;
}

/* A value; or, if it is none, a list or range of values, any of which is meant. */
static ntk_status name_values(ntk_binder *b, const ntk_place *place, const ntk_sweep *sweep,
                              subject s, const ntk_node *node, bool *named) {
  int64_t first = 0, last = 0;
  ntk_values values = {0};
  bool found = false;

  NTK_TRY(name_value(sweep, s, node, named, &found));
  if (found) return NTK_OK;
  const bool range =
      node->kind == NTK_NODE_SCALAR && !node->quoted && ntk_scalar_range(node->text, &first, &last);

  if (!range && node->kind != NTK_NODE_SEQUENCE) return refuse_value(b, place, sweep, s, node);
  NTK_TRY(ntk_values_read(b, place, node, &values));
  for (int64_t k = 0; k < values.count; ++k) {
    NTK_TRY(name_value(sweep, s, values.item[k], named, &found));
    if (!found) NTK_TRY(refuse_value(b, place, sweep, s, values.item[k]));
  }
  return NTK_OK;
}

/* Two keys of one zip may both be named: what both cover remains. */
static ntk_status cover(ntk_binder *b, const ntk_place *place, const ntk_sweep *sweep,
                        const ntk_node *rule, int64_t pair, ntk_skip *skip) {
  const ntk_place inner = {place, rule->key[pair]};
  const char *written = NULL;
  bool *named = NULL, **covers = NULL;
  subject s = {0};

  NTK_TRY(ntk_node_spell_path(b->arena, b->root, rule->key[pair], &written));
  if (!find_subject(sweep, written, &s)) {
    refuse_subject(b, place, sweep, rule->key[pair], rule->key_mark[pair]);
    return NTK_OK;
  }
  const int64_t count = sweep->axis[s.axis].count;

  NTK_TRY(ntk_arena_new(b->arena, (size_t)count * sizeof(*named), &named));
  NTK_TRY(name_values(b, &inner, sweep, s, rule->child[pair], named));
  covers = &skip->covers[s.axis];
  for (int64_t k = 0; *covers && k < count; ++k) named[k] = named[k] && (*covers)[k];
  *covers = named;
  return NTK_OK;
}

static bool covers_any(const bool *covers, int64_t count) {
  for (int64_t k = 0; covers && k < count; ++k) {
    if (covers[k]) return true;
  }
  return !covers;
}

static ntk_status read_rule(ntk_binder *b, const ntk_place *place, const ntk_node *rule,
                            ntk_sweep *sweep) {
  const int64_t before = b->faults;
  ntk_skip *skip = &sweep->skip[sweep->skip_count];

  if (rule->kind != NTK_NODE_MAPPING || rule->count == 0) {
    ntk_fault_at(b, place, rule->mark,
                 "needs axes and their values, as in - {width: 512, seed: 3}");
    return NTK_OK;
  }
  NTK_TRY(
      ntk_arena_new(b->arena, (size_t)sweep->axis_count * sizeof(*skip->covers), &skip->covers));
  for (int64_t k = 0; k < rule->count; ++k) NTK_TRY(cover(b, place, sweep, rule, k, skip));
  for (int64_t k = 0; k < sweep->axis_count && b->faults == before; ++k) {
    if (covers_any(skip->covers[k], sweep->axis[k].count)) continue;
    ntk_fault_at(b, place, rule->mark, "no point has all of this; correct it, or remove it");
  }
  ++sweep->skip_count;
  return NTK_OK;
}

static void refuse_emptiness(ntk_binder *b, const ntk_place *place, const ntk_sweep *sweep,
                             ntk_mark mark) {
  for (int64_t p = 0; p < sweep->point_count; ++p) {
    if (!ntk_sweep_skips(sweep, p)) return;
  }
  ntk_fault_at(b, place, mark, "every point is skipped; leave some");
}

ntk_status ntk_skips_read(ntk_binder *b, const ntk_node *node, ntk_sweep *sweep) {
  const ntk_place root = {NULL, "sweep"}, place = {&root, "skip"};
  const int64_t before = b->faults;

  if (node->kind != NTK_NODE_SEQUENCE) {
    ntk_fault_at(b, &place, node->mark,
                 "needs a list of points to leave out: one - {axis: value, ...} per line");
    return NTK_OK;
  }
  NTK_TRY(ntk_arena_new(b->arena, (size_t)node->count * sizeof(*sweep->skip), &sweep->skip));
  for (int64_t k = 0; k < node->count; ++k) {
    NTK_TRY(read_rule(b, &place, node->child[k], sweep));
  }
  if (b->faults == before) refuse_emptiness(b, &place, sweep, node->mark);
  return NTK_OK;
}

static bool skips(const ntk_sweep *sweep, const ntk_skip *skip, int64_t point) {
  for (int64_t k = 0; k < sweep->axis_count; ++k) {
    if (skip->covers[k] && !skip->covers[k][ntk_sweep_index(sweep, point, k)]) return false;
  }
  return true;
}

bool ntk_sweep_skips(const ntk_sweep *sweep, int64_t point) {
  for (int64_t k = 0; k < sweep->skip_count; ++k) {
    if (skips(sweep, &sweep->skip[k], point)) return true;
  }
  return false;
}
