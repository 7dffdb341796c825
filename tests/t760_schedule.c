/* Which unit gets how many ranks: hand-made cases whose best schedule is known; sweeps of three
 * decades of cost on 1 to 100 ranks against the bound that no schedule beats; memory that forces
 * large groups; shards that hold every unit once and weigh the same. */
//TEST ranks=1
#include "ntk/run/schedule.h"
#include "test.h"

enum { MANY = 200 };

static double uniform(unsigned *state) {
  *state = *state * 1664525u + 1013904223u;
  return (double)(*state >> 8) / 16777216.0;
}

/* Costs from 0.1 s to 100 s on one rank. */
static void three_decades(ntk_unit *units, int64_t count, unsigned seed) {
  for (int64_t k = 0; k < count; ++k) {
    const double seconds = 0.1 * pow(10, 3 * uniform(&seed)), share = uniform(&seed);

    units[k] = (ntk_unit){{0.02, share * seconds, (1 - share) * seconds}, 1};
  }
}

static ntk_schedule make(const ntk_unit *units, int64_t count, const ntk_groups *groups) {
  ntk_schedule schedule = {0};

  EXPECT_OK(ntk_schedule_make(units, count, NULL, groups, &ntk_pace_predicted, &schedule));
  return schedule;
}

/* ---- known cases --------------------------------------------------------------------------- */

static void check_one_large_many_small(void) {
  const ntk_groups groups = {.ranks = 4};
  ntk_unit units[9] = {{{0, 40, 0}, 1}};
  ntk_schedule schedule;

  for (int k = 1; k < 9; ++k) units[k] = (ntk_unit){{0, 1, 0}, 1};
  schedule = make(units, 9, &groups);
  EXPECT(schedule.level[0] == 0 && schedule.order[0] == 0);
  EXPECT_NEAR(schedule.seconds, 12, 1e-9); /* all ranks are always busy */
  ntk_schedule_destroy(&schedule);
}

/* Two units on two ranks: side by side if a part of them cannot be shared. */
static void check_side_by_side(void) {
  const ntk_groups groups = {.ranks = 2};
  const ntk_unit units[2] = {{{1, 1, 1}, 1}, {{1, 2, 0}, 1}};
  ntk_schedule schedule = make(units, 2, &groups);

  EXPECT(schedule.level[0] == 1 && schedule.level[1] == 1);
  EXPECT(schedule.owner[0] != schedule.owner[1]);
  EXPECT_NEAR(schedule.seconds, 3, 1e-12);
  ntk_schedule_destroy(&schedule);
}

/* Three equal units on two ranks: one after the other on both. */
static void check_together(void) {
  const ntk_groups groups = {.ranks = 2};
  const ntk_unit units[3] = {{{0, 2, 0}, 1}, {{0, 2, 0}, 1}, {{0, 0, 2}, 1}};
  ntk_schedule schedule = make(units, 3, &groups);

  EXPECT_NEAR(schedule.seconds, 3, 1e-12);
  ntk_schedule_destroy(&schedule);
}

static void check_memory(void) {
  const ntk_groups groups = {.ranks = 6};
  ntk_unit units[4] = {{{0, 1, 0}, 6}, {{0, 1, 0}, 3}, {{0, 1, 0}, 1}, {{0, 1, 0}, 99}};
  ntk_schedule schedule = make(units, 4, &groups);

  EXPECT(schedule.level[0] == 0 && schedule.level[1] <= 1 && schedule.level[3] == 0);
  ntk_schedule_destroy(&schedule);
}

static void check_fixed_groups(void) {
  const ntk_groups groups = {.ranks = 7, .group_ranks = 3};
  ntk_unit units[4];
  ntk_schedule schedule;

  for (int k = 0; k < 4; ++k) units[k] = (ntk_unit){{0, 3, 0}, 1};
  schedule = make(units, 4, &groups);
  EXPECT(ntk_groups_levels(&groups) == 1 && ntk_groups_least(&groups, 0) == 3);
  EXPECT_NEAR(schedule.seconds, 2, 1e-12); /* two groups; the seventh rank has no group */
  for (int k = 0; k < 4; ++k) EXPECT(schedule.owner[k] == 0 || schedule.owner[k] == 3);
  ntk_schedule_destroy(&schedule);
}

static void check_wanted(void) {
  const ntk_groups groups = {.ranks = 1};
  const ntk_unit units[3] = {{{0, 1, 0}, 1}, {{0, 2, 0}, 1}, {{0, 4, 0}, 1}};
  const bool wanted[3] = {true, false, true};
  ntk_schedule schedule = {0};

  EXPECT_OK(ntk_schedule_make(units, 3, wanted, &groups, &ntk_pace_predicted, &schedule));
  EXPECT(schedule.level[1] == -1);
  EXPECT_NEAR(schedule.seconds, 5, 1e-12);
  ntk_schedule_destroy(&schedule);
  EXPECT_OK(ntk_schedule_make(units, 0, NULL, &groups, &ntk_pace_predicted, &schedule));
  EXPECT(schedule.seconds == 0);
  ntk_schedule_destroy(&schedule);
}

/* ---- against the bound --------------------------------------------------------------------- */

static void check_bound(int ranks, int64_t count, unsigned seed, double factor) {
  const ntk_groups groups = {.ranks = ranks};
  ntk_unit units[MANY];
  ntk_schedule schedule;

  three_decades(units, count, seed);
  const double bound = ntk_schedule_bound(units, count, &groups, &ntk_pace_predicted);

  schedule = make(units, count, &groups);
  if (!(schedule.seconds >= bound * (1 - 1e-12) && schedule.seconds <= factor * bound)) {
    FAIL("%d ranks, %d units: %g s, bound %g s", ranks, (int)count, schedule.seconds, bound);
  }
  ntk_schedule_destroy(&schedule);
}

static void check_bounds(void) {
  static const int ranks[] = {1, 2, 3, 6, 16, 100};

  for (size_t k = 0; k < sizeof(ranks) / sizeof(ranks[0]); ++k) {
    for (unsigned seed = 1; seed <= 5; ++seed) {
      check_bound(ranks[k], MANY, seed, 1.1);
      check_bound(ranks[k], 12, seed, 1.5);
    }
  }
}

/* ---- shards -------------------------------------------------------------------------------- */

static void check_shards(int64_t shards) {
  ntk_unit units[MANY];
  int times[MANY] = {0};
  double longest = 0, total = 0, most = 0;
  bool mine[MANY];

  three_decades(units, MANY, 7);
  for (int64_t i = 1; i <= shards; ++i) {
    const ntk_shard shard = {i, shards};
    double sum = 0;

    EXPECT_OK(ntk_shard_units(units, MANY, &shard, mine));
    for (int k = 0; k < MANY; ++k) {
      times[k] += mine[k];
      if (mine[k]) sum += ntk_unit_seconds(&units[k], &ntk_pace_predicted, 1);
    }
    most = fmax(most, sum);
  }
  for (int k = 0; k < MANY; ++k) {
    EXPECT(times[k] == 1);
    longest = fmax(longest, ntk_unit_seconds(&units[k], &ntk_pace_predicted, 1));
    total += ntk_unit_seconds(&units[k], &ntk_pace_predicted, 1);
  }
  EXPECT(most <= fmax(longest, 1.05 * total / (double)shards));
}

static void check_shard_texts(void) {
  static const char *const wrong[] = {"", "1", "/", "1/", "0/3", "4/3", "1/0", "-1/3", "1.0/3",
                                      "1/3/3", "1/3x", "a/b", "1/3000000000"};
  ntk_shard shard = {0};

  EXPECT_OK(ntk_shard_read("2/5", &shard));
  EXPECT(shard.index == 2 && shard.count == 5);
  for (size_t k = 0; k < sizeof(wrong) / sizeof(wrong[0]); ++k) {
    EXPECT_REFUSED(ntk_shard_read(wrong[k], &shard), NTK_E_USAGE, "from 1/k to k/k");
  }
}

/* ---- faults -------------------------------------------------------------------------------- */

static ntk_status everything(void *context) {
  const ntk_unit units[2] = {{{1, 1, 1}, 1}, {{1, 2, 0}, 1}};
  const ntk_unit_state state[2] = {{NTK_UNIT_ENDED, 2, {0, 2, 0}, 1, 0}, {NTK_UNIT_RUNS, 1, {0}, 1, 0}};
  const ntk_groups *groups = context;
  const ntk_shard shard = {1, 2};
  ntk_schedule schedule = {0};
  bool mine[2];
  double left = 0;

  NTK_TRY(ntk_shard_units(units, 2, &shard, mine));
  NTK_TRY(ntk_schedule_make(units, 2, NULL, groups, &ntk_pace_predicted, &schedule));
  const ntk_status status = ntk_schedule_left(units, 2, state, &schedule, groups, &left);

  ntk_schedule_destroy(&schedule);
  return status;
}

int main(int argc, char **argv) {
  ntk_groups groups = {.ranks = 2};

  begin_test(&argc, &argv);
  check_one_large_many_small();
  check_side_by_side();
  check_together();
  check_memory();
  check_fixed_groups();
  check_wanted();
  check_bounds();
  for (int64_t shards = 1; shards <= 9; shards += 2) check_shards(shards);
  check_shards(MANY + 10);
  check_shard_texts();
  EXPECT_OK(everything(&groups));
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
