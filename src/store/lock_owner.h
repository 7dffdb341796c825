/* lock_owner.h -- the process that a lock belongs to: what stands in the file, and whether that
 * process is still there. */
#ifndef NTK_SRC_STORE_LOCK_OWNER_H
#define NTK_SRC_STORE_LOCK_OWNER_H

#include <stdbool.h>

#include "ntk/base/hash.h"

enum { NTK_OWNER_WORD = 64, NTK_OWNER_TEXT = 1024 };

typedef struct ntk_owner {
  char host[NTK_OWNER_WORD];
  long process;
  unsigned long long start; /* of the process, in ticks since the boot; 0 if unknown */
  char boot[NTK_OWNER_WORD];      /* id of the boot; "" if unknown */
  char processes[NTK_OWNER_WORD]; /* name space that the process number belongs to */
  char since[32], job[NTK_OWNER_WORD];
  int ranks;
  ntk_key nonce; /* of this lock and no other */
} ntk_owner;

/* Local.  This process, with a new nonce. */
void ntk_owner_self(int ranks, ntk_owner *owner);

/* Local.  As lines "name: value"; returns `text`. */
const char *ntk_owner_print(const ntk_owner *owner, char text[NTK_OWNER_TEXT]);

/* Local.  Reads such lines; false, and a zeroed owner, if there is no host, process or nonce. */
bool ntk_owner_read(const char *text, ntk_owner *owner);

/* Local.  Why the process is gone for certain; NULL if it is there, or out of sight: on another
 * host, or in a container with process numbers of its own. */
const char *ntk_owner_gone(const ntk_owner *owner);

#endif
