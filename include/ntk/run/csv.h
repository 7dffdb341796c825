/* csv.h -- entries of arrays as cells of CSV (RFC 4180, lines that end with \n). */
#ifndef NTK_RUN_CSV_H
#define NTK_RUN_CSV_H

#include <stdio.h>

#include "ntk/base/record.h"

enum { NTK_CSV_NUMBER = 40 };

/* Local.  The fewest digits that read back to the same bits, of a single: as a single.  Always with
 * a point or an exponent, so that a column of numbers that happen to be whole stays one of numbers
 * (and -0.0 keeps its sign); NaN, inf, -inf.  Returns `text`. */
const char *ntk_csv_real(double value, char text[NTK_CSV_NUMBER]);
const char *ntk_csv_single(float value, char text[NTK_CSV_NUMBER]);

/* Local.  A text in quotes where it needs them; "" is written as two quotes. */
void ntk_csv_text(FILE *stream, const char *text);

/* Local.  Entry k of an array. */
void ntk_csv_entry(FILE *stream, ntk_kind kind, const void *data, int64_t k);

#endif
