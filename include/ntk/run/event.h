/* event.h -- log.jsonl of a point: one JSON object a line, appended, never rewritten. */
#ifndef NTK_RUN_EVENT_H
#define NTK_RUN_EVENT_H

#include "ntk/base/error.h"

typedef struct ntk_event {
  char name[16];     /* started | done | failed; "" if there is none */
  double seconds;    /* wall time of the point so far */
  char message[512]; /* what went wrong, or what was done */
  int ranks, grid_rows, grid_cols;
  char host[64], time[32]; /* where and when (UTC); filled in on appending */
  long process;
} ntk_event;

/* Local.  Appends a line with time, host, process, ranks and grid.  Fails with NTK_E_CREATE. */
NTK_CHECKED ntk_status ntk_event_append(const char *path, const ntk_event *event);

/* Local.  The last whole line; an empty event if there is no file or no line. */
NTK_CHECKED ntk_status ntk_event_last(const char *path, ntk_event *event);

/* Local.  Whether the event is a start whose process may still be at work: of another host that is
 * assumed. */
bool ntk_event_is_alive(const ntk_event *event);

#endif
