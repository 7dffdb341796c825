/* record.h -- a group of labelled arrays in memory: what an analysis returns, what a results
 * group, a weights file or a merged sweep consists of.  The counterpart of an xarray.Dataset.
 *
 * A record owns its variables and attributes.  Names are at most NTK_NAME_SIZE - 1 characters;
 * a variable of a nested HDF5 group is named "group/name". */
#ifndef NTK_BASE_RECORD_H
#define NTK_BASE_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "ntk/base/error.h"

enum { NTK_NAME_SIZE = 96, NTK_MAX_RANK = 12 };

typedef enum ntk_kind {
  NTK_KIND_REAL,   /* double */
  NTK_KIND_SINGLE, /* float */
  NTK_KIND_INT,    /* int64_t */
  NTK_KIND_FLAG,   /* int8_t, 0 or 1 */
  NTK_KIND_TEXT    /* char *, each owned (ntk_free), UTF-8; NULL until set: reads as "" */
} ntk_kind;

/* Local.  Bytes of one entry in memory. */
size_t ntk_kind_size(ntk_kind kind);

typedef struct ntk_variable {
  char name[NTK_NAME_SIZE];
  ntk_kind kind;
  int rank;                              /* 0: a scalar */
  char dimension[NTK_MAX_RANK][NTK_NAME_SIZE];
  int64_t size[NTK_MAX_RANK];
  int64_t count;                         /* product of the sizes */
  void *data;                            /* owned, row-major */
  char long_name[160], units[32];        /* units: "1" where none */
  char source[64];                       /* number in MATH.md, "" if none */
} ntk_variable;

typedef struct ntk_attribute {
  char name[NTK_NAME_SIZE];
  ntk_kind kind; /* REAL, INT or TEXT; a scalar */
  double real;
  int64_t integer;
  char *text; /* owned */
} ntk_attribute;

typedef struct ntk_record {
  char name[NTK_NAME_SIZE]; /* of the group; "" is the root */
  int64_t variable_count, variable_capacity;
  ntk_variable *variables;
  int64_t attribute_count, attribute_capacity;
  ntk_attribute *attributes;
} ntk_record;

/* One row of a table of outputs: names a variable, its dimensions and what it is.
 *   dimensions  names separated by spaces, "" for a scalar, e.g. "time shown output" */
typedef struct ntk_field {
  const char *name, *dimensions, *units, *long_name, *source;
  ntk_kind kind;
} ntk_field;

/* Local.  Adds a zeroed variable of the given sizes (as many as `field` has dimensions).
 *   data  the new variable's array, borrowed; NULL if not wanted
 * A variable whose name equals its only dimension is that dimension's coordinate.  The record has
 * no other variable of that name.  Addresses of variables, not of their data, may change.
 * Fails with NTK_E_MEMORY; NTK_E_INPUT if the name is empty or too long. */
NTK_CHECKED ntk_status ntk_record_add(ntk_record *record, const ntk_field *field,
                                      const int64_t *sizes, void *data);

/* Local.  Adds a scalar. */
NTK_CHECKED ntk_status ntk_record_add_real(ntk_record *record, const ntk_field *field,
                                           double value);
NTK_CHECKED ntk_status ntk_record_add_int(ntk_record *record, const ntk_field *field,
                                          int64_t value);

/* Local.  Sets entry k of a text variable to a copy of `text`.  Fails with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_variable_set_text(ntk_variable *variable, int64_t k, const char *text);

/* Local.  Sets (or replaces) an attribute of the group.  Fails as ntk_record_add does. */
NTK_CHECKED ntk_status ntk_record_set_text(ntk_record *record, const char *name, const char *text);
NTK_CHECKED ntk_status ntk_record_set_real(ntk_record *record, const char *name, double value);
NTK_CHECKED ntk_status ntk_record_set_int(ntk_record *record, const char *name, int64_t value);

/* Local.  Sets in `to` every attribute that `from` has.  Fails with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_record_copy_attributes(const ntk_record *from, ntk_record *to);

/* Local.  NULL if there is none; borrowed. */
ntk_variable *ntk_record_find(const ntk_record *record, const char *name);
const ntk_attribute *ntk_record_find_attribute(const ntk_record *record, const char *name);

/* Local.  Frees the content; idempotent. */
void ntk_record_destroy(ntk_record *record);

#endif
