/* lock_set.h -- several locks (lock.h) that are had together or not at all. */
#ifndef NTK_STORE_LOCK_SET_H
#define NTK_STORE_LOCK_SET_H

#include <stdint.h>

#include "ntk/base/hash.h"
#include "ntk/store/lock.h"

typedef struct ntk_lock_set {
  int64_t count;
  ntk_lock **lock;
} ntk_lock_set;

/* Local.  Takes all, or none if somebody else has one of them; see ntk_lock_acquire.
 *   keys    [count], in an order that all takers keep
 *   set     NULL: somebody else; owned by the caller, ntk_lock_set_release
 *   holder  who */
NTK_CHECKED ntk_status ntk_lock_set_acquire(const char *directory, int64_t count,
                                            const ntk_key *keys, int ranks, ntk_lock_set **set,
                                            ntk_lock_holder *holder);

/* Local.  Fails with NTK_E_LOST if one is no longer this process' own. */
NTK_CHECKED ntk_status ntk_lock_set_check(const ntk_lock_set *set);

/* Local.  NULL is fine; *set is NULL afterwards. */
void ntk_lock_set_release(ntk_lock_set **set);

/* Local.  Who keeps the set from being taken: the first that holds one; stale or free if nobody.  See
 * ntk_lock_look_closely. */
NTK_CHECKED ntk_status ntk_lock_set_look(const char *directory, int64_t count, const ntk_key *keys,
                                         ntk_lock_holder *holder);

#endif
