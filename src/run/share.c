#include "ntk/run/share.h"

#include <string.h>

#include "ntk/base/memory.h"

enum { SETS = 3 };

/* Which arrays rank 0 has; the others follow. */
typedef struct manifest {
  ntk_shape shape;
  int64_t features, outputs, classes, vocabulary;
  int64_t count[SETS];
  bool targets[SETS], label[SETS], index[SETS];
} manifest;

static ntk_samples *set_of(ntk_data *data, int set) {
  return set == 0 ? &data->train : set == 1 ? &data->validation : &data->test;
}

static manifest describe(ntk_data *data) {
  manifest m = {
      .shape = data->shape,
      .features = data->features,
      .outputs = data->outputs,
      .classes = data->classes,
      .vocabulary = data->vocabulary,
  };

  for (int s = 0; s < SETS; ++s) {
    const ntk_samples *samples = set_of(data, s);

    m.count[s] = samples->count;
    m.targets[s] = samples->targets != NULL;
    m.label[s] = samples->label != NULL;
    m.index[s] = samples->index != NULL;
  }
  return m;
}

static ntk_status allocate_samples(const manifest *m, int set, ntk_samples *samples) {
  samples->count = m->count[set];
  if (m->targets[set]) NTK_TRY(NTK_NEW(samples->count * m->outputs, &samples->targets));
  if (m->label[set]) NTK_TRY(NTK_NEW(samples->count, &samples->label));
  if (m->index[set]) NTK_TRY(NTK_NEW(samples->count, &samples->index));
  return NTK_OK;
}

static ntk_status allocate(const manifest *m, ntk_data *data) {
  data->shape = m->shape;
  data->features = m->features;
  data->outputs = m->outputs;
  data->classes = m->classes;
  data->vocabulary = m->vocabulary;
  for (int s = 0; s < SETS; ++s) NTK_TRY(allocate_samples(m, s, set_of(data, s)));
  return NTK_OK;
}

static void send(const ntk_comm *comm, const manifest *m, int set, ntk_samples *samples) {
  const int64_t bytes = samples->count * (int64_t)sizeof(double);

  if (m->targets[set]) ntk_comm_broadcast(comm, 0, samples->targets, bytes * m->outputs);
  if (m->label[set]) ntk_comm_broadcast(comm, 0, samples->label, bytes);
  if (m->index[set]) ntk_comm_broadcast(comm, 0, samples->index, bytes);
}

ntk_status ntk_data_share(const ntk_comm *comm, ntk_data *data) {
  manifest m = describe(data);

  ntk_comm_broadcast(comm, 0, &m, sizeof(m));
  const ntk_status status = ntk_agree(comm, comm->rank == 0 ? NTK_OK : allocate(&m, data));
  if (status != NTK_OK) {
    if (comm->rank != 0) ntk_data_destroy(data);
    return status;
  }
  for (int s = 0; s < SETS; ++s) send(comm, &m, s, set_of(data, s));
  return NTK_OK;
}

/* The inputs of the test set, and behind them those of the validation set. */
static ntk_status join_inputs(ntk_data *data) {
  const size_t test = (size_t)(data->test.count * data->features);
  const size_t validation = (size_t)(data->validation.count * data->features);
  double *inputs = NULL;

  NTK_TRY(ntk_new_unset(test + validation, sizeof(*inputs), &inputs));
  if (test > 0) memcpy(inputs, data->test.inputs, test * sizeof(*inputs));
  memcpy(inputs + test, data->validation.inputs, validation * sizeof(*inputs));
  ntk_free(&data->test.inputs);
  ntk_free(&data->validation.inputs);
  data->test.inputs = inputs;
  return NTK_OK;
}

ntk_status ntk_data_join_validation(ntk_data *data) {
  return data->validation.inputs && data->validation.count > 0 ? join_inputs(data) : NTK_OK;
}
