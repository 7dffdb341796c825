/* inspect.h -- an HDF5 file of ntkrun as text for people. */
#ifndef NTK_RUN_INSPECT_H
#define NTK_RUN_INSPECT_H

#include "ntk/base/text.h"

/* Local.  Appends what a file holds: groups, dimensions, attributes (their first line), variables
 * with range, units and meaning, in lines of at most 100 characters.  Of a folder: its HDF5 files
 * and the groups in them.  Numbers of large arrays are not read.  What is damaged is named in its
 * place, the rest is shown, and the call fails.
 *   verify  numbers of matrices are read, too, and compared with the hashes of their columns
 * Fails with NTK_E_MISSING, NTK_E_INPUT (not HDF5, damaged), NTK_E_IO, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_inspect_text(const char *path, bool verify, ntk_text *text);

/* Local.  The same on stdout. */
NTK_CHECKED ntk_status ntk_inspect(const char *path, bool verify);

#endif
