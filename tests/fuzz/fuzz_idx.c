/* IDX files, plain or gzip: the first byte says which of the four the rest is. */
#include "fuzz.h"

static const uint8_t images[] = {0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6};
static const uint8_t labels[] = {0, 0, 8, 1, 0, 0, 0, 3, 0, 1, 0};

static const char *const settings[] = {
    "{source: idx, inputs: fuzz, labels: labels, test_inputs: images, test_labels: labels}",
    "{source: idx, inputs: images, labels: fuzz, test_inputs: images, test_labels: labels}",
    "{source: idx, inputs: images, labels: labels, test_inputs: fuzz, test_labels: labels}",
    "{source: idx, inputs: images, labels: labels, test_inputs: images, test_labels: fuzz}",
    "{source: idx, inputs: fuzz, labels: labels, train: {count: 2}, center: feature}",
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  fuzz_write_once("images", images, sizeof(images));
  fuzz_write_once("labels", labels, sizeof(labels));
  fuzz_write("fuzz", data + 1, size - 1);
  fuzz_load(settings[data[0] % (sizeof(settings) / sizeof(settings[0]))]);
  return 0;
}
