/* network.h -- a network at one parameter vector: its layers, tensors, forward pass, and the
 * stream of factors that its backward pass gives.
 *
 * Local: no MPI, no HDF5.  Weights come from the counter-based generator (every rank draws the
 * same) or from named arrays. */
#ifndef NTK_MODEL_NETWORK_H
#define NTK_MODEL_NETWORK_H

#include "ntk/base/array.h"
#include "ntk/base/record.h"
#include "ntk/base/shape.h"
#include "ntk/config/option.h"
#include "ntk/model/activation.h"
#include "ntk/model/initializer.h"
#include "ntk/model/parameterization.h"
#include "ntk/model/patches.h"

typedef struct ntk_network_settings {
  const ntk_row *kind;        /* mlp | layers; NULL (auto): layers if there are any, else mlp */
  int64_t depth, width;
  ntk_choice activation;
  ntk_choices layers;         /* rows of ntk_layers */
  const ntk_row *parameterization;
  ntk_choice weight_init;     /* a row of ntk_initializers */
  bool biased;                /* false: `bias: none` */
  struct {
    double scale, std;
  } bias;
  ntk_choice output;          /* as_is | centered | scaled */
  int64_t seed;
  struct {
    const ntk_row *layout, *dtype, *keys;
  } rng;
  const char *weights;        /* file, NULL: drawn */
  int64_t vocabulary;         /* no key: of the data's tokens; 0: the inputs are numbers */
} ntk_network_settings;

/* Options of `output: centered` and `output: scaled`. */
typedef struct ntk_network_centering {
  const char *initial; /* weights file of theta_0; NULL: theta_0 is theta, so f - f0 = 0 */
  double alpha;        /* scaled: alpha (f - f0), MATH G7 */
  bool centered;       /* scaled: false for alpha f */
} ntk_network_centering;

extern const ntk_section ntk_network_section;

/* How the entries of a tensor are drawn. */
typedef struct ntk_tensor_law {
  const ntk_law *law; /* with `variance`; NULL: mean + std times standard normals */
  double variance, std;
  double mean; /* 1 of norm's gamma; 0 where there is a law */
  int64_t columns; /* of the matrix that a law draws; 0: the tensor's last size */
} ntk_tensor_law;

/* A trainable (or constant) array of parameters. */
typedef struct ntk_tensor {
  char name[NTK_NAME_SIZE]; /* "stage/0/block/branch/conv/W": path of the layer, tensor name */
  int rank;
  int64_t size[4];
  int64_t count;
  const char *axes;         /* names of its dimensions in files; NULL: of kh kw in out the last */
  double multiplier;        /* s_w or s_b */
  double transposed;        /* the multiplier of its transposed uses (tied readout) */
  ntk_tensor_law law;
  bool trainable;
  int uses;                 /* layers that use it; their factors come out as one */
  int64_t positions;        /* of all uses together */
  void *data;               /* [count] of the network's dtype, owned */
} ntk_tensor;

/* By what dropout multiplies the samples 0 .. count - 1, from a weights file. */
typedef struct ntk_masks {
  int64_t count;
  void *data; /* [count][...] of the network's dtype, owned; NULL: none, so they are drawn */
} ntk_masks;

/* One layer of a network: a row of the table with its options and its place. */
typedef struct ntk_node_layer {
  char name[NTK_NAME_SIZE];     /* path: "stage/0/block/branch/conv" */
  const struct ntk_layer *layer;
  void *options;                /* struct of layer->row.options, in the network's arena; copies of
                                   a repeated layer have the same */
  ntk_mark mark;                /* where it was written; valid while the network is created */
  ntk_shape in, out;            /* of one sample */
  int64_t fan_in, fan_out;      /* 0 for layers without weights */
  ntk_role role;                /* of layers with linear maps */
  int64_t positions;            /* at which its tensors are used; before shape() those of `in` */
  int factors;                  /* that it gives; before shape() those of the row */
  int first_tensor, tensors;    /* its tensors are tensor[first_tensor ...], declared by it or, if
                                   they are shared, by layer `source` */
  int source;                   /* itself, or the layer that declared its tensors */
  int borrowed;                 /* a further tensor, of another layer (tied readout); -1: none */
  ntk_masks masks[2];           /* of dropout; of training samples, of test samples */
  int partner;                  /* of join and swap: the row that holds what they combine */
  const void *state;            /* what the layer's prepare() made, in the network's arena */
} ntk_node_layer;

typedef struct ntk_network {
  ntk_arena arena;
  ntk_dtype dtype;
  ntk_shape input;
  int64_t outputs;
  int layer_count;
  ntk_node_layer *layer;
  ntk_choices list; /* the layers as a config may write them, sizes and names resolved: containers
                       with their lists, where `layer` has what they are expanded into */
  int tensor_count, tensor_capacity;
  ntk_tensor *tensor; /* in the order of the layers, W before b */
  int64_t parameters; /* trainable entries */
  bool centered;      /* f - f0: the caller subtracts the output at initialisation */
  double scale;       /* of the output: f is this times what the layers give; 1 unless scaled */
  bool two_kernels;   /* dropout with masks: expected_independent: entries of a sample with itself
                         have a stream of their own, ntk_stream_begin_part */
  int coupled;        /* batch_norm in mode train: outputs depend on all training samples, by the
                         parameters of the layers below this one (MATH B20); 0: there is none */
  double rate_scale;  /* of the learning rate, so of the kernel (MATH A3); 1 but for mean_field */
} ntk_network;

/* Local.  The network that the settings describe, layers expanded and shapes inferred; tensors
 * without data.  Nothing of the settings is referred to afterwards.
 *   network  overwritten; owned by the caller; empty on failure
 * Fails with NTK_E_CONFIG naming layer and both shapes, or if nothing is trainable; NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_network_create(const ntk_network_settings *settings,
                                          const ntk_shape *input, int64_t outputs,
                                          ntk_dtype dtype, ntk_network *network);

/* Local.  Draws all tensors by rng.layout, rng.dtype, rng.keys: in the arithmetic of rng.dtype,
 * widened to double, then rounded to the network's dtype.  rng.dtype float32 is JAX with x64 off:
 * the high word of the seed is dropped.  keys (tensor k counts W before b, layer by layer):
 *   per_tensor  tensor k from fold_in(PRNGKey(seed), k)
 *   article     W of weight layer l from split(PRNGKey(seed), weight layers + 1)[l]; b zero
 *   stax        (key, layer_key) = split(key) for every layer, also those without tensors; W and b
 *               from split(layer_key) */
NTK_CHECKED ntk_status ntk_network_draw(const ntk_network_settings *settings,
                                        ntk_network *network);

/* Local.  Takes all tensors from the variables "layers/<layer>/<tensor>" (single or double), and
 * their multipliers from the attributes s_w, of biases s_b, of these ("layers/<layer>/W/s_w"; 1 if
 * absent).
 * Fails with NTK_E_INPUT: unknown or missing tensor, wrong shape (both printed), NaN or Inf, other
 * layers than the attribute `layers` tells, another format; NTK_E_CONFIG if that attribute is not
 * a list of layers. */
NTK_CHECKED ntk_status ntk_network_bind(ntk_network *network, const ntk_record *weights);

/* Local.  The reverse, into an empty record, which is empty again on failure: tensors and
 * multipliers, and the attributes format, schema, layers (as ntk_network_print), input_shape
 * ("28 x 28 x 1"), origin. */
NTK_CHECKED ntk_status ntk_network_export(const ntk_network *network, ntk_record *weights);

/* Local.  The expanded layer list as YAML, "layers:" and its items; reads back as a part of
 * network: into a network with the same tensors. */
NTK_CHECKED ntk_status ntk_network_print(const ntk_network *network, int indent, ntk_text *text);

void ntk_network_destroy(ntk_network *network);

/* What one forward pass leaves behind for the backward pass: per layer its input and, of
 * activations, the slope, for `count` samples in arrays of ntk_pad(count).  A sample's values have
 * the same bits whatever other samples share the pass (array.h). */
typedef struct ntk_tape {
  const ntk_network *network; /* borrowed */
  int64_t count;
  const struct ntk_tape *training; /* borrowed: of all training samples, whose mean and variance
                                      batch_norm takes; NULL: this one is that */
  const int64_t *index; /* of a ntk_batch, while the pass lasts */
  bool test;
  int64_t waiting, waiting_most; /* entries of a sample that wait for the other path of a residual
                                    and are not among `value`: now, at the most */
  void **value; /* [layer_count + 1]; value[l] is the input of layer l, value[layer_count] = f;
                   NULL where the layer took its input's array over (activation, flatten) */
  void **aux;   /* [layer_count] what the layer keeps besides; NULL if nothing */
} ntk_tape;

/* Which samples a pass is of: masks of dropout are functions of that. */
typedef struct ntk_batch {
  int64_t count;
  const int64_t *index; /* [count] their numbers among all training (test) samples, borrowed during
                           the call; NULL: 0, 1, ... */
  bool test;            /* test samples */
  const ntk_tape *training; /* as of a tape */
} ntk_batch;

/* Local.  ntk_forward (own NULL) or ntk_forward_taking of these samples. */
NTK_CHECKED ntk_status ntk_forward_batch(const ntk_network *network, const ntk_batch *batch,
                                         const double *inputs, double **own, ntk_tape *tape);

/* Local.  Forward pass of `count` samples, the first of the training samples; batch_norm in mode
 * train takes them for all of these.
 *   inputs  [count][features] double, borrowed during the call
 *   tape    overwritten; ntk_tape_destroy; its size is tape_bytes of ntk_network_cost; empty on
 *           failure
 * Fails with NTK_E_MEMORY, NTK_E_NUMERIC if an output is not finite (names the sample). */
NTK_CHECKED ntk_status ntk_forward(const ntk_network *network, int64_t count,
                                   const double *inputs, ntk_tape *tape);

/* Local.  The same with inputs that the caller gives away: *inputs is NULL afterwards.  The samples
 * may be any, so it also fails, with NTK_E_CONFIG, if the network has masks of their own for them
 * (dropout): ntk_forward_batch.
 *   inputs  [ntk_pad(count)][features] */
NTK_CHECKED ntk_status ntk_forward_taking(const ntk_network *network, int64_t count,
                                          double **inputs, ntk_tape *tape);

/* Local.  f as double, [count][outputs]. */
void ntk_tape_output(const ntk_tape *tape, double *outputs);

void ntk_tape_destroy(ntk_tape *tape);

/* Which combinations of outputs are differentiated. */
typedef enum ntk_outputs {
  NTK_OUT_FULL,
  NTK_OUT_MEAN,
  NTK_OUT_TRACE,
  NTK_OUT_PSEUDO,
  NTK_OUT_SINGLE
} ntk_outputs;

typedef struct ntk_cotangents {
  ntk_outputs outputs;
  int64_t single; /* the output of NTK_OUT_SINGLE */
} ntk_cotangents;

/* What a factor is of (MATH B.1). */
typedef enum ntk_factor_kind {
  NTK_FACTOR_LINEAR, /* h_s = s_w a_s W + s_b b */
  NTK_FACTOR_ROWS,   /* h_s = s_w W[a_s]: a_s is the number of a row (embedding) */
  NTK_FACTOR_VECTOR  /* `bias` is any tensor and delta its gradient over s_b, one position: gamma */
} ntk_factor_kind;

/* What the outputs owe to the statistics of batch_norm: the same sums over positions, of all
 * training samples, for every sample that has a factor (MATH B20).  The gradient of W gets
 * s_w sum_{k,s} a_k,s^T delta_k,i,c,s besides, and that of b likewise. */
typedef struct ntk_coupling {
  int64_t samples;            /* training samples k; their positions are those of the factor */
  int64_t sums;               /* the factor's `out` is sums * out of this */
  int64_t out;
  const ntk_patches *patches; /* as of a factor */
  const void *a;              /* [training sample][positions][in], or what patches see */
  const void *delta; /* [training sample][sample][cotangents][sums][positions][out]; padded training
                        samples, no padded samples */
} ntk_coupling;

/* The contribution of one tensor (a weight with its bias) to every kernel entry:
 *
 *   linear  sum_{s,s'} ( w_weight <a_i,s, a_j,s'> + b_weight ) <delta_i,c,s, delta_j,c',s'> (B1)
 *   rows    sum_{s,s'} w_weight [a_i,s == a_j,s'] <delta_i,c,s, delta_j,c',s'>
 *   vector  b_weight <delta_i,c, delta_j,c'>                                               (B3)
 *
 * w_weight = rate_scale s_w^2 or 0 if W is not trainable; b_weight likewise; for the mean over
 * outputs both carry the 1/O.  Gradients: of W s_w sum_s a_s^T delta_s (of its row a_s
 * s_w delta_s), of b s_b sum_s delta_s, with the multipliers of the tensors.  For mean and trace
 * the cotangents are features: (c, out) is one axis, and where delta = phi' o (a vector per output)
 * they are folded into one (PERFORMANCE: q columns, not Oq).
 *
 * A tensor that several layers use gives one factor, with the positions of all its uses one after
 * the other (of a vector, the sum), where the lowest of them stands.
 * All arrays are [sample][...], in the network's dtype, with ntk_pad(count) samples. */
typedef struct ntk_factor {
  ntk_factor_kind kind;
  const ntk_tensor *weight, *bias; /* NULL if there is none; of a vector, weight */
  double w_weight, b_weight;
  int64_t positions;     /* S; 1 for dense layers on vectors */
  int64_t in;            /* p: a is [sample][positions][in]; rows 1, vector 0 */
  const ntk_patches *patches; /* NULL, or a_s are the patches (in = window * channels) of what `a`
                                 points to, [sample][cells][channels]: ntk_patches_form */
  int64_t cotangents;    /* rows of delta and of the kernel per sample: O if full, else 1 */
  int64_t out;           /* q: delta is [sample][cotangents][positions][out] */
  const void *a;         /* borrowed; valid until the next ntk_stream_next; of a vector NULL */
  const void *delta;     /* likewise; if `shared`, [cotangents][positions][out] for all samples */
  bool shared;           /* delta does not depend on the sample (the readout); then S = 1 */
  const ntk_coupling *coupling; /* NULL: none, as of all vectors; borrowed likewise */
} ntk_factor;

/* How the derivative of the outputs with respect to a layer's output is held. */
typedef enum ntk_delta_form {
  NTK_DELTA_SHARED,    /* [rows][width], the same for all samples: no activation above yet */
  NTK_DELTA_SEPARABLE, /* mask [sample][width] times SHARED: one activation layer above */
  NTK_DELTA_FULL       /* [sample][rows][width] */
} ntk_delta_form;

enum { NTK_MOST_NESTED = 16 }; /* residuals and repeats inside of one another */

/* A delta that waits for the other path of a residual. */
typedef struct ntk_saved_delta {
  ntk_delta_form form;
  int64_t width;
  void *common, *product, *full; /* owned, as those of the stream */
  const void *mask;
  int64_t product_room, full_room;
} ntk_saved_delta;

/* The backward pass as a stream: one factor per weight tensor (norm: per gamma, beta), last layer
 * first, none for layers of which nothing is trainable; the same sequence on every rank, also with
 * count 0.  Zero-initialise; begin; next until !*more; destroy. */
typedef struct ntk_stream {
  const ntk_tape *tape; /* borrowed */
  ntk_cotangents cotangents;
  int layer;            /* that the next factor or backward step belongs to */
  int factors;          /* of that layer, still to come */
  int last;             /* the lowest layer with trainable tensors */
  int64_t rows, width;  /* cotangents per sample in delta before folding; entries of a row */
  bool same_mask;       /* for the diagonal, of ntk_stream_begin_part */
  int64_t terms;        /* rows whose products are summed for one cotangent (expected masks) */
  ntk_delta_form form;
  void *common;         /* SHARED, SEPARABLE: [rows][width] */
  const void *mask;     /* SEPARABLE: [sample][width]; the tape's, or `product` */
  void *full, *spare;   /* FULL: [sample][rows][width]; and room for the next one */
  void *product, *folded; /* several slopes multiplied; what a factor borrowed */
  void *scratch;          /* of layers, within one call */
  int64_t full_room, spare_room, product_room, folded_room, scratch_room; /* elements */
  int depth;              /* of saved */
  ntk_saved_delta saved[NTK_MOST_NESTED];
  int64_t saved_room, saved_most; /* of full and product in `saved`: now, at the most so far */
  struct ntk_stream *batch; /* in coupled layers, owned: of the training samples' tape, with a row
                               for each row of each sample of this one: how the outputs depend on
                               the training samples through batch_norm's statistics */
  const struct ntk_stream *of; /* in that one: this one */
  ntk_coupling coupling;  /* that the factor borrows */
  struct ntk_uses *uses;  /* [tensors] factors that wait for the other uses of their tensor */
  int tensors;
  int64_t uses_room;      /* elements */
} ntk_stream;

/* Local.  Fails with NTK_E_CONFIG if there is no output of that number or the network has two
 * kernels, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_stream_begin(const ntk_tape *tape, const ntk_cotangents *cotangents,
                                        ntk_stream *stream);

/* Local.  The same for any network: `diagonal` for the entries of a sample with itself, else for
 * those of two samples; where there are no two kernels that is the same. */
NTK_CHECKED ntk_status ntk_stream_begin_part(const ntk_tape *tape, const ntk_cotangents *cotangents,
                                             bool diagonal, ntk_stream *stream);

/* Local.  The next factor; *more is false, and there is none, at the end.  Fails with
 * NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_stream_next(ntk_stream *stream, ntk_factor *factor, bool *more);
void ntk_stream_destroy(ntk_stream *stream);

/* Local.  The rows that a sample has in the kernel: O if full, else 1. */
int64_t ntk_cotangent_rows(const ntk_cotangents *cotangents, int64_t outputs);

/* What plan says and the counters of a run are compared with. */
typedef struct ntk_network_cost {
  double forward_flops, backward_flops; /* of one sample; 2 flops a multiply-add of GEMMs */
  double pair_flops;                    /* of one entry of Gram or test block, all tensors: the
                                           GEMMs <a, a'> and <delta, delta'> */
  double weight_bytes;
  double tape_bytes;                    /* of one sample */
  double delta_bytes;                   /* of one sample: what a stream holds */
  double panel_bytes;                   /* of one sample: the largest a + delta of a tensor */
} ntk_network_cost;

/* Local.  Cost by the rows' own functions; needs no tensor data. */
ntk_network_cost ntk_network_cost_of(const ntk_network *network, const ntk_cotangents *cotangents);

/* The same of ntk_stream_begin_part. */
ntk_network_cost ntk_network_part_cost(const ntk_network *network, const ntk_cotangents *cotangents,
                                       bool diagonal);

/* What batch_norm in mode train costs besides: 0 without it. */
typedef struct ntk_batch_cost {
  double tape_bytes;     /* of all training samples */
  double forward_flops;  /* likewise */
  double delta_bytes;    /* of stream->batch */
  double backward_flops; /* likewise */
} ntk_batch_cost;

/* Local.  For `training` samples, and a stream of `samples`. */
ntk_batch_cost ntk_batch_cost_of(const ntk_network *network, const ntk_cotangents *cotangents,
                                 int64_t training, int64_t samples);

typedef void ntk_factor_visit(const ntk_factor *factor, void *context);

/* Local.  Shows the factors that a stream gives, without their arrays: kind, tensors, sizes
 * (patches of one use), couplings to that many training samples, and weights that are 1 where they
 * are not 0.  Needs no tensor data. */
void ntk_network_factors(const ntk_network *network, const ntk_cotangents *cotangents,
                         int64_t training, ntk_factor_visit *visit, void *context);

#endif
