/* Files are read exactly, in every layout that is allowed, and every damage is refused with a
 * message that names the file and the place.
 *
 * Method: files written here byte by byte: each element type in both byte orders against the
 * numbers that were written; then a table of damaged files, each with the status and a piece of
 * the message that it must give.  Nothing may stay allocated. */
//TEST ranks=1
#include "data.h"

#include <inttypes.h>

enum { ROOM = 65536 };

static const unsigned char images[2][2][3] = {{{0, 51, 102}, {153, 204, 255}},
                                              {{255, 0, 1}, {2, 3, 4}}};
static const unsigned char labels[2] = {1, 0};

static void write_idx(const char *name, int code, int rank, const int64_t *size, const void *data,
                      size_t length) {
  unsigned char bytes[ROOM];

  write_file(name, bytes, idx_bytes(bytes, code, rank, size, data, length));
}

static void write_images(void) {
  unsigned char bytes[ROOM];
  const size_t length = idx_bytes(bytes, 8, 3, (int64_t[]){2, 2, 3}, images, sizeof(images));

  write_file("x.idx", bytes, length);
  write_gzip("x.gz", bytes, length);
  write_idx("y.idx", 8, 1, (int64_t[]){2}, labels, 2);
}

static void expect_images(const char *yaml) {
  const long balance = ntk_memory_balance();
  ntk_data data;

  load_valid(yaml, &data);
  EXPECT(data.shape.rank == 3 && data.shape.size[0] == 2 && data.shape.size[1] == 3);
  EXPECT(data.shape.size[2] == 1 && data.features == 6 && data.classes == 2);
  EXPECT(data.outputs == 2 && data.train.count == 2 && data.test.count == 0);
  for (int64_t i = 0; i < 2; ++i) {
    const int64_t at = data.train.index[i];

    EXPECT(data.train.label[i] == labels[at]);
    for (int64_t f = 0; f < 6; ++f) {
      EXPECT(data.train.inputs[i * 6 + f] == images[at][f / 3][f % 3] / 255.0);
    }
  }
  EXPECT(data.train.index[0] != data.train.index[1]);
  ntk_data_destroy(&data);
  EXPECT(ntk_memory_balance() == balance);
}

/* A gzip file may consist of several members. */
static void write_members(void) {
  unsigned char bytes[ROOM], all[ROOM];
  const size_t length = idx_bytes(bytes, 8, 3, (int64_t[]){2, 2, 3}, images, sizeof(images));

  write_gzip("a", bytes, 9);
  write_gzip("b", bytes + 9, length - 9);
  const size_t first = read_back("a", ROOM, all);
  const size_t second = read_back("b", ROOM - first, all + first);

  write_file("members.gz", all, first + second);
}

static void good_images(void) {
  write_images();
  write_members();
  expect_images("{source: idx, inputs: x.idx, labels: y.idx}");
  expect_images("{source: idx, inputs: x.gz, labels: y.idx}");
  expect_images("{source: idx, inputs: members.gz, labels: y.idx}");
}

static void reverse(unsigned char *bytes, size_t size, size_t count) {
  for (size_t k = 0; k < count; ++k) {
    for (size_t b = 0; b < size / 2; ++b) {
      unsigned char *low = &bytes[k * size + b], *high = &bytes[k * size + size - 1 - b];
      const unsigned char byte = *low;

      *low = *high;
      *high = byte;
    }
  }
}

/* Inputs of one sample of three features, little-endian as given and big-endian reversed. */
static void expect_numbers(const char *type, size_t size, const void *numbers,
                           const double *wanted) {
  unsigned char swapped[24];
  char descr[8];

  memcpy(swapped, numbers, 3 * size);
  reverse(swapped, size, 3);
  write_npy("one.npy", "<f8", "(1,)", (double[]){0.5}, 8);
  for (int big = 0; big < 2; ++big) {
    ntk_data data;

    (void)snprintf(descr, sizeof(descr), "%c%s", big ? '>' : '<', type);
    write_npy("n.npy", descr, "(1, 3)", big ? swapped : numbers, 3 * size);
    load_valid("{source: npy, inputs: n.npy, labels: one.npy}", &data);
    EXPECT(data.shape.rank == 1 && data.features == 3 && data.classes == 0 && data.outputs == 1);
    EXPECT(data.train.label[0] == -1 && data.train.targets[0] == 0.5);
    for (int f = 0; f < 3; ++f) EXPECT(data.train.inputs[f] == wanted[f]);
    ntk_data_destroy(&data);
  }
}

/* Little-endian machines only; the reader itself assembles bytes and does not care. */
static void element_types(void) {
  expect_numbers("f4", 4, (float[]){1.5F, -0.1F, 3e38F},
                 (double[]){1.5, (double)-0.1F, (double)3e38F});
  expect_numbers("f8", 8, (double[]){1.5, -0.1, 1e300}, (double[]){1.5, -0.1, 1e300});
  expect_numbers("i1", 1, (int8_t[]){-128, -1, 127}, (double[]){-128, -1, 127});
  expect_numbers("i2", 2, (int16_t[]){-32768, -1, 77}, (double[]){-32768, -1, 77});
  expect_numbers("i4", 4, (int32_t[]){INT32_MIN, -1, 7}, (double[]){INT32_MIN, -1, 7});
  expect_numbers("i8", 8, (int64_t[]){-5000000000, -1, 7}, (double[]){-5e9, -1, 7});
  expect_numbers("u1", 1, (uint8_t[]){0, 51, 255}, (double[]){0, 51 / 255.0, 1});
  expect_numbers("u2", 2, (uint16_t[]){0, 1, 65535}, (double[]){0, 1, 65535});
  expect_numbers("u4", 4, (uint32_t[]){0, 1, UINT32_MAX}, (double[]){0, 1, UINT32_MAX});
  expect_numbers("u8", 8, (uint64_t[]){0, 1, 1ULL << 63}, (double[]){0, 1, 0x1p63});
  expect_numbers("b1", 1, (uint8_t[]){0, 1, 1}, (double[]){0, 1, 1});
}

static void idx_types(void) {
  static const struct {
    int code, size;
    unsigned char bytes[8];
    double value;
  } types[] = {{0x09, 1, {0xFE}, -2},
               {0x0B, 2, {0xFF, 0xFE}, -2},
               {0x0C, 4, {0, 1, 0, 2}, 65538},
               {0x0D, 4, {0x3F, 0xC0, 0, 0}, 1.5},
               {0x0E, 8, {0xBF, 0xF8, 0, 0, 0, 0, 0, 0}, -1.5}};

  write_idx("y.idx", 8, 1, (int64_t[]){1}, (unsigned char[]){0}, 1);
  for (size_t k = 0; k < sizeof(types) / sizeof(types[0]); ++k) {
    ntk_data data;

    write_idx("x.idx", types[k].code, 1, (int64_t[]){1}, types[k].bytes, (size_t)types[k].size);
    load_valid("{source: idx, inputs: x.idx, labels: y.idx}", &data);
    EXPECT(data.shape.rank == 1 && data.features == 1 && data.train.inputs[0] == types[k].value);
    ntk_data_destroy(&data);
  }
}

/* Versions 1 to 3, ranks 1 to 5, two columns of real targets, test files. */
static void npy_layouts(void) {
  const double numbers[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  static const char *const shapes[] = {"(12,)", "(12, 1)", "(2, 3, 2)", "(1, 3, 2, 2)",
                                       "(1L, 1, 3, 2, 2)"};
  static const int64_t counts[] = {12, 12, 2, 1, 1};
  static const int ranks[] = {1, 1, 2, 3, 4};
  unsigned char bytes[ROOM];

  for (int k = 0; k < 5; ++k) {
    char shape[16];
    ntk_data data;

    const size_t length =
        npy_bytes(bytes, 1 + k % 3, "<f8", "False", shapes[k], numbers, sizeof(numbers));
    write_file("x.npy", bytes, length);
    (void)snprintf(shape, sizeof(shape), "(%" PRId64 ",)", counts[k]);
    write_npy("y.npy", "<f8", shape, numbers, (size_t)counts[k] * 8);
    load_valid("{source: npy, inputs: x.npy, labels: y.npy}", &data);
    EXPECT(data.shape.rank == ranks[k] && data.train.count == counts[k]);
    for (int64_t i = 0; i < data.train.count; ++i) {
      const int64_t at = data.train.index[i];

      EXPECT(data.train.targets[i] == numbers[at]);
      EXPECT(data.train.inputs[i * data.features] == numbers[at * data.features]);
    }
    ntk_data_destroy(&data);
  }
}

static void npy_columns(void) {
  const double numbers[6] = {1, 2, 3, 4, 5, 6};
  ntk_data data;

  write_npy("x.npy", "<f8", "(3, 2)", numbers, 48);
  write_npy("y.npy", "<f8", "(3, 2)", numbers, 48);
  write_npy("xt.npy", "<f8", "(2, 2)", numbers, 32);
  write_npy("yt.npy", "<f8", "(2, 2)", numbers, 32);
  load_valid("{source: npy, inputs: x.npy, labels: y.npy, test_inputs: xt.npy, "
             "test_labels: yt.npy, train: {count: 2}}", &data);
  EXPECT(data.outputs == 2 && data.train.count == 2 && data.test.count == 2);
  for (int64_t i = 0; i < 2; ++i) {
    for (int64_t o = 0; o < 2; ++o) {
      EXPECT(data.train.targets[2 * i + o] == numbers[2 * data.train.index[i] + o]);
      EXPECT(data.test.targets[2 * i + o] == numbers[2 * data.test.index[i] + o]);
    }
  }
  ntk_data_destroy(&data);
}

/* Writes valid files first; then one of them is replaced by a damaged one. */
static const char pair_yaml[] = "{source: idx, inputs: x, labels: y}";
static const char npy_yaml[] = "{source: npy, inputs: x, labels: y}";

static void expect_refused(const char *yaml, ntk_status status, const char *part) {
  const long balance = ntk_memory_balance();
  ntk_data data;

  EXPECT_REFUSED(load_once(yaml, &data), status, part);
  EXPECT(data.train.inputs == NULL && data.train.count == 0 && data.features == 0);
  EXPECT(ntk_memory_balance() == balance);
}

static void refuse_bytes(const char *yaml, const unsigned char *bytes, size_t length,
                         const char *part) {
  write_file("x", bytes, length);
  expect_refused(yaml, NTK_E_INPUT, "/x");
  expect_refused(yaml, NTK_E_INPUT, part);
}

static void refuse_idx_header(const char *part, int code, int rank, const int64_t *size) {
  unsigned char bytes[ROOM] = {0};

  refuse_bytes(pair_yaml, bytes, idx_bytes(bytes, code, rank, size, images, sizeof(images)), part);
}

static void damaged_idx(void) {
  unsigned char bytes[ROOM] = {0};
  const size_t length = idx_bytes(bytes, 8, 3, (int64_t[]){2, 2, 3}, images, sizeof(images));

  write_idx("y", 8, 1, (int64_t[]){2}, labels, 2);
  for (size_t cut = 0; cut < length; ++cut) refuse_bytes(pair_yaml, bytes, cut, "truncated");
  refuse_bytes(pair_yaml, bytes, length + 1, "behind the 28 bytes");
  bytes[0] = 1;
  refuse_bytes(pair_yaml, bytes, length, "starts with 01 00");
  refuse_idx_header("type 0x0a", 10, 1, (int64_t[]){2});
  refuse_idx_header("0 dimensions", 8, 0, NULL);
  refuse_idx_header("6 dimensions", 8, 6, (int64_t[]){2, 1, 1, 1, 1, 1});
  refuse_idx_header("without elements", 8, 2, (int64_t[]){0, 6});
  refuse_idx_header("overflows", 14, 4, (int64_t[]){4000000000, 4000000000, 4000000000, 9});
  refuse_idx_header("cannot hold more", 8, 2, (int64_t[]){4000000000, 6});
  refuse_idx_header("has 12 samples, but", 8, 1, (int64_t[]){12});
}

static void damaged_gzip(void) {
  unsigned char bytes[ROOM] = {0}, packed[ROOM];
  size_t length = idx_bytes(bytes, 8, 3, (int64_t[]){2, 2, 3}, images, sizeof(images));

  write_gzip("x", bytes, length + 1);
  expect_refused(pair_yaml, NTK_E_INPUT, "behind the 28 bytes");
  write_gzip("x", bytes, length - 1);
  expect_refused(pair_yaml, NTK_E_INPUT, "truncated");
  write_gzip("x", bytes, length);
  length = read_back("x", ROOM, packed);
  for (size_t cut = 2; cut < length; ++cut) refuse_bytes(pair_yaml, packed, cut, "truncated");
  packed[length] = 'x';
  refuse_bytes(pair_yaml, packed, length + 1, "behind the end of the compressed");
  packed[length - 8] ^= 1; /* CRC */
  refuse_bytes(pair_yaml, packed, length, "damaged");
  (void)idx_bytes(bytes, 8, 2, (int64_t[]){4000000000, 6}, NULL, 0);
  write_gzip("x", bytes, 12);
  expect_refused(pair_yaml, NTK_E_INPUT, "cannot hold more");
}

static void refuse_npy(const char *descr, const char *order, const char *shape, size_t length,
                       const char *part) {
  const unsigned char data[256] = {0};
  unsigned char bytes[ROOM];

  refuse_bytes(npy_yaml, bytes, npy_bytes(bytes, 1, descr, order, shape, data, length), part);
}

static void damaged_npy(void) {
  const double numbers[2] = {1, 2};
  unsigned char bytes[ROOM];
  size_t length = npy_bytes(bytes, 1, "<f8", "False", "(2,)", numbers, 16);

  write_npy("y", "<f8", "(2,)", numbers, 16);
  for (size_t cut = 0; cut < length; ++cut) refuse_bytes(npy_yaml, bytes, cut, "truncated");
  refuse_bytes(npy_yaml, bytes, length + 1, "goes on behind");
  bytes[6] = 4;
  refuse_bytes(npy_yaml, bytes, length, "version 4");
  bytes[0] = 'N';
  refuse_bytes(npy_yaml, bytes, length, "not a .npy file");
  bytes[0] = 'P';
  bytes[1] = 'K';
  refuse_bytes(npy_yaml, bytes, length, "not a .npy file but an archive, as of numpy.savez");
  bytes[0] = 0x93;
  bytes[1] = 'N';
  length = npy_bytes(bytes, 1, "<f8", "False", "(2,)", numbers, 16);
  bytes[8] = 1;
  refuse_bytes(npy_yaml, bytes, length, "a header of 1 bytes");
  bytes[8] = 20;
  bytes[11] = '-';
  refuse_bytes(npy_yaml, bytes, length, "not a numpy header");
  refuse_npy("<f2", "False", "(2,)", 4, "dtype '<f2' is not supported");
  refuse_npy("<c16", "False", "(2,)", 32, "dtype '<c16' is not supported");
  refuse_npy("|O", "False", "(2,)", 16, "dtype '|O' is not supported");
  refuse_npy("<i3", "False", "(2,)", 6, "dtype '<i3' is not supported");
  refuse_npy("f8", "False", "(2,)", 16, "dtype 'f8' is not supported");
  refuse_npy("<f8", "True", "(2, 2)", 32, "ascontiguousarray");
  refuse_npy("<f8", "False", "()", 8, "shape is (); 1 to");
  refuse_npy("<f8", "False", "(2, 1, 1, 1, 1, 1)", 16, "1 to 5 dimensions");
  refuse_npy("<f8", "False", "(0, 2)", 0, "without elements");
  refuse_npy("<f8", "False", "(-2,)", 16, "shape is (-2,)");
  refuse_npy("<f8", "False", "(99999999999999999999, 3)", 16, "overflows");
  refuse_npy("<f8", "False", "(4000000000, 3)", 16, "cannot hold more");
}

static void write_pair(const char *type, const char *x_shape, const void *x, size_t x_length,
                       const char *y_type, const char *y_shape, const void *y, size_t y_length) {
  write_npy("x", type, x_shape, x, x_length);
  write_npy("y", y_type, y_shape, y, y_length);
}

static void bad_values(void) {
  const double x[4] = {0, 1, NAN, 3}, z[4] = {0, -INFINITY, 2, 3}, good[4] = {0, 1, 2, 3};
  const int64_t classes[4] = {0, 1, 1, 0};
  const uint64_t huge[2] = {1, UINT64_MAX};

  write_pair("<f8", "(2, 2)", x, 32, "<f8", "(2,)", good, 16);
  expect_refused(npy_yaml, NTK_E_INPUT, "/x: sample 1, value 0 is NaN");
  write_pair("<f8", "(2, 2)", good, 32, "<f8", "(2, 2)", z, 32);
  expect_refused(npy_yaml, NTK_E_INPUT, "/y: sample 0, value 1 is infinite");
  write_pair("<f8", "(2, 2)", good, 32, "<i8", "(4,)", classes, 32);
  expect_refused(npy_yaml, NTK_E_INPUT, "/x has 2 samples, but");
  expect_refused(npy_yaml, NTK_E_INPUT, "/y has 4 labels");
  write_pair("<f8", "(2, 2)", good, 32, "<i8", "(2, 2)", classes, 32);
  expect_refused(npy_yaml, NTK_E_INPUT, "there are 2 columns");
  write_pair("<f8", "(2, 2)", good, 32, "<f8", "(2, 1, 1)", good, 16);
  expect_refused(npy_yaml, NTK_E_INPUT, "labels have 3 dimensions");
  write_pair("<f8", "(2, 2)", good, 32, "<u8", "(2,)", huge, 16);
  expect_refused(npy_yaml, NTK_E_INPUT, "label 1 does not fit");
}

static const char four_yaml[] =
    "{source: npy, inputs: x, labels: y, test_inputs: xt, test_labels: yt}";

static void different_sets(void) {
  const double good[4] = {0, 1, 2, 3};
  const int64_t classes[2] = {0, 1};

  write_pair("<f8", "(2, 2)", good, 32, "<i8", "(2,)", classes, 16);
  write_npy("xt", "<f8", "(2, 2, 1)", good, 32);
  write_npy("yt", "<i8", "(2,)", classes, 16);
  expect_refused(four_yaml, NTK_E_INPUT, "training samples are 2 (");
  expect_refused(four_yaml, NTK_E_INPUT, "test samples are 2 x 1 (");
  write_npy("xt", "|u1", "(2, 2)", good, 4);
  expect_refused(four_yaml, NTK_E_INPUT, "one has bytes");
  write_npy("xt", "<f8", "(2, 2)", good, 32);
  write_npy("yt", "<f8", "(2,)", good, 16);
  expect_refused(four_yaml, NTK_E_INPUT, "0 columns of real targets");
}

static void missing_files(void) {
  expect_refused("{source: idx, inputs: nowhere, labels: y}", NTK_E_MISSING, "/nowhere");
  expect_refused("{source: npy, inputs: nowhere/x, labels: y}", NTK_E_MISSING, "/nowhere/x");
  expect_refused("{source: idx, inputs: ., labels: y}", NTK_E_IO, "not a regular file");
  expect_refused("{source: fashion_mnist, path: nowhere}", NTK_E_MISSING,
                 "nowhere/train-images-idx3-ubyte.gz is missing");
  expect_refused("{source: fashion_mnist, path: nowhere}", NTK_E_MISSING,
                 "install the package dataset-fashion-mnist, or set data.path");
}

/* The folder of fashion_mnist may hold the files uncompressed. */
static void plain_folder(void) {
  ntk_data data;

  write_idx("train-images-idx3-ubyte", 8, 3, (int64_t[]){2, 2, 3}, images, sizeof(images));
  write_idx("t10k-images-idx3-ubyte", 8, 3, (int64_t[]){2, 2, 3}, images, sizeof(images));
  write_idx("train-labels-idx1-ubyte", 8, 1, (int64_t[]){2}, labels, 2);
  write_idx("t10k-labels-idx1-ubyte", 8, 1, (int64_t[]){2}, labels, 2);
  load_valid("{source: fashion_mnist, path: .}", &data);
  EXPECT(data.train.count == 2 && data.test.count == 2 && data.features == 6);
  ntk_data_destroy(&data);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  folder_create();
  good_images();
  element_types();
  idx_types();
  npy_layouts();
  npy_columns();
  damaged_idx();
  damaged_gzip();
  damaged_npy();
  bad_values();
  different_sets();
  missing_files();
  plain_folder();
  folder_destroy();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
