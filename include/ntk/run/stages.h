/* stages.h -- kernel and spectrum of a point: taken from memory, from the files of an earlier
 * run, or computed; and what becomes of their files.
 *
 * A stage that is predicted to last longer than run.checkpoint_after writes its files while it is
 * computed, so that it survives a stop; a shorter one only those that `output.keep` names.  When
 * the kernel is finished, everything of it but the matrices stands in kernels/<key>/kernel.h5.
 * Files that nobody keeps go when all points of their unit have their results on disk. */
#ifndef NTK_RUN_STAGES_H
#define NTK_RUN_STAGES_H

#include "ntk/dist/grid.h"
#include "ntk/run/job.h"

struct ntk_place;

typedef enum ntk_stage_origin {
  NTK_STAGE_COMPUTED,
  NTK_STAGE_RESUMED, /* computed as far as it was not there */
  NTK_STAGE_LOADED,
  NTK_STAGE_REUSED
} ntk_stage_origin;

/* Kernel and spectrum of the last point, for the next one.  Zero-initialise; destroy. */
typedef struct ntk_stage_cache {
  ntk_key kernel_key, spectrum_key;                /* "": there is none */
  ntk_stage_origin kernel_origin, spectrum_origin; /* for the point at work */
  ntk_kernel kernel;
  ntk_spectrum spectrum;
  ntk_data data;          /* of a kernel from a file */
  char solver_kernel[96]; /* of a spectrum that was loaded */
  ntk_key failed_key;     /* of the kernel or spectrum whose numbers were no good last; "": none, */
  ntk_error failure;      /* and what is said of it */
} ntk_stage_cache;

/* Local.  What is known of a kernel or spectrum that failed stays. */
void ntk_stage_cache_destroy(ntk_stage_cache *cache);

/* What a kernel is computed from beside the settings of its point. */
typedef struct ntk_stage_input {
  const ntk_job *job;
  const ntk_point *point;
  int64_t which;                        /* of the quantities */
  ntk_data *data;                       /* with validation samples behind the test samples */
  const ntk_network *network, *initial; /* as in ntk_kernel_input */
  ntk_features *features;               /* likewise */
  const char *again;                    /* a line for the log if it has to be computed; NULL */
} ntk_stage_input;

/* Collective.  place->stages.kernel, and of a kernel from a file place->stages.data, are those of
 * the point.  Fails as ntk_kernel_compute, with NTK_E_STOPPED at a boundary, and as the functions
 * of checkpoint.h; there is none in the cache then, and what was written stays.  A kernel that is not
 * finite, or a spectrum that is not acceptable, is not computed again for the other points of its
 * unit: they fail as the first one did. */
NTK_CHECKED ntk_status ntk_stage_kernel(const ntk_stage_input *input, struct ntk_place *place);

/* Collective.  place->stages.spectrum is that of the kernel that is there; none (n is 0) where the
 * settings want none.  Fails likewise. */
NTK_CHECKED ntk_status ntk_stage_spectrum(const ntk_stage_input *input, struct ntk_place *place);

/* Collective.  The end of a unit's time at a place, before its lock is released, and the chance to
 * tidy up behind a run that was killed: kernel and spectrum in memory are freed, and if all points
 * of the unit have their results, these are brought to disk, and then files that `output.keep` does
 * not name are removed.
 *   index  [count] of all points of the unit, in job->point
 * Fails with NTK_E_IO. */
NTK_CHECKED ntk_status ntk_unit_end(const ntk_job *job, int64_t count, const int64_t *index,
                                    struct ntk_place *place);

/* Local.  Whether there are files of the point's stages that `output.keep` does not name. */
bool ntk_stage_files_left(const ntk_job *job, const ntk_point *point);

/* Local.  Frees kernel and spectrum in memory unless the point begins with them. */
void ntk_stage_cache_prepare(ntk_stage_cache *cache, const ntk_point *point);

#endif
