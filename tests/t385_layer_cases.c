/* Networks of all layers are those of the cases of tests/cases: outputs, Jacobian (through the
 * kernels J J^T, whole, of each tensor, and between two sets of inputs; its products with vectors)
 * and the kernel from factors, within the case's tolerance; in single precision too.
 *
 * Method: tests/cases.h writes the config; the expected numbers are complex-step Jacobians, JAX's
 * and neural-tangents'. */
//TEST ranks=1
#include "cases.h"

static const char *const files[] = {
    "oracles/neural_ode_rk4.json",
    "oracles/neural_ode_field_outside_rk4.json",
    "oracles/neural_ode_field_outside_euler.json",
    "oracles/attention_single_head.json",
    "oracles/mha_bias.json",
    "oracles/mha_causal.json",
    "oracles/mha_two_heads.json",
    "oracles/resnet_mlp_identity.json",
    "oracles/residual_nested.json",
    "oracles/repeat_unshared_residual.json",
    "oracles/repeat_shared_dense.json",
    "oracles/layernorm_mlp.json",
    "oracles/layernorm_without_affine.json",
    "oracles/layernorm_positions_channels.json",
    "oracles/instancenorm_full_cnn.json",
    "oracles/instancenorm_meanonly_cnn.json",
    "oracles/batchnorm_eval.json",
    "oracles/batchnorm_train_mlp.json",
    "oracles/batchnorm_train_cnn.json",
    "oracles/dropout_fixed_masks.json",
    "oracles/dropout_not_inverted.json",
    "golden/nt_resnet_mlp_ntk.json",
    "golden/nt_mlp_layernorm_ntk.json",
    "golden/nt_attention_softmax.json",
    "golden/nt_attention_identity.json",
    "golden/nt_attention_linear_scaling.json",
    "oracles/transformer_block.json",
    "oracles/token_transformer_learned.json",
    "oracles/token_transformer_sinusoidal.json",
    "oracles/tied_embedding.json",
    "oracles/cnn_same_flatten.json",
    "oracles/cnn_stride2_gap_O2.json",
    "oracles/cnn_valid_avgpool.json",
    "oracles/conv_circular.json",
    "oracles/conv_dilation2.json",
    "oracles/conv_even_kernel_same.json",
    "oracles/conv_explicit_padding_stride2.json",
    "oracles/avgpool_same_counting_padding.json",
    "oracles/avgpool_same_not_counting_padding.json",
    "oracles/maxpool_2x2.json",
    "oracles/maxpool_overlapping.json",
    "oracles/sumpool.json",
    "oracles/resnet_conv_projection.json",
    "golden/nt_cnn_circular_stride_gap_ntk.json",
    "golden/nt_cnn_same_flatten_ntk.json",
    "golden/nt_cnn_same_stride_sumpool_ntk.json",
    "golden/nt_cnn_valid_stride_avgpool_std.json",
    "golden/nt_resnet_conv_std.json",
    "oracles/jacobian_products_cnn.json",
};

static double largest_of(int64_t n, const double *values) {
  double most = 0;

  for (int64_t k = 0; k < n; ++k) most = fmax(most, fabs(values[k]));
  return most;
}

/* `scale` is that of the tolerance; 0: the largest expected entry. */
static void compare(const char *file, const layer_case *c, const char *path, const double *got,
                    int64_t count, double scale) {
  const char *expected = json_look(c->file, path);
  double *wanted = calloc((size_t)(count + 1), sizeof(*wanted));

  EXPECT(wanted);
  if (expected) {
    EXPECT(json_reals(expected, count, wanted) == count);
    if (scale == 0) scale = largest_of(count, wanted);
    for (int64_t k = 0; k < count; ++k) {
      if (fabs(got[k] - wanted[k]) <= c->tolerance * scale) continue;
      FAIL("%s: %s[%lld] is %.17g, expected %.17g (%g of the tolerance)", file, path, (long long)k,
           got[k], wanted[k], fabs(got[k] - wanted[k]) / (c->tolerance * scale));
    }
  }
  free(wanted);
}

/* kernel[r][s] = rate sum over columns first .. last - 1 of j[r] k[s]. */
static void outer(const double *j, int64_t rows, const double *k, int64_t lines, int64_t columns,
                  int64_t first, int64_t last, double *kernel) {
  for (int64_t e = 0; e < rows * lines; ++e) {
    kernel[e] = 0;
    for (int64_t t = first; t < last; ++t) {
      kernel[e] += j[e / lines * columns + t] * k[e % lines * columns + t];
    }
  }
}

/* "L2/branch/L1/Wq" is "2.branch.1.Wq" of the case, W of embeddings E and P; "L2/0/L1/W" of a
 * repeat "2.layers.0.1.W", or "2.layers.1.W" if it shares. */
static void case_name(const layer_case *c, const ntk_tensor *tensor, bool numbered,
                      char path[CASE_PATH]) {
  static const char *const last[] = {"W", "E", "P"};
  size_t used = (size_t)snprintf(path, CASE_PATH, "expected/ntk_per_tensor/");

  for (const char *at = tensor->name; *at; at += strcspn(at, "/"), at += *at == '/') {
    const int length = (int)strcspn(at, "/");
    const bool copy = *at >= '0' && *at <= '9', dropped = copy && !numbered;
    const int skipped = *at == 'L' ? 1 : 0;

    used += (size_t)snprintf(path + used, CASE_PATH - used, "%s%.*s%s", copy ? "layers." : "",
                             dropped ? 0 : length - skipped, at + skipped,
                             at[length] && !dropped ? "." : "");
    EXPECT(used < CASE_PATH - 1);
  }
  for (int k = 0; k < 3 && path[used - 1] != 'q' && !json_look(c->file, path); ++k) {
    if (path[used - 2] == '.') path[used - 1] = *last[k];
  }
}

static int check_tensors(const char *file, const layer_case *c, const double *j, double scale,
                         double *kernel) {
  const ntk_network *network = &c->net.network;
  const int64_t rows = c->n * c->outputs, columns = column_count(network);
  const char *all = json_look(c->file, "expected/ntk_per_tensor");
  int found = 0;

  for (int t = 0; all && t < network->tensor_count; ++t) {
    const ntk_tensor *tensor = &network->tensor[t];
    const int64_t first = first_column(network, tensor);
    char path[CASE_PATH];

    case_name(c, tensor, true, path);
    if (!json_look(c->file, path)) case_name(c, tensor, false, path);
    if (!json_look(c->file, path)) continue;
    ++found;
    outer(j, rows, j, rows, columns, first, first + tensor->count, kernel);
    compare(file, c, path, kernel, rows * rows, scale);
  }
  if (all) EXPECT(found == json_count(all));
  return found;
}

/* "L3/W" is "3.W" there. */
static void product_path(const char *field, const ntk_tensor *tensor, char path[CASE_PATH]) {
  const int length = (int)strcspn(tensor->name, "/");

  (void)snprintf(path, CASE_PATH, "%s/%.*s.%s", field, length - 1, tensor->name + 1,
                 tensor->name + length + 1);
}

/* Adds j u to out [rows]. */
static void multiply(const double *j, int64_t rows, int64_t columns, const double *u, double *out) {
  for (int64_t k = 0; k < rows * columns; ++k) out[k / columns] += j[k] * u[k % columns];
}

/* Adds j^T v to out [columns]. */
static void multiply_transposed(const double *j, int64_t rows, int64_t columns, const double *v,
                                double *out) {
  for (int64_t k = 0; k < rows * columns; ++k) out[k % columns] += j[k] * v[k / columns];
}

/* J^T v, J u and J J^T v, where the case has v and u. */
static void check_products(const char *file, const layer_case *c, const double *j) {
  const ntk_network *network = &c->net.network;
  const int64_t rows = c->n * c->outputs, columns = column_count(network);
  double *u = calloc((size_t)(2 * columns + 3 * rows), sizeof(*u)), *pulled = u + columns;
  double *v = pulled + columns, *pushed = v + rows, *both = pushed + rows;
  char path[CASE_PATH];

  EXPECT(u);
  if (json_look(c->file, "inputs/v")) {
    EXPECT(json_reals(json_find(c->file, "inputs/v"), rows, v) == rows);
    multiply_transposed(j, rows, columns, v, pulled);
    const double scale = largest_of(columns, pulled);

    for (int t = 0; t < network->tensor_count; ++t) {
      const ntk_tensor *tensor = &network->tensor[t];
      const int64_t first = first_column(network, tensor), count = tensor->count;

      product_path("inputs/u", tensor, path);
      EXPECT(json_reals(json_find(c->file, path), count, u + first) == count);
      product_path("expected/J_transpose_v", tensor, path);
      EXPECT(json_look(c->file, path));
      compare(file, c, path, pulled + first, count, scale);
    }
    multiply(j, rows, columns, u, pushed);
    multiply(j, rows, columns, pulled, both);
    compare(file, c, "expected/J_u", pushed, rows, 0);
    compare(file, c, "expected/theta_v", both, rows, 0);
  }
  free(u);
}

static void check_jacobian(const char *file, const layer_case *c) {
  const ntk_network *network = &c->net.network;
  const int64_t rows = c->n * c->outputs, lines = c->m * c->outputs;
  const int64_t columns = column_count(network);
  double *kernel = calloc((size_t)(rows * (rows + lines) + 1), sizeof(*kernel));
  ntk_tape tape;

  EXPECT(kernel);
  EXPECT_OK(ntk_forward(network, c->n, c->x, &tape));
  double *j = jacobian(network, &tape), *other = NULL;

  ntk_tape_output(&tape, kernel);
  compare(file, c, "expected/f", kernel, rows, 0);
  ntk_tape_destroy(&tape);
  outer(j, rows, j, rows, columns, 0, columns, kernel);
  compare(file, c, "expected/ntk_full_niO_njP", kernel, rows * rows, 0);
  (void)check_tensors(file, c, j, largest_of(rows * rows, kernel), kernel);
  check_products(file, c, j);
  if (c->m > 0) {
    EXPECT_OK(ntk_forward(network, c->m, c->x2, &tape));
    other = jacobian(network, &tape);
    ntk_tape_destroy(&tape);
    outer(j, rows, other, lines, columns, 0, columns, kernel);
    compare(file, c, "expected/ntk_cross_X_X2", kernel, rows * lines, 0);
  }
  free(kernel);
  free(other);
  free(j);
}

static void check_factors(const char *file, const layer_case *c) {
  static const ntk_cotangents full = {.outputs = NTK_OUT_FULL}, trace = {.outputs = NTK_OUT_TRACE},
                              pseudo = {.outputs = NTK_OUT_PSEUDO};
  const ntk_network *network = &c->net.network;
  const int64_t rows = c->n * c->outputs;
  double *kernel = calloc((size_t)(rows * rows + 1), sizeof(*kernel));

  EXPECT(kernel);
  plain_kernel(network, &full, c->n, c->x, c->n, c->x, kernel);
  compare(file, c, "expected/ntk_full_niO_njP", kernel, rows * rows, 0);
  plain_kernel(network, &trace, c->n, c->x, c->n, c->x, kernel);
  compare(file, c, "expected/ntk_trace_over_outputs", kernel, c->n * c->n, 0);
  plain_kernel(network, &pseudo, c->n, c->x, c->n, c->x, kernel);
  compare(file, c, "expected/pntk_sum_of_logits_over_O", kernel, c->n * c->n, 0);
  free(kernel);
}

static void check_case(const char *file) {
  char path[96];
  layer_case c;

  (void)snprintf(path, sizeof(path), "tests/cases/%s", file);
  for (int single = 0; single < 2; ++single) {
    case_load(path, single ? NTK_SINGLE : NTK_DOUBLE, &c);
    if (!single) check_jacobian(file, &c);
    check_factors(file, &c);
    case_destroy(&c);
  }
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  for (size_t k = 0; k < sizeof(files) / sizeof(files[0]); ++k) check_case(files[k]);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
