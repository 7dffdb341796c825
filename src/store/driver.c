#include "ntk/store/driver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif

/* An open file; HDF5 looks at the first member. */
typedef struct driver_file {
  H5FD_t public;
  int descriptor;
  int error;        /* first failure, 0: none */
  haddr_t eoa, eof; /* end of what is allocated, end of what is written */
} driver_file;

/* HDF5 owns what this returns, and gives it to close_file; hence no counted allocation. */
static H5FD_t *open_file(const char *path, unsigned flags, hid_t access, haddr_t limit) {
  driver_file *file = calloc(1, sizeof(*file));

  (void)access, (void)limit, (void)flags;
  if (!file) return NULL;
  file->descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file->descriptor >= 0) return &file->public;
  free(file);
  return NULL;
}

static herr_t close_file(H5FD_t *public) {
  driver_file *file = (driver_file *)public;

  (void)close(file->descriptor);
  free(file);
  return 0;
}

static herr_t query(const H5FD_t *public, unsigned long *flags) {
  (void)public;
  *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
           H5FD_FEAT_AGGREGATE_SMALLDATA;
  return 0;
}

static haddr_t get_eoa(const H5FD_t *public, H5FD_mem_t type) {
  (void)type;
  return ((const driver_file *)public)->eoa;
}

static herr_t set_eoa(H5FD_t *public, H5FD_mem_t type, haddr_t eoa) {
  (void)type;
  ((driver_file *)public)->eoa = eoa;
  return 0;
}

static haddr_t get_eof(const H5FD_t *public, H5FD_mem_t type) {
  (void)type;
  return ((const driver_file *)public)->eof;
}

static herr_t get_handle(H5FD_t *public, hid_t access, void **handle) {
  (void)access;
  *handle = public;
  return 0;
}

static void remember(driver_file *file) {
  if (!file->error) file->error = errno ? errno : EIO;
}

/* What was never written reads as zeros. */
static herr_t read_bytes(H5FD_t *public, H5FD_mem_t type, hid_t transfer, haddr_t address,
                         size_t size, void *buffer) {
  driver_file *file = (driver_file *)public;
  char *next = buffer;

  (void)type, (void)transfer;
  memset(buffer, 0, size);
  while (size > 0) {
    const ssize_t got = pread(file->descriptor, next, size, (off_t)address);

    if (got < 0 && errno == EINTR) continue;
    if (got < 0) remember(file);
    if (got <= 0) break;
    next += got, address += (haddr_t)got, size -= (size_t)got;
  }
  return 0;
}

static herr_t write_bytes(H5FD_t *public, H5FD_mem_t type, hid_t transfer, haddr_t address,
                          size_t size, const void *buffer) {
  driver_file *file = (driver_file *)public;
  const char *next = buffer;

  (void)type, (void)transfer;
  if (address + size > file->eof) file->eof = address + size;
  while (size > 0 && !file->error) {
    const ssize_t put = pwrite(file->descriptor, next, size, (off_t)address);

    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) remember(file);
    if (put <= 0) break;
    next += put, address += (haddr_t)put, size -= (size_t)put;
  }
  return 0;
}

static herr_t cut(H5FD_t *public, hid_t transfer, hbool_t closing) {
  driver_file *file = (driver_file *)public;

  (void)transfer, (void)closing;
  if (file->eoa == file->eof) return 0;
  if (!file->error && ftruncate(file->descriptor, (off_t)file->eoa) != 0) remember(file);
  file->eof = file->eoa;
  return 0;
}

static const H5FD_class_t driver = {
#if H5_VERSION_GE(1, 13, 0)
    .version = H5FD_CLASS_VERSION,
    .value = (H5FD_class_value_t)512, /* from 512 on they are free for use in one's own programs */
#endif
    .name = "ntk",
    .maxaddr = ((haddr_t)1 << 62),
    .fc_degree = H5F_CLOSE_STRONG,
    .open = open_file,
    .close = close_file,
    .query = query,
    .get_eoa = get_eoa,
    .set_eoa = set_eoa,
    .get_eof = get_eof,
    .get_handle = get_handle,
    .read = read_bytes,
    .write = write_bytes,
    .truncate = cut,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

ntk_status ntk_driver_set(ntk_handles *held, hid_t access) {
  hid_t id = H5I_INVALID_HID;

  NTK_HOLD(held, id, H5FDregister(&driver), NTK_E_IO, "HDF5: %s", NTK_REASON);
  NTK_CHECK(H5Pset_driver(access, id, NULL) >= 0, NTK_E_IO, "HDF5: %s", NTK_REASON);
  return NTK_OK;
}

int ntk_driver_error(hid_t file) {
  driver_file *found = NULL;

  if (H5Fget_vfd_handle(file, H5P_DEFAULT, (void **)&found) < 0 || !found) return EIO;
  return found->error;
}
