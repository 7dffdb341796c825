#include "heads.h"

#include <math.h>

#include "ntk/base/memory.h"

/* ---- mechanisms ------------------------------------------------------------------------------ */

/* How the scores of one query become the weights of its keys; keys that are not seen have 0. */
typedef struct mechanism {
  ntk_row row;
  void (*weigh)(int64_t keys, const bool *seen, double *line);
  /* `line`, the derivative by the weights, becomes that by the scores. */
  void (*pull)(int64_t keys, const bool *seen, const double *weight, double *line);
} mechanism;

static void softmax(int64_t keys, const bool *seen, double *line) {
  double most = -INFINITY, sum = 0;

  for (int64_t u = 0; u < keys; ++u) {
    if (seen[u] && line[u] > most) most = line[u];
  }
  for (int64_t u = 0; u < keys; ++u) {
    line[u] = seen[u] ? exp(line[u] - most) : 0;
    sum += line[u];
  }
  for (int64_t u = 0; sum != 0 && u < keys; ++u) line[u] /= sum;
}

static void pull_softmax(int64_t keys, const bool *seen, const double *weight, double *line) {
  double mean = 0;

  (void)seen;
  for (int64_t u = 0; u < keys; ++u) mean += weight[u] * line[u];
  for (int64_t u = 0; u < keys; ++u) line[u] = weight[u] * (line[u] - mean);
}

static void keep_scores(int64_t keys, const bool *seen, double *line) {
  for (int64_t u = 0; u < keys; ++u) line[u] = seen[u] ? line[u] : 0;
}

static void pull_scores(int64_t keys, const bool *seen, const double *weight, double *line) {
  (void)weight;
  keep_scores(keys, seen, line);
}

static void rectify(int64_t keys, const bool *seen, double *line) {
  for (int64_t u = 0; u < keys; ++u) line[u] = seen[u] && !(line[u] <= 0) ? line[u] : 0;
}

static void pull_rectified(int64_t keys, const bool *seen, const double *weight, double *line) {
  (void)seen;
  for (int64_t u = 0; u < keys; ++u) line[u] = weight[u] > 0 ? line[u] : 0;
}

static const mechanism by_softmax = {
    {.name = "softmax", .doc = "weights are the softmax of the scores"}, softmax, pull_softmax};
static const mechanism by_identity = {
    {.name = "identity", .doc = "weights are the scores"}, keep_scores, pull_scores};
static const mechanism by_relu = {
    {.name = "relu", .doc = "weights are the positive parts of the scores"},
    rectify,
    pull_rectified};
const ntk_row *const ntk_attention_mechanisms[] = {&by_softmax.row, &by_identity.row, &by_relu.row,
                                                   NULL};

/* ---- one sample ------------------------------------------------------------------------------ */

ntk_status ntk_heads_create(ntk_heads *heads) {
  const int64_t t = heads->tokens;

  NTK_TRY(NTK_NEW(t, &heads->hidden));
  NTK_TRY(NTK_NEW(t, &heads->seen));
  NTK_TRY(NTK_NEW(t, &heads->line));
  NTK_TRY(NTK_NEW(t, &heads->weight));
  return ntk_array_new_unset(heads->dtype, t * t, &heads->scores);
}

void ntk_heads_destroy(ntk_heads *heads) {
  ntk_free(&heads->hidden);
  ntk_free(&heads->seen);
  ntk_free(&heads->line);
  ntk_free(&heads->weight);
  ntk_free(&heads->scores);
}

static void look(const ntk_heads *h, int64_t query) {
  for (int64_t u = 0; u < h->tokens; ++u) {
    h->seen[u] = !h->hidden[u] && (!h->causal || u <= query);
  }
}

static void weigh(const ntk_heads *h, void *scores) {
  const mechanism *m = (const mechanism *)h->mechanism;

  for (int64_t t = 0; t < h->tokens; ++t) {
    void *line = ntk_array_at(h->dtype, scores, t * h->tokens);

    look(h, t);
    ntk_array_convert(h->dtype, line, NTK_DOUBLE, h->line, h->tokens);
    m->weigh(h->tokens, h->seen, h->line);
    ntk_array_convert(NTK_DOUBLE, h->line, h->dtype, line, h->tokens);
  }
}

/* From the derivative by the weights, in h->scores, to that by the scores. */
static void pull_weights(const ntk_heads *h, const void *weight) {
  const mechanism *m = (const mechanism *)h->mechanism;

  for (int64_t t = 0; t < h->tokens; ++t) {
    void *line = ntk_array_at(h->dtype, h->scores, t * h->tokens);

    look(h, t);
    ntk_array_convert(h->dtype, ntk_array_const_at(h->dtype, weight, t * h->tokens), NTK_DOUBLE,
                      h->weight, h->tokens);
    ntk_array_convert(h->dtype, line, NTK_DOUBLE, h->line, h->tokens);
    m->pull(h->tokens, h->seen, h->weight, h->line);
    ntk_array_convert(NTK_DOUBLE, h->line, h->dtype, line, h->tokens);
  }
}

void ntk_heads_apply(const ntk_heads *heads, const void *q, const void *k, const void *v,
                     void *weight, void *y) {
  const ntk_dtype type = heads->dtype;
  const int64_t t = heads->tokens, dim = heads->dim, values = heads->value_dim;
  const int64_t ld = heads->count * dim, ldv = heads->count * values;

  for (int64_t h = 0; h < heads->count; ++h) {
    void *scores = ntk_array_at(type, weight, h * t * t);

    ntk_gemm(type, false, true, t, t, dim, heads->scale, ntk_array_const_at(type, q, h * dim), ld,
             ntk_array_const_at(type, k, h * dim), ld, 0, scores, t);
    weigh(heads, scores);
    ntk_gemm(type, false, false, t, values, t, 1, scores, t,
             ntk_array_const_at(type, v, h * values), ldv, 0, ntk_array_at(type, y, h * values),
             ldv);
  }
}

/* dq and dk of head h from the derivative by its scores. */
static void pull_scores_of(const ntk_heads *heads, int64_t h, const void *q, const void *k,
                           void *dq, void *dk) {
  const ntk_dtype type = heads->dtype;
  const int64_t t = heads->tokens, dim = heads->dim, ld = heads->count * dim;

  ntk_gemm(type, false, false, t, dim, t, heads->scale, heads->scores, t,
           ntk_array_const_at(type, k, h * dim), ld, 0, ntk_array_at(type, dq, h * dim), ld);
  ntk_gemm(type, true, false, t, dim, t, heads->scale, heads->scores, t,
           ntk_array_const_at(type, q, h * dim), ld, dk ? 0 : 1,
           ntk_array_at(type, dk ? dk : dq, h * dim), ld);
}

void ntk_heads_pull(const ntk_heads *heads, const void *q, const void *k, const void *v,
                    const void *weight, const void *dy, void *dq, void *dk, void *dv) {
  const ntk_dtype type = heads->dtype;
  const int64_t t = heads->tokens, values = heads->value_dim, ld = heads->count * values;

  for (int64_t h = 0; h < heads->count; ++h) {
    const void *own = ntk_array_const_at(type, weight, h * t * t);
    const void *dyh = ntk_array_const_at(type, dy, h * values);

    ntk_gemm(type, true, false, t, values, t, 1, own, t, dyh, ld, 0,
             ntk_array_at(type, dv, h * values), ld);
    ntk_gemm(type, false, true, t, t, values, 1, dyh, ld, ntk_array_const_at(type, v, h * values),
             ld, 0, heads->scores, t);
    pull_weights(heads, own);
    pull_scores_of(heads, h, q, k, dq, dk);
  }
}
