#include "ntk/run/predictions.h"

#include <stdio.h>
#include <string.h>

#include "ntk/run/results.h"
#include "ntk/store/file.h"
#include "ntk/store/provenance.h"

static const ntk_field time_field = {"time", "time", "1", "training time", "D1", NTK_KIND_REAL};

#define OF(set, sample, formula)                                                                   \
  {sample,                                                                                        \
   {set "initial_output", sample " output", "1", "output of the network at initialisation", "B4", \
    NTK_KIND_REAL},                                                                               \
   {set "prediction", "time " sample " output", "1", "prediction of the linearised model",        \
    formula, NTK_KIND_REAL},                                                                      \
   {set "prediction_infinity", sample " output", "1",                                             \
    "prediction of the linearised model at infinite time", "D5", NTK_KIND_REAL}}

static const struct {
  const char *sample;
  ntk_field initial, curve, infinity;
} sets[NTK_SETS] = {
    [NTK_TRAIN] = OF("", "sample", "D1"),
    [NTK_VALIDATION] = OF("validation_", "validation_sample", "D3"),
    [NTK_TEST] = OF("test_", "test_sample", "D3"),
};

#undef OF

/* Samples of a set, and the outputs of the network on them; validation stands behind test. */
static int64_t samples_of(const ntk_kernel *k, ntk_set set) {
  return set == NTK_TRAIN ? k->n : set == NTK_TEST ? k->m : k->validation;
}

static const double *initial_of(const ntk_kernel *k, ntk_set set) {
  if (set == NTK_TRAIN) return k->initial;
  return set == NTK_TEST ? k->test_initial : k->test_initial + k->m * k->outputs;
}

/* ---- a group --------------------------------------------------------------------------------- */

/* A variable whose data come later: [first of `sizes`], samples, outputs. */
static ntk_status add_room(const ntk_field *field, const char *sample, int64_t times,
                           int64_t samples, int64_t outputs, ntk_record *record) {
  ntk_variable v = {.kind = field->kind, .count = 1};

  (void)snprintf(v.name, sizeof(v.name), "%s", field->name);
  (void)snprintf(v.long_name, sizeof(v.long_name), "%s", field->long_name);
  (void)snprintf(v.units, sizeof(v.units), "%s", field->units);
  (void)snprintf(v.source, sizeof(v.source), "%s", field->source);
  if (times >= 0) {
    (void)snprintf(v.dimension[v.rank], NTK_NAME_SIZE, "time");
    v.size[v.rank++] = times;
  }
  (void)snprintf(v.dimension[v.rank], NTK_NAME_SIZE, "%s", sample);
  v.size[v.rank++] = samples;
  (void)snprintf(v.dimension[v.rank], NTK_NAME_SIZE, "output");
  v.size[v.rank++] = outputs;
  for (int k = 0; k < v.rank; ++k) v.count *= v.size[k];
  return ntk_record_add_shape(record, &v, NULL);
}

static ntk_status add_set(const ntk_prediction_file *f, ntk_set set, bool infinity,
                          ntk_record *record) {
  const ntk_kernel *k = f->kernel;
  const int64_t samples = samples_of(k, set);
  const int64_t sizes[] = {samples, k->outputs};
  double *values = NULL;

  if (samples == 0) return NTK_OK;
  NTK_TRY(ntk_record_add(record, &sets[set].initial, sizes, &values));
  memcpy(values, initial_of(k, set), (size_t)(samples * k->outputs) * sizeof(double));
  NTK_TRY(add_room(&sets[set].curve, sets[set].sample, f->times, samples, k->outputs, record));
  if (!infinity) return NTK_OK;
  return add_room(&sets[set].infinity, sets[set].sample, -1, samples, k->outputs, record);
}

static ntk_status describe_group(const ntk_prediction_file *f, const double *time, bool infinity,
                                 ntk_record *record) {
  double *times = NULL;

  (void)snprintf(record->name, sizeof(record->name), "%s", f->group);
  NTK_TRY(ntk_results_data(f->data, record));
  NTK_TRY(ntk_record_add(record, &time_field, &f->times, &times));
  memcpy(times, time, (size_t)f->times * sizeof(double));
  for (ntk_set set = NTK_TRAIN; set < NTK_SETS; ++set) NTK_TRY(add_set(f, set, infinity, record));
  return ntk_record_set_text(record, "key", f->key);
}

static ntk_status describe_file(const ntk_prediction_file *f, ntk_record *root) {
  NTK_TRY(ntk_record_set_text(root, "program", ntk_program_version()));
  return ntk_record_set_text(root, "config", f->config);
}

static ntk_status add_record(ntk_prediction_file *f, ntk_status status, ntk_record *record) {
  if (status == NTK_OK) status = ntk_slab_add(f->slab, record);
  ntk_record_destroy(record);
  return status;
}

static ntk_status create(ntk_prediction_file *f) {
  ntk_record root = {0};

  NTK_TRY(ntk_slab_create(f->path, &f->slab));
  return add_record(f, describe_file(f, &root), &root);
}

static ntk_status begin_group(ntk_prediction_file *f, const double *time, bool infinity) {
  ntk_record group = {0};

  if (!f->slab) NTK_TRY(create(f));
  return add_record(f, describe_group(f, time, infinity, &group), &group);
}

static ntk_status begin(void *context, int64_t times, const double *time, bool infinity) {
  ntk_prediction_file *f = context;

  f->times = times;
  return ntk_agree(f->comm, f->comm->rank == 0 ? begin_group(f, time, infinity) : NTK_OK);
}

/* ---- predictions ----------------------------------------------------------------------------- */

static ntk_status write_to(ntk_prediction_file *f, const char *name, int64_t first, int64_t count,
                           const double *values) {
  char full[2 * NTK_NAME_SIZE];

  (void)snprintf(full, sizeof(full), "%s/%s", f->group, name);
  return ntk_slab_write(f->slab, full, first, count, values);
}

static ntk_status put_steps(ntk_prediction_file *f, ntk_set set, int64_t first, int64_t count,
                            const double *values) {
  const int64_t samples = samples_of(f->kernel, set);
  const int64_t finite = first + count > f->times ? f->times - first : count;

  NTK_TRY(write_to(f, sets[set].curve.name, first, finite, values));
  if (finite == count) return NTK_OK;
  return write_to(f, sets[set].infinity.name, 0, samples,
                  values + finite * samples * f->kernel->outputs);
}

static ntk_status put(void *context, ntk_set set, int64_t first, int64_t count, const double *f) {
  ntk_prediction_file *file = context;

  return ntk_agree(file->comm,
                   file->comm->rank == 0 ? put_steps(file, set, first, count, f) : NTK_OK);
}

ntk_predictions ntk_prediction_sink(ntk_prediction_file *file) {
  return (ntk_predictions){.context = file, .begin = begin, .put = put};
}

ntk_status ntk_prediction_finish(ntk_prediction_file *file) {
  if (!file->path) return NTK_OK; /* nobody keeps predictions */
  return ntk_agree(file->comm, file->slab ? ntk_slab_finish(&file->slab) : NTK_OK);
}

void ntk_prediction_abandon(ntk_prediction_file *file) { ntk_slab_abandon(&file->slab); }
