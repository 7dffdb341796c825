/* failures.h -- why points failed: in full for the first of them, in a word for those after it.
 *
 * A file that is broken fails every point of a sweep with one and the same text.  The log of each
 * point keeps it whole, whatever is said here. */
#ifndef NTK_RUN_FAILURES_H
#define NTK_RUN_FAILURES_H

#include "ntk/base/hash.h"

enum { NTK_FAILURES = 32 };

/* The latest reasons that the groups of one rank have given.  Zero-initialise. */
typedef struct ntk_failures {
  int64_t count; /* all that there have been; the k-th is at k % NTK_FAILURES */
  ntk_key reason[NTK_FAILURES];
  int64_t point[NTK_FAILURES]; /* of which it was said first */
  char as[32];
} ntk_failures;

/* Local, on the rank that speaks for its group.  What to say of a point (from 0): its reason, or "as point
 * 1", of which it has been said.  Valid until the next call. */
const char *ntk_failures_say(ntk_failures *failures, int64_t point, const char *reason);

#endif
