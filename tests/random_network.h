/* random_network.h -- random lists of layers, written from the tables: whatever row ntk_layers has
 * and whatever options a row has are drawn by type and range, and what the program refuses (shapes
 * that do not fit, say) is drawn again.  A new layer takes part without a word here. */
#ifndef NTK_TESTS_RANDOM_NETWORK_H
#define NTK_TESTS_RANDOM_NETWORK_H

#include <stdarg.h>

#include "layer_rows.h"
#include "layers.h"

enum {
  RANDOM_YAML = 8192,
  RANDOM_LAYERS = 8, /* of a list, with the readout */
  RANDOM_TRIES = 4,  /* options of a row, before another row's turn */
  RANDOM_FLOPS = 20000,
  RANDOM_PACE = 5,
  RANDOM_SAMPLES = 3
};

#define RANDOM_READOUT "flatten, {dense: {features: outputs}}" /* whatever the shape */

typedef struct random_draw {
  trial trial; /* yaml is `text` */
  bool kinked; /* relu and the like, max_pool */
  char text[RANDOM_YAML];
} random_draw;

/* Numbers of a sequence that is the same everywhere. */
typedef struct dice {
  uint64_t seed, drawn;
} dice;

static inline int roll(dice *d, int count) {
  EXPECT(count > 0);
  return (int)(test_bits(d->seed, d->drawn++) % (uint64_t)count);
}

/* ---- text ------------------------------------------------------------------------------------ */

typedef struct writer {
  dice *dice;
  bool kinked, refused; /* refused: too long, or an option that has no value here */
  bool shares;          /* of a layer with the tensors of another there is no more to say */
  int depth;            /* of lists in lists */
  const int *kinds;     /* rows of the layers before */
  int count;
  char earlier[64]; /* one of the same kind, for `share`; "": none */
  size_t used;
  char text[RANDOM_YAML];
} writer;

static inline void put(writer *w, const char *format, ...) {
  va_list arguments;

  va_start(arguments, format);
  const int length = vsnprintf(w->text + w->used, RANDOM_YAML - w->used, format, arguments);

  va_end(arguments);
  w->refused |= length < 0 || w->used + (size_t)length >= RANDOM_YAML;
  if (!w->refused) w->used += (size_t)length;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static inline bool needs_options(const ntk_row *row) {
  for (const ntk_option *o = row->options; o && o->key; ++o) {
    if (o->flags & NTK_REQUIRED) return true;
  }
  return false;
}

/* Not so: activations with kinks, what is called like one (attention: {mechanism: relu}), and
 * max_pool, which chooses. */
static inline bool is_smooth(const ntk_row *row) {
  const ntk_row *phi = ntk_row_find(ntk_activations, row->name);

  return phi ? ((const ntk_activation *)phi)->smooth : strcmp(row->name, "max_pool") != 0;
}

/* A row that needs no options, smooth unless kinks are wanted. */
static inline const char *roll_row(writer *w, const ntk_row *const *rows) {
  const ntk_row *fit[LAYER_ROWS];
  int count = 0;

  for (int k = 0; rows[k] && count < LAYER_ROWS; ++k) {
    if (!needs_options(rows[k]) && (w->kinked || is_smooth(rows[k]))) fit[count++] = rows[k];
  }
  EXPECT(count > 0);
  return fit[roll(w->dice, count)]->name;
}

/* ---- options --------------------------------------------------------------------------------- */

static inline void put_layer(writer *w, const ntk_row *row);

static inline const ntk_row *roll_layer(writer *w) {
  int count = 0, k = 0;

  while (ntk_layers[count]) ++count;
  do {
    k = roll(w->dice, count);
  } while (!w->kinked && !is_smooth(ntk_layers[k]));
  return ntk_layers[k];
}

static inline void put_list(writer *w) {
  const int count = 1 + roll(w->dice, 2);

  w->refused |= ++w->depth > 2;
  put(w, "[");
  for (int k = 0; k < count && !w->refused; ++k) {
    put(w, "%s", k > 0 ? ", " : "");
    put_layer(w, roll_layer(w));
  }
  put(w, "]");
  --w->depth;
}

static inline double roll_real(writer *w, const ntk_option *o) {
  static const double values[] = {0.5, 0.7, 0.9, 1.4, 3};
  const double value = values[roll(w->dice, 5)];

  return value < o->low ? o->low : value > o->high ? o->high : value;
}

static inline int roll_integer(writer *w, const ntk_option *o, int most) {
  const double low = o->low > 0 ? o->low : 0, high = fmin(o->high, (double)most);

  return (int)low + roll(w->dice, (int)(high - low) + 1);
}

static inline void put_size(writer *w, const ntk_option *o) {
  static const char *const names[] = {"width", "width", "width", "2*width"};

  if (w->shares || roll(w->dice, 3)) {
    put(w, "%s", names[w->shares ? 0 : roll(w->dice, 4)]);
  } else {
    put(w, "%d", 1 + roll_integer(w, o, 4));
  }
}

static inline void put_padding(writer *w, const ntk_option *o) {
  if (roll(w->dice, 3)) {
    put(w, "%s", roll_row(w, o->rows));
  } else {
    put(w, "[[%d, %d], [%d, %d]]", roll(w->dice, 2), roll(w->dice, 2), roll(w->dice, 2),
        roll(w->dice, 2));
  }
}

static inline void put_options(writer *w, const ntk_option *options);

static inline void put_section(writer *w, const ntk_option *o) {
  if (o->flags & NTK_NONE && roll(w->dice, 2)) {
    put(w, "none");
  } else {
    put(w, "{");
    put_options(w, o->section->options);
    put(w, "}");
  }
}

static inline void put_pair(writer *w, const ntk_option *o) {
  const int height = roll_integer(w, o, 3);

  put(w, "[%d, %d]", height, roll_integer(w, o, 3));
}

static inline void put_value(writer *w, const ntk_option *o) {
  switch (o->type) {
    case NTK_INT:
      put(w, "%d", roll_integer(w, o, 3));
      break;
    case NTK_REAL:
      put(w, "%g", roll_real(w, o));
      break;
    case NTK_BOOL:
      put(w, "%s", roll(w->dice, 2) ? "true" : "false");
      break;
    case NTK_SIZE:
      put_size(w, o);
      break;
    case NTK_PAIR:
      put_pair(w, o);
      break;
    case NTK_WORD:
    case NTK_CHOICE:
      put(w, "%s", roll_row(w, o->rows));
      break;
    case NTK_PADDING:
      put_padding(w, o);
      break;
    case NTK_SECTION:
      put_section(w, o);
      break;
    case NTK_STRING:
      put(w, "%s", w->earlier);
      break;
    case NTK_CHOICES:
      put_list(w);
      break;
    default:
      FAIL("random networks know no values for options like '%s'", o->key);
  }
}

/* How often an option is written that need not be: lists and words oftener than numbers. */
static inline bool roll_presence(writer *w, const ntk_option *o) {
  if (o->flags & NTK_REQUIRED) return true;
  if (strcmp(o->key, "name") == 0) return false;
  if (o->type == NTK_STRING || w->shares) return o->type == NTK_STRING && w->shares;
  if (o->type == NTK_WORD || o->type == NTK_CHOICES) return roll(w->dice, 2);
  if (o->type == NTK_BOOL) return roll(w->dice, 2);
  return roll(w->dice, 4) == 0;
}

static inline void put_options(writer *w, const ntk_option *options) {
  const char *comma = "";

  for (const ntk_option *o = options; o && o->key && !w->refused; ++o) {
    if (!roll_presence(w, o)) continue;
    put(w, "%s%s: ", comma, o->key);
    put_value(w, o);
    comma = ", ";
  }
}

/* Name of an earlier layer of that row: its kind, and how many of it come before. */
static inline void find_earlier(writer *w, const ntk_row *row) {
  int same = 0;

  for (int k = 0; k < w->count; ++k) same += ntk_layers[w->kinds[k]] == row;
  w->earlier[0] = 0;
  if (same > 0) {
    (void)snprintf(w->earlier, sizeof(w->earlier), "%s%d", row->name, roll(w->dice, same));
  }
}

static inline void put_layer(writer *w, const ntk_row *row) {
  find_earlier(w, row);
  w->shares = w->earlier[0] && roll(w->dice, 4);
  put(w, "{%s: {", row->name);
  put_options(w, row->options);
  put(w, "}}");
}

/* ---- networks -------------------------------------------------------------------------------- */

/* Whether its kernel is J J^T, that of expected masks is not, and small enough to be had often. */
static inline bool is_plain(const ntk_network *network) {
  static const ntk_cotangents full = {NTK_OUT_FULL, 0};

  for (int l = 0; l < network->layer_count; ++l) {
    if (ntk_dropout_expected(&network->layer[l])) return false;
  }
  return ntk_network_cost_of(network, &full).forward_flops < RANDOM_FLOPS;
}

static inline bool goes_forward(const trial *p, const ntk_network *network) {
  double *x = trial_inputs(p, RANDOM_SAMPLES);
  ntk_tape tape = {0};
  const bool forward = ntk_forward(network, RANDOM_SAMPLES, x, &tape) == NTK_OK;

  ntk_tape_destroy(&tape);
  free(x);
  return forward;
}

/* Whether the program takes the network, which is to be destroyed in any case. */
static inline bool open_trial(const trial *p, test_network *t) {
  ntk_problems problems = {0};
  bool fits = ntk_tree_parse("drawn", p->yaml, &t->tree, &problems) == NTK_OK;

  fits = fits && ntk_option_bind(&ntk_network_section, t->tree.root, "network", "", &t->tree.arena,
                                 &t->settings, &problems) == NTK_OK;
  fits = fits && problems.count == 0;
  ntk_problems_destroy(&problems);
  t->settings.vocabulary = p->vocabulary;
  fits = fits &&
         ntk_network_create(&t->settings, &p->input, p->outputs, NTK_DOUBLE, &t->network) == NTK_OK;
  fits = fits && is_plain(&t->network) && ntk_network_draw(&t->settings, &t->network) == NTK_OK;
  return fits && goes_forward(p, &t->network);
}

typedef struct sketch {
  random_draw *draw;
  dice dice;
  const char *head;
  int count, kinds[LAYER_ROWS]; /* layers, and their rows */
  int most;                     /* layers that it shall have, without the readout */
  int turns[LAYER_ROWS], pace;  /* how often each row has been drawn, by all networks; enough */
  int rank, next;               /* of what the layers give, without and with the next one */
  bool ends;                    /* whether the next one may make a vector of an image */
  int maps;                     /* layers with maps that the parameterization is for; 0: any */
  size_t used;
  char layers[RANDOM_YAML];
} sketch;

/* Whether layers, more and a readout make a network, whose text it is then. */
static inline bool fits(sketch *s, const char *more, const char *readout) {
  const int length = snprintf(s->draw->text, RANDOM_YAML, "{%s, layers: [%s%s%s]}", s->head,
                              s->layers, more, readout);
  test_network t = {0};

  s->draw->trial.yaml = s->draw->text;
  const bool good = length < RANDOM_YAML && open_trial(&s->draw->trial, &t);

  if (good && t.network.layer_count > 1)
    s->next = t.network.layer[t.network.layer_count - 2].in.rank;
  destroy_network(&t);
  return good;
}

static inline bool append_layer(sketch *s, int kind) {
  for (int k = 0; k < RANDOM_TRIES; ++k) {
    writer w = {.dice = &s->dice, .kinked = s->draw->kinked, .kinds = s->kinds, .count = s->count};

    put_layer(&w, ntk_layers[kind]);
    put(&w, ", ");
    if (w.refused || s->used + w.used >= RANDOM_YAML || !fits(s, w.text, RANDOM_READOUT)) continue;
    if (s->next == 1 && s->rank > 1 && !s->ends) continue;
    memcpy(s->layers + s->used, w.text, w.used + 1);
    s->used += w.used;
    s->rank = s->next;
    s->kinds[s->count++] = kind;
    return true;
  }
  return false;
}

static inline int row_number(const char *name) {
  int k = 0;

  while (strcmp(ntk_layers[k]->name, name) != 0) ++k;
  return k;
}

/* Now and then a layer that may have the tensors of one before it. */
static inline bool append_sharer(sketch *s) {
  const int dense = row_number("dense");
  bool there = false;

  for (int k = 0; k < s->count; ++k) there |= s->kinds[k] == dense;
  return there && roll(&s->dice, 5) == 0 && append_layer(s, dense);
}

/* Where the maps are counted, the first layer is one, and the readout the other. */
static inline bool is_open(const sketch *s, int kind) {
  if (s->maps > 0 && s->count == 0 && !((const ntk_layer *)ntk_layers[kind])->linear) return false;
  return s->draw->kinked || is_smooth(ntk_layers[kind]);
}

/* A layer of any row that fits, those first that have had fewer turns than there were networks over
 * RANDOM_PACE.  What ends images and sequences is put off mostly, so that they see more than one
 * layer. */
static inline bool append_any(sketch *s) {
  bool tried[LAYER_ROWS] = {false};

  s->ends = s->count == s->most - 1 || roll(&s->dice, 4) == 0;
  if (append_sharer(s)) return true;
  for (;;) {
    int best = -1, rank = 0;

    for (int k = 0; ntk_layers[k]; ++k) {
      const int turn = 1000 * (s->turns[k] <= s->pace ? s->turns[k] : 1000) + roll(&s->dice, 1000);

      if (tried[k] || !is_open(s, k)) continue;
      if (best < 0 || turn < rank) {
        best = k;
        rank = turn;
      }
    }
    if (best < 0 && s->ends) return false;
    if (best < 0) {
      memset(tried, 0, sizeof(tried));
      s->ends = true;
      continue;
    }
    if (append_layer(s, best)) return true;
    tried[best] = true;
  }
}

/* The plainest readout that the shape allows; with the weights of the embedding if that goes. */
static inline void close_list(sketch *s) {
  static const char tied[] =
      "{dense: {features: outputs, share: token_embedding0, transposed: "
      "true}}";

  if (s->draw->trial.vocabulary > 0 && fits(s, "", tied)) return;
  if (fits(s, "", "{dense: {features: outputs}}")) return;
  EXPECT(fits(s, "", RANDOM_READOUT));
}

static inline void set_input(int kind, dice *d, trial *t) {
  static const ntk_shape vector = {.rank = 1, .size = {4}}, image = {.rank = 3, .size = {5, 4, 3}},
                         sequence = {.rank = 2, .size = {5, 4}}, tokens = {.rank = 1, .size = {4}};

  t->input = kind < 4 ? image : kind < 6 ? tokens : kind < 7 ? vector : sequence;
  t->vocabulary = kind == 4 || kind == 5 ? 5 : 0;
  t->outputs = kind == 4 ? t->vocabulary : 1 + roll(d, 3);
}

/* What stands before the layers: the parameterizations in turn, those for few maps less often. */
static inline void roll_head(sketch *s, int number, char head[256]) {
  static const char *const outputs[] = {"as_is", "centered", "{scaled: {alpha: 0.7}}"};
  const ntk_parameterization *form = NULL;
  int forms = 0;

  while (ntk_parameterizations[forms]) ++forms;
  do {
    form = (const ntk_parameterization *)ntk_parameterizations[roll(&s->dice, forms)];
  } while (form->maps > 0 && roll(&s->dice, 2));
  (void)snprintf(head, 256, "seed: %d, width: 4, parameterization: %s, output: %s", number,
                 form->row.name, outputs[roll(&s->dice, 3)]);
  s->head = head;
  s->maps = form->maps;
}

/* Network `number` of a series; rows that have had few turns go first. */
static inline void random_network(int number, int turns[LAYER_ROWS], random_draw *draw) {
  sketch s = {.draw = draw, .dice = {2000 + (uint64_t)number, 0}, .pace = number / RANDOM_PACE};
  char head[256];
  test_network t = {0};

  *draw = (random_draw){.kinked = roll(&s.dice, 2)};
  draw->trial.seed = (uint64_t)number;
  set_input(number % 8, &s.dice, &draw->trial);
  memcpy(s.turns, turns, sizeof(s.turns));
  s.rank = draw->trial.input.rank;
  roll_head(&s, number, head);
  while (draw->trial.vocabulary > 0 && s.count == 0) {
    (void)append_layer(&s, row_number("token_embedding"));
  }
  s.most = RANDOM_LAYERS - 3 + roll(&s.dice, 2);
  while (s.count < s.most && append_any(&s)) continue;
  close_list(&s);
  EXPECT(open_trial(&draw->trial, &t));
  const ntk_choices drawn = {t.settings.layers.count - 1, t.settings.layers.item};

  count_rows(&drawn, turns); /* not the readout, which all have */
  destroy_network(&t);
}

#endif
