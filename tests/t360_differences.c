/* Forward and backward belong together: for random networks, moving the parameters along J^T v
 * moves the outputs by Theta v (MATH N.2), with full outputs, for every activation, and a wrong
 * slope would be seen.
 *
 * Method: J^T v from the factors by plain loops, central differences of the forward pass (steps of
 * 1e-5, so that no unit of these networks crosses its kink). */
//TEST ranks=1
#include "network.h"
#include "ntk/model/layer.h"

enum { NETWORKS = 60, MOST_ROWS = 64 };

typedef struct problem {
  test_network t;
  int64_t n, features, outputs;
  double x[64], v[MOST_ROWS];
  double **direction; /* [tensors]: J^T v */
} problem;

static int pick(uint64_t seed, uint64_t k, int count) {
  return (int)(test_bits(seed, k) % (uint64_t)count);
}

/* A random list of dense and activation layers, up to 8 of them. */
static void random_network(uint64_t seed, problem *p) {
  const int layers = 1 + pick(seed, 0, 7);
  size_t used = 0;
  int kinds = 1;
  char yaml[1024];

  while (ntk_activations[kinds]) ++kinds;
  p->features = 1 + pick(seed, 1, 5);
  p->outputs = 1 + pick(seed, 2, 4);
  p->n = 1 + pick(seed, 3, 4);
  used = (size_t)snprintf(yaml, sizeof(yaml), "{seed: %d, parameterization: %s, layers: [",
                          (int)seed, pick(seed, 4, 2) ? "ntk" : "standard");
  for (int l = 0; l < layers; ++l) {
    const ntk_row *phi = ntk_activations[pick(seed, 20 + (uint64_t)l, kinds)];

    if (pick(seed, 40 + (uint64_t)l, 2)) {
      used += (size_t)snprintf(yaml + used, sizeof(yaml) - used, "{activation: %s}, ", phi->name);
    } else {
      used += (size_t)snprintf(yaml + used, sizeof(yaml) - used,
                               "{dense: {features: %d, bias: %s}}, ",
                               1 + pick(seed, 60 + (uint64_t)l, 20),
                               pick(seed, 80 + (uint64_t)l, 4) ? "true" : "false");
    }
  }
  (void)snprintf(yaml + used, sizeof(yaml) - used, "{dense: {features: outputs}}%s]}",
                 pick(seed, 5, 3) ? "" : ", {activation: tanh}");
  draw_network(yaml, p->features, p->outputs, NTK_DOUBLE, &p->t);
  for (int64_t k = 0; k < p->n * p->features; ++k) p->x[k] = test_value(seed, 100 + (uint64_t)k);
  for (int64_t k = 0; k < p->n * p->outputs; ++k) p->v[k] = test_value(seed, 200 + (uint64_t)k);
}

/* Adds this tensor's part of J^T v: sum over samples and outputs of v a delta. */
static void add_direction(const problem *p, const ntk_factor *f) {
  const ntk_network *network = &p->t.network;
  double *w = p->direction[f->weight - network->tensor];
  double *b = f->bias ? p->direction[f->bias - network->tensor] : NULL;
  const double *a = f->a, *delta = f->delta;

  EXPECT(f->cotangents == p->outputs && f->positions == 1);
  for (int64_t row = 0; row < p->n * p->outputs; ++row) {
    const double *d = delta + (f->shared ? row % p->outputs : row) * f->out;

    for (int64_t k = 0; k < f->in * f->out; ++k) {
      w[k] += p->v[row] * a[row / p->outputs * f->in + k / f->out] * d[k % f->out] *
              f->weight->multiplier;
    }
    for (int64_t q = 0; b && q < f->out; ++q) b[q] += p->v[row] * d[q] * f->bias->multiplier;
  }
}

static void find_direction(problem *p) {
  const ntk_cotangents full = {NTK_OUT_FULL, 0};
  ntk_tape tape;
  ntk_stream stream = {0};
  ntk_factor factor;
  bool more = true;

  EXPECT_OK(ntk_forward(&p->t.network, p->n, p->x, &tape));
  EXPECT_OK(ntk_stream_begin(&tape, &full, &stream));
  for (;;) {
    EXPECT_OK(ntk_stream_next(&stream, &factor, &more));
    if (!more) break;
    add_direction(p, &factor);
  }
  ntk_stream_destroy(&stream);
  ntk_tape_destroy(&tape);
}

/* f at theta + h J^T v. */
static void outputs_at(const problem *p, double h, double *f) {
  const ntk_network *network = &p->t.network;
  ntk_tape tape;

  for (int sign = 1; sign >= -1; sign -= 2) { /* there and back */
    for (int t = 0; t < network->tensor_count; ++t) {
      double *data = network->tensor[t].data;

      for (int64_t k = 0; k < network->tensor[t].count; ++k) {
        data[k] += sign * h * p->direction[t][k];
      }
    }
    if (sign < 0) continue;
    EXPECT_OK(ntk_forward(network, p->n, p->x, &tape));
    ntk_tape_output(&tape, f);
    ntk_tape_destroy(&tape);
  }
}

/* The largest deviation of the differences from Theta v, on the scale of Theta v. */
static double deviation(problem *p) {
  const int64_t rows = p->n * p->outputs;
  const ntk_cotangents full = {NTK_OUT_FULL, 0};
  double theta[MOST_ROWS * MOST_ROWS] = {0}, ahead[MOST_ROWS], behind[MOST_ROWS];
  double worst = 0, scale = 1e-8;
  double norm = 0;

  plain_kernel(&p->t.network, &full, p->n, p->x, p->n, p->x, theta);
  for (int t = 0; t < p->t.network.tensor_count; ++t) {
    for (int64_t k = 0; k < p->t.network.tensor[t].count; ++k) norm += pow(p->direction[t][k], 2);
  }
  const double h = 1e-5 / (1 + sqrt(norm));

  outputs_at(p, h, ahead);
  outputs_at(p, -h, behind);
  for (int64_t i = 0; i < rows; ++i) {
    double product = 0;

    for (int64_t j = 0; j < rows; ++j) product += theta[i * rows + j] * p->v[j];
    scale = fmax(scale, fabs(product));
    worst = fmax(worst, fabs((ahead[i] - behind[i]) / (2 * h) - product));
  }
  return worst / scale;
}

static double check_network(uint64_t seed) {
  problem p = {0};

  random_network(seed, &p);
  p.direction = malloc((size_t)p.t.network.tensor_count * sizeof(*p.direction));
  EXPECT(p.direction);
  for (int t = 0; t < p.t.network.tensor_count; ++t) {
    p.direction[t] = calloc((size_t)p.t.network.tensor[t].count, sizeof(double));
    EXPECT(p.direction[t]);
  }
  find_direction(&p);
  const double worst = deviation(&p);

  for (int t = 0; t < p.t.network.tensor_count; ++t) free(p.direction[t]);
  free(p.direction);
  destroy_network(&p.t);
  return worst;
}

/* ---- a wrong slope is seen ------------------------------------------------------------------- */

static void right_value(ntk_dtype dtype, int64_t n, const void *x, void *y) {
  (void)dtype;
  for (int64_t k = 0; k < n; ++k) ((double *)y)[k] = sin(((const double *)x)[k]);
}

static void right_slope(ntk_dtype dtype, int64_t n, const void *x, void *y) {
  (void)dtype;
  for (int64_t k = 0; k < n; ++k) ((double *)y)[k] = cos(((const double *)x)[k]);
}

static void wrong_slope(ntk_dtype dtype, int64_t n, const void *x, void *y) {
  (void)dtype;
  for (int64_t k = 0; k < n; ++k) ((double *)y)[k] = 1.001 * cos(((const double *)x)[k]);
}

static double deviation_with(ntk_map_fn *slope) {
  const ntk_activation sine = {.row = {.name = "sine"}, .value = right_value, .slope = slope};
  const ntk_shape input = {.rank = 1, .size = {2}};
  problem p = {.n = 3, .features = 2, .outputs = 2};
  double *direction[16];

  read_settings("{depth: 2, width: 7}", &p.t);
  p.t.settings.activation = &sine.row;
  EXPECT_OK(ntk_network_create(&p.t.settings, &input, 2, NTK_DOUBLE, &p.t.network));
  EXPECT_OK(ntk_network_draw(&p.t.settings, &p.t.network));
  for (int k = 0; k < 6; ++k) {
    p.x[k] = test_value(7, (uint64_t)k);
    p.v[k] = test_value(8, (uint64_t)k);
  }
  p.direction = direction;
  for (int t = 0; t < p.t.network.tensor_count; ++t) {
    direction[t] = calloc((size_t)p.t.network.tensor[t].count, sizeof(double));
    EXPECT(direction[t]);
  }
  find_direction(&p);
  const double worst = deviation(&p);

  for (int t = 0; t < p.t.network.tensor_count; ++t) free(direction[t]);
  destroy_network(&p.t);
  return worst;
}

int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  for (uint64_t seed = 0; seed < NETWORKS; ++seed) {
    const double worst = check_network(seed);

    if (!(worst < 1e-7)) FAIL("network %d: off by %g", (int)seed, worst);
  }
  EXPECT(deviation_with(right_slope) < 1e-7);
  EXPECT(deviation_with(wrong_slope) > 1e-5);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
