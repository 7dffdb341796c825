#include "ntk/store/trailer.h"

#include <stdlib.h>
#include <string.h>

#include "ntk/base/memory.h"

enum {
  MAGIC = 8,
  NUMBER = 8,
  KEY = NTK_KEY_SIZE - 1,
  HEAD = MAGIC + NUMBER,                  /* before the parts */
  MIDDLE = 2 * KEY + NTK_TRAILER_MACHINE, /* behind them */
  TAIL = NUMBER + KEY + MAGIC,
  FIXED = HEAD + MIDDLE + TAIL,
  PART = 4 * NUMBER,
  MOST_BYTES = 1 << 24
};

static const char magic[] = "NTKCKPT1";

void ntk_trailer_destroy(ntk_trailer *trailer) {
  ntk_free(&trailer->parts);
  *trailer = (ntk_trailer){0};
}

/* ---- hash of what is outside of the parts -------------------------------------------------- */

static int by_offset(const void *a, const void *b) {
  const int64_t x = ((const ntk_bytes_extent *)a)->offset;
  const int64_t y = ((const ntk_bytes_extent *)b)->offset;

  return (x > y) - (x < y);
}

/* The gaps between the parts, in order.
 *   gaps  [count + 1]; overwritten */
static void find_gaps(const ntk_trailer *t, ntk_bytes_extent *gaps) {
  int64_t at = 0;

  for (int64_t k = 0; k < t->count; ++k) {
    gaps[k] = (ntk_bytes_extent){t->parts[k].offset, t->parts[k].bytes};
  }
  qsort(gaps, (size_t)t->count, sizeof(*gaps), by_offset);
  gaps[t->count] = (ntk_bytes_extent){t->end, 0};
  for (int64_t k = 0; k <= t->count; ++k) {
    const ntk_bytes_extent extent = gaps[k];

    gaps[k] = (ntk_bytes_extent){at, extent.offset > at ? extent.offset - at : 0};
    if (extent.offset + extent.bytes > at) at = extent.offset + extent.bytes;
  }
}

static ntk_status hash_metadata(int file, const char *path, const ntk_trailer *t, ntk_key key) {
  ntk_bytes_extent *gaps = NULL;

  NTK_TRY(NTK_NEW(t->count + 1, &gaps));
  find_gaps(t, gaps);
  const ntk_status status = ntk_bytes_hash(file, path, t->count + 1, gaps, key);

  ntk_free(&gaps);
  return status;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static char *put_number(char *to, int64_t value) {
  for (int k = 0; k < NUMBER; ++k) to[k] = (char)((uint64_t)value >> 8 * k & 0xff);
  return to + NUMBER;
}

static int64_t get_number(const char *from) {
  uint64_t value = 0;

  for (int k = NUMBER - 1; k >= 0; --k) value = value << 8 | (unsigned char)from[k];
  return (int64_t)value;
}

static char *put_bytes(char *to, const char *from, size_t count) {
  memcpy(to, from, count);
  return to + count;
}

static void print(const ntk_trailer *t, int64_t bytes, char *to) {
  char *const start = to;
  ntk_key key;

  to = put_bytes(to, magic, MAGIC);
  to = put_number(to, t->end);
  for (int64_t k = 0; k < t->count; ++k) {
    to = put_number(to, t->parts[k].offset);
    to = put_number(to, t->parts[k].bytes);
    to = put_number(to, t->parts[k].panels);
    to = put_number(to, t->parts[k].symmetric);
  }
  to = put_bytes(to, t->identity, KEY);
  to = put_bytes(to, t->metadata, KEY);
  to = put_bytes(to, t->machine, NTK_TRAILER_MACHINE);
  to = put_number(to, bytes);
  ntk_hash_bytes(start, (size_t)(to - start), key);
  to = put_bytes(to, key, KEY);
  (void)put_bytes(to, magic, MAGIC);
}

ntk_status ntk_trailer_append(int file, const char *path, ntk_trailer *t) {
  const int64_t bytes = FIXED + PART * t->count;
  char *text = NULL;

  NTK_TRY(hash_metadata(file, path, t, t->metadata));
  NTK_TRY(NTK_NEW(bytes, &text));
  print(t, bytes, text);
  const int error = ntk_bytes_write(file, t->end, bytes, text);

  ntk_free(&text);
  NTK_CHECK(!error, ntk_status_of_write(error, NTK_E_IO), "%s: cannot write: %s", path,
            strerror(error));
  return NTK_OK;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Of bytes whose hash is right: so this refuses only what no version of this program writes. */
static bool is_plausible(const ntk_trailer *t, int64_t size, int64_t bytes) {
  if (t->end != size - bytes || t->count < NTK_TRAILER_MATRICES) return false;
  for (int64_t k = 0; k < t->count; ++k) {
    const ntk_trailer_part e = t->parts[k];

    if (e.offset < 0 || e.bytes < 0 || e.offset > t->end || e.bytes > t->end - e.offset) {
      return false;
    }
  }
  return true;
}

static bool has_hash(const char *text, int64_t bytes) {
  const char *stated = text + bytes - MAGIC - KEY;
  ntk_key key;

  ntk_hash_bytes(text, (size_t)(bytes - MAGIC - KEY), key);
  return memcmp(text, magic, MAGIC) == 0 && memcmp(stated, key, KEY) == 0;
}

/*   text  [bytes], with the right hash */
static ntk_status parse(const char *text, int64_t bytes, ntk_trailer *t) {
  const char *middle = text + bytes - TAIL - MIDDLE;

  t->end = get_number(text + MAGIC);
  t->count = (bytes - FIXED) / PART;
  NTK_TRY(NTK_NEW(t->count, &t->parts));
  for (int64_t k = 0; k < t->count; ++k) {
    const char *from = text + HEAD + PART * k;

    t->parts[k].offset = get_number(from);
    t->parts[k].bytes = get_number(from + NUMBER);
    t->parts[k].panels = get_number(from + NUMBER + NUMBER);
    t->parts[k].symmetric = get_number(from + NUMBER + NUMBER + NUMBER);
  }
  memcpy(t->identity, middle, KEY);
  memcpy(t->metadata, middle + KEY, KEY);
  memcpy(t->machine, middle + KEY + KEY, NTK_TRAILER_MACHINE - 1);
  return NTK_OK;
}

static ntk_status check(int file, const char *path, int64_t size, const char *text, int64_t bytes,
                        ntk_trailer *t, ntk_trailer_state *state) {
  ntk_key key = "";

  *state = NTK_TRAILER_BROKEN;
  if (!has_hash(text, bytes)) return NTK_OK;
  NTK_TRY(parse(text, bytes, t));
  if (!is_plausible(t, size, bytes)) return NTK_OK;
  NTK_TRY(hash_metadata(file, path, t, key));
  if (strcmp(key, t->metadata) == 0) *state = NTK_TRAILER_SOUND;
  return NTK_OK;
}

/* Bytes of the trailer as it states them; 0: there is none, or none that can be. */
static int64_t stated_bytes(int64_t size, const char *tail, ntk_trailer_state *state) {
  const int64_t bytes = get_number(tail);
  const bool fits = bytes >= FIXED && bytes <= size && bytes <= MOST_BYTES;

  *state = NTK_TRAILER_NONE;
  if (memcmp(tail + NUMBER + KEY, magic, MAGIC) != 0) return 0;
  *state = NTK_TRAILER_BROKEN;
  return fits && (bytes - FIXED) % PART == 0 ? bytes : 0;
}

static ntk_status read_bytes(int file, const char *path, int64_t offset, int64_t bytes,
                             char *text) {
  const int error = ntk_bytes_read(file, offset, bytes, text);

  NTK_CHECK(!error, NTK_E_IO, "%s: cannot read its end: %s", path, strerror(error));
  return NTK_OK;
}

static ntk_status read_all(int file, const char *path, int64_t size, int64_t bytes, ntk_trailer *t,
                           ntk_trailer_state *state) {
  char *text = NULL;

  NTK_TRY(NTK_NEW(bytes, &text));
  ntk_status status = read_bytes(file, path, size - bytes, bytes, text);
  if (status == NTK_OK) status = check(file, path, size, text, bytes, t, state);
  ntk_free(&text);
  return status;
}

ntk_status ntk_trailer_read(int file, const char *path, int64_t size, ntk_trailer *trailer,
                            ntk_trailer_state *state) {
  char tail[TAIL];

  *trailer = (ntk_trailer){0};
  *state = NTK_TRAILER_NONE;
  if (size < FIXED) return NTK_OK;
  NTK_TRY(read_bytes(file, path, size - TAIL, TAIL, tail));
  const int64_t bytes = stated_bytes(size, tail, state);
  const ntk_status status =
      bytes > 0 ? read_all(file, path, size, bytes, trailer, state) : NTK_OK;

  if (status != NTK_OK || *state != NTK_TRAILER_SOUND) ntk_trailer_destroy(trailer);
  return status;
}
