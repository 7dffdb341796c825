/* Text files, line by line, and what text sources share: numbers, growing arrays. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ntk/base/memory.h"
#include "ntk/data/source.h"

enum { CHUNK = 1 << 16, LINE_MIB = 16, LINE_MOST = LINE_MIB << 20, EXCERPT = 40 };

static const double LARGEST_EXACT = 9007199254740992.0; /* of the integers that doubles hold */

ntk_status ntk_data_grow(size_t size, int64_t count, int64_t more, int64_t *room, void *address) {
  void *old = NULL, *grown = NULL;

  if (count + more <= *room) return NTK_OK;
  const int64_t wanted = count + count / 2 + more;

  NTK_TRY(ntk_new_unset((size_t)wanted, size, &grown));
  memcpy(&old, address, sizeof(old));
  if (count > 0) memcpy(grown, old, (size_t)count * size);
  ntk_free(&old);
  memcpy(address, &grown, sizeof(grown));
  *room = wanted;
  return NTK_OK;
}

ntk_status ntk_lines_open(const char *path, ntk_lines *lines) {
  *lines = (ntk_lines){.path = path};
  NTK_TRY(ntk_data_grow(1, 0, CHUNK + 1, &lines->room, &lines->buffer));
  return ntk_gzip_open(path, &lines->gzip);
}

void ntk_lines_close(ntk_lines *lines) {
  ntk_gzip_close(&lines->gzip);
  ntk_free(&lines->buffer);
}

/* More of the file behind what is left of the buffer, with room for a final '\0'. */
static ntk_status refill(ntk_lines *l) {
  size_t got = 0;

  l->held -= l->start;
  if (l->start > 0) memmove(l->buffer, l->buffer + l->start, (size_t)l->held);
  l->start = 0;
  NTK_CHECK(l->held <= LINE_MOST, NTK_E_INPUT, "%s:%" PRId64 ": the line is longer than %d MiB",
            l->path, l->number + 1, LINE_MIB);
  NTK_TRY(ntk_data_grow(1, l->held, CHUNK + 1, &l->room, &l->buffer));
  NTK_TRY(ntk_gzip_read_some(l->gzip, l->buffer + l->held, CHUNK, &got));
  l->held += (int64_t)got;
  l->ended = got == 0;
  return NTK_OK;
}

static ntk_status take_line(ntk_lines *l, int64_t length, int64_t with_end) {
  l->text = l->buffer + l->start;
  l->start += with_end;
  l->length = length;
  ++l->number;
  if (l->number == 1 && length >= 3 && memcmp(l->text, "\xEF\xBB\xBF", 3) == 0) {
    l->text += 3;
    l->length -= 3;
  }
  if (l->length > 0 && l->text[l->length - 1] == '\r') --l->length;
  l->text[l->length] = '\0';
  NTK_CHECK(strlen(l->text) == (size_t)l->length, NTK_E_INPUT,
            "%s:%" PRId64 ": a NUL byte; this is no text in ASCII or UTF-8", l->path, l->number);
  return NTK_OK;
}

ntk_status ntk_lines_next(ntk_lines *l, bool *more) {
  int64_t seen = 0;

  *more = true;
  for (;;) {
    const int64_t left = l->held - l->start;
    const char *from = l->buffer + l->start;
    const char *end = memchr(from + seen, '\n', (size_t)(left - seen));

    if (end) return take_line(l, end - from, end - from + 1);
    if (l->ended && left > 0) return take_line(l, left, left);
    *more = !l->ended;
    if (l->ended) return NTK_OK;
    seen = left;
    NTK_TRY(refill(l));
  }
}

static bool all_of(const char *text, int64_t length, const char *characters) {
  for (int64_t k = 0; k < length; ++k) {
    if (!strchr(characters, text[k])) return false;
  }
  return length > 0;
}

/* Decimal only: no hexadecimal numbers, no NaN, no infinity.  What stands behind the field ends
 * it for strtod too, because it is none of these characters. */
bool ntk_number_parse(const char *text, int64_t length, ntk_number *number) {
  char *end = NULL;

  if (!all_of(text, length, "0123456789+-.eE")) return false;
  number->value = strtod(text, &end);
  if (end != text + length || !isfinite(number->value)) return false;
  const bool sign = text[0] == '+' || text[0] == '-';

  number->whole =
      all_of(text + sign, length - sign, "0123456789") && fabs(number->value) <= LARGEST_EXACT;
  return true;
}

const char *ntk_excerpt(const char *text, int64_t length, char excerpt[NTK_EXCERPT_TEXT]) {
  const int64_t shown = length < EXCERPT ? length : EXCERPT;

  for (int64_t k = 0; k < shown; ++k) {
    const unsigned char c = (unsigned char)text[k];

    excerpt[k] = c < 32 || c > 126 ? '?' : text[k];
  }
  memcpy(excerpt + shown, length > shown ? "..." : "", length > shown ? 4 : 1);
  return excerpt;
}
