/* group.h -- a record as a group of an open HDF5 file, with dimension scales.  Only store includes
 * this.
 *
 * Every group is a netCDF-4 dataset of its own.  A variable with one dimension of its own name is
 * that dimension's scale; a dimension without such a variable gets a scale without data that is
 * marked as "a netCDF dimension but not a netCDF variable": h5py shows it, xarray and netCDF treat
 * it as a dimension without coordinate, and it takes no room. */
#ifndef NTK_STORE_GROUP_H
#define NTK_STORE_GROUP_H

#include <hdf5.h>

#include "ntk/base/record.h"
#include "ntk/store/file.h"

/* How variables without data are written: `fill` makes the data of one at a time; without it the
 * space is reserved and left as it is. */
typedef struct ntk_group_filling {
  ntk_variable_fill *fill;
  void *context;
} ntk_group_filling;

/* Local.  Creates the group (nested: with those above) and writes it.
 *   path  of the file, for messages
 * Fails with NTK_E_IO; NTK_E_BUG if a dimension has two sizes, or the name of something else, or
 * stands twice in a variable. */
NTK_CHECKED ntk_status ntk_group_write(hid_t file, const char *path, const ntk_record *record,
                                       const ntk_group_filling *filling);

typedef enum ntk_group_part {
  NTK_GROUP_DATA,   /* everything */
  NTK_GROUP_SHAPES, /* no data; types that are neither numbers nor text are left out */
  NTK_GROUP_KEYS    /* attribute `key` of all groups inside, as attributes with their names */
} ntk_group_part;

/* What is read of a group. */
typedef struct ntk_group_query {
  const char *path;  /* of the file, for messages */
  int64_t file_size; /* bounds every array before it is allocated */
  bool recursive;    /* nested groups too */
  ntk_group_part part;
} ntk_group_query;

/* Local.  Adds the group's variables and attributes to the record.  Fails with NTK_E_INPUT. */
NTK_CHECKED ntk_status ntk_group_read(hid_t group, const ntk_group_query *query,
                                      ntk_record *record);

/* Local.  Adds what NTK_GROUP_KEYS finds for one group, "" being the root.  Fails with
 * NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_group_note_key(ntk_record *keys, const char *group, const char *key);

/* Local.  Shape, kind and text of a dataset; whether the file can hold what the shape claims; the
 * data, after that check.  Fail with NTK_E_INPUT. */
NTK_CHECKED ntk_status ntk_group_describe(hid_t dataset, const ntk_group_query *query,
                                          const char *name, ntk_variable *variable);
NTK_CHECKED ntk_status ntk_group_check_storage(hid_t dataset, const ntk_group_query *query,
                                               const ntk_variable *variable);
NTK_CHECKED ntk_status ntk_group_load(hid_t dataset, const ntk_group_query *query,
                                      ntk_variable *variable);

/* Local.  Creates one file with the newest format that HDF5 1.8 reads. */
NTK_CHECKED ntk_status ntk_group_create_file(const char *path, bool large, hid_t *file);

/* Local.  Flushes and closes a file that was written; also if it fails with NTK_E_IO. */
NTK_CHECKED ntk_status ntk_group_close_file(const char *path, hid_t file);

/* Local.  Opens an examined file for reading. */
NTK_CHECKED ntk_status ntk_group_open_file(const char *path, hid_t *file, int64_t *size);

#endif
