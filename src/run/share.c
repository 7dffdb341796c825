#include "ntk/run/share.h"

#include "ntk/base/memory.h"

/* Which arrays rank 0 has; the others follow. */
typedef struct manifest {
  ntk_shape shape;
  int64_t features, outputs, classes;
  int64_t count[2];
  bool targets[2], label[2], index[2];
} manifest;

static manifest describe(const ntk_data *data) {
  return (manifest){
      .shape = data->shape,
      .features = data->features,
      .outputs = data->outputs,
      .classes = data->classes,
      .count = {data->train.count, data->test.count},
      .targets = {data->train.targets != NULL, data->test.targets != NULL},
      .label = {data->train.label != NULL, data->test.label != NULL},
      .index = {data->train.index != NULL, data->test.index != NULL},
  };
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
  NTK_TRY(allocate_samples(m, 0, &data->train));
  return allocate_samples(m, 1, &data->test);
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
  send(comm, &m, 0, &data->train);
  send(comm, &m, 1, &data->test);
  return NTK_OK;
}
