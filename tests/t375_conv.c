/* Convolution is what its definition says, and its backward pass is the transpose of it: for random
 * geometries (kernel 1 to 5 and dilation, stride 1 to 3 per axis, all paddings, images of 1 to 9
 * cells per side) outputs, patches and derivatives are those of plain loops, to 1e-13 in double.
 * What does not fit is refused.
 *
 * Method: a network of a pointwise convolution, the convolution and flatten, with one output per
 * entry: f is the convolution, and delta of the pointwise one its matrix.  The loops pad the image,
 * then walk over it. */
//TEST ranks=1
#include "geometry.h"
#include "ntk/model/layer.h"

enum { GEOMETRIES = 160, YAML = 512 };

/* ---- the same by a network ------------------------------------------------------------------- */

static void write_yaml(const geometry *g, bool single, char yaml[YAML]) {
  char moves[160];

  (void)snprintf(yaml, YAML,
                 "{seed: 5, rng: {dtype: %s}, bias: {scale: 0.7, std: 1}, layers: ["
                 "{conv: {name: below, features: %d, kernel: 1, bias: none}},"
                 " {conv: {features: %d, kernel: [%d, %d], dilation: [%d, %d], %s%s}}, flatten]}",
                 single ? "float32" : "float64", (int)g->in, (int)g->out, (int)g->kernel[0],
                 (int)g->kernel[1], (int)g->dilation[0], (int)g->dilation[1],
                 geometry_moves(g, moves), g->biased ? "" : ", bias: none");
}

typedef struct trial {
  geometry g;
  int64_t before[2], windows[2], samples;
  test_network t;
  ntk_tape tape;
  double *matrix; /* [output][entry of the image] of the convolution */
  double tolerance;
} trial;

static int64_t image_entries(const geometry *g) { return g->side[0] * g->side[1] * g->in; }

static int64_t outputs_of(const trial *p) { return p->windows[0] * p->windows[1] * p->g.out; }

/* Output (s, t, q) depends on what its window sees. */
static void fill_matrix(trial *p) {
  const geometry *g = &p->g;
  const ntk_tensor *weight = &p->t.network.tensor[1];
  const int64_t entries = image_entries(g);

  EXPECT(weight->count == g->kernel[0] * g->kernel[1] * g->in * g->out);
  p->matrix = calloc((size_t)(outputs_of(p) * entries), sizeof(double));
  EXPECT(p->matrix);
  for (int64_t o = 0; o < outputs_of(p); ++o) {
    const int64_t q = o % g->out, t = o / g->out % p->windows[1], s = o / g->out / p->windows[1];

    for (int64_t k = 0; k < weight->count / g->out; ++k) {
      const int64_t c = k % g->in, v = k / g->in % g->kernel[1], u = k / g->in / g->kernel[1];
      const int64_t entry = seen(g, p->before, s, t, u, v, c);

      if (entry < 0) continue;
      p->matrix[o * entries + entry] +=
          weight->multiplier * element(p->t.network.dtype, weight->data, k * g->out + q);
    }
  }
}

static void expect_close(const trial *p, const char *what, double got, double wanted,
                         double scale) {
  if (fabs(got - wanted) <= p->tolerance * scale) return;
  char yaml[YAML];

  write_yaml(&p->g, false, yaml);
  FAIL("%s: %.17g, not %.17g; %d x %d: %s", what, got, wanted, (int)p->g.side[0], (int)p->g.side[1],
       yaml);
}

static void check_outputs(const trial *p) {
  const ntk_network *network = &p->t.network;
  const int64_t entries = image_entries(&p->g), outputs = outputs_of(p);
  const ntk_tensor *bias = p->g.biased ? &network->tensor[2] : NULL;

  for (int64_t k = 0; k < p->samples * outputs; ++k) {
    const double got = element(network->dtype, p->tape.value[network->layer_count], k);
    const int64_t o = k % outputs;
    double wanted = bias ? bias->multiplier * element(network->dtype, bias->data, o % p->g.out) : 0;
    double scale = 1 + fabs(wanted);

    for (int64_t e = 0; e < entries; ++e) {
      const double x = element(network->dtype, p->tape.value[1], k / outputs * entries + e);

      wanted += p->matrix[o * entries + e] * x;
      scale += fabs(p->matrix[o * entries + e] * x);
    }
    expect_close(p, "output", got, wanted, scale);
  }
}

/* Row `position` of sample i as the factor says it is formed. */
static void check_patch(const trial *p, const ntk_factor *f, int64_t i, int64_t position) {
  const geometry *g = &p->g;
  const ntk_dtype dtype = p->t.network.dtype;
  double patch[5 * 5 * 3], image[SIDE * SIDE * 3];

  ntk_patches_form(f->patches, dtype, f->a, i * f->positions + position, 1, patch);
  ntk_array_convert(dtype, ntk_array_const_at(dtype, f->a, i * image_entries(g)), NTK_DOUBLE, image,
                    image_entries(g));
  for (int64_t k = 0; k < f->in; ++k) {
    const int64_t c = k % g->in, v = k / g->in % g->kernel[1], u = k / g->in / g->kernel[1];
    const int64_t entry =
        seen(g, p->before, position / p->windows[1], position % p->windows[1], u, v, c);

    EXPECT(element(dtype, patch, k) == (entry < 0 ? 0 : image[entry]));
  }
}

/* Of the convolution: f is what it gives, so delta is the unit matrix.  Of the one below: delta is
 * the matrix. */
static void check_factor(const trial *p, const ntk_factor *f, bool below) {
  const ntk_dtype dtype = p->t.network.dtype;
  const int64_t outputs = outputs_of(p), entries = below ? image_entries(&p->g) : outputs;

  EXPECT(f->cotangents == outputs && f->positions * f->out == entries);
  EXPECT(f->weight == &p->t.network.tensor[below ? 0 : 1] && !f->bias == (below || !p->g.biased));
  EXPECT(!f->patches || f->in == f->patches->window * f->patches->channels);
  for (int64_t k = 0; k < p->samples * outputs * entries; ++k) {
    const int64_t row = k % (outputs * entries);
    const int64_t at = f->shared ? row : k;
    const double wanted = below ? p->matrix[row] : row / entries == row % entries;

    expect_close(p, "delta", element(dtype, f->delta, at), wanted, 10);
  }
  for (int64_t k = 0; !below && f->patches && k < p->samples * f->positions; ++k) {
    check_patch(p, f, k / f->positions, k % f->positions);
  }
}

static void check_factors(const trial *p) {
  const ntk_cotangents full = {.outputs = NTK_OUT_FULL};
  ntk_stream stream = {0};
  ntk_factor factor;
  bool more = false;

  EXPECT_OK(ntk_stream_begin(&p->tape, &full, &stream));
  for (int k = 0; k < 2; ++k) {
    EXPECT_OK(ntk_stream_next(&stream, &factor, &more));
    EXPECT(more);
    check_factor(p, &factor, k == 1);
  }
  EXPECT_OK(ntk_stream_next(&stream, &factor, &more));
  EXPECT(!more);
  ntk_stream_destroy(&stream);
}

static void try_geometry(trial *p, bool single, int *refused) {
  const ntk_shape image = {.rank = 3, .size = {p->g.side[0], p->g.side[1], p->g.in}};
  double x[3 * SIDE * SIDE * 3];
  char yaml[YAML];

  write_yaml(&p->g, single, yaml);
  read_settings(yaml, &p->t);
  for (int k = 0; k < 2; ++k) p->windows[k] = windows(&p->g, k, &p->before[k]);
  if (outputs_of(p) == 0) {
    EXPECT_REFUSED(ntk_network_create(&p->t.settings, &image, 1, NTK_DOUBLE, &p->t.network),
                   NTK_E_CONFIG, "layer 'conv1' (conv): a window of");
    ++*refused;
    return;
  }
  EXPECT_OK(ntk_network_create(&p->t.settings, &image, outputs_of(p),
                               single ? NTK_SINGLE : NTK_DOUBLE, &p->t.network));
  EXPECT_OK(ntk_network_draw(&p->t.settings, &p->t.network));
  for (int64_t k = 0; k < p->samples * image_entries(&p->g); ++k) x[k] = test_value(9, (uint64_t)k);
  EXPECT_OK(ntk_forward(&p->t.network, p->samples, x, &p->tape));
  fill_matrix(p);
  check_outputs(p);
  check_factors(p);
}

static void check_geometries(void) {
  int refused = 0;

  for (int number = 0; number < GEOMETRIES; ++number) {
    const bool single = number % 5 == 4;
    trial p = {.g = random_geometry(number),
               .samples = 1 + number % 3,
               .tolerance = single ? 1e-6 : 4e-15};

    try_geometry(&p, single, &refused);
    free(p.matrix);
    ntk_tape_destroy(&p.tape);
    destroy_network(&p.t);
  }
  EXPECT(refused > GEOMETRIES / 20 && refused < GEOMETRIES / 3);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  check_geometries();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
