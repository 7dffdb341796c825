/* own_folder.h -- a folder for the temporary files of one process, in a folder that many share.
 *
 * It has a name that no other one has or had, and says whose it is (a file `owner`): so what a
 * process leaves that is killed can be told from what another is at work on. */
#ifndef NTK_STORE_OWN_FOLDER_H
#define NTK_STORE_OWN_FOLDER_H

#include "ntk/base/error.h"

/* Local.  Makes "<directory>/.<name>.<32 hex digits>".  Removes folders of that name first whose
 * process is gone, as can be seen on its host; those that nobody can tell anything of go when they
 * are a day old.
 *   path  [NTK_DURABLE_PATH], owned until ntk_own_folder_remove; "" on failure
 * Fails with NTK_E_CREATE, NTK_E_IO. */
NTK_CHECKED ntk_status ntk_own_folder_make(const char *directory, const char *name, char *path);

/* Local.  With all files in it.  "" is fine. */
void ntk_own_folder_remove(const char *path);

#endif
