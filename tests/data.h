/* data.h -- tests of the data floor: a folder of small files, and data: written as YAML. */
#ifndef NTK_TESTS_DATA_H
#define NTK_TESTS_DATA_H

#include <dirent.h>
#include <stdint.h>
#include <unistd.h>
#include <zlib.h>

#include "ntk/data/data.h"
#include "test.h"

static char folder[256]; /* relative paths of data: start here */

static inline void folder_create(void) {
  const char *base = getenv("TMPDIR");

  (void)snprintf(folder, sizeof(folder), "%s/ntk-data-XXXXXX", base ? base : "/tmp");
  EXPECT(mkdtemp(folder));
}

static inline const char *file_path(const char *name) {
  static char path[1024];

  (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
  return path;
}

static inline void folder_destroy(void) {
  DIR *directory = opendir(folder);

  EXPECT(directory);
  for (struct dirent *entry; (entry = readdir(directory));) (void)unlink(file_path(entry->d_name));
  (void)closedir(directory);
  EXPECT(rmdir(folder) == 0);
}

static inline void write_file(const char *name, const void *bytes, size_t length) {
  FILE *file = fopen(file_path(name), "wb");

  EXPECT(file);
  EXPECT(fwrite(bytes, 1, length, file) == length && fclose(file) == 0);
}

static inline void write_gzip(const char *name, const void *bytes, size_t length) {
  gzFile file = gzopen(file_path(name), "wb");

  EXPECT(file);
  EXPECT(gzwrite(file, bytes, (unsigned)length) == (int)length && gzclose(file) == Z_OK);
}

/* Content of a file of the folder; returns its length. */
static inline size_t read_back(const char *name, size_t capacity, unsigned char *bytes) {
  FILE *file = fopen(file_path(name), "rb");

  EXPECT(file);
  const size_t length = fread(bytes, 1, capacity, file);

  EXPECT(length < capacity && fclose(file) == 0);
  return length;
}

/* An IDX file in memory; returns its length. */
static inline size_t idx_bytes(unsigned char *out, int code, int rank, const int64_t *size,
                               const void *data, size_t length) {
  const unsigned char magic[4] = {0, 0, (unsigned char)code, (unsigned char)rank};

  memcpy(out, magic, 4);
  for (int k = 0; k < rank; ++k) {
    for (int b = 0; b < 4; ++b) out[4 + 4 * k + b] = (unsigned char)(size[k] >> (24 - 8 * b));
  }
  if (length > 0) memcpy(out + 4 + 4 * rank, data, length);
  return (size_t)(4 + 4 * rank) + length;
}

/* A .npy file in memory; `shape` as Python writes it. */
static inline size_t npy_bytes(unsigned char *out, int version, const char *descr,
                               const char *order, const char *shape, const void *data,
                               size_t length) {
  const size_t start = version == 1 ? 10 : 12;
  const int text = snprintf((char *)out + start, 200,
                            "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }\n", descr, order,
                            shape);

  memcpy(out, "\x93NUMPY", 6);
  out[6] = (unsigned char)version;
  out[7] = 0;
  memset(out + 8, 0, start - 8);
  out[8] = (unsigned char)text;
  if (length > 0) memcpy(out + start + text, data, length);
  return start + (size_t)text + length;
}

static inline void write_npy(const char *name, const char *descr, const char *shape,
                             const void *data, size_t length) {
  unsigned char bytes[65536];

  EXPECT(length + 256 < sizeof(bytes));
  write_file(name, bytes, npy_bytes(bytes, 1, descr, "False", shape, data, length));
}

/* The bound section and what it lives in. */
typedef struct bound {
  ntk_tree tree;
  ntk_problems problems;
  ntk_data_settings settings;
} bound;

/* Binds the mapping of data:, written as YAML. */
static inline void bind(const char *yaml, bound *b) {
  *b = (bound){0};
  EXPECT_OK(ntk_tree_parse("data.yaml", yaml, &b->tree, &b->problems));
  EXPECT_OK(ntk_option_bind(&ntk_data_section, b->tree.root, "data", folder, &b->tree.arena,
                            &b->settings, &b->problems));
}

static inline void bind_valid(const char *yaml, bound *b) {
  bind(yaml, b);
  if (b->problems.count) FAIL("%s: %s", yaml, ntk_text_string(&b->problems.text));
}

static inline void unbind(bound *b) {
  ntk_problems_destroy(&b->problems);
  ntk_tree_destroy(&b->tree);
}

/* Loads into an empty cache. */
static inline ntk_status load_once(const char *yaml, ntk_data *data) {
  ntk_data_cache cache = {0};
  bound b;

  bind_valid(yaml, &b);
  const ntk_status status = ntk_data_load(&b.settings, &cache, data);

  ntk_data_cache_destroy(&cache);
  unbind(&b);
  return status;
}

static inline void load_valid(const char *yaml, ntk_data *data) {
  EXPECT_OK(load_once(yaml, data));
}

/* A config that says something wrong. */
static inline void refused_config(const char *yaml, const char *part) {
  bound b;

  bind(yaml, &b);
  if (!strstr(ntk_text_string(&b.problems.text), part)) {
    FAIL("%s: no \"%s\" in %s", yaml, part, ntk_text_string(&b.problems.text));
  }
  unbind(&b);
}

static inline ntk_status load_job(void *settings) {
  ntk_data_cache cache = {0};
  ntk_data data;
  const ntk_status status = ntk_data_load(settings, &cache, &data);

  if (status != NTK_OK) EXPECT(!data.train.inputs && !data.train.index && data.features == 0);
  ntk_data_destroy(&data);
  ntk_data_cache_destroy(&cache);
  return status;
}

/* Every check of loading made to fail, at least `least` of them. */
static inline void load_faults(const char *yaml, int least) {
  bound b;

  bind_valid(yaml, &b);
  EXPECT(sweep_faults(load_job, &b.settings) >= least);
  unbind(&b);
}

#endif
