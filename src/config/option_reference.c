/* The tables as a config: every key with what it means, its default in place, and what is not in
 * force as comments. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ntk/config/option.h"
#include "ntk/config/scalar.h"
#include "ntk/config/walk.h"

/* Keys whose words have been listed; the same words are not listed again. */
typedef struct listed_keys {
  int count;
  const ntk_option *key[NTK_WORD_TEXT];
} listed_keys;

/* Registries that are being listed: a row whose options lead back to its own registry (a block of
 * layers in a list of layers) must not be listed for ever. */
typedef struct listing {
  const struct listing *up;
  const ntk_row *const *rows; /* NULL: the root */
  listed_keys *listed;
  const ntk_option *root; /* the table of the whole config */
} listing;

/* The key of the root that has the same keys below it (a network inside of the data); else NULL. */
static const ntk_option *find_main(const listing *above, const ntk_option *o) {
  for (const ntk_option *main = above->root; main->key; ++main) {
    if (o->type == NTK_SECTION && main != o && main->section == o->section) return main;
  }
  return NULL;
}

static bool is_open(const listing *above, const ntk_row *const *rows) {
  for (; above; above = above->up) {
    if (rows && above->rows == rows) return true;
  }
  return false;
}

/* The key that has listed the same words before; NULL: none. */
static const ntk_option *find_listed(const listing *above, const ntk_option *o) {
  const listed_keys *listed = above->listed;

  for (int k = 0; o->rows && k < listed->count; ++k) {
    if (listed->key[k] != o && listed->key[k]->rows == o->rows) return listed->key[k];
  }
  return NULL;
}

static void note_listed(const listing *above, const ntk_option *o) {
  listed_keys *listed = above->listed;
  const int most = (int)(sizeof(listed->key) / sizeof(listed->key[0]));

  if (o->rows && !find_listed(above, o) && listed->count < most) listed->key[listed->count++] = o;
}

static ntk_status add_rows(const ntk_option *options, int indent, const listing *above,
                           ntk_text *text);

/* ---- type and range ----------------------------------------------------------------------------
 */

static bool any_options(const ntk_option *o) {
  for (const ntk_row *const *row = o->rows; *row; ++row) {
    if ((*row)->options) return true;
  }
  return false;
}

const char *const ntk_option_legend[][2] = {
    {"path", "starts from this file's folder; $NAME and ~ are expanded"},
    {"dataset", "its name in the HDF5 file, or the path of a .npy file"},
    {"integers", "[1, 2, 5] or 0..9"},
    {"grid", "numbers: [1, 2, 5], 0..9, {linspace: [a, b, k]} or {geomspace: [a, b, k]}"},
    {"size", "an integer, a name, or k*name"},
    {"choice", "one of the words below, as word or {word: {options}}"},
    {"choices", "a list of choices"},
    {NULL, NULL}};

static const char *type_text(const ntk_option *o) {
  switch (o->type) {
    case NTK_INT:
      return "integer";
    case NTK_REAL:
      return o->flags & NTK_CLOCK ? "seconds, or HH:MM:SS" : "number";
    case NTK_BOOL:
      return "true or false";
    case NTK_STRING:
      return "text";
    case NTK_PATH:
      return o->flags & NTK_DATASET ? "dataset" : "path";
    case NTK_WORD:
      return "one word";
    case NTK_CHOICE:
      return any_options(o) ? "choice" : "one word";
    case NTK_CHOICES:
      return any_options(o) ? "choices" : "list of words";
    case NTK_VARIANT:
      return "one word; its options stand beside this key";
    case NTK_SECTION:
      return "mapping";
    case NTK_INTS:
      return "integers";
    case NTK_STRINGS:
      return "list of texts";
    case NTK_GRID:
      return "grid";
    case NTK_REAL_OF:
      return "number";
    case NTK_SIZE:
      return "size";
    case NTK_PAIR:
      return "integer or [height, width]";
    case NTK_PADDING:
      return "one word or [[top, bottom], [left, right]]";
    case NTK_TREE:
      return "mapping";
  }
  return "";
}

static bool has_range(const ntk_option *o) {
  return o->type == NTK_INT || o->type == NTK_REAL || o->type == NTK_INTS || o->type == NTK_GRID ||
         o->type == NTK_REAL_OF || o->type == NTK_SIZE || o->type == NTK_PAIR;
}

/* Limits so far out that nobody meets them are not worth a word. */
static ntk_status add_range(const ntk_option *o, ntk_text *text) {
  const bool whole = o->type == NTK_INT || o->type == NTK_INTS || o->type == NTK_SIZE ||
                     o->type == NTK_PAIR;
  const double far = whole ? 9e18 : 1e300;
  char low[NTK_REAL_TEXT], high[NTK_REAL_TEXT];

  ntk_real_text(o->low, low);
  ntk_real_text(o->high, high);
  if (!has_range(o) || (o->low <= -far && o->high >= far)) return NTK_OK;
  const char *each = o->type == NTK_INTS || o->type == NTK_GRID ? "each " : "";

  if (o->low >= o->high) return ntk_text_add(text, ", %salways %s", each, low);
  if (o->high >= far) return ntk_text_add(text, ", %sat least %s", each, low);
  if (o->low <= -far) return ntk_text_add(text, ", %sat most %s", each, high);
  return ntk_text_add(text, ", %s%s to %s", each, low, high);
}

static ntk_status add_extras(const ntk_option *o, ntk_text *text) {
  if (o->type == NTK_REAL_OF) NTK_TRY(ntk_text_add(text, ", or {%s: number}", o->word));
  if (o->type == NTK_CHOICE && o->word) {
    NTK_TRY(ntk_text_add(text, ", or the options of %s", o->word));
  }
  if (o->flags & NTK_AUTO) NTK_TRY(ntk_text_add(text, ", or auto"));
  if (o->flags & NTK_ALL) NTK_TRY(ntk_text_add(text, ", or all"));
  if (o->flags & NTK_NONE) NTK_TRY(ntk_text_add(text, ", or none"));
  if (o->flags & NTK_ENDS) {
    NTK_TRY(ntk_text_add(text, "; ends may be auto; also zero: true, infinity: true"));
  }
  return o->flags & NTK_REQUIRED ? ntk_text_add(text, "; required") : NTK_OK;
}

static ntk_status add_words(const ntk_option *o, int indent, ntk_text *text) {
  int width = 0;

  for (const ntk_row *const *row = o->rows; row && *row; ++row) {
    const int length = (int)strlen((*row)->name);

    width = length > width ? length : width;
  }
  for (const ntk_row *const *row = o->rows; row && *row; ++row) {
    NTK_TRY(ntk_text_add(text, "%*s#   %-*s  %s\n", indent, "", width, (*row)->name,
                         (*row)->doc ? (*row)->doc : ""));
  }
  return NTK_OK;
}

ntk_status ntk_option_describe(const ntk_option *o, ntk_text *text) {
  NTK_TRY(ntk_text_add(text, "%s", type_text(o)));
  NTK_TRY(add_range(o, text));
  return add_extras(o, text);
}

static ntk_status add_comment(const ntk_option *o, int indent, const listing *above,
                              ntk_text *text) {
  const ntk_option *same = find_listed(above, o), *main = find_main(above, o);

  NTK_TRY(ntk_text_add(text, "%*s# %s", indent, "", o->doc ? o->doc : o->key));
  if (main) return ntk_text_add(text, " (mapping), as `%s`\n", main->key);
  if (o->type == NTK_SECTION && !(o->flags & NTK_NONE)) return ntk_text_add(text, "\n");
  NTK_TRY(ntk_text_add(text, " ("));
  NTK_TRY(ntk_option_describe(o, text));
  if (is_open(above, o->rows)) return ntk_text_add(text, "), as above\n");
  if (same) return ntk_text_add(text, "), as `%s` above\n", same->key);
  NTK_TRY(ntk_text_add(text, ")\n"));
  return add_words(o, indent, text);
}

/* ---- values ------------------------------------------------------------------------------------
 */

static double example_number(const ntk_option *o) {
  if (o->low > 1) return o->low;
  return o->high < 1 ? o->high : 1;
}

/* Something legal for a row without default. */
static void example(const ntk_option *o, char value[NTK_WORD_TEXT]) {
  char number[NTK_REAL_TEXT];

  ntk_real_text(example_number(o), number);
  switch (o->type) {
    case NTK_INT:
    case NTK_REAL:
    case NTK_REAL_OF:
    case NTK_SIZE:
    case NTK_PAIR:
      (void)snprintf(value, NTK_WORD_TEXT, "%s", number);
      return;
    case NTK_INTS:
    case NTK_GRID:
      (void)snprintf(value, NTK_WORD_TEXT, "[%s]", number);
      return;
    case NTK_BOOL:
      (void)snprintf(value, NTK_WORD_TEXT, "true");
      return;
    case NTK_STRING:
      (void)snprintf(value, NTK_WORD_TEXT, "text");
      return;
    case NTK_STRINGS:
      (void)snprintf(value, NTK_WORD_TEXT, "[text]");
      return;
    case NTK_PATH:
      (void)snprintf(value, NTK_WORD_TEXT, "path/to/file");
      return;
    case NTK_WORD:
    case NTK_PADDING:
      (void)snprintf(value, NTK_WORD_TEXT, "%s", o->rows[0]->name);
      return;
    default:
      (void)snprintf(value, NTK_WORD_TEXT, "{}");
      return;
  }
}

static ntk_status add_value(const ntk_option *o, int indent, ntk_text *text) {
  char value[NTK_WORD_TEXT];

  if (o->fallback) {
    return ntk_text_add(text, "%*s%s: %s\n", indent, "", o->key,
                        *o->fallback ? o->fallback : "\"\"");
  }
  example(o, value);
  return ntk_text_add(text, "%*s%s%s: %s\n", indent, "", o->flags & NTK_REQUIRED ? "" : "#", o->key,
                      value);
}

/* ---- blocks ------------------------------------------------------------------------------------
 */

static ntk_status comment_out(const char *block, int indent, ntk_text *text) {
  while (*block) {
    const size_t length = strcspn(block, "\n");

    NTK_TRY(ntk_text_add(text, "%*s# %.*s\n", indent, "", (int)length, block));
    block += length + (block[length] == '\n');
  }
  return NTK_OK;
}

static bool all_comments(const char *block) {
  while (*block) {
    block += strspn(block, " ");
    if (*block && *block != '#' && *block != '\n') return false;
    block += strcspn(block, "\n");
    block += *block == '\n';
  }
  return true;
}

/* "HEAD:" with rows below it; the head alone says `empty` if no row is in force. */
static ntk_status add_block(const char *head, const char *empty, const ntk_option *options,
                            int indent, int inner, const listing *above, ntk_text *text) {
  ntk_text block = {0};
  ntk_status status = options ? add_rows(options, inner, above, &block) : NTK_OK;
  const bool idle = all_comments(ntk_text_string(&block));

  if (status == NTK_OK) {
    status = ntk_text_add(text, "%*s%s%s\n%s", indent, "", head, idle ? empty : ":",
                          ntk_text_string(&block));
  }
  ntk_text_destroy(&block);
  return status;
}

static ntk_status add_section(const ntk_option *o, int indent, const listing *above,
                              ntk_text *text) {
  ntk_text block = {0};

  if (find_main(above, o)) {
    return ntk_text_add(text, "%*s%s: %s\n", indent, "", o->key, o->fallback ? o->fallback : "{}");
  }
  if (!o->fallback) {
    return add_block(o->key, ": {}", o->section->options, indent, indent + 2, above, text);
  }
  ntk_status status = add_value(o, indent, text); /* none */

  if (status == NTK_OK) {
    status = add_block(o->key, ": {}", o->section->options, 0, 2, above, &block);
  }
  if (status == NTK_OK) status = comment_out(ntk_text_string(&block), indent, text);
  ntk_text_destroy(&block);
  return status;
}

/* One row of a registry with its options, as it would stand in a config. */
static ntk_status add_chosen(const ntk_option *o, const ntk_row *row, int indent,
                             const listing *above, ntk_text *text) {
  char head[NTK_WORD_TEXT];

  if (o->type == NTK_CHOICES) {
    (void)snprintf(head, sizeof(head), "- %s", row->name);
    return add_block(head, "", row->options, indent, indent + 4, above, text);
  }
  if (o->type == NTK_VARIANT || !row->options) {
    NTK_TRY(ntk_text_add(text, "%*s%s: %s\n", indent, "", o->key, row->name));
    return row->options ? add_rows(row->options, indent, above, text) : NTK_OK;
  }
  NTK_TRY(ntk_text_add(text, "%*s%s:\n", indent, "", o->key));
  return add_block(row->name, ": {}", row->options, indent + 2, indent + 4, above, text);
}

static ntk_status add_chosen_as_comment(const ntk_option *o, const ntk_row *row, int indent,
                                        const listing *above, ntk_text *text) {
  ntk_text block = {0};
  ntk_status status = add_chosen(o, row, 0, above, &block);

  if (status == NTK_OK) status = comment_out(ntk_text_string(&block), indent, text);
  ntk_text_destroy(&block);
  return status;
}

/* The row that is in force where nothing is written, or must be written, as a variant must where
 * keys stand beside it; NULL: neither, or not a name alone. */
static const ntk_row *row_in_force(const ntk_option *o) {
  if (!o->fallback) {
    return o->flags & NTK_REQUIRED || o->type == NTK_VARIANT ? o->rows[0] : NULL;
  }
  return o->type == NTK_CHOICES ? NULL : ntk_row_find(o->rows, o->fallback);
}

static ntk_status add_registry(const ntk_option *o, int indent, const listing *above,
                               ntk_text *text) {
  const int inner = o->type == NTK_CHOICES ? indent + 2 : indent;
  const ntk_row *chosen = row_in_force(o);

  if (!chosen && o->fallback) {
    NTK_TRY(ntk_text_add(text, "%*s%s: %s\n", indent, "", o->key, o->fallback));
  } else if (!chosen) {
    NTK_TRY(ntk_text_add(text, "%*s#%s:\n", indent, "", o->key));
  } else {
    if (o->type == NTK_CHOICES) NTK_TRY(ntk_text_add(text, "%*s%s:\n", indent, "", o->key));
    NTK_TRY(add_chosen(o, chosen, inner, above, text));
  }
  for (const ntk_row *const *row = o->rows; *row; ++row) {
    if (*row == chosen || !(*row)->options) continue;
    NTK_TRY(add_chosen_as_comment(o, *row, inner, above, text));
  }
  return NTK_OK;
}

/* A row of words that needs no options. */
static const ntk_row *plain_row(const ntk_option *o) {
  const ntk_row *const *row = o->rows;

  while (*row && (*row)->options) ++row;
  return *row;
}

/* Words that were listed before, or are just being listed: a word without options will do. */
static ntk_status add_listed(const ntk_option *o, int indent, ntk_text *text) {
  const ntk_row *row = plain_row(o);

  if (o->fallback) return add_value(o, indent, text);
  if (!row) return NTK_OK;
  return ntk_text_add(text, "%*s%s%s: %s\n", indent, "", o->flags & NTK_REQUIRED ? "" : "#", o->key,
                      row->name);
}

/* ---- rows --------------------------------------------------------------------------------------
 */

static ntk_status add_row(const ntk_option *o, int indent, const listing *above, ntk_text *text) {
  const listing here = {above, o->rows, above->listed, above->root};
  const bool again = find_listed(above, o) && (o->fallback || plain_row(o));

  NTK_TRY(add_comment(o, indent, above, text));
  note_listed(above, o);
  switch (o->type) {
    case NTK_SECTION:
      return add_section(o, indent, above, text);
    case NTK_VARIANT:
    case NTK_CHOICE:
    case NTK_CHOICES:
      if (again || is_open(above, o->rows)) return add_listed(o, indent, text);
      return add_registry(o, indent, &here, text);
    default:
      return add_value(o, indent, text);
  }
}

static ntk_status add_rows(const ntk_option *options, int indent, const listing *above,
                           ntk_text *text) {
  for (const ntk_option *o = options; o->key; ++o) NTK_TRY(add_row(o, indent, above, text));
  return NTK_OK;
}

ntk_status ntk_option_reference(const ntk_section *section, int indent, ntk_text *text) {
  listed_keys listed = {0};
  const listing root = {NULL, NULL, &listed, section->options};

  for (const ntk_option *o = section->options; o->key; ++o) {
    const bool block = o->type == NTK_SECTION || o->type == NTK_CHOICES;

    if (block && o > section->options) NTK_TRY(ntk_text_add(text, "\n"));
    NTK_TRY(add_row(o, indent, &root, text));
  }
  return NTK_OK;
}
