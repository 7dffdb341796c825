/* tempo.h -- how fast this machine is taken to be, and what a point will take on it: as calibrated
 * (calibration.h), or guessed from a product of matrices that is measured now. */
#ifndef NTK_RUN_TEMPO_H
#define NTK_RUN_TEMPO_H

#include "ntk/run/calibration.h"
#include "ntk/run/cost.h"
#include "ntk/run/schedule.h"

typedef struct ntk_tempo {
  bool calibrated;
  ntk_calibration calibration; /* if so */
  double product;              /* flop/s of one rank in large products */
} ntk_tempo;

/* Of no machine in particular: for what must be the same on all of them. */
extern const ntk_tempo ntk_tempo_usual;

/* Local.
 *   others  calibrations of other hosts count, too: see ntk_calibration_find
 *   tempo   overwritten
 * Fails with NTK_E_MEMORY, NTK_E_IO. */
NTK_CHECKED ntk_status ntk_tempo_find(bool others, ntk_tempo *tempo);

/* Local.  Speeds of the stages of a point whose kernel has n rows. */
ntk_speed ntk_tempo_speed(const ntk_tempo *tempo, int64_t n);

/* Local.  Seconds of the parts of a point of its own on one rank. */
void ntk_tempo_parts(const ntk_tempo *tempo, const ntk_point_cost *cost, double part[NTK_PARTS]);

#endif
