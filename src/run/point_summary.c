#include "ntk/run/point_summary.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void put(char text[NTK_SUMMARY_TEXT], const char *format, ...) {
  const size_t used = strlen(text);
  va_list args;

  va_start(args, format);
  (void)vsnprintf(text + used, NTK_SUMMARY_TEXT - used, format, args);
  va_end(args);
}

static const char *origin_text(ntk_stage_origin origin) {
  static const char *const texts[] = {[NTK_STAGE_COMPUTED] = "",
                                      [NTK_STAGE_RESUMED] = " (resumed)",
                                      [NTK_STAGE_LOADED] = " (loaded)",
                                      [NTK_STAGE_REUSED] = " (as before)"};

  return texts[origin];
}

static void put_kernel(const ntk_summary_part *p, char text[NTK_SUMMARY_TEXT]) {
  const double speed = p->kernel->seconds > 0 ? 1e-9 * p->kernel->flops / p->kernel->seconds : 0;

  put(text, "kernel %.2f s%s", p->kernel_seconds, origin_text(p->kernel_origin));
  if (p->kernel_origin == NTK_STAGE_COMPUTED && speed >= 0.1) put(text, " (%.1f GF/s)", speed);
}

static void put_spectrum(const ntk_summary_part *p, char text[NTK_SUMMARY_TEXT]) {
  const bool computed = p->spectrum_origin == NTK_STAGE_COMPUTED;

  put(text, ", spectrum %.2f s%s, lambda_max %.4g",
      computed ? p->spectrum->seconds : p->spectrum_seconds, origin_text(p->spectrum_origin),
      p->spectrum->eigenvalue[0]);
}

void ntk_summary_add(const ntk_summary_part *part, char text[NTK_SUMMARY_TEXT]) {
  if (part->quantity) {
    put(text, "; %s: ", part->quantity);
  } else {
    put(text, "n %lld, ", (long long)part->kernel->n);
  }
  put_kernel(part, text);
  if (part->spectrum) put_spectrum(part, text);
}
