/* Weights from and to named arrays (the weights file). */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ntk/base/memory.h"
#include "network_plan.h"

static const char prefix[] = "layers/";
static const char format_name[] = "ntkrun-weights";
enum { SCHEMA = 1 };

static void name_of(const ntk_tensor *tensor, const char *suffix, char name[NTK_NAME_SIZE]) {
  (void)snprintf(name, NTK_NAME_SIZE, "%s%.84s%s", prefix, tensor->name, suffix);
}

/* "b", "bq", not "beta". */
static bool is_bias(const ntk_tensor *tensor) {
  const char *leaf = strrchr(tensor->name, '/') + 1;

  return leaf[0] == 'b' && strcmp(leaf, "beta") != 0;
}

/* "s_w" of weights, "s_b" of biases. */
static void name_multiplier(const ntk_tensor *tensor, char name[NTK_NAME_SIZE]) {
  name_of(tensor, is_bias(tensor) ? "/s_b" : "/s_w", name);
}

static ntk_shape shape_of(int rank, const int64_t *size) {
  ntk_shape shape = {.rank = rank < NTK_SHAPE_RANK ? rank : NTK_SHAPE_RANK};

  for (int k = 0; k < shape.rank; ++k) shape.size[k] = size[k];
  return shape;
}

/* ---- bind ------------------------------------------------------------------------------------ */

static const ntk_tensor *find_tensor(const ntk_network *network, const char *variable) {
  char name[NTK_NAME_SIZE];

  for (int t = 0; t < network->tensor_count; ++t) {
    name_of(&network->tensor[t], "", name);
    if (strcmp(name, variable) == 0) return &network->tensor[t];
  }
  return NULL;
}

/* Scales of dimensions, which files have beside the arrays. */
static bool is_coordinate(const ntk_variable *v) {
  const char *last = strrchr(v->name, '/');

  return v->rank == 1 && strcmp(last ? last + 1 : v->name, v->dimension[0]) == 0;
}

static ntk_status check_unknown(const ntk_network *network, const ntk_record *weights) {
  for (int64_t k = 0; k < weights->variable_count; ++k) {
    const ntk_variable *v = &weights->variables[k];

    NTK_CHECK(is_coordinate(v) || find_tensor(network, v->name) ||
                  ntk_masks_are(network, v->name),
              NTK_E_INPUT,
              "weights: '%s' is no tensor of this network", v->name);
  }
  return NTK_OK;
}

static ntk_status check_shape(const ntk_tensor *tensor, const ntk_variable *v) {
  const ntk_shape wanted = shape_of(tensor->rank, tensor->size);
  const ntk_shape found = shape_of(v->rank, v->size);
  char a[NTK_SHAPE_TEXT], b[NTK_SHAPE_TEXT];

  NTK_CHECK(v->rank == tensor->rank &&
                memcmp(v->size, tensor->size, (size_t)v->rank * sizeof(v->size[0])) == 0,
            NTK_E_INPUT, "weights: '%s' is %s%s, the network needs %s", v->name,
            ntk_shape_text(&found, a), v->rank > NTK_SHAPE_RANK ? " x ..." : "",
            ntk_shape_text(&wanted, b));
  NTK_CHECK(v->kind == NTK_KIND_REAL || v->kind == NTK_KIND_SINGLE, NTK_E_INPUT,
            "weights: '%s' is neither float32 nor float64", v->name);
  return NTK_OK;
}

static ntk_status check_finite(ntk_dtype dtype, const ntk_tensor *tensor, const ntk_variable *v) {
  for (int64_t k = 0; k < tensor->count; ++k) {
    NTK_CHECK(isfinite(ntk_array_get(dtype, tensor->data, k)), NTK_E_INPUT,
              "weights: entry %" PRId64 " of '%s' is %g%s", k, v->name,
              ntk_array_get(dtype, tensor->data, k),
              dtype == NTK_SINGLE ? " in single precision" : "");
  }
  return NTK_OK;
}

static ntk_status find_multiplier(const ntk_record *weights, const char *name, double *value) {
  const ntk_attribute *found = ntk_record_find_attribute(weights, name);

  NTK_CHECK(!found || (found->kind == NTK_KIND_REAL && isfinite(found->real)) ||
                found->kind == NTK_KIND_INT,
            NTK_E_INPUT, "weights: attribute '%s' is not a finite number", name);
  *value = !found ? 1 : found->kind == NTK_KIND_INT ? (double)found->integer : found->real;
  return NTK_OK;
}

static bool is_tied(const ntk_network *network, const ntk_tensor *tensor) {
  for (int l = 0; l < network->layer_count; ++l) {
    if (network->layer[l].borrowed == (int)(tensor - network->tensor)) return true;
  }
  return false;
}

static ntk_status bind_multipliers(const ntk_network *network, const ntk_record *weights,
                                   ntk_tensor *tensor) {
  char name[NTK_NAME_SIZE];

  name_multiplier(tensor, name);
  NTK_TRY(find_multiplier(weights, name, &tensor->multiplier));
  if (!is_tied(network, tensor)) return NTK_OK;
  NTK_CHECK(tensor->multiplier != 0, NTK_E_INPUT,
            "weights: attribute '%s' is 0, but a readout shares that tensor", name);
  name_of(tensor, "/s_t", name);
  return find_multiplier(weights, name, &tensor->transposed);
}

static ntk_status bind_tensor(const ntk_network *network, const ntk_record *weights,
                              ntk_tensor *tensor) {
  char name[NTK_NAME_SIZE];

  name_of(tensor, "", name);
  const ntk_variable *v = ntk_record_find(weights, name);

  NTK_CHECK(v, NTK_E_INPUT, "weights: '%s' is missing", name);
  NTK_TRY(check_shape(tensor, v));
  ntk_free(&tensor->data);
  NTK_TRY(ntk_array_new(network->dtype, tensor->count, &tensor->data));
  ntk_array_convert(v->kind == NTK_KIND_REAL ? NTK_DOUBLE : NTK_SINGLE, v->data, network->dtype,
                    tensor->data, tensor->count);
  NTK_TRY(check_finite(network->dtype, tensor, v));
  return bind_multipliers(network, weights, tensor);
}

/* ---- the layers that a file says it is for --------------------------------------------------- */

static bool has_bias(const ntk_network *network) {
  for (int t = 0; t < network->tensor_count; ++t) {
    if (is_bias(&network->tensor[t])) return true;
  }
  return false;
}

/* The network that the file's layer list describes, for the same inputs and outputs. */
static ntk_status create_described(const ntk_network *network, const char *layers,
                                   ntk_network *described) {
  ntk_tree tree = {0};
  ntk_problems problems = {0};
  ntk_network_settings settings = {0};
  ntk_status status = ntk_tree_parse("attribute 'layers' of the weights", layers, &tree, &problems);

  if (status == NTK_OK) {
    status = ntk_option_bind(&ntk_network_section, tree.root, "", "", &tree.arena, &settings,
                             &problems);
  }
  if (status == NTK_OK) status = ntk_problems_status(&problems);
  if (status == NTK_OK) {
    settings.biased = has_bias(network);
    status = ntk_network_create(&settings, &network->input, network->outputs, network->dtype,
                                described);
  }
  ntk_problems_destroy(&problems);
  ntk_tree_destroy(&tree);
  return status;
}

static ntk_status print_list(const ntk_choices *list, int indent, ntk_text *text);

/* The same layers without what weights do not depend on. */
static ntk_status copy_structure(const ntk_choices *from, ntk_arena *arena, ntk_choices *to) {
  to->count = from->count;
  NTK_TRY(ntk_arena_new(arena, (size_t)from->count * sizeof(*to->item), &to->item));
  for (int64_t k = 0; k < from->count; ++k) {
    const ntk_layer *layer = (const ntk_layer *)from->item[k].row;
    ntk_choice *item = &to->item[k];

    *item = from->item[k];
    NTK_TRY(ntk_arena_new(arena, layer->row.options_size, &item->options));
    memcpy(item->options, from->item[k].options, layer->row.options_size);
    if (layer->forget) layer->forget(item->options);
    for (const ntk_option *o = layer->row.options; o->key; ++o) {
      ntk_choices *list = ntk_list_in(o, item->options);
      const ntk_choices inner = list ? *list : (ntk_choices){0};

      if (list) NTK_TRY(copy_structure(&inner, arena, list));
    }
  }
  return NTK_OK;
}

static ntk_status print_structure(const ntk_network *network, ntk_text *text) {
  ntk_choices list = {0};
  ntk_arena arena = {0};
  ntk_status status = copy_structure(&network->list, &arena, &list);

  if (status == NTK_OK) status = print_list(&list, 0, text);
  ntk_arena_destroy(&arena);
  return status;
}

static ntk_status compare(const ntk_network *network, const ntk_network *described) {
  ntk_text wanted = {0}, found = {0};
  ntk_status status = print_structure(network, &wanted);

  if (status == NTK_OK) status = print_structure(described, &found);
  if (status == NTK_OK && strcmp(ntk_text_string(&wanted), ntk_text_string(&found)) != 0) {
    status = NTK_RAISE(NTK_E_INPUT,
                       "weights: the file is for other layers than the network's; it says\n%.400s"
                       "the network is\n%.400s",
                       ntk_text_string(&found), ntk_text_string(&wanted));
  }
  ntk_text_destroy(&wanted);
  ntk_text_destroy(&found);
  return status;
}

static ntk_status check_layers(const ntk_network *network, const ntk_record *weights) {
  const ntk_attribute *layers = ntk_record_find_attribute(weights, "layers");
  ntk_network described = {0};

  if (!layers) return NTK_OK;
  NTK_CHECK(layers->kind == NTK_KIND_TEXT, NTK_E_INPUT, "weights: attribute 'layers' is no text");
  ntk_status status = create_described(network, layers->text, &described);

  if (status == NTK_OK) status = compare(network, &described);
  ntk_network_destroy(&described);
  return status;
}

static ntk_status check_format(const ntk_record *weights) {
  const ntk_attribute *format = ntk_record_find_attribute(weights, "format");
  const ntk_attribute *schema = ntk_record_find_attribute(weights, "schema");

  NTK_CHECK(!format || (format->kind == NTK_KIND_TEXT && strcmp(format->text, format_name) == 0),
            NTK_E_INPUT, "weights: attribute 'format' is not '%s'", format_name);
  NTK_CHECK(!schema || (schema->kind == NTK_KIND_INT && schema->integer == SCHEMA), NTK_E_INPUT,
            "weights: attribute 'schema' is not %d, the only one this program reads", (int)SCHEMA);
  return NTK_OK;
}

ntk_status ntk_network_bind(ntk_network *network, const ntk_record *weights) {
  NTK_TRY(check_format(weights));
  NTK_TRY(check_layers(network, weights));
  NTK_TRY(check_unknown(network, weights));
  for (int t = 0; t < network->tensor_count; ++t) {
    NTK_TRY(bind_tensor(network, weights, &network->tensor[t]));
  }
  return ntk_masks_bind(network, weights);
}

/* ---- export ---------------------------------------------------------------------------------- */

static ntk_status export_tensor(const ntk_network *network, const ntk_tensor *tensor,
                                ntk_record *weights) {
  static const char *const axes[] = {"out", "in", "kw", "kh"};
  char name[NTK_NAME_SIZE], dimensions[32] = "", text[160];
  const bool wide = network->dtype == NTK_DOUBLE;
  const ntk_field field = {.name = name, .dimensions = dimensions, .units = "1", .long_name = text,
                           .source = "A1", .kind = wide ? NTK_KIND_REAL : NTK_KIND_SINGLE};
  size_t used = 0;
  void *data = NULL;

  for (int k = 0; !tensor->axes && k < tensor->rank; ++k) {
    used += (size_t)snprintf(dimensions + used, sizeof(dimensions) - used, "%s%s", k ? " " : "",
                             axes[tensor->rank - 1 - k]);
  }
  if (tensor->axes) (void)snprintf(dimensions, sizeof(dimensions), "%s", tensor->axes);
  name_of(tensor, "", name);
  (void)snprintf(text, sizeof(text), "entries of %s, before the multiplier", tensor->name);
  NTK_TRY(ntk_record_add(weights, &field, tensor->size, &data));
  memcpy(data, tensor->data, (size_t)tensor->count * ntk_dtype_size(network->dtype));
  name_multiplier(tensor, name);
  NTK_TRY(ntk_record_set_real(weights, name, tensor->multiplier));
  if (!is_tied(network, tensor)) return NTK_OK;
  name_of(tensor, "/s_t", name);
  return ntk_record_set_real(weights, name, tensor->transposed);
}

static ntk_status export_layers(const ntk_network *network, ntk_record *weights) {
  ntk_text yaml = {0};
  ntk_status status = ntk_network_print(network, 0, &yaml);

  if (status == NTK_OK) status = ntk_record_set_text(weights, "layers", ntk_text_string(&yaml));
  ntk_text_destroy(&yaml);
  return status;
}

static ntk_status export_all(const ntk_network *network, ntk_record *weights) {
  char shape[NTK_SHAPE_TEXT];

  NTK_TRY(ntk_record_set_text(weights, "format", format_name));
  NTK_TRY(ntk_record_set_int(weights, "schema", SCHEMA));
  NTK_TRY(export_layers(network, weights));
  NTK_TRY(ntk_record_set_text(weights, "input_shape", ntk_shape_text(&network->input, shape)));
  NTK_TRY(ntk_record_set_text(weights, "origin", "ntkrun"));
  for (int t = 0; t < network->tensor_count; ++t) {
    NTK_TRY(export_tensor(network, &network->tensor[t], weights));
  }
  return ntk_masks_export(network, weights);
}

ntk_status ntk_network_export(const ntk_network *network, ntk_record *weights) {
  const ntk_status status = export_all(network, weights);

  if (status != NTK_OK) ntk_record_destroy(weights);
  return status;
}

/* ---- print ----------------------------------------------------------------------------------- */

static const ntk_option list_options[] = {
    {.key = "layers",
     .type = NTK_CHOICES,
     .flags = NTK_REPEAT,
     .offset = offsetof(ntk_network_settings, layers),
     .rows = ntk_layers},
    {0},
};

const ntk_section ntk_list_section = {.options = list_options};

static ntk_status print_list(const ntk_choices *list, int indent, ntk_text *text) {
  const ntk_network_settings settings = {.layers = *list};

  return ntk_option_print(&ntk_list_section, &settings, indent, text);
}

ntk_status ntk_network_print(const ntk_network *network, int indent, ntk_text *text) {
  return print_list(&network->list, indent, text);
}
