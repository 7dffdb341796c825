/* show.h -- amounts and points of a sweep as people read them, for tables. */
#ifndef NTK_RUN_SHOW_H
#define NTK_RUN_SHOW_H

#include "ntk/base/text.h"
#include "ntk/config/sweep.h"

enum { NTK_SHOW_TEXT = 32 };

/* Local.  "1.23 G<unit>", prefixes by powers of `step`, 1000 or 1024; "?" for NaN. */
void ntk_show_scaled(char text[NTK_SHOW_TEXT], double amount, const char *unit, double step);
void ntk_show_flops(char text[NTK_SHOW_TEXT], double flops);
void ntk_show_bytes(char text[NTK_SHOW_TEXT], double bytes);

/* Local.  "12.3 s", "5 min", "3.1 h", "4 days"; "?" for NaN. */
void ntk_show_seconds(char text[NTK_SHOW_TEXT], double seconds);

/* Local.  Appends " width=64 seed=0". */
NTK_CHECKED ntk_status ntk_show_place(const ntk_sweep *sweep, int64_t number, ntk_text *text);

/* Local.  The last columns of a table of points: one for each axis.
 *   width  [axis_count] of the columns; owned by the caller, ntk_free */
NTK_CHECKED ntk_status ntk_show_widths(const ntk_sweep *sweep, int **width);
NTK_CHECKED ntk_status ntk_show_heads(const ntk_sweep *sweep, const int *width, ntk_text *text);
NTK_CHECKED ntk_status ntk_show_cells(const ntk_sweep *sweep, int64_t number, const int *width,
                                      ntk_text *text);

#endif
