#include "ntk/store/lock_set.h"

#include "ntk/base/memory.h"

static ntk_status acquire(const char *directory, int64_t count, const ntk_key *keys, int ranks,
                          ntk_lock_set *set, ntk_lock_holder *holder) {
  NTK_TRY(NTK_NEW(count, &set->lock));
  for (; set->count < count; ++set->count) {
    ntk_lock **lock = &set->lock[set->count];

    NTK_TRY(ntk_lock_acquire(directory, keys[set->count], ranks, lock, holder));
    if (!*lock) return NTK_OK;
  }
  return NTK_OK;
}

ntk_status ntk_lock_set_acquire(const char *directory, int64_t count, const ntk_key *keys,
                                int ranks, ntk_lock_set **set, ntk_lock_holder *holder) {
  *set = NULL;
  NTK_TRY(NTK_NEW(1, set));
  const ntk_status status = acquire(directory, count, keys, ranks, *set, holder);

  if (status != NTK_OK || (*set)->count < count) ntk_lock_set_release(set);
  return status;
}

ntk_status ntk_lock_set_check(const ntk_lock_set *set) {
  for (int64_t k = 0; k < set->count; ++k) NTK_TRY(ntk_lock_check(set->lock[k]));
  return NTK_OK;
}

void ntk_lock_set_release(ntk_lock_set **set) {
  if (!*set) return;
  while ((*set)->count > 0) ntk_lock_release(&(*set)->lock[--(*set)->count]);
  ntk_free(&(*set)->lock);
  ntk_free(set);
}

ntk_status ntk_lock_set_look(const char *directory, int64_t count, const ntk_key *keys,
                             ntk_lock_holder *holder) {
  *holder = (ntk_lock_holder){.state = NTK_LOCK_FREE};
  for (int64_t k = 0; k < count && holder->state != NTK_LOCK_HELD; ++k) {
    ntk_lock_holder one;

    NTK_TRY(ntk_lock_look_closely(&ntk_lock_usual, directory, keys[k], &one));
    if (one.state != NTK_LOCK_FREE) *holder = one;
  }
  return NTK_OK;
}
