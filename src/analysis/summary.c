/* The scalars of a point that belong to the root group of results.h5.
 *
 * What needs a spectrum or targets is absent where there is none.  n and O of the alignment are
 * the rows and columns of the kernel (full outputs: n O and 1). */
#include <math.h>

#include "filter.h"
#include "ntk/base/memory.h"

static const ntk_field fields[] = {
    {"n", "", "1", "training samples", "", NTK_KIND_INT},
    {"outputs", "", "1", "outputs of the network", "", NTK_KIND_INT},
    {"parameters", "", "1", "trainable parameters", "", NTK_KIND_INT},
    {"trace", "", "1", "trace of the Gram matrix", "B5", NTK_KIND_REAL},
    {"frobenius_norm", "", "1", "Frobenius norm of the Gram matrix", "A5", NTK_KIND_REAL},
    {"lambda_max", "", "1", "largest eigenvalue", "I.2", NTK_KIND_REAL},
    {"lambda_min", "", "1", "smallest eigenvalue, negative rounding noise clipped at 0", "I.2",
     NTK_KIND_REAL},
    {"condition_number", "", "1", "lambda_max / max(lambda_min, cutoff)", "I.2", NTK_KIND_REAL},
    {"condition_number_limited", "", "1",
     "1 where lambda_min is at or below the cutoff, so that condition_number is a lower bound",
     "I.2", NTK_KIND_FLAG},
    {"effective_rank", "", "1", "exp(-sum p log p) with p = lambda / sum lambda", "F14",
     NTK_KIND_REAL},
    {"participation_ratio", "", "1", "(sum lambda)^2 / sum lambda^2", "F14", NTK_KIND_REAL},
    {"alignment", "", "1", "tr(Y^T K Y) / (|K|_F |Y|^2)", "F14", NTK_KIND_REAL},
    {"max_learning_rate", "", "1",
     "gradient descent on half the sum of squares (c = 1) converges below 2 / lambda_max", "D9",
     NTK_KIND_REAL},
    {0},
};

static ntk_status real(ntk_record *record, const char *name, double value) {
  return ntk_record_add_real(record, ntk_field_find(fields, name), value);
}

static ntk_status integer(ntk_record *record, const char *name, int64_t value) {
  return ntk_record_add_int(record, ntk_field_find(fields, name), value);
}

static ntk_status add_sizes(const ntk_view *view, const ntk_matrix_facts *facts,
                            ntk_record *record) {
  NTK_TRY(integer(record, "n", view->n));
  NTK_TRY(integer(record, "outputs", view->outputs));
  if (view->parameters > 0) NTK_TRY(integer(record, "parameters", view->parameters));
  NTK_TRY(real(record, "trace", facts->trace));
  return real(record, "frobenius_norm", sqrt(facts->sum_of_squares));
}

/* exp of the entropy of the normalised eigenvalues; 0 of a zero matrix. */
static double effective_rank(const ntk_spectrum *s, double sum) {
  double entropy = 0;

  if (!(sum > 0)) return 0;
  for (int64_t k = s->n - 1; k >= 0; --k) {
    double p = s->eigenvalue[k] / sum;

    if (p > 0) entropy -= p * log(p);
  }
  return exp(entropy);
}

/* Relative to the largest, so that squares neither overflow nor vanish. */
static double participation_ratio(const ntk_spectrum *s) {
  const double lambda_max = s->eigenvalue[0];
  double sum = 0, squares = 0;

  if (!(lambda_max > 0)) return 0;
  for (int64_t k = s->n - 1; k >= 0; --k) {
    double share = s->eigenvalue[k] / lambda_max;

    sum += share;
    squares += share * share;
  }
  return sum * sum / squares;
}

static ntk_status add_spectrum(const ntk_view *view, ntk_record *record) {
  const ntk_spectrum *s = view->spectrum;
  const double lambda_max = s->eigenvalue[0], lambda_min = s->eigenvalue[s->n - 1];
  double sum = 0;
  int8_t *limited = NULL;

  for (int64_t k = s->n - 1; k >= 0; --k) sum += s->eigenvalue[k];
  NTK_TRY(real(record, "lambda_max", lambda_max));
  NTK_TRY(real(record, "lambda_min", lambda_min));
  NTK_TRY(real(record, "condition_number", lambda_max / fmax(lambda_min, s->cutoff)));
  NTK_TRY(ntk_record_add(record, ntk_field_find(fields, "condition_number_limited"),
                         NULL, &limited));
  *limited = lambda_min <= s->cutoff;
  NTK_TRY(real(record, "effective_rank", effective_rank(s, sum)));
  NTK_TRY(real(record, "participation_ratio", participation_ratio(s)));
  return real(record, "max_learning_rate", 2 / lambda_max);
}

/* Trace and norm from the eigenvalues, where there is no Gram. */
static void measure_spectrum(const ntk_spectrum *s, ntk_matrix_facts *facts) {
  *facts = (ntk_matrix_facts){0};
  for (int64_t k = s->n - 1; k >= 0; --k) {
    facts->trace += s->eigenvalue[k];
    facts->sum_of_squares += s->eigenvalue[k] * s->eigenvalue[k];
  }
}

/* ---- alignment: K Y by a thin product, so it needs no spectrum ---- */

static ntk_status add_alignment(const ntk_view *view, double norm, const double *product,
                                ntk_record *record) {
  double overlap = 0, squares = 0;

  for (int64_t k = 0; k < view->rows * view->columns; ++k) {
    overlap += view->y[k] * product[k];
    squares += view->y[k] * view->y[k];
  }
  return real(record, "alignment", overlap / (norm * squares));
}

static ntk_status align(const ntk_view *view, double norm, ntk_record *record) {
  double *product = NULL;

  ntk_status status = ntk_agree(view->comm, NTK_NEW(view->rows * view->columns, &product));
  if (status == NTK_OK) {
    status = ntk_matrix_apply(view->gram, false, view->columns, view->y, product);
  }
  if (status == NTK_OK) {
    status = ntk_agree(view->comm, add_alignment(view, norm, product, record));
  }
  ntk_free(&product);
  return status;
}

/* Without a Gram: sum lambda c^2 over modes. */
static ntk_status align_modes(const ntk_view *view, double norm, ntk_record *record) {
  double overlap = 0, squares = 0;

  for (int64_t k = view->rows - 1; k >= 0; --k) {
    const double power = ntk_filter_power(view, view->target_coefficient, k);

    overlap += view->spectrum->eigenvalue[k] * power;
    squares += power;
  }
  return real(record, "alignment", overlap / (norm * squares));
}

static ntk_status add_modes(const ntk_view *view, ntk_record *record) {
  ntk_matrix_facts facts;

  measure_spectrum(view->spectrum, &facts);
  NTK_TRY(add_sizes(view, &facts, record));
  NTK_TRY(add_spectrum(view, record));
  if (!view->target_coefficient) return NTK_OK;
  return align_modes(view, sqrt(facts.sum_of_squares), record);
}

static ntk_status compute(const ntk_view *view, const void *settings, ntk_record *record) {
  ntk_matrix_facts facts;

  (void)settings;
  if (!view->gram) return ntk_agree(view->comm, add_modes(view, record));
  NTK_TRY(ntk_matrix_measure(view->gram, &facts));
  NTK_AGREE(view->comm, add_sizes(view, &facts, record));
  if (view->spectrum) NTK_AGREE(view->comm, add_spectrum(view, record));
  if (view->y) NTK_TRY(align(view, sqrt(facts.sum_of_squares), record));
  return NTK_OK;
}

const ntk_analysis ntk_analysis_summary = {
    .row = {.name = "summary", .doc = "the scalars of a point: norms, condition, ranks, alignment"},
    .needs = NTK_USES_SPECTRUM,
    .fields = fields,
    .to_root = true,
    .compute = compute,
};
