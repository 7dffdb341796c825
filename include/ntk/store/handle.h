/* handle.h -- HDF5 identifiers with a lifetime.  Only store includes this.
 *
 * HDF5 keeps a file open while anything of it is.  So every identifier joins a list at its birth,
 * and whoever made the list closes all of it, on success and on failure:
 *
 *   outer:  ntk_handles held = {0};  status = inner(&held, ...);  ntk_handles_close(&held);
 *   inner:  NTK_HOLD(held, space, H5Screate(H5S_SCALAR), NTK_E_IO, "%s: ...", path); */
#ifndef NTK_STORE_HANDLE_H
#define NTK_STORE_HANDLE_H

#include <hdf5.h>
#include <hdf5_hl.h>
#include <stdbool.h>

#include "ntk/base/error.h"
#include "ntk/base/record.h"

enum { NTK_HANDLES = 24, NTK_REASON_SIZE = 600 };

/* Zero-initialise; hold; close. */
typedef struct ntk_handles {
  int count;
  hid_t id[NTK_HANDLES];
} ntk_handles;

/* Local.  Adds an identifier (none if negative) and returns it. */
hid_t ntk_handles_add(ntk_handles *handles, hid_t id);

/* Local.  Closes all, latest first. */
void ntk_handles_close(ntk_handles *handles);

/* What HDF5 says about its latest failure, written into `text` ([NTK_REASON_SIZE]). */
const char *ntk_handles_reason(char *text);

#define NTK_HOLD(held, id, call, status, ...)    \
  do {                                           \
    (id) = ntk_handles_add((held), (call));      \
    NTK_CHECK((id) >= 0, (status), __VA_ARGS__); \
  } while (0)

/* The reason as an argument of a message. */
#define NTK_REASON ntk_handles_reason((char[NTK_REASON_SIZE]){0})

/* Local.  Access properties of every file: newest format that HDF5 1.8 reads, no locks, closing
 * the file closes what is in it; HDF5's own messages are switched off.
 *   large  big arrays start at multiples of 1 MiB */
NTK_CHECKED ntk_status ntk_handles_access(ntk_handles *held, bool large, hid_t *access);

/* Local.  HDF5's type of a kind, in memory and in files of this program. */
hid_t ntk_handles_number(ntk_kind kind);
NTK_CHECKED ntk_status ntk_handles_text(ntk_handles *held, hid_t *type);

/* Local.  Files, groups, datasets, attributes and their types that are still open in this process:
 * the leak test. */
long ntk_handles_open(void);

#endif
