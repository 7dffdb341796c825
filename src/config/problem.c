#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ntk/config/scalar.h"
#include "ntk/config/tree.h"

enum { SHOWN = 120 }; /* characters of a source line */

/* Start of the next line; NULL behind the last one.  Lines end as in YAML: \n, \r\n or \r. */
static const char *next_line(const char *line) {
  line += strcspn(line, "\r\n");
  if (!*line) return NULL;
  return line + (line[0] == '\r' && line[1] == '\n' ? 2 : 1);
}

static const char *find_line(const char *text, int number) {
  for (int k = 1; k < number && text; ++k) text = next_line(text);
  return text;
}

static bool at_end(const char *s) {
  return *s == '\0' || *s == '\r' || *s == '\n';
}

/* One character of a source or a message, made harmless for a terminal.  Returns its bytes. */
static size_t add_character(const char *s, bool *failed, ntk_text *text) {
  const size_t length = ntk_utf8_length(s);
  const unsigned char c = (unsigned char)*s;
  const bool control = (c < 0x20 && c != '\t') || c == 0x7f || (c == 0xc2 && s[1] < '\xa0');
  ntk_status status = NTK_OK;

  if (length == 0 || control) {
    status = ntk_text_add(text, "?");
  } else {
    status = ntk_text_add(text, "%.*s", (int)length, s);
  }
  if (status != NTK_OK) *failed = true;
  return length ? length : 1;
}

static ntk_status add_harmless(const char *s, ntk_text *text) {
  bool failed = false;

  while (*s && !failed) s += add_character(s, &failed, text);
  return failed ? NTK_E_MEMORY : NTK_OK;
}

static size_t character(const char *s) {
  const size_t length = ntk_utf8_length(s);

  return length ? length : 1;
}

/* The source line, or the part around the column if it is long, and a caret below. */
static ntk_status add_excerpt(const ntk_mark *mark, ntk_text *text) {
  const char *s = find_line(mark->source->text, mark->line);
  const int skipped = mark->column > SHOWN - 20 ? mark->column - SHOWN / 2 : 0;
  ntk_text caret = {0};
  bool failed = false;

  if (!s) return NTK_OK;
  for (int k = 0; k < skipped && !at_end(s); ++k) s += character(s);
  ntk_status status = ntk_text_add(text, "%5d | %s", mark->line, skipped ? "..." : "");
  if (status == NTK_OK) status = ntk_text_add(&caret, "      | %s", skipped ? "   " : "");
  for (int k = 0; k < SHOWN && !at_end(s) && status == NTK_OK && !failed; ++k) {
    if (skipped + k + 1 < mark->column) status = ntk_text_add(&caret, *s == '\t' ? "\t" : " ");
    s += add_character(s, &failed, text);
  }
  if (failed) status = NTK_E_MEMORY;
  if (status == NTK_OK) {
    status = ntk_text_add(text, "%s\n%s^\n", at_end(s) ? "" : "...", ntk_text_string(&caret));
  }
  ntk_text_destroy(&caret);
  return status;
}

static ntk_status add_message(const char *format, va_list args, ntk_text *text) {
  ntk_text message = {0};
  ntk_status status = ntk_text_add_list(&message, format, args);

  if (status == NTK_OK) status = add_harmless(ntk_text_string(&message), text);
  ntk_text_destroy(&message);
  return status;
}

static ntk_status add_place(const ntk_mark *mark, ntk_text *text) {
  if (!mark->source) return NTK_OK;
  NTK_TRY(add_harmless(mark->source->name, text));
  if (mark->line == 0) return ntk_text_add(text, ": ");
  return ntk_text_add(text, ":%d:%d: ", mark->line, mark->column);
}

static ntk_status compose(const ntk_mark *mark, const char *format, va_list args, ntk_text *text) {
  NTK_TRY(add_place(mark, text));
  NTK_TRY(ntk_text_add(text, "error: "));
  NTK_TRY(add_message(format, args, text));
  NTK_TRY(ntk_text_add(text, "\n"));
  return mark->source && mark->line > 0 ? add_excerpt(mark, text) : NTK_OK;
}

static bool known(const ntk_problems *problems, const ntk_key key) {
  for (int64_t k = 0; k < problems->count && k < NTK_PROBLEMS_LISTED; ++k) {
    if (strcmp(problems->seen[k], key) == 0) return true;
  }
  return false;
}

/* Of the text as a whole comes last. */
static bool is_before(const ntk_mark *a, const ntk_mark *b) {
  if (a->line == 0 || b->line == 0) return a->line != 0 && b->line == 0;
  return a->line != b->line ? a->line < b->line : a->column < b->column;
}

/* Where a problem belongs among those listed: behind all that are not later in its source. */
static int64_t place_of(const ntk_problems *problems, int64_t listed, const ntk_mark *mark) {
  int64_t place = listed;

  for (int64_t k = listed - 1; k >= 0; --k) {
    const ntk_mark *other = &problems->listed[k].mark;

    if (other->source != mark->source) continue;
    if (!is_before(mark, other)) return place == listed ? k + 1 : place;
    place = k;
  }
  return place;
}

/* Puts an entry that has been added at the end of the text into its place. */
static void sort_in(ntk_problems *problems, int64_t listed, const ntk_mark *mark,
                    const ntk_text *entry) {
  const int64_t place = place_of(problems, listed, mark);
  size_t start = 0;

  for (int64_t k = 0; k < place; ++k) start += problems->listed[k].length;
  char *at = problems->text.data + start;
  const size_t later = problems->text.length - entry->length - start;

  memmove(at + entry->length, at, later);
  memcpy(at, entry->data, entry->length);
  memmove(&problems->listed[place + 1], &problems->listed[place],
          (size_t)(listed - place) * sizeof(problems->listed[0]));
  problems->listed[place] = (ntk_listed){*mark, entry->length};
}

static ntk_status list(ntk_problems *problems, const ntk_mark *mark, const ntk_text *entry) {
  const int64_t k = problems->count - 1;

  if (k < NTK_PROBLEMS_LISTED) {
    NTK_TRY(ntk_text_add(&problems->text, "%s", ntk_text_string(entry)));
    sort_in(problems, k, mark, entry);
    return NTK_OK;
  }
  if (k > NTK_PROBLEMS_LISTED) return NTK_OK;
  return ntk_text_add(&problems->text, "error: there are more; these are the first %d\n",
                      NTK_PROBLEMS_LISTED);
}

void ntk_problem(ntk_problems *problems, ntk_mark mark, const char *format, ...) {
  ntk_text entry = {0};
  ntk_key key = "";
  va_list args;

  va_start(args, format);
  const ntk_status status = compose(&mark, format, args, &entry);
  va_end(args);
  ntk_hash_bytes(ntk_text_string(&entry), entry.length, key);
  if (status != NTK_OK || !known(problems, key)) {
    if (problems->count < NTK_PROBLEMS_LISTED) {
      memcpy(problems->seen[problems->count], key, NTK_KEY_SIZE);
    }
    ++problems->count;
    if (status == NTK_OK) (void)!list(problems, &mark, &entry);
  }
  ntk_text_destroy(&entry);
}

void ntk_problems_destroy(ntk_problems *problems) {
  ntk_text_destroy(&problems->text);
  *problems = (ntk_problems){0};
}

ntk_status ntk_problems_status(const ntk_problems *problems) {
  if (problems->count == 0) return NTK_OK;
  return NTK_RAISE(NTK_E_CONFIG, "%s", ntk_text_string(&problems->text));
}
