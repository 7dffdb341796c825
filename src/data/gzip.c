#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "ntk/data/source.h"

enum {
  CHUNK = 1 << 16,
  GZIP_WINDOW = 15 + 16, /* the largest window, and a gzip header */
  DEFLATE_RATIO = 1032   /* no deflate stream expands further */
};

struct ntk_gzip {
  FILE *file;
  char *path;
  int64_t size;     /* of the file */
  int64_t position; /* bytes handed out, for messages */
  bool compressed;
  bool inflating; /* `stream` is initialised */
  bool ended;     /* the last gzip member is complete */
  z_stream stream;
  unsigned char chunk[CHUNK]; /* input of `stream` */
};

static ntk_status fill_chunk(ntk_gzip *g) {
  g->stream.next_in = g->chunk;
  g->stream.avail_in = (uInt)fread(g->chunk, 1, CHUNK, g->file);
  NTK_CHECK(!ferror(g->file), NTK_E_IO, "%s: cannot read: %s", g->path, strerror(errno));
  return NTK_OK;
}

static ntk_status open_file(const char *path, ntk_gzip *g) {
  struct stat about;

  NTK_TRY(ntk_new(strlen(path) + 1, 1, &g->path));
  memcpy(g->path, path, strlen(path));
  g->file = fopen(path, "rb");
  NTK_CHECK(g->file || (errno != ENOENT && errno != ENOTDIR), NTK_E_MISSING, "%s is missing", path);
  NTK_CHECK(g->file && fstat(fileno(g->file), &about) == 0, NTK_E_IO, "%s: cannot open: %s", path,
            strerror(errno));
  NTK_CHECK(S_ISREG(about.st_mode), NTK_E_IO, "%s is not a regular file", path);
  g->size = (int64_t)about.st_size;
  return NTK_OK;
}

static ntk_status start(ntk_gzip *g) {
  NTK_TRY(fill_chunk(g));
  g->compressed = g->stream.avail_in >= 2 && g->chunk[0] == 0x1f && g->chunk[1] == 0x8b;
  if (!g->compressed) return NTK_OK;
  g->inflating = inflateInit2(&g->stream, GZIP_WINDOW) == Z_OK;
  NTK_CHECK(g->inflating, NTK_E_MEMORY, "%s: cannot start zlib", g->path);
  return NTK_OK;
}

ntk_status ntk_gzip_open(const char *path, ntk_gzip **gzip) {
  NTK_TRY(NTK_NEW(1, gzip));
  NTK_TRY(open_file(path, *gzip));
  return start(*gzip);
}

int64_t ntk_gzip_limit(const ntk_gzip *g) {
  if (!g->compressed) return g->size - g->position;
  return g->size < INT64_MAX / DEFLATE_RATIO ? g->size * DEFLATE_RATIO : INT64_MAX;
}

/* One call of inflate.  A finished member may be followed by another one, as gzip allows. */
static ntk_status inflate_some(ntk_gzip *g) {
  if (g->stream.avail_in == 0) NTK_TRY(fill_chunk(g));
  if (g->ended && g->stream.avail_in > 0) {
    NTK_CHECK(g->stream.next_in[0] == 0x1f && inflateReset(&g->stream) == Z_OK, NTK_E_INPUT,
              "%s: bytes behind the end of the compressed data", g->path);
    g->ended = false;
  }
  if (g->ended) return NTK_OK;
  NTK_CHECK(g->stream.avail_in > 0, NTK_E_INPUT,
            "%s: truncated: the compressed data end after %" PRId64 " bytes of content", g->path,
            g->position);
  int result = inflate(&g->stream, Z_NO_FLUSH);
  NTK_CHECK(result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR, NTK_E_INPUT,
            "%s: damaged compressed data after %" PRId64 " bytes of content: %s", g->path,
            g->position, g->stream.msg ? g->stream.msg : "zlib cannot expand them");
  g->ended = result == Z_STREAM_END;
  return NTK_OK;
}

/* As many of `length` bytes as there are. */
static ntk_status expand(ntk_gzip *g, unsigned char *buffer, size_t length, size_t *got) {
  *got = 0;
  while (*got < length) {
    size_t room = length - *got < CHUNK ? length - *got : CHUNK;

    g->stream.next_out = buffer + *got;
    g->stream.avail_out = (uInt)room;
    NTK_TRY(inflate_some(g));
    *got += room - g->stream.avail_out;
    g->position += (int64_t)(room - g->stream.avail_out);
    if (g->ended && g->stream.avail_out == (uInt)room && g->stream.avail_in == 0 && feof(g->file)) {
      break;
    }
  }
  return NTK_OK;
}

static ntk_status copy(ntk_gzip *g, unsigned char *buffer, size_t length, size_t *got) {
  size_t held = g->stream.avail_in < length ? g->stream.avail_in : length;

  if (held > 0) memcpy(buffer, g->stream.next_in, held);
  g->stream.next_in += held;
  g->stream.avail_in -= (uInt)held;
  *got = held + (length > held ? fread(buffer + held, 1, length - held, g->file) : 0);
  g->position += (int64_t)*got;
  NTK_CHECK(!ferror(g->file), NTK_E_IO, "%s: cannot read: %s", g->path, strerror(errno));
  return NTK_OK;
}

static ntk_status take(ntk_gzip *g, void *buffer, size_t length, size_t *got) {
  return g->compressed ? expand(g, buffer, length, got) : copy(g, buffer, length, got);
}

ntk_status ntk_gzip_read_some(ntk_gzip *g, void *buffer, size_t length, size_t *got) {
  return take(g, buffer, length, got);
}

ntk_status ntk_gzip_read(ntk_gzip *g, void *buffer, size_t length) {
  size_t got = 0;

  NTK_TRY(take(g, buffer, length, &got));
  NTK_CHECK(got == length, NTK_E_INPUT,
            "%s: truncated: ends after %" PRId64 " bytes, %" PRId64 " are missing", g->path,
            g->position, (int64_t)(length - got));
  return NTK_OK;
}

ntk_status ntk_gzip_end(ntk_gzip *g) {
  unsigned char extra = 0;
  size_t got = 0;
  int64_t expected = g->position;

  NTK_TRY(take(g, &extra, 1, &got));
  NTK_CHECK(got == 0, NTK_E_INPUT, "%s: goes on behind the %" PRId64 " bytes its header announces",
            g->path, expected);
  return NTK_OK;
}

void ntk_gzip_close(ntk_gzip **gzip) {
  ntk_gzip *g = *gzip;

  if (!g) return;
  if (g->inflating) (void)inflateEnd(&g->stream);
  if (g->file) (void)fclose(g->file);
  ntk_free(&g->path);
  ntk_free(gzip);
}
