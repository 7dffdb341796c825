/* The data's vocabulary is known to the network that is built for them: `vocabulary` in sizes of
 * layers, more tokens than an embedding has rows refused; none where the inputs are numbers; and a
 * weights file is read back into the same network.
 *
 * Method: ntk_network_build with sections bound from text. */
//TEST ranks=1
#include "folder.h"
#include "ntk/run/build.h"
#include "ntk/store/file.h"
#include "test.h"

typedef struct built {
  ntk_tree tree[2]; /* the settings live in them */
  ntk_settings settings;
  ntk_network network;
} built;

static void bind_section(const ntk_section *section, const char *name, const char *yaml,
                         ntk_tree *tree, void *settings) {
  ntk_problems problems = {0};

  EXPECT_OK(ntk_tree_parse("test", yaml, tree, &problems));
  EXPECT_OK(ntk_option_bind(section, tree->root, name, "", &tree->arena, settings, &problems));
  if (problems.count > 0) FAIL("%s", ntk_text_string(&problems.text));
  ntk_problems_destroy(&problems);
}

static ntk_status build(const char *yaml, int64_t vocabulary, built *b) {
  const ntk_data data = {
      .shape = {.rank = 1, .size = {3}}, .features = 3, .outputs = 2, .vocabulary = vocabulary};

  *b = (built){0};
  bind_section(&ntk_network_section, "network", yaml, &b->tree[0], &b->settings.network);
  bind_section(&ntk_kernel_section, "kernel", "{}", &b->tree[1], &b->settings.kernel);
  return ntk_network_build(&b->settings, &data, true, &b->network);
}

static void destroy(built *b) {
  ntk_network_destroy(&b->network);
  for (int k = 0; k < 2; ++k) ntk_tree_destroy(&b->tree[k]);
}

static const char tokens[] =
    "{width: 4, layers: [{token_embedding: {features: width}}, {attention: {heads: 2}}, flatten,"
    " {dense: {features: 3*vocabulary}}, {dense: {features: outputs}}]}";

static void check_vocabulary(void) {
  built b;

  EXPECT_OK(build(tokens, 7, &b));
  EXPECT(b.network.tensor[0].size[0] == 7);
  EXPECT(b.network.layer[3].fan_out == 21);
  destroy(&b);
  EXPECT_REFUSED(build(tokens, 0, &b), NTK_E_CONFIG, "the data have no vocabulary");
  destroy(&b);
  EXPECT_REFUSED(build("{layers: [{token_embedding: {vocabulary: 6, features: 4}}]}", 7, &b),
                 NTK_E_CONFIG, "has 6 rows, but the data have tokens 0 .. 6");
  destroy(&b);
}

/* Every layer of sequences, written to a file and read from it. */
static void check_file(void) {
  static const char all[] =
      "{width: 4, layers: [{token_embedding: {features: width}}, position_embedding,"
      " {attention: {heads: 2, head_dim: 3, value_dim: 5, features: 6}}, {neural_ode: {steps: 1}},"
      " flatten, {dense: {features: outputs}}]}";
  ntk_record weights = {0};
  char yaml[4600], folder[4096];
  built b, c;

  EXPECT_OK(build(all, 7, &b));
  EXPECT_OK(ntk_network_export(&b.network, &weights));
  folder_make(folder);
  const char *path = folder_path(folder, "weights.h5");

  EXPECT_OK(ntk_file_write(path, 1, &weights, NULL));
  (void)snprintf(yaml, sizeof(yaml), "{weights: \"%s\"}", path);
  EXPECT_OK(build(yaml, 7, &c));
  EXPECT(b.network.tensor_count == 14 && c.network.tensor_count == 14);
  for (int t = 0; t < 14; ++t) {
    const ntk_tensor *x = &b.network.tensor[t], *y = &c.network.tensor[t];

    EXPECT_TEXT(x->name, y->name);
    EXPECT(x->count == y->count && x->multiplier == y->multiplier);
    EXPECT(same_bits(x->data, y->data, (size_t)x->count * sizeof(double)));
  }
  folder_remove(folder);
  ntk_record_destroy(&weights);
  destroy(&b);
  destroy(&c);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  check_vocabulary();
  check_file();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
