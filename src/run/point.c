#include "ntk/run/point.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ntk/analysis/analysis.h"
#include "ntk/base/crash.h"
#include "ntk/base/log.h"
#include "ntk/base/memory.h"
#include "ntk/kernel/validation.h"
#include "ntk/run/build.h"
#include "ntk/run/event.h"
#include "ntk/run/keep.h"
#include "ntk/run/point_summary.h"
#include "ntk/run/predictions.h"
#include "ntk/run/results.h"
#include "ntk/run/share.h"
#include "ntk/store/durable.h"
#include "ntk/store/file.h"
#include "ntk/store/provenance.h"

/* A point while it is computed.  Everything in it is freed by `finish`. */
typedef struct work {
  const ntk_job *job;
  const ntk_point *point;
  ntk_place *place;
  const ntk_comm *comm;
  ntk_data data; /* of the place, which keeps it */
  ntk_network network, initial; /* initial: empty unless the output is centered on another */
  bool has_network;
  ntk_features features;  /* what the quantities share */
  int64_t which;          /* the quantity at work: kernel, spectrum and coefficients are its */
  const ntk_kernel *kernel; /* of the place */
  ntk_matrix held_out;    /* of the kernel: test and validation rows; borrows */
  const ntk_spectrum *spectrum; /* of the place; NULL: none */
  char again[512];        /* what the log says if the kernel has to be computed; "": nothing */
  double *residual, *target_coefficient, *residual_coefficient;
  char predictions_path[NTK_PATH_SIZE];
  ntk_prediction_file predictions;
  bool *valid;            /* [group_count] results.h5 holds the group under its key */
  ntk_record *records;    /* root first, then the groups that are computed now */
  int64_t record_count;
  double started, kernel_seconds, spectrum_seconds;
  char summary[NTK_SUMMARY_TEXT];
} work;

/* Before the next quantity, and at the end. */
static void drop_quantity(work *w) {
  ntk_free(&w->residual);
  ntk_free(&w->target_coefficient);
  ntk_free(&w->residual_coefficient);
  w->kernel = NULL;
  w->spectrum = NULL;
}

static void finish(work *w) {
  for (int64_t k = 0; k < w->record_count; ++k) ntk_record_destroy(&w->records[k]);
  ntk_free(&w->records);
  ntk_free(&w->valid);
  drop_quantity(w);
  ntk_prediction_abandon(&w->predictions);
  ntk_features_destroy(&w->features);
  ntk_network_destroy(&w->network);
  ntk_network_destroy(&w->initial);
}

static const ntk_settings *settings_of(const work *w) { return &w->point->settings; }

/* ---- what is there already --------------------------------------------------------------------- */

/* A damaged file holds nothing that is valid, and is replaced. */
static ntk_status look(work *w) {
  char path[NTK_PATH_SIZE];
  ntk_record keys = {0};

  ntk_point_path(w->job, w->point, "results.h5", path);
  const ntk_status read = ntk_file_keys(path, &keys);

  if (read == NTK_E_INPUT) {
    ntk_log("%s; everything is computed again", ntk_last_error()->text);
    return NTK_OK;
  }
  NTK_TRY(read);
  for (int64_t k = 0; k < w->point->group_count; ++k) {
    const ntk_group_key *group = &w->point->group[k];
    const ntk_attribute *found = ntk_record_find_attribute(&keys, group->group);

    w->valid[k] = found && strcmp(found->text, group->key) == 0;
  }
  ntk_record_destroy(&keys);
  return NTK_OK;
}

static ntk_status find_valid_groups(work *w) {
  const int64_t groups = w->point->group_count;
  const int64_t records = groups + settings_of(w)->kernel.quantity.count;

  NTK_AGREE(w->comm, NTK_NEW(groups, &w->valid));
  NTK_AGREE(w->comm, NTK_NEW(records, &w->records));
  NTK_AGREE(w->comm, w->comm->rank == 0 && !w->place->dry ? look(w) : NTK_OK);
  ntk_comm_broadcast(w->comm, 0, w->valid, groups * (int64_t)sizeof(*w->valid));
  return NTK_OK;
}

static bool is_valid(const work *w, const char *group) {
  for (int64_t k = 0; k < w->point->group_count; ++k) {
    if (strcmp(w->point->group[k].group, group) == 0) return w->valid[k];
  }
  return false;
}

/* Kernels that a point has results of are computed again, with their spectra, for what is missing
 * now. */
static void prepare_message(work *w) {
  char missing[256] = "";
  size_t used = 0;

  if (!is_valid(w, "kernel")) return;
  for (int64_t k = 0; k < w->point->group_count && used < sizeof(missing); ++k) {
    if (w->valid[k]) continue;
    used += (size_t)snprintf(missing + used, sizeof(missing) - used, " /%s",
                             w->point->group[k].group);
  }
  (void)snprintf(w->again, sizeof(w->again),
                 "there are results; the kernel is computed again, for%s",
                 missing[0] ? missing : " files that output.keep names");
}

/* ---- data and network -------------------------------------------------------------------------- */

static ntk_status prepare_data(const work *w) {
  ntk_place *place = w->place;

  NTK_AGREE(w->comm, w->comm->rank == 0
                         ? ntk_data_load(&settings_of(w)->data, &place->cache, &place->data)
                         : NTK_OK);
  NTK_AGREE(w->comm, ntk_data_join_validation(&place->data));
  return ntk_data_share(w->comm, &place->data);
}

/* Many points of a sweep have the same data: what is prepared stays for the next one. */
static ntk_status load_data(work *w) {
  const ntk_kernel_type *type = (const ntk_kernel_type *)settings_of(w)->kernel.type.row;
  const char *key = ntk_point_key(w->point, "data");
  ntk_place *place = w->place;

  if (!type->needs_network) return NTK_OK; /* the kernel's file has the targets */
  if (!key[0] || strcmp(place->data_key, key) != 0) {
    ntk_place_forget_data(place);
    const ntk_status status = prepare_data(w);

    if (status != NTK_OK) {
      ntk_place_forget_data(place);
      return status;
    }
    (void)snprintf(place->data_key, sizeof(place->data_key), "%s", key);
  }
  w->data = place->data;
  w->has_network = true;
  return NTK_OK;
}

/* ---- kernel, spectrum, view -------------------------------------------------------------------- */

static ntk_status build_networks(work *w) {
  const ntk_settings *s = settings_of(w);

  NTK_TRY(ntk_network_build(s, &w->data, true, &w->network));
  return ntk_network_build_initial(s, &w->data, &w->initial);
}

static bool is_last(const work *w) {
  return w->which == settings_of(w)->kernel.quantity.count - 1;
}

/* A line of log.jsonl, by rank 0; what cannot be recorded is at least said. */
static void record_stage(const work *w, const char *stage, ntk_stage_origin origin,
                         double seconds) {
  const ntk_grid *grid = w->place->grid;
  char path[NTK_PATH_SIZE], group[NTK_NAME_SIZE];
  ntk_event event = {.name = "stage",
                     .resumed = origin != NTK_STAGE_COMPUTED,
                     .seconds = seconds,
                     .ranks = w->comm->size,
                     .grid_rows = grid->rows,
                     .grid_cols = grid->cols};

  if (w->comm->rank != 0 || w->place->dry || origin == NTK_STAGE_REUSED) return;
  w->place->resumed = w->place->resumed || event.resumed;
  ntk_point_group(w->point, w->which, stage, group);
  (void)snprintf(event.stage, sizeof(event.stage), "%.*s", (int)sizeof(event.stage) - 1, group);
  ntk_point_path(w->job, w->point, "log.jsonl", path);
  if (ntk_event_append(path, &event) == NTK_OK) return;
  ntk_log("that the %s is finished cannot be recorded: %s", group, ntk_last_error()->text);
}

/* A stage is finished: into the log, and for the forecast. */
static void note_stage(const work *w, int part, const char *stage, ntk_stage_origin origin,
                       double seconds) {
  ntk_place *place = w->place;

  if (origin == NTK_STAGE_RESUMED) place->part_seconds[part] = NAN;
  if (origin == NTK_STAGE_COMPUTED) {
    place->part_seconds[part] += seconds;
    place->part_computed[part] = true;
  }
  record_stage(w, stage, origin, seconds);
}

static ntk_stage_input stage_input(work *w) {
  const bool several = settings_of(w)->kernel.quantity.count > 1;

  return (ntk_stage_input){.job = w->job,
                           .point = w->point,
                           .which = w->which,
                           .data = &w->data,
                           .network = w->has_network ? &w->network : NULL,
                           .initial = w->initial.layer_count ? &w->initial : NULL,
                           .features = several ? &w->features : NULL,
                           .again = w->again[0] ? w->again : NULL};
}

static ntk_status get_kernel(work *w) {
  const double start = ntk_now();
  const ntk_stage_input input = stage_input(w);
  ntk_stage_cache *stages = &w->place->stages;

  NTK_TRY(ntk_stage_kernel(&input, w->place));
  w->kernel = &stages->kernel;
  if (!w->has_network) w->data = stages->data;
  w->held_out = ntk_kernel_held_out(w->kernel);
  w->kernel_seconds = ntk_now() - start;
  note_stage(w, NTK_PART_KERNEL, "kernel", stages->kernel_origin, w->kernel_seconds);
  if (is_last(w)) ntk_features_destroy(&w->features);
  return NTK_OK;
}

static ntk_view view_of(const work *w) {
  const bool full = w->kernel->rows_per_sample > 1, matrices = w->kernel->gram.grid != NULL;

  return (ntk_view){
      .comm = w->comm,
      .n = w->kernel->n,
      .m = w->kernel->m,
      .outputs = w->kernel->outputs,
      .rows = w->kernel->n * w->kernel->rows_per_sample,
      .columns = full ? 1 : w->kernel->outputs,
      .classes = w->data.classes,
      .parameters = w->has_network ? w->network.parameters : 0,
      .rate_scale = w->kernel->rate_scale,
      .gram = matrices ? &w->kernel->gram : NULL,
      .test_train = &w->kernel->test_train,
      .validation = w->kernel->validation,
      .held_out = &w->held_out,
      .validation_f0 = w->kernel->validation
                           ? w->kernel->test_f0 + w->kernel->m * w->kernel->outputs
                           : NULL,
      .validation_y = w->data.validation.targets,
      .validation_label = w->data.validation.label,
      .spectrum = w->spectrum,
      .f0 = w->kernel->f0,
      .test_f0 = w->kernel->test_f0,
      .y = w->data.train.targets,
      .test_y = w->data.test.targets,
      .label = w->data.train.label,
      .test_label = w->data.test.label,
      .target_coefficient = w->target_coefficient,
      .residual_coefficient = w->residual_coefficient,
  };
}

static ntk_status allocate_coefficients(work *w, int64_t count) {
  NTK_TRY(NTK_NEW(count, &w->residual));
  NTK_TRY(NTK_NEW(count, &w->target_coefficient));
  return NTK_NEW(count, &w->residual_coefficient);
}

/* V^T y and V^T (f0 - y), once for all analyses. */
static ntk_status project_targets(work *w) {
  const int64_t count = w->kernel->n * w->kernel->outputs;
  const int64_t columns = count / w->kernel->gram.rows;
  const double *y = w->data.train.targets;

  if (!y) return NTK_OK;
  NTK_AGREE(w->comm, allocate_coefficients(w, count));
  for (int64_t k = 0; k < count; ++k) w->residual[k] = w->kernel->f0[k] - y[k];
  NTK_TRY(ntk_spectrum_project(w->spectrum, columns, y, w->target_coefficient));
  return ntk_spectrum_project(w->spectrum, columns, w->residual, w->residual_coefficient);
}

/* Of a kernel that came as eigenvalues. */
static ntk_status copy_powers(work *w) {
  const ntk_kernel *k = w->kernel;
  const int64_t count = k->n * k->outputs;

  if (!k->target_power) return NTK_OK;
  NTK_TRY(allocate_coefficients(w, count));
  for (int64_t i = 0; i < count; ++i) {
    w->target_coefficient[i] = sqrt(k->target_power[i]);
    w->residual_coefficient[i] = -w->target_coefficient[i]; /* f0 = 0 */
  }
  return NTK_OK;
}

static ntk_status get_spectrum(work *w) {
  const double start = ntk_now();
  const ntk_stage_input input = stage_input(w);
  const ntk_spectrum *spectrum = &w->place->stages.spectrum;

  NTK_TRY(ntk_stage_spectrum(&input, w->place));
  w->spectrum_seconds = ntk_now() - start;
  if (spectrum->n == 0) return NTK_OK;
  note_stage(w, NTK_PART_SPECTRUM, "spectrum", w->place->stages.spectrum_origin,
             w->spectrum_seconds);
  w->spectrum = spectrum;
  return w->kernel->eigenvalue ? ntk_agree(w->comm, copy_powers(w)) : project_targets(w);
}

/* ---- results ----------------------------------------------------------------------------------- */

/* Starts the record of a group of the point. */
static ntk_status start_record(work *w, const char *group, ntk_record **record) {
  *record = &w->records[w->record_count++];
  (void)snprintf((*record)->name, sizeof((*record)->name), "%s", group);
  return ntk_record_set_text(*record, "key", ntk_point_key(w->point, group));
}

/* One of the groups that are no analysis. */
typedef ntk_status group_fn(work *w, ntk_record *record);

static ntk_status data_group(work *w, ntk_record *record) {
  return ntk_agree(w->comm, ntk_results_data(&w->data, record));
}

static ntk_status network_group(work *w, ntk_record *record) {
  return ntk_agree(w->comm, ntk_results_network(&w->network, record));
}

static ntk_status kernel_group(work *w, ntk_record *record) {
  return ntk_results_kernel(w->comm, &settings_of(w)->kernel, &w->data, w->kernel, record);
}

static ntk_status spectrum_group(work *w, ntk_record *record) {
  const ntk_view view = view_of(w);

  return ntk_agree(w->comm, ntk_results_spectrum(&view, record));
}

static const struct {
  const char *name;
  bool once; /* not for every quantity */
  group_fn *fill;
} stage_groups[] = {
    {"data", true, data_group},
    {"network", true, network_group},
    {"kernel", false, kernel_group},
    {"spectrum", false, spectrum_group},
};

static ntk_status fill_stage_groups(work *w) {
  for (size_t k = 0; k < sizeof(stage_groups) / sizeof(stage_groups[0]); ++k) {
    char group[NTK_NAME_SIZE];
    ntk_record *record = NULL;

    if (stage_groups[k].once && w->which > 0) continue;
    ntk_point_group(w->point, w->which, stage_groups[k].name, group);
    if (!ntk_point_key(w->point, group)[0] || is_valid(w, group)) continue;
    NTK_AGREE(w->comm, start_record(w, group, &record));
    NTK_TRY(stage_groups[k].fill(w, record));
  }
  return NTK_OK;
}

static ntk_status check_needs(const work *w, const ntk_analysis *analysis) {
  const char *key = w->kernel->eigenvalue ? "target_power" : "targets";
  const bool targets = w->data.train.targets || w->kernel->target_power;

  NTK_CHECK(!(analysis->needs & NTK_NEEDS_TARGETS) || targets, NTK_E_CONFIG,
            "the analysis '%s' needs targets, but the kernel came without; name their dataset in "
            "kernel.%s",
            analysis->row.name, key);
  return NTK_OK;
}

/* Before anything is computed from what a file has given. */
static ntk_status check_all_needs(const work *w) {
  const ntk_choices *analyses = &settings_of(w)->analyses;

  for (int64_t k = 0; k < analyses->count; ++k) {
    NTK_TRY(check_needs(w, (const ntk_analysis *)analyses->item[k].row));
  }
  return NTK_OK;
}

/* The record of an analysis; NULL if its group is valid.  The scalars of `root` are the summaries of
 * the quantity and always written anew. */
static ntk_status find_record(work *w, const ntk_choice *choice, ntk_record *root,
                              ntk_record **record) {
  char group[NTK_NAME_SIZE];

  *record = root;
  if (((const ntk_analysis *)choice->row)->to_root) return NTK_OK;
  ntk_point_group(w->point, w->which, choice->label, group);
  *record = NULL;
  if (is_valid(w, group) && !w->predictions.path) return NTK_OK;
  NTK_AGREE(w->comm, start_record(w, group, record));
  NTK_AGREE(w->comm, ntk_record_set_text(*record, "analysis", choice->row->name));
  (void)snprintf(w->predictions.group, sizeof(w->predictions.group), "%s", group);
  w->predictions.key = ntk_point_key(w->point, group);
  return NTK_OK;
}

/* Of the first quantity the root, of others a group of its own if it has any. */
static ntk_status find_root(work *w, ntk_record **root) {
  char group[NTK_NAME_SIZE];

  *root = &w->records[0];
  ntk_point_group(w->point, w->which, "", group);
  if (w->which == 0 || !ntk_point_key(w->point, group)[0]) return NTK_OK;
  return ntk_agree(w->comm, start_record(w, group, root));
}

static ntk_status fill_analyses(work *w) {
  const ntk_choices *analyses = &settings_of(w)->analyses;
  const ntk_predictions sink = ntk_prediction_sink(&w->predictions);
  ntk_view view = view_of(w);
  ntk_record *root = NULL, *record = NULL;

  ntk_crash_point("analyses");
  NTK_TRY(find_root(w, &root));
  if (w->predictions.path) view.predictions = &sink;
  for (int64_t k = 0; k < analyses->count; ++k) {
    const ntk_choice *choice = &analyses->item[k];

    NTK_TRY(find_record(w, choice, root, &record));
    if (!record) continue;
    NTK_TRY(ntk_place_boundary(w->place));
    NTK_TRY(((const ntk_analysis *)choice->row)->compute(&view, choice->options, record));
  }
  return NTK_OK;
}

static ntk_status key_list(const ntk_point *point, ntk_record *root) {
  ntk_text list = {0};
  ntk_status status = NTK_OK;

  for (int64_t k = 0; k < point->group_count && status == NTK_OK; ++k) {
    const char *name = point->group[k].group;

    status = ntk_text_add(&list, "%s: %s\n", name[0] ? name : "summary", point->group[k].key);
  }
  if (status == NTK_OK) status = ntk_record_set_text(root, "keys", ntk_text_string(&list));
  ntk_text_destroy(&list);
  return status;
}

static ntk_status describe_root(work *w, ntk_record *root) {
  const ntk_grid *grid = w->place->grid;
  char text[64];

  (void)snprintf(text, sizeof(text), "%d x %d", grid->rows, grid->cols);
  NTK_TRY(ntk_record_set_text(root, "grid", text));
  NTK_TRY(ntk_record_set_text(root, "Conventions", "CF-1.10"));
  NTK_TRY(ntk_record_set_text(root, "title", settings_of(w)->name));
  NTK_TRY(ntk_record_set_text(root, "config", w->point->yaml));
  NTK_TRY(ntk_record_set_text(root, "overrides", w->job->overrides));
  NTK_TRY(ntk_record_set_text(root, "point_id", w->point->id));
  NTK_TRY(ntk_record_set_real(root, "seconds", ntk_now() - w->started));
  return key_list(w->point, root);
}

static ntk_status start_root(work *w) {
  ntk_record *root = NULL;

  NTK_AGREE(w->comm, start_record(w, "", &root));
  if (!w->place->origin) return ntk_provenance_add(w->comm, root);
  return ntk_agree(w->comm, ntk_record_copy_attributes(w->place->origin, root));
}

static bool is_recorded(const work *w, const char *group) {
  for (int64_t k = 0; k < w->record_count; ++k) {
    if (strcmp(w->records[k].name, group) == 0) return true;
  }
  return false;
}

/* Groups that stay as they are, for ntk_file_write; none: the old file is not looked at.  A file that
 * replaces another is brought to disk at once, or a crash of the machine could take both. */
static ntk_status write_keeping(work *w, const char *path) {
  const char **keep = NULL;
  int64_t kept = 0;

  NTK_TRY(NTK_NEW(w->point->group_count + 1, &keep));
  for (int64_t k = 0; k < w->point->group_count; ++k) {
    const char *group = w->point->group[k].group;

    if (w->valid[k] && !is_recorded(w, group)) keep[kept++] = group;
  }
  const bool later = w->place->backlog && kept == 0 && access(path, F_OK) != 0;
  const ntk_status status =
      later ? ntk_file_write_later(path, w->record_count, w->records, w->place->backlog)
            : ntk_file_write(path, w->record_count, w->records, kept > 0 ? keep : NULL);

  ntk_free(&keep);
  return status;
}

static ntk_status write_results(work *w) {
  char path[NTK_PATH_SIZE];

  if (w->place->dry) return NTK_OK;
  NTK_TRY(describe_root(w, &w->records[0]));
  ntk_point_path(w->job, w->point, "results.h5", path);
  ntk_durable_tidy(path);
  ntk_crash_point("results.write");
  NTK_TRY(write_keeping(w, path));
  ntk_crash_point("results.rename");
  return NTK_OK;
}

/* ---- the whole point --------------------------------------------------------------------------- */

static ntk_status make_folder(const work *w) {
  char path[NTK_PATH_SIZE];

  if (w->place->dry) return NTK_OK;
  ntk_point_path(w->job, w->point, "results.h5", path);
  return ntk_make_folder_of(path);
}

static void open_predictions(work *w) {
  if (!ntk_point_keeps(w->point, "predictions")) return;
  ntk_point_path(w->job, w->point, "predictions.h5", w->predictions_path);
  w->predictions = (ntk_prediction_file){.comm = w->comm,
                                         .path = w->predictions_path,
                                         .data = &w->data,
                                         .kernel = &w->place->stages.kernel,
                                         .config = w->point->yaml};
}

/* Into the line about the point. */
static void summarize(work *w) {
  const ntk_stage_cache *stages = &w->place->stages;
  const ntk_summary_part part = {
      .quantity = w->which > 0 ? settings_of(w)->kernel.quantity.item[w->which].row->name : NULL,
      .kernel = w->kernel,
      .spectrum = w->spectrum,
      .kernel_origin = stages->kernel_origin,
      .spectrum_origin = stages->spectrum_origin,
      .kernel_seconds = w->kernel_seconds,
      .spectrum_seconds = w->spectrum_seconds,
  };

  ntk_summary_add(&part, w->summary);
}

static ntk_status run_quantity(work *w) {
  NTK_TRY(get_kernel(w));
  NTK_AGREE(w->comm, check_all_needs(w));
  NTK_TRY(get_spectrum(w));
  w->place->stage = "analyses";
  NTK_TRY(ntk_place_boundary(w->place));
  NTK_TRY(fill_stage_groups(w));
  NTK_TRY(fill_analyses(w));
  summarize(w);
  return NTK_OK;
}

static ntk_status run_quantities(work *w) {
  for (w->which = 0; w->which < settings_of(w)->kernel.quantity.count; ++w->which) {
    NTK_TRY(run_quantity(w));
    drop_quantity(w);
  }
  w->which = 0;
  return NTK_OK;
}

static ntk_status run(work *w) {
  const ntk_kept kept = {w->comm, w->job, w->point, 0};

  ntk_stage_cache_prepare(&w->place->stages, w->point);
  NTK_AGREE(w->comm, w->comm->rank == 0 ? make_folder(w) : NTK_OK);
  NTK_TRY(find_valid_groups(w));
  prepare_message(w);
  NTK_TRY(start_root(w));
  NTK_TRY(load_data(w));
  NTK_AGREE(w->comm, w->has_network ? build_networks(w) : NTK_OK);
  open_predictions(w);
  NTK_TRY(run_quantities(w));
  if (w->has_network) NTK_TRY(ntk_keep_weights(&kept, &w->network));
  NTK_TRY(ntk_prediction_finish(&w->predictions));
  return ntk_agree(w->comm, w->comm->rank == 0 ? write_results(w) : NTK_OK);
}

ntk_status ntk_point_run(const ntk_job *job, const ntk_point *point, ntk_place *place,
                         char *summary, int size) {
  work w = {.job = job,
            .point = point,
            .place = place,
            .comm = place->grid->comm,
            .started = ntk_now()};
  const ntk_status status = run(&w);

  (void)snprintf(summary, (size_t)size, "%s", status == NTK_OK ? w.summary : "");
  finish(&w);
  return status;
}
