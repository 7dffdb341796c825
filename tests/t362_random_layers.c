/* Forward and backward of every layer belong together.  200 random networks of up to 8 layers, each
 * row of the table of layers at least 40 times, every word of every option, every activation,
 * initialiser and parameterization among them: moving the parameters along J^T v moves the outputs
 * by Theta v (MATH N.2), to 1e-6 of it, or to 1e-4 in 95 % of the networks with kinks.  A wrong
 * backward of any layer would be seen.
 *
 * Method: tests/random_network.h writes the networks, tests/differences.h takes J^T v from the
 * factors and central differences of the forward pass.  Then one layer of a network at a time is
 * made wrong, whatever row it is of: what its backward() or factor() gave is taken with the other
 * sign, or without its largest term.
 *
 * Arguments: how many networks (200); a layer, of which alone all that is asked. */
//TEST ranks=1
#include "differences.h"
#include "random_network.h"

enum { FEWEST = 5, WRONG = 3, MOST_KINDS = 2 * LAYER_ROWS, MOST_WORDS = 16, MOST_OPTIONS = 32 };

static const double smooth_limit = 1e-6, kinked_limit = 1e-4;

/* The networks; turns of each row among them. */
typedef struct series {
  int count, turns[LAYER_ROWS];
  random_draw *draw;
} series;

static double deviation_of(const test_network *t, const random_draw *draw, int number,
                           double enough) {
  const ntk_cotangents mode = {(ntk_outputs)(number % 5), 0};
  double *x = trial_inputs(&draw->trial, RANDOM_SAMPLES);
  const double worst = deviation(&t->network, &mode, RANDOM_SAMPLES, x, (uint64_t)number, enough);

  free(x);
  return worst;
}

/* ---- what is right --------------------------------------------------------------------------- */

static void check_networks(const series *all) {
  int sharp = 0, missed = 0;

  for (int k = 0; k < all->count; ++k) {
    const random_draw *draw = &all->draw[k];
    test_network t;

    trial_open(&draw->trial, NTK_DOUBLE, &t);
    const double limit = draw->kinked ? kinked_limit : smooth_limit;
    const double worst = deviation_of(&t, draw, k, limit);

    destroy_network(&t);
    sharp += draw->kinked;
    missed += draw->kinked && !(worst <= limit);
    if (!draw->kinked && !(worst <= limit)) {
      FAIL("network %d is off by %g: %s", k, worst, draw->text);
    }
  }
  if (20 * missed > sharp) FAIL("%d of %d networks with kinks are off", missed, sharp);
}

/* Tensors in several places: another layer's, its transpose, those of each turn of a repeat. */
static void check_sharing(const series *all) {
  static const char *const ways[] = {"share: dense", "transposed: true", "share: true"};

  for (int way = 0; way < 3; ++way) {
    int found = 0;

    for (int k = 0; k < all->count; ++k) found += strstr(all->draw[k].text, ways[way]) != NULL;
    if (10 * FEWEST * found < all->count) FAIL("'%s' in %d networks", ways[way], found);
  }
}

/* How the weights are scaled and the outputs taken: what stands before the layers. */
static void check_heads(const series *all) {
  for (int form = 0; ntk_parameterizations[form]; ++form) {
    char part[64];
    int found = 0;

    (void)snprintf(part, sizeof(part), "parameterization: %s,", ntk_parameterizations[form]->name);
    for (int k = 0; k < all->count; ++k) found += strstr(all->draw[k].text, part) != NULL;
    if (2 * FEWEST * found < all->count) FAIL("'%s' in %d networks", part, found);
  }
}

static void check_turns(const series *all) {
  for (int k = 0; ntk_layers[k]; ++k) {
    if (FEWEST * all->turns[k] < all->count) {
      FAIL("%s: %d times in %d networks", ntk_layers[k]->name, all->turns[k], all->count);
    }
  }
}

/* ---- every word ------------------------------------------------------------------------------ */

/* [row of a layer][option][word, or false and true] is among the networks; so are an activation and
 * an initialiser, in whatever layer. */
typedef struct words {
  bool option[LAYER_ROWS][MOST_OPTIONS][MOST_WORDS], activation[MOST_WORDS], initializer[MOST_WORDS];
} words;

static void mark_row(const ntk_row *const *rows, const ntk_row *row, bool seen[MOST_WORDS]) {
  for (int w = 0; rows[w]; ++w) {
    EXPECT(w < MOST_WORDS);
    seen[w] |= rows[w] == row;
  }
}

/* What an option of a layer says. */
static void mark_option(const ntk_option *o, const void *field, bool seen[MOST_WORDS], words *all) {
  const ntk_choice *choice = field;

  if (o->type == NTK_BOOL) seen[*(const bool *)field] = true;
  if (o->type == NTK_WORD) mark_row(o->rows, *(const ntk_row *const *)field, seen);
  if (o->type != NTK_CHOICE) return;
  if (o->rows == ntk_activations) mark_row(o->rows, choice->row, all->activation);
  if (o->rows == ntk_initializers) mark_row(o->rows, choice->row, all->initializer);
}

static void mark_words(const ntk_choices *list, words *seen) {
  for (int64_t item = 0; item < list->count; ++item) {
    const ntk_choice *choice = &list->item[item];
    int row = 0;

    while (ntk_layers[row] != choice->row) ++row;
    for (int k = 0; choice->row->options[k].key; ++k) {
      const ntk_option *o = &choice->row->options[k];
      const void *field = (const char *)choice->options + o->offset;

      EXPECT(k < MOST_OPTIONS);
      if (o->type == NTK_CHOICES) mark_words(field, seen);
      mark_option(o, field, seen->option[row][k], seen);
    }
  }
}

/* Kernels that are no J J^T of a function; other tests have them. */
static bool is_expected_kernel(const char *word) {
  return strcmp(word, "expected_shared") == 0 || strcmp(word, "expected_independent") == 0;
}

static void expect_rows(const char *what, const ntk_row *const *rows, const bool *seen) {
  for (int w = 0; rows[w]; ++w) {
    if (!seen[w]) FAIL("no network has the %s %s", what, rows[w]->name);
  }
}

static void check_words(const series *all) {
  static words seen;

  for (int k = 0; k < all->count; ++k) {
    test_network t;

    read_settings(all->draw[k].text, &t);
    mark_words(&t.settings.layers, &seen);
    destroy_network(&t);
  }
  expect_rows("activation", ntk_activations, seen.activation);
  expect_rows("initialiser", ntk_initializers, seen.initializer);
  for (int row = 0; ntk_layers[row]; ++row) {
    for (int k = 0; ntk_layers[row]->options[k].key; ++k) {
      const ntk_option *o = &ntk_layers[row]->options[k];

      if (o->type == NTK_BOOL && !(seen.option[row][k][0] && seen.option[row][k][1])) {
        FAIL("%s: %s is not both", ntk_layers[row]->name, o->key);
      }
      for (int w = 0; o->type == NTK_WORD && o->rows[w]; ++w) {
        if (seen.option[row][k][w] || is_expected_kernel(o->rows[w]->name)) continue;
        FAIL("%s: no network has %s: %s", ntk_layers[row]->name, o->key, o->rows[w]->name);
      }
    }
  }
}

/* ---- what is wrong is seen ------------------------------------------------------------------- */

typedef enum wrong { BACK_SIGN, BACK_TERM, FACTOR_SIGN, FACTOR_TERM, WRONGS } wrong;

static const char *const wrong_names[] = {"the sign of backward", "a term of backward",
                                          "the sign of a factor", "a term of a factor"};

/* The layer that is made wrong: its row, and how. */
static struct {
  const ntk_layer *right;
  wrong how;
  double *copy[MOST_KINDS]; /* of the deltas of factors, which are borrowed */
  int copies;
} fault;

/* The largest of `width` entries of the first row goes from all `rows`. */
static void drop_term(int64_t rows, int64_t width, double *delta) {
  int64_t largest = 0;

  for (int64_t k = 0; k < width; ++k) {
    if (fabs(delta[k]) > fabs(delta[largest])) largest = k;
  }
  for (int64_t r = 0; r < rows; ++r) delta[r * width + largest] = 0;
}

static ntk_status wrong_backward(const ntk_node_layer *node, ntk_stream *stream, int l) {
  NTK_TRY(fault.right->backward(node, stream, l));
  const bool full = stream->form == NTK_DELTA_FULL;
  const int64_t samples = full ? ntk_pad(stream->tape->count) : 1;

  if (fault.how == BACK_SIGN) {
    ntk_stream_scale(stream, -1);
  } else {
    drop_term(samples * stream->rows, stream->width, full ? stream->full : stream->common);
  }
  return NTK_OK;
}

static ntk_status wrong_factor(const ntk_node_layer *node, ntk_stream *stream, int l, int k,
                               ntk_factor *factor) {
  NTK_TRY(fault.right->factor(node, stream, l, k, factor));
  const int64_t rows = (factor->shared ? 1 : ntk_pad(stream->tape->count)) * factor->cotangents;
  const int64_t width = factor->positions * factor->out;
  double *copy = malloc((size_t)(rows * width + 1) * sizeof(*copy));

  EXPECT(copy && fault.copies < MOST_KINDS);
  fault.copy[fault.copies++] = copy;
  memcpy(copy, factor->delta, (size_t)(rows * width) * sizeof(*copy));
  factor->delta = copy;
  if (fault.how == FACTOR_TERM) drop_term(rows, width, copy);
  for (int64_t e = 0; fault.how == FACTOR_SIGN && e < rows * width; ++e) copy[e] = -copy[e];
  return NTK_OK;
}

/* Whether that layer has something to do wrong: no delta goes below the lowest trained tensor. */
static bool is_asked(const ntk_network *network, int l, wrong how) {
  if (how == BACK_SIGN || how == BACK_TERM) return l > ntk_network_lowest(network);
  return network->layer[l].factors > 0 && ntk_layer_trainable(network, &network->layer[l]);
}

/* The deviation of a network with one wrong layer, for one step. */
static double deviation_with(const random_draw *draw, int number, int l, wrong how) {
  test_network t;

  trial_open(&draw->trial, NTK_DOUBLE, &t);
  ntk_layer row = *t.network.layer[l].layer;

  fault.right = t.network.layer[l].layer;
  fault.how = how;
  if (how == BACK_SIGN || how == BACK_TERM) {
    row.backward = wrong_backward;
  } else {
    row.factor = wrong_factor;
  }
  t.network.layer[l].layer = &row;
  const double worst = deviation_of(&t, draw, number, INFINITY);

  destroy_network(&t);
  while (fault.copies > 0) free(fault.copy[--fault.copies]);
  return worst;
}

/* Of each kind of layer, what residuals expand into included: how often it was made wrong. */
typedef struct record {
  const ntk_layer *kind;
  int tried[WRONGS];
} record;

static record *record_of(record records[MOST_KINDS], const ntk_layer *kind) {
  int k = 0;

  while (records[k].kind && records[k].kind != kind) ++k;
  EXPECT(k < MOST_KINDS - 1);
  records[k].kind = kind;
  return &records[k];
}

static void try_network(const random_draw *draw, int number, record records[MOST_KINDS]) {
  test_network t;

  trial_open(&draw->trial, NTK_DOUBLE, &t);
  for (int l = 0; l < t.network.layer_count; ++l) {
    record *r = record_of(records, t.network.layer[l].layer);

    /* what couples samples looks at the rows around it, and one of them would be another */
    if (t.network.coupled && strcmp(r->kind->row.name, "batch_norm") != 0) continue;
    for (int how = 0; how < WRONGS; ++how) {
      if (r->tried[how] >= WRONG || !is_asked(&t.network, l, (wrong)how)) continue;
      const double worst = deviation_with(draw, number, l, (wrong)how);

      ++r->tried[how];
      if (worst > kinked_limit) continue;
      FAIL("%s of %s is wrong, but network %d is off by %g only: %s", wrong_names[how],
           t.network.layer[l].name, number, worst, draw->text);
    }
  }
  destroy_network(&t);
}

/* Every row that has something to do wrong was wrong; nothing is below an embedding of tokens. */
static void check_records(const record records[MOST_KINDS]) {
  for (int k = 0; ntk_layers[k]; ++k) {
    const ntk_layer *kind = (const ntk_layer *)ntk_layers[k];
    const bool lowest = strcmp(kind->row.name, "token_embedding") == 0;
    int at = 0;

    while (records[at].kind && records[at].kind != kind) ++at;
    for (int how = 0; how < WRONGS; ++how) {
      const bool back = how == BACK_SIGN || how == BACK_TERM;

      if (records[at].tried[how] == 0 && (back ? kind->backward && !lowest : kind->factors > 0)) {
        FAIL("%s of %s was not tried", wrong_names[how], kind->row.name);
      }
    }
  }
}

static void check_wrongs(const series *all, bool all_rows) {
  static record records[MOST_KINDS];

  for (int kinked = 0; kinked < 2; ++kinked) { /* where kinks disturb only what has them itself */
    for (int k = 0; k < all->count; ++k) {
      if (all->draw[k].kinked == (kinked > 0)) try_network(&all->draw[k], k, records);
    }
  }
  if (all_rows) check_records(records);
}

/* Networks with that layer, which is one of the table, and no others. */
static void keep_those_with(series *all, const char *layer) {
  char part[64];
  int kept = 0;

  EXPECT(ntk_row_find(ntk_layers, layer));
  (void)snprintf(part, sizeof(part), "{%s: ", layer);
  for (int k = 0; k < all->count; ++k) {
    if (!strstr(all->draw[k].text, part)) continue;
    all->draw[kept] = all->draw[k];
    all->draw[kept].trial.yaml = all->draw[kept].text;
    ++kept;
  }
  if (kept < all->count / FEWEST) FAIL("%s is in %d networks", layer, kept);
  all->count = kept;
}

int main(int argc, char **argv) {
  series all = {.count = argc > 1 ? atoi(argv[1]) : 200};

  begin_test(&argc, &argv);
  all.draw = calloc((size_t)all.count, sizeof(*all.draw));
  EXPECT(all.draw);
  for (int k = 0; k < all.count; ++k) random_network(k, all.turns, &all.draw[k]);
  if (argc > 2) {
    keep_those_with(&all, argv[2]);
  } else {
    check_turns(&all);
    check_heads(&all);
    check_sharing(&all);
    check_words(&all);
  }
  check_networks(&all);
  check_wrongs(&all, argc < 3);
  free(all.draw);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
