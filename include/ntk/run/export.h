/* export.h -- an HDF5 file as tables in CSV.
 *
 * A table is made of the variables of one group that have the same dimensions: a row for each
 * entry, the last dimension fastest; the coordinates lead, a dimension without coordinate counts
 * from 0.  Scalars of a group are a table of one row.  A table is named after its group ("/" is
 * ".", the root is the file's name) and its dimensions: "dynamics.width.seed.time". */
#ifndef NTK_RUN_EXPORT_H
#define NTK_RUN_EXPORT_H

#include "ntk/base/error.h"
#include "ntk/base/text.h"

/* Local.  Writes the tables; large arrays go through memory in panels.
 *   group   NULL: all tables; else a group with those in it, "/" for the root alone, or a table
 *   output  folder for <table>.csv (made if it is not there), "-": the only table on stdout;
 *           NULL: the file's path with _csv for .h5
 *   names   the paths of the files written, one a line, are appended
 * Fails with NTK_E_USAGE (no such group, several tables on stdout), NTK_E_MISSING, NTK_E_INPUT,
 * NTK_E_CREATE, NTK_E_IO, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_export_csv(const char *path, const char *group, const char *output,
                                      ntk_text *names);

#endif
