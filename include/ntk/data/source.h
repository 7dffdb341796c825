/* source.h -- what the data sources share: reading byte streams and arrays of numbers, turning
 * them into a raw source.
 *
 * Local, all of it.  Only src/data includes this header. */
#ifndef NTK_DATA_SOURCE_H
#define NTK_DATA_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

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

/* Local.  At most `length` bytes; *got is less only at the end of the file. */
NTK_CHECKED ntk_status ntk_gzip_read_some(ntk_gzip *gzip, void *buffer, size_t length,
                                          size_t *got);

/* Local.  Fails with NTK_E_INPUT if anything stands behind the bytes that were read. */
NTK_CHECKED ntk_status ntk_gzip_end(ntk_gzip *gzip);

/* Local.  Idempotent. */
void ntk_gzip_close(ntk_gzip **gzip);

/* Local.  Room for `more` elements of `size` bytes behind `count`; what is there stays.
 *   room     elements there is room for
 *   address  of the pointer, as in ntk_new; elements are not cleared
 * Fails with NTK_E_MEMORY; the array is then unchanged. */
NTK_CHECKED ntk_status ntk_data_grow(size_t size, int64_t count, int64_t more, int64_t *room,
                                     void *address);

/* A text file read line by line, plain or gzip; LF or CR LF; a byte order mark is passed over. */
typedef struct ntk_lines {
  const char *path; /* borrowed */
  char *text;       /* the line, without its end, NUL-terminated; may be changed until the next */
  int64_t length;
  int64_t number;   /* of the line, from 1 */
  ntk_gzip *gzip;
  char *buffer;     /* [room]; [start, held) comes after the line */
  int64_t room, start, held;
  bool ended;
} ntk_lines;

/* Local.  As ntk_gzip_open; needs a close also on failure. */
NTK_CHECKED ntk_status ntk_lines_open(const char *path, ntk_lines *lines);

/* Local.  The next line; *more false: there is none.  Fails with NTK_E_INPUT if it is longer than
 * 16 MiB or holds a NUL byte, as ntk_gzip_read_some, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_lines_next(ntk_lines *lines, bool *more);

void ntk_lines_close(ntk_lines *lines);

typedef struct ntk_number {
  double value;
  bool whole; /* written as an integer that a double holds exactly */
} ntk_number;

/* Local.  A decimal number of `length` characters, behind which stands none of "0-9+-.eE"; false
 * for anything else, NaN, infinity and what overflows. */
bool ntk_number_parse(const char *text, int64_t length, ntk_number *number);

enum { NTK_EXCERPT_TEXT = 44 };

/* Local.  The beginning of a text for a message, unprintable characters as '?'. */
const char *ntk_excerpt(const char *text, int64_t length, char excerpt[NTK_EXCERPT_TEXT]);

/* Samples that arrive one by one, from a text file.  Zero-initialise, set features and columns,
 * append; destroy. */
typedef struct ntk_gathered {
  int64_t samples, features, columns; /* of inputs, of targets */
  double *inputs, *targets;           /* [samples][features], [samples][columns], owned */
  int64_t input_room, target_room;    /* elements */
  bool real;                          /* some target is not written as an integer */
} ntk_gathered;

void ntk_gathered_destroy(ntk_gathered *gathered);

/* Local.  Moves the samples into `raw`.  One column of targets that are all written as integers,
 * in both sets, is labels; others are real targets.
 *   test  without samples if there is no test file; of the same features and columns
 * Fails with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_raw_gather(ntk_gathered *train, ntk_gathered *test, ntk_raw *raw);

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

/* How the array of a .npy file lies in it. */
typedef struct ntk_npy_layout {
  int64_t start; /* byte at which it begins */
  bool fortran;  /* the first index runs fastest */
} ntk_npy_layout;

/* Local.  Reads the header from the front of the file: element, rank and sizes of the table. */
NTK_CHECKED ntk_status ntk_npy_header(const char *path, ntk_gzip *gzip, ntk_table *table,
                                      ntk_npy_layout *layout);

/* Local.  Sets `place`. */
void ntk_table_place(ntk_table *table, const char *path, const char *name);

void ntk_table_destroy(ntk_table *table);

/* The arrays of a source that is read from files.
 *   path  of each array; names: NULL, or the array's name in that file
 * Order: inputs, labels, test inputs, test labels.  No test set: the latter two are NULL. */
typedef struct ntk_raw_files {
  ntk_table_reader *read;
  const char *path[4], *name[4];
  bool tokens; /* inputs are integers that mean themselves: bytes are not divided by 255 */
} ntk_raw_files;

/* Local.  A .npy file. */
ntk_table_reader ntk_table_read_npy;

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

#endif
