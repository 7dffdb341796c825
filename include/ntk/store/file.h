/* file.h -- records in HDF5 files: results, weights, merged sweeps, kernels from outside.
 *
 * Serial driver, one process.  Every dimension of a group gets a dimension scale, so
 * xarray.open_dataset(file, group=...) works; a file is written as tmp, seal, fsync, rename.
 *
 * Names: a variable "a/b" of a record belongs to the nested group a; an attribute "a/b" is the
 * attribute b of what stands at a, a group or a variable. */
#ifndef NTK_STORE_FILE_H
#define NTK_STORE_FILE_H

#include "ntk/base/hash.h"
#include "ntk/base/record.h"
#include "ntk/store/backlog.h"

/* Makes the data of a variable whose name, shape and kind are known: allocates variable->data. */
typedef ntk_status ntk_variable_fill(void *context, const ntk_record *record,
                                     ntk_variable *variable);

/* Local.  Replaces `path` by a file with these groups (records[k].name is the group, "" the root;
 * "a/b" a nested one).
 *   keep  NULL, or names that end with NULL: groups (not the root) that are taken over from the
 *         existing file, nested groups included, if it has them and no record has their name
 * Fails with NTK_E_CREATE, NTK_E_IO, NTK_E_MEMORY, and NTK_E_INPUT if a file to keep from is
 * damaged; an existing file is then untouched. */
NTK_CHECKED ntk_status ntk_file_write(const char *path, int64_t count, const ntk_record *records,
                                      const char *const *keep);

/* Local.  As ntk_file_write of a file that is not there yet: it gets its name, and reaches the disk
 * with the backlog. */
NTK_CHECKED ntk_status ntk_file_write_later(const char *path, int64_t count,
                                            const ntk_record *records, ntk_backlog *backlog);

/* Local.  As ntk_file_write, for more than fits in memory: variables without data (NULL) get them
 * from `fill`, one after the other, and lose them again when they are written. */
NTK_CHECKED ntk_status ntk_file_write_filled(const char *path, int64_t count,
                                             const ntk_record *records, ntk_variable_fill *fill,
                                             void *context);

/* Local.  Reads one group with its variables and scalar attributes; group "" is the root.
 * Integers of all sizes become INT (int8 and booleans FLAG); a dimension without scale has the
 * name "".  Seal, superblock and shapes are checked before use.
 *   recursive  variables of nested groups too, named "group/name"
 *   record     empty; its name is set to `group`; empty again on failure
 * Fails with NTK_E_MISSING, NTK_E_INPUT (no such group; a variable that is neither numbers nor
 * text; damaged), NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_file_read(const char *path, const char *group, bool recursive,
                                     ntk_record *record);

/* Local.  Like ntk_file_read, but variables without data (NULL): what is there.  What is neither
 * numbers nor text is left out. */
NTK_CHECKED ntk_status ntk_file_list(const char *path, const char *group, bool recursive,
                                     ntk_record *record);

/* Local.  One variable with data; NTK_E_INPUT if there is none of that name ("group/name"). */
NTK_CHECKED ntk_status ntk_file_read_variable(const char *path, const char *name,
                                              ntk_variable *variable);
void ntk_variable_destroy(ntk_variable *variable);

/* Local.  Fails with NTK_E_INPUT if there is no such variable, or if the bytes stored for it cannot be
 * what its shape claims: to be called before anything of that shape is allocated. */
NTK_CHECKED ntk_status ntk_file_check_variable(const char *path, const char *name);

/* Local.  Adds a variable without data, as `shape` describes it (its data is not looked at).
 *   added  borrowed; may be NULL
 * Fails with NTK_E_MEMORY, NTK_E_INPUT (name). */
NTK_CHECKED ntk_status ntk_record_add_shape(ntk_record *record, const ntk_variable *shape,
                                            ntk_variable **added);

/* Local.  Names of the groups, "a" and nested "a/b", and their stage keys: a record whose attribute <group>
 * is the text of the group's attribute `key`, "" if it has none; the root's own key, if it has one,
 * is the attribute of the name "".  Missing file: an empty record. */
NTK_CHECKED ntk_status ntk_file_keys(const char *path, ntk_record *keys);

/* Local.  Makes a directory and its parents.  Fails with NTK_E_CREATE. */
NTK_CHECKED ntk_status ntk_directory_make(const char *path);

/* Local.  A text file as tmp, fsync, rename; what killed writers of it have left goes.  Fails with
 * NTK_E_CREATE, NTK_E_FULL, NTK_E_IO. */
NTK_CHECKED ntk_status ntk_file_write_text(const char *path, const char *text);

#endif
