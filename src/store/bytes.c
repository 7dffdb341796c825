#define _GNU_SOURCE /* sync_file_range */
#include "ntk/store/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "ntk/base/memory.h"

/* Bytes of one system call, and of a piece that is hashed at once.  Calls are short: ranks that write
 * to one file take turns with them, and page cache for a small piece is found more quickly than for
 * a large one (measured: 32 MiB took 85 ms, in pieces of 256 KiB 24). */
enum { CALL = 1 << 18, PIECE = 1 << 16 };

static size_t next_call(int64_t left) { return left < CALL ? (size_t)left : (size_t)CALL; }

int ntk_bytes_read(int file, int64_t offset, int64_t count, void *bytes) {
  for (int64_t done = 0; done < count;) {
    const ssize_t got =
        pread(file, (char *)bytes + done, next_call(count - done), (off_t)(offset + done));

    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (got == 0) return ENODATA;
    done += got;
  }
  return 0;
}

int ntk_bytes_write(int file, int64_t offset, int64_t count, const void *bytes) {
  for (int64_t done = 0; done < count;) {
    const ssize_t put =
        pwrite(file, (const char *)bytes + done, next_call(count - done), (off_t)(offset + done));

    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return errno;
    if (put == 0) return ENOSPC;
    done += put;
  }
  return 0;
}

void ntk_bytes_flush_ahead(int file, int64_t offset, int64_t count) {
#ifdef SYNC_FILE_RANGE_WRITE
  if (count == 0) return; /* would mean: up to the end */
  (void)sync_file_range(file, (off_t)offset, (off_t)count, SYNC_FILE_RANGE_WRITE);
#else
  (void)file, (void)offset, (void)count;
#endif
}

/* Each piece is hashed together with the key of the pieces before it.
 *   buffer  [NTK_KEY_SIZE + PIECE] */
static ntk_status hash_extent(int file, const char *path, const ntk_bytes_extent *part,
                              char *buffer, ntk_key key) {
  for (int64_t done = 0; done < part->bytes; done += PIECE) {
    const int64_t count = part->bytes - done < PIECE ? part->bytes - done : PIECE;
    const int error = ntk_bytes_read(file, part->offset + done, count, buffer + NTK_KEY_SIZE);

    NTK_CHECK(!error, NTK_E_IO, "%s: cannot read at byte %lld: %s", path,
              (long long)(part->offset + done), strerror(error));
    ntk_hash_bytes(buffer, NTK_KEY_SIZE + (size_t)count, key);
    memcpy(buffer, key, NTK_KEY_SIZE);
  }
  return NTK_OK;
}

ntk_status ntk_bytes_hash(int file, const char *path, int64_t count, const ntk_bytes_extent *parts,
                        ntk_key key) {
  char *buffer = NULL;
  ntk_status status = NTK_NEW(NTK_KEY_SIZE + PIECE, &buffer);

  memset(key, 0, NTK_KEY_SIZE);
  for (int64_t k = 0; status == NTK_OK && k < count; ++k) {
    status = hash_extent(file, path, &parts[k], buffer, key);
  }
  ntk_free(&buffer);
  return status;
}
