#include "ntk/run/show.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ntk/base/memory.h"

enum { WIDEST = 24 }; /* column of an axis */

/* ---- amounts ----------------------------------------------------------------------------------- */

void ntk_show_scaled(char text[NTK_SHOW_TEXT], double amount, const char *unit, double step) {
  static const char *const decimal[] = {"", "k", "M", "G", "T", "P", "E"};
  static const char *const binary[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
  const char *const *prefix = step > 1000 ? binary : decimal;
  int k = 0;

  if (isnan(amount)) {
    (void)snprintf(text, NTK_SHOW_TEXT, "?");
    return;
  }
  for (; amount >= 0.9995 * step && k < 6; ++k) amount /= step;
  (void)snprintf(text, NTK_SHOW_TEXT, amount < 999.5 ? "%.3g %s%s" : "%.0f %s%s", amount, prefix[k], unit);
}

void ntk_show_flops(char text[NTK_SHOW_TEXT], double flops) { ntk_show_scaled(text, flops, "flop", 1000); }

void ntk_show_bytes(char text[NTK_SHOW_TEXT], double bytes) { ntk_show_scaled(text, bytes, "B", 1024); }

void ntk_show_seconds(char text[NTK_SHOW_TEXT], double seconds) {
  static const struct {
    double most, unit;
    const char *name;
  } units[] = {{120, 1, "s"}, {7200, 60, "min"}, {172800, 3600, "h"}, {INFINITY, 86400, "days"}};
  int k = 0;

  if (isnan(seconds)) {
    (void)snprintf(text, NTK_SHOW_TEXT, "?");
    return;
  }
  while (seconds >= units[k].most) ++k;
  (void)snprintf(text, NTK_SHOW_TEXT, seconds < 0.1 ? "%.2f %s" : "%.3g %s", seconds / units[k].unit,
                 units[k].name);
}

/* ---- points ------------------------------------------------------------------------------------ */

static ntk_status add_label(const ntk_sweep *sweep, int64_t number, int64_t k, ntk_text *label) {
  return ntk_axis_label(&sweep->axis[k], ntk_sweep_index(sweep, number, k), label);
}

ntk_status ntk_show_place(const ntk_sweep *sweep, int64_t number, ntk_text *text) {
  for (int64_t k = 0; k < sweep->axis_count; ++k) {
    NTK_TRY(ntk_text_add(text, " %s=", sweep->axis[k].name));
    NTK_TRY(add_label(sweep, number, k, text));
  }
  return NTK_OK;
}

static ntk_status widest_label(const ntk_axis *axis, int *width) {
  *width = (int)strlen(axis->name);
  for (int64_t k = 0; k < axis->count; ++k) {
    ntk_text label = {0};

    const ntk_status status = ntk_axis_label(axis, k, &label);
    if ((int)label.length > *width) *width = (int)label.length;
    ntk_text_destroy(&label);
    NTK_TRY(status);
  }
  if (*width > WIDEST) *width = WIDEST;
  return NTK_OK;
}

static ntk_status find_widths(const ntk_sweep *sweep, int *width) {
  for (int64_t k = 0; k < sweep->axis_count; ++k) {
    NTK_TRY(widest_label(&sweep->axis[k], &width[k]));
  }
  return NTK_OK;
}

ntk_status ntk_show_widths(const ntk_sweep *sweep, int **width) {
  NTK_TRY(NTK_NEW(sweep->axis_count, width));
  const ntk_status status = find_widths(sweep, *width);

  if (status != NTK_OK) ntk_free(width);
  return status;
}

ntk_status ntk_show_heads(const ntk_sweep *sweep, const int *width, ntk_text *text) {
  for (int64_t k = 0; k < sweep->axis_count; ++k) {
    NTK_TRY(ntk_text_add(text, k + 1 < sweep->axis_count ? "  %-*s" : "  %.*s", width[k],
                         sweep->axis[k].name));
  }
  return ntk_text_add(text, "\n");
}

static ntk_status add_cell(const ntk_sweep *sweep, int64_t number, int64_t k, int width,
                           ntk_text *text) {
  ntk_text label = {0};
  ntk_status status = add_label(sweep, number, k, &label);

  if (status == NTK_OK) {
    status = ntk_text_add(text, "  %-*s", width, ntk_text_string(&label));
  }
  ntk_text_destroy(&label);
  return status;
}

/* No blanks at the end of lines. */
ntk_status ntk_show_cells(const ntk_sweep *sweep, int64_t number, const int *width,
                          ntk_text *text) {
  for (int64_t k = 0; k < sweep->axis_count; ++k) {
    NTK_TRY(add_cell(sweep, number, k, width[k], text));
  }
  while (text->length > 0 && text->data[text->length - 1] == ' ') {
    text->data[--text->length] = '\0';
  }
  return ntk_text_add(text, "\n");
}
