/* The binary version of CIFAR-10: the input is a batch (first byte even) or the test batch. */
#include <sys/stat.h>

#include "fuzz.h"

enum { RECORD = 3073 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const uint8_t record[RECORD] = {7, 1, 2, 3};

  if (size == 0) return 0;
  (void)mkdir(fuzz_path("batch"), 0700);
  (void)mkdir(fuzz_path("test"), 0700);
  fuzz_write_once("batch/test_batch.bin", record, RECORD);
  fuzz_write_once("test/data_batch_1.bin", record, RECORD);
  if (data[0] % 2) {
    fuzz_write("test/test_batch.bin", data + 1, size - 1);
    fuzz_load("{source: cifar10, path: test, targets: real, center: scalar}");
  } else {
    fuzz_write("batch/data_batch_1.bin", data + 1, size - 1);
    fuzz_load("{source: cifar10, path: batch, targets: real}");
  }
  return 0;
}
