/* cases.h -- networks of tests/cases by any layers: the list of a case becomes a config and named
 * weights.  To add a layer: a function here and its row in `case_words`.
 *
 * Layer k of a list is called Lk, so that tensor "2.branch.1.Wq" of a case is "L2/branch/L1/Wq". */
#ifndef NTK_TESTS_CASES_H
#define NTK_TESTS_CASES_H

#include <stdarg.h>

#include "network.h"

enum { CASE_ENTRIES = 1 << 16, CASE_YAML = 1 << 14, CASE_PATH = 96 };

typedef struct case_writer {
  char *yaml;
  size_t used;
  ntk_record weights;
  double *values, *turned; /* room for CASE_ENTRIES */
  const char *dropout;     /* options of dropout in place of the case's masks; NULL: these */
} case_writer;

static inline void __attribute__((format(printf, 2, 3)))
case_put(case_writer *w, const char *format, ...) {
  va_list args;

  va_start(args, format);
  w->used += (size_t)vsnprintf(w->yaml + w->used, CASE_YAML - w->used, format, args);
  va_end(args);
  EXPECT(w->used < CASE_YAML);
}

static inline double case_number(const char *layer, const char *name, double otherwise) {
  const char *found = json_look(layer, name);

  return found ? json_real(found) : otherwise;
}

static inline bool case_true(const char *layer, const char *name) {
  const char *found = json_look(layer, name);

  return found && strncmp(found, "true", 4) == 0;
}

static inline bool case_is(const char *layer, const char *name, const char *word) {
  char text[32];

  return strcmp(json_text(json_find(layer, name), sizeof(text), text), word) == 0;
}

static inline const char *case_trainable(const char *layer) {
  const char *found = json_look(layer, "trainable");

  return found && strncmp(found, "false", 5) == 0 ? ", trainable: false" : "";
}

/* ---- tensors -------------------------------------------------------------------------------- */

/* An array as layers/<path>/<name>, with its multiplier. */
static inline void case_array(case_writer *w, const char *path, const char *name, int rank,
                              const int64_t *size, const double *values, double multiplier) {
  static const char *const axes[] = {"", "a", "a b", "a b c", "a b c d"};
  char variable[CASE_PATH + 32], attribute[CASE_PATH + 40];
  const ntk_field field = {variable, axes[rank], "1", "", "", NTK_KIND_REAL};
  int64_t count = 1;
  double *data = NULL;

  for (int k = 0; k < rank; ++k) count *= size[k];
  (void)snprintf(variable, sizeof(variable), "layers/%s/%s", path, name);
  (void)snprintf(attribute, sizeof(attribute), "%s/s_%c", variable,
                 name[0] == 'b' && strcmp(name, "beta") != 0 ? 'b' : 'w');
  EXPECT_OK(ntk_record_add(&w->weights, &field, size, &data));
  memcpy(data, values, (size_t)count * sizeof(*data));
  EXPECT_OK(ntk_record_set_real(&w->weights, attribute, multiplier));
}

/* Member `key` of a layer, if there is one, with the sizes that it has. */
static inline void case_tensor(case_writer *w, const char *path, const char *layer, const char *key,
                               const char *name, const char *factor) {
  const char *value = json_look(layer, key);
  int64_t size[4] = {0};
  int rank = 0;

  if (!value || strncmp(value, "null", 4) == 0) return;
  for (const char *at = value; at && *at == '['; at = json_first(at)) {
    EXPECT(rank < 4);
    size[rank++] = json_count(at);
  }
  (void)json_reals(value, CASE_ENTRIES, w->values);
  case_array(w, path, name, rank, size, w->values, case_number(layer, factor, 1));
}

/* ---- layers --------------------------------------------------------------------------------- */

static inline void case_list(case_writer *w, const char *list, const char *path);

static inline int64_t case_width(const char *matrix) { return json_count(json_first(matrix)); }

/* The readout is tied to layer 0. */
static inline void case_tied(case_writer *w, const char *layer, const char *path) {
  const char *bias = json_look(layer, "b");

  EXPECT(bias);
  case_put(w, "dense: {features: %d, share: L0, transposed: true", (int)json_count(bias));
  EXPECT_OK(ntk_record_set_real(&w->weights, "layers/L0/W/s_t", case_number(layer, "sw", 1)));
  case_tensor(w, path, layer, "b", "b", "sb");
}

static inline void case_dense(case_writer *w, const char *layer, const char *path) {
  if (json_look(layer, "tied")) {
    case_tied(w, layer, path);
    return;
  }
  case_put(w, "dense: {features: %d%s%s", (int)case_width(json_find(layer, "W")),
           json_look(layer, "b") ? "" : ", bias: none", case_trainable(layer));
  case_tensor(w, path, layer, "W", "W", "sw");
  case_tensor(w, path, layer, "b", "b", "sb");
}

static inline void case_act(case_writer *w, const char *layer, const char *path) {
  char spelling[80];

  (void)path;
  oracle_activation(layer, spelling, sizeof(spelling));
  case_put(w, "activation: {kind: %s", spelling);
}

static inline void case_flatten(case_writer *w, const char *layer, const char *path) {
  (void)layer;
  (void)path;
  case_put(w, "flatten: {");
}

static inline void case_mean(case_writer *w, const char *layer, const char *path) {
  (void)layer;
  (void)path;
  case_put(w, "global_avg_pool: {");
}

static inline void case_sum(case_writer *w, const char *layer, const char *path) {
  (void)layer;
  (void)path;
  case_put(w, "global_sum_pool: {");
}

/* "KEY: [2, 3]" of a pair, if there is one. */
static inline void case_pair(case_writer *w, const char *layer, const char *key, const char *name) {
  const char *pair = json_look(layer, key);
  double two[2];

  if (pair) EXPECT(json_reals(pair, 2, two) == 2);
  if (pair) {
    case_put(w, "%s%s: [%d, %d]", w->yaml[w->used - 1] == '{' ? "" : ", ", name, (int)two[0],
             (int)two[1]);
  }
}

static inline void case_padding(case_writer *w, const char *layer) {
  static const char *const words[] = {"same", "valid", "circular"};
  const char *padding = json_find(layer, "padding");
  double a[4];

  if (*padding == '[') {
    EXPECT(json_reals(padding, 4, a) == 4);
    case_put(w, ", padding: [[%d, %d], [%d, %d]]", (int)a[0], (int)a[1], (int)a[2], (int)a[3]);
  } else {
    case_put(w, ", padding: %s",
             words[case_is(layer, "padding", "SAME")    ? 0
                   : case_is(layer, "padding", "VALID") ? 1
                                                        : 2]);
  }
}

static inline void case_conv(case_writer *w, const char *layer, const char *path) {
  const char *kernel = json_find(layer, "W"), *column = json_first(kernel);

  case_put(w, "conv: {kernel: [%d, %d], features: %d%s%s", (int)json_count(kernel),
           (int)json_count(column), (int)case_width(json_first(column)),
           json_look(layer, "b") ? "" : ", bias: none", case_trainable(layer));
  case_pair(w, layer, "stride", "stride");
  case_pair(w, layer, "dilation", "dilation");
  case_padding(w, layer);
  case_tensor(w, path, layer, "W", "W", "sw");
  case_tensor(w, path, layer, "b", "b", "sb");
}

static inline void case_pool(case_writer *w, const char *layer, const char *path) {
  const char *side = json_look(layer, "k");

  (void)path;
  case_put(w, "%s: {",
           case_is(layer, "type", "maxpool")   ? "max_pool"
           : case_is(layer, "type", "sumpool") ? "sum_pool"
                                               : "avg_pool");
  if (side) {
    case_put(w, "window: %d", (int)json_real(side));
    return;
  }
  case_pair(w, layer, "window", "window");
  case_pair(w, layer, "stride", "stride");
  case_padding(w, layer);
  if (case_true(layer, "count_padding")) case_put(w, ", count_padding: true");
}

static inline void case_last(case_writer *w, const char *layer, const char *path) {
  (void)layer;
  (void)path;
  case_put(w, "last_position: {");
}

static inline void case_norm(case_writer *w, const char *layer, const char *path) {
  const char *over = case_is(layer, "axis", "C")   ? "channels"
                     : case_is(layer, "axis", "S") ? "positions"
                                                   : "positions_channels";

  case_put(w, "norm: {over: %s, eps: %.17g, affine: %s", over, case_number(layer, "eps", 0),
           json_look(layer, "gamma") ? "true" : "false");
  case_tensor(w, path, layer, "gamma", "gamma", "sw");
  case_tensor(w, path, layer, "beta", "beta", "sb");
}

static inline void case_residual(case_writer *w, const char *layer, const char *path) {
  const char *skip = json_look(layer, "skip");
  char inner[CASE_PATH];

  case_put(w, "residual: {scale: %.17g, branch: ", case_number(layer, "scale", 1));
  (void)snprintf(inner, sizeof(inner), "%.70s/branch/", path);
  case_list(w, json_find(layer, "branch"), inner);
  if (!skip || *skip != '[') return;
  case_put(w, ", skip: ");
  (void)snprintf(inner, sizeof(inner), "%.70s/skip/", path);
  case_list(w, skip, inner);
}

/* Unshared, the case has a list for every copy, of which the first gives the layers. */
static inline void case_repeat(case_writer *w, const char *layer, const char *path) {
  const char *list = json_find(layer, "layers");
  const bool shared = case_true(layer, "share");
  char inner[CASE_PATH];
  int k = 1;

  case_put(w, "repeat: {times: %d, share: %s, layers: ", (int)case_number(layer, "times", 1),
           shared ? "true" : "false");
  (void)snprintf(inner, sizeof(inner), "%.70s/0/", path);
  case_list(w, shared ? list : json_first(list), inner);
  if (shared) return;
  const size_t used = w->used;

  for (const char *at = json_next(json_first(list)); at; at = json_next(at), ++k) {
    (void)snprintf(inner, sizeof(inner), "%.70s/%d/", path, k);
    case_list(w, at, inner); /* for the weights */
    w->used = used;
  }
  w->yaml[used] = '\0';
}

static inline void case_center(case_writer *w, const char *layer, const char *path) {
  (void)layer;
  (void)path;
  case_put(w, "norm: {over: positions, mean_only: true");
}

static inline void case_batch_norm(case_writer *w, const char *layer, const char *path) {
  case_put(w, "batch_norm: {mode: eval, eps: %.17g", case_number(layer, "eps", 0));
  case_tensor(w, path, layer, "gamma", "gamma", "sw");
  case_tensor(w, path, layer, "beta", "beta", "sb");
  case_tensor(w, path, layer, "mean", "mean", "sw");
  case_tensor(w, path, layer, "var", "variance", "sw");
}

static inline void case_batch_norm_train(case_writer *w, const char *layer, const char *path) {
  case_put(w, "batch_norm: {mode: train, eps: %.17g", case_number(layer, "eps", 0));
  case_tensor(w, path, layer, "gamma", "gamma", "sw");
  case_tensor(w, path, layer, "beta", "beta", "sb");
}

/* Masks as they are multiplied. */
static inline void case_dropout(case_writer *w, const char *layer, const char *path) {
  const char *keep = json_look(layer, "keep");
  const bool inverted = case_true(layer, "inverted");

  if (w->dropout) {
    case_put(w, "dropout: {keep: %.17g, %s", json_real(keep), w->dropout);
    return;
  }
  const int64_t count = json_reals(json_find(layer, "m"), CASE_ENTRIES, w->values);
  const int64_t size[2] = {json_count(json_find(layer, "m")), case_width(json_find(layer, "m"))};

  for (int64_t k = 0; inverted && k < count; ++k) w->values[k] /= json_real(keep);
  case_put(w, "dropout: {keep: %.17g, inverted: %s", keep ? json_real(keep) : 1,
           inverted ? "true" : "false");
  case_array(w, path, "mask", 2, size, w->values, 1);
}

static inline void case_tokens(case_writer *w, const char *layer, const char *path) {
  const char *table = json_find(layer, "E");

  case_put(w, "token_embedding: {vocabulary: %d, features: %d", (int)json_count(table),
           (int)case_width(table));
  case_tensor(w, path, layer, "E", "W", "sw");
}

static inline void case_positions(case_writer *w, const char *layer, const char *path) {
  if (case_is(layer, "kind", "learned")) {
    case_put(w, "position_embedding: {kind: learned");
    case_tensor(w, path, layer, "P", "W", "sw");
  } else {
    case_put(w, "position_embedding: {kind: sinusoidal, base: %.17g",
             case_number(layer, "base", 10000));
  }
}

static inline void case_mha(case_writer *w, const char *layer, const char *path) {
  static const char *const names[] = {"Wq", "Wk", "Wv", "Wo", "bq", "bk", "bv", "bo"};
  const bool bo = json_look(layer, "bo"), bq = json_look(layer, "bq");

  case_put(w, "attention: {heads: %d, head_dim: %d, causal: %s, features: %d%s",
           (int)case_number(layer, "heads", 1), (int)case_number(layer, "head_dim", 1),
           case_true(layer, "causal") ? "true" : "false",
           (int)case_width(json_first(json_find(layer, "Wo"))),
           !bo  ? ", bias: none"
           : bq ? ""
                : ", qkv_bias: false");
  EXPECT(bo || !bq);
  for (int k = 0; k < 8; ++k) case_tensor(w, path, layer, names[k], names[k], "none");
}

/* W [in][out] of one head as [in][1][out], or W of the output as [1][in][out]. */
static inline void case_head(case_writer *w, const char *layer, const char *path,
                             const char *name) {
  const char *value = json_find(layer, name);
  const int64_t rows = json_count(value), columns = name[0] == 'W' ? case_width(value) : 1;
  const bool output = name[1] == 'o';
  const int64_t of_weight[3] = {output ? 1 : rows, output ? rows : 1, columns};
  const int64_t of_bias[2] = {output ? rows : 1, rows};

  (void)json_reals(value, CASE_ENTRIES, w->values);
  case_array(w, path, name,
             name[0] == 'W' ? 3
             : output       ? 1
                            : 2,
             name[0] == 'W' ? of_weight : of_bias, w->values, 1);
}

static inline void case_attention(case_writer *w, const char *layer, const char *path) {
  static const char *const names[] = {"Wq", "Wk", "Wv", "Wo", "bq", "bk", "bv", "bo"};

  case_put(w, "attention: {heads: 1, head_dim: %d, features: %d",
           (int)case_width(json_find(layer, "Wq")), (int)case_width(json_find(layer, "Wo")));
  for (int k = 0; k < 8; ++k) case_head(w, layer, path, names[k]);
}

/* neural-tangents: W [head][in][dim] as [in][head][dim], Wo [dim][head] as [head][dim]. */
static inline void case_turned(case_writer *w, const char *layer, const char *path,
                               const char *name, double factor) {
  const char *value = json_look(layer, name);
  const bool output = name[1] == 'o';
  const int64_t heads = (int64_t)case_number(layer, "heads", 1);

  if (!value) return;
  const int64_t first = output ? json_count(value) / heads : heads;
  const int64_t second = output ? heads : case_width(value);
  const int64_t third = output ? case_width(value) : case_width(json_first(value));
  const int64_t size[3] = {second, first, third};

  (void)json_reals(value, CASE_ENTRIES, w->values);
  for (int64_t k = 0; k < first * second * third; ++k) {
    const int64_t c = k % third, b = k / third % second, a = k / third / second;

    w->turned[(b * first + a) * third + c] = w->values[k];
  }
  case_array(w, path, name, 3, size, w->turned, factor);
}

static inline void case_multihead(case_writer *w, const char *layer, const char *path) {
  const bool tied = case_true(layer, "tied_qk");
  const double key = case_number(layer, "swk", 1), query = case_number(layer, "swq", 1);
  char mechanism[32];

  case_put(w,
           "attention: {heads: %d, head_dim: %d, value_dim: %d, features: %d, scale: %.17g,"
           " tied_qk: %s, mechanism: %s%s",
           (int)case_number(layer, "heads", 1), (int)case_number(layer, "dk", 1),
           (int)case_number(layer, "dv", 1), (int)case_width(json_find(layer, "Wo")),
           case_number(layer, "qk_scale", 1), tied ? "true" : "false",
           json_text(json_find(layer, "mechanism"), sizeof(mechanism), mechanism),
           json_look(layer, "bo") ? ", qkv_bias: false" : ", bias: none");
  case_turned(w, layer, path, "Wq", query);
  case_turned(w, layer, path, "Wk", tied ? sqrt(key * query) : key);
  case_turned(w, layer, path, "Wv", case_number(layer, "swv", 1));
  case_turned(w, layer, path, "Wo", case_number(layer, "swo", 1));
  case_tensor(w, path, layer, "bo", "bo", "sb");
}

static inline void case_ode(case_writer *w, const char *layer, const char *path) {
  const bool inside = !json_look(layer, "field"); /* node_rk4 */
  char act[32], integrator[32] = "rk4";

  if (!inside) (void)json_text(json_find(layer, "integrator"), sizeof(integrator), integrator);
  case_put(w, "neural_ode: {field: %s, activation: %s, horizon: %.17g, steps: %d, integrator: %s%s",
           inside ? "act(yW+b)" : "act(y)W", json_text(json_find(layer, "act"), sizeof(act), act),
           case_number(layer, "T", 1), (int)case_number(layer, "steps", 1), integrator,
           json_look(layer, "b") ? ", bias: {scale: 1, std: 1}" : ", bias: none");
  case_tensor(w, path, layer, "W", "W", "sw");
  case_tensor(w, path, layer, "b", "b", "sb");
}

typedef struct case_word {
  const char *type;
  void (*put)(case_writer *w, const char *layer, const char *path); /* without the last brace */
} case_word;

static inline const case_word *case_find_word(const char *layer) {
  static const case_word words[] = {
      {"dense", case_dense},
      {"act", case_act},
      {"flatten", case_flatten},
      {"gap", case_mean},
      {"last_position", case_last},
      {"norm", case_norm},
      {"mask", case_dropout},
      {"dropout", case_dropout},
      {"batchnorm_eval", case_batch_norm},
      {"batchnorm_train", case_batch_norm_train},
      {"repeat", case_repeat},
      {"meancenter", case_center},
      {"residual", case_residual},
      {"token_embedding", case_tokens},
      {"position_embedding", case_positions},
      {"mha", case_mha},
      {"attention", case_attention},
      {"multihead_attention", case_multihead},
      {"node_rk4", case_ode},
      {"node", case_ode},
      {"conv", case_conv},
      {"gsp", case_sum},
      {"maxpool", case_pool},
      {"sumpool", case_pool},
      {"avgpool", case_pool},
  };
  const int count = (int)(sizeof(words) / sizeof(words[0]));
  int k = 0;

  while (k < count && !case_is(layer, "type", words[k].type)) ++k;
  if (k == count) FAIL("no word for %.40s", layer);
  return &words[k];
}

/* Appends "[{dense: {...}}, ...]"; `path` ends with a slash or is empty. */
static inline void case_list(case_writer *w, const char *list, const char *path) {
  int k = 0;

  case_put(w, "[");
  for (const char *at = json_first(list); at; at = json_next(at), ++k) {
    char inner[CASE_PATH];

    (void)snprintf(inner, sizeof(inner), "%.80sL%d", path, k);
    case_put(w, "%s{", k ? ", " : "");
    case_find_word(at)->put(w, at, inner);
    case_put(w, "%sname: L%d}}", w->yaml[w->used - 1] == '{' ? "" : ", ", k);
  }
  case_put(w, "]");
}

/* ---- cases ---------------------------------------------------------------------------------- */

/* A network with its weights; X and X2 in [count][features]. */
typedef struct layer_case {
  char *file;
  test_network net;
  double *x, *x2;
  int64_t n, m, outputs; /* m 0: no X2 */
  double tolerance;      /* of the largest entry */
} layer_case;

static inline double *case_inputs(const layer_case *c, case_writer *w, const char *second,
                                  int64_t *count) {
  static const char *const names[] = {"inputs/X%s", "inputs/X%s_n_positions_channels",
                                      "inputs/tokens%s"};
  const char *found = NULL;
  char path[64];

  for (int k = 0; k < 3 && !found; ++k) {
    (void)snprintf(path, sizeof(path), names[k], second);
    found = json_look(c->file, path);
  }
  const int64_t entries = found ? json_reals(found, CASE_ENTRIES, w->values) : 0;
  double *copy = malloc((size_t)(entries + 1) * sizeof(*copy));

  EXPECT(copy);
  memcpy(copy, w->values, (size_t)entries * sizeof(*copy));
  *count = found ? json_count(found) : 0;
  return copy;
}

static inline void case_load_with(const char *path, ntk_dtype dtype, const char *dropout,
                                  layer_case *c) {
  case_writer w = {.yaml = malloc(CASE_YAML),
                   .values = malloc(CASE_ENTRIES * sizeof(double)),
                   .turned = malloc(CASE_ENTRIES * sizeof(double)),
                   .dropout = dropout};
  const char *f = NULL;
  ntk_shape input = {0};

  EXPECT(w.yaml && w.values && w.turned);
  *c = (layer_case){.file = json_load(path)};
  c->x = case_inputs(c, &w, "", &c->n);
  c->x2 = case_inputs(c, &w, "2", &c->m);
  f = json_look(c->file, "expected/f");
  c->outputs = f ? case_width(f) : 1;
  c->tolerance = json_real(json_find(c->file, dtype == NTK_DOUBLE
                                                  ? "tolerance/rel_to_max_abs"
                                                  : "tolerance/float32_features_rel_to_max_abs"));
  for (const char *at = json_first(json_find(c->file, "inputs/input_shape")); at;
       at = json_next(at)) {
    input.size[input.rank++] = (int64_t)json_real(at);
  }
  case_put(&w, "{layers: ");
  case_list(&w, json_find(c->file, "inputs/layers"), "");
  case_put(&w, "}");
  create_network(w.yaml, &input, c->outputs, dtype, &c->net);
  EXPECT_OK(ntk_network_bind(&c->net.network, &w.weights));
  ntk_record_destroy(&w.weights);
  free(w.yaml);
  free(w.values);
  free(w.turned);
}

static inline void case_load(const char *path, ntk_dtype dtype, layer_case *c) {
  case_load_with(path, dtype, NULL, c);
}

static inline void case_destroy(layer_case *c) {
  destroy_network(&c->net);
  free(c->file);
  free(c->x);
  free(c->x2);
}

#endif
