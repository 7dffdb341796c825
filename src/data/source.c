/* The table of data sources. */
#include "ntk/data/data.h"

#define ROWS         \
  ROW(fashion_mnist) \
  ROW(idx)           \
  ROW(cifar10)       \
  ROW(csv)           \
  ROW(npy)           \
  ROW(hdf5)          \
  ROW(libsvm)        \
  ROW(grid)          \
  ROW(gaussian)      \
  ROW(sphere)        \
  ROW(circle)        \
  ROW(teacher)       \
  ROW(tokens)

#define ROW(name) extern const ntk_data_source ntk_source_##name;
ROWS
#undef ROW
#define ROW(name) &ntk_source_##name.row,

    const ntk_row *const ntk_data_sources[] = {ROWS NULL};
