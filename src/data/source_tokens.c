/* Sequences of integers 0 .. vocabulary - 1, for layers that embed them: from .npy files, or drawn.
 * They stay exact: neither divided by 255, nor centered, nor scaled. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "ntk/base/memory.h"
#include "ntk/data/generate.h"
#include "ntk/data/source.h"

enum { BLOCK = 512, MOST_TOKENS = 1000000000 };

typedef struct tokens {
  ntk_paired_files files;
  int64_t vocabulary, length;
  ntk_choice function;
  double noise_std;
} tokens;

#define PATH_ROW(name, text) \
  { .key = #name, .type = NTK_PATH, .offset = offsetof(tokens, files.name), .doc = (text) }

static const ntk_option options_rows[] = {
    PATH_ROW(inputs, ".npy file of integers [sample][position]; none: tokens are drawn"),
    PATH_ROW(labels, ".npy file of the labels: integers are classes, reals are targets"),
    PATH_ROW(test_inputs, "likewise for the test set; none: test samples come after train"),
    PATH_ROW(test_labels, "likewise"),
    {.key = "vocabulary",
     .type = NTK_INT,
     .offset = offsetof(tokens, vocabulary),
     .fallback = "auto",
     .low = 1,
     .high = MOST_TOKENS,
     .flags = NTK_AUTO,
     .doc = "tokens are 0 .. vocabulary - 1; auto: those of the files"},
    {.key = "length",
     .type = NTK_INT,
     .offset = offsetof(tokens, length),
     .low = 1,
     .high = 1e9,
     .doc = "tokens of a sample that is drawn"},
    NTK_FUNCTION_ROW(tokens, "linear"),
    NTK_NOISE_ROW(tokens),
    {0},
};

static ntk_mark mark_of(const ntk_node *node, const char *key) {
  const ntk_node *at = ntk_node_find(node, key);

  return at ? at->mark : node->mark;
}

static void check_drawn(const tokens *o, const ntk_node *node, ntk_problems *problems) {
  const char *stray = o->files.labels ? "labels" : "test_inputs";

  if (!o->files.labels && !o->files.test_inputs && o->files.test_labels) stray = "test_labels";
  if (o->files.labels || o->files.test_inputs || o->files.test_labels) {
    ntk_problem(problems, mark_of(node, stray), "%s is given without inputs", stray);
  } else if (o->length == NTK_AUTO_INT || o->vocabulary == NTK_AUTO_INT) {
    ntk_problem(problems, mark_of(node, "source"),
                "source tokens needs files (inputs, labels), or to be drawn (length, vocabulary)");
  }
}

/* Their defaults are let pass, because a resolved config has them. */
static void check_read(const tokens *o, const ntk_node *node, ntk_problems *problems) {
  const struct {
    const char *key;
    bool used;
  } drawn[] = {{"length", o->length != NTK_AUTO_INT},
               {"function", strcmp(o->function.row->name, "linear") != 0},
               {"noise_std", o->noise_std > 0}};

  if (!o->files.labels) {
    ntk_problem(problems, mark_of(node, "inputs"), "inputs is given without labels");
  }
  ntk_paired_check(&o->files, node, problems);
  for (int k = 0; k < 3; ++k) {
    if (!drawn[k].used) continue;
    ntk_problem(problems, mark_of(node, drawn[k].key),
                "%s belongs to tokens that are drawn, but inputs names a file", drawn[k].key);
  }
}

static void check(const void *options, const ntk_node *node, ntk_problems *problems) {
  const tokens *o = options;

  if (o->files.inputs) {
    check_read(o, node, problems);
  } else {
    check_drawn(o, node, problems);
  }
}

static bool from_files(const void *options) {
  return ((const tokens *)options)->files.inputs != NULL;
}

/* ---- drawn ---------------------------------------------------------------------------------- */

/* jax.random.randint(key, (n, length), 0, vocabulary) of int64: two words a token, so that the
 * remainder favours none. */
static void fill(const void *options, ntk_rng_key key, int64_t n, double *x) {
  const tokens *o = options;
  const uint64_t span = (uint64_t)o->vocabulary, half = (UINT64_C(1) << 32) % span;
  const int64_t total = n * o->length;
  uint64_t high[BLOCK], low[BLOCK];
  ntk_draw draw[2];

  for (int k = 0; k < 2; ++k) {
    draw[k] = (ntk_draw){.layout = NTK_RNG_PARTITIONABLE,
                         .key = ntk_rng_split(NTK_RNG_PARTITIONABLE, key, 2, k),
                         .total = total};
  }
  for (int64_t first = 0; first < total; first += BLOCK) {
    const int64_t count = total - first < BLOCK ? total - first : BLOCK;

    ntk_rng_bits64(&draw[0], first, count, high);
    ntk_rng_bits64(&draw[1], first, count, low);
    for (int64_t i = 0; i < count; ++i) {
      x[first + i] = (double)((high[i] % span * (half * half % span) + low[i] % span) % span);
    }
  }
}

static ntk_generator generator_of(const ntk_data_settings *settings, const void *options) {
  const tokens *o = options;

  return (ntk_generator){
      .shape = {.rank = 1, .size = {o->length}},
      .vocabulary = o->vocabulary,
      .options = o,
      .fill = fill,
      .function = o->function,
      .noise_std = o->noise_std,
      .noise_key = ntk_data_draw_key(settings->seed, NTK_DRAW_TRAIN_NOISE),
      .noise_dtype = NTK_DOUBLE,
  };
}

/* ---- from files ----------------------------------------------------------------------------- */

static double largest_of(int64_t n, const double *values) {
  double largest = -1;

  for (int64_t k = 0; k < n; ++k) largest = fmax(largest, values[k]);
  return largest;
}

static ntk_status check_range(const char *path, int64_t samples, int64_t length,
                              const double *values, int64_t vocabulary) {
  int64_t k = 0;

  while (k < samples * length && values[k] >= 0 && values[k] < (double)vocabulary) ++k;
  NTK_CHECK(k == samples * length, NTK_E_INPUT,
            "%s: sample %" PRId64 ", token %" PRId64 " is %.17g, outside 0 .. %" PRId64, path,
            k / length, k % length, k < samples * length ? values[k] : 0, vocabulary - 1);
  return NTK_OK;
}

static ntk_status choose_vocabulary(const tokens *o, ntk_raw *raw) {
  const int64_t length = ntk_shape_count(&raw->shape);

  raw->vocabulary = o->vocabulary;
  if (o->vocabulary == NTK_AUTO_INT) {
    const double train = largest_of(raw->train_count * length, raw->train_inputs);
    const double test = largest_of(raw->test_count * length, raw->test_inputs);

    raw->vocabulary = (int64_t)fmin(fmax(fmax(train, test) + 1, 1), MOST_TOKENS);
  }
  NTK_TRY(
      check_range(o->files.inputs, raw->train_count, length, raw->train_inputs, raw->vocabulary));
  return check_range(o->files.test_inputs ? o->files.test_inputs : "", raw->test_count, length,
                     raw->test_inputs, raw->vocabulary);
}

static ntk_status read_files(const void *options, ntk_raw *raw) {
  const tokens *o = options;
  const ntk_raw_files files = {
      .read = ntk_table_read_npy,
      .path = {o->files.inputs, o->files.labels, o->files.test_inputs, o->files.test_labels},
      .tokens = true,
  };

  NTK_TRY(ntk_raw_read(&files, raw));
  return choose_vocabulary(o, raw);
}

const ntk_data_source ntk_source_tokens = {
    .row = {.name = "tokens",
            .doc = "sequences of integers, from .npy files or drawn",
            .options = options_rows,
            .options_size = sizeof(tokens)},
    .read = read_files,
    .generator = generator_of,
    .from_files = from_files,
    .tokens = true,
    .check = check,
};
