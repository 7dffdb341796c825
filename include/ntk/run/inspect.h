/* inspect.h -- an HDF5 file of ntkrun as text for people. */
#ifndef NTK_RUN_INSPECT_H
#define NTK_RUN_INSPECT_H

#include "ntk/base/text.h"

/* Local.  Appends what a file holds: groups, attributes (their first line), variables with
 * dimensions, units, range and meaning.  Of a results folder: its HDF5 files and the groups in
 * them.  Numbers of large arrays are not read.
 * Fails with NTK_E_MISSING, NTK_E_INPUT (not HDF5, damaged), NTK_E_IO, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_inspect_text(const char *path, ntk_text *text);

/* Local.  The same on stdout. */
NTK_CHECKED ntk_status ntk_inspect(const char *path);

#endif
