/* A sample's activations, slopes, outputs and deltas have the same bits whatever other samples
 * share the pass and wherever it stands among them: for wide and narrow layers, for all kinds of
 * cotangents.  Duplicate and zero inputs are ordinary; no samples at all give the same sequence
 * of factors.
 *
 * Method: a pass over all samples against passes over selections; memcmp where
 * ntk_blas_reproducible says so, else comparison to rounding. */
//TEST ranks=1
#include <float.h>

#include "network.h"

enum { SAMPLES = 300 };
static const int64_t FEATURES = 40;

static const char mixed[] =
    "{width: 17, layers: [{dense: {features: 500}}, {activation: tanh}, {activation: gelu},"
    " {dense: {features: width}}, {dense: {features: 84}}, {activation: erf},"
    " {dense: {features: outputs}}, {activation: tanh}]}";

static const char *const networks[] = {
    "{depth: 2, width: 10, activation: tanh}",  "{depth: 1, width: 1, activation: erf}",
    "{depth: 3, width: 50, activation: gelu}",  "{depth: 2, width: 130}",
    mixed,
    "{width: 20, layers: [{dense: {features: width}}, {residual: {branch: [{norm: {}}, {activation:"
    " tanh}, {dense: {features: width}}]}}, {repeat: {times: 2, share: true, layers: [{dense:"
    " {features: width}}, {activation: erf}]}}, {dropout: {keep: 0.5, masks: shared}}, {residual:"
    " {skip: [{dense: {features: 7}}], branch: [{dense: {features: 7}}, {batch_norm: {mode: eval}}]}},"
    " {dense: {features: outputs}}]}",
};

static const ntk_cotangents modes[] = {
    {NTK_OUT_FULL, 0}, {NTK_OUT_MEAN, 0}, {NTK_OUT_TRACE, 0}, {NTK_OUT_PSEUDO, 0},
    {NTK_OUT_SINGLE, 2},
};

typedef struct selection {
  int64_t count, first, step;
} selection;

static const selection selections[] = {{1, 0, 1}, {1, 299, 1}, {7, 3, 11}, {64, 64, 1},
                                       {65, 17, 3}, {150, 5, 7}, {0, 0, 1}};

typedef struct pass {
  ntk_tape tape;
  ntk_stream stream;
  ntk_factor factor;
  bool more;
} pass;

static void begin(const ntk_network *network, const ntk_cotangents *mode, int64_t count,
                  const double *x, pass *p) {
  *p = (pass){0};
  EXPECT_OK(ntk_forward(network, count, x, &p->tape));
  EXPECT_OK(ntk_stream_begin(&p->tape, mode, &p->stream));
}

static void end(pass *p) {
  ntk_stream_destroy(&p->stream);
  ntk_tape_destroy(&p->tape);
}

static void compare(ntk_dtype dtype, const char *what, const void *x, int64_t i, const void *y,
                    int64_t j, int64_t n) {
  const size_t size = ntk_dtype_size(dtype);
  const bool single = dtype == NTK_SINGLE;

  if (!x) {
    EXPECT(!y);
    return;
  }
  if (ntk_blas_reproducible(dtype)) {
    if (memcmp((const char *)x + (size_t)(i * n) * size, (const char *)y + (size_t)(j * n) * size,
               (size_t)n * size) != 0) {
      FAIL("%s of sample %d has other bits at place %d", what, (int)j, (int)i);
    }
    return;
  }
  for (int64_t k = 0; k < n; ++k) {
    const double a = element(dtype, x, i * n + k), b = element(dtype, y, j * n + k);

    EXPECT_NEAR(a, b, (single ? 1e4 * FLT_EPSILON : 1e4 * DBL_EPSILON) * (1 + fabs(b)));
  }
}

static void compare_tapes(const ntk_network *network, const pass *part, const pass *whole,
                          const selection *s) {
  for (int64_t k = 0; k < s->count; ++k) {
    const int64_t sample = (s->first + k * s->step) % SAMPLES;

    for (int l = 0; l <= network->layer_count; ++l) {
      const ntk_shape *shape = l ? &network->layer[l - 1].out : &network->input;

      compare(network->dtype, "value", part->tape.value[l], k, whole->tape.value[l], sample,
              ntk_shape_count(shape));
      if (l == network->layer_count) break;
      compare(network->dtype, "slope", part->tape.aux[l], k, whole->tape.aux[l], sample,
              ntk_shape_count(&network->layer[l].out));
    }
  }
}

static void compare_factors(ntk_dtype dtype, const ntk_factor *part, const ntk_factor *whole,
                            const selection *s) {
  const int64_t width = whole->cotangents * whole->positions * whole->out;

  EXPECT(part->weight == whole->weight && part->cotangents == whole->cotangents);
  EXPECT(part->in == whole->in && part->out == whole->out && part->shared == whole->shared);
  if (whole->shared) compare(dtype, "shared delta", part->delta, 0, whole->delta, 0, width);
  for (int64_t k = 0; k < s->count; ++k) {
    const int64_t sample = (s->first + k * s->step) % SAMPLES;

    compare(dtype, "a", part->a, k, whole->a, sample, whole->positions * whole->in);
    if (!whole->shared) compare(dtype, "delta", part->delta, k, whole->delta, sample, width);
  }
}

static void check_selection(const ntk_network *network, const ntk_cotangents *mode, const double *x,
                            const selection *s) {
  double *few = calloc((size_t)(s->count * FEATURES + 1), sizeof(*few));
  pass whole, part;
  int tensors = 0;

  EXPECT(few);
  for (int64_t k = 0; k < s->count; ++k) {
    memcpy(few + k * FEATURES, x + (s->first + k * s->step) % SAMPLES * FEATURES,
           (size_t)FEATURES * sizeof(*few));
  }
  begin(network, mode, SAMPLES, x, &whole);
  begin(network, mode, s->count, few, &part);
  compare_tapes(network, &part, &whole, s);
  for (;;) {
    EXPECT_OK(ntk_stream_next(&whole.stream, &whole.factor, &whole.more));
    EXPECT_OK(ntk_stream_next(&part.stream, &part.factor, &part.more));
    EXPECT(whole.more == part.more);
    if (!whole.more) break;
    compare_factors(network->dtype, &part.factor, &whole.factor, s);
    tensors += (whole.factor.weight != NULL) + (whole.factor.bias != NULL);
  }
  for (int t = 0; t < network->tensor_count; ++t) tensors += !network->tensor[t].trainable;
  EXPECT(tensors == network->tensor_count);
  EXPECT_OK(ntk_stream_next(&part.stream, &part.factor, &part.more));
  EXPECT(!part.more); /* the end stays the end */
  end(&whole);
  end(&part);
  free(few);
}

/* Samples 10 and 200 are equal, sample 20 is zero. */
static void check_duplicates(const ntk_network *network, const double *x) {
  const ntk_cotangents trace = {NTK_OUT_TRACE, 0};
  double f[SAMPLES * 3];
  pass p;

  begin(network, &trace, SAMPLES, x, &p);
  ntk_tape_output(&p.tape, f);
  for (int o = 0; o < 3; ++o) {
    if (ntk_blas_reproducible(network->dtype)) EXPECT(f[10 * 3 + o] == f[200 * 3 + o]);
    EXPECT(isfinite(f[20 * 3 + o]));
  }
  end(&p);
}

static void check_network(const char *yaml, ntk_dtype dtype, const double *x) {
  test_network t;

  draw_network(yaml, FEATURES, 3, dtype, &t);
  for (size_t m = 0; m < sizeof(modes) / sizeof(modes[0]); ++m) {
    for (size_t k = 0; k < sizeof(selections) / sizeof(selections[0]); ++k) {
      check_selection(&t.network, &modes[m], x, &selections[k]);
    }
  }
  check_duplicates(&t.network, x);
  destroy_network(&t);
}

/* A network whose output is not finite says which sample it was. */
static void check_overflow(void) {
  const double x[3] = {1, 1e300, 2};
  const ntk_cotangents beyond = {NTK_OUT_SINGLE, 1};
  ntk_tape tape;
  ntk_stream stream = {0};
  test_network t;

  draw_network("{depth: 1, width: 4, activation: identity, bias: none}", 1, 1, NTK_DOUBLE, &t);
  ((double *)t.network.tensor[0].data)[0] = 1e200;
  EXPECT_REFUSED(ntk_forward(&t.network, 3, x, &tape), NTK_E_NUMERIC, "sample 1");
  EXPECT(!tape.value && !tape.aux);
  EXPECT_OK(ntk_forward(&t.network, 1, x, &tape));
  EXPECT_REFUSED(ntk_stream_begin(&tape, &beyond, &stream), NTK_E_CONFIG, "outputs 0..0");
  ntk_stream_destroy(&stream);
  ntk_tape_destroy(&tape);
  destroy_network(&t);
}

int main(int argc, char **argv) {
  double *x = malloc((size_t)(SAMPLES * FEATURES) * sizeof(*x));

  begin_test(&argc, &argv);
  EXPECT(x);
  for (int k = 0; k < SAMPLES * FEATURES; ++k) x[k] = test_value(1, (uint64_t)k);
  memcpy(x + 200 * FEATURES, x + 10 * FEATURES, (size_t)FEATURES * sizeof(*x));
  memset(x + 20 * FEATURES, 0, (size_t)FEATURES * sizeof(*x));
  for (size_t k = 0; k < sizeof(networks) / sizeof(networks[0]); ++k) {
    check_network(networks[k], NTK_DOUBLE, x);
    check_network(networks[k], NTK_SINGLE, x);
  }
  check_overflow();
  free(x);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
