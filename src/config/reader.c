#include "reader.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "ntk/config/scalar.h"

typedef struct anchor {
  struct anchor *next;
  const char *name;
  const ntk_node *node; /* NULL while its end has not been read */
  int64_t nodes;        /* in it, itself included */
  int height;           /* levels of collections, 0 for a scalar */
} anchor;

typedef struct reader {
  yaml_parser_t parser;
  yaml_event_t event; /* the current one; YAML_NO_EVENT before the first */
  ntk_arena *arena;
  const ntk_source *source;
  size_t skip; /* bytes, of `shift` characters, in front of the YAML in line 1 */
  size_t shift;
  ntk_problems *problems;
  anchor *anchors; /* latest first */
  int64_t nodes;   /* read so far */
  int64_t aliased; /* of these, copied by aliases */
  bool broken;     /* nothing more can be read */
} reader;

/* An item of a collection while it is being read. */
typedef struct item {
  struct item *next;
  ntk_node *node;
  const char *key;
  ntk_mark mark;
} item;

static ntk_mark mark_of(const reader *r, yaml_mark_t at) {
  const size_t shift = at.line == 0 ? r->shift : 0;

  return (ntk_mark){r->source, (int)at.line + 1, (int)(at.column + shift) + 1};
}

static ntk_mark here(const reader *r) {
  return mark_of(r, r->event.start_mark);
}

/* ---- what libyaml refuses, in our words --------------------------------------------------------
 */

static const char *const advice[][2] = {
    {"mapping values are not allowed in this context",
     "': ' is not expected here; put the value in quotes, or check the indentation of this line "
     "and "
     "the one above"},
    {"did not find expected key",
     "expected 'key: value'; the indentation does not fit the lines above, or a bracket or quote "
     "is not closed"},
    {"did not find expected '-' indicator",
     "expected '- item'; the indentation does not fit the list above"},
    {"did not find expected ',' or ']'", "expected ',' or ']'; a list is not closed"},
    {"did not find expected ',' or '}'", "expected ',' or '}'; a mapping is not closed"},
    {"could not find expected ':'", "expected ': ' behind this key"},
    {"found unexpected end of stream", "this quote is never closed"},
    {"found unexpected document indicator",
     "'---' or '...' inside quotes; is a quote never closed?"},
    {"block sequence entries are not allowed in this context",
     "'- ' is not expected here; begin the list on a line of its own"},
    {"found character that cannot start any token",
     "a value cannot start with this character; put it in quotes"},
    {"found a tab character that violates indentation",
     "a tab does not indent in YAML; use spaces"},
    {"did not find expected node content", "a key or value is missing here"},
    {"control characters are not allowed", "a control character; remove it"},
    {"did not find expected <document start>",
     "a second document, or text behind the end; keep one document per file"},
    {"found undefined tag handle", "tags (!name) are not used here; remove it"},
    {NULL, NULL}};

static char character_at(const reader *r, ntk_mark mark) {
  const char *s = r->source->text;

  for (int line = 1; *s && line < mark.line; ++s) line += *s == '\n';
  for (int column = 1; *s && column < mark.column; ++column) s += ntk_utf8_length(s);
  return *s;
}

static const char *explain(const reader *r, ntk_mark mark, const char *problem) {
  if (character_at(r, mark) == '\t') return "a tab does not indent in YAML; use spaces";
  for (int k = 0; advice[k][0]; ++k) {
    if (strcmp(problem, advice[k][0]) == 0) return advice[k][1];
  }
  return problem;
}

/* A reader error has an offset in bytes only. */
static ntk_mark offset_mark(const reader *r, size_t offset) {
  ntk_mark mark = {r->source, 1, 1};
  const char *s = r->source->text, *end = s + r->skip + offset;

  while (*s && s < end) {
    mark.column = *s == '\n' ? 1 : mark.column + 1;
    mark.line += *s == '\n';
    s += ntk_utf8_length(s);
  }
  return mark;
}

/* Whether the place to look at is where the construct begins, not where reading it failed. */
static bool begins_wrong(const char *problem) {
  return strcmp(problem, "could not find expected ':'") == 0 ||
         strcmp(problem, "found unexpected end of stream") == 0;
}

static void report(reader *r) {
  const yaml_parser_t *p = &r->parser;
  const char *problem = p->problem ? p->problem : "this is no YAML";
  ntk_mark mark = mark_of(r, p->problem_mark);

  if (p->error == YAML_READER_ERROR) mark = offset_mark(r, p->problem_offset);
  if (p->context && (begins_wrong(problem) || character_at(r, mark) == '\0')) {
    mark = mark_of(r, p->context_mark);
  }
  const ntk_mark context = mark_of(r, p->context_mark);

  if (p->context && context.line != mark.line) {
    ntk_problem(r->problems, mark, "%s (%s that begins in line %d)", explain(r, mark, problem),
                p->context, context.line);
  } else {
    ntk_problem(r->problems, mark, "%s", explain(r, mark, problem));
  }
  r->broken = true;
}

/* ---- events ------------------------------------------------------------------------------------
 */

static ntk_status next(reader *r) {
  yaml_event_delete(&r->event);
  if (yaml_parser_parse(&r->parser, &r->event)) return NTK_OK;
  if (r->parser.error == YAML_MEMORY_ERROR) {
    return NTK_RAISE(NTK_E_MEMORY, "out of memory while reading %s", r->source->name);
  }
  report(r);
  return NTK_OK;
}

static const char *event_anchor(const yaml_event_t *event) {
  switch (event->type) {
    case YAML_SCALAR_EVENT:
      return (const char *)event->data.scalar.anchor;
    case YAML_SEQUENCE_START_EVENT:
      return (const char *)event->data.sequence_start.anchor;
    case YAML_MAPPING_START_EVENT:
      return (const char *)event->data.mapping_start.anchor;
    default:
      return NULL;
  }
}

static const char *event_tag(const yaml_event_t *event) {
  switch (event->type) {
    case YAML_SCALAR_EVENT:
      return (const char *)event->data.scalar.tag;
    case YAML_SEQUENCE_START_EVENT:
      return (const char *)event->data.sequence_start.tag;
    case YAML_MAPPING_START_EVENT:
      return (const char *)event->data.mapping_start.tag;
    default:
      return NULL;
  }
}

/* ---- nodes -------------------------------------------------------------------------------------
 */

static ntk_status read_node(reader *r, int depth, ntk_node **node, int *height);

static ntk_status read_scalar(reader *r, ntk_node **node) {
  const char *text = (const char *)r->event.data.scalar.value;
  const ntk_mark mark = here(r);
  const char *copy = NULL;

  if (strlen(text) != r->event.data.scalar.length) {
    ntk_problem(r->problems, mark, "a NUL character inside this text; remove it");
  }
  NTK_TRY(ntk_arena_copy(r->arena, text, &copy));
  NTK_TRY(ntk_node_new(r->arena, NTK_NODE_SCALAR, mark, copy, node));
  (*node)->quoted = r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
  ++r->nodes;
  return next(r);
}

static ntk_status add_item(reader *r, item ***tail, ntk_node *node, const char *key,
                           ntk_mark mark) {
  item *added = NULL;

  NTK_TRY(ntk_arena_new(r->arena, sizeof(*added), &added));
  *added = (item){NULL, node, key, mark};
  **tail = added;
  *tail = &added->next;
  return NTK_OK;
}

static int64_t count_items(const item *items) {
  int64_t count = 0;

  for (; items; items = items->next) ++count;
  return count;
}

static ntk_status fill(ntk_arena *arena, const item *items, ntk_node *node) {
  const size_t count = (size_t)count_items(items);

  NTK_TRY(ntk_arena_new(arena, count * sizeof(*node->child), &node->child));
  if (node->kind == NTK_NODE_MAPPING) {
    NTK_TRY(ntk_arena_new(arena, count * sizeof(*node->key), &node->key));
    NTK_TRY(ntk_arena_new(arena, count * sizeof(*node->key_mark), &node->key_mark));
  }
  for (; items; items = items->next, ++node->count) {
    node->child[node->count] = items->node;
    if (node->kind != NTK_NODE_MAPPING) continue;
    node->key[node->count] = items->key;
    node->key_mark[node->count] = items->mark;
  }
  return NTK_OK;
}

static int by_key(const void *a, const void *b) {
  const item *const *left = a, *const *right = b;
  const int order = strcmp((*left)->key, (*right)->key);

  if (order) return order;
  if ((*left)->mark.line != (*right)->mark.line) {
    return (*left)->mark.line < (*right)->mark.line ? -1 : 1;
  }
  return (*left)->mark.column < (*right)->mark.column ? -1 : 1;
}

static void strike(reader *r, item **sorted, size_t count) {
  for (size_t k = 1, first = 0; k < count; ++k) {
    if (strcmp(sorted[first]->key, sorted[k]->key) != 0) {
      first = k;
      continue;
    }
    ntk_problem(r->problems, sorted[k]->mark,
                "key '%.80s' is there already, in line %d; remove one of the two", sorted[k]->key,
                sorted[first]->mark.line);
    sorted[k]->node = NULL;
  }
}

/* Reports keys that occur again and takes them out of the list. */
static ntk_status drop_duplicates(reader *r, item **items) {
  const size_t count = (size_t)count_items(*items);
  item **sorted = NULL;
  size_t k = 0;

  if (count < 2) return NTK_OK;
  NTK_TRY(NTK_NEW(count, &sorted));
  for (item *i = *items; i; i = i->next) sorted[k++] = i;
  qsort(sorted, count, sizeof(item *), by_key);
  strike(r, sorted, count);
  ntk_free(&sorted);
  for (item **link = items; *link;) {
    if ((*link)->node) {
      link = &(*link)->next;
    } else {
      *link = (*link)->next;
    }
  }
  return NTK_OK;
}

static bool good_key(reader *r, const ntk_node *key) {
  const char *wrong = NULL;

  if (key->kind != NTK_NODE_SCALAR) {
    wrong = "a key is a word, not a list or mapping";
  } else if (strcmp(key->text, "<<") == 0 && !key->quoted) {
    wrong =
        "merge keys (<<) are not supported; repeat the keys here, or use an alias for the whole "
        "value";
  } else if (!*key->text) {
    wrong = "a key is missing before ':'";
  }
  if (wrong) ntk_problem(r->problems, key->mark, "%s", wrong);
  return !wrong;
}

static ntk_status read_pair(reader *r, int depth, item ***tail, int *height) {
  ntk_node *key = NULL, *value = NULL;
  int key_height = 0;

  NTK_TRY(read_node(r, depth, &key, &key_height));
  if (r->broken) return NTK_OK;
  const bool good = good_key(r, key);

  NTK_TRY(read_node(r, depth, &value, height));
  if (r->broken || !good) return NTK_OK;
  return add_item(r, tail, value, key->text, key->mark);
}

static int larger(int a, int b) {
  return a > b ? a : b;
}

static ntk_status read_collection(reader *r, int depth, ntk_node **node, int *height) {
  const bool mapping = r->event.type == YAML_MAPPING_START_EVENT;
  const yaml_event_type_t end = mapping ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
  item *items = NULL, **tail = &items;
  ntk_node *child = NULL;

  NTK_TRY(
      ntk_node_new(r->arena, mapping ? NTK_NODE_MAPPING : NTK_NODE_SEQUENCE, here(r), NULL, node));
  ++r->nodes;
  if (depth > NTK_CONFIG_DEPTH) {
    ntk_problem(r->problems, here(r), "nested more than %d levels deep", NTK_CONFIG_DEPTH);
    r->broken = true;
    return NTK_OK;
  }
  *height = 1;
  NTK_TRY(next(r));
  while (!r->broken && r->event.type != end) {
    int below = 0;

    if (mapping) {
      NTK_TRY(read_pair(r, depth + 1, &tail, &below));
    } else {
      NTK_TRY(read_node(r, depth + 1, &child, &below));
      if (!r->broken) NTK_TRY(add_item(r, &tail, child, NULL, child->mark));
    }
    *height = larger(*height, below + 1);
  }
  if (r->broken) return NTK_OK;
  if (mapping) NTK_TRY(drop_duplicates(r, &items));
  NTK_TRY(fill(r->arena, items, *node));
  return next(r);
}

/* ---- aliases -----------------------------------------------------------------------------------
 */

/* Each use of an alias is a copy, because a path addresses one place. */
static ntk_status read_alias(reader *r, int depth, ntk_node **node, int *height) {
  const char *name = (const char *)r->event.data.alias.anchor;
  const ntk_mark mark = here(r);
  const anchor *a = r->anchors;

  while (a && strcmp(a->name, name) != 0) a = a->next;
  r->broken = true;
  if (!a) {
    ntk_problem(r->problems, mark,
                "alias '*%.80s' names no anchor; write '&%.80s' in front of the value it repeats",
                name, name);
  } else if (!a->node) {
    ntk_problem(r->problems, mark, "alias '*%.80s' stands inside the value it repeats", name);
  } else if (depth + a->height > NTK_CONFIG_DEPTH + 1) {
    ntk_problem(r->problems, mark, "this alias nests more than %d levels deep", NTK_CONFIG_DEPTH);
  } else if ((r->aliased += a->nodes) > NTK_ALIAS_NODES) {
    ntk_problem(r->problems, mark, "aliases repeat more than %d values", NTK_ALIAS_NODES);
  } else {
    r->broken = false;
    r->nodes += a->nodes;
    *height = a->height;
    NTK_TRY(ntk_node_copy(r->arena, a->node, node));
    return next(r);
  }
  return NTK_OK;
}

static ntk_status add_anchor(reader *r, anchor **added) {
  const char *name = event_anchor(&r->event);

  if (!name) return NTK_OK;
  NTK_TRY(ntk_arena_new(r->arena, sizeof(**added), added));
  (*added)->next = r->anchors;
  r->anchors = *added;
  return ntk_arena_copy(r->arena, name, &(*added)->name);
}

/* The node that begins at the current event; the event behind it is then current.  `height` is the
 * number of levels of collections in it. */
static ntk_status read_node(reader *r, int depth, ntk_node **node, int *height) {
  const int64_t before = r->nodes;
  anchor *own = NULL;

  if (event_tag(&r->event)) {
    ntk_problem(r->problems, here(r), "tags (%.80s) are not used here; remove it",
                event_tag(&r->event));
  }
  NTK_TRY(add_anchor(r, &own));
  if (r->event.type == YAML_ALIAS_EVENT) {
    NTK_TRY(read_alias(r, depth, node, height));
  } else if (r->event.type == YAML_SCALAR_EVENT) {
    NTK_TRY(read_scalar(r, node));
  } else {
    NTK_TRY(read_collection(r, depth, node, height));
  }
  if (own && !r->broken) {
    own->node = *node;
    own->nodes = r->nodes - before;
    own->height = *height;
  }
  return NTK_OK;
}

/* ---- the document ------------------------------------------------------------------------------
 */

static ntk_status read_document(reader *r, ntk_node **root) {
  int height = 0;

  NTK_TRY(next(r));                 /* the stream */
  if (!r->broken) NTK_TRY(next(r)); /* the document, or the stream's end */
  if (r->broken || r->event.type == YAML_STREAM_END_EVENT) return NTK_OK;
  NTK_TRY(next(r));
  if (!r->broken) NTK_TRY(read_node(r, 1, root, &height));
  if (!r->broken) NTK_TRY(next(r)); /* behind the document's end */
  if (!r->broken && r->event.type == YAML_DOCUMENT_START_EVENT) {
    ntk_problem(r->problems, here(r), "a second document; keep one document per file");
  }
  return NTK_OK;
}

/* Whether a text is UTF-8 throughout, without NUL; else the place of the first byte that is not. */
static bool readable(const ntk_source *source, size_t length, ntk_problems *problems) {
  ntk_mark mark = {source, 1, 1};
  const char *s = source->text;

  for (size_t n = ntk_utf8_length(s); n > 0; n = ntk_utf8_length(s)) {
    mark.column = *s == '\n' ? 1 : mark.column + 1;
    mark.line += *s == '\n';
    s += n;
  }
  if (*s) {
    ntk_problem(problems, mark, "this is not UTF-8; save the text in that encoding");
  } else if ((size_t)(s - source->text) < length) {
    ntk_problem(problems, mark, "a NUL byte; the file is damaged, or no text");
  } else {
    return true;
  }
  return false;
}

static ntk_status parse(reader *r, ntk_node **root) {
  const char *yaml = r->source->text + r->skip;

  if (!yaml_parser_initialize(&r->parser)) {
    return NTK_RAISE(NTK_E_MEMORY, "out of memory while reading %s", r->source->name);
  }
  yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string(&r->parser, (const unsigned char *)yaml, strlen(yaml));
  const ntk_status status = read_document(r, root);

  yaml_event_delete(&r->event);
  yaml_parser_delete(&r->parser);
  return status;
}

ntk_status ntk_read_yaml(ntk_arena *arena, const ntk_source *source, size_t skip, size_t length,
                         ntk_node **root, ntk_problems *problems) {
  reader r = {.arena = arena, .source = source, .skip = skip, .problems = problems};

  *root = NULL;
  if (!readable(source, length, problems)) return NTK_OK;
  for (const char *s = source->text; s < source->text + skip; s += ntk_utf8_length(s)) ++r.shift;
  NTK_TRY(parse(&r, root));
  if (r.broken) *root = NULL;
  return NTK_OK;
}

ntk_status ntk_source_new(ntk_arena *arena, const char *name, const char *text,
                          ntk_source **source) {
  NTK_TRY(ntk_arena_new(arena, sizeof(**source), source));
  NTK_TRY(ntk_arena_copy(arena, name, &(*source)->name));
  return ntk_arena_copy(arena, text, &(*source)->text);
}
