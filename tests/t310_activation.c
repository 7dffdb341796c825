/* Every row of the activation table: slope and curvature are the derivatives of the value, both
 * types agree, one array may be source and result, NaN stays NaN; and the rows that have one are
 * within a few units in the last place of their formula.
 *
 * Method: central differences away from kinks; tests/cases/activation.json. */
//TEST ranks=1
#include "ntk/model/activation.h"

#include <float.h>

#include "json.h"

enum { N = 2 * NTK_SAMPLE_PAD };

typedef struct reference {
  const char *name;
  double x, value, slope, curvature;
} reference;

static const ntk_activation *row(int k) {
  return (const ntk_activation *)ntk_activations[k];
}

/* 128 points on both sides of 0, which is between two of them. */
static void grid(double x[N]) {
  for (int k = 0; k < N; ++k) x[k] = (k - 63.5) / 12.0;
}

static void check_derivative(const char *name, const char *what, ntk_map_fn *f, ntk_map_fn *slope) {
  const double h = 2e-4;
  double x[N], below[N], above[N], difference[N], got[N];

  grid(x);
  for (int k = 0; k < N; ++k) difference[k] = 0;
  for (int order = 1; order <= 2; ++order) { /* extrapolated: error of order h^4 */
    for (int k = 0; k < N; ++k) below[k] = x[k] - order * h, above[k] = x[k] + order * h;
    f(NTK_DOUBLE, N, below, below);
    f(NTK_DOUBLE, N, above, above);
    for (int k = 0; k < N; ++k) {
      difference[k] += (order == 1 ? 4 : -1) / 3.0 * (above[k] - below[k]) / (2 * order * h);
    }
  }
  slope(NTK_DOUBLE, N, x, got);
  for (int k = 0; k < N; ++k) {
    if (!(fabs(got[k] - difference[k]) < 1e-10)) {
      FAIL("%s: %s at %g is %.12g, not %.12g", name, what, x[k], got[k], difference[k]);
    }
  }
}

/* Singles: the double result for the same number, rounded once (or half a unit off that). */
static void check_types(const char *name, ntk_map_fn *f) {
  double x[N], y[N], place[N];
  float single[N], result[N];

  grid(x);
  ntk_array_convert(NTK_DOUBLE, x, NTK_SINGLE, single, N);
  ntk_array_convert(NTK_SINGLE, single, NTK_DOUBLE, x, N);
  f(NTK_DOUBLE, N, x, y);
  f(NTK_SINGLE, N, single, result);
  memcpy(place, x, sizeof(place));
  f(NTK_DOUBLE, N, place, place);
  f(NTK_SINGLE, N, single, single);
  EXPECT(same_bits(place, y, sizeof(y)) && same_bits(single, result, sizeof(result)));
  for (int k = 0; k < N; ++k) {
    const double unit = fabs(y[k]) * (double)FLT_EPSILON;

    if (!(fabs((double)result[k] - y[k]) <= unit)) FAIL("%s: single at %g", name, x[k]);
  }
}

static void check_nan(const char *name, ntk_map_fn *f) {
  double x[N];
  float single[N];

  for (int k = 0; k < N; ++k) x[k] = k % 3 ? 0.5 : NAN;
  ntk_array_convert(NTK_DOUBLE, x, NTK_SINGLE, single, N);
  f(NTK_DOUBLE, N, x, x);
  f(NTK_SINGLE, N, single, single);
  for (int k = 0; k < N; ++k) {
    if ((k % 3 == 0) != (isnan(x[k]) != 0) || (k % 3 == 0) != (isnan(single[k]) != 0)) {
      FAIL("%s: NaN lost or made", name);
    }
  }
}

static void check_row(const ntk_activation *a) {
  ntk_map_fn *const parts[] = {a->value, a->slope, a->curvature};

  EXPECT(a->row.doc && a->row.doc[0]);
  check_derivative(a->row.name, "slope", a->value, a->slope);
  check_derivative(a->row.name, "curvature", a->slope, a->curvature);
  for (int k = 0; k < 3; ++k) {
    check_types(a->row.name, parts[k]);
    check_nan(a->row.name, parts[k]);
    parts[k](NTK_DOUBLE, 0, NULL, NULL);
  }
}

/* A smooth row has the same slope on both sides of every point of the grid around 0. */
static void check_smoothness(const ntk_activation *a) {
  double x[NTK_SAMPLE_PAD];

  for (int k = 0; k < NTK_SAMPLE_PAD; ++k) x[k] = k % 2 ? 1e-9 : -1e-9;
  a->slope(NTK_DOUBLE, NTK_SAMPLE_PAD, x, x);
  EXPECT((fabs(x[1] - x[0]) < 1e-6) == a->smooth);
}

static double value_at(ntk_map_fn *f, double at) {
  double x[NTK_SAMPLE_PAD];

  for (int k = 0; k < NTK_SAMPLE_PAD; ++k) x[k] = at;
  f(NTK_DOUBLE, NTK_SAMPLE_PAD, x, x);
  return x[NTK_SAMPLE_PAD - 1];
}

/* Relative, except where a sum passes through 0 or underflows. */
static void expect_close(const reference *r, double got, double wanted, double scale) {
  const double tolerance = 6 * DBL_EPSILON * fmax(fabs(wanted), scale) + 100 * 0x1p-1074;

  if (!(fabs(got - wanted) <= tolerance)) {
    FAIL("%s at %.17g: %.17g, not %.17g", r->name, r->x, got, wanted);
  }
}

static const ntk_activation *find(const char *name) {
  for (int k = 0; ntk_activations[k]; ++k) {
    if (strcmp(row(k)->row.name, name) == 0) return row(k);
  }
  FAIL("no activation '%s'", name);
}

static void check_reference(const reference *r) {
  const ntk_activation *a = find(r->name);
  const double near_root = strcmp(r->name, "gelu") == 0 && fabs(r->x) < 2 ? 1 : 0;

  expect_close(r, value_at(a->value, r->x), r->value, 0);
  expect_close(r, value_at(a->slope, r->x), r->slope, 0.1 * near_root);
  expect_close(r, value_at(a->curvature, r->x), r->curvature, 0.1 * near_root);
}

static void check_references(void) {
  char *file = json_load("tests/cases/activation.json");
  const char *rows = json_find(file, "expected");

  for (const char *child = json_first(rows); child; child = json_next(child)) {
    char name[32];
    const char *points = json_find(rows, json_text(child, sizeof(name), name));

    for (const char *point = json_first(points); point; point = json_next(point)) {
      double v[4];

      EXPECT(json_reals(point, 4, v) == 4);
      check_reference(&(reference){name, v[0], v[1], v[2], v[3]});
    }
  }
  free(file);
}

/* At the kink the derivatives are 0; far out there is no overflow on the way. */
static void check_relu(void) {
  const ntk_activation *relu = find("relu");

  EXPECT(value_at(relu->slope, 0) == 0 && value_at(relu->slope, -0.0) == 0);
  EXPECT(value_at(relu->slope, 0x1p-1074) == 1 && value_at(relu->slope, -0x1p-1074) == 0);
  EXPECT(value_at(relu->value, -INFINITY) == 0 && value_at(relu->value, INFINITY) == INFINITY);
}

int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  for (int k = 0; ntk_activations[k]; ++k) {
    check_row(row(k));
    check_smoothness(row(k));
  }
  check_references();
  check_relu();
  MPI_Finalize();
  return 0;
}
