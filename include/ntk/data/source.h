/* source.h -- what the data sources share: reading byte streams and arrays of numbers, turning
 * them into a raw source, target functions, and the keys that data.seed gives.
 *
 * Local, all of it.  Only src/data includes this header. */
#ifndef NTK_DATA_SOURCE_H
#define NTK_DATA_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "ntk/base/random.h"
#include "ntk/data/data.h"

/* A regular file read from front to back; what is gzip by its content is expanded. */
typedef struct ntk_gzip ntk_gzip;

/* Local.  Fails with NTK_E_MISSING, NTK_E_IO, NTK_E_MEMORY; *gzip may then need a close. */
NTK_CHECKED ntk_status ntk_gzip_open(const char *path, ntk_gzip **gzip);

/* Local.  Bytes that can still come: exact for a plain file, what deflate can at most expand to
 * for a compressed one.  A header that announces more is wrong before anything is allocated. */
int64_t ntk_gzip_limit(const ntk_gzip *gzip);

/* Local.  Exactly `length` bytes.  Fails with NTK_E_INPUT if the file ends before, or if its
 * compressed data are damaged; NTK_E_IO. */
NTK_CHECKED ntk_status ntk_gzip_read(ntk_gzip *gzip, void *buffer, size_t length);

/* Local.  Fails with NTK_E_INPUT if anything stands behind the bytes that were read. */
NTK_CHECKED ntk_status ntk_gzip_end(ntk_gzip *gzip);

/* Local.  Idempotent. */
void ntk_gzip_close(ntk_gzip **gzip);

/* Type of the numbers in a file. */
typedef struct ntk_element {
  char kind; /* 'u' unsigned, 'i' signed, 'f' real, 'b' bool */
  int size;  /* bytes */
  bool big;  /* big-endian */
} ntk_element;

enum { NTK_TABLE_RANK = 1 + NTK_SHAPE_RANK, NTK_PLACE_SIZE = 512 };

/* True on a big-endian machine. */
bool ntk_element_host_big(void);

/* Local.  Elements as doubles; values [n] may be `bytes` itself if an element has 8 bytes. */
void ntk_element_reals(ntk_element element, const unsigned char *bytes, int64_t n,
                       double *values);

/* Local.  Integers (and bools); likewise.  An unsigned one beyond INT64_MAX becomes negative. */
void ntk_element_integers(ntk_element element, const unsigned char *bytes, int64_t n,
                          int64_t *values);

/* One array of numbers as it stands in a file: [size[0]] samples of size[1] x size[2] ... */
typedef struct ntk_table {
  char place[NTK_PLACE_SIZE]; /* "x.npy", "d.h5:/X": for messages */
  ntk_element element;
  int rank;
  int64_t size[NTK_TABLE_RANK];
  unsigned char *bytes; /* row-major, owned */
} ntk_table;

/* Reads one array of a file.  `name` is the array's name where a file has several, else NULL. */
typedef ntk_status ntk_table_reader(const char *path, const char *name, ntk_table *table);

/* Local.  Number of bytes of the array whose element, rank and sizes are set.
 * Fails with NTK_E_INPUT if a size is not positive or the product overflows. */
NTK_CHECKED ntk_status ntk_table_bytes(const ntk_table *table, int64_t *bytes);

/* Local.  Reads the array's content, which must be all that is left of the file.
 * Fails with NTK_E_INPUT if the file is shorter or longer, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_table_read(const char *path, ntk_gzip *gzip, ntk_table *table);

/* Local.  Sets `place`. */
void ntk_table_place(ntk_table *table, const char *path, const char *name);

void ntk_table_destroy(ntk_table *table);

/* The arrays of a source that is read from files.
 *   path  of each array; names: NULL, or the array's name in that file
 * Order: inputs, labels, test inputs, test labels.  No test set: the latter two are NULL. */
typedef struct ntk_raw_files {
  ntk_table_reader *read;
  const char *path[4], *name[4];
} ntk_raw_files;

/* Local.  Reads the arrays into `raw`: bytes stay bytes, other numbers become doubles; labels of
 * integers become classes, labels of reals become targets.
 * Fails with NTK_E_INPUT if inputs and labels differ in count, training and test set in shape or
 * kind, or a value is NaN or infinite; else as the reader. */
NTK_CHECKED ntk_status ntk_raw_read(const ntk_raw_files *files, ntk_raw *raw);

/* Options of a source whose arrays are files of their own. */
typedef struct ntk_paired_files {
  const char *inputs, *labels, *test_inputs, *test_labels;
} ntk_paired_files;

extern const ntk_option ntk_paired_options[];

void ntk_paired_check(const void *options, const ntk_node *node, ntk_problems *problems);

/* Local.  ntk_raw_read of them. */
NTK_CHECKED ntk_status ntk_paired_read(ntk_table_reader *read, const ntk_paired_files *options,
                                       ntk_raw *raw);

/* Local.  Reports one of test_inputs, test_labels without the other. */
void ntk_test_pair_check(const char *test_inputs, const char *test_labels, const ntk_node *node,
                         ntk_problems *problems);

/* A function of the inputs that generated sources use for their targets: f(x) depends on the
 * first coordinate.  To add one: a row in src/data/function.c. */
typedef struct ntk_data_function {
  ntk_row row;
  /* Local.  y [n] from x [n][features]. */
  void (*value)(const void *options, int64_t n, int64_t features, const double *x, double *y);
} ntk_data_function;

extern const ntk_row *const ntk_data_functions[]; /* rows of ntk_data_function; ends with NULL */

/* What data.seed is for: purpose p uses the key fold_in(PRNGKey(data.seed), p), partitionable
 * layout.  The numbers are part of the results: never change one. */
typedef enum ntk_data_draw {
  NTK_DRAW_TRAIN_ORDER,  /* 0: permutation of the training file */
  NTK_DRAW_TEST_ORDER,   /* 1: permutation of the test file */
  NTK_DRAW_TRAIN_INPUTS, /* 2: generated inputs of the training set */
  NTK_DRAW_TEST_INPUTS,  /* 3: generated inputs of the test set */
  NTK_DRAW_TRAIN_NOISE   /* 4: noise of the generated training targets */
} ntk_data_draw;

ntk_rng_key ntk_data_draw_key(int64_t seed, ntk_data_draw purpose);

/* Local.  y += noise_std * N(0, 1), element i of the draw to y[i]; drawn in `dtype`. */
void ntk_data_add_noise(ntk_rng_key key, ntk_dtype dtype, double noise_std, int64_t n, double *y);

/* Local.  Shape, counts and target columns of a generated source.
 * Fails with NTK_E_CONFIG if data.train.count is auto. */
NTK_CHECKED ntk_status ntk_raw_describe(const ntk_data_settings *settings, int64_t dimension,
                                        ntk_raw *raw);

/* Local.  Allocates inputs and targets of a described source. */
NTK_CHECKED ntk_status ntk_raw_allocate(ntk_raw *raw);

extern const ntk_data_source ntk_source_fashion_mnist, ntk_source_idx, ntk_source_npy,
    ntk_source_hdf5, ntk_source_grid, ntk_source_gaussian;

#endif
