/* generate.h -- sources that draw their samples: inputs of each set from a key of its own, targets
 * as a function of the inputs, noise on the training targets.
 *
 * Local, all of it.  For src/data, and for the teacher: a network, which this floor does not know.
 * Its two rows are listed in the tables of src/data/function.c and src/data/source.c, and defined in
 * src/run/teacher.c. */
#ifndef NTK_DATA_GENERATE_H
#define NTK_DATA_GENERATE_H

#include "ntk/base/random.h"
#include "ntk/data/data.h"

/* A source that draws its samples. */
typedef struct ntk_generator ntk_generator;

/* A function of the inputs that generated sources use for their targets.  To add one: a row in
 * src/data/function.c. */
typedef struct ntk_data_function {
  ntk_row row;
  /* Local.  Columns of the targets; NULL: one. */
  int64_t (*outputs)(const void *options);
  /* Local.  y [n][outputs] from x [n][from->shape]. */
  ntk_status (*value)(const void *options, const ntk_generator *from, int64_t n,
                      const double *x, double *y);
} ntk_data_function;

extern const ntk_row *const ntk_data_functions[]; /* rows of ntk_data_function; ends with NULL */
extern const ntk_data_function ntk_function_teacher;

/* What data.seed is for: purpose p uses the key fold_in(PRNGKey(data.seed), p), partitionable
 * layout.  The numbers are part of the results: never change one. */
typedef enum ntk_data_draw {
  NTK_DRAW_TRAIN_ORDER,      /* 0: permutation of the training file */
  NTK_DRAW_TEST_ORDER,       /* 1: permutation of the test file */
  NTK_DRAW_TRAIN_INPUTS,     /* 2: generated inputs of the training set */
  NTK_DRAW_TEST_INPUTS,      /* 3: generated inputs of the test set */
  NTK_DRAW_TRAIN_NOISE,      /* 4: noise of the generated training targets */
  NTK_DRAW_VALIDATION_INPUTS /* 5: generated inputs of the validation set */
} ntk_data_draw;

ntk_rng_key ntk_data_draw_key(int64_t seed, ntk_data_draw purpose);

struct ntk_generator {
  ntk_shape shape;     /* of one sample */
  int64_t vocabulary;  /* of tokens; 0: the samples are numbers */
  const void *options; /* handed to `fill` */
  /* Local.  x [n][shape]; the key is that of the set's inputs. */
  void (*fill)(const void *options, ntk_rng_key key, int64_t n, double *x);
  ntk_choice function;        /* a row of ntk_data_functions */
  double noise_std;           /* of normal noise on the training targets */
  ntk_rng_key noise_key;      /* value i of the draw to target i */
  ntk_dtype noise_dtype;      /* in which it is drawn */
};

/* Rows that generated sources share; `settings` is the struct of their options. */
#define NTK_FUNCTION_ROW(settings, word)                                                         \
  {                                                                                              \
    .key = "function", .type = NTK_CHOICE, .offset = offsetof(settings, function),               \
    .fallback = (word), .rows = ntk_data_functions, .doc = "targets as a function of the inputs" \
  }

#define NTK_NOISE_ROW(settings)                                                    \
  {                                                                                \
    .key = "noise_std", .type = NTK_REAL, .offset = offsetof(settings, noise_std), \
    .fallback = "0", .high = 1e150,                                                \
    .doc = "of normal noise on the training targets; other targets have none"      \
  }

/* Local.  Shape, counts and target columns.
 * Fails with NTK_E_CONFIG if data.train.count is auto or the sizes overflow. */
NTK_CHECKED ntk_status ntk_generator_describe(const ntk_data_settings *settings,
                                              const ntk_generator *generator, ntk_raw *raw);

/* Local.  The samples; fails besides with NTK_E_MEMORY, or as the function. */
NTK_CHECKED ntk_status ntk_generator_draw(const ntk_data_settings *settings,
                                          const ntk_generator *generator, ntk_raw *raw);

/* Local.  Inputs with independent N(0, 1) coordinates: what gaussian and teacher draw. */
void ntk_fill_normal(ntk_rng_key key, int64_t count, double *x);

#endif
