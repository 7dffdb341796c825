#include "ntk/run/csv.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ntk/config/scalar.h"

/* NaN and infinities as pandas, R and Python all read them. */
static const char *special(double value, char text[NTK_CSV_NUMBER]) {
  (void)snprintf(text, NTK_CSV_NUMBER, "%s", isnan(value) ? "NaN" : (value > 0 ? "inf" : "-inf"));
  return text;
}

static const char *with_point(char *text) {
  if (!strpbrk(text, ".e")) memcpy(text + strlen(text), ".0", 3);
  return text;
}

const char *ntk_csv_real(double value, char text[NTK_CSV_NUMBER]) {
  if (!isfinite(value)) return special(value, text);
  (void)ntk_real_text(value, text);
  return with_point(text);
}

/* Readers take the text for a double; rounded to single that must be the value too. */
const char *ntk_csv_single(float value, char text[NTK_CSV_NUMBER]) {
  if (!isfinite(value)) return special((double)value, text);
  for (int precision = 6; precision <= 17; ++precision) {
    (void)snprintf(text, NTK_CSV_NUMBER, "%.*g", precision, (double)value);
    if ((float)strtod(text, NULL) == value) break;
  }
  return with_point(text);
}

void ntk_csv_text(FILE *stream, const char *text) {
  if (text[0] && !strpbrk(text, ",\"\r\n")) {
    (void)fputs(text, stream);
    return;
  }
  (void)fputc('"', stream);
  for (; *text; ++text) {
    if (*text == '"') (void)fputc('"', stream);
    (void)fputc(*text, stream);
  }
  (void)fputc('"', stream);
}

void ntk_csv_entry(FILE *stream, ntk_kind kind, const void *data, int64_t k) {
  char text[NTK_CSV_NUMBER];

  switch (kind) {
    case NTK_KIND_REAL:
      (void)fputs(ntk_csv_real(((const double *)data)[k], text), stream);
      return;
    case NTK_KIND_SINGLE:
      (void)fputs(ntk_csv_single(((const float *)data)[k], text), stream);
      return;
    case NTK_KIND_INT:
      (void)fprintf(stream, "%" PRId64, ((const int64_t *)data)[k]);
      return;
    case NTK_KIND_FLAG:
      (void)fprintf(stream, "%d", ((const int8_t *)data)[k]);
      return;
    case NTK_KIND_TEXT: {
      const char *entry = ((char *const *)data)[k];

      ntk_csv_text(stream, entry ? entry : "");
    }
  }
}
