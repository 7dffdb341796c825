/* trailer.h -- what stands behind HDF5's end of a big file: where its raw data are, and a hash of
 * everything else, so that metadata are checked before HDF5, or anybody, looks at them.
 *
 * Little-endian: "NTKCKPT1", end of HDF5's part, the four numbers of each part, then
 * identity and metadata hash (32 hex digits each), machine, bytes of the trailer, hash of it so
 * far (32 hex digits), "NTKCKPT1". */
#ifndef NTK_STORE_TRAILER_H
#define NTK_STORE_TRAILER_H

#include "ntk/store/bytes.h"

enum { NTK_TRAILER_JOURNAL, NTK_TRAILER_NOTES, NTK_TRAILER_MATRICES, NTK_TRAILER_MACHINE = 32 };

/* Raw data in the file; 0 bytes where there are none. */
typedef struct ntk_trailer_part {
  int64_t offset, bytes;
  int64_t panels, symmetric; /* of a matrix */
} ntk_trailer_part;

/* Zero-initialise; read, or fill and append; destroy. */
typedef struct ntk_trailer {
  int64_t end;             /* bytes of HDF5's part */
  int64_t count;           /* of the parts */
  ntk_trailer_part *parts; /* owned: journal, notes, then the matrices */
  ntk_key identity;        /* what the file is of */
  ntk_key metadata;        /* hash of all bytes up to `end` outside of the parts */
  char machine[NTK_TRAILER_MACHINE];
} ntk_trailer;

void ntk_trailer_destroy(ntk_trailer *trailer);

/* Local.  Hashes the metadata of a file that ends at `end`, and writes the trailer behind it.
 * Fails with NTK_E_IO, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_trailer_append(int file, const char *path, ntk_trailer *trailer);

typedef enum ntk_trailer_state {
  NTK_TRAILER_NONE,   /* the file ends otherwise */
  NTK_TRAILER_BROKEN, /* trailer, or metadata, damaged */
  NTK_TRAILER_SOUND
} ntk_trailer_state;

/* Local.  Reads the trailer of a file of `size` bytes and checks it and the metadata.
 *   trailer  filled if sound, else empty
 * Fails with NTK_E_IO, NTK_E_MEMORY; damage is no failure here. */
NTK_CHECKED ntk_status ntk_trailer_read(int file, const char *path, int64_t size,
                                        ntk_trailer *trailer, ntk_trailer_state *state);

#endif
