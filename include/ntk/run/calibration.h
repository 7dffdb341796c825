/* calibration.h -- how fast a machine is, measured once by `ntkrun doctor --calibrate` for `plan`.
 *
 * One small YAML file per host, $XDG_CACHE_HOME/ntkrun/<host>.yaml (~/.cache/ntkrun where that is
 * not set), so that a folder shared by a cluster holds its kinds of nodes side by side. */
#ifndef NTK_RUN_CALIBRATION_H
#define NTK_RUN_CALIBRATION_H

#include <stdint.h>

#include "ntk/base/error.h"
#include "ntk/run/speed.h"

typedef struct ntk_calibration {
  char host[64], cpu[128], time[32];     /* UTC, 2026-01-31T12:00:00Z */
  double ranks;                          /* that worked at once */
  double product_double, product_single; /* flop/s of one rank in large products */
  double spectrum_small, spectrum_large; /* flop/s of one rank in pdsyevd, for n as follows */
  double spectrum_small_n, spectrum_large_n;
  double point_seconds; /* that a point takes beside kernel and spectrum */
  double write_rate;    /* byte/s that one process writes and syncs */
} ntk_calibration;

/* Local.  Replaces the record of its host; `path` [4096] tells where it is.
 * Fails with NTK_E_CREATE, NTK_E_IO (no folder to keep it in). */
NTK_CHECKED ntk_status ntk_calibration_write(const ntk_calibration *calibration, char *path);

/* Local.  The record of this host if it has the same processor still; else the latest of a host
 * with this processor; else, where `others` count too, the latest at all: the login node of a
 * cluster plans for others.  What cannot be read is passed over. found  whether there is any */
NTK_CHECKED ntk_status ntk_calibration_find(ntk_calibration *calibration, bool others, bool *found);

/* Local.  Speeds to predict the stages of a point whose kernel has n rows. */
ntk_speed ntk_calibration_speed(const ntk_calibration *calibration, int64_t n);

#endif
