#include "ntk/run/stages.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ntk/base/array.h"
#include "ntk/base/crash.h"
#include "ntk/base/log.h"
#include "ntk/base/memory.h"
#include "ntk/kernel/validation.h"
#include "ntk/run/cost.h"
#include "ntk/run/keep.h"
#include "ntk/run/place.h"
#include "stage_files.h"

/* ---- memory ---------------------------------------------------------------------------------- */

static void forget_spectrum(ntk_stage_cache *c) {
  ntk_spectrum_destroy(&c->spectrum);
  c->spectrum_key[0] = '\0';
}

void ntk_stage_cache_destroy(ntk_stage_cache *c) {
  forget_spectrum(c);
  ntk_kernel_destroy(&c->kernel);
  ntk_data_destroy(&c->data);
  c->kernel_key[0] = '\0';
}

static const char *stage_key(const ntk_point *point, int64_t which, const char *stage) {
  char group[NTK_NAME_SIZE];

  ntk_point_group(point, which, stage, group);
  return ntk_point_key(point, group);
}

/* Empty keys are no keys: points that were not given any share nothing. */
static bool is_same(const char *a, const char *b) { return a[0] && strcmp(a, b) == 0; }

void ntk_stage_cache_prepare(ntk_stage_cache *cache, const ntk_point *point) {
  if (!is_same(cache->kernel_key, stage_key(point, 0, "kernel"))) ntk_stage_cache_destroy(cache);
}

/* ---- what is to be done about a kernel ------------------------------------------------------- */

/* Decided by rank 0, known to all. */
typedef struct policy {
  bool look;       /* there are files of an earlier run */
  bool gram, test; /* they are written while the kernel is computed */
  int64_t chunks;
} policy;

typedef struct stage {
  const ntk_stage_input *in;
  ntk_place *place;
  const ntk_comm *comm;
  const ntk_settings *settings;
  ntk_kept kept;
  ntk_kept_shape shape;
  ntk_data joined; /* test set and validation set as one; borrows */
  ntk_kernel_input input;
  double work; /* of its kernel, predicted: ntk_speed_work */
  policy policy;
  ntk_checkpoint *gram, *test;
  int64_t found; /* panels that are there */
} stage;

/* A kernel from a file tells its size only when it is read; it counts as large. */
static int64_t block_edge(const stage *s) {
  const ntk_grid *grid = s->place->grid;
  const int64_t rows = s->in->network ? s->shape.rows : INT32_MAX;

  return ntk_spectrum_block(&s->settings->spectrum, rows, grid->rows, grid->cols);
}

static ntk_kept_shape shape_of(const stage *s) {
  const ntk_data *data = s->in->data;
  const ntk_kernel_settings *kernel = &s->settings->kernel;
  const ntk_cotangents cotangents = ntk_kernel_cotangents(kernel);
  const ntk_quantity *quantity = ntk_kernel_quantity(kernel, s->in->which);
  ntk_kept_shape shape = {.quantity = quantity};

  if (!s->in->network) return shape;
  const int64_t per_sample = ntk_cotangent_rows(&cotangents, s->in->network->outputs);
  const int64_t tests = data->test.count + data->validation.count;

  shape.rows = data->train.count * per_sample;
  shape.test_rows = tests * per_sample;
  shape.full = per_sample > 1;
  shape.test_test = tests > 0 && ntk_kernel_wants_test_test(kernel);
  shape.validation = data->validation.count > 0;
  shape.notes = ntk_kernel_notes(kernel, quantity, s->in->network);
  return shape;
}

static stage stage_of(const ntk_stage_input *in, ntk_place *place) {
  stage s = {.in = in,
             .place = place,
             .comm = place->grid->comm,
             .settings = &in->point->settings,
             .kept = {place->grid->comm, in->job, in->point, in->which}};

  s.shape = shape_of(&s);
  s.input = (ntk_kernel_input){.grid = place->grid,
                               .block = block_edge(&s),
                               .settings = &s.settings->kernel,
                               .which = in->which,
                               .features = in->features,
                               .network = in->network,
                               .initial = in->initial,
                               .data = &place->stages.data};
  return s;
}

/* The data of a network; a kernel from a file brings its own. */
static void join_data(stage *s) {
  if (!s->in->network) return;
  s->joined = *s->in->data;
  s->joined.test.count += s->joined.validation.count;
  s->input.data = &s->joined;
}

static bool is_long(const stage *s, const ntk_rate *rate, double work, double *seconds) {
  const double after = s->settings->run.checkpoint_after;

  *seconds = rate ? ntk_rate_seconds(rate, work, s->comm->size) : 0;
  return after <= 0 || *seconds > after;
}

/* Several quantities take turns in memory; what a later point of the unit needs again stays in
 * files. */
static bool returns(const stage *s) {
  return s->settings->kernel.quantity.count > 1 && s->place->later_count > 0;
}

static policy decide(stage *s) {
  const ntk_place *place = s->place;
  const ntk_kernel_cost cost = ntk_kernel_cost_of(
      s->in->network, &s->settings->kernel, s->shape.quantity, s->in->data->train.count,
      s->in->data->test.count + s->in->data->validation.count, s->input.block, place->grid->rows,
      place->grid->cols);
  double seconds = 0;
  const double work = ntk_speed_work(cost.flops, cost.traffic_bytes);
  const bool large = is_long(s, place->speed ? &place->speed->kernel : NULL, work, &seconds);
  const bool all = large || returns(s);

  s->work = work;
  if (place->dry) return (policy){.chunks = 1};
  return (policy){.look = ntk_stage_has_kernel_files(&s->kept),
                  .gram = all || ntk_keeps(&s->kept, NTK_KEPT_GRAM, false),
                  .test = s->shape.test_rows > 0 &&
                          (all || ntk_keeps(&s->kept, NTK_KEPT_TEST, s->shape.validation)),
                  .chunks = ntk_kernel_chunks(&cost, seconds, s->settings->run.checkpoint_after)};
}

/* ---- files of a kernel ----------------------------------------------------------------------- */

static ntk_status open_file(stage *s, ntk_kept_file which, bool wanted, ntk_checkpoint **file) {
  if (s->policy.look) {
    NTK_TRY(ntk_kept_open(&s->kept, which, &s->shape, NTK_KEPT_FIND, NULL, file));
  }
  if (*file || !wanted) return NTK_OK;
  return ntk_kept_open(&s->kept, which, &s->shape, NTK_KEPT_CREATE, NULL, file);
}

/* Of a matrix in a file: all panels, or those that are there. */
static int64_t count_panels(const ntk_checkpoint *file, int64_t k, bool all) {
  int64_t count = 0;

  for (int64_t p = 0; file && p < ntk_checkpoint_panels(file, k); ++p) {
    count += all || ntk_checkpoint_has(file, k, p);
  }
  return count;
}

static int64_t count_all(const stage *s, bool all) {
  return count_panels(s->gram, 0, all) + count_panels(s->test, 0, all) +
         (s->shape.test_test ? count_panels(s->test, 1, all) : 0);
}

static ntk_status open_files(stage *s) {
  NTK_TRY(open_file(s, NTK_KEPT_GRAM, s->policy.gram, &s->gram));
  if (s->shape.test_rows > 0) NTK_TRY(open_file(s, NTK_KEPT_TEST, s->policy.test, &s->test));
  return NTK_OK;
}

static bool are_complete(const stage *s) {
  return s->gram && ntk_checkpoint_complete(s->gram) &&
         (s->shape.test_rows == 0 || (s->test && ntk_checkpoint_complete(s->test)));
}

static ntk_status finish_files(const stage *s, const ntk_kernel *k) {
  const ntk_matrix *const grams[] = {&k->gram};
  const ntk_matrix *const tests[] = {&k->test_train, &k->test_test};

  ntk_crash_point("kernel.finish");
  if (s->gram) NTK_TRY(ntk_checkpoint_finish(s->gram, grams));
  if (s->test) NTK_TRY(ntk_checkpoint_finish(s->test, tests));
  if (!s->gram && !s->test) return NTK_OK;
  return ntk_agree(s->comm, s->comm->rank == 0 ? ntk_stage_write_state(&s->kept, k) : NTK_OK);
}

/* Numbers that are not finite are not worth continuing. */
static ntk_status discard_files(const stage *s) {
  char path[NTK_PATH_SIZE];
  const ntk_error error = *ntk_last_error();

  ntk_kept_path(&s->kept, NTK_KEPT_GRAM, false, path);
  if (ntk_checkpoint_discard(path) != NTK_OK) ntk_log("%s", ntk_last_error()->text);
  ntk_kept_path(&s->kept, NTK_KEPT_TEST, s->shape.validation, path);
  if (ntk_checkpoint_discard(path) != NTK_OK) ntk_log("%s", ntk_last_error()->text);
  *ntk_last_error() = error;
  return NTK_OK;
}

/* ---- a kernel that was finished -------------------------------------------------------------- */

static bool fits(const stage *s, const ntk_kernel *k) {
  return k->gram.rows == s->shape.rows && k->test_train.rows == s->shape.test_rows &&
         (k->test_test.rows > 0) == s->shape.test_test;
}

static ntk_status load_matrices(const stage *s, ntk_kernel *k) {
  NTK_TRY(ntk_checkpoint_load(s->gram, 0, &k->gram));
  if (s->test) NTK_TRY(ntk_checkpoint_load(s->test, 0, &k->test_train));
  if (k->test_test.rows > 0) NTK_TRY(ntk_checkpoint_load(s->test, 1, &k->test_test));
  if (!are_complete(s)) return NTK_OK; /* damaged panels are forgotten */
  return ntk_kernel_mirror(k);
}

/* A kernel.h5 that is of no use is as good as none. */
static ntk_status restore(stage *s, const ntk_record *state, ntk_kernel *k, bool *restored) {
  const ntk_status status = ntk_kernel_restore(s->place->grid, s->input.block, s->shape.quantity,
                                               s->shape.test_test, state, k);

  if (status == NTK_E_INPUT) {
    ntk_log("kernel.h5 is of no use: %s", ntk_last_error()->text);
    return NTK_OK;
  }
  NTK_TRY(status);
  if (fits(s, k)) NTK_TRY(load_matrices(s, k));
  *restored = fits(s, k) && are_complete(s);
  if (!*restored) ntk_kernel_destroy(k);
  return NTK_OK;
}

static ntk_status restore_if_finished(stage *s, ntk_kernel *k, bool *restored) {
  ntk_record state = {0};
  bool found = false;

  *restored = false;
  if (!are_complete(s)) return NTK_OK;
  NTK_AGREE(s->comm, s->comm->rank == 0 ? ntk_stage_read_state(&s->kept, &state, &found) : NTK_OK);
  ntk_comm_broadcast(s->comm, 0, &found, sizeof(found));
  const ntk_status status = found ? restore(s, &state, k, restored) : NTK_OK;

  ntk_record_destroy(&state);
  if (*restored && status == NTK_OK) ntk_log("the kernel was finished before: loaded");
  return status;
}

/* ---- computing ------------------------------------------------------------------------------- */

static ntk_status ask(void *context) { return ntk_place_boundary(context); }

static void say_what_is_there(const stage *s) {
  if (s->in->again) ntk_log("%s", s->in->again);
  if (s->found == 0) return;
  ntk_log("kernel: %lld of %lld panels are there from an earlier run", (long long)s->found,
          (long long)count_all(s, true));
}

static ntk_status compute_with_files(stage *s, ntk_kernel *k) {
  const ntk_kernel_keeping keeping = {.gram = s->gram,
                                      .test = s->test,
                                      .chunks = s->policy.chunks,
                                      .boundary = ask,
                                      .context = s->place};
  const double start = ntk_now();
  ntk_kernel_input input = s->input;

  s->found = count_all(s, false);
  say_what_is_there(s);
  if (s->gram || s->test) input.keeping = &keeping;
  NTK_TRY(ntk_kernel_compute(&input, k));
  if (s->place->speed && s->found == 0) {
    ntk_rate_note(&s->place->speed->kernel, s->work, s->comm->size, ntk_now() - start);
  }
  return finish_files(s, k);
}

static ntk_status load_or_compute(stage *s, ntk_kernel *k, ntk_stage_origin *origin) {
  bool restored = false;

  NTK_TRY(open_files(s));
  NTK_TRY(restore_if_finished(s, k, &restored));
  *origin = NTK_STAGE_LOADED;
  if (restored) return NTK_OK;
  const ntk_status status = compute_with_files(s, k);

  *origin = s->found > 0 ? NTK_STAGE_RESUMED : NTK_STAGE_COMPUTED;
  return status;
}

static ntk_status of_network(stage *s, ntk_kernel *k, ntk_stage_origin *origin) {
  join_data(s);
  if (s->comm->rank == 0) s->policy = decide(s);
  ntk_comm_broadcast(s->comm, 0, &s->policy, sizeof(s->policy));
  ntk_comm_broadcast(s->comm, 0, &s->work, sizeof(s->work));
  const ntk_status status = load_or_compute(s, k, origin);

  ntk_checkpoint_close(&s->gram);
  ntk_checkpoint_close(&s->test);
  if (status == NTK_E_NUMERIC && s->comm->rank == 0) NTK_TRY(discard_files(s));
  return status;
}

static ntk_status of_file(stage *s, ntk_kernel *k, ntk_stage_origin *origin) {
  *origin = NTK_STAGE_COMPUTED;
  return ntk_kernel_compute(&s->input, k);
}

/* Test samples and validation samples are told apart; files that somebody keeps are completed. */
static ntk_status complete(stage *s, ntk_kernel *k) {
  if (s->in->network) ntk_kernel_part_validation(k, s->in->data->validation.count);
  if (s->place->dry) return NTK_OK;
  NTK_TRY(ntk_keep_kernel(&s->kept, k, s->shape.notes));
  return s->in->network ? ntk_keep_parts(&s->kept, &s->input, k) : NTK_OK;
}

static ntk_status get_kernel(stage *s, ntk_stage_cache *c) {
  s->place->stage = "kernel";
  NTK_TRY(ntk_place_boundary(s->place));
  NTK_TRY(s->in->network ? of_network(s, &c->kernel, &c->kernel_origin)
                         : of_file(s, &c->kernel, &c->kernel_origin));
  return complete(s, &c->kernel);
}

/* Failures that are no matter of numbers may be over the next time. */
static void remember_failure(ntk_stage_cache *c, const char *key, ntk_status status) {
  if (status != NTK_E_NUMERIC) return;
  (void)snprintf(c->failed_key, sizeof(c->failed_key), "%s", key);
  c->failure = *ntk_last_error();
}

static ntk_status fail_again(const ntk_stage_cache *c, const char *key) {
  if (!is_same(c->failed_key, key)) return NTK_OK;
  return NTK_RAISE(c->failure.status, "%s", c->failure.text);
}

ntk_status ntk_stage_kernel(const ntk_stage_input *input, ntk_place *place) {
  const char *key = stage_key(input->point, input->which, "kernel");
  ntk_stage_cache *cache = &place->stages;
  stage s = stage_of(input, place);

  if (is_same(cache->kernel_key, key)) {
    cache->kernel_origin = NTK_STAGE_REUSED;
    return NTK_OK;
  }
  ntk_stage_cache_destroy(cache);
  NTK_TRY(fail_again(cache, key));
  const ntk_status status = get_kernel(&s, cache);

  if (status == NTK_OK) (void)snprintf(cache->kernel_key, sizeof(cache->kernel_key), "%s", key);
  remember_failure(cache, key, status);
  if (status != NTK_OK) ntk_stage_cache_destroy(cache);
  return status;
}

/* ---- spectrum -------------------------------------------------------------------------------- */

/* Of the kernel that is there. */
static ntk_kept_shape spectrum_shape(const ntk_kernel *k) {
  return (ntk_kept_shape){
      .quantity = k->quantity, .rows = k->gram.rows, .full = k->rows_per_sample > 1};
}

static ntk_status load_vectors(const stage *s, ntk_checkpoint *file, ntk_stage_cache *c,
                               bool *loaded) {
  const ntk_matrix *gram = &c->kernel.gram;
  ntk_spectrum *spectrum = &c->spectrum;

  NTK_TRY(ntk_stage_read_spectrum(&s->kept, gram->rows, c->solver_kernel, spectrum));
  if (spectrum->n == 0) return NTK_OK;
  NTK_TRY(ntk_matrix_create(gram->grid, gram->rows, gram->rows, gram->block, &spectrum->vectors));
  NTK_TRY(ntk_checkpoint_load(file, 0, &spectrum->vectors));
  *loaded = ntk_checkpoint_complete(file);
  return NTK_OK;
}

/* One that was left unfinished is of no use: vectors of another run need not match. */
static ntk_status load_spectrum(const stage *s, ntk_stage_cache *c, bool *loaded) {
  ntk_checkpoint *file = NULL;
  bool look = s->comm->rank == 0 && !s->place->dry && ntk_stage_has_spectrum_file(&s->kept);

  *loaded = false;
  ntk_comm_broadcast(s->comm, 0, &look, sizeof(look));
  if (!look) return NTK_OK;
  NTK_TRY(ntk_kept_open(&s->kept, NTK_KEPT_SPECTRUM, &s->shape, NTK_KEPT_FIND, NULL, &file));
  const bool complete = file && ntk_checkpoint_complete(file);
  const ntk_status status = complete ? load_vectors(s, file, c, loaded) : NTK_OK;

  ntk_checkpoint_close(&file);
  if (status == NTK_OK && *loaded) ntk_log("the spectrum was finished before: loaded");
  if (!*loaded) ntk_spectrum_destroy(&c->spectrum);
  return status;
}

static ntk_status write_vectors(const ntk_spectrum *spectrum, ntk_checkpoint *file) {
  const ntk_matrix *const matrices[] = {&spectrum->vectors};

  ntk_crash_point("spectrum.write");
  NTK_TRY(
      ntk_checkpoint_write(file, 0, &spectrum->vectors, 0, ntk_checkpoint_panels(file, 0), NULL));
  ntk_crash_point("spectrum.finish");
  return ntk_checkpoint_finish(file, matrices);
}

static ntk_status write_spectrum(const stage *s, const ntk_spectrum *spectrum) {
  ntk_checkpoint *file = NULL;
  ntk_record small = {0};
  ntk_status status = ntk_agree(
      s->comm, s->comm->rank == 0 ? ntk_stage_describe_spectrum(spectrum, &small) : NTK_OK);

  if (status == NTK_OK) {
    status = ntk_kept_open(&s->kept, NTK_KEPT_SPECTRUM, &s->shape, NTK_KEPT_CREATE, &small, &file);
  }
  if (status == NTK_OK) status = write_vectors(spectrum, file);
  ntk_checkpoint_close(&file);
  ntk_record_destroy(&small);
  return status;
}

static ntk_status compute_spectrum(const stage *s, ntk_stage_cache *c) {
  ntk_place *place = s->place;
  const double flops = ntk_spectrum_flops(c->kernel.gram.rows), start = ntk_now();
  ntk_rate *rate = place->speed ? &place->speed->spectrum : NULL;
  double seconds = 0, known = rate ? ntk_rate_known(rate, flops, s->comm->size) : NAN;
  bool stored = is_long(s, rate, flops, &seconds) || ntk_keeps(&s->kept, NTK_KEPT_SPECTRUM, false);

  ntk_comm_broadcast(s->comm, 0, &stored, sizeof(stored));
  ntk_comm_broadcast(s->comm, 0, &known, sizeof(known));
  place->stage = "spectrum";
  NTK_TRY(ntk_place_boundary_before(place, known, "the eigensolver"));
  NTK_TRY(ntk_spectrum_compute(&s->settings->spectrum, &c->kernel.gram, c->kernel.single,
                               &c->spectrum));
  if (rate) ntk_rate_note(rate, flops, s->comm->size, ntk_now() - start);
  return stored && !place->dry ? write_spectrum(s, &c->spectrum) : NTK_OK;
}

static ntk_status get_spectrum(const stage *s, ntk_stage_cache *c) {
  const ntk_spectrum_settings *settings = &s->settings->spectrum;
  const ntk_kernel *k = &c->kernel;
  bool loaded = false;

  c->spectrum_origin = NTK_STAGE_COMPUTED;
  if (k->eigenvalue) {
    return ntk_agree(s->comm,
                     ntk_spectrum_adopt(settings, k->n, k->eigenvalue, k->single, &c->spectrum));
  }
  if (strcmp(settings->solver->name, "none") == 0) return NTK_OK;
  NTK_TRY(load_spectrum(s, c, &loaded));
  if (!loaded) return compute_spectrum(s, c);
  c->spectrum_origin = NTK_STAGE_LOADED;
  return NTK_OK;
}

ntk_status ntk_stage_spectrum(const ntk_stage_input *input, ntk_place *place) {
  const char *key = stage_key(input->point, input->which, "spectrum");
  ntk_stage_cache *cache = &place->stages;
  stage s = stage_of(input, place);

  if (is_same(cache->spectrum_key, key)) {
    cache->spectrum_origin = NTK_STAGE_REUSED;
    return NTK_OK;
  }
  forget_spectrum(cache);
  NTK_TRY(fail_again(cache, key));
  s.shape = spectrum_shape(&cache->kernel);
  const ntk_status status = get_spectrum(&s, cache);

  remember_failure(cache, key, status);
  if (status != NTK_OK)
    forget_spectrum(cache);
  else
    (void)snprintf(cache->spectrum_key, sizeof(cache->spectrum_key), "%s", key);
  return status;
}

/* ---- the end of a unit ----------------------------------------------------------------------- */

bool ntk_stage_files_left(const ntk_job *job, const ntk_point *point) {
  for (int64_t which = 0; which < point->settings.kernel.quantity.count; ++which) {
    const ntk_kept kept = {.job = job, .point = point, .which = which};

    if (ntk_stage_has_unkept(&kept)) return true;
  }
  return false;
}

static ntk_status remove_files(const ntk_job *job, const ntk_point *point) {
  for (int64_t which = 0; which < point->settings.kernel.quantity.count; ++which) {
    const ntk_kept kept = {.job = job, .point = point, .which = which};

    NTK_TRY(ntk_stage_remove_unkept(&kept));
  }
  return NTK_OK;
}

static ntk_status are_done(const ntk_job *job, int64_t count, const int64_t *index, bool *done) {
  *done = true;
  for (int64_t k = 0; k < count && *done; ++k) {
    ntk_point_facts facts = {0};

    NTK_TRY(ntk_point_look(job, &job->point[index[k]], &facts));
    *done = facts.state == NTK_POINT_DONE;
  }
  return NTK_OK;
}

/* On rank 0. */
static ntk_status tidy(const ntk_job *job, int64_t count, const int64_t *index, ntk_place *place) {
  bool left = false, done = false;

  for (int64_t k = 0; k < count && !left; ++k) {
    left = ntk_stage_files_left(job, &job->point[index[k]]);
  }
  if (!left) return NTK_OK;
  NTK_TRY(are_done(job, count, index, &done));
  if (!done) return NTK_OK;
  if (place->backlog) NTK_TRY(ntk_backlog_sync(place->backlog));
  for (int64_t k = 0; k < count; ++k) NTK_TRY(remove_files(job, &job->point[index[k]]));
  return NTK_OK;
}

ntk_status ntk_unit_end(const ntk_job *job, int64_t count, const int64_t *index, ntk_place *place) {
  const ntk_comm *comm = place->grid->comm;

  ntk_stage_cache_destroy(&place->stages);
  place->stages.failed_key[0] = '\0';
  if (place->dry) return NTK_OK;
  return ntk_agree(comm, comm->rank == 0 ? tidy(job, count, index, place) : NTK_OK);
}
