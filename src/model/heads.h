/* heads.h -- attention of one sample from its queries, keys and values, and back (MATH B22);
 * private to this floor.  All products are calls of one shape, so a sample's bits depend on no
 * other. */
#ifndef NTK_MODEL_HEADS_H
#define NTK_MODEL_HEADS_H

#include "ntk/base/array.h"
#include "ntk/config/option.h"

extern const ntk_row *const ntk_attention_mechanisms[];

typedef struct ntk_heads {
  ntk_dtype dtype;
  const ntk_row *mechanism; /* of ntk_attention_mechanisms */
  int64_t tokens, count;    /* T; heads */
  int64_t dim, value_dim;   /* channels of a head's queries and keys; of its values */
  double scale;             /* of the scores Q K^T */
  bool causal;
  /* Room for one head, filled and freed by the calls below. */
  bool *hidden, *seen;   /* [T] keys that nobody sees (padding); that a query sees */
  double *line, *weight; /* [T] */
  void *scores;          /* [T][T] */
} ntk_heads;

/* Local.  The room; fails with NTK_E_MEMORY, then safe to destroy. */
NTK_CHECKED ntk_status ntk_heads_create(ntk_heads *heads);
void ntk_heads_destroy(ntk_heads *heads);

/* Local.  weight [head][T][T], y [T][head][value_dim] from q, k [T][head][dim], v as y. */
void ntk_heads_apply(const ntk_heads *heads, const void *q, const void *k, const void *v,
                     void *weight, void *y);

/* Local.  The derivative by q, k, v from that by y, arrays likewise.  dk NULL: queries are keys, dq
 * is the sum of both. */
void ntk_heads_pull(const ntk_heads *heads, const void *q, const void *k, const void *v,
                    const void *weight, const void *dy, void *dq, void *dk, void *dv);

#endif
