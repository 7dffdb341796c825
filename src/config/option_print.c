/* Settings as YAML, and as the canonical text that keys are hashes of. */
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "ntk/config/option.h"
#include "ntk/config/scalar.h"

typedef struct printer {
  ntk_text *text;
  bool canonical;
  ntk_path_visit *visit; /* what becomes of paths instead; NULL: they are printed, or hashed */
  void *context;
} printer;

static ntk_status print_rows(const printer *p, const ntk_option *options, const void *settings,
                             int indent);

/* ---- values on the line of their key -----------------------------------------------------------
 */

static ntk_status add_real(ntk_text *text, double value) {
  char real[NTK_REAL_TEXT];

  return ntk_text_add(text, "%s", isnan(value) ? "auto" : ntk_real_text(value, real));
}

static ntk_status add_int(ntk_text *text, int64_t value) {
  if (value == NTK_AUTO_INT) return ntk_text_add(text, "auto");
  return ntk_text_add(text, "%" PRId64, value);
}

/* A text that some YAML reader takes for a number, a date or a truth value gets quotes. */
static bool needs_quotes(const char *string) {
  static const char *const words[] = {"true", "false", "yes", "no", "on", "off",
                                      "null", "y",     "n",   "~",  NULL};

  for (int k = 0; words[k]; ++k) {
    if (strcasecmp(string, words[k]) == 0) return true;
  }
  return *string && strchr("0123456789+-.~<", *string);
}

static ntk_status add_string(ntk_text *text, const char *string) {
  return ntk_scalar_print(string, needs_quotes(string), text);
}

static ntk_status add_path(const printer *p, const char *path) {
  ntk_key key;

  if (p->visit) return p->visit(p->context, path);
  if (!p->canonical) return ntk_scalar_print(path, false, p->text);
  NTK_TRY(ntk_hash_path(path, key));
  return ntk_text_add(p->text, "%s", key);
}

static ntk_status add_real_of(ntk_text *text, const ntk_real_of *real, const char *word) {
  if (!real->of) return add_real(text, real->value);
  NTK_TRY(ntk_text_add(text, "{%s: ", word));
  NTK_TRY(add_real(text, real->value));
  return ntk_text_add(text, "}");
}

static ntk_status add_size(ntk_text *text, const ntk_size *size) {
  if (!size->name) return add_int(text, size->factor);
  if (size->factor == 1) return ntk_text_add(text, "%s", size->name);
  return ntk_text_add(text, "%" PRId64 "*%s", size->factor, size->name);
}

static bool is_run(const ntk_ints *list) {
  for (int64_t k = 1; k < list->count; ++k) {
    if (list->item[k] - 1 != list->item[k - 1]) return false;
  }
  return list->count > 2;
}

static ntk_status add_ints(ntk_text *text, const ntk_ints *list) {
  if (list->count < 0) return ntk_text_add(text, "all");
  if (!list->item) return ntk_text_add(text, "auto");
  if (is_run(list)) {
    return ntk_text_add(text, "%" PRId64 "..%" PRId64, list->item[0], list->item[list->count - 1]);
  }
  for (int64_t k = 0; k < list->count; ++k) {
    NTK_TRY(ntk_text_add(text, "%s%" PRId64, k ? ", " : "[", list->item[k]));
  }
  return ntk_text_add(text, list->count ? "]" : "[]");
}

static ntk_status add_strings(ntk_text *text, const ntk_strings *list) {
  for (int64_t k = 0; k < list->count; ++k) {
    NTK_TRY(ntk_text_add(text, "%s", k ? ", " : "["));
    NTK_TRY(add_string(text, list->item[k]));
  }
  return ntk_text_add(text, list->count ? "]" : "[]");
}

static ntk_status add_grid(ntk_text *text, const ntk_grid_spec *grid) {
  const bool list = grid->kind == NTK_GRID_LIST;

  if (!list) {
    NTK_TRY(
        ntk_text_add(text, "{%s: [", grid->kind == NTK_GRID_LINSPACE ? "linspace" : "geomspace"));
    NTK_TRY(add_real(text, grid->first));
    NTK_TRY(ntk_text_add(text, ", "));
    NTK_TRY(add_real(text, grid->last));
    return ntk_text_add(text, ", %" PRId64 "]%s%s}", grid->count, grid->zero ? ", zero: true" : "",
                        grid->infinity ? ", infinity: true" : "");
  }
  for (int64_t k = 0; k < grid->count; ++k) {
    NTK_TRY(ntk_text_add(text, "%s", k ? ", " : "["));
    NTK_TRY(add_real(text, grid->item[k]));
  }
  return ntk_text_add(text, "]");
}

static ntk_status add_pair(ntk_text *text, const int64_t item[2]) {
  return ntk_text_add(text, "[%" PRId64 ", %" PRId64 "]", item[0], item[1]);
}

static ntk_status add_padding(ntk_text *text, const ntk_padding *padding) {
  if (padding->row) return ntk_text_add(text, "%s", padding->row->name);
  NTK_TRY(ntk_text_add(text, "["));
  NTK_TRY(add_pair(text, padding->amount[0]));
  NTK_TRY(ntk_text_add(text, ", "));
  NTK_TRY(add_pair(text, padding->amount[1]));
  return ntk_text_add(text, "]");
}

static ntk_status add_value(const printer *p, const ntk_option *o, const void *field) {
  switch (o->type) {
    case NTK_INT:
      return add_int(p->text, *(const int64_t *)field);
    case NTK_REAL:
      return add_real(p->text, *(const double *)field);
    case NTK_BOOL:
      return ntk_text_add(p->text, *(const bool *)field ? "true" : "false");
    case NTK_STRING:
      return add_string(p->text, *(const char *const *)field);
    case NTK_PATH: {
      const char *path = *(const char *const *)field;
      const bool name = o->flags & NTK_DATASET && !ntk_dataset_is_path(path);

      return name ? add_string(p->text, path) : add_path(p, path);
    }
    case NTK_WORD: {
      const ntk_row *row = *(const ntk_row *const *)field;

      return ntk_text_add(p->text, "%s", row ? row->name : "auto");
    }
    case NTK_INTS:
      return add_ints(p->text, field);
    case NTK_STRINGS:
      return add_strings(p->text, field);
    case NTK_GRID:
      return add_grid(p->text, field);
    case NTK_REAL_OF:
      return add_real_of(p->text, field, o->word);
    case NTK_PAIR:
      return add_pair(p->text, ((const ntk_pair *)field)->item);
    case NTK_PADDING:
      return add_padding(p->text, field);
    default:
      return add_size(p->text, field);
  }
}

/* ---- values on lines of their own --------------------------------------------------------------
 */

/* "HEAD:" and the rows below it; "HEAD" and `empty` if they have nothing to say. */
static ntk_status add_head(const printer *p, const char *label, const ntk_option *options,
                           const void *settings, int indent, const char *empty) {
  const size_t before = p->text->length;

  NTK_TRY(ntk_text_add(p->text, ":\n"));
  const size_t head = p->text->length;

  if (label) {
    NTK_TRY(ntk_text_add(p->text, "%*slabel: ", indent, ""));
    NTK_TRY(add_string(p->text, label));
    NTK_TRY(ntk_text_add(p->text, "\n"));
  }
  if (options) NTK_TRY(print_rows(p, options, settings, indent));
  if (p->text->length > head) return NTK_OK;
  p->text->length = before;
  p->text->data[before] = '\0';
  return ntk_text_add(p->text, "%s\n", empty);
}

/* A label is a name for the output, so it is in no key. */
static ntk_status add_choice(const printer *p, const ntk_choice *choice, int indent) {
  const bool labelled = choice->label && strcmp(choice->label, choice->row->name) != 0;

  NTK_TRY(ntk_text_add(p->text, "%s", choice->row->name));
  return add_head(p, labelled && !p->canonical ? choice->label : NULL, choice->row->options,
                  choice->options, indent, "");
}

static ntk_status print_choice(const printer *p, const ntk_option *o, const ntk_choice *choice,
                               int indent) {
  const size_t before = p->text->length;

  const bool named = choice->named && !p->canonical; /* as it was written, for paths into it */

  if (o->word && !named && strcmp(choice->row->name, o->word) == 0) {
    NTK_TRY(ntk_text_add(p->text, "%*s%s:\n", indent, "", o->key));
    return print_rows(p, choice->row->options, choice->options, indent + 2);
  }
  NTK_TRY(ntk_text_add(p->text, "%*s%s:\n%*s", indent, "", o->key, indent + 2, ""));
  const size_t head = p->text->length;

  NTK_TRY(add_choice(p, choice, indent + 4));
  if (strchr(p->text->data + head, ':')) return NTK_OK;
  p->text->length = before; /* a name alone stands on the line of its key */
  return ntk_text_add(p->text, "%*s%s: %s\n", indent, "", o->key, choice->row->name);
}

static ntk_status print_choices(const printer *p, const ntk_option *o, const ntk_choices *list,
                                int indent) {
  if (list->count == 0) return ntk_text_add(p->text, "%*s%s: []\n", indent, "", o->key);
  NTK_TRY(ntk_text_add(p->text, "%*s%s:\n", indent, "", o->key));
  for (int64_t k = 0; k < list->count; ++k) {
    NTK_TRY(ntk_text_add(p->text, "%*s- ", indent + 2, ""));
    NTK_TRY(add_choice(p, &list->item[k], indent + 6));
  }
  return NTK_OK;
}

static ntk_status print_variant(const printer *p, const ntk_option *o, const ntk_choice *choice,
                                int indent) {
  NTK_TRY(ntk_text_add(p->text, "%*s%s: %s\n", indent, "", o->key,
                       choice->row ? choice->row->name : "auto"));
  if (!choice->row || !choice->row->options) return NTK_OK;
  return print_rows(p, choice->row->options, choice->options, indent);
}

static ntk_status print_section(const printer *p, const ntk_option *o, const void *settings,
                                int indent) {
  const bool *present = (const bool *)((const char *)settings + o->present);
  const void *field = (const char *)settings + o->offset;

  NTK_TRY(ntk_text_add(p->text, "%*s%s", indent, "", o->key));
  if (o->flags & NTK_NONE && !*present) return ntk_text_add(p->text, ": none\n");
  return add_head(p, NULL, o->section->options, field, indent + 2, ": {}");
}

static ntk_status print_tree(const printer *p, const ntk_option *o, const ntk_node *node,
                             int indent) {
  const bool inline_value = node->kind == NTK_NODE_SCALAR || node->count == 0;

  NTK_TRY(ntk_text_add(p->text, "%*s%s:%s", indent, "", o->key, inline_value ? " " : "\n"));
  return ntk_node_print(node, inline_value ? 0 : indent + 2, p->text);
}

/* ---- rows --------------------------------------------------------------------------------------
 */

static bool has_value(const ntk_option *o, const void *field) {
  const bool may_be_auto = o->flags & NTK_AUTO;

  switch (o->type) {
    case NTK_INT:
      return may_be_auto || *(const int64_t *)field != NTK_AUTO_INT;
    case NTK_REAL:
      return may_be_auto || !isnan(*(const double *)field);
    case NTK_REAL_OF:
      return may_be_auto || !isnan(((const ntk_real_of *)field)->value);
    case NTK_SIZE:
      return may_be_auto || ((const ntk_size *)field)->factor != NTK_AUTO_INT;
    case NTK_PAIR:
      return ((const ntk_pair *)field)->item[0] != NTK_AUTO_INT;
    case NTK_WORD:
      return may_be_auto || *(const ntk_row *const *)field;
    case NTK_CHOICE:
    case NTK_VARIANT:
      return may_be_auto || ((const ntk_choice *)field)->row;
    case NTK_STRING:
    case NTK_PATH:
      return *(const char *const *)field;
    case NTK_CHOICES:
      return ((const ntk_choices *)field)->item;
    case NTK_INTS:
      return may_be_auto || ((const ntk_ints *)field)->count < 0 ||
             ((const ntk_ints *)field)->item;
    case NTK_STRINGS:
      return ((const ntk_strings *)field)->item;
    case NTK_GRID:
      return ((const ntk_grid_spec *)field)->count > 0;
    case NTK_TREE:
      return *(const ntk_node *const *)field;
    default:
      return true;
  }
}

static ntk_status print_row(const printer *p, const ntk_option *o, const void *settings,
                            int indent) {
  const void *field = (const char *)settings + o->offset;
  const bool is_auto = o->type == NTK_CHOICE && !((const ntk_choice *)field)->row;

  if (is_auto) return ntk_text_add(p->text, "%*s%s: auto\n", indent, "", o->key);
  switch (o->type) {
    case NTK_SECTION:
      return print_section(p, o, settings, indent);
    case NTK_CHOICE:
      return print_choice(p, o, field, indent);
    case NTK_CHOICES:
      return print_choices(p, o, field, indent);
    case NTK_VARIANT:
      return print_variant(p, o, field, indent);
    case NTK_TREE:
      return print_tree(p, o, *(const ntk_node *const *)field, indent);
    default:
      break;
  }
  NTK_TRY(ntk_text_add(p->text, "%*s%s: ", indent, "", o->key));
  NTK_TRY(add_value(p, o, field));
  return ntk_text_add(p->text, "\n");
}

static bool is_unhashed(const ntk_option *o, const void *settings) {
  const bool *present = (const bool *)((const char *)settings + o->present);

  return o->flags & NTK_UNHASHED || (o->flags & NTK_SILENT && !*present);
}

static ntk_status print_rows(const printer *p, const ntk_option *options, const void *settings,
                             int indent) {
  for (const ntk_option *o = options; o->key; ++o) {
    if (p->canonical && is_unhashed(o, settings)) continue;
    if (!has_value(o, (const char *)settings + o->offset)) continue;
    NTK_TRY(print_row(p, o, settings, indent));
  }
  return NTK_OK;
}

ntk_status ntk_option_print(const ntk_section *section, const void *settings, int indent,
                            ntk_text *text) {
  const printer p = {.text = text};

  return print_rows(&p, section->options, settings, indent);
}

ntk_status ntk_option_canonical(const ntk_section *section, const void *settings, ntk_text *text) {
  const printer p = {.text = text, .canonical = true};

  return print_rows(&p, section->options, settings, 0);
}

ntk_status ntk_option_paths(const ntk_section *section, const void *settings,
                            ntk_path_visit *visit, void *context) {
  ntk_text text = {0};
  const printer p = {.text = &text, .canonical = true, .visit = visit, .context = context};
  const ntk_status status = print_rows(&p, section->options, settings, 0);

  ntk_text_destroy(&text);
  return status;
}

ntk_status ntk_choice_canonical(const ntk_choice *choice, ntk_text *text) {
  const printer p = {.text = text, .canonical = true};

  if (!choice->row) return ntk_text_add(text, "auto\n");
  return add_choice(&p, choice, 2);
}
