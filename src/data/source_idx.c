/* IDX files (LeCun's MNIST format): two zero bytes, element type, rank, big-endian sizes, data. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "ntk/data/source.h"

static ntk_status element_of(const char *path, unsigned code, ntk_element *element) {
  static const struct {
    unsigned code;
    ntk_element element;
  } known[] = {{0x08, {'u', 1, true}}, {0x09, {'i', 1, true}}, {0x0B, {'i', 2, true}},
               {0x0C, {'i', 4, true}}, {0x0D, {'f', 4, true}}, {0x0E, {'f', 8, true}}};
  size_t k = 0;

  while (k < sizeof(known) / sizeof(known[0]) && known[k].code != code) ++k;
  NTK_CHECK(k < sizeof(known) / sizeof(known[0]), NTK_E_INPUT,
            "%s: IDX element type 0x%02x is unknown; known are 08 09 0B 0C 0D 0E", path, code);
  *element = known[k].element;
  return NTK_OK;
}

static ntk_status read_header(const char *path, ntk_gzip *gzip, ntk_table *table) {
  unsigned char magic[4] = {0}, size[4] = {0};

  NTK_TRY(ntk_gzip_read(gzip, magic, sizeof(magic)));
  NTK_CHECK(magic[0] == 0 && magic[1] == 0, NTK_E_INPUT,
            "%s: not an IDX file: starts with %02x %02x instead of 00 00", path, magic[0],
            magic[1]);
  NTK_TRY(element_of(path, magic[2], &table->element));
  NTK_CHECK(magic[3] >= 1 && magic[3] <= NTK_TABLE_RANK, NTK_E_INPUT,
            "%s: an IDX array of %d dimensions; 1 to %d are supported", path, magic[3],
            NTK_TABLE_RANK);
  table->rank = magic[3];
  for (int k = 0; k < table->rank; ++k) {
    NTK_TRY(ntk_gzip_read(gzip, size, sizeof(size)));
    table->size[k] = (int64_t)size[0] << 24 | size[1] << 16 | size[2] << 8 | size[3];
  }
  return NTK_OK;
}

static ntk_status read_content(const char *path, ntk_gzip *gzip, ntk_table *table) {
  NTK_TRY(read_header(path, gzip, table));
  return ntk_table_read(path, gzip, table);
}

/* Images [n][h][w] become samples of h x w x 1: one channel. */
static ntk_status read_idx(const char *path, const char *name, ntk_table *table) {
  ntk_gzip *gzip = NULL;
  ntk_status status = NTK_OK;

  ntk_table_place(table, path, name);
  status = ntk_gzip_open(path, &gzip);
  if (status == NTK_OK) status = read_content(path, gzip, table);
  ntk_gzip_close(&gzip);
  if (status == NTK_OK && table->rank == 3) table->size[table->rank++] = 1;
  return status;
}

static ntk_status read_files(const void *options, ntk_raw *raw) {
  return ntk_paired_read(read_idx, options, raw);
}

const ntk_data_source ntk_source_idx = {
    .row = {.name = "idx",
            .doc = "IDX files, plain or gzip",
            .options = ntk_paired_options,
            .options_size = sizeof(ntk_paired_files),
            .also = "mnist"},
    .read = read_files,
    .check = ntk_paired_check,
};

/* The four files of Fashion-MNIST (or MNIST), compressed as they are distributed, or not. */
typedef struct folder {
  const char *path;
} folder;

static const ntk_option folder_options[] = {
    {.key = "path",
     .type = NTK_PATH,
     .offset = offsetof(folder, path),
     .fallback = "/usr/share/datasets/fashion-mnist",
     .doc = "folder with the four IDX files"},
    {0},
};

enum { PATH_SIZE = 4096 };

typedef struct files {
  char path[4][PATH_SIZE];
} files;

static ntk_status find_file(const char *directory, const char *name, char *path) {
  const int length = snprintf(path, PATH_SIZE, "%s/%s.gz", directory, name);

  NTK_CHECK(length > 0 && length < PATH_SIZE, NTK_E_INPUT, "data.path is too long: %s", directory);
  if (access(path, F_OK) == 0) return NTK_OK;
  path[length - 3] = '\0';
  NTK_CHECK(access(path, F_OK) == 0, NTK_E_MISSING,
            "%s.gz is missing; install the package dataset-fashion-mnist, or set data.path to the "
            "folder that has it",
            path);
  return NTK_OK;
}

static ntk_status find_files(const void *options, files *f) {
  static const char *const name[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                     "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};
  const folder *o = options;

  for (int k = 0; k < 4; ++k) NTK_TRY(find_file(o->path, name[k], f->path[k]));
  return NTK_OK;
}

static ntk_status folder_present(const void *options) {
  files f = {0};

  return find_files(options, &f);
}

static ntk_status read_folder(const void *options, ntk_raw *raw) {
  files f = {0};

  NTK_TRY(find_files(options, &f));
  const ntk_paired_files paired = {f.path[0], f.path[1], f.path[2], f.path[3]};

  return ntk_paired_read(read_idx, &paired, raw);
}

const ntk_data_source ntk_source_fashion_mnist = {
    .row = {.name = "fashion_mnist",
            .doc = "60,000 + 10,000 images, 28 x 28, 10 classes",
            .options = folder_options,
            .options_size = sizeof(folder)},
    .read = read_folder,
    .present = folder_present,
};
