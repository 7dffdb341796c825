/* Fashion-MNIST as Debian's package has it: shapes, counts, classes, and known pixels.
 *
 * Method: facts about the files that anybody can check with gzip and od: the first training labels
 * are 9 0 0 3 0, every class has 6000 training and 1000 test images, and the sum of all training
 * bytes.  The quickstart's settings give balanced sets and normalised samples. */
//TEST ranks=1
#include "data.h"

enum { PIXELS = 784 };

static void whole_set(ntk_data_cache *cache) {
  static const int64_t first[5] = {9, 0, 0, 3, 0};
  int64_t sum = 0, per_class[10] = {0};

  EXPECT(cache->held[0].raw.train_count == 60000 && cache->held[0].raw.test_count == 10000);
  for (int64_t i = 0; i < 5; ++i) EXPECT(cache->held[0].raw.train_label[i] == first[i]);
  for (int64_t i = 0; i < 60000; ++i) ++per_class[cache->held[0].raw.train_label[i]];
  for (int c = 0; c < 10; ++c) EXPECT(per_class[c] == 6000);
  for (int64_t k = 0; k < 60000 * PIXELS; ++k) sum += cache->held[0].raw.train_bytes[k];
  EXPECT(sum == 3431114169);
}

int main(int argc, char **argv) {
  ntk_data_cache cache = {0};
  int64_t per_class[10] = {0};
  ntk_data data;
  bound b;

  begin_test(&argc, &argv);
  bind_valid("{source: fashion_mnist, train: {count: 1024, balanced: true}, test: {count: 1000},"
             " targets: one_hot_centered, center: feature, scale: sample_rms}", &b);
  EXPECT_OK(ntk_data_load(&b.settings, &cache, &data));
  whole_set(&cache);
  EXPECT(data.shape.rank == 3 && data.shape.size[0] == 28 && data.shape.size[1] == 28);
  EXPECT(data.shape.size[2] == 1 && data.features == PIXELS && data.outputs == 10);
  EXPECT(data.train.count == 1024 && data.test.count == 1000 && data.classes == 10);
  for (int64_t i = 0; i < 1024; ++i) {
    double square = 0;

    EXPECT(data.train.label[i] == cache.held[0].raw.train_label[data.train.index[i]]);
    EXPECT(data.train.targets[i * 10 + data.train.label[i]] == 0.9);
    for (int f = 0; f < PIXELS; ++f) square += pow(data.train.inputs[i * PIXELS + f], 2);
    EXPECT_NEAR(square / PIXELS, 1, 1e-12);
    ++per_class[data.train.label[i]];
  }
  for (int c = 0; c < 10; ++c) EXPECT(per_class[c] == 102 + (c < 4));
  ntk_data_destroy(&data);
  ntk_data_cache_destroy(&cache);
  unbind(&b);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
