/* Time left of a sweep of 200 units whose costs span three decades, run in simulation on 1 to 16
 * ranks: true times have noise, a few are three times as long (not on 16 ranks, where one such unit
 * is the whole time), speeds differ from the prediction by up to a factor of 5, those of kernels
 * and spectra by up to 3 from each other, small units are slower.  At 10, 25, 50 and 75 % of the
 * time the estimate is within 30 % of the truth or 5 s. */
//TEST ranks=1
#include "ntk/run/schedule.h"
#include "test.h"

enum { UNITS = 200, MOST_RANKS = 16 };

static double uniform(unsigned *state) {
  *state = *state * 1664525u + 1013904223u;
  return (double)(*state >> 8) / 16777216.0;
}

/* How the machine differs from the prediction. */
typedef struct machine {
  double overhead, kernel, spectrum;
} machine;

typedef struct sweep {
  ntk_unit units[UNITS];
  double noise[UNITS];
} sweep;

static void draw(sweep *s, double outliers, unsigned seed) {
  for (int k = 0; k < UNITS; ++k) {
    const double seconds = 0.1 * pow(10, 3 * uniform(&seed)), share = uniform(&seed);

    s->units[k] = (ntk_unit){{0.05, share * seconds, (1 - share) * seconds}, 1};
    s->noise[k] = 0.9 + 0.2 * uniform(&seed);
    if (uniform(&seed) < outliers) s->noise[k] *= 3;
  }
}

static ntk_pace true_pace(const sweep *s, const machine *m, int k) {
  const double small = 1 + 0.3 / (s->units[k].part[1] + s->units[k].part[2]), noise = s->noise[k];

  return (ntk_pace){{noise * m->overhead, noise * m->kernel * small, noise * m->spectrum * small}};
}

static double true_seconds(const sweep *s, const machine *m, int k, int ranks) {
  const ntk_pace pace = true_pace(s, m, k);

  return ntk_unit_seconds(&s->units[k], &pace, ranks);
}

static ntk_unit_state ended(const ntk_unit *unit, const ntk_pace *pace, int ranks, double age) {
  ntk_unit_state state = {.state = NTK_UNIT_ENDED, .ranks = ranks, .age = age};

  for (int k = 0; k < NTK_PARTS; ++k) {
    state.part[k] = pace->factor[k] * unit->part[k] / (k == NTK_PART_POINTS ? 1 : ranks);
    state.seconds += state.part[k];
  }
  return state;
}

typedef struct crew {
  double free_at;
  int ranks, level, unit; /* unit: at work; -1: none */
  double since;
} crew;

/* The run itself: groups as in schedule.h, written down again.  Stops at `until`; returns the end. */
static double run(const sweep *s, const machine *m, const ntk_schedule *plan, int ranks,
                  double until, ntk_unit_state *state) {
  crew crews[MOST_RANKS] = {{0, ranks, 0, -1, 0}};
  bool taken[UNITS] = {false};
  int count = 1;
  double end = 0;

  for (;;) {
    int first = 0;

    for (int c = 1; c < count; ++c) {
      if (crews[c].free_at < crews[first].free_at) first = c;
    }
    crew *c = &crews[first];

    if (c->free_at == INFINITY) return end;
    if (c->unit >= 0 && c->free_at <= until) {
      const ntk_pace pace = true_pace(s, m, c->unit);

      state[c->unit] = ended(&s->units[c->unit], &pace, c->ranks, until - c->free_at);
    }
    int next = -1, deeper = 0;

    for (int k = 0; k < UNITS; ++k) {
      const int unit = (int)plan->order[k];

      if (taken[unit]) continue;
      if (plan->level[unit] == c->level && next < 0) next = unit;
      deeper += plan->level[unit] > c->level;
    }
    if (next >= 0) {
      taken[next] = true;
      c->unit = next;
      c->since = c->free_at;
      c->free_at += true_seconds(s, m, next, c->ranks);
      end = fmax(end, c->free_at);
      if (c->since <= until && c->free_at > until) {
        state[next] = (ntk_unit_state){
            .state = NTK_UNIT_RUNS, .seconds = until - c->since, .ranks = c->ranks};
      }
      continue;
    }
    c->unit = -1;
    if (!deeper) {
      c->free_at = INFINITY;
      continue;
    }
    ++c->level;
    if (c->ranks == 1) continue;
    crews[count] = *c;
    crews[count++].ranks = c->ranks / 2;
    c->ranks = ntk_groups_half(c->ranks);
  }
}

static void check(int ranks, const machine *m, unsigned seed) {
  static const double shares[] = {0.1, 0.25, 0.5, 0.75};
  const ntk_groups groups = {.ranks = ranks};
  ntk_schedule plan = {0};
  sweep s;

  draw(&s, ranks > 6 ? 0 : 0.03, seed);
  EXPECT_OK(ntk_schedule_make(s.units, UNITS, NULL, &groups, &ntk_pace_predicted, &plan));
  ntk_unit_state all[UNITS] = {{0}};
  const double end = run(&s, m, &plan, ranks, INFINITY, all);

  for (int k = 0; k < 4; ++k) {
    ntk_unit_state state[UNITS] = {{0}};
    double left = 0;

    (void)run(&s, m, &plan, ranks, shares[k] * end, state);
    EXPECT_OK(ntk_schedule_left(s.units, UNITS, state, &plan, &groups, &left));
    const double truth = (1 - shares[k]) * end;

    if (!(fabs(left - truth) <= fmax(0.3 * truth, 5))) {
      FAIL("%d ranks, machine %g %g %g, at %g of %g s: %g s left, predicted %g", ranks,
           m->overhead, m->kernel, m->spectrum, shares[k], end, truth, left);
    }
  }
  ntk_schedule_destroy(&plan);
}

/* A pace that is exactly that of the machine is found. */
static void check_fit(void) {
  const machine m = {2, 3, 0.5};
  ntk_unit_state state[UNITS] = {{0}};
  ntk_pace pace;
  sweep s;

  draw(&s, 0, 3);
  EXPECT(!ntk_pace_fit(s.units, UNITS, state, &pace) && pace.factor[1] == 1);
  for (int k = 0; k < UNITS; ++k) {
    const ntk_pace truth = {{m.overhead, m.kernel, m.spectrum}};

    state[k] = ended(&s.units[k], &truth, 2, 1);
  }
  EXPECT(ntk_pace_fit(s.units, UNITS, state, &pace));
  EXPECT_NEAR(pace.factor[0], 2, 0.1);
  EXPECT_NEAR(pace.factor[1], 3, 0.03);
  EXPECT_NEAR(pace.factor[2], 0.5, 0.03);
}

/* A kernel that is read costs no flops: its time is that of the point. */
static void check_part_without_cost(void) {
  const ntk_unit read = {{0.01, 0, 1}, 1};
  const ntk_unit_state state = {NTK_UNIT_ENDED, 4, {1, 1, 2}, 1, 0};
  ntk_pace pace;

  EXPECT(ntk_pace_fit(&read, 1, &state, &pace));
  EXPECT_NEAR(ntk_unit_seconds(&read, &pace, 1), 4, 0.5);
}

/* One unit that took a fiftieth of the others' time says little. */
static void check_outlier(void) {
  ntk_unit units[12];
  ntk_unit_state state[12];
  ntk_pace pace;

  for (int k = 0; k < 12; ++k) {
    const double seconds = k == 5 ? 0.02 : 1;

    units[k] = (ntk_unit){{0, 0.5, 0.5}, 1};
    state[k] = (ntk_unit_state){
        NTK_UNIT_ENDED, seconds, {0, 0.5 * seconds, 0.5 * seconds}, 1, 0};
  }
  EXPECT(ntk_pace_fit(units, 12, state, &pace));
  EXPECT_NEAR(pace.factor[NTK_PART_KERNEL], 1, 0.1);
  EXPECT_NEAR(pace.factor[NTK_PART_SPECTRUM], 1, 0.1);
}

int main(int argc, char **argv) {
  static const int ranks[] = {1, 2, 3, 6, 16};
  static const machine machines[] = {
      {1, 1, 1}, {1, 5, 5}, {1, 0.2, 0.2}, {0.2, 5, 2}, {1, 0.7, 2}};

  begin_test(&argc, &argv);
  check_fit();
  check_part_without_cost();
  check_outlier();
  for (size_t k = 0; k < sizeof(ranks) / sizeof(ranks[0]); ++k) {
    for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); ++i) {
      for (unsigned seed = 1; seed <= 8; ++seed) check(ranks[k], &machines[i], seed);
    }
  }
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
