/* recipe.h -- HDF5 files cooked from the bytes of an input: valid files that hold anything.
 *
 * HDF5 itself does not survive all damaged files (it reads past buffers), and it is not what is
 * tested here: that is what the program makes of files whose shapes, types and links are not what
 * it expects.  A recipe begins with one byte for each thing that the reader looks for: 0 makes it
 * as it should be, 255 leaves it out, others make something else of that name; the rest adds
 * more.
 *
 * An input whose first byte is 255 is raw: its bytes are the file, as far as the examination that
 * comes before HDF5; with NTK_FUZZ_RAW set, HDF5 sees it too. */
#ifndef NTK_FUZZ_RECIPE_H
#define NTK_FUZZ_RECIPE_H

#include <hdf5.h>
#include <hdf5_hl.h>

#include "fuzz.h"
#include "ntk/store/durable.h"
#include "ntk/store/handle.h"

typedef struct recipe {
  const uint8_t *at, *end;
} recipe;

static inline uint8_t take_byte(recipe *r) { return r->at < r->end ? *r->at++ : 0; }

/* ---- types ---- */

static inline hid_t fixed_text(size_t size) {
  const hid_t type = H5Tcopy(H5T_C_S1);

  (void)H5Tset_size(type, size);
  return type;
}

static inline hid_t compound(void) {
  const hid_t type = H5Tcreate(H5T_COMPOUND, 16);

  (void)H5Tinsert(type, "re", 0, H5T_NATIVE_DOUBLE);
  (void)H5Tinsert(type, "im", 8, H5T_NATIVE_DOUBLE);
  return type;
}

static inline hid_t flag(void) {
  const hid_t type = H5Tenum_create(H5T_NATIVE_INT8);
  int8_t value = 0;

  (void)H5Tenum_insert(type, "FALSE", &value);
  value = 1;
  (void)H5Tenum_insert(type, "TRUE", &value);
  return type;
}

static inline hid_t choose_type(uint8_t k) {
  const hsize_t two = 2;

  switch (k % 18) {
    case 0: return H5Tcopy(H5T_IEEE_F64LE);
    case 1: return H5Tcopy(H5T_IEEE_F32LE);
    case 2: return H5Tcopy(H5T_IEEE_F64BE);
    case 3: return H5Tcopy(H5T_STD_I64LE);
    case 4: return H5Tcopy(H5T_STD_U64LE);
    case 5: return H5Tcopy(H5T_STD_U8LE);
    case 6: return H5Tcopy(H5T_STD_I16BE);
    case 7: return H5Tcopy(H5T_NATIVE_LDOUBLE);
    case 8: return fixed_text(H5T_VARIABLE);
    case 9: return fixed_text(1);
    case 10: return fixed_text(5);
    case 11: return compound();
    case 12: return flag();
    case 13: return H5Tcreate(H5T_OPAQUE, 3);
    case 14: return H5Tarray_create2(H5T_NATIVE_DOUBLE, 1, &two);
    case 15: return H5Tvlen_create(H5T_NATIVE_INT32);
    case 16: return H5Tcopy(H5T_STD_REF_OBJ);
    default: return H5Tcopy(H5T_STD_B8LE);
  }
}

/* ---- objects ---- */

enum { MOST_WRITTEN = 64, LARGEST_ELEMENT = 32 };

/* What is written to numbers and the like: bytes of the recipe, mostly zeros. */
static inline void cook_bytes(recipe *r, hid_t type, uint8_t *bytes) {
  static const char *text = "text";
  const char **texts = (const char **)(void *)bytes;

  memset(bytes, 0, (size_t)MOST_WRITTEN * LARGEST_ELEMENT);
  if (H5Tis_variable_str(type) > 0) {
    for (int k = 0; k < MOST_WRITTEN; ++k) texts[k] = k % 3 ? text : NULL;
  } else if (H5Tget_class(type) != H5T_VLEN && H5Tget_class(type) != H5T_REFERENCE) {
    for (int k = take_byte(r) % 64; k > 0; --k) bytes[k] = take_byte(r);
  }
}

static inline hid_t cook_space(recipe *r, hsize_t *count) {
  const hsize_t one = 1, sizes[] = {1, 2, 3, 4, 0, 7, 1000, one << 20, one << 33, one << 60};
  const int rank = take_byte(r) % 8;
  hsize_t size[8];

  *count = 1;
  if (rank == 7) return H5Screate(H5S_NULL);
  for (int k = 0; k < rank; ++k) {
    size[k] = sizes[take_byte(r) % 10];
    *count = size[k] && *count > ((hsize_t)1 << 62) / size[k] ? (hsize_t)1 << 62 : *count * size[k];
  }
  return H5Screate_simple(rank, size, NULL);
}

static inline hid_t cook_layout(recipe *r, hid_t space, hid_t type, hsize_t count) {
  const hid_t layout = H5Pcreate(H5P_DATASET_CREATE);
  const hsize_t ones[8] = {1, 1, 1, 1, 1, 1, 1, 1};
  const int rank = H5Sget_simple_extent_ndims(space), how = take_byte(r) % 4;

  if (how == 1 && rank > 0) (void)H5Pset_chunk(layout, rank, ones);
  if (how == 2 && rank > 0) {
    (void)H5Pset_chunk(layout, rank, ones);
    (void)H5Pset_deflate(layout, 1);
  }
  if (how == 3 && count * H5Tget_size(type) < 1000) (void)H5Pset_layout(layout, H5D_COMPACT);
  return layout;
}

/* All of a small dataset, one element of a large one that is cut into chunks. */
static inline void write_some(recipe *r, hid_t dataset, hid_t space, hid_t type, hid_t layout,
                              hsize_t count) {
  _Alignas(16) uint8_t bytes[MOST_WRITTEN * LARGEST_ELEMENT];
  const hsize_t zeros[8] = {0}, ones[8] = {1, 1, 1, 1, 1, 1, 1, 1};

  if (count == 0 || take_byte(r) == 255) return;
  cook_bytes(r, type, bytes);
  if (count <= MOST_WRITTEN) {
    (void)H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes);
  } else if (H5Pget_layout(layout) == H5D_CHUNKED && count < (hsize_t)1 << 40) {
    const hid_t one = H5Screate(H5S_SCALAR);

    (void)H5Sselect_hyperslab(space, H5S_SELECT_SET, zeros, NULL, ones, NULL);
    (void)H5Dwrite(dataset, type, one, space, H5P_DEFAULT, bytes);
    (void)H5Sclose(one);
  }
}

static inline void cook_dataset(recipe *r, hid_t where, const char *name) {
  hsize_t count = 0;
  const hid_t type = choose_type(take_byte(r)), space = cook_space(r, &count);
  const hid_t layout = cook_layout(r, space, type, count);
  const hid_t dataset = H5Dcreate2(where, name, type, space, H5P_DEFAULT, layout, H5P_DEFAULT);

  if (dataset >= 0) {
    write_some(r, dataset, space, type, layout, count);
    if (take_byte(r) == 1) (void)H5DSset_scale(dataset, name);
    (void)H5Dclose(dataset);
  }
  (void)H5Pclose(layout);
  (void)H5Sclose(space);
  (void)H5Tclose(type);
}

static inline void cook_attribute(recipe *r, hid_t where, const char *name) {
  _Alignas(16) uint8_t bytes[MOST_WRITTEN * LARGEST_ELEMENT];
  hsize_t count = 0;
  const hid_t type = choose_type(take_byte(r)), space = cook_space(r, &count);
  const hid_t attribute =
      count <= MOST_WRITTEN ? H5Acreate2(where, name, type, space, H5P_DEFAULT, H5P_DEFAULT) : -1;

  if (attribute >= 0) {
    cook_bytes(r, type, bytes);
    if (count > 0) (void)H5Awrite(attribute, type, bytes);
    (void)H5Aclose(attribute);
  }
  (void)H5Sclose(space);
  (void)H5Tclose(type);
}

/* ---- files ---- */

static inline hid_t open_group(hid_t where, const char *name) {
  return H5Lexists(where, name, H5P_DEFAULT) > 0
             ? H5Oopen(where, name, H5P_DEFAULT)
             : H5Gcreate2(where, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
}

/* One more thing in a group, of one of the names. */
static inline void cook_more(recipe *r, hid_t where, const char *const *names, int name_count,
                             int depth) {
  const int op = take_byte(r) % 7;
  const char *name = names[take_byte(r) % name_count];
  hid_t group = H5I_INVALID_HID;

  switch (op) {
    case 0:
      cook_attribute(r, where, name);
      break;
    case 1:
      (void)H5Lcreate_soft("/nowhere", where, name, H5P_DEFAULT, H5P_DEFAULT);
      break;
    case 2:
      (void)H5Lcreate_external("other.h5", "/", where, name, H5P_DEFAULT, H5P_DEFAULT);
      break;
    case 3:
      (void)H5Lcreate_hard(where, "/", where, name, H5P_DEFAULT, H5P_DEFAULT);
      break;
    case 4:
      group = open_group(where, name);
      if (group >= 0 && depth < 20 && H5Iget_type(group) == H5I_GROUP) {
        cook_more(r, group, names, name_count, depth + 1);
      } else if (group >= 0) {
        cook_attribute(r, group, name);
      }
      if (group >= 0) (void)H5Oclose(group);
      break;
    default:
      cook_dataset(r, where, name);
  }
}

/* A thing that the reader looks for: a matrix of reals, rows x cols (cols 0: an array), or a text
 * attribute. */
typedef struct expected {
  const char *group, *name;
  const char *text; /* NULL: an array */
  hsize_t rows, cols;
} expected;

static inline void write_expected(hid_t where, const expected *e) {
  const double values[16] = {2, 1, 0, 1, 2, 1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  const hsize_t size[2] = {e->rows, e->cols};

  if (e->text) {
    (void)H5LTset_attribute_string(where, ".", e->name, e->text);
  } else {
    (void)H5LTmake_dataset_double(where, e->name, e->cols ? 2 : 1, size, values);
  }
}

static inline void cook_expected(recipe *r, hid_t file, const expected *e) {
  const uint8_t how = take_byte(r);
  const hid_t where = how == 255 ? H5I_INVALID_HID : open_group(file, e->group);

  if (where < 0) return;
  if (how == 0) {
    write_expected(where, e);
  } else if (e->text) {
    cook_attribute(r, where, e->name);
  } else {
    cook_dataset(r, where, e->name);
  }
  (void)H5Oclose(where);
}

static inline void cook(const uint8_t *data, size_t size, const expected *wanted,
                        const char *const *names, int name_count, const char *path) {
  recipe r = {data, data + size};
  const hid_t access = H5Pcreate(H5P_FILE_ACCESS);

  (void)H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
  if (size % 2) (void)H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18);
  const hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access);

  FUZZ_REQUIRE(file >= 0);
  for (; wanted->group; ++wanted) cook_expected(&r, file, wanted);
  for (int k = 0; k < 32 && r.at < r.end; ++k) cook_more(&r, file, names, name_count, 0);
  FUZZ_REQUIRE(H5Fclose(file) >= 0);
  (void)H5Pclose(access);
}

/* Makes the file; false if there is nothing to read, because the input is raw. */
static inline bool prepare_file(const uint8_t *data, size_t size, const expected *wanted,
                                const char *const *names, int name_count, const char *name) {
  int64_t bytes = 0;

  (void)H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  if (size == 0 || data[0] != 255) {
    cook(data, size, wanted, names, name_count, fuzz_path(name));
    return true;
  }
  fuzz_write(name, data + 1, size - 1);
  return ntk_durable_examine(fuzz_path(name), &bytes) == NTK_OK && getenv("NTK_FUZZ_RAW");
}

/* After every input. */
static inline void expect_nothing_left(void) {
  FUZZ_REQUIRE(ntk_handles_open() == 0);
  FUZZ_REQUIRE(ntk_memory_balance() == 0);
}

#endif
