#include "ntk/data/source.h"

#define PATH_ROW(field, need, text)                                                                \
  {                                                                                                \
    .key = #field, .type = NTK_PATH, .offset = offsetof(ntk_paired_files, field), .flags = (need), \
    .doc = (text)                                                                                  \
  }

const ntk_option ntk_paired_options[] = {
    PATH_ROW(inputs, NTK_REQUIRED, "file of the training inputs; bytes are divided by 255"),
    PATH_ROW(labels, NTK_REQUIRED, "file of the training labels"),
    PATH_ROW(test_inputs, 0, "file of the test inputs; none: test samples come after train"),
    PATH_ROW(test_labels, 0, "file of the test labels"),
    {0},
};

void ntk_test_pair_check(const char *test_inputs, const char *test_labels, const ntk_node *node,
                         ntk_problems *problems) {
  const char *given = test_inputs ? "test_inputs" : "test_labels";
  const char *absent = test_inputs ? "test_labels" : "test_inputs";
  const ntk_node *at = ntk_node_find(node, given);

  if (!test_inputs == !test_labels) return;
  ntk_problem(problems, at ? at->mark : node->mark, "%s is given without %s; write both or neither",
              given, absent);
}

void ntk_paired_check(const void *options, const ntk_node *node, ntk_problems *problems) {
  const ntk_paired_files *o = options;

  ntk_test_pair_check(o->test_inputs, o->test_labels, node, problems);
}

ntk_status ntk_paired_read(ntk_table_reader *read, const ntk_paired_files *o, ntk_raw *raw) {
  const ntk_raw_files files = {.read = read,
                               .path = {o->inputs, o->labels, o->test_inputs, o->test_labels}};

  return ntk_raw_read(&files, raw);
}
