/* scalar.h -- the numbers and words of a config: how they are read, and how they are printed so
 * that they read back to the same bits. */
#ifndef NTK_CONFIG_SCALAR_H
#define NTK_CONFIG_SCALAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ntk/base/text.h"

enum { NTK_REAL_TEXT = 32, NTK_WORD_TEXT = 64, NTK_ADVICE_TEXT = 160 };

/* Local.  A decimal integer, "-3", "+3", "256"; false for anything else: a point or an exponent,
 * leading zeros, other bases, characters behind it, more than 64 bits. */
bool ntk_scalar_int(const char *text, int64_t *value);

/* Local.  A finite decimal number, "1e-8", ".5", "256"; false for anything else: NaN, infinity,
 * leading zeros, characters behind it, a value that a double cannot hold. */
bool ntk_scalar_real(const char *text, double *value);

/* Local.  "HH:MM:SS" as seconds, hours with any number of digits; false for anything else. */
bool ntk_scalar_clock(const char *text, double *seconds);

/* Local.  What is wrong with a text that one of the two refused, and the way out, as the end of a
 * sentence: "is not an integer; write 250".  Returns `advice`. */
const char *ntk_scalar_advice(const char *text, bool integer, char advice[NTK_ADVICE_TEXT]);

/* Local.  `a..b`: both ends are integers.  False if it is not of that form. */
bool ntk_scalar_range(const char *text, int64_t *first, int64_t *last);

/* Local.  The shortest of %.15g, %.16g, %.17g that reads back to the same bits, with a point if it
 * has an exponent (1.0e-06), because other YAML readers take 1e-06 for a word.  Returns `text`. */
const char *ntk_real_text(double value, char text[NTK_REAL_TEXT]);

/* Local.  Appends a scalar as YAML, in block and flow style alike: as it stands if it may, else in
 * double quotes. */
NTK_CHECKED ntk_status ntk_scalar_print(const char *scalar, bool quoted, ntk_text *text);

/* Local.  Bytes of the UTF-8 character at `text`; 0 if it is none. */
size_t ntk_utf8_length(const char *text);

/* The nearest of the words offered, for "did you mean". */
typedef struct ntk_nearest {
  const char *word; /* as it was written */
  const char *best; /* NULL: none is near enough */
  int distance;
} ntk_nearest;

void ntk_nearest_offer(ntk_nearest *nearest, const char *candidate);

#endif
