/* text.h -- a growing string, and the few string helpers that libc lacks. */
#ifndef NTK_BASE_TEXT_H
#define NTK_BASE_TEXT_H

#include <stdarg.h>
#include <stddef.h>

#include "ntk/base/error.h"

/* Zero-initialise, append, destroy.  `data` is NULL while empty, else NUL-terminated. */
typedef struct ntk_text {
  char *data;
  size_t length, capacity;
} ntk_text;

/* Local.  Appends as printf does.  Fails with NTK_E_MEMORY; the text is then unchanged. */
NTK_CHECKED ntk_status ntk_text_add(ntk_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
NTK_CHECKED ntk_status ntk_text_add_list(ntk_text *text, const char *format, va_list args);

/* Local.  The content, "" while empty; borrowed. */
const char *ntk_text_string(const ntk_text *text);

void ntk_text_destroy(ntk_text *text);

/* Local.  Edit distance (insert, delete, replace, swap of neighbours), for suggestions. */
int ntk_text_distance(const char *a, const char *b);

/* Local.  A whole file as bytes, at most `limit` of them.
 *   bytes  owned by the caller (ntk_free), NUL-terminated behind `length`
 * Fails with NTK_E_MISSING, NTK_E_IO, NTK_E_INPUT if longer than `limit`, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_text_read_file(const char *path, size_t limit, char **bytes,
                                          size_t *length);

#endif
