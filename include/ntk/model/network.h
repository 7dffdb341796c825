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
  const ntk_law *law; /* with `variance`; NULL: std times standard normals */
  double variance, std;
} ntk_tensor_law;

/* A trainable (or constant) array of parameters. */
typedef struct ntk_tensor {
  char name[NTK_NAME_SIZE]; /* "readout/W": layer name, tensor name */
  int rank;
  int64_t size[4];
  int64_t count;
  double multiplier;        /* s_w or s_b */
  ntk_tensor_law law;
  bool trainable;
  void *data;               /* [count] of the network's dtype, owned */
} ntk_tensor;

/* One layer of a network: a row of the table with its options and its place. */
typedef struct ntk_node_layer {
  char name[NTK_NAME_SIZE];
  const struct ntk_layer *layer;
  void *options;                /* struct of layer->row.options, in the network's arena */
  ntk_mark mark;                /* where it was written; valid while the network is created */
  ntk_shape in, out;            /* of one sample */
  int64_t fan_in, fan_out;      /* 0 for layers without weights */
  ntk_role role;                /* of layers with linear maps */
  int first_tensor, tensors;    /* its tensors are tensor[first_tensor ...] */
} ntk_node_layer;

typedef struct ntk_network {
  ntk_arena arena;
  ntk_dtype dtype;
  ntk_shape input;
  int64_t outputs;
  int layer_count;
  ntk_node_layer *layer;
  int tensor_count, tensor_capacity;
  ntk_tensor *tensor; /* in the order of the layers, W before b */
  int64_t parameters; /* trainable entries */
  bool centered;      /* f - f0: the caller subtracts the output at initialisation */
  double scale;       /* of the output: f is this times what the layers give; 1 unless scaled */
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
  void **value; /* [layer_count + 1]; value[l] is the input of layer l, value[layer_count] = f;
                   NULL where the layer took its input's array over (activation, flatten) */
  void **aux;   /* [layer_count] what the layer keeps besides; NULL if nothing */
} ntk_tape;

/* Local.  Forward pass of `count` samples.
 *   inputs  [count][features] double, borrowed during the call
 *   tape    overwritten; ntk_tape_destroy; its size is tape_bytes of ntk_network_cost; empty on
 *           failure
 * Fails with NTK_E_MEMORY, NTK_E_NUMERIC if an output is not finite (names the sample). */
NTK_CHECKED ntk_status ntk_forward(const ntk_network *network, int64_t count,
                                   const double *inputs, ntk_tape *tape);

/* Local.  The same with inputs that the caller gives away: *inputs is NULL afterwards.
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

/* The contribution of one linear map h_s = s_w a_s W + s_b b, used at `positions` positions, to
 * every kernel entry (MATH B1, B2, B5):
 *
 *   sum_{s,s'} ( w_weight <a_i,s, a_j,s'> + b_weight ) <delta_i,c,s, delta_j,c',s'>
 *
 * w_weight = rate_scale s_w^2 or 0 if W is not trainable; b_weight likewise; for the mean over
 * outputs both carry the 1/O.  For mean and trace the cotangents are features: (c, out) is one axis, and where
 * delta = phi' o (a vector per output) they are folded into one (PERFORMANCE: q columns, not Oq).
 * All arrays are [sample][...], in the network's dtype, with ntk_pad(count) samples. */
typedef struct ntk_factor {
  const ntk_tensor *weight, *bias; /* bias NULL if there is none */
  double w_weight, b_weight;
  int64_t positions;     /* S; 1 for dense layers */
  int64_t in;            /* p: a is [sample][positions][in] */
  int64_t cotangents;    /* rows of delta and of the kernel per sample: O if full, else 1 */
  int64_t out;           /* q: delta is [sample][cotangents][positions][out] */
  const void *a;         /* borrowed; valid until the next ntk_stream_next */
  const void *delta;     /* likewise; if `shared`, [cotangents][positions][out] for all samples */
  bool shared;           /* delta does not depend on the sample (the readout) */
} ntk_factor;

/* How the derivative of the outputs with respect to a layer's output is held. */
typedef enum ntk_delta_form {
  NTK_DELTA_SHARED,    /* [rows][width], the same for all samples: no activation above yet */
  NTK_DELTA_SEPARABLE, /* mask [sample][width] times SHARED: one activation layer above */
  NTK_DELTA_FULL       /* [sample][rows][width] */
} ntk_delta_form;

/* The backward pass as a stream: one factor per weight tensor, last layer first, none for layers of
 * which nothing is trainable; the same sequence on every rank, also with count 0.  Zero-initialise; begin; next until !*more; destroy. */
typedef struct ntk_stream {
  const ntk_tape *tape; /* borrowed */
  ntk_cotangents cotangents;
  int layer;            /* that the next factor or backward step belongs to */
  int factors;          /* of that layer, still to come */
  int last;             /* the lowest layer with trainable tensors */
  int64_t rows, width;  /* cotangents per sample in delta before folding; entries of a row */
  ntk_delta_form form;
  void *common;         /* SHARED, SEPARABLE: [rows][width] */
  const void *mask;     /* SEPARABLE: [sample][width]; the tape's, or `product` */
  void *full, *spare;   /* FULL: [sample][rows][width]; and room for the next one */
  void *product, *folded; /* several slopes multiplied; what a factor borrowed */
  int64_t full_room, spare_room, product_room, folded_room; /* elements */
} ntk_stream;

/* Local.  Fails with NTK_E_CONFIG if there is no output of that number, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_stream_begin(const ntk_tape *tape, const ntk_cotangents *cotangents,
                                        ntk_stream *stream);

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

#endif
