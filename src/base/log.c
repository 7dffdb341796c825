#include "ntk/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

static bool printing;
static double start;
static char about[64]; /* "", or "point 3 of 8: " */

double ntk_now(void) {
  struct timespec t;

  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void ntk_log_enable(bool enabled) {
  printing = enabled;
  if (start == 0) start = ntk_now();
}

bool ntk_log_enabled(void) { return printing; }

void ntk_log_about(const char *subject) {
  (void)snprintf(about, sizeof(about), "%s%s", subject ? subject : "", subject ? ": " : "");
}

void ntk_log(const char *format, ...) {
  char line[1024];
  va_list args;

  if (!printing) return;
  va_start(args, format);
  (void)vsnprintf(line, sizeof(line), format, args);
  va_end(args);
  (void)fprintf(stderr, "[%8.2f s] %s%s\n", ntk_now() - start, about, line);
}
