/* event.h -- log.jsonl of a point: one JSON object a line, appended, never rewritten. */
#ifndef NTK_RUN_EVENT_H
#define NTK_RUN_EVENT_H

#include "ntk/base/error.h"

/*   started  a group of ranks has begun with the point
 *   stage    one of its stages is finished: `stage` says which
 *   done     results.h5 and kept files are there
 *   failed   they will not be; `message` says why
 *   stopped  in order (NTK_E_STOPPED): a later run goes on; `message` says what stopped it
 * Rank 0 of the group writes them, the process that holds the unit's lock (store/lock.h). */
typedef struct ntk_event {
  char name[16];     /* "" if there is none */
  char stage[48];    /* of a stage: "kernel", "spectrum", "nngp/kernel", a label, "results"; else "" */
  bool resumed;      /* the stage, or one of those of the point, goes on with what an earlier run left */
  double seconds;    /* of the stage, or of the point so far; wall time */
  char message[512]; /* what went wrong, or what was done */
  int ranks, grid_rows, grid_cols;
  char host[64], time[32]; /* where and when (UTC); filled in on appending */
  long process;
} ntk_event;

/* Local.  Appends a whole line with all of it; behind a line that was cut short a new one begins.
 * Fails with NTK_E_CREATE, NTK_E_IO. */
NTK_CHECKED ntk_status ntk_event_append(const char *path, const ntk_event *event);

/* The end of a log. */
typedef struct ntk_history {
  ntk_event last;  /* the last whole line */
  ntk_event start; /* the last `started`: empty if there is none */
  double kernel_seconds, spectrum_seconds; /* of the stages since then; NaN: one was resumed */
} ntk_history;

/* Local.  Empty events if there is no file or no line.  Fails with NTK_E_IO if it cannot be read. */
NTK_CHECKED ntk_status ntk_event_read(const char *path, ntk_history *history);

/* Local.  Seconds from an event's time until now, by this host's clock; NaN if it is no time. */
double ntk_event_age(const char *time);

#endif
