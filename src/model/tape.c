#include <math.h>

#include "layers.h"
#include "ntk/base/memory.h"

static ntk_status load_inputs(const double *inputs, ntk_tape *tape) {
  const ntk_network *network = tape->network;
  const int64_t features = ntk_shape_count(&network->input);

  NTK_TRY(ntk_array_new(network->dtype, ntk_pad(tape->count) * features, &tape->value[0]));
  ntk_array_convert(NTK_DOUBLE, inputs, network->dtype, tape->value[0], tape->count * features);
  return NTK_OK;
}

static double output_at(const ntk_tape *tape, int64_t k) {
  const void *f = tape->value[tape->network->layer_count];
  const bool wide = tape->network->dtype == NTK_DOUBLE;

  return wide ? ((const double *)f)[k] : (double)((const float *)f)[k];
}

static ntk_status check_output(const ntk_tape *tape) {
  const int64_t outputs = tape->network->outputs;

  for (int64_t k = 0; k < tape->count * outputs; ++k) {
    NTK_CHECK(isfinite(output_at(tape, k)), NTK_E_NUMERIC,
              "output %lld of sample %lld of this rank is %g: the network overflows",
              (long long)(k % outputs), (long long)(k / outputs), output_at(tape, k));
  }
  return NTK_OK;
}

/* Inputs that are wanted by the caller no more become the tape's, where they need no conversion. */
static ntk_status take_inputs(const double *inputs, double **own, ntk_tape *tape) {
  if (!own || tape->network->dtype != NTK_DOUBLE) return load_inputs(inputs, tape);
  tape->value[0] = *own;
  *own = NULL;
  return NTK_OK;
}

static ntk_status pass(const double *inputs, double **own, ntk_tape *tape) {
  const ntk_network *network = tape->network;

  NTK_TRY(NTK_NEW(network->layer_count + 1, &tape->value));
  NTK_TRY(NTK_NEW(network->layer_count, &tape->aux));
  NTK_TRY(take_inputs(inputs, own, tape));
  for (int l = 0; l < network->layer_count; ++l) {
    NTK_TRY(network->layer[l].layer->forward(&network->layer[l], tape, l));
  }
  return check_output(tape);
}

ntk_status ntk_forward_batch(const ntk_network *network, const ntk_batch *batch,
                             const double *inputs, double **own, ntk_tape *tape) {
  *tape = (ntk_tape){
      .network = network,
      .count = batch->count,
      .index = batch->index,
      .test = batch->test,
      .training = batch->training};
  const ntk_status status = pass(own ? *own : inputs, own, tape);

  tape->index = NULL;
  if (own) ntk_free(own);
  if (status != NTK_OK) ntk_tape_destroy(tape);
  return status;
}

ntk_status ntk_forward(const ntk_network *network, int64_t count, const double *inputs,
                       ntk_tape *tape) {
  const ntk_batch batch = {.count = count};

  return ntk_forward_batch(network, &batch, inputs, NULL, tape);
}

ntk_status ntk_forward_taking(const ntk_network *network, int64_t count, double **inputs,
                              ntk_tape *tape) {
  const ntk_batch batch = {.count = count};

  *tape = (ntk_tape){0};
  if (!ntk_dropout_by_sample(network)) {
    return ntk_forward_batch(network, &batch, NULL, inputs, tape);
  }
  ntk_free(inputs);
  return NTK_RAISE(NTK_E_CONFIG,
                   "dropout: the masks are different for every sample, which is not told here; "
                   "masks: shared or mean are one for all");
}

const ntk_tape *ntk_tape_training(const ntk_tape *tape) {
  return tape->training ? tape->training : tape;
}

void ntk_tape_output(const ntk_tape *tape, double *outputs) {
  const ntk_network *network = tape->network;
  const int64_t count = tape->count * network->outputs;

  ntk_array_convert(network->dtype, tape->value[network->layer_count], NTK_DOUBLE, outputs, count);
  for (int64_t k = 0; k < count; ++k) outputs[k] *= network->scale;
}

void ntk_tape_destroy(ntk_tape *tape) {
  const int layers = tape->network ? tape->network->layer_count : 0;

  for (int l = 0; tape->value && l <= layers; ++l) ntk_free(&tape->value[l]);
  for (int l = 0; tape->aux && l < layers; ++l) ntk_free(&tape->aux[l]);
  ntk_free(&tape->value);
  ntk_free(&tape->aux);
  *tape = (ntk_tape){0};
}
