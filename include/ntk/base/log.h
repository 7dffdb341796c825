/* log.h -- timed lines on stderr.
 *
 * Under mpirun stderr is never a terminal: whole lines, no carriage returns, no colour.
 * Only the rank that calls ntk_log_enable prints; the others are silent. */
#ifndef NTK_BASE_LOG_H
#define NTK_BASE_LOG_H

#include <stdbool.h>

void ntk_log_enable(bool enabled);

/* Local.  Prints `[seconds since start] text`. */
void ntk_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Local.  Seconds of a monotonic clock. */
double ntk_now(void);

#endif
