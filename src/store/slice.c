#include "ntk/store/slice.h"

#include "ntk/store/file.h"
#include "ntk/store/group.h"
#include "ntk/store/handle.h"
#include "ntk/store/verify.h"

static ntk_status list_file(ntk_handles *held, ntk_slice_file *file) {
  const ntk_group_query query = {
      .path = file->path, .file_size = file->size, .recursive = true, .part = NTK_GROUP_SHAPES};
  hid_t root = H5I_INVALID_HID;

  NTK_HOLD(held, root, H5Gopen2(file->id, "/", H5P_DEFAULT), NTK_E_INPUT, "%s: %s", file->path,
           NTK_REASON);
  return ntk_group_read(root, &query, &file->list);
}

ntk_status ntk_slice_open(const char *path, ntk_slice_file *file) {
  hid_t id = H5I_INVALID_HID;
  ntk_handles held = {0};

  *file = (ntk_slice_file){.path = path};
  NTK_TRY(ntk_group_open_file(path, &id, &file->size));
  file->id = id;
  const ntk_status status = list_file(&held, file);

  ntk_handles_close(&held);
  if (status != NTK_OK) ntk_slice_close(file);
  return status;
}

void ntk_slice_close(ntk_slice_file *file) {
  if (file->id > 0) (void)H5Fclose(file->id);
  ntk_record_destroy(&file->list);
  *file = (ntk_slice_file){0};
}

static ntk_status open_dataset(ntk_handles *held, const ntk_slice_file *file, const char *name,
                               hid_t *dataset) {
  NTK_HOLD(held, *dataset, H5Dopen2(file->id, name, H5P_DEFAULT), NTK_E_INPUT,
           "%s: no variable '%s': %s", file->path, name, NTK_REASON);
  return NTK_OK;
}

static ntk_status load(ntk_handles *held, const ntk_slice_file *file, const char *name,
                       ntk_variable *variable) {
  const ntk_group_query query = {.path = file->path, .file_size = file->size};
  hid_t dataset = H5I_INVALID_HID;

  NTK_TRY(open_dataset(held, file, name, &dataset));
  NTK_TRY(ntk_group_describe(dataset, &query, name, variable));
  return ntk_group_load(dataset, &query, variable);
}

ntk_status ntk_slice_load(const ntk_slice_file *file, const char *name, ntk_variable *variable) {
  ntk_handles held = {0};

  *variable = (ntk_variable){0};
  const ntk_status status = load(&held, file, name, variable);

  ntk_handles_close(&held);
  if (status != NTK_OK) ntk_variable_destroy(variable);
  return status;
}

static ntk_status read_part(ntk_handles *held, const ntk_slice_file *file,
                            const ntk_variable *variable, const int64_t *start,
                            const int64_t *extent, void *data) {
  const ntk_group_query query = {.path = file->path, .file_size = file->size};
  hsize_t first[NTK_MAX_RANK] = {0}, count[NTK_MAX_RANK] = {0};
  hid_t dataset = H5I_INVALID_HID, stored = H5I_INVALID_HID, memory = H5I_INVALID_HID;

  for (int k = 0; k < variable->rank; ++k) {
    first[k] = (hsize_t)start[k];
    count[k] = (hsize_t)extent[k];
  }
  NTK_TRY(open_dataset(held, file, variable->name, &dataset));
  NTK_TRY(ntk_group_check_storage(dataset, &query, variable));
  NTK_HOLD(held, stored, H5Dget_space(dataset), NTK_E_INPUT, "%s: '%s': %s", file->path,
           variable->name, NTK_REASON);
  NTK_HOLD(held, memory, H5Screate_simple(variable->rank, count, NULL), NTK_E_INPUT, "%s: '%s': %s",
           file->path, variable->name, NTK_REASON);
  const bool was_read =
      (variable->rank == 0 ||
       H5Sselect_hyperslab(stored, H5S_SELECT_SET, first, NULL, count, NULL) >= 0) &&
      H5Dread(dataset, ntk_handles_number(variable->kind), memory, stored, H5P_DEFAULT, data) >= 0;

  NTK_CHECK(was_read, NTK_E_INPUT, "%s: cannot read '%s': %s", file->path, variable->name,
            NTK_REASON);
  return NTK_OK;
}

ntk_status ntk_slice_read(const ntk_slice_file *file, const ntk_variable *variable,
                          const int64_t *start, const int64_t *extent, void *data) {
  ntk_handles held = {0};
  const ntk_status status = read_part(&held, file, variable, start, extent, data);

  ntk_handles_close(&held);
  return status;
}

static ntk_status verify(ntk_handles *held, const ntk_slice_file *file,
                         const ntk_variable *variable) {
  hid_t dataset = H5I_INVALID_HID;
  bool lost = false;

  NTK_TRY(open_dataset(held, file, variable->name, &dataset));
  NTK_TRY(ntk_verify_dataset(file->path, file->id, dataset, variable->size[1], variable->size[0],
                             &lost));
  NTK_CHECK(!lost, NTK_E_INPUT,
            "%s: its end, which says where the hashes are, is missing or damaged (or another "
            "program has rewritten the file): its numbers cannot be verified",
            file->path);
  return NTK_OK;
}

ntk_status ntk_slice_verify(const ntk_slice_file *file, const ntk_variable *variable) {
  ntk_handles held = {0};

  if (variable->rank != 2 || variable->kind != NTK_KIND_REAL) return NTK_OK;
  const ntk_status status = verify(&held, file, variable);

  ntk_handles_close(&held);
  return status;
}
