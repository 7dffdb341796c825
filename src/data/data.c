#include "ntk/data/data.h"

#include <inttypes.h>
#include <string.h>

#include "ntk/base/memory.h"
#include "ntk/data/generate.h"
#include "ntk/data/prepare.h"
#include "ntk/data/source.h"

#define COUNT_ROW(lowest, text)                                                                    \
  {                                                                                                \
    .key = "count", .type = NTK_INT, .offset = offsetof(ntk_data_part, count), .fallback = "auto", \
    .low = (lowest), .high = 1e12, .flags = NTK_AUTO, .doc = (text)                                \
  }

#define BALANCED_ROW                                                                  \
  {                                                                                   \
    .key = "balanced", .type = NTK_BOOL, .offset = offsetof(ntk_data_part, balanced), \
    .fallback = "false", .doc = "take the classes in turn"                            \
  }

static const ntk_option train_options[] = {
    COUNT_ROW(1, "training samples: a prefix of one seeded permutation; auto: all"),
    BALANCED_ROW,
    {0},
};

static const ntk_option test_options[] = {
    COUNT_ROW(0, "test samples; auto: the whole test file, none without one"),
    BALANCED_ROW,
    {0},
};

static const ntk_option validation_options[] = {
    {.key = "count",
     .type = NTK_INT,
     .offset = offsetof(ntk_data_part, count),
     .low = 1,
     .high = 1e12,
     .flags = NTK_REQUIRED,
     .doc = "validation samples: behind the training set in the same permutation"},
    BALANCED_ROW,
    {0},
};

static const ntk_section train_section = {.options = train_options};
static const ntk_section validation_section = {.options = validation_options};
static const ntk_section test_section = {.options = test_options};

static const ntk_option data_options[] = {
    {.key = "source",
     .type = NTK_VARIANT,
     .offset = offsetof(ntk_data_settings, source),
     .rows = ntk_data_sources,
     .doc = "where the samples come from"},
    {.key = "classes",
     .type = NTK_INTS,
     .offset = offsetof(ntk_data_settings, classes),
     .fallback = "all",
     .low = -1e12,
     .high = 1e12,
     .flags = NTK_ALL,
     .doc = "labels to keep; they become class 0, 1, ... in this order"},
    {.key = "train",
     .type = NTK_SECTION,
     .offset = offsetof(ntk_data_settings, train),
     .section = &train_section,
     .doc = "the training set"},
    {.key = "validation",
     .type = NTK_SECTION,
     .offset = offsetof(ntk_data_settings, validation),
     .fallback = "none",
     .flags = NTK_NONE | NTK_SILENT,
     .section = &validation_section,
     .present = offsetof(ntk_data_settings, validated),
     .doc = "samples of the training file for choosing ridges, stopping times and the like"},
    {.key = "test",
     .type = NTK_SECTION,
     .offset = offsetof(ntk_data_settings, test),
     .section = &test_section,
     .doc = "the test set"},
    {.key = "seed",
     .type = NTK_INT,
     .offset = offsetof(ntk_data_settings, seed),
     .fallback = "0",
     .high = 9007199254740992.0,
     .doc = "of the permutation and of what is generated"},
    {.key = "targets",
     .type = NTK_WORD,
     .offset = offsetof(ntk_data_settings, targets),
     .fallback = "auto",
     .rows = ntk_target_rules,
     .flags = NTK_AUTO,
     .doc = "what is learnt; auto: one_hot_centered for classes, else real"},
    {.key = "center",
     .type = NTK_WORD,
     .offset = offsetof(ntk_data_settings, center),
     .fallback = "none",
     .rows = ntk_center_rules,
     .doc = "subtracted from the inputs; statistics of the training set"},
    {.key = "scale",
     .type = NTK_WORD,
     .offset = offsetof(ntk_data_settings, scale),
     .fallback = "none",
     .rows = ntk_scale_rules,
     .doc = "what the centered inputs are divided by; zero divides by 1"},
    {0},
};

/* Place of a key, or of the section if the key was not written. */
static ntk_mark mark_of(const ntk_node *node, const char *path) {
  const ntk_node *at = ntk_node_at(node, path);

  return at ? at->mark : node->mark;
}

static void check_classes(const ntk_data_settings *s, const ntk_node *node,
                          ntk_problems *problems) {
  const ntk_mark mark = mark_of(node, "classes");

  if (s->classes.count == 0) {
    ntk_problem(problems, mark, "classes is empty; write `all` or some labels");
  }
  for (int64_t i = 0; i < s->classes.count; ++i) {
    if (ntk_class_of(s, s->classes.item[i]) == i) continue;
    ntk_problem(problems, mark, "classes names label %" PRId64 " twice", s->classes.item[i]);
    return;
  }
}

bool ntk_data_balanced(const ntk_data_settings *s) {
  return s->train.balanced || (s->validated && s->validation.balanced) || s->test.balanced;
}

static const char *balanced_key(const ntk_data_settings *s) {
  if (s->train.balanced) return "train.balanced";
  return s->test.balanced ? "test.balanced" : "validation.balanced";
}

static void check_targets(const ntk_data_settings *s, const ntk_node *node,
                          ntk_problems *problems) {
  const ntk_target_rule *rule = (const ntk_target_rule *)s->targets;

  if (!rule) return;
  if (rule->only_classes > 0 && s->classes.count >= 0 && s->classes.count != rule->only_classes) {
    ntk_problem(problems, mark_of(node, "targets"),
                "targets: %s needs %" PRId64 " classes; %" PRId64 " chosen", rule->row.name,
                rule->only_classes, s->classes.count);
  }
  if (ntk_target_rule_classes(rule)) return;
  if (s->classes.count >= 0) {
    ntk_problem(problems, mark_of(node, "classes"),
                "classes chooses among classes, but targets is real; leave one of them out");
  }
  if (ntk_data_balanced(s)) {
    ntk_problem(problems, mark_of(node, balanced_key(s)),
                "balanced needs classes, but targets is real; leave one of them out");
  }
}

/* Generated sources have real targets and no end. */
static void check_generated(const ntk_data_settings *s, const ntk_node *node,
                            ntk_problems *problems) {
  const ntk_target_rule *rule = (const ntk_target_rule *)s->targets;
  const char *name = s->source.row->name;

  if (s->train.count == NTK_AUTO_INT) {
    ntk_problem(problems, mark_of(node, "train.count"),
                "source %s generates its samples; write train: {count: NUMBER}", name);
  }
  if (rule && ntk_target_rule_classes(rule)) {
    ntk_problem(problems, mark_of(node, "targets"),
                "source %s has real targets; targets: %s needs classes", name, rule->row.name);
  }
  if (rule && !ntk_target_rule_classes(rule)) return; /* check_targets has said the rest */
  if (s->classes.count >= 0) {
    ntk_problem(problems, mark_of(node, "classes"), "source %s has no classes", name);
  }
  if (ntk_data_balanced(s)) {
    ntk_problem(problems, mark_of(node, balanced_key(s)), "source %s has no classes to balance",
                name);
  }
}

/* Tokens mean themselves. */
static void check_tokens(const ntk_data_settings *s, const ntk_node *node,
                         ntk_problems *problems) {
  const char *name = s->source.row->name;

  if (s->center != ntk_center_rules[0]) {
    ntk_problem(problems, mark_of(node, "center"), "source %s has integers; write center: none",
                name);
  }
  if (s->scale != ntk_scale_rules[0]) {
    ntk_problem(problems, mark_of(node, "scale"), "source %s has integers; write scale: none",
                name);
  }
}

static void check(const void *settings, const ntk_node *node, ntk_problems *problems) {
  const ntk_data_settings *s = settings;
  const ntk_data_source *source = (const ntk_data_source *)s->source.row;

  if (!source) {
    if (node->count > 0 && !ntk_node_find(node, "source")) {
      ntk_problem(problems, node->mark,
                  "data has no source; write source: fashion_mnist or "
                  "another one of `ntkrun reference`");
    }
    return;
  }
  check_classes(s, node, problems);
  check_targets(s, node, problems);
  if (ntk_data_generates(s)) check_generated(s, node, problems);
  if (source->tokens) check_tokens(s, node, problems);
  if (source->check) source->check(s->source.options, node, problems);
}

const ntk_section ntk_data_section = {.options = data_options, .check = check};

bool ntk_data_generates(const ntk_data_settings *settings) {
  const ntk_data_source *source = (const ntk_data_source *)settings->source.row;

  if (!source->generator) return false;
  return !source->from_files || !source->from_files(settings->source.options);
}

static void samples_destroy(ntk_samples *samples) {
  ntk_free(&samples->inputs);
  ntk_free(&samples->targets);
  ntk_free(&samples->label);
  ntk_free(&samples->index);
}

void ntk_data_destroy(ntk_data *data) {
  samples_destroy(&data->train);
  samples_destroy(&data->validation);
  samples_destroy(&data->test);
  *data = (ntk_data){0};
}

/* Of the raw source, what one of the sets is taken from. */
typedef struct origin {
  const unsigned char *bytes;
  const double *inputs, *target;
  const int64_t *label;
} origin;

static void fill_inputs(const origin *from, const ntk_samples *to, int64_t features) {
  for (int64_t i = 0; i < to->count; ++i) {
    double *row = to->inputs + i * features;
    const int64_t at = to->index[i] * features;

    for (int64_t f = 0; f < features; ++f) {
      row[f] = from->bytes ? from->bytes[at + f] / 255.0 : from->inputs[at + f];
    }
  }
}

static void fill_targets(const ntk_target_rule *rule, const origin *from, const ntk_samples *to,
                         const ntk_data *data) {
  const int64_t outputs = data->outputs;

  if (rule->fill) rule->fill(to->count, data->classes, to->label, to->targets);
  for (int64_t k = 0; !rule->fill && k < to->count * outputs; ++k) {
    const int64_t at = to->index[k / outputs];

    to->targets[k] =
        from->target ? from->target[at * outputs + k % outputs] : (double)from->label[at];
  }
}

static ntk_status fill_samples(const ntk_data_settings *settings, const ntk_target_rule *rule,
                               const origin *from, const int64_t *position, const ntk_data *data,
                               ntk_samples *to) {
  const bool classes = rule->fill && from->label;

  NTK_TRY(NTK_NEW(to->count * data->features, &to->inputs));
  NTK_TRY(NTK_NEW(to->count * data->outputs, &to->targets));
  NTK_TRY(NTK_NEW(to->count, &to->label));
  NTK_TRY(NTK_NEW(to->count, &to->index));
  for (int64_t i = 0; i < to->count; ++i) {
    to->index[i] = position[i];
    to->label[i] = classes ? ntk_class_of(settings, from->label[position[i]]) : -1;
  }
  fill_inputs(from, to, data->features);
  fill_targets(rule, from, to, data);
  return NTK_OK;
}

static void describe(const ntk_target_rule *rule, const ntk_raw *raw, const ntk_selection *s,
                     ntk_data *data) {
  data->shape = raw->shape;
  data->features = ntk_shape_count(&raw->shape);
  data->classes = s->classes;
  data->outputs = raw->target_columns > 0 ? raw->target_columns : 1;
  if (rule->fill) data->outputs = rule->wide ? s->classes : 1;
  data->vocabulary = raw->vocabulary;
  data->train.count = s->train_count;
  data->validation.count = s->validation_count;
  data->test.count = s->test_count;
}

static ntk_status fill(const ntk_data_settings *settings, const ntk_raw *raw,
                       const ntk_selection *s, ntk_data *data) {
  const ntk_target_rule *rule = ntk_target_rule_of(settings, raw);
  const origin train = {raw->train_bytes, raw->train_inputs, raw->train_target, raw->train_label};
  const origin own = {raw->test_bytes, raw->test_inputs, raw->test_target, raw->test_label};
  const origin drawn = {.inputs = raw->validation_inputs, .target = raw->validation_target};
  const origin *test = s->test_from_train ? &train : &own;
  const origin *validation = raw->validation_count > 0 ? &drawn : &train;

  NTK_TRY(fill_samples(settings, rule, &train, s->train, data, &data->train));
  NTK_TRY(fill_samples(settings, rule, validation, s->validation, data, &data->validation));
  NTK_TRY(fill_samples(settings, rule, test, s->test, data, &data->test));
  return ntk_inputs_scale(settings, data);
}

/* Selects from the source; with `full` the samples are prepared as well. */
static ntk_status prepare(const ntk_data_settings *settings, const ntk_raw *raw, bool full,
                          ntk_data *data) {
  ntk_selection selection = {0};
  ntk_status status = ntk_selection_make(settings, raw, &selection);

  if (status == NTK_OK) describe(ntk_target_rule_of(settings, raw), raw, &selection, data);
  if (status == NTK_OK && full) status = fill(settings, raw, &selection, data);
  ntk_selection_destroy(&selection);
  return status;
}

static ntk_status prepare_generated(const ntk_data_settings *settings, bool full, ntk_data *data) {
  const ntk_data_source *source = (const ntk_data_source *)settings->source.row;
  const ntk_generator generator = source->generator(settings, settings->source.options);
  ntk_raw raw = {0};
  ntk_status status = full ? ntk_generator_draw(settings, &generator, &raw)
                           : ntk_generator_describe(settings, &generator, &raw);

  if (status == NTK_OK) status = prepare(settings, &raw, full, data);
  ntk_raw_destroy(&raw);
  return status;
}

ntk_status ntk_data_source_key(const ntk_data_settings *settings, ntk_key key) {
  ntk_text text = {0};
  ntk_status status = NTK_OK;

  key[0] = '\0';
  if (!settings->source.row || ntk_data_generates(settings)) return NTK_OK;
  status = ntk_choice_canonical(&settings->source, &text);
  if (status == NTK_OK) ntk_hash_bytes(ntk_text_string(&text), text.length, key);
  ntk_text_destroy(&text);
  return status;
}

/* Somebody who was told the key before must get what it stands for. */
static ntk_status read_source(const ntk_data_settings *settings, const char *key, ntk_raw *raw) {
  const ntk_data_source *source = (const ntk_data_source *)settings->source.row;
  ntk_key now = "";

  NTK_TRY(source->read(settings->source.options, raw));
  if (!settings->source_key[0]) return NTK_OK;
  NTK_TRY(ntk_data_source_key(settings, now));
  NTK_CHECK(strcmp(now, key) == 0, NTK_E_INPUT,
            "files of data.source %s have changed since the job began; start it again",
            source->row.name);
  return NTK_OK;
}

/* The source of `settings`, which the cache then holds; on failure it does not. */
static ntk_status get_source(const ntk_data_settings *settings, ntk_data_cache *cache,
                             const ntk_raw **raw) {
  ntk_key key = "";

  if (settings->source_key[0]) {
    memcpy(key, settings->source_key, NTK_KEY_SIZE);
  } else {
    NTK_TRY(ntk_data_present(settings));
    NTK_TRY(ntk_data_source_key(settings, key));
  }
  *raw = ntk_data_cache_find(cache, key);
  if (*raw) return NTK_OK;
  ntk_raw *added = ntk_data_cache_add(cache, key);
  const ntk_status status = read_source(settings, key, added);

  *raw = added;
  if (status == NTK_OK) {
    ntk_data_cache_trim(cache);
  } else {
    ntk_data_cache_drop(cache);
  }
  return status;
}

static ntk_status load(const ntk_data_settings *settings, ntk_data_cache *cache, bool full,
                       ntk_data *data) {
  const ntk_data_source *source = (const ntk_data_source *)settings->source.row;
  const ntk_raw *raw = NULL;

  NTK_CHECK(source, NTK_E_CONFIG, "data.source is missing: write where the samples come from");
  if (ntk_data_generates(settings)) return prepare_generated(settings, full, data);
  NTK_TRY(get_source(settings, cache, &raw));
  return prepare(settings, raw, full, data);
}

static ntk_status load_or_nothing(const ntk_data_settings *settings, ntk_data_cache *cache,
                                  bool full, ntk_data *data) {
  *data = (ntk_data){0};
  const ntk_status status = load(settings, cache, full, data);

  if (status != NTK_OK) ntk_data_destroy(data);
  return status;
}

ntk_status ntk_data_load(const ntk_data_settings *settings, ntk_data_cache *cache, ntk_data *data) {
  return load_or_nothing(settings, cache, true, data);
}

ntk_status ntk_data_probe(const ntk_data_settings *settings, ntk_data_cache *cache,
                          ntk_data *data) {
  return load_or_nothing(settings, cache, false, data);
}

static ntk_status probe_anew(const ntk_data_settings *settings, ntk_data_cache *cache,
                             ntk_probed *place) {
  place->key[0] = '\0';
  NTK_TRY(ntk_data_probe(settings, cache, &place->data));
  place->source_bytes = ntk_data_generates(settings) ? 0 : ntk_raw_bytes(&cache->held[0].raw);
  return NTK_OK;
}

ntk_status ntk_data_probe_by_key(const ntk_data_settings *settings, const char *key,
                                 ntk_data_cache *cache, const ntk_probed **probed) {
  for (int k = 0; key[0] && k < NTK_MOST_PROBED; ++k) {
    *probed = &cache->probed[k];
    if (strcmp((*probed)->key, key) == 0) return NTK_OK;
  }
  ntk_probed *place = &cache->probed[cache->probes++ % NTK_MOST_PROBED];

  NTK_TRY(probe_anew(settings, cache, place));
  if (key[0]) memcpy(place->key, key, NTK_KEY_SIZE);
  *probed = place;
  return NTK_OK;
}

ntk_status ntk_data_present(const ntk_data_settings *settings) {
  const ntk_data_source *source = (const ntk_data_source *)settings->source.row;

  return source && source->present ? source->present(settings->source.options) : NTK_OK;
}
