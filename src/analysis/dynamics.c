/* Training of the linearised model: residuals and predictions at all times at once, in the
 * eigenbasis (MATH D.1, M.5).
 *
 *   f(t) = f0 - V diag(lambda w) c     f_*(t) = f_*0 - Theta_* V diag(w) c     c = V^T (f0 - y)
 *
 * where the rule gives, per mode and time, what is left of its residual, l = 1 - lambda w, and the
 * weight w.  The null space stays where it is: at finite times modes within rounding of 0, at
 * infinity modes within the cutoff have l = 1, w = 0 (Theta_* v = 0 there, so w is arbitrary).
 * Training loss and distance are sums over modes of squares and need no vectors.
 *
 * Rows and columns are those of the kernel: n and O, or n O and 1 for full outputs.  In both cases
 * element e of an array [n][O] is row e / columns, column e % columns of a right-hand side.  Only
 * the loss constant counts samples: c = n, n O by `loss`, of the set whose loss it is. */
#include <math.h>
#include <string.h>

#include "filter.h"
#include "ntk/base/memory.h"
#include "rule.h"
#include "times.h"

enum { THIN = 64 }; /* columns of a thin block: several times, each with all right-hand sides */

/* ---- settings ---- */

typedef struct shown {
  ntk_ints test, train;
} shown;

typedef struct dynamics {
  const ntk_row *rule, *loss;
  double momentum; /* NaN: auto */
  ntk_real_of learning_rate;
  ntk_grid_spec times;
  shown predictions;
} dynamics;

static const ntk_option shown_options[] = {
    {.key = "test",
     .type = NTK_INTS,
     .offset = offsetof(shown, test),
     .low = 0,
     .high = 1e9,
     .doc = "test samples whose predictions are kept at all times, by position from 0",
     .flags = NTK_ALL},
    {.key = "train",
     .type = NTK_INTS,
     .offset = offsetof(shown, train),
     .low = 0,
     .high = 1e9,
     .doc = "training samples likewise",
     .flags = NTK_ALL},
    {0},
};

static const ntk_section shown_section = {.options = shown_options};

static const ntk_option options[] = {
    {.key = "rule",
     .type = NTK_WORD,
     .offset = offsetof(dynamics, rule),
     .fallback = "gradient_flow",
     .doc = "how the parameters follow the gradient",
     .rows = ntk_rules},
    {.key = "momentum",
     .type = NTK_REAL,
     .offset = offsetof(dynamics, momentum),
     .fallback = "auto",
     .low = 0,
     .high = 0.999999999,
     .doc = "of heavy_ball and nesterov; auto: 0.9",
     .flags = NTK_AUTO},
    {.key = "loss",
     .type = NTK_WORD,
     .offset = offsetof(dynamics, loss),
     .fallback = "mse_mean",
     .doc = "the loss (1 / (2 c)) |f - y|^2 by its constant c",
     .rows = ntk_losses},
    {.key = "learning_rate",
     .type = NTK_REAL_OF,
     .offset = offsetof(dynamics, learning_rate),
     .fallback = "1.0",
     .low = 1e-300,
     .high = 1e300,
     .doc = "learning rate; {of_max: x}: x times the rule's limit, of gradient flow that of "
            "gradient descent, 2 c / lambda_max",
     .word = "of_max"},
    {.key = "times",
     .type = NTK_GRID,
     .offset = offsetof(dynamics, times),
     .fallback = "{geomspace: [auto, auto, 60], zero: true, infinity: true}",
     .low = 0,
     .high = 1e300,
     .doc = "times, 1 being a step of gradient descent, of other rules whole steps; auto: 0.01 of "
            "the fastest and 10 of the slowest mode's time",
     .flags = NTK_ENDS},
    {.key = "predictions",
     .type = NTK_SECTION,
     .offset = offsetof(dynamics, predictions),
     .doc = "samples whose predictions are kept",
     .section = &shown_section},
    {0},
};

static const ntk_field fields[] = {
    {"time", "time", "1", "training time, unit in attribute unit_of_time", "D1", NTK_KIND_REAL},
    {"train_loss", "time", "1", "training loss (1 / (2 c)) |f - y|^2", "D1", NTK_KIND_REAL},
    {"test_loss", "time", "1", "test loss (1 / (2 c)) |f - y|^2, c of the test set", "D3",
     NTK_KIND_REAL},
    {"train_accuracy", "time", "1", "share of training samples classified correctly", "D1",
     NTK_KIND_REAL},
    {"test_accuracy", "time", "1", "share of test samples classified correctly", "D3",
     NTK_KIND_REAL},
    {"validation_loss", "time", "1", "validation loss (1 / (2 c)) |f - y|^2, c of the validation set",
     "D3", NTK_KIND_REAL},
    {"validation_accuracy", "time", "1", "share of validation samples classified correctly", "D3",
     NTK_KIND_REAL},
    {"parameter_distance", "time", "1", "distance |theta(t) - theta_0| of the parameters", "D4",
     NTK_KIND_REAL},
    {"train_loss_infinity", "", "1", "training loss at infinite time", "D5", NTK_KIND_REAL},
    {"test_loss_infinity", "", "1", "test loss at infinite time", "D5", NTK_KIND_REAL},
    {"train_accuracy_infinity", "", "1",
     "share of training samples classified correctly at infinite time", "D5", NTK_KIND_REAL},
    {"test_accuracy_infinity", "", "1",
     "share of test samples classified correctly at infinite time", "D5", NTK_KIND_REAL},
    {"validation_loss_infinity", "", "1", "validation loss at infinite time", "D5", NTK_KIND_REAL},
    {"validation_accuracy_infinity", "", "1",
     "share of validation samples classified correctly at infinite time", "D5", NTK_KIND_REAL},
    {"parameter_distance_infinity", "", "1", "distance of the parameters at infinite time", "D5",
     NTK_KIND_REAL},
    {"shown", "shown", "1", "position in its set of a sample whose predictions are kept", "",
     NTK_KIND_INT},
    {"shown_set", "shown", "1", "the set it belongs to, test or train", "", NTK_KIND_TEXT},
    {"output", "output", "1", "output of the network", "", NTK_KIND_INT},
    {"prediction", "time shown output", "1", "prediction of the linearised model", "D3",
     NTK_KIND_REAL},
    {"prediction_infinity", "shown output", "1",
     "prediction of the linearised model at infinite time", "D5", NTK_KIND_REAL},
    {0},
};

static const ntk_field *field(const char *name) { return ntk_field_find(fields, name); }

static int64_t count_steps(const void *settings) {
  const ntk_grid_spec *times = &((const dynamics *)settings)->times;

  return ntk_times_count(times) + (times->infinity ? 1 : 0);
}

static void check(const void *settings, bool gram, ntk_mark mark, ntk_problems *problems) {
  const dynamics *s = settings;

  if (!isnan(s->momentum) && !((const ntk_rule *)s->rule)->has_momentum) {
    ntk_problem(problems, mark, "dynamics: rule '%s' has no momentum; drop the key, or choose "
                "heavy_ball or nesterov", s->rule->name);
  }
  if (!gram && (s->predictions.test.count != 0 || s->predictions.train.count != 0)) {
    ntk_problem(problems, mark,
                "dynamics.predictions: eigenvalues and target_power alone give no predictions; "
                "name the Gram in kernel.gram, or drop the key");
  }
}

/* ---- one course of training ---- */

/* A sample set, and what is read off its predictions. */
typedef struct set {
  ntk_set which;
  int64_t samples;
  const double *f0, *y;
  const int64_t *label;
  ntk_ints shown;       /* count resolved */
  int64_t shown_first;  /* among the shown samples of both sets */
  bool scored, wanted;  /* accuracy is defined; predictions are needed at all */
  double *loss, *accuracy; /* [steps] */
} set;

typedef struct course {
  const ntk_view *view;
  const dynamics *settings;
  const ntk_rule *rule;
  double constant, rate, learning_rate; /* rate = learning_rate / constant */
  double momentum, limit;               /* it converges for rate * lambda below the limit */
  int64_t times, steps;                 /* steps: the times, and infinity if wanted */
  double *time;                         /* [steps] */
  double *distance;                     /* [steps] */
  double *prediction;                   /* [steps][shown][O] */
  int64_t shown;
  set train, test, validation;
  int64_t batch;          /* times at once */
  double *left, *weight;  /* [rows][batch] */
  double *modes, *values; /* [rows][batch * columns], thin blocks in the eigenbasis and outside */
  double *test_values;    /* [test and validation rows][batch * columns] */
  double *handed;         /* [batch][samples of the largest set][O], if predictions are kept */
  double *f;              /* [O] outputs of one sample */
} course;

/* Accuracy: the largest output against the label; of one output: its sign against the target's. */
static bool has_accuracy(const ntk_view *view, const double *y, const int64_t *label) {
  if (view->classes == 0) return false;
  if (view->outputs == 1) return y != NULL;
  return label && view->outputs == view->classes;
}

/* `all` has no list of items. */
static int64_t shown_sample(const set *s, int64_t k) {
  return s->shown.item ? s->shown.item[k] : k;
}

static ntk_status check_shown(const char *name, const set *s) {
  for (int64_t k = 0; k < s->shown.count; ++k) {
    NTK_CHECK(shown_sample(s, k) < s->samples, NTK_E_CONFIG,
              "dynamics.predictions.%s: there is no sample %lld, there are %lld", name,
              (long long)shown_sample(s, k), (long long)s->samples);
  }
  return NTK_OK;
}

static ntk_status open_sets(course *c) {
  const ntk_view *view = c->view;
  const shown *p = &c->settings->predictions;

  c->train = (set){.which = NTK_TRAIN, .samples = view->n, .f0 = view->f0, .y = view->y, .label = view->label,
                   .shown = p->train, .shown_first = 0};
  c->test = (set){.which = NTK_TEST, .samples = view->m, .f0 = view->test_f0, .y = view->test_y,
                  .label = view->test_label, .shown = p->test};
  c->validation = (set){.which = NTK_VALIDATION, .samples = view->validation,
                        .f0 = view->validation_f0, .y = view->validation_y,
                        .label = view->validation_label};
  if (c->train.shown.count < 0) c->train.shown = (ntk_ints){.count = view->n};
  if (c->test.shown.count < 0) c->test.shown = (ntk_ints){.count = view->m};
  NTK_TRY(check_shown("test", &c->test));
  NTK_TRY(check_shown("train", &c->train));

  c->train.shown_first = c->test.shown.count;
  c->shown = c->test.shown.count + c->train.shown.count;
  c->train.scored = view->gram && has_accuracy(view, view->y, view->label);
  c->test.scored = view->m > 0 && has_accuracy(view, view->test_y, view->test_label);
  c->validation.scored = view->validation > 0 &&
                         has_accuracy(view, view->validation_y, view->validation_label);
  c->validation.wanted = view->validation > 0;
  c->train.wanted = c->train.scored || c->train.shown.count > 0 || view->predictions;
  c->test.wanted = view->m > 0 && (c->test.scored || view->test_y || c->test.shown.count > 0 ||
                                   view->predictions);
  return NTK_OK;
}

/* Theta = 0 is stable at any rate; its limit is taken to be that of lambda_max = 1. */
static void open_rate(course *c) {
  const dynamics *s = c->settings;
  const double lambda_max = c->view->spectrum->eigenvalue[0];

  c->momentum = c->rule->has_momentum ? (isnan(s->momentum) ? 0.9 : s->momentum) : 0;
  c->limit = c->rule->limit(c->momentum);
  const double limit = c->limit / (lambda_max > 0 ? lambda_max : 1);

  c->constant = ((const ntk_loss *)s->loss)->constant(c->view->n, c->view->outputs);
  c->rate = s->learning_rate.of ? s->learning_rate.value * limit
                                : s->learning_rate.value / c->constant;
  c->learning_rate = c->rate * c->constant;
}

static ntk_status open_times(course *c) {
  const ntk_grid_spec *times = &c->settings->times;

  c->times = ntk_times_count(times);
  NTK_TRY(NTK_NEW(c->times + 1, &c->time));
  ntk_times_fill(times, c->view->spectrum, c->rate, c->time);
  if (c->rule->discrete) c->times = ntk_times_round(c->times, c->time);
  c->steps = c->times + (times->infinity ? 1 : 0);
  c->time[c->times] = INFINITY;
  return NTK_OK;
}

static ntk_status open_course(course *c) {
  const ntk_view *view = c->view;
  const int64_t held_out = view->m > view->validation ? view->m : view->validation;
  const int64_t samples = view->n > held_out ? view->n : held_out;

  c->rule = (const ntk_rule *)c->settings->rule;
  open_rate(c);
  NTK_TRY(open_sets(c));
  NTK_TRY(open_times(c));
  c->batch = THIN / view->columns > 1 ? THIN / view->columns : 1;
  if (c->batch > c->steps) c->batch = c->steps > 0 ? c->steps : 1;

  NTK_TRY(NTK_NEW(c->steps, &c->distance));
  NTK_TRY(NTK_NEW(c->steps, &c->train.loss));
  NTK_TRY(NTK_NEW(c->steps, &c->train.accuracy));
  NTK_TRY(NTK_NEW(c->steps, &c->test.loss));
  NTK_TRY(NTK_NEW(c->steps, &c->test.accuracy));
  NTK_TRY(NTK_NEW(c->steps, &c->validation.loss));
  NTK_TRY(NTK_NEW(c->steps, &c->validation.accuracy));
  NTK_TRY(NTK_NEW(c->steps * c->shown * view->outputs, &c->prediction));
  NTK_TRY(NTK_NEW(view->rows * c->batch, &c->left));
  NTK_TRY(NTK_NEW(view->rows * c->batch, &c->weight));
  NTK_TRY(NTK_NEW(view->rows * c->batch * view->columns, &c->modes));
  NTK_TRY(NTK_NEW(view->rows * c->batch * view->columns, &c->values));
  NTK_TRY(NTK_NEW((view->m + view->validation) * view->outputs * c->batch, &c->test_values));
  NTK_TRY(NTK_NEW(view->predictions ? c->batch * samples * view->outputs : 0, &c->handed));
  return NTK_NEW(view->outputs, &c->f);
}

static void close_course(course *c) {
  ntk_free(&c->time);
  ntk_free(&c->distance);
  ntk_free(&c->train.loss);
  ntk_free(&c->train.accuracy);
  ntk_free(&c->test.loss);
  ntk_free(&c->test.accuracy);
  ntk_free(&c->validation.loss);
  ntk_free(&c->validation.accuracy);
  ntk_free(&c->prediction);
  ntk_free(&c->left);
  ntk_free(&c->weight);
  ntk_free(&c->modes);
  ntk_free(&c->values);
  ntk_free(&c->test_values);
  ntk_free(&c->handed);
  ntk_free(&c->f);
}

/* ---- a batch of times: first, ..., first + count ---- */

/* Mode k: left and weight at the batch's times. */
static void fill_mode(course *c, int64_t first, int64_t count, int64_t k) {
  const ntk_spectrum *s = c->view->spectrum;
  const double lambda = ntk_filter_lambda(s, k);
  const ntk_pace pace = {c->rate, c->momentum, lambda};
  double *left = c->left + k * c->batch, *weight = c->weight + k * c->batch;

  if (lambda > 0) c->rule->factors(&pace, count, c->time + first, left, weight);
  for (int64_t t = 0; t < count; ++t) {
    if (isinf(c->time[first + t]) ? lambda <= s->cutoff : lambda == 0) {
      left[t] = 1;
      weight[t] = 0;
    }
  }
}

/* Sums over modes: the training loss D1 and the distance D4. */
static void sum_modes(course *c, int64_t first, int64_t count) {
  const ntk_view *view = c->view;

  for (int64_t t = 0; t < count; ++t) {
    double residual = 0, distance = 0;

    for (int64_t k = view->rows - 1; k >= 0; --k) { /* small terms first */
      const double left = c->left[k * c->batch + t], weight = c->weight[k * c->batch + t];
      const double power = ntk_filter_power(view, view->residual_coefficient, k);

      residual += left * left * power;
      distance += view->spectrum->eigenvalue[k] * weight * weight * power;
    }
    c->train.loss[first + t] = residual / (2 * c->constant);
    c->distance[first + t] = sqrt(view->rate_scale * distance);
  }
}

/* The thin block -diag(w) c, or -diag(lambda w) c, column t * columns + o. */
static void fill_modes(course *c, int64_t count, bool times_lambda) {
  const ntk_view *view = c->view;
  double *out = c->modes;

  for (int64_t k = 0; k < view->rows; ++k) {
    const double scale = times_lambda ? -view->spectrum->eigenvalue[k] : -1;

    for (int64_t t = 0; t < count; ++t) {
      for (int64_t o = 0; o < view->columns; ++o) {
        *out++ = scale * c->weight[k * c->batch + t] *
                 view->residual_coefficient[k * view->columns + o];
      }
    }
  }
}

/* One output: its sign is the class.  Several: the label, -1 where there is none. */
static bool is_classified(const ntk_view *view, const set *s, int64_t sample) {
  return s->scored && (view->outputs == 1 || s->label[sample] >= 0);
}

static bool is_correct(const ntk_view *view, const set *s, const double *f, int64_t sample) {
  int64_t best = 0;

  if (view->outputs == 1) return s->y && (f[0] > 0) == (s->y[sample] > 0);
  for (int64_t o = 1; o < view->outputs; ++o) {
    if (f[o] > f[best]) best = o;
  }
  return best == s->label[sample];
}

/* Sum of squares and hits of one sample whose prediction is in c->f. */
static void score(const course *c, const set *s, int64_t sample, double *squares, int64_t *hits,
                  int64_t *classified) {
  const int64_t outputs = c->view->outputs;

  for (int64_t o = 0; s->y && o < outputs; ++o) {
    double r = c->f[o] - s->y[sample * outputs + o];

    *squares += r * r;
  }
  if (!is_classified(c->view, s, sample)) return;
  *hits += is_correct(c->view, s, c->f, sample);
  ++*classified;
}

/* Predictions of one sample at time t of a batch, from the block of their increments. */
static void predict(const course *c, const set *s, const double *block, int64_t count, int64_t t,
                    int64_t sample, double *f) {
  const ntk_view *view = c->view;
  const int64_t columns = view->columns;

  for (int64_t o = 0; o < view->outputs; ++o) {
    const int64_t e = sample * view->outputs + o;

    f[o] = s->f0[e] + block[(e / columns * count + t) * columns + e % columns];
  }
}

/* Loss, accuracy and kept predictions at time t of a batch.  The training loss is summed over
 * modes instead, which costs nothing. */
static void read_time(course *c, set *s, const double *block, int64_t count, int64_t t,
                      int64_t step) {
  const ntk_loss *l = (const ntk_loss *)c->settings->loss;
  int64_t hits = 0, classified = 0;
  double squares = 0;

  for (int64_t i = 0; i < s->samples; ++i) {
    predict(c, s, block, count, t, i, c->f);
    score(c, s, i, &squares, &hits, &classified);
  }
  s->accuracy[step] = classified > 0 ? (double)hits / (double)classified : NAN;
  if (s != &c->train) s->loss[step] = squares / (2 * l->constant(s->samples, c->view->outputs));
  for (int64_t k = 0; k < s->shown.count; ++k) {
    predict(c, s, block, count, t, shown_sample(s, k),
            c->prediction + (step * c->shown + s->shown_first + k) * c->view->outputs);
  }
}

/* All predictions of a batch to whoever keeps them. */
static ntk_status hand_out(course *c, const set *s, const double *block, int64_t first,
                           int64_t count) {
  const ntk_predictions *keep = c->view->predictions;
  const int64_t outputs = c->view->outputs;

  if (!keep) return NTK_OK;
  for (int64_t t = 0; t < count; ++t) {
    for (int64_t i = 0; i < s->samples; ++i) {
      predict(c, s, block, count, t, i, c->handed + (t * s->samples + i) * outputs);
    }
  }
  return keep->put(keep->context, s->which, first, count, c->handed);
}

static ntk_status read_batch(course *c, set *s, const double *block, int64_t first,
                             int64_t count) {
  for (int64_t t = 0; t < count; ++t) read_time(c, s, block, count, t, first + t);
  return hand_out(c, s, block, first, count);
}

/* Test and validation samples are rows of one block. */
static ntk_status run_held_out(course *c, int64_t first, int64_t count) {
  const ntk_view *view = c->view;
  const ntk_matrix *block = view->validation > 0 ? view->held_out : view->test_train;
  const int64_t k = count * view->columns;

  fill_modes(c, count, false);
  NTK_TRY(ntk_spectrum_combine(view->spectrum, k, c->modes, c->values));
  NTK_TRY(ntk_matrix_apply(block, false, k, c->values, c->test_values));
  if (c->test.wanted) NTK_TRY(read_batch(c, &c->test, c->test_values, first, count));
  if (!c->validation.wanted) return NTK_OK;
  return read_batch(c, &c->validation, c->test_values + view->test_train->rows * k, first, count);
}

static ntk_status run_batch(course *c, int64_t first, int64_t count) {
  const ntk_view *view = c->view;
  const int64_t k = count * view->columns;

  for (int64_t mode = 0; mode < view->rows; ++mode) fill_mode(c, first, count, mode);
  sum_modes(c, first, count);
  if (c->train.wanted) {
    fill_modes(c, count, true);
    NTK_TRY(ntk_spectrum_combine(view->spectrum, k, c->modes, c->values));
    NTK_TRY(read_batch(c, &c->train, c->values, first, count));
  }
  return c->test.wanted || c->validation.wanted ? run_held_out(c, first, count) : NTK_OK;
}

/* ---- results ---- */

/* `values` [steps]: a curve over the times, and its value at infinity. */
static ntk_status put_curve(const course *c, const char *name, const char *infinity,
                            const double *values, ntk_record *record) {
  double *curve = NULL;

  NTK_TRY(ntk_record_add(record, field(name), &c->times, &curve));
  for (int64_t t = 0; t < c->times; ++t) curve[t] = values[t];
  if (c->steps == c->times) return NTK_OK;
  return ntk_record_add_real(record, field(infinity), values[c->times]);
}

static ntk_status put_curves(const course *c, ntk_record *record) {
  double *time = NULL;

  NTK_TRY(ntk_record_add(record, field("time"), &c->times, &time));
  for (int64_t t = 0; t < c->times; ++t) time[t] = c->time[t];
  NTK_TRY(put_curve(c, "train_loss", "train_loss_infinity", c->train.loss, record));
  if (c->view->m > 0 && c->test.y) {
    NTK_TRY(put_curve(c, "test_loss", "test_loss_infinity", c->test.loss, record));
  }
  if (c->validation.wanted) {
    NTK_TRY(put_curve(c, "validation_loss", "validation_loss_infinity", c->validation.loss,
                      record));
  }
  if (c->train.scored) {
    NTK_TRY(put_curve(c, "train_accuracy", "train_accuracy_infinity", c->train.accuracy, record));
  }
  if (c->test.scored) {
    NTK_TRY(put_curve(c, "test_accuracy", "test_accuracy_infinity", c->test.accuracy, record));
  }
  if (c->validation.scored) {
    NTK_TRY(put_curve(c, "validation_accuracy", "validation_accuracy_infinity",
                      c->validation.accuracy, record));
  }
  return put_curve(c, "parameter_distance", "parameter_distance_infinity", c->distance, record);
}

static ntk_status put_coordinates(const course *c, ntk_record *record) {
  int64_t *position = NULL, *output = NULL;

  NTK_TRY(ntk_record_add(record, field("shown"), &c->shown, &position));
  NTK_TRY(ntk_record_add(record, field("shown_set"), &c->shown, NULL));
  ntk_variable *names = ntk_record_find(record, "shown_set");

  for (int64_t k = 0; k < c->shown; ++k) {
    const bool train = k >= c->train.shown_first;
    const set *s = train ? &c->train : &c->test;

    position[k] = shown_sample(s, k - s->shown_first);
    NTK_TRY(ntk_variable_set_text(names, k, train ? "train" : "test"));
  }
  NTK_TRY(ntk_record_add(record, field("output"), &c->view->outputs, &output));
  for (int64_t o = 0; o < c->view->outputs; ++o) output[o] = o;
  return NTK_OK;
}

static ntk_status put_predictions(const course *c, ntk_record *record) {
  const int64_t sizes[3] = {c->times, c->shown, c->view->outputs};
  const size_t step = (size_t)(c->shown * c->view->outputs) * sizeof(double);
  double *all = NULL, *last = NULL;

  NTK_TRY(put_coordinates(c, record));
  NTK_TRY(ntk_record_add(record, field("prediction"), sizes, &all));
  memcpy(all, c->prediction, (size_t)c->times * step);
  if (c->steps == c->times) return NTK_OK;
  NTK_TRY(ntk_record_add(record, field("prediction_infinity"), sizes + 1, &last));
  memcpy(last, c->prediction + c->times * c->shown * c->view->outputs, step);
  return NTK_OK;
}

static ntk_status put(const course *c, ntk_record *record) {
  const double lambda_max = c->view->spectrum->eigenvalue[0];

  NTK_TRY(put_curves(c, record));
  if (c->shown > 0) NTK_TRY(put_predictions(c, record));
  NTK_TRY(ntk_record_set_text(record, "rule", c->rule->row.name));
  NTK_TRY(ntk_record_set_text(record, "loss", c->settings->loss->name));
  NTK_TRY(ntk_record_set_text(record, "unit_of_time", c->rule->unit_of_time));
  NTK_TRY(ntk_record_set_real(record, "loss_constant", c->constant));
  NTK_TRY(ntk_record_set_real(record, "learning_rate", c->learning_rate));
  if (c->rule->has_momentum) NTK_TRY(ntk_record_set_real(record, "momentum", c->momentum));
  return ntk_record_set_real(record, "max_learning_rate", c->limit * c->constant / lambda_max);
}

static ntk_status run(course *c, ntk_record *record) {
  const ntk_predictions *keep = c->view->predictions;

  if (keep) NTK_TRY(keep->begin(keep->context, c->times, c->time, c->steps > c->times));
  for (int64_t first = 0; first < c->steps; first += c->batch) {
    const int64_t left = c->steps - first;

    NTK_TRY(run_batch(c, first, left < c->batch ? left : c->batch));
  }
  NTK_AGREE(c->view->comm, put(c, record));
  return NTK_OK;
}

static ntk_status compute(const ntk_view *view, const void *settings, ntk_record *record) {
  course c = {.view = view, .settings = settings};

  NTK_ASSERT(view->residual_coefficient);
  ntk_status status = ntk_agree(view->comm, open_course(&c));
  if (status == NTK_OK) status = run(&c, record);
  close_course(&c);
  return status;
}

const ntk_analysis ntk_analysis_dynamics = {
    .row = {.name = "dynamics",
            .doc = "training of the linearised model: losses, accuracies, predictions over time",
            .options = options,
            .options_size = sizeof(dynamics)},
    .needs = NTK_NEEDS_SPECTRUM | NTK_NEEDS_TARGETS,
    .fields = fields,
    .steps = count_steps,
    .check = check,
    .compute = compute,
};
