/* Datasets of an HDF5 file.  HDF5 converts what it reads to this machine's integers and reals. */
#include <hdf5.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "ntk/data/source.h"

enum { DEFLATE_RATIO = 1032 }; /* no compressed array is larger */

typedef struct names {
  const char *path, *inputs, *labels, *test_inputs, *test_labels;
} names;

static const ntk_option options_rows[] = {
    {.key = "path",
     .type = NTK_PATH,
     .offset = offsetof(names, path),
     .flags = NTK_REQUIRED,
     .doc = "the HDF5 file"},
    {.key = "inputs",
     .type = NTK_STRING,
     .offset = offsetof(names, inputs),
     .flags = NTK_REQUIRED,
     .doc = "dataset of the training inputs [sample][...]"},
    {.key = "labels",
     .type = NTK_STRING,
     .offset = offsetof(names, labels),
     .flags = NTK_REQUIRED,
     .doc = "dataset of the training labels: integers or real targets"},
    {.key = "test_inputs",
     .type = NTK_STRING,
     .offset = offsetof(names, test_inputs),
     .doc = "dataset of the test inputs; none: test samples come after train"},
    {.key = "test_labels",
     .type = NTK_STRING,
     .offset = offsetof(names, test_labels),
     .doc = "dataset of the test labels"},
    {0},
};

/* What is open while one dataset is read; 0 is no valid identifier. */
typedef struct handles {
  hid_t file, dataset, space, type;
} handles;

/* The element of the table, and the type in memory that HDF5 shall convert to. */
static ntk_status choose_element(const handles *h, ntk_table *table, hid_t *memory) {
  const H5T_class_t class = H5Tget_class(h->type);
  const bool integers = class == H5T_INTEGER;
  const bool plus = integers && H5Tget_sign(h->type) == H5T_SGN_NONE;
  const bool bytes = plus && H5Tget_size(h->type) == 1;

  NTK_CHECK(integers || class == H5T_FLOAT, NTK_E_INPUT,
            "%s: elements are neither integers nor reals", table->place);
  table->element.big = ntk_element_host_big();
  table->element.size = bytes ? 1 : 8;
  table->element.kind = plus ? 'u' : 'i';
  *memory = plus ? H5T_NATIVE_UINT64 : H5T_NATIVE_INT64;
  if (bytes) *memory = H5T_NATIVE_UINT8;
  if (!integers) {
    table->element.kind = 'f';
    *memory = H5T_NATIVE_DOUBLE;
  }
  return NTK_OK;
}

static ntk_status get_sizes(const handles *h, ntk_table *table) {
  hsize_t size[H5S_MAX_RANK] = {0};
  const int rank = H5Sget_simple_extent_dims(h->space, size, NULL);

  NTK_CHECK(rank >= 1 && rank <= NTK_TABLE_RANK, NTK_E_INPUT,
            "%s: has %d dimensions; 1 to %d are supported", table->place, rank, NTK_TABLE_RANK);
  table->rank = rank;
  for (int k = 0; k < rank; ++k) {
    table->size[k] = size[k] < INT64_MAX ? (int64_t)size[k] : INT64_MAX;
  }
  return NTK_OK;
}

static ntk_status open_dataset(const char *path, const char *name, const ntk_table *table,
                               handles *h) {
  struct stat about;

  NTK_CHECK(stat(path, &about) == 0, NTK_E_MISSING, "%s is missing", path);
  h->file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
  NTK_CHECK(h->file > 0, NTK_E_INPUT, "%s: not an HDF5 file, truncated, or not readable", path);
  h->dataset = H5Dopen2(h->file, name, H5P_DEFAULT);
  NTK_CHECK(h->dataset > 0, NTK_E_INPUT,
            "%s: the file has no such dataset; ntkrun inspect lists what it has", table->place);
  h->space = H5Dget_space(h->dataset);
  h->type = H5Dget_type(h->dataset);
  NTK_CHECK(h->space > 0 && h->type > 0, NTK_E_IO, "%s: HDF5 cannot describe it", table->place);
  return NTK_OK;
}

/* A shape is only a claim: it is believed as far as what is stored can expand to it. */
static ntk_status check_storage(const handles *h, const ntk_table *table) {
  const hid_t layout = H5Dget_create_plist(h->dataset);
  const bool chunked = layout > 0 && H5Pget_layout(layout) == H5D_CHUNKED;
  const double stored = (double)H5Dget_storage_size(h->dataset);
  double claimed = (double)H5Tget_size(h->type);
  hsize_t file_size = 0;

  if (layout > 0) (void)H5Pclose(layout);
  for (int k = 0; k < table->rank; ++k) claimed *= (double)table->size[k];
  NTK_CHECK(stored > 0, NTK_E_INPUT, "%s: the dataset was created but never written",
            table->place);
  NTK_CHECK(H5Fget_filesize(h->file, &file_size) >= 0 && stored <= (double)file_size &&
                claimed <= stored * (chunked ? DEFLATE_RATIO : 1),
            NTK_E_INPUT, "%s: claims %.0f bytes, %.0f are stored in a file of %.0f", table->place,
            claimed, stored, (double)file_size);
  return NTK_OK;
}

static ntk_status read_dataset(const char *path, const char *name, ntk_table *table, handles *h) {
  hid_t memory = 0;
  int64_t bytes = 0;

  NTK_TRY(open_dataset(path, name, table, h));
  NTK_TRY(choose_element(h, table, &memory));
  NTK_TRY(get_sizes(h, table));
  NTK_TRY(ntk_table_bytes(table, &bytes));
  NTK_TRY(check_storage(h, table));
  NTK_TRY(NTK_NEW(bytes, &table->bytes));
  NTK_CHECK(H5Dread(h->dataset, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, table->bytes) >= 0,
            NTK_E_INPUT, "%s: HDF5 cannot read it; damaged, or packed by a filter that is not here",
            table->place);
  return NTK_OK;
}

static void close_all(const handles *h) {
  if (h->type > 0) (void)H5Tclose(h->type);
  if (h->space > 0) (void)H5Sclose(h->space);
  if (h->dataset > 0) (void)H5Dclose(h->dataset);
  if (h->file > 0) (void)H5Fclose(h->file);
}

/* HDF5 would print its own account of every failure; ours is enough. */
static ntk_status read_table(const char *path, const char *name, ntk_table *table) {
  H5E_auto2_t report = NULL;
  void *argument = NULL;
  handles h = {0};

  ntk_table_place(table, path, name);
  (void)H5Eget_auto2(H5E_DEFAULT, &report, &argument);
  (void)H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  const ntk_status status = read_dataset(path, name, table, &h);
  close_all(&h);
  (void)H5Eset_auto2(H5E_DEFAULT, report, argument);
  return status;
}

static ntk_status read_file(const void *options, ntk_raw *raw) {
  const names *o = options;
  const char *test = o->test_inputs ? o->path : NULL;
  const ntk_raw_files files = {.read = read_table,
                               .path = {o->path, o->path, test, test},
                               .name = {o->inputs, o->labels, o->test_inputs, o->test_labels}};

  return ntk_raw_read(&files, raw);
}

static void check(const void *options, const ntk_node *node, ntk_problems *problems) {
  const names *o = options;

  ntk_test_pair_check(o->test_inputs, o->test_labels, node, problems);
}

const ntk_data_source ntk_source_hdf5 = {
    .row = {.name = "hdf5",
            .doc = "datasets of one HDF5 file",
            .options = options_rows,
            .options_size = sizeof(names)},
    .read = read_file,
    .check = check,
};
