/* One value each: numbers, words, texts, paths. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bind.h"
#include "reader.h"

bool ntk_is_word(const ntk_node *node, const char *word) {
  return node->kind == NTK_NODE_SCALAR && !node->quoted && strcmp(node->text, word) == 0;
}

bool ntk_wants_plain(ntk_binder *b, const ntk_place *place, const ntk_node *node,
                     const char *what) {
  if (node->kind != NTK_NODE_SCALAR) {
    ntk_fault_at(b, place, node->mark, "needs %s, not a %s", what,
                 node->kind == NTK_NODE_SEQUENCE ? "list" : "mapping");
  } else if (ntk_node_empty(node)) {
    ntk_fault_at(b, place, node->mark, "has no value; write one, or remove the line");
  } else if (node->quoted) {
    ntk_fault_at(b, place, node->mark, "needs %s; quotes make '%.80s' a text, remove them", what,
                 node->text);
  } else {
    return true;
  }
  return false;
}

ntk_status ntk_keep_text(ntk_binder *b, const char *text, const char **copy) {
  return ntk_arena_copy(b->arena, text, copy);
}

/* ---- numbers -----------------------------------------------------------------------------------
 */

static bool in_range(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                     const ntk_node *node, double value) {
  char low[NTK_REAL_TEXT], high[NTK_REAL_TEXT];

  if (value >= o->low && value <= o->high) return true;
  ntk_real_text(o->low, low);
  ntk_real_text(o->high, high);
  if (value < o->low) {
    ntk_fault_at(b, place, node->mark, "%.80s is too small; the least is %s", node->text, low);
  } else {
    ntk_fault_at(b, place, node->mark, "%.80s is too large; the most is %s", node->text, high);
  }
  return false;
}

static void refuse_number(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                          const ntk_node *node) {
  char advice[NTK_ADVICE_TEXT], path[NTK_PLACE_TEXT];
  int64_t first = 0, last = 0;

  ntk_scalar_advice(node->text, o->type == NTK_INT || o->type == NTK_SIZE, advice);
  if (o->flags & NTK_CLOCK) {
    ntk_fault_at(b, place, node->mark, "'%.80s' %s of seconds, nor HH:MM:SS as in 01:30:00",
                 node->text, advice);
  } else if (ntk_scalar_range(node->text, &first, &last) && first <= last) {
    ntk_fault_at(b, place, node->mark,
                 "'%.80s' %s (to sweep: `%s: %.80s` below sweep:, or --set sweep.%s=%.80s)",
                 node->text, advice, ntk_place_text(place, path), node->text, path, node->text);
  } else {
    ntk_fault_at(b, place, node->mark, "'%.80s' %s", node->text, advice);
  }
}

static bool bind_int(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                     const ntk_node *node, int64_t *field) {
  int64_t value = 0;

  if (o->flags & NTK_AUTO && ntk_is_word(node, "auto")) {
    *field = NTK_AUTO_INT;
    return true;
  }
  if (!ntk_wants_plain(b, place, node, "an integer")) return false;
  if (!ntk_scalar_int(node->text, &value)) {
    refuse_number(b, place, o, node);
    return false;
  }
  if (!in_range(b, place, o, node, (double)value)) return false;
  *field = value;
  return true;
}

static bool bind_real(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                      const ntk_node *node, double *field) {
  double value = 0;

  if (o->flags & NTK_AUTO && ntk_is_word(node, "auto")) {
    *field = NAN;
    return true;
  }
  if (!ntk_wants_plain(b, place, node, "a number")) return false;
  const bool clock = o->flags & NTK_CLOCK && ntk_scalar_clock(node->text, &value);

  if (!clock && !ntk_scalar_real(node->text, &value)) {
    refuse_number(b, place, o, node);
    return false;
  }
  if (!in_range(b, place, o, node, value)) return false;
  *field = value;
  return true;
}

static void bind_bool(ntk_binder *b, const ntk_place *place, const ntk_node *node, bool *field) {
  static const char *const others[][2] = {
      {"yes", "true"},  {"on", "true"},     {"True", "true"},   {"TRUE", "true"}, {"no", "false"},
      {"off", "false"}, {"False", "false"}, {"FALSE", "false"}, {"Yes", "true"},  {"On", "true"},
      {"YES", "true"},  {"ON", "true"},     {"No", "false"},    {"Off", "false"}, {"NO", "false"},
      {"OFF", "false"}, {"1", "true"},      {"0", "false"},     {NULL, NULL}};

  if (!ntk_wants_plain(b, place, node, "true or false")) return;
  if (ntk_is_word(node, "true") || ntk_is_word(node, "false")) {
    *field = ntk_is_word(node, "true");
    return;
  }
  for (int k = 0; others[k][0]; ++k) {
    if (!ntk_is_word(node, others[k][0])) continue;
    ntk_fault_at(b, place, node->mark, "'%s' is neither true nor false; write %s", node->text,
                 others[k][1]);
    return;
  }
  ntk_fault_at(b, place, node->mark, "'%.80s' is neither true nor false", node->text);
}

static void bind_real_of(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                         const ntk_node *node, ntk_real_of *field) {
  const ntk_place inner = {place, o->word};
  double value = 0;

  if (node->kind != NTK_NODE_MAPPING) {
    if (bind_real(b, place, o, node, &value)) *field = (ntk_real_of){value, false};
  } else if (node->count != 1 || strcmp(node->key[0], o->word) != 0) {
    ntk_fault_at(b, place, node->mark, "needs a number or {%s: number}", o->word);
  } else if (bind_real(b, &inner, o, node->child[0], &value)) {
    *field = (ntk_real_of){value, true};
  }
}

/* ---- sizes -------------------------------------------------------------------------------------
 */

static bool is_name(const char *text) {
  const size_t length =
      strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");

  return length > 0 && text[length] == '\0' && !strchr("0123456789", text[0]);
}

static ntk_status bind_size(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                            const ntk_node *node, ntk_size *field) {
  const char *star = node->kind == NTK_NODE_SCALAR ? strchr(node->text, '*') : NULL;
  const char *name = star ? star + 1 : node->text;
  char factor[NTK_REAL_TEXT];
  int64_t value = 1;

  if (o->flags & NTK_AUTO && ntk_is_word(node, "auto")) {
    *field = (ntk_size){NTK_AUTO_INT, NULL};
    return NTK_OK;
  }
  if (!ntk_wants_plain(b, place, node, "an integer, a name or k*name")) return NTK_OK;
  if (!star && !is_name(name)) {
    if (bind_int(b, place, o, node, &value)) *field = (ntk_size){value, NULL};
    return NTK_OK;
  }
  const size_t length = star ? (size_t)(star - node->text) : 0;

  (void)snprintf(factor, sizeof(factor), "%.*s", (int)(length < 30 ? length : 30), node->text);
  if (!is_name(name) || (star && (!ntk_scalar_int(factor, &value) || value < 1))) {
    ntk_fault_at(b, place, node->mark,
                 "'%.80s' is not a size; write an integer, a name, or an integer times a name as "
                 "in 4*width",
                 node->text);
    return NTK_OK;
  }
  field->factor = value;
  return ntk_keep_text(b, name, &field->name);
}

/* ---- words -------------------------------------------------------------------------------------
 */

const ntk_row *ntk_row_find(const ntk_row *const *rows, const char *name) {
  for (; *rows; ++rows) {
    if (strcmp((*rows)->name, name) == 0) return *rows;
  }
  return NULL;
}

const ntk_row *ntk_bind_row(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                            const ntk_node *node) {
  if (!ntk_wants_plain(b, place, node, "a word")) return NULL;
  const ntk_row *row = ntk_row_find(o->rows, node->text);

  if (!row) ntk_unknown_word(b, place, o, node);
  return row;
}

static void bind_word(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                      const ntk_node *node, const ntk_row **field) {
  if (o->flags & NTK_AUTO && ntk_is_word(node, "auto")) {
    *field = NULL;
    return;
  }
  const ntk_row *row = ntk_bind_row(b, place, o, node);

  if (row) *field = row;
}

/* ---- texts and paths ---------------------------------------------------------------------------
 */

static bool is_text(ntk_binder *b, const ntk_place *place, const ntk_node *node) {
  if (node->kind == NTK_NODE_SCALAR && node->quoted) return true;
  return ntk_wants_plain(b, place, node, "a text");
}

static ntk_status bind_string(ntk_binder *b, const ntk_place *place, const ntk_node *node,
                              const char **field) {
  return is_text(b, place, node) ? ntk_keep_text(b, node->text, field) : NTK_OK;
}

enum { PATH_SIZE = 4096 };

typedef struct path_text {
  char text[PATH_SIZE];
  size_t length;
  bool too_long;
} path_text;

static void append(path_text *path, const char *piece, size_t length) {
  if (path->length + length >= PATH_SIZE) {
    path->too_long = true;
    return;
  }
  memcpy(path->text + path->length, piece, length);
  path->length += length;
  path->text[path->length] = '\0';
}

/* $NAME or ${NAME} at `s`; a '$' before anything else is itself.  Returns what follows, NULL after
 * a problem. */
static const char *append_variable(ntk_binder *b, const ntk_place *place, const ntk_node *node,
                                   const char *s, path_text *path) {
  const bool braced = s[1] == '{';
  const char *name = s + 1 + braced;
  const size_t length =
      strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
  char copy[NTK_WORD_TEXT * 2];

  if (braced && (length == 0 || name[length] != '}')) {
    ntk_fault_at(b, place, node->mark, "'${' without a name and '}' behind it");
    return NULL;
  }
  if (length == 0) {
    append(path, s, 1);
    return s + 1;
  }
  (void)snprintf(copy, sizeof(copy), "%.*s", (int)(length < sizeof(copy) ? length : 0), name);
  const char *value = getenv(copy);

  if (!value) {
    ntk_fault_at(b, place, node->mark,
                 "the environment has no variable %.*s; set it, or write the "
                 "path out",
                 (int)(length < 80 ? length : 80), name);
    return NULL;
  }
  append(path, value, strlen(value));
  return name + length + braced;
}

static const char *append_home(ntk_binder *b, const ntk_place *place, const ntk_node *node,
                               const char *s, path_text *path) {
  const char *home = getenv("HOME");

  if (s[1] != '/' && s[1] != '\0') {
    ntk_fault_at(b, place, node->mark, "'~name' is not expanded; write the folder out");
    return NULL;
  }
  if (!home) {
    ntk_fault_at(b, place, node->mark, "'~' stands for $HOME, which the environment lacks");
    return NULL;
  }
  append(path, home, strlen(home));
  return s + 1;
}

static bool expand(ntk_binder *b, const ntk_place *place, const ntk_node *node, path_text *path) {
  const char *s = node->text;

  if (*s == '~') s = append_home(b, place, node, s, path);
  while (s && *s) {
    if (*s == '$') {
      s = append_variable(b, place, node, s, path);
    } else {
      const size_t length = strcspn(s, "$");

      append(path, s, length);
      s += length;
    }
  }
  return s != NULL;
}

/* Absolute, so that the printed path means the same wherever it is read. */
static bool anchor_path(const char *directory, const path_text *path, path_text *whole) {
  char here[PATH_SIZE] = "";
  const char *tail = path->text;

  if (tail[0] == '/') {
    append(whole, tail, path->length);
    return true;
  }
  if (directory[0] != '/') {
    if (!getcwd(here, sizeof(here))) return false;
    append(whole, here, strlen(here));
    append(whole, "/", *directory ? 1 : 0);
  }
  append(whole, directory, strlen(directory));
  while (tail[0] == '.' && tail[1] == '/') tail += 2;
  append(whole, "/", whole->length > 0 && whole->text[whole->length - 1] == '/' ? 0 : 1);
  append(whole, tail, strlen(tail));
  return true;
}

static bool is_utf8(const char *text) {
  while (ntk_utf8_length(text)) text += ntk_utf8_length(text);
  return *text == '\0';
}

/* False after a problem. */
static bool read_path(ntk_binder *b, const ntk_place *place, const ntk_node *node,
                      path_text *path) {
  if (!is_text(b, place, node) || !expand(b, place, node, path)) return false;
  if (path->length > 0 || path->too_long) return true;
  ntk_fault_at(b, place, node->mark, "the path is empty");
  return false;
}

/* As it stands, so that it means the same wherever the working directory goes. */
static ntk_status bind_folder(ntk_binder *b, const ntk_place *place, const ntk_node *node,
                              const char **field) {
  path_text path = {.length = 0};

  if (!read_path(b, place, node, &path)) return NTK_OK;
  if (!path.too_long) return ntk_keep_text(b, path.text, field);
  ntk_fault_at(b, place, node->mark, "the path is too long");
  return NTK_OK;
}

ntk_status ntk_bind_path(ntk_binder *b, const ntk_place *place, const ntk_node *node,
                         const char **field) {
  path_text path = {.length = 0}, whole = {.length = 0};

  if (!read_path(b, place, node, &path)) return NTK_OK;
  const bool anchored = anchor_path(b->directory, &path, &whole);

  if (!anchored || path.too_long || whole.too_long || !is_utf8(whole.text)) {
    ntk_fault_at(b, place, node->mark, "%s",
                 anchored ? "the path is too long, or not UTF-8"
                          : "the working directory cannot be found; write the path out");
    return NTK_OK;
  }
  return ntk_keep_text(b, whole.text, field);
}

bool ntk_dataset_is_path(const char *value) {
  const size_t length = strlen(value);

  return length > 4 && strcmp(value + length - 4, ".npy") == 0;
}

/* ---- by type -----------------------------------------------------------------------------------
 */

ntk_status ntk_bind_value(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                          const ntk_node *node, void *field) {
  switch (o->type) {
    case NTK_INT:
      (void)bind_int(b, place, o, node, field);
      return NTK_OK;
    case NTK_REAL:
      (void)bind_real(b, place, o, node, field);
      return NTK_OK;
    case NTK_BOOL:
      bind_bool(b, place, node, field);
      return NTK_OK;
    case NTK_REAL_OF:
      bind_real_of(b, place, o, node, field);
      return NTK_OK;
    case NTK_WORD:
      bind_word(b, place, o, node, field);
      return NTK_OK;
    case NTK_SIZE:
      return bind_size(b, place, o, node, field);
    case NTK_STRING:
      if (o->flags & NTK_FOLDER) return bind_folder(b, place, node, field);
      return bind_string(b, place, node, field);
    case NTK_PATH:
      if (o->flags & NTK_DATASET && node->kind == NTK_NODE_SCALAR &&
          !ntk_dataset_is_path(node->text)) {
        return bind_string(b, place, node, field);
      }
      return ntk_bind_path(b, place, node, field);
    default:
      return ntk_bind_list(b, place, o, node, field);
  }
}
