/* Weights survive export and bind bit for bit, multipliers and layer list included; a file for
 * another network, or with broken arrays, is refused with what is wrong.
 *
 * Method: round trip; then one change of the record at a time. */
//TEST ranks=1
#include "network.h"

static const char net_yaml[] = "{depth: 2, width: 3, bias: {scale: 0.25, std: 1}}";

static void check_round_trip(const char *yaml, ntk_dtype dtype) {
  test_network from, to;
  ntk_record weights = {0};

  draw_network(yaml, 4, 2, dtype, &from);
  draw_network(yaml, 4, 2, dtype, &to);
  for (int t = 0; t < to.network.tensor_count; ++t) {
    ntk_tensor *tensor = &to.network.tensor[t];

    memset(tensor->data, 0, (size_t)tensor->count * ntk_dtype_size(dtype));
    tensor->multiplier = 7;
  }
  EXPECT_OK(ntk_network_export(&from.network, &weights));
  EXPECT_OK(ntk_network_bind(&to.network, &weights));
  for (int t = 0; t < to.network.tensor_count; ++t) {
    const ntk_tensor *a = &from.network.tensor[t], *b = &to.network.tensor[t];

    EXPECT(memcmp(a->data, b->data, (size_t)a->count * ntk_dtype_size(dtype)) == 0);
    EXPECT(a->multiplier == b->multiplier);
  }
  ntk_record_destroy(&weights);
  destroy_network(&from);
  destroy_network(&to);
}

static const char nested[] =
    "{width: 4, layers: [{dense: {features: width}}, {repeat: {name: stage, times: 2, layers: ["
    "{residual: {name: block, scale: 0.5, branch: [{norm: {}}, {dense: {name: d, features: width,"
    " bias: none}}], skip: [{dense: {features: width}}]}}]}}, {repeat: {times: 3, share: true, layers:"
    " [{dense: {features: width}}]}}, {batch_norm: {mode: eval}}, {dense: {features: outputs}}]}";

/* What a file has of containers: paths of layers; a shared list once; multipliers of biases are
 * s_b, of everything else s_w. */
static void check_paths(void) {
  static const char *const names[] = {
      "layers/stage/0/block/branch/norm0/gamma", "layers/stage/1/block/branch/norm0/beta",
      "layers/stage/1/block/branch/d/W",         "layers/stage/0/block/skip/dense0/b",
      "layers/repeat1/0/dense0/W",               "layers/batch_norm0/variance",
  };
  test_network from;
  ntk_record weights = {0};
  char attribute[NTK_NAME_SIZE];

  draw_network(nested, 4, 2, NTK_DOUBLE, &from);
  EXPECT_OK(ntk_network_export(&from.network, &weights));
  for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); ++k) {
    EXPECT(ntk_record_find(&weights, names[k]));
    (void)snprintf(attribute, sizeof(attribute), "%s/%s", names[k],
                   strcmp(strrchr(names[k], '/'), "/b") == 0 ? "s_b" : "s_w");
    EXPECT(ntk_record_find_attribute(&weights, attribute));
  }
  EXPECT(weights.variable_count == 2 + 2 * 5 + 2 + 4 + 2);
  EXPECT(((double *)ntk_record_find(&weights, names[0])->data)[1] == 1);
  EXPECT(((double *)ntk_record_find(&weights, names[1])->data)[1] == 0);
  EXPECT(((double *)ntk_record_find(&weights, names[5])->data)[1] == 1);
  ntk_record_destroy(&weights);
  destroy_network(&from);
}

/* The file's own list, containers and all, makes the same network; one with other contents of a
 * container is another. */
static void check_nested(void) {
  const ntk_shape input = {.rank = 1, .size = {4}};
  test_network from, to, other;
  ntk_record weights = {0};
  char yaml[1024];

  draw_network(nested, 4, 2, NTK_DOUBLE, &from);
  EXPECT_OK(ntk_network_export(&from.network, &weights));
  create_network(ntk_record_find_attribute(&weights, "layers")->text, &input, 2, NTK_DOUBLE, &to);
  EXPECT_OK(ntk_network_bind(&to.network, &weights));
  EXPECT(to.network.layer_count == from.network.layer_count);
  for (int t = 0; t < from.network.tensor_count; ++t) {
    EXPECT_TEXT(to.network.tensor[t].name, from.network.tensor[t].name);
  }
  (void)snprintf(yaml, sizeof(yaml), "%s", nested);
  strstr(yaml, "0.5")[2] = '6';
  draw_network(yaml, 4, 2, NTK_DOUBLE, &other);
  EXPECT_REFUSED(ntk_network_bind(&other.network, &weights), NTK_E_INPUT, "for other layers");
  ntk_record_destroy(&weights);
  destroy_network(&other);
  destroy_network(&to);
  destroy_network(&from);
}

/* The tied readout has a multiplier of its own beside that of the embedding. */
static void check_tied(void) {
  static const char yaml[] =
      "{layers: [{token_embedding: {name: e, vocabulary: 3, features: 4}}, flatten,"
      " {dense: {features: 4}}, {dense: {features: 3, share: e, transposed: true}}]}";
  const ntk_shape tokens = {.rank = 1, .size = {2}};
  test_network from, to;
  ntk_record weights = {0};

  create_network(yaml, &tokens, 3, NTK_DOUBLE, &from);
  create_network(yaml, &tokens, 3, NTK_DOUBLE, &to);
  EXPECT_OK(ntk_network_draw(&from.settings, &from.network));
  EXPECT_NEAR(from.network.tensor[0].transposed, sqrt(2.0 / 4), 1e-15); /* he_normal of fan-in 4 */
  EXPECT_OK(ntk_network_export(&from.network, &weights));
  EXPECT_OK(ntk_network_bind(&to.network, &weights));
  EXPECT(to.network.tensor[0].transposed == from.network.tensor[0].transposed);
  EXPECT_OK(ntk_record_set_real(&weights, "layers/e/W/s_t", 0.7));
  EXPECT_OK(ntk_network_bind(&to.network, &weights));
  EXPECT(to.network.tensor[0].transposed == 0.7);
  EXPECT_OK(ntk_record_set_real(&weights, "layers/e/W/s_w", 0));
  EXPECT_REFUSED(ntk_network_bind(&to.network, &weights), NTK_E_INPUT,
                 "'layers/e/W/s_w' is 0, but a readout shares that tensor");
  ntk_record_destroy(&weights);
  destroy_network(&from);
  destroy_network(&to);
}

/* A network made from the file's own layer list. */
static void check_layers(void) {
  test_network from, to;
  ntk_record weights = {0};

  draw_network("{depth: 1, width: 3, bias: none, activation: gelu}", 4, 2, NTK_DOUBLE, &from);
  EXPECT_OK(ntk_network_export(&from.network, &weights));
  const ntk_shape input = {.rank = 1, .size = {4}};

  create_network(ntk_record_find_attribute(&weights, "layers")->text, &input, 2, NTK_DOUBLE, &to);
  EXPECT_OK(ntk_network_bind(&to.network, &weights));
  EXPECT(to.network.tensor_count == 2);
  EXPECT_TEXT(ntk_record_find_attribute(&weights, "format")->text, "ntkrun-weights");
  EXPECT(ntk_record_find_attribute(&weights, "schema")->integer == 1);
  EXPECT_TEXT(ntk_record_find_attribute(&weights, "input_shape")->text, "4");
  EXPECT_TEXT(ntk_record_find(&weights, "layers/dense0/W")->dimension[0], "in");
  ntk_record_destroy(&weights);
  destroy_network(&from);
  destroy_network(&to);
}

/* How a layer was drawn, and whether it is trained, is no part of what the weights are for; what it
 * computes is.  The list in the file keeps all of it. */
static void check_described(void) {
  static const char drawn[] =
      "layers: [{dense: {features: 3, weight_init: orthogonal, bias: {std: 0}, trainable: false}},"
      " {activation: {leaky: {alpha: 0.5}}}, {dense: {features: outputs}}]";
  test_network from, to;
  ntk_record weights = {0};

  draw_network(drawn, 4, 2, NTK_DOUBLE, &from);
  EXPECT_OK(ntk_network_export(&from.network, &weights));
  EXPECT(strstr(ntk_record_find_attribute(&weights, "layers")->text, "trainable: false"));
  draw_network("layers: [{dense: {features: 3}}, {activation: {leaky: {alpha: 0.5}}},"
               " {dense: {features: outputs}}]", 4, 2, NTK_DOUBLE, &to);
  EXPECT_OK(ntk_network_bind(&to.network, &weights));
  EXPECT(to.network.tensor[0].trainable && !from.network.tensor[0].trainable);
  destroy_network(&to);
  draw_network("layers: [{dense: {features: 3}}, {activation: leaky}, {dense: {features: outputs}}]",
               4, 2, NTK_DOUBLE, &to);
  EXPECT_REFUSED(ntk_network_bind(&to.network, &weights), NTK_E_INPUT, "for other layers");
  destroy_network(&to);
  destroy_network(&from);
  ntk_record_destroy(&weights);
}

/* Single into double and back, without a multiplier: as foreign weights come. */
static void check_foreign(void) {
  static const ntk_field w = {"layers/readout/W", "in out", "1", "", "", NTK_KIND_SINGLE};
  static const ntk_field b = {"layers/readout/b", "out", "1", "", "", NTK_KIND_REAL};
  static const ntk_field axis = {"in", "in", "1", "", "", NTK_KIND_INT};
  const int64_t sizes[2] = {4, 1}, one = 1;
  ntk_record weights = {0};
  float *values = NULL;
  double *bias = NULL;
  test_network t;

  draw_network("{depth: 0, bias: {scale: 0.5}}", 4, 1, NTK_DOUBLE, &t);
  EXPECT_OK(ntk_record_add(&weights, &w, sizes, &values));
  EXPECT_OK(ntk_record_add(&weights, &b, &one, &bias));
  EXPECT_OK(ntk_record_add(&weights, &axis, sizes, NULL));
  for (int k = 0; k < 4; ++k) values[k] = 0.1F * (float)k;
  *bias = 0.3;
  EXPECT_OK(ntk_record_set_int(&weights, "layers/readout/b/s_b", 2));
  EXPECT_OK(ntk_network_bind(&t.network, &weights));
  for (int k = 0; k < 4; ++k) {
    EXPECT(((double *)t.network.tensor[0].data)[k] == (double)(0.1F * (float)k));
  }
  EXPECT(t.network.tensor[0].multiplier == 1 && t.network.tensor[1].multiplier == 2);
  EXPECT(*(double *)t.network.tensor[1].data == 0.3);
  ntk_record_destroy(&weights);
  destroy_network(&t);
}

/* ---- refusals -------------------------------------------------------------------------------- */

typedef void change_fn(ntk_record *weights);

static void drop_tensor(ntk_record *w) {
  (void)snprintf(ntk_record_find(w, "layers/dense1/W")->name, NTK_NAME_SIZE, "in");
  (void)snprintf(ntk_record_find(w, "in")->dimension[0], NTK_NAME_SIZE, "in");
  ntk_record_find(w, "in")->rank = 1; /* passes for the scale of a dimension */
}

static void rename_tensor(ntk_record *w) {
  (void)snprintf(ntk_record_find(w, "layers/dense1/W")->name, NTK_NAME_SIZE, "layers/dense1/V");
}

static void transpose(ntk_record *w) {
  ntk_variable *v = ntk_record_find(w, "layers/dense0/W");

  v->size[0] = 3;
  v->size[1] = 4;
}

static void add_axis(ntk_record *w) {
  ntk_variable *v = ntk_record_find(w, "layers/dense0/b");

  v->rank = 2;
  v->size[1] = 1;
}

static void make_integers(ntk_record *w) {
  ntk_record_find(w, "layers/dense0/b")->kind = NTK_KIND_INT;
}

static void put_nan(ntk_record *w) {
  ((double *)ntk_record_find(w, "layers/dense1/b")->data)[2] = NAN;
}

static void put_infinity(ntk_record *w) {
  ((double *)ntk_record_find(w, "layers/readout/W")->data)[5] = -INFINITY;
}

static void break_multiplier(ntk_record *w) {
  EXPECT_OK(ntk_record_set_text(w, "layers/dense0/W/s_w", "half"));
}

static void infinite_multiplier(ntk_record *w) {
  EXPECT_OK(ntk_record_set_real(w, "layers/dense0/W/s_w", INFINITY));
}

static void other_format(ntk_record *w) { EXPECT_OK(ntk_record_set_text(w, "format", "torch")); }

static void later_schema(ntk_record *w) { EXPECT_OK(ntk_record_set_int(w, "schema", 2)); }

static void other_activation(ntk_record *w) {
  EXPECT_OK(ntk_record_set_text(w, "layers",
                                "layers: [{dense: {features: 3}}, {activation: tanh}, {dense: "
                                "{features: 3}}, {activation: relu}, {dense: {name: readout, "
                                "features: 2}}]"));
}

static void layers_as_number(ntk_record *w) { EXPECT_OK(ntk_record_set_int(w, "layers", 3)); }

static void broken_layers(ntk_record *w) {
  EXPECT_OK(ntk_record_set_text(w, "layers", "layers: [{dnse: {features: 3}}]"));
}

typedef struct refusal {
  change_fn *change;
  ntk_status status;
  const char *part;
} refusal;

static const refusal refusals[] = {
    {drop_tensor, NTK_E_INPUT, "'layers/dense1/W' is missing"},
    {rename_tensor, NTK_E_INPUT, "'layers/dense1/V' is no tensor of this network"},
    {transpose, NTK_E_INPUT, "'layers/dense0/W' is 3 x 4, the network needs 4 x 3"},
    {add_axis, NTK_E_INPUT, "'layers/dense0/b' is 3 x 1, the network needs 3"},
    {make_integers, NTK_E_INPUT, "neither float32 nor float64"},
    {put_nan, NTK_E_INPUT, "entry 2 of 'layers/dense1/b' is nan"},
    {put_infinity, NTK_E_INPUT, "entry 5 of 'layers/readout/W' is -inf"},
    {break_multiplier, NTK_E_INPUT, "'layers/dense0/W/s_w' is not a finite number"},
    {infinite_multiplier, NTK_E_INPUT, "'layers/dense0/W/s_w' is not a finite number"},
    {other_format, NTK_E_INPUT, "'format' is not 'ntkrun-weights'"},
    {later_schema, NTK_E_INPUT, "'schema' is not 1"},
    {other_activation, NTK_E_INPUT, "for other layers"},
    {layers_as_number, NTK_E_INPUT, "'layers' is no text"},
    {broken_layers, NTK_E_CONFIG, "dense"},
};

static void check_refusal(const refusal *r) {
  test_network t;
  ntk_record weights = {0};

  draw_network(net_yaml, 4, 2, NTK_DOUBLE, &t);
  EXPECT_OK(ntk_network_export(&t.network, &weights));
  r->change(&weights);
  EXPECT_REFUSED(ntk_network_bind(&t.network, &weights), r->status, r->part);
  ntk_record_destroy(&weights);
  destroy_network(&t);
}

static void check_overflow(void) {
  test_network wide, narrow;
  ntk_record weights = {0};

  draw_network(net_yaml, 4, 2, NTK_DOUBLE, &wide);
  draw_network(net_yaml, 4, 2, NTK_SINGLE, &narrow);
  ((double *)wide.network.tensor[0].data)[3] = 1e300;
  EXPECT_OK(ntk_network_export(&wide.network, &weights));
  EXPECT_REFUSED(ntk_network_bind(&narrow.network, &weights), NTK_E_INPUT, "single precision");
  ntk_record_destroy(&weights);
  destroy_network(&wide);
  destroy_network(&narrow);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  check_round_trip(net_yaml, NTK_DOUBLE);
  check_round_trip(net_yaml, NTK_SINGLE);
  check_round_trip("{depth: 1, width: 2, bias: none, parameterization: standard}", NTK_DOUBLE);
  check_round_trip("layers: [{dense: {features: 3, bias: none}}, {activation: erf},"
                   " {dense: {features: outputs}}]", NTK_SINGLE);
  check_layers();
  check_round_trip(nested, NTK_DOUBLE);
  check_round_trip(nested, NTK_SINGLE);
  check_paths();
  check_nested();
  check_tied();
  check_described();
  check_foreign();
  for (size_t k = 0; k < sizeof(refusals) / sizeof(refusals[0]); ++k) check_refusal(&refusals[k]);
  check_overflow();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
