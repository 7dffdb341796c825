#include "ntk/store/slab.h"

#include <stdio.h>
#include <unistd.h>

#include "ntk/base/memory.h"
#include "ntk/store/durable.h"
#include "ntk/store/group.h"
#include "ntk/store/handle.h"
#include "seal.h"

struct ntk_slab {
  char path[NTK_DURABLE_PATH], temporary[NTK_DURABLE_PATH];
  hid_t file;
};

static ntk_status open_slab(const char *path, ntk_slab *s) {
  s->file = H5I_INVALID_HID;
  NTK_TRY(ntk_durable_name(path, s->temporary));
  (void)snprintf(s->path, sizeof(s->path), "%s", path);
  return ntk_group_create_file(s->temporary, false, &s->file);
}

ntk_status ntk_slab_create(const char *path, ntk_slab **slab) {
  NTK_TRY(NTK_NEW(1, slab));
  const ntk_status status = open_slab(path, *slab);

  if (status != NTK_OK) ntk_slab_abandon(slab);
  return status;
}

ntk_status ntk_slab_add(ntk_slab *slab, const ntk_record *record) {
  return ntk_group_write(slab->file, slab->temporary, record, NULL);
}

/* The whole extent of the slab, and its part of the file. */
static ntk_status select_part(ntk_handles *held, const ntk_slab *s, const char *name, hid_t file,
                              int64_t first, int64_t count, hid_t *memory) {
  hsize_t extent[NTK_MAX_RANK] = {0}, start[NTK_MAX_RANK] = {0};
  const int rank = H5Sget_simple_extent_ndims(file);

  NTK_CHECK(
      rank >= 1 && rank <= NTK_MAX_RANK && H5Sget_simple_extent_dims(file, extent, NULL) == rank,
      NTK_E_IO, "%s: '%s' has no first dimension", s->path, name);
  start[0] = (hsize_t)first;
  extent[0] = (hsize_t)count;
  NTK_HOLD(held, *memory, H5Screate_simple(rank, extent, NULL), NTK_E_IO, "%s: %s", s->path,
           NTK_REASON);
  NTK_CHECK(H5Sselect_hyperslab(file, H5S_SELECT_SET, start, NULL, extent, NULL) >= 0, NTK_E_IO,
            "%s: '%s' has no entries %lld to %lld: %s", s->path, name, (long long)first,
            (long long)(first + count - 1), NTK_REASON);
  return NTK_OK;
}

static ntk_status write_part(ntk_handles *held, const ntk_slab *s, const char *name, int64_t first,
                             int64_t count, const double *values) {
  hid_t dataset = H5I_INVALID_HID, file = H5I_INVALID_HID, memory = H5I_INVALID_HID;

  NTK_HOLD(held, dataset, H5Dopen2(s->file, name, H5P_DEFAULT), NTK_E_IO,
           "%s: there is no '%s': %s", s->path, name, NTK_REASON);
  NTK_HOLD(held, file, H5Dget_space(dataset), NTK_E_IO, "%s: '%s': %s", s->path, name, NTK_REASON);
  NTK_TRY(select_part(held, s, name, file, first, count, &memory));
  NTK_CHECK(H5Dwrite(dataset, H5T_NATIVE_DOUBLE, memory, file, H5P_DEFAULT, values) >= 0, NTK_E_IO,
            "%s: cannot write '%s': %s", s->path, name, NTK_REASON);
  return NTK_OK;
}

ntk_status ntk_slab_write(ntk_slab *slab, const char *name, int64_t first, int64_t count,
                          const double *values) {
  ntk_handles held = {0};

  if (count == 0) return NTK_OK;
  const ntk_status status = write_part(&held, slab, name, first, count, values);

  ntk_handles_close(&held);
  return status;
}

static ntk_status publish(ntk_slab *s) {
  const ntk_status closed = ntk_group_close_file(s->temporary, s->file);

  s->file = H5I_INVALID_HID;
  NTK_TRY(closed);
  NTK_TRY(ntk_seal_append(s->temporary, NULL));
  NTK_TRY(ntk_durable_sync(s->temporary));
  return ntk_durable_rename(s->temporary, s->path);
}

ntk_status ntk_slab_finish(ntk_slab **slab) {
  const ntk_status status = publish(*slab);

  ntk_slab_abandon(slab);
  return status;
}

void ntk_slab_abandon(ntk_slab **slab) {
  if (!*slab) return;
  if ((*slab)->file >= 0) (void)H5Fclose((*slab)->file);
  (void)unlink((*slab)->temporary); /* gone already if it was published */
  ntk_free(slab);
}
