/* driver.h -- an HDF5 file driver for writing that keeps errors until they are asked for.
 *
 * If a write fails inside of HDF5 1.10, as on a full disk, objects and files can no longer be
 * closed, and the process crashes when the library closes them at exit.  So this driver reports
 * success, writes nothing more after the first failure, and remembers its reason.  Whoever writes
 * a file asks ntk_driver_error before the file is closed, and throws it away if there was one. */
#ifndef NTK_STORE_DRIVER_H
#define NTK_STORE_DRIVER_H

#include <hdf5.h>

#include "ntk/store/handle.h"

/* Local.  Makes `access` open files with this driver. */
NTK_CHECKED ntk_status ntk_driver_set(ntk_handles *held, hid_t access);

/* Local.  errno of the first failure on a file that was opened with it, 0 if there was none. */
int ntk_driver_error(hid_t file);

#endif
