/* differences.h -- forward and backward belong together, for any network and every mode of the
 * kernel: moving the parameters along J^T v moves the outputs by Theta v (MATH N.2), and moving
 * them along any w by J w.  The first is what kernels are about; but it does not see a gradient
 * that is not there at all, the tensor seeming to be a constant. */
#ifndef NTK_TESTS_DIFFERENCES_H
#define NTK_TESTS_DIFFERENCES_H

#include "network.h"

enum { DIFFERENCE_ROWS = 32 }; /* samples times outputs, at the most */

/* A network of doubles with inputs [n][...], and its Jacobian. */
typedef struct differentiated {
  const ntk_network *network;
  int64_t n, rows, columns; /* rows: n times the outputs */
  const double *x;
  double *jacobian;  /* [rows][columns], without the rate */
  double *direction; /* [columns] rate J^T u */
} differentiated;

static inline void differentiate(const ntk_network *network, int64_t n, const double *x,
                                 differentiated *d) {
  ntk_tape tape;

  *d = (differentiated){network, n, n * network->outputs, column_count(network), x, NULL, NULL};
  EXPECT(d->rows <= DIFFERENCE_ROWS && network->dtype == NTK_DOUBLE);
  EXPECT_OK(ntk_forward(network, n, x, &tape));
  d->jacobian = jacobian(network, &tape);
  ntk_tape_destroy(&tape);
  d->direction = calloc((size_t)d->columns + 1, sizeof(*d->direction));
  EXPECT(d->direction);
}

static inline void forget_derivatives(differentiated *d) {
  free(d->jacobian);
  free(d->direction);
}

static inline double length_of(int64_t n, const double *x) {
  double square = 0;

  for (int64_t k = 0; k < n; ++k) square += x[k] * x[k];
  return sqrt(square);
}

static inline void find_direction(const differentiated *d, const double *u) {
  memset(d->direction, 0, (size_t)d->columns * sizeof(*d->direction));
  for (int64_t k = 0; k < d->rows; ++k) {
    const double *row = d->jacobian + k * d->columns, weight = d->network->rate_scale * u[k];

    for (int64_t p = 0; weight != 0 && p < d->columns; ++p) d->direction[p] += weight * row[p];
  }
}

static inline void move(const differentiated *d, double h) {
  const double *along = d->direction;

  for (int t = 0; t < d->network->tensor_count; ++t) {
    const ntk_tensor *tensor = &d->network->tensor[t];
    double *data = tensor->data;

    for (int64_t k = 0; k < tensor->count; ++k) data[k] += h * *along++;
  }
}

/* f at theta + h direction. */
static inline void outputs_at(const differentiated *d, double h, double *f) {
  ntk_tape tape;

  move(d, h);
  EXPECT_OK(ntk_forward(d->network, d->n, d->x, &tape));
  ntk_tape_output(&tape, f);
  ntk_tape_destroy(&tape);
  move(d, -h);
}

/* J direction from differences, the parameters moving by `step`. */
static inline void differences_along(const differentiated *d, double step, double *out) {
  const double length = length_of(d->columns, d->direction), h = length > 0 ? step / length : step;
  double ahead[DIFFERENCE_ROWS] = {0}, behind[DIFFERENCE_ROWS] = {0};

  outputs_at(d, h, ahead);
  outputs_at(d, -h, behind);
  for (int64_t k = 0; k < d->rows; ++k) out[k] = (ahead[k] - behind[k]) / (2 * h);
}

/* rate J J^T u; u and out [n][O]. */
static inline void differences(const differentiated *d, double step, const double *u, double *out) {
  find_direction(d, u);
  differences_along(d, step, out);
}

/* out = weight sum_o c_o (rate J J^T (c v))_o, v and out [n]; added to what is there. */
static inline void differences_of(const differentiated *d, double step, const double *c,
                                  const double *v, double weight, double *out) {
  const int64_t o = d->network->outputs;
  double u[DIFFERENCE_ROWS] = {0}, all[DIFFERENCE_ROWS] = {0};

  for (int64_t k = 0; k < d->rows; ++k) u[k] = c[k % o] * v[k / o];
  differences(d, step, u, all);
  for (int64_t k = 0; k < d->rows; ++k) out[k / o] += weight * c[k % o] * all[k];
}

/* Theta v of a mode of the kernel, from differences. */
static inline void mode_differences(const differentiated *d, const ntk_cotangents *mode,
                                    double step, const double *v, double out[DIFFERENCE_ROWS]) {
  const int64_t o = d->network->outputs;
  const bool mean = mode->outputs == NTK_OUT_MEAN, trace = mode->outputs == NTK_OUT_TRACE;

  memset(out, 0, DIFFERENCE_ROWS * sizeof(*out));
  if (mode->outputs == NTK_OUT_FULL) {
    differences(d, step, v, out);
    return;
  }
  for (int64_t k = 0; k < (mean || trace ? o : 1); ++k) {
    double c[DIFFERENCE_ROWS] = {0};

    c[mode->outputs == NTK_OUT_SINGLE ? mode->single : k] = 1;
    for (int64_t j = 0; mode->outputs == NTK_OUT_PSEUDO && j < o; ++j) c[j] = 1 / sqrt((double)o);
    differences_of(d, step, c, v, mean ? 1 / (double)o : 1, out);
  }
}

/* ---- how far off ----------------------------------------------------------------------------- */

/* What is to come out, by the factors; `across`: J w, else Theta v. */
typedef struct expectation {
  bool across;
  ntk_cotangents mode;
  int64_t rows;
  double v[DIFFERENCE_ROWS], wanted[DIFFERENCE_ROWS];
} expectation;

static inline void expect_theta(const differentiated *d, uint64_t seed, expectation *e) {
  double theta[DIFFERENCE_ROWS * DIFFERENCE_ROWS] = {0};

  e->rows = d->n * ntk_cotangent_rows(&e->mode, d->network->outputs);
  for (int64_t k = 0; k < e->rows; ++k) e->v[k] = test_value(seed, 300 + (uint64_t)k);
  plain_kernel(d->network, &e->mode, d->n, d->x, d->n, d->x, theta);
  for (int64_t k = 0; k < e->rows * e->rows; ++k) {
    e->wanted[k / e->rows] += theta[k] * e->v[k % e->rows];
  }
}

/* A random w of all that is trained. */
static inline void expect_across(const differentiated *d, uint64_t seed, expectation *e) {
  double *along = d->direction;

  e->rows = d->rows;
  for (int t = 0; t < d->network->tensor_count; ++t) {
    const ntk_tensor *tensor = &d->network->tensor[t];

    for (int64_t k = 0; k < tensor->count; ++k, ++along) {
      *along = tensor->trainable ? test_value(seed + 1, (uint64_t)(along - d->direction)) : 0;
    }
  }
  for (int64_t k = 0; k < d->rows; ++k) {
    const double *row = d->jacobian + k * d->columns;

    for (int64_t p = 0; p < d->columns; ++p) e->wanted[k] += row[p] * d->direction[p];
  }
}

/* |differences - wanted| / |wanted|; 0 where both vanish.  The step is that which does best of
 * those that move the parameters by 1e-4, 1e-5, 1e-6; one that keeps within `enough` ends the
 * search. */
static inline double deviation_from(const differentiated *d, const expectation *e, double enough) {
  static const double steps[] = {1e-5, 1e-6, 1e-4};
  const double length = length_of(e->rows, e->wanted);
  double got[DIFFERENCE_ROWS] = {0}, best = INFINITY;

  for (int s = 0; s < 3 && !(best <= enough * length); ++s) {
    if (e->across) {
      differences_along(d, steps[s], got);
    } else {
      mode_differences(d, &e->mode, steps[s], e->v, got);
    }
    for (int64_t k = 0; k < e->rows; ++k) got[k] -= e->wanted[k];
    best = fmin(best, length_of(e->rows, got));
  }
  return best == 0 ? 0 : best / length;
}

/* The larger deviation of the two, for random v and w. */
static inline double deviation(const ntk_network *network, const ntk_cotangents *mode, int64_t n,
                               const double *x, uint64_t seed, double enough) {
  expectation across = {.across = true}, theta = {.mode = *mode};
  differentiated d;

  differentiate(network, n, x, &d);
  expect_across(&d, seed, &across);
  const double one = deviation_from(&d, &across, enough);

  expect_theta(&d, seed, &theta);
  const double other = deviation_from(&d, &theta, enough);

  forget_derivatives(&d);
  return fmax(one, other);
}

#endif
