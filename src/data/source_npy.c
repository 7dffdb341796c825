/* numpy's .npy files, versions 1 to 3: magic, length, a Python dictionary as text, data. */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ntk/data/source.h"

enum { HEADER_LIMIT = 65536 };

/* Text behind `'key':`; NULL if the dictionary has no such key. */
static const char *value_of(const char *header, const char *key) {
  const char *at = strstr(header, key);

  if (!at) return NULL;
  at += strlen(key);
  while (*at == ' ') ++at;
  if (*at++ != ':') return NULL;
  while (*at == ' ') ++at;
  return at;
}

static bool known_element(char kind, int size) {
  if (kind == 'f') return size == 4 || size == 8;
  if (kind == 'b') return size == 1;
  return (kind == 'i' || kind == 'u') && (size == 1 || size == 2 || size == 4 || size == 8);
}

/* '<f8', '|u1', '>i4' */
static ntk_status parse_element(const char *path, const char *descr, ntk_element *element) {
  const char order = descr && *descr == '\'' ? descr[1] : '\0';
  const bool ordered = order != '\0' && strchr("<>|=", order);

  NTK_CHECK(ordered && descr[2] != '\0' && isdigit((unsigned char)descr[3]) && descr[4] == '\'' &&
                known_element(descr[2], descr[3] - '0'),
            NTK_E_INPUT, "%s: dtype %.*s is not supported; use f4, f8, i1 to i8, u1 to u8 or bool",
            path, descr ? (int)strcspn(descr, ",}") : 4, descr ? descr : "none");
  element->kind = descr[2];
  element->size = descr[3] - '0';
  element->big = order == '>' || (order == '=' && ntk_element_host_big());
  return NTK_OK;
}

/* Of a tuple, as far as a message shows it, without what is behind it. */
static int shown_length(const char *tuple) {
  const size_t length = strcspn(tuple, ")") + 1;

  return (int)strnlen(tuple, length < 40 ? length : 40);
}

/* (60000, 28, 28) or (5,) */
static ntk_status parse_shape(const char *path, const char *shape, ntk_table *table) {
  const char *at = shape && *shape == '(' ? shape + 1 : "";
  char *end = NULL;

  while (isdigit((unsigned char)*at) && table->rank < NTK_TABLE_RANK) {
    table->size[table->rank++] = (int64_t)strtoll(at, &end, 10);
    at = end + strspn(end, "L");
    at += strspn(at, ", ");
  }
  NTK_CHECK(*at == ')' && table->rank > 0, NTK_E_INPUT,
            "%s: the array's shape is %.*s; 1 to %d dimensions are supported", path,
            shape ? shown_length(shape) : 7, shape ? shape : "missing", NTK_TABLE_RANK);
  return NTK_OK;
}

static ntk_status parse_header(const char *path, const char *header, ntk_table *table,
                               bool *fortran) {
  const char *order = value_of(header, "'fortran_order'");

  NTK_CHECK(header[0] == '{' && order, NTK_E_INPUT, "%s: not a numpy header: %.40s", path, header);
  NTK_TRY(parse_element(path, value_of(header, "'descr'"), &table->element));
  NTK_TRY(parse_shape(path, value_of(header, "'shape'"), table));
  *fortran = strncmp(order, "False", 5) != 0 && table->rank > 1;
  return NTK_OK;
}

/* Bytes of the dictionary, and those before it. */
static ntk_status read_length(const char *path, ntk_gzip *gzip, size_t *length, size_t *before) {
  unsigned char start[8] = {0}, word[4] = {0};

  NTK_TRY(ntk_gzip_read(gzip, start, sizeof(start)));
  NTK_CHECK(memcmp(start, "\x93NUMPY", 6) == 0, NTK_E_INPUT, "%s: not a .npy file%s", path,
            memcmp(start, "PK", 2) == 0
                ? " but an archive, as of numpy.savez; write each array by numpy.save"
                : "");
  NTK_CHECK(start[6] >= 1 && start[6] <= 3, NTK_E_INPUT, "%s: .npy version %d is unknown", path,
            start[6]);
  *before = start[6] == 1 ? 10 : 12;
  NTK_TRY(ntk_gzip_read(gzip, word, *before - sizeof(start)));
  *length = (size_t)word[0] | (size_t)word[1] << 8 | (size_t)word[2] << 16 | (size_t)word[3] << 24;
  NTK_CHECK(*length >= 2 && *length < HEADER_LIMIT, NTK_E_INPUT,
            "%s: a header of %zu bytes is not a numpy header", path, *length);
  return NTK_OK;
}

static ntk_status read_dictionary(const char *path, ntk_gzip *gzip, char *header, ntk_table *table,
                                  ntk_npy_layout *layout) {
  size_t length = 0, before = 0;

  NTK_TRY(read_length(path, gzip, &length, &before));
  NTK_TRY(ntk_gzip_read(gzip, header, length));
  layout->start = (int64_t)(before + length);
  return parse_header(path, header, table, &layout->fortran);
}

ntk_status ntk_npy_header(const char *path, ntk_gzip *gzip, ntk_table *table,
                          ntk_npy_layout *layout) {
  char *header = NULL;

  NTK_TRY(NTK_NEW(HEADER_LIMIT, &header));
  const ntk_status status = read_dictionary(path, gzip, header, table, layout);

  ntk_free(&header);
  return status;
}

static ntk_status read_content(const char *path, ntk_gzip *gzip, ntk_table *table) {
  ntk_npy_layout layout = {0};

  NTK_TRY(ntk_npy_header(path, gzip, table, &layout));
  NTK_CHECK(!layout.fortran, NTK_E_INPUT,
            "%s: the array is in Fortran order; save numpy.ascontiguousarray(array)", path);
  return ntk_table_read(path, gzip, table);
}

ntk_status ntk_table_read_npy(const char *path, const char *name, ntk_table *table) {
  ntk_gzip *gzip = NULL;

  ntk_table_place(table, path, name);
  ntk_status status = ntk_gzip_open(path, &gzip);
  if (status == NTK_OK) status = read_content(path, gzip, table);
  ntk_gzip_close(&gzip);
  return status;
}

static ntk_status read_files(const void *options, ntk_raw *raw) {
  return ntk_paired_read(ntk_table_read_npy, options, raw);
}

const ntk_data_source ntk_source_npy = {
    .row = {.name = "npy",
            .doc = "numpy arrays: integer labels are classes, real ones are targets",
            .options = ntk_paired_options,
            .options_size = sizeof(ntk_paired_files)},
    .read = read_files,
    .check = ntk_paired_check,
};
