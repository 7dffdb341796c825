/* handles.h -- no HDF5 object stays open.
 *
 * HDF5 counts files and datasets for us, but neither dataspaces nor types.  Their identifiers are
 * numbered one after the other, so everything made between two probes can be asked for. */
#ifndef NTK_TESTS_HANDLES_H
#define NTK_TESTS_HANDLES_H

#include <hdf5.h>

#include "test.h"

static hid_t first_space, first_type;

/* Opened and closed at once: the numbers that came next. */
static inline hid_t probe_space(void) {
  const hid_t id = H5Screate(H5S_SCALAR);

  EXPECT(id > 0 && H5Sclose(id) >= 0);
  return id;
}

static inline hid_t probe_type(void) {
  const hid_t id = H5Tcopy(H5T_NATIVE_INT);

  EXPECT(id > 0 && H5Tclose(id) >= 0);
  return id;
}

static inline void note_handles(void) {
  first_space = probe_space();
  first_type = probe_type();
}

static inline void expect_no_handles(void) {
  const hid_t last_space = probe_space(), last_type = probe_type();

  EXPECT(H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL) == 0);
  EXPECT(last_space > first_space && last_type > first_type);
  for (hid_t id = first_space; id < last_space; ++id) EXPECT(H5Iis_valid(id) <= 0);
  for (hid_t id = first_type; id < last_type; ++id) EXPECT(H5Iis_valid(id) <= 0);
}

#endif
