/* Masks of dropout are functions of seed, layer, sample and unit, whatever samples share a pass;
 * those of a weights file come before them; the expected kernels are the means over all masks.
 *
 * Method: entries against each other; the case dropout_expected_kernel (means over the 16 masks)
 * and the mean network of dropout_not_inverted; the same means by running through all masks; all
 * modes against the means of theirs.  Refusals. */
//TEST ranks=1
#include "cases.h"

enum { FEATURES = 3, WIDTH = 40, MOST = 70 };

static const char one_layer[] =
    "{layers: [{dropout: {keep: 0.7, seed: 5%s}}, {dense: {features: outputs}}]}";

/* ---- which mask ------------------------------------------------------------------------------ */

/* The mask of samples by their numbers: what is left of ones, [count][WIDTH]. */
static void masks_of(const ntk_network *network, int64_t count, const int64_t *index, bool test,
                     double *masks) {
  const ntk_batch batch = {.count = count, .index = index, .test = test};
  double x[MOST * WIDTH];
  ntk_tape tape;

  for (int k = 0; k < MOST * WIDTH; ++k) x[k] = 1;
  EXPECT_OK(ntk_forward_batch(network, &batch, x, NULL, &tape));
  for (int64_t k = 0; k < count * WIDTH; ++k) masks[k] = element(network->dtype, tape.value[1], k);
  ntk_tape_destroy(&tape);
}

static void draw_masks(const char *more, ntk_dtype dtype, test_network *t) {
  char yaml[256];

  (void)snprintf(yaml, sizeof(yaml), one_layer, more);
  draw_network(yaml, WIDTH, 2, dtype, t);
}

static int differing(const double *a, const double *b) {
  int count = 0;

  for (int u = 0; u < WIDTH; ++u) count += a[u] != b[u];
  return count;
}

static void check_masks(void) {
  const int64_t some[3] = {66, 2, 7};
  double all[MOST * WIDTH], few[3 * WIDTH], other[3 * WIDTH];
  test_network t;
  int kept = 0;

  draw_masks("", NTK_DOUBLE, &t);
  masks_of(&t.network, MOST, NULL, false, all);
  masks_of(&t.network, 3, some, false, few);
  masks_of(&t.network, 3, some, true, other);
  for (int k = 0; k < 3; ++k) {
    EXPECT(differing(few + k * WIDTH, all + some[k] * WIDTH) == 0);
    EXPECT(differing(few + k * WIDTH, other + k * WIDTH) > 5);
  }
  EXPECT(differing(all, all + WIDTH) > 5);
  for (int k = 0; k < MOST * WIDTH; ++k) {
    EXPECT(all[k] == 0 || all[k] == 1 / 0.7);
    kept += all[k] != 0;
  }
  EXPECT(fabs(kept / (double)(MOST * WIDTH) - 0.7) < 0.04);
  destroy_network(&t);
  draw_masks("", NTK_SINGLE, &t);
  masks_of(&t.network, 3, some, false, other);
  for (int k = 0; k < 3 * WIDTH; ++k) EXPECT(other[k] == (double)(float)few[k]);
  destroy_network(&t);
}

static void check_kinds(void) {
  const int64_t some[3] = {66, 2, 7};
  double one[3 * WIDTH], two[3 * WIDTH];
  test_network t;

  draw_masks(", masks: shared, inverted: false", NTK_DOUBLE, &t);
  masks_of(&t.network, 3, some, false, one);
  masks_of(&t.network, 3, some, true, two);
  for (int k = 0; k < 3; ++k) EXPECT(differing(one + k * WIDTH, two) == 0);
  for (int u = 0; u < WIDTH; ++u) EXPECT(one[u] == 0 || one[u] == 1);
  destroy_network(&t);
  draw_masks(", masks: mean, inverted: false", NTK_DOUBLE, &t);
  masks_of(&t.network, 3, some, false, one);
  for (int k = 0; k < 3 * WIDTH; ++k) EXPECT(one[k] == 0.7);
  destroy_network(&t);
}

/* Two layers, and another seed, have other masks; a layer that is added does not change them. */
static void check_layers(void) {
  static const char *const yaml[] = {
      "{layers: [{dropout: 0.7}, {dropout: 0.7}, {dense: {features: outputs}}]}",
      "{layers: [{dropout: 0.7}, identity, {dropout: 0.7}, {dense: {features: outputs}}]}",
      "{layers: [{dropout: {keep: 0.7, seed: 1}}, {dropout: 1}, {dense: {features: outputs}}]}"};
  const double x[WIDTH] = {0};
  double mask[3][2][WIDTH];

  for (int n = 0; n < 3; ++n) {
    test_network t;
    ntk_tape tape;

    draw_network(yaml[n], WIDTH, 2, NTK_DOUBLE, &t);
    EXPECT_OK(ntk_forward(&t.network, 1, x, &tape));
    memcpy(mask[n][0], tape.aux[0], sizeof(mask[n][0]));
    memcpy(mask[n][1], tape.aux[n == 1 ? 2 : 1], sizeof(mask[n][1]));
    ntk_tape_destroy(&tape);
    destroy_network(&t);
  }
  EXPECT(differing(mask[0][0], mask[0][1]) > 5 && differing(mask[0][0], mask[2][0]) > 5);
  EXPECT(differing(mask[0][0], mask[1][0]) == 0 && differing(mask[0][1], mask[1][1]) == 0);
  for (int u = 0; u < WIDTH; ++u) EXPECT(mask[2][1][u] == 1);
}

/* ---- expected kernels ------------------------------------------------------------------------ */

/* What plan says of the stream of one part. */
static void check_size(const ntk_stream *stream, bool diagonal) {
  const ntk_tape *tape = stream->tape;
  const double rooms = (double)(stream->full_room + stream->spare_room + stream->product_room +
                                stream->folded_room + stream->scratch_room);
  const ntk_network_cost cost =
      ntk_network_part_cost(tape->network, &stream->cotangents, diagonal);

  EXPECT(cost.delta_bytes * (double)ntk_pad(tape->count) ==
         rooms * (double)ntk_dtype_size(tape->network->dtype));
}

/* The kernel that the stream of one part gives. */
static void part_kernel(const ntk_network *network, const ntk_cotangents *mode, bool diagonal,
                        int64_t n, const double *x, double *kernel) {
  const int64_t rows = ntk_cotangent_rows(mode, network->outputs);
  ntk_tape tape;
  ntk_stream stream = {0};
  ntk_factor f;
  bool more = true;

  for (int64_t k = 0; k < n * rows * n * rows; ++k) kernel[k] = 0;
  EXPECT_OK(ntk_forward(network, n, x, &tape));
  EXPECT_OK(ntk_stream_begin_part(&tape, mode, diagonal, &stream));
  for (;;) {
    EXPECT_OK(ntk_stream_next(&stream, &f, &more));
    if (!more) break;
    add_factor(network->dtype, &f, n, &f, n, kernel);
  }
  check_size(&stream, diagonal);
  ntk_stream_destroy(&stream);
  ntk_tape_destroy(&tape);
}

static void compare(const layer_case *c, const char *path, const double *got, int64_t count) {
  double *wanted = malloc((size_t)count * sizeof(*wanted)), most = 0;

  EXPECT(wanted && json_reals(json_find(c->file, path), count, wanted) == count);
  for (int64_t k = 0; k < count; ++k) most = fmax(most, fabs(wanted[k]));
  for (int64_t k = 0; k < count; ++k) {
    if (fabs(got[k] - wanted[k]) <= c->tolerance * most) continue;
    FAIL("%s[%d] is %.17g, expected %.17g", path, (int)k, got[k], wanted[k]);
  }
  free(wanted);
}

static void check_expected_case(const char *masks, bool independent, bool inverted,
                                const char *path) {
  static const ntk_cotangents full = {NTK_OUT_FULL, 0};
  double kernel[9] = {0}, diagonal[9] = {0};
  char options[80];
  layer_case c;

  (void)snprintf(options, sizeof(options), "inverted: %s, masks: %s", inverted ? "true" : "false",
                 masks);
  case_load_with("tests/cases/oracles/dropout_expected_kernel.json", NTK_DOUBLE, options, &c);
  EXPECT(c.net.network.two_kernels == independent);
  part_kernel(&c.net.network, &full, false, c.n, c.x, kernel);
  part_kernel(&c.net.network, &full, true, c.n, c.x, diagonal);
  for (int k = 0; k < 3; ++k) kernel[4 * k] = diagonal[4 * k];
  compare(&c, path, kernel, 9);
  case_destroy(&c);
}

static void check_mean_network(void) {
  static const ntk_cotangents full = {NTK_OUT_FULL, 0};
  double kernel[64] = {0};
  layer_case c;

  case_load_with("tests/cases/oracles/dropout_not_inverted.json", NTK_DOUBLE,
                 "masks: mean, inverted: false", &c);
  plain_kernel(&c.net.network, &full, c.n, c.x, c.n, c.x, kernel);
  compare(&c, "expected/ntk_mean_network", kernel, 64);
  case_destroy(&c);
}

/* ---- expected kernels, all modes, through deeper networks ------------------------------------ */

enum { UNITS = 3, N = 2, O = 2 };

static void mean_kernel(const char *layers, const ntk_cotangents *mode, double keep, double *mean) {
  char yaml[512];
  double x[N * 4], kernel[N * O * N * O] = {0};

  for (int k = 0; k < N * 4; ++k) x[k] = test_value(4, (uint64_t)k);
  for (int k = 0; k < N * O * N * O; ++k) mean[k] = 0;
  (void)snprintf(yaml, sizeof(yaml), layers, keep, "per_sample");
  for (int mask = 0; mask < 1 << UNITS; ++mask) {
    const ntk_shape image = {.rank = 3, .size = {2, 1, 2}};
    test_network t;
    double weight = 1, *masks = NULL;

    create_network(yaml, &image, O, NTK_DOUBLE, &t);
    EXPECT_OK(ntk_network_draw(&t.settings, &t.network));
    ntk_node_layer *node = &t.network.layer[t.network.layer_count - 2];

    EXPECT_OK(NTK_NEW(N * UNITS, &masks));
    for (int k = 0; k < N * UNITS; ++k) masks[k] = mask >> k % UNITS & 1 ? 1 / keep : 0;
    for (int u = 0; u < UNITS; ++u) weight *= mask >> u & 1 ? keep : 1 - keep;
    node->masks[0] = (ntk_masks){N, masks};
    plain_kernel(&t.network, mode, N, x, N, x, kernel);
    for (int k = 0; k < N * O * N * O; ++k) mean[k] += weight * kernel[k];
    destroy_network(&t);
  }
}

static void check_means(void) {
  static const char layers[] =
      "{width: 3, layers: [{dense: {features: 2}}, {activation: tanh}, {norm: {eps: 0.1}},"
      " {dense: {features: 3}}, flatten, {dense: {features: width}}, {activation: gelu},"
      " {dropout: {keep: %g, masks: %s}}, {dense: {features: outputs}}]}";
  const ntk_shape image = {.rank = 3, .size = {2, 1, 2}};
  double x[N * 4], wanted[N * O * N * O], got[N * O * N * O];
  char yaml[512];

  for (int k = 0; k < N * 4; ++k) x[k] = test_value(4, (uint64_t)k);
  (void)snprintf(yaml, sizeof(yaml), layers, 0.6, "expected_shared");
  for (int m = 0; m < 5; ++m) {
    const ntk_cotangents mode = {(ntk_outputs)m, 0};
    const int64_t rows = N * ntk_cotangent_rows(&mode, O);
    test_network t;

    memset(wanted, 0, sizeof(wanted));
    memset(got, 0, sizeof(got));
    mean_kernel(layers, &mode, 0.6, wanted);
    create_network(yaml, &image, O, NTK_DOUBLE, &t);
    EXPECT_OK(ntk_network_draw(&t.settings, &t.network));
    plain_kernel(&t.network, &mode, N, x, N, x, got);
    for (int64_t k = 0; k < rows * rows; ++k) {
      if (!(fabs(got[k] - wanted[k]) <= 1e-12 * fabs(wanted[0]))) {
        FAIL("mode %d: entry %d is %.17g, the mean %.17g", m, (int)k, got[k], wanted[k]);
      }
    }
    destroy_network(&t);
  }
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void check_place(const char *yaml) {
  const ntk_shape vector = {.rank = 1, .size = {4}};
  test_network t;

  read_settings(yaml, &t);
  EXPECT_REFUSED(ntk_network_create(&t.settings, &vector, 2, NTK_DOUBLE, &t.network), NTK_E_CONFIG,
                 "is for dropout right before the readout");
  destroy_network(&t);
}

/* Who does not say which samples they are, or which part of two kernels is meant, is refused. */
static void check_ignorance(void) {
  static const ntk_cotangents full = {NTK_OUT_FULL, 0};
  double x[WIDTH] = {0}, *own = NULL;
  ntk_stream stream = {0};
  test_network t;
  ntk_tape tape;

  draw_masks("", NTK_DOUBLE, &t);
  EXPECT_OK(NTK_NEW(ntk_pad(1) * WIDTH, &own));
  EXPECT_REFUSED(ntk_forward_taking(&t.network, 1, &own, &tape), NTK_E_CONFIG,
                 "the masks are different for every sample");
  EXPECT(!own && !tape.value);
  destroy_network(&t);
  draw_masks(", masks: expected_independent", NTK_DOUBLE, &t);
  EXPECT_OK(ntk_forward(&t.network, 1, x, &tape));
  EXPECT_REFUSED(ntk_stream_begin(&tape, &full, &stream), NTK_E_CONFIG, "its diagonal");
  ntk_stream_destroy(&stream);
  ntk_tape_destroy(&tape);
  destroy_network(&t);
}

/* Masks of a weights file, [samples][units] of a value. */
static void check_file(const char *more, int rank, int64_t samples, int64_t units, double value,
                       const char *name, const char *part) {
  const int64_t sizes[3] = {samples, units, 1};
  const ntk_field field = {name, rank == 2 ? "s u" : "s u t", "1", "", "", NTK_KIND_REAL};
  ntk_record weights = {0};
  test_network t;
  double *data = NULL;

  draw_masks(more, NTK_DOUBLE, &t);
  EXPECT_OK(ntk_network_export(&t.network, &weights));
  EXPECT_OK(ntk_record_add(&weights, &field, sizes, &data));
  for (int64_t k = 0; k < samples * units; ++k) data[k] = value;
  if (part) {
    EXPECT_REFUSED(ntk_network_bind(&t.network, &weights), NTK_E_INPUT, part);
  } else {
    EXPECT_OK(ntk_network_bind(&t.network, &weights));
    double masks[3 * WIDTH], x[3 * WIDTH] = {0};
    const int64_t index[3] = {1, 0, 2};
    const ntk_batch batch = {.count = 3, .index = index}, test = {.count = 1, .test = true};
    ntk_tape tape;

    masks_of(&t.network, 2, index, false, masks);
    for (int k = 0; k < 2 * WIDTH; ++k) EXPECT(masks[k] == value);
    EXPECT_REFUSED(ntk_forward_batch(&t.network, &batch, x, NULL, &tape), NTK_E_INPUT,
                   "has masks for 2 samples, but there is a sample number 2");
    EXPECT_REFUSED(ntk_forward_batch(&t.network, &test, x, NULL, &tape), NTK_E_INPUT,
                   "'layers/dropout0/test_mask' has masks for 0 samples");
    ntk_record_destroy(&weights);
    EXPECT_OK(ntk_network_export(&t.network, &weights));
    EXPECT(ntk_record_find(&weights, name) && ntk_record_find(&weights, name)->size[0] == samples);
  }
  ntk_record_destroy(&weights);
  destroy_network(&t);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  check_masks();
  check_kinds();
  check_layers();
  check_expected_case("expected_shared", false, false, "expected/expected_ntk_shared_mask");
  check_expected_case("expected_shared", false, true, "expected/expected_ntk_shared_mask_inverted");
  check_expected_case("expected_independent", true, false,
                      "expected/expected_ntk_independent_masks");
  check_expected_case("expected_independent", true, true,
                      "expected/expected_ntk_independent_masks_inverted");
  check_mean_network();
  check_means();
  check_place(
      "layers: [{dropout: {keep: 0.5, masks: expected_shared}}, {activation: tanh},"
      " {dense: {features: 2}}]");
  check_place(
      "layers: [{dropout: {keep: 0.5, masks: expected_independent}}, {dense: {features: 2}},"
      " {activation: tanh}]");
  check_place(
      "layers: [{dense: {features: 4}}, {dropout: {keep: 0.5, masks: expected_shared}},"
      " {dense: {features: 4, share: dense0}}, {dense: {features: 2}}]");
  check_ignorance();
  check_file("", 2, 2, WIDTH, 0.25, "layers/dropout0/mask", NULL);
  check_file("", 2, 2, 7, 1, "layers/dropout0/mask", "does not have the shape samples x 40");
  check_file("", 3, 2, WIDTH, 1, "layers/dropout0/mask", "does not have the shape");
  check_file("", 2, 2, WIDTH, NAN, "layers/dropout0/test_mask", "is nan");
  check_file(", masks: expected_shared", 2, 2, WIDTH, 1, "layers/dropout0/mask",
             "has expected masks");
  check_file("", 2, 2, WIDTH, 1, "layers/dense0/mask", "is no tensor of this network");
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
