/* Mappings against tables of rows. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bind.h"
#include "reader.h"

/* ---- places and problems -----------------------------------------------------------------------
 */

const char *ntk_place_text(const ntk_place *place, char text[NTK_PLACE_TEXT]) {
  size_t used = 0;

  text[0] = '\0';
  if (!place) return text;
  (void)ntk_place_text(place->up, text);
  used = strlen(text);
  if (*place->key) {
    (void)snprintf(text + used, NTK_PLACE_TEXT - used, "%s%.80s", used ? "." : "", place->key);
  }
  return text;
}

static void add_fault(ntk_binder *b, const char *path, ntk_mark mark, const char *format,
                      va_list args) {
  ntk_text message = {0};

  (void)!ntk_text_add_list(&message, format, args); /* without memory it counts all the same */
  ntk_problem(b->problems, mark, "%s%s%s", path, *path ? ": " : "", ntk_text_string(&message));
  ++b->faults;
  ntk_text_destroy(&message);
}

void ntk_fault_bare(ntk_binder *b, ntk_mark mark, const char *format, ...) {
  va_list args;

  va_start(args, format);
  add_fault(b, "", mark, format, args);
  va_end(args);
}

void ntk_fault_at(ntk_binder *b, const ntk_place *place, ntk_mark mark, const char *format, ...) {
  char path[NTK_PLACE_TEXT];
  va_list args;

  va_start(args, format);
  add_fault(b, ntk_place_text(place, path), mark, format, args);
  va_end(args);
}

/* ---- defaults ----------------------------------------------------------------------------------
 */

static ntk_status parse_fallback(ntk_binder *b, const ntk_option *o, const ntk_node **node) {
  ntk_source *source = NULL;
  ntk_node *root = NULL;

  NTK_TRY(ntk_source_new(b->arena, "default", o->fallback, &source));
  NTK_TRY(ntk_read_yaml(b->arena, source, 0, strlen(o->fallback), &root, b->problems));
  NTK_ASSERT(root); /* a default is YAML */
  *node = root;
  return NTK_OK;
}

ntk_status ntk_fallback_node(ntk_binder *b, const ntk_option *o, ntk_node *plain,
                             const ntk_node **node) {
  if (strpbrk(o->fallback, "[{\"'")) return parse_fallback(b, o, node);
  *plain = (ntk_node){.kind = NTK_NODE_SCALAR, .text = o->fallback};
  *node = plain;
  return NTK_OK;
}

/* ---- sections and choices ----------------------------------------------------------------------
 */

/* A mapping that is bound against a table. */
typedef struct scope {
  const ntk_place *place;
  const ntk_option *options; /* ends with {0}; NULL: none */
  const ntk_node *node;
  void *settings;
  bool labelled;             /* `label` is a key too */
  const struct scope *outer; /* the table that this one, of a variant, stands beside; else NULL */
} scope;

static ntk_status bind_scope(ntk_binder *b, const scope *s);

static const ntk_option *find_option(const ntk_option *options, const char *key) {
  for (; options && options->key; ++options) {
    if (strcmp(options->key, key) == 0) return options;
  }
  return NULL;
}

static void *field_of(const scope *s, const ntk_option *o) {
  return (char *)s->settings + o->offset;
}

static ntk_status bind_section(ntk_binder *b, const ntk_place *place, const ntk_section *section,
                               const ntk_node *node, void *settings) {
  const scope inner = {
      .place = place, .options = section->options, .node = node, .settings = settings};
  const int64_t before = b->faults, listed = b->problems->count;

  NTK_TRY(bind_scope(b, &inner));
  if (b->faults != before || !section->check) return NTK_OK;
  section->check(settings, node, b->problems);
  b->faults += b->problems->count - listed;
  return NTK_OK;
}

/* What a path went through is read by nobody else: a number there must not be lost. */
static bool is_no_section(const ntk_option *o, const ntk_node *node) {
  const bool was_none = node->was && o->flags & NTK_NONE && ntk_is_word(node->was, "none");

  return node->kind != NTK_NODE_MAPPING || (node->was && !was_none);
}

static ntk_status bind_subsection(ntk_binder *b, const scope *s, const ntk_place *place,
                                  const ntk_option *o, const ntk_node *node) {
  const bool may_be_none = o->flags & NTK_NONE;
  bool *present = may_be_none ? (bool *)((char *)s->settings + o->present) : NULL;

  if (may_be_none && ntk_is_word(node, "none")) {
    *present = false;
    return NTK_OK;
  }
  if (is_no_section(o, node)) {
    ntk_fault_at(b, place, node->was ? node->was->mark : node->mark,
                 "needs a mapping%s: lines of the form 'key: value' below it%s",
                 may_be_none ? " or none" : "",
                 node->was ? ", also where a sweep or --set sets keys in it" : "");
    return NTK_OK;
  }
  if (present) *present = true;
  return bind_section(b, place, o->section, node, field_of(s, o));
}

/* `activation: {leaky: {alpha: 0.1}}`: a name of the registry that the shorthand is taken from. */
static bool is_shorthand_choice(const ntk_row *row, const ntk_node *node) {
  const ntk_option *o = row->shorthand ? find_option(row->options, row->shorthand) : NULL;

  return o && o->type == NTK_CHOICE && node->count == 1 &&
         !find_option(row->options, node->key[0]) && ntk_row_find(o->rows, node->key[0]);
}

/* An option for an example: one that must be written, if there is any. */
static const char *example_key(const ntk_option *options) {
  for (const ntk_option *o = options; o->key; ++o) {
    if (o->flags & NTK_REQUIRED) return o->key;
  }
  return options[0].key;
}

/* `dropout: 0.9` beside a path to another option of it: what the short form says stays. */
static ntk_status keep_shorthand(ntk_binder *b, const ntk_place *place, const ntk_row *row,
                                 ntk_node *options) {
  ntk_node *was = options->was;

  if (!was || is_shorthand_choice(row, options)) return NTK_OK;
  if (!row->shorthand) {
    ntk_fault_at(b, place, was->mark, "'%s' needs its options by their names, not '%.80s'",
                 row->name, was->text);
    return NTK_OK;
  }
  if (ntk_node_find(options, row->shorthand)) return NTK_OK;
  return ntk_node_add(b->arena, options, row->shorthand, was->mark, was);
}

/* Options of a row from a mapping; what else stands behind `name:` is the row's shorthand. */
static ntk_status bind_row_options(ntk_binder *b, const ntk_place *place, const ntk_node *node,
                                   bool labelled, ntk_choice *choice) {
  const ntk_row *row = choice->row;
  scope s = {.place = place, .options = row->options, .node = node, .labelled = labelled};
  const ntk_node *child[1] = {node};
  const char *key[1] = {row->shorthand};
  ntk_node short_form = {.kind = NTK_NODE_MAPPING, .mark = node->mark, .count = 1};

  if (row->options) NTK_TRY(ntk_arena_new(b->arena, row->options_size, &choice->options));
  s.settings = choice->options;
  if (node->kind == NTK_NODE_MAPPING && !is_shorthand_choice(row, node)) return bind_scope(b, &s);
  if (ntk_node_empty(node)) {
    ntk_fault_at(b, place, node->mark,
                 "no options behind '%s:'; indent them further than it, or drop the ':'",
                 row->name);
    return NTK_OK;
  }
  if (!row->options) {
    ntk_fault_at(b, place, node->mark, "'%s' takes no options; drop the ':' and what follows",
                 row->name);
    return NTK_OK;
  }
  if (!row->shorthand) {
    ntk_fault_at(b, place, node->mark, "needs options behind '%s:', as in {%s: {%s: ...}}",
                 row->name, row->name, example_key(row->options));
    return NTK_OK;
  }
  short_form.child = (ntk_node **)child;
  short_form.key = key;
  short_form.key_mark = &short_form.mark;
  s.node = &short_form;
  return bind_scope(b, &s);
}

/* `name` or {name: {options}}.  The scalar with the name, NULL after a problem. */
static const ntk_node *choice_name(ntk_binder *b, const ntk_place *place, const ntk_node *node,
                                   ntk_node *name, const ntk_node **options) {
  *options = NULL;
  if (node->kind == NTK_NODE_SCALAR) return node;
  if (node->kind == NTK_NODE_SEQUENCE || node->count == 0) {
    ntk_fault_at(b, place, node->mark, "needs a name, or {name: {options}}");
    return NULL;
  }
  if (node->count > 1) {
    const char *first = ntk_node_empty(node->child[0]) ? node->key[0] : NULL;

    if (first) {
      ntk_fault_at(b, place, node->key_mark[1], "'%.80s' is not below '%.80s'; indent it further",
                   node->key[1], first);
    } else {
      ntk_fault_at(b, place, node->key_mark[1],
                   "needs one name: {options}; '%.80s' is a second name beside '%.80s'",
                   node->key[1], node->key[0]);
    }
    return NULL;
  }
  *name = (ntk_node){.kind = NTK_NODE_SCALAR, .mark = node->key_mark[0], .text = node->key[0]};
  *options = node->child[0];
  return name;
}

static bool good_label(const char *text) {
  for (const char *s = text; *s; ++s) {
    const bool ok = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
                    (*s >= '0' && *s <= '9') || *s == '_' || *s == '-';
    if (!ok) return false;
  }
  return *text && strlen(text) < NTK_WORD_TEXT;
}

static ntk_status bind_label(ntk_binder *b, const ntk_place *place, const ntk_node *options,
                             ntk_choice *choice) {
  const ntk_node *label = options ? ntk_node_find(options, "label") : NULL;

  choice->label = choice->row->name;
  if (!label) return NTK_OK;
  if (label->kind != NTK_NODE_SCALAR || !good_label(label->text)) {
    ntk_fault_at(b, place, label->mark, "a label is at most %d of the characters A-Z a-z 0-9 _ -",
                 NTK_WORD_TEXT - 1);
    return NTK_OK;
  }
  return ntk_keep_text(b, label->text, &choice->label);
}

/* `weight_init: {law: normal, variance: 2.0}`: the options of the row `word`, without its name. */
static const ntk_row *unnamed_row(const ntk_option *o, const ntk_node *node) {
  const ntk_row *row = o->word ? ntk_row_find(o->rows, o->word) : NULL;

  for (int64_t k = 0; row && node->kind == NTK_NODE_MAPPING && k < node->count; ++k) {
    if (find_option(row->options, node->key[k])) return row;
  }
  return NULL;
}

static ntk_status bind_unnamed(ntk_binder *b, const ntk_place *place, const ntk_row *row,
                               const ntk_node *node, ntk_choice *field) {
  const int64_t before = b->faults;
  ntk_choice choice = {.row = row, .label = row->name, .mark = node->mark};

  NTK_TRY(bind_row_options(b, place, node, false, &choice));
  if (b->faults == before) *field = choice;
  return NTK_OK;
}

/* A choice gives way to the one that a path names; what is none is not lost. */
static bool gave_way(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                     const ntk_node *node) {
  if (!node->was || (o->flags & NTK_AUTO && ntk_is_word(node->was, "auto"))) return true;
  return ntk_bind_row(b, place, o, node->was) != NULL;
}

static ntk_status bind_choice(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                              const ntk_node *node, bool labelled, ntk_choice *field) {
  const int64_t before = b->faults;
  ntk_node all = {.kind = NTK_NODE_MAPPING, .mark = node->mark};
  const ntk_node *options = NULL;
  ntk_node key = {0};

  if (o->flags & NTK_AUTO && ntk_is_word(node, "auto")) {
    *field = (ntk_choice){.mark = node->mark};
    return NTK_OK;
  }
  if (!gave_way(b, place, o, node)) return NTK_OK;
  if (unnamed_row(o, node)) return bind_unnamed(b, place, unnamed_row(o, node), node, field);
  const ntk_node *name = choice_name(b, place, node, &key, &options);
  ntk_choice choice = {.row = name ? ntk_bind_row(b, place, o, name) : NULL, .mark = node->mark};

  if (!choice.row) return NTK_OK;
  choice.named = true;
  NTK_TRY(bind_label(b, place, labelled ? options : NULL, &choice));
  const char *address = labelled ? ntk_node_item_name(node) : NULL;
  const ntk_place inner = {place, address ? address : choice.label};

  if (options) all = *options;
  NTK_TRY(keep_shorthand(b, &inner, choice.row, &all));
  NTK_TRY(bind_row_options(b, &inner, &all, labelled, &choice));
  if (b->faults == before) *field = choice;
  return NTK_OK;
}

static bool same_label(const ntk_choice *a, const ntk_choice *b) {
  return a->label && b->label && strcmp(a->label, b->label) == 0;
}

static void refuse_repetition(ntk_binder *b, const ntk_place *place, const ntk_choices *list) {
  for (int64_t k = 0; k < list->count; ++k) {
    for (int64_t i = 0; i < k; ++i) {
      if (!same_label(&list->item[i], &list->item[k])) continue;
      ntk_fault_at(b, place, list->item[k].mark,
                   "'%s' is in the list already; remove it, or give one of them a label:",
                   list->item[k].label);
      break;
    }
  }
}

/* An item without its '-', not the path of one. */
static bool is_item(const ntk_option *o, const ntk_node *node) {
  return node->kind == NTK_NODE_MAPPING && node->count > 0 && ntk_row_find(o->rows, node->key[0]);
}

static ntk_status bind_choices(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                               const ntk_node *node, ntk_choices *field) {
  const int64_t before = b->faults;
  const bool single = node->kind == NTK_NODE_SCALAR && !ntk_node_empty(node);
  ntk_choices list = {.count = single ? 1 : node->count};

  if (!single && node->kind != NTK_NODE_SEQUENCE) {
    ntk_fault_at(b, place, node->mark,
                 o->flags & NTK_REPEAT && !is_item(o, node)
                     ? "needs a list: one '- name' or '- name: {options}' per line; a network of "
                       "kind: mlp has no layers to address, so write the list that 'ntkrun check "
                       "--expand' prints of it"
                     : "needs a list: one '- name' or '- name: {options}' per line");
    return NTK_OK;
  }
  if (list.count > NTK_MOST_CHOICES) {
    ntk_fault_at(b, place, node->mark, "more than %d items", NTK_MOST_CHOICES);
    return NTK_OK;
  }
  NTK_TRY(ntk_arena_new(b->arena, (size_t)list.count * sizeof(*list.item), &list.item));
  for (int64_t k = 0; k < list.count; ++k) {
    NTK_TRY(bind_choice(b, place, o, single ? node : node->child[k], true, &list.item[k]));
  }
  if (b->faults == before && !(o->flags & NTK_REPEAT)) refuse_repetition(b, place, &list);
  if (b->faults == before) *field = list;
  return NTK_OK;
}

/* The options of a variant are bound with the mapping it stands in (bind_variants). */
static ntk_status bind_variant(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                               const ntk_node *node, ntk_choice *field) {
  ntk_choice choice = {.mark = node->mark};

  if (o->flags & NTK_AUTO && ntk_is_word(node, "auto")) {
    *field = choice;
    return NTK_OK;
  }
  choice.row = ntk_bind_row(b, place, o, node);
  if (!choice.row) return NTK_OK;
  choice.label = choice.row->name;
  if (choice.row->options) {
    NTK_TRY(ntk_arena_new(b->arena, choice.row->options_size, &choice.options));
  }
  *field = choice;
  return NTK_OK;
}

/* ---- one row -----------------------------------------------------------------------------------
 */

static ntk_status bind_node(ntk_binder *b, const scope *s, const ntk_option *o,
                            const ntk_node *node) {
  const ntk_place place = {s->place, o->key};
  void *field = field_of(s, o);

  switch (o->type) {
    case NTK_SECTION:
      return bind_subsection(b, s, &place, o, node);
    case NTK_CHOICE:
      return bind_choice(b, &place, o, node, false, field);
    case NTK_CHOICES:
      return bind_choices(b, &place, o, node, field);
    case NTK_VARIANT:
      return bind_variant(b, &place, o, node, field);
    case NTK_TREE:
      *(const ntk_node **)field = node;
      return NTK_OK;
    default:
      return ntk_bind_value(b, &place, o, node, field);
  }
}

/* What stands in a field that has neither value nor default. */
static void clear_field(const ntk_option *o, void *field) {
  if (o->type == NTK_INT) *(int64_t *)field = NTK_AUTO_INT;
  if (o->type == NTK_REAL) *(double *)field = NAN;
  if (o->type == NTK_REAL_OF) ((ntk_real_of *)field)->value = NAN;
  if (o->type == NTK_SIZE) ((ntk_size *)field)->factor = NTK_AUTO_INT;
  if (o->type == NTK_PAIR) ((ntk_pair *)field)->item[0] = NTK_AUTO_INT;
}

static ntk_status bind_fallback(ntk_binder *b, const scope *s, const ntk_option *o) {
  const ntk_node nothing = {.kind = NTK_NODE_MAPPING, .mark = s->node->mark};
  const ntk_node *node = &nothing;
  ntk_node plain = {0};

  if (o->fallback) {
    NTK_TRY(ntk_fallback_node(b, o, &plain, &node));
  } else if (o->type != NTK_SECTION) {
    clear_field(o, field_of(s, o));
    return NTK_OK;
  }
  return bind_node(b, s, o, node);
}

static const ntk_row *chosen(const scope *s, const ntk_option *variant) {
  const ntk_choice *choice = field_of(s, variant);

  return choice->row;
}

/* Whether the mapping may have the key; its variants have been bound. */
static bool is_known(const scope *s, const char *key) {
  if (s->outer) return is_known(s->outer, key);
  if (s->labelled && strcmp(key, "label") == 0) return true;
  if (find_option(s->options, key)) return true;
  for (const ntk_option *o = s->options; o && o->key; ++o) {
    if (o->type != NTK_VARIANT) continue;
    if (chosen(s, o) && find_option(chosen(s, o)->options, key)) return true;
  }
  return false;
}

/* Whether a key that is not in the table is so near that it will be taken for a misspelled `o`. */
static bool is_misspelled(const scope *s, const ntk_option *o) {
  for (int64_t k = 0; k < s->node->count; ++k) {
    ntk_nearest nearest = {.word = s->node->key[k]};

    ntk_nearest_offer(&nearest, o->key);
    if (nearest.best && !is_known(s, nearest.word)) return true;
  }
  return false;
}

static ntk_status bind_option(ntk_binder *b, const scope *s, const ntk_option *o) {
  const int64_t before = b->faults;
  const ntk_node *given = ntk_node_find(s->node, o->key);
  const ntk_place place = {s->place, o->key};
  char path[NTK_PLACE_TEXT];

  if (given) NTK_TRY(bind_node(b, s, o, given));
  if (given && (b->faults == before || o->type == NTK_SECTION)) return NTK_OK;
  if (!given && o->flags & NTK_REQUIRED) {
    if (is_misspelled(s, o)) return NTK_OK;
    ntk_fault_bare(b, s->node->mark, "key '%s' is missing: %s", ntk_place_text(&place, path),
                   o->doc ? o->doc : "required");
    return NTK_OK;
  }
  return bind_fallback(b, s, o); /* also after a problem, so that the walk can go on */
}

/* ---- keys that are not in the table ------------------------------------------------------------
 */

/* Rows of a variant that have the key, as "idx, npy"; "" if none has. */
static void list_owners(const ntk_option *variant, const char *key, char hint[NTK_HINT_TEXT]) {
  size_t used = 0;

  hint[0] = '\0';
  for (const ntk_row *const *row = variant->rows; *row; ++row) {
    if (!find_option((*row)->options, key)) continue;
    if (used >= NTK_HINT_TEXT - NTK_WORD_TEXT - 8) break;
    used += (size_t)snprintf(hint + used, NTK_HINT_TEXT - used, "%s%.*s", used ? " or " : "",
                             NTK_WORD_TEXT, (*row)->name);
  }
}

static bool belongs_to_other_row(ntk_binder *b, const scope *s, const ntk_place *place,
                                 ntk_mark mark) {
  char owners[NTK_HINT_TEXT], path[NTK_PLACE_TEXT];

  for (const ntk_option *o = s->options; o && o->key; ++o) {
    if (o->type != NTK_VARIANT) continue;
    list_owners(o, place->key, owners);
    if (!*owners) continue;
    if (chosen(s, o)) {
      ntk_fault_bare(b, mark, "key '%s' belongs to %s %s, not %s", ntk_place_text(place, path),
                     o->key, owners, chosen(s, o)->name);
    } else if (!ntk_node_find(s->node, o->key)) {
      ntk_fault_bare(b, mark, "key '%s' belongs to %s %s", ntk_place_text(place, path), o->key,
                     owners);
    } /* else: what is wrong with the choice itself has been said */
    return true;
  }
  return false;
}

static bool belongs_to_subsection(ntk_binder *b, const scope *s, const ntk_place *place,
                                  ntk_mark mark) {
  char path[NTK_PLACE_TEXT], up[NTK_PLACE_TEXT];

  for (const ntk_option *o = s->options; o && o->key; ++o) {
    if (o->type != NTK_SECTION || !find_option(o->section->options, place->key)) continue;
    (void)ntk_place_text(s->place, up);
    ntk_fault_bare(b, mark, "unknown key '%s'; did you mean '%s%s%s.%s'?",
                   ntk_place_text(place, path), up, *up ? "." : "", o->key, place->key);
    return true;
  }
  return false;
}

typedef struct key_list {
  ntk_nearest nearest;
  char text[NTK_HINT_TEXT];
  size_t used;
} key_list;

static void offer_key(key_list *list, const char *key) {
  ntk_nearest_offer(&list->nearest, key);
  if (list->used >= NTK_HINT_TEXT - NTK_WORD_TEXT - 8) return;
  list->used += (size_t)snprintf(list->text + list->used, NTK_HINT_TEXT - list->used, "%s%.*s",
                                 list->used ? ", " : "", NTK_WORD_TEXT, key);
}

static void offer_keys(key_list *list, const ntk_option *options) {
  for (; options && options->key; ++options) offer_key(list, options->key);
}

static void refuse_key(ntk_binder *b, const scope *s, int64_t k) {
  const ntk_place place = {s->place, s->node->key[k]};
  const ntk_mark mark = s->node->key_mark[k];
  key_list keys = {.nearest = {.word = place.key}};
  char path[NTK_PLACE_TEXT];

  (void)ntk_place_text(&place, path);
  if (belongs_to_other_row(b, s, &place, mark)) return;
  offer_keys(&keys, s->options);
  for (const ntk_option *o = s->options; o && o->key; ++o) {
    if (o->type == NTK_VARIANT && chosen(s, o)) offer_keys(&keys, chosen(s, o)->options);
  }
  if (s->labelled) offer_key(&keys, "label");
  if (keys.nearest.best) {
    ntk_fault_bare(b, mark, "unknown key '%s'; did you mean '%s'?", path, keys.nearest.best);
  } else if (!belongs_to_subsection(b, s, &place, mark)) {
    ntk_fault_bare(b, mark, "unknown key '%s'; the keys here are %s", path,
                   *keys.text ? keys.text : "none");
  }
}

/* ---- a mapping ---------------------------------------------------------------------------------
 */

static ntk_status bind_variants(ntk_binder *b, const scope *s) {
  for (const ntk_option *o = s->options; o && o->key; ++o) {
    const ntk_choice *choice = o->type == NTK_VARIANT ? field_of(s, o) : NULL;

    if (!choice || !choice->row) continue;
    const scope inner = {.place = s->place,
                         .options = choice->row->options,
                         .node = s->node,
                         .settings = choice->options,
                         .outer = s};

    NTK_TRY(bind_scope(b, &inner));
  }
  return NTK_OK;
}

/* Variants first, because they say which keys there are. */
static ntk_status bind_scope(ntk_binder *b, const scope *s) {
  for (int pass = 0; pass < 2; ++pass) {
    for (const ntk_option *o = s->options; o && o->key; ++o) {
      if ((o->type == NTK_VARIANT) == (pass == 0)) NTK_TRY(bind_option(b, s, o));
    }
  }
  NTK_TRY(bind_variants(b, s));
  for (int64_t k = 0; !s->outer && k < s->node->count; ++k) {
    if (!is_known(s, s->node->key[k])) refuse_key(b, s, k);
  }
  return NTK_OK;
}

ntk_status ntk_option_bind(const ntk_section *section, const ntk_node *node, const char *path,
                           const char *directory, ntk_arena *arena, void *settings,
                           ntk_problems *problems) {
  ntk_binder b = {directory, arena, problems, 0, NULL};
  const ntk_place place = {NULL, path};

  NTK_ASSERT(node->kind == NTK_NODE_MAPPING);
  return bind_section(&b, &place, section, node, settings);
}
