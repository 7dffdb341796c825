#include "ntk/run/json.h"

#include <math.h>

#include "ntk/config/scalar.h"

ntk_status ntk_json_add_string(const char *string, ntk_text *text) {
  NTK_TRY(ntk_text_add(text, "\""));
  for (const char *s = string; *s; ++s) {
    const unsigned char c = (unsigned char)*s;

    if (c < 0x20) {
      NTK_TRY(ntk_text_add(text, "\\u%04x", c));
    } else {
      NTK_TRY(ntk_text_add(text, c == '"' || c == '\\' ? "\\%c" : "%c", *s));
    }
  }
  return ntk_text_add(text, "\"");
}

ntk_status ntk_json_add_number(double value, ntk_text *text) {
  char number[NTK_REAL_TEXT];

  if (!isfinite(value)) return ntk_text_add(text, "null");
  return ntk_text_add(text, "%s", ntk_real_text(value, number));
}

/* Value k of an axis, or of one of its keys. */
static ntk_status add_value(const ntk_axis *axis, const ntk_axis_key *key, int64_t k,
                            ntk_text *text) {
  ntk_text label = {0};
  double number = 0;

  if (key ? ntk_axis_key_number(key, k, &number) : ntk_axis_number(axis, k, &number)) {
    return ntk_json_add_number(number, text);
  }
  ntk_status status = key ? ntk_axis_key_label(key, k, &label) : ntk_axis_label(axis, k, &label);

  if (status == NTK_OK) status = ntk_json_add_string(ntk_text_string(&label), text);
  ntk_text_destroy(&label);
  return status;
}

ntk_status ntk_json_add_values(const ntk_axis *axis, const ntk_axis_key *key, ntk_text *text) {
  NTK_TRY(ntk_text_add(text, "["));
  for (int64_t k = 0; k < axis->count; ++k) {
    NTK_TRY(ntk_text_add(text, k ? ", " : ""));
    NTK_TRY(add_value(axis, key, k, text));
  }
  return ntk_text_add(text, "]");
}

ntk_status ntk_json_add_field(const char *name, double value, ntk_text *text) {
  NTK_TRY(ntk_text_add(text, ", \"%s\": ", name));
  return ntk_json_add_number(value, text);
}

ntk_status ntk_json_add_axes(const ntk_sweep *sweep, int64_t number, ntk_text *text) {
  NTK_TRY(ntk_text_add(text, ", \"axes\": {"));
  for (int64_t k = 0; k < sweep->axis_count; ++k) {
    NTK_TRY(ntk_text_add(text, k ? ", " : ""));
    NTK_TRY(ntk_json_add_string(sweep->axis[k].name, text));
    NTK_TRY(ntk_text_add(text, ": "));
    NTK_TRY(add_value(&sweep->axis[k], NULL, ntk_sweep_index(sweep, number, k), text));
  }
  return ntk_text_add(text, "}");
}
