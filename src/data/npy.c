#include "ntk/data/npy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "ntk/base/memory.h"
#include "ntk/data/source.h"

struct ntk_npy {
  FILE *file;
  ntk_table table; /* its bytes stay in the file */
  ntk_npy_layout layout;
};

int ntk_npy_rank(const ntk_npy *npy) { return npy->table.rank; }

int64_t ntk_npy_size(const ntk_npy *npy, int axis) {
  return axis < npy->table.rank ? npy->table.size[axis] : 1;
}

bool ntk_npy_single(const ntk_npy *npy) {
  return npy->table.element.kind == 'f' && npy->table.element.size == 4;
}

/* ---- opening --------------------------------------------------------------------------------- */

static ntk_status check_length(const char *path, const ntk_npy *npy) {
  struct stat facts;
  int64_t bytes = 0;

  NTK_TRY(ntk_table_bytes(&npy->table, &bytes));
  NTK_CHECK(fstat(fileno(npy->file), &facts) == 0, NTK_E_IO, "%s: %s", path, strerror(errno));
  NTK_CHECK(
      (int64_t)facts.st_size - npy->layout.start == bytes, NTK_E_INPUT,
      "%s: the header announces %lld bytes, %lld follow it (compressed files are not read here)",
      path, (long long)bytes, (long long)((int64_t)facts.st_size - npy->layout.start));
  return NTK_OK;
}

static ntk_status read_header(const char *path, ntk_npy *npy) {
  ntk_gzip *gzip = NULL;
  ntk_status status = ntk_gzip_open(path, &gzip);

  if (status == NTK_OK) status = ntk_npy_header(path, gzip, &npy->table, &npy->layout);
  ntk_gzip_close(&gzip);
  return status;
}

static ntk_status open_file(const char *path, ntk_npy *npy) {
  ntk_table_place(&npy->table, path, NULL);
  NTK_TRY(read_header(path, npy));
  npy->file = fopen(path, "rb");
  NTK_CHECK(npy->file, NTK_E_IO, "%s: cannot open: %s", path, strerror(errno));
  return check_length(path, npy);
}

ntk_status ntk_npy_open(const char *path, ntk_npy **npy) {
  NTK_TRY(NTK_NEW(1, npy));
  const ntk_status status = open_file(path, *npy);

  if (status != NTK_OK) ntk_npy_close(npy);
  return status;
}

void ntk_npy_close(ntk_npy **npy) {
  if (!*npy) return;
  if ((*npy)->file) (void)fclose((*npy)->file);
  ntk_free(npy);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Elements [first, first + count) in the file's order.
 *   bytes  [count * 8] */
static ntk_status read_run(const ntk_npy *npy, int64_t first, int64_t count, unsigned char *bytes,
                           double *values) {
  const ntk_table *t = &npy->table;
  const off_t at = (off_t)(npy->layout.start + first * t->element.size);
  const size_t wanted = (size_t)count * (size_t)t->element.size;
  const bool was_read =
      fseeko(npy->file, at, SEEK_SET) == 0 && fread(bytes, 1, wanted, npy->file) == wanted;

  NTK_CHECK(was_read, NTK_E_IO, "%s: cannot read %zu bytes at %lld", t->place, wanted,
            (long long)at);
  ntk_element_reals(t->element, bytes, count, values);
  return NTK_OK;
}

/* A window of a matrix whose rows lie in the file one after the other, each `width` long. */
static ntk_status read_rows(const ntk_npy *npy, int64_t width, int64_t row, int64_t rows,
                            int64_t col, int64_t cols, double *values) {
  unsigned char *bytes = NULL;
  ntk_status status = NTK_NEW(cols * 8, &bytes);

  for (int64_t i = 0; i < rows && status == NTK_OK; ++i) {
    status = read_run(npy, (row + i) * width + col, cols, bytes, values + i * cols);
  }
  ntk_free(&bytes);
  return status;
}

static void transpose(int64_t rows, int64_t cols, const double *from, double *to) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < cols; ++j) to[j * rows + i] = from[i * cols + j];
  }
}

ntk_status ntk_npy_window(const ntk_npy *npy, int64_t row, int64_t rows, int64_t col, int64_t cols,
                          double *values) {
  double *turned = NULL;

  if (!npy->layout.fortran) {
    return read_rows(npy, ntk_npy_size(npy, 1), row, rows, col, cols, values);
  }
  NTK_TRY(NTK_NEW(rows * cols, &turned));
  const ntk_status status = read_rows(npy, ntk_npy_size(npy, 0), col, cols, row, rows, turned);

  if (status == NTK_OK) transpose(cols, rows, turned, values);
  ntk_free(&turned);
  return status;
}
