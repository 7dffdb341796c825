#include "room.h"

#include <math.h>
#include <string.h>

#include "ntk/analysis/analysis.h"

/* Of the formats: names, units, meanings and dimensions of variables, each of which takes about as
 * much as 100 numbers. */
enum { FRAME = 16384, GROUP = 16384, TENSOR = 4096, MEBIBYTE = 1 << 20, LARGE = 1 << 16 };

/* The config stands in every file. */
static double frame_bytes(const ntk_point *point) {
  return FRAME + (point->yaml ? 2 * (double)strlen(point->yaml) : 0);
}

/* As store/handle.c places it in a file that grows. */
static double array_bytes(double rows, double cols) {
  const double bytes = 8 * rows * cols;

  return bytes + (bytes >= LARGE ? MEBIBYTE : 0);
}

/* ---- files of a kernel ----------------------------------------------------------------------- */

static double gram_bytes(const ntk_point *point, const ntk_room_shape *s) {
  return frame_bytes(point) + array_bytes((double)s->rows, (double)s->rows);
}

static double test_bytes(const ntk_point *point, const ntk_room_shape *s) {
  const double rows = (double)s->rows, tests = (double)s->test_rows;
  const bool test_test = ntk_kernel_wants_test_test(&point->settings.kernel);

  if (s->test_rows == 0) return 0;
  return frame_bytes(point) + array_bytes(tests, rows) +
         (test_test ? array_bytes(tests, tests) : 0);
}

/* kernel.h5: what belongs to the matrices. */
static double state_bytes(const ntk_point *point, const ntk_room_shape *s) {
  return frame_bytes(point) + 8 * (double)(s->n + s->m) * (3 + (double)s->outputs);
}

static double spectrum_bytes(const ntk_point *point, const ntk_room_shape *s) {
  const double rows = (double)s->rows;
  const bool vectors = ((const ntk_solver *)point->settings.spectrum.solver)->solve != NULL;

  return vectors ? frame_bytes(point) + array_bytes(rows, 1) + array_bytes(rows, rows) : 0;
}

static double parts_bytes(const ntk_point *point, const ntk_room_shape *s) {
  const double rows = (double)s->rows;

  return frame_bytes(point) + (double)s->trainable * (TENSOR + array_bytes(rows, rows));
}

/*   all  that stages write to survive a stop; else those that are kept */
static double matrix_bytes(const ntk_point *point, const ntk_room_shape *s, bool all) {
  const bool kernel = all && s->network;
  const bool gram = kernel || ntk_point_keeps(point, "gram");
  const bool test = kernel || ntk_point_keeps(point, "test_train");
  double bytes = 0;

  if (gram) bytes += gram_bytes(point, s);
  if (test) bytes += test_bytes(point, s);
  if (s->network && (gram || test)) bytes += state_bytes(point, s);
  if (all || ntk_point_keeps(point, "spectrum")) bytes += spectrum_bytes(point, s);
  return bytes;
}

/* ---- files of the point ---------------------------------------------------------------------- */

/* Times of an analysis that hands out predictions. */
static double steps_of(const ntk_choice *choice) {
  const ntk_analysis *analysis = (const ntk_analysis *)choice->row;

  return analysis->steps ? (double)analysis->steps(choice->options) : 0;
}

static double prediction_bytes(const ntk_point *point, const ntk_room_shape *s) {
  const ntk_choices *analyses = &point->settings.analyses;
  const double samples = (double)(s->n + s->m), outputs = (double)s->outputs;
  double bytes = 0;

  for (int64_t k = 0; k < analyses->count; ++k) {
    const double steps = steps_of(&analyses->item[k]);

    if (steps > 0) bytes += GROUP + 8 * samples * (3 + outputs * (steps + 2));
  }
  return bytes;
}

static double weight_bytes(const ntk_room_shape *s) {
  return (double)s->tensors * TENSOR + 8 * (double)s->parameters;
}

static double own_bytes(const ntk_point *point, const ntk_room_shape *s) {
  const double quantities = (double)point->settings.kernel.quantity.count;
  double bytes = 0;

  if (ntk_point_keeps(point, "predictions")) {
    bytes += frame_bytes(point) + quantities * prediction_bytes(point, s);
  }
  if (ntk_point_keeps(point, "weights")) bytes += frame_bytes(point) + weight_bytes(s);
  return bytes;
}

static double analysis_bytes(const ntk_point *point) {
  const ntk_choices *analyses = &point->settings.analyses;
  const double curves = 16;
  double bytes = 0;

  for (int64_t k = 0; k < analyses->count; ++k) {
    if (((const ntk_analysis *)analyses->item[k].row)->to_root) continue;
    bytes += GROUP + 8 * curves * steps_of(&analyses->item[k]);
  }
  return bytes;
}

/* Arrays over samples, rows and modes, the preview, and curves. */
static double results_bytes(const ntk_point *point, const ntk_room_shape *s) {
  const double n = (double)s->n, m = (double)s->m, o = (double)s->outputs;
  const double shown = fmin(n, 128), per_sample = n > 0 ? (double)s->rows / n : 1;
  const double columns = per_sample > 1 ? 1 : o;
  const double data = (n + m) * (3 + o), kernel = (n + m) * (o + 2 * per_sample) + shown * shown;
  const double spectrum = (double)s->rows * (2 + 2 * columns);
  const double quantity = GROUP + 8 * (kernel + spectrum) + analysis_bytes(point);

  return frame_bytes(point) + 0.5 * GROUP + 8 * data +
         quantity * (double)point->settings.kernel.quantity.count;
}

/* ---- together -------------------------------------------------------------------------------- */

void ntk_room_of(const ntk_point *point, const ntk_room_shape *shape, ntk_point_cost *cost) {
  const double quantities = (double)point->settings.kernel.quantity.count;
  const double kept = matrix_bytes(point, shape, false);

  cost->results_bytes = results_bytes(point, shape);
  cost->own_bytes = own_bytes(point, shape);
  cost->shared_bytes = quantities * kept;
  if (ntk_point_keeps(point, "per_layer")) cost->shared_bytes += parts_bytes(point, shape);
  cost->stage_bytes = quantities * (matrix_bytes(point, shape, true) - kept);
}
