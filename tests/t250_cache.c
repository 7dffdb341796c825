/* Sources are read once, within bounds, and again when their files change; the data do not depend on
 * what the cache held before.  Wherever a check fails, nothing stays allocated and the next load works.
 *
 * Method: the cached arrays are changed in place, which shows whether they are used; files are
 * rewritten; then the fault sweep over loads from every source. */
//TEST ranks=1
#include "data.h"
#include "handles.h"

enum { COUNT = 12 };

static const char npy_yaml[] =
    "{source: npy, inputs: x.npy, labels: y.npy, train: {count: 6, balanced: true},"
    " test: {count: 3}, center: feature, scale: feature}";
static const char four_yaml[] =
    "{source: npy, inputs: x.npy, labels: y.npy, test_inputs: x.npy, test_labels: y.npy,"
    " center: scalar, scale: sample_rms}";
static const char idx_yaml[] = "{source: idx, inputs: x.gz, labels: y.idx, scale: scalar}";
static const char hdf5_yaml[] =
    "{source: hdf5, path: d.h5, inputs: x, labels: x, test: {count: 1}}";
static const char folder_yaml[] = "{source: fashion_mnist, path: .}";
static const char grid_yaml[] =
    "{source: grid, train: {count: 9}, test: {count: 2}, noise_std: 0.1, center: feature}";
static const char gaussian_yaml[] =
    "{source: gaussian, dimension: 2, train: {count: 9}, test: {count: 2}, noise_std: 0.1}";

static void write_numbers(double first) {
  double x[COUNT];
  int64_t y[COUNT];

  for (int i = 0; i < COUNT; ++i) {
    x[i] = first + i * i;
    y[i] = i % 2;
  }
  write_npy("x.npy", "<f8", "(12,)", x, sizeof(x));
  write_npy("y.npy", "<i8", "(12,)", y, sizeof(y));
}

static void write_idx_files(void) {
  unsigned char pixels[COUNT] = {1, 2, 3, 4}, labels[COUNT] = {0, 1, 0, 1, 0, 1, 0, 1}, bytes[64];
  size_t length = idx_bytes(bytes, 8, 1, (int64_t[]){COUNT}, labels, COUNT);

  write_file("y.idx", bytes, length);
  write_file("train-labels-idx1-ubyte", bytes, length);
  write_file("t10k-labels-idx1-ubyte", bytes, length);
  length = idx_bytes(bytes, 8, 3, (int64_t[]){COUNT, 1, 1}, pixels, COUNT);
  write_gzip("x.gz", bytes, length);
  write_gzip("train-images-idx3-ubyte.gz", bytes, length);
  write_gzip("t10k-images-idx3-ubyte.gz", bytes, length);
}

static void write_hdf5(void) {
  const double x[4] = {1, 2, 3, 4};
  const hsize_t size = 4;
  const hid_t file = H5Fcreate(file_path("d.h5"), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const hid_t space = H5Screate_simple(1, &size, NULL);
  const hid_t set =
      H5Dcreate2(file, "x", H5T_NATIVE_DOUBLE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);

  EXPECT(H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, x) >= 0);
  EXPECT(H5Dclose(set) >= 0 && H5Sclose(space) >= 0 && H5Fclose(file) >= 0);
}

/* Largest training input of the section, loaded through the cache. */
static double largest(const char *yaml, ntk_data_cache *cache) {
  double most = -INFINITY;
  ntk_data data;
  bound b;

  bind_valid(yaml, &b);
  EXPECT_OK(ntk_data_load(&b.settings, cache, &data));
  for (int64_t k = 0; k < data.train.count * data.features; ++k) {
    most = fmax(most, data.train.inputs[k]);
  }
  ntk_data_destroy(&data);
  unbind(&b);
  return most;
}

static void reads_once(void) {
  static const char plain[] = "{source: npy, inputs: x.npy, labels: y.npy}";
  static const char seeded[] = "{source: npy, inputs: x.npy, labels: y.npy, seed: 3}";
  static const char other[] = "{source: npy, inputs: y.npy, labels: y.npy}";
  ntk_data_cache cache = {0};

  EXPECT(largest(plain, &cache) == 121);
  cache.held[0].raw.train_inputs[5] = 1000;
  EXPECT(largest(seeded, &cache) == 1000);    /* other settings, same source */
  EXPECT(largest(grid_yaml, &cache) < 1000);  /* a generated source leaves the cache alone */
  EXPECT(largest(plain, &cache) == 1000);
  EXPECT(largest(other, &cache) == 1);        /* another source */
  EXPECT(largest(plain, &cache) == 1000);     /* both are held */
  EXPECT(cache.count == 2);
  write_numbers(-5000.0);
  EXPECT(largest(plain, &cache) == -4879);    /* other contents of the same size */
  ntk_data_cache_destroy(&cache);
  EXPECT(ntk_memory_balance() == 0);
}

static void add_source(ntk_data_cache *cache, int number, int64_t bytes) {
  char key[NTK_KEY_SIZE];

  (void)snprintf(key, sizeof(key), "%032d", number);
  ntk_raw *raw = ntk_data_cache_add(cache, key);

  raw->shape = (ntk_shape){.rank = 1, .size = {1}};
  raw->train_count = bytes;
  EXPECT_OK(ntk_new_unset((size_t)bytes, 1, &raw->train_bytes));
  EXPECT(ntk_raw_bytes(raw) == bytes);
  ntk_data_cache_trim(cache);
}

/* So many sources, and so many bytes; what was not asked for longest goes first. */
static void is_bounded(void) {
  const int64_t large = NTK_SOURCES_BYTES / 2;
  ntk_data_cache cache = {0};
  char key[NTK_KEY_SIZE];

  for (int k = 0; k < NTK_MOST_SOURCES + 3; ++k) add_source(&cache, k, 1);
  EXPECT(cache.count == NTK_MOST_SOURCES);
  (void)snprintf(key, sizeof(key), "%032d", 2);
  EXPECT(!ntk_data_cache_find(&cache, key));
  (void)snprintf(key, sizeof(key), "%032d", 3);
  EXPECT(ntk_data_cache_find(&cache, key) == &cache.held[0].raw);
  add_source(&cache, 100, large);
  add_source(&cache, 101, large);
  EXPECT(cache.count == 2 && cache.held[1].raw.train_count == large);
  add_source(&cache, 102, large + 1);
  EXPECT(cache.count == 1);
  add_source(&cache, 103, 2 * large + 1); /* the latest stays, however large */
  EXPECT(cache.count == 1 && cache.held[0].raw.train_count == 2 * large + 1);
  ntk_data_cache_destroy(&cache);
  EXPECT(ntk_memory_balance() == 0);
}

/* What was told of data is told again by their key, while there is room. */
static void remembers_probes(void) {
  ntk_data_cache cache = {0};
  const ntk_probed *probed = NULL;
  char key[NTK_KEY_SIZE];
  bound b;

  bind_valid("{source: npy, inputs: x.npy, labels: y.npy, train: {count: 6}}", &b);
  for (int k = 0; k <= NTK_MOST_PROBED; ++k) {
    (void)snprintf(key, sizeof(key), "%032d", k);
    EXPECT_OK(ntk_data_probe_by_key(&b.settings, key, &cache, &probed));
    EXPECT(probed->data.train.count == 6 && probed->source_bytes == COUNT * 16);
  }
  b.settings.train.count = 5;
  EXPECT_OK(ntk_data_probe_by_key(&b.settings, key, &cache, &probed));
  EXPECT(probed->data.train.count == 6);
  EXPECT_OK(ntk_data_probe_by_key(&b.settings, "", &cache, &probed));
  EXPECT(probed->data.train.count == 5);
  (void)snprintf(key, sizeof(key), "%032d", 0); /* gave way */
  EXPECT_OK(ntk_data_probe_by_key(&b.settings, key, &cache, &probed));
  EXPECT(probed->data.train.count == 5);
  ntk_data_cache_destroy(&cache);
  unbind(&b);
}

/* Files that are no more what they were when the job was read. */
static void refuses_change(void) {
  ntk_data_cache cache = {0};
  ntk_data data;
  bound b;

  write_numbers(0);
  bind_valid("{source: npy, inputs: x.npy, labels: y.npy}", &b);
  EXPECT_OK(ntk_data_source_key(&b.settings, b.settings.source_key));
  EXPECT_OK(ntk_data_load(&b.settings, &cache, &data));
  ntk_data_destroy(&data);
  write_numbers(7);
  EXPECT_OK(ntk_data_load(&b.settings, &cache, &data)); /* held */
  ntk_data_destroy(&data);
  ntk_data_cache_destroy(&cache);
  EXPECT_REFUSED(ntk_data_load(&b.settings, &cache, &data), NTK_E_INPUT,
                 "files of data.source npy have changed since the job began");
  EXPECT(cache.count == 0);
  unbind(&b);
}

/* What fails is not held; the rest is. */
static void failure_is_dropped(void) {
  ntk_data_cache cache = {0};
  ntk_data data;
  bound b;

  (void)largest(npy_yaml, &cache);
  bind_valid("{source: npy, inputs: nowhere, labels: y.npy}", &b);
  EXPECT_STATUS(ntk_data_load(&b.settings, &cache, &data), NTK_E_MISSING);
  EXPECT(cache.count == 1 && cache.held[0].raw.train_inputs);
  (void)largest(npy_yaml, &cache);
  ntk_data_cache_destroy(&cache);
  unbind(&b);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  note_handles();
  const int descriptor = dup(0);

  EXPECT(descriptor >= 0 && close(descriptor) == 0);
  folder_create();
  write_numbers(0);
  write_idx_files();
  write_hdf5();
  reads_once();
  is_bounded();
  remembers_probes();
  refuses_change();
  failure_is_dropped();
  load_faults(npy_yaml, 10);
  load_faults(four_yaml, 10);
  load_faults(idx_yaml, 10);
  load_faults(hdf5_yaml, 10);
  load_faults(folder_yaml, 10);
  load_faults(grid_yaml, 10);
  load_faults(gaussian_yaml, 10);
  expect_no_handles();
  EXPECT(dup(0) == descriptor); /* the lowest number that is free: no file is open */
  folder_destroy();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
