/* HDF5 datasets of any numeric type are read exactly; what cannot be read is refused by name.
 *
 * Method: files written here through HDF5; no handle stays open and HDF5 prints nothing. */
//TEST ranks=1
#include "data.h"
#include "handles.h"

static hid_t file; /* being written */

static void write_dataset(const char *name, hid_t type, hid_t memory, int rank,
                          const hsize_t *size, const void *data) {
  const hid_t space = H5Screate_simple(rank, size, NULL);
  const hid_t dataset =
      H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);

  EXPECT(space > 0 && dataset > 0);
  if (data) EXPECT(H5Dwrite(dataset, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
  EXPECT(H5Dclose(dataset) >= 0 && H5Sclose(space) >= 0);
}

/* A shape of a terabyte, of which one chunk of one value is stored. */
static void write_sparse(const char *name) {
  const hsize_t size[1] = {(hsize_t)1 << 37}, one[1] = {1}, start[1] = {0};
  const hid_t space = H5Screate_simple(1, size, NULL), part = H5Screate_simple(1, one, NULL);
  const hid_t layout = H5Pcreate(H5P_DATASET_CREATE);
  const double value = 1;

  EXPECT(H5Pset_chunk(layout, 1, one) >= 0);
  const hid_t dataset = H5Dcreate2(file, name, H5T_IEEE_F64LE, space, H5P_DEFAULT, layout,
                                   H5P_DEFAULT);

  EXPECT(dataset > 0 && H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, one, NULL) >= 0);
  EXPECT(H5Dwrite(dataset, H5T_NATIVE_DOUBLE, part, space, H5P_DEFAULT, &value) >= 0);
  EXPECT(H5Dclose(dataset) >= 0 && H5Sclose(space) >= 0 && H5Sclose(part) >= 0 &&
         H5Pclose(layout) >= 0);
}

static const double reals[12] = {0.1, -2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
static const int64_t integers[6] = {-3, 1, 0, 1, 0, 2};
static const uint8_t bytes[6] = {0, 51, 255, 1, 2, 3};

static void write_all(void) {
  const hsize_t six[1] = {6}, table[3] = {3, 2, 2}, three[1] = {3}, wide[6] = {2, 1, 1, 1, 1, 3};
  const double broken[3] = {0, 1, NAN};

  file = H5Fcreate(file_path("d.h5"), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  EXPECT(file > 0);
  write_dataset("f8", H5T_IEEE_F64BE, H5T_NATIVE_DOUBLE, 1, six, reals);
  write_dataset("f4", H5T_IEEE_F32LE, H5T_NATIVE_DOUBLE, 1, six, reals);
  write_dataset("i2", H5T_STD_I16BE, H5T_NATIVE_INT64, 1, six, integers);
  write_dataset("u1", H5T_STD_U8LE, H5T_NATIVE_UINT8, 1, six, bytes);
  write_dataset("u4", H5T_STD_U32BE, H5T_NATIVE_UINT8, 1, six, bytes);
  write_dataset("table", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 3, table, reals);
  write_dataset("classes", H5T_STD_I8LE, H5T_NATIVE_INT64, 1, three, integers + 1);
  write_dataset("targets", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 1, three, reals);
  write_dataset("nan", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 1, three, broken);
  write_dataset("wide", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 6, wide, reals);
  write_dataset("unwritten", H5T_IEEE_F64LE, 0, 1, three, NULL);
  write_sparse("sparse");
  write_dataset("scalar", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 0, NULL, reals);

  const hid_t text = H5Tcopy(H5T_C_S1);

  write_dataset("text", text, text, 1, three, "abc");
  EXPECT(H5Tclose(text) >= 0 && H5Fclose(file) >= 0);
}

static void expect_column(const char *name, const double *wanted) {
  char yaml[256];
  ntk_data data;

  (void)snprintf(yaml, sizeof(yaml),
                 "{source: hdf5, path: d.h5, inputs: /%s, labels: /f8, targets: real}", name);
  load_valid(yaml, &data);
  EXPECT(data.train.count == 6 && data.features == 1 && data.shape.rank == 1);
  for (int64_t i = 0; i < 6; ++i) {
    EXPECT(data.train.inputs[i] == wanted[data.train.index[i]]);
    EXPECT(data.train.targets[i] == reals[data.train.index[i]]);
  }
  ntk_data_destroy(&data);
}

static void good_types(void) {
  double singles[6], whole[6], scaled[6], plain[6];

  for (int i = 0; i < 6; ++i) {
    singles[i] = (double)(float)reals[i];
    whole[i] = (double)integers[i];
    scaled[i] = bytes[i] / 255.0;
    plain[i] = bytes[i];
  }
  expect_column("f8", reals);
  expect_column("f4", singles);
  expect_column("i2", whole);
  expect_column("u1", scaled);
  expect_column("u4", plain);
}

static void good_sets(void) {
  ntk_data data;

  load_valid("{source: hdf5, path: d.h5, inputs: table, labels: classes, test_inputs: table, "
             "test_labels: classes}", &data);
  EXPECT(data.shape.rank == 2 && data.shape.size[0] == 2 && data.shape.size[1] == 2);
  EXPECT(data.classes == 2 && data.outputs == 2 && data.train.count == 3 && data.test.count == 3);
  for (int64_t i = 0; i < 3; ++i) {
    EXPECT(data.train.label[i] == integers[1 + data.train.index[i]]);
    EXPECT(data.test.inputs[4 * i + 3] == reals[4 * data.test.index[i] + 3]);
  }
  ntk_data_destroy(&data);
}

static void refused(const char *inputs, const char *labels, ntk_status status, const char *part) {
  char yaml[256];
  ntk_data data;

  (void)snprintf(yaml, sizeof(yaml), "{source: hdf5, path: d.h5, inputs: %s, labels: %s}", inputs,
                 labels);
  EXPECT_REFUSED(load_once(yaml, &data), status, part);
}

static void truncate_file(void) {
  static unsigned char content[1 << 20];
  const size_t length = read_back("d.h5", sizeof(content), content);

  write_file("d.h5", content, length / 2);
  refused("f8", "f8", NTK_E_INPUT, "d.h5: not an HDF5 file");
  write_file("d.h5", "no HDF5", 7);
  refused("f8", "f8", NTK_E_INPUT, "d.h5: not an HDF5 file");
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  note_handles();
  folder_create();
  write_all();
  good_types();
  good_sets();
  refused("nothing", "f8", NTK_E_INPUT, "d.h5:nothing: the file has no such dataset; ntkrun");
  refused("text", "classes", NTK_E_INPUT, "d.h5:text: elements are neither");
  refused("wide", "classes", NTK_E_INPUT, "d.h5:wide: has 6 dimensions");
  refused("scalar", "classes", NTK_E_INPUT, "d.h5:scalar: has 0 dimensions");
  refused("unwritten", "classes", NTK_E_INPUT, "d.h5:unwritten: the dataset was created but");
  refused("sparse", "classes", NTK_E_INPUT, "d.h5:sparse: claims 1099511627776 bytes, 8 are stored");
  refused("nan", "classes", NTK_E_INPUT, "d.h5:nan: sample 2, value 0 is NaN");
  refused("table", "f8", NTK_E_INPUT, "has 3 samples, but");
  truncate_file();
  (void)unlink(file_path("d.h5"));
  refused("f8", "f8", NTK_E_MISSING, "d.h5");
  expect_no_handles();
  folder_destroy();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
