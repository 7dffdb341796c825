/* Equidistant points of an interval: the setting of the article. */
#include <math.h>

#include "ntk/data/generate.h"
#include "ntk/data/source.h"

typedef struct dtype_row {
  ntk_row row;
  ntk_dtype dtype;
} dtype_row;

static const dtype_row row_float32 = {.row = {.name = "float32", .doc = "JAX's default"},
                                      .dtype = NTK_SINGLE};
static const dtype_row row_float64 = {.row = {.name = "float64", .doc = "JAX with x64 on"},
                                      .dtype = NTK_DOUBLE};
static const ntk_row *const dtypes[] = {&row_float32.row, &row_float64.row, NULL};

typedef struct noise_rng {
  int64_t key;
  const ntk_row *dtype;
} noise_rng;

typedef struct grid {
  ntk_grid_spec interval;
  ntk_choice function;
  double noise_std;
  noise_rng noise_rng;
} grid;

static const ntk_option rng_options[] = {
    {.key = "key",
     .type = NTK_INT,
     .offset = offsetof(noise_rng, key),
     .fallback = "auto",
     .high = 9007199254740992.0,
     .flags = NTK_AUTO,
     .doc = "of PRNGKey(key); auto: a key from data.seed"},
    {.key = "dtype",
     .type = NTK_WORD,
     .offset = offsetof(noise_rng, dtype),
     .fallback = "float64",
     .rows = dtypes,
     .doc = "type in which the noise is drawn"},
    {0},
};

static const ntk_section rng_section = {.options = rng_options};

static const ntk_option options_rows[] = {
    {.key = "interval",
     .type = NTK_GRID,
     .offset = offsetof(grid, interval),
     .fallback = "[-1, 1]",
     .low = -1e150,
     .high = 1e150,
     .doc = "[a, b]: train.count points from a to b, both included; other sets likewise"},
    NTK_FUNCTION_ROW(grid, "sin"),
    NTK_NOISE_ROW(grid),
    {.key = "noise_rng",
     .type = NTK_SECTION,
     .offset = offsetof(grid, noise_rng),
     .section = &rng_section,
     .doc = "how the noise is drawn"},
    {0},
};

static bool valid_interval(const ntk_grid_spec *spec) {
  return spec->kind == NTK_GRID_LIST && spec->count == 2 && spec->item[0] < spec->item[1];
}

static void check(const void *options, const ntk_node *node, ntk_problems *problems) {
  const grid *o = options;
  const ntk_node *at = ntk_node_find(node, "interval");

  if (valid_interval(&o->interval)) return;
  ntk_problem(problems, at ? at->mark : node->mark,
              "interval is not [a, b] with two numbers, a < b");
}

/* As numpy.linspace: the last point is b itself; a single point is a. */
static void fill(const void *options, ntk_rng_key key, int64_t n, double *x) {
  const double *interval = ((const grid *)options)->interval.item;
  const double step = n > 1 ? (interval[1] - interval[0]) / (double)(n - 1) : 0;

  (void)key;
  for (int64_t i = 0; i < n; ++i) x[i] = interval[0] + (double)i * step;
  if (n > 1) x[n - 1] = interval[1];
}

static ntk_generator generator_of(const ntk_data_settings *settings, const void *options) {
  const grid *o = options;
  const ntk_dtype dtype = ((const dtype_row *)o->noise_rng.dtype)->dtype;

  return (ntk_generator){
      .shape = {.rank = 1, .size = {1}},
      .options = o,
      .fill = fill,
      .function = o->function,
      .noise_std = o->noise_std,
      .noise_key = o->noise_rng.key == NTK_AUTO_INT
                       ? ntk_data_draw_key(settings->seed, NTK_DRAW_TRAIN_NOISE)
                       : ntk_rng_seed(o->noise_rng.key, dtype == NTK_DOUBLE),
      .noise_dtype = dtype,
  };
}

const ntk_data_source ntk_source_grid = {
    .row = {.name = "grid",
            .doc = "equidistant points of an interval, in order",
            .options = options_rows,
            .options_size = sizeof(grid)},
    .generator = generator_of,
    .check = check,
};
