/* room.h -- how much a point writes to disk; private to cost.c. */
#ifndef NTK_RUN_ROOM_H
#define NTK_RUN_ROOM_H

#include "ntk/run/cost.h"

/* What the files of a point depend on, beside its settings. */
typedef struct ntk_room_shape {
  int64_t n, m, rows, test_rows, outputs; /* m, test_rows: of the test and the validation set */
  int64_t parameters, tensors, trainable; /* of the network; 0: none */
  bool network;
} ntk_room_shape;

/* Local.  results_bytes, own_bytes, shared_bytes and stage_bytes of the cost: upper bounds, but for
 * texts of unusual length.  What the files need beside numbers counts, too: small ones hold little
 * else, and big arrays begin at whole MiB. */
void ntk_room_of(const ntk_point *point, const ntk_room_shape *shape, ntk_point_cost *cost);

#endif
