/* Words that name no row: what was meant. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "bind.h"

/* Whether `length` characters are the word, whatever their case and with or without '_':
 * LayerNorm, layernorm and layer_norm are one. */
static bool same_word(const char *text, size_t length, const char *word) {
  const char *end = text + length;

  for (;; ++text, ++word) {
    while (text < end && *text == '_') ++text;
    while (*word == '_') ++word;
    if (text == end || !*word) return text == end && !*word;
    if (tolower((unsigned char)*text) != tolower((unsigned char)*word)) return false;
  }
}

static bool is_also(const ntk_row *row, const char *word) {
  const char *name = row->also ? row->also : "";

  while (*name) {
    const size_t length = strcspn(name, " ");

    if (same_word(name, length, word)) return true;
    name += length + strspn(name + length, " ");
  }
  return false;
}

/* The row that other programs call so. */
static const ntk_row *row_known_as(const ntk_row *const *rows, const char *word) {
  for (; *rows; ++rows) {
    if (is_also(*rows, word)) return *rows;
  }
  return NULL;
}

/* The row that has such a word as its shorthand: of layers, `activation` has `relu`. */
static const ntk_row *row_that_takes(const ntk_row *const *rows, const char *word) {
  for (; *rows; ++rows) {
    const ntk_option *o = (*rows)->options;

    if (!(*rows)->shorthand) continue;
    while (o->key && strcmp(o->key, (*rows)->shorthand) != 0) ++o;
    if (o->type == NTK_CHOICE && ntk_row_find(o->rows, word)) return *rows;
  }
  return NULL;
}

static void list_rows(const ntk_row *const *rows, bool may_be_auto, char hint[NTK_HINT_TEXT]) {
  size_t used = 0;

  hint[0] = '\0';
  for (; *rows && used < NTK_HINT_TEXT - NTK_WORD_TEXT - 8; ++rows) {
    used += (size_t)snprintf(hint + used, NTK_HINT_TEXT - used, "%s%.*s", used ? ", " : "",
                             NTK_WORD_TEXT, (*rows)->name);
  }
  (void)snprintf(hint + used, NTK_HINT_TEXT - used, "%s%s", *rows ? ", ..." : "",
                 may_be_auto ? ", auto" : "");
}

void ntk_unknown_word(ntk_binder *b, const ntk_place *place, const ntk_option *o,
                      const ntk_node *node) {
  const char *word = node->text;
  const ntk_row *takes = row_that_takes(o->rows, word), *known = row_known_as(o->rows, word);
  ntk_nearest nearest = {.word = word};
  char hint[NTK_HINT_TEXT];

  for (const ntk_row *const *row = o->rows; *row; ++row) ntk_nearest_offer(&nearest, (*row)->name);
  if (o->flags & NTK_AUTO) ntk_nearest_offer(&nearest, "auto");
  if (takes) {
    ntk_fault_at(b, place, node->mark, "unknown word '%.80s'; write '%s: %.80s'", word, takes->name,
                 word);
  } else if (known) {
    ntk_fault_at(b, place, node->mark, "unknown word '%.80s'; here it is '%s': %s", word,
                 known->name, known->doc);
  } else if (nearest.best) {
    ntk_fault_at(b, place, node->mark, "unknown word '%.80s'; did you mean '%s'?", word,
                 nearest.best);
  } else {
    list_rows(o->rows, o->flags & NTK_AUTO, hint);
    ntk_fault_at(b, place, node->mark, "unknown word '%.80s'; the words are %s", word, hint);
  }
}
