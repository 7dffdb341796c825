#include "ntk/run/units.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ntk/base/memory.h"
#include "ntk/run/cost.h"
#include "ntk/run/folder.h"
#include "ntk/run/tempo.h"

/* ---- grouping ---------------------------------------------------------------------------------- */

/* A kernel of a point. */
typedef struct member {
  ntk_key key;
  int64_t point;
} member;

typedef struct grouping {
  int64_t count, points;
  member *member;  /* [count] by key */
  int64_t *leader; /* [points] of a tree of points that share kernels; the first of them on top */
  int64_t *unit;   /* [points] */
} grouping;

static int by_key(const void *a, const void *b) {
  const member *x = a, *y = b;
  const int order = strcmp(x->key, y->key);

  return order ? order : (x->point > y->point) - (x->point < y->point);
}

static int64_t quantities(const ntk_point *point) { return point->settings.kernel.quantity.count; }

static void list_members(const ntk_job *job, grouping *g) {
  for (int64_t k = 0; k < job->point_count; ++k) {
    for (int64_t which = 0; which < quantities(&job->point[k]); ++which) {
      member *m = &g->member[g->count++];

      m->point = k;
      (void)snprintf(m->key, sizeof(m->key), "%s", ntk_point_lock(&job->point[k], which));
    }
  }
  if (g->count > 0) qsort(g->member, (size_t)g->count, sizeof(*g->member), by_key);
}

static int64_t find_leader(grouping *g, int64_t point) {
  while (g->leader[point] != point) {
    g->leader[point] = g->leader[g->leader[point]];
    point = g->leader[point];
  }
  return point;
}

static bool shares_key(const grouping *g, int64_t k) {
  return k > 0 && strcmp(g->member[k - 1].key, g->member[k].key) == 0;
}

static void find_leaders(grouping *g) {
  for (int64_t p = 0; p < g->points; ++p) g->leader[p] = p;
  for (int64_t k = 1; k < g->count; ++k) {
    if (!shares_key(g, k)) continue;
    const int64_t a = find_leader(g, g->member[k - 1].point);
    const int64_t b = find_leader(g, g->member[k].point);

    g->leader[a > b ? a : b] = a < b ? a : b;
  }
}

/* Numbers of units follow those of their first points. */
static void number_units(grouping *g, ntk_units *units) {
  for (int64_t p = 0; p < g->points; ++p) {
    const int64_t leader = find_leader(g, p);

    g->unit[p] = leader == p ? units->count++ : g->unit[leader];
  }
}

/* From numbers of entries, one place further on, to places of the first ones. */
static void add_up(int64_t count, int64_t *first) {
  for (int64_t k = 0; k < count; ++k) first[k + 1] += first[k];
}

static void move_back(int64_t count, int64_t *first) {
  for (int64_t k = count; k > 0; --k) first[k] = first[k - 1];
  first[0] = 0;
}

static void list_points(const grouping *g, ntk_units *units) {
  for (int64_t p = 0; p < g->points; ++p) ++units->first[g->unit[p] + 1];
  add_up(units->count, units->first);
  for (int64_t p = 0; p < g->points; ++p) units->point[units->first[g->unit[p]]++] = p;
  move_back(units->count, units->first);
}

static void list_locks(const grouping *g, ntk_units *units) {
  for (int64_t k = 0; k < g->count; ++k) {
    if (!shares_key(g, k)) ++units->first_lock[g->unit[g->member[k].point] + 1];
  }
  add_up(units->count, units->first_lock);
  for (int64_t k = 0; k < g->count; ++k) {
    if (shares_key(g, k)) continue;
    int64_t *at = &units->first_lock[g->unit[g->member[k].point]];

    memcpy(units->lock[(*at)++], g->member[k].key, NTK_KEY_SIZE);
  }
  move_back(units->count, units->first_lock);
}

static ntk_status group_points(const ntk_job *job, grouping *g, ntk_units *units) {
  int64_t members = 0;

  g->points = job->point_count;
  for (int64_t k = 0; k < g->points; ++k) members += quantities(&job->point[k]);
  NTK_TRY(NTK_NEW(members, &g->member));
  NTK_TRY(NTK_NEW(g->points, &g->leader));
  NTK_TRY(NTK_NEW(g->points, &g->unit));
  NTK_TRY(NTK_NEW(g->points + 1, &units->first));
  NTK_TRY(NTK_NEW(g->points + 1, &units->first_lock));
  NTK_TRY(NTK_NEW(g->points, &units->point));
  NTK_TRY(NTK_NEW(members, &units->lock));
  list_members(job, g);
  find_leaders(g);
  number_units(g, units);
  list_points(g, units);
  list_locks(g, units);
  return NTK_OK;
}

static ntk_status make_units(const ntk_job *job, ntk_units *units) {
  grouping g = {0};
  const ntk_status status = group_points(job, &g, units);

  ntk_free(&g.member);
  ntk_free(&g.leader);
  ntk_free(&g.unit);
  return status;
}

int64_t ntk_unit_lock_count(const ntk_units *units, int64_t unit) {
  return units->first_lock[unit + 1] - units->first_lock[unit];
}

const ntk_key *ntk_unit_locks(const ntk_units *units, int64_t unit) {
  return (const ntk_key *)&units->lock[units->first_lock[unit]];
}

ntk_status ntk_units_make(const ntk_job *job, ntk_units *units) {
  *units = (ntk_units){0};
  const ntk_status status = make_units(job, units);

  if (status != NTK_OK) ntk_units_destroy(units);
  return status;
}

void ntk_units_destroy(ntk_units *units) {
  ntk_free(&units->first);
  ntk_free(&units->point);
  ntk_free(&units->first_lock);
  ntk_free(&units->lock);
  *units = (ntk_units){0};
}

/* ---- forecast ---------------------------------------------------------------------------------- */

/* Of all units together. */
typedef struct totals {
  double transient; /* bytes */
  int64_t rows;     /* of the largest */
} totals;

/* The point that stands for its unit: the first that is pending, or the first. */
static int64_t representative(const ntk_outlook *o, int64_t unit, int64_t *pending) {
  int64_t found = -1;

  *pending = 0;
  for (int64_t k = o->units->first[unit]; k < o->units->first[unit + 1]; ++k) {
    const int64_t point = o->units->point[k];

    if (!o->pending[point]) continue;
    if (found < 0) found = point;
    ++*pending;
  }
  return found < 0 ? o->units->point[o->units->first[unit]] : found;
}

/* Spectra of the points that do not share the one of the point before. */
static int64_t count_spectra(const ntk_outlook *o, int64_t unit) {
  const char *last = "";
  int64_t count = 0;

  for (int64_t k = o->units->first[unit]; k < o->units->first[unit + 1]; ++k) {
    const char *key = ntk_point_key(&o->job->point[o->units->point[k]], "spectrum");

    count += strcmp(key, last) != 0;
    last = key;
  }
  return count > 0 ? count : 1;
}

/* The smallest group of the chain in which a rank's part fits; more than there are if none. */
static ntk_status find_least_ranks(const ntk_outlook *o, const ntk_point *point, int *least,
                                   double *memory) {
  int level = ntk_groups_levels(&o->groups) - 1;
  ntk_point_cost cost = {0};

  for (; level >= 0; --level) {
    *least = ntk_groups_least(&o->groups, level);
    NTK_TRY(ntk_point_cost_of(point, *least, o->cache, &cost));
    *memory = cost.bytes_per_rank;
    if (cost.bytes_per_rank <= o->memory_per_rank && cost.ranks_needed <= *least) return NTK_OK;
  }
  *least = o->groups.ranks + 1;
  return NTK_OK;
}

/* Kernel and spectrum on disk while a long stage may have to be resumed, for every group of the
 * unit's size at once. */
static double transient_bytes(const ntk_outlook *o, const ntk_settings *s,
                              const ntk_point_cost *cost, const ntk_unit *unit) {
  const int ranks = ntk_groups_fewest(&o->groups, unit);
  const double groups = (double)o->groups.ranks / ranks;
  const double seconds = (unit->part[NTK_PART_KERNEL] + unit->part[NTK_PART_SPECTRUM]) / ranks;

  if (seconds < s->run.checkpoint_after) return 0;
  return cost->stage_bytes * groups;
}

/* Points share their kernels; each has its files, and draws the weights. */
static void predict_unit(const ntk_outlook *o, const ntk_tempo *tempo, const ntk_point_cost *cost,
                         int64_t k, ntk_unit *unit) {
  const double points = (double)(o->units->first[k + 1] - o->units->first[k]);

  ntk_tempo_parts(tempo, cost, unit->part);
  unit->part[NTK_PART_POINTS] *= points;
  unit->part[NTK_PART_SPECTRUM] *= (double)count_spectra(o, k);
}

static ntk_status forecast_unit(const ntk_outlook *o, const ntk_tempo *tempo, int64_t k,
                                ntk_forecast *f, totals *all) {
  ntk_unit *unit = &f->unit[k];
  ntk_point_cost cost = {0};
  int64_t pending = 0;
  const ntk_point *point = &o->job->point[representative(o, k, &pending)];

  unit->least_ranks = 1;
  NTK_TRY(ntk_point_cost_of(point, 1, o->cache, &cost));
  predict_unit(o, tempo, &cost, k, unit);
  NTK_TRY(find_least_ranks(o, point, &unit->least_ranks, &f->memory[k]));
  if (pending == 0) return NTK_OK;
  if (cost.rows > all->rows) all->rows = cost.rows;
  const double transient = transient_bytes(o, &point->settings, &cost, unit);
  const double there = ntk_folder_bytes_there(o->job, point);

  f->disk += (double)pending * ntk_point_disk_bytes(&cost) + fmax(cost.shared_bytes - there, 0);
  all->transient = fmax(all->transient, transient - fmax(there - cost.shared_bytes, 0));
  return NTK_OK;
}

static ntk_status forecast_units(const ntk_outlook *o, ntk_forecast *f) {
  totals all = {0};
  ntk_tempo tempo = ntk_tempo_usual;

  NTK_TRY(NTK_NEW(o->units->count, &f->unit));
  NTK_TRY(NTK_NEW(o->units->count, &f->memory));
  if (!o->anywhere) NTK_TRY(ntk_tempo_find(false, &tempo));
  for (int64_t k = 0; k < o->units->count; ++k) {
    if (!o->wanted[k]) continue;
    if (forecast_unit(o, &tempo, k, f, &all) == NTK_OK) continue;
    f->unit[k] = (ntk_unit){.least_ranks = 1};
  }
  f->disk += all.transient;
  f->speed = ntk_tempo_speed(&tempo, all.rows);
  return NTK_OK;
}

ntk_status ntk_forecast_make(const ntk_outlook *outlook, ntk_forecast *forecast) {
  *forecast = (ntk_forecast){0};
  const ntk_status status = forecast_units(outlook, forecast);

  if (status != NTK_OK) ntk_forecast_destroy(forecast);
  return status;
}

void ntk_forecast_destroy(ntk_forecast *forecast) {
  ntk_free(&forecast->unit);
  ntk_free(&forecast->memory);
  *forecast = (ntk_forecast){0};
}
