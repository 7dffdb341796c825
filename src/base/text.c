#include "ntk/base/text.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "ntk/base/memory.h"

static ntk_status reserve(ntk_text *text, size_t length) {
  if (text->data && length < text->capacity) return NTK_OK;
  const size_t capacity = 2 * length + 64;
  char *data = NULL;

  NTK_TRY(NTK_NEW(capacity, &data));
  if (text->data) memcpy(data, text->data, text->length + 1);
  ntk_free(&text->data);
  text->data = data;
  text->capacity = capacity;
  return NTK_OK;
}

ntk_status ntk_text_add_list(ntk_text *text, const char *format, va_list args) {
  va_list again;

  va_copy(again, args);
  const int length = vsnprintf(NULL, 0, format, again);
  va_end(again);
  NTK_ASSERT(length >= 0);
  NTK_TRY(reserve(text, text->length + (size_t)length));
  (void)vsnprintf(text->data + text->length, (size_t)length + 1, format, args);
  text->length += (size_t)length;
  return NTK_OK;
}

ntk_status ntk_text_add(ntk_text *text, const char *format, ...) {
  va_list args;

  va_start(args, format);
  const ntk_status status = ntk_text_add_list(text, format, args);
  va_end(args);
  return status;
}

const char *ntk_text_string(const ntk_text *text) { return text->data ? text->data : ""; }

void ntk_text_destroy(ntk_text *text) {
  ntk_free(&text->data);
  *text = (ntk_text){0};
}

enum { DISTANCE_LIMIT = 64 };

static int least(int a, int b) { return a < b ? a : b; }

int ntk_text_distance(const char *a, const char *b) {
  const size_t na = strlen(a), nb = strlen(b);
  int row[3][DISTANCE_LIMIT + 1]; /* distances of a[0..i) for i - 2, i - 1, i */

  if (na > DISTANCE_LIMIT || nb > DISTANCE_LIMIT) return DISTANCE_LIMIT;
  for (size_t j = 0; j <= nb; ++j) row[0][j] = (int)j;
  for (size_t i = 1; i <= na; ++i) {
    const int *before = row[(i + 1) % 3], *last = row[(i + 2) % 3];
    int *now = row[i % 3];

    now[0] = (int)i;
    for (size_t j = 1; j <= nb; ++j) {
      now[j] = least(least(last[j], now[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        now[j] = least(now[j], before[j - 2] + 1);
      }
    }
  }
  return row[na % 3][nb];
}

static ntk_status read_stream(FILE *file, const char *path, size_t limit, ntk_text *content) {
  for (;;) {
    NTK_TRY(reserve(content, content->length + 65536));
    const size_t got = fread(content->data + content->length, 1, 65536, file);

    content->length += got;
    content->data[content->length] = '\0';
    NTK_CHECK(content->length <= limit, NTK_E_INPUT, "%s: larger than %zu bytes", path, limit);
    if (got < 65536) break;
  }
  NTK_CHECK(!ferror(file), NTK_E_IO, "%s: cannot read: %s", path, strerror(errno));
  return NTK_OK;
}

ntk_status ntk_text_read_file(const char *path, size_t limit, char **bytes, size_t *length) {
  FILE *file = fopen(path, "rb");
  ntk_text content = {0};

  if (!file) return NTK_RAISE(NTK_E_MISSING, "%s: %s", path, strerror(errno));
  const ntk_status status = read_stream(file, path, limit, &content);

  (void)fclose(file);
  if (status != NTK_OK) {
    ntk_text_destroy(&content);
    return status;
  }
  *bytes = content.data;
  *length = content.length;
  return NTK_OK;
}
