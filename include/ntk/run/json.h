/* json.h -- pieces of JSON, appended to a text. */
#ifndef NTK_RUN_JSON_H
#define NTK_RUN_JSON_H

#include "ntk/base/text.h"
#include "ntk/config/sweep.h"

/* Local.  All fail with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_json_add_string(const char *string, ntk_text *text);

/* Local.  null unless finite. */
NTK_CHECKED ntk_status ntk_json_add_number(double value, ntk_text *text);

/* Local.  `, "name": value` */
NTK_CHECKED ntk_status ntk_json_add_field(const char *name, double value, ntk_text *text);

/* Local.  The values of an axis, or of one of its keys (else NULL), as an array. */
NTK_CHECKED ntk_status ntk_json_add_values(const ntk_axis *axis, const ntk_axis_key *key,
                                           ntk_text *text);

/* Local.  `, "axes": {...}`: where a point of the sweep's grid is. */
NTK_CHECKED ntk_status ntk_json_add_axes(const ntk_sweep *sweep, int64_t number, ntk_text *text);

#endif
