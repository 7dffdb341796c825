/* layers.h -- what holds for every layer, checked of a network that has it: derivatives are those
 * of the forward pass, the modes of the kernel are sums over the full one, the bits of a sample do
 * not depend on the others, plan's sizes are those of a pass, failures leave nothing behind. */
#ifndef NTK_TESTS_LAYERS_H
#define NTK_TESTS_LAYERS_H

#include "network.h"

typedef struct trial {
  const char *yaml; /* under `network:` */
  ntk_shape input;
  int64_t outputs;
  int64_t vocabulary; /* of tokens; 0: the inputs are numbers */
  uint64_t seed;      /* of the inputs */
} trial;

static inline void trial_open(const trial *p, ntk_dtype dtype, test_network *t) {
  read_settings(p->yaml, t);
  t->settings.vocabulary = p->vocabulary;
  EXPECT_OK(ntk_network_create(&t->settings, &p->input, p->outputs, dtype, &t->network));
  EXPECT_OK(ntk_network_draw(&t->settings, &t->network));
}

/* [n][features]; sample i is the same whatever n. */
static inline double *trial_inputs(const trial *p, int64_t n) {
  const int64_t count = n * ntk_shape_count(&p->input);
  double *x = malloc((size_t)(count + 1) * sizeof(*x));

  EXPECT(x);
  for (int64_t k = 0; k < count; ++k) {
    const uint64_t at = (uint64_t)k;

    x[k] = p->vocabulary ? (double)(test_bits(p->seed, at) % (uint64_t)p->vocabulary)
                         : 1.5 * test_value(p->seed, at);
  }
  return x;
}

static inline void expect_refused(const trial *p, const char *part) {
  test_network t;

  read_settings(p->yaml, &t);
  t.settings.vocabulary = p->vocabulary;
  EXPECT_REFUSED(ntk_network_create(&t.settings, &p->input, p->outputs, NTK_DOUBLE, &t.network),
                 NTK_E_CONFIG, part);
  destroy_network(&t);
}

/* The settings themselves are refused, at that place of the text. */
static inline void expect_unreadable(const char *yaml, const char *part) {
  test_network t = {0};
  ntk_problems problems = {0};

  EXPECT_OK(ntk_tree_parse("test", yaml, &t.tree, &problems));
  EXPECT_OK(ntk_option_bind(&ntk_network_section, t.tree.root, "network", "", &t.tree.arena,
                            &t.settings, &problems));
  if (problems.count == 0) FAIL("%s: not refused", yaml);
  if (!strstr(ntk_text_string(&problems.text), part)) {
    FAIL("%s: no \"%s\" in \"%s\"", yaml, part, ntk_text_string(&problems.text));
  }
  ntk_problems_destroy(&problems);
  destroy_network(&t);
}

static inline void expect_differences(const trial *p, double tolerance) {
  const int64_t n = 2;
  double *x = trial_inputs(p, n);
  test_network t;

  trial_open(p, NTK_DOUBLE, &t);
  double error = jacobian_error(&t.network, n, x, 1e-5);

  if (!(error <= tolerance)) error = jacobian_error(&t.network, n, x, 1e-6);
  if (!(error <= tolerance)) FAIL("%s: derivatives are off by %g", p->yaml, error);
  destroy_network(&t);
  free(x);
}

/* Entry of a mode from the block [O][O] of two samples; `row` is O n long. */
static inline double trial_mode(ntk_outputs mode, int64_t o, const double *block, int64_t row) {
  double sum = 0, diagonal = 0;

  for (int64_t k = 0; k < o * o; ++k) {
    const double entry = block[k / o * row + k % o];

    sum += entry;
    if (k / o == k % o) diagonal += entry;
  }
  if (mode == NTK_OUT_PSEUDO) return sum / (double)o;
  if (mode == NTK_OUT_SINGLE) return block[0];
  return mode == NTK_OUT_MEAN ? diagonal / (double)o : diagonal;
}

/* The kernels from factors are those of the Jacobian. */
static inline void expect_modes(const trial *p) {
  const int64_t n = 3, o = p->outputs, rows = n * o;
  double *x = trial_inputs(p, n), *full = calloc((size_t)(2 * rows * rows), sizeof(*full));
  double *got = full + rows * rows, most = 0;
  test_network t;
  ntk_tape tape;

  EXPECT(full);
  trial_open(p, NTK_DOUBLE, &t);
  EXPECT_OK(ntk_forward(&t.network, n, x, &tape));
  double *j = jacobian(&t.network, &tape);
  const int64_t columns = column_count(&t.network);

  ntk_tape_destroy(&tape);
  for (int64_t k = 0; k < rows * rows * columns; ++k) {
    full[k / columns] += t.network.rate_scale * j[k / columns / rows * columns + k % columns] *
                         j[k / columns % rows * columns + k % columns];
  }
  for (int64_t k = 0; k < rows * rows; ++k) most = fmax(most, fabs(full[k]));
  for (int m = NTK_OUT_FULL; m <= NTK_OUT_SINGLE; ++m) {
    const ntk_cotangents mode = {.outputs = (ntk_outputs)m};
    const int64_t side = m == NTK_OUT_FULL ? rows : n, step = rows / side;

    plain_kernel(&t.network, &mode, n, x, n, x, got);
    for (int64_t k = 0; k < side * side; ++k) {
      const double *block = full + (k / side * rows + k % side) * step;
      const double wanted = m == NTK_OUT_FULL ? full[k] : trial_mode(mode.outputs, o, block, rows);

      if (!(fabs(got[k] - wanted) <= 1e-11 * most)) {
        FAIL("%s: mode %d, entry %lld is %.17g, not %.17g", p->yaml, m, (long long)k, got[k],
             wanted);
      }
    }
  }
  destroy_network(&t);
  free(x);
  free(full);
  free(j);
}

/* The bytes of an array for one sample. */
static inline void trial_hash(ntk_dtype dtype, const void *array, int64_t sample, int64_t entries,
                              uint64_t *hash) {
  const size_t size = (size_t)entries * ntk_dtype_size(dtype);
  const unsigned char *at = ntk_array_const_at(dtype, array, sample * entries);

  for (size_t k = 0; k < size; ++k) *hash = (*hash ^ at[k]) * UINT64_C(0x100000001b3);
}

/* What all factors and the outputs of a sample are, of a pass of `count` samples from `first`. */
static inline uint64_t trial_bits(const trial *p, const test_network *t, ntk_outputs outputs,
                                  int64_t first, int64_t count, int64_t sample) {
  const ntk_cotangents mode = {.outputs = outputs};
  const int64_t features = ntk_shape_count(&p->input);
  double *x = trial_inputs(p, first + count);
  uint64_t hash = 1;
  ntk_tape tape;
  ntk_stream stream = {0};
  ntk_factor f;
  bool more = true;

  EXPECT_OK(ntk_forward(&t->network, count, x + first * features, &tape));
  trial_hash(t->network.dtype, tape.value[t->network.layer_count], sample - first, p->outputs,
             &hash);
  EXPECT_OK(ntk_stream_begin(&tape, &mode, &stream));
  for (;;) {
    EXPECT_OK(ntk_stream_next(&stream, &f, &more));
    if (!more) break;
    if (f.a) trial_hash(t->network.dtype, f.a, sample - first, f.positions * f.in, &hash);
    trial_hash(t->network.dtype, f.delta, f.shared ? 0 : sample - first,
               f.cotangents * f.positions * f.out, &hash);
  }
  ntk_stream_destroy(&stream);
  ntk_tape_destroy(&tape);
  free(x);
  return hash;
}

static inline void expect_bits(const trial *p) {
  for (int single = 0; single < 2; ++single) {
    test_network t;

    trial_open(p, single ? NTK_SINGLE : NTK_DOUBLE, &t);
    for (int m = NTK_OUT_FULL; m <= NTK_OUT_MEAN; ++m) {
      const ntk_outputs mode = (ntk_outputs)m;
      const uint64_t alone = trial_bits(p, &t, mode, 66, 1, 66);

      if (trial_bits(p, &t, mode, 0, 70, 66) != alone ||
          trial_bits(p, &t, mode, 63, 5, 66) != alone) {
        FAIL("%s: the bits of a sample depend on the others", p->yaml);
      }
    }
    destroy_network(&t);
  }
}

/* What a stream holds and the pair's flops, against ntk_network_cost_of. */
static inline void expect_sizes(const trial *p) {
  for (int m = NTK_OUT_FULL; m <= NTK_OUT_SINGLE; ++m) {
    const ntk_cotangents mode = {.outputs = (ntk_outputs)m};
    double *x = trial_inputs(p, 1), panel = 0;
    test_network t;
    ntk_tape tape;
    ntk_stream stream = {0};
    ntk_factor f;
    bool more = true;

    trial_open(p, NTK_DOUBLE, &t);
    const ntk_network_cost cost = ntk_network_cost_of(&t.network, &mode);

    EXPECT_OK(ntk_forward(&t.network, 1, x, &tape));
    EXPECT_OK(ntk_stream_begin(&tape, &mode, &stream));
    for (;;) {
      EXPECT_OK(ntk_stream_next(&stream, &f, &more));
      if (!more) break;
      const double s = (double)f.positions;
      const double delta = f.shared ? 0 : (double)(f.cotangents * f.out) * s;

      panel = fmax(panel, (double)f.in * s + delta);
    }
    const int64_t rooms = stream.full_room + stream.spare_room + stream.product_room +
                          stream.folded_room + stream.scratch_room;

    if (cost.delta_bytes < 8 * (double)rooms / 64 || cost.panel_bytes != 8 * panel) {
      FAIL("%s: mode %d: delta %.0f of %lld, panel %.0f of %.0f", p->yaml, m, cost.delta_bytes / 8,
           (long long)rooms / 64, cost.panel_bytes / 8, panel);
    }
    ntk_stream_destroy(&stream);
    ntk_tape_destroy(&tape);
    destroy_network(&t);
    free(x);
  }
}

/* A network's life, for sweep_faults. */
static inline ntk_status trial_pass(const trial *p, const ntk_network *network) {
  const ntk_cotangents mode = {.outputs = NTK_OUT_TRACE};
  double *x = trial_inputs(p, 2);
  ntk_tape tape = {0};
  ntk_stream stream = {0};
  ntk_factor factor;
  bool more = true;
  ntk_status status = ntk_forward(network, 2, x, &tape);

  free(x);
  if (status == NTK_OK) status = ntk_stream_begin(&tape, &mode, &stream);
  while (status == NTK_OK && more) status = ntk_stream_next(&stream, &factor, &more);
  ntk_stream_destroy(&stream);
  ntk_tape_destroy(&tape);
  return status;
}

static inline ntk_status trial_weights(ntk_network *network) {
  ntk_record weights = {0};
  ntk_status status = ntk_network_export(network, &weights);

  if (status == NTK_OK) status = ntk_network_bind(network, &weights);
  ntk_record_destroy(&weights);
  return status;
}

static inline ntk_status trial_life(void *context) {
  const trial *p = context;
  test_network t = {0};
  ntk_problems problems = {0};
  ntk_status status = ntk_tree_parse("test", p->yaml, &t.tree, &problems);

  if (status == NTK_OK) {
    status = ntk_option_bind(&ntk_network_section, t.tree.root, "network", "", &t.tree.arena,
                             &t.settings, &problems);
  }
  t.settings.vocabulary = p->vocabulary;
  if (status == NTK_OK) {
    status = ntk_network_create(&t.settings, &p->input, p->outputs, NTK_DOUBLE, &t.network);
  }
  if (status == NTK_OK) status = ntk_network_draw(&t.settings, &t.network);
  if (status == NTK_OK) status = trial_weights(&t.network);
  if (status == NTK_OK) status = trial_pass(p, &t.network);
  ntk_problems_destroy(&problems);
  destroy_network(&t);
  return status;
}

#endif
