/* Networks of convolutions, pools and what goes with them: the Jacobian is that of central
 * differences (repeated with shared weights, in residuals, frozen, in all paddings); a sample's
 * outputs and factors have the same bits whatever other samples share the pass; what plan says of
 * flops and bytes is what a pass takes; what cannot be is refused, naming layer and both shapes;
 * every failure is passed on and leaves no memory behind; the printed layers read back.
 *
 * Method: tests/network.h's Jacobian; memcmp; sizes of the arrays of a pass; the fault sweep. */
//TEST ranks=1
#include "network.h"
#include "ntk/model/layer.h"

static const ntk_shape image = {.rank = 3, .size = {5, 4, 2}};
enum { FEATURES = 40, OUTPUTS = 2, MOST = 70 };

static const char plain[] =
    "{bias: {scale: 0.5, std: 1}, layers: [{conv: {features: 3, kernel: 3}}, {activation: tanh},"
    " {avg_pool: {window: 2}}, {conv: {features: 4, kernel: [2, 1], padding: valid}},"
    " {activation: erf}, flatten, {dense: {features: outputs}}]}";

static const char strided[] =
    "{width: 2, layers: [{conv: {features: width, kernel: 3, stride: [2, 1], padding: circular}},"
    " {activation: gelu}, {max_pool: {window: 2, stride: 1, padding: same}},"
    " {conv: {features: 2*width, kernel: 2, dilation: [1, 2], padding: [[1, 0], [2, 1]]}},"
    " {activation: tanh}, global_avg_pool, {dense: {features: outputs}}]}";

static const char frozen[] =
    "{bias: none, layers: [{conv: {features: 3, kernel: 1, bias: {scale: 1, std: 1}}},"
    " {activation: tanh}, {conv: {features: 3, kernel: 3, trainable: false}},"
    " {activation: {sin: {b: 0.7}}}, {sum_pool: {window: [2, 3], stride: 2, padding: same}},"
    " {conv: {features: 2, kernel: 1, stride: 2}}, global_sum_pool]}";

static const char shared[] =
    "{bias: {scale: 1, std: 0.5}, layers: [{conv: {features: 2, kernel: 3}}, {activation: tanh},"
    " {repeat: {times: 3, share: true, layers: [{conv: {features: 2, kernel: [3, 2]}},"
    " {activation: tanh}]}}, {repeat: {times: 2, share: true, layers: [{conv: {features: 2,"
    " kernel: 1}}, {activation: erf}]}}, flatten, {dense: {features: outputs}}]}";

static const char residual[] =
    "{layers: [{conv: {features: 2, kernel: 3}}, {residual: {scale: 0.7, branch: ["
    "{activation: tanh}, {conv: {features: 3, kernel: 3, stride: 2}}],"
    " skip: [{conv: {features: 3, kernel: 1, stride: 2, bias: none}}]}}, {activation: erf}, {max_pool: {window: 2}}, flatten,"
    " {dense: {features: outputs}}]}";

static const char linear[] =
    "{layers: [{conv: {features: 2, kernel: 3}}, {avg_pool: {window: 3, stride: 1, padding: same}},"
    " {conv: {features: 2, kernel: [5, 4], padding: valid}}, flatten]}";

static const char *const networks[] = {plain, strided, frozen, shared, residual, linear};
enum { NETWORKS = sizeof(networks) / sizeof(networks[0]) };

static const ntk_cotangents modes[] = {
    {.outputs = NTK_OUT_FULL},
    {.outputs = NTK_OUT_MEAN},
    {.outputs = NTK_OUT_PSEUDO},
    {.outputs = NTK_OUT_SINGLE, .single = 1}};
enum { MODES = sizeof(modes) / sizeof(modes[0]) };

static double x[MOST * FEATURES];

static void new_network(const char *yaml, ntk_dtype dtype, test_network *t) {
  create_network(yaml, &image, OUTPUTS, dtype, t);
  EXPECT_OK(ntk_network_draw(&t->settings, &t->network));
}

/* ---- differences ----------------------------------------------------------------------------- */

static void check_differences(const char *yaml) {
  test_network t;

  new_network(yaml, NTK_DOUBLE, &t);
  const double worst = jacobian_error(&t.network, 3, x, 1e-5);

  if (!(worst <= 1e-8)) FAIL("off by %g: %s", worst, yaml);
  destroy_network(&t);
}

/* ---- bits ------------------------------------------------------------------------------------ */

typedef struct pass {
  ntk_tape tape;
  ntk_stream stream;
  ntk_factor factor;
} pass;

static void begin(const ntk_network *network, const ntk_cotangents *mode, int64_t count,
                  const double *inputs, pass *p) {
  *p = (pass){0};
  EXPECT_OK(ntk_forward(network, count, inputs, &p->tape));
  EXPECT_OK(ntk_stream_begin(&p->tape, mode, &p->stream));
}

static void end(pass *p) {
  ntk_stream_destroy(&p->stream);
  ntk_tape_destroy(&p->tape);
}

static void expect_bits(ntk_dtype dtype, const void *part, const void *whole, int64_t sample,
                        int64_t n) {
  if (!ntk_blas_reproducible(dtype)) return;
  EXPECT(same_bits(part, ntk_array_const_at(dtype, whole, sample * n),
                   (size_t)n * ntk_dtype_size(dtype)));
}

/* Sample `sample` alone, and among all. */
static void compare_factors(const ntk_network *network, pass *whole, pass *part, int64_t sample) {
  const ntk_dtype dtype = network->dtype;
  bool more = true, also = true;

  for (;;) {
    EXPECT_OK(ntk_stream_next(&whole->stream, &whole->factor, &more));
    EXPECT_OK(ntk_stream_next(&part->stream, &part->factor, &also));
    EXPECT(more == also);
    if (!more) return;
    const ntk_factor *f = &whole->factor, *g = &part->factor;
    const ntk_patches *p = f->patches;
    const int64_t stored = p ? p->cells * p->channels : f->positions * f->in;

    EXPECT(f->weight == g->weight && f->positions == g->positions && !p == !g->patches);
    expect_bits(dtype, g->a, f->a, sample, stored);
    expect_bits(dtype, g->delta, f->delta, f->shared ? 0 : sample,
                f->cotangents * f->positions * f->out);
  }
}

static void check_bits(const char *yaml, ntk_dtype dtype, const ntk_cotangents *mode) {
  test_network t;
  pass whole, part;

  new_network(yaml, dtype, &t);
  for (int64_t sample = 3; sample < MOST; sample += 43) {
    begin(&t.network, mode, MOST, x, &whole);
    begin(&t.network, mode, 1, x + sample * FEATURES, &part);
    const int last = t.network.layer_count;

    expect_bits(dtype, part.tape.value[last], whole.tape.value[last], sample, OUTPUTS);
    compare_factors(&t.network, &whole, &part, sample);
    end(&whole);
    end(&part);
  }
  destroy_network(&t);
}

/* Ranks without samples see the same factors. */
static void check_empty(const char *yaml) {
  test_network t;
  pass some, none;
  bool more = true, also = true;

  new_network(yaml, NTK_DOUBLE, &t);
  begin(&t.network, &modes[0], 2, x, &some);
  begin(&t.network, &modes[0], 0, x, &none);
  while (more) {
    EXPECT_OK(ntk_stream_next(&some.stream, &some.factor, &more));
    EXPECT_OK(ntk_stream_next(&none.stream, &none.factor, &also));
    EXPECT(more == also && some.factor.weight == none.factor.weight);
  }
  end(&some);
  end(&none);
  destroy_network(&t);
}

/* ---- cost ------------------------------------------------------------------------------------ */

static bool is_layer(const ntk_node_layer *node, const char *name) {
  return strcmp(node->layer->row.name, name) == 0;
}

/* Bytes of one sample: every array has the size of what the layer gives. */
static double tape_bytes(const ntk_tape *tape) {
  const ntk_network *network = tape->network;
  const double size = (double)ntk_dtype_size(network->dtype);
  double sum = 0;

  for (int l = 0; l <= network->layer_count; ++l) {
    const ntk_shape *shape = l ? &network->layer[l - 1].out : &network->input;

    if (tape->value[l]) sum += size * (double)ntk_shape_count(shape);
    if (l == network->layer_count || !tape->aux[l]) continue;
    sum += (is_layer(&network->layer[l], "max_pool") ? 4 : size) *
           (double)ntk_shape_count(&network->layer[l].out);
  }
  return sum;
}

static double products(const ntk_network *network) {
  double sum = 0;

  for (int l = 0; l < network->layer_count; ++l) {
    const ntk_node_layer *node = &network->layer[l];

    if (node->layer->linear) {
      sum += 2 * (double)node->fan_in * (double)ntk_shape_count(&node->out);
    }
  }
  return sum;
}

/* Without residuals, whose copies are counted elsewhere. */
static void check_cost(const char *yaml, ntk_dtype dtype, const ntk_cotangents *mode) {
  const double size = (double)ntk_dtype_size(dtype);
  double panel = 0;
  test_network t;
  pass p;
  bool more = true;

  new_network(yaml, dtype, &t);
  const ntk_network_cost cost = ntk_network_cost_of(&t.network, mode);

  begin(&t.network, mode, 3, x, &p);
  EXPECT(cost.tape_bytes == tape_bytes(&p.tape));
  for (;;) {
    EXPECT_OK(ntk_stream_next(&p.stream, &p.factor, &more));
    if (!more) break;
    const ntk_factor *f = &p.factor;
    const int64_t a = f->patches ? f->patches->cells * f->patches->channels : f->positions * f->in;
    const int64_t delta = f->shared ? 0 : f->cotangents * f->positions * f->out;

    panel = fmax(panel, size * (double)(a + delta));
  }
  EXPECT(cost.panel_bytes == panel);
  EXPECT(cost.forward_flops == products(&t.network));
  const ntk_stream *s = &p.stream;
  const int64_t room = s->full_room + s->spare_room + s->product_room + s->folded_room +
                       s->scratch_room + s->uses_room;

  EXPECT(cost.delta_bytes == size * (double)room / (double)ntk_pad(3));
  end(&p);
  destroy_network(&t);
}

/* For both cotangents, and only where delta goes on: not through the lowest layer; and through the
 * readout once for all samples. */
static void check_backward_flops(void) {
  const ntk_cotangents full = {.outputs = NTK_OUT_FULL};
  test_network t;

  new_network(plain, NTK_DOUBLE, &t);
  const ntk_network_cost cost = ntk_network_cost_of(&t.network, &full);

  EXPECT(cost.backward_flops == 2 * (2.0 * (1 * 2) * (2 * 3) * 4));
  destroy_network(&t);
}

/* ---- refusals -------------------------------------------------------------------------------- */

typedef struct refusal {
  const char *layers;
  ntk_shape input;
  const char *part;
} refusal;

static const refusal refusals[] = {
    {"[{conv: {features: 3, kernel: 6, padding: valid}}]", {3, {5, 4, 2}},
     "layer 'conv0' (conv): a window of 6 x 6 does not fit into its input 5 x 4 x 2, 5 x 4 with "
     "padding; make it smaller, or write 'padding: same'"},
    {"[{conv: {features: 3, kernel: [2, 3], dilation: [1, 4], padding: [[0, 0], [2, 2]]}}]",
     {3, {5, 4, 2}}, "a window of 2 x 9 does not fit into its input 5 x 4 x 2, 5 x 8 with padding"},
    {"[{max_pool: {window: 5}}]", {3, {5, 4, 2}},
     "layer 'max_pool0' (max_pool): a window of 5 x 5 does not fit into its input 5 x 4 x 2"},
    {"[flatten, {conv: {features: 3, kernel: 3}}]", {3, {5, 4, 2}},
     "layer 'conv0' (conv): takes images and would give height x width x 3, but its input is 40"},
    {"[{avg_pool: {window: 2}}]", {1, {7}},
     "layer 'avg_pool0' (avg_pool): takes images, but its input is 7; put it where there are "
     "images, before '- flatten'"},
    {"[{sum_pool: {window: 2}}]", {2, {7, 3}}, "takes images, but its input is 7 x 3"},
    {"[{max_pool: {window: 2, padding: [[2, 0], [0, 0]]}}]", {3, {5, 4, 2}},
     "windows of 2 x 2 would see nothing but padding of its input 5 x 4 x 2"},
    {"[flatten, global_avg_pool]", {3, {5, 4, 2}},
     "layer 'global_avg_pool0' (global_avg_pool): takes images or sequences and would give their "
     "channels, but its input is 40"},
    {"[last_position]", {3, {5, 4, 2}},
     "layer 'last_position0' (last_position): takes sequences and would give the last of their "
     "positions, but its input is 5 x 4 x 2"},
    {"[{conv: {features: 1, kernel: 100, padding: [[20000, 20000], [0, 200]]}}]", {3, {5, 4, 2}},
     "are too many; at most 2^28 cells in all"},
    {"[{conv: {features: 2000000000, kernel: [30, 30]}}]", {3, {5, 4, 2}},
     "W has more than 2^40 entries"},
    {"[{conv: {features: 3, kernel: 3}}]", {3, {5, 4, 2}},
     "the last layer gives 5 x 4 x 3, but the targets have 2 outputs"},
};

static void check_refusal(const refusal *r) {
  char yaml[256];
  test_network t;

  (void)snprintf(yaml, sizeof(yaml), "layers: %s", r->layers);
  read_settings(yaml, &t);
  EXPECT_REFUSED(ntk_network_create(&t.settings, &r->input, OUTPUTS, NTK_DOUBLE, &t.network),
                 NTK_E_CONFIG, r->part);
  destroy_network(&t);
}

/* ---- print, tensors -------------------------------------------------------------------------- */

static void check_print(const char *yaml) {
  ntk_text text = {0}, again = {0};
  test_network t, u;

  create_network(yaml, &image, OUTPUTS, NTK_DOUBLE, &t);
  EXPECT_OK(ntk_network_print(&t.network, 0, &text));
  create_network(ntk_text_string(&text), &image, OUTPUTS, NTK_DOUBLE, &u);
  EXPECT_OK(ntk_network_print(&u.network, 0, &again));
  EXPECT_TEXT(ntk_text_string(&text), ntk_text_string(&again));
  EXPECT(t.network.tensor_count == u.network.tensor_count);
  ntk_text_destroy(&text);
  ntk_text_destroy(&again);
  destroy_network(&t);
  destroy_network(&u);
}

/* Fans of MATH A7; an orthogonal W [kh][kw][in][out] has orthonormal columns. */
static void check_tensors(void) {
  test_network t;
  double dot[2] = {0, 0};

  new_network("{parameterization: standard, layers: [{conv: {features: 5, kernel: [3, 2],"
              " weight_init: glorot_normal, name: a}}, {conv: {features: 7, kernel: 3,"
              " weight_init: orthogonal}}, global_avg_pool, {dense: {features: 2}}]}",
              NTK_DOUBLE, &t);
  const ntk_tensor *a = &t.network.tensor[0], *w = &t.network.tensor[2];
  const double *values = w->data;

  EXPECT_TEXT(a->name, "a/W");
  EXPECT(a->rank == 4 && a->size[0] == 3 && a->size[1] == 2 && a->size[2] == 2 && a->size[3] == 5);
  EXPECT(t.network.layer[0].fan_in == 12 && t.network.layer[0].fan_out == 30);
  EXPECT_NEAR(a->law.variance, 2.0 / 42, 1e-15);
  EXPECT(t.network.tensor[1].count == 5 && w->count == 9 * 5 * 7);
  for (int64_t k = 0; k < 45; ++k) {
    dot[0] += values[7 * k] * values[7 * k];
    dot[1] += values[7 * k] * values[7 * k + 3];
  }
  EXPECT_NEAR(dot[0], 1, 1e-13);
  EXPECT_NEAR(dot[1], 0, 1e-13);
  destroy_network(&t);
}

/* ---- faults ---------------------------------------------------------------------------------- */

typedef struct life {
  const char *yaml;
  ntk_outputs outputs;
  ntk_dtype dtype;
  ntk_network_settings settings;
} life;

static ntk_status drain(const ntk_tape *tape, ntk_outputs outputs) {
  const ntk_cotangents mode = {.outputs = outputs};
  ntk_stream stream = {0};
  ntk_factor factor;
  bool more = true;
  ntk_status status = ntk_stream_begin(tape, &mode, &stream);

  while (status == NTK_OK && more) status = ntk_stream_next(&stream, &factor, &more);
  ntk_stream_destroy(&stream);
  return status;
}

static ntk_status live(void *context) {
  const life *l = context;
  ntk_network network = {0};
  ntk_tape tape = {0};
  ntk_status status = ntk_network_create(&l->settings, &image, OUTPUTS, l->dtype, &network);

  if (status == NTK_OK) status = ntk_network_draw(&l->settings, &network);
  if (status == NTK_OK) status = ntk_forward(&network, 2, x, &tape);
  if (status == NTK_OK) status = drain(&tape, l->outputs);
  ntk_tape_destroy(&tape);
  ntk_network_destroy(&network);
  return status;
}

static void check_faults(void) {
  life lives[] = {{.yaml = strided, .outputs = NTK_OUT_MEAN, .dtype = NTK_DOUBLE},
                  {.yaml = frozen, .outputs = NTK_OUT_FULL, .dtype = NTK_SINGLE},
                  {.yaml = shared, .outputs = NTK_OUT_TRACE, .dtype = NTK_DOUBLE}};

  for (size_t k = 0; k < sizeof(lives) / sizeof(lives[0]); ++k) {
    test_network t;

    read_settings(lives[k].yaml, &t);
    lives[k].settings = t.settings;
    EXPECT(sweep_faults(live, &lives[k]) > 5);
    destroy_network(&t);
  }
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  for (int64_t k = 0; k < MOST * FEATURES; ++k) x[k] = test_value(11, (uint64_t)k);
  for (int k = 0; k < NETWORKS; ++k) {
    check_differences(networks[k]);
    check_empty(networks[k]);
    check_print(networks[k]);
    for (int m = 0; m < MODES; ++m) {
      check_bits(networks[k], m % 2 ? NTK_SINGLE : NTK_DOUBLE, &modes[m]);
      if (networks[k] != residual) {
        check_cost(networks[k], m % 2 ? NTK_SINGLE : NTK_DOUBLE, &modes[m]);
      }
    }
  }
  check_backward_flops();
  for (size_t k = 0; k < sizeof(refusals) / sizeof(refusals[0]); ++k) check_refusal(&refusals[k]);
  check_tensors();
  check_faults();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
