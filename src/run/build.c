#include "ntk/run/build.h"

#include <string.h>

#include "ntk/store/file.h"

static ntk_dtype dtype_of(const ntk_settings *settings) {
  return strcmp(settings->kernel.precision->name, "single") == 0 ? NTK_SINGLE : NTK_DOUBLE;
}

/* The layer list that a weights file carries, bound like `network.layers`. */
static ntk_status bind_layers(const ntk_record *weights, const char *path, ntk_tree *tree,
                              ntk_problems *problems, ntk_network_settings *network) {
  const ntk_attribute *layers = ntk_record_find_attribute(weights, "layers");
  ntk_network_settings bound = {0};

  NTK_CHECK(layers && layers->text, NTK_E_INPUT,
            "%s: no attribute 'layers'; write network.layers in the config", path);
  NTK_TRY(ntk_tree_parse(path, layers->text, tree, problems));
  NTK_TRY(ntk_option_bind(&ntk_network_section, tree->root, "network", "", &tree->arena, &bound,
                          problems));
  NTK_TRY(ntk_problems_status(problems));
  network->layers = bound.layers;
  return NTK_OK;
}

static ntk_status create(const ntk_settings *settings, const ntk_network_settings *described,
                         const ntk_data *data, ntk_network *network) {
  ntk_network_settings complete = *described;

  complete.vocabulary = data->vocabulary;
  return ntk_network_create(&complete, &data->shape, data->outputs, dtype_of(settings), network);
}

static ntk_status create_and_bind(const ntk_settings *settings,
                                  const ntk_network_settings *described,
                                  const ntk_record *weights, const ntk_data *data,
                                  ntk_network *network) {
  NTK_TRY(create(settings, described, data, network));
  return weights ? ntk_network_bind(network, weights) : NTK_OK;
}

static ntk_status from_file(const ntk_settings *settings, const ntk_record *weights,
                            const ntk_data *data, bool fill, ntk_network *network) {
  ntk_network_settings described = settings->network;
  ntk_tree tree = {0};
  ntk_problems problems = {0};
  ntk_status status = NTK_OK;

  const bool short_form = described.kind && strcmp(described.kind->name, "layers") != 0;

  if (!short_form && !described.layers.count) {
    status = bind_layers(weights, described.weights, &tree, &problems, &described);
  }
  if (status == NTK_OK) {
    status = create_and_bind(settings, &described, fill ? weights : NULL, data, network);
  }
  ntk_problems_destroy(&problems);
  ntk_tree_destroy(&tree);
  return status;
}

static ntk_status from_settings(const ntk_settings *settings, const ntk_data *data, bool fill,
                                ntk_network *network) {
  NTK_TRY(create(settings, &settings->network, data, network));
  return fill ? ntk_network_draw(&settings->network, network) : NTK_OK;
}

ntk_status ntk_network_build(const ntk_settings *settings, const ntk_data *data, bool fill,
                             ntk_network *network) {
  ntk_record weights = {0};
  ntk_status status = NTK_OK;

  *network = (ntk_network){0};
  if (!settings->network.weights) {
    status = from_settings(settings, data, fill, network);
  } else {
    status = ntk_file_read(settings->network.weights, "", true, &weights);
    if (status == NTK_OK) {
      status = from_file(settings, &weights, data, fill, network);
    }
    ntk_record_destroy(&weights);
  }
  if (status != NTK_OK) ntk_network_destroy(network);
  return status;
}

ntk_status ntk_network_build_initial(const ntk_settings *settings, const ntk_data *data,
                                     ntk_network *initial) {
  const ntk_network_centering *centering = settings->network.output.options;
  ntk_settings other = *settings;

  *initial = (ntk_network){0};
  if (!centering || !centering->initial) return NTK_OK;
  other.network.weights = centering->initial;
  return ntk_network_build(&other, data, true, initial);
}
