#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ntk/store/driver.h"
#include "ntk/store/group.h"
#include "ntk/store/handle.h"

enum { GROUP_SIZE = 2 * NTK_NAME_SIZE + 2 };

/* A record on its way into a file. */
typedef struct writer {
  hid_t file;
  const char *path; /* of the file, for messages */
  const ntk_record *record;
  const ntk_group_filling *filling; /* may be NULL */
} writer;

/* "/record/folder" of a name like "folder/leaf"; the leaf is returned. */
static const char *split(const ntk_record *record, const char *name, char *group) {
  const char *slash = strrchr(name, '/');
  const int length = slash ? (int)(slash - name) : 0;

  (void)snprintf(group, GROUP_SIZE, "/%s%s%.*s", record->name, record->name[0] && length ? "/" : "",
                 length, name);
  return slash ? slash + 1 : name;
}

static bool is_coordinate(const ntk_variable *variable) {
  const char *slash = strrchr(variable->name, '/');

  return variable->rank == 1 &&
         strcmp(variable->dimension[0], slash ? slash + 1 : variable->name) == 0;
}

/* ---- groups -------------------------------------------------------------------------------- */

/* Variables keep the order in which they are written. */
static ntk_status create_group(ntk_handles *held, const writer *w, const char *name) {
  hid_t order = H5I_INVALID_HID, group = H5I_INVALID_HID;

  NTK_HOLD(held, order, H5Pcreate(H5P_GROUP_CREATE), NTK_E_IO, "%s: %s", w->path, NTK_REASON);
  NTK_CHECK(H5Pset_link_creation_order(order, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED) >= 0,
            NTK_E_IO, "%s: %s", w->path, NTK_REASON);
  NTK_HOLD(held, group, H5Gcreate2(w->file, name, H5P_DEFAULT, order, H5P_DEFAULT), NTK_E_IO,
           "%s: cannot create group %s: %s", w->path, name, NTK_REASON);
  return NTK_OK;
}

static ntk_status require_group(const writer *w, const char *name) {
  if (strcmp(name, "/") == 0 || H5Lexists(w->file, name, H5P_DEFAULT) > 0) return NTK_OK;
  ntk_handles held = {0};
  const ntk_status status = create_group(&held, w, name);

  ntk_handles_close(&held);
  return status;
}

/* Groups above come first: HDF5 refuses to look behind one that is missing. */
static ntk_status require_groups(const writer *w, const char *name) {
  char above[GROUP_SIZE];

  for (const char *slash = strchr(name + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    (void)snprintf(above, sizeof(above), "%.*s", (int)(slash - name), name);
    NTK_TRY(require_group(w, above));
  }
  return require_group(w, name);
}

/* ---- attributes ---------------------------------------------------------------------------- */

/* A scalar of a kind on its way into an attribute. */
static ntk_status put_attribute(ntk_handles *held, hid_t object, const char *path, const char *leaf,
                                ntk_kind kind, const void *value) {
  hid_t type = ntk_handles_number(kind), space = H5I_INVALID_HID, id = H5I_INVALID_HID;

  if (kind == NTK_KIND_TEXT) NTK_TRY(ntk_handles_text(held, &type));
  NTK_HOLD(held, space, H5Screate(H5S_SCALAR), NTK_E_IO, "%s: %s", path, NTK_REASON);
  if (H5Aexists(object, leaf) > 0) (void)H5Adelete(object, leaf);
  NTK_HOLD(held, id, H5Acreate2(object, leaf, type, space, H5P_DEFAULT, H5P_DEFAULT), NTK_E_IO,
           "%s: cannot create attribute '%s': %s", path, leaf, NTK_REASON);
  NTK_CHECK(H5Awrite(id, type, value) >= 0, NTK_E_IO, "%s: cannot write attribute '%s': %s", path,
            leaf, NTK_REASON);
  return NTK_OK;
}

static ntk_status write_scalar(hid_t object, const char *path, const char *leaf, ntk_kind kind,
                               const void *value) {
  ntk_handles held = {0};
  const ntk_status status = put_attribute(&held, object, path, leaf, kind, value);

  ntk_handles_close(&held);
  return status;
}

static ntk_status write_text(hid_t object, const char *path, const char *name, const char *text) {
  return write_scalar(object, path, name, NTK_KIND_TEXT, &text);
}

static ntk_status write_attribute(hid_t object, const char *path, const ntk_attribute *attribute,
                                  const char *leaf) {
  switch (attribute->kind) {
    case NTK_KIND_TEXT:
      return write_text(object, path, leaf, attribute->text);
    case NTK_KIND_INT:
      return write_scalar(object, path, leaf, NTK_KIND_INT, &attribute->integer);
    default:
      return write_scalar(object, path, leaf, NTK_KIND_REAL, &attribute->real);
  }
}

static ntk_status place_attribute(ntk_handles *held, const writer *w,
                                  const ntk_attribute *attribute) {
  char group[GROUP_SIZE];
  const char *leaf = split(w->record, attribute->name, group);
  hid_t object = H5I_INVALID_HID;

  NTK_HOLD(held, object, H5Oopen(w->file, group, H5P_DEFAULT), NTK_E_BUG,
           "%s: attribute '%s' of an object that is not there", w->path, attribute->name);
  return write_attribute(object, w->path, attribute, leaf);
}

static ntk_status write_attributes(const writer *w) {
  for (int64_t k = 0; k < w->record->attribute_count; ++k) {
    ntk_handles held = {0};
    const ntk_status status = place_attribute(&held, w, &w->record->attributes[k]);

    ntk_handles_close(&held);
    NTK_TRY(status);
  }
  return NTK_OK;
}

/* ---- dimension scales ---------------------------------------------------------------------- */

/* A scale without data, by the convention of netCDF-4. */
static ntk_status create_scale(ntk_handles *held, const writer *w, hid_t group, const char *name,
                               int64_t size, hid_t *scale) {
  const hsize_t extent = (hsize_t)size;
  static const char mark[] = "This is a netCDF dimension but not a netCDF variable.";
  char label[sizeof(mark) + 24];
  hid_t space = H5I_INVALID_HID;

  (void)snprintf(label, sizeof(label), "%s%10lld", mark, (long long)size);
  NTK_HOLD(held, space, H5Screate_simple(1, &extent, NULL), NTK_E_IO, "%s: %s", w->path,
           NTK_REASON);
  NTK_HOLD(held, *scale,
           H5Dcreate2(group, name, H5T_IEEE_F32BE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
           NTK_E_IO, "%s: cannot create dimension '%s': %s", w->path, name, NTK_REASON);
  NTK_CHECK(H5DSset_scale(*scale, label) >= 0, NTK_E_IO, "%s: cannot create dimension '%s': %s",
            w->path, name, NTK_REASON);
  return NTK_OK;
}

static ntk_status check_scale(ntk_handles *held, const writer *w, hid_t scale, const char *name,
                              int64_t size) {
  hid_t space = H5I_INVALID_HID;

  NTK_CHECK(H5DSis_scale(scale) > 0, NTK_E_BUG,
            "%s: '%s' of group '%s' is a dimension and also a variable that is not its coordinate",
            w->path, name, w->record->name);
  NTK_HOLD(held, space, H5Dget_space(scale), NTK_E_IO, "%s: %s", w->path, NTK_REASON);
  const int64_t found = (int64_t)H5Sget_simple_extent_npoints(space);

  NTK_CHECK(found == size, NTK_E_BUG, "%s: dimension '%s' of group '%s' has sizes %lld and %lld",
            w->path, name, w->record->name, (long long)found, (long long)size);
  return NTK_OK;
}

static ntk_status require_scale(ntk_handles *held, const writer *w, hid_t group, const char *name,
                                int64_t size, hid_t *scale) {
  NTK_CHECK(name[0], NTK_E_BUG, "%s: a dimension without name in group '%s'", w->path,
            w->record->name);
  if (H5Lexists(group, name, H5P_DEFAULT) <= 0) {
    return create_scale(held, w, group, name, size, scale);
  }
  NTK_HOLD(held, *scale, H5Dopen2(group, name, H5P_DEFAULT), NTK_E_BUG,
           "%s: dimension '%s' has the name of a group: %s", w->path, name, NTK_REASON);
  return check_scale(held, w, *scale, name, size);
}

static ntk_status attach(ntk_handles *held, const writer *w, hid_t group, hid_t dataset,
                         const ntk_variable *variable, int axis) {
  const char *name = variable->dimension[axis];
  hid_t scale = H5I_INVALID_HID;

  for (int k = 0; k < axis; ++k) {
    NTK_CHECK(strcmp(variable->dimension[k], name) != 0, NTK_E_BUG,
              "%s: '%s' has dimension '%s' twice: xarray would show its diagonal", w->path,
              variable->name, name);
  }
  NTK_TRY(require_scale(held, w, group, name, variable->size[axis], &scale));
  NTK_CHECK(H5DSattach_scale(dataset, scale, (unsigned)axis) >= 0, NTK_E_IO,
            "%s: cannot attach dimension '%s' to '%s': %s", w->path, name, variable->name,
            NTK_REASON);
  return NTK_OK;
}

static ntk_status attach_all(const writer *w, hid_t group, hid_t dataset,
                             const ntk_variable *variable) {
  for (int axis = 0; axis < variable->rank; ++axis) {
    ntk_handles held = {0};
    const ntk_status status = attach(&held, w, group, dataset, variable, axis);

    ntk_handles_close(&held);
    NTK_TRY(status);
  }
  return NTK_OK;
}

/* ---- variables ----------------------------------------------------------------------------- */

static ntk_status make_space(ntk_handles *held, const writer *w, const ntk_variable *variable,
                             hid_t *space) {
  hsize_t extent[NTK_MAX_RANK] = {0};

  for (int k = 0; k < variable->rank; ++k) extent[k] = (hsize_t)variable->size[k];
  NTK_HOLD(held, *space,
           variable->rank ? H5Screate_simple(variable->rank, extent, NULL) : H5Screate(H5S_SCALAR),
           NTK_E_IO, "%s: '%s': %s", w->path, variable->name, NTK_REASON);
  return NTK_OK;
}

/* Space that is written later, by several processes: allocated now, and not filled. */
static ntk_status make_layout(ntk_handles *held, const writer *w, bool reserve, hid_t *layout) {
  NTK_HOLD(held, *layout, H5Pcreate(H5P_DATASET_CREATE), NTK_E_IO, "%s: %s", w->path, NTK_REASON);
  if (!reserve) return NTK_OK;
  NTK_CHECK(H5Pset_alloc_time(*layout, H5D_ALLOC_TIME_EARLY) >= 0, NTK_E_IO, "%s: %s", w->path,
            NTK_REASON);
  NTK_CHECK(H5Pset_fill_time(*layout, H5D_FILL_TIME_NEVER) >= 0, NTK_E_IO, "%s: %s", w->path,
            NTK_REASON);
  return NTK_OK;
}

static ntk_status describe(const writer *w, hid_t group, hid_t dataset,
                           const ntk_variable *variable, const char *leaf) {
  NTK_TRY(write_text(dataset, w->path, "long_name", variable->long_name));
  NTK_TRY(write_text(dataset, w->path, "units", variable->units[0] ? variable->units : "1"));
  if (variable->source[0]) NTK_TRY(write_text(dataset, w->path, "source", variable->source));
  if (!is_coordinate(variable)) return attach_all(w, group, dataset, variable);
  NTK_CHECK(H5DSset_scale(dataset, leaf) >= 0, NTK_E_IO, "%s: cannot make '%s' a coordinate: %s",
            w->path, variable->name, NTK_REASON);
  return NTK_OK;
}

static ntk_status write_data(const writer *w, hid_t dataset, hid_t type,
                             const ntk_variable *variable) {
  if (variable->count == 0) return NTK_OK;
  NTK_CHECK(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, variable->data) >= 0, NTK_E_IO,
            "%s: cannot write '%s': %s", w->path, variable->name, NTK_REASON);
  return NTK_OK;
}

static ntk_status fill_data(const writer *w, hid_t dataset, hid_t type,
                            const ntk_variable *variable) {
  ntk_variable filled = *variable;
  ntk_status status = w->filling->fill(w->filling->context, w->record, &filled);

  if (status == NTK_OK) status = write_data(w, dataset, type, &filled);
  ntk_variable_destroy(&filled);
  return status;
}

static ntk_status put_variable(ntk_handles *held, const writer *w, const ntk_variable *variable) {
  const bool reserve = !variable->data && !w->filling;
  char folder[GROUP_SIZE];
  const char *leaf = split(w->record, variable->name, folder);
  hid_t type = ntk_handles_number(variable->kind), space = H5I_INVALID_HID;
  hid_t layout = H5I_INVALID_HID, group = H5I_INVALID_HID, dataset = H5I_INVALID_HID;

  NTK_TRY(require_groups(w, folder));
  if (variable->kind == NTK_KIND_TEXT) NTK_TRY(ntk_handles_text(held, &type));
  NTK_TRY(make_space(held, w, variable, &space));
  NTK_TRY(make_layout(held, w, reserve, &layout));
  NTK_HOLD(held, group, H5Gopen2(w->file, folder, H5P_DEFAULT), NTK_E_IO,
           "%s: cannot open group %s: %s", w->path, folder, NTK_REASON);
  NTK_HOLD(held, dataset, H5Dcreate2(group, leaf, type, space, H5P_DEFAULT, layout, H5P_DEFAULT),
           NTK_E_IO, "%s: cannot create '%s' in group %s: %s", w->path, leaf, folder, NTK_REASON);
  NTK_TRY(describe(w, group, dataset, variable, leaf));
  if (reserve) return NTK_OK;
  return variable->data ? write_data(w, dataset, type, variable)
                        : fill_data(w, dataset, type, variable);
}

static ntk_status write_variables(const writer *w, bool coordinates) {
  for (int64_t k = 0; k < w->record->variable_count; ++k) {
    const ntk_variable *variable = &w->record->variables[k];

    if (is_coordinate(variable) != coordinates) continue;
    ntk_handles held = {0};
    const ntk_status status = put_variable(&held, w, variable);

    ntk_handles_close(&held);
    NTK_TRY(status);
  }
  return NTK_OK;
}

ntk_status ntk_group_write(hid_t file, const char *path, const ntk_record *record,
                           const ntk_group_filling *filling) {
  const writer w = {.file = file, .path = path, .record = record, .filling = filling};
  char group[GROUP_SIZE];

  (void)split(record, "", group);
  NTK_TRY(require_groups(&w, group));
  NTK_TRY(write_variables(&w, true));
  NTK_TRY(write_variables(&w, false));
  return write_attributes(&w);
}

/* ---- files --------------------------------------------------------------------------------- */

static ntk_status create_file(ntk_handles *held, const char *path, bool large, hid_t *file) {
  hid_t access = H5I_INVALID_HID, order = H5I_INVALID_HID;

  NTK_TRY(ntk_handles_access(held, large, &access));
  NTK_TRY(ntk_driver_set(held, access));
  NTK_HOLD(held, order, H5Pcreate(H5P_FILE_CREATE), NTK_E_IO, "%s: %s", path, NTK_REASON);
  NTK_CHECK(H5Pset_link_creation_order(order, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED) >= 0,
            NTK_E_IO, "%s: %s", path, NTK_REASON);
  *file = H5Fcreate(path, H5F_ACC_TRUNC, order, access);
  NTK_CHECK(*file >= 0, ntk_status_of_write(errno, NTK_E_CREATE), "%s: cannot create: %s", path,
            strerror(errno));
  return write_text(*file, path, "Conventions", "CF-1.10");
}

/* The driver knows, once HDF5 has handed over everything, whether it is all written. */
static ntk_status flush(const char *path, hid_t file) {
  const bool flushed = H5Fflush(file, H5F_SCOPE_GLOBAL) >= 0;
  const int error = ntk_driver_error(file);

  NTK_CHECK(!error, ntk_status_of_write(error, NTK_E_IO), "%s: cannot write: %s", path,
            strerror(error));
  NTK_CHECK(flushed, NTK_E_IO, "%s: cannot write: %s", path, NTK_REASON);
  return NTK_OK;
}

ntk_status ntk_group_close_file(const char *path, hid_t file) {
  const ntk_status flushed = flush(path, file);
  const bool closed = H5Fclose(file) >= 0;

  NTK_TRY(flushed);
  NTK_CHECK(closed, NTK_E_IO, "%s: cannot close: %s", path, NTK_REASON);
  return NTK_OK;
}

ntk_status ntk_group_create_file(const char *path, bool large, hid_t *file) {
  ntk_handles held = {0};

  *file = H5I_INVALID_HID;
  const ntk_status status = create_file(&held, path, large, file);

  ntk_handles_close(&held);
  if (status != NTK_OK && *file >= 0) {
    (void)H5Fclose(*file);
    *file = H5I_INVALID_HID;
  }
  return status;
}
