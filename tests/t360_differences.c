/* Forward and backward belong together: for 200 random networks that go through all rows of the
 * tables (activations with their options, initialisers, parameterisations, modes of the output and
 * of the kernel, biases, frozen layers), moving the parameters along J^T v moves the outputs by
 * Theta v (MATH N.2): to 1e-6 of it for smooth activations, to 1e-4 in 95 % of the networks with
 * kinks.  A wrong derivative in any row of the table would be seen.
 *
 * Method: J^T v from the factors by plain loops, central differences of the forward pass
 * (tests/differences.h). */
//TEST ranks=1
#include "differences.h"
#include "ntk/model/layer.h"

enum { NETWORKS = 200, YAML = 2048 };

/* Spellings; rows of the tables without options come besides. */
static const char *const smooth_spellings[] = {"{erf: {a: 0.7, b: 1.3, c: 0.2}}",
                                               "{sin: {a: 1.5, b: 0.8, c: 0.4}}", NULL};
static const char *const kinked_spellings[] = {"{leaky: {alpha: 0.3}}", "{leaky: {alpha: -1}}",
                                               "{leaky: {alpha: 1.5}}", NULL};
static const char *const init_spellings[] = {
    "{law: normal, variance: 1.2, fan: average}", "{law: uniform, variance: 0.8, fan: out}",
    "{law: truncated, variance: 1.5}", "{law: orthogonal, variance: 1.7, fan: larger}", NULL};
static const char *const output_spellings[] = {"as_is", "centered", "{scaled: 3}",
                                               "{scaled: {alpha: 0.1, centered: false}}"};
static const char *const bias_spellings[] = {"none", "{scale: 0.1, std: 1.0}", "{scale: 1, std: 0}",
                                             "{scale: 2, std: 0.3}"};

typedef struct problem {
  test_network t;
  int64_t n, features, outputs;
  double x[64];
} problem;

static int pick(uint64_t seed, uint64_t k, int count) {
  return (int)(test_bits(seed, k) % (uint64_t)count);
}

/* ---- a random network ------------------------------------------------------------------------ */

/* Entry k of the spellings followed by the rows; k runs through all and round again. */
static const char *turn(const char *const *spellings, const char *const *rows, int k) {
  int more = 0, count = 0;

  while (spellings[more]) ++more;
  while (rows[count]) ++count;
  k %= more + count;
  return k < more ? spellings[k] : rows[k - more];
}

/* Names of rows that are smooth, or are not, or need no options; ends with NULL. */
static void list_activations(bool smooth, const char *names[32]) {
  int count = 0;

  for (int k = 0; ntk_activations[k]; ++k) {
    if (((const ntk_activation *)ntk_activations[k])->smooth != smooth) continue;
    EXPECT(count < 31);
    names[count++] = ntk_activations[k]->name;
  }
  names[count] = NULL;
}

static void list_initializers(const char *names[32]) {
  int count = 0;

  for (int k = 0; ntk_initializers[k]; ++k) {
    if (ntk_initializers[k]->options) continue;
    EXPECT(count < 31);
    names[count++] = ntk_initializers[k]->name;
  }
  names[count] = NULL;
}

typedef struct writer {
  uint64_t seed;
  bool kinked;
  int number; /* of the network, which picks the rows whose turn it is */
  char *yaml;
  size_t used;
} writer;

static void put(writer *w, const char *text) {
  const int length = snprintf(w->yaml + w->used, YAML - w->used, "%s", text);

  EXPECT(length >= 0 && w->used + (size_t)length < YAML);
  w->used += (size_t)length;
}

static void put_activation(writer *w, int l) {
  const char *smooth[32], *kinked[32];
  const bool sharp = w->kinked && (l == 0 || pick(w->seed, 20 + (uint64_t)l, 2));
  const int k = l == 0 ? w->number / 2 : pick(w->seed, 30 + (uint64_t)l, 1000);

  list_activations(true, smooth);
  list_activations(false, kinked);
  put(w, "{activation: ");
  put(w, sharp ? turn(kinked_spellings, kinked, k) : turn(smooth_spellings, smooth, k));
  put(w, "}, ");
}

static void put_dense(writer *w, int l, const char *features, bool frozen) {
  const uint64_t u = (uint64_t)l;
  const char *init[32];

  list_initializers(init);
  put(w, "{dense: {features: ");
  put(w, features);
  if (pick(w->seed, 60 + u, 3) == 0) {
    put(w, ", weight_init: ");
    put(w, turn(init_spellings, init, pick(w->seed, 70 + u, 1000)));
  }
  if (pick(w->seed, 80 + u, 3) == 0) {
    put(w, ", bias: ");
    put(w, bias_spellings[pick(w->seed, 90 + u, 4)]);
  }
  if (frozen) put(w, ", trainable: false");
  put(w, "}}, ");
}

/* Up to five dense layers, of which one at least is trained, with up to two activations between. */
static void put_layers(writer *w, bool two) {
  const int dense = two ? 2 : 1 + pick(w->seed, 5, 5), trained = pick(w->seed, 6, dense);
  char features[16];

  for (int l = 0; l < dense; ++l) {
    (void)snprintf(features, sizeof(features), "%d", 2 + pick(w->seed, 100 + (uint64_t)l, 18));
    put_dense(w, l, l == dense - 1 ? "outputs" : features,
              l != trained && pick(w->seed, 110 + (uint64_t)l, 4) == 0);
    if (l == 0 || (l < dense - 1 && pick(w->seed, 120 + (uint64_t)l, 4))) put_activation(w, l);
    if (pick(w->seed, 130 + (uint64_t)l, 6) == 0) put_activation(w, 10 + l);
  }
}

static void random_network(int number, problem *p, bool *kinked) {
  const uint64_t seed = 1000 + (uint64_t)number;
  const char *init[32], *const form = ntk_parameterizations[number / 2 % 4]->name;
  char yaml[YAML], head[256];
  writer w = {.seed = seed, .kinked = number % 2 != 0, .number = number, .yaml = yaml};

  list_initializers(init);
  p->features = 1 + pick(seed, 1, 5);
  p->outputs = 1 + pick(seed, 2, 4);
  p->n = 1 + pick(seed, 3, 5);
  (void)snprintf(
      head, sizeof(head),
      "{seed: %d, parameterization: %s, output: %s, bias: %s, weight_init: %s, layers: [", number,
      form, output_spellings[number / 3 % 4], bias_spellings[pick(seed, 4, 4)],
      turn(init_spellings, init, number));
  put(&w, head);
  put_layers(&w, strcmp(form, "mean_field") == 0);
  put(&w, "]}");
  EXPECT(!ntk_parameterizations[4]);
  draw_network(yaml, p->features, p->outputs, NTK_DOUBLE, &p->t);
  for (int64_t k = 0; k < p->n * p->features; ++k) p->x[k] = test_value(seed, 200 + (uint64_t)k);
  *kinked = w.kinked;
}

static double check_network(int number, bool *kinked) {
  const ntk_cotangents mode = {(ntk_outputs)(number / 4 % 5), 0};
  problem p = {0};

  random_network(number, &p, kinked);
  const double worst = deviation(&p.t.network, &mode, p.n, p.x, (uint64_t)number, 1e-6);

  destroy_network(&p.t);
  return worst;
}

static void check_networks(void) {
  int sharp = 0, missed = 0;

  for (int number = 0; number < NETWORKS; ++number) {
    bool kinked = false;
    const double worst = check_network(number, &kinked);

    if (!kinked && !(worst <= 1e-6)) FAIL("network %d: off by %g", number, worst);
    sharp += kinked;
    missed += kinked && !(worst <= 1e-4);
  }
  if (20 * missed > sharp) FAIL("%d of %d networks with kinks are off", missed, sharp);
}

/* ---- a wrong derivative is seen -------------------------------------------------------------- */

/* Options of a row that is another one, with its slope times a factor. */
typedef struct mutant {
  const ntk_activation *row;
  const void *options;
  double factor;
} mutant;

static void mutant_value(const void *options, ntk_dtype dtype, int64_t n, const void *x, void *y) {
  const mutant *m = options;

  m->row->value(m->options, dtype, n, x, y);
}

static void mutant_slope(const void *options, ntk_dtype dtype, int64_t n, const void *x, void *y) {
  const mutant *m = options;

  EXPECT(dtype == NTK_DOUBLE);
  m->row->slope(m->options, dtype, n, x, y);
  for (int64_t k = 0; k < n; ++k) ((double *)y)[k] *= m->factor;
}

static double deviation_with(const char *name, double factor) {
  static const ntk_activation row = {
      .row = {.name = "mutant"}, .value = mutant_value, .slope = mutant_slope};
  const ntk_shape input = {.rank = 1, .size = {2}};
  const ntk_cotangents full = {NTK_OUT_FULL, 0};
  problem p = {.n = 3, .features = 2, .outputs = 2};
  char yaml[64];

  (void)snprintf(yaml, sizeof(yaml), "{depth: 2, width: 7, activation: %s}", name);
  read_settings(yaml, &p.t);
  ntk_choice *phi = &p.t.settings.activation;
  mutant m = {(const ntk_activation *)phi->row, phi->options, factor};

  *phi = (ntk_choice){.row = &row.row, .options = &m};
  EXPECT_OK(ntk_network_create(&p.t.settings, &input, 2, NTK_DOUBLE, &p.t.network));
  EXPECT_OK(ntk_network_draw(&p.t.settings, &p.t.network));
  for (int k = 0; k < 6; ++k) p.x[k] = test_value(7, (uint64_t)k);
  const double worst = deviation(&p.t.network, &full, p.n, p.x, 8, 1e-6);

  destroy_network(&p.t);
  return worst;
}

static void check_mutants(void) {
  for (int k = 0; ntk_activations[k]; ++k) {
    const char *name = ntk_activations[k]->name;
    const double right = deviation_with(name, 1), wrong = deviation_with(name, 1.001);

    if (!(right <= 1e-6)) FAIL("%s: off by %g", name, right);
    if (!(wrong > 1e-5)) FAIL("%s: a wrong slope is off by %g only", name, wrong);
  }
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  check_networks();
  check_mutants();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
