/* neural_ode: y' = phi(y W + b) or y' = phi(y) W, explicit steps of one length; the gradient is
 * that of the discretised map (MATH B23), whose stages are positions of one W. */
#include <math.h>

#include "layers.h"
#include "loops.h"
#include "ntk/model/rows.h"

/* An explicit method whose stage r starts from y + step c_r k_{r-1}: no stage needs more. */
typedef struct integrator {
  ntk_row row;
  int stages;
  double share[4], ahead[4]; /* b_r, c_r */
} integrator;

static const integrator euler = {{.name = "euler", .doc = "y + h k; first order"}, 1, {1}, {0}};
static const integrator rk4 = {{.name = "rk4", .doc = "classical Runge-Kutta; fourth order"},
                               4,
                               {1.0 / 6, 1.0 / 3, 1.0 / 3, 1.0 / 6},
                               {0, 0.5, 0.5, 1}};
static const ntk_row *const integrators[] = {&rk4.row, &euler.row, NULL};

static const ntk_row inside = {.name = "act(yW+b)", .doc = "y' = phi(s_w y W + s_b b)"};
static const ntk_row outside = {.name = "act(y)W", .doc = "y' = s_w phi(y) W"};
static const ntk_row *const fields[] = {&inside, &outside, NULL};

static const ntk_option options[] = {
    NTK_LAYER_NAME,
    {.key = "field",
     .type = NTK_WORD,
     .offset = offsetof(ntk_neural_ode_options, field),
     .fallback = "act(yW+b)",
     .rows = fields,
     .doc = "right-hand side; act(y)W has a bias only where `bias` of this layer gives it one"},
    {.key = "activation",
     .type = NTK_CHOICE,
     .offset = offsetof(ntk_neural_ode_options, activation),
     .fallback = "tanh",
     .rows = ntk_activations,
     .doc = "phi"},
    {.key = "horizon",
     .type = NTK_REAL,
     .offset = offsetof(ntk_neural_ode_options, horizon),
     .fallback = "1.0",
     .low = -1e6,
     .high = 1e6,
     .doc = "time T from input to output; negative: backwards"},
    {.key = "steps",
     .type = NTK_INT,
     .offset = offsetof(ntk_neural_ode_options, steps),
     .fallback = "16",
     .low = 1,
     .high = 100000,
     .doc = "steps of length T / steps"},
    {.key = "integrator",
     .type = NTK_WORD,
     .offset = offsetof(ntk_neural_ode_options, integrator),
     .fallback = "rk4",
     .rows = integrators,
     .doc = "method"},
    NTK_AFFINE_WEIGHTS,
    {0},
};

static int64_t evaluations_of(const ntk_neural_ode_options *o) {
  return o->steps * ((const integrator *)o->integrator)->stages;
}

static ntk_status shape(ntk_node_layer *node) {
  node->out = node->in;
  node->fan_in = ntk_shape_channels(&node->in);
  node->fan_out = node->fan_in;
  node->positions = evaluations_of(node->options) * ntk_shape_positions(&node->in);
  return NTK_OK;
}

static ntk_status tensors(const ntk_network_settings *settings, ntk_network *network,
                          ntk_node_layer *node) {
  ntk_neural_ode_options *o = node->options;
  const ntk_shape square = {.rank = 2, .size = {node->fan_in, node->fan_in}};

  if (o->field == &outside && isnan(o->affine.bias.scale) && isnan(o->affine.bias.std)) {
    o->affine.biased = false;
  }
  return ntk_affine_tensors(settings, network, node, &square);
}

/* ---- one evaluation of the field ------------------------------------------------------------- */

/* Sizes of a pass, and what the tape keeps of all evaluations. */
typedef struct flow {
  const ntk_neural_ode_options *o;
  const integrator *method;
  ntk_dtype dtype;
  const ntk_tensor *weight, *bias;
  int64_t samples, block; /* entries of a sample */
  int64_t evaluations;
  double step;
  void *a;     /* [sample][evaluation][block] what W multiplies */
  void *slope; /* [evaluation][sample][block] */
} flow;

static flow flow_of(const ntk_tape *tape, const ntk_node_layer *node, int l) {
  const ntk_neural_ode_options *o = node->options;
  flow f = {.o = o,
            .method = (const integrator *)o->integrator,
            .dtype = tape->network->dtype,
            .weight = ntk_affine_weight(tape->network, node),
            .bias = ntk_affine_bias_of(tape->network, node),
            .samples = ntk_pad(tape->count),
            .block = ntk_shape_count(&node->out),
            .evaluations = evaluations_of(o),
            .step = o->horizon / (double)o->steps,
            .a = tape->aux[l]};

  f.slope = ntk_array_at(f.dtype, f.a, f.samples * f.evaluations * f.block);
  return f;
}

static void *slope_of(const flow *f, int64_t evaluation) {
  return ntk_array_at(f->dtype, f->slope, evaluation * f->samples * f->block);
}

/* out = s_w a W + s_b b. */
static ntk_status apply_weight(const flow *f, const void *a, void *out) {
  const int64_t width = f->weight->size[0], rows = f->samples * f->block / width;

  if (f->bias) ntk_rows_fill(f->dtype, rows, width, f->bias->multiplier, f->bias->data, out);
  return ntk_rows_gemm(f->dtype, false, rows, width, width, f->weight->multiplier, a,
                       f->weight->data, f->bias ? 1 : 0, out);
}

/* Slope and value of phi in place. */
static void activate(const flow *f, int64_t evaluation, void *x) {
  const ntk_choice *given = &f->o->activation;
  const ntk_activation *phi = (const ntk_activation *)given->row;
  const int64_t count = f->samples * f->block;

  phi->slope(given->options, f->dtype, count, x, slope_of(f, evaluation));
  phi->value(given->options, f->dtype, count, x, x);
}

static void keep(const flow *f, int64_t evaluation, const void *a) {
  ntk_loop_scatter(f->dtype, f->samples, f->block, a, f->evaluations * f->block,
                   evaluation * f->block, f->a);
}

/* rate = y' at `point`, which is overwritten. */
static ntk_status evaluate(const flow *f, int64_t evaluation, void *point, void *rate) {
  if (f->o->field == &outside) {
    activate(f, evaluation, point);
    keep(f, evaluation, point);
    return apply_weight(f, point, rate);
  }
  keep(f, evaluation, point);
  NTK_TRY(apply_weight(f, point, rate));
  activate(f, evaluation, rate);
  return NTK_OK;
}

/* ---- forward --------------------------------------------------------------------------------- */

/* One step from y to `next`. */
static ntk_status advance(const flow *f, int64_t step, const void *y, void *next, void *point,
                          void *rate) {
  const int64_t count = f->samples * f->block;

  ntk_array_convert(f->dtype, y, f->dtype, next, count);
  for (int r = 0; r < f->method->stages; ++r) {
    if (r == 0) {
      ntk_array_convert(f->dtype, y, f->dtype, point, count);
    } else {
      ntk_loop_scaled(f->dtype, count, y, f->step * f->method->ahead[r], rate, point);
    }
    NTK_TRY(evaluate(f, step * f->method->stages + r, point, rate));
    ntk_loop_add(f->dtype, count, f->step * f->method->share[r], rate, next);
  }
  return NTK_OK;
}

/* y goes from x to y(T); room is for three arrays of its size. */
static ntk_status integrate(const flow *f, void *y, void *room) {
  const int64_t count = f->samples * f->block;
  void *point = ntk_array_at(f->dtype, room, count);
  void *rate = ntk_array_at(f->dtype, room, 2 * count);

  for (int64_t n = 0; n < f->o->steps; ++n) {
    NTK_TRY(advance(f, n, y, room, point, rate));
    ntk_array_convert(f->dtype, room, f->dtype, y, count);
  }
  return NTK_OK;
}

static ntk_status forward(const ntk_node_layer *node, ntk_tape *tape, int l) {
  const ntk_dtype dtype = tape->network->dtype;
  const int64_t count = ntk_pad(tape->count) * ntk_shape_count(&node->out);
  void *room = NULL;

  NTK_TRY(ntk_array_new_unset(dtype, count, &tape->value[l + 1]));
  NTK_TRY(ntk_array_new_unset(dtype, 2 * evaluations_of(node->options) * count, &tape->aux[l]));
  NTK_TRY(ntk_array_new_unset(dtype, 3 * count, &room));
  const flow f = flow_of(tape, node, l);

  ntk_array_convert(dtype, tape->value[l], dtype, tape->value[l + 1], count);
  const ntk_status status = integrate(&f, tape->value[l + 1], room);

  ntk_free(&room);
  return status;
}

/* ---- backward -------------------------------------------------------------------------------- */

/* Where deltas go on their way back. */
typedef struct pull {
  const flow *f;
  int64_t rows; /* of a sample */
  void *lambda; /* [sample][row][block] of what comes after a step */
  void *before; /* of what comes before it */
  void *rate;   /* of k_r, then of what W gives */
  void *point;  /* of y_r */
  void *delta;  /* [sample][row][evaluation][block]; NULL: not wanted */
} pull;

static int64_t size_of(const pull *p) { return p->f->samples * p->rows * p->f->block; }

/* From the delta of k_r to that of y_r. */
static ntk_status pull_field(const pull *p, int64_t evaluation) {
  const flow *f = p->f;
  const bool last = f->o->field == &inside;
  const int64_t width = f->weight->size[0];
  const void *slope = slope_of(f, evaluation);

  if (last) ntk_rows_scale(f->dtype, f->samples, p->rows, f->block, slope, p->rate);
  if (p->delta) {
    ntk_loop_scatter(f->dtype, f->samples * p->rows, f->block, p->rate, f->evaluations * f->block,
                     evaluation * f->block, p->delta);
  }
  NTK_TRY(ntk_rows_gemm(f->dtype, true, size_of(p) / width, width, width, f->weight->multiplier,
                        p->rate, f->weight->data, 0, p->point));
  if (!last) ntk_rows_scale(f->dtype, f->samples, p->rows, f->block, slope, p->point);
  return NTK_OK;
}

static ntk_status pull_step(const pull *p, int64_t step) {
  const flow *f = p->f;
  const integrator *m = f->method;

  ntk_array_convert(f->dtype, p->lambda, f->dtype, p->before, size_of(p));
  for (int r = m->stages - 1; r >= 0; --r) {
    ntk_loop_scaled(f->dtype, size_of(p), NULL, f->step * m->share[r], p->lambda, p->rate);
    if (r < m->stages - 1) {
      ntk_loop_add(f->dtype, size_of(p), f->step * m->ahead[r + 1], p->point, p->rate);
    }
    NTK_TRY(pull_field(p, step * m->stages + r));
    ntk_loop_add(f->dtype, size_of(p), 1, p->point, p->before);
  }
  ntk_array_convert(f->dtype, p->before, f->dtype, p->lambda, size_of(p));
  return NTK_OK;
}

/* Scratch: the three arrays of a pull, and its delta. */
static int64_t scratch_of(const ntk_node_layer *node, int64_t rows, bool delta) {
  return (3 + (delta ? evaluations_of(node->options) : 0)) * rows * ntk_shape_count(&node->out);
}

/* The stream's delta becomes that of the input; *delta are those of the evaluations, if wanted. */
static ntk_status pull_back(const ntk_node_layer *node, ntk_stream *stream, int l,
                            const void **delta) {
  const flow f = flow_of(stream->tape, node, l);
  pull p = {.f = &f, .rows = stream->rows};

  NTK_TRY(ntk_stream_expand(stream));
  NTK_TRY(ntk_stream_scratch(stream, scratch_of(node, stream->rows, delta != NULL), &p.before));
  p.lambda = stream->full;
  p.rate = ntk_array_at(f.dtype, p.before, size_of(&p));
  p.point = ntk_array_at(f.dtype, p.before, 2 * size_of(&p));
  if (delta) {
    p.delta = ntk_array_at(f.dtype, p.before, 3 * size_of(&p));
    *delta = p.delta;
  }
  for (int64_t n = f.o->steps - 1; n >= 0; --n) NTK_TRY(pull_step(&p, n));
  return NTK_OK;
}

/* Where there is a factor, it has gone all the way already. */
static ntk_status backward(const ntk_node_layer *node, ntk_stream *stream, int l) {
  if (ntk_layer_trainable(stream->tape->network, node)) return NTK_OK;
  return pull_back(node, stream, l, NULL);
}

static ntk_status factor(const ntk_node_layer *node, ntk_stream *stream, int l, int k,
                         ntk_factor *factor) {
  const ntk_network *network = stream->tape->network;
  const void *delta = NULL;

  NTK_ASSERT(k == 0);
  *factor = (ntk_factor){.kind = NTK_FACTOR_LINEAR,
                         .weight = ntk_affine_weight(network, node),
                         .bias = ntk_affine_bias_of(network, node),
                         .positions = node->positions,
                         .in = node->fan_in,
                         .a = stream->tape->aux[l]};
  factor->w_weight = ntk_stream_weight(stream, factor->weight);
  factor->b_weight = ntk_stream_weight(stream, factor->bias);
  NTK_TRY(pull_back(node, stream, l, &delta));
  return ntk_stream_fold_array(stream, delta, node->fan_out, factor);
}

static void cost(const ntk_node_layer *node, ntk_cost_walk *walk) {
  const double size = (double)ntk_dtype_size(walk->network->dtype);
  const double count = (double)ntk_shape_count(&node->out);
  const double flops = 2 * (double)node->positions * (double)node->fan_in * (double)node->fan_out;

  walk->cost.forward_flops += flops;
  walk->cost.tape_bytes += size * count * (1 + 2 * (double)evaluations_of(node->options));
  if (!walk->counted && !walk->needed) return;
  ntk_walk_expand(walk, ntk_shape_count(&node->out));
  ntk_walk_scratch(walk, scratch_of(node, walk->rows, walk->counted));
  walk->cost.backward_flops += (double)walk->rows * flops;
  if (walk->counted) {
    ntk_walk_fold_array(walk, node->first_tensor, node->positions, node->fan_in, node->fan_out);
  }
}

const ntk_layer ntk_layer_neural_ode = {
    .row = {.name = "neural_ode",
            .also = "ode ode_block",
            .doc = "y' = phi(s_w y W + s_b b) from 0 to T, the output is y(T); tensors W [w][w], b "
                   "[w]",
            .options = options,
            .options_size = sizeof(ntk_neural_ode_options)},
    .linear = true,
    .factors = 1,
    .rng_keys = 2,
    .shape = shape,
    .tensors = tensors,
    .forward = forward,
    .backward = backward,
    .factor = factor,
    .cost = cost,
    .forget = ntk_affine_forget,
};
