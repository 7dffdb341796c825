#include "ntk/store/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ntk/base/memory.h"
#include "ntk/store/checkpoint.h"
#include "ntk/store/journal.h"

/* Numbers that are read at once, so far as whole columns leave the choice. */
enum { PIECE = 1 << 17 };

/* A matrix whose hashes are known. */
typedef struct subject {
  const char *path;
  int file;
  int64_t offset, rows, cols, width;
  bool symmetric, only_one; /* the last record holds the upper parts of all symmetric matrices */
  int64_t first, last;      /* records of its first panel, and of the whole file */
  ntk_trailer trailer;
  ntk_journal journal;
  double *columns;
  uint64_t lower, upper; /* of the panel at hand */
  uint64_t uppers;       /* of all panels so far */
  char damaged[160];     /* "0 to 31, 64 to 95": columns, as many as fit */
} subject;

/* Part and first record of the matrix at the offset; false if there is none of its shape. */
static bool find_matrix(subject *s) {
  const ntk_trailer *t = &s->trailer;
  int symmetric = 0;
  bool found = false;

  for (int64_t k = NTK_TRAILER_MATRICES; k < t->count; ++k) {
    const ntk_trailer_part *part = &t->parts[k];

    if (part->symmetric) ++symmetric;
    if (part->offset == s->offset && part->panels == (s->cols + s->width - 1) / s->width &&
        part->bytes == s->rows * s->cols * (int64_t)sizeof(double)) {
      found = true;
      s->first = s->last;
      s->symmetric = part->symmetric != 0;
    }
    s->last += part->panels;
  }
  s->only_one = symmetric == 1;
  return found;
}

static ntk_status read_columns(const subject *s, int64_t j, int64_t count) {
  const int64_t bytes = s->rows * (int64_t)sizeof(double);
  const int error = ntk_bytes_read(s->file, s->offset + j * bytes, count * bytes, s->columns);

  NTK_CHECK(!error, NTK_E_IO, "%s: cannot read column %lld: %s", s->path, (long long)j,
            strerror(error));
  return NTK_OK;
}

static void hash_columns(subject *s, int64_t j, int64_t count) {
  for (int64_t k = 0; k < count; ++k) {
    const double *column = s->columns + k * s->rows;
    const int64_t above = s->symmetric ? j + k : 0;
    const size_t below = (size_t)(s->rows - above) * sizeof(double);

    s->lower ^= ntk_hash_seeded(column + above, below, (uint64_t)(j + k));
    if (!s->symmetric) continue;
    s->upper ^= ntk_hash_seeded(column, (size_t)above * sizeof(double), (uint64_t)(j + k));
  }
}

/* Neighbours are one range. */
static void note_damaged(subject *s, int64_t first, int64_t last) {
  char end[32];
  const size_t used = strlen(s->damaged), room = sizeof(s->damaged) - used;
  const int length = snprintf(end, sizeof(end), " to %" PRId64, first - 1);

  if (used > (size_t)length && strcmp(s->damaged + used - (size_t)length, end) == 0) {
    (void)snprintf(s->damaged + used - (size_t)length, room + (size_t)length, " to %" PRId64, last);
  } else if (room > 64) {
    (void)snprintf(s->damaged + used, room, "%s%" PRId64 " to %" PRId64, used ? ", " : "", first,
                   last);
  } else if (used > 3 && strcmp(s->damaged + used - 3, "...") != 0) {
    (void)snprintf(s->damaged + used, room, ", ...");
  }
}

static ntk_status check_panel(subject *s, int64_t panel) {
  const int64_t first = panel * s->width;
  const int64_t count = s->cols - first < s->width ? s->cols - first : s->width;
  const int64_t step = PIECE / s->rows > 0 ? PIECE / s->rows : 1;

  s->lower = s->upper = 0;
  for (int64_t j = first; j < first + count; j += step) {
    const int64_t columns = first + count - j < step ? first + count - j : step;

    NTK_TRY(read_columns(s, j, columns));
    hash_columns(s, j, columns);
  }
  if (s->lower != s->journal.records[s->first + panel].data) {
    note_damaged(s, first, first + count - 1);
  }
  s->uppers = ntk_hash_seeded(&s->upper, sizeof(s->upper), s->uppers);
  return NTK_OK;
}

static ntk_status check_panels(subject *s) {
  const int64_t panels = (s->cols + s->width - 1) / s->width;
  const int64_t step = PIECE / s->rows > 0 ? PIECE / s->rows : 1;

  NTK_TRY(ntk_new_unset((size_t)(step * s->rows), sizeof(double), &s->columns));
  for (int64_t panel = 0; panel < panels; ++panel) NTK_TRY(check_panel(s, panel));
  NTK_CHECK(!s->damaged[0], NTK_E_INPUT,
            "%s: damaged: columns %s do not match their hash; restore or delete it", s->path,
            s->damaged);
  if (!s->symmetric || !s->only_one) return NTK_OK;
  NTK_CHECK(s->uppers == s->journal.records[s->last].data, NTK_E_INPUT,
            "%s: damaged: what is above the diagonal does not match its hash; restore or delete it",
            s->path);
  return NTK_OK;
}

static ntk_status verify(subject *s, bool *hashes) {
  ntk_trailer_state state = NTK_TRAILER_NONE;
  struct stat facts = {0};
  int64_t damaged = 0;

  NTK_CHECK(s->file >= 0 && fstat(s->file, &facts) == 0, NTK_E_IO, "%s: cannot open: %s", s->path,
            strerror(errno));
  NTK_TRY(ntk_trailer_read(s->file, s->path, (int64_t)facts.st_size, &s->trailer, &state));
  *hashes = state == NTK_TRAILER_SOUND;
  if (!*hashes || s->rows == 0 || !find_matrix(s)) return NTK_OK;
  const int64_t notes = s->last > 0 ? s->trailer.parts[NTK_TRAILER_NOTES].bytes /
                                          (s->last * (int64_t)sizeof(double))
                                    : 0;

  NTK_TRY(ntk_journal_create(s->last, notes, s->trailer.identity, &s->journal));
  NTK_TRY(ntk_journal_read(s->file, s->path, &s->trailer, &s->journal, &damaged));
  return check_panels(s);
}

static ntk_status verify_matrix(const char *path, int64_t offset, int64_t rows, int64_t cols,
                                bool *hashes) {
  subject s = {.path = path, .offset = offset, .rows = rows, .cols = cols};

  s.width = ntk_checkpoint_width(rows, cols);
  s.file = open(path, O_RDONLY | O_CLOEXEC);
  const ntk_status status = verify(&s, hashes);

  if (s.file >= 0) (void)close(s.file);
  ntk_trailer_destroy(&s.trailer);
  ntk_journal_destroy(&s.journal);
  ntk_free(&s.columns);
  return status;
}

/* Our own matrices are contiguous: of one that is not, another program has made the file anew. */
ntk_status ntk_verify_dataset(const char *path, hid_t file, hid_t dataset, int64_t rows,
                              int64_t cols, bool *lost) {
  const haddr_t offset = H5Dget_offset(dataset);
  bool hashes = false;

  *lost = false;
  if (rows == 0 || cols == 0) return NTK_OK;
  if (offset != HADDR_UNDEF) {
    NTK_TRY(verify_matrix(path, (int64_t)offset, rows, cols, &hashes));
  }
  *lost = !hashes && H5Lexists(file, "_ckpt", H5P_DEFAULT) > 0;
  return NTK_OK;
}
