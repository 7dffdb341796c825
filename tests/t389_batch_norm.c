/* batch_norm in train mode: the Jacobian is that of the coupled map of the whole training set, for
 * training samples and for others, whatever layers and shared tensors are around; where the
 * coupling ends; what it costs; bits of a row do not depend on the others.
 *
 * Method: central differences of forward passes; sizes of the arrays of a stream. */
//TEST ranks=1
#include "layers.h"
#include "ntk/model/layer.h"

enum { TRAIN = 5, OTHERS = 2 };

#define TRAINED "{batch_norm: {mode: train}}"

static const trial vectors[] = {
    {"{layers: [{dense: {features: 4}}, " TRAINED ", {activation: tanh}, {dense: {features: 3}},"
     " {batch_norm: {mode: train, affine: false, eps: 0.1}}, {activation: erf},"
     " {dense: {features: outputs}}]}", {.rank = 1, .size = {3}}, 2, 0, 1},
    {"{layers: [{batch_norm: {mode: train, trainable: false}}, {dense: {features: 4, trainable: false}},"
     " {activation: tanh}, {dense: {features: 3}}, " TRAINED ", {dense: {features: outputs}}]}",
     {.rank = 1, .size = {3}}, 2, 0, 2},
    {"{layers: [{dense: {features: 3}}, {residual: {scale: 0.7, branch: [{dense: {features: 3, share:"
     " dense0}}, " TRAINED ", {activation: tanh}]}}, {dropout: 0.7}, {residual: {skip: [{dense:"
     " {features: 2}}], branch: [{dense: {features: 2}}, " TRAINED "]}}, {dense: {features: outputs}}]}",
     {.rank = 1, .size = {3}}, 2, 0, 3},
    {"{layers: [{repeat: {times: 2, share: true, layers: [{dense: {features: 3}}, " TRAINED
     ", {activation: tanh}]}}, {neural_ode: {steps: 2}}, {norm: {}}, {batch_norm: {mode: train}},"
     " {dense: {features: outputs}}]}", {.rank = 1, .size = {3}}, 1, 0, 4},
    {"{layers: [{dense: {features: 3}}, " TRAINED ", {batch_norm: {mode: eval}}, {activation: tanh},"
     " {dense: {features: 3, share: dense0}}, {dense: {features: outputs}}]}",
     {.rank = 1, .size = {3}}, 2, 0, 5},
    {"{layers: [{dense: {features: 4}}, {activation: tanh}, {dense: {features: outputs}}, " TRAINED
     "]}", {.rank = 1, .size = {3}}, 2, 0, 6},
};

static const trial others[] = {
    {"{layers: [{conv: {features: 3, kernel: 3}}, " TRAINED ", {activation: tanh}, {conv: {features: 2,"
     " kernel: 2, stride: 2, padding: valid}}, " TRAINED ", {max_pool: {window: 2, stride: 1}},"
     " {avg_pool: {window: 2, stride: 1, padding: same}}, flatten, {dense: {features: outputs}}]}",
     {.rank = 3, .size = {4, 4, 2}}, 2, 0, 7},
    {"{layers: [{repeat: {times: 2, share: true, layers: [{conv: {features: 2, kernel: 3}}, " TRAINED
     "]}}, global_avg_pool, {dense: {features: outputs}}]}", {.rank = 3, .size = {3, 2, 2}}, 1, 0, 8},
    {"{layers: [{token_embedding: {features: 4}}, {position_embedding: {}}, {attention: {heads: 2}}, "
     TRAINED ", last_position, {dense: {features: vocabulary, share: token_embedding0, transposed:"
     " true}}]}", {.rank = 1, .size = {3}}, 4, 4, 9},
};

/* Outputs of `count` samples x, statistics being those of `all` training samples. */
static void outputs_of(const ntk_network *network, int64_t all, const double *training,
                       int64_t count, const double *x, double *outputs) {
  ntk_tape batch, tape;

  EXPECT_OK(ntk_forward(network, all, training, &batch));
  EXPECT_OK(ntk_forward_batch(network, &(ntk_batch){.count = count, .test = true,
                                                    .training = &batch}, x, NULL, &tape));
  ntk_tape_output(&tape, outputs);
  ntk_tape_destroy(&tape);
  ntk_tape_destroy(&batch);
}

static double *jacobian_of(const ntk_network *network, int64_t all, const double *training,
                           int64_t count, const double *x) {
  ntk_tape batch, tape;

  EXPECT_OK(ntk_forward(network, all, training, &batch));
  EXPECT_OK(ntk_forward_batch(network, &(ntk_batch){.count = count, .test = true,
                                                    .training = &batch}, x, NULL, &tape));
  double *j = jacobian(network, &tape);

  ntk_tape_destroy(&tape);
  ntk_tape_destroy(&batch);
  return j;
}

/* The Jacobian of the other samples, whose outputs depend on the training samples. */
static void check_others(const trial *p, const ntk_network *network, const double *x) {
  const double h = 1e-5, *y = x + TRAIN * ntk_shape_count(&p->input);
  const int64_t columns = column_count(network), rows = OTHERS * p->outputs;
  double *j = jacobian_of(network, TRAIN, x, OTHERS, y), ahead[16], behind[16], most = 0;

  EXPECT(rows <= 16);
  for (int64_t k = 0; k < rows * columns; ++k) most = fmax(most, fabs(j[k]));
  for (int t = 0, column = 0; t < network->tensor_count; ++t) {
    const ntk_tensor *tensor = &network->tensor[t];

    for (int64_t k = 0; k < tensor->count; ++k, ++column) {
      double *entry = (double *)tensor->data + k;
      const double kept = *entry;

      if (!tensor->trainable) continue;
      *entry = kept + h;
      outputs_of(network, TRAIN, x, OTHERS, y, ahead);
      *entry = kept - h;
      outputs_of(network, TRAIN, x, OTHERS, y, behind);
      *entry = kept;
      for (int64_t r = 0; r < rows; ++r) {
        EXPECT_NEAR(j[r * columns + column], (ahead[r] - behind[r]) / (2 * h), 1e-7 * most);
      }
    }
  }
  free(j);
}

static void check_derivatives(const trial *p) {
  double *x = trial_inputs(p, TRAIN + OTHERS);
  test_network t;

  trial_open(p, NTK_DOUBLE, &t);
  const double error = jacobian_error(&t.network, TRAIN, x, 1e-5);

  if (!(error <= 1e-7)) FAIL("%s: derivatives are off by %g", p->yaml, error);
  check_others(p, &t.network, x);
  destroy_network(&t);
  free(x);
}

/* ---- where the coupling ends ----------------------------------------------------------------- */

static void check_end(const char *yaml, int coupled) {
  const ntk_shape input = {.rank = 1, .size = {3}};
  test_network t;

  create_network(yaml, &input, 3, NTK_DOUBLE, &t);
  if (t.network.coupled != coupled) FAIL("%s: coupled %d", yaml, t.network.coupled);
  destroy_network(&t);
}

static void check_ends(void) {
  check_end("{layers: [{dense: {features: 3}}, {batch_norm: {mode: eval}}, {dense: {features: 3}}]}", 0);
  check_end("{layers: [{dense: {features: 3}}, " TRAINED ", {dense: {features: 3}}]}", 2);
  check_end("{layers: [{dense: {features: 3}}, {residual: {branch: [" TRAINED ", {activation: tanh}]}},"
            " {dense: {features: 3}}]}", 5);
  check_end("{layers: [{dense: {features: 3}}, " TRAINED ", {dense: {features: 3}}, {residual: {branch:"
            " [{dense: {features: 3, share: dense0}}, {activation: tanh}]}}, {dense: {features: 3}}]}", 7);
}

/* ---- costs ----------------------------------------------------------------------------------- */

static void check_cost(const trial *p, ntk_outputs outputs, ntk_dtype dtype) {
  const ntk_cotangents mode = {.outputs = outputs};
  double *x = trial_inputs(p, TRAIN), rooms = 0, own = 0;
  test_network t;
  ntk_tape tape;
  ntk_stream stream = {0};
  ntk_factor f;
  bool more = true;

  trial_open(p, dtype, &t);
  const double size = (double)ntk_dtype_size(dtype);
  const ntk_batch_cost cost = ntk_batch_cost_of(&t.network, &mode, TRAIN, TRAIN);
  const ntk_network_cost one = ntk_network_cost_of(&t.network, &mode);

  EXPECT_OK(ntk_forward(&t.network, TRAIN, x, &tape));
  EXPECT_OK(ntk_stream_begin(&tape, &mode, &stream));
  while (more) {
    EXPECT_OK(ntk_stream_next(&stream, &f, &more));
    const ntk_stream *s = stream.batch;

    own = (double)(stream.full_room + stream.spare_room + stream.product_room + stream.folded_room +
                   stream.scratch_room + stream.saved_most + stream.uses_room);
    if (!s) continue;
    EXPECT(s->product_room == 0 && s->folded_room == 0);
    rooms = (double)(s->full_room + s->spare_room + s->scratch_room + s->saved_most + s->uses_room);
  }
  EXPECT(cost.delta_bytes == size * rooms && one.delta_bytes * 64 == size * own);
  EXPECT(cost.tape_bytes == 64 * one.tape_bytes && cost.forward_flops == TRAIN * one.forward_flops);
  ntk_stream_destroy(&stream);
  ntk_tape_destroy(&tape);
  destroy_network(&t);
  free(x);
}

/* ---- bits ------------------------------------------------------------------------------------ */

/* What the rows of a sample are, others being around it. */
static uint64_t bits_of(const trial *p, const test_network *t, const double *x, int64_t first,
                        int64_t count, int64_t sample) {
  const ntk_cotangents mode = {.outputs = NTK_OUT_FULL};
  const int64_t features = ntk_shape_count(&p->input);
  uint64_t hash = 1;
  ntk_tape batch, tape;
  ntk_stream stream = {0};
  ntk_factor f;
  bool more = true;

  EXPECT_OK(ntk_forward(&t->network, TRAIN, x, &batch));
  EXPECT_OK(ntk_forward_batch(&t->network, &(ntk_batch){.count = count, .training = &batch},
                              x + first * features, NULL, &tape));
  EXPECT_OK(ntk_stream_begin(&tape, &mode, &stream));
  for (;;) {
    EXPECT_OK(ntk_stream_next(&stream, &f, &more));
    if (!more) break;
    void *a = write_patches(t->network.dtype, count, &f);
    void *coupled = write_coupling(t->network.dtype, count, &f);

    trial_hash(t->network.dtype, f.delta, f.shared ? 0 : sample - first,
               f.cotangents * f.positions * f.out, &hash);
    free(a);
    free(coupled);
  }
  ntk_stream_destroy(&stream);
  ntk_tape_destroy(&tape);
  ntk_tape_destroy(&batch);
  return hash;
}

static void check_bits(const trial *p) {
  for (int single = 0; single < 2; ++single) {
    double *x = trial_inputs(p, 70);
    test_network t;

    trial_open(p, single ? NTK_SINGLE : NTK_DOUBLE, &t);
    const uint64_t alone = bits_of(p, &t, x, 66, 1, 66);

    EXPECT(bits_of(p, &t, x, 0, 70, 66) == alone && bits_of(p, &t, x, 63, 5, 66) == alone);
    destroy_network(&t);
    free(x);
  }
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void check_refusals(void) {
  const double x[6] = {1, 2, 3, 1, 2, 3};
  test_network t;
  ntk_tape tape;

  draw_network("{layers: [{batch_norm: {mode: train, eps: 0}}, {dense: {features: outputs}}]}", 3, 1,
               NTK_DOUBLE, &t);
  EXPECT_REFUSED(ntk_forward(&t.network, 2, x, &tape), NTK_E_NUMERIC,
                 "layer 'batch_norm0': variance + eps of channel 0 is 0");
  destroy_network(&t);
  expect_unreadable("{layers: [{batch_norm: {mode: both}}]}", "mode");
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  for (size_t k = 0; k < sizeof(vectors) / sizeof(*vectors); ++k) {
    check_derivatives(&vectors[k]);
    check_cost(&vectors[k], NTK_OUT_FULL, NTK_DOUBLE);
    check_cost(&vectors[k], NTK_OUT_TRACE, NTK_SINGLE);
  }
  for (size_t k = 0; k < sizeof(others) / sizeof(*others); ++k) {
    check_derivatives(&others[k]);
    check_cost(&others[k], NTK_OUT_FULL, NTK_SINGLE);
    check_cost(&others[k], NTK_OUT_MEAN, NTK_DOUBLE);
  }
  check_bits(&vectors[0]);
  check_bits(&others[0]);
  check_ends();
  check_refusals();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
