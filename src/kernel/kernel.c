#include "ntk/kernel/kernel.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "ntk/base/memory.h"
#include "ntk/kernel/assembly.h"
#include "ntk/model/layer.h"

/* ---- settings ------------------------------------------------------------------------------- */

typedef struct single_options {
  int64_t output;
} single_options;

static const ntk_option single_rows[] = {
    {.key = "output",
     .type = NTK_INT,
     .offset = offsetof(single_options, output),
     .fallback = "0",
     .low = 0,
     .high = 1e9,
     .doc = "which one, from 0"},
    {0},
};

/* In the order of ntk_outputs. */
static const ntk_row full = {.name = "full", .doc = "nO x nO, all pairs of outputs"};
static const ntk_row mean = {.name = "mean", .doc = "(1/O) sum over outputs"};
static const ntk_row trace = {.name = "trace", .doc = "sum over outputs"};
static const ntk_row pseudo = {.name = "pseudo", .doc = "the kernel of sum of outputs / sqrt(O)"};
static const ntk_row single = {.name = "single",
                               .doc = "of one output",
                               .options = single_rows,
                               .options_size = sizeof(single_options),
                               .shorthand = "output"};
static const ntk_row *const outputs_rows[] = {&full, &mean, &trace, &pseudo, &single, NULL};

const ntk_quantity ntk_quantity_ntk = {
    .row = {.name = "ntk", .doc = "neural tangent kernel"},
    .long_name = "empirical neural tangent kernel",
    .source = "B5"};
const ntk_quantity ntk_quantity_conjugate = {
    .row = {.name = "conjugate",
            .doc = "s_w^2 a a', Gram of the last hidden features as the readout scales them"},
    .long_name = "conjugate kernel",
    .source = "C19"};
const ntk_quantity ntk_quantity_nngp = {
    .row = {.name = "nngp",
            .doc = "s_w^2 Var(W) a a' + s_b^2 Var(b), covariance of the outputs over draws of the "
                   "readout, given the layers below it"},
    .long_name = "covariance of the outputs over draws of the readout",
    .source = "C19"};
const ntk_row *const ntk_quantities[] = {&ntk_quantity_ntk.row, &ntk_quantity_conjugate.row,
                                         &ntk_quantity_nngp.row, NULL};

static const ntk_row in_double = {.name = "double", .doc = "factors in double precision"};
static const ntk_row in_single = {
    .name = "single", .doc = "factors in single precision, summed in double over blocks of 512"};
static const ntk_row *const precisions[] = {&in_double, &in_single, NULL};

static const ntk_row none = {.name = "none", .doc = "not computed"};
static const ntk_row diagonal = {.name = "diagonal", .doc = "K(x, x) of the test samples"};
static const ntk_row whole = {.name = "full", .doc = "the whole block, in test_train.h5 if kept"};
static const ntk_row *const test_tests[] = {&none, &diagonal, &whole, NULL};

const ntk_row *const ntk_kernels[] = {&ntk_kernel_empirical.row, &ntk_kernel_file.row, NULL};

static const ntk_option options[] = {
    {.key = "type",
     .type = NTK_VARIANT,
     .offset = offsetof(ntk_kernel_settings, type),
     .fallback = "empirical",
     .rows = ntk_kernels,
     .doc = "where the kernel comes from"},
    {.key = "quantity",
     .type = NTK_CHOICES,
     .offset = offsetof(ntk_kernel_settings, quantity),
     .fallback = "[ntk]",
     .rows = ntk_quantities,
     .doc = "which kernel, or a list: all are computed, groups of all but the first have its name "
            "before theirs"},
    {.key = "outputs",
     .type = NTK_CHOICE,
     .offset = offsetof(ntk_kernel_settings, outputs),
     .fallback = "mean",
     .rows = outputs_rows,
     .doc = "how several outputs are combined"},
    {.key = "precision",
     .type = NTK_WORD,
     .offset = offsetof(ntk_kernel_settings, precision),
     .fallback = "double",
     .rows = precisions,
     .doc = "of the factors; sums over blocks are always in double"},
    {.key = "test_test",
     .type = NTK_WORD,
     .offset = offsetof(ntk_kernel_settings, test_test),
     .fallback = "diagonal",
     .rows = test_tests,
     .doc = "kernel between test samples"},
    {.key = "contraction",
     .type = NTK_WORD,
     .offset = offsetof(ntk_kernel_settings, contraction),
     .fallback = "auto",
     .flags = NTK_AUTO,
     .rows = ntk_contractions,
     .doc = "how positions of two samples meet, in layers that have several (convolutions, tokens); "
            "auto, and where a word does not apply: what has the fewest flops; the last bits follow"},
    {.key = "per_layer",
     .type = NTK_BOOL,
     .offset = offsetof(ntk_kernel_settings, per_layer),
     .fallback = "true",
     .doc = "trace and norm of every tensor's part of the ntk (the matrices: output.keep)"},
    {0},
};

static void check_quantities(const ntk_kernel_settings *s, const ntk_node *node,
                             ntk_problems *problems) {
  const ntk_node *given = ntk_node_find(node, "quantity");
  const ntk_mark mark = given ? given->mark : node->mark;

  if (s->quantity.count == 0) {
    ntk_problem(problems, mark, "kernel.quantity: the list is empty; name at least one kernel");
  }
  for (int64_t k = 0; k < s->quantity.count; ++k) {
    const ntk_choice *q = &s->quantity.item[k];

    if (strcmp(q->label, q->row->name) == 0) continue;
    ntk_problem(problems, q->mark,
                "kernel.quantity: '%s' takes no label; its groups are named after it",
                q->row->name);
  }
  if (s->quantity.count > 1 && !((const ntk_kernel_type *)s->type.row)->needs_network) {
    ntk_problem(problems, mark, "kernel.quantity: a kernel from a file is one quantity, not %lld",
                (long long)s->quantity.count);
  }
}

static void check_settings(const void *bound, const ntk_node *node, ntk_problems *problems) {
  const ntk_kernel_settings *s = bound;
  const ntk_kernel_type *type = (const ntk_kernel_type *)s->type.row;

  check_quantities(s, node, problems);
  if (type->check) type->check(s, node, problems);
}

const ntk_section ntk_kernel_section = {options, check_settings};

const ntk_quantity *ntk_kernel_quantity(const ntk_kernel_settings *settings, int64_t which) {
  NTK_ASSERT(which >= 0 && which < settings->quantity.count);
  return (const ntk_quantity *)settings->quantity.item[which].row;
}

bool ntk_kernel_wants_test_test(const ntk_kernel_settings *settings) {
  return settings->test_test == &whole;
}

ntk_cotangents ntk_kernel_cotangents(const ntk_kernel_settings *settings) {
  ntk_cotangents cotangents = {.outputs = NTK_OUT_FULL};

  while (outputs_rows[cotangents.outputs] != settings->outputs.row) {
    NTK_ASSERT(outputs_rows[cotangents.outputs]);
    ++cotangents.outputs;
  }
  if (cotangents.outputs == NTK_OUT_SINGLE) {
    cotangents.single = ((const single_options *)settings->outputs.options)->output;
  }
  return cotangents;
}

ntk_status ntk_kernel_check_outputs(const ntk_kernel_settings *settings, int64_t outputs) {
  const ntk_cotangents cotangents = ntk_kernel_cotangents(settings);

  NTK_CHECK(cotangents.outputs != NTK_OUT_SINGLE || cotangents.single < outputs, NTK_E_CONFIG,
            "kernel.outputs: no output %lld; the network has outputs 0..%lld",
            (long long)cotangents.single, (long long)outputs - 1);
  return NTK_OK;
}

/* What is below a shared readout depends on it, so it cannot be drawn again with that given. */
static ntk_status check_draws(const ntk_quantity *quantity, const ntk_readout *readout) {
  NTK_CHECK(quantity != &ntk_quantity_nngp || !readout->shared, NTK_E_CONFIG,
            "kernel.quantity: nngp is a covariance over draws of the readout given the layers below "
            "it, but the weights of '%s' are used below too; take conjugate",
            readout->layer->name);
  return NTK_OK;
}

ntk_status ntk_kernel_check_quantity(const ntk_quantity *quantity, const ntk_network *network) {
  ntk_readout readout = {0};

  if (quantity == &ntk_quantity_ntk) return NTK_OK;
  NTK_CHECK(ntk_network_readout(network, &readout), NTK_E_CONFIG,
            "kernel.quantity: %s needs a dense layer at the end of the network; '%s' is none",
            quantity->row.name, network->layer[network->layer_count - 1].name);
  return check_draws(quantity, &readout);
}

/* ---- results -------------------------------------------------------------------------------- */

void ntk_features_destroy(ntk_features *features) {
  for (int k = 0; k < 2; ++k) {
    ntk_free(&features->own[k]);
    ntk_free(&features->initial[k]);
    ntk_free(&features->f0[k]);
  }
  features->kept = false;
}

void ntk_kernel_destroy(ntk_kernel *kernel) {
  ntk_matrix_destroy(&kernel->gram);
  ntk_matrix_destroy(&kernel->test_train);
  ntk_matrix_destroy(&kernel->test_test);
  ntk_free(&kernel->eigenvalue);
  ntk_free(&kernel->target_power);
  ntk_free(&kernel->f0);
  ntk_free(&kernel->test_f0);
  ntk_free(&kernel->initial);
  ntk_free(&kernel->test_initial);
  ntk_free(&kernel->test_diagonal);
  ntk_free(&kernel->tensor_name);
  ntk_free(&kernel->tensor_trace);
  ntk_free(&kernel->tensor_norm);
  ntk_free(&kernel->tensor_contraction);
  ntk_free(&kernel->tensor_flops);
  *kernel = (ntk_kernel){0};
}

ntk_status ntk_kernel_mirror(ntk_kernel *kernel) {
  NTK_TRY(ntk_matrix_mirror_lower(&kernel->gram));
  return kernel->test_test.rows > 0 ? ntk_matrix_mirror_lower(&kernel->test_test) : NTK_OK;
}

/* Row-major number of the first entry here that is not finite; rows * cols if there is none. */
static double first_bad(const ntk_matrix *m) {
  double first = (double)m->rows * (double)m->cols;

  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    for (int64_t li = 0; li < m->local_rows; ++li) {
      if (isfinite(m->data[li + lj * m->ld])) continue;
      first = fmin(first, (double)ntk_matrix_row(m, li) * (double)m->cols +
                              (double)ntk_matrix_col(m, lj));
    }
  }
  return first;
}

static ntk_status say_bad(const ntk_matrix *m, const char *name, double first) {
  int64_t place = (int64_t)first;

  NTK_CHECK(place >= m->rows * m->cols, NTK_E_NUMERIC,
            "%s: entry (%lld, %lld) is not finite; look at the scale of inputs and weights", name,
            (long long)(place / m->cols), (long long)(place % m->cols));
  return NTK_OK;
}

static ntk_status check_finite(const ntk_matrix *m, const char *name) {
  const ntk_comm *comm = m->grid->comm;

  NTK_AGREE(comm, say_bad(m, name, -ntk_comm_max(comm, -first_bad(m))));
  return NTK_OK;
}

/* Mirrored matrices are symmetric to the last bit. */
static ntk_status say_asymmetric(const ntk_matrix_facts *facts) {
  NTK_CHECK(facts->asymmetry == 0, NTK_E_BUG, "the kernel is not symmetric: |K - K^T| up to %g at [%lld, %lld]",
            facts->asymmetry, (long long)facts->worst_row, (long long)facts->worst_col);
  return NTK_OK;
}

static ntk_status check_square(const ntk_matrix *m, const char *name) {
  ntk_matrix_facts facts;

  NTK_TRY(check_finite(m, name));
  NTK_TRY(ntk_matrix_measure(m, &facts));
  NTK_AGREE(m->grid->comm, say_asymmetric(&facts));
  return NTK_OK;
}

static ntk_status check(const ntk_kernel *kernel) {
  if (!kernel->gram.grid) return NTK_OK; /* eigenvalues only */
  NTK_TRY(check_square(&kernel->gram, "kernel"));
  NTK_TRY(check_finite(&kernel->test_train, "test-train kernel"));
  return kernel->test_test.rows > 0 ? check_square(&kernel->test_test, "test-test kernel") : NTK_OK;
}

ntk_status ntk_kernel_compute(const ntk_kernel_input *input, ntk_kernel *kernel) {
  const ntk_kernel_type *type = (const ntk_kernel_type *)input->settings->type.row;

  *kernel = (ntk_kernel){.quantity = ntk_kernel_quantity(input->settings, input->which),
                         .rate_scale = 1};
  ntk_status status = type->compute(input, kernel);
  if (status == NTK_OK) status = check(kernel);
  if (status != NTK_OK) ntk_kernel_destroy(kernel);
  return status;
}
