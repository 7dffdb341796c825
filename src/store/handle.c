#include "ntk/store/handle.h"

#include <stdio.h>
#include <string.h>

hid_t ntk_handles_add(ntk_handles *handles, hid_t id) {
  NTK_ASSERT(handles->count < NTK_HANDLES);
  if (id >= 0) handles->id[handles->count++] = id;
  return id;
}

void ntk_handles_close(ntk_handles *handles) {
  while (handles->count > 0) (void)H5Idec_ref(handles->id[--handles->count]);
}

/* Of a failed system call HDF5 tells everything; people want to know what the system said. */
static void shorten(char *text) {
  static const char mark[] = "error message = '";
  char *said = strstr(text, mark);

  if (!said) return;
  said += strlen(mark);
  const size_t length = strcspn(said, "'");

  memmove(text, said, length);
  text[length] = '\0';
}

/* The stack of errors is walked from the call of this program to the place that failed. */
static herr_t take_text(unsigned depth, const H5E_error2_t *error, void *text) {
  (void)depth;
  if (error->desc && error->desc[0]) {
    (void)snprintf(text, NTK_REASON_SIZE, "%s", error->desc);
    shorten(text);
  }
  return 0;
}

const char *ntk_handles_reason(char *text) {
  (void)snprintf(text, NTK_REASON_SIZE, "HDF5 gives no reason");
  (void)H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, take_text, text);
  return text;
}

/* Nobody writes into a file under its final name, so locks would only fail on file systems that
 * have none. */
static herr_t switch_locks_off(hid_t access) {
#if H5_VERSION_GE(1, 12, 1) || (H5_VERSION_GE(1, 10, 7) && !H5_VERSION_GE(1, 12, 0))
  return H5Pset_file_locking(access, 0, 1);
#else
  (void)access;
  return 0;
#endif
}

ntk_status ntk_handles_access(ntk_handles *held, bool large, hid_t *access) {
  (void)H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  NTK_HOLD(held, *access, H5Pcreate(H5P_FILE_ACCESS), NTK_E_IO, "HDF5: %s", NTK_REASON);
  NTK_CHECK(H5Pset_libver_bounds(*access, H5F_LIBVER_V18, H5F_LIBVER_V18) >= 0, NTK_E_IO,
            "HDF5: %s", NTK_REASON);
  NTK_CHECK(H5Pset_fclose_degree(*access, H5F_CLOSE_STRONG) >= 0, NTK_E_IO, "HDF5: %s", NTK_REASON);
  NTK_CHECK(switch_locks_off(*access) >= 0, NTK_E_IO, "HDF5: %s", NTK_REASON);
  if (!large) return NTK_OK;
  NTK_CHECK(H5Pset_alignment(*access, 65536, 1048576) >= 0, NTK_E_IO, "HDF5: %s", NTK_REASON);
  return NTK_OK;
}

hid_t ntk_handles_number(ntk_kind kind) {
  switch (kind) {
    case NTK_KIND_REAL:
      return H5T_NATIVE_DOUBLE;
    case NTK_KIND_SINGLE:
      return H5T_NATIVE_FLOAT;
    case NTK_KIND_INT:
      return H5T_NATIVE_INT64;
    case NTK_KIND_FLAG:
      return H5T_NATIVE_INT8;
    case NTK_KIND_TEXT:
      break;
  }
  return H5I_INVALID_HID;
}

ntk_status ntk_handles_text(ntk_handles *held, hid_t *type) {
  NTK_HOLD(held, *type, H5Tcopy(H5T_C_S1), NTK_E_IO, "HDF5: %s", NTK_REASON);
  NTK_CHECK(H5Tset_size(*type, H5T_VARIABLE) >= 0, NTK_E_IO, "HDF5: %s", NTK_REASON);
  NTK_CHECK(H5Tset_cset(*type, H5T_CSET_UTF8) >= 0, NTK_E_IO, "HDF5: %s", NTK_REASON);
  return NTK_OK;
}

/* H5Inmembers refuses the library's own types; dataspaces and property lists belong to no file. */
long ntk_handles_open(void) {
  return (long)H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL | H5F_OBJ_LOCAL);
}
