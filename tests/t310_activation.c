/* Every row of the activation table, with its default options and with others: slope and curvature
 * are the derivatives of the value, both types agree, one array may be source and result, a value
 * does not depend on its place, NaN stays NaN; all are within a few units in the last place of
 * their formula, also where exponentials overflow; and a wrong derivative would be seen.
 *
 * Method: central differences away from kinks; tests/cases/activation.json. */
//TEST ranks=1
#include <float.h>

#include "network.h"

enum { N = 2 * NTK_SAMPLE_PAD };

typedef struct reference {
  const char *name;
  double x, value, slope, curvature;
} reference;

/* A row with its options, as `network.activation` has it. */
typedef struct phi {
  test_network owner;
  const ntk_activation *row;
  const void *options;
} phi;

static void read_activation(const char *spelling, phi *a) {
  char yaml[128];

  (void)snprintf(yaml, sizeof(yaml), "{activation: %s}", spelling);
  read_settings(yaml, &a->owner);
  a->row = (const ntk_activation *)a->owner.settings.activation.row;
  a->options = a->owner.settings.activation.options;
}

static void destroy_activation(phi *a) { destroy_network(&a->owner); }

/* One of the three functions, for doubles. */
typedef struct part {
  const char *name;
  ntk_map_fn *f;
  const void *options;
} part;

static part part_of(const phi *a, int k) {
  ntk_map_fn *const parts[] = {a->row->value, a->row->slope, a->row->curvature};

  return (part){a->row->row.name, parts[k], a->options};
}

static void map(const part *p, int64_t n, const double *x, double *y) {
  p->f(p->options, NTK_DOUBLE, n, x, y);
}

/* 128 points on both sides of 0, which is between two of them. */
static void grid(double x[N]) {
  for (int k = 0; k < N; ++k) x[k] = (k - 63.5) / 12.0;
}

/* The largest deviation of `slope` from central differences of f, extrapolated: error h^4. */
static double derivative_error(const part *f, const part *slope) {
  const double h = 2e-4;
  double x[N], below[N], above[N], difference[N] = {0}, got[N], worst = 0;

  grid(x);
  for (int order = 1; order <= 2; ++order) {
    for (int k = 0; k < N; ++k) below[k] = x[k] - order * h, above[k] = x[k] + order * h;
    map(f, N, below, below);
    map(f, N, above, above);
    for (int k = 0; k < N; ++k) {
      difference[k] += (order == 1 ? 4 : -1) / 3.0 * (above[k] - below[k]) / (2 * order * h);
    }
  }
  map(slope, N, x, got);
  for (int k = 0; k < N; ++k) worst = fmax(worst, fabs(got[k] - difference[k]));
  return worst;
}

static void check_derivative(const part *f, const part *slope) {
  const double error = derivative_error(f, slope);

  if (!(error < 1e-10)) FAIL("%s: a derivative is off by %g", f->name, error);
}

/* Singles: the double result for the same number, rounded once (or half a unit off that). */
static void check_types(const part *p) {
  double x[N], y[N], place[N];
  float single[N], result[N];

  grid(x);
  ntk_array_convert(NTK_DOUBLE, x, NTK_SINGLE, single, N);
  ntk_array_convert(NTK_SINGLE, single, NTK_DOUBLE, x, N);
  map(p, N, x, y);
  p->f(p->options, NTK_SINGLE, N, single, result);
  memcpy(place, x, sizeof(place));
  map(p, N, place, place);
  p->f(p->options, NTK_SINGLE, N, single, single);
  EXPECT(same_bits(place, y, sizeof(y)) && same_bits(single, result, sizeof(result)));
  for (int k = 0; k < N; ++k) {
    const double unit = fabs(y[k]) * (double)FLT_EPSILON;

    if (!(fabs((double)result[k] - y[k]) <= unit)) FAIL("%s: single at %g", p->name, x[k]);
  }
}

/* The same numbers in reverse give the same bits: no place is a vector's tail. */
static void check_places(const part *p) {
  double x[N], y[N], back[N];
  float single[N], z[N], reverse[N];

  grid(x);
  for (int k = 0; k < N; ++k) back[k] = x[N - 1 - k];
  ntk_array_convert(NTK_DOUBLE, x, NTK_SINGLE, single, N);
  ntk_array_convert(NTK_DOUBLE, back, NTK_SINGLE, reverse, N);
  map(p, N, x, y);
  map(p, N, back, back);
  p->f(p->options, NTK_SINGLE, N, single, z);
  p->f(p->options, NTK_SINGLE, N, reverse, reverse);
  for (int k = 0; k < N; ++k) {
    EXPECT(same_bits(&y[k], &back[N - 1 - k], sizeof(*y)));
    EXPECT(same_bits(&z[k], &reverse[N - 1 - k], sizeof(*z)));
  }
}

static void check_nan(const part *p) {
  double x[N];
  float single[N];

  for (int k = 0; k < N; ++k) x[k] = k % 3 ? 0.5 : NAN;
  ntk_array_convert(NTK_DOUBLE, x, NTK_SINGLE, single, N);
  map(p, N, x, x);
  p->f(p->options, NTK_SINGLE, N, single, single);
  for (int k = 0; k < N; ++k) {
    if ((k % 3 == 0) != (isnan(x[k]) != 0) || (k % 3 == 0) != (isnan(single[k]) != 0)) {
      FAIL("%s: NaN lost or made", p->name);
    }
  }
}

/* Nothing overflows on the way to a finite number. */
static void check_far(const part *p) {
  double x[NTK_SAMPLE_PAD];

  for (int k = 0; k < NTK_SAMPLE_PAD; ++k) {
    x[k] = (k % 2 ? 1 : -1) * pow(10, 290.0 * k / NTK_SAMPLE_PAD);
  }
  map(p, NTK_SAMPLE_PAD, x, x);
  for (int k = 0; k < NTK_SAMPLE_PAD; ++k) {
    if (!isfinite(x[k])) FAIL("%s: %g far out", p->name, x[k]);
  }
}

/* A smooth row has the same slope on both sides of 0. */
static void check_smoothness(const phi *a) {
  const part slope = part_of(a, 1);
  double x[NTK_SAMPLE_PAD];

  for (int k = 0; k < NTK_SAMPLE_PAD; ++k) x[k] = k % 2 ? 1e-9 : -1e-9;
  map(&slope, NTK_SAMPLE_PAD, x, x);
  EXPECT((fabs(x[1] - x[0]) < 1e-6) == a->row->smooth);
}

static void check_row(const char *spelling) {
  phi a;

  read_activation(spelling, &a);
  EXPECT(a.row->row.doc && a.row->row.doc[0]);
  for (int k = 0; k < 3; ++k) {
    const part p = part_of(&a, k), next = part_of(&a, k + 1 < 3 ? k + 1 : k);

    if (k < 2) check_derivative(&p, &next);
    check_types(&p);
    check_places(&p);
    check_nan(&p);
    check_far(&p);
    map(&p, 0, NULL, NULL);
  }
  check_smoothness(&a);
  destroy_activation(&a);
}

static double value_at(const part *p, double at) {
  double x[NTK_SAMPLE_PAD];

  for (int k = 0; k < NTK_SAMPLE_PAD; ++k) x[k] = at;
  map(p, NTK_SAMPLE_PAD, x, x);
  return x[NTK_SAMPLE_PAD - 1];
}

/* Relative, except where a sum passes through 0 or underflows; `condition` is what the rounding of
 * an inner argument may do. */
static void expect_close(const reference *r, double got, double wanted, double scale,
                         double condition) {
  const double tolerance =
      6 * DBL_EPSILON * (fmax(fabs(wanted), scale) + condition) + 100 * 0x1p-1074;

  if (!(fabs(got - wanted) <= tolerance)) {
    FAIL("%s at %.17g: %.17g, not %.17g", r->name, r->x, got, wanted);
  }
}

/* gelu_tanh and rows with options have an inner argument that is rounded. */
static void check_reference(const phi *a, const reference *r) {
  const part value = part_of(a, 0), slope = part_of(a, 1), curvature = part_of(a, 2);
  const bool sums = strstr(r->name, "lu") && !strstr(r->name, "relu") && fabs(r->x) < 4;
  const bool inner = strcmp(r->name, "gelu_tanh") == 0 || r->name[0] == '{';
  const double root = sums || r->name[0] == '{' ? 0.1 : 0, x = inner ? fabs(r->x) : 0;

  expect_close(r, value_at(&value, r->x), r->value, r->name[0] == '{' ? 1 : 0, x * fabs(r->slope));
  expect_close(r, value_at(&slope, r->x), r->slope, root, x * fabs(r->curvature));
  expect_close(r, value_at(&curvature, r->x), r->curvature, root,
               x * (1 + x * x) * fabs(r->curvature));
}

static void check_references(void) {
  char *file = json_load("tests/cases/activation.json");
  const char *rows = json_find(file, "expected");
  int count = 0;

  for (const char *child = json_first(rows); child; child = json_next(child), ++count) {
    char name[64];
    const char *points = json_find(rows, json_text(child, sizeof(name), name));
    phi a;

    read_activation(name, &a);
    for (const char *point = json_first(points); point; point = json_next(point)) {
      double v[4];

      EXPECT(json_reals(point, 4, v) == 4);
      check_reference(&a, &(reference){name, v[0], v[1], v[2], v[3]});
    }
    destroy_activation(&a);
    if (name[0] == '{') check_row(name);
  }
  for (int k = 0; ntk_activations[k]; ++k) {
    const char *name = ntk_activations[k]->name;

    if (!json_look(rows, name)) FAIL("no oracle of %s", name);
  }
  EXPECT(count >= 12);
  free(file);
}

/* At a kink the derivatives are 0; far out there is no overflow on the way. */
static void check_kinks(void) {
  static const char *const kinked[] = {"relu", "leaky", "abs"};

  for (int k = 0; k < 3; ++k) {
    phi a;

    read_activation(kinked[k], &a);
    const part value = part_of(&a, 0), slope = part_of(&a, 1);

    EXPECT(value_at(&slope, 0) == 0 && value_at(&slope, -0.0) == 0);
    EXPECT(value_at(&slope, 0x1p-1074) == 1 && value_at(&slope, -0x1p-1074) < 1);
    EXPECT(value_at(&value, INFINITY) == INFINITY && !isnan(value_at(&value, -INFINITY)));
    destroy_activation(&a);
  }
}

static void wrong_slope(const void *options, ntk_dtype dtype, int64_t n, const void *x, void *y) {
  (void)options;
  NTK_ASSERT(dtype == NTK_DOUBLE);
  for (int64_t k = 0; k < n; ++k) ((double *)y)[k] = 1.0001 * cos(((const double *)x)[k]);
}

/* The check of derivatives can fail. */
static void check_mutant(void) {
  phi a;

  read_activation("sin", &a);
  const part value = part_of(&a, 0), right = part_of(&a, 1), wrong = {"", wrong_slope, NULL};

  EXPECT(derivative_error(&value, &right) < 1e-10 && derivative_error(&value, &wrong) > 1e-5);
  destroy_activation(&a);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  for (int k = 0; ntk_activations[k]; ++k) check_row(ntk_activations[k]->name);
  check_references();
  check_kinks();
  check_mutant();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
