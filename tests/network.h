/* network.h -- networks for tests: from a piece of YAML, from an oracle's layer list; and kernels
 * from their factors by plain loops. */
#ifndef NTK_TESTS_NETWORK_H
#define NTK_TESTS_NETWORK_H

#include "json.h"
#include "ntk/model/network.h"

typedef struct test_network {
  ntk_tree tree; /* the settings live in it */
  ntk_network_settings settings;
  ntk_network network;
} test_network;

/* The settings that the text under `network:` gives; it must be valid. */
static inline void read_settings(const char *yaml, test_network *t) {
  ntk_problems problems = {0};

  *t = (test_network){0};
  EXPECT_OK(ntk_tree_parse("test", yaml, &t->tree, &problems));
  EXPECT_OK(ntk_option_bind(&ntk_network_section, t->tree.root, "network", "", &t->tree.arena,
                            &t->settings, &problems));
  if (problems.count > 0) FAIL("%s", ntk_text_string(&problems.text));
  ntk_problems_destroy(&problems);
}

static inline void create_network(const char *yaml, const ntk_shape *input, int64_t outputs,
                                  ntk_dtype dtype, test_network *t) {
  read_settings(yaml, t);
  EXPECT_OK(ntk_network_create(&t->settings, input, outputs, dtype, &t->network));
}

static inline void draw_network(const char *yaml, int64_t features, int64_t outputs,
                                ntk_dtype dtype, test_network *t) {
  const ntk_shape input = {.rank = 1, .size = {features}};

  create_network(yaml, &input, outputs, dtype, t);
  EXPECT_OK(ntk_network_draw(&t->settings, &t->network));
}

static inline void destroy_network(test_network *t) {
  ntk_network_destroy(&t->network);
  ntk_tree_destroy(&t->tree);
}

static inline double element(ntk_dtype dtype, const void *array, int64_t k) {
  double value = 0;

  ntk_array_convert(dtype, ntk_array_const_at(dtype, array, k), NTK_DOUBLE, &value, 1);
  return value;
}

static inline uint64_t test_bits(uint64_t seed, uint64_t k) {
  uint64_t x = (seed << 40) + k + UINT64_C(0x9e3779b97f4a7c15);

  x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
  return x ^ x >> 31;
}

/* Uniform on [-1, 1). */
static inline double test_value(uint64_t seed, uint64_t k) {
  return (double)(test_bits(seed, k) >> 11) * 0x1p-52 - 1;
}

/* ---- kernels by plain loops ----------------------------------------------------------------- */

static inline double factor_dot(ntk_dtype dtype, const void *x, int64_t i, const void *y, int64_t j,
                                int64_t n) {
  double sum = 0;

  for (int64_t k = 0; k < n; ++k) {
    sum += element(dtype, x, i * n + k) * element(dtype, y, j * n + k);
  }
  return sum;
}

/* Adds the contribution of one tensor to kernel[n rows][m rows]. */
static inline void add_factor(ntk_dtype dtype, const ntk_factor *x, int64_t n, const ntk_factor *y,
                              int64_t m, double *kernel) {
  const int64_t cs = x->cotangents, ss = x->positions;

  for (int64_t i = 0; i < n * cs; ++i) {
    for (int64_t j = 0; j < m * cs; ++j) {
      for (int64_t pair = 0; pair < ss * ss; ++pair) {
        const int64_t s = pair / ss, t = pair % ss;
        const int64_t di = x->shared ? i % cs : i, dj = x->shared ? j % cs : j;
        const double aa = factor_dot(dtype, x->a, i / cs * ss + s, y->a, j / cs * ss + t, x->in);
        const double dd = factor_dot(dtype, x->delta, di * ss + s, y->delta, dj * ss + t, x->out);

        kernel[i * m * cs + j] += (x->w_weight * aa + x->b_weight) * dd;
      }
    }
  }
}

/* The kernel between two sets of samples, [n rows][m rows] with the network's rows per sample. */
static inline void plain_kernel(const ntk_network *network, const ntk_cotangents *cotangents,
                                int64_t n, const double *x, int64_t m, const double *y,
                                double *kernel) {
  const int64_t rows = ntk_cotangent_rows(cotangents, network->outputs);
  ntk_tape tx = {0}, ty = {0};
  ntk_stream sx = {0}, sy = {0};
  ntk_factor fx, fy;
  bool more = true, more_y = true;

  for (int64_t k = 0; k < n * rows * m * rows; ++k) kernel[k] = 0;
  EXPECT_OK(ntk_forward(network, n, x, &tx));
  EXPECT_OK(ntk_forward(network, m, y, &ty));
  EXPECT_OK(ntk_stream_begin(&tx, cotangents, &sx));
  EXPECT_OK(ntk_stream_begin(&ty, cotangents, &sy));
  for (;;) {
    EXPECT_OK(ntk_stream_next(&sx, &fx, &more));
    EXPECT_OK(ntk_stream_next(&sy, &fy, &more_y));
    EXPECT(more == more_y);
    if (!more) break;
    EXPECT(fx.weight == fy.weight && fx.bias == fy.bias && fx.cotangents == rows);
    EXPECT(fx.in == fy.in && fx.out == fy.out && fx.shared == fy.shared);
    add_factor(network->dtype, &fx, n, &fy, m, kernel);
  }
  ntk_stream_destroy(&sx);
  ntk_stream_destroy(&sy);
  ntk_tape_destroy(&tx);
  ntk_tape_destroy(&ty);
}

/* ---- oracles -------------------------------------------------------------------------------- */

enum { ORACLE_ENTRIES = 1 << 16 };

/* A case of tests/cases as a network with its weights; X and X2 in [count][features]. */
typedef struct oracle {
  char *file;
  test_network net;
  double *values; /* room for ORACLE_ENTRIES */
  double *x, *x2;
  int64_t n, m, features, outputs; /* m 0: no X2 */
} oracle;

static inline bool is_dense(const char *layer) {
  char type[32];

  return strcmp(json_text(json_find(layer, "type"), sizeof(type), type), "dense") == 0;
}

/* "relu", "{leaky: {alpha: 0.1}}" */
static inline void oracle_activation(const char *layer, char *spelling, size_t size) {
  const char *alpha = json_look(layer, "alpha");
  char name[32];

  (void)json_text(json_find(layer, "name"), sizeof(name), name);
  if (alpha) {
    (void)snprintf(spelling, size, "{%s: {alpha: %.17g}}", name, json_real(alpha));
  } else {
    (void)snprintf(spelling, size, "%s", name);
  }
}

/* The layers whose bit is set in `frozen` (the first dense layer is bit 0) are not trainable. */
static inline void oracle_yaml(const char *layers, unsigned frozen, char *yaml, size_t size) {
  size_t used = (size_t)snprintf(yaml, size, "layers:\n");
  char spelling[80];

  for (const char *at = json_first(layers); at; at = json_next(at)) {
    if (is_dense(at)) {
      used += (size_t)snprintf(yaml + used, size - used,
                               "  - dense: {features: %d%s%s}\n",
                               (int)json_count(json_first(json_find(at, "W"))),
                               json_look(at, "b") ? "" : ", bias: none",
                               frozen & 1U ? ", trainable: false" : "");
      frozen >>= 1U;
    } else {
      oracle_activation(at, spelling, sizeof(spelling));
      used += (size_t)snprintf(yaml + used, size - used, "  - activation: %s\n", spelling);
    }
    EXPECT(used < size);
  }
}

static inline void add_weights(const oracle *o, const char *layer, int number, const char *name,
                               const char *multiplier, ntk_record *record) {
  const char *values = json_look(layer, name), *factor = json_look(layer, multiplier);
  char variable[64], attribute[80];
  const ntk_field field = {variable, name[0] == 'W' ? "in out" : "out", "1", "", "", NTK_KIND_REAL};
  const int64_t count = values ? json_reals(values, ORACLE_ENTRIES, o->values) : 0;
  int64_t sizes[2] = {values ? json_count(values) : 0, 0};
  double *data = NULL;

  if (!values) return;
  if (name[0] == 'W') sizes[1] = json_count(json_first(values));
  (void)snprintf(variable, sizeof(variable), "layers/dense%d/%s", number, name);
  (void)snprintf(attribute, sizeof(attribute), "%s/s_%c", variable, multiplier[1]);
  EXPECT_OK(ntk_record_add(record, &field, sizes, &data));
  memcpy(data, o->values, (size_t)count * sizeof(*data));
  if (factor) EXPECT_OK(ntk_record_set_real(record, attribute, json_real(factor)));
}

static inline double *oracle_inputs(const oracle *o, const char *name, int64_t *count) {
  const char *inputs = json_look(o->file, name);
  const int64_t entries = inputs ? json_reals(inputs, ORACLE_ENTRIES, o->values) : 0;
  double *copy = malloc((size_t)(entries + 1) * sizeof(*copy));

  EXPECT(copy);
  memcpy(copy, o->values, (size_t)entries * sizeof(*copy));
  *count = inputs ? json_count(inputs) : 0;
  return copy;
}

/* How a case is turned into a network. */
typedef struct oracle_form {
  const char *layers;   /* path of the list */
  const char *settings; /* further lines under `network:`, or "" */
  unsigned frozen;      /* as for oracle_yaml */
  ntk_dtype dtype;
} oracle_form;

static inline void oracle_load_as(const char *path, const oracle_form *form, oracle *o) {
  char yaml[4096];
  ntk_record weights = {0};
  int dense = 0;

  *o = (oracle){.file = json_load(path), .values = malloc(ORACLE_ENTRIES * sizeof(double))};
  EXPECT(o->values);
  const char *layers = json_find(o->file, form->layers), *last = NULL;

  o->x = oracle_inputs(o, "inputs/X", &o->n);
  o->x2 = oracle_inputs(o, "inputs/X2", &o->m);
  o->features = json_count(json_first(json_find(o->file, "inputs/X")));
  for (const char *at = json_first(layers); at; at = json_next(at)) {
    if (!is_dense(at)) continue;
    add_weights(o, at, dense, "W", "sw", &weights);
    add_weights(o, at, dense++, "b", "sb", &weights);
    last = at;
  }
  o->outputs = json_count(json_first(json_find(last, "W")));
  const ntk_shape input = {.rank = 1, .size = {o->features}};

  oracle_yaml(layers, form->frozen, yaml, sizeof(yaml) - 256);
  (void)snprintf(yaml + strlen(yaml), 256, "%s", form->settings);
  create_network(yaml, &input, o->outputs, form->dtype, &o->net);
  EXPECT_OK(ntk_network_bind(&o->net.network, &weights));
  ntk_record_destroy(&weights);
}

static inline void oracle_load(const char *path, ntk_dtype dtype, oracle *o) {
  const oracle_form form = {.layers = "inputs/layers", .settings = "", .dtype = dtype};

  oracle_load_as(path, &form, o);
}

static inline void oracle_destroy(oracle *o) {
  destroy_network(&o->net);
  free(o->file);
  free(o->values);
  free(o->x);
  free(o->x2);
}

#endif
