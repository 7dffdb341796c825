#include "ntk/run/schedule.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ntk/base/memory.h"
#include "ntk/config/scalar.h"

const ntk_pace ntk_pace_predicted = {{1, 1, 1}};

double ntk_unit_seconds(const ntk_unit *unit, const ntk_pace *pace, int ranks) {
  double shared = 0;

  for (int k = 1; k < NTK_PARTS; ++k) shared += pace->factor[k] * unit->part[k];
  return pace->factor[0] * unit->part[0] + shared / ranks;
}

/* ---- groups ------------------------------------------------------------------------------------ */

int ntk_groups_half(int ranks) { return ranks - ranks / 2; }

int ntk_groups_levels(const ntk_groups *groups) {
  int levels = 1;

  if (groups->group_ranks) return 1;
  for (int ranks = groups->ranks; ranks > 1; ranks = ntk_groups_half(ranks)) ++levels;
  return levels;
}

int ntk_groups_least(const ntk_groups *groups, int level) {
  if (groups->group_ranks) return groups->group_ranks;
  const int least = groups->ranks >> level;

  return least > 0 ? least : 1;
}

int ntk_groups_fewest(const ntk_groups *groups, const ntk_unit *unit) {
  if (groups->group_ranks) return groups->group_ranks;
  if (unit->least_ranks < 1) return 1;
  return unit->least_ranks > groups->ranks ? groups->ranks : unit->least_ranks;
}

/* ---- simulation -------------------------------------------------------------------------------- */

typedef struct group {
  double free_at;
  int first, ranks, level;
} group;

/* A heap of groups, the one that is free first on top. */
typedef struct simulation {
  int count, levels;
  group *group;                       /* [ranks] */
  int64_t *next;                      /* [units] of the same level */
  int64_t head[NTK_MOST_LEVELS];      /* first unit of a level that nobody has; -1: none */
  double end;
} simulation;

static bool is_before(const group *a, const group *b) {
  return a->free_at < b->free_at || (a->free_at == b->free_at && a->first < b->first);
}

static void swap(group *a, group *b) {
  const group kept = *a;

  *a = *b;
  *b = kept;
}

static void push(simulation *s, group g) {
  int k = s->count++;

  s->group[k] = g;
  for (; k > 0 && is_before(&s->group[k], &s->group[(k - 1) / 2]); k = (k - 1) / 2) {
    swap(&s->group[k], &s->group[(k - 1) / 2]);
  }
}

static group pop(simulation *s) {
  const group top = s->group[0];

  s->group[0] = s->group[--s->count];
  for (int k = 0, child = 1; child < s->count; k = child, child = 2 * k + 1) {
    if (child + 1 < s->count && is_before(&s->group[child + 1], &s->group[child])) ++child;
    if (!is_before(&s->group[child], &s->group[k])) break;
    swap(&s->group[child], &s->group[k]);
  }
  return top;
}

/* What is to be simulated; times are those of `pace`, or given. */
typedef struct workload {
  const ntk_unit *units;
  int64_t count;
  const int64_t *order;
  const int *level;
  const ntk_groups *groups;
  const ntk_pace *pace;
  const double *seconds; /* [count] of units that run already, NaN of others; NULL: none does */
} workload;

static double unit_seconds(const workload *w, int64_t unit, int ranks) {
  if (w->seconds && !isnan(w->seconds[unit])) return w->seconds[unit];
  return ntk_unit_seconds(&w->units[unit], w->pace, ranks);
}

/* Units of each level as a list, the longest first. */
static void line_up(const workload *w, simulation *s) {
  s->levels = ntk_groups_levels(w->groups);
  for (int k = 0; k < s->levels; ++k) s->head[k] = -1;
  for (int64_t k = w->count - 1; k >= 0; --k) {
    const int64_t unit = w->order[k];
    const int level = w->level[unit];

    if (level < 0) continue;
    s->next[unit] = s->head[level];
    s->head[level] = unit;
  }
}

static void begin_groups(const ntk_groups *groups, simulation *s) {
  const int size = groups->group_ranks ? groups->group_ranks : groups->ranks;

  s->count = 0;
  for (int first = 0; first + size <= groups->ranks; first += size) {
    push(s, (group){0, first, size, 0});
  }
}

static bool any_below(const simulation *s, int level) {
  for (int k = level + 1; k < s->levels; ++k) {
    if (s->head[k] >= 0) return true;
  }
  return false;
}

/* One level down, in halves if there is more than one rank. */
static void descend(simulation *s, group g) {
  const int half = ntk_groups_half(g.ranks);

  push(s, (group){g.free_at, g.first, half, g.level + 1});
  if (g.ranks > half) push(s, (group){g.free_at, g.first + half, g.ranks - half, g.level + 1});
}

/*   owner  NULL: not wanted */
static double simulate(const workload *w, simulation *s, int *owner) {
  line_up(w, s);
  begin_groups(w->groups, s);
  s->end = 0;
  while (s->count > 0) {
    group g = pop(s);
    const int64_t unit = s->head[g.level];

    if (unit >= 0) {
      s->head[g.level] = s->next[unit];
      g.free_at += unit_seconds(w, unit, g.ranks);
      s->end = fmax(s->end, g.free_at);
      if (owner) owner[unit] = g.first;
      push(s, g);
    } else if (any_below(s, g.level)) {
      descend(s, g);
    }
  }
  return s->end;
}

static ntk_status simulation_create(const workload *w, simulation *s) {
  *s = (simulation){0};
  NTK_TRY(NTK_NEW(w->groups->ranks + 1, &s->group));
  return NTK_NEW(w->count, &s->next);
}

static void simulation_destroy(simulation *s) {
  ntk_free(&s->group);
  ntk_free(&s->next);
}

/* ---- levels ------------------------------------------------------------------------------------ */

enum { TRIALS = 40 };

/* The deepest level on which the unit keeps to the time and fits into memory. */
static int level_within(const workload *w, const ntk_unit *unit, double time) {
  int level = ntk_groups_levels(w->groups) - 1;

  for (; level > 0; --level) {
    const int ranks = ntk_groups_least(w->groups, level);

    if (ranks >= unit->least_ranks && ntk_unit_seconds(unit, w->pace, ranks) <= time) break;
  }
  return level;
}

static void set_levels(const workload *w, const bool *wanted, double time, int *level) {
  for (int64_t k = 0; k < w->count; ++k) {
    level[k] = !wanted || wanted[k] ? level_within(w, &w->units[k], time) : -1;
  }
}

/* Unit times from that of the shortest on all ranks to that of the longest on one. */
static void time_range(const workload *w, const bool *wanted, double *least, double *most) {
  *least = INFINITY;
  *most = 0;
  for (int64_t k = 0; k < w->count; ++k) {
    if (wanted && !wanted[k]) continue;
    *least = fmin(*least, ntk_unit_seconds(&w->units[k], w->pace, w->groups->ranks));
    *most = fmax(*most, ntk_unit_seconds(&w->units[k], w->pace, 1));
  }
  *least = fmax(*least, 1e-9 * *most);
}

static void choose_levels(const workload *w, const bool *wanted, simulation *s,
                          ntk_schedule *schedule) {
  const int trials = ntk_groups_levels(w->groups) > 1 ? TRIALS : 1;
  double least = 0, most = 0, best = INFINITY, chosen = INFINITY;

  time_range(w, wanted, &least, &most);
  for (int k = 0; k < trials; ++k) {
    const double time = most * pow(0.99 * least / most, (double)k / TRIALS);

    set_levels(w, wanted, time, schedule->level);
    const double seconds = simulate(w, s, NULL);

    if (seconds < best) {
      best = seconds;
      chosen = time;
    }
  }
  set_levels(w, wanted, chosen, schedule->level);
  schedule->seconds = simulate(w, s, NULL);
}

/* -1: no unit is wanted. */
static int first_level(const workload *w, const ntk_schedule *schedule) {
  int first = -1;

  for (int64_t k = 0; k < w->count; ++k) {
    const int level = schedule->level[k];

    if (level >= 0 && (first < 0 || level < first)) first = level;
  }
  return first;
}

/* A few units of different length that take next to no time come first, on as many ranks as the
 * longest get: where each of those takes a good part of the whole time, they tell early how fast the
 * machine is.  The first of them pays for memory that is new; the shorter ones after it show that. */
static void put_probes_first(const workload *w, ntk_schedule *schedule) {
  enum { PROBES = 8 };
  const int level = first_level(w, schedule);

  if (level < 0) return;
  const int ranks = ntk_groups_least(w->groups, level);
  /* All of them together take 0.05 of the time of all ranks at most, one 0.03 of that of its group. */
  const double share = fmin(0.006 * w->groups->ranks / ranks, 0.03);
  double most = share * schedule->seconds;
  int64_t probes = 0;

  for (int64_t k = 0; k < w->count && probes < PROBES; ++k) {
    const int64_t unit = schedule->order[k];
    const double seconds = ntk_unit_seconds(&w->units[unit], w->pace, ranks);

    if (schedule->level[unit] < 0 || seconds > most) continue;
    most = 0.8 * seconds;
    schedule->level[unit] = level;
    memmove(schedule->order + probes + 1, schedule->order + probes,
            (size_t)(k - probes) * sizeof(*schedule->order));
    schedule->order[probes++] = unit;
  }
}

typedef struct sized {
  double seconds;
  int64_t unit;
} sized;

static int by_seconds(const void *a, const void *b) {
  const sized *x = a, *y = b;

  if (x->seconds != y->seconds) return x->seconds > y->seconds ? -1 : 1;
  return x->unit < y->unit ? -1 : 1;
}

/* The longest first, on one rank. */
static ntk_status sort_units(const ntk_unit *units, int64_t count, const ntk_pace *pace,
                             int64_t *order) {
  sized *all = NULL;

  NTK_TRY(NTK_NEW(count, &all));
  for (int64_t k = 0; k < count; ++k) all[k] = (sized){ntk_unit_seconds(&units[k], pace, 1), k};
  if (count > 0) qsort(all, (size_t)count, sizeof(*all), by_seconds);
  for (int64_t k = 0; k < count; ++k) order[k] = all[k].unit;
  ntk_free(&all);
  return NTK_OK;
}

static ntk_status make(const workload *w, const bool *wanted, ntk_schedule *schedule) {
  simulation s = {0};

  NTK_TRY(NTK_NEW(w->count, &schedule->level));
  NTK_TRY(NTK_NEW(w->count, &schedule->owner));
  NTK_TRY(NTK_NEW(w->count, &schedule->order));
  NTK_TRY(sort_units(w->units, w->count, w->pace, schedule->order));
  workload ordered = *w;

  ordered.order = schedule->order;
  ordered.level = schedule->level;
  const ntk_status status = simulation_create(w, &s);

  if (status == NTK_OK) {
    choose_levels(&ordered, wanted, &s, schedule);
    put_probes_first(&ordered, schedule);
    schedule->seconds = simulate(&ordered, &s, schedule->owner);
  }
  simulation_destroy(&s);
  return status;
}

ntk_status ntk_schedule_make(const ntk_unit *units, int64_t count, const bool *wanted,
                             const ntk_groups *groups, const ntk_pace *pace,
                             ntk_schedule *schedule) {
  const workload w = {.units = units, .count = count, .groups = groups, .pace = pace};

  *schedule = (ntk_schedule){0};
  const ntk_status status = make(&w, wanted, schedule);

  if (status != NTK_OK) ntk_schedule_destroy(schedule);
  return status;
}

void ntk_schedule_destroy(ntk_schedule *schedule) {
  ntk_free(&schedule->level);
  ntk_free(&schedule->owner);
  ntk_free(&schedule->order);
  *schedule = (ntk_schedule){0};
}

double ntk_schedule_bound(const ntk_unit *units, int64_t count, const ntk_groups *groups,
                          const ntk_pace *pace) {
  const int most = groups->group_ranks ? groups->group_ranks : groups->ranks;
  double longest = 0, sum = 0;

  for (int64_t k = 0; k < count; ++k) {
    const int ranks = ntk_groups_fewest(groups, &units[k]);

    sum += ranks * ntk_unit_seconds(&units[k], pace, ranks);
    longest = fmax(longest, ntk_unit_seconds(&units[k], pace, most));
  }
  return fmax(longest, sum / groups->ranks);
}

/* ---- time left --------------------------------------------------------------------------------- */

/* A finished unit: seconds of its parts on its ranks, then in terms of all of it (make_relative). */
typedef struct sample {
  double seconds;                                /* that it took in all */
  double predicted[NTK_PARTS], taken[NTK_PARTS]; /* both 0 if not known */
  double trust;                                  /* of the latest 1 */
  double weight;                                 /* of those, less if it lies far off */
} sample;

static bool says_something(const ntk_unit_state *state) {
  return state->state == NTK_UNIT_ENDED && state->seconds > 0 && state->ranks > 0;
}

/* Of the units that do. */
typedef struct span {
  double least_age, most_age;
} span;

static span find_span(int64_t count, const ntk_unit_state *state) {
  span s = {.least_age = INFINITY};

  for (int64_t k = 0; k < count; ++k) {
    if (!says_something(&state[k])) continue;
    s.least_age = fmin(s.least_age, state[k].age);
    s.most_age = fmax(s.most_age, state[k].age);
  }
  return s;
}

/* What ended lately is more like what is left, in size, and the machine is as it was then. */
static double trust_in(const ntk_unit_state *state, const span *all) {
  const double share = 0.5, age = state->age - all->least_age;

  return 1 / (1 + pow(age / fmax(share * all->most_age, 1e-9), 2));
}

/* False if nothing is known of it. */
static bool take_sample(const ntk_unit *unit, const ntk_unit_state *state, sample *s) {
  int known = 0;

  *s = (sample){.seconds = state->seconds};
  if (!says_something(state)) return false;
  for (int i = 0; i < NTK_PARTS; ++i) {
    const int ranks = i == NTK_PART_POINTS ? 1 : state->ranks;

    const int as = unit->part[i] > 0 ? i : NTK_PART_POINTS; /* kernels that are read, say */

    if (isnan(state->part[i])) continue;
    s->predicted[i] += unit->part[i] / ranks;
    s->taken[as] += state->part[i];
    ++known;
  }
  return known > 0;
}

static int64_t take_samples(const ntk_unit *units, int64_t count, const ntk_unit_state *state,
                            sample *samples) {
  const span all = find_span(count, state);
  int64_t used = 0;

  for (int64_t k = 0; k < count; ++k) {
    sample *s = &samples[used];

    if (!take_sample(&units[k], &state[k], s)) continue;
    s->trust = trust_in(&state[k], &all);
    s->weight = s->trust;
    ++used;
  }
  return used;
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;

  return (x > y) - (x < y);
}

static double median(double *values, int64_t count) {
  qsort(values, (size_t)count, sizeof(*values), ascending);
  return values[count / 2];
}

static double predicted_in_all(const sample *s) {
  double sum = 0;

  for (int i = 0; i < NTK_PARTS; ++i) sum += s->predicted[i];
  return sum;
}

/* In terms of what it took or, if that is more, what it should have taken as the others did: else one
 * that took next to nothing would be the largest of all. */
static void make_relative(sample *samples, int64_t count, double *scratch) {
  for (int64_t k = 0; k < count; ++k) {
    scratch[k] = samples[k].seconds / fmax(predicted_in_all(&samples[k]), 1e-9);
  }
  const double usual = median(scratch, count);

  for (int64_t k = 0; k < count; ++k) {
    sample *s = &samples[k];
    const double whole = fmax(s->seconds, usual * predicted_in_all(s));

    for (int i = 0; i < NTK_PARTS; ++i) {
      s->predicted[i] /= whole;
      s->taken[i] /= whole;
    }
  }
}

/* Minimizes sum weight (factor predicted - taken)^2 + pull (factor / prior - 1)^2. */
static double fit_factor(const sample *samples, int64_t count, int part, double prior) {
  const double pull = part == NTK_PART_POINTS ? 1e-6 : 0.02; /* an analysis may take any time */
  const double least = 0.02;
  double top = pull / prior, bottom = pull / (prior * prior);

  for (int64_t k = 0; k < count; ++k) {
    const double predicted = samples[k].predicted[part];

    top += samples[k].weight * predicted * samples[k].taken[part];
    bottom += samples[k].weight * predicted * predicted;
  }
  return fmax(top / bottom, least * prior);
}

static double error_of(const sample *s, const ntk_pace *pace) {
  double sum = 0;

  for (int i = 0; i < NTK_PARTS; ++i) {
    sum += fabs(pace->factor[i] * s->predicted[i] - s->taken[i]);
  }
  return sum;
}

/* What lies far from the others counts less. */
static void weigh(sample *samples, int64_t count, const ntk_pace *pace, double *scratch) {
  for (int64_t k = 0; k < count; ++k) scratch[k] = error_of(&samples[k], pace);
  const double spread = fmax(1.5 * median(scratch, count), 0.05);

  for (int64_t k = 0; k < count; ++k) {
    const double off = error_of(&samples[k], pace) / (2 * spread);

    samples[k].weight = samples[k].trust / (1 + off * off);
  }
}

/* By which kernels and spectra differ in common: one of them may not have been seen yet. */
static double common_factor(const sample *samples, int64_t count) {
  double predicted = 0, taken = 0;

  for (int64_t k = 0; k < count; ++k) {
    const sample *s = &samples[k];

    for (int i = NTK_PART_KERNEL; i < NTK_PARTS; ++i) {
      predicted += s->weight * s->predicted[i];
      taken += s->weight * s->taken[i];
    }
  }
  return predicted > 0 ? fmax(taken / predicted, 1e-6) : 1;
}

static void fit(sample *samples, int64_t count, double *scratch, ntk_pace *pace) {
  enum { ROUNDS = 5 };

  make_relative(samples, count, scratch);
  for (int round = 0; round < ROUNDS; ++round) {
    const double common = common_factor(samples, count);

    for (int i = 0; i < NTK_PARTS; ++i) {
      pace->factor[i] = fit_factor(samples, count, i, i == NTK_PART_POINTS ? 1 : common);
    }
    weigh(samples, count, pace, scratch);
  }
}

bool ntk_pace_fit(const ntk_unit *units, int64_t count, const ntk_unit_state *state,
                  ntk_pace *pace) {
  sample *samples = NULL;
  double *scratch = NULL;
  bool found = false;

  *pace = ntk_pace_predicted;
  if (NTK_NEW(count, &samples) == NTK_OK && NTK_NEW(count, &scratch) == NTK_OK) {
    const int64_t used = take_samples(units, count, state, samples);

    found = used > 0;
    if (found) fit(samples, used, scratch, pace);
  }
  ntk_free(&samples);
  ntk_free(&scratch);
  return found;
}

/* What a simulation of the rest starts from; all arrays are [count]. */
typedef struct rest {
  int *level;
  double *seconds;
  int64_t *order;
} rest;

/* Units at work come first: they have their ranks already. */
static void list_rest(const workload *w, const ntk_unit_state *state, const ntk_schedule *schedule,
                      rest *r) {
  const double overdue = 0.1; /* what runs longer than predicted will go on for a while */
  int64_t used = 0;

  for (int pass = 0; pass < 2; ++pass) {
    for (int64_t k = 0; k < w->count; ++k) {
      const int64_t unit = schedule->order[k];
      const bool runs = state[unit].state == NTK_UNIT_RUNS;

      if (runs == (pass == 0)) r->order[used++] = unit;
    }
  }
  for (int64_t k = 0; k < w->count; ++k) {
    const bool runs = state[k].state == NTK_UNIT_RUNS;

    r->level[k] = state[k].state == NTK_UNIT_ENDED ? -1 : schedule->level[k];
    r->seconds[k] = NAN;
    if (!runs) continue;
    r->seconds[k] =
        fmax(ntk_unit_seconds(&w->units[k], w->pace, state[k].ranks) - state[k].seconds,
             overdue * state[k].seconds);
  }
}

static ntk_status simulate_rest(workload w, const ntk_unit_state *state,
                                const ntk_schedule *schedule, rest *r, double *seconds) {
  simulation s = {0};

  NTK_TRY(NTK_NEW(w.count, &r->level));
  NTK_TRY(NTK_NEW(w.count, &r->seconds));
  NTK_TRY(NTK_NEW(w.count, &r->order));
  list_rest(&w, state, schedule, r);
  w.level = r->level;
  w.seconds = r->seconds;
  w.order = r->order;
  const ntk_status status = simulation_create(&w, &s);

  if (status == NTK_OK) *seconds = simulate(&w, &s, NULL);
  simulation_destroy(&s);
  return status;
}

ntk_status ntk_schedule_left(const ntk_unit *units, int64_t count, const ntk_unit_state *state,
                             const ntk_schedule *schedule, const ntk_groups *groups,
                             double *seconds) {
  ntk_pace pace = ntk_pace_predicted;
  rest r = {0};

  (void)ntk_pace_fit(units, count, state, &pace);
  const ntk_status status =
      simulate_rest((workload){.units = units, .count = count, .groups = groups, .pace = &pace},
                    state, schedule, &r, seconds);

  ntk_free(&r.level);
  ntk_free(&r.seconds);
  ntk_free(&r.order);
  return status;
}

/* ---- shards ------------------------------------------------------------------------------------ */

enum { MOST_SHARDS = 1000000 };

ntk_status ntk_shard_read(const char *text, ntk_shard *shard) {
  const size_t length = strcspn(text, "/");
  char index[32] = "";

  if (length < sizeof(index)) (void)snprintf(index, sizeof(index), "%.*s", (int)length, text);
  const bool read = text[length] == '/' && ntk_scalar_int(index, &shard->index) &&
                    ntk_scalar_int(text + length + 1, &shard->count);
  const bool fits = read && shard->index >= 1 && shard->index <= shard->count;

  NTK_CHECK(fits && shard->count <= MOST_SHARDS, NTK_E_USAGE,
            "--shard %.40s: write the part and the number of parts (at most a million), from 1/k to "
            "k/k, as in 2/5",
            text);
  return NTK_OK;
}

/* The longest unit that is left goes to the part that has least. */
static void deal(const ntk_unit *units, int64_t count, const int64_t *order,
                 const ntk_shard *shard, simulation *s, bool *mine) {
  for (int64_t k = 0; k < shard->count; ++k) push(s, (group){0, (int)k, 1, 0});
  for (int64_t k = 0; k < count; ++k) {
    group part = pop(s);

    part.free_at += ntk_unit_seconds(&units[order[k]], &ntk_pace_predicted, 1);
    mine[order[k]] = part.first == shard->index - 1;
    push(s, part);
  }
}

ntk_status ntk_shard_units(const ntk_unit *units, int64_t count, const ntk_shard *shard,
                           bool *mine) {
  simulation s = {0};
  int64_t *order = NULL;
  ntk_status status = NTK_NEW(shard->count + 1, &s.group);

  if (status == NTK_OK) status = NTK_NEW(count, &order);
  if (status == NTK_OK) status = sort_units(units, count, &ntk_pace_predicted, order);
  if (status == NTK_OK) deal(units, count, order, shard, &s, mine);
  ntk_free(&order);
  simulation_destroy(&s);
  return status;
}
