/* predictions.h -- points/<id>/predictions.h5: of every training, validation and test sample the targets, the
 * output at initialisation and the predictions at all times, one group for each analysis of
 * training.  Predictions arrive some times at once; nobody holds more of them. */
#ifndef NTK_RUN_PREDICTIONS_H
#define NTK_RUN_PREDICTIONS_H

#include "ntk/analysis/analysis.h"
#include "ntk/run/job.h"
#include "ntk/store/slab.h"

/* Zero-initialise, set; finish or abandon. */
typedef struct ntk_prediction_file {
  const ntk_comm *comm;
  const char *path;         /* borrowed */
  const ntk_data *data;     /* of the samples */
  const ntk_kernel *kernel; /* of the analysis at work */
  const char *config;
  char group[NTK_NAME_SIZE]; /* likewise; */
  const char *key;           /* its stage key */
  int64_t times;             /* its times, without infinity */
  ntk_slab *slab;            /* on rank 0, since the first group */
} ntk_prediction_file;

/* Local.  The two functions that an analysis calls. */
ntk_predictions ntk_prediction_sink(ntk_prediction_file *file);

/* Collective.  Gives the file its name; without any group there is none.  Fails with NTK_E_IO. */
NTK_CHECKED ntk_status ntk_prediction_finish(ntk_prediction_file *file);

/* Local.  Removes what was written and not finished. */
void ntk_prediction_abandon(ntk_prediction_file *file);

#endif
