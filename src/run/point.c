#include "ntk/run/point.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ntk/analysis/analysis.h"
#include "ntk/base/log.h"
#include "ntk/base/memory.h"
#include "ntk/run/build.h"
#include "ntk/run/results.h"
#include "ntk/run/share.h"
#include "ntk/store/file.h"
#include "ntk/store/panel.h"
#include "ntk/store/provenance.h"

/* A point while it is computed.  Everything in it is freed by `finish`. */
typedef struct work {
  const ntk_job *job;
  const ntk_point *point;
  ntk_place *place;
  const ntk_comm *comm;
  ntk_data data;
  ntk_network network, initial; /* initial: empty unless the output is centered on another */
  bool has_network;
  ntk_kernel kernel;
  ntk_spectrum spectrum;
  bool has_spectrum;
  double *residual, *target_coefficient, *residual_coefficient;
  bool *valid;            /* [group_count] results.h5 holds the group under its key */
  ntk_record *records;    /* root first, then the groups that are computed now */
  int64_t record_count;
  double started, kernel_seconds;
} work;

static void finish(work *w) {
  for (int64_t k = 0; k < w->record_count; ++k) ntk_record_destroy(&w->records[k]);
  ntk_free(&w->records);
  ntk_free(&w->valid);
  ntk_free(&w->residual);
  ntk_free(&w->target_coefficient);
  ntk_free(&w->residual_coefficient);
  ntk_spectrum_destroy(&w->spectrum);
  ntk_kernel_destroy(&w->kernel);
  ntk_network_destroy(&w->network);
  ntk_network_destroy(&w->initial);
  ntk_data_destroy(&w->data);
}

static const ntk_settings *settings_of(const work *w) { return &w->point->settings; }

/* ---- what is there already --------------------------------------------------------------------- */

static ntk_status look(work *w) {
  char path[NTK_PATH_SIZE];
  ntk_record keys = {0};

  ntk_point_path(w->job, w->point, "results.h5", path);
  NTK_TRY(ntk_file_keys(path, &keys));
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

  NTK_AGREE(w->comm, NTK_NEW(groups, &w->valid));
  NTK_AGREE(w->comm, NTK_NEW(groups + 1, &w->records));
  NTK_AGREE(w->comm, w->comm->rank == 0 ? look(w) : NTK_OK);
  ntk_comm_broadcast(w->comm, 0, w->valid, groups * (int64_t)sizeof(*w->valid));
  return NTK_OK;
}

static bool is_valid(const work *w, const char *group) {
  for (int64_t k = 0; k < w->point->group_count; ++k) {
    if (strcmp(w->point->group[k].group, group) == 0) return w->valid[k];
  }
  return false;
}

/* ---- data and network -------------------------------------------------------------------------- */

static ntk_status load_data(work *w) {
  const ntk_kernel_type *type = (const ntk_kernel_type *)settings_of(w)->kernel.type.row;

  if (!type->needs_network) return NTK_OK; /* the kernel's file has the targets */
  NTK_AGREE(w->comm, w->comm->rank == 0
                         ? ntk_data_load(&settings_of(w)->data, &w->place->cache, &w->data)
                         : NTK_OK);
  w->has_network = true;
  return ntk_data_share(w->comm, &w->data);
}

/* ---- kernel, spectrum, view -------------------------------------------------------------------- */

/* A kernel from a file tells its size only when it is read; it counts as large. */
static int64_t block_edge(const work *w) {
  const ntk_settings *s = settings_of(w);
  const ntk_cotangents cotangents = ntk_kernel_cotangents(&s->kernel);
  const int64_t rows =
      w->has_network ? w->data.train.count * ntk_cotangent_rows(&cotangents, w->data.outputs)
                     : INT32_MAX;

  return ntk_spectrum_block(&s->spectrum, rows, w->place->grid->rows, w->place->grid->cols);
}

static ntk_status build_networks(work *w) {
  const ntk_settings *s = settings_of(w);

  NTK_TRY(ntk_network_build(s, &w->data.shape, w->data.outputs, true, &w->network));
  return ntk_network_build_initial(s, &w->data.shape, w->data.outputs, &w->initial);
}

static ntk_status compute_kernel(work *w) {
  const double start = ntk_now();

  NTK_AGREE(w->comm, w->has_network ? build_networks(w) : NTK_OK);
  const ntk_kernel_input input = {
      .grid = w->place->grid,
      .block = block_edge(w),
      .settings = &settings_of(w)->kernel,
      .network = w->has_network ? &w->network : NULL,
      .initial = w->initial.layer_count ? &w->initial : NULL,
      .data = &w->data,
  };

  NTK_TRY(ntk_kernel_compute(&input, &w->kernel));
  w->kernel_seconds = ntk_now() - start;
  return NTK_OK;
}

static ntk_view view_of(const work *w) {
  const bool full = w->kernel.rows_per_sample > 1;

  return (ntk_view){
      .comm = w->comm,
      .n = w->kernel.n,
      .m = w->kernel.m,
      .outputs = w->kernel.outputs,
      .rows = w->kernel.gram.rows,
      .columns = full ? 1 : w->kernel.outputs,
      .classes = w->data.classes,
      .parameters = w->has_network ? w->network.parameters : 0,
      .gram = &w->kernel.gram,
      .test_train = &w->kernel.test_train,
      .spectrum = w->has_spectrum ? &w->spectrum : NULL,
      .f0 = w->kernel.f0,
      .test_f0 = w->kernel.test_f0,
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
  const int64_t count = w->kernel.n * w->kernel.outputs;
  const int64_t columns = count / w->kernel.gram.rows;
  const double *y = w->data.train.targets;

  if (!y) return NTK_OK;
  NTK_AGREE(w->comm, allocate_coefficients(w, count));
  for (int64_t k = 0; k < count; ++k) w->residual[k] = w->kernel.f0[k] - y[k];
  NTK_TRY(ntk_spectrum_project(&w->spectrum, columns, y, w->target_coefficient));
  return ntk_spectrum_project(&w->spectrum, columns, w->residual, w->residual_coefficient);
}

static ntk_status compute_spectrum(work *w) {
  const ntk_spectrum_settings *settings = &settings_of(w)->spectrum;

  if (strcmp(settings->solver->name, "none") == 0) return NTK_OK;
  NTK_TRY(ntk_spectrum_compute(settings, &w->kernel.gram, w->kernel.single, &w->spectrum));
  w->has_spectrum = true;
  return project_targets(w);
}

/* ---- results ----------------------------------------------------------------------------------- */

/* Starts the record of a group; NULL key: the root. */
static ntk_status start_record(work *w, const char *name, const char *key, ntk_record **record) {
  *record = &w->records[w->record_count++];
  (void)snprintf((*record)->name, sizeof((*record)->name), "%s", name);
  return ntk_record_set_text(*record, "key", key);
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
  return ntk_results_kernel(&settings_of(w)->kernel, &w->data, &w->kernel, record);
}

static ntk_status spectrum_group(work *w, ntk_record *record) {
  const ntk_view view = view_of(w);

  return ntk_agree(w->comm, ntk_results_spectrum(&view, record));
}

static const struct {
  const char *name;
  group_fn *fill;
} stage_groups[] = {
    {"data", data_group},
    {"network", network_group},
    {"kernel", kernel_group},
    {"spectrum", spectrum_group},
};

static ntk_status fill_stage_groups(work *w) {
  for (size_t k = 0; k < sizeof(stage_groups) / sizeof(stage_groups[0]); ++k) {
    const char *name = stage_groups[k].name, *key = ntk_point_key(w->point, name);
    ntk_record *record = NULL;

    if (!key[0] || is_valid(w, name)) continue;
    NTK_AGREE(w->comm, start_record(w, name, key, &record));
    NTK_TRY(stage_groups[k].fill(w, record));
  }
  return NTK_OK;
}

static ntk_status check_needs(const work *w, const ntk_analysis *analysis) {
  NTK_CHECK(!(analysis->needs & NTK_NEEDS_TARGETS) || w->data.train.targets, NTK_E_CONFIG,
            "the analysis '%s' needs targets, but the kernel came without; name their dataset in "
            "kernel.targets",
            analysis->row.name);
  return NTK_OK;
}

static ntk_status fill_analyses(work *w) {
  const ntk_choices *analyses = &settings_of(w)->analyses;
  const ntk_view view = view_of(w);

  for (int64_t k = 0; k < analyses->count; ++k) {
    const ntk_choice *choice = &analyses->item[k];
    const ntk_analysis *analysis = (const ntk_analysis *)choice->row;
    ntk_record *record = &w->records[0];

    if (!analysis->to_root) {
      if (is_valid(w, choice->label)) continue;
      NTK_AGREE(w->comm,
                start_record(w, choice->label, ntk_point_key(w->point, choice->label), &record));
      NTK_AGREE(w->comm, ntk_record_set_text(record, "analysis", analysis->row.name));
    }
    NTK_AGREE(w->comm, check_needs(w, analysis));
    NTK_TRY(analysis->compute(&view, choice->options, record));
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

  NTK_AGREE(w->comm, start_record(w, "", ntk_point_key(w->point, ""), &root));
  return ntk_provenance_add(w->comm, root);
}

/* Groups that stay as they are, for ntk_file_write. */
static ntk_status write_keeping(work *w, const char *path) {
  const char **keep = NULL;
  int64_t kept = 0;

  NTK_TRY(NTK_NEW(w->point->group_count + 1, &keep));
  for (int64_t k = 0; k < w->point->group_count; ++k) {
    if (w->valid[k] && w->point->group[k].group[0]) keep[kept++] = w->point->group[k].group;
  }
  const ntk_status status = ntk_file_write(path, w->record_count, w->records, keep);

  ntk_free(&keep);
  return status;
}

static ntk_status write_results(work *w) {
  char path[NTK_PATH_SIZE];

  NTK_TRY(describe_root(w, &w->records[0]));
  ntk_point_path(w->job, w->point, "results.h5", path);
  return write_keeping(w, path);
}

/* ---- files that are kept on request ------------------------------------------------------------ */

static ntk_status file_header(const work *w, const char *stage, ntk_record *header) {
  NTK_TRY(ntk_record_set_text(header, "Conventions", "CF-1.10"));
  NTK_TRY(ntk_record_set_text(header, "program", ntk_program_version()));
  NTK_TRY(ntk_record_set_text(header, "config", w->point->yaml));
  return ntk_record_set_text(header, "key", ntk_point_key(w->point, stage));
}

static ntk_status make_folder_of(const char *path) {
  char folder[NTK_PATH_SIZE];

  (void)snprintf(folder, sizeof(folder), "%s", path);
  *strrchr(folder, '/') = '\0';
  return ntk_directory_make(folder);
}

static ntk_status spectrum_header(const work *w, ntk_record *header) {
  NTK_TRY(file_header(w, "spectrum", header));
  return ntk_results_eigenvalues(&w->spectrum, header);
}

static ntk_status write_big(work *w, const char *file, ntk_status header_status,
                            const ntk_record *header, const ntk_panel_matrix *matrix) {
  char path[NTK_PATH_SIZE];

  NTK_AGREE(w->comm, header_status);
  ntk_kernel_path(w->job, w->point, file, path);
  NTK_AGREE(w->comm, w->comm->rank == 0 ? make_folder_of(path) : NTK_OK);
  return ntk_panel_write(w->comm, path, header, 1, matrix);
}

static ntk_status keep_matrix(work *w, const char *what, const char *file,
                              const ntk_panel_matrix *matrix) {
  ntk_record header = {0};

  if (!ntk_point_keeps(w->point, what) || !matrix->matrix->cols || !matrix->matrix->rows) {
    return NTK_OK;
  }
  const ntk_status made = strcmp(what, "spectrum") == 0 ? spectrum_header(w, &header)
                                                        : file_header(w, "kernel", &header);
  const ntk_status status = write_big(w, file, made, &header, matrix);

  ntk_record_destroy(&header);
  return status;
}

static ntk_status write_weights(work *w) {
  char path[NTK_PATH_SIZE];
  ntk_record weights = {0};
  ntk_status status = ntk_network_export(&w->network, &weights);

  ntk_point_path(w->job, w->point, "weights.h5", path);
  if (status == NTK_OK) status = ntk_file_write(path, 1, &weights, NULL);
  ntk_record_destroy(&weights);
  return status;
}

static ntk_status write_kept_files(work *w) {
  const bool full = w->kernel.rows_per_sample > 1;
  const ntk_panel_matrix gram = {
      .name = "ntk",
      .column_axis = full ? "row2" : "sample2",
      .row_axis = full ? "row" : "sample",
      .long_name = "empirical neural tangent kernel on the training set",
      .units = "1",
      .source = full ? "B6" : "B5",
      .matrix = &w->kernel.gram,
  };
  const ntk_panel_matrix test_train = {
      .name = "ntk",
      .column_axis = full ? "row" : "sample",
      .row_axis = full ? "test_row" : "test_sample",
      .long_name = "empirical neural tangent kernel between training and test set",
      .units = "1",
      .source = full ? "B6" : "B5",
      .matrix = &w->kernel.test_train,
  };
  const ntk_panel_matrix vectors = {
      .name = "eigenvector",
      .column_axis = "mode",
      .row_axis = full ? "row" : "sample",
      .long_name = "eigenvectors of the Gram, one a mode",
      .units = "1",
      .source = "I.2",
      .matrix = &w->spectrum.vectors,
  };

  NTK_TRY(keep_matrix(w, "gram", "gram.h5", &gram));
  NTK_TRY(keep_matrix(w, "test_train", "test_train.h5", &test_train));
  if (w->has_spectrum) NTK_TRY(keep_matrix(w, "spectrum", "spectrum.h5", &vectors));
  if (!w->has_network || !ntk_point_keeps(w->point, "weights")) return NTK_OK;
  return ntk_agree(w->comm, w->comm->rank == 0 ? write_weights(w) : NTK_OK);
}

/* ---- the whole point --------------------------------------------------------------------------- */

static ntk_status make_folder(const work *w) {
  char path[NTK_PATH_SIZE];

  ntk_point_path(w->job, w->point, "results.h5", path);
  return make_folder_of(path);
}

static ntk_status run(work *w) {
  NTK_AGREE(w->comm, w->comm->rank == 0 ? make_folder(w) : NTK_OK);
  NTK_TRY(find_valid_groups(w));
  NTK_TRY(start_root(w));
  NTK_TRY(load_data(w));
  NTK_TRY(compute_kernel(w));
  NTK_TRY(compute_spectrum(w));
  NTK_TRY(fill_stage_groups(w));
  NTK_TRY(fill_analyses(w));
  NTK_TRY(write_kept_files(w));
  return ntk_agree(w->comm, w->comm->rank == 0 ? write_results(w) : NTK_OK);
}

static void summarize(const work *w, char *summary, int size) {
  char spectrum[96] = "";

  if (w->has_spectrum && w->spectrum.n > 0) {
    (void)snprintf(spectrum, sizeof(spectrum), ", spectrum %.2f s, lambda_max %.4g",
                   w->spectrum.seconds, w->spectrum.eigenvalue[0]);
  }
  (void)snprintf(summary, (size_t)size, "n %lld, kernel %.2f s (%.1f GF/s)%s",
                 (long long)w->kernel.n, w->kernel_seconds,
                 1e-9 * w->kernel.flops / w->kernel.seconds, spectrum);
}

ntk_status ntk_point_run(const ntk_job *job, const ntk_point *point, ntk_place *place,
                         char *summary, int size) {
  work w = {.job = job,
            .point = point,
            .place = place,
            .comm = place->grid->comm,
            .started = ntk_now()};
  const ntk_status status = run(&w);

  if (status == NTK_OK) summarize(&w, summary, size);
  finish(&w);
  return status;
}
