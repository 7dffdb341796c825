/* point_summary.h -- the line about a point that is done.  Local. */
#ifndef NTK_RUN_POINT_SUMMARY_H
#define NTK_RUN_POINT_SUMMARY_H

#include "ntk/run/stages.h"

enum { NTK_SUMMARY_TEXT = 512 };

/* One quantity of the point. */
typedef struct ntk_summary_part {
  const char *quantity; /* of further ones; NULL: the first */
  const ntk_kernel *kernel;
  const ntk_spectrum *spectrum; /* NULL: none */
  ntk_stage_origin kernel_origin, spectrum_origin;
  double kernel_seconds, spectrum_seconds; /* of having them, by whatever way */
} ntk_summary_part;

/* Appends what there is to say of it; cut at the end of the text. */
void ntk_summary_add(const ntk_summary_part *part, char text[NTK_SUMMARY_TEXT]);

#endif
