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
  return dtype == NTK_DOUBLE ? ((const double *)array)[k] : (double)((const float *)array)[k];
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

  if (dtype == NTK_DOUBLE) {
    const double *a = (const double *)x + i * n, *b = (const double *)y + j * n;

    for (int64_t k = 0; k < n; ++k) sum += a[k] * b[k];
  } else {
    const float *a = (const float *)x + i * n, *b = (const float *)y + j * n;

    for (int64_t k = 0; k < n; ++k) sum += (double)a[k] * (double)b[k];
  }
  return sum;
}

/* <a, a'> at two positions; of rows whether they are the same. */
static inline double factor_product(ntk_dtype dtype, const ntk_factor *x, int64_t i,
                                    const ntk_factor *y, int64_t j) {
  if (x->kind != NTK_FACTOR_ROWS) return factor_dot(dtype, x->a, i, y->a, j, x->in);
  return element(dtype, x->a, i) == element(dtype, y->a, j) ? 1 : 0;
}

/* Patches of a factor written out, so that `a` is what it says; to be freed.  NULL: it was. */
static inline void *write_patches(ntk_dtype dtype, int64_t samples, ntk_factor *f) {
  void *formed = NULL;

  if (!f->patches) return NULL;
  formed = calloc((size_t)(samples * f->positions * f->in + 1), sizeof(double));
  EXPECT(formed && f->patches->positions == f->positions);
  ntk_patches_form(f->patches, dtype, f->a, 0, samples * f->positions, formed);
  f->a = formed;
  f->patches = NULL;
  return formed;
}

/* Delta at position s of training sample k, as `out` of a factor has it. */
static inline double coupled_delta(ntk_dtype dtype, const ntk_factor *f, int64_t samples,
                                   int64_t row, int64_t at, int64_t q) {
  const ntk_coupling *c = f->coupling;
  const int64_t k = at / f->positions, s = at % f->positions, t = q / c->out;
  const int64_t block = (k * samples * f->cotangents + row) * c->sums + t;

  return element(dtype, c->delta, (block * f->positions + s) * c->out + q % c->out);
}

/* The factor with the positions of its coupling behind its own; to be freed.  NULL: it has none. */
static inline void *write_coupling(ntk_dtype dtype, int64_t samples, ntk_factor *f) {
  if (!f->coupling) return NULL;
  ntk_factor all = {.positions = f->coupling->samples * f->positions,
                    .in = f->in,
                    .patches = f->coupling->patches,
                    .a = f->coupling->a};
  const int64_t s = f->positions, whole = s + all.positions, rows = samples * f->cotangents;
  const int64_t inputs = samples * whole * f->in, size = inputs + rows * whole * f->out;
  void *room = calloc((size_t)(size + 1), sizeof(double)), *formed = NULL;
  void *delta = ntk_array_at(dtype, room, inputs);

  EXPECT(room);
  if (all.patches) {
    formed = calloc((size_t)(all.positions * all.in + 1), sizeof(double));
    EXPECT(formed);
    ntk_patches_form(all.patches, dtype, all.a, 0, all.positions, formed);
    all.a = formed;
  }
  for (int64_t k = 0; k < inputs; ++k) {
    const int64_t i = k / f->in / whole, at = k / f->in % whole, p = k % f->in;
    const double value = at < s ? element(dtype, f->a, (i * s + at) * f->in + p)
                                : element(dtype, all.a, (at - s) * f->in + p);

    ntk_array_convert(NTK_DOUBLE, &value, dtype, ntk_array_at(dtype, room, k), 1);
  }
  for (int64_t k = 0; k < rows * whole * f->out; ++k) {
    const int64_t row = k / f->out / whole, at = k / f->out % whole, q = k % f->out;
    const double value = at < s ? element(dtype, f->delta, (row * s + at) * f->out + q)
                                : coupled_delta(dtype, f, samples, row, at - s, q);

    ntk_array_convert(NTK_DOUBLE, &value, dtype, ntk_array_at(dtype, delta, k), 1);
  }
  free(formed);
  f->a = room;
  f->delta = delta;
  f->positions = whole;
  f->coupling = NULL;
  return room;
}

/* Adds what position s of sample i and position t of sample j say of one tensor. */
static inline void add_pair(ntk_dtype dtype, const ntk_factor *x, int64_t i, int64_t s,
                            const ntk_factor *y, int64_t j, int64_t t, int64_t m, double *kernel) {
  const int64_t cs = x->cotangents, ss = x->positions;
  const double weight =
      x->w_weight * factor_product(dtype, x, i * ss + s, y, j * ss + t) + x->b_weight;

  for (int64_t c = 0; weight != 0 && c < cs; ++c) {
    for (int64_t d = 0; d < cs; ++d) {
      const int64_t row = i * cs + c, col = j * cs + d;
      const int64_t dx = (x->shared ? c : row) * ss + s, dy = (x->shared ? d : col) * ss + t;

      kernel[row * m * cs + col] += weight * factor_dot(dtype, x->delta, dx, y->delta, dy, x->out);
    }
  }
}

/* Adds the contribution of one tensor to kernel[n rows][m rows]. */
static inline void add_factor(ntk_dtype dtype, const ntk_factor *x, int64_t n, const ntk_factor *y,
                              int64_t m, double *kernel) {
  for (int64_t k = 0; k < n * m; ++k) {
    for (int64_t s = 0; s < x->positions; ++s) {
      for (int64_t t = 0; t < x->positions; ++t) {
        add_pair(dtype, x, k / m, s, y, k % m, t, m, kernel);
      }
    }
  }
}

/* The kernel between two sets of samples, [n rows][m rows] with the network's rows per sample;
 * batch_norm is trained on x. */
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
  const ntk_batch others = {.count = m, .training = network->coupled > 0 ? &tx : NULL};

  EXPECT_OK(ntk_forward_batch(network, &others, y, NULL, &ty));
  EXPECT_OK(ntk_stream_begin(&tx, cotangents, &sx));
  EXPECT_OK(ntk_stream_begin(&ty, cotangents, &sy));
  for (;;) {
    EXPECT_OK(ntk_stream_next(&sx, &fx, &more));
    EXPECT_OK(ntk_stream_next(&sy, &fy, &more_y));
    EXPECT(more == more_y);
    if (!more) break;
    EXPECT(fx.weight == fy.weight && fx.bias == fy.bias && fx.cotangents == rows);
    EXPECT(fx.in == fy.in && fx.out == fy.out && fx.shared == fy.shared && fx.kind == fy.kind);
    void *ax = write_patches(network->dtype, n, &fx), *ay = write_patches(network->dtype, m, &fy);
    void *cx = write_coupling(network->dtype, n, &fx), *cy = write_coupling(network->dtype, m, &fy);

    add_factor(network->dtype, &fx, n, &fy, m, kernel);
    free(ax);
    free(ay);
    free(cx);
    free(cy);
  }
  ntk_stream_destroy(&sx);
  ntk_stream_destroy(&sy);
  ntk_tape_destroy(&tx);
  ntk_tape_destroy(&ty);
}

/* ---- Jacobians ------------------------------------------------------------------------------ */

/* Where a tensor's entries stand among the columns of a Jacobian: all tensors, one after another. */
static inline int64_t first_column(const ntk_network *network, const ntk_tensor *tensor) {
  int64_t first = 0;

  for (const ntk_tensor *t = network->tensor; t < tensor; ++t) first += t->count;
  return first;
}

static inline int64_t column_count(const ntk_network *network) {
  return first_column(network, network->tensor + network->tensor_count);
}

/* W += multiplier a^T delta, of one position; where a is a row's number, 1 stands for its entry. */
static inline void add_weight(ntk_dtype dtype, const ntk_factor *f, const void *a, int64_t first,
                              const double *delta, double *w) {
  const int64_t rows = f->weight->count / f->out;

  EXPECT(f->weight->rank > 1);
  for (int64_t p = 0; p < f->in; ++p) {
    const bool numbered = f->kind == NTK_FACTOR_ROWS;
    const double entry = element(dtype, a, first + p);
    const int64_t row = numbered ? (int64_t)entry : p;
    const double weight = f->weight->multiplier * (numbered ? 1 : entry);

    EXPECT(row >= 0 && row < rows);
    for (int64_t q = 0; q < f->out; ++q) w[row * f->out + q] += weight * delta[q];
  }
}

/* Adds what position s of a factor of cotangent c says of sample i to its line of the Jacobian. */
static inline void add_position(const ntk_network *network, const ntk_factor *f, int64_t i,
                                int64_t c, int64_t s, double *delta, double *line) {
  const ntk_dtype dtype = network->dtype;
  const int64_t at = ((f->shared ? 0 : i) * f->cotangents + c) * f->positions + s;

  for (int64_t q = 0; q < f->out; ++q) delta[q] = element(dtype, f->delta, at * f->out + q);
  if (f->bias && f->bias->trainable) {
    double *b = line + first_column(network, f->bias);

    for (int64_t q = 0; q < f->out; ++q) b[q] += f->bias->multiplier * delta[q];
  }
  if (f->weight && f->weight->trainable) {
    add_weight(dtype, f, f->a, (i * f->positions + s) * f->in, delta,
               line + first_column(network, f->weight));
  }
}

/* df_o(x_i)/dtheta over all tensors (zero where they are constants), [n * O][column_count], malloc.
 * The network's rate_scale is not in it. */
static inline double *jacobian(const ntk_network *network, const ntk_tape *tape) {
  const ntk_cotangents full = {NTK_OUT_FULL, 0};
  const int64_t columns = column_count(network), rows = tape->count * network->outputs;
  double *j = calloc((size_t)(rows * columns + 1), sizeof(*j));
  ntk_stream stream = {0};
  ntk_factor f;
  bool more = true;

  EXPECT(j);
  EXPECT_OK(ntk_stream_begin(tape, &full, &stream));
  for (;;) {
    EXPECT_OK(ntk_stream_next(&stream, &f, &more));
    if (!more) break;
    EXPECT(f.cotangents == network->outputs);
    void *a = write_patches(network->dtype, tape->count, &f);
    void *coupled = write_coupling(network->dtype, tape->count, &f);
    double *delta = malloc((size_t)(f.out + 1) * sizeof(*delta));

    EXPECT(delta);
    for (int64_t k = 0; k < rows * f.positions; ++k) {
      const int64_t row = k / f.positions, i = row / f.cotangents;

      add_position(network, &f, i, row % f.cotangents, k % f.positions, delta, j + row * columns);
    }
    free(delta);
    free(a);
    free(coupled);
  }
  ntk_stream_destroy(&stream);
  return j;
}

/* The largest deviation of the Jacobian from central differences of the forward pass, over its
 * largest entry.  `h` of about 1e-5 gives 1e-9 where everything is smooth. */
static inline double jacobian_error(const ntk_network *network, int64_t n, const double *x,
                                    double h) {
  const int64_t columns = column_count(network), rows = n * network->outputs;
  double *ahead = malloc((size_t)(2 * rows) * sizeof(*ahead)), *behind = ahead + rows;
  double worst = 0, largest = 0;
  ntk_tape tape;
  int64_t column = 0;

  EXPECT(ahead && network->dtype == NTK_DOUBLE);
  EXPECT_OK(ntk_forward(network, n, x, &tape));
  double *j = jacobian(network, &tape);

  ntk_tape_destroy(&tape);
  for (int t = 0; t < network->tensor_count; ++t) {
    const ntk_tensor *tensor = &network->tensor[t];

    for (int64_t k = 0; k < tensor->count; ++k, ++column) {
      double *entry = (double *)tensor->data + k;
      const double kept = *entry;

      if (!tensor->trainable) continue;
      for (int side = 0; side < 2; ++side) {
        *entry = side ? kept - h : kept + h;
        EXPECT_OK(ntk_forward(network, n, x, &tape));
        ntk_tape_output(&tape, side ? behind : ahead);
        ntk_tape_destroy(&tape);
      }
      *entry = kept;
      for (int64_t r = 0; r < rows; ++r) {
        const double got = j[r * columns + column];

        worst = fmax(worst, fabs(got - (ahead[r] - behind[r]) / (2 * h)));
        largest = fmax(largest, fabs(got));
      }
    }
  }
  free(ahead);
  free(j);
  return worst / largest;
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
