/* A damaged file gives an error that names it: never an abort, a huge allocation, or wrong data.
 *
 * Method: a file of this program is cut at many lengths, and has one bit turned at every place,
 * with its seal (every change is found) and without (as from elsewhere: HDF5's own checksums, the
 * end of file and the stored sizes stand guard); then claims that no file can keep. */
//TEST ranks=1
#include <hdf5.h>

#include "folder.h"
#include "ntk/store/durable.h"
#include "ntk/store/file.h"
#include "ntk/store/handle.h"

enum { SEAL = 40 };

static char folder[4096];
static char *bytes; /* a sound file */
static size_t length;

static void write_bytes(const char *path, const char *content, size_t count) {
  FILE *file = fopen(path, "wb");

  EXPECT(file && fwrite(content, 1, count, file) == count && fclose(file) == 0);
}

static void make_sound_file(void) {
  static const ntk_field time = {"time", "time", "s", "time", "", NTK_KIND_REAL};
  static const ntk_field loss = {"loss", "time shown", "1", "loss", "", NTK_KIND_REAL};
  static const ntk_field layer = {"layer", "layer", "1", "layer", "", NTK_KIND_TEXT};
  const char *path = folder_path(folder, "sound.h5");
  const int64_t sizes[] = {5, 3};
  ntk_record record = {.name = "group"};
  FILE *file = NULL;

  EXPECT_OK(ntk_record_add(&record, &time, sizes, NULL));
  EXPECT_OK(ntk_record_add(&record, &loss, sizes, NULL));
  EXPECT_OK(ntk_record_add(&record, &layer, sizes + 1, NULL));
  EXPECT_OK(ntk_variable_set_text(&record.variables[2], 0, "some text"));
  EXPECT_OK(ntk_record_set_text(&record, "key", "key"));
  EXPECT_OK(ntk_file_write(path, 1, &record, NULL));
  ntk_record_destroy(&record);
  file = fopen(path, "rb");
  EXPECT(file && fseek(file, 0, SEEK_END) == 0);
  length = (size_t)ftell(file);
  rewind(file);
  EXPECT_OK(NTK_NEW(length, &bytes));
  EXPECT(fread(bytes, 1, length, file) == length && fclose(file) == 0);
}

static ntk_status read_all(const char *path) {
  ntk_record record = {0};
  const ntk_status status = ntk_file_read(path, "", true, &record);

  ntk_record_destroy(&record);
  return status;
}

static void test_whole(void) {
  const char *path = folder_path(folder, "x.h5");

  write_bytes(path, bytes, length);
  EXPECT_OK(read_all(path));
  write_bytes(path, bytes, length - SEAL);
  EXPECT_OK(read_all(path)); /* without its seal it is a file from elsewhere */
  write_bytes(path, bytes, length - 1);
  EXPECT_OK(read_all(path)); /* and so it is when only the seal is cut */
}

static void test_cut(void) {
  const char *path = folder_path(folder, "x.h5");

  for (size_t kept = 0; kept < length - SEAL; kept += kept < 600 ? 1 : 97) {
    write_bytes(path, bytes, kept);
    EXPECT_REFUSED(read_all(path), NTK_E_INPUT, path);
    EXPECT(strstr(ntk_last_error()->text, kept < 96 ? "no HDF5 signature" : "truncated: it has"));
  }
}

/* One bit of every byte; a bit of the seal's first letters makes it no seal, which is no damage. */
static void test_turned_bits(void) {
  const char *path = folder_path(folder, "x.h5");

  for (size_t at = 0; at < length; at += at < 400 ? 1 : 13) {
    bytes[at] = (char)(bytes[at] ^ (1 << (at % 8)));
    write_bytes(path, bytes, length);
    const ntk_status status = read_all(path);

    bytes[at] = (char)(bytes[at] ^ (1 << (at % 8)));
    if (at < length - SEAL || at >= length - SEAL + 8) {
      if (status != NTK_E_INPUT) FAIL("bit %zu of byte %zu not seen", at % 8, at);
      EXPECT(strstr(ntk_last_error()->text, path));
    }
  }
}

/* Without seal: superblock and object headers carry checksums of their own. */
static void test_turned_bits_without_seal(void) {
  const char *path = folder_path(folder, "x.h5");

  for (size_t at = 0; at < 48; ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      bytes[at] = (char)(bytes[at] ^ (1 << bit));
      write_bytes(path, bytes, length - SEAL);
      EXPECT_REFUSED(read_all(path), NTK_E_INPUT, path);
      bytes[at] = (char)(bytes[at] ^ (1 << bit));
    }
  }
}

static void test_foreign(void) {
  static const char text[] =
      "This is a text file, long enough to hold a superblock, which it "
      "does not; and it goes on for a while after that, as texts do.";
  const char *path = folder_path(folder, "x.h5");
  char *shifted = NULL;

  write_bytes(path, "", 0);
  EXPECT_REFUSED(read_all(path), NTK_E_INPUT, "not an HDF5 file (0 bytes");
  write_bytes(path, text, sizeof(text));
  EXPECT_REFUSED(read_all(path), NTK_E_INPUT, "no HDF5 signature");
  EXPECT_OK(NTK_NEW(length + 512, &shifted)); /* behind a user block of 512 bytes */
  memcpy(shifted + 512, bytes, length);
  write_bytes(path, shifted, length + 512);
  (void)read_all(path); /* addresses do not fit: any answer but a crash */
  ntk_free(&shifted);
}

/* ---- claims -------------------------------------------------------------------------------- */

static void make_dataset(hid_t file, const char *name, hid_t type, hsize_t size, bool compress) {
  const hid_t space = H5Screate_simple(1, &size, NULL);
  const hid_t layout = H5Pcreate(H5P_DATASET_CREATE);
  const hsize_t chunk = 1 << 20;

  if (compress) EXPECT(H5Pset_chunk(layout, 1, &chunk) >= 0);
  if (compress) EXPECT(H5Pset_deflate(layout, 9) >= 0);
  const hid_t dataset = H5Dcreate2(file, name, type, space, H5P_DEFAULT, layout, H5P_DEFAULT);
  EXPECT(dataset >= 0);
  EXPECT(H5Dclose(dataset) >= 0 && H5Pclose(layout) >= 0 && H5Sclose(space) >= 0);
}

static void put_number(hid_t file, const char *name, double value, hsize_t at) {
  const hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT), space = H5Dget_space(dataset);
  const hid_t memory = H5Screate(H5S_SCALAR);

  EXPECT(H5Sselect_elements(space, H5S_SELECT_SET, 1, &at) >= 0);
  EXPECT(H5Dwrite(dataset, H5T_NATIVE_DOUBLE, memory, space, H5P_DEFAULT, &value) >= 0);
  EXPECT(H5Dclose(dataset) >= 0 && H5Sclose(space) >= 0 && H5Sclose(memory) >= 0);
}

static void make_claims(const char *path) {
  const hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const hid_t pair = H5Tcreate(H5T_COMPOUND, 16);

  EXPECT(file >= 0);
  EXPECT(H5Tinsert(pair, "a", 0, H5T_NATIVE_DOUBLE) >= 0);
  make_dataset(file, "huge", H5T_NATIVE_DOUBLE, (hsize_t)1 << 50, false);
  make_dataset(file, "sparse", H5T_NATIVE_DOUBLE, (hsize_t)1 << 50, true);
  put_number(file, "sparse", 1, 5);
  make_dataset(file, "packed", H5T_NATIVE_DOUBLE, (hsize_t)1 << 20, true);
  put_number(file, "packed", 3, 7);
  make_dataset(file, "pairs", pair, 4, false);
  EXPECT(H5Lcreate_soft("/nowhere", file, "dangling", H5P_DEFAULT, H5P_DEFAULT) >= 0);
  EXPECT(H5Lcreate_hard(file, "/", file, "circle", H5P_DEFAULT, H5P_DEFAULT) >= 0);
  EXPECT(H5Tclose(pair) >= 0 && H5Fclose(file) >= 0);
}

static void test_claims(void) {
  const char *path = folder_path(folder, "claims.h5");
  const size_t before = ntk_memory_largest();
  ntk_record record = {0};
  ntk_variable packed;

  make_claims(path);
  EXPECT_REFUSED(ntk_file_read_variable(path, "huge", &packed), NTK_E_INPUT, "never written");
  EXPECT_REFUSED(ntk_file_read_variable(path, "sparse", &packed), NTK_E_INPUT, "claims");
  EXPECT_REFUSED(ntk_file_check_variable(path, "huge"), NTK_E_INPUT, "never written");
  EXPECT_REFUSED(ntk_file_check_variable(path, "sparse"), NTK_E_INPUT, "claims");
  EXPECT_REFUSED(ntk_file_check_variable(path, "none"), NTK_E_INPUT, "no variable 'none'");
  EXPECT_OK(ntk_file_check_variable(path, "packed"));
  EXPECT_REFUSED(ntk_file_read_variable(path, "pairs", &packed), NTK_E_INPUT, "neither numbers");
  EXPECT_REFUSED(ntk_file_read_variable(path, "dangling", &packed), NTK_E_INPUT, "dangling");
  EXPECT_REFUSED(ntk_file_read(path, "", false, &record), NTK_E_INPUT, path);
  EXPECT(ntk_memory_largest() <= before + (1 << 21));
  EXPECT_OK(ntk_file_list(path, "", false, &record));
  EXPECT(record.variable_count == 3); /* what is no number, and links elsewhere, are left out */
  ntk_record_destroy(&record);
  EXPECT_STATUS(ntk_file_list(path, "", true, &record), NTK_E_INPUT); /* groups in a circle */
  EXPECT_OK(ntk_file_read_variable(path, "packed", &packed));
  EXPECT(packed.count == 1 << 20 && ((double *)packed.data)[7] == 3);
  ntk_variable_destroy(&packed);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  folder_make(folder);
  make_sound_file();
  const long open = ntk_handles_open();

  test_whole();
  test_cut();
  test_turned_bits();
  test_turned_bits_without_seal();
  test_foreign();
  test_claims();
  EXPECT(ntk_handles_open() == open);
  ntk_free(&bytes);
  EXPECT(ntk_memory_balance() == 0);
  folder_remove(folder);
  MPI_Finalize();
  return 0;
}
