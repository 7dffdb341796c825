#include <stdio.h>
#include <string.h>

#include "ntk/base/memory.h"
#include "ntk/store/durable.h"
#include "ntk/store/group.h"
#include "ntk/store/handle.h"

/* Groups may be linked in a circle. */
enum { DEEPEST = 16 };

/* What deflate can gain at most; no compressed array is larger. */
enum { MOST_COMPRESSION = 1032 };

/* ---- text, from datasets and attributes ---------------------------------------------------- */

static herr_t read_raw(hid_t object, hid_t type, void *buffer) {
  return H5Iget_type(object) == H5I_ATTR
             ? H5Aread(object, type, buffer)
             : H5Dread(object, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, buffer);
}

static ntk_status copy_text(const char *text, size_t length, char **copy) {
  NTK_TRY(NTK_NEW(length + 1, copy));
  if (length > 0) memcpy(*copy, text, length);
  return NTK_OK;
}

static ntk_status copy_texts(const char *path, bool was_read, int64_t count, char **raw,
                             char **texts) {
  NTK_CHECK(was_read, NTK_E_INPUT, "%s: cannot read text: %s", path, NTK_REASON);
  for (int64_t k = 0; k < count; ++k) {
    NTK_TRY(copy_text(raw[k], raw[k] ? strlen(raw[k]) : 0, &texts[k]));
  }
  return NTK_OK;
}

/* HDF5 allocates each text; its copies are ours. */
static ntk_status read_variable_texts(hid_t object, const char *path, hid_t type, hid_t space,
                                      int64_t count, char **texts) {
  char **raw = NULL;

  NTK_TRY(NTK_NEW(count, &raw));
  const bool was_read = read_raw(object, type, raw) >= 0;
  const ntk_status status = copy_texts(path, was_read, count, raw, texts);

  if (was_read) (void)H5Dvlen_reclaim(type, space, H5P_DEFAULT, raw);
  ntk_free(&raw);
  return status;
}

static ntk_status split_texts(hid_t object, const char *path, hid_t type, int64_t count, char *raw,
                              char **texts) {
  const size_t size = H5Tget_size(type);
  const bool spaces = H5Tget_strpad(type) == H5T_STR_SPACEPAD;

  NTK_CHECK(read_raw(object, type, raw) >= 0, NTK_E_INPUT, "%s: cannot read text: %s", path,
            NTK_REASON);
  for (int64_t k = 0; k < count; ++k) {
    const char *text = raw + (size_t)k * size;
    size_t length = 0;

    while (length < size && text[length]) ++length;
    while (spaces && length > 0 && text[length - 1] == ' ') --length;
    NTK_TRY(copy_text(text, length, &texts[k]));
  }
  return NTK_OK;
}

static ntk_status read_fixed_texts(hid_t object, const char *path, hid_t type, int64_t count,
                                   char **texts) {
  char *raw = NULL;

  NTK_TRY(ntk_new((size_t)count, H5Tget_size(type), &raw));
  const ntk_status status = split_texts(object, path, type, count, raw, texts);

  ntk_free(&raw);
  return status;
}

static ntk_status read_texts(hid_t object, const char *path, hid_t type, hid_t space, int64_t count,
                             char **texts) {
  return H5Tis_variable_str(type) > 0 ? read_variable_texts(object, path, type, space, count, texts)
                                      : read_fixed_texts(object, path, type, count, texts);
}

/* ---- attributes ---------------------------------------------------------------------------- */

/* An open scalar attribute. */
typedef struct scalar {
  hid_t id, type, space; /* zero-initialise */
  H5T_class_t class;
} scalar;

static ntk_status open_scalar(ntk_handles *held, hid_t object, const char *path, const char *name,
                              scalar *s) {
  NTK_HOLD(held, s->id, H5Aopen(object, name, H5P_DEFAULT), NTK_E_INPUT,
           "%s: cannot read attribute '%s': %s", path, name, NTK_REASON);
  NTK_HOLD(held, s->type, H5Aget_type(s->id), NTK_E_INPUT, "%s: attribute '%s': %s", path, name,
           NTK_REASON);
  NTK_HOLD(held, s->space, H5Aget_space(s->id), NTK_E_INPUT, "%s: attribute '%s': %s", path, name,
           NTK_REASON);
  s->class = H5Sget_simple_extent_npoints(s->space) == 1 ? H5Tget_class(s->type) : H5T_NO_CLASS;
  return NTK_OK;
}

static ntk_status take_text(const scalar *s, const char *path, ntk_record *record,
                            const char *full) {
  char *text = NULL;

  NTK_TRY(read_texts(s->id, path, s->type, s->space, 1, &text));
  const ntk_status status = ntk_record_set_text(record, full, text);

  ntk_free(&text);
  return status;
}

/* Arrays, references and the like are no attributes of ours and are left out. */
static ntk_status take_attribute(ntk_handles *held, hid_t object, const char *path,
                                 const char *name, ntk_record *record, const char *full) {
  scalar s = {0};
  double real = 0;
  int64_t integer = 0;

  NTK_TRY(open_scalar(held, object, path, name, &s));
  switch (s.class) {
    case H5T_STRING:
      return take_text(&s, path, record, full);
    case H5T_FLOAT:
      NTK_CHECK(H5Aread(s.id, H5T_NATIVE_DOUBLE, &real) >= 0, NTK_E_INPUT,
                "%s: cannot read attribute '%s': %s", path, name, NTK_REASON);
      return ntk_record_set_real(record, full, real);
    case H5T_INTEGER:
    case H5T_ENUM:
      NTK_CHECK(H5Aread(s.id, H5T_NATIVE_INT64, &integer) >= 0, NTK_E_INPUT,
                "%s: cannot read attribute '%s': %s", path, name, NTK_REASON);
      return ntk_record_set_int(record, full, integer);
    default:
      return NTK_OK;
  }
}

/* What netCDF and HDF5 write for themselves, and what a variable holds as text of its own. */
static bool is_hidden(const char *name) {
  static const char *const hidden[] = {"CLASS",     "NAME",  "DIMENSION_LIST", "REFERENCE_LIST",
                                       "long_name", "units", "source",         NULL};

  for (int k = 0; hidden[k]; ++k) {
    if (strcmp(name, hidden[k]) == 0) return true;
  }
  return strncmp(name, "_N", 2) == 0; /* _Netcdf4Dimid, _NCProperties */
}

typedef struct attribute_walk {
  const char *path, *prefix; /* "" or the object's name in the record */
  bool of_variable;
  ntk_record *record;
  ntk_status status;
} attribute_walk;

static ntk_status join(const char *path, const char *prefix, const char *name, char *full) {
  const int length = snprintf(full, NTK_NAME_SIZE, "%s%s%s", prefix, prefix[0] ? "/" : "", name);

  NTK_CHECK(length < NTK_NAME_SIZE, NTK_E_INPUT, "%s: the name '%s/%s' is longer than %d bytes",
            path, prefix, name, NTK_NAME_SIZE - 1);
  return NTK_OK;
}

static ntk_status visit_attribute(const attribute_walk *walk, hid_t object, const char *name) {
  char full[NTK_NAME_SIZE];
  ntk_handles held = {0};

  if (walk->of_variable && is_hidden(name)) return NTK_OK;
  NTK_TRY(join(walk->path, walk->prefix, name, full));
  const ntk_status status = take_attribute(&held, object, walk->path, name, walk->record, full);

  ntk_handles_close(&held);
  return status;
}

static herr_t next_attribute(hid_t object, const char *name, const H5A_info_t *info, void *data) {
  attribute_walk *walk = data;

  (void)info;
  walk->status = visit_attribute(walk, object, name);
  return walk->status == NTK_OK ? 0 : 1;
}

static ntk_status read_attributes(hid_t object, const char *path, const char *prefix,
                                  bool of_variable, ntk_record *record) {
  attribute_walk walk = {path, prefix, of_variable, record, NTK_OK};
  hsize_t at = 0;
  const herr_t walked = H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, &at, next_attribute, &walk);

  NTK_TRY(walk.status);
  NTK_CHECK(walked >= 0, NTK_E_INPUT, "%s: cannot read the attributes of '%s': %s", path, prefix,
            NTK_REASON);
  return NTK_OK;
}

/* ---- description of a variable ------------------------------------------------------------- */

/* The kind as which a file's type is read; false if it is neither number nor text. */
static bool find_kind(hid_t type, ntk_kind *kind) {
  const size_t size = H5Tget_size(type);

  switch (H5Tget_class(type)) {
    case H5T_STRING:
      *kind = NTK_KIND_TEXT;
      return true;
    case H5T_FLOAT:
      *kind = size <= sizeof(float) ? NTK_KIND_SINGLE : NTK_KIND_REAL;
      return true;
    case H5T_ENUM: /* h5py's booleans */
    case H5T_INTEGER:
      *kind = size == 1 && H5Tget_sign(type) != H5T_SGN_NONE ? NTK_KIND_FLAG : NTK_KIND_INT;
      return true;
    default:
      return false;
  }
}

/* Text of an attribute, cut to fit; "" if there is none. */
static ntk_status short_text(ntk_handles *held, hid_t dataset, const char *path, const char *name,
                             char *text, size_t size) {
  scalar s = {0};
  char *whole = NULL;

  if (H5Aexists(dataset, name) <= 0) return NTK_OK;
  NTK_TRY(open_scalar(held, dataset, path, name, &s));
  if (s.class != H5T_STRING) return NTK_OK;
  NTK_TRY(read_texts(s.id, path, s.type, s.space, 1, &whole));
  (void)snprintf(text, size, "%s", whole);
  ntk_free(&whole);
  return NTK_OK;
}

static herr_t take_scale(hid_t dataset, unsigned axis, hid_t scale, void *name) {
  char full[4 * NTK_NAME_SIZE] = "";

  (void)dataset, (void)axis;
  if (H5Iget_name(scale, full, sizeof(full)) <= 0) return 0;
  const char *slash = strrchr(full, '/');

  (void)snprintf(name, NTK_NAME_SIZE, "%.*s", NTK_NAME_SIZE - 1, slash ? slash + 1 : full);
  return 1;
}

/* Names of the axes, "" where the file has none. */
static void find_dimensions(hid_t dataset, ntk_variable *variable) {
  const char *slash = strrchr(variable->name, '/');

  if (variable->rank == 1 && H5DSis_scale(dataset) > 0) {
    memcpy(variable->dimension[0], slash ? slash + 1 : variable->name,
           strlen(slash ? slash + 1 : variable->name) + 1);
    return;
  }
  for (int k = 0; k < variable->rank; ++k) {
    (void)H5DSiterate_scales(dataset, (unsigned)k, NULL, take_scale, variable->dimension[k]);
  }
}

static ntk_status find_sizes(ntk_handles *held, hid_t dataset, const char *path,
                             ntk_variable *variable) {
  hsize_t extent[H5S_MAX_RANK] = {0};
  hid_t space = H5I_INVALID_HID;

  NTK_HOLD(held, space, H5Dget_space(dataset), NTK_E_INPUT, "%s: '%s': %s", path, variable->name,
           NTK_REASON);
  const int rank = H5Sget_simple_extent_dims(space, extent, NULL);

  NTK_CHECK(rank >= 0 && rank <= NTK_MAX_RANK && H5Sget_simple_extent_type(space) != H5S_NULL,
            NTK_E_INPUT, "%s: '%s' has %d dimensions; 0 to %d are read", path, variable->name, rank,
            NTK_MAX_RANK);
  variable->rank = rank;
  variable->count = 1;
  for (int k = 0; k < rank; ++k) {
    const int64_t most = variable->count ? INT64_MAX / variable->count : INT64_MAX;

    NTK_CHECK(extent[k] <= (hsize_t)most, NTK_E_INPUT, "%s: '%s' has more than 2^63 entries", path,
              variable->name);
    variable->size[k] = (int64_t)extent[k];
    variable->count *= variable->size[k];
  }
  return NTK_OK;
}

static ntk_status describe_dataset(ntk_handles *held, hid_t dataset, const ntk_group_query *query,
                                   ntk_variable *variable) {
  const char *path = query->path;
  hid_t type = H5I_INVALID_HID;

  NTK_HOLD(held, type, H5Dget_type(dataset), NTK_E_INPUT, "%s: '%s': %s", path, variable->name,
           NTK_REASON);
  NTK_CHECK(find_kind(type, &variable->kind), NTK_E_INPUT, "%s: '%s' is neither numbers nor text",
            path, variable->name);
  NTK_TRY(find_sizes(held, dataset, path, variable));
  find_dimensions(dataset, variable);
  NTK_TRY(short_text(held, dataset, path, "long_name", variable->long_name,
                     sizeof(variable->long_name)));
  NTK_TRY(short_text(held, dataset, path, "units", variable->units, sizeof(variable->units)));
  return short_text(held, dataset, path, "source", variable->source, sizeof(variable->source));
}

ntk_status ntk_group_describe(hid_t dataset, const ntk_group_query *query, const char *name,
                              ntk_variable *variable) {
  ntk_handles held = {0};

  *variable = (ntk_variable){0};
  (void)snprintf(variable->name, sizeof(variable->name), "%s", name);
  const ntk_status status = describe_dataset(&held, dataset, query, variable);

  ntk_handles_close(&held);
  return status;
}

/* ---- data ---------------------------------------------------------------------------------- */

static ntk_status check_storage(ntk_handles *held, hid_t dataset, const ntk_group_query *query,
                                const ntk_variable *variable) {
  hid_t layout = H5I_INVALID_HID, type = H5I_INVALID_HID;

  NTK_HOLD(held, type, H5Dget_type(dataset), NTK_E_INPUT, "%s: '%s': %s", query->path,
           variable->name, NTK_REASON);
  NTK_HOLD(held, layout, H5Dget_create_plist(dataset), NTK_E_INPUT, "%s: '%s': %s", query->path,
           variable->name, NTK_REASON);
  const bool chunked = H5Pget_layout(layout) == H5D_CHUNKED;
  const double bytes = (double)variable->count * (double)H5Tget_size(type);
  const double stored = (double)H5Dget_storage_size(dataset);

  NTK_CHECK(stored > 0, NTK_E_INPUT, "%s: '%s' is declared but was never written", query->path,
            variable->name);
  NTK_CHECK(
      stored <= (double)query->file_size && bytes <= stored * (chunked ? MOST_COMPRESSION : 1),
      NTK_E_INPUT, "%s: '%s' claims %.0f bytes, %.0f are stored in a file of %lld", query->path,
      variable->name, bytes, stored, (long long)query->file_size);
  return NTK_OK;
}

/* A shape is only a claim: it is believed as far as the bytes stored for it can be true. */
ntk_status ntk_group_check_storage(hid_t dataset, const ntk_group_query *query,
                                   const ntk_variable *variable) {
  ntk_handles held = {0};

  if (variable->count == 0) return NTK_OK;
  const ntk_status status = check_storage(&held, dataset, query, variable);

  ntk_handles_close(&held);
  return status;
}

static ntk_status load_text(ntk_handles *held, hid_t dataset, const char *path,
                            ntk_variable *variable) {
  hid_t space = H5I_INVALID_HID, type = H5I_INVALID_HID;

  NTK_HOLD(held, space, H5Dget_space(dataset), NTK_E_INPUT, "%s: '%s': %s", path, variable->name,
           NTK_REASON);
  NTK_HOLD(held, type, H5Dget_type(dataset), NTK_E_INPUT, "%s: '%s': %s", path, variable->name,
           NTK_REASON);
  return read_texts(dataset, path, type, space, variable->count, variable->data);
}

static ntk_status load_data(ntk_handles *held, hid_t dataset, const ntk_group_query *query,
                            ntk_variable *variable) {
  NTK_TRY(ntk_group_check_storage(dataset, query, variable));
  NTK_TRY(ntk_new((size_t)variable->count, ntk_kind_size(variable->kind), &variable->data));
  if (variable->count == 0) return NTK_OK;
  if (variable->kind == NTK_KIND_TEXT) return load_text(held, dataset, query->path, variable);
  NTK_CHECK(H5Dread(dataset, ntk_handles_number(variable->kind), H5S_ALL, H5S_ALL, H5P_DEFAULT,
                    variable->data) >= 0,
            NTK_E_INPUT, "%s: cannot read '%s': %s", query->path, variable->name, NTK_REASON);
  return NTK_OK;
}

ntk_status ntk_group_load(hid_t dataset, const ntk_group_query *query, ntk_variable *variable) {
  ntk_handles held = {0};
  const ntk_status status = load_data(&held, dataset, query, variable);

  ntk_handles_close(&held);
  return status;
}

/* ---- groups -------------------------------------------------------------------------------- */

static bool is_only_dimension(hid_t dataset) {
  static const char text[] = "This is a netCDF dimension but not a netCDF variable";
  char name[sizeof(text)] = "";

  if (H5DSis_scale(dataset) <= 0) return false;
  return H5DSget_scale_name(dataset, name, sizeof(name)) > 0 &&
         strncmp(name, text, sizeof(text) - 1) == 0;
}

/* Numbers or text, of a shape: what others declare without one (H5S_NULL) has nothing in it. */
static bool is_readable(hid_t dataset) {
  const hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
  ntk_kind kind;
  const bool readable = type >= 0 && space >= 0 && find_kind(type, &kind) &&
                        H5Sget_simple_extent_type(space) != H5S_NULL;

  if (type >= 0) (void)H5Tclose(type);
  if (space >= 0) (void)H5Sclose(space);
  return readable;
}

static ntk_status read_dataset(hid_t dataset, const ntk_group_query *query, const char *name,
                               ntk_record *record) {
  const bool data = query->part == NTK_GROUP_DATA;
  ntk_variable described, *added = NULL;

  if (is_only_dimension(dataset) || (!data && !is_readable(dataset))) return NTK_OK;
  NTK_TRY(ntk_group_describe(dataset, query, name, &described));
  NTK_TRY(ntk_record_add_shape(record, &described, &added));
  if (data) NTK_TRY(ntk_group_load(dataset, query, added));
  return read_attributes(dataset, query->path, name, true, record);
}

/* No other attribute can have an empty name, so it is free to stand for the root. */
ntk_status ntk_group_note_key(ntk_record *keys, const char *group, const char *key) {
  NTK_TRY(ntk_record_set_text(keys, group[0] ? group : "key of the root", key));
  if (!group[0]) keys->attributes[keys->attribute_count - 1].name[0] = '\0';
  return NTK_OK;
}

static ntk_status read_key(ntk_handles *held, hid_t group, const ntk_group_query *query,
                           const char *name, ntk_record *record) {
  char key[NTK_KEY_SIZE] = "";

  NTK_TRY(short_text(held, group, query->path, "key", key, sizeof(key)));
  return ntk_group_note_key(record, name, key);
}

static ntk_status read_root_key(hid_t root, const ntk_group_query *query, ntk_record *record) {
  ntk_handles held = {0};

  if (H5Aexists(root, "key") <= 0) return NTK_OK;
  const ntk_status status = read_key(&held, root, query, "", record);

  ntk_handles_close(&held);
  return status;
}

static ntk_status walk(hid_t group, const ntk_group_query *query, const char *prefix, int depth,
                       ntk_record *record);

static ntk_status read_object(ntk_handles *held, hid_t group, const ntk_group_query *query,
                              const char *leaf, const char *full, int depth, ntk_record *record) {
  hid_t object = H5I_INVALID_HID;

  NTK_HOLD(held, object, H5Oopen(group, leaf, H5P_DEFAULT), NTK_E_INPUT, "%s: cannot open '%s': %s",
           query->path, full, NTK_REASON);
  const H5I_type_t type = H5Iget_type(object);

  if (query->part == NTK_GROUP_KEYS && type == H5I_GROUP) {
    NTK_TRY(read_key(held, object, query, full, record));
    return walk(object, query, full, depth + 1, record);
  }
  if (query->part == NTK_GROUP_KEYS) return NTK_OK;
  switch (type) {
    case H5I_DATASET:
      return read_dataset(object, query, full, record);
    case H5I_GROUP:
      return query->recursive ? walk(object, query, full, depth + 1, record) : NTK_OK;
    default:
      return NTK_OK;
  }
}

/* Soft and external links lead elsewhere, or nowhere: they are left out. */
static ntk_status read_link(hid_t group, const ntk_group_query *query, const char *prefix,
                            H5_index_t index, hsize_t at, int depth, ntk_record *record) {
  char leaf[NTK_NAME_SIZE] = "", full[NTK_NAME_SIZE];
  H5L_info_t link;
  ntk_handles held = {0};
  const ssize_t length =
      H5Lget_name_by_idx(group, ".", index, H5_ITER_INC, at, leaf, sizeof(leaf), H5P_DEFAULT);

  NTK_CHECK(length > 0 && length < NTK_NAME_SIZE, NTK_E_INPUT,
            "%s: entry %lld of group '%s' has no name of 1 to %d bytes", query->path, (long long)at,
            prefix, NTK_NAME_SIZE - 1);
  NTK_CHECK(H5Lget_info(group, leaf, &link, H5P_DEFAULT) >= 0, NTK_E_INPUT, "%s: '%s': %s",
            query->path, leaf, NTK_REASON);
  if (link.type != H5L_TYPE_HARD) return NTK_OK;
  NTK_TRY(join(query->path, prefix, leaf, full));
  const ntk_status status = read_object(&held, group, query, leaf, full, depth, record);

  ntk_handles_close(&held);
  return status;
}

/* The order of writing, where the file has kept it. */
static H5_index_t find_order(hid_t group) {
  const hid_t properties = H5Gget_create_plist(group);
  unsigned order = 0;

  if (properties < 0) return H5_INDEX_NAME;
  (void)H5Pget_link_creation_order(properties, &order);
  (void)H5Pclose(properties);
  return order & H5P_CRT_ORDER_TRACKED ? H5_INDEX_CRT_ORDER : H5_INDEX_NAME;
}

static ntk_status walk(hid_t group, const ntk_group_query *query, const char *prefix, int depth,
                       ntk_record *record) {
  const H5_index_t index = find_order(group);
  H5G_info_t info;

  NTK_CHECK(depth <= DEEPEST, NTK_E_INPUT, "%s: groups are nested deeper than %d at '%s'",
            query->path, DEEPEST, prefix);
  NTK_CHECK(H5Gget_info(group, &info) >= 0, NTK_E_INPUT, "%s: group '%s': %s", query->path, prefix,
            NTK_REASON);
  for (hsize_t k = 0; k < info.nlinks; ++k) {
    NTK_TRY(read_link(group, query, prefix, index, k, depth, record));
  }
  if (query->part == NTK_GROUP_KEYS) {
    return depth == 0 ? read_root_key(group, query, record) : NTK_OK;
  }
  return read_attributes(group, query->path, prefix, false, record);
}

ntk_status ntk_group_read(hid_t group, const ntk_group_query *query, ntk_record *record) {
  return walk(group, query, "", 0, record);
}

/* ---- files --------------------------------------------------------------------------------- */

static ntk_status open_file(ntk_handles *held, const char *path, hid_t *file, int64_t *size) {
  hid_t access = H5I_INVALID_HID;

  NTK_TRY(ntk_durable_examine(path, size));
  NTK_TRY(ntk_handles_access(held, false, &access));
  *file = H5Fopen(path, H5F_ACC_RDONLY, access);
  NTK_CHECK(*file >= 0, NTK_E_INPUT, "%s: cannot open as HDF5: %s", path, NTK_REASON);
  return NTK_OK;
}

ntk_status ntk_group_open_file(const char *path, hid_t *file, int64_t *size) {
  ntk_handles held = {0};

  *file = H5I_INVALID_HID;
  const ntk_status status = open_file(&held, path, file, size);

  ntk_handles_close(&held);
  if (status != NTK_OK && *file >= 0) {
    (void)H5Fclose(*file);
    *file = H5I_INVALID_HID;
  }
  return status;
}
