/* place.h -- where points are computed: a group of ranks with its grid, and what outlives a point
 * there. */
#ifndef NTK_RUN_PLACE_H
#define NTK_RUN_PLACE_H

#include "ntk/base/record.h"
#include "ntk/data/data.h"
#include "ntk/dist/grid.h"
#include "ntk/run/job.h"
#include "ntk/run/schedule.h"
#include "ntk/run/speed.h"
#include "ntk/run/stages.h"
#include "ntk/run/stop.h"
#include "ntk/store/backlog.h"
#include "ntk/store/lock_set.h"

/* Zeroed, with a grid, it will do. */
typedef struct ntk_place {
  const ntk_grid *grid;
  ntk_data_cache cache;     /* rank 0: sources that were read */
  ntk_data data;            /* of the last point, as all ranks have it */
  ntk_key data_key;         /* of that; "": there is none */
  ntk_stage_cache stages;   /* kernel and spectrum of the last point */
  bool resumed;             /* a stage of the point at work goes on with what an earlier run left */
  int64_t later_count;      /* points of the same unit that come after this one here */
  const int64_t *later;     /* their indices in job->point */
  ntk_lock_set *locks;      /* rank 0: of the unit; NULL: none */
  ntk_stop *stop;           /* NULL: nothing stops a point */
  double part_seconds[NTK_PARTS]; /* that kernels and spectra of the unit at work took to compute; NaN:
                               one was half there */
  bool part_computed[NTK_PARTS];  /* one was computed; else they were there, or there are none */
  ntk_speed *speed;         /* predicts stages and learns from them; NULL: nothing is known */
  ntk_backlog *backlog;         /* rank 0: results.h5 joins it instead of being brought to disk at once,
                               and it is synced before a big file is removed; NULL: at once */
  const ntk_record *origin; /* attributes of ntk_provenance_add, on all ranks or none; NULL: they are
                               gathered for every point */
  bool dry;                 /* no file is written (output.keep: []) */
  const char *stage;        /* that the point at work has reached, for the tick; NULL: no point */
  void (*tick)(void *context); /* Local.  Called at every boundary; NULL: nothing */
  void *tick_context;
} ntk_place;

/* Local.  Forgets the data of the last point. */
void ntk_place_forget_data(ntk_place *place);

/* Local.  Frees the place's own: cache, data and stages. */
void ntk_place_destroy(ntk_place *place);

/* Collective.  To be called between panels, stages and points, with everything finished durable or
 * in the backlog.  Fails with NTK_E_STOPPED if the job shall stop, NTK_E_LOST if a lock of the unit
 * is another's now. */
NTK_CHECKED ntk_status ntk_place_boundary(ntk_place *place);

/* Collective.  The same before a step that cannot be interrupted: see ntk_stop_check_before. */
NTK_CHECKED ntk_status ntk_place_boundary_before(ntk_place *place, double seconds,
                                                 const char *what);

#endif
