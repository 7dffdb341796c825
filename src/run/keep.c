#include "ntk/run/keep.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ntk/base/array.h"
#include "ntk/base/memory.h"
#include "ntk/store/file.h"
#include "ntk/store/panel.h"
#include "ntk/store/provenance.h"

ntk_status ntk_make_folder_of(const char *path) {
  char folder[NTK_PATH_SIZE];

  (void)snprintf(folder, sizeof(folder), "%s", path);
  *strrchr(folder, '/') = '\0';
  return ntk_directory_make(folder);
}

/* ---- which file ------------------------------------------------------------------------------ */

static const struct {
  const char *name, *word, *stage; /* of the file, in output.keep, that it belongs to */
} files[] = {[NTK_KEPT_GRAM] = {"gram.h5", "gram", "kernel"},
             [NTK_KEPT_TEST] = {"test_train.h5", "test_train", "kernel"},
             [NTK_KEPT_SPECTRUM] = {"spectrum.h5", "spectrum", "spectrum"}};

static bool is_held_out(ntk_kept_file file, bool validation) {
  return file == NTK_KEPT_TEST && validation;
}

void ntk_kept_path(const ntk_kept *kept, ntk_kept_file file, bool validation,
                   char path[NTK_PATH_SIZE]) {
  const char *name = is_held_out(file, validation) ? "held_out.h5" : files[file].name;

  ntk_kernel_path(kept->job, kept->point, kept->which, name, path);
}

bool ntk_keeps(const ntk_kept *kept, ntk_kept_file file, bool validation) {
  return !is_held_out(file, validation) && ntk_point_keeps(kept->point, files[file].word);
}

/* ---- what it holds --------------------------------------------------------------------------- */

enum { MATRICES = 2 };

typedef struct description {
  int64_t count;
  char long_name[MATRICES][160];
  ntk_checkpoint_matrix matrix[MATRICES];
} description;

/* Matrix k, whose dataset is [column_axis][row_axis]. */
static ntk_checkpoint_matrix *add_matrix(description *d, const ntk_kept_shape *s, const char *name,
                                         const char *column_axis, const char *row_axis) {
  ntk_checkpoint_matrix *m = &d->matrix[d->count];

  *m = (ntk_checkpoint_matrix){.name = name,
                               .column_axis = column_axis,
                               .row_axis = row_axis,
                               .long_name = d->long_name[d->count],
                               .units = "1",
                               .source = s->full ? "B6" : s->quantity->source,
                               .rows = s->rows,
                               .cols = s->rows};
  ++d->count;
  return m;
}

static void describe_gram(const ntk_kept_shape *s, description *d) {
  (void)snprintf(d->long_name[0], sizeof(d->long_name[0]), "%s on the training set",
                 s->quantity->long_name);
  add_matrix(d, s, s->quantity->row.name, s->full ? "row2" : "sample2", s->full ? "row" : "sample")
      ->symmetric = true;
}

static void describe_test(const ntk_kept_shape *s, description *d) {
  const char *row = s->full ? "test_row" : "test_sample";
  ntk_checkpoint_matrix *m =
      add_matrix(d, s, s->quantity->row.name, s->full ? "row" : "sample", row);

  m->rows = s->test_rows;
  (void)snprintf(d->long_name[0], sizeof(d->long_name[0]), "%s between training and test set",
                 s->quantity->long_name);
  if (!s->test_test) return;
  m = add_matrix(d, s, "test_test", s->full ? "test_row2" : "test_sample2", row);
  m->rows = m->cols = s->test_rows;
  m->symmetric = true;
  (void)snprintf(d->long_name[1], sizeof(d->long_name[1]), "%s on the test set",
                 s->quantity->long_name);
}

static void describe_spectrum(const ntk_kept_shape *s, description *d) {
  ntk_checkpoint_matrix *m = add_matrix(d, s, "eigenvector", "mode", s->full ? "row" : "sample");

  m->source = "I.2";
  (void)snprintf(d->long_name[0], sizeof(d->long_name[0]), "eigenvectors of the Gram, one a mode");
}

static ntk_status fill_header(const ntk_kept *kept, const char *stage, const ntk_record *small,
                              ntk_record *header) {
  char group[NTK_NAME_SIZE];

  ntk_point_group(kept->point, kept->which, stage, group);
  if (small) NTK_TRY(ntk_record_copy_attributes(small, header));
  NTK_TRY(ntk_record_set_text(header, "Conventions", "CF-1.10"));
  NTK_TRY(ntk_record_set_text(header, "program", ntk_program_version()));
  NTK_TRY(ntk_record_set_text(header, "blas_core", ntk_blas_core()));
  NTK_TRY(ntk_record_set_text(header, "config", kept->point->yaml));
  return ntk_record_set_text(header, "key", ntk_point_key(kept->point, group));
}

/* ---- opening --------------------------------------------------------------------------------- */

static ntk_status create(const ntk_kept *kept, const char *path,
                         const ntk_checkpoint_content *matrices, const char *stage,
                         const ntk_record *small, ntk_checkpoint **checkpoint) {
  ntk_checkpoint_content content = *matrices;
  ntk_record header = {0};
  const bool root = kept->comm->rank == 0;
  ntk_status status = root ? ntk_make_folder_of(path) : NTK_OK;

  if (status == NTK_OK && root) status = fill_header(kept, stage, small, &header);
  status = ntk_agree(kept->comm, status);
  ntk_record all = header; /* variables are only lent */

  if (small) {
    all.variable_count = small->variable_count;
    all.variables = small->variables;
  }
  content.header = &all;
  if (status == NTK_OK) status = ntk_checkpoint_create(kept->comm, path, &content, checkpoint);
  ntk_record_destroy(&header);
  return status;
}

ntk_status ntk_kept_open(const ntk_kept *kept, ntk_kept_file file, const ntk_kept_shape *shape,
                         ntk_kept_way way, const ntk_record *small, ntk_checkpoint **checkpoint) {
  char path[NTK_PATH_SIZE], group[NTK_NAME_SIZE];
  description d = {0};

  if (file == NTK_KEPT_GRAM) describe_gram(shape, &d);
  if (file == NTK_KEPT_TEST) describe_test(shape, &d);
  if (file == NTK_KEPT_SPECTRUM) describe_spectrum(shape, &d);
  ntk_point_group(kept->point, kept->which, files[file].stage, group);
  const ntk_checkpoint_content content = {.key = ntk_point_key(kept->point, group),
                                          .count = d.count,
                                          .matrices = d.matrix,
                                          .notes = file == NTK_KEPT_GRAM ? shape->notes : 0,
                                          .machine = ntk_blas_core()};

  *checkpoint = NULL;
  ntk_kept_path(kept, file, shape->validation, path);
  if (way != NTK_KEPT_CREATE) NTK_TRY(ntk_checkpoint_find(kept->comm, path, &content, checkpoint));
  if (way == NTK_KEPT_FIND || *checkpoint) return NTK_OK;
  return create(kept, path, &content, files[file].stage, small, checkpoint);
}

/* ---- a kernel that is there ------------------------------------------------------------------ */

static ntk_status write_all(ntk_checkpoint *file, const ntk_matrix *const *matrices) {
  for (int64_t k = 0; k < MATRICES && matrices[k]; ++k) {
    NTK_TRY(ntk_checkpoint_write_mirrored(file, k, matrices[k], 0, ntk_checkpoint_panels(file, k),
                                          NULL));
  }
  return ntk_checkpoint_finish(file, matrices);
}

static ntk_status keep_file(const ntk_kept *kept, ntk_kept_file which, const ntk_kept_shape *shape,
                            const ntk_matrix *const *matrices) {
  ntk_checkpoint *file = NULL;

  if (!ntk_keeps(kept, which, false)) return NTK_OK;
  NTK_TRY(ntk_kept_open(kept, which, shape, NTK_KEPT_FIND, NULL, &file));
  const bool there = file && ntk_checkpoint_complete(file);

  ntk_checkpoint_close(&file);
  if (there) return NTK_OK;
  NTK_TRY(ntk_kept_open(kept, which, shape, NTK_KEPT_CREATE, NULL, &file));
  const ntk_status status = write_all(file, matrices);

  ntk_checkpoint_close(&file);
  return status;
}

ntk_status ntk_keep_kernel(const ntk_kept *kept, const ntk_kernel *k, int64_t notes) {
  const bool square = k->test_test.rows > 0;
  const ntk_matrix *const grams[MATRICES] = {&k->gram, NULL};
  const ntk_matrix *const tests[MATRICES] = {&k->test_train, square ? &k->test_test : NULL};
  const ntk_kept_shape shape = {.quantity = k->quantity,
                                .rows = k->gram.rows,
                                .test_rows = k->test_train.rows,
                                .full = k->rows_per_sample > 1,
                                .test_test = square,
                                .notes = notes};

  if (!k->gram.grid) return NTK_OK; /* eigenvalues only */
  NTK_TRY(keep_file(kept, NTK_KEPT_GRAM, &shape, grams));
  return k->test_train.rows > 0 ? keep_file(kept, NTK_KEPT_TEST, &shape, tests) : NTK_OK;
}

/* ---- parts of the tensors -------------------------------------------------------------------- */

enum { DATASET_NAME = NTK_NAME_SIZE + 8 };

static ntk_status next_part(void *context, int64_t k) {
  (void)k; /* in the order of the tensors */
  return ntk_parts_next(context);
}

/* "readout/W" is the dataset "layers/readout/W", as in a weights file. */
static ntk_status describe_parts(const ntk_kernel *k, const ntk_matrix *m,
                                 ntk_panel_matrix *matrices, char (*name)[DATASET_NAME]) {
  const bool full = k->rows_per_sample > 1;

  for (int t = 0; t < k->tensor_count; ++t) {
    (void)snprintf(name[t], DATASET_NAME, "layers/%s", k->tensor_name[t]);
    NTK_CHECK(strlen(name[t]) < NTK_NAME_SIZE, NTK_E_CONFIG,
              "output.keep: per_layer: the name of layer '%s' is too long", k->tensor_name[t]);
    matrices[t] =
        (ntk_panel_matrix){.name = name[t],
                           .column_axis = full ? "row2" : "sample2",
                           .row_axis = full ? "row" : "sample",
                           .long_name = "part of the tensor in the empirical neural tangent kernel",
                           .units = "1",
                           .source = "B1",
                           .matrix = m};
  }
  return NTK_OK;
}

static ntk_status prepare_parts(const ntk_kept *kept, const char *path, const ntk_kernel *k,
                                const ntk_matrix *m, ntk_panel_matrix *matrices,
                                char (*name)[DATASET_NAME], ntk_record *header) {
  NTK_TRY(describe_parts(k, m, matrices, name));
  NTK_TRY(fill_header(kept, "kernel", NULL, header));
  return kept->comm->rank == 0 ? ntk_make_folder_of(path) : NTK_OK;
}

/* All tensors into one file. */
static ntk_status write_parts(const ntk_kept *kept, const char *path, const ntk_kernel *k,
                              ntk_parts *parts) {
  ntk_panel_matrix *matrices = NULL;
  char(*name)[DATASET_NAME] = NULL;
  ntk_record header = {0};
  ntk_status status = NTK_NEW(k->tensor_count, &matrices);

  if (status == NTK_OK) status = NTK_NEW(k->tensor_count, &name);
  if (status == NTK_OK) {
    status = prepare_parts(kept, path, k, ntk_parts_matrix(parts), matrices, name, &header);
  }
  status = ntk_agree(kept->comm, status);
  if (status == NTK_OK) {
    status = ntk_panel_write_prepared(kept->comm, path, &header, k->tensor_count, matrices,
                                      next_part, parts);
  }
  ntk_record_destroy(&header);
  ntk_free(&matrices);
  ntk_free(&name);
  return status;
}

/* Under its name it is complete. */
static bool is_there(const ntk_kept *kept, const char *path) {
  bool there = kept->comm->rank == 0 && access(path, F_OK) == 0;

  ntk_comm_broadcast(kept->comm, 0, &there, sizeof(there));
  return there;
}

ntk_status ntk_keep_parts(const ntk_kept *kept, const ntk_kernel_input *input,
                          const ntk_kernel *kernel) {
  char path[NTK_PATH_SIZE];
  ntk_parts *parts = NULL;

  if (!ntk_point_keeps(kept->point, "per_layer") || kernel->tensor_count == 0) return NTK_OK;
  ntk_kernel_path(kept->job, kept->point, kept->which, "per_layer.h5", path);
  if (is_there(kept, path)) return NTK_OK;
  NTK_TRY(ntk_parts_open(input, &parts));
  const ntk_status status = write_parts(kept, path, kernel, parts);

  ntk_parts_close(&parts);
  return status;
}

/* ---- weights --------------------------------------------------------------------------------- */

static ntk_status write_weights(const ntk_kept *kept, const ntk_network *network) {
  char path[NTK_PATH_SIZE];
  ntk_record weights = {0};
  ntk_status status = ntk_network_export(network, &weights);

  ntk_point_path(kept->job, kept->point, "weights.h5", path);
  if (status == NTK_OK) status = ntk_file_write(path, 1, &weights, NULL);
  ntk_record_destroy(&weights);
  return status;
}

ntk_status ntk_keep_weights(const ntk_kept *kept, const ntk_network *network) {
  if (!ntk_point_keeps(kept->point, "weights")) return NTK_OK;
  return ntk_agree(kept->comm, kept->comm->rank == 0 ? write_weights(kept, network) : NTK_OK);
}
