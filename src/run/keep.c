#include "ntk/run/keep.h"

#include <stdio.h>
#include <string.h>

#include "ntk/base/memory.h"
#include "ntk/run/results.h"
#include "ntk/store/file.h"
#include "ntk/store/panel.h"
#include "ntk/store/provenance.h"

ntk_status ntk_make_folder_of(const char *path) {
  char folder[NTK_PATH_SIZE];

  (void)snprintf(folder, sizeof(folder), "%s", path);
  *strrchr(folder, '/') = '\0';
  return ntk_directory_make(folder);
}

/* ---- one file -------------------------------------------------------------------------------- */

/* A file of matrices; the header's variables are small ones. */
typedef struct big_file {
  const char *name, *stage; /* "gram.h5", "kernel" */
  ntk_record header;
  int64_t count;
  const ntk_panel_matrix *matrices;
  ntk_panel_prepare *prepare; /* NULL: the matrices are there */
  void *context;
} big_file;

static ntk_status add_header(const ntk_kept *kept, big_file *file) {
  char group[NTK_NAME_SIZE];

  ntk_point_group(kept->point, kept->which, file->stage, group);
  NTK_TRY(ntk_record_set_text(&file->header, "Conventions", "CF-1.10"));
  NTK_TRY(ntk_record_set_text(&file->header, "program", ntk_program_version()));
  NTK_TRY(ntk_record_set_text(&file->header, "config", kept->point->yaml));
  return ntk_record_set_text(&file->header, "key", ntk_point_key(kept->point, group));
}

static ntk_status write_with_header(const ntk_kept *kept, const big_file *file) {
  char path[NTK_PATH_SIZE];

  ntk_kernel_path(kept->job, kept->point, kept->which, file->name, path);
  NTK_AGREE(kept->comm, kept->comm->rank == 0 ? ntk_make_folder_of(path) : NTK_OK);
  return ntk_panel_write_prepared(kept->comm, path, &file->header, file->count, file->matrices,
                                  file->prepare, file->context);
}

/* `status` is that of what was put into the header so far, which is destroyed. */
static ntk_status write_big(const ntk_kept *kept, ntk_status status, big_file *file) {
  if (status == NTK_OK) status = add_header(kept, file);
  status = ntk_agree(kept->comm, status);
  if (status == NTK_OK) status = write_with_header(kept, file);
  ntk_record_destroy(&file->header);
  return status;
}

/* ---- Gram and test blocks -------------------------------------------------------------------- */

static ntk_panel_matrix matrix_of(const ntk_kernel *k, const char *name, const char *column_axis,
                                  const char *row_axis, const char *long_name,
                                  const ntk_matrix *matrix) {
  return (ntk_panel_matrix){.name = name,
                            .column_axis = column_axis,
                            .row_axis = row_axis,
                            .long_name = long_name,
                            .units = "1",
                            .source = k->rows_per_sample > 1 ? "B6" : k->quantity->source,
                            .matrix = matrix};
}

static ntk_status keep_gram(const ntk_kept *kept, const ntk_kernel *k) {
  const bool full = k->rows_per_sample > 1;
  char name[160] = "";
  const ntk_panel_matrix gram = matrix_of(k, k->quantity->row.name, full ? "row2" : "sample2",
                                          full ? "row" : "sample", name, &k->gram);
  big_file file = {.name = "gram.h5", .stage = "kernel", .count = 1, .matrices = &gram};

  (void)snprintf(name, sizeof(name), "%s on the training set", k->quantity->long_name);
  return write_big(kept, NTK_OK, &file);
}

static ntk_status keep_test(const ntk_kept *kept, const ntk_kernel *k) {
  const bool full = k->rows_per_sample > 1;
  char name[2][160] = {"", ""};
  const ntk_panel_matrix blocks[] = {
      matrix_of(k, k->quantity->row.name, full ? "row" : "sample",
                full ? "test_row" : "test_sample", name[0], &k->test_train),
      matrix_of(k, "test_test", full ? "test_row2" : "test_sample2",
                full ? "test_row" : "test_sample", name[1], &k->test_test)};
  big_file file = {.name = "test_train.h5",
                   .stage = "kernel",
                   .count = k->test_test.rows > 0 ? 2 : 1,
                   .matrices = blocks};

  (void)snprintf(name[0], sizeof(name[0]), "%s between training and test set",
                 k->quantity->long_name);
  (void)snprintf(name[1], sizeof(name[1]), "%s on the test set", k->quantity->long_name);
  return write_big(kept, NTK_OK, &file);
}

ntk_status ntk_keep_kernel(const ntk_kept *kept, const ntk_kernel *kernel) {
  if (ntk_point_keeps(kept->point, "gram")) NTK_TRY(keep_gram(kept, kernel));
  if (!ntk_point_keeps(kept->point, "test_train") || kernel->test_train.rows == 0) return NTK_OK;
  return keep_test(kept, kernel);
}

/* ---- spectrum -------------------------------------------------------------------------------- */

ntk_status ntk_keep_spectrum(const ntk_kept *kept, const ntk_kernel *kernel,
                             const ntk_spectrum *spectrum) {
  ntk_panel_matrix vectors =
      matrix_of(kernel, "eigenvector", "mode", kernel->rows_per_sample > 1 ? "row" : "sample",
                "eigenvectors of the Gram, one a mode", &spectrum->vectors);
  big_file file = {.name = "spectrum.h5", .stage = "spectrum", .count = 1, .matrices = &vectors};

  if (!ntk_point_keeps(kept->point, "spectrum")) return NTK_OK;
  vectors.source = "I.2";
  return write_big(kept, ntk_results_eigenvalues(spectrum, &file.header), &file);
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
    matrices[t] = matrix_of(k, name[t], full ? "row2" : "sample2", full ? "row" : "sample",
                            "part of the tensor in the empirical neural tangent kernel", m);
    matrices[t].source = "B1";
  }
  return NTK_OK;
}

/* All tensors into one file. */
static ntk_status write_parts(const ntk_kept *kept, const ntk_kernel *k, ntk_parts *parts) {
  ntk_panel_matrix *matrices = NULL;
  char(*name)[DATASET_NAME] = NULL;
  ntk_status status = NTK_NEW(k->tensor_count, &matrices);

  if (status == NTK_OK) status = NTK_NEW(k->tensor_count, &name);
  if (status == NTK_OK) status = describe_parts(k, ntk_parts_matrix(parts), matrices, name);
  big_file file = {.name = "per_layer.h5",
                   .stage = "kernel",
                   .count = k->tensor_count,
                   .matrices = matrices,
                   .prepare = next_part,
                   .context = parts};

  status = write_big(kept, status, &file);
  ntk_free(&matrices);
  ntk_free(&name);
  return status;
}

ntk_status ntk_keep_parts(const ntk_kept *kept, const ntk_kernel_input *input,
                          const ntk_kernel *kernel) {
  ntk_parts *parts = NULL;

  if (!ntk_point_keeps(kept->point, "per_layer") || kernel->tensor_count == 0) return NTK_OK;
  NTK_TRY(ntk_parts_open(input, &parts));
  const ntk_status status = write_parts(kept, kernel, parts);

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
