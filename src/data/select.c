#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ntk/base/memory.h"
#include "ntk/data/generate.h"
#include "ntk/data/prepare.h"

enum { LABEL_TEXT = 32 };

/* One set as it stands in a file: how many samples, and the class of each. */
typedef struct pool {
  const char *name; /* "training", "test": for messages */
  int64_t count;
  int64_t *position; /* [count] in the order in which samples are taken, owned */
  int64_t *class;    /* [count] likewise, owned; NULL: regression */
  int64_t classes;
  int64_t *per_class; /* [classes], owned */
} pool;

static void pool_destroy(pool *p) {
  ntk_free(&p->position);
  ntk_free(&p->class);
  ntk_free(&p->per_class);
}

int64_t ntk_class_of(const ntk_data_settings *settings, int64_t label) {
  if (settings->classes.count < 0) return label;
  for (int64_t c = 0; c < settings->classes.count; ++c) {
    if (settings->classes.item[c] == label) return c;
  }
  return -1;
}

/* ---- jax.random.permutation ----------------------------------------------------------------- */

typedef struct ticket {
  uint32_t word;
  int64_t rank, position; /* rank: place before this round */
} ticket;

/* Equal words keep their order, as in JAX. */
static int compare_tickets(const void *a, const void *b) {
  const ticket *x = a, *y = b;

  if (x->word != y->word) return x->word < y->word ? -1 : 1;
  return (x->rank > y->rank) - (x->rank < y->rank);
}

/* One round sorts by 32-bit words; so many rounds that equal words do not matter. */
static void shuffle(ntk_rng_key key, int64_t n, int64_t *position, uint32_t *word,
                    ticket *tickets) {
  const int rounds = (int)ceil(3 * log((double)n) / log(4294967295.0));

  for (int round = 0; round < rounds; ++round) {
    const ntk_draw draw = {.layout = NTK_RNG_PARTITIONABLE,
                           .key = ntk_rng_split(NTK_RNG_PARTITIONABLE, key, 2, 1),
                           .total = n};

    key = ntk_rng_split(NTK_RNG_PARTITIONABLE, key, 2, 0);
    ntk_rng_bits32(&draw, 0, n, word);
    for (int64_t i = 0; i < n; ++i) tickets[i] = (ticket){word[i], i, position[i]};
    qsort(tickets, (size_t)n, sizeof(*tickets), compare_tickets);
    for (int64_t i = 0; i < n; ++i) position[i] = tickets[i].position;
  }
}

/* Permutes the positions 0 .. n - 1. */
static ntk_status permute(ntk_rng_key key, int64_t n, int64_t *position) {
  uint32_t *word = NULL;
  ticket *tickets = NULL;
  ntk_status status = NTK_NEW(n, &word);

  if (status == NTK_OK) status = NTK_NEW(n, &tickets);
  if (status == NTK_OK) shuffle(key, n, position, word, tickets);
  ntk_free(&word);
  ntk_free(&tickets);
  return status;
}

/* ---- classes -------------------------------------------------------------------------------- */

/* Of the training file: without a list of classes they are 0 .. the largest label.  A label of n
 * or more would mean that a class is missing, which check_classes says. */
static int64_t count_classes(const ntk_data_settings *settings, int64_t n, const int64_t *label) {
  int64_t largest = 0;

  if (settings->classes.count >= 0) return settings->classes.count;
  for (int64_t i = 0; i < n; ++i) {
    if (label[i] > largest) largest = label[i];
  }
  return largest < n ? largest + 1 : n + 1;
}

static ntk_status check_labels(const ntk_data_settings *settings, const pool *p, int64_t n,
                               const int64_t *label) {
  int64_t i = 0;

  if (settings->classes.count >= 0) return NTK_OK;
  while (i < n && label[i] >= 0 && label[i] < p->classes) ++i;
  NTK_CHECK(i == n, NTK_E_INPUT,
            "the %s file's label %" PRId64 " is %" PRId64 ", outside 0 .. %" PRId64
            "; name the labels you want with data.classes: [...], or write targets: real",
            p->name, i, i < n ? label[i] : 0, p->classes - 1);
  return NTK_OK;
}

static ntk_status check_classes(const ntk_data_settings *settings, const pool *p) {
  int64_t c = 0;

  while (c < p->classes && p->per_class[c] > 0) ++c;
  NTK_CHECK(c == p->classes, NTK_E_INPUT,
            "the %s file has no sample with label %" PRId64
            "; name the labels you want with data.classes: [...]",
            p->name, settings->classes.count > 0 && c < p->classes ? settings->classes.item[c] : c);
  return NTK_OK;
}

/* Samples of the chosen classes in the order of the file's permutation. */
static ntk_status keep_classes(const ntk_data_settings *settings, const int64_t *label, pool *p) {
  const int64_t n = p->count;

  NTK_TRY(check_labels(settings, p, n, label));
  NTK_TRY(NTK_NEW(n, &p->class));
  NTK_TRY(NTK_NEW(p->classes, &p->per_class));
  p->count = 0;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t class = ntk_class_of(settings, label[p->position[i]]);

    if (class < 0) continue;
    p->position[p->count] = p->position[i];
    p->class[p->count++] = class;
    ++p->per_class[class];
  }
  return NTK_OK;
}

static ntk_status pool_create(const ntk_data_settings *settings, bool ordered, ntk_rng_key key,
                              const int64_t *label, pool *p) {
  NTK_TRY(NTK_NEW(p->count, &p->position));
  for (int64_t i = 0; i < p->count; ++i) p->position[i] = i;
  if (!ordered) NTK_TRY(permute(key, p->count, p->position));
  return label && p->classes > 0 ? keep_classes(settings, label, p) : NTK_OK;
}

/* Samples that a set can take, the classes in turn from class `start` on. */
static int64_t capacity(const pool *p, bool balanced, int64_t start) {
  int64_t most = INT64_MAX;

  if (!balanced) return p->count;
  for (int64_t c = 0; c < p->classes; ++c) {
    const int64_t turn = (c - start + p->classes) % p->classes;
    const int64_t fits = p->per_class[c] * p->classes + turn;

    if (fits < most) most = fits;
  }
  return most;
}

static ntk_status check_capacity(const pool *p, const char *key, int64_t count, bool balanced,
                                 int64_t start) {
  const int64_t most = capacity(p, balanced, start);
  const bool later = strcmp(p->name, "training") == 0 && strcmp(key, "train") != 0;

  NTK_CHECK(count <= most, NTK_E_INPUT,
            "data.%s.count: %" PRId64 " samples are wanted, but there are only %" PRId64
            "%s%s in the %s file%s; take fewer%s",
            key, count, most, balanced ? " balanced ones" : "", later ? " left" : "", p->name,
            p->classes > 0 ? " (chosen classes)" : "", later ? ", here or in data.train" : "");
  return NTK_OK;
}

/* Moves the chosen samples to `chosen`; the others stay in the pool, in their order. */
static ntk_status take_balanced(pool *p, int64_t count, int64_t start, int64_t *chosen,
                                int64_t **quota) {
  int64_t kept = 0;

  NTK_TRY(NTK_NEW(p->classes, quota));
  for (int64_t c = 0; c < p->classes; ++c) {
    const int64_t turn = (c - start + p->classes) % p->classes;

    (*quota)[c] = turn < count ? (count - turn - 1) / p->classes + 1 : 0;
    p->per_class[c] = 0;
  }
  for (int64_t i = 0; i < p->count; ++i) {
    const int64_t c = p->class[i], turn = (c - start + p->classes) % p->classes;
    const int64_t round = p->per_class[c]++;

    if (round < (*quota)[c]) {
      chosen[round * p->classes + turn] = p->position[i];
    } else {
      p->position[kept] = p->position[i];
      p->class[kept++] = c;
    }
  }
  for (int64_t c = 0; c < p->classes; ++c) p->per_class[c] -= (*quota)[c];
  p->count = kept;
  return NTK_OK;
}

static void take_first(pool *p, int64_t count, int64_t *chosen) {
  for (int64_t i = 0; i < count; ++i) {
    chosen[i] = p->position[i];
    if (p->class) --p->per_class[p->class[i]];
  }
  for (int64_t i = count; i < p->count; ++i) {
    p->position[i - count] = p->position[i];
    if (p->class) p->class[i - count] = p->class[i];
  }
  p->count -= count;
}

static ntk_status take(pool *p, const char *key, int64_t count, bool balanced, int64_t start,
                       int64_t **chosen) {
  int64_t *quota = NULL;

  NTK_TRY(check_capacity(p, key, count, balanced, start));
  NTK_TRY(NTK_NEW(count, chosen));
  if (!balanced) {
    take_first(p, count, *chosen);
    return NTK_OK;
  }
  const ntk_status status = take_balanced(p, count, start, *chosen, &quota);

  ntk_free(&quota);
  return status;
}

/* What other sets take from the training file. */
typedef struct demand {
  int64_t count;    /* of samples */
  int64_t balanced; /* of those, in balanced sets */
} demand;

static void add_demand(const ntk_data_part *part, demand *d) {
  if (part->count == NTK_AUTO_INT) return; /* of a test set: none without a test file */
  d->count += part->count;
  if (part->balanced) d->balanced += part->count;
}

/* `auto` is all there are; sets that were asked for and come from the same file come off first. */
static int64_t train_count(const ntk_data_settings *settings, const pool *p, const demand *other) {
  const bool balanced = settings->train.balanced;
  const int64_t most = capacity(p, balanced, 0), left = p->count - other->count;

  if (settings->train.count != NTK_AUTO_INT) return settings->train.count;
  if (!balanced) return left;
  return most - other->balanced < left ? most - other->balanced : left;
}

static ntk_status select_train(const ntk_data_settings *settings, const demand *other, pool *p,
                               ntk_selection *s) {
  s->train_count = train_count(settings, p, other);
  NTK_CHECK(s->train_count > 0, NTK_E_INPUT,
            "data: %" PRId64 " samples in all leave none to train on after %" PRId64
            " for validation and test",
            p->count, other->count);
  return take(p, "train", s->train_count, settings->train.balanced, 0, &s->train);
}

/* The class whose turn it is for a balanced set behind `before` samples in balanced ones. */
static int64_t turn_of(const pool *p, bool goes_on, int64_t before) {
  return goes_on && p->classes > 0 ? before % p->classes : 0;
}

static ntk_status select_validation(const ntk_data_settings *settings, bool from_train, pool *p,
                                    ntk_selection *s) {
  const ntk_data_part *part = &settings->validation;
  const bool goes_on = from_train && part->balanced && settings->train.balanced;

  if (!settings->validated) return NTK_OK;
  s->validation_count = part->count;
  return take(p, "validation", part->count, part->balanced, turn_of(p, goes_on, s->train_count),
              &s->validation);
}

static ntk_status select_test(const ntk_data_settings *settings, pool *p, ntk_selection *s) {
  const bool balanced = settings->test.balanced;
  const bool unbroken = s->validation_count == 0 || settings->validation.balanced;
  const bool goes_on = s->test_from_train && balanced && settings->train.balanced && unbroken;
  const int64_t start = turn_of(p, goes_on, s->train_count + s->validation_count);

  s->test_count = settings->test.count;
  if (s->test_count == NTK_AUTO_INT) {
    s->test_count = s->test_from_train ? 0 : capacity(p, balanced, start);
  }
  return take(p, "test", s->test_count, balanced, start, &s->test);
}

/* The sets as they stand in files, or as they were generated. */
typedef struct pools {
  pool train, validation, test;
} pools;

static void pools_destroy(pools *p) {
  pool_destroy(&p->train);
  pool_destroy(&p->validation);
  pool_destroy(&p->test);
}

static ntk_status select_from_files(const ntk_data_settings *settings, const ntk_raw *raw,
                                    pools *p, ntk_selection *s) {
  demand other = {0};

  if (settings->validated) add_demand(&settings->validation, &other);
  if (s->test_from_train) add_demand(&settings->test, &other);
  NTK_TRY(pool_create(settings, false, ntk_data_draw_key(settings->seed, NTK_DRAW_TRAIN_ORDER),
                      raw->train_label, &p->train));
  if (s->classes > 0) NTK_TRY(check_classes(settings, &p->train));
  NTK_TRY(select_train(settings, &other, &p->train, s));
  NTK_TRY(select_validation(settings, true, &p->train, s));
  if (s->test_from_train) return select_test(settings, &p->train, s);
  NTK_TRY(pool_create(settings, false, ntk_data_draw_key(settings->seed, NTK_DRAW_TEST_ORDER),
                      raw->test_label, &p->test));
  return select_test(settings, &p->test, s);
}

/* All that was generated, in its order. */
static ntk_status select_generated(const ntk_data_settings *settings, pools *p, ntk_selection *s) {
  const ntk_rng_key unused = {{0}};
  const demand none = {0};

  NTK_TRY(pool_create(settings, true, unused, NULL, &p->train));
  NTK_TRY(pool_create(settings, true, unused, NULL, &p->validation));
  NTK_TRY(pool_create(settings, true, unused, NULL, &p->test));
  NTK_TRY(select_train(settings, &none, &p->train, s));
  NTK_TRY(select_validation(settings, false, &p->validation, s));
  return select_test(settings, &p->test, s);
}

static ntk_status check_rule(const ntk_data_settings *settings, const ntk_target_rule *rule,
                             const ntk_raw *raw) {
  const bool classes = ntk_target_rule_classes(rule);

  NTK_CHECK(!classes || raw->train_label, NTK_E_CONFIG,
            "data.targets: %s needs classes, but the labels are real; use targets: real",
            rule->row.name);
  NTK_CHECK(classes || settings->classes.count < 0, NTK_E_CONFIG,
            "data.classes chooses among classes, but the targets are real");
  NTK_CHECK(classes || !ntk_data_balanced(settings), NTK_E_CONFIG,
            "balanced: true needs classes, but the targets are real");
  return NTK_OK;
}

static ntk_status check_class_count(const ntk_target_rule *rule, int64_t classes) {
  NTK_CHECK(rule->only_classes == 0 || classes == rule->only_classes, NTK_E_CONFIG,
            "data.targets: %s needs %" PRId64 " classes, the data have %" PRId64
            "; choose with data.classes: [a, b]",
            rule->row.name, rule->only_classes, classes);
  return NTK_OK;
}

static ntk_status make(const ntk_data_settings *settings, const ntk_raw *raw, pools *p,
                       ntk_selection *s) {
  const ntk_target_rule *rule = ntk_target_rule_of(settings, raw);
  const bool generated = ntk_data_generates(settings);

  NTK_TRY(check_rule(settings, rule, raw));
  p->train = (pool){.name = "training", .count = raw->train_count};
  p->validation = (pool){.name = "validation", .count = raw->validation_count};
  p->test = (pool){.name = "test", .count = raw->test_count};
  if (ntk_target_rule_classes(rule)) {
    s->classes = count_classes(settings, raw->train_count, raw->train_label);
    p->train.classes = p->test.classes = s->classes;
  }
  NTK_TRY(check_class_count(rule, s->classes));
  s->test_from_train = raw->test_count == 0 && !generated;
  return generated ? select_generated(settings, p, s) : select_from_files(settings, raw, p, s);
}

ntk_status ntk_selection_make(const ntk_data_settings *settings, const ntk_raw *raw,
                              ntk_selection *selection) {
  pools p = {0};

  *selection = (ntk_selection){0};
  const ntk_status status = make(settings, raw, &p, selection);

  pools_destroy(&p);
  if (status != NTK_OK) ntk_selection_destroy(selection);
  return status;
}

void ntk_selection_destroy(ntk_selection *selection) {
  ntk_free(&selection->train);
  ntk_free(&selection->validation);
  ntk_free(&selection->test);
  *selection = (ntk_selection){0};
}
