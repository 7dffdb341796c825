/* Parts of variables are what stands there; the file is examined once and nothing stays open.  And
 * what files from elsewhere may bring, and what a file system may refuse, is refused by name.
 *
 * Method: a record written, every part of a three-dimensional variable read back; files made with
 * HDF5 itself; every check made to fail. */
//TEST ranks=1
#include "ntk/store/slice.h"

#include <hdf5.h>

#include "folder.h"
#include "handles.h"
#include "ntk/store/durable.h"
#include "ntk/store/file.h"

enum { A = 3, B = 4, C = 5 };

static char folder[4096];

static void write_file(void) {
  static const ntk_field cube = {"cube", "a b c", "1", "", "", NTK_KIND_REAL};
  static const ntk_field whole = {"whole", "a", "1", "", "", NTK_KIND_INT};
  static const ntk_field text = {"text", "a", "1", "", "", NTK_KIND_TEXT};
  static const ntk_field scalar = {"scalar", "", "1", "", "", NTK_KIND_SINGLE};
  const int64_t sizes[] = {A, B, C};
  ntk_record record = {.name = "group/inner"};
  double *values = NULL;
  float *single = NULL;

  EXPECT_OK(ntk_record_add(&record, &cube, sizes, &values));
  for (int k = 0; k < A * B * C; ++k) values[k] = k;
  EXPECT_OK(ntk_record_add(&record, &whole, sizes, NULL));
  EXPECT_OK(ntk_record_add(&record, &text, sizes, NULL));
  EXPECT_OK(ntk_variable_set_text(&record.variables[2], 1, "one"));
  EXPECT_OK(ntk_record_add(&record, &scalar, NULL, &single));
  *single = 0.5f;
  EXPECT_OK(ntk_file_write(folder_path(folder, "x.h5"), 1, &record, NULL));
  ntk_record_destroy(&record);
}

static void expect_part(const ntk_slice_file *file, const int64_t *start, const int64_t *extent) {
  const ntk_variable *cube = ntk_record_find(&file->list, "group/inner/cube");
  double part[A * B * C];
  int64_t at = 0;

  EXPECT_OK(ntk_slice_read(file, cube, start, extent, part));
  for (int64_t a = start[0]; a < start[0] + extent[0]; ++a) {
    for (int64_t b = start[1]; b < start[1] + extent[1]; ++b) {
      for (int64_t c = start[2]; c < start[2] + extent[2]; ++c) {
        EXPECT(part[at++] == (double)((a * B + b) * C + c));
      }
    }
  }
}

static void test_parts(void) {
  const int64_t end[] = {A, B, C};
  ntk_slice_file file = {0};
  ntk_variable text;
  float single = 0;

  EXPECT_OK(ntk_slice_open(folder_path(folder, "x.h5"), &file));
  EXPECT(file.list.variable_count == 4 && file.size > 0);
  for (int64_t a = 0; a < A; ++a) {
    for (int64_t b = 0; b < B; ++b) {
      for (int64_t c = 0; c < C; ++c) {
        const int64_t start[] = {a, b, c}, extent[] = {end[0] - a, end[1] - b, end[2] - c};

        expect_part(&file, start, extent);
        expect_part(&file, start, (const int64_t[]){1, 1, 1});
      }
    }
  }
  EXPECT_OK(ntk_slice_read(&file, ntk_record_find(&file.list, "group/inner/scalar"), NULL, NULL,
                           &single));
  EXPECT(single == 0.5f);
  EXPECT_OK(ntk_slice_load(&file, "group/inner/text", &text));
  EXPECT_TEXT(((char **)text.data)[1], "one");
  ntk_variable_destroy(&text);
  EXPECT_REFUSED(ntk_slice_load(&file, "group/none", &text), NTK_E_INPUT,
                 "no variable 'group/none'");
  ntk_slice_close(&file);
  ntk_slice_close(&file);
  EXPECT_REFUSED(ntk_slice_open(folder_path(folder, "none.h5"), &file), NTK_E_MISSING, "none.h5");
}

/* ---- files from elsewhere ------------------------------------------------------------------ */

static hid_t new_file(const char *name) {
  const hid_t file = H5Fcreate(folder_path(folder, name), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);

  EXPECT(file >= 0);
  return file;
}

static void refuse_listing(const char *name, const char *part) {
  ntk_slice_file file = {0};

  EXPECT_REFUSED(ntk_slice_open(folder_path(folder, name), &file), NTK_E_INPUT, part);
}

static void test_deep_groups(void) {
  const hid_t file = new_file("deep.h5");
  char path[64] = "";

  for (int k = 0; k < 18; ++k) {
    (void)snprintf(path + strlen(path), sizeof(path) - strlen(path), "/g");
    const hid_t group = H5Gcreate2(file, path, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);

    EXPECT(group >= 0 && H5Gclose(group) >= 0);
  }
  EXPECT(H5Fclose(file) >= 0);
  refuse_listing("deep.h5", "nested deeper than 16");
}

static void test_long_name(void) {
  const hid_t file = new_file("long.h5");
  char name[128];

  memset(name, 'x', sizeof(name) - 1);
  name[sizeof(name) - 1] = '\0';
  const hid_t group = H5Gcreate2(file, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);

  EXPECT(group >= 0 && H5Gclose(group) >= 0 && H5Fclose(file) >= 0);
  refuse_listing("long.h5", "has no name of 1 to 95 bytes");
}

/* What has no shape is left out, and what stands beside it is not. */
static void test_no_shape(void) {
  const hid_t file = new_file("empty.h5"), space = H5Screate(H5S_NULL), one = H5Screate(H5S_SCALAR);
  const hid_t none =
      H5Dcreate2(file, "none", H5T_NATIVE_INT, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  const hid_t some =
      H5Dcreate2(file, "some", H5T_NATIVE_INT, one, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  ntk_slice_file open = {0};

  EXPECT(none >= 0 && some >= 0);
  EXPECT(H5Dclose(none) >= 0 && H5Dclose(some) >= 0 && H5Sclose(space) >= 0 && H5Sclose(one) >= 0);
  EXPECT(H5Fclose(file) >= 0);
  EXPECT_OK(ntk_slice_open(folder_path(folder, "empty.h5"), &open));
  EXPECT(open.list.variable_count == 1);
  EXPECT_TEXT(open.list.variables[0].name, "some");
  ntk_slice_close(&open);
}

/* ---- what the file system refuses ---------------------------------------------------------- */

static void test_file_system(void) {
  const char *absent = folder_path(folder, "no/such");

  EXPECT_REFUSED(ntk_durable_reserve(absent, 1), NTK_E_CREATE, "cannot create");
  const ntk_status huge = ntk_durable_reserve(folder_path(folder, "room"), INT64_C(1) << 60);

  EXPECT(huge == NTK_E_FULL || huge == NTK_E_IO); /* or the file would be too large, as some say */
  EXPECT(strstr(ntk_last_error()->text, "no room for 1073741824.000 GiB"));
  EXPECT_REFUSED(ntk_durable_sync(absent), NTK_E_IO, "cannot bring to disk");
  EXPECT_REFUSED(ntk_durable_rename(absent, folder_path(folder, "x")), NTK_E_IO, "cannot rename");
  EXPECT_REFUSED(ntk_file_write_text(absent, ""), NTK_E_CREATE, "cannot create");
}

static ntk_status job(void *context) {
  const int64_t start[] = {1, 1, 1}, extent[] = {1, 2, 3};
  ntk_slice_file file = {0};
  ntk_variable text = {0};
  double part[6];

  (void)context;
  NTK_TRY(ntk_slice_open(folder_path(folder, "x.h5"), &file));
  ntk_status status =
      ntk_slice_read(&file, ntk_record_find(&file.list, "group/inner/cube"), start, extent, part);
  if (status == NTK_OK) status = ntk_slice_load(&file, "group/inner/text", &text);
  ntk_variable_destroy(&text);
  ntk_slice_close(&file);
  return status;
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  folder_make(folder);
  write_file();
  note_handles();
  test_parts();
  test_deep_groups();
  test_long_name();
  test_no_shape();
  test_file_system();
  EXPECT(sweep_faults(job, NULL) > 20);
  expect_no_handles();
  EXPECT(ntk_memory_balance() == 0);
  folder_remove(folder);
  MPI_Finalize();
  return 0;
}
