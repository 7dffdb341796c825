#include "ntk/config/scalar.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool digit(char c) {
  return c >= '0' && c <= '9';
}

static size_t digits(const char *text) {
  size_t n = 0;

  while (digit(text[n])) ++n;
  return n;
}

static const char *skip_sign(const char *text) {
  return *text == '+' || *text == '-' ? text + 1 : text;
}

/* The form of a number, whatever its size; *integral: without point and exponent. */
static bool number_form(const char *text, bool *integral) {
  const char *s = skip_sign(text);
  const size_t whole = digits(s);
  size_t part = 0;

  if (whole > 1 && *s == '0') return false;
  s += whole;
  *integral = true;
  if (*s == '.') {
    *integral = false;
    part = digits(++s);
    s += part;
  }
  if (whole + part == 0) return false;
  if (*s == 'e' || *s == 'E') {
    *integral = false;
    s = skip_sign(s + 1);
    if (!digits(s)) return false;
    s += digits(s);
  }
  return *s == '\0';
}

bool ntk_scalar_int(const char *text, int64_t *value) {
  bool integral = false;

  if (!number_form(text, &integral) || !integral) return false;
  errno = 0;
  *value = strtoll(text, NULL, 10);
  return errno == 0 && *value != INT64_MIN;
}

bool ntk_scalar_real(const char *text, double *value) {
  bool integral = false;

  if (!number_form(text, &integral)) return false;
  errno = 0;
  *value = strtod(text, NULL);
  return isfinite(*value) && (errno == 0 || *value != 0);
}

/* Two digits below 60. */
static bool read_sixtieth(const char *text, double *value) {
  if (digits(text) != 2 || text[0] > '5') return false;
  *value = 10 * (text[0] - '0') + (text[1] - '0');
  return true;
}

bool ntk_scalar_clock(const char *text, double *seconds) {
  const size_t length = digits(text);
  double minutes = 0, rest = 0;

  if (length == 0 || length > 9 || text[length] != ':') return false;
  if (!read_sixtieth(text + length + 1, &minutes) || text[length + 3] != ':') return false;
  if (!read_sixtieth(text + length + 4, &rest) || text[length + 6] != '\0') return false;
  *seconds = 3600 * strtod(text, NULL) + 60 * minutes + rest;
  return true;
}

bool ntk_scalar_range(const char *text, int64_t *first, int64_t *last) {
  const char *dots = strstr(text, "..");
  char begin[NTK_REAL_TEXT];

  if (!dots || (size_t)(dots - text) >= sizeof(begin)) return false;
  (void)snprintf(begin, sizeof(begin), "%.*s", (int)(dots - text), text);
  return ntk_scalar_int(begin, first) && ntk_scalar_int(dots + 2, last);
}

/* Whatever the case of `a`. */
static bool same_word(const char *a, const char *b) {
  for (; *a && *b; ++a, ++b) {
    if (tolower((unsigned char)*a) != *b) return false;
  }
  return *a == *b;
}

static bool not_finite(const char *text) {
  static const char *const words[] = {"nan", "inf", "infinity", NULL};
  const char *s = skip_sign(text);

  if (*s == '.') ++s;
  for (int k = 0; words[k]; ++k) {
    if (same_word(s, words[k])) return true;
  }
  return false;
}

/* Copies without what other readers allow inside numbers: leading zeros, or underscores. */
static void strip(const char *text, bool underscores, char bare[NTK_REAL_TEXT]) {
  const char *s = skip_sign(text);
  size_t n = 0;

  if (s != text && *text == '-') bare[n++] = '-';
  while (!underscores && *s == '0' && digit(s[1])) ++s;
  for (; *s && n + 1 < NTK_REAL_TEXT; ++s) {
    if (!underscores || *s != '_') bare[n++] = *s;
  }
  bare[*s ? 0 : n] = '\0';
}

static bool advise_respelling(const char *text, char advice[NTK_ADVICE_TEXT]) {
  char bare[NTK_REAL_TEXT] = "";
  bool integral = false;

  strip(text, false, bare);
  if (bare[0] && strcmp(bare, skip_sign(text)) != 0 && number_form(bare, &integral)) {
    (void)snprintf(advice, NTK_ADVICE_TEXT, "starts with a zero, which may mean octal; write %s",
                   bare);
    return true;
  }
  strip(text, true, bare);
  if (bare[0] && strchr(text, '_') && number_form(bare, &integral)) {
    (void)snprintf(advice, NTK_ADVICE_TEXT, "is not a number; write %s", bare);
    return true;
  }
  return false;
}

const char *ntk_scalar_advice(const char *text, bool integer, char advice[NTK_ADVICE_TEXT]) {
  const char *what = integer ? "an integer" : "a number";
  bool integral = false;
  double value = 0;

  if (not_finite(text)) {
    (void)snprintf(advice, NTK_ADVICE_TEXT, "is not finite; write %s", what);
  } else if (number_form(text, &integral)) {
    if (!integer) {
      (void)snprintf(advice, NTK_ADVICE_TEXT, "does not fit into double precision");
    } else if (integral) {
      (void)snprintf(advice, NTK_ADVICE_TEXT, "does not fit into 64 bits");
    } else if (ntk_scalar_real(text, &value) && value == trunc(value) && fabs(value) < 1e15) {
      (void)snprintf(advice, NTK_ADVICE_TEXT, "is not an integer; write %.0f", value);
    } else {
      (void)snprintf(advice, NTK_ADVICE_TEXT, "is not an integer");
    }
  } else if (!advise_respelling(text, advice)) {
    (void)snprintf(advice, NTK_ADVICE_TEXT, "is not %s", what);
  }
  return advice;
}

static uint64_t bits(double value) {
  uint64_t word = 0;

  memcpy(&word, &value, sizeof(word));
  return word;
}

const char *ntk_real_text(double value, char text[NTK_REAL_TEXT]) {
  for (int precision = 15; precision <= 17; ++precision) {
    (void)snprintf(text, NTK_REAL_TEXT, "%.*g", precision, value);
    if (bits(strtod(text, NULL)) == bits(value)) break;
  }
  char *exponent = strchr(text, 'e');

  if (exponent && !strchr(text, '.')) {
    memmove(exponent + 2, exponent, strlen(exponent) + 1);
    exponent[0] = '.';
    exponent[1] = '0';
  }
  return text;
}

/* Characters that mean nothing special to YAML, in block and flow style, at the start of a plain
 * scalar and further on. */
static bool is_plain(const char *scalar) {
  static const char first[] = "_./+($~<^", more[] = "_./+($~<^)-*@=%!>";

  if (!*scalar) return false;
  for (const char *s = scalar; *s; ++s) {
    const bool letter = isalnum((unsigned char)*s) && (unsigned char)*s < 128;
    const bool minus = s == scalar && *s == '-' && (digit(s[1]) || s[1] == '.');

    if (!letter && !minus && !strchr(s == scalar ? first : more, *s)) return false;
  }
  return strncmp(scalar, "...", 3) != 0;
}

/* Bytes of the character at `text`, 0 if it is no UTF-8. */
static size_t decode(const char *text, uint32_t *code) {
  const unsigned char *s = (const unsigned char *)text;
  size_t length = 0;

  *code = s[0];
  if (s[0] < 0x80) return s[0] ? 1 : 0;
  if (s[0] >= 0xc2 && s[0] < 0xe0) length = 2;
  if (s[0] >= 0xe0 && s[0] < 0xf0) length = 3;
  if (s[0] >= 0xf0 && s[0] < 0xf5) length = 4;
  *code = length ? s[0] & (0xffu >> (length + 1)) : 0;
  for (size_t k = 1; k < length; ++k) {
    if ((s[k] & 0xc0) != 0x80) return 0;
    *code = *code << 6 | (s[k] & 0x3fu);
  }
  if (length == 3 && (*code < 0x800 || (*code >= 0xd800 && *code < 0xe000))) return 0;
  if (length == 4 && (*code < 0x10000 || *code > 0x10ffff)) return 0;
  return length;
}

size_t ntk_utf8_length(const char *text) {
  uint32_t code = 0;

  return decode(text, &code);
}

/* Characters that YAML readers refuse, or take for a line's end, where they stand unescaped. */
static bool needs_escape(uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 ||
         code == 0xfeff || code == 0xfffe || code == 0xffff;
}

static ntk_status print_escaped(const char *scalar, ntk_text *text) {
  NTK_TRY(ntk_text_add(text, "\""));
  for (const char *s = scalar; *s;) {
    uint32_t code = 0;
    const size_t length = decode(s, &code);

    NTK_ASSERT(length > 0); /* what comes from a config has been checked */
    if (code == '"' || code == '\\') {
      NTK_TRY(ntk_text_add(text, "\\%c", (int)code));
    } else if (needs_escape(code)) {
      NTK_TRY(ntk_text_add(text, "\\u%04x", (unsigned)code));
    } else {
      NTK_TRY(ntk_text_add(text, "%.*s", (int)length, s));
    }
    s += length;
  }
  return ntk_text_add(text, "\"");
}

ntk_status ntk_scalar_print(const char *scalar, bool quoted, ntk_text *text) {
  if (!quoted && is_plain(scalar)) return ntk_text_add(text, "%s", scalar);
  return print_escaped(scalar, text);
}

void ntk_nearest_offer(ntk_nearest *nearest, const char *candidate) {
  const size_t length = strlen(nearest->word);
  const int distance =
      same_word(nearest->word, candidate) ? 0 : ntk_text_distance(nearest->word, candidate);
  const int limit = 1 + (int)(length < NTK_WORD_TEXT ? length : 0) / 3;

  if (distance > limit || (size_t)distance >= strlen(candidate)) return;
  if (nearest->best && distance >= nearest->distance) return;
  nearest->best = candidate;
  nearest->distance = distance;
}
