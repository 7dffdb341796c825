/* Pooling is what its definition says, and its backward pass the derivative of it: for random
 * windows (1 to 5, stride 1 to 3 per axis, all paddings, images of 1 to 9 cells per side) outputs
 * and derivatives are those of plain loops, also where entries are equal (the first is the maximum)
 * and where windows overlap; a mean counts padding or not; windows that would see nothing but
 * padding are refused.  Likewise global pooling and the last position, of images and sequences.
 *
 * Method: a network of a pointwise convolution (of a sequence: dense), the pooling and flatten,
 * with one output per entry; f and delta of the pointwise one against loops. */
//TEST ranks=1
#include "geometry.h"
#include "ntk/model/layer.h"

enum { TRIALS = 240, YAML = 512, ENTRIES = SIDE * SIDE * 3 };

typedef enum kind { MAX, SUM, MEAN, MEAN_PADDED, KINDS } kind;

static const char *const words[] = {"max_pool", "sum_pool", "avg_pool", "avg_pool"};

typedef struct trial {
  kind kind;
  geometry g;
  int64_t before[2], windows[2], samples, outputs, entries;
  test_network t;
  ntk_tape tape;
  double tolerance;
} trial;

/* ---- by plain loops -------------------------------------------------------------------------- */

/* The entries of the image that output o depends on, in row-major order of its window. */
static int64_t entries_of(const trial *p, int64_t o, int64_t list[25]) {
  const geometry *g = &p->g;
  const int64_t c = o % g->in, t = o / g->in % p->windows[1], s = o / g->in / p->windows[1];
  int64_t count = 0;

  for (int64_t u = 0; u < g->kernel[0]; ++u) {
    for (int64_t v = 0; v < g->kernel[1]; ++v) {
      const int64_t entry = seen(g, p->before, s, t, u, v, c);

      if (entry >= 0) list[count++] = entry;
    }
  }
  return count;
}

/* d output / d image, which for these is also how the output follows from the image. */
static void derivative(const trial *p, const double *image, int64_t o, double *row) {
  const double cells = (double)(p->g.kernel[0] * p->g.kernel[1]);
  int64_t list[25], best = 0;
  const int64_t count = entries_of(p, o, list);

  memset(row, 0, (size_t)p->entries * sizeof(*row));
  for (int64_t k = 0; k < count; ++k) {
    if (image[list[k]] > image[list[best]]) best = k;
    if (p->kind == SUM) row[list[k]] += 1;
    if (p->kind == MEAN) row[list[k]] += 1 / (double)count;
    if (p->kind == MEAN_PADDED) row[list[k]] += 1 / cells;
  }
  if (p->kind == MAX) row[list[best]] = 1;
}

static bool sees_nothing(const trial *p) {
  int64_t list[25];

  for (int64_t o = 0; o < p->outputs; ++o) {
    if (entries_of(p, o, list) == 0) return true;
  }
  return false;
}

/* ---- by a network ---------------------------------------------------------------------------- */

static void write_yaml(const trial *p, char yaml[YAML]) {
  char moves[160];

  (void)snprintf(yaml, YAML,
                 "{seed: 5, bias: none, layers: [{conv: {features: %d, kernel: 1}},"
                 " {%s: {window: [%d, %d], %s%s}}, flatten]}",
                 (int)p->g.in, words[p->kind], (int)p->g.kernel[0], (int)p->g.kernel[1],
                 geometry_moves(&p->g, moves),
                 p->kind == MEAN_PADDED ? ", count_padding: true" : "");
}

static void expect_close(const trial *p, const char *what, double got, double wanted) {
  char yaml[YAML];

  if (fabs(got - wanted) <= p->tolerance) return;
  write_yaml(p, yaml);
  FAIL("%s: %.17g, not %.17g; %d x %d: %s", what, got, wanted, (int)p->g.side[0], (int)p->g.side[1],
       yaml);
}

/* Sample i against what its delta says: line after line of the derivative. */
static void check_sample(const trial *p, const ntk_factor *f, int64_t i) {
  const ntk_network *network = &p->t.network;
  double image[ENTRIES], row[ENTRIES];

  ntk_array_convert(network->dtype,
                    ntk_array_const_at(network->dtype, p->tape.value[1], i * p->entries),
                    NTK_DOUBLE, image, p->entries);
  for (int64_t o = 0; o < p->outputs; ++o) {
    double wanted = 0;

    derivative(p, image, o, row);
    for (int64_t e = 0; e < p->entries; ++e) {
      const int64_t at = (i * p->outputs + o) * p->entries + e;

      wanted += row[e] * image[e];
      expect_close(p, "delta", element(network->dtype, f->delta, at), row[e]);
    }
    expect_close(p, "output",
                 element(network->dtype, p->tape.value[network->layer_count], i * p->outputs + o),
                 wanted);
  }
}

static void check_passes(trial *p, const double *x) {
  const ntk_cotangents full = {.outputs = NTK_OUT_FULL};
  ntk_stream stream = {0};
  ntk_factor factor;
  bool more = false;

  EXPECT_OK(ntk_network_draw(&p->t.settings, &p->t.network));
  EXPECT_OK(ntk_forward(&p->t.network, p->samples, x, &p->tape));
  EXPECT_OK(ntk_stream_begin(&p->tape, &full, &stream));
  EXPECT_OK(ntk_stream_next(&stream, &factor, &more));
  EXPECT(more && !factor.shared && factor.cotangents == p->outputs);
  for (int64_t i = 0; i < p->samples; ++i) check_sample(p, &factor, i);
  ntk_stream_destroy(&stream);
  ntk_tape_destroy(&p->tape);
}

/* Few values, so that many are equal. */
static void fill_inputs(const trial *p, int number, double x[3 * ENTRIES]) {
  for (int64_t k = 0; k < p->samples * p->entries; ++k) {
    const double value = test_value((uint64_t)number, (uint64_t)k);

    x[k] = number % 8 < 4 ? value : floor(2 * value) / 2;
  }
}

static void try_windows(int number, int *refused) {
  trial p = {.kind = (kind)(number % KINDS),
             .g = random_geometry(number / KINDS),
             .samples = 1 + number % 3,
             .tolerance = number % 5 == 4 ? 1e-5 : 1e-14};
  const ntk_shape image = {.rank = 3, .size = {p.g.side[0], p.g.side[1], p.g.in}};
  double x[3 * ENTRIES];
  char yaml[YAML];

  p.g.dilation[0] = p.g.dilation[1] = 1;
  for (int k = 0; k < 2; ++k) p.windows[k] = windows(&p.g, k, &p.before[k]);
  p.outputs = p.windows[0] * p.windows[1] * p.g.in;
  p.entries = ntk_shape_count(&image);
  write_yaml(&p, yaml);
  read_settings(yaml, &p.t);
  const ntk_status status =
      ntk_network_create(&p.t.settings, &image, p.outputs > 0 ? p.outputs : 1,
                         number % 5 == 4 ? NTK_SINGLE : NTK_DOUBLE, &p.t.network);

  if (p.outputs == 0 || sees_nothing(&p)) {
    EXPECT_REFUSED(status, NTK_E_CONFIG, p.outputs == 0 ? "does not fit" : "nothing but padding");
    ++*refused;
  } else {
    EXPECT_OK(status);
    fill_inputs(&p, number, x);
    check_passes(&p, x);
  }
  destroy_network(&p.t);
}

/* ---- all positions, the last one ------------------------------------------------------------- */

/* Delta of the layer below is `wanted` of its position, for its own channel. */
static void check_vector(const char *word, const ntk_shape *shape, const double *wanted) {
  const ntk_cotangents full = {.outputs = NTK_OUT_FULL};
  const int64_t c = ntk_shape_channels(shape), entries = ntk_shape_count(shape);
  char yaml[YAML];
  double x[2 * 24];
  test_network t;
  ntk_tape tape;
  ntk_stream stream = {0};
  ntk_factor f;
  bool more = false;

  (void)snprintf(yaml, sizeof(yaml), "{layers: [{dense: {features: %d}}, %s]}", (int)c, word);
  create_network(yaml, shape, c, NTK_DOUBLE, &t);
  EXPECT_OK(ntk_network_draw(&t.settings, &t.network));
  for (int64_t k = 0; k < 2 * entries; ++k) x[k] = test_value(3, (uint64_t)k);
  EXPECT_OK(ntk_forward(&t.network, 2, x, &tape));
  EXPECT_OK(ntk_stream_begin(&tape, &full, &stream));
  EXPECT_OK(ntk_stream_next(&stream, &f, &more));
  EXPECT(more && f.positions * c == entries && f.cotangents == c);
  for (int64_t k = 0; k < 2 * c * entries; ++k) {
    const int64_t o = k / entries % c, e = k % entries;

    EXPECT_NEAR(element(NTK_DOUBLE, f.delta, k), e % c == o ? wanted[e / c] : 0, 1e-15);
  }
  for (int64_t k = 0; k < 2 * c; ++k) {
    double value = 0;

    for (int64_t s = 0; s < f.positions; ++s) {
      value += wanted[s] * element(NTK_DOUBLE, tape.value[1], k / c * entries + s * c + k % c);
    }
    EXPECT_NEAR(element(NTK_DOUBLE, tape.value[2], k), value, 1e-14);
  }
  ntk_stream_destroy(&stream);
  ntk_tape_destroy(&tape);
  destroy_network(&t);
}

static void check_vectors(void) {
  static const ntk_shape image = {.rank = 3, .size = {2, 3, 4}};
  static const ntk_shape tokens = {.rank = 2, .size = {3, 2}};
  static const double ones[] = {1, 1, 1, 1, 1, 1}, last[] = {0, 0, 1};
  const double sixths[] = {1 / 6.0, 1 / 6.0, 1 / 6.0, 1 / 6.0, 1 / 6.0, 1 / 6.0};
  const double thirds[] = {1 / 3.0, 1 / 3.0, 1 / 3.0};

  check_vector("global_sum_pool", &image, ones);
  check_vector("global_avg_pool", &image, sixths);
  check_vector("global_sum_pool", &tokens, ones);
  check_vector("global_avg_pool", &tokens, thirds);
  check_vector("last_position", &tokens, last);
}

/* NaN is not lost in a maximum, wherever it stands. */
static void check_nan(void) {
  static const ntk_shape image = {.rank = 3, .size = {2, 2, 1}};
  test_network t;
  ntk_tape tape;

  create_network("{bias: none, layers: [{max_pool: {window: 2}}, flatten, {dense: {features: 1}}]}",
                 &image, 1, NTK_DOUBLE, &t);
  EXPECT_OK(ntk_network_draw(&t.settings, &t.network));
  for (int k = 0; k < 4; ++k) {
    double x[4] = {1, 2, 3, 4};

    x[k] = NAN;
    EXPECT_STATUS(ntk_forward(&t.network, 1, x, &tape), NTK_E_NUMERIC);
  }
  destroy_network(&t);
}

int main(int argc, char **argv) {
  int refused = 0;

  begin_test(&argc, &argv);
  for (int number = 0; number < TRIALS; ++number) try_windows(number, &refused);
  EXPECT(refused > TRIALS / 20 && refused < TRIALS / 3);
  check_vectors();
  check_nan();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
