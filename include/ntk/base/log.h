/* log.h -- timed lines on stderr.
 *
 * Under mpirun stderr is never a terminal: whole lines, no carriage returns, no colour.
 * Only the rank that calls ntk_log_enable prints; the others are silent. */
#ifndef NTK_BASE_LOG_H
#define NTK_BASE_LOG_H

#include <stdbool.h>

/* Local.  The clock of the lines starts at the first call. */
void ntk_log_enable(bool enabled);
bool ntk_log_enabled(void);

/* Local.  What the lines from now on are about, on all floors below the caller's: "point 3 of 8",
 * which is copied; NULL: nothing in particular. */
void ntk_log_about(const char *subject);

/* Local.  Prints `[seconds since start] subject: text`. */
void ntk_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Local.  Seconds of a monotonic clock. */
double ntk_now(void);

#endif
