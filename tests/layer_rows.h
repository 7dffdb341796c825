/* layer_rows.h -- how often the rows of the table of layers stand in lists of layers: for tests
 * that are of every layer, so that one that has no test is found. */
#ifndef NTK_TESTS_LAYER_ROWS_H
#define NTK_TESTS_LAYER_ROWS_H

#include "ntk/model/layer.h"

enum { LAYER_ROWS = 64 }; /* of the table, at the most */

/* Adds the rows of a list as the program has read it, lists inside included. */
static inline void count_rows(const ntk_choices *list, int turns[LAYER_ROWS]) {
  for (int64_t item = 0; item < list->count; ++item) {
    const ntk_choice *choice = &list->item[item];

    for (int k = 0; ntk_layers[k]; ++k) turns[k] += ntk_layers[k] == choice->row;
    for (const ntk_option *o = choice->row->options; o->key; ++o) {
      if (o->type != NTK_CHOICES) continue;
      count_rows((const void *)((const char *)choice->options + o->offset), turns);
    }
  }
}

#endif
