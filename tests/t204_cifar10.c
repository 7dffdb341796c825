/* CIFAR-10's binary batches: planes [c][h][w] of the file are [h][w][c] in the program, batches
 * come in the order of their numbers, plain or compressed; damaged and foreign files are refused.
 *
 * Method: records of bytes that a formula gives, against sums and corners by numpy's reshape and
 * transpose (tests/cases/tables/expected.json); then a table of damages. */
//TEST ranks=1
#include "data.h"
#include "json.h"

enum { RECORD = 3073, FEATURES = 3072, SAMPLES = 3 };

/* Byte k of a run of records; the labels among them are set. */
static void fill_records(int64_t count, const int *label, unsigned char *bytes) {
  for (int64_t k = 0; k < count * RECORD; ++k) {
    bytes[k] = (unsigned char)(((uint32_t)k * UINT32_C(2654435761)) >> 24);
  }
  for (int64_t i = 0; i < count; ++i) bytes[i * RECORD] = (unsigned char)label[i];
}

static const int labels[SAMPLES] = {9, 0, 4};
static unsigned char records[SAMPLES * RECORD + 1];

static const char yaml[] =
    "{source: cifar10, path: ., classes: [0, 4, 9], train: {count: auto}, targets: index}";

static void write_folder(void) {
  fill_records(SAMPLES, labels, records);
  write_file("data_batch_2.bin", records + RECORD, (SAMPLES - 1) * RECORD);
  write_gzip("data_batch_1.bin.gz", records, RECORD);
  write_file("test_batch.bin", records, sizeof(records) - 1);
}

/* `sample` of the file, as the program has it. */
static void expect_image(const char *expected, int64_t sample, const double *x) {
  double sum[SAMPLES], weighted[SAMPLES], first[SAMPLES * 7], last[SAMPLES * 4];
  double total = 0, moment = 0;

  EXPECT(json_reals(json_find(expected, "sums"), SAMPLES, sum) == SAMPLES);
  EXPECT(json_reals(json_find(expected, "weighted"), SAMPLES, weighted) == SAMPLES);
  EXPECT(json_reals(json_find(expected, "first"), SAMPLES * 7, first) == SAMPLES * 7);
  EXPECT(json_reals(json_find(expected, "last"), SAMPLES * 4, last) == SAMPLES * 4);
  for (int f = 0; f < FEATURES; ++f) {
    const double byte = round(x[f] * 255);

    EXPECT(x[f] == byte / 255.0);
    total += byte;
    moment += f * byte;
  }
  EXPECT(total == sum[sample] && moment == weighted[sample]);
  for (int f = 0; f < 7; ++f) EXPECT(x[f] == first[7 * sample + f] / 255.0);
  for (int f = 0; f < 4; ++f) EXPECT(x[FEATURES - 4 + f] == last[4 * sample + f] / 255.0);
}

static void expect_set(const char *expected, const ntk_samples *set) {
  static const int64_t class_of[SAMPLES] = {2, 0, 1};

  EXPECT(set->count == SAMPLES);
  for (int64_t i = 0; i < SAMPLES; ++i) {
    EXPECT(set->label[i] == class_of[set->index[i]]);
    expect_image(expected, set->index[i], set->inputs + i * FEATURES);
  }
}

static void reads_planes(void) {
  char *file = json_load("tests/cases/tables/expected.json");
  const char *expected = json_find(file, "cifar10");
  ntk_data data;

  load_valid(yaml, &data);
  EXPECT(data.shape.rank == 3 && data.shape.size[0] == 32 && data.shape.size[1] == 32);
  EXPECT(data.shape.size[2] == 3 && data.features == FEATURES && data.classes == 3);
  expect_set(expected, &data.train);
  expect_set(expected, &data.test);
  ntk_data_destroy(&data);
  free(file);
}

static void expect_refused(ntk_status status, const char *part) {
  const long balance = ntk_memory_balance();
  ntk_data data;

  EXPECT_REFUSED(load_once(yaml, &data), status, part);
  EXPECT(data.features == 0 && ntk_memory_balance() == balance);
}

static void refusals(void) {
  write_file("data_batch_2.bin", records, RECORD - 1);
  expect_refused(NTK_E_INPUT, "/data_batch_2.bin: truncated, or no CIFAR-10: behind 0 samples");
  write_file("data_batch_2.bin", records, 2 * RECORD + 1);
  expect_refused(NTK_E_INPUT, "behind 2 samples of 3073 bytes 1 are left");
  write_file("data_batch_2.bin", records, 0);
  expect_refused(NTK_E_INPUT, "/data_batch_2.bin: the file has no samples");
  records[RECORD] = 10;
  write_file("data_batch_2.bin", records, 2 * RECORD);
  expect_refused(NTK_E_INPUT, "label 10 of sample 1 is none of 0 .. 9; this is no CIFAR-10");
  records[RECORD] = 0;
  write_gzip("data_batch_2.bin.gz", records, RECORD); /* preferred to the plain one */
  write_file("test_batch.bin", records, 5);
  expect_refused(NTK_E_INPUT, "/test_batch.bin: truncated");
  EXPECT(unlink(file_path("test_batch.bin")) == 0);
  expect_refused(NTK_E_MISSING, "has no test_batch.bin; take cifar-10-binary.tar.gz from");
  EXPECT(unlink(file_path("data_batch_1.bin.gz")) == 0);
  EXPECT(unlink(file_path("data_batch_2.bin.gz")) == 0);
  EXPECT(unlink(file_path("data_batch_2.bin")) == 0);
  expect_refused(NTK_E_MISSING, "has no data_batch_1.bin");
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  folder_create();
  write_folder();
  reads_planes();
  load_faults(yaml, 20);
  refusals();
  folder_destroy();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
