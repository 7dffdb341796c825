#include "ntk/run/failures.h"

#include <stdio.h>
#include <string.h>

/* The first point with the reason; -1 if it is among none of the latest. */
static int64_t find(const ntk_failures *failures, const ntk_key reason) {
  for (int64_t k = 0; k < failures->count && k < NTK_FAILURES; ++k) {
    if (strcmp(failures->reason[k], reason) == 0) return failures->point[k];
  }
  return -1;
}

const char *ntk_failures_say(ntk_failures *failures, int64_t point, const char *reason) {
  const int64_t next = failures->count % NTK_FAILURES;
  ntk_key key;

  ntk_hash_bytes(reason, strlen(reason), key);
  const int64_t first = find(failures, key);

  if (first == point) return reason;
  if (first >= 0) {
    (void)snprintf(failures->as, sizeof(failures->as), "as point %lld", (long long)first + 1);
    return failures->as;
  }
  memcpy(failures->reason[next], key, sizeof(key));
  failures->point[next] = point;
  ++failures->count;
  return reason;
}
