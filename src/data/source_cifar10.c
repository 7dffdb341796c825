/* CIFAR-10 as binary files: per sample a byte for the class, then 3 planes of 32 x 32 bytes.  The
 * program has channels last, so planes [c][h][w] become [h][w][c]. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ntk/base/memory.h"
#include "ntk/data/source.h"

enum {
  EDGE = 32,
  PIXELS = EDGE * EDGE,
  CHANNELS = 3,
  FEATURES = PIXELS * CHANNELS,
  RECORD = 1 + FEATURES,
  CLASSES = 10,
  MOST_BATCHES = 100,
  CHUNK = 1000, /* samples */
  PATH_SIZE = 4096
};

typedef struct cifar {
  const char *path;
} cifar;

static const ntk_option options_rows[] = {
    {.key = "path",
     .type = NTK_PATH,
     .offset = offsetof(cifar, path),
     .flags = NTK_REQUIRED,
     .doc = "folder with data_batch_1.bin, ... and test_batch.bin, plain or gzip"},
    {0},
};

/* ---- which files ---------------------------------------------------------------------------- */

static ntk_status find_file(const char *folder, const char *name, char *path, bool *found) {
  const int length = snprintf(path, PATH_SIZE, "%s/%s.bin.gz", folder, name);

  NTK_CHECK(length > 0 && length < PATH_SIZE, NTK_E_INPUT, "data.path is too long: %s", folder);
  *found = access(path, F_OK) == 0;
  if (*found) return NTK_OK;
  path[length - 3] = '\0';
  *found = access(path, F_OK) == 0;
  return NTK_OK;
}

static ntk_status find_batch(const cifar *o, int number, char *path, bool *found) {
  char name[32];

  (void)snprintf(name, sizeof(name), "data_batch_%d", number);
  return find_file(o->path, name, path, found);
}

static const char way_out[] =
    "take cifar-10-binary.tar.gz from "
    "https://www.cs.toronto.edu/~kriz/cifar.html and set data.path to "
    "the folder cifar-10-batches-bin";

static ntk_status find_all(const void *options) {
  const cifar *o = options;
  char path[PATH_SIZE];
  bool found = false;

  for (int k = 0; k < MOST_BATCHES && !found; ++k) NTK_TRY(find_batch(o, k, path, &found));
  NTK_CHECK(found, NTK_E_MISSING, "%s has no data_batch_1.bin; %s", o->path, way_out);
  NTK_TRY(find_file(o->path, "test_batch", path, &found));
  NTK_CHECK(found, NTK_E_MISSING, "%s has no test_batch.bin; %s", o->path, way_out);
  return NTK_OK;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* One of the two sets, growing batch by batch. */
typedef struct images {
  unsigned char **bytes; /* [count][FEATURES] */
  int64_t **label, *count;
  int64_t byte_room, label_room;
} images;

static void take_record(const unsigned char *record, unsigned char *bytes, int64_t *label) {
  *label = record[0];
  for (int p = 0; p < PIXELS; ++p) {
    for (int c = 0; c < CHANNELS; ++c) bytes[p * CHANNELS + c] = record[1 + c * PIXELS + p];
  }
}

static ntk_status check_label(const char *path, int64_t label, int64_t sample) {
  NTK_CHECK(label < CLASSES, NTK_E_INPUT,
            "%s: label %" PRId64 " of sample %" PRId64 " is none of 0 .. 9; this is no CIFAR-10",
            path, label, sample);
  return NTK_OK;
}

static ntk_status take_records(const char *path, const unsigned char *records, int64_t before,
                               int64_t count, images *to) {
  const int64_t n = *to->count;

  NTK_TRY(ntk_data_grow(FEATURES, n, count, &to->byte_room, to->bytes));
  NTK_TRY(ntk_data_grow(sizeof(int64_t), n, count, &to->label_room, to->label));
  for (int64_t i = 0; i < count; ++i) {
    int64_t *label = *to->label + n + i;

    take_record(records + i * RECORD, *to->bytes + (n + i) * FEATURES, label);
    NTK_TRY(check_label(path, *label, before + i));
  }
  *to->count += count;
  return NTK_OK;
}

static ntk_status read_records(const char *path, ntk_gzip *gzip, unsigned char *records,
                               images *to) {
  const int64_t start = *to->count;
  size_t got = 0;

  do {
    NTK_TRY(ntk_gzip_read_some(gzip, records, (size_t)CHUNK * RECORD, &got));
    NTK_TRY(take_records(path, records, *to->count - start, (int64_t)got / RECORD, to));
  } while (got == (size_t)CHUNK * RECORD);
  NTK_CHECK(got % RECORD == 0, NTK_E_INPUT,
            "%s: truncated, or no CIFAR-10: behind %" PRId64 " samples of %d bytes %d are left",
            path, *to->count - start, RECORD, (int)(got % RECORD));
  NTK_CHECK(*to->count > start, NTK_E_INPUT, "%s: the file has no samples", path);
  return NTK_OK;
}

static ntk_status read_batch(const char *path, images *to) {
  ntk_gzip *gzip = NULL;
  unsigned char *records = NULL;
  ntk_status status = ntk_gzip_open(path, &gzip);

  if (status == NTK_OK) status = ntk_new_unset((size_t)CHUNK * RECORD, 1, &records);
  if (status == NTK_OK) status = read_records(path, gzip, records, to);
  ntk_free(&records);
  ntk_gzip_close(&gzip);
  return status;
}

static ntk_status read_folder(const void *options, ntk_raw *raw) {
  const cifar *o = options;
  images train = {&raw->train_bytes, &raw->train_label, &raw->train_count, 0, 0};
  images test = {&raw->test_bytes, &raw->test_label, &raw->test_count, 0, 0};
  char path[PATH_SIZE];
  bool found = false;

  raw->shape = (ntk_shape){.rank = 3, .size = {EDGE, EDGE, CHANNELS}};
  for (int k = 0; k < MOST_BATCHES; ++k) {
    NTK_TRY(find_batch(o, k, path, &found));
    if (found) NTK_TRY(read_batch(path, &train));
  }
  NTK_TRY(find_file(o->path, "test_batch", path, &found));
  return read_batch(path, &test);
}

const ntk_data_source ntk_source_cifar10 = {
    .row = {.name = "cifar10",
            .doc = "50,000 + 10,000 images, 32 x 32 x 3, 10 classes, in the binary version",
            .options = options_rows,
            .options_size = sizeof(cifar)},
    .read = read_folder,
    .present = find_all,
};
