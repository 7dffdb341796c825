#include "ntk/kernel/kernel.h"

#include <math.h>
#include <stddef.h>

#include "ntk/base/memory.h"

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

static const ntk_row ntk = {.name = "ntk", .doc = "neural tangent kernel"};
static const ntk_row *const quantities[] = {&ntk, NULL};

static const ntk_row in_double = {.name = "double", .doc = "factors in double precision"};
static const ntk_row in_single = {
    .name = "single", .doc = "factors in single precision, summed in double over blocks of 512"};
static const ntk_row *const precisions[] = {&in_double, &in_single, NULL};

static const ntk_row none = {.name = "none", .doc = "not computed"};
static const ntk_row diagonal = {.name = "diagonal", .doc = "K(x, x) of the test samples"};
static const ntk_row *const test_tests[] = {&none, &diagonal, NULL};

const ntk_row *const ntk_kernels[] = {&ntk_kernel_empirical.row, &ntk_kernel_file.row, NULL};

static const ntk_option options[] = {
    {.key = "type",
     .type = NTK_VARIANT,
     .offset = offsetof(ntk_kernel_settings, type),
     .fallback = "empirical",
     .rows = ntk_kernels,
     .doc = "where the kernel comes from"},
    {.key = "quantity",
     .type = NTK_WORD,
     .offset = offsetof(ntk_kernel_settings, quantity),
     .fallback = "ntk",
     .rows = quantities,
     .doc = "which kernel"},
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
    {0},
};

const ntk_section ntk_kernel_section = {options, NULL};

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

/* ---- results -------------------------------------------------------------------------------- */

void ntk_kernel_destroy(ntk_kernel *kernel) {
  ntk_matrix_destroy(&kernel->gram);
  ntk_matrix_destroy(&kernel->test_train);
  ntk_free(&kernel->f0);
  ntk_free(&kernel->test_f0);
  ntk_free(&kernel->initial);
  ntk_free(&kernel->test_initial);
  ntk_free(&kernel->test_diagonal);
  ntk_free(&kernel->tensor_name);
  ntk_free(&kernel->tensor_trace);
  ntk_free(&kernel->tensor_norm);
  *kernel = (ntk_kernel){0};
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
  NTK_CHECK(facts->asymmetry == 0, NTK_E_BUG, "the kernel is not symmetric: |K - K^T| up to %g",
            facts->asymmetry);
  return NTK_OK;
}

static ntk_status check(const ntk_kernel_input *input, const ntk_kernel *kernel) {
  ntk_matrix_facts facts;

  NTK_TRY(check_finite(&kernel->gram, "kernel"));
  NTK_TRY(check_finite(&kernel->test_train, "test-train kernel"));
  NTK_TRY(ntk_matrix_measure(&kernel->gram, &facts));
  NTK_AGREE(input->grid->comm, say_asymmetric(&facts));
  return NTK_OK;
}

ntk_status ntk_kernel_compute(const ntk_kernel_input *input, ntk_kernel *kernel) {
  const ntk_kernel_type *type = (const ntk_kernel_type *)input->settings->type.row;

  *kernel = (ntk_kernel){0};
  ntk_status status = type->compute(input, kernel);
  if (status == NTK_OK) status = check(input, kernel);
  if (status != NTK_OK) ntk_kernel_destroy(kernel);
  return status;
}
