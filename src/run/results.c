#include "ntk/run/results.h"

#include <string.h>

#include "ntk/base/memory.h"
#include "ntk/model/layer.h"

enum { PREVIEW = 128 };

/* ---- small helpers ---------------------------------------------------------------------------- */

/* Adds a variable and copies `values` into it; nothing if there are none. */
static ntk_status add_values(ntk_record *record, const ntk_field *field, const int64_t *sizes,
                             const void *values) {
  void *array = NULL;

  if (!values) return NTK_OK;
  NTK_TRY(ntk_record_add(record, field, sizes, &array));
  const int64_t count = ntk_record_find(record, field->name)->count;

  memcpy(array, values, (size_t)count * ntk_kind_size(field->kind));
  return NTK_OK;
}

/* Adds the coordinate 0, 1, 2, ... of a dimension. */
static ntk_status add_counter(ntk_record *record, const ntk_field *field, int64_t count) {
  int64_t *array = NULL;

  NTK_TRY(ntk_record_add(record, field, &count, &array));
  for (int64_t k = 0; k < count; ++k) array[k] = k;
  return NTK_OK;
}

static const ntk_field sample_axis = {"sample", "sample", "1", "training sample", "",
                                      NTK_KIND_INT};
static const ntk_field output_axis = {"output", "output", "1", "output of the network", "",
                                      NTK_KIND_INT};
static const ntk_field test_axis = {"test_sample", "test_sample", "1", "test sample", "",
                                    NTK_KIND_INT};
static const ntk_field row_axis = {
    "row", "row", "1", "row of the full kernel: sample * outputs + output", "", NTK_KIND_INT};
static const ntk_field test_row_axis = {"test_row", "test_row", "1",
                                        "row of the full test block: test_sample * outputs + output",
                                        "", NTK_KIND_INT};

/* ---- /data ------------------------------------------------------------------------------------ */

static const ntk_field index_field = {"index", "sample", "1", "position in the data source", "",
                                      NTK_KIND_INT};
static const ntk_field label_field = {"label", "sample", "1", "class, -1 where there is none", "",
                                      NTK_KIND_INT};
static const ntk_field target_field = {"target", "sample output", "1", "training target", "",
                                       NTK_KIND_REAL};
static const ntk_field test_index_field = {
    "test_index", "test_sample", "1", "position in the data source", "", NTK_KIND_INT};
static const ntk_field test_label_field = {
    "test_label", "test_sample", "1", "class, -1 where there is none", "", NTK_KIND_INT};
static const ntk_field test_target_field = {"test_target", "test_sample output", "1",
                                            "test target", "", NTK_KIND_REAL};

static const ntk_field validation_axis = {"validation_sample", "validation_sample", "1",
                                          "validation sample", "", NTK_KIND_INT};
static const ntk_field validation_index_field = {"validation_index", "validation_sample", "1",
                                                 "position in the data source", "", NTK_KIND_INT};
static const ntk_field validation_label_field = {
    "validation_label", "validation_sample", "1", "class, -1 where there is none", "",
    NTK_KIND_INT};
static const ntk_field validation_target_field = {"validation_target", "validation_sample output",
                                                  "1", "validation target", "", NTK_KIND_REAL};

static ntk_status add_validation(const ntk_data *data, ntk_record *record) {
  const int64_t sizes[] = {data->validation.count, data->outputs};

  if (sizes[0] == 0) return NTK_OK;
  NTK_TRY(add_counter(record, &validation_axis, sizes[0]));
  NTK_TRY(add_values(record, &validation_index_field, sizes, data->validation.index));
  NTK_TRY(add_values(record, &validation_label_field, sizes, data->validation.label));
  return add_values(record, &validation_target_field, sizes, data->validation.targets);
}

ntk_status ntk_results_data(const ntk_data *data, ntk_record *record) {
  const int64_t train[] = {data->train.count, data->outputs};
  const int64_t test[] = {data->test.count, data->outputs};

  NTK_TRY(add_counter(record, &sample_axis, train[0]));
  NTK_TRY(add_counter(record, &output_axis, data->outputs));
  NTK_TRY(add_values(record, &index_field, train, data->train.index));
  NTK_TRY(add_values(record, &label_field, train, data->train.label));
  NTK_TRY(add_values(record, &target_field, train, data->train.targets));
  NTK_TRY(ntk_record_set_int(record, "classes", data->classes));
  NTK_TRY(add_validation(data, record));
  if (!test[0]) return NTK_OK;
  NTK_TRY(add_counter(record, &test_axis, test[0]));
  NTK_TRY(add_values(record, &test_index_field, test, data->test.index));
  NTK_TRY(add_values(record, &test_label_field, test, data->test.label));
  return add_values(record, &test_target_field, test, data->test.targets);
}

/* ---- /network --------------------------------------------------------------------------------- */

enum { PARAMETERS, FAN_IN, FAN_OUT, LAYER_INTS };

static const ntk_field layer_axis = {"layer", "layer", "1", "layer", "", NTK_KIND_TEXT};
static const ntk_field layer_ints[LAYER_INTS] = {
    {"parameters", "layer", "1", "trainable parameters", "", NTK_KIND_INT},
    {"fan_in", "layer", "1", "inputs of a unit", "A7", NTK_KIND_INT},
    {"fan_out", "layer", "1", "units fed by an input", "A7", NTK_KIND_INT},
};
static const ntk_field s_w_field = {"s_w", "layer", "1", "multiplier of the weights", "A2",
                                    NTK_KIND_REAL};
static const ntk_field s_b_field = {"s_b", "layer", "1", "multiplier of the bias", "A2",
                                    NTK_KIND_REAL};

/* Place k of the group is layer l of the network.  Layers that share tensors have their multipliers,
 * and no parameters of their own. */
static void describe_layer(const ntk_network *network, int l, int64_t k, int64_t *ints[LAYER_INTS],
                           double *s_w, double *s_b) {
  const ntk_node_layer *layer = &network->layer[l];

  ints[FAN_IN][k] = layer->fan_in;
  ints[FAN_OUT][k] = layer->fan_out;
  for (int t = layer->first_tensor; t < layer->first_tensor + layer->tensors; ++t) {
    const ntk_tensor *tensor = &network->tensor[t];
    const char *slash = strrchr(tensor->name, '/');

    if (t == layer->first_tensor) s_w[k] = tensor->multiplier;
    if (slash && strcmp(slash, "/b") == 0) s_b[k] = tensor->multiplier;
    if (tensor->trainable && layer->source == l) ints[PARAMETERS][k] += tensor->count;
  }
}

static int64_t count_layers(const ntk_network *network) {
  int64_t count = 0;

  for (int l = 0; l < network->layer_count; ++l) {
    count += ntk_layer_is_listed(network->layer[l].layer);
  }
  return count;
}

static ntk_status add_layer_yaml(const ntk_network *network, ntk_record *record) {
  ntk_text yaml = {0};
  ntk_status status = ntk_network_print(network, 0, &yaml);

  if (status == NTK_OK) status = ntk_record_set_text(record, "layers", ntk_text_string(&yaml));
  ntk_text_destroy(&yaml);
  return status;
}

ntk_status ntk_results_network(const ntk_network *network, ntk_record *record) {
  const int64_t layers = count_layers(network);
  int64_t *ints[LAYER_INTS] = {0}, k = 0;
  double *s_w = NULL, *s_b = NULL;

  NTK_TRY(ntk_record_add(record, &layer_axis, &layers, NULL));
  for (int i = 0; i < LAYER_INTS; ++i) {
    NTK_TRY(ntk_record_add(record, &layer_ints[i], &layers, &ints[i]));
  }
  NTK_TRY(ntk_record_add(record, &s_w_field, &layers, &s_w));
  NTK_TRY(ntk_record_add(record, &s_b_field, &layers, &s_b));
  for (int l = 0; l < network->layer_count; ++l) {
    if (!ntk_layer_is_listed(network->layer[l].layer)) continue;
    NTK_TRY(ntk_variable_set_text(ntk_record_find(record, "layer"), k, network->layer[l].name));
    describe_layer(network, l, k++, ints, s_w, s_b);
  }
  return add_layer_yaml(network, record);
}

/* ---- /kernel ---------------------------------------------------------------------------------- */

static const ntk_field initial_field = {"initial_output", "sample output", "1",
                                        "output of the network at initialisation", "B4",
                                        NTK_KIND_REAL};
static const ntk_field test_initial_field = {"test_initial_output", "test_sample output", "1",
                                             "output of the network at initialisation", "B4",
                                             NTK_KIND_REAL};
static const ntk_field diagonal_fields[2] = {
    {"diagonal", "sample", "1", "K(x, x), training samples", "B5", NTK_KIND_REAL},
    {"diagonal", "row", "1", "K(x, x), training samples", "B6", NTK_KIND_REAL},
};
static const ntk_field validation_initial_field = {
    "validation_initial_output", "validation_sample output", "1",
    "output of the network at initialisation", "B4", NTK_KIND_REAL};
static const ntk_field validation_row_axis = {
    "validation_row", "validation_row", "1",
    "row of the full validation block: validation_sample * outputs + output", "", NTK_KIND_INT};
static const ntk_field validation_diagonal_fields[2] = {
    {"validation_diagonal", "validation_sample", "1", "K(x, x), validation samples", "B5",
     NTK_KIND_REAL},
    {"validation_diagonal", "validation_row", "1", "K(x, x), validation samples", "B6",
     NTK_KIND_REAL},
};
static const ntk_field test_diagonal_fields[2] = {
    {"test_diagonal", "test_sample", "1", "K(x, x), test samples", "B5", NTK_KIND_REAL},
    {"test_diagonal", "test_row", "1", "K(x, x), test samples", "B6", NTK_KIND_REAL},
};
static const ntk_field tensor_axis = {"tensor", "tensor", "1", "trainable tensor", "",
                                      NTK_KIND_TEXT};
static const ntk_field tensor_trace_field = {
    "tensor_trace", "tensor", "1", "trace of the tensor's part of the Gram", "B1", NTK_KIND_REAL};
static const ntk_field tensor_norm_field = {"tensor_norm", "tensor", "1",
                                            "Frobenius norm of the tensor's part of the Gram", "B1",
                                            NTK_KIND_REAL};
static const ntk_field preview_axes[2] = {
    {"shown_sample", "shown_sample", "1", "training sample shown, sorted by class", "",
     NTK_KIND_INT},
    {"shown_sample2", "shown_sample2", "1", "training sample shown, sorted by class", "",
     NTK_KIND_INT},
};
static const ntk_field preview_label_field = {"preview_label", "shown_sample", "1",
                                              "class of the sample shown", "", NTK_KIND_INT};
static const ntk_field preview_field = {"preview", "shown_sample shown_sample2", "1",
                                        "Gram matrix on the samples shown", "B5", NTK_KIND_REAL};

/* The first samples, sorted by class; order within a class is kept. */
static void choose_shown(const ntk_data *data, int64_t count, int64_t *shown) {
  for (int64_t i = 0; i < count; ++i) {
    const int64_t label = data->train.label ? data->train.label[i] : 0;
    int64_t k = i;

    for (; k > 0 && data->train.label && data->train.label[shown[k - 1]] > label; --k) {
      shown[k] = shown[k - 1];
    }
    shown[k] = i;
  }
}

static ntk_status add_preview_axes(const ntk_data *data, const int64_t *shown, int64_t count,
                                   ntk_record *record, double **preview) {
  const int64_t sizes[] = {count, count};
  int64_t *label = NULL;

  for (int k = 0; k < 2; ++k) NTK_TRY(add_values(record, &preview_axes[k], &count, shown));
  NTK_TRY(ntk_record_add(record, &preview_field, sizes, preview));
  if (!data->train.label) return NTK_OK;
  NTK_TRY(ntk_record_add(record, &preview_label_field, &count, &label));
  for (int64_t k = 0; k < count; ++k) label[k] = data->train.label[shown[k]];
  return NTK_OK;
}

static ntk_status add_preview(const ntk_data *data, const ntk_kernel *kernel, ntk_record *record) {
  const int64_t count = kernel->n < PREVIEW ? kernel->n : PREVIEW;
  int64_t shown[PREVIEW] = {0}, row[PREVIEW];
  double *preview = NULL;

  choose_shown(data, count, shown);
  for (int64_t k = 0; k < count; ++k) row[k] = shown[k] * kernel->rows_per_sample;
  NTK_AGREE(kernel->gram.grid->comm, add_preview_axes(data, shown, count, record, &preview));
  return ntk_matrix_pick(&kernel->gram, count, row, count, row, preview);
}

static const ntk_field tensor_contraction_field = {
    "tensor_contraction", "tensor", "1", "how positions were contracted", "B12", NTK_KIND_TEXT};
static const ntk_field tensor_flops_field = {
    "tensor_flops", "tensor", "1", "flops of the contraction; of a weight with its bias", "B12",
    NTK_KIND_REAL};

static ntk_status add_tensors(const ntk_kernel *kernel, ntk_record *record) {
  const int64_t count = kernel->tensor_count;

  if (!count) return NTK_OK;
  NTK_TRY(ntk_record_add(record, &tensor_axis, &count, NULL));
  NTK_TRY(ntk_record_add(record, &tensor_contraction_field, &count, NULL));
  for (int64_t t = 0; t < count; ++t) {
    ntk_variable *how = ntk_record_find(record, tensor_contraction_field.name);

    NTK_TRY(ntk_variable_set_text(ntk_record_find(record, "tensor"), t, kernel->tensor_name[t]));
    NTK_TRY(ntk_variable_set_text(how, t, kernel->tensor_contraction[t]));
  }
  NTK_TRY(add_values(record, &tensor_flops_field, &count, kernel->tensor_flops));
  NTK_TRY(add_values(record, &tensor_trace_field, &count, kernel->tensor_trace));
  return add_values(record, &tensor_norm_field, &count, kernel->tensor_norm);
}

static ntk_status add_kernel_attributes(const ntk_kernel_settings *settings,
                                        const ntk_kernel *kernel, ntk_record *record) {
  NTK_TRY(ntk_record_set_text(record, "type", settings->type.row->name));
  NTK_TRY(ntk_record_set_text(record, "quantity", kernel->quantity->row.name));
  NTK_TRY(ntk_record_set_text(record, "outputs", settings->outputs.row->name));
  NTK_TRY(ntk_record_set_text(record, "precision", kernel->single ? "single" : "double"));
  NTK_TRY(ntk_record_set_text(record, "contraction", kernel->contraction));
  NTK_TRY(ntk_record_set_int(record, "reproducible", kernel->reproducible));
  NTK_TRY(ntk_record_set_real(record, "rate_scale", kernel->rate_scale));
  NTK_TRY(ntk_record_set_real(record, "flops", kernel->flops));
  return ntk_record_set_real(record, "seconds", kernel->seconds);
}

/* Behind those of the test set. */
static ntk_status add_validation_arrays(const ntk_kernel *k, ntk_record *record) {
  const int full = k->rows_per_sample > 1;
  const int64_t sizes[] = {k->validation, k->outputs};
  const int64_t rows = k->validation * k->rows_per_sample;
  const double *diagonal = k->test_diagonal;

  if (k->validation == 0) return NTK_OK;
  NTK_TRY(add_counter(record, &validation_axis, k->validation));
  if (full) NTK_TRY(add_counter(record, &validation_row_axis, rows));
  NTK_TRY(add_values(record, &validation_initial_field, sizes, k->test_initial + k->m * k->outputs));
  return add_values(record, &validation_diagonal_fields[full], &rows,
                    diagonal ? diagonal + k->m * k->rows_per_sample : NULL);
}

static ntk_status add_kernel_arrays(const ntk_kernel *kernel, const double *diagonal,
                                    ntk_record *record) {
  const int full = kernel->rows_per_sample > 1;
  const int64_t train[] = {kernel->n, kernel->outputs}, test[] = {kernel->m, kernel->outputs};
  const int64_t rows = kernel->n * kernel->rows_per_sample;
  const int64_t test_rows = kernel->m * kernel->rows_per_sample;

  NTK_TRY(add_counter(record, &sample_axis, kernel->n));
  NTK_TRY(add_counter(record, &output_axis, kernel->outputs));
  if (full) NTK_TRY(add_counter(record, &row_axis, rows));
  NTK_TRY(add_values(record, &initial_field, train, kernel->initial));
  NTK_TRY(add_values(record, &diagonal_fields[full], &rows, diagonal));
  NTK_TRY(add_validation_arrays(kernel, record));
  if (!kernel->m) return NTK_OK;
  NTK_TRY(add_counter(record, &test_axis, kernel->m));
  if (full) NTK_TRY(add_counter(record, &test_row_axis, test_rows));
  NTK_TRY(add_values(record, &test_initial_field, test, kernel->test_initial));
  return add_values(record, &test_diagonal_fields[full], &test_rows, kernel->test_diagonal);
}

static ntk_status add_diagonal(const ntk_kernel *kernel, double *diagonal, ntk_record *record) {
  NTK_TRY(ntk_matrix_diagonal(&kernel->gram, diagonal));
  return ntk_agree(kernel->gram.grid->comm, add_kernel_arrays(kernel, diagonal, record));
}

ntk_status ntk_results_kernel(const ntk_comm *comm, const ntk_kernel_settings *settings,
                              const ntk_data *data, const ntk_kernel *kernel,
                              ntk_record *record) {
  double *diagonal = NULL;

  if (!kernel->gram.grid) return ntk_agree(comm, add_kernel_attributes(settings, kernel, record));
  NTK_AGREE(comm, NTK_NEW(kernel->gram.rows, &diagonal));
  const ntk_status status = add_diagonal(kernel, diagonal, record);
  ntk_free(&diagonal);
  NTK_TRY(status);
  NTK_AGREE(comm, add_tensors(kernel, record));
  NTK_AGREE(comm, add_kernel_attributes(settings, kernel, record));
  return add_preview(data, kernel, record);
}

/* ---- /spectrum -------------------------------------------------------------------------------- */

static const ntk_field mode_axis = {"mode", "mode", "1", "mode, by descending eigenvalue", "",
                                    NTK_KIND_INT};
static const ntk_field eigenvalue_field = {"eigenvalue", "mode", "1", "eigenvalue of the Gram", "I.2",
                                           NTK_KIND_REAL};
ntk_status ntk_results_eigenvalues(const ntk_spectrum *spectrum, ntk_record *record) {
  return add_values(record, &eigenvalue_field, &spectrum->n, spectrum->eigenvalue);
}

static const ntk_field power_field = {"target_power", "mode output", "1", "squares of V^T y", "D.1",
                                      NTK_KIND_REAL};
static const ntk_field coefficient_fields[2][2] = {
    {{"target_coefficient", "mode output", "1", "V^T y", "D.1", NTK_KIND_REAL},
     {"residual_coefficient", "mode output", "1", "V^T (f0 - y)", "D.1", NTK_KIND_REAL}},
    {{"target_coefficient", "mode", "1", "V^T y", "D.1", NTK_KIND_REAL},
     {"residual_coefficient", "mode", "1", "V^T (f0 - y)", "D.1", NTK_KIND_REAL}},
};

static ntk_status add_spectrum_attributes(const ntk_spectrum *s, ntk_record *record) {
  NTK_TRY(ntk_record_set_text(record, "solver", s->solver));
  if (*s->kernel) NTK_TRY(ntk_record_set_text(record, "solver_kernel", s->kernel));
  NTK_TRY(ntk_record_set_int(record, "block", s->block));
  NTK_TRY(ntk_record_set_real(record, "residual", s->residual));
  NTK_TRY(ntk_record_set_real(record, "orthogonality", s->orthogonality));
  NTK_TRY(ntk_record_set_int(record, "negative_count", s->negative_count));
  NTK_TRY(ntk_record_set_real(record, "lambda_min_raw", s->lambda_min_raw));
  NTK_TRY(ntk_record_set_real(record, "cutoff", s->cutoff));
  return ntk_record_set_real(record, "seconds", s->seconds);
}

/* Where only eigenvalues are known, the signs of coefficients are not. */
static ntk_status add_powers(const ntk_view *view, ntk_record *record) {
  const int64_t sizes[] = {view->rows, view->columns};
  double *power = NULL;

  if (!view->target_coefficient) return NTK_OK;
  NTK_TRY(ntk_record_add(record, &power_field, sizes, &power));
  for (int64_t k = 0; k < view->rows * view->columns; ++k) {
    power[k] = view->target_coefficient[k] * view->target_coefficient[k];
  }
  return NTK_OK;
}

ntk_status ntk_results_spectrum(const ntk_view *view, ntk_record *record) {
  const int full = view->columns == 1 && view->outputs > 1;
  const int64_t sizes[] = {view->rows, view->columns};

  NTK_TRY(add_counter(record, &mode_axis, view->rows));
  if (!full) NTK_TRY(add_counter(record, &output_axis, view->outputs));
  NTK_TRY(ntk_results_eigenvalues(view->spectrum, record));
  if (!view->gram) {
    NTK_TRY(add_powers(view, record));
    return add_spectrum_attributes(view->spectrum, record);
  }
  NTK_TRY(add_values(record, &coefficient_fields[full][0], sizes, view->target_coefficient));
  NTK_TRY(add_values(record, &coefficient_fields[full][1], sizes, view->residual_coefficient));
  return add_spectrum_attributes(view->spectrum, record);
}
